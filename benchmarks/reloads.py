"""Loads other texts a thousand times while people ask: `make bench-reloads`.

Every answer must come, each of its quotes must stand word for word in the version that it names, and all its versions
must have answered together in one snapshot. Prints Markdown for docs/figures.md.
"""

import argparse
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.machine import describe
from bot.app import build_live
from bot.config import load_config
from knowledge.evaluation import read_questions
from knowledge.model import Answer
from knowledge.reload import LiveKnowledge, Result
from knowledge.text import collapse

PROJECT = Path(__file__).parent.parent
QUESTIONS = PROJECT / "tests" / "retrieval" / "questions.jsonl"
PLAN = "ke-hoach-ket-luan-21"
# Said in two ways by turns, so that every load changes a text that is asked for.
TWO_WAYS = ("tự phê bình và phê bình", "phê bình và tự phê bình")


@dataclass(slots=True)
class Asked:
    """What became of the questions."""

    times_ms: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    mixed: list[str] = field(default_factory=list)


def ask(live: LiveKnowledge, questions: Sequence[str], ended: threading.Event, asked: Asked) -> None:
    """Ask until it is over, and look at every answer."""
    for question in _for_ever(questions):
        if ended.is_set():
            return
        began = time.perf_counter()
        serving = live.serving
        try:
            answer = serving.knowledge.answer(question)
        except Exception as error:
            asked.failed.append(f"{question}: {error!r}")
            continue
        asked.times_ms.append((time.perf_counter() - began) * 1000)
        if not _is_of_one_version(answer, live):
            asked.mixed.append(question)


def _for_ever(questions: Sequence[str]) -> Iterator[str]:
    while True:
        yield from questions


def _is_of_one_version(answer: Answer, live: LiveKnowledge) -> bool:
    """Whether every quote stands in the version it names, and the versions have answered together."""
    named = {(quote.citation.document_id, quote.citation.version) for quote in answer.quotes}
    for quote in answer.quotes:
        document = live.library.version(live.serving.snapshot, quote.citation.document_id, quote.citation.version)
        if document is None or collapse(quote.text) not in collapse(document.text.replace("\n>", "\n")):
            return False
    return len(named) == len({document_id for document_id, _ in named})


def measure(loads: int, threads: int) -> list[tuple[str, str]]:
    """Return (what, figure), measured now."""
    questions = [question.text for question in read_questions(QUESTIONS)]
    asked, ended, load_s, refused = Asked(), threading.Event(), list[float](), 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "documents"
        shutil.copytree(PROJECT / "knowledge" / "documents", folder)
        settings = {"TUSOI_DATA_DIR": f"{name}/data", "TUSOI_DOCUMENTS__FOLDER": str(folder)}
        live = build_live(load_config(environment=settings))
        plan = folder / f"{PLAN}.txt"
        ways = [plan.read_text(encoding="utf-8").replace(TWO_WAYS[0], way) for way in TWO_WAYS]
        people = [threading.Thread(target=ask, args=(live, questions, ended, asked)) for _ in range(threads)]
        for person in people:
            person.start()
        for n in range(loads):
            # Their lengths differ, so that the change is seen however soon it comes.
            plan.write_text(f"{ways[(n + 1) % 2]}{chr(10) * (n % 7)}", encoding="utf-8")
            began = time.perf_counter()
            report = live.reload(by="benchmark", at=datetime.now(UTC), reason="two ways by turns")
            load_s.append(time.perf_counter() - began)
            refused += report.result is not Result.LOADED
        ended.set()
        for person in people:
            person.join()
    times = sorted(asked.times_ms)
    return [
        ("loads under questions", f"{loads}, {refused} of them without effect"),
        ("answers meanwhile", f"{len(times)}"),
        ("failed answers", f"{len(asked.failed)}"),
        ("answers of mixed versions", f"{len(asked.mixed)}"),
        ("a load, median / longest", f"{statistics.median(load_s):.2f} / {max(load_s):.2f} s"),
        ("an answer meanwhile, p50 / p95", f"{times[len(times) // 2]:.0f} / {times[len(times) * 95 // 100]:.0f} ms"),
    ]


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--loads", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    print(f"{describe()}\n\n| what | figure |\n| --- | --- |")
    for what, figure in measure(options.loads, options.threads):
        print(f"| {what} | {figure} |", flush=True)


if __name__ == "__main__":
    main()
