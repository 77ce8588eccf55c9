"""Approved answers: written by a committee member, shown first, gone when their passage changes."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from assessment.model import Role
from embeddings.encoder import make_encoder
from knowledge.answer import KnowledgeBase, build_knowledge
from knowledge.lexicon import load_lexicon
from storage.database import open_database
from storage.store import Store
from tests.handlers.conftest import Village
from tests.storage.builders import a_vault, bring_up

FEE = "đóng đảng phí bao nhiêu một tháng"
WORDS = "Mức đóng theo hướng dẫn của chi bộ; đồng chí hỏi chi ủy để biết mức của mình."
PLACE = "mục 2.4, gạch đầu dòng 3"
PASSAGE_ID = "ke-hoach-ket-luan-21/2.4#3"
NOW = datetime(2026, 11, 5, 2, tzinfo=UTC)


def a_commune(village: Village) -> Village:
    village.add("uy", "Hoàng Văn Ủy", Role.COMMITTEE_MEMBER)
    village.add("quan", "Bùi Văn Quân", Role.ADMIN)
    village.enrol("uy", "quan")
    return village


@pytest.fixture
def commune(village: Village) -> Village:
    return a_commune(village)


@pytest.fixture
def on_both(url: str, knowledge: KnowledgeBase) -> Iterator[Village]:
    """The same on a database of each kind."""
    engine = open_database(url)
    bring_up(engine)
    yield a_commune(Village(Store(engine, a_vault()), knowledge, NOW))
    engine.dispose()


def approve(village: Village, question: str = FEE, words: str = WORDS, place: str = PLACE) -> str:
    village.say("uy", "soạn câu trả lời")
    village.say("uy", question)
    village.say("uy", place)
    village.say("uy", words)
    return village.choose("uy", "Xác nhận")


@pytest.fixture(scope="module")
def changed(knowledge: KnowledgeBase) -> KnowledgeBase:
    """The documents after the passage that the answers rest on was put otherwise."""
    passage = knowledge.passages[PASSAGE_ID]
    documents = [
        replace(each, text=each.text.replace(passage.text, f"{passage.text[:-1]}, theo quy định."), version=2)
        if each.is_plan
        else each
        for each in knowledge.documents.values()
    ]
    assert knowledge.plan is not None
    few = [each for each in documents if each.is_plan or each.id == "37-qd-tw-2021"]
    return build_knowledge(few, make_encoder("hashing"), load_lexicon())


# --- how one is written ---------------------------------------------------------------------------------------------


def test_from_the_question_to_the_answer_that_members_read(on_both: Village) -> None:
    assert "gõ câu hỏi" in on_both.say("uy", "soạn câu trả lời")
    said = on_both.say("uy", FEE)
    assert "dựa vào đoạn nào" in said
    assert len(on_both.choices["uy"]) == 3
    said = on_both.say("uy", PLACE)
    assert "— Kế hoạch thực hiện Kết luận 21-KL/TW, mục 2.4, gạch đầu dòng 3" in said
    assert "nhiều nhất 600 ký tự" in said
    said = on_both.say("uy", WORDS)
    assert "Đảng viên sẽ đọc như sau" in said
    assert f"Câu trả lời đã duyệt cho câu hỏi “{FEE}”:\n{WORDS}\nCăn cứ:\n«" in said
    assert "Đồng chí Hoàng Văn Ủy (cấp ủy Đảng bộ xã An Bình), ngày 05/11/2026" in said
    assert "Đã ghi nhận" in on_both.choose("uy", "Xác nhận")

    read = on_both.say("an", "mỗi tháng đóng đảng phí bao nhiêu ạ?")
    assert read.startswith(f"Câu trả lời đã duyệt cho câu hỏi “{FEE}”:\n{WORDS}\nCăn cứ:\n«")
    assert "chịu trách nhiệm nếu không kịp thời phát hiện" in read
    assert "— Kế hoạch thực hiện Kết luận 21-KL/TW, mục 2.4, gạch đầu dòng 3" in read
    assert "Đồng chí Hoàng Văn Ủy (cấp ủy Đảng bộ xã An Bình), ngày 05/11/2026" in read
    with on_both.store.transaction() as transaction:
        assert transaction.gaps.all(limit=10) == []
        assert "approve answer" in {entry.action for entry in transaction.audit.entries()}


def test_near_miss_is_asked_of_the_documents(commune: Village) -> None:
    approve(commune)
    for said in (
        "đóng đảng phí ở đâu",
        "đóng đảng phí bao nhiêu một năm",
        "không đóng đảng phí bao nhiêu tháng thì sao",
    ):
        assert "đã duyệt" not in commune.say("an", said)


def test_passage_may_be_chosen_from_the_first_three_found(commune: Village) -> None:
    commune.say("uy", "soạn câu trả lời")
    commune.say("uy", "người đứng đầu chậm xử lý thì sao")
    assert commune.choices["uy"][0].startswith("mục 2.4, gạch đầu dòng 3: ")
    assert "Bước 3/3" in commune.say("uy", "1")


def test_article_with_several_points_is_asked_for_again(commune: Village) -> None:
    commune.say("uy", "soạn câu trả lời")
    commune.say("uy", FEE)
    said = commune.say("uy", "Điều 12 quy định 37")
    if "nhiều ý" in said:
        said = commune.say("uy", "1")
    assert "37-QĐ/TW" in said
    assert "Bước 3/3" in said


def test_answer_about_a_superseded_document_says_so_first(commune: Village) -> None:
    commune.say("uy", "soạn câu trả lời")
    commune.say("uy", FEE)
    said = commune.say("uy", "Điều 12 quy định 37")
    if "nhiều ý" in said:
        commune.say("uy", "1")
    said = commune.say("uy", WORDS)
    commune.choose("uy", "Xác nhận")
    assert commune.say("an", FEE).startswith("Quy định 37-QĐ/TW (25/10/2021) đã được thay thế bởi")


def test_place_that_is_none_is_asked_for_again(commune: Village) -> None:
    commune.say("uy", "soạn câu trả lời")
    commune.say("uy", FEE)
    for place in ("mục 9.9", "đoạn nào đó", "xin chào", "nội dung quy định 2212"):
        said = commune.say("uy", place)
        assert "chưa tìm thấy đoạn này" in said
        assert f"“{FEE}”" in said
    assert "Bước 3/3" in commune.say("uy", PLACE)


def test_words_that_are_too_many_are_asked_for_again(commune: Village) -> None:
    commune.say("uy", "soạn câu trả lời")
    commune.say("uy", FEE)
    commune.say("uy", PLACE)
    assert "có 601 ký tự, quá 600" in commune.say("uy", "a" * 601)
    assert "Đảng viên sẽ đọc" in commune.say("uy", "a" * 600)


def test_words_are_typed_again_until_they_are_confirmed(commune: Village) -> None:
    commune.say("uy", "soạn câu trả lời")
    commune.say("uy", FEE)
    commune.say("uy", PLACE)
    commune.say("uy", "Lời đầu.")
    said = commune.say("uy", WORDS)
    assert WORDS in said
    assert "Lời đầu." not in said
    assert "Đã ghi nhận" in commune.say("uy", "xác nhận")
    assert WORDS in commune.say("an", FEE)


def test_nothing_is_kept_when_it_is_left(commune: Village) -> None:
    commune.say("uy", "soạn câu trả lời")
    commune.say("uy", FEE)
    commune.say("uy", PLACE)
    commune.say("uy", WORDS)
    assert "chưa lưu gì" in commune.choose("uy", "Thôi")
    # What is typed now is a question again.
    assert "mục 2.4" in commune.say("uy", "người đứng đầu chậm xử lý thì sao")
    assert "Chưa có câu trả lời nào" in commune.say("uy", "câu trả lời đã duyệt")


def test_other_business_in_between_breaks_it_off(commune: Village) -> None:
    commune.say("uy", "soạn câu trả lời")
    commune.say("uy", "dừng")
    assert "không nói về điều này" in commune.say("uy", FEE)


def test_confirming_twice_keeps_one(commune: Village) -> None:
    approve(commune)
    commune.say("uy", "soạn câu trả lời")
    commune.say("uy", FEE)
    commune.say("uy", PLACE)
    commune.say("uy", WORDS)
    confirm = commune.choice_ids["uy"][0]
    assert "đã được duyệt rồi" in commune.tap("uy", confirm)
    with commune.store.transaction() as transaction:
        assert len(transaction.approved.live()) == 1


def test_new_answer_to_the_same_question_takes_the_place_of_the_old(commune: Village) -> None:
    approve(commune)
    approve(commune, question=FEE.upper(), words="Lời mới.")
    assert "Lời mới." in commune.say("an", FEE)
    with commune.store.transaction() as transaction:
        assert [each.words for each in transaction.approved.live()] == ["Lời mới."]


def test_ways_of_asking_come_with_the_group_and_may_be_left_out(commune: Village) -> None:
    for said in (FEE, FEE, "mức đóng đảng phí hằng tháng là bao nhiêu"):
        commune.say("an", said)
    commune.say("uy", "câu hỏi chưa trả lời")
    commune.choose("uy", "Xem câu 1")
    commune.choose("uy", "Soạn câu trả lời")
    commune.say("uy", PLACE)
    said = commune.say("uy", WORDS)
    assert "Cũng dùng cho các cách hỏi: “mức đóng đảng phí hằng tháng là bao nhiêu”" in said
    assert "Cũng dùng" not in commune.choose("uy", "Chỉ dùng cho cách hỏi đầu")
    commune.choose("uy", "Xác nhận")
    with commune.store.transaction() as transaction:
        assert [gap.question for gap in transaction.gaps.all(limit=9)] == ["mức đóng đảng phí hằng tháng là bao nhiêu"]


# --- who may --------------------------------------------------------------------------------------------------------


def test_only_a_committee_member_writes_lists_and_withdraws(commune: Village) -> None:
    only = "Câu trả lời đã duyệt chỉ cấp ủy viên soạn và rút được."
    for user in ("quan", "la"):
        assert commune.say(user, "soạn câu trả lời") == only
        assert commune.say(user, "câu trả lời đã duyệt") == only


def test_role_that_was_taken_away_confirms_nothing(commune: Village) -> None:
    commune.say("uy", "soạn câu trả lời")
    commune.say("uy", FEE)
    commune.say("uy", PLACE)
    commune.say("uy", WORDS)
    with commune.store.transaction() as transaction:
        transaction.people.set_roles(commune.ids["uy"], ())
    assert "chỉ cấp ủy viên" in commune.choose("uy", "Xác nhận")
    with commune.store.transaction() as transaction:
        assert transaction.approved.live() == []


def test_name_stays_that_of_the_day_it_was_approved(commune: Village) -> None:
    approve(commune)
    with commune.store.transaction() as transaction:
        transaction.people.change_member(commune.ids["uy"], name="Hoàng Thị Khác")
    assert "Đồng chí Hoàng Văn Ủy" in commune.say("an", FEE)


# --- listed, withdrawn, expired -------------------------------------------------------------------------------------


def test_withdrawn_answer_is_shown_no_more(on_both: Village) -> None:
    approve(on_both)
    said = on_both.say("uy", "câu trả lời đã duyệt")
    assert f"1. “{FEE}” – đồng chí Hoàng Văn Ủy, 05/11/2026." in said
    assert WORDS in on_both.choose("uy", "Xem câu 1")
    on_both.choose("uy", "Rút câu trả lời")
    again = on_both.choice_ids["uy"][0]
    assert "Đã rút" in on_both.choose("uy", "Xác nhận rút")
    assert "đã được rút trước đó" in on_both.tap("uy", again)
    assert "đã duyệt" not in on_both.say("an", FEE)


def test_answer_whose_passage_has_changed_is_not_shown_until_it_is_renewed(
    commune: Village, changed: KnowledgeBase
) -> None:
    approve(commune)
    after = Village(commune.store, changed, commune.now)
    assert "đã duyệt" not in after.say("an", FEE)
    assert "CẦN DUYỆT LẠI" in after.say("uy", "câu trả lời đã duyệt")
    assert "HẾT HIỆU LỰC" in after.choose("uy", "Xem câu 1")
    assert f"“{FEE}”" in after.choose("uy", "Soạn và duyệt lại")
    said = after.say("uy", PLACE)
    assert f"Lời cũ: {WORDS}" in said
    after.choose("uy", "Giữ lời cũ")
    after.choose("uy", "Xác nhận")
    read = after.say("an", FEE)
    assert WORDS in read
    assert ", theo quy định." in read
    with after.store.transaction() as transaction:
        assert [each.document_version for each in transaction.approved.live()] == [2]


def test_passage_that_changes_while_an_answer_is_written_is_chosen_again(
    commune: Village, changed: KnowledgeBase
) -> None:
    commune.say("uy", "soạn câu trả lời")
    commune.say("uy", FEE)
    commune.say("uy", PLACE)
    commune.say("uy", WORDS)
    after = Village(commune.store, changed, commune.now)
    said = after.tap("uy", commune.choice_ids["uy"][0])
    assert "Đoạn căn cứ vừa thay đổi" in said
    with after.store.transaction() as transaction:
        assert transaction.approved.live() == []
