"""The one door for every channel, with a real database and handlers that have learnt their lines."""

import asyncio
import logging
import re
import threading
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio

from bot.gateway import KEPT_CHARACTERS, Gateway, Handler
from handlers.messages import Button, IncomingMessage, Reply, say
from storage.database import open_database
from storage.store import Conversation, Store, Transaction
from tests.storage.builders import a_vault, bring_up
from tests.storage.postgres import a_postgres

NOW = datetime(2026, 12, 5, 1, 0, tzinfo=UTC)


def a_message(
    external_id: str, text: str = "câu hỏi", *, chat_id: str = "u1", button_id: str | None = None
) -> IncomingMessage:
    return IncomingMessage("web", chat_id, external_id, text, NOW, button_id=button_id)


def a_store(folder: Path) -> Store:
    engine = open_database(f"sqlite:///{folder / 'chat.db'}")
    bring_up(engine)
    return Store(engine, a_vault())


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return a_store(tmp_path)


def kept(store: Store, chat_id: str = "u1") -> list[str]:
    with store.transaction() as transaction:
        conversation = transaction.find_conversation("web", chat_id)
        return [message.text for message in transaction.history(conversation.id)] if conversation else []


class Counting:
    """Answers with how often it was asked, and two choices."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, *_: object) -> list[Reply]:
        self.calls += 1
        return [say(f"lần {self.calls}", Button("A", "a", "1"), Button("B", "b", "2")), say("hết")]


# --- Repeats ------------------------------------------------------------------------------------------------------


async def test_a_repeat_gets_the_stored_replies_and_the_handler_runs_once(store: Store) -> None:
    handler = Counting()
    gateway = Gateway(store, handler)
    first = await gateway.receive(a_message("m1"))
    again = await gateway.receive(a_message("m1", "chữ khác"))
    assert handler.calls == 1
    assert (first.is_repeat, again.is_repeat) == (False, True)
    assert again.replies == first.replies
    assert [reply.text for reply in first.replies] == ["lần 1", "hết"]
    assert kept(store) == ["câu hỏi", "lần 1", "hết"]


async def test_repeats_at_once_and_after_a_restart_are_done_once(store: Store) -> None:
    handler = Counting()
    gateway = Gateway(store, handler)
    received = await asyncio.gather(*(gateway.receive(a_message("m1")) for _ in range(5)))
    assert [each.is_repeat for each in received] == [False, True, True, True, True]
    assert {each.replies for each in received} == {received[0].replies}
    assert (await Gateway(store, handler).receive(a_message("m1"))).replies == received[0].replies
    assert handler.calls == 1


async def test_the_same_id_in_another_chat_or_channel_is_another_message(store: Store) -> None:
    handler = Counting()
    gateway = Gateway(store, handler)
    await gateway.receive(a_message("m1"))
    await gateway.receive(a_message("m1", chat_id="u2"))
    await gateway.receive(IncomingMessage("console", "u1", "m1", "câu hỏi", NOW))
    assert handler.calls == 3


async def test_a_repeat_of_a_message_without_answer_stays_without_answer(store: Store) -> None:
    gateway = Gateway(store, lambda *_: [])
    assert (await gateway.receive(a_message("m1"))).replies == ()
    again = await gateway.receive(a_message("m1"))
    assert (again.replies, again.is_repeat) == ((), True)


# --- What is kept -------------------------------------------------------------------------------------------------


async def test_replies_are_committed_before_they_are_returned(store: Store) -> None:
    received = await Gateway(store, Counting()).receive(a_message("m1"))
    with store.transaction() as transaction:
        conversation = transaction.find_conversation("web", "u1")
        assert conversation is not None
        incoming, *replies = transaction.history(conversation.id)
    assert tuple(replies) == received.replies
    assert [reply.in_reply_to for reply in replies] == [incoming.id] * 2
    assert incoming.created_at == NOW


async def test_a_pressed_button_is_kept_by_its_label_and_another_chats_button_is_not(store: Store) -> None:
    gateway = Gateway(store, Counting())
    button = (await gateway.receive(a_message("m1"))).replies[0].buttons[1]
    await gateway.receive(a_message("m2", "", button_id=button.id))
    await gateway.receive(a_message("m1", "", chat_id="u2", button_id=button.id))
    assert kept(store)[3] == "B"
    assert kept(store, "u2")[0] == ""


async def test_the_handler_sees_all_of_a_long_message_and_a_part_is_kept(store: Store) -> None:
    seen: list[int] = []

    def measure(message: IncomingMessage, _conversation: Conversation, _transaction: Transaction) -> list[Reply]:
        seen.append(len(message.text))
        return []

    await Gateway(store, measure).receive(a_message("m1", "á" * 100_000))
    assert seen == [100_000]
    assert kept(store) == ["á" * KEPT_CHARACTERS]


async def test_what_a_handler_writes_is_kept_with_its_answer(store: Store) -> None:
    def remember(message: IncomingMessage, conversation: Conversation, transaction: Transaction) -> list[Reply]:
        before = conversation.topic.get("said", "")
        transaction.save_topic(conversation.id, {"said": message.text}, now=NOW)
        return [say(f"trước: {before}")]

    gateway = Gateway(store, remember)
    answers = [(await gateway.receive(a_message(f"m{n}", text))).replies[0].text for n, text in enumerate("abc")]
    assert answers == ["trước: ", "trước: a", "trước: b"]


async def test_delivery_of_a_message_that_was_not_kept_is_nobodys_business(store: Store) -> None:
    def fail(*_: object) -> list[Reply]:
        raise RuntimeError

    gateway = Gateway(store, fail)
    [sorry] = (await gateway.receive(a_message("m1"))).replies
    assert sorry.id == 0
    await gateway.delivered(sorry)


# --- Order and parallelism ----------------------------------------------------------------------------------------


async def test_messages_of_one_chat_are_answered_in_the_order_they_came(store: Store) -> None:
    order: list[str] = []

    def slower_first(message: IncomingMessage, _conversation: Conversation, _transaction: Transaction) -> list[Reply]:
        order.append(f"begin {message.text}")
        time.sleep(0.05 if message.text == "0" else 0.005)
        order.append(f"end {message.text}")
        return [say(message.text)]

    gateway = Gateway(store, slower_first)
    received = await asyncio.gather(*(gateway.receive(a_message(f"m{n}", str(n))) for n in range(5)))
    assert [each.replies[0].text for each in received] == list("01234")
    assert order == [f"{step} {n}" for n in range(5) for step in ("begin", "end")]
    assert kept(store) == [str(n) for n in range(5) for _ in range(2)]


async def test_chats_at_once_all_get_their_own_answers(store: Store) -> None:
    def echo(message: IncomingMessage, _conversation: Conversation, _transaction: Transaction) -> list[Reply]:
        time.sleep(0.005)
        return [say(f"{message.chat_id} {message.text}")]

    gateway = Gateway(store, echo)
    messages = [a_message(f"m{n}", str(n), chat_id=f"u{chat}") for n in range(3) for chat in range(10)]
    received = await asyncio.gather(*(gateway.receive(message) for message in messages))
    assert [each.replies[0].text for each in received] == [f"{m.chat_id} {m.text}" for m in messages]


def a_meeting() -> Handler:
    """A handler that answers only if another chat is being answered at the same time."""
    barrier = threading.Barrier(2, timeout=1)

    def meet(_message: IncomingMessage, _conversation: Conversation, _transaction: Transaction) -> list[Reply]:
        try:
            barrier.wait()
        except threading.BrokenBarrierError:
            return [say("một mình")]
        return [say("cùng lúc")]

    return meet


@pytest_asyncio.fixture
async def postgres_store() -> AsyncIterator[Store]:
    with a_postgres() as server:
        engine = open_database(server.fresh_url())
        bring_up(engine)
        yield Store(engine, a_vault())
        engine.dispose()


@pytest.mark.postgres
async def test_on_postgresql_chats_are_answered_at_the_same_time(postgres_store: Store) -> None:
    gateway = Gateway(postgres_store, a_meeting())
    received = await asyncio.gather(*(gateway.receive(a_message("m1", chat_id=chat)) for chat in ("u1", "u2")))
    assert [each.replies[0].text for each in received] == ["cùng lúc"] * 2


async def test_on_sqlite_one_writer_at_a_time_means_one_answer_at_a_time(store: Store) -> None:
    gateway = Gateway(store, a_meeting())
    received = await asyncio.gather(*(gateway.receive(a_message("m1", chat_id=chat)) for chat in ("u1", "u2")))
    assert [each.replies[0].text for each in received] == ["một mình"] * 2


async def test_the_event_loop_goes_on_while_a_handler_works(store: Store) -> None:
    working, release = threading.Event(), threading.Event()

    def wait(*_: object) -> list[Reply]:
        working.set()
        release.wait(5)
        return []

    receiving = asyncio.create_task(Gateway(store, wait).receive(a_message("m1")))
    while not working.is_set():
        await asyncio.sleep(0.005)
    assert not receiving.done()
    release.set()
    await receiving


async def test_locks_do_not_pile_up(store: Store) -> None:
    def fail_sometimes(message: IncomingMessage, *_: object) -> list[Reply]:
        if message.text == "hỏng":
            raise RuntimeError
        return []

    gateway = Gateway(store, fail_sometimes)
    messages = [
        a_message(f"m{n}", "hỏng" if n % 2 else "được", chat_id=f"u{chat}") for n in range(3) for chat in range(8)
    ]
    receiving = [asyncio.create_task(gateway.receive(message)) for message in messages]
    await asyncio.sleep(0)
    assert len(gateway._locks) == 8
    receiving[-1].cancel()
    await asyncio.gather(*receiving, return_exceptions=True)
    assert gateway._locks == {}


# --- Failures -----------------------------------------------------------------------------------------------------


async def test_a_handler_that_raises_gives_a_calm_sentence_a_code_in_the_log_and_leaves_nothing(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(message: IncomingMessage, conversation: Conversation, transaction: Transaction) -> list[Reply]:
        transaction.save_topic(conversation.id, {"question": message.text}, now=NOW)
        transaction.want_document("luat", now=NOW)
        raise ValueError(f"cannot cope with {message.text}")

    with caplog.at_level(logging.DEBUG):
        received = await Gateway(store, fail).receive(a_message("m1", "điều rất riêng tư"))
    [sorry] = received.replies
    code = re.search(r"\(mã ([0-9A-F]{4})\)", sorry.text)
    assert code is not None
    assert "Đồng chí gửi lại giúp" in sorry.text
    assert (sorry.id, sorry.buttons, received.is_repeat) == (0, (), False)
    [record] = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert code[1] in record.getMessage()
    assert "ValueError" in record.getMessage()
    assert "fail" in record.getMessage()  # the place is told
    assert "riêng tư" not in caplog.text
    with store.transaction() as transaction:
        assert transaction.find_conversation("web", "u1") is None
        assert transaction.wanted_documents() == []


async def test_a_message_can_be_sent_again_after_a_failure(store: Store) -> None:
    failures = [RuntimeError()]

    def fail_once(message: IncomingMessage, *_: object) -> list[Reply]:
        if failures:
            raise failures.pop()
        return [say(f"đã đọc: {message.text}")]

    gateway = Gateway(store, fail_once)
    [sorry] = (await gateway.receive(a_message("m1"))).replies
    assert "lỗi máy chủ" in sorry.text
    again = await gateway.receive(a_message("m1"))
    assert (again.is_repeat, again.replies[0].text) == (False, "đã đọc: câu hỏi")
    assert kept(store) == ["câu hỏi", "đã đọc: câu hỏi"]


async def test_two_failures_have_two_codes(store: Store) -> None:
    def fail(*_: object) -> list[Reply]:
        raise RuntimeError

    gateway = Gateway(store, fail)
    said = {(await gateway.receive(a_message(f"m{n}"))).replies[0].text for n in range(3)}
    assert len(said) > 1


async def test_a_database_that_fails_gives_the_calm_sentence_too(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    unmigrated = Store(open_database(f"sqlite:///{tmp_path / 'empty.db'}"), a_vault())
    received = await Gateway(unmigrated, Counting()).receive(a_message("m1", "điều rất riêng tư"))
    assert "lỗi máy chủ" in received.replies[0].text
    assert "riêng tư" not in caplog.text


async def test_one_chat_that_fails_does_not_hold_up_another(store: Store) -> None:
    def fail_for_u1(message: IncomingMessage, *_: object) -> list[Reply]:
        if message.chat_id == "u1":
            raise RuntimeError
        return [say("được")]

    gateway = Gateway(store, fail_for_u1)
    first, second = await asyncio.gather(
        gateway.receive(a_message("m1")), gateway.receive(a_message("m1", chat_id="u2"))
    )
    assert "lỗi máy chủ" in first.replies[0].text
    assert second.replies[0].text == "được"
