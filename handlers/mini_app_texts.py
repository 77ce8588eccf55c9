"""Every sentence about our pages where they open within Telegram."""

OPEN_CHECKLIST = "Mở phiếu trên trang"
# In the place of the menu beside the field for writing, where there is room for a word or two.
MENU = "Mở phiếu"

NOT_PROVED = (
    "Tôi chưa nhận ra đồng chí từ Telegram, có thể vì trang đã mở từ lâu. Đồng chí đóng trang này rồi mở lại từ cuộc "
    "trò chuyện giúp. Những gì đã lưu vẫn còn."
)
NOT_LINKED = (
    "Tài khoản Telegram này chưa nối với đồng chí nào trong danh sách. Đồng chí đóng trang này, gõ mã trên phiếu vào "
    "cuộc trò chuyện, rồi mở lại trang."
)
WEB_OF_ANOTHER = (
    "Trang trên máy này đang nối với một đồng chí khác, nên tôi không mở phiếu. Đồng chí làm phiếu ngay trong cuộc trò "
    "chuyện bằng cách gõ “tự đánh giá”."
)
