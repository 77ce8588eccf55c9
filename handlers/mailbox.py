"""What an administrator sees of messages that could not be handled or sent, and does about them."""

from collections.abc import Callable

from assessment.access import Data
from assessment.schedule import local_day
from handlers import mailbox_texts
from handlers.messages import Button, Reply, say
from handlers.services import Turn
from handlers.viewers import ANYTHING, Looker, looker_in
from storage.inbox import WAITING
from storage.replies import ReplyState


def state(turn: Turn) -> Reply:
    """Show how many wait, and what was put aside: from where, when and why, never what it says."""
    admin = _admin(turn)
    if isinstance(admin, Reply):
        return admin
    inbox, replies = turn.transaction.inbox, turn.transaction.replies.counts()
    aside = [(kept.channel, f"{local_day(kept.received_at):%d/%m}", kept.reason or "") for kept in inbox.aside()]
    waiting = inbox.counts().get(WAITING, 0)
    said = mailbox_texts.state(waiting, aside, replies.get(ReplyState.UNKNOWN, 0), replies.get(ReplyState.FAILED, 0))
    if not aside:
        return say(said)
    return say(said, Button(mailbox_texts.TRY_AGAIN, "mb_again"), Button(mailbox_texts.THROW_AWAY, "mb_throw"))


def _try_again(turn: Turn, _argument: str) -> Reply:
    admin = _admin(turn)
    if isinstance(admin, Reply):
        return admin
    count = turn.transaction.inbox.try_again(now=turn.now)
    if not count:
        return say(mailbox_texts.NOTHING_ASIDE)
    turn.transaction.audit.note(admin.actor, "handle updates again", f"updates:{count}", now=turn.now)
    return say(mailbox_texts.tried_again(count))


def _ask_throw_away(turn: Turn, _argument: str) -> Reply:
    admin = _admin(turn)
    if isinstance(admin, Reply):
        return admin
    count = len(turn.transaction.inbox.aside())
    if not count:
        return say(mailbox_texts.NOTHING_ASIDE)
    return say(
        mailbox_texts.about_to_throw_away(count),
        Button(mailbox_texts.CONFIRM_THROW_AWAY, "mb_throw_yes"),
        Button(mailbox_texts.LEAVE_IT, "mb_leave"),
    )


def _throw_away(turn: Turn, _argument: str) -> Reply:
    admin = _admin(turn)
    if isinstance(admin, Reply):
        return admin
    count = turn.transaction.inbox.give_up(now=turn.now)
    turn.transaction.audit.note(admin.actor, "throw updates away", f"updates:{count}", now=turn.now)
    return say(mailbox_texts.thrown_away(count) if count else mailbox_texts.NOTHING_ASIDE)


def _leave(_turn: Turn, _argument: str) -> Reply:
    return say(mailbox_texts.LEFT_AS_IT_WAS)


WORDS: dict[str, Callable[[Turn], Reply]] = {"tin loi": state, "hop thu": state}
ACTIONS: dict[str, Callable[[Turn, str], Reply]] = {
    "mb_again": _try_again,
    "mb_throw": _ask_throw_away,
    "mb_throw_yes": _throw_away,
    "mb_leave": _leave,
}


def _admin(turn: Turn) -> Looker | Reply:
    looker = looker_in(turn)
    if looker is None or not looker.may(Data.MAILBOX, ANYTHING):
        return say(mailbox_texts.ONLY_ADMIN)
    return looker
