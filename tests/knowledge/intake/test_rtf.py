from pathlib import Path

import pytest

from knowledge.intake.model import DEFAULT_LIMITS, Finding, FindingKind, IntakeError, Limits, Paragraph, Refusal
from knowledge.intake.rtf import read_rtf
from tests.knowledge.intake.files import an_rtf, rtf


def read(path: Path) -> list[str]:
    return [paragraph.text for paragraph in read_rtf(path, DEFAULT_LIMITS).paragraphs]


def found(path: Path) -> list[Finding]:
    return list(read_rtf(path, DEFAULT_LIMITS).findings)


def test_unicode_code_pages_and_symbols_are_read(tmp_path: Path) -> None:
    body = (
        rf"\pard {rtf('Điều 1. Đảng viên')}\par "
        # "phải" in the Vietnamese code page: a letter, then its tone; "é" in that of the file.
        r"\f2 pha\'d2i\f0  caf\'e9\par "
        r"\uc2\u272 ??\uc1\'e0\~b\_c\emdash \{d\}\\\line e\par"
    )
    assert read(an_rtf(tmp_path / "a.rtf", body)) == ["Điều 1. Đảng viên", "phải café", "Đà b-c—{d}\\", "e"]


def test_headings_lists_and_rows_come_in_the_order_of_the_document(tmp_path: Path) -> None:
    body = (
        rf"\pard\s1 {rtf('QUY ĐỊNH')}\par\pard {{\listtext\pard\plain 1.\tab}}{rtf('Khoản một')}\par"
        r"{\listtext\pard\plain\f2 \u-3913 ?\tab}gach\par{\pntext\f1 o\tab}tron\par"
        r"\trowd\cellx1000\cellx2000\pard\intbl a1\par a2\cell b\cell\row"
        r"\trowd\cellx1000\cellx2000\pard\intbl c\cell d\cell\row\pard "
        rf"\outlinelevel1 {rtf('Phần hai')}\par\pard {rtf('Hết')}"
    )
    assert read_rtf(an_rtf(tmp_path / "a.rtf", body), DEFAULT_LIMITS).paragraphs == (
        Paragraph("QUY ĐỊNH", heading=1),
        Paragraph("1. Khoản một"),
        Paragraph("- gach"),
        Paragraph("- tron"),
        Paragraph("a1 a2 | b", is_row=True),
        Paragraph("c | d", is_row=True),
        Paragraph("Phần hai", heading=2),
        Paragraph("Hết"),
    )


def test_a_table_in_a_table_follows_its_row_and_is_reported(tmp_path: Path) -> None:
    body = (
        r"\pard\intbl\itap1 a\cell\pard\intbl\itap2 c\nestcell{\nonesttables\par}d\nestcell"
        r"{\*\nesttableprops\trowd\cellx500\cellx900\nestrow}{\nonesttables\par}\pard\intbl b\cell\row"
    )
    path = an_rtf(tmp_path / "a.rtf", body)
    assert read(path) == ["a | b", "c | d"]
    assert found(path) == [Finding(FindingKind.NESTED_TABLE, "c | d")]


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("v", FindingKind.HIDDEN_TEXT),
        ("deleted", FindingKind.TRACKED_DELETION),
        ("cf1", FindingKind.WHITE_TEXT),
        ("fs6", FindingKind.TINY_TEXT),
    ],
)
def test_text_that_nobody_sees_is_left_out_and_reported_as_one(tmp_path: Path, word: str, kind: FindingKind) -> None:
    body = rf"\pard {rtf('Thấy ')}{{\{word} {rtf('lệnh giấu kín')}}}{rtf('được.')}\par"
    path = an_rtf(tmp_path / "a.rtf", body)
    assert read(path) == ["Thấy được."]
    assert found(path) == [Finding(kind, "lệnh giấu kín")]


@pytest.mark.parametrize(
    "body",
    [
        r"\pard{\cf1\highlight2 abc}\par",
        r"\pard\cbpat2{\cf1 abc}\par",
        r"\trowd\clcbpat2\cellx100\pard\intbl{\cf1 abc}\cell\row",
        r"\pard{\v\v0 abc}\par",
    ],
)
def test_white_text_on_a_dark_ground_is_read(tmp_path: Path, body: str) -> None:
    path = an_rtf(tmp_path / "a.rtf", body)
    assert (read(path), found(path)) == (["abc"], [])


def test_headers_comments_footnotes_fields_and_objects(tmp_path: Path) -> None:
    body = (
        rf"{{\header\pard {rtf('Tài liệu học tập')}\par}}{{\footer\pard - \chpgn  -\par}}"
        rf"\pard Xem{{\footnote\pard {rtf('Theo Điều lệ.')}\par}} "
        rf"{{\*\annotation\pard {rtf('sửa câu này')}}}"
        r'{\field{\*\fldinst HYPERLINK "http://example.org/x"}{\fldrslt trang}}\par'
        r"{\object\objemb{\*\objdata 0105}{\result\pard hinh\par}}{\pict\pngblip 8950}{\revised moi\par}"
        r"{\*\generator Riched20;}{\*\unknown abc}{\shp{\*\shpinst{\sp{\sn x}{\sv y}}{\shptxt\pard hop\par}}}"
    )
    path = an_rtf(tmp_path / "a.rtf", body)
    assert read(path) == ["Xem trang", "hinh", "moi", "hop", "Theo Điều lệ."]
    assert found(path) == [
        Finding(FindingKind.HEADER_OR_FOOTER, "Tài liệu học tập"),
        Finding(FindingKind.PAGE_NUMBER, "- -"),
        Finding(FindingKind.COMMENT, "sửa câu này"),
        Finding(FindingKind.EXTERNAL_LINK, "http://example.org/x"),
        Finding(FindingKind.EMBEDDED_FILE),
        Finding(FindingKind.TRACKED_INSERTION, "moi"),
    ]


def test_runs_in_an_old_font_become_unicode(tmp_path: Path) -> None:
    old = "".join(c if c.isascii() else f"\\'{ord(c):02x}" for c in "§¶ng viªn ph¶i nªu g­¬ng")
    path = an_rtf(tmp_path / "a.rtf", rf"\pard\f1 {old}\par")
    assert read(path) == ["Đảng viên phải nêu gương"]
    assert [finding.kind for finding in found(path)] == [FindingKind.CONVERTED_ENCODING]


@pytest.mark.parametrize("raw", [r"{\rtf1\pard abc\par", r"{\rtf1" + "{" * 20_000 + "}" * 20_001])
def test_a_half_written_file_and_one_nested_too_deep_are_refused(tmp_path: Path, raw: str) -> None:
    path = tmp_path / "a.rtf"
    path.write_text(raw)
    with pytest.raises(IntakeError) as caught:
        read_rtf(path, DEFAULT_LIMITS)
    assert caught.value.refusal is Refusal.BROKEN


def test_bytes_that_are_no_words_do_no_harm(tmp_path: Path) -> None:
    path = an_rtf(tmp_path / "a.rtf", r"\pard a\bin4 {}\'b\par\u99999999 ?\u-10179?\u-8704?\f999999 b\cf88 c\par")
    assert read(path)[0] == "ab"
    assert read(path)[-1].endswith("😀bc")


def test_a_text_that_is_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IntakeError) as caught:
        read_rtf(an_rtf(tmp_path / "a.rtf", r"\pard " + "chu " * 1_000), Limits(characters=1_000))
    assert caught.value.refusal is Refusal.TOO_LONG
