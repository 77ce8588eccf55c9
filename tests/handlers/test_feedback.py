"""👍 and 👎: counted by passage and day, once for an answer, never with a person."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from assessment.model import Role
from handlers.services import Options
from knowledge.answer import KnowledgeBase
from storage.store import Store
from tests.handlers.conftest import Village

ASKED = "người đứng đầu chậm xử lý thì sao"
ANOTHER = "điều 12 quy định 37"


@pytest.fixture
def people(village: Village) -> Village:
    village.add("quan", "Bùi Văn Quân", Role.ADMIN)
    village.add("an", "Nguyễn Văn An")
    village.enrol("quan", "an")
    return village


def rows(village: Village) -> list[tuple[str, bool, int]]:
    with village.store.transaction() as transaction:
        query = text('SELECT passage_id, is_good, "count" FROM feedback ORDER BY passage_id, is_good')
        return [(row[0], bool(row[1]), row[2]) for row in transaction._session.execute(query)]


def test_good_answer_is_counted_for_its_passage_however_it_is_said(people: Village) -> None:
    ways = ("hữu ích", "HUU ICH", "Hữu ích!", "👍", "👍🏽", "👍️")
    for number, said in enumerate(ways, 1):
        assert "mục 2.4, gạch đầu dòng 3" in people.say(f"u{number}", ASKED)
        assert "câu trả lời hữu ích" in people.say(f"u{number}", said)
        assert rows(people) == [("ke-hoach-ket-luan-21/2.4#3", True, number)]


def test_wrong_answer_is_counted_as_such(people: Village) -> None:
    for number, said in enumerate(("không đúng", "khong dung", "👎", "👎🏿"), 1):
        people.say(f"u{number}", ASKED)
        assert "câu trả lời không đúng" in people.say(f"u{number}", said)
        assert rows(people) == [("ke-hoach-ket-luan-21/2.4#3", False, number)]


def test_same_answer_counts_once_whatever_is_said_of_it_again(people: Village) -> None:
    people.say("an", ASKED)
    people.say("an", "👍")
    assert "đã ghi ý kiến về câu trả lời này" in people.say("an", "👍")
    assert "đã ghi ý kiến về câu trả lời này" in people.say("an", "không đúng")
    assert rows(people) == [("ke-hoach-ket-luan-21/2.4#3", True, 1)]


def test_next_answer_and_other_people_count_anew(people: Village) -> None:
    for user in ("an", "la"):
        people.say(user, ASKED)
        people.say(user, "👍")
    people.say("an", ASKED)
    people.say("an", "👎")
    assert rows(people) == [("ke-hoach-ket-luan-21/2.4#3", False, 1), ("ke-hoach-ket-luan-21/2.4#3", True, 2)]


def test_nothing_says_who_it_was(people: Village) -> None:
    people.say("an", ASKED)
    people.say("an", "👎")
    with people.store.transaction() as transaction:
        session = transaction._session
        assert set(session.execute(text("SELECT * FROM feedback")).mappings().one()) == {
            "passage_id",
            "document_version",
            "judged_on",
            "is_good",
            "count",
        }
        marks = session.execute(text("SELECT DISTINCT is_judged FROM messages WHERE is_judged IS NOT NULL")).all()
        # The mark on the message does not tell which thumb it was.
        assert [bool(mark) for (mark,) in marks] == [True]


def test_without_an_answer_there_is_nothing_to_judge(people: Village) -> None:
    before: tuple[list[str], ...] = (
        [],
        ["chào đồng chí"],
        ["học phí đại học bao nhiêu"],
        [ASKED, "giá xăng hôm nay bao nhiêu"],
        ["mục lục"],
    )
    for number, talk in enumerate(before):
        for said in talk:
            people.say(f"u{number}", said)
        assert "Chưa có câu trả lời nào để góp ý" in people.say(f"u{number}", "hữu ích"), talk
    assert rows(people) == []


def test_switched_off_it_counts_nothing_and_help_does_not_mention_it(store: Store, knowledge: KnowledgeBase) -> None:
    village = Village(store, knowledge, datetime(2026, 11, 5, 2, tzinfo=UTC), Options(takes_thumbs=False))
    village.say("an", ASKED)
    assert "đang tắt" in village.say("an", "hữu ích")
    assert rows(village) == []
    assert "hữu ích" not in village.say("an", "trợ giúp")
    assert "gõ “hữu ích” hoặc “không đúng”" in Village(store, knowledge, village.now).say("an", "trợ giúp")


def test_administrator_sees_counts_by_document(people: Village) -> None:
    for user, said in (("an", "👍"), ("la", "👍"), ("lan", "👎")):
        people.say(user, ASKED)
        people.say(user, said)
    said = people.say("quan", "góp ý")
    assert "• Kế hoạch thực hiện Kết luận 21-KL/TW: 2 hữu ích, 1 không đúng" in said
    assert "Nguyễn Văn An" not in said


def test_others_do_not_see_the_counts(people: Village) -> None:
    for user in ("an", "la"):
        assert people.say(user, "góp ý") == "Số góp ý chỉ dành cho người quản trị."


def test_no_counts_yet(people: Village) -> None:
    assert people.say("quan", "gop y") == "Chưa có góp ý nào."


def test_old_counts_are_destroyed(people: Village) -> None:
    people.say("an", ASKED)
    people.say("an", "👍")
    people.set_clock(people.now + timedelta(days=500))
    assert len(rows(people)) == 1
    people.set_clock(datetime(2028, 12, 1, 2, tzinfo=UTC))
    assert rows(people) == []
