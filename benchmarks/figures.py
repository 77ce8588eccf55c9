"""Measures start, answers and memory of the program as it is shipped: `make bench`.

Prints Markdown for docs/figures.md. Everything runs on this machine; nothing is sent anywhere else.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil

from benchmarks.machine import describe
from embeddings.encoder import make_encoder
from knowledge.answer import KnowledgeBase, build_knowledge
from knowledge.evaluation import read_questions
from knowledge.lexicon import load_lexicon
from knowledge.loader import load_documents
from knowledge.views import load_views

PROJECT = Path(__file__).parent.parent
QUESTIONS = PROJECT / "tests" / "retrieval" / "questions.jsonl"


def ready_after_s(command: Sequence[str], port: int, environment: dict[str, str]) -> tuple[float, float]:
    """Return (seconds from the command to the first answer over HTTP, MiB held then)."""
    began = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=PROJECT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while True:
            try:
                post(port, "first", "người đứng đầu chậm xử lý thì sao")
                break
            except OSError:
                if process.poll() is not None:
                    raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}") from None
                time.sleep(0.01)
        return time.perf_counter() - began, _held_mb(process.pid)
    finally:
        for child in psutil.Process(process.pid).children(recursive=True):
            child.terminate()
        process.terminate()
        process.wait(10)


def post(port: int, message_id: str, text: str, cookie: str = "") -> str:
    """Send one message to the web chat; return the body of the answer."""
    body = json.dumps({"id": message_id, "text": text}).encode()
    headers = {"Content-Type": "application/json", **({"Cookie": cookie} if cookie else {})}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/api/messages", body, headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        text_back: str = answer.read().decode()
        return text_back


def free_port() -> int:
    """Return a port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _held_mb(pid: int) -> float:
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return sum(process.memory_info().rss for process in family) / 2**20


def answer_times_ms(knowledge: KnowledgeBase, questions: Sequence[str]) -> list[float]:
    """Return how long each question took, in process."""
    times = []
    for question in questions:
        began = time.perf_counter()
        knowledge.answer(question)
        times.append((time.perf_counter() - began) * 1000)
    return times


def web_questions_per_second(port: int, questions: Sequence[str], people: int) -> float:
    """Return questions answered a second over HTTP by people who each wait for their answer."""

    def ask(numbered: tuple[int, str]) -> None:
        number, question = numbered
        post(port, f"load-{number}", question, cookie=f"tusoi={'a' * 30}{threading.get_ident() % 100:02d}")

    began = time.perf_counter()
    with ThreadPoolExecutor(people) as pool:
        list(pool.map(ask, enumerate(questions)))
    return len(questions) / (time.perf_counter() - began)


def measure(count: int) -> list[tuple[str, str]]:
    """Return (what, figure), measured now."""
    questions = [question.text for question in read_questions(QUESTIONS)]
    many = [questions[n % len(questions)] for n in range(count)]
    rows: list[tuple[str, str]] = []
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        environment = {
            # Where Python may not keep what it compiled, every start compiles our files again.
            **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
            "TUSOI_DATA_DIR": folder,
            "TUSOI_WEB__PORT": str(port),
            "TUSOI_LOG__LEVEL": "ERROR",
        }
        first, _ = ready_after_s(["make", "-s", "run"], port, environment)
        starts = [ready_after_s(["make", "-s", "run"], port, environment) for _ in range(5)]
        rows.append(("first start (index built), `make run` to first answer", f"{first:.2f} s"))
        rows.append(
            (
                "second start, `make run` to first answer, median of 5",
                f"{statistics.median(s for s, _ in starts):.2f} s",
            )
        )
        rows.append(("memory after the first answer, whole process", f"{starts[-1][1]:.0f} MiB"))
        rows += _measure_server(environment, port, many)
    knowledge = build_knowledge(
        load_documents(PROJECT / "knowledge" / "documents"), make_encoder("bundled"), load_lexicon(), views=load_views()
    )
    answer_times_ms(knowledge, questions[:20])
    times = sorted(answer_times_ms(knowledge, many))
    rows.append((f"answer in process, {count} questions, p50 / p95", f"{_at(times, 50):.1f} / {_at(times, 95):.1f} ms"))
    rows.append(("questions a second in process, one thread", f"{1000 * len(times) / sum(times):.0f}"))
    return rows


def _measure_server(environment: dict[str, str], port: int, questions: Sequence[str]) -> list[tuple[str, str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "bot"],
        cwd=PROJECT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while True:
            try:
                post(port, "warm", "xin chào")
                break
            except OSError:
                time.sleep(0.02)
        rate = web_questions_per_second(port, questions, people=8)
        held = _held_mb(process.pid)
    finally:
        process.terminate()
        process.wait(10)
    return [
        (f"questions a second over HTTP, stored, 8 people at once, {len(questions)} questions", f"{rate:.0f}"),
        (f"memory of the server after {len(questions)} questions", f"{held:.0f} MiB"),
    ]


def _at(ordered: Sequence[float], percent: int) -> float:
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--questions", type=int, default=1000, metavar="N")
    options = parser.parse_args()
    print(f"Machine: {describe()}")
    print("\n| what | measured |\n| --- | --- |")
    for what, figure in measure(options.questions):
        print(f"| {what} | {figure} |")


if __name__ == "__main__":
    main()
