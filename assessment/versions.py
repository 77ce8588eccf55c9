"""Which version of a checklist a round is opened with, and what of a version was compared with the official text."""

from collections.abc import Container, Iterable
from datetime import date

from assessment.model import Checklist

# What an item's note says where its words or its number were not compared.
NOT_COMPARED = "chưa đối chiếu văn bản chính thức"


def in_use(checklists: Iterable[Checklist], confirmed: Container[tuple[str, int]], *, on: date) -> Checklist | None:
    """Return the newest version that may be used on a day: one that was checked, or that an admin has confirmed.

    A regulation that begins to hold on a later day waits for it.

    Args:
        confirmed: (id, version) of those that an admin has confirmed.
    """
    usable = [each for each in checklists if may_be_used(each, confirmed) and each.valid_from <= on]
    return max(usable, key=lambda checklist: (checklist.valid_from, checklist.version), default=None)


def may_be_used(checklist: Checklist, confirmed: Container[tuple[str, int]]) -> bool:
    """Whether a round may be opened with a version."""
    return checklist.is_checked or (checklist.id, checklist.version) in confirmed


def not_compared(checklist: Checklist) -> tuple[int, ...]:
    """Return the items whose note says that they were not compared with the official text, by number.

    A version may be marked as checked, because it is the framework in use, and still have some.
    """
    return tuple(item.number for item in checklist.items if NOT_COMPARED in item.note)
