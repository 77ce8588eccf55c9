"""A server that speaks the Bot API, in a test or as a process of its own.

    python -m tests.servers.telegram --port 0     prints {"port": …, "token": …} and serves until it is ended

A bot talks to /bot<token>/<method>. A test plays the people and looks on through the methods of TelegramServer, or
from another process by POST with a JSON body: /_test/text, /_test/tap, /_test/update, /_test/fault with the
arguments of the method of that name, /_test/meet with {"chat_ids": […]}, /_test/transcript with {"chat_id": …},
/_test/sends and /_test/commands.
"""

import argparse
import asyncio
import html
import json
import re
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

TOKEN = "123456:a-token-for-tests"
BOT = {"id": 123456, "is_bot": True, "first_name": "Tự Soi", "username": "TuSoiBot"}
TEXT_LIMIT = 4096
CALLBACK_DATA_LIMIT_BYTES = 64
LARGEST_FILE_BYTES = 20 * 2**20
TAGS = {
    **dict.fromkeys(("b", "strong"), "bold"),
    **dict.fromkeys(("i", "em"), "italic"),
    **dict.fromkeys(("u", "ins"), "underline"),
    **dict.fromkeys(("s", "strike", "del"), "strikethrough"),
    **{"code": "code", "pre": "pre", "a": "text_link", "blockquote": "blockquote", "tg-spoiler": "spoiler"},
}

Json = dict[str, Any]


class Refused(Exception):
    """What Telegram says instead of a result."""

    def __init__(self, code: int, description: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.retry_after_s = retry_after_s


@dataclass(slots=True)
class Fault:
    """What happens to the next `times` calls of a method: an error, or no answer after the work was done."""

    method: str
    code: int = 500
    description: str = "Internal Server Error"
    retry_after_s: int | None = None
    hang_s: float = 0.0
    times: int = 1


class TelegramServer:
    """Telegram as one bot sees it.

    Attributes:
        transcripts: by chat id, in order, {"by": "user" | "bot", "method": …, …} of all that was said and done.
        commands: of the last setMyCommands.
        calls: names of the methods called, in order.
        sends: (when, by the clock of time.time; chat id; text) of the messages that the bot sent, in order.
    """

    def __init__(self, token: str = TOKEN) -> None:
        self.token = token
        self.transcripts: defaultdict[int, list[Json]] = defaultdict(list)
        self.commands: list[Json] = []
        self.calls: list[str] = []
        self.sends: list[tuple[float, int, str]] = []
        self._updates: list[Json] = []
        self._messages: dict[tuple[int, int], Json] = {}
        self._chats: set[str] = set()
        self._open_taps: dict[str, int] = {}
        # What each file holds, and how large it is said to be.
        self._files: dict[str, tuple[bytes, int]] = {}
        self._faults: list[Fault] = []
        self._last_id = 1000
        self._changed = asyncio.Condition()
        self._runner: web.AppRunner | None = None
        self.port = 0

    @property
    def base_url(self) -> str:
        """What a bot puts before its token."""
        return f"http://127.0.0.1:{self.port}/bot"

    async def start(self, port: int = 0) -> None:
        """Serve on a port of this machine, any free one for 0."""
        application = web.Application()
        application.router.add_route("*", "/bot{token}/{method}", self._serve_bot)
        application.router.add_get("/file/bot{token}/{file_id}", self._serve_file)
        application.router.add_post("/_test/{name}", self._serve_test)
        # A long poll must not outlive the bot that asked.
        self._runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        self.port = urlsplit(site.name).port or self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Close the port."""
        if self._runner:
            await self._runner.cleanup()

    # --- what people do, and what a test can see

    async def text(self, chat_id: int, text: str) -> int:
        """Write to the bot; return the update id."""
        message = self._new_message(chat_id, text=text, sender=_person(chat_id))
        if command := re.match(r"/\w+(@\w+)?", text):
            message["entities"] = [{"type": "bot_command", "offset": 0, "length": len(command.group())}]
        self.transcripts[chat_id].append({"by": "user", "method": "text", "text": text})
        return await self.update({"message": message})

    async def file(self, chat_id: int, name: str, content: bytes, *, size: int | None = None) -> int:
        """Send the bot a file, which it may fetch if it is not too large; return the update id."""
        file_id = f"file-{self._new_id()}"
        self._files[file_id] = (content, len(content) if size is None else size)
        document = {"file_id": file_id, "file_unique_id": file_id, "file_name": name, "file_size": len(content)}
        message = self._new_message(chat_id, document=document, sender=_person(chat_id))
        self.transcripts[chat_id].append({"by": "user", "method": "document", "name": name})
        return await self.update({"message": message})

    async def tap(self, chat_id: int, data: str) -> int:
        """Tap the button with this callback data under the latest message that has it; return the update id."""
        messages = [message for (chat, _), message in self._messages.items() if chat == chat_id]
        message = next(message for message in reversed(messages) if data in _callback_data(message))
        query_id = str(self._new_id())
        self._open_taps[query_id] = chat_id
        self.transcripts[chat_id].append({"by": "user", "method": "tap", "data": data})
        query = {"id": query_id, "from": _person(chat_id), "chat_instance": str(chat_id), "message": message}
        return await self.update({"callback_query": {**query, "data": data}})

    async def update(self, update: Json) -> int:
        """Put any update in the queue; it gets an id unless it has one."""
        update = {"update_id": self._new_id(), **update}
        async with self._changed:
            if "message" in update:
                self._chats.add(str(update["message"]["chat"]["id"]))
            self._updates.append(update)
            self._changed.notify_all()
        return int(update["update_id"])

    def meet(self, chat_ids: Iterable[int]) -> None:
        """Let people have written to the bot some time ago, so that it may write to them."""
        self._chats.update(str(chat_id) for chat_id in chat_ids)

    def fault(self, method: str, **what: Any) -> None:
        """Let the next calls of a method go wrong, see Fault."""
        self._faults.append(Fault(method, **what))

    def sent(self, chat_id: int) -> list[Json]:
        """Return what the bot wrote to a chat, in order."""
        return [entry for entry in self.transcripts[chat_id] if entry["method"] == "sendMessage"]

    async def wait_for_sent(self, chat_id: int, count: int, timeout_s: float = 60.0) -> list[Json]:
        """Return what the bot wrote to a chat, as soon as there are `count` messages.

        Raises:
            TimeoutError: there are fewer.
        """
        async with asyncio.timeout(timeout_s), self._changed:
            await self._changed.wait_for(lambda: len(self.sent(chat_id)) >= count)
        return self.sent(chat_id)

    # --- HTTP

    async def _serve_test(self, request: web.Request) -> web.Response:
        body = await request.json()
        match request.match_info["name"]:
            case "text":
                return web.json_response({"update_id": await self.text(**body)})
            case "tap":
                return web.json_response({"update_id": await self.tap(**body)})
            case "update":
                return web.json_response({"update_id": await self.update(body)})
            case "fault":
                self.fault(**body)
                return web.json_response({})
            case "transcript":
                return web.json_response(self.transcripts[body["chat_id"]])
            case "commands":
                return web.json_response(self.commands)
            case "meet":
                self.meet(body["chat_ids"])
                return web.json_response({})
            case "sends":
                return web.json_response(self.sends)
        raise web.HTTPNotFound

    async def _serve_bot(self, request: web.Request) -> web.Response:
        name = request.match_info["method"]
        method = getattr(self, f"_do_{name.lower()}", None)
        try:
            if request.match_info["token"] != self.token:
                raise Refused(401, "Unauthorized")
            if method is None:
                raise Refused(404, "Not Found")
            self.calls.append(name)
            fault = self._next_fault(name)
            if fault and not fault.hang_s:
                raise Refused(fault.code, fault.description, retry_after_s=fault.retry_after_s)
            result = await method(await _parameters(request))
            async with self._changed:
                self._changed.notify_all()
            if fault:
                await asyncio.sleep(fault.hang_s)
        except Refused as error:
            answer: Json = {"ok": False, "error_code": error.code, "description": error.description}
            if error.retry_after_s is not None:
                answer["parameters"] = {"retry_after": error.retry_after_s}
            return web.json_response(answer, status=error.code)
        return web.json_response({"ok": True, "result": result})

    def _next_fault(self, method: str) -> Fault | None:
        for fault in self._faults:
            if fault.method == method and fault.times > 0:
                fault.times -= 1
                return fault
        return None

    # --- the methods, named as in the Bot API

    async def _do_getme(self, _: Json) -> Json:
        return {**BOT, "can_join_groups": True, "can_read_all_group_messages": False, "supports_inline_queries": False}

    async def _do_deletewebhook(self, parameters: Json) -> bool:
        if parameters.get("drop_pending_updates") in (True, "true", "True"):
            self._updates.clear()
        return True

    async def _do_setmycommands(self, parameters: Json) -> bool:
        commands = _parsed(parameters, "commands")
        if len(commands) > 100:
            raise Refused(400, "Bad Request: BOT_COMMANDS_TOO_MUCH")
        for command in commands:
            if not re.fullmatch(r"[a-z0-9_]{1,32}", command["command"]):
                raise Refused(400, "Bad Request: BOT_COMMAND_INVALID")
            if not 1 <= len(command["description"]) <= 256:
                raise Refused(400, "Bad Request: BOT_COMMAND_DESCRIPTION_INVALID")
        self.commands = commands
        return True

    async def _do_getupdates(self, parameters: Json) -> list[Json]:
        offset = int(parameters.get("offset", 0))
        limit = int(parameters.get("limit", 100))
        allowed = _parsed(parameters, "allowed_updates")
        end = time.monotonic() + float(parameters.get("timeout", 0))
        while True:
            async with self._changed:
                self._updates = [update for update in self._updates if update["update_id"] >= offset]
                if allowed:
                    self._updates = [update for update in self._updates if not update.keys().isdisjoint(allowed)]
                left = end - time.monotonic()
                if self._updates or left <= 0:
                    return self._updates[:limit]
                try:
                    await asyncio.wait_for(self._changed.wait(), left)
                except TimeoutError:
                    return []

    async def _do_getfile(self, parameters: Json) -> Json:
        file_id = str(parameters.get("file_id"))
        if file_id not in self._files:
            raise Refused(400, "Bad Request: wrong file_id or the file is temporarily unavailable")
        size = self._files[file_id][1]
        if size > LARGEST_FILE_BYTES:
            raise Refused(400, "Bad Request: file is too big")
        return {"file_id": file_id, "file_unique_id": file_id, "file_size": size, "file_path": file_id}

    async def _serve_file(self, request: web.Request) -> web.Response:
        if request.match_info["token"] != self.token or request.match_info["file_id"] not in self._files:
            return web.json_response({"ok": False, "error_code": 404, "description": "Not Found"}, status=404)
        return web.Response(body=self._files[request.match_info["file_id"]][0])

    async def _do_sendmessage(self, parameters: Json) -> Json:
        chat_id = self._chat(parameters)
        drawn = _drawn(parameters)
        message = self._new_message(chat_id, sender=BOT, **drawn)
        self.sends.append((time.time(), chat_id, drawn["text"]))
        self.transcripts[chat_id].append(
            {"by": "bot", "method": "sendMessage", "message_id": message["message_id"], "raw": parameters["text"]}
            | drawn
        )
        return message

    async def _do_editmessagetext(self, parameters: Json) -> Json:
        chat_id = self._chat(parameters)
        message = self._messages.get((chat_id, int(parameters.get("message_id", 0))))
        if message is None or message["from"] != BOT:
            raise Refused(400, "Bad Request: message to edit not found")
        drawn = _drawn(parameters)
        if all(message.get(key) == drawn.get(key) for key in ("text", "entities", "reply_markup")):
            raise Refused(
                400,
                "Bad Request: message is not modified: specified new message content and reply markup are exactly "
                "the same as a current content and reply markup of the message",
            )
        message.pop("reply_markup", None)
        message.update(drawn, edit_date=int(time.time()))
        self.transcripts[chat_id].append(
            {"by": "bot", "method": "editMessageText", "message_id": message["message_id"]} | drawn
        )
        return message

    async def _do_sendchataction(self, parameters: Json) -> bool:
        action = {"by": "bot", "method": "sendChatAction", "action": parameters.get("action")}
        self.transcripts[self._chat(parameters)].append(action)
        return True

    async def _do_answercallbackquery(self, parameters: Json) -> bool:
        query_id = str(parameters.get("callback_query_id"))
        if query_id not in self._open_taps:
            raise Refused(400, "Bad Request: query is too old and response timeout expired or query ID is invalid")
        chat_id = self._open_taps.pop(query_id)
        self.transcripts[chat_id].append({"by": "bot", "method": "answerCallbackQuery"})
        return True

    # --- bookkeeping

    def _new_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def _chat(self, parameters: Json) -> int:
        """Return the chat spoken to; a bot knows only those who wrote first."""
        chat_id = str(parameters.get("chat_id"))
        if chat_id not in self._chats:
            raise Refused(400, "Bad Request: chat not found")
        return int(chat_id)

    def _new_message(self, chat_id: int, *, sender: Json, **content: Any) -> Json:
        message = {
            "message_id": self._new_id(),
            "date": int(time.time()),
            "chat": {"id": chat_id, "type": "private" if chat_id > 0 else "group", "first_name": f"Người {chat_id}"},
            "from": sender,
            **content,
        }
        self._messages[chat_id, message["message_id"]] = message
        return message


def _person(chat_id: int) -> Json:
    return {"id": chat_id, "is_bot": False, "first_name": f"Người {chat_id}"}


def _callback_data(message: Json) -> set[str]:
    rows = message.get("reply_markup", {}).get("inline_keyboard", [])
    return {button["callback_data"] for row in rows for button in row if "callback_data" in button}


async def _parameters(request: web.Request) -> Json:
    if request.content_type == "application/json":
        body: Json = await request.json()
        return body
    return {**request.query, **await request.post()}


def _parsed(parameters: Json, name: str) -> Any:
    """Return a parameter that form fields carry as JSON."""
    value = parameters.get(name)
    return json.loads(value) if isinstance(value, str) else value


def _drawn(parameters: Json) -> Json:
    """Return text, entities and keyboard of a message that is to be shown.

    Raises:
        Refused: Telegram would not show it.
    """
    text = str(parameters.get("text", ""))
    entities: list[Json] = []
    if parameters.get("parse_mode") == "HTML":
        text, entities = parse_html(text)
    if not text.strip():
        raise Refused(400, "Bad Request: message text is empty")
    if utf16_length(text) > TEXT_LIMIT:
        raise Refused(400, "Bad Request: message is too long")
    drawn: Json = {"text": text}
    if entities:
        drawn["entities"] = entities
    if markup := _parsed(parameters, "reply_markup"):
        for row in markup.get("inline_keyboard", []):
            for button in row:
                if not button.get("text"):
                    raise Refused(400, "Bad Request: BUTTON_TEXT_INVALID")
                if not 1 <= len(button.get("callback_data", "").encode()) <= CALLBACK_DATA_LIMIT_BYTES:
                    raise Refused(400, "Bad Request: BUTTON_DATA_INVALID")
        drawn["reply_markup"] = markup
    return drawn


def parse_html(source: str) -> tuple[str, list[Json]]:
    """Return the text and its entities, offsets in UTF-16 code units.

    Raises:
        Refused: a tag is unknown, left open or closed out of turn.
    """
    text = ""
    entities: list[Json] = []
    opened: list[tuple[str, int]] = []
    for piece in re.split(r"(<[^>]*>?)", source):
        if not piece.startswith("<"):
            text += html.unescape(piece)
            continue
        tag = re.fullmatch(r"<(/?)([a-z-]*)(\s[^>]*)?>", piece, re.IGNORECASE)
        name = tag.group(2).lower() if tag else ""
        if tag is None or name not in TAGS:
            raise Refused(400, f'Bad Request: can\'t parse entities: Unsupported start tag "{name}"')
        if not tag.group(1):
            opened.append((name, utf16_length(text)))
        elif not opened or opened[-1][0] != name:
            raise Refused(400, f'Bad Request: can\'t parse entities: Unmatched end tag, found "</{name}>"')
        else:
            _, offset = opened.pop()
            entities.append({"type": TAGS[name], "offset": offset, "length": utf16_length(text) - offset})
    if opened:
        raise Refused(
            400, f"Bad Request: can't parse entities: Can't find end tag corresponding to start tag \"{opened[-1][0]}\""
        )
    return text, entities


def utf16_length(text: str) -> int:
    """Return how long Telegram finds a text."""
    return len(text.encode("utf-16-le")) // 2


async def main() -> None:
    """Serve until ended."""
    parser = argparse.ArgumentParser(description="A server that speaks Telegram's Bot API, for tests.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--token", default=TOKEN)
    arguments = parser.parse_args()
    server = TelegramServer(arguments.token)
    await server.start(arguments.port)
    print(json.dumps({"port": server.port, "token": server.token}), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
