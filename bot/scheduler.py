"""Wakes, asks the handlers what is due, sends it: every message once, no faster than its platform takes it.

What is due is claimed a few rows at a time: held by this program for some seconds, still waiting in the database, so
that after a crash anybody may claim it again. A step begins a portion of them, in one commit that also notes what
became of the portion before, and only then they go out. A crash leaves those begun and not noted, at most BEGUN of a
channel: nobody can tell whether they arrived, so they are shown as unknown and not sent again.
"""

import asyncio
import logging
import secrets
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from assessment.schedule import local_day
from bot.channels.base import DeliveryError
from bot.pace import Pace
from handlers.messages import Reply
from handlers.reminders import compose, queue_some, reachable
from storage.outbox import CLAIM, Delivery
from storage.people import Link
from storage.store import Store, StoredMessage, Transaction

log = logging.getLogger(__name__)
WAKE_EVERY_S = 20.0
# Looking through all open rounds goes on beside the sending, a few rounds at a time. Where it takes long it is done
# less often: at most so much of the time.
LOOKS_FOR_AT_MOST = 1 / 20
LOOK_FIRST_S = 1.0
# A message that fails steps aside for a minute, then four times as long each time: a day without a network is not
# one message's fault, and one message that always fails holds up nobody.
RETRY_AFTER, RETRY_GROWS = timedelta(minutes=1), 4
MOST_ATTEMPTS = 6
CLAIMED_AT_ONCE = 8
BEGUN = 10  # of one channel, at most
# The rest of a channel's connections is for replies to people; see the pool of bot/channels/telegram.py.
SENT_AT_ONCE = 6
# What may go within the next moments is begun now, so that it can go exactly then.
LEAD_S = 0.08
STEP_S = 0.05
HALTED_REST_S = 0.25
LAST_SENDS_S = 15.0

Send = Callable[[Link, StoredMessage], Awaitable[None]]
# Queues what is due in a few rounds, from one on; returns where to go on in another transaction, None at the end.
QueueDue = Callable[[Transaction, datetime, int], int | None]
EraseOld = Callable[[Transaction, datetime], int]


@dataclass(frozen=True, slots=True)
class _Claimed:
    """A delivery that may go, what it says and where; until when the claim holds, by the monotonic clock."""

    delivery: Delivery
    reply: Reply
    link: Link
    until: float


@dataclass(frozen=True, slots=True)
class _Begun:
    """A delivery that is in flight, from a moment of the monotonic clock on."""

    claimed: _Claimed
    message: StoredMessage
    at: float


@dataclass(frozen=True, slots=True)
class _Ended:
    """What became of a delivery; no error where it arrived."""

    begun: _Begun
    error: DeliveryError | None


class Scheduler:
    """Queues what is due and delivers it."""

    def __init__(
        self,
        store: Store,
        send: Send,
        paces: Mapping[str, Pace] | None = None,
        queue: QueueDue | None = None,
        erase: EraseOld | None = None,
    ) -> None:
        """Take what hands a message to its channel and raises DeliveryError where the message did not arrive.

        Args:
            paces: by channel; one that is not named has no limits.
            queue: queues what is due; without, nothing is opened by schedule.
            erase: destroys a portion of what is kept no longer, once a day again and again until it returns 0.
        """
        self._store = store
        self._send = send
        self._queue: QueueDue = queue or _queue_without_opening
        self._looking: asyncio.Task[None] | None = None
        self._erase = erase
        self._erased_on: date | None = None
        self._paces = dict(paces or {})
        self._worker = secrets.token_hex(8)
        self._ready: dict[str, deque[_Claimed]] = {}
        self._flying: dict[asyncio.Task[None], _Begun] = {}
        self._ended: list[_Ended] = []
        self._lines: dict[str, asyncio.Semaphore] = {}
        self._stopping = asyncio.Event()
        self._looks_at = 0.0

    async def run(self) -> None:
        """Wake again and again, until cancelled; what is in flight then still arrives and is noted."""
        working = asyncio.create_task(self._keep_waking())
        try:
            await asyncio.shield(working)
        except asyncio.CancelledError:
            self._stopping.set()
            await asyncio.wait({working}, timeout=LAST_SENDS_S)
            working.cancel()
            raise

    async def run_due(self, now: datetime) -> int:
        """Send everything that is due at a time; return how many messages arrived."""
        self._looks_at = 0.0
        return await self._deliver_due(lambda: now)

    async def _keep_waking(self) -> None:
        # What a predecessor that crashed had claimed is free again after so long.
        rest_s = CLAIM.total_seconds()
        while not self._stopping.is_set():
            try:
                await self._deliver_due(lambda: datetime.now(UTC))
            except Exception as error:
                # The next time may be better; what was in flight shows as unknown.
                log.error("scheduler: %s", type(error).__name__, exc_info=log.isEnabledFor(logging.DEBUG))
            await self._rest(rest_s, for_sends=False)
            rest_s = WAKE_EVERY_S

    async def _deliver_due(self, clock: Callable[[], datetime]) -> int:
        """Deliver until nothing that is due is left; what becomes due meanwhile is delivered, too."""
        arrived, wake_at, may_be_more = 0, time.monotonic(), True
        while True:
            began = time.monotonic()
            if began >= wake_at and not self._stopping.is_set():
                await asyncio.to_thread(self._prepare, clock())
                await self._begin_looking(clock())
                wake_at, may_be_more = time.monotonic() + WAKE_EVERY_S, True
            if self._looking is not None and self._looking.done():
                looked, self._looking, may_be_more = self._looking, None, True
                looked.result()
            if may_be_more and not self._stopping.is_set() and self._waiting() < CLAIMED_AT_ONCE:
                may_be_more = await self._claim_more(clock())
            self._land()
            portion, wait_s, has_dropped = self._portion()
            may_be_more = may_be_more or has_dropped
            if portion or self._ended:
                # What failed for good may go to another channel of its member's at once.
                may_be_more = may_be_more or any(each.error and each.error.permanent for each in self._ended)
                arrived += await self._step(portion, clock())
                # Other writers get the database for as long as it was ours.
                took = time.monotonic() - began
                await self._rest(STEP_S - took if self._flying else took, for_sends=False)
            elif self._flying or self._waiting():
                await self._rest(wait_s)
            elif self._looking is not None and not may_be_more:
                await asyncio.wait({self._looking}, timeout=wait_s)
            elif not may_be_more or self._stopping.is_set():
                break
        if arrived:
            log.info("scheduler: %d messages delivered", arrived)
        return arrived

    async def _rest(self, seconds: float, *, for_sends: bool = True) -> None:
        """Wait a while: no longer than until we are to stop or, unless told otherwise, until something has landed."""
        sends: set[asyncio.Task[None]] = set(self._flying) if for_sends else set()
        if self._stopping.is_set():
            if sends:
                await asyncio.wait(sends, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            return
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait({stopping, *sends}, timeout=max(0.0, seconds), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()

    def _pace(self, channel: str) -> Pace:
        return self._paces.setdefault(channel, Pace())

    def _waiting(self) -> int:
        return sum(len(ready) for ready in self._ready.values())

    # --- Due, and claimed -----------------------------------------------------------------------------------------

    def _prepare(self, now: datetime) -> None:
        with self._store.transaction() as transaction:
            lost = transaction.outbox.give_up_lost(now=now)
            late = transaction.outbox.give_up_late(now=now)
        if lost:
            log.warning("scheduler: %d messages were in flight when the program stopped; not sent again", lost)
        if late:
            log.warning("scheduler: %d messages waited until nobody needed them any more", late)
        self._erase_old(now)

    async def _begin_looking(self, now: datetime) -> None:
        """Look for what is due; where that takes long, go on sending meanwhile."""
        if self._looking is None and time.monotonic() >= self._looks_at:
            self._looking = asyncio.create_task(asyncio.to_thread(self._look, now))
            is_busy = self._flying or self._waiting()
            await asyncio.wait({self._looking}, timeout=0 if is_busy else LOOK_FIRST_S)

    def _look(self, now: datetime) -> None:
        began, after = time.monotonic(), 0
        while not self._stopping.is_set():
            opened = time.monotonic()
            with self._store.transaction() as transaction:
                further = self._queue(transaction, now, after)
            if further is None:
                break
            after = further
            # Other writers get the database for as long as it was ours.
            time.sleep(time.monotonic() - opened)
        ended = time.monotonic()
        self._looks_at = ended + (ended - began) / LOOKS_FOR_AT_MOST

    def _erase_old(self, now: datetime) -> None:
        today = local_day(now)
        if self._erase is None or self._erased_on == today:
            return
        # Whatever becomes of it, messages are delivered, and tomorrow is another day.
        self._erased_on, count = today, 1
        try:
            while count and not self._stopping.is_set():
                began = time.monotonic()
                with self._store.transaction() as transaction:
                    count = self._erase(transaction, now)
                # Other writers get the database for as long as it was ours.
                time.sleep(time.monotonic() - began)
        except Exception as error:
            log.error("old content stays: %s", type(error).__name__, exc_info=log.isEnabledFor(logging.DEBUG))

    async def _claim_more(self, now: datetime) -> bool:
        """Claim some of what is due; return whether there may be more."""
        began = time.monotonic()
        halted = {name: left for name, pace in self._paces.items() if (left := pace.halted_s(began)) > 0}
        claimed, may_be_more = await asyncio.to_thread(self._claim, now, halted)
        for each in claimed:
            self._ready.setdefault(each.link.channel, deque()).append(each)
        if not claimed and may_be_more:
            # All of them were put off: a long queue behind a halted channel is gone through without hurry.
            await self._rest(HALTED_REST_S if halted else time.monotonic() - began)
        return may_be_more

    def _claim(self, now: datetime, halted: Mapping[str, float]) -> tuple[list[_Claimed], bool]:
        until = time.monotonic() + CLAIM.total_seconds()
        ready: list[_Claimed] = []
        composing: Delivery | None = None
        try:
            with self._store.transaction() as transaction:
                claimed = transaction.outbox.claim(self._worker, now=now, limit=CLAIMED_AT_ONCE)
                for composing in claimed:
                    each = self._compose(transaction, composing, now, halted, until)
                    ready += [each] if each else []
        except Exception as error:
            if composing is None:
                raise
            # Nothing of this portion was kept; without the one that cannot be written the others come again.
            log.error("scheduler: delivery %d cannot be written: %s", composing.id, type(error).__name__)
            self._step_aside(composing, type(error).__name__, now)
            return [], True
        return ready, bool(claimed)

    def _compose(
        self,
        transaction: Transaction,
        delivery: Delivery,
        now: datetime,
        halted: Mapping[str, float],
        until: float,
    ) -> _Claimed | None:
        """Return what is to go; None for what nobody is to hear, or not now, which is then noted."""
        composed = compose(transaction, delivery, now=now)
        if composed.wait_until is not None:
            transaction.outbox.put_off(delivery.id, self._worker, composed.reason, at=composed.wait_until)
        elif composed.reply is None or composed.link is None:
            transaction.outbox.failed(delivery.id, self._worker, composed.reason, now=now)
        elif composed.link.channel in halted:
            at = now + timedelta(seconds=halted[composed.link.channel])
            transaction.outbox.put_off(delivery.id, self._worker, "platform asked to wait", at=at)
        else:
            return _Claimed(delivery, composed.reply, composed.link, until)
        return None

    def _step_aside(self, delivery: Delivery, reason: str, now: datetime) -> None:
        with self._store.transaction() as transaction:
            transaction.outbox.step_aside(
                delivery.id,
                f"cannot be written: {reason}",
                now=now,
                at=_retry_at(now, delivery.attempts + 1),
                most_attempts=MOST_ATTEMPTS,
            )

    # --- Begun, in flight, noted ----------------------------------------------------------------------------------

    def _portion(self) -> tuple[list[tuple[_Claimed, float]], float, bool]:
        """Take what may go within the next moments, and when each may.

        Returns:
            the portion; seconds until there may be another; whether a claim had run out, so that the row is to be
            claimed again.
        """
        portion: list[tuple[_Claimed, float]] = []
        wait_s, has_dropped, now = WAKE_EVERY_S, False, time.monotonic()
        for channel, ready in self._ready.items():
            pace = self._pace(channel)
            room = BEGUN - sum(begun.claimed.link.channel == channel for begun in self._flying.values())
            later: list[_Claimed] = []
            while ready and room and not self._stopping.is_set():
                each = ready.popleft()
                if each.until <= now:
                    has_dropped = True
                    continue
                at = pace.next_at(each.link.chat_id, now)
                if at > now + LEAD_S:
                    later.append(each)
                    wait_s = min(wait_s, at - LEAD_S - now, each.until - now)
                    continue
                pace.take(each.link.chat_id, at)
                portion.append((each, at))
                room -= 1
            ready.extendleft(reversed(later))
        if self._stopping.is_set():
            # What was only claimed is free again when its claim runs out.
            self._ready.clear()
        return portion, wait_s, has_dropped

    async def _step(self, portion: Sequence[tuple[_Claimed, float]], now: datetime) -> int:
        """Note what has landed and let a portion go; return how many of those noted arrived."""
        put_off: list[tuple[_Claimed, float]] = []
        for each in self._ended:
            wait_s = each.error.retry_after_s if each.error else None
            if wait_s:
                link, moment = each.begun.claimed.link, time.monotonic()
                channel, pace = link.channel, self._pace(link.channel)
                pace.halt(moment + wait_s, link.chat_id, moment)
                if not pace.halted_s(moment):
                    continue
                put_off += [(claimed, wait_s) for claimed in self._ready.pop(channel, ())]
                put_off += [(claimed, wait_s) for claimed, _ in portion if claimed.link.channel == channel]
                portion = [(claimed, at) for claimed, at in portion if claimed.link.channel != channel]
        ended = list(self._ended)
        for begun in await asyncio.to_thread(self._commit, portion, ended, put_off, now):
            task = asyncio.create_task(self._fly(begun))
            self._flying[task] = begun
        # Only now: had the commit failed, they would be noted with the next.
        self._ended.clear()
        return sum(each.error is None for each in ended)

    def _commit(
        self,
        portion: Sequence[tuple[_Claimed, float]],
        ended: Sequence[_Ended],
        put_off: Sequence[tuple[_Claimed, float]],
        now: datetime,
    ) -> list[_Begun]:
        # Committed before it is sent: a crash from here on leaves it in flight, and in flight is never sent again.
        begun: list[_Begun] = []
        with self._store.transaction() as transaction:
            for each in ended:
                self._note(transaction, each, now)
            for claimed, wait_s in put_off:
                at = now + timedelta(seconds=wait_s)
                transaction.outbox.put_off(claimed.delivery.id, self._worker, "platform asked to wait", at=at)
            ids = [claimed.delivery.id for claimed, _ in portion]
            ours = transaction.outbox.begin(ids, self._worker, now=now) if ids else set()
            for claimed, at_s in portion:
                if claimed.delivery.id in ours:
                    begun.append(_Begun(claimed, _keep_message(transaction, claimed, now), at_s))
        return begun

    async def _fly(self, begun: _Begun) -> None:
        link = begun.claimed.link
        await asyncio.sleep(max(0.0, begun.at - time.monotonic()))
        async with self._lines.setdefault(link.channel, asyncio.Semaphore(SENT_AT_ONCE)):
            pace = self._pace(link.channel)
            while (wait_s := pace.wait_s(time.monotonic())) > 0:
                await asyncio.sleep(wait_s)
            pace.went(link.chat_id, begun.at, time.monotonic())
            await self._send(link, begun.message)

    def _land(self) -> None:
        """Take note of the sends that are over."""
        for task in [task for task in self._flying if task.done()]:
            begun, error = self._flying.pop(task), task.exception()
            if error is not None and not isinstance(error, Exception):
                raise error
            if error is not None and not isinstance(error, DeliveryError):
                # A fault of ours, somewhere between here and the platform: it may have arrived.
                log.error("scheduler: delivery %d: %s", begun.claimed.delivery.id, type(error).__name__)
                error = DeliveryError(type(error).__name__, permanent=False, maybe_delivered=True)
            self._ended.append(_Ended(begun, error))

    def _note(self, transaction: Transaction, ended: _Ended, now: datetime) -> None:
        delivery, link = ended.begun.claimed.delivery, ended.begun.claimed.link
        outbox, error = transaction.outbox, ended.error
        if error is None:
            outbox.sent(delivery.id, self._worker, now=now)
            transaction.mark_delivered(ended.begun.message.id, now=now)
        elif error.maybe_delivered:
            outbox.unknown(delivery.id, self._worker, str(error), now=now)
        elif error.permanent:
            if error.is_closed:
                transaction.people.set_blocked(link.channel, link.chat_id, at=now)
            if reachable(transaction, delivery, but=link.channel) is not None:
                outbox.try_elsewhere(delivery.id, self._worker, str(error), channel=link.channel, now=now)
            else:
                outbox.failed(delivery.id, self._worker, "blocked" if error.is_closed else str(error), now=now)
        elif error.retry_after_s:
            at = now + timedelta(seconds=error.retry_after_s)
            outbox.put_off(delivery.id, self._worker, str(error), at=at)
        elif delivery.attempts + 1 >= MOST_ATTEMPTS:
            outbox.failed(delivery.id, self._worker, str(error), now=now)
        else:
            outbox.retry(delivery.id, self._worker, str(error), at=_retry_at(now, delivery.attempts + 1))


def _queue_without_opening(transaction: Transaction, now: datetime, after: int) -> int | None:
    return queue_some(transaction, now=now, checklists=None, after=after)


def _keep_message(transaction: Transaction, claimed: _Claimed, now: datetime) -> StoredMessage:
    conversation = transaction.conversation(claimed.link.channel, claimed.link.chat_id, now=now)
    return transaction.add_reply(
        conversation.id,
        [(block.kind.value, block.text) for block in claimed.reply.blocks],
        [(button.label, button.action, button.argument) for button in claimed.reply.buttons],
        in_reply_to=None,
        now=now,
        confidential=claimed.reply.is_confidential,
    )


def _retry_at(now: datetime, attempts: int) -> datetime:
    wait: timedelta = RETRY_AFTER * RETRY_GROWS ** (attempts - 1)
    return now + wait
