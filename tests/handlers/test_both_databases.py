"""The whole self-assessment, from the code to the erased answer, on SQLite and on PostgreSQL."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest

from assessment.model import ItemAnswer, Role
from storage.database import open_database
from storage.outbox import DeliveryState
from storage.rounds import StoredAnswer
from storage.store import Store
from tests.handlers.conftest import Village
from tests.storage.builders import a_vault, bring_up

NOVEMBER = date(2026, 11, 1)
FIVE_DAYS_BEFORE = datetime(2026, 11, 25, 2, tzinfo=UTC)


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    engine = open_database(url)
    bring_up(engine)
    yield Store(engine, a_vault())
    engine.dispose()


def test_from_the_code_to_the_erased_answer(village: Village) -> None:
    village.add("binh", "Trần Thị Bình", Role.SECRETARY)
    village.add("an", "Nguyễn Văn An")
    village.add("cuong", "Lê Văn Cường", has_phone=False)
    village.add("dung", "Phạm Thị Dung")
    village.add("chi", "Võ Thị Chi")

    # Enrolment: the notice, a no, then a yes; a wrong code; a second phone.
    assert "Câu trả lời được giữ 24 tháng" in village.say("an", f"/start {village.code('an')}")
    assert "chưa lưu gì" in village.choose("an", "Chưa")
    village.say("an", "tự đánh giá")
    assert "đã lưu sự đồng ý" in village.choose("an", "Đồng ý")
    assert "Mã không đúng" in village.say("la", "/start BCDF2345")
    village.enrol("binh", "dung")
    assert "Chào đồng chí Nguyễn Văn An" in village.say("an-web", village.code("an"))

    # The round: opened twice, announced once.
    village.say("binh", "mở kỳ")
    confirm = village.choice_ids["binh"][0]
    assert "Đã mở kỳ tháng 11/2026, hạn nộp 30/11/2026" in village.tap("binh", confirm)
    assert "đã được mở" in village.tap("binh", confirm)
    village.set_clock(village.now + timedelta(minutes=1))
    assert village.set_clock(village.now + timedelta(minutes=1)) == {}

    # Filling in: begun on one phone, a question, gone on with on the other.
    village.say("an", "tự đánh giá")
    village.choose("an", "Bắt đầu")
    assert "Nhóm 2/6" in village.choose("an", "Cả nhóm")
    assert "Quay lại tự đánh giá" in village.say("an", "điều 12 quy định 37")
    said = village.say("an-web", "tự đánh giá")
    assert "Nhóm 2/6" in said
    while "Xác nhận nộp" not in said:
        said = village.choose("an-web", "Cả nhóm" if "Cả nhóm" in said else "Không có biểu hiện")
    village.say("an-web", "sửa điều 12")
    village.choose("an-web", "Có biểu hiện")
    assert "báo cáo: điều 12" in village.choose("an-web", "Báo cáo")
    receipt = village.choose("an-web", "Xác nhận nộp")
    assert re.search(r"Đã ghi nhận\. Phiếu 2026-11/\d+/\d{4}, 19 điều, ngày 05/11/2026", receipt)
    assert village.answers("an", NOVEMBER)[12] == StoredAnswer(
        ItemAnswer.PRESENT, is_reported=True, notice=village.answers("an", NOVEMBER)[12].notice
    )

    # Who has not handed in is reminded, and nobody else.
    assert "1/5 đã nộp" in village.say("binh", "tiến độ")
    assert set(village.set_clock(FIVE_DAYS_BEFORE)) == {"binh", "dung"}
    village.say("binh", "nhắc")
    assert "Đang nhắn cho 2 đồng chí." in village.choose("binh", "Xác nhận")
    assert set(village.set_clock(FIVE_DAYS_BEFORE + timedelta(minutes=1))) == {"binh", "dung"}

    # The summary, and who sees that it was read.
    assert "Báo cáo với chi bộ: Nguyễn Văn An (điều 12)." in village.say("binh", "báo cáo")
    assert "Bí thư đã xem điều đồng chí báo cáo (kỳ tháng 11/2026)" in village.say("an", "của tôi")

    # Erased: the content is gone on both phones, the count stays.
    village.choose("an", "Xóa nội dung")
    assert "Đã xóa nội dung của 1 phiếu" in village.choose("an", "Xác nhận xóa")
    assert village.answers("an", NOVEMBER) == {}
    assert "1/5 đã nộp" in village.say("binh", "tiến độ")
    assert "Nguyễn Văn An" not in village.say("binh", "báo cáo")
    with village.store.transaction() as transaction:
        for user in ("an", "an-web"):
            chat = transaction.find_conversation("console", user)
            assert chat is not None
            assert not [
                m.text for m in transaction.history(chat.id) if "Nhóm 2/6" in m.text or "Có biểu hiện" in m.text
            ]
        [november] = transaction.rounds.of_cell(village.cell)
        sent = [d for d in transaction.outbox.of_round(november.id) if d.state is DeliveryState.SENT]
        assert len({(d.member_id, d.kind) for d in sent}) == len(sent)
        assert transaction.audit.inspect().is_complete


def test_what_is_old_is_destroyed_and_the_count_stays(village: Village) -> None:
    village.add("binh", "Trần Thị Bình", Role.SECRETARY)
    village.enrol("binh")
    village.say("binh", "mở kỳ")
    village.choose("binh", "Xác nhận")
    village.say("binh", "tự đánh giá")
    said = village.choose("binh", "Bắt đầu")
    while "Xác nhận nộp" not in said:
        said = village.choose("binh", "Cả nhóm" if "Cả nhóm" in said else "Không có biểu hiện")
    village.choose("binh", "Xác nhận nộp")
    village.set_clock(datetime(2028, 12, 1, 2, tzinfo=UTC))
    assert village.answers("binh", NOVEMBER) == {}
    assert re.search(r"đã nộp, phiếu 2026-11/\d+/\d{4}, nội dung đã xóa", village.say("binh", "của tôi"))
