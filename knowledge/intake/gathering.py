"""Paragraphs and findings, as a reader comes upon them."""

import re
from collections.abc import Iterable

from knowledge.intake.encodings import broken_accents, convert
from knowledge.intake.model import Extracted, Finding, FindingKind, IntakeError, Limits, Paragraph, Refusal
from knowledge.text import clean, collapse

_EXCERPT = 80
_MOST_FINDINGS = 500
_PALE = 230
_HEX = re.compile(r"#?([0-9a-fA-F]{6})")
_WITH_TONE = re.compile("[\u1e00-\u1eff]")
_SURROGATES = re.compile("[\ud800-\udfff]")
_NUMBER_ALONE = re.compile(r"[\W_]*(?:trang|page)?[\W\d_]*", re.IGNORECASE)


class Gathering:
    """What one file holds so far."""

    def __init__(self, name: str, limits: Limits) -> None:
        self.name = name
        self.limits = limits
        self._paragraphs: list[Paragraph] = []
        self._findings: dict[tuple[FindingKind, str], int] = {}
        self._pieces: dict[FindingKind, list[str]] = {}
        self._characters = 0

    def __len__(self) -> int:
        return len(self._paragraphs)

    def add(self, text: str, *, heading: int = 0, is_row: bool = False) -> None:
        """Append a paragraph, unless it has no words.

        Raises:
            IntakeError: the file has more text than is allowed.
        """
        line = tidy(self._in_unicode(text))
        if not line.strip("| "):
            return
        self._characters += len(line) + 1
        if self._characters > self.limits.characters:
            raise IntakeError(self.name, Refusal.TOO_LONG, {"allowed": str(self.limits.characters)})
        self._paragraphs.append(Paragraph(line, heading=min(heading, 6), is_row=is_row))

    def add_row(self, cells: list[str]) -> None:
        """Append a row of a table."""
        self.add(" | ".join(tidy(self._in_unicode(cell)) for cell in cells), is_row=True)

    def note(self, kind: FindingKind, words: str = "") -> None:
        """Remember that something was left out or looks wrong; what is said twice is counted."""
        self._count(kind, tidy(words)[:_EXCERPT], 1)

    def note_left_out(self, kind: FindingKind, words: str) -> None:
        """Remember words that were left out, unless there are none."""
        if words.strip():
            self.note(kind, words)

    def omit(self, kind: FindingKind, words: str) -> None:
        """Remember a piece of a paragraph that was left out; pieces of one paragraph are one finding."""
        self._pieces.setdefault(kind, []).append(words)

    def end_paragraph(self) -> None:
        """Tell that the pieces that come next belong to another paragraph."""
        if self._pieces:
            pieces, self._pieces = self._pieces, {}
            for kind, words in pieces.items():
                self.note_left_out(kind, "".join(words))

    def note_margin(self, words: str) -> None:
        """Remember a line of a header or footer."""
        line = tidy(words)
        if line:
            is_number = _NUMBER_ALONE.fullmatch(line) is not None
            self.note(FindingKind.PAGE_NUMBER if is_number else FindingKind.HEADER_OR_FOOTER, line)

    def take(self, finding: Finding | None) -> None:
        """Remember a finding that another piece made."""
        if finding is not None:
            self._count(finding.kind, finding.excerpt, finding.count)

    def _count(self, kind: FindingKind, excerpt: str, count: int) -> None:
        key = (kind, excerpt)
        if key not in self._findings and len(self._findings) >= _MOST_FINDINGS:
            key = (kind, "")
        self._findings[key] = self._findings.get(key, 0) + count

    def _in_unicode(self, text: str) -> str:
        """Convert what is written in an old encoding without naming a font: it has none of the letters with a tone."""
        if text.isascii() or _WITH_TONE.search(text):
            return text
        converted, finding = convert(text)
        self.take(finding)
        return converted

    def joined(self, pieces: Iterable[tuple[str, str]]) -> str:
        """Return pieces of (words, old font or "") as one text, converted as far as each old font goes on."""
        parts: list[str] = []
        old: list[str] = []
        font = ""
        for text, in_font in [*pieces, ("", "")]:
            if in_font != font and old:
                converted, finding = convert("".join(old), font)
                self.take(finding)
                parts.append(converted)
                old = []
            font = in_font
            (old if font else parts).append(text)
        return "".join(parts)

    def extracted(self, *, is_decoded: bool = False) -> Extracted:
        """Return all of it, with the words whose accents look damaged.

        Args:
            is_decoded: damage was looked for already, when bytes became text.
        """
        self.end_paragraph()
        if not is_decoded:
            for damage in broken_accents("\n".join(paragraph.text for paragraph in self._paragraphs)):
                self.take(damage)
        findings = (Finding(kind, excerpt, count=count) for (kind, excerpt), count in self._findings.items())
        return Extracted(tuple(self._paragraphs), tuple(findings))


def tidy(text: str) -> str:
    """Return text as a paragraph holds it: NFC, on one line, without characters that nobody sees."""
    return collapse(clean(_SURROGATES.sub("\ufffd", text)))


def old_font(name: str) -> str:
    """Return the name of a font that drew Vietnamese letters in the places of others; "" for any other font."""
    return name if name.lower().startswith((".vn", "vni")) else ""


def is_pale(colour: str) -> bool:
    """Whether a colour ("FFFFFF", "#fefefe") cannot be seen on white paper."""
    found = _HEX.fullmatch(colour.strip())
    return found is not None and min(bytes.fromhex(found[1])) >= _PALE
