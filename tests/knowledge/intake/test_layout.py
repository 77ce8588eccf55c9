from dataclasses import replace

from knowledge.chunker import chunk, page_of
from knowledge.intake.layout import compose
from knowledge.intake.model import Extracted, Paragraph
from tests.knowledge.builders import a_document


def text_of(*paragraphs: Paragraph) -> str:
    text, _, _ = compose(Extracted(tuple(paragraphs)))
    return text


def test_nothing_gives_nothing() -> None:
    assert compose(Extracted(())) == ("", (), ())
    assert compose(Extracted((Paragraph("  "),), pages=1)) == ("", (0,), ())


def test_parts_stand_apart_and_paragraphs_below_one_another() -> None:
    assert (
        text_of(
            Paragraph("Chương I"),
            Paragraph("QUY ĐỊNH CHUNG"),
            Paragraph("Điều 1. Phạm vi", heading=3),
            Paragraph("1. Một."),
            Paragraph("a) Hai."),
            Paragraph("Phần thứ hai"),
        )
        == "Chương I\nQUY ĐỊNH CHUNG\n\nĐiều 1. Phạm vi\n1. Một.\na) Hai.\n\nPhần thứ hai\n"
    )


def test_heading_without_a_number_is_marked_one_level_down() -> None:
    assert text_of(Paragraph("Mục tiêu", heading=1), Paragraph("Một."), Paragraph("Sâu", heading=6)) == (
        "## Mục tiêu\nMột.\n\n###### Sâu\n"
    )


def test_heading_with_a_number_of_its_own_stays_plain() -> None:
    for heading in ("Điều 5. Căn cứ", "CHƯƠNG II", "1. Mục đích", "II. Nhiệm vụ", "2.3. Cơ chế", "Phần thứ nhất"):
        assert text_of(Paragraph(heading, heading=2)) == f"{heading}\n"


def test_line_that_names_the_kind_is_no_part_of_the_text() -> None:
    assert text_of(Paragraph("QUY ĐỊNH", heading=1), Paragraph("về việc thử", heading=2)) == (
        "QUY ĐỊNH\n\n### về việc thử\n"
    )


def test_rows_are_lines_with_blank_lines_around_the_table() -> None:
    assert (
        text_of(
            Paragraph("Gồm có:"),
            Paragraph("TT | Tên", is_row=True),
            Paragraph("1 | Bí thư", is_row=True, heading=2),
            Paragraph("Hết."),
        )
        == "Gồm có:\n\nTT | Tên\n1 | Bí thư\n\nHết.\n"
    )


def test_pages_begin_where_their_first_paragraph_does() -> None:
    extracted = Extracted(
        (
            Paragraph("Điều 1. A", page=1),
            Paragraph("Một.", page=1),
            Paragraph("Hai.", page=2),
            Paragraph("Điều 2. B", page=4),
            Paragraph("Ba.", page=4),
        ),
        pages=5,
    )
    text, starts, _ = compose(extracted)
    assert [text[start:].split("\n")[0] for start in starts] == ["Điều 1. A", "Hai.", "Điều 2. B", "Điều 2. B", ""]
    paged = replace(a_document(text), page_starts=starts)
    assert {p.locator: page_of(paged, p) for p in chunk(paged)} == {"dieu-1": 1, "dieu-2": 4}


def test_file_without_pages_has_no_page_starts() -> None:
    assert compose(Extracted((Paragraph("Một."),)))[1] == ()


def test_composed_text_is_cut_as_it_was_laid_out() -> None:
    text = text_of(
        Paragraph("QUY ĐỊNH"),
        Paragraph("Điều 1. Đối tượng", heading=3),
        Paragraph("1. Gồm có:"),
        Paragraph("TT | Tên", is_row=True),
        Paragraph("1. | Bí thư", is_row=True),
        Paragraph("2. Không gồm ai khác."),
    )
    cut = {p.locator: p.text for p in chunk(a_document(text))}
    assert cut == {
        "phan-dau": "QUY ĐỊNH",
        "dieu-1.khoan-1": "Gồm có:\nTT | Tên\n1. | Bí thư",
        "dieu-1.khoan-2": "Không gồm ai khác.",
    }
