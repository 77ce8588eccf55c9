"""PDFs of the tests: a regulation set like a real one, with known words, heads, feet, tables and hidden text."""

from pathlib import Path

import matplotlib
from fpdf import FPDF
from PIL import Image, ImageDraw, ImageFont

FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
HEAD = "ĐẢNG BỘ TỈNH QUẢNG THỬ"
FOOT = "Tài liệu lưu hành nội bộ"
LEFT_HEAD = ("BAN CHẤP HÀNH TRUNG ƯƠNG", "*", "Số: 377-QĐ/TW")
RIGHT_HEAD = ("ĐẢNG CỘNG SẢN VIỆT NAM", "Hà Nội, ngày 8 tháng 10 năm 2025")
TITLE = ("QUY ĐỊNH", "về phân cấp quản lý cán bộ và miễn nhiệm, từ chức đối với cán bộ")
PARAGRAPHS = (
    "Chương I",
    "QUY ĐỊNH CHUNG",
    "Điều 1. Phạm vi điều chỉnh và đối tượng áp dụng",
    "1. Quy định này quy định về trách nhiệm, quyền hạn, nội dung, trình tự, thủ tục phân cấp quản lý cán bộ; việc bổ "
    "nhiệm, giới thiệu cán bộ ứng cử, miễn nhiệm, từ chức, tạm đình chỉ công tác đối với cán bộ trong hệ thống chính "
    "trị.",
    "2. Quy định này áp dụng đối với các cấp ủy, tổ chức đảng, lãnh đạo cơ quan, đơn vị, địa phương và cán bộ theo "
    "Điều 5 của Quy định này và các văn bản có liên quan của Bộ Chính trị, Ban Bí thư.",
    "a) Cán bộ thuộc diện Bộ Chính trị quản lý;",
    "b) Cán bộ thuộc diện Ban Thường vụ cấp ủy quản lý, kể cả cán bộ được luân chuyển về địa phương khác trong thời "
    "gian chưa hết nhiệm kỳ công tác.",
    "Điều 2. Nguyên tắc quản lý cán bộ",
    "Đảng thống nhất lãnh đạo công tác cán bộ và quản lý đội ngũ cán bộ theo nguyên tắc tập trung dân chủ, tập thể "
    "lãnh đạo, cá nhân phụ trách, đề cao trách nhiệm của người đứng đầu.",
    "- Phân công, phân cấp cho các cấp ủy, tổ chức đảng quản lý cán bộ gắn với tăng cường kiểm tra, giám sát.",
    "Điều 3. Nội dung quản lý cán bộ",
    "1. Tuyển dụng, bố trí, phân công, điều động, luân chuyển, biệt phái cán bộ.",
    "2. Đánh giá, xếp loại chất lượng cán bộ hằng năm và theo nhiệm kỳ; khen thưởng, kỷ luật; thực hiện chế độ, chính "
    "sách đối với cán bộ theo quy định của Đảng và pháp luật của Nhà nước.",
)
TABLE = (
    ("TT", "Chức danh", "Cấp quản lý"),
    ("1", "Bí thư chi bộ", "Đảng ủy cơ sở"),
    ("2", "Phó bí thư thường trực đảng ủy xã, phường, đặc khu", "Ban Thường vụ Tỉnh ủy"),
)


class Paper(FPDF):
    """A4 in DejaVu Serif 13 with a running head, a foot and page numbers."""

    def __init__(self, *, running: bool = True) -> None:
        super().__init__(format="A4")
        self.add_font("Serif", "", FONTS / "DejaVuSerif.ttf")
        self.add_font("Serif", "B", FONTS / "DejaVuSerif-Bold.ttf")
        self.set_margins(25, 22, 18)
        self.set_auto_page_break(True, 25)
        self.set_font("Serif", size=12)
        self.running = running

    def header(self) -> None:
        if self.running:
            self.set_y(10)
            self.set_font("Serif", size=9)
            self.cell(0, 5, HEAD, align="C")
            self.set_y(22)
            self.set_font("Serif", size=12)

    def footer(self) -> None:
        if self.running:
            self.set_y(-18)
            self.set_font("Serif", size=9)
            self.cell(0, 5, FOOT, new_x="LMARGIN", new_y="NEXT")
            self.cell(0, 5, f"- {self.page_no()} -", align="C")

    def head_of_letter(self) -> None:
        y = self.get_y()
        self.set_font("Serif", size=10)
        for n, line in enumerate(LEFT_HEAD):
            self.set_xy(22, y + 6 * n)
            self.cell(70, 6, line, align="C")
        for n, line in enumerate(RIGHT_HEAD):
            self.set_xy(112, y + 12 * n)
            self.cell(80, 6, line, align="C")
        self.set_y(y + 24)
        self.set_font("Serif", "B", 13)
        for line in TITLE:
            self.multi_cell(0, 7, line, align="C", new_x="LMARGIN", new_y="NEXT")
        self.set_font("Serif", size=12)
        self.ln(4)

    def body(self, paragraphs: tuple[str, ...] = PARAGRAPHS) -> None:
        for paragraph in paragraphs:
            is_name = paragraph.isupper() or paragraph.startswith("Chương")
            self.set_font("Serif", "B" if paragraph.startswith(("Điều", "Chương")) or is_name else "", 12)
            align = "C" if is_name else "J"
            self.multi_cell(0, 6.5, paragraph, align=align, new_x="LMARGIN", new_y="NEXT")
            self.ln(2)
        self.set_font("Serif", size=12)

    def ruled(self, rows: tuple[tuple[str, ...], ...] = TABLE) -> None:
        with self.table(col_widths=(12, 60, 50)) as table:
            for row in rows:
                cells = table.row()
                for text in row:
                    cells.cell(text)


def save(paper: FPDF, path: Path) -> Path:
    paper.output(str(path))
    return path


def a_picture(lines: tuple[str, ...], *, degrees: float = 0.0, size: int = 44, whole: bool = False) -> Image.Image:
    """The upper part of a page of 200 dots an inch with these lines, or the whole page, turned."""
    page = Image.new("L", (1654, 2339 if whole else 300 + 2 * size * len(lines)), 255)
    drawing = ImageDraw.Draw(page)
    font = ImageFont.truetype(str(FONTS / "DejaVuSerif.ttf"), size)
    for n, line in enumerate(lines):
        drawing.text((150, 180 + 2 * size * n), line, font=font, fill=20)
    return page.rotate(degrees, Image.Resampling.BICUBIC, expand=degrees % 180 != 0, fillcolor=255)
