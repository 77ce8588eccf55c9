"""Sheets of slips to cut apart: who it is for, a one-time code, and where to give it, also as QR codes."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from handlers.papers.paper import drawable
from handlers.papers.pdf import FONT, new_document

if TYPE_CHECKING:
    from fpdf import FPDF

_COLUMNS, _ROWS = 2, 4
_EDGE_MM, _WIDTH_MM, _HEIGHT_MM, _INSET_MM = 10, 95, 69, 4
_QR_MM, _QR_PIXELS = 28, 4


@dataclass(frozen=True, slots=True)
class Slip:
    """What stands on one slip.

    Attributes:
        code: as it is to be read, in two groups of four.
        addresses: (what it is, address) of each QR code, at most two.
    """

    name: str
    cell: str
    code: str
    until: str
    instruction: str
    addresses: tuple[tuple[str, str], ...] = ()


def draw(slips: Sequence[Slip], *, title: str, made_on: date) -> bytes:
    """Return a PDF with eight slips on each A4 sheet, in their order."""
    document = new_document(made_on, title)
    document.set_margin(0)
    document.set_auto_page_break(False)
    for number, slip in enumerate(slips):
        place = number % (_COLUMNS * _ROWS)
        if place == 0:
            document.add_page()
        row, column = divmod(place, _COLUMNS)
        _add_slip(document, slip, _EDGE_MM + column * _WIDTH_MM, _EDGE_MM + row * _HEIGHT_MM)
    return bytes(document.output())


def _add_slip(document: "FPDF", slip: Slip, left: float, top: float) -> None:
    # Dashed: here it is cut.
    document.set_dash_pattern(1, 1)
    document.set_draw_color(150)
    document.rect(left, top, _WIDTH_MM, _HEIGHT_MM)
    document.set_dash_pattern()
    x, width = left + _INSET_MM, _WIDTH_MM - 2 * _INSET_MM
    _line(document, slip.name, x, top + 3, width, "B", 11)
    _line(document, slip.cell, x, top + 8.5, width, "", 9)
    _line(document, slip.code, x, top + 14, width, "B", 20)
    _line(document, slip.until, x, top + 23, width, "", 8)
    beside = width - _QR_MM * len(slip.addresses) - 2 * len(slip.addresses)
    for place, (said, address) in enumerate(slip.addresses):
        at = x + place * (_QR_MM + 2)
        document.image(_qr(address), at, top + 29, _QR_MM, _QR_MM)
        _line(document, said, at, top + 29 + _QR_MM, _QR_MM, "", 7, align="C")
    document.set_font(FONT, "", 7.5)
    document.set_xy(x + width - beside, top + 30)
    document.multi_cell(beside, 3.8, drawable(slip.instruction), align="L")


def _line(
    document: "FPDF", text: str, x: float, y: float, width: float, style: str, size_pt: float, *, align: str = "L"
) -> None:
    """Write one line that stays within its slip: smaller where it is long, then cut."""
    text = drawable(text).replace("\n", " ")
    document.set_font(FONT, style, size_pt)
    while document.get_string_width(text) > width - 1:
        if size_pt > 7:
            size_pt -= 1
            document.set_font_size(size_pt)
        else:
            text = f"{text[:-2].rstrip()}…"
    document.set_xy(x, y)
    document.cell(width, size_pt * 0.45, text, align=align)


def _qr(address: str) -> io.BytesIO:
    import segno

    out = io.BytesIO()
    segno.make_qr(address, error="m").save(out, kind="png", scale=_QR_PIXELS, border=2)
    out.seek(0)
    return out
