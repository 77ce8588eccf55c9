"""A Zalo Official Account to our words, and back: webhook only, plain text, up to five buttons, no edits, no files.

Zalo lets an account write for 48 hours after a person has written, then for money up to seven days, then not at all.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bot.channels.base import ChannelError, DeliveryError, Heard, Take
from bot.channels.numbered import Part, render, split
from bot.channels.outgoing import SENT_AT_ONCE, Outgoing
from bot.channels.posted import BodyError, parse_object, read_body
from bot.channels.posting import NotSentError, new_client
from bot.channels.zalo_files import fetch_file
from bot.channels.zalo_oa_api import BUTTONS_LIMIT, TITLE_LIMIT, ZaloOaApi, undelivered
from bot.channels.zalo_oa_tokens import NoTokenError, OaTokenKeeper
from bot.channels.zalo_oa_updates import CHANNEL, is_kept, is_old, is_signed, to_raw, understand
from bot.config import ZaloOaConfig
from bot.gateway import Gateway
from bot.pace import Pace
from storage.store import Store, StoredMessage

log = logging.getLogger(__name__)

SIGNATURE_HEADER = "X-ZEvent-Signature"
FREE = timedelta(hours=48)
CHARGED = timedelta(days=7)
# A refresh token dies of age, too: it is exchanged though nothing is sent for months.
LOOKS_AFTER_TOKEN_EVERY_S = 600.0


class ZaloOa:
    """The Zalo Official Account."""

    name = CHANNEL
    at_once = SENT_AT_ONCE

    def __init__(
        self,
        config: ZaloOaConfig,
        gateway: Gateway,
        pace: Pace,
        take: Take,
        store: Store,
        *,
        web_address: str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Take the settings, whoever knows when a person last wrote, and what keeps updates.

        Args:
            pace: what broadcasts keep; replies are noted there and never wait.
            store: where the tokens are kept.
            web_address: where members open the page, to get files.
            transport: for requests, another than the network.
        """
        self._config = config
        self._gateway = gateway
        self._take = take
        self._store = store
        self._web_address = web_address
        self._transport = transport
        self._clock = clock
        self._outgoing = Outgoing(pace, self._send_part, undelivered)
        self._client: httpx.AsyncClient | None = None
        self._tokens: OaTokenKeeper | None = None
        self._working: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()

    # --- open and closed

    async def start(self) -> None:
        """Begin to look after the tokens; without a network, or with a token that is used up, the log says what to do.

        Raises:
            ChannelError: a setting is missing.
        """
        for library in ("httpx", "httpcore"):
            logging.getLogger(library).setLevel(logging.WARNING)
        if not self._config.is_on:
            raise ChannelError(
                "a Zalo Official Account needs zalo_oa.app_id, TUSOI_ZALO_OA__APP_SECRET, "
                "TUSOI_ZALO_OA__REFRESH_TOKEN and TUSOI_ZALO_OA__OA_SECRET_KEY"
            )
        self._client = new_client(self._transport)
        self._tokens = OaTokenKeeper(self._store, self._config, self._client, self._clock)
        self._working = asyncio.create_task(self._look_after(self._tokens), name="zalo_oa tokens")
        log.info("zalo_oa: started, webhook at %s", self._config.path)

    async def wait(self) -> None:
        """Return after stop()."""
        await self._stopping.wait()

    async def stop(self) -> None:
        """Close, after messages on their way have arrived and new tokens have been kept."""
        self._stopping.set()
        await self._outgoing.close()
        if self._working is not None:
            self._working.cancel()
            await asyncio.wait({self._working})
        if self._tokens is not None:
            await self._tokens.close()
        if self._client is not None:
            await self._client.aclose()

    async def _look_after(self, tokens: OaTokenKeeper) -> None:
        said = ""
        while not self._stopping.is_set():
            wait_s = LOOKS_AFTER_TOKEN_EVERY_S
            try:
                await tokens.access_token()
                said = ""
            except NoTokenError as error:
                wait_s = min(wait_s, error.retry_after_s)
                if str(error) != said:
                    said = str(error)
                    log.warning("zalo_oa: no access token: %s", said)
            try:
                async with asyncio.timeout(wait_s):
                    await self._stopping.wait()
            except TimeoutError:
                continue

    # --- what is posted to us

    def routes(self) -> Sequence[Route]:
        """Return where Zalo posts to."""
        return (Route(self._config.path, self._receive, methods=["POST"]),)

    async def _receive(self, request: Request) -> Response:
        key = self._config.oa_secret_key.get_secret_value() if self._config.oa_secret_key else ""
        signature = request.headers.get(SIGNATURE_HEADER, "")
        if not signature:
            log.warning("zalo_oa: a webhook call without a signature was refused")
            return Response(status_code=403)
        try:
            raw = await read_body(request)
            body = parse_object(raw)
        except BodyError as error:
            # Never a word of what was sent.
            log.warning("zalo_oa: a webhook call was refused: %s", error)
            return Response(status_code=error.status)
        if not is_signed(raw, body, signature, app_id=self._config.app_id or "", oa_secret_key=key):
            log.warning("zalo_oa: a webhook call without the right signature was refused")
            return Response(status_code=403)
        if is_old(body, now=self._clock()):
            log.warning("zalo_oa: a webhook call with an old event was refused; is the clock right?")
            return Response(status_code=403)
        if not is_kept(body):
            return Response(status_code=200)
        update = to_raw(body)
        try:
            await self._take(self.name, [update])
        except Exception as error:
            log.error("zalo_oa: event %s not kept, it will come again: %s", update.external_id, type(error).__name__)
            return Response(status_code=503)
        return Response(status_code=200)

    def understand(self, body: dict[str, Any], *, now: datetime) -> Heard:
        """Return what an event says; see zalo_oa_updates.understand."""
        return understand(body, now=now)

    async def acknowledge(self, body: dict[str, Any]) -> None:
        """Do nothing: Zalo shows nothing that would have to be taken away."""

    async def fetch(self, file_ref: str) -> bytes:
        """Return a picture or a document that was sent to us.

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
            DeliveryError: it did not arrive whole, or may not have; also where the person has not written for so long
                that Zalo would charge for it, or would refuse it, and then Zalo is not asked.
        """
        await self._refuse_out_of_time(chat_id, message, is_reply=is_reply)
        parts = render(message, taps=BUTTONS_LIMIT, title_limit=TITLE_LIMIT, web_address=self._web_address)
        return await self._outgoing.send(chat_id, parts[part:], is_reply=is_reply)

    async def edit(self, chat_id: str, message: StoredMessage, shown_as: str | None) -> None:
        """Do nothing: nothing can be changed here, each message may count, and work ends in a message of its own."""

    async def say(self, chat_id: str, text: str) -> None:
        """Send a fixed text to somebody who has just written.

        Raises:
            DeliveryError: it did not arrive, or may not have.
        """
        await self._outgoing.send(chat_id, split(text), is_reply=True)

    async def show_working(self, chat_id: str) -> None:
        """Do nothing: an account cannot show that it is typing."""

    async def answered(self, chat_id: str) -> None:
        """Do nothing: there is no menu of commands."""

    async def _refuse_out_of_time(self, chat_id: str, message: StoredMessage, *, is_reply: bool) -> None:
        """Let pass what Zalo sends for nothing, or, where that is set, for money.

        Raises:
            DeliveryError: it is neither.
        """
        now = self._clock()
        if is_reply and now - message.created_at <= FREE:
            # What it answers was written no earlier.
            return
        try:
            heard_at = await asyncio.to_thread(self._gateway.last_heard, self.name, chat_id)
        except Exception as error:
            raise DeliveryError(f"database: {type(error).__name__}", permanent=False) from error
        limit = CHARGED if self._config.paid else FREE
        if heard_at is None or now - heard_at > limit:
            hours = int(limit.total_seconds() // 3600)
            raise DeliveryError(f"nothing heard for {hours} hours: zalo would not send it for nothing", permanent=True)

    async def _send_part(self, chat_id: str, part: Part) -> str | None:
        return await self._api().send(chat_id, part)

    def _api(self) -> ZaloOaApi:
        if self._client is None or self._tokens is None:
            raise NotSentError("not started")
        return ZaloOaApi(self._config.base_url, self._tokens, self._client)
