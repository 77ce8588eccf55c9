from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from embeddings.encoder import unit
from embeddings.index import VectorIndex


def some_vectors(count: int, dim: int = 16, seed: int = 3) -> NDArray[np.float32]:
    return unit(np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32))


@pytest.mark.parametrize("k", [1, 7, 200])
def test_search_agrees_with_looking_at_every_vector(k: int) -> None:
    vectors, queries = some_vectors(200), some_vectors(20, seed=4)
    ids, similarities = VectorIndex.build(vectors).search(queries, k=k)
    everything = queries @ vectors.T
    expected = np.argsort(-everything, axis=1)[:, :k]
    np.testing.assert_array_equal(ids, expected)
    np.testing.assert_allclose(similarities, np.take_along_axis(everything, expected, axis=1), atol=1e-6)


def test_a_vector_is_nearest_to_itself() -> None:
    vectors = some_vectors(50)
    ids, similarities = VectorIndex.build(vectors).search(vectors, k=1)
    assert ids[:, 0].tolist() == list(range(50))
    np.testing.assert_allclose(similarities, 1, atol=1e-5)


def test_k_is_cut_to_the_size_of_the_index() -> None:
    index = VectorIndex.build(some_vectors(3))
    ids, similarities = index.search(some_vectors(2, seed=9), k=10)
    assert ids.shape == similarities.shape == (2, 3)
    assert (index.size, index.dim) == (3, 16)


def test_rows_that_are_not_contiguous_are_indexed_all_the_same() -> None:
    wide = some_vectors(10, dim=32)
    ids, _ = VectorIndex.build(wide[:, ::2]).search(wide[:, ::2], k=10)
    expected = np.argsort(-(wide[:, ::2] @ wide[:, ::2].T), axis=1)
    np.testing.assert_array_equal(ids, expected)


@pytest.mark.parametrize("dim", [8, 17])
def test_query_of_another_length_is_refused_with_both_lengths(dim: int) -> None:
    with pytest.raises(ValueError, match=rf"index holds 16-dim vectors, the query has {dim}: build it again"):
        VectorIndex.build(some_vectors(3)).search(some_vectors(1, dim=dim), k=1)


def test_saved_index_finds_the_same(tmp_path: Path) -> None:
    index, queries = VectorIndex.build(some_vectors(40)), some_vectors(5, seed=8)
    index.save(tmp_path / "vectors.faiss")
    loaded = VectorIndex.load(tmp_path / "vectors.faiss")
    assert (loaded.size, loaded.dim) == (40, 16)
    for before, after in zip(index.search(queries, k=6), loaded.search(queries, k=6), strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("content", [b"", b"no index of faiss"])
def test_file_that_is_no_index_is_an_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "vectors.faiss"
    path.write_bytes(content)
    with pytest.raises(RuntimeError):
        VectorIndex.load(path)


def test_index_of_no_vectors_is_empty() -> None:
    index = VectorIndex.build(np.zeros((0, 16), dtype=np.float32))
    assert (index.size, index.dim) == (0, 16)
