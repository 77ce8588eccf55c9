from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from embeddings.encoder import HashingEncoder, make_encoder
from embeddings.pieces import PieceIndex, split

LONG = "Nâng cao chất lượng kiểm tra, giám sát. " * 30
NEEDLE = "Người đứng đầu tiếp dân mỗi tháng một lần."


class Listening(HashingEncoder):
    """The hashing encoder, which remembers what it was asked to encode."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[str] = []

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.heard += texts
        return super().encode(texts)


def near(index: PieceIndex, query: str, ids: Sequence[int]) -> list[float]:
    found = index.similarities(HashingEncoder().encode([query])[0], ids)
    assert found.dtype == np.float32
    return [float(one) for one in found]


# --- cutting ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "Một.", "Một. Hai; ba", "Điều 5. Một hai ba."])
def test_short_text_is_one_piece(text: str) -> None:
    assert split(text) == [text]


def test_lines_of_a_short_text_are_joined() -> None:
    assert split("Một.\nHai.") == ["Một. Hai."]


def test_long_text_is_cut_where_sentences_end() -> None:
    pieces = split(LONG.strip())
    assert len(pieces) > 1
    assert " ".join(pieces) == LONG.strip()
    assert all(piece.endswith("giám sát.") for piece in pieces)
    assert all(200 < len(piece) < 400 for piece in pieces[:-1])


@pytest.mark.parametrize("end", [";", "\n", "."])
def test_clauses_and_lines_may_be_parted(end: str) -> None:
    part = "x" * 250
    assert len(split(f"{part}{end} {part}")) == 2


def test_point_within_a_number_is_no_end() -> None:
    number = f"{'x' * 200} 10.000.000 {'y' * 200}"
    assert split(number) == [number]


def test_sentence_without_an_end_stays_whole() -> None:
    assert split("x" * 2000) == ["x" * 2000]


def test_very_long_text_has_no_end_of_pieces() -> None:
    assert 10 <= len(split(LONG * 100)) <= 100


@given(st.lists(st.text("ab .;\n", max_size=200), max_size=10).map("".join))
def test_pieces_of_a_text_hold_its_words_in_order(text: str) -> None:
    assert " ".join(split(text)).split() == text.split()


# --- the index --------------------------------------------------------------------------------------------------


def test_text_is_as_near_as_its_nearest_piece() -> None:
    index = PieceIndex.build(HashingEncoder(), [("", f"{LONG}\n{NEEDLE} {LONG}"), ("", LONG)])
    whole = HashingEncoder().encode([f"{LONG}\n{NEEDLE} {LONG}"])[0] @ HashingEncoder().encode([NEEDLE])[0]
    with_needle, without = near(index, NEEDLE, [0, 1])
    assert with_needle > without
    assert with_needle > whole + 0.1


def test_single_piece_is_as_near_as_its_vector() -> None:
    encoder = make_encoder("bundled")
    index = PieceIndex.build(encoder, [("", NEEDLE)])
    assert index.similarities(encoder.encode([NEEDLE])[0], [0])[0] == pytest.approx(1, abs=0.002)
    other = encoder.encode([LONG])[0]
    assert index.similarities(other, [0])[0] == pytest.approx(float(encoder.encode([NEEDLE])[0] @ other), abs=0.002)


def test_each_piece_is_encoded_beneath_its_context() -> None:
    encoder = Listening()
    PieceIndex.build(encoder, [("Điều 5", LONG), ("", "Một."), ("Điều 6", "Hai.")])
    assert encoder.heard[-2:] == ["Một.", "Điều 6\nHai."]
    assert len(encoder.heard) > 3
    assert all(piece.startswith("Điều 5\n") for piece in encoder.heard[:-2])


def test_context_finds_a_text_that_does_not_name_it() -> None:
    index = PieceIndex.build(HashingEncoder(), [("Căn cứ miễn nhiệm", "Hai."), ("Từ chức", "Hai.")])
    first, second = near(index, "miễn nhiệm", [0, 1])
    assert first > second


def test_ids_may_come_in_any_order_and_twice() -> None:
    index = PieceIndex.build(HashingEncoder(), [("", LONG), ("", NEEDLE), ("", "Chi bộ.")])
    long, needle, branch = near(index, NEEDLE, [0, 1, 2])
    assert near(index, NEEDLE, [2, 1, 2, 0]) == pytest.approx([branch, needle, branch, long], abs=1e-6)
    assert near(index, NEEDLE, []) == []


def test_empty_text_is_near_to_nothing() -> None:
    index = PieceIndex.build(HashingEncoder(), [("", ""), ("", NEEDLE)])
    assert near(index, NEEDLE, [0]) == [0.0]


def test_index_of_no_texts_can_be_asked() -> None:
    assert near(PieceIndex.build(HashingEncoder(), []), NEEDLE, []) == []


@pytest.mark.parametrize("batch", [1, 2, 100])
def test_size_of_the_batches_does_not_matter(batch: int) -> None:
    texts = [("", LONG), ("Điều 5", NEEDLE), ("", ""), ("", f"{LONG}{NEEDLE}")]
    built = PieceIndex.build(HashingEncoder(), texts, batch=batch)
    whole = near(PieceIndex.build(HashingEncoder(), texts), NEEDLE, range(4))
    assert near(built, NEEDLE, range(4)) == pytest.approx(whole, abs=1e-6)


def test_saved_index_gives_the_same_similarities(tmp_path: Path) -> None:
    index = PieceIndex.build(HashingEncoder(), [("", LONG), ("Điều 5", NEEDLE)])
    index.save(tmp_path)
    assert near(PieceIndex.load(tmp_path), NEEDLE, [0, 1]) == near(index, NEEDLE, [0, 1])
