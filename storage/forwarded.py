"""Questions that members want their secretary to read: sealed, and only until nobody is to be sent them any more."""

from dataclasses import dataclass
from datetime import date

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from storage.database import insert_unless_there
from storage.outbox import DeliveryState
from storage.sealed import about_forwarded
from storage.tables import DeliveryRow, ForwardedQuestionRow
from storage.vault import Sealed, Vault

_OVER = (DeliveryState.SENT, DeliveryState.FAILED, DeliveryState.UNKNOWN, DeliveryState.TOO_OLD)


@dataclass(frozen=True, slots=True)
class ForwardedQuestion:
    """A question and who asks it; None for its words once they were destroyed."""

    id: int
    member_id: int
    question: str | None


class ForwardedQuestions:
    """The questions, within one transaction."""

    def __init__(self, opened: Session, vault: Vault) -> None:
        self._session = opened
        self._vault = vault

    def add(self, member_id: int, message_id: int, question: str, *, on: date) -> int | None:
        """Keep a question, sealed; return its id, or None where this message was sent before."""
        sealed = self._vault.seal(question, about=about_forwarded(member_id, message_id))
        row = {
            "member_id": member_id,
            "message_id": message_id,
            "key_id": sealed.key_id,
            "sealed": sealed.data,
            "sent_on": on,
        }
        if not insert_unless_there(self._session, ForwardedQuestionRow, [row]):
            return None
        query = select(ForwardedQuestionRow.id).filter_by(member_id=member_id, message_id=message_id)
        return self._session.scalars(query).one()

    def get(self, forwarded_id: int) -> ForwardedQuestion | None:
        """Return a question; None for an unknown id."""
        row = self._session.get(ForwardedQuestionRow, forwarded_id, populate_existing=True)
        if row is None:
            return None
        question = None
        if row.key_id is not None and row.sealed is not None:
            about = about_forwarded(row.member_id, row.message_id)
            question = self._vault.open(Sealed(row.key_id, row.sealed), about=about)
        return ForwardedQuestion(row.id, row.member_id, question)

    def erase_over(self, day: date, *, limit: int) -> int:
        """Destroy the words of questions whose delivery is over, or that were sent before a day; return how many.

        That a member has sent this message stays, so that it is not sent a second time.
        """
        query = (
            select(ForwardedQuestionRow)
            .outerjoin(DeliveryRow, DeliveryRow.forwarded_id == ForwardedQuestionRow.id)
            .where(
                ForwardedQuestionRow.key_id.is_not(None),
                or_(
                    ForwardedQuestionRow.sent_on < day,
                    DeliveryRow.id.is_(None),
                    DeliveryRow.state.in_([state.value for state in _OVER]),
                ),
            )
        )
        rows = list(self._session.scalars(query.order_by(ForwardedQuestionRow.id).limit(limit)))
        for row in rows:
            row.key_id, row.sealed = None, None
        self._session.flush()
        return len(rows)
