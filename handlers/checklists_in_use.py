"""Which checklist a round is opened with now, and whether a secretary is to hear that its regulation was replaced."""

from collections.abc import Mapping
from datetime import date

from assessment import versions
from assessment.model import Checklist
from storage.store import Transaction

_WARNED = "warned_superseded"


def checklist_in_use(
    transaction: Transaction, checklists: Mapping[tuple[str, int], Checklist], *, on: date
) -> Checklist | None:
    """Return the newest version that may be used on a day: checked, or confirmed by an admin; None without any."""
    return versions.in_use(checklists.values(), transaction.checklists.confirmed(), on=on)


def is_to_be_warned(transaction: Transaction, cell_id: int, checklist: Checklist, month: date) -> bool:
    """Return whether a cell's secretary has still to hear, this month, that the regulation was replaced."""
    if checklist.superseded_by is None:
        return False
    return bool(transaction.people.cell_settings(cell_id).get(_WARNED) != _about(checklist, month))


def note_warned(transaction: Transaction, cell_id: int, checklist: Checklist, month: date) -> None:
    """Remember that the secretary has heard it this month."""
    transaction.people.set_in_cell(cell_id, _WARNED, _about(checklist, month))


def _about(checklist: Checklist, month: date) -> str:
    return f"{month:%Y-%m} {checklist.id}"
