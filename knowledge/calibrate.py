"""How calibration.json is made: weights of the rankings, and when a passage answers, learned from questions.

`python -m knowledge.calibrate --questions FILE ... --data DIR --out knowledge/calibration.json` needs questions with
known answers about the product's own documents and, in DIR, the packed files of embeddings/pairs.py: the weights for
large stores are learned from questions about 57,001 articles of law that were kept from the training of the encoder.
The weights are those of a
listwise softmax over the candidates of each question (ListNet; Cao et al., ICML 2007), none of them negative; whether a
passage answers is a logistic regression. Both are small enough to be read.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embeddings.encoder import make_encoder
from knowledge.answer import KnowledgeBase, build_knowledge
from knowledge.calibration import SIGNALS, VIEWS, Calibration
from knowledge.evaluation import WORDS_MATTER, Question, law_questions, read_questions
from knowledge.lexicon import load_lexicon
from knowledge.loader import load_documents
from knowledge.search import Found
from knowledge.views import load_views

DOCUMENTS = Path(__file__).parent / "documents"
_VIEW_SIGNALS = {name for name in SIGNALS if name.startswith("view")}
_CANDIDATES = 250
# The plan comes first: members ask about it most.
_OTHER_DOCUMENTS = 0.5
_DECAY, _ANSWERING_DECAY = 0.0001, 0.02
# So much of what was found rightly must be shown.
_LEAST_ANSWERED = 0.99

# To begin with, every ranking counts the same.
_NOTHING = dict.fromkeys([*VIEWS, "bias", "threshold"], 0.0)
_EQUAL = (1.0,) * len(SIGNALS)
_BLANK = Calibration(_EQUAL, _EQUAL, _EQUAL, _NOTHING, _NOTHING, {})


@dataclass(frozen=True, slots=True)
class Listed:
    """The candidates of one question: what the rankings saw, [candidates, SIGNALS], and which of them answer."""

    signals: NDArray[np.float32]
    right: NDArray[np.bool_]


def listed(found: Sequence[Found], gold: Iterable[str]) -> Listed:
    """Return the candidates of one question."""
    wanted = set(gold)
    signals = np.asarray([[one.signals[name] for name in SIGNALS] for one in found], dtype=np.float32)
    return Listed(signals.reshape(-1, len(SIGNALS)), np.asarray([one.hit.passage_id in wanted for one in found]))


def fit_fusion(groups: Sequence[tuple[float, Sequence[Listed]]], names: set[str]) -> dict[str, float]:
    """Return a weight for each of SIGNALS, 0 for those that are not named.

    Args:
        groups: (weight, questions); within a group every question counts the same.
    """
    from scipy.optimize import minimize

    free = np.asarray([name in names for name in SIGNALS])

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        total, slope = _DECAY * float(weights @ weights), 2 * _DECAY * weights
        for group_weight, questions in groups:
            for question in questions:
                scores = question.signals @ weights
                likely = np.exp(scores - scores.max())
                likely /= likely.sum()
                right = float(likely[question.right].sum()) + 1e-12
                share = group_weight / len(questions)
                total -= share * float(np.log(right))
                slope -= share * (likely * (question.right / right - 1)) @ question.signals
        return total, slope * free

    start = np.where(free, 1.0, 0.0)
    bounds = [(0, None) if wanted else (0, 0) for wanted in free]
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds)
    return {name: round(float(weight), 3) for name, weight in zip(SIGNALS, found.x, strict=True)}


def fit_answering(
    rows: NDArray[np.float64], answers: NDArray[np.bool_], weights: NDArray[np.float64]
) -> dict[str, float]:
    """Return the logistic model of VIEWS, with "bias" and "threshold".

    Args:
        rows: what was seen in the best passage of each question, [questions, VIEWS].
        answers: whether that passage answers it.
        weights: how much each question counts.
    Raises:
        ValueError: for none of the questions was the right passage found.
    """
    from scipy.optimize import minimize

    wide = np.hstack([rows, np.ones((len(rows), 1))])
    spread = rows.std(axis=0)
    scale = np.append(np.where(spread > 1e-6, spread, 1.0), 1.0)
    scaled = wide / scale

    def loss(model: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        margin = np.where(answers, 1, -1) * (scaled @ model)
        share = weights / weights.sum()
        total = float(share @ np.logaddexp(0, -margin)) + _ANSWERING_DECAY * float(model[:-1] @ model[:-1])
        slope = -(share * np.where(answers, 1, -1) / (1 + np.exp(margin))) @ scaled
        slope[:-1] += 2 * _ANSWERING_DECAY * model[:-1]
        return total, slope

    # More of anything never speaks against a passage, but for its likeness with what the documents leave open.
    signs = {name: (None, 0) if name.startswith("uncovered") else (0, None) for name in VIEWS}
    bounds = [*signs.values(), (None, None)]
    found = minimize(loss, np.zeros(len(scale)), jac=True, method="L-BFGS-B", bounds=bounds).x / scale
    likely = 1 / (1 + np.exp(-(wide @ found)))
    # The highest threshold at which enough of what has its answer is answered.
    right = likely[answers & (weights >= 1)]
    if not len(right):
        raise ValueError("no question has its answer found: nothing to learn a threshold from")
    threshold = float(np.quantile(right, 1 - _LEAST_ANSWERED))
    names = [*VIEWS, "bias"]
    return {**{n: round(float(v), 4) for n, v in zip(names, found, strict=True)}, "threshold": round(threshold, 4)}


def rank_questions(knowledge: KnowledgeBase, questions: Sequence[Question]) -> tuple[list[Listed], list[Listed]]:
    """Return the candidates of the questions that passages answer: (about the plan, about other documents)."""
    plan = knowledge.plan.id if knowledge.plan else ""
    about_plan: list[Listed] = []
    about_others: list[Listed] = []
    for question in questions:
        if not question.answerable or question.kind in WORDS_MATTER:
            continue
        gold = {g if "/" in g else f"{plan}/{g}" for g in question.gold}
        row = listed(knowledge.find(knowledge.parse(question.text), k=_CANDIDATES), gold)
        if row.right.any():
            (about_plan if any(g.startswith(f"{plan}/") for g in gold) else about_others).append(row)
    return about_plan, about_others


def see_questions(
    knowledge: KnowledgeBase, questions: Sequence[Question]
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64]]:
    """Return what fit_answering learns from, for the questions whose fate the evidence decides."""
    plan = knowledge.plan.id if knowledge.plan else ""
    rows, answers, weights = [], [], []
    for question in questions:
        seen = knowledge.evidence_for(question.text)
        # What is too wide is asked back by another rule.
        if seen is None or question.kind == "ambiguous":
            continue
        passage_id, views = seen
        gold = {g if "/" in g else f"{plan}/{g}" for g in question.gold}
        rows.append(views)
        answers.append(question.answerable)
        # A right passage is worth more than a wrong one, which is still no reason to refuse.
        weights.append(1.0 if not question.answerable or passage_id in gold else 0.4)
    return np.asarray(rows), np.asarray(answers), np.asarray(weights)


def rank_law(data: Path, more: Sequence[Path], show: Callable[[str], None]) -> list[list[Listed]]:
    """Return the candidates of questions about articles of law that the encoder has not been trained on.

    Returns:
        those of the data, then those of each further file.
    """
    search, groups = law_questions(data, show, more, calibration=_BLANK)
    listed_groups = []
    for questions in groups:
        rows = [listed(search.find(search.parse(text), k=_CANDIDATES), {gold}) for text, gold in questions]
        listed_groups.append([row for row in rows if row.right.any()])
    return listed_groups


def calibrate(
    questions: Sequence[Question], law: Sequence[Sequence[Listed]], made: dict[str, Any], show: Callable[[str], None]
) -> dict[str, Any]:
    """Return the content of calibration.json.

    Args:
        law: groups of questions about articles of law; every group counts the same.
    """
    documents, lexicon, encoder = load_documents(DOCUMENTS), load_lexicon(), make_encoder("bundled")
    fusion: dict[str, Any] = {
        "large": fit_fusion([(1.0, part) for part in law], set(SIGNALS) - _VIEW_SIGNALS - {"prior"})
    }
    show(f"large: {fusion['large']}")
    answering: dict[str, Any] = {}
    for name, views in (("without_views", ()), ("with_views", load_views())):
        knowledge = build_knowledge(documents, encoder, lexicon, views=views, calibration=_BLANK)
        about_plan, about_others = rank_questions(knowledge, questions)
        groups: list[tuple[float, Sequence[Listed]]] = [(1.0, about_plan), (_OTHER_DOCUMENTS, about_others)]
        names = set(SIGNALS) if views else set(SIGNALS) - _VIEW_SIGNALS
        fusion[name] = fit_fusion(groups, names)
        show(f"{name}: {fusion[name]}")
        weights = tuple(fusion[name][signal] for signal in SIGNALS)
        fitted = replace(_BLANK, with_views=weights, without_views=weights, large=weights)
        knowledge = build_knowledge(documents, encoder, lexicon, views=views, calibration=fitted)
        answering[name] = fit_answering(*see_questions(knowledge, questions))
        show(f"{name}: {answering[name]}")
    return {"made": made, "fusion": fusion, "answering": answering}


def main() -> int:
    """Learn and save."""
    parser = argparse.ArgumentParser(prog="python -m knowledge.calibrate", description=__doc__)
    parser.add_argument("--questions", type=Path, action="append", required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument(
        "--law-questions", type=Path, action="append", default=[], help="more of them, see evaluation.py"
    )
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()

    def show(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    law = rank_law(options.data, options.law_questions, show)
    questions = [question for path in options.questions for question in read_questions(path)]
    made = {
        "by": "python -m knowledge.calibrate",
        "questions": {path.name: hashlib.sha256(path.read_bytes()).hexdigest()[:16] for path in options.questions},
        "answerable": sum(question.answerable for question in questions),
        "unanswerable": sum(not question.answerable for question in questions),
        "questions_about_law": [len(group) for group in law],
        "encoder": make_encoder("bundled").fingerprint,
    }
    content = calibrate(questions, law, made, show)
    options.out.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
