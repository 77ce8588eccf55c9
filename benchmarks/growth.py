"""How the knowledge base grows: from the plan to tens of thousands of articles of law, and one document changed."""

import argparse
import json
import re
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.machine import describe
from bot.loading import uncollected
from embeddings import pairs
from embeddings.encoder import make_encoder
from knowledge.answer import KnowledgeBase, build_knowledge
from knowledge.evaluation import read_questions
from knowledge.lexicon import load_lexicon
from knowledge.loader import load_documents
from knowledge.model import Confidence, Document, DocumentKind, TextKind
from knowledge.views import load_views

PROJECT = Path(__file__).resolve().parents[1]
SIZES = (0, 1_000, 10_000, 57_001)
_ASKED = 150
_COMPARED = 50
_UPDATES = 5
_KINDS = {
    "thông tư": DocumentKind.CIRCULAR,
    "nghị định": DocumentKind.DECREE,
    "quyết định": DocumentKind.DECISION,
    "nghị quyết": DocumentKind.RESOLUTION,
    "chỉ thị": DocumentKind.DIRECTIVE,
}
_NUMBER = re.compile(r"\d+/\d{4}/[\w-]+|\d+/[\w-]+")


def law_documents(data: Path, articles: int) -> list[Document]:
    """Return the laws of a folder (see embeddings/pairs.py) that its first so many articles belong to.

    A law holds the articles among them, in their order.
    """
    texts: dict[str, list[str]] = {}
    for row, _ in zip(pairs.rows(data / "legal_articles.jsonl.zst"), range(articles), strict=False):
        texts.setdefault(row["doc"], []).append(f"{row['title']}\n{row['text']}")
    return [_law(number, name, "\n".join(parts)) for number, (name, parts) in enumerate(texts.items())]


def _law(number: int, name: str, text: str) -> Document:
    found = _NUMBER.search(name)
    kind = next((kind for word, kind in _KINDS.items() if name.lower().startswith(word)), DocumentKind.LAW)
    return Document(
        id=f"luat-{number}",
        number=found[0] if found else None,
        kind=kind,
        title=name,
        issuer="",
        issued_on=None,
        status="",
        replaced_by=None,
        replaces=None,
        text_kind=TextKind.OFFICIAL,
        confidence=Confidence.VERIFIED,
        text=text,
        sha256=f"{number:064x}",
    )


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured with a store of one size; times in seconds, those of questions in milliseconds."""

    articles: int
    documents: int
    passages: int
    entries: int
    build_s: float
    peak_mb: float
    update_s: tuple[float, ...]
    update_asked_s: tuple[float, ...]
    before_ms: tuple[float, ...]
    during_ms: tuple[float, ...]
    save_s: float
    load_s: float
    different: int


def measure(data: Path, articles: int) -> Figures:
    """Return the figures of a store of the shipped documents and so many articles, measured in this process."""
    encoder, lexicon, views = make_encoder("bundled"), load_lexicon(), load_views()
    documents = load_documents(PROJECT / "knowledge" / "documents")
    documents += law_documents(data, articles) if articles else []

    def build(of: Sequence[Document], **more: Any) -> KnowledgeBase:
        with uncollected():
            return build_knowledge(of, encoder, lexicon, views=views, **more)

    questions = _questions()
    knowledge, build_s = _timed(build, documents)
    peak_mb = _peak_mb()
    for question in questions[:20]:
        knowledge.answer(question)
    before = [_timed(knowledge.answer, question)[1] * 1000 for question in questions]
    updates: list[float] = []
    asked_updates: list[float] = []
    for number in range(_UPDATES):
        documents = _changed(documents, number)
        knowledge, seconds = _timed(build, documents, previous=knowledge)
        updates.append(seconds)
    with _asking(knowledge, questions) as during:
        for number in range(_UPDATES):
            documents = _changed(documents, _UPDATES + number)
            knowledge, seconds = _timed(build, documents, previous=knowledge)
            asked_updates.append(seconds)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "index"
        _, save_s = _timed(knowledge.save, folder)
        loaded, load_s = _timed(build, documents, folder=folder)
        passages, entries = len(loaded.passages), loaded.lexical.size
        del loaded
    compared = [_seen(knowledge, question) for question in questions[:_COMPARED]]
    anew = build(documents)
    different = sum(
        _seen(anew, question) != seen for question, seen in zip(questions[:_COMPARED], compared, strict=True)
    )
    return Figures(
        articles,
        len(documents),
        passages,
        entries,
        build_s,
        peak_mb,
        tuple(updates),
        tuple(asked_updates),
        tuple(before),
        tuple(during),
        save_s,
        load_s,
        different,
    )


def _questions() -> list[str]:
    """Return questions about the plan and about laws, by turns."""
    folder = PROJECT / "tests" / "retrieval"
    plan = [question.text for question in read_questions(folder / "questions.jsonl")]
    laws = [line.split("\t")[2] for line in (folder / "law-held-out.tsv").read_text(encoding="utf-8").splitlines()]
    both = [question for pair in zip(plan, laws, strict=False) for question in pair]
    return both[:_ASKED]


def _changed(documents: Sequence[Document], number: int) -> list[Document]:
    """Return the documents, one of them with a sentence more in its middle."""
    at = (number * 7919 + 31) % len(documents)
    old = documents[at]
    middle = old.text.find("\n", len(old.text) // 2)
    text = (
        f"{old.text[:middle]} Bổ sung lần thứ {number}.{old.text[middle:]}" if middle >= 0 else f"{old.text} {number}."
    )
    new = replace(old, text=text, version=old.version + 1, sha256=f"{number:063x}f")
    return [*documents[:at], new, *documents[at + 1 :]]


def _seen(knowledge: KnowledgeBase, question: str) -> list[tuple[str, float]]:
    return [(hit.passage_id, round(hit.score, 3)) for hit in knowledge.search(question, k=10)]


@contextmanager
def _asking(knowledge: KnowledgeBase, questions: Sequence[str]) -> Iterator[list[float]]:
    """Ask in another thread for as long as the block runs; yields the times of the answers, in milliseconds."""
    times: list[float] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            for question in questions:
                times.append(_timed(knowledge.answer, question)[1] * 1000)
                if done.is_set():
                    break

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield times
    finally:
        done.set()
        thread.join()


def _timed(run: Callable[..., Any], *arguments: Any, **named: Any) -> tuple[Any, float]:
    began = time.perf_counter()
    result = run(*arguments, **named)
    return result, time.perf_counter() - began


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _at(times: Sequence[float], percent: int) -> float:
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


def _row(figures: Figures) -> str:
    return " | ".join(
        [
            f"{figures.articles:,}",
            f"{figures.documents:,}",
            f"{figures.passages:,}",
            f"{figures.entries:,}",
            f"{figures.build_s:.1f}",
            f"{figures.peak_mb:.0f}",
            f"{_at(figures.update_s, 50):.2f} / {max(figures.update_s):.2f}",
            f"{_at(figures.update_asked_s, 50):.2f} / {max(figures.update_asked_s):.2f}",
            f"{_at(figures.before_ms, 50):.0f} / {_at(figures.before_ms, 95):.0f}",
            f"{_at(figures.during_ms, 50):.0f} / {_at(figures.during_ms, 95):.0f}",
            f"{figures.save_s:.1f} / {figures.load_s:.1f}",
            f"{figures.different} of {_COMPARED}",
        ]
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a folder with legal_articles.jsonl.zst")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, metavar="ARTICLES")
    parser.add_argument("--only", type=int, metavar="ARTICLES", help="measure one size in this process; prints JSON")
    options = parser.parse_args()
    if options.only is not None:
        figures = measure(options.data, options.only)
        print(json.dumps({name: getattr(figures, name) for name in Figures.__slots__}))
        return
    print(f"Machine: {describe()}\n")
    print(
        "| articles of law | documents | passages | entries | full build, s | peak, MiB | one document changed,"
        " s, median / longest | the same while asked | question before, ms, p50 / p95 | during updates | save / load, s"
        " | other hits than built anew |"
    )
    print(f"|{' ---: |' * 12}", flush=True)
    for size in options.sizes:
        command = [sys.executable, "-m", "benchmarks.growth", "--data", str(options.data), "--only", str(size)]
        found = subprocess.run(command, cwd=PROJECT, check=True, stdout=subprocess.PIPE, text=True)
        print(f"| {_row(Figures(**json.loads(found.stdout.splitlines()[-1])))} |", flush=True)


if __name__ == "__main__":
    main()
