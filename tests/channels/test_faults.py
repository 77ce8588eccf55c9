"""People write and tap while Telegram does whatever it may do, and the program stops, crashes and starts again.

Nothing is lost: what somebody said has its answer in the chat, or its reply is shown as failed because the chat was
closed to us, or as unknown. Nothing is doubled but what is shown as unknown.
"""

import asyncio
import tempfile
from collections import Counter
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from bot import replies
from bot.channels import telegram_api
from handlers.messages import Button, IncomingMessage, Reply, say
from storage.database import open_database
from storage.replies import FLIGHT
from storage.store import Conversation, Transaction
from tests.channels.mortal import STEPS, Life, MortalProgram, MortalStore
from tests.channels.program import Clock, Onlooker, Told, until
from tests.servers.telegram import TelegramServer
from tests.storage.builders import a_vault, bring_up

CHATS = (1001, 1002, 1003)
READ_TIMEOUT_S, HANG_S, RETRY_AFTER_S = 0.15, 0.3, 0.05
FAULTS: dict[str, dict[str, Any]] = {
    "asks to wait": {"code": 429, "retry_after_s": RETRY_AFTER_S},
    "error": {"code": 500},
    "bad gateway": {"code": 502},
    "late": {"hang_s": HANG_S},
    "never": {"hang_s": HANG_S, "is_lost": True},
    "torn": {"cut": True},
    "torn and lost": {"cut": True, "is_lost": True},
}
CLOCK = Clock()
# What has become of all replies.
SEEN: Counter[str] = Counter()


def answer(message: IncomingMessage, _conversation: Conversation, _transaction: Transaction) -> list[Reply]:
    """Say which update it was; what was tapped may be changed in its place."""
    said = say(f"{message.external_id}.", Button("Nữa", "more", ""))
    return [replace(said, may_replace=message.button_id is not None)]


class Chats(RuleBasedStateMachine):
    """A few chats, the platform and the program."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "chat.db"
        bring_up(open_database(f"sqlite:///{self.path}"))
        self.server = TelegramServer()
        self.server.backoff_s = 0.02
        self.server.record()
        self.program: MortalProgram | None = None
        # Update ids, in the order they were written.
        self.said: dict[int, list[int]] = {chat: [] for chat in CHATS}
        self.has_blocked: set[int] = set()
        self.stops = 0

    def do(self, what: Coroutine[Any, Any, Any]) -> Any:
        """Let something happen, and the program go on for a moment."""

        async def act() -> Any:
            done = await what
            await asyncio.sleep(0.002)
            return done

        return self.loop.run_until_complete(act())

    @initialize()
    def begin(self) -> None:
        self.do(self.server.start())
        self.start()

    # --- people ---------------------------------------------------------------------------------------------------

    @rule(chats=st.lists(st.sampled_from(CHATS), min_size=2, max_size=8))
    def write(self, chats: list[int]) -> None:
        for chat in chats:
            self.said[chat].append(self.do(self.server.text(chat, "Hỏi.")))

    @rule(chat=st.sampled_from(CHATS))
    def tap(self, chat: int) -> None:
        shown = [entry["reply_markup"] for entry in self.server.transcripts[chat] if entry.get("reply_markup")]
        if shown:
            data = shown[-1]["inline_keyboard"][0][0]["callback_data"]
            try:
                self.said[chat].append(self.do(self.server.tap(chat, data)))
            except LookupError:
                # It stands there no more: another one is shown in its place.
                return

    @rule(chat=st.sampled_from(CHATS))
    def block(self, chat: int) -> None:
        self.has_blocked.add(chat)
        self.do(self.server.block(chat))

    @rule(chat=st.sampled_from(CHATS))
    def unblock(self, chat: int) -> None:
        self.do(self.server.unblock(chat))

    # --- the platform ---------------------------------------------------------------------------------------------

    @rule(
        kind=st.sampled_from(sorted(FAULTS)),
        method=st.sampled_from(["sendMessage", "sendMessage", "editMessageText", "*"]),
        chat=st.sampled_from([None, *CHATS]),
        times=st.integers(1, 3),
    )
    def fail(self, kind: str, method: str, chat: int | None, times: int) -> None:
        self.server.fault(method, chat_id=chat, times=times, **FAULTS[kind])

    @precondition(lambda self: self.program is not None)
    @rule(which=st.integers(0, 10**6))
    def post_again(self, which: int) -> None:
        posted = [exchange["body"] for exchange in self.server.exchanges if "webhook" in exchange]
        if posted:
            self.do(self._post(posted[which % len(posted)]))

    async def _post(self, update: dict[str, Any]) -> None:
        self.server._post(update)

    # --- the program ----------------------------------------------------------------------------------------------

    @rule()
    def let_it_work(self) -> None:
        self.do(asyncio.sleep(0.02))

    # A start takes as long as ten other steps.
    @precondition(lambda self: self.program is not None and self.stops < 2)
    @rule()
    def stop(self) -> None:
        assert self.program is not None
        self.stops += 1
        self.do(self.program.stop())
        self.program = None

    @precondition(lambda self: self.program is not None and self.stops < 2)
    @rule(step=st.sampled_from(STEPS), chat=st.sampled_from(CHATS))
    def crash(self, step: str, chat: int) -> None:
        """Let the program end at a step that the next message leads to, or else where it is."""
        assert self.program is not None
        self.stops += 1
        self.program.life.ends_at(step)
        self.write([chat])
        self.do(self._pass_until_over(self.program.life))
        self.program.end()
        self.do(self.program.bury())
        # Nobody takes over what a program holds before it must be gone.
        CLOCK.later += 2 * FLIGHT
        self.program = None

    async def _pass_until_over(self, life: Life) -> None:
        for _ in range(50):
            if life.is_over:
                return
            await asyncio.sleep(0.005)

    @precondition(lambda self: self.program is None)
    @rule()
    def start(self) -> None:
        store = MortalStore(open_database(f"sqlite:///{self.path}"), a_vault(), life := Life())
        self.program = MortalProgram(store, answer, life, self.server, CLOCK)
        self.do(self.program.start())

    # --- and in the end -------------------------------------------------------------------------------------------

    def teardown(self) -> None:
        try:
            self.server.mend()
            if self.program is None:
                self.start()
            assert self.program is not None
            seen = self.program.seen
            self.do(until(lambda: not self.server.waiting and seen.is_quiet(), 20))
            self.check(seen)
            self.do(self.program.stop())
        finally:
            self.do(self.server.stop())
            self.loop.close()
            self.folder.cleanup()

    def check(self, seen: Onlooker) -> None:
        told = seen.told()
        SEEN.update(each.state for each in told)
        assert set(seen.updates()) <= {"done"}
        for chat, updates in self.said.items():
            answers = [each for each in told if each.chat_id == str(chat)]
            assert [each.text for each in answers] == [f"u{number}." for number in updates], "answered in order, once"
            arrived = self.arrived(chat)
            assert list(arrived) == sorted(arrived, key=lambda text: int(text[1:-1])), "sent in order"
            for each in answers:
                self.check_answer(chat, each, arrived[each.text])

    def check_answer(self, chat: int, told: Told, count: int) -> None:
        match told.state:
            case "sent":
                assert count == 1
            case "unknown":
                assert count <= 1
            case "failed":
                assert chat in self.has_blocked
                assert "blocked" in told.reason or "closed" in told.reason
                assert count == 0
            case _:
                raise AssertionError(told)

    def arrived(self, chat: int) -> Counter[str]:
        """Return how often each answer came to stand in a chat, in order."""
        entries = self.server.transcripts[chat]
        return Counter(e["text"] for e in entries if e["method"] in ("sendMessage", "editMessageText"))


def test_whatever_telegram_does_nothing_is_lost_and_nothing_doubled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telegram_api, "READ_TIMEOUT_S", READ_TIMEOUT_S)
    monkeypatch.setattr(replies, "LONGEST_RETRY_S", RETRY_AFTER_S)
    monkeypatch.setattr(replies, "datetime", CLOCK.instead_of_datetime())
    SEEN.clear()
    run_state_machine_as_test(
        Chats,
        settings=settings(
            max_examples=12,
            stateful_step_count=30,
            deadline=None,
            derandomize=True,
            database=None,
            # What happens depends on the machine, too: a smaller example need not show it again.
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
    # A test in which nothing ever went wrong would show nothing.
    assert min(SEEN["sent"], SEEN["unknown"], SEEN["failed"]) >= 3, SEEN
