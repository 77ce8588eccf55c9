"""Answers in the words of committee members, with the passage each rests on."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from sqlalchemy import inspect, make_url, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from storage.database import DatabaseError, explain, open_database, session
from storage.tables import ApprovedAnswerRow

# Put together once: every question asks for them.
_LIVE = select(ApprovedAnswerRow).where(ApprovedAnswerRow.withdrawn_on.is_(None)).order_by(ApprovedAnswerRow.id.desc())


@dataclass(frozen=True, slots=True)
class ApprovedAnswer:
    """An answer as it was approved.

    Attributes:
        fingerprint: of the passage as it read on that day; document_version the version it stood in.
        name, role: of who approved it, on that day.
        withdrawn_on: None while it holds.
    """

    id: int
    questions: tuple[str, ...]
    words: str
    passage_id: str
    fingerprint: str
    document_version: int
    member_id: int
    name: str
    role: str
    approved_on: date
    withdrawn_on: date | None = None


class ApprovedAnswers:
    """The approved answers, within one transaction."""

    def __init__(self, opened: Session) -> None:
        self._session = opened

    def add(
        self,
        questions: Sequence[str],
        words: str,
        *,
        passage_id: str,
        fingerprint: str,
        document_version: int,
        member_id: int,
        name: str,
        role: str,
        on: date,
    ) -> int:
        """Keep an answer; return its id."""
        row = ApprovedAnswerRow(
            questions=list(questions),
            words=words,
            passage_id=passage_id,
            fingerprint=fingerprint,
            document_version=document_version,
            member_id=member_id,
            name=name,
            role=role,
            approved_on=on,
        )
        self._session.add(row)
        self._session.flush()
        return row.id

    def live(self) -> list[ApprovedAnswer]:
        """Return the answers that nobody has withdrawn, the newest first."""
        return [_to_answer(row) for row in self._session.scalars(_LIVE)]

    def get(self, answer_id: int) -> ApprovedAnswer | None:
        """Return an answer, withdrawn or not; None for an unknown id."""
        row = self._session.get(ApprovedAnswerRow, answer_id, populate_existing=True)
        return _to_answer(row) if row is not None else None

    def withdraw(self, answer_id: int, *, on: date) -> bool:
        """Let an answer no longer be shown; false where that was so before."""
        change = update(ApprovedAnswerRow).where(
            ApprovedAnswerRow.id == answer_id, ApprovedAnswerRow.withdrawn_on.is_(None)
        )
        withdrawn = change.values(withdrawn_on=on).returning(ApprovedAnswerRow.id)
        return bool(self._session.execute(withdrawn).all())


def _to_answer(row: ApprovedAnswerRow) -> ApprovedAnswer:
    return ApprovedAnswer(
        row.id,
        tuple(row.questions),
        row.words,
        row.passage_id,
        row.fingerprint,
        row.document_version,
        row.member_id,
        row.name,
        row.role,
        row.approved_on,
        row.withdrawn_on,
    )


def read_approved(url: str) -> list[ApprovedAnswer]:
    """Return the answers of a database that is looked at and nothing more: none where there is none, or an older one.

    Raises:
        DatabaseError: it is there and cannot be read.
    """
    engine = open_database(url) if _is_there(url) else None
    if engine is None:
        return []
    try:
        if not inspect(engine).has_table(ApprovedAnswerRow.__tablename__):
            return []
        with session(engine) as opened:
            return ApprovedAnswers(opened).live()
    except SQLAlchemyError as error:
        raise DatabaseError(explain(engine, error)) from error
    finally:
        engine.dispose()


def _is_there(url: str) -> bool:
    try:
        parsed = make_url(url)
    except SQLAlchemyError:
        # What is wrong with it is said by whoever opens it.
        return True
    return parsed.get_backend_name() != "sqlite" or Path(str(parsed.database)).is_file()
