"""python-telegram-bot to our words, and back."""

import asyncio
import html
import logging
import re
import time
import traceback
import unicodedata
from collections.abc import Awaitable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from weakref import WeakValueDictionary

from telegram import CallbackQuery, InlineKeyboardButton, InlineKeyboardMarkup, LinkPreviewOptions, Message, Update
from telegram.constants import ChatAction, ChatType, MessageEntityType, ParseMode
from telegram.error import BadRequest, ChatMigrated, Conflict, Forbidden, InvalidToken, RetryAfter, TelegramError
from telegram.error import TimedOut as MaybeDelivered
from telegram.ext import Application, ApplicationBuilder, BaseUpdateProcessor, TypeHandler

from bot.channels.base import ChannelError, DeliveryError, FileLostError
from bot.config import TelegramConfig
from bot.gateway import Gateway
from bot.pace import LIMITS, Pace
from handlers import texts
from handlers.messages import BlockKind, IncomingMessage
from storage.store import StoredButton, StoredMessage

log = logging.getLogger(__name__)
_Application = Application[Any, Any, Any, Any, Any, Any]

TOKEN_SETTING = "TUSOI_TELEGRAM__TOKEN"
TEXT_LIMIT = 4096  # UTF-16 code units once the HTML is parsed
LABEL_LIMIT = 60  # characters; a phone shows about half of that on a line
BUTTONS_LIMIT = 50  # Telegram refuses large keyboards; further choices are listed and can be typed
# Messages that may still be edited.
_REMEMBERED = 500
POLL_TIMEOUT_S = 25
READ_TIMEOUT_S = 20  # generous: a send that times out may have arrived, and nobody can tell
TYPING_TIMEOUT_S = 2
LONGEST_FLOOD_WAIT_S = 300
FIRST_BACKOFF_S = 0.5
LONGEST_BACKOFF_S = 30.0
STOP_TIMEOUT_S = 20
# An update that waits for its chat's turn takes one of these, so one busy chat must not use them up.
UPDATES_AT_ONCE = 512


# --- From Telegram: an update becomes a message ---------------------------------------------------------------


def to_message(update: Update, *, now: datetime) -> IncomingMessage | None:
    """Return what a person said in a private chat, or None where there is nothing to answer.

    A caption counts as text. Whatever comes without text (a photo, a voice message, a place) is a file named for
    itself or for its kind, so that handlers can say what they do not read. Edited messages are left alone: the
    answer to the first wording stands above, and a member who wants another asks again. Service notices, taps
    without data and taps on messages that are in no chat say nothing.

    Args:
        now: the time of a tap, which Telegram does not tell; a message carries its own.
    """
    # Taps and messages both have an update id, and a redelivered update keeps it. Message ids would not do: a tap
    # has none of its own, and another bot on the same database counts them from 1 again.
    external_id = f"u{update.update_id}"
    query, message = update.callback_query, update.message
    if query is not None:
        if query.message is None or not query.data:
            return None
        chat_id = str(query.message.chat.id)
        return IncomingMessage("telegram", chat_id, external_id, "", now.astimezone(UTC), button_id=query.data)
    if message is None:
        return None
    # In a private chat every command is ours, whatever bot its suffix names.
    text = re.sub(r"^(/\w+)@\w+", r"\1", message.text or message.caption or "")
    file_name = _file_name(message)
    if not text and file_name is None:
        return None
    return IncomingMessage(
        "telegram",
        str(message.chat.id),
        external_id,
        text,
        message.date.astimezone(UTC),
        file_name=file_name,
        file_ref=_file_ref(message),
    )


def _file_name(message: Message) -> str | None:
    attachment = message.effective_attachment
    if attachment is None:
        return None
    if message.photo:
        return "photo.jpg"
    return getattr(attachment, "file_name", None) or type(attachment).__name__.lower()


def _file_ref(message: Message) -> str | None:
    """Return by which the file of a message is fetched; of a photo, its largest copy; None for what is no file."""
    file = message.photo[-1] if message.photo else message.document
    return file.file_id if file is not None else None


def is_addressed(message: Message, username: str) -> bool:
    """Return whether a message in a group speaks to the bot of that name: a mention, or a command not for another."""
    kinds: list[str | None] = [MessageEntityType.MENTION, MessageEntityType.BOT_COMMAND]
    if message.text:
        said = message.parse_entities(kinds)
    elif message.caption:
        said = message.parse_caption_entities(kinds)
    else:
        return False
    for part in said.values():
        command, _, name = part.partition("@")
        if name.lower() == username.lower() or (command and not name):
            return True
    return False


def _undelivered(error: TelegramError) -> DeliveryError:
    """Say what a refusal means for the message that was being sent."""
    if isinstance(error, (Forbidden, ChatMigrated)):
        return DeliveryError(f"the chat is closed to us: {_name(error)}", permanent=True)
    if isinstance(error, MaybeDelivered):
        return DeliveryError("timed out", permanent=False, maybe_delivered=True)
    if isinstance(error, BadRequest):
        return DeliveryError(f"telegram refused the message: {error.message.lower()}", permanent=True)
    return DeliveryError(f"telegram cannot be reached: {_name(error)}", permanent=False)


def _asked_to_wait(seconds: float) -> DeliveryError:
    return DeliveryError("telegram asked to wait", permanent=False, retry_after_s=seconds)


class _ChatLocks:
    """A lock for each chat, kept for as long as somebody holds or awaits it."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def of(self, chat_id: int | str) -> asyncio.Lock:
        """Return the lock of a chat; the caller's reference keeps it alive."""
        return self._locks.setdefault(str(chat_id), asyncio.Lock())


class OneByOneInAChat(BaseUpdateProcessor):
    """Handles the updates of a chat in the order they came, and chats side by side."""

    def __init__(self) -> None:
        super().__init__(UPDATES_AT_ONCE)
        self._chats = _ChatLocks()

    async def do_process_update(self, update: object, coroutine: Awaitable[Any]) -> None:
        """Await the update's coroutine when its chat's turn has come."""
        chat = update.effective_chat if isinstance(update, Update) else None
        if chat is None:
            await coroutine
            return
        async with self._chats.of(chat.id):
            await coroutine

    async def initialize(self) -> None:
        """Do nothing."""

    async def shutdown(self) -> None:
        """Do nothing."""


def looks_like_token(text: str) -> bool:
    """Return whether a text has the form of a bot token, "123456:ABC…"; only Telegram knows whether it is one."""
    return re.fullmatch(r"\d+:[\w/-]+", text, re.ASCII) is not None


# --- To Telegram: a message becomes HTML and buttons ----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Drawn:
    """One Telegram message.

    Attributes:
        html: Telegram's HTML; at most TEXT_LIMIT once parsed.
        plain: the same without markup, should the HTML be refused.
        buttons: (label, callback data), a row each.
    """

    html: str
    plain: str
    buttons: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class _Run:
    """Neighbouring pieces of one block; `before` parts it from the run above."""

    kind: BlockKind
    before: str
    text: str


_TAGS = {BlockKind.QUOTE: "blockquote", BlockKind.CITATION: "i"}
# Where a text is cut, the best place first: paragraphs, lines, sentences, words.
_BOUNDARIES = (r"\n\s*\n", r"\n+", r"(?<=[.!?…;:])\s+", r"\s+")


def render(message: StoredMessage) -> list[Drawn]:
    """Return a message as Telegram messages, in order; the last one carries the buttons.

    Labels begin with their number, since the number may be typed as well. A choice too long for its button is
    written out above it; with nothing else to say all choices are, because Telegram takes no message without text.
    """
    kinds = [(BlockKind(kind), _well_formed(text).strip()) for kind, text in message.blocks]
    blocks = [(kind, text) for kind, text in kinds if kind is not BlockKind.FILE]
    blocks = [(kind, f"⚠️ {text}" if kind is BlockKind.NOTICE else text) for kind, text in blocks if text]
    shown, labels = message.buttons[:BUTTONS_LIMIT], [_label(button) for button in message.buttons]
    written_out = [label for n, label in enumerate(labels) if not blocks or n >= len(shown) or len(label) > LABEL_LIMIT]
    if written_out:
        blocks.append((BlockKind.TEXT, "\n".join(written_out)))
    parts = [Drawn(_to_html(runs), "".join(run.before + run.text for run in runs)) for runs in _pack(blocks)]
    if parts and shown:
        buttons = tuple((_shortened(_label(button)), button.id) for button in shown)
        parts[-1] = Drawn(parts[-1].html, parts[-1].plain, buttons)
    return parts


def _label(button: StoredButton) -> str:
    return " ".join(f"{button.ordinal}. {_well_formed(button.label)}".split())


def _shortened(label: str) -> str:
    return label if len(label) <= LABEL_LIMIT else label[: LABEL_LIMIT - 1].rstrip() + "…"


def _to_html(runs: Sequence[_Run]) -> str:
    drawn = ""
    for run in runs:
        escaped, tag = html.escape(run.text, quote=False), _TAGS.get(run.kind)
        drawn += run.before + (f"<{tag}>{escaped}</{tag}>" if tag else escaped)
    return drawn


def _pack(blocks: Sequence[tuple[BlockKind, str]]) -> list[list[_Run]]:
    """Return the blocks spread over as many messages as they need.

    A run never crosses from one message to the next, so a long quote becomes a quote in each.
    """
    parts: list[list[_Run]] = []
    room, above = 0, BlockKind.TEXT
    for kind, text in blocks:
        # Telegram draws a quote with space around it, and a citation belongs to the quote above.
        tight = kind in (BlockKind.QUOTE, BlockKind.CITATION) or above is BlockKind.QUOTE
        gap, above, begins = "\n" if tight else "\n\n", kind, True
        for before, piece in _cut(text, TEXT_LIMIT):
            separator = gap if begins else before
            if _width(separator) + _width(piece) > room:
                parts.append([])
                room, separator, begins = TEXT_LIMIT, "", True
            if begins:
                parts[-1].append(_Run(kind, separator, piece))
            else:
                parts[-1][-1].text += separator + piece
            room -= _width(separator) + _width(piece)
            begins = False
    return parts


def _cut(text: str, limit: int, boundaries: Sequence[str] = _BOUNDARIES) -> Iterator[tuple[str, str]]:
    """Yield (what stood before the piece, the piece), each piece within the limit, cut no finer than it must be."""
    if _width(text) <= limit:
        yield "", text
        return
    if not boundaries:
        for piece in _cut_anywhere(text, limit):
            yield "", piece
        return
    separator = ""
    for n, part in enumerate(re.split(f"({boundaries[0]})", text)):
        if n % 2:
            separator = part
        elif part:
            for before, piece in _cut(part, limit, boundaries[1:]):
                yield separator + before, piece
                separator = ""


def _cut_anywhere(text: str, limit: int) -> Iterator[str]:
    begin = used = 0
    for n, character in enumerate(text):
        if used + _width(character) > limit:
            end = n
            while end > begin + 1 and unicodedata.combining(text[end]):
                end -= 1  # a mark stays with its letter
            if end == begin + 1:
                end = n  # nothing but marks
            yield text[begin:end]
            begin, used = end, _width(text[end:n])
        used += _width(character)
    yield text[begin:]


def _width(text: str) -> int:
    """Return the length in UTF-16 code units, as Telegram counts offsets: an emoji is two."""
    return len(text) + sum(character > "\uffff" for character in text)


def _well_formed(text: str) -> str:
    # Half a surrogate pair cannot be sent as UTF-8.
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


# --- The channel ----------------------------------------------------------------------------------------------


class Telegram:
    """The Telegram bot, by long polling."""

    name = "telegram"

    def __init__(self, config: TelegramConfig, gateway: Gateway, pace: Pace | None = None) -> None:
        """Take, beside settings and gateway, the pace that broadcasts keep: replies are noted there and never wait."""
        self._config = config
        self._gateway = gateway
        self._pace = pace or Pace(LIMITS["telegram"])
        self._application: _Application | None = None
        self._polling: asyncio.Task[None] | None = None
        self._offset: int | None = None
        self._stopping = asyncio.Event()
        self._sending = _ChatLocks()
        # Which Telegram message says what of ours was said last; to edit it.
        self._shown: dict[int, int] = {}

    async def start(self) -> None:
        """Check the token and begin to poll; without a network, keep trying in the background.

        Raises:
            ChannelError: the token is missing, is not one, or was refused.
        """
        _quieten_libraries()
        token = self._config.token.get_secret_value() if self._config.token else ""
        # A token with a blank in it would make a broken URL, and the library would quote that in its error.
        if not looks_like_token(token):
            raise ChannelError(
                f"{TOKEN_SETTING} does not hold a Telegram bot token (like 123456:ABC…): copy it from @BotFather"
            )
        application = self._application = self._build(token)
        failure: TelegramError | None = None
        try:
            await self._connect(application)
        except TelegramError as error:
            failure = error
        if isinstance(failure, (InvalidToken, Forbidden)):
            await self.stop()
            # Without its cause, which quotes the token.
            raise ChannelError(_explain(failure))
        trouble = _explain(failure) if failure else ""
        if trouble:
            log.warning("telegram: %s", trouble)
        self._polling = asyncio.create_task(self._poll(application, trouble), name="telegram polling")

    async def wait(self) -> None:
        """Return after stop(); neither a lost network nor a revoked token ends polling."""
        if self._polling:
            await asyncio.wait({self._polling})

    async def stop(self) -> None:
        """Stop polling, answer what has been fetched, then tell Telegram that it is done with."""
        self._stopping.set()
        application = self._application
        if application is None:
            return
        if self._polling:
            self._polling.cancel()
            await asyncio.wait({self._polling})
        if application.running:
            try:
                async with asyncio.timeout(STOP_TIMEOUT_S):
                    await application.stop()
                    if self._offset is not None:
                        await application.bot.get_updates(offset=self._offset, limit=1, timeout=0)
            except TimeoutError:
                log.warning("telegram: closed while updates were still being answered")
            except TelegramError as error:
                log.info("telegram: last updates not confirmed and will come again: %s", _name(error))
        await application.shutdown()
        # Where the network never came up, the application was not initialised and leaves its connections open.
        await application.bot.shutdown()

    async def deliver(self, chat_id: str, message: StoredMessage) -> None:
        """Send a message, all its parts in order; where Telegram asks to wait before the first, the caller waits.

        Raises:
            DeliveryError: a part did not arrive, or may not have; the parts before it did.
        """
        await self._deliver(chat_id, message, is_reply=False)

    async def _deliver(self, chat_id: str, message: StoredMessage, *, is_reply: bool) -> None:
        async with self._sending.of(chat_id):
            for number, part in enumerate(render(message)):
                # What has begun to arrive is finished: from its first part on it would be heard twice.
                shown = await self._send(chat_id, part, at_once=is_reply or number > 0)
                self._remember(message.id, shown)
            for number in range(1, len(message.files) + 1):
                await self._send_file(chat_id, message.id, number)

    async def edit(self, chat_id: str, message: StoredMessage) -> None:
        """Say a message otherwise that was sent since the start of the program, unless Telegram refuses."""
        part = render(message)[0]
        async with self._sending.of(chat_id):
            message_id = self._shown.get(message.id)
            if message_id is None:
                return
            try:
                await self._bot().edit_message_text(
                    part.html, chat_id=chat_id, message_id=message_id, parse_mode=ParseMode.HTML
                )
            except TelegramError as error:
                # What has become of it is said in a message of its own.
                log.info("telegram: message %s not edited: %s", message.id, _name(error))

    async def fetch(self, file_ref: str) -> bytes:
        """Return a file that was sent to us, of at most 20 MB.

        Raises:
            FileLostError: Telegram does not hand it out.
        """
        try:
            file = await self._bot().get_file(file_ref)
            return bytes(await file.download_as_bytearray())
        except BadRequest as error:
            raise FileLostError(too_large="too big" in error.message.lower()) from error
        except TelegramError as error:
            raise FileLostError from error

    def _remember(self, our_id: int, shown: int | None) -> None:
        if shown is not None and our_id:
            self._shown[our_id] = shown
            while len(self._shown) > _REMEMBERED:
                del self._shown[next(iter(self._shown))]

    def _build(self, token: str) -> _Application:
        builder = (
            ApplicationBuilder()
            .token(token)
            .base_url(self._config.base_url)
            .base_file_url(self._config.base_file_url)
            .connection_pool_size(8)
            .pool_timeout(10)
            .read_timeout(READ_TIMEOUT_S)
            # With the library's single connection one torn poll can stop polling for good.
            .get_updates_connection_pool_size(8)
            .get_updates_pool_timeout(10)
            .concurrent_updates(OneByOneInAChat())
            # The library's updater gives up for good on one refused poll, and confirms what nobody has looked at.
            .updater(None)
            .job_queue(None)
        )
        application: _Application = builder.build()
        application.add_handler(TypeHandler(Update, self._on_update))
        application.add_error_handler(_log_failure)
        return application

    async def _connect(self, application: _Application) -> None:
        """Check the token, leave webhook mode, register the commands, begin to handle; may be tried again."""
        await application.initialize()
        await application.bot.delete_webhook(drop_pending_updates=False)
        try:
            await application.bot.set_my_commands(texts.COMMANDS)
        except TelegramError as error:
            log.warning("telegram: commands not registered: %s", _name(error))
        await application.start()
        log.info("telegram: started as bot %s", application.bot.id)

    async def _poll(self, application: _Application, trouble: str) -> None:
        """Fetch updates for ever; trouble is what has been logged already and goes on, so it is not said again."""
        backoff_s = FIRST_BACKOFF_S
        if trouble:
            await asyncio.sleep(backoff_s)
        while True:
            try:
                if not application.running:
                    await self._connect(application)
                updates = await application.bot.get_updates(
                    offset=self._offset,
                    timeout=POLL_TIMEOUT_S,
                    allowed_updates=[Update.MESSAGE, Update.CALLBACK_QUERY],
                )
            except TelegramError as error:
                if _explain(error) != trouble:
                    trouble = _explain(error)
                    log.warning("telegram: %s", trouble)
                await asyncio.sleep(max(backoff_s, _retry_after_s(error)))
                backoff_s = min(2 * backoff_s, LONGEST_BACKOFF_S)
                continue
            if trouble:
                log.info("telegram: connected again")
            backoff_s, trouble = FIRST_BACKOFF_S, ""
            for update in updates:
                await application.update_queue.put(update)
                self._offset = update.update_id + 1

    async def _on_update(self, update: Update, _context: object) -> None:
        if update.callback_query:
            await self._answer(update.callback_query)
        if update.effective_chat and update.effective_chat.type != ChatType.PRIVATE:
            await self._ask_to_write_privately(update)
            return
        message = to_message(update, now=datetime.now(UTC))
        if message is None:
            return
        _, received = await asyncio.gather(self._show_typing(message.chat_id), self._gateway.receive(message))
        if received.is_repeat:
            return
        try:
            for reply in received.replies:
                await self._deliver(message.chat_id, reply, is_reply=True)
                await self._gateway.delivered(reply)
        except DeliveryError as error:
            # What would follow makes no sense without what failed.
            log.warning("telegram: update %s not fully answered: %s", update.update_id, error)

    async def _answer(self, query: CallbackQuery) -> None:
        """Take the waiting mark off a tapped button; a tap that came late or again is handled all the same."""
        try:
            await query.answer()
        except TelegramError as error:
            log.info("telegram: tap not acknowledged: %s", _name(error))

    async def _ask_to_write_privately(self, update: Update) -> None:
        message = update.message
        if message is None or self._application is None or not is_addressed(message, self._application.bot.username):
            return
        try:
            await self._send(str(message.chat.id), Drawn(texts.PLEASE_WRITE_PRIVATELY, texts.PLEASE_WRITE_PRIVATELY))
        except DeliveryError as error:
            log.warning("telegram: update %s not answered: %s", update.update_id, error)

    async def _show_typing(self, chat_id: str) -> None:
        if self._application is None:
            return
        try:
            await self._application.bot.send_chat_action(
                chat_id, ChatAction.TYPING, read_timeout=TYPING_TIMEOUT_S, pool_timeout=TYPING_TIMEOUT_S
            )
        except TelegramError as error:
            log.info("telegram: typing not shown: %s", _name(error))

    async def _send(self, chat_id: str, part: Drawn, *, at_once: bool = True) -> int | None:
        """Send one Telegram message; return its id there.

        Args:
            at_once: somebody waits for it: broadcasts yield, and where Telegram asks to wait it goes right after.
        """
        bot = self._bot()
        rows = [[InlineKeyboardButton(label, callback_data=data)] for label, data in part.buttons]
        as_html = True
        while True:
            if at_once:
                self._pace.reply(chat_id, time.monotonic())
            try:
                sent = await bot.send_message(
                    chat_id,
                    part.html if as_html else part.plain,
                    parse_mode=ParseMode.HTML if as_html else None,
                    reply_markup=InlineKeyboardMarkup(rows) if rows else None,
                    link_preview_options=LinkPreviewOptions(is_disabled=True),
                )
            except RetryAfter as error:
                seconds = _retry_after_s(error)
                self._pace.halt(time.monotonic() + seconds)
                if not at_once:
                    raise _asked_to_wait(seconds) from error
                await self._wait_out(seconds)
            except BadRequest as error:
                # The library capitalises the first letter of what Telegram says.
                reason = error.message.lower()
                if "message is not modified" in reason:
                    return None
                if not as_html or "can't parse entities" not in reason:
                    raise DeliveryError(f"telegram refused the message: {reason}", permanent=True) from error
                log.error("telegram: our HTML was refused, sent as plain text")
                as_html = False
            except TelegramError as error:
                raise _undelivered(error) from error
            else:
                return int(sent.message_id)

    async def _send_file(self, chat_id: str, message_id: int, number: int) -> None:
        """Send a file of a message; one that is not for this chat any more is left out."""
        bot = self._bot()
        made = await asyncio.to_thread(
            self._gateway.file_of, self.name, chat_id, message_id, number, now=datetime.now(UTC)
        )
        while made is not None:
            try:
                await bot.send_document(chat_id, made.content, filename=made.name)
            except RetryAfter as error:
                await self._wait_out(_retry_after_s(error))
            except TelegramError as error:
                raise _undelivered(error) from error
            else:
                return

    def _bot(self) -> Any:
        if self._application is None:
            raise DeliveryError("telegram is not started", permanent=False)
        return self._application.bot

    async def _wait_out(self, seconds: float) -> None:
        """Wait as long as Telegram asked for, unless that is too long or we are closing.

        Raises:
            DeliveryError: the waiting was not done.
        """
        if seconds <= LONGEST_FLOOD_WAIT_S:
            log.info("telegram: asked to wait %s s", seconds)
            try:
                async with asyncio.timeout(seconds):
                    await self._stopping.wait()
            except TimeoutError:
                return
        raise _asked_to_wait(seconds)


def _quieten_libraries() -> None:
    # httpx logs URLs, which hold the token; the library's own logs hold whole updates, and its request logger
    # quotes every answer it cannot read.
    for name, level in (("httpx", logging.WARNING), ("httpcore", logging.WARNING), ("telegram", logging.WARNING)):
        logging.getLogger(name).setLevel(level)
    logging.getLogger("telegram.request").setLevel(logging.CRITICAL)


async def _log_failure(update: object, context: Any) -> None:
    """Log where handling failed; never the exception's words, which may be what people wrote."""
    error: BaseException = context.error
    frames = traceback.extract_tb(error.__traceback__)
    where = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "unknown place"
    log.error("telegram: update %s failed: %s at %s", getattr(update, "update_id", None), type(error).__name__, where)


def _explain(error: TelegramError) -> str:
    """Return in one line, without the token, why we are not connected and what to do."""
    if isinstance(error, (InvalidToken, Forbidden)):
        return f"{TOKEN_SETTING} was refused by Telegram: copy the token again from @BotFather and restart"
    if isinstance(error, Conflict):
        return "another program polls with the same token: stop it; trying again until then"
    return f"Telegram cannot be reached ({_name(error)}); trying again until it can"


def _name(error: TelegramError) -> str:
    # Network errors may quote the URL and with it the token, so only their kind is told.
    return type(error.__cause__ or error).__name__


def _retry_after_s(error: TelegramError) -> float:
    if not isinstance(error, RetryAfter):
        return 0.0
    wait = error.retry_after
    return wait.total_seconds() if isinstance(wait, timedelta) else float(wait)
