"""Every sentence for an administrator about checklists."""

from collections.abc import Sequence
from datetime import date

from assessment.model import Checklist, Item, ItemGroup
from handlers.texts import day, item_numbers

ONLY_ADMIN = "Việc này chỉ người quản trị làm được. Đồng chí gõ “trợ giúp” để xem những việc khác."
NO_CHECKLISTS = "Chưa có bảng tự đánh giá nào trong hệ thống."
CONFIRM_YES = "Xác nhận, tôi chịu trách nhiệm"
WITHDRAW_YES = "Xác nhận rút lại"
LEAVE_IT = "Thôi"
LEFT_AS_IT_WAS = "Vâng, tôi chưa thay đổi gì."
NEXT = "Xem tiếp"
LIST = "Các bảng kiểm"


def name(checklist: Checklist) -> str:
    """Name a version: bảng 207-QĐ/TW, bản 1."""
    return f"bảng {checklist.regulation}, bản {checklist.version}"


def see(checklist: Checklist) -> str:
    """Label of the button that shows a version whole."""
    return f"Xem {name(checklist)}"


def confirm(checklist: Checklist) -> str:
    """Label of the button that asks whether to confirm a version."""
    return f"Xác nhận {name(checklist)}"


def withdraw(checklist: Checklist) -> str:
    """Label of the button that asks whether to take a confirmation back."""
    return f"Rút xác nhận {name(checklist)}"


def version(
    checklist: Checklist, left_open: Sequence[int], confirmed_on: date | None, *, is_in_use: bool, today: date
) -> str:
    """Say how a version stands: in use, waiting, confirmed; what was not compared; what replaced it.

    Args:
        left_open: items that were not compared with the official text.
    """
    lines = [f"• {_capital(name(checklist))} (hiệu lực từ {day(checklist.valid_from)}): "]
    if is_in_use:
        lines[0] += "đang dùng cho các kỳ mở mới."
    elif checklist.is_checked or confirmed_on is not None:
        lines[0] += "chưa đến ngày hiệu lực." if checklist.valid_from > today else "dùng được, đang có bảng mới hơn."
    else:
        lines[0] += (
            f"CHỜ XÁC NHẬN từ {day(checklist.valid_from)}, vì chưa đối chiếu văn bản chính thức. Chưa mở kỳ được theo "
            "bảng này."
        )
    if confirmed_on is not None:
        lines.append(f"  Người quản trị đã xác nhận ngày {day(confirmed_on)}.")
    if left_open:
        lines.append(f"  {_left_open(checklist, left_open)}")
    if checklist.superseded_by is not None:
        since = f" từ {day(checklist.superseded_on)}" if checklist.superseded_on else ""
        lines.append(f"  Quy định này đã được thay bằng {checklist.superseded_by}{since}.")
    return "\n".join(lines)


def _left_open(checklist: Checklist, left_open: Sequence[int]) -> str:
    count = len(checklist.items)
    if len(left_open) == count:
        return f"Cả {count} điều chưa đối chiếu đủ với văn bản chính thức."
    return (
        f"{len(left_open)}/{count} điều chưa đối chiếu đủ với văn bản chính thức: {item_numbers(left_open)}. Bảng vẫn "
        "dùng được vì là khung đang dùng."
        if checklist.is_checked
        else f"{len(left_open)}/{count} điều chưa đối chiếu đủ với văn bản chính thức: {item_numbers(left_open)}."
    )


def listed(versions: Sequence[str], gone: Sequence[tuple[str, int]]) -> str:
    """List the versions, and those that rounds were opened with and that are no longer here."""
    lines = ["Các bảng tự đánh giá:", *versions]
    lines += [
        f"• THIẾU TỆP: {checklist_id}, bản {number}. Có kỳ đã mở theo bảng này; đồng chí đặt lại tệp vào máy chủ giúp."
        for checklist_id, number in gone
    ]
    return "\n".join(lines)


def heading(checklist: Checklist) -> str:
    """The beginning of a version shown whole."""
    return f"{checklist.title}\n{_capital(name(checklist))}, {len(checklist.items)} điều."


def group(shown: ItemGroup, count: int) -> str:
    """A group with its question and its items, as members read them, with the notes beside them."""
    lines = [f"Nhóm {shown.number}/{count} · {shown.title}", shown.question]
    return "\n".join([*lines, *(_item(item) for item in shown.items)])


def _item(item: Item) -> str:
    lines = [f"Điều {item.number}. {item.title}", item.question, *(f"• {example}" for example in item.examples)]
    lines += [f"Ghi chú: {item.note}"] if item.note else []
    return "\n".join(lines)


def about_to_confirm(checklist: Checklist, left_open: Sequence[int]) -> str:
    """Ask whether a version is to be confirmed; it was not compared, and the admin takes it on."""
    lines = [
        f"Lưu ý: chúng tôi CHƯA đối chiếu {name(checklist)} với văn bản chính thức của {checklist.regulation}.",
        *([_left_open(checklist, left_open)] if left_open else []),
        "Đồng chí xác nhận nghĩa là đồng chí đã tự đối chiếu, hoặc chịu trách nhiệm cho dùng bảng này. Các kỳ mở từ "
        "nay dùng bảng mới nhất đã được xác nhận; kỳ đã mở giữ bảng cũ.",
    ]
    return "\n".join(lines)


def confirmed(checklist: Checklist, on: date, *, is_in_use: bool, used: str | None) -> str:
    """Say that a version was confirmed, and which one new rounds are opened with now."""
    said = f"Đã lưu: {name(checklist)} được xác nhận ngày {day(on)}."
    if is_in_use:
        return f"{said} Các kỳ mở từ nay dùng bảng này."
    return f"{said} Các kỳ mở từ nay dùng {used}." if used else said


def confirmed_before(checklist: Checklist, on: date) -> str:
    """Say that a version had been confirmed already."""
    return f"{_capital(name(checklist))} đã được xác nhận từ ngày {day(on)}."


def needs_none(checklist: Checklist) -> str:
    """Say that a version may be used without being confirmed."""
    return f"{_capital(name(checklist))} dùng được ngay, không cần xác nhận."


def about_to_withdraw(checklist: Checklist) -> str:
    """Ask whether a confirmation is to be taken back."""
    return f"Rút xác nhận {name(checklist)}? Các kỳ mở từ nay không dùng bảng này nữa; kỳ đã mở vẫn giữ bảng này."


def withdrawn(checklist: Checklist, used: str | None) -> str:
    """Say that a confirmation was taken back, and which version is used now."""
    rest = f"Các kỳ mở từ nay dùng {used}." if used else "Hiện không còn bảng nào dùng được để mở kỳ."
    return f"Đã rút xác nhận {name(checklist)}. {rest}"


def not_confirmed(checklist: Checklist) -> str:
    """Say that there is no confirmation to take back."""
    return f"{_capital(name(checklist))} hiện không có xác nhận nào để rút."


def _capital(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"
