"""What an administrator does with checklists: see which there are, confirm one for use, take that back."""

from collections.abc import Callable, Sequence

from assessment.access import Data
from assessment.model import Checklist
from assessment.schedule import local_day
from assessment.versions import not_compared
from handlers import admin_texts, texts
from handlers.checklists_in_use import checklist_in_use
from handlers.messages import Block, BlockKind, Button, Reply, say
from handlers.services import Turn
from handlers.viewers import ANYTHING, Looker, looker_in

# With a way on, or what the waiting one needs, that makes three choices.
_SHOWN = 2


def checklists(turn: Turn, first: str = "0") -> Reply:
    """List the versions, the newest first: which is in use, which waits, why and since when."""
    admin = _admin(turn)
    if isinstance(admin, Reply):
        return admin
    known = sorted(turn.services.checklists.values(), key=lambda each: (each.valid_from, each.version), reverse=True)
    gone = sorted(turn.transaction.rounds.versions() - set(turn.services.checklists))
    begin = int(first)
    shown = known[begin : begin + _SHOWN]
    if not shown and not gone:
        return say(admin_texts.NO_CHECKLISTS)
    said = admin_texts.listed([_stands(turn, each) for each in shown], gone if begin == 0 else [])
    buttons = [Button(admin_texts.see(each), "ad_see", _key(each)) for each in shown]
    if begin + _SHOWN < len(known):
        buttons.append(Button(admin_texts.NEXT, "ad_list", str(begin + _SHOWN)))
    else:
        buttons += _decide(turn, shown)[:1]
    return say(said, *buttons)


def _see(turn: Turn, argument: str) -> Reply:
    found = _admitted(turn, argument)
    if isinstance(found, Reply):
        return found
    _, checklist = found
    groups = [admin_texts.group(each, len(checklist.groups)) for each in checklist.groups]
    said = [admin_texts.heading(checklist), _stands(turn, checklist), *groups]
    back = Button(admin_texts.LIST, "ad_list", "0")
    return Reply(tuple(Block(BlockKind.TEXT, each) for each in said), (*_decide(turn, [checklist]), back))


def _ask_confirm(turn: Turn, argument: str) -> Reply:
    found = _admitted(turn, argument)
    if isinstance(found, Reply):
        return found
    _, checklist = found
    before = turn.transaction.checklists.confirmed().get((checklist.id, checklist.version))
    if checklist.is_checked:
        return say(admin_texts.needs_none(checklist))
    if before is not None:
        return say(admin_texts.confirmed_before(checklist, before))
    return say(
        admin_texts.about_to_confirm(checklist, not_compared(checklist)),
        Button(admin_texts.CONFIRM_YES, "ad_confirm_yes", argument),
        Button(admin_texts.see(checklist), "ad_see", argument),
        Button(admin_texts.LEAVE_IT, "ad_leave"),
    )


def _confirm(turn: Turn, argument: str) -> Reply:
    found = _admitted(turn, argument)
    if isinstance(found, Reply):
        return found
    admin, checklist = found
    if checklist.is_checked:
        return say(admin_texts.needs_none(checklist))
    key, today = (checklist.id, checklist.version), local_day(turn.now)
    if not turn.transaction.checklists.confirm(*key, by=admin.actor, on=today):
        return say(admin_texts.confirmed_before(checklist, turn.transaction.checklists.confirmed()[key]))
    turn.transaction.audit.note(admin.actor, "confirm checklist", argument, now=turn.now)
    used = _used(turn)
    is_in_use = used is checklist
    named = admin_texts.name(used) if used else None
    return say(admin_texts.confirmed(checklist, today, is_in_use=is_in_use, used=named))


def _ask_withdraw(turn: Turn, argument: str) -> Reply:
    found = _admitted(turn, argument)
    if isinstance(found, Reply):
        return found
    _, checklist = found
    if (checklist.id, checklist.version) not in turn.transaction.checklists.confirmed():
        return say(admin_texts.not_confirmed(checklist))
    return say(
        admin_texts.about_to_withdraw(checklist),
        Button(admin_texts.WITHDRAW_YES, "ad_withdraw_yes", argument),
        Button(admin_texts.LEAVE_IT, "ad_leave"),
    )


def _withdraw(turn: Turn, argument: str) -> Reply:
    found = _admitted(turn, argument)
    if isinstance(found, Reply):
        return found
    admin, checklist = found
    key = (checklist.id, checklist.version)
    if key not in turn.transaction.checklists.confirmed():
        return say(admin_texts.not_confirmed(checklist))
    turn.transaction.checklists.withdraw(*key)
    turn.transaction.audit.note(admin.actor, "withdraw checklist", argument, now=turn.now)
    used = _used(turn)
    return say(admin_texts.withdrawn(checklist, admin_texts.name(used) if used else None))


def _leave(_turn: Turn, _argument: str) -> Reply:
    return say(admin_texts.LEFT_AS_IT_WAS)


WORDS: dict[str, Callable[[Turn], Reply]] = {
    "bang kiem": checklists,
    "cac bang kiem": checklists,
}
ACTIONS: dict[str, Callable[[Turn, str], Reply]] = {
    "ad_list": checklists,
    "ad_see": _see,
    "ad_confirm": _ask_confirm,
    "ad_confirm_yes": _confirm,
    "ad_withdraw": _ask_withdraw,
    "ad_withdraw_yes": _withdraw,
    "ad_leave": _leave,
}


def _admin(turn: Turn) -> Looker | Reply:
    looker = looker_in(turn)
    if looker is None or not looker.may(Data.CHECKLISTS, ANYTHING):
        return say(admin_texts.ONLY_ADMIN)
    return looker


def _admitted(turn: Turn, argument: str) -> tuple[Looker, Checklist] | Reply:
    """Return who asks and the version that a button means; else what to say."""
    admin = _admin(turn)
    if isinstance(admin, Reply):
        return admin
    checklist_id, _, version = argument.rpartition(":")
    checklist = turn.services.checklists.get((checklist_id, int(version)))
    return (admin, checklist) if checklist is not None else say(texts.BUTTON_EXPIRED)


def _key(checklist: Checklist) -> str:
    return f"{checklist.id}:{checklist.version}"


def _used(turn: Turn) -> Checklist | None:
    return checklist_in_use(turn.transaction, turn.services.checklists, on=local_day(turn.now))


def _stands(turn: Turn, checklist: Checklist) -> str:
    on = turn.transaction.checklists.confirmed().get((checklist.id, checklist.version))
    return admin_texts.version(
        checklist, not_compared(checklist), on, is_in_use=_used(turn) is checklist, today=local_day(turn.now)
    )


def _decide(turn: Turn, shown: Sequence[Checklist]) -> list[Button]:
    """Return what may be decided about versions: to confirm those that wait, to take back what was confirmed."""
    confirmed = turn.transaction.checklists.confirmed()
    buttons = []
    for checklist in shown:
        if (checklist.id, checklist.version) in confirmed:
            buttons.append(Button(admin_texts.withdraw(checklist), "ad_withdraw", _key(checklist)))
        elif not checklist.is_checked:
            buttons.append(Button(admin_texts.confirm(checklist), "ad_confirm", _key(checklist)))
    return buttons
