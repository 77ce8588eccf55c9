"""The columns of a roster, and what we say about its file and its rows; people read all of it."""

from collections.abc import Sequence
from datetime import date
from enum import Enum

MAX_ROWS = 50_000
MAX_NAME_LENGTH = 120


class Heading(Enum):
    """The columns that a roster may have; the values are their headings."""

    NAME = "Họ và tên"
    CELL = "Chi bộ"
    ROLE = "Vai trò"
    ORGANIZATION = "Đảng bộ"
    JOINED = "Ngày vào Đảng"
    CARD = "Số thẻ"
    PHONE = "Điện thoại"
    NO_PHONE = "Không dùng điện thoại"


CANNOT_OPEN = "Không mở được tệp này. Đồng chí kiểm tra lại tên tệp và quyền đọc tệp giúp."
UNKNOWN_KIND = (
    "Tôi chỉ đọc danh sách ở tệp .xlsx hoặc .csv. Đồng chí mở tệp bằng Excel, chọn Lưu thành (Save As), kiểu "
    "“Excel Workbook (*.xlsx)”, rồi nhập tệp mới giúp."
)
FILE_TOO_LARGE = (
    "Tệp lớn hơn 20 MB. Đồng chí bỏ hình ảnh và các trang không cần, hoặc chia danh sách thành nhiều tệp, rồi nhập "
    "lại giúp."
)
UNPACKS_TOO_LARGE = (
    "Tệp bung ra quá lớn nên tôi không đọc. Đồng chí chép riêng bảng danh sách sang một tệp Excel mới, rồi nhập tệp "
    "đó giúp."
)
PASSWORD = (
    "Tệp được bảo vệ bằng mật khẩu nên tôi không đọc được. Đồng chí mở tệp bằng Excel, bỏ mật khẩu, lưu lại rồi nhập "
    "giúp."
)
OLD_EXCEL = (
    "Tệp thuộc dạng Excel cũ (.xls). Đồng chí mở tệp bằng Excel, chọn Lưu thành (Save As), kiểu “Excel Workbook "
    "(*.xlsx)”, rồi nhập tệp mới giúp."
)
EXCEL_NAMED_CSV = "Tệp có đuôi .csv nhưng bên trong là tệp Excel. Đồng chí đổi đuôi thành .xlsx rồi nhập lại giúp."
NOT_A_WORKBOOK = (
    "Tệp hỏng hoặc không phải tệp Excel. Đồng chí mở tệp bằng Excel, chọn Lưu thành (Save As), kiểu “Excel Workbook "
    "(*.xlsx)”, rồi nhập tệp mới giúp."
)
WRONG_ENCODING = (
    "Chữ trong tệp không theo bảng mã UTF-8 (có thể là TCVN3, VNI hoặc Windows-1258). Đồng chí mở tệp bằng Excel; nếu "
    "chữ dùng phông .VnTime hay VNI thì chuyển sang Unicode trước (UniKey, Ctrl+Shift+F6); sau đó chọn Lưu thành (Save "
    "As), kiểu “CSV UTF-8”, rồi nhập tệp mới giúp."
)
OLD_FONT = (
    "Không thấy dòng tiêu đề, và chữ trong tệp có vẻ theo phông cũ (TCVN3, VNI) hoặc bị lỗi phông. Đồng chí chuyển chữ "
    "sang Unicode (UniKey, Ctrl+Shift+F6), lưu lại thành .xlsx hoặc CSV UTF-8, rồi nhập giúp."
)
OPEN_QUOTE = (
    "Trong tệp có dấu ngoặc kép mở mà không đóng nên tôi không tách được các ô. Đồng chí mở tệp bằng Excel, lưu lại "
    "thành .xlsx, rồi nhập tệp mới giúp."
)
NO_ROWS = "Dưới dòng tiêu đề chưa có đảng viên nào. Đồng chí ghi mỗi đảng viên một dòng rồi nhập lại giúp."
TOO_MANY_ROWS = (
    f"Tệp có hơn {MAX_ROWS:,} dòng. Đồng chí chia danh sách thành nhiều tệp rồi nhập lần lượt giúp.".replace(",", ".")
)
NAME_MISSING = "Thiếu họ và tên. Đồng chí ghi họ và tên, hoặc xóa dòng này."
CELL_MISSING = "Thiếu tên chi bộ. Đồng chí ghi tên chi bộ ở từng dòng (bỏ gộp ô nếu có)."


def missing_headings(headings: Sequence[Heading]) -> str:
    """Say which columns a file lacks."""
    names = ", ".join(f"“{heading.value}”" for heading in headings)
    return (
        f"Tệp thiếu cột {names}. Trong 20 dòng đầu cần có một dòng tiêu đề với các cột “Họ và tên”, “Chi bộ”, "
        "“Vai trò” (đảng viên thì có thể để trống ô vai trò). Đồng chí sửa tiêu đề rồi nhập lại giúp."
    )


def repeated_heading(heading: Heading) -> str:
    """Say that a column stands there twice."""
    return f"Tệp có hai cột “{heading.value}”. Đồng chí chỉ giữ một cột rồi nhập lại giúp."


def unreadable_cell(heading: Heading, shown: str) -> str:
    """Say that a cell holds an error or a formula without a value."""
    if shown:
        return f"Ô “{heading.value}” báo lỗi {_short(shown)}. Đồng chí gõ thẳng giá trị vào ô."
    return (
        f"Ô “{heading.value}” là công thức chưa có kết quả. Đồng chí mở tệp bằng Excel rồi lưu lại, hoặc gõ thẳng "
        "giá trị vào ô."
    )


def unknown_role(text: str) -> str:
    """Say which roles there are."""
    return (
        f"Không rõ vai trò “{_short(text)}”. Đồng chí ghi một trong các vai trò: đảng viên, bí thư, phó bí thư, cấp ủy "
        "viên, kiểm tra, quản trị; nhiều vai trò thì cách nhau bằng dấu phẩy."
    )


def not_a_date(text: str) -> str:
    """Say that a text is no date, and how dates are written."""
    return f"Không đọc được ngày vào Đảng “{_short(text)}”. Đồng chí ghi theo ngày/tháng/năm, ví dụ 03/02/1990."


def no_such_day(text: str) -> str:
    """Say that the calendar has no such day."""
    return f"Không có ngày “{_short(text)}”. Đồng chí ghi lại theo thứ tự ngày/tháng/năm, ví dụ 28/02/1990."


def short_year(text: str) -> str:
    """Say that the year needs four digits."""
    return f"Năm trong ngày vào Đảng “{_short(text)}” viết tắt. Đồng chí ghi năm đủ bốn chữ số, ví dụ 03/02/1990."


def date_without_day(text: str) -> str:
    """Say that a date lacks its day or month."""
    return (
        f"Ngày vào Đảng “{_short(text)}” chưa đủ ngày, tháng, năm. Đồng chí ghi đủ, ví dụ 03/02/1990; nếu không rõ thì "
        "để trống."
    )


def future_day(day: date) -> str:
    """Say that a day is still to come."""
    return f"Ngày vào Đảng {day:%d/%m/%Y} ở sau hôm nay. Đồng chí kiểm tra lại ngày."


def too_early_day(day: date) -> str:
    """Say that a day lies before the Party was founded."""
    return (
        f"Ngày vào Đảng {day.day:02}/{day.month:02}/{day.year:04} ở trước ngày thành lập Đảng. Đồng chí kiểm tra lại."
    )


def not_a_card(text: str) -> str:
    """Say that a text is no card number."""
    return f"Số thẻ “{_short(text)}” không hợp lệ. Đồng chí ghi đúng số trên thẻ đảng viên, hoặc để trống."


def rounded_card(text: str) -> str:
    """Say that a spreadsheet has rounded a card number."""
    return (
        f"Số thẻ “{_short(text)}” đã bị Excel rút gọn. Đồng chí định dạng cột này là Văn bản (Text) rồi ghi lại số thẻ."
    )


def not_a_phone(text: str) -> str:
    """Say that a text is no phone number."""
    return f"Số điện thoại “{_short(text)}” không hợp lệ. Đồng chí ghi lại, ví dụ 0912 345 678, hoặc để trống."


def too_many_phones(text: str) -> str:
    """Say that one or two numbers are enough."""
    return f"Ô “{Heading.PHONE.value}” có hơn hai số (“{_short(text)}”). Đồng chí chỉ ghi một hoặc hai số."


def unclear_mark(text: str) -> str:
    """Say how to mark who uses no phone."""
    return (
        f"Ô “{Heading.NO_PHONE.value}” ghi “{_short(text)}” nên tôi không rõ. Đồng chí đánh dấu x nếu đảng viên không "
        "dùng điện thoại, còn lại để trống."
    )


def text_too_long(heading: Heading) -> str:
    """Say that a text is too long."""
    return f"Ô “{heading.value}” dài hơn {MAX_NAME_LENGTH} ký tự. Đồng chí ghi ngắn lại."


def name_with_digits(name: str) -> str:
    """Say that a name has no digits."""
    return f"Họ và tên “{_short(name)}” có chữ số. Đồng chí chỉ ghi họ và tên; số thẻ, năm sinh để ở cột khác."


def name_with_signs(name: str) -> str:
    """Say that a name has letters only."""
    return f"Họ và tên “{_short(name)}” có ký hiệu lạ. Đồng chí chỉ ghi họ và tên bằng chữ."


def broken_letters(heading: Heading, text: str) -> str:
    """Say that a text is in an old font."""
    return (
        f"Ô “{heading.value}” ghi “{_short(text)}”, có vẻ bị lỗi phông. Đồng chí chuyển chữ sang Unicode (UniKey, "
        "Ctrl+Shift+F6) hoặc gõ lại."
    )


def cell_with_markup(heading: Heading, name: str) -> str:
    """Say that the name of a cell has letters and digits only."""
    return f"Ô “{heading.value}” ghi “{_short(name)}”, có ký hiệu lạ. Đồng chí chỉ ghi tên bằng chữ và số."


def unknown_cell(name: str) -> str:
    """Say that there is no such cell."""
    return f"Chưa có “{_short(name)}” trong hệ thống. Đồng chí sửa tên cho khớp, hoặc cho phép lập chi bộ mới khi nhập."


def ambiguous_cell(name: str, organizations: Sequence[str]) -> str:
    """Say that several cells go by a name."""
    names = ", ".join(f"“{_short(organization)}”" for organization in organizations[:3] if organization)
    return (
        f"Có nhiều chi bộ cùng tên “{_short(name)}”{f' (ở {names})' if names else ''}. Đồng chí ghi thêm cột “Đảng bộ” "
        "để phân biệt."
    )


def repeated_card(card_number: str, row: int) -> str:
    """Say that a card number stands in an earlier row."""
    return f"Số thẻ {card_number} đã có ở dòng {row}. Đồng chí bỏ dòng thừa, hoặc sửa lại số thẻ."


def repeated_name(name: str, row: int) -> str:
    """Say that a name stands in an earlier row of the same cell."""
    return (
        f"Trùng họ tên “{_short(name)}” với dòng {row} trong cùng chi bộ. Nếu là hai người, đồng chí ghi số thẻ cho cả "
        "hai; nếu là một, đồng chí bỏ dòng thừa."
    )


def several_namesakes(name: str) -> str:
    """Say that a name alone does not tell who is meant."""
    return f"Chi bộ có nhiều đảng viên tên “{_short(name)}”. Đồng chí ghi số thẻ để phân biệt."


def namesake_of_another_day(name: str) -> str:
    """Say that a cell has a member of the name with another day."""
    return (
        f"Chi bộ đã có đảng viên “{_short(name)}” với ngày vào Đảng khác. Nếu là một người, đồng chí ghi thêm số thẻ "
        "đã có hoặc sửa lại ngày; nếu là hai người, đồng chí ghi số thẻ cho cả hai."
    )


def card_of_another(card_number: str, name: str) -> str:
    """Say whose card number it is."""
    return f"Số thẻ {card_number} là của đồng chí {_short(name)}. Đồng chí kiểm tra lại số thẻ và họ tên."


def unclear_card_owner(name: str) -> str:
    """Say that it is not clear whose a card number is."""
    return (
        f"Chi bộ đã có đảng viên “{_short(name)}” chưa ghi số thẻ, nên chưa rõ số thẻ này của ai. Đồng chí nhập trước "
        "riêng dòng của người đã có, kèm số thẻ; sau đó nhập các dòng còn lại."
    )


def namesake_elsewhere(cell: str) -> str:
    """Say that somebody of the name is in another cell, and how to say that it is the same person."""
    return f"{_short(cell)} cũng có người tên này; nếu là một người chuyển sang, đồng chí ghi số thẻ ở cả hai lần nhập"


def cell_has_secretary(cell: str, name: str) -> str:
    """Say who the secretary of a cell is."""
    return (
        f"“{_short(cell)}” đã có bí thư là đồng chí {_short(name)}. Nếu thay bí thư, đồng chí ghi cả dòng của đồng chí "
        f"{_short(name)} với vai trò mới; nếu không, đồng chí sửa vai trò ở dòng này."
    )


def second_secretary(cell: str, name: str, row: int) -> str:
    """Say that a cell has one secretary."""
    return (
        f"“{_short(cell)}” đã có bí thư ở dòng {row} (đồng chí {_short(name)}). Mỗi chi bộ chỉ có một bí thư; đồng chí "
        "sửa vai trò ở dòng này."
    )


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:60]}…"
