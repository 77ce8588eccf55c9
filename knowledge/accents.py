"""Puts the accents back on a query, and mends the slips in it, by what usually stands beside what.

The model is a trigram model of accented syllables, pruned and rounded, in a hash table that is searched by a beam; see
train_accents.py for how it is made.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from knowledge.keyboard import is_syllable
from knowledge.model import KnowledgeError
from knowledge.text import accented_key, fold

MODEL_FILE = Path(__file__).parent / "accents.npz"
BREAK = 0
# A score is kept as so many parts of a nat; 255 of them are the least that can be said.
PARTS = 16
_WORD = re.compile(r"[^\W_]+")
_PAUSE = re.compile(r"[.;:!?()\n]")
_BIGRAM, _TRIGRAM = 1 << 40, 1 << 41
_BITS = 13
# Bits of the hash that tell one key from another in the same place; the lowest depend on few bits of the key.
_MARK_FROM = 19
_MULTIPLIER, _MASK = 0x9E3779B97F4A7C15, (1 << 64) - 1
_BACK_OFF = 1.0
_BEAM = 6
_MOST_VARIANTS = 12
# How unlikely it is, in nats, that a person means another word than the one typed.
_SLIP, _JOINED, _MARK_LEFT_OUT, _LEFT_BARE = 7.0, 6.0, 3.5, 2.0
_SHORTEST_SLIP = 3
_LETTERS = "abcdeghiklmnopqrstuvxy"
# A syllable that is written bare less often than this was typed without its accents.
_RARELY_BARE = 0.004

# Before a number these name a part of a document.
_PARTS_OF_TEXTS = {"muc": "mục", "dieu": "điều", "khoan": "khoản", "chuong": "chương", "phan": "phần"}
_POINTS = frozenset({"diem", "y", "muc", "khoan", "khoa", "phan"})

Candidate = tuple[tuple[int, ...], float]


@dataclass(frozen=True, slots=True)
class Syllable:
    """A syllable of the model: as written, its folded form, how often it occurs (log probability)."""

    written: str
    folded: str
    log_probability: float


class AccentsError(KnowledgeError):
    """The model cannot be used; the message names the file."""


class AccentModel:
    """How likely a syllable is after the two before it.

    Attributes:
        syllables: by id; 0 stands for a pause or anything that is no syllable.
        words: other words that occur often enough to be no slips, folded.
        table: see fill_table.
    """

    def __init__(self, syllables: Sequence[Syllable], words: frozenset[str], table: NDArray[np.uint32]) -> None:
        self.syllables = syllables
        self.words = words
        self.table = table
        self._table = memoryview(np.ascontiguousarray(table))  # type: ignore[arg-type]
        self._shift = 64 - (len(table) - 1).bit_length()
        self._last = len(table) - 1
        self.by_folded: dict[str, list[int]] = {}
        self.by_key: dict[str, int] = {}
        for number, syllable in enumerate(syllables[1:], 1):
            self.by_folded.setdefault(syllable.folded, []).append(number)
            self.by_key[accented_key(syllable.written)] = number
        for numbers in self.by_folded.values():
            numbers.sort(key=lambda n: -syllables[n].log_probability)

    def score(self, first: int, second: int, third: int) -> float:
        """Return the log probability of the third syllable after the other two (backed off, not normalised)."""
        found = self._look_up(_TRIGRAM | first << 2 * _BITS | second << _BITS | third)
        if found is not None:
            return found
        found = self._look_up(_BIGRAM | second << _BITS | third)
        if found is not None:
            return found - _BACK_OFF
        return self.syllables[third].log_probability - 2 * _BACK_OFF

    def _look_up(self, key: int) -> float | None:
        mixed = key * _MULTIPLIER & _MASK
        place, mark = mixed >> self._shift, mixed >> _MARK_FROM & 0xFFFFFF
        table = self._table
        while cell := table[place]:
            if cell >> 8 == mark:
                return -(cell & 0xFF) / PARTS
            place = (place + 1) & self._last
        return None


def fill_table(keys: Sequence[int], scores: Sequence[float], bits: int) -> NDArray[np.uint32]:
    """Return a table of 2^bits cells for AccentModel: 24 bits of the key's hash, 8 bits of the score.

    Raises:
        ValueError: there are more keys than the table can hold.
    """
    if len(keys) >= 1 << bits:
        raise ValueError(f"{len(keys)} keys do not fit into 2^{bits} cells: one must stay empty")
    table = [0] * (1 << bits)
    for key, score in zip(keys, scores, strict=True):
        mixed = key * _MULTIPLIER & _MASK
        place, mark = mixed >> (64 - bits), mixed >> _MARK_FROM & 0xFFFFFF
        while table[place]:
            place = (place + 1) & ((1 << bits) - 1)
        # A cell of zero means "nothing here".
        table[place] = (mark << 8 | min(255, max(0, round(-score * PARTS)))) or 1
    return np.asarray(table, dtype=np.uint32)


def trigram_key(first: int, second: int, third: int) -> int:
    """Return the key of a trigram in the table."""
    return _TRIGRAM | first << 2 * _BITS | second << _BITS | third


def bigram_key(first: int, second: int) -> int:
    """Return the key of a bigram in the table."""
    return _BIGRAM | first << _BITS | second


@dataclass(frozen=True, slots=True)
class _Word:
    typed: str
    start: int
    end: int
    candidates: tuple[Candidate, ...]


class Restorer:
    """Writes a query as it was meant: accents, slips, words run together, phone spelling."""

    def __init__(
        self,
        model: AccentModel,
        short_forms: Mapping[str, str] | None = None,
        protected: frozenset[str] = frozenset(),
    ) -> None:
        """Take the model.

        Args:
            short_forms: phone spelling -> what it stands for ("ntn" -> "như thế nào"), lower case.
            protected: words, folded, that are never taken for slips (abbreviations).
        """
        self._model = model
        self._protected = protected
        self._short = {
            short: tuple(model.by_key.get(accented_key(word.lower()), BREAK) for word in _WORD.findall(meant))
            for short, meant in (short_forms or {}).items()
        }
        self._slips = lru_cache(maxsize=4096)(self._find_slips)

    @property
    def foreign(self) -> frozenset[str]:
        """Words that are no Vietnamese but occur often enough to be no slips, without accents."""
        return self._model.words

    def restore(self, text: str) -> str:
        """Return the text as it was meant; a text with all its accents stays as it is."""
        found = list(_WORD.finditer(text))
        typed = [match[0] for match in found]
        mode = self._mode(typed)
        words = [
            _Word(match[0], match.start(), match.end(), self._candidates(match[0], mode, before, after))
            for match, before, after in zip(found, ["", *typed], [*typed[1:], ""], strict=False)
        ]
        if all(len(word.candidates) < 2 and not self._changes(word) for word in words):
            return text
        return "".join(self._written(text, words, self._best(text, words)))

    def _changes(self, word: _Word) -> bool:
        """Whether the only candidate for a word is not the word itself."""
        if not word.candidates:
            return False
        ids = word.candidates[0][0]
        return len(ids) != 1 or self._model.by_key.get(accented_key(word.typed.lower())) != ids[0]

    def _mode(self, typed: Sequence[str]) -> str:
        """Return how a text was typed: "bare" of accents, "half" with them, or "full"."""
        if all(word.isascii() for word in typed):
            return "bare"
        return "half" if any(self._lacks_accents(word) for word in typed) else "full"

    def _lacks_accents(self, word: str) -> bool:
        """Whether a word is a syllable that is hardly ever written bare, or lacks its tone ("nhiêm")."""
        if not word.islower():
            return False
        model = self._model
        if not word.isascii():
            same = model.by_folded.get(fold(word), ()) if accented_key(word) not in model.by_key else ()
            return any(_adds_marks(word, model.syllables[n].written) for n in same)
        variants = model.by_folded.get(word)
        if not variants or word in self._short:
            return False
        bare = model.by_key.get(word)
        if bare is None:
            return True
        best = max(model.syllables[n].log_probability for n in variants)
        return model.syllables[bare].log_probability < best + float(np.log(_RARELY_BARE))

    def _candidates(self, word: str, mode: str, before: str, after: str) -> tuple[Candidate, ...]:
        """Return what a word may mean; none for what is no syllable and stays as it is."""
        lower = word.lower()
        part = _PARTS_OF_TEXTS.get(lower)
        if part is not None and after.isdigit():
            return (((self._model.by_key.get(accented_key(part), BREAK),), 0.0),)
        short = self._short.get(lower)
        # "điểm k khoản 2" names a point.
        names_point = len(lower) == 1 and fold(before) in _POINTS
        if short is not None and not word.isupper() and not names_point:
            return ((short, 0.0),)
        if any(c.isdigit() for c in word) or (word.isupper() and len(word) > 1):
            return ()
        model = self._model
        known = model.by_key.get(accented_key(lower))
        folded = fold(lower)
        if mode == "full" and known is not None:
            return (((known,), 0.0),)
        if lower.isascii() and lower in model.by_folded:
            # A capital inside a text begins a name.
            is_name = not word.islower() and before != ""
            if mode == "full" or (mode == "half" and is_name and known is not None):
                return (((known,), 0.0),) if known is not None else ()
            # Beside accented words, a word that may well be written bare mostly is meant so.
            is_likely_bare = mode == "half" and known is not None and not self._lacks_accents(lower)
            other = _LEFT_BARE if is_likely_bare else 0.0
            return tuple(((n,), 0.0 if n == known else other) for n in model.by_folded[lower][:_MOST_VARIANTS])
        if known is not None:
            variants = model.by_folded.get(folded, ())
            marked = [n for n in variants if n != known and _adds_marks(lower, model.syllables[n].written)]
            return (((known,), 0.0), *(((n,), _MARK_LEFT_OUT) for n in marked))
        # A rare word in a text with all its accents is no slip as long as it can be read.
        if not word[1:].islower() or (mode == "full" and (word[0].isupper() or is_syllable(lower))):
            return ()
        return self._slips(lower)

    def _find_slips(self, lower: str) -> tuple[Candidate, ...]:
        """Return the syllables that a word which is none may have been meant for."""
        folded, model = fold(lower), self._model
        if len(folded) < _SHORTEST_SLIP or folded in model.words or folded in self._protected or not folded.isalpha():
            return ()
        same = model.by_folded.get(folded)
        if same:
            # The letters are right, marks are left out; a rare word with all its marks stays.
            return tuple(((n,), 0.0) for n in same if _adds_marks(lower, model.syllables[n].written))
        found: list[Candidate] = [
            ((n,), _SLIP + (0.0 if _adds_marks(lower, model.syllables[n].written) or lower.isascii() else 1.0))
            for near in sorted(set(_one_slip_away(folded)))
            for n in model.by_folded.get(near, ())[:_MOST_VARIANTS]
        ]
        for cut in range(2, len(folded) - 1):
            first, second = folded[:cut], folded[cut:]
            if first in model.by_folded and second in model.by_folded:
                found += [
                    ((a, b), _JOINED)
                    for a in model.by_folded[first][:_MOST_VARIANTS]
                    for b in model.by_folded[second][:_MOST_VARIANTS]
                    if _adds_marks(lower[:cut], model.syllables[a].written)
                    and _adds_marks(lower[cut:], model.syllables[b].written)
                ]
        found.sort(key=lambda c: (c[1] - sum(model.syllables[n].log_probability for n in c[0]) / len(c[0]), c[0]))
        return tuple(found[:40])

    def _best(self, text: str, words: Sequence[_Word]) -> list[tuple[int, ...]]:
        """Return the ids chosen for each word; () where it stays as typed."""
        score = self._model.score
        beam: list[tuple[float, int, int, tuple[tuple[int, ...], ...]]] = [(0.0, BREAK, BREAK, ())]
        last_end = 0
        for word in words:
            pause = _PAUSE.search(text, last_end, word.start) is not None
            last_end = word.end
            reached: dict[tuple[int, int], tuple[float, int, int, tuple[tuple[int, ...], ...]]] = {}
            for total, first, second, chosen in beam:
                if pause:
                    first = second = BREAK
                for ids, penalty in word.candidates or (((), 0.0),):
                    a, b, sum_ = first, second, total - penalty
                    for id_ in ids or (BREAK,):
                        if id_ != BREAK:
                            sum_ += score(a, b, id_)
                        a, b = b, id_
                    kept = reached.get((a, b))
                    if kept is None or sum_ > kept[0]:
                        reached[a, b] = (sum_, a, b, (*chosen, ids))
            beam = sorted(reached.values(), key=lambda state: (-state[0], state[3]))[:_BEAM]
        return list(beam[0][3])

    def _written(self, text: str, words: Sequence[_Word], chosen: Sequence[tuple[int, ...]]) -> Iterator[str]:
        at = 0
        for word, ids in zip(words, chosen, strict=True):
            yield text[at : word.start]
            at = word.end
            if not ids or BREAK in ids or ids == (self._model.by_key.get(accented_key(word.typed.lower())),):
                yield word.typed
                continue
            written = " ".join(self._model.syllables[n].written for n in ids)
            yield written[0].upper() + written[1:] if word.typed[0].isupper() else written
        yield text[at:]


def _adds_marks(typed: str, written: str) -> bool:
    """Whether a word is another one with marks left out: "viên" of "viến", "nhiêm" of "nhiệm"."""
    typed_key, written_key = accented_key(typed), accented_key(written)
    typed_tone = typed_key[-1] if typed_key[-1].isdigit() else ""
    written_tone = written_key[-1] if written_key[-1].isdigit() else ""
    if typed_tone and typed_tone != written_tone:
        return False
    bare, full = typed_key.rstrip("12345"), written_key.rstrip("12345")
    return len(bare) == len(full) and all(a in (b, fold(b)) for a, b in zip(bare, full, strict=True))


def _one_slip_away(word: str) -> Iterator[str]:
    """Yield what differs from a word by one letter left out, put in, exchanged or swapped with its neighbour."""
    for i in range(len(word) + 1):
        head, tail = word[:i], word[i:]
        if tail:
            yield head + tail[1:]
            yield from (head + letter + tail[1:] for letter in _LETTERS if letter != tail[0])
        if len(tail) > 1:
            yield head + tail[1] + tail[0] + tail[2:]
        yield from (head + letter + tail for letter in _LETTERS)


@cache
def load_accents(path: Path = MODEL_FILE) -> AccentModel:
    """Return the model in a file.

    Raises:
        AccentsError: the file is missing or is no such model.
    """
    try:
        with np.load(path) as content:
            written = str(content["syllables"]).split(" ")
            scores = (content["scores"].astype(np.float32) / -PARTS).tolist()
            words = frozenset(str(content["words"]).split(" "))
            table = content["table"]
        syllables = [Syllable("", "", 0.0)]
        syllables += [Syllable(word, fold(word), score) for word, score in zip(written, scores, strict=True)]
    except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile) as error:
        raise AccentsError(
            f"{path}: cannot be read ({error}): put the file that ships with the program back"
        ) from error
    return AccentModel(syllables, words, table)
