"""Builds everything once and passes it on."""

import asyncio
import contextlib
import logging
import signal
import sys
from functools import partial
from typing import TextIO

from bot.channels.base import Channel, ChannelError
from bot.channels.console import Console
from bot.channels.webchat import WebChat
from bot.config import Config
from bot.gateway import Gateway
from embeddings.encoder import Encoder, make_encoder
from handlers.router import handle
from handlers.services import Services
from knowledge.answer import KnowledgeBase, build_knowledge
from knowledge.lexicon import load_lexicon
from knowledge.loader import load_documents
from storage.database import migrate, open_database
from storage.store import Store

log = logging.getLogger(__name__)


def set_up_logging(level: str) -> None:
    """Log to standard error, one line an event; libraries only when something is wrong."""
    logging.basicConfig(
        level=level, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True
    )
    for library in ("httpx", "httpcore", "alembic", "bm25s", "faiss", "asyncio", "telegram", "sentence_transformers"):
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


def build_knowledge_base(config: Config) -> KnowledgeBase:
    """Return the documents ready to be asked; the index is built if it does not fit what there is now.

    Raises:
        DocumentError, LexiconError, EncoderError, CacheError: something the answers depend on is broken.
    """
    return build_knowledge(
        load_documents(config.documents.folder),
        build_encoder(config),
        load_lexicon(),
        folder=config.data_dir / "index",
        candidates=config.search.candidates,
    )


def open_store(config: Config) -> Store:
    """Return the database, brought up to date.

    Raises:
        DatabaseError: it cannot be opened or brought up to date.
    """
    engine = open_database(config.database_url)
    migrate(engine)
    return Store(engine)


def build_gateway(config: Config, store: Store) -> Gateway:
    """Return the gateway over the store and the documents.

    Raises:
        see build_knowledge_base.
    """
    return Gateway(store, partial(handle, services=Services(build_knowledge_base(config))))


def run_console(config: Config, lines: TextIO, out: TextIO, *, as_json: bool) -> None:
    """Talk in the terminal until the lines end.

    Raises:
        see build_gateway and open_store.
    """
    store = open_store(config)
    console = Console(build_gateway(config, store), store)
    (console.drive if as_json else console.talk)(lines, out)


async def run(config: Config) -> None:
    """Serve every channel that is configured, until a signal or until one ends by itself.

    Raises:
        ChannelError: a channel cannot be opened; those opened before are closed again.
        see build_gateway and open_store.
    """
    store = open_store(config)
    gateway = build_gateway(config, store)
    channels = _channels(config, gateway, store)
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
        await _until_stopped(channels, stopped)


def _channels(config: Config, gateway: Gateway, store: Store) -> list[Channel]:
    channels: list[Channel] = []
    if config.web.enabled:
        channels.append(WebChat(config.web, gateway, store))
    if config.telegram.token is not None:
        # Who has no token need not wait for the library.
        from bot.channels.telegram import Telegram

        channels.append(Telegram(config.telegram, gateway))
    return channels


async def _until_stopped(channels: list[Channel], stopped: asyncio.Event) -> None:
    waiting = [asyncio.create_task(stopped.wait()), *(asyncio.create_task(c.wait()) for c in channels)]
    done, pending = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    for task in done:
        task.result()
