"""What is said on channels that cannot show buttons or files, or do not hand on what somebody sent."""

from collections.abc import Sequence

# Zalo hides what children and other protected people write: no question, no "đồng chí", and nothing to do again.
NOT_HANDED_ON = (
    "Cảm ơn đã nhắn tin. Zalo không chuyển nội dung tin này nên tôi không đọc được và không lưu lại gì. "
    "Khi có việc cần, xin gặp trực tiếp chi bộ."
)


def type_a_number(choices: int) -> str:
    """How one of so many numbered choices is taken."""
    return "Đồng chí gõ số 1 để chọn." if choices == 1 else "Đồng chí gõ số để chọn."


def files_elsewhere(names: Sequence[str], web_address: str | None) -> str:
    """Where the files of a message can be had; web_address is where members open the page."""
    listed = ", ".join(f"“{name}”" for name in names)
    place = web_address or "trang Tự Soi trên máy tính"
    return f"Zalo không nhận tệp {listed} từ tôi. Đồng chí mở {place}, gõ lại yêu cầu vừa rồi để tải về."
