"""A static embedding: a text's vector is the sum of the vectors of its words and word pairs."""

import json
import re
import unicodedata
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_WORD = re.compile(r"[^\W_]+")
_TONES = {"\u0300": "2", "\u0301": "1", "\u0303": "4", "\u0309": "3", "\u0323": "5"}
_MOST_TOKENS = 1024


def normal_words(text: str) -> list[str]:
    """Return the words of a text in lower case, tone marks moved to the end, so that "hoà" and "hòa" are one word."""
    words = _WORD.findall(unicodedata.normalize("NFC", text).lower())
    return [word if word.isascii() else _tone_last(word) for word in words]


_known: dict[str, str] = {}


def _tone_last(word: str) -> str:
    found = _known.get(word)
    if found is None:
        letters, tone = [], ""
        for character in unicodedata.normalize("NFD", word):
            if character in _TONES:
                tone = _TONES[character]
            else:
                letters.append(character)
        found = unicodedata.normalize("NFC", "".join(letters)) + tone
        if len(_known) < 200_000:
            _known[word] = found
    return found


def features(text: str) -> list[str]:
    """Return what a text is embedded by: its words, then its neighbouring words as pairs "a b"."""
    words = normal_words(text)[:_MOST_TOKENS]
    return [*words, *(f"{a} {b}" for a, b in pairwise(words))]


class StaticTokenizer:
    """Features -> row numbers of a vocabulary; what the vocabulary does not hold is left out."""

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self._rows = {feature: row for row, feature in enumerate(vocabulary)}

    def rows(self, text: str) -> list[int]:
        """Return the rows of a text's features, in order."""
        get = self._rows.get
        return [row for row in map(get, features(text)) if row is not None]


class StaticEncoder:
    """Loads a folder with vocab.txt, vectors.npy (int8 [n, dim]), scales.npy (float32 [n]) and config.json."""

    def __init__(self, folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self.dim: int = config["dim"]
        self.fingerprint: str = config["fingerprint"]
        self._tokenizer = StaticTokenizer((folder / "vocab.txt").read_text(encoding="utf-8").split("\n"))
        self._vectors: NDArray[np.int8] = np.load(folder / "vectors.npy", mmap_mode="r")
        self._scales: NDArray[np.float32] = np.load(folder / "scales.npy")

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return float32 [len(texts), dim], rows of unit L2 norm (a text without known words: zeros)."""
        vectors = np.zeros((len(texts), self.dim), dtype=np.float32)
        for position, text in enumerate(texts):
            rows = self._tokenizer.rows(text)
            if rows:
                vectors[position] = self._scales[rows] @ self._vectors[rows].astype(np.float32)
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        return (vectors / np.where(norms == 0, 1, norms)).astype(np.float32)

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the same as encode."""
        return self.encode(texts)
