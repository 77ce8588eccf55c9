"""Every sentence about questions that got no answer."""

from collections.abc import Sequence

ONLY_COMMITTEE = "Danh sách câu hỏi chưa trả lời chỉ dành cho cấp ủy viên và người quản trị."
SWITCHED_OFF = "Việc ghi lại câu hỏi chưa trả lời đang tắt."
NONE = "Hiện không có câu hỏi nào chưa trả lời."
GONE = "Câu hỏi này không còn trong danh sách. Đồng chí gõ “câu hỏi chưa trả lời” để xem danh sách mới."
NEXT = "Xem tiếp"
LIST = "Danh sách"
WRITE = "Soạn câu trả lời"
SKIP = "Bỏ qua"
HELP = "• Câu nào tài liệu không trả lời được thì được ghi lại cho cấp ủy, không ghi ai hỏi."
_NO_NAMES = "Không ghi ai hỏi; tên người và số điện thoại đã được thay bằng “…”."


def listed(groups: Sequence[tuple[str, int]], first: int, count: int) -> str:
    """A page of the groups: the question that stands for each, and how often it was asked."""
    head = f"Câu hỏi chưa trả lời: {count} nhóm. {_NO_NAMES}"
    lines = [f"{n}. {question} ({times(asked)})" for n, (question, asked) in enumerate(groups, 1)]
    where = [f"Nhóm {first + 1}–{first + len(groups)} trong {count}."] if len(groups) < count else []
    return "\n".join([head, *lines, *where])


def times(count: int) -> str:
    """How often something was asked."""
    return f"{count} lần"


def choice(number: int) -> str:
    """A group as a choice; its words stand in the list above."""
    return f"Xem câu {number}"


def group(question: str, count: int, others: Sequence[str], left: int) -> str:
    """A group: its question, how often it was asked, and other ways in which it was.

    Args:
        left: how many further ways are not shown.
    """
    lines = [f"{question}", f"Đã hỏi {times(count)}."]
    if others:
        lines += ["Cũng được hỏi là:", *(f"• {other}" for other in others)]
    if left:
        lines.append(f"và {left} cách hỏi khác.")
    return "\n".join(lines)


def skipped(count: int) -> str:
    """The questions of a group are gone."""
    return f"Đã bỏ {count} câu hỏi này khỏi danh sách. Nếu có người hỏi lại, câu hỏi sẽ hiện lại."
