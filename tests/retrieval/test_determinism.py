"""The same question finds the same passages with the same scores, however many threads the machine has."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from knowledge.evaluation import read_questions

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
QUESTIONS = 30


def asked(questions: list[str], data_dir: Path, *, threads: int) -> list[dict[str, Any]]:
    """What a fresh program with a fresh index answers, but for the time it takes."""
    settings = {name: value for name, value in os.environ.items() if not name.startswith("TUSOI_")}
    settings |= {"TUSOI_DATA_DIR": str(data_dir), "OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": str(threads)}
    finished = subprocess.run(
        [sys.executable, "-m", "bot", "ask", "--json"],
        input="".join(f"{question}\n" for question in questions),
        capture_output=True,
        cwd=ROOT,
        env=settings,
        encoding="utf-8",
        timeout=120,
        check=True,
    )
    answers: list[dict[str, Any]] = [json.loads(line) for line in finished.stdout.split("\n")[:-1]]
    for answer in answers:
        del answer["elapsed_ms"]
    return answers


@pytest.fixture(scope="module")
def questions() -> list[str]:
    every = read_questions(FOLDER / "questions.jsonl")
    return [question.text for question in every][:: len(every) // QUESTIONS][:QUESTIONS]


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("one")


@pytest.fixture(scope="module")
def with_one_thread(questions: list[str], data_dir: Path) -> list[dict[str, Any]]:
    return asked(questions, data_dir, threads=1)


def test_number_of_threads_changes_no_hit_and_no_score(
    questions: list[str], with_one_thread: list[dict[str, Any]], tmp_path: Path
) -> None:
    assert [answer["question"] for answer in with_one_thread] == questions
    assert sum(len(answer["hits"]) for answer in with_one_thread) > QUESTIONS
    for one, two in zip(with_one_thread, asked(questions, tmp_path, threads=2), strict=True):
        assert one == two


def test_index_that_was_built_before_gives_the_same_answers(
    questions: list[str], with_one_thread: list[dict[str, Any]], data_dir: Path
) -> None:
    for built, loaded in zip(with_one_thread, asked(questions, data_dir, threads=2), strict=True):
        assert built == loaded
