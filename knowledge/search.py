"""The rankings, fused."""

import logging
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from embeddings import cache
from embeddings.encoder import Encoder
from knowledge.accents import Restorer, load_accents
from knowledge.calibration import SIGNALS, UNCOVERED_SIGNALS, Calibration, load_calibration
from knowledge.fusion import weigh
from knowledge.fuzzy import mended_tokens, near_quote, neighbours
from knowledge.indexes import Entry as Entry
from knowledge.indexes import Indexes, digests, is_whole, keep, kept_indexes, places_of, sources
from knowledge.lexical import LexicalIndex, index_tokens, query_tokens
from knowledge.lexicon import Lexicon
from knowledge.model import Hit
from knowledge.query import Query, parse_query
from knowledge.text import fold
from knowledge.views import View, ViewIndex, nearest_uncovered, ordered

log = logging.getLogger(__name__)
_MODES = {"bm25", "dense", "hybrid"}
_NEAR_QUOTE_CANDIDATES = 10
# Candidates that are compared word by word.
_CLOSELY = 60
_FOLDED_KEPT = 2000
_PARTS_KEPT = 4000
_DIGITS = 4


@dataclass(frozen=True, slots=True)
class Found:
    """An entry that a search found, and what each ranking saw in it (see calibration.SIGNALS)."""

    hit: Hit
    signals: Mapping[str, float]


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
        viewed: Mapping[str, int] | None = None,
        owners: Sequence[str] | None = None,
        candidates: int = 50,
        calibration: Calibration | None = None,
    ) -> None:
        """Take the indexes of entries and, for passages of views, where their entries stand; else as build_search.

        Args:
            owners: see owners_of; worked out where it is not known yet.
        """
        self._entries, self._indexes = entries, indexes
        self._lexical, self._vectors = indexes.lexical, indexes.vectors
        self._pieces, self._late = indexes.pieces, indexes.late
        self._encoder = encoder
        self._lexicon = lexicon
        self._restorer = restorer
        self._candidates = candidates
        self._calibration = calibration or load_calibration()
        self._views = views
        self._viewed = viewed or {}
        self._unasked = _unasked(owners_of(entries) if owners is None else owners, set(self._viewed.values()))

    @property
    def entries(self) -> Sequence[Entry]:
        """What is searched."""
        return self._entries

    @property
    def lexical(self) -> LexicalIndex:
        """The BM25 index, which knows how rare a word is."""
        return self._lexical

    def was_built_with(self, encoder: Encoder, lexicon: Lexicon) -> bool:
        """Whether an encoder and a lexicon would make the same indexes of the same entries."""
        same = lexicon.function_words == self._lexicon.function_words
        return same and encoder.fingerprint == self._encoder.fingerprint

    def updated(self, entries: Sequence[Entry], views: Sequence[View]) -> tuple[Indexes, ViewIndex | None]:
        """Return what a search over other entries and views needs, as far as possible from what is here."""
        places = places_of(entries, self._entries)
        same = self._views is not None and self._views.views == list(views)
        viewed = self._views if same or not views else ViewIndex.build(views, self._encoder, self._lexicon)
        return self._indexes.updated(places, entries, self._encoder), viewed if views else None

    def restorer_of(self, lexicon: Lexicon) -> Restorer:
        """Return what puts the accents back, with what it has learned of slips where the lexicon is the same."""
        return self._restorer if lexicon is self._lexicon else _restorer(lexicon)

    @property
    def encoder(self) -> Encoder:
        """What turns questions into vectors."""
        return self._encoder

    @property
    def answering(self) -> Mapping[str, float]:
        """The learned model of when a passage answers; see support.VIEWS."""
        kinds = self._calibration
        return kinds.answering if self._views is not None else kinds.answering_without_views

    def save(self, folder: Path) -> None:
        """Write what was built into a folder, so that build_search finds it there; see indexes.keep.

        Raises:
            CacheError: the disk is full or the folder cannot be written.
        """
        keep(self._indexes, self._entries, self._encoder, self._lexicon, folder)
        if self._views is not None:
            beside = _beside(folder)
            cache.refresh(beside, _views_from(self._views.views, self._encoder, self._lexicon), self._views.save)

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
        asked = self._asked(query)
        allowed = None if prior is None else prior > 0
        scores = self._lexical.scores(query) if mode != "dense" else np.zeros(len(self._entries), dtype=np.float32)
        lexical = _best(scores, width, allowed)
        vector = self._encoder.encode_queries([query.asked])[0]
        dense = self._dense(vector, width, allowed) if mode != "bm25" else {}
        if mode != "hybrid":
            ranked = sorted((lexical or dense).items(), key=lambda item: (-item[1], item[0]))[:k]
            return [Found(Hit(self._part(i, asked), score), {}) for i, score in ranked]
        viewed = self._views.scores(query, vector) if curated and self._views is not None else {}
        by_view = {
            position: seen
            for entry_id, seen in viewed.items()
            if any(seen)
            and (position := self._viewed.get(entry_id)) is not None
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
        alone = self._unasked[ids] if viewed else np.zeros(len(ids), dtype=bool)
        for name, itself in (
            ("view_words", column["lexical"]),
            ("view_dense", np.maximum(column["dense"], column["pieces"])),
        ):
            column[name][alone] = np.maximum(column[name], itself)[alone]
        if prior is not None:
            column["prior"][:] = np.log(prior[ids])
        weights = self._calibration.fusion(passages=len(self._entries), views=bool(viewed))
        if self._late is not None:
            close = np.argsort(-weigh(signals, weights), kind="stable")[:_CLOSELY]
            column["late"][close] = self._late.scores(query.asked, [ids[row] for row in close])
            column["view_late"][alone] = np.maximum(column["view_late"], column["late"])[alone]
        # Beyond these digits the sums depend on the processor and its threads.
        fused = np.round(weigh(signals, weights), _DIGITS)
        ranked_ids = sorted(range(len(ids)), key=lambda row: (-fused[row], ids[row]))[:k]
        return [
            Found(
                Hit(self._part(ids[row], asked), float(fused[row])),
                {**dict(zip(SIGNALS, signals[row].tolist(), strict=True)), **uncovered},
            )
            for row in ranked_ids
        ]

    def _dense(self, vector: NDArray[np.float32], width: int, allowed: NDArray[np.bool_] | None) -> dict[int, float]:
        # Entries that are shut out must not use up the places of those that are not.
        ids, similarities = self._vectors.search(vector[None, :], k=width, allowed=allowed)
        return {i: s for i, s in zip(ids[0].tolist(), similarities[0].tolist(), strict=True) if s > 0}

    def _asked(self, query: Query) -> dict[str, float]:
        """Return how much each index token of a query counts."""
        asked = {token: self._lexical.idf(token) for token in query_tokens(query)}
        for expansion in query.expansions:
            for token in (*expansion.folded, *expansion.pairs):
                asked.setdefault(token, expansion.weight * self._lexical.idf(token))
        return asked

    def _part(self, position: int, asked: Mapping[str, float]) -> str:
        """Return the passage of an entry that holds most of what is asked, rare words counting more; else the first."""
        entry = self._entries[position]
        if len(entry.parts) < 2:
            return entry.id
        # Added up exactly, so that the order of a set does not matter.
        covered = [math.fsum(asked[token] for token in _held(text) & asked.keys()) for _, text in entry.parts]
        return entry.parts[int(np.argmax(covered))][0]

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
        quotes = near_quote(query, [_folded(self._entries[i].words) for i in likely])
        return {
            i: quote * quote + (scores.get(i, 0.0) / best if best else 0.0)
            for i, quote in zip(likely, quotes, strict=True)
        }


# By text, so that what one version of the documents has worked out serves the next.
@lru_cache(maxsize=_FOLDED_KEPT)
def _folded(text: str) -> str:
    return fold(text)


@lru_cache(maxsize=_PARTS_KEPT)
def _held(text: str) -> frozenset[str]:
    return frozenset(index_tokens(text))


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
    previous: Search | None = None,
) -> Search:
    """Return a search over entries; with a folder, what was built before is used again where nothing has changed.

    Args:
        views: other ways in which an entry may be asked for; searched, never shown.
        previous: a search that answers now and goes on answering: only what has changed since is built, nothing is
            read from the folder, and nothing written into it (see Search.save).
    Raises:
        CacheError: the folder cannot be written.
    """
    # A query's sums are small: further threads of BLAS wait for the next one busily, and faiss goes without a core.
    threadpool_limits(limits=1, user_api="blas")
    owners = owners_of(entries)
    known = _positions_of((view.passage_id for view in views if view.is_covered), entries, owners)
    asked = ordered([view for view in views if view.passage_id in known or not view.is_covered])
    if previous is not None and previous.was_built_with(encoder, lexicon):
        indexes, viewed = previous.updated(entries, asked)
    else:
        indexes = (
            Indexes.build(entries, encoder, lexicon)
            if folder is None or previous is not None
            else kept_indexes(entries, encoder, lexicon, folder)
        )
        viewed = _viewed(asked, encoder, lexicon, folder if previous is None else None) if asked else None
    return Search(
        entries,
        indexes,
        encoder,
        lexicon,
        previous.restorer_of(lexicon) if previous is not None else _restorer(lexicon),
        views=viewed,
        viewed=known,
        owners=owners,
        candidates=candidates,
        calibration=calibration,
    )


def _restorer(lexicon: Lexicon) -> Restorer:
    return Restorer(load_accents(), lexicon.short_forms, lexicon.names)


def owners_of(entries: Sequence[Entry]) -> list[str]:
    """Return the document of each entry."""
    return [entry.id.partition("/")[0] for entry in entries]


def _unasked(owners: Sequence[str], viewed: Set[int]) -> NDArray[np.bool_]:
    """Return which entries stand for themselves beside their views, [n]: those of documents most of which has none.

    Nobody has written down how a document is asked for that was loaded later; its passages would stand behind others.
    """
    asked = Counter(owners[at] for at in viewed)
    alone = {owner: 2 * asked[owner] < count for owner, count in Counter(owners).items()}
    return np.fromiter(map(alone.__getitem__, owners), dtype=bool, count=len(owners))


def _positions_of(passage_ids: Iterable[str], entries: Sequence[Entry], owners: Sequence[str]) -> dict[str, int]:
    """Return where the entries of some passages stand; those that have none are left out."""
    wanted = set(passage_ids)
    if not wanted:
        return {}
    # Most documents have no such passage, and most passages of a large store need not be looked at.
    documents = {passage_id.partition("/")[0] for passage_id in wanted}
    found: dict[str, int] = {}
    for at in [at for at, owner in enumerate(owners) if owner in documents]:
        entry = entries[at]
        for passage_id in (entry.id, *(part for part, _ in entry.parts)):
            if passage_id in wanted:
                found[passage_id] = at
    return found


def built_from(entries: Sequence[Entry], encoder: Encoder, lexicon: Lexicon) -> dict[str, str]:
    """Return {source: fingerprint} of everything an index depends on."""
    return sources("documents", digests(entries).tobytes(), encoder, lexicon)


def _viewed(views: Sequence[View], encoder: Encoder, lexicon: Lexicon, folder: Path | None) -> ViewIndex:
    """Return the index of views, at least one; with a folder for the entries, it is kept beside it."""
    if folder is None:
        return ViewIndex.build(views, encoder, lexicon)
    beside, from_ = _beside(folder), _views_from(views, encoder, lexicon)
    changed = cache.differences(beside, from_)
    if not changed and is_whole(beside):
        return ViewIndex.load(beside, views, encoder)
    if changed and beside.exists():
        log.info("%s was built from other %s: building it again", beside.name, " and ".join(changed))
    built = ViewIndex.build(views, encoder, lexicon)
    cache.refresh(beside, from_, built.save)
    return built


def _views_from(views: Sequence[View], encoder: Encoder, lexicon: Lexicon) -> dict[str, str]:
    texts = "".join(f"{view.passage_id}\0{view.question}\0" for view in views)
    return sources("questions", texts.encode(), encoder, lexicon)


def _beside(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}-questions")
