"""How often answers were called good, or not: by passage and day, never by whom."""

from dataclasses import dataclass
from datetime import date
from typing import Any, cast

from sqlalchemy import CursorResult, delete, func, select, update
from sqlalchemy.orm import Session

from storage.database import insert_unless_there
from storage.tables import FeedbackRow, MessageRow


@dataclass(frozen=True, slots=True)
class Counted:
    """How often answers that quote a passage, in one version of its document, were called good and not."""

    passage_id: str
    document_version: int
    good: int
    bad: int


class Feedback:
    """The counts, within one transaction."""

    def __init__(self, opened: Session) -> None:
        self._session = opened

    def count(self, message_id: int, passage_id: str, version: int, *, is_good: bool, on: date) -> bool:
        """Count what was said of one of our messages; false where something was counted for it before.

        The message is marked, so that saying it again counts nothing; what was said stands nowhere with it.
        """
        mark = update(MessageRow).where(MessageRow.id == message_id, MessageRow.is_judged.is_(None))
        if not self._session.execute(mark.values(is_judged=True).returning(MessageRow.id)).all():
            return False
        key = {"passage_id": passage_id, "document_version": version, "judged_on": on, "is_good": is_good}
        insert_unless_there(self._session, FeedbackRow, [{**key, "count": 0}])
        query = select(FeedbackRow).filter_by(**key).with_for_update()
        self._session.scalars(query).one().count += 1
        self._session.flush()
        return True

    def counts(self) -> list[Counted]:
        """Return the counts of all days together, by passage and version."""
        query = select(
            FeedbackRow.passage_id, FeedbackRow.document_version, FeedbackRow.is_good, func.sum(FeedbackRow.count)
        ).group_by(FeedbackRow.passage_id, FeedbackRow.document_version, FeedbackRow.is_good)
        found: dict[tuple[str, int], dict[bool, int]] = {}
        for passage_id, version, is_good, total in self._session.execute(query):
            found.setdefault((passage_id, version), {})[is_good] = int(total)
        return [
            Counted(passage_id, version, by.get(True, 0), by.get(False, 0))
            for (passage_id, version), by in sorted(found.items())
        ]

    def erase_before(self, day: date) -> int:
        """Destroy what was counted before a day; return how many rows that were."""
        change = delete(FeedbackRow).where(FeedbackRow.judged_on < day)
        return cast("CursorResult[Any]", self._session.execute(change)).rowcount
