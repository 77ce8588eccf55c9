"""A Telegram channel against a server of ours, with nothing behind it but a list of what it has kept."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from pydantic import SecretStr

from bot.channels.base import RawUpdate
from bot.channels.telegram import Telegram
from bot.config import TelegramConfig
from bot.gateway import Gateway
from bot.pace import Pace
from handlers.messages import BlockKind
from storage.store import StoredButton, StoredMessage
from tests.servers.telegram import TOKEN, TelegramServer

AN, BINH = 1001, 1002
NOW = datetime(2025, 12, 2, 8, 0, tzinfo=UTC)


class Kept:
    """What a channel has kept, each update once.

    Attributes:
        fails: raised instead of keeping, while it is set.
    """

    def __init__(self) -> None:
        self.updates: list[RawUpdate] = []
        self.batches: list[int] = []
        self.fails: Exception | None = None
        self.tries = 0

    async def take(self, channel: str, updates: Sequence[RawUpdate]) -> None:
        assert channel == "telegram"
        self.tries += 1
        if self.fails is not None:
            raise self.fails
        known = {update.external_id for update in self.updates}
        self.updates += [update for update in updates if update.external_id not in known]
        self.batches.append(len(updates))

    @property
    def texts(self) -> list[Any]:
        """What people wrote in the messages among them."""
        return [update.body["message"].get("text") for update in self.updates if "message" in update.body]

    async def wait_for(self, count: int) -> list[RawUpdate]:
        await until(lambda: len(self.updates) >= count)
        return self.updates


class NoGateway(Gateway):
    """A gateway that nobody may ask anything but what a test gives it."""

    def __init__(self, **answers: Any) -> None:
        for name, answer in answers.items():
            setattr(self, name, answer)


def a_channel(
    server: TelegramServer,
    kept: Kept | None = None,
    *,
    token: str = TOKEN,
    pace: Pace | None = None,
    gateway: Gateway | None = None,
    web_address: str | None = None,
    **settings: Any,
) -> Telegram:
    config = TelegramConfig(
        token=SecretStr(token), base_url=server.base_url, base_file_url=server.base_file_url, **settings
    )
    return Telegram(config, gateway or NoGateway(), pace, (kept or Kept()).take, web_address)


@asynccontextmanager
async def running(server: TelegramServer, kept: Kept | None = None, **settings: Any) -> AsyncIterator[Telegram]:
    """Give a started channel, as new as after a restart."""
    channel = a_channel(server, kept, **settings)
    await channel.start()
    try:
        yield channel
    finally:
        await channel.stop()


def a_message(
    *blocks: tuple[BlockKind, str], labels: Sequence[str] = (), action: str = "read", id: int = 1
) -> StoredMessage:
    buttons = tuple(StoredButton(f"bcdfghjkmn{n:02}", n, label, action, "7") for n, label in enumerate(labels, start=1))
    return StoredMessage(id, True, tuple((kind.value, text) for kind, text in blocks), buttons, NOW)


def a_text(text: str, *labels: str, action: str = "read") -> StoredMessage:
    return a_message((BlockKind.TEXT, text), labels=labels, action=action)


def shown_buttons(message: dict[str, Any]) -> list[list[dict[str, Any]]]:
    rows: list[list[dict[str, Any]]] = message["reply_markup"]["inline_keyboard"]
    return rows


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)
