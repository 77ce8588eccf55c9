"""python-telegram-bot to our words, and back: the one file that knows the library.

What goes wrong comes out as DeliveryError where something was being said, and as ConnectError elsewhere.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from telegram import (
    Bot,
    BotCommandScopeAllPrivateChats,
    BotCommandScopeChat,
    ChatMemberUpdated,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputFile,
    LinkPreviewOptions,
    MenuButtonCommands,
    MenuButtonWebApp,
    Message,
    Update,
    WebAppInfo,
)
from telegram.constants import ChatAction, ChatMemberStatus, ChatType, MessageEntityType, ParseMode
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Conflict,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TelegramError,
)
from telegram.error import TimedOut as MaybeDelivered
from telegram.request import BaseRequest, RequestData

from bot.channels.base import ChatChanged, DeliveryError, FileLostError, FixedAnswer, Heard
from bot.channels.cutting import well_formed
from bot.channels.posting import MaybeSentError, NotSentError
from bot.channels.telegram_drawing import Drawn
from bot.channels.telegram_errors import ConnectError, RefusedError, UnreadableError
from bot.channels.telegram_http import HttpClient
from bot.channels.telegram_intake import LEFT_OUT, SENT, parsed, update_ids_in
from handlers import texts
from handlers.messages import IncomingMessage

TOKEN_SETTING = "TUSOI_TELEGRAM__TOKEN"
READ_TIMEOUT_S = 20  # generous: a send that times out may have arrived, and nobody can tell
# What only decorates must not keep anybody waiting.
_BRIEFLY: dict[str, Any] = {"read_timeout": 3, "connect_timeout": 3}
WEBHOOK_CONNECTIONS = 20
ALLOWED_UPDATES = [Update.MESSAGE, Update.EDITED_MESSAGE, Update.CALLBACK_QUERY, Update.MY_CHAT_MEMBER]
_GATEWAY_TIMEOUT = 504
_IN_CHAT = (ChatMemberStatus.MEMBER, ChatMemberStatus.ADMINISTRATOR, ChatMemberStatus.RESTRICTED)


# --- From Telegram: an update becomes a message ---------------------------------------------------------------


def understand(body: dict[str, Any], *, username: str, bot_id: int, now: datetime) -> Heard:
    """Return what an update says: a message, that a chat was closed or opened, or that a group speaks to us.

    Args:
        username: the bot's.
    Raises:
        ValueError, KeyError, TypeError or whatever the library raises: it is no update.
    """
    if LEFT_OUT in body or not isinstance(body.get("update_id"), int):
        raise ValueError("left out when it came, or without a number")
    if body.keys().isdisjoint(ALLOWED_UPDATES):
        # Never asked for, or not known yet: not even read.
        return None
    update = Update.de_json(body, None)
    chat, message = update.effective_chat, update.message
    if chat is not None and not isinstance(chat.id, int):
        raise ValueError("ids are numbers")
    if update.my_chat_member is not None:
        return _membership(update.my_chat_member)
    if chat is None or chat.type == ChatType.PRIVATE:
        return to_message(update, now=now)
    is_for_us = message is not None and is_addressed(message, username, bot_id)
    return FixedAnswer(str(chat.id), texts.PLEASE_WRITE_PRIVATELY) if is_for_us else None


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
        chat_id, button_id = str(query.message.chat.id), _words(query.data)
        return IncomingMessage("telegram", chat_id, external_id, "", now.astimezone(UTC), button_id=button_id)
    if message is None:
        return None
    # In a private chat every command is ours, whatever bot its suffix names.
    text = re.sub(r"^(/\w+)@\w+", r"\1", _words(message.text) or _words(message.caption))
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
    for kind in SENT:
        # What is newer than the library stands apart, as it came.
        sent = getattr(message, kind, None) or message.api_kwargs.get(kind)
        if sent:
            return "photo.jpg" if kind == "photo" else _words(getattr(sent, "file_name", None)) or kind
    return None


def _file_ref(message: Message) -> str | None:
    """Return by which the file of a message is fetched; of a photo, its largest copy; None for what is no file."""
    file = message.photo[-1] if message.photo else message.document
    return _words(file.file_id) if file is not None else None


def _words(text: str | None) -> str:
    """Return what somebody wrote, as it can be kept; the library does not look whether it is text at all."""
    if text is not None and not isinstance(text, str):
        raise ValueError("what people write is text")
    return well_formed(text or "").replace("\0", "\ufffd")


def is_addressed(message: Message, username: str, bot_id: int | None = None) -> bool:
    """Return whether a message in a group speaks to the bot of that name: a mention, a command, or a reply to it."""
    answered = message.reply_to_message.from_user if message.reply_to_message else None
    if answered is not None and answered.id == bot_id:
        return True
    kinds: list[str | None] = [MessageEntityType.MENTION, MessageEntityType.BOT_COMMAND]
    said = message.parse_entities(kinds) if message.text else message.parse_caption_entities(kinds)
    for part in said.values():
        command, _, name = part.partition("@")
        if name.lower() == username.lower() or (command and not name):
            return True
    return False


def _membership(changed: ChatMemberUpdated) -> Heard:
    """Return what it means that our place in a chat has changed."""
    chat_id, is_in = str(changed.chat.id), changed.new_chat_member.status in _IN_CHAT
    if changed.chat.type == ChatType.PRIVATE:
        return ChatChanged(chat_id, is_in)
    # What is said in a channel, all its readers read.
    is_group = changed.chat.type in (ChatType.GROUP, ChatType.SUPERGROUP)
    is_added = is_group and is_in and changed.old_chat_member.status not in _IN_CHAT
    return FixedAnswer(chat_id, texts.PLEASE_WRITE_PRIVATELY) if is_added else None


# --- Requests -------------------------------------------------------------------------------------------------


class _Unreadable(MaybeDelivered):
    """Telegram answered, and nobody can read it."""

    def __init__(self, payload: bytes) -> None:
        super().__init__("unreadable answer")
        self.update_ids = update_ids_in(payload)


class _Requests(BaseRequest):
    """The library's requests, over a client that takes a third of the time that the library's own takes.

    What surely did not arrive is a NetworkError; only what may have arrived is MaybeDelivered.
    """

    def __init__(self, read_timeout_s: float) -> None:
        self._client = HttpClient(read_timeout_s=read_timeout_s)

    @property
    def read_timeout(self) -> float:
        """For how long an answer may keep silent."""
        return self._client.read_timeout_s

    async def initialize(self) -> None:
        """Be ready to send."""
        await self._client.open()

    async def shutdown(self) -> None:
        """Close all connections."""
        await self._client.close()

    async def do_request(
        self,
        url: str,
        method: str,
        request_data: RequestData | None = None,
        read_timeout: object = BaseRequest.DEFAULT_NONE,
        write_timeout: object = BaseRequest.DEFAULT_NONE,  # noqa: ARG002
        connect_timeout: object = BaseRequest.DEFAULT_NONE,
        pool_timeout: object = BaseRequest.DEFAULT_NONE,  # noqa: ARG002
    ) -> tuple[int, bytes]:
        """Return the status and the body of the answer.

        Raises:
            NetworkError: the request did not arrive.
            MaybeDelivered: it may have.
        """
        try:
            status, payload = await self._client.send(
                method,
                url,
                request_data.json_parameters if request_data else {},
                _files(request_data) if request_data else {},
                agent=self.USER_AGENT,
                read_timeout_s=_seconds(read_timeout),
                connect_timeout_s=_seconds(connect_timeout),
            )
        except NotSentError as error:
            raise NetworkError(str(error)) from error
        except MaybeSentError as error:
            raise MaybeDelivered(str(error)) from error
        if status == _GATEWAY_TIMEOUT:
            raise MaybeDelivered("gateway timeout")
        # The library quotes in its errors what it cannot read: a page of a proxy, and the address on it.
        return (status, payload) if status < 300 or _is_refusal(payload) else (status, b"{}")

    @staticmethod
    def parse_json_payload(payload: bytes) -> dict[str, Any]:
        """Return what Telegram answered; the library's own way would log all of what it cannot read."""
        try:
            answer = parsed(payload)
        except ValueError:
            raise _Unreadable(payload) from None
        if not isinstance(answer, dict) or answer.keys().isdisjoint(("result", "description")):
            raise _Unreadable(payload)
        return answer


def _is_refusal(payload: bytes) -> bool:
    try:
        answer = parsed(payload)
    except ValueError:
        return False
    return isinstance(answer, dict) and isinstance(answer.get("description"), str)


def _files(request_data: RequestData) -> dict[str, tuple[str, bytes, str]]:
    return {
        name: (file_name, content if isinstance(content, bytes) else content.read(), media_type)
        for name, (file_name, content, media_type) in request_data.multipart_data.items()
    }


def _seconds(timeout: object) -> float | None:
    return float(timeout) if isinstance(timeout, (int, float)) else None


class _RawBot(Bot):
    """The library's bot, that can also leave answers as they came.

    An update that the library cannot read must not hold up the others, and a message that has arrived has arrived,
    whatever Telegram answers beside its id; nor is time lost on objects that nobody looks at.
    """

    async def raw(self, method: str, parameters: dict[str, Any], *, read_timeout_s: float | None = None) -> Any:
        timeout: Any = BaseRequest.DEFAULT_NONE if read_timeout_s is None else read_timeout_s
        return await self._post(method, parameters, read_timeout=timeout)

    async def sent(self, method: str, parameters: dict[str, Any]) -> str:
        """Send something; return its id."""
        message = await self.raw(method, parameters)
        if not isinstance(message, dict) or "message_id" not in message:
            raise MaybeDelivered("no message in the answer")
        return str(message["message_id"])


class Api:
    """What Telegram does for a bot, as far as we need it; `username` is the bot's, "" until it is connected."""

    def __init__(self, token: str, base_url: str, base_file_url: str) -> None:
        """Take the token, which has the form of one, and where Telegram is."""
        self.bot_id = int(token.partition(":")[0])
        self.username = ""
        requests = _Requests(READ_TIMEOUT_S), _Requests(READ_TIMEOUT_S)
        self._bot = _RawBot(
            token, base_url=base_url, base_file_url=base_file_url, request=requests[0], get_updates_request=requests[1]
        )

    async def open(self, webhook: str | None, secret: str) -> None:
        """Check the token and say how updates come to us; what waits at Telegram stays there.

        Args:
            webhook: where Telegram posts them, proving itself with the secret; None where they are fetched.
        Raises:
            ConnectError: it was not done, and may be tried again unless is_final.
        """
        with _connecting():
            await self._bot.initialize()
            self.username = self._bot.username
            if webhook is None:
                await self._bot.delete_webhook(drop_pending_updates=False)
            else:
                await self._bot.set_webhook(
                    webhook,
                    secret_token=secret,
                    allowed_updates=ALLOWED_UPDATES,
                    max_connections=WEBHOOK_CONNECTIONS,
                    drop_pending_updates=False,
                )

    async def close(self) -> None:
        """Close all connections; the webhook stays."""
        await self._bot.shutdown()

    async def updates(self, *, offset: int | None, limit: int, timeout_s: int) -> list[Any]:
        """Return what updates there are from an id on, as Telegram gave them; wait for some.

        Raises:
            ConnectError: they could not be had.
        """
        parameters = {"offset": offset, "limit": limit, "timeout": timeout_s, "allowed_updates": ALLOWED_UPDATES}
        with _connecting():
            updates = await self._bot.raw("getUpdates", parameters, read_timeout_s=READ_TIMEOUT_S + timeout_s)
        if not isinstance(updates, list):
            raise UnreadableError(())
        return updates

    async def show_commands(
        self, commands: Sequence[tuple[str, str]], *, chat_id: str | None = None, language: str | None = None
    ) -> None:
        """Show commands in a chat, or in every private one that has none of its own.

        Raises:
            ConnectError: they are not shown.
        """
        scope = BotCommandScopeChat(int(chat_id)) if chat_id is not None else BotCommandScopeAllPrivateChats()
        with _connecting():
            await self._bot.set_my_commands(commands, scope=scope, language_code=language)

    async def hide_commands(self, chat_id: str | None = None) -> None:
        """Take back a chat's own commands, or those that every kind of chat would see.

        Raises:
            ConnectError: they are still there.
        """
        with _connecting():
            await self._bot.delete_my_commands(scope=BotCommandScopeChat(int(chat_id)) if chat_id is not None else None)

    async def show_page(self, label: str, address: str | None) -> None:
        """Put a page beside the field for writing in every private chat; without an address, the commands.

        Raises:
            ConnectError: it was not done.
        """
        button = MenuButtonWebApp(label, WebAppInfo(address)) if address is not None else MenuButtonCommands()
        with _connecting():
            await self._bot.set_chat_menu_button(menu_button=button)

    async def answer_tap(self, query_id: str) -> None:
        """Take the waiting mark off a pressed button.

        Raises:
            ConnectError: it is still there, or nobody waits any more.
        """
        with _connecting():
            await self._bot.answer_callback_query(query_id, **_BRIEFLY)

    async def show_typing(self, chat_id: str) -> None:
        """Show for some seconds that we write.

        Raises:
            ConnectError: it is not shown.
        """
        with _connecting():
            await self._bot.send_chat_action(chat_id, ChatAction.TYPING, **_BRIEFLY)

    async def send(self, chat_id: str, drawn: Drawn, *, as_html: bool) -> str:
        """Send a text with its buttons; return its id.

        Raises:
            DeliveryError: it did not arrive, or may not have.
        """
        with _delivering():
            return await self._bot.sent("sendMessage", {"chat_id": chat_id, **_shown(drawn, as_html=as_html)})

    async def replace(self, chat_id: str, message_id: str, drawn: Drawn, *, as_html: bool) -> str:
        """Put a text with its buttons in the place of another; return its id, which stays.

        Raises:
            DeliveryError: it was not done, or may not have been.
        """
        with _delivering():
            where = {"chat_id": chat_id, "message_id": message_id}
            await self._bot.raw("editMessageText", where | _shown(drawn, as_html=as_html))
        return message_id

    async def send_file(self, chat_id: str, name: str, content: bytes, *, as_photo: bool) -> str:
        """Send a file, or a picture that is seen at once; return its id.

        Raises:
            DeliveryError: it did not arrive, or may not have.
        """
        method, field = ("sendPhoto", "photo") if as_photo else ("sendDocument", "document")
        with _delivering():
            return await self._bot.sent(method, {"chat_id": chat_id, field: InputFile(content, filename=name)})

    async def file(self, file_ref: str) -> bytes:
        """Return a file that was sent to us, of at most 20 MB.

        Raises:
            FileLostError: Telegram does not hand it out.
        """
        try:
            file = await self._bot.get_file(file_ref)
            return bytes(await file.download_as_bytearray())
        except BadRequest as error:
            raise FileLostError(too_large="too big" in error.message.lower()) from error
        except TelegramError as error:
            raise FileLostError from error


def _shown(drawn: Drawn, *, as_html: bool) -> dict[str, Any]:
    rows = [[InlineKeyboardButton(label, callback_data=data)] for label, data in drawn.buttons]
    rows += [[InlineKeyboardButton(label, web_app=WebAppInfo(address))] for label, address in drawn.pages]
    return {
        "text": drawn.html if as_html else drawn.plain,
        "parse_mode": ParseMode.HTML if as_html else None,
        "reply_markup": InlineKeyboardMarkup(rows) if rows else None,
        "link_preview_options": LinkPreviewOptions(is_disabled=True),
    }


@contextmanager
def _delivering() -> Iterator[None]:
    """Let what goes wrong say what it means for the message that was being sent."""
    try:
        yield
    except ChatMigrated as error:
        raise DeliveryError("the chat has moved", permanent=True, moved_to=str(error.new_chat_id)) from error
    except Forbidden as error:
        raise DeliveryError("the chat is closed to us", permanent=True, is_closed=True) from error
    except RetryAfter as error:
        raise DeliveryError("telegram asked to wait", permanent=False, retry_after_s=_retry_after_s(error)) from error
    except MaybeDelivered as error:
        raise DeliveryError("timed out", permanent=False, maybe_delivered=True) from error
    except BadRequest as error:
        # The library capitalises the first letter of what Telegram says.
        raise RefusedError(error.message.lower()) from error
    except TelegramError as error:
        raise DeliveryError(f"telegram cannot be reached: {_name(error)}", permanent=False) from error


@contextmanager
def _connecting() -> Iterator[None]:
    """Let what goes wrong be said in one line; without its cause, which may quote the token."""
    try:
        yield
    except _Unreadable as error:
        raise UnreadableError(error.update_ids) from None
    except (InvalidToken, Forbidden):
        raise ConnectError(
            f"{TOKEN_SETTING} was refused by Telegram: copy the token again from @BotFather and restart", is_final=True
        ) from None
    except Conflict:
        raise ConnectError("another program polls with the same token: stop it; trying again until then") from None
    except BadRequest as error:
        raise ConnectError(f"Telegram refuses: {error.message.lower()[:120]}") from None
    except TelegramError as error:
        wait_s = _retry_after_s(error)
        raise ConnectError(
            f"Telegram cannot be reached ({_name(error)}); trying again until it can", retry_after_s=wait_s
        ) from None


def _name(error: TelegramError) -> str:
    cause = error.__cause__
    return str(cause) if isinstance(cause, (NotSentError, MaybeSentError)) else type(cause or error).__name__


def _retry_after_s(error: TelegramError) -> float:
    if not isinstance(error, RetryAfter):
        return 0.0
    wait = error.retry_after
    return wait.total_seconds() if isinstance(wait, timedelta) else float(wait)
