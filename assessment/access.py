"""Who may see what of an assessment: one table, and the rules for totals. Nothing else decides it.

What stands in no cell of the table is never seen. Conditions are about the person looked at, so that the same role is
not allowed the same thing everywhere.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from assessment.model import ItemAnswer, Response, Role

# Fewer than so many people are never counted together where answers are concerned.
LEAST_COUNTED = 5


class Data(Enum):
    """What there is to see or to do."""

    # Answers before they are handed in, and after.
    DRAFT = "draft"
    ANSWERS = "answers"
    # Items that the member chose to report to the cell, and what was written beside them on the web page.
    REPORTED = "reported"
    # The one bit "I want to talk with the secretary".
    TALK_WISH = "talk_wish"
    # Who has handed in, by name; handed in and expected, as numbers; how often each answer was given.
    STATUS = "status"
    COUNTS = "counts"
    TOTALS = "totals"
    # Names, roles and cells; one-time codes; putting in a response from paper.
    ROSTER = "roster"
    CODES = "codes"
    PAPER = "paper"
    # Who has looked at a member's reported items; the log of reads and exports, which holds no content.
    OWN_READERS = "own_readers"
    AUDIT = "audit"
    # Which versions of a checklist there are; confirming one for use, and taking that back.
    CHECKLISTS = "checklists"
    # Loading documents, going back to earlier ones, confirming what was scanned.
    DOCUMENTS = "documents"
    # How many messages could not be handled or sent, never what they say; trying again, throwing them away.
    MAILBOX = "mailbox"
    # Opening, extending and closing a cell's rounds; the schedule by which they open.
    ROUNDS = "rounds"
    # Questions that got no answer, without names, and throwing them away; writing and withdrawing approved answers; how
    # often answers were called good. They hang on no cell.
    GAPS = "gaps"
    APPROVED = "approved"
    FEEDBACK = "feedback"
    # A question that a member has chosen to send to the secretary, with the name.
    FORWARDED = "forwarded"


class Condition(Enum):
    """When a role may see it."""

    OWN = "about oneself"
    OWN_CELL = "about the own cell"
    CELLS_BELOW = "about the cells of the own organization and those below it"
    CHOSEN = "about the own cell, and the member chose to report it"
    DECIDED = "about the own cell, where a written decision was entered and shown to the member before the first item"
    ANYWHERE = "about everybody"


_TABLE: Mapping[tuple[Role, Data], Condition] = {
    (Role.MEMBER, Data.DRAFT): Condition.OWN,
    (Role.MEMBER, Data.ANSWERS): Condition.OWN,
    (Role.MEMBER, Data.REPORTED): Condition.OWN,
    (Role.MEMBER, Data.TALK_WISH): Condition.OWN,
    (Role.MEMBER, Data.STATUS): Condition.OWN,
    (Role.MEMBER, Data.OWN_READERS): Condition.OWN,
    (Role.MEMBER, Data.CODES): Condition.OWN,
    (Role.SECRETARY, Data.ANSWERS): Condition.DECIDED,
    (Role.SECRETARY, Data.REPORTED): Condition.CHOSEN,
    (Role.SECRETARY, Data.TALK_WISH): Condition.OWN_CELL,
    (Role.SECRETARY, Data.STATUS): Condition.OWN_CELL,
    (Role.SECRETARY, Data.COUNTS): Condition.OWN_CELL,
    (Role.SECRETARY, Data.TOTALS): Condition.OWN_CELL,
    (Role.SECRETARY, Data.ROSTER): Condition.OWN_CELL,
    (Role.SECRETARY, Data.CODES): Condition.OWN_CELL,
    (Role.SECRETARY, Data.ROUNDS): Condition.OWN_CELL,
    (Role.DEPUTY_SECRETARY, Data.STATUS): Condition.OWN_CELL,
    (Role.DEPUTY_SECRETARY, Data.COUNTS): Condition.OWN_CELL,
    (Role.DEPUTY_SECRETARY, Data.ROSTER): Condition.OWN_CELL,
    (Role.DEPUTY_SECRETARY, Data.PAPER): Condition.OWN_CELL,
    (Role.COMMITTEE_MEMBER, Data.COUNTS): Condition.CELLS_BELOW,
    (Role.COMMITTEE_MEMBER, Data.TOTALS): Condition.CELLS_BELOW,
    (Role.INSPECTOR, Data.COUNTS): Condition.CELLS_BELOW,
    (Role.INSPECTOR, Data.AUDIT): Condition.CELLS_BELOW,
    (Role.ADMIN, Data.ROSTER): Condition.ANYWHERE,
    (Role.ADMIN, Data.AUDIT): Condition.ANYWHERE,
    (Role.ADMIN, Data.CHECKLISTS): Condition.ANYWHERE,
    (Role.COMMITTEE_MEMBER, Data.GAPS): Condition.ANYWHERE,
    (Role.ADMIN, Data.GAPS): Condition.ANYWHERE,
    (Role.COMMITTEE_MEMBER, Data.APPROVED): Condition.ANYWHERE,
    (Role.ADMIN, Data.FEEDBACK): Condition.ANYWHERE,
    (Role.SECRETARY, Data.FORWARDED): Condition.CHOSEN,
    (Role.ADMIN, Data.DOCUMENTS): Condition.ANYWHERE,
    (Role.ADMIN, Data.MAILBOX): Condition.ANYWHERE,
}


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks.

    Attributes:
        organization_ids: the own organization and those below it.
    """

    member_id: int
    cell_id: int
    roles: frozenset[Role]
    organization_ids: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Subject:
    """What is looked at: a member's matter, or with member_id None a cell's.

    Attributes:
        is_reported: the member chose to report this item.
        is_decided: a committee's written decision was entered, and was shown to the member before the first item.
    """

    cell_id: int
    organization_id: int
    member_id: int | None = None
    is_reported: bool = False
    is_decided: bool = False


def condition(role: Role, data: Data) -> Condition | None:
    """Return when a role may see something; None for never."""
    return _TABLE.get((role, data))


def may_see(viewer: Viewer, data: Data, subject: Subject) -> bool:
    """Whether somebody may see (or do) something; every role of theirs is asked."""
    return any(_holds(condition(role, data), viewer, subject) for role in viewer.roles)


def _holds(wanted: Condition | None, viewer: Viewer, subject: Subject) -> bool:
    own_cell = viewer.cell_id == subject.cell_id
    match wanted:
        case None:
            return False
        case Condition.OWN:
            return subject.member_id == viewer.member_id
        case Condition.OWN_CELL:
            return own_cell
        case Condition.CELLS_BELOW:
            return subject.organization_id in viewer.organization_ids
        case Condition.CHOSEN:
            return own_cell and subject.is_reported
        case Condition.DECIDED:
            return own_cell and subject.is_decided
        case Condition.ANYWHERE:
            return True


def visible_items(viewer: Viewer, response: Response, subject: Subject) -> frozenset[int]:
    """Return which items of a response somebody may see; a draft is its member's alone.

    Args:
        subject: the member's cell and organization, and whether a decision was entered and shown.
    """
    about = Subject(subject.cell_id, subject.organization_id, response.member_id, is_decided=subject.is_decided)
    if not response.is_submitted:
        return frozenset(response.answers) if may_see(viewer, Data.DRAFT, about) else frozenset()
    if may_see(viewer, Data.ANSWERS, about):
        return frozenset(response.answers)
    chosen = Subject(about.cell_id, about.organization_id, about.member_id, is_reported=True)
    return frozenset(response.reported) if may_see(viewer, Data.REPORTED, chosen) else frozenset()


def totals(
    responses: Sequence[Response], *, shown_before: int | None = None, counted_before: Collection[int] = ()
) -> dict[int, dict[ItemAnswer, int]]:
    """Return how often each answer was given, by item, as far as nobody's own answer can be read from it.

    Empty with fewer than LEAST_COUNTED responses handed in, and where totals of `shown_before` responses were shown
    already and fewer than LEAST_COUNTED have come since: the difference would tell what those few said. An item whose
    answers are all the same is left out, for it would tell everybody's answer.

    Args:
        counted_before: whose responses those were, by member, where that is known: then neither those who came since
            nor those whose content is gone may be so few.
    """
    handed_in = countable_responses(responses)
    if len(handed_in) < LEAST_COUNTED or _would_tell(handed_in, shown_before, frozenset(counted_before)):
        return {}
    numbers = sorted({number for response in handed_in for number in response.answers})
    by_item = {
        number: Counter(response.answers[number] for response in handed_in if number in response.answers)
        for number in numbers
    }
    return {
        number: {answer: counts[answer] for answer in ItemAnswer}
        for number, counts in by_item.items()
        if len(counts) > 1 and counts.total() >= LEAST_COUNTED
    }


def _would_tell(handed_in: Sequence[Response], shown_before: int | None, counted_before: frozenset[int]) -> bool:
    """Whether totals beside those shown before would tell what fewer than LEAST_COUNTED have said."""
    if not counted_before:
        return shown_before is not None and 0 < abs(len(handed_in) - shown_before) < LEAST_COUNTED
    now = {response.member_id for response in handed_in}
    return any(0 < len(few) < LEAST_COUNTED for few in (now - counted_before, counted_before - now))


def totals_again(responses: Sequence[Response], counted_before: Collection[int]) -> dict[int, dict[ItemAnswer, int]]:
    """Return totals of those responses only that totals have counted before, by member; they tell nothing new.

    Empty where one of them was destroyed since: the others' totals would tell what it said.
    """
    same = [response for response in countable_responses(responses) if response.member_id in counted_before]
    return totals(same) if len(same) == len(counted_before) else {}


def countable_responses(responses: Iterable[Response]) -> list[Response]:
    """Return the responses that totals count: those handed in whose content was not destroyed.

    How many they are is what `shown_before` counts: one that was erased since would be told by the difference, too.
    """
    return [response for response in responses if response.is_submitted and response.answers]


def countable_cells(handed_in: Mapping[int, int]) -> frozenset[int]:
    """Return the cells that may go into an organization's totals, by how many have handed in in each.

    A cell with too few responses stays out of the sum: together with the totals of the others, it could be taken off.
    """
    return frozenset(cell_id for cell_id, count in handed_in.items() if count >= LEAST_COUNTED)


def sum_totals(parts: Iterable[Mapping[int, Mapping[ItemAnswer, int]]]) -> dict[int, dict[ItemAnswer, int]]:
    """Return the sum of totals that may themselves be shown; see countable_cells."""
    summed: dict[int, Counter[ItemAnswer]] = {}
    for part in parts:
        for number, counts in part.items():
            summed.setdefault(number, Counter()).update(counts)
    return {number: {answer: counts[answer] for answer in ItemAnswer} for number, counts in sorted(summed.items())}
