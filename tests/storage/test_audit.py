from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from storage.audit import Audit, AuditFinding, _hash
from storage.tables import AuditHeadRow, AuditRow
from storage.vault import Vault, VaultError
from tests.storage.builders import a_vault

NOW = datetime(2026, 12, 5, 1, 2, 3, 456789, tzinfo=UTC)


def written(opened: Session, count: int = 4) -> list[int]:
    audit = Audit(opened, a_vault())
    for number in range(count):
        audit.note("member:1", "read reported", f"round:7 member:{number}", now=NOW + timedelta(seconds=number))
    return [entry.id for entry in audit.entries()]


def test_log_is_read_in_order_and_by_what_it_is_about(opened: Session) -> None:
    written(opened)
    [entry] = Audit(opened, a_vault()).entries(about="round:7 member:2")
    assert (entry.actor, entry.action, entry.at) == ("member:1", "read reported", NOW + timedelta(seconds=2))
    assert len(Audit(opened, a_vault()).entries()) == 4


def test_untouched_log_is_whole_after_it_was_stored(opened: Session) -> None:
    assert Audit(opened, a_vault()).inspect().broken is None
    written(opened)
    opened.expire_all()
    assert Audit(opened, a_vault()).inspect().broken is None


@pytest.mark.parametrize(
    "change", [{"actor": "member:2"}, {"action": "x"}, {"about": "round:8"}, {"at": NOW - timedelta(days=1)}]
)
def test_changed_line_is_found(opened: Session, change: dict[str, Any]) -> None:
    ids = written(opened)
    opened.execute(update(AuditRow).where(AuditRow.id == ids[1]).values(**change))
    opened.expire_all()
    assert Audit(opened, a_vault()).inspect().broken == ids[1]


def test_line_that_was_taken_out_is_missed_at_the_next(opened: Session) -> None:
    ids = written(opened)
    opened.execute(delete(AuditRow).where(AuditRow.id == ids[1]))
    opened.expire_all()
    assert Audit(opened, a_vault()).inspect().broken == ids[2]


# --- the end of the log ------------------------------------------------------------------------------------------


def finding(opened: Session, vault: Vault | None = None) -> AuditFinding:
    opened.expire_all()
    return Audit(opened, vault or a_vault()).inspect()


def test_untouched_log_is_complete(opened: Session) -> None:
    assert finding(opened) == AuditFinding(0, None, 0, is_sealed=False, is_complete=True)
    written(opened)
    assert finding(opened) == AuditFinding(4, None, 4, is_sealed=True, is_complete=True)


def test_end_that_was_cut_off_is_missed(opened: Session) -> None:
    ids = written(opened)
    opened.execute(delete(AuditRow).where(AuditRow.id >= ids[2]))
    assert finding(opened) == AuditFinding(2, None, 4, is_sealed=True, is_complete=False)


def test_end_that_was_cut_off_stays_missed_whatever_is_written_afterwards(opened: Session) -> None:
    ids = written(opened)
    opened.execute(delete(AuditRow).where(AuditRow.id == ids[3]))
    opened.expire_all()
    written(opened, 2)
    found = finding(opened)
    assert (found.lines, found.written, found.broken, found.is_complete) == (5, 6, None, False)


def test_end_written_anew_without_a_key_does_not_fit(opened: Session) -> None:
    ids = written(opened)
    [last] = opened.scalars(select(AuditRow).where(AuditRow.id == ids[3]))
    before = opened.scalars(select(AuditRow.hash).where(AuditRow.id == ids[2])).one()
    last.about = "round:7 member:9"
    # The chain itself needs no key; whoever can write the table can make it fit.
    last.hash = _hash(before, last)
    opened.flush()
    found = finding(opened)
    assert (found.broken, found.lines, found.written, found.is_complete) == (None, 4, 4, False)
    Audit(opened, a_vault()).note("member:1", "export", "round:7", now=NOW)
    assert not finding(opened).is_complete


def test_head_that_was_taken_away_is_missed_even_with_the_whole_log(opened: Session) -> None:
    written(opened)
    opened.execute(delete(AuditHeadRow))
    assert finding(opened) == AuditFinding(4, None, None, is_sealed=True, is_complete=False)
    opened.execute(delete(AuditRow))
    assert not finding(opened).is_complete
    written(opened, 1)
    assert not finding(opened).is_complete


def test_head_made_with_another_key_is_none(opened: Session) -> None:
    ids = written(opened)
    opened.execute(delete(AuditRow).where(AuditRow.id == ids[3]))
    opened.execute(update(AuditHeadRow).values(key_id="", mac="", lines=0))
    forger = Vault({"k": bytes(range(32))}, "k")
    opened.expire_all()
    Audit(opened, forger).note("member:1", "export", "round:7", now=NOW)
    assert not finding(opened).is_complete
    assert finding(opened, forger).is_complete


def test_log_from_before_it_was_sealed_is_sealed_with_its_next_line(opened: Session) -> None:
    written(opened)
    opened.execute(update(AuditHeadRow).values(key_id="", mac="", lines=0))
    assert not finding(opened).is_sealed
    opened.expire_all()
    written(opened, 1)
    assert finding(opened) == AuditFinding(5, None, 5, is_sealed=True, is_complete=True)


def test_new_key_seals_the_end_anew_and_one_that_does_not_fit_stays(opened: Session) -> None:
    ids = written(opened)
    ring = {"k": bytes(32), "new": bytes(range(32))}
    after = Audit(opened, Vault(ring, "new"))
    after.note("member:1", "export", "round:7", now=NOW)
    assert finding(opened).is_complete, "until it is sealed anew, the old key goes on"
    assert after.reseal()
    assert not after.reseal()
    assert finding(opened, Vault({"new": ring["new"]}, "new")).is_complete
    opened.execute(delete(AuditRow).where(AuditRow.id == ids[3]))
    opened.expire_all()
    assert not Audit(opened, Vault({**ring, "third": bytes(reversed(range(32)))}, "third")).reseal()
    assert not finding(opened, Vault(ring, "new")).is_complete


def test_log_sealed_with_a_key_that_is_gone_says_which(opened: Session) -> None:
    written(opened)
    with pytest.raises(VaultError, match="key 'k' is not in the ring"):
        finding(opened, Vault({"new": bytes(range(32))}, "new"))
