"""Whether a text bears a stamp of secrecy."""

import itertools
import re
import unicodedata
from collections.abc import Iterable

from knowledge.intake.model import Extracted, FindingKind
from knowledge.text import fold

STAMP = "MẬT"
_STAMPS = frozenset({STAMP, "TỐI MẬT", "TUYỆT MẬT"})
_PLAIN = frozenset({"mat", "toi mat", "tuyet mat"})
_LEVEL = re.compile(
    r"\W*(?:dấu\s+|mức\s+)?độ\s+(?:bí\s+)?mật\s*[:：]\s*[\W_]*(?:(?:tuyệt|tối)\s+mật|mật|[abc])(?![^\W_])",
    re.IGNORECASE,
)
_EDGE = re.compile(r"^[\W_]+|[\W_]+$")
_SPACED = re.compile(r"\b\w(?: \w)+\b")
# "MẬT (giải mật ngày …)".
_TERM = re.compile(r"\([^()]*\)\W*$")
# The issuer on the left and a stamp on the right, on one line of a plain text or parted by a tab.
_BESIDE_ISSUER = re.compile(
    r"\W*(?:(?:TỈNH|THÀNH|HUYỆN|QUẬN|THỊ|ĐẢNG|QUÂN) [ỦU][ỶY]|[ỦU][ỶY] BAN|BAN|BỘ|HỘI ĐỒNG|VĂN PHÒNG|ĐẢNG BỘ|CHI BỘ) "
    r"(?:[^\W\d_]+ )*?(?P<stamp>(?:(?:TỐI|TUYỆT) )?MẬT)\W*$"
)
_NO_STAMP_AFTER = frozenset({"bi", "bao", "lieu", "ban", "tin", "do", "dau", "nuoc", "vat"})
_HEAD_LINES, _PAGE_LINES = 30, 4
# A stamp may stand in what is left out: in a margin, in white, outside the page.
_MAY_BEAR = frozenset(
    {
        FindingKind.HEADER_OR_FOOTER,
        FindingKind.OFF_PAGE,
        FindingKind.WHITE_TEXT,
        FindingKind.HIDDEN_TEXT,
        FindingKind.TINY_TEXT,
    }
)


def is_secret(extracted: Extracted) -> bool:
    """Whether a text is stamped MẬT, TỐI MẬT or TUYỆT MẬT.

    A stamp is a line of its own near the head or at the top or foot of a page, or "Độ mật: ..." there. The words
    within a sentence are none.
    """
    head = [paragraph.text for paragraph in extracted.paragraphs[:_HEAD_LINES]]
    edges: list[str] = []
    for page, group in itertools.groupby(extracted.paragraphs, key=lambda paragraph: paragraph.page):
        if page is not None:
            lines = [paragraph.text for paragraph in group]
            edges += lines[:_PAGE_LINES] + lines[-_PAGE_LINES:]
    margins = [finding.excerpt for finding in extracted.findings if finding.kind in _MAY_BEAR]
    return any(is_stamp(part, is_ocr=extracted.is_ocr) for part in _parts([*head, *edges, *margins]))


def _parts(lines: Iterable[str]) -> Iterable[str]:
    for line in lines:
        yield line
        if "|" in line:
            yield from line.split("|")


def is_stamp(line: str, *, is_ocr: bool) -> bool:
    """Whether a line is a stamp of secrecy and nothing else."""
    line = unicodedata.normalize("NFKC", line)
    if _LEVEL.match(line):
        return True
    beside = _BESIDE_ISSUER.match(line) if line == line.upper() else None
    if beside is not None and fold(line[: beside.start("stamp")].split()[-1]) not in _NO_STAMP_AFTER:
        return True
    words = _EDGE.sub("", _TERM.sub("", line))
    if len(words) > 20:
        return False
    if fold(words.replace(" ", "")) in {"mat", "toimat", "tuyetmat"} and _SPACED.fullmatch(words):
        words = {"mat": "MẬT", "toimat": "TỐI MẬT"}.get(fold(words.replace(" ", "")), "TUYỆT MẬT")
    words = " ".join(words.split())
    if words.upper() in _STAMPS and (words[0].isupper() or len(words) > 3):
        return True
    # Written without accents, or read so by OCR.
    return words.isupper() and fold(words) in _PLAIN and (is_ocr or words.isascii())
