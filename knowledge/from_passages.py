"""Answers from passages: search, judge whether the best one answers, quote it or say what is nearest."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from knowledge import intents
from knowledge.chunker import heading_name
from knowledge.citations import Mention, names_state_law
from knowledge.fuzzy import neighbours
from knowledge.model import Answer, Choice, Hit, Outcome, Passage, PassageKind, Quote, Reason
from knowledge.query import Query
from knowledge.search import Search
from knowledge.shelf import Shelf
from knowledge.structure import STRUCTURE_WORDS
from knowledge.support import Evidence, evidence, words_and_pairs
from knowledge.text import fold, syllables

_NEAREST = 2
_MOST_QUOTES = 3
_NEAR_BOOST = 1.2
# In a regulation, what stands outside its articles ("Hiệu lực", "Văn bản liên quan") answers less often.
_OUTSIDE_ARTICLES = 0.75
_CONSIDERED = 10
_MOSTLY = 0.5
_REMEMBERED = 2000
_LEAST_WORDS = 3
_SEVERAL = re.compile(
    r"\b(?:liet ke|tong hop|so sanh|nhung (?:van ban|quy dinh|muc|cho|doan|noi dung|diem) nao"
    r"|cac (?:cho|doan|muc|noi dung)|o nhung (?:muc|cho|doan)|may (?:cho|doan)|ba viec|hai viec|va viec do"
    r"|va trong|voi trong)\b"
)
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
_WANTS_AMOUNT = re.compile(
    r"\bbao nhieu\W*$|\bmuc (?:phat|dong|luong|thu)\b|\b(?:luong|gia|kinh phi|le phi)\b.*\bbao nhieu\b"
)
_NUMBER = r"(?:\d[\d.,/]*|mot|hai|ba|bon|nam|sau|bay|tam|chin|muoi)"
_MONEY = {"tien": "(?:dong|trieu|ty)", "dong": "(?:dong|trieu|ty)", "phan tram": "(?:%|phan tram)"}
# Numbers of documents, dates and years count nothing.
_NO_AMOUNT = re.compile(
    r"\d+/\d{4}/\w+|\d+-[a-z]+/[a-z]+|\d{1,2}[/.-]\d{1,2}[/.-]\d{4}|\b(?:19|20)\d{2}\b|\b(?:dieu|khoan|muc) \d+"
)
# "Bí thư tỉnh ủy là ai" asks for a person; the documents name offices, not people.
_WANTS_PERSON = re.compile(r"\bla ai\b|^ai la\b|\bten (?:la )?gi\b")
# Notes of ours beside a digest; they answer only who asks for them.
_NOTE = re.compile(r"^(?:\d+\. )?(?:lien he|luu y|phan chua|van ban (?:moi|lien quan)|hieu luc)")
_NOTE_PRIOR = 0.4
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

    confidence: float = 0.5
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


class PassageAnswers:
    """Answers what the passages of the documents say."""

    def __init__(self, shelf: Shelf, search: Search, thresholds: Thresholds) -> None:
        self._shelf = shelf
        self._search = search
        self._thresholds = thresholds
        self._known: dict[str, frozenset[str]] = {}
        self._searched = [passage for passage in shelf.passages.values() if passage.kind is PassageKind.BODY]
        articled = {document_id for document_id in shelf.documents if self._is_articled(document_id)}
        self._outside_articles = {
            p.id for p in self._searched if p.document_id in articled and not p.section.startswith("dieu-")
        }
        self._notes = {p.id for p in self._searched if p.headings and _NOTE.match(fold(p.headings[-1]))}
        self._citing = {record.passage_id for record in shelf.graph.records}

    def _is_articled(self, document_id: str) -> bool:
        """Whether most of a document's parts are articles."""
        sections = self._shelf.outline(document_id).sections
        return sum(section.startswith("dieu-") for section in sections) * 2 > len(sections)

    def answer(
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
        named = self.named(mentions)
        if names_state_law(query.text) and not mentions:
            return Answer(Outcome.NOT_IN_DOCUMENTS, Reason.OTHER_LAW)
        prior = self.prior(
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
            return self._nearest(looked)
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
        ids = [hit.passage_id for hit in hits]
        scores, similarities = self._search.lexical_scores(query, ids), self._search.similarities(query, ids)
        found = {
            id_: evidence(
                query,
                self._held(id_),
                self._search.lexical,
                near,
                score=scores[id_],
                similarity=similarities[id_],
            )
            for id_ in ids
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
        document = self._shelf.documents[self._shelf.passages[looked.best.passage_id].document_id]
        for hit in looked.hits:
            other = self._shelf.documents[self._shelf.passages[hit.passage_id].document_id]
            enough = self._is_enough(looked.query, hit, looked.found[hit.passage_id])
            if other.cited_in_plan and self._shelf.successor(other) is document and enough:
                return hit
        return looked.best

    def _answers(self, query: Query, looked: "_Looked") -> bool:
        return self._is_enough(query, looked.best, looked.found[looked.best.passage_id])

    def _is_enough(self, query: Query, hit: Hit, seen: Evidence) -> bool:
        if _WANTS_PERSON.search(fold(query.text)):
            return False
        if not _has_wanted_number(query, self._shelf.passages[hit.passage_id].text):
            return False
        return seen.confidence >= self._thresholds.confidence

    def _quoting(self, query: Query, shown: Sequence[Hit], hits: Sequence[Hit]) -> Answer:
        quotes: list[Quote] = []
        for hit in shown:
            quotes.extend(self._quote(self._shelf.passages[hit.passage_id], query, whole=len(shown) > 1))
        if not quotes:
            return Answer(Outcome.NOT_IN_DOCUMENTS, Reason.NOTHING_FOUND)
        first = self._shelf.passages[quotes[0].citation.passage_id]
        return Answer(
            Outcome.ANSWERED,
            Reason.PASSAGE if len(shown) == 1 else Reason.SEVERAL_PASSAGES,
            quotes=tuple(quotes),
            hits=tuple(hits),
            notices=self._shelf.notices_beside(quotes),
            choices=self._shelf.choices_under(first, quotes[0], hits),
            document_ids=(first.document_id,),
        )

    def _quote(self, passage: Passage, query: Query, *, whole: bool) -> list[Quote]:
        """Quote a passage; one that only announces a list ("một trong sáu trường hợp:") brings the list.

        Who asks for what an article is headed ("căn cứ miễn nhiệm") gets the whole article, not one clause of it.
        """
        if self._asks_for_heading(passage, query):
            bullets = self._shelf.outline(passage.document_id).bullets(passage.section)
            return [quote for quote in map(self._shelf.quoter.whole, bullets) if quote]
        whole = whole or _ENUMERATES.search(fold(query.text)) is not None
        quote = self._shelf.quoter.whole(passage) if whole else self._shelf.quoter.answering(passage, query)
        quotes = [quote] if quote else []
        if passage.ordinal == 0 and passage.text.endswith(":"):
            for item in self._shelf.outline(passage.document_id).bullets(passage.section)[1:]:
                listed = self._shelf.quoter.whole(item)
                quotes += [listed] if listed else []
        return quotes

    def _asks_for_heading(self, passage: Passage, query: Query) -> bool:
        if self._shelf.documents[passage.document_id].is_plan or not passage.headings:
            return False
        heading = syllables(fold(heading_name(passage.headings[-1])))
        return len(heading) >= _LEAST_WORDS and set(heading) <= set(query.folded)

    def _nearest(self, looked: "_Looked") -> Answer:
        """Say that nothing answers, and offer what is nearest."""
        sections: list[str] = []
        for hit in looked.hits:
            passage = self._shelf.passages[hit.passage_id]
            key = f"{passage.document_id}/{passage.section}"
            if key not in sections and not self._shelf.documents[passage.document_id].metadata_only:
                sections.append(key)
        choices = tuple(Choice("section", key) for key in sections[:_NEAREST])
        return Answer(Outcome.NOT_IN_DOCUMENTS, Reason.NOTHING_FOUND, choices=choices)

    def _too_wide(self, looked: "_Looked") -> Answer | None:
        """Ask back when a question has few words and several sections of the plan hold all of them."""
        query, hits = looked.query, looked.hits
        shares = {passage_id: seen.share for passage_id, seen in looked.found.items()}
        words = {
            token
            for token, kept in zip(query.folded, query.is_content, strict=True)
            if kept and token not in STRUCTURE_WORDS and token not in _DUTY_WORDS
        }
        if not 0 < len(words) <= self._thresholds.ambiguous_words:
            return None
        best_by_section: dict[str, Hit] = {}
        for hit in hits:
            passage = self._shelf.passages[hit.passage_id]
            enough = shares[hit.passage_id] >= self._thresholds.ambiguous_ratio * shares[hits[0].passage_id]
            if self._shelf.documents[passage.document_id].is_plan and enough:
                best_by_section.setdefault(passage.section, hit)
        rivals = sorted(best_by_section.values(), key=lambda hit: -hit.score)
        if len(rivals) < 3 or rivals[2].score < self._thresholds.ambiguous_ratio * rivals[0].score:
            return None
        choices = tuple(Choice("in_section", hit.passage_id) for hit in rivals[:3])
        return Answer(Outcome.AMBIGUOUS, Reason.WHICH_SECTION, choices=choices)

    def speaks_of(self, query: Query, passage_id: str) -> bool:
        """Whether a passage holds most of what a question asks."""
        near = neighbours(query, self._search.lexical)
        held = self._held(passage_id)
        return evidence(query, held, self._search.lexical, near, score=0.0, similarity=0.0).share >= _MOSTLY

    def _held(self, passage_id: str) -> frozenset[str]:
        held = self._known.get(passage_id)
        if held is None:
            held = words_and_pairs(self._with_context(passage_id))
            if len(self._known) < _REMEMBERED:
                self._known[passage_id] = held
        return held

    def _with_context(self, passage_id: str) -> str:
        passage = self._shelf.passages[passage_id]
        document = self._shelf.documents[passage.document_id]
        head = "" if document.is_plan else f"{document.name} {document.title}"
        return f"{' '.join(passage.headings)} {head} {passage.text}"

    def prior(
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
            if passage.id in self._notes:
                return by_document(passage) * _NOTE_PRIOR
            return by_document(passage) * (_OUTSIDE_ARTICLES if passage.id in self._outside_articles else 1.0)

        def by_document(passage: Passage) -> float:
            document = self._shelf.documents[passage.document_id]
            if section is not None:
                return float((passage.document_id, passage.section) == section)
            if self._shelf.basis_id in named:
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

    def named(self, mentions: Sequence[Mention]) -> tuple[str, ...]:
        """Documents of the store that mentions can mean and that have a text to search; the plan goes on its own."""
        ids = (d for mention in mentions for d in mention.document_ids[:1])
        return tuple(dict.fromkeys(d for d in ids if not self._shelf.documents[d].metadata_only))


def _has_wanted_number(query: Query, text: str) -> bool:
    """Whether a text names a number of what a question wants counted; true where it wants nothing counted."""
    if _WANTS_AMOUNT.search(fold(query.text)):
        return re.search(r"\d", _NO_AMOUNT.sub("", fold(text))) is not None
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
