"""Who hears from us now, and what we say."""

from dataclasses import dataclass
from datetime import datetime

from assessment.schedule import (
    OPENED,
    RoundState,
    Schedule,
    closes_at,
    due_reminders,
    local_day,
    round_state,
    sendable_at,
)
from handlers import secretary_texts
from handlers.messages import Reply, say
from storage.outbox import Delivery
from storage.people import Link
from storage.store import Transaction

# What a cell has without having set anything: opened by hand, reminded 5 and 2 days before the last day and on it.
DEFAULT_SCHEDULE = Schedule(opening_day=5, due_day=31)


@dataclass(frozen=True, slots=True)
class Composed:
    """A message and the chat it goes to; without a chat, when to try again or the reason why nobody is to hear it."""

    reply: Reply | None = None
    link: Link | None = None
    reason: str = ""
    wait_until: datetime | None = None


def queue_due(transaction: Transaction, *, now: datetime) -> int:
    """Queue what is due in all rounds; return how many messages were new."""
    queued = 0
    for found in transaction.rounds.still_open(local_day(now)):
        members = transaction.people.members_of(found.cell_id)
        responses = transaction.rounds.outlines(found.id)
        sent = {(d.round_id, d.member_id, d.kind) for d in transaction.outbox.of_round(found.id)}
        due: dict[tuple[str, datetime], list[int]] = {}
        for reminder in due_reminders(found, members, responses, DEFAULT_SCHEDULE, now=now, already_sent=sent):
            due.setdefault((reminder.kind, reminder.due_at), []).append(reminder.member_id)
        for (kind, due_at), ids in due.items():
            queued += transaction.outbox.queue(found.id, kind, ids, due_at=due_at, expires_at=closes_at(found))
    return queued


def compose(transaction: Transaction, delivery: Delivery, *, now: datetime) -> Composed:
    """Return what a delivery says and where it goes, as things are now."""
    found = transaction.rounds.get(delivery.round_id)
    member = transaction.people.member(delivery.member_id)
    if found is None or member is None or round_state(found, now) is RoundState.CLOSED:
        return Composed(reason="round closed")
    if delivery.member_id in transaction.rounds.handed_in(found.id):
        return Composed(reason="handed in")
    sendable = sendable_at(now, DEFAULT_SCHEDULE)
    if sendable > now:
        return Composed(reason="quiet hours", wait_until=sendable)
    links = transaction.people.links_of([member.id])
    link = next((link for link in links if not link.is_blocked), None)
    if link is None:
        return Composed(reason="blocked" if links else "not linked")
    cell = transaction.people.cell(found.cell_id).name
    words = secretary_texts.round_announced if delivery.kind == OPENED else secretary_texts.reminder
    return Composed(say(words(cell, found.month, found.due_on)), link)
