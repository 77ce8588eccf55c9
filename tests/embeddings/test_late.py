from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from embeddings.encoder import BUNDLED
from embeddings.late import LateInteraction, TokenEncoder
from embeddings.static import StaticEncoder


class WordVectors:
    """A few words: "nấm" is much like "đảng", "ngược" the opposite."""

    VECTORS: ClassVar[dict[str, list[float]]] = {
        "đảng": [1, 0, 0],
        "viên": [0, 1, 0],
        "chi": [0, 0, 1],
        "nấm": [0.8, 0.6, 0],
        "ngược": [-1, 0, 0],
    }
    WEIGHTS: ClassVar[dict[str, float]] = {"đảng": 3, "viên": 1, "chi": 2, "nấm": 1, "ngược": 1}

    def token_rows(self, texts: Sequence[str]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        words = list(self.VECTORS)
        rows = [[words.index(word) for word in text.split() if word in self.VECTORS] for text in texts]
        return np.asarray([row for text in rows for row in text], dtype=np.int32), np.asarray([len(r) for r in rows])

    def token_vectors(self, rows: NDArray[np.int32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        vectors = np.asarray(list(self.VECTORS.values()), dtype=np.float32)
        return vectors[rows], np.asarray(list(self.WEIGHTS.values()), dtype=np.float32)[rows]

    def token_similarities(self, rows: NDArray[np.int32], units: NDArray[np.float32]) -> NDArray[np.float32]:
        similar: NDArray[np.float32] = self.token_vectors(rows)[0] @ units.T
        return similar


TEXTS = ["đảng viên", "nấm", "", "zzz", "chi chi chi", "ngược"]


@pytest.fixture
def index() -> LateInteraction:
    return LateInteraction.build(WordVectors(), TEXTS)


def scores(index: LateInteraction, query: str, ids: Sequence[int] = range(len(TEXTS))) -> list[float]:
    found = index.scores(query, ids)
    assert found.dtype == np.float32
    return [round(float(score), 5) for score in found]


def test_each_word_of_the_query_finds_its_like(index: LateInteraction) -> None:
    assert scores(index, "đảng") == [1.0, 0.8, 0.0, 0.0, 0.0, -1.0]
    assert scores(index, "đảng viên", [0]) == [1.0]


def test_words_count_by_their_weight(index: LateInteraction) -> None:
    assert scores(index, "đảng chi", [0, 4]) == [3 / 5, 2 / 5]


def test_word_said_twice_in_a_text_counts_once_and_in_a_query_twice(index: LateInteraction) -> None:
    assert scores(index, "chi", [4]) == [1.0]
    assert scores(index, "đảng chi chi", [0]) == [round(3 / 7, 5)]


def test_order_of_words_does_not_matter(index: LateInteraction) -> None:
    assert scores(index, "viên đảng") == scores(index, "đảng viên")


@pytest.mark.parametrize("query", ["", "zzz", "  ?"])
def test_query_without_known_words_scores_nothing(index: LateInteraction, query: str) -> None:
    assert scores(index, query) == [0.0] * len(TEXTS)


def test_unknown_words_of_a_query_count_nothing(index: LateInteraction) -> None:
    assert scores(index, "đảng zzz qqq") == scores(index, "đảng")


def test_ids_may_come_in_any_order_and_twice(index: LateInteraction) -> None:
    assert scores(index, "đảng", [5, 2, 0, 5, 1]) == [-1.0, 0.0, 1.0, -1.0, 0.8]
    assert scores(index, "đảng", [2, 3]) == [0.0, 0.0]
    assert scores(index, "đảng", []) == []


def test_words_without_weight_score_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WordVectors, "WEIGHTS", dict.fromkeys(WordVectors.VECTORS, 0.0))
    assert scores(LateInteraction.build(WordVectors(), TEXTS), "đảng") == [0.0] * len(TEXTS)


def test_index_of_no_texts_or_of_texts_without_words_can_be_asked() -> None:
    assert scores(LateInteraction.build(WordVectors(), []), "đảng", []) == []
    assert scores(LateInteraction.build(WordVectors(), ["", "zzz"]), "đảng", [0, 1]) == [0.0, 0.0]


@pytest.mark.parametrize("batch", [1, 2, 100])
def test_size_of_the_batches_does_not_matter(batch: int) -> None:
    built = LateInteraction.build(WordVectors(), TEXTS, batch=batch)
    assert scores(built, "đảng viên") == scores(LateInteraction.build(WordVectors(), TEXTS), "đảng viên")


def test_saved_index_gives_the_same_scores(index: LateInteraction, tmp_path: Path) -> None:
    index.save(tmp_path)
    loaded = LateInteraction.load(WordVectors(), tmp_path)
    assert scores(loaded, "đảng viên chi") == scores(index, "đảng viên chi")


# --- with the bundled model -------------------------------------------------------------------------------------

SENTENCES = [
    "Người đứng đầu định kỳ tiếp và đối thoại với nhân dân.",
    "Nâng cao chất lượng công tác kiểm tra, giám sát, kỷ luật của tổ chức đảng.",
    "Thực hiện nghiêm việc miễn nhiệm, từ chức đối với cán bộ.",
]


@pytest.fixture(scope="module")
def bundled() -> TokenEncoder:
    return StaticEncoder(BUNDLED)


def test_text_is_all_of_itself(bundled: TokenEncoder) -> None:
    index = LateInteraction.build(bundled, SENTENCES)
    for number, sentence in enumerate(SENTENCES):
        own = index.scores(sentence, range(len(SENTENCES)))
        assert own[number] == pytest.approx(1, abs=1e-5)
        assert own.argmax() == number
        assert (np.abs(own) <= 1 + 1e-5).all()


def test_words_of_a_text_find_it_among_much_else(bundled: TokenEncoder) -> None:
    index = LateInteraction.build(bundled, SENTENCES)
    scored = index.scores("cho hỏi cán bộ miễn nhiệm", range(len(SENTENCES)))
    assert scored.argmax() == 2
