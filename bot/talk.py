"""The messengers, what keeps their updates and has them answered, and what sends the answers: put together once."""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from starlette.routing import Route

from bot.channels.base import Messenger, RawUpdate, Take
from bot.config import Config
from bot.gateway import Gateway
from bot.handling import HandlerProcesses
from bot.health import look
from bot.intake import UpdateIntake
from bot.pace import Pace
from bot.poke import Pokes
from bot.replies import ReplySender
from bot.webhooks import Webhooks
from storage.store import Store

log = logging.getLogger(__name__)

# One writes at a time; the others look at what was written, or put the documents' words together.
_THREADS = 8
# At the end the platforms stay open for so long, so that who has just written is answered still.
LAST_ANSWERS_S = 5.0
# In data_dir; processes that only take updates in wake the program there.
POKED_AT = "inbox.sock"


class Talk:
    """The messengers, what keeps their updates and has them answered, and what sends the answers."""

    def __init__(self, config: Config, store: Store, gateway: Gateway, paces: Mapping[str, Pace]) -> None:
        self._executor = ThreadPoolExecutor(_THREADS, thread_name_prefix="talk")
        self.messengers = messengers_of(config, store, gateway, paces, self._take)
        by_name, worker = {messenger.name: messenger for messenger in self.messengers}, secrets.token_hex(8)
        self.sender = ReplySender(store, by_name, worker, self._executor)
        count = config.talk.processes
        self._processes = HandlerProcesses(config, count) if count and self.messengers else None
        handle = self._processes.handle if self._processes else None
        self._intake = UpdateIntake(store, gateway, by_name, self.sender, worker, self._executor, handle=handle)
        routes = [route for messenger in self.messengers for route in messenger.routes()]
        self._webhooks = webhooks_of(config, store, routes) if routes else None
        self._answering: asyncio.Task[None] | None = None
        self._pokes = Pokes(config.data_dir / POKED_AT, self._intake.look_now)

    @property
    def waited_for(self) -> list[Webhooks]:
        """What may end by itself, beside the messengers."""
        return [self._webhooks] if self._webhooks is not None else []

    async def open(self, opened: contextlib.AsyncExitStack) -> None:
        """Begin to send, to answer and to listen, in this order."""
        if not self.messengers:
            return
        opened.callback(self._executor.shutdown)
        if self._processes is not None:
            opened.push_async_callback(self._processes.close)
            await self._processes.open()
        opened.push_async_callback(cancelled, asyncio.create_task(self.sender.run()))
        self._answering = asyncio.create_task(self._intake.run())
        opened.push_async_callback(cancelled, self._answering)
        await self._pokes.open()
        opened.push_async_callback(self._pokes.close)
        if self._webhooks is not None:
            await self._webhooks.start()
            opened.push_async_callback(self._webhooks.stop)

    async def settle(self) -> None:
        """Take up nothing new, finish what is being answered and send it, within LAST_ANSWERS_S.

        To be called while the platforms are still open; what they hand over meanwhile is kept for the next start.
        """
        if self._answering is None:
            return
        try:
            async with asyncio.timeout(LAST_ANSWERS_S):
                if not self._answering.cancelling():
                    self._answering.cancel()
                await asyncio.wait({self._answering})
                await self.sender.drain()
        except TimeoutError:
            log.info("closing before the last answers have gone; they wait for the next start")

    async def _take(self, channel: str, updates: Sequence[RawUpdate]) -> None:
        await self._intake.take(channel, updates)


def webhooks_of(config: Config, store: Store, routes: Sequence[Route]) -> Webhooks:
    """Return the web server that platforms post to, where the settings say."""

    def health() -> dict[str, Any]:
        with store.transaction() as transaction:
            return look(transaction.inbox, transaction.replies, now=datetime.now(UTC)).as_json()

    settings = config.webhooks
    return Webhooks(settings.host, settings.port, routes, health, shared=settings.shared)


def messengers_of(
    config: Config, store: Store, gateway: Gateway, paces: Mapping[str, Pace], take: Take
) -> list[Messenger]:
    """Return the platforms that have a token; what they are sent is kept by `take`."""
    messengers: list[Messenger] = []
    # Who has no token need not wait for the library.
    if config.telegram.token is not None:
        from bot.channels.telegram import Telegram

        pace = paces[Telegram.name]
        messengers.append(Telegram(config.telegram, gateway, pace, take, web_address=config.web.address))
    if config.zalo.token is not None:
        from bot.channels.zalo import ZaloBot

        pace = paces[ZaloBot.name]
        messengers.append(ZaloBot(config.zalo, gateway, pace, take, web_address=config.web.address))
    if config.zalo_oa.is_on:
        from bot.channels.zalo_oa import ZaloOa

        pace = paces[ZaloOa.name]
        messengers.append(ZaloOa(config.zalo_oa, gateway, pace, take, store, web_address=config.web.address))
    return messengers


async def cancelled(task: asyncio.Task[None]) -> None:
    """Cancel a task, once, and wait for its end."""
    if not task.cancelling():
        task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
