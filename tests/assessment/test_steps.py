import itertools
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assessment.model import Checklist, ItemAnswer
from assessment.steps import answerable_at_once, focus_of, missing, next_step
from tests.builders import a_checklist

NONE = ItemAnswer.NONE
# Groups of items 1-3, 4-5 and 6.
CHECKLIST = a_checklist([3, 2, 1])
MONTHS = [date(2026 + n // 12, n % 12 + 1, 1) for n in range(48)]


def answered(*numbers: int) -> dict[int, ItemAnswer]:
    return dict.fromkeys(numbers, NONE)


def asked(answers: dict[int, ItemAnswer], focus: tuple[int, ...] = ()) -> tuple[int, int | None] | None:
    """The group and item asked next."""
    step = next_step(CHECKLIST, focus, answers)
    return (step.group.number, step.item.number if step.item else None) if step else None


def test_group_that_nobody_has_begun_is_shown_as_a_whole() -> None:
    assert asked({}) == (1, None)
    assert asked(answered(1, 2, 3)) == (2, None)


def test_items_come_one_by_one_once_one_was_answered_by_itself() -> None:
    assert asked(answered(2)) == (1, 1)
    assert asked(answered(1, 2)) == (1, 3)


def test_group_of_one_item_is_asked_as_that_item() -> None:
    assert asked(answered(1, 2, 3, 4, 5)) == (3, 6)


def test_nothing_is_asked_when_all_is_answered() -> None:
    assert asked(answered(1, 2, 3, 4, 5, 6)) is None
    assert missing(CHECKLIST, answered(1, 3)) == [2, 4, 5, 6]


def test_item_of_the_focus_is_asked_by_itself_after_the_rest_of_its_group() -> None:
    assert asked({}, focus=(2,)) == (1, None)
    assert asked(answered(1, 3), focus=(2,)) == (1, 2)
    assert asked(answered(1, 2, 3), focus=(4, 5)) == (2, 4)


def test_whole_group_answers_neither_the_focus_nor_what_has_an_answer() -> None:
    assert answerable_at_once(CHECKLIST.groups[0], (2,), answered(3)) == [1]


@given(focus=st.sets(st.integers(1, 6), max_size=3), one_by_one=st.lists(st.booleans(), min_size=20, max_size=20))
def test_every_way_through_shows_every_group_and_ends(focus: set[int], one_by_one: list[bool]) -> None:
    answers: dict[int, ItemAnswer] = {}
    groups_seen, items_seen = set(), set()
    for by_item in one_by_one:
        step = next_step(CHECKLIST, focus, answers)
        if step is None:
            break
        groups_seen.add(step.group.number)
        at_once = answerable_at_once(step.group, focus, answers)
        if step.item is None and not by_item:
            answers |= answered(*at_once)
        else:
            item = step.item.number if step.item else at_once[0]
            items_seen.add(item)
            answers |= answered(item)
    assert next_step(CHECKLIST, focus, answers) is None
    assert groups_seen == {1, 2, 3}
    assert focus <= items_seen
    assert missing(CHECKLIST, answers) == []


@pytest.mark.parametrize("checklist", [CHECKLIST, a_checklist([4, 4, 4, 4, 3])])
def test_focus_goes_through_all_items(checklist: Checklist) -> None:
    numbers = [item.number for item in checklist.items]
    chosen = [focus_of(checklist, month) for month in MONTHS]
    assert {number for three in chosen for number in three} == set(numbers)
    assert all(len(set(three)) == 3 for three in chosen)
    assert all(before != after for before, after in itertools.pairwise(chosen))
