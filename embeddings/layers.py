"""Which texts stand in a part that several versions of an index share, and which in a small part of one's own."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# A version's own part is at most so large beside the shared one; a larger one makes one part of both.
_SHARE = 4


@dataclass(frozen=True, slots=True)
class Layers:
    """Where each of n texts stands.

    Attributes:
        shared: how many texts the shared part holds, with those that are gone.
        slots: int64 [n], the number of each text: in the shared part, or shared and on in the own part, where texts
            keep their order.
    """

    shared: int
    slots: NDArray[np.int64]

    @classmethod
    def plain(cls, size: int) -> "Layers":
        """Return the layers of texts that all stand in the shared part, in its order."""
        return cls(size, np.arange(size))

    def updated(self, kept: NDArray[np.int64]) -> "tuple[Layers, NDArray[np.int64]]":
        """Return (the layers of n texts of which some are in these, where their own part's texts come from).

        Args:
            kept: [n], for each text its number in these; -1 for the next of the fresh ones.
        Returns:
            the second as kept is, for the own part alone.
        """
        is_fresh = kept < 0
        slots = np.full(len(kept), -1, dtype=np.int64)
        slots[~is_fresh] = self.slots[kept[~is_fresh]]
        is_own = is_fresh | (slots >= self.shared)
        from_own = np.where(is_fresh, -1, slots - self.shared)[is_own]
        slots[is_own] = self.shared + np.arange(len(from_own))
        return Layers(self.shared, slots), from_own

    @property
    def is_plain(self) -> bool:
        """Whether all texts stand in the shared part, in its order, and nothing else does."""
        return len(self.slots) == self.shared and bool((self.slots == np.arange(self.shared)).all())

    @property
    def is_outgrown(self) -> bool:
        """Whether one part of both is better: much stands in the own one, or much of the shared one is gone."""
        own = int(np.count_nonzero(self.slots >= self.shared))
        return own * _SHARE > self.shared or (len(self.slots) - own) * 2 < self.shared

    @property
    def joined(self) -> NDArray[np.int64]:
        """Where the texts come from if both parts become one, as kept of updated: -1 for the next of the own part."""
        return np.where(self.slots < self.shared, self.slots, -1)

    def texts(self, own: int) -> NDArray[np.int64]:
        """Return [shared + own]: which text stands in each slot; -1 where it is gone."""
        found = np.full(self.shared + own, -1, dtype=np.int64)
        found[self.slots] = np.arange(len(self.slots))
        return found
