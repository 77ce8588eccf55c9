"""Measures the whole Telegram path under load: `make bench-channels`.

Updates are posted to the program's webhook at rising rates, as Telegram would; its answers arrive at a server of ours
that refuses what the real one refuses. Both and whoever posts run on this machine. Prints Markdown for docs/figures.md.
"""

import argparse
import asyncio
import hashlib
import hmac
import itertools
import json
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.assessment import Memory
from benchmarks.machine import describe
from bot.app import open_store
from storage.inbox import ASIDE, WAITING
from storage.outbox import DeliveryState
from storage.replies import ReplyState
from storage.store import Store
from tests.servers.telegram import TelegramServer
from tests.soak.outside import Person, Program, Telegram, free_port, settle

PROJECT = Path(__file__).parent.parent
QUESTIONS = PROJECT / "tests" / "retrieval" / "questions.jsonl"
RATES = (25, 50, 75, 100, 125)
STRANGERS = 2000
AIM_PER_S, AIM_MS = 100, 250


@dataclass(slots=True)
class Load:
    """What was posted and what came back.

    Attributes:
        times_ms: from the moment an update was to be posted to the moment at which its answer had arrived.
    """

    posted: int = 0
    refused: int = 0
    began: float = 0.0
    ended: float = 0.0
    times_ms: list[float] = field(default_factory=list)


class Watched(TelegramServer):
    """A Telegram server that says when an answer has arrived."""

    def __init__(self) -> None:
        super().__init__()
        self.awaited: dict[int, asyncio.Future[dict[str, Any]]] = {}

    def open_tap(self, chat_id: int) -> str:
        """Return the id of a tap that the bot is to acknowledge."""
        query_id = str(self._new_id())
        self._open_taps[query_id] = (chat_id, self.clock.now())
        return query_id

    async def _do_sendmessage(self, parameters: dict[str, Any]) -> dict[str, Any]:
        return self._arrived(await super()._do_sendmessage(parameters))

    async def _do_editmessagetext(self, parameters: dict[str, Any]) -> dict[str, Any]:
        return self._arrived(await super()._do_editmessagetext(parameters))

    def _arrived(self, message: dict[str, Any]) -> dict[str, Any]:
        waiting = self.awaited.pop(message["chat"]["id"], None)
        if waiting is not None and not waiting.done():
            waiting.set_result(message)
        return message


class Poster:
    """Posts updates to the webhook and waits for their answers."""

    def __init__(self, server: Watched, url: str, secret: str, http: aiohttp.ClientSession) -> None:
        self._server, self._url, self._secret, self._http = server, url, secret, http
        self._ids = itertools.count(1)

    async def text(self, chat_id: int, text: str, load: Load, *, due: float | None = None) -> dict[str, Any]:
        """Post what a person writes; return the message that answers."""
        person = {"id": chat_id, "is_bot": False, "first_name": "An"}
        chat = {"id": chat_id, "type": "private", "first_name": "An"}
        message = {"message_id": next(self._ids), "date": int(time.time()), "chat": chat, "from": person, "text": text}
        return await self._post(chat_id, {"message": message}, load, due)

    async def tap(self, chat_id: int, on: dict[str, Any], data: str, load: Load) -> dict[str, Any]:
        """Post a tap on a button; return the message that answers, or that has taken the place of the other."""
        query_id = self._server.open_tap(chat_id)
        person = {"id": chat_id, "is_bot": False, "first_name": "An"}
        query = {"id": query_id, "from": person, "chat_instance": str(chat_id), "message": on, "data": data}
        return await self._post(chat_id, {"callback_query": query}, load, None)

    async def _post(self, chat_id: int, update: dict[str, Any], load: Load, due: float | None) -> dict[str, Any]:
        answer = self._server.awaited[chat_id] = asyncio.get_running_loop().create_future()
        began = time.perf_counter() if due is None else due
        load.posted += 1
        body = json.dumps({"update_id": next(self._ids), **update})
        headers = {"X-Telegram-Bot-Api-Secret-Token": self._secret, "Content-Type": "application/json"}
        async with self._http.post(self._url, data=body, headers=headers) as response:
            load.refused += response.status != 200
            await response.read()
        message: dict[str, Any] = await answer
        load.times_ms.append((time.perf_counter() - began) * 1000)
        return message


async def ask(
    poster: Poster, questions: Sequence[str], rate: int, seconds: float, chats: "itertools.cycle[int]"
) -> Load:
    """Let people ask at an even rate, whether they are answered or not; return when the last answer has arrived."""
    load, asking = Load(began=time.perf_counter()), []
    for number in range(int(rate * seconds)):
        due = load.began + number / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        question = questions[number % len(questions)]
        asking.append(asyncio.create_task(poster.text(next(chats), question, load, due=due)))
    async with asyncio.timeout(120):
        await asyncio.gather(*asking)
    load.ended = time.perf_counter()
    return load


def button(message: dict[str, Any], *words: str) -> str:
    """Return what the button means that has the first of some words on it."""
    shown = [each for row in message["reply_markup"]["inline_keyboard"] for each in row if "callback_data" in each]
    found: str = next(each["callback_data"] for word in words for each in shown if word in each["text"])
    return found


async def go_through(poster: Poster, person: Person, load: Load) -> None:
    """Let a member with nothing to report go through the checklist, as fast as it answers, to the receipt."""
    said = await poster.text(person.chat_id, "tự đánh giá", load)
    for _ in range(60):
        if "Đã ghi nhận" in said["text"]:
            return
        data = button(said, "Cả nhóm", "Không có biểu hiện", "Xác nhận", "Bắt đầu")
        said = await poster.tap(person.chat_id, said, data, load)
    raise RuntimeError(f"no receipt: {said['text'][:200]}")


def wait_until_announced(store: Store) -> None:
    """Return when no message to several is on its way any more."""
    waiting = {DeliveryState.QUEUED, DeliveryState.SENDING, DeliveryState.RETRY}
    while True:
        with store.transaction() as transaction:
            counts = transaction.outbox.counts()
        if counts and waiting.isdisjoint(counts):
            return
        time.sleep(0.5)


def lost(store: Store) -> dict[str, int]:
    """Return what was not handled, not sent, or cannot be told of."""
    with store.transaction() as transaction:
        inbox, replies = transaction.inbox.counts(), transaction.replies.counts()
    left = {name: inbox[name] for name in (WAITING, ASIDE) if inbox.get(name)}
    return left | {state.value: count for state, count in replies.items() if state is not ReplyState.SENT}


def row(name: str, load: Load, memory_mib: float) -> str:
    """Return a line of the table."""
    cuts = statistics.quantiles(load.times_ms, n=100)
    rate = len(load.times_ms) / (load.ended - load.began)
    cells = (name, f"{load.posted}", f"{rate:.1f}", f"{cuts[49]:.0f}", f"{cuts[94]:.0f}", f"{cuts[98]:.0f}")
    return "| " + " | ".join((*cells, f"{load.refused}", f"{memory_mib:.0f}")) + " |"


async def measure(rates: Sequence[int], seconds: float, members: int, processes: int) -> None:
    """Run it and print the table."""
    random.seed(20261126)
    questions = [json.loads(line)["text"] for line in QUESTIONS.read_text(encoding="utf-8").splitlines()]
    random.shuffle(questions)
    server = Watched()
    await server.start()
    with tempfile.TemporaryDirectory() as folder:
        program, port = Program(Path(folder), Telegram(server.port, server.token)), free_port()
        program.environment |= {
            "TUSOI_TELEGRAM__WEBHOOK": "https://tusoi.example.vn/telegram",
            "TUSOI_WEBHOOKS__PORT": str(port),
            "TUSOI_TALK__PROCESSES": str(processes),
        }
        [people] = settle(program.config, cells=1, members=members)
        strangers = range(1, STRANGERS + 1)
        server.meet([*strangers, *(person.chat_id for person in people)])
        program.start()
        await asyncio.to_thread(program.wait_until_ready)
        memory = Memory(program.pid)
        memory.start()
        secret = hmac.new(server.token.encode(), b"webhook", hashlib.sha256).hexdigest()
        connector = aiohttp.TCPConnector(limit=64)
        async with aiohttp.ClientSession(connector=connector) as http:
            poster = Poster(server, f"http://127.0.0.1:{port}/telegram", secret, http)
            chats = itertools.cycle(strangers)
            await ask(poster, questions, 10, 5, chats)
            print(f"{describe()}\n")
            print("| load | updates | answers a second | p50 ms | p95 ms | p99 ms | refused | MiB |")
            print("| --- | --: | --: | --: | --: | --: | --: | --: |")
            for rate in rates:
                load = await ask(poster, questions, rate, seconds, chats)
                print(row(f"{rate} questions a second", load, memory.now_mib()), flush=True)
            asked = await poster.text(people[0].chat_id, "mở kỳ", Load())
            await poster.tap(people[0].chat_id, asked, button(asked, "Xác nhận"), Load())
            # The round is announced to everybody; what comes after that is an answer.
            await asyncio.to_thread(wait_until_announced, open_store(program.config))
            load = Load(began=time.perf_counter())
            await asyncio.gather(*(go_through(poster, person, load) for person in people))
            load.ended = time.perf_counter()
            print(row(f"taps of {members} members through the checklist at once", load, memory.now_mib()))
        memory.end()
        await asyncio.to_thread(program.stop)
        print(f"\nLost: {lost(open_store(program.config)) or 'nothing'}; most memory {memory.most_mib:.0f} MiB.")
    await server.stop()


def main() -> None:
    """Measure with the rates that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rates", type=int, nargs="+", default=list(RATES))
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--members", type=int, default=40)
    parser.add_argument("--processes", type=int, default=0, help="that answer beside the program")
    options = parser.parse_args()
    asyncio.run(measure(options.rates, options.seconds, options.members, options.processes))


if __name__ == "__main__":
    main()
