"""Vietnamese text as the search sees it: clean, folded, cut into syllables."""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

# Control, zero-width and bidirectional characters carry no words; some of them break a terminal.
_INVISIBLE = re.compile(
    r"[\x00-\x08\x0e-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]"
)
_BREAKS = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_SPACES = re.compile(r"\s+")
_SYLLABLE = re.compile(r"[^\W_]+")
_TONES = {"\u0300": "2", "\u0301": "1", "\u0303": "4", "\u0309": "3", "\u0323": "5"}


def clean(text: str) -> str:
    """Return text in NFC, without control, zero-width and bidirectional characters; every line break is "\\n"."""
    # A zero-width character may part a letter from its accent, so it goes before the two are composed.
    return unicodedata.normalize("NFC", _INVISIBLE.sub("", _BREAKS.sub("\n", text)))


def collapse(text: str) -> str:
    """Return text on one line: every run of white space becomes one space, the ends are trimmed."""
    return _SPACES.sub(" ", text).strip()


class _Folded(dict[int, str]):
    """What a character is without its marks, worked out when it is first met."""

    def __missing__(self, code: int) -> str:
        decomposed = unicodedata.normalize("NFD", chr(code))
        # NFD leaves "đ" whole, so it is replaced by hand.
        self[code] = "".join(c for c in decomposed if not unicodedata.combining(c)).replace("đ", "d")
        return self[code]


_FOLDED = _Folded()


def fold(text: str) -> str:
    """Return text in lower case without tone and vowel marks: "Đảng viên" -> "dang vien"."""
    return text.lower().translate(_FOLDED)


def syllables(text: str) -> list[str]:
    """Return the runs of letters and digits, in lower case, in order, accents kept."""
    return _SYLLABLE.findall(text.lower())


def syllable_spans(text: str) -> list[tuple[int, int]]:
    """Return where each of syllables begins and ends."""
    return [found.span() for found in _SYLLABLE.finditer(text)]


@lru_cache(maxsize=20_000)
def accented_key(syllable: str) -> str:
    """Return the syllable with its tone moved to the end, so that "hoà" and "hòa" are one word.

    >>> accented_key("hoà") == accented_key("hòa") == "hoa2"
    True
    """
    letters, tone = [], ""
    for character in unicodedata.normalize("NFD", syllable):
        if character in _TONES:
            tone = _TONES[character]
        else:
            letters.append(character)
    return unicodedata.normalize("NFC", "".join(letters)) + tone


def pairs(tokens: Sequence[str]) -> list[str]:
    """Return neighbouring tokens joined by "_": n tokens give n - 1 pairs."""
    return [f"{a}_{b}" for a, b in pairwise(tokens)]


def slug(heading: str) -> str:
    """Return a heading as a locator: "4. Năm đột phá" -> "4-nam-dot-pha"."""
    return "-".join(_SYLLABLE.findall(fold(heading)))
