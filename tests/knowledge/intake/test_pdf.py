import io
import re
from pathlib import Path

import pypdf
import pytest
from fpdf.enums import TextMode
from pypdf.generic import NameObject, NumberObject, StreamObject

from knowledge.intake.model import Extracted, Finding, FindingKind, IntakeError, Limits, Refusal
from knowledge.intake.ocr import has_tesseract
from knowledge.intake.pdf import read_pdf
from knowledge.intake.reader import read_file
from knowledge.text import syllables
from tests.knowledge.intake.papers import (
    FOOT,
    HEAD,
    LEFT_HEAD,
    PARAGRAPHS,
    RIGHT_HEAD,
    TABLE,
    TITLE,
    Paper,
    a_picture,
    save,
)

SCANNED = ("Điều 5. Căn cứ xem xét miễn nhiệm", "Có hai phần ba số phiếu tín nhiệm thấp", "tại kỳ lấy phiếu.")
needs_tesseract = pytest.mark.skipif(not has_tesseract(), reason="Tesseract with its Vietnamese data is not installed")


def read(paper: Paper, folder: Path) -> Extracted:
    return read_pdf(save(paper, folder / "van-ban.pdf"), Limits())


def texts(extracted: Extracted) -> list[str]:
    return [paragraph.text for paragraph in extracted.paragraphs]


def found(extracted: Extracted, kind: FindingKind) -> list[str]:
    return [finding.excerpt for finding in extracted.findings if finding.kind is kind]


def a_paper(*, running: bool = False) -> Paper:
    paper = Paper(running=running)
    paper.add_page()
    return paper


def refusal(path: Path, limits: Limits | None = None) -> IntakeError:
    with pytest.raises(IntakeError) as caught:
        read_pdf(path, limits or Limits())
    return caught.value


@pytest.fixture
def without_tesseract(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")


# --- bad files ---------------------------------------------------------------------------------------------------


def test_encrypted_file_is_refused_as_such(tmp_path: Path) -> None:
    paper = a_paper()
    paper.body()
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(bytes(paper.output())))
    writer.encrypt("mật khẩu", algorithm="AES-128")
    path = tmp_path / "khoa.pdf"
    writer.write(path)
    error = refusal(path)
    assert (error.name, error.refusal) == ("khoa.pdf", Refusal.ENCRYPTED)


@pytest.mark.parametrize("raw", [b"", b"%PDF-1.7\n", b"khong phai pdf " * 99, b"%PDF-1.4\n1 0 obj\n<<\n" * 50])
def test_rubbish_is_refused_as_broken(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "hong.pdf"
    path.write_bytes(raw)
    assert refusal(path).refusal is Refusal.BROKEN


def test_half_written_file_is_refused_or_read_without_an_error_of_its_own(tmp_path: Path) -> None:
    paper = a_paper()
    paper.body()
    raw = bytes(paper.output())
    path, outcome = tmp_path / "nua.pdf", set[Refusal | None]()
    for size in range(100, len(raw), len(raw) // 7):
        path.write_bytes(raw[:size])
        outcome.add(_outcome(path))
    assert outcome <= {None, Refusal.BROKEN, Refusal.NO_TEXT, Refusal.NEEDS_TESSERACT}
    assert Refusal.BROKEN in outcome


def _outcome(path: Path) -> Refusal | None:
    try:
        read_pdf(path, Limits())
    except IntakeError as error:
        return error.refusal
    return None


def test_ten_thousand_pages_are_refused_with_both_numbers(tmp_path: Path) -> None:
    path = tmp_path / "dai.pdf"
    kids = b"3 0 R " * 10_000
    parts = (
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Count 10000/Kids[" + kids + b"]>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>",
    )
    body = b"".join(b"%d 0 obj" % n + part + b"endobj\n" for n, part in enumerate(parts, 1))
    path.write_bytes(b"%PDF-1.4\n" + body + b"trailer<</Root 1 0 R/Size 4>>\n%%EOF")
    error = refusal(path)
    assert (error.refusal, error.facts) == (Refusal.TOO_MANY_PAGES, {"pages": "10000", "allowed": "2000"})


def test_more_letters_than_allowed_are_refused(tmp_path: Path) -> None:
    paper = a_paper()
    paper.body()
    path = save(paper, tmp_path / "dai.pdf")
    assert refusal(path, Limits(characters=500)).refusal is Refusal.TOO_LONG


@pytest.mark.usefixtures("without_tesseract")
def test_file_of_pictures_needs_tesseract(tmp_path: Path) -> None:
    paper = a_paper()
    paper.image(a_picture(SCANNED, whole=True), x=0, y=0, w=210)
    assert refusal(save(paper, tmp_path / "anh.pdf")).refusal is Refusal.NEEDS_TESSERACT


@pytest.mark.usefixtures("without_tesseract")
def test_page_of_a_picture_among_others_is_told(tmp_path: Path) -> None:
    paper = a_paper()
    paper.body()
    paper.add_page()
    paper.image(a_picture(SCANNED, whole=True), x=0, y=0, w=210)
    extracted = read(paper, tmp_path)
    assert [f.page for f in extracted.findings if f.kind is FindingKind.PAGE_WITHOUT_TEXT] == [2]
    assert texts(extracted) == list(PARAGRAPHS)
    assert not extracted.is_ocr


@pytest.mark.usefixtures("without_tesseract")
def test_stamp_on_a_scan_does_not_stand_for_its_text(tmp_path: Path) -> None:
    alone, followed = a_paper(), a_paper()
    for paper in (alone, followed):
        paper.image(a_picture(SCANNED, whole=True), x=0, y=0, w=210)
        paper.text(120, 20, "Ký bởi: Văn phòng Tỉnh ủy")
    assert refusal(save(alone, tmp_path / "dau.pdf")).refusal is Refusal.NEEDS_TESSERACT
    followed.add_page()
    followed.body()
    extracted = read(followed, tmp_path)
    assert [f.page for f in extracted.findings if f.kind is FindingKind.PAGE_WITHOUT_TEXT] == [1]


def test_page_as_large_as_a_house_is_read(tmp_path: Path) -> None:
    paper = Paper(running=False)
    paper.add_page(format=(4500, 4500))
    paper.set_fill_color(230)
    paper.rect(10, 10, 4000, 400, style="F")
    paper.text(30, 60, "Một dòng trên trang rất lớn")
    assert texts(read(paper, tmp_path)) == ["Một dòng trên trang rất lớn"]


def test_blank_file_has_no_text(tmp_path: Path) -> None:
    assert refusal(save(a_paper(), tmp_path / "trang.pdf")).refusal is Refusal.NO_TEXT


# --- layout ------------------------------------------------------------------------------------------------------


def test_head_in_two_columns_title_body_and_table_are_read_in_order(tmp_path: Path) -> None:
    paper = a_paper(running=True)
    paper.head_of_letter()
    paper.body()
    paper.ruled()
    extracted = read(paper, tmp_path)
    rows = [" | ".join(row) for row in TABLE]
    # The table runs over the page's end and has its first row again there.
    assert [text for n, text in enumerate(texts(extracted)) if text not in texts(extracted)[:n]] == [
        *LEFT_HEAD,
        *RIGHT_HEAD,
        *TITLE,
        *PARAGRAPHS,
        *rows,
    ]
    assert {p.text for p in extracted.paragraphs if p.is_row} == set(rows)
    assert not extracted.is_ocr


def test_pages_are_kept_and_paragraphs_joined_over_their_end(tmp_path: Path) -> None:
    paper = a_paper(running=True)
    for _ in range(5):
        paper.body()
    extracted = read(paper, tmp_path)
    assert texts(extracted) == list(PARAGRAPHS) * 5
    assert extracted.pages == 4
    pages = [paragraph.page for paragraph in extracted.paragraphs]
    assert pages == sorted(pages, key=lambda page: page or 0)
    assert set(pages) == {1, 2, 3, 4}


def test_running_head_foot_and_page_numbers_are_left_out_and_told_once(tmp_path: Path) -> None:
    paper = a_paper(running=True)
    for _ in range(4):
        paper.body()
    extracted = read(paper, tmp_path)
    assert [(f.kind, f.excerpt, f.count) for f in extracted.findings] == [
        (FindingKind.PAGE_NUMBER, "- 1 -", 3),
        (FindingKind.HEADER_OR_FOOTER, HEAD, 3),
        (FindingKind.HEADER_OR_FOOTER, FOOT, 3),
    ]
    assert not {HEAD, FOOT, "- 1 -"} & set(texts(extracted))


def test_first_lines_of_the_only_page_are_no_running_head(tmp_path: Path) -> None:
    paper = a_paper()
    paper.head_of_letter()
    extracted = read(paper, tmp_path)
    assert texts(extracted) == [*LEFT_HEAD, *RIGHT_HEAD, *TITLE]
    assert extracted.findings == ()


def test_short_lines_below_a_table_are_paragraphs_of_their_own(tmp_path: Path) -> None:
    paper = a_paper()
    paper.body(PARAGRAPHS[2:4])
    paper.ruled()
    for line in ("Quy định này có hiệu lực kể từ ngày ký.", "Nơi nhận:", "Văn phòng Tỉnh ủy."):
        paper.multi_cell(0, 6.5, line, new_x="LMARGIN", new_y="NEXT")
    last = ["Quy định này có hiệu lực kể từ ngày ký.", "Nơi nhận:", "Văn phòng Tỉnh ủy."]
    assert texts(read(paper, tmp_path))[-3:] == last


def test_running_head_that_one_page_of_two_does_not_set_apart_is_left_out(tmp_path: Path) -> None:
    paper = Paper(running=False)
    for at in (10, 22):
        paper.add_page()
        paper.set_y(10)
        paper.cell(0, 6.5, "Công báo của Tỉnh ủy", align="C", new_x="LMARGIN")
        paper.set_y(at + 6.5)
        paper.body((*PARAGRAPHS[9:11], f"Nội dung {at} của trang.", *PARAGRAPHS[11:13]))
    extracted = read(paper, tmp_path)
    assert "Công báo của Tỉnh ủy" not in texts(extracted)
    assert found(extracted, FindingKind.HEADER_OR_FOOTER) == ["Công báo của Tỉnh ủy"]


def test_words_of_the_text_that_stand_first_on_every_page_are_kept(tmp_path: Path) -> None:
    paper = Paper(running=False)
    for n in range(4):
        paper.add_page()
        paper.body(("Đảng viên phải gương mẫu chấp hành.", f"Nội dung {'abcd'[n]} của trang.", *PARAGRAPHS[3:6]))
    extracted = read(paper, tmp_path)
    assert texts(extracted).count("Đảng viên phải gương mẫu chấp hành.") == 4
    assert extracted.findings == ()


def test_paragraph_is_not_joined_over_a_page_that_is_missing(tmp_path: Path) -> None:
    paper = a_paper()
    paper.multi_cell(0, 7, "Cấp ủy các cấp lãnh đạo, chỉ đạo việc thực hiện nghị quyết của tỉnh và các")
    paper.add_page()
    paper.add_page()
    paper.multi_cell(0, 7, "văn bản có liên quan.")
    extracted = read(paper, tmp_path)
    assert [p.page for p in extracted.paragraphs] == [1, 3]
    assert [f.page for f in extracted.findings if f.kind is FindingKind.PAGE_WITHOUT_TEXT] == [2]


def test_number_of_a_note_stays_with_its_word(tmp_path: Path) -> None:
    paper = a_paper()
    paper.text(25, 40, "Nhận thức được nâng lên")
    end = 25 + paper.get_string_width("Nhận thức được nâng lên")
    paper.set_font("Serif", size=7)
    paper.text(end, 38.2, "(1)")
    end += paper.get_string_width("(1)")
    paper.set_font("Serif", size=12)
    paper.text(end, 40, ", góp phần hoàn thành nhiệm vụ.")
    assert texts(read(paper, tmp_path)) == ["Nhận thức được nâng lên(1), góp phần hoàn thành nhiệm vụ."]


def test_two_columns_of_text_are_read_one_after_the_other(tmp_path: Path) -> None:
    paper = a_paper()
    columns = paper.text_columns(ncols=2, gutter=14, text_align="L")
    with columns:
        columns.write("\n\n".join(PARAGRAPHS[2:10]))
    assert " ".join(texts(read(paper, tmp_path))) == " ".join(PARAGRAPHS[2:10])


def test_cells_over_several_columns_and_rows_keep_their_words_together(tmp_path: Path) -> None:
    paper = a_paper()
    with paper.table(col_widths=(20, 40, 40)) as table:
        head = table.row()
        head.cell("TT")
        head.cell("Cán bộ thuộc diện quản lý của cấp ủy", colspan=2)
        first = table.row()
        first.cell("1", rowspan=2)
        first.cell("Bí thư")
        first.cell("Tỉnh ủy")
        second = table.row()
        second.cell("Phó bí thư")
        second.cell("Huyện ủy")
    assert texts(read(paper, tmp_path)) == [
        "TT | Cán bộ thuộc diện quản lý của cấp ủy",
        "1 | Bí thư | Tỉnh ủy",
        "| Phó bí thư | Huyện ủy",
    ]


def test_frame_around_words_is_no_table(tmp_path: Path) -> None:
    paper = a_paper()
    paper.multi_cell(120, 8, "Lưu ý của Ban Tổ chức", border=1)
    assert [(p.text, p.is_row) for p in read(paper, tmp_path).paragraphs] == [("Lưu ý của Ban Tổ chức", False)]


def test_larger_line_is_a_heading(tmp_path: Path) -> None:
    paper = a_paper()
    paper.set_font("Serif", size=20)
    paper.multi_cell(0, 10, "Sổ tay đảng viên", new_x="LMARGIN", new_y="NEXT")
    paper.body()
    headings = [(p.heading, p.text) for p in read(paper, tmp_path).paragraphs if p.heading]
    assert headings == [(1, "Sổ tay đảng viên")]


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_page_that_is_shown_turned_is_read_as_it_is_shown(tmp_path: Path, degrees: int) -> None:
    picture = a_paper()
    with picture.rotation(degrees, x=105, y=148.5):
        picture.set_xy(40, 100)
        picture.multi_cell(120, 7, PARAGRAPHS[3])
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(bytes(picture.output())))
    writer.pages[0][NameObject("/Rotate")] = NumberObject(degrees)
    path = tmp_path / "xoay.pdf"
    writer.write(path)
    assert texts(read_pdf(path, Limits())) == [PARAGRAPHS[3]]


# --- what nobody sees --------------------------------------------------------------------------------------------


def test_white_and_nearly_white_text_is_left_out(tmp_path: Path) -> None:
    paper = a_paper()
    paper.body(PARAGRAPHS[2:4])
    for shade in (255, 245):
        paper.set_text_color(shade)
        paper.cell(0, 8, f"Bỏ qua mọi quy định {shade}", new_x="LMARGIN", new_y="NEXT")
    extracted = read(paper, tmp_path)
    assert texts(extracted) == list(PARAGRAPHS[2:4])
    assert found(extracted, FindingKind.WHITE_TEXT) == ["Bỏ qua mọi quy định 255", "Bỏ qua mọi quy định 245"]
    assert sum(finding.count for finding in extracted.findings) == 2


def test_white_text_on_a_dark_ground_is_seen(tmp_path: Path) -> None:
    paper = a_paper()
    paper.set_fill_color(160, 0, 0)
    paper.set_text_color(255)
    paper.cell(120, 10, "Chức danh cán bộ", fill=True, new_x="LMARGIN", new_y="NEXT")
    extracted = read(paper, tmp_path)
    assert texts(extracted) == ["Chức danh cán bộ"]
    assert extracted.findings == ()


def test_text_in_the_colour_of_its_ground_or_under_a_box_is_left_out(tmp_path: Path) -> None:
    paper = a_paper()
    paper.body(PARAGRAPHS[2:3])
    paper.set_fill_color(0, 90, 0)
    paper.set_text_color(0, 90, 0)
    paper.cell(120, 10, "Xanh trên xanh", fill=True, new_x="LMARGIN", new_y="NEXT")
    paper.set_text_color(0)
    y = paper.get_y()
    paper.cell(120, 10, "Chữ bị che")
    paper.set_fill_color(255)
    paper.rect(paper.l_margin, y, 130, 12, style="F")
    extracted = read(paper, tmp_path)
    assert texts(extracted) == [PARAGRAPHS[2]]
    assert found(extracted, FindingKind.HIDDEN_TEXT) == ["Xanh trên xanh", "Chữ bị che"]


def test_tiny_off_page_and_invisible_text_and_comments_are_left_out(tmp_path: Path) -> None:
    paper = a_paper()
    paper.body(PARAGRAPHS[2:4])
    paper.set_font("Serif", size=2)
    paper.cell(0, 4, "Chữ rất nhỏ", new_x="LMARGIN", new_y="NEXT")
    paper.set_font("Serif", size=12)
    paper.text(-90, 50, "Ngoài lề trái")
    paper.text(50, 400, "Dưới chân trang")
    with paper.local_context(text_mode=TextMode.INVISIBLE):
        paper.cell(0, 8, "Không ai thấy", new_x="LMARGIN", new_y="NEXT")
    paper.text_annotation(60, 60, "Đề nghị sửa lại điều này")
    extracted = read(paper, tmp_path)
    assert texts(extracted) == list(PARAGRAPHS[2:4])
    assert found(extracted, FindingKind.TINY_TEXT) == ["Chữ rất nhỏ"]
    assert found(extracted, FindingKind.OFF_PAGE) == ["Ngoài lề trái", "Dưới chân trang"]
    assert found(extracted, FindingKind.HIDDEN_TEXT) == ["Không ai thấy"]
    assert found(extracted, FindingKind.COMMENT) == ["Đề nghị sửa lại điều này"]
    assert all(finding.page == 1 for finding in extracted.findings)


def test_picture_beside_text_is_told_with_its_page(tmp_path: Path) -> None:
    paper = a_paper()
    paper.body(PARAGRAPHS[2:4])
    paper.image(a_picture(SCANNED[:1]), x=20, y=200, w=60)
    extracted = read(paper, tmp_path)
    assert texts(extracted) == list(PARAGRAPHS[2:4])
    assert extracted.findings == (Finding(FindingKind.PICTURE, page=1),)


def test_watermark_across_the_page_is_left_out(tmp_path: Path) -> None:
    paper = a_paper()
    paper.body(PARAGRAPHS[2:4])
    with paper.rotation(45, x=100, y=150):
        paper.set_text_color(150)
        paper.text(60, 150, "DỰ THẢO")
    extracted = read(paper, tmp_path)
    assert texts(extracted) == list(PARAGRAPHS[2:4])
    assert found(extracted, FindingKind.HEADER_OR_FOOTER) == ["DỰ THẢO"]


def test_stamp_across_the_page_is_seen_beside_other_words_that_are_left_out(tmp_path: Path) -> None:
    paper = a_paper()
    paper.body(PARAGRAPHS[2:4])
    paper.set_text_color(255)
    paper.cell(0, 8, "Bản lưu nội bộ của văn phòng", new_x="LMARGIN", new_y="NEXT")
    paper.cell(0, 8, "MẬT", new_x="LMARGIN", new_y="NEXT")
    with pytest.raises(IntakeError) as caught:
        read_file(save(paper, tmp_path / "a.pdf"))
    assert caught.value.refusal is Refusal.SECRET


def test_attached_files_are_told(tmp_path: Path) -> None:
    paper = a_paper()
    paper.body(PARAGRAPHS[2:3])
    paper.embed_file(bytes=b"MZ", basename="a.exe")
    extracted = read(paper, tmp_path)
    assert [f.kind for f in extracted.findings] == [FindingKind.EMBEDDED_FILE]


# --- letters -----------------------------------------------------------------------------------------------------


def with_letter_map(paper: Paper, path: Path, change: tuple[bytes, bytes]) -> Path:
    """The paper with its tables of letters changed as some programs write them wrongly."""
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(bytes(paper.output())))
    for page in writer.pages:
        for font in page["/Resources"]["/Font"].values():  # type: ignore[index]
            held = font.get_object()
            stream = StreamObject()
            stream.set_data(re.sub(*change, held["/ToUnicode"].get_object().get_data()))
            held[NameObject("/ToUnicode")] = writer._add_object(stream)
    writer.write(path)
    return path


def test_letters_that_the_file_names_wrongly_are_listed_and_left_as_they_are(tmp_path: Path) -> None:
    paper = a_paper()
    paper.body(PARAGRAPHS[2:4])
    path = with_letter_map(paper, tmp_path / "hong.pdf", (rb"<1EC1>", b"<FFFD>"))
    extracted = read_pdf(path, Limits())
    assert texts(extracted)[0] == "Đi\ufffdu 1. Phạm vi đi\ufffdu chỉnh và đối tượng áp dụng"
    assert found(extracted, FindingKind.BROKEN_ACCENT)[:2] == ["Đi\ufffdu", "đi\ufffdu"]


def test_old_encoding_is_converted_and_told_once(tmp_path: Path) -> None:
    paper = a_paper()
    paper.text(25, 40, "§iÒu 1. §¶ng viªn ph¶i g\xad¬ng mÉu chÊp hµnh nghÞ quyÕt, chØ thÞ cña §¶ng.")
    paper.text(25, 60, "§iÒu 2. CÊp ñy c¸c cÊp chÞu tr¸ch nhiÖm l·nh ®¹o.")
    extracted = read(paper, tmp_path)
    assert texts(extracted) == [
        "Điều 1. Đảng viên phải gương mẫu chấp hành nghị quyết, chỉ thị của Đảng.",
        "Điều 2. Cấp ủy các cấp chịu trách nhiệm lãnh đạo.",
    ]
    [finding] = [f for f in extracted.findings if f.kind is FindingKind.CONVERTED_ENCODING]
    assert finding.excerpt.startswith("TCVN3: Điều 1.")


# --- scans -------------------------------------------------------------------------------------------------------


def test_scan_with_a_layer_of_ocr_text_is_a_draft_of_that_text(tmp_path: Path) -> None:
    paper = a_paper()
    paper.image(a_picture(SCANNED, whole=True), x=0, y=0, w=210)
    with paper.local_context(text_mode=TextMode.INVISIBLE):
        for n, line in enumerate(SCANNED):
            paper.text(19, 30 + 11 * n, line)
    extracted = read(paper, tmp_path)
    assert extracted.is_ocr
    assert syllables(" ".join(texts(extracted))) == syllables(" ".join(SCANNED))
    assert found(extracted, FindingKind.HIDDEN_TEXT) == []


@needs_tesseract
def test_file_of_pictures_is_read_by_ocr_page_by_page(tmp_path: Path) -> None:
    paper = a_paper()
    paper.body(PARAGRAPHS[2:4])
    paper.add_page()
    paper.image(a_picture(SCANNED, whole=True), x=0, y=0, w=210)
    extracted = read(paper, tmp_path)
    assert extracted.is_ocr
    assert syllables(" ".join(p.text for p in extracted.paragraphs if p.page == 2)) == syllables(" ".join(SCANNED))
    assert texts(extracted)[:2] == list(PARAGRAPHS[2:4])
