"""Which texts hold which tokens, and how often, as arrays that can be updated without sorting everything again."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from embeddings.layers import Layers

# Lucene's BM25, as bm25s has it by default.
_K1, _B = 1.5, 0.75
_MOST_COUNTED = np.iinfo(np.uint16).max
# Postings that are looked at at a time: what is worked out in between stays small.
_AT_ONCE = 1_000_000


@dataclass(frozen=True, slots=True)
class Postings:
    """The texts of each token: those of keys[i] are texts[starts[i]:starts[i + 1]].

    Attributes:
        keys: int64, ascending, a number for each token that some text holds.
        starts: int64 [len(keys) + 1].
        texts: int32, numbers of texts; each at most once for a token, in any order.
        counts: uint16, how often the text holds the token, 65,535 for more.
        lengths: int32 [n], tokens of each text and one, so that no text is empty.
    """

    keys: NDArray[np.int64]
    starts: NDArray[np.int64]
    texts: NDArray[np.int32]
    counts: NDArray[np.uint16]
    lengths: NDArray[np.int32]

    @classmethod
    def count(cls, keys: NDArray[np.int64], owners: NDArray[np.int64], lengths: NDArray[np.int32]) -> "Postings":
        """Return the postings of texts given by the key of each token (below 2 ** 43) and the text that holds it.

        Raises:
            ValueError: there are more than a million texts.
        """
        bits = max(1, len(lengths).bit_length())
        if bits > 20:
            raise ValueError(f"{len(lengths)} texts at once: count them in parts")
        packed = np.sort((keys << bits) | owners)
        firsts = np.flatnonzero(np.concatenate([[True], packed[1:] != packed[:-1]])) if len(packed) else _NONE
        counts = np.minimum(np.diff(np.append(firsts, len(packed))), _MOST_COUNTED).astype(np.uint16)
        held = packed[firsts]
        columns, starts = _runs(held >> bits)
        texts = (held & ((1 << bits) - 1)).astype(np.int32)
        return cls(columns, starts, texts, counts, lengths)

    @classmethod
    def join(cls, parts: Sequence["Postings"]) -> "Postings":
        """Return the postings of the texts of several, numbered on from one to the next."""
        keys = np.unique(np.concatenate([part.keys for part in parts])) if parts else _NONE
        held = np.zeros(len(keys), dtype=np.int64)
        columns = [np.searchsorted(keys, part.keys) for part in parts]
        for part, own in zip(parts, columns, strict=True):
            held[own] += np.diff(part.starts)
        starts = np.concatenate([[0], np.cumsum(held)])
        texts = np.empty(starts[-1], dtype=np.int32)
        counts = np.empty(starts[-1], dtype=np.uint16)
        filled, before = starts[:-1].copy(), 0
        for part, own in zip(parts, columns, strict=True):
            own_held = np.diff(part.starts)
            places = np.repeat(filled[own] - part.starts[:-1], own_held) + np.arange(len(part.texts))
            texts[places], counts[places] = part.texts + np.int32(before), part.counts
            filled[own] += own_held
            before += len(part.lengths)
        lengths = np.concatenate([part.lengths for part in parts]) if parts else np.zeros(0, dtype=np.int32)
        return cls(keys, starts, texts, counts, lengths)

    @classmethod
    def load(cls, folder: Path) -> "Postings":
        """Return saved postings, read from the file where they are needed; see save."""
        names = ("keys", "indptr.csc.index", "indices.csc.index", "counts", "lengths")
        return cls(*(np.load(folder / f"{name}.npy", mmap_mode="r").view(np.ndarray) for name in names))

    def save(self, folder: Path) -> None:
        """Write the postings into an existing folder."""
        np.save(folder / "keys.npy", self.keys)
        np.save(folder / "indptr.csc.index.npy", self.starts)
        np.save(folder / "indices.csc.index.npy", self.texts)
        np.save(folder / "counts.npy", self.counts)
        np.save(folder / "lengths.npy", self.lengths)

    @property
    def size(self) -> int:
        """Number of texts."""
        return len(self.lengths)

    @property
    def held(self) -> NDArray[np.int64]:
        """How many texts hold each token."""
        return np.diff(self.starts)

    def updated(self, kept: NDArray[np.int64], fresh: "Postings") -> "Postings":
        """Return the postings of texts of which some are there already.

        Args:
            kept: [n], for each text its number so far, each at most once; -1 for the next of the fresh ones.
            fresh: of the texts that are new.
        """
        old, new = np.flatnonzero(kept >= 0), np.flatnonzero(kept < 0)
        lengths = np.empty(len(kept), dtype=np.int32)
        lengths[old], lengths[new] = self.lengths[kept[old]], fresh.lengths
        numbers = np.full(self.size, -1, dtype=np.int32)
        numbers[kept[old]] = old
        is_gone = numbers < 0
        gone = np.flatnonzero(is_gone[self.texts]) if is_gone.any() else _NONE
        # Where every text that stays keeps its number, there is nothing to be numbered again.
        texts = self.texts if np.array_equal(kept[old], old) else numbers.take(self.texts, mode="clip")
        at = np.searchsorted(self.keys, fresh.keys)
        known = np.zeros(len(at), dtype=bool)
        inside = at < len(self.keys)
        known[inside] = self.keys[at[inside]] == fresh.keys[inside]
        # At the end of what the token has, or where a new token begins.
        patch = _Patch(gone, np.repeat(self.starts[at + known], fresh.held), len(self.texts))
        held = self.held - np.bincount(np.searchsorted(self.starts, gone, side="right") - 1, minlength=len(self.keys))
        held[at[known]] += fresh.held[known]
        keys = np.insert(self.keys, at[~known], fresh.keys[~known])
        held = np.insert(held, at[~known], fresh.held[~known])
        alive = held > 0
        return Postings(
            keys[alive],
            np.concatenate([[0], np.cumsum(held[alive])]),
            patch.applied(texts, new.astype(np.int32)[fresh.texts]),
            patch.applied(self.counts, fresh.counts),
            lengths,
        )

    def held_by(self, at: int) -> int:
        """Return how many texts hold the token of a key, given by its place."""
        return int(self.starts[at + 1] - self.starts[at])

    def times(self, at: int) -> int:
        """Return how often the texts hold the token of a key, given by its place."""
        return int(self.counts[self.starts[at] : self.starts[at + 1]].sum(dtype=np.int64))


_NONE: NDArray[np.int64] = np.zeros(0, dtype=np.int64)


_Number = TypeVar("_Number", bound=np.generic)


class _Patch:
    """What is cut out of an array, and where something is put in; all that stays is copied in long pieces."""

    def __init__(self, gone: NDArray[np.int64], places: NDArray[np.int64], size: int) -> None:
        """Take ascending positions in an array of some size: of what goes, and before what each new value comes."""
        bounds = np.unique(np.concatenate([[0, size], gone, gone + 1, places]))
        firsts, lasts = np.searchsorted(places, bounds), np.searchsorted(places, bounds, side="right")
        stays = np.ones(len(bounds), dtype=bool)
        stays[np.searchsorted(bounds, gone)] = False
        ends = np.append(bounds[1:], size)
        self._steps = list(zip(*(part.tolist() for part in (bounds, ends, stays, firsts, lasts)), strict=True))

    def applied(self, values: NDArray[_Number], fresh: NDArray[_Number]) -> NDArray[_Number]:
        """Return an array without what goes, and with new values, one for each place."""
        parts = [fresh[:0]]
        for begin, end, stays, first, last in self._steps:
            if first < last:
                parts.append(fresh[first:last])
            if stays and begin < end:
                parts.append(values[begin:end])
        return np.concatenate(parts)


def _runs(ordered: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return (the different values, where the run of each begins, and the end of the last)."""
    if not len(ordered):
        return _NONE, np.zeros(1, dtype=np.int64)
    firsts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    return ordered[firsts], np.append(firsts, len(ordered))


# (Slots of texts, the score of each), of each part.
Weighed = tuple[tuple[NDArray[np.int32], NDArray[np.float32]], ...]


class Column(NamedTuple):
    """Where the postings of a token stand in the two parts of Grown; -1 where a part has none."""

    shared: int
    own: int


class Grown:
    """Postings of n texts. A version of them shares what has not changed with the one that it was updated from.

    Attributes:
        lengths: int32 [n], as in Postings.
    """

    def __init__(
        self, shared: Postings, own: Postings | None = None, layers: Layers | None = None, gone: "_Gone | None" = None
    ) -> None:
        """Take postings.

        Args:
            own, layers: where not all texts stand in these, the postings of the others, and which is where.
            gone: what is left in these of texts that are gone.
        """
        self._shared, self._own = shared, own or Postings.join([])
        self._layers = layers or Layers.plain(shared.size)
        self._is_plain = self._layers.is_plain
        self._gone = gone or _Gone.none(shared)
        lengths = np.concatenate([shared.lengths, self._own.lengths])
        self.lengths = lengths[self._layers.slots]
        mean = self.lengths.mean() if self.size else 1.0
        self._damping = _K1 * ((1 - _B) + _B * lengths / mean)

    @property
    def size(self) -> int:
        """Number of texts."""
        return len(self._layers.slots)

    def column(self, key: int) -> Column | None:
        """Return where the postings of a token stand; None where no text holds it."""
        found = Column(_at(self._shared.keys, key), _at(self._own.keys, key))
        return found if self.held(found) else None

    def held(self, column: Column) -> int:
        """Return how many texts hold a token."""
        shared = int(self._shared.held_by(column.shared) - self._gone.held[column.shared]) if column.shared >= 0 else 0
        return shared + (self._own.held_by(column.own) if column.own >= 0 else 0)

    def times(self, column: Column) -> int:
        """Return how often the texts hold a token."""
        shared = int(self._shared.times(column.shared) - self._gone.times[column.shared]) if column.shared >= 0 else 0
        return shared + (self._own.times(column.own) if column.own >= 0 else 0)

    def idf(self, column: Column) -> float:
        """Return how rare a token is, in nats."""
        held = self.held(column)
        return float(np.log(1 + (self.size - held + 0.5) / (held + 0.5)))

    def keys_below(self, limit: int) -> NDArray[np.int64]:
        """Return the keys below a number of all tokens that some text holds, ascending."""
        shared = self._shared.keys[: np.searchsorted(self._shared.keys, limit)]
        alive = self._shared.held[: len(shared)] > self._gone.held[: len(shared)]
        own = self._own.keys[: np.searchsorted(self._own.keys, limit)]
        found: NDArray[np.int64] = np.union1d(shared[alive], own)
        return found

    def texts(self, column: Column) -> NDArray[np.int64]:
        """Return the numbers of the texts that hold a token, in any order."""
        slots = np.concatenate([texts for texts, _ in self._parts(column)])
        if self._is_plain:
            return slots.astype(np.int64)
        texts = self._layers.texts(self._own.size)[slots]
        alive: NDArray[np.int64] = texts[texts >= 0]
        return alive

    def weigh(self, column: Column) -> Weighed:
        """Return the BM25 scores of a token's texts, as bm25s works them out, to be added up by sum.

        Source: Lucene's variant; Kamphuis, de Vries, Boytsov and Lin, ECIR 2020.
        """
        rare = np.float32(self.idf(column))
        found = []
        for slots, held in self._parts(column):
            counts = held.astype(np.float32)
            weights: NDArray[np.float64] = counts / (self._damping[slots] + counts)
            found.append((slots, (weights * rare).astype(np.float32)))
        return tuple(found)

    def sum(self, weighed: Iterable[Weighed]) -> NDArray[np.float32]:
        """Return for each text the sum of what weigh returned for some tokens, float32 [n]."""
        total = np.zeros(len(self._damping), dtype=np.float32)
        for parts in weighed:
            for slots, weights in parts:
                np.add.at(total, slots, weights)
        return total if self._is_plain else total[self._layers.slots]

    def updated(self, kept: NDArray[np.int64], fresh: Postings) -> "Grown":
        """Return the postings of texts of which some are in these, which stay as they are; see Postings.updated."""
        layers, from_own = self._layers.updated(kept)
        own = self._own.updated(from_own, fresh)
        if layers.is_outgrown:
            return Grown(self._shared.updated(layers.joined, own))
        leaving = np.zeros(layers.shared, dtype=bool)
        leaving[self._layers.joined[self._layers.joined >= 0]] = True
        leaving[layers.joined[layers.joined >= 0]] = False
        return Grown(self._shared, own, layers, self._gone.and_of(self._shared, leaving))

    def packed(self) -> Postings:
        """Return the postings in one part."""
        return self._shared if self._is_plain else self._shared.updated(self._layers.joined, self._own)

    def _parts(self, column: Column) -> Iterator[tuple[NDArray[np.int32], NDArray[np.uint16]]]:
        """Yield (slots, how often they hold a token), of each part that has any."""
        for part, at, first in ((self._shared, column.shared, 0), (self._own, column.own, self._layers.shared)):
            if at >= 0:
                own = slice(part.starts[at], part.starts[at + 1])
                yield part.texts[own] + np.int32(first) if first else part.texts[own], part.counts[own]


@dataclass(frozen=True, slots=True)
class _Gone:
    """What is left in postings of texts that are gone: how many hold each token, and how often, int64 [keys]."""

    held: NDArray[np.int64]
    times: NDArray[np.int64]

    @classmethod
    def none(cls, postings: Postings) -> "_Gone":
        nothing = np.zeros(len(postings.keys), dtype=np.int64)
        return cls(nothing, nothing)

    def and_of(self, postings: Postings, leaving: NDArray[np.bool_]) -> "_Gone":
        """Return the same with further texts."""
        if not leaving.any():
            return self
        at = _postings_of(postings.texts, leaving)
        columns = np.searchsorted(postings.starts, at, side="right") - 1
        size = len(postings.keys)
        times = np.bincount(columns, weights=postings.counts[at], minlength=size).astype(np.int64)
        return _Gone(self.held + np.bincount(columns, minlength=size), self.times + times)


def _postings_of(texts: NDArray[np.int32], wanted: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return where postings of some texts stand, ascending."""
    numbers = np.flatnonzero(wanted)
    first, span = np.int32(numbers[0]), np.uint32(numbers[-1] - numbers[0])
    found = []
    for begin in range(0, len(texts), _AT_ONCE):
        # Those of one document stand together: most postings are out at one look.
        some = texts[begin : begin + _AT_ONCE]
        likely = np.flatnonzero((some - first).view(np.uint32) <= span)
        found.append(likely[wanted[some[likely]]] + begin)
    return np.concatenate(found) if found else _NONE


def _at(keys: NDArray[np.int64], key: int) -> int:
    """Return where a key stands among others, ascending; -1 where it does not."""
    at = int(keys.searchsorted(key))
    return at if at < len(keys) and keys[at] == key else -1
