"""Every sentence for the deputy secretary who puts in responses from paper."""

from collections.abc import Sequence
from datetime import date

from handlers.paper_line import LineNotTaken, Marks, Problem
from handlers.texts import counted_answers, day, item_numbers, month_name

ONLY_DEPUTY = "Nhập phiếu giấy là việc của phó bí thư chi bộ. Đồng chí gõ “trợ giúp” để xem những việc khác."
NO_ROUND = "Chi bộ hiện không có kỳ nào đang mở nên chưa nhập được phiếu giấy."
NOT_OF_CELL = "Phiếu này không thuộc chi bộ của đồng chí nên tôi không nhập. Đồng chí gõ “nhập phiếu” để xem danh sách."
NOTHING_MARKED = "Không có điều nào"
ANOTHER = "Chọn đồng chí khác"
LEAVE_IT = "Thôi"
LEFT = "Vâng, tôi chưa nhập gì."
CONFIRM = "Xác nhận nhập phiếu"
CHANGE = "Sửa"
NEXT_ONE = "Nhập phiếu tiếp"
CORRECT = "Sửa phiếu này"
CORRECT_ONE = "Sửa phiếu đã nhập"
NEXT = "Xem tiếp"
BACK = "Quay lại nhập phiếu"
_NAMES_SHOWN = 15
_EXAMPLE = "“có 3, 12; trao đổi 5; báo cáo 3”"


def nobody(month: date) -> str:
    """Say that nobody's paper is waited for."""
    return f"Kỳ {month_name(month)}: không còn đồng chí nào không dùng điện thoại mà chưa nộp."


def nothing_to_correct(month: date, due_on: date) -> str:
    """Say that no paper that was put in can be put right."""
    return (
        f"Kỳ {month_name(month)}: không có phiếu giấy đã nhập nào sửa được. Phiếu giấy sửa được đến hết hạn nộp, ngày "
        f"{day(due_on)}."
    )


def whose_to_correct(month: date, due_on: date) -> str:
    """Ask whose paper is to be put right."""
    return f"Kỳ {month_name(month)}: đồng chí sửa phiếu giấy đã nhập của ai? Sửa được đến hết ngày {day(due_on)}."


def corrects(due_on: date) -> str:
    """Say how a paper that was put in is put right: nothing of it is shown again."""
    return (
        "Sửa phiếu đã nhập: tôi không hiện lại nội dung cũ, đồng chí gõ lại đủ các điều theo phiếu. Bản cũ vẫn được "
        f"lưu. Sửa được đến hết ngày {day(due_on)}."
    )


def corrected(name: str, number: str, changed: int, on: date, due_on: date) -> str:
    """Say that a paper was put right; said only after it was stored."""
    return (
        f"Đã ghi nhận phần sửa phiếu giấy của đồng chí {name}. Phiếu {number}, sửa {changed} điều ngày {day(on)}. Bản "
        f"cũ vẫn được lưu. Còn sửa được đến hết ngày {day(due_on)}."
    )


def nothing_changed(name: str, number: str) -> str:
    """Say that what was typed is what was there."""
    return f"Phiếu {number} của đồng chí {name} đã đúng như vậy, tôi không sửa gì."


def waiting(month: date, names: Sequence[str], *, is_any_entered: bool = False) -> str:
    """Name those whose papers are waited for."""
    correct = " Sửa phiếu đã nhập, đồng chí gõ “sửa phiếu”." if is_any_entered else ""
    shown = ", ".join(names[:_NAMES_SHOWN])
    more = f" và {len(names) - _NAMES_SHOWN} đồng chí nữa" if len(names) > _NAMES_SHOWN else ""
    return (
        f"Kỳ {month_name(month)}, còn {len(names)} đồng chí nộp phiếu giấy: {shown}{more}.\n"
        f"Đồng chí chọn, hoặc gõ họ tên, để nhập phiếu.{correct}"
    )


def several(count: int) -> str:
    """Say that a typed name fits several."""
    return f"Có {count} đồng chí tên như vậy. Đồng chí chọn, hoặc gõ đủ họ tên."


def no_such_name(name: str) -> str:
    """Say that nobody who hands in on paper is called so."""
    return (
        f"Trong những đồng chí của chi bộ chưa nộp phiếu giấy không có ai tên “{name[:60]}”. Đồng chí gõ “nhập phiếu” "
        "để xem danh sách."
    )


def which_items(name: str, month: date, count: int) -> str:
    """Ask what a paper marks."""
    return (
        f"Phiếu giấy của đồng chí {name}, kỳ {month_name(month)}. Phiếu đánh dấu những điều nào (1–{count})?\n"
        f"Đồng chí gõ, ví dụ: {_EXAMPLE}. Điều không nêu là không có biểu hiện. Đồng chí chỉ nhập đúng như trên phiếu."
    )


def preview(name: str, month: date, marks: Marks, count: int, until: date | None) -> str:
    """Show what would be put in for whom.

    Args:
        until: the last day on which it can be put right; None where that is over.
    """
    lines = [f"Sẽ nhập phiếu giấy của đồng chí {name}, kỳ {month_name(month)}:"]
    lines += counted_answers(marks.present, marks.discuss, count)
    reported = item_numbers(marks.reported) if marks.reported else "không có điều nào"
    lines.append(f"Báo cáo với chi bộ: {reported}.")
    after = (
        "đã quá hạn nộp nên nhập xong thì không sửa được" if until is None else f"sửa được đến hết ngày {day(until)}"
    )
    lines.append(f"Đồng chí đối chiếu với phiếu rồi xác nhận; {after}.")
    return "\n".join(lines)


def receipt(name: str, number: str, items: int, on: date, due_on: date) -> str:
    """Say that a response from paper was handed in; said only after it was stored."""
    late = ", nộp sau hạn" if on > due_on else ""
    return f"Đã ghi nhận phiếu giấy của đồng chí {name}. Phiếu {number}, {items} điều, ngày {day(on)}{late}."


def handed_in_before(name: str, number: str | None, on: date, *, is_paper: bool) -> str:
    """Say that a response is there already and stays."""
    how = "đã được nhập từ phiếu giấy" if is_paper else "đã được nộp"
    return f"Phiếu của đồng chí {name} {how} ngày {day(on)}, số {number}. Tôi không nhập đè."


def erased(name: str) -> str:
    """Say that the content was destroyed and is not put in again."""
    return f"Nội dung phiếu kỳ này của đồng chí {name} đã được xóa nên không nhập lại được. Kỳ sau nhập như thường."


def has_phone(name: str) -> str:
    """Say that somebody fills in by oneself."""
    return (
        f"Đồng chí {name} có điện thoại trong danh sách nên tự đánh giá trên máy. Nếu đồng chí ấy nộp phiếu giấy, nhờ "
        "người quản trị ghi “Không dùng điện thoại” trong danh sách."
    )


def not_taking_part(name: str, month: date) -> str:
    """Say that somebody takes no part in the round."""
    return f"Đồng chí {name} không thuộc diện nộp phiếu kỳ {month_name(month)} của chi bộ, nên tôi không nhập."


def closed(month: date, last_day: date) -> str:
    """Say that a round takes nothing any more."""
    return f"Kỳ {month_name(month)} đã đóng, ngày cuối nhận phiếu là {day(last_day)}, nên không nhập phiếu được nữa."


def not_taken(error: LineNotTaken, count: int) -> str:
    """Say what of a typed line cannot be taken, and how to write it; nothing of it was kept."""
    numbers = item_numbers(error.numbers)
    said = {
        Problem.NOT_UNDERSTOOD: f"Tôi chưa hiểu chữ “{error.word[:30]}”.",
        Problem.NO_KIND: f"Đồng chí ghi rõ {numbers} là “có”, “trao đổi” hay “báo cáo”.",
        Problem.NO_NUMBER: "Sau “có”, “trao đổi” hay “báo cáo” cần số của điều.",
        Problem.NO_SUCH_ITEM: f"Không có {numbers}. Bảng có các điều từ 1 đến {count}.",
        Problem.TWO_ANSWERS: f"{numbers.capitalize()} ghi cả “có” lẫn “trao đổi”; mỗi điều chỉ một câu trả lời.",
        Problem.REPORTED_UNMARKED: (
            f"{numbers.capitalize()} ghi báo cáo nhưng chưa ghi “có” hay “trao đổi”; chỉ báo cáo điều đã đánh dấu."
        ),
    }[error.problem]
    return f"{said} Tôi chưa nhập gì. Đồng chí gõ lại, ví dụ: {_EXAMPLE}."
