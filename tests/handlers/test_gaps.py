"""Questions without an answer: what is kept of them, who sees them, how one reaches the secretary."""

import logging
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from assessment.model import Role
from handlers.services import Options
from knowledge.answer import KnowledgeBase
from storage.outbox import DeliveryState
from storage.store import Store
from tests.handlers.conftest import Village

FEE = "đóng đảng phí bao nhiêu một tháng"
SAME_FEE = "mỗi tháng phải đóng bao nhiêu đảng phí"
PENSION = "lương hưu tăng khi nào"


@pytest.fixture
def cell(village: Village) -> Village:
    """Bình leads the cell, An is a member, Ủy of the committee, Quân the administrator."""
    village.add("binh", "Trần Thị Bình", Role.SECRETARY)
    village.add("an", "Nguyễn Văn An")
    village.add("uy", "Hoàng Văn Ủy", Role.COMMITTEE_MEMBER)
    village.add("quan", "Bùi Văn Quân", Role.ADMIN)
    village.enrol("binh", "an", "uy", "quan")
    return village


def kept(village: Village) -> list[tuple[str, int]]:
    with village.store.transaction() as transaction:
        return [(gap.question, gap.count) for gap in transaction.gaps.all(limit=100)]


# --- what is kept, and what is not ----------------------------------------------------------------------------------


def test_question_is_kept_with_its_day_and_nothing_of_who_asked(cell: Village) -> None:
    cell.say("an", FEE)
    cell.say("la", "ĐÓNG ĐẢNG PHÍ bao nhiêu một tháng?")
    assert kept(cell) == [(FEE, 2)]
    with cell.store.transaction() as transaction:
        [row] = transaction._session.execute(text("SELECT * FROM gaps")).mappings()
    assert set(row) == {"id", "question", "folded", "asked_on", "count"}
    assert str(row["asked_on"]) == "2026-11-05"


def test_names_and_numbers_of_people_are_gone_before_it_is_kept(cell: Village) -> None:
    cell.say("an", "đồng chí Trần Thị Bình, số 0912 345 678, đóng đảng phí bao nhiêu một tháng")
    [(question, _)] = kept(cell)
    assert "…" in question
    assert not any(part in question for part in ("Bình", "0912", "678"))


def test_only_what_is_asked_and_not_answered_is_kept(cell: Village) -> None:
    for said in (
        "chào đồng chí",
        "người đứng đầu chậm xử lý thì sao",
        "cấp uỷ phải làm gì",
        "BCDF2345",
        "mục 9.9",
        "thế mục sau?",
        "12",
        "/khongco",
    ):
        cell.say("an", said)
    assert kept(cell) == []


def test_document_that_is_cited_and_not_loaded_is_kept(cell: Village) -> None:
    cell.say("an", "nội dung quy định 2212")
    assert kept(cell) == [("nội dung quy định 2212", 1)]


def test_question_that_begins_like_a_command_is_kept_too(cell: Village) -> None:
    cell.say("an", "thẻ ngân hàng bị mất thì làm sao")
    assert [question for question, _ in kept(cell)] == ["thẻ ngân hàng bị mất thì làm sao"]


def test_what_is_typed_inside_a_checklist_is_not_kept(cell: Village) -> None:
    cell.say("binh", "mở kỳ")
    cell.choose("binh", "Xác nhận")
    cell.say("an", "tự đánh giá")
    cell.choose("an", "Bắt đầu")
    assert "Quay lại tự đánh giá" in cell.say("an", FEE)
    assert "Gửi câu hỏi" not in cell.say("an", FEE)
    assert kept(cell) == []


def test_deployer_who_keeps_no_questions_has_none(store: Store, knowledge: KnowledgeBase) -> None:
    village = Village(store, knowledge, datetime(2026, 11, 5, 2, tzinfo=UTC), Options(keeps_gaps=False))
    village.add("uy", "Hoàng Văn Ủy", Role.COMMITTEE_MEMBER)
    village.enrol("uy")
    village.say("uy", FEE)
    assert kept(village) == []
    assert "đang tắt" in village.say("uy", "câu hỏi chưa trả lời")
    told = "được ghi lại cho cấp ủy, không ghi ai hỏi"
    assert told not in village.say("uy", "trợ giúp")
    assert told in Village(store, knowledge, village.now).say("uy", "trợ giúp")


def test_log_holds_nothing_of_a_question(cell: Village, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        cell.say("an", FEE)
        cell.choose("an", "Gửi câu hỏi")
        cell.choose("an", "Xác nhận gửi")
        cell.set_clock(cell.now + timedelta(minutes=1))
    assert "đảng phí" not in caplog.text
    assert "Nguyễn Văn An" not in caplog.text


def test_old_questions_are_destroyed(cell: Village) -> None:
    cell.say("an", FEE)
    cell.set_clock(datetime(2028, 11, 20, 2, tzinfo=UTC))
    assert kept(cell) == [(FEE, 1)]
    cell.set_clock(datetime(2028, 12, 1, 2, tzinfo=UTC))
    assert kept(cell) == []


# --- who sees them --------------------------------------------------------------------------------------------------


def test_list_shows_groups_with_counts_and_no_names(cell: Village) -> None:
    for said in (FEE, SAME_FEE, FEE, PENSION):
        cell.say("an", said)
    said = cell.say("quan", "câu hỏi chưa trả lời")
    assert "Câu hỏi chưa trả lời: 2 nhóm." in said
    assert f"1. {FEE} (3 lần)" in said
    assert f"2. {PENSION} (1 lần)" in said
    assert "Nguyễn Văn An" not in said
    said = cell.choose("quan", "Xem câu 1")
    assert "Đã hỏi 3 lần." in said
    assert f"• {SAME_FEE}" in said


def test_administrator_may_throw_a_group_away_but_writes_no_answer(cell: Village) -> None:
    for said in (FEE, SAME_FEE, PENSION):
        cell.say("an", said)
    cell.say("quan", "câu hỏi chưa trả lời")
    cell.choose("quan", "Xem câu 1")
    assert cell.choices["quan"] == ["Bỏ qua", "Danh sách"]
    skip = cell.choice_ids["quan"][0]
    assert "Đã bỏ 2 câu hỏi" in cell.choose("quan", "Bỏ qua")
    assert kept(cell) == [(PENSION, 1)]
    assert "không còn trong danh sách" in cell.tap("quan", skip)


def test_committee_member_may_write_an_answer_from_the_list(cell: Village) -> None:
    assert cell.say("uy", "câu hỏi chưa trả lời") == "Hiện không có câu hỏi nào chưa trả lời."
    cell.say("an", FEE)
    cell.say("uy", "cau hoi chua tra loi")
    cell.choose("uy", "Xem câu 1")
    assert cell.choices["uy"] == ["Soạn câu trả lời", "Bỏ qua", "Danh sách"]


def test_others_do_not_see_the_list(cell: Village) -> None:
    cell.say("an", FEE)
    only = "Danh sách câu hỏi chưa trả lời chỉ dành cho cấp ủy viên và người quản trị."
    for user in ("an", "binh", "la"):
        assert cell.say(user, "câu hỏi chưa trả lời") == only


def test_many_groups_come_a_page_at_a_time(cell: Village) -> None:
    asked = [FEE, PENSION, "thẻ ngân hàng bị mất thì làm sao", "sinh hoạt chi bộ một tháng mấy lần"]
    for said in asked:
        cell.say("an", said)
    said = cell.say("quan", "câu hỏi chưa trả lời")
    assert cell.choices["quan"] == ["Xem câu 1", "Xem câu 2", "Xem tiếp"]
    assert "Nhóm 1–2 trong 4." in said
    said += cell.choose("quan", "Xem tiếp")
    assert "Nhóm 3–4 trong 4." in said
    assert all(question in said for question in asked)
    assert "[4]" not in said


# --- to the secretary -----------------------------------------------------------------------------------------------


def test_nothing_goes_before_the_member_agrees(cell: Village) -> None:
    cell.say("an", FEE)
    assert cell.choices["an"][-1] == "Gửi câu hỏi cho bí thư"
    assert len(cell.choices["an"]) <= 3
    said = cell.choose("an", "Gửi câu hỏi cho bí thư")
    assert "đồng chí Trần Thị Bình" in said
    assert "có kèm tên đồng chí" in said
    assert f"Đồng chí Nguyễn Văn An hỏi: “{FEE}”" in said
    assert cell.choose("an", "Không gửi") == "Vâng, tôi không gửi gì."
    assert cell.set_clock(cell.now + timedelta(minutes=1)) == {}


def test_question_goes_once_with_the_name_as_it_was_shown(cell: Village) -> None:
    cell.say("an", FEE)
    shown = cell.choose("an", "Gửi câu hỏi cho bí thư")
    send = cell.choice_ids["an"][0]
    assert "Đã ghi nhận" in cell.choose("an", "Xác nhận gửi")
    assert "đã gửi bí thư rồi" in cell.tap("an", send)
    heard = cell.set_clock(cell.now + timedelta(minutes=1))
    assert set(heard) == {"binh"}
    sent = f"Đồng chí Nguyễn Văn An hỏi: “{FEE}”"
    assert sent in shown
    assert heard["binh"].startswith(f"{sent}\n")
    assert cell.set_clock(cell.now + timedelta(minutes=1)) == {}


def test_what_goes_stands_nowhere_readable_and_is_gone_the_day_after(cell: Village) -> None:
    cell.say("an", FEE)
    cell.choose("an", "Gửi câu hỏi cho bí thư")
    cell.choose("an", "Xác nhận gửi")
    cell.set_clock(cell.now + timedelta(minutes=1))
    with cell.store.transaction() as transaction:
        session = transaction._session
        [told] = session.execute(text("SELECT blocks FROM messages WHERE in_reply_to IS NULL AND direction = 'out'"))
        assert "sealed" in told[0]
        assert "Nguyễn Văn An" not in told[0]
        assert session.execute(text("SELECT count(*) FROM forwarded_questions WHERE sealed IS NOT NULL")).scalar() == 1
    cell.set_clock(cell.now + timedelta(days=1))
    with cell.store.transaction() as transaction:
        assert transaction._session.execute(text("SELECT sealed, key_id FROM forwarded_questions")).all() == [
            (None, None)
        ]


def test_at_night_it_waits_for_the_morning(cell: Village) -> None:
    cell.set_clock(datetime(2026, 11, 5, 15, tzinfo=UTC))
    cell.say("an", FEE)
    cell.choose("an", "Gửi câu hỏi")
    cell.choose("an", "Xác nhận gửi")
    assert cell.set_clock(datetime(2026, 11, 5, 15, 1, tzinfo=UTC)) == {}
    assert set(cell.set_clock(datetime(2026, 11, 5, 23, 31, tzinfo=UTC))) == {"binh"}


def test_who_is_no_secretary_any_more_is_not_told(cell: Village) -> None:
    cell.say("an", FEE)
    cell.choose("an", "Gửi câu hỏi")
    cell.choose("an", "Xác nhận gửi")
    with cell.store.transaction() as transaction:
        transaction.people.set_roles(cell.ids["binh"], ())
    assert cell.set_clock(cell.now + timedelta(minutes=1)) == {}
    with cell.store.transaction() as transaction:
        assert transaction.outbox.counts() == {DeliveryState.FAILED: 1}


def test_new_secretary_is_shown_before_anything_goes(cell: Village) -> None:
    cell.say("an", FEE)
    cell.choose("an", "Gửi câu hỏi")
    with cell.store.transaction() as transaction:
        transaction.people.set_roles(cell.ids["binh"], ())
        transaction.people.set_roles(cell.ids["uy"], (Role.SECRETARY,))
    said = cell.choose("an", "Xác nhận gửi")
    assert "Bí thư chi bộ vừa thay đổi" in said
    assert "đồng chí Hoàng Văn Ủy" in said
    cell.choose("an", "Xác nhận gửi")
    assert set(cell.set_clock(cell.now + timedelta(minutes=1))) == {"uy"}


def test_stranger_and_the_secretary_are_offered_nothing(cell: Village) -> None:
    for user in ("la", "binh"):
        assert "Gửi câu hỏi" not in cell.say(user, FEE)


def test_cell_whose_secretary_cannot_be_reached_offers_nothing(cell: Village) -> None:
    with cell.store.transaction() as transaction:
        transaction.people.unlink("console", "binh")
    assert "Gửi câu hỏi" not in cell.say("an", FEE)
