"""A document cut into passages, and what follows from it alone: kept from one version of the store to the next."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from knowledge.chunker import chunk
from knowledge.indexes import Entry
from knowledge.model import Document, Passage, PassageKind
from knowledge.structure import Outline
from knowledge.text import fold
from knowledge.titles import names_of
from knowledge.views import Subjects, spaced

# With more body passages than this in a store, an entry is a section; with fewer, a passage.
LARGE_STORE = 50_000
# A section is searched in parts of about so many characters: of a longer text the end would not be seen.
_LONGEST_ENTRY = 10_000
# In a regulation, what stands outside its articles ("Hiệu lực", "Văn bản liên quan") answers less often.
_OUTSIDE_ARTICLES = 0.75
# Notes of ours beside a digest; they answer only who asks for them.
_NOTE = re.compile(r"^(?:\d+\. )?(?:lien he|luu y|phan chua|van ban (?:moi|lien quan)|hieu luc)")
_NOTE_PRIOR = 0.4


@dataclass(frozen=True, slots=True)
class Cut:
    """What is searched of a document.

    Attributes:
        entries: in reading order.
        weights: float64 [entries], how much each counts beside an ordinary one, whatever is asked.
    """

    entries: tuple[Entry, ...]
    weights: NDArray[np.float64]


class Prepared:
    """A document and its passages; what else is here is worked out when it is first asked for.

    Attributes:
        passages: in reading order.
    """

    def __init__(self, document: Document, passages: Sequence[Passage]) -> None:
        self.document = document
        self.passages = tuple(passages)
        self._naming: tuple[Subjects, frozenset[str]] | None = None

    @cached_property
    def bodies(self) -> int:
        """How many passages are searched."""
        return sum(passage.kind is PassageKind.BODY for passage in self.passages)

    @cached_property
    def by_id(self) -> dict[str, Passage]:
        """The passages by id."""
        return {passage.id: passage for passage in self.passages}

    @cached_property
    def unsearched(self) -> tuple[Passage, ...]:
        """The passages that only name a part."""
        return tuple(passage for passage in self.passages if passage.kind is PassageKind.HEADING)

    @cached_property
    def outline(self) -> Outline:
        """Its sections and passages."""
        return Outline(self.passages)

    @cached_property
    def sections(self) -> frozenset[str]:
        """Locators of its sections."""
        return frozenset(passage.section for passage in self.passages) - {"0"}

    @cached_property
    def names(self) -> Sequence[str]:
        """Names without a number under which people ask for it; see names_of."""
        return names_of(self.document)

    @cached_property
    def is_articled(self) -> bool:
        """Whether most of its parts are articles."""
        return sum(section.startswith("dieu-") for section in self.sections) * 2 > len(self.sections)

    def naming(self, subjects: Subjects) -> frozenset[str]:
        """Return the subjects that its title and headings name; kept for the next time."""
        kept = self._naming
        if kept is None or kept[0] is not subjects:
            headings = dict.fromkeys(heading for passage in self.passages for heading in passage.headings)
            names = "\n".join(map(spaced, (self.document.title, *headings)))
            kept = self._naming = (subjects, subjects.named_in(names))
        return kept[1]

    def cut(self, *, coarse: bool) -> Cut:
        """Return what is searched of it: sections, or passages."""
        return self._coarse if coarse else self._fine

    @cached_property
    def _fine(self) -> Cut:
        return self._cut([Entry(p.id, p.text, _context(self.document, p)) for p in self._searched()])

    @cached_property
    def _coarse(self) -> Cut:
        entries: list[Entry] = []
        by_section = groupby(self._searched(), key=lambda p: (p.section, _context(self.document, p)))
        for (_, context), passages in by_section:
            parts: list[tuple[str, str]] = []
            length = 0
            for passage in passages:
                if parts and length + len(passage.text) > _LONGEST_ENTRY:
                    entries.append(Entry(parts[0][0], "", context, tuple(parts)))
                    parts, length = [], 0
                parts.append((passage.id, passage.text))
                length += len(passage.text)
            entries.append(Entry(parts[0][0], "", context, tuple(parts)))
        return self._cut(entries)

    def _cut(self, entries: Sequence[Entry]) -> Cut:
        weights = [self._weight(self.by_id[entry.id]) for entry in entries]
        return Cut(tuple(entries), np.asarray(weights, dtype=np.float64))

    def _weight(self, passage: Passage) -> float:
        if passage.headings and _NOTE.match(fold(passage.headings[-1])):
            return _NOTE_PRIOR
        return _OUTSIDE_ARTICLES if self.is_articled and not passage.section.startswith("dieu-") else 1.0

    def _searched(self) -> Iterable[Passage]:
        return (passage for passage in self.passages if passage.kind is PassageKind.BODY)


class Shelved(Mapping[str, Passage]):
    """The passages of documents by id, each looked for in its own document."""

    def __init__(self, prepared: Mapping[str, Prepared]) -> None:
        self._prepared = prepared
        self._size = sum(len(one.passages) for one in prepared.values())

    def __getitem__(self, passage_id: str) -> Passage:
        return self._prepared[passage_id.partition("/")[0]].by_id[passage_id]

    def __iter__(self) -> Iterator[str]:
        for one in self._prepared.values():
            yield from one.by_id

    def __len__(self) -> int:
        return self._size


def prepare(documents: Sequence[Document], previous: Mapping[str, Prepared] | None = None) -> dict[str, Prepared]:
    """Return documents cut into passages, by id; those that are the same as before are not cut again."""
    found = {}
    for document in documents:
        before = previous.get(document.id) if previous else None
        same = before is not None and (before.document is document or before.document == document)
        found[document.id] = before if before is not None and same else Prepared(document, chunk(document))
    return found


def shelved(documents: Sequence[Document], passages: Sequence[Passage]) -> dict[str, Prepared]:
    """Return documents with passages that were cut already, by id."""
    cut: dict[str, list[Passage]] = {document.id: [] for document in documents}
    for passage in passages:
        cut[passage.document_id].append(passage)
    return {document.id: Prepared(document, cut[document.id]) for document in documents}


def is_large(prepared: Mapping[str, Prepared]) -> bool:
    """Whether a store is so large that sections are searched instead of passages."""
    return sum(one.bodies for one in prepared.values()) > LARGE_STORE


def entries_of(prepared: Mapping[str, Prepared]) -> list[Entry]:
    """Return what is searched of documents: passages, or whole sections of a large store, with their headings."""
    coarse = is_large(prepared)
    return [entry for one in prepared.values() for entry in one.cut(coarse=coarse).entries]


def _context(document: Document, passage: Passage) -> str:
    """Return what is searched with a passage; a digest's name and title count too."""
    heading = passage.headings[-1] if passage.headings else ""
    return heading if document.is_plan else f"{document.name} {document.title}\n{heading}"
