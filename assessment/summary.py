"""What papers about rounds hold: a cell's month, a committee's table of cells, a roll-up, a member's own copy.

Whoever asks for one has been asked about in assessment/access.py before: what that person may not see is None here, or
is not in it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import Enum

from assessment.model import AssessmentRound, Checklist, ItemAnswer, Member, Response
from assessment.schedule import is_late, participants
from assessment.versions import not_compared

Totals = Mapping[int, Mapping[ItemAnswer, int]]

MONTHS_OF_A_QUARTER = 3
MONTHS_OF_A_YEAR = 12


class HandIn(Enum):
    """What became of one who takes part in a round."""

    IN_TIME = "in time"
    LATE = "late"
    MISSING = "missing"
    NEVER_LINKED = "never linked"
    BLOCKED = "blocked"
    WITHOUT_PHONE = "without phone"
    CONSENT_TAKEN_BACK = "consent taken back"


@dataclass(frozen=True, slots=True)
class Form:
    """Which version of which checklist a round was opened with.

    Attributes:
        regulation: its number, and superseded_by the number of the one that replaced it.
        is_checked: it was compared with the official text.
        not_compared: how many items of it were not, all the same.
        confirmed_on: when an admin confirmed for use what was not compared.
    """

    checklist_id: str
    version: int
    regulation: str
    superseded_by: str | None = None
    is_checked: bool = True
    not_compared: int = 0
    confirmed_on: date | None = None


@dataclass(frozen=True, slots=True)
class MemberLine:
    """How a round stands with one member.

    Attributes:
        is_on_paper: a deputy entered the response; is_corrected: and put it right afterwards.
    """

    name: str
    state: HandIn
    submitted_on: date | None = None
    is_on_paper: bool = False
    is_corrected: bool = False


@dataclass(frozen=True, slots=True)
class Reported:
    """The items that a member reports to the cell, by number, and what was written beside some of them."""

    name: str
    items: tuple[int, ...]
    notes: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MonthCounts:
    """A round in numbers; late ones are among those handed in."""

    month: date
    due_on: date
    form: Form
    expected: int
    handed_in: int
    late: int

    @property
    def percent(self) -> int:
        """The share that was handed in, rounded down, so that 100 means everybody; 0 where nobody takes part."""
        return self.handed_in * 100 // self.expected if self.expected else 0


@dataclass(frozen=True, slots=True)
class CellMonth:
    """A cell's monthly summary.

    Attributes:
        is_closed: nothing is taken any more; the numbers are the last ones.
        reported, talks: None where they are not for this reader.
        totals: None where they are not for this reader; empty where nobody may see any.
        counted: so many responses are in the totals.
    """

    organization: str
    cell: str
    counts: MonthCounts
    made_on: date
    is_closed: bool
    lines: tuple[MemberLine, ...]
    answer_labels: Mapping[ItemAnswer, str]
    item_titles: Mapping[int, str]
    reported: tuple[Reported, ...] | None = None
    talks: int | None = None
    totals: Totals | None = None
    counted: int = 0


@dataclass(frozen=True, slots=True)
class CellCounts:
    """A line of a committee's table; counts is None for a cell without a round in that month."""

    organization: str
    cell: str
    counts: MonthCounts | None


@dataclass(frozen=True, slots=True)
class CellsMonth:
    """A committee's table of cells in one month: numbers and no names."""

    organization: str
    month: date
    made_on: date
    cells: tuple[CellCounts, ...]

    @property
    def forms(self) -> tuple[Form, ...]:
        """The versions that the cells' rounds were opened with, each once."""
        return tuple(dict.fromkeys(cell.counts.form for cell in self.cells if cell.counts is not None))


@dataclass(frozen=True, slots=True)
class MonthLine:
    """A month of a roll-up; reports and talks count members and are None where they are not for this reader."""

    counts: MonthCounts
    reports: int | None = None
    talks: int | None = None


@dataclass(frozen=True, slots=True)
class Period:
    """Whole months of one year from the first to the last one, each named by its first day."""

    first: date
    last: date

    def holds(self, month: date) -> bool:
        """Whether a month lies in it."""
        return self.first <= month <= self.last

    @property
    def months(self) -> tuple[date, ...]:
        """Its months, in order."""
        return tuple(date(self.first.year, month, 1) for month in range(self.first.month, self.last.month + 1))

    @property
    def is_year(self) -> bool:
        """Whether it is a whole year."""
        return len(self.months) == MONTHS_OF_A_YEAR


@dataclass(frozen=True, slots=True)
class RollUp:
    """A cell's quarter or year.

    Attributes:
        totals: sums over the months whose totals may be shown, for each version by itself, for another version may
            number its items in another way; None where they are not for this reader.
    """

    organization: str
    cell: str
    period: Period
    made_on: date
    months: tuple[MonthLine, ...]
    answer_labels: Mapping[ItemAnswer, str]
    totals: Mapping[Form, Totals] | None = None

    @property
    def forms(self) -> tuple[Form, ...]:
        """The versions that the rounds were opened with, each once."""
        return tuple(dict.fromkeys(line.counts.form for line in self.months))


@dataclass(frozen=True, slots=True)
class OwnAnswer:
    """An answer a member gave at some time, with what was chosen and written beside it."""

    answer: ItemAnswer
    is_reported: bool
    note: str


@dataclass(frozen=True, slots=True)
class OwnItem:
    """All that a member has answered to an item, the first answer first; the last one holds."""

    number: int
    title: str
    answers: tuple[OwnAnswer, ...]


@dataclass(frozen=True, slots=True)
class OwnResponse:
    """A member's response in one round, in full; without items where they were erased."""

    month: date
    form: Form
    receipt: str | None
    submitted_on: date | None
    is_late: bool
    is_on_paper: bool
    is_erased: bool
    wants_talk: bool
    items: tuple[OwnItem, ...]
    answer_labels: Mapping[ItemAnswer, str]


@dataclass(frozen=True, slots=True)
class OwnCopy:
    """All that a member has answered, the newest round first."""

    name: str
    cell: str
    made_on: date
    responses: tuple[OwnResponse, ...]


def form_of(found: AssessmentRound, checklist: Checklist | None, confirmed_on: date | None = None) -> Form:
    """Return which version a round was opened with; one that is no longer here is named by its id.

    Args:
        confirmed_on: when an admin confirmed that version; None where none has.
    """
    if checklist is None:
        return Form(found.checklist_id, found.checklist_version, found.checklist_id)
    return Form(
        checklist.id,
        checklist.version,
        checklist.regulation,
        checklist.superseded_by,
        is_checked=checklist.is_checked,
        not_compared=len(not_compared(checklist)),
        confirmed_on=None if checklist.is_checked else confirmed_on,
    )


def count_month(
    found: AssessmentRound, members: Sequence[Member], responses: Sequence[Response], form: Form, *, day: date
) -> MonthCounts:
    """Return a round in numbers, as it stands on a day."""
    submitted = [response.submitted_on for response in responses if response.submitted_on is not None]
    taking_part = participants(found, members, responses, day=day)
    late = sum(is_late(found, on) for on in submitted)
    return MonthCounts(found.month, found.due_on, form, max(len(taking_part), len(submitted)), len(submitted), late)


def member_lines(
    found: AssessmentRound,
    members: Sequence[Member],
    responses: Sequence[Response],
    *,
    linked: Collection[int],
    heard: Collection[int],
    day: date,
    corrected: Collection[int] = (),
    silent: Collection[int] = (),
) -> tuple[MemberLine, ...]:
    """Return how a round stands with everybody who takes part in it on a day, in the order of members.

    Args:
        linked: who has a chat; heard: who has one in which our messages arrive.
        corrected: whose response from paper was put right.
        silent: who has taken the consent back and hears nothing.
    """
    submitted = {response.member_id: response for response in responses if response.is_submitted}
    lines = []
    for member in participants(found, members, responses, day=day):
        response = submitted.get(member.id)
        if response is not None and response.submitted_on is not None:
            state = HandIn.LATE if is_late(found, response.submitted_on) else HandIn.IN_TIME
            is_on_paper = response.entered_by is not None
            is_corrected = is_on_paper and member.id in corrected
            lines.append(MemberLine(member.name, state, response.submitted_on, is_on_paper, is_corrected))
        elif not member.has_phone:
            lines.append(MemberLine(member.name, HandIn.WITHOUT_PHONE))
        elif member.id in silent:
            lines.append(MemberLine(member.name, HandIn.CONSENT_TAKEN_BACK))
        elif member.id not in linked:
            lines.append(MemberLine(member.name, HandIn.NEVER_LINKED))
        else:
            lines.append(MemberLine(member.name, HandIn.MISSING if member.id in heard else HandIn.BLOCKED))
    return tuple(lines)


def quarter_of(month: date) -> Period:
    """Return the quarter a month lies in."""
    first = (month.month - 1) // MONTHS_OF_A_QUARTER * MONTHS_OF_A_QUARTER + 1
    return Period(date(month.year, first, 1), date(month.year, first + MONTHS_OF_A_QUARTER - 1, 1))


def year_of(month: date) -> Period:
    """Return the year a month lies in."""
    return Period(date(month.year, 1, 1), date(month.year, MONTHS_OF_A_YEAR, 1))
