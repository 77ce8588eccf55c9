"""Messages that people are to hear once: claimed, sent, never sent twice knowingly."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, cast

from sqlalchemy import CursorResult, case, func, or_, select, update
from sqlalchemy.orm import Session

from storage.database import insert_unless_there
from storage.tables import DeliveryRow

# How long one sender may take over a message that is in flight, and hold one that it has not begun to send.
LEASE = timedelta(minutes=2)
CLAIM = timedelta(seconds=5)
_REASON_LETTERS = 200
_INSERT_ROWS = 1000
FORWARDED = "forwarded"


class DeliveryState(Enum):
    """What has become of a delivery.

    UNKNOWN was in flight when the program stopped: it may have arrived, so it is shown and never sent again by itself.
    """

    QUEUED = "queued"
    SENDING = "sending"
    RETRY = "retry"
    SENT = "sent"
    FAILED = "failed"
    UNKNOWN = "unknown"
    TOO_OLD = "too_old"


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message to one member, about a round, a forwarded question or neither.

    Attributes:
        attempts: how often it was begun.
        failed_on: the channels on which it cannot be delivered.
    """

    id: int
    round_id: int | None
    member_id: int
    kind: str
    state: DeliveryState
    due_at: datetime
    attempts: int
    reason: str | None
    forwarded_id: int | None = None
    failed_on: tuple[str, ...] = ()


class Outbox:
    """The queue of deliveries in the database.

    A sender claims rows, begins them and tells what became of them. A claim holds a waiting row for a few seconds and
    leaves its state: when it runs out, whoever comes next may claim the row. Begun, by a compare-and-set on state and
    claim, the row is SENDING under a longer lease. When that one runs out, the sender stopped between beginning and
    telling: nobody knows whether the message arrived, and the row becomes UNKNOWN.
    """

    def __init__(self, opened: Session) -> None:
        self._session = opened

    def queue(
        self, round_id: int, kind: str, member_ids: Sequence[int], *, due_at: datetime, expires_at: datetime
    ) -> int:
        """Queue a message to members who have none of this kind and round yet; return how many were new."""
        added = 0
        for first in range(0, len(member_ids), _INSERT_ROWS):
            rows = [
                {
                    "round_id": round_id,
                    "member_id": member_id,
                    "kind": kind,
                    "state": DeliveryState.QUEUED.value,
                    "due_at": due_at,
                    "expires_at": expires_at,
                    "attempts": 0,
                }
                for member_id in member_ids[first : first + _INSERT_ROWS]
            ]
            added += insert_unless_there(self._session, DeliveryRow, rows)
        return added

    def queue_forwarded(self, forwarded_id: int, member_id: int, *, due_at: datetime, expires_at: datetime) -> bool:
        """Queue a forwarded question to the member who is to read it; false where it was queued before."""
        row = {
            "forwarded_id": forwarded_id,
            "member_id": member_id,
            "kind": FORWARDED,
            "state": DeliveryState.QUEUED.value,
            "due_at": due_at,
            "expires_at": expires_at,
            "attempts": 0,
        }
        return insert_unless_there(self._session, DeliveryRow, [row]) > 0

    def queue_notice(self, kind: str, member_id: int, *, due_at: datetime, expires_at: datetime) -> bool:
        """Queue a message that is about no round and no question; false where the member has one of this kind."""
        if self._session.scalar(select(DeliveryRow.id).filter_by(kind=kind, member_id=member_id).limit(1)):
            return False
        self._session.add(
            DeliveryRow(
                member_id=member_id,
                kind=kind,
                state=DeliveryState.QUEUED.value,
                due_at=due_at,
                expires_at=expires_at,
                attempts=0,
            )
        )
        self._session.flush()
        return True

    def claim(self, worker: str, *, now: datetime, limit: int = 1) -> list[Delivery]:
        """Hold what is due, the longest due first, for one sender alone; what is too old is left alone."""
        due: list[DeliveryRow] = []
        for state in (DeliveryState.RETRY, DeliveryState.QUEUED):
            # One state at a time is read in the order of the index; both at once would sort all that waits.
            query = select(DeliveryRow).where(
                DeliveryRow.state == state.value,
                DeliveryRow.due_at <= now,
                DeliveryRow.expires_at > now,
                or_(DeliveryRow.leased_until.is_(None), DeliveryRow.leased_until <= now),
            )
            ordered = query.order_by(DeliveryRow.due_at, DeliveryRow.id).limit(limit)
            due += self._session.scalars(ordered.with_for_update(skip_locked=True))
        claimed = sorted(due, key=lambda row: (row.due_at, row.id))[:limit]
        for row in claimed:
            row.leased_by, row.leased_until = worker, now + CLAIM
        self._session.flush()
        return [_to_delivery(row) for row in claimed]

    def begin(self, delivery_ids: Sequence[int], worker: str, *, now: datetime) -> set[int]:
        """Take claimed messages as in flight; return which: those whose claim another sender has not taken over."""
        change = update(DeliveryRow).where(
            DeliveryRow.id.in_(delivery_ids), DeliveryRow.state.in_(_WAITING), DeliveryRow.leased_by == worker
        )
        begun = change.values(
            state=DeliveryState.SENDING.value, attempts=DeliveryRow.attempts + 1, leased_until=now + LEASE
        )
        return set(self._session.scalars(begun.returning(DeliveryRow.id)))

    def sent(self, delivery_id: int, worker: str, *, now: datetime) -> bool:
        """Note that a message arrived; false where the lease was lost meanwhile."""
        return self._finish(delivery_id, worker, DeliveryState.SENT, None, now)

    def failed(self, delivery_id: int, worker: str, reason: str, *, now: datetime) -> bool:
        """Note that a message, begun or only claimed, cannot be delivered, and why; it is not tried again."""
        return self._finish(delivery_id, worker, DeliveryState.FAILED, reason, now)

    def unknown(self, delivery_id: int, worker: str, reason: str, *, now: datetime) -> bool:
        """Note that nobody can tell whether a message arrived; it is not tried again by itself."""
        return self._finish(delivery_id, worker, DeliveryState.UNKNOWN, reason, now)

    def retry(self, delivery_id: int, worker: str, reason: str, *, at: datetime) -> bool:
        """Put back what surely did not arrive, to be tried again at a time."""
        change = self._leased(delivery_id, worker).values(state=DeliveryState.RETRY.value, due_at=at, **_let_go(reason))
        return cast("CursorResult[Any]", self._session.execute(change)).rowcount == 1

    def put_off(self, delivery_id: int, worker: str, reason: str, *, at: datetime) -> bool:
        """Put back what is not this message's fault, as when the platform asks to wait: it is no failed attempt."""
        was_begun = case((DeliveryRow.state == DeliveryState.SENDING.value, 1), else_=0)
        change = self._leased(delivery_id, worker).values(
            state=DeliveryState.RETRY.value, due_at=at, attempts=DeliveryRow.attempts - was_begun, **_let_go(reason)
        )
        return cast("CursorResult[Any]", self._session.execute(change)).rowcount == 1

    def try_elsewhere(self, delivery_id: int, worker: str, reason: str, *, channel: str, now: datetime) -> None:
        """Put back at once what cannot be delivered on a channel, to go out on another one of its member's."""
        row = self._session.get_one(DeliveryRow, delivery_id, with_for_update=True, populate_existing=True)
        if row.leased_by != worker or row.state != DeliveryState.SENDING.value:
            return
        row.state, row.due_at, row.attempts = DeliveryState.RETRY.value, now, 0
        row.failed_on = [*(row.failed_on or []), channel]
        row.reason, row.leased_by, row.leased_until = reason[:_REASON_LETTERS], None, None
        self._session.flush()

    def step_aside(self, delivery_id: int, reason: str, *, now: datetime, at: datetime, most_attempts: int) -> None:
        """Let a message that could not even be written wait, so that it does not hold up those behind it.

        Args:
            most_attempts: after so many it is given up.
        """
        row = self._session.get_one(DeliveryRow, delivery_id, with_for_update=True, populate_existing=True)
        if row.state not in _WAITING:
            return
        row.attempts += 1
        is_over = row.attempts >= most_attempts
        row.state = (DeliveryState.FAILED if is_over else DeliveryState.RETRY).value
        row.due_at, row.finished_at = at, now if is_over else None
        row.reason, row.leased_by, row.leased_until = reason[:_REASON_LETTERS], None, None
        self._session.flush()

    def give_up_late(self, *, now: datetime) -> int:
        """Put aside as TOO_OLD what waited until nobody needs it any more; return how many."""
        change = (
            update(DeliveryRow)
            .where(DeliveryRow.state.in_(_WAITING), DeliveryRow.expires_at <= now)
            .values(state=DeliveryState.TOO_OLD.value, finished_at=now)
        )
        return cast("CursorResult[Any]", self._session.execute(change)).rowcount

    def give_up_lost(self, *, now: datetime, worker: str | None = None) -> int:
        """Mark as UNKNOWN what was in flight when its sender stopped; return how many.

        Args:
            worker: at its start, the sender that stopped; its leases need not run out first.
        """
        lost = DeliveryRow.leased_until <= now
        if worker is not None:
            lost = or_(lost, DeliveryRow.leased_by == worker)
        change = (
            update(DeliveryRow)
            .where(DeliveryRow.state == DeliveryState.SENDING.value, lost)
            .values(state=DeliveryState.UNKNOWN.value, reason="stopped in flight", finished_at=now)
        )
        return cast("CursorResult[Any]", self._session.execute(change)).rowcount

    def of_round(self, round_id: int) -> list[Delivery]:
        """Return the deliveries of a round, in the order they were queued."""
        query = select(DeliveryRow).where(DeliveryRow.round_id == round_id).order_by(DeliveryRow.id)
        return [_to_delivery(row) for row in self._session.scalars(query)]

    def perhaps_unheard(self, round_id: int) -> set[int]:
        """Return the members of whom nobody knows whether the latest message of a round reached them."""
        latest: dict[int, DeliveryState] = {}
        for delivery in self.of_round(round_id):
            if delivery.state in (DeliveryState.SENT, DeliveryState.UNKNOWN):
                latest[delivery.member_id] = delivery.state
        return {member_id for member_id, state in latest.items() if state is DeliveryState.UNKNOWN}

    def counts(self) -> dict[DeliveryState, int]:
        """Return how many deliveries are in each state that occurs."""
        query = select(DeliveryRow.state, func.count()).group_by(DeliveryRow.state)
        return {DeliveryState(state): count for state, count in self._session.execute(query)}

    def _leased(self, delivery_id: int, worker: str) -> Any:
        return update(DeliveryRow).where(
            DeliveryRow.id == delivery_id,
            DeliveryRow.state.in_((*_WAITING, DeliveryState.SENDING.value)),
            DeliveryRow.leased_by == worker,
        )

    def _finish(self, delivery_id: int, worker: str, state: DeliveryState, reason: str | None, now: datetime) -> bool:
        change = self._leased(delivery_id, worker).values(state=state.value, finished_at=now, **_let_go(reason))
        return cast("CursorResult[Any]", self._session.execute(change)).rowcount == 1


_WAITING = (DeliveryState.QUEUED.value, DeliveryState.RETRY.value)


def _let_go(reason: str | None) -> dict[str, Any]:
    return {"reason": reason[:_REASON_LETTERS] if reason else None, "leased_by": None, "leased_until": None}


def _to_delivery(row: DeliveryRow) -> Delivery:
    return Delivery(
        row.id,
        row.round_id,
        row.member_id,
        row.kind,
        DeliveryState(row.state),
        row.due_at,
        row.attempts,
        row.reason,
        row.forwarded_id,
        tuple(row.failed_on or ()),
    )
