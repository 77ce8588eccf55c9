"""Kills the program again and again while people write to it on Telegram, whose webhook is posted until it is taken."""

import random
import sqlite3
import threading
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import update

from bot.app import open_store
from bot.config import Config
from storage.database import open_database, session
from storage.tables import IncomingUpdateRow, ReplyRow
from tests.soak.killing import ended
from tests.soak.outside import FIRST_CHAT, Platform, Program, Telegram, free_port, telegram_server

WAIT_S = 120.0


@dataclass(slots=True)
class Tally:
    """What was counted.

    Attributes:
        written: messages of people.
        answered: of these, so many answers stand in the chats.
        unknown: replies of which nobody can tell whether they arrived; unknown_arrived: of these, so many did.
        lost: messages without an answer that is not unknown.
        doubled: answers that came twice.
        out_of_order: chats in which answers came in another order than was written.
        wrong: whatever else should not be.
    """

    kills: int = 0
    written: int = 0
    answered: int = 0
    unknown: int = 0
    unknown_arrived: int = 0
    lost: int = 0
    doubled: int = 0
    out_of_order: int = 0
    states: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)


def kill_while_people_write(
    folder: Path, *, kills: int, seed: int, people: int = 12, life_s: float = 1.0, rate: float = 60.0
) -> Tally:
    """Return what was counted over so many kills.

    Args:
        life_s: the program is killed at a random moment of so many seconds from its first answer on.
        rate: so many messages a second, by all people together.
    """
    chats = [FIRST_CHAT + n for n in range(people)]
    chance, tally, over = random.Random(seed), Tally(), threading.Event()
    program = Program(folder)
    with telegram_server(chats) as telegram, ended(program):
        program.reach(telegram)
        posted_to = free_port()
        program.environment |= {
            "TUSOI_TELEGRAM__WEBHOOK": f"http://127.0.0.1:{posted_to}/telegram",
            "TUSOI_WEBHOOKS__PORT": str(posted_to),
        }
        open_store(program.config)
        written: dict[int, list[str]] = {chat: [] for chat in chats}
        writing = threading.Thread(target=_write, args=(telegram, written, over, rate, seed))
        program.start()
        program.wait_until_ready()
        writing.start()
        try:
            for _ in range(kills):
                time.sleep(chance.uniform(0.2, life_s))
                program.kill()
                tally.kills += 1
                let_leases_run_out(program.config)
                program.start()
                program.wait_until_ready()
        finally:
            over.set()
            writing.join()
        wait_until_quiet(telegram, program.config)
        if program.stop() != 0:
            tally.wrong.append("the program did not end well")
        _compare(telegram, program.config, written, tally)
    return tally


def _write(telegram: Telegram, written: dict[int, list[str]], over: threading.Event, rate: float, seed: int) -> None:
    chance = random.Random(seed)
    while not over.is_set():
        chat = chance.choice(list(written))
        # A command that nobody knows is told by its name: each answer says what it answers.
        text = f"/lenh{len(written[chat]) + 1}"
        telegram.ask("text", {"chat_id": chat, "text": text})
        written[chat].append(text)
        over.wait(chance.expovariate(rate))


def let_leases_run_out(config: Config) -> None:
    """Let what a killed program held be free at once, as it would be half a minute later."""
    engine = open_database(config.database_url)
    with session(engine) as opened:
        for row in (IncomingUpdateRow, ReplyRow):
            held = update(row).where(row.leased_until.is_not(None))
            opened.execute(held.values(leased_until=row.due_at))
    engine.dispose()


def replies_in(config: Config) -> list[tuple[str, str, str]]:
    """Return (chat, text, state) of all replies, in order."""
    path = config.database_url.removeprefix("sqlite:///")
    query = (
        "SELECT r.chat_id, json_extract(m.blocks, '$[0][1]'), r.state "
        "FROM replies r JOIN messages m ON m.id = r.message_id ORDER BY m.id"
    )
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as looking:
        return [(str(chat), str(text), str(state)) for chat, text, state in looking.execute(query)]


def wait_until_quiet(platform: Platform, config: Config) -> None:
    """Return when nothing waits to be handled or sent, and nothing at the platform.

    Raises:
        TimeoutError: something still does.
    """
    end = time.monotonic() + WAIT_S
    store = open_store(config)
    while time.monotonic() < end:
        with store.transaction() as transaction:
            oldest = transaction.inbox.oldest_waiting() or transaction.replies.oldest_unsent()
        if oldest is None and platform.ask("waiting") == 0:
            return
        time.sleep(0.1)
    raise TimeoutError("something still waits")


def _compare(telegram: Telegram, config: Config, written: dict[int, list[str]], tally: Tally) -> None:
    arrived: dict[int, list[str]] = {chat: [] for chat in written}
    for _, chat, text in telegram.sends():
        arrived[chat].append(text)
    replies = replies_in(config)
    tally.states = dict(Counter(state for _, _, state in replies))
    for chat, texts in written.items():
        told = [(text, state) for to, text, state in replies if to == str(chat)]
        tally.written += len(texts)
        tally.answered += len(set(arrived[chat]))
        tally.doubled += len(arrived[chat]) - len(set(arrived[chat]))
        if [text for text, _ in told] != sorted({text for text, _ in told}, key=[text for text, _ in told].index):
            tally.wrong.append(f"chat {chat}: something was answered twice")
        if len(told) != len(texts) or any(f"{said}" not in text for said, (text, _) in zip(texts, told, strict=False)):
            tally.wrong.append(f"chat {chat}: {len(texts)} messages, {len(told)} answers")
        places = [[text for text, _ in told].index(text) for text in arrived[chat]]
        tally.out_of_order += places != sorted(places)
        for text, state in told:
            has_arrived = text in arrived[chat]
            tally.unknown += state == "unknown"
            tally.unknown_arrived += state == "unknown" and has_arrived
            tally.lost += state != "unknown" and not has_arrived
