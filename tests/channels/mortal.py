"""A program that ends at a step of its work as after kill -9: nothing it was about to do is done any more."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine

from bot.channels import telegram_api
from bot.channels.telegram import Telegram
from bot.channels.telegram_http import HttpClient
from bot.gateway import Handler
from handlers.messages import IncomingMessage, Reply
from storage.store import Conversation, Store, Transaction
from storage.vault import Vault
from tests.channels.program import Clock, Program
from tests.servers.telegram import TelegramServer

# From an update at our door to the note that its answer has arrived.
STEPS = (
    *("before put", "uncommitted put", "after put"),
    *("before understand", "after understand"),
    *("before answer", "before handler", "after handler", "uncommitted answer", "after answer"),
    *("before begin", "uncommitted begin", "after begin"),
    *("before request", "after request"),
    *("before note", "uncommitted note", "after note"),
)
# Between these nobody can tell whether an answer has arrived.
IN_FLIGHT = ("after begin", "before request", "after request", "before note", "uncommitted note")


class Killed(BaseException):
    """The program is no more; nothing of ours catches this."""


class Life:
    """The life of a program, which ends at a step.

    Attributes:
        is_over: whatever it does now comes to nothing.
    """

    def __init__(self, ends_at: str | None = None, *, after: int = 0, end: Callable[[], None] | None = None) -> None:
        """Take the step at which it ends; so many times it goes on there.

        Args:
            end: ends this process; without, the program is only told that it is no more.
        """
        self.is_over = False
        self._ends_at, self._left, self._end = ends_at, after, end
        self._lock = threading.Lock()
        self._within = threading.local()

    def reach(self, step: str) -> None:
        """Go on, or not.

        Raises:
            Killed: not.
        """
        with self._lock:
            if step == self._ends_at and not self.is_over:
                self._left -= 1
                self.is_over = self._left < 0
                if self.is_over and self._end is not None:
                    self._end()
            if self.is_over:
                raise Killed

    def ends_at(self, step: str) -> None:
        """Let it end at a step, the next time."""
        with self._lock:
            self._ends_at, self._left = step, 0

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Do something that may end before, after, or before its transaction is committed."""
        self.reach(f"before {name}")
        self._within.name = name
        try:
            yield
        finally:
            self._within.name = ""
        self.reach(f"after {name}")

    def commit(self) -> None:
        """Stand before a commit."""
        self.reach(f"uncommitted {getattr(self._within, 'name', '')}")


class MortalStore(Store):
    """A store that opens and commits nothing for the dead."""

    def __init__(self, engine: Engine, vault: Vault, life: Life) -> None:
        super().__init__(engine, vault)
        self._life = life

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        self._life.reach("transaction")
        with super().transaction() as transaction:
            yield transaction
            self._life.commit()


class MortalHttp(HttpClient):
    """Sends nothing for the dead, and hears nothing for them."""

    def __init__(self, life: Life, *, read_timeout_s: float) -> None:
        super().__init__(read_timeout_s=read_timeout_s)
        self._life = life

    async def send(self, method: str, url: str, *given: Any, **named: Any) -> tuple[int, bytes]:
        """Return the status and the body of the answer."""
        is_answer = url.endswith("/sendMessage")
        self._life.reach("before request" if is_answer else "request")
        answered = await super().send(method, url, *given, **named)
        self._life.reach("after request" if is_answer else "request")
        return answered


class MortalProgram(Program):
    """A program with a life."""

    def __init__(
        self,
        store: MortalStore,
        handler: Handler,
        life: Life,
        telegram: TelegramServer,
        clock: Clock,
        *,
        polls: bool = False,
    ) -> None:
        def handle(message: IncomingMessage, conversation: Conversation, transaction: Transaction) -> list[Reply]:
            life.reach("before handler")
            replies = handler(message, conversation, transaction)
            life.reach("after handler")
            return replies

        super().__init__(store, handle, telegram=telegram, polls=polls, clock=clock)
        self.life = life
        self._around(self.intake, "_put", "put")
        self._around(self.gateway, "receive_kept", "answer")
        self._around(self.messengers["telegram"], "understand", "understand")
        # What has landed is noted in the same commit that begins the next.
        self._around(self.sender, "_commit", lambda: "note" if self.sender._landed else "begin")

    async def start(self) -> None:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(telegram_api, "HttpClient", lambda **given: MortalHttp(self.life, **given))
            await super().start()

    def end(self) -> None:
        """Let it be over, wherever it is in its work."""
        self.life.is_over = True

    async def bury(self) -> None:
        """Take away what a killed program would not have left: open ports and tasks."""
        assert self.life.is_over
        if self.webhooks is not None:
            serving = self.webhooks._server
            assert serving._server is not None
            serving._server.force_exit = True
            await self.webhooks.stop()
        # Requests that nobody will ever answer go with their connections.
        unanswered = [task for task in asyncio.all_tasks() if "RequestResponseCycle" in repr(task.get_coro())]
        keeping = [self.intake._keeping] if self.intake._keeping is not None else []
        for task in (*self._tasks, *unanswered):
            task.cancel()
        await asyncio.gather(*self._tasks, *unanswered, *keeping, return_exceptions=True)
        telegram = self.messengers["telegram"]
        assert isinstance(telegram, Telegram)
        # The dead confirm nothing.
        telegram._offset = None
        await telegram.stop()
        self._executor.shutdown()
        self.seen.close()

    def _around(self, owner: object, name: str, label: str | Callable[..., str]) -> None:
        act = getattr(owner, name)

        def lived(*given: Any, **named: Any) -> Any:
            with self.life.step(label if isinstance(label, str) else label(*given)):
                return act(*given, **named)

        setattr(owner, name, lived)
