"""Builds everything once and passes it on."""

import asyncio
import contextlib
import logging
import secrets
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO, TypeVar

from assessment.loader import load_checklists
from assessment.model import Checklist
from bot.channels.base import Channel, ChannelError, DeliveryError, Messenger
from bot.channels.console import Console
from bot.channels.webchat import WebChat
from bot.config import Config
from bot.floods import Floods
from bot.gateway import Gateway
from bot.intake import UpdateIntake
from bot.jobs import Jobs
from bot.loading import uncollected
from bot.pace import LIMITS, Pace
from bot.poke import poke
from bot.replies import ReplySender
from bot.scheduler import EraseOld, QueueDue, Scheduler
from bot.talk import POKED_AT, Talk, cancelled, messengers_of, webhooks_of
from bot.webhooks import Webhooks
from embeddings.cache import CacheError
from embeddings.encoder import Encoder, make_encoder
from handlers.audience import audience
from handlers.documents import takes_files
from handlers.pages import make_page, make_page_file
from handlers.references import documents_page
from handlers.reminders import queue_some
from handlers.retention import erase_old
from handlers.router import handle, make_file
from handlers.services import Options, Services
from knowledge.answer import KnowledgeBase, build_knowledge
from knowledge.golden import load_golden
from knowledge.intake.model import Intake, IntakeError
from knowledge.lexicon import load_lexicon
from knowledge.library import Library
from knowledge.model import Document, KnowledgeError
from knowledge.reload import LiveKnowledge
from knowledge.views import View, load_views
from storage.approved import ApprovedAnswer, read_approved
from storage.database import DatabaseError, migrate, open_database
from storage.jobs import Job
from storage.people import Link
from storage.store import Store, StoredMessage
from storage.vault import Vault, load_vault

log = logging.getLogger(__name__)

_T = TypeVar("_T")
_LOOKS_EVERY_S = 1.0
# Names a digest whose official text has its id.
_BESIDE = "+tom-luoc"


def set_up_logging(level: str) -> None:
    """Log to standard error, one line an event; libraries only when something is wrong."""
    logging.basicConfig(
        level=level, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True
    )
    for library in (
        "httpx",
        "httpcore",
        "alembic",
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
def build_live(
    config: Config, *, curated: bool = True, takes_folder: bool = True, steps_back: bool = False
) -> LiveKnowledge:
    """Return the documents that answer now, and the way to load others while they do.

    Args:
        curated: whether the curated questions, ours and the admin's, help to find passages.
        takes_folder, steps_back: see LiveKnowledge.open.
    Raises:
        KnowledgeError, EncoderError, CacheError: something the answers depend on is broken.
    """
    encoder, lexicon = build_encoder(config), load_lexicon()
    index = config.data_dir / "index"

    @uncollected()
    def build(
        documents: Sequence[Document], helping: Sequence[Document], previous: KnowledgeBase | None
    ) -> KnowledgeBase:
        kept, views = assembled(documents, helping, load_all_views(config) if curated else [])
        return build_knowledge(
            kept,
            encoder,
            lexicon,
            views=views,
            # What goes on beside answers is written down only once it answers.
            folder=index if previous is None else None,
            candidates=config.search.candidates,
            previous=previous,
        )

    live = LiveKnowledge(
        Library(config.data_dir / "library"),
        folder=config.documents.folder,
        tray=config.documents.tray,
        golden=lambda: [*load_golden(), *load_golden(config.data_dir / "golden")],
        build=build,
        save=lambda knowledge: _save(knowledge, index),
        read=_read_files,
    )
    live.open(at=datetime.now(UTC), takes_folder=takes_folder, steps_back=steps_back)
    return live


def build_knowledge_base(config: Config, *, curated: bool = True) -> KnowledgeBase:
    """Return the documents that answer now, ready to be asked; see build_live."""
    return build_live(config, curated=curated).knowledge


def assembled(
    documents: Sequence[Document], helping: Sequence[Document], views: Sequence[View]
) -> tuple[Sequence[Document], Sequence[View]]:
    """Return what answers and the questions that lead to it; words of a digest lead to the official text beside it."""
    if not helping:
        return documents, views
    from knowledge.precedence import precedence

    aside = {digest.id: f"{digest.id}{_BESIDE}" for digest in helping}
    digests = [replace(digest, id=aside[digest.id]) for digest in helping]

    def owner(view: View) -> str:
        return view.passage_id.split("/", 1)[0]

    theirs = [
        replace(view, passage_id=f"{aside[owner(view)]}/{view.passage_id.split('/', 1)[1]}")
        if owner(view) in aside
        else view
        for view in views
    ]
    return precedence([*documents, *digests], theirs)


def _save(knowledge: KnowledgeBase, folder: Path) -> None:
    try:
        knowledge.save(folder)
    except CacheError as error:
        # What answers is in memory and its texts are on the disk: the next start builds the index again.
        log.warning("index not written: %s", error)


def _read_files(paths: Sequence[Path]) -> Iterator[Intake | IntakeError]:
    if not paths:
        return iter(())
    # Nobody who receives no files need wait for it.
    from knowledge.intake.child import intake_many

    return intake_many(paths)


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


def load_approved(config: Config) -> list[ApprovedAnswer]:
    """Return the approved answers, for who asks without a conversation; none where there is no database to be read."""
    try:
        return read_approved(config.database_url)
    except DatabaseError as error:
        # The documents answer all the same.
        log.warning("approved answers cannot be read: %s", error)
        return []


def open_vault(config: Config) -> Vault:
    """Return the keys that seal what members answer; made at the first start.

    Raises:
        VaultError: the key file is broken, or others can read it.
    """
    given = config.secrets.keys.get_secret_value() if config.secrets.keys else None
    return load_vault(config.key_file, given=given)


def _checklists() -> dict[tuple[str, int], Checklist]:
    return {(checklist.id, checklist.version): checklist for checklist in load_checklists()}


def build_gateway(
    config: Config, store: Store, live: LiveKnowledge | None = None, floods: Floods | None = None
) -> Gateway:
    """Return the gateway over the store and the documents.

    Args:
        live: the documents; None builds them.
        floods: how much one person may write in a row; None for as much as they like.
    Raises:
        see build_live.
    """
    live = live or build_live(config)
    checklists, options = _checklists(), _options(config)

    def now(act: Callable[..., _T]) -> Callable[..., _T]:
        """Let a message be answered from one version, whatever is loaded meanwhile."""
        return lambda *given: act(*given, services=Services(live.knowledge, checklists, options, live))

    return Gateway(
        store,
        now(handle),
        now(make_file),
        now(make_page),
        now(make_page_file),
        now(takes_files),
        now(documents_page),
        now(audience),
        floods,
        lambda question: live.knowledge.prepare(question),
    )


def _options(config: Config) -> Options:
    return Options(
        admins=frozenset(config.admins),
        decision=config.assessment.decision,
        keep_months=config.assessment.keep_months,
        web_address=config.web.address,
        telegram_name=config.telegram.name,
        keeps_gaps=config.feedback.gaps,
        takes_thumbs=config.feedback.thumbs,
    )


def run_console(config: Config, lines: TextIO, out: TextIO, *, as_json: bool) -> None:
    """Talk in the terminal until the lines end.

    Raises:
        see build_gateway and open_store.
    """
    store, live = open_store(config), build_live(config)
    jobs = Jobs(store, live, config.documents.tray, lambda _channel, ref: Path(ref).read_bytes())
    gateway = build_gateway(config, store, live)
    console = Console(gateway, store, _queue(), _erase(config, trusts_clock=True), jobs)
    (console.drive if as_json else console.talk)(lines, out)


async def run(config: Config) -> None:
    """Serve every channel that is configured, until a signal or until one ends by itself.

    Raises:
        ChannelError: a channel cannot be opened; those opened before are closed again.
        see build_gateway and open_store.
    """
    store, live = open_store(config), build_live(config)
    gateway = build_gateway(config, store, live, Floods())
    paces = {name: Pace(limits) for name, limits in LIMITS.items()}
    talk = Talk(config, store, gateway, paces)
    channels = _channels(config, gateway, store, talk.messengers)
    if not channels:
        raise ChannelError("no channel is on: set web.enabled to true or TUSOI_TELEGRAM__TOKEN to a token")
    stopped = _stopped_by_signal()
    # The stack closes what was opened, the last first, even when something cannot close: what is being answered is
    # sent while the channels are open, no update comes in any more when they are closed, and then the sender ends.
    async with contextlib.AsyncExitStack() as opened:
        await talk.open(opened)
        for channel in channels:
            await channel.start()
            opened.push_async_callback(channel.stop)
        opened.push_async_callback(talk.settle)
        reminding = asyncio.create_task(_scheduler(config, store, channels, paces).run())
        opened.push_async_callback(cancelled, reminding)
        working = asyncio.create_task(work(config, store, live, channels, talk.sender))
        opened.push_async_callback(cancelled, working)
        await _until_stopped([*channels, *talk.waited_for], stopped)


async def run_webhooks(config: Config) -> None:
    """Only take in what platforms post, beside the program that handles it, until a signal.

    Raises:
        ChannelError: no platform posts to us, or the port cannot be shared.
        see open_store.
    """
    store = open_store(config)
    with ThreadPoolExecutor(2, thread_name_prefix="take") as executor:
        worker = secrets.token_hex(8)
        gateway, sender = Gateway(store, lambda *_: []), ReplySender(store, {}, worker, executor)
        intake = UpdateIntake(
            store, gateway, {}, sender, worker, executor, on_kept=lambda: poke(config.data_dir / POKED_AT)
        )
        paces = {name: Pace(limits) for name, limits in LIMITS.items()}
        messengers = messengers_of(config, store, gateway, paces, intake.take)
        routes = [route for messenger in messengers for route in messenger.routes()]
        if not routes or not config.webhooks.shared:
            raise ChannelError(
                "nothing to take in beside the program: set webhooks.shared to true and telegram.webhook or "
                "zalo.webhook to the address that the platform posts to"
            )
        server = webhooks_of(config, store, routes)
        stopped = _stopped_by_signal()
        await server.start()
        try:
            await _until_stopped([server], stopped)
        finally:
            await server.stop()


def _stopped_by_signal() -> asyncio.Event:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    return stopped


def _scheduler(config: Config, store: Store, channels: Sequence[Channel], paces: Mapping[str, Pace]) -> Scheduler:
    by_name = {channel.name: channel for channel in channels}

    async def send(link: Link, message: StoredMessage) -> None:
        channel = by_name.get(link.channel)
        if channel is None:
            raise DeliveryError(f"{link.channel} is off", permanent=False)
        await channel.deliver(link.chat_id, message)

    return Scheduler(store, send, paces, _queue(), _erase(config, trusts_clock=False))


async def work(
    config: Config,
    store: Store,
    live: LiveKnowledge,
    channels: Sequence[Channel],
    sender: ReplySender | None = None,
) -> None:
    """Do what is asked for in chats and takes its time, and let answer what another process has loaded, for ever.

    Args:
        sender: sends what is said at the end on channels other than the web page.
    """
    by_name, loop = {channel.name: channel for channel in channels}, asyncio.get_running_loop()
    queues_on = [name for name in by_name if name != WebChat.name] if sender is not None else []

    def fetch(channel: str, file_ref: str) -> bytes:
        return asyncio.run_coroutine_threadsafe(by_name[channel].fetch(file_ref), loop).result()

    async def show(job: Job, message: StoredMessage, is_edit: bool, shown_as: str | None) -> None:
        channel = by_name[job.channel]
        try:
            if is_edit:
                await channel.edit(job.chat_id, message, shown_as)
            elif sender is not None and job.channel in queues_on:
                sender.look_now()
            else:
                await channel.deliver(job.chat_id, message)
        except DeliveryError as error:
            log.warning("job %s: message %s not delivered: %s", job.id, message.id, error)

    def tell(job: Job, message: StoredMessage, is_edit: bool) -> None:
        with store.transaction() as transaction:
            shown_as = transaction.replies.shown_as(message.id) if is_edit else None
        asyncio.run_coroutine_threadsafe(show(job, message, is_edit, shown_as), loop).result()

    jobs, names = Jobs(store, live, config.documents.tray, fetch, queues_on), list(by_name)
    knows_interrupted, complained = False, ""
    while True:
        try:
            if not knows_interrupted:
                await asyncio.to_thread(jobs.say_interrupted, names, tell, now=datetime.now(UTC))
                knows_interrupted = True
            while await asyncio.to_thread(jobs.run_next, names, tell, clock=lambda: datetime.now(UTC)):
                pass
            await asyncio.to_thread(live.follow)
            complained = ""
        except Exception as error:
            # A database that is away, or a disk that is full, may be well again in a moment.
            complaint = str(error) if isinstance(error, KnowledgeError) else type(error).__name__
            if complaint != complained:
                log.error("documents: %s", complaint, exc_info=log.isEnabledFor(logging.DEBUG))
            complained = complaint
        await asyncio.sleep(_LOOKS_EVERY_S)


def _queue() -> QueueDue:
    checklists = _checklists()
    return lambda transaction, now, after: queue_some(transaction, now=now, checklists=checklists, after=after)


def _erase(config: Config, *, trusts_clock: bool) -> EraseOld:
    months = config.assessment.keep_months
    return lambda transaction, now: erase_old(transaction, now=now, keep_months=months, trusts_clock=trusts_clock)


def _channels(config: Config, gateway: Gateway, store: Store, messengers: Sequence[Messenger]) -> list[Channel]:
    channels: list[Channel] = []
    if config.web.enabled:
        token = config.telegram.token.get_secret_value() if config.telegram.token else None
        channels.append(WebChat(config.web, gateway, store, thumbs=config.feedback.thumbs, telegram_token=token))
    return [*channels, *messengers]


async def _until_stopped(channels: Sequence[Channel | Webhooks], stopped: asyncio.Event) -> None:
    waiting = [asyncio.create_task(stopped.wait()), *(asyncio.create_task(c.wait()) for c in channels)]
    done, pending = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    for task in done:
        task.result()
