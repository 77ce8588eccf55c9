import json
import subprocess
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from numpy.typing import NDArray

from embeddings import static
from embeddings.encoder import BUNDLED, unit
from embeddings.static import StaticEncoder, StaticTokenizer, normal_words, quantise, unpack
from embeddings.train import save

ROOT = Path(__file__).parents[2]
VOCABULARY = ["đang3", "viên", "chi", "bô5", "đang3 viên", "chi bô5", "viên chi"]
MEMBER, BRANCH = VOCABULARY.index("đang3 viên"), VOCABULARY.index("chi bô5")
# Long and short, known and unknown, with and without words.
TEXTS = ["Đảng viên chi bộ.", "", "đảng", "zzz", "đảng viên zzz chi bộ", "?! 😀", "chi bộ " * 400]


@pytest.fixture(scope="module")
def vectors() -> NDArray[np.float32]:
    return np.random.default_rng(7).normal(size=(len(VOCABULARY), 64)).astype(np.float32)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, vectors: NDArray[np.float32]) -> StaticEncoder:
    folder = tmp_path_factory.mktemp("models") / "small"
    save(folder, VOCABULARY, vectors)
    return StaticEncoder(folder)


@pytest.fixture(scope="module")
def bundled() -> StaticEncoder:
    return StaticEncoder(BUNDLED)


# --- four bits --------------------------------------------------------------------------------------------------


@given(
    st_numpy.arrays(
        np.float32,
        st.tuples(st.integers(0, 6), st.integers(1, 8).map(lambda half: 2 * half)),
        elements=st.floats(-100, 100, width=32),
    )
)
def test_number_comes_back_within_half_a_step(vectors: NDArray[np.float32]) -> None:
    packed, scales = quantise(vectors)
    assert packed.shape == (len(vectors), vectors.shape[1] // 2)
    assert packed.dtype == np.uint8
    assert scales.dtype == np.float16
    error = np.abs(unpack(packed, scales) - vectors)
    # Steps below 0.0001 are kept with fewer digits than others.
    assert (error <= 0.501 * np.maximum(scales.astype(np.float32), 1e-4)[:, None]).all()


def test_steps_follow_the_largest_number_of_each_row() -> None:
    vectors = np.array([[7, -3, 1, 0], [0.07, -0.03, 0.01, 0]], dtype=np.float32)
    packed, scales = quantise(vectors)
    np.testing.assert_allclose(scales, [1, 0.01], rtol=1e-3)
    np.testing.assert_allclose(unpack(packed, scales), vectors, rtol=1e-3)


def test_row_of_zeros_comes_back_as_zeros() -> None:
    packed, scales = quantise(np.array([[0, 0], [1, -1]], dtype=np.float32))
    assert unpack(packed, scales)[0].tolist() == [0, 0]


def test_no_rows_come_back_as_no_rows() -> None:
    assert unpack(*quantise(np.zeros((0, 6), dtype=np.float32))).shape == (0, 6)


def test_odd_dim_is_refused() -> None:
    with pytest.raises(ValueError, match="dim must be even, not 3"):
        quantise(np.zeros((2, 3), dtype=np.float32))


# --- words and pairs --------------------------------------------------------------------------------------------


def rows_by_text(texts: list[str], vocabulary: list[str] = VOCABULARY) -> list[list[str]]:
    """The features of each text, as the vocabulary writes them."""
    rows, counts = StaticTokenizer(vocabulary).rows(texts)
    ends = np.cumsum(counts)
    return [[vocabulary[row] for row in rows[end - n : end]] for end, n in zip(ends, counts, strict=True)]


def test_text_is_its_words_and_the_pairs_that_the_vocabulary_holds() -> None:
    assert rows_by_text(["Đảng viên, chi bộ"]) == [
        ["đang3", "đang3 viên", "viên", "viên chi", "chi", "chi bô5", "bô5"],
    ]
    assert rows_by_text(["bộ chi viên"]) == [["bô5", "chi", "viên"]]


def test_texts_of_no_and_of_one_word_have_no_pairs() -> None:
    assert rows_by_text(["", "đảng", "?!", "chi"]) == [[], ["đang3"], [], ["chi"]]


@pytest.mark.parametrize(
    "texts", [["đảng", "viên"], ["đảng", "", "viên"], ["", "đảng", "viên", ""], ["chi bộ đảng", "viên"]]
)
def test_no_pair_reaches_over_the_end_of_a_text(texts: list[str]) -> None:
    assert "đang3 viên" not in {feature for text in rows_by_text(texts) for feature in text}


def test_unknown_word_is_left_out_and_parts_its_neighbours() -> None:
    assert rows_by_text(["đảng zzz viên zzz"]) == [["đang3", "viên"]]
    assert StaticTokenizer(VOCABULARY).word_ids("đảng zzz viên") == [0, -1, 1]


@given(st.lists(st.lists(st.sampled_from(["đảng", "viên", "chi", "bộ", "zzz"])).map(" ".join), max_size=6))
def test_texts_have_the_same_features_alone_and_among_others(texts: list[str]) -> None:
    assert rows_by_text(texts) == [features for text in texts for features in rows_by_text([text])]


def test_no_texts_have_no_rows() -> None:
    rows, counts = StaticTokenizer(VOCABULARY).rows([])
    assert (len(rows), len(counts)) == (0, 0)


def test_vocabulary_without_pairs_or_without_words_is_allowed() -> None:
    assert rows_by_text(["a b"], ["b", "a"]) == [["a", "b"]]
    assert rows_by_text(["a b"], []) == [[]]


@pytest.mark.parametrize("pair", ["đang3 zzz", "zzz viên", "đảng viên"])
def test_pair_of_an_unknown_word_is_refused(pair: str) -> None:
    with pytest.raises(ValueError, match=f"vocabulary: '{pair}' is no pair of known words"):
        StaticTokenizer([*VOCABULARY, pair])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hoà hòa HÒA", ["hoa2", "hoa2", "hoa2"]),
        (unicodedata.normalize("NFD", "Nghị quyết"), ["nghi5", "quyêt1"]),
        ("37-QĐ/TW", ["37", "qđ", "tw"]),
        ("", []),
    ],
)
def test_words_are_small_with_the_tone_last(text: str, words: list[str]) -> None:
    assert normal_words(text) == words


def test_very_long_text_is_cut() -> None:
    assert len(StaticTokenizer(VOCABULARY).word_ids("chi " * 5000)) < 5000
    assert StaticTokenizer(VOCABULARY).word_ids("chi bộ đảng", most=2) == [2, 3]


# --- the encoder ------------------------------------------------------------------------------------------------


def test_vector_of_a_text_is_the_sum_of_its_features(small: StaticEncoder, vectors: NDArray[np.float32]) -> None:
    # Four bits keep the direction, not every digit.
    summed = unit(vectors[[0, MEMBER, 1]].sum(axis=0, keepdims=True))[0]
    assert small.encode(["đảng viên"])[0] @ summed > 0.99


def test_saved_vectors_are_as_they_were_but_for_rounding(small: StaticEncoder, vectors: NDArray[np.float32]) -> None:
    units, lengths = small.token_vectors(np.arange(len(VOCABULARY), dtype=np.int32))
    norms = np.linalg.norm(vectors, axis=1)
    assert ((units * vectors).sum(axis=1) / norms > 0.99).all()
    np.testing.assert_allclose(lengths, norms, rtol=0.05)


def test_saved_folder_says_how_it_is_read(tmp_path: Path, vectors: NDArray[np.float32]) -> None:
    save(tmp_path / "model", VOCABULARY, vectors)
    save(tmp_path / "again", VOCABULARY, vectors)
    save(tmp_path / "other", VOCABULARY, -vectors)
    save(tmp_path / "words", [*VOCABULARY[:2], "ban", *VOCABULARY[3:5]], vectors[:5])
    assert json.loads((tmp_path / "model" / "config.json").read_text(encoding="utf-8"))["dim"] == 64
    first, again, other, words = (
        StaticEncoder(tmp_path / name).fingerprint for name in ("model", "again", "other", "words")
    )
    assert first == again
    assert len({first, other, words}) == 3


@pytest.fixture(params=["small", "bundled"])
def encoder(request: pytest.FixtureRequest) -> StaticEncoder:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, StaticEncoder)
    return found


def test_vector_is_of_unit_norm_or_zeros(encoder: StaticEncoder) -> None:
    texts = [text for text in TEXTS if text != "zzz"]
    encoded = encoder.encode(texts)
    assert encoded.shape == (len(texts), encoder.dim)
    assert encoded.dtype == np.float32
    lengths = [0 if text in ("", "?! 😀") else 1 for text in texts]
    np.testing.assert_allclose(np.linalg.norm(encoded, axis=1), lengths, atol=1e-5)


def test_text_without_known_words_is_a_row_of_zeros(small: StaticEncoder) -> None:
    assert not small.encode(["", "zzz", "?! 😀", "zzz qqq"]).any()


def test_text_has_the_same_vector_in_a_batch_as_alone(encoder: StaticEncoder) -> None:
    texts = TEXTS * 4
    alone = np.concatenate([encoder.encode([text]) for text in texts])
    np.testing.assert_allclose(encoder.encode(texts), alone, atol=1e-6)
    np.testing.assert_allclose(encoder.encode(texts[::-1])[::-1], alone, atol=1e-6)


def test_batch_of_empty_texts_around_long_ones_keeps_its_order(small: StaticEncoder) -> None:
    long = "đảng viên chi bộ " * 250
    encoded = small.encode(["", long, long, "", "", "đảng", long, ""])
    assert [bool(row.any()) for row in encoded] == [False, True, True, False, False, True, True, False]
    np.testing.assert_allclose(encoded[5], small.encode(["đảng"])[0], atol=1e-6)
    np.testing.assert_allclose(encoded[6], small.encode([long])[0], atol=1e-6)


def test_texts_given_by_their_rows_have_the_same_vectors(encoder: StaticEncoder) -> None:
    np.testing.assert_array_equal(encoder.encode_rows(*encoder.token_rows(TEXTS)), encoder.encode(TEXTS))


def test_queries_are_encoded_like_passages(encoder: StaticEncoder) -> None:
    np.testing.assert_array_equal(encoder.encode_queries(TEXTS), encoder.encode(TEXTS))


def test_similarities_of_tokens_are_the_cosines_of_their_vectors(encoder: StaticEncoder) -> None:
    rows, _ = encoder.token_rows(["đảng viên chi bộ"])
    units, _ = encoder.token_vectors(rows)
    np.testing.assert_allclose(encoder.token_similarities(rows, units[:2]), units @ units[:2].T, atol=1e-5)
    assert encoder.token_similarities(rows[:0], units).shape == (0, len(rows))


def test_similarities_are_the_same_to_the_bit_whatever_was_compared_before(
    bundled: StaticEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(static, "_MOST_KEPT", 500)
    chance, encoder = np.random.default_rng(3), StaticEncoder(BUNDLED)
    units, _ = bundled.token_vectors(np.arange(20, dtype=np.int32))
    for size in (30, 400, 0, 1, 200, 900, 30):
        some = np.sort(chance.choice(2000, size, replace=False)).astype(np.int32)
        for _ in range(2):
            found = encoder.token_similarities(some, units)
            np.testing.assert_array_equal(found, bundled.token_vectors(some)[0] @ units.T)


def test_tokens_are_of_unit_length_and_weigh_what_they_add(encoder: StaticEncoder) -> None:
    rows, counts = encoder.token_rows(["đảng viên chi bộ"])
    units, lengths = encoder.token_vectors(rows)
    assert counts.tolist() == [len(rows)]
    np.testing.assert_allclose(np.linalg.norm(units, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(
        unit((units * lengths[:, None]).sum(axis=0, keepdims=True)), encoder.encode(["đảng viên chi bộ"]), atol=1e-5
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("hoà giải ở cơ sở", "hòa giải ở cơ sở"),
        ("cấp uỷ", "cấp ủy"),
        ("Kiểm tra, giám sát", unicodedata.normalize("NFD", "Kiểm tra, giám sát")),
        ("ĐẢNG VIÊN", "đảng viên"),
        ("đảng  viên?", "đảng viên"),
    ],
)
def test_way_of_writing_does_not_matter(bundled: StaticEncoder, one: str, other: str) -> None:
    first, second = bundled.encode([one, other])
    assert first.any()
    np.testing.assert_array_equal(first, second)


def test_other_accents_are_other_words(bundled: StaticEncoder) -> None:
    first, second = bundled.encode(["cảm ơn", "cấm ơn"])
    assert first @ second < 0.99


def test_bundled_rows_fit_their_vocabulary() -> None:
    size = len((BUNDLED / "vocab.txt").read_text(encoding="utf-8").split("\n"))
    config = json.loads((BUNDLED / "config.json").read_text(encoding="utf-8"))
    assert np.load(BUNDLED / "vectors.npy", mmap_mode="r").shape == (size, config["dim"] // 2)
    assert np.load(BUNDLED / "scales.npy").shape == (size,)


def test_no_bundled_row_is_empty_or_broken() -> None:
    scales = np.load(BUNDLED / "scales.npy")
    assert np.isfinite(scales).all()
    assert (scales > 0).all()


def test_bundled_model_fits_the_repository() -> None:
    assert sum(path.stat().st_size for path in BUNDLED.iterdir()) <= 24_000_000


def test_torch_is_never_loaded() -> None:
    code = (
        "import sys; from embeddings.encoder import make_encoder; make_encoder('bundled').encode(['đảng']);"
        "print(sorted({'torch', 'sentence_transformers', 'transformers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
