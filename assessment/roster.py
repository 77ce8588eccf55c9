"""A roster file -> members: what its rows say, and what importing them would change."""

import csv
import io
import re
import unicodedata
import warnings
import zipfile
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from functools import lru_cache
from itertools import islice, repeat
from pathlib import Path

from openpyxl import load_workbook
from openpyxl.cell.cell import Cell, MergedCell
from openpyxl.utils.exceptions import InvalidFileException
from openpyxl.worksheet.worksheet import Worksheet

from assessment.model import Role

MAX_ROWS = 50_000
MAX_FILE_BYTES = 20 * 1024 * 1024
MAX_UNPACKED_BYTES = 64 * 1024 * 1024  # a full roster of 50,000 rows unpacks to less than half of it
MAX_NAME_LENGTH = 120
PARTY_FOUNDED_ON = date(1930, 2, 3)

_HEADING_ROWS = 20
_MAX_COLUMNS = 100
_MAX_SHEET_ROWS = 1_048_576


class Heading(Enum):
    """The columns that a roster may have; the values are their headings."""

    NAME = "Họ và tên"
    CELL = "Chi bộ"
    ROLE = "Vai trò"
    ORGANIZATION = "Đảng bộ"
    JOINED = "Ngày vào Đảng"
    CARD = "Số thẻ"
    PHONE = "Điện thoại"
    NO_PHONE = "Không dùng điện thoại"


class RowOutcome(Enum):
    """What importing a row does."""

    ADDED = "added"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


class RosterError(Exception):
    """A roster file cannot be used at all.

    Attributes:
        path: the file.
        reason: what is wrong and what to do, in Vietnamese, for whoever sent it.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path.name}: {reason}")
        self.path = path
        self.reason = reason


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
_REQUIRED = (Heading.NAME, Heading.CELL, Heading.ROLE)
_JOINED = list(Heading).index(Heading.JOINED)

# Folded, words only, without what stands in brackets.
_HEADINGS = {
    variant: heading
    for heading, variants in {
        Heading.NAME: "ho va ten · ho ten · ten dang vien · ho va ten dang vien · ho ten dang vien"
        " · ho va ten khai sinh",
        Heading.CELL: "chi bo · ten chi bo · thuoc chi bo · chi bo sinh hoat · sinh hoat tai chi bo",
        Heading.ROLE: "vai tro · vai tro trong chi bo · vai tro trong dang · chuc vu dang · chuc vu trong dang"
        " · chuc vu trong chi bo · chuc vu chi bo",
        Heading.ORGANIZATION: "dang bo · dang uy · ten dang bo · ten dang uy · thuoc dang bo · thuoc dang uy"
        " · dang bo dang uy · dang bo co so · dang uy co so",
        Heading.JOINED: "ngay vao dang · ngay vao dang csvn · ngay vao dang cong san viet nam · vao dang ngay"
        " · ngay thang vao dang · ngay thang nam vao dang · ngay ket nap · ngay ket nap dang",
        Heading.CARD: "so the · so the dang · so the dang vien · so the dv · ma the dang vien",
        Heading.PHONE: "dien thoai · so dien thoai · sdt · so dt · dien thoai di dong · so di dong · di dong",
        Heading.NO_PHONE: "khong dung dien thoai · khong co dien thoai · khong su dung dien thoai"
        " · khong dung dien thoai thong minh · khong co dien thoai thong minh · khong dung dt",
    }.items()
    for variant in variants.split(" · ")
}

_ROLES = {
    name: role
    for role, names in {
        # A cell's own committee (chi ủy) has no rights of its own here, so its members are members.
        Role.MEMBER: "dang vien · dang vien chinh thuc · dang vien du bi · dv · chi uy vien · chi uy · uy vien chi uy"
        " · uy vien ban chap hanh chi bo · uy vien bch chi bo",
        Role.DEPUTY_SECRETARY: "pho bi thu · pho bi thu chi bo · pho bi thu chi uy · pbt · pbt chi bo",
        Role.SECRETARY: "bi thu · bi thu chi bo · bi thu chi uy · bt · bt chi bo",
        # Whoever leads the committee above is on it; that makes no one secretary of this cell.
        Role.COMMITTEE_MEMBER: "cap uy vien · cap uy · dang uy vien · uy vien dang uy · uy vien ban chap hanh"
        " · uy vien bch · uy vien ban chap hanh dang bo · uy vien bch dang bo · uy vien ban thuong vu"
        " · uy vien ban thuong vu dang uy · bi thu dang uy · bi thu dang bo · pho bi thu dang uy"
        " · pho bi thu dang bo · pho bi thu thuong truc dang uy",
        Role.INSPECTOR: "kiem tra · can bo kiem tra · kiem tra vien · uy ban kiem tra · uy vien uy ban kiem tra · ubkt"
        " · uy vien ubkt · chu nhiem uy ban kiem tra · pho chu nhiem uy ban kiem tra · chu nhiem ubkt"
        " · pho chu nhiem ubkt",
        Role.ADMIN: "quan tri · quan tri vien · quan tri he thong · nguoi quan tri · admin",
    }.items()
    for name in names.split(" · ")
}
# Without accents "kiêm" and the "kiểm" of "kiểm tra" are one word.
_ROLE_BREAK = re.compile(r"[,;/+&]|\bkiem\b(?! tra\b)")

# "Có" and "không" in a column "Không dùng điện thoại" may mean either, so they are neither.
_MARKED = frozenset({*"x × ✓ ✔ ☑ v true 1".split(), "khong dung", "khong dung dien thoai"})
_NOT_MARKED = frozenset({"", "-", "false", "0", "co dung"})
_NOTHING = frozenset({"", "-", "khong", "khong co", "chua co", "chua cap", "khong ro", "n/a"})
_NO_PHONE = frozenset({"khong", "khong co", "khong dung", "khong su dung", "khong co dien thoai"})

_TIME = re.compile(r"(?:t|\s)\s*0?0:00(?::00(?:\.0+)?)?$")
_DAY = re.compile(
    r"(?:ngay |mung )?([0-9]{1,2})(?:\s*[/.-]\s*|\s*thang\s*)([0-9]{1,2})(?:\s*[/.-]\s*|\s*,?\s*nam\s*)([0-9]{4})"
)
_ISO_DAY = re.compile(r"([0-9]{4})[-/.]([0-9]{1,2})[-/.]([0-9]{1,2})")
_SHORT_YEAR = re.compile(r"[0-9]{1,2}\s*[/.-]\s*[0-9]{1,2}\s*[/.-]\s*[0-9]{2}")
_NO_DAY = re.compile(
    r"(?:thang )?[0-9]{1,2}\s*(?:[/.-]|,?\s*nam)\s*[0-9]{4}|[0-9]{4}[-/.][0-9]{1,2}|(?:nam )?(?:19|20)[0-9]{2}"
)
_CARD = re.compile(r"[0-9A-Za-zĐđ][0-9A-Za-zĐđ .-]{0,29}")
_ROUNDED = re.compile(r"[0-9]+(?:[.,][0-9]+)?e\+?[0-9]+", re.IGNORECASE)

# Control, zero-width and bidirectional characters carry no words; some of them break a terminal.
_INVISIBLE = re.compile(
    r"[\x00-\x08\x0e-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]"
)
_TONES = {"\u0300": "2", "\u0301": "1", "\u0303": "4", "\u0309": "3", "\u0323": "5"}
# Converted files write these two look-alikes for "Đ".
_LOOK_ALIKES = str.maketrans({"\u00d0": "Đ", "\u0189": "Đ"})
_PUNCTUATION = str.maketrans({"’": "'", "ʼ": "'", "–": "-", "—": "-"})
# What the bytes of TCVN3 and of UTF-8 turn into when they are read as Latin-1, and VNI's vowel before its mark.
_BROKEN_LETTERS = re.compile(r"[\ufffd¡-¿×ÞþßÆæ]|[aeAE][à-åè-ïò-öø-üÀ-ÅÈ-ÏÒ-ÖØ-Ü]")
_NAME_SIGNS = frozenset(" '’ʼ.-()")

_OLE = bytes.fromhex("d0cf11e0a1b11ae1")  # the container of .xls, and of .xlsx under a password
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
# A formula whose value is missing or empty.
_UNCALCULATED = re.compile(rb"(?:</(?:\w+:)?f>|<(?:\w+:)?f\b[^>]*/>)\s*(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v>\s*</|</)")
_FORMAT_BRACKETS = re.compile(r"\[[^\]]*\]|\"[^\"]*\"|\\.")
# What openpyxl, zipfile and the XML parser raise on files that others broke.
_BROKEN_FILE = (
    zipfile.BadZipFile,
    InvalidFileException,
    zlib.error,
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True, slots=True)
class _Unreadable:
    """A cell of a workbook that has no value: a formula never calculated, or an error shown as "#N/A"."""

    shown: str = ""


_Value = str | date | _Unreadable
# A row's number and what stands in its columns, in the order of Heading; "" where there is nothing or no column.
_Cells = tuple[int, Sequence[_Value]]


@dataclass(frozen=True, slots=True)
class _Head:
    """The row among the first ones that looks most like headings; row counts from 1."""

    row: int
    columns: Mapping[Heading, Sequence[int]]
    sample: str

    @property
    def missing(self) -> list[Heading]:
        """The headings that every roster needs and this row lacks."""
        return [heading for heading in _REQUIRED if heading not in self.columns]


# Reading


def read_roster(path: Path) -> list[RosterRow]:
    """Return the rows below the headings of a .csv or .xlsx file, in order; empty ones are left out.

    A row with something unreadable is returned with its problems. A day must be written in full: "02/1990" is
    a problem of the row, for a made-up first of the month would look like a fact; the column may stay empty.

    Raises:
        RosterError: the file is missing, too large, broken, protected, in an old encoding, without the headings or
            without a row below them.
    """
    try:
        size_bytes = path.stat().st_size
        raw = path.read_bytes() if size_bytes <= MAX_FILE_BYTES else b""
    except OSError as error:
        raise RosterError(path, _CANNOT_OPEN) from error
    if size_bytes > MAX_FILE_BYTES:
        raise RosterError(path, _FILE_TOO_LARGE)
    kind = path.suffix.lower()
    if kind not in {".csv", ".xlsx"}:
        raise RosterError(path, _UNKNOWN_KIND)
    if raw.startswith(_OLE):
        raise RosterError(path, _PASSWORD if _ENCRYPTED in raw else _OLD_EXCEL)
    if kind == ".csv":
        if raw.startswith(b"PK\x03\x04"):
            raise RosterError(path, _EXCEL_NAMED_CSV)
        head, rows = _read_csv(path, raw)
    else:
        head, rows = _read_xlsx(path, raw)
    read: list[RosterRow] = []
    for number, values in rows:
        if not any(values) or (number == head.row + 1 and _is_column_count(values)):
            continue
        if len(read) == MAX_ROWS:
            raise RosterError(path, _TOO_MANY_ROWS)
        read.append(_to_row(number, values, has_marks=Heading.NO_PHONE in head.columns))
    if not read:
        raise RosterError(path, _NO_ROWS)
    return read


def _read_csv(path: Path, raw: bytes) -> tuple[_Head, Iterator[_Cells]]:
    text = _decode(path, raw)
    heads = {
        delimiter: _find_head(islice(_csv_rows(path, text, delimiter), _HEADING_ROWS)) for delimiter in (",", ";", "\t")
    }
    delimiter, head = min(heads.items(), key=lambda candidate: len(candidate[1].missing))
    columns = _columns(path, head)

    def rows() -> Iterator[_Cells]:
        for number, values in enumerate(_csv_rows(path, text, delimiter, strict=True), 1):
            if number > head.row:
                yield number, [_clean(values[i]) if 0 <= i < len(values) else "" for i in columns]

    return head, rows()


def _csv_rows(path: Path, text: str, delimiter: str, *, strict: bool = False) -> Iterator[list[str]]:
    try:
        yield from csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=strict)
    except csv.Error as error:
        raise RosterError(path, _OPEN_QUOTE) from error


def _decode(path: Path, raw: bytes) -> str:
    sample = raw[:4096]
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    elif b"\0" in sample:
        # UTF-16 without its mark: commas and spaces have their zero byte second in the little-endian form.
        encoding = "utf-16-le" if sample[1::2].count(0) >= sample[::2].count(0) else "utf-16-be"
    else:
        encoding = "utf-8-sig"
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        raise RosterError(path, _WRONG_ENCODING) from error


def _read_xlsx(path: Path, raw: bytes) -> tuple[_Head, Iterator[_Cells]]:
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            parts = archive.infolist()
            if sum(part.file_size for part in parts) > MAX_UNPACKED_BYTES:
                raise RosterError(path, _UNPACKS_TOO_LARGE)
            sheets = [part for part in parts if part.filename.startswith("xl/worksheets/")]
            is_uncalculated = any(_UNCALCULATED.search(archive.read(part)) for part in sheets)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about styles and validation rules, which we do not read
            sheet, head = _find_sheet(_sheets(raw))
            columns = _columns(path, head)
            # A formula that was never calculated reads like an empty cell; its text tells them apart.
            others = _sheets(raw, formulas=True) if is_uncalculated else []
            texts = next((other for other in others if other.title == sheet.title), None)
            rows = _sheet_rows(sheet, texts, head.row, columns)
            return head, iter(list(islice(rows, MAX_ROWS + 2)))  # one too many, and a line that counts the columns
    except _BROKEN_FILE as error:
        raise RosterError(path, _NOT_A_WORKBOOK) from error


def _sheets(raw: bytes, *, formulas: bool = False) -> Sequence[Worksheet]:
    """Return the visible sheets, with values, or with the texts of formulas instead."""
    book = load_workbook(io.BytesIO(raw), read_only=True, data_only=not formulas)
    sheets = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"]
    for sheet in sheets:
        sheet.reset_dimensions()  # what a file says of its own size may be wrong
    return sheets


def _find_sheet(sheets: Sequence[Worksheet]) -> tuple[Worksheet, _Head]:
    found = []
    for sheet in sheets:
        rows = islice(sheet.iter_rows(max_col=_MAX_COLUMNS), _HEADING_ROWS)
        found.append((sheet, _find_head([_value(cell) for cell in row] for row in rows)))
        if not found[-1][1].missing:
            break
    return min(found, key=lambda candidate: len(candidate[1].missing))


def _sheet_rows(sheet: Worksheet, texts: Worksheet | None, head_row: int, columns: Sequence[int]) -> Iterator[_Cells]:
    width = max(columns) + 1
    rows = sheet.iter_rows(max_col=width)
    formula_rows = texts.iter_rows(max_col=width) if texts is not None else repeat(())
    for number, (row, formulas) in enumerate(islice(zip(rows, formula_rows, strict=False), _MAX_SHEET_ROWS), 1):
        if number <= head_row:
            continue
        values = [_value(row[i]) if i >= 0 else "" for i in columns]
        if formulas:
            for place, i in enumerate(columns):
                # "str" is the type of a calculated text, which may be empty.
                if values[place] == "" and i >= 0 and formulas[i].data_type == "f" and row[i].data_type != "str":
                    values[place] = _Unreadable()
        if any(values):
            yield number, values


def _value(cell: Cell | MergedCell) -> _Value:
    value = cell.value
    match value:
        case None:
            return ""
        case str():
            return _Unreadable(value) if cell.data_type == "e" else _clean(value)
        case bool():
            return "x" if value else ""
        case int() | float():
            if value != int(value):
                return str(value)
            digits = str(int(value))
            # "00000000" is how Excel shows the zeros before a card number.
            format_ = cell.number_format or ""
            return digits.zfill(len(format_)) if set(format_) == {"0"} else digits
        case datetime():
            # Excel makes the first of the month out of a typed 02/1990 and then shows the month alone.
            shown = _FORMAT_BRACKETS.sub("", cell.number_format or "").lower()
            return f"{value:%m/%Y}" if "y" in shown and "d" not in shown else value.date()
        case _:
            return str(value)


def _find_head(rows: Iterable[Sequence[_Value]]) -> _Head:
    best = _Head(0, {}, "")
    texts = []
    for number, values in enumerate(rows, 1):
        columns = defaultdict(list)
        for i, value in enumerate(values):
            if isinstance(value, str) and (heading := _heading(value)) is not None:
                columns[heading].append(i)
            texts.append(value if isinstance(value, str) else "")
        head = _Head(number, columns, "")
        if len(head.missing) < len(best.missing):
            best = head
        if not best.missing:
            break
    return _Head(best.row, best.columns, " ".join(texts))


def _heading(text: str) -> Heading | None:
    words = re.sub(r"\(.*?\)", " ", _fold(_clean(text)))
    return _HEADINGS.get(" ".join(re.findall(r"[a-z]+", words)))


def _columns(path: Path, head: _Head) -> list[int]:
    """Return where the columns are, in the order of Heading; -1 for those that the file lacks."""
    if head.missing:
        old_font = _BROKEN_LETTERS.search(_clean(head.sample)) is not None
        raise RosterError(path, _OLD_FONT if old_font else _missing_headings(head.missing))
    for heading, places in head.columns.items():
        if len(places) > 1:
            raise RosterError(path, _repeated_heading(heading))
    return [head.columns[heading][0] if heading in head.columns else -1 for heading in Heading]


def _is_column_count(values: Sequence[_Value]) -> bool:
    """Whether this is the line "(1) (2) (3)" that forms put below their headings."""
    return values[0] != "" and all(
        isinstance(value, str) and re.fullmatch(r"(?:\(?[0-9]{1,2}\)?)?", value) for value in values
    )


def _to_row(number: int, values: Sequence[_Value], *, has_marks: bool) -> RosterRow:
    """Read what one row says; has_marks tells whether the file has a column for those without a phone."""
    problems = [
        _unreadable_cell(heading, value.shown)
        for heading, value in zip(Heading, values, strict=True)
        if isinstance(value, _Unreadable)
    ]
    name, cell, role, organization, _, card, phone, mark = (_text(value) for value in values)
    written = values[_JOINED]
    roles, role_problem = _roles(role)
    joined, joined_problem = (written, "") if isinstance(written, date) else _day(_text(written))
    card_number, card_problem = _card(card)
    phone_number, phone_problem = _phone(phone)
    has_phone, mark_problem = _has_phone(mark) if has_marks else (None, "")
    if phone and _fold(phone) in _NO_PHONE:
        has_phone = False
    problems += filter(None, (role_problem, joined_problem, card_problem, phone_problem, mark_problem))
    return RosterRow(
        number=number,
        name=name,
        cell=cell,
        organization=organization,
        roles=roles,
        admitted_on=joined,
        card_number=card_number,
        phone=phone_number,
        has_phone=has_phone,
        problems=tuple(problems),
    )


def _text(value: _Value) -> str:
    # A day that slipped into a column of words is shown as it is written here.
    return value if isinstance(value, str) else f"{value:%d/%m/%Y}" if isinstance(value, date) else ""


@lru_cache(maxsize=1000)
def _roles(text: str) -> tuple[frozenset[Role], str]:
    """Return the roles that a cell names, and what is wrong with it."""
    names = [" ".join(name.replace(".", " ").split()) for name in _ROLE_BREAK.split(_fold(text))]
    named = [name for name in names if name not in _NOTHING]
    problem = "" if _ROLES.keys() >= set(named) else _unknown_role(text)
    return frozenset({Role.MEMBER, *(_ROLES[name] for name in named if name in _ROLES)}), problem


@lru_cache(maxsize=1000)
def _day(text: str) -> tuple[date | None, str]:
    """Return the day that a text names, and what is wrong with it if it names none."""
    written = _TIME.sub("", _fold(text.lstrip("'")))
    if written in _NOTHING:
        return None, ""
    if found := _DAY.fullmatch(written):
        day, month, year = found.groups()
    elif found := _ISO_DAY.fullmatch(written):
        year, month, day = found.groups()
    elif _SHORT_YEAR.fullmatch(written):
        return None, _short_year(text)
    elif _NO_DAY.fullmatch(written):
        return None, _date_without_day(text)
    else:
        return None, _not_a_date(text)
    try:
        return date(int(year), int(month), int(day)), ""
    except ValueError:
        return None, _no_such_day(text)


def _card(text: str) -> tuple[str, str]:
    """Return a card number and what is wrong with it."""
    number = text.lstrip("'")
    if not number or _fold(number) in _NOTHING:
        return "", ""
    if _ROUNDED.fullmatch(number):
        return "", _rounded_card(number)
    if not _CARD.fullmatch(number) or not _card_key(number) or not any(c.isdigit() for c in number):
        return "", _not_a_card(number)
    return number, ""


def _phone(text: str) -> tuple[str, str]:
    """Return phone numbers as dialled in Vietnam, joined by ", ", and what is wrong with them."""
    written = text.lstrip("'")
    if not written or _fold(written) in _NOTHING | _NO_PHONE:
        return "", ""
    numbers = []
    for part in re.split(r"[,;/]", written):
        digits = re.sub(r"[\s().-]", "", part)
        digits = re.sub(r"^(?:\+84|0084|84(?=[0-9]{9}$))", "0", digits)
        # A spreadsheet takes the number for a quantity and drops its zero.
        digits = f"0{digits}" if re.fullmatch(r"[35789][0-9]{8}", digits) else digits
        if not re.fullmatch(r"0[0-9]{8,10}", digits):
            return "", _not_a_phone(text)
        numbers.append(digits)
    return (", ".join(numbers), "") if len(numbers) <= 2 else ("", _too_many_phones(text))


def _has_phone(mark: str) -> tuple[bool, str]:
    """Return whether the mark of those without a phone is missing, and what is wrong with it."""
    folded = _fold(mark)
    return folded not in _MARKED, "" if folded in _MARKED | _NOT_MARKED else _unclear_mark(mark)


# Deciding


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
            reason = _unknown_cell(row.cell)
        entries.append(_Entry(row, cell, " ".join(row.problems or _row_problems(row, today)) or reason))
    _refuse_repeats([entry for entry in entries if not entry.reason])
    _recognise([entry for entry in entries if not entry.reason], known)
    _keep_one_secretary(entries, known, by_id)
    results = tuple(_result(entry, by_id) for entry in entries)
    new = dict.fromkeys(r.cell for r in results if r.outcome is not RowOutcome.REFUSED and r.cell.id is None)
    return RosterPlan(results, tuple(new))


def _row_problems(row: RosterRow, today: date) -> list[str]:
    problems = [*_name_problems(row.name), *_cell_problems(row.cell, Heading.CELL)]
    if row.organization:
        problems += _cell_problems(row.organization, Heading.ORGANIZATION)
    if row.admitted_on is not None and row.admitted_on > today:
        problems.append(_future_day(row.admitted_on))
    elif row.admitted_on is not None and row.admitted_on < PARTY_FOUNDED_ON:
        problems.append(_too_early_day(row.admitted_on))
    return problems


def _name_problems(name: str) -> list[str]:
    if not name:
        return [_NAME_MISSING]
    if len(name) > MAX_NAME_LENGTH:
        return [_text_too_long(Heading.NAME)]
    if any(c.isdigit() for c in name):
        return [_name_with_digits(name)]
    if _BROKEN_LETTERS.search(name):
        return [_broken_letters(Heading.NAME, name)]
    is_plain = all(c.isalpha() or unicodedata.combining(c) or c in _NAME_SIGNS for c in name)
    return [] if is_plain and any(c.isalpha() for c in name) else [_name_with_signs(name)]


def _cell_problems(name: str, heading: Heading) -> list[str]:
    if not name:
        return [_CELL_MISSING]
    if len(name) > MAX_NAME_LENGTH:
        return [_text_too_long(heading)]
    if "\ufffd" in name:
        return [_broken_letters(heading, name)]
    return [_cell_with_markup(heading, name)] if re.search(r"[<>]|&#?\w+;", name) else []


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
            return named, _ambiguous_cell(row.cell, sorted(cell.organization for cell in options.values()))
        if not options:
            options[""] = named
        return next(iter(options.values())), ""


def _refuse_repeats(entries: Sequence[_Entry]) -> None:
    """Refuse a second row about one person, and namesakes in one cell who have no card numbers."""
    by_card: dict[str, _Entry] = {}
    groups: dict[tuple[RosterCell, str], list[_Entry]] = defaultdict(list)
    for entry in entries:
        first = by_card.setdefault(_card_key(entry.row.card_number), entry) if entry.row.card_number else entry
        if first is not entry:
            entry.reason = _repeated_card(entry.row.card_number, first.row.number)
        else:
            groups[entry.place].append(entry)
    for group in groups.values():
        # Beside a namesake with a card number, a row without one may mean that person or another.
        first = next((entry for entry in group if entry.row.card_number), group[0])
        for entry in group:
            if entry is not first and not entry.row.card_number:
                entry.reason = _repeated_name(entry.row.name, first.row.number)


def _recognise(entries: Sequence[_Entry], known: Sequence[KnownMember]) -> None:
    """Find whom the rows are about; refuse those that leave a doubt."""
    by_card = {_card_key(member.card_number): member for member in known if member.card_number}
    namesakes: dict[tuple[int | None, str], list[KnownMember]] = defaultdict(list)
    for member in known:
        namesakes[member.cell_id, _name_key(member.name)].append(member)

    claimed = set()
    new_cards: list[tuple[_Entry, list[KnownMember]]] = []
    for entry in entries:
        if not entry.row.card_number:
            continue
        owner = by_card.get(_card_key(entry.row.card_number))
        if owner is None:
            options = namesakes.get((entry.cell.id, _name_key(entry.row.name)), [])
            cardless = [m for m in options if not m.card_number and not _days_differ(entry.row, m)]
            new_cards.append((entry, cardless))
            continue
        claimed.add(owner.id)
        if _is_same_person(entry.row, owner):
            entry.known = owner
        else:
            entry.reason = _card_of_another(entry.row.card_number, owner.name)

    rivals = Counter(member.id for _, options in new_cards for member in options)
    for entry, options in new_cards:
        if len(options) == 1 and rivals[options[0].id] == 1:
            entry.known = options[0]
        elif options:
            entry.reason = _unclear_card_owner(entry.row.name)

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
            entry.reason = _several_namesakes(entry.row.name)
        elif options and _days_differ(entry.row, options[0]):
            entry.reason = _namesake_of_another_day(options[0].name)
        elif options:
            entry.known = options[0]


def _is_same_person(row: RosterRow, owner: KnownMember) -> bool:
    """Whether a second mark beside the card number fits, so that a mistyped number renames no one."""
    return _fold(row.name) == _fold(owner.name) or _days_agree(row, owner)


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
                entry.reason = _cell_has_secretary(cell.name, staying.name)
            else:
                entry.reason = _second_secretary(cell.name, claimants[0].row.name, claimants[0].row.number)
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
    same_card = not row.card_number or _card_key(row.card_number) == _card_key(known.card_number)
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


# Text


@lru_cache(maxsize=10_000)
def _clean(text: str) -> str:
    """Return text on one line in NFC, without invisible characters and runs of spaces."""
    # A zero-width character may part a letter from its accent, so it goes before the two are composed.
    return " ".join(unicodedata.normalize("NFC", _INVISIBLE.sub("", text).translate(_LOOK_ALIKES)).split())


@lru_cache(maxsize=10_000)
def _fold(text: str) -> str:
    """Return text in lower case without accents and typographic dashes."""
    # NFD leaves "đ" whole, so it is replaced by hand.
    decomposed = unicodedata.normalize("NFD", text.translate(_PUNCTUATION).lower().replace("đ", "d"))
    return "".join(c for c in decomposed if not unicodedata.combining(c))


@lru_cache(maxsize=10_000)
def _word_key(word: str) -> str:
    """Return a word with its tone moved to the end, so that "hoà" and "hòa" are one."""
    letters, tone = [], ""
    for character in unicodedata.normalize("NFD", word):
        if character in _TONES:
            tone = _TONES[character]
        else:
            letters.append(character)
    return unicodedata.normalize("NFC", "".join(letters)) + tone


def _name_key(name: str) -> str:
    return " ".join(_word_key(word) for word in name.translate(_PUNCTUATION).casefold().split())


@lru_cache(maxsize=10_000)
def _cell_key(name: str) -> str:
    return _name_key(name).removeprefix(_CELL_PREFIX)


@lru_cache(maxsize=10_000)
def _organization_key(name: str) -> str:
    key = _name_key(name)
    return next((key.removeprefix(prefix) for prefix in _ORGANIZATION_PREFIXES if key.startswith(prefix)), key)


def _card_key(number: str) -> str:
    """Return a card number without what is written differently from list to list: signs and leading zeros."""
    return re.sub(r"[^0-9A-ZĐ]", "", number.upper()).lstrip("0")


_CELL_PREFIX = _name_key("chi bộ") + " "
_ORGANIZATION_PREFIXES = (_name_key("đảng bộ") + " ", _name_key("đảng ủy") + " ")


# What people read

_CANNOT_OPEN = "Không mở được tệp này. Đồng chí kiểm tra lại tên tệp và quyền đọc tệp giúp."
_UNKNOWN_KIND = (
    "Tôi chỉ đọc danh sách ở tệp .xlsx hoặc .csv. Đồng chí mở tệp bằng Excel, chọn Lưu thành (Save As), kiểu "
    "“Excel Workbook (*.xlsx)”, rồi nhập tệp mới giúp."
)
_FILE_TOO_LARGE = (
    "Tệp lớn hơn 20 MB. Đồng chí bỏ hình ảnh và các trang không cần, hoặc chia danh sách thành nhiều tệp, rồi nhập "
    "lại giúp."
)
_UNPACKS_TOO_LARGE = (
    "Tệp bung ra quá lớn nên tôi không đọc. Đồng chí chép riêng bảng danh sách sang một tệp Excel mới, rồi nhập tệp "
    "đó giúp."
)
_PASSWORD = (
    "Tệp được bảo vệ bằng mật khẩu nên tôi không đọc được. Đồng chí mở tệp bằng Excel, bỏ mật khẩu, lưu lại rồi nhập "
    "giúp."
)
_OLD_EXCEL = (
    "Tệp thuộc dạng Excel cũ (.xls). Đồng chí mở tệp bằng Excel, chọn Lưu thành (Save As), kiểu “Excel Workbook "
    "(*.xlsx)”, rồi nhập tệp mới giúp."
)
_EXCEL_NAMED_CSV = "Tệp có đuôi .csv nhưng bên trong là tệp Excel. Đồng chí đổi đuôi thành .xlsx rồi nhập lại giúp."
_NOT_A_WORKBOOK = (
    "Tệp hỏng hoặc không phải tệp Excel. Đồng chí mở tệp bằng Excel, chọn Lưu thành (Save As), kiểu “Excel Workbook "
    "(*.xlsx)”, rồi nhập tệp mới giúp."
)
_WRONG_ENCODING = (
    "Chữ trong tệp không theo bảng mã UTF-8 (có thể là TCVN3, VNI hoặc Windows-1258). Đồng chí mở tệp bằng Excel; nếu "
    "chữ dùng phông .VnTime hay VNI thì chuyển sang Unicode trước (UniKey, Ctrl+Shift+F6); sau đó chọn Lưu thành (Save "
    "As), kiểu “CSV UTF-8”, rồi nhập tệp mới giúp."
)
_OLD_FONT = (
    "Không thấy dòng tiêu đề, và chữ trong tệp có vẻ theo phông cũ (TCVN3, VNI) hoặc bị lỗi phông. Đồng chí chuyển chữ "
    "sang Unicode (UniKey, Ctrl+Shift+F6), lưu lại thành .xlsx hoặc CSV UTF-8, rồi nhập giúp."
)
_OPEN_QUOTE = (
    "Trong tệp có dấu ngoặc kép mở mà không đóng nên tôi không tách được các ô. Đồng chí mở tệp bằng Excel, lưu lại "
    "thành .xlsx, rồi nhập tệp mới giúp."
)
_NO_ROWS = "Dưới dòng tiêu đề chưa có đảng viên nào. Đồng chí ghi mỗi đảng viên một dòng rồi nhập lại giúp."
_TOO_MANY_ROWS = (
    f"Tệp có hơn {MAX_ROWS:,} dòng. Đồng chí chia danh sách thành nhiều tệp rồi nhập lần lượt giúp.".replace(",", ".")
)
_NAME_MISSING = "Thiếu họ và tên. Đồng chí ghi họ và tên, hoặc xóa dòng này."
_CELL_MISSING = "Thiếu tên chi bộ. Đồng chí ghi tên chi bộ ở từng dòng (bỏ gộp ô nếu có)."


def _missing_headings(headings: Sequence[Heading]) -> str:
    names = ", ".join(f"“{heading.value}”" for heading in headings)
    return (
        f"Tệp thiếu cột {names}. Trong 20 dòng đầu cần có một dòng tiêu đề với các cột “Họ và tên”, “Chi bộ”, "
        "“Vai trò” (đảng viên thì có thể để trống ô vai trò). Đồng chí sửa tiêu đề rồi nhập lại giúp."
    )


def _repeated_heading(heading: Heading) -> str:
    return f"Tệp có hai cột “{heading.value}”. Đồng chí chỉ giữ một cột rồi nhập lại giúp."


def _unreadable_cell(heading: Heading, shown: str) -> str:
    if shown:
        return f"Ô “{heading.value}” báo lỗi {_short(shown)}. Đồng chí gõ thẳng giá trị vào ô."
    return (
        f"Ô “{heading.value}” là công thức chưa có kết quả. Đồng chí mở tệp bằng Excel rồi lưu lại, hoặc gõ thẳng "
        "giá trị vào ô."
    )


def _unknown_role(text: str) -> str:
    return (
        f"Không rõ vai trò “{_short(text)}”. Đồng chí ghi một trong các vai trò: đảng viên, bí thư, phó bí thư, cấp ủy "
        "viên, kiểm tra, quản trị; nhiều vai trò thì cách nhau bằng dấu phẩy."
    )


def _not_a_date(text: str) -> str:
    return f"Không đọc được ngày vào Đảng “{_short(text)}”. Đồng chí ghi theo ngày/tháng/năm, ví dụ 03/02/1990."


def _no_such_day(text: str) -> str:
    return f"Không có ngày “{_short(text)}”. Đồng chí ghi lại theo thứ tự ngày/tháng/năm, ví dụ 28/02/1990."


def _short_year(text: str) -> str:
    return f"Năm trong ngày vào Đảng “{_short(text)}” viết tắt. Đồng chí ghi năm đủ bốn chữ số, ví dụ 03/02/1990."


def _date_without_day(text: str) -> str:
    return (
        f"Ngày vào Đảng “{_short(text)}” chưa đủ ngày, tháng, năm. Đồng chí ghi đủ, ví dụ 03/02/1990; nếu không rõ thì "
        "để trống."
    )


def _future_day(day: date) -> str:
    return f"Ngày vào Đảng {day:%d/%m/%Y} ở sau hôm nay. Đồng chí kiểm tra lại ngày."


def _too_early_day(day: date) -> str:
    return (
        f"Ngày vào Đảng {day.day:02}/{day.month:02}/{day.year:04} ở trước ngày thành lập Đảng. Đồng chí kiểm tra lại."
    )


def _not_a_card(text: str) -> str:
    return f"Số thẻ “{_short(text)}” không hợp lệ. Đồng chí ghi đúng số trên thẻ đảng viên, hoặc để trống."


def _rounded_card(text: str) -> str:
    return (
        f"Số thẻ “{_short(text)}” đã bị Excel rút gọn. Đồng chí định dạng cột này là Văn bản (Text) rồi ghi lại số thẻ."
    )


def _not_a_phone(text: str) -> str:
    return f"Số điện thoại “{_short(text)}” không hợp lệ. Đồng chí ghi lại, ví dụ 0912 345 678, hoặc để trống."


def _too_many_phones(text: str) -> str:
    return f"Ô “{Heading.PHONE.value}” có hơn hai số (“{_short(text)}”). Đồng chí chỉ ghi một hoặc hai số."


def _unclear_mark(text: str) -> str:
    return (
        f"Ô “{Heading.NO_PHONE.value}” ghi “{_short(text)}” nên tôi không rõ. Đồng chí đánh dấu x nếu đảng viên không "
        "dùng điện thoại, còn lại để trống."
    )


def _text_too_long(heading: Heading) -> str:
    return f"Ô “{heading.value}” dài hơn {MAX_NAME_LENGTH} ký tự. Đồng chí ghi ngắn lại."


def _name_with_digits(name: str) -> str:
    return f"Họ và tên “{_short(name)}” có chữ số. Đồng chí chỉ ghi họ và tên; số thẻ, năm sinh để ở cột khác."


def _name_with_signs(name: str) -> str:
    return f"Họ và tên “{_short(name)}” có ký hiệu lạ. Đồng chí chỉ ghi họ và tên bằng chữ."


def _broken_letters(heading: Heading, text: str) -> str:
    return (
        f"Ô “{heading.value}” ghi “{_short(text)}”, có vẻ bị lỗi phông. Đồng chí chuyển chữ sang Unicode (UniKey, "
        "Ctrl+Shift+F6) hoặc gõ lại."
    )


def _cell_with_markup(heading: Heading, name: str) -> str:
    return f"Ô “{heading.value}” ghi “{_short(name)}”, có ký hiệu lạ. Đồng chí chỉ ghi tên bằng chữ và số."


def _unknown_cell(name: str) -> str:
    return f"Chưa có “{_short(name)}” trong hệ thống. Đồng chí sửa tên cho khớp, hoặc cho phép lập chi bộ mới khi nhập."


def _ambiguous_cell(name: str, organizations: Sequence[str]) -> str:
    names = ", ".join(f"“{_short(organization)}”" for organization in organizations[:3] if organization)
    return (
        f"Có nhiều chi bộ cùng tên “{_short(name)}”{f' (ở {names})' if names else ''}. Đồng chí ghi thêm cột “Đảng bộ” "
        "để phân biệt."
    )


def _repeated_card(card_number: str, row: int) -> str:
    return f"Số thẻ {card_number} đã có ở dòng {row}. Đồng chí bỏ dòng thừa, hoặc sửa lại số thẻ."


def _repeated_name(name: str, row: int) -> str:
    return (
        f"Trùng họ tên “{_short(name)}” với dòng {row} trong cùng chi bộ. Nếu là hai người, đồng chí ghi số thẻ cho cả "
        "hai; nếu là một, đồng chí bỏ dòng thừa."
    )


def _several_namesakes(name: str) -> str:
    return f"Chi bộ có nhiều đảng viên tên “{_short(name)}”. Đồng chí ghi số thẻ để phân biệt."


def _namesake_of_another_day(name: str) -> str:
    return (
        f"Chi bộ đã có đảng viên “{_short(name)}” với ngày vào Đảng khác. Nếu là một người, đồng chí ghi thêm số thẻ "
        "đã có hoặc sửa lại ngày; nếu là hai người, đồng chí ghi số thẻ cho cả hai."
    )


def _card_of_another(card_number: str, name: str) -> str:
    return f"Số thẻ {card_number} là của đồng chí {_short(name)}. Đồng chí kiểm tra lại số thẻ và họ tên."


def _unclear_card_owner(name: str) -> str:
    return (
        f"Chi bộ đã có đảng viên “{_short(name)}” chưa ghi số thẻ, nên chưa rõ số thẻ này của ai. Đồng chí nhập trước "
        "riêng dòng của người đã có, kèm số thẻ; sau đó nhập các dòng còn lại."
    )


def _cell_has_secretary(cell: str, name: str) -> str:
    return (
        f"“{_short(cell)}” đã có bí thư là đồng chí {_short(name)}. Nếu thay bí thư, đồng chí ghi cả dòng của đồng chí "
        f"{_short(name)} với vai trò mới; nếu không, đồng chí sửa vai trò ở dòng này."
    )


def _second_secretary(cell: str, name: str, row: int) -> str:
    return (
        f"“{_short(cell)}” đã có bí thư ở dòng {row} (đồng chí {_short(name)}). Mỗi chi bộ chỉ có một bí thư; đồng chí "
        "sửa vai trò ở dòng này."
    )


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:60]}…"
