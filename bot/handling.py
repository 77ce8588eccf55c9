"""Where messages are handled: in threads of this program, or in processes beside it, which use further cores.

A process holds the documents a second time. It looks for other documents once a second, ignores the interrupt that ends
the program from a terminal, and ends with the program, however that ends.
"""

import asyncio
import contextlib
import logging
import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from datetime import datetime

from bot.config import Config
from bot.gateway import Gateway, HandlingFailedError
from handlers.messages import IncomingMessage
from storage.inbox import LeaseLostError
from storage.replies import QueuedReply
from storage.store import StoredMessage

log = logging.getLogger(__name__)
_LOOKS_EVERY_S = 1.0

# What is to be sent, and what to say beside it; see Gateway.receive_kept.
Handled = tuple[list[tuple[QueuedReply, StoredMessage]], str | None]
# Takes a message, the id of the update that held it, the worker that holds the update, and the time.
Handle = Callable[[IncomingMessage, int, str, datetime], Awaitable[Handled]]
# What a process gives back: what was handled, or None where the update was taken over, or what failed and where.
_Outcome = Handled | None | tuple[str, str]


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
        self._count = count
        self._pool: ProcessPoolExecutor | None = None

    async def open(self) -> None:
        """Return when the processes are ready to handle messages."""
        pool = self._renewed()
        loop = asyncio.get_running_loop()
        await asyncio.gather(*(loop.run_in_executor(pool, _be_ready) for _ in range(self._count)))

    async def close(self) -> None:
        """End the processes once what they are at is done."""
        if self._pool is not None:
            await asyncio.to_thread(self._pool.shutdown, cancel_futures=True)

    async def handle(self, message: IncomingMessage, update_id: int, worker: str, now: datetime) -> Handled:
        """Handle a message.

        Raises:
            LeaseLostError: another worker has taken the update over.
            HandlingFailedError: the handler failed, or its process died; it may be tried again.
        """
        pool = self._pool or self._renewed()
        loop = asyncio.get_running_loop()
        try:
            outcome = await loop.run_in_executor(pool, _receive, message, update_id, worker, now)
        except BrokenProcessPool as error:
            if self._pool is pool:
                log.error("a handling process has died; another is started")
                self._pool = None
            raise HandlingFailedError("process died", "") from error
        match outcome:
            case None:
                raise LeaseLostError
            case [str(kind), str(where)]:
                raise HandlingFailedError(kind, where)
        return outcome

    def _renewed(self) -> ProcessPoolExecutor:
        # Started afresh: a copy of this program would hold its locks and connections, too.
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(
            self._count, mp_context=context, initializer=_begin, initargs=(self._config, os.getpid())
        )
        return self._pool


# --- In the process -------------------------------------------------------------------------------------------

_gateway: Gateway | None = None


def _begin(config: Config, parent: int) -> None:
    global _gateway
    from bot.app import build_gateway, build_live, open_store, set_up_logging
    from bot.floods import Floods

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    set_up_logging(config.log.level)
    live = build_live(config)
    _gateway = build_gateway(config, open_store(config), live, Floods())

    def look_around() -> None:
        while True:
            time.sleep(_LOOKS_EVERY_S)
            if os.getppid() != parent:
                # Nobody would hear what is handled here.
                os._exit(1)
            with contextlib.suppress(Exception):
                # The program itself says what is wrong with the documents.
                live.follow()

    threading.Thread(target=look_around, daemon=True, name="look around").start()


def _be_ready() -> None:
    # So that each process takes one of these.
    time.sleep(0.2)


def _receive(message: IncomingMessage, update_id: int, worker: str, now: datetime) -> _Outcome:
    if _gateway is None:
        raise RuntimeError("_begin was not called")
    try:
        return _gateway.receive_kept(message, update_id, worker, now)
    except LeaseLostError:
        return None
    except Exception as error:
        # Not every exception survives the way to another process; its words may hold what a person wrote.
        return type(error).__name__, "".join(traceback.format_tb(error.__traceback__))
