"""A roster file, CSV or XLSX -> its rows."""

import csv
import io
import re
import warnings
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from itertools import islice, repeat
from pathlib import Path

from openpyxl import load_workbook
from openpyxl.cell.cell import Cell, MergedCell
from openpyxl.utils.exceptions import InvalidFileException
from openpyxl.worksheet.worksheet import Worksheet

from assessment import roster_texts as texts
from assessment.model import Role
from assessment.roster import BROKEN_LETTERS, RosterRow, card_key, folded
from assessment.roster_texts import Heading
from knowledge.text import clean, collapse

MAX_FILE_BYTES = 20 * 1024 * 1024
MAX_UNPACKED_BYTES = 64 * 1024 * 1024  # a full roster of 50,000 rows unpacks to less than half of it
_HEADING_ROWS = 20
_MAX_COLUMNS = 100
_MAX_SHEET_ROWS = 1_048_576


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
# Converted files write these two look-alikes for "Đ".
_LOOK_ALIKES = str.maketrans({"\u00d0": "Đ", "\u0189": "Đ"})
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
        raise RosterError(path, texts.CANNOT_OPEN) from error
    if size_bytes > MAX_FILE_BYTES:
        raise RosterError(path, texts.FILE_TOO_LARGE)
    kind = path.suffix.lower()
    if kind not in {".csv", ".xlsx"}:
        raise RosterError(path, texts.UNKNOWN_KIND)
    if raw.startswith(_OLE):
        raise RosterError(path, texts.PASSWORD if _ENCRYPTED in raw else texts.OLD_EXCEL)
    if kind == ".csv":
        if raw.startswith(b"PK\x03\x04"):
            raise RosterError(path, texts.EXCEL_NAMED_CSV)
        head, rows = _read_csv(path, raw)
    else:
        head, rows = _read_xlsx(path, raw)
    read: list[RosterRow] = []
    for number, values in rows:
        if not any(values) or (number == head.row + 1 and _is_column_count(values)):
            continue
        if len(read) == texts.MAX_ROWS:
            raise RosterError(path, texts.TOO_MANY_ROWS)
        read.append(_to_row(number, values, has_marks=Heading.NO_PHONE in head.columns))
    if not read:
        raise RosterError(path, texts.NO_ROWS)
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
        raise RosterError(path, texts.OPEN_QUOTE) from error


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
        raise RosterError(path, texts.WRONG_ENCODING) from error


def _read_xlsx(path: Path, raw: bytes) -> tuple[_Head, Iterator[_Cells]]:
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            parts = archive.infolist()
            if sum(part.file_size for part in parts) > MAX_UNPACKED_BYTES:
                raise RosterError(path, texts.UNPACKS_TOO_LARGE)
            sheets = [part for part in parts if part.filename.startswith("xl/worksheets/")]
            is_uncalculated = any(_UNCALCULATED.search(archive.read(part)) for part in sheets)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about styles and validation rules, which we do not read
            sheet, head = _find_sheet(_sheets(raw))
            columns = _columns(path, head)
            # A formula that was never calculated reads like an empty cell; its text tells them apart.
            others = _sheets(raw, formulas=True) if is_uncalculated else []
            formulas = next((other for other in others if other.title == sheet.title), None)
            rows = _sheet_rows(sheet, formulas, head.row, columns)
            return head, iter(
                list(islice(rows, texts.MAX_ROWS + 2))
            )  # one too many, and a line that counts the columns
    except _BROKEN_FILE as error:
        raise RosterError(path, texts.NOT_A_WORKBOOK) from error


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
    words = re.sub(r"\(.*?\)", " ", folded(_clean(text)))
    return _HEADINGS.get(" ".join(re.findall(r"[a-z]+", words)))


def _columns(path: Path, head: _Head) -> list[int]:
    """Return where the columns are, in the order of Heading; -1 for those that the file lacks."""
    if head.missing:
        old_font = BROKEN_LETTERS.search(_clean(head.sample)) is not None
        raise RosterError(path, texts.OLD_FONT if old_font else texts.missing_headings(head.missing))
    for heading, places in head.columns.items():
        if len(places) > 1:
            raise RosterError(path, texts.repeated_heading(heading))
    return [head.columns[heading][0] if heading in head.columns else -1 for heading in Heading]


def _is_column_count(values: Sequence[_Value]) -> bool:
    """Whether this is the line "(1) (2) (3)" that forms put below their headings."""
    return values[0] != "" and all(
        isinstance(value, str) and re.fullmatch(r"(?:\(?[0-9]{1,2}\)?)?", value) for value in values
    )


def _to_row(number: int, values: Sequence[_Value], *, has_marks: bool) -> RosterRow:
    """Read what one row says; has_marks tells whether the file has a column for those without a phone."""
    problems = [
        texts.unreadable_cell(heading, value.shown)
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
    if phone and folded(phone) in _NO_PHONE:
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
    names = [" ".join(name.replace(".", " ").split()) for name in _ROLE_BREAK.split(folded(text))]
    named = [name for name in names if name not in _NOTHING]
    problem = "" if _ROLES.keys() >= set(named) else texts.unknown_role(text)
    return frozenset({Role.MEMBER, *(_ROLES[name] for name in named if name in _ROLES)}), problem


@lru_cache(maxsize=1000)
def _day(text: str) -> tuple[date | None, str]:
    """Return the day that a text names, and what is wrong with it if it names none."""
    written = _TIME.sub("", folded(text.lstrip("'")))
    if written in _NOTHING:
        return None, ""
    if found := _DAY.fullmatch(written):
        day, month, year = found.groups()
    elif found := _ISO_DAY.fullmatch(written):
        year, month, day = found.groups()
    elif _SHORT_YEAR.fullmatch(written):
        return None, texts.short_year(text)
    elif _NO_DAY.fullmatch(written):
        return None, texts.date_without_day(text)
    else:
        return None, texts.not_a_date(text)
    try:
        return date(int(year), int(month), int(day)), ""
    except ValueError:
        return None, texts.no_such_day(text)


def _card(text: str) -> tuple[str, str]:
    """Return a card number and what is wrong with it."""
    number = text.lstrip("'")
    if not number or folded(number) in _NOTHING:
        return "", ""
    if _ROUNDED.fullmatch(number):
        return "", texts.rounded_card(number)
    if not _CARD.fullmatch(number) or not card_key(number) or not any(c.isdigit() for c in number):
        return "", texts.not_a_card(number)
    return number, ""


def _phone(text: str) -> tuple[str, str]:
    """Return phone numbers as dialled in Vietnam, joined by ", ", and what is wrong with them."""
    written = text.lstrip("'")
    if not written or folded(written) in _NOTHING | _NO_PHONE:
        return "", ""
    numbers = []
    for part in re.split(r"[,;/]", written):
        digits = re.sub(r"[\s().-]", "", part)
        digits = re.sub(r"^(?:\+84|0084|84(?=[0-9]{9}$))", "0", digits)
        # A spreadsheet takes the number for a quantity and drops its zero.
        digits = f"0{digits}" if re.fullmatch(r"[35789][0-9]{8}", digits) else digits
        if not re.fullmatch(r"0[0-9]{8,10}", digits):
            return "", texts.not_a_phone(text)
        numbers.append(digits)
    return (", ".join(numbers), "") if len(numbers) <= 2 else ("", texts.too_many_phones(text))


def _has_phone(mark: str) -> tuple[bool, str]:
    """Return whether the mark of those without a phone is missing, and what is wrong with it."""
    said = folded(mark)
    return said not in _MARKED, "" if said in _MARKED | _NOT_MARKED else texts.unclear_mark(mark)


@lru_cache(maxsize=10_000)
def _clean(text: str) -> str:
    """Return text on one line in NFC, without invisible characters and runs of spaces."""
    return collapse(clean(text.translate(_LOOK_ALIKES)))
