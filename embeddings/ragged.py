"""Rows of different lengths, packed one after the other, and how they follow a change of their texts."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

_Number = TypeVar("_Number", bound=np.generic)


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
