"""Cuts what is too long for one message of a platform: between paragraphs, lines, sentences, words, in this order."""

import re
import unicodedata
from collections.abc import Iterator, Sequence

# Where a text is cut, the best place first.
_BOUNDARIES = (r"\n\s*\n", r"\n+", r"(?<=[.!?…;:])\s+", r"\s+")


def cut(text: str, limit: int, boundaries: Sequence[str] = _BOUNDARIES) -> Iterator[tuple[str, str]]:
    """Yield (what stood before the piece, the piece), each piece within the limit, cut no finer than it must be.

    Args:
        limit: in UTF-16 code units, see width.
    """
    if width(text) <= limit:
        yield "", text
        return
    if not boundaries:
        for piece in _cut_anywhere(text, limit):
            yield "", piece
        return
    separator = ""
    for n, part in enumerate(re.split(f"({boundaries[0]})", text)):
        if n % 2:
            separator = part
        elif part:
            for before, piece in cut(part, limit, boundaries[1:]):
                yield separator + before, piece
                separator = ""


def width(text: str) -> int:
    """Return the length in UTF-16 code units, as the platforms count: an emoji is two."""
    return len(text) + sum(character > "\uffff" for character in text)


def well_formed(text: str) -> str:
    """Return a text that can be sent as UTF-8: half a surrogate pair is replaced."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _cut_anywhere(text: str, limit: int) -> Iterator[str]:
    begin = used = 0
    for n, character in enumerate(text):
        if used + width(character) > limit:
            end = n
            while end > begin + 1 and unicodedata.combining(text[end]):
                end -= 1  # a mark stays with its letter
            if end == begin + 1:
                end = n  # nothing but marks
            yield text[begin:end]
            begin, used = end, width(text[end:n])
        used += width(character)
    yield text[begin:]
