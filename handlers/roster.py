"""Put a roster into the store, row by row, all of it or nothing."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from assessment.model import Role
from assessment.roster import RosterCell, RosterResult, RosterRow, RowOutcome, plan_roster
from assessment.schedule import local_day
from storage.store import Transaction

CODE_VALID_FOR = timedelta(days=14)
# Where a roster names no organization.
DEFAULT_ORGANIZATION = "Đảng bộ cơ sở"


def import_roster(
    transaction: Transaction, rows: Sequence[RosterRow], *, now: datetime, dry_run: bool
) -> list[tuple[RosterResult, str | None]]:
    """Return what became of each row, with a one-time code for who is new and has a phone; a dry run does nothing."""
    people, today = transaction.people, local_day(now)
    plan = plan_roster(rows, people.known_members(), people.roster_cells(), today)
    if dry_run:
        return [(result, None) for result in plan.results]
    cells: dict[RosterCell, int] = {}
    for cell in plan.new_cells:
        cells[cell] = people.add_cell(people.add_organization(cell.organization or DEFAULT_ORGANIZATION), cell.name)
    reported: list[tuple[RosterResult, str | None]] = []
    for result in plan.results:
        code = None
        if result.outcome is RowOutcome.ADDED:
            member_id = people.add_member(
                result.cell.id or cells[result.cell],
                result.name,
                roles=result.roles,
                card_number=result.card_number or None,
                phone=result.phone or None,
                has_phone=result.has_phone,
                admitted_on=result.admitted_on,
            )
            if result.has_phone:
                code = people.issue_code(member_id, now=now, valid_for=CODE_VALID_FOR)
        elif result.outcome is RowOutcome.CHANGED and result.member_id is not None:
            people.change_member(
                result.member_id,
                name=result.name,
                card_number=result.card_number or None,
                phone=result.phone or None,
                has_phone=result.has_phone,
                admitted_on=result.admitted_on,
            )
            people.set_roles(result.member_id, result.roles - {Role.MEMBER})
            people.move(result.member_id, result.cell.id or cells[result.cell], on=today)
        reported.append((result, code))
    counts = ",".join(f"{outcome.value}:{plan.count(outcome)}" for outcome in RowOutcome)
    transaction.audit.note("admin", "roster import", counts, now=now)
    return reported
