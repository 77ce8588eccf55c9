"""The pages of a file -> its paragraphs: without what repeats on every page, and joined over the page's end."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median

from knowledge.intake.encodings import broken_accents, convert
from knowledge.intake.lines import Line, Piece, to_blocks, to_lines, to_pieces
from knowledge.intake.model import Finding, FindingKind, Paragraph
from knowledge.intake.pdf_page import PageContent
from knowledge.text import clean, collapse

_EDGE_SHARE = 0.14
_EDGE_LINES = 2
_NUMBER_ALONE = re.compile(r"[-–—\s]*(?:trang|page)?\s*(\d{1,4})\s*(?:[/|]\s*\d{1,4})?[-–—\s.]*", re.IGNORECASE)
_PART = re.compile(r"(?:Điều|Chương|Phần|Mục)\s", re.IGNORECASE)
_DIGITS = re.compile(r"\d+")
_SAME_HEIGHT_PT = 8.0
_OTHER_SIZE_PT = 0.8
_APART = 1.4
_HEADING_SIZES = ((1.5, 1), (1.15, 2))
_LONGEST_HEADING = 160
_EXCERPT = 80


@dataclass(frozen=True, slots=True)
class _Edge:
    page: int
    text: str
    height: float
    is_top: bool
    is_apart: bool


def to_paragraphs(pages: Sequence[tuple[int, PageContent]]) -> tuple[tuple[Paragraph, ...], tuple[Finding, ...]]:
    """Return the paragraphs of pages (number, content) in reading order, and what was left out or looks damaged."""
    findings: list[Finding] = []
    lines = {number: to_lines(content.words) for number, content in pages}
    dropped = _repeated(pages, lines, findings)
    pieces: list[tuple[int, Piece]] = []
    last = 0
    for number, content in pages:
        kept = [parts for n, parts in enumerate(lines[number]) if (number, n) not in dropped]
        found = [piece for block in to_blocks(content, kept) for piece in to_pieces(block)]
        _add(pieces, number, found, follows=number == last + 1)
        last = number
    body = median([piece.size for _, piece in pieces for _ in range(1 + len(piece.text) // 40)]) if pieces else 1.0
    paragraphs: list[Paragraph] = []
    converted: list[Finding] = []
    for number, piece in pieces:
        text, finding = _in_unicode(piece)
        if finding is not None:
            converted.append(replace(finding, page=number))
        text = collapse(clean(text))
        if not text:
            continue
        findings += [replace(damage, page=number) for damage in broken_accents(text)]
        paragraphs.append(Paragraph(text, _heading(piece, text, body), number, piece.is_row))
    if converted:
        findings.append(replace(converted[0], count=sum(finding.count for finding in converted)))
    return tuple(paragraphs), tuple(findings)


def _add(pieces: list[tuple[int, Piece]], number: int, found: list[Piece], *, follows: bool) -> None:
    """Append the pieces of a page; the first one may be the rest of the last one of the page right before."""
    if pieces and found and follows:
        _, before = pieces[-1]
        first = found[0]
        if before.goes_on and first.may_follow and not (before.is_row or first.is_row) and first.text[0].islower():
            before.text = f"{before.text} {first.text}"
            before.goes_on = first.goes_on
            found = found[1:]
    pieces += [(number, piece) for piece in found]


def _in_unicode(piece: Piece) -> tuple[str, Finding | None]:
    font = max(piece.fonts, key=lambda name: piece.fonts[name], default="")
    return convert(piece.text, font or None)


def _heading(piece: Piece, text: str, body: float) -> int:
    if piece.is_row or len(text) > _LONGEST_HEADING or text.endswith((".", ";", ",")):
        return 0
    return next((level for share, level in _HEADING_SIZES if piece.size >= share * body), 0)


# --- what repeats ------------------------------------------------------------------------------------------------


def _repeated(
    pages: Sequence[tuple[int, PageContent]], lines: dict[int, list[list[Line]]], findings: list[Finding]
) -> set[tuple[int, int]]:
    """Return (page, line) of running headers, footers and page numbers, and add a finding for each of them."""
    edges: dict[tuple[int, int], _Edge] = {}
    for number, content in pages:
        count = len(lines[number])
        for n, parts in enumerate(lines[number]):
            text = " ".join(part.text for part in parts)
            height = parts[0].baseline
            is_top = height < _EDGE_SHARE * content.height and n < _EDGE_LINES
            is_bottom = height > (1 - _EDGE_SHARE) * content.height and n >= count - _EDGE_LINES
            if is_top or is_bottom:
                is_apart = _is_apart(lines[number], n, is_top=is_top)
                edges[number, n] = _Edge(number, text, height if is_top else content.height - height, is_top, is_apart)
    dropped = _page_numbers(edges, len(pages), findings)
    groups: dict[tuple[str, bool], list[tuple[int, int]]] = {}
    for key, edge in edges.items():
        if key not in dropped and not _PART.match(edge.text):
            groups.setdefault((_DIGITS.sub("#", edge.text), edge.is_top), []).append(key)
    least = max(2, len(pages) * 2 // 5)
    for keys in groups.values():
        heights = [edges[key].height for key in keys]
        steady = [key for key in keys if abs(edges[key].height - median(heights)) <= _SAME_HEIGHT_PT]
        # A scan has its lines at other heights on every page, so that one page may not show what is apart.
        are_apart = 2 * sum(edges[key].is_apart for key in steady) >= len(steady)
        if are_apart and len({page for page, _ in steady}) >= least:
            dropped.update(steady)
            first = edges[steady[0]]
            findings.append(Finding(FindingKind.HEADER_OR_FOOTER, first.text[:_EXCERPT], first.page, count=len(steady)))
    return dropped


def _is_apart(lines: list[list[Line]], n: int, *, is_top: bool) -> bool:
    """Whether a line at the edge of a page is parted from the text by space or by the size of its letters."""
    body = lines[_EDGE_LINES : len(lines) - _EDGE_LINES]
    if body and abs(lines[n][0].size - median(parts[0].size for parts in body)) > _OTHER_SIZE_PT:
        return True
    heights = [parts[0].baseline for parts in lines]
    steps = [b - a for a, b in pairwise(heights)]
    usual = median(steps) if len(steps) > 2 * _EDGE_LINES else 1.5 * lines[n][0].size
    inward = range(n, min(_EDGE_LINES, len(steps))) if is_top else range(max(len(steps) - _EDGE_LINES, 0), n)
    return any(steps[m] > _APART * usual for m in inward)


def _page_numbers(edges: dict[tuple[int, int], _Edge], pages: int, findings: list[Finding]) -> set[tuple[int, int]]:
    """Return the lines that hold nothing but the number of their page, counted from any page on."""
    numbered = {
        key: int(found[1]) - edge.page for key, edge in edges.items() if (found := _NUMBER_ALONE.fullmatch(edge.text))
    }
    if not numbered:
        return set()
    [(shift, count)] = Counter(numbered.values()).most_common(1)
    if pages > 2 and count < 2:
        return set()
    dropped = {key for key, own in numbered.items() if own == shift}
    first = edges[min(dropped)]
    findings.append(Finding(FindingKind.PAGE_NUMBER, first.text[:_EXCERPT], first.page, count=len(dropped)))
    return dropped
