"""How the same question may be typed: with its accents, without, with some, with a slip, or in decomposed form."""

import hashlib
import random
import re
import unicodedata
from collections.abc import Callable

from knowledge.text import fold

_WORD = re.compile(r"[^\W\d_]+")
_LEAST_LETTERS = 4
_KEYS = "qwertyuiop asdfghjkl zxcvbnm"


def unaccented(text: str) -> str:
    """Return a text without its accents, capitals kept."""
    return "".join(fold(c).upper() if c.isupper() else fold(c) for c in unicodedata.normalize("NFC", text))


def half_accented(text: str) -> str:
    """Return a text in which every other word, drawn by chance, has lost its accents."""
    chance = _chance(text)
    return _WORD.sub(lambda found: unaccented(found[0]) if chance.random() < 0.5 else found[0], text)


def one_slip(text: str) -> str:
    """Return a text with one letter of one word left out, doubled, swapped with the next, or a key beside it."""
    chance = _chance(text)
    words = [found for found in _WORD.finditer(text) if len(found[0]) >= _LEAST_LETTERS]
    if not words:
        return text
    word = chance.choice(words)
    at = word.start() + chance.randrange(1, len(word[0]) - 1)
    kind = chance.randrange(4)
    if kind == 0:
        return text[:at] + text[at + 1 :]
    if kind == 1:
        return text[: at + 1] + text[at:]
    if kind == 2:
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    key = _KEYS.find(fold(text[at]))
    beside = [_KEYS[n] for n in (key - 1, key + 1) if key >= 0 and 0 <= n < len(_KEYS) and _KEYS[n] != " "]
    return text[:at] + (chance.choice(beside) if beside else "x") + text[at + 1 :]


def decomposed(text: str) -> str:
    """Return a text in NFD, as some telephones send it."""
    return unicodedata.normalize("NFD", text)


def _chance(text: str) -> random.Random:
    return random.Random(hashlib.sha256(text.encode()).digest())


STATES: dict[str, Callable[[str], str]] = {
    "accented": lambda text: text,
    "unaccented": unaccented,
    "half-accented": half_accented,
    "one slip": one_slip,
    "NFD": decomposed,
}
