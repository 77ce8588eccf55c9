"""Sends what we say on platforms: a chat in order, each reply once, in as few commits as there are.

A step begins the next replies of chats that are not being written to, the oldest first, in one commit that also notes
what has landed since the step before; then they go out side by side. While that commit lasts, what comes meanwhile
gathers for the next. Only as many are begun as a platform is sent at once, and a few that are ready when it has
answered: nobody could tell of a reply that was begun whether it arrived, were the program killed.
"""

import asyncio
import heapq
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from bot.channels.base import DeliveryError, Messenger
from storage.replies import QueuedReply
from storage.store import Store, StoredMessage

log = logging.getLogger(__name__)
# What a worker that stopped had held is free again after storage.replies.LEASE.
LOOK_EVERY_S = 2.0
RETRY_AFTER_S, RETRY_GROWS, LONGEST_RETRY_S = 1.0, 3.0, 300.0
# A reply that could not be delivered for so long is given up: nobody waits for it any more.
GIVE_UP_AFTER = timedelta(hours=24)
LAST_SENDS_S = 15.0
_DRAINS_EVERY_S = 0.01
# Begun beyond what a platform is sent at once, so that it does not idle until the next commit.
SPARE = 4

_Chat = tuple[str, str]
_T = TypeVar("_T")


@dataclass(slots=True)
class _Waiting:
    """A reply that is to be sent; not before a moment of the monotonic clock."""

    queued: QueuedReply
    message: StoredMessage
    not_before: float = 0.0


@dataclass(frozen=True, slots=True)
class _Landed:
    """What became of a reply; no error where it arrived, is_over where it is not tried again."""

    waiting: _Waiting
    shown_as: str | None
    error: DeliveryError | None
    is_over: bool


@dataclass(slots=True)
class _Line:
    """The replies of one chat, in order; is_busy while one is begun."""

    replies: deque[_Waiting] = field(default_factory=deque)
    is_busy: bool = False


class ReplySender:
    """Holds replies from the moment they are kept until it is known what became of them."""

    def __init__(self, store: Store, messengers: Mapping[str, Messenger], worker: str, executor: Executor) -> None:
        """Take what sends on each channel.

        Args:
            worker: under this name replies are held in the database.
            executor: where the database is spoken to.
        """
        self._store = store
        self._messengers = dict(messengers)
        self._worker = worker
        self._executor = executor
        self._lines: dict[_Chat, _Line] = {}
        self._known: set[int] = set()
        self._landed: list[_Landed] = []
        self._flying: set[asyncio.Task[None]] = set()
        # What may go is looked at in a thread, too.
        self._lock = threading.Lock()
        self._changed = asyncio.Event()
        self._stopping = False
        self._look_at = 0.0

    def send(self, replies: Sequence[tuple[QueuedReply, StoredMessage]]) -> None:
        """Send replies that this worker holds, after those of their chats that came before."""
        with self._lock:
            for queued, message in replies:
                if queued.message_id not in self._known:
                    self._known.add(queued.message_id)
                    self._put(_Waiting(queued, message))
        self._changed.set()

    def _put(self, waiting: _Waiting) -> None:
        queued = waiting.queued
        line = self._lines.setdefault((queued.channel, queued.chat_id), _Line())
        line.replies.append(waiting)
        if len(line.replies) > 1 and line.replies[-2].queued.message_id > queued.message_id:
            # What was taken over came before what was answered meanwhile; what is in flight stays first.
            begun = [line.replies.popleft()] if line.is_busy else []
            in_order = sorted(line.replies, key=lambda each: each.queued.message_id)
            line.replies = deque([*begun, *in_order])

    def look_now(self) -> None:
        """Look at once for replies that nobody holds."""
        self._look_at = 0.0
        self._changed.set()

    async def drain(self) -> None:
        """Return when all that may go now has gone and is noted; what waits for a later moment stays."""
        while any(map(self._has_work, self._lines.values())):
            await asyncio.sleep(_DRAINS_EVERY_S)

    @staticmethod
    def _has_work(line: _Line) -> bool:
        return line.is_busy or bool(line.replies and line.replies[0].not_before <= time.monotonic())

    async def run(self) -> None:
        """Send for ever; when cancelled, what is in flight still arrives and is noted."""
        working = asyncio.create_task(self._keep_sending())
        try:
            await asyncio.shield(working)
        except asyncio.CancelledError:
            self._stopping = True
            self._changed.set()
            await asyncio.wait({working}, timeout=LAST_SENDS_S)
            working.cancel()
            raise

    async def _keep_sending(self) -> None:
        while not (self._stopping and not self._flying and not self._landed):
            self._changed.clear()
            try:
                if not self._stopping and time.monotonic() >= self._look_at:
                    self._look_at = time.monotonic() + LOOK_EVERY_S
                    self.send(await self._in_thread(self._look, datetime.now(UTC)))
                wait_s = await self._step()
            except Exception as error:
                # What has landed is noted with the next step; what was begun and is not known of shows as unknown.
                log.error("replies: %s", type(error).__name__, exc_info=log.isEnabledFor(logging.DEBUG))
                wait_s = LOOK_EVERY_S
            wait_s = min(wait_s, max(0.0, self._look_at - time.monotonic()))
            try:
                await asyncio.wait_for(self._changed.wait(), wait_s)
            except TimeoutError:
                continue
        await self._in_thread(self._release)

    async def _step(self) -> float:
        """Note what has landed and begin what may go; return for how long nothing else is to be done."""
        landed, portion, wait_s = self._next()
        if not portion and not landed:
            return wait_s
        landed, portion, begun = await self._in_thread(self._commit)
        # Only now: had the commit failed, they would be noted with the next.
        del self._landed[: len(landed)]
        for each in landed:
            self._after(each)
        for waiting in portion:
            line = self._lines[waiting.queued.channel, waiting.queued.chat_id]
            if waiting.queued.message_id in begun:
                line.is_busy = True
                task = asyncio.create_task(self._fly(waiting))
                self._flying.add(task)
                task.add_done_callback(self._flying.discard)
            else:
                # Another worker holds it.
                line.replies.popleft()
                self._known.discard(waiting.queued.message_id)
        return 0.0

    def _next(self) -> tuple[list[_Landed], list[_Waiting], float]:
        """Return what has landed, what may be begun now, and for how long nothing else comes due."""
        now, wait_s = time.monotonic(), LOOK_EVERY_S
        with self._lock:
            landed, lines = list(self._landed), [(chat, line) for chat, line in self._lines.items() if line.replies]
            if self._stopping:
                return landed, [], wait_s
            room = {channel: messenger.at_once + SPARE for channel, messenger in self._messengers.items()}
            for each in landed:
                room[each.waiting.queued.channel] += 1
            ready: dict[str, list[_Waiting]] = {channel: [] for channel in room}
            for (channel, _), line in lines:
                first = line.replies[0]
                if line.is_busy:
                    room[channel] -= 1
                elif first.not_before > now:
                    wait_s = min(wait_s, first.not_before - now)
                else:
                    ready[channel].append(first)
        portion: list[_Waiting] = []
        for channel, firsts in ready.items():
            portion += heapq.nsmallest(room[channel], firsts, key=lambda each: each.queued.message_id)
        return landed, portion, wait_s

    def _commit(self) -> tuple[list[_Landed], list[_Waiting], set[int]]:
        """Note what has landed, begin what may go, in one transaction; return both, and the ids of those begun."""
        with self._store.transaction() as transaction:
            # Only now: where others wrote before us, more has landed meanwhile, and more may go.
            landed, portion, _ = self._next()
            now = datetime.now(UTC)
            arrived = {each.waiting.queued.message_id: each.shown_as for each in landed if each.error is None}
            transaction.replies.sent(arrived, self._worker, now=now)
            transaction.mark_delivered(*arrived, now=now)
            for each in landed:
                queued, error = each.waiting.queued, each.error
                if error is None:
                    continue
                if error.maybe_delivered:
                    transaction.replies.unknown(queued.message_id, self._worker, str(error), now=now)
                elif each.is_over:
                    transaction.replies.failed(queued.message_id, self._worker, str(error), now=now)
                    if error.is_closed:
                        transaction.people.set_blocked(queued.channel, queued.chat_id, at=now)
                        transaction.replies.give_up_closed(queued.channel, queued.chat_id, now=now)
                else:
                    at = now + timedelta(seconds=_wait_s(queued, error))
                    transaction.replies.retry(
                        queued.message_id, self._worker, str(error), part=queued.part + error.parts_sent, at=at
                    )
            begun = transaction.replies.begin([each.queued.message_id for each in portion], self._worker, now=now)
        return landed, portion, begun

    def _after(self, landed: _Landed) -> None:
        """Let the chat of a reply go on: with the next, with the same again, or not at all."""
        waiting, error, queued = landed.waiting, landed.error, landed.waiting.queued
        line = self._lines[queued.channel, queued.chat_id]
        line.is_busy = False
        if error is not None:
            log.warning("reply %d on %s: %s", queued.message_id, queued.channel, error)
        if error is None or landed.is_over:
            line.replies.popleft()
            self._known.discard(queued.message_id)
        else:
            waiting.queued = replace(queued, part=queued.part + error.parts_sent, attempts=queued.attempts + 1)
            waiting.not_before = time.monotonic() + _wait_s(queued, error)
        if error is not None and error.is_closed:
            self._known.difference_update(each.queued.message_id for each in line.replies)
            line.replies.clear()
        if not line.replies:
            del self._lines[queued.channel, queued.chat_id]

    async def _fly(self, waiting: _Waiting) -> None:
        queued = waiting.queued
        shown_as: str | None = None
        error: DeliveryError | None = None
        try:
            shown_as = await self._messengers[queued.channel].deliver(
                queued.chat_id, waiting.message, part=queued.part, is_reply=True, replaces=queued.replaces
            )
        except DeliveryError as refused:
            error = refused
        except Exception as fault:
            # A fault of ours, somewhere between here and the platform: it may have arrived.
            log.error("reply %d: %s", queued.message_id, type(fault).__name__)
            error = DeliveryError(type(fault).__name__, permanent=False, maybe_delivered=True)
        is_over = error is None or error.permanent or error.maybe_delivered
        is_old = datetime.now(UTC) - waiting.message.created_at > GIVE_UP_AFTER
        self._landed.append(_Landed(waiting, shown_as, error, is_over or is_old))
        self._changed.set()

    def _look(self, now: datetime) -> list[tuple[QueuedReply, StoredMessage]]:
        """Hold on to what is ours, and take over what nobody holds."""
        found: list[tuple[QueuedReply, StoredMessage]] = []
        with self._store.transaction() as transaction:
            transaction.replies.renew(self._worker, now=now)
            lost = transaction.replies.give_up_lost(now=now)
            for queued in transaction.replies.claim(self._worker, list(self._messengers), now=now):
                conversation = transaction.find_conversation(queued.channel, queued.chat_id)
                message = transaction.message(conversation.id, queued.message_id) if conversation else None
                if message is not None:
                    found.append((queued, message))
        if lost:
            log.warning("replies: %d were in flight when a program stopped; not sent again", lost)
        return found

    def _release(self) -> None:
        with self._store.transaction() as transaction:
            transaction.replies.release(self._worker)

    async def _in_thread(self, act: Callable[..., _T], *given: Any) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, act, *given)


def _wait_s(queued: QueuedReply, error: DeliveryError) -> float:
    if error.retry_after_s:
        return error.retry_after_s
    return min(LONGEST_RETRY_S, RETRY_AFTER_S * RETRY_GROWS**queued.attempts)
