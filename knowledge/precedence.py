"""Official texts before our digests of them: a digest then only helps to find where the official text speaks."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from knowledge.chunker import chunk
from knowledge.model import Document, Passage, PassageKind, TextKind
from knowledge.text import fold
from knowledge.views import View

log = logging.getLogger(__name__)
# What is put where nobody stated an issuer or a status.
_NOT_STATED = ("", "chưa rõ")


@dataclass(frozen=True, slots=True)
class Settled:
    """Which documents answer, and which questions lead to them.

    Attributes:
        dropped: {digest: how many of the questions that led to it, its own passages among them, lead nowhere now}.
    """

    documents: tuple[Document, ...]
    views: tuple[View, ...]
    dropped: Mapping[str, int]


def precedence(documents: Sequence[Document], views: Sequence[View]) -> tuple[list[Document], list[View]]:
    """Return the documents that answer and the questions that lead to them; see settle."""
    settled = settle(documents, views)
    for digest_id, count in settled.dropped.items():
        log.info("%s stands behind its official text; %d of its questions have no place there", digest_id, count)
    return list(settled.documents), list(settled.views)


def settle(documents: Sequence[Document], views: Sequence[View]) -> Settled:
    """Return what answers where an official text and a digest have the same number and date.

    The digest leaves. Its passages, and the questions that led to them, lead to the official text: to the passage of
    the same locator, else to the first of the same article or section. What the official text does not say of itself
    (another name, where the plan cites it, whether it still holds) is taken from the digest.

    Args:
        documents: with ids that differ.
        views: curated questions, of these documents and of others.
    """
    # An official text that is known by name alone has nothing to put in the digest's place.
    officials = {
        _identity(d): d
        for d in documents
        if d.text_kind is TextKind.OFFICIAL and d.number is not None and not d.metadata_only
    }
    behind = {
        d.id: officials[_identity(d)]
        for d in documents
        if d.text_kind is TextKind.DIGEST and not d.is_plan and d.number is not None and _identity(d) in officials
    }
    if not behind:
        return Settled(tuple(documents), tuple(views), {})
    kept = {document.id: document for document in documents if document.id not in behind}
    places: dict[str, str] = {}
    own: list[View] = []
    dropped = dict.fromkeys(behind, 0)
    for digest in documents:
        if digest.id not in behind:
            continue
        official_id = behind[digest.id].id
        kept[official_id] = _filled_in(kept[official_id], digest)
        theirs = _Places(chunk(kept[official_id]))
        for passage in chunk(digest):
            if passage.kind is not PassageKind.BODY:
                continue
            place = theirs.like(passage)
            if place is None:
                dropped[digest.id] += 1
                continue
            places[passage.id] = place
            own.append(View(place, passage.text))
    curated: list[View] = []
    for view in views:
        digest_id = view.passage_id.split("/", 1)[0]
        if digest_id not in behind:
            curated.append(view)
        elif view.passage_id in places:
            curated.append(replace(view, passage_id=places[view.passage_id]))
        else:
            dropped[digest_id] += 1
    return Settled(tuple(kept.values()), (*curated, *own), dropped)


class _Places:
    """The passages of an official text, by where they stand."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        bodies = [passage for passage in passages if passage.kind is PassageKind.BODY]
        self._by_locator = {passage.locator: passage.id for passage in bodies}
        self._first: dict[str, str] = {}
        for passage in bodies:
            self._first.setdefault(passage.section, passage.id)

    def like(self, passage: Passage) -> str | None:
        """Return the id of the passage that stands where one of the digest does; None where nothing does."""
        return self._by_locator.get(passage.locator) or self._first.get(passage.section)


def _identity(document: Document) -> tuple[object, ...]:
    return fold(document.number or ""), document.issued_on


def _filled_in(official: Document, digest: Document) -> Document:
    """Return an official text with what only the entry of its digest says."""
    validity = official if _says_force(official) else digest
    # The official text's own words must not deny what the digest knows of its force.
    is_told = official.status not in _NOT_STATED and (validity is official or not _says_force(digest))
    return replace(
        official,
        title=digest.title if _is_no_title(official) else official.title,
        short_title=official.short_title or digest.short_title,
        issuer=digest.issuer if official.issuer in _NOT_STATED else official.issuer,
        status=official.status if is_told else digest.status,
        replaces=official.replaces or digest.replaces,
        cited_in_plan=official.cited_in_plan or digest.cited_in_plan,
        aliases=tuple(dict.fromkeys([*official.aliases, *digest.aliases])),
        stated_force=validity.stated_force,
        replaced_by=validity.replaced_by,
        amended_by=validity.amended_by,
        force_basis=official.force_basis or validity.force_basis,
        in_force_from=official.in_force_from or digest.in_force_from,
        checked_on=official.checked_on or validity.checked_on,
    )


def _says_force(document: Document) -> bool:
    return document.stated_force is not None or document.replaced_by is not None or bool(document.amended_by)


def _is_no_title(document: Document) -> bool:
    """Whether a title is a file's name or the number once more."""
    title = document.title.strip()
    return " " not in title or fold(title) in (fold(document.number or ""), fold(document.name))
