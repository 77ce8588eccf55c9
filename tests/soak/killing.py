"""Kills the program at random moments while members answer and prompts go out, and counts what was lost.

    python -m tests.soak.killing --kills 200 --seed 1

Members answer over HTTP, on the page or in the chat, and repeat what was not answered, as a page does. Their prompts
go to a Telegram server in another process, which remembers what it was sent whatever happens to the program.
"""

import argparse
import random
import re
import secrets
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from assessment.model import ItemAnswer
from bot.app import open_store
from bot.check import check
from bot.pace import LIMITS
from storage.outbox import LEASE, DeliveryState
from storage.store import Store
from tests.soak.outside import Person, Program, Telegram, settle, telegram_server

WALKERS = 3
# Beside what the platform's pace takes for all that can be waiting.
DRAINED_WITHIN_S = 60.0
_RECEIPT = re.compile(r"Đã ghi nhận\. Phiếu (\S+),")
_ANSWERS = [answer.value for answer in ItemAnswer]


class Over(Exception):
    """No more is to be asked of the program."""


@dataclass
class Tally:
    """What was counted.

    Attributes:
        kills: how often the program was killed; while_starting of these before it answered.
        rounds: opened by secretaries, acknowledged.
        answers: to items, acknowledged over HTTP.
        receipts: "Đã ghi nhận" read.
        requests_repeated: sent again because no answer came.
        lost_answers, lost_receipts: acknowledged and not in the database, or not as acknowledged.
        prompts: that arrived at Telegram.
        second_prompts: messages that somebody had heard before; of_unknown of these belong to rows marked unknown.
        unheard: rows marked sent that never arrived.
        unknown: rows marked unknown; unknown_heard of these arrived.
        waiting: rows that were still waiting at the end.
        slowest_start_s: from the start to the first answer.
        audit: what `check` says of the log.
        wrong: anything else, in words.
    """

    kills: int = 0
    while_starting: int = 0
    rounds: int = 0
    answers: int = 0
    receipts: int = 0
    requests_repeated: int = 0
    lost_answers: int = 0
    lost_receipts: int = 0
    prompts: int = 0
    second_prompts: int = 0
    second_of_unknown: int = 0
    unheard: int = 0
    unknown: int = 0
    unknown_heard: int = 0
    waiting: int = 0
    slowest_start_s: float = 0.0
    audit: str = ""
    states: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)


@dataclass
class Acknowledged:
    """What a member has read as kept."""

    person: Person
    answers: dict[int, str] = field(default_factory=dict)
    receipt: str | None = None


class People:
    """Members and secretaries with the page open: they ask again until they are answered."""

    def __init__(self, program: Program, seed: int) -> None:
        self._program = program
        self._random = random.Random(seed)
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._to_walk: deque[Person] = deque()
        self._to_open: deque[list[Person]] = deque()
        self._threads: list[threading.Thread] = []
        self.opened: list[list[Person]] = []
        self.acknowledged: dict[int, Acknowledged] = {}
        self.repeated = 0
        self.troubles: list[str] = []

    def begin(self) -> None:
        """Let the members walk, and the secretaries open what may_open allows them to."""
        self._threads = [threading.Thread(target=self._guarded, args=(self._open_next,))]
        self._threads += [threading.Thread(target=self._guarded, args=(self._walk_next,)) for _ in range(WALKERS)]
        for thread in self._threads:
            thread.start()

    def may_open(self, cell: list[Person]) -> None:
        """Let the secretary of a cell open its round."""
        self._to_open.append(cell)

    def finish(self) -> None:
        """Let everybody read the answer to what they have asked, and go."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _guarded(self, act: Any) -> None:
        try:
            with httpx.Client(timeout=10, verify=False) as client:
                while not self._over.is_set():
                    act(client)
        except Over:
            return
        except Exception as error:
            self.troubles.append(f"{type(error).__name__}: {error}")

    def _ask(self, client: httpx.Client, person: Person, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Send a request until it is answered; what is asked is the same each time."""
        url = f"http://127.0.0.1:{self._program.port}{path}"
        if self._over.is_set():
            raise Over
        while True:
            try:
                answer = client.post(url, json=body, headers={"Cookie": f"tusoi={person.token}"})
                if answer.status_code == 200:
                    # Read to its end: what was cut off was not acknowledged.
                    read: dict[str, Any] = answer.json()
                    return read
                if answer.status_code != 503:
                    raise AssertionError(f"{path} {body} was refused: {answer.status_code} {answer.text}")
            except httpx.TransportError:
                time.sleep(0.2)
            with self._lock:
                self.repeated += 1

    def _say(self, client: httpx.Client, person: Person, *, text: str = "", button: str = "") -> dict[str, Any]:
        said = {"id": secrets.token_hex(8), **({"button": button} if button else {"text": text})}
        message: dict[str, Any] = self._ask(client, person, "/api/messages", said)["messages"][-1]
        return message

    def _open_next(self, client: httpx.Client) -> None:
        if not self._to_open:
            time.sleep(0.02)
            return
        cell = self._to_open.popleft()
        asked = self._say(client, cell[0], text="mở kỳ")
        said = self._say(client, cell[0], button=button(asked, "Xác nhận mở kỳ"))
        assert "Đã mở kỳ" in words(said), words(said)
        with self._lock:
            self.opened.append(cell)
            self._to_walk.extend(cell)

    def _walk_next(self, client: httpx.Client) -> None:
        with self._lock:
            person = self._to_walk.popleft() if self._to_walk else None
            by_page = self._random.random() < 0.7
        if person is None:
            time.sleep(0.02)
            return
        kept = self.acknowledged[person.member_id] = Acknowledged(person)
        (self._on_the_page if by_page else self._in_the_chat)(client, kept)

    def _on_the_page(self, client: httpx.Client, kept: Acknowledged) -> None:
        page = self._ask(client, kept.person, "/api/pages/checklist", {"do": "look"})
        checklist, about = page["checklist"], {"round": page["round"]["id"]}

        def do(**command: Any) -> dict[str, Any]:
            shown = self._ask(client, kept.person, "/api/pages/checklist", {**about, **command})
            assert "refused" not in shown, shown["refused"]
            kept.answers = {int(n): given["answer"] for n, given in shown["round"]["answers"].items()}
            return shown

        for group in checklist["groups"]:
            do(do="show", group=group["number"])
            if self._random.random() < 0.5:
                do(do="group", group=group["number"])
            for item in group["items"]:
                # Those that were answered with their group change now and then, too.
                if item["number"] not in kept.answers or self._random.random() < 0.2:
                    answer = self._random.choice(_ANSWERS)
                    do(do="answer", item=item["number"], answer=answer)
                    assert kept.answers[item["number"]] == answer
        kept.receipt = receipt_in(do(do="submit")["round"]["receipt"])

    def _in_the_chat(self, client: httpx.Client, kept: Acknowledged) -> None:
        said = self._say(client, kept.person, text="tự đánh giá")
        said = self._say(client, kept.person, button=button(said, "Bắt đầu"))
        while not (confirm := [each["id"] for each in said["buttons"] if each["label"].startswith("Xác nhận nộp")]):
            wanted = "Cả nhóm" if any(each["label"].startswith("Cả nhóm") for each in said["buttons"]) else "Không có"
            said = self._say(client, kept.person, button=button(said, wanted))
        kept.receipt = receipt_in(words(self._say(client, kept.person, button=confirm[0])))
        kept.answers = dict.fromkeys(range(1, 20), ItemAnswer.NONE.value)


def button(message: dict[str, Any], label: str) -> str:
    """Return the id of the choice that begins so."""
    found = [each["id"] for each in message["buttons"] if each["label"].startswith(label)]
    assert found, f"{label!r} is none of {[each['label'] for each in message['buttons']]}: {words(message)}"
    choice: str = found[0]
    return choice


def words(message: dict[str, Any]) -> str:
    """Return what a message says."""
    return "\n".join(block["text"] for block in message["blocks"])


def receipt_in(said: str) -> str:
    """Return the number on a receipt."""
    found = _RECEIPT.search(said)
    assert found, f"no receipt: {said}"
    return found[1]


def kill_again_and_again(
    folder: Path, *, kills: int, seed: int, members: int = 12, life_s: float = 2.0, early: float = 0.1
) -> Tally:
    """Return what was counted over so many kills; each life a cell's round is opened, so that prompts go out.

    Args:
        members: of each cell.
        life_s: the program is killed at a random moment of so many seconds from its first answer on.
        early: the share of kills at a random moment of the two seconds from its start on, as a rule before that.
    """
    tally, chance = Tally(), random.Random(seed)
    program = Program(folder)
    cells = settle(program.config, cells=kills + 1, members=members)
    with telegram_server([person.chat_id for cell in cells for person in cell]) as telegram, ended(program):
        program.reach(telegram)
        people = People(program, seed)
        people.may_open(cells[0])
        people.begin()
        try:
            for cell in cells[1:]:
                _live(program, chance, tally, life_s, early)
                people.may_open(cell)
            _start(program, tally)
            _wait_for(lambda: len(people.opened) == len(cells))
        finally:
            people.finish()
        store = open_store(program.config)
        _wait_for(lambda: not _waiting(store), _waiting(store) / LIMITS["telegram"].per_second)
        tally.waiting = _waiting(store)
        if program.stop() != 0:
            tally.wrong.append("the program did not end well")
        tally.wrong += people.troubles
        tally.requests_repeated = people.repeated
        tally.rounds = len(people.opened)
        _compare_answers(store, people, tally)
        _compare_prompts(store, cells, telegram, tally)
        findings = list(check(program.config, now=datetime.now(UTC)))
        tally.audit = next(each.detail for each in findings if each.name == "audit")
        tally.wrong += [f"check {each.name}: {each.detail}" for each in findings if not each.ok]
    return tally


@contextmanager
def ended(program: Program) -> Iterator[None]:
    """See to it that the program does not outlive the test."""
    try:
        yield
    finally:
        program.kill()


def _start(program: Program, tally: Tally) -> None:
    began = time.monotonic()
    program.start()
    program.wait_until_ready()
    tally.slowest_start_s = max(tally.slowest_start_s, time.monotonic() - began)


def _live(program: Program, chance: random.Random, tally: Tally, life_s: float, early: float) -> None:
    """Start the program and kill it at a random moment, now and then before it is ready."""
    if chance.random() < early:
        program.start()
        time.sleep(chance.uniform(0.0, 2.0))
        tally.while_starting += not program.is_ready()
    else:
        _start(program, tally)
        time.sleep(chance.uniform(0.0, life_s))
    program.kill()
    tally.kills += 1


def _wait_for(condition: Callable[[], bool], more_s: float = 0.0) -> None:
    end = time.monotonic() + DRAINED_WITHIN_S + more_s
    while not condition() and time.monotonic() < end:
        time.sleep(0.1)


def _waiting(store: Store) -> int:
    with store.transaction() as transaction:
        counts = transaction.outbox.counts()
    return counts.get(DeliveryState.QUEUED, 0) + counts.get(DeliveryState.RETRY, 0)


def _compare_answers(store: Store, people: People, tally: Tally) -> None:
    for member_id, kept in people.acknowledged.items():
        with store.transaction() as transaction:
            [found] = transaction.rounds.of_cell(kept.person.cell_id)
            stored = transaction.rounds.answers(found.id, member_id)
            response = transaction.rounds.response(found.id, member_id)
        tally.answers += len(kept.answers)
        tally.lost_answers += sum(
            number not in stored or stored[number].answer.value != answer for number, answer in kept.answers.items()
        )
        if kept.receipt is not None:
            tally.receipts += 1
            is_kept = response is not None and response.is_submitted and response.receipt == kept.receipt
            tally.lost_receipts += not is_kept


def _compare_prompts(store: Store, cells: list[list[Person]], telegram: Telegram, tally: Tally) -> None:
    heard = Counter((chat_id, text) for _, chat_id, text in telegram.sends())
    times = Counter[int]()
    for (chat_id, _), count in heard.items():
        times[chat_id] = max(times[chat_id], count)
    tally.prompts = sum(heard.values())
    tally.second_prompts = sum(count - 1 for count in heard.values())
    with store.transaction() as transaction:
        # What was in flight at the last kills, as the program itself finds it when the leases have run out.
        transaction.outbox.give_up_lost(now=datetime.now(UTC) + LEASE)
        rows = [
            (person, delivery)
            for cell in cells
            for found in transaction.rounds.of_cell(cell[0].cell_id)
            for delivery in transaction.outbox.of_round(found.id)
            for person in cell
            if person.member_id == delivery.member_id
        ]
    tally.states = dict(Counter(delivery.state.value for _, delivery in rows))
    for person, delivery in rows:
        count = times[person.chat_id]
        if delivery.state is DeliveryState.UNKNOWN:
            tally.unknown += 1
            tally.unknown_heard += count > 0
            tally.second_of_unknown += max(0, count - 1)
        elif delivery.state is DeliveryState.SENT:
            tally.unheard += count == 0
        elif count:
            tally.wrong.append(f"a row marked {delivery.state.value} was heard")


def main() -> None:
    """Kill, count and print."""
    parser = argparse.ArgumentParser(description="Kills the program again and again and counts what was lost.")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report(kill_again_and_again(Path(folder), kills=options.kills, seed=options.seed))


def report(tally: Tally) -> None:
    """Print what was counted, as Markdown."""
    print("\n| what | counted |\n| --- | --- |")
    for what, figure in (
        ("kills, of these before the program answered", f"{tally.kills}, {tally.while_starting}"),
        ("slowest start", f"{tally.slowest_start_s:.1f} s"),
        ("rounds opened; requests repeated by people", f"{tally.rounds}; {tally.requests_repeated}"),
        ("answers acknowledged, lost", f"{tally.answers}, **{tally.lost_answers}**"),
        ("receipts acknowledged, lost", f"{tally.receipts}, **{tally.lost_receipts}**"),
        ("prompts that arrived", f"{tally.prompts}"),
        (
            "second prompts, of these rows marked unknown",
            f"**{tally.second_prompts}**, {tally.second_of_unknown}",
        ),
        ("rows marked unknown, of these heard", f"{tally.unknown}, {tally.unknown_heard}"),
        ("rows marked sent and not heard; rows still waiting", f"{tally.unheard}; {tally.waiting}"),
        ("rows by state", ", ".join(f"{state} {count}" for state, count in sorted(tally.states.items()))),
        ("audit log", tally.audit),
    ):
        print(f"| {what} | {figure} |")
    for wrong in tally.wrong:
        print(f"WRONG: {wrong}")


if __name__ == "__main__":
    main()
