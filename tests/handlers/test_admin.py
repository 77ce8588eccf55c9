"""An administrator confirms a checklist, and what rounds are opened with then."""

from dataclasses import replace
from datetime import UTC, date, datetime
from functools import partial

import pytest

from assessment.loader import load_checklists
from assessment.model import Checklist, Role
from assessment.versions import in_use, not_compared
from bot.channels.console import Console
from bot.gateway import Gateway
from handlers.router import handle, make_file
from handlers.services import Options, Services
from knowledge.answer import KnowledgeBase
from storage.store import Store
from tests.handlers.conftest import Village, staged

NOW = datetime(2026, 11, 5, 2, tzinfo=UTC)
OLD, NEW = ("37-qd-tw-2021", 1), ("207-qd-tw-2026", 1)


def _town(village: Village) -> None:
    village.add("binh", "Trần Thị Bình", Role.SECRETARY)
    village.add("an", "Nguyễn Văn An")
    village.enrol("binh", "an")


@pytest.fixture
def town(store: Store, knowledge: KnowledgeBase) -> Village:
    """A secretary; the chat "chi" is an administrator by the settings and nobody's on the roster."""
    village = Village(store, knowledge, NOW, Options(admins=frozenset({"console:chi"})))
    return staged(village, _town)


def with_checklists(village: Village, knowledge: KnowledgeBase, checklists: list[Checklist]) -> None:
    """Start again with other files of checklists."""
    services = Services(knowledge, {(each.id, each.version): each for each in checklists})
    village.gateway = Gateway(village.store, partial(handle, services=services), partial(make_file, services=services))
    village._console = Console(village.gateway, village.store)
    village.set_clock(village.now)


def confirm(village: Village) -> str:
    village.say("chi", "bảng kiểm")
    village.choose("chi", "Xác nhận bảng 207-QĐ/TW")
    return village.choose("chi", "Xác nhận")


def opened_with(village: Village) -> list[tuple[str, int]]:
    with village.store.transaction() as transaction:
        return [(each.checklist_id, each.checklist_version) for each in transaction.rounds.of_cell(village.cell)]


# --- which version ----------------------------------------------------------------------------------------------


def test_newest_version_that_was_checked_or_confirmed_is_used() -> None:
    checklists = load_checklists()
    november = date(2026, 11, 5)
    assert in_use(checklists, set(), on=november) is next(each for each in checklists if each.id == OLD[0])
    assert in_use(checklists, {NEW}, on=november) is next(each for each in checklists if each.id == NEW[0])
    assert in_use([each for each in checklists if not each.is_checked], set(), on=november) is None


def test_regulation_that_does_not_hold_yet_waits_for_its_day() -> None:
    used = in_use(load_checklists(), {NEW}, on=date(2026, 7, 25))
    assert used is not None
    assert used.id == OLD[0]


def test_checklists_say_themselves_what_was_not_compared() -> None:
    left_open = {each.id: not_compared(each) for each in load_checklists()}
    assert left_open[OLD[0]] == (5, 7, 8, 10, 11, 12, 15, 16, 17, 18)
    assert left_open[NEW[0]] == tuple(range(1, 20))


# --- the list ---------------------------------------------------------------------------------------------------


def test_admin_sees_what_is_in_use_what_waits_why_and_since_when(town: Village) -> None:
    said = town.say("chi", "bang kiem")
    assert (
        "• Bảng 207-QĐ/TW, bản 1 (hiệu lực từ 26/07/2026): CHỜ XÁC NHẬN từ 26/07/2026, vì chưa đối chiếu văn bản "
        "chính thức." in said
    )
    assert "Cả 19 điều chưa đối chiếu đủ" in said
    assert "• Bảng 37-QĐ/TW, bản 1 (hiệu lực từ 25/10/2021): đang dùng cho các kỳ mở mới." in said
    assert "10/19 điều chưa đối chiếu đủ với văn bản chính thức: điều 5, 7, 8, 10, 11, 12, 15, 16, 17, 18." in said
    assert "đã được thay bằng 207-QĐ/TW từ 26/07/2026" in said
    assert town.choices["chi"] == [
        "Xem bảng 207-QĐ/TW, bản 1",
        "Xem bảng 37-QĐ/TW, bản 1",
        "Xác nhận bảng 207-QĐ/TW, bản 1",
    ]


def test_whole_version_shows_every_item_with_its_note(town: Village) -> None:
    town.say("chi", "bảng kiểm")
    said = town.choose("chi", "Xem bảng 207")
    [checklist] = [each for each in load_checklists() if each.id == NEW[0]]
    for item in checklist.items:
        assert item.question in said
        assert f"Ghi chú: {item.note}" in said
    assert town.choices["chi"] == ["Xác nhận bảng 207-QĐ/TW, bản 1", "Các bảng kiểm"]


@pytest.mark.parametrize("user", ["binh", "an", "la"])
def test_only_an_administrator_sees_or_confirms(town: Village, user: str) -> None:
    assert "chỉ người quản trị" in town.say(user, "bảng kiểm")


def test_member_whose_role_is_administrator_may(town: Village) -> None:
    town.add("quan", "Đỗ Văn Quản", Role.ADMIN)
    town.enrol("quan")
    assert "đang dùng" in town.say("quan", "bảng kiểm")


# --- confirming -------------------------------------------------------------------------------------------------


def test_confirming_asks_first_and_says_who_takes_it_on(town: Village) -> None:
    town.say("chi", "bảng kiểm")
    said = town.choose("chi", "Xác nhận bảng 207-QĐ/TW")
    assert "chúng tôi CHƯA đối chiếu bảng 207-QĐ/TW, bản 1 với văn bản chính thức" in said
    assert "chịu trách nhiệm" in said
    with town.store.transaction() as transaction:
        assert transaction.checklists.confirmed() == {}
    assert "Các kỳ mở từ nay dùng bảng này" in town.choose("chi", "Xác nhận")
    with town.store.transaction() as transaction:
        assert transaction.checklists.confirmed() == {NEW: date(2026, 11, 5)}
        [entry] = [each for each in transaction.audit.entries() if each.action == "confirm checklist"]
    assert entry.about == "207-qd-tw-2026:1"
    assert entry.actor.startswith("chat:")
    assert "Người quản trị đã xác nhận ngày 05/11/2026" in town.say("chi", "bảng kiểm")


def test_leaving_it_confirms_nothing(town: Village) -> None:
    town.say("chi", "bảng kiểm")
    town.choose("chi", "Xác nhận bảng 207-QĐ/TW")
    assert "chưa thay đổi gì" in town.choose("chi", "Thôi")
    with town.store.transaction() as transaction:
        assert transaction.checklists.confirmed() == {}


def test_confirming_twice_keeps_the_first_day(town: Village) -> None:
    confirm(town)
    yes = town.choice_ids["chi"][0]
    town.set_clock(datetime(2026, 11, 9, 2, tzinfo=UTC))
    assert "đã được xác nhận từ ngày 05/11/2026" in town.tap("chi", yes)


def test_confirmed_version_opens_rounds_and_older_rounds_keep_theirs(town: Village) -> None:
    town.say("binh", "mở kỳ")
    town.choose("binh", "Xác nhận")
    confirm(town)
    town.set_clock(datetime(2026, 12, 5, 2, tzinfo=UTC))
    said = town.say("binh", "mở kỳ")
    assert "theo 207-QĐ/TW" in said
    assert "chưa đối chiếu văn bản chính thức; người quản trị đã xác nhận" in said
    town.choose("binh", "Xác nhận")
    assert opened_with(town) == [NEW, OLD]
    town.say("an", "tự đánh giá")
    town.choose("an", "Bắt đầu")
    town.choose("an", "Cả nhóm")
    assert "(điều 6, 9, 17)" in town.choose("an", "Cả nhóm")


def test_taking_back_leaves_opened_rounds_alone(town: Village) -> None:
    confirm(town)
    town.say("binh", "mở kỳ")
    town.choose("binh", "Xác nhận")
    town.say("chi", "bảng kiểm")
    assert "kỳ đã mở vẫn giữ bảng này" in town.choose("chi", "Rút xác nhận bảng 207")
    assert "Các kỳ mở từ nay dùng bảng 37-QĐ/TW, bản 1" in town.choose("chi", "Xác nhận rút lại")
    assert opened_with(town) == [NEW]
    town.say("an", "tự đánh giá")
    assert "Nhóm 1/6" in town.choose("an", "Bắt đầu")
    town.set_clock(datetime(2026, 12, 5, 2, tzinfo=UTC))
    assert "theo 37-QĐ/TW" in town.say("binh", "mở kỳ")


def test_old_button_after_taking_back_says_there_is_nothing_to_take_back(town: Village) -> None:
    confirm(town)
    town.say("chi", "bảng kiểm")
    town.choose("chi", "Rút xác nhận bảng 207")
    yes = town.choice_ids["chi"][0]
    town.tap("chi", yes)
    assert "không có xác nhận nào để rút" in town.say("chi", "1")


def test_secretary_who_was_told_another_version_is_asked_anew(town: Village) -> None:
    town.say("binh", "mở kỳ")
    confirm(town)
    said = town.choose("binh", "Xác nhận")
    assert "theo 207-QĐ/TW" in said
    assert opened_with(town) == []
    town.choose("binh", "Xác nhận")
    assert opened_with(town) == [NEW]


def test_without_a_usable_version_no_round_is_opened(town: Village, knowledge: KnowledgeBase) -> None:
    with_checklists(town, knowledge, [each for each in load_checklists() if not each.is_checked])
    assert "Chưa có bảng tự đánh giá nào dùng được" in town.say("binh", "mở kỳ")
    assert opened_with(town) == []


def test_many_versions_come_two_at_a_time(town: Village, knowledge: KnowledgeBase) -> None:
    [first] = [each for each in load_checklists() if each.id == NEW[0]]
    town.add("quan", "Đỗ Văn Quản", Role.ADMIN)
    town.enrol("quan")
    with_checklists(town, knowledge, [replace(first, version=number) for number in range(1, 6)])
    assert "bản 5" in town.say("quan", "bảng kiểm")
    assert town.choices["quan"] == ["Xem bảng 207-QĐ/TW, bản 5", "Xem bảng 207-QĐ/TW, bản 4", "Xem tiếp"]
    town.choose("quan", "Xem tiếp")
    said = town.choose("quan", "Xem tiếp")
    assert "bản 1" in said
    assert town.choices["quan"] == ["Xem bảng 207-QĐ/TW, bản 1", "Xác nhận bảng 207-QĐ/TW, bản 1"]


# --- the warning ------------------------------------------------------------------------------------------------


def test_secretary_is_warned_of_a_superseded_regulation_once_a_month(town: Village) -> None:
    warning = "37-QĐ/TW đã được thay bằng 207-QĐ/TW"
    assert warning in town.say("binh", "mở kỳ")
    assert warning not in town.say("binh", "mở kỳ")
    town.choose("binh", "Xác nhận")
    town.set_clock(datetime(2026, 12, 5, 2, tzinfo=UTC))
    assert warning in town.say("binh", "mở kỳ")
    assert warning not in town.say("binh", "mở kỳ")


def test_warning_leaves_what_else_was_set_for_the_cell(town: Village) -> None:
    with town.store.transaction() as transaction:
        transaction.people.set_in_cell(town.cell, "opening_day", 5)
    town.say("binh", "mở kỳ")
    with town.store.transaction() as transaction:
        assert transaction.people.cell_settings(town.cell)["opening_day"] == 5


# --- a version that is gone -------------------------------------------------------------------------------------


def test_answer_to_a_version_that_no_longer_exists_is_refused_calmly(town: Village, knowledge: KnowledgeBase) -> None:
    confirm(town)
    town.say("binh", "mở kỳ")
    town.choose("binh", "Xác nhận")
    town.say("an", "tự đánh giá")
    town.choose("an", "Bắt đầu")
    town.choose("an", "Cả nhóm")
    before = town.answers("an", date(2026, 11, 1))
    with_checklists(town, knowledge, [each for each in load_checklists() if each.id == OLD[0]])
    gone = "Bảng tự đánh giá của kỳ tháng 11/2026 hiện không có trong hệ thống"
    for said in (
        town.choose("an", "Cả nhóm"),
        town.say("an", "tự đánh giá"),
        town.say("an", "nộp"),
        town.say("an", "sửa điều 3"),
        town.say("binh", "báo cáo"),
    ):
        assert gone in said
    assert town.answers("an", date(2026, 11, 1)) == before
    assert "0/2 đã nộp" in town.say("binh", "tiến độ")
    with_checklists(town, knowledge, load_checklists())
    assert "Nhóm 2/6" in town.say("an", "tự đánh giá")


def test_admin_hears_which_file_is_missing(town: Village, knowledge: KnowledgeBase) -> None:
    town.add("quan", "Đỗ Văn Quản", Role.ADMIN)
    town.enrol("quan")
    confirm(town)
    town.say("binh", "mở kỳ")
    town.choose("binh", "Xác nhận")
    town.say("chi", "bảng kiểm")
    town.say("quan", "bảng kiểm")
    see = town.choice_ids["quan"][0]
    with_checklists(town, knowledge, [each for each in load_checklists() if each.id == OLD[0]])
    assert "THIẾU TỆP: 207-qd-tw-2026, bản 1" in town.say("quan", "bảng kiểm")
    assert "Nút này không còn dùng được" in town.tap("quan", see)
