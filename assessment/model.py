"""Member, Cell, Item, AssessmentRound: what the monthly assessment speaks of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import Enum


class Role(Enum):
    """What a person is in a cell or above it; one person may be several."""

    MEMBER = "member"
    DEPUTY_SECRETARY = "deputy_secretary"
    SECRETARY = "secretary"
    COMMITTEE_MEMBER = "committee_member"
    INSPECTOR = "inspector"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class PartyOrganization:
    """A party committee with the cells below it; parent_id is the organization above, if it is known."""

    id: int
    name: str
    parent_id: int | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """A party cell (chi bộ)."""

    id: int
    organization_id: int
    name: str


@dataclass(frozen=True, slots=True)
class Member:
    """A party member, as the roster has it.

    Attributes:
        has_phone: false for who hands in on paper; a deputy then enters the response.
        joined_on, left_on: first and last day in the cell, where the roster says so; left_on is exclusive.
    """

    id: int
    cell_id: int
    name: str
    roles: frozenset[Role] = frozenset({Role.MEMBER})
    has_phone: bool = True
    joined_on: date | None = None
    left_on: date | None = None

    def belongs_on(self, day: date) -> bool:
        """Whether the member is in the cell on a day."""
        return (self.joined_on is None or self.joined_on <= day) and (self.left_on is None or day < self.left_on)


class ItemAnswer(Enum):
    """The three answers to an item."""

    NONE = "none"
    PRESENT = "present"
    DISCUSS = "discuss"


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that party members must not do.

    Attributes:
        number: 1 to 19, as the regulation counts.
        passage_id: the article it is taken from, as the documents' store names it ("37-qd-tw-2021/dieu-12").
        question: what the member is asked, in our own plain words.
        examples: signs to look for, in our own words.
        note: what a reader should know beside it; may be empty.
    """

    number: int
    passage_id: str
    title: str
    question: str
    examples: tuple[str, ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class ItemGroup:
    """Items about one subject, shown together; number counts from 1."""

    number: int
    title: str
    question: str
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Checklist:
    """One version of the questions, as a file in checklists/ holds it.

    Attributes:
        id: the regulation's document id; version counts from 1 for each id.
        regulation: its number as people write it ("37-QĐ/TW").
        valid_from: first day on which the regulation holds; superseded_on, the day it ceased to.
        superseded_by: the number of the regulation that replaced it.
        is_checked: it may be used as it is; otherwise, because the official text was not at hand, an admin confirms it
            first.
    """

    id: str
    version: int
    regulation: str
    title: str
    valid_from: date
    groups: tuple[ItemGroup, ...]
    intro: str
    commitment: str
    answer_labels: Mapping[ItemAnswer, str]
    free_text_warning: str
    superseded_by: str | None = None
    superseded_on: date | None = None
    is_checked: bool = False

    @property
    def items(self) -> tuple[Item, ...]:
        """All items, by number."""
        return tuple(sorted((item for group in self.groups for item in group.items), key=lambda item: item.number))


@dataclass(frozen=True, slots=True)
class AssessmentRound:
    """One month's assessment of one cell.

    Attributes:
        month: its first day.
        checklist_id, checklist_version: what it was opened with; it keeps them for ever.
        opened_on, due_on: local days (Asia/Ho_Chi_Minh); handing in on due_on is in time.
        grace_days: so many days after due_on a response is still taken, marked late; then the round is closed.
        focus: numbers of the items that this month are asked one by one.
        closed_at: set when it was closed by hand before that.
    """

    id: int
    cell_id: int
    month: date
    checklist_id: str
    checklist_version: int
    opened_on: date
    due_on: date
    grace_days: int = 0
    focus: tuple[int, ...] = ()
    closed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Response:
    """What one member has answered in one round; a draft until submitted_at is set.

    Attributes:
        answers: by item number.
        reported: items the member chose to report to the cell; only these are for the secretary to see.
        wants_talk: the member asks to talk with the secretary; nothing is said about what.
        submitted_on: local day; times of day are not kept.
        entered_by: the deputy who entered a paper response, else None.
        notice: name of the notice that the member had agreed to when the first item was answered; empty where that is
            not known, as for a paper.
    """

    member_id: int
    round_id: int
    answers: Mapping[int, ItemAnswer] = field(default_factory=dict)
    reported: frozenset[int] = frozenset()
    wants_talk: bool = False
    submitted_on: date | None = None
    entered_by: int | None = None
    receipt: str | None = None
    notice: str = ""

    @property
    def is_submitted(self) -> bool:
        """Whether it was handed in."""
        return self.submitted_on is not None
