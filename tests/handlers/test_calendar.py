"""A cell's schedule, extending and closing a round, as its secretary does it."""

from datetime import UTC, date, datetime, timedelta

import pytest

from assessment.model import Role
from storage.store import Store
from tests.handlers.conftest import Village, staged

SET = "lịch mở ngày 20 lúc 8 giờ, hạn ngày 28, nhắc trước 5, 2 ngày"


def hanoi(month: int, day: int, hour: int = 9, year: int = 2026) -> datetime:
    return datetime(year, month, day, hour - 7, tzinfo=UTC)


def _cell(village: Village) -> None:
    village.add("binh", "Trần Thị Bình", Role.SECRETARY)
    village.add("an", "Nguyễn Văn An")
    village.enrol("binh", "an")


@pytest.fixture
def cell(village: Village) -> Village:
    """A secretary and a member, both linked; no round is open; it is the morning of 5 November."""
    return staged(village, _cell)


def acts(cell: Village) -> list[str]:
    """What the log says that the secretary did, but for linking a phone."""
    with cell.store.transaction() as transaction:
        entries = transaction.audit.entries()
    words = ("schedule", "round")
    return [e.action for e in entries if e.actor == f"member:{cell.ids['binh']}" and e.action.endswith((*words, "off"))]


def months(store: Store, cell_id: int) -> list[date]:
    with store.transaction() as transaction:
        return [found.month for found in transaction.rounds.of_cell(cell_id)]


# --- the schedule ------------------------------------------------------------------------------------------------


def test_rounds_are_opened_by_hand_until_a_schedule_is_set(cell: Village) -> None:
    assert "tự mở kỳ mỗi tháng" in cell.say("binh", "lịch")
    for day in range(6, 30):
        assert cell.set_clock(hanoi(11, day)) == {}
    assert months(cell.store, cell.cell) == []


def test_typed_schedule_is_shown_asked_for_and_kept(cell: Village) -> None:
    said = cell.say("binh", SET)
    assert "• Mở kỳ lúc 8 giờ ngày 20 hằng tháng" in said
    assert "• Nhắc lúc 9 giờ: trước hạn 5 ngày, trước hạn 2 ngày" in said
    assert "tự mở kỳ mỗi tháng" in cell.say("binh", "lich")
    cell.say("binh", SET)
    assert "Kỳ tới tự mở lúc 08:00 ngày 20/11" in cell.choose("binh", "Xác nhận lịch này")
    shown = cell.say("binh", "lich")
    assert "• Hạn nộp ngày 28\n" in shown
    assert shown.splitlines()[-4:] == [
        "Kỳ tới tự mở lúc 08:00 ngày 20/11.",
        "[1] Dùng lịch thường dùng",
        "[2] Tự đặt lịch",
        "[3] Bỏ lịch, mở bằng tay",
    ]


def test_usual_schedule_takes_two_presses(cell: Village) -> None:
    cell.say("binh", "đặt lịch")
    assert "ngày 5 hằng tháng" in cell.choose("binh", "Dùng lịch thường dùng")
    said = cell.choose("binh", "Xác nhận lịch này")
    # It is nine o'clock on the 5th: what was to open at eight is not opened behind the secretary's back.
    assert "Kỳ tới tự mở lúc 08:00 ngày 05/12. Kỳ tháng 11/2026 chưa mở: đồng chí gõ “mở kỳ” nếu cần." in said
    assert cell.set_clock(hanoi(11, 5, 10)) == {}
    assert months(cell.store, cell.cell) == []


def test_how_to_type_a_schedule_is_one_press_away(cell: Village) -> None:
    cell.say("binh", "lịch")
    assert "lịch mở ngày 20 lúc 8 giờ, hạn ngày 28, nhắc trước 5, 2, 0 ngày" in cell.choose("binh", "Tự đặt lịch")


def test_days_that_not_every_month_has_are_shown_as_what_they_are(cell: Village) -> None:
    said = cell.say("binh", "lịch mở ngày cuối tháng lúc 2 giờ chiều, hạn ngày 5 tháng sau, không nhắc")
    assert "• Mở kỳ lúc 14 giờ ngày cuối mỗi tháng\n• Hạn nộp ngày 5 tháng sau\n" in said
    assert "Nhắc lúc" not in said
    assert "ngày 30 hằng tháng (tháng thiếu thì ngày cuối tháng)" in cell.say("binh", "lịch mở ngày 30, hạn sau 5 ngày")


def test_setting_the_same_schedule_again_changes_nothing(cell: Village) -> None:
    cell.say("binh", SET)
    button = cell.choice_ids["binh"][0]
    for _ in range(2):
        assert "Kỳ tới tự mở lúc 08:00 ngày 20/11" in cell.tap("binh", button)
    cell.say("binh", "lịch")
    button = cell.choice_ids["binh"][2]
    for _ in range(2):
        assert "Đã bỏ lịch" in cell.tap("binh", button)
    assert acts(cell) == ["set schedule", "switch schedule off"]


def test_next_opening_skips_a_month_whose_round_is_there(cell: Village) -> None:
    cell.say("binh", "mở kỳ")
    cell.choose("binh", "Xác nhận mở kỳ")
    cell.say("binh", SET)
    assert cell.choose("binh", "Xác nhận lịch này") == "Đã đặt lịch. Kỳ tới tự mở lúc 08:00 ngày 20/12."


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("lịch mở ngày 40, hạn ngày 28", "từ 1 đến 31"),
        ("lịch mở ngày 20", "chưa thấy hạn nộp"),
        ("lich mo ngay 20 luc 22 gio han ngay 28", "từ 7 đến 20 giờ"),
        ("lịch mở ngày 20, hạn ngày 28, gọi điện cho tôi", "chưa hiểu phần “gọi điện cho tôi”"),
        ("lịch hạn ngày 28", "chưa thấy ngày mở kỳ"),
        ("lịch mở ngày 20, hạn ngày 128", "từ 1 đến 31, không phải 128"),
        ("lịch mở ngày 20, hạn ngày 28, nghỉ Tết", "ghi đủ năm, như “nghỉ 25/01/2027-10/02/2027”"),
    ],
)
def test_schedule_that_cannot_be_used_changes_nothing_and_says_how(cell: Village, typed: str, said: str) -> None:
    answer = cell.say("binh", typed)
    assert said in answer
    assert "lịch mở ngày 20 lúc 8 giờ, hạn ngày 28" in answer
    assert "tự mở kỳ mỗi tháng" in cell.say("binh", "lịch")


def test_only_the_secretary_sets_extends_and_closes(cell: Village) -> None:
    for words in ("lịch", SET, "gia hạn", "gia hạn 5 ngày", "đóng kỳ"):
        assert "chỉ bí thư chi bộ làm được" in cell.say("an", words)
        assert "xin bí thư chi bộ mã" in cell.say("la", words)
    # Not the deputy either, who may see who has handed in.
    cell.add("phuc", "Lê Văn Phúc", Role.DEPUTY_SECRETARY)
    cell.enrol("phuc")
    assert "chỉ bí thư chi bộ làm được" in cell.say("phuc", "đóng kỳ")


def test_question_that_begins_with_the_same_word_is_answered_from_the_documents(cell: Village) -> None:
    for user in ("an", "la"):
        answer = cell.say(user, "gia hạn thời gian giải quyết đơn thư thì sao")
        assert "bí thư chi bộ" not in answer
        assert "Đồng chí gõ ví dụ" not in answer


def test_round_opens_by_itself_once_and_members_hear_of_it(cell: Village) -> None:
    cell.say("binh", SET)
    cell.choose("binh", "Xác nhận lịch này")
    assert cell.set_clock(hanoi(11, 20, 7)) == {}
    told = cell.set_clock(hanoi(11, 20, 8))
    assert set(told) == {"an", "binh"}
    assert "mở kỳ tự đánh giá tháng 11/2026, hạn nộp 28/11/2026" in told["an"]
    assert cell.set_clock(hanoi(11, 20, 9)) == {}
    assert set(cell.set_clock(hanoi(11, 23, 9))) == {"an", "binh"}
    assert months(cell.store, cell.cell) == [date(2026, 11, 1)]
    cell.set_clock(hanoi(12, 20, 8))
    assert months(cell.store, cell.cell) == [date(2026, 12, 1), date(2026, 11, 1)]


def test_secretary_hears_once_that_the_regulation_of_such_a_round_was_replaced(cell: Village) -> None:
    cell.say("binh", SET)
    cell.choose("binh", "Xác nhận lịch này")
    cell.set_clock(hanoi(11, 20, 8))
    assert "đã được thay bằng 207-QĐ/TW" in cell.say("binh", "tiến độ")
    assert "đã được thay bằng" not in cell.say("binh", "tiến độ")


def test_warning_does_not_say_that_a_confirmed_checklist_waits(cell: Village) -> None:
    cell.say("binh", SET)
    cell.choose("binh", "Xác nhận lịch này")
    cell.set_clock(hanoi(11, 20, 8))
    with cell.store.transaction() as transaction:
        transaction.checklists.confirm("207-qd-tw-2026", 1, by="chat:1", on=date(2026, 11, 20))
    said = cell.say("binh", "tiến độ")
    assert "đã được thay bằng 207-QĐ/TW" in said
    assert "kỳ này vẫn theo bảng đã dùng lúc mở" in said
    assert "chưa được người quản trị xác nhận" not in said


def test_round_opened_by_hand_is_not_opened_again(cell: Village) -> None:
    cell.say("binh", SET)
    cell.choose("binh", "Xác nhận lịch này")
    cell.say("binh", "mở kỳ")
    assert "hạn nộp 28/11/2026" in cell.choose("binh", "Xác nhận mở kỳ")
    cell.set_clock(hanoi(11, 20, 8))
    assert months(cell.store, cell.cell) == [date(2026, 11, 1)]


def test_round_opened_by_hand_after_the_day_it_would_be_due_is_due_at_the_end_of_the_month(cell: Village) -> None:
    cell.say("binh", SET)
    cell.choose("binh", "Xác nhận lịch này")
    cell.set_clock(hanoi(12, 29))
    cell.say("binh", "mở kỳ")
    assert "hạn nộp 31/12/2026" in cell.choose("binh", "Xác nhận mở kỳ")


def test_program_that_was_off_for_long_opens_no_old_round(cell: Village) -> None:
    cell.say("binh", SET)
    cell.choose("binh", "Xác nhận lịch này")
    cell.set_clock(hanoi(11, 26))
    assert months(cell.store, cell.cell) == []


def test_pause_moves_opening_and_due_date_and_keeps_quiet(cell: Village) -> None:
    cell.say("binh", f"{SET}, nghỉ 15/11/2026-22/11/2026")
    cell.choose("binh", "Xác nhận lịch này")
    for day in range(15, 23):
        assert cell.set_clock(hanoi(11, day)) == {}
    told = cell.set_clock(hanoi(11, 23, 8))
    assert "hạn nộp 01/12/2026" in told["an"]


def test_cell_without_members_opens_nothing(cell: Village) -> None:
    cell.say("binh", SET)
    cell.choose("binh", "Xác nhận lịch này")
    with cell.store.transaction() as transaction:
        for member_id in cell.ids.values():
            transaction.people.leave(member_id, on=date(2026, 11, 10))
    assert cell.set_clock(hanoi(11, 20, 8)) == {}
    assert months(cell.store, cell.cell) == []


def test_schedule_that_is_switched_off_opens_nothing_more(cell: Village) -> None:
    cell.say("binh", SET)
    cell.choose("binh", "Xác nhận lịch này")
    cell.say("binh", "lịch")
    assert "tự mở kỳ bằng “mở kỳ”" in cell.choose("binh", "Bỏ lịch")
    cell.set_clock(hanoi(11, 20, 8))
    assert months(cell.store, cell.cell) == []


# --- extending and closing ---------------------------------------------------------------------------------------


@pytest.fixture
def running(cell: Village) -> Village:
    """The same with a round that is due on 30 November."""
    cell.say("binh", "mở kỳ")
    cell.choose("binh", "Xác nhận mở kỳ")
    return cell


def test_grace_is_extended_by_a_press_and_once(running: Village) -> None:
    assert "đến hết ngày 03/12/2026" in running.say("binh", "gia hạn")
    button = running.choice_ids["binh"][1]
    assert "đến hết ngày 10/12/2026. Nộp sau 30/11/2026 vẫn ghi là nộp muộn" in running.choose("binh", "Thêm 7 ngày")
    assert "đến hết ngày 10/12/2026" in running.tap("binh", button)
    assert acts(running) == ["open round", "extend round"]
    running.set_clock(hanoi(12, 10, 20))
    assert "đang có kỳ tự đánh giá tháng 11/2026" in running.say("an", "tự đánh giá")


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("gia hạn 5 ngày", "đến hết ngày 08/12/2026"),
        ("gia han den 05/12", "đến hết ngày 05/12/2026"),
        ("gia hạn đến 30/11/2026", "đến hết ngày 30/11/2026."),
        ("gia hạn 99 ngày", "từ 30/11/2026 đến 31/12/2026"),
        ("gia hạn đến 31/02", "chưa hiểu “đến 31/02”"),
        ("gia hạn mãi mãi", "chưa hiểu “mãi mãi”"),
        ("gia hạn thêm 2", "đến hết ngày 05/12/2026"),
        ("gia hạn đến 29/2", "chưa hiểu “đến 29/2”"),
    ],
)
def test_grace_may_be_typed(running: Village, typed: str, said: str) -> None:
    assert said in running.say("binh", typed)


def test_days_of_grace_that_have_begun_are_not_taken_back(running: Village) -> None:
    running.set_clock(hanoi(12, 2))
    assert "từ 02/12/2026 đến 31/12/2026" in running.say("binh", "gia hạn đến 01/12/2026")


def test_closing_asks_first_and_is_for_good(running: Village) -> None:
    assert "Còn 2 đồng chí chưa nộp" in running.say("binh", "đóng kỳ")
    button = running.choice_ids["binh"][0]
    assert "Đã đóng kỳ tháng 11/2026" in running.choose("binh", "Xác nhận đóng kỳ")
    assert "đã đóng từ trước" in running.tap("binh", button)
    assert "không có kỳ nào đang mở" in running.say("binh", "gia hạn")
    assert "chưa mở kỳ" in running.say("an", "tự đánh giá")
    assert running.set_clock(hanoi(11, 25)) == {}


def test_button_that_extends_a_closed_round_says_so(running: Village) -> None:
    running.say("binh", "gia hạn")
    button = running.choice_ids["binh"][0]
    running.say("binh", "đóng kỳ")
    running.choose("binh", "Xác nhận đóng kỳ")
    assert running.tap("binh", button) == "Kỳ này đã đóng từ trước, không thay đổi gì."
    assert acts(running) == ["open round", "close round"]


def test_buttons_of_a_round_whose_time_ran_out_say_so(running: Village) -> None:
    running.say("binh", "gia hạn")
    extend = running.choice_ids["binh"][0]
    running.say("binh", "đóng kỳ")
    close = running.choice_ids["binh"][0]
    running.set_clock(hanoi(12, 4))
    for button in (extend, close):
        assert running.tap("binh", button) == "Kỳ này đã đóng từ trước, không thay đổi gì."
    assert acts(running) == ["open round"]


def test_closing_may_be_left(running: Village) -> None:
    running.say("binh", "đóng kỳ")
    assert running.choose("binh", "Thôi") == "Vâng, tôi chưa làm gì."
    assert "đang có kỳ" in running.say("an", "tự đánh giá")


def test_button_of_another_cells_round_is_nothing(running: Village) -> None:
    running.say("binh", "đóng kỳ")
    button = running.choice_ids["binh"][0]
    with running.store.transaction() as transaction:
        other = transaction.people.add_cell(transaction.people.add_organization("Đảng bộ xã An Bình"), "Chi bộ 4")
        transaction.people.move(running.ids["binh"], other, on=date(2026, 11, 5))
    assert "Đã đóng" not in running.tap("binh", button)
    assert "đang có kỳ" in running.say("an", "tự đánh giá")


def test_what_was_done_stands_in_the_log_without_content(running: Village) -> None:
    running.say("binh", "gia hạn 5 ngày")
    running.say("binh", "đóng kỳ")
    running.choose("binh", "Xác nhận đóng kỳ")
    with running.store.transaction() as transaction:
        [november] = transaction.rounds.of_cell(running.cell)
        entries = transaction.audit.entries(about=f"round:{november.id}")
    assert [entry.action for entry in entries] == ["open round", "extend round", "close round"]
    assert {entry.actor for entry in entries} == {f"member:{running.ids['binh']}"}
    assert running.now - entries[-1].at < timedelta(hours=1)
