"""Wakes, asks the handlers what is due, sends it: every message once."""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bot.channels.base import DeliveryError
from handlers.reminders import compose, queue_due
from storage.outbox import Delivery
from storage.people import Link
from storage.store import Store, StoredMessage

log = logging.getLogger(__name__)
WAKE_EVERY_S = 20.0
RETRY_AFTER = timedelta(minutes=1)
MOST_ATTEMPTS = 6

Send = Callable[[Link, StoredMessage], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class _Claimed:
    delivery: Delivery
    link: Link
    message: StoredMessage


class Scheduler:
    """Queues what is due and delivers it, one message after the other."""

    def __init__(self, store: Store, send: Send) -> None:
        """Take what hands a message to its channel; it raises DeliveryError where the message did not arrive."""
        self._store = store
        self._send = send
        self._worker = secrets.token_hex(8)

    async def run(self) -> None:
        """Wake again and again, until cancelled."""
        while True:
            try:
                await self.run_due(datetime.now(UTC))
            except Exception as error:
                # The next time may be better; what was in flight shows as unknown.
                log.error("scheduler: %s", type(error).__name__, exc_info=log.isEnabledFor(logging.DEBUG))
            await asyncio.sleep(WAKE_EVERY_S)

    async def run_due(self, now: datetime) -> int:
        """Send everything that is due at a time; return how many messages arrived."""
        await asyncio.to_thread(self._prepare, now)
        sent = 0
        while claimed := await asyncio.to_thread(self._claim, now):
            sent += await self._deliver(claimed, now) if isinstance(claimed, _Claimed) else 0
        if sent:
            log.info("scheduler: %d messages delivered", sent)
        return sent

    def _prepare(self, now: datetime) -> None:
        with self._store.transaction() as transaction:
            lost = transaction.outbox.give_up_lost(now=now)
            queue_due(transaction, now=now)
        if lost:
            log.warning("scheduler: %d messages were in flight when the program stopped; not sent again", lost)

    def _claim(self, now: datetime) -> _Claimed | bool:
        """Take one delivery and keep its message; True for one that nobody is to hear, False when none is left."""
        with self._store.transaction() as transaction:
            claimed = transaction.outbox.claim(self._worker, now=now)
            if not claimed:
                return False
            [delivery] = claimed
            composed = compose(transaction, delivery, now=now)
            if composed.wait_until is not None:
                transaction.outbox.retry(delivery.id, self._worker, composed.reason, at=composed.wait_until)
                return True
            if composed.reply is None or composed.link is None:
                transaction.outbox.failed(delivery.id, self._worker, composed.reason, now=now)
                return True
            link = composed.link
            conversation = transaction.conversation(link.channel, link.chat_id, now=now)
            message = transaction.add_reply(
                conversation.id,
                [(block.kind.value, block.text) for block in composed.reply.blocks],
                [(button.label, button.action, button.argument) for button in composed.reply.buttons],
                in_reply_to=None,
                now=now,
            )
        # Committed before it is sent: a crash from here on leaves it in flight, and in flight is never sent again.
        return _Claimed(delivery, link, message)

    async def _deliver(self, claimed: _Claimed, now: datetime) -> int:
        try:
            await self._send(claimed.link, claimed.message)
        except DeliveryError as error:
            await asyncio.to_thread(self._failed, claimed, error, now)
            return 0
        await asyncio.to_thread(self._sent, claimed, now)
        return 1

    def _sent(self, claimed: _Claimed, now: datetime) -> None:
        with self._store.transaction() as transaction:
            transaction.outbox.sent(claimed.delivery.id, self._worker, now=now)
            transaction.mark_delivered(claimed.message.id, now=now)

    def _failed(self, claimed: _Claimed, error: DeliveryError, now: datetime) -> None:
        delivery, link = claimed.delivery, claimed.link
        with self._store.transaction() as transaction:
            outbox = transaction.outbox
            if error.maybe_delivered:
                outbox.unknown(delivery.id, self._worker, str(error), now=now)
            elif error.permanent:
                outbox.failed(delivery.id, self._worker, "blocked", now=now)
                transaction.people.set_blocked(link.channel, link.chat_id, at=now)
            elif delivery.attempts >= MOST_ATTEMPTS:
                outbox.failed(delivery.id, self._worker, str(error), now=now)
            else:
                wait = timedelta(seconds=error.retry_after_s) if error.retry_after_s else RETRY_AFTER
                outbox.retry(delivery.id, self._worker, str(error), at=now + wait)
