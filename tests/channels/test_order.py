"""Each chat is answered in order, and once: side by side with fifty, posted twice, and after a restart."""

import asyncio
import json
from collections.abc import Sequence

import httpx
import pytest

from bot import replies
from bot.channels.base import RawUpdate
from bot.channels.posted import webhook_secret
from bot.channels.telegram_intake import SECRET_HEADER
from handlers.messages import IncomingMessage, Reply, say
from storage.replies import ReplyState
from storage.store import Conversation, Store, Transaction
from tests.channels.program import Program, echo, until
from tests.servers.telegram import TelegramServer

CHATS, EACH = range(2001, 2051), 4


def count(message: IncomingMessage, conversation: Conversation, transaction: Transaction) -> list[Reply]:
    """Answer how many messages of this chat came before: two at once would count the same."""
    before = int(conversation.topic.get("count", 0))
    transaction.save_topic(conversation.id, {"count": before + 1}, now=message.sent_at)
    return [say(f"{before}. {message.text}")]


class Unsteady(Program):
    """Answers now and then with an error: before it has kept an update, or although it has."""

    asked = refused = 0

    async def take(self, channel: str, updates: Sequence[RawUpdate]) -> None:
        self.asked += 1
        turn = self.asked % 5
        if turn == 1:
            self.refused += 1
            raise OSError("not kept")
        await super().take(channel, updates)
        if turn == 3:
            self.refused += 1
            raise OSError("kept, and not said")


async def test_fifty_chats_side_by_side_are_each_answered_in_order_and_once(
    store: Store, telegram: TelegramServer
) -> None:
    telegram.backoff_s = 0.01
    telegram.record()
    program = Unsteady(store, count, telegram=telegram)
    async with program.running():
        for n in range(EACH):
            await asyncio.gather(*(telegram.text(chat, f"câu {n}") for chat in CHATS))
        await until(lambda: program.seen.replies() == {ReplyState.SENT.value: len(CHATS) * EACH})
        await post_again(program, telegram)
        await until(lambda: not telegram.waiting and program.seen.is_quiet())
    assert program.refused >= len(CHATS)
    expected = [f"{n}. câu {n}" for n in range(EACH)]
    assert {chat: [entry["text"] for entry in telegram.sent(chat)] for chat in CHATS} == dict.fromkeys(CHATS, expected)


async def post_again(program: Program, telegram: TelegramServer) -> None:
    """Post some updates once more, long after they were answered, in another order."""
    posted = [exchange["body"] for exchange in telegram.exchanges if "webhook" in exchange]
    headers = {SECRET_HEADER: webhook_secret(telegram.token, None)}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{program.port}", headers=headers) as client:
        for update in reversed(posted[::10]):
            while (await client.post("/telegram", content=json.dumps(update))).status_code != 200:
                await asyncio.sleep(0)


async def test_after_a_restart_a_new_answer_does_not_overtake_one_that_still_waits(
    store: Store, telegram: TelegramServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replies, "RETRY_AFTER_S", 1.0)
    first = Program(store, echo, telegram=telegram)
    async with first.running():
        telegram.fault("sendMessage", code=500)
        await telegram.text(2001, "một")
        # It has been tried once, and is to be tried again in a second.
        await until(lambda: telegram.calls.count("sendMessage") == 1)
        await until(lambda: first.seen.replies() == {ReplyState.WAITING.value: 1})
    second = Program(store, echo, telegram=telegram)
    async with second.running():
        await telegram.text(2001, "hai")
        await telegram.text(2002, "khác")
        await until(lambda: second.seen.replies() == {ReplyState.SENT.value: 3})
    assert [entry["text"] for entry in telegram.sent(2001)] == ["đã nghe: một", "đã nghe: hai"]
