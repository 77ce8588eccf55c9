"""What was learned from development questions: how much each ranking counts, and when a passage answers."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from knowledge.model import KnowledgeError

LARGE_FROM = 5000
CALIBRATION_FILE = Path(__file__).parent / "calibration.json"

# What the rankings see in a candidate; higher is better.
#   lexical     BM25 with expansions, by the best candidate's score
#   strength    the same, by the square root of the question's content words
#   dense       cosine of the vectors of question and text
#   pieces      the same, of the nearest piece of the text
#   late        how well each word of the question finds its like in the text
#   fuzzy       misspelt words and near-quotes
#   view_words, view_dense, view_late   the same of the passage's nearest curated question
#   prior       logarithm of how likely the passage was before the question was looked at
SIGNALS = (
    "lexical",
    "strength",
    "dense",
    "pieces",
    "late",
    "fuzzy",
    "view_words",
    "view_dense",
    "view_late",
    "prior",
)

# The same three of the nearest question that the documents leave open; they tell nothing about a single candidate.
UNCOVERED_SIGNALS = ("uncovered_words", "uncovered_dense", "uncovered_late")

# What speaks for a passage answering a question; beside these, a model of it holds "bias" and "threshold".
#   share          of the question's content that the passage holds, 0 to 1, rare words counting more
#   phrases        rareness of neighbouring content words that stand together in the passage too, in nats / 10; does not
#                  shrink when much else is said around the question
#   strength, dense ... view_late   see SIGNALS
#   numbers        numbers in the question that the passage does not hold, negative
#   uncovered_words, uncovered_dense, uncovered_late   how near the question is to one that the documents leave open
#   margin         fused score ahead of the best passage of another part
VIEWS = (
    "share",
    "phrases",
    "strength",
    "dense",
    "pieces",
    "late",
    "view_words",
    "view_dense",
    "view_late",
    "numbers",
    "uncovered_words",
    "uncovered_dense",
    "uncovered_late",
    "margin",
)


_ANSWERING = (*VIEWS, "bias", "threshold")


class CalibrationError(KnowledgeError):
    """The file of learned numbers cannot be used; the message names the file and what it lacks."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """The learned numbers, and where they come from.

    Attributes:
        with_views, without_views, large: weights of SIGNALS, with curated questions, without, and in a store of at
            least LARGE_FROM passages, where a few rankings find the passage and many others come near.
        answering, answering_without_views: the models of when a passage answers, see VIEWS.
        made: what they were learned from, for people.
    """

    with_views: tuple[float, ...]
    without_views: tuple[float, ...]
    large: tuple[float, ...]
    answering: Mapping[str, float]
    answering_without_views: Mapping[str, float]
    made: Mapping[str, Any]

    def fusion(self, *, passages: int, views: bool) -> tuple[float, ...]:
        """Return the weight of each of SIGNALS in a store of so many passages."""
        if passages >= LARGE_FROM and not views:
            return self.large
        return self.with_views if views else self.without_views


def load_calibration(path: Path = CALIBRATION_FILE) -> Calibration:
    """Return the learned numbers in a file.

    Raises:
        CalibrationError: the file is missing, not JSON, or lacks a number.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        fusion, answering = content["fusion"], content["answering"]
        return Calibration(
            tuple(_numbers(fusion["with_views"], SIGNALS).values()),
            tuple(_numbers(fusion["without_views"], SIGNALS).values()),
            tuple(_numbers(fusion["large"], SIGNALS).values()),
            _numbers(answering["with_views"], _ANSWERING),
            _numbers(answering["without_views"], _ANSWERING),
            content["made"],
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CalibrationError(f"{path}: cannot be used ({error}): make it anew with knowledge.calibrate") from error


def _numbers(part: Mapping[str, Any], names: Sequence[str]) -> dict[str, float]:
    found = {name: float(part[name]) for name in names}
    for name, number in found.items():
        if not math.isfinite(number):
            raise ValueError(f"{name!r} is {number}")
    return found
