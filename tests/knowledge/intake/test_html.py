from pathlib import Path

import pytest

from knowledge.intake.html import read_html
from knowledge.intake.model import DEFAULT_LIMITS, Finding, FindingKind, IntakeError, Paragraph, Refusal


def page(tmp_path: Path, body: str, head: str = "") -> Path:
    path = tmp_path / "a.html"
    path.write_text(f"<!DOCTYPE html><html><head>{head}</head><body>{body}</body></html>", encoding="utf-8")
    return path


def read(path: Path) -> list[str]:
    return [paragraph.text for paragraph in read_html(path, DEFAULT_LIMITS).paragraphs]


def found(path: Path) -> list[Finding]:
    return list(read_html(path, DEFAULT_LIMITS).findings)


def test_headings_lists_and_rows_come_in_the_order_of_the_page(tmp_path: Path) -> None:
    body = (
        "<h2>Chương <b>I</b></h2><p>Điều 1. Một\n câu.<br>Dòng hai</p><ul><li>gạch</li>"
        "<li><p>hai</p><p>dòng</p></li><li></li></ul>"
        '<ol start="3"><li>ba</li><li>bốn</li></ol><ol type="a"><li>điểm</li></ol>'
        "<table><thead><tr><th>Hành vi</th><th>Hình thức</th></tr></thead>"
        "<tr><td><p>Vi phạm</p><p>lần đầu</p></td><td>Khiển trách</td></tr></table>Hết"
    )
    assert read_html(page(tmp_path, body), DEFAULT_LIMITS).paragraphs == (
        Paragraph("Chương I", heading=2),
        Paragraph("Điều 1. Một câu."),
        Paragraph("Dòng hai"),
        Paragraph("- gạch"),
        Paragraph("- hai"),
        Paragraph("dòng"),
        Paragraph("3. ba"),
        Paragraph("4. bốn"),
        Paragraph("a) điểm"),
        Paragraph("Hành vi | Hình thức", is_row=True),
        Paragraph("Vi phạm lần đầu | Khiển trách", is_row=True),
        Paragraph("Hết"),
    )


@pytest.mark.parametrize(
    ("style", "kind"),
    [
        ("display:none", FindingKind.HIDDEN_TEXT),
        ("visibility: hidden", FindingKind.HIDDEN_TEXT),
        ("opacity:0", FindingKind.HIDDEN_TEXT),
        ("color:#FFF", FindingKind.WHITE_TEXT),
        ("color:white", FindingKind.WHITE_TEXT),
        ("color:rgb(254, 254, 254)", FindingKind.WHITE_TEXT),
        ("font-size:1px", FindingKind.TINY_TEXT),
        ("position:absolute;left:-9999px", FindingKind.OFF_PAGE),
        ("text-indent:-9999px", FindingKind.OFF_PAGE),
        ("color:rgb(255 255 255 / 1)", FindingKind.WHITE_TEXT),
        ("color:hsl(0, 0%, 100%)", FindingKind.WHITE_TEXT),
        ("color:#333;background:#333", FindingKind.HIDDEN_TEXT),
        ("position:absolute;clip:rect(0, 0, 0, 0)", FindingKind.HIDDEN_TEXT),
        ("clip-path:inset(50%)", FindingKind.HIDDEN_TEXT),
        ("height:0;overflow:hidden", FindingKind.HIDDEN_TEXT),
        ("transform:scale(0)", FindingKind.HIDDEN_TEXT),
    ],
)
def test_text_that_nobody_sees_is_left_out_by_style_and_by_sheet(tmp_path: Path, style: str, kind: FindingKind) -> None:
    for body, head in [
        (f'<p>Thấy <span style="{style}">lệnh <b>giấu</b> kín</span>được.</p>', ""),
        ('<p>Thấy <span class="x">lệnh <b>giấu</b> kín</span>được.</p>', f"<style>.x, #y {{{style}}}</style>"),
    ]:
        path = page(tmp_path, body, head)
        assert read(path) == ["Thấy được."]
        assert found(path) == [Finding(kind, "lệnh giấu kín")]


def test_white_text_on_a_dark_ground_is_read(tmp_path: Path) -> None:
    body = (
        '<table><tr bgcolor="#1f497d"><td><font color="white">a</font></td><td style="color:#fff">b</td></tr></table>'
    )
    path = page(tmp_path, body)
    assert (read(path), found(path)) == (["a | b"], [])


@pytest.mark.parametrize(
    "style",
    [
        "font-size:1.2.3px",
        "color:rgb(1,2,3,0..1)",
        "left:-" + "9" * 5_000 + "px;position:absolute",
        "height:100px;overflow:hidden",
        "color:#333;background:#fff",
        "color:hsl(0, 0%, 20%)",
    ],
)
def test_styles_that_hide_nothing_or_say_nothing_are_read_over(tmp_path: Path, style: str) -> None:
    path = page(tmp_path, f'<p style="{style}">Thấy được.</p>')
    assert (read(path), found(path)) == (["Thấy được."], [])


def test_scripts_styles_and_comments_are_left_out(tmp_path: Path) -> None:
    body = (
        "<script>alert('x')</script><p>Một<!-- ghi chú riêng --> câu.</p><style>p{}</style><noscript>y</noscript>"
        '<iframe src="http://example.org/f"></iframe><img src="http://example.org/i.png"><p hidden>ẩn</p>'
        "<p><del>đã bỏ</del><ins>mới thêm</ins></p>"
    )
    path = page(tmp_path, body, "<title>Tên trang</title>")
    assert read(path) == ["Một câu.", "mới thêm"]
    assert found(path) == [
        Finding(FindingKind.COMMENT, "ghi chú riêng"),
        Finding(FindingKind.EMBEDDED_FILE, "http://example.org/f"),
        Finding(FindingKind.EXTERNAL_LINK, "http://example.org/i.png"),
        Finding(FindingKind.HIDDEN_TEXT, "ẩn"),
        Finding(FindingKind.TRACKED_DELETION, "đã bỏ"),
        Finding(FindingKind.TRACKED_INSERTION, "mới thêm"),
    ]


def test_menus_and_the_foot_of_the_page_are_left_out_and_that_of_an_article_is_read(tmp_path: Path) -> None:
    body = (
        "<nav><a href='/'>Trang chủ</a></nav><article><p>Một câu.</p><footer>T/M BAN THƯỜNG VỤ</footer></article>"
        "<footer>Bản quyền của cổng thông tin</footer>"
    )
    path = page(tmp_path, body)
    assert read(path) == ["Một câu.", "T/M BAN THƯỜNG VỤ"]
    assert found(path) == [
        Finding(FindingKind.HEADER_OR_FOOTER, "Trang chủ"),
        Finding(FindingKind.HEADER_OR_FOOTER, "Bản quyền của cổng thông tin"),
    ]


def test_a_table_in_a_table_follows_its_row_and_is_reported(tmp_path: Path) -> None:
    body = "<table><tr><td>a</td><td>b<table><tr><td>c</td><td>d</td></tr></table></td></tr></table>"
    path = page(tmp_path, body)
    assert read(path) == ["a | b", "c | d"]
    assert found(path) == [Finding(FindingKind.NESTED_TABLE, "c d")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1258"])
def test_the_encoding_is_found(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.html"
    name = "windows-1258" if encoding == "cp1258" else encoding
    words = "Đa\u0309ng viên" if encoding == "cp1258" else "Đảng viên"
    path.write_bytes(f'<html><head><meta charset="{name}"></head><p>{words}</p></html>'.encode(encoding))
    assert read(path) == ["Đảng viên"]


@pytest.mark.parametrize("tag", ["div", "table><tr><td", "b", "ul><li"])
def test_a_page_nested_too_deep_is_refused_and_nothing_of_it_silently_dropped(tmp_path: Path, tag: str) -> None:
    with pytest.raises(IntakeError) as caught:
        read_html(page(tmp_path, f"<{tag}>" * 20_000 + "đáy"), DEFAULT_LIMITS)
    assert caught.value.refusal is Refusal.BROKEN


def test_ten_thousand_items_are_numbered(tmp_path: Path) -> None:
    lines = read(page(tmp_path, "<ol>" + "<li>mục</li>" * 10_000 + "</ol>"))
    assert (lines[0], lines[-1]) == ("1. mục", "10000. mục")
