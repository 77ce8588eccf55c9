"""What we say to people on a platform: sent in order, once; what was in flight at a crash is shown and not sent again.

A reply is queued in the transaction that keeps it, held by the worker that will send it. It is begun in a commit of
its own before it is sent, and only then: what was not begun is sent by whoever comes next, what was begun and not noted
is UNKNOWN, for nobody can tell whether it arrived.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, cast

from sqlalchemy import CursorResult, Table, bindparam, delete, func, insert, or_, select, update
from sqlalchemy.orm import Session, aliased

from storage.tables import ReplyRow

LEASE = timedelta(seconds=15)
# In flight, likewise: whoever sends renews it, however long that takes.
FLIGHT = timedelta(seconds=30)
_REASON_LETTERS = 200
_ROWS = cast("Table", ReplyRow.__table__)


class ReplyState(Enum):
    """What has become of a reply; UNKNOWN was in flight when its sender stopped, or was not answered in time."""

    WAITING = "waiting"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    UNKNOWN = "unknown"


# Put together once: making a statement anew takes longer than what it does.
_ADD = insert(_ROWS)
# What waits for a chat and is not this worker's.
_OTHERS = (
    select(_ROWS.c.message_id)
    .where(
        _ROWS.c.state == ReplyState.WAITING.value,
        _ROWS.c.channel == bindparam("of_channel"),
        _ROWS.c.chat_id == bindparam("of_chat"),
        or_(_ROWS.c.leased_by.is_(None), _ROWS.c.leased_by != bindparam("of_worker")),
    )
    .limit(1)
)
_FINISH = (
    update(_ROWS)
    .where(
        _ROWS.c.message_id == bindparam("of_message"),
        _ROWS.c.state == ReplyState.SENDING.value,
        _ROWS.c.leased_by == bindparam("of_worker"),
    )
    .values(leased_by=None, leased_until=None)
)


@dataclass(frozen=True, slots=True)
class QueuedReply:
    """A message of ours on its way to a chat.

    Attributes:
        part: so many of its parts have arrived.
        attempts: how often it was begun.
        replaces: the platform's id of the message in whose place it may be shown.
    """

    message_id: int
    channel: str
    chat_id: str
    part: int = 0
    attempts: int = 0
    replaces: str | None = None


class Replies:
    """The replies, within one transaction."""

    def __init__(self, opened: Session) -> None:
        self._session = opened

    def queue(
        self,
        message_id: int,
        channel: str,
        chat_id: str,
        *,
        worker: str | None,
        now: datetime,
        replaces: int | None = None,
    ) -> QueuedReply:
        """Let a message be sent after this transaction.

        Args:
            worker: holds it from now on; without, whoever comes first. Where something of the chat waits that another
                one held, or nobody, it is not held either: it is taken over with that, and does not overtake it.
            replaces: the message of ours in whose place it may be shown.
        """
        if worker is not None:
            of_chat = {"of_channel": channel, "of_chat": chat_id, "of_worker": worker}
            if self._session.scalar(_OTHERS, of_chat) is not None:
                worker = None
        row = {
            "message_id": message_id,
            "channel": channel,
            "chat_id": chat_id,
            "state": ReplyState.WAITING.value,
            "part": 0,
            "attempts": 0,
            "replaces": replaces,
            "created_at": now,
            "due_at": now,
            "leased_by": worker,
            "leased_until": now + LEASE if worker is not None else None,
        }
        self._session.execute(_ADD, row)
        shown = self.shown_as(replaces) if replaces is not None else None
        return QueuedReply(message_id, channel, chat_id, replaces=shown)

    def claim(self, worker: str, channels: Collection[str], *, now: datetime, limit: int = 64) -> list[QueuedReply]:
        """Take over what waits and nobody holds, whole chats at a time, in order; nothing where one is in flight."""
        row, other = ReplyRow, aliased(ReplyRow)
        ahead = select(other.message_id).where(
            other.channel == row.channel,
            other.chat_id == row.chat_id,
            or_(
                other.state == ReplyState.SENDING.value,
                (other.state == ReplyState.WAITING.value) & (other.message_id < row.message_id),
            ),
        )
        heads = (
            select(row.channel, row.chat_id)
            .where(
                row.state == ReplyState.WAITING.value,
                row.channel.in_(channels),
                row.due_at <= now,
                or_(row.leased_until.is_(None), row.leased_until <= now),
                ~ahead.exists(),
            )
            .order_by(row.message_id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        claimed: list[QueuedReply] = []
        for channel, chat_id in self._session.execute(heads).all():
            lease = (
                update(_ROWS)
                .where(
                    _ROWS.c.state == ReplyState.WAITING.value, _ROWS.c.channel == channel, _ROWS.c.chat_id == chat_id
                )
                .values(leased_by=worker, leased_until=now + LEASE)
                .returning(*_ROWS.c)
            )
            for each in self._session.execute(lease).all():
                shown = self.shown_as(each.replaces) if each.replaces is not None else None
                claimed.append(QueuedReply(each.message_id, channel, chat_id, each.part, each.attempts, shown))
        return sorted(claimed, key=lambda each: each.message_id)

    def renew(self, worker: str, *, now: datetime) -> None:
        """Hold on to what a worker holds, begun or not."""
        for state, lease in ((ReplyState.WAITING, LEASE), (ReplyState.SENDING, FLIGHT)):
            held = update(_ROWS).where(_ROWS.c.state == state.value, _ROWS.c.leased_by == worker)
            self._session.execute(held.values(leased_until=now + lease))

    def release(self, worker: str) -> None:
        """Let go of what a worker holds and has not begun, so that another may go on at once."""
        held = update(_ROWS).where(_ROWS.c.state == ReplyState.WAITING.value, _ROWS.c.leased_by == worker)
        self._session.execute(held.values(leased_by=None, leased_until=None))

    def begin(self, message_ids: Sequence[int], worker: str, *, now: datetime) -> set[int]:
        """Take replies as in flight; return which: those that this worker still holds."""
        if not message_ids:
            return set()
        begun = (
            update(_ROWS)
            .where(
                _ROWS.c.message_id.in_(message_ids),
                _ROWS.c.state == ReplyState.WAITING.value,
                _ROWS.c.leased_by == worker,
            )
            .values(state=ReplyState.SENDING.value, attempts=_ROWS.c.attempts + 1, leased_until=now + FLIGHT)
            .returning(_ROWS.c.message_id)
        )
        return set(self._session.scalars(begun))

    def sent(self, shown: Mapping[int, str | None], worker: str, *, now: datetime) -> None:
        """Note that replies arrived, and what the platform calls them."""
        over = {"of_worker": worker, "state": ReplyState.SENT.value, "finished_at": now}
        for message_id, shown_as in shown.items():
            self._session.execute(_FINISH, {**over, "of_message": message_id, "shown_as": shown_as})

    def failed(self, message_id: int, worker: str, reason: str, *, now: datetime) -> None:
        """Note that a reply cannot be delivered, and why."""
        self._finish(message_id, worker, ReplyState.FAILED, now=now, reason=reason[:_REASON_LETTERS])

    def unknown(self, message_id: int, worker: str, reason: str, *, now: datetime) -> None:
        """Note that nobody can tell whether a reply arrived; it is not sent again."""
        self._finish(message_id, worker, ReplyState.UNKNOWN, now=now, reason=reason[:_REASON_LETTERS])

    def retry(self, message_id: int, worker: str, reason: str, *, part: int, at: datetime) -> None:
        """Put back what surely did not arrive, or only in part; this worker still holds it."""
        change = self._begun(message_id, worker).values(
            state=ReplyState.WAITING.value,
            part=part,
            due_at=at,
            leased_until=at + LEASE,
            reason=reason[:_REASON_LETTERS],
        )
        self._session.execute(change)

    def give_up_lost(self, *, now: datetime) -> int:
        """Mark as UNKNOWN what was in flight when its sender stopped; return how many."""
        lost = (
            update(_ROWS)
            .where(_ROWS.c.state == ReplyState.SENDING.value, _ROWS.c.leased_until <= now)
            .values(state=ReplyState.UNKNOWN.value, reason="stopped in flight", finished_at=now, leased_by=None)
        )
        return cast("CursorResult[Any]", self._session.execute(lost)).rowcount

    def give_up_closed(self, channel: str, chat_id: str, *, now: datetime) -> int:
        """Note that nothing of what waits for a chat can be delivered: it is closed to us. Return how many."""
        gone = (
            update(_ROWS)
            .where(_ROWS.c.state == ReplyState.WAITING.value, _ROWS.c.channel == channel, _ROWS.c.chat_id == chat_id)
            .values(state=ReplyState.FAILED.value, reason="blocked", finished_at=now, leased_by=None)
        )
        return cast("CursorResult[Any]", self._session.execute(gone)).rowcount

    def shown_as(self, message_id: int) -> str | None:
        """Return what the platform calls a message of ours; None where that is not known."""
        return self._session.scalar(select(_ROWS.c.shown_as).where(_ROWS.c.message_id == message_id))

    def counts(self) -> dict[ReplyState, int]:
        """Return how many replies are in each state that occurs."""
        query = select(_ROWS.c.state, func.count()).group_by(_ROWS.c.state)
        return {ReplyState(state): count for state, count in self._session.execute(query)}

    def oldest_unsent(self) -> datetime | None:
        """Return since when the oldest reply waits, or is on its way; None where there is none."""
        unsent = ReplyRow.state.in_((ReplyState.WAITING.value, ReplyState.SENDING.value))
        return self._session.scalar(select(func.min(ReplyRow.created_at)).where(unsent))

    def forget_before(self, at: datetime, *, limit: int = 2000) -> int:
        """Forget what has become of replies that were over before a time; return how many."""
        old = select(_ROWS.c.message_id).where(_ROWS.c.finished_at < at).limit(limit)
        gone = delete(_ROWS).where(_ROWS.c.message_id.in_(old))
        return cast("CursorResult[Any]", self._session.execute(gone)).rowcount

    def _begun(self, message_id: int, worker: str) -> Any:
        return update(_ROWS).where(
            _ROWS.c.message_id == message_id, _ROWS.c.state == ReplyState.SENDING.value, _ROWS.c.leased_by == worker
        )

    def _finish(self, message_id: int, worker: str, state: ReplyState, *, now: datetime, **values: Any) -> None:
        change = self._begun(message_id, worker).values(
            state=state.value, finished_at=now, leased_by=None, leased_until=None, **values
        )
        self._session.execute(change)
