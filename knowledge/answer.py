"""What to quote, or nothing: from a question to an Answer."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embeddings.encoder import Encoder
from knowledge import intents
from knowledge.chunker import TITLE_LOCATOR, chunk
from knowledge.citations import CitationGraph, CitationRecord, CitedDocument, Mention, names_state_law
from knowledge.fuzzy import neighbours
from knowledge.intents import CitationAsked, FollowUp
from knowledge.lexicon import Lexicon
from knowledge.model import (
    Answer,
    Choice,
    Document,
    Force,
    Hit,
    Notice,
    NoticeKind,
    Outcome,
    Passage,
    PassageKind,
    Quote,
    Reason,
    TextKind,
    Topic,
)
from knowledge.query import SEARCHED_CHARACTERS, Query
from knowledge.quotes import Quoter
from knowledge.search import Entry, Search, Weights, build_search
from knowledge.structure import STRUCTURE_WORDS, Asked, Outline, OutlineQuestion, parse_outline_question
from knowledge.support import Evidence, evidence
from knowledge.text import clean, collapse, fold

# A question in a chat is never this long; a pasted document is.
LONGEST_QUESTION = 4000
_NEAREST = 2
_MOST_QUOTES = 3
_NEAR_BOOST = 1.2
# In a regulation, what stands outside its articles ("Hiệu lực", "Văn bản liên quan") answers less often.
_OUTSIDE_ARTICLES = 0.75
_SEVERAL = re.compile(
    r"\b(?:liet ke|tong hop|so sanh|nhung (?:van ban|quy dinh|muc|cho|doan|noi dung|diem) nao"
    r"|cac (?:cho|doan|muc|noi dung)|o nhung (?:muc|cho|doan)|may (?:cho|doan)|ba viec|hai viec|va viec do"
    r"|va trong|voi trong)\b"
)


_CONSIDERED = 10
_LEAST_WORDS = 3
_SENTENCE = re.compile(r"(?<=[.!?;:])\s+")
_PART = re.compile(
    r",\s*(?:và|còn|va|con|đồng thời)\s+|\s+(?:và|va)\s+(?=(?:khi|ai|theo|việc|lãnh đạo|viec|lanh dao)\b)"
    r"|[;?]\s+(?=\S)"
)
# A question for a number of something is not answered by words without a number of it.
_WANTS_NUMBER = re.compile(
    r"\b(?:bao nhieu|may)\s+(?P<unit>phan tram|tien|dong|ty|trieu|tuoi|thang|nam|ngay|lan|nguoi|dang vien|phieu|cai"
    r"|suat|chi tieu|dieu|chuong|chuan muc|bieu hien|truong hop)\b"
)
_NUMBER = r"(?:\d[\d.,/]*|mot|hai|ba|bon|nam|sau|bay|tam|chin|muoi)"
_MONEY = {"tien": "(?:dong|trieu|ty)", "dong": "(?:dong|trieu|ty)", "phan tram": "(?:%|phan tram)"}
_TERM = re.compile(r"\bkhoa (?P<term>1[1-4]|x[iv]+)\b")
_ROMAN = {"11": "XI", "12": "XII", "13": "XIII", "14": "XIV"}
# Who asks for several things must not be shown only the clause that names the first.
_ENUMERATES = re.compile(r"\b(?:nhung|cac|gom|bao gom|liet ke|gi va|va gi)\b")
_DUTY_WORDS = {"lam", "trach", "nhiem", "viec"}
_WHICH_DOCUMENT = re.compile(r"\b(?:van ban|quy dinh|quyet dinh|nghi quyet|ket luan|vb|chi thi) nao\b")


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Numbers behind "answered or not"; figures behind them: docs/figures.md.

    Attributes:
        confidence: a passage is an answer from here on; see support.Evidence.
        sentence_share: least share for one sentence of a longer message to be taken for the question.
        digest_prior: what a digest's score counts beside the plan's, unless the question names the digest.
        ambiguous_words: a question with at most this many content words may be too wide.
        ambiguous_ratio: the third best section must come this near to the best for the question to be too wide.
        several: part of the best passage's share that a further passage needs to be shown beside it.
    """

    confidence: float = 0.55
    sentence_share: float = 0.5
    digest_prior: float = 0.6
    ambiguous_words: int = 2
    ambiguous_ratio: float = 0.6
    several: float = 0.5


@dataclass(frozen=True, slots=True)
class _Looked:
    """What a search found for a question, and how far each passage speaks of it."""

    query: Query
    hits: tuple[Hit, ...]
    found: dict[str, Evidence]
    best: Hit


class KnowledgeBase:
    """The documents of the store, ready to be asked."""

    def __init__(
        self,
        documents: Sequence[Document],
        passages: Sequence[Passage],
        search: Search,
        *,
        thresholds: Thresholds | None = None,
    ) -> None:
        self.documents = {document.id: document for document in documents}
        self.passages = {passage.id: passage for passage in passages}
        self.graph = CitationGraph(documents, passages)
        self.quoter = Quoter(documents, search.lexical)
        self._search = search
        self._thresholds = thresholds or Thresholds()
        self._searched = [passage for passage in passages if passage.kind is PassageKind.BODY]
        self._outlines = {d: Outline([p for p in passages if p.document_id == d]) for d in self.documents}
        self.plan = next((document for document in documents if document.is_plan), None)
        articled = {document_id for document_id in self.documents if self._is_articled(document_id)}
        self._outside_articles = {
            p.id for p in passages if p.document_id in articled and not p.section.startswith("dieu-")
        }
        self._citing = {record.passage_id for record in self.graph.records}
        title = f"{self.plan.id}/{TITLE_LOCATOR}" if self.plan else ""
        self._basis_id = next((r.document_id for r in self.graph.records if r.passage_id == title), None)

    def _is_articled(self, document_id: str) -> bool:
        """Whether most of a document's parts are articles."""
        sections = self._outlines[document_id].sections
        return sum(section.startswith("dieu-") for section in sections) * 2 > len(sections)

    def outline(self, document_id: str) -> Outline:
        """Return the sections and passages of a document.

        Raises:
            KeyError: no such document.
        """
        return self._outlines[document_id]

    def search(self, text: str, *, k: int) -> list[Hit]:
        """Return the k best passages for a question, best first, without judging whether they answer it."""
        query = self._search.parse(text)
        return self._search.search(query, k=k, prior=self._prior(self._named(self.graph.find_mentions(query.text))))

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
        query = self._search.parse(text)
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

    def _decide(self, query: Query, topic: Topic, k: int) -> Answer:
        mentions = self.graph.find_mentions(query.text)
        asked = parse_outline_question(query.text, self._plan_outline()) if self.plan else None
        if not mentions:
            on = self._go_on(query, topic, k)
            if on is not None:
                return on
        if asked is not None:
            structural = self._from_outline(query, asked, mentions, topic, k)
            if structural is not None:
                return structural
        if not mentions and topic.document_id and intents.means_that_document(query.text):
            mentions = self._mention_of(topic.document_id)
        for senses in self._search.unclear_names(query):
            meant = self._meant(query, senses)
            if len(meant) > 1:
                choices = tuple(Choice("card", document_id) for document_id in meant)[:3]
                return Answer(Outcome.AMBIGUOUS, Reason.WHICH_DOCUMENT, choices=choices)
            mentions = mentions or [mention for document_id in meant for mention in self._mention_of(document_id)]
        if mentions:
            cited = self._from_citations(query, mentions, k)
            if cited is not None:
                return cited
        elif self.plan is not None and intents.asks_for_basis(query.text):
            return self._basis(k)
        elif self.plan is not None and intents.asks_for_cited_list(query.text):
            return self._cited_list(k)
        return self._from_passages(query, mentions, k)

    # --- passages -------------------------------------------------------------------------------------------------

    def _from_passages(
        self,
        query: Query,
        mentions: Sequence[Mention],
        k: int,
        *,
        section: tuple[str, str] | None = None,
        near: str | None = None,
        without: str | None = None,
    ) -> Answer:
        """Search and judge: quote what answers, ask back when the question is too wide, else say what is nearest."""
        named = self._named(mentions)
        if names_state_law(query.text) and not mentions:
            return Answer(Outcome.NOT_IN_DOCUMENTS, Reason.OTHER_LAW)
        prior = self._prior(
            named,
            section=section,
            near=near,
            without=without,
            plan_only=intents.names_the_plan(query.text),
            citing=_WHICH_DOCUMENT.search(fold(query.text)) is not None,
        )
        looked = self._look(query, prior)
        parts = self._parts(query, prior)
        if len(parts) > 1:
            return self._quoting(query, [part.best for part in parts][:_MOST_QUOTES], _merged(parts)[:k])
        if looked is None or not self._answers(query, looked):
            # In a long message the question is one sentence among others.
            looked = self._look_by_sentence(query, prior) or looked
        if looked is None:
            return Answer(Outcome.NOT_IN_DOCUMENTS, Reason.NOTHING_FOUND)
        if not self._answers(looked.query, looked):
            return self._nearest(looked.hits)
        best = self._cited_rather(looked)
        wide = self._too_wide(looked) if not mentions and section is None else None
        if wide is not None:
            return wide
        ordered = [best, *(hit for hit in looked.hits if hit is not best)]
        several = _SEVERAL.search(fold(query.text)) is not None
        least = self._thresholds.several * looked.found[best.passage_id].share
        shown = [
            hit
            for hit in ordered[: _MOST_QUOTES + 2]
            if hit is best or (several and looked.found[hit.passage_id].share >= least)
        ][:_MOST_QUOTES]
        return self._quoting(looked.query, shown, ordered[:k])

    def _look(self, query: Query, prior: NDArray[np.float32]) -> "_Looked | None":
        """Search, and see how far each of the first passages speaks of the question."""
        hits = self._search.search(query, k=_CONSIDERED, prior=prior)
        if not hits:
            return None
        near = neighbours(query, self._search.lexical)
        scores = self._search.lexical_scores(query, [hit.passage_id for hit in hits])
        found = {
            hit.passage_id: evidence(
                query, self._with_context(hit.passage_id), self._search.lexical, near, scores[hit.passage_id]
            )
            for hit in hits
        }
        best = max(hits[:3], key=lambda hit: (self._is_enough(query, hit, found[hit.passage_id]), hit.score))
        return _Looked(query, tuple(hits), found, best)

    def _look_by_sentence(self, query: Query, prior: NDArray[np.float32]) -> "_Looked | None":
        sentences = [self._search.parse(part) for part in _SENTENCE.split(query.text)]
        telling = [sentence for sentence in sentences if sum(sentence.is_content) >= _LEAST_WORDS]
        if len(sentences) < 2:
            return None
        looked = [found for found in (self._look(sentence, prior) for sentence in telling) if found]
        clear = [
            found
            for found in looked
            if self._answers(found.query, found)
            and found.found[found.best.passage_id].share >= self._thresholds.sentence_share
        ]
        return max(clear, key=lambda found: found.found[found.best.passage_id].phrases, default=None)

    def _parts(self, query: Query, prior: NDArray[np.float32]) -> "list[_Looked]":
        """Look for each part of a question in several parts; empty unless they lead to different passages."""
        parts = [self._search.parse(part) for part in _PART.split(query.text)]
        if len(parts) < 2 or any(sum(part.is_content) < _LEAST_WORDS for part in parts):
            return []
        looked = [self._look(part, prior) for part in parts]
        found = [one for one in looked if one and self._answers(one.query, one)]
        different = {one.best.passage_id: one for one in reversed(found)}
        return [one for one in found if different[one.best.passage_id] is one] if len(different) == len(parts) else []

    def _cited_rather(self, looked: "_Looked") -> Hit:
        """Where the best passage is of a document that replaced one the plan cites, return the cited one's passage.

        The plan speaks of that one; its notice and a choice lead to the successor.
        """
        document = self.documents[self.passages[looked.best.passage_id].document_id]
        for hit in looked.hits:
            other = self.documents[self.passages[hit.passage_id].document_id]
            enough = self._is_enough(looked.query, hit, looked.found[hit.passage_id])
            if other.cited_in_plan and self.successor(other) is document and enough:
                return hit
        return looked.best

    def _answers(self, query: Query, looked: "_Looked") -> bool:
        return self._is_enough(query, looked.best, looked.found[looked.best.passage_id])

    def _is_enough(self, query: Query, hit: Hit, seen: Evidence) -> bool:
        if not _has_wanted_number(query, self.passages[hit.passage_id].text):
            return False
        return seen.confidence >= self._thresholds.confidence

    def _quoting(self, query: Query, shown: Sequence[Hit], hits: Sequence[Hit]) -> Answer:
        quotes: list[Quote] = []
        for hit in shown:
            quotes.extend(self._quote(self.passages[hit.passage_id], query, whole=len(shown) > 1))
        if not quotes:
            return Answer(Outcome.NOT_IN_DOCUMENTS, Reason.NOTHING_FOUND)
        first = self.passages[quotes[0].citation.passage_id]
        return Answer(
            Outcome.ANSWERED,
            Reason.PASSAGE if len(shown) == 1 else Reason.SEVERAL_PASSAGES,
            quotes=tuple(quotes),
            hits=tuple(hits),
            notices=self._notices(quotes),
            choices=self._choices(first, quotes[0], hits),
            document_ids=(first.document_id,),
        )

    def _quote(self, passage: Passage, query: Query, *, whole: bool) -> list[Quote]:
        """Quote a passage; an opening that only announces a list ("một trong sáu trường hợp:") brings the list."""
        whole = whole or _ENUMERATES.search(fold(query.text)) is not None
        quote = self.quoter.whole(passage) if whole else self.quoter.answering(passage, query)
        quotes = [quote] if quote else []
        if passage.ordinal == 0 and passage.text.endswith(":"):
            for item in self.outline(passage.document_id).bullets(passage.section)[1:]:
                listed = self.quoter.whole(item)
                quotes += [listed] if listed else []
        return quotes

    def _nearest(self, hits: Sequence[Hit]) -> Answer:
        sections: list[str] = []
        for hit in hits:
            passage = self.passages[hit.passage_id]
            key = f"{passage.document_id}/{passage.section}"
            if key not in sections and not self.documents[passage.document_id].metadata_only:
                sections.append(key)
        choices = tuple(Choice("section", key) for key in sections[:_NEAREST])
        return Answer(Outcome.NOT_IN_DOCUMENTS, Reason.NOTHING_FOUND, choices=choices)

    def _too_wide(self, looked: "_Looked") -> Answer | None:
        """Ask back when a question has few words and several sections of the plan hold all of them."""
        query, hits = looked.query, looked.hits
        shares = {passage_id: seen.share for passage_id, seen in looked.found.items()}
        words = [
            token
            for token, kept in zip(query.folded, query.is_content, strict=True)
            if kept and token not in STRUCTURE_WORDS and token not in _DUTY_WORDS
        ]
        if not 0 < len(words) <= self._thresholds.ambiguous_words:
            return None
        best_by_section: dict[str, Hit] = {}
        for hit in hits:
            passage = self.passages[hit.passage_id]
            enough = shares[hit.passage_id] >= self._thresholds.ambiguous_ratio * shares[hits[0].passage_id]
            if self.documents[passage.document_id].is_plan and enough:
                best_by_section.setdefault(passage.section, hit)
        rivals = sorted(best_by_section.values(), key=lambda hit: -hit.score)
        if len(rivals) < 3 or rivals[2].score < self._thresholds.ambiguous_ratio * rivals[0].score:
            return None
        choices = tuple(Choice("in_section", hit.passage_id) for hit in rivals[:3])
        return Answer(Outcome.AMBIGUOUS, Reason.WHICH_SECTION, choices=choices)

    def _with_context(self, passage_id: str) -> str:
        passage = self.passages[passage_id]
        document = self.documents[passage.document_id]
        head = "" if document.is_plan else f"{document.name} {document.title}"
        return f"{' '.join(passage.headings)} {head} {passage.text}"

    def _prior(
        self,
        named: Sequence[str] = (),
        *,
        section: tuple[str, str] | None = None,
        near: str | None = None,
        without: str | None = None,
        plan_only: bool = False,
        citing: bool = False,
    ) -> NDArray[np.float32]:
        """Return [n]: what each passage's score is multiplied by.

        Args:
            named: documents the question names; with any, others than these and the plan are shut out.
            section: (document id, section) to stay inside.
            near: section of the plan that the conversation is about.
            without: a passage that was shown already.
            plan_only: the question speaks of the plan.
            citing: the question asks for a document; passages of the plan that cite one come first.
        """
        digest = self._thresholds.digest_prior

        def weigh(passage: Passage) -> float:
            if passage.id == without:
                return 0.0
            return by_document(passage) * (_OUTSIDE_ARTICLES if passage.id in self._outside_articles else 1.0)

        def by_document(passage: Passage) -> float:
            document = self.documents[passage.document_id]
            if section is not None:
                return float((passage.document_id, passage.section) == section)
            if self._basis_id in named:
                # The plan carries that document out: who names it mostly means the plan.
                return 1.0 if document.is_plan else digest if passage.document_id in named else 0.0
            if named:
                return 1.0 if passage.document_id in named else digest if document.is_plan else 0.0
            if document.is_plan:
                return _NEAR_BOOST if passage.section == near or (citing and passage.id in self._citing) else 1.0
            if plan_only:
                return 0.0
            # Where an old text and its successor say the same, the one that the plan cites is shown, with a notice.
            return digest if document.cited_in_plan else 0.95 * digest

        return np.array([weigh(passage) for passage in self._searched], dtype=np.float32)

    # --- outline --------------------------------------------------------------------------------------------------

    def _plan_outline(self) -> Outline:
        assert self.plan is not None
        return self._outlines[self.plan.id]

    def _from_outline(
        self, query: Query, asked: OutlineQuestion, mentions: Sequence[Mention], topic: Topic, k: int
    ) -> Answer | None:
        assert self.plan is not None
        outline = self._plan_outline()
        if asked.asked is Asked.ARTICLE:
            return self._article(query, asked, mentions, topic, k)
        if mentions:
            return None
        if asked.asked is Asked.OWN_NUMBER:
            return self._own_number()
        if asked.asked is Asked.TITLE:
            return self._basis(k, Reason.TITLE)
        if asked.asked is Asked.PART_COUNT:
            return self.sections(self.plan.id, outline.children(""), Reason.SECTION_LIST)
        if asked.section in outline.sections and intents.asks_for_cited_list(query.text):
            return self._cited_in_section(asked.section or "", k)
        if asked.asked is Asked.SECTION_COUNT or (asked.asked is Asked.SECTION_LIST and asked.section is None):
            return self.sections(self.plan.id, outline.groups, Reason.SECTION_COUNT)
        if asked.asked is Asked.SECTION_LIST:
            return self._range(asked, outline)
        if asked.section is None or asked.section not in outline.sections:
            return Answer(Outcome.NOT_IN_DOCUMENTS, Reason.NO_SUCH_SECTION, facts={"section": asked.section or ""})
        if asked.asked is Asked.BULLET:
            return self._bullet(asked, outline, k)
        if asked.asked is Asked.BULLET_COUNT:
            return replace(self.section(self.plan.id, asked.section), reason=Reason.BULLET_COUNT)
        if self._asks_more_than_structure(query):
            narrowed = self._from_passages(query, (), k, section=(self.plan.id, asked.section))
            if narrowed.outcome is Outcome.ANSWERED:
                return narrowed
        return self.section(self.plan.id, asked.section)

    def _asks_more_than_structure(self, query: Query) -> bool:
        words = [
            token
            for token, kept in zip(query.folded, query.is_content, strict=True)
            if kept and token not in STRUCTURE_WORDS and not token.isdigit()
        ]
        return len(words) >= 2

    def section(self, document_id: str, section: str) -> Answer:
        """Return a section: its heading and the opening words of what stands in it.

        Raises:
            KeyError: no such document or section.
        """
        outline = self._outlines[document_id]
        heading = outline.heading(section)
        below = outline.children(section) if self.documents[document_id].is_plan else []
        if below:
            return self.sections(document_id, below, Reason.SECTION_LIST, heading=heading)
        bullets = outline.bullets(section)
        if heading is None and not bullets:
            raise KeyError(section)
        parts = [self.quoter.opening(bullet) if heading else self.quoter.whole(bullet) for bullet in bullets]
        if not self.documents[document_id].is_plan:
            parts = [self.quoter.whole(bullet) for bullet in bullets]
            heading = None
        shown = ([self.quoter.whole(heading)] if heading else []) + parts
        quotes = tuple(quote for quote in shown if quote)
        if not quotes:
            return Answer(Outcome.NOT_IN_DOCUMENTS, Reason.NOTHING_FOUND)
        hits = [Hit(p.id, 1.0) for p in [*([heading] if heading else []), *bullets]]
        if self.documents[document_id].is_plan:
            choices = tuple(Choice("passage", bullet.id) for bullet in bullets)
        else:
            choices = self._choices(bullets[0], quotes[0], hits)
        first = quotes[0].citation.passage_id
        return Answer(
            Outcome.ANSWERED,
            Reason.SECTION,
            quotes=quotes,
            hits=tuple(hits),
            notices=self._notices(quotes),
            choices=choices,
            facts={"section": section, "count": str(len(bullets))},
            document_ids=(document_id,),
            topic=Topic(passage_id=first, document_id=document_id, hits=tuple(hit.passage_id for hit in hits)),
        )

    def sections(
        self, document_id: str, sections: Sequence[str], reason: Reason, *, heading: Passage | None = None
    ) -> Answer:
        """Return the headings of sections."""
        outline = self._outlines[document_id]
        headings = [h for h in (outline.heading(section) for section in sections) if h is not None]
        quotes = tuple(q for q in (self.quoter.whole(h) for h in headings) if q)
        shown = [*([heading] if heading else []), *headings]
        return Answer(
            Outcome.ANSWERED,
            reason,
            quotes=quotes,
            hits=tuple(Hit(h.id, 1.0) for h in (headings if reason is Reason.SECTION_COUNT else shown)),
            choices=tuple(Choice("section", f"{document_id}/{section}") for section in sections),
            facts={
                "count": str(len(headings)),
                "heading": heading.text if heading else "",
                "first": sections[0] if sections else "",
                "last": sections[-1] if sections else "",
            },
            document_ids=(document_id,),
            topic=Topic(
                passage_id=(heading or headings[0]).id if headings else None,
                document_id=document_id,
                hits=tuple(h.id for h in headings),
            ),
        )

    def _range(self, asked: OutlineQuestion, outline: Outline) -> Answer:
        assert self.plan is not None
        first, last = asked.section, asked.until
        if first not in outline.sections or last not in outline.sections:
            missing = first if first not in outline.sections else last
            return Answer(Outcome.NOT_IN_DOCUMENTS, Reason.NO_SUCH_SECTION, facts={"section": missing or ""})
        a, b = sorted((outline.sections.index(first or ""), outline.sections.index(last or "")))
        return self.sections(self.plan.id, outline.sections[a : b + 1], Reason.SECTION_LIST)

    def _bullet(self, asked: OutlineQuestion, outline: Outline, k: int) -> Answer:
        bullets = outline.bullets(asked.section or "")
        ordinal = len(bullets) if asked.ordinal in (-1, None) else asked.ordinal
        if not 1 <= ordinal <= len(bullets):
            facts = {"section": asked.section or "", "count": str(len(bullets)), "ordinal": str(ordinal)}
            return Answer(Outcome.NOT_IN_DOCUMENTS, Reason.NO_SUCH_SECTION, facts=facts)
        return self.passage(bullets[ordinal - 1].id, k=k)

    def _article(
        self, query: Query, asked: OutlineQuestion, mentions: Sequence[Mention], topic: Topic, k: int
    ) -> Answer | None:
        named = [d for mention in mentions for d in mention.document_ids]
        if not named and mentions:
            return None
        if not named and topic.document_id and self._has(topic.document_id, asked.section or ""):
            named = [topic.document_id]
        if not named:
            # Which regulation? The one that fits the other words best, if there are any; else ask back.
            if self._asks_more_than_structure(query):
                return None
            holders = [d for d in self.documents if self._has(d, asked.section or "")]
            cited = sorted(holders, key=lambda d: (not self.documents[d].cited_in_plan, d))
            if not cited:
                return Answer(Outcome.NOT_IN_DOCUMENTS, Reason.NO_SUCH_ARTICLE, facts={"article": asked.section or ""})
            choices = tuple(Choice("section", f"{d}/{asked.section}") for d in cited[:3])
            return Answer(
                Outcome.AMBIGUOUS, Reason.WHICH_DOCUMENT, choices=choices, facts={"article": asked.section or ""}
            )
        document_id = named[0]
        if self.documents[document_id].metadata_only:
            return self._not_loaded(document_id)
        if not self._has(document_id, asked.section or ""):
            facts = {"article": asked.section or "", "document": self.documents[document_id].name}
            return Answer(Outcome.NOT_IN_DOCUMENTS, Reason.NO_SUCH_ARTICLE, facts=facts, document_ids=(document_id,))
        if asked.clause is not None:
            clause = self.passages.get(f"{document_id}/{asked.section}.khoan-{asked.clause}")
            if clause is not None:
                return self.passage(clause.id, k=k)
            facts = {"article": asked.section or "", "clause": str(asked.clause)}
            choices = (Choice("section", f"{document_id}/{asked.section}"),)
            return Answer(
                Outcome.NOT_IN_DOCUMENTS,
                Reason.NO_SUCH_ARTICLE,
                facts=facts,
                choices=choices,
                document_ids=(document_id,),
            )
        return self.section(document_id, asked.section or "")

    def _has(self, document_id: str, section: str) -> bool:
        if document_id not in self.documents:
            return False
        return section in self._outlines[document_id].sections and not self.documents[document_id].metadata_only

    def _own_number(self) -> Answer:
        assert self.plan is not None
        known = {"number": self.plan.number or "", "date": str(self.plan.issued_on or "")}
        outcome = Outcome.ANSWERED if any(known.values()) else Outcome.NOT_IN_DOCUMENTS
        return Answer(outcome, Reason.OWN_NUMBER, facts=known, document_ids=(self.plan.id,))

    # --- citations ------------------------------------------------------------------------------------------------

    def _named(self, mentions: Sequence[Mention]) -> tuple[str, ...]:
        """Documents of the store that mentions can mean and that have a text to search; the plan goes on its own."""
        ids = (d for mention in mentions for d in mention.document_ids[:1])
        return tuple(dict.fromkeys(d for d in ids if not self.documents[d].metadata_only))

    def _mention_of(self, document_id: str) -> list[Mention]:
        document = self.documents.get(document_id)
        if document is None or document.is_plan:
            return []
        return [Mention("", document.number or document.title, (document_id,), True, 0, 0)]

    def _from_citations(self, query: Query, mentions: Sequence[Mention], k: int) -> Answer | None:
        """Answer what is asked of a document beside its content; None when the content itself is asked for."""
        asked = intents.citation_asked(query.text)
        first = mentions[0]
        if not first.document_ids:
            return self._unknown(first)
        document = self.documents[first.document_ids[0]]
        residual = self._residual(query, mentions)
        places = self._plan_places(document.id)
        if asked is None and residual <= 1:
            asked = CitationAsked.ABOUT
        if asked is CitationAsked.ABOUT:
            if document.metadata_only and not residual and len(mentions) == 1:
                return self._not_loaded(document.id)
            if residual > 2 and not places:
                return None
            if residual > 2 and not document.metadata_only and len(mentions) == 1:
                return None
            if not places and not document.metadata_only:
                return self.card(document.id)
        if asked is CitationAsked.LOADED:
            return self.card(document.id, Reason.CITED_LOADED)
        if asked is CitationAsked.REPLACED:
            return self.card(document.id, Reason.CITED_REPLACED)
        if asked is None:
            if document.metadata_only and not intents.names_the_plan(query.text):
                return self._not_loaded(document.id)
            return None
        if not places:
            if asked is CitationAsked.WHERE:
                facts = {"document": document.name}
                return Answer(
                    Outcome.NOT_IN_DOCUMENTS,
                    Reason.NOT_CITED,
                    facts=facts,
                    document_ids=(document.id,),
                    choices=(Choice("card", document.id),),
                )
            return self.card(document.id)
        reason = {
            CitationAsked.WHERE: Reason.CITED_WHERE,
            CitationAsked.WHEN: Reason.CITED_WHEN,
            CitationAsked.WHOM: Reason.CITED_BY_WHOM,
            CitationAsked.ABOUT: Reason.CITED_ABOUT,
        }[asked]
        return self._places(document, places, reason, query, [d for m in mentions for d in m.document_ids[:1]], k)

    def _residual(self, query: Query, mentions: Sequence[Mention]) -> int:
        """How many content words a question has beside the documents it names."""
        outside = list(fold(query.text))
        for mention in mentions:
            outside[mention.start : mention.end] = " " * (mention.end - mention.start)
        rest = self._search.parse("".join(outside))
        ignored = STRUCTURE_WORDS | {"bo", "chinh", "tri", "tw", "tu", "hanh", "ban", "bct", "hieu", "luc"}
        return sum(kept and t not in ignored for t, kept in zip(rest.folded, rest.is_content, strict=True))

    def _plan_places(self, document_id: str) -> list[CitationRecord]:
        return [r for r in self.graph.mentions_of(document_id) if self._in_plan(r.passage_id)]

    def _in_plan(self, passage_id: str) -> bool:
        return self.plan is not None and passage_id.startswith(f"{self.plan.id}/")

    def _places(
        self,
        document: Document,
        places: Sequence[CitationRecord],
        reason: Reason,
        query: Query,
        named: Sequence[str],
        k: int,
    ) -> Answer:
        telling = [r for r in places if reason is not Reason.CITED_BY_WHOM or r.issuer] or list(places)
        if reason is Reason.CITED_WHEN:
            telling = [r for r in places if any(c.isdigit() for c in r.written.split("/")[-1])] or list(places)
        if reason in (Reason.CITED_BY_WHOM, Reason.CITED_WHEN):
            telling = telling[:1]
        passages = [self.passages[r.passage_id] for r in telling]
        quotes = [self.quoter.sentence_with(p, r.written) for p, r in zip(passages, telling, strict=True)]
        shown = tuple(quote for quote in quotes if quote)[:_MOST_QUOTES]
        record = telling[0]
        ids = tuple(dict.fromkeys([document.id, *named]))
        return Answer(
            Outcome.ANSWERED,
            reason,
            quotes=shown,
            hits=tuple(Hit(r.passage_id, 1.0) for r in telling)[:k],
            notices=self._force_notices([document.id]),
            choices=self._document_choices(document, passages[0]),
            facts={
                "document": document.name,
                "issuer": record.issuer or document.issuer,
                "issuer_written": record.issuer or "",
            },
            document_ids=ids,
            topic=Topic(query.text, passages[0].id, document.id, tuple(r.passage_id for r in telling)),
        )

    def _unknown(self, mention: Mention) -> Answer:
        """Answer about a number that is no document of the store."""
        digits = re.match(r"\d+", mention.number)
        others = [
            document.id
            for document in self.documents.values()
            if digits and document.number and re.match(rf"0*{int(digits[0])}-", document.number)
        ]
        facts = {"document": mention.number}
        if mention.cited:
            records = self.graph.unknown_records(mention.number.split(" năm ")[0])
            mentioned_by = tuple(dict.fromkeys(r.passage_id.split("/", 1)[0] for r in records))
            choices = tuple(Choice("card", d) for d in dict.fromkeys([*mentioned_by, *others]))[:3]
            return Answer(Outcome.NOT_IN_DOCUMENTS, Reason.NOT_LOADED, facts=facts, choices=choices)
        choices = tuple(Choice("card", d) for d in others[:2])
        return Answer(Outcome.NOT_IN_DOCUMENTS, Reason.NOT_CITED, facts=facts, choices=choices)

    def _not_loaded(self, document_id: str) -> Answer:
        """Say that the plan cites a document whose text is not in the store, and where."""
        document = self.documents[document_id]
        places = self._plan_places(document_id)
        passages = [self.passages[r.passage_id] for r in places]
        quotes = [self.quoter.sentence_with(p, r.written) for p, r in zip(passages, places, strict=True)]
        return Answer(
            Outcome.CITED_NOT_LOADED,
            Reason.NOT_LOADED,
            quotes=tuple(q for q in quotes if q)[:1],
            choices=(*(Choice("whole", p.id) for p in passages[:1]), Choice("card", document_id)),
            facts={"document": document.name},
            document_ids=(document_id,),
            topic=Topic(passage_id=passages[0].id if passages else None, document_id=document_id),
        )

    def _meant(self, query: Query, senses: Sequence[str]) -> list[str]:
        """Return the documents that an unclear name ("NQ TW4") can mean; a term of office settles it."""
        term = _TERM.search(fold(query.text))
        if term:
            roman = _ROMAN.get(term["term"], term["term"].upper())
            senses = [sense for sense in senses if re.search(rf"kho[áa] {roman}\b", sense)] or list(senses)
        ids = (d for sense in senses for mention in self.graph.find_mentions(sense) for d in mention.document_ids)
        return list(dict.fromkeys(ids))

    def _cited_list(self, k: int) -> Answer:
        assert self.plan is not None
        cited = self.cited_documents()
        hits = tuple(dict.fromkeys(r.passage_id for c in cited for r in c.records))
        return Answer(
            Outcome.ANSWERED,
            Reason.CITED_LIST,
            hits=tuple(Hit(passage_id, 1.0) for passage_id in hits)[:k],
            facts={"count": str(len(cited))},
            choices=(Choice("documents", "0"),),
            document_ids=tuple(c.document_id for c in cited if c.document_id),
            topic=Topic(document_id=self.plan.id),
        )

    def _cited_in_section(self, section: str, k: int) -> Answer:
        """Return the documents cited in a section of the plan, with the sentences that cite them."""
        assert self.plan is not None
        inside = {bullet.id: bullet for bullet in self._plan_outline().bullets(section)}
        records = [r for r in self.graph.records if r.passage_id in inside]
        quotes = [self.quoter.sentence_with(inside[r.passage_id], r.written) for r in records]
        shown = {quote.text: quote for quote in quotes if quote}
        if not shown:
            return Answer(Outcome.NOT_IN_DOCUMENTS, Reason.CITES_NOTHING, facts={"section": section})
        passages = list(dict.fromkeys(r.passage_id for r in records))
        return Answer(
            Outcome.ANSWERED,
            Reason.SEVERAL_PASSAGES,
            quotes=tuple(shown.values()),
            hits=tuple(Hit(passage_id, 1.0) for passage_id in passages)[:k],
            notices=self._notices(list(shown.values())),
            choices=tuple(Choice("cited_in", passage_id) for passage_id in passages[:1]),
            document_ids=(self.plan.id,),
        )

    def _basis(self, k: int, reason: Reason = Reason.BASIS) -> Answer:
        assert self.plan is not None
        title = self.passages[f"{self.plan.id}/{TITLE_LOCATOR}"]
        record = next((r for r in self.graph.records if r.passage_id == title.id), None)
        quote = self.quoter.whole(title)
        if record is None or quote is None or record.document_id is None:
            return Answer(Outcome.NOT_IN_DOCUMENTS, Reason.NOTHING_FOUND)
        document = self.documents[record.document_id]
        places = self._plan_places(document.id)
        return Answer(
            Outcome.ANSWERED,
            reason,
            quotes=(quote,),
            hits=tuple(Hit(r.passage_id, 1.0) for r in places)[:k],
            facts={"document": document.name},
            choices=self._document_choices(document, title),
            document_ids=(document.id,),
        )

    def cited_documents(self) -> list[CitedDocument]:
        """Return the documents that the plan cites, in the order of their first mention."""
        return self.graph.cited_by(self.plan.id) if self.plan else []

    def card(self, document_id: str, reason: Reason = Reason.CITED_LOADED) -> Answer:
        """Return what is known of a document: its registry entry, where the plan cites it, what replaced it.

        Raises:
            KeyError: no such document.
        """
        document = self.documents[document_id]
        places = self._plan_places(document_id)
        choices: list[Choice] = []
        if not document.metadata_only:
            first = next((p for p in self._searched if p.document_id == document_id), None)
            choices += [Choice("digest", first.id)] if first and not document.is_plan else []
            choices += [Choice("outline", document_id)] if document.is_plan else []
        successor = self.successor(document)
        choices += [Choice("card", successor.id)] if successor else []
        choices += [Choice("places", document_id)] if places else []
        return Answer(
            Outcome.CITED_NOT_LOADED if document.metadata_only and reason is Reason.CITED_LOADED else Outcome.ANSWERED,
            reason,
            hits=tuple(Hit(r.passage_id, 1.0) for r in places),
            notices=self._force_notices([document_id]),
            choices=tuple(choices[:3]),
            facts={"document": document.name},
            document_ids=(document_id,),
            topic=Topic(document_id=document_id, passage_id=places[0].passage_id if places else None),
        )

    def places(self, document_id: str) -> Answer:
        """Return where the plan cites a document.

        Raises:
            KeyError: no such document.
        """
        document = self.documents[document_id]
        places = self._plan_places(document_id)
        if not places:
            facts = {"document": document.name}
            return Answer(Outcome.NOT_IN_DOCUMENTS, Reason.NOT_CITED, facts=facts, document_ids=(document_id,))
        return self._places(document, places, Reason.CITED_WHERE, self._search.parse(document.name), [document_id], 5)

    def successor(self, document: Document) -> Document | None:
        """Return the document of the store that replaced another, or treats the same subject since."""
        replaced = document.replaced_by
        if replaced is None or replaced.number is None:
            return None
        return next(
            (
                d
                for d in self.documents.values()
                if d.number == replaced.number and (replaced.issued_on is None or d.issued_on == replaced.issued_on)
            ),
            None,
        )

    # --- going on -------------------------------------------------------------------------------------------------

    def _go_on(self, query: Query, topic: Topic, k: int) -> Answer | None:
        """Answer a message that goes on from the one before; None when it stands alone."""
        kind = intents.follow_up(query.text)
        passage = self.passages.get(topic.passage_id or "")
        if kind is None or passage is None:
            return None
        outline = self._outlines[passage.document_id]
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
            return self.passage(near.id, k=k, rest=_without(topic.hits, near.id), question=topic.question)
        if kind is FollowUp.MORE:
            return self.passage(passage.id, k=k, rest=_without(topic.hits, passage.id), question=topic.question)
        if kind is FollowUp.OTHERS:
            others = [h for h in _without(topic.hits, passage.id) if h in self.passages]
            if not others:
                return Answer(Outcome.NOT_IN_DOCUMENTS, Reason.LAST_SECTION, topic=topic)
            return self.passage(others[0], k=k, rest=tuple(others[1:]), question=topic.question)
        if not topic.question or sum(query.is_content) > 5:
            return None
        shown = passage.id if intents.asks_who_else(query.text) else None
        alone = self._from_passages(query, (), k, near=passage.section, without=shown)
        both = self._search.parse(f"{topic.question} {query.text}")
        joined = self._from_passages(both, (), k, near=passage.section, without=shown)
        answer = joined if joined.outcome is Outcome.ANSWERED else alone
        return replace(answer, query=both.text if answer is joined else query.text)

    def passage(self, passage_id: str, *, k: int = 5, rest: tuple[str, ...] = (), question: str = "") -> Answer:
        """Return a whole passage, quoted.

        Raises:
            KeyError: no such passage.
        """
        passage = self.passages[passage_id]
        quote = self.quoter.whole(passage)
        if quote is None:
            return Answer(Outcome.NOT_IN_DOCUMENTS, Reason.NOTHING_FOUND)
        hits = [Hit(passage.id, 1.0), *(Hit(other, 0.5) for other in rest)][:k]
        return Answer(
            Outcome.ANSWERED,
            Reason.PASSAGE,
            quotes=(quote,),
            hits=tuple(hits),
            notices=self._notices([quote]),
            choices=self._choices(passage, quote, hits),
            document_ids=(passage.document_id,),
            topic=Topic(question, passage.id, passage.document_id, tuple(hit.passage_id for hit in hits)),
        )

    # --- what stands beside a quote -------------------------------------------------------------------------------

    def _choices(self, passage: Passage, quote: Quote, hits: Sequence[Hit]) -> tuple[Choice, ...]:
        document = self.documents[passage.document_id]
        outline = self._outlines[passage.document_id]
        choices: list[Choice] = []
        if not quote.whole:
            choices.append(Choice("whole", passage.id))
        elif following := outline.next_passage(passage):
            choices.append(Choice("next", following.id))
        if document.is_plan:
            choices.append(Choice("whole_section", f"{document.id}/{passage.section}"))
            cited = [r for r in self.graph.records if r.passage_id == passage.id and r.document_id]
            if cited:
                choices.append(Choice("cited_in", passage.id))
            elif len(hits) > 1:
                choices.append(Choice("related", hits[1].passage_id))
        else:
            successor = self.successor(document)
            if successor is not None:
                choices.insert(0, Choice("card", successor.id))
            if self._plan_places(document.id):
                choices.append(Choice("places", document.id))
            if len(outline.bullets(passage.section)) > 1:
                choices.append(Choice("whole_section", f"{document.id}/{passage.section}"))
            choices.append(Choice("card", document.id))
        return tuple(choices[:3])

    def _document_choices(self, document: Document, passage: Passage) -> tuple[Choice, ...]:
        successor = self.successor(document)
        choices = [Choice("card", document.id)]
        choices += [Choice("card", successor.id)] if successor else []
        if passage.section != "0":
            choices.append(Choice("whole_section", f"{passage.document_id}/{passage.section}"))
        return tuple(choices[:3])

    def _notices(self, quotes: Sequence[Quote]) -> tuple[Notice, ...]:
        """Return what must be told beside quotes: about their own documents and about those they cite."""
        notices: list[Notice] = []
        for quote in quotes:
            document = self.documents[quote.citation.document_id]
            notices += self._force_notices([document.id])
            if document.text_kind is TextKind.DIGEST:
                notices.append(Notice(NoticeKind.DIGEST, document.id))
                if self._is_unchecked(document, quote):
                    notices.append(Notice(NoticeKind.UNCHECKED, document.id))
            for record in self.graph.records:
                if record.passage_id == quote.citation.passage_id and record.document_id != document.id:
                    cited = self.documents.get(record.document_id or "")
                    if document.is_plan and cited and cited.force is Force.SUPERSEDED and record.written in quote.text:
                        notices.append(Notice(NoticeKind.SUPERSEDED, cited.id))
        return tuple(dict.fromkeys(notices))

    def _force_notices(self, document_ids: Sequence[str]) -> tuple[Notice, ...]:
        kinds = {Force.SUPERSEDED: NoticeKind.SUPERSEDED, Force.PERHAPS_REPLACED: NoticeKind.PERHAPS_REPLACED}
        return tuple(
            Notice(kinds[self.documents[d].force], d) for d in document_ids if self.documents[d].force in kinds
        )

    @staticmethod
    def _is_unchecked(document: Document, quote: Quote) -> bool:
        article = re.match(r"dieu-(\d+)", quote.citation.locator)
        if article:
            number = int(article[1])
            return number in document.unchecked_articles or number in document.partly_checked_articles
        return document.confidence.value == "unverified" or "hiểu biết chung" in quote.text


def _has_wanted_number(query: Query, text: str) -> bool:
    """Whether a text names a number of what a question wants counted; true where it wants nothing counted."""
    wanted = _WANTS_NUMBER.search(fold(query.text))
    if wanted is None:
        return True
    unit = _MONEY.get(wanted["unit"], wanted["unit"])
    # "trên 50% số phiếu": a few words may stand between the number and what it counts.
    return re.search(rf"\b{_NUMBER}%?\s*(?:\w+\s+){{0,3}}{unit}", fold(text)) is not None


def _merged(parts: Sequence[_Looked]) -> list[Hit]:
    """Return the best hit of each part, then the others, each passage once."""
    ordered = [part.best for part in parts] + [hit for part in parts for hit in part.hits]
    return list({hit.passage_id: hit for hit in reversed(ordered)}.values())[::-1]


def _without(hits: Sequence[str], passage_id: str) -> tuple[str, ...]:
    return tuple(hit for hit in hits if hit != passage_id)


def build_knowledge(
    documents: Sequence[Document],
    encoder: Encoder,
    lexicon: Lexicon,
    *,
    folder: Path | None = None,
    candidates: int = 50,
    weights: Weights | None = None,
    thresholds: Thresholds | None = None,
) -> KnowledgeBase:
    """Return the documents ready to be asked; with a folder, an index built before is used again while it fits.

    Raises:
        CacheError: the folder cannot be written.
    """
    passages = [passage for document in documents for passage in chunk(document)]
    search = build_search(
        index_entries(documents), encoder, lexicon, folder=folder, candidates=candidates, weights=weights
    )
    return KnowledgeBase(documents, passages, search, thresholds=thresholds)


def index_entries(documents: Sequence[Document]) -> list[Entry]:
    """Return what is searched of documents: passages with their headings; a digest's name and title count too."""
    return [
        Entry(passage.id, passage.text, _context(document, passage))
        for document in documents
        for passage in chunk(document)
        if passage.kind is PassageKind.BODY
    ]


def _context(document: Document, passage: Passage) -> str:
    heading = passage.headings[-1] if passage.headings else ""
    return heading if document.is_plan else f"{document.name} {document.title}\n{heading}"


__all__ = ["LONGEST_QUESTION", "SEARCHED_CHARACTERS", "KnowledgeBase", "Thresholds", "build_knowledge", "index_entries"]
