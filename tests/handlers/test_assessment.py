"""Members and their secretary, from the code on the slip to the receipt and the summary."""

import contextlib
import re
import sqlite3
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from assessment.model import ItemAnswer, Role
from storage.rounds import StoredAnswer
from tests.handlers.conftest import Village, staged

NOVEMBER = date(2026, 11, 1)
NONE = StoredAnswer(ItemAnswer.NONE)
AFTER_DUE = datetime(2026, 12, 1, 2, tzinfo=UTC)
AFTER_GRACE = datetime(2026, 12, 4, 2, tzinfo=UTC)


def _cell(village: Village) -> None:
    village.add("binh", "Trần Thị Bình", Role.SECRETARY)
    village.add("an", "Nguyễn Văn An")
    village.add("cuong", "Lê Văn Cường", has_phone=False)
    village.add("dung", "Phạm Thị Dung")
    village.enrol("binh", "an")
    village.say("binh", "mở kỳ")
    assert "Đã mở kỳ tháng 11/2026, hạn nộp 30/11/2026" in village.choose("binh", "Xác nhận")


@pytest.fixture
def cell(village: Village) -> Village:
    """A secretary and three members; Cường hands in on paper. All but Dung are linked; the round is open."""
    return staged(village, _cell)


def nothing_to_report(village: Village, user: str) -> int:
    """Go through the checklist without anything to report, up to the preview; return the number of taps."""
    village.say(user, "tự đánh giá")
    said, taps = village.choose(user, "Bắt đầu"), 1
    while "Xác nhận nộp" not in said:
        said, taps = village.choose(user, "Cả nhóm" if "Cả nhóm" in said else "Không có biểu hiện"), taps + 1
    return taps


def first_group_done(village: Village) -> None:
    """Let An answer the first of six groups and stop there."""
    village.say("an", "tự đánh giá")
    village.choose("an", "Bắt đầu")
    village.choose("an", "Cả nhóm")


# --- enrolment ---------------------------------------------------------------------------------------------------


def test_who_is_not_linked_is_told_how(village: Village) -> None:
    for words in ("tự đánh giá", "nộp", "mở kỳ", "tiến độ", "sửa điều 3", "rút đồng ý"):
        assert "xin bí thư chi bộ mã 8 ký tự" in village.say("la", words)


def test_notice_comes_before_consent_and_silence_is_none(village: Village) -> None:
    village.add("an", "Nguyễn Văn An")
    said = village.say("an", village.code("an").lower())
    assert "Chào đồng chí Nguyễn Văn An, Chi bộ 3" in said
    assert "Bí thư chi bộ thấy" in said
    assert "Đồng chí có đồng ý không?" in village.say("an", "tự đánh giá")
    assert "chưa lưu gì" in village.choose("an", "Chưa")
    assert "Đồng chí có đồng ý không?" in village.say("an", "nộp")
    assert "đã lưu sự đồng ý" in village.choose("an", "Đồng ý")
    assert "chưa mở kỳ" in village.say("an", "tự đánh giá")


def test_consent_that_is_taken_back_is_asked_for_again(cell: Village) -> None:
    cell.say("an", "rút đồng ý")
    assert "Đã rút" in cell.choose("an", "Xác nhận")
    assert "Đồng chí có đồng ý không?" in cell.say("an", "tự đánh giá")


def test_wrong_codes_lock_for_an_hour_and_say_until_when(village: Village) -> None:
    village.add("an", "Nguyễn Văn An")
    said = [village.say("an", "/start BCDF2345") for _ in range(5)]
    assert "Mã không đúng" in said[3]
    assert "tạm không nhận mã đến 10:00 ngày 05/11" in said[4]
    assert "tạm không nhận mã" in village.say("an", f"/start {village.code('an')}")
    village.set_clock(village.now + timedelta(hours=1))
    assert "Chào đồng chí" in village.say("an", f"/start {village.code('an')}")


@pytest.mark.parametrize("typed", ["8SZ7BO2K", "8sz7-b02k", "8SZ7 BL2K", "a3k4m5p6"])
def test_code_that_was_misread_is_said_to_be_one_and_is_no_wrong_try(village: Village, typed: str) -> None:
    for _ in range(6):
        said = village.say("la", typed)
        assert said.startswith("Mã trên phiếu không bao giờ có ")
    assert "Mã không đúng" in village.say("la", "BCDF2345")


@pytest.mark.parametrize("typed", ["van ban 37", "dieu 1234", "2212-QD-TU", "quy dinh", "muc 2 dieu 3"])
def test_question_with_a_number_is_no_code(village: Village, typed: str) -> None:
    assert "Mã" not in village.say("la", typed)


def test_code_that_a_vietnamese_keyboard_has_changed_is_read_as_printed(village: Village) -> None:
    village.add("an", "Nguyễn Văn An")
    code = village.code("an")
    while "W" not in code:
        code = village.code("an")
    typed = code.replace("WS", "Ứ").replace("DD", "Đ").replace("W", "Ư")
    assert "Chào đồng chí Nguyễn Văn An" in village.say("an", typed.lower())


def test_who_agrees_while_a_round_is_open_is_told_to_begin_now(cell: Village) -> None:
    cell.say("dung", cell.code("dung"))
    said = cell.choose("dung", "Đồng ý")
    assert "Chi bộ đang có kỳ tự đánh giá tháng 11/2026, hạn nộp 30/11/2026." in said


def test_own_answers_are_seen_again_by_word(cell: Village) -> None:
    first_group_done(cell)
    assert "Nhóm 2/6" in cell.say("an", "xem lại")
    while "Xác nhận nộp" not in cell.say("an", "nộp"):
        cell.say("an", "tự đánh giá")
        cell.choose("an", "Cả nhóm" if cell.choices["an"][0].startswith("Cả nhóm") else "Không có biểu hiện")
    cell.choose("an", "Xác nhận nộp")
    assert "Điều 19: Không có biểu hiện" in cell.say("an", "xem lại")


def test_closed_round_is_said_to_be_closed_and_late_ones_are_counted(cell: Village) -> None:
    cell.set_clock(AFTER_DUE)
    nothing_to_report(cell, "an")
    cell.choose("an", "Xác nhận nộp")
    assert "1/4 đã nộp (1 sau hạn), đã quá hạn." in cell.say("binh", "tiến độ")
    assert "1/4 đảng viên đã nộp phiếu, trong đó 1 phiếu nộp sau hạn." in cell.say("binh", "báo cáo")
    cell.set_clock(AFTER_GRACE)
    assert "1/4 đã nộp (1 sau hạn), đã đóng." in cell.say("binh", "tiến độ")


def test_secretary_who_looks_again_at_once_is_named_once(cell: Village) -> None:
    nothing_to_report(cell, "an")
    cell.say("an", "sửa điều 3")
    cell.choose("an", "Có biểu hiện")
    cell.choose("an", "Báo cáo")
    cell.choose("an", "Xác nhận nộp")
    for _ in range(3):
        cell.say("binh", "báo cáo")
    assert cell.say("an", "của tôi").count("Bí thư đã xem điều đồng chí báo cáo") == 1


def test_unlinked_phone_is_nobodys(cell: Village) -> None:
    assert "không còn nối" in cell.say("an", "gỡ máy")
    assert "xin bí thư chi bộ mã" in cell.say("an", "tự đánh giá")


# --- filling in --------------------------------------------------------------------------------------------------


def test_article_of_an_item_is_one_line_away_and_leads_back(cell: Village) -> None:
    cell.say("an", "tự đánh giá")
    cell.choose("an", "Bắt đầu")
    said = cell.say("an", "xem điều 12")
    assert "— Quy định 37-QĐ/TW" in said
    assert "Điều 12" in said
    assert "Nhóm 1/6" in cell.choose("an", "Quay lại tự đánh giá")
    assert "Quy định nào" not in cell.say("an", "Điều 5")


def test_member_with_nothing_to_report_is_done_in_a_few_taps(cell: Village) -> None:
    taps = nothing_to_report(cell, "an")
    receipt = cell.choose("an", "Xác nhận nộp")
    assert re.search(r"Đã ghi nhận\. Phiếu 2026-11/\d+/\d{4}, 19 điều, ngày 05/11/2026\. Sửa được đến hết", receipt)
    assert cell.answers("an", NOVEMBER) == dict.fromkeys(range(1, 20), NONE)
    # Six groups, three items of the month's focus, the beginning; handing in is one more.
    assert taps <= 10


def test_every_item_was_really_shown(cell: Village) -> None:
    nothing_to_report(cell, "an")
    with cell.store.transaction() as transaction:
        [november] = transaction.rounds.of_cell(cell.cell)
        assert transaction.rounds.shown(november.id, cell.ids["an"]) == set(range(1, 20))


def test_same_words_in_numbers_and_without_accents_lead_through(cell: Village) -> None:
    cell.say("an", "tu danh gia")
    said = cell.say("an", "1")
    for _ in range(9):
        said = cell.say("an", "1")
    assert "Đồng chí đã trả lời đủ 19 điều" in said
    assert "Đã ghi nhận" in cell.say("an", "1")


def test_nothing_is_handed_in_before_everything_is_answered(cell: Village) -> None:
    first_group_done(cell)
    assert "còn 16 điều chưa trả lời, hạn nộp 30/11/2026" in cell.say("an", "nộp")
    assert "Nhóm 2/6" in cell.choose("an", "Làm tiếp")


def test_question_in_the_middle_is_answered_and_leads_back(cell: Village) -> None:
    first_group_done(cell)
    said = cell.say("an", "điều 12 quy định 37")
    assert "Điều 12" in said
    assert "Quay lại tự đánh giá" in said
    assert "[4]" not in said
    assert "Quay lại tự đánh giá" in cell.say("an", "mục 2.1 nói gì")
    assert "Nhóm 2/6" in cell.choose("an", "Quay lại")


def test_other_phone_goes_on_where_the_first_stopped(cell: Village) -> None:
    first_group_done(cell)
    cell.say("may-moi", f"/start {cell.code('an')}")
    assert "Nhóm 2/6" in cell.say("may-moi", "tự đánh giá")


def test_answer_is_changed_until_the_due_date_and_then_no_more(cell: Village) -> None:
    nothing_to_report(cell, "an")
    cell.choose("an", "Xác nhận nộp")
    cell.say("an", "sửa điều 12")
    cell.choose("an", "Có biểu hiện")
    cell.choose("an", "Báo cáo")
    assert cell.answers("an", NOVEMBER)[12] == StoredAnswer(ItemAnswer.PRESENT, is_reported=True)
    cell.say("an", "sửa điều 5")
    old = cell.choice_ids["an"][1]
    cell.set_clock(AFTER_DUE)
    assert "không sửa được nữa" in cell.say("an", "sửa điều 12")
    assert "không sửa được nữa" in cell.tap("an", old)
    assert cell.answers("an", NOVEMBER)[5] == NONE


def test_handing_in_again_says_when_it_was_handed_in_first(cell: Village) -> None:
    nothing_to_report(cell, "an")
    assert "19 điều, ngày 05/11/2026. Sửa được" in cell.choose("an", "Xác nhận nộp")
    cell.set_clock(datetime(2026, 11, 10, 2, tzinfo=UTC))
    cell.say("an", "sửa điều 12")
    cell.choose("an", "Có biểu hiện")
    cell.choose("an", "Báo cáo")
    yes = cell.choice_ids["an"][0]
    said = cell.choose("an", "Xác nhận nộp")
    assert (
        "19 điều, nộp ngày 05/11/2026, sửa và xác nhận lại ngày 10/11/2026. Sửa được đến hết ngày 30/11/2026." in said
    )
    cell.set_clock(AFTER_DUE)
    assert "không sửa được nữa" in cell.tap("an", yes)


def test_late_response_is_taken_in_the_grace_and_marked(cell: Village) -> None:
    cell.set_clock(AFTER_DUE)
    nothing_to_report(cell, "an")
    said = cell.choose("an", "Xác nhận nộp")
    assert "nộp sau hạn" in said
    assert "Sửa được" not in said


def test_closed_round_takes_nothing(cell: Village) -> None:
    cell.say("an", "tự đánh giá")
    cell.choose("an", "Bắt đầu")
    old = cell.choice_ids["an"][0]
    cell.set_clock(AFTER_GRACE)
    assert "đã đóng, ngày cuối nhận phiếu là 03/12/2026" in cell.tap("an", old)
    assert "chưa mở kỳ" in cell.say("an", "tự đánh giá")
    assert cell.answers("an", NOVEMBER) == {}


def test_same_button_twice_changes_nothing(cell: Village) -> None:
    cell.say("an", "tự đánh giá")
    cell.choose("an", "Bắt đầu")
    whole_group = cell.choice_ids["an"][0]
    first, again = cell.tap("an", whole_group), cell.tap("an", whole_group)
    assert first == again
    with cell.store.transaction() as transaction:
        [november] = transaction.rounds.of_cell(cell.cell)
        assert {len(given) for given in transaction.rounds.history(november.id, cell.ids["an"]).values()} == {1}


def test_no_answer_stands_readable_in_the_database(cell: Village, tmp_path: Path) -> None:
    nothing_to_report(cell, "an")
    cell.choose("an", "Xác nhận nộp")
    cell.say("an", "sửa điều 12")
    cell.say("an", "2")
    cell.choose("an", "Báo cáo")
    with contextlib.closing(sqlite3.connect(tmp_path / "tu-soi.db")) as database:
        dump = "\n".join(database.iterdump())
    assert "Nguyễn Văn An" in dump
    for word in ("sửa điều", "biểu hiện", "Cả nhóm", "present", "ck_answer", "Điều 12", "Báo cáo với chi bộ"):
        assert word not in dump, word


def test_member_sees_what_is_kept_and_who_has_looked(cell: Village) -> None:
    nothing_to_report(cell, "an")
    cell.say("an", "sửa điều 12")
    cell.choose("an", "Có biểu hiện")
    cell.choose("an", "Báo cáo")
    cell.choose("an", "Xác nhận nộp")
    assert "Bí thư đã xem" not in cell.say("an", "của tôi")
    cell.say("binh", "báo cáo")
    said = cell.say("an", "của tôi")
    assert re.search(r"Kỳ tháng 11/2026: đã nộp, phiếu 2026-11/\d+/\d{4}", said)
    assert "Bí thư đã xem điều đồng chí báo cáo (kỳ tháng 11/2026), 09:00 ngày 05/11" in said


def test_erased_answers_are_gone_and_the_response_still_counts(cell: Village) -> None:
    nothing_to_report(cell, "an")
    cell.say("an", "sửa điều 12")
    cell.choose("an", "Có biểu hiện")
    cell.choose("an", "Báo cáo")
    cell.choose("an", "Xác nhận nộp")
    cell.say("an", "của tôi")
    assert "không lấy lại được" in cell.choose("an", "Xóa nội dung")
    assert "Đã xóa nội dung của 1 phiếu" in cell.choose("an", "Xác nhận xóa")
    assert cell.answers("an", NOVEMBER) == {}
    assert "nội dung đã xóa" in cell.say("an", "của tôi")
    assert "1/4 đã nộp" in cell.say("binh", "tiến độ")
    assert "Nguyễn Văn An" not in cell.say("binh", "báo cáo")


def test_checklist_whose_content_was_erased_is_not_filled_in_again(cell: Village) -> None:
    cell.say("an", "tự đánh giá")
    cell.choose("an", "Bắt đầu")
    whole_group = cell.choice_ids["an"][0]
    cell.choose("an", "Cả nhóm")
    cell.say("an", "của tôi")
    cell.choose("an", "Xóa nội dung")
    cell.choose("an", "Xác nhận xóa")
    for said in (cell.say("an", "tự đánh giá"), cell.say("an", "nộp"), cell.say("an", "sửa điều 3")):
        assert "đã xóa nội dung" in said
    assert "Nút này không còn dùng được" in cell.tap("an", whole_group)


@pytest.mark.parametrize("how", ["erase", "unlink"])
def test_messages_that_tell_an_answer_go_with_it(cell: Village, how: str) -> None:
    first_group_done(cell)
    if how == "unlink":
        cell.say("an", "gỡ máy")
    else:
        cell.say("an", "của tôi")
        cell.choose("an", "Xóa nội dung")
        cell.choose("an", "Xác nhận xóa")
    with cell.store.transaction() as transaction:
        conversation = transaction.find_conversation("console", "an")
        assert conversation is not None
        said = [message.text for message in transaction.history(conversation.id)]
    assert said.count("(đã xóa)") >= 4
    assert not [text for text in said if "Nhóm 2/6" in text or "Cả nhóm" in text]


# --- the secretary -----------------------------------------------------------------------------------------------


def test_round_is_opened_once_and_says_that_the_regulation_was_replaced(village: Village) -> None:
    village.add("binh", "Trần Thị Bình", Role.SECRETARY)
    village.enrol("binh")
    said = village.say("binh", "mở kỳ")
    assert "37-QĐ/TW đã được thay bằng 207-QĐ/TW từ 26/07/2026" in said
    confirm = village.choice_ids["binh"][0]
    village.tap("binh", confirm)
    assert "đã được mở" in village.tap("binh", confirm)
    assert "đã được mở" in village.say("binh", "mở kỳ")
    with village.store.transaction() as transaction:
        assert len(transaction.rounds.of_cell(village.cell)) == 1


def test_opening_says_how_many_hear_of_it_and_how_many_have_no_code_yet(village: Village) -> None:
    village.add("binh", "Trần Thị Bình", Role.SECRETARY)
    village.add("an", "Nguyễn Văn An")
    village.add("cuong", "Lê Văn Cường", has_phone=False)
    village.enrol("binh")
    village.say("binh", "mở kỳ")
    said = village.choose("binh", "Xác nhận")
    assert "Tôi sẽ báo cho 1 đồng chí. 1 đồng chí chưa nhập mã nên tôi chưa nhắn được." in said


def test_only_a_secretary_opens_and_looks(cell: Village) -> None:
    for words in ("mở kỳ", "tiến độ", "nhắc", "báo cáo"):
        assert "chỉ bí thư chi bộ" in cell.say("an", words)


def test_progress_names_who_has_not_handed_in_and_why(cell: Village) -> None:
    said = cell.say("binh", "tiến độ")
    assert "Chi bộ 3: 0/4 đã nộp, còn 25 ngày." in said
    assert "Chưa nộp (2): Trần Thị Bình, Nguyễn Văn An." in said
    assert "Chưa nhập mã nên chưa nhắn được (1): Phạm Thị Dung." in said
    assert "phiếu giấy (1): Lê Văn Cường." in said
    nothing_to_report(cell, "an")
    cell.choose("an", "Xác nhận nộp")
    said = cell.say("binh", "tiến độ")
    assert "1/4 đã nộp" in said
    assert "Nguyễn Văn An" not in said


def test_secretary_reads_what_was_reported_and_nothing_else(cell: Village) -> None:
    nothing_to_report(cell, "an")
    cell.say("an", "sửa điều 12")
    cell.choose("an", "Có biểu hiện")
    cell.choose("an", "Báo cáo")
    cell.say("an", "sửa điều 18")
    cell.choose("an", "Có biểu hiện")
    cell.choose("an", "Chỉ mình tôi")
    assert "Nguyễn Văn An" not in cell.say("binh", "báo cáo")
    cell.say("an", "nộp")
    cell.choose("an", "Xác nhận nộp")
    said = cell.say("binh", "báo cáo")
    assert "Báo cáo với chi bộ: Nguyễn Văn An (điều 12)." in said
    assert "18" not in said
    assert "khi có từ 5 phiếu trở lên" in said
    with cell.store.transaction() as transaction:
        assert [entry.actor for entry in transaction.audit.entries() if entry.action == "read reported"] == [
            f"member:{cell.ids['binh']}"
        ]
        assert transaction.audit.inspect().broken is None


def test_wish_to_talk_is_named_without_its_subject(cell: Village) -> None:
    nothing_to_report(cell, "an")
    assert "muốn trao đổi trực tiếp" in cell.choose("an", "Tôi muốn trao đổi")
    cell.choose("an", "Xác nhận nộp")
    assert "Muốn trao đổi trực tiếp (1): Nguyễn Văn An." in cell.say("binh", "tiến độ")


def test_reminder_reaches_only_who_can_be_reached_and_once_a_day(cell: Village) -> None:
    assert "Sẽ nhắc 2 đồng chí ngay bây giờ" in cell.say("binh", "nhắc")
    confirm = cell.choice_ids["binh"][0]
    assert "Đang nhắn cho 2 đồng chí." in cell.tap("binh", confirm)
    assert "Hôm nay đã nhắc rồi" in cell.tap("binh", confirm)
    with cell.store.transaction() as transaction:
        [november] = transaction.rounds.of_cell(cell.cell)
        queued = [d for d in transaction.outbox.of_round(november.id) if d.kind.startswith("by-hand")]
        assert {d.member_id for d in queued} == {cell.ids["binh"], cell.ids["an"]}


def test_reminder_in_the_evening_waits_for_the_morning(cell: Village) -> None:
    cell.set_clock(datetime(2026, 11, 5, 15, tzinfo=UTC))
    assert "vào 06:30 ngày 06/11 (không nhắc trong 21:00–06:30)" in cell.say("binh", "nhắc")
