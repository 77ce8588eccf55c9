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

    def updated(self, kept: NDArray[np.int64], fresh: NDArray[np.float32]) -> "VectorIndex":
        """Return the index of n vectors of which some are in this one, which stays as it is.

        Args:
            kept: [n], for each vector its id in this index; -1 for the next of the fresh ones.
            fresh: [new, dim].
        """
        if not self.size or not len(kept):
            return VectorIndex.build(fresh)
        vectors: NDArray[np.float32] = self._index.reconstruct_batch(np.maximum(kept, 0))
        vectors[kept < 0] = fresh
        return VectorIndex.build(vectors)

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

    def search(
        self, vectors: NDArray[np.float32], *, k: int, allowed: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the k nearest for each query vector.

        Args:
            vectors: float32 [n, dim].
            allowed: [size], which vectors may be found; all without it.
        Returns:
            ids [n, k] and similarities [n, k] (inner products), nearest first; k is cut to what may be found.
        Raises:
            ValueError: the vectors have another length than the index.
        """
        if vectors.shape[1] != self.dim:
            raise ValueError(f"index holds {self.dim}-dim vectors, the query has {vectors.shape[1]}: build it again")
        if allowed is None or allowed.all():
            similarities, ids = self._index.search(np.ascontiguousarray(vectors), min(k, self.size))
            return ids, similarities
        k = min(k, int(np.count_nonzero(allowed)))
        if not k:
            return np.zeros((len(vectors), 0), dtype=np.int64), np.zeros((len(vectors), 0), dtype=np.float32)
        bits = np.packbits(allowed, bitorder="little")
        # The Python layer of faiss takes arrays and names that its types do not tell.
        only = faiss.SearchParameters(sel=faiss.IDSelectorBitmap(bits))  # type: ignore[call-arg,arg-type]
        similarities, ids = self._index.search(np.ascontiguousarray(vectors), k, params=only)
        return ids, similarities
