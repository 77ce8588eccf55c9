"""The rankings, fused."""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embeddings import cache
from embeddings.encoder import Encoder
from embeddings.index import VectorIndex
from knowledge.fusion import fuse
from knowledge.fuzzy import mended_tokens, near_quote, neighbours
from knowledge.lexical import LexicalIndex
from knowledge.lexicon import Lexicon
from knowledge.model import Hit
from knowledge.query import Query, parse_query
from knowledge.text import fold

log = logging.getLogger(__name__)
_FORMAT = "1"
_MODES = {"bm25", "dense", "hybrid"}
_NEAR_QUOTE_CANDIDATES = 20


@dataclass(frozen=True, slots=True)
class Weights:
    """What each ranking counts in the fusion; figures behind them: docs/figures.md."""

    lexical: float = 0.6
    dense: float = 0.2
    fuzzy: float = 0.2


@dataclass(frozen=True, slots=True)
class Entry:
    """What is searched: an id, the words, and the headings above them."""

    id: str
    text: str
    context: str = ""

    @property
    def indexed(self) -> str:
        """What the rankings see."""
        return f"{self.context}\n{self.text}" if self.context else self.text


class Search:
    """One search over BM25, dense and fuzzy rankings of the same entries."""

    def __init__(
        self,
        entries: Sequence[Entry],
        lexical: LexicalIndex,
        vectors: VectorIndex,
        encoder: Encoder,
        lexicon: Lexicon,
        *,
        candidates: int = 50,
        weights: Weights | None = None,
    ) -> None:
        self._entries = entries
        self._lexical = lexical
        self._vectors = vectors
        self._encoder = encoder
        self._lexicon = lexicon
        self._candidates = candidates
        self._weights = weights or Weights()
        self._positions = {entry.id: position for position, entry in enumerate(entries)}
        self._folded = [fold(entry.text) for entry in entries]

    @property
    def lexical(self) -> LexicalIndex:
        """The BM25 index, which knows how rare a word is."""
        return self._lexical

    def parse(self, text: str) -> Query:
        """Return a question ready for search."""
        return parse_query(text, self._lexicon, self._lexical.ambiguous)

    def unclear_names(self, query: Query) -> list[tuple[str, ...]]:
        """Return, for each name of documents in a query that has several meanings, these meanings."""
        return self._lexicon.unclear_names(query.tokens)

    def lexical_scores(self, query: Query, ids: Sequence[str]) -> dict[str, float]:
        """Return the BM25 scores of some entries, by id."""
        scores = self._lexical.scores(query)
        return {entry_id: float(scores[self._positions[entry_id]]) for entry_id in ids}

    def similarities(self, query: Query, ids: Sequence[str]) -> dict[str, float]:
        """Return how near some entries are to a query as the encoder sees it, by id; -1 to 1."""
        vector = self._encoder.encode_queries([query.text])[0]
        found = self._vectors.similarities(vector, [self._positions[entry_id] for entry_id in ids])
        return dict(zip(ids, map(float, found), strict=True))

    def search(
        self,
        query: Query,
        *,
        k: int,
        prior: NDArray[np.float32] | None = None,
        mode: str = "hybrid",
    ) -> list[Hit]:
        """Return the k best entries for a query, best first.

        Args:
            prior: [n], multiplies each entry's fused score; 0 shuts an entry out.
            mode: "hybrid", or "bm25" or "dense" to look at one ranking alone.
        Raises:
            ValueError: k is not positive, or the mode is unknown.
        """
        if k <= 0 or mode not in _MODES:
            raise ValueError(f"k must be positive and mode one of {', '.join(sorted(_MODES))}")
        if not self._entries:
            return []
        width = max(self._candidates, k)
        allowed = None if prior is None else prior > 0
        lexical = _best(self._lexical.scores(query), width, allowed) if mode != "dense" else {}
        dense = self._dense(query, width, allowed) if mode != "bm25" else {}
        if mode == "hybrid":
            rankings = [
                (self._weights.lexical, lexical),
                (self._weights.dense, dense),
                (self._weights.fuzzy, self._fuzzy(query, lexical, dense, width, allowed)),
            ]
        else:
            rankings = [(1.0, lexical or dense)]
        fused = fuse(rankings)
        if prior is not None:
            fused = sorted(((i, s * float(prior[i])) for i, s in fused), key=lambda pair: (-pair[1], pair[0]))
        return [Hit(self._entries[i].id, score) for i, score in fused[:k] if score > 0]

    def _dense(self, query: Query, width: int, allowed: NDArray[np.bool_] | None) -> dict[int, float]:
        vector = self._encoder.encode_queries([query.text])
        # Entries that are shut out must not use up the places of those that are not.
        k = width if allowed is None else self._vectors.size
        ids, similarities = self._vectors.search(vector, k=k)
        ranked = zip(ids[0].tolist(), similarities[0].tolist(), strict=True)
        kept = [(i, s) for i, s in ranked if s > 0 and (allowed is None or allowed[i])]
        return dict(kept[:width])

    def _fuzzy(
        self,
        query: Query,
        lexical: dict[int, float],
        dense: dict[int, float],
        width: int,
        allowed: NDArray[np.bool_] | None,
    ) -> dict[int, float]:
        near = neighbours(query, self._lexical)
        scores = _best(self._lexical.scores_of(mended_tokens(query, near)), width, allowed) if near else {}
        best = max(scores.values(), default=0.0)
        likely = sorted({*_first(lexical), *_first(dense), *_first(scores)})
        quotes = near_quote(query, [self._folded[i] for i in likely])
        return {
            i: quote * quote + (scores.get(i, 0.0) / best if best else 0.0)
            for i, quote in zip(likely, quotes, strict=True)
        }


def _best(scores: NDArray[np.float32], width: int, allowed: NDArray[np.bool_] | None) -> dict[int, float]:
    if allowed is not None:
        scores = np.where(allowed, scores, 0)
    top = np.argpartition(-scores, width)[:width] if len(scores) > width else np.arange(len(scores))
    ordered = sorted(((int(i), float(scores[i])) for i in top if scores[i] > 0), key=lambda pair: (-pair[1], pair[0]))
    return dict(ordered)


def _first(ranking: dict[int, float]) -> list[int]:
    return list(ranking)[:_NEAR_QUOTE_CANDIDATES]


def build_search(
    entries: Sequence[Entry],
    encoder: Encoder,
    lexicon: Lexicon,
    *,
    folder: Path | None = None,
    candidates: int = 50,
    weights: Weights | None = None,
) -> Search:
    """Return a search over entries; with a folder, what was built before is used again if nothing has changed.

    Raises:
        CacheError: the folder cannot be written.
    """
    lexical, vectors = (None, None) if folder is None else _load(folder, entries, encoder, lexicon)
    if lexical is None or vectors is None:
        lexical = LexicalIndex.build([entry.indexed for entry in entries], lexicon.function_words)
        vectors = VectorIndex.build(encoder.encode([entry.indexed for entry in entries]))
        if folder is not None:
            _save(folder, lexical, vectors, built_from(entries, encoder, lexicon))
    return Search(entries, lexical, vectors, encoder, lexicon, candidates=candidates, weights=weights)


def built_from(entries: Sequence[Entry], encoder: Encoder, lexicon: Lexicon) -> dict[str, str]:
    """Return {source: fingerprint} of everything an index depends on."""
    digest = hashlib.sha256()
    for entry in entries:
        digest.update(f"{entry.id}\0{entry.indexed}\0".encode())
    words = hashlib.sha256(" ".join(sorted(lexicon.function_words)).encode())
    return {
        "format": _FORMAT,
        "documents": digest.hexdigest(),
        "encoder": encoder.fingerprint,
        "function words": words.hexdigest()[:16],
    }


def _save(folder: Path, lexical: LexicalIndex, vectors: VectorIndex, sources: dict[str, str]) -> None:
    def write(fresh: Path) -> None:
        lexical.save(fresh)
        vectors.save(fresh / "vectors.faiss")

    cache.refresh(folder, sources, write)


def _load(
    folder: Path, entries: Sequence[Entry], encoder: Encoder, lexicon: Lexicon
) -> tuple[LexicalIndex | None, VectorIndex | None]:
    changed = cache.differences(folder, built_from(entries, encoder, lexicon))
    if changed:
        if folder.exists():
            log.info("index was built from other %s: building it again", " and ".join(changed))
        return None, None
    if not cache.is_intact(folder):
        log.warning("index in %s is damaged: building it again", folder)
        return None, None
    return LexicalIndex.load(folder, len(entries)), VectorIndex.load(folder / "vectors.faiss")
