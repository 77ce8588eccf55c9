"""Every sentence for who looks over several cells: numbers and process, never names."""

from collections.abc import Mapping, Sequence
from datetime import date

from assessment.model import Checklist, ItemAnswer
from assessment.schedule import RoundState
from handlers.secretary_texts import CLOSED, time_left
from handlers.texts import day, month_name

ONLY_INSPECTOR = "Nhật ký quá trình chỉ dành cho người kiểm tra và người quản trị."
NEXT = "Xem tiếp"
TOTALS = "Số liệu từng điều"
CELLS = "Bảng các chi bộ"
EMPTY_LOG = "Nhật ký chưa có việc nào."
NO_TOTALS = (
    "Chưa nêu số liệu từng điều, để không lộ câu trả lời của ai: chỉ tính sau hạn nộp; mỗi chi bộ cần từ 5 phiếu trở "
    "lên và có câu trả lời khác nhau."
)
HOW_COUNTED = (
    "Chỉ cộng những chi bộ có từ 5 phiếu trở lên; điều nào cả chi bộ trả lời giống nhau thì không cộng chi bộ đó. "
    "Phiếu nộp thêm sau lần nêu trước được tính khi có đủ 5 phiếu mới."
)

_ACTIONS = {
    "link": "nối máy",
    "unlink": "gỡ máy",
    "consent": "đồng ý",
    "withdraw consent": "rút đồng ý",
    "erase own": "tự xóa nội dung",
    "erase old": "hủy nội dung hết hạn giữ",
    "put off erasing": "hoãn hủy nội dung vì đồng hồ máy chủ",
    "open round": "mở kỳ",
    "extend round": "gia hạn kỳ",
    "close round": "đóng kỳ",
    "set schedule": "đặt lịch",
    "remind": "nhắc",
    "read reported": "xem điều được báo cáo",
    "read answers": "xem câu trả lời theo quyết định",
    "read totals": "xem số liệu từng điều",
    "issue codes": "tạo mã",
    "issue own code": "tự tạo mã nối máy",
    "replace phone": "tạo mã thay máy",
    "enter paper": "nhập phiếu giấy",
    "correct paper": "sửa phiếu giấy",
    "roster import": "nhập danh sách",
    "confirm checklist": "xác nhận bảng kiểm",
    "withdraw checklist": "rút xác nhận bảng kiểm",
    "skip questions": "bỏ qua câu hỏi",
    "approve answer": "duyệt câu trả lời",
    "withdraw answer": "rút câu trả lời đã duyệt",
    "forward question": "gửi câu hỏi cho bí thư",
    "erase questions": "hủy câu hỏi, góp ý hết hạn giữ",
}
_EXPORT = "xuất tệp"
_OTHER = "việc khác"


def table_head(organization: str, month: date, opened: int, cells: int, handed_in: int) -> str:
    """The first lines of the table of cells."""
    return (
        f"{organization}, kỳ {month_name(month)}: {opened}/{cells} chi bộ đã mở kỳ, {handed_in} phiếu đã nộp. "
        "Chỉ có số lượng, không có tên."
    )


def not_opened(cell: str) -> str:
    """A line of the table for a cell without a round."""
    return f"• {cell}: chưa mở kỳ"


def cell_line(cell: str, handed_in: int, expected: int, late: int, state: RoundState, days_left: int) -> str:
    """A line of the table: how many have handed in of how many, and how the round stands."""
    late_ones = f" ({late} sau hạn)" if late else ""
    stands = CLOSED if state is RoundState.CLOSED else time_left(days_left)
    return f"• {cell}: {handed_in}/{expected} đã nộp{late_ones}, {stands}"


def of_organization(cell: str, organization: str) -> str:
    """Name a cell among those of several organizations."""
    return f"{cell} ({organization})"


def page_of(first: int, last: int, count: int) -> str:
    """Say which lines of how many are shown."""
    return f"Dòng {first}–{last} trong {count}."


def totals_head(month: date, checklist: str, cells: int, responses: int) -> str:
    """The line over the totals of one version of the checklist."""
    return f"{month_name(month).capitalize()}, theo {checklist}: {cells} chi bộ, {responses} phiếu."


def version_name(checklist: Checklist | None, checklist_id: str, version: int) -> str:
    """Name a version that rounds were opened with, also one that is no longer here."""
    return f"{checklist.regulation if checklist else checklist_id}, bản {version}"


def total_line(number: int, counts: Mapping[ItemAnswer, int], labels: Mapping[ItemAnswer, str]) -> str:
    """How often each answer was given to an item."""
    shown = (f"{count} {labels.get(answer, answer.value).lower()}" for answer, count in counts.items() if count)
    return f"• Điều {number}: {', '.join(shown)}"


def process_head(organization: str) -> str:
    """The first line for an inspector."""
    return f"{organization}: quá trình, chỉ có số lượng, việc và ngày, không có tên và không có nội dung."


def log_line(on: date, counted: Mapping[str, int]) -> str:
    """What was done on a day, by kind, as numbers."""
    return f"• {day(on)}: {'; '.join(f'{name} {count}' for name, count in counted.items())}"


def action_name(action: str) -> str:
    """Name what the log calls an action."""
    return _EXPORT if action.startswith("export") else _ACTIONS.get(action, _OTHER)


def joined(head: str, lines: Sequence[str], where: str) -> str:
    """A page: its head, its lines and which lines these are."""
    return "\n".join([head, *lines, *([where] if where else [])])
