"""A static embedding: a text's vector is the sum of the vectors of its words and neighbouring word pairs."""

import json
import re
import threading
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

_WORD = re.compile(r"[^\W_]+")
_TONES = {"\u0300": "2", "\u0301": "1", "\u0303": "4", "\u0309": "3", "\u0323": "5"}
_MOST_WORDS = 1024
_MOST_KNOWN = 200_000
# Features of texts taken together: what they share is unpacked once.
_ROWS_AT_ONCE = 250_000
_MOST_KEPT = 16_384


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
        if len(_known) < _MOST_KNOWN:
            _known[word] = found
    return found


class _Seen(dict[str, int]):
    """The row of each word as it is written, worked out when it is first met; -1 for one without a row."""

    def __init__(self, rows: Mapping[str, int]) -> None:
        super().__init__()
        self._rows_of = rows

    def __missing__(self, word: str) -> int:
        row = self._rows_of.get(word if word.isascii() else _tone_last(word), -1)
        if len(self) < _MOST_KNOWN:
            self[word] = row
        return row


class StaticTokenizer:
    """Words and pairs of neighbouring words -> row numbers of a vocabulary.

    Attributes:
        size: number of rows.
    """

    def __init__(self, vocabulary: Sequence[str]) -> None:
        """Take the features by row: words, or pairs "a b" of words that are in the vocabulary themselves.

        Raises:
            ValueError: a pair holds a word that the vocabulary lacks.
        """
        self.size = len(vocabulary)
        self._ids = {feature: row for row, feature in enumerate(vocabulary) if " " not in feature}
        self._seen = _Seen(self._ids)
        keys, rows = [], []
        for row, feature in enumerate(vocabulary):
            if " " in feature:
                first, _, second = feature.partition(" ")
                if first not in self._ids or second not in self._ids:
                    raise ValueError(f"vocabulary: {feature!r} is no pair of known words")
                keys.append(self._ids[first] * self.size + self._ids[second])
                rows.append(row)
        order = np.argsort(np.asarray(keys, dtype=np.int64), kind="stable")
        self._keys = np.asarray(keys, dtype=np.int64)[order]
        self._rows = np.asarray(rows, dtype=np.int32)[order]

    def word_ids(self, text: str, most: int = _MOST_WORDS) -> list[int]:
        """Return the row of each word of a text, in order; -1 for a word that the vocabulary lacks."""
        words = _WORD.findall(unicodedata.normalize("NFC", text).lower())[:most]
        return list(map(self._seen.__getitem__, words))

    def pair_rows(self, words: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.int32]:
        """Return the row of the pair that begins at each word, -1 where there is none.

        Args:
            words: [n], word ids of several texts, one after the other.
            ends: where each text ends; no pair reaches over an end.
        """
        found = np.full(len(words), -1, dtype=np.int32)
        if len(words) < 2 or not len(self._keys):
            return found
        first, second = words[:-1], words[1:]
        keys = first * self.size + second
        at = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        hit = (self._keys[at] == keys) & (first >= 0) & (second >= 0)
        inner = ends[(ends > 0) & (ends < len(words))] - 1
        hit[inner] = False
        found[:-1][hit] = self._rows[at[hit]]
        return found

    def rows(self, texts: Iterable[str]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Return the rows of texts, packed: (all rows, how many belong to each text)."""
        lists = [self.word_ids(text) for text in texts]
        lengths = np.asarray([len(words) for words in lists], dtype=np.int64)
        words = np.asarray(list(chain.from_iterable(lists)), dtype=np.int64)
        both = np.stack([words.astype(np.int32), self.pair_rows(words, np.cumsum(lengths))], axis=1)
        known = both >= 0
        text_of = np.repeat(np.arange(len(lists)), lengths)
        counts = np.bincount(text_of, weights=known.sum(axis=1), minlength=len(lists)).astype(np.int64)
        return both[known], counts


def quantise(vectors: NDArray[np.float32]) -> tuple[NDArray[np.uint8], NDArray[np.float16]]:
    """Return vectors [n, dim] rounded to four bits: (two numbers a byte [n, dim / 2], a scale for each row [n]).

    Raises:
        ValueError: dim is odd, or a number is too large for a scale of 16 bits.
    """
    if vectors.shape[1] % 2:
        raise ValueError(f"dim must be even, not {vectors.shape[1]}")
    scales: NDArray[np.float16] = (np.abs(vectors).max(axis=1) / 7).astype(np.float16)
    if not np.isfinite(scales).all():
        raise ValueError("vectors: numbers too large to be rounded")
    scaled = vectors / np.where(scales == 0, 1, scales).astype(np.float32)[:, None]
    levels = (np.clip(np.round(scaled), -7, 7) + 8).astype(np.uint8)
    half = vectors.shape[1] // 2
    packed: NDArray[np.uint8] = levels[:, :half] | (levels[:, half:] << np.uint8(4))
    return packed, scales


def unpack(packed: NDArray[np.uint8], scales: NDArray[np.float16]) -> NDArray[np.float32]:
    """Return the vectors [n, dim] that quantise has packed."""
    half = packed.shape[1]
    vectors = np.empty((len(packed), 2 * half), dtype=np.float32)
    vectors[:, :half] = packed & 15
    vectors[:, half:] = packed >> 4
    vectors -= 8
    vectors *= scales.astype(np.float32)[:, None]
    return vectors


class _Kept:
    """Unit vectors of the features that texts are compared by again and again, unpacked; 21 MB at the most.

    What is kept equals what is made, so that no result depends on what was asked before.
    """

    def __init__(self, make: Callable[[NDArray[np.int32]], NDArray[np.float32]], size: int, dim: int) -> None:
        """Take what makes the vectors [n, dim] of features [n], and how many features there are."""
        self._make = make
        self._places = np.full(size, -1, dtype=np.int32)
        self._vectors = np.empty((_MOST_KEPT, dim), dtype=np.float32)
        self._filled = 0
        self._lock = threading.Lock()

    def of(self, rows: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return the vectors of features [n], each once, as [n, dim]."""
        places = self._places[rows]
        missing = np.flatnonzero(places < 0)
        if not len(missing):
            return self._vectors[places]
        made = self._make(rows[missing])
        vectors = self._vectors[places]
        vectors[missing] = made
        self._keep(rows[missing], made)
        return vectors

    def _keep(self, rows: NDArray[np.int32], made: NDArray[np.float32]) -> None:
        with self._lock:
            # Another thread may have kept some meanwhile.
            new = np.flatnonzero(self._places[rows] < 0)[: _MOST_KEPT - self._filled]
            places = np.arange(self._filled, self._filled + len(new), dtype=np.int32)
            self._vectors[places] = made[new]
            # Last: whoever finds a place must find what stands there.
            self._places[rows[new]] = places
            self._filled += len(new)


class StaticEncoder:
    """Loads a folder with vocab.txt, vectors.npy and scales.npy (see quantise) and config.json."""

    def __init__(self, folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self.dim: int = config["dim"]
        self.fingerprint: str = config["fingerprint"]
        self.tokenizer = StaticTokenizer((folder / "vocab.txt").read_text(encoding="utf-8").split("\n"))
        self._packed: NDArray[np.uint8] = np.load(folder / "vectors.npy", mmap_mode="r").view(np.ndarray)
        self._scales: NDArray[np.float16] = np.load(folder / "scales.npy")
        self._kept = _Kept(self._units, self.tokenizer.size, self.dim)

    def token_rows(self, texts: Sequence[str]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Return the rows of texts, packed: (all rows, how many belong to each text)."""
        return self.tokenizer.rows(texts)

    def token_vectors(self, rows: NDArray[np.int32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return (unit vectors float32 [n, dim], their lengths [n]: how much each counts in a text's vector)."""
        vectors = unpack(self._packed[rows], self._scales[rows])
        norms = np.linalg.norm(vectors, axis=1)
        vectors /= np.where(norms == 0, 1, norms)[:, None]
        return vectors, norms

    def token_similarities(self, rows: NDArray[np.int32], units: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the cosines of features [n] with unit vectors [m, dim], [n, m]."""
        similar: NDArray[np.float32] = self._kept.of(rows) @ units.T
        return similar

    def _units(self, rows: NDArray[np.int32]) -> NDArray[np.float32]:
        return self.token_vectors(rows)[0]

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return float32 [len(texts), dim], rows of unit L2 norm (a text without known words: zeros)."""
        return self.encode_rows(*self.tokenizer.rows(texts))

    def encode_rows(self, rows: NDArray[np.int32], counts: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the same for texts given by the rows of their features; see token_rows."""
        vectors = np.zeros((len(counts), self.dim), dtype=np.float32)
        starts = np.concatenate([[0], np.cumsum(counts)])
        first = 0
        while first < len(counts):
            # As many texts as fit, at least one.
            last = max(first + 1, int(np.searchsorted(starts, starts[first] + _ROWS_AT_ONCE, side="right")) - 1)
            last = min(last, len(counts))
            vectors[first:last] = self._sum(rows[starts[first] : starts[last]], counts[first:last])
            first = last
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        return (vectors / np.where(norms == 0, 1, norms)).astype(np.float32)

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the same as encode."""
        return self.encode(texts)

    def _sum(self, rows: NDArray[np.int32], counts: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the sums of the features of texts [len(counts), dim], each text's added up in their order."""
        features, local = np.unique(rows, return_inverse=True)
        vectors = unpack(self._packed[features], self._scales[features])
        ends = np.concatenate([[0], np.cumsum(counts)])
        held = csr_array((np.ones(len(rows), dtype=np.float32), local, ends), shape=(len(counts), len(features)))
        summed: NDArray[np.float32] = held @ vectors
        return summed
