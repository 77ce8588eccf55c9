"""Sends the parts of messages: those of a chat in order, and when it closes, what is on its way still arrives."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from weakref import WeakValueDictionary

from bot.channels.base import DeliveryError
from bot.channels.numbered import Part
from bot.channels.posting import NotSentError, SendError
from bot.pace import Pace

# Longer than any answer is waited for.
CLOSE_TIMEOUT_S = 25.0
# To a platform whose pace is not published; there are more connections, and some are needed for other calls.
SENT_AT_ONCE = 8


class Outgoing:
    """Sends to one platform."""

    def __init__(
        self,
        pace: Pace,
        send: Callable[[str, Part], Awaitable[str | None]],
        explain: Callable[[SendError, int], DeliveryError],
    ) -> None:
        """Take how to send.

        Args:
            pace: what broadcasts keep; replies are noted there, and a platform that asks to wait halts them.
            send: sends a part to a chat; returns the platform's id of it.
            explain: says what an error means, given how many parts had arrived before.
        """
        self._pace = pace
        self._send = send
        self._explain = explain
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._under_way = 0
        self._is_idle = asyncio.Event()
        self._is_idle.set()
        self._is_closing = False

    async def send(self, chat_id: str, parts: Sequence[Part], *, is_reply: bool) -> str | None:
        """Send parts to a chat; return the platform's id of the last one.

        Args:
            is_reply: somebody waits for it: broadcasts yield.
        Raises:
            DeliveryError: they did not all arrive, or may not have.
        """
        shown_as: str | None = None
        trouble: SendError | None = None
        sent = 0
        async with self._locks.setdefault(chat_id, asyncio.Lock()):
            for part in parts:
                if is_reply or sent:
                    # What has begun to arrive goes on as a reply does.
                    self._pace.reply(chat_id, time.monotonic())
                try:
                    shown_as = await self._send_part(chat_id, part)
                except SendError as error:
                    trouble = error
                    break
                sent += 1
        if trouble is not None:
            refused = self._explain(trouble, sent)
            if refused.retry_after_s is not None:
                now = time.monotonic()
                self._pace.halt(now + refused.retry_after_s, chat_id, now)
            raise refused
        return shown_as

    async def close(self) -> None:
        """Send nothing more; return when what is on its way was answered."""
        self._is_closing = True
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._is_idle.wait()
        except TimeoutError:
            return

    async def _send_part(self, chat_id: str, part: Part) -> str | None:
        if self._is_closing:
            raise NotSentError("closing")
        self._under_way += 1
        self._is_idle.clear()
        try:
            return await self._send(chat_id, part)
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._is_idle.set()
