"""Every sentence about linking further phones, channels and the web page to the same member."""

from datetime import datetime

from handlers.texts import clock

CONFIRM_UNLINK = "Xác nhận gỡ máy khác"
NOT_IN_CELL = "Chi bộ không có đồng chí nào có điện thoại mang tên này. Đồng chí gõ đủ họ và tên như trong danh sách."
SEVERAL = "Chi bộ có nhiều đồng chí cùng tên này nên tôi chưa tạo mã. Đồng chí nhờ người quản trị giúp."
NO_OTHERS = "Ngoài máy này, không có máy nào đang nối với đồng chí."


def own_code(code: str, until: datetime, web_address: str | None) -> str:
    """Give a member the code that links another phone, another channel or the web page."""
    page = f", ở trang {web_address}" if web_address else ", ở trang web"
    return (
        f"Mã để nối thêm máy: {code[:4]} {code[4:]}\n"
        f"Mã dùng một lần, đến {clock(until)}. Đồng chí gõ mã này ở máy mới{page} hoặc ở ứng dụng nhắn tin khác. Mã "
        "này là của riêng đồng chí, không đưa cho ai.\n"
        "Máy này vẫn nối. Muốn bỏ một máy, đồng chí gõ “gỡ máy” ở máy ấy; mất máy ấy rồi thì gõ “gỡ máy khác” ở đây."
    )


def whether_to_replace(name: str, chats: int) -> str:
    """Ask whether a member is to get a new code in place of the phones that are linked now."""
    if not chats:
        return f"Tạo mã mới cho đồng chí {name}? Mã cũ chưa dùng sẽ hết hiệu lực."
    return (
        f"Đồng chí {name} mất hoặc đổi máy? Tôi sẽ gỡ {chats} máy đang nối và tạo mã mới. Đồng chí ấy thấy việc này "
        "khi gõ “của tôi”. Còn máy cũ trong tay thì đồng chí ấy tự gõ “nối thêm máy”, không cần mã của bí thư."
    )


def whether_to_unlink(count: int) -> str:
    """Ask whether all phones but this one are to be taken off."""
    return f"Gỡ {count} máy khác đang nối với đồng chí, chỉ giữ máy này?"


def unlinked(count: int) -> str:
    """Say that the other phones were taken off."""
    return f"Đã gỡ {count} máy khác. Từ nay chỉ máy này nối với đồng chí."
