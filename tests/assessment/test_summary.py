from dataclasses import replace
from datetime import date

from assessment.model import Member, Response
from assessment.summary import (
    Form,
    HandIn,
    MemberLine,
    MonthCounts,
    count_month,
    form_of,
    member_lines,
    quarter_of,
    year_of,
)
from tests.builders import a_checklist, a_member, a_response, a_round

FORM = Form("37-qd-tw-2021", 1, "37-QĐ/TW")
DAY = date(2026, 11, 20)
ROUND = a_round(due_on=date(2026, 11, 25), grace_days=5)


def handed_in(member: Member, on: date, *, entered_by: int | None = None) -> Response:
    return replace(a_response(member_id=member.id, round_id=ROUND.id), submitted_on=on, entered_by=entered_by)


def test_everybody_who_takes_part_has_one_line_that_says_why() -> None:
    an, binh, cuong, dung, em, giang = (a_member(name=name) for name in ("An", "Bình", "Cường", "Dung", "Em", "Giang"))
    cuong = replace(cuong, has_phone=False)
    responses = [
        handed_in(an, date(2026, 11, 25)),
        handed_in(binh, date(2026, 11, 26), entered_by=9),
        a_response(member_id=dung.id, round_id=ROUND.id, submitted=False),
    ]
    lines = member_lines(
        ROUND, [an, binh, cuong, dung, em, giang], responses, linked={dung.id, em.id}, heard={dung.id}, day=DAY
    )
    assert lines == (
        MemberLine("An", HandIn.IN_TIME, date(2026, 11, 25)),
        MemberLine("Bình", HandIn.LATE, date(2026, 11, 26), is_on_paper=True),
        MemberLine("Cường", HandIn.WITHOUT_PHONE),
        MemberLine("Dung", HandIn.MISSING),
        MemberLine("Em", HandIn.BLOCKED),
        MemberLine("Giang", HandIn.NEVER_LINKED),
    )


def test_late_responses_are_among_those_handed_in() -> None:
    members = [a_member() for _ in range(4)]
    responses = [handed_in(members[0], date(2026, 11, 25)), handed_in(members[1], date(2026, 11, 26))]
    counted = count_month(ROUND, members, responses, FORM, day=DAY)
    assert counted == MonthCounts(ROUND.month, ROUND.due_on, FORM, expected=4, handed_in=2, late=1)
    assert counted.percent == 50


def test_who_left_without_handing_in_is_not_expected_and_who_handed_in_stays() -> None:
    members = [replace(a_member(), left_on=date(2026, 11, 10)) for _ in range(2)]
    counted = count_month(ROUND, members, [handed_in(members[0], date(2026, 11, 6))], FORM, day=DAY)
    assert (counted.handed_in, counted.expected) == (1, 1)


def test_share_of_a_round_without_members_is_nothing() -> None:
    counted = count_month(ROUND, [], [], FORM, day=DAY)
    assert (counted.expected, counted.percent) == (0, 0)


def test_hundred_percent_means_everybody() -> None:
    assert MonthCounts(ROUND.month, ROUND.due_on, FORM, expected=300, handed_in=299, late=0).percent == 99


def test_version_that_is_no_longer_there_is_named_by_its_id() -> None:
    assert form_of(ROUND, None) == Form("37-qd-tw-2021", 1, "37-qd-tw-2021")
    assert form_of(ROUND, replace(a_checklist(), superseded_by="207-QĐ/TW")) == Form(
        "37-qd-tw-2021", 1, "37-QĐ/TW", "207-QĐ/TW", is_checked=False
    )


def test_quarter_and_year_hold_their_months() -> None:
    quarter = quarter_of(date(2026, 11, 1))
    assert quarter.months == (date(2026, 10, 1), date(2026, 11, 1), date(2026, 12, 1))
    assert (quarter.is_year, quarter.holds(date(2026, 9, 1)), quarter.holds(date(2026, 12, 1))) == (False, False, True)
    year = year_of(date(2026, 11, 1))
    assert (len(year.months), year.is_year, year.holds(date(2027, 1, 1))) == (12, True, False)
