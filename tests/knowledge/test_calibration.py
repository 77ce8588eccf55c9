import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from embeddings.encoder import make_encoder
from knowledge.calibrate import Listed, fit_answering, fit_fusion, listed
from knowledge.calibration import CALIBRATION_FILE, LARGE_FROM, SIGNALS, VIEWS, CalibrationError, load_calibration
from knowledge.model import Hit
from knowledge.search import Found

RETRIEVAL = Path(__file__).parents[1] / "retrieval"
NUMBERS: dict[str, Any] = {
    "made": {"by": "hand"},
    "fusion": {
        "with_views": {name: float(n) for n, name in enumerate(SIGNALS)},
        "without_views": {name: float(-n) for n, name in enumerate(SIGNALS)},
        "large": {name: n + 0.5 for n, name in enumerate(SIGNALS)},
    },
    "answering": {
        "with_views": dict.fromkeys((*VIEWS, "bias", "threshold"), 0.5),
        "without_views": dict.fromkeys((*VIEWS, "bias", "threshold"), 0.25),
    },
}


def a_candidate(*, right: bool = False, **signals: float) -> tuple[list[float], bool]:
    return [signals.get(name, 0.0) for name in SIGNALS], right


def a_question(*candidates: tuple[list[float], bool]) -> Listed:
    signals = np.asarray([row for row, _ in candidates], dtype=np.float32)
    return Listed(signals, np.asarray([right for _, right in candidates]))


def without(content: dict[str, Any], *names: str) -> dict[str, Any]:
    """The same without what stands under these names, one in the other."""
    first, *rest = names
    if rest:
        return {**content, first: without(content[first], *rest)}
    return {name: part for name, part in content.items() if name != first}


# --- the file ---------------------------------------------------------------------------------------------------


def test_file_is_read_into_the_order_of_the_signals(tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    path.write_text(json.dumps(NUMBERS), encoding="utf-8")
    calibration = load_calibration(path)
    assert calibration.fusion(passages=10, views=True) == tuple(float(n) for n in range(len(SIGNALS)))
    assert calibration.fusion(passages=10, views=False) == tuple(float(-n) for n in range(len(SIGNALS)))
    assert set(calibration.answering.values()) == {0.5}
    assert set(calibration.answering_without_views.values()) == {0.25}
    assert calibration.made == {"by": "hand"}


def test_weights_of_large_stores_are_their_own_where_no_curated_question_helps(tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    path.write_text(json.dumps(NUMBERS), encoding="utf-8")
    calibration = load_calibration(path)
    large = tuple(n + 0.5 for n in range(len(SIGNALS)))
    assert calibration.fusion(passages=LARGE_FROM, views=False) == large
    assert calibration.fusion(passages=LARGE_FROM - 1, views=False) == calibration.without_views
    assert calibration.fusion(passages=LARGE_FROM, views=True) == calibration.with_views


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match=r"calibration\.json: cannot be used .*: make it anew") as caught:
        load_calibration(tmp_path / "calibration.json")
    assert isinstance(caught.value.__cause__, FileNotFoundError)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff",
        json.dumps(without(NUMBERS, "made")).encode(),
        json.dumps(without(NUMBERS, "fusion")).encode(),
        json.dumps(without(NUMBERS, "fusion", "without_views")).encode(),
        json.dumps({**NUMBERS, "answering": {"with_views": None, "without_views": 1}}).encode(),
    ],
)
def test_broken_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "calibration.json"
    path.write_bytes(content)
    with pytest.raises(CalibrationError, match=r"calibration\.json: cannot be used .*: make it anew"):
        load_calibration(path)


@pytest.mark.parametrize(
    ("part", "kind", "name"),
    [("fusion", kind, name) for kind in ("with_views", "without_views", "large") for name in SIGNALS]
    + [("answering", kind, name) for kind in ("with_views", "without_views") for name in (*VIEWS, "bias", "threshold")],
)
def test_number_that_is_missing_or_none_is_named(tmp_path: Path, part: str, kind: str, name: str) -> None:
    path = tmp_path / "calibration.json"
    path.write_text(json.dumps(without(NUMBERS, part, kind, name)), encoding="utf-8")
    with pytest.raises(CalibrationError, match=rf"calibration\.json: cannot be used \('{name}'\)"):
        load_calibration(path)
    for number, complaint in (("much", "much"), (float("nan"), f"'{name}' is nan")):
        broken = json.loads(json.dumps(NUMBERS))
        broken[part][kind][name] = number
        path.write_text(json.dumps(broken), encoding="utf-8")
        with pytest.raises(CalibrationError, match=rf"calibration\.json: cannot be used .*{complaint}"):
            load_calibration(path)


def test_shipped_weights_are_finite_and_none_speaks_against_a_passage() -> None:
    calibration = load_calibration()
    for weights in (calibration.with_views, calibration.without_views, calibration.large):
        assert len(weights) == len(SIGNALS)
        assert np.isfinite(weights).all()
        assert min(weights) >= 0 < max(weights)
    for answering in (calibration.answering, calibration.answering_without_views):
        assert answering.keys() == {*VIEWS, "bias", "threshold"}
        assert np.isfinite(list(answering.values())).all()
        assert all(answering[name] >= 0 for name in VIEWS if not name.startswith("uncovered"))
        assert all(answering[name] <= 0 for name in VIEWS if name.startswith("uncovered"))
        assert 0 < answering["threshold"] < 1


def test_without_views_nothing_weighs_what_views_would_say() -> None:
    calibration = load_calibration()
    fusion = dict(zip(SIGNALS, calibration.fusion(passages=10, views=False), strict=True))
    assert {name: weight for name, weight in fusion.items() if name.startswith("view") and weight} == {}
    seen = calibration.answering_without_views
    assert {name: seen[name] for name in VIEWS if name.startswith(("view", "uncovered")) and seen[name]} == {}


def test_shipped_numbers_were_learned_from_the_questions_that_are_here() -> None:
    made = load_calibration().made
    assert made["questions"]
    for name, digest in made["questions"].items():
        assert hashlib.sha256((RETRIEVAL / name).read_bytes()).hexdigest()[:16] == digest, name
    texts = [line for name in made["questions"] for line in (RETRIEVAL / name).read_text(encoding="utf-8").splitlines()]
    assert made["answerable"] + made["unanswerable"] == len(texts)


def test_shipped_numbers_were_learned_with_the_encoder_that_ships() -> None:
    assert load_calibration().made["encoder"] == make_encoder("bundled").fingerprint


def test_shipped_file_holds_no_number_that_nobody_reads() -> None:
    content = json.loads(CALIBRATION_FILE.read_text(encoding="utf-8"))
    assert {name for kind in content["fusion"].values() for name in kind} == set(SIGNALS)
    assert {name for kind in content["answering"].values() for name in kind} == {*VIEWS, "bias", "threshold"}


# --- the weights of the rankings --------------------------------------------------------------------------------


def test_candidates_are_listed_with_their_signals_in_order() -> None:
    signals = {name: float(n) for n, name in enumerate(SIGNALS)}
    found = [Found(Hit("a/1", 1.0), {**signals, "uncovered_dense": 9.0}), Found(Hit("a/2", 0.5), signals)]
    question = listed(found, ["a/2", "a/3"])
    assert question.signals.tolist() == [list(signals.values())] * 2
    assert question.right.tolist() == [False, True]


def test_question_without_candidates_is_listed_as_such() -> None:
    assert listed([], ["a/1"]).signals.shape == (0, len(SIGNALS))


# "dense" tells right from wrong, "lexical" does not.
TELLING = [
    a_question(
        a_candidate(right=True, dense=0.9, lexical=0.1 * n),
        a_candidate(dense=0.4, lexical=0.5),
        a_candidate(dense=0.2, lexical=1.0 - 0.1 * n),
    )
    for n in range(10)
]


def test_ranking_that_separates_gets_the_weight() -> None:
    weights = fit_fusion([(1.0, TELLING)], set(SIGNALS))
    assert weights.keys() == set(SIGNALS)
    assert min(weights.values()) >= 0
    assert weights["dense"] > 1 > weights["lexical"]
    for question in TELLING:
        scores = question.signals @ np.asarray([weights[name] for name in SIGNALS])
        assert question.right[int(scores.argmax())]


def test_ranking_that_misleads_gets_nothing() -> None:
    misled = [a_question(a_candidate(right=True, dense=0.9, fuzzy=0.1), a_candidate(dense=0.4, fuzzy=0.8))] * 5
    weights = fit_fusion([(1.0, misled)], {"dense", "fuzzy"})
    assert weights["fuzzy"] == 0 < weights["dense"]


def test_ranking_that_is_left_out_gets_nothing_however_well_it_separates() -> None:
    weights = fit_fusion([(1.0, TELLING)], {"lexical", "prior"})
    assert {name for name, weight in weights.items() if weight} <= {"lexical", "prior"}


def test_ranking_that_says_nothing_is_forgotten() -> None:
    weights = fit_fusion([(1.0, TELLING)], {"dense", "view_late"})
    assert weights["view_late"] == 0


def test_heavier_group_decides_where_two_disagree() -> None:
    by_dense = [a_question(a_candidate(right=True, dense=1), a_candidate(lexical=1))]
    by_words = [a_question(a_candidate(right=True, lexical=1), a_candidate(dense=1))]
    weights = fit_fusion([(1.0, by_dense), (0.2, by_words)], {"dense", "lexical"})
    assert weights["dense"] > weights["lexical"]
    weights = fit_fusion([(0.2, by_dense), (1.0, by_words)], {"dense", "lexical"})
    assert weights["dense"] < weights["lexical"]


def test_within_a_group_every_question_counts_the_same() -> None:
    by_dense = a_question(a_candidate(right=True, dense=1), a_candidate(lexical=1))
    by_words = a_question(a_candidate(right=True, lexical=1), a_candidate(dense=1))
    once = fit_fusion([(1.0, [by_dense, by_dense, by_words])], {"dense", "lexical"})
    twice = fit_fusion([(1.0, [by_dense, by_dense, by_words] * 2)], {"dense", "lexical"})
    assert once == pytest.approx(twice, abs=0.01)


def test_several_right_candidates_are_as_good_as_the_best_of_them() -> None:
    question = a_question(
        a_candidate(right=True, dense=0.9), a_candidate(right=True, lexical=0.1), a_candidate(lexical=0.8)
    )
    weights = fit_fusion([(1.0, [question])], {"dense", "lexical"})
    assert weights["dense"] > weights["lexical"]


def test_group_without_questions_changes_nothing() -> None:
    assert fit_fusion([(1.0, TELLING), (0.5, [])], {"dense"}) == fit_fusion([(1.0, TELLING)], {"dense"})


# --- when a passage answers -------------------------------------------------------------------------------------


def rows_of(seen: Mapping[str, list[float]], questions: int = 100) -> NDArray[np.float64]:
    rows = np.zeros((questions, len(VIEWS)))
    for name, numbers in seen.items():
        rows[:, VIEWS.index(name)] = numbers
    return rows


def likely(rows: NDArray[np.float64], model: Mapping[str, float]) -> NDArray[np.float64]:
    weights = np.asarray([model[name] for name in VIEWS])
    found: NDArray[np.float64] = 1 / (1 + np.exp(-(rows @ weights + model["bias"])))
    return found


ANSWERS = np.arange(100) < 60
EVEN = np.ones(100)


def test_what_separates_answers_from_none_is_learned() -> None:
    rows = rows_of({"share": [0.8 + n / 1000 if ANSWERS[n] else 0.3 - n / 1000 for n in range(100)]})
    model = fit_answering(rows, ANSWERS, EVEN)
    assert model.keys() == {*VIEWS, "bias", "threshold"}
    assert model["share"] > 0
    answered = likely(rows, model) >= model["threshold"]
    assert answered[ANSWERS].mean() > 0.9
    assert not answered[~ANSWERS].any()
    assert {name for name in VIEWS if model[name]} == {"share"}


def test_threshold_lets_nearly_all_that_was_found_rightly_be_shown_and_refuses_the_rest() -> None:
    chance = np.random.default_rng(7)
    answers = np.arange(1000) < 500
    rows = rows_of({"dense": list(np.where(answers, 0.6, 0.2) + chance.normal(scale=0.15, size=1000))}, 1000)
    model = fit_answering(rows, answers, np.ones(1000))
    answered = likely(rows, model) >= model["threshold"]
    assert 0.9 < answered[answers].mean() < 1
    assert answered[~answers].mean() < 0.3


def test_likeness_with_what_is_left_open_only_ever_speaks_against() -> None:
    against = rows_of({"uncovered_dense": [0.2 if yes else 0.9 for yes in ANSWERS]})
    assert fit_answering(against, ANSWERS, EVEN)["uncovered_dense"] < 0
    for_it = rows_of({"uncovered_dense": [0.9 if yes else 0.2 for yes in ANSWERS]})
    assert fit_answering(for_it, ANSWERS, EVEN)["uncovered_dense"] == 0


def test_anything_else_only_ever_speaks_for() -> None:
    for name in VIEWS:
        if not name.startswith("uncovered"):
            against = rows_of({name: [0.2 if yes else 0.9 for yes in ANSWERS]})
            assert fit_answering(against, ANSWERS, EVEN)[name] == 0, name


def test_question_of_more_weight_decides_what_is_likely() -> None:
    rows = rows_of({})
    assert likely(rows, fit_answering(rows, ANSWERS, np.where(ANSWERS, 4.0, 1.0)))[0] > 0.8
    assert likely(rows, fit_answering(rows, ANSWERS, np.where(ANSWERS, 1.0, 4.0)))[0] < 0.4


def test_same_questions_give_the_same_numbers() -> None:
    rows = rows_of(
        {"share": [n * 37 % 100 / 100 for n in range(100)], "margin": [n * 53 % 100 / 100 for n in range(100)]}
    )
    assert fit_answering(rows, ANSWERS, EVEN) == fit_answering(rows, ANSWERS, EVEN)
    assert fit_fusion([(1.0, TELLING)], set(SIGNALS)) == fit_fusion([(1.0, TELLING)], set(SIGNALS))
