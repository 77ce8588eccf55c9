"""Answers from the outline: sections, counts, articles."""

from collections.abc import Sequence
from dataclasses import replace

from knowledge import intents
from knowledge.citations import Mention
from knowledge.from_citations import CitationAnswers
from knowledge.from_passages import PassageAnswers
from knowledge.model import Answer, Choice, Hit, Outcome, Passage, Reason, Topic
from knowledge.query import Query
from knowledge.shelf import Shelf
from knowledge.structure import STRUCTURE_WORDS, Asked, Outline, OutlineQuestion


class OutlineAnswers:
    """Answers questions about how documents are built."""

    def __init__(self, shelf: Shelf, citations: CitationAnswers, passages: PassageAnswers) -> None:
        self._shelf = shelf
        self._citations = citations
        self._passages = passages

    def _plan_outline(self) -> Outline:
        assert self._shelf.plan is not None
        return self._shelf.outline(self._shelf.plan.id)

    def answer(
        self, query: Query, asked: OutlineQuestion, mentions: Sequence[Mention], topic: Topic, k: int
    ) -> Answer | None:
        """Answer a question about the outline; None where its content is asked for, too, or something else."""
        assert self._shelf.plan is not None
        outline = self._plan_outline()
        if asked.asked is Asked.ARTICLE:
            return self._article(query, asked, mentions, topic, k)
        if mentions:
            return None
        if asked.asked is Asked.OWN_NUMBER:
            return self._own_number()
        if asked.asked is Asked.TITLE:
            return self._citations.basis(k, Reason.TITLE)
        if asked.asked is Asked.PART_COUNT:
            return self.sections(self._shelf.plan.id, outline.children(""), Reason.SECTION_LIST)
        if asked.section in outline.sections and intents.asks_for_cited_list(query.text):
            return self._citations.cited_in_section(asked.section or "", k)
        if asked.asked is Asked.SECTION_COUNT or (asked.asked is Asked.SECTION_LIST and asked.section is None):
            return self.sections(self._shelf.plan.id, outline.groups, Reason.SECTION_COUNT)
        if asked.asked is Asked.SECTION_LIST:
            return self._range(asked, outline)
        if asked.section is None or asked.section not in outline.sections:
            return Answer(Outcome.NOT_IN_DOCUMENTS, Reason.NO_SUCH_SECTION, facts={"section": asked.section or ""})
        if asked.asked is Asked.BULLET:
            return self._bullet(asked, outline, k)
        if asked.asked is Asked.BULLET_COUNT:
            return replace(self.section(self._shelf.plan.id, asked.section), reason=Reason.BULLET_COUNT)
        if self._asks_more_than_structure(query):
            narrowed = self._passages.answer(query, (), k, section=(self._shelf.plan.id, asked.section))
            bullets = outline.bullets(asked.section)
            if narrowed.outcome is Outcome.ANSWERED or not self._passages.can_be_told(query, bullets):
                return narrowed
        return self.section(self._shelf.plan.id, asked.section)

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
        outline = self._shelf.outline(document_id)
        heading = outline.heading(section)
        below = outline.children(section) if self._shelf.documents[document_id].is_plan else []
        if below:
            return self.sections(document_id, below, Reason.SECTION_LIST, heading=heading)
        bullets = outline.bullets(section)
        if heading is None and not bullets:
            raise KeyError(section)
        if heading in bullets:
            # A numbered line that is a sentence is both.
            heading = None
        parts = [
            self._shelf.quoter.opening(bullet) if heading else self._shelf.quoter.whole(bullet) for bullet in bullets
        ]
        if not self._shelf.documents[document_id].is_plan:
            parts = [self._shelf.quoter.whole(bullet) for bullet in bullets]
            heading = None
        shown = ([self._shelf.quoter.whole(heading)] if heading else []) + parts
        quotes = tuple(quote for quote in shown if quote)
        if not quotes:
            return Answer(Outcome.NOT_IN_DOCUMENTS, Reason.NOTHING_FOUND)
        hits = [Hit(p.id, 1.0) for p in [*([heading] if heading else []), *bullets]]
        if self._shelf.documents[document_id].is_plan:
            choices = tuple(Choice("passage", bullet.id) for bullet in bullets)
        else:
            choices = self._shelf.choices_under(bullets[0], quotes[0], hits)
        first = quotes[0].citation.passage_id
        return Answer(
            Outcome.ANSWERED,
            Reason.SECTION,
            quotes=quotes,
            hits=tuple(hits),
            notices=self._shelf.notices_beside(quotes),
            choices=choices,
            facts={"section": section, "count": str(len(bullets))},
            document_ids=(document_id,),
            topic=Topic(passage_id=first, document_id=document_id, hits=tuple(hit.passage_id for hit in hits)),
        )

    def sections(
        self, document_id: str, sections: Sequence[str], reason: Reason, *, heading: Passage | None = None
    ) -> Answer:
        """Return the headings of sections."""
        outline = self._shelf.outline(document_id)
        headings = [h for h in (outline.heading(section) for section in sections) if h is not None]
        quotes = tuple(q for q in (self._shelf.quoter.whole(h) for h in headings) if q)
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
        assert self._shelf.plan is not None
        first, last = asked.section, asked.until
        if first not in outline.sections or last not in outline.sections:
            missing = first if first not in outline.sections else last
            return Answer(Outcome.NOT_IN_DOCUMENTS, Reason.NO_SUCH_SECTION, facts={"section": missing or ""})
        a, b = sorted((outline.sections.index(first or ""), outline.sections.index(last or "")))
        return self.sections(self._shelf.plan.id, outline.sections[a : b + 1], Reason.SECTION_LIST)

    def _bullet(self, asked: OutlineQuestion, outline: Outline, k: int) -> Answer:
        bullets = outline.bullets(asked.section or "")
        ordinal = len(bullets) if asked.ordinal in (-1, None) else asked.ordinal
        if not 1 <= ordinal <= len(bullets):
            facts = {"section": asked.section or "", "count": str(len(bullets)), "ordinal": str(ordinal)}
            return Answer(Outcome.NOT_IN_DOCUMENTS, Reason.NO_SUCH_SECTION, facts=facts)
        return self._shelf.passage(bullets[ordinal - 1].id, k=k)

    def _article(
        self, query: Query, asked: OutlineQuestion, mentions: Sequence[Mention], topic: Topic, k: int
    ) -> Answer | None:
        named = [d for mention in mentions for d in mention.document_ids]
        if not named and mentions:
            return None
        if not named and topic.document_id and self._shelf.has(topic.document_id, asked.section or ""):
            named = [topic.document_id]
        if not named:
            # Which regulation? The one that fits the other words best, if there are any; else ask back.
            if self._asks_more_than_structure(query):
                return None
            holders = [d for d in self._shelf.documents if self._shelf.has(d, asked.section or "")]
            cited = sorted(holders, key=lambda d: (not self._shelf.documents[d].cited_in_plan, d))
            if not cited:
                return Answer(Outcome.NOT_IN_DOCUMENTS, Reason.NO_SUCH_ARTICLE, facts={"article": asked.section or ""})
            choices = tuple(Choice("section", f"{d}/{asked.section}") for d in cited[:3])
            return Answer(
                Outcome.AMBIGUOUS, Reason.WHICH_DOCUMENT, choices=choices, facts={"article": asked.section or ""}
            )
        twins = mentions[0].document_ids if mentions else ()
        # Of two documents of one number, the one that has such an article.
        document_id = next((d for d in twins if self._shelf.has(d, asked.section or "")), named[0])
        if self._shelf.documents[document_id].metadata_only:
            return self._citations.not_loaded(document_id)
        if not self._shelf.has(document_id, asked.section or ""):
            if not any(part.startswith("dieu-") for part in self._shelf.outline(document_id).sections):
                # A document without articles can speak of those of another: "Cụ thể hoá Điều 19".
                return None
            facts = {"article": asked.section or "", "document": self._shelf.documents[document_id].name}
            return Answer(
                Outcome.NOT_IN_DOCUMENTS,
                Reason.NO_SUCH_ARTICLE,
                facts=facts,
                notices=self._shelf.force_notices([document_id]),
                choices=self._shelf.choice_of_newer(self._shelf.documents[document_id]),
                document_ids=(document_id,),
            )
        if asked.clause is not None or asked.point is not None:
            found = self._clause_or_point(document_id, asked)
            if found is not None:
                return self._with_points(found, k)
            facts = {"article": asked.section or ""}
            facts |= {"clause": str(asked.clause)} if asked.clause is not None else {}
            facts |= {"point": asked.point} if asked.point is not None else {}
            choices = (Choice("section", f"{document_id}/{asked.section}"),)
            return Answer(
                Outcome.NOT_IN_DOCUMENTS,
                Reason.NO_SUCH_ARTICLE,
                facts=facts,
                notices=self._shelf.force_notices([document_id]),
                choices=choices,
                document_ids=(document_id,),
            )
        return self.section(document_id, asked.section or "")

    def _clause_or_point(self, document_id: str, asked: OutlineQuestion) -> Passage | None:
        place = f"{document_id}/{asked.section}"
        if asked.clause is not None:
            place = f"{place}.khoan-{asked.clause}"
        if asked.point is None:
            return self._shelf.passages.get(place)
        # Who types without accents writes "d" for both.
        letters = "dđ" if asked.point == "d" else asked.point
        return next((p for letter in letters if (p := self._shelf.passages.get(f"{place}.diem-{letter}"))), None)

    def _with_points(self, passage: Passage, k: int) -> Answer:
        """Return a clause or a point; a clause that only announces its points ("áp dụng đối với:") brings them."""
        answer = self._shelf.passage(passage.id, k=k)
        points = self._shelf.outline(passage.document_id).announced_by(passage)
        return replace(answer, quotes=(*answer.quotes, *(q for q in map(self._shelf.quoter.whole, points) if q)))

    def _own_number(self) -> Answer:
        assert self._shelf.plan is not None
        known = {"number": self._shelf.plan.number or "", "date": str(self._shelf.plan.issued_on or "")}
        outcome = Outcome.ANSWERED if any(known.values()) else Outcome.NOT_IN_DOCUMENTS
        return Answer(outcome, Reason.OWN_NUMBER, facts=known, document_ids=(self._shelf.plan.id,))
