"""Who did or read what, in an order that cannot be changed unseen."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from storage.tables import AuditHeadRow, AuditRow
from storage.vault import Vault

_FIRST = "0" * 64
_HEAD = 1


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One line of the log, without content: who, did what, about what ("round:7 member:3")."""

    id: int
    at: datetime
    actor: str
    action: str
    about: str


@dataclass(frozen=True, slots=True)
class AuditFinding:
    """What became of the log since it was written.

    Attributes:
        lines: how many there are.
        broken: the first line that was changed, or that follows on one taken out; None where there is none.
        written: how many lines were written by those who have a key; None where that cannot be told, because what
            tells it was taken away.
        is_sealed: false for a log from before it was sealed, until the next line is written.
        is_complete: the sealed head fits the lines: none was cut off at the end, none was put there without a key.
    """

    lines: int
    broken: int | None
    written: int | None
    is_sealed: bool
    is_complete: bool


class Audit:
    """Writes and verifies the log.

    Every row holds a hash over itself and the row before it, which shows what was changed or taken out in the middle.
    A row of its own holds a keyed hash over all of them, which shows what was cut off at the end, or written there by
    somebody who has the database and no key. It cannot show that the whole database was put back to an older state,
    the head with it, nor what somebody does who has the key.
    """

    def __init__(self, opened: Session, vault: Vault) -> None:
        self._session = opened
        self._vault = vault

    def note(self, actor: str, action: str, about: str, *, now: datetime) -> None:
        """Add a line."""
        self._take_turns()
        head = self._head()
        if head is not None and not head.key_id:
            self._seal(head)
        before = self._session.scalar(select(AuditRow.hash).order_by(AuditRow.id.desc()).limit(1)) or _FIRST
        row = AuditRow(at=now, actor=actor, action=action, about=about, hash="")
        row.hash = _hash(before, row)
        self._session.add(row)
        if head is not None:
            # It goes on from what it was, so that a log that did not fit it never will.
            head.lines, head.mac = head.lines + 1, self._next(head.mac, row.hash, head.key_id)
        self._session.flush()

    def entries(self, *, about: str | None = None) -> list[AuditEntry]:
        """Return the log, or its lines about one thing, oldest first."""
        query = select(AuditRow).order_by(AuditRow.id)
        if about is not None:
            query = query.where(AuditRow.about == about)
        return [AuditEntry(row.id, row.at, row.actor, row.action, row.about) for row in self._session.scalars(query)]

    def latest_at(self) -> datetime | None:
        """Return the time of the last line; None for an empty log."""
        return self._session.scalar(select(AuditRow.at).order_by(AuditRow.id.desc()).limit(1))

    def inspect(self) -> AuditFinding:
        """Return whether the log is as it was written.

        Raises:
            VaultError: the key that seals its end is not in the ring.
        """
        head = self._head()
        before, mac, lines, broken = _FIRST, "", 0, None
        for row in self._session.scalars(select(AuditRow).order_by(AuditRow.id)).yield_per(1000):
            if broken is None and row.hash != _hash(before, row):
                broken = row.id
            before, lines = row.hash, lines + 1
            if head is not None and head.key_id:
                mac = self._next(mac, row.hash, head.key_id)
        if head is None:
            return AuditFinding(lines, broken, None, is_sealed=True, is_complete=False)
        if not head.key_id:
            return AuditFinding(lines, broken, lines, is_sealed=False, is_complete=True)
        fits = head.lines == lines and head.mac == mac
        return AuditFinding(lines, broken, head.lines, is_sealed=True, is_complete=fits)

    def reseal(self) -> bool:
        """Seal the end anew with the current key; return whether that was to be done.

        A log that does not fit its head keeps it: a new one would hide that.
        """
        self._take_turns()
        head = self._head()
        if head is None or head.key_id in ("", self._vault.current) or not self.inspect().is_complete:
            return False
        self._seal(head)
        self._session.flush()
        return True

    def _seal(self, head: AuditHeadRow) -> None:
        mac, lines, key_id = "", 0, self._vault.current
        for line in self._session.scalars(select(AuditRow.hash).order_by(AuditRow.id)):
            mac, lines = self._next(mac, line, key_id), lines + 1
        head.lines, head.key_id, head.mac = lines, key_id, mac

    def _next(self, mac: str, line: str, key_id: str) -> str:
        return self._vault.mac(f"audit:{mac}:{line}", key_id=key_id)

    def _head(self) -> AuditHeadRow | None:
        return self._session.get(AuditHeadRow, _HEAD, populate_existing=True)

    def _take_turns(self) -> None:
        if self._session.get_bind().dialect.name == "postgresql":
            # The chain has one end: writers take turns. SQLite has one writer anyhow.
            self._session.execute(text("SELECT pg_advisory_xact_lock(20261124)"))


def _hash(before: str, row: AuditRow) -> str:
    content = "\x1f".join([before, row.at.isoformat(timespec="microseconds"), row.actor, row.action, row.about])
    return hashlib.sha256(content.encode()).hexdigest()
