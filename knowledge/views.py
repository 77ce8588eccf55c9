"""Curated questions: other ways in which a passage may be asked for, and examples of what no passage answers.

They help to find, or to refuse, and are never shown.
"""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from embeddings.encoder import Encoder
from embeddings.late import LateInteraction, has_tokens
from knowledge.lexical import LexicalIndex
from knowledge.lexicon import Lexicon
from knowledge.model import KnowledgeError
from knowledge.query import Query
from knowledge.text import clean, collapse, syllables

QUESTIONS_FOLDER = Path(__file__).parent / "questions"
UNCOVERED = "?"
# Passages, and views of each, that are looked at word by word.
_CONSIDERED, _CLOSEST = 50, 2


Seen = tuple[float, float, float]


class ViewError(KnowledgeError):
    """A file of curated questions cannot be used; the message names the file and what it lacks."""


@dataclass(frozen=True, slots=True)
class View:
    """One question that a passage answers; with UNCOVERED for a passage_id, one that the documents leave open."""

    passage_id: str
    question: str

    @property
    def is_covered(self) -> bool:
        """Whether the question stands for a passage."""
        return not self.passage_id.startswith(UNCOVERED)


def load_views(folder: Path = QUESTIONS_FOLDER) -> list[View]:
    """Return the curated questions of a folder.

    A YAML file per document holds {document: id, questions: {locator: [question, ...]}}; one without a document holds
    {uncovered: {subject: [question, ...]}}, examples of what no document answers.

    Raises:
        ViewError: a file is not YAML or lacks a field.
    """
    views: list[View] = []
    for path in sorted(folder.glob("*.yaml")):
        try:
            views += _parsed(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise ViewError(f"{path}: cannot be read: {error}") from error
        except (KeyError, TypeError, AttributeError) as error:
            problem = "needs 'document: ID' and 'questions:' with a list for each quoted locator, or 'uncovered:'"
            raise ViewError(f"{path}: {problem} ({error})") from error
    return views


# By what a file says, so that a load does not read again what has not changed.
@lru_cache(maxsize=64)
def _parsed(text: str) -> tuple[View, ...]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return tuple(_views(yaml.load(text, Loader=loader)))


def _views(content: Any) -> list[View]:
    """Return the views of a file; a KeyError or TypeError where it is not laid out as load_views says."""
    is_covered = "uncovered" not in content
    head = f"{content['document']}/" if is_covered else UNCOVERED
    if is_covered and not isinstance(content["document"], str):
        raise TypeError("document is no text")
    views = []
    for part, questions in content["questions" if is_covered else "uncovered"].items():
        if not (isinstance(part, str) and isinstance(questions, list) and all(isinstance(q, str) for q in questions)):
            raise TypeError(f"{part!r}")
        views += [View(f"{head}{part}", collapse(clean(question))) for question in questions if question.strip()]
    return views


def still_open(views: Sequence[View], headings: Iterable[str]) -> list[View]:
    """Return the views without those of a subject that a title or a heading of a document names.

    Whoever loads a regulation on party fees wants questions about them answered from it.
    """
    subjects = subjects_of(views)
    return open_beside(views, subjects.named_in("\n".join(spaced(heading) for heading in headings)))


def open_beside(views: Sequence[View], named: Set[str]) -> list[View]:
    """Return the views without those of a subject that a document names; see Subjects.named_in."""
    return [view for view in views if view.is_covered or _subject(view) not in named]


class Subjects:
    """Subjects that the documents leave open, to be looked for in what these are called."""

    def __init__(self, subjects: Iterable[str]) -> None:
        """Take subjects as spaced returns them."""
        self._by_first: dict[str, list[str]] = {}
        for subject in subjects:
            first, _, _ = subject.strip().partition(" ")
            self._by_first.setdefault(first, []).append(subject)

    def named_in(self, names: str) -> frozenset[str]:
        """Return the subjects that stand in titles and headings, each spaced, one a line."""
        # A line's end is no syllable, so that no subject is found across it.
        begun = self._by_first.keys() & set(names.split())
        return frozenset(subject for first in begun for subject in self._by_first[first] if subject in names)


def subjects_of(views: Sequence[View]) -> Subjects:
    """Return the subjects of views; the same object for the same subjects."""
    return _subjects(frozenset(_subject(view) for view in views if not view.is_covered))


@lru_cache(maxsize=4)
def _subjects(subjects: frozenset[str]) -> Subjects:
    return Subjects(sorted(subjects))


@lru_cache(maxsize=5000)
def _spaced_subject(passage_id: str) -> str:
    return spaced(passage_id.removeprefix(UNCOVERED))


def _subject(view: View) -> str:
    return _spaced_subject(view.passage_id)


def spaced(text: str) -> str:
    """Return the syllables of a text with a space around each, so that only whole ones are found in it."""
    return f" {' '.join(syllables(text))} "


def ordered(views: Sequence[View]) -> list[View]:
    """Return views by passage, those of one passage as they were given."""
    return sorted(views, key=lambda view: view.passage_id)


class ViewIndex:
    """A ranking of its own over curated questions, so that short ones do not crowd the passages' own rankings.

    Attributes:
        views: in the order of ordered.
    """

    def __init__(
        self,
        views: Sequence[View],
        lexical: LexicalIndex,
        vectors: NDArray[np.float32],
        own: NDArray[np.float32],
        late: LateInteraction | None,
    ) -> None:
        """Take at least one view, in the order of ordered, and what build makes of them."""
        self.views = list(views)
        owners = [view.passage_id for view in views]
        self._passages = sorted(set(owners))
        # The views of a passage stand next to each other.
        self._starts = np.searchsorted(owners, self._passages)
        self._owners = np.searchsorted(self._passages, owners)
        self._lexical, self._vectors, self._own, self._late = lexical, vectors, own, late

    @classmethod
    def build(cls, views: Sequence[View], encoder: Encoder, lexicon: Lexicon) -> "ViewIndex":
        """Return the index of views, at least one."""
        views = ordered(views)
        texts = [view.question for view in views]
        lexical = LexicalIndex.build(texts, lexicon.function_words)
        # What a question scores for itself: longer ones hold more to be found.
        own = np.sqrt(np.maximum(lexical.own_scores(texts), 1e-6)).astype(np.float32)
        late = LateInteraction.build(encoder, texts) if has_tokens(encoder) else None
        return cls(views, lexical, encoder.encode_queries(texts), own, late)

    @classmethod
    def load(cls, folder: Path, views: Sequence[View], encoder: Encoder) -> "ViewIndex":
        """Return the saved index of the same views; see save."""
        return cls(
            ordered(views),
            LexicalIndex.load(folder, len(views)),
            np.load(folder / "vectors.npy"),
            np.load(folder / "own.npy"),
            LateInteraction.load(encoder, folder) if has_tokens(encoder) else None,
        )

    def save(self, folder: Path) -> None:
        """Write the index into an existing folder."""
        self._lexical.save(folder)
        np.save(folder / "vectors.npy", self._vectors)
        np.save(folder / "own.npy", self._own)
        if self._late is not None:
            self._late.save(folder)

    def scores(self, query: Query, vector: NDArray[np.float32]) -> dict[str, Seen]:
        """Return, by passage (or subject left open), how near its nearest view is to a question.

        Args:
            vector: the question as encoded, float32 [dim].
        Returns:
            by words (1 for the nearest of all), as encoded, and word by word.
        """
        words = self._lexical.scores(query) / self._own
        words /= max(1e-6, float(words.max()))
        dense = self._vectors @ vector
        both = words + dense
        by_words = np.maximum.reduceat(words, self._starts)
        by_dense = np.maximum.reduceat(dense, self._starts)
        by_late = np.zeros(len(self._passages), dtype=np.float32)
        if self._late is not None:
            nearest = self._nearest(both)
            late = self._late.scores(query.asked, nearest.tolist())
            np.maximum.at(by_late, self._owners[nearest], late)
        seen = zip(by_words.tolist(), by_dense.tolist(), by_late.tolist(), strict=True)
        return dict(zip(self._passages, seen, strict=True))

    def _nearest(self, scores: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return where the _CLOSEST highest scores of each of the _CONSIDERED best passages stand."""
        best = np.maximum.reduceat(scores, self._starts)
        near = np.zeros(len(best), dtype=bool)
        near[np.argsort(-best, kind="stable")[:_CONSIDERED]] = True
        theirs = np.flatnonzero(near[self._owners])
        theirs = theirs[np.lexsort((-scores[theirs], self._owners[theirs]))]
        owners = self._owners[theirs]
        rank = np.arange(len(theirs)) - np.searchsorted(owners, owners)
        nearest: NDArray[np.int64] = theirs[rank < _CLOSEST]
        return nearest


def nearest_uncovered(seen: Mapping[str, Seen]) -> Seen:
    """Return how near a question is to what the documents leave open, by words, as encoded, word by word."""
    open_ = [one for passage_id, one in seen.items() if passage_id.startswith(UNCOVERED)]
    return (max(o[0] for o in open_), max(o[1] for o in open_), max(o[2] for o in open_)) if open_ else (0.0, 0.0, 0.0)
