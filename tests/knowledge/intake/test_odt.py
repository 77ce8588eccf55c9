from pathlib import Path

import pytest

from knowledge.intake.model import DEFAULT_LIMITS, Finding, FindingKind, IntakeError, Paragraph, Refusal
from knowledge.intake.odt import read_odt
from tests.knowledge.intake.files import an_odt, encrypted_manifest

_LISTS = (
    '<text:list-style style:name="L1">'
    '<text:list-level-style-number text:level="1" style:num-format="1" style:num-prefix="Điều " style:num-suffix="."/>'
    '<text:list-level-style-number text:level="2" style:num-format="1" style:num-suffix="." text:display-levels="2"/>'
    '<text:list-level-style-number text:level="3" style:num-format="a" style:num-suffix=")"/></text:list-style>'
    '<text:list-style style:name="L2"><text:list-level-style-bullet text:level="1" text:bullet-char="•"/>'
    "</text:list-style>"
)


def span_style(name: str, properties: str) -> str:
    return f'<style:style style:name="{name}" style:family="text"><style:text-properties {properties}/></style:style>'


def read(path: Path) -> list[str]:
    return [paragraph.text for paragraph in read_odt(path, DEFAULT_LIMITS).paragraphs]


def found(path: Path) -> list[Finding]:
    return list(read_odt(path, DEFAULT_LIMITS).findings)


def cell(inner: str) -> str:
    return f"<table:table-cell>{inner}</table:table-cell>"


def test_headings_paragraphs_and_rows_come_in_the_order_of_the_document(tmp_path: Path) -> None:
    rows = "".join(
        f"<table:table-row>{cell(f'<text:p>{a}</text:p>')}{cell(f'<text:p>{b}</text:p>')}</table:table-row>"
        for a, b in [("Hành vi", "Hình thức"), ("Vi phạm lần đầu", "Khiển trách")]
    )
    body = (
        '<text:h text:outline-level="2">Chương I</text:h><text:p>Điều 1.<text:s text:c="3"/>Một<text:tab/>câu.</text:p>'
        f"<table:table>{rows}</table:table><text:p>Dòng một<text:line-break/>Dòng hai</text:p>"
    )
    assert read_odt(an_odt(tmp_path / "a.odt", body), DEFAULT_LIMITS).paragraphs == (
        Paragraph("Chương I", heading=2),
        Paragraph("Điều 1. Một câu."),
        Paragraph("Hành vi | Hình thức", is_row=True),
        Paragraph("Vi phạm lần đầu | Khiển trách", is_row=True),
        Paragraph("Dòng một"),
        Paragraph("Dòng hai"),
    )


def test_numbers_and_bullets_of_lists_are_written_out(tmp_path: Path) -> None:
    deepest = "<text:list><text:list-item><text:p>c</text:p></text:list-item></text:list>"
    inner = f"<text:list><text:list-item><text:p>b</text:p>{deepest}</text:list-item></text:list>"
    body = (
        f'<text:list text:style-name="L1"><text:list-item><text:p>a</text:p>{inner}</text:list-item>'
        "<text:list-item><text:p>d</text:p></text:list-item></text:list>"
        '<text:list text:style-name="L2"><text:list-item><text:p>e</text:p></text:list-item></text:list>'
        '<text:list text:style-name="L1" text:continue-numbering="true">'
        "<text:list-item><text:p>f</text:p></text:list-item></text:list>"
    )
    lines = ["Điều 1. a", "1.1. b", "a) c", "Điều 2. d", "- e", "Điều 3. f"]
    assert read(an_odt(tmp_path / "a.odt", body, _LISTS)) == lines


@pytest.mark.parametrize(
    ("properties", "kind"),
    [
        ('text:display="none"', FindingKind.HIDDEN_TEXT),
        ('fo:color="#ffffff"', FindingKind.WHITE_TEXT),
        ('fo:font-size="2pt"', FindingKind.TINY_TEXT),
    ],
)
def test_text_that_nobody_sees_is_left_out_and_reported(tmp_path: Path, properties: str, kind: FindingKind) -> None:
    body = '<text:p>Thấy <text:span text:style-name="T1">lệnh giấu kín</text:span>được.</text:p>'
    path = an_odt(tmp_path / "a.odt", body, span_style("T1", properties))
    assert read(path) == ["Thấy được."]
    assert found(path) == [Finding(kind, "lệnh giấu kín")]


def test_white_text_on_a_dark_ground_is_read(tmp_path: Path) -> None:
    body = '<text:p><text:span text:style-name="T1">Chữ trắng</text:span></text:p>'
    style = span_style("T1", 'fo:color="#ffffff" fo:background-color="#1f497d"')
    path = an_odt(tmp_path / "a.odt", body, style)
    assert (read(path), found(path)) == (["Chữ trắng"], [])


def test_hidden_sections_and_fields_are_left_out(tmp_path: Path) -> None:
    body = (
        '<text:section text:display="none"><text:p>mục ẩn</text:p></text:section>'
        '<text:section><text:p>mục hiện<text:hidden-text text:string-value="chữ ẩn"/></text:p></text:section>'
    )
    path = an_odt(tmp_path / "a.odt", body)
    assert read(path) == ["mục hiện"]
    assert found(path) == [Finding(FindingKind.HIDDEN_TEXT, "mục ẩn"), Finding(FindingKind.HIDDEN_TEXT, "chữ ẩn")]


def test_tracked_changes_and_comments(tmp_path: Path) -> None:
    change = "<office:change-info><dc:creator>Người soạn</dc:creator></office:change-info>"
    body = (
        f'<text:tracked-changes><text:changed-region text:id="c1"><text:deletion>{change}<text:p>ngày 20</text:p>'
        f'</text:deletion></text:changed-region><text:changed-region text:id="c2"><text:insertion>{change}'
        "</text:insertion></text:changed-region></text:tracked-changes>"
        '<text:p>Hạn là <text:change text:change-id="c1"/><text:change-start text:change-id="c2"/>ngày 25'
        '<text:change-end text:change-id="c2"/> hằng tháng.'
        "<office:annotation><dc:creator>Người duyệt</dc:creator><text:p>xem lại</text:p></office:annotation></text:p>"
    )
    path = an_odt(tmp_path / "a.odt", body)
    assert read(path) == ["Hạn là ngày 25 hằng tháng."]
    assert found(path) == [
        Finding(FindingKind.TRACKED_DELETION, "ngày 20"),
        Finding(FindingKind.COMMENT, "xem lại"),
        Finding(FindingKind.TRACKED_INSERTION, "ngày 25"),
    ]


def test_headers_are_left_out_and_footnotes_come_last(tmp_path: Path) -> None:
    note = "<text:note><text:note-citation>1</text:note-citation><text:note-body><text:p>Theo Điều lệ.</text:p>"
    body = f"<text:p>Một câu.{note}</text:note-body></text:note></text:p><text:p>Câu hai.</text:p>"
    masters = (
        '<style:master-page style:name="a"><style:header><text:p>Tài liệu học tập</text:p></style:header>'
        "<style:footer><text:p>- 1 -</text:p></style:footer></style:master-page>"
    )
    path = an_odt(tmp_path / "a.odt", body, masters=masters)
    assert read(path) == ["Một câu.", "Câu hai.", "Theo Điều lệ."]
    assert found(path) == [
        Finding(FindingKind.HEADER_OR_FOOTER, "Tài liệu học tập"),
        Finding(FindingKind.PAGE_NUMBER, "- 1 -"),
    ]


def test_tables_in_tables_boxes_macros_and_links(tmp_path: Path) -> None:
    inner = f"<table:table><table:table-row>{cell('<text:p>c</text:p>') * 2}</table:table-row></table:table>"
    body = (
        f"<table:table><table:table-row>{cell('<text:p>a</text:p>')}{cell('<text:p>b</text:p>' + inner)}"
        "</table:table-row></table:table><text:p>Ngoài khung.<draw:frame><draw:text-box><text:p>Trong khung.</text:p>"
        '</draw:text-box></draw:frame><draw:frame><draw:image xlink:href="http://example.org/x.png"/></draw:frame>'
        '<draw:frame><draw:object xlink:href="./Object 1"/></draw:frame></text:p>'
    )
    path = an_odt(tmp_path / "a.odt", body, more={"Basic/Standard/Module1.xml": "<a/>", "Pictures/1.png": "x"})
    assert read(path) == ["a | b", "c | c", "Ngoài khung.", "Trong khung."]
    assert found(path) == [
        Finding(FindingKind.NESTED_TABLE, "c c"),
        Finding(FindingKind.MACROS, "Module1.xml"),
        Finding(FindingKind.PICTURE),
        Finding(FindingKind.EMBEDDED_FILE, "./Object 1"),
        Finding(FindingKind.EXTERNAL_LINK, "http://example.org/x.png"),
    ]


@pytest.mark.parametrize(
    ("more", "refusal"),
    [
        (encrypted_manifest(), Refusal.ENCRYPTED),
        ({"content.xml": "<a/>"}, Refusal.BROKEN),
        ({"content.xml": '<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>'}, Refusal.BROKEN),
    ],
)
def test_what_cannot_be_read_is_refused(tmp_path: Path, more: dict[str, str], refusal: Refusal) -> None:
    with pytest.raises(IntakeError) as caught:
        read_odt(an_odt(tmp_path / "a.odt", "<text:p>chữ</text:p>", more=more), DEFAULT_LIMITS)
    assert caught.value.refusal is refusal
