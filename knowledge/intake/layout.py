"""Paragraphs -> the text of a document, as the chunker takes it."""

import re
from itertools import pairwise

from knowledge.intake.model import Extracted, Finding, Paragraph
from knowledge.model import DocumentKind
from knowledge.text import collapse

# A part's own number tells its level better than how the file draws it.
_NUMBERED = re.compile(
    r"(?:điều|chương|phần|mục|phụ lục)\s+(?:[\dIVXLC]+|thứ\s)|\d+(?:\.\d+)*[.)]?\s|[IVXLC]+[.)]\s|[a-zđ]\)\s|[-–•+*]\s",
    re.IGNORECASE,
)
_OPENS_PART = re.compile(r"(?:điều|chương|phần|mục)\s+(?:[\dIVXLC]+|thứ\s)|[IVXLC]+[.)]\s", re.IGNORECASE)
_KINDS = frozenset(kind.value for kind in DocumentKind)
_DEEPEST = 6


def compose(extracted: Extracted) -> tuple[str, tuple[int, ...], tuple[Finding, ...]]:
    """Return a document's text, where each of its pages begins in it, and what was noticed on the way.

    A paragraph is a line, a row of a table too; a blank line stands before every part and around a table. A heading
    without a number of its own becomes a Markdown heading, one level down: the first level is for the title alone,
    which no answer shows. No word is changed.

    Returns:
        The page starts are () for a file without pages; a page on which no paragraph begins starts with the next one.
    """
    lines: list[str] = []
    begins: list[tuple[int, int]] = []  # page and offset of each paragraph
    offset = 0
    paragraphs = [p for p in extracted.paragraphs if collapse(p.text)]
    for before, paragraph in pairwise([None, *paragraphs]):
        assert paragraph is not None
        if before is not None and _is_apart(before, paragraph):
            lines.append("")
            offset += 1
        line = _line(paragraph)
        begins.append((paragraph.page or 1, offset))
        lines.append(line)
        offset += len(line) + 1
    text = "\n".join(lines) + "\n" if lines else ""
    return text, _page_starts(extracted.pages, begins, len(text)), ()


def _is_apart(before: Paragraph, paragraph: Paragraph) -> bool:
    if before.is_row or paragraph.is_row:
        return before.is_row is not paragraph.is_row
    return paragraph.heading > 0 or _OPENS_PART.match(paragraph.text) is not None


def _line(paragraph: Paragraph) -> str:
    text = collapse(paragraph.text)
    is_plain = paragraph.is_row or not paragraph.heading or _NUMBERED.match(text) or text.lower() in _KINDS
    return text if is_plain else f"{'#' * min(paragraph.heading + 1, _DEEPEST)} {text}"


def _page_starts(pages: int | None, begins: list[tuple[int, int]], length: int) -> tuple[int, ...]:
    if pages is None:
        return ()
    starts: list[int] = []
    at = 0
    for page in range(1, pages + 1):
        while at < len(begins) and begins[at][0] < page:
            at += 1
        starts.append(begins[at][1] if at < len(begins) else length)
    if starts:
        starts[0] = 0
    return tuple(starts)
