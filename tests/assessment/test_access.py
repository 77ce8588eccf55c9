from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assessment.access import (
    LEAST_COUNTED,
    Condition,
    Data,
    Subject,
    Viewer,
    condition,
    countable_cells,
    may_see,
    sum_totals,
    totals,
    totals_again,
    visible_items,
)
from assessment.model import ItemAnswer, Response, Role
from tests.builders import a_response

NEVER = "-"
# The whole table, written a second time by hand: a change of who sees what must be made in both places.
#                  member      deputy      secretary   committee      inspector      admin
EXPECTED = """
draft              own         -           -           -              -              -
answers            own         -           decided     -              -              -
reported           own         -           chosen      -              -              -
talk_wish          own         -           own_cell    -              -              -
status             own         own_cell    own_cell    -              -              -
counts             -           own_cell    own_cell    cells_below    cells_below    -
totals             -           -           own_cell    cells_below    -              -
roster             -           own_cell    own_cell    -              -              anywhere
codes              own         -           own_cell    -              -              -
paper              -           own_cell    -           -              -              -
own_readers        own         -           -           -              -              -
audit              -           -           -           -              cells_below    anywhere
checklists         -           -           -           -              -              anywhere
documents          -           -           -           -              -              anywhere
mailbox            -           -           -           -              -              anywhere
rounds             -           -           own_cell    -              -              -
gaps               -           -           -           anywhere       -              anywhere
approved           -           -           -           anywhere       -              -
feedback           -           -           -           -              -              anywhere
forwarded          -           -           chosen      -              -              -
"""
ROLES = [
    Role.MEMBER,
    Role.DEPUTY_SECRETARY,
    Role.SECRETARY,
    Role.COMMITTEE_MEMBER,
    Role.INSPECTOR,
    Role.ADMIN,
]
CELLS = [
    (Data(name), role, wanted)
    for name, *row in (line.split() for line in EXPECTED.strip().splitlines())
    for role, wanted in zip(ROLES, row, strict=True)
]
OWN = 10
ELSEWHERE = 20


def a_viewer(*roles: Role) -> Viewer:
    return Viewer(member_id=1, cell_id=OWN, roles=frozenset(roles), organization_ids=frozenset({100}))


def test_every_cell_of_the_table_is_expected() -> None:
    assert {(data, role) for data, role, _ in CELLS} == {(data, role) for data in Data for role in Role}


@pytest.mark.parametrize(("data", "role", "wanted"), CELLS, ids=lambda value: getattr(value, "value", value))
def test_role_sees_what_the_table_says_and_no_more(data: Data, role: Role, wanted: str) -> None:
    known = condition(role, data)
    assert (known.name.lower() if known else NEVER) == wanted
    viewer = a_viewer(role)
    subjects = {
        "own": Subject(OWN, 100, member_id=1),
        "other of the cell": Subject(OWN, 100, member_id=2),
        "other, reported": Subject(OWN, 100, member_id=2, is_reported=True),
        "other, decided": Subject(OWN, 100, member_id=2, is_decided=True),
        "cell below": Subject(ELSEWHERE, 100),
        "cell elsewhere": Subject(ELSEWHERE, 999, member_id=3, is_reported=True, is_decided=True),
    }
    allowed = {
        NEVER: set(),
        "own": {"own"},
        "own_cell": {"own", "other of the cell", "other, reported", "other, decided"},
        "cells_below": {"own", "other of the cell", "other, reported", "other, decided", "cell below"},
        "chosen": {"other, reported"},
        "decided": {"other, decided"},
        "anywhere": set(subjects),
    }[wanted]
    assert {name for name, subject in subjects.items() if may_see(viewer, data, subject)} == allowed


@pytest.mark.parametrize("data", [Data.DRAFT, Data.ANSWERS, Data.REPORTED, Data.TALK_WISH, Data.TOTALS])
def test_admin_and_inspector_never_see_content(data: Data) -> None:
    for subject in (
        Subject(OWN, 100, member_id=2, is_reported=True, is_decided=True),
        Subject(OWN, 100, is_reported=True),
    ):
        assert not may_see(a_viewer(Role.ADMIN, Role.INSPECTOR), data, subject)


def test_draft_is_nobody_elses_even_with_every_role_and_a_decision() -> None:
    everything = a_viewer(*Role)
    assert not may_see(everything, Data.DRAFT, Subject(OWN, 100, member_id=2, is_reported=True, is_decided=True))


def test_one_of_several_roles_is_enough() -> None:
    subject = Subject(OWN, 100, member_id=2, is_reported=True)
    assert may_see(a_viewer(Role.MEMBER, Role.SECRETARY), Data.REPORTED, subject)
    assert not may_see(a_viewer(Role.MEMBER, Role.DEPUTY_SECRETARY), Data.REPORTED, subject)


def test_notice_names_all_who_see_reported_items() -> None:
    assert {role for role in Role if condition(role, Data.REPORTED)} == {Role.MEMBER, Role.SECRETARY}


# --- items of a response ---------------------------------------------------------------------------------------


ANSWERS = {1: ItemAnswer.NONE, 2: ItemAnswer.PRESENT, 3: ItemAnswer.DISCUSS}
CELL = Subject(OWN, 100)


def test_secretary_sees_the_items_that_were_ticked() -> None:
    response = a_response(member_id=2, answers=ANSWERS, reported={2})
    assert visible_items(a_viewer(Role.SECRETARY), response, CELL) == {2}
    assert visible_items(a_viewer(Role.DEPUTY_SECRETARY), response, CELL) == set()


def test_secretary_sees_nothing_of_a_draft_whatever_is_ticked_or_decided() -> None:
    draft = a_response(member_id=2, answers=ANSWERS, reported={2}, submitted=False)
    assert visible_items(a_viewer(Role.SECRETARY), draft, CELL) == set()
    assert visible_items(a_viewer(Role.SECRETARY), draft, Subject(OWN, 100, is_decided=True)) == set()


def test_member_sees_all_of_the_own_response() -> None:
    for submitted in (True, False):
        own = a_response(member_id=1, answers=ANSWERS, submitted=submitted)
        assert visible_items(a_viewer(Role.MEMBER), own, CELL) == {1, 2, 3}


def test_decision_that_was_shown_opens_the_answers_to_the_own_secretary_alone() -> None:
    response = a_response(member_id=2, answers=ANSWERS)
    decided = Subject(OWN, 100, is_decided=True)
    assert visible_items(a_viewer(Role.SECRETARY), response, decided) == {1, 2, 3}
    assert visible_items(a_viewer(Role.SECRETARY), response, Subject(ELSEWHERE, 100, is_decided=True)) == set()
    assert visible_items(a_viewer(Role.COMMITTEE_MEMBER), response, decided) == set()


# --- totals -----------------------------------------------------------------------------------------------------


def responses(*answers: Mapping[int, ItemAnswer]) -> list[Response]:
    return [a_response(member_id=n, answers=given) for n, given in enumerate(answers, 1)]


SOME, OTHER = {1: ItemAnswer.NONE}, {1: ItemAnswer.PRESENT}


def test_fewer_than_five_are_never_counted() -> None:
    assert totals(responses(SOME, SOME, OTHER, SOME)) == {}
    assert totals(responses(SOME, SOME, OTHER, SOME, SOME)) == {
        1: {ItemAnswer.NONE: 4, ItemAnswer.PRESENT: 1, ItemAnswer.DISCUSS: 0}
    }


def test_drafts_do_not_make_up_the_five() -> None:
    draft = a_response(member_id=9, answers=OTHER, submitted=False)
    assert totals([*responses(SOME, SOME, OTHER, SOME), draft]) == {}


def test_item_answered_the_same_by_all_is_left_out() -> None:
    assert totals(responses(*[SOME] * 6)) == {}


def test_item_that_fewer_than_five_answered_is_left_out() -> None:
    both = {1: ItemAnswer.NONE, 2: ItemAnswer.PRESENT}
    counted = totals(responses(both, both, {**both, 1: ItemAnswer.DISCUSS}, {1: ItemAnswer.NONE}, {1: ItemAnswer.NONE}))
    assert list(counted) == [1]


def test_late_ones_are_not_isolated_by_the_difference_of_two_totals() -> None:
    later = responses(SOME, SOME, OTHER, SOME, SOME, OTHER)
    assert totals(later, shown_before=5) == {}
    assert totals(later, shown_before=6) != {}
    assert totals(responses(*[SOME, OTHER] * 5), shown_before=5) != {}


def test_one_who_erased_is_not_isolated_by_the_difference_of_two_totals() -> None:
    erased = a_response(member_id=6, answers={})
    before = responses(SOME, SOME, OTHER, SOME, SOME, OTHER)
    assert totals(before, shown_before=6) != {}
    assert totals([*before[:5], erased], shown_before=6) == {}


def test_one_who_erased_and_one_who_came_are_not_told_by_totals_of_as_many() -> None:
    five = responses(SOME, SOME, OTHER, SOME, SOME)
    swapped = [a_response(member_id=1, answers={}), *five[1:], a_response(member_id=6, answers=OTHER)]
    assert totals(swapped, shown_before=5, counted_before={1, 2, 3, 4, 5}) == {}
    assert totals(five, shown_before=5, counted_before={1, 2, 3, 4, 5}) == totals(five)
    ten = responses(*[SOME, OTHER] * 5)
    assert totals(ten, shown_before=5, counted_before={1, 2, 3, 4, 5}) == totals(ten)
    assert totals(ten, shown_before=6, counted_before={1, 2, 3, 4, 5, 99}) == {}


def test_totals_that_were_shown_may_be_shown_again_of_the_very_same_responses() -> None:
    five = responses(SOME, SOME, OTHER, SOME, SOME)
    later = [*five, a_response(member_id=6, answers=OTHER)]
    assert totals_again(later, {1, 2, 3, 4, 5}) == totals(five)
    erased = [a_response(member_id=1, answers={}), *later[1:]]
    assert totals_again(erased, {1, 2, 3, 4, 5}) == {}
    assert totals_again(later, {1, 2, 3, 4}) == {}
    assert totals_again(later, {1, 2, 3, 4, 7}) == {}


def test_small_cell_stays_out_of_the_sum_of_its_organization() -> None:
    assert countable_cells({1: 7, 2: 4, 3: 5}) == {1, 3}


def test_sum_is_of_what_may_be_shown() -> None:
    first = totals(responses(SOME, SOME, OTHER, SOME, SOME))
    second = totals(responses(SOME, OTHER, OTHER, SOME, SOME))
    assert sum_totals([first, second]) == {1: {ItemAnswer.NONE: 7, ItemAnswer.PRESENT: 3, ItemAnswer.DISCUSS: 0}}


GIVEN = st.lists(st.dictionaries(st.integers(1, 4), st.sampled_from(ItemAnswer), max_size=4), max_size=12)


@settings(max_examples=150, deadline=None)
@given(given=GIVEN)
def test_no_total_tells_what_one_of_a_few_has_answered(given: list[dict[int, ItemAnswer]]) -> None:
    for number, counts in totals(responses(*given)).items():
        assert sum(counts.values()) >= LEAST_COUNTED
        assert sum(count > 0 for count in counts.values()) > 1
        assert counts == {answer: sum(g.get(number) is answer for g in given) for answer in ItemAnswer}


def test_conditions_are_all_used() -> None:
    assert {condition(role, data) for role in Role for data in Data} == {None, *Condition}
