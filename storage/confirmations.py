"""Which versions of a checklist an admin has confirmed for use."""

from collections.abc import Mapping
from datetime import date

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from storage.database import insert_unless_there
from storage.tables import ConfirmationRow


class Confirmations:
    """The confirmations, within one transaction."""

    def __init__(self, opened: Session) -> None:
        self._session = opened

    def confirm(self, checklist_id: str, version: int, *, by: str, on: date) -> bool:
        """Keep that somebody confirmed a version for use; false where it was confirmed before."""
        values = {"checklist_id": checklist_id, "version": version, "confirmed_by": by, "confirmed_on": on}
        return insert_unless_there(self._session, ConfirmationRow, [values]) > 0

    def withdraw(self, checklist_id: str, version: int) -> None:
        """Take a confirmation back; rounds that were opened meanwhile keep their version."""
        query = delete(ConfirmationRow).filter_by(checklist_id=checklist_id, version=version)
        self._session.execute(query)

    def confirmed(self) -> Mapping[tuple[str, int], date]:
        """Return when each confirmed version was confirmed, by (id, version)."""
        rows = self._session.scalars(select(ConfirmationRow))
        return {(row.checklist_id, row.version): row.confirmed_on for row in rows}
