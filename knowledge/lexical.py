"""BM25 ranking over syllables and syllable pairs, with and without accents."""

import logging
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knowledge.query import Query
from knowledge.text import accented_key, fold, pairs, syllables

_EVERYWHERE = "*"


def index_tokens(text: str) -> list[str]:
    """Return what a text is indexed by: folded syllables, folded pairs, and syllables as accented.

    A query typed with accents meets all three, one without the first two.
    """
    tokens = syllables(text)
    folded = [fold(token) for token in tokens]
    accented = [f"={accented_key(token)}" for token, bare in zip(tokens, folded, strict=True) if token != bare]
    return [*folded, *pairs(folded), *accented]


class LexicalIndex:
    """BM25 (bm25s, Lucene's variant) over n texts.

    Attributes:
        size: n.
        vocabulary: every folded syllable of the texts, sorted.
    """

    def __init__(self, retriever: Any, size: int, ambiguous: frozenset[str]) -> None:
        self._retriever = retriever
        self._ids: dict[str, int] = retriever.vocab_dict
        self.size = size
        self.vocabulary = sorted(t for t in self._ids if t and t[0] not in "=*" and "_" not in t)
        self.ambiguous = ambiguous
        counts = np.maximum(np.diff(retriever.scores["indptr"]), 1)
        self._idf = np.log(1 + (size - counts + 0.5) / (counts + 0.5))
        self._idf_of_one = float(np.log(1 + (size - 0.5) / 1.5))

    @classmethod
    def build(cls, texts: Sequence[str], function_words: frozenset[str]) -> "LexicalIndex":
        """Index texts; function_words are accented keys that carry no content."""
        retriever = _bm25s().BM25()
        tokens = _Packed(texts)
        retriever.index(tokens, show_progress=False)
        return cls(retriever, len(texts), _ambiguous(texts, function_words))

    @classmethod
    def load(cls, folder: Path, size: int) -> "LexicalIndex":
        """Return a saved index; see save."""
        retriever = _bm25s().BM25.load(folder, show_progress=False)
        ambiguous = frozenset((folder / "ambiguous.txt").read_text(encoding="utf-8").split())
        return cls(retriever, size, ambiguous)

    def save(self, folder: Path) -> None:
        """Write the index into an existing folder."""
        self._retriever.save(folder, show_progress=False)
        (folder / "ambiguous.txt").write_text("\n".join(sorted(self.ambiguous)), encoding="utf-8")

    def idf(self, token: str) -> float:
        """Return how rare a token is, in nats; a token no text holds is as rare as one that a single text holds."""
        index = self._ids.get(token)
        return float(self._idf[index]) if index is not None else self._idf_of_one

    def knows(self, token: str) -> bool:
        """Whether any text holds the token."""
        return token in self._ids

    def own_scores(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return how much there is to be found in each text: the idf of its tokens, summed, [len(texts)]."""
        found = [[self._ids[token] for token in index_tokens(text) if token in self._ids] for text in texts]
        return np.asarray([self._idf[ids].sum() for ids in found], dtype=np.float32)

    def scores(self, query: Query) -> NDArray[np.float32]:
        """Return the BM25 score of every text, [n], higher for better; expansions count by their weights."""
        total = self.scores_of(query_tokens(query))
        by_weight: dict[float, list[str]] = defaultdict(list)
        for expansion in query.expansions:
            by_weight[expansion.weight].extend([*expansion.folded, *expansion.pairs])
        for weight, tokens in by_weight.items():
            total = total + np.float32(weight) * self.scores_of(tokens)
        return total

    def scores_of(self, tokens: Sequence[str]) -> NDArray[np.float32]:
        """Return the BM25 score of every text for index tokens; unknown tokens count nothing."""
        ids = [self._ids[token] for token in tokens if token in self._ids]
        if not ids or not self.size:
            return np.zeros(self.size, dtype=np.float32)
        found: NDArray[np.float32] = self._retriever.get_scores_from_ids(ids)
        return found[: self.size]


class _Packed:
    """The tokens of texts as numbers, unpacked one text at a time: as lists of words they would fill the memory.

    Attributes:
        ids, vocab: what bm25s asks of a corpus.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self.vocab: dict[str, int] = {}
        number = self.vocab.setdefault
        # Without a single word, or a single text, there would be nothing to index: so each text gets one word more.
        self._texts = [
            np.fromiter(
                (number(token, len(self.vocab)) for token in (*index_tokens(text), _EVERYWHERE)), dtype=np.int32
            )
            for text in texts or [""]
        ]

    @property
    def ids(self) -> "_Packed":
        """The texts themselves."""
        return self

    def __len__(self) -> int:
        return len(self._texts)

    def __iter__(self) -> Iterator[list[int]]:
        return (numbers.tolist() for numbers in self._texts)


def _bm25s() -> Any:
    # Importing it takes a fifth of a second and turns its debug log on.
    import bm25s

    logging.getLogger("bm25s").setLevel(logging.WARNING)
    return bm25s


def query_tokens(query: Query) -> list[str]:
    """Return the index tokens of a query's own words; function words count only beside a content word."""
    content = query.is_content
    single = [token for token, kept in zip(query.folded, content, strict=True) if kept]
    accented = [
        f"={accented_key(token)}"
        for token, bare, kept in zip(query.tokens, query.folded, content, strict=True)
        if kept and token != bare
    ]
    paired = [pair for position, pair in enumerate(pairs(query.folded)) if content[position] or content[position + 1]]
    return [*single, *accented, *paired]


def _ambiguous(texts: Sequence[str], function_words: frozenset[str]) -> frozenset[str]:
    """Folded syllables that stand for a content word in the texts as well as for a function word."""
    variants = Counter(token for text in texts for token in syllables(text))
    functional = {word.rstrip("12345") for word in function_words}
    folded_functional = {fold(word) for word in functional}
    return frozenset(
        fold(token)
        for token in variants
        if fold(token) in folded_functional and accented_key(token) not in function_words
    )
