"""Files to take along: a cell's month, a committee's table, roll-ups, a member's own copy, slips with codes.

A message holds only how its files are made; what is in them, and whether this person may still have them, is decided
each time one is fetched.
"""

import json
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from assessment.access import Data, Subject
from assessment.model import AssessmentRound, Cell, Member
from assessment.schedule import local_day
from assessment.summary import Period, quarter_of, year_of
from handlers import member_texts, overview, paper_texts, secretary_texts
from handlers.enrolment import member_in
from handlers.messages import Button, Reply, say, with_files
from handlers.papers import chart, docx, pdf, slips, xlsx
from handlers.papers.paper import Paper
from handlers.roster import CODE_VALID_FOR
from handlers.services import Options, Turn
from handlers.viewers import NOBODY, looker_in
from knowledge.text import clean, collapse
from storage.store import Transaction

_CHOICES_AT_MOST = 3
_DRAWN: Mapping[str, Callable[[Paper], bytes]] = {"xlsx": xlsx.draw, "docx": docx.draw, "pdf": pdf.draw}

Drawing = Callable[[], bytes]


# --- Words and buttons --------------------------------------------------------------------------------------------


def month(turn: Turn, round_id: str = "") -> Reply:
    """Send a cell's monthly summary, the latest one or that of a round, as a workbook and a document."""
    found = _allowed(turn, Data.STATUS)
    if isinstance(found, Reply):
        return found
    _, cell = found
    rounds = turn.transaction.rounds.of_cell(cell.id)
    wanted = next((each for each in rounds if not round_id or str(each.id) == round_id), None)
    if wanted is None:
        return say(paper_texts.NO_ROUND_TO_EXPORT)
    files = month_files(cell, wanted.id, wanted.month)
    return with_files(say(paper_texts.month_sent(cell.name, wanted.month)), *files)


def month_files(cell: Cell, round_id: int, on: date) -> tuple[tuple[str, str], ...]:
    """Return the files of a cell's month, for a reply."""
    return tuple((paper_texts.month_file(cell.name, on, kind), f"month:{round_id}:{kind}") for kind in ("xlsx", "docx"))


def files_of_latest(turn: Turn) -> tuple[tuple[str, str], ...]:
    """Return the chart of the own cell's months and the files of its latest one, for a reply; none without a round."""
    found = _latest(turn, Data.STATUS)
    if found is None:
        return ()
    cell, latest = found
    chart_of_months = paper_texts.chart_file(cell.name), f"chart:{cell.id}"
    return chart_of_months, *month_files(cell, latest.id, latest.month)


def export_button() -> Button:
    """Return the choice that sends a cell's latest month."""
    return Button(paper_texts.EXPORT, "ex_month")


def roll_up_buttons() -> tuple[Button, ...]:
    """Return the choices that send a quarter's and a year's roll-up."""
    return Button(paper_texts.QUARTER, "ex_quarter"), Button(paper_texts.YEAR, "ex_year")


def own(turn: Turn) -> Reply:
    """Send a member all the own answers."""
    member = member_in(turn)
    if member is None:
        return say(member_texts.NOT_LINKED)
    if not turn.transaction.rounds.of_member(member.id):
        return say(paper_texts.NOTHING_OF_YOURS)
    today = local_day(turn.now)
    files = [(paper_texts.own_file(today, kind), f"own:{kind}") for kind in ("docx", "xlsx", "pdf")]
    return _confidential(with_files(say(paper_texts.OWN_COPY_SENT), *files))


def quarter(turn: Turn, first: str = "") -> Reply:
    """Send the draft of a quarter's roll-up: the quarter that begins with a month, or that of the latest round."""
    return _roll_up(turn, quarter_of, "ex_quarter", first)


def year(turn: Turn, first: str = "") -> Reply:
    """Send the draft of a year's roll-up: the year that begins with a month, or that of the latest round."""
    return _roll_up(turn, year_of, "ex_year", first)


def _roll_up(turn: Turn, period_of: Callable[[date], Period], action: str, first: str) -> Reply:
    found = _allowed(turn, Data.COUNTS)
    if isinstance(found, Reply):
        return found
    _, cell = found
    periods = list(dict.fromkeys(period_of(each.month) for each in turn.transaction.rounds.of_cell(cell.id)))
    wanted = next((period for period in periods if not first or f"{period.first:%Y-%m-%d}" == first), None)
    if wanted is None:
        return say(paper_texts.NO_ROUND_TO_EXPORT)
    others = [period for period in periods if period != wanted][:_CHOICES_AT_MOST]
    buttons = [Button(_capital(paper_texts.period_name(each)), action, f"{each.first:%Y-%m-%d}") for each in others]
    return with_files(say(paper_texts.roll_up_sent(cell.name, wanted), *buttons), _roll_up_file(cell, wanted))


def _roll_up_file(cell: Cell, period: Period) -> tuple[str, str]:
    recipe = f"rollup:{cell.id}:{period.first:%Y-%m-%d}:{'year' if period.is_year else 'quarter'}"
    return paper_texts.roll_up_file(cell.name, period), recipe


def _period(first: str, span: str) -> Period:
    return (year_of if span == "year" else quarter_of)(date.fromisoformat(first))


def roll_ups_of_latest(turn: Turn) -> tuple[tuple[str, str], ...]:
    """Return the roll-ups of the quarter and the year of the own cell's latest round, for a page."""
    found = _latest(turn, Data.COUNTS)
    if found is None:
        return ()
    cell, latest = found
    return tuple(_roll_up_file(cell, period) for period in (quarter_of(latest.month), year_of(latest.month)))


def cells(turn: Turn, on: str = "") -> Reply:
    """Send a committee its table of cells, of the latest month or of one ("2026-11-01"), as workbook and document."""
    member = member_in(turn)
    if member is None:
        return say(member_texts.NOT_LINKED)
    table = overview.cells_month(turn, member, date.fromisoformat(on) if on else None)
    if table is None:
        return say(paper_texts.ONLY_COMMITTEE)
    if not any(cell.counts for cell in table.cells):
        return say(paper_texts.NO_ROUND_OF_ANY_CELL)
    said = say(paper_texts.cells_sent(table.organization, table.month))
    return with_files(said, *cells_files(table.organization, table.month))


def cells_files(organization: str, on: date) -> tuple[tuple[str, str], ...]:
    """Return the files of a committee's table of cells in a month, for a reply."""
    kinds = ("xlsx", "docx")
    return tuple((paper_texts.cells_file(organization, on, kind), f"cells:{on:%Y-%m-%d}:{kind}") for kind in kinds)


def cells_files_of_latest(turn: Turn) -> tuple[tuple[str, str], ...]:
    """Return the files of the committee's table in the latest month, for a page; none for others or without rounds."""
    looker, people = looker_in(turn), turn.transaction.people
    if looker is None or looker.member is None:
        return ()
    own = people.cell(looker.member.cell_id).organization_id
    if not looker.may(Data.COUNTS, Subject(NOBODY, own)):
        return ()
    below = people.cells(looker.viewer.organization_ids)
    latest = turn.transaction.rounds.latest_month([cell.id for cell in below])
    if latest is None:
        return ()
    names = {organization.id: organization.name for organization in people.organizations()}
    return cells_files(names[own], latest)


def label_of(recipe: str) -> str | None:
    """Return what a page writes on the link to a file; None where its kind says enough."""
    what, _, rest = recipe.partition(":")
    if what == "rollup":
        _, first, span = rest.split(":")
        return paper_texts.roll_up_label(_period(first, span))
    if what == "cells":
        on, _, kind = rest.partition(":")
        return paper_texts.cells_label(date.fromisoformat(on), kind)
    return None


def cells_button(on: date | None = None) -> Button:
    """Return the choice that sends a committee its table of cells."""
    return Button(paper_texts.CELLS_TABLE, "ex_cells", f"{on:%Y-%m-%d}" if on else "")


def ask_slips(turn: Turn) -> Reply:
    """Ask a secretary whether new codes are to be made for who has none in use; say what becomes of older ones."""
    found = _allowed(turn, Data.CODES)
    if isinstance(found, Reply):
        return found
    _, cell = found
    waiting = who_needs_a_code(turn.transaction, cell.id, on=local_day(turn.now))
    if not waiting:
        return say(paper_texts.NOBODY_NEEDS_A_CODE)
    return say(
        paper_texts.about_to_print(len(waiting), CODE_VALID_FOR.days),
        Button(paper_texts.CONFIRM_SLIPS, "ex_slips_yes", f"{cell.id}:{secrets.token_hex(6)}"),
        Button(secretary_texts.LEAVE_IT, "rp_leave"),
    )


def _make_slips(turn: Turn, argument: str) -> Reply:
    """Make the codes, once for each time that was asked; they are kept, encrypted, in how the file is made."""
    found = _allowed(turn, Data.CODES)
    if isinstance(found, Reply):
        return found
    member, cell = found
    asked = f"slips:{argument}"
    if not argument.startswith(f"{cell.id}:") or turn.transaction.audit.entries(about=asked):
        return say(paper_texts.SLIPS_MADE_BEFORE)
    waiting = who_needs_a_code(turn.transaction, cell.id, on=local_day(turn.now))
    if not waiting:
        return say(paper_texts.NOBODY_NEEDS_A_CODE)
    codes, until = issue_codes(turn.transaction, waiting, now=turn.now)
    turn.transaction.audit.note(f"member:{member.id}", "issue codes", asked, now=turn.now)
    return slips_reply(turn, cell, codes, until)


def slips_reply(turn: Turn, cell: Cell, codes: Mapping[int, str], until: datetime) -> Reply:
    """Return the sheet with the slips of codes that were just issued."""
    recipe = json.dumps({"cell": cell.id, "until": until.isoformat(), "codes": codes}, separators=(",", ":"))
    name = paper_texts.slips_file(cell.name, local_day(turn.now))
    return _confidential(with_files(say(paper_texts.slips_sent(len(codes), until)), (name, f"slips:{recipe}")))


def who_needs_a_code(transaction: Transaction, cell_id: int, *, on: date) -> list[Member]:
    """Return who in a cell has a phone and no chat of theirs yet."""
    members = [
        member for member in transaction.people.members_of(cell_id) if member.has_phone and member.belongs_on(on)
    ]
    linked = {link.member_id for link in transaction.people.links_of([member.id for member in members])}
    return [member for member in members if member.id not in linked]


def issue_codes(
    transaction: Transaction, members: Sequence[Member], *, now: datetime
) -> tuple[dict[int, str], datetime]:
    """Return a new code for each member, by id, and until when they can be used; unused older ones are void."""
    codes = {
        member.id: transaction.people.issue_code(member.id, now=now, valid_for=CODE_VALID_FOR) for member in members
    }
    return codes, now + CODE_VALID_FOR


def draw_slips(
    cell: Cell, members: Collection[Member], codes: Mapping[int, str], until: datetime, options: Options, *, on: date
) -> bytes:
    """Return the sheet with a slip for each of the members that has a code."""
    drawn = [
        paper_texts.slip(
            member.name,
            cell.name,
            codes[member.id],
            until,
            telegram_name=options.telegram_name,
            web_address=options.web_address,
        )
        for member in members
        if member.id in codes
    ]
    return slips.draw(drawn, title=paper_texts.slips_title(cell.name), made_on=on)


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet of slips: how many, and until when their codes can be used."""

    content: bytes
    count: int
    until: datetime


class CellNotFoundError(Exception):
    """No cell, or more than one, has a name; the message says which there are."""


def print_slips(
    transaction: Transaction, cell_name: str, organization: str | None, options: Options, *, now: datetime
) -> Sheet | None:
    """Return a sheet with new codes for who needs one in a cell, for the operator; None where nobody does.

    Raises:
        CellNotFoundError: the name fits no cell, or several.
    """
    cell = _cell_named(transaction, cell_name, organization)
    on = local_day(now)
    waiting = who_needs_a_code(transaction, cell.id, on=on)
    if not waiting:
        return None
    codes, until = issue_codes(transaction, waiting, now=now)
    transaction.audit.note("admin", "issue codes", f"cell:{cell.id} codes:{len(codes)}", now=now)
    return Sheet(draw_slips(cell, waiting, codes, until, options, on=on), len(codes), until)


def _cell_named(transaction: Transaction, name: str, organization: str | None) -> Cell:
    named = {each.id: each.name for each in transaction.people.organizations()}
    wanted, cells = _key(name), transaction.people.cells()
    fitting = [each for each in cells if _key(each.name) == wanted]
    if organization is not None:
        fitting = [each for each in fitting if _key(named[each.organization_id]) == _key(organization)]
    if not fitting:
        raise CellNotFoundError(paper_texts.no_such_cell(name, [each.name for each in cells]))
    if len(fitting) > 1:
        owners = [named[each.organization_id] for each in fitting]
        raise CellNotFoundError(paper_texts.several_cells(name, owners))
    return fitting[0]


def _key(name: str) -> str:
    return collapse(clean(name)).casefold()


WORDS: dict[str, Callable[[Turn], Reply]] = {
    "xuat": month,
    "xuat tep": month,
    "xuat file": month,
    "xuat excel": month,
    "xuat word": month,
    "xuat excel/word": month,
    "tai ban cua toi": own,
    "ban cua toi": own,
    "tong hop quy": quarter,
    "bao cao quy": quarter,
    "tong hop nam": year,
    "bao cao nam": year,
    "xuat bang": cells,
    "in ma": ask_slips,
    "in phieu ma": ask_slips,
}
ACTIONS: dict[str, Callable[[Turn, str], Reply]] = {
    "ex_month": month,
    "ex_own": lambda turn, _argument: own(turn),
    "ex_quarter": quarter,
    "ex_year": year,
    "ex_cells": cells,
    "ex_slips_yes": _make_slips,
}


# --- Makers: what a recipe stands for, for who asks now -------------------------------------------------------------


def make_month(turn: Turn, rest: str) -> Drawing | None:
    """Return how a cell's month is drawn; see handlers/files.py."""
    round_id, _, kind = rest.partition(":")
    member, found = member_in(turn), turn.transaction.rounds.get(int(round_id))
    values = overview.cell_month(turn, member, found) if member is not None and found is not None else None
    if member is None or values is None:
        return None
    _note(turn, member, f"export month {kind}", f"round:{round_id}")
    return lambda: _DRAWN[kind](paper_texts.month_paper(values))


def make_cells(turn: Turn, rest: str) -> Drawing | None:
    """Return how a committee's table of cells is drawn."""
    on, _, kind = rest.partition(":")
    member = member_in(turn)
    values = overview.cells_month(turn, member, date.fromisoformat(on)) if member is not None else None
    if member is None or values is None:
        return None
    _note(turn, member, f"export cells {kind}", f"month:{on}")
    return lambda: _DRAWN[kind](paper_texts.cells_paper(values))


def make_roll_up(turn: Turn, rest: str) -> Drawing | None:
    """Return how the draft of a roll-up is drawn."""
    cell_id, first, span = rest.split(":")
    period = _period(first, span)
    member, cell = member_in(turn), turn.transaction.people.cell(int(cell_id))
    values = overview.roll_up(turn, member, cell, period) if member is not None else None
    if member is None or values is None:
        return None
    _note(turn, member, f"export {span}", f"cell:{cell_id} from:{first}")
    titles = overview.item_titles(turn, values.forms)
    return lambda: docx.draw(paper_texts.roll_up_paper(values, titles))


def make_chart(turn: Turn, rest: str) -> Drawing | None:
    """Return how the chart of a cell's months is drawn."""
    member, cell = member_in(turn), turn.transaction.people.cell(int(rest))
    counts = overview.months(turn, member, cell) if member is not None else None
    if member is None or not counts:
        return None
    _note(turn, member, "export chart", f"cell:{cell.id}")
    bars = [paper_texts.chart_bar(each) for each in counts]
    return lambda: chart.draw(paper_texts.chart_title(cell.name), paper_texts.CHART_AXIS, bars)


def make_own(turn: Turn, kind: str) -> Drawing | None:
    """Return how the own copy of whoever this chat belongs to is drawn."""
    member = member_in(turn)
    if member is None:
        return None
    values = overview.own_copy(turn, member)
    _note(turn, member, f"export own {kind}", f"member:{member.id}")
    return lambda: _DRAWN[kind](paper_texts.own_paper(values))


def make_slips(turn: Turn, rest: str) -> Drawing | None:
    """Return how a sheet of slips is drawn again, with those of its codes that can still be used."""
    kept = json.loads(rest)
    member, cell = member_in(turn), turn.transaction.people.cell(kept["cell"])
    if member is None or not overview.may(turn, member, Data.CODES, cell):
        return None
    usable = {
        int(member_id): code
        for member_id, code in kept["codes"].items()
        if turn.transaction.people.can_redeem(code, now=turn.now)
    }
    members = [each for each in turn.transaction.people.members_of(cell.id) if each.id in usable]
    if not members:
        return None
    _note(turn, member, "export slips", f"cell:{cell.id}")
    until, options, on = datetime.fromisoformat(kept["until"]), turn.services.options, local_day(turn.now)
    return lambda: draw_slips(cell, members, usable, until, options, on=on)


MAKERS: dict[str, Callable[[Turn, str], Drawing | None]] = {
    "month": make_month,
    "cells": make_cells,
    "rollup": make_roll_up,
    "chart": make_chart,
    "own": make_own,
    "slips": make_slips,
}


def _allowed(turn: Turn, data: Data) -> tuple[Member, Cell] | Reply:
    """Return who asks and the own cell, if the table lets them see something of it; else what to say."""
    member = member_in(turn)
    if member is None:
        return say(member_texts.NOT_LINKED)
    cell = turn.transaction.people.cell(member.cell_id)
    return (member, cell) if overview.may(turn, member, data, cell) else say(secretary_texts.ONLY_SECRETARY)


def _latest(turn: Turn, data: Data) -> tuple[Cell, AssessmentRound] | None:
    """Return the own cell and its latest round, if the table lets who asks see something of it and there is one."""
    found = _allowed(turn, data)
    if isinstance(found, Reply):
        return None
    _, cell = found
    latest = next(iter(turn.transaction.rounds.of_cell(cell.id)), None)
    return None if latest is None else (cell, latest)


def _note(turn: Turn, member: Member, action: str, about: str) -> None:
    turn.transaction.audit.note(f"member:{member.id}", action, about, now=turn.now)


def _capital(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"


def _confidential(reply: Reply) -> Reply:
    return replace(reply, is_confidential=True)
