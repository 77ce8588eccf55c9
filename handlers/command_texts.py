"""The menus of commands, by who reads them: a name that Telegram takes, and what it does in a few words."""

from collections.abc import Mapping

from handlers.audience import Audience

_MEMBER = (
    ("tu_danh_gia", "Tự đánh giá tháng này"),
    ("nop", "Xem lại và nộp phiếu"),
    ("cua_toi", "Dữ liệu của tôi"),
    ("muc_luc", "Mục lục của kế hoạch"),
    ("van_ban", "Văn bản được viện dẫn"),
    ("tro_giup", "Trợ giúp"),
    ("dung", "Dừng lại"),
)
_SECRETARY = (
    ("tien_do", "Ai đã nộp, ai chưa nộp"),
    ("nhac", "Nhắc những đồng chí chưa nộp"),
    ("mo_ky", "Mở kỳ tự đánh giá tháng này"),
    ("gia_han", "Gia hạn kỳ đang mở"),
    ("dong_ky", "Đóng kỳ đang mở"),
    ("bao_cao", "Báo cáo của chi bộ"),
    ("tong_hop_quy", "Tổng hợp quý"),
    ("lich", "Lịch mở kỳ hằng tháng"),
    ("in_ma", "In mã cho đảng viên"),
    ("nhap_phieu", "Nhập phiếu giấy"),
)
_ADMIN = (
    ("nap_lai", "Nạp lại văn bản"),
    ("khoi_phuc", "Quay về bản văn bản trước"),
    ("van_ban_can_nap", "Văn bản được viện dẫn mà chưa có"),
    ("ban_quet", "Bản quét chờ xác nhận"),
    ("bang_kiem", "Các bảng tự đánh giá"),
    ("cau_hoi_chua_tra_loi", "Câu hỏi chưa trả lời"),
    ("gop_y", "Góp ý về câu trả lời"),
)

COMMANDS: Mapping[Audience, tuple[tuple[str, str], ...]] = {
    Audience.MEMBER: _MEMBER,
    Audience.SECRETARY: (*_SECRETARY, *_MEMBER),
    Audience.ADMIN: (*_ADMIN, *_SECRETARY, *_MEMBER),
}
