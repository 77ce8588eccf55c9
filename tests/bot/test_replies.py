"""How many answers are begun, and when: real database, a platform in memory that takes as long as it is told."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from bot import replies as replies_module
from bot.channels.base import DeliveryError
from bot.replies import SPARE, ReplySender
from storage.database import open_database
from storage.replies import QueuedReply, ReplyState
from storage.store import Store, StoredMessage
from tests.bot.messengers import Pretend
from tests.bot.test_intake import states, until
from tests.storage.builders import a_vault, bring_up

BEGUN = Pretend.at_once + SPARE


@pytest.fixture
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    engine = open_database(f"sqlite:///{tmp_path_factory.mktemp('replies') / 'chat.db'}")
    bring_up(engine)
    return Store(engine, a_vault())


class Held(Pretend):
    """A platform on which nothing arrives until it is opened."""

    def __init__(self, name: str = "telegram") -> None:
        super().__init__()
        self.name = name
        self.opened = asyncio.Event()
        self.begun: list[str] = []

    async def show(self, message: StoredMessage) -> str | None:
        self.begun.append(message.text)
        await self.opened.wait()
        return await super().show(message)


def kept(store: Store, chats: list[str], *, channel: str = "telegram") -> list[tuple[QueuedReply, StoredMessage]]:
    """Keep an answer for each of the chats, named for its place."""
    now, said = datetime.now(UTC), []
    with store.transaction() as transaction:
        for n, chat in enumerate(chats):
            conversation = transaction.conversation(channel, chat, now=now)
            message = transaction.add_reply(conversation.id, [("text", f"{chat}: {n}")], [], in_reply_to=None, now=now)
            said.append((transaction.replies.queue(message.id, channel, chat, worker="w", now=now), message))
    return said


@asynccontextmanager
async def sending(store: Store, *platforms: Pretend) -> AsyncIterator[ReplySender]:
    with ThreadPoolExecutor(2) as executor:
        sender = ReplySender(store, {platform.name: platform for platform in platforms}, "w", executor)
        task = asyncio.create_task(sender.run())
        try:
            yield sender
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def test_no_more_is_begun_than_the_platform_is_sent_at_once_and_the_oldest_go_first(store: Store) -> None:
    chats, platform = [str(n) for n in range(40)], Held()
    async with sending(store, platform) as sender:
        sender.send(list(reversed(kept(store, chats))))
        await until(lambda: len(platform.begun) == BEGUN)
        # Further looks begin nothing more.
        sender.look_now()
        await asyncio.sleep(0.1)
        assert states(store) == {ReplyState.SENDING: BEGUN, ReplyState.WAITING: 40 - BEGUN}
        assert sorted(platform.begun) == sorted(f"{n}: {n}" for n in range(BEGUN))
        platform.opened.set()
        await until(lambda: states(store) == {ReplyState.SENT: 40})
    assert len({text for _, text, _ in platform.sent}) == 40


async def test_a_chat_that_is_told_much_keeps_its_order_and_others_are_not_kept_waiting_for_it(store: Store) -> None:
    talkative, platform = ["7"] * 30, Pretend()
    async with sending(store, platform) as sender:
        sender.send(kept(store, [*talkative, "8"]))
        await until(lambda: states(store) == {ReplyState.SENT: 31})
    assert platform.texts("7") == [f"7: {n}" for n in range(30)]
    assert [chat for chat, _, _ in platform.sent].index("8") <= 1


async def test_a_platform_that_hangs_holds_up_no_other(store: Store) -> None:
    stuck, other = Held(), Held("zalo")
    other.opened.set()
    async with sending(store, stuck, other) as sender:
        sender.send(kept(store, [str(n) for n in range(40)]))
        sender.send(kept(store, ["a", "b"], channel="zalo"))
        await until(lambda: len(other.sent) == 2)
        assert stuck.sent == []
        stuck.opened.set()
        await until(lambda: states(store) == {ReplyState.SENT: 42})


async def test_what_a_platform_asked_to_wait_for_is_not_begun_meanwhile_and_takes_nobodys_place(store: Store) -> None:
    halted, platform = [str(n) for n in range(2 * BEGUN)], Pretend()
    platform.refuse = lambda chat, _text: (
        DeliveryError("slow down", permanent=False, retry_after_s=60.0) if chat in halted else None
    )
    async with sending(store, platform) as sender:
        sender.send(kept(store, [*halted, "other"]))
        await until(lambda: states(store) == {ReplyState.WAITING: len(halted), ReplyState.SENT: 1})
    assert platform.texts("other") == [f"other: {len(halted)}"]


async def test_drained_is_what_may_go_now_and_not_what_waits_for_its_moment(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replies_module, "LOOK_EVERY_S", 60.0)
    platform = Pretend()
    platform.takes_s = 0.05
    platform.refuse = lambda chat, _text: (
        DeliveryError("slow down", permanent=False, retry_after_s=60.0) if chat == "0" else None
    )
    async with sending(store, platform) as sender:
        sender.send(kept(store, [str(n) for n in range(2 * BEGUN)]))
        await sender.drain()
        assert states(store) == {ReplyState.SENT: 2 * BEGUN - 1, ReplyState.WAITING: 1}
