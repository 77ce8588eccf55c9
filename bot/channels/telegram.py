"""The Telegram bot: what it keeps, how it connects, how it speaks; telegram_api.py knows the library."""

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from starlette.routing import Route

from bot.channels.base import ChannelError, DeliveryError, FileLostError, Heard, Take
from bot.channels.posted import webhook_address, webhook_secret
from bot.channels.telegram_api import TOKEN_SETTING, Api, understand
from bot.channels.telegram_drawing import Drawn, as_plain, checklist_page, render
from bot.channels.telegram_errors import ConnectError, RefusedError, UnreadableError
from bot.channels.telegram_intake import DEFAULT_PATH, left_out, raw_update_or_its_id, webhook_route
from bot.config import TelegramConfig
from bot.gateway import Gateway
from bot.pace import LIMITS, Pace
from handlers import mini_app_texts
from handlers.audience import Audience
from handlers.command_texts import COMMANDS
from storage.store import StoredMessage

log = logging.getLogger(__name__)
_T = TypeVar("_T")

POLL_TIMEOUT_S = 25
LONGEST_FLOOD_WAIT_S = 300
FIRST_BACKOFF_S = 0.5
LONGEST_BACKOFF_S = 30.0
STOP_TIMEOUT_S = 20
# More at once is slower, not faster.
IN_FLIGHT = 8
UPDATES_AT_ONCE = 100
MENU_EVERY_S = 600.0
# After a restart nobody remembers who had a menu of a role that is gone: those are looked for at this pace.
FORGOTTEN_MENU_EVERY_S = 1.0
_MENUS_REMEMBERED = 10_000


def looks_like_token(text: str) -> bool:
    """Return whether a text has the form of a bot token, "123456:ABC…"; only Telegram knows whether it is one."""
    return re.fullmatch(r"\d+:[\w/-]+", text, re.ASCII) is not None


def _quieten_libraries() -> None:
    # The libraries' own logs hold whole updates, and addresses with the token in them.
    for name in ("telegram", "aiohttp"):
        logging.getLogger(name).setLevel(logging.WARNING)


class _NotKeptError(ConnectError):
    """Updates could not be kept; they will come again."""


class _ChatLocks:
    """A lock for each chat, kept for as long as somebody holds or awaits it."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def of(self, chat_id: str) -> asyncio.Lock:
        """Return the lock of a chat; the caller's reference keeps it alive."""
        return self._locks.setdefault(chat_id, asyncio.Lock())


class Telegram:
    """The Telegram bot: updates come by long polling or to a webhook, and are kept before they are confirmed."""

    name = "telegram"
    at_once = IN_FLIGHT

    def __init__(
        self, config: TelegramConfig, gateway: Gateway, pace: Pace | None, take: Take, web_address: str | None = None
    ) -> None:
        """Take settings and gateway, and where updates are kept.

        Args:
            pace: that broadcasts keep; replies are noted there and never wait.
            web_address: where our pages are, for buttons that open them.
        """
        self._config = config
        self._gateway = gateway
        self._pace = pace or Pace(LIMITS[self.name])
        self._take = take
        self._web_address = web_address
        self._api: Api | None = None
        self._is_connected = False
        self._running: asyncio.Task[None] | None = None
        self._offset: int | None = None
        self._limit = UPDATES_AT_ONCE
        self._stopping = asyncio.Event()
        self._sending = _ChatLocks()
        self._in_flight = asyncio.Semaphore(IN_FLIGHT)
        # By chat: when its menu was looked after, by the monotonic clock, and whose it is, where we have set it.
        self._menus: dict[str, tuple[float, Audience | None]] = {}
        self._forgotten_at = 0.0

    @property
    def _token(self) -> str:
        return self._config.token.get_secret_value() if self._config.token else ""

    @property
    def _webhook_secret(self) -> str:
        given = self._config.webhook_secret
        return webhook_secret(self._token, given.get_secret_value() if given else None)

    # --- updates come in

    def routes(self) -> Sequence[Route]:
        """Return the route that Telegram posts to; none where updates are fetched."""
        if self._config.webhook is None:
            return []
        return [webhook_route(self._config.webhook, self._webhook_secret, self.name, self._take)]

    async def start(self) -> None:
        """Connect, and begin to fetch unless there is a webhook; without a network go on trying.

        Raises:
            ChannelError: there is no token, or Telegram refuses it.
        """
        _quieten_libraries()
        # Checked here: what happens to blanks and line ends in a URL must not end up in the library's error.
        if not looks_like_token(self._token):
            raise ChannelError(
                f"{TOKEN_SETTING} does not hold a Telegram bot token (like 123456:ABC…): copy it from @BotFather"
            )
        api = self._api = Api(self._token, self._config.base_url, self._config.base_file_url)
        failure: ConnectError | None = None
        try:
            await self._connect(api)
        except ConnectError as error:
            failure = error
        if failure is not None and failure.is_final:
            await self.stop()
            raise ChannelError(str(failure))
        if failure is not None:
            log.warning("telegram: %s", failure)
        self._running = asyncio.create_task(self._run(api, str(failure or "")), name="telegram")

    async def wait(self) -> None:
        """Return after stop(); neither a lost network nor a revoked token ends the channel."""
        if self._running is not None:
            await asyncio.wait({self._running})
            if not self._running.cancelled():
                self._running.result()
            await self._stopping.wait()

    async def stop(self) -> None:
        """Stop fetching, tell Telegram what is kept, and let what is being sent arrive.

        A webhook stays: what comes meanwhile waits at Telegram.
        """
        self._stopping.set()
        api = self._api
        if api is None:
            return
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait({self._running})
        if self._is_connected and self._offset is not None:
            try:
                async with asyncio.timeout(STOP_TIMEOUT_S):
                    await api.updates(offset=self._offset, limit=1, timeout_s=0)
            except (TimeoutError, ConnectError) as error:
                log.info("telegram: last updates not confirmed and will come again: %s", type(error).__name__)
        # What is being sent now would else be cut off, and nobody could tell whether it arrived.
        acquired = 0
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                while acquired < IN_FLIGHT:
                    await self._in_flight.acquire()
                    acquired += 1
        except TimeoutError:
            log.warning("telegram: closed while something was still being sent")
        await api.close()
        for _ in range(acquired):
            self._in_flight.release()

    @property
    def _open_api(self) -> Api | None:
        """What can be used between start() and stop()."""
        return None if self._stopping.is_set() else self._api

    async def _connect(self, api: Api) -> None:
        """Check the token, say how updates come to us, register the commands; may be tried again."""
        webhook = self._config.webhook
        await api.open(webhook_address(webhook, DEFAULT_PATH) if webhook else None, self._webhook_secret)
        page, commands = checklist_page(self._web_address), COMMANDS[Audience.MEMBER]
        steps: list[Callable[[], Awaitable[None]]] = [
            # What everybody would see, groups see.
            api.hide_commands,
            partial(api.show_commands, commands),
            partial(api.show_commands, commands, language="vi"),
            partial(api.show_page, mini_app_texts.MENU, page),
        ]
        for step in steps:
            try:
                await step()
            except ConnectError as error:
                log.warning("telegram: commands not registered: %s", error)
        self._is_connected = True
        log.info("telegram: started as bot %s", api.bot_id)

    async def _run(self, api: Api, trouble: str) -> None:
        """Fetch updates for ever; with a webhook only see to it that Telegram has heard of it.

        Args:
            trouble: what has been logged already and goes on, so that it is not said again.
        """
        backoff_s = FIRST_BACKOFF_S
        if trouble:
            await asyncio.sleep(backoff_s)
        while True:
            try:
                if not self._is_connected:
                    await self._connect(api)
                if self._config.webhook is None:
                    await self._fetch(api)
            except ConnectError as error:
                if str(error) != trouble:
                    trouble = str(error)
                    log.warning("telegram: %s", trouble)
                await asyncio.sleep(max(backoff_s, error.retry_after_s))
                backoff_s = min(2 * backoff_s, LONGEST_BACKOFF_S)
                continue
            if trouble:
                log.info("telegram: connected again")
            if self._config.webhook is not None:
                return
            backoff_s, trouble = FIRST_BACKOFF_S, ""

    async def _fetch(self, api: Api) -> None:
        """Fetch updates and have them kept; only the next fetch confirms them."""
        try:
            fetched = await api.updates(offset=self._offset, limit=self._limit, timeout_s=POLL_TIMEOUT_S)
            updates = [update for update in map(raw_update_or_its_id, fetched) if update is not None]
        except UnreadableError as error:
            if self._limit > 1 or not error.update_ids:
                # The one that nobody can read is among them, or nobody can tell which it is.
                self._limit = 1
                raise
            updates = [left_out(error.update_ids[0], "unreadable")]
        else:
            if fetched and not updates:
                raise UnreadableError(())
            self._limit = min(2 * self._limit, UPDATES_AT_ONCE)
        if not updates:
            return
        try:
            await self._take(self.name, updates)
        except Exception as error:
            said = (
                f"updates cannot be kept ({type(error).__name__}); they wait at Telegram, trying again until they can"
            )
            raise _NotKeptError(said) from error
        self._offset = max(int(update.external_id[1:]) for update in updates) + 1

    def understand(self, body: dict[str, Any], *, now: datetime) -> Heard:
        """Return what an update says: a message, that a chat was closed or opened, or that a group speaks to us.

        Raises:
            ValueError, KeyError, TypeError or whatever the library raises: it is no update.
        """
        bot_id = int(self._token.partition(":")[0])
        return understand(body, username=self._api.username if self._api else "", bot_id=bot_id, now=now)

    async def fetch(self, file_ref: str) -> bytes:
        """Return a file that was sent to us, of at most 20 MB.

        Raises:
            FileLostError: Telegram does not hand it out.
        """
        if self._api is None:
            raise FileLostError
        return await self._api.file(file_ref)

    # --- marks beside the conversation

    async def acknowledge(self, body: dict[str, Any]) -> None:
        """Take the waiting mark off a pressed button; one that was pressed late or twice is handled all the same."""
        query, api = body.get("callback_query"), self._open_api
        query_id = query.get("id") if isinstance(query, dict) else None
        if api is None or not isinstance(query_id, str):
            return
        try:
            async with self._in_flight:
                await api.answer_tap(query_id)
        except ConnectError as error:
            log.info("telegram: tap not acknowledged: %s", error)

    async def show_working(self, chat_id: str) -> None:
        """Show that we write; while much is being said, this is left out."""
        api = self._open_api
        if api is None or self._in_flight.locked():
            return
        try:
            async with self._in_flight:
                await api.show_typing(chat_id)
        except ConnectError as error:
            log.info("telegram: typing not shown: %s", error)

    async def answered(self, chat_id: str) -> None:
        """Show a chat the commands of its role, if that has changed; asked again within ten minutes, do nothing."""
        now, api = time.monotonic(), self._open_api
        looked_at, shown = self._menus.pop(chat_id, (-MENU_EVERY_S, None))
        is_due = api is not None and now - looked_at >= MENU_EVERY_S and not chat_id.startswith("-")
        self._menus[chat_id] = (now if is_due else looked_at, shown)
        if len(self._menus) > _MENUS_REMEMBERED:
            del self._menus[next(iter(self._menus))]
        if api is None or not is_due:
            return
        try:
            wanted = await asyncio.to_thread(self._gateway.audience, self.name, chat_id, now=datetime.now(UTC))
            if wanted is None or wanted is shown:
                return
            if wanted is not Audience.MEMBER:
                await api.show_commands(COMMANDS[wanted], chat_id=chat_id)
            elif shown is not None or now - self._forgotten_at >= FORGOTTEN_MENU_EVERY_S:
                self._forgotten_at = now
                await api.hide_commands(chat_id)
            else:
                return
            self._menus[chat_id] = (now, wanted)
        except Exception as error:
            # A menu only decorates, and nobody waits here who could be told.
            log.warning("telegram: the menu of a chat was not set: %s", type(error).__name__)

    # --- what we say

    async def say(self, chat_id: str, text: str) -> None:
        """Send a fixed text that is kept nowhere.

        Raises:
            DeliveryError: it did not arrive, or may not have.
        """
        async with self._sending.of(chat_id):
            await self._patiently(partial(self._send, chat_id, as_plain(text), at_once=True))

    async def deliver(
        self,
        chat_id: str,
        message: StoredMessage,
        *,
        part: int = 0,
        is_reply: bool = False,
        replaces: str | None = None,
    ) -> str | None:
        """Send a message, its texts and then its files; return Telegram's id of the last part.

        Where Telegram asks to wait, the caller waits, so that it is known meanwhile what has arrived; but what nobody
        waits for is finished here once it has begun to arrive.

        Raises:
            DeliveryError: a part did not arrive, or may not have; the parts before it did.
        """
        drawn, shown = render(message, self._web_address), None
        async with self._sending.of(chat_id):
            is_one = part == 0 and len(drawn) == 1 and not message.files
            if replaces is not None and is_one and await self._replace(chat_id, replaces, drawn[0], at_once=is_reply):
                return replaces
            for number in range(part, len(drawn) + len(message.files)):
                at_once, file = is_reply or number > 0, number - len(drawn) + 1
                step: Callable[[], Awaitable[str | None]]
                if file < 1:
                    step = partial(self._send, chat_id, drawn[number], at_once=at_once)
                else:
                    step = partial(self._send_file, chat_id, message.id, file, at_once=at_once)
                try:
                    shown = await (step() if is_reply or number == 0 else self._patiently(step)) or shown
                except DeliveryError as error:
                    error.parts_sent = number - part
                    raise
        return shown

    async def edit(self, chat_id: str, message: StoredMessage, shown_as: str | None) -> None:
        """Say a message otherwise in its place, unless Telegram refuses."""
        drawn = render(message, self._web_address)
        if shown_as is None or not drawn:
            return
        async with self._sending.of(chat_id):
            try:
                await self._replace(chat_id, shown_as, drawn[0], at_once=False)
            except DeliveryError as error:
                # What has become of it is said in a message of its own.
                log.info("telegram: message %s not edited: %s", message.id, error)

    async def _send(self, chat_id: str, drawn: Drawn, *, at_once: bool) -> str:
        """Send one Telegram message; return its id there."""
        return await self._as_html_or_plain(chat_id, partial(self._started().send, chat_id, drawn), at_once=at_once)

    async def _replace(self, chat_id: str, message_id: str, drawn: Drawn, *, at_once: bool) -> bool:
        """Put a message in the place of another; return False where Telegram does not do it."""
        replace = partial(self._started().replace, chat_id, message_id, drawn)
        try:
            await self._as_html_or_plain(chat_id, replace, at_once=at_once)
        except RefusedError as error:
            if error.is_closed:
                raise
            if not error.is_unchanged:
                log.info("telegram: a message was not replaced: %s", error)
            return error.is_unchanged
        except DeliveryError as error:
            # Done twice it is the same as done once.
            error.maybe_delivered = False
            raise
        return True

    async def _as_html_or_plain(self, chat_id: str, act: Callable[..., Awaitable[str]], *, at_once: bool) -> str:
        try:
            return await self._within_limits(chat_id, partial(act, as_html=True), at_once=at_once)
        except RefusedError as error:
            if not error.is_bad_html:
                raise
            log.error("telegram: our HTML was refused, sent as plain text")
        return await self._within_limits(chat_id, partial(act, as_html=False), at_once=at_once)

    async def _send_file(self, chat_id: str, message_id: int, number: int, *, at_once: bool) -> str | None:
        """Send a file of a message and return its id; one that is not for this chat any more is left out."""
        send = partial(self._started().send_file, chat_id)
        try:
            made = await asyncio.to_thread(
                self._gateway.file_of, self.name, chat_id, message_id, number, now=datetime.now(UTC)
            )
        except Exception as error:
            log.error("telegram: file %d of message %d not made: %s", number, message_id, type(error).__name__)
            raise DeliveryError(f"a file was not made: {type(error).__name__}", permanent=False) from error
        if made is None:
            return None
        send = partial(send, made.name, made.content)
        if made.media_type == "image/png":
            try:
                return await self._within_limits(chat_id, partial(send, as_photo=True), at_once=at_once)
            except RefusedError as error:
                if error.is_closed:
                    raise
                # A picture that is too tall or too wide still goes as a file.
                log.info("telegram: a picture goes as a file: %s", error)
        return await self._within_limits(chat_id, partial(send, as_photo=False), at_once=at_once)

    async def _within_limits(self, chat_id: str, act: Callable[[], Awaitable[_T]], *, at_once: bool) -> _T:
        """Do something in a chat, few things at a time.

        Args:
            at_once: somebody waits for it: broadcasts yield.
        Raises:
            DeliveryError: it was not done, or may not have been; where Telegram asks to wait, broadcasts are halted.
        """
        if at_once:
            self._pace.reply(chat_id, time.monotonic())
        try:
            async with self._in_flight:
                # It may have waited for its turn while the channel closed.
                self._started()
                return await act()
        except DeliveryError as error:
            if error.retry_after_s is not None:
                now = time.monotonic()
                self._pace.halt(now + error.retry_after_s, chat_id, now)
            raise

    async def _patiently(self, act: Callable[[], Awaitable[_T]]) -> _T:
        """Do something, again for as long as Telegram asks to wait before it.

        Raises:
            DeliveryError: it was not done, or may not have been; also where the wait is too long, or we close before.
        """
        while True:
            try:
                return await act()
            except DeliveryError as error:
                wait_s = error.retry_after_s
                if wait_s is None or wait_s > LONGEST_FLOOD_WAIT_S or not await self._wait_out(wait_s):
                    raise

    async def _wait_out(self, seconds: float) -> bool:
        """Wait as long as Telegram asked for; return False where we close before."""
        log.info("telegram: asked to wait %s s", seconds)
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return True
        return False

    def _started(self) -> Api:
        if (api := self._open_api) is None:
            raise DeliveryError("telegram is not started, or is closing", permanent=False)
        return api
