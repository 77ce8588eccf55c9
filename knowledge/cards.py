"""What is known of each document that is cited: a card for people, a row for programs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Any

from knowledge.chunker import place
from knowledge.citations import CitationRecord
from knowledge.model import Document, DocumentKind, Force, Replacement, TextKind, name_of
from knowledge.shelf import Shelf
from knowledge.text import fold

# Begins the id of a document that is only named; ids of the store are file names and never do.
_NAMED = "?"


class Holding(Enum):
    """What the store has of a document."""

    LOADED = "loaded"
    METADATA_ONLY = "metadata_only"
    ONLY_CITED = "only_cited"


@dataclass(frozen=True, slots=True)
class Reference:
    """A document as another one's card names it.

    Attributes:
        name: kind and number: "Quy định 41-QĐ/TW"; in place of a number that nobody gave, what was written.
        card_id: of its own card; None where there is nothing to tell of it.
    """

    name: str
    issued_on: date | None
    card_id: str | None


@dataclass(frozen=True, slots=True)
class Card:
    """What is known of a document.

    Attributes:
        id: the document's; of one that is not in the store, what named_id makes of its number and date.
        title, issuer, status: None where the store holds no registry entry.
        text_kind, version: None where the store holds no text.
        basis: what says whether it holds; checked_on is the day on which that was last looked up.
        places: where the plan cites it, in words, in reading order.
        cited_by, cites: other documents, the plan left out, in the order of their ids and of the text.
        replaces: as the registry entry words it.
        replaced_by: force tells whether it is certain.
        passages: how many pieces of it can be found.
    """

    id: str
    number: str | None
    kind: DocumentKind | None
    name: str
    title: str | None
    issuer: str | None
    issued_on: date | None
    holding: Holding
    text_kind: TextKind | None
    status: str | None
    force: Force
    in_force_from: date | None
    basis: str | None
    checked_on: date | None
    places: tuple[str, ...]
    cited_by: tuple[Reference, ...]
    cites: tuple[Reference, ...]
    replaces: str | None
    replaced_by: Reference | None
    amended_by: tuple[Reference, ...]
    version: int | None
    passages: int


def named_id(number: str, issued_on: date | None) -> str:
    """Return the id of the card of a document that is cited and not in the store."""
    return f"{_NAMED}{number}@{issued_on or ''}"


def card(knowledge: Shelf, document_id: str) -> Card:
    """Return what is known of a document, in the store or only cited.

    Raises:
        KeyError: no document of the store has this id, and none cites one that has.
    """
    return _card(_Look(knowledge), document_id)


def cards(knowledge: Shelf, at_most: int | None = None) -> list[Card]:
    """Return the cards of all documents but the plan, or of the first of them; see card_ids."""
    look = _Look(knowledge)
    return [_card(look, each) for each in look.all_ids()[:at_most]]


def card_ids(knowledge: Shelf) -> list[str]:
    """Return the ids of all cards but the plan's: what it cites, the rest of the store, what is only cited."""
    return _Look(knowledge).all_ids()


def cited_ids(knowledge: Shelf) -> list[str]:
    """Return the ids of the cards of what the plan cites, in the order of its text."""
    return _Look(knowledge).cited()


def ids_named(knowledge: Shelf, number: str) -> list[str]:
    """Return the ids of the cards of documents that are only cited, of one number, by date."""
    return _Look(knowledge).ids_named(number)


def documents_table(knowledge: Shelf) -> list[dict[str, Any]]:
    """Return a row for each document of the store, in id order, ready for JSON; a date is YYYY-MM-DD or None."""
    return [
        _row(document, len(knowledge.outline(document.id).bodies))
        for _, document in sorted(knowledge.documents.items())
    ]


def _row(document: Document, passages: int) -> dict[str, Any]:
    def day(value: date | None) -> str | None:
        return value.isoformat() if value is not None else None

    return {
        "id": document.id,
        "number": document.number,
        "kind": document.kind.value,
        "title": document.title,
        "issuer": document.issuer,
        "issued_on": day(document.issued_on),
        "date": day(document.issued_on),
        "text_kind": document.text_kind.value,
        "confidence": document.confidence.value,
        "version": document.version,
        "status": document.status,
        "force": document.force.value,
        "force_from": day(document.in_force_from),
        "basis": document.force_basis,
        "checked_on": day(document.checked_on),
        "replaced_by": document.replaced_by.text if document.replaced_by else None,
        "amended_by": [each.text for each in document.amended_by],
        "replaces": document.replaces,
        "cited_in_plan": list(document.cited_in_plan),
        "passages": passages,
        "loaded": not document.metadata_only,
        "sha256": document.sha256,
    }


class _Look:
    """A look at the citations of a store, those of documents that it does not have told apart by number and date."""

    def __init__(self, knowledge: Shelf) -> None:
        self.knowledge = knowledge
        # What is said to have replaced or changed a document of the store, and is not there itself.
        self._newer: dict[str, list[tuple[Document, Replacement]]] = {}
        for document in knowledge.documents.values():
            for newer in (document.replaced_by, *document.amended_by):
                if newer is not None and newer.number is not None and knowledge.stored(newer) is None:
                    self._newer.setdefault(fold(newer.number), []).append((document, newer))

    def id_of(self, record: CitationRecord) -> str:
        """Return the id of the card of the document that a mention means."""
        return record.document_id or self.id_named(record.number, record.issued_on)

    def id_named(self, number: str, issued_on: date | None) -> str:
        """Return the same of a document that is not in the store."""
        records, newer = self._under(number)
        given = [*(record.issued_on for record in records), *(each.issued_on for _, each in newer)]
        dates = {day for day in given if day is not None}
        # Under two dates a number is two documents, and a mention without a date may mean either.
        only = min(dates) if len(dates) == 1 else None
        return named_id(records[0].number if records else number, issued_on or only)

    def ids_named(self, number: str) -> list[str]:
        """Return the ids of the cards that a number has."""
        records, newer = self._under(number)
        ids = {self.id_of(record) for record in records}
        return sorted(ids | {self.id_named(each.number or "", each.issued_on) for _, each in newer})

    def cited(self) -> list[str]:
        """Return the ids of the cards of what the plan cites."""
        return [self.id_of(record) for cited in self.knowledge.cited_documents() for record in cited.records[:1]]

    def all_ids(self) -> list[str]:
        """Return the ids of all cards, as card_ids does."""
        stored = sorted(document.id for document in self.knowledge.documents.values() if not document.is_plan)
        named = sorted(self.all_named(), key=lambda each: (fold(each), each))
        return list(dict.fromkeys([*self.cited(), *stored, *named]))

    def all_named(self) -> set[str]:
        """Return the ids of the cards of all documents that are not in the store."""
        numbers = {fold(record.number) for record in self.knowledge.graph.records if record.document_id is None}
        return {each for number in numbers | set(self._newer) for each in self.ids_named(number)}

    def mentions_of(self, card_id: str) -> list[CitationRecord]:
        """Return where other documents mention one."""
        if card_id in self.knowledge.documents:
            return self.knowledge.graph.mentions_of(card_id)
        records, _ = self._under(_number_in(card_id))
        return [record for record in records if self.id_of(record) == card_id]

    def replaced_by(self, card_id: str) -> list[Document]:
        """Return the documents that one took the place of which is not in the store."""
        _, newer = self._under(_number_in(card_id))
        return [
            document
            for document, each in newer
            if each is document.replaced_by
            and each.confirmed
            and self.id_named(each.number or "", each.issued_on) == card_id
        ]

    def named_in(self, document_id: str) -> list[str]:
        """Return the ids of the cards of the documents that one mentions, in the order of its text."""
        records = (
            record
            for passage in self.knowledge.prepared[document_id].passages
            for record in self.knowledge.graph.mentioned_in(passage.id)
        )
        plan_id = self.knowledge.plan.id if self.knowledge.plan else None
        return [each for each in dict.fromkeys(map(self.id_of, records)) if each not in (document_id, plan_id)]

    def reference(self, card_id: str) -> Reference:
        """Return a document as other cards name it."""
        document = self.knowledge.documents.get(card_id)
        if document is not None:
            return Reference(document.name, document.issued_on, document.id)
        number, kind = _number_in(card_id), _kind_of(self.mentions_of(card_id))
        return Reference(name_of(kind, number), _date_in(card_id), card_id)

    def newer(self, named: Replacement) -> Reference:
        """Return what replaced or changed a document, as its card names it."""
        stored = self.knowledge.stored(named)
        if stored is not None:
            return self.reference(stored.id)
        if named.number is None:
            return Reference(named.text, None, None)
        return self.reference(self.id_named(named.number, named.issued_on))

    def _under(self, number: str) -> tuple[list[CitationRecord], list[tuple[Document, Replacement]]]:
        return self.knowledge.graph.unknown_records(number), self._newer.get(fold(number), [])


def _number_in(card_id: str) -> str:
    return card_id.removeprefix(_NAMED).rpartition("@")[0]


def _date_in(card_id: str) -> date | None:
    written = card_id.rpartition("@")[2]
    return date.fromisoformat(written) if written else None


def _kind_of(records: Sequence[CitationRecord]) -> DocumentKind | None:
    return next((record.kind for record in records if record.kind is not None), None)


def _card(look: _Look, card_id: str) -> Card:
    knowledge = look.knowledge
    mentions = look.mentions_of(card_id)
    places = [place(knowledge.passages[r.passage_id]) for r in mentions if knowledge.in_plan(r.passage_id)]
    sources = {r.passage_id.split("/", 1)[0] for r in mentions if not knowledge.in_plan(r.passage_id)}
    cited_by = tuple(look.reference(each) for each in sorted(sources))
    document = knowledge.documents.get(card_id)
    if document is None:
        return _card_of_named(look, card_id, mentions, tuple(dict.fromkeys(places)), cited_by)
    replaced = document.replaced_by
    return Card(
        id=document.id,
        number=document.number,
        kind=document.kind,
        name=document.name,
        title=document.title,
        issuer=document.issuer,
        issued_on=document.issued_on,
        holding=Holding.METADATA_ONLY if document.metadata_only else Holding.LOADED,
        text_kind=None if document.metadata_only else document.text_kind,
        status=document.status,
        force=document.force,
        in_force_from=document.in_force_from,
        basis=document.force_basis,
        checked_on=document.checked_on,
        places=tuple(dict.fromkeys(places)),
        cited_by=cited_by,
        cites=tuple(look.reference(each) for each in look.named_in(document.id)),
        replaces=document.replaces,
        replaced_by=None if replaced is None else look.newer(replaced),
        amended_by=tuple(look.newer(each) for each in document.amended_by),
        version=None if document.metadata_only else document.version,
        passages=len(knowledge.outline(document.id).bodies),
    )


def _card_of_named(
    look: _Look,
    card_id: str,
    mentions: Sequence[CitationRecord],
    places: tuple[str, ...],
    cited_by: tuple[Reference, ...],
) -> Card:
    if not card_id.startswith(_NAMED) or card_id not in look.ids_named(_number_in(card_id)):
        raise KeyError(card_id)
    known = look.reference(card_id)
    return Card(
        id=card_id,
        number=_number_in(card_id),
        kind=_kind_of(mentions),
        name=known.name,
        title=None,
        issuer=next((record.issuer for record in mentions if record.issuer), None),
        issued_on=known.issued_on,
        holding=Holding.ONLY_CITED,
        text_kind=None,
        status=None,
        force=Force.UNKNOWN,
        in_force_from=None,
        basis=None,
        checked_on=None,
        places=places,
        cited_by=cited_by,
        cites=(),
        replaces="; ".join(document.name for document in look.replaced_by(card_id)) or None,
        replaced_by=None,
        amended_by=(),
        version=None,
        passages=0,
    )
