"""Every sentence about what people think of answers."""

from collections.abc import Sequence

GOOD_KEPT = "Cảm ơn đồng chí. Tôi đã ghi: câu trả lời hữu ích."
BAD_KEPT = "Cảm ơn đồng chí. Tôi đã ghi: câu trả lời không đúng. Đồng chí hỏi lại bằng lời khác giúp, nếu cần."
KEPT_BEFORE = "Tôi đã ghi ý kiến về câu trả lời này rồi, cảm ơn đồng chí."
NOTHING = "Chưa có câu trả lời nào để góp ý. Đồng chí hỏi trước, rồi gõ “hữu ích” hoặc “không đúng”."
SWITCHED_OFF = "Việc góp ý về câu trả lời đang tắt."
ONLY_ADMIN = "Số góp ý chỉ dành cho người quản trị."
NONE_YET = "Chưa có góp ý nào."
NEXT = "Xem tiếp"
HELP = "• Sau một câu trả lời: gõ “hữu ích” hoặc “không đúng” để góp ý; không ghi tên ai."


def listed(lines: Sequence[str], first: int, count: int) -> str:
    """A page of counts by document."""
    where = [f"Dòng {first + 1}–{first + len(lines)} trong {count}."] if len(lines) < count else []
    return "\n".join(["Góp ý về câu trả lời, theo văn bản được trích; không ghi ai góp ý:", *lines, *where])


def line(document: str, good: int, bad: int) -> str:
    """How often answers from a document were called good, and not."""
    return f"• {document}: {good} hữu ích, {bad} không đúng"
