"""Golden questions: what must go on being answered, or refused, before other texts may answer."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from knowledge.answer import KnowledgeBase
from knowledge.model import KnowledgeError, Outcome, TextKind

GOLDEN_FOLDER = Path(__file__).parent / "golden"


class GoldenError(KnowledgeError):
    """A file of golden questions cannot be used; the message names the file and what it lacks."""


@dataclass(frozen=True, slots=True)
class Golden:
    """A question and where its answer must stand.

    Attributes:
        finds: beginnings of passage ids ("377-qd-tw-2025/dieu-12"), one of which must be quoted first; () where the
            documents must be said not to hold it.
    """

    question: str
    finds: tuple[str, ...] = ()

    def passes(self, knowledge: KnowledgeBase) -> bool:
        """Whether it comes out as it should."""
        answer = knowledge.answer(self.question)
        if not self.finds:
            return answer.outcome is Outcome.NOT_IN_DOCUMENTS
        if answer.outcome is not Outcome.ANSWERED or not answer.quotes:
            return False
        quoted = answer.quotes[0].citation.passage_id
        return any(_begins(quoted, place) or _is_gone(place, quoted, knowledge) for place in self.finds)

    def concerns(self, knowledge: KnowledgeBase) -> bool:
        """Whether a document in which the answer should stand is there."""
        return not self.finds or any(place.split("/", 1)[0] in knowledge.documents for place in self.finds)


def _begins(passage_id: str, place: str) -> bool:
    return re.match(rf"{re.escape(place)}(?!\w)", passage_id) is not None


def _is_gone(place: str, quoted: str, knowledge: KnowledgeBase) -> bool:
    """Whether a place of our digest has no like in the official text that took its place, which was quoted."""
    document = knowledge.documents.get(place.split("/", 1)[0])
    if document is None or document.is_plan or document.text_kind is not TextKind.OFFICIAL:
        return False
    return quoted.startswith(f"{document.id}/") and not any(
        _begins(each, place) for each in knowledge.prepared[document.id].by_id
    )


def load_golden(folder: Path = GOLDEN_FOLDER) -> list[Golden]:
    """Return the golden questions of a folder: YAML files with a list of {ask: question, finds: [place, ...]}.

    Without finds, the documents must be said not to hold the answer.

    Raises:
        GoldenError: a file is not YAML, or is not laid out so.
    """
    found: list[Golden] = []
    for path in sorted(folder.glob("*.yaml")):
        try:
            loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
            entries = yaml.load(path.read_text(encoding="utf-8"), Loader=loader) or []
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise GoldenError(f"{path}: cannot be read: {error}") from error
        if not isinstance(entries, list):
            raise GoldenError(f"{path}: must be a list of 'ask: QUESTION' with 'finds: [PLACE, ...]'")
        found += [_golden(path, number, entry) for number, entry in enumerate(entries, 1)]
    return found


def _golden(path: Path, number: int, entry: Any) -> Golden:
    ask = entry.get("ask") if isinstance(entry, dict) else None
    finds = entry.get("finds", []) if isinstance(entry, dict) else None
    if not isinstance(ask, str) or not ask.strip() or not isinstance(finds, list):
        raise GoldenError(
            f"{path}: entry {number} needs 'ask: QUESTION' and, if it has an answer, 'finds: [PLACE, ...]'"
        )
    if not all(isinstance(place, str) and "/" in place for place in finds) or set(entry) - {"ask", "finds"}:
        raise GoldenError(f"{path}: entry {number}: 'finds' holds places such as 377-qd-tw-2025/dieu-12")
    return Golden(ask.strip(), tuple(finds))


def ask_all(golden: Sequence[Golden], knowledge: KnowledgeBase) -> Mapping[str, bool]:
    """Return {question: whether it comes out as it should}, of those whose documents are there."""
    return {each.question: each.passes(knowledge) for each in golden if each.concerns(knowledge)}
