import csv
import time
import unicodedata
import warnings
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from assessment import roster_file, roster_texts
from assessment.model import Role
from assessment.roster import (
    KnownMember,
    RosterCell,
    RosterPlan,
    RosterResult,
    RosterRow,
    RowOutcome,
    plan_roster,
)
from assessment.roster_file import RosterError, read_roster
from assessment.roster_texts import Heading

TODAY = date(2026, 11, 26)
SHORT = ("Họ và tên", "Chi bộ", "Vai trò")
FULL = (*SHORT, "Đảng bộ", "Ngày vào Đảng", "Số thẻ", "Điện thoại", "Không dùng điện thoại")
FIRST_CELL = RosterCell("Chi bộ 1", id=1)
SECOND_CELL = RosterCell("Chi bộ 2", id=2)

Values = Sequence[object]
Writer = Callable[..., Path]


def csv_file(folder: Path, *rows: Values, encoding: str = "utf-8", delimiter: str = ",") -> Path:
    path = folder / "danh-sach.csv"
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)
    return path


def xlsx_file(folder: Path, *rows: Values) -> Path:
    path = folder / "danh-sach.xlsx"
    book = Workbook()
    fill(book, rows)
    book.save(path)
    return path


def fill(book: Workbook, rows: Iterable[Values]) -> None:
    sheet = book.worksheets[0]
    for row in rows:
        sheet.append(list(row))


def repacked(path: Path, part: str, old: bytes, new: bytes) -> Path:
    """Put other bytes into a part of a workbook, as no well-meaning program would."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    assert old in parts[part]
    parts[part] = parts[part].replace(old, new)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


def read_error(path: Path) -> str:
    with pytest.raises(RosterError) as caught:
        read_roster(path)
    assert caught.value.path == path
    return caught.value.reason


def one_row(folder: Path, **values: object) -> RosterRow:
    """Read a CSV file with one member, whose other columns are given by heading."""
    row = {"NAME": "Nguyễn Văn An", "CELL": "Chi bộ 1"} | values
    [read] = read_roster(csv_file(folder, FULL, [row.get(Heading(text).name, "") for text in FULL]))
    return read


def a_row(name: str = "Nguyễn Văn An", cell: str = "Chi bộ 1", *roles: Role, **values: Any) -> RosterRow:
    return replace(RosterRow(2, name, cell, roles=frozenset({Role.MEMBER, *roles})), **values)


def a_member(name: str = "Nguyễn Văn An", cell_id: int = 1, *roles: Role, **values: Any) -> KnownMember:
    return replace(KnownMember(1, cell_id, name, frozenset({Role.MEMBER, *roles})), **values)


def planned(rows: Sequence[RosterRow], *known: KnownMember, create_cells: bool = True) -> list[RosterResult]:
    rows = [replace(row, number=number) for number, row in enumerate(rows, 2)]
    plan = plan_roster(rows, known, [FIRST_CELL, SECOND_CELL], TODAY, create_cells=create_cells)
    assert [result.number for result in plan.results] == [row.number for row in rows]
    return list(plan.results)


def outcomes(results: Iterable[RosterResult]) -> list[RowOutcome]:
    return [result.outcome for result in results]


ADDED, CHANGED, UNCHANGED, REFUSED = RowOutcome


# What a file may look like


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"], ids=lambda encoding: str(encoding)
)
@pytest.mark.parametrize("delimiter", [",", ";", "\t"], ids=["comma", "semicolon", "tab"])
def test_csv_is_read_in_every_unicode_encoding_and_with_every_delimiter(
    tmp_path: Path, encoding: str, delimiter: str
) -> None:
    path = csv_file(
        tmp_path, SHORT, ["Nguyễn Văn An", "Chi bộ 1", "bí thư, kiểm tra"], encoding=encoding, delimiter=delimiter
    )
    [row] = read_roster(path)
    assert (row.number, row.name, row.cell) == (2, "Nguyễn Văn An", "Chi bộ 1")
    assert row.roles == {Role.MEMBER, Role.SECRETARY, Role.INSPECTOR}


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        ("Họ và tên,Chi bộ,Vai trò".encode()[:-1], "cut inside a letter"),
        ("Hä vµ tªn,Chi bé,Vai trß\nNguyÔn V¨n An,1,\n".encode("latin-1"), "TCVN3"),
        ("Hoï vaø teân,Chi boä,Vai troø\nNguyeãn Vaên An,1,\n".encode("latin-1"), "VNI"),
        ("Ho\u0323 va\u0300 tên,Chi bô\u0323,Vai tro\u0300\nLê Ba,1,\n".encode("cp1258"), "Windows-1258"),
        (b"\xff\xfeH\x00\xa1", "half of UTF-16"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_csv_in_another_encoding_is_refused_and_says_how_to_save_it(tmp_path: Path, raw: bytes, what: str) -> None:
    path = tmp_path / "danh-sach.csv"
    path.write_bytes(raw)
    with pytest.raises(UnicodeDecodeError):
        raw.decode("utf-16" if what == "half of UTF-16" else "utf-8")
    reason = read_error(path)
    assert "không theo bảng mã UTF-8" in reason
    assert "chọn Lưu thành (Save As), kiểu “CSV UTF-8”" in reason


@pytest.mark.parametrize(
    "headings",
    [
        ("Hä vµ tªn", "Chi bé", "Vai trß"),
        ("Hoï vaø teân", "Chi boä", "Vai troø"),
        ("Há» vÃ  tÃªn", "Chi bá»™", "Vai trÃ²"),
    ],
    ids=["TCVN3", "VNI", "UTF-8 read as Latin-1"],
)
def test_an_old_font_behind_right_bytes_is_named(tmp_path: Path, headings: Values) -> None:
    reason = read_error(xlsx_file(tmp_path, headings, ["NguyÔn V¨n An", "1", ""]))
    assert "phông cũ (TCVN3, VNI)" in reason
    assert "UniKey" in reason


@pytest.mark.parametrize(
    "headings",
    [
        ("HỌ VÀ TÊN", "CHI BỘ", "VAI TRÒ"),
        ("ho va ten", "chi bo", "vai tro"),
        ("Họ tên", "Tên chi bộ", "Chức vụ Đảng"),
        ("Họ, tên đảng viên", "Chi bộ sinh hoạt", "Vai trò (nếu có)"),
        ("  Họ  và\ntên * ", "Chi bộ:", "Vai trò trong chi bộ"),
        tuple(unicodedata.normalize("NFD", heading) for heading in SHORT),
    ],
    ids=["capitals", "without accents", "short", "long", "with signs", "decomposed"],
)
@pytest.mark.parametrize("write", [csv_file, xlsx_file], ids=["csv", "xlsx"])
def test_headings_are_recognised_however_they_are_written(tmp_path: Path, write: Writer, headings: Values) -> None:
    [row] = read_roster(write(tmp_path, headings, ["Nguyễn Văn An", "Chi bộ 1", "Phó Bí thư"]))
    assert (row.name, row.cell) == ("Nguyễn Văn An", "Chi bộ 1")
    assert row.roles == {Role.MEMBER, Role.DEPUTY_SECRETARY}


@pytest.mark.parametrize("organization", ["Đảng bộ", "Đảng ủy", "Đảng uỷ", "DANG UY", "Đảng bộ/Đảng ủy"])
def test_every_optional_column_is_read_wherever_it_stands(tmp_path: Path, organization: str) -> None:
    headings = ["STT", "SĐT", organization, "Không có điện thoại", *SHORT, "Số thẻ đảng viên", "Ngày kết nạp Đảng", "+"]
    member = [1, "0912.345.678", "Đảng bộ xã A", "x", "Lê Thị Hoa", "Chi bộ 3", "", "02.012345", "3/2/1990", "mới"]
    [row] = read_roster(csv_file(tmp_path, headings, member))
    assert row == RosterRow(
        number=2,
        name="Lê Thị Hoa",
        cell="Chi bộ 3",
        organization="Đảng bộ xã A",
        admitted_on=date(1990, 2, 3),
        card_number="02.012345",
        phone="0912345678",
        has_phone=False,
    )


@pytest.mark.parametrize("write", [csv_file, xlsx_file], ids=["csv", "xlsx"])
def test_headings_may_stand_below_title_lines(tmp_path: Path, write: Writer) -> None:
    titles = [["ĐẢNG BỘ XÃ A"], [], ["DANH SÁCH ĐẢNG VIÊN CHI BỘ 1, họ và tên, vai trò"], *[[""]] * 16]
    path = write(tmp_path, *titles, SHORT, ["(1)", "(2)", "(3)"], [], ["Nguyễn Văn An", "Chi bộ 1", ""], ["", "", ""])
    assert [(row.number, row.name) for row in read_roster(path)] == [(23, "Nguyễn Văn An")]


@pytest.mark.parametrize("write", [csv_file, xlsx_file], ids=["csv", "xlsx"])
def test_headings_below_the_first_twenty_rows_are_not_looked_for(tmp_path: Path, write: Writer) -> None:
    reason = read_error(write(tmp_path, *[["tiêu đề"]] * 20, SHORT, ["Nguyễn Văn An", "Chi bộ 1", ""]))
    assert reason.startswith("Tệp thiếu cột “Họ và tên”, “Chi bộ”, “Vai trò”.")


@pytest.mark.parametrize("write", [csv_file, xlsx_file], ids=["csv", "xlsx"])
def test_a_missing_column_is_named(tmp_path: Path, write: Writer) -> None:
    reason = read_error(write(tmp_path, ["Danh sách"], ["Họ và tên", "Chi bộ", "Ghi chú"], ["An", "Một", ""]))
    assert reason.startswith("Tệp thiếu cột “Vai trò”. Trong 20 dòng đầu cần có một dòng tiêu đề")


def test_a_column_that_comes_twice_is_named(tmp_path: Path) -> None:
    reason = read_error(csv_file(tmp_path, [*SHORT, "Số thẻ", "Số thẻ ĐV"], ["An", "Một", "", "1", "2"]))
    assert reason == "Tệp có hai cột “Số thẻ”. Đồng chí chỉ giữ một cột rồi nhập lại giúp."


@pytest.mark.parametrize("write", [csv_file, xlsx_file], ids=["csv", "xlsx"])
def test_a_count_of_the_columns_is_no_member_but_a_nameless_row_is(tmp_path: Path, write: Writer) -> None:
    path = write(tmp_path, SHORT, ["", "1", ""])
    assert planned(read_roster(path))[0].reason == "Thiếu họ và tên. Đồng chí ghi họ và tên, hoặc xóa dòng này."
    assert read_error(write(tmp_path, SHORT, ["1", "2", "3"])).startswith("Dưới dòng tiêu đề chưa có đảng viên nào.")


@pytest.mark.parametrize("write", [csv_file, xlsx_file], ids=["csv", "xlsx"])
def test_a_file_without_members_is_refused(tmp_path: Path, write: Writer) -> None:
    assert read_error(write(tmp_path, SHORT, ["", " ", ""])).startswith("Dưới dòng tiêu đề chưa có đảng viên nào.")


def test_the_first_visible_sheet_with_headings_is_read(tmp_path: Path) -> None:
    book = Workbook()
    fill(book, [["Hướng dẫn"], ["Họ và tên", "Chi bộ"]])
    hidden, wanted, other = (book.create_sheet(title) for title in ("Cũ", "Danh sách", "Nháp"))
    hidden.sheet_state = "hidden"
    for sheet, name in ((hidden, "Cũ"), (wanted, "Nguyễn Văn An"), (other, "Nháp")):
        sheet.append(list(SHORT))
        sheet.append([name, "Chi bộ 1"])
    book.save(tmp_path / "nhieu-trang.xlsx")
    assert [row.name for row in read_roster(tmp_path / "nhieu-trang.xlsx")] == ["Nguyễn Văn An"]


def test_cells_of_a_workbook_are_read_as_what_they_are(tmp_path: Path) -> None:
    book = Workbook()
    fill(book, [FULL])
    sheet = book.worksheets[0]
    sheet.append(["Lê An", 7, None, None, datetime(1990, 2, 3), 12345678, 912345678, True])
    sheet.append(["Lê Hai", 7.0, None, None, date(1990, 2, 3), 12345678.0, "84912345678", False])
    sheet.append(["Lê Ba", "7", None, None, "03-02-1990", 2012345, "'0912345678", None])
    sheet["F4"].number_format = "00000000"
    sheet["E2"].number_format = "dd/mm/yyyy;@"
    book.save(tmp_path / "so.xlsx")
    rows = read_roster(tmp_path / "so.xlsx")
    assert [row.problems for row in rows] == [(), (), ()]
    assert {row.cell for row in rows} == {"7"}
    assert {row.admitted_on for row in rows} == {date(1990, 2, 3)}
    assert [row.card_number for row in rows] == ["12345678", "12345678", "02012345"]
    assert {row.phone for row in rows} == {"0912345678"}
    assert [row.has_phone for row in rows] == [False, True, True]


def test_a_formula_that_was_never_calculated_spoils_its_row_only(tmp_path: Path) -> None:
    path = xlsx_file(
        tmp_path,
        ["STT", *FULL],
        ["=ROW()-1", "Lê An", "Chi bộ 1", "", "", "", '=""', "", ""],
        ["=ROW()-1", '=A1&"x"', "=B1", "", "", "", "", "", ""],
        ["=ROW()-1", "Lê Ba", "Chi bộ 1", "", "", "", "", "", ""],
    )
    first, second, third = read_roster(path)
    assert first.problems == (
        "Ô “Số thẻ” là công thức chưa có kết quả. Đồng chí mở tệp bằng Excel rồi lưu lại, hoặc gõ thẳng giá trị vào ô.",
    )
    assert [problem[:15] for problem in second.problems] == ["Ô “Họ và tên” l", "Ô “Chi bộ” là c"]
    assert third.problems == ()


@pytest.mark.parametrize(
    ("cell", "name", "problem"),
    [
        (b'<c r="A2" t="str"><f>B9</f><v>L\xc3\xaa An</v></c>', "Lê An", ""),
        (b'<c r="A2" t="str"><f>B9</f><v></v></c>', "", ""),
        (b'<c r="A2"><f>B9</f></c>', "", "Ô “Họ và tên” là công thức chưa có kết quả."),
        (b'<c r="A2" t="e"><f>B9</f><v>#REF!</v></c>', "", "Ô “Họ và tên” báo lỗi #REF!."),
    ],
    ids=["calculated", "calculated, empty", "not calculated", "an error"],
)
def test_a_formula_counts_by_its_value(tmp_path: Path, cell: bytes, name: str, problem: str) -> None:
    path = xlsx_file(tmp_path, SHORT, ["TEN", "Chi bộ 1", ""])
    old = b'<c r="A2" t="inlineStr"><is><t>TEN</t></is></c>'
    [row] = read_roster(repacked(path, "xl/worksheets/sheet1.xml", old, cell))
    assert row.name == name
    assert [text[: len(problem)] for text in row.problems] == ([problem] if problem else [])


def with_shared_strings(path: Path, texts: Iterable[str]) -> Path:
    """Give a workbook what Excel keeps texts in, for its cells of type "s" to count from 0."""
    items = "".join(f"<si><t>{text}</t></si>" for text in texts)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/sharedStrings.xml", f'<sst xmlns="{SPREADSHEET}/2006/main">{items}</sst>')
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
    entry = f'<Override PartName="/xl/sharedStrings.xml" ContentType="{kind}"/></Types>'
    return repacked(path, "[Content_Types].xml", b"</Types>", entry.encode())


SPREADSHEET = "http://schemas.openxmlformats.org/spreadsheetml"


def test_strings_that_excel_keeps_apart_from_the_sheet_are_read(tmp_path: Path) -> None:
    path = with_shared_strings(xlsx_file(tmp_path, SHORT, ["TEN", "Chi bộ 1", ""]), ["Lê Thị Hoa"])
    old = b'<c r="A2" t="inlineStr"><is><t>TEN</t></is></c>'
    repacked(path, "xl/worksheets/sheet1.xml", old, b'<c r="A2" t="s"><v>0</v></c>')
    assert [row.name for row in read_roster(path)] == ["Lê Thị Hoa"]


def test_what_a_workbook_has_beside_its_cells_is_passed_over_in_silence(tmp_path: Path) -> None:
    path = xlsx_file(tmp_path, SHORT, ["Lê An", "Chi bộ 1", ""])
    extension = b'<extLst><ext uri="{CCE6A557-97BC-4b89-ADB6-D9C93CAAB3DF}"/></extLst></worksheet>'
    repacked(path, "xl/worksheets/sheet1.xml", b"</worksheet>", extension)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [row.name for row in read_roster(path)] == ["Lê An"]


@pytest.mark.parametrize("start", ["=", "+", "-", "@"])
def test_what_looks_like_a_formula_in_csv_is_text(tmp_path: Path, start: str) -> None:
    row = one_row(tmp_path, CELL=f"{start}1+1")
    assert row.cell == f"{start}1+1"
    assert planned([row])[0].cell.name == f"{start}1+1"


@pytest.mark.parametrize(
    ("pasted", "name"),
    [
        ("  Nguyễn   Văn\u00a0An ", "Nguyễn Văn An"),
        (unicodedata.normalize("NFD", "Nguyễn Văn Ẩn"), "Nguyễn Văn Ẩn"),
        ("Nguyễn\u200b Văn An\ufeff", "Nguyễn Văn An"),
        ("\u202eÐoàn Thị Hoa", "Đoàn Thị Hoa"),
        ("Nguyễn\nVăn An", "Nguyễn Văn An"),
    ],
    ids=["spaces", "decomposed", "zero-width", "a look-alike of Đ", "two lines"],
)
def test_names_are_cleaned(tmp_path: Path, pasted: str, name: str) -> None:
    assert one_row(tmp_path, NAME=pasted).name == name


# What stands in the columns


@pytest.mark.parametrize(
    ("text", "roles"),
    [
        ("", set()),
        ("-", set()),
        ("đảng viên", set()),
        ("Đảng viên dự bị", set()),
        ("Chi ủy viên", set()),
        ("BÍ THƯ", {Role.SECRETARY}),
        ("bi thu chi bo", {Role.SECRETARY}),
        ("phó bí thư", {Role.DEPUTY_SECRETARY}),
        ("cấp ủy viên", {Role.COMMITTEE_MEMBER}),
        ("Cấp uỷ viên", {Role.COMMITTEE_MEMBER}),
        ("Đảng ủy viên", {Role.COMMITTEE_MEMBER}),
        ("Bí thư Đảng ủy", {Role.COMMITTEE_MEMBER}),
        ("kiểm tra", {Role.INSPECTOR}),
        ("Ủy viên UBKT", {Role.INSPECTOR}),
        ("quản trị", {Role.ADMIN}),
        ("bí thư, cấp ủy viên", {Role.SECRETARY, Role.COMMITTEE_MEMBER}),
        ("Đảng viên; phó bí thư;kiểm tra", {Role.DEPUTY_SECRETARY, Role.INSPECTOR}),
        ("phó bí thư/quản trị", {Role.DEPUTY_SECRETARY, Role.ADMIN}),
        ("Bí thư kiêm quản trị", {Role.SECRETARY, Role.ADMIN}),
        ("Bí thư kiêm kiểm tra", {Role.SECRETARY, Role.INSPECTOR}),
        ("Kiểm tra kiêm phó bí thư chi bộ", {Role.INSPECTOR, Role.DEPUTY_SECRETARY}),
        ("Bí thư Đảng ủy kiêm Bí thư chi bộ", {Role.COMMITTEE_MEMBER, Role.SECRETARY}),
    ],
)
def test_roles_are_recognised(tmp_path: Path, text: str, roles: set[Role]) -> None:
    row = one_row(tmp_path, ROLE=text)
    assert row.problems == ()
    assert row.roles == roles | {Role.MEMBER}


@pytest.mark.parametrize("text", ["bí thư đoàn", "trưởng thôn", "bí thư - trưởng thôn", "x", "bí thư, thủ quỹ"])
def test_an_unknown_role_is_refused_with_those_that_are_known(tmp_path: Path, text: str) -> None:
    [result] = planned([one_row(tmp_path, ROLE=text)])
    assert result.outcome is REFUSED
    assert result.reason == (
        f"Không rõ vai trò “{text}”. Đồng chí ghi một trong các vai trò: đảng viên, bí thư, phó bí thư, cấp ủy viên, "
        "kiểm tra, quản trị; nhiều vai trò thì cách nhau bằng dấu phẩy."
    )


@pytest.mark.parametrize(
    "text",
    [
        "3/2/1990",
        "03/02/1990",
        "03-02-1990",
        "3.2.1990",
        "3 / 2 / 1990",
        "03–02–1990",
        "ngày 3 tháng 2 năm 1990",
        "Ngày 03 tháng 02 năm 1990",
        "3 tháng 2, năm 1990",
        "1990-02-03",
        "1990-02-03T00:00:00",
        "1990-02-03 00:00",
        "3/2/1990 0:00:00",
        "'03/02/1990",
    ],
)
def test_days_are_read_in_vietnamese_form(tmp_path: Path, text: str) -> None:
    row = one_row(tmp_path, JOINED=text)
    assert (row.admitted_on, row.problems) == (date(1990, 2, 3), ())


@pytest.mark.parametrize("text", ["", " ", "-", "không rõ", "chưa có"])
def test_a_day_may_be_left_out(tmp_path: Path, text: str) -> None:
    row = one_row(tmp_path, JOINED=text)
    assert (row.admitted_on, row.problems) == (None, ())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("02/1990", "Ngày vào Đảng “02/1990” chưa đủ ngày, tháng, năm."),
        ("tháng 2 năm 1990", "Ngày vào Đảng “tháng 2 năm 1990” chưa đủ ngày, tháng, năm."),
        ("1990-02", "Ngày vào Đảng “1990-02” chưa đủ ngày, tháng, năm."),
        ("1990", "Ngày vào Đảng “1990” chưa đủ ngày, tháng, năm."),
        ("3/2/90", "Năm trong ngày vào Đảng “3/2/90” viết tắt."),
        ("31/2/1990", "Không có ngày “31/2/1990”."),
        ("2/28/1990", "Không có ngày “2/28/1990”. Đồng chí ghi lại theo thứ tự ngày/tháng/năm"),
        ("00/00/0000", "Không có ngày “00/00/0000”."),
        ("32906", "Không đọc được ngày vào Đảng “32906”. Đồng chí ghi theo ngày/tháng/năm, ví dụ 03/02/1990."),
        ("hôm qua", "Không đọc được ngày vào Đảng “hôm qua”."),
        ("27/11/2026", "Ngày vào Đảng 27/11/2026 ở sau hôm nay."),
        ("02/02/1930", "Ngày vào Đảng 02/02/1930 ở trước ngày thành lập Đảng."),
        ("03/02/0199", "Ngày vào Đảng 03/02/0199 ở trước ngày thành lập Đảng."),
    ],
)
def test_a_day_that_cannot_be_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    [result] = planned([one_row(tmp_path, JOINED=text)])
    assert result.outcome is REFUSED
    assert result.reason.startswith(reason)
    assert "Đồng chí" in result.reason


def test_today_is_not_in_the_future(tmp_path: Path) -> None:
    assert outcomes(planned([one_row(tmp_path, JOINED="26/11/2026")])) == [ADDED]


def test_a_month_that_excel_took_for_its_first_day_is_no_day(tmp_path: Path) -> None:
    book = Workbook()
    fill(book, [FULL, ["Lê An", "Chi bộ 1", "", "", datetime(1990, 2, 1), "", "", ""]])
    book.worksheets[0]["E2"].number_format = "mmm-yy"
    book.save(tmp_path / "thang.xlsx")
    [row] = read_roster(tmp_path / "thang.xlsx")
    assert row.admitted_on is None
    assert row.problems[0].startswith("Ngày vào Đảng “02/1990” chưa đủ ngày, tháng, năm.")


@pytest.mark.parametrize(("text", "card"), [("02.012345", "02.012345"), ("'02012345", "02012345"), ("chưa có", "")])
def test_card_numbers_are_kept_as_written(tmp_path: Path, text: str, card: str) -> None:
    row = one_row(tmp_path, CARD=text)
    assert (row.card_number, row.problems) == (card, ())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("2.01E+07", "Số thẻ “2.01E+07” đã bị Excel rút gọn. Đồng chí định dạng cột này là Văn bản (Text)"),
        ("đang làm", "Số thẻ “đang làm” không hợp lệ. Đồng chí ghi đúng số trên thẻ đảng viên, hoặc để trống."),
        ("<b>12</b>", "Số thẻ “<b>12</b>” không hợp lệ."),
        ("000", "Số thẻ “000” không hợp lệ."),
    ],
)
def test_what_is_no_card_number_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    [result] = planned([one_row(tmp_path, CARD=text)])
    assert (result.outcome, result.reason[: len(reason)]) == (REFUSED, reason)


@pytest.mark.parametrize(
    ("text", "phone"),
    [
        ("0912345678", "0912345678"),
        ("0912 345 678", "0912345678"),
        ("+84 912-345-678", "0912345678"),
        ("84912345678", "0912345678"),
        ("912345678", "0912345678"),
        ("0912345678 / (024) 3825.1234", "0912345678, 02438251234"),
        ("-", ""),
    ],
)
def test_phone_numbers_are_read_as_dialled(tmp_path: Path, text: str, phone: str) -> None:
    row = one_row(tmp_path, PHONE=text)
    assert (row.phone, row.has_phone, row.problems) == (phone, True, ())


@pytest.mark.parametrize("text", ["123", "hỏi con trai", "0912345678x"])
def test_what_is_no_phone_number_is_refused(tmp_path: Path, text: str) -> None:
    [result] = planned([one_row(tmp_path, PHONE=text)])
    assert result.reason.startswith(f"Số điện thoại “{text}” không hợp lệ. Đồng chí ghi lại")


def test_more_than_two_phone_numbers_are_refused(tmp_path: Path) -> None:
    [result] = planned([one_row(tmp_path, PHONE="0912345678; 0912345679; 0912345670")])
    assert result.reason.startswith("Ô “Điện thoại” có hơn hai số")
    assert result.reason.endswith("Đồng chí chỉ ghi một hoặc hai số.")


def test_a_member_without_a_phone_may_be_told_by_the_number_column(tmp_path: Path) -> None:
    assert one_row(tmp_path, PHONE="không có").has_phone is False


@pytest.mark.parametrize("mark", ["x", "X", "×", "✓", "v", "1", "TRUE", "không dùng"])
def test_a_mark_says_that_no_phone_is_used(tmp_path: Path, mark: str) -> None:
    row = one_row(tmp_path, NO_PHONE=mark)
    assert (row.has_phone, row.problems) == (False, ())


@pytest.mark.parametrize("mark", ["", "-", "0", "FALSE"])
def test_without_a_mark_a_phone_is_used(tmp_path: Path, mark: str) -> None:
    row = one_row(tmp_path, NO_PHONE=mark)
    assert (row.has_phone, row.problems) == (True, ())


@pytest.mark.parametrize("mark", ["có", "không", "thỉnh thoảng"])
def test_a_mark_that_may_mean_either_is_refused(tmp_path: Path, mark: str) -> None:
    [result] = planned([one_row(tmp_path, NO_PHONE=mark)])
    assert result.reason.startswith(f"Ô “Không dùng điện thoại” ghi “{mark}” nên tôi không rõ. Đồng chí đánh dấu x")


def test_without_the_column_nothing_is_said_about_phones(tmp_path: Path) -> None:
    [row] = read_roster(csv_file(tmp_path, SHORT, ["Lê An", "Chi bộ 1", ""]))
    assert row.has_phone is None
    [result] = planned([row], a_member("Lê An", has_phone=False))
    assert (result.outcome, result.has_phone) == (UNCHANGED, False)


def test_everything_wrong_in_a_row_is_said_at_once(tmp_path: Path) -> None:
    [result] = planned([one_row(tmp_path, ROLE="trưởng thôn", JOINED="02/1990", PHONE="1")])
    assert result.reason.count("Đồng chí") == 3


# Files that cannot be used


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert read_error(tmp_path / "khong-co.csv").startswith("Không mở được tệp này.")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thu-muc.csv").mkdir()
    assert read_error(tmp_path / "thu-muc.csv").startswith("Không mở được tệp này.")


@pytest.mark.parametrize("name", ["a.pdf", "a.docx", "a.xls", "a.ods", "a"])
def test_another_kind_of_file_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"abc")
    assert read_error(tmp_path / name).startswith("Tôi chỉ đọc danh sách ở tệp .xlsx hoặc .csv.")


@pytest.mark.parametrize("name", ["a.csv", "a.xlsx"])
def test_a_file_over_twenty_megabytes_is_refused_unread(tmp_path: Path, name: str) -> None:
    with (tmp_path / name).open("wb") as file:
        file.truncate(roster_file.MAX_FILE_BYTES + 1)
    assert read_error(tmp_path / name).startswith("Tệp lớn hơn 20 MB.")


OLE = bytes.fromhex("d0cf11e0a1b11ae1")


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (OLE + b"\0" * 600 + "EncryptedPackage".encode("utf-16-le"), "Tệp được bảo vệ bằng mật khẩu"),
        (OLE + b"\0" * 600, "Tệp thuộc dạng Excel cũ (.xls)."),
    ],
    ids=["password", "old Excel"],
)
def test_a_protected_or_old_workbook_is_refused(tmp_path: Path, kind: str, content: bytes, reason: str) -> None:
    path = tmp_path / f"danh-sach.{kind}"
    path.write_bytes(content)
    assert read_error(path).startswith(reason)


@pytest.mark.parametrize(
    "content", [b"", b"Ho va ten,Chi bo,Vai tro\n", b"PK\x03\x04" + b"\0" * 50], ids=["empty", "CSV", "cut short"]
)
def test_what_is_no_workbook_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "danh-sach.xlsx"
    path.write_bytes(content)
    assert read_error(path).startswith("Tệp hỏng hoặc không phải tệp Excel.")


def test_another_archive_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "van-ban.xlsx", "w") as archive:
        archive.writestr("word/document.xml", "<document/>")
    assert read_error(tmp_path / "van-ban.xlsx").startswith("Tệp hỏng hoặc không phải tệp Excel.")


def test_a_workbook_named_csv_is_refused(tmp_path: Path) -> None:
    path = xlsx_file(tmp_path, SHORT, ["Lê An", "1", ""]).rename(tmp_path / "danh-sach.csv")
    assert read_error(path).startswith("Tệp có đuôi .csv nhưng bên trong là tệp Excel.")


def test_a_workbook_that_unpacks_to_far_more_than_a_roster_is_refused(tmp_path: Path) -> None:
    path = xlsx_file(tmp_path, SHORT, ["Lê An", "1", ""])
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/media/image1.bin", b"\0" * (roster_file.MAX_UNPACKED_BYTES + 1))
    assert path.stat().st_size < 1_000_000
    assert read_error(path).startswith("Tệp bung ra quá lớn nên tôi không đọc.")


def test_entities_that_multiply_are_refused(tmp_path: Path) -> None:
    path = xlsx_file(tmp_path, SHORT, ["Le An", "1", ""])
    entities = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 10))
    laughs = f'<!DOCTYPE worksheet [<!ENTITY e0 "ha ha ha ha ha">{entities}]><worksheet xmlns='.encode()
    repacked(path, "xl/worksheets/sheet1.xml", b"<worksheet xmlns=", laughs)
    repacked(path, "xl/worksheets/sheet1.xml", b"Le An", b"&e9;")
    assert read_error(path).startswith("Tệp hỏng hoặc không phải tệp Excel.")


@pytest.mark.parametrize(
    ("old", "new"),
    [(b'ref="A1:C2"', b'ref="A1:XFD1048576"'), (b'ref="A1:C2"', b'ref="A1:A1"')],
    ids=["too large", "too small"],
)
def test_what_a_workbook_says_of_its_size_is_not_believed(tmp_path: Path, old: bytes, new: bytes) -> None:
    path = repacked(xlsx_file(tmp_path, SHORT, ["Lê An", "Chi bộ 1", ""]), "xl/worksheets/sheet1.xml", old, new)
    assert [(row.name, row.cell) for row in read_roster(path)] == [("Lê An", "Chi bộ 1")]


def test_a_row_far_beyond_a_sheet_is_not_waited_for(tmp_path: Path) -> None:
    path = xlsx_file(tmp_path, SHORT, ["Lê An", "Chi bộ 1", ""])
    repacked(path, "xl/worksheets/sheet1.xml", b'<row r="2">', b'<row r="99999999999">')
    assert read_error(path).startswith("Dưới dòng tiêu đề chưa có đảng viên nào.")


@pytest.mark.parametrize("length", [10, 200_000], ids=["at the end of the file", "past any cell"])
def test_a_quote_that_is_never_closed_swallows_no_members(tmp_path: Path, length: int) -> None:
    path = tmp_path / "danh-sach.csv"
    path.write_text('Họ và tên,Chi bộ,Vai trò\nLê An,"Chi bộ 1,\nLê Ba,Chi bộ 1,\n' + "x" * length, encoding="utf-8")
    assert read_error(path).startswith("Trong tệp có dấu ngoặc kép mở mà không đóng")


# Many rows


def many(count: int) -> Iterable[list[object]]:
    letters = "bcdđghklmnpqrstvx"
    for i in range(count):
        name = f"Nguyễn Văn {letters[i % 17]}{letters[i // 17 % 17]}{letters[i // 289 % 17]}oan"
        role = "bí thư" if i % 25 == 0 else ""
        yield [name, f"Chi bộ {i // 25}", role, "Đảng bộ xã A", "3/2/1990", 10_000_000 + i, "0912345678", ""]


def seconds_of(act: Callable[[], object]) -> float:
    started = time.process_time()
    act()
    return time.process_time() - started


def test_fifty_thousand_rows_of_csv_are_read(tmp_path: Path) -> None:
    rows = read_roster(csv_file(tmp_path, FULL, *many(50_000)))
    assert (len(rows), rows[-1].cell, rows[-1].card_number) == (50_000, "Chi bộ 1999", "10049999")


def test_thousands_of_rows_are_planned_and_stay_as_they_are_the_second_time(tmp_path: Path) -> None:
    rows = read_roster(csv_file(tmp_path, FULL, *many(5_000)))
    plan = plan_roster(rows, [], [], TODAY)
    assert (plan.count(ADDED), len(plan.new_cells)) == (5_000, 200)
    known, cells = carried_out(plan, [], [])
    assert plan_roster(rows, known, cells, TODAY).count(UNCHANGED) == 5_000


def test_ten_times_the_rows_take_about_ten_times_as_long(tmp_path: Path) -> None:
    def took(count: int) -> float:
        path = csv_file(tmp_path, FULL, *many(count))
        return seconds_of(lambda: plan_roster(read_roster(path), [], [], TODAY))

    # What grows with the square of the rows would take a hundred times as long.
    assert took(8_000) < 30 * max(took(800), 0.02)


def test_thousands_of_rows_of_a_workbook_are_read_with_shared_texts(tmp_path: Path) -> None:
    rows = read_roster(shared_workbook(tmp_path, 5_000))
    assert (len(rows), rows[-1].number, rows[-1].problems) == (5_000, 5_001, ())
    assert (rows[-1].cell, rows[-1].card_number) == ("Chi bộ 199", "10004999")


def test_ten_times_the_rows_of_a_workbook_take_about_ten_times_as_long(tmp_path: Path) -> None:
    def took(count: int) -> float:
        path = shared_workbook(tmp_path, count)
        return seconds_of(lambda: read_roster(path))

    assert took(8_000) < 30 * max(took(800), 0.02)


def shared_workbook(tmp_path: Path, count: int) -> Path:
    """A workbook as Excel writes it: each text once."""
    numbers: dict[object, int] = {}
    rows_xml = []
    for row, values in enumerate(many(count), 2):
        cells = "".join(
            f'<c r="{column}{row}" t="s"><v>{numbers.setdefault(value, len(numbers))}</v></c>'
            for column, value in zip("ABCDEFG", values, strict=False)
        )
        rows_xml.append(f'<row r="{row}">{cells}</row>')
    path = with_shared_strings(xlsx_file(tmp_path, FULL), map(str, numbers))
    repacked(path, "xl/worksheets/sheet1.xml", b"</sheetData>", "".join([*rows_xml, "</sheetData>"]).encode())
    return path


@pytest.mark.parametrize("write", [csv_file, xlsx_file], ids=["csv", "xlsx"])
def test_more_rows_than_allowed_are_refused(tmp_path: Path, write: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roster_texts, "MAX_ROWS", 3)
    counted = ["1", "2", "3"]
    path = write(tmp_path, SHORT, counted, *[row[:3] for row in many(3)])
    assert len(read_roster(path)) == 3
    path = write(tmp_path, SHORT, counted, *[row[:3] for row in many(4)])
    assert read_error(path).startswith("Tệp có hơn 50.000 dòng. Đồng chí chia danh sách thành nhiều tệp")


# Names


@pytest.mark.parametrize(
    "name",
    ["An", "NGUYỄN VĂN AN", "H'Hen Niê", "K’Brêu", "Y-Bion Kpă", "Nguyễn Văn An (A)", "Trần V. An", "A" * 120],
)
def test_names_of_people_are_taken(name: str) -> None:
    assert outcomes(planned([a_row(name)])) == [ADDED]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "Thiếu họ và tên. Đồng chí ghi họ và tên, hoặc xóa dòng này."),
        ("Nguyễn Văn An 1", "Họ và tên “Nguyễn Văn An 1” có chữ số."),
        ("Nguyễn Văn <b>An</b>", "Họ và tên “Nguyễn Văn <b>An</b>” có ký hiệu lạ."),
        ("*Nguyễn Văn An*", "Họ và tên “*Nguyễn Văn An*” có ký hiệu lạ."),
        ("[An](http://x)", "Họ và tên “[An](http://x)” có ký hiệu lạ."),
        ("=HYPERLINK", "Họ và tên “=HYPERLINK” có ký hiệu lạ."),
        ("- .", "Họ và tên “- .” có ký hiệu lạ."),
        ("NguyÔn V¨n An", "Ô “Họ và tên” ghi “NguyÔn V¨n An”, có vẻ bị lỗi phông."),
        ("Nguyeãn Vaên An", "Ô “Họ và tên” ghi “Nguyeãn Vaên An”, có vẻ bị lỗi phông."),
        ("Nguy\ufffdn An", "Ô “Họ và tên” ghi “Nguy\ufffdn An”, có vẻ bị lỗi phông."),
        ("A" * 121, "Ô “Họ và tên” dài hơn 120 ký tự. Đồng chí ghi ngắn lại."),
    ],
)
def test_what_is_no_name_is_refused(name: str, reason: str) -> None:
    [result] = planned([a_row(name)])
    assert (result.outcome, result.reason[: len(reason)]) == (REFUSED, reason)
    assert result.cell == RosterCell("Chi bộ 1")


# Cells


@pytest.mark.parametrize("name", ["Chi bộ 1", "CHI BỘ 1", "chi  bộ 1".replace("  ", " "), "1"])
def test_a_known_cell_is_recognised(name: str) -> None:
    [result] = planned([a_row(cell=name)])
    assert result.cell == FIRST_CELL


@pytest.mark.parametrize(
    ("stored", "written"), [("Chi bộ thôn Hoà Bình", "Thôn Hòa Bình"), ("Chi bộ A – B", "chi bộ a - b")]
)
def test_spellings_of_one_cell_are_one_cell(stored: str, written: str) -> None:
    cell = RosterCell(stored, id=5)
    assert plan_roster([a_row(cell=written)], [], [cell], TODAY).results[0].cell == cell


def test_cells_that_differ_in_an_accent_are_two() -> None:
    plan = plan_roster([a_row(cell="Thôn Mò"), a_row("Lê Ba", cell="Thôn Mỏ")], [], [], TODAY)
    assert plan.new_cells == (RosterCell("Thôn Mò"), RosterCell("Thôn Mỏ"))


def test_new_cells_are_listed_once_in_the_order_of_the_file() -> None:
    rows = [a_row("Lê An", "Chi bộ 9"), a_row("Lê Ba", "Chi bộ 8"), a_row("Lê Tư", "CHI BỘ 9"), a_row("", "Chi bộ 7")]
    plan = plan_roster(rows, [], [FIRST_CELL], TODAY)
    assert plan.new_cells == (RosterCell("Chi bộ 9"), RosterCell("Chi bộ 8"))
    assert [result.cell.name for result in plan.results[:3]] == ["Chi bộ 9", "Chi bộ 8", "Chi bộ 9"]


def test_an_unknown_cell_is_refused_where_none_may_be_created() -> None:
    known, unknown = planned([a_row("Lê An"), a_row("Lê Ba", "Chi bộ 9")], create_cells=False)
    assert known.outcome is ADDED
    assert unknown.outcome is REFUSED
    assert unknown.reason.startswith("Chưa có “Chi bộ 9” trong hệ thống. Đồng chí sửa tên cho khớp")


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("", "Thiếu tên chi bộ. Đồng chí ghi tên chi bộ ở từng dòng (bỏ gộp ô nếu có)."),
        ("<b>1</b>", "Ô “Chi bộ” ghi “<b>1</b>”, có ký hiệu lạ."),
        ("Chi b\ufffd 1", "Ô “Chi bộ” ghi “Chi b\ufffd 1”, có vẻ bị lỗi phông."),
        ("A" * 121, "Ô “Chi bộ” dài hơn 120 ký tự."),
    ],
)
def test_what_is_no_cell_is_refused(cell: str, reason: str) -> None:
    [result] = planned([a_row(cell=cell)])
    assert (result.outcome, result.reason[: len(reason)]) == (REFUSED, reason)


def test_cells_of_one_name_are_told_apart_by_their_organizations() -> None:
    here, there = RosterCell("Chi bộ 1", "Đảng bộ xã A", 1), RosterCell("Chi bộ 1", "Đảng bộ xã B", 2)
    rows = [
        a_row("Lê An", organization="Đảng ủy xã B"),
        a_row("Lê Ba", organization="xã A"),
        a_row("Lê Tư", organization="Đảng bộ xã C"),
        a_row("Lê Tám"),
    ]
    plan = plan_roster(rows, [], [here, there], TODAY)
    assert [result.cell for result in plan.results[:3]] == [there, here, RosterCell("Chi bộ 1", "Đảng bộ xã C")]
    assert plan.results[3].reason == (
        "Có nhiều chi bộ cùng tên “Chi bộ 1” (ở “Đảng bộ xã A”, “Đảng bộ xã B”, “Đảng bộ xã C”). Đồng chí ghi thêm cột "
        "“Đảng bộ” để phân biệt."
    )


def test_a_cell_named_in_an_unreadable_row_does_not_exist_for_the_others() -> None:
    rows = [a_row("Lê An", "Chi bộ 9"), a_row("Lê Ba", "Chi bộ 9", organization="Đảng bộ xã A", problems=("Lỗi.",))]
    assert plan_roster(rows, [], [], TODAY).new_cells == (RosterCell("Chi bộ 9"),)


def test_a_cell_named_in_full_anywhere_in_the_file_is_meant_by_its_name_alone() -> None:
    rows = [a_row("Lê An", "Chi bộ 9"), a_row("Lê Ba", "Chi bộ 9", organization="Đảng bộ xã A")]
    plan = plan_roster(rows, [], [], TODAY)
    assert plan.new_cells == (RosterCell("Chi bộ 9", "Đảng bộ xã A"),)


# Who is meant


def test_a_new_member_is_added_with_what_the_row_says() -> None:
    details = {"card_number": "12", "admitted_on": date(1990, 2, 3), "has_phone": False}
    row = a_row("Lê An", "Chi bộ 1", Role.SECRETARY, **details)
    [result] = planned([row])
    assert result == RosterResult(
        number=2,
        name="Lê An",
        cell=FIRST_CELL,
        roles=frozenset({Role.MEMBER, Role.SECRETARY}),
        outcome=ADDED,
        admitted_on=date(1990, 2, 3),
        card_number="12",
        has_phone=False,
    )


@pytest.mark.parametrize("name", ["Lê Văn Hòa", "LÊ VĂN HOÀ", "lê văn hòa"])
def test_a_member_without_a_card_number_is_known_by_name_and_cell(name: str) -> None:
    [result] = planned([a_row(name)], a_member("Lê Văn Hòa", id=7))
    assert result.member_id == 7
    assert result.outcome is (UNCHANGED if name == "Lê Văn Hòa" else CHANGED)


@pytest.mark.parametrize(
    "row", [a_row("Lê Văn Tuấn"), a_row("Lê Văn Tuân", "Chi bộ 2")], ids=["another accent", "another cell"]
)
def test_another_name_or_cell_is_another_person(row: RosterRow) -> None:
    assert outcomes(planned([row], a_member("Lê Văn Tuân"))) == [ADDED]


@pytest.mark.parametrize("written", ["02012345", "02.012345", "2012345", "02 012 345"])
def test_a_member_is_known_by_the_card_number_however_it_is_written(written: str) -> None:
    [result] = planned([a_row(card_number=written)], a_member(id=7, card_number="02.012345"))
    assert (result.outcome, result.member_id, result.card_number) == (UNCHANGED, 7, "02.012345")


def test_a_member_found_in_another_cell_moves() -> None:
    [result] = planned([a_row(cell="Chi bộ 2", card_number="12")], a_member(id=7, card_number="12"))
    assert (result.outcome, result.member_id) == (CHANGED, 7)
    assert (result.moved_from, result.cell) == (FIRST_CELL, SECOND_CELL)
    assert result.changes == (Heading.CELL,)


def test_a_member_may_move_to_a_new_cell() -> None:
    plan = plan_roster([a_row(cell="Chi bộ 9", card_number="12")], [a_member(card_number="12")], [FIRST_CELL], TODAY)
    assert plan.new_cells == (RosterCell("Chi bộ 9"),)
    assert (plan.results[0].moved_from, plan.results[0].cell) == (FIRST_CELL, RosterCell("Chi bộ 9"))


@pytest.mark.parametrize(
    ("row", "change"),
    [
        (a_row("Nguyễn Văn Ân", card_number="12"), Heading.NAME),
        (a_row("Nguyễn Thành An", card_number="12", admitted_on=date(1990, 2, 3)), Heading.NAME),
        (a_row("Nguyễn Văn An", "Chi bộ 1", Role.SECRETARY), Heading.ROLE),
        (a_row(card_number="12", admitted_on=date(1991, 2, 3)), Heading.JOINED),
        (a_row(phone="0987654321"), Heading.PHONE),
        (a_row(has_phone=False), Heading.NO_PHONE),
    ],
    ids=["accent mended", "renamed, same day", "role", "day", "number", "phone"],
)
def test_what_a_row_says_anew_is_a_change(row: RosterRow, change: Heading) -> None:
    known = a_member(id=7, card_number="12", admitted_on=date(1990, 2, 3), phone="0912345678")
    [result] = planned([row], known)
    assert (result.outcome, result.member_id, result.changes) == (CHANGED, 7, (change,))


def test_what_a_row_leaves_out_stays() -> None:
    known = a_member(card_number="12", admitted_on=date(1990, 2, 3), phone="0912345678", has_phone=False)
    [result] = planned([a_row()], known)
    assert result.outcome is UNCHANGED
    assert (result.card_number, result.admitted_on) == ("12", date(1990, 2, 3))
    assert (result.phone, result.has_phone) == ("0912345678", False)


def test_numbers_that_are_not_kept_change_nothing() -> None:
    assert outcomes(planned([a_row(phone="0912345678")], a_member(phone=None))) == [UNCHANGED]


def test_an_empty_role_takes_a_role_away() -> None:
    [result] = planned([a_row()], a_member("Nguyễn Văn An", 1, Role.SECRETARY))
    assert (result.outcome, result.changes) == (CHANGED, (Heading.ROLE,))
    assert result.roles == {Role.MEMBER}


def test_who_had_left_and_is_in_the_file_comes_back() -> None:
    [result] = planned([a_row(card_number="12")], a_member(id=7, card_number="12", has_left=True))
    assert (result.outcome, result.member_id, result.is_return, result.moved_from) == (CHANGED, 7, True, None)


def test_a_name_means_who_is_there_rather_than_a_namesake_who_left() -> None:
    [result] = planned([a_row()], a_member(id=7, card_number="12", has_left=True), a_member(id=8, card_number="13"))
    assert (result.outcome, result.member_id) == (UNCHANGED, 8)


def test_a_name_does_not_mean_a_namesake_whom_another_row_moves_away() -> None:
    rows = [a_row(cell="Chi bộ 2", card_number="12"), a_row()]
    moved, added = planned(rows, a_member(id=7, card_number="12"))
    assert (moved.outcome, moved.member_id) == (CHANGED, 7)
    assert (added.outcome, added.member_id) == (ADDED, None)


def test_members_missing_from_the_file_are_not_touched() -> None:
    results = planned([a_row("Lê Ba")], a_member("Lê An", id=1), a_member("Lê Ba", id=2))
    assert [result.member_id for result in results] == [2]


def test_a_card_number_of_someone_else_is_refused() -> None:
    [result] = planned([a_row("Trần Thị Bình", card_number="12")], a_member("Lê An", card_number="12"))
    assert result.outcome is REFUSED
    assert result.reason == "Số thẻ 12 là của đồng chí Lê An. Đồng chí kiểm tra lại số thẻ và họ tên."


def test_a_card_number_is_learnt_for_the_one_person_of_that_name() -> None:
    [result] = planned([a_row(card_number="12")], a_member(id=7))
    assert (result.outcome, result.member_id, result.card_number) == (CHANGED, 7, "12")
    assert result.changes == (Heading.CARD,)


def test_a_card_number_with_another_day_is_another_person() -> None:
    row = a_row(card_number="12", admitted_on=date(2001, 2, 3))
    assert outcomes(planned([row], a_member(admitted_on=date(1990, 2, 3)))) == [ADDED]


def test_two_card_numbers_for_one_stored_name_are_refused_until_it_is_clear_whose_it_is() -> None:
    rows = [a_row(card_number="12"), a_row(card_number="13")]
    results = planned(rows, a_member(id=7))
    assert outcomes(results) == [REFUSED, REFUSED]
    assert "Đồng chí nhập trước riêng dòng của người đã có, kèm số thẻ" in results[0].reason
    assert outcomes(planned(rows, a_member(id=7, card_number="13"))) == [ADDED, UNCHANGED]


def test_the_day_of_admission_tells_whose_the_card_number_is() -> None:
    rows = [
        a_row(card_number="12", admitted_on=date(2001, 2, 3)),
        a_row(card_number="13", admitted_on=date(1990, 2, 3)),
    ]
    results = planned(rows, a_member(id=7, admitted_on=date(1990, 2, 3)))
    assert [result.member_id for result in results] == [None, 7]


def test_a_second_row_with_the_same_card_number_is_refused() -> None:
    results = planned([a_row("Lê An", card_number="012"), a_row("Lê Ba", "Chi bộ 2", card_number="12")])
    assert outcomes(results) == [ADDED, REFUSED]
    assert results[1].reason == "Số thẻ 12 đã có ở dòng 2. Đồng chí bỏ dòng thừa, hoặc sửa lại số thẻ."


@pytest.mark.parametrize("second", [{}, {"admitted_on": date(1990, 2, 3)}], ids=["the same row", "another day"])
def test_a_second_row_with_the_same_name_needs_card_numbers(second: dict[str, Any]) -> None:
    results = planned([a_row("Lê Hoà"), a_row("LÊ HÒA", **second)])
    assert outcomes(results) == [ADDED, REFUSED]
    assert results[1].reason == (
        "Trùng họ tên “LÊ HÒA” với dòng 2 trong cùng chi bộ. Nếu là hai người, đồng chí ghi số thẻ cho cả hai; nếu là "
        "một, đồng chí bỏ dòng thừa."
    )


def test_namesakes_with_card_numbers_or_in_two_cells_are_added() -> None:
    rows = [a_row(card_number="12"), a_row(card_number="13"), a_row(cell="Chi bộ 2")]
    assert outcomes(planned(rows)) == [ADDED, ADDED, ADDED]


def test_beside_a_namesake_with_a_card_number_one_without_is_refused_in_either_order() -> None:
    assert outcomes(planned([a_row(), a_row(card_number="12")])) == [REFUSED, ADDED]
    assert outcomes(planned([a_row(card_number="12"), a_row()])) == [ADDED, REFUSED]


def test_among_stored_namesakes_the_day_decides_or_the_card_number_must() -> None:
    known = (
        a_member(id=7, card_number="12", admitted_on=date(1990, 2, 3)),
        a_member(id=8, card_number="13", admitted_on=date(2001, 2, 3)),
    )
    assert planned([a_row(admitted_on=date(2001, 2, 3))], *known)[0].member_id == 8
    [unclear] = planned([a_row()], *known)
    assert unclear.reason == "Chi bộ có nhiều đảng viên tên “Nguyễn Văn An”. Đồng chí ghi số thẻ để phân biệt."


def test_a_name_with_another_day_is_not_guessed_at() -> None:
    [result] = planned([a_row(admitted_on=date(2001, 2, 3))], a_member(admitted_on=date(1990, 2, 3)))
    assert result.outcome is REFUSED
    assert result.reason.startswith("Chi bộ đã có đảng viên “Nguyễn Văn An” với ngày vào Đảng khác.")


# Secretaries


def test_a_second_secretary_in_the_file_is_refused() -> None:
    results = planned([a_row("Lê An", "Chi bộ 1", Role.SECRETARY), a_row("Lê Ba", "1", Role.SECRETARY)])
    assert outcomes(results) == [ADDED, REFUSED]
    assert results[1].reason == (
        "“Chi bộ 1” đã có bí thư ở dòng 2 (đồng chí Lê An). Mỗi chi bộ chỉ có một bí thư; đồng chí sửa vai trò ở "
        "dòng này."
    )


def test_deputies_may_be_several() -> None:
    rows = [a_row(name, "Chi bộ 1", Role.DEPUTY_SECRETARY) for name in ("Lê An", "Lê Ba")]
    assert outcomes(planned(rows)) == [ADDED, ADDED]


def test_a_secretary_beside_the_stored_one_is_refused() -> None:
    [result] = planned([a_row("Lê Ba", "Chi bộ 1", Role.SECRETARY)], a_member("Lê An", 1, Role.SECRETARY))
    assert result.outcome is REFUSED
    assert result.reason.startswith("“Chi bộ 1” đã có bí thư là đồng chí Lê An. Nếu thay bí thư, đồng chí ghi cả dòng")


def test_a_secretary_who_has_left_is_in_nobodys_way() -> None:
    known = a_member("Lê An", 1, Role.SECRETARY, has_left=True)
    assert outcomes(planned([a_row("Lê Ba", "Chi bộ 1", Role.SECRETARY)], known)) == [ADDED]


def test_the_one_in_office_stays_whatever_the_order() -> None:
    rows = [a_row("Lê Ba", "Chi bộ 1", Role.SECRETARY), a_row("Lê An", "Chi bộ 1", Role.SECRETARY)]
    assert outcomes(planned(rows, a_member("Lê An", 1, Role.SECRETARY))) == [REFUSED, UNCHANGED]


@pytest.mark.parametrize(
    "an", [a_row("Lê An"), a_row("Lê An", "Chi bộ 2", card_number="12")], ids=["steps down", "moves"]
)
def test_a_secretary_hands_over_within_one_file(an: RosterRow) -> None:
    known = a_member("Lê An", 1, Role.SECRETARY, card_number="12")
    assert outcomes(planned([a_row("Lê Ba", "Chi bộ 1", Role.SECRETARY), an], known)) == [ADDED, CHANGED]


def test_two_secretaries_may_change_places() -> None:
    known = (
        a_member("Lê An", 1, Role.SECRETARY, id=1, card_number="12"),
        a_member("Lê Ba", 2, Role.SECRETARY, id=2, card_number="13"),
    )
    rows = [
        a_row("Lê An", "Chi bộ 2", Role.SECRETARY, card_number="12"),
        a_row("Lê Ba", "Chi bộ 1", Role.SECRETARY, card_number="13"),
    ]
    assert outcomes(planned(rows, *known)) == [CHANGED, CHANGED]


def test_a_refused_move_leaves_the_secretary_in_office_and_the_successor_out() -> None:
    known = (
        a_member("Lê An", 1, Role.SECRETARY, id=1, card_number="12"),
        a_member("Lê Ba", 2, Role.SECRETARY, id=2),
    )
    rows = [a_row("Lê Tư", "Chi bộ 1", Role.SECRETARY), a_row("Lê An", "Chi bộ 2", Role.SECRETARY, card_number="12")]
    successor, mover = planned(rows, *known)
    assert (successor.outcome, mover.outcome) == (REFUSED, REFUSED)
    assert "bí thư là đồng chí Lê Ba" in mover.reason
    assert "bí thư là đồng chí Lê An" in successor.reason


def test_an_unreadable_row_does_not_make_room_for_a_successor() -> None:
    rows = [a_row("Lê Ba", "Chi bộ 1", Role.SECRETARY), a_row("Lê An", problems=("Lỗi.",))]
    results = planned(rows, a_member("Lê An", 1, Role.SECRETARY))
    assert outcomes(results) == [REFUSED, REFUSED]
    assert results[1].reason == "Lỗi."


# What is printed


def test_a_row_is_printed_as_promised() -> None:
    added, refused, moved = planned(
        [
            a_row("Lê An", "Chi bộ 1", Role.SECRETARY),
            a_row("", "Chi bộ 9"),
            a_row("Lê Ba", "Chi bộ 2", Role.DEPUTY_SECRETARY, Role.ADMIN, card_number="12"),
        ],
        a_member("Lê Ba", card_number="12"),
    )
    assert added.as_json() == {
        "row": 2,
        "name": "Lê An",
        "cell": "Chi bộ 1",
        "role": "secretary",
        "code": None,
        "result": "added",
    }
    assert refused.as_json() == {
        "row": 3,
        "name": "",
        "cell": "Chi bộ 9",
        "role": "member",
        "code": None,
        "result": "refused",
        "reason": "Thiếu họ và tên. Đồng chí ghi họ và tên, hoặc xóa dòng này.",
    }
    assert moved.as_json() == {
        "row": 4,
        "name": "Lê Ba",
        "cell": "Chi bộ 2",
        "role": "deputy_secretary",
        "code": None,
        "result": "changed",
        "roles": ["deputy_secretary", "admin", "member"],
        "from_cell": "Chi bộ 1",
    }


# Importing twice


def carried_out(
    plan: RosterPlan, known: Sequence[KnownMember], cells: Sequence[RosterCell]
) -> tuple[list[KnownMember], list[RosterCell]]:
    """Do what the plan says, as the store will."""
    cells = [*cells, *(replace(cell, id=len(cells) + i) for i, cell in enumerate(plan.new_cells, 1))]
    ids = {(cell.organization, cell.name): cell.id for cell in cells}
    members = {member.id: member for member in known}
    for result in plan.results:
        cell_id = ids.get((result.cell.organization, result.cell.name))
        if result.outcome is not REFUSED and cell_id is not None:
            member_id = result.member_id or len(members) + 1
            members[member_id] = KnownMember(
                id=member_id,
                cell_id=cell_id,
                name=result.name,
                roles=result.roles,
                admitted_on=result.admitted_on,
                card_number=result.card_number,
                phone=result.phone,
                has_phone=result.has_phone,
            )
    return list(members.values()), cells


ROWS = st.builds(
    RosterRow,
    number=st.just(0),
    name=st.sampled_from(["Lê An", "LÊ AN", "Lê Ân", "Lê Hoà", "Lê Hòa", "Lê Ba", ""]),
    cell=st.sampled_from(["Chi bộ 1", "1", "Chi bộ 2", "Chi bộ 3"]),
    organization=st.sampled_from(["", "", "Đảng bộ A", "Đảng ủy A", "Đảng bộ B"]),
    roles=st.sampled_from([frozenset({Role.MEMBER}), frozenset({Role.MEMBER, Role.SECRETARY})]),
    admitted_on=st.sampled_from([None, None, date(1990, 2, 3), date(2001, 5, 19), date(2030, 1, 1)]),
    card_number=st.sampled_from(["", "", "1", "01", "2", "3", "4"]),
    phone=st.sampled_from(["", "0912345678", "0987654321"]),
    has_phone=st.sampled_from([None, True, False]),
    problems=st.sampled_from([(), (), (), ("Lỗi.",)]),
)
FILES = st.lists(ROWS, max_size=10).map(lambda rows: [replace(row, number=i) for i, row in enumerate(rows, 2)])


@settings(max_examples=200, deadline=None)
@given(files=st.lists(FILES, min_size=1, max_size=3), left=st.sets(st.integers(1, 6), max_size=2), create=st.booleans())
def test_importing_a_file_twice_is_harmless(files: list[list[RosterRow]], left: set[int], create: bool) -> None:
    known: list[KnownMember] = []
    cells = [FIRST_CELL]
    for rows in files:
        plan = plan_roster(rows, known, cells, TODAY, create_cells=create)
        about = [result.member_id for result in plan.results if result.member_id is not None]
        assert len(about) == len(set(about))
        untouched = [member for member in known if member.id not in about]
        known, cells = carried_out(plan, known, cells)
        assert all(member in known for member in untouched)

        offices = [m.cell_id for m in known if Role.SECRETARY in m.roles and not m.has_left]
        assert len(offices) == len(set(offices))
        cards = [member.card_number.lstrip("0") for member in known if member.card_number]
        assert len(cards) == len(set(cards))

        again = plan_roster(rows, known, cells, TODAY, create_cells=create)
        assert again.new_cells == ()
        for first, second in zip(plan.results, again.results, strict=True):
            assert second.outcome is (REFUSED if first.outcome is REFUSED else UNCHANGED), (first, second)
        known = [replace(member, has_left=member.has_left or member.id in left) for member in known]


@pytest.mark.parametrize("write", [csv_file, xlsx_file], ids=["csv", "xlsx"])
def test_the_same_file_read_again_changes_nothing(tmp_path: Path, write: Writer) -> None:
    path = write(
        tmp_path,
        FULL,
        ["Lê An", "Chi bộ 1", "bí thư", "Đảng bộ A", "3/2/1990", "02012345", "0912345678", ""],
        ["Lê Ba", "Chi bộ 1", "phó bí thư kiêm kiểm tra", "Đảng bộ A", "", "", "", "x"],
        ["Lê Tư", "Chi bộ 2", "", "", "", "12", "", ""],
        ["Lê Tư", "Chi bộ 2", "", "", "", "13", "", ""],
        ["Lê Tám", "", "", "", "", "", "", ""],
    )
    plan = plan_roster(read_roster(path), [], [], TODAY)
    assert outcomes(plan.results) == [ADDED, ADDED, ADDED, ADDED, REFUSED]
    known, cells = carried_out(plan, [], [])
    again = plan_roster(read_roster(path), known, cells, TODAY)
    assert outcomes(again.results) == [UNCHANGED, UNCHANGED, UNCHANGED, UNCHANGED, REFUSED]
