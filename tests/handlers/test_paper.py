"""The deputy secretary puts in the responses of those without a phone."""

import contextlib
import re
import sqlite3
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from openpyxl import load_workbook

from assessment.model import ItemAnswer, Response, Role
from handlers.paper_line import LineNotTaken, Marks, Problem, from_text, looks_like_marks, read_marks
from storage.rounds import StoredAnswer
from tests.handlers.conftest import Village, staged

NOVEMBER = date(2026, 11, 1)
NONE = StoredAnswer(ItemAnswer.NONE)
AFTER_DUE = datetime(2026, 12, 1, 2, tzinfo=UTC)
AFTER_GRACE = datetime(2026, 12, 4, 2, tzinfo=UTC)
ITEMS = range(1, 20)


def _cell(village: Village) -> None:
    village.add("binh", "Trần Thị Bình", Role.SECRETARY)
    village.add("pho", "Vũ Văn Phó", Role.DEPUTY_SECRETARY)
    village.add("an", "Nguyễn Văn An")
    village.add("cuong", "Lê Văn Cường", has_phone=False)
    village.add("dao", "Đinh Thị Đào", has_phone=False)
    village.enrol("binh", "pho", "an")
    village.say("binh", "mở kỳ")
    village.choose("binh", "Xác nhận")


@pytest.fixture
def cell(village: Village) -> Village:
    """A secretary, a deputy, An with a phone, Cường and Đào without one; the round is open."""
    return staged(village, _cell)


def asked(village: Village, name: str = "Lê Văn Cường") -> str:
    """Pick somebody; return what is asked."""
    village.say("pho", "nhập phiếu")
    return village.choose("pho", name)


def response_of(village: Village, user: str) -> Response | None:
    with village.store.transaction() as transaction:
        [november] = transaction.rounds.of_cell(village.cell)
        return transaction.rounds.response(november.id, village.ids[user])


# --- what is typed ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "marks"),
    [
        ("có 3, 12; trao đổi 5; báo cáo 3", Marks((3, 12), (5,), (3,))),
        ("co 3,12 trao doi 5 bao cao 3", Marks((3, 12), (5,), (3,))),
        ("CÓ: điều 3 và điều 12. Cần trao đổi: điều 5.", Marks((3, 12), (5,))),
        ("có biểu hiện 3 3 3", Marks((3,))),
        ("báo cáo với chi bộ 5; trao đổi 5", Marks((), (5,), (5,))),
        ("Không có điều nào", Marks()),
        ("khong", Marks()),
    ],
)
def test_line_is_read_with_or_without_accents(typed: str, marks: Marks) -> None:
    assert looks_like_marks(typed)
    assert read_marks(typed, ITEMS) == marks
    assert from_text(marks.as_text()) == marks


@pytest.mark.parametrize(
    ("typed", "problem", "numbers"),
    [
        ("có 3, 20", Problem.NO_SUCH_ITEM, (20,)),
        ("có 0", Problem.NO_SUCH_ITEM, (0,)),
        ("báo cáo 99999999999999999999; có 3", Problem.NO_SUCH_ITEM, (999999999,)),
        ("có 3, 5; trao đổi 5", Problem.TWO_ANSWERS, (5,)),
        ("có 3; báo cáo 4", Problem.REPORTED_UNMARKED, (4,)),
        ("3, 12", Problem.NO_KIND, (3, 12)),
        ("có 3; trao đổi", Problem.NO_NUMBER, ()),
        ("có 3-5", Problem.NOT_UNDERSTOOD, ()),
        ("có 3, năm", Problem.NOT_UNDERSTOOD, ()),
    ],
)
def test_line_that_cannot_be_taken_says_why(typed: str, problem: Problem, numbers: tuple[int, ...]) -> None:
    assert looks_like_marks(typed)
    with pytest.raises(LineNotTaken) as raised:
        read_marks(typed, ITEMS)
    assert (raised.value.problem, raised.value.numbers) == (problem, numbers)


@pytest.mark.parametrize(
    "typed", ["điều 12 quy định 37", "có được mở công ty không", "mục 2.1 nói gì", "báo cáo ai", "không biết làm sao"]
)
def test_question_is_not_taken_for_a_line(typed: str) -> None:
    assert not looks_like_marks(typed)


# --- from the list to the receipt -------------------------------------------------------------------------------


def test_only_those_without_a_phone_who_have_not_handed_in_are_named(cell: Village) -> None:
    said = cell.say("pho", "nhap phieu giay")
    assert "còn 2 đồng chí nộp phiếu giấy: Đinh Thị Đào, Lê Văn Cường." in said
    for name in ("Nguyễn Văn An", "Trần Thị Bình"):
        assert name not in said
    assert cell.choices["pho"] == ["Đinh Thị Đào", "Lê Văn Cường"]


def test_paper_is_typed_seen_confirmed_and_marked(cell: Village) -> None:
    assert "Phiếu giấy của đồng chí Lê Văn Cường, kỳ tháng 11/2026" in asked(cell)
    said = cell.say("pho", "có 3, 12; trao đổi 5; báo cáo 3")
    assert "Không có biểu hiện: 16 điều" in said
    assert "Có biểu hiện: điều 3, 12" in said
    assert "Cần trao đổi: điều 5" in said
    assert "Báo cáo với chi bộ: điều 3." in said
    assert response_of(cell, "cuong") is None
    receipt = cell.choose("pho", "Xác nhận")
    assert re.search(r"Đã ghi nhận phiếu giấy của đồng chí Lê Văn Cường\. Phiếu 2026-11/\d+/\d{4}, 19 điều", receipt)
    answers = cell.answers("cuong", NOVEMBER)
    assert answers[3] == StoredAnswer(ItemAnswer.PRESENT, is_reported=True)
    assert answers[12] == StoredAnswer(ItemAnswer.PRESENT)
    assert answers[5] == StoredAnswer(ItemAnswer.DISCUSS)
    assert [number for number in answers if answers[number] == NONE] == [n for n in range(1, 20) if n not in (3, 5, 12)]
    response = response_of(cell, "cuong")
    assert response is not None
    assert response.entered_by == cell.ids["pho"]
    with cell.store.transaction() as transaction:
        [entry] = [each for each in transaction.audit.entries() if each.action == "enter paper"]
    assert entry.actor == f"member:{cell.ids['pho']}"
    assert "Báo cáo với chi bộ: Lê Văn Cường (điều 3)." in cell.say("binh", "báo cáo")
    assert "còn 1 đồng chí" in cell.choose("pho", "Nhập phiếu tiếp")


def test_paper_without_marks_is_one_choice(cell: Village) -> None:
    asked(cell)
    assert "Không có biểu hiện: 19 điều" in cell.choose("pho", "Không có điều nào")
    cell.choose("pho", "Xác nhận")
    assert cell.answers("cuong", NOVEMBER) == dict.fromkeys(range(1, 20), NONE)


def test_line_may_be_typed_again_before_it_is_confirmed(cell: Village) -> None:
    asked(cell)
    cell.say("pho", "có 3")
    assert "Có biểu hiện: điều 4" in cell.say("pho", "có 4")
    cell.choose("pho", "Sửa")
    cell.say("pho", "có 7")
    cell.choose("pho", "Xác nhận")
    assert [n for n, given in cell.answers("cuong", NOVEMBER).items() if given != NONE] == [7]


def test_paper_is_put_right_until_the_due_date_and_what_was_there_is_kept(cell: Village) -> None:
    asked(cell)
    said = cell.say("pho", "có 3; báo cáo 3")
    assert "sửa được đến hết ngày 30/11/2026" in said
    cell.choose("pho", "Xác nhận")
    before = response_of(cell, "cuong")
    said = cell.choose("pho", "Sửa phiếu này")
    assert "tôi không hiện lại nội dung cũ" in said
    assert "điều 3." not in said
    assert "Có biểu hiện: điều 7" in cell.say("pho", "có 7; báo cáo 7")
    first = cell.choice_ids["pho"][0]
    said = cell.choose("pho", "Xác nhận")
    assert "Đã ghi nhận phần sửa phiếu giấy của đồng chí Lê Văn Cường" in said
    assert "sửa 2 điều ngày 05/11/2026. Bản cũ vẫn được lưu" in said
    after = response_of(cell, "cuong")
    assert before is not None
    assert after is not None
    assert (after.submitted_on, after.receipt, after.entered_by) == (
        before.submitted_on,
        before.receipt,
        before.entered_by,
    )
    assert [n for n, given in cell.answers("cuong", NOVEMBER).items() if given != NONE] == [7]
    with cell.store.transaction() as transaction:
        [november] = transaction.rounds.of_cell(cell.cell)
        history = transaction.rounds.history(november.id, cell.ids["cuong"])
        assert transaction.audit.entries(about=f"round:{november.id} member:{cell.ids['cuong']}")[-1].action == (
            "correct paper"
        )
    assert [given.answer for given in history[3]] == [ItemAnswer.PRESENT, ItemAnswer.NONE]
    # Pressed again, an older correction changes nothing, whatever came since.
    cell.say("pho", "sửa phiếu")
    cell.choose("pho", "Lê Văn Cường")
    cell.say("pho", "có 9")
    cell.choose("pho", "Xác nhận")
    assert "không nhập đè" in cell.tap("pho", first)
    assert [n for n, given in cell.answers("cuong", NOVEMBER).items() if given != NONE] == [9]
    cell.say("binh", "xuất")
    sheet = load_workbook(cell.files["binh"]["xlsx"])["Tình hình nộp phiếu"]
    assert "Đã nộp (phiếu giấy, đã sửa)" in [row[2] for row in sheet.iter_rows(values_only=True)]


def test_correction_that_changes_nothing_says_so(cell: Village) -> None:
    asked(cell)
    cell.say("pho", "có 3")
    cell.choose("pho", "Xác nhận")
    cell.choose("pho", "Sửa phiếu này")
    cell.say("pho", "có 3")
    assert "đã đúng như vậy" in cell.choose("pho", "Xác nhận")


def test_paper_is_put_right_no_more_after_the_due_date(cell: Village) -> None:
    asked(cell)
    cell.choose("pho", "Không có điều nào")
    cell.choose("pho", "Xác nhận")
    cell.choose("pho", "Sửa phiếu này")
    cell.say("pho", "có 3")
    yes = cell.choice_ids["pho"][0]
    cell.set_clock(datetime(2026, 12, 1, 2, tzinfo=UTC))
    said = cell.tap("pho", yes)
    assert "không nhập đè" in said
    assert "Sửa phiếu này" not in said
    assert "không có phiếu giấy đã nhập nào sửa được" in cell.say("pho", "sửa phiếu")
    assert cell.answers("cuong", NOVEMBER)[3] == NONE


@pytest.mark.parametrize("user", ["binh", "an"])
def test_only_the_deputy_puts_papers_right(cell: Village, user: str) -> None:
    assert "việc của phó bí thư" in cell.say(user, "sửa phiếu")


def test_what_a_member_handed_in_alone_is_never_put_right(cell: Village) -> None:
    with cell.store.transaction() as transaction:
        [november] = transaction.rounds.of_cell(cell.cell)
        for number in range(1, 20):
            transaction.rounds.answer(november.id, cell.ids["cuong"], number, NONE)
        transaction.rounds.submit(november.id, cell.ids["cuong"], on=date(2026, 11, 5))
    cell.say("pho", "nhập phiếu")
    said = cell.say("pho", "Lê Văn Cường")
    assert "đã được nộp ngày 05/11/2026" in said
    assert "Sửa phiếu này" not in said


def test_leaving_it_keeps_nothing(cell: Village) -> None:
    asked(cell)
    cell.say("pho", "có 3")
    assert "chưa nhập gì" in cell.choose("pho", "Thôi")
    assert response_of(cell, "cuong") is None


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("có 3, 20", "Không có điều 20. Bảng có các điều từ 1 đến 19."),
        ("có 5; trao đổi 5", "Điều 5 ghi cả “có” lẫn “trao đổi”"),
        ("có 3; báo cáo 4", "Điều 4 ghi báo cáo nhưng chưa ghi"),
        ("3, 12", "ghi rõ điều 3, 12 là “có”, “trao đổi” hay “báo cáo”"),
    ],
)
def test_wrong_line_is_explained_and_asked_again(cell: Village, typed: str, said: str) -> None:
    asked(cell)
    answer = cell.say("pho", typed)
    assert said in answer
    assert "Tôi chưa nhập gì" in answer
    assert "Có biểu hiện: điều 3" in cell.say("pho", "có 3")
    assert response_of(cell, "cuong") is None


def test_question_in_the_middle_is_answered_and_leads_back(cell: Village) -> None:
    asked(cell)
    said = cell.say("pho", "điều 12 quy định 37")
    assert "Điều 12" in said
    assert "[4]" not in said
    assert "Phiếu giấy của đồng chí Lê Văn Cường" in cell.choose("pho", "Quay lại nhập phiếu")
    assert "Có biểu hiện: điều 3" in cell.say("pho", "có 3")


# --- names ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("typed", ["Lê Văn Cường", "le van cuong", "đồng chí Cường", "văn cường"])
def test_name_is_typed_instead_of_chosen(cell: Village, typed: str) -> None:
    cell.say("pho", "nhập phiếu")
    assert "Phiếu giấy của đồng chí Lê Văn Cường" in cell.say("pho", typed)


def test_name_that_fits_several_is_asked_about(cell: Village) -> None:
    cell.add("cuong2", "Phạm Mạnh Cường", has_phone=False)
    cell.say("pho", "nhập phiếu")
    assert "Có 2 đồng chí tên như vậy" in cell.say("pho", "cường")
    assert cell.choices["pho"] == ["Lê Văn Cường", "Phạm Mạnh Cường"]


def test_name_of_somebody_with_a_phone_is_refused(cell: Village) -> None:
    cell.say("pho", "nhập phiếu")
    assert "Đồng chí Nguyễn Văn An có điện thoại" in cell.say("pho", "nguyen van an")


def test_name_of_another_cell_is_nobodys_here(cell: Village) -> None:
    with cell.store.transaction() as transaction:
        people = transaction.people
        other = people.add_cell(people.add_organization("Đảng bộ xã An Bình"), "Chi bộ 4")
        people.add_member(other, "Mai Văn Giang", has_phone=False)
    cell.say("pho", "nhập phiếu")
    assert "không có ai tên “Mai Văn Giang”" in cell.say("pho", "Mai Văn Giang")
    assert "không có ai tên “Trịnh Không Có”" in cell.say("pho", "Trịnh Không Có")


def test_question_at_the_list_is_a_question(cell: Village) -> None:
    cell.say("pho", "nhập phiếu")
    assert "Quay lại nhập phiếu" in cell.say("pho", "mục 2.1 nói gì")
    assert "còn 2 đồng chí" in cell.choose("pho", "Quay lại")


def test_many_names_come_in_pages_of_three_choices(cell: Village) -> None:
    for number in range(3):
        cell.add(f"x{number}", f"Bùi Văn {'ABC'[number]}", has_phone=False)
    cell.say("pho", "nhập phiếu")
    assert cell.choices["pho"] == ["Bùi Văn A", "Bùi Văn B", "Xem tiếp"]
    cell.choose("pho", "Xem tiếp")
    assert cell.choices["pho"] == ["Bùi Văn C", "Đinh Thị Đào", "Lê Văn Cường"]


# --- who may, and when not --------------------------------------------------------------------------------------


@pytest.mark.parametrize("user", ["binh", "an"])
def test_only_the_deputy_puts_in_papers(cell: Village, user: str) -> None:
    assert "việc của phó bí thư" in cell.say(user, "nhập phiếu")


def test_stranger_is_told_how_to_enrol(cell: Village) -> None:
    assert "mã 8 ký tự" in cell.say("la", "nhập phiếu")


def test_second_deputy_comes_too_late(cell: Village) -> None:
    cell.add("pho2", "Hồ Thị Hai", Role.DEPUTY_SECRETARY)
    cell.enrol("pho2")
    asked(cell)
    cell.say("pho", "có 3")
    cell.say("pho2", "nhập phiếu")
    cell.choose("pho2", "Lê Văn Cường")
    cell.choose("pho2", "Không có điều nào")
    cell.choose("pho2", "Xác nhận")
    said = cell.choose("pho", "Xác nhận")
    assert "đã được nhập từ phiếu giấy ngày 05/11/2026" in said
    assert "không nhập đè" in said
    assert cell.answers("cuong", NOVEMBER) == dict.fromkeys(range(1, 20), NONE)


def test_member_who_got_a_phone_meanwhile_fills_in_alone(cell: Village) -> None:
    asked(cell)
    cell.say("pho", "có 3")
    with cell.store.transaction() as transaction:
        transaction.people.change_member(cell.ids["cuong"], has_phone=True)
    assert "có điện thoại" in cell.choose("pho", "Xác nhận")
    assert response_of(cell, "cuong") is None


def test_closed_round_takes_no_paper(cell: Village) -> None:
    asked(cell)
    cell.say("pho", "có 3")
    cell.set_clock(AFTER_GRACE)
    assert "đã đóng, ngày cuối nhận phiếu là 03/12/2026" in cell.choose("pho", "Xác nhận")
    assert response_of(cell, "cuong") is None
    assert "không có kỳ nào đang mở" in cell.say("pho", "nhập phiếu")


def test_paper_in_the_grace_is_marked_late(cell: Village) -> None:
    cell.set_clock(AFTER_DUE)
    asked(cell)
    cell.choose("pho", "Không có điều nào")
    assert "nộp sau hạn" in cell.choose("pho", "Xác nhận")


def test_erased_content_is_not_put_in_again(cell: Village) -> None:
    asked(cell)
    cell.say("pho", "có 3")
    with cell.store.transaction() as transaction:
        [november] = transaction.rounds.of_cell(cell.cell)
        transaction.rounds.answer(november.id, cell.ids["cuong"], 1, NONE)
        transaction.rounds.erase(cell.ids["cuong"], on=date(2026, 11, 5))
    assert "đã được xóa nên không nhập lại được" in cell.choose("pho", "Xác nhận")
    assert cell.answers("cuong", NOVEMBER) == {}


def test_member_who_moved_to_another_cell_is_not_taken(cell: Village) -> None:
    asked(cell)
    cell.say("pho", "có 3")
    with cell.store.transaction() as transaction:
        people = transaction.people
        other = people.add_cell(people.add_organization("Đảng bộ xã An Bình"), "Chi bộ 4")
        people.move(cell.ids["cuong"], other, on=date(2026, 11, 5))
    assert "không thuộc chi bộ của đồng chí" in cell.choose("pho", "Xác nhận")


def test_deputy_of_another_cell_by_now_is_refused(cell: Village) -> None:
    asked(cell)
    cell.say("pho", "có 3")
    with cell.store.transaction() as transaction:
        people = transaction.people
        other = people.add_cell(people.add_organization("Đảng bộ xã An Bình"), "Chi bộ 4")
        people.move(cell.ids["pho"], other, on=date(2026, 11, 5))
    assert "không thuộc chi bộ của đồng chí" in cell.choose("pho", "Xác nhận")
    assert response_of(cell, "cuong") is None


def test_who_is_no_deputy_any_more_confirms_nothing(cell: Village) -> None:
    asked(cell)
    cell.say("pho", "có 3")
    with cell.store.transaction() as transaction:
        transaction.people.set_roles(cell.ids["pho"], ())
    assert "việc của phó bí thư" in cell.choose("pho", "Xác nhận")
    assert response_of(cell, "cuong") is None


def test_nothing_of_a_paper_stands_readable_in_the_database(cell: Village, tmp_path: Path) -> None:
    asked(cell)
    cell.say("pho", "có 3, 12; trao đổi 5; báo cáo 3")
    cell.say("pho", "co ba va muoi hai")
    cell.say("pho", "nhập phiếu")
    cell.choose("pho", "Lê Văn Cường")
    cell.choose("pho", "Không có điều nào")
    cell.choose("pho", "Xác nhận")
    with contextlib.closing(sqlite3.connect(tmp_path / "tu-soi.db")) as database:
        dump = "\n".join(database.iterdump())
    for word in ("có 3", "muoi hai", "trao đổi 5", "Có biểu hiện", "Không có điều nào", "pp_none", "pp_yes", "3,12"):
        assert word not in dump, word
