"""Builds everything once and passes it on."""

import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TextIO

from assessment.loader import load_checklists
from assessment.model import Checklist
from bot.channels.base import Channel, ChannelError, DeliveryError
from bot.channels.console import Console
from bot.channels.webchat import WebChat
from bot.config import Config
from bot.gateway import Gateway
from bot.loading import uncollected
from bot.pace import LIMITS, Pace
from bot.scheduler import EraseOld, QueueDue, Scheduler
from embeddings.encoder import Encoder, make_encoder
from handlers.pages import make_page, make_page_file
from handlers.reminders import queue_some
from handlers.retention import erase_old
from handlers.router import handle, make_file
from handlers.services import Options, Services
from knowledge.answer import KnowledgeBase, build_knowledge
from knowledge.lexicon import load_lexicon
from knowledge.loader import load_documents
from knowledge.views import View, load_views
from storage.database import migrate, open_database
from storage.people import Link
from storage.store import Store, StoredMessage
from storage.vault import Vault, load_vault

log = logging.getLogger(__name__)


def set_up_logging(level: str) -> None:
    """Log to standard error, one line an event; libraries only when something is wrong."""
    logging.basicConfig(
        level=level, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True
    )
    for library in (
        "httpx",
        "httpcore",
        "alembic",
        "bm25s",
        "faiss",
        "asyncio",
        "telegram",
        "sentence_transformers",
        "fontTools",
        "fpdf",
        "matplotlib",
    ):
        logging.getLogger(library).setLevel(logging.WARNING)


def build_encoder(config: Config) -> Encoder:
    """Return the encoder that the settings name.

    Raises:
        EncoderError: it cannot be loaded.
    """
    return make_encoder(
        config.encoder.model,
        query_prompt=config.encoder.query_prompt,
        passage_prompt=config.encoder.passage_prompt,
        batch_size=config.encoder.batch_size,
    )


@uncollected()
def build_knowledge_base(config: Config, *, curated: bool = True) -> KnowledgeBase:
    """Return the documents ready to be asked; the index is built if it does not fit what there is now.

    Args:
        curated: whether the curated questions, ours and the admin's, help to find passages.
    Raises:
        KnowledgeError, EncoderError, CacheError: something the answers depend on is broken.
    """
    return build_knowledge(
        load_documents(config.documents.folder),
        build_encoder(config),
        load_lexicon(),
        views=load_all_views(config) if curated else (),
        folder=config.data_dir / "index",
        candidates=config.search.candidates,
    )


def load_all_views(config: Config) -> list[View]:
    """Return the curated questions that ship with the program and those that an admin has put beside the data.

    Raises:
        ViewError: a file of them is broken.
    """
    return [*load_views(), *load_views(config.data_dir / "questions")]


def open_store(config: Config) -> Store:
    """Return the database, brought up to date.

    Raises:
        DatabaseError: it cannot be opened or brought up to date.
        VaultError: the key file is broken.
    """
    engine = open_database(config.database_url)
    migrate(engine)
    return Store(engine, open_vault(config))


def open_vault(config: Config) -> Vault:
    """Return the keys that seal what members answer; made at the first start.

    Raises:
        VaultError: the key file is broken, or others can read it.
    """
    given = config.secrets.keys.get_secret_value() if config.secrets.keys else None
    return load_vault(config.key_file, given=given)


def _checklists() -> dict[tuple[str, int], Checklist]:
    return {(checklist.id, checklist.version): checklist for checklist in load_checklists()}


def build_gateway(config: Config, store: Store) -> Gateway:
    """Return the gateway over the store and the documents.

    Raises:
        see build_knowledge_base.
    """
    services = Services(build_knowledge_base(config), _checklists(), _options(config))
    return Gateway(
        store,
        partial(handle, services=services),
        partial(make_file, services=services),
        partial(make_page, services=services),
        partial(make_page_file, services=services),
    )


def _options(config: Config) -> Options:
    return Options(
        admins=frozenset(config.admins),
        decision=config.assessment.decision,
        keep_months=config.assessment.keep_months,
        web_address=config.web.address,
        telegram_name=config.telegram.name,
    )


def run_console(config: Config, lines: TextIO, out: TextIO, *, as_json: bool) -> None:
    """Talk in the terminal until the lines end.

    Raises:
        see build_gateway and open_store.
    """
    store = open_store(config)
    console = Console(build_gateway(config, store), store, _queue(), _erase(config, trusts_clock=True))
    (console.drive if as_json else console.talk)(lines, out)


async def run(config: Config) -> None:
    """Serve every channel that is configured, until a signal or until one ends by itself.

    Raises:
        ChannelError: a channel cannot be opened; those opened before are closed again.
        see build_gateway and open_store.
    """
    store = open_store(config)
    gateway = build_gateway(config, store)
    paces = {name: Pace(limits) for name, limits in LIMITS.items()}
    channels = _channels(config, gateway, store, paces)
    if not channels:
        raise ChannelError("no channel is on: set web.enabled to true or TUSOI_TELEGRAM__TOKEN to a token")
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    # The stack closes every channel that was opened, the last one first, even when one of them cannot close.
    async with contextlib.AsyncExitStack() as opened:
        for channel in channels:
            await channel.start()
            opened.push_async_callback(channel.stop)
        reminding = asyncio.create_task(_scheduler(config, store, channels, paces).run())
        opened.push_async_callback(_cancelled, reminding)
        await _until_stopped(channels, stopped)


def _scheduler(config: Config, store: Store, channels: Sequence[Channel], paces: Mapping[str, Pace]) -> Scheduler:
    by_name = {channel.name: channel for channel in channels}

    async def send(link: Link, message: StoredMessage) -> None:
        channel = by_name.get(link.channel)
        if channel is None:
            raise DeliveryError(f"{link.channel} is off", permanent=False)
        await channel.deliver(link.chat_id, message)

    return Scheduler(store, send, paces, _queue(), _erase(config, trusts_clock=False))


def _queue() -> QueueDue:
    checklists = _checklists()
    return lambda transaction, now, after: queue_some(transaction, now=now, checklists=checklists, after=after)


def _erase(config: Config, *, trusts_clock: bool) -> EraseOld:
    months = config.assessment.keep_months
    return lambda transaction, now: erase_old(transaction, now=now, keep_months=months, trusts_clock=trusts_clock)


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def _channels(config: Config, gateway: Gateway, store: Store, paces: Mapping[str, Pace]) -> list[Channel]:
    channels: list[Channel] = []
    if config.web.enabled:
        channels.append(WebChat(config.web, gateway, store))
    if config.telegram.token is not None:
        # Who has no token need not wait for the library.
        from bot.channels.telegram import Telegram

        channels.append(Telegram(config.telegram, gateway, paces[Telegram.name]))
    return channels


async def _until_stopped(channels: list[Channel], stopped: asyncio.Event) -> None:
    waiting = [asyncio.create_task(stopped.wait()), *(asyncio.create_task(c.wait()) for c in channels)]
    done, pending = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    for task in done:
        task.result()
