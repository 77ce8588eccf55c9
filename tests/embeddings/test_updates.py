"""An index that was updated equals one built anew, whatever was added, changed, removed or moved."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from embeddings.encoder import BUNDLED, HashingEncoder
from embeddings.index import VectorIndex
from embeddings.late import LateInteraction
from embeddings.pieces import PieceIndex
from embeddings.ragged import merge
from embeddings.static import StaticEncoder

TEXTS = [
    "Nâng cao chất lượng kiểm tra, giám sát.",
    "",
    "Người đứng đầu tiếp dân mỗi tháng một lần. " * 20,
    "Miễn nhiệm, từ chức đối với cán bộ.",
    "Đảng viên tự soi hằng tháng.",
    "không có chữ nào quen: zzzz",
    "Chi bộ họp hằng tháng; " * 40,
]
ENCODER = HashingEncoder(dim=64)


@dataclass(frozen=True)
class Change:
    """Texts before, and after: those that stay by their number before, -1 for a fresh one."""

    before: list[str]
    kept: NDArray[np.int64]
    fresh: list[str]

    @property
    def after(self) -> list[str]:
        fresh = iter(self.fresh)
        return [self.before[at] if at >= 0 else next(fresh) for at in self.kept.tolist()]


@st.composite
def changes(draw: st.DrawFn) -> Change:
    texts = st.lists(st.sampled_from(TEXTS), max_size=8)
    before, fresh = draw(texts), draw(texts)
    staying = draw(st.lists(st.sampled_from(range(len(before))), unique=True)) if before else []
    kept = draw(st.permutations([*staying, *[-1] * len(fresh)]))
    return Change(before, np.asarray(kept, dtype=np.int64), fresh)


@settings(max_examples=50, deadline=None)
@given(changes())
def test_rows_of_different_lengths_follow_their_texts(change: Change) -> None:
    def packed(texts: list[str]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        rows = np.asarray([ord(letter) for text in texts for letter in text], dtype=np.int32)
        return rows, np.cumsum([0, *map(len, texts)])

    rows, starts = merge(change.kept, packed(change.before), packed(change.fresh))
    expected, expected_starts = packed(change.after)
    np.testing.assert_array_equal(rows, expected)
    np.testing.assert_array_equal(starts, expected_starts)


@settings(max_examples=50, deadline=None)
@given(changes())
def test_vectors_follow_their_texts(change: Change) -> None:
    index = VectorIndex.build(ENCODER.encode(change.before))
    updated = index.updated(change.kept, ENCODER.encode(change.fresh))
    everything = list(range(len(change.after)))
    [query] = ENCODER.encode(["chi bộ kiểm tra"])
    np.testing.assert_array_equal(updated.similarities(query, everything), ENCODER.encode(change.after) @ query)
    assert index.size == len(change.before)


@settings(max_examples=50, deadline=None)
@given(changes())
def test_pieces_follow_their_texts(change: Change) -> None:
    def with_heading(texts: list[str]) -> list[tuple[str, str]]:
        return [("Tiêu đề", text) for text in texts]

    updated = PieceIndex.build(ENCODER, with_heading(change.before)).updated(
        change.kept, ENCODER, with_heading(change.fresh)
    )
    anew = PieceIndex.build(ENCODER, with_heading(change.after))
    [query] = ENCODER.encode(["chi bộ kiểm tra"])
    everything = list(range(len(change.after)))
    np.testing.assert_array_equal(updated.similarities(query, everything), anew.similarities(query, everything))


@pytest.fixture(scope="module")
def bundled() -> StaticEncoder:
    return StaticEncoder(BUNDLED)


@settings(max_examples=50, deadline=None)
@given(change=changes())
def test_features_follow_their_texts(bundled: StaticEncoder, change: Change) -> None:
    fresh = LateInteraction.build(bundled, change.fresh)
    updated = LateInteraction.build(bundled, change.before).updated(change.kept, fresh)
    anew = LateInteraction.build(bundled, change.after)
    everything = list(range(len(change.after)))
    np.testing.assert_array_equal(
        updated.scores("chi bộ kiểm tra", everything), anew.scores("chi bộ kiểm tra", everything)
    )


def test_a_feature_that_stands_twice_in_a_text_counts_once(bundled: StaticEncoder) -> None:
    once, twice = "kiểm tra", "kiểm tra kiểm tra"
    index = LateInteraction.build(bundled, [once, twice])
    assert index.scores("kiểm tra", [0]) == pytest.approx(index.scores("kiểm tra", [1]))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=40), st.integers(1, 50))
def test_only_what_is_allowed_is_found(allowed: list[bool], k: int) -> None:
    rng = np.random.default_rng(len(allowed))
    vectors = rng.normal(size=(len(allowed), 8)).astype(np.float32)
    query = rng.normal(size=(1, 8)).astype(np.float32)
    ids, similarities = VectorIndex.build(vectors).search(query, k=k, allowed=np.asarray(allowed))
    similar = (vectors @ query[0]).tolist()
    expected = sorted((at for at, one in enumerate(allowed) if one), key=lambda at: -similar[at])[:k]
    assert ids[0].tolist() == expected
    np.testing.assert_allclose(similarities[0], [similar[at] for at in expected], rtol=1e-5, atol=1e-6)
