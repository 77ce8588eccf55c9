"""Send a question that the documents do not answer to the secretary, once the member has seen what goes and agrees."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from assessment.access import Data, Subject, Viewer, may_see
from assessment.model import Member
from assessment.schedule import local_day
from handlers import forwarding_texts, texts
from handlers.enrolment import member_in
from handlers.messages import Button, Reply, say
from handlers.services import Turn
from storage.store import Transaction

# A question that could not be delivered for so long is no longer waited for.
_WAITS = timedelta(days=7)
LONGEST = 1000


def offer(turn: Turn) -> Button | None:
    """Return the choice to send this very message to the secretary; None where there is nobody to send it to."""
    member = member_in(turn)
    if member is None or len(turn.message.text) > LONGEST or _secretary(turn, member) is None:
        return None
    return Button(forwarding_texts.OFFER, "fw_ask", turn.message.external_id)


def may_receive(transaction: Transaction, reader: Member, member: Member) -> bool:
    """Whether somebody may read what a member has chosen to send."""
    cell = transaction.people.cell(member.cell_id)
    about = Subject(cell.id, cell.organization_id, member.id, is_reported=True)
    return may_see(Viewer(reader.id, reader.cell_id, reader.roles), Data.FORWARDED, about)


def _ask(turn: Turn, external_id: str, said: str = "") -> Reply:
    """Show what would be sent; nothing is kept or sent yet."""
    member, question = member_in(turn), _question(turn, external_id)
    if member is None or question is None:
        return say(texts.BUTTON_EXPIRED)
    secretary = _secretary(turn, member)
    if secretary is None:
        return say(forwarding_texts.NOBODY)
    shown = forwarding_texts.preview(secretary.name, forwarding_texts.sent_as(member.name, question[1]))
    reply = say(
        f"{said}\n{shown}" if said else shown,
        Button(forwarding_texts.SEND, "fw_yes", f"{external_id}:{secretary.id}"),
        Button(forwarding_texts.DO_NOT, "fw_no"),
    )
    return replace(reply, is_confidential=True)


def _send(turn: Turn, argument: str) -> Reply:
    external_id, _, seen = argument.rpartition(":")
    member, question = member_in(turn), _question(turn, external_id)
    if member is None or question is None:
        return say(texts.BUTTON_EXPIRED)
    secretary = _secretary(turn, member)
    if secretary is None:
        return say(forwarding_texts.NOBODY)
    if str(secretary.id) != seen:
        # The member has agreed to another reader.
        return _ask(turn, external_id, forwarding_texts.CHANGED)
    message_id, words = question
    forwarded_id = turn.transaction.forwarded.add(member.id, message_id, words, on=local_day(turn.now))
    if forwarded_id is None:
        return say(forwarding_texts.SENT_BEFORE)
    turn.transaction.outbox.queue_forwarded(forwarded_id, secretary.id, due_at=turn.now, expires_at=turn.now + _WAITS)
    turn.transaction.audit.note(f"member:{member.id}", "forward question", f"cell:{member.cell_id}", now=turn.now)
    return say(forwarding_texts.queued(secretary.name))


def _do_not(_turn: Turn, _argument: str) -> Reply:
    return say(forwarding_texts.NOT_SENT)


def _question(turn: Turn, external_id: str) -> tuple[int, str] | None:
    message = turn.transaction.incoming(turn.conversation.id, external_id)
    return (message.id, message.text) if message is not None else None


def _secretary(turn: Turn, member: Member) -> Member | None:
    """Return who leads the member's cell, is somebody else and can be written to."""
    people, today = turn.transaction.people, local_day(turn.now)
    for other in people.members_of(member.cell_id):
        if other.id == member.id or not other.belongs_on(today) or not other.has_phone:
            continue
        if may_receive(turn.transaction, other, member) and any(
            not link.is_blocked for link in people.links_of([other.id])
        ):
            return other
    return None


WORDS: dict[str, Callable[[Turn], Reply]] = {}
ACTIONS: dict[str, Callable[[Turn, str], Reply]] = {
    "fw_ask": _ask,
    "fw_yes": _send,
    "fw_no": _do_not,
}
