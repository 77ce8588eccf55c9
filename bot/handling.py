"""Where messages are handled: in threads of this program, or in processes beside it, which use further cores.

A process holds the documents a second time. It looks for other documents once a second, ignores the interrupt that ends
the program from a terminal, and ends with the program, however that ends.
"""

import asyncio
import contextlib
import itertools
import logging
import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from datetime import datetime
from multiprocessing.connection import Connection
from typing import Any

from bot.config import Config
from bot.gateway import Gateway, HandlingFailedError
from handlers.messages import IncomingMessage
from storage.inbox import LeaseLostError
from storage.replies import QueuedReply
from storage.store import StoredMessage

log = logging.getLogger(__name__)
_LOOKS_EVERY_S = 1.0
# While one waits for the database, another looks in the documents.
_THREADS = 4
_STARTS_WITHIN_S = 300.0

# What is to be sent, and what to say beside it; see Gateway.receive_kept.
Handled = tuple[list[tuple[QueuedReply, StoredMessage]], str | None]
# Takes a message, the id of the update that held it, the worker that holds the update, and the time.
Handle = Callable[[IncomingMessage, int, str, datetime], Awaitable[Handled]]
# What a process gives back: what was handled, or None where the update was taken over, or what failed and where.
_Outcome = Handled | None | tuple[str, str]
# What it gives back first, when it is ready; and what stands for one that is no more.
_READY, _GONE = -1, ("process died", "")


def in_threads(gateway: Gateway, executor: Executor) -> Handle:
    """Return a way to handle messages in threads of this program."""

    async def handle(message: IncomingMessage, update_id: int, worker: str, now: datetime) -> Handled:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(executor, gateway.receive_kept, message, update_id, worker, now)

    return handle


class HandlerProcesses:
    """Handles messages in processes of their own; one that dies is replaced, and what it was at is tried again."""

    def __init__(self, config: Config, count: int) -> None:
        self._config = config
        self._processes: list[_Process | None] = [None] * count
        self._turns = itertools.cycle(range(count))

    async def open(self) -> None:
        """Return when the processes are ready to handle messages.

        Raises:
            HandlingFailedError: one has died before it was ready.
        """
        for number in range(len(self._processes)):
            self._processes[number] = _Process(self._config)
        for process in self._processes:
            if process is not None:
                await process.ready()

    async def close(self) -> None:
        """End the processes once what they are at is done."""
        for process in self._processes:
            if process is not None:
                await asyncio.to_thread(process.end)

    async def handle(self, message: IncomingMessage, update_id: int, worker: str, now: datetime) -> Handled:
        """Handle a message.

        Raises:
            LeaseLostError: another worker has taken the update over.
            HandlingFailedError: the handler failed, or its process died; it may be tried again.
        """
        number = next(self._turns)
        process = self._processes[number]
        if process is None or not process.is_alive:
            log.error("a handling process has died; another is started")
            process = self._processes[number] = _Process(self._config)
        outcome = await process.ask(message, update_id, worker, now)
        match outcome:
            case None:
                raise LeaseLostError
            case [str(kind), str(where)]:
                raise HandlingFailedError(kind, where)
        return outcome


class _Process:
    """One process, and the questions it has not answered yet."""

    def __init__(self, config: Config) -> None:
        # Started afresh: a copy of this program would hold its locks and connections, too.
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, config, os.getpid()), daemon=True)
        self._process.start()
        # Only the process itself holds the other end now: when it dies, ours says so.
        theirs.close()
        self._loop = asyncio.get_running_loop()
        self._numbers = itertools.count()
        self._waiting: dict[int, asyncio.Future[_Outcome]] = {_READY: self._loop.create_future()}
        self._ready = self._waiting[_READY]
        self.is_alive = True
        threading.Thread(target=self._listen, daemon=True, name="handled").start()

    async def ready(self) -> None:
        async with asyncio.timeout(_STARTS_WITHIN_S):
            if await asyncio.shield(self._ready) == _GONE:
                raise HandlingFailedError(*_GONE)

    async def ask(self, *given: Any) -> _Outcome:
        number, answer = next(self._numbers), self._loop.create_future()
        self._waiting[number] = answer
        try:
            self._connection.send((number, given))
        except OSError:
            self._waiting.pop(number, None)
            return _GONE
        outcome: _Outcome = await answer
        return outcome

    def end(self) -> None:
        with contextlib.suppress(OSError):
            self._connection.send(None)
        self._process.join(_STARTS_WITHIN_S)
        self._process.close()

    def _listen(self) -> None:
        with contextlib.suppress(EOFError, OSError):
            while True:
                number, outcome = self._connection.recv()
                self._loop.call_soon_threadsafe(self._settle, number, outcome)
        # A loop that has ended waits for nothing.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._give_up)

    def _settle(self, number: int, outcome: _Outcome) -> None:
        answer = self._waiting.pop(number, None)
        if answer is not None and not answer.done():
            answer.set_result(outcome)

    def _give_up(self) -> None:
        self.is_alive = False
        for number in list(self._waiting):
            self._settle(number, _GONE)


# --- In the process -------------------------------------------------------------------------------------------


def _serve(connection: Connection, config: Config, parent: int) -> None:
    """Handle what is asked for until the program says that it ends, or ends without saying so."""
    from bot.app import build_gateway, build_live, open_store, set_up_logging
    from bot.floods import Floods

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    set_up_logging(config.log.level)
    live = build_live(config)
    gateway, sending = build_gateway(config, open_store(config), live, Floods()), threading.Lock()

    def look_around() -> None:
        while True:
            time.sleep(_LOOKS_EVERY_S)
            if os.getppid() != parent:
                # Nobody would hear what is handled here.
                os._exit(1)
            with contextlib.suppress(Exception):
                # The program itself says what is wrong with the documents.
                live.follow()

    def answer(number: int, given: tuple[IncomingMessage, int, str, datetime]) -> None:
        outcome = _receive(gateway, *given)
        with sending:
            connection.send((number, outcome))

    threading.Thread(target=look_around, daemon=True, name="look around").start()
    connection.send((_READY, None))
    with ThreadPoolExecutor(_THREADS) as threads, contextlib.suppress(EOFError):
        while (asked := connection.recv()) is not None:
            threads.submit(answer, *asked)


def _receive(gateway: Gateway, message: IncomingMessage, update_id: int, worker: str, now: datetime) -> _Outcome:
    try:
        return gateway.receive_kept(message, update_id, worker, now)
    except LeaseLostError:
        return None
    except Exception as error:
        # Not every exception survives the way to another process; its words may hold what a person wrote.
        return type(error).__name__, "".join(traceback.format_tb(error.__traceback__))
