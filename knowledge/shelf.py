"""The documents of the store and what stands beside a quote: notices, ways on, what replaced what."""

import re
from collections.abc import Mapping, Sequence

from knowledge.chunker import TITLE_LOCATOR
from knowledge.citations import CitationGraph, CitationRecord, CitedDocument
from knowledge.lexical import LexicalIndex
from knowledge.model import (
    Answer,
    Choice,
    Confidence,
    Document,
    Force,
    Hit,
    Notice,
    NoticeKind,
    Outcome,
    Passage,
    Quote,
    Reason,
    Replacement,
    TextKind,
    Topic,
)
from knowledge.prepared import Prepared, Shelved, shelved
from knowledge.quotes import Quoter
from knowledge.structure import Outline

_NOTICES = {
    Force.SUPERSEDED: NoticeKind.SUPERSEDED,
    Force.PERHAPS_REPLACED: NoticeKind.PERHAPS_REPLACED,
    Force.AMENDED: NoticeKind.AMENDED,
    Force.NO_LONGER_IN_FORCE: NoticeKind.NO_LONGER_IN_FORCE,
}


class Shelf:
    """The documents of one version of the store.

    Attributes:
        documents, passages: by id.
        prepared: each document with its own passages, by id.
        graph: who mentions whom.
        quoter: makes checked quotes.
        plan: the province's plan, if it is in the store.
        basis_id: the document that the plan carries out, as its title names it.
    """

    def __init__(
        self,
        documents: Sequence[Document],
        passages: Sequence[Passage],
        lexical: LexicalIndex,
        *,
        prepared: Mapping[str, Prepared] | None = None,
        graph: CitationGraph | None = None,
    ) -> None:
        """Take documents and their passages, or () for these where they are prepared; a graph is made unless given."""
        self.documents = {document.id: document for document in documents}
        self.prepared = shelved(documents, passages) if prepared is None else prepared
        self.passages: Mapping[str, Passage] = Shelved(self.prepared)
        self.graph = CitationGraph(documents, passages, prepared=self.prepared) if graph is None else graph
        self.quoter = Quoter(documents, lexical)
        self._by_number: dict[str | None, list[Document]] = {}
        for document in documents:
            self._by_number.setdefault(document.number, []).append(document)
        self.plan = next((document for document in documents if document.is_plan), None)
        title = f"{self.plan.id}/{TITLE_LOCATOR}" if self.plan else ""
        self.basis_id = next((r.document_id for r in self.graph.mentioned_in(title)), None)

    def outline(self, document_id: str) -> Outline:
        """Return the sections and passages of a document.

        Raises:
            KeyError: no such document.
        """
        return self.prepared[document_id].outline

    def is_articled(self, document_id: str) -> bool:
        """Whether most of a document's parts are articles."""
        return self.prepared[document_id].is_articled

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
            notices=self.notices_beside([quote]),
            choices=self.choices_under(passage, quote, hits),
            document_ids=(passage.document_id,),
            topic=Topic(question, passage.id, passage.document_id, tuple(hit.passage_id for hit in hits)),
        )

    def cited_documents(self) -> list[CitedDocument]:
        """Return the documents that the plan cites, in the order of their first mention."""
        return self.graph.cited_by(self.plan.id) if self.plan else []

    def successor(self, document: Document) -> Document | None:
        """Return the document of the store that replaced another, or treats the same subject since."""
        return None if document.replaced_by is None else self.stored(document.replaced_by)

    def amendments(self, document: Document) -> list[Document]:
        """Return the documents of the store that changed a part of another, in the order of its registry entry."""
        return [found for found in map(self.stored, document.amended_by) if found is not None]

    def newer(self, document: Document) -> Document | None:
        """Return the document of the store to read as well: what replaced another, else what changed it."""
        return self.successor(document) or next(iter(self.amendments(document)), None)

    def stored(self, named: Replacement) -> Document | None:
        """Return the document of the store that an entry names as newer; None where there is none."""
        if named.number is None:
            return None
        return next(
            (
                d
                for d in self._by_number.get(named.number, ())
                if named.issued_on is None or d.issued_on == named.issued_on
            ),
            None,
        )

    def plan_places(self, document_id: str) -> list[CitationRecord]:
        """Return where the plan cites a document, in reading order."""
        return [r for r in self.graph.mentions_of(document_id) if self.in_plan(r.passage_id)]

    def in_plan(self, passage_id: str) -> bool:
        """Whether a passage is one of the plan's."""
        return self.plan is not None and passage_id.startswith(f"{self.plan.id}/")

    def has(self, document_id: str, section: str) -> bool:
        """Whether a document of the store has a section, with a text of its own."""
        if document_id not in self.documents:
            return False
        return section in self.prepared[document_id].sections and not self.documents[document_id].metadata_only

    def choices_under(self, passage: Passage, quote: Quote, hits: Sequence[Hit]) -> tuple[Choice, ...]:
        """Return the ways on from a quoted passage."""
        document = self.documents[passage.document_id]
        outline = self.outline(passage.document_id)
        choices: list[Choice] = []
        if not quote.whole:
            choices.append(Choice("whole", passage.id))
        elif following := outline.next_passage(passage):
            choices.append(Choice("next", following.id))
        if document.is_plan:
            choices.append(Choice("whole_section", f"{document.id}/{passage.section}"))
            cited = [r for r in self.graph.mentioned_in(passage.id) if r.document_id]
            if cited:
                choices.append(Choice("cited_in", passage.id))
            elif len(hits) > 1:
                choices.append(Choice("related", hits[1].passage_id))
        else:
            newer = self.newer(document)
            if newer is not None:
                choices.insert(0, Choice("card", newer.id))
            if self.plan_places(document.id):
                choices.append(Choice("places", document.id))
            if len(outline.bullets(passage.section)) > 1:
                choices.append(Choice("whole_section", f"{document.id}/{passage.section}"))
            choices.append(Choice("card", document.id))
        return tuple(choices[:3])

    def choices_for(self, document: Document, passage: Passage) -> tuple[Choice, ...]:
        """Return the ways on from an answer about a document."""
        choices = [Choice("card", document.id), *self.choice_of_newer(document)]
        if passage.section != "0":
            choices.append(Choice("whole_section", f"{passage.document_id}/{passage.section}"))
        return tuple(choices[:3])

    def choice_of_newer(self, document: Document) -> tuple[Choice, ...]:
        """Return the way to what replaced or changed a document; () where the store has none."""
        newer = self.newer(document)
        return (Choice("card", newer.id),) if newer is not None else ()

    def notices_beside(self, quotes: Sequence[Quote]) -> tuple[Notice, ...]:
        """Return what must be told beside quotes: about their own documents and about those they cite."""
        notices: list[Notice] = []
        for quote in quotes:
            document = self.documents[quote.citation.document_id]
            notices += self.force_notices([document.id])
            if document.text_kind is TextKind.DIGEST:
                notices.append(Notice(NoticeKind.DIGEST, document.id))
                if self._is_unchecked(document, quote):
                    notices.append(Notice(NoticeKind.UNCHECKED, document.id))
            for record in self.graph.mentioned_in(quote.citation.passage_id):
                if record.document_id != document.id:
                    cited = self.documents.get(record.document_id or "")
                    if document.is_plan and cited and record.written in quote.text:
                        notices += [
                            n for n in self.force_notices([cited.id]) if n.kind is not NoticeKind.PERHAPS_REPLACED
                        ]
        return tuple(dict.fromkeys(notices))

    def force_notices(self, document_ids: Sequence[str]) -> tuple[Notice, ...]:
        """Return what must be told of documents that hold no longer, not as they stand, or perhaps not."""
        forces = {document_id: self.documents[document_id].force for document_id in document_ids}
        return tuple(Notice(_NOTICES[forces[d]], d) for d in document_ids if forces[d] in _NOTICES)

    @staticmethod
    def _is_unchecked(document: Document, quote: Quote) -> bool:
        article = re.match(r"dieu-(\d+)", quote.citation.locator)
        if article:
            number = int(article[1])
            return number in document.unchecked_articles or number in document.partly_checked_articles
        general = "hiểu biết chung"
        if general in quote.text or general in quote.citation.heading:
            return True
        return document.confidence is not Confidence.VERIFIED
