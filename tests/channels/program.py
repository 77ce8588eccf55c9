"""The program in a test's own process, put together as bot/app.py does it, between a database and platforms of ours."""

import asyncio
import contextlib
import json
import secrets
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from pydantic import SecretStr

from bot.channels.base import Channel, Messenger, RawUpdate
from bot.channels.telegram import Telegram
from bot.channels.zalo import ZaloBot
from bot.config import TelegramConfig, ZaloConfig
from bot.gateway import Gateway, Handler
from bot.intake import UpdateIntake
from bot.pace import Pace
from bot.replies import ReplySender
from bot.scheduler import Scheduler
from bot.webhooks import Webhooks
from handlers.audience import audience
from handlers.messages import IncomingMessage, Reply, say
from handlers.pages import make_page, make_page_file
from handlers.reminders import queue_some
from handlers.router import handle, make_file
from handlers.services import Services
from knowledge.answer import KnowledgeBase
from storage.inbox import WAITING
from storage.people import Link
from storage.replies import ReplyState
from storage.store import Conversation, Store, StoredMessage, Transaction
from tests.builders import known_checklists
from tests.servers.telegram import TelegramServer
from tests.servers.zalo import ZaloServer
from tests.soak.outside import free_port

THREADS = 4


class Clock:
    """The time of day in a test: as it is, so much later, or as it was set.

    Attributes:
        later: added to the time as it is.
        set_to: instead of it.
    """

    def __init__(self, set_to: datetime | None = None) -> None:
        self.later = timedelta()
        self.set_to = set_to

    def __call__(self) -> datetime:
        return self.set_to or datetime.now(UTC) + self.later

    def instead_of_datetime(self) -> type[datetime]:
        """Return what a module may take for `datetime`, so that its now() is ours."""
        clock = self

        class Ours(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> Any:
                return clock().astimezone(tz)

        return Ours


def echo(message: IncomingMessage, _conversation: Conversation, _transaction: Transaction) -> list[Reply]:
    """Say what was heard."""
    return [say(f"đã nghe: {message.text}")]


def a_gateway(store: Store, knowledge: KnowledgeBase) -> Gateway:
    """Return the gateway with all that people can do."""
    checklists = {(checklist.id, checklist.version): checklist for checklist in known_checklists()}
    services = Services(knowledge, checklists)
    return Gateway(
        store,
        partial(handle, services=services),
        partial(make_file, services=services),
        partial(make_page, services=services),
        partial(make_page_file, services=services),
        audience=partial(audience, services=services),
    )


class Program:
    """Messengers, what keeps their updates and has them answered, and what sends the answers.

    Attributes:
        port: where platforms post to.
        seen: what stands in the database.
    """

    def __init__(
        self,
        store: Store,
        answers: Gateway | Handler,
        *,
        telegram: TelegramServer | None = None,
        zalo: ZaloServer | None = None,
        polls: bool = False,
        clock: Clock | None = None,
    ) -> None:
        """Take the database, who answers, and the platforms there are.

        Args:
            polls: updates are fetched; else they are posted to us.
        """
        self.store = store
        self.seen = Onlooker(store)
        self.port = free_port()
        self.clock = clock or Clock()
        self.gateway = answers if isinstance(answers, Gateway) else Gateway(store, answers)
        self._executor = ThreadPoolExecutor(THREADS)
        self.messengers: dict[str, Messenger] = {}
        address = f"http://127.0.0.1:{self.port}"
        if telegram is not None:
            settings = TelegramConfig(
                token=SecretStr(telegram.token),
                webhook=None if polls else f"{address}/telegram",
                base_url=telegram.base_url,
                base_file_url=telegram.base_file_url,
            )
            self.messengers["telegram"] = Telegram(settings, self.gateway, Pace(), self._take)
        if zalo is not None:
            given = ZaloConfig(
                token=SecretStr(zalo.token), webhook=None if polls else f"{address}/zalo", base_url=zalo.base_url
            )
            self.messengers["zalo"] = ZaloBot(given, self.gateway, Pace(), self._take)
        worker = secrets.token_hex(4)
        self.sender = ReplySender(store, self.messengers, worker, self._executor)
        self.intake = UpdateIntake(
            store, self.gateway, self.messengers, self.sender, worker, self._executor, clock=self.clock
        )
        routes = [route for messenger in self.messengers.values() for route in messenger.routes()]
        self.webhooks = Webhooks("127.0.0.1", self.port, routes, lambda: {"ok": True}) if routes else None
        self._tasks: list[asyncio.Task[None]] = []

    async def _take(self, channel: str, updates: Sequence[RawUpdate]) -> None:
        await self.take(channel, updates)

    async def take(self, channel: str, updates: Sequence[RawUpdate]) -> None:
        """Keep updates; a test may put something in the way."""
        await self.intake.take(channel, updates)

    async def start(self) -> None:
        """Begin to send, to answer and to listen, in this order."""
        self._tasks = [asyncio.create_task(self.sender.run()), asyncio.create_task(self.intake.run())]
        if self.webhooks is not None:
            await self.webhooks.start()
        for messenger in self.messengers.values():
            await messenger.start()

    async def stop(self) -> None:
        """End as the program does: what is under way is answered, noted and let go."""
        for messenger in self.messengers.values():
            await messenger.stop()
        if self.webhooks is not None:
            await self.webhooks.stop()
        for task in reversed(self._tasks):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._executor.shutdown()
        self.seen.close()

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Program"]:
        """Give the program while it runs."""
        await self.start()
        try:
            yield self
        finally:
            await self.stop()

    async def run_due(self, *further: Channel) -> None:
        """Send what is due by the clock, on our channels and further ones."""
        checklists = {(checklist.id, checklist.version): checklist for checklist in known_checklists()}
        by_name: dict[str, Channel] = {**self.messengers, **{channel.name: channel for channel in further}}

        async def send(link: Link, message: StoredMessage) -> None:
            await by_name[link.channel].deliver(link.chat_id, message)

        scheduler = Scheduler(
            self.store,
            send,
            queue=lambda transaction, now, after: queue_some(transaction, now=now, checklists=checklists, after=after),
        )
        await scheduler.run_due(self.clock())


@dataclass(frozen=True, slots=True)
class Told:
    """An answer and what has become of it."""

    chat_id: str
    text: str
    state: str
    reason: str


class Onlooker:
    """Looks into a database without holding anybody up."""

    def __init__(self, store: Store) -> None:
        path = store._engine.url.database
        self._connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)

    def replies(self) -> Counter[str]:
        """Return how many replies are in each state that occurs."""
        return self._counted("SELECT state, count(*) FROM replies GROUP BY state")

    def updates(self) -> Counter[str]:
        """Return how many updates are in each state that occurs."""
        return self._counted("SELECT state, count(*) FROM incoming_updates GROUP BY state")

    def is_quiet(self) -> bool:
        """Tell whether nothing waits to be answered or sent, and nothing is on its way."""
        # In this order: what is not waiting any more has its answer among the replies.
        if self.updates()[WAITING]:
            return False
        replies = self.replies()
        return replies[ReplyState.WAITING.value] + replies[ReplyState.SENDING.value] == 0

    def told(self) -> list["Told"]:
        """Return all that was to be said on platforms, in order."""
        query = "SELECT r.chat_id, m.blocks, r.state, r.reason FROM replies r JOIN messages m ON m.id = r.message_id"
        rows = self._connection.execute(f"{query} ORDER BY m.id")
        return [Told(chat_id, json.loads(blocks)[0][1], state, reason or "") for chat_id, blocks, state, reason in rows]

    def close(self) -> None:
        """Look no more."""
        self._connection.close()

    def _counted(self, query: str) -> Counter[str]:
        return Counter({str(state): int(count) for state, count in self._connection.execute(query)})


async def until(is_so: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(seconds):
        while not is_so():
            await asyncio.sleep(0.01)
