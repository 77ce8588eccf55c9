"""What a member is asked next, and what may be answered at once."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date

from assessment.model import Checklist, Item, ItemAnswer, ItemGroup

FOCUS_ITEMS = 3


@dataclass(frozen=True, slots=True)
class Step:
    """The next screen: a group as a whole, or with an item this one item of it."""

    group: ItemGroup
    item: Item | None = None


def next_step(checklist: Checklist, focus: Collection[int], answers: Mapping[int, ItemAnswer]) -> Step | None:
    """Return what is asked next; None when every item has an answer.

    A group nobody has begun is shown as a whole. Once a member has answered one of its items by itself, the others come
    one by one, too. Items of the month's focus are always asked by themselves, after the rest of their group.
    """
    for group in checklist.groups:
        rest = [item for item in group.items if item.number not in focus]
        open_rest = [item for item in rest if item.number not in answers]
        if open_rest:
            is_new = len(open_rest) == len(rest) and len(rest) > 1
            return Step(group) if is_new else Step(group, open_rest[0])
        for item in group.items:
            if item.number not in answers:
                return Step(group, item)
    return None


def answerable_at_once(group: ItemGroup, focus: Collection[int], answers: Mapping[int, ItemAnswer]) -> list[int]:
    """Return the items of a group that "nothing in the whole group" answers: no focus items, and none answered yet."""
    return [item.number for item in group.items if item.number not in focus and item.number not in answers]


def missing(checklist: Checklist, answers: Mapping[int, ItemAnswer]) -> list[int]:
    """Return the items that have no answer yet, by number; a response is handed in only when there are none."""
    return [item.number for item in checklist.items if item.number not in answers]


def focus_of(checklist: Checklist, month: date) -> tuple[int, ...]:
    """Return the items that a month puts first: another three each month, all of them in turn."""
    numbers = [item.number for item in checklist.items]
    first = (month.year * 12 + month.month - 1) * FOCUS_ITEMS % len(numbers)
    return tuple(sorted(numbers[(first + step) % len(numbers)] for step in range(FOCUS_ITEMS)))
