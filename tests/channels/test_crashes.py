"""The program ends between any two steps of its work; the next one goes on, and nobody is told anything twice."""

import asyncio
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from bot import replies
from handlers.messages import IncomingMessage, Reply, say
from storage.database import open_database
from storage.replies import FLIGHT
from storage.store import Conversation, Store, Transaction
from tests.channels.mortal import IN_FLIGHT, STEPS, Life, MortalProgram, MortalStore
from tests.channels.program import Clock, Program, Told, until
from tests.servers.telegram import TelegramServer
from tests.storage.builders import a_vault, bring_up

AN, BINH = 1001, 1002
WRITTEN = ((AN, "một"), (BINH, "khác"), (AN, "hai"), (AN, "ba"))
EXPECTED = {AN: ["đã nghe: một", "đã nghe: hai", "đã nghe: ba"], BINH: ["đã nghe: khác"]}


def count_and_echo(message: IncomingMessage, _conversation: Conversation, transaction: Transaction) -> list[Reply]:
    """Answer, and leave a trace of it that shows whether it was done twice."""
    transaction.want_document(f"{message.chat_id}-{message.text}", now=message.sent_at)
    return [say(f"đã nghe: {message.text}")]


def a_mortal(path: Path, server: TelegramServer, life: Life, clock: Clock, *, polls: bool = False) -> MortalProgram:
    engine = open_database(f"sqlite:///{path}")
    bring_up(engine)
    return MortalProgram(MortalStore(engine, a_vault(), life), count_and_echo, life, server, clock, polls=polls)


async def go_on(path: Path, server: TelegramServer, clock: Clock, *, polls: bool = False) -> list[Told]:
    """Let another program, a while later, do what is left to do; return all that was to be said."""
    clock.later = 2 * FLIGHT
    store = Store(open_database(f"sqlite:///{path}"), a_vault())
    async with Program(store, count_and_echo, telegram=server, polls=polls, clock=clock).running() as program:
        await until(lambda: not server.waiting and program.seen.is_quiet())
        with store.transaction() as transaction:
            done = dict(transaction.wanted_documents())
        assert done == {f"{chat}-{text}": 1 for chat, text in WRITTEN}
        return program.seen.told()


def check(server: TelegramServer, told: list[Told], *, may_be_unknown: bool) -> int:
    """Insist that everybody was answered, in order and once, but for what is unknown; return how many are."""
    arrived = {chat: [entry["text"] for entry in server.sent(chat)] for chat in EXPECTED}
    for chat, expected in EXPECTED.items():
        of_chat = [each for each in told if each.chat_id == str(chat)]
        assert [each.text for each in of_chat] == expected
        sure = [each.text for each in of_chat if each.state == "sent"]
        unsure = {each.text for each in of_chat if each.state == "unknown"}
        assert len(sure) + len(unsure) == len(expected)
        assert [text for text in arrived[chat] if text not in unsure] == sure
        assert max(Counter(arrived[chat]).values(), default=0) <= 1
        assert arrived[chat] == [text for text in expected if text in arrived[chat]]
        # A chat has one answer in flight at a time.
        assert len(unsure) <= int(may_be_unknown)
    return sum(each.state == "unknown" for each in told)


@pytest.fixture(autouse=True)
def _same_clock(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    monkeypatch.setattr(replies, "datetime", clock.instead_of_datetime())


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.mark.parametrize(
    ("step", "after"), [(step, 0) for step in STEPS] + [(step, 2) for step in ("uncommitted answer", *IN_FLIGHT)]
)
async def test_after_a_crash_everybody_is_answered_once(
    step: str, after: int, tmp_path: Path, telegram: TelegramServer, clock: Clock
) -> None:
    life = Life(step, after=after)
    program = a_mortal(tmp_path / "chat.db", telegram, life, clock)
    await program.start()
    for chat, text in WRITTEN:
        await telegram.text(chat, text)
    # How often a step comes depends on how much is begun and noted together: it may not come so often.
    await until(lambda: life.is_over or (after > 0 and not telegram.waiting and program.seen.is_quiet()))
    was_killed_there = life.is_over
    program.end()
    await program.bury()
    told = await go_on(tmp_path / "chat.db", telegram, clock)
    # At its first time nobody is further on than this step; later another chat's answer may be in flight, as may be
    # the next one, which is begun where the one before is noted.
    may_be_unknown = step in IN_FLIGHT or step == "after note" or after > 0
    unknown = check(telegram, told, may_be_unknown=may_be_unknown)
    if step in IN_FLIGHT and was_killed_there:
        assert unknown >= 1


@pytest.mark.parametrize("step", ["before put", "uncommitted put", "after put"])
async def test_after_a_crash_what_was_fetched_and_not_confirmed_comes_again(
    step: str, tmp_path: Path, telegram: TelegramServer, clock: Clock
) -> None:
    life = Life(step)
    program = a_mortal(tmp_path / "chat.db", telegram, life, clock, polls=True)
    await program.start()
    for chat, text in WRITTEN:
        await telegram.text(chat, text)
    await until(lambda: life.is_over)
    await program.bury()
    assert telegram.waiting > 0
    check(telegram, await go_on(tmp_path / "chat.db", telegram, clock, polls=True), may_be_unknown=False)


# --- The same with a process that is really gone ------------------------------------------------------------------


def _die(path: Path, port: int, step: str) -> None:
    """Work in this process until it ends in the middle of a step."""

    async def work() -> None:
        server = TelegramServer()
        server.port = port
        program = a_mortal(path, server, Life(step, end=lambda: os._exit(9)), Clock())
        await program.start()
        await asyncio.Event().wait()

    asyncio.run(work())


def _in_a_child(act: Callable[[int], None]) -> Callable[[int], int]:
    """Begin a process that does something once it is told a number; return how to tell it, which gives its id."""
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            act(int.from_bytes(os.read(read_end, 2), "big"))
        finally:
            os._exit(1)

    def tell(number: int) -> int:
        os.write(write_end, number.to_bytes(2, "big"))
        os.close(write_end)
        os.close(read_end)
        return pid

    return tell


@pytest.mark.parametrize("step", ["uncommitted put", "uncommitted answer", "after request"])
def test_a_process_that_is_gone_leaves_no_more_than_its_commits(step: str, tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "chat.db"
    # Begun before anything here runs in threads.
    begin = _in_a_child(lambda port: _die(path, port, step))

    async def look_on() -> int:
        server = TelegramServer()
        server.backoff_s = 0.05
        await server.start()
        try:
            pid = begin(server.port)
            for chat, text in WRITTEN:
                await server.text(chat, text)
            _, status = await asyncio.to_thread(os.waitpid, pid, 0)
            assert os.waitstatus_to_exitcode(status) == 9
            return check(server, await go_on(path, server, clock), may_be_unknown=step in IN_FLIGHT)
        finally:
            await server.stop()

    unknown = asyncio.run(look_on())
    assert unknown == 0 if step not in IN_FLIGHT else unknown >= 1
