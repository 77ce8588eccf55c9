"""The rows of a roster -> what importing them would change."""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import Enum
from functools import lru_cache

from assessment import roster_texts as texts
from assessment.model import Role
from assessment.roster_texts import Heading
from knowledge.text import accented_key, fold

PARTY_FOUNDED_ON = date(1930, 2, 3)


class RowOutcome(Enum):
    """What importing a row does."""

    ADDED = "added"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class RosterRow:
    """One row of a roster as it was read; what it leaves open is empty or None.

    Attributes:
        number: as a spreadsheet counts, from 1, title lines included.
        roles: always holds MEMBER, for everyone in a cell is a party member.
        admitted_on: the day of admission to the Party (not to the cell); may lie in the future.
        has_phone: None where the file has no such column.
        problems: why the row cannot be used, a Vietnamese sentence each.
    """

    number: int
    name: str
    cell: str
    organization: str = ""
    roles: frozenset[Role] = frozenset({Role.MEMBER})
    admitted_on: date | None = None
    card_number: str = ""
    phone: str = ""
    has_phone: bool | None = None
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RosterCell:
    """A cell as rosters name it; id is None until it has been created, organization "" where none is named."""

    name: str
    organization: str = ""
    id: int | None = None


@dataclass(frozen=True, slots=True)
class KnownMember:
    """A member as the store has it, those who left included.

    Attributes:
        phone: None where numbers are not kept; then a row's number changes nothing.
    """

    id: int
    cell_id: int
    name: str
    roles: frozenset[Role] = frozenset({Role.MEMBER})
    admitted_on: date | None = None
    card_number: str = ""
    phone: str | None = None
    has_phone: bool = True
    has_left: bool = False


@dataclass(frozen=True, slots=True)
class RosterResult:
    """What importing one row does, and what is to be stored then.

    Attributes:
        number: the row's.
        cell: its id is None if the row is refused or the cell is one of RosterPlan.new_cells.
        member_id: whom the row is about; None if the member is new or the row is refused.
        moved_from: the cell that the member leaves; the caller keeps the history.
        is_return: the member had left and is back.
        changes: the columns whose values differ from what is stored.
        reason: for a refused row, what is wrong and what to do, in Vietnamese; else "".
        namesake_in: for a new member, another cell with somebody of the name, who may be the same; else "".
    """

    number: int
    name: str
    cell: RosterCell
    roles: frozenset[Role]
    outcome: RowOutcome
    admitted_on: date | None = None
    card_number: str = ""
    phone: str = ""
    has_phone: bool = True
    member_id: int | None = None
    moved_from: RosterCell | None = None
    is_return: bool = False
    changes: tuple[Heading, ...] = ()
    reason: str = ""
    namesake_in: str = ""

    def as_json(self) -> dict[str, object]:
        """Return the row as `roster import --json` prints it; code is None, for the caller to fill in.

        role is the first of the roles in the order of _RANKS; roles follow if there are several beside
        MEMBER, from_cell if the member moves.
        """
        roles = [role.value for role in _RANKS if role in self.roles]
        entry: dict[str, object] = {
            "row": self.number,
            "name": self.name,
            "cell": self.cell.name,
            "role": roles[0],
            "code": None,
            "result": self.outcome.value,
        }
        if len(self.roles - {Role.MEMBER}) > 1:
            entry["roles"] = roles
        if self.moved_from is not None:
            entry["from_cell"] = self.moved_from.name
        if self.outcome is RowOutcome.REFUSED:
            entry["reason"] = self.reason
        if self.namesake_in:
            entry["namesake_in"] = self.namesake_in
        return entry


@dataclass(frozen=True, slots=True)
class RosterPlan:
    """What importing a roster would do: a result per row, in the file's order, and the cells to create first."""

    results: tuple[RosterResult, ...]
    new_cells: tuple[RosterCell, ...] = ()

    def count(self, outcome: RowOutcome) -> int:
        """Return how many rows end so."""
        return sum(result.outcome is outcome for result in self.results)


_RANKS = (
    Role.SECRETARY,
    Role.DEPUTY_SECRETARY,
    Role.COMMITTEE_MEMBER,
    Role.INSPECTOR,
    Role.ADMIN,
    Role.MEMBER,
)
_PUNCTUATION = str.maketrans({"’": "'", "ʼ": "'", "–": "-", "—": "-"})
# What the bytes of TCVN3 and of UTF-8 turn into when they are read as Latin-1, and VNI's vowel before its mark.
BROKEN_LETTERS = re.compile(r"[\ufffd¡-¿×ÞþßÆæ]|[aeAE][à-åè-ïò-öø-üÀ-ÅÈ-ÏÒ-ÖØ-Ü]")
_NAME_SIGNS = frozenset(" '’ʼ.-()")


@dataclass(slots=True)
class _Entry:
    """A row on its way to a result: its cell, whom it is about, why it is refused."""

    row: RosterRow
    cell: RosterCell
    reason: str = ""
    known: KnownMember | None = None

    @property
    def place(self) -> tuple[RosterCell, str]:
        """What two people share who are told apart by their card numbers only."""
        return self.cell, _name_key(self.row.name)


def plan_roster(
    rows: Sequence[RosterRow],
    known: Sequence[KnownMember],
    cells: Sequence[RosterCell],
    today: date,
    *,
    create_cells: bool = True,
) -> RosterPlan:
    """Decide what each row does; members whom no row is about stay as they are.

    A person is known by the card number together with the name or the day of admission, else by name and cell,
    where the day tells namesakes apart. Names are compared without regard to case, spaces and where a tone mark
    sits ("Hoà", "Hòa"), but with their accents, for Tuân and Tuấn are two people; cells so, too, and with or without
    "Chi bộ" before them. Where that leaves a doubt the row is refused, so that no one gets another's account.
    Carrying out the plan and planning again gives UNCHANGED for every row that was not refused.

    Args:
        known: all members, those who left included.
        cells: all cells, each with its id; a row without an organization means the one cell of that name.
        create_cells: whether a row may name a cell that does not exist; otherwise it is refused.
    """
    by_id = {cell.id: cell for cell in cells}
    finder = _CellFinder(cells, rows)
    entries = []
    for row in rows:
        cell, reason = finder.find(row)
        if not reason and cell.id is None and not create_cells:
            reason = texts.unknown_cell(row.cell)
        entries.append(_Entry(row, cell, " ".join(row.problems or _row_problems(row, today)) or reason))
    _refuse_repeats([entry for entry in entries if not entry.reason])
    _recognise([entry for entry in entries if not entry.reason], known)
    _keep_one_secretary(entries, known, by_id)
    elsewhere = {_name_key(member.name): by_id[member.cell_id].name for member in known if not member.has_left}
    results = tuple(_with_namesake(_result(entry, by_id), elsewhere) for entry in entries)
    new = dict.fromkeys(r.cell for r in results if r.outcome is not RowOutcome.REFUSED and r.cell.id is None)
    return RosterPlan(results, tuple(new))


def _with_namesake(result: RosterResult, elsewhere: Mapping[str, str]) -> RosterResult:
    """Note for somebody new that there is a member of the name; of the same cell, the row would not be of a new one."""
    found = elsewhere.get(_name_key(result.name), "") if result.outcome is RowOutcome.ADDED else ""
    return replace(result, namesake_in=found) if found and found != result.cell.name else result


def _row_problems(row: RosterRow, today: date) -> list[str]:
    problems = [*_name_problems(row.name), *_cell_problems(row.cell, Heading.CELL)]
    if row.organization:
        problems += _cell_problems(row.organization, Heading.ORGANIZATION)
    if row.admitted_on is not None and row.admitted_on > today:
        problems.append(texts.future_day(row.admitted_on))
    elif row.admitted_on is not None and row.admitted_on < PARTY_FOUNDED_ON:
        problems.append(texts.too_early_day(row.admitted_on))
    return problems


def _name_problems(name: str) -> list[str]:
    if not name:
        return [texts.NAME_MISSING]
    if len(name) > texts.MAX_NAME_LENGTH:
        return [texts.text_too_long(Heading.NAME)]
    if any(c.isdigit() for c in name):
        return [texts.name_with_digits(name)]
    if BROKEN_LETTERS.search(name):
        return [texts.broken_letters(Heading.NAME, name)]
    is_plain = all(c.isalpha() or unicodedata.combining(c) or c in _NAME_SIGNS for c in name)
    return [] if is_plain and any(c.isalpha() for c in name) else [texts.name_with_signs(name)]


def _cell_problems(name: str, heading: Heading) -> list[str]:
    if not name:
        return [texts.CELL_MISSING]
    if len(name) > texts.MAX_NAME_LENGTH:
        return [texts.text_too_long(heading)]
    if "\ufffd" in name:
        return [texts.broken_letters(heading, name)]
    return [texts.cell_with_markup(heading, name)] if re.search(r"[<>]|&#?\w+;", name) else []


class _CellFinder:
    """Finds the cells that rows mean, among the known ones and those that the rows themselves name in full."""

    def __init__(self, cells: Iterable[RosterCell], rows: Iterable[RosterRow]) -> None:
        self._named: dict[str, dict[str, RosterCell]] = defaultdict(dict)
        for cell in cells:
            self._named[_cell_key(cell.name)][_organization_key(cell.organization)] = cell
        for row in rows:
            # All rows come first: one without an organization means the same whatever stands above it.
            if row.organization and not row.problems:
                cell = RosterCell(row.cell, row.organization)
                self._named[_cell_key(row.cell)].setdefault(_organization_key(row.organization), cell)

    def find(self, row: RosterRow) -> tuple[RosterCell, str]:
        """Return the row's cell, and why it cannot be told which it is."""
        named = RosterCell(row.cell, row.organization)
        options = self._named[_cell_key(row.cell)]
        if row.organization:
            return options.get(_organization_key(row.organization), named), ""
        if len(options) > 1:
            return named, texts.ambiguous_cell(row.cell, sorted(cell.organization for cell in options.values()))
        if not options:
            options[""] = named
        return next(iter(options.values())), ""


def _refuse_repeats(entries: Sequence[_Entry]) -> None:
    """Refuse a second row about one person, and namesakes in one cell who have no card numbers."""
    by_card: dict[str, _Entry] = {}
    groups: dict[tuple[RosterCell, str], list[_Entry]] = defaultdict(list)
    for entry in entries:
        first = by_card.setdefault(card_key(entry.row.card_number), entry) if entry.row.card_number else entry
        if first is not entry:
            entry.reason = texts.repeated_card(entry.row.card_number, first.row.number)
        else:
            groups[entry.place].append(entry)
    for group in groups.values():
        # Beside a namesake with a card number, a row without one may mean that person or another.
        first = next((entry for entry in group if entry.row.card_number), group[0])
        for entry in group:
            if entry is not first and not entry.row.card_number:
                entry.reason = texts.repeated_name(entry.row.name, first.row.number)


def _recognise(entries: Sequence[_Entry], known: Sequence[KnownMember]) -> None:
    """Find whom the rows are about; refuse those that leave a doubt."""
    by_card = {card_key(member.card_number): member for member in known if member.card_number}
    namesakes: dict[tuple[int | None, str], list[KnownMember]] = defaultdict(list)
    for member in known:
        namesakes[member.cell_id, _name_key(member.name)].append(member)

    claimed = set()
    new_cards: list[tuple[_Entry, list[KnownMember]]] = []
    for entry in entries:
        if not entry.row.card_number:
            continue
        owner = by_card.get(card_key(entry.row.card_number))
        if owner is None:
            options = namesakes.get((entry.cell.id, _name_key(entry.row.name)), [])
            cardless = [m for m in options if not m.card_number and not _days_differ(entry.row, m)]
            new_cards.append((entry, cardless))
            continue
        claimed.add(owner.id)
        if _is_same_person(entry.row, owner):
            entry.known = owner
        else:
            entry.reason = texts.card_of_another(entry.row.card_number, owner.name)

    rivals = Counter(member.id for _, options in new_cards for member in options)
    for entry, options in new_cards:
        if len(options) == 1 and rivals[options[0].id] == 1:
            entry.known = options[0]
        elif options:
            entry.reason = texts.unclear_card_owner(entry.row.name)

    for entry in entries:
        if entry.row.card_number:
            continue
        options = namesakes.get((entry.cell.id, _name_key(entry.row.name)), [])
        options = [member for member in options if member.id not in claimed]
        options = [member for member in options if not member.has_left] or options
        same_day = [member for member in options if _days_agree(entry.row, member)]
        if len(same_day) == 1:
            options = same_day
        if len(options) > 1:
            entry.reason = texts.several_namesakes(entry.row.name)
        elif options and _days_differ(entry.row, options[0]):
            entry.reason = texts.namesake_of_another_day(options[0].name)
        elif options:
            entry.known = options[0]


def _is_same_person(row: RosterRow, owner: KnownMember) -> bool:
    """Whether a second mark beside the card number fits, so that a mistyped number renames no one."""
    return folded(row.name) == folded(owner.name) or _days_agree(row, owner)


def _days_agree(row: RosterRow, member: KnownMember) -> bool:
    return row.admitted_on is not None and row.admitted_on == member.admitted_on


def _days_differ(row: RosterRow, member: KnownMember) -> bool:
    return None not in (row.admitted_on, member.admitted_on) and row.admitted_on != member.admitted_on


def _keep_one_secretary(
    entries: Sequence[_Entry], known: Sequence[KnownMember], by_id: Mapping[int | None, RosterCell]
) -> None:
    """Refuse rows that would give a cell a second secretary; whoever hands over in the same file makes room."""
    applied = {entry.known.id for entry in entries if entry.known is not None and not entry.reason}
    stored: dict[int, list[KnownMember]] = defaultdict(list)
    for member in known:
        if Role.SECRETARY in member.roles and not member.has_left:
            stored[member.cell_id].append(member)
    claims: dict[RosterCell, list[_Entry]] = defaultdict(list)
    for entry in entries:
        if Role.SECRETARY in entry.row.roles and not entry.reason:
            claims[entry.cell].append(entry)
    waiting = list(claims)
    while waiting:
        cell = waiting.pop()
        in_office = stored.get(cell.id, []) if cell.id is not None else []
        staying = next((member for member in in_office if member.id not in applied), None)
        ids = {member.id for member in in_office}
        claimants = [entry for entry in claims.get(cell, ()) if not entry.reason]
        claimants.sort(key=lambda entry: entry.known is None or entry.known.id not in ids)
        for entry in claimants if staying is not None else claimants[1:]:
            if staying is not None:
                entry.reason = texts.cell_has_secretary(cell.name, staying.name)
            else:
                entry.reason = texts.second_secretary(cell.name, claimants[0].row.name, claimants[0].row.number)
            if entry.known is not None:
                # The row is not carried out, so its person stays where they were: look there again.
                applied.discard(entry.known.id)
                waiting.append(by_id[entry.known.cell_id])


def _result(entry: _Entry, by_id: Mapping[int | None, RosterCell]) -> RosterResult:
    row, known = entry.row, entry.known
    if entry.reason:
        cell = RosterCell(row.cell, row.organization)
        return RosterResult(row.number, row.name, cell, row.roles, RowOutcome.REFUSED, reason=entry.reason)
    if known is None:
        return RosterResult(
            row.number,
            row.name,
            entry.cell,
            row.roles,
            RowOutcome.ADDED,
            admitted_on=row.admitted_on,
            card_number=row.card_number,
            phone=row.phone,
            has_phone=row.has_phone is not False,
        )
    # What the row leaves open stays as it is stored, and so does a card number in another spelling.
    same_card = not row.card_number or card_key(row.card_number) == card_key(known.card_number)
    card_number = known.card_number if same_card else row.card_number
    admitted_on = row.admitted_on or known.admitted_on
    phone = row.phone or known.phone or ""
    has_phone = known.has_phone if row.has_phone is None else row.has_phone
    moves = entry.cell.id != known.cell_id
    differs = {
        Heading.NAME: row.name != known.name,
        Heading.CELL: moves,
        Heading.ROLE: row.roles != known.roles,
        Heading.JOINED: admitted_on != known.admitted_on,
        Heading.CARD: card_number != known.card_number,
        Heading.PHONE: known.phone is not None and phone != known.phone,
        Heading.NO_PHONE: has_phone != known.has_phone,
    }
    changes = tuple(heading for heading, is_changed in differs.items() if is_changed)
    return RosterResult(
        row.number,
        row.name,
        entry.cell,
        row.roles,
        RowOutcome.CHANGED if changes or known.has_left else RowOutcome.UNCHANGED,
        admitted_on=admitted_on,
        card_number=card_number,
        phone=phone,
        has_phone=has_phone,
        member_id=known.id,
        moved_from=by_id[known.cell_id] if moves else None,
        is_return=known.has_left,
        changes=changes,
    )


@lru_cache(maxsize=10_000)
def folded(text: str) -> str:
    """Return text in lower case without accents and typographic dashes."""
    return fold(text.translate(_PUNCTUATION))


def _name_key(name: str) -> str:
    return " ".join(accented_key(word) for word in name.translate(_PUNCTUATION).casefold().split())


@lru_cache(maxsize=10_000)
def _cell_key(name: str) -> str:
    return _name_key(name).removeprefix(_CELL_PREFIX)


@lru_cache(maxsize=10_000)
def _organization_key(name: str) -> str:
    key = _name_key(name)
    return next((key.removeprefix(prefix) for prefix in _ORGANIZATION_PREFIXES if key.startswith(prefix)), key)


def card_key(number: str) -> str:
    """Return a card number without what is written differently from list to list: signs and leading zeros."""
    return re.sub(r"[^0-9A-ZĐ]", "", number.upper()).lstrip("0")


_CELL_PREFIX = _name_key("chi bộ") + " "
_ORGANIZATION_PREFIXES = (_name_key("đảng bộ") + " ", _name_key("đảng ủy") + " ")
