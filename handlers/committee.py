"""What a committee and its inspectors see of the cells below: numbers and process, never names."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date

from assessment.access import Data, Subject, countable_cells, sum_totals
from assessment.model import AssessmentRound, Cell
from assessment.schedule import local_day, round_state
from assessment.summary import count_month, form_of
from handlers import committee_texts, exports, member_texts, paper_texts
from handlers.messages import Button, Reply, say
from handlers.services import Turn
from handlers.shown_totals import Totals, totals_of
from handlers.viewers import ANYTHING, NOBODY, Looker, looker_in
from knowledge.text import fold
from storage.audit import AuditEntry

LINES_A_PAGE = 15
_NAMED = re.compile(r"(round|cell):(\d+)")
_ACTOR = re.compile(r"member:(\d+)")


def cells(turn: Turn, argument: str = "") -> Reply:
    """Show the table of cells in the latest month: how each round stands, handed in and expected."""
    looker = _looker(turn)
    if isinstance(looker, Reply):
        return looker
    month, first = _place(turn, looker, argument)
    below = _cells_below(turn, looker, Data.COUNTS)
    rounds = turn.transaction.rounds.of_month(month)
    opened = [cell for cell in below if cell.id in rounds]
    handed_in = turn.transaction.rounds.count_handed_in(month)
    head = committee_texts.table_head(
        _organization(turn, looker),
        month,
        len(opened),
        len(below),
        sum(handed_in.get(rounds[cell.id].id, 0) for cell in opened),
    )
    named = _named(turn, below)
    shown = below[first : first + LINES_A_PAGE]
    lines = [_line(turn, named[cell.id], rounds.get(cell.id)) for cell in shown]
    buttons = _next("cm_cells", month, first, len(below))
    if any(looker.may(Data.TOTALS, _subject(cell)) for cell in opened):
        buttons.append(Button(committee_texts.TOTALS, "cm_totals", f"{month:%Y-%m-%d}:0"))
    buttons += [exports.cells_button(month)] if opened else []
    return say(committee_texts.joined(head, lines, _where(first, len(lines), len(below))), *buttons)


def _totals(turn: Turn, argument: str) -> Reply:
    """Show how often each answer was given in the cells whose totals may be shown, a sum for each version."""
    looker = _looker(turn)
    if isinstance(looker, Reply):
        return looker
    month, first = _place(turn, looker, argument)
    below = {cell.id for cell in _cells_below(turn, looker, Data.TOTALS)}
    if not below:
        return say(paper_texts.ONLY_COMMITTEE)
    rounds = {cell_id: each for cell_id, each in turn.transaction.rounds.of_month(month).items() if cell_id in below}
    handed_in = turn.transaction.rounds.count_handed_in(month)
    countable = countable_cells({cell_id: handed_in.get(each.id, 0) for cell_id, each in rounds.items()})
    parts: dict[tuple[str, int], list[tuple[Totals, int]]] = {}
    for cell_id in sorted(countable):
        found = rounds[cell_id]
        part, count = _part(turn, found)
        if part:
            parts.setdefault((found.checklist_id, found.checklist_version), []).append((part, count))
    lines = [line for key, of_version in sorted(parts.items()) for line in _total_lines(turn, month, key, of_version)]
    back = Button(committee_texts.CELLS, "cm_cells", f"{month:%Y-%m-%d}:0")
    if not lines:
        return say(committee_texts.NO_TOTALS, back)
    turn.transaction.audit.note(looker.actor, "read totals", f"month:{month:%Y-%m-%d}", now=turn.now)
    shown = lines[first : first + LINES_A_PAGE]
    said = committee_texts.joined(committee_texts.HOW_COUNTED, shown, _where(first, len(shown), len(lines)))
    return say(said, *_next("cm_totals", month, first, len(lines)), back)


def process(turn: Turn, argument: str = "") -> Reply:
    """Show an inspector how many have handed in in each cell, and what was done on which day, as numbers."""
    looker = looker_in(turn)
    if looker is None:
        return say(member_texts.NOT_LINKED)
    own = _own_organization(turn, looker)
    if not looker.may(Data.AUDIT, Subject(NOBODY, own)):
        return say(committee_texts.ONLY_INSPECTOR)
    month, first = _place(turn, looker, argument)
    lines = _log(turn, looker)
    below = _cells_below(turn, looker, Data.COUNTS) if looker.may(Data.COUNTS, Subject(NOBODY, own)) else []
    rounds, named = turn.transaction.rounds.of_month(month), _named(turn, below)
    # Only those on this page are counted.
    in_cells = below[first : first + LINES_A_PAGE]
    shown = [_line(turn, named[cell.id], rounds.get(cell.id)) for cell in in_cells]
    shown += lines[max(0, first - len(below)) :][: LINES_A_PAGE - len(shown)]
    count = len(below) + len(lines)
    if not count:
        return say(committee_texts.EMPTY_LOG)
    head = committee_texts.process_head(_organization(turn, looker))
    said = committee_texts.joined(head, shown, _where(first, len(shown), count))
    return say(said, *_next("cm_process", month, first, count))


WORDS: dict[str, Callable[[Turn], Reply]] = {
    "cac chi bo": cells,
    "bang chi bo": cells,
    "bang cac chi bo": cells,
    "qua trinh": process,
}
ACTIONS: dict[str, Callable[[Turn, str], Reply]] = {
    "cm_cells": cells,
    "cm_totals": _totals,
    "cm_process": process,
}


def _looker(turn: Turn) -> Looker | Reply:
    """Return who looks over the cells of an organization; else what to say. Who only leads a cell does not."""
    looker = looker_in(turn)
    if looker is None:
        return say(member_texts.NOT_LINKED)
    if not looker.may(Data.COUNTS, Subject(NOBODY, _own_organization(turn, looker))):
        return say(paper_texts.ONLY_COMMITTEE)
    return looker


def _own_organization(turn: Turn, looker: Looker) -> int:
    if looker.member is None:
        return ANYTHING.organization_id
    return turn.transaction.people.cell(looker.member.cell_id).organization_id


def _organization(turn: Turn, looker: Looker) -> str:
    own = _own_organization(turn, looker)
    return next((each.name for each in turn.transaction.people.organizations() if each.id == own), "Toàn hệ thống")


def _place(turn: Turn, looker: Looker, argument: str) -> tuple[date, int]:
    """Return the month and the first line that a button means; without one, the latest month from its beginning."""
    if argument:
        month, _, first = argument.partition(":")
        return date.fromisoformat(month), int(first)
    ids = [cell.id for cell in turn.transaction.people.cells(looker.viewer.organization_ids)]
    latest = turn.transaction.rounds.latest_month(ids)
    return latest or local_day(turn.now).replace(day=1), 0


def _subject(cell: Cell) -> Subject:
    return Subject(cell.id, cell.organization_id)


def _cells_below(turn: Turn, looker: Looker, data: Data) -> list[Cell]:
    """Return the cells of which somebody may see something, as people count them: 2 before 10."""
    found = turn.transaction.people.cells(looker.viewer.organization_ids)
    names = {each.id: each.name for each in turn.transaction.people.organizations()}
    allowed = [cell for cell in found if looker.may(data, _subject(cell))]
    return sorted(allowed, key=lambda cell: (_natural(names[cell.organization_id]), _natural(cell.name), cell.id))


def _natural(name: str) -> list[tuple[int, str]]:
    parts = re.findall(r"\d+|\D+", fold(name))
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def _named(turn: Turn, below: Sequence[Cell]) -> dict[int, str]:
    """Return what the cells are called, with their organization where there are several."""
    if len({cell.organization_id for cell in below}) <= 1:
        return {cell.id: cell.name for cell in below}
    names = {each.id: each.name for each in turn.transaction.people.organizations()}
    return {cell.id: committee_texts.of_organization(cell.name, names[cell.organization_id]) for cell in below}


def _line(turn: Turn, name: str, found: AssessmentRound | None) -> str:
    if found is None:
        return committee_texts.not_opened(name)
    today = local_day(turn.now)
    members = turn.transaction.people.members_of(found.cell_id)
    outlines = turn.transaction.rounds.outlines(found.id)
    counts = count_month(found, members, outlines, form_of(found, None), day=today)
    state, days_left = round_state(found, turn.now), (found.due_on - today).days
    return committee_texts.cell_line(name, counts.handed_in, counts.expected, counts.late, state, days_left)


def _part(turn: Turn, found: AssessmentRound) -> tuple[Totals, int]:
    """Return a cell's totals as far as they may be shown, and how many responses they count."""
    return totals_of(turn, found, turn.transaction.rounds.responses(found.id))


def _total_lines(turn: Turn, month: date, key: tuple[str, int], parts: Sequence[tuple[Totals, int]]) -> list[str]:
    checklist = turn.services.checklists.get(key)
    labels = checklist.answer_labels if checklist is not None else {}
    summed = sum_totals(part for part, _ in parts)
    name = committee_texts.version_name(checklist, *key)
    head = committee_texts.totals_head(month, name, len(parts), sum(count for _, count in parts))
    return [head, *(committee_texts.total_line(number, counts, labels) for number, counts in summed.items())]


def _log(turn: Turn, looker: Looker) -> list[str]:
    """Return what was done, a line a day, the latest first: kinds of action and how often, no names, no hours."""
    cells_by_id = {cell.id: cell for cell in turn.transaction.people.cells()}
    of_round: dict[int, int | None] = {}
    of_member: dict[int, int | None] = {}

    def cell_of(entry: AuditEntry) -> int | None:
        named, actor = _NAMED.search(entry.about), _ACTOR.fullmatch(entry.actor)
        if named and named[1] == "cell":
            return int(named[2])
        if named:
            number = int(named[2])
            if number not in of_round:
                found = turn.transaction.rounds.get(number)
                of_round[number] = found.cell_id if found else None
            return of_round[number]
        if actor:
            number = int(actor[1])
            if number not in of_member:
                member = turn.transaction.people.member(number)
                of_member[number] = member.cell_id if member else None
            return of_member[number]
        return None

    by_day: dict[date, Counter[str]] = {}
    for entry in turn.transaction.audit.entries():
        cell = cells_by_id.get(cell_of(entry) or NOBODY)
        if looker.may(Data.AUDIT, _subject(cell) if cell is not None else ANYTHING):
            by_day.setdefault(local_day(entry.at), Counter())[committee_texts.action_name(entry.action)] += 1
    return [committee_texts.log_line(on, by_day[on]) for on in sorted(by_day, reverse=True)]


def _next(action: str, month: date, first: int, count: int) -> list[Button]:
    following = first + LINES_A_PAGE
    return [Button(committee_texts.NEXT, action, f"{month:%Y-%m-%d}:{following}")] if following < count else []


def _where(first: int, shown: int, count: int) -> str:
    return committee_texts.page_of(first + 1, first + shown, count) if shown < count else ""
