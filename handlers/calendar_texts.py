"""Every sentence about a cell's schedule, and about extending and closing a round."""

from datetime import date, datetime

from assessment.schedule import (
    MOST_DAYS_UNTIL_DUE,
    MOST_GRACE_DAYS,
    MOST_PAUSE_DAYS,
    MOST_REMINDER_DAYS,
    Schedule,
)
from assessment.schedule_settings import Problem
from handlers.texts import clock, day, month_name

BY_HAND = "Chi bộ chưa đặt lịch: đồng chí bí thư tự mở kỳ mỗi tháng bằng “mở kỳ”."
USE_USUAL = "Dùng lịch thường dùng"
OWN_WORDS = "Tự đặt lịch"
SWITCH_OFF = "Bỏ lịch, mở bằng tay"
CONFIRM = "Xác nhận lịch này"
LEAVE_IT = "Thôi"
SWITCHED_OFF = "Đã bỏ lịch. Từ nay đồng chí tự mở kỳ bằng “mở kỳ”; kỳ đang mở vẫn giữ nguyên."
HOW = (
    "Đồng chí gõ một dòng bắt đầu bằng “lịch”, ví dụ:\n"
    "lịch mở ngày 20 lúc 8 giờ, hạn ngày 28, nhắc trước 5, 2, 0 ngày\n"
    "Có thể thêm: “nhận thêm 3 ngày” (nhận phiếu nộp muộn), “nhắc trước 5, 2 ngày lúc 9 giờ”, "
    "“nghỉ 25/01/2027-10/02/2027” (nghỉ Tết, không nhắn gì)."
)
CLOSE = "Xác nhận đóng kỳ"
CLOSED_ALREADY = "Kỳ này đã đóng từ trước, không thay đổi gì."
NO_CHECKLIST = "Hiện chưa có bảng tự đánh giá nào dùng được nên kỳ chưa tự mở được. Đồng chí báo người quản trị giúp."
_LAST_DAY = 31
_IN_EVERY_MONTH = 28


def in_words(schedule: Schedule) -> str:
    """Say what a schedule does, a line each."""
    lines = [f"• Mở kỳ lúc {schedule.opening_hour} giờ {_day_of_month(schedule.opening_day, ' hằng tháng')}"]
    if schedule.due_day is None:
        lines.append(f"• Hạn nộp sau {schedule.days_until_due} ngày")
    else:
        later = " tháng sau" if schedule.due_day < schedule.opening_day else ""
        lines.append(f"• Hạn nộp {_day_of_month(schedule.due_day, later)}")
    late = (
        f"Nhận phiếu nộp muộn thêm {schedule.grace_days} ngày" if schedule.grace_days else "Không nhận phiếu nộp muộn"
    )
    lines.append(f"• {late}")
    if schedule.reminder_days:
        days = ", ".join("đúng ngày hạn" if n == 0 else f"trước hạn {n} ngày" for n in schedule.reminder_days)
        lines.append(f"• Nhắc lúc {schedule.reminder_hour} giờ: {days}")
    lines.append(f"• Không nhắn trong {schedule.quiet_from:%H:%M}–{schedule.quiet_until:%H:%M}")
    lines += [f"• Nghỉ từ {day(first)} đến hết {day(last)}" for first, last in schedule.pauses]
    return "\n".join(lines)


def _day_of_month(number: int, which: str) -> str:
    if number == _LAST_DAY:
        return "ngày cuối mỗi tháng"
    said = f"ngày {number}{which}"
    return said if number <= _IN_EVERY_MONTH else f"{said} (tháng thiếu thì ngày cuối tháng)"


def schedule_is(schedule: Schedule, opening: datetime | None) -> str:
    """Show the schedule that holds."""
    return "\n".join(["Lịch của chi bộ:", in_words(schedule), *([_next(opening)] if opening else [])])


def whether_this(schedule: Schedule) -> str:
    """Ask whether a schedule is to hold."""
    return f"Đặt lịch như sau cho chi bộ?\n{in_words(schedule)}\nTừ đó các kỳ tự mở, tôi tự báo và tự nhắc."


def schedule_set(opening: datetime | None, unopened: date | None) -> str:
    """Say that a schedule holds from now on, and which month's round is still to be opened by hand, if one is."""
    said = f"Đã đặt lịch. {_next(opening)}" if opening else "Đã đặt lịch."
    by_hand = f" Kỳ {month_name(unopened)} chưa mở: đồng chí gõ “mở kỳ” nếu cần." if unopened else ""
    return f"{said}{by_hand}"


def _next(opening: datetime) -> str:
    return f"Kỳ tới tự mở lúc {clock(opening)}."


def opened_by_schedule(told: int, unlinked: int) -> str:
    """Tell who leads a cell that its round opened by itself, how many hear of it, and how many cannot."""
    said = f"Kỳ này tự mở theo lịch của chi bộ, tôi báo cho {told} đồng chí."
    said += f" {unlinked} đồng chí chưa nhập mã nên tôi chưa nhắn được." if unlinked else ""
    return f"{said} Đồng chí gõ “tiến độ” để xem ai đã nộp."


def no_checklist(cell: str, month: date) -> str:
    """Tell who leads a cell that its round could not open by itself, and what is to be done."""
    return (
        f"Đã đến lịch mở kỳ {month_name(month)} của {cell}, nhưng chưa có bảng tự đánh giá nào được xác nhận nên kỳ "
        "chưa mở. Đồng chí báo người quản trị xác nhận bảng; sau đó kỳ tự mở, hoặc đồng chí gõ “mở kỳ”."
    )


def not_understood(problem: Problem, words: str) -> str:
    """Say what in a typed schedule cannot be used, and what can."""
    said = {
        Problem.NO_OPENING: "Tôi chưa thấy ngày mở kỳ. Đồng chí ghi ví dụ “mở ngày 20”.",
        Problem.NO_DUE: "Tôi chưa thấy hạn nộp. Đồng chí ghi ví dụ “hạn ngày 28” hoặc “hạn sau 10 ngày”.",
        Problem.OPENING_DAY: f"Ngày mở kỳ phải từ 1 đến 31, không phải {words}.",
        Problem.DUE_DAY: f"Ngày hạn phải từ 1 đến 31, không phải {words}.",
        Problem.DUE_TOO_LATE: "Hạn phải trước khi kỳ tháng sau mở. Đồng chí chọn ngày nhỏ hơn ngày mở.",
        Problem.SAME_DAY: "Ngày hạn trùng ngày mở kỳ. Đồng chí chọn ngày khác.",
        Problem.DAYS_UNTIL_DUE: f"Hạn sau ngày mở phải từ 1 đến {MOST_DAYS_UNTIL_DUE} ngày, không phải {words}.",
        Problem.REMINDER_DAYS: f"Nhắc trước hạn được từ 0 đến {MOST_REMINDER_DAYS} ngày, không phải {words}.",
        Problem.HOUR: "Giờ mở và giờ nhắc là giờ tròn, từ 7 đến 20 giờ (không nhắn trong 21:00–06:30).",
        Problem.GRACE: f"Nhận phiếu muộn được từ 0 đến {MOST_GRACE_DAYS} ngày, không phải {words}.",
        Problem.PAUSE: f"Ngày nghỉ ghi đủ năm, như “nghỉ 25/01/2027-10/02/2027”, dài nhất {MOST_PAUSE_DAYS} ngày.",
        Problem.NOT_UNDERSTOOD: f"Tôi chưa hiểu phần “{words}”.",
    }[problem]
    return f"{said} Lịch cũ vẫn giữ nguyên."


def whether_to_extend(month: date, last_day: date) -> str:
    """Ask for how long responses are still to be taken."""
    return (
        f"Kỳ {month_name(month)} nhận phiếu đến hết ngày {day(last_day)}. Gia hạn thêm mấy ngày? "
        "Đồng chí chọn, hoặc gõ ví dụ “gia hạn 5 ngày”."
    )


def more_days(days: int) -> str:
    """Label of the choice that extends by so many days."""
    return f"Thêm {days} ngày"


def extended(month: date, due_on: date, last_day: date) -> str:
    """Say until when responses are taken now."""
    late = f" Nộp sau {day(due_on)} vẫn ghi là nộp muộn." if last_day > due_on else ""
    return f"Kỳ {month_name(month)} nhận phiếu đến hết ngày {day(last_day)}.{late}"


def cannot_extend(first: date, last: date) -> str:
    """Say until when a round can be extended."""
    return f"Không gia hạn đến ngày đó được. Có thể nhận phiếu đến hết một ngày từ {day(first)} đến {day(last)}."


def no_such_day(typed: str) -> str:
    """Say that a typed day or number of days is not understood."""
    return f"Tôi chưa hiểu “{typed}”. Đồng chí gõ ví dụ “gia hạn 5 ngày” hoặc “gia hạn đến 05/12/2026”."


def whether_to_close(month: date, waiting: int) -> str:
    """Ask whether a round is to be closed now."""
    left = f" Còn {waiting} đồng chí chưa nộp." if waiting else ""
    return f"Đóng kỳ {month_name(month)} ngay bây giờ?{left} Đóng rồi thì không nhận thêm phiếu và không mở lại được."


def closed(month: date) -> str:
    """Say that a round is closed."""
    return f"Đã đóng kỳ {month_name(month)}. Đồng chí gõ “báo cáo” để lấy bản tổng hợp."
