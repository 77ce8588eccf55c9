"""Answers from passages: search, judge whether the best one answers, quote it or say what is nearest."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from knowledge import intents
from knowledge.calibration import VIEWS
from knowledge.chunker import heading_name
from knowledge.citations import Mention, names_state_law
from knowledge.fuzzy import neighbours
from knowledge.model import Answer, Choice, Hit, Outcome, Passage, Quote, Reason
from knowledge.priors import Circumstances, Priors
from knowledge.query import Query
from knowledge.search import Search
from knowledge.shelf import Shelf
from knowledge.structure import STRUCTURE_WORDS
from knowledge.support import Evidence, evidence, share_and_phrases, strange_numbers, words_and_pairs
from knowledge.text import fold, syllables

_NEAREST = 2
_MOST_QUOTES = 3
_WIDE = 3
_CONSIDERED = 10
_RIVALS = 3
_MOSTLY = 0.5
# A cosine below which a passage is about something else.
_FAR = 0.25
_REMEMBERED = 4000
# Questions that are being answered at this moment.
_ASKED = 16
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
# "mấy" before other words only says that they are many ("mấy ông lãnh đạo"), and so it does at the beginning of what is
# said, before "đó", "này", "rồi", and in what is to be answered by yes or no.
_WANTS_NUMBER = re.compile(
    r"\b(?P<word>bao nhieu|may)\s+"
    r"(?P<unit>phan tram|tien|dong|ty|trieu|tuoi|thang|nam|ngay|lan|nguoi|dang vien|phieu|cai"
    r"|suat|chi tieu|dieu|chuong|chuan muc|bieu hien|truong hop|vong|muc|cuoc|buoi|cau|trang|diem|met|m2|gio|mam|bac"
    r"|nhiem ky|tang|cap|khoa|lop|gach dau dong|nhom|nghin|ngan)\b"
    r"|\bbao nhieu\s+(?P<other>[^\W\d]+)\b(?!.*\b(?:nhu vay|nhu the)\b)"
)
_ONLY_MANY = re.compile(
    r"\s*(?:do|nay|kia|ay|no|truoc|trc|qua|roi|nay|lien|gan day)\b|.*\b(?:khong|ko|k|chua|hong)\W*$"
)
_BEGINS = re.compile(r"(?:^|[.!?;:,]|\b(?:thi|con|cac|ma|nhung|nghe|thay|hom qua))\s*$")
_WANTS_DAY = re.compile(
    r"\b(?:ngay (?:nao|may)|(?<!lan )thu may|may gio|mung may|han chot|thang may|thang nao)\b(?! cung\b)"
)
_DAY = re.compile(
    r"\bngay\s+(?:mung )?\d|\b\d{1,2}[-/.]\d{1,2}\b|\bthang\s+\d|\bthu (?:hai|ba|tu|nam|sau|bay)\b|\bchu nhat\b"
    r"|\bnam \d{4}"
)
_WANTS_AMOUNT = re.compile(
    r"\bbao nhieu\W*$|\bmuc (?:phat|dong|luong|thu)\b|\b(?:luong|gia|kinh phi|le phi)\b.*\bbao nhieu\b"
)
_NUMBER = r"(?:\d[\d.,/]*|mot|hai|ba|bon|nam|sau|bay|tam|chin|muoi)"
_MONEY = {"tien": "(?:dong|trieu|ty)", "dong": "(?:dong|trieu|ty)", "phan tram": "(?:%|phan tram)"}
_AMOUNT = re.compile(r"\d")
# Numbers of documents, dates and years count nothing.
_NO_AMOUNT = re.compile(
    r"\d+/\d{4}/\w+|\d+-[a-z]+/[a-z]+|\d{1,2}[/.-]\d{1,2}[/.-]\d{4}|\b(?:19|20)\d{2}\b|\b(?:dieu|khoan|muc) \d+"
)
# "Bí thư tỉnh ủy là ai" asks for a person; the documents name offices, not people.
_WANTS_PERSON = re.compile(r"\bla ai\b|^ai la\b|\bten (?:la )?gi\b")
# Who asks for several things must not be shown only the clause that names the first.
_ENUMERATES = re.compile(r"\b(?:nhung|cac|gom|bao gom|liet ke|gi va|va gi)\b")
_DUTY_WORDS = {"lam", "trach", "nhiem", "viec"}
_WHICH_DOCUMENT = re.compile(r"\b(?:van ban|quy dinh|quyet dinh|nghi quyet|ket luan|vb|chi thi) nao\b")


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Numbers behind "answered or not" that are set by hand; the learned ones are in calibration.json.

    Attributes:
        sentence_share: least share for one sentence of a longer message to be taken for the question.
        digest_prior: what a digest's score counts beside the plan's, unless the question names the digest.
        ambiguous_words: a question with at most this many content words may be too wide.
        ambiguous_share: of such a question's content, so much must stand in each of three sections …
        ambiguous_behind: … whose fused scores are at most so far behind the best, for the question to be too wide.
        plan_ahead: a passage of the plan that answers is shown before one of another document whose fused score is
            higher by at most so much; not where the question names that document.
        several: part of the best passage's share that a further passage needs to be shown beside it.
    """

    sentence_share: float = 0.5
    digest_prior: float = 0.6
    ambiguous_words: int = 2
    ambiguous_share: float = 0.95
    ambiguous_behind: float = 12.0
    several: float = 0.5
    plan_ahead: float = 2.0


@dataclass(frozen=True, slots=True)
class _Looked:
    """What a search found for a question, and how far each passage speaks of it."""

    query: Query
    hits: tuple[Hit, ...]
    found: dict[str, Evidence]
    best: Hit


# By text, so that what one version of the documents has worked out serves the next.
@lru_cache(maxsize=_REMEMBERED)
def _words_and_pairs(text: str) -> frozenset[str]:
    return words_and_pairs(text)


@lru_cache(maxsize=_REMEMBERED)
def _folded(text: str) -> str:
    return fold(text)


class PassageAnswers:
    """Answers what the passages of the documents say."""

    def __init__(self, shelf: Shelf, search: Search, thresholds: Thresholds) -> None:
        self._shelf = shelf
        self._search = search
        self._thresholds = thresholds
        self._priors = Priors(shelf, thresholds.digest_prior)

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
        if names_state_law(query.text) and not mentions:
            return Answer(Outcome.NOT_IN_DOCUMENTS, Reason.OTHER_LAW)
        prior = self.prior_for(query, mentions, section=section, near=near, without=without)
        plan_first = not self.named(mentions)
        looked = self._look(query, prior, plan_first=plan_first)
        parts = self._parts(query, prior, plan_first=plan_first)
        if len(parts) > 1:
            return self._quoting(query, [part.best for part in parts][:_MOST_QUOTES], _merged(parts)[:k])
        if looked is None or not self._answers(query, looked):
            # In a long message the question is one sentence among others.
            looked = self._look_by_sentence(query, prior, plan_first=plan_first) or looked
        if looked is None and not any(query.is_content) and not mentions:
            return self.which_part()
        if looked is None:
            return Answer(Outcome.NOT_IN_DOCUMENTS, Reason.NOTHING_FOUND)
        wide = self._too_wide(looked) if not mentions and section is None else None
        if wide is not None:
            return wide
        # Who names a section has said where; the section's passage that speaks of the matter is what was asked for.
        there = section is not None and looked.found[looked.best.passage_id].share >= _MOSTLY
        if not there and not self._answers(looked.query, looked):
            return self._nearest(looked)
        best = self._cited_rather(looked)
        ordered = [best, *(hit for hit in looked.hits if hit is not best)]
        several = _SEVERAL.search(fold(query.text)) is not None
        least = self._thresholds.several * looked.found[best.passage_id].share
        shown = [
            hit
            for hit in ordered[: _MOST_QUOTES + 2]
            if hit is best or (several and looked.found[hit.passage_id].share >= least)
        ][:_MOST_QUOTES]
        return self._quoting(looked.query, shown, ordered[:k])

    def evidence_for(self, query: Query, mentions: Sequence[Mention]) -> tuple[str, tuple[float, ...]] | None:
        """Return the best passage for a question and what speaks for it; None where a rule decides."""
        if names_state_law(query.text) and not mentions:
            return None
        looked = self._look(query, self.prior_for(query, mentions), plan_first=not self.named(mentions))
        if looked is None or not self._may_answer(query, looked.best):
            return None
        best = max(looked.hits[:_RIVALS], key=lambda hit: hit.score)
        return best.passage_id, looked.found[best.passage_id].views

    def _look(self, query: Query, prior: NDArray[np.float32], *, plan_first: bool) -> "_Looked | None":
        """Search, and see how far each of the first passages speaks of the question."""
        candidates = self._search.find(query, k=_CONSIDERED, prior=prior)
        if not candidates:
            return None
        near = neighbours(query, self._search.lexical)
        model = self._search.answering
        hits = [candidate.hit for candidate in candidates]
        found = {
            hit.passage_id: evidence(
                query,
                self._held(hit.passage_id),
                self._search.lexical,
                near,
                signals=candidate.signals,
                margin=hit.score - self._elsewhere(hit, hits),
                model=model,
            )
            for hit, candidate in zip(hits, candidates, strict=True)
        }
        best = max(hits[:_RIVALS], key=lambda hit: (self._is_enough(query, hit, found[hit.passage_id]), hit.score))
        if plan_first:
            best = self._plan_rather(query, hits, found, best)
        return _Looked(query, tuple(hits), found, best)

    def _plan_rather(self, query: Query, hits: Sequence[Hit], found: Mapping[str, Evidence], best: Hit) -> Hit:
        """Return the plan's passage where it answers nearly as well as another document's: it binds members here."""
        if self._is_plan(self._shelf.passages[best.passage_id]):
            return best
        for hit in hits:
            if not self._is_plan(self._shelf.passages[hit.passage_id]):
                continue
            near = hit.score >= best.score - self._thresholds.plan_ahead
            enough = self._is_enough(query, hit, found[hit.passage_id])
            return hit if near and enough else best
        return best

    def _elsewhere(self, hit: Hit, hits: Sequence[Hit]) -> float:
        """Return the best score outside the part that a hit belongs to."""
        passage = self._shelf.passages[hit.passage_id]
        part = (passage.document_id, passage.section) if not self._is_plan(passage) else (passage.id, "")
        others = (
            other.score
            for other in hits
            if ((p := self._shelf.passages[other.passage_id]).document_id, p.section) != part and p.id != part[0]
        )
        return max(others, default=0.0)

    def _is_plan(self, passage: Passage) -> bool:
        return self._shelf.documents[passage.document_id].is_plan

    def _look_by_sentence(self, query: Query, prior: NDArray[np.float32], *, plan_first: bool) -> "_Looked | None":
        sentences = _SENTENCE.split(query.text)
        if len(sentences) < 2:
            return None
        parsed = [self._search.parse(sentence) for sentence in sentences]
        telling = [sentence for sentence in parsed if sum(sentence.is_content) >= _LEAST_WORDS]
        looked = [
            found for found in (self._look(sentence, prior, plan_first=plan_first) for sentence in telling) if found
        ]
        clear = [
            found
            for found in looked
            if self._answers(found.query, found)
            and found.found[found.best.passage_id].share >= self._thresholds.sentence_share
        ]
        return max(clear, key=lambda found: found.found[found.best.passage_id].phrases, default=None)

    def _parts(self, query: Query, prior: NDArray[np.float32], *, plan_first: bool) -> "list[_Looked]":
        """Look for each part of a question in several parts; empty unless they lead to different passages."""
        split = _PART.split(query.text)
        parts = [self._search.parse(part) for part in split] if len(split) > 1 else []
        if not parts or any(sum(part.is_content) < _LEAST_WORDS for part in parts):
            return []
        looked = [self._look(part, prior, plan_first=plan_first) for part in parts]
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

    def can_be_told(self, query: Query, passages: Sequence[Passage]) -> bool:
        """Whether one of the passages may hold what a question wants: a number, a day, a person where it wants one."""
        hits = (Hit(passage.id, 0.0) for passage in passages)
        return any(
            self._may_answer(query, hit) and not strange_numbers(query, self._held(hit.passage_id)) for hit in hits
        )

    def _may_answer(self, query: Query, hit: Hit) -> bool:
        """Whether no rule speaks against a passage, whatever the evidence."""
        if _wants_person(query.text):
            return False
        return _has_wanted_number(query.text, self._shelf.passages[hit.passage_id].text)

    def _is_enough(self, query: Query, hit: Hit, seen: Evidence) -> bool:
        if not self._may_answer(query, hit) or _says_nothing(seen):
            return False
        return seen.confidence >= self._search.answering["threshold"]

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
        below = self._shelf.outline(passage.document_id).announced_by(passage)
        return [*quotes, *(listed for item in below if (listed := self._shelf.quoter.whole(item)))]

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
        """Ask back when a question has few words and several sections hold all of them about equally well."""
        query, hits = looked.query, looked.hits
        best = self._shelf.passages[looked.best.passage_id]
        shares = {passage_id: seen.share for passage_id, seen in looked.found.items()}
        words = {
            token
            for token, kept in zip(query.folded, query.is_content, strict=True)
            if kept and token not in STRUCTURE_WORDS and token not in _DUTY_WORDS
        }
        if not words:
            return self.which_part()
        if len(words) > self._thresholds.ambiguous_words or self._asks_for_heading(best, query):
            return None
        best_by_section: dict[tuple[str, str], Hit] = {}
        for hit in hits:
            passage = self._shelf.passages[hit.passage_id]
            near = hit.score >= hits[0].score - self._thresholds.ambiguous_behind
            if near and shares[hit.passage_id] >= self._thresholds.ambiguous_share:
                best_by_section.setdefault((passage.document_id, passage.section), hit)
        rivals = sorted(best_by_section.values(), key=lambda hit: -hit.score)
        if len(rivals) < _WIDE:
            return None
        # The plan's sections first; the sort keeps the order within.
        rivals.sort(key=lambda hit: not self._is_plan(self._shelf.passages[hit.passage_id]))
        choices = tuple(Choice("in_section", hit.passage_id) for hit in rivals[:_WIDE])
        return Answer(Outcome.AMBIGUOUS, Reason.WHICH_SECTION, choices=choices)

    def which_part(self) -> Answer:
        """Ask back when a question names no matter at all ("kế hoạch nói gì")."""
        if self._shelf.plan is None:
            return Answer(Outcome.NOT_IN_DOCUMENTS, Reason.NOTHING_FOUND)
        sections = self._shelf.outline(self._shelf.plan.id).sections[:1]
        choices = (
            Choice("outline", self._shelf.plan.id),
            *(Choice("section", f"{self._shelf.plan.id}/{section}") for section in sections),
            Choice("documents", "0"),
        )
        return Answer(Outcome.AMBIGUOUS, Reason.WHICH_SECTION, choices=choices)

    def speaks_of(self, query: Query, passage_id: str) -> bool:
        """Whether a passage itself, not only its heading, holds most of what a question asks."""
        near = neighbours(query, self._search.lexical)
        held = words_and_pairs(self._shelf.passages[passage_id].text)
        return share_and_phrases(query, held, self._search.lexical, near)[0] >= _MOSTLY

    def _held(self, passage_id: str) -> frozenset[str]:
        return _words_and_pairs(self._with_context(passage_id))

    def _with_context(self, passage_id: str) -> str:
        passage = self._shelf.passages[passage_id]
        document = self._shelf.documents[passage.document_id]
        head = "" if document.is_plan else f"{document.name} {document.title}"
        return f"{' '.join(passage.headings)} {head} {passage.text}"

    def prior_for(
        self,
        query: Query,
        mentions: Sequence[Mention],
        *,
        section: tuple[str, str] | None = None,
        near: str | None = None,
        without: str | None = None,
    ) -> NDArray[np.float32]:
        """Return [n]: how likely each entry is for a question before its content is looked at; see Circumstances."""
        return self._priors.of(
            Circumstances(
                self.named(mentions),
                section=section,
                near=near,
                without=without,
                plan_only=intents.names_the_plan(query.text),
                citing=_WHICH_DOCUMENT.search(fold(query.text)) is not None,
            )
        )

    def named(self, mentions: Sequence[Mention]) -> tuple[str, ...]:
        """Documents of the store that mentions can mean and that have a text to search; the plan goes on its own."""
        ids = (d for mention in mentions for d in mention.document_ids[:1])
        return tuple(dict.fromkeys(d for d in ids if not self._shelf.documents[d].metadata_only))


def _says_nothing(seen: Evidence) -> bool:
    """Whether no word of a question stands in a passage or its curated questions, nor anything much like it."""
    by_name = dict(zip(VIEWS, seen.views, strict=True))
    no_word = not by_name["share"] and not by_name["view_words"]
    return no_word and max(by_name["dense"], by_name["pieces"]) < _FAR


# By question, since several passages are looked at for each.
@lru_cache(maxsize=_ASKED)
def _wanted_number(question: str) -> re.Pattern[str] | None:
    """Return what a text must hold that names a number of what a question wants counted; None where it wants none."""
    folded = fold(question)
    if _WANTS_AMOUNT.search(folded):
        return _AMOUNT
    if _WANTS_DAY.search(folded):
        return _DAY
    wanted = next((found for found in _WANTS_NUMBER.finditer(folded) if not _says_many(folded, found)), None)
    if wanted is None:
        return None
    unit = wanted["unit"] or wanted["other"]
    unit = _MONEY.get(unit, unit)
    # "trên 50% số phiếu": a few words may stand between the number and what it counts.
    return re.compile(rf"\b{_NUMBER}%?\s*(?:\w+\s+){{0,3}}{unit}")


def _has_wanted_number(question: str, text: str) -> bool:
    """Whether a text names a number of what a question wants counted; true where it wants nothing counted."""
    wanted = _wanted_number(question)
    if wanted is None:
        return True
    folded = _folded(text)
    return wanted.search(_NO_AMOUNT.sub("", folded) if wanted is _AMOUNT else folded) is not None


@lru_cache(maxsize=_ASKED)
def _wants_person(question: str) -> bool:
    return _WANTS_PERSON.search(fold(question)) is not None


def _says_many(folded: str, found: re.Match[str]) -> bool:
    """Whether "mấy" says that they are many instead of asking how many."""
    sentence_end = re.compile(r"[.!?;]|$").search(folded, found.end())
    assert sentence_end is not None
    rest = folded[found.end() : sentence_end.start()]
    return found["word"] == "may" and bool(_ONLY_MANY.match(rest) or _BEGINS.search(folded[: found.start()]))


def _merged(parts: Sequence[_Looked]) -> list[Hit]:
    """Return the best hit of each part, then the others, each passage once."""
    ordered = [part.best for part in parts] + [hit for part in parts for hit in part.hits]
    return list({hit.passage_id: hit for hit in reversed(ordered)}.values())[::-1]
