"""Messages that people are to hear once: claimed, sent, never sent twice knowingly."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, cast

from sqlalchemy import CursorResult, func, or_, select, update
from sqlalchemy.orm import Session

from storage.database import insert_unless_there
from storage.tables import DeliveryRow

LEASE = timedelta(minutes=2)
_INSERT_ROWS = 1000


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
    """A message to one member about one round; attempts counts the times it was claimed."""

    id: int
    round_id: int
    member_id: int
    kind: str
    state: DeliveryState
    due_at: datetime
    attempts: int
    reason: str | None


class Outbox:
    """The queue of deliveries in the database.

    A row is claimed by a compare-and-set on its state and leased for a while. A lease that ran out says that the
    sender stopped between claiming and telling: the row becomes UNKNOWN.
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

    def claim(self, worker: str, *, now: datetime, limit: int = 1) -> list[Delivery]:
        """Take what is due, the longest due first, for one sender alone; what is too old is put aside instead."""
        waiting = (DeliveryState.QUEUED.value, DeliveryState.RETRY.value)
        expired = update(DeliveryRow).where(DeliveryRow.state.in_(waiting), DeliveryRow.expires_at <= now)
        self._session.execute(expired.values(state=DeliveryState.TOO_OLD.value, finished_at=now))
        due = (
            select(DeliveryRow)
            .where(DeliveryRow.state.in_(waiting), DeliveryRow.due_at <= now)
            .order_by(DeliveryRow.due_at, DeliveryRow.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        claimed = []
        for row in self._session.scalars(due):
            row.state, row.attempts = DeliveryState.SENDING.value, row.attempts + 1
            row.leased_by, row.leased_until = worker, now + LEASE
            claimed.append(_to_delivery(row))
        self._session.flush()
        return claimed

    def sent(self, delivery_id: int, worker: str, *, now: datetime) -> bool:
        """Note that a message arrived; false where the lease was lost meanwhile."""
        return self._finish(delivery_id, worker, DeliveryState.SENT, None, now)

    def failed(self, delivery_id: int, worker: str, reason: str, *, now: datetime) -> bool:
        """Note that a message cannot be delivered, and why; it is not tried again."""
        return self._finish(delivery_id, worker, DeliveryState.FAILED, reason, now)

    def unknown(self, delivery_id: int, worker: str, reason: str, *, now: datetime) -> bool:
        """Note that nobody can tell whether a message arrived; it is not tried again by itself."""
        return self._finish(delivery_id, worker, DeliveryState.UNKNOWN, reason, now)

    def retry(self, delivery_id: int, worker: str, reason: str, *, at: datetime) -> bool:
        """Put back what surely did not arrive, to be tried again at a time."""
        change = self._leased(delivery_id, worker).values(
            state=DeliveryState.RETRY.value, due_at=at, reason=reason, leased_by=None, leased_until=None
        )
        return cast("CursorResult[Any]", self._session.execute(change)).rowcount == 1

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

    def counts(self) -> dict[DeliveryState, int]:
        """Return how many deliveries are in each state that occurs."""
        query = select(DeliveryRow.state, func.count()).group_by(DeliveryRow.state)
        return {DeliveryState(state): count for state, count in self._session.execute(query)}

    def _leased(self, delivery_id: int, worker: str) -> Any:
        return update(DeliveryRow).where(
            DeliveryRow.id == delivery_id,
            DeliveryRow.state == DeliveryState.SENDING.value,
            DeliveryRow.leased_by == worker,
        )

    def _finish(self, delivery_id: int, worker: str, state: DeliveryState, reason: str | None, now: datetime) -> bool:
        change = self._leased(delivery_id, worker).values(
            state=state.value, reason=reason, finished_at=now, leased_by=None, leased_until=None
        )
        return cast("CursorResult[Any]", self._session.execute(change)).rowcount == 1


def _to_delivery(row: DeliveryRow) -> Delivery:
    return Delivery(
        row.id, row.round_id, row.member_id, row.kind, DeliveryState(row.state), row.due_at, row.attempts, row.reason
    )
