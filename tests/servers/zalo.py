"""A server that speaks the Zalo Bot API, in a test or as a process of its own.

    python -m tests.servers.zalo --port 0 [--allow-local]     prints {"port": …, "token": …} and serves until ended

A bot talks to /bot<token>/<method>. See Server for how a test plays the people from another process. What Zalo does not
document is chosen so that a bot has to be careful: see ERRORS and wraps_webhook.
"""

import asyncio
import ipaddress
import json
import secrets
import time
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from tests.servers.common import COMMON_TESTS, Json, Posting, Server, poll_until, run
from tests.servers.faults import Fault

TOKEN = "1459232241454765289:a-token-for-tests"
BOT = {
    "id": "1459232241454765289",
    "account_name": "bot.VDKyGxQvc",
    "account_type": "BASIC",
    "can_join_groups": False,
    "display_name": "Bot Tự Soi",
}
TEXT_LIMIT = 2000
DEFAULT_POLL_S = 30.0
TEST_WEBHOOK_EVERY_S = 60.0
SECRET_HEADER = "X-Bot-Api-Secret-Token"
EVENTS = ("text", "image", "sticker", "voice", "unsupported")
# Errors come in HTTP 200 unless a fault gives another status, and name their code either way: Zalo has done both.
ERRORS = ("error_code", "errorCode")


class Refused(Exception):
    """What Zalo says instead of a result."""

    def __init__(self, code: int, description: str, *, http_status: int = 200) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.http_status = http_status


class ZaloServer(Server):
    """Zalo as one bot sees it; chats are known by texts, moments are milliseconds.

    Attributes:
        allow_local: whether a webhook may be on this machine and without HTTPS, which Zalo refuses.
        spelling: one of ERRORS, or "both" for one and the other in turn.
        wraps_webhook: whether a posted update stands in {"ok": true, "result": …} as a polled one does; both were seen.
        sends: (when, by the clock of time.time; chat id; text) of the messages that the bot sent, in order.
    """

    TESTS = (
        *COMMON_TESTS,
        "text",
        "image",
        "sticker",
        "voice",
        "unsupported",
        "update",
        "meet",
        "configure",
        "sends",
        "waiting",
    )

    def __init__(self, token: str = TOKEN, *, allow_local: bool = False) -> None:
        super().__init__()
        self.token = token
        self.allow_local = allow_local
        self.spelling = "error_code"
        self.wraps_webhook = False
        self.sends: list[tuple[float, str, str]] = []
        self._secret = ""
        self._webhook_url = ""
        self._webhook_set_at = 0
        self._tested_at: float | None = None
        # What the bot has not had, by a number that grows, with the chat within which it keeps its order.
        self._updates: dict[int, tuple[Json, str]] = {}
        self._chats: dict[str, str] = {}
        self._errors = 0
        self._last_number = 0

    @property
    def base_url(self) -> str:
        """What a bot puts before its token."""
        return f"http://127.0.0.1:{self.port}/bot"

    def add_routes(self, application: web.Application) -> None:
        """Add the Bot API."""
        application.router.add_route("*", "/bot{token}/{method}", self._serve_bot)

    # --- what people do, and what a test can see

    async def text(self, chat_id: str, text: str, *, sender: str | None = None, times: int = 1) -> str | None:
        """Write to the bot; return the message id, None where the bot does not hear it.

        Args:
            sender: makes it a group, in which this person writes; the bot hears what mentions it.
            times: the same message is delivered so often.
        """
        if sender is not None and f"@{BOT['display_name']}" not in text:
            self.note(chat_id, "user", "text", text=text, heard=False)
            return None
        return await self._say(chat_id, "text", {"text": text}, sender=sender, times=times)

    async def image(self, chat_id: str, url: str, *, caption: str | None = None, sender: str | None = None) -> str:
        """Send the bot a picture, which is given as an address."""
        content = {"photo_url": url} | ({"caption": caption} if caption is not None else {})
        return await self._say(chat_id, "image", content, sender=sender)

    async def sticker(self, chat_id: str, sticker: str = "0e078a2fb66a5f34067b", *, sender: str | None = None) -> str:
        """Send the bot a sticker."""
        return await self._say(chat_id, "sticker", {"sticker": sticker}, sender=sender)

    async def voice(
        self, chat_id: str, url: str = "https://voice.zdn.vn/a.aac", *, sender: str | None = None
    ) -> str | None:
        """Speak to the bot; None where a group swallows it."""
        if sender is not None:
            self.note(chat_id, "user", "voice", heard=False)
            return None
        return await self._say(chat_id, "voice", {"voice_url": url})

    async def unsupported(self, chat_id: str, *, sender: str | None = None) -> str:
        """Send what Zalo does not hand on: a file, a contact, or anything from a person who is protected."""
        return await self._say(chat_id, "unsupported", {}, sender=sender)

    async def update(self, update: Json, order: str = "") -> None:
        """Deliver any update as it is."""
        async with self._changed:
            self._last_number += 1
            self._updates[self._last_number] = (update, order)
            if self._webhook is not None:
                self._post(self._last_number)
            self._changed.notify_all()

    def meet(self, chat_ids: list[str], chat_type: str = "PRIVATE") -> None:
        """Let people have written to the bot some time ago, so that it may write to them."""
        for chat_id in chat_ids:
            self._chats[chat_id] = chat_type

    def configure(self, **what: Any) -> None:
        """Set attributes, such as spelling, wraps_webhook, backoff_s and timeout_s."""
        for name, value in what.items():
            if name not in ("spelling", "wraps_webhook", "allow_local", "backoff_s", "timeout_s"):
                raise AttributeError(name)
            setattr(self, name, value)

    def sent(self, chat_id: str) -> list[Json]:
        """Return the texts that the bot wrote to a chat, in order."""
        return [entry for entry in self.transcripts[chat_id] if entry["method"] == "sendMessage"]

    async def wait_for_sent(self, chat_id: str, count: int, timeout_s: float = 60.0) -> list[Json]:
        """Return what the bot wrote to a chat, as soon as there are `count` messages.

        Raises:
            TimeoutError: there are fewer.
        """
        await self.wait_until(lambda: len(self.sent(chat_id)) >= count, timeout_s)
        return self.sent(chat_id)

    @property
    def waiting(self) -> int:
        """How many updates the bot has not had."""
        return len(self._updates)

    async def wait_until_taken(self, timeout_s: float = 60.0) -> None:
        """Return as soon as the webhook has taken all.

        Raises:
            TimeoutError: it does not.
        """
        await poll_until(lambda: not self._updates, timeout_s)

    async def _say(self, chat_id: str, kind: str, content: Json, *, sender: str | None = None, times: int = 1) -> str:
        chat_type = "PRIVATE" if sender is None else "GROUP"
        person = sender or chat_id
        self._chats[chat_id] = chat_type
        self.note(chat_id, "user", kind, **content)
        message = {
            "chat": {"id": chat_id, "chat_type": chat_type},
            "message_id": secrets.token_hex(10),
            "date": self._now_ms(),
            "from": {"id": person, "display_name": f"Người {person}", "is_bot": False},
            **content,
        }
        for _ in range(times):
            await self.update({"event_name": f"message.{kind}.received", "message": message}, chat_id)
        return str(message["message_id"])

    def _now_ms(self) -> int:
        return int(self.clock.now() * 1000)

    # --- webhook

    def _post(self, number: int) -> None:
        assert self._webhook is not None
        update, order = self._updates[number]
        body = {"ok": True, "result": update} if self.wraps_webhook else update
        self.note_exchange({"webhook": self._webhook_url, "body": body})
        raw = json.dumps(body, ensure_ascii=False).encode()
        headers = {"Content-Type": "application/json", SECRET_HEADER: self._secret}
        self._webhook.post(Posting(number, order, raw, headers))

    def _taken(self, posting: Posting) -> None:
        self._updates.pop(int(str(posting.key)), None)

    # --- HTTP

    async def _serve_bot(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["method"]
        method = getattr(self, f"_do_{name.lower()}", None)
        parameters: Json = {}
        fault: Fault | None = None
        handed_out: tuple[int, tuple[Json, str]] | None = None
        try:
            if request.match_info["token"] != self.token:
                raise Refused(401, "Unauthorized")
            if method is None:
                raise Refused(404, "Not Found")
            self.calls.append(name)
            parameters = await _parameters(request)
            chat_id = parameters.get("chat_id")
            fault = self.faults.take(name, chat_id)
            if fault and fault.is_error:
                raise Refused(fault.code, fault.description or "Error", http_status=fault.http_status or 200)
            if chat_id is not None and name.startswith("send") and not self.pace.allows(chat_id):
                raise Refused(429, "Quota exceeded", http_status=429)
            if fault and fault.is_lost:
                await asyncio.sleep(fault.hang_s)
                raise ConnectionResetError
            result = await method(parameters)
            if name.lower() == "getupdates":
                handed_out, result = result, result[1][0]
            await self.tell()
            answer: Json = {"ok": True} if result is None else {"ok": True, "result": result}
            status = 200
        except ConnectionResetError:
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        except Refused as error:
            self._errors += 1
            spelling = ERRORS[self._errors % 2] if self.spelling == "both" else self.spelling
            answer = {"ok": False, "description": error.description, spelling: error.code}
            status = error.http_status
        self.note_exchange({"method": name, "parameters": parameters, "status": status, "answer": answer})
        try:
            answered = await self.answer_after(fault, request, web.json_response(answer, status=status))
        except asyncio.CancelledError:
            self._take_back(handed_out)
            raise
        if fault is not None and fault.cut:
            self._take_back(handed_out)
        return answered

    def _take_back(self, handed_out: tuple[int, tuple[Json, str]] | None) -> None:
        """Let the next poll have what did not arrive."""
        if handed_out is not None:
            self._updates = dict([handed_out]) | self._updates

    # --- the methods, named as in the Bot API

    async def _do_getme(self, _: Json) -> Json:
        return dict(BOT)

    async def _do_getupdates(self, parameters: Json) -> tuple[int, tuple[Json, str]]:
        if self._webhook is not None:
            raise Refused(400, "Bad Request: a webhook is set, delete it before calling getUpdates")
        try:
            end = time.monotonic() + float(parameters.get("timeout", DEFAULT_POLL_S))
        except (TypeError, ValueError) as error:
            raise Refused(400, "Bad Request: timeout") from error
        async with self._changed:
            while not self._updates:
                left = end - time.monotonic()
                if left <= 0:
                    raise Refused(408, "Request timeout")
                try:
                    await asyncio.wait_for(self._changed.wait(), left)
                except TimeoutError:
                    continue
                if self._webhook is not None:
                    raise Refused(400, "Bad Request: a webhook is set, delete it before calling getUpdates")
            number = next(iter(self._updates))
            return number, self._updates.pop(number)

    async def _do_setwebhook(self, parameters: Json) -> Json:
        url, secret = parameters.get("url"), parameters.get("secret_token")
        if not isinstance(url, str) or not self._is_public(url):
            raise Refused(400, "Bad Request: url must be a public HTTPS address")
        if not isinstance(secret, str) or not 8 <= len(secret) <= 256:
            raise Refused(400, "Bad Request: secret_token must have 8 to 256 characters")
        self._secret, self._webhook_url, self._webhook_set_at = secret, url, self._now_ms()
        await self.enter_webhook(url, self._taken)
        for number in self._updates:
            self._post(number)
        return {"url": url, "updated_at": self._webhook_set_at}

    async def _do_deletewebhook(self, _: Json) -> Json:
        await self._leave_webhook()
        self._webhook_url, self._webhook_set_at = "", self._now_ms()
        return {"url": "", "updated_at": self._webhook_set_at}

    async def _do_getwebhookinfo(self, _: Json) -> Json:
        return {"url": self._webhook_url, "updated_at": self._webhook_set_at}

    async def _do_testwebhook(self, _: Json) -> Json:
        if self._webhook is None:
            raise Refused(400, "Bad Request: no webhook is set")
        now = time.monotonic()
        if self._tested_at is not None and now - self._tested_at < TEST_WEBHOOK_EVERY_S:
            raise Refused(426, "Too often")
        self._tested_at = now
        return {"url": self._webhook_url, "updated_at": self._webhook_set_at}

    def _is_public(self, url: str) -> bool:
        parts = urlsplit(url)
        if self.allow_local:
            return parts.scheme in ("http", "https") and bool(parts.hostname)
        if parts.scheme != "https" or not parts.hostname or parts.hostname == "localhost":
            return False
        try:
            return ipaddress.ip_address(parts.hostname).is_global
        except ValueError:
            return "." in parts.hostname

    async def _do_sendmessage(self, parameters: Json) -> Json:
        chat_id = self._chat(parameters)
        text = _within(parameters, "text")
        if (mode := parameters.get("parse_mode")) not in (None, "markdown", "html"):
            raise Refused(400, f"Bad Request: parse_mode {mode}")
        sent = self._sent(chat_id, "sendMessage", text=text)
        self.sends.append((time.time(), chat_id, text))
        return sent

    async def _do_sendphoto(self, parameters: Json) -> Json:
        chat_id = self._chat(parameters)
        photo = parameters.get("photo")
        if not isinstance(photo, str) or urlsplit(photo).scheme not in ("http", "https"):
            raise Refused(400, "Bad Request: photo must be an address")
        caption = {"caption": _within(parameters, "caption")} if "caption" in parameters else {}
        return self._sent(chat_id, "sendPhoto", photo=photo, **caption)

    async def _do_sendsticker(self, parameters: Json) -> Json:
        chat_id = self._chat(parameters)
        return self._sent(chat_id, "sendSticker", sticker=_within(parameters, "sticker"))

    async def _do_sendvoice(self, parameters: Json) -> Json:
        chat_id = self._chat(parameters)
        voice = parameters.get("voice")
        if self._chats[chat_id] != "PRIVATE" or not isinstance(voice, str) or not urlsplit(voice).path.endswith(".aac"):
            raise Refused(400, "Bad Request: voice must be the address of an .aac file, in a private chat")
        return self._sent(chat_id, "sendVoice", voice=voice)

    async def _do_sendchataction(self, parameters: Json) -> None:
        chat_id = self._chat(parameters)
        if parameters.get("action") not in ("typing", "upload_photo"):
            raise Refused(400, "Bad Request: action")
        self.note(chat_id, "bot", "sendChatAction", action=parameters["action"])

    def _chat(self, parameters: Json) -> str:
        """Return the chat spoken to; a bot knows only those who wrote first."""
        chat_id = parameters.get("chat_id")
        if not isinstance(chat_id, str) or not chat_id:
            raise Refused(400, "Bad Request: chat_id must be a string")
        if chat_id not in self._chats:
            raise Refused(400, "Bad Request: chat not found")
        return chat_id

    def _sent(self, chat_id: str, method: str, **content: Any) -> Json:
        sent = {"message_id": secrets.token_hex(10), "date": self._now_ms()}
        self.note(chat_id, "bot", method, message_id=sent["message_id"], **content)
        return sent


def _within(parameters: Json, name: str) -> str:
    """Return a text of 1 to 2,000 characters.

    Raises:
        Refused: it is not.
    """
    text = parameters.get(name)
    if not isinstance(text, str) or not text.strip():
        raise Refused(400, f"Bad Request: {name} is empty")
    if len(text) > TEXT_LIMIT:
        raise Refused(400, f"Bad Request: {name} is longer than {TEXT_LIMIT} characters")
    return text


async def _parameters(request: web.Request) -> Json:
    if request.content_type != "application/json":
        return {**request.query, **await request.post()}
    try:
        body = await request.json()
    except ValueError as error:
        raise Refused(400, "Bad Request: body is not JSON") from error
    if not isinstance(body, dict):
        raise Refused(400, "Bad Request: body is not an object")
    return body


if __name__ == "__main__":
    run(
        "A server that speaks the Zalo Bot API, for tests.",
        lambda arguments: ZaloServer(arguments.token, allow_local=arguments.allow_local),
        ["--allow-local"],
        token=TOKEN,
    )
