import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embeddings.encoder import BUNDLED
from embeddings.static import StaticEncoder

TEXTS = ["Đảng viên kiểm tra.", "", "hoà giải", "😀", "tổ chức đảng " * 300, "chi bộ"]


def load(folder: Path) -> Any:
    """The model in a folder, as anyone who has sentence-transformers loads it."""
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), trust_remote_code=True)


@pytest.fixture(scope="module")
def model() -> Any:
    return load(BUNDLED)


@pytest.fixture(scope="module")
def ours() -> StaticEncoder:
    return StaticEncoder(BUNDLED)


def test_bundled_folder_gives_the_same_vectors(model: Any, ours: StaticEncoder) -> None:
    vectors = model.encode(TEXTS)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, ours.encode(TEXTS), atol=1e-6)


def test_single_text_is_a_single_vector(model: Any, ours: StaticEncoder) -> None:
    np.testing.assert_allclose(model.encode("chi bộ"), ours.encode(["chi bộ"])[0], atol=1e-6)


@pytest.mark.parametrize("batch_size", [1, 4])
def test_size_of_the_batches_does_not_matter(model: Any, ours: StaticEncoder, batch_size: int) -> None:
    np.testing.assert_allclose(model.encode(TEXTS, batch_size=batch_size), ours.encode(TEXTS), atol=1e-6)


def test_queries_and_documents_are_encoded_alike(model: Any, ours: StaticEncoder) -> None:
    np.testing.assert_allclose(model.encode_query(TEXTS), ours.encode_queries(TEXTS), atol=1e-6)
    np.testing.assert_allclose(model.encode_document(TEXTS), ours.encode(TEXTS), atol=1e-6)


def test_prompt_stands_before_the_text(model: Any, ours: StaticEncoder) -> None:
    prompted = ours.encode([f"kiểm tra {text}" for text in TEXTS])
    np.testing.assert_allclose(model.encode(TEXTS, prompt="kiểm tra "), prompted, atol=1e-6)


def test_model_tells_the_length_of_its_vectors(model: Any, ours: StaticEncoder) -> None:
    assert model.get_embedding_dimension() == ours.dim


def test_saved_model_is_whole_and_can_be_saved_again(model: Any, ours: StaticEncoder, tmp_path: Path) -> None:
    model.save(str(tmp_path / "once"))
    once = load(tmp_path / "once")
    once.save(str(tmp_path / "twice"))
    for name in ("vocab.txt", "vectors.npy", "scales.npy", "config.json"):
        assert (tmp_path / "twice" / name).read_bytes() == (BUNDLED / name).read_bytes(), name
    np.testing.assert_allclose(load(tmp_path / "twice").encode(TEXTS), ours.encode(TEXTS), atol=1e-6)


def test_saved_model_is_read_without_sentence_transformers(model: Any, ours: StaticEncoder, tmp_path: Path) -> None:
    model.save(str(tmp_path / "saved"))
    saved = StaticEncoder(tmp_path / "saved")
    assert saved.fingerprint == ours.fingerprint
    np.testing.assert_array_equal(saved.encode(TEXTS), ours.encode(TEXTS))


def test_saved_model_names_the_module_that_reads_it(model: Any, tmp_path: Path) -> None:
    model.save(str(tmp_path))
    [module] = json.loads((tmp_path / "modules.json").read_text(encoding="utf-8"))
    assert module["type"] == "embeddings.torch_module.StaticModule"
