"""The rankings, fused."""

import hashlib
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from embeddings import cache
from embeddings.encoder import Encoder
from embeddings.index import VectorIndex
from embeddings.late import LateInteraction, has_tokens
from embeddings.pieces import PieceIndex
from knowledge.accents import Restorer, load_accents
from knowledge.calibration import SIGNALS, UNCOVERED_SIGNALS, Calibration, load_calibration
from knowledge.fusion import weigh
from knowledge.fuzzy import mended_tokens, near_quote, neighbours
from knowledge.lexical import LexicalIndex
from knowledge.lexicon import Lexicon
from knowledge.model import Hit
from knowledge.query import Query, parse_query
from knowledge.text import fold
from knowledge.views import View, ViewIndex, nearest_uncovered, ordered

log = logging.getLogger(__name__)
_FORMAT = "2"
_MODES = {"bm25", "dense", "hybrid"}
_NEAR_QUOTE_CANDIDATES = 10
# Candidates that are compared word by word.
_CLOSELY = 60
_FOLDED_KEPT = 2000
_DIGITS = 4


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


@dataclass(frozen=True, slots=True)
class Found:
    """An entry that a search found, and what each ranking saw in it (see calibration.SIGNALS)."""

    hit: Hit
    signals: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Indexes:
    """What is built from n entries and kept in a folder."""

    lexical: LexicalIndex
    vectors: VectorIndex
    pieces: PieceIndex
    late: LateInteraction | None

    @classmethod
    def load(cls, folder: Path, size: int, encoder: Encoder) -> "Indexes":
        """Return the saved indexes of n entries; see save."""
        return cls(
            LexicalIndex.load(folder, size),
            VectorIndex.load(folder / "vectors.faiss"),
            PieceIndex.load(folder),
            LateInteraction.load(encoder, folder) if has_tokens(encoder) else None,
        )

    def save(self, folder: Path) -> None:
        """Write the indexes into an existing folder."""
        self.lexical.save(folder)
        self.vectors.save(folder / "vectors.faiss")
        self.pieces.save(folder)
        if self.late is not None:
            self.late.save(folder)


class Search:
    """One search over BM25, dense, late-interaction and fuzzy rankings of the same entries, and over their views."""

    def __init__(
        self,
        entries: Sequence[Entry],
        indexes: Indexes,
        encoder: Encoder,
        lexicon: Lexicon,
        restorer: Restorer,
        *,
        views: ViewIndex | None = None,
        candidates: int = 50,
        calibration: Calibration | None = None,
    ) -> None:
        self._entries = entries
        self._lexical, self._vectors = indexes.lexical, indexes.vectors
        self._pieces, self._late = indexes.pieces, indexes.late
        self._encoder = encoder
        self._lexicon = lexicon
        self._restorer = restorer
        self._candidates = candidates
        self._calibration = calibration or load_calibration()
        self._positions = {entry.id: position for position, entry in enumerate(entries)}
        self._views = views
        self._folded = lru_cache(maxsize=_FOLDED_KEPT)(lambda position: fold(entries[position].text))

    @property
    def lexical(self) -> LexicalIndex:
        """The BM25 index, which knows how rare a word is."""
        return self._lexical

    @property
    def answering(self) -> Mapping[str, float]:
        """The learned model of when a passage answers; see support.VIEWS."""
        kinds = self._calibration
        return kinds.answering if self._views is not None else kinds.answering_without_views

    def parse(self, text: str) -> Query:
        """Return a question ready for search."""
        return parse_query(text, self._lexicon, self._restorer, self._lexical.ambiguous)

    def unclear_names(self, query: Query) -> list[tuple[str, ...]]:
        """Return, for each name of documents in a query that has several meanings, these meanings."""
        return self._lexicon.unclear_names(query.tokens)

    def search(
        self,
        query: Query,
        *,
        k: int,
        prior: NDArray[np.float32] | None = None,
        mode: str = "hybrid",
        curated: bool = True,
    ) -> list[Hit]:
        """Return the k best entries for a query, best first; see find."""
        return [found.hit for found in self.find(query, k=k, prior=prior, mode=mode, curated=curated)]

    def find(
        self,
        query: Query,
        *,
        k: int,
        prior: NDArray[np.float32] | None = None,
        mode: str = "hybrid",
        curated: bool = True,
    ) -> list[Found]:
        """Return the k best entries for a query, best first, with what each ranking saw in them.

        Args:
            prior: [n], how likely each entry is before the question is looked at; its logarithm is one more signal,
                0 shuts an entry out.
            mode: "hybrid", or "bm25" or "dense" to look at one ranking alone.
            curated: whether the views of the entries count.
        Raises:
            ValueError: k is not positive, or the mode is unknown.
        """
        if k <= 0 or mode not in _MODES:
            raise ValueError(f"k must be positive and mode one of {', '.join(sorted(_MODES))}")
        if not self._entries or not query.tokens:
            return []
        width = max(self._candidates, k)
        allowed = None if prior is None else prior > 0
        scores = self._lexical.scores(query) if mode != "dense" else np.zeros(len(self._entries), dtype=np.float32)
        lexical = _best(scores, width, allowed)
        vector = self._encoder.encode_queries([query.asked])[0]
        dense = self._dense(vector, width, allowed) if mode != "bm25" else {}
        if mode != "hybrid":
            ranked = sorted((lexical or dense).items(), key=lambda item: (-item[1], item[0]))[:k]
            return [Found(Hit(self._entries[i].id, score), {}) for i, score in ranked]
        viewed = self._views.scores(query, vector) if curated and self._views is not None else {}
        by_view = {
            position: seen
            for entry_id, seen in viewed.items()
            if any(seen)
            and (position := self._positions.get(entry_id)) is not None
            and (allowed is None or allowed[position])
        }
        fuzzy = self._fuzzy(query, lexical, dense, width, allowed)
        ids = sorted({*lexical, *dense, *fuzzy, *by_view})
        if not ids:
            return []
        signals = np.zeros((len(ids), len(SIGNALS)), dtype=np.float32)
        column = {name: signals[:, n] for n, name in enumerate(SIGNALS)}
        best = max(lexical.values(), default=0.0)
        column["lexical"][:] = scores[ids] / best if best else 0
        column["strength"][:] = scores[ids] / np.sqrt(max(1, sum(query.is_content)))
        column["dense"][:] = self._vectors.similarities(vector, ids)
        column["pieces"][:] = self._pieces.similarities(vector, ids)
        column["fuzzy"][:] = [fuzzy.get(i, 0.0) for i in ids]
        nothing = (0.0, 0.0, 0.0)
        uncovered = dict(zip(UNCOVERED_SIGNALS, nearest_uncovered(viewed), strict=True))
        for name, number in (("view_words", 0), ("view_dense", 1), ("view_late", 2)):
            column[name][:] = [by_view.get(i, nothing)[number] for i in ids]
        if prior is not None:
            column["prior"][:] = np.log(prior[ids])
        weights = self._calibration.fusion(passages=len(self._entries), views=bool(viewed))
        if self._late is not None:
            close = np.argsort(-weigh(signals, weights), kind="stable")[:_CLOSELY]
            column["late"][close] = self._late.scores(query.asked, [ids[row] for row in close])
        # Beyond these digits the sums depend on the processor and its threads.
        fused = np.round(weigh(signals, weights), _DIGITS)
        ranked_ids = sorted(range(len(ids)), key=lambda row: (-fused[row], ids[row]))[:k]
        return [
            Found(
                Hit(self._entries[ids[row]].id, float(fused[row])),
                {**dict(zip(SIGNALS, signals[row].tolist(), strict=True)), **uncovered},
            )
            for row in ranked_ids
        ]

    def _dense(self, vector: NDArray[np.float32], width: int, allowed: NDArray[np.bool_] | None) -> dict[int, float]:
        # Entries that are shut out must not use up the places of those that are not.
        k = width if allowed is None else self._vectors.size
        ids, similarities = self._vectors.search(vector[None, :], k=k)
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
        quotes = near_quote(query, [self._folded(i) for i in likely])
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
    views: Sequence[View] = (),
    folder: Path | None = None,
    candidates: int = 50,
    calibration: Calibration | None = None,
) -> Search:
    """Return a search over entries; with a folder, what was built before is used again if nothing has changed.

    Args:
        views: other ways in which an entry may be asked for; searched, never shown.
    Raises:
        CacheError: the folder cannot be written.
    """
    # A query's sums are small: further threads of BLAS wait for the next one busily, and faiss goes without a core.
    threadpool_limits(limits=1, user_api="blas")
    restorer = Restorer(load_accents(), lexicon.short_forms, lexicon.names)

    def build_indexes() -> Indexes:
        texts = [entry.indexed for entry in entries]
        return Indexes(
            LexicalIndex.build(texts, lexicon.function_words),
            VectorIndex.build(encoder.encode(texts)),
            PieceIndex.build(encoder, [(entry.context, entry.text) for entry in entries]),
            LateInteraction.build(encoder, texts) if has_tokens(encoder) else None,
        )

    indexes = _kept(
        folder,
        built_from(entries, encoder, lexicon),
        build_indexes,
        lambda kept: Indexes.load(kept, len(entries), encoder),
    )
    known = {entry.id for entry in entries}
    asked = [view for view in views if view.passage_id in known or not view.is_covered]
    viewed = None
    if asked:
        viewed = _kept(
            None if folder is None else folder.with_name(f"{folder.name}-questions"),
            _sources(((view.passage_id, view.question) for view in ordered(asked)), "questions", encoder, lexicon),
            lambda: ViewIndex.build(asked, encoder, lexicon),
            lambda kept: ViewIndex.load(kept, asked, encoder),
        )
    return Search(
        entries,
        indexes,
        encoder,
        lexicon,
        restorer,
        views=viewed,
        candidates=candidates,
        calibration=calibration,
    )


class _Savable(Protocol):
    def save(self, folder: Path) -> None: ...


_Kept = TypeVar("_Kept", bound=_Savable)


def _kept(
    folder: Path | None, sources: Mapping[str, str], build: Callable[[], _Kept], load: Callable[[Path], _Kept]
) -> _Kept:
    """Return what a folder keeps if it was built from the same sources; else build it, and keep it there."""
    if folder is not None and _fits(folder, sources):
        return load(folder)
    built = build()
    if folder is not None:
        cache.refresh(folder, sources, built.save)
    return built


def _fits(folder: Path, sources: Mapping[str, str]) -> bool:
    changed = cache.differences(folder, sources)
    if changed:
        if folder.exists():
            log.info("%s was built from other %s: building it again", folder.name, " and ".join(changed))
        return False
    if not cache.is_intact(folder):
        log.warning("index in %s is damaged: building it again", folder)
        return False
    return True


def built_from(entries: Sequence[Entry], encoder: Encoder, lexicon: Lexicon) -> dict[str, str]:
    """Return {source: fingerprint} of everything an index depends on."""
    return _sources(((entry.id, entry.indexed) for entry in entries), "documents", encoder, lexicon)


def _sources(texts: Iterable[tuple[str, str]], name: str, encoder: Encoder, lexicon: Lexicon) -> dict[str, str]:
    digest = hashlib.sha256()
    for text_id, text in texts:
        digest.update(f"{text_id}\0{text}\0".encode())
    words = hashlib.sha256(" ".join(sorted(lexicon.function_words)).encode())
    return {
        "format": _FORMAT,
        name: digest.hexdigest(),
        "encoder": encoder.fingerprint,
        "function words": words.hexdigest()[:16],
    }
