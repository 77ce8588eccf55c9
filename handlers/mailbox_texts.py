"""Every sentence for an administrator about messages that could not be handled or sent."""

from collections.abc import Sequence

ONLY_ADMIN = "Việc này chỉ người quản trị làm được. Đồng chí gõ “trợ giúp” để xem những việc khác."
TRY_AGAIN = "Thử xử lý lại"
THROW_AWAY = "Bỏ các tin này"
CONFIRM_THROW_AWAY = "Xác nhận bỏ"
LEAVE_IT = "Thôi"
LEFT_AS_IT_WAS = "Vâng, tôi chưa thay đổi gì."
NOTHING_ASIDE = "Không còn tin nào bị để riêng."
_CHANNELS = {"telegram": "Telegram", "zalo": "Zalo Bot", "zalo_oa": "Zalo OA"}
_SHOWN = 5


def state(waiting: int, aside: Sequence[tuple[str, str, str]], unknown: int, failed: int) -> str:
    """Say what waits and what went wrong.

    Args:
        aside: (channel, day, reason with its code), the oldest first.
        unknown: replies of which nobody can tell whether they arrived.
    """
    said = [
        f"Tin đang chờ xử lý: {waiting}. Tin bị để riêng vì xử lý ba lần không được: {len(aside)}.",
        f"Câu trả lời không gửi được: {failed}; không rõ đã đến hay chưa: {unknown}.",
    ]
    for channel, day, reason in aside[:_SHOWN]:
        said.append(f"- {_CHANNELS.get(channel, channel)}, ngày {day}: lỗi {reason}")
    if len(aside) > _SHOWN:
        said.append(f"… và {len(aside) - _SHOWN} tin nữa.")
    if aside:
        said.append("Nội dung tin được mã hóa, không hiện ở đây. Người gửi đã được báo gửi lại.")
    return "\n".join(said)


def tried_again(count: int) -> str:
    """Say that so many are handled again."""
    return f"Tôi đang xử lý lại {count} tin. Tin nào vẫn lỗi sẽ lại được để riêng."


def about_to_throw_away(count: int) -> str:
    """Ask before destroying them."""
    return f"{count} tin sẽ bị bỏ hẳn, không lấy lại được. Đồng chí có chắc không?"


def thrown_away(count: int) -> str:
    """Say that so many are gone."""
    return f"Đã bỏ {count} tin."
