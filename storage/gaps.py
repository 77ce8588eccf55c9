"""Questions that got no answer: what was asked, on which day, how often; never by whom."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import Any, cast

from sqlalchemy import CursorResult, delete, func, select
from sqlalchemy.orm import Session

from storage.database import insert_unless_there
from storage.tables import GapRow

LONGEST = 300


@dataclass(frozen=True, slots=True)
class Gap:
    """A question as it was first typed, and how often it was asked in all."""

    id: int
    question: str
    count: int


class Gaps:
    """The questions without an answer, within one transaction."""

    def __init__(self, opened: Session) -> None:
        self._session = opened

    def note(self, question: str, folded: str, *, on: date) -> None:
        """Count a question on a day.

        Args:
            question: without names and numbers of people; see knowledge.gaps.without_people.
            folded: equal for questions that are counted as the same.
        """
        values = {"question": question[:LONGEST], "folded": folded[:LONGEST], "asked_on": on, "count": 0}
        insert_unless_there(self._session, GapRow, [values])
        query = select(GapRow).filter_by(folded=folded[:LONGEST], asked_on=on).with_for_update()
        self._session.scalars(query).one().count += 1
        self._session.flush()

    def all(self, *, limit: int) -> list[Gap]:
        """Return the questions, the most asked first, at most so many; the same on several days is one."""
        count = func.sum(GapRow.count)
        query = select(func.min(GapRow.id), count).group_by(GapRow.folded).order_by(count.desc(), func.min(GapRow.id))
        counted = {first: int(total) for first, total in self._session.execute(query.limit(limit))}
        rows = self._session.scalars(select(GapRow).where(GapRow.id.in_(counted)))
        found = [Gap(row.id, row.question, counted[row.id]) for row in rows]
        return sorted(found, key=lambda gap: (-gap.count, gap.id))

    def forget(self, gap_ids: Collection[int]) -> int:
        """Destroy questions, on whatever day they were asked; return how many rows that were."""
        folded = select(GapRow.folded).where(GapRow.id.in_(gap_ids))
        change = delete(GapRow).where(GapRow.folded.in_(folded))
        return cast("CursorResult[Any]", self._session.execute(change)).rowcount

    def erase_before(self, day: date) -> int:
        """Destroy what was asked before a day; return how many rows that were."""
        change = delete(GapRow).where(GapRow.asked_on < day)
        return cast("CursorResult[Any]", self._session.execute(change)).rowcount
