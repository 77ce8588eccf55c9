"""Rows of different lengths, packed one after the other, and how they follow a change of their texts."""

from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from embeddings.layers import Layers

_Number = TypeVar("_Number", bound=np.generic)


class Ragged(Generic[_Number]):
    """The rows of n texts. A version of them shares what has not changed with the one that it was updated from."""

    def __init__(
        self,
        values: NDArray[_Number],
        starts: NDArray[np.int64],
        *,
        own: tuple[NDArray[_Number], NDArray[np.int64]] | None = None,
        layers: Layers | None = None,
    ) -> None:
        """Take packed rows: values[starts[i]:starts[i + 1]] belong to text i.

        Args:
            own, layers: where not all texts stand in these, the packed rows of the others, and which is where.
        """
        self._shared = values, starts
        self._own = own or (values[:0], np.zeros(1, dtype=np.int64))
        self._layers = layers or Layers.plain(len(starts) - 1)
        slots = self._layers.slots
        self._begins = np.concatenate([starts[:-1], len(values) + self._own[1][:-1]])[slots]
        self._lengths = np.concatenate([np.diff(starts), np.diff(self._own[1])])[slots]

    def lengths(self, texts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how many rows some texts have."""
        return self._lengths[texts]

    def of(self, texts: NDArray[np.int64]) -> NDArray[_Number]:
        """Return the rows of some texts, packed, each text's behind those of the one before it."""
        lengths = self._lengths[texts]
        ends = np.cumsum(lengths)
        total = int(ends[-1]) if len(ends) else 0
        at = np.repeat(self._begins[texts] - (ends - lengths), lengths) + np.arange(total)
        values, own = self._shared[0], self._own[0]
        is_own = at >= len(values)
        if not is_own.any():
            return values[at]
        found = np.empty((total, *values.shape[1:]), dtype=values.dtype)
        found[is_own] = own[at[is_own] - len(values)]
        found[~is_own] = values[at[~is_own]]
        return found

    def updated(self, kept: NDArray[np.int64], fresh: tuple[NDArray[_Number], NDArray[np.int64]]) -> "Ragged[_Number]":
        """Return the rows of n texts of which some are in these, which stay as they are.

        Args:
            kept: [n], for each text its number in these; -1 for the next of the fresh ones.
            fresh: the packed rows of the texts that are not, and where each begins.
        """
        layers, from_own = self._layers.updated(kept)
        own = merge(from_own, self._own, fresh)
        if layers.is_outgrown:
            return Ragged(*merge(layers.joined, self._shared, own))
        return Ragged(*self._shared, own=own, layers=layers)

    def packed(self) -> tuple[NDArray[_Number], NDArray[np.int64]]:
        """Return (all rows, where those of each text begin, and the end of the last)."""
        return self._shared if self._layers.is_plain else merge(self._layers.joined, self._shared, self._own)


def merge(
    kept: NDArray[np.int64],
    old: tuple[NDArray[_Number], NDArray[np.int64]],
    fresh: tuple[NDArray[_Number], NDArray[np.int64]],
) -> tuple[NDArray[_Number], NDArray[np.int64]]:
    """Return the packed rows of n texts, and where each begins: [all rows], [n + 1].

    Args:
        kept: [n], for each text its number among the old ones; -1 for the next of the fresh ones.
        old, fresh: the same of the texts so far and of those that are new.
    """
    (old_values, old_starts), (fresh_values, fresh_starts) = old, fresh
    size = len(old_starts) - 1
    wanted = _sources(kept, size)
    lengths = np.concatenate([np.diff(old_starts), np.diff(fresh_starts)])[wanted]
    # Neighbours that stay neighbours are copied in one piece.
    breaks = np.flatnonzero((np.diff(wanted) != 1) | (wanted[1:] == size)) + 1
    parts = [fresh_values[:0]]
    for first, last in zip([0, *breaks.tolist()], [*breaks.tolist(), len(wanted)], strict=True):
        if first == last:
            continue
        begin, end = int(wanted[first]), int(wanted[last - 1]) + 1
        if begin < size:
            parts.append(old_values[old_starts[begin] : old_starts[end]])
        else:
            parts.append(fresh_values[fresh_starts[begin - size] : fresh_starts[end - size]])
    return np.concatenate(parts), np.concatenate([[0], np.cumsum(lengths)])


def _sources(kept: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Return where each of n texts stands among the old ones, [size], and the fresh ones behind them.

    Args:
        kept: see merge.
    """
    is_fresh = kept < 0
    found: NDArray[np.int64] = np.where(is_fresh, size - 1 + np.cumsum(is_fresh), kept)
    return found
