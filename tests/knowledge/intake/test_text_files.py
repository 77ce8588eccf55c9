from pathlib import Path

import pytest

from knowledge.intake.model import DEFAULT_LIMITS, Finding, FindingKind, IntakeError, Limits, Paragraph, Refusal
from knowledge.intake.text import read_markdown, read_text


def a_text(tmp_path: Path, raw: bytes) -> Path:
    path = tmp_path / "a.txt"
    path.write_bytes(raw)
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_lines_are_paragraphs_in_any_unicode(tmp_path: Path, encoding: str) -> None:
    path = a_text(tmp_path, "QUY ĐỊNH\r\n\r\nĐiều 1. Đảng viên\tnêu gương.\r\n".encode(encoding))
    assert [each.text for each in read_text(path, DEFAULT_LIMITS).paragraphs] == [
        "QUY ĐỊNH",
        "Điều 1. Đảng viên nêu gương.",
    ]


def test_a_line_that_was_only_wrapped_is_joined_and_a_point_of_a_list_is_not(tmp_path: Path) -> None:
    text = (
        "1. Cấp ủy, tổ chức đảng có trách nhiệm lãnh đạo, chỉ đạo,\n"
        "tổ chức thực hiện Quy định này và báo cáo định kỳ gồm\n"
        "a) báo cáo tháng;\n"
        "đ) báo cáo năm.\n"
        "Ngắn\n"
        "dòng này đứng riêng.\n"
    )
    lines = [each.text for each in read_text(a_text(tmp_path, text.encode()), DEFAULT_LIMITS).paragraphs]
    assert lines == [
        "1. Cấp ủy, tổ chức đảng có trách nhiệm lãnh đạo, chỉ đạo, tổ chức thực hiện Quy định này và báo cáo định kỳ "
        "gồm",
        "a) báo cáo tháng;",
        "đ) báo cáo năm.",
        "Ngắn",
        "dòng này đứng riêng.",
    ]


def test_markdown_keeps_headings_rows_and_lists_and_leaves_front_matter_and_comments_out(tmp_path: Path) -> None:
    text = (
        "---\ntitle: Quy định\n---\n# QUY ĐỊNH\n\n**Điều 1.** Đảng viên\n* gạch\n<!-- ghi chú -->\n"
        "| Hành vi | Hình thức |\n|---|:-:|\n| Lần đầu | Khiển trách |\n"
    )
    extracted = read_markdown(a_text(tmp_path, text.encode()), DEFAULT_LIMITS)
    assert extracted.paragraphs == (
        Paragraph("QUY ĐỊNH", heading=1),
        Paragraph("Điều 1. Đảng viên"),
        Paragraph("- gạch"),
        Paragraph("Hành vi | Hình thức", is_row=True),
        Paragraph("Lần đầu | Khiển trách", is_row=True),
    )
    assert extracted.findings == (Finding(FindingKind.COMMENT, "ghi chú"),)


def test_one_huge_line_is_read_and_one_beyond_the_limit_refused(tmp_path: Path) -> None:
    path = a_text(tmp_path, ("chữ " * 50_000).encode())
    assert len(read_text(path, DEFAULT_LIMITS).paragraphs[0].text) == 199_999
    with pytest.raises(IntakeError) as caught:
        read_text(path, Limits(characters=180_000))
    assert caught.value.refusal is Refusal.TOO_LONG
