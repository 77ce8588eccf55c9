import contextlib
from datetime import date, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assessment.schedule import Schedule
from assessment.schedule_settings import Problem, ScheduleNotUnderstood, from_settings, parse_schedule, to_settings

FULL = (
    "mở ngày 20 lúc 8 giờ, hạn ngày 28, nhắc trước 5, 2, 0 ngày lúc 9 giờ, nhận thêm 4 ngày, nghỉ 25/01/2027-10/02/2027"
)


def test_everything_that_may_be_typed_is_read() -> None:
    schedule = parse_schedule(FULL)
    assert (schedule.opening_day, schedule.opening_hour, schedule.due_day) == (20, 8, 28)
    assert (schedule.reminder_days, schedule.reminder_hour, schedule.grace_days) == ((5, 2, 0), 9, 4)
    assert schedule.pauses == ((date(2027, 1, 25), date(2027, 2, 10)),)


@pytest.mark.parametrize(
    ("typed", "schedule"),
    [
        ("mo ngay 20 han ngay 28", Schedule(20, due_day=28)),
        ("mở kỳ ngày 5 hằng tháng, hạn cuối tháng", Schedule(5, due_day=31)),
        ("mở ngày mùng 5, hạn ngày 25", Schedule(5, due_day=25)),
        ("mở ngày cuối tháng hạn sau 7 ngày", Schedule(31, days_until_due=7)),
        ("hạn sau 10 ngày, mở ngày 1", Schedule(1, days_until_due=10)),
        ("mo ngay 25 han ngay 3 nhac truoc 1 ngay", Schedule(25, due_day=3, reminder_days=(1,))),
        ("mở ngày 25, hạn ngày 3 tháng sau", Schedule(25, due_day=3)),
        (
            "mở ngày 20 lúc 7h; hạn nộp ngày 28. nhắc 3 và 1 ngày lúc 18h",
            Schedule(20, opening_hour=7, due_day=28, reminder_days=(3, 1), reminder_hour=18),
        ),
        ("mở lúc 3 giờ chiều ngày 20, hạn ngày 28", Schedule(20, opening_hour=15, due_day=28)),
        ("mở ngày 20, hạn ngày 28, không nhắc", Schedule(20, due_day=28, reminder_days=())),
        (
            "nhắc trước hạn 5 ngày, 2 ngày và đúng ngày hạn, hạn ngày 28, mở ngày 20",
            Schedule(20, due_day=28, reminder_days=(5, 2, 0)),
        ),
        ("mở ngày 20, hạn ngày 28, nhắc 5 ngày trước hạn", Schedule(20, due_day=28, reminder_days=(5,))),
        ("mở ngày 20, hạn ngày 28, nhận phiếu nộp muộn thêm 4 ngày", Schedule(20, due_day=28, grace_days=4)),
        ("mở ngày 20, hạn ngày 28, không nhận phiếu nộp muộn", Schedule(20, due_day=28, grace_days=0)),
        (
            "mở ngày 20 hạn ngày 28 nghỉ từ 25/1 đến hết 10/2/2027, nghỉ 30/04/2027",
            Schedule(
                20,
                due_day=28,
                pauses=((date(2027, 1, 25), date(2027, 2, 10)), (date(2027, 4, 30), date(2027, 4, 30))),
            ),
        ),
    ],
)
def test_order_accents_and_small_words_do_not_matter(typed: str, schedule: Schedule) -> None:
    assert parse_schedule(typed) == schedule


@pytest.mark.parametrize(
    ("typed", "problem"),
    [
        ("", Problem.NO_OPENING),
        ("hạn ngày 28", Problem.NO_OPENING),
        ("mở ngày 20", Problem.NO_DUE),
        ("mở ngày 0, hạn ngày 28", Problem.OPENING_DAY),
        ("mở ngày 32, hạn ngày 28", Problem.OPENING_DAY),
        ("mở ngày 200, hạn ngày 28", Problem.OPENING_DAY),
        ("mở ngày 20, hạn ngày 28 tháng sau", Problem.DUE_TOO_LATE),
        ("mở ngày 31, hạn cuối tháng", Problem.SAME_DAY),
        ("mở ngày 5 lúc 8h30, hạn ngày 28", Problem.HOUR),
        ("mở ngày 20, hạn ngày 28, nghỉ Tết", Problem.PAUSE),
        ("mở ngày 20, hạn ngày 28, nghỉ 25/1-10/2", Problem.PAUSE),
        ("mở ngày 20, hạn ngày 28, hạn ngày 29", Problem.NOT_UNDERSTOOD),
        ("mở ngày 20, hạn ngày 28, nghỉ 25/01/2027-10/02/20277", Problem.NOT_UNDERSTOOD),
        ("mở ngày 20, hạn ngày 45", Problem.DUE_DAY),
        ("mở ngày 20, hạn ngày 20", Problem.SAME_DAY),
        ("mở ngày 20, hạn sau 40 ngày", Problem.DAYS_UNTIL_DUE),
        ("mở ngày 20 lúc 23 giờ, hạn ngày 28", Problem.HOUR),
        ("mở ngày 20 lúc 6 giờ, hạn ngày 28", Problem.HOUR),
        ("mở ngày 20, hạn ngày 28, nhắc trước 40 ngày", Problem.REMINDER_DAYS),
        ("mở ngày 20, hạn ngày 28, nhận thêm 50 ngày", Problem.GRACE),
        ("mở ngày 20, hạn ngày 28, nghỉ 31/02/2027-10/03/2027", Problem.PAUSE),
        ("mở ngày 20, hạn ngày 28, nghỉ 10/02/2027-25/01/2027", Problem.PAUSE),
        ("mở ngày 20, hạn ngày 28, nghỉ 10/02/2027-25/01/2028", Problem.PAUSE),
        ("mở ngày 20, hạn ngày 28, và gọi cho tôi", Problem.NOT_UNDERSTOOD),
    ],
)
def test_what_cannot_be_used_says_which_part(typed: str, problem: Problem) -> None:
    with pytest.raises(ScheduleNotUnderstood) as refused:
        parse_schedule(typed)
    assert refused.value.problem is problem


def test_what_was_not_understood_is_quoted_as_it_was_typed() -> None:
    with pytest.raises(ScheduleNotUnderstood) as refused:
        parse_schedule("mở ngày 20, hạn ngày 28, và gọi điện cho Đ/c Hoà")
    assert refused.value.words == "gọi điện cho Đ/c Hoà"


words = st.sampled_from(
    "mở|hạn|ngày|nhắc|nghỉ|lúc|giờ|trước|không|thêm|cuối tháng|tháng sau|Đ/c|ﬁ|İ|,|0|5|20|28|99|mở ngày 20|hạn ngày 28|"
    "25/01/2027|25/1-3/2/2027|9999/1/2".split("|")
)


@given(st.text(max_size=80) | st.lists(words, max_size=20).map(" ".join))
def test_any_text_is_read_or_refused(typed: str) -> None:
    with contextlib.suppress(ScheduleNotUnderstood):
        assert from_settings(to_settings(parse_schedule(typed))) == parse_schedule(typed)


@pytest.mark.parametrize("schedule", [Schedule(opening_day=5, due_day=31), parse_schedule(FULL)])
def test_kept_schedule_is_the_same_again(schedule: Schedule) -> None:
    assert from_settings(to_settings(schedule)) == schedule


def test_what_an_older_program_did_not_keep_is_as_for_a_new_schedule() -> None:
    assert from_settings({"opening_day": 5, "due_day": 20}) == Schedule(opening_day=5, due_day=20)
    assert from_settings({"opening_day": 5, "due_day": 20, "quiet_from": "22:00:00"}).quiet_from == time(22)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"opening_day": 5},
        {"opening_day": "x", "due_day": 3},
        {"opening_day": 5.5, "due_day": 9},
        {"opening_day": True, "due_day": 9},
        {"opening_day": 5, "due_day": 9, "reminder_days": [1.5]},
        {"opening_day": 5, "due_day": 9, "pauses": None},
        {"opening_day": 5, "due_day": 9, "pauses": [["2027-01-01"]]},
        {"opening_day": 5, "due_day": 9, "quiet_from": "spät"},
        {"opening_day": 5, "due_day": 9, "reminder_days": 5},
    ],
)
def test_broken_settings_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        from_settings(values)
