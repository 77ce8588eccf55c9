"""Who did or read what, in an order that cannot be changed unseen."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from storage.tables import AuditRow

_FIRST = "0" * 64


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One line of the log, without content: who, did what, about what ("round:7 member:3")."""

    id: int
    at: datetime
    actor: str
    action: str
    about: str


class Audit:
    """Writes and verifies the log; every row holds a hash over itself and the row before it."""

    def __init__(self, opened: Session) -> None:
        self._session = opened

    def note(self, actor: str, action: str, about: str, *, now: datetime) -> None:
        """Add a line."""
        if self._session.get_bind().dialect.name == "postgresql":
            # The chain has one end: writers take turns. SQLite has one writer anyhow.
            self._session.execute(text("SELECT pg_advisory_xact_lock(20261124)"))
        before = self._session.scalar(select(AuditRow.hash).order_by(AuditRow.id.desc()).limit(1)) or _FIRST
        row = AuditRow(at=now, actor=actor, action=action, about=about, hash="")
        row.hash = _hash(before, row)
        self._session.add(row)
        self._session.flush()

    def entries(self, *, about: str | None = None) -> list[AuditEntry]:
        """Return the log, or its lines about one thing, oldest first."""
        query = select(AuditRow).order_by(AuditRow.id)
        if about is not None:
            query = query.where(AuditRow.about == about)
        return [AuditEntry(row.id, row.at, row.actor, row.action, row.about) for row in self._session.scalars(query)]

    def first_broken(self) -> int | None:
        """Return the id of the first line that was changed, or that follows on one taken out; None if all is well."""
        before = _FIRST
        for row in self._session.scalars(select(AuditRow).order_by(AuditRow.id)).yield_per(1000):
            if row.hash != _hash(before, row):
                return row.id
            before = row.hash
        return None


def _hash(before: str, row: AuditRow) -> str:
    content = "\x1f".join([before, row.at.isoformat(timespec="microseconds"), row.actor, row.action, row.about])
    return hashlib.sha256(content.encode()).hexdigest()
