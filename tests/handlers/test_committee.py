"""A committee and its inspectors look over the cells below: numbers, never names."""

import re
from datetime import UTC, date, datetime, timedelta

import pytest

from assessment.model import ItemAnswer, Role
from storage.rounds import StoredAnswer
from tests.handlers.conftest import Village, staged

NOVEMBER = date(2026, 11, 1)
AFTER_DUE = datetime(2026, 12, 1, 2, tzinfo=UTC)
NONE, PRESENT = StoredAnswer(ItemAnswer.NONE), StoredAnswer(ItemAnswer.PRESENT, is_reported=True)
DISCUSS = StoredAnswer(ItemAnswer.DISCUSS)
CHECKLIST = ("37-qd-tw-2021", 1)


def _commune(village: Village) -> None:
    village.add("uy", "Hoàng Văn Ủy", Role.COMMITTEE_MEMBER)
    village.add("kiem", "Lý Thị Kiểm", Role.INSPECTOR)
    village.add("binh", "Trần Thị Bình", Role.SECRETARY)
    village.enrol("uy", "kiem", "binh")


@pytest.fixture
def commune(village: Village) -> Village:
    """A committee member and an inspector, both of cell 3, and its secretary."""
    return staged(village, _commune)


def a_cell(village: Village, name: str, *given: dict[int, StoredAnswer], waiting: int = 0, org: str = "") -> int:
    """Make a cell with November's round, in which so many have answered so; return the round."""
    with village.store.transaction() as transaction:
        people = transaction.people
        cell = people.add_cell(people.add_organization(org or "Đảng bộ xã An Bình"), name)
        opened, _ = transaction.rounds.open(
            cell, NOVEMBER, checklist=CHECKLIST, opened_on=NOVEMBER, due_on=date(2026, 11, 30), grace_days=3
        )
        for number in range(len(given) + waiting):
            people.add_member(cell, f"Người Có Tên {name} {number}")
    hand_in(village, opened.id, *given)
    return opened.id


def hand_in(village: Village, round_id: int, *given: dict[int, StoredAnswer]) -> None:
    """Let the next ones of a cell hand in: these answers, the others "none"."""
    with village.store.transaction() as transaction:
        rounds = transaction.rounds
        found = rounds.get(round_id)
        assert found is not None
        before = rounds.handed_in(round_id)
        left = [m.id for m in transaction.people.members_of(found.cell_id) if m.id not in before]
        for member, answers in zip(left, given, strict=False):
            for number in range(1, 20):
                rounds.answer(round_id, member, number, answers.get(number, NONE))
            rounds.submit(round_id, member, on=date(2026, 11, 5))


FIVE: tuple[dict[int, StoredAnswer], ...] = ({3: PRESENT}, {}, {}, {}, {})


# --- the table --------------------------------------------------------------------------------------------------


def test_committee_sees_how_each_round_stands_and_no_name(commune: Village) -> None:
    a_cell(commune, "Chi bộ 10", *FIVE, waiting=2)
    a_cell(commune, "Chi bộ 4", {3: PRESENT}, waiting=3)
    said = commune.say("uy", "các chi bộ")
    assert "Đảng bộ xã An Bình, kỳ tháng 11/2026: 2/3 chi bộ đã mở kỳ, 6 phiếu đã nộp." in said
    lines = [line for line in said.splitlines() if line.startswith("•")]
    assert lines == [
        "• Chi bộ 3: chưa mở kỳ",
        "• Chi bộ 4: 1/4 đã nộp, còn 25 ngày",
        "• Chi bộ 10: 5/7 đã nộp, còn 25 ngày",
    ]
    assert "Người Có Tên" not in said
    assert commune.choices["uy"] == ["Số liệu từng điều", "Xuất bảng Excel/Word"]


def test_report_of_a_cell_without_a_round_tells_each_what_they_can_do(commune: Village) -> None:
    said = commune.say("uy", "báo cáo")
    assert "mở kỳ" not in said
    assert "gõ “các chi bộ” để xem bảng các chi bộ" in said
    a_cell(commune, "Chi bộ 4", {})
    commune.choose("uy", "Xuất bảng")
    assert sorted(commune.files["uy"]) == ["docx", "xlsx"]
    assert "gõ “mở kỳ”" in commune.say("binh", "báo cáo")
    commune.add("pho", "Vũ Văn Phó", Role.DEPUTY_SECRETARY)
    commune.enrol("pho")
    said = commune.say("pho", "tiến độ")
    assert "Khi bí thư mở kỳ, đồng chí gõ “tiến độ” để xem" in said


def test_late_and_closed_rounds_are_told_apart(commune: Village) -> None:
    a_cell(commune, "Chi bộ 4", waiting=1)
    commune.set_clock(datetime(2026, 12, 1, 2, tzinfo=UTC))
    assert "• Chi bộ 4: 0/1 đã nộp, đã quá hạn" in commune.say("uy", "bang chi bo")
    commune.set_clock(datetime(2026, 12, 4, 2, tzinfo=UTC))
    assert "• Chi bộ 4: 0/1 đã nộp, đã đóng" in commune.say("uy", "bảng chi bộ")


def test_only_cells_of_the_own_organization_and_below_are_seen(commune: Village) -> None:
    with commune.store.transaction() as transaction:
        own = transaction.people.cell(commune.cell).organization_id
        transaction.people.add_organization("Đảng bộ thôn Đông", parent_id=own)
    a_cell(commune, "Chi bộ 7", *FIVE, org="Đảng bộ thôn Đông")
    a_cell(commune, "Chi bộ 9", *FIVE, org="Đảng bộ xã Khác")
    said = commune.say("uy", "các chi bộ")
    assert "• Chi bộ 7 (Đảng bộ thôn Đông): 5/5 đã nộp" in said
    assert "Chi bộ 9" not in said


def test_many_cells_come_fifteen_lines_at_a_time(commune: Village) -> None:
    for number in range(4, 41):
        a_cell(commune, f"Chi bộ {number}")
    said = commune.say("uy", "các chi bộ")
    pages = [[line for line in said.splitlines() if line.startswith("•")]]
    assert "Dòng 1–15 trong 38." in said
    assert "[4]" not in said
    while "Xem tiếp" in commune.choices["uy"]:
        said = commune.choose("uy", "Xem tiếp")
        pages.append([line for line in said.splitlines() if line.startswith("•")])
    assert [len(page) for page in pages] == [15, 15, 8]
    assert [int(re.findall(r"\d+", line)[0]) for page in pages for line in page] == list(range(3, 41))


@pytest.mark.parametrize("user", ["binh", "kiem"])
def test_totals_are_not_for_those_who_may_not_see_them(commune: Village, user: str) -> None:
    a_cell(commune, "Chi bộ 4", *FIVE)
    commune.say("uy", "các chi bộ")
    said = commune.say(user, "các chi bộ")
    if user == "binh":
        assert "chỉ dành cho cấp ủy viên" in said
    else:
        assert "Chi bộ 4: 5/5" in said
        assert commune.choices[user] == ["Xuất bảng Excel/Word"]


def test_button_of_a_role_that_was_taken_away_shows_nothing(commune: Village) -> None:
    a_cell(commune, "Chi bộ 4", *FIVE)
    commune.say("uy", "các chi bộ")
    with commune.store.transaction() as transaction:
        transaction.people.set_roles(commune.ids["uy"], (Role.SECRETARY,))
    assert "chỉ dành cho cấp ủy viên" in commune.choose("uy", "Số liệu")


def test_stranger_is_told_how_to_enrol(commune: Village) -> None:
    for words in ("các chi bộ", "quá trình"):
        assert "mã 8 ký tự" in commune.say("la", words)


# --- totals -----------------------------------------------------------------------------------------------------


def totals(village: Village, user: str = "uy") -> str:
    """What a committee member reads once the due date is over."""
    village.set_clock(AFTER_DUE)
    village.say(user, "các chi bộ")
    return village.choose(user, "Số liệu từng điều")


def test_totals_sum_only_cells_with_five_responses_and_differing_answers(commune: Village) -> None:
    a_cell(commune, "Chi bộ 4", *FIVE)
    a_cell(commune, "Chi bộ 5", {3: PRESENT, 7: PRESENT}, {3: DISCUSS}, {}, {}, {}, {})
    a_cell(commune, "Chi bộ 6", {3: PRESENT, 9: PRESENT}, {}, {}, {})
    a_cell(commune, "Chi bộ 8", *[{3: PRESENT}] * 5)
    said = totals(commune)
    assert "Tháng 11/2026, theo 37-QĐ/TW, bản 1: 2 chi bộ, 11 phiếu." in said
    assert "• Điều 3: 8 không có biểu hiện, 2 có biểu hiện, 1 cần trao đổi" in said
    assert "• Điều 7: 5 không có biểu hiện, 1 có biểu hiện" in said
    assert "Điều 9" not in said
    assert "Người Có Tên" not in said


def test_no_totals_while_answers_may_still_change(commune: Village) -> None:
    a_cell(commune, "Chi bộ 4", *FIVE)
    commune.say("uy", "các chi bộ")
    assert "chỉ tính sau hạn nộp" in commune.choose("uy", "Số liệu từng điều")


def test_fewer_than_five_everywhere_show_no_totals(commune: Village) -> None:
    a_cell(commune, "Chi bộ 4", {3: PRESENT}, {}, {}, {})
    a_cell(commune, "Chi bộ 5", {3: PRESENT}, {}, {}, {})
    assert "Chưa nêu số liệu từng điều" in totals(commune)


def test_one_more_response_does_not_show_itself_in_the_next_totals(commune: Village) -> None:
    four = a_cell(commune, "Chi bộ 4", *FIVE, waiting=5)
    a_cell(commune, "Chi bộ 5", {7: PRESENT}, {}, {}, {}, {})
    assert "• Điều 3: 4 không có biểu hiện, 1 có biểu hiện" in totals(commune)
    hand_in(commune, four, {3: PRESENT})
    said = totals(commune)
    assert "2 chi bộ, 10 phiếu" in said
    assert "• Điều 3: 4 không có biểu hiện, 1 có biểu hiện" in said
    hand_in(commune, four, {}, {}, {}, {})
    assert "• Điều 3: 8 không có biểu hiện, 2 có biểu hiện" in totals(commune)


def test_committee_and_secretary_together_isolate_nobody(commune: Village) -> None:
    with commune.store.transaction() as transaction:
        opened, _ = transaction.rounds.open(
            commune.cell, NOVEMBER, checklist=CHECKLIST, opened_on=NOVEMBER, due_on=date(2026, 11, 30), grace_days=3
        )
    for number in range(4):
        commune.add(f"x{number}", f"Người {number}")
    hand_in(commune, opened.id, *FIVE)
    commune.set_clock(AFTER_DUE)
    assert "• Điều 3: 4 không có biểu hiện, 1 có biểu hiện" in commune.say("binh", "báo cáo")
    hand_in(commune, opened.id, {3: PRESENT})
    assert "• Điều 3: 4 không có biểu hiện, 1 có biểu hiện" in totals(commune)


def test_secretary_keeps_the_totals_of_before_when_one_more_hands_in_late(commune: Village) -> None:
    with commune.store.transaction() as transaction:
        opened, _ = transaction.rounds.open(
            commune.cell, NOVEMBER, checklist=CHECKLIST, opened_on=NOVEMBER, due_on=date(2026, 11, 30), grace_days=3
        )
    for number in range(4):
        commune.add(f"x{number}", f"Người {number}")
    hand_in(commune, opened.id, *FIVE)
    commune.set_clock(AFTER_DUE)
    commune.say("binh", "báo cáo")
    hand_in(commune, opened.id, {3: PRESENT})
    said = commune.say("binh", "báo cáo")
    assert "Số liệu chung của 5 phiếu nộp trước, chưa tính phiếu nộp sau (những điều có câu trả lời khác nhau):" in said
    assert "• Điều 3: 4 không có biểu hiện, 1 có biểu hiện" in said
    with commune.store.transaction() as transaction:
        transaction.rounds.erase(min(transaction.rounds.handed_in(opened.id)), on=date(2026, 12, 1))
    assert "Chưa nêu số liệu từng điều" in commune.say("binh", "báo cáo")


def test_erasing_does_not_show_what_was_erased(commune: Village) -> None:
    four = a_cell(commune, "Chi bộ 4", {3: PRESENT}, {3: PRESENT}, {}, {}, {}, {})
    assert "4 không có biểu hiện, 2 có biểu hiện" in totals(commune)
    with commune.store.transaction() as transaction:
        transaction.rounds.erase(min(transaction.rounds.handed_in(four)), on=date(2026, 11, 6))
    assert "Chưa nêu số liệu từng điều" in totals(commune)


def test_reading_totals_is_noted(commune: Village) -> None:
    a_cell(commune, "Chi bộ 4", *FIVE)
    totals(commune)
    with commune.store.transaction() as transaction:
        [entry] = [each for each in transaction.audit.entries() if each.action == "read totals"]
    assert (entry.actor, entry.about) == (f"member:{commune.ids['uy']}", "month:2026-11-01")


# --- the process ------------------------------------------------------------------------------------------------


def test_inspector_sees_counts_and_what_was_done_by_day_without_names(commune: Village) -> None:
    a_cell(commune, "Chi bộ 4", *FIVE)
    commune.say("binh", "mở kỳ")
    commune.choose("binh", "Xác nhận")
    commune.set_clock(commune.now + timedelta(days=1))
    commune.say("binh", "nhắc")
    commune.choose("binh", "Xác nhận")
    said = commune.say("kiem", "quá trình")
    assert "• Chi bộ 4: 5/5 đã nộp, còn 24 ngày" in said
    assert "• 06/11/2026: nhắc 1" in said
    assert "• 05/11/2026: nối máy 3; đồng ý 3; mở kỳ 1" in said
    for hidden in ("Trần Thị Bình", "Người Có Tên", "member", "09:00", "Điều"):
        assert hidden not in said
    assert said.index("06/11/2026") < said.index("05/11/2026")


def test_log_of_other_organizations_is_not_the_inspectors(commune: Village) -> None:
    other = a_cell(commune, "Chi bộ 9", *FIVE, org="Đảng bộ xã Khác")
    with commune.store.transaction() as transaction:
        transaction.audit.note("member:1", "open round", f"round:{other}", now=commune.now)
        transaction.audit.note("admin", "roster import", "rows:5", now=commune.now)
    said = commune.say("kiem", "qua trinh")
    assert "mở kỳ" not in said.replace("chưa mở kỳ", "")
    assert "nhập danh sách" not in said


def test_admin_sees_the_whole_log_and_no_counts(commune: Village) -> None:
    a_cell(commune, "Chi bộ 4", *FIVE)
    commune.add("quan", "Đỗ Văn Quản", Role.ADMIN)
    commune.enrol("quan")
    with commune.store.transaction() as transaction:
        transaction.audit.note("admin", "roster import", "rows:5", now=commune.now)
    said = commune.say("quan", "quá trình")
    assert "nhập danh sách 1" in said
    assert "Chi bộ 4" not in said


@pytest.mark.parametrize("user", ["uy", "binh"])
def test_log_is_for_inspectors_alone(commune: Village, user: str) -> None:
    assert "chỉ dành cho người kiểm tra" in commune.say(user, "quá trình")


def test_long_log_comes_in_pages(commune: Village) -> None:
    with commune.store.transaction() as transaction:
        for number in range(40):
            at = commune.now - timedelta(days=100 - number)
            transaction.audit.note(f"member:{commune.ids['binh']}", "remind", f"cell:{commune.cell}", now=at)
    commune.say("kiem", "quá trình")
    said = commune.choose("kiem", "Xem tiếp")
    assert "Dòng 16–30 trong 42." in said
    assert len([line for line in said.splitlines() if line.startswith("•")]) == 15


def test_member_with_several_roles_has_them_all(commune: Village) -> None:
    commune.add("nhieu", "Cao Thị Nhiều", Role.SECRETARY, Role.COMMITTEE_MEMBER, Role.INSPECTOR)
    commune.enrol("nhieu")
    a_cell(commune, "Chi bộ 4", *FIVE)
    assert "1 có biểu hiện" in totals(commune, "nhieu")
    assert "• Chi bộ 4: 5/5" in commune.say("nhieu", "quá trình")
    assert "37-QĐ/TW" in commune.say("nhieu", "mở kỳ")
