"""Plain text and Markdown -> paragraphs."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from knowledge.intake.encodings import decode
from knowledge.intake.gathering import Gathering
from knowledge.intake.model import Extracted, FindingKind, Limits
from knowledge.text import clean

_FRONT_MATTER = re.compile(r"---[ \t]*\n.*?\n---[ \t]*(?:\n|\Z)", re.DOTALL)
_COMMENT = re.compile(r"<!--(.*?)-->", re.DOTALL)
_HEADING = re.compile(r"(#{1,6})\s+(.*?)(?:\s+#+)?$")
_UNDERLINE = frozenset("|-: \t")
_BOLD = re.compile(r"(\*\*|__)(?=\S)(.+?)(?<=\S)\1")
_STAR = re.compile(r"\*\s+(?=\S)")
_LIST_MARK = re.compile(r"[a-zđ]{1,2}[).]\s|[-–•*+]\s")
# A line shorter than this was ended on purpose.
_WRAPPED = 50


def read_text(path: Path, limits: Limits) -> Extracted:
    """Return the lines of a plain text; a line that was only wrapped is joined to the one before.

    Raises:
        IntakeError: the bytes are no text in a known encoding, or it is too long.
    """
    gathering = Gathering(path.name, limits)
    text, findings = decode(path.read_bytes())
    for finding in findings:
        gathering.take(finding)
    for line in _unwrapped(clean(text).split("\n")):
        gathering.add(line)
    return gathering.extracted(is_decoded=True)


def read_markdown(path: Path, limits: Limits) -> Extracted:
    """Return the text of Markdown: headings and rows of tables as such, without front matter and comments.

    Raises:
        IntakeError: as read_text.
    """
    gathering = Gathering(path.name, limits)
    text, findings = decode(path.read_bytes())
    for finding in findings:
        gathering.take(finding)
    text = _FRONT_MATTER.sub("", clean(text), count=1) if text.lstrip("\ufeff").startswith("---") else clean(text)
    for comment in _COMMENT.findall(text):
        gathering.note(FindingKind.COMMENT, comment)
    for line in _unwrapped(_COMMENT.sub("", text).split("\n")):
        line = line.strip()
        heading = _HEADING.fullmatch(line)
        if heading:
            gathering.add(_plain(heading[2]), heading=len(heading[1]))
        elif line.startswith("|"):
            if not _UNDERLINE.issuperset(line) or "-" not in line:
                gathering.add_row([_plain(cell) for cell in line.strip("|").split("|")])
        else:
            gathering.add(_plain(_STAR.sub("- ", line, count=1) if _STAR.match(line) else line))
    return gathering.extracted(is_decoded=True)


def _plain(text: str) -> str:
    return _BOLD.sub(r"\2", text)


def _unwrapped(lines: Iterable[str]) -> Iterator[str]:
    """Yield lines, joined where one goes on with a small letter that marks no point of a list."""
    parts: list[str] = []
    for line in lines:
        begun = line.lstrip()
        goes_on = begun[:1].islower() and not _LIST_MARK.match(begun)
        if parts and goes_on and len(parts[-1].rstrip()) >= _WRAPPED and not parts[-1].startswith(("#", "|")):
            parts.append(line)
            continue
        if parts:
            yield " ".join(parts)
        parts = [line]
    if parts:
        yield " ".join(parts)
