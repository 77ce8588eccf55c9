"""Files that people take along, as they come in the chat, read back."""

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from docx import Document
from openpyxl import load_workbook
from openpyxl.worksheet.worksheet import Worksheet
from pypdf import PdfReader

from assessment.model import ItemAnswer, Role
from handlers.exports import CellNotFoundError, print_slips
from handlers.services import Options
from knowledge.answer import KnowledgeBase
from storage.rounds import StoredAnswer
from storage.store import Store
from tests.handlers.conftest import Village, staged

OCTOBER, NOVEMBER = date(2026, 10, 1), date(2026, 11, 1)
AFTER_DUE = datetime(2026, 12, 1, 2, tzinfo=UTC)
NONE, PRESENT = StoredAnswer(ItemAnswer.NONE), StoredAnswer(ItemAnswer.PRESENT)
CHECKLIST = ("37-qd-tw-2021", 1)
FORM = (
    "Mẫu 37-qd-tw-2021, bản 1, theo Quy định 37-QĐ/TW, đã được thay bằng 207-QĐ/TW; 10 điều chưa đối chiếu văn bản "
    "chính thức"
)


def _cell(village: Village) -> None:
    village.add("binh", "Trần Thị Bình", Role.SECRETARY)
    village.add("an", "Nguyễn Văn An")
    village.add("cuong", "Lê Văn Cường", has_phone=False)
    village.add("dung", "Phạm Thị Dung")
    village.enrol("binh", "an")
    a_round(village, NOVEMBER)


@pytest.fixture
def cell(village: Village) -> Village:
    """A secretary and members; Cường hands in on paper, Dung is not linked. The round of November is open."""
    return staged(village, _cell)


def a_round(village: Village, month: date, *, opened_on: date | None = None) -> int:
    with village.store.transaction() as transaction:
        opened, _ = transaction.rounds.open(
            village.cell,
            month,
            checklist=CHECKLIST,
            opened_on=opened_on or month.replace(day=5),
            due_on=month.replace(day=30),
            grace_days=3,
        )
    return opened.id


def hand_in(
    village: Village, user: str, round_id: int, answers: dict[int, StoredAnswer], *, on: date = date(2026, 11, 5)
) -> None:
    """Keep a response: these answers, the others "none"."""
    with village.store.transaction() as transaction:
        for number in range(1, 20):
            transaction.rounds.answer(round_id, village.ids[user], number, answers.get(number, NONE))
        transaction.rounds.submit(round_id, village.ids[user], on=on)


def current(village: Village) -> int:
    with village.store.transaction() as transaction:
        return transaction.rounds.of_cell(village.cell)[0].id


def words(path: Path) -> str:
    """All that stands in a document."""
    document = Document(str(path))
    lines = [paragraph.text for paragraph in document.paragraphs]
    lines += [" | ".join(cell.text for cell in row.cells) for table in document.tables for row in table.rows]
    return "\n".join([*lines, document.sections[0].footer.paragraphs[0].text])


def rows(sheet: Worksheet) -> list[tuple[object, ...]]:
    return [tuple(row) for row in sheet.iter_rows(values_only=True)]


def actions(village: Village) -> list[tuple[str, str]]:
    with village.store.transaction() as transaction:
        assert transaction.audit.inspect().broken is None
        return [(entry.action, entry.about) for entry in transaction.audit.entries()]


def fetch(village: Village, user: str) -> bytes | None:
    """Fetch again the first file of the latest message to somebody that had any."""
    with village.store.transaction() as transaction:
        conversation = transaction.find_conversation("console", user)
        assert conversation is not None
        [*_, message] = [each for each in transaction.history(conversation.id) if each.files]
    made = village.gateway.file_of("console", user, message.id, 1, now=village.now)
    return made.content if made else None


# --- a cell's month ----------------------------------------------------------------------------------------------


def test_month_comes_as_workbook_and_document_with_who_handed_in_and_why_not(cell: Village) -> None:
    hand_in(cell, "an", current(cell), {12: StoredAnswer(ItemAnswer.PRESENT, is_reported=True)})
    cell.say("binh", "tiến độ")
    assert "Excel và Word" in cell.choose("binh", "Xuất Excel/Word")
    files = cell.files["binh"]
    assert sorted(path.name for path in files.values()) == [
        "chi-bo-3-tu-danh-gia-2026-11.docx",
        "chi-bo-3-tu-danh-gia-2026-11.xlsx",
    ]
    book = load_workbook(files["xlsx"])
    assert book.sheetnames == ["Chung", "Tình hình nộp phiếu", "Báo cáo với chi bộ"]
    assert rows(book["Tình hình nộp phiếu"])[1:] == [
        (1, "Trần Thị Bình", "Chưa nộp", None),
        (2, "Nguyễn Văn An", "Đã nộp", "05/11/2026"),
        (3, "Lê Văn Cường", "Chưa nộp: không dùng điện thoại, chờ phiếu giấy", None),
        (4, "Phạm Thị Dung", "Chưa nộp: chưa nhập mã nên chưa nhắn được", None),
    ]
    assert rows(book["Báo cáo với chi bộ"])[1][1:3] == ("Nguyễn Văn An", "Điều 12")
    said = words(files["docx"])
    assert FORM in said
    assert "Lập ngày 05/11/2026, kỳ còn mở" in said
    assert (
        "Tháng 11/2026, Chi bộ 3 thực hiện tự đánh giá theo Quy định 37-QĐ/TW, hạn nộp 30/11/2026: 1/4 đảng viên đã "
        "nộp phiếu (25%); 3 đồng chí chưa nộp. Báo cáo với chi bộ: Nguyễn Văn An (điều 12)."
    ) in said
    assert "Chưa nêu số liệu từng điều" in said
    assert "mẫu 37-qd-tw-2021, bản 1 · lập ngày 05/11/2026" in said


def test_version_that_an_admin_confirmed_says_so_on_every_paper(village: Village) -> None:
    village.add("binh", "Trần Thị Bình", Role.SECRETARY, Role.COMMITTEE_MEMBER)
    village.enrol("binh")
    with village.store.transaction() as transaction:
        transaction.checklists.confirm("207-qd-tw-2026", 1, by="chat:9", on=date(2026, 11, 3))
    village.say("binh", "mở kỳ")
    village.choose("binh", "Xác nhận")
    hand_in(village, "binh", current(village), {})
    confirmed = "207-QĐ/TW; chưa đối chiếu văn bản chính thức; quản trị xác nhận ngày 03/11/2026"
    for asked in ("xuất", "tổng hợp quý", "tổng hợp năm", "xuất bảng", "bản của tôi"):
        village.say("binh", asked)
        assert confirmed in words(village.files["binh"]["docx"]), asked
    with village.store.transaction() as transaction:
        transaction.checklists.withdraw("207-qd-tw-2026", 1)
    village.say("binh", "xuất")
    said = words(village.files["binh"]["docx"])
    assert "chưa đối chiếu văn bản chính thức" in said
    assert "quản trị xác nhận" not in said


def test_note_beside_a_reported_item_stands_in_the_papers_and_others_do_not(cell: Village) -> None:
    reported = StoredAnswer(ItemAnswer.PRESENT, is_reported=True, note="=1+1 đã nói sai ở cuộc họp")
    kept = StoredAnswer(ItemAnswer.PRESENT, note="chuyện riêng")
    hand_in(cell, "an", current(cell), {12: reported, 18: kept})
    hand_in(cell, "dung", current(cell), {3: StoredAnswer(ItemAnswer.PRESENT, is_reported=True)})
    cell.say("binh", "xuất")
    sheet = rows(load_workbook(cell.files["binh"]["xlsx"])["Báo cáo với chi bộ"])
    assert sheet[0][4] == "Đồng chí ghi thêm"
    assert [(row[1], row[2], row[4]) for row in sheet[1:]] == [
        ("Nguyễn Văn An", "Điều 12", "=1+1 đã nói sai ở cuộc họp"),
        ("Phạm Thị Dung", "Điều 3", None),
    ]
    said = words(cell.files["binh"]["docx"])
    assert "=1+1 đã nói sai ở cuộc họp" in said
    assert "chuyện riêng" not in said


def test_page_is_a4(cell: Village) -> None:
    cell.say("binh", "xuất excel")
    section = Document(str(cell.files["binh"]["docx"])).sections[0]
    assert section.page_width is not None
    assert section.page_height is not None
    assert (round(section.page_width.mm), round(section.page_height.mm)) == (210, 297)
    assert load_workbook(cell.files["binh"]["xlsx"]).worksheets[0].page_setup.paperSize == 9


def test_what_a_member_keeps_to_oneself_is_in_no_paper_of_the_cell(cell: Village) -> None:
    kept = StoredAnswer(ItemAnswer.PRESENT, note="chuyện riêng")
    hand_in(cell, "an", current(cell), {18: kept, 12: StoredAnswer(ItemAnswer.DISCUSS)})
    for asked in ("báo cáo", "xuất", "tổng hợp quý", "tổng hợp năm"):
        cell.say("binh", asked)
        said = words(cell.files["binh"]["docx"])
        for secret in ("18", "chuyện riêng", "Có biểu hiện", "Điều 12"):
            assert secret not in said, (asked, secret)


def test_report_brings_its_files_and_the_chart_and_is_one_reading(cell: Village) -> None:
    hand_in(cell, "an", current(cell), {12: StoredAnswer(ItemAnswer.PRESENT, is_reported=True)})
    cell.say("binh", "báo cáo")
    assert sorted(cell.files["binh"]) == ["docx", "png", "xlsx"]
    assert cell.files["binh"]["png"].read_bytes().startswith(b"\x89PNG")
    assert [action for action, _ in actions(cell) if action == "read reported"] == ["read reported"]
    cell.set_clock(cell.now + timedelta(days=1))
    cell.say("binh", "xuất")
    assert [action for action, _ in actions(cell) if action == "read reported"] == ["read reported"] * 2
    assert "Bí thư đã xem" in cell.say("an", "của tôi")


def test_exports_stand_in_the_audit_log_without_content(cell: Village) -> None:
    cell.say("binh", "xuất")
    assert [entry for entry in actions(cell) if entry[0].startswith("export")] == [
        ("export month xlsx", f"round:{current(cell)}"),
        ("export month docx", f"round:{current(cell)}"),
    ]


def test_totals_stand_in_the_papers_from_five_responses_on(cell: Village) -> None:
    found = current(cell)
    for user in ("v1", "v2", "v3"):
        cell.add(user, f"Đồng chí {user}")
        hand_in(cell, user, found, {})
    hand_in(cell, "an", found, {3: PRESENT})
    cell.say("binh", "xuất")
    assert "Chưa nêu số liệu" in words(cell.files["binh"]["docx"])
    hand_in(cell, "dung", found, {})
    cell.say("binh", "xuất")
    assert "Chưa nêu số liệu" in words(cell.files["binh"]["docx"])
    # Answers may change until the due date is over.
    cell.set_clock(AFTER_DUE)
    cell.say("binh", "xuất")
    book = load_workbook(cell.files["binh"]["xlsx"])
    [heads, counted] = rows(book[book.sheetnames[-1]])
    assert heads == ("Điều", "Nội dung của điều", "Không có biểu hiện", "Có biểu hiện", "Cần trao đổi")
    assert (counted[0], *counted[2:]) == ("Điều 3", 4, 1, 0)
    # One more would be told by the difference, so the paper repeats what was shown.
    hand_in(cell, "binh", found, {3: PRESENT})
    earlier = "Số liệu từng điều của 5 phiếu nộp trước, chưa tính phiếu nộp sau"
    for asked, heading in (("xuất", earlier), ("tổng hợp quý", "")):
        cell.say("binh", asked)
        paper = words(cell.files["binh"]["docx"])
        assert heading in paper
        assert re.search(r"Điều 3 \|.*\| 4 \| 1 \| 0", paper)


def test_totals_stand_in_no_paper_after_somebody_erased(cell: Village) -> None:
    found = current(cell)
    for user in ("v1", "v2", "v3", "dung", "binh", "an"):
        if user not in cell.ids:
            cell.add(user, f"Đồng chí {user}")
        hand_in(cell, user, found, {3: PRESENT} if user == "v1" else {})
    cell.set_clock(AFTER_DUE)
    cell.say("binh", "tổng hợp quý")
    assert "Điều 3 |" in words(cell.files["binh"]["docx"])
    with cell.store.transaction() as transaction:
        transaction.rounds.erase(cell.ids["an"], on=date(2026, 11, 5))
    for asked in ("xuất", "tổng hợp quý", "tổng hợp năm"):
        cell.say("binh", asked)
        assert "Chưa nêu số liệu" in words(cell.files["binh"]["docx"])


def test_deputy_gets_who_handed_in_and_nothing_of_what_was_answered(cell: Village) -> None:
    cell.add("em", "Võ Văn Em", Role.DEPUTY_SECRETARY)
    cell.enrol("em")
    hand_in(cell, "an", current(cell), {12: StoredAnswer(ItemAnswer.PRESENT, is_reported=True)})
    cell.say("em", "xuất")
    said = words(cell.files["em"]["docx"])
    assert "1/5 đảng viên đã nộp phiếu" in said
    for hidden in ("Báo cáo với chi bộ", "Điều 12", "số liệu từng điều", "trao đổi"):
        assert hidden not in said


@pytest.mark.parametrize("role", [Role.MEMBER, Role.ADMIN, Role.INSPECTOR, Role.COMMITTEE_MEMBER])
def test_nobody_else_gets_names(cell: Village, role: Role) -> None:
    cell.add("la", "Đỗ Văn Lạ", role)
    cell.enrol("la")
    for asked in ("xuất", "in mã"):
        assert "chỉ bí thư chi bộ" in cell.say("la", asked)
        assert cell.files["la"] == {}
    assert "Trần Thị Bình" not in cell.say("la", "báo cáo")
    assert cell.files["la"] == {}


def test_who_is_not_linked_gets_nothing(cell: Village) -> None:
    for asked in ("xuất", "tổng hợp quý", "tổng hợp năm", "xuất bảng", "in mã", "tải bản của tôi"):
        assert "Tôi chưa biết đồng chí là ai" in cell.say("la", asked)
        assert cell.files["la"] == {}


def test_file_is_decided_anew_each_time_it_is_fetched(cell: Village) -> None:
    cell.say("binh", "xuất")
    first = fetch(cell, "binh")
    assert first is not None
    assert fetch(cell, "binh") is not None
    with cell.store.transaction() as transaction:
        transaction.people.set_roles(cell.ids["binh"], [])
    assert fetch(cell, "binh") is None
    with cell.store.transaction() as transaction:
        transaction.people.set_roles(cell.ids["binh"], [Role.SECRETARY])
        other = transaction.people.add_cell(transaction.people.add_organization("Đảng bộ xã An Bình"), "Chi bộ 4")
        transaction.people.move(cell.ids["binh"], other, on=date(2026, 11, 5))
    assert fetch(cell, "binh") is None
    cell.say("binh", "gỡ máy")
    assert fetch(cell, "binh") is None


def test_file_of_another_chat_is_nobodys(cell: Village) -> None:
    cell.say("binh", "xuất")
    with cell.store.transaction() as transaction:
        conversation = transaction.find_conversation("console", "binh")
        assert conversation is not None
        [*_, message] = transaction.history(conversation.id)
    for user in ("an", "la"):
        cell.say(user, "trợ giúp")
        assert cell.gateway.file_of("console", user, message.id, 1, now=cell.now) is None
    assert cell.gateway.file_of("console", "binh", message.id, 9, now=cell.now) is None


def test_without_a_round_there_is_nothing_to_take_along(village: Village) -> None:
    village.add("binh", "Trần Thị Bình", Role.SECRETARY, Role.COMMITTEE_MEMBER)
    village.enrol("binh")
    for asked in ("xuất", "tổng hợp quý", "tổng hợp năm"):
        assert "chưa có kỳ nào" in village.say("binh", asked)
    assert "Chưa chi bộ nào mở kỳ" in village.say("binh", "xuất bảng")
    assert "chưa có phiếu nào" in village.say("binh", "tải bản của tôi")
    assert village.files["binh"] == {}


def test_choices_are_never_more_than_three(cell: Village) -> None:
    for asked in ("tiến độ", "báo cáo", "của tôi", "tổng hợp quý"):
        assert "[4]" not in cell.say("binh", asked)


# --- a quarter, a year -------------------------------------------------------------------------------------------


def test_roll_up_is_a_draft_of_the_latest_quarter_and_leads_to_the_others(cell: Village) -> None:
    september = a_round(cell, date(2026, 9, 1))
    hand_in(cell, "an", september, {12: StoredAnswer(ItemAnswer.PRESENT, is_reported=True)}, on=date(2026, 10, 2))
    hand_in(cell, "an", current(cell), {})
    assert "Dự thảo tổng hợp quý IV/2026" in cell.say("binh", "tổng hợp quý")
    said = words(cell.files["binh"]["docx"])
    assert said.startswith("Dự thảo\nTổng hợp tự đánh giá quý IV/2026\nChi bộ 3, Đảng bộ xã An Bình")
    assert FORM in said
    assert "mở 1 kỳ tự đánh giá" in said
    assert "Tổng cộng có 1/4 lượt nộp phiếu (25%), trong đó 0 lượt nộp sau hạn." in said
    assert "Chưa mở kỳ: tháng 10/2026." in said
    assert "Kiến nghị" in said
    cell.choose("binh", "Quý III/2026")
    said = words(cell.files["binh"]["docx"])
    assert "trong đó 1 lượt nộp sau hạn" in said
    assert "Có 1 lượt đồng chí báo cáo với chi bộ." in said
    assert "Nguyễn Văn An" not in said


def test_year_has_all_its_months(cell: Village) -> None:
    a_round(cell, OCTOBER)
    a_round(cell, date(2025, 12, 1))
    cell.say("binh", "tong hop nam")
    assert "chi-bo-3-du-thao-nam-2026.docx" in str(cell.files["binh"]["docx"])
    said = words(cell.files["binh"]["docx"])
    assert "Trong năm 2026, Chi bộ 3 mở 2 kỳ" in said
    assert re.search(r"tháng 10/2026 \| \d \| 0 \| 0 \| 0 \| 30/10/2026\ntháng 11/2026", said)
    assert "tháng 12/2025" not in said
    assert cell.choices["binh"] == ["Năm 2025"]


# --- the committee -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", [Role.COMMITTEE_MEMBER, Role.INSPECTOR])
def test_committee_gets_numbers_of_the_cells_below_and_no_names(cell: Village, role: Role) -> None:
    cell.add("uy", "Hoàng Văn Ủy", role)
    cell.enrol("uy")
    hand_in(cell, "an", current(cell), {12: StoredAnswer(ItemAnswer.PRESENT, is_reported=True)})
    with cell.store.transaction() as transaction:
        people = transaction.people
        people.add_cell(people.add_organization("Đảng bộ xã An Bình"), "Chi bộ 4")
        people.add_cell(people.add_organization("Đảng bộ xã Khác"), "Chi bộ 9")
    assert "chỉ có số lượng" in cell.say("uy", "xuất bảng")
    book = load_workbook(cell.files["uy"]["xlsx"])
    assert rows(book["Các chi bộ"])[1:] == [
        (1, "Chi bộ 3", "Đảng bộ xã An Bình", 5, 1, 0, 20),
        (2, "Chi bộ 4", "Đảng bộ xã An Bình", "chưa mở kỳ", None, None, None),
    ]
    said = words(cell.files["uy"]["docx"])
    assert FORM in said
    assert "1/2 chi bộ đã mở kỳ; 1/5 đảng viên đã nộp phiếu." in said
    for name in ("Nguyễn Văn An", "Trần Thị Bình", "Điều 12"):
        assert name not in said
    assert ("export cells xlsx", "month:2026-11-01") in actions(cell)


@pytest.mark.parametrize("user", ["binh", "an"])
def test_table_of_cells_is_not_for_those_in_a_cell(cell: Village, user: str) -> None:
    assert "chỉ dành cho cấp ủy viên" in cell.say(user, "xuất bảng")
    assert cell.files[user] == {}


# --- a member's own copy -----------------------------------------------------------------------------------------


def test_own_copy_has_all_answers_and_what_was_changed(cell: Village) -> None:
    found = current(cell)
    hand_in(cell, "an", found, {12: StoredAnswer(ItemAnswer.PRESENT, note="=1+1 <b>đã bàn</b>")})
    with cell.store.transaction() as transaction:
        given = StoredAnswer(ItemAnswer.DISCUSS, is_reported=True)
        transaction.rounds.answer(found, cell.ids["an"], 12, given)
    cell.say("an", "của tôi")
    assert "Word, Excel và PDF" in cell.choose("an", "Tải bản của tôi")
    files = cell.files["an"]
    assert sorted(files) == ["docx", "pdf", "xlsx"]
    assert "Nguyen" not in "".join(path.name for path in files.values())
    line = next(line for line in words(files["docx"]).splitlines() if line.startswith("Điều 12 |"))
    assert line.endswith("Cần trao đổi (báo cáo với chi bộ) | Có biểu hiện; ghi thêm: =1+1 <b>đã bàn</b>")
    assert FORM in words(files["docx"])
    book = load_workbook(files["xlsx"])
    assert rows(book["Trả lời tháng 11 2026"])[12][2] == "Cần trao đổi (báo cáo với chi bộ)"
    reader = PdfReader(files["pdf"])
    printed = " ".join("\n".join(page.extract_text() for page in reader.pages).split())
    for said in ("Nguyễn Văn An, Chi bộ 3", "Kỳ tháng 11/2026", "Đã nộp ngày 05/11/2026, phiếu 2026-11/", "Điều 19"):
        assert said in printed, said
    assert ("export own pdf", f"member:{cell.ids['an']}") in actions(cell)


def test_own_copy_is_offered_after_the_receipt_and_holds_a_draft_too(cell: Village) -> None:
    cell.say("an", "tự đánh giá")
    cell.choose("an", "Bắt đầu")
    cell.choose("an", "Cả nhóm")
    cell.say("an", "tải bản của tôi")
    assert "Chưa nộp." in words(cell.files["an"]["docx"])
    said = cell.say("an", "tự đánh giá")
    while "Xác nhận nộp" not in said:
        said = cell.choose("an", "Cả nhóm" if "Cả nhóm" in said else "Không có biểu hiện")
    assert "Tải bản của tôi" in cell.choose("an", "Xác nhận nộp")
    cell.choose("an", "Tải bản của tôi")
    assert "Đã nộp ngày 05/11/2026" in words(cell.files["an"]["docx"])


def test_own_copy_is_the_own_one(cell: Village) -> None:
    hand_in(cell, "an", current(cell), {12: PRESENT})
    hand_in(cell, "binh", current(cell), {})
    cell.say("binh", "tải bản của tôi")
    said = words(cell.files["binh"]["docx"])
    assert "Trần Thị Bình" in said
    assert "Nguyễn Văn An" not in said
    assert "Có biểu hiện" not in said


def test_own_copy_says_what_was_erased_and_the_message_of_before_gives_nothing(cell: Village) -> None:
    hand_in(cell, "an", current(cell), {12: PRESENT})
    cell.say("an", "tải bản của tôi")
    with cell.store.transaction() as transaction:
        conversation = transaction.find_conversation("console", "an")
        assert conversation is not None
        [*_, message] = transaction.history(conversation.id)
    cell.say("an", "của tôi")
    cell.choose("an", "Xóa nội dung")
    cell.choose("an", "Xác nhận xóa")
    assert cell.gateway.file_of("console", "an", message.id, 1, now=cell.now) is None
    cell.say("an", "của tôi")
    cell.choose("an", "Tải bản của tôi")
    said = words(cell.files["an"]["docx"])
    assert "Nội dung đã xóa" in said
    assert "Đã nộp ngày 05/11/2026" in said
    assert "Có biểu hiện" not in said


# --- slips -------------------------------------------------------------------------------------------------------


def _printing(village: Village) -> None:
    village.add("binh", "Trần Thị Bình", Role.SECRETARY)
    village.add("an", "Nguyễn Văn An")
    village.add("cuong", "Lê Văn Cường", has_phone=False)
    village.add("dung", "Phạm Thị Dung")
    village.enrol("binh")


@pytest.fixture
def printing(store: Store, knowledge: KnowledgeBase) -> Village:
    """A secretary with two members who have a phone and no chat yet."""
    options = Options(telegram_name="tusoi_bot", web_address="https://tusoi.example.vn/")
    village = Village(store, knowledge, datetime(2026, 11, 5, 2, tzinfo=UTC), options)
    return staged(village, _printing)


def codes_in(content: bytes, tmp_path: Path) -> dict[str, str]:
    """The code on each slip, by name."""
    path = tmp_path / "slips.pdf"
    path.write_bytes(content)
    text = "\n".join(page.extract_text() for page in PdfReader(path).pages)
    found = re.findall(r"(\S[^\n]*)\n+Chi bộ 3\n+([B-Z2-9]{4}) ([B-Z2-9]{4})\n", text)
    return {name.strip(): first + second for name, first, second in found}


def test_slips_have_new_codes_for_who_has_a_phone_and_no_chat(printing: Village, tmp_path: Path) -> None:
    old = printing.code("an")
    said = printing.say("binh", "in mã")
    assert "Tạo mã mới cho 2 đồng chí" in said
    assert "Mã cũ chưa dùng của các đồng chí ấy sẽ hết hiệu lực" in said
    assert "dùng được đến 09:00 ngày 19/11/2026" in printing.choose("binh", "Xác nhận in mã")
    codes = codes_in(printing.files["binh"]["pdf"].read_bytes(), tmp_path)
    assert sorted(codes) == ["Nguyễn Văn An", "Phạm Thị Dung"]
    assert "Mã không đúng" in printing.say("an", old)
    assert "Chào đồng chí Nguyễn Văn An" in printing.say("an", f"/start {codes['Nguyễn Văn An']}")


def test_sheet_fetched_again_has_the_same_codes_while_they_can_be_used(printing: Village, tmp_path: Path) -> None:
    printing.say("binh", "in mã")
    printing.choose("binh", "Xác nhận in mã")
    codes = codes_in(printing.files["binh"]["pdf"].read_bytes(), tmp_path)
    assert codes_in(fetch(printing, "binh") or b"", tmp_path) == codes
    printing.say("an", codes["Nguyễn Văn An"])
    assert codes_in(fetch(printing, "binh") or b"", tmp_path) == {"Phạm Thị Dung": codes["Phạm Thị Dung"]}
    printing.set_clock(printing.now + timedelta(days=14))
    assert fetch(printing, "binh") is None


def test_same_press_twice_voids_nothing(printing: Village, tmp_path: Path) -> None:
    printing.say("binh", "in mã")
    confirm = printing.choice_ids["binh"][0]
    printing.tap("binh", confirm)
    codes = codes_in(printing.files["binh"]["pdf"].read_bytes(), tmp_path)
    assert "đã tạo mã rồi" in printing.tap("binh", confirm)
    assert "Chào đồng chí" in printing.say("an", codes["Nguyễn Văn An"])
    assert [action for action, _ in actions(printing) if action == "issue codes"] == ["issue codes"]


def test_asking_alone_makes_no_code(printing: Village) -> None:
    old = printing.code("an")
    printing.say("binh", "in mã")
    assert "tôi chưa làm gì" in printing.choose("binh", "Thôi")
    assert "Chào đồng chí" in printing.say("an", old)


def test_codes_of_a_sheet_stand_readable_in_no_table(printing: Village, tmp_path: Path) -> None:
    printing.say("binh", "in mã")
    printing.choose("binh", "Xác nhận in mã")
    codes = codes_in(printing.files["binh"]["pdf"].read_bytes(), tmp_path)
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("tu-soi.db*"))
    assert "Nguyễn Văn An".encode() in kept
    for code in codes.values():
        assert code.encode() not in kept


def test_operator_names_the_cell_and_where_two_have_the_name_the_organization(printing: Village) -> None:
    with printing.store.transaction() as transaction:
        people = transaction.people
        other = people.add_cell(people.add_organization("Đảng bộ xã Khác"), "Chi bộ 3")
        people.add_member(other, "Hồ Văn Giang")
        with pytest.raises(
            CellNotFoundError, match="--organization với một trong: Đảng bộ xã An Bình, Đảng bộ xã Khác"
        ):
            print_slips(transaction, "Chi bộ 3", None, Options(), now=printing.now)
        sheet = print_slips(transaction, "chi bộ 3", "đảng bộ xã khác", Options(), now=printing.now)
        assert sheet is not None
        assert (sheet.count, sheet.until) == (1, printing.now + timedelta(days=14))
        with pytest.raises(CellNotFoundError, match="đang có: Chi bộ 3, Chi bộ 3"):
            print_slips(transaction, "Chi bộ 9", None, Options(), now=printing.now)


def test_nobody_needs_a_code_twice(printing: Village) -> None:
    printing.enrol("an", "dung")
    assert "không cần in mã" in printing.say("binh", "in mã")
