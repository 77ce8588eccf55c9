"""qrels, recall@k, MRR@k: how well the product's own search and answers do on questions with known passages."""

import argparse
import io
import json
import math
import resource
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embeddings import pairs
from embeddings.encoder import Encoder, make_encoder
from knowledge.answer import KnowledgeBase, build_knowledge
from knowledge.calibration import Calibration
from knowledge.lexicon import load_lexicon
from knowledge.loader import load_documents
from knowledge.model import Answer, Outcome
from knowledge.search import Entry, Search, build_search
from knowledge.text import collapse
from knowledge.views import load_views

# For these kinds a right passage is not enough: the words asked for must be shown.
WORDS_MATTER = {"citation", "abbrev", "structure", "multi"}
_SMALLTALK = "chitchat"
# Where there are tens of thousands of texts, more of them are looked at.
DATASET_CANDIDATES = 100


class DatasetError(Exception):
    """A folder does not hold the files an evaluation needs; the message names the file."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question with its known answer.

    Attributes:
        gold: passage ids that answer it; without a document, of the plan.
        must_contain: strings that the shown answer must hold.
        groups: where several passages belong together, one of each group must be shown.
    """

    id: str
    text: str
    kind: str
    gold: tuple[str, ...]
    must_contain: tuple[str, ...]
    answerable: bool
    groups: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one question."""

    question: Question
    outcome: Outcome
    hit_at_1: bool
    hit_at_3: bool
    shows_words: bool
    reciprocal_rank: float
    first_hit: str | None


def recall_at(ranked: Sequence[str], relevant: Mapping[str, float], k: int) -> float:
    """Return the share of relevant documents among the first k, 0 to 1."""
    wanted = {d for d, gain in relevant.items() if gain > 0}
    return len(wanted & set(ranked[:k])) / len(wanted) if wanted else 0.0


def reciprocal_rank_at(ranked: Sequence[str], relevant: Mapping[str, float], k: int) -> float:
    """Return 1 / rank of the first relevant document among the first k, 0 without one."""
    return next((1 / rank for rank, d in enumerate(ranked[:k], 1) if relevant.get(d, 0) > 0), 0.0)


def ndcg_at(ranked: Sequence[str], relevant: Mapping[str, float], k: int) -> float:
    """Return the normalised discounted cumulative gain of the first k (Järvelin and Kekäläinen, 2002), 0 to 1."""
    gained = sum(relevant.get(d, 0.0) / math.log2(rank + 1) for rank, d in enumerate(ranked[:k], 1))
    ideal = sorted(relevant.values(), reverse=True)[:k]
    best = sum(gain / math.log2(rank + 1) for rank, gain in enumerate(ideal, 1))
    return gained / best if best else 0.0


def read_questions(path: Path) -> list[Question]:
    """Return the questions of a JSONL file laid out as docs/interfaces.md says.

    Raises:
        DatasetError: the file is missing or a line lacks a field.
    """
    try:
        return [
            Question(
                id=row["id"],
                text=row["text"],
                kind=row["kind"],
                gold=tuple(row["gold"]),
                must_contain=tuple(row["must_contain"]),
                answerable=row["answerable"],
                groups=tuple(tuple(group) for group in row.get("gold_groups", ())),
            )
            for row in _rows(path)
        ]
    except KeyError as error:
        raise DatasetError(f"{path}: a question lacks {error}") from error


def judge(question: Question, answer: Answer, plan_id: str) -> Verdict:
    """Return what an answer is worth: a hit that is not shown as an answer counts nothing."""
    shown = collapse(" ".join(evidence(answer)))
    words = all(collapse(text) in shown for text in question.must_contain)
    answered = answer.outcome is Outcome.ANSWERED
    hits = [hit.passage_id.removeprefix(f"{plan_id}/") for hit in answer.hits] if answered else []
    gold = {passage_id.removeprefix(f"{plan_id}/") for passage_id in question.gold}
    first = bool(hits) and hits[0] in gold
    return Verdict(
        question=question,
        outcome=answer.outcome,
        hit_at_1=first and (words or question.kind not in WORDS_MATTER),
        hit_at_3=any(hit in gold for hit in hits[:3]),
        shows_words=answered and words,
        reciprocal_rank=reciprocal_rank_at(hits, dict.fromkeys(gold, 1.0), 10),
        first_hit=hits[0] if hits else None,
    )


def evidence(answer: Answer) -> Iterator[str]:
    """Yield what an answer shows of the documents: quotes, their citations, section headings."""
    for quote in answer.quotes:
        citation = quote.citation
        yield f"{quote.text} {citation.document_name}, {citation.place} {citation.heading}"


def summarise(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Return the figures of a set of questions, overall and per kind."""
    answerable = [v for v in verdicts if v.question.answerable]
    others = [v for v in verdicts if not v.question.answerable]
    by_kind: dict[str, list[Verdict]] = defaultdict(list)
    for verdict in answerable:
        by_kind[verdict.question.kind].append(verdict)
    return {
        "questions": len(verdicts),
        "answerable": len(answerable),
        "hit@1": _share([v.hit_at_1 for v in answerable]),
        "hit@3": _share([v.hit_at_3 for v in answerable]),
        "MRR@10": round(sum(v.reciprocal_rank for v in answerable) / len(answerable), 4) if answerable else None,
        "must_contain": _share([v.shows_words for v in answerable]),
        "right_abstentions": _share([_rightly_refused(v) for v in others]),
        "false_refusals": _share([v.outcome is not Outcome.ANSWERED for v in answerable]),
        "kinds": {
            kind: {
                "questions": len(rows),
                "hit@1": _share([v.hit_at_1 for v in rows]),
                "hit@3": _share([v.hit_at_3 for v in rows]),
                "must_contain": _share([v.shows_words for v in rows]),
            }
            for kind, rows in sorted(by_kind.items())
        },
    }


def _rightly_refused(verdict: Verdict) -> bool:
    if verdict.question.kind == _SMALLTALK:
        return verdict.outcome is Outcome.SMALLTALK
    return verdict.outcome not in (Outcome.ANSWERED, Outcome.SMALLTALK)


def _share(flags: Sequence[bool]) -> float | None:
    return round(sum(flags) / len(flags), 4) if flags else None


def evaluate_questions(
    knowledge: KnowledgeBase, questions: Sequence[Question], typed: Callable[[str], str] = lambda text: text
) -> list[Verdict]:
    """Ask every question on its own, changed as it may be typed, and judge the answers."""
    plan_id = knowledge.plan.id if knowledge.plan else ""
    return [judge(question, knowledge.answer(typed(question.text)), plan_id) for question in questions]


def quotes_verbatim(knowledge: KnowledgeBase, questions: Sequence[Question]) -> tuple[int, int]:
    """Return (quotes that stand in their document, quotes shown), read anew from the stored texts."""
    stored = {d.id: collapse(d.text) for d in knowledge.documents.values()}
    quotes = [quote for question in questions for quote in knowledge.answer(question.text).quotes]
    return sum(collapse(q.text) in stored[q.citation.document_id] for q in quotes), len(quotes)


def passages_equal(knowledge: KnowledgeBase, rows: Sequence[Mapping[str, Any]]) -> str:
    """Return how many of some passages of the plan stand in the store under the same id, word for word: "32/32"."""
    plan_id = knowledge.plan.id if knowledge.plan else ""
    stored = {id_.removeprefix(f"{plan_id}/"): passage.text for id_, passage in knowledge.passages.items()}
    return f"{sum(stored.get(row['id']) == row['text'] for row in rows)}/{len(rows)}"


@dataclass(frozen=True, slots=True)
class Dataset:
    """A folder in BEIR layout.

    Attributes:
        queries: {id, text} and what else their file says.
        relevant: {query id: {document id: gain}}.
    """

    name: str
    entries: tuple[Entry, ...]
    queries: tuple[Mapping[str, Any], ...]
    relevant: Mapping[str, Mapping[str, float]]


def load_dataset(folder: Path, *, limit: int | None = None) -> Dataset:
    """Return what a folder holds, with the first so many queries.

    Raises:
        DatasetError: a file is missing or broken.
    """
    entries = tuple(Entry(row["id"], row["text"], row.get("title", "")) for row in _rows(_corpus(folder)))
    queries = tuple(_rows(folder / "queries.jsonl"))[:limit]
    return Dataset(folder.name, entries, queries, _qrels(folder / "qrels.tsv"))


def rank_dataset(
    search: Search, dataset: Dataset, *, mode: str, typed: Callable[[str], str] = lambda text: text
) -> dict[str, Any]:
    """Return recall, MRR, nDCG, by set of queries where they belong to sets, and queries per second.

    Args:
        typed: how a query's text is changed before it is asked.
    """
    by_set: dict[str, list[tuple[list[str], Mapping[str, float]]]] = defaultdict(list)
    elapsed_ms: list[float] = []
    for query in dataset.queries:
        text = typed(query["text"])
        began = time.perf_counter()
        hits = search.search(search.parse(text), k=100, mode=mode)
        elapsed_ms.append((time.perf_counter() - began) * 1000)
        row = ([hit.passage_id for hit in hits], dataset.relevant.get(str(query["id"]), {}))
        for name in {"all", str(query.get("set") or query.get("style") or "all")}:
            by_set[name].append(row)
    figures = {name: _figures(rows) for name, rows in sorted(by_set.items())}
    total_ms = sum(elapsed_ms)
    return {
        **figures.pop("all", {}),
        "sets": figures,
        "queries_per_second": round(len(elapsed_ms) / total_ms * 1000, 1) if total_ms else None,
        "p95_ms": round(sorted(elapsed_ms)[len(elapsed_ms) * 95 // 100], 1) if elapsed_ms else None,
    }


def figures_of(rankings: Mapping[str, Sequence[str]], relevant: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Return recall, MRR and nDCG of rankings that something else has made, {query id: document ids}."""
    return _figures([(ranked, relevant.get(query_id, {})) for query_id, ranked in rankings.items()])


def evaluate_dataset(folder: Path, encoder: Encoder, *, mode: str, limit: int | None) -> dict[str, Any]:
    """Return recall, MRR, nDCG, speed and memory of the search on a BEIR folder.

    Args:
        mode: bm25, dense or hybrid.
        limit: the first so many queries only.
    Raises:
        DatasetError: a file is missing or broken.
    """
    dataset = load_dataset(folder, limit=limit)
    began = time.perf_counter()
    search = build_search(dataset.entries, encoder, load_lexicon(), candidates=DATASET_CANDIDATES)
    index_s = time.perf_counter() - began
    return {
        "dataset": dataset.name,
        "mode": mode,
        "documents": len(dataset.entries),
        "queries": len(dataset.queries),
        **rank_dataset(search, dataset, mode=mode),
        "index_seconds": round(index_s, 2),
        "peak_memory_mb": peak_memory_mb(),
    }


def law_questions(
    data: Path, show: Callable[[str], None], more: Sequence[Path] = (), calibration: Calibration | None = None
) -> tuple[Search, list[list[tuple[str, str]]]]:
    """Return a search over the articles of law and questions about them that the encoder was not trained on.

    Args:
        data: a folder with the packed files of embeddings/pairs.py.
        show: is told what is going on.
        more: further questions, a line each: id of an article, style, question, parted by tabs.
    Returns:
        the search and, for the data and for each further file, (question, id of the article).
    """
    articles = list(pairs.rows(data / "legal_articles.jsonl.zst"))
    entries = [Entry(row["id"], row["text"], f"{row['title']} ({row['doc']})") for row in articles]
    ids = {f"{entry.context}\n{entry.text}"[:2000]: entry.id for entry in entries}
    questions = [
        (row["query"], ids[row["positive"][:2000]])
        for row in pairs.rows(data / "pairs_question_law_article.jsonl.zst")
        if pairs.is_held_out(row["query"]) and row["positive"][:2000] in ids
    ]
    known = {entry.id for entry in entries}
    groups = [questions]
    for path in more:
        lines = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
        groups.append([(question, article) for article, _, question in lines if article in known])
    show(f"{len(entries)} articles, {[len(group) for group in groups]} questions kept from training")
    search = build_search(
        entries, make_encoder("bundled"), load_lexicon(), candidates=DATASET_CANDIDATES, calibration=calibration
    )
    return search, groups


def peak_memory_mb() -> float:
    """Return the most memory this process ever held, in MiB."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


def _figures(rows: Sequence[tuple[Sequence[str], Mapping[str, float]]]) -> dict[str, float]:
    def mean(values: Iterator[float]) -> float:
        return round(sum(values) / len(rows), 4) if rows else 0.0

    return {
        "recall@1": mean(recall_at(ranked, relevant, 1) for ranked, relevant in rows),
        "recall@10": mean(recall_at(ranked, relevant, 10) for ranked, relevant in rows),
        "recall@100": mean(recall_at(ranked, relevant, 100) for ranked, relevant in rows),
        "MRR@10": mean(reciprocal_rank_at(ranked, relevant, 10) for ranked, relevant in rows),
        "nDCG@10": mean(ndcg_at(ranked, relevant, 10) for ranked, relevant in rows),
    }


def _corpus(folder: Path) -> Path:
    packed = folder / "corpus.jsonl.zst"
    return packed if packed.exists() else folder / "corpus.jsonl"


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    try:
        if path.suffix == ".zst":
            # Only the development sets are packed; members never need this.
            import zstandard

            with path.open("rb") as packed:
                unpacked = zstandard.ZstdDecompressor().stream_reader(packed)
                yield from _objects(io.TextIOWrapper(unpacked, encoding="utf-8"), path)
        else:
            with path.open(encoding="utf-8") as lines:
                yield from _objects(lines, path)
    except FileNotFoundError as error:
        raise DatasetError(f"{path}: no such file") from error
    except ValueError as error:
        raise DatasetError(f"{path}: not one JSON object a line: {error}") from error


def _objects(lines: Iterable[str], path: Path) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            row = json.loads(line)
            if not isinstance(row, dict) or not {"id", "text"} <= row.keys():
                raise DatasetError(f"{path}: line {number} needs an object with id and text")
            yield row


def _qrels(path: Path) -> dict[str, dict[str, float]]:
    relevant: dict[str, dict[str, float]] = defaultdict(dict)
    try:
        for line in path.read_text(encoding="utf-8").splitlines()[1:]:
            query_id, document_id, score = line.split("\t")
            relevant[query_id][document_id] = float(score)
    except FileNotFoundError as error:
        raise DatasetError(f"{path}: no such file") from error
    except ValueError as error:
        raise DatasetError(f"{path}: needs query-id, doc-id and score, parted by tabs") from error
    return relevant


def main(arguments: list[str] | None = None) -> int:
    """Run one evaluation and print its figures; return 0, or 2 where the folder cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m knowledge.evaluation", description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--dataset", type=Path, metavar="DIR", help="a folder with corpus, queries and qrels")
    what.add_argument("--plan", type=Path, metavar="DIR", help="a folder with questions.jsonl about the documents")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--mode", choices=["bm25", "dense", "hybrid"], default="hybrid")
    parser.add_argument("--limit", type=int, metavar="N")
    parser.add_argument("--misses", action="store_true", help="with --plan: list the questions that went wrong")
    parser.add_argument("--no-curated", action="store_true", help="with --plan: without curated questions")
    parser.add_argument("--encoder", default="bundled", help="as encoder.model in config.yaml")
    options = parser.parse_args(arguments)
    try:
        encoder = make_encoder(options.encoder)
        if options.dataset:
            figures = evaluate_dataset(options.dataset, encoder, mode=options.mode, limit=options.limit)
        else:
            figures = _evaluate_plan(options, encoder)
    except DatasetError as error:
        print(error, file=sys.stderr)
        return 2
    _print(figures, as_json=options.json)
    return 0


def _evaluate_plan(options: argparse.Namespace, encoder: Encoder) -> dict[str, Any]:
    folder = Path(__file__).parent / "documents"
    views = () if options.no_curated else load_views()
    knowledge = build_knowledge(load_documents(folder), encoder, load_lexicon(), views=views)
    questions = read_questions(options.plan / "questions.jsonl")[: options.limit]
    verdicts = evaluate_questions(knowledge, questions)
    if options.misses:
        for v in verdicts:
            q = v.question
            right = (v.hit_at_1 and v.shows_words) if q.answerable else _rightly_refused(v)
            if not right:
                print(
                    q.kind,
                    q.text,
                    list(q.gold),
                    v.outcome.value,
                    v.first_hit,
                    v.shows_words,
                    sep=" | ",
                    file=sys.stderr,
                )
    stands, shown = quotes_verbatim(knowledge, questions)
    known = options.plan / "passages.jsonl"
    equal = passages_equal(knowledge, list(_rows(known))) if known.exists() else None
    return {
        **summarise(verdicts),
        "passages_equal": equal,
        "quotes_verbatim": f"{stands}/{shown}",
        "peak_memory_mb": peak_memory_mb(),
    }


def _print(figures: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(figures, ensure_ascii=False))
        return
    for name, value in figures.items():
        if isinstance(value, dict):
            print(f"{name}:")
            for key, row in value.items():
                print(f"  {key:14} " + "  ".join(f"{k} {v}" for k, v in row.items()))
        else:
            print(f"{name:20} {value}")


if __name__ == "__main__":
    sys.exit(main())
