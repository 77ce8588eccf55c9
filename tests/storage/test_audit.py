from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from storage.audit import Audit
from storage.tables import AuditRow

NOW = datetime(2026, 12, 5, 1, 2, 3, 456789, tzinfo=UTC)


def written(opened: Session, count: int = 4) -> list[int]:
    audit = Audit(opened)
    for number in range(count):
        audit.note("member:1", "read reported", f"round:7 member:{number}", now=NOW + timedelta(seconds=number))
    return [entry.id for entry in audit.entries()]


def test_log_is_read_in_order_and_by_what_it_is_about(opened: Session) -> None:
    written(opened)
    [entry] = Audit(opened).entries(about="round:7 member:2")
    assert (entry.actor, entry.action, entry.at) == ("member:1", "read reported", NOW + timedelta(seconds=2))
    assert len(Audit(opened).entries()) == 4


def test_untouched_log_is_whole_after_it_was_stored(opened: Session) -> None:
    assert Audit(opened).first_broken() is None
    written(opened)
    opened.expire_all()
    assert Audit(opened).first_broken() is None


@pytest.mark.parametrize(
    "change", [{"actor": "member:2"}, {"action": "x"}, {"about": "round:8"}, {"at": NOW - timedelta(days=1)}]
)
def test_changed_line_is_found(opened: Session, change: dict[str, Any]) -> None:
    ids = written(opened)
    opened.execute(update(AuditRow).where(AuditRow.id == ids[1]).values(**change))
    opened.expire_all()
    assert Audit(opened).first_broken() == ids[1]


def test_line_that_was_taken_out_is_missed_at_the_next(opened: Session) -> None:
    ids = written(opened)
    opened.execute(delete(AuditRow).where(AuditRow.id == ids[1]))
    opened.expire_all()
    assert Audit(opened).first_broken() == ids[2]
