"""What platforms sent us: kept before it is confirmed to them, handled in order, each once.

A chat belongs to one worker at a time, by a lease on all its waiting rows; the worker renews it for as long as it is
alive. A row is done in the same transaction that keeps what was said to it, and only by the worker that still holds
it: where two have handled the same row, one of the two transactions comes to nothing.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import CursorResult, Table, bindparam, delete, func, or_, select, update
from sqlalchemy.orm import Session

from storage.database import insert_unless_there
from storage.sealed import about_update
from storage.tables import IncomingUpdateRow, UsedInitDataRow
from storage.vault import Sealed, Vault

WAITING, DONE, ASIDE = "waiting", "done", "aside"
LEASE = timedelta(seconds=15)
_REASON_LETTERS = 200
_ROWS = cast("Table", IncomingUpdateRow.__table__)
# Put together once: making a statement anew takes longer than what it does.
_DONE = (
    update(_ROWS)
    .where(_ROWS.c.id == bindparam("of_id"), _ROWS.c.state == WAITING, _ROWS.c.leased_by == bindparam("of_worker"))
    .values(state=DONE, key_id=None, sealed=None, leased_by=None, leased_until=None)
)
_KNOWN = select(_ROWS.c.external_id).where(
    _ROWS.c.channel == bindparam("of_channel"), _ROWS.c.external_id.in_(bindparam("named", expanding=True))
)
_OLDER = _ROWS.alias("older")
_HEADS = (
    select(_ROWS.c.channel, _ROWS.c.order_key)
    .where(
        _ROWS.c.state == WAITING,
        _ROWS.c.channel.in_(bindparam("of_channels", expanding=True)),
        _ROWS.c.due_at <= bindparam("at"),
        or_(
            _ROWS.c.leased_until.is_(None),
            _ROWS.c.leased_until <= bindparam("at"),
            _ROWS.c.leased_by == bindparam("of_worker"),
        ),
        ~select(_OLDER.c.id)
        .where(
            _OLDER.c.state == WAITING,
            _OLDER.c.channel == _ROWS.c.channel,
            _OLDER.c.order_key == _ROWS.c.order_key,
            _OLDER.c.id < _ROWS.c.id,
        )
        .exists(),
    )
    .order_by(_ROWS.c.id)
    .limit(bindparam("at_most"))
    .with_for_update(skip_locked=True)
)
_HEADS_OF_CHATS = _HEADS.where(_ROWS.c.order_key.in_(bindparam("of_keys", expanding=True)))
_TAKE = (
    update(_ROWS)
    .where(
        _ROWS.c.state == WAITING,
        _ROWS.c.channel == bindparam("of_channel"),
        _ROWS.c.order_key.in_(bindparam("of_keys", expanding=True)),
    )
    .returning(*_ROWS.c)
)


class LeaseLostError(Exception):
    """Another worker has taken an update over: what was done for it here must not be kept."""


@dataclass(frozen=True, slots=True)
class KeptUpdate:
    """An update that is to be handled.

    Attributes:
        body: JSON, as the platform sent it; "" where it was destroyed.
        attempts: so many tries have failed.
    """

    id: int
    channel: str
    external_id: str
    order_key: str
    body: str
    attempts: int
    received_at: datetime
    reason: str | None = None


class Inbox:
    """The updates, within one transaction."""

    def __init__(self, opened: Session, vault: Vault) -> None:
        self._session = opened
        self._vault = vault

    def put(self, channel: str, updates: Sequence[tuple[str, str, str]], *, now: datetime) -> set[str]:
        """Keep updates, in order; one that came before changes nothing.

        Args:
            updates: (external id, order key, JSON).
        Returns:
            the order keys of those that are new.
        """
        ids = [external_id for external_id, _, _ in updates]
        known = self._session.scalars(_KNOWN, {"of_channel": channel, "named": ids})
        seen, rows, keys = set(known), list[dict[str, Any]](), set[str]()
        for external_id, order_key, body in updates:
            if external_id in seen:
                continue
            seen.add(external_id)
            keys.add(order_key)
            sealed = self._vault.seal(body, about=about_update(channel, external_id))
            rows.append(
                {
                    "channel": channel,
                    "external_id": external_id,
                    "order_key": order_key,
                    "key_id": sealed.key_id,
                    "sealed": sealed.data,
                    "state": WAITING,
                    "attempts": 0,
                    "received_at": now,
                    "due_at": now,
                }
            )
        if rows:
            # Another process may have been faster by a moment.
            insert_unless_there(self._session, IncomingUpdateRow, rows)
        return keys

    def claim(
        self,
        worker: str,
        channels: Collection[str],
        *,
        now: datetime,
        limit: int = 64,
        chats: Collection[tuple[str, str]] | None = None,
    ) -> list[KeptUpdate]:
        """Take over what waits and nobody holds, whole chats at a time; return it in the order it came.

        Args:
            limit: at most so many chats.
            chats: (channel, order key): only these.
        """
        at = {"of_channels": list(channels), "at": now, "of_worker": worker, "at_most": limit}
        if chats is None:
            found = self._session.execute(_HEADS, at).all()
        else:
            found = self._session.execute(_HEADS_OF_CHATS, {**at, "of_keys": [key for _, key in chats]}).all()
        wanted = [chat for chat in map(tuple, found) if chats is None or chat in chats]
        claimed: list[KeptUpdate] = []
        for channel in {channel for channel, _ in wanted}:
            keys = [key for name, key in wanted if name == channel]
            lease = {"leased_by": worker, "leased_until": now + LEASE}
            taken = self._session.execute(_TAKE, {"of_channel": channel, "of_keys": keys, **lease})
            claimed += [self._open(each) for each in taken]
        return sorted(claimed, key=lambda each: each.id)

    def renew(self, worker: str, *, now: datetime) -> None:
        """Hold on to what a worker holds."""
        held = update(_ROWS).where(_ROWS.c.state == WAITING, _ROWS.c.leased_by == worker)
        self._session.execute(held.values(leased_until=now + LEASE))

    def release(self, worker: str) -> None:
        """Let go of what a worker holds, so that another may go on at once."""
        held = update(_ROWS).where(_ROWS.c.state == WAITING, _ROWS.c.leased_by == worker)
        self._session.execute(held.values(leased_by=None, leased_until=None))

    def done(self, update_id: int, worker: str, *, now: datetime) -> None:
        """Note that an update was handled, and destroy what it said.

        Raises:
            LeaseLostError: another worker holds it, or it is done.
        """
        over = {"of_id": update_id, "of_worker": worker, "finished_at": now}
        if cast("CursorResult[Any]", self._session.execute(_DONE, over)).rowcount != 1:
            raise LeaseLostError

    def failed(
        self, update_id: int, worker: str, reason: str, *, now: datetime, again_at: datetime, most_attempts: int
    ) -> bool:
        """Note that handling an update has failed; return whether it was put aside.

        Args:
            again_at: when it is tried again; those behind it in its chat wait.
            most_attempts: after so many it is put aside, for an administrator to look at.
        """
        query = select(_ROWS.c.attempts).where(_ROWS.c.id == update_id, _ROWS.c.state == WAITING)
        before = self._session.scalar(query)
        if before is None:
            return False
        is_over = before + 1 >= most_attempts
        change = self._held(update_id, worker).values(
            attempts=before + 1,
            state=ASIDE if is_over else WAITING,
            due_at=again_at,
            finished_at=now if is_over else None,
            reason=reason[:_REASON_LETTERS],
        )
        return cast("CursorResult[Any]", self._session.execute(change)).rowcount == 1 and is_over

    def aside(self, *, limit: int = 100) -> list[KeptUpdate]:
        """Return what was put aside, the oldest first, without what it says."""
        query = select(*_ROWS.c).where(_ROWS.c.state == ASIDE).order_by(_ROWS.c.id).limit(limit)
        return [self._open(each, without_body=True) for each in self._session.execute(query)]

    def try_again(self, *, now: datetime) -> int:
        """Let wait again, from the first try on, what was put aside; return how many."""
        change = (
            update(_ROWS)
            .where(_ROWS.c.state == ASIDE)
            .values(state=WAITING, attempts=0, due_at=now, finished_at=None, leased_by=None, leased_until=None)
        )
        return cast("CursorResult[Any]", self._session.execute(change)).rowcount

    def give_up(self, *, now: datetime) -> int:
        """Destroy what was put aside; that it came is still known. Return how many."""
        change = update(_ROWS).where(_ROWS.c.state == ASIDE)
        gone = change.values(state=DONE, finished_at=now, key_id=None, sealed=None)
        return cast("CursorResult[Any]", self._session.execute(gone)).rowcount

    def counts(self) -> dict[str, int]:
        """Return how many updates wait and how many were put aside."""
        query = select(_ROWS.c.state, func.count()).where(_ROWS.c.state.in_((WAITING, ASIDE))).group_by(_ROWS.c.state)
        return {str(state): int(count) for state, count in self._session.execute(query)}

    def oldest_waiting(self) -> datetime | None:
        """Return when the oldest update came that was not handled; None where none waits."""
        return self._session.scalar(
            select(func.min(IncomingUpdateRow.received_at)).where(IncomingUpdateRow.state == WAITING)
        )

    def forget_before(self, at: datetime, *, limit: int = 2000) -> int:
        """Forget the names of what was done before a time, and the proofs used before; return how many.

        No platform sends anything again after days.
        """
        old = select(_ROWS.c.id).where(_ROWS.c.state == DONE, _ROWS.c.finished_at < at).limit(limit)
        forgotten = cast("CursorResult[Any]", self._session.execute(delete(_ROWS).where(_ROWS.c.id.in_(old)))).rowcount
        used = delete(UsedInitDataRow).where(UsedInitDataRow.used_at < at)
        return forgotten + cast("CursorResult[Any]", self._session.execute(used)).rowcount

    def use_init_data(self, digest: str, chat_id: str, *, now: datetime) -> bool:
        """Note that a web chat has given a proof; false where another one had given the same before."""
        row = {"digest": digest, "chat_id": chat_id, "used_at": now}
        insert_unless_there(self._session, UsedInitDataRow, [row])
        query = select(UsedInitDataRow.chat_id).where(UsedInitDataRow.digest == digest)
        return self._session.scalar(query) == chat_id

    def _held(self, update_id: int, worker: str) -> Any:
        return update(_ROWS).where(_ROWS.c.id == update_id, _ROWS.c.state == WAITING, _ROWS.c.leased_by == worker)

    def _open(self, row: Any, *, without_body: bool = False) -> KeptUpdate:
        body = ""
        if row.sealed is not None and not without_body:
            body = self._vault.open(Sealed(row.key_id, row.sealed), about=about_update(row.channel, row.external_id))
        return KeptUpdate(
            row.id, row.channel, row.external_id, row.order_key, body, row.attempts, row.received_at, row.reason
        )
