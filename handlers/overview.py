"""Gathers what papers hold, as much of it as the member who asks may see now, and notes what was read."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta

from assessment.access import (
    Data,
    Subject,
    Viewer,
    may_see,
    sum_totals,
    visible_items,
)
from assessment.model import AssessmentRound, Cell, Checklist, Member, Response
from assessment.schedule import RoundState, closes_at, is_late, local_day, round_state
from assessment.summary import (
    CellCounts,
    CellMonth,
    CellsMonth,
    Form,
    MonthCounts,
    MonthLine,
    OwnAnswer,
    OwnCopy,
    OwnItem,
    OwnResponse,
    Period,
    Reported,
    RollUp,
    count_month,
    form_of,
    member_lines,
)
from handlers.services import Turn
from handlers.shown_totals import Totals, totals_of

MONTHS_SHOWN = 12
# What the log calls putting right a response that came from paper.
PAPER_CORRECTED = "correct paper"
# Who reads a summary and takes its files along has read it once.
ONE_READING = timedelta(minutes=10)


def may(turn: Turn, member: Member, data: Data, cell: Cell) -> bool:
    """Whether a member may see something of a cell."""
    return may_see(_viewer(turn, member), data, Subject(cell.id, cell.organization_id))


def cell_month(turn: Turn, member: Member, found: AssessmentRound) -> CellMonth | None:
    """Return a cell's monthly summary; None where the member may not see who has handed in there.

    That what others report was read is noted, as it is when it is read in the chat.
    """
    transaction = turn.transaction
    cell = transaction.people.cell(found.cell_id)
    if not may(turn, member, Data.STATUS, cell):
        return None
    members = transaction.people.members_of(cell.id)
    outlines = transaction.rounds.outlines(found.id)
    links = transaction.people.links_of([each.id for each in members])
    checklist, day = _checklist(turn, found), _as_of(turn, found)
    may_talk, may_total = may(turn, member, Data.TALK_WISH, cell), may(turn, member, Data.TOTALS, cell)
    responses = transaction.rounds.responses(found.id) if may_total else []
    counted, counted_of = totals_of(turn, found, responses) if may_total else (None, 0)
    return CellMonth(
        organization=_organization(turn, cell.organization_id),
        cell=cell.name,
        counts=count_month(found, members, outlines, form(turn, found), day=day),
        made_on=local_day(turn.now),
        is_closed=round_state(found, turn.now) is RoundState.CLOSED,
        lines=member_lines(
            found,
            members,
            outlines,
            linked={link.member_id for link in links},
            heard={link.member_id for link in links if not link.is_blocked},
            day=day,
            corrected=_corrected(turn, outlines),
            silent=transaction.consents.taken_back([each.id for each in members]),
        ),
        answer_labels=checklist.answer_labels if checklist else {},
        item_titles=_titles(checklist),
        reported=_reported(turn, member, cell, responses) if may_total else None,
        talks=sum(each.wants_talk for each in outlines if each.is_submitted) if may_talk else None,
        totals=counted,
        counted=counted_of,
    )


def cells_month(turn: Turn, member: Member, month: date | None = None) -> CellsMonth | None:
    """Return the table of the cells below the member's organization; None where the member may see none of them.

    Args:
        month: None for the latest one that any of them has a round in, or this one.
    """
    people, viewer = turn.transaction.people, _viewer(turn, member)
    own = people.cell(member.cell_id).organization_id
    names = {organization.id: organization.name for organization in people.organizations()}
    cells = [
        cell
        for cell in people.cells(viewer.organization_ids)
        if may_see(viewer, Data.COUNTS, Subject(cell.id, cell.organization_id))
    ]
    if not cells or not may_see(viewer, Data.COUNTS, Subject(0, own)):
        return None
    rounds = {cell.id: turn.transaction.rounds.of_cell(cell.id) for cell in cells}
    if month is None:
        months = [found.month for of_cell in rounds.values() for found in of_cell]
        month = max(months, default=local_day(turn.now).replace(day=1))
    lines = []
    for cell in cells:
        found = next((found for found in rounds[cell.id] if found.month == month), None)
        counts = _counts(turn, found) if found is not None else None
        lines.append(CellCounts(names[cell.organization_id], cell.name, counts))
    return CellsMonth(names[own], month, local_day(turn.now), tuple(lines))


def roll_up(turn: Turn, member: Member, cell: Cell, period: Period) -> RollUp | None:
    """Return a cell's roll-up of a period; None where the member may not see its numbers, or there was no round."""
    rounds = [found for found in turn.transaction.rounds.of_cell(cell.id) if period.holds(found.month)]
    if not rounds or not may(turn, member, Data.COUNTS, cell):
        return None
    viewer, subject = _viewer(turn, member), Subject(cell.id, cell.organization_id)
    may_total, may_talk = may(turn, member, Data.TOTALS, cell), may(turn, member, Data.TALK_WISH, cell)
    # The newest month's words for the answers stand over all of them.
    latest = _checklist(turn, rounds[0])
    lines, counted = [], dict[Form, list[Totals]]()
    for found in reversed(rounds):
        counts = _counts(turn, found)
        responses = turn.transaction.rounds.responses(found.id) if may_total else []
        if may_total:
            counted.setdefault(counts.form, []).append(totals_of(turn, found, responses)[0])
        # How many have reported something, as far as this reader may see that anybody has.
        may_report = may_see(viewer, Data.REPORTED, Subject(cell.id, cell.organization_id, is_reported=True))
        reports = sum(bool(visible_items(viewer, each, subject) & each.reported) for each in responses)
        talks = sum(each.wants_talk for each in turn.transaction.rounds.outlines(found.id) if each.is_submitted)
        lines.append(MonthLine(counts, reports if may_total and may_report else None, talks if may_talk else None))
    return RollUp(
        organization=_organization(turn, cell.organization_id),
        cell=cell.name,
        period=period,
        made_on=local_day(turn.now),
        months=tuple(lines),
        answer_labels=latest.answer_labels if latest else {},
        totals={each: sum_totals(parts) for each, parts in counted.items()} if may_total else None,
    )


def months(turn: Turn, member: Member, cell: Cell) -> list[MonthCounts] | None:
    """Return a cell's last rounds in numbers, the oldest first; None where they are not for the member."""
    if not may(turn, member, Data.COUNTS, cell):
        return None
    return [_counts(turn, found) for found in reversed(turn.transaction.rounds.of_cell(cell.id)[:MONTHS_SHOWN])]


def own_copy(turn: Turn, member: Member) -> OwnCopy:
    """Return all that a member has answered, with what was changed."""
    cell = turn.transaction.people.cell(member.cell_id)
    responses = []
    for found, receipt, is_erased in turn.transaction.rounds.of_member(member.id):
        response = turn.transaction.rounds.response(found.id, member.id)
        about = Subject(found.cell_id, turn.transaction.people.cell(found.cell_id).organization_id, member.id)
        data = Data.ANSWERS if receipt is not None else Data.DRAFT
        if response is None or not may_see(_viewer(turn, member), data, about):
            continue
        checklist = _checklist(turn, found)
        titles = _titles(checklist)
        history = turn.transaction.rounds.history(found.id, member.id)
        items = tuple(
            OwnItem(
                number,
                titles.get(number, ""),
                tuple(OwnAnswer(each.answer, each.is_reported, each.note) for each in given),
            )
            for number, given in sorted(history.items())
        )
        on = response.submitted_on
        responses.append(
            OwnResponse(
                month=found.month,
                form=form(turn, found),
                receipt=receipt,
                submitted_on=on,
                is_late=on is not None and is_late(found, on),
                is_on_paper=response.entered_by is not None,
                is_erased=is_erased,
                wants_talk=response.wants_talk,
                items=items,
                answer_labels=checklist.answer_labels if checklist else {},
            )
        )
    return OwnCopy(member.name, cell.name, local_day(turn.now), tuple(responses))


def form(turn: Turn, found: AssessmentRound) -> Form:
    """Return which version a round was opened with, and how far it was compared with the official text."""
    confirmed = turn.transaction.checklists.confirmed()
    return form_of(found, _checklist(turn, found), confirmed.get((found.checklist_id, found.checklist_version)))


def item_titles(turn: Turn, forms: Sequence[Form]) -> dict[Form, Mapping[int, str]]:
    """Return what each version calls its items."""
    return {each: _titles(turn.services.checklists.get((each.checklist_id, each.version))) for each in forms}


def _reported(turn: Turn, member: Member, cell: Cell, responses: Sequence[Response]) -> tuple[Reported, ...]:
    viewer, subject = _viewer(turn, member), Subject(cell.id, cell.organization_id)
    reported = []
    for response in responses:
        seen = visible_items(viewer, response, subject) & response.reported if response.is_submitted else frozenset()
        if not seen:
            continue
        who = turn.transaction.people.member(response.member_id)
        answers = turn.transaction.rounds.answers(response.round_id, response.member_id)
        notes = {number: answers[number].note for number in seen if answers[number].note}
        reported.append(Reported(who.name if who else "", tuple(sorted(seen)), notes))
        if response.member_id != member.id:
            _note_read(turn, member, f"round:{response.round_id} member:{response.member_id}")
    return tuple(reported)


def times_corrected(turn: Turn, round_id: int, member_id: int) -> int:
    """Return how often a deputy has put right a response from paper."""
    entries = turn.transaction.audit.entries(about=f"round:{round_id} member:{member_id}")
    return sum(entry.action == PAPER_CORRECTED for entry in entries)


def _corrected(turn: Turn, outlines: Sequence[Response]) -> set[int]:
    """Return the members whose response came from paper and was put right."""
    entered = [each for each in outlines if each.entered_by is not None]
    return {each.member_id for each in entered if times_corrected(turn, each.round_id, each.member_id)}


def _note_read(turn: Turn, member: Member, about: str) -> None:
    actor, action = f"member:{member.id}", "read reported"
    before = [
        entry.at
        for entry in turn.transaction.audit.entries(about=about)
        if (entry.actor, entry.action) == (actor, action)
    ]
    if max(before, default=datetime.min.replace(tzinfo=turn.now.tzinfo)) < turn.now - ONE_READING:
        turn.transaction.audit.note(actor, action, about, now=turn.now)


def _counts(turn: Turn, found: AssessmentRound) -> MonthCounts:
    members = turn.transaction.people.members_of(found.cell_id)
    outlines = turn.transaction.rounds.outlines(found.id)
    return count_month(found, members, outlines, form(turn, found), day=_as_of(turn, found))


def _viewer(turn: Turn, member: Member) -> Viewer:
    people = turn.transaction.people
    below = people.organizations_below(people.cell(member.cell_id).organization_id)
    return Viewer(member.id, member.cell_id, member.roles, below)


def _organization(turn: Turn, organization_id: int) -> str:
    return next((each.name for each in turn.transaction.people.organizations() if each.id == organization_id), "")


def _checklist(turn: Turn, found: AssessmentRound) -> Checklist | None:
    """Return what a round was opened with; None where that version is no longer here."""
    return turn.services.checklists.get((found.checklist_id, found.checklist_version))


def _titles(checklist: Checklist | None) -> Mapping[int, str]:
    return {item.number: item.title for item in checklist.items} if checklist is not None else {}


def _as_of(turn: Turn, found: AssessmentRound) -> date:
    """Return the day whose participants count: today, or the last day of a round that is closed."""
    return min(local_day(turn.now), local_day(closes_at(found) - timedelta(seconds=1)))
