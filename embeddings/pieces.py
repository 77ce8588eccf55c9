"""Vectors of the pieces of long texts: a text is as near as its nearest piece."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embeddings.encoder import Encoder
from embeddings.ragged import Ragged

# Long enough to say something, short enough that nothing is drowned, in characters.
_PIECE_LENGTH = 350
_MOST_PIECES = 40
_BREAK = re.compile(r"\n|(?<=[.;])\s")


def split(text: str) -> list[str]:
    """Return a text cut where sentences, clauses or lines end, in pieces of about _PIECE_LENGTH characters."""
    pieces, current = [], ""
    for part in _BREAK.split(text):
        if current and len(current) + len(part) > _PIECE_LENGTH:
            pieces.append(current)
            current = part
        else:
            current = f"{current} {part}" if current else part
    return [*pieces, current][:_MOST_PIECES]


class PieceIndex:
    """Vectors of the pieces of n texts."""

    def __init__(self, vectors: Ragged[np.float16]) -> None:
        """Take the vectors of the pieces of each text, of unit L2 norm."""
        self._vectors = vectors

    @classmethod
    def build(cls, encoder: Encoder, texts: Sequence[tuple[str, str]], *, batch: int = 4096) -> "PieceIndex":
        """Return the index of texts, given as (context, text); each piece is encoded beneath its context."""
        counts = np.zeros(len(texts), dtype=np.int64)
        parts = []
        for first in range(0, len(texts), batch):
            pieces: list[str] = []
            for number, (context, text) in enumerate(texts[first : first + batch], first):
                cut = list(_beneath(context, split(text)))
                counts[number] = len(cut)
                pieces += cut
            parts.append(encoder.encode(pieces).astype(np.float16))
        vectors = np.concatenate(parts) if parts else np.zeros((0, encoder.dim), dtype=np.float16)
        return cls(Ragged(vectors, np.concatenate([[0], np.cumsum(counts)])))

    def updated(self, kept: NDArray[np.int64], encoder: Encoder, fresh: Sequence[tuple[str, str]]) -> "PieceIndex":
        """Return the index of n texts of which some are in this one, which stays as it is.

        Args:
            kept: [n], for each text its number in this index; -1 for the next of the fresh ones.
            fresh: the texts that are not, as build takes them; only these are encoded.
        """
        return PieceIndex(self._vectors.updated(kept, self.build(encoder, fresh)._vectors.packed()))

    @classmethod
    def load(cls, folder: Path) -> "PieceIndex":
        """Return a saved index; see save."""
        vectors = np.load(folder / "pieces.npy", mmap_mode="r").view(np.ndarray)
        return cls(Ragged(vectors, np.load(folder / "piece-starts.npy")))

    def save(self, folder: Path) -> None:
        """Write the index into an existing folder."""
        vectors, starts = self._vectors.packed()
        np.save(folder / "pieces.npy", vectors)
        np.save(folder / "piece-starts.npy", starts)

    def similarities(self, vector: NDArray[np.float32], ids: Sequence[int]) -> NDArray[np.float32]:
        """Return how near the nearest piece of some texts is to a vector [dim], [len(ids)]."""
        if not len(ids):
            return np.zeros(0, dtype=np.float32)
        numbers = np.asarray(ids, dtype=np.int64)
        lengths = self._vectors.lengths(numbers)
        similar = self._vectors.of(numbers).astype(np.float32) @ vector
        best: NDArray[np.float32] = np.maximum.reduceat(similar, np.cumsum(lengths) - lengths)
        return best


def _beneath(context: str, pieces: Sequence[str]) -> Iterator[str]:
    for piece in pieces:
        yield f"{context}\n{piece}" if context else piece
