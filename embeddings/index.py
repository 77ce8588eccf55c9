"""VectorIndex over faiss."""

from collections.abc import Sequence
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray


class VectorIndex:
    """Exact search by inner product over n vectors of unit norm."""

    def __init__(self, index: faiss.Index) -> None:
        self._index = index

    @classmethod
    def build(cls, vectors: NDArray[np.float32]) -> "VectorIndex":
        """Index vectors [n, dim]; ids are row numbers."""
        index = faiss.IndexFlatIP(vectors.shape[1])
        index.add(np.ascontiguousarray(vectors))
        return cls(index)

    @classmethod
    def load(cls, path: Path) -> "VectorIndex":
        """Return a saved index.

        Raises:
            RuntimeError: the file is not an index of faiss.
        """
        return cls(faiss.deserialize_index(np.frombuffer(path.read_bytes(), dtype=np.uint8)))

    def save(self, path: Path) -> None:
        """Write the index to a file.

        Raises:
            OSError: the disk is full or the file cannot be written.
        """
        # faiss' own writer keeps quiet about a full disk when the index is small.
        path.write_bytes(faiss.serialize_index(self._index).tobytes())

    def similarities(self, vector: NDArray[np.float32], ids: Sequence[int]) -> NDArray[np.float32]:
        """Return the inner products of one query vector [dim] with some of the vectors, [len(ids)]."""
        if not ids:
            return np.zeros(0, dtype=np.float32)
        kept: NDArray[np.float32] = self._index.reconstruct_batch(np.asarray(ids, dtype=np.int64))
        return kept @ vector

    @property
    def size(self) -> int:
        """Number of vectors."""
        return int(self._index.ntotal)

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return int(self._index.d)

    def search(self, vectors: NDArray[np.float32], *, k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the k nearest for each query vector.

        Args:
            vectors: float32 [n, dim].
        Returns:
            ids [n, k] and similarities [n, k] (inner products), nearest first; k is cut to the size of the index.
        Raises:
            ValueError: the vectors have another length than the index.
        """
        if vectors.shape[1] != self.dim:
            raise ValueError(f"index holds {self.dim}-dim vectors, the query has {vectors.shape[1]}: build it again")
        similarities, ids = self._index.search(np.ascontiguousarray(vectors), min(k, self.size))
        return ids, similarities
