import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from embeddings.encoder import (
    BUNDLED,
    Encoder,
    EncoderError,
    HashingEncoder,
    SentenceTransformerEncoder,
    make_encoder,
    unit,
)
from embeddings.static import StaticEncoder

ROOT = Path(__file__).parents[2]
WORDS = "[UNK] query : passage đảng viên chi bộ kiểm tra giám sát miễn nhiệm".split()
TEXTS = ["Đảng viên kiểm tra.", "đảng viên", "chi bộ giám sát miễn nhiệm", "chi bộ"]


def save_model(folder: Path, prompts: dict[str, str] | None = None) -> Path:
    """A model of one random vector a word, as sentence-transformers saves it."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer, models, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    weights = np.random.default_rng(7).normal(size=(len(WORDS), 12)).astype(np.float32)
    model = SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_weights=weights)], prompts=prompts)
    model.save(str(folder))
    return folder


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("models") / "plain")


@pytest.fixture(scope="module")
def prompted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("models") / "prompted", {"query": "query : ", "document": "passage : "})


@pytest.fixture(scope="module", params=["bundled", "hashing", "sentence-transformers"])
def encoder(request: pytest.FixtureRequest, plain: Path) -> Encoder:
    return make_encoder(str(plain) if request.param == "sentence-transformers" else request.param, batch_size=2)


BOTH: list[Callable[[Encoder, Sequence[str]], NDArray[np.float32]]] = [
    lambda encoder, texts: encoder.encode(texts),
    lambda encoder, texts: encoder.encode_queries(texts),
]
passages_and_queries = pytest.mark.parametrize("encode", BOTH, ids=["passages", "queries"])


# --- every encoder ----------------------------------------------------------------------------------------------


@passages_and_queries
def test_one_float32_row_of_unit_norm_for_each_text(
    encoder: Encoder, encode: Callable[[Encoder, Sequence[str]], NDArray[np.float32]]
) -> None:
    vectors = encode(encoder, TEXTS)
    assert vectors.shape == (len(TEXTS), encoder.dim)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


@passages_and_queries
def test_no_texts_give_no_rows(
    encoder: Encoder, encode: Callable[[Encoder, Sequence[str]], NDArray[np.float32]]
) -> None:
    vectors = encode(encoder, [])
    assert vectors.shape == (0, encoder.dim)
    assert vectors.dtype == np.float32


@passages_and_queries
def test_a_text_has_the_same_vector_alone_and_among_others(
    encoder: Encoder, encode: Callable[[Encoder, Sequence[str]], NDArray[np.float32]]
) -> None:
    together = encode(encoder, TEXTS)
    for row, text in enumerate(TEXTS):
        np.testing.assert_allclose(encode(encoder, [text])[0], together[row], atol=1e-6)
    np.testing.assert_array_equal(encode(encoder, TEXTS), together)


def test_different_texts_have_different_vectors(encoder: Encoder) -> None:
    vectors = encoder.encode(TEXTS)
    similarities = vectors @ vectors.T
    assert (similarities[~np.eye(len(TEXTS), dtype=bool)] < 0.99).all()


def test_text_that_shares_words_is_nearer(encoder: Encoder) -> None:
    query = encoder.encode_queries(["đảng viên kiểm tra"])[0]
    both, one, none, _ = encoder.encode(TEXTS) @ query
    assert min(both, one) > none


@pytest.mark.parametrize("text", ["", "   ", "?!", "😀", "x" * 50_000])
def test_odd_text_has_a_finite_vector(encoder: Encoder, text: str) -> None:
    vector = encoder.encode([text])
    assert vector.shape == (1, encoder.dim)
    assert np.isfinite(vector).all()
    assert np.linalg.norm(vector) <= 1 + 1e-5


def test_a_fresh_encoder_gives_the_same_fingerprint_and_vectors(encoder: Encoder, plain: Path) -> None:
    names = {HashingEncoder: "hashing", StaticEncoder: "bundled"}
    again = make_encoder(names.get(type(encoder), str(plain)))
    assert again.fingerprint == encoder.fingerprint
    np.testing.assert_allclose(again.encode(TEXTS), encoder.encode(TEXTS), atol=1e-6)


# --- the bundled one --------------------------------------------------------------------------------------------


def test_bundled_encoder_sees_no_accents_and_forgives_a_slip() -> None:
    right, bare, slip, other = HashingEncoder().encode(["tuyên truyền", "tuyen truyen", "tuyên truyềnn", "giám sát"])
    np.testing.assert_array_equal(right, bare)
    assert right @ slip > 0.5 > right @ other


def test_bundled_encoder_of_another_length_has_another_fingerprint() -> None:
    assert HashingEncoder(64).fingerprint != HashingEncoder(128).fingerprint
    assert HashingEncoder(64).encode(["đảng"]).shape == (1, 64)


def test_text_without_words_is_a_row_of_zeros() -> None:
    assert not HashingEncoder().encode(["?!"]).any()


def test_unit_leaves_zeros_and_scales_the_rest() -> None:
    scaled = unit(np.array([[3, 4], [0, 0]], dtype=np.float32))
    np.testing.assert_allclose(scaled, np.array([[0.6, 0.8], [0, 0]], dtype=np.float32))


# --- models -----------------------------------------------------------------------------------------------------


def test_model_without_prompts_encodes_queries_like_passages(plain: Path) -> None:
    encoder = SentenceTransformerEncoder(str(plain))
    np.testing.assert_allclose(encoder.encode_queries(TEXTS), encoder.encode(TEXTS), atol=1e-6)


def test_configured_prompts_stand_before_the_text(plain: Path) -> None:
    bare = SentenceTransformerEncoder(str(plain))
    encoder = SentenceTransformerEncoder(str(plain), query_prompt="query : ", passage_prompt="passage : ")
    np.testing.assert_allclose(encoder.encode_queries(["chi bộ"]), bare.encode(["query : chi bộ"]), atol=1e-6)
    np.testing.assert_allclose(encoder.encode(["chi bộ"]), bare.encode(["passage : chi bộ"]), atol=1e-6)
    assert not np.allclose(encoder.encode(["chi bộ"]), bare.encode(["chi bộ"]), atol=1e-3)


def test_models_own_prompts_are_used_where_none_is_configured(plain: Path, prompted: Path) -> None:
    bare, encoder = SentenceTransformerEncoder(str(plain)), SentenceTransformerEncoder(str(prompted))
    np.testing.assert_allclose(encoder.encode_queries(["chi bộ"]), bare.encode(["query : chi bộ"]), atol=1e-6)
    np.testing.assert_allclose(encoder.encode(["chi bộ"]), bare.encode(["passage : chi bộ"]), atol=1e-6)


def test_configured_prompt_wins_over_the_models_own(plain: Path, prompted: Path) -> None:
    bare = SentenceTransformerEncoder(str(plain))
    encoder = SentenceTransformerEncoder(str(prompted), query_prompt="đảng : ")
    np.testing.assert_allclose(encoder.encode_queries(["chi bộ"]), bare.encode(["đảng : chi bộ"]), atol=1e-6)
    np.testing.assert_allclose(encoder.encode(["chi bộ"]), bare.encode(["passage : chi bộ"]), atol=1e-6)


def test_fingerprint_follows_model_and_prompts(plain: Path, prompted: Path) -> None:
    fingerprints = {
        SentenceTransformerEncoder(str(plain)).fingerprint,
        SentenceTransformerEncoder(str(prompted)).fingerprint,
        SentenceTransformerEncoder(str(plain), query_prompt="q ").fingerprint,
        SentenceTransformerEncoder(str(plain), passage_prompt="q ").fingerprint,
    }
    assert len(fingerprints) == 4


def test_wrong_model_is_named_with_the_setting(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "modules.json").write_text("{", encoding="utf-8")
    for model in (str(tmp_path / "nowhere"), str(broken)):
        with pytest.raises(EncoderError) as caught:
            make_encoder(model)
        assert f"encoder.model {model!r}" in str(caught.value)
        assert "'bundled'" in str(caught.value)
        assert caught.value.__cause__ is not None


def test_hub_name_that_cannot_be_reached_is_named() -> None:
    with pytest.raises(EncoderError, match=r"encoder\.model 'nobody/no-such-model'"):
        make_encoder("nobody/no-such-model")


def test_bundled_encoder_never_loads_torch() -> None:
    code = (
        "import sys; from embeddings.encoder import make_encoder; make_encoder('hashing').encode(['đảng']);"
        "print(sorted({'torch', 'sentence_transformers', 'transformers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --- our own model ----------------------------------------------------------------------------------------------


def test_bundled_model_knows_everyday_words() -> None:
    encoder = make_encoder("bundled")
    asked = encoder.encode_queries(["sếp có phải chịu trách nhiệm khi lính làm bậy không"])[0]
    heads, football = encoder.encode(
        ["người đứng đầu chịu trách nhiệm khi cấp dưới vi phạm", "đội tuyển thắng trận chung kết trên sân nhà"]
    )
    assert heads @ asked > football @ asked + 0.2


def test_place_of_the_tone_mark_does_not_matter_to_the_bundled_model() -> None:
    old, new = make_encoder("bundled").encode(["cấp uỷ hoà giải", "cấp ủy hòa giải"])
    np.testing.assert_allclose(old, new, atol=1e-6)


def test_bundled_model_fits_the_repository() -> None:
    assert sum(path.stat().st_size for path in BUNDLED.iterdir()) < 24_000_000
