"""From a platform's update to an answer: kept first, then handled, one chat in order and chats side by side.

What comes within the same moment is kept in one commit. A worker holds the chats whose updates it has taken in; a chat
that another worker holds is left to it. Handling an update, keeping the answer and marking the update done is one
transaction: a crash before it redelivers, a crash after it has lost nothing.
"""

import asyncio
import json
import logging
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from bot.channels.base import ChatChanged, DeliveryError, FixedAnswer, Messenger, RawUpdate
from bot.channels.cutting import well_formed
from bot.gateway import Gateway
from bot.handling import Handle, in_threads
from bot.replies import ReplySender
from handlers.messages import IncomingMessage
from storage.inbox import KeptUpdate, LeaseLostError
from storage.store import Store

log = logging.getLogger(__name__)
MOST_ATTEMPTS = 3
# After a failed try, and after the one that follows it.
TRY_AGAIN_AFTER_S = (0.5, 5.0)
# Chats that are being answered side by side; further ones wait in the database.
CHATS_AT_ONCE = 256
LOOK_EVERY_S = 1.0
# What takes longer is shown to be under way.
SLOW_AFTER_S = 0.8
KEPT_FOR = timedelta(days=14)
_TIDIES_EVERY_S = 3600.0
# Raw updates are small; a larger one is no message of a person.
LARGEST_BODY = 256 * 1024

_T = TypeVar("_T")
_Chat = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Arrived:
    """Updates that wait to be kept, and who waits for that."""

    channel: str
    updates: Sequence[RawUpdate]
    kept: "asyncio.Future[None]"


class UpdateIntake:
    """Keeps updates and has them answered."""

    def __init__(
        self,
        store: Store,
        gateway: Gateway,
        messengers: Mapping[str, Messenger],
        sender: ReplySender,
        worker: str,
        executor: Executor,
        *,
        handle: Handle | None = None,
        on_kept: Callable[[], None] | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Take what answers and what sends.

        Args:
            gateway: notes what cannot be handled.
            worker: under this name updates are held in the database, and replies, by the sender.
            executor: where the database is spoken to.
            handle: answers a message; without, threads of the executor do.
            on_kept: called when updates were kept, which another program then handles; without, this one does.
        """
        self._store = store
        self._gateway = gateway
        self._answer_message = handle or in_threads(gateway, executor)
        self._messengers = messengers
        self._sender = sender
        self._worker = worker
        self._executor = executor
        self._clock = clock
        self._on_kept = on_kept
        self._arrived: list[_Arrived] = []
        self._keeping: asyncio.Task[None] | None = None
        self._queues: dict[_Chat, deque[KeptUpdate]] = {}
        self._known: set[int] = set()
        self._talking: set[asyncio.Task[None]] = set()
        self._looks_now = asyncio.Event()
        self._tidies_at = 0.0
        self._stopping = False

    async def take(self, channel: str, updates: Sequence[RawUpdate]) -> None:
        """Keep updates for good; after that they may be confirmed to the platform.

        Raises:
            Exception: whatever the database raises; nothing of these was kept, and the platform is to send them again.
        """
        if not updates:
            return
        kept = asyncio.get_running_loop().create_future()
        self._arrived.append(_Arrived(channel, updates, kept))
        if self._keeping is None or self._keeping.done():
            self._keeping = asyncio.create_task(self._keep())
        await kept

    async def _keep(self) -> None:
        while self._arrived:
            arrived, self._arrived = self._arrived, []
            try:
                claimed = await self._in_thread(self._put, arrived, self._clock())
            except Exception as error:
                log.error("updates not kept: %s", type(error).__name__)
                for each in arrived:
                    if not each.kept.done():
                        each.kept.set_exception(error)
                continue
            for each in arrived:
                if not each.kept.done():
                    each.kept.set_result(None)
            if self._on_kept is not None:
                self._on_kept()
            self._hand_out(claimed)

    def look_now(self) -> None:
        """Look at once for updates that nobody holds."""
        self._looks_now.set()

    def _put(self, arrived: Sequence[_Arrived], now: datetime) -> list[KeptUpdate]:
        new: set[_Chat] = set()
        with self._store.transaction() as transaction:
            for each in arrived:
                rows = [(update.external_id, update.order_key, _written(update)) for update in each.updates]
                keys = transaction.inbox.put(each.channel, rows, now=now)
                new |= {(each.channel, key) for key in keys}
            if not new or self._stopping or self._on_kept is not None:
                return []
            return transaction.inbox.claim(self._worker, {channel for channel, _ in new}, now=now, chats=new)

    async def run(self) -> None:
        """Handle what was kept, for ever; when cancelled, what is under way is finished and the rest let go."""
        working = asyncio.create_task(self._keep_looking())
        try:
            await asyncio.shield(working)
        except asyncio.CancelledError:
            self._stopping = True
            self._looks_now.set()
            await asyncio.wait({working})
            if self._talking:
                await asyncio.wait(self._talking)
            await self._in_thread(self._release)
            raise

    async def _keep_looking(self) -> None:
        while not self._stopping:
            self._looks_now.clear()
            try:
                if len(self._queues) < CHATS_AT_ONCE:
                    self._hand_out(await self._in_thread(self._look, self._clock()))
                if time.monotonic() >= self._tidies_at:
                    self._tidies_at = time.monotonic() + _TIDIES_EVERY_S
                    await self._in_thread(self._tidy, self._clock())
            except Exception as error:
                log.error("inbox: %s", type(error).__name__, exc_info=log.isEnabledFor(logging.DEBUG))
            try:
                await asyncio.wait_for(self._looks_now.wait(), LOOK_EVERY_S)
            except TimeoutError:
                continue

    def _look(self, now: datetime) -> list[KeptUpdate]:
        with self._store.transaction() as transaction:
            transaction.inbox.renew(self._worker, now=now)
            return transaction.inbox.claim(self._worker, list(self._messengers), now=now)

    def _tidy(self, now: datetime) -> None:
        forgotten = 1
        while forgotten and not self._stopping:
            with self._store.transaction() as transaction:
                forgotten = transaction.inbox.forget_before(now - KEPT_FOR)
                forgotten += transaction.replies.forget_before(now - KEPT_FOR)

    def _release(self) -> None:
        with self._store.transaction() as transaction:
            transaction.inbox.release(self._worker)

    def _hand_out(self, updates: Collection[KeptUpdate]) -> None:
        for update in updates:
            if update.id in self._known or update.channel not in self._messengers:
                continue
            self._known.add(update.id)
            chat = (update.channel, update.order_key)
            queue = self._queues.get(chat)
            if queue is None:
                queue = self._queues[chat] = deque()
                task = asyncio.create_task(self._talk(chat, queue))
                self._talking.add(task)
                task.add_done_callback(self._talking.discard)
            queue.append(update)

    async def _talk(self, chat: _Chat, queue: deque[KeptUpdate]) -> None:
        """Handle the updates of a chat, one after the other, until none is left."""
        try:
            while queue and not self._stopping:
                update = queue.popleft()
                attempts = update.attempts
                while not await self._handle(update, attempts) and not self._stopping:
                    await asyncio.sleep(TRY_AGAIN_AFTER_S[min(attempts, len(TRY_AGAIN_AFTER_S) - 1)])
                    attempts += 1
                self._known.discard(update.id)
        finally:
            self._known.difference_update(update.id for update in queue)
            del self._queues[chat]

    async def _handle(self, update: KeptUpdate, attempts: int) -> bool:
        """Handle an update; return false where it is to be tried again."""
        messenger, now = self._messengers[update.channel], self._clock()
        try:
            body = json.loads(update.body)
            heard = messenger.understand(body, now=now) if body else None
            if isinstance(heard, IncomingMessage):
                heard = replace(heard, text=well_formed(heard.text))
            said = await self._answer(update, body, heard, messenger, now)
        except LeaseLostError:
            log.info("update %d: another worker has taken it over", update.id)
            return True
        except Exception as error:
            return await self._put_aside(update, attempts, error, messenger)
        if said is not None:
            await _say(messenger, *said)
        return True

    async def _answer(
        self, update: KeptUpdate, body: dict[str, Any], heard: Any, messenger: Messenger, now: datetime
    ) -> tuple[str, str] | None:
        """Do what an update asks for; return the chat and the text of what is said beside it, kept nowhere."""
        # A pressed button is acknowledged before the work: people take one that still turns for one that was not felt.
        acknowledging = asyncio.create_task(messenger.acknowledge(body))
        try:
            if not isinstance(heard, IncomingMessage):
                await self._in_thread(self._done, update, heard, now)
                return (heard.chat_id, heard.text) if isinstance(heard, FixedAnswer) else None
            handling = asyncio.ensure_future(self._answer_message(heard, update.id, self._worker, now))
            await asyncio.wait({handling}, timeout=SLOW_AFTER_S)
            if not handling.done():
                await messenger.show_working(heard.chat_id)
            replies, beside = await handling
        finally:
            await acknowledging
        self._sender.send(replies)
        waiting = asyncio.create_task(messenger.answered(heard.chat_id))
        self._talking.add(waiting)
        waiting.add_done_callback(self._talking.discard)
        return (heard.chat_id, beside) if beside is not None else None

    def _done(self, update: KeptUpdate, heard: Any, now: datetime) -> None:
        with self._store.transaction() as transaction:
            transaction.inbox.done(update.id, self._worker, now=now)
            if isinstance(heard, ChatChanged):
                at = None if heard.is_open else now
                transaction.people.set_blocked(update.channel, heard.chat_id, at=at)
                if not heard.is_open:
                    transaction.replies.give_up_closed(update.channel, heard.chat_id, now=now)

    async def _put_aside(self, update: KeptUpdate, attempts: int, error: Exception, messenger: Messenger) -> bool:
        now = self._clock()
        again_at = now + timedelta(seconds=TRY_AGAIN_AFTER_S[min(attempts, len(TRY_AGAIN_AFTER_S) - 1)])
        try:
            is_aside, said = await self._in_thread(
                self._gateway.put_aside, update.id, self._worker, error, now, again_at, MOST_ATTEMPTS
            )
        except Exception as fault:
            # The database is not there at the moment: what is held waits in it.
            log.error("update %d: %s", update.id, type(fault).__name__)
            return False
        if not is_aside:
            return attempts + 1 >= MOST_ATTEMPTS
        log.error("update %d put aside after %d tries", update.id, attempts + 1)
        if update.order_key:
            await _say(messenger, update.order_key, said)
        return True

    async def _in_thread(self, act: Callable[..., _T], *given: Any) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, act, *given)


def _written(update: RawUpdate) -> str:
    # In ASCII, since somebody may have sent half a surrogate pair, which is no text in UTF-8.
    body = json.dumps(update.body, separators=(",", ":"))
    if len(body) > LARGEST_BODY:
        # Kept as what it is: its name, so that it is not sent for ever, and nothing to answer.
        return "{}"
    return body


async def _say(messenger: Messenger, chat_id: str, text: str) -> None:
    try:
        await messenger.say(chat_id, text)
    except DeliveryError as error:
        # Only a courtesy, which is kept nowhere.
        log.warning("%s: a fixed text was not delivered: %s", messenger.name, error)
