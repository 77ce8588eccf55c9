"""What a paper says, before it is drawn as XLSX, DOCX or PDF."""

import re
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

# No format takes control characters; tabs and line breaks it does.
_UNDRAWABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph of text; with is_heading one that stands over those that follow."""

    text: str
    is_heading: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under headings.

    Attributes:
        rows: texts and numbers, one for each heading.
        widths: how wide the columns are against each other.
    """

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str | int, ...], ...]
    widths: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Paper:
    """A paper on A4.

    Attributes:
        draft: what stands over the title of a draft; empty for none.
        facts: lines under the title: whose it is, the version of the form, the date.
        footer: on every page.
    """

    title: str
    facts: tuple[str, ...]
    footer: str
    made_on: date
    parts: tuple[Paragraph | Table, ...]
    draft: str = ""


def drawable(text: str) -> str:
    """Return text that every format can hold."""
    return _UNDRAWABLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


@cache
def font_file(*, bold: bool = False) -> Path:
    """Return a font that has every Vietnamese letter."""
    # Late, as everything that draws: a start does not wait for it.
    import matplotlib

    return Path(matplotlib.get_data_path()) / "fonts" / "ttf" / ("DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf")
