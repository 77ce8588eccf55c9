from pathlib import Path

import pytest

from knowledge.intake.docx import read_docx
from knowledge.intake.model import DEFAULT_LIMITS, Finding, FindingKind, IntakeError, Limits, Paragraph, Refusal
from tests.knowledge.intake.files import MACRO_MAIN, a_docx, a_part, a_regulation, p, relations

_WHITE = '<w:color w:val="FFFFFF"/>'
_NUMBERED = '<w:numPr><w:ilvl w:val="{}"/><w:numId w:val="{}"/></w:numPr>'


def level(at: int, kind: str, text: str, more: str = "") -> str:
    return (
        f'<w:lvl w:ilvl="{at}"><w:start w:val="1"/><w:numFmt w:val="{kind}"/><w:lvlText w:val="{text}"/>{more}</w:lvl>'
    )


def read(path: Path) -> list[str]:
    return [paragraph.text for paragraph in read_docx(path, DEFAULT_LIMITS).paragraphs]


def found(path: Path) -> list[Finding]:
    return list(read_docx(path, DEFAULT_LIMITS).findings)


def test_paragraphs_headings_and_rows_come_in_the_order_of_the_document(tmp_path: Path) -> None:
    assert read_docx(a_regulation(tmp_path / "quy-dinh.docx"), DEFAULT_LIMITS).paragraphs == (
        Paragraph("QUY ĐỊNH", heading=1),
        Paragraph("Điều 1. Đảng viên phải nêu gương."),
        Paragraph("1. Giữ gìn đoàn kết trong chi bộ."),
        Paragraph("Hành vi | Hình thức", is_row=True),
        Paragraph("Vi phạm lần đầu | Khiển trách", is_row=True),
        Paragraph("Điều 2. Quy định này có hiệu lực từ ngày ký."),
    )


def test_a_strict_document_is_read_like_any_other(tmp_path: Path) -> None:
    path = a_docx(tmp_path / "a.docx", "")
    language = "http://purl.oclc.org/ooxml/wordprocessingml/main"
    document = f'<w:document xmlns:w="{language}"><w:body>{p("Một câu.")}</w:body></w:document>'
    assert read(a_docx(path, "", {"word/document.xml": document})) == ["Một câu."]


def test_automatic_numbers_are_written_out_and_each_list_counts_by_itself(tmp_path: Path) -> None:
    numbering = (
        '<w:abstractNum w:abstractNumId="0">'
        + level(0, "decimal", "Điều %1.")
        + level(1, "decimal", "%1.%2.")
        + level(2, "lowerLetter", "%3)")
        + '</w:abstractNum><w:abstractNum w:abstractNumId="1">'
        + level(0, "bullet", "\uf0b7")
        + '</w:abstractNum><w:abstractNum w:abstractNumId="2">'
        + level(0, "upperRoman", "%1.")
        + '</w:abstractNum><w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num>'
        + '<w:num w:numId="2"><w:abstractNumId w:val="1"/></w:num>'
        + '<w:num w:numId="3"><w:abstractNumId w:val="2"/></w:num>'
        + '<w:num w:numId="4"><w:abstractNumId w:val="2"/>'
        + '<w:lvlOverride w:ilvl="0"><w:startOverride w:val="4"/></w:lvlOverride></w:num>'
    )
    places = [(0, 1), (1, 1), (2, 1), (2, 1), (1, 1), (0, 1), (1, 1), (0, 2), (0, 3), (0, 3), (0, 4)]
    body = "".join(p("chữ", paragraph=_NUMBERED.format(*place)) for place in places)
    path = a_docx(tmp_path / "a.docx", body, {"word/numbering.xml": a_part("numbering", numbering)})
    marks = [text.removesuffix(" chữ") for text in read(path)]
    assert marks == ["Điều 1.", "1.1.", "a)", "b)", "1.2.", "Điều 2.", "2.1.", "-", "I.", "II.", "IV."]


def test_a_number_that_comes_with_a_style_is_written_out(tmp_path: Path) -> None:
    styles = (
        '<w:style w:type="paragraph" w:styleId="Dieu"><w:name w:val="Dieu"/><w:pPr><w:numPr><w:numId w:val="1"/>'
        '</w:numPr><w:outlineLvl w:val="2"/></w:pPr></w:style>'
    )
    numbering = (
        f'<w:abstractNum w:abstractNumId="0">{level(0, "decimal", "Điều %1.")}</w:abstractNum>'
        '<w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num>'
    )
    parts = {"word/styles.xml": a_part("styles", styles), "word/numbering.xml": a_part("numbering", numbering)}
    body = p("Phạm vi", paragraph='<w:pStyle w:val="Dieu"/>') + p("Đối tượng", paragraph='<w:pStyle w:val="Dieu"/>')
    paragraphs = read_docx(a_docx(tmp_path / "a.docx", body, parts), DEFAULT_LIMITS).paragraphs
    assert paragraphs == (Paragraph("Điều 1. Phạm vi", heading=3), Paragraph("Điều 2. Đối tượng", heading=3))


@pytest.mark.parametrize(
    ("run", "kind"),
    [
        ("<w:vanish/>", FindingKind.HIDDEN_TEXT),
        (_WHITE, FindingKind.WHITE_TEXT),
        ('<w:color w:val="F2F2F2"/>', FindingKind.WHITE_TEXT),
        ('<w:sz w:val="6"/>', FindingKind.TINY_TEXT),
        ('<w:color w:val="000000"/><w:shd w:val="clear" w:fill="000000"/>', FindingKind.HIDDEN_TEXT),
    ],
)
def test_text_that_nobody_sees_is_left_out_and_reported(tmp_path: Path, run: str, kind: FindingKind) -> None:
    path = a_docx(tmp_path / "a.docx", p("Thấy được.") + p("Lệnh giấu kín", run) + p("Cũng thấy.", '<w:sz w:val="8"/>'))
    assert read(path) == ["Thấy được.", "Cũng thấy."]
    assert found(path) == [Finding(kind, "Lệnh giấu kín")]


@pytest.mark.parametrize(
    "body",
    [
        p("Chữ trắng", _WHITE + '<w:shd w:val="clear" w:fill="1F497D"/>'),
        p("Chữ trắng", _WHITE + '<w:highlight w:val="darkBlue"/>'),
        p("Chữ trắng", _WHITE, '<w:shd w:val="clear" w:fill="1F497D"/>'),
        '<w:tbl><w:tr><w:tc><w:tcPr><w:shd w:val="clear" w:fill="1F497D"/></w:tcPr>'
        + p("Chữ trắng", _WHITE)
        + "</w:tc></w:tr></w:tbl>",
    ],
)
def test_white_text_on_a_dark_ground_is_read(tmp_path: Path, body: str) -> None:
    path = a_docx(tmp_path / "a.docx", body)
    assert (read(path), found(path)) == (["Chữ trắng"], [])


def test_a_style_that_hides_is_followed_through_what_it_is_based_on(tmp_path: Path) -> None:
    styles = (
        '<w:style w:type="paragraph" w:styleId="An"><w:name w:val="An"/><w:rPr><w:vanish/></w:rPr></w:style>'
        '<w:style w:type="paragraph" w:styleId="Con"><w:name w:val="Con"/><w:basedOn w:val="An"/></w:style>'
        '<w:style w:type="paragraph" w:styleId="Vong"><w:name w:val="Vong"/><w:basedOn w:val="Vong"/></w:style>'
    )
    body = p("Ẩn theo kiểu", paragraph='<w:pStyle w:val="Con"/>')
    body += p("Bật lại", '<w:vanish w:val="0"/>', '<w:pStyle w:val="Con"/>')
    body += p("Kiểu vòng tròn", paragraph='<w:pStyle w:val="Vong"/>')
    path = a_docx(tmp_path / "a.docx", body, {"word/styles.xml": a_part("styles", styles)})
    assert read(path) == ["Bật lại", "Kiểu vòng tròn"]
    assert found(path) == [Finding(FindingKind.HIDDEN_TEXT, "Ẩn theo kiểu")]


def test_tracked_changes_keep_what_was_inserted_and_leave_out_what_was_deleted(tmp_path: Path) -> None:
    body = (
        "<w:p><w:r><w:t>Hạn nộp là </w:t></w:r><w:del><w:r><w:delText>ngày 20</w:delText></w:r></w:del>"
        "<w:ins><w:r><w:t>ngày 25</w:t></w:r></w:ins><w:r><w:t> hằng tháng.</w:t></w:r></w:p>"
        f"<w:tbl><w:tr>{_cell('a')}{_cell('b')}</w:tr>"
        f"<w:tr><w:trPr><w:del/></w:trPr>{_cell('dòng')}{_cell('đã xóa')}</w:tr></w:tbl>"
    )
    path = a_docx(tmp_path / "a.docx", body)
    assert read(path) == ["Hạn nộp là ngày 25 hằng tháng.", "a | b"]
    assert found(path) == [
        Finding(FindingKind.TRACKED_DELETION, "ngày 20"),
        Finding(FindingKind.TRACKED_INSERTION, "ngày 25"),
        Finding(FindingKind.TRACKED_DELETION, "dòng đã xóa"),
    ]


def _cell(text: str) -> str:
    return f"<w:tc>{p(text)}</w:tc>"


def test_a_table_in_a_table_follows_its_row_and_is_reported(tmp_path: Path) -> None:
    inner = f"<w:tbl><w:tr>{_cell('c')}{_cell('d')}</w:tr></w:tbl>"
    body = f"<w:tbl><w:tr>{_cell('a')}<w:tc>{p('b')}{inner}</w:tc></w:tr><w:tr>{_cell('e')}{_cell('f')}</w:tr></w:tbl>"
    path = a_docx(tmp_path / "a.docx", p("Trước.") + body)
    assert read(path) == ["Trước.", "a | b", "c | d", "e | f"]
    assert found(path) == [Finding(FindingKind.NESTED_TABLE, "c d")]


def test_the_head_of_a_document_in_two_columns_is_read_line_by_line(tmp_path: Path) -> None:
    body = (
        f"<w:tbl><w:tr><w:tc>{p('BỘ CHÍNH TRỊ')}{p('Số 377-QĐ/TW')}</w:tc>"
        f"<w:tc>{p('ĐẢNG CỘNG SẢN VIỆT NAM')}{p('Hà Nội, ngày 08 tháng 10 năm 2025')}</w:tc></w:tr></w:tbl>"
    )
    lines = ["BỘ CHÍNH TRỊ", "Số 377-QĐ/TW", "ĐẢNG CỘNG SẢN VIỆT NAM", "Hà Nội, ngày 08 tháng 10 năm 2025"]
    assert read(a_docx(tmp_path / "a.docx", body)) == lines


def test_headers_footers_and_comments_are_left_out_and_footnotes_come_last(tmp_path: Path) -> None:
    parts = {
        "word/header1.xml": a_part("hdr", p("Tài liệu học tập")),
        "word/footer1.xml": a_part("ftr", p("Trang 2/15")),
        "word/comments.xml": a_part("comments", f'<w:comment w:id="1">{p("Xem lại câu này")}</w:comment>'),
        "word/footnotes.xml": a_part(
            "footnotes",
            f'<w:footnote w:type="separator" w:id="0">{p("không phải chú thích")}</w:footnote>'
            f'<w:footnote w:id="1">{p("Theo Điều lệ Đảng.")}</w:footnote>',
        ),
    }
    path = a_docx(tmp_path / "a.docx", p("Một câu.") + p("Câu hai."), parts)
    assert read(path) == ["Một câu.", "Câu hai.", "Theo Điều lệ Đảng."]
    assert found(path) == [
        Finding(FindingKind.HEADER_OR_FOOTER, "Tài liệu học tập"),
        Finding(FindingKind.PAGE_NUMBER, "Trang 2/15"),
        Finding(FindingKind.COMMENT, "Xem lại câu này"),
    ]


def test_macros_embedded_files_and_links_are_reported_and_left_alone(tmp_path: Path) -> None:
    parts: dict[str, str | bytes] = {
        "word/vbaProject.bin": b"Sub AutoOpen()",
        "word/embeddings/oleObject1.bin": b"\x00",
        "word/_rels/document.xml.rels": relations(
            ("hyperlink", "https://example.org/a", True), ("attachedTemplate", "file:///etc/passwd", True)
        ),
    }
    path = a_docx(tmp_path / "a.docm", p("Chữ."), parts, MACRO_MAIN)
    assert read(path) == ["Chữ."]
    assert found(path) == [
        Finding(FindingKind.EXTERNAL_LINK, "https://example.org/a"),
        Finding(FindingKind.EXTERNAL_LINK, "file:///etc/passwd"),
        Finding(FindingKind.EMBEDDED_FILE, "oleObject1.bin"),
        Finding(FindingKind.MACROS, "vbaProject.bin"),
    ]


def test_pictures_are_told_because_their_words_are_not_read(tmp_path: Path) -> None:
    parts = {"word/media/image1.png": b"\x89PNG", "word/media/image2.jpeg": b"\xff\xd8"}
    assert found(a_docx(tmp_path / "a.docx", p("Chữ."), parts)) == [Finding(FindingKind.PICTURE, count=2)]


def test_a_text_box_follows_its_paragraph_and_is_read_once(tmp_path: Path) -> None:
    box = f"<w:r><w:pict><v:shape><v:textbox><w:txbxContent>{p('Trong khung.')}</w:txbxContent></v:textbox></v:shape>"
    body = f"<w:p><w:r><w:t>Ngoài khung.</w:t></w:r>{box}</w:pict></w:r></w:p>"
    assert read(a_docx(tmp_path / "a.docx", body)) == ["Ngoài khung.", "Trong khung."]


def test_letters_that_are_drawn_are_read_in_the_body_and_told_in_a_header(tmp_path: Path) -> None:
    drawn = '<w:r><w:pict><v:textpath xmlns:v="urn:schemas-microsoft-com:vml" string="{}"/></w:pict></w:r>'
    body = f"<w:p>{drawn.format('QUY ĐỊNH')}</w:p>{p('Một câu.')}"
    header = a_part("hdr", f"<w:p>{drawn.format('LƯU HÀNH NỘI BỘ')}</w:p>")
    path = a_docx(tmp_path / "a.docx", body, {"word/header1.xml": header})
    assert read(path) == ["QUY ĐỊNH", "Một câu."]
    assert found(path) == [Finding(FindingKind.HEADER_OR_FOOTER, "LƯU HÀNH NỘI BỘ")]


def test_what_stands_outside_any_paper_is_left_out_and_reported(tmp_path: Path) -> None:
    box = '<w:pict><v:shape style="position:absolute;margin-left:-5000pt"><v:textbox><w:txbxContent>{}</w:txbxContent>'
    body = (
        p("Một câu.", paragraph='<w:ind w:left="720"/>')
        + p("khung xa", paragraph='<w:framePr w:x="-60000" w:y="1"/>')
        + f"<w:p><w:r><w:t>Câu hai.</w:t>{box.format(p('hộp xa'))}</v:textbox></v:shape></w:pict></w:r></w:p>"
    )
    path = a_docx(tmp_path / "a.docx", body)
    assert read(path) == ["Một câu.", "Câu hai."]
    assert found(path) == [Finding(FindingKind.OFF_PAGE, "khung xa"), Finding(FindingKind.OFF_PAGE, "hộp xa")]


def test_runs_in_an_old_font_become_unicode(tmp_path: Path) -> None:
    font = '<w:rFonts w:ascii=".VnTime" w:hAnsi=".VnTime"/>'
    run = "<w:r><w:rPr>" + font + "</w:rPr><w:t>{}</w:t></w:r>"
    body = f"<w:p>{run.format('§¶ng vi')}{run.format('ªn ph¶i nªu g­¬ng')}</w:p>"
    path = a_docx(tmp_path / "a.docx", body)
    assert read(path) == ["Đảng viên phải nêu gương"]
    assert [finding.kind for finding in found(path)] == [FindingKind.CONVERTED_ENCODING]


def test_an_old_encoding_is_converted_where_no_font_is_named_and_the_rest_is_left_alone(tmp_path: Path) -> None:
    old = ["§¶ng viªn ph¶i nªu g­¬ng", "Tæ chøc ®¶ng cã tr¸ch nhiÖm l·nh ®¹o", "Ph¶i b¸o c¸o ®Þnh kú"]
    path = a_docx(tmp_path / "a.docx", "".join(map(p, ["Điều 1. Một câu đúng.", *old, "Công an"])))
    assert read(path) == [
        "Điều 1. Một câu đúng.",
        "Đảng viên phải nêu gương",
        "Tổ chức đảng có trách nhiệm lãnh đạo",
        "Phải báo cáo định kỳ",
        "Công an",
    ]
    assert {finding.kind for finding in found(path)} == {FindingKind.CONVERTED_ENCODING}


def test_breaks_tabs_and_hyphens_are_read_as_they_look(tmp_path: Path) -> None:
    run = '<w:t>a</w:t><w:tab/><w:t>b</w:t><w:br/><w:t>c</w:t><w:noBreakHyphen/><w:t>d</w:t><w:br w:type="page"/>'
    assert read(a_docx(tmp_path / "a.docx", f"<w:p><w:r>{run}</w:r></w:p>")) == ["a b", "c-d"]


@pytest.mark.parametrize(
    ("document", "refusal"),
    [
        ("<w:document", Refusal.BROKEN),
        ('<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]><d>&x;</d>', Refusal.BROKEN),
        ("<d/>", Refusal.BROKEN),
        ("<d>" * 5_000 + "</d>" * 5_000, Refusal.BROKEN),
    ],
)
def test_a_body_that_is_no_body_is_refused(tmp_path: Path, document: str, refusal: Refusal) -> None:
    path = a_docx(tmp_path / "a.docx", "", {"word/document.xml": document})
    with pytest.raises(IntakeError) as caught:
        read_docx(path, DEFAULT_LIMITS)
    assert caught.value.refusal is refusal


def test_a_text_that_is_too_long_is_refused(tmp_path: Path) -> None:
    path = a_docx(tmp_path / "a.docx", p("chữ " * 500))
    with pytest.raises(IntakeError) as caught:
        read_docx(path, Limits(characters=1_000))
    assert (caught.value.refusal, caught.value.facts) == (Refusal.TOO_LONG, {"allowed": "1000"})


def test_tables_nested_fifty_deep_are_read(tmp_path: Path) -> None:
    body = p("đáy")
    for _ in range(50):
        body = f"<w:tbl><w:tr>{_cell('a')}<w:tc>{body}</w:tc></w:tr></w:tbl>"
    path = a_docx(tmp_path / "a.docx", p("Trước.") + body)
    assert read(path)[-1] == "a | đáy"
    assert len(read(path)) == 51
