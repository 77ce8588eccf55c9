"""A server that speaks Zalo's Official Account API v3, in a test or as a process of its own.

    python -m tests.servers.zalo_oa --port 0     prints {"port": …, "app_id": …, …} and serves until it is ended

A program talks to /v3.0/oa/… and, for tokens, to /v4/oa/access_token. See Server for how a test plays the people from
another process. Errors come in HTTP 200, with the codes that Zalo documents; where it documents none, the nearest. What
happens before an address for events is set is told to nobody.
"""

import asyncio
import hashlib
import json
import secrets
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.web import FileField

from tests.servers.common import COMMON_TESTS, Json, Posting, Server, poll_until, run
from tests.servers.faults import Fault

APP_ID = "2553928453557884079"
APP_SECRET = "an-app-secret-for-tests"
OA_ID = "3662729599332560487"
OA_SECRET = "an-oa-secret-for-tests"
REFRESH_TOKEN = "the-first-refresh-token"

TEXT_LIMIT = 2000
BUTTONS_LIMIT = 5
TITLE_LIMIT = 100
PAYLOAD_LIMIT = 1000
IMAGE_LIMIT_BYTES = 2**20
TOKEN_LIFE_S = 3600
FREE_S = 48 * 3600
CHARGED_S = 7 * 24 * 3600
BUTTON_TYPES = ("oa.query.hide", "oa.query.show", "oa.open.url", "oa.open.sms", "oa.open.phone")

WRONG_PARAMETER = -201
WRONG_USER = -207
QUOTA_USED_UP = -211
NOT_FOLLOWED = -213
WRONG_TOKEN = -216
TOO_LONG_AGO = -230
TOO_FAST = -32


class Refused(Exception):
    """What Zalo says instead of a result."""

    def __init__(self, code: int, description: str, *, http_status: int = 200) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.http_status = http_status


@dataclass(slots=True)
class _Person:
    wrote_at: float
    follows: bool = True
    payloads: dict[str, str] = field(default_factory=dict)


class ZaloOAServer(Server):
    """An Official Account as its program sees it.

    Attributes:
        charged_quota: how many messages beyond 48 hours are paid for; None: as many as are sent.
        echoes: whether the account's own messages come to the webhook as oa_send_text, as they do on Zalo.
        refreshes: how often a refresh token was taken for a new pair.
    """

    TESTS = (
        *COMMON_TESTS,
        *("text", "tap", "file", "follow", "unfollow", "event", "meet", "webhook", "configure", "expire_token"),
        *("refreshes", "waiting"),
    )

    def __init__(
        self,
        *,
        app_id: str = APP_ID,
        app_secret: str = APP_SECRET,
        oa_secret: str = OA_SECRET,
        refresh_token: str = REFRESH_TOKEN,
    ) -> None:
        super().__init__()
        self.app_id, self.app_secret, self.oa_secret = app_id, app_secret, oa_secret
        self.timeout_s = 2.0
        self.charged_quota: int | None = None
        self.echoes = False
        self.refreshes = 0
        self._refresh_token = refresh_token
        self._valid_until: dict[str, float] = {}
        self._people: dict[str, _Person] = {}
        self._posted = 0
        self._untaken = 0

    @property
    def base_url(self) -> str:
        """What stands before /v3.0/oa and, for tokens, before /v4/oa."""
        return f"http://127.0.0.1:{self.port}"

    def add_routes(self, application: web.Application) -> None:
        """Add the API and the place where tokens are refreshed."""
        application.router.add_post("/v3.0/oa/message/cs", self._serve_message)
        application.router.add_post("/v3.0/oa/upload/image", self._serve_image)
        application.router.add_get("/v2.0/oa/getoa", self._serve_account)
        application.router.add_post("/v4/oa/access_token", self._serve_token)

    # --- what people do, and what a test can see

    async def webhook(self, url: str) -> None:
        """Post events to an address from now on; on Zalo an administrator sets it by hand."""
        await self.enter_webhook(url, self._taken)

    async def text(self, user_id: str, text: str, *, times: int = 1) -> str:
        """Write to the account; return the message id."""
        self.note(user_id, "user", "text", text=text)
        return await self._from(user_id, "user_send_text", {"text": text}, times=times)

    async def tap(self, user_id: str, title: str) -> str:
        """Tap the button with this title, under the latest message that has it; its payload arrives as a text."""
        payload = self._people[user_id].payloads[title]
        self.note(user_id, "user", "tap", title=title)
        return await self._from(user_id, "user_send_text", {"text": payload})

    async def file(self, user_id: str, kind: str = "file", **payload: Any) -> str:
        """Send a file, an image, a sticker, an audio, a location."""
        self.note(user_id, "user", kind)
        attachments = [{"type": kind, "payload": payload or {"url": "https://f1.zdn.vn/a", "name": "a.pdf"}}]
        return await self._from(user_id, f"user_send_{kind}", {"attachments": attachments})

    async def follow(self, user_id: str) -> None:
        """Begin to follow the account."""
        self._meet(user_id).follows = True
        await self.event({"event_name": "follow", "source": "oa_profile", "follower": {"id": user_id}}, user_id)

    async def unfollow(self, user_id: str) -> None:
        """Follow it no more: nothing can be sent from then on."""
        self._people[user_id].follows = False
        await self.event({"event_name": "unfollow", "source": "zalo", "follower": {"id": user_id}}, user_id)

    async def event(self, event: Json, order: str = "", *, times: int = 1, sign_with: str | None = None) -> None:
        """Post any event, signed.

        Args:
            sign_with: signs with another key than the account's.
        """
        timestamp = str(int(self.clock.now() * 1000))
        whole = {"app_id": self.app_id, "oa_id": OA_ID, "timestamp": timestamp} | event
        raw = json.dumps(whole, ensure_ascii=False).encode()
        signature = sign(self.app_id, raw, str(whole["timestamp"]), sign_with or self.oa_secret)
        headers = {"Content-Type": "application/json", "X-ZEvent-Signature": signature}
        self.note_exchange({"webhook": self._webhook.url if self._webhook else None, "body": whole})
        for _ in range(times):
            if self._webhook is not None:
                self._posted += 1
                self._untaken += 1
                self._webhook.post(Posting(self._posted, order, raw, headers))
        await self.tell()

    def meet(self, user_ids: list[str]) -> None:
        """Let people have written to the account just now."""
        for user_id in user_ids:
            self._meet(user_id)

    def expire_token(self) -> None:
        """Let no access token be valid any more."""
        self._valid_until.clear()

    def configure(self, **what: Any) -> None:
        """Set attributes, such as charged_quota, echoes, backoff_s and timeout_s."""
        for name, value in what.items():
            if name not in ("charged_quota", "echoes", "backoff_s", "timeout_s"):
                raise AttributeError(name)
            setattr(self, name, value)

    def sent(self, user_id: str) -> list[Json]:
        """Return what the account wrote to a person, in order."""
        return [entry for entry in self.transcripts[user_id] if entry["method"] == "message"]

    async def wait_for_sent(self, user_id: str, count: int, timeout_s: float = 60.0) -> list[Json]:
        """Return what the account wrote to a person, as soon as there are `count` messages.

        Raises:
            TimeoutError: there are fewer.
        """
        await self.wait_until(lambda: len(self.sent(user_id)) >= count, timeout_s)
        return self.sent(user_id)

    @property
    def waiting(self) -> int:
        """How many events have not been answered 2xx."""
        return self._untaken

    async def wait_until_taken(self, timeout_s: float = 60.0) -> None:
        """Return as soon as all that was posted has been answered 2xx.

        Raises:
            TimeoutError: it is not.
        """
        await poll_until(lambda: not self._untaken, timeout_s)

    def _meet(self, user_id: str) -> _Person:
        person = self._people.setdefault(user_id, _Person(0.0))
        person.wrote_at = self.clock.now()
        return person

    async def _from(self, user_id: str, name: str, message: Json, *, times: int = 1) -> str:
        self._meet(user_id)
        message_id = secrets.token_hex(10)
        event = {
            "event_name": name,
            "user_id_by_app": f"app-{user_id}",
            "sender": {"id": user_id},
            "recipient": {"id": OA_ID},
            "message": message | {"msg_id": message_id},
        }
        await self.event(event, user_id, times=times)
        return message_id

    def _taken(self, _: Posting) -> None:
        self._untaken -= 1

    # --- HTTP

    async def _serve(self, request: web.Request, name: str, parameters: Json, work: Any) -> web.StreamResponse:
        """Answer a call with what `work` returns, or go wrong as was ordered."""
        self.calls.append(name)
        user_id = (
            parameters.get("recipient", {}).get("user_id") if isinstance(parameters.get("recipient"), dict) else None
        )
        fault: Fault | None = self.faults.take(name, user_id)
        status = 200
        try:
            if fault and fault.is_error:
                raise Refused(fault.code, fault.description or "Error", http_status=fault.http_status or 200)
            if fault and fault.is_lost:
                await asyncio.sleep(fault.hang_s)
                if request.transport is not None:
                    request.transport.abort()
                return web.Response()
            answer: Json = await work(request, parameters)
            await self.tell()
        except Refused as error:
            answer, status = {"error": error.code, "message": error.description}, error.http_status
        self.note_exchange({"method": name, "parameters": parameters, "status": status, "answer": answer})
        return await self.answer_after(fault, request, web.json_response(answer, status=status))

    async def _serve_message(self, request: web.Request) -> web.StreamResponse:
        try:
            parameters = await request.json()
        except ValueError:
            parameters = {}
        return await self._serve(request, "message", parameters, self._message)

    async def _serve_image(self, request: web.Request) -> web.StreamResponse:
        return await self._serve(request, "upload", dict(await request.post()), self._image)

    async def _serve_account(self, request: web.Request) -> web.StreamResponse:
        return await self._serve(request, "getoa", {}, self._account)

    async def _serve_token(self, request: web.Request) -> web.StreamResponse:
        return await self._serve(request, "access_token", dict(await request.post()), self._token)

    def _authorize(self, request: web.Request) -> None:
        if self._valid_until.get(request.headers.get("access_token", ""), 0.0) <= self.clock.now():
            raise Refused(WRONG_TOKEN, "Access token is invalid")

    async def _account(self, request: web.Request, _: Json) -> Json:
        self._authorize(request)
        return {"data": {"oa_id": OA_ID, "name": "Tự Soi", "is_verified": True}, "error": 0, "message": "Success"}

    async def _token(self, request: web.Request, parameters: Json) -> Json:
        """Take a refresh token, which works once, for a new pair."""
        if request.headers.get("secret_key") != self.app_secret:
            raise Refused(-14004, "Invalid secret key")
        if parameters.get("app_id") != self.app_id:
            raise Refused(-14002, "Invalid app id")
        if parameters.get("grant_type") != "refresh_token":
            raise Refused(-14003, "Invalid grant type")
        if parameters.get("refresh_token") != self._refresh_token:
            raise Refused(-14014, "Invalid refresh token")
        self.refreshes += 1
        self._refresh_token = f"refresh-{secrets.token_hex(16)}"
        access = f"access-{secrets.token_hex(16)}"
        self._valid_until[access] = self.clock.now() + TOKEN_LIFE_S
        # Zalo writes the number as a text.
        return {"access_token": access, "refresh_token": self._refresh_token, "expires_in": str(TOKEN_LIFE_S)}

    async def _image(self, request: web.Request, parameters: Json) -> Json:
        self._authorize(request)
        file = parameters.get("file")
        if not isinstance(file, FileField):
            raise Refused(WRONG_PARAMETER, "file is missing")
        if len(file.file.read()) > IMAGE_LIMIT_BYTES:
            raise Refused(-210, "file exceeds 1 MB")
        return {"data": {"attachment_id": secrets.token_hex(16)}, "error": 0, "message": "Success"}

    async def _message(self, request: web.Request, parameters: Json) -> Json:
        self._authorize(request)
        recipient = parameters.get("recipient")
        user_id = recipient.get("user_id") if isinstance(recipient, dict) else None
        if not isinstance(user_id, str) or user_id not in self._people:
            raise Refused(WRONG_USER, "user_id is invalid")
        person = self._people[user_id]
        if not person.follows:
            raise Refused(NOT_FOLLOWED, "User has not followed OA")
        text, buttons = _drawn(parameters.get("message"))
        silent_s = self.clock.now() - person.wrote_at
        if silent_s > CHARGED_S:
            raise Refused(TOO_LONG_AGO, "User has not interacted with the OA in the past 7 days")
        is_charged = silent_s > FREE_S
        if is_charged and self.charged_quota is not None:
            if self.charged_quota <= 0:
                raise Refused(QUOTA_USED_UP, "Out of quota")
            self.charged_quota -= 1
        if not self.pace.allows(user_id):
            raise Refused(TOO_FAST, "Rate limit exceeded")
        person.payloads.update((button["title"], button["payload"]) for button in buttons if "query" in button["type"])
        message_id = secrets.token_hex(10)
        self.note(
            user_id, "bot", "message", message_id=message_id, text=text, buttons=buttons, charged=is_charged,
            sent_at=time.time(),
        )  # fmt: skip
        if self.echoes:
            sent = {"event_name": "oa_send_text", "sender": {"id": OA_ID}, "recipient": {"id": user_id}}
            await self.event(sent | {"message": {"text": text, "msg_id": message_id}}, user_id)
        quota = {"quota_type": "sub_quota" if is_charged else "reply", "owner_type": "OA", "owner_id": OA_ID}
        return {
            "data": {"message_id": message_id, "user_id": user_id, "quota": quota},
            "error": 0,
            "message": "Success",
        }


def sign(app_id: str, raw: bytes, timestamp: str, oa_secret: str) -> str:
    """Return the header that goes with an event: a plain SHA-256 over the bytes as they are posted."""
    return "mac=" + hashlib.sha256(app_id.encode() + raw + timestamp.encode() + oa_secret.encode()).hexdigest()


def _drawn(message: Any) -> tuple[str, list[Json]]:
    """Return text and buttons of a message that is to be shown.

    Raises:
        Refused: Zalo would not show it.
    """
    if not isinstance(message, dict):
        raise Refused(WRONG_PARAMETER, "message is missing")
    payload: Json = {}
    if (attachment := message.get("attachment")) is not None:
        if not isinstance(attachment, dict) or attachment.get("type") != "template":
            raise Refused(WRONG_PARAMETER, "attachment is not supported")
        payload = attachment.get("payload") or {}
        if not isinstance(payload, dict) or payload.get("template_type", "button") != "button":
            raise Refused(WRONG_PARAMETER, "template is not supported")
    text = message.get("text", payload.get("text"))
    if not isinstance(text, str) or not text.strip():
        raise Refused(WRONG_PARAMETER, "text is empty")
    if len(text) > TEXT_LIMIT:
        raise Refused(WRONG_PARAMETER, f"text is longer than {TEXT_LIMIT} characters")
    buttons = payload.get("buttons", [])
    if attachment is not None and (not isinstance(buttons, list) or not 1 <= len(buttons) <= BUTTONS_LIMIT):
        raise Refused(WRONG_PARAMETER, f"a template has 1 to {BUTTONS_LIMIT} buttons")
    for button in buttons:
        _check_button(button)
    return text, buttons


def _check_button(button: Any) -> None:
    if not isinstance(button, dict) or button.get("type") not in BUTTON_TYPES:
        raise Refused(WRONG_PARAMETER, "button type is not supported")
    title, payload = button.get("title"), button.get("payload")
    if not isinstance(title, str) or not 1 <= len(title) <= TITLE_LIMIT:
        raise Refused(WRONG_PARAMETER, f"button title has 1 to {TITLE_LIMIT} characters")
    if button["type"] == "oa.open.url":
        if not isinstance(payload, dict) or urlsplit(str(payload.get("url"))).scheme not in ("http", "https"):
            raise Refused(WRONG_PARAMETER, "button url is not an address")
    elif button["type"].startswith("oa.query"):
        if not isinstance(payload, str) or not 1 <= len(payload) <= PAYLOAD_LIMIT:
            raise Refused(WRONG_PARAMETER, f"button payload has 1 to {PAYLOAD_LIMIT} characters")
    elif not isinstance(payload, dict):
        raise Refused(WRONG_PARAMETER, "button payload is not an object")


if __name__ == "__main__":
    run(
        "A server that speaks Zalo's Official Account API, for tests.",
        lambda arguments: ZaloOAServer(
            app_id=arguments.app_id,
            app_secret=arguments.app_secret,
            oa_secret=arguments.oa_secret,
            refresh_token=arguments.refresh_token,
        ),
        app_id=APP_ID,
        app_secret=APP_SECRET,
        oa_secret=OA_SECRET,
        refresh_token=REFRESH_TOKEN,
    )
