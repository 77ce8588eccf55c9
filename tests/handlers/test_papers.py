"""Papers as files: what is drawn is read back."""

import io
import subprocess
import sys
from datetime import date

import pytest
import segno
from docx import Document
from matplotlib.font_manager import get_font
from openpyxl import load_workbook
from PIL import Image
from pypdf import PdfReader

from handlers.papers import chart, docx, pdf, slips, xlsx
from handlers.papers.paper import Paper, Paragraph, Table, font_file
from tests.handlers.conftest import PROJECT

ON = date(2026, 11, 5)
HOSTILE = [
    '=HYPERLINK("http://x.example","a")',
    "+84 912",
    "-1",
    "@SUM(A1)",
    "<b>An</b> & “Bình”",
    "\t=1+1",
    "Nguyễn\x00\x07 Văn\ud800 An",
    "Ẵ ữ ợ ằ Đ",
    "Nguyễn " * 300,
    "ơ" * 5000,
]
SEEN = [name.replace("\x00\x07", "").replace("\ud800", "") for name in HOSTILE]


def a_paper(names: list[str], *, draft: str = "") -> Paper:
    rows = tuple((number, name, "Đã nộp") for number, name in enumerate(names, start=1))
    table = Table("Ai [đã] nộp: */?", ("TT", "Họ và tên", "Tình hình"), rows, (1, 5, 3))
    return Paper("Tổng hợp", ("Chi bộ 3", "Mẫu x, bản 1"), "Mẫu x & y", ON, (Paragraph("Đoạn."), table, table), draft)


def test_workbook_holds_hostile_names_as_text() -> None:
    book = load_workbook(io.BytesIO(xlsx.draw(a_paper(HOSTILE))))
    assert book.sheetnames == ["Chung", "Ai  đã  nộp", "Ai  đã  nộp (2)"]
    cells = [row[1] for row in book.worksheets[1].iter_rows(min_row=2)]
    assert [cell.value for cell in cells] == SEEN
    assert {cell.data_type for cell in cells} == {"s"}
    assert [cell.quotePrefix for cell in cells[:6]] == [True, True, True, True, False, True]


def test_document_holds_hostile_names_as_they_are() -> None:
    document = Document(io.BytesIO(docx.draw(a_paper(HOSTILE, draft="Dự thảo"))))
    assert document.paragraphs[0].text == "Dự thảo"
    # A document keeps a tab as a tab.
    assert [row.cells[1].text for row in document.tables[0].rows][1:] == SEEN


def test_pdf_holds_hostile_names_over_as_many_pages_as_they_need() -> None:
    reader = PdfReader(io.BytesIO(pdf.draw(a_paper(HOSTILE))))
    text = "".join(page.extract_text() for page in reader.pages)
    for said in ('=HYPERLINK("http://x.example","a")', "<b>An</b> & “Bình”", "Ẵ ữ ợ ằ Đ", "Mẫu x, bản 1"):
        assert said in text, said
    assert text.count("ơ") >= 2 * 5000
    assert (round(float(reader.pages[0].mediabox.width)), round(float(reader.pages[0].mediabox.height))) == (595, 842)


def test_every_vietnamese_letter_has_a_shape_in_the_font() -> None:
    vowels = "aáàảãạăắằẳẵặâấầẩẫậeéèẻẽẹêếềểễệiíìỉĩịoóòỏõọôốồổỗộơớờởỡợuúùủũụưứừửữựyýỳỷỹỵđ"
    for bold in (False, True):
        known = get_font(str(font_file(bold=bold))).get_charmap()
        assert not [letter for letter in vowels + vowels.upper() + "“”…→·" if ord(letter) not in known]


@pytest.mark.parametrize("draw", [xlsx.draw, docx.draw, pdf.draw])
def test_paper_of_500_members_is_whole(draw: object) -> None:
    content = draw(a_paper([f"Đồng chí số {number}" for number in range(500)]))  # type: ignore[operator]
    if draw is xlsx.draw:
        assert load_workbook(io.BytesIO(content)).worksheets[1].max_row == 501
    elif draw is docx.draw:
        assert Document(io.BytesIO(content)).tables[0].rows[500].cells[1].text == "Đồng chí số 499"
    else:
        assert "Đồng chí số 499" in PdfReader(io.BytesIO(content)).pages[-1].extract_text()


@pytest.mark.parametrize("draw", [xlsx.draw, docx.draw, pdf.draw])
def test_table_without_rows_is_drawn(draw: object) -> None:
    assert draw(a_paper([]))  # type: ignore[operator]


@pytest.mark.parametrize("count", [1, 12])
def test_chart_is_a_small_picture(count: int) -> None:
    bars = [chart.Bar(f"{month}\n2026", month * 8, f"{month * 2}/27") for month in range(1, count + 1)]
    content = chart.draw("Chi bộ 3 $x^2$: nộp phiếu theo tháng", "Tỷ lệ", bars)
    picture = Image.open(io.BytesIO(content))
    assert (picture.format, picture.size) == ("PNG", (800, 400))
    assert len(content) < 100_000
    assert chart.draw("Chi bộ 3 $x^2$: nộp phiếu theo tháng", "Tỷ lệ", bars) == content


def a_slip(name: str, *addresses: str) -> slips.Slip:
    named = tuple(("Trang web", address) for address in addresses)
    return slips.Slip(name, "Chi bộ 3", "BCDF 2345", "Dùng được đến …", "Quét mã vuông.", named)


def test_slip_carries_its_addresses_as_qr_codes() -> None:
    addresses = ["https://t.me/tusoi_bot?start=BCDF2345", "https://tusoi.example.vn/?code=BCDF2345"]
    content = slips.draw([a_slip("Nguyễn Văn An", *addresses)], title="Phiếu mã", made_on=ON)
    [page] = PdfReader(io.BytesIO(content)).pages
    assert "BCDF 2345" in page.extract_text()
    drawn = []
    for image in page.images:
        assert image.image is not None
        picture = image.image.convert("L")
        side = picture.width // 4
        drawn.append([[picture.getpixel((x * 4, y * 4)) == 0 for x in range(side)] for y in range(side)])
    wanted = []
    for address in addresses:
        code = segno.make_qr(address, error="m")
        wanted.append([[bool(module) for module in row] for row in code.matrix_iter(border=2)])
    assert sorted(drawn) == sorted(wanted)


def test_slips_need_no_address_and_fit_eight_on_a_sheet() -> None:
    names = ["<b>" + "Nguyễn " * 40, *(f"Đồng chí {number}" for number in range(1, 9))]
    reader = PdfReader(io.BytesIO(slips.draw([a_slip(name) for name in names], title="x", made_on=ON)))
    assert [len(page.images) for page in reader.pages] == [0, 0]
    assert "…" in reader.pages[0].extract_text()
    assert "Đồng chí 8" in reader.pages[1].extract_text()


def test_start_loads_nothing_that_draws() -> None:
    heavy = ("docx", "fpdf", "matplotlib", "segno", "fontTools", "PIL", "openpyxl")
    asked = f"import sys, bot.app, handlers.files; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", asked], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
