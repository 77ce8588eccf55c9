"""Questions that the documents did not answer: kept without people, shown by what they ask."""

from collections.abc import Callable
from dataclasses import replace

from assessment.access import Data
from assessment.schedule import local_day
from handlers import forwarding, gaps_texts
from handlers.messages import Button, Reply, say
from handlers.question import CHOICES_AT_MOST
from handlers.services import Turn
from handlers.viewers import ANYTHING, Looker, looker_in
from knowledge.alike import key
from knowledge.gaps import Asked, Group, group, without_people
from knowledge.model import Answer, Outcome, Reason

_UNANSWERED = frozenset({Outcome.NOT_IN_DOCUMENTS, Outcome.CITED_NOT_LOADED})
# These say how far the documents go; nobody could answer them otherwise.
_ABOUT_PARTS = frozenset(
    {Reason.LAST_SECTION, Reason.NO_SUCH_SECTION, Reason.NO_SUCH_ARTICLE, Reason.CITES_NOTHING, Reason.OWN_NUMBER}
)
# Beyond so many, the rarest are not looked at; the time it takes grows with their square.
_LOOKED_AT = 1000
_OTHERS_SHOWN = 4


def unanswered(turn: Turn, answer: Answer, reply: Reply) -> Reply:
    """Keep a typed question that got no answer; return its reply with a way to the secretary, where there is one."""
    if answer.outcome not in _UNANSWERED or answer.reason in _ABOUT_PARTS:
        return reply
    if turn.services.options.keeps_gaps:
        question = without_people(turn.message.text, turn.transaction.people.names())
        folded = key(question)
        if folded:
            turn.transaction.gaps.note(question, folded, on=local_day(turn.now))
    way = forwarding.offer(turn) if answer.outcome is Outcome.NOT_IN_DOCUMENTS else None
    return reply if way is None else replace(reply, buttons=(*reply.buttons[: CHOICES_AT_MOST - 1], way))


def groups(turn: Turn, argument: str = "0") -> Reply:
    """List what was asked and not answered, the most asked first, without names."""
    looker = _looker(turn)
    if isinstance(looker, Reply):
        return looker
    found = _groups(turn)
    if not found:
        return say(gaps_texts.NONE if turn.services.options.keeps_gaps else gaps_texts.SWITCHED_OFF)
    first = int(argument) if int(argument) < len(found) else 0
    rest = found[first:]
    # The third choice is the way on.
    shown = rest if len(rest) <= CHOICES_AT_MOST else rest[: CHOICES_AT_MOST - 1]
    buttons = [Button(gaps_texts.choice(n), "gp_see", str(each.asked[0].id)) for n, each in enumerate(shown, 1)]
    if len(shown) < len(rest):
        buttons.append(Button(gaps_texts.NEXT, "gp_list", str(first + len(shown))))
    said = gaps_texts.listed([(each.question, each.count) for each in shown], first, len(found))
    return say(said, *buttons)


def group_of(turn: Turn, gap_id: int) -> Group | None:
    """Return the group that a question belongs to as things are now; None where it is gone."""
    return next((each for each in _groups(turn) if any(asked.id == gap_id for asked in each.asked)), None)


def _see(turn: Turn, argument: str) -> Reply:
    looker = _looker(turn)
    if isinstance(looker, Reply):
        return looker
    found = group_of(turn, int(argument))
    if found is None:
        return say(gaps_texts.GONE)
    others = [each.question for each in found.asked[1:]]
    said = gaps_texts.group(found.question, found.count, others[:_OTHERS_SHOWN], len(others[_OTHERS_SHOWN:]))
    buttons = [Button(gaps_texts.WRITE, "ap_gap", argument)] if looker.may(Data.APPROVED, ANYTHING) else []
    buttons += [Button(gaps_texts.SKIP, "gp_skip", argument), Button(gaps_texts.LIST, "gp_list", "0")]
    return say(said, *buttons)


def _skip(turn: Turn, argument: str) -> Reply:
    looker = _looker(turn)
    if isinstance(looker, Reply):
        return looker
    found = group_of(turn, int(argument))
    if found is None:
        return say(gaps_texts.GONE)
    turn.transaction.gaps.forget([asked.id for asked in found.asked])
    turn.transaction.audit.note(looker.actor, "skip questions", f"questions:{len(found.asked)}", now=turn.now)
    return say(gaps_texts.skipped(len(found.asked)), Button(gaps_texts.LIST, "gp_list", "0"))


def _groups(turn: Turn) -> list[Group]:
    knowledge = turn.services.knowledge
    asked = [Asked(gap.id, gap.question, gap.count) for gap in turn.transaction.gaps.all(limit=_LOOKED_AT)]
    return group(asked, knowledge.encoder, lambda question: knowledge.parse(question).asked)


def _looker(turn: Turn) -> Looker | Reply:
    looker = looker_in(turn)
    if looker is None or not looker.may(Data.GAPS, ANYTHING):
        return say(gaps_texts.ONLY_COMMITTEE)
    return looker


WORDS: dict[str, Callable[[Turn], Reply]] = {
    "cau hoi chua tra loi": groups,
    "cac cau hoi chua tra loi": groups,
}
ACTIONS: dict[str, Callable[[Turn, str], Reply]] = {
    "gp_list": groups,
    "gp_see": _see,
    "gp_skip": _skip,
}
