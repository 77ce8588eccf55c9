"""What other texts change: documents, passages, citations that newly lead somewhere or no longer do."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from knowledge.answer import KnowledgeBase
from knowledge.model import Document


@dataclass(frozen=True, slots=True)
class Difference:
    """What other texts change.

    Attributes:
        added, changed, removed: document ids.
        passages_added, passages_changed, passages_removed: how many.
        resolved, broken: citations "number, date" in a passage whose document is now there, or no longer.
        failing: golden questions that came out as they should and no longer do.
        mended: golden questions that now do.
    """

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    passages_added: int = 0
    passages_changed: int = 0
    passages_removed: int = 0
    resolved: tuple[tuple[str, str], ...] = ()
    broken: tuple[tuple[str, str], ...] = ()
    failing: tuple[str, ...] = ()
    mended: tuple[str, ...] = ()


def compare(before: KnowledgeBase, after: KnowledgeBase) -> Difference:
    """Return what other texts change, but for what golden questions say of them."""
    old, new = before.documents, after.documents
    changed = tuple(d for d in sorted(old.keys() & new.keys()) if _differs(old[d], new[d]))
    touched = {*changed, *(old.keys() ^ new.keys())}
    texts_before, texts_after = _texts(before, touched), _texts(after, touched)
    shared = texts_before.keys() & texts_after.keys()
    # A document whose citations are the same object has the same ones.
    stirred = [
        d for d in sorted(old.keys() | new.keys()) if before.graph.records_in(d) is not after.graph.records_in(d)
    ]
    leads_before, leads_after = _leads(before, stirred), _leads(after, stirred)
    return Difference(
        added=tuple(sorted(new.keys() - old.keys())),
        changed=changed,
        removed=tuple(sorted(old.keys() - new.keys())),
        passages_added=len(texts_after.keys() - shared),
        passages_changed=sum(texts_before[p] != texts_after[p] for p in shared),
        passages_removed=len(texts_before.keys() - shared),
        resolved=_turned(leads_before, leads_after),
        broken=_turned(leads_after, leads_before),
    )


def _texts(knowledge: KnowledgeBase, document_ids: Iterable[str]) -> dict[str, str]:
    known = (knowledge.prepared[d] for d in document_ids if d in knowledge.prepared)
    return {passage.id: passage.text for one in known for passage in one.passages}


def _differs(old: Document, new: Document) -> bool:
    return (old.sha256, old.text, old.version) != (new.sha256, new.text, new.version)


def _leads(knowledge: KnowledgeBase, document_ids: Iterable[str]) -> dict[tuple[str, str], bool]:
    """Return whether each citation of some documents leads to a document of the store."""
    records = (record for d in document_ids for record in knowledge.graph.records_in(d))
    return {(record.written, record.passage_id): record.document_id is not None for record in records}


def _turned(one: Mapping[tuple[str, str], bool], other: Mapping[tuple[str, str], bool]) -> tuple[tuple[str, str], ...]:
    """Return the citations that lead nowhere in one and somewhere in the other."""
    return tuple(record for record, leads in other.items() if leads and one.get(record) is False)
