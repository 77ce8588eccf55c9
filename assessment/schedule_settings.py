"""A cell's schedule as it is kept, and as a secretary types it."""

import re
from collections.abc import Mapping
from datetime import date, time
from enum import Enum
from typing import Any

from assessment.schedule import (
    MOST_DAYS_UNTIL_DUE,
    MOST_GRACE_DAYS,
    MOST_PAUSE_DAYS,
    MOST_REMINDER_DAYS,
    Schedule,
)
from knowledge.text import clean, collapse, fold


def to_settings(schedule: Schedule) -> dict[str, Any]:
    """Return a schedule as plain values that JSON can hold."""
    return {
        "opening_day": schedule.opening_day,
        "opening_hour": schedule.opening_hour,
        "days_until_due": schedule.days_until_due,
        "due_day": schedule.due_day,
        "grace_days": schedule.grace_days,
        "reminder_days": list(schedule.reminder_days),
        "reminder_hour": schedule.reminder_hour,
        "quiet_from": schedule.quiet_from.isoformat(),
        "quiet_until": schedule.quiet_until.isoformat(),
        "pauses": [[first.isoformat(), last.isoformat()] for first, last in schedule.pauses],
    }


def from_settings(values: Mapping[str, Any]) -> Schedule:
    """Return the schedule that to_settings has kept; what is missing is as for a new schedule.

    Raises:
        ValueError: a value cannot be used.
    """
    try:
        given = {key: values[key] for key in _PLAIN if key in values}
        reminder_days = tuple(values.get("reminder_days", ()))
        for value in (*given.values(), *reminder_days):
            # A day and a half, or a true, would pass for a number until a calendar is asked.
            if value is not None and type(value) is not int:
                raise TypeError(f"{value!r} is no whole number")
        if "reminder_days" in values:
            given["reminder_days"] = reminder_days
        given |= {key: time.fromisoformat(values[key]) for key in ("quiet_from", "quiet_until") if key in values}
        pauses = [(date.fromisoformat(first), date.fromisoformat(last)) for first, last in values.get("pauses", ())]
        return Schedule(**given, pauses=tuple(pauses))
    except (TypeError, KeyError) as error:
        raise ValueError(f"the kept schedule cannot be read: {error}") from error


_PLAIN = ("opening_day", "opening_hour", "days_until_due", "due_day", "grace_days", "reminder_hour")


# --- As it is typed -----------------------------------------------------------------------------------------------


class Problem(Enum):
    """What keeps a typed schedule from being used."""

    NO_OPENING = "no opening"
    NO_DUE = "no due date"
    OPENING_DAY = "opening day"
    DUE_DAY = "due day"
    SAME_DAY = "due on the opening day"
    DUE_TOO_LATE = "due after the next opening"
    DAYS_UNTIL_DUE = "days until due"
    REMINDER_DAYS = "reminder days"
    HOUR = "hour"
    GRACE = "grace days"
    PAUSE = "pause"
    NOT_UNDERSTOOD = "not understood"


class ScheduleNotUnderstood(Exception):
    """A typed schedule cannot be used.

    Attributes:
        problem: why.
        words: what is about it in the line, as typed where it was not understood; may be empty.
    """

    def __init__(self, problem: Problem, words: str = "") -> None:
        super().__init__(f"{problem.value}: {words}" if words else problem.value)
        self.problem = problem
        self.words = words


def _hour_in(name: str) -> str:
    minute = rf"(?: ?(?P<{name}_minute>\d{{2}})\b)?"
    return rf"(?:luc )?(?P<{name}>\d{{1,2}}) ?(?:gio|h){minute}(?P<{name}_half> (?:sang|chieu|toi))?"


_DAY = r"(?:ngay )?(?:mung |mong )?"
_MONTHLY = r"(?: (?:hang|moi) thang)?"
_DATE = r"(\d{1,2})/(\d{1,2})(?:/(\d{4}))?"
# "5", "5 ngày", "đúng ngày hạn"; not the 9 of "9 giờ", nor the "hạn" that begins the next part.
_BEFORE = (
    r"(?:\d{1,4}\b(?! ?(?:gio|h\b))(?: ngay)?|dung (?:ngay )?han|dung ngay|ngay han(?! (?:ngay|nop|la|sau|cuoi|\d)))"
)
_OPENING = re.compile(
    rf"\bmo (?:ky )?(?:{_hour_in('first')} )?(?:vao )?{_DAY}(?:(?P<day>\d{{1,4}})\b|cuoi thang){_MONTHLY}"
    rf"(?: {_hour_in('then')})?"
)
_DUE_DAY = re.compile(rf"\bhan (?:nop )?(?:la |vao )?{_DAY}(\d{{1,4}})\b(?! ?ngay){_MONTHLY}( thang (?:sau|toi))?")
_DUE_LAST = re.compile(r"\bhan (?:nop )?(?:la |vao )?(?:ngay )?cuoi thang")
_DUE_AFTER = re.compile(r"\bhan (?:nop )?(?:la )?(?:sau )?(\d{1,4}) ?ngay")
_REMIND = re.compile(
    rf"\bnhac (?:{_hour_in('first')} )?(?:truoc (?:han )?)?(?P<days>{_BEFORE}(?:(?: ?, ?(?:va )?| va | ){_BEFORE})*)"
    rf"(?: truoc han)?(?: {_hour_in('then')})?"
)
_NO_REMINDER = re.compile(r"\bkhong nhac(?: (?:nho|gi))?\b")
_GRACE = re.compile(
    r"\b(?:nhan (?:phieu )?(?:(?:nop )?muon )?(?:them )?|(?:cho (?:phep )?)?nop muon (?:them )?|gia han (?:them )?"
    r"|them )(\d{1,4}) ngay"
)
_NO_GRACE = re.compile(r"\bkhong (?:nhan|cho)(?: phep)?(?: phieu)?(?: nop)? muon\b")
_PAUSE = re.compile(
    rf"\bnghi (?:tet )?(?:tu )?(?:ngay )?{_DATE}(?: ?(?:[-–—]|den(?: het)?) ?(?:ngay )?{_DATE})?(?![\d/])"
)
_MORE_PAUSE = re.compile(r"\bnghi\b[^,;]*")
_FILLER = re.compile(r"[\s,.;:]|\bva\b|\bngay\b|\btruoc\b")
_NOON = 12


class _Reader:
    """Takes one part after the other out of what was typed; what is left at the end was not understood."""

    def __init__(self, typed: str) -> None:
        said = collapse(clean(typed))
        self._text = fold(said)
        # Beside it, letter for letter, what the person wrote.
        self._said = said if len(said) == len(self._text) else self._text

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.search(self._text)
        if found is not None:
            first, last = found.span()
            self._text = f"{self._text[:first]} {self._text[last:]}"
            self._said = f"{self._said[:first]} {self._said[last:]}"
        return found

    def left(self) -> str:
        kept = list(self._said)
        for filler in _FILLER.finditer(self._text):
            kept[filler.start() : filler.end()] = " " * len(filler[0])
        return collapse("".join(kept))


def parse_schedule(typed: str) -> Schedule:
    """Return the schedule in words such as "mở ngày 20 lúc 8 giờ, hạn ngày 28, nhắc trước 5, 2, 0 ngày lúc 9 giờ".

    Also understood: "mở ngày cuối tháng", "hạn sau 10 ngày", "hạn cuối tháng", "hạn ngày 3 tháng sau", "không nhắc",
    "nhận thêm 3 ngày" (grace), "nghỉ 25/01/2027-10/02/2027"; with accents or without, in any order.

    Raises:
        ScheduleNotUnderstood: a part is missing, out of range, or not understood.
    """
    reader = _Reader(typed)
    opening = reader.take(_OPENING)
    if opening is None:
        raise ScheduleNotUnderstood(Problem.NO_OPENING)
    opening_day = _within(opening["day"], 1, 31, Problem.OPENING_DAY) if opening["day"] else 31
    pauses = _pauses(reader)
    reminder_days, reminder_hour = _reminders(reader)
    grace_days = _grace(reader)
    days_until_due, due_day = _due(reader, opening_day)
    left = reader.left()
    if left:
        raise ScheduleNotUnderstood(Problem.NOT_UNDERSTOOD, left)
    return Schedule(
        opening_day=opening_day,
        opening_hour=_hour(opening, 8),
        days_until_due=days_until_due,
        due_day=due_day,
        grace_days=grace_days,
        reminder_days=reminder_days,
        reminder_hour=reminder_hour,
        pauses=pauses,
    )


def _due(reader: _Reader, opening_day: int) -> tuple[int | None, int | None]:
    if reader.take(_DUE_LAST) is not None:
        due_day = 31
    elif (after := reader.take(_DUE_AFTER)) is not None:
        return _within(after[1], 1, MOST_DAYS_UNTIL_DUE, Problem.DAYS_UNTIL_DUE), None
    elif (on := reader.take(_DUE_DAY)) is not None:
        due_day = _within(on[1], 1, 31, Problem.DUE_DAY)
        if on[2] and due_day > opening_day:
            raise ScheduleNotUnderstood(Problem.DUE_TOO_LATE, on[1])
    else:
        raise ScheduleNotUnderstood(Problem.NO_DUE)
    if due_day == opening_day:
        raise ScheduleNotUnderstood(Problem.SAME_DAY, str(due_day))
    return None, due_day


def _reminders(reader: _Reader) -> tuple[tuple[int, ...], int]:
    """Return how many days before the due day, the longest first, and at what hour."""
    if reader.take(_NO_REMINDER) is not None:
        return (), _USUAL.reminder_hour
    found = reader.take(_REMIND)
    if found is None:
        return _USUAL.reminder_days, _USUAL.reminder_hour
    numbers = re.findall(r"\d+", found["days"])
    days = {_within(number, 0, MOST_REMINDER_DAYS, Problem.REMINDER_DAYS) for number in numbers}
    if re.search(r"dung|han", found["days"]):
        days.add(0)
    return tuple(sorted(days, reverse=True)), _hour(found, _USUAL.reminder_hour)


def _grace(reader: _Reader) -> int:
    if reader.take(_NO_GRACE) is not None:
        return 0
    found = reader.take(_GRACE)
    return _within(found[1], 0, MOST_GRACE_DAYS, Problem.GRACE) if found else _USUAL.grace_days


def _within(number: str, least: int, most: int, problem: Problem) -> int:
    if not least <= int(number) <= most:
        raise ScheduleNotUnderstood(problem, number)
    return int(number)


def _hour(found: re.Match[str], usual: int) -> int:
    """Return the hour that stands in a part, before or after its day, and at which something may be sent."""
    name = "first" if found["first"] else "then"
    if found[name] is None:
        return usual
    hour, minute, half = int(found[name]), found[f"{name}_minute"], (found[f"{name}_half"] or "").strip()
    if half in ("chieu", "toi") and hour < _NOON:
        hour += _NOON
    if hour > 23 or (minute and int(minute)) or _USUAL.is_quiet(time(hour)):
        raise ScheduleNotUnderstood(Problem.HOUR, found[name])
    return hour


def _pauses(reader: _Reader) -> tuple[tuple[date, date], ...]:
    pauses = []
    while (found := reader.take(_PAUSE)) is not None:
        pauses.append(_pause(found))
    if (odd := reader.take(_MORE_PAUSE)) is not None:
        raise ScheduleNotUnderstood(Problem.PAUSE, odd[0])
    return tuple(pauses)


def _pause(found: re.Match[str]) -> tuple[date, date]:
    """Return the first and the last day; a year that is given once is that of both, a day alone is both."""
    first, last = found.group(1, 2, 3), found.group(4, 5, 6)
    if last[0] is None:
        last = first
    year = last[2] or ""
    try:
        first_on, last_on = (date(int(each[2] or year), int(each[1]), int(each[0])) for each in (first, last))
    except ValueError as error:
        raise ScheduleNotUnderstood(Problem.PAUSE, found[0]) from error
    if last_on < first_on or (last_on - first_on).days >= MOST_PAUSE_DAYS:
        raise ScheduleNotUnderstood(Problem.PAUSE, found[0])
    return first_on, last_on


# What a schedule has where nothing was typed, and the quiet hours.
_USUAL = Schedule(opening_day=1, due_day=28)
