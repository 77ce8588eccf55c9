"""Which texts hold which tokens, and how often, as arrays that can be updated without sorting everything again."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

# Lucene's BM25, as bm25s has it by default.
_K1, _B = 1.5, 0.75
_MOST_COUNTED = np.iinfo(np.uint16).max
# Postings that are weighed at a time: what is worked out in between stays small.
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

    def idf(self) -> NDArray[np.float64]:
        """Return how rare each token is, in nats."""
        held = self.held
        rare: NDArray[np.float64] = np.log(1 + (self.size - held + 0.5) / (held + 0.5))
        return rare

    def weights(self) -> NDArray[np.float32]:
        """Return the BM25 score of each posting, as bm25s works it out.

        Source: Lucene's variant; Kamphuis, de Vries, Boytsov and Lin, ECIR 2020.
        """
        found = np.empty(len(self.texts), dtype=np.float32)
        mean = self.lengths.mean() if self.size else 1.0
        damping = _K1 * ((1 - _B) + _B * self.lengths / mean)
        rare = self.idf().astype(np.float32)
        for first in range(0, len(found), _AT_ONCE):
            last = min(first + _AT_ONCE, len(found))
            low, high = np.searchsorted(self.starts, [first, last - 1], side="right") - 1
            ends = np.clip(self.starts[low : high + 2], first, last)
            counts = self.counts[first:last].astype(np.float32)
            part = counts / (damping[self.texts[first:last]] + counts)
            part *= np.repeat(rare[low : high + 1], np.diff(ends))
            found[first:last] = part
        return found


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
