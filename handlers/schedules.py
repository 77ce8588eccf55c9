"""The schedule of a cell, and opening a round by it."""

import logging
from collections.abc import Mapping
from datetime import date, datetime, timedelta

from assessment.access import Data, Subject, Viewer, may_see
from assessment.model import AssessmentRound, Checklist, Member
from assessment.schedule import (
    OPENED,
    Schedule,
    closes_at,
    due_on,
    local_day,
    opening_at,
    participants,
    sendable_at,
)
from assessment.schedule_settings import from_settings, to_settings
from assessment.steps import focus_of
from handlers.checklists_in_use import checklist_in_use
from storage.store import Transaction

log = logging.getLogger(__name__)
# What a cell has without having set anything: opened by hand, reminded 5 and 2 days before the last day and on it.
DEFAULT_SCHEDULE = Schedule(opening_day=5, due_day=31)
_KEY = "schedule"
_SINCE = "schedule_since"
_OPENED = "opened_by_schedule"
_WAITS = "waits_for_checklist"
# A program that was off for longer does not open a round that nobody expects any more.
_LATE_BY_AT_MOST = timedelta(days=5)
# While a transaction lasts nobody else can write, and there may be thousands of cells.
_CELLS_AT_ONCE = 8
_NO_CHECKLIST = "no-checklist-"


def schedule_of(transaction: Transaction, cell_id: int) -> Schedule:
    """Return the schedule of a cell; DEFAULT_SCHEDULE where none was set."""
    return set_schedule_of(transaction, cell_id) or DEFAULT_SCHEDULE


def set_schedule_of(transaction: Transaction, cell_id: int) -> Schedule | None:
    """Return the schedule that the secretary has set, by which rounds open by themselves; None where none was."""
    return _read(cell_id, transaction.people.cell_settings(cell_id))


def set_schedule(transaction: Transaction, cell_id: int, schedule: Schedule | None, *, now: datetime) -> bool:
    """Set the schedule of a cell, None to open rounds by hand again; return whether that changed anything.

    It opens no round whose time came before it was set.
    """
    if set_schedule_of(transaction, cell_id) == schedule:
        return False
    transaction.people.set_in_cell(cell_id, _KEY, to_settings(schedule) if schedule is not None else None)
    transaction.people.set_in_cell(cell_id, _SINCE, now.isoformat())
    return True


def next_opening(
    transaction: Transaction, cell_id: int, schedule: Schedule, *, now: datetime
) -> tuple[date, datetime] | None:
    """Return the month whose round opens next by a schedule, and when; None where later ones are there already."""
    rounds, this_month = transaction.rounds.of_cell(cell_id), local_day(now).replace(day=1)
    for month in (_before(this_month), this_month, _after(this_month)):
        at = opening_at(month, schedule)
        if at > now and not any(found.month >= month for found in rounds):
            return month, at
    return None


def opened_by_schedule(transaction: Transaction, round_: AssessmentRound) -> bool:
    """Whether a round opened by itself, as far as it is the latest that did."""
    return bool(transaction.people.cell_settings(round_.cell_id).get(_OPENED) == round_.month.isoformat())


def due_day(month: date, schedule: Schedule, *, today: date) -> date:
    """Return the day on which a round opened today is due: by the schedule, or where that is over the month's last."""
    due = due_on(month, schedule)
    return due if due >= today else due_on(month, DEFAULT_SCHEDULE)


def open_round(
    transaction: Transaction, cell_id: int, month: date, checklist: Checklist, *, now: datetime
) -> tuple[AssessmentRound, list[int] | None]:
    """Open a cell's round and queue the news; return it and whom it is told, None where it was open before."""
    schedule, today = schedule_of(transaction, cell_id), local_day(now)
    opened, is_new = transaction.rounds.open(
        cell_id,
        month,
        checklist=(checklist.id, checklist.version),
        opened_on=today,
        due_on=due_day(month, schedule, today=today),
        grace_days=schedule.grace_days,
        focus=focus_of(checklist, month),
    )
    if not is_new:
        return opened, None
    members = transaction.people.members_of(cell_id)
    silent = transaction.consents.taken_back([member.id for member in members])
    members = [member for member in members if member.has_phone and member.id not in silent]
    told = [member.id for member in participants(opened, members, [], day=today)]
    at = sendable_at(now, schedule)
    transaction.outbox.queue(opened.id, OPENED, told, due_at=at, expires_at=closes_at(opened))
    return opened, told


def open_some_due(
    transaction: Transaction, checklists: Mapping[tuple[str, int], Checklist], *, now: datetime, after: int = 0
) -> int | None:
    """Open the rounds whose time has come by the schedules of their cells, in a few cells.

    Args:
        after: 0, or what the call before returned.
    Returns:
        after which cell to go on in another transaction; None when all are done.
    """
    opened_in: dict[date, frozenset[int]] = {}
    looked_at = 0
    for cell_id, settings in transaction.people.settings_of_cells(after):
        schedule = _read(cell_id, settings)
        if schedule is None:
            continue
        since = settings.get(_SINCE)
        for month in _due_months(schedule, now):
            if month not in opened_in:
                opened_in[month] = transaction.rounds.cells_of_month(month)
            is_meant = since is None or datetime.fromisoformat(since) <= opening_at(month, schedule)
            if is_meant and cell_id not in opened_in[month]:
                _open_unless_there(transaction, checklists, cell_id, month, schedule, now)
                looked_at += 1
        if looked_at >= _CELLS_AT_ONCE:
            return cell_id
    return None


def _due_months(schedule: Schedule, now: datetime) -> list[date]:
    """Return the months whose round is to be open now: this one, or the one before where a pause moved it into this."""
    today = local_day(now)
    if schedule.first_free_day(today) != today:
        return []
    this_month = today.replace(day=1)
    openings = ((month, opening_at(month, schedule)) for month in (_before(this_month), this_month))
    return [
        month
        for month, at in openings
        if at <= now < at + _LATE_BY_AT_MOST
        and local_day(at).replace(day=1) == this_month
        and due_on(month, schedule) >= today
    ]


def _open_unless_there(
    transaction: Transaction,
    checklists: Mapping[tuple[str, int], Checklist],
    cell_id: int,
    month: date,
    schedule: Schedule,
    now: datetime,
) -> None:
    today = local_day(now)
    if any(found.month >= month for found in transaction.rounds.of_cell(cell_id)):
        return
    members = [member for member in transaction.people.members_of(cell_id) if member.belongs_on(today)]
    if not members:
        return
    checklist = checklist_in_use(transaction, checklists, on=today)
    if checklist is None:
        if transaction.people.cell_settings(cell_id).get(_WAITS) != month.isoformat():
            # Said once, not every time the scheduler wakes.
            transaction.people.set_in_cell(cell_id, _WAITS, month.isoformat())
            log.warning("cell %d: its round is due, and no checklist may be used: an admin confirms one", cell_id)
            about = Subject(cell_id, transaction.people.cell(cell_id).organization_id)
            told = [each for each in members if each.has_phone and may_open(each, about)]
            at, until = sendable_at(now, schedule), opening_at(month, schedule) + _LATE_BY_AT_MOST
            for member in told:
                transaction.outbox.queue_notice(no_checklist_kind(month), member.id, due_at=at, expires_at=until)
        return
    found, is_told = open_round(transaction, cell_id, month, checklist, now=now)
    if is_told is None:
        return
    transaction.people.set_in_cell(cell_id, _OPENED, month.isoformat())
    transaction.audit.note("schedule", "open round", f"round:{found.id}", now=now)


def may_open(member: Member, cell: Subject) -> bool:
    """Whether a member opens the rounds of a cell."""
    return may_see(Viewer(member.id, member.cell_id, member.roles), Data.ROUNDS, cell)


def no_checklist_kind(month: date) -> str:
    """Name the message that a month's round could not open by itself, for want of a checklist."""
    return f"{_NO_CHECKLIST}{month:%Y-%m}"


def month_without_checklist(kind: str) -> date | None:
    """Return the month that such a message is about; None for messages of other kinds."""
    if not kind.startswith(_NO_CHECKLIST):
        return None
    return date.fromisoformat(f"{kind.removeprefix(_NO_CHECKLIST)}-01")


def _before(month: date) -> date:
    return (month - timedelta(days=1)).replace(day=1)


def _after(month: date) -> date:
    return (month + timedelta(days=31)).replace(day=1)


def _read(cell_id: int, settings: Mapping[str, object]) -> Schedule | None:
    kept = settings.get(_KEY)
    if not isinstance(kept, dict):
        return None
    try:
        return from_settings(kept)
    except ValueError as error:
        log.error("cell %d: %s", cell_id, error)
        return None
