"""Every sentence for who leads a cell, what comes by itself, and the lines about a roster in the terminal."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from assessment.model import Checklist, ItemAnswer
from assessment.roster import RosterResult, RowOutcome
from assessment.roster_texts import namesake_elsewhere
from handlers.texts import clock, day, item_numbers, month_name

ONLY_SECRETARY = "Việc này chỉ bí thư chi bộ làm được. Đồng chí gõ “trợ giúp” để xem những việc khác."
NO_CHECKLIST = "Chưa có bảng tự đánh giá nào dùng được. Đồng chí báo người quản trị giúp."
NO_ROUND_YET = "Chi bộ hiện không có kỳ nào đang mở. Đồng chí gõ “mở kỳ” để mở kỳ tháng này."
NO_ROUND_OF_OWN_CELL = "Chi bộ của đồng chí hiện không có kỳ nào đang mở."
WHEN_OPENED = f"{NO_ROUND_OF_OWN_CELL} Khi bí thư mở kỳ, đồng chí gõ “tiến độ” để xem."
SEES_CELLS = (
    f"{NO_ROUND_OF_OWN_CELL} Đồng chí gõ “các chi bộ” để xem bảng các chi bộ, gõ “xuất bảng” để tải bảng ấy về."
)
CELLS_ON_THE_PAGE = "Đồng chí tải bảng các chi bộ ở dưới; trong tin nhắn, gõ “các chi bộ” để xem ngay."
UNHEARD = "Chưa rõ đã nhận được tin"
UNHEARD_HINT = "Tôi không tự gửi lại; đồng chí hỏi trực tiếp hoặc bấm nhắc."
CONFIRM_OPEN = "Xác nhận mở kỳ"
CONFIRM_REMIND = "Xác nhận nhắc"
LEAVE_IT = "Thôi"
LEFT_AS_IT_WAS = "Vâng, tôi chưa làm gì."
PROGRESS = "Tiến độ"
ON_THE_PAGE = "Mở trang của bí thư"
CLOSED = "đã đóng"
SUMMARY = "Tóm tắt cho biên bản"
NO_TOTALS = (
    "Chưa nêu số liệu từng điều, để không lộ câu trả lời của ai: chỉ nêu sau hạn nộp, khi có từ 5 phiếu trở lên và có "
    "câu trả lời khác nhau."
)
NOBODY_TO_REMIND = "Không còn đồng chí nào cần nhắc mà tôi nhắn được."


@dataclass(frozen=True, slots=True)
class StandingNames:
    """How a round stands, by name."""

    month: date
    due_on: date
    handed_in: int
    missing: tuple[str, ...]
    without_phone: tuple[str, ...]
    never_linked: tuple[str, ...]
    blocked: tuple[str, ...]
    consent_taken_back: tuple[str, ...] = ()
    late: int = 0

    @property
    def expected(self) -> int:
        """Everybody who takes part."""
        return self.handed_in + sum(len(people) for _, people in waiting(self))


def round_there(month: date, due_on: date) -> str:
    """Say that the round was opened before."""
    return f"Kỳ {month_name(month)} đã được mở, hạn nộp {day(due_on)}."


def about_to_open(cell: str, month: date, due_on: date, checklist: Checklist, *, warns: bool = True) -> str:
    """Say what opening a round does; that the regulation was superseded is said where it warns."""
    said = f"Mở kỳ {month_name(month)} cho {cell}, hạn nộp {day(due_on)}, theo {checklist.regulation}?"
    if not checklist.is_checked:
        said += "\nBảng này chưa đối chiếu văn bản chính thức; người quản trị đã xác nhận cho dùng."
    if checklist.superseded_by is None or not warns:
        return said
    return f"{said}{superseded(checklist)}"


def superseded(checklist: Checklist, *, is_newer_waiting: bool = True) -> str:
    """Say, on a line of its own, that a checklist's regulation was replaced.

    Args:
        is_newer_waiting: the checklist for the new regulation has not been confirmed.
    """
    since = f" từ {day(checklist.superseded_on)}" if checklist.superseded_on else ""
    said = f"\nLưu ý: {checklist.regulation} đã được thay bằng {checklist.superseded_by}{since}"
    if not is_newer_waiting:
        return f"{said}; kỳ này vẫn theo bảng đã dùng lúc mở."
    return f"{said}; bảng theo văn bản mới chưa được người quản trị xác nhận."


def round_opened(month: date, due_on: date, told: int, unlinked: int) -> str:
    """Say that a round is open, how many will hear of it, and how many cannot, for want of a code."""
    said = f"Đã mở kỳ {month_name(month)}, hạn nộp {day(due_on)}. Tôi sẽ báo cho {told} đồng chí."
    return f"{said} {unlinked} đồng chí chưa nhập mã nên tôi chưa nhắn được." if unlinked else said


def standing(cell: str, names: StandingNames, talks: Sequence[str], left: str) -> str:
    """Say who has handed in and who has not, why some cannot be reached, and who asks for a talk."""
    late = f" ({names.late} sau hạn)" if names.late else ""
    lines = [f"Kỳ {month_name(names.month)}, {cell}: {names.handed_in}/{names.expected} đã nộp{late}, {left}."]
    lines += [f"{title} ({len(people)}): {', '.join(people)}." for title, people in waiting(names)]
    lines += [f"Muốn trao đổi trực tiếp ({len(talks)}): {', '.join(talks)}."] if talks else []
    return "\n".join(lines)


def perhaps_unheard(names: Sequence[str]) -> str:
    """Say of whom nobody knows whether a message reached them, and what to do."""
    return f"{UNHEARD} ({len(names)}): {', '.join(names)}. {UNHEARD_HINT}"


def time_left(days: int) -> str:
    """How long a round still takes responses in time."""
    return f"còn {days} ngày" if days > 0 else "hạn hôm nay" if days == 0 else "đã quá hạn"


def waiting(names: StandingNames) -> list[tuple[str, tuple[str, ...]]]:
    """Return who has not handed in, by why: (reason, names); reasons that hold for nobody are left out."""
    reasons = (
        ("Chưa nộp", names.missing),
        ("Chưa nhập mã nên chưa nhắn được", names.never_linked),
        ("Đã chặn tin nhắn", names.blocked),
        ("Đã rút đồng ý nên tôi không nhắc", names.consent_taken_back),
        ("Không dùng điện thoại, nhập từ phiếu giấy", names.without_phone),
    )
    return [(title, people) for title, people in reasons if people]


def handed_in_late(name: str) -> str:
    """Mark who has handed in after the due date."""
    return f"{name} (nộp sau hạn)"


def remind_so_many(count: int) -> str:
    """Label of the button that reminds the rest."""
    return f"Nhắc {count} đồng chí"


def about_to_remind(count: int, at: datetime, *, is_now: bool, is_pause: bool) -> str:
    """Say whom and when a reminder would reach."""
    why = "không nhắc trong những ngày nghỉ của lịch chi bộ" if is_pause else "không nhắc trong 21:00–06:30"
    when = "ngay bây giờ" if is_now else f"vào {clock(at)} ({why})"
    return f"Sẽ nhắc {count} đồng chí {when}."


def reminded(count: int, at: datetime, *, is_now: bool) -> str:
    """Say that a reminder is on its way."""
    return f"Đang nhắn cho {count} đồng chí." if is_now else f"Sẽ nhắn cho {count} đồng chí vào {clock(at)}."


def already_reminded(again_at: datetime) -> str:
    """Say that today's reminder was sent, and when the next may be."""
    return f"Hôm nay đã nhắc rồi. Có thể nhắc lại từ {clock(again_at)}."


def summary(
    cell: str,
    names: StandingNames,
    reported: Sequence[tuple[str, Sequence[int]]],
    counted: Mapping[int, Mapping[ItemAnswer, int]],
    counted_of: int,
    checklist: Checklist,
) -> str:
    """Return the paragraph for the minutes, then what was reported and the totals where they may be shown.

    Args:
        counted_of: so many responses are in the totals.
    """
    late = f", trong đó {names.late} phiếu nộp sau hạn" if names.late else ""
    lines = [
        f"Chi bộ {cell.removeprefix('Chi bộ ')} thực hiện tự đánh giá {month_name(names.month)} theo "
        f"{checklist.regulation}: {names.handed_in}/{names.expected} đảng viên đã nộp phiếu{late}."
    ]
    lines += [f"Báo cáo với chi bộ: {name} ({item_numbers(items)})." for name, items in reported]
    lines += [] if reported else ["Không có đồng chí nào báo cáo điều nào với chi bộ."]
    if counted:
        lines.append(f"Số liệu chung{earlier_only(counted_of, names.handed_in)} (những điều có câu trả lời khác nhau):")
        for number, answers in counted.items():
            shown = (f"{count} {checklist.answer_labels[answer].lower()}" for answer, count in answers.items() if count)
            lines.append(f"• Điều {number}: {', '.join(shown)}")
    else:
        lines.append(NO_TOTALS)
    return "\n".join(lines)


def earlier_only(counted: int, handed_in: int) -> str:
    """Say that totals leave out who handed in since they were shown; nothing where they leave out nobody."""
    return f" của {counted} phiếu nộp trước, chưa tính phiếu nộp sau" if counted < handed_in else ""


def decided_answers(decision: str, seen: Sequence[tuple[str, Sequence[int], Sequence[int]]]) -> list[str]:
    """Return the answers that a committee's decision opens, a line a member: (name, present, to be talked over)."""
    if not seen:
        return []
    lines = [f"Câu trả lời của {len(seen)} đồng chí đã được báo trước theo quyết định «{decision}»:"]
    for name, present, discuss in seen:
        said = [f"có biểu hiện {item_numbers(present)}"] if present else []
        said += [f"cần trao đổi {item_numbers(discuss)}"] if discuss else []
        lines.append(f"• {name}: {'; '.join(said) or 'không có biểu hiện nào'}")
    return lines


# --- What comes by itself ---------------------------------------------------------------------------------------


def round_announced(cell: str, month: date, due_on: date) -> str:
    """Tell a member that a round was opened."""
    return (
        f"{cell} mở kỳ tự đánh giá {month_name(month)}, hạn nộp {day(due_on)}. Khoảng 3 phút, dừng lúc nào cũng được. "
        "Đồng chí gõ “tự đánh giá” để bắt đầu."
    )


def reminder(cell: str, month: date, due_on: date) -> str:
    """Remind a member of a round."""
    return f"{cell}: kỳ tự đánh giá {month_name(month)} hạn nộp {day(due_on)}. Đồng chí gõ “tự đánh giá” để làm tiếp."


# --- The roster, in the terminal --------------------------------------------------------------------------------

_MOST_NAMED = 10
_OUTCOMES = {
    RowOutcome.ADDED: "thêm mới",
    RowOutcome.CHANGED: "thay đổi",
    RowOutcome.UNCHANGED: "như cũ",
    RowOutcome.REFUSED: "KHÔNG NHẬN",
}


def roster_line(result: RosterResult, code: str | None) -> str:
    """Say what became of one row."""
    said = f"dòng {result.number}: {result.name} · {result.cell.name} · {_OUTCOMES[result.outcome]}"
    said += f" · từ {result.moved_from.name}" if result.moved_from else ""
    said += f" · {namesake_elsewhere(result.namesake_in)}" if result.namesake_in else ""
    said += f" · mã {code}" if code else ""
    return f"{said}: {result.reason}" if result.reason else said


def roster_summary(results: Sequence[RosterResult], *, dry_run: bool) -> str:
    """Say what became of all rows."""
    counts = [f"{sum(r.outcome is o for r in results)} {name.lower()}" for o, name in _OUTCOMES.items()]
    said = f"{'Xem trước, chưa ghi gì' if dry_run else 'Đã ghi'}: {', '.join(counts)}."
    new = dict.fromkeys(r.cell.name for r in results if r.cell.id is None and r.outcome is not RowOutcome.REFUSED)
    if new:
        # A mistyped name would found a cell of its own.
        named, more = ", ".join([*new][:_MOST_NAMED]), "…" if len(new) > _MOST_NAMED else ""
        said += f"\nChi bộ mới ({len(new)}): {named}{more}. Nếu là gõ nhầm tên chi bộ, đồng chí sửa tệp rồi nhập lại."
    return said
