"""A paper as a Word document on A4."""

import io
from datetime import datetime
from typing import TYPE_CHECKING

from handlers.papers.paper import Paper, Paragraph, Table, drawable

if TYPE_CHECKING:
    from docx.document import Document as WordDocument
    from docx.table import _Cell

# What office papers in Việt Nam are set in; every Word has it.
_FONT = "Times New Roman"
_TEXT_PT, _TABLE_PT, _FOOTER_PT = 13, 11, 9
_PAGE_MM, _LEFT_MM, _RIGHT_MM, _EDGE_MM = (210, 297), 30, 20, 20


def draw(paper: Paper) -> bytes:
    """Return the document."""
    from docx import Document
    from docx.enum.text import WD_ALIGN_PARAGRAPH
    from docx.oxml.ns import qn
    from docx.shared import Mm, Pt

    document = Document()
    properties = document.core_properties
    properties.author, properties.title, properties.comments = "Tự Soi", drawable(paper.title)[:255], ""
    properties.created = properties.modified = datetime(paper.made_on.year, paper.made_on.month, paper.made_on.day)
    normal = document.styles["Normal"]
    normal.font.name, normal.font.size = _FONT, Pt(_TEXT_PT)
    normal.element.rPr.rFonts.set(qn("w:eastAsia"), _FONT)
    section = document.sections[0]
    section.page_width, section.page_height = (Mm(side) for side in _PAGE_MM)
    section.left_margin, section.right_margin = Mm(_LEFT_MM), Mm(_RIGHT_MM)
    section.top_margin = section.bottom_margin = Mm(_EDGE_MM)
    footer = section.footer.paragraphs[0].add_run(drawable(paper.footer))
    footer.font.size = Pt(_FOOTER_PT)
    for text, is_bold in ((paper.draft, True), (paper.title, True), *((fact, False) for fact in paper.facts)):
        if text:
            line = document.add_paragraph()
            line.alignment = WD_ALIGN_PARAGRAPH.CENTER
            line.paragraph_format.space_after = Pt(2)
            line.add_run(drawable(text)).bold = is_bold
    for part in paper.parts:
        if isinstance(part, Paragraph):
            line = document.add_paragraph()
            line.paragraph_format.space_before = Pt(8 if part.is_heading else 2)
            line.paragraph_format.keep_with_next = part.is_heading
            line.add_run(drawable(part.text)).bold = part.is_heading
        else:
            _add_table(document, part)
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def _add_table(document: "WordDocument", table: Table) -> None:
    from docx.oxml import OxmlElement
    from docx.shared import Mm, Pt

    heading = document.add_paragraph()
    heading.paragraph_format.space_before = Pt(8)
    heading.paragraph_format.keep_with_next = True
    heading.add_run(drawable(table.title)).bold = True
    drawn = document.add_table(rows=len(table.rows) + 1, cols=len(table.heads), style="Table Grid")
    drawn.autofit = False
    text_mm = _PAGE_MM[0] - _LEFT_MM - _RIGHT_MM
    widths = [Mm(text_mm * width / sum(table.widths)) for width in table.widths]
    for column, width in zip(drawn.columns, widths, strict=True):
        column.width = width
    for number, (row, values) in enumerate(zip(drawn.rows, (table.heads, *table.rows), strict=True)):
        properties = row._tr.get_or_add_trPr()
        # A line is not torn apart by the end of a page, and the headings stand on every page.
        properties.append(OxmlElement("w:cantSplit"))
        if number == 0:
            properties.append(OxmlElement("w:tblHeader"))
        for cell, value, width in zip(row.cells, values, widths, strict=True):
            cell.width = width
            _write(cell, str(value), is_bold=number == 0)


def _write(cell: "_Cell", text: str, *, is_bold: bool) -> None:
    from docx.shared import Pt

    paragraph = cell.paragraphs[0]
    paragraph.paragraph_format.space_after = Pt(0)
    run = paragraph.add_run(drawable(text))
    run.font.size, run.bold = Pt(_TABLE_PT), is_bold
