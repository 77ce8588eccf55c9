"""When a cell's rounds open, how long they take responses, when they close: set by its secretary."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

from assessment.model import AssessmentRound, Member
from assessment.schedule import (
    GraceOutOfRange,
    RoundClosed,
    RoundState,
    Schedule,
    closes_at,
    extended,
    local_day,
    round_state,
)
from assessment.schedule_settings import ScheduleNotUnderstood, from_settings, parse_schedule, to_settings
from handlers import calendar_texts, secretary_texts, texts
from handlers.checklists_in_use import checklist_in_use
from handlers.messages import Button, Reply, say
from handlers.reports import secretary, standing_of
from handlers.schedules import DEFAULT_SCHEDULE, next_opening, set_schedule, set_schedule_of
from handlers.services import Turn
from knowledge.text import fold

_MORE_DAYS = (3, 7)
_DAYS = re.compile(r"(?:them )?(\d{1,3})(?: ?ngay)?")
_UNTIL = re.compile(r"(?:den|toi)(?: het)?(?: ngay)? (\d{1,2})/(\d{1,2})(?:/(\d{4}))?")


def show(turn: Turn) -> Reply:
    """Show the cell's schedule, or that rounds are opened by hand, and what may be done."""
    found = secretary(turn)
    if isinstance(found, Reply):
        return found
    schedule = set_schedule_of(turn.transaction, found.cell_id)
    usual, how = Button(calendar_texts.USE_USUAL, "cal_usual"), Button(calendar_texts.OWN_WORDS, "cal_how")
    if schedule is None:
        return say(calendar_texts.BY_HAND, usual, how)
    opening = next_opening(turn.transaction, found.cell_id, schedule, now=turn.now)
    said = calendar_texts.schedule_is(schedule, opening[1] if opening else None)
    if checklist_in_use(turn.transaction, turn.services.checklists, on=local_day(turn.now)) is None:
        said = f"{said}\n{calendar_texts.NO_CHECKLIST}"
    others = (usual, how) if schedule != DEFAULT_SCHEDULE else (how,)
    return say(said, *others, Button(calendar_texts.SWITCH_OFF, "cal_off"))


def propose(turn: Turn, typed: str) -> Reply:
    """Ask whether the schedule that was typed behind "lịch" is to hold."""
    found = secretary(turn)
    if isinstance(found, Reply):
        return found
    try:
        schedule = parse_schedule(typed)
    except ScheduleNotUnderstood as error:
        return say(f"{calendar_texts.not_understood(error.problem, error.words)}\n{calendar_texts.HOW}")
    return _whether(schedule)


def extend(turn: Turn, typed: str = "") -> Reply:
    """Take responses for longer: by what was typed behind "gia hạn", or ask for how long."""
    entered = _open_round_of(turn)
    if isinstance(entered, Reply):
        return entered
    found, round_ = entered
    if not typed:
        buttons = [
            # Pressed twice, it extends once.
            Button(calendar_texts.more_days(n), "cal_extend", f"{round_.id}:{round_.grace_days + n}")
            for n in _MORE_DAYS
        ]
        buttons.append(Button(calendar_texts.LEAVE_IT, "rp_leave"))
        return say(calendar_texts.whether_to_extend(round_.month, _last_day(round_)), *buttons)
    words = fold(typed)
    days, until = _DAYS.fullmatch(words), _UNTIL.fullmatch(words)
    if days is not None:
        return _extend_to(turn, found, round_, round_.grace_days + int(days[1]))
    day_meant = _day(until, local_day(turn.now)) if until is not None else None
    if day_meant is None:
        return say(calendar_texts.no_such_day(typed))
    return _extend_to(turn, found, round_, (day_meant - round_.due_on).days)


def close(turn: Turn) -> Reply:
    """Ask whether the round is to be closed now."""
    entered = _open_round_of(turn)
    if isinstance(entered, Reply):
        return entered
    found, round_ = entered
    standing = standing_of(turn, found)
    waiting = standing.waiting if standing is not None else 0
    return say(
        calendar_texts.whether_to_close(round_.month, waiting),
        Button(calendar_texts.CLOSE, "cal_close", str(round_.id)),
        Button(calendar_texts.LEAVE_IT, "rp_leave"),
    )


def typed(turn: Turn, line: str) -> Reply | None:
    """Return the answer to a line such as "lịch mở ngày 20 …" or "gia hạn 5 ngày"; None for any other."""
    said = line.strip(" .!?")
    words = fold(said)
    for pattern, act in _TYPED:
        found = pattern.fullmatch(words)
        if found is None:
            continue
        if not any(each.isdigit() for each in found[1]) and isinstance(secretary(turn), Reply):
            # Without a figure, from anybody else, it is a question to the documents.
            return None
        # Quoted as it was written; folding leaves Vietnamese letters in their places.
        return act(turn, said[found.start(1) :] if len(said) == len(words) else found[1])
    return None


def _whether(schedule: Schedule) -> Reply:
    kept = json.dumps(to_settings(schedule))
    return say(
        calendar_texts.whether_this(schedule),
        Button(calendar_texts.CONFIRM, "cal_set", kept),
        Button(calendar_texts.LEAVE_IT, "rp_leave"),
    )


def _usual(turn: Turn, _argument: str) -> Reply:
    found = secretary(turn)
    return found if isinstance(found, Reply) else _whether(DEFAULT_SCHEDULE)


def _how(turn: Turn, _argument: str) -> Reply:
    found = secretary(turn)
    return found if isinstance(found, Reply) else say(calendar_texts.HOW)


def _set(turn: Turn, argument: str) -> Reply:
    found = secretary(turn)
    if isinstance(found, Reply):
        return found
    schedule = from_settings(json.loads(argument))
    if set_schedule(turn.transaction, found.cell_id, schedule, now=turn.now):
        turn.transaction.audit.note(f"member:{found.id}", "set schedule", f"cell:{found.cell_id}", now=turn.now)
    opening = next_opening(turn.transaction, found.cell_id, schedule, now=turn.now)
    month = local_day(turn.now).replace(day=1)
    is_open = any(each.month >= month for each in turn.transaction.rounds.of_cell(found.cell_id))
    unopened = None if is_open or (opening and opening[0] <= month) else month
    return say(calendar_texts.schedule_set(opening[1] if opening else None, unopened))


def _off(turn: Turn, _argument: str) -> Reply:
    found = secretary(turn)
    if isinstance(found, Reply):
        return found
    if set_schedule(turn.transaction, found.cell_id, None, now=turn.now):
        turn.transaction.audit.note(f"member:{found.id}", "switch schedule off", f"cell:{found.cell_id}", now=turn.now)
    return say(calendar_texts.SWITCHED_OFF)


def _extend(turn: Turn, argument: str) -> Reply:
    round_id, grace_days = map(int, argument.split(":"))
    entered = _round_pressed(turn, round_id)
    if isinstance(entered, Reply):
        return entered
    return _extend_to(turn, *entered, grace_days)


def _close(turn: Turn, argument: str) -> Reply:
    entered = _round_pressed(turn, int(argument))
    if isinstance(entered, Reply):
        return entered
    found, round_ = entered
    if round_state(round_, turn.now) is RoundState.CLOSED:
        return say(calendar_texts.CLOSED_ALREADY)
    turn.transaction.rounds.close(round_.id, now=turn.now)
    turn.transaction.audit.note(f"member:{found.id}", "close round", f"round:{round_.id}", now=turn.now)
    return say(calendar_texts.closed(round_.month))


def _extend_to(turn: Turn, found: Member, round_: AssessmentRound, grace_days: int) -> Reply:
    try:
        longer = extended(round_, grace_days, now=turn.now)
    except RoundClosed:
        return say(calendar_texts.CLOSED_ALREADY)
    except GraceOutOfRange as error:
        first, last = (round_.due_on + timedelta(days=n) for n in (error.least_days, error.most_days))
        return say(calendar_texts.cannot_extend(first, last))
    if grace_days != round_.grace_days:
        turn.transaction.rounds.extend(round_.id, grace_days)
        turn.transaction.audit.note(f"member:{found.id}", "extend round", f"round:{round_.id}", now=turn.now)
    return say(calendar_texts.extended(round_.month, round_.due_on, _last_day(longer)))


def _open_round_of(turn: Turn) -> tuple[Member, AssessmentRound] | Reply:
    """Return the secretary and the round that still takes responses; else what to say."""
    found = secretary(turn)
    if isinstance(found, Reply):
        return found
    for round_ in turn.transaction.rounds.of_cell(found.cell_id)[:1]:
        if round_state(round_, turn.now) is not RoundState.CLOSED:
            return found, round_
    return say(secretary_texts.NO_ROUND_YET)


def _round_pressed(turn: Turn, round_id: int) -> tuple[Member, AssessmentRound] | Reply:
    """Return the secretary and the round that a button is about, if it is one of the own cell."""
    found = secretary(turn)
    if isinstance(found, Reply):
        return found
    round_ = turn.transaction.rounds.get(round_id)
    if round_ is None or round_.cell_id != found.cell_id:
        return say(texts.BUTTON_EXPIRED)
    return found, round_


def _last_day(round_: AssessmentRound) -> date:
    """Return the last local day on which a round takes responses, unless it is closed by hand."""
    return local_day(closes_at(replace(round_, closed_at=None)) - timedelta(seconds=1))


def _day(found: re.Match[str], today: date) -> date | None:
    """Return the day that was typed; without a year the next such day."""
    try:
        on = date(int(found[3] or today.year), int(found[2]), int(found[1]))
        return on if found[3] or on >= today else on.replace(year=on.year + 1)
    except ValueError:
        return None


_TYPED: tuple[tuple[re.Pattern[str], Callable[[Turn, str], Reply]], ...] = (
    (re.compile(r"(?:dat |doi |sua )?lich(?: chi bo)?:? ((?:mo|han) .+)"), propose),
    (re.compile(r"gia han(?: ky)?:? (.+)"), extend),
)
WORDS: dict[str, Callable[[Turn], Reply]] = {
    "lich": show,
    "lich chi bo": show,
    "dat lich": show,
    "gia han": extend,
    "gia han ky": extend,
    "dong ky": close,
}
ACTIONS: dict[str, Callable[[Turn, str], Reply]] = {
    "cal_usual": _usual,
    "cal_how": _how,
    "cal_set": _set,
    "cal_off": _off,
    "cal_extend": _extend,
    "cal_close": _close,
}
