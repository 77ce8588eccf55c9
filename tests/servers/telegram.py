"""A server that speaks the Bot API, in a test or as a process of its own.

    python -m tests.servers.telegram --port 0     prints {"port": …, "token": …} and serves until it is ended

A bot talks to /bot<token>/<method> and fetches files from /file/bot<token>/<path>; faults of "file" are of these. A
test plays the people and looks on through the methods of TelegramServer, or from another process, see Server.
"""

import asyncio
import base64
import hashlib
import json
import time
from collections.abc import Iterable
from typing import Any

from aiohttp import web
from aiohttp.web import FileField

from tests.servers.common import COMMON_TESTS, Json, run
from tests.servers.faults import Fault
from tests.servers.telegram_drawn import (
    TEXT_LIMIT,
    Refused,
    check_commands,
    check_web_app,
    drawn,
    drawn_caption,
    drawn_markup,
    parse_html,
    parsed,
    picture_size,
    utf16_length,
)
from tests.servers.telegram_people import BOT, PeopleServer

__all__ = ["BOT", "TEXT_LIMIT", "TOKEN", "Fault", "TelegramServer", "parse_html", "utf16_length"]

TOKEN = "123456:a-token-for-tests"
LARGEST_FILE_SENT_BYTES = 50 * 2**20
LARGEST_FILE_FETCHED_BYTES = 20 * 2**20
ANSWER_WITHIN_S = 900
CHAT_ACTIONS = {
    "typing", "upload_photo", "record_video", "upload_video", "record_voice", "upload_voice", "upload_document",
    "choose_sticker", "find_location", "record_video_note", "upload_video_note",
}  # fmt: skip
# Of what goes wrong, in Telegram's words.
_SAID = {
    401: "Unauthorized",
    403: "Forbidden: bot was blocked by the user",
    409: "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
    500: "Internal Server Error",
    502: "Bad Gateway",
}
_NOT_MODIFIED = (
    "Bad Request: message is not modified: specified new message content and reply markup are exactly the same as a "
    "current content and reply markup of the message"
)


class TelegramServer(PeopleServer):
    """Telegram as one bot sees it.

    Attributes:
        commands: of the last setMyCommands; commands_seen tells what a person sees.
        sends: (when, by the clock of time.time; chat id; text) of the messages that the bot sent, in order.
        menu_buttons: by chat id, 0 for the one that everybody has.
    """

    TESTS = (
        *COMMON_TESTS,
        *("text", "tap", "file", "photo", "edited", "update", "meet", "stranger", "block", "unblock", "join", "leave"),
        *("migrate", "commands", "commands_seen", "menu_button", "sends", "waiting", "drop_waiting", "content"),
    )

    def __init__(self, token: str = TOKEN, *, allow_local: bool = True) -> None:
        super().__init__(allow_local=allow_local)
        self.token = token
        self.commands: list[Json] = []
        self.sends: list[tuple[float, int, str]] = []
        self.menu_buttons: dict[int, Json] = {}
        self._scopes: dict[tuple[str, str, str], list[Json]] = {}

    @property
    def base_url(self) -> str:
        """What a bot puts before its token."""
        return f"http://127.0.0.1:{self.port}/bot"

    @property
    def base_file_url(self) -> str:
        """What a bot puts before its token to fetch a file."""
        return f"http://127.0.0.1:{self.port}/file/bot"

    def add_routes(self, application: web.Application) -> None:
        """Add the Bot API and the files."""
        application.router.add_route("*", "/bot{token}/{method}", self._serve_bot)
        application.router.add_get("/file/bot{token}/{path:.+}", self._serve_file)

    # --- what a test can see

    def sent(self, chat_id: int) -> list[Json]:
        """Return what the bot wrote to a chat, in order."""
        return [entry for entry in self.transcripts[chat_id] if entry["method"] == "sendMessage"]

    async def wait_for_sent(self, chat_id: int, count: int, timeout_s: float = 60.0) -> list[Json]:
        """Return what the bot wrote to a chat, as soon as there are `count` messages.

        Raises:
            TimeoutError: there are fewer.
        """
        await self.wait_until(lambda: len(self.sent(chat_id)) >= count, timeout_s)
        return self.sent(chat_id)

    def content(self, file_id: str) -> str:
        """Return what a file holds that either side sent, in Base64."""
        return base64.b64encode(self._files[file_id][0]).decode()

    def commands_seen(self, chat_id: int, language: str = "vi") -> list[Json]:
        """Return the commands that are offered in a chat: the nearest scope that has any, its language first."""
        everywhere = "all_private_chats" if chat_id > 0 else "all_group_chats"
        for kind, of in (("chat", str(chat_id)), (everywhere, ""), ("default", "")):
            for spoken in (language, ""):
                if found := self._scopes.get((kind, of, spoken)):
                    return found
        return []

    def menu_button(self, chat_id: int) -> Json:
        """Return the button beside the text field of a chat."""
        return self.menu_buttons.get(chat_id) or self.menu_buttons.get(0) or {"type": "default"}

    # --- HTTP

    async def serve_test(self, name: str, body: Json) -> Any:
        """Return what a method of TESTS answers to another process."""
        if name in ("file", "photo") and "content" in body:
            body["content"] = base64.b64decode(body["content"])
        if name == "update":
            return {"update_id": await self.update(body)}
        result = await super().serve_test(name, body)
        return {"update_id": result} if name in ("text", "tap", "file", "photo", "edited") else result

    async def _serve_bot(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["method"]
        method = getattr(self, f"_do_{name.lower()}", None)
        parameters: Json = {}
        fault: Fault | None = None
        try:
            if request.match_info["token"] != self.token:
                raise Refused(401, _SAID[401])
            if method is None:
                raise Refused(404, "Not Found")
            self.calls.append(name)
            parameters = await _parameters(request)
            chat_id = parameters.get("chat_id")
            fault = self.faults.take(name, chat_id)
            if fault and fault.is_error:
                raise _refusal(fault)
            if fault and fault.is_lost:
                await asyncio.sleep(fault.hang_s)
                if request.transport is not None:
                    request.transport.abort()
                return web.Response()
            if chat_id is not None and name.startswith("send") and name != "sendChatAction":
                self._keep_pace(chat_id)
            result = await method(parameters)
            await self.tell()
            answer: Json = {"ok": True, "result": result}
            status = 200
        except Refused as error:
            answer = {"ok": False, "error_code": error.code, "description": error.description}
            if error.parameters:
                answer["parameters"] = error.parameters
            status = error.code
        if self.records:
            shown = {key: _shown(value) for key, value in parameters.items()}
            self.note_exchange({"method": name, "parameters": shown, "status": status, "answer": answer})
        return await self.answer_after(fault, request, web.json_response(answer, status=status))

    def _keep_pace(self, chat_id: object) -> None:
        if not self.pace.allows(chat_id):
            wait_s = self.pace.retry_after_s
            raise Refused(429, f"Too Many Requests: retry after {wait_s}", retry_after=wait_s)

    async def _serve_file(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"]
        if request.match_info["token"] != self.token or path not in self._files:
            return web.json_response({"ok": False, "error_code": 404, "description": "Not Found"}, status=404)
        fault = self.faults.take("file")
        if fault and fault.is_error:
            return web.json_response({"ok": False, "error_code": fault.code}, status=fault.code)
        return await self.answer_after(fault, request, web.Response(body=self._files[path][0]))

    # --- the methods, named as in the Bot API

    async def _do_getme(self, _: Json) -> Json:
        may = {"can_join_groups": True, "can_read_all_group_messages": self.hears_all, "supports_inline_queries": False}
        return BOT | may

    async def _do_getfile(self, parameters: Json) -> Json:
        file_id = str(parameters.get("file_id"))
        if file_id not in self._files:
            raise Refused(400, "Bad Request: wrong file_id or the file is temporarily unavailable")
        size = self._files[file_id][1]
        if size > LARGEST_FILE_FETCHED_BYTES:
            raise Refused(400, "Bad Request: file is too big")
        return {"file_id": file_id, "file_unique_id": file_id, "file_size": size, "file_path": file_id}

    async def _do_sendmessage(self, parameters: Json) -> Json:
        chat_id = self._chat(parameters)
        shown = drawn(parameters, is_private=chat_id > 0)
        message = self._sent_by_bot(chat_id, parameters, shown)
        self.sends.append((time.time(), chat_id, shown["text"]))
        self.note(
            chat_id, "bot", "sendMessage", message_id=message["message_id"], raw=parameters.get("text"), **shown
        )  # fmt: skip
        return message

    async def _do_senddocument(self, parameters: Json) -> Json:
        return self._send_file(parameters, "document")

    async def _do_sendphoto(self, parameters: Json) -> Json:
        return self._send_file(parameters, "photo")

    async def _do_editmessagetext(self, parameters: Json) -> Json:
        message = self._editable(parameters)
        if "text" not in message:
            raise Refused(400, "Bad Request: there is no text in the message to edit")
        shown = drawn(parameters, is_private=message["chat"]["id"] > 0)
        return self._edit(message, "editMessageText", ("text", "entities", "reply_markup"), shown)

    async def _do_editmessagecaption(self, parameters: Json) -> Json:
        message = self._editable(parameters)
        if "text" in message:
            raise Refused(400, "Bad Request: there is no caption in the message to edit")
        shown = drawn_caption(parameters, is_private=message["chat"]["id"] > 0)
        return self._edit(message, "editMessageCaption", ("caption", "caption_entities", "reply_markup"), shown)

    async def _do_editmessagereplymarkup(self, parameters: Json) -> Json:
        message = self._editable(parameters)
        shown = drawn_markup(parameters, is_private=message["chat"]["id"] > 0)
        return self._edit(message, "editMessageReplyMarkup", ("reply_markup",), shown)

    async def _do_deletemessage(self, parameters: Json) -> bool:
        chat_id = self._chat(parameters)
        message_id = _number(parameters, "message_id")
        if self._messages.pop((chat_id, message_id), None) is None:
            raise Refused(400, "Bad Request: message to delete not found")
        self.note(chat_id, "bot", "deleteMessage", message_id=message_id)
        return True

    async def _do_sendchataction(self, parameters: Json) -> bool:
        chat_id = self._chat(parameters)
        if parameters.get("action") not in CHAT_ACTIONS:
            raise Refused(400, "Bad Request: wrong parameter action in request")
        self.note(chat_id, "bot", "sendChatAction", action=parameters["action"])
        return True

    async def _do_answercallbackquery(self, parameters: Json) -> bool:
        query_id = str(parameters.get("callback_query_id"))
        chat_id, tapped_at = self._open_taps.get(query_id, (0, 0.0))
        if self.clock.now() - tapped_at > ANSWER_WITHIN_S:
            raise Refused(400, "Bad Request: query is too old and response timeout expired or query ID is invalid")
        said = parameters.get("text")
        if said is not None and len(str(said)) > 200:
            raise Refused(400, "Bad Request: MESSAGE_TOO_LONG")
        del self._open_taps[query_id]
        self.note(chat_id, "bot", "answerCallbackQuery", **({} if said is None else {"text": said}))
        return True

    async def _do_setmycommands(self, parameters: Json) -> bool:
        commands = check_commands(parsed(parameters, "commands"))
        self._scopes[self._scope(parameters)] = commands
        self.commands = commands
        return True

    async def _do_getmycommands(self, parameters: Json) -> list[Json]:
        return self._scopes.get(self._scope(parameters), [])

    async def _do_deletemycommands(self, parameters: Json) -> bool:
        self._scopes.pop(self._scope(parameters), None)
        return True

    async def _do_setchatmenubutton(self, parameters: Json) -> bool:
        button = parsed(parameters, "menu_button") or {"type": "default"}
        if not isinstance(button, dict) or button.get("type") not in ("default", "commands", "web_app"):
            raise Refused(400, "Bad Request: MenuButton has unsupported type")
        if button["type"] == "web_app":
            if not button.get("text"):
                raise Refused(400, "Bad Request: menu button text must be non-empty")
            check_web_app(button.get("web_app"), "menu button")
        chat_id = self._chat(parameters) if parameters.get("chat_id") else 0
        if chat_id < 0:
            raise Refused(400, "Bad Request: chat must be private")
        self.menu_buttons[chat_id] = button
        return True

    async def _do_getchatmenubutton(self, parameters: Json) -> Json:
        return self.menu_button(self._chat(parameters) if parameters.get("chat_id") else 0)

    async def _do_leavechat(self, parameters: Json) -> bool:
        self._chats.discard(str(self._chat(parameters)))
        return True

    # --- bookkeeping

    def _scope(self, parameters: Json) -> tuple[str, str, str]:
        """Return (kind, chat, language) for which commands are kept."""
        scope = parsed(parameters, "scope") or {"type": "default"}
        language = str(parameters.get("language_code") or "")
        if language and not (len(language) == 2 and language.isalpha() and language.islower()):
            raise Refused(400, "Bad Request: invalid language code specified")
        kind = str(scope.get("type"))
        if kind in ("default", "all_private_chats", "all_group_chats", "all_chat_administrators"):
            return kind, "", language
        if kind not in ("chat", "chat_administrators", "chat_member"):
            raise Refused(400, "Bad Request: can't parse BotCommandScope: unsupported scope type")
        chat = str(self._chat(scope))
        return kind, chat if kind != "chat_member" else f"{chat}/{scope.get('user_id')}", language

    def _sent_by_bot(self, chat_id: int, parameters: Json, content: Json) -> Json:
        reply = parsed(parameters, "reply_parameters") or {}
        if reply and (chat_id, int(reply.get("message_id") or 0)) not in self._messages:
            if not reply.get("allow_sending_without_reply"):
                raise Refused(400, "Bad Request: message to be replied not found")
            reply = {}
        if reply:
            replied = self._messages[chat_id, int(reply["message_id"])]
            content = content | {"reply_to_message": {k: v for k, v in replied.items() if k != "reply_to_message"}}
        return self._new_message(chat_id, sender=BOT, **content)

    def _editable(self, parameters: Json) -> Json:
        chat_id = self._chat(parameters)
        message = self._messages.get((chat_id, _number(parameters, "message_id")))
        if message is None:
            raise Refused(400, "Bad Request: message to edit not found")
        if message["from"] != BOT:
            raise Refused(400, "Bad Request: message can't be edited")
        return message

    def _edit(self, message: Json, method: str, keys: Iterable[str], shown: Json) -> Json:
        if all(message.get(key) == shown.get(key) for key in keys):
            raise Refused(400, _NOT_MODIFIED)
        for key in keys:
            message.pop(key, None)
        message.update(shown, edit_date=int(self.clock.now()))
        self.note(message["chat"]["id"], "bot", method, message_id=message["message_id"], **shown)
        return message

    def _send_file(self, parameters: Json, kind: str) -> Json:
        chat_id = self._chat(parameters)
        value = parameters.get(kind)
        if isinstance(value, str) and value.startswith("attach://"):
            value = parameters.get(value.removeprefix("attach://"))
        if isinstance(value, FileField):
            content, name, mime = value.file.read(), value.filename, value.content_type
        elif isinstance(value, str) and value in self._files:
            content, name, mime = self._files[value][0], value, "application/octet-stream"
        else:
            raise Refused(400, f"Bad Request: there is no {kind} in the request")
        if not content:
            raise Refused(400, "Bad Request: file must be non-empty")
        if len(content) > LARGEST_FILE_SENT_BYTES:
            raise Refused(413, "Request Entity Too Large")
        shown = drawn_caption(parameters, is_private=chat_id > 0)
        if kind == "photo":
            size = picture_size(content)
            file: Any = [self._keep_file(content) | {"width": size[0], "height": size[1]}]
            file_id = file[0]["file_id"]
        else:
            file = self._keep_file(content) | {"file_name": name, "mime_type": mime}
            file_id = file["file_id"]
        message = self._sent_by_bot(chat_id, parameters, {kind: file} | shown)
        digest = hashlib.sha256(content).hexdigest()
        method = "sendPhoto" if kind == "photo" else "sendDocument"
        about = {"name": name, "size": len(content), "sha256": digest, "file_id": file_id}
        self.note(chat_id, "bot", method, message_id=message["message_id"], **about, **shown)
        return message


def _refusal(fault: Fault) -> Refused:
    """Return what a fault says."""
    further = dict(fault.parameters)
    if fault.retry_after_s is not None:
        further["retry_after"] = fault.retry_after_s
    usual = _SAID.get(fault.code, "Internal Server Error")
    if fault.code == 429:
        usual = f"Too Many Requests: retry after {further.get('retry_after', 1)}"
    return Refused(fault.code, fault.description or usual, **further)


def _number(parameters: Json, name: str) -> int:
    value = str(parameters.get(name) or "")
    if not value.lstrip("-").isdigit():
        raise Refused(400, f"Bad Request: {name} is not specified")
    return int(value)


def _shown(value: Any) -> Any:
    """Return a parameter as it is kept for a judge: of a file, only how it is called."""
    return {"file": value.filename} if isinstance(value, FileField) else value


async def _parameters(request: web.Request) -> Json:
    if request.content_type != "application/json":
        return {**request.query, **await request.post()}
    try:
        body = json.loads(await request.read() or b"{}")
    except ValueError as error:
        raise Refused(400, "Bad Request: can't parse JSON object") from error
    if not isinstance(body, dict):
        raise Refused(400, "Bad Request: object expected")
    return {**request.query, **body}


if __name__ == "__main__":
    run(
        "A server that speaks Telegram's Bot API, for tests.",
        lambda arguments: TelegramServer(arguments.token),
        token=TOKEN,
    )
