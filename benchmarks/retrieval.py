"""Measures retrieval and answers, beside what a user could install instead: `make bench-retrieval DATA=DIR`.

Prints Markdown, and with --out puts it into a page (docs/retrieval.md), below what people wrote there. DIR holds
plan_dev and dev; without it, only the project's own questions are measured. The peers run in an environment of their
own, see peers.py; each system runs in a process of its own.
"""

import argparse
import contextlib
import io
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.input_states import STATES
from benchmarks.machine import describe
from embeddings.encoder import make_encoder
from knowledge.answer import KnowledgeBase, build_knowledge, index_entries
from knowledge.evaluation import (
    DATASET_CANDIDATES,
    WORDS_MATTER,
    Dataset,
    Question,
    evaluate_questions,
    figures_of,
    load_dataset,
    peak_memory_mb,
    quotes_verbatim,
    rank_dataset,
    read_questions,
    recall_at,
    summarise,
)
from knowledge.lexicon import load_lexicon
from knowledge.loader import load_documents
from knowledge.search import build_search
from knowledge.views import load_views

PROJECT = Path(__file__).parent.parent
OWN = PROJECT / "tests" / "retrieval"
DATASETS = (
    "legal_articles",
    "everyday_written",
    "legal_qa",
    "alqac",
    "vlsp_drill",
    "bds_law",
    "wikiqa_zalo2019",
    "viquad_mini",
)
# In a page, what stands below this line was measured; what stands above was written.
MARK = "<!-- Below this line: printed by make bench-retrieval. -->"
MODES = ("bm25", "dense", "hybrid")
PEERS = ("bm25s", "txtai", "haystack")


class Kept(io.StringIO):
    """Standard output that remembers what was printed."""

    def __init__(self) -> None:
        super().__init__()
        self._shown = sys.stdout

    def write(self, text: str) -> int:
        """Print a text, and keep it."""
        self._shown.write(text)
        self._shown.flush()
        return super().write(text)


def put_below(page: Path, measured: str) -> None:
    """Replace what a page holds below MARK; a page without it gets it at its end."""
    written = page.read_text(encoding="utf-8").partition(MARK)[0].rstrip() if page.exists() else "# Retrieval"
    page.write_text(f"{written}\n\n{MARK}\n\n{measured.strip()}\n", encoding="utf-8")


def say(line: str = "") -> None:
    """Print a line of the page."""
    print(line, flush=True)


def percent(value: float | None) -> str:
    """Return a share as it stands in the tables."""
    return "–" if value is None else f"{value:.3f}"


def table(head: Sequence[str], rows: Iterator[Sequence[str]]) -> None:
    """Print a table, row by row as they are measured."""
    say("| " + " | ".join(head) + " |")
    say("|" + " --- |" * len(head))
    for row in rows:
        say("| " + " | ".join(row) + " |")
    say()


def question_sets(data: Path | None) -> dict[str, list[Question]]:
    """Return the sets of questions with known answers."""
    paths = {"plan_dev": data / "plan_dev" / "questions.jsonl"} if data else {}
    paths |= {path.stem: path for path in sorted(OWN.glob("*.jsonl"))}
    return {name: read_questions(path) for name, path in paths.items()}


def bases() -> dict[str, KnowledgeBase]:
    """Return the product's documents with and without curated questions."""
    documents, encoder, lexicon = (
        load_documents(PROJECT / "knowledge" / "documents"),
        make_encoder("bundled"),
        load_lexicon(),
    )
    return {
        "curated": build_knowledge(documents, encoder, lexicon, views=load_views()),
        "no curated": build_knowledge(documents, encoder, lexicon),
    }


def answers(sets: dict[str, list[Question]], knowledge: dict[str, KnowledgeBase]) -> None:
    """Print how questions about the documents are answered."""
    say("## Answers\n")

    def rows() -> Iterator[Sequence[str]]:
        for name, questions in sets.items():
            for kind, base in knowledge.items():
                figures = summarise(evaluate_questions(base, questions))
                stands, shown = quotes_verbatim(base, questions)
                kinds = figures["kinds"]
                yield (
                    name,
                    kind,
                    *(percent(figures[key]) for key in ("hit@1", "hit@3", "MRR@10")),
                    percent(kinds.get("paraphrase", {}).get("hit@1")),
                    *(percent(figures[key]) for key in ("right_abstentions", "false_refusals")),
                    f"{stands}/{shown}",
                )

    head = ("questions", "views", "hit@1", "hit@3", "MRR@10", "paraphrase hit@1")
    table((*head, "rightly refused", "wrongly refused", "quotes verbatim"), rows())
    say("Per kind, hit@1 with curated questions:\n")
    for name, questions in sets.items():
        kinds = summarise(evaluate_questions(knowledge["curated"], questions))["kinds"]
        say(
            f"- {name}: "
            + ", ".join(f"{kind} {figures['hit@1']:.2f} ({figures['questions']})" for kind, figures in kinds.items())
        )
    say()


def typed_answers(sets: dict[str, list[Question]], knowledge: dict[str, KnowledgeBase]) -> None:
    """Print what is lost when the same questions are typed otherwise."""
    say("## The same questions, typed otherwise\n\nhit@1 over the answerable questions, curated / no curated:\n")

    def rows() -> Iterator[Sequence[str]]:
        for name, questions in sets.items():
            cells = []
            for typed in STATES.values():
                shares = [summarise(evaluate_questions(base, questions, typed))["hit@1"] for base in knowledge.values()]
                cells.append(" / ".join(map(percent, shares)))
            yield (name, *cells)

    table(("questions", *STATES), rows())


def speed(questions: Sequence[Question], knowledge: dict[str, KnowledgeBase]) -> None:
    """Print how long an answer takes."""
    say("## Time for an answer, the product's own documents\n")

    def rows() -> Iterator[Sequence[str]]:
        for kind, base in knowledge.items():
            times = []
            for question in questions:
                began = time.perf_counter()
                base.answer(question.text)
                times.append((time.perf_counter() - began) * 1000)
            times.sort()
            middle, high = times[len(times) // 2], times[len(times) * 95 // 100]
            yield (kind, f"{middle:.1f}", f"{high:.1f}", f"{1000 * len(times) / sum(times):.0f}")

    table(("views", "p50 ms", "p95 ms", "questions a second, one thread"), rows())


def retrieval_alone(sets: dict[str, list[Question]], knowledge: dict[str, KnowledgeBase], peers: Path | None) -> None:
    """Print which passage comes first, whether or not it would be shown, beside the peers."""
    say("## Retrieval alone, the product's own documents\n")
    say("hit@1 / hit@3 of the questions that a passage answers (not those about structure or citations):\n")
    asked = {
        name: [q for q in questions if q.answerable and q.kind not in WORDS_MATTER] for name, questions in sets.items()
    }
    base = knowledge["curated"]
    plan = base.plan.id if base.plan else ""

    def gold(question: Question) -> dict[str, float]:
        return {g if "/" in g else f"{plan}/{g}": 1.0 for g in question.gold}

    def cell(rankings: Sequence[Sequence[str]], questions: Sequence[Question]) -> str:
        first, three = (
            sum(recall_at(ranked, gold(q), k) > 0 for ranked, q in zip(rankings, questions, strict=True))
            / len(questions)
            for k in (1, 3)
        )
        return f"{first:.3f} / {three:.3f}"

    def rows() -> Iterator[Sequence[str]]:
        for kind, one in knowledge.items():
            modes = MODES if kind == "no curated" else ("hybrid",)
            for mode in modes:
                found = {
                    name: [[hit.passage_id for hit in one.search(q.text, k=3, mode=mode)] for q in questions]
                    for name, questions in asked.items()
                }
                yield (f"Tự Soi, {mode}, {kind}", *(cell(found[name], questions) for name, questions in asked.items()))
        if peers:
            entries = index_entries(list(base.documents.values()))
            everything = [(f"{name} {q.id}", q.text) for name, questions in asked.items() for q in questions]
            for peer in PEERS:
                result = run_peer(peers, peer, [(e.id, e.context, e.text) for e in entries], everything)
                cells = [
                    cell([result["rankings"].get(f"{name} {q.id}", []) for q in questions], questions)
                    for name, questions in asked.items()
                ]
                yield (peer_name(result), *cells)

    table(("system", *asked), rows())


def datasets(data: Path, names: Sequence[str], peers: Path | None, dense_peers_up_to: int) -> None:
    """Print retrieval on the development sets, each in a process of its own."""
    say("## Other texts\n")
    head = (
        "set",
        "system",
        "MRR@10",
        "recall@10",
        "recall@100",
        "nDCG@10",
        "p95 ms",
        "queries a second",
        "index s",
        "MiB",
    )

    def rows() -> Iterator[Sequence[str]]:
        for name in names:
            command = [sys.executable, "-m", "benchmarks.retrieval", "--data", str(data), "--only", name]
            done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
            result = json.loads(done.stdout)
            label = f"{name} ({result['documents']:,} texts, {result['queries']} queries)"
            for mode in MODES:
                yield dataset_row(label, f"Tự Soi, {mode}", {**result, **result[mode]})
                label = ""
            for group, figures in result["hybrid"]["sets"].items():
                yield ("", f"– hybrid, {group}", *(percent(figures[key]) for key in _METRICS), "", "", "", "")
            states = " · ".join(f"{state} {percent(value)}" for state, value in result["states"].items())
            yield ("", f"– hybrid MRR@10 as typed: {states}", "", "", "", "", "", "", "", "")
            if peers:
                dataset = load_dataset(data / "dev" / name)
                for peer in PEERS:
                    if peer != "bm25s" and len(dataset.entries) > dense_peers_up_to:
                        yield ("", f"{peer}: not run on so many texts", "", "", "", "", "", "", "", "")
                        continue
                    texts = [(entry.id, entry.context, entry.text) for entry in dataset.entries]
                    found = run_peer(peers, peer, texts, [(str(q["id"]), q["text"]) for q in dataset.queries])
                    yield dataset_row(
                        "", peer_name(found), {**found, **figures_of(found["rankings"], dataset.relevant)}
                    )

    table(head, rows())


_METRICS = ("MRR@10", "recall@10", "recall@100", "nDCG@10")


def dataset_row(label: str, system: str, figures: dict[str, Any]) -> Sequence[str]:
    """Return a row of the table of datasets."""
    return (
        label,
        system,
        *(percent(figures[key]) for key in _METRICS),
        str(figures.get("p95_ms", "–")),
        str(figures["queries_per_second"]),
        f"{figures['index_seconds']:.1f}",
        f"{figures['peak_memory_mb']:.0f}",
    )


def measure_dataset(folder: Path) -> dict[str, Any]:
    """Return the figures of one development set, every mode, and of the fused search in every input state."""
    dataset: Dataset = load_dataset(folder)
    began = time.perf_counter()
    search = build_search(dataset.entries, make_encoder("bundled"), load_lexicon(), candidates=DATASET_CANDIDATES)
    index_s = time.perf_counter() - began
    result: dict[str, Any] = {mode: rank_dataset(search, dataset, mode=mode) for mode in MODES}
    states = {
        state: rank_dataset(search, dataset, mode="hybrid", typed=typed)["MRR@10"] for state, typed in STATES.items()
    }
    return {
        "documents": len(dataset.entries),
        "queries": len(dataset.queries),
        "index_seconds": index_s,
        "peak_memory_mb": peak_memory_mb(),
        "states": states,
        **result,
    }


def run_peer(
    python: Path, peer: str, texts: Sequence[tuple[str, str, str]], queries: Sequence[tuple[str, str]]
) -> dict[str, Any]:
    """Return what a peer ranks for queries (id, text) over texts (id, title, text), and what it cost."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        corpus = [json.dumps({"id": i, "title": title, "text": text}) for i, title, text in texts]
        (folder / "corpus.jsonl").write_text("\n".join(corpus), encoding="utf-8")
        asked = [json.dumps({"id": i, "text": text}) for i, text in queries]
        (folder / "queries.jsonl").write_text("\n".join(asked), encoding="utf-8")
        paths = {"corpus": folder / "corpus.jsonl", "queries": folder / "queries.jsonl", "out": folder / "out.json"}
        options = [str(part) for option, path in paths.items() for part in (f"--{option}", path)]
        subprocess.run(
            [str(python), "-m", "benchmarks.peers", "--peer", peer, "--k", "100", *options], cwd=PROJECT, check=True
        )
        result: dict[str, Any] = json.loads(paths["out"].read_text(encoding="utf-8"))
        return result


def peer_name(result: dict[str, Any]) -> str:
    """Return a peer with its version."""
    package = {"haystack": "haystack-ai"}.get(result["peer"], result["peer"])
    return f"{result['peer']} {result['versions'].get(package, '')}".strip()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.retrieval", description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--peers", type=Path, metavar="PYTHON", help="the Python of an environment for peers.py")
    parser.add_argument("--dense-peers-up-to", type=int, default=5000, metavar="TEXTS")
    parser.add_argument("--only", metavar="SET", help="measure one development set; prints JSON")
    parser.add_argument("--out", type=Path, metavar="PAGE", help="a page that is to hold what was measured")
    options = parser.parse_args()
    if options.only:
        print(json.dumps(measure_dataset(options.data / "dev" / options.only)))
        return
    with contextlib.redirect_stdout(Kept()) as kept:
        measure(options.data, options.peers, options.dense_peers_up_to)
    if options.out:
        put_below(options.out, kept.getvalue())


def measure(data: Path | None, peers: Path | None, dense_peers_up_to: int) -> None:
    """Measure everything and print it."""
    say(f"Machine: {describe()}\n")
    sets, knowledge = question_sets(data), bases()
    answers(sets, knowledge)
    typed_answers(sets, knowledge)
    speed([question for questions in sets.values() for question in questions], knowledge)
    retrieval_alone(sets, knowledge, peers)
    if data:
        datasets(data, DATASETS, peers, dense_peers_up_to)


if __name__ == "__main__":
    main()
