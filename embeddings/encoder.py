"""Texts -> vectors."""

import hashlib
import itertools
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from embeddings.static import StaticEncoder

BUNDLED = Path(__file__).resolve().parent / "bundled"
_WORD = re.compile(r"[^\W_]+")


class EncoderError(Exception):
    """A model cannot be loaded; the message names it and the setting to change."""


class Encoder(Protocol):
    """Turns texts into vectors: StaticEncoder is our own model, SentenceTransformerEncoder loads any other.

    Attributes:
        dim: length of a vector.
        fingerprint: changes whenever the same text would give another vector.
    """

    dim: int
    fingerprint: str

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return float32 [len(texts), dim] for passages, rows of unit L2 norm (a text without words: zeros)."""

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the same for queries, which some models want prompted in another way."""


class HashingEncoder:
    """Counts of words, word pairs and letter trigrams, hashed into signed buckets; needs no training.

    It knows no meaning and sees no accents: texts are near when they share letters in order, which forgives
    typing slips.
    Source: feature hashing, Weinberger et al., ICML 2009.
    """

    def __init__(self, dim: int = 512) -> None:
        self.dim = dim
        self.fingerprint = f"hashing-1-{dim}"
        self._buckets: dict[str, tuple[int, float]] = {}

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return float32 [len(texts), dim], rows of unit L2 norm (a text without words: zeros)."""
        vectors = np.zeros((len(texts), self.dim), dtype=np.float32)
        for row, text in enumerate(texts):
            for feature, count in _features(text).items():
                bucket, sign = self._bucket(feature)
                vectors[row, bucket] += sign * np.sqrt(count)
        return unit(vectors)

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the same as encode."""
        return self.encode(texts)

    def _bucket(self, feature: str) -> tuple[int, float]:
        digest = hashlib.blake2b(feature.encode(), digest_size=8).digest()
        value = int.from_bytes(digest, "little")
        return value % self.dim, 1.0 if value >> 63 else -1.0


def _features(text: str) -> Counter[str]:
    plain = "".join(c for c in unicodedata.normalize("NFD", text.lower()) if not unicodedata.combining(c))
    words = _WORD.findall(plain.replace("đ", "d"))
    features = Counter(words)
    features.update(f"{a} {b}" for a, b in itertools.pairwise(words))
    features.update(f"#{a}{b}{c}" for w in words for a, b, c in zip(f"^{w}", w, f"{w[1:]}$", strict=False))
    return features


class SentenceTransformerEncoder:
    """Any model that sentence-transformers loads, from a folder or by hub name; torch is imported on first use."""

    def __init__(self, model: str, *, query_prompt: str = "", passage_prompt: str = "", batch_size: int = 32) -> None:
        """Load the model.

        Args:
            model: folder or hub name.
            query_prompt, passage_prompt: put before texts; where empty, the model's own prompts are used, if any.
        Raises:
            EncoderError: the model cannot be loaded.
        """
        # Importing torch takes seconds and hundreds of megabytes; only those who configure a model pay.
        from sentence_transformers import SentenceTransformer

        try:
            # Our own model brings a module of ours; anybody else's code is not run.
            self._model: Any = SentenceTransformer(model, trust_remote_code=Path(model).resolve() == BUNDLED)
        except Exception as error:
            # The library and its back ends raise whatever they like; what to do is the same.
            problem = f"encoder.model {model!r} cannot be loaded ({type(error).__name__}): name a folder with a"
            raise EncoderError(f"{problem} sentence-transformers model, or 'bundled'") from error
        self._query_prompt, self._passage_prompt = query_prompt or None, passage_prompt or None
        self._batch_size = batch_size
        self.dim = len(self._model.encode(""))
        self.fingerprint = f"st-{_model_fingerprint(model)}-{self.dim}-{query_prompt}-{passage_prompt}"

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return float32 [len(texts), dim], rows of unit L2 norm."""
        return self._run(self._model.encode_document, texts, self._passage_prompt)

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the same for queries, with the query prompt."""
        return self._run(self._model.encode_query, texts, self._query_prompt)

    def _run(self, encode: Any, texts: Sequence[str], prompt: str | None) -> NDArray[np.float32]:
        if not texts:
            return np.zeros((0, self.dim), dtype=np.float32)
        vectors = encode(
            list(texts), prompt=prompt, batch_size=self._batch_size, show_progress_bar=False, convert_to_numpy=True
        )
        return unit(np.asarray(vectors, dtype=np.float32))


def make_encoder(model: str, *, query_prompt: str = "", passage_prompt: str = "", batch_size: int = 32) -> Encoder:
    """Return the encoder that a configuration names: "bundled", "hashing", or a folder or hub name.

    Raises:
        EncoderError: the model cannot be loaded.
    """
    if model == "bundled":
        return _bundled()
    if model == "hashing":
        return HashingEncoder()
    return SentenceTransformerEncoder(
        model, query_prompt=query_prompt, passage_prompt=passage_prompt, batch_size=batch_size
    )


@cache
def _bundled() -> StaticEncoder:
    """Return our own model: its files come with the program and stay as they are while it runs."""
    return StaticEncoder(BUNDLED)


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return vectors [n, dim] scaled to unit L2 norm; rows of zeros stay zeros."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(norms == 0, 1, norms)).astype(np.float32)


def _model_fingerprint(model: str) -> str:
    folder = Path(model)
    if not folder.is_dir():
        return model
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        digest.update(f"{path.relative_to(folder)} {path.stat().st_size} {path.stat().st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]
