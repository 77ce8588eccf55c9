"""A Zalo bot to our words, and back: plain text, choices as numbered lines, no edits, no files."""

import asyncio
import hmac
import logging
import re
import time
from collections.abc import Coroutine, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bot.channels.base import ChannelError, DeliveryError, Heard, Take
from bot.channels.numbered import Part, render, split
from bot.channels.outgoing import SENT_AT_ONCE, Outgoing
from bot.channels.posted import BodyError, is_deep, parse_object, read_body, webhook_address, webhook_secret
from bot.channels.posting import NotSentError, SendError, new_client
from bot.channels.zalo_api import (
    BAD_REQUEST,
    TIMED_OUT,
    TOO_MANY,
    UNAUTHORIZED,
    WAIT_S,
    ZaloApi,
    ZaloError,
    undelivered,
)
from bot.channels.zalo_files import fetch_file
from bot.channels.zalo_updates import CHANNEL, LONGEST_ID, to_raw, understand
from bot.config import ZaloConfig
from bot.gateway import Gateway
from bot.pace import Pace
from storage.store import StoredMessage

log = logging.getLogger(__name__)

TOKEN_SETTING, WEBHOOK_SETTING = "TUSOI_ZALO__TOKEN", "zalo.webhook"
SECRET_HEADER = "X-Bot-Api-Secret-Token"
DEFAULT_PATH = "/zalo"
POLL_TIMEOUT_S = 30
TYPING_TIMEOUT_S = 2.0
# A message cannot be changed here: what would have changed it is said anew, but no more often than this.
SAID_AGAIN_EVERY_S = 15.0
FIRST_BACKOFF_S = 0.5
LONGEST_BACKOFF_S = 30.0
STOP_TIMEOUT_S = 20.0
_CHATS_REMEMBERED = 1000


class ZaloBot:
    """The Zalo bot, by long polling or by webhook.

    Zalo confirms nothing: an update that a poll has answered is not offered again. It is held until it is kept, however
    long the database is away; what is on the wire at the moment of a crash is lost. A webhook loses nothing: it is
    answered 200 only when the update is kept, and Zalo posts it again otherwise.
    """

    name = CHANNEL
    at_once = SENT_AT_ONCE

    def __init__(
        self,
        config: ZaloConfig,
        gateway: Gateway,  # noqa: ARG002
        pace: Pace,
        take: Take,
        *,
        web_address: str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Take the settings and what keeps updates.

        Args:
            gateway: not needed here; every messenger is given it.
            pace: what broadcasts keep; replies are noted there and never wait.
            web_address: where members open the page, to get the files that Zalo does not take.
            transport: for requests, another than the network.
        """
        self._config = config
        self._take = take
        self._web_address = web_address
        self._transport = transport
        self._token = config.token.get_secret_value().strip() if config.token else ""
        self._client: httpx.AsyncClient | None = None
        self._working: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        self._outgoing = Outgoing(pace, self._send_part, undelivered)
        # When a chat was last told something, by a clock that only goes forward.
        self._told_at: dict[str, float] = {}
        self._has_left_webhook = False

    # --- open and closed

    async def start(self) -> None:
        """Check the token and begin to poll, or set the webhook; without a network, keep trying in the background.

        Raises:
            ChannelError: the token is missing, is not one, or was refused.
        """
        # httpx logs addresses, which hold the token.
        for library in ("httpx", "httpcore"):
            logging.getLogger(library).setLevel(logging.WARNING)
        if not looks_like_token(self._token):
            raise ChannelError(
                f"{TOKEN_SETTING} does not hold the token of a Zalo bot (like 123456:ABC…): copy it from the message "
                "of Zalo Bot Manager"
            )
        self._client = new_client(self._transport)
        trouble = await self._connect()
        if isinstance(trouble, ZaloError) and trouble.code == UNAUTHORIZED:
            await self.stop()
            raise ChannelError(_explain(trouble))
        said = _explain(trouble) if trouble else ""
        if said:
            log.warning("zalo: %s", said)
        self._working = asyncio.create_task(self._work(said), name="zalo")

    async def wait(self) -> None:
        """Return after stop(); neither a lost network nor a revoked token ends the channel."""
        if self._working is not None:
            await asyncio.wait({self._working})
            if not self._working.cancelled():
                self._working.result()

    async def stop(self) -> None:
        """Poll no more, keep what a poll has answered already, let arrive what is on its way; a webhook stays set."""
        self._stopping.set()
        if self._working is not None:
            _, late = await asyncio.wait({self._working}, timeout=STOP_TIMEOUT_S)
            if late:
                log.warning("zalo: closed while an update could not be kept")
                self._working.cancel()
                await asyncio.wait(late)
        await self._outgoing.close()
        if self._client is not None:
            await self._client.aclose()

    async def _connect(self) -> SendError | None:
        """Check the token, and set the webhook if there is one; return what was in the way."""
        try:
            found = await self._api().call("getMe", {})
            if self._config.webhook is not None:
                told = {"url": webhook_address(self._config.webhook, DEFAULT_PATH), "secret_token": self._secret()}
                await self._api().call("setWebhook", told)
        except SendError as error:
            return error
        bot_id = found.get("id") if isinstance(found, dict) else None
        log.info("zalo: started as bot %s, %s", bot_id, "webhook" if self._config.webhook else "polling")
        return None

    async def _work(self, said: str) -> None:
        """Poll until told to stop, or stand by for the webhook.

        Args:
            said: what keeps us from it and has been logged already.
        """
        is_connected, backoff_s = not said, FIRST_BACKOFF_S
        while not self._stopping.is_set():
            if is_connected and self._config.webhook is not None:
                await self._stopping.wait()
                return
            if is_connected:
                trouble = await self._poll()
            else:
                trouble = await self._unless_stopping(self._connect())
                is_connected = trouble is None
            if trouble is None:
                if said and not self._stopping.is_set():
                    log.info("zalo: connected again")
                said, backoff_s = "", FIRST_BACKOFF_S
                continue
            if _explain(trouble) != said:
                said = _explain(trouble)
                log.warning("zalo: %s", said)
            await self._pause(max(backoff_s, _asked_to_wait_s(trouble)))
            backoff_s = min(2 * backoff_s, LONGEST_BACKOFF_S)

    async def _poll(self) -> SendError | None:
        """Wait for one update and keep it; return what was in the way."""
        began_at, found = time.monotonic(), None
        try:
            found = await self._unless_stopping(
                self._api().call("getUpdates", {"timeout": POLL_TIMEOUT_S}, read_timeout_s=POLL_TIMEOUT_S + 10)
            )
        except ZaloError as error:
            if error.code == BAD_REQUEST:
                # Zalo does not poll while a webhook is set, as by an earlier start with other settings.
                return await self._leave_webhook(error)
            if error.code != TIMED_OUT:
                return error
        except SendError as error:
            return error
        self._has_left_webhook = False
        if isinstance(found, dict) and found and is_deep(found):
            log.error("zalo: an update nested too deeply was left out")
        elif isinstance(found, dict) and found:
            await self._keep(found)
        elif time.monotonic() - began_at < FIRST_BACKOFF_S:
            # Nothing, at once: asked again without a pause, this would go round and round.
            await self._pause(FIRST_BACKOFF_S)
        return None

    async def _leave_webhook(self, refused: ZaloError) -> SendError | None:
        try:
            await self._api().call("deleteWebhook", {})
        except SendError as error:
            return error
        if self._has_left_webhook:
            # It was not the webhook.
            return refused
        self._has_left_webhook = True
        log.warning("zalo: polling was refused; a webhook is not set any more, because %s is not", WEBHOOK_SETTING)
        return None

    async def _keep(self, found: dict[str, Any]) -> None:
        """Keep an update that Zalo has handed over and will not offer again, for as long as it takes."""
        update, backoff_s = to_raw(found), FIRST_BACKOFF_S
        while True:
            try:
                await self._take(self.name, [update])
            except Exception as error:
                log.error("zalo: update %s not kept, trying again: %s", update.external_id, type(error).__name__)
            else:
                return
            await asyncio.sleep(backoff_s)
            backoff_s = min(2 * backoff_s, LONGEST_BACKOFF_S)

    async def _unless_stopping(self, call: Coroutine[Any, Any, Any]) -> Any:
        """Return what a call returns; None where we are told to stop before."""
        calling, stopped = asyncio.ensure_future(call), asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({calling, stopped}, return_when=asyncio.FIRST_COMPLETED)
            return await calling if calling.done() else None
        finally:
            stopped.cancel()
            if not calling.done():
                calling.cancel()
                await asyncio.wait({calling})

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return

    # --- what is posted to us

    def routes(self) -> Sequence[Route]:
        """Return where Zalo posts to, if there is a webhook."""
        if self._config.webhook is None:
            return ()
        return (
            Route(urlsplit(webhook_address(self._config.webhook, DEFAULT_PATH)).path, self._receive, methods=["POST"]),
        )

    async def _receive(self, request: Request) -> Response:
        given = request.headers.get(SECRET_HEADER, "").encode("latin-1")
        if not hmac.compare_digest(given, self._secret().encode()):
            log.warning("zalo: a webhook call without the right secret was refused")
            return Response(status_code=403)
        try:
            update = to_raw(parse_object(await read_body(request)))
        except BodyError as error:
            # Never a word of what was sent.
            log.warning("zalo: a webhook call was refused: %s", error)
            return Response(status_code=error.status)
        try:
            await self._take(self.name, [update])
        except Exception as error:
            log.error("zalo: update %s not kept, it will come again: %s", update.external_id, type(error).__name__)
            return Response(status_code=503)
        return Response(status_code=200)

    def _secret(self) -> str:
        given = self._config.webhook_secret
        return webhook_secret(self._token, given.get_secret_value() if given else None)

    def understand(self, body: dict[str, Any], *, now: datetime) -> Heard:
        """Return what an update says; see zalo_updates.understand."""
        return understand(body, now=now)

    async def acknowledge(self, body: dict[str, Any]) -> None:
        """Do nothing: Zalo shows nothing that would have to be taken away."""

    async def fetch(self, file_ref: str) -> bytes:
        """Return a picture that was sent to us.

        Raises:
            FileLostError: it cannot be had, is larger than 20 MB, or is not on a host of Zalo's.
        """
        return await fetch_file(file_ref, self._transport)

    # --- what we send

    async def deliver(
        self,
        chat_id: str,
        message: StoredMessage,
        *,
        part: int = 0,
        is_reply: bool = False,
        replaces: str | None = None,  # noqa: ARG002
    ) -> str | None:
        """Send a message, all its parts in order; it never takes the place of another one.

        Raises:
            DeliveryError: it did not arrive whole, or may not have.
        """
        return await self._outgoing.send(
            chat_id, render(message, web_address=self._web_address)[part:], is_reply=is_reply
        )

    async def edit(self, chat_id: str, message: StoredMessage, shown_as: str | None) -> None:  # noqa: ARG002
        """Say a message anew, unless the chat was told something a moment ago.

        How far some work has come is said often, and what is left out is soon overtaken: with its result, work ends
        in a message of its own.
        """
        told_at = self._told_at.get(chat_id)
        if told_at is not None and time.monotonic() - told_at < SAID_AGAIN_EVERY_S:
            return
        try:
            await self._outgoing.send(chat_id, render(message, web_address=self._web_address)[:1], is_reply=True)
        except DeliveryError as error:
            log.info("zalo: message %s not said anew: %s", message.id, error)

    async def say(self, chat_id: str, text: str) -> None:
        """Send a fixed text.

        Raises:
            DeliveryError: it did not arrive, or may not have.
        """
        await self._outgoing.send(chat_id, split(text), is_reply=True)

    async def show_working(self, chat_id: str) -> None:
        """Show that we are typing."""
        try:
            # The answer waits for this.
            async with asyncio.timeout(TYPING_TIMEOUT_S):
                await self._api().call("sendChatAction", {"chat_id": chat_id, "action": "typing"})
        except (SendError, TimeoutError) as error:
            log.info("zalo: typing not shown: %s", error or "timed out")

    async def answered(self, chat_id: str) -> None:
        """Do nothing: there is no menu of commands."""

    async def _send_part(self, chat_id: str, part: Part) -> str | None:
        self._note_told(chat_id)
        found = await self._api().call("sendMessage", {"chat_id": chat_id, "text": part.text})
        named = found.get("message_id") if isinstance(found, dict) else None
        return named if isinstance(named, str) and 0 < len(named) <= LONGEST_ID else None

    def _note_told(self, chat_id: str) -> None:
        now = time.monotonic()
        if len(self._told_at) >= _CHATS_REMEMBERED:
            self._told_at = {chat: at for chat, at in self._told_at.items() if now - at < SAID_AGAIN_EVERY_S}
        self._told_at[chat_id] = now

    def _api(self) -> ZaloApi:
        if self._client is None:
            raise NotSentError("not started")
        return ZaloApi(self._config.base_url, self._token, self._client)


def looks_like_token(text: str) -> bool:
    """Return whether a text has the form of a bot token, "123456:ABC…"; only Zalo knows whether it is one."""
    return re.fullmatch(r"\d+:[\w=+~-]+", text, re.ASCII) is not None


def _explain(error: SendError) -> str:
    """Return in one line, without the token, why we are not connected and what to do."""
    if isinstance(error, ZaloError) and error.code == UNAUTHORIZED:
        return f"{TOKEN_SETTING} was refused by Zalo: copy the token again from Zalo Bot Manager and restart"
    if isinstance(error, ZaloError):
        return f"Zalo refuses ({error}); trying again until it does not"
    return f"Zalo cannot be reached ({error}); trying again until it can"


def _asked_to_wait_s(error: SendError) -> float:
    if isinstance(error, ZaloError) and error.code == TOO_MANY:
        return min(error.retry_after_s or WAIT_S, 600.0)
    return LONGEST_BACKOFF_S if isinstance(error, ZaloError) and error.code == UNAUTHORIZED else 0.0
