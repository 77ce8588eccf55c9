"""When a monthly round opens, is due and closes, who takes part in it, and who should hear from us now.

Days and hours are those of Asia/Ho_Chi_Minh; moments come in aware and go out in UTC.
"""

import calendar
from collections.abc import Container, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import Enum
from zoneinfo import ZoneInfo

from assessment.model import AssessmentRound, Member, Response

TIME_ZONE = "Asia/Ho_Chi_Minh"
# The shortest way from one opening to the next is 28 days (31 January, 28 February): due before that one opens.
MOST_DAYS_UNTIL_DUE = 27
MOST_GRACE_DAYS = 31
MOST_REMINDER_DAYS = 31
# A year mistyped in a pause would silence a cell for good.
MOST_PAUSE_DAYS = 92

ReminderKey = tuple[int, int, str]  # round_id, member_id, kind


class RoundState(Enum):
    """What may still be done in a round: hand in, hand in late, nothing."""

    OPEN = "open"
    LATE = "late"
    CLOSED = "closed"


class RoundClosed(Exception):
    """The round takes nothing more; a closed round stays closed.

    Attributes:
        closes_at: when it closed, or will have closed before what was asked for could happen.
    """

    def __init__(self, round_id: int, closes_at: datetime) -> None:
        super().__init__(f"round {round_id} closes at {closes_at:%Y-%m-%d %H:%M} UTC: open the next one")
        self.closes_at = closes_at


class GraceOutOfRange(ValueError):
    """So many days of grace cannot be given; least_days to most_days can, both inclusive."""

    def __init__(self, grace_days: int, least_days: int, most_days: int) -> None:
        super().__init__(f"a grace of {grace_days} days cannot be given: choose {least_days} to {most_days}")
        self.least_days = least_days
        self.most_days = most_days


class AlreadyReminded(Exception):
    """The cell has had the secretary's reminder of the day.

    Attributes:
        again_at: the first moment at which it may have another, if the round is then still open.
    """

    def __init__(self, round_id: int, again_at: datetime) -> None:
        super().__init__(f"round {round_id} has had its reminder of the day: again at {again_at:%Y-%m-%d %H:%M} UTC")
        self.again_at = again_at


@dataclass(frozen=True, slots=True)
class Schedule:
    """How a cell's rounds run, as its secretary set it once.

    Attributes:
        opening_day: day of the month; 29 to 31 mean the last day of a shorter month.
        opening_hour, reminder_hour: full hours of the local day, outside the quiet hours.
        days_until_due: from the opening; give either this or due_day.
        due_day: day of the month, cut like opening_day; one before the opening day is in the next month.
        grace_days: what a new round gets.
        reminder_days: so many days before the round is due; 0 is the due day.
        quiet_from, quiet_until: local times between which nothing is sent, the second one exclusive; they may
            span midnight, and two equal ones mean no quiet hours.
        pauses: (first day, last day), both inclusive, in which nothing is sent or opened.
    Raises:
        ValueError: a value cannot be used; the message says which and what can.
    """

    opening_day: int
    opening_hour: int = 8
    days_until_due: int | None = None
    due_day: int | None = None
    grace_days: int = 3
    reminder_days: tuple[int, ...] = (5, 2, 0)
    reminder_hour: int = 9
    quiet_from: time = time(21)
    quiet_until: time = time(6, 30)
    pauses: tuple[tuple[date, date], ...] = ()

    def __post_init__(self) -> None:
        _check_range("opening_day", self.opening_day, 1, 31)
        self._check_due()
        _check_range("grace_days", self.grace_days, 0, MOST_GRACE_DAYS)
        for days in self.reminder_days:
            _check_range("reminder_days", days, 0, MOST_REMINDER_DAYS)
        if len(set(self.reminder_days)) < len(self.reminder_days):
            raise ValueError(f"reminder_days {self.reminder_days} name a day twice: give each once")
        if self.quiet_from.tzinfo or self.quiet_until.tzinfo:
            raise ValueError("quiet_from and quiet_until are local times: give them without a time zone")
        for name, hour in (("opening_hour", self.opening_hour), ("reminder_hour", self.reminder_hour)):
            _check_range(name, hour, 0, 23)
            if self.is_quiet(time(hour)):
                quiet = f"{self.quiet_from:%H:%M}-{self.quiet_until:%H:%M}"
                raise ValueError(f"{name} {hour} lies in the quiet hours {quiet}: choose one outside them")
        for first, last in self.pauses:
            if last < first:
                raise ValueError(f"the pause from {first} to {last} ends before it begins: swap the days")
            if (last - first).days >= MOST_PAUSE_DAYS:
                raise ValueError(
                    f"the pause from {first} to {last} is longer than {MOST_PAUSE_DAYS} days: check the years"
                )

    def _check_due(self) -> None:
        if (self.days_until_due is None) == (self.due_day is None):
            raise ValueError("a schedule needs either days_until_due or due_day: give one of them")
        if self.days_until_due is not None:
            _check_range("days_until_due", self.days_until_due, 1, MOST_DAYS_UNTIL_DUE)
        if self.due_day is not None:
            _check_range("due_day", self.due_day, 1, 31)
            if self.due_day == self.opening_day:
                raise ValueError(f"due_day {self.due_day} is the opening day: choose another")

    def is_quiet(self, moment: time) -> bool:
        """Whether a local time lies in the quiet hours."""
        if self.quiet_from <= self.quiet_until:
            return self.quiet_from <= moment < self.quiet_until
        return moment >= self.quiet_from or moment < self.quiet_until

    def first_free_day(self, day: date) -> date:
        """Return the day itself, or the first one after it that lies in no pause."""
        while ends := [last for first, last in self.pauses if first <= day <= last]:
            day = max(ends) + timedelta(days=1)
        return day


@dataclass(frozen=True, slots=True)
class Reminder:
    """Something a member should hear now, and when that was planned for; kind is "opened" or "reminder-2"."""

    member_id: int
    round_id: int
    kind: str
    due_at: datetime

    @property
    def key(self) -> ReminderKey:
        """What is sent only once."""
        return (self.round_id, self.member_id, self.kind)


OPENED = "opened"


def reminder_kind(days_before: int) -> str:
    """Name the reminder so many days before the round is due."""
    return f"reminder-{days_before}"


# In the order in which a member hears them: who has heard one of them is not told an earlier one any more.
_KINDS = (OPENED, *(reminder_kind(days) for days in range(MOST_REMINDER_DAYS, -1, -1)))


def local_day(at: datetime) -> date:
    """Return the day it is in Vietnam."""
    return _local(at).date()


def sendable_at(at: datetime, schedule: Schedule) -> datetime:
    """Return the first moment from `at` on that is neither in the quiet hours nor in a pause."""
    local = _local(at)
    while True:
        free_day = schedule.first_free_day(local.date())
        if free_day > local.date():
            local = _at(free_day, time())
        elif schedule.is_quiet(local.time()):
            ends_today = local.time() < schedule.quiet_until
            local = _at(local.date() + timedelta(days=0 if ends_today else 1), schedule.quiet_until)
        else:
            return local.astimezone(UTC)


# --- A round's days -----------------------------------------------------------------------------------------------


def opening_at(month: date, schedule: Schedule) -> datetime:
    """Return when the month's round opens; a pause moves it to the first day after, at the same hour.

    That day may lie in the next month.
    """
    planned_on = _day_of_month(month, schedule.opening_day)
    return _at_free_day(planned_on, schedule.opening_hour, schedule)


def due_on(month: date, schedule: Schedule) -> date:
    """Return the local day until whose end the month's round is in time.

    A pause that moves the opening moves this day as far, so that members keep their time; a day that then
    lies in a pause gives way to the first day after it.
    """
    opening_on = _day_of_month(month, schedule.opening_day)
    if schedule.days_until_due is not None:
        planned_on = opening_on + timedelta(days=schedule.days_until_due)
    else:
        assert schedule.due_day is not None  # one of the two is given
        in_next_month = schedule.due_day < schedule.opening_day
        planned_on = _day_of_month(_next_month(month) if in_next_month else month, schedule.due_day)
    moved = schedule.first_free_day(opening_on) - opening_on
    return schedule.first_free_day(planned_on + moved)


def closes_at(round: AssessmentRound) -> datetime:
    """Return the first moment at which nothing is taken any more.

    That is the midnight that ends the last day of grace, or when the round was closed by hand before.
    """
    end = _at(_last_grace_day(round) + timedelta(days=1), time()).astimezone(UTC)
    return end if round.closed_at is None else min(end, _local(round.closed_at).astimezone(UTC))


def round_state(round: AssessmentRound, now: datetime) -> RoundState:
    """Return what may be done in the round now; one closed by hand stays closed even where the clock jumps back."""
    if round.closed_at is not None or now >= closes_at(round):
        return RoundState.CLOSED
    return RoundState.LATE if is_late(round, local_day(now)) else RoundState.OPEN


def due_day_ends_at(round: AssessmentRound) -> datetime:
    """Return when the due day is over: from then on a response is late, and no reminder is said any more."""
    return min(day_begins_at(round.due_on + timedelta(days=1)).astimezone(UTC), closes_at(round))


def is_late(round: AssessmentRound, day: date) -> bool:
    """Whether a response handed in on that local day is marked late."""
    return day > round.due_on


def extended(round: AssessmentRound, grace_days: int, *, now: datetime) -> AssessmentRound:
    """Return the round with another grace, which may also be a shorter one that has not run out yet.

    Raises:
        RoundClosed: it is closed; its totals may have been read, and a second reading after one more response
            would show what that one says.
        GraceOutOfRange: days of grace that have begun would be taken back, or there are more than
            MOST_GRACE_DAYS.
    """
    if round_state(round, now) is RoundState.CLOSED:
        raise RoundClosed(round.id, closes_at(round))
    least_days = max(0, (local_day(now) - round.due_on).days)
    most_days = max(MOST_GRACE_DAYS, round.grace_days)
    if not least_days <= grace_days <= most_days:
        raise GraceOutOfRange(grace_days, least_days, most_days)
    return replace(round, grace_days=grace_days)


# --- How long answers are kept -------------------------------------------------------------------------------------


def kept_since(today: date, keep_months: int) -> date:
    """Return the first day of the earliest month whose answers are still kept.

    A month's answers are kept through so many whole months after it: those of November 2026, for 24 months, until the
    end of November 2028.
    """
    months = today.year * 12 + today.month - 1 - keep_months
    return date(months // 12, months % 12 + 1, 1)


def day_begins_at(day: date) -> datetime:
    """Return when a local day begins."""
    return _at(day, time())


# --- Who takes part -----------------------------------------------------------------------------------------------


def participants(
    round: AssessmentRound, members: Iterable[Member], responses: Iterable[Response], *, day: date
) -> list[Member]:
    """Return who takes part in the round, as it stands on a local day.

    Whoever has handed in takes part for good. Of the others, those who are in the cell on that day and were by
    the due day: who joins during the round takes part from the joining day, who joins after it was due does
    not, and who leaves without having handed in no longer does. Days before the opening count as the opening
    day and days after the closing as the closing day, so that a closed round keeps its participants.

    Args:
        members: of any cells; who was in several, or in one several times, once for each stay.
        responses: of any rounds.
    Returns:
        In the order of members, each id once.
    """
    day = max(round.opened_on, min(day, _last_day(round)))
    handed_in = _handed_in(round, responses)
    taking_part: dict[int, Member] = {}
    for member in members:
        belongs = member.belongs_on(day) and member.belongs_on(min(day, round.due_on))
        if member.cell_id == round.cell_id and (belongs or member.id in handed_in):
            taking_part.setdefault(member.id, member)
    return list(taking_part.values())


def still_to_hand_in(
    round: AssessmentRound, members: Iterable[Member], responses: Iterable[Response], *, day: date
) -> list[Member]:
    """Return the participants who have not handed in, with a phone or without."""
    known = list(responses)
    handed_in = _handed_in(round, known)
    return [member for member in participants(round, members, known, day=day) if member.id not in handed_in]


# --- Who should hear from us --------------------------------------------------------------------------------------


def due_reminders(
    round: AssessmentRound,
    members: Iterable[Member],
    responses: Iterable[Response],
    schedule: Schedule,
    *,
    now: datetime,
    already_sent: Container[ReminderKey],
) -> list[Reminder]:
    """Return what should be said now: to who has still to hand in and has a phone, at most one thing each.

    Of all that was planned for a member up to the end of today only the last counts; what a pause, an outage
    or a late opening has overtaken is never made up for. So a member hears at most one of these a day. Who
    joined during the round hears first that it is open. A program that was off at the hour says it later on the
    same day. In quiet hours, in a pause and once the due day is over nobody hears anything: what it would say, that
    one is in time, would not be so.

    Args:
        already_sent: keys of all reminders ever handed on, whatever became of them; who has heard a later one
            is not told an earlier one, wherever the clock jumps.
    Returns:
        In the order of members.
    """
    if round_state(round, now) is not RoundState.OPEN or sendable_at(now, schedule) != now:
        return []
    today = local_day(now)
    reminders = []
    for member in still_to_hand_in(round, members, responses, day=today):
        planned = [each for each in _planned(round, member, schedule) if local_day(each.due_at) <= today]
        if not member.has_phone or not planned or planned[-1].due_at > now:
            continue
        kinds_from_it = _KINDS[_KINDS.index(planned[-1].kind) :]
        if not any((round.id, member.id, kind) in already_sent for kind in kinds_from_it):
            reminders.append(planned[-1])
    return reminders


def remind_now(
    round: AssessmentRound,
    members: Iterable[Member],
    responses: Iterable[Response],
    schedule: Schedule,
    *,
    now: datetime,
    last_manual_at: datetime | None,
) -> tuple[datetime, list[int]]:
    """Return when the secretary's reminder goes out and the ids of the members who hear it.

    They are those who will still have to hand in then, as far as is known now, and have a phone.

    Args:
        last_manual_at: when the secretary pressed before, or when that reminder went out.
    Raises:
        RoundClosed: it is closed, or will be before anything may be sent.
        AlreadyReminded: one has gone out on that local day, or is to. A press at night counts for the morning.
    """
    at = sendable_at(now, schedule)
    if round_state(round, at) is RoundState.CLOSED:
        raise RoundClosed(round.id, closes_at(round))
    if last_manual_at is not None:
        last_on = local_day(sendable_at(last_manual_at, schedule))
        if local_day(at) <= last_on:
            raise AlreadyReminded(round.id, sendable_at(_at(last_on + timedelta(days=1), time()), schedule))
    waiting = still_to_hand_in(round, members, responses, day=local_day(at))
    return at, [member.id for member in waiting if member.has_phone]


def _planned(round: AssessmentRound, member: Member, schedule: Schedule) -> list[Reminder]:
    """Return all that a member would hear in the round, first things first; of two at one moment the later counts."""
    starts_on = max(round.opened_on, member.joined_on or round.opened_on)
    opened_at = sendable_at(_at(starts_on, time()), schedule)
    planned = [Reminder(member.id, round.id, OPENED, opened_at)]
    for days in sorted(schedule.reminder_days, reverse=True):
        at = _at_free_day(round.due_on - timedelta(days=days), schedule.reminder_hour, schedule)
        # On the day it opens the opening itself is reminder enough.
        if local_day(at) > local_day(opened_at):
            planned.append(Reminder(member.id, round.id, reminder_kind(days), at))
    return planned


def _handed_in(round: AssessmentRound, responses: Iterable[Response]) -> set[int]:
    return {response.member_id for response in responses if response.round_id == round.id and response.is_submitted}


def _last_grace_day(round: AssessmentRound) -> date:
    return round.due_on + timedelta(days=round.grace_days)


def _last_day(round: AssessmentRound) -> date:
    """Return the last local day on which the round was open."""
    end = _last_grace_day(round)
    return end if round.closed_at is None else min(end, local_day(round.closed_at))


# --- Days and hours -----------------------------------------------------------------------------------------------


def _local(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise ValueError(f"{at} has no time zone: give an aware datetime")
    return at.astimezone(ZoneInfo(TIME_ZONE))


def _at(day: date, moment: time) -> datetime:
    return datetime.combine(day, moment, tzinfo=ZoneInfo(TIME_ZONE))


def _at_free_day(day: date, hour: int, schedule: Schedule) -> datetime:
    return _at(schedule.first_free_day(day), time(hour)).astimezone(UTC)


def _day_of_month(month: date, day: int) -> date:
    return month.replace(day=min(day, calendar.monthrange(month.year, month.month)[1]))


def _next_month(month: date) -> date:
    return _day_of_month(month, 31) + timedelta(days=1)


def _check_range(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise ValueError(f"{name} {value} is out of range: choose {least} to {most}")
