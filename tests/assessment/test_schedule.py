from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assessment.model import AssessmentRound, Member, Response
from assessment.schedule import (
    MOST_GRACE_DAYS,
    OPENED,
    AlreadyReminded,
    GraceOutOfRange,
    Reminder,
    ReminderKey,
    RoundClosed,
    RoundState,
    Schedule,
    closes_at,
    due_day_ends_at,
    due_on,
    due_reminders,
    extended,
    is_late,
    local_day,
    opening_at,
    participants,
    remind_now,
    reminder_kind,
    round_state,
    sendable_at,
    still_to_hand_in,
)

HANOI = timezone(timedelta(hours=7))
MARCH = date(2027, 3, 1)
TET = (date(2027, 2, 4), date(2027, 2, 12))


def local(day: date, hour: int = 0, minute: int = 0) -> datetime:
    """A moment by the clock on the wall in Vietnam."""
    return datetime.combine(day, time(hour, minute), tzinfo=HANOI).astimezone(UTC)


def march(day: int, hour: int = 9, minute: int = 0) -> datetime:
    return local(MARCH.replace(day=day), hour, minute)


def a_schedule(**changed: Any) -> Schedule:
    return Schedule(**{"opening_day": 15, "due_day": 25, **changed})


def a_member(id: int = 1, **changed: Any) -> Member:
    return Member(**{"id": id, "cell_id": 1, "name": f"Đảng viên {id}", **changed})


def a_round(**changed: Any) -> AssessmentRound:
    """March 2027: opened on the 15th, due on the 25th, closed with the 28th."""
    days = {"month": MARCH, "opened_on": MARCH.replace(day=15), "due_on": MARCH.replace(day=25), "grace_days": 3}
    return AssessmentRound(**{"id": 7, "cell_id": 1, "checklist_id": "37", "checklist_version": 1, **days, **changed})


def a_response(member: Member, monthly: AssessmentRound, submitted_on: date | None = None) -> Response:
    return Response(member.id, monthly.id, submitted_on=submitted_on or monthly.opened_on)


def a_draft(member: Member, monthly: AssessmentRound) -> Response:
    return Response(member.id, monthly.id)


def heard(
    now: datetime,
    members: Sequence[Member] = (a_member(),),
    responses: Sequence[Response] = (),
    *,
    monthly: AssessmentRound | None = None,
    schedule: Schedule | None = None,
    already_sent: Collection[ReminderKey] = (),
) -> list[tuple[int, str]]:
    """Who hears what now, in short."""
    reminders = due_reminders(
        monthly or a_round(), members, responses, schedule or a_schedule(), now=now, already_sent=already_sent
    )
    return [(reminder.member_id, reminder.kind) for reminder in reminders]


# --- What a secretary may set -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"opening_day": 0}, "opening_day 0 is out of range: choose 1 to 31"),
        ({"opening_hour": 24}, "opening_hour 24 is out of range"),
        ({"opening_hour": 5}, "opening_hour 5 lies in the quiet hours 21:00-06:30"),
        ({"reminder_hour": 21}, "reminder_hour 21 lies in the quiet hours 21:00-06:30"),
        ({"due_day": None}, "either days_until_due or due_day"),
        ({"days_until_due": 5}, "either days_until_due or due_day"),
        ({"due_day": 15}, "due_day 15 is the opening day"),
        ({"due_day": 32}, "due_day 32 is out of range"),
        ({"due_day": None, "days_until_due": 28}, "days_until_due 28 is out of range: choose 1 to 27"),
        ({"grace_days": -1}, "grace_days -1 is out of range"),
        ({"reminder_days": (5, -1)}, "reminder_days -1 is out of range"),
        ({"reminder_days": (5, 2, 5)}, "name a day twice"),
        ({"quiet_from": time(21, tzinfo=UTC)}, "without a time zone"),
        ({"pauses": ((TET[1], TET[0]),)}, "ends before it begins"),
        ({"pauses": ((TET[0], TET[1].replace(year=2072)),)}, "longer than 92 days: check the years"),
    ],
)
def test_a_schedule_that_cannot_be_kept_is_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        a_schedule(**changed)


def test_quiet_hours_may_be_absent_or_within_a_day() -> None:
    never = a_schedule(quiet_from=time(0), quiet_until=time(0))
    at_noon = a_schedule(quiet_from=time(11, 30), quiet_until=time(13))
    assert sendable_at(march(1, 23), never) == march(1, 23)
    assert sendable_at(march(1, 11, 30), at_noon) == march(1, 13)
    assert sendable_at(march(1, 23), at_noon) == march(1, 23)


# --- A round's days -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("month", "opening_day", "due_day", "expected"),
    [
        (date(2027, 3, 1), 15, 31, date(2027, 3, 31)),
        (date(2027, 4, 1), 15, 31, date(2027, 4, 30)),
        (date(2027, 2, 1), 15, 31, date(2027, 2, 28)),
        (date(2028, 2, 1), 15, 31, date(2028, 2, 29)),
        (date(2028, 2, 1), 15, 30, date(2028, 2, 29)),
        (date(2027, 3, 1), 25, 5, date(2027, 4, 5)),
        (date(2027, 12, 1), 25, 5, date(2028, 1, 5)),
        (date(2027, 1, 1), 31, 30, date(2027, 2, 28)),
    ],
)
def test_a_due_day_keeps_to_the_month(month: date, opening_day: int, due_day: int, expected: date) -> None:
    assert due_on(month, a_schedule(opening_day=opening_day, due_day=due_day)) == expected


def test_days_until_due_count_from_the_opening() -> None:
    schedule = a_schedule(opening_day=31, due_day=None, days_until_due=7)
    assert due_on(date(2027, 2, 1), schedule) == date(2027, 3, 7)
    assert due_on(date(2028, 2, 1), schedule) == date(2028, 3, 7)


def test_a_round_opens_at_the_hour_of_the_local_day() -> None:
    assert opening_at(MARCH, a_schedule(opening_hour=7)) == datetime(2027, 3, 15, 0, tzinfo=UTC)
    assert opening_at(date(2027, 2, 1), a_schedule(opening_day=30, due_day=5)) == local(date(2027, 2, 28), 8)


def test_tet_moves_the_opening_and_members_keep_their_days() -> None:
    schedule = a_schedule(opening_day=5, due_day=10, pauses=(TET,))
    assert opening_at(date(2027, 2, 1), schedule) == local(date(2027, 2, 13), 8)
    assert due_on(date(2027, 2, 1), schedule) == date(2027, 2, 18)
    assert due_on(MARCH, schedule) == date(2027, 3, 10)


def test_a_due_day_in_tet_gives_way_to_the_first_day_after() -> None:
    assert due_on(date(2027, 2, 1), a_schedule(opening_day=1, due_day=10, pauses=(TET,))) == date(2027, 2, 13)


def test_pauses_that_touch_are_one() -> None:
    schedule = a_schedule(opening_day=5, due_day=10, pauses=((date(2027, 2, 13), date(2027, 2, 14)), TET))
    assert opening_at(date(2027, 2, 1), schedule) == local(date(2027, 2, 15), 8)


def test_a_round_is_open_then_late_then_closed() -> None:
    monthly = a_round()
    assert closes_at(monthly) == march(29, 0)
    assert round_state(monthly, march(25, 23, 59)) is RoundState.OPEN
    assert round_state(monthly, march(26, 0)) is RoundState.LATE
    assert round_state(monthly, march(28, 23, 59)) is RoundState.LATE
    assert round_state(monthly, march(29, 0)) is RoundState.CLOSED
    assert [is_late(monthly, MARCH.replace(day=day)) for day in (25, 26)] == [False, True]


def test_a_round_without_grace_closes_when_the_due_day_ends() -> None:
    monthly = a_round(grace_days=0)
    assert round_state(monthly, march(25, 23, 59)) is RoundState.OPEN
    assert round_state(monthly, march(26, 0)) is RoundState.CLOSED


def test_a_round_closed_by_hand_stays_closed_where_the_clock_jumps_back() -> None:
    monthly = a_round(closed_at=march(20, 10))
    assert closes_at(monthly) == march(20, 10)
    assert round_state(monthly, march(19)) is RoundState.CLOSED


def test_grace_is_extended_as_long_as_the_round_is_open() -> None:
    monthly = a_round()
    assert extended(monthly, 6, now=march(28, 23, 59)) == replace(monthly, grace_days=6)
    with pytest.raises(RoundClosed) as closed:
        extended(monthly, 6, now=march(29, 0))
    assert closed.value.closes_at == march(29, 0)


def test_grace_is_not_taken_back_once_its_days_have_begun() -> None:
    monthly = a_round()
    assert extended(monthly, 0, now=march(25)) == replace(monthly, grace_days=0)
    assert extended(monthly, 2, now=march(27)) == replace(monthly, grace_days=2)
    with pytest.raises(GraceOutOfRange, match="a grace of 1 days cannot be given: choose 2 to 31") as refused:
        extended(monthly, 1, now=march(27))
    assert (refused.value.least_days, refused.value.most_days) == (2, MOST_GRACE_DAYS)
    for grace_days in (-1, MOST_GRACE_DAYS + 1, 10**12):
        with pytest.raises(GraceOutOfRange):
            extended(monthly, grace_days, now=march(20))


def test_a_moment_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="give an aware datetime"):
        sendable_at(datetime(2027, 3, 1, 8), a_schedule())


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (march(1, 20, 59), march(1, 20, 59)),
        (march(1, 21), march(2, 6, 30)),
        (march(2, 6, 29), march(2, 6, 30)),
        (march(2, 6, 30), march(2, 6, 30)),
        (local(date(2027, 2, 3), 22), local(date(2027, 2, 13), 6, 30)),
        (local(date(2027, 2, 8), 12), local(date(2027, 2, 13), 6, 30)),
    ],
)
def test_what_may_not_be_sent_now_waits_for_the_morning(at: datetime, expected: datetime) -> None:
    assert sendable_at(at, a_schedule(pauses=(TET,))) == expected


# --- Who takes part -----------------------------------------------------------------------------------------------


def taking_part(
    members: Sequence[Member], day: int, responses: Sequence[Response] = (), monthly: AssessmentRound | None = None
) -> list[int]:
    found = participants(monthly or a_round(), members, responses, day=MARCH.replace(day=day))
    return [member.id for member in found]


def test_members_of_other_cells_take_no_part() -> None:
    assert taking_part([a_member(1), a_member(2, cell_id=2)], 20) == [1]


def test_who_joins_during_the_round_takes_part_from_that_day() -> None:
    an = a_member(joined_on=MARCH.replace(day=20))
    assert [taking_part([an], day) for day in (19, 20, 28)] == [[], [1], [1]]


def test_who_joins_after_the_due_day_takes_no_part() -> None:
    assert taking_part([a_member(joined_on=MARCH.replace(day=26))], 27) == []


def test_who_leaves_without_having_handed_in_no_longer_takes_part() -> None:
    an = a_member(left_on=MARCH.replace(day=20))
    monthly = a_round()
    assert [taking_part([an], day, [a_draft(an, monthly)]) for day in (19, 20)] == [[1], []]


def test_who_leaves_after_having_handed_in_still_takes_part() -> None:
    an = a_member(left_on=MARCH.replace(day=20))
    monthly = a_round()
    assert taking_part([an], 27, [a_response(an, monthly)]) == [1]
    assert taking_part([an], 27, [a_response(an, replace(monthly, id=6))]) == []


def test_a_closed_round_keeps_its_participants() -> None:
    an, binh = a_member(1, left_on=MARCH.replace(day=29)), a_member(2, left_on=MARCH.replace(day=22))
    assert taking_part([an, binh], 31) == [1]
    assert taking_part([an, binh], 31, monthly=a_round(closed_at=march(21))) == [1, 2]


def test_a_clock_before_the_opening_sees_the_opening_day() -> None:
    assert taking_part([a_member(joined_on=MARCH.replace(day=15))], 1) == [1]


def test_who_was_in_the_cell_twice_is_counted_once() -> None:
    first, second = a_member(left_on=MARCH.replace(day=17)), a_member(joined_on=MARCH.replace(day=20))
    monthly = a_round()
    assert [taking_part([first, second], day) for day in (16, 18, 21)] == [[1], [], [1]]
    assert taking_part([first, second], 21, [a_response(first, monthly)]) == [1]


def test_still_to_hand_in_names_also_those_without_a_phone() -> None:
    an, binh, chi = a_member(1), a_member(2, has_phone=False), a_member(3)
    monthly = a_round()
    responses = (response for response in [a_response(an, monthly), a_draft(chi, monthly)])
    assert still_to_hand_in(monthly, [an, binh, chi], responses, day=MARCH.replace(day=20)) == [binh, chi]


# --- Who should hear from us --------------------------------------------------------------------------------------


def test_member_who_has_submitted_gets_no_reminder() -> None:
    an, binh = a_member(1), a_member(2)
    assert heard(march(23), [an, binh], [a_response(an, a_round()), a_draft(binh, a_round())]) == [(2, "reminder-2")]


def test_a_response_to_another_round_does_not_count() -> None:
    an = a_member()
    assert heard(march(23), [an], [a_response(an, a_round(id=6))]) == [(1, "reminder-2")]


def test_member_without_a_phone_gets_no_reminder() -> None:
    assert heard(march(23), [a_member(1, has_phone=False), a_member(2)]) == [(2, "reminder-2")]


def test_reminders_come_at_their_hour() -> None:
    sent = [(7, 1, OPENED)]
    assert heard(march(20, 8, 59), already_sent=sent) == []
    reminders = due_reminders(a_round(), [a_member()], [], a_schedule(), now=march(20, 9, 1), already_sent=sent)
    assert reminders == [Reminder(1, 7, "reminder-5", due_at=march(20, 9))]


def test_the_opening_is_told_at_once_and_once() -> None:
    assert heard(march(15, 8)) == [(1, OPENED)]
    assert heard(march(15, 8), already_sent=[(7, 1, OPENED)]) == []
    assert heard(march(15, 8), already_sent=[(6, 1, OPENED)]) == [(1, OPENED)]


def test_a_round_opened_at_night_is_told_in_the_morning() -> None:
    assert heard(march(15, 22)) == []
    assert heard(march(16, 6, 30)) == [(1, OPENED)]


def test_a_round_opened_by_hand_in_a_pause_is_told_after_it() -> None:
    schedule = a_schedule(pauses=((MARCH.replace(day=14), MARCH.replace(day=17)),))
    assert heard(march(17, 12), schedule=schedule) == []
    assert heard(march(18, 6, 30), schedule=schedule) == [(1, OPENED)]


def test_the_opening_day_has_no_second_reminder() -> None:
    schedule = a_schedule(reminder_days=(10, 2))
    assert heard(march(15, 10), schedule=schedule) == [(1, OPENED)]
    assert heard(march(15, 10), schedule=schedule, already_sent=[(7, 1, OPENED)]) == []


def test_a_round_opened_late_skips_the_reminders_before_it() -> None:
    assert heard(march(21), monthly=a_round(opened_on=MARCH.replace(day=21))) == [(1, OPENED)]


def test_after_days_off_only_the_last_missed_reminder_comes() -> None:
    assert heard(march(24, 7)) == [(1, "reminder-2")]
    assert heard(march(24, 7), already_sent=[(7, 1, "reminder-2")]) == []


def test_what_was_missed_gives_way_to_what_comes_later_today() -> None:
    assert heard(march(23, 7)) == []
    assert heard(march(23, 9)) == [(1, "reminder-2")]


def test_the_last_reminder_missed_comes_later_on_the_due_day_and_not_after_it() -> None:
    assert heard(march(25, 8, 59)) == []
    assert heard(march(25, 20, 59)) == [(1, "reminder-0")]
    assert heard(march(26)) == []
    assert heard(march(28, 20, 59)) == []


def test_who_never_heard_of_the_round_hears_nothing_after_the_due_day() -> None:
    assert heard(march(26), schedule=Schedule(opening_day=5, due_day=25, reminder_days=())) == []


def test_due_day_ends_at_midnight_or_when_the_round_was_closed_before() -> None:
    assert due_day_ends_at(a_round()) == march(26, 0)
    assert due_day_ends_at(a_round(closed_at=march(22))) == march(22)


def test_a_closed_round_reminds_nobody() -> None:
    assert heard(march(29)) == []
    assert heard(march(23), monthly=a_round(closed_at=march(22))) == []


def test_a_clock_that_jumps_back_repeats_nothing_and_says_nothing_older() -> None:
    sent = [(7, 1, "reminder-2")]
    assert heard(march(23), already_sent=sent) == []
    assert heard(march(20), already_sent=sent) == []
    assert heard(march(15), already_sent=sent) == []
    assert heard(march(25), already_sent=sent) == [(1, "reminder-0")]


def test_other_reminder_days_set_meanwhile_do_not_repeat_what_was_said() -> None:
    assert heard(march(23, 10), schedule=a_schedule(reminder_days=(3, 1)), already_sent=[(7, 1, "reminder-2")]) == []


def test_a_member_who_joins_hears_first_that_the_round_is_open() -> None:
    an = a_member(joined_on=MARCH.replace(day=22))
    assert heard(march(21), [an]) == []
    assert heard(march(22), [an]) == [(1, OPENED)]
    assert heard(march(23), [an], already_sent=[(7, 1, OPENED)]) == [(1, "reminder-2")]


def test_a_member_who_has_left_or_joins_too_late_hears_nothing() -> None:
    assert heard(march(23), [a_member(left_on=MARCH.replace(day=23))]) == []
    assert heard(march(27), [a_member(joined_on=MARCH.replace(day=26))]) == []
    assert heard(march(27), [a_member(left_on=MARCH.replace(day=27))]) == []


def test_a_pause_over_all_reminders_leaves_one_for_the_day_after() -> None:
    schedule = a_schedule(pauses=((MARCH.replace(day=18), MARCH.replace(day=26)),))
    monthly = a_round(due_on=due_on(MARCH, schedule))
    assert monthly.due_on == MARCH.replace(day=27)
    assert [heard(march(day), monthly=monthly, schedule=schedule) for day in (18, 22, 26)] == [[], [], []]
    assert heard(march(27), monthly=monthly, schedule=schedule) == [(1, "reminder-0")]


def test_a_pause_until_the_closing_leaves_no_reminder() -> None:
    schedule = a_schedule(pauses=((MARCH.replace(day=15), MARCH.replace(day=28)),))
    assert [heard(march(day), schedule=schedule) for day in range(15, 32)] == [[]] * 17


# --- The secretary's own reminder ---------------------------------------------------------------------------------


def pressed(
    now: datetime,
    last_manual_at: datetime | None = None,
    members: Sequence[Member] = (a_member(),),
    responses: Sequence[Response] = (),
    schedule: Schedule | None = None,
) -> tuple[datetime, list[int]]:
    return remind_now(a_round(), members, responses, schedule or a_schedule(), now=now, last_manual_at=last_manual_at)


def test_the_secretary_reminds_those_who_have_not_handed_in_and_have_a_phone() -> None:
    an, binh, chi, dung = a_member(1), a_member(2), a_member(3, has_phone=False), a_member(4, cell_id=2)
    responses = [a_response(an, a_round()), a_draft(binh, a_round())]
    assert pressed(march(20, 10), members=[an, binh, chi, dung], responses=responses) == (march(20, 10), [2])


def test_a_press_at_night_is_for_the_morning_and_for_who_is_there_then() -> None:
    leaves = a_member(2, left_on=MARCH.replace(day=21))
    assert pressed(march(20, 22), members=[a_member(1), leaves]) == (march(21, 6, 30), [1])


def test_the_secretary_reminds_once_a_day() -> None:
    with pytest.raises(AlreadyReminded) as refused:
        pressed(march(20, 15), last_manual_at=march(20, 10))
    assert refused.value.again_at == march(21, 6, 30)
    assert pressed(refused.value.again_at, last_manual_at=march(20, 10)) == (march(21, 6, 30), [1])


def test_a_press_at_night_uses_up_the_next_day() -> None:
    assert pressed(march(20, 22), last_manual_at=march(20, 10)) == (march(21, 6, 30), [1])
    for now in (march(20, 23), march(21, 15)):
        with pytest.raises(AlreadyReminded) as refused:
            pressed(now, last_manual_at=march(20, 22))
        assert refused.value.again_at == march(22, 6, 30)


def test_a_clock_that_jumps_back_gives_no_second_press() -> None:
    with pytest.raises(AlreadyReminded):
        pressed(march(19, 10), last_manual_at=march(20, 10))


def test_a_press_in_a_pause_waits_for_its_end() -> None:
    schedule = a_schedule(pauses=((MARCH.replace(day=19), MARCH.replace(day=21)),))
    assert pressed(march(20), schedule=schedule) == (march(22, 6, 30), [1])
    with pytest.raises(AlreadyReminded):
        pressed(march(21), last_manual_at=march(20), schedule=schedule)


def test_a_press_that_could_only_be_heard_after_the_closing_is_refused() -> None:
    assert pressed(march(28, 20)) == (march(28, 20), [1])
    for now in (march(28, 21), march(29, 10)):
        with pytest.raises(RoundClosed) as refused:
            pressed(now)
        assert refused.value.closes_at == march(29, 0)


# --- Whatever the roster, the schedule and the clock --------------------------------------------------------------

few = settings(max_examples=120, deadline=None)
months = st.builds(date, st.sampled_from([2027, 2028]), st.integers(1, 12), st.just(1))
moments = st.datetimes(datetime(2028, 1, 20), datetime(2028, 3, 20), timezones=st.just(UTC))
REMINDER_DAYS = [0, 1, 2, 5, 9]
# (from, until, hours outside them)
quiet_hours = st.sampled_from(
    [
        (time(21), time(6, 30), range(7, 21)),
        (time(22, 15), time(7), range(7, 23)),
        (time(0), time(8), range(8, 24)),
        (time(11, 30), time(13), range(13, 24)),
        (time(12), time(8), range(8, 12)),
        (time(0), time(0), range(24)),
    ]
)


@st.composite
def schedules(draw: st.DrawFn, pause_days: st.SearchStrategy[date]) -> Schedule:
    """Any schedule whose pauses begin on such days."""
    opening_day = draw(st.integers(1, 31))
    by_day = draw(st.booleans())
    quiet_from, quiet_until, hours = draw(quiet_hours)
    pauses = draw(st.lists(st.tuples(pause_days, st.sampled_from([0, 1, 3, 8, 30])), max_size=3))
    return Schedule(
        opening_day=opening_day,
        opening_hour=draw(st.sampled_from(hours)),
        days_until_due=None if by_day else draw(st.integers(1, 27)),
        due_day=draw(st.integers(1, 31).filter(lambda day: day != opening_day)) if by_day else None,
        grace_days=draw(st.integers(0, 10)),
        reminder_days=tuple(draw(st.lists(st.sampled_from(REMINDER_DAYS), unique=True, max_size=4))),
        reminder_hour=draw(st.sampled_from(hours)),
        quiet_from=quiet_from,
        quiet_until=quiet_until,
        pauses=tuple((first, first + timedelta(days=length)) for first, length in pauses),
    )


@st.composite
def planned_months(draw: st.DrawFn) -> tuple[date, Schedule]:
    """A month and a schedule with pauses about it."""
    month = draw(months)
    return month, draw(schedules(st.dates(month - timedelta(days=10), month + timedelta(days=60))))


@st.composite
def scenes(draw: st.DrawFn) -> tuple[Schedule, AssessmentRound, list[Member], list[Response]]:
    """A cell in its round, opened by the schedule or by hand, with people who come, go, hand in or do not."""
    month, schedule = draw(planned_months())
    opened_on = local_day(opening_at(month, schedule))
    monthly = a_round(month=month, opened_on=opened_on, due_on=due_on(month, schedule), grace_days=schedule.grace_days)
    if draw(st.booleans()):
        opened_on = month + timedelta(days=draw(st.integers(0, 30)))
        monthly = replace(monthly, opened_on=opened_on, due_on=opened_on + timedelta(days=draw(st.integers(0, 25))))
    if draw(st.sampled_from(range(8))) == 5:
        open_days = (monthly.due_on - monthly.opened_on).days + monthly.grace_days
        closed_on = monthly.opened_on + timedelta(days=draw(st.integers(0, open_days)))
        monthly = replace(monthly, closed_at=local(closed_on, draw(st.integers(0, 23))))
    around_round = st.dates(monthly.opened_on - timedelta(days=3), monthly.due_on + timedelta(days=12))
    members = draw(
        st.lists(
            st.builds(
                Member,
                id=st.integers(1, 8),
                cell_id=st.sampled_from([1, 1, 1, 2]),
                name=st.just("An"),
                joined_on=st.none() | st.just(date(2020, 1, 1)) | around_round,
                left_on=st.none() | st.just(date(2040, 1, 1)) | around_round,
            ).map(lambda member: replace(member, has_phone=member.id % 4 > 0)),
            min_size=3,
            max_size=8,
        )
    )
    responses = draw(
        st.lists(
            st.builds(
                Response,
                member_id=st.integers(1, 8),
                round_id=st.sampled_from([7, 7, 7, 6]),
                submitted_on=st.none() | st.just(monthly.opened_on),
            ),
            max_size=3,
        )
    )
    return schedule, monthly, members, responses


def may_not_send(at: datetime, schedule: Schedule) -> bool:
    """Quiet hours and pauses once more, in another way: minute by minute on a clock of seven hours."""
    wall = at.astimezone(HANOI)
    quiet_from = schedule.quiet_from.hour * 60 + schedule.quiet_from.minute
    length = (schedule.quiet_until.hour * 60 + schedule.quiet_until.minute - quiet_from) % (24 * 60)
    is_quiet = (wall.hour * 60 + wall.minute - quiet_from) % (24 * 60) < length
    return is_quiet or any(first <= wall.date() <= last for first, last in schedule.pauses)


def may_hear(
    monthly: AssessmentRound, members: Sequence[Member], responses: Sequence[Response], now: datetime
) -> set[int]:
    """Who may be spoken to at all, said once more."""
    today = now.astimezone(HANOI).date()
    handed_in = {response.member_id for response in responses if response.round_id == 7 and response.submitted_on}
    return {
        member.id
        for member in members
        if member.cell_id == 1 and member.has_phone
        if (member.joined_on or date.min) <= min(today, monthly.due_on) and today < (member.left_on or date.max)
    } - handed_in


def a_clock(monthly: AssessmentRound) -> st.SearchStrategy[datetime]:
    """Moments from before the opening until after the closing, more by day than by night."""
    open_days = (monthly.due_on - monthly.opened_on).days + monthly.grace_days
    wall_days = [monthly.opened_on + timedelta(days=day) for day in range(-1, open_days + 3)]
    wall_days += [monthly.due_on - timedelta(days=days) for days in REMINDER_DAYS] * 2
    hours = [0, 5, 7, 8, 9, 10, 11, 14, 17, 20, 22]
    return st.builds(local, st.sampled_from(wall_days), st.sampled_from(hours), st.integers(0, 59))


@few
@given(moments, schedules(st.dates(date(2028, 1, 15), date(2028, 3, 15))))
def test_sendable_at_is_the_first_moment_that_may_be(at: datetime, schedule: Schedule) -> None:
    found = sendable_at(at, schedule)
    assert found >= at
    assert not may_not_send(found, schedule)
    assert sendable_at(found, schedule) == found
    assert found == at or may_not_send(found - timedelta(microseconds=1), schedule)
    steps = range(0, int((found - at).total_seconds() // 60), 17)
    assert all(may_not_send(at + timedelta(minutes=step), schedule) for step in steps)


@few
@given(planned_months())
def test_a_round_never_opens_in_quiet_hours_or_in_a_pause(planned: tuple[date, Schedule]) -> None:
    month, schedule = planned
    at = opening_at(month, schedule)
    assert at.tzinfo is UTC
    assert not may_not_send(at, schedule)
    assert at >= opening_at(month, replace(schedule, pauses=()))


@few
@given(planned_months())
def test_a_due_day_is_the_day_set_or_the_last_of_its_month(planned: tuple[date, Schedule]) -> None:
    month, schedule = planned
    plain = replace(schedule, pauses=())
    due, opened_on = due_on(month, plain), local_day(opening_at(month, plain))
    is_last = (due + timedelta(days=1)).day == 1
    if schedule.days_until_due is not None:
        assert due == opened_on + timedelta(days=schedule.days_until_due)
    elif schedule.due_day is not None:
        assert due.day == schedule.due_day or (due.day < schedule.due_day and is_last)
        is_same_month = schedule.due_day > schedule.opening_day
        assert (due.month == month.month) is is_same_month
    assert opened_on <= due < opened_on + timedelta(days=31)


@few
@given(planned_months())
def test_a_pause_takes_no_time_from_members(planned: tuple[date, Schedule]) -> None:
    month, schedule = planned
    plain = replace(schedule, pauses=())
    due, opened_on = due_on(month, schedule), local_day(opening_at(month, schedule))
    assert due - opened_on >= due_on(month, plain) - local_day(opening_at(month, plain))
    assert due >= due_on(month, plain)
    assert not any(first <= due <= last for first, last in schedule.pauses)


@few
@given(scenes(), st.data())
def test_reminders_reach_only_who_should_hear(
    scene: tuple[Schedule, AssessmentRound, list[Member], list[Response]], data: st.DataObject
) -> None:
    schedule, monthly, members, responses = scene
    kinds = st.sampled_from([OPENED, *map(reminder_kind, schedule.reminder_days)])
    sent = data.draw(st.sets(st.tuples(st.sampled_from([6, 7]), st.integers(1, 8), kinds), max_size=6))
    now = data.draw(a_clock(monthly))
    reminders = due_reminders(monthly, members, responses, schedule, now=now, already_sent=sent)
    if may_not_send(now, schedule) or now >= closes_at(monthly) or monthly.closed_at:
        assert reminders == []
    assert not {reminder.key for reminder in reminders} & sent
    assert len({reminder.member_id for reminder in reminders}) == len(reminders)
    for reminder in reminders:
        assert reminder.member_id in may_hear(monthly, members, responses, now)
        assert reminder.round_id == monthly.id
        assert reminder.due_at <= now
        assert not may_not_send(reminder.due_at, schedule)
        assert reminder.due_at >= local(monthly.opened_on)


@few
@given(scenes(), st.data())
def test_a_month_with_a_wild_clock_says_nothing_twice(
    scene: tuple[Schedule, AssessmentRound, list[Member], list[Response]], data: st.DataObject
) -> None:
    """The clock steps, stands still and jumps both ways between restarts; only what was sent is remembered."""
    schedule, monthly, members, responses = scene
    order = [OPENED, *(reminder_kind(days) for days in sorted(schedule.reminder_days, reverse=True))]
    steps = st.integers(0, 2 * 24 * 60).map(lambda minutes: timedelta(minutes=minutes))
    jumps = a_clock(monthly)
    now = local(monthly.opened_on, 6)
    sent: list[ReminderKey] = []
    for move in data.draw(st.lists(steps | steps | jumps, min_size=20, max_size=60)):
        now = move if isinstance(move, datetime) else now + move
        reminders = due_reminders(monthly, members, responses, schedule, now=now, already_sent=frozenset(sent))
        sent += [reminder.key for reminder in reminders]
        assert not (reminders and may_not_send(now, schedule))
        assert {reminder.member_id for reminder in reminders} <= may_hear(monthly, members, responses, now)
        if data.draw(st.sampled_from(range(30))) == 7:
            member = data.draw(st.sampled_from(members))
            responses = [*responses, a_response(member, monthly)]
    assert len(set(sent)) == len(sent)
    for member_id in range(1, 9):
        told = [order.index(kind) for _, hearer, kind in sent if hearer == member_id]
        assert told == sorted(told)


@few
@given(scenes(), st.integers(60, 700))
def test_a_steady_clock_says_at_most_one_thing_a_day(
    scene: tuple[Schedule, AssessmentRound, list[Member], list[Response]], step_minutes: int
) -> None:
    schedule, monthly, members, responses = scene
    # Two stays of one person in the cell would be two openings to tell of.
    members = list({member.id: member for member in members}.values())
    sent: set[ReminderKey] = set()
    told_on: list[tuple[int, date]] = []
    now = local(monthly.opened_on, 5)
    while now < closes_at(monthly):
        reminders = due_reminders(monthly, members, responses, schedule, now=now, already_sent=sent)
        sent |= {reminder.key for reminder in reminders}
        assert all(reminder.due_at <= now for reminder in reminders)
        told_on += [(reminder.member_id, now.astimezone(HANOI).date()) for reminder in reminders]
        now += timedelta(minutes=step_minutes)
    assert len(set(told_on)) == len(told_on)


@few
@given(scenes(), st.data())
def test_a_press_is_heard_once_a_day_and_never_at_night(
    scene: tuple[Schedule, AssessmentRound, list[Member], list[Response]], data: st.DataObject
) -> None:
    schedule, monthly, members, responses = scene
    last_at: datetime | None = None
    heard_on: list[date] = []
    refused_until: list[tuple[datetime, datetime]] = []
    for now in data.draw(st.lists(a_clock(monthly), min_size=1, max_size=12)):
        try:
            at, ids = remind_now(monthly, members, responses, schedule, now=now, last_manual_at=last_at)
        except AlreadyReminded as refusal:
            refused_until.append((now, refusal.again_at))
            continue
        except RoundClosed:
            assert round_state(monthly, sendable_at(now, schedule)) is RoundState.CLOSED
            continue
        assert at >= now
        assert at < closes_at(monthly)
        assert not may_not_send(at, schedule)
        assert set(ids) == may_hear(monthly, members, responses, max(at, local(monthly.opened_on)))
        heard_on.append(at.astimezone(HANOI).date())
        last_at = now
    assert len(set(heard_on)) == len(heard_on)
    assert all(now < again_at and not may_not_send(again_at, schedule) for now, again_at in refused_until)
