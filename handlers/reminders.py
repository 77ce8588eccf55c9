"""Who hears from us now, and what we say."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime

from assessment.access import Data, Subject, Viewer, may_see
from assessment.model import AssessmentRound, Cell, Checklist, Member
from assessment.schedule import (
    OPENED,
    RoundState,
    due_day_ends_at,
    due_reminders,
    local_day,
    participants,
    round_state,
    sendable_at,
)
from handlers import calendar_texts, forwarding_texts, secretary_texts
from handlers.forwarding import may_receive
from handlers.messages import Reply, say
from handlers.schedules import may_open, month_without_checklist, open_some_due, opened_by_schedule, schedule_of
from storage.outbox import Delivery
from storage.people import Link
from storage.store import Transaction

_ROUNDS_AT_ONCE = 8
_BY_HAND = "by-hand-"
# The channel on which we cannot call.
_PAGE = "web"


@dataclass(frozen=True, slots=True)
class Composed:
    """A message and the chat it goes to; without a chat, when to try again or the reason why nobody is to hear it."""

    reply: Reply | None = None
    link: Link | None = None
    reason: str = ""
    wait_until: datetime | None = None


def queue_some(
    transaction: Transaction, *, now: datetime, checklists: Mapping[tuple[str, int], Checklist] | None, after: int = 0
) -> int | None:
    """Open the rounds whose time has come, in a few cells at a time, then queue what is due in a few rounds.

    While a transaction lasts nobody else can write, and there may be thousands of cells.

    Args:
        checklists: what rounds may be opened with; without, none is opened.
        after: 0, or what the call before returned.
    Returns:
        where to go on in another transaction; None when all are done.
    """
    if checklists is not None and after <= 0:
        # Below zero it goes on with the opening, after so many cells; above with what is due in rounds.
        opened_to = open_some_due(transaction, checklists, now=now, after=-after)
        if opened_to is not None:
            return -opened_to
    rounds = [found for found in transaction.rounds.still_open(local_day(now)) if found.id > after]
    for found in rounds[:_ROUNDS_AT_ONCE]:
        _queue_round(transaction, found, now)
    return rounds[_ROUNDS_AT_ONCE - 1].id if len(rounds) > _ROUNDS_AT_ONCE else None


def _queue_round(transaction: Transaction, found: AssessmentRound, now: datetime) -> None:
    schedule = schedule_of(transaction, found.cell_id)
    members = transaction.people.members_of(found.cell_id)
    responses, deliveries = transaction.rounds.outlines(found.id), transaction.outbox.of_round(found.id)
    sent = {(found.id, d.member_id, d.kind) for d in deliveries}
    silent = transaction.consents.taken_back([member.id for member in members])
    # Whom the secretary's own reminder reaches today is not reminded by us on top of it.
    silent |= {d.member_id for d in deliveries if is_by_hand(d.kind) and local_day(d.due_at) == local_day(now)}
    members = [member for member in members if member.id not in silent]
    due: dict[tuple[str, datetime], list[int]] = {}
    for reminder in due_reminders(found, members, responses, schedule, now=now, already_sent=sent):
        due.setdefault((reminder.kind, reminder.due_at), []).append(reminder.member_id)
    queue, expires_at = transaction.outbox.queue, due_day_ends_at(found)
    for (kind, at), ids in due.items():
        queue(found.id, kind, ids, due_at=at, expires_at=expires_at)


def by_hand_kind(on: date) -> str:
    """Name the reminder that a secretary sends on a day."""
    return f"{_BY_HAND}{on:%Y-%m-%d}"


def is_by_hand(kind: str) -> bool:
    """Whether a message is a secretary's own reminder."""
    return kind.startswith(_BY_HAND)


def compose(transaction: Transaction, delivery: Delivery, *, now: datetime) -> Composed:
    """Return what a delivery says and where it goes, as things are now."""
    if delivery.forwarded_id is not None:
        return _compose_forwarded(transaction, delivery, delivery.forwarded_id, now)
    waits_for = month_without_checklist(delivery.kind)
    if waits_for is not None:
        return _compose_no_checklist(transaction, delivery, waits_for, now)
    found = transaction.rounds.get(delivery.round_id) if delivery.round_id is not None else None
    member = transaction.people.member(delivery.member_id)
    if found is None or member is None or round_state(found, now) is RoundState.CLOSED:
        return Composed(reason="round closed")
    if delivery.member_id in transaction.rounds.handed_in(found.id):
        return Composed(reason="handed in")
    if not participants(found, [member], (), day=local_day(now)):
        return Composed(reason="left the cell")
    if transaction.consents.taken_back([member.id]):
        return Composed(reason="consent taken back")
    sendable = sendable_at(now, schedule_of(transaction, found.cell_id))
    if sendable > now:
        return Composed(reason="quiet hours", wait_until=sendable)
    link = reachable(transaction, delivery)
    if link is None:
        return Composed(reason=_unreachable(transaction, delivery))
    cell = transaction.people.cell(found.cell_id)
    if delivery.kind != OPENED:
        return Composed(say(secretary_texts.reminder(cell.name, found.month, found.due_on)), link)
    said = secretary_texts.round_announced(cell.name, found.month, found.due_on)
    return Composed(say(f"{said}{_by_itself(transaction, found, member, cell, now)}"), link)


def _compose_forwarded(transaction: Transaction, delivery: Delivery, forwarded_id: int, now: datetime) -> Composed:
    """Return a member's question for the secretary, who may have ceased to be one since it was sent."""
    forwarded = transaction.forwarded.get(forwarded_id)
    reader = transaction.people.member(delivery.member_id)
    member = transaction.people.member(forwarded.member_id) if forwarded is not None else None
    if forwarded is None or forwarded.question is None or reader is None or member is None:
        return Composed(reason="question gone")
    if not (reader.belongs_on(local_day(now)) and may_receive(transaction, reader, member)):
        return Composed(reason="no secretary any more")
    said = forwarding_texts.to_secretary(member.name, forwarded.question)
    return _when_sendable(transaction, delivery, reader, replace(say(said), is_confidential=True), now)


def _compose_no_checklist(transaction: Transaction, delivery: Delivery, month: date, now: datetime) -> Composed:
    """Return what who leads a cell hears where its round could not open by itself; nothing once it is open."""
    reader = transaction.people.member(delivery.member_id)
    if reader is None or not reader.belongs_on(local_day(now)):
        return Composed(reason="left the cell")
    cell = transaction.people.cell(reader.cell_id)
    if not may_open(reader, Subject(cell.id, cell.organization_id)):
        return Composed(reason="no secretary any more")
    if cell.id in transaction.rounds.cells_of_month(month):
        return Composed(reason="round opened")
    said = say(calendar_texts.no_checklist(cell.name, month))
    return _when_sendable(transaction, delivery, reader, said, now)


def _when_sendable(
    transaction: Transaction, delivery: Delivery, reader: Member, said: Reply, now: datetime
) -> Composed:
    sendable = sendable_at(now, schedule_of(transaction, reader.cell_id))
    if sendable > now:
        return Composed(reason="quiet hours", wait_until=sendable)
    link = reachable(transaction, delivery)
    return Composed(said, link) if link is not None else Composed(reason=_unreachable(transaction, delivery))


def reachable(transaction: Transaction, delivery: Delivery, *, but: str = "") -> Link | None:
    """Return where a delivery goes: to the chat that its member used last, of those where it can arrive.

    The web page comes last, whenever it was used: nobody hears that something stands there.

    Args:
        but: a channel that is out of the question, beside those where it could not be delivered before.
    """
    links = transaction.people.links_of([delivery.member_id])
    open_ones = [link for link in links if not link.is_blocked and link.channel not in (but, *delivery.failed_on)]
    return next((link for link in open_ones if link.channel != _PAGE), next(iter(open_ones), None))


def _unreachable(transaction: Transaction, delivery: Delivery) -> str:
    return "blocked" if transaction.people.links_of([delivery.member_id]) else "not linked"


def _by_itself(transaction: Transaction, found: AssessmentRound, member: Member, cell: Cell, now: datetime) -> str:
    """Return what who leads the cell hears of a round that nobody opened by hand; nothing for others."""
    viewer = Viewer(member.id, member.cell_id, member.roles)
    may_open = may_see(viewer, Data.ROUNDS, Subject(cell.id, cell.organization_id))
    if not may_open or not opened_by_schedule(transaction, found):
        return ""
    members = transaction.people.members_of(cell.id)
    told = {each.id for each in participants(found, members, [], day=local_day(now)) if each.has_phone}
    told -= transaction.consents.taken_back(told)
    linked = {link.member_id for link in transaction.people.links_of(sorted(told))}
    return f"\n{calendar_texts.opened_by_schedule(len(linked), len(told) - len(linked))}"
