"""A platform in memory: what it was sent stands in a list, and it can be told to refuse."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from starlette.routing import Route

from bot.channels.base import ChatChanged, DeliveryError, FileLostError, FixedAnswer, Heard, RawUpdate
from handlers.messages import IncomingMessage
from storage.store import StoredMessage


def a_text(external_id: str, chat_id: str, text: str) -> RawUpdate:
    return RawUpdate(external_id, chat_id, {"id": external_id, "chat": chat_id, "text": text})


def a_tap(external_id: str, chat_id: str, button_id: str) -> RawUpdate:
    return RawUpdate(external_id, chat_id, {"id": external_id, "chat": chat_id, "tap": button_id})


class Pretend:
    """Sends into `sent`: (chat, text, id of the message that was changed or None).

    Attributes:
        refuse: called before each send with chat and text; returns what to raise, or None.
        acknowledged: ids of the updates, in order.
    """

    name = "telegram"
    at_once = 8

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, str | None]] = []
        self.said: list[tuple[str, str]] = []
        self.acknowledged: list[str] = []
        self.working: list[str] = []
        self.refuse: Callable[[str, str], DeliveryError | None] = lambda _chat, _text: None
        self.parts: list[int] = []
        self.takes_s = 0.0
        self.buttons: defaultdict[str, list[str]] = defaultdict(list)

    def texts(self, chat_id: str) -> list[str]:
        return [text for chat, text, _ in self.sent if chat == chat_id]

    def routes(self) -> Sequence[Route]:
        return ()

    def understand(self, body: dict[str, Any], *, now: datetime) -> Heard:
        match body:
            case {"id": str(name), "chat": str(chat), "text": str(text)}:
                return IncomingMessage(self.name, chat, name, text, now)
            case {"id": str(name), "chat": str(chat), "tap": str(button)}:
                return IncomingMessage(self.name, chat, name, "", now, button_id=button)
            case {"chat": str(chat), "fixed": str(text)}:
                return FixedAnswer(chat, text)
            case {"chat": str(chat), "open": bool(is_open)}:
                return ChatChanged(chat, is_open)
            case {"nothing": True}:
                return None
        raise ValueError("no update of ours")

    async def acknowledge(self, body: dict[str, Any]) -> None:
        self.acknowledged.append(str(body.get("id")))

    async def show_working(self, chat_id: str) -> None:
        self.working.append(chat_id)

    async def answered(self, chat_id: str) -> None:
        pass

    async def say(self, chat_id: str, text: str) -> None:
        self.said.append((chat_id, text))

    async def deliver(
        self,
        chat_id: str,
        message: StoredMessage,
        *,
        part: int = 0,
        is_reply: bool = False,
        replaces: str | None = None,
    ) -> str | None:
        assert is_reply
        await asyncio.sleep(self.takes_s)
        error = self.refuse(chat_id, message.text)
        if error is not None:
            raise error
        shown_as = await self.show(message)
        self.sent.append((chat_id, message.text, replaces))
        self.parts.append(part)
        self.buttons[chat_id] = [button.id for button in message.buttons]
        return shown_as

    async def show(self, _message: StoredMessage) -> str | None:
        return str(1001 + len(self.sent))

    async def edit(self, chat_id: str, message: StoredMessage, shown_as: str | None) -> None:
        pass

    async def fetch(self, file_ref: str) -> bytes:
        raise FileLostError(too_large=file_ref == "large")

    async def start(self) -> None:
        pass

    async def wait(self) -> None:
        await asyncio.Event().wait()

    async def stop(self) -> None:
        pass
