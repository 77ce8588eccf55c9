"""A paper as a workbook: a sheet with its text, and a sheet for each table."""

import io
import re
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from handlers.papers.paper import Paper, Paragraph, Table, drawable

if TYPE_CHECKING:
    from openpyxl.cell import Cell, MergedCell
    from openpyxl.worksheet.worksheet import Worksheet

_LONGEST_CELL = 32_000
_LONGEST_SHEET_NAME = 31
_NOT_IN_SHEET_NAMES = re.compile(r"[\[\]:*?/\\']")
# What a spreadsheet takes for the beginning of a formula.
_FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\n")
_PAGE_COLUMNS = 90
_A4 = 9


def draw(paper: Paper) -> bytes:
    """Return the workbook; whatever looks like a formula is text in it."""
    from openpyxl import Workbook
    from openpyxl.styles import Alignment, Font

    book = Workbook()
    book.properties.creator, book.properties.title = "Tự Soi", drawable(paper.title)
    book.properties.created = datetime(paper.made_on.year, paper.made_on.month, paper.made_on.day)
    first = book.worksheets[0]
    first.title = "Chung"
    first.column_dimensions["A"].width = _PAGE_COLUMNS
    texts = [(text, True) for text in (paper.draft, paper.title) if text]
    texts += [(text, False) for text in paper.facts]
    texts += [(part.text, part.is_heading) for part in paper.parts if isinstance(part, Paragraph)]
    for row, (text, is_bold) in enumerate(texts, start=1):
        cell = first.cell(row, 1)
        _write(cell, text)
        cell.font, cell.alignment = Font(bold=is_bold), Alignment(wrap_text=True, vertical="top")
    _set_up_page(first, paper.footer)
    for table in paper.parts:
        if isinstance(table, Table):
            _add_table(book.create_sheet(_sheet_name(table.title, book.sheetnames)), table)
            _set_up_page(book.worksheets[-1], paper.footer)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _add_table(sheet: "Worksheet", table: Table) -> None:
    from openpyxl.styles import Alignment, Font
    from openpyxl.utils import get_column_letter

    wrapped = Alignment(wrap_text=True, vertical="top")
    for column, head in enumerate(table.heads, start=1):
        cell = sheet.cell(1, column)
        _write(cell, head)
        cell.font, cell.alignment = Font(bold=True), wrapped
        share = table.widths[column - 1] / sum(table.widths)
        sheet.column_dimensions[get_column_letter(column)].width = max(8, round(_PAGE_COLUMNS * share))
    for number, values in enumerate(table.rows, start=2):
        for column, value in enumerate(values, start=1):
            cell = sheet.cell(number, column)
            _write(cell, value)
            cell.alignment = wrapped
    sheet.freeze_panes = "A2"
    sheet.print_title_rows = "1:1"
    sheet.auto_filter.ref = sheet.dimensions


def _write(cell: "Cell | MergedCell", value: str | int) -> None:
    if isinstance(value, int):
        cell.value = value
        return
    text = drawable(value)[:_LONGEST_CELL]
    cell.value = text
    if text.startswith(_FORMULA_SIGNS):
        # Said to be text both to whoever opens the file and to whoever then edits the cell.
        cell.data_type = "s"
        cell.quotePrefix = True


def _set_up_page(sheet: "Worksheet", footer: str) -> None:
    from openpyxl.worksheet.header_footer import HeaderFooterItem
    from openpyxl.worksheet.properties import PageSetupProperties

    sheet.page_setup.paperSize = _A4
    sheet.page_setup.fitToWidth, sheet.page_setup.fitToHeight = 1, 0
    sheet.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)
    below = HeaderFooterItem()
    # An ampersand begins a code there.
    below.left.text, below.right.text = drawable(footer).replace("&", "&&")[:200], "&P/&N"
    sheet.HeaderFooter.oddFooter = below


def _sheet_name(title: str, taken: Iterable[str]) -> str:
    """Return a name that a workbook allows, and that no sheet has yet."""
    wanted = _NOT_IN_SHEET_NAMES.sub(" ", drawable(title)).strip() or "Bảng"
    known = {name.lower() for name in taken}
    name, number = wanted[:_LONGEST_SHEET_NAME], 1
    while name.lower() in known:
        number += 1
        ending = f" ({number})"
        name = wanted[: _LONGEST_SHEET_NAME - len(ending)] + ending
    return name
