"""Rounds that open by themselves: when, how often, and who hears of it."""

import asyncio
import itertools
import logging
import threading
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assessment.loader import load_checklists
from assessment.model import Checklist, Role
from assessment.schedule import Schedule, local_day
from assessment.schedule_settings import parse_schedule
from bot.scheduler import Scheduler
from handlers.reminders import queue_some
from handlers.schedules import next_opening, schedule_of, set_schedule
from storage.outbox import Delivery, DeliveryState
from storage.people import Link
from storage.store import Store, StoredMessage
from tests.handlers.conftest import Village, staged

# Each try has a cell of its own.
_NUMBERS = itertools.count()
CHECKLISTS = {(checklist.id, checklist.version): checklist for checklist in load_checklists()}
TWENTIETH = parse_schedule("mở ngày 20 lúc 8 giờ, hạn ngày 28, nhắc trước 5, 2 ngày")


def hanoi(month: int, day: int, hour: int = 9, year: int = 2026) -> datetime:
    return datetime(year, month, day, tzinfo=UTC) + timedelta(hours=hour - 7)


def _cell(village: Village) -> None:
    village.add("binh", "Trần Thị Bình", Role.SECRETARY)
    village.add("an", "Nguyễn Văn An")
    village.enrol("binh", "an")
    put(village, TWENTIETH)


@pytest.fixture
def cell(village: Village) -> Village:
    """A secretary and a member, both linked; by the cell's schedule rounds open on the 20th."""
    return staged(village, _cell)


def put(village: Village, schedule: Schedule | None) -> None:
    with village.store.transaction() as transaction:
        set_schedule(transaction, village.cell, schedule, now=village.now)


def wake(store: Store, now: datetime, checklists: Mapping[tuple[str, int], Checklist] | None = None) -> None:
    after: int | None = 0
    while after is not None:
        with store.transaction() as transaction:
            given = CHECKLISTS if checklists is None else checklists
            after = queue_some(transaction, now=now, checklists=given, after=after)


def months(village: Village) -> list[date]:
    with village.store.transaction() as transaction:
        return [found.month for found in transaction.rounds.of_cell(village.cell)]


def deliveries(village: Village) -> list[Delivery]:
    """Everything that was ever queued, of the latest round."""
    with village.store.transaction() as transaction:
        return transaction.outbox.of_round(transaction.rounds.of_cell(village.cell)[0].id)


def test_secretary_hears_that_the_round_opened_by_itself_and_members_only_that_it_is_open(cell: Village) -> None:
    cell.add("chi", "Lê Thị Chi")
    told = cell.set_clock(hanoi(11, 20, 8))
    assert told["binh"].endswith(
        "Kỳ này tự mở theo lịch của chi bộ, tôi báo cho 2 đồng chí. 1 đồng chí chưa nhập mã nên tôi chưa nhắn được. "
        "Đồng chí gõ “tiến độ” để xem ai đã nộp."
    )
    assert "theo lịch" not in told["an"]
    assert told["an"].endswith("Đồng chí gõ “tự đánh giá” để bắt đầu.")


def test_secretary_who_opened_the_round_is_not_told_so(cell: Village) -> None:
    cell.say("binh", "mở kỳ")
    cell.choose("binh", "Xác nhận mở kỳ")
    told = cell.set_clock(cell.now + timedelta(minutes=1))
    assert "theo lịch" not in told["binh"]


def test_opening_by_schedule_stands_in_the_log_once(cell: Village) -> None:
    for hour in range(8, 12):
        cell.set_clock(hanoi(11, 20, hour))
    with cell.store.transaction() as transaction:
        [november] = transaction.rounds.of_cell(cell.cell)
        entries = transaction.audit.entries(about=f"round:{november.id}")
    assert [(entry.actor, entry.action) for entry in entries] == [("schedule", "open round")]


def test_two_schedulers_at_once_open_one_round_and_say_it_once(cell: Village) -> None:
    ready, errors = threading.Barrier(4), list[BaseException]()

    def look() -> None:
        try:
            ready.wait()
            for minute in range(5):
                wake(cell.store, hanoi(11, 20, 8) + timedelta(minutes=minute))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert months(cell) == [date(2026, 11, 1)]
    assert sorted(d.member_id for d in deliveries(cell)) == sorted(cell.ids.values())


def test_last_day_of_each_month_is_met_in_months_of_any_length(cell: Village) -> None:
    put(cell, parse_schedule("mở ngày cuối tháng, hạn ngày 10 tháng sau, không nhắc"))
    day = hanoi(11, 29)
    opened: dict[date, date] = {}
    while day < hanoi(4, 2, year=2027):
        wake(cell.store, day)
        with cell.store.transaction() as transaction:
            opened |= {found.opened_on: found.due_on for found in transaction.rounds.of_cell(cell.cell)}
        day += timedelta(days=1)
    assert opened == {
        date(2026, 11, 30): date(2026, 12, 10),
        date(2026, 12, 31): date(2027, 1, 10),
        date(2027, 1, 31): date(2027, 2, 10),
        date(2027, 2, 28): date(2027, 3, 10),
        date(2027, 3, 31): date(2027, 4, 10),
    }


def test_round_of_a_month_that_is_over_is_not_opened(cell: Village) -> None:
    put(cell, parse_schedule("mở ngày 30, hạn ngày 10 tháng sau"))
    wake(cell.store, hanoi(12, 1))
    assert months(cell) == []


def test_round_of_the_month_opens_a_few_days_late_and_not_later(cell: Village) -> None:
    wake(cell.store, hanoi(11, 25, 8))
    assert months(cell) == []
    wake(cell.store, hanoi(11, 25, 7))
    assert months(cell) == [date(2026, 11, 1)]


def test_pause_that_reaches_into_the_next_month_moves_the_round_of_the_month_before(cell: Village) -> None:
    put(cell, parse_schedule("mở ngày 28, hạn sau 7 ngày, nghỉ 25/01/2027-10/02/2027"))
    for day in range(1, 11):
        wake(cell.store, hanoi(2, day, 12, 2027))
        assert months(cell) == []
    with cell.store.transaction() as transaction:
        schedule = schedule_of(transaction, cell.cell)
        coming = next_opening(transaction, cell.cell, schedule, now=hanoi(2, 5, year=2027))
    assert coming == (date(2027, 1, 1), hanoi(2, 11, 8, 2027))
    wake(cell.store, hanoi(2, 11, 8, 2027))
    assert months(cell) == [date(2027, 1, 1)]
    wake(cell.store, hanoi(2, 28, 8, 2027))
    assert months(cell) == [date(2027, 2, 1), date(2027, 1, 1)]


def test_program_that_comes_back_in_a_pause_opens_nothing_before_it_is_over(cell: Village) -> None:
    put(cell, parse_schedule("mở ngày 20, hạn ngày 28, nghỉ 21/11/2026-22/11/2026"))
    wake(cell.store, hanoi(11, 21))
    assert months(cell) == []
    wake(cell.store, hanoi(11, 23))
    assert months(cell) == [date(2026, 11, 1)]


def test_late_opening_at_night_is_said_in_the_morning(cell: Village) -> None:
    assert cell.set_clock(hanoi(11, 20, 22)) == {}
    assert months(cell) == [date(2026, 11, 1)]
    assert set(cell.set_clock(hanoi(11, 21, 7))) == {"an", "binh"}


def test_clock_that_jumps_back_opens_nothing_twice_and_nothing_older(cell: Village) -> None:
    wake(cell.store, hanoi(11, 20, 8))
    for now in (hanoi(11, 20, 7), hanoi(11, 20, 8), hanoi(10, 20, 8), hanoi(10, 21), hanoi(11, 20, 9)):
        wake(cell.store, now)
    assert months(cell) == [date(2026, 11, 1)]
    assert [d.kind for d in deliveries(cell)] == ["opened", "opened"]


def test_clock_that_jumps_back_before_the_schedule_was_set_opens_nothing(cell: Village) -> None:
    wake(cell.store, hanoi(10, 20, 8))
    assert months(cell) == []


def test_round_that_was_closed_by_hand_is_not_opened_again(cell: Village) -> None:
    cell.set_clock(hanoi(11, 20, 8))
    cell.say("binh", "đóng kỳ")
    cell.choose("binh", "Xác nhận đóng kỳ")
    assert cell.set_clock(hanoi(11, 20, 10)) == {}
    assert months(cell) == [date(2026, 11, 1)]


def test_manual_opening_before_the_scheduled_one_is_the_only_one_and_is_said_once(cell: Village) -> None:
    cell.say("binh", "mở kỳ")
    cell.choose("binh", "Xác nhận mở kỳ")
    assert set(cell.set_clock(hanoi(11, 5, 10))) == {"an", "binh"}
    assert cell.set_clock(hanoi(11, 20, 8)) == {}
    assert months(cell) == [date(2026, 11, 1)]
    assert set(cell.set_clock(hanoi(11, 23, 9))) == {"an", "binh"}


def test_who_joins_hears_that_it_is_open_and_who_leaves_hears_no_more(cell: Village) -> None:
    cell.set_clock(hanoi(11, 20, 8))
    cell.set_clock(hanoi(11, 22, 8))
    with cell.store.transaction() as transaction:
        transaction.people.leave(cell.ids["an"], on=date(2026, 11, 22))
    cell.add("chi", "Lê Thị Chi")
    cell.enrol("chi")
    told = cell.set_clock(hanoi(11, 22, 9))
    assert set(told) == {"chi"}
    assert "mở kỳ tự đánh giá tháng 11/2026" in told["chi"]
    assert set(cell.set_clock(hanoi(11, 23, 9))) == {"binh", "chi"}
    assert "Chưa nộp (2): Trần Thị Bình, Lê Thị Chi." in cell.say("binh", "tiến độ")


def test_cell_without_members_opens_nothing_and_holds_up_no_other(cell: Village) -> None:
    with cell.store.transaction() as transaction:
        people = transaction.people
        empty = people.add_cell(people.add_organization("Đảng bộ xã An Bình"), "Chi bộ 0")
        set_schedule(transaction, empty, TWENTIETH, now=cell.now)
    assert set(cell.set_clock(hanoi(11, 20, 8))) == {"an", "binh"}
    with cell.store.transaction() as transaction:
        assert transaction.rounds.of_cell(empty) == []


def test_cell_whose_members_have_no_phone_opens_and_tells_nobody(cell: Village) -> None:
    with cell.store.transaction() as transaction:
        people = transaction.people
        paper = people.add_cell(people.add_organization("Đảng bộ xã An Bình"), "Chi bộ 0")
        people.add_member(paper, "Lê Văn Cường", has_phone=False)
        set_schedule(transaction, paper, TWENTIETH, now=cell.now)
    assert set(cell.set_clock(hanoi(11, 20, 8))) == {"an", "binh"}
    with cell.store.transaction() as transaction:
        [found] = transaction.rounds.of_cell(paper)
        assert transaction.outbox.of_round(found.id) == []


def test_schedule_that_cannot_be_read_is_as_none_and_holds_up_no_other(
    cell: Village, caplog: pytest.LogCaptureFixture
) -> None:
    with cell.store.transaction() as transaction:
        people = transaction.people
        broken = people.add_cell(people.add_organization("Đảng bộ xã An Bình"), "Chi bộ 0")
        people.add_member(broken, "Lê Văn Cường")
        people.set_in_cell(broken, "schedule", {"opening_day": 20.5, "due_day": 28})
    with caplog.at_level(logging.ERROR):
        assert set(cell.set_clock(hanoi(11, 20, 8))) == {"an", "binh"}
    assert f"cell {broken}: the kept schedule cannot be read: 20.5 is no whole number" in caplog.text
    with cell.store.transaction() as transaction:
        assert transaction.rounds.of_cell(broken) == []


def test_without_a_usable_checklist_nothing_opens_until_there_is_one(
    cell: Village, caplog: pytest.LogCaptureFixture
) -> None:
    unchecked = {key: each for key, each in CHECKLISTS.items() if not each.is_checked}
    assert unchecked
    with caplog.at_level(logging.WARNING):
        for hour in (8, 9, 10):
            wake(cell.store, hanoi(11, 20, hour), unchecked)
    assert months(cell) == []
    assert caplog.text.count("no checklist may be used") == 1
    wake(cell.store, hanoi(11, 21))
    assert months(cell) == [date(2026, 11, 1)]


def notices(village: Village) -> list[str]:
    """Return what waits to be said that is about no round, by kind."""
    with village.store.transaction() as transaction:
        claimed = transaction.outbox.claim("test", now=hanoi(11, 20, 12), limit=50)
        return [each.kind for each in claimed if each.round_id is None]


def test_secretary_hears_once_a_month_that_no_checklist_may_be_used(cell: Village) -> None:
    unchecked = {key: each for key, each in CHECKLISTS.items() if not each.is_checked}
    told = list[str]()

    async def send(link: Link, message: StoredMessage) -> None:
        told.append(f"{link.chat_id}: {message.text}")

    for at in (hanoi(11, 20, 8), hanoi(11, 20, 9), hanoi(11, 21, 8)):
        wake(cell.store, at, unchecked)
        asyncio.run(Scheduler(cell.store, send).run_due(at))
    [said] = told
    assert said.startswith("binh: Đã đến lịch mở kỳ tháng 11/2026 của Chi bộ 3, nhưng chưa có bảng tự đánh giá nào")
    wake(cell.store, hanoi(12, 20, 8), unchecked)
    asyncio.run(Scheduler(cell.store, send).run_due(hanoi(12, 20, 8)))
    assert "tháng 12/2026" in told[1]
    assert len(told) == 2


def test_nobody_hears_that_a_checklist_is_missing_once_the_round_is_open(cell: Village) -> None:
    unchecked = {key: each for key, each in CHECKLISTS.items() if not each.is_checked}
    wake(cell.store, hanoi(11, 20, 8), unchecked)
    assert notices(cell) == ["no-checklist-2026-11"]
    wake(cell.store, hanoi(11, 20, 9))
    assert months(cell) == [date(2026, 11, 1)]
    told = cell.set_clock(hanoi(11, 20, 13))
    assert "chưa có bảng" not in "".join(told.values())
    assert "mở kỳ tự đánh giá" in told["binh"]


def test_many_cells_open_a_few_in_a_transaction(cell: Village) -> None:
    ids = []
    with cell.store.transaction() as transaction:
        people = transaction.people
        organization = people.add_organization("Đảng bộ xã An Bình")
        for number in range(20):
            ids.append(people.add_cell(organization, f"Chi bộ {100 + number}"))
            people.add_member(ids[-1], f"Người {number}")
            set_schedule(transaction, ids[-1], TWENTIETH, now=cell.now)
    after: int | None = 0
    opened = list[int]()
    while after is not None and len(opened) < 10:
        with cell.store.transaction() as transaction:
            after = queue_some(transaction, now=hanoi(11, 20, 8), checklists=CHECKLISTS, after=after)
            opened.append(len(transaction.rounds.cells_of_month(date(2026, 11, 1))))
    assert opened[:3] == [8, 16, 21]
    assert after is None
    with cell.store.transaction() as transaction:
        assert transaction.rounds.cells_of_month(date(2026, 11, 1)) == {cell.cell, *ids}


def test_cells_schedule_says_when_its_members_are_reminded(cell: Village) -> None:
    put(cell, parse_schedule("mở ngày 20, hạn ngày 28, nhắc trước 1 ngày lúc 17 giờ"))
    cell.set_clock(hanoi(11, 20, 8))
    for at in (hanoi(11, 23, 9), hanoi(11, 26, 9), hanoi(11, 27, 16)):
        assert cell.set_clock(at) == {}
    assert set(cell.set_clock(hanoi(11, 27, 17))) == {"an", "binh"}


def test_grace_of_a_new_round_is_that_of_the_schedule(cell: Village) -> None:
    put(cell, parse_schedule("mở ngày 20, hạn ngày 28, nhận thêm 9 ngày"))
    cell.set_clock(hanoi(11, 20, 8))
    assert "đến hết ngày 07/12/2026" in cell.say("binh", "gia hạn")


def test_reminder_by_hand_waits_for_the_end_of_a_pause(cell: Village) -> None:
    put(cell, parse_schedule("mở ngày 20, hạn ngày 28, nghỉ 23/11/2026-24/11/2026"))
    cell.set_clock(hanoi(11, 20, 8))
    cell.set_clock(hanoi(11, 23, 10))
    assert "vào 06:30 ngày 25/11 (không nhắc trong những ngày nghỉ của lịch chi bộ)" in cell.say("binh", "nhắc")
    cell.choose("binh", "Xác nhận nhắc")
    assert cell.set_clock(hanoi(11, 24, 12)) == {}
    assert set(cell.set_clock(hanoi(11, 25, 7))) == {"an", "binh"}


# --- whatever the schedule and the clock ------------------------------------------------------------------------


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    opening = draw(st.integers(1, 31))
    first = draw(st.dates(date(2026, 11, 10), date(2027, 1, 20)))
    length = draw(st.integers(0, 20))
    return Schedule(
        opening_day=opening,
        opening_hour=draw(st.integers(7, 20)),
        due_day=draw(st.integers(1, 31).filter(lambda day: day != opening)),
        reminder_days=tuple(draw(st.lists(st.integers(0, 9), unique=True, max_size=3))),
        pauses=((first, first + timedelta(days=length)),) if draw(st.booleans()) else (),
    )


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_with_a_wild_clock_a_month_is_opened_once_in_its_time_and_nothing_is_said_twice(
    village: Village, data: st.DataObject
) -> None:
    schedule = data.draw(schedules())
    start = hanoi(11, 5)
    with village.store.transaction() as transaction:
        people = transaction.people
        cell = people.add_cell(people.add_organization("Đảng bộ xã An Bình"), f"Chi bộ mới {next(_NUMBERS)}")
        member = people.add_member(cell, "Nguyễn Văn An")
        set_schedule(transaction, cell, schedule, now=start)
    now, seen = start, dict[date, date]()
    hours = st.integers(1, 60) | st.integers(24, 24 * 9) | st.integers(-24 * 40, -1)
    for step in data.draw(st.lists(hours, min_size=10, max_size=40)):
        now = max(start - timedelta(days=60), now + timedelta(hours=step))
        wake(village.store, now)
        today = local_day(now)
        with village.store.transaction() as transaction:
            rounds = transaction.rounds.of_cell(cell)
            queued = [each for found in rounds for each in transaction.outbox.of_round(found.id)]
        for found in rounds:
            if found.month in seen:
                continue
            assert found.opened_on == today
            assert today <= found.due_on
            assert schedule.first_free_day(today) == today
            assert all(found.month > before for before in seen)
            assert found.month == today.replace(day=1) or schedule.pauses
            seen[found.month] = today
        assert {found.month for found in rounds} == set(seen)
        assert {each.member_id for each in queued} <= {member}
        assert all(each.state is DeliveryState.QUEUED for each in queued)
        assert len({(each.round_id, each.kind) for each in queued}) == len(queued)
    with village.store.transaction() as transaction:
        set_schedule(transaction, cell, None, now=now)
