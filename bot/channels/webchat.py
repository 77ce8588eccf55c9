"""webchat.html to our words: one page, a cookie that names the chat, and JSON."""

import asyncio
import logging
import re
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bot.channels.base import FileLostError
from bot.channels.mini_app import mini_app_routes
from bot.channels.web_requests import (
    LARGEST_ID,
    UNKEEPABLE,
    Refusal,
    chat_id_of,
    content_security_policy,
    downloaded,
    is_foreign,
    new_token,
    read_file,
    read_json,
    refuse,
    set_cookie,
    token_of,
)
from bot.channels.webpages import page_routes
from bot.config import WebConfig
from bot.gateway import Gateway
from bot.health import look
from bot.serving import WebServer
from handlers import texts
from handlers.feedback import is_answer
from handlers.files import File
from handlers.messages import BlockKind, IncomingMessage
from handlers.pages import links_beside
from storage.store import Store, StoredMessage

log = logging.getLogger(__name__)

PAGE = Path(__file__).with_name("webchat.html")
HISTORY_LIMIT = 200
KEEP_ALIVE_S = 30  # longer than the page waits between two looks at the history
LAST_ANSWERS_S = 15
LARGEST_FILE_BYTES = 50_000_000
EDITS_ARE_TOLD = timedelta(minutes=10)

_NAME = re.compile(r"[A-Za-z0-9._:-]{1,64}")


class WebChat:
    """The web chat: no password and no install, a random cookie names the chat.

    The chat id is a digest of the cookie, so that neither the database nor a log holds what opens a chat.

    Attributes:
        app: the ASGI application, for whoever serves it otherwise.
    """

    name = "web"

    def __init__(
        self,
        config: WebConfig,
        gateway: Gateway,
        store: Store,
        *,
        thumbs: bool = True,
        telegram_token: str | None = None,
    ) -> None:
        """Take the gateway and the store that it writes to.

        Args:
            thumbs: under an answer stand two small buttons to say whether it is of use.
            telegram_token: of the bot within which our pages may open; None where there is none.
        """
        self._config = config
        self._gateway = gateway
        self._store = store
        self._page = PAGE.read_text(encoding="utf-8")
        if not thumbs:
            self._page = self._page.replace("<body>", '<body data-thumbs="off">')
        # Files that were sent, until they are fetched; gone when the program ends.
        self._spool: tempfile.TemporaryDirectory[str] | None = None
        pages = Starlette(
            routes=[
                Route("/", self._show_page),
                Route("/api/messages", self._post_message, methods=["POST"]),
                Route("/api/history", self._show_history),
                Route("/api/files", self._post_file, methods=["POST"]),
                Route("/api/files/{message_id:int}/{number:int}", self._show_file),
                Route("/health", self._show_health),
                *page_routes(gateway, secure_cookies=config.secure_cookies),
                *mini_app_routes(gateway, telegram_token, secure_cookies=config.secure_cookies),
            ],
            middleware=[Middleware(GZipMiddleware)],
            exception_handlers={Refusal: refuse, HTTPException: refuse, Exception: _apologize},
        )
        # Around everything: Starlette's own middleware would leave the answer to a failure without headers.
        self.app: ASGIApp = _SafeHeaders(pages, policy=content_security_policy(self._page))
        self._server = WebServer(
            self.app, config.host, config.port, what="web chat", setting="web", keep_alive_s=KEEP_ALIVE_S
        )

    @property
    def port(self) -> int:
        """The port that is listened on; before the start, the one asked for."""
        return self._server.port

    async def start(self) -> None:
        """Listen on web.host and web.port; port 0 takes a free one.

        Raises:
            ChannelError: the address cannot be used.
        """
        await self._server.start(last_answers_s=LAST_ANSWERS_S)
        log.info("web chat: open http://%s:%d", self._config.host, self.port)

    async def wait(self) -> None:
        """Return when the server has ended."""
        await self._server.wait()

    async def stop(self) -> None:
        """Take no new connections, answer what is under way, close; a second call changes nothing."""
        await self._server.stop()

    async def deliver(
        self,
        chat_id: str,
        message: StoredMessage,
        *,
        part: int = 0,
        is_reply: bool = False,
        replaces: str | None = None,
    ) -> str | None:
        """Leave the message where the page will find it: it is stored, so nothing is sent.

        An open page looks at the history every 20 seconds while it can be seen, and when it comes into view again;
        someone who has closed it reads the message at the next visit. There is no push and no receipt.
        """

    async def edit(self, chat_id: str, message: StoredMessage, shown_as: str | None) -> None:
        """Leave it where the page will find it: what was said otherwise is stored already."""

    async def fetch(self, file_ref: str) -> bytes:
        """Return a file that was sent to us, once.

        Raises:
            FileLostError: it was fetched before, or the program has ended since.
        """
        path = Path(self._spool.name) / file_ref if self._spool is not None and _NAME.fullmatch(file_ref) else None
        try:
            if path is None:
                raise FileLostError
            content = await asyncio.to_thread(path.read_bytes)
            path.unlink(missing_ok=True)
        except OSError as error:
            raise FileLostError from error
        return content

    async def _show_health(self, _request: Request) -> Response:
        found = await asyncio.to_thread(self._health)
        return JSONResponse(found, status_code=200 if found["ok"] else 503)

    def _health(self) -> dict[str, Any]:
        with self._store.transaction() as transaction:
            return look(transaction.inbox, transaction.replies, now=datetime.now(UTC)).as_json()

    async def _show_page(self, request: Request) -> Response:
        response = HTMLResponse(self._page)
        self._set_cookie(response, token_of(request) or new_token())
        return response

    async def _post_message(self, request: Request) -> Response:
        if is_foreign(request):
            raise Refusal(403, texts.FOREIGN_PAGE)
        known = token_of(request)
        token = known or new_token()
        message = _to_message(await read_json(request), chat_id=chat_id_of(token), now=datetime.now(UTC))
        received = await self._gateway.receive(message)
        content: dict[str, Any] = {
            "messages": [_to_json(reply) for reply in received.replies],
            "working": received.begins_work,
        }
        # An answer without an id was not kept: the same message may be sent again, and the status says so.
        unkept = [reply.text for reply in received.replies if not reply.id]
        if unkept:
            content["error"] = unkept[0]
        response = JSONResponse(
            content,
            status_code=503 if unkept else 200,
            background=BackgroundTask(self._note_delivered, received.replies),
        )
        if known is None:
            self._set_cookie(response, token)
        return response

    async def _show_history(self, request: Request) -> Response:
        after = request.query_params.get("after", "0")
        if not (after.isascii() and after.isdigit()):
            raise Refusal(400, texts.MESSAGE_NOT_UNDERSTOOD)
        token = token_of(request)
        # Longer than any id: cut before it becomes a number that a database, or int(), refuses.
        newest_seen = min(int(after[:12]), LARGEST_ID)
        if token is None:
            return JSONResponse({"messages": [], "edited": [], "working": False, "sends_files": False})
        return JSONResponse(await asyncio.to_thread(self._history, chat_id_of(token), newest_seen))

    async def _post_file(self, request: Request) -> Response:
        """Take a file from who may send one; from others nothing is kept."""
        token = token_of(request)
        name, external_id = unquote(request.headers.get("x-file-name", "")), request.headers.get("x-message-id", "")
        # No form of another site can set these headers.
        if is_foreign(request) or token is None or not name or not _NAME.fullmatch(external_id):
            raise Refusal(403, texts.FOREIGN_PAGE)
        chat_id, now = chat_id_of(token), datetime.now(UTC)
        if not await asyncio.to_thread(self._gateway.takes_files, self.name, chat_id, now=now):
            raise Refusal(403, texts.NO_FILES)
        if self._spool is None:
            self._spool = tempfile.TemporaryDirectory(prefix="tu-soi-files-")
        ref = new_token()
        path = Path(self._spool.name) / ref
        try:
            with path.open("wb") as file:
                await read_file(request, file, at_most=LARGEST_FILE_BYTES)
        except (Refusal, OSError):
            path.unlink(missing_ok=True)
            raise
        message = IncomingMessage(self.name, chat_id, external_id, "", now, file_name=name[:200], file_ref=ref)
        received = await self._gateway.receive(message)
        if not received.begins_work:
            path.unlink(missing_ok=True)
        content = {"messages": [_to_json(reply) for reply in received.replies], "working": received.begins_work}
        return JSONResponse(content, background=BackgroundTask(self._note_delivered, received.replies))

    async def _show_file(self, request: Request) -> Response:
        token = token_of(request)
        message_id, number = (min(request.path_params[key], LARGEST_ID) for key in ("message_id", "number"))
        made = await asyncio.to_thread(self._file, chat_id_of(token), message_id, number) if token else None
        if made is None:
            raise Refusal(404, texts.NO_SUCH_FILE)
        return downloaded(made)

    def _file(self, chat_id: str, message_id: int, number: int) -> File | None:
        return self._gateway.file_of(self.name, chat_id, message_id, number, now=datetime.now(UTC))

    def _history(self, chat_id: str, after: int) -> dict[str, Any]:
        now = datetime.now(UTC)
        messages, edited, is_working = list[StoredMessage](), list[StoredMessage](), False
        with self._store.transaction() as transaction:
            conversation = transaction.find_conversation(self.name, chat_id)
            if conversation is not None:
                messages = transaction.history(conversation.id, after=after, limit=HISTORY_LIMIT)
                edited = transaction.edited(conversation.id, since=now - EDITS_ARE_TOLD)
                is_working = transaction.jobs.is_under_way(conversation.id)
        return {
            "messages": [_to_json(message) for message in messages],
            "edited": [_to_json(message) for message in edited if message.id <= after],
            "working": is_working,
            "sends_files": self._gateway.takes_files(self.name, chat_id, now=now),
        }

    async def _note_delivered(self, replies: Sequence[StoredMessage]) -> None:
        for reply in replies:
            await self._gateway.delivered(reply)

    def _set_cookie(self, response: Response, token: str) -> None:
        set_cookie(response, token, secure=self._config.secure_cookies)


class _SafeHeaders:
    """Puts on every answer the headers that keep a page from doing more than ours does."""

    def __init__(self, app: ASGIApp, policy: str) -> None:
        self._app = app
        self._headers = {
            "Content-Security-Policy": policy,
            "Referrer-Policy": "same-origin",
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cache-Control": "no-store",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                # A page with a script of its own has said which.
                policy = headers.get("Content-Security-Policy")
                headers.update(self._headers)
                if policy is not None:
                    headers["Content-Security-Policy"] = policy
            await send(message)

        await self._app(scope, receive, send_safely)


def _to_message(content: object, *, chat_id: str, now: datetime) -> IncomingMessage:
    """Translate a posted object: an id of the sender's making, and either a text or a button."""
    if not isinstance(content, dict):
        raise Refusal(400, texts.MESSAGE_NOT_UNDERSTOOD)
    match content.get("id"), content.get("text"), content.get("button"):
        case str(external_id), str(text), None if _NAME.fullmatch(external_id):
            if not text.strip():
                raise Refusal(400, texts.NOTHING_WRITTEN)
            return IncomingMessage("web", chat_id, external_id, UNKEEPABLE.sub("\ufffd", text), now)
        case str(external_id), None, str(button_id) if _NAME.fullmatch(external_id) and _NAME.fullmatch(button_id):
            return IncomingMessage("web", chat_id, external_id, "", now, button_id=button_id)
        case _:
            raise Refusal(400, texts.MESSAGE_NOT_UNDERSTOOD)


def _to_json(message: StoredMessage) -> dict[str, Any]:
    return {
        "id": message.id,
        "author": "assistant" if message.is_ours else "person",
        "external_id": message.external_id,
        "in_reply_to": message.in_reply_to,
        "blocks": [{"kind": kind, "text": text} for kind, text in message.blocks if kind != BlockKind.FILE.value],
        "files": [
            {"name": name, "url": f"/api/files/{message.id}/{number}"}
            for number, (name, _) in enumerate(message.files, start=1)
        ],
        "buttons": [{"id": button.id, "label": button.label} for button in message.buttons],
        "thumbs": is_answer(message),
        "links": [{"label": label, "url": url} for label, url in links_beside(message.buttons)],
        "created_at": message.created_at.isoformat(),
    }


async def _apologize(_request: Request, _error: Exception) -> Response:
    # Starlette raises the error again after this answer, and uvicorn logs it.
    return JSONResponse({"error": texts.SERVER_TROUBLE}, status_code=500)
