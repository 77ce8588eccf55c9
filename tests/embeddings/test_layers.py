"""What is shared by versions and what is one's own, over many changes, each of them small."""

import random
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from embeddings.encoder import BUNDLED, HashingEncoder, unit
from embeddings.index import VectorIndex
from embeddings.late import LateInteraction
from embeddings.layers import Layers
from embeddings.pieces import PieceIndex
from embeddings.ragged import Ragged
from embeddings.static import StaticEncoder


def numbers(*given: int) -> NDArray[np.int64]:
    return np.asarray(given, dtype=np.int64)


def test_fresh_texts_stand_in_the_own_part_and_those_that_go_leave_their_slot() -> None:
    layers, from_own = Layers.plain(6).updated(numbers(0, 1, -1, 3, 4, 5))
    assert (layers.slots.tolist(), from_own.tolist()) == ([0, 1, 6, 3, 4, 5], [-1])
    layers, from_own = layers.updated(numbers(-1, 1, 2, 5))
    assert (layers.slots.tolist(), from_own.tolist()) == ([6, 1, 7, 5], [-1, 0])
    assert layers.joined.tolist() == [-1, 1, -1, 5]
    assert layers.texts(2).tolist() == [-1, 1, -1, -1, -1, 3, 0, 2]


@pytest.mark.parametrize(
    ("kept", "is_plain", "is_outgrown"),
    [
        ([0, 1, 2, 3, 4, 5, 6, 7], True, False),
        ([1, 0, 2, 3, 4, 5, 6, 7], False, False),
        ([0, 1, 2, 3, 4, 5, 6], False, False),
        ([0, 1, 2, 3, 4, 5, 6, 7, -1, -1], False, False),
        ([0, 1, 2, 3, 4, 5, 6, 7, -1, -1, -1], False, True),
        ([0, 1, 2], False, True),
        ([], False, True),
    ],
)
def test_both_parts_become_one_where_much_is_new_or_gone(kept: list[int], is_plain: bool, is_outgrown: bool) -> None:
    layers, _ = Layers.plain(8).updated(numbers(*kept))
    assert (layers.is_plain, layers.is_outgrown) == (is_plain, is_outgrown)


def changes(seed: int, size: int, steps: int) -> list[tuple[NDArray[np.int64], list[int]]]:
    """Return changes one after the other, each with the texts that there are then, every text being a number."""
    chance, held, following, found = random.Random(seed), list(range(size)), size, []
    for _ in range(steps):
        kept = [at for at in range(len(held)) if chance.random() > 0.05]
        for _ in range(chance.randrange(3)):
            kept.insert(chance.randrange(len(kept) + 1), -1)
        fresh = iter(range(following, following + len(kept)))
        held = [held[at] if at >= 0 else next(fresh) for at in kept]
        following = max([following, *(text + 1 for text in held)])
        found.append((numbers(*kept), held))
    return found


def fresh_of(kept: NDArray[np.int64], held: list[int]) -> list[int]:
    return [text for text, at in zip(held, kept.tolist(), strict=True) if at < 0]


@pytest.mark.parametrize("seed", range(4))
def test_rows_are_those_of_their_texts_after_each_change(seed: int) -> None:
    def packed(texts: list[int]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        rows = [np.full(text % 4, text, dtype=np.int32) for text in texts]
        return np.concatenate([np.zeros(0, dtype=np.int32), *rows]), np.cumsum([0, *map(len, rows)])

    first = rows = Ragged(*packed(list(range(40))))
    for kept, held in changes(seed, 40, 15):
        rows = rows.updated(kept, packed(fresh_of(kept, held)))
        some = np.arange(len(held))[::-2]
        np.testing.assert_array_equal(rows.of(some), packed([held[at] for at in some])[0])
        np.testing.assert_array_equal(rows.lengths(some), [held[at] % 4 for at in some])
        for own, expected in zip(rows.packed(), packed(held), strict=True):
            np.testing.assert_array_equal(own, expected)
    assert rows.of(numbers()).tolist() == []
    np.testing.assert_array_equal(first.packed()[0], packed(list(range(40)))[0])


@pytest.mark.parametrize("seed", range(4))
def test_nearest_vectors_are_those_of_an_index_built_anew(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = unit(rng.normal(size=(120, 16)).astype(np.float32))
    queries = unit(rng.normal(size=(3, 16)).astype(np.float32))
    index = VectorIndex.build(vectors[:40])
    for kept, held in changes(seed, 40, 15):
        index = index.updated(kept, vectors[fresh_of(kept, held)])
        anew = VectorIndex.build(vectors[held])
        allowed = rng.random(len(held)) < 0.5
        for k in (1, 5, 200):
            for only in (None, allowed):
                for own, expected in zip(
                    index.search(queries, k=k, allowed=only), anew.search(queries, k=k, allowed=only), strict=True
                ):
                    np.testing.assert_array_equal(own, expected)
        some = list(range(len(held)))[::-3]
        np.testing.assert_array_equal(index.similarities(queries[0], some), anew.similarities(queries[0], some))
        assert index.size == len(held)
    index.save(tmp_path / "vectors.faiss")
    loaded = VectorIndex.load(tmp_path / "vectors.faiss")
    np.testing.assert_array_equal(loaded.search(queries, k=9)[0], index.search(queries, k=9)[0])


def test_saved_pieces_and_features_of_an_updated_index_are_whole(tmp_path: Path) -> None:
    encoder, bundled = HashingEncoder(dim=32), StaticEncoder(BUNDLED)
    texts = [f"Chi bộ kiểm tra lần {number}; " * 30 for number in range(12)]
    kept, fresh = numbers(0, 1, 2, -1, 4, 5, 6, 7, 8, 9, 11), ["Đảng viên tự soi."]
    after = [texts[at] if at >= 0 else fresh[0] for at in kept.tolist()]
    everything = list(range(len(after)))

    pieces = PieceIndex.build(encoder, [("", text) for text in texts]).updated(kept, encoder, [("", fresh[0])])
    pieces.save(tmp_path)
    [query] = encoder.encode(["kiểm tra"])
    expected = PieceIndex.build(encoder, [("", text) for text in after]).similarities(query, everything)
    np.testing.assert_array_equal(PieceIndex.load(tmp_path).similarities(query, everything), expected)

    late = LateInteraction.build(bundled, texts).updated(kept, LateInteraction.build(bundled, fresh))
    late.save(tmp_path)
    np.testing.assert_array_equal(
        LateInteraction.load(bundled, tmp_path).scores("kiểm tra", everything),
        LateInteraction.build(bundled, after).scores("kiểm tra", everything),
    )
