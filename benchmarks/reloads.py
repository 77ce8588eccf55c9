"""Loads other texts a thousand times while people ask: `make bench-reloads`.

Every answer must come, each of its quotes must stand word for word in the version that it names, and all its versions
must have answered together in one snapshot. Prints Markdown for docs/figures.md.
"""

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from benchmarks.growth import law_documents
from benchmarks.machine import describe
from bot.app import build_live
from bot.config import load_config
from knowledge.evaluation import read_questions
from knowledge.model import Answer, Document
from knowledge.reload import LiveKnowledge, Result, Stage
from knowledge.text import collapse

PROJECT = Path(__file__).parent.parent
QUESTIONS = PROJECT / "tests" / "retrieval" / "questions.jsonl"
PLAN = "ke-hoach-ket-luan-21"
_TOLD_EVERY = 50
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
            if (n + 1) % _TOLD_EVERY == 0:
                counts = f"{len(asked.times_ms)} answers, {len(asked.failed)} failed, {len(asked.mixed)} mixed"
                print(f"{n + 1} loads, {counts}", file=sys.stderr, flush=True)
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


def measure_large(data: Path, articles: int, loads: int) -> list[tuple[str, str]]:
    """Return (what, figure) of whole loads, each with one changed document, its gate and its files, at a large size."""
    began = dict[Stage, float]()

    def note(stage: Stage, _done: int, _total: int) -> None:
        began.setdefault(stage, time.perf_counter())

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "documents"
        shutil.copytree(PROJECT / "knowledge" / "documents", folder)
        for law in law_documents(data, articles):
            _write_law(folder, law, law.text)
        settings = {"TUSOI_DATA_DIR": f"{name}/data", "TUSOI_DOCUMENTS__FOLDER": str(folder)}
        first = time.perf_counter()
        live = build_live(load_config(environment=settings))
        first_s = time.perf_counter() - first
        law, swapped_at = live.knowledge.documents["luat-7"], list[float]()
        # Called as soon as the new version answers.
        live._save = lambda _knowledge: swapped_at.append(time.perf_counter())
        stages, whole = list[tuple[float, ...]](), list[float]()
        for n in range(loads):
            _write_law(folder, law, f"{law.text}\nĐiều này được sửa lần thứ {n + 1}.")
            began.clear()
            start = time.perf_counter()
            report = live.reload(by="benchmark", at=datetime.now(UTC), reason="one sentence more", progress=note)
            if report.result is not Result.LOADED or report.difference.changed != (law.id,):
                raise RuntimeError(f"expected one changed document: {report}")
            marks = [began[stage] for stage in (Stage.BUILDING, Stage.ASKING, Stage.WRITING)]
            stages.append(tuple(b - a for a, b in pairwise([start, *marks])))
            whole.append(swapped_at[-1] - start)
        reading, building, asking = (statistics.median(one) for one in zip(*stages[1:], strict=True))
    return [
        ("documents / articles of law / passages", f"{report.documents:,} / {articles:,} / {report.passages:,}"),
        ("first start, index and versions made", f"{first_s:.0f} s"),
        (
            "one document changed, until it answers, its version written, median / longest (the first apart)",
            _told(whole[1:]),
        ),
        ("the first such load, which also asks what answers now", f"{whole[0]:.2f} s"),
        ("of it: reading / building / asking the golden questions", f"{reading:.2f} / {building:.2f} / {asking:.2f} s"),
    ]


def _write_law(folder: Path, law: Document, text: str) -> None:
    entry = {"kind": law.kind.value, "title": law.title, "issuer": "chưa rõ", "status": "chưa rõ"}
    lines = [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in entry.items()]
    head = "\n".join(["---", *lines, "text_kind: official", "confidence: verified", "---"])
    (folder / f"{law.id}.md").write_text(f"{head}\n{text}\n", encoding="utf-8")


def _told(seconds: Sequence[float]) -> str:
    return f"{statistics.median(seconds):.2f} / {max(seconds):.2f} s"


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--loads", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--data", type=Path, help="a folder with legal_articles.jsonl.zst: loads at a large size instead"
    )
    parser.add_argument("--articles", type=int, default=57_001)
    options = parser.parse_args()
    print(f"{describe()}\n\n| what | figure |\n| --- | --- |")
    rows = (
        measure_large(options.data, options.articles, min(options.loads, 8))
        if options.data
        else measure(options.loads, options.threads)
    )
    for what, figure in rows:
        print(f"| {what} | {figure} |", flush=True)


if __name__ == "__main__":
    main()
