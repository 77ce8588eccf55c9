"""How likely a passage is to answer before a question is looked at."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from knowledge.indexes import Entry
from knowledge.prepared import is_large
from knowledge.shelf import Shelf

_NEAR_BOOST = 1.2
_CITING_BOOST = 1.8
_PRIORS_KEPT = 200
_MOST_NUMBERS_KEPT = 4_000_000


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is known before a question is looked at.

    Attributes:
        named: documents the question names; with any, others than these and the plan are shut out.
        section: (document id, section) to stay inside.
        near: section of the plan that the conversation is about.
        without: a passage that was shown already.
        plan_only: the question speaks of the plan.
        citing: the question asks for a document; passages of the plan that cite one come first.
    """

    named: tuple[str, ...] = ()
    section: tuple[str, str] | None = None
    near: str | None = None
    without: str | None = None
    plan_only: bool = False
    citing: bool = False


class Priors:
    """Weighs the entries of a store, beside one of the plan's.

    Attributes:
        of: returns float32 [entries], read only, for some circumstances; it is kept for the next question of the kind.
    """

    def __init__(self, shelf: Shelf, digest: float) -> None:
        """Take what a digest's score counts beside the plan's, unless the question names the digest."""
        weighing = _Weighing(shelf, digest)
        kept = min(_PRIORS_KEPT, _MOST_NUMBERS_KEPT // max(1, weighing.size))
        self.of = lru_cache(maxsize=max(1, kept))(weighing.weigh)


class _Weighing:
    def __init__(self, shelf: Shelf, digest: float) -> None:
        self._shelf, self._digest = shelf, digest
        documents = shelf.documents.values()
        self._number = {document_id: number for number, document_id in enumerate(shelf.documents)}
        self._is_plan = np.fromiter((document.is_plan for document in documents), dtype=bool)
        self._is_cited = np.fromiter((document.cited_in_plan for document in documents), dtype=bool)
        self._coarse = is_large(shelf.prepared)
        cuts = [one.cut(coarse=self._coarse) for one in shelf.prepared.values()]
        sizes = [len(cut.entries) for cut in cuts]
        self._document_of = np.repeat(np.arange(len(sizes)), sizes)
        ends = np.cumsum([0, *sizes]).tolist()
        self._span = {id_: slice(*span) for id_, span in zip(shelf.prepared, pairwise(ends), strict=True)}
        self._weights = np.concatenate([cut.weights for cut in cuts]) if cuts else np.zeros(0)
        self.size = len(self._weights)

    def weigh(self, known: Circumstances) -> NDArray[np.float32]:
        """Return [entries]: how likely each is to answer."""
        plan = self._shelf.plan
        if known.section is not None:
            document_id, section = known.section
            found = np.zeros(self.size)
            sections = [self._shelf.passages[entry.id].section for entry in self._entries(document_id)]
            found[self._span[document_id]] = [own == section for own in sections]
        else:
            found = self._by_document(known)[self._document_of] if self.size else np.zeros(0)
            if plan is not None and not known.named:
                found[self._span[plan.id]] = [self._of_plan(entry, known) for entry in self._entries(plan.id)]
        found = found * self._weights
        shown = (known.without or "").split("/", 1)[0]
        if shown in self._span:
            ids = [_ids(entry) for entry in self._entries(shown)]
            found[self._span[shown]] *= [known.without not in held for held in ids]
        weighed = found.astype(np.float32)
        weighed.setflags(write=False)
        return weighed

    def _entries(self, document_id: str) -> Sequence[Entry]:
        return self._shelf.prepared[document_id].cut(coarse=self._coarse).entries

    def _by_document(self, known: Circumstances) -> NDArray[np.float64]:
        """Return [documents]: how likely each is to hold the answer."""
        found = np.zeros(len(self._is_plan))
        named = [self._number[document_id] for document_id in known.named if document_id in self._number]
        if self._shelf.basis_id in known.named:
            # The plan carries that document out: who names it mostly means the plan.
            found[named] = self._digest
            found[self._is_plan] = 1.0
        elif known.named:
            found[self._is_plan] = self._digest
            found[named] = 1.0
        else:
            # Where an old text and its successor say the same, the one that the plan cites is shown, with a notice.
            if not known.plan_only:
                found[:] = np.where(self._is_cited, self._digest, 0.95 * self._digest)
            found[self._is_plan] = 1.0
        return found

    def _of_plan(self, entry: Entry, known: Circumstances) -> float:
        if known.citing and any(self._shelf.graph.mentioned_in(id_) for id_ in _ids(entry)):
            return _CITING_BOOST
        return _NEAR_BOOST if self._shelf.passages[entry.id].section == known.near else 1.0


def _ids(entry: Entry) -> list[str]:
    """Return the passages of an entry."""
    return [part for part, _ in entry.parts] or [entry.id]
