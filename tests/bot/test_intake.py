"""From an update to an answer, with a real database, a platform in memory and handlers that have learnt their lines."""

import asyncio
import contextlib
import logging
import secrets
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot import intake as intake_module
from bot import replies as replies_module
from bot.channels.base import DeliveryError, RawUpdate
from bot.floods import Floods
from bot.gateway import Gateway, Handler
from bot.intake import UpdateIntake
from bot.poke import Pokes, poke
from bot.replies import ReplySender
from handlers import texts
from handlers.messages import Button, IncomingMessage, Reply, say
from storage.database import open_database
from storage.replies import FLIGHT, ReplyState
from storage.store import Conversation, Store, StoredMessage, Transaction
from tests.bot.messengers import Pretend, a_tap, a_text
from tests.storage.builders import a_vault, bring_up


@pytest.fixture
def store(tmp_path: Path) -> Store:
    engine = open_database(f"sqlite:///{tmp_path / 'chat.db'}")
    bring_up(engine)
    return Store(engine, a_vault())


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake_module, "TRY_AGAIN_AFTER_S", (0.0, 0.0))
    monkeypatch.setattr(intake_module, "LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(replies_module, "LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(replies_module, "RETRY_AFTER_S", 0.01)


def echo(message: IncomingMessage, _conversation: Conversation, _transaction: Transaction) -> list[Reply]:
    return [say(f"đã nghe: {message.text}")]


class Talk:
    """The program without its channels."""

    def __init__(self, store: Store, handler: Handler, platform: Pretend, floods: Floods | None = None) -> None:
        worker, executor = secrets.token_hex(4), ThreadPoolExecutor(4)
        self.platform = platform
        self.sender = ReplySender(store, {"telegram": platform}, worker, executor)
        gateway = Gateway(store, handler, floods=floods)
        self.intake = UpdateIntake(store, gateway, {"telegram": platform}, self.sender, worker, executor)

    async def take(self, *updates: RawUpdate) -> None:
        await self.intake.take("telegram", updates)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Talk"]:
        tasks = [asyncio.create_task(self.sender.run()), asyncio.create_task(self.intake.run())]
        try:
            yield self
        finally:
            for task in reversed(tasks):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task


async def until(is_so: Callable[[], object], seconds: float = 30.0) -> None:
    async with asyncio.timeout(seconds):
        while not is_so():
            await asyncio.sleep(0.005)


def states(store: Store) -> dict[ReplyState, int]:
    with store.transaction() as transaction:
        return transaction.replies.counts()


def inbox(store: Store) -> dict[str, int]:
    with store.transaction() as transaction:
        return transaction.inbox.counts()


# --- Kept, handled, sent --------------------------------------------------------------------------------------


async def test_an_update_is_answered_and_nothing_of_it_waits(store: Store) -> None:
    async with Talk(store, echo, Pretend()).running() as talk:
        await talk.take(a_text("u1", "7", "xin chào"))
        await until(lambda: states(store) == {ReplyState.SENT: 1})
    assert talk.platform.sent == [("7", "đã nghe: xin chào", None)]
    assert talk.platform.acknowledged == ["u1"]
    assert inbox(store) == {}


async def test_a_repeat_changes_nothing_before_and_after_it_was_handled(store: Store) -> None:
    async with Talk(store, echo, Pretend()).running() as talk:
        await asyncio.gather(*(talk.take(a_text("u1", "7", "một")) for _ in range(5)))
        await until(lambda: states(store) == {ReplyState.SENT: 1})
        await talk.take(a_text("u1", "7", "một"), a_text("u2", "7", "hai"))
        await until(lambda: len(talk.platform.sent) == 2)
    assert talk.platform.texts("7") == ["đã nghe: một", "đã nghe: hai"]


async def test_each_of_fifty_chats_is_answered_in_order_side_by_side(store: Store) -> None:
    together, most = 0, 0
    lock = threading.Lock()

    def slow(message: IncomingMessage, _conversation: Conversation, _transaction: Transaction) -> list[Reply]:
        return [say(message.text)]

    class Slow(Pretend):
        async def acknowledge(self, _body: dict[str, object]) -> None:
            nonlocal together, most
            with lock:
                together += 1
                most = max(most, together)
            await asyncio.sleep(0.02)
            together -= 1

    chats, each = [str(n) for n in range(50)], 6
    async with Talk(store, slow, Slow()).running() as talk:
        for n in range(each):
            await asyncio.gather(*(talk.take(a_text(f"u{chat}-{n}", chat, str(n))) for chat in chats))
        await until(lambda: states(store) == {ReplyState.SENT: 50 * each})
    assert {chat: talk.platform.texts(chat) for chat in chats} == {
        chat: [str(n) for n in range(each)] for chat in chats
    }
    assert most > 10


async def test_what_a_slow_answer_works_on_is_shown(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake_module, "SLOW_AFTER_S", 0.02)

    def slow(message: IncomingMessage, _conversation: Conversation, _transaction: Transaction) -> list[Reply]:
        time.sleep(0.2 if message.text == "chậm" else 0.0)
        return [say("xong")]

    async with Talk(store, slow, Pretend()).running() as talk:
        await talk.take(a_text("u1", "7", "chậm"))
        await until(lambda: talk.platform.sent)
    assert talk.platform.working == ["7"]


async def test_a_fixed_answer_is_said_and_kept_nowhere(store: Store) -> None:
    async with Talk(store, echo, Pretend()).running() as talk:
        await talk.take(RawUpdate("u1", "7", {"chat": "7", "fixed": "xin nhắn riêng"}))
        await talk.take(RawUpdate("u2", "7", {"nothing": True}))
        await until(lambda: inbox(store) == {} and talk.platform.said)
    assert talk.platform.said == [("7", "xin nhắn riêng")]
    with store.transaction() as transaction:
        assert transaction.find_conversation("telegram", "7") is None


async def test_a_next_question_takes_the_place_of_the_one_that_was_tapped_last(store: Store) -> None:
    def ask(message: IncomingMessage, _conversation: Conversation, _transaction: Transaction) -> list[Reply]:
        asked = say(f"câu {message.external_id}", Button("Không", "next", ""))
        return [replace(asked, may_replace=message.text != "một")]

    async with Talk(store, ask, Pretend()).running() as talk:
        await talk.take(a_text("u1", "7", "một"))
        await until(lambda: states(store) == {ReplyState.SENT: 1})
        first = talk.platform.buttons["7"][0]
        await talk.take(a_tap("u2", "7", first))
        await until(lambda: states(store) == {ReplyState.SENT: 2})
        second = talk.platform.buttons["7"][0]
        # Now one that stands further up: nobody would see it change there.
        await talk.take(a_tap("u3", "7", first))
        await until(lambda: states(store) == {ReplyState.SENT: 3})
        await talk.take(a_tap("u4", "8", second))
        await until(lambda: states(store) == {ReplyState.SENT: 4})
    assert talk.platform.sent == [
        ("7", "câu u1", None),
        ("7", "câu u2", "1001"),
        ("7", "câu u3", None),
        ("8", "câu u4", None),
    ]


async def test_half_a_surrogate_pair_harms_nothing(store: Store) -> None:
    async with Talk(store, echo, Pretend()).running() as talk:
        await talk.take(a_text("u1", "7", "nửa \ud83d thôi"))
        await until(lambda: talk.platform.sent)
    assert talk.platform.texts("7") == ["đã nghe: nửa \ufffd thôi"]


# --- What goes wrong ------------------------------------------------------------------------------------------


async def test_what_cannot_be_handled_is_tried_three_times_then_put_aside_and_the_chat_goes_on(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    tries: list[str] = []

    def trips(message: IncomingMessage, conversation: Conversation, transaction: Transaction) -> list[Reply]:
        tries.append(message.text)
        if message.text == "độc":
            raise RuntimeError(message.text)
        return echo(message, conversation, transaction)

    async with Talk(store, trips, Pretend()).running() as talk:
        await talk.take(a_text("u1", "7", "độc"), a_text("u2", "7", "lành"), a_text("u3", "8", "khác"))
        await until(lambda: len(talk.platform.sent) == 2)
        await until(lambda: inbox(store) == {"aside": 1})
    assert tries.count("độc") == 3
    assert talk.platform.texts("7") == ["đã nghe: lành"]
    [(chat, said)] = talk.platform.said
    assert chat == "7"
    assert said.startswith(texts.server_error("").partition("(mã")[0])
    assert "độc" not in caplog.text
    with store.transaction() as transaction:
        [aside] = transaction.inbox.aside()
        assert aside.reason is not None
        assert aside.reason.startswith("RuntimeError")


async def test_what_is_no_update_at_all_is_put_aside(store: Store) -> None:
    async with Talk(store, echo, Pretend()).running() as talk:
        await talk.take(RawUpdate("u1", "", {"lạ": 1}))
        await until(lambda: inbox(store) == {"aside": 1})
    assert talk.platform.said == []


async def test_a_handler_that_trips_once_is_asked_again(store: Store) -> None:
    tries = 0

    def trips_once(message: IncomingMessage, conversation: Conversation, transaction: Transaction) -> list[Reply]:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise OSError("disk")
        return echo(message, conversation, transaction)

    async with Talk(store, trips_once, Pretend()).running() as talk:
        await talk.take(a_text("u1", "7", "một"), a_text("u2", "7", "hai"))
        await until(lambda: len(talk.platform.sent) == 2)
    assert talk.platform.texts("7") == ["đã nghe: một", "đã nghe: hai"]
    assert inbox(store) == {}


async def test_a_flood_is_told_once_and_others_are_answered(store: Store) -> None:
    talk = Talk(store, echo, Pretend(), Floods(at_once=3, per_second=0.001))
    async with talk.running():
        await talk.take(*(a_text(f"u{n}", "7", str(n)) for n in range(10)), a_text("v", "8", "khác"))
        await until(lambda: inbox(store) == {})
        await until(lambda: states(store) == {ReplyState.SENT: 4})
    assert talk.platform.texts("7") == ["đã nghe: 0", "đã nghe: 1", "đã nghe: 2"]
    assert talk.platform.texts("8") == ["đã nghe: khác"]
    assert talk.platform.said == [("7", texts.TOO_FAST)]


async def test_a_database_that_refuses_lets_nothing_be_confirmed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    talk = Talk(store, echo, Pretend())

    def refuse(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(talk.intake, "_put", refuse)
    with pytest.raises(OSError, match="disk full"):
        await talk.take(a_text("u1", "7", "một"))
    assert inbox(store) == {}


async def test_a_huge_update_is_taken_note_of_and_not_answered(store: Store) -> None:
    async with Talk(store, echo, Pretend()).running() as talk:
        await talk.take(RawUpdate("u1", "7", {"id": "u1", "chat": "7", "text": "a" * 300_000}))
        await until(lambda: inbox(store) == {})
    assert talk.platform.sent == []


async def test_what_another_process_takes_in_is_answered_here_at_once(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake_module, "LOOK_EVERY_S", 60.0)
    path = tmp_path / "inbox.sock"
    path.write_text("left by a program that crashed")
    executor = ThreadPoolExecutor(1)
    taking = UpdateIntake(
        store,
        Gateway(store, echo),
        {},
        ReplySender(store, {}, "other", executor),
        "other",
        executor,
        on_kept=lambda: poke(path),
    )
    async with Talk(store, echo, Pretend()).running() as talk:
        pokes = Pokes(path, talk.intake.look_now)
        await pokes.open()
        # The first look, right at the start, is over.
        await asyncio.sleep(0.2)
        await taking.take("telegram", [a_text("u1", "7", "một")])
        await until(lambda: talk.platform.sent)
        await pokes.close()
    assert talk.platform.texts("7") == ["đã nghe: một"]
    assert not path.exists()
    # Nobody listens any more: that harms nothing.
    await taking.take("telegram", [a_text("u2", "7", "hai")])
    assert inbox(store) == {"waiting": 1}


async def test_without_a_socket_it_looks_by_itself(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pokes = Pokes(tmp_path / ("a" * 120), lambda: None)
    await pokes.open()
    await pokes.close()
    assert "too long for a socket" in caplog.text


# --- Crashes --------------------------------------------------------------------------------------------------


async def test_what_was_kept_and_not_handled_is_answered_by_the_next_program(store: Store) -> None:
    before = Talk(store, echo, Pretend())
    before.intake._stopping = True  # it ends right after it has kept the update
    await before.take(a_text("u1", "7", "một"), a_text("u2", "7", "hai"))
    assert inbox(store) == {"waiting": 2}
    async with Talk(store, echo, Pretend()).running() as after:
        await until(lambda: states(store) == {ReplyState.SENT: 2})
    assert after.platform.texts("7") == ["đã nghe: một", "đã nghe: hai"]


async def test_what_was_answered_and_not_begun_to_be_sent_is_sent_by_the_next_program(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Talk(store, echo, Pretend())
    monkeypatch.setattr(before.sender, "send", lambda _replies: None)  # it ends right after the answer is kept
    async with before.running():
        await before.take(a_text("u1", "7", "một"))
        await until(lambda: states(store) == {ReplyState.WAITING: 1})
    async with Talk(store, echo, Pretend()).running() as after:
        await until(lambda: states(store) == {ReplyState.SENT: 1})
    assert after.platform.texts("7") == ["đã nghe: một"]
    assert before.platform.sent == []


async def test_what_was_begun_and_not_noted_is_unknown_and_not_sent_again(store: Store) -> None:
    before = datetime.now(UTC) - FLIGHT
    with store.transaction() as transaction:
        conversation = transaction.conversation("telegram", "7", now=datetime.now(UTC))
        message = transaction.add_reply(conversation.id, [("text", "một")], [], in_reply_to=None, now=datetime.now(UTC))
        transaction.replies.queue(message.id, "telegram", "7", worker="gone", now=datetime.now(UTC))
        transaction.replies.begin([message.id], "gone", now=before)
    async with Talk(store, echo, Pretend()).running() as after:
        await after.take(a_text("u2", "7", "hai"))
        await until(lambda: states(store) == {ReplyState.UNKNOWN: 1, ReplyState.SENT: 1})
    assert after.platform.texts("7") == ["đã nghe: hai"]


# --- Refusals of the platform -----------------------------------------------------------------------------------


async def refused(store: Store, error: DeliveryError, *, times: int = 1) -> Pretend:
    """Let the first answers be refused; return the platform after a second update was handled, too."""
    left = times

    def refuse(_chat: str, text: str) -> DeliveryError | None:
        nonlocal left
        if "một" not in text or left == 0:
            return None
        left -= 1
        return error

    platform = Pretend()
    platform.refuse = refuse
    async with Talk(store, echo, platform).running() as talk:
        await talk.take(a_text("u1", "7", "một"))
        await until(lambda: left == 0)
        await talk.take(a_text("u2", "7", "hai"))
        await until(
            lambda: not ({ReplyState.WAITING, ReplyState.SENDING} & states(store).keys()) and inbox(store) == {}
        )
    return platform


async def test_what_surely_did_not_arrive_is_sent_again_before_what_follows(store: Store) -> None:
    platform = await refused(store, DeliveryError("no network", permanent=False), times=3)
    assert platform.texts("7") == ["đã nghe: một", "đã nghe: hai"]


async def test_what_arrived_in_part_goes_on_after_that_part(store: Store) -> None:
    platform = await refused(store, DeliveryError("no network", permanent=False, parts_sent=2))
    assert platform.parts == [2, 0]


async def test_what_may_have_arrived_is_not_sent_again(store: Store) -> None:
    platform = await refused(store, DeliveryError("timed out", permanent=False, maybe_delivered=True))
    assert platform.texts("7") == ["đã nghe: hai"]
    assert states(store) == {ReplyState.UNKNOWN: 1, ReplyState.SENT: 1}


async def test_a_text_that_is_refused_holds_nothing_up(store: Store) -> None:
    platform = await refused(store, DeliveryError("bad text", permanent=True))
    assert platform.texts("7") == ["đã nghe: hai"]
    assert states(store) == {ReplyState.FAILED: 1, ReplyState.SENT: 1}


async def test_who_asks_to_wait_is_obeyed_and_the_reply_not_lost(store: Store) -> None:
    platform = await refused(store, DeliveryError("slow down", permanent=False, retry_after_s=0.2), times=2)
    assert platform.texts("7") == ["đã nghe: một", "đã nghe: hai"]


async def test_a_blocked_chat_is_marked_and_open_again_when_its_person_writes(store: Store) -> None:
    with store.transaction() as transaction:
        now = datetime.now(UTC)
        organization = transaction.people.add_organization("Đảng bộ")
        member_id = transaction.people.add_member(transaction.people.add_cell(organization, "Chi bộ 3"), "An")
        transaction.people.link("telegram", "7", member_id, now=now)

    def is_blocked() -> bool:
        with store.transaction() as transaction:
            return transaction.people.links_of([member_id])[0].is_blocked

    platform = Pretend()
    platform.refuse = lambda _chat, _text: DeliveryError("blocked", permanent=True, is_closed=True)

    def heard(message: IncomingMessage, conversation: Conversation, transaction: Transaction) -> list[Reply]:
        transaction.people.heard_from(message.channel, message.chat_id, at=message.sent_at)
        return echo(message, conversation, transaction)

    async with Talk(store, heard, platform).running() as talk:
        await talk.take(a_text("u1", "7", "một"))
        await until(is_blocked)
        platform.refuse = lambda _chat, _text: None
        await talk.take(a_text("u2", "7", "hai"))
        await until(lambda: platform.texts("7") == ["đã nghe: hai"])
        assert not is_blocked()
        await talk.take(RawUpdate("u3", "7", {"chat": "7", "open": False}))
        await until(is_blocked)
        await talk.take(RawUpdate("u4", "7", {"chat": "7", "open": True}))
        await until(lambda: not is_blocked())


async def test_a_fault_of_ours_while_sending_counts_as_unknown(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Pretend):
        async def show(self, message: StoredMessage) -> str | None:
            raise ZeroDivisionError(message.text)

    async with Talk(store, echo, Broken()).running() as talk:
        await talk.take(a_text("u1", "7", "điều riêng"))
        await until(lambda: states(store) == {ReplyState.UNKNOWN: 1})
    assert "điều riêng" not in caplog.text
    assert any(record.levelno == logging.ERROR for record in caplog.records)
