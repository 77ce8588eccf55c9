"""What to quote, or nothing: from a question to an Answer."""

import re
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from embeddings.encoder import Encoder
from knowledge import intents
from knowledge.calibration import Calibration
from knowledge.citations import CitationGraph
from knowledge.from_citations import CitationAnswers
from knowledge.from_outline import OutlineAnswers
from knowledge.from_passages import PassageAnswers, Thresholds
from knowledge.intents import FollowUp
from knowledge.lexical import LexicalIndex
from knowledge.lexicon import Lexicon
from knowledge.model import Answer, Choice, Document, Hit, Outcome, Passage, PassageKind, Reason, Topic
from knowledge.prepared import Prepared, entries_of, prepare
from knowledge.query import Query
from knowledge.search import Entry, Found, Search, build_search
from knowledge.shelf import Shelf
from knowledge.structure import Asked, OutlineQuestion, parse_outline_question
from knowledge.text import clean, collapse, fold, pairs, syllables
from knowledge.views import View, open_beside, subjects_of

# A question in a chat is never this long; a pasted document is.
LONGEST_QUESTION = 4000
_SHORT_FOLLOW_UP = 4
# It costs less to look into so many than to look up more words.
_ENOUGH = 20
_PREPARED = 16
_CLAUSE_ALONE = re.compile(r"(?:the |con |vay )?khoan (\d{1,3})\W*")


class KnowledgeBase(Shelf):
    """The documents of the store, ready to be asked."""

    def __init__(
        self,
        documents: Sequence[Document],
        passages: Sequence[Passage],
        search: Search,
        *,
        thresholds: Thresholds | None = None,
        prepared: Mapping[str, Prepared] | None = None,
        graph: CitationGraph | None = None,
    ) -> None:
        super().__init__(documents, passages, search.lexical, prepared=prepared, graph=graph)
        # With references to itself, a store that was replaced would stay until somebody looks for garbage.
        shelf = copy(self)
        self._search = search
        self._by_citations = CitationAnswers(shelf, search)
        self._by_passages = PassageAnswers(shelf, search, thresholds or Thresholds())
        self._by_outline = OutlineAnswers(shelf, self._by_citations, self._by_passages)
        # What `prepare` has worked out; a handful, for those who ask at this moment.
        self._parse = lru_cache(_PREPARED)(search.parse)
        self._answer_from_passages = lru_cache(_PREPARED)(self._by_passages.answer)

    @property
    def lexical(self) -> LexicalIndex:
        """The BM25 index, which knows how rare a word is."""
        return self._search.lexical

    @property
    def encoder(self) -> Encoder:
        """What turns questions into vectors."""
        return self._search.encoder

    def save(self, folder: Path) -> None:
        """Write what was built into a folder, so that build_knowledge finds it there; the old content stays until then.

        Raises:
            CacheError: the disk is full or the folder cannot be written.
        """
        self._search.save(folder)

    def search(self, text: str, *, k: int, mode: str = "hybrid") -> list[Hit]:
        """Return the k best passages for a question, best first, without judging whether they answer it.

        Args:
            mode: see Search.find.
        """
        return [found.hit for found in self.find(self._search.parse(text), k=k, mode=mode)]

    def parse(self, text: str) -> Query:
        """Return a question as it is searched for."""
        return self._search.parse(text)

    def find(self, query: Query, *, k: int, mode: str = "hybrid") -> list[Found]:
        """Return the same with what each ranking saw in them."""
        prior = self._by_passages.prior_for(query, self.graph.find_mentions(query.text))
        return self._search.find(query, k=k, prior=prior, mode=mode)

    def evidence_for(self, question: str) -> tuple[str, tuple[float, ...]] | None:
        """Return the best passage for a question and what speaks for it (support.VIEWS), to learn from.

        None where something else than the evidence decides: a pleasantry, a question about documents or their parts.
        """
        text = collapse(clean(question))
        query = self._search.parse(text)
        if intents.smalltalk(text) is not None or not any(c.isalnum() for c in query.text):
            return None
        return self._by_passages.evidence_for(query, self.graph.find_mentions(query.text))

    def prepare(self, question: str) -> None:
        """Work out ahead most of what `answer` will need for a question, so that it takes little time then."""
        self.answer(question)

    def answer(self, question: str, *, topic: Topic | None = None, k: int = 5) -> Answer:
        """Return what the documents say to a question, or why they say nothing.

        Args:
            topic: what the conversation was about; lets "thế mục sau?" be understood.
            k: how many hits to give beside the quotes, best first.
        """
        if len(question) > LONGEST_QUESTION:
            return Answer(Outcome.AMBIGUOUS, Reason.TOO_LONG, facts={"characters": str(len(question))})
        text = collapse(clean(question))
        kind = intents.smalltalk(text)
        if kind is not None:
            return Answer(Outcome.SMALLTALK, Reason.SMALLTALK, smalltalk=kind, topic=topic)
        query = self._parse(text)
        if not any(c.isalnum() for c in query.text):
            return Answer(Outcome.AMBIGUOUS, Reason.NO_WORDS, topic=topic)
        answer = self._decide(query, topic or Topic(), k)
        kept = answer.topic or Topic(
            question=query.text,
            passage_id=answer.quotes[0].citation.passage_id if answer.quotes else None,
            document_id=answer.document_ids[0] if answer.document_ids else None,
            hits=tuple(hit.passage_id for hit in answer.hits),
        )
        return replace(answer, topic=kept, query=answer.query or query.text)

    def section(self, document_id: str, section: str) -> Answer:
        """Return a section: its heading and what stands in it; see OutlineAnswers.section."""
        return self._by_outline.section(document_id, section)

    def sections(
        self, document_id: str, sections: Sequence[str], reason: Reason, *, heading: Passage | None = None
    ) -> Answer:
        """Return the headings of sections; see OutlineAnswers.sections."""
        return self._by_outline.sections(document_id, sections, reason, heading=heading)

    def card(self, document_id: str) -> Answer:
        """Return what is known of a document; see CitationAnswers.card."""
        return self._by_citations.card(document_id)

    def places(self, document_id: str) -> Answer:
        """Return where the plan cites a document; see CitationAnswers.places."""
        return self._by_citations.places(document_id)

    def _decide(self, query: Query, topic: Topic, k: int) -> Answer:
        mentions = self.graph.find_mentions(query.text)
        asked = parse_outline_question(query.text, self.outline(self.plan.id)) if self.plan else None
        if not mentions:
            on = self._go_on(query, topic, k)
            if on is not None:
                return on
        clause = _CLAUSE_ALONE.fullmatch(fold(query.text))
        passage = self.passages.get(topic.passage_id or "")
        if clause and passage is not None and passage.section.startswith("dieu-"):
            asked = OutlineQuestion(Asked.ARTICLE, section=passage.section, clause=int(clause[1]))
        if asked is not None:
            structural = self._by_outline.answer(query, asked, mentions, topic, k)
            if structural is not None:
                return structural
        if not mentions and topic.document_id and intents.means_that_document(query.text):
            mentions = self._by_citations.mention_of(topic.document_id)
        for senses in self._search.unclear_names(query):
            meant = self._by_citations.meant(query, senses)
            if len(meant) > 1:
                choices = tuple(Choice("card", document_id) for document_id in meant)[:3]
                return Answer(Outcome.AMBIGUOUS, Reason.WHICH_DOCUMENT, choices=choices)
            mentions = mentions or [
                mention for document_id in meant for mention in self._by_citations.mention_of(document_id)
            ]
        if mentions:
            cited = self._by_citations.answer(query, mentions, k)
            if cited is not None:
                return cited
        elif self.plan is not None and intents.asks_for_basis(query.text):
            return self._by_citations.basis(k)
        elif self.plan is not None and intents.asks_for_cited_list(query.text):
            return self._by_citations.cited_list(k)
        return self._answer_from_passages(query, tuple(mentions), k)

    def _go_on(self, query: Query, topic: Topic, k: int) -> Answer | None:
        """Answer a message that goes on from the one before; None when it stands alone."""
        kind = intents.follow_up(query.text)
        passage = self.passages.get(topic.passage_id or "")
        if kind is None:
            return None
        if passage is None:
            stands_alone = kind is FollowUp.CONTINUES or len(query.tokens) > _SHORT_FOLLOW_UP
            return None if stands_alone else Answer(Outcome.AMBIGUOUS, Reason.NO_TOPIC, topic=topic)
        outline = self.outline(passage.document_id)
        if kind in (FollowUp.NEXT_SECTION, FollowUp.PREVIOUS_SECTION):
            step = 1 if kind is FollowUp.NEXT_SECTION else -1
            section = (
                outline.neighbour(passage.section, step)
                if passage.section in outline.sections
                else (outline.sections[0] if outline.sections else None)
            )
            if section is None:
                return Answer(Outcome.NOT_IN_DOCUMENTS, Reason.LAST_SECTION, topic=topic)
            return self.section(passage.document_id, section)
        if kind in (FollowUp.NEXT_PASSAGE, FollowUp.PREVIOUS_PASSAGE):
            step = 1 if kind is FollowUp.NEXT_PASSAGE else -1
            near = outline.next_passage(passage, step)
            if near is None:
                return Answer(Outcome.NOT_IN_DOCUMENTS, Reason.LAST_SECTION, topic=topic)
            return self.passage(near.id, k=k, rest=self._others(topic.hits, near.id), question=topic.question)
        if kind is FollowUp.MORE and passage.kind is PassageKind.HEADING and outline.bullets(passage.section):
            return self.passage(outline.bullets(passage.section)[0].id, k=k)
        if kind is FollowUp.MORE:
            return self.passage(passage.id, k=k, rest=self._others(topic.hits, passage.id), question=topic.question)
        if kind is FollowUp.OTHERS:
            others = self._others(topic.hits, passage.id)
            if not others:
                return Answer(Outcome.NOT_IN_DOCUMENTS, Reason.LAST_SECTION, topic=topic)
            return self.passage(others[0], k=k, rest=others[1:], question=topic.question)
        if not topic.question or sum(query.is_content) > 5:
            return None
        shown = passage.id if intents.asks_who_else(query.text) else None
        alone = self._by_passages.answer(query, (), k, near=passage.section, without=shown)
        both = self._search.parse(f"{topic.question} {query.text}")
        joined = self._by_passages.answer(both, (), k, near=passage.section, without=shown)
        # The question before only helps to find; what is shown must speak of what is asked now.
        found = [hit.passage_id for hit in joined.hits] if joined.outcome is Outcome.ANSWERED else []
        speaking = next((passage_id for passage_id in found if self._by_passages.speaks_of(query, passage_id)), None)
        if speaking is not None and speaking != found[0]:
            joined = self.passage(
                speaking, k=k, rest=tuple(one for one in found if one != speaking), question=both.text
            )
        answer = joined if speaking is not None or alone.outcome is not Outcome.ANSWERED else alone
        return replace(answer, query=both.text if answer is joined else query.text)

    def _others(self, hits: Sequence[str], passage_id: str) -> tuple[str, ...]:
        """Return the other passages of a topic that still are in the store."""
        return tuple(hit for hit in hits if hit != passage_id and hit in self.passages)


def build_knowledge(
    documents: Sequence[Document],
    encoder: Encoder,
    lexicon: Lexicon,
    *,
    views: Sequence[View] = (),
    folder: Path | None = None,
    candidates: int = 50,
    calibration: Calibration | None = None,
    thresholds: Thresholds | None = None,
    previous: KnowledgeBase | None = None,
) -> KnowledgeBase:
    """Return the documents ready to be asked; with a folder, an index built before is used again while it fits.

    Args:
        views: curated questions, which help to find their passages and are never shown.
        previous: what answers now and goes on answering; only what has changed since is built.
    Raises:
        CacheError: the folder cannot be written.
    """
    prepared = prepare(documents, None if previous is None else previous.prepared)
    documents = [one.document for one in prepared.values()]
    subjects = subjects_of(views)
    named = frozenset[str]().union(*(one.naming(subjects) for one in prepared.values()))
    search = build_search(
        entries_of(prepared),
        encoder,
        lexicon,
        views=open_beside(views, named),
        folder=folder,
        candidates=candidates,
        calibration=calibration,
        previous=None if previous is None else previous._search,
    )
    graph = CitationGraph(
        documents,
        (),
        prepared=prepared,
        previous=None if previous is None else previous.graph,
        holding=lambda words: _holding(search, prepared, words),
    )
    return KnowledgeBase(documents, (), search, thresholds=thresholds, prepared=prepared, graph=graph)


def index_entries(documents: Sequence[Document]) -> list[Entry]:
    """Return what is searched of documents; see entries_of."""
    return entries_of(prepare(documents))


def _holding(search: Search, prepared: Mapping[str, Prepared], words: str) -> Iterator[Passage]:
    """Yield the searched passages of a store that may hold some words, beside each other."""
    folded = [fold(token) for token in syllables(words)]
    for position in search.lexical.holding(pairs(folded) or folded, enough=_ENOUGH):
        entry = search.entries[position]
        one = prepared[entry.id.split("/", 1)[0]]
        yield from (one.by_id[part] for part, _ in entry.parts or ((entry.id, ""),))
