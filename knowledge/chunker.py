"""Document -> passages, cut along the document's own structure."""

import itertools
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from knowledge.model import Document, Passage, PassageKind
from knowledge.text import collapse, slug

_NUMBERED_HEADING = re.compile(r"(\d+(?:\.\d+)*)\.\s+(?=\S)")
_ROMAN_HEADING = re.compile(r"([IVXLC]+)\.\s+(?=\S)")
_BULLET = re.compile(r"[-–•]\s+(?=\S)")
_MARKDOWN_HEADING = re.compile(r"(#{1,6})\s+(?=\S)")
_CHAPTER = re.compile(
    r"(?:Chương|CHƯƠNG|(?P<part>Phần|PHẦN))\s+(?:[IVXLC]+\b|\d+\b|(?:thứ|THỨ)\s+\w+(?=\s*(?:$|[.:–-]|[A-ZÀ-ỸĐ]{2})))"
)
_SUBCHAPTER = re.compile(r"(?:Mục|MỤC)\s+(?:[IVXLC]+|\d+)\b\.?\s*(?=$|[A-ZÀ-ỸĐ])")
_ARTICLE = re.compile(r"(?:Điều|ĐIỀU)\s+(\d+[a-zđ]?)\b[.:]?")
_CLAUSE = re.compile(r"(\d{1,3})\.\s+(?=\S)")
_POINT = re.compile(r"([a-zđ])\)\s+(?=\S)")
_ROW = re.compile(r"(?:.*\s)?\|(?:\s|$)|\|[-:| ]+\|$")
_RULE = re.compile(r"-{3,}\s*$")
_HEADING_NUMBER = re.compile(r"(?:Điều\s+\d+[a-zđ]?|Nhóm\s+\d+|\d+(?:\.\d+)*)[.:]?\s*")
TITLE_LOCATOR = "0#0"
# A table goes with the words above it; a longer one is cut between its rows.
_LONGEST_TABLE = 1200
# A numbered line that is longer is a paragraph, not the name of one.
_LONGEST_NAME = 120


@dataclass(slots=True)
class _Piece:
    locator: str
    section: str
    ordinal: int
    headings: tuple[str, ...]
    is_heading: bool
    start: int
    end: int
    text_start: int
    children: int = field(default=0)
    line_start: int = 0  # where the line of its heading begins


def chunk(document: Document) -> list[Passage]:
    """Return the passages of a document in reading order.

    A plan is cut by numbered headings and bullets ("2.2#3" is the third bullet of 2.2, "2.2#0" the heading,
    "0#0" the title); a regulation by Điều, khoản and điểm ("dieu-5.khoan-2.diem-a") or, where it has no
    articles, by Markdown headings and their numbered points ("4-nam-dot-pha.y-3"). The rows of a table are lines of
    the passage above them; a long table is cut between its rows ("dieu-5.khoan-2.bang-1"). An article that is all in
    its heading ("Điều 3. Quy định này có hiệu lực từ ngày ký.") is a passage of its own.
    """
    text = document.text
    lines = text.splitlines()
    articled = any(_ARTICLE.match(line.lstrip("# ")) for line in lines)
    marked = any(_MARKDOWN_HEADING.match(line) for line in lines)
    structured = articled or marked
    pieces = _cut_long_tables(text, _cut_regulation(text) if structured else _cut_outline(text))
    passages, seen, wanted = [], dict[str, int](), {piece.locator for piece in pieces}
    for piece in pieces:
        words = text[piece.text_start : piece.end]
        words = _line_by_line(words) if structured or _has_rows(words) else collapse(words)
        if not words:
            continue
        seen[piece.locator] = seen.get(piece.locator, 0) + 1
        if seen[piece.locator] > 1:
            numbered = (f"{piece.locator}-{n}" for n in itertools.count(seen[piece.locator]))
            piece.locator = next(locator for locator in numbered if locator not in wanted)
            wanted.add(piece.locator)
        passages.append(
            Passage(
                id=f"{document.id}/{piece.locator}",
                document_id=document.id,
                locator=piece.locator,
                kind=PassageKind.HEADING if piece.is_heading or document.metadata_only else PassageKind.BODY,
                text=words,
                start=piece.text_start,
                end=piece.end,
                headings=piece.headings,
                section=piece.section,
                ordinal=piece.ordinal,
            )
        )
    return passages


def page_of(document: Document, passage: Passage) -> int | None:
    """Return the page on which a passage's words begin, from 1; None where the document has no pages."""
    if not document.page_starts:
        return None
    words = document.text[passage.start : passage.end]
    return bisect_right(document.page_starts, passage.start + len(words) - len(words.lstrip())) or 1


def place(passage: Passage) -> str:
    """Return where a passage stands, in Vietnamese: "mục 2.2, gạch đầu dòng 3"; "Điều 12, khoản 3"."""
    whole, _, rest = passage.locator.partition(".bang-")
    if rest:
        return f"{place(replace(passage, locator=whole))}, bảng (phần {rest.split('-')[0]})"
    whole, _, rest = passage.locator.partition(".sau-bang-")
    if rest:
        return f"{place(replace(passage, locator=whole))}, sau bảng"
    if "#" in passage.locator:
        if passage.locator == TITLE_LOCATOR:
            return "tên văn bản"
        if "#d" in passage.locator:
            where = f"mục {passage.section}, " if passage.section != "0" else ""
            return f"{where}đoạn {passage.ordinal}"
        bullet = f", gạch đầu dòng {passage.ordinal}" if passage.ordinal else ""
        return f"mục {passage.section}{bullet}"
    parts = passage.locator.split(".")
    words = {"dieu": "Điều", "khoan": "khoản", "diem": "điểm", "y": "ý"}
    if not re.fullmatch(r"dieu-\d+[a-zđ]?(-\d+)?", parts[0]):
        head = f"phần “{heading_name(passage.headings[-1])}”" if passage.headings else "phần giới thiệu"
        return ", ".join([head, *(f"{words[p.split('-')[0]]} {p.split('-')[1]}" for p in parts[1:])])
    return ", ".join(f"{words[p.split('-')[0]]} {p.split('-')[1]}" for p in parts)


def heading_name(heading: str) -> str:
    """Return a heading without its number: "2.3. Hoàn thiện cơ chế" -> "Hoàn thiện cơ chế"."""
    number = _HEADING_NUMBER.match(heading)
    return heading[number.end() :] or heading if number else heading


def _line_by_line(text: str) -> str:
    """White space collapsed within each line; empty lines and quotation marks of Markdown left out."""
    lines = (collapse(line.lstrip("> ") if line.startswith(">") else line) for line in text.splitlines())
    return "\n".join(line for line in lines if line)


def _has_rows(text: str) -> bool:
    return "|" in text and any(_ROW.match(line.strip()) for line in text.splitlines())


def _cut_long_tables(text: str, pieces: list[_Piece]) -> list[_Piece]:
    """Cut the tables that are too long for a passage between their rows, each part under the words above it."""
    cut: list[_Piece] = []
    for piece in pieces:
        span = text[piece.text_start : piece.end]
        if len(span) <= _LONGEST_TABLE or not _has_rows(span):
            cut.append(piece)
            continue
        parts = _table_parts(span, piece.text_start)
        names = {True: "bang", False: "sau-bang"}
        numbers = {True: 0, False: 0}
        for start, end, is_table in parts:
            if start == piece.text_start and not is_table:
                cut.append(replace(piece, end=end))
                continue
            numbers[is_table] += 1
            locator = f"{piece.locator}.{names[is_table]}-{numbers[is_table]}"
            cut.append(replace(piece, locator=locator, start=start, end=end, text_start=start))
    return cut


def _table_parts(span: str, offset: int) -> list[tuple[int, int, bool]]:
    """Return (start, end, is a table) of the parts of a text: words with their short tables, and parts of long ones."""
    runs: list[list[tuple[int, int, bool]]] = []
    for start, end, line in _lines(span):
        is_row = _ROW.match(line.strip()) is not None
        if runs and (runs[-1][-1][2] is is_row or not line.strip()):
            runs[-1].append((start, end, runs[-1][-1][2]))
        else:
            runs.append([(start, end, is_row)])
    parts: list[tuple[int, int, bool]] = []
    for run in runs:
        start, end, is_row = run[0][0], run[-1][1], run[0][2]
        if not is_row or end - start <= _LONGEST_TABLE:
            if parts and not parts[-1][2]:
                parts[-1] = (parts[-1][0], end, False)
            else:
                parts.append((start, end, False))
            continue
        for row_start, row_end, _ in run:
            if parts and parts[-1][2] and parts[-1][0] >= start and row_end - parts[-1][0] <= _LONGEST_TABLE:
                parts[-1] = (parts[-1][0], row_end, True)
            else:
                parts.append((row_start, row_end, True))
    return [(offset + start, offset + end, is_table) for start, end, is_table in parts]


def _lines(text: str) -> Iterator[tuple[int, int, str]]:
    position = 0
    for line in text.splitlines(keepends=True):
        yield position, position + len(line), line
        position += len(line)


def _cut_outline(text: str) -> list[_Piece]:
    pieces: list[_Piece] = []
    titles: dict[str, str] = {}
    current = _Piece(TITLE_LOCATOR, "0", 0, (), True, 0, 0, 0)
    pieces.append(current)
    part = ""
    for start, end, line in _lines(text):
        indent = len(line) - len(line.lstrip())
        body = line.lstrip()
        if _RULE.match(body):
            continue
        is_row = _ROW.match(body.strip()) is not None
        roman = _ROMAN_HEADING.match(body)
        if not is_row and (heading := roman or _NUMBERED_HEADING.match(body)):
            # Under Roman parts the numbers begin again: "II.1".
            part = f"{heading[1]}." if roman else part
            number = heading[1] if roman else f"{part}{heading[1]}"
            titles[number] = collapse(body)
            current = _Piece(f"{number}#0", number, 0, _above(titles, number), True, start, end, start + indent)
            pieces.append(current)
        elif not is_row and (bullet := _BULLET.match(body)) and current.section != "0":
            section = next(p for p in reversed(pieces) if p.section == current.section and p.ordinal == 0)
            section.children += 1
            number, ordinal = section.section, section.children
            headings = (*_above(titles, number), titles[number])
            text_start = start + indent + bullet.end()
            current = _Piece(f"{number}#{ordinal}", number, ordinal, headings, False, start, end, text_start)
            pieces.append(current)
        elif body.strip() and current.ordinal == 0 and current.section != "0" and (body[0].isupper() or is_row):
            # A heading goes on in small letters; what begins like a sentence is a paragraph of its own.
            current.children += 1
            number, headings = current.section, (*current.headings, titles[current.section])
            locator = f"{number}#d{current.children}"
            current = _Piece(locator, number, current.children, headings, False, start, end, start + indent)
            pieces.append(current)
        elif body.strip():
            current.end = end
    above = {number.rpartition(".")[0] for number in titles}
    for piece in pieces:
        if piece.ordinal == 0 and piece.section != "0":
            words, is_bare = collapse(text[piece.text_start : piece.end]), piece.section not in above
            piece.is_heading = not _is_sentence(words, has_more=piece.children > 0 or not is_bare)
    if len(pieces) == 1:
        pieces = _cut_paragraphs(text)
    return [piece for piece in pieces if piece.end > piece.start]


def _is_sentence(words: str, *, has_more: bool) -> bool:
    """Whether a numbered line says something itself ("3. Ban Bí thư theo dõi …") and names no part of the text.

    Args:
        has_more: something stands under that number.
    """
    is_ended = words.endswith((".", ";", "!", "?", "…"))
    if has_more:
        return is_ended and len(words) > _LONGEST_NAME
    return is_ended or len(words) > _LONGEST_NAME


def _cut_paragraphs(text: str) -> list[_Piece]:
    """Cut a text without numbers, headings or bullets: its first line is the title, the others are paragraphs."""
    pieces: list[_Piece] = []
    for start, end, line in _lines(text):
        if line.strip():
            locator = f"0#d{len(pieces)}" if pieces else TITLE_LOCATOR
            indent = len(line) - len(line.lstrip())
            pieces.append(_Piece(locator, "0", len(pieces), (), not pieces, start, end, start + indent))
    return pieces


def _above(titles: dict[str, str], number: str) -> tuple[str, ...]:
    parts = number.split(".")
    prefixes = (".".join(parts[:n]) for n in range(1, len(parts)))
    return tuple(titles[prefix] for prefix in prefixes if prefix in titles)


def _cut_regulation(text: str) -> list[_Piece]:
    pieces: list[_Piece] = []
    in_section: Counter[str] = Counter()
    levels: dict[int, str] = {}
    current: _Piece | None = None
    section, in_article, clause = "", False, ""
    pending_chapter = False
    # In Markdown a number further in belongs to the point above it; elsewhere the margin means nothing.
    marked_text = any(_MARKDOWN_HEADING.match(line) for line in text.splitlines())

    def add(piece: _Piece) -> _Piece:
        pieces.append(piece)
        in_section[piece.section] += 1
        return piece

    def open_section(locator: str, level: int, heading: str, start: int, end: int) -> _Piece:
        for deeper in [n for n in levels if n >= level]:
            del levels[deeper]
        levels[level] = heading
        headings = tuple(levels[n] for n in sorted(levels))
        return add(_Piece(locator, locator, 0, headings, False, end, end, end, line_start=start))

    lines = list(_lines(text))
    for at, (start, end, line) in enumerate(lines):
        body = line.strip()
        indent = len(line) - len(line.lstrip())
        if line.startswith("# "):
            # The title speaks of the text itself; what stands under it is kept, shown, never an answer.
            locator = slug(line)
            current = add(_Piece(locator, locator, 0, (), True, end, end, end))
            continue
        if _ROW.match(body):
            if current is None:
                current = add(_Piece("phan-dau", "phan-dau", 0, (), True, start, end, start))
            current.end, pending_chapter = end, False
            continue
        marked = _MARKDOWN_HEADING.match(line)
        title = collapse(line[marked.end() :]) if marked else body
        level = len(marked[1]) if marked else 3
        article = _ARTICLE.match(title)
        if article and (marked or not _is_mention(title, article.end())):
            section, in_article, clause, pending_chapter = f"dieu-{article[1].lower()}", True, "", False
            current = open_section(section, level, title, start, end)
        elif marked or ((_CHAPTER.match(body) or _SUBCHAPTER.match(body)) and len(body) < 120):
            section, in_article, clause = slug(title), False, ""
            current = open_section(section, level if marked else _level(body), title, start, end)
            pending_chapter = not marked
        elif pending_chapter and body and (body == body.upper() or _is_chapter_name(body, lines[at + 1 : at + 20])):
            # A chapter's name stands on the line below its number.
            levels[max(levels)] = f"{levels[max(levels)]}. {body}"
            if current is not None:
                current.headings = tuple(levels[n] for n in sorted(levels))
                current.start = current.end = current.text_start = end
        elif current is not None and not (marked_text and indent) and (item := _CLAUSE.match(body)):
            clause = f"{section}.{'khoan' if in_article else 'y'}-{item[1]}"
            text_start = start + indent + item.end()
            current = add(_Piece(clause, section, int(item[1]), current.headings, False, start, end, text_start))
        elif current is not None and in_article and not (marked_text and indent) and (item := _POINT.match(body)):
            locator = f"{clause or section}.diem-{item[1]}"
            ordinal, text_start = 1 + in_section[section], start + indent + item.end()
            current = add(_Piece(locator, section, ordinal, current.headings, False, start, end, text_start))
        elif current is None:
            if body:
                current = add(_Piece("phan-dau", "phan-dau", 0, (), True, start, end, start))
        elif body:
            current.end, pending_chapter = end, False
    for piece, after in zip(pieces, [*pieces[1:], None], strict=True):
        _keep_bare_heading(text, piece, after)
    return pieces


def _level(body: str) -> int:
    """Return how deep a plain heading stands: Phần, Chương, Mục; an article is at 3."""
    chapter = _CHAPTER.match(body)
    return 2 if chapter is None else 0 if chapter["part"] else 1


def _is_chapter_name(body: str, following: Iterable[tuple[int, int, str]]) -> bool:
    """Whether a line below a chapter's number, not in capitals, names it: the next part opens right below."""
    after = next((line.strip() for _, _, line in following if line.strip()), "")
    opens = _ARTICLE.match(after) or _SUBCHAPTER.match(after) or _CHAPTER.match(after)
    return len(body) < 120 and body[-1] not in ".;:," and opens is not None


def _keep_bare_heading(text: str, piece: _Piece, after: _Piece | None) -> None:
    """Make a heading with nothing under it the text of its piece, so that its words are not lost."""
    if piece.is_heading or not piece.headings or piece.ordinal or text[piece.text_start : piece.end].strip():
        return
    if after is not None and after.headings[: len(piece.headings)] == piece.headings:
        return
    article = _ARTICLE.match(piece.headings[-1])
    piece.is_heading = article is None or not piece.headings[-1][article.end() :].strip()
    piece.start = piece.text_start = piece.line_start
    piece.headings = piece.headings[:-1]


def _is_mention(title: str, end: int) -> bool:
    """Whether "Điều 5 …" opens a sentence that only mentions the article ("Điều 5 của Quy định này …")."""
    rest = title[end:].lstrip()
    return bool(rest) and title[end - 1] not in ".:" and not rest[0].isupper()
