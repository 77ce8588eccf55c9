"""A paper as a PDF on A4."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from handlers.papers.paper import Paper, Paragraph, Table, drawable, font_file
from knowledge.text import collapse

if TYPE_CHECKING:
    from datetime import date

    from fpdf import FPDF

FONT = "DejaVu"
_MARGIN_MM, _LINE_MM = 18, 5.5
_TEXT_PT, _TITLE_PT, _TABLE_PT, _FOOTER_PT = 11, 14, 9, 8
# So much of a table stands on a page at least: lines, and wide letters on a line across the page.
_TABLE_LINES, _TABLE_LETTERS = 35, 50


def new_document(made_on: "date", title: str, *, footer: str = "") -> "FPDF":
    """Return an empty A4 document whose font has every Vietnamese letter; the footer stands on each of its pages."""
    from fpdf import FPDF

    class Document(FPDF):
        def footer(self) -> None:
            if footer:
                self.set_y(-14)
                self.set_font(FONT, size=_FOOTER_PT)
                self.cell(0, 8, f"{drawable(footer)} · {self.page_no()}", align="C")

    document = Document(format="A4")
    document.set_creation_date(datetime(made_on.year, made_on.month, made_on.day, tzinfo=UTC))
    document.set_title(drawable(title))
    document.set_creator("Tự Soi")
    document.add_font(FONT, "", font_file())
    document.add_font(FONT, "B", font_file(bold=True))
    document.set_font(FONT, size=_TEXT_PT)
    return document


def draw(paper: Paper) -> bytes:
    """Return the document."""
    document = new_document(paper.made_on, paper.title, footer=paper.footer)
    document.set_margin(_MARGIN_MM)
    document.set_auto_page_break(True, _MARGIN_MM)
    document.add_page()
    for text in filter(None, (paper.draft, paper.title)):
        _write(document, text, "B", _TITLE_PT, align="C")
    for fact in paper.facts:
        _write(document, fact, align="C")
    for part in paper.parts:
        document.ln(2)
        if isinstance(part, Paragraph):
            _write(document, part.text, "B" if part.is_heading else "")
        else:
            _add_table(document, part)
    return bytes(document.output())


def _write(document: "FPDF", text: str, style: str = "", size_pt: int = _TEXT_PT, *, align: str = "L") -> None:
    document.set_font(FONT, style, size_pt)
    document.multi_cell(
        0, _LINE_MM + (size_pt - _TEXT_PT) / 2, drawable(text), align=align, new_x="LMARGIN", new_y="NEXT"
    )


def _add_table(document: "FPDF", table: Table) -> None:
    from fpdf.enums import VAlign
    from fpdf.fonts import FontFace

    _write(document, table.title, "B")
    document.set_font(FONT, size=_TABLE_PT)
    # The heads are written again on each page.
    with document.table(
        col_widths=table.widths,
        text_align="LEFT",
        v_align=VAlign.T,
        line_height=_LINE_MM - 0.5,
        headings_style=FontFace(emphasis="B"),
    ) as drawn:
        drawn.row([drawable(head) for head in table.heads])
        for values in table.rows:
            for line in _fitting(values, table.widths):
                drawn.row(line)


def _fitting(values: Sequence[str | int], widths: Sequence[int]) -> list[list[str]]:
    """Return a row as one row or, where a text is longer than a page is high, as several."""
    texts = [collapse(drawable(str(value))) for value in values]
    most = [max(1, _TABLE_LINES * width * _TABLE_LETTERS // sum(widths)) for width in widths]
    rows = []
    while True:
        rows.append([text[:count] for text, count in zip(texts, most, strict=True)])
        texts = [text[count:] for text, count in zip(texts, most, strict=True)]
        if not any(texts):
            return rows
