"""Measures a round for 10,000 members: opened, queued, delivered at the platform's pace: `make bench-assessment`.

Prints Markdown for docs/figures.md. The program runs as it is shipped, with SQLite; Telegram is a local server that
refuses what the real one refuses. Everything runs on this machine; nothing is sent anywhere else.
"""

import argparse
import platform
import statistics
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import httpx
import psutil

from bot.app import open_store
from bot.pace import LIMITS
from storage.outbox import DeliveryState
from storage.store import Store
from tests.soak.outside import Person, Program, Telegram, settle, telegram_server

MEMBERS_OF_A_CELL = 25
ALLOWED = LIMITS["telegram"].per_second
_OVER = (DeliveryState.SENT, DeliveryState.FAILED, DeliveryState.UNKNOWN, DeliveryState.TOO_OLD)


class Memory(threading.Thread):
    """Looks every half second at how much memory a process holds."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._process = psutil.Process(pid)
        self._over = threading.Event()
        self.most_mib = 0.0

    def run(self) -> None:
        """Look until told to end."""
        while not self._over.wait(0.5):
            self.most_mib = max(self.most_mib, self.now_mib())

    def now_mib(self) -> float:
        """Return what it holds now."""
        held: int = self._process.memory_info().rss
        return held / 2**20

    def end(self) -> None:
        """Look no more."""
        self._over.set()
        self.join()


def open_rounds(program: Program, cells: Sequence[Sequence[Person]]) -> tuple[float, list[float]]:
    """Let the secretary of each cell open its round over HTTP, one after the other.

    Returns:
        seconds from the first word to the last answer, by when all rows are queued; milliseconds of each press.
    """
    presses_ms = []
    began = time.perf_counter()
    with httpx.Client(base_url=f"http://127.0.0.1:{program.port}", timeout=60) as client:
        for number, (secretary, *_) in enumerate(cells):
            headers = {"Cookie": f"tusoi={secretary.token}"}
            asked = client.post("/api/messages", json={"id": f"open-{number}", "text": "mở kỳ"}, headers=headers)
            choice = asked.raise_for_status().json()["messages"][-1]["buttons"][0]["id"]
            pressed = time.perf_counter()
            client.post(
                "/api/messages", json={"id": f"yes-{number}", "button": choice}, headers=headers
            ).raise_for_status()
            presses_ms.append((time.perf_counter() - pressed) * 1000)
    return time.perf_counter() - began, presses_ms


def answer_times_ms(program: Program, member: Person, seconds: float) -> list[float]:
    """Return how long a member on the web page waits for an answer while the broadcast goes on, once a second."""
    times: list[float] = []
    with httpx.Client(base_url=f"http://127.0.0.1:{program.port}", timeout=60) as client:
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            began = time.perf_counter()
            body = {"id": f"look-{len(times)}", "text": "của tôi"}
            client.post("/api/messages", json=body, headers={"Cookie": f"tusoi={member.token}"}).raise_for_status()
            times.append((time.perf_counter() - began) * 1000)
            time.sleep(1)
    return sorted(times)


def wait_until_over(store: Store, rows: int) -> dict[DeliveryState, int]:
    """Return how many rows are in each state when none waits any more."""
    while True:
        with store.transaction() as transaction:
            counts = transaction.outbox.counts()
        if sum(counts.get(state, 0) for state in _OVER) >= rows:
            return counts
        time.sleep(2)


def most_in_a_second(moments: Sequence[float]) -> int:
    """Return how many messages arrived in the fullest second."""
    most = first = 0
    for last, moment in enumerate(moments):
        while moments[first] <= moment - 1:
            first += 1
        most = max(most, last - first + 1)
    return most


def measure(members: int) -> list[tuple[str, str, str]]:
    """Return (what, aim, measured)."""
    with tempfile.TemporaryDirectory() as folder:
        program = Program(Path(folder))
        cells = settle(program.config, cells=members // MEMBERS_OF_A_CELL, members=MEMBERS_OF_A_CELL)
        everybody = [person for cell in cells for person in cell]
        with telegram_server([person.chat_id for person in everybody]) as telegram:
            program.reach(telegram)
            program.start()
            try:
                return _measure(program, telegram, cells)
            finally:
                program.kill()


def _measure(program: Program, telegram: Telegram, cells: list[list[Person]]) -> list[tuple[str, str, str]]:
    program.wait_until_ready()
    store, memory = open_store(program.config), Memory(program.pid)
    rows = sum(len(cell) for cell in cells)
    memory.start()
    before_mib = memory.now_mib()
    queued_s, presses_ms = open_rounds(program, cells)
    opened_at = time.time()
    with store.transaction() as transaction:
        assert sum(transaction.outbox.counts().values()) == rows
    waits_ms = answer_times_ms(program, cells[-1][-1], min(30.0, rows / ALLOWED / 2))
    counts = wait_until_over(store, rows)
    memory.end()
    moments = [at for at, _, _ in telegram.sends()]
    # While rounds are being opened there is not always something to send.
    steady = [at for at in moments if at > opened_at + 1]
    rate = (len(steady) - 1) / (steady[-1] - steady[0])
    states = ", ".join(f"{state.value} {count}" for state, count in counts.items())
    return [
        (
            f"{len(cells)} secretaries open their rounds over HTTP, until {rows} rows are queued",
            "–",
            f"{queued_s:.1f} s",
        ),
        (
            "the press that opens a round, p50 / p95",
            "–",
            f"{statistics.median(presses_ms):.0f} / {sorted(presses_ms)[int(len(presses_ms) * 0.95)]:.0f} ms",
        ),
        (
            f"deliveries a second, {len(steady)} in a row",
            f"{0.99 * ALLOWED:.1f}",
            f"**{rate:.2f}**, {100 * rate / ALLOWED:.1f} % of {ALLOWED}",
        ),
        ("most in any second, as the server saw them", f"{ALLOWED}", f"{most_in_a_second(moments)}"),
        ("from the first delivery to the last", f"{rows / ALLOWED:.0f} s", f"{moments[-1] - moments[0]:.0f} s"),
        ("rows at the end", f"sent {rows}", states),
        (
            "a member's answer on the web meanwhile, p50 / p95 / longest",
            "–",
            f"{statistics.median(waits_ms):.0f} / {waits_ms[int(len(waits_ms) * 0.95)]:.0f} / {waits_ms[-1]:.0f} ms",
        ),
        ("memory of the program before, at most", "–", f"{before_mib:.0f}, {memory.most_mib:.0f} MiB"),
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members", type=int, default=10_000, metavar="N", help="a multiple of 25")
    options = parser.parse_args()
    memory = psutil.virtual_memory().total / 2**30
    load = psutil.getloadavg()[0]
    print(
        f"Machine: {psutil.cpu_count()} cores, {memory:.0f} GiB, {platform.system()}, Python "
        f"{platform.python_version()}; load before {load:.1f}"
    )
    print("\n| what | aim | measured |\n| --- | --- | --- |")
    for what, aim, figure in measure(options.members):
        print(f"| {what} | {aim} | {figure} |")


if __name__ == "__main__":
    main()
