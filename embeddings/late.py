"""Late interaction: how well each word of a query finds its like in a text."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, TypeGuard

import numpy as np
from numpy.typing import NDArray

from embeddings.ragged import Ragged


class TokenEncoder(Protocol):
    """An encoder that has a vector for each word and pair of words."""

    def token_rows(self, texts: Sequence[str]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Return the rows of texts, packed: (all rows, how many belong to each text)."""

    def token_vectors(self, rows: NDArray[np.int32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return (unit vectors float32 [n, dim], their weights [n]: how much each counts in a text)."""

    def token_similarities(self, rows: NDArray[np.int32], units: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the cosines of features [n] with unit vectors [m, dim], float32 [n, m]."""


class RowEncoder(TokenEncoder, Protocol):
    """A token encoder that needs a text's rows and no more, so that each text is read once for both."""

    def encode_rows(self, rows: NDArray[np.int32], counts: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the vectors of texts given by their rows, the same as of the texts themselves."""


def has_tokens(encoder: object) -> TypeGuard[TokenEncoder]:
    """Whether an encoder has vectors of words; one that reads texts as a whole has none."""
    return hasattr(encoder, "token_rows")


def reads_rows(encoder: object) -> TypeGuard[RowEncoder]:
    """Whether an encoder can encode the rows of texts."""
    return has_tokens(encoder) and hasattr(encoder, "encode_rows")


def once(rows: NDArray[np.int32], lengths: NDArray[np.int64]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Return the features of texts, packed as TokenEncoder.token_rows does it, each of a text once and ascending."""
    owners = np.repeat(np.arange(len(lengths)), lengths)
    ordered = np.sort(owners << 32 | rows)
    single = ordered[np.concatenate([[True], ordered[1:] != ordered[:-1]])] if len(ordered) else ordered
    return (single & 0xFFFFFFFF).astype(np.int32), np.bincount(single >> 32, minlength=len(lengths))


class LateInteraction:
    """Sums, over the features of a query, the best similarity with any feature of a text, weighted by importance.

    Source: the MaxSim operator of ColBERT, Khattab and Zaharia, SIGIR 2020.
    """

    def __init__(self, encoder: TokenEncoder, rows: Ragged[np.int32]) -> None:
        """Take the features of n texts."""
        self._encoder = encoder
        self._rows = rows

    @classmethod
    def build(cls, encoder: TokenEncoder, texts: Sequence[str], *, batch: int = 4096) -> "LateInteraction":
        """Return the index of texts; each text's features count once."""
        parts: list[NDArray[np.int32]] = []
        counts: list[NDArray[np.int64]] = []
        for first in range(0, len(texts), batch):
            single, lengths = once(*encoder.token_rows(texts[first : first + batch]))
            parts.append(single)
            counts.append(lengths)
        return cls.join(encoder, parts, counts)

    @classmethod
    def join(
        cls, encoder: TokenEncoder, parts: Sequence[NDArray[np.int32]], counts: Sequence[NDArray[np.int64]]
    ) -> "LateInteraction":
        """Return the index of texts given by the features of some after the others; see once."""
        packed = np.concatenate(parts) if parts else np.zeros(0, dtype=np.int32)
        return cls(encoder, Ragged(packed, np.cumsum(np.concatenate([[0], *counts]))))

    def updated(self, kept: NDArray[np.int64], fresh: "LateInteraction") -> "LateInteraction":
        """Return the index of n texts of which some are in this one, which stays as it is.

        Args:
            kept: [n], for each text its number in this index; -1 for the next of the fresh ones.
            fresh: the index of the texts that are not.
        """
        return LateInteraction(self._encoder, self._rows.updated(kept, fresh._rows.packed()))

    @classmethod
    def load(cls, encoder: TokenEncoder, folder: Path) -> "LateInteraction":
        """Return a saved index; see save."""
        rows = np.load(folder / "late-rows.npy", mmap_mode="r").view(np.ndarray)
        return cls(encoder, Ragged(rows, np.load(folder / "late-starts.npy")))

    def save(self, folder: Path) -> None:
        """Write the index into an existing folder."""
        rows, starts = self._rows.packed()
        np.save(folder / "late-rows.npy", rows)
        np.save(folder / "late-starts.npy", starts)

    def scores(self, query: str, ids: Sequence[int]) -> NDArray[np.float32]:
        """Return the score of some texts for a query, [len(ids)], -1 to 1; 0 where either has no known feature."""
        found = np.zeros(len(ids), dtype=np.float32)
        asked, _ = self._encoder.token_rows([query])
        if not len(asked) or not len(ids):
            return found
        vectors, weights = self._encoder.token_vectors(asked)
        if not weights.sum():
            return found
        numbers = np.asarray(ids, dtype=np.int64)
        lengths = self._rows.lengths(numbers)
        filled = np.flatnonzero(lengths)
        if not len(filled):
            return found
        lengths = lengths[filled]
        ends = np.cumsum(lengths)
        features, local = np.unique(self._rows.of(numbers[filled]), return_inverse=True)
        similar = self._encoder.token_similarities(features, vectors)
        # A row holds the similarities of one feature with the whole query: rows are gathered faster than columns.
        best = np.maximum.reduceat(similar.take(local, axis=0), ends - lengths, axis=0)
        found[filled] = best @ weights / weights.sum()
        return found
