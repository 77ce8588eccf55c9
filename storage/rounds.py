"""Rounds and responses; what was answered leaves this file only decrypted and enters it only encrypted."""

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from assessment.model import AssessmentRound, ItemAnswer, Response
from assessment.schedule import MOST_GRACE_DAYS
from storage.database import insert_unless_there
from storage.sealed import about_item
from storage.tables import ItemResponseRow, ResponseRow, RoundRow
from storage.vault import Sealed, Vault


class RoundError(Exception):
    """A round or response does not take what was asked of it; the message says why."""


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """An answer to an item, with what its member chose.

    Attributes:
        is_reported: the member reports the item to the cell.
        note: what the member wrote beside it on the web page; empty in chats.
        notice: name of the notice that the member had agreed to; the same answer under another notice stays as it is.
    """

    answer: ItemAnswer
    is_reported: bool = False
    note: str = ""
    notice: str = field(default="", compare=False)


class Rounds:
    """Rounds and responses of one transaction."""

    def __init__(self, opened: Session, vault: Vault) -> None:
        self._session = opened
        self._vault = vault

    def open(
        self,
        cell_id: int,
        month: date,
        *,
        checklist: tuple[str, int],
        opened_on: date,
        due_on: date,
        grace_days: int = 0,
        focus: Sequence[int] = (),
    ) -> tuple[AssessmentRound, bool]:
        """Open a cell's round of a month; return it and whether it is new.

        Who opens it a second time, or a moment after somebody else, gets the round that is there, unchanged.
        """
        values = {
            "cell_id": cell_id,
            "month": month.replace(day=1),
            "checklist_id": checklist[0],
            "checklist_version": checklist[1],
            "opened_on": opened_on,
            "due_on": due_on,
            "grace_days": grace_days,
            "focus": sorted(focus),
        }
        is_new = insert_unless_there(self._session, RoundRow, [values]) > 0
        query = select(RoundRow).filter_by(cell_id=cell_id, month=values["month"])
        return _to_round(self._session.scalars(query).one()), is_new

    def get(self, round_id: int) -> AssessmentRound | None:
        """Return a round, or None."""
        row = self._session.get(RoundRow, round_id, populate_existing=True)
        return _to_round(row) if row else None

    def of_cell(self, cell_id: int) -> list[AssessmentRound]:
        """Return a cell's rounds, the newest month first."""
        query = select(RoundRow).filter_by(cell_id=cell_id).order_by(RoundRow.month.desc())
        return [_to_round(row) for row in self._session.scalars(query)]

    def of_month(self, month: date) -> dict[int, AssessmentRound]:
        """Return the rounds of all cells in a month, by cell."""
        query = select(RoundRow).filter_by(month=month.replace(day=1)).order_by(RoundRow.id)
        return {row.cell_id: _to_round(row) for row in self._session.scalars(query)}

    def cells_of_month(self, month: date) -> frozenset[int]:
        """Return the cells that have a round in a month."""
        return frozenset(self._session.scalars(select(RoundRow.cell_id).where(RoundRow.month == month.replace(day=1))))

    def latest_month(self, cell_ids: Collection[int]) -> date | None:
        """Return the latest month in which any of some cells has a round; None where none has one."""
        return self._session.scalar(select(func.max(RoundRow.month)).where(RoundRow.cell_id.in_(cell_ids)))

    def count_handed_in(self, month: date) -> dict[int, int]:
        """Return how many have handed in in each round of a month, by round; rounds without any are left out."""
        query = (
            select(ResponseRow.round_id, func.count())
            .join(RoundRow, ResponseRow.round_id == RoundRow.id)
            .where(RoundRow.month == month.replace(day=1), ResponseRow.submitted_on.is_not(None))
            .group_by(ResponseRow.round_id)
        )
        return {row[0]: row[1] for row in self._session.execute(query)}

    def versions(self) -> frozenset[tuple[str, int]]:
        """Return the (checklist id, version) that rounds were opened with."""
        rows = self._session.execute(select(RoundRow.checklist_id, RoundRow.checklist_version).distinct())
        return frozenset((row[0], row[1]) for row in rows)

    def still_open(self, on: date) -> list[AssessmentRound]:
        """Return the rounds that nobody has closed and whose last day, grace included, is not over on a day."""
        query = select(RoundRow).where(
            RoundRow.closed_at.is_(None), RoundRow.due_on >= on - timedelta(days=MOST_GRACE_DAYS)
        )
        rounds = [_to_round(row) for row in self._session.scalars(query.order_by(RoundRow.id))]
        return [found for found in rounds if found.due_on + timedelta(days=found.grace_days) >= on]

    def extend(self, round_id: int, grace_days: int) -> None:
        """Set how many days after the due date responses are still taken."""
        self._session.execute(update(RoundRow).where(RoundRow.id == round_id).values(grace_days=grace_days))

    def close(self, round_id: int, *, now: datetime) -> None:
        """Close a round before its time; one that is closed stays as it is."""
        change = update(RoundRow).where(RoundRow.id == round_id, RoundRow.closed_at.is_(None))
        self._session.execute(change.values(closed_at=now))

    def totals_shown(self, round_id: int) -> int | None:
        """Return how many responses the totals counted that were last shown; None where none were."""
        return self._session.scalar(select(RoundRow.totals_of).where(RoundRow.id == round_id))

    def note_totals(self, round_id: int, count: int) -> None:
        """Remember how many responses were counted in totals that are being shown."""
        self._session.execute(update(RoundRow).where(RoundRow.id == round_id).values(totals_of=count))

    def answer(self, round_id: int, member_id: int, number: int, given: StoredAnswer) -> bool:
        """Keep an answer to an item; what was answered before stays as history. Return whether anything changed.

        Raises:
            RoundError: the content of the response was erased.
        """
        row = self._response(round_id, member_id)
        if row.erased_on is not None:
            raise RoundError("the content of this response was erased")
        if self._current(row).get(number) == given:
            return False
        content = {"answer": given.answer.value, "report": given.is_reported, "note": given.note}
        content |= {"notice": given.notice} if given.notice else {}
        sealed = self._vault.seal(json.dumps(content, ensure_ascii=False), about=about_item(row.id, number))
        self._session.add(ItemResponseRow(response_id=row.id, number=number, key_id=sealed.key_id, sealed=sealed.data))
        self._session.flush()
        return True

    def show(self, round_id: int, member_id: int, numbers: Sequence[int]) -> None:
        """Note that items were really shown to a member."""
        row = self._response(round_id, member_id)
        row.shown = sorted({*row.shown, *numbers})
        self._session.flush()

    def shown(self, round_id: int, member_id: int) -> frozenset[int]:
        """Return the items that were shown to a member."""
        row = self._find(round_id, member_id)
        return frozenset(row.shown) if row else frozenset()

    def want_talk(self, round_id: int, member_id: int, *, wanted: bool) -> None:
        """Keep whether a member asks to talk with the secretary."""
        self._response(round_id, member_id).wants_talk = wanted
        self._session.flush()

    def submit(self, round_id: int, member_id: int, *, on: date, entered_by: int | None = None) -> str:
        """Take a response as handed in; return its receipt. Handing in again changes neither day nor receipt."""
        row = self._response(round_id, member_id)
        if row.submitted_on is None:
            month = self._session.get_one(RoundRow, round_id).month
            row.submitted_on, row.entered_by = on, entered_by
            row.receipt = f"{month:%Y-%m}/{round_id}/{row.id:04d}"
            self._session.flush()
        assert row.receipt is not None
        return row.receipt

    def response(self, round_id: int, member_id: int) -> Response | None:
        """Return what a member has answered, draft or handed in; None where nothing was begun.

        Whoever asks for another's has asked assessment.access before.
        """
        row = self._find(round_id, member_id)
        return self._to_response(row, list(self._open_all(row))) if row else None

    def answers(self, round_id: int, member_id: int) -> dict[int, StoredAnswer]:
        """Return the answers that hold, by item, with what was chosen and written beside them."""
        row = self._find(round_id, member_id)
        return self._current(row) if row else {}

    def history(self, round_id: int, member_id: int) -> dict[int, list[StoredAnswer]]:
        """Return all answers by item, oldest first, for the member's own copy."""
        row = self._find(round_id, member_id)
        found: dict[int, list[StoredAnswer]] = {}
        for number, given in self._open_all(row) if row else ():
            found.setdefault(number, []).append(given)
        return found

    def responses(self, round_id: int) -> list[Response]:
        """Return the responses of a round, by member; see response."""
        query = select(ResponseRow).filter_by(round_id=round_id).order_by(ResponseRow.member_id)
        return [self._to_response(row, list(self._open_all(row))) for row in self._session.scalars(query)]

    def outlines(self, round_id: int) -> list[Response]:
        """Return the same without what was answered: who has begun, handed in, wants to talk. Nothing is decrypted."""
        query = select(ResponseRow).filter_by(round_id=round_id).order_by(ResponseRow.member_id)
        return [self._to_response(row, []) for row in self._session.scalars(query)]

    def handed_in(self, round_id: int) -> dict[int, date]:
        """Return who has handed in and on which day; nothing is decrypted."""
        query = select(ResponseRow.member_id, ResponseRow.submitted_on).filter_by(round_id=round_id)
        return {member_id: on for member_id, on in self._session.execute(query) if on is not None}

    def of_member(self, member_id: int) -> list[tuple[AssessmentRound, str | None, bool]]:
        """Return the rounds a member has begun, the newest first: (round, receipt if handed in, whether erased)."""
        query = (
            select(ResponseRow, RoundRow)
            .join(RoundRow, ResponseRow.round_id == RoundRow.id)
            .where(ResponseRow.member_id == member_id)
            .order_by(RoundRow.month.desc(), RoundRow.id.desc())
        )
        return [
            (_to_round(found), row.receipt, row.erased_on is not None) for row, found in self._session.execute(query)
        ]

    def is_erased(self, round_id: int, member_id: int) -> bool:
        """Whether what a member has answered in a round was destroyed."""
        row = self._find(round_id, member_id)
        return row is not None and row.erased_on is not None

    def erase(self, member_id: int, *, on: date, months_before: date | None = None) -> int:
        """Destroy what a member has answered, in all rounds or in those of months before one; return how many.

        That a response was handed in stays, so that a round's counts remain true.
        """
        query = select(ResponseRow).where(ResponseRow.member_id == member_id, ResponseRow.erased_on.is_(None))
        return self._erase(query, on, months_before)

    def erase_before(self, month: date, *, on: date, limit: int | None = None) -> int:
        """Destroy what all members have answered in rounds of months before one; return how many.

        Args:
            limit: at most so many, so that others need not wait long.
        """
        return self._erase(select(ResponseRow).where(ResponseRow.erased_on.is_(None)).limit(limit), on, month)

    def _erase(self, query: Any, on: date, months_before: date | None) -> int:
        if months_before is not None:
            query = query.join(RoundRow, ResponseRow.round_id == RoundRow.id).where(RoundRow.month < months_before)
        rows = list(self._session.scalars(query))
        for row in rows:
            self._session.execute(delete(ItemResponseRow).where(ItemResponseRow.response_id == row.id))
            row.erased_on, row.wants_talk, row.shown = on, False, []
        self._session.flush()
        return len(rows)

    def _response(self, round_id: int, member_id: int) -> ResponseRow:
        """Return the row of a response, begun if it is new, locked until the transaction ends."""
        fresh = {"round_id": round_id, "member_id": member_id, "wants_talk": False, "shown": []}
        insert_unless_there(self._session, ResponseRow, [fresh])
        query = select(ResponseRow).filter_by(round_id=round_id, member_id=member_id).with_for_update()
        return self._session.scalars(query.execution_options(populate_existing=True)).one()

    def _find(self, round_id: int, member_id: int) -> ResponseRow | None:
        return self._session.scalar(select(ResponseRow).filter_by(round_id=round_id, member_id=member_id))

    def _open_all(self, row: ResponseRow) -> Iterator[tuple[int, StoredAnswer]]:
        query = select(ItemResponseRow).filter_by(response_id=row.id).order_by(ItemResponseRow.id)
        for item in self._session.scalars(query):
            opened = self._vault.open(Sealed(item.key_id, item.sealed), about=about_item(row.id, item.number))
            content = json.loads(opened)
            # Older answers hold no notice.
            notice = content.get("notice", "")
            yield item.number, StoredAnswer(ItemAnswer(content["answer"]), content["report"], content["note"], notice)

    def _current(self, row: ResponseRow) -> dict[int, StoredAnswer]:
        return dict(self._open_all(row))

    def _to_response(self, row: ResponseRow, given: Sequence[tuple[int, StoredAnswer]]) -> Response:
        answers = dict(given)
        return Response(
            member_id=row.member_id,
            round_id=row.round_id,
            answers={number: given.answer for number, given in answers.items()},
            reported=frozenset(number for number, given in answers.items() if given.is_reported),
            wants_talk=row.wants_talk,
            submitted_on=row.submitted_on,
            entered_by=row.entered_by,
            receipt=row.receipt,
            notice=given[0][1].notice if given else "",
        )


def _to_round(row: RoundRow) -> AssessmentRound:
    return AssessmentRound(
        id=row.id,
        cell_id=row.cell_id,
        month=row.month,
        checklist_id=row.checklist_id,
        checklist_version=row.checklist_version,
        opened_on=row.opened_on,
        due_on=row.due_on,
        grace_days=row.grace_days,
        focus=tuple(row.focus),
        closed_at=row.closed_at,
    )
