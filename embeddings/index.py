"""VectorIndex over faiss."""

from collections.abc import Sequence
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

from embeddings.layers import Layers


class VectorIndex:
    """Exact search by inner product over n vectors of unit norm."""

    def __init__(self, index: faiss.Index, own: faiss.Index | None = None, layers: Layers | None = None) -> None:
        """Take vectors; own and layers where not all of them stand in one index, and which is where."""
        self._shared = index
        self._own = _flat(np.zeros((0, index.d), dtype=np.float32)) if own is None else own
        self._layers = Layers.plain(index.ntotal) if layers is None else layers
        self._is_plain = self._layers.is_plain

    @classmethod
    def build(cls, vectors: NDArray[np.float32]) -> "VectorIndex":
        """Index vectors [n, dim]; ids are row numbers."""
        return cls(_flat(vectors))

    def updated(self, kept: NDArray[np.int64], fresh: NDArray[np.float32]) -> "VectorIndex":
        """Return the index of n vectors of which some are in this one, which stays as it is.

        Args:
            kept: [n], for each vector its id in this index; -1 for the next of the fresh ones.
            fresh: [new, dim].
        """
        layers, from_own = self._layers.updated(kept)
        own = _flat(_joined(from_own, self._own, fresh))
        if layers.is_outgrown:
            return VectorIndex.build(_joined(layers.joined, self._shared, _all(own)))
        return VectorIndex(self._shared, own, layers)

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
        index = self._shared if self._is_plain else _flat(self._vectors(np.arange(self.size)))
        path.write_bytes(faiss.serialize_index(index).tobytes())

    def similarities(self, vector: NDArray[np.float32], ids: Sequence[int]) -> NDArray[np.float32]:
        """Return the inner products of one query vector [dim] with some of the vectors, [len(ids)]."""
        if not ids:
            return np.zeros(0, dtype=np.float32)
        return self._vectors(np.asarray(ids, dtype=np.int64)) @ vector

    def _vectors(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        return _joined(self._layers.joined[ids], self._shared, _rows(self._own, self._own_of(ids)))

    def _own_of(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return where those of some vectors that stand in the own part do."""
        slots = self._layers.slots[ids]
        return slots[slots >= self._layers.shared] - self._layers.shared

    @property
    def size(self) -> int:
        """Number of vectors."""
        return len(self._layers.slots)

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return int(self._shared.d)

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
        queries = np.ascontiguousarray(vectors)
        if self._is_plain:
            return _search(self._shared, queries, k, allowed)
        allowed = np.ones(self.size, dtype=bool) if allowed is None else allowed
        texts = self._layers.texts(self._own.ntotal)
        may = (texts >= 0) & allowed[texts]
        found = [
            _search(part, queries, k, may[first : first + part.ntotal])
            for part, first in ((self._shared, 0), (self._own, self._layers.shared))
        ]
        ids = texts[np.concatenate([found[0][0], found[1][0] + self._layers.shared], axis=1)]
        similarities = np.concatenate([found[0][1], found[1][1]], axis=1)
        order = np.lexsort((ids, -similarities), axis=1)[:, :k]
        return np.take_along_axis(ids, order, axis=1), np.take_along_axis(similarities, order, axis=1)


def _search(
    index: faiss.Index, queries: NDArray[np.float32], k: int, allowed: NDArray[np.bool_] | None
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the same of one index of faiss; see VectorIndex.search."""
    if allowed is None or allowed.all():
        k = min(k, index.ntotal)
        only = None
    else:
        k = min(k, int(np.count_nonzero(allowed)))
        bits = np.packbits(allowed, bitorder="little")
        # The Python layer of faiss takes arrays and names that its types do not tell.
        only = faiss.SearchParameters(sel=faiss.IDSelectorBitmap(bits))  # type: ignore[call-arg,arg-type]
    if not k:
        return np.zeros((len(queries), 0), dtype=np.int64), np.zeros((len(queries), 0), dtype=np.float32)
    similarities, ids = index.search(queries, k, params=only)
    return ids, similarities


def _flat(vectors: NDArray[np.float32]) -> faiss.Index:
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(np.ascontiguousarray(vectors))
    return index


def _all(index: faiss.Index) -> NDArray[np.float32]:
    return _rows(index, np.arange(index.ntotal))


def _rows(index: faiss.Index, ids: NDArray[np.int64]) -> NDArray[np.float32]:
    if not len(ids):
        return np.zeros((0, index.d), dtype=np.float32)
    found: NDArray[np.float32] = index.reconstruct_batch(ids)
    return found


def _joined(kept: NDArray[np.int64], index: faiss.Index, fresh: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return vectors of which some stand in an index; see VectorIndex.updated."""
    is_fresh = kept < 0
    if not is_fresh.any():
        return _rows(index, kept)
    found = np.empty((len(kept), index.d), dtype=np.float32)
    found[is_fresh] = fresh
    found[~is_fresh] = _rows(index, kept[~is_fresh])
    return found
