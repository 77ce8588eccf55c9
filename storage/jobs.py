"""Work that takes longer than an answer may: asked for in a chat, done one at a time beside it, told there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from storage.tables import ConversationRow, JobRow

QUEUED, RUNNING, DONE = "queued", "running", "done"


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be done, for whom, and which of our messages tells how far it is.

    Attributes:
        by: who asked, as it stands in the log.
    """

    id: int
    kind: str
    argument: Mapping[str, Any]
    by: str
    channel: str
    chat_id: str
    conversation_id: int
    message_id: int


class Jobs:
    """The jobs, within one transaction."""

    def __init__(self, opened: Session) -> None:
        self._session = opened

    def queue(
        self,
        kind: str,
        argument: Mapping[str, Any],
        *,
        by: str,
        conversation_id: int,
        message_id: int,
        now: datetime,
    ) -> None:
        """Ask for something to be done after this transaction."""
        self._session.add(
            JobRow(
                kind=kind,
                argument=dict(argument),
                asked_by=by,
                conversation_id=conversation_id,
                message_id=message_id,
                state=QUEUED,
                created_at=now,
            )
        )
        self._session.flush()

    def take(self, channels: Sequence[str], *, now: datetime) -> Job | None:
        """Return the oldest job that waits in chats of these channels, which nobody else takes from now on."""
        for job in self._of(channels, QUEUED):
            claim = update(JobRow).where(JobRow.id == job.id, JobRow.state == QUEUED)
            taken = self._session.execute(claim.values(state=RUNNING, started_at=now).returning(JobRow.id)).all()
            if taken:
                return job
        return None

    def interrupted(self, channels: Sequence[str]) -> list[Job]:
        """Return the jobs that were begun and not ended: at a start, those that a crash has cut off."""
        return self._of(channels, RUNNING)

    def finish(self, job_id: int, *, now: datetime) -> None:
        """Note that a job has ended, well or not."""
        change = update(JobRow).where(JobRow.id == job_id)
        self._session.execute(change.values(state=DONE, finished_at=now))

    def is_under_way(self, conversation_id: int) -> bool:
        """Whether something that was asked for in a chat has not ended."""
        query = select(JobRow.id).where(JobRow.conversation_id == conversation_id, JobRow.state != DONE).limit(1)
        return self._session.scalar(query) is not None

    def _of(self, channels: Sequence[str], state: str) -> list[Job]:
        query = (
            select(JobRow, ConversationRow)
            .join(ConversationRow, JobRow.conversation_id == ConversationRow.id)
            .where(JobRow.state == state, ConversationRow.channel.in_(channels))
            .order_by(JobRow.id)
        )
        return [
            Job(
                row.id,
                row.kind,
                row.argument,
                row.asked_by,
                chat.channel,
                chat.chat_id,
                row.conversation_id,
                row.message_id,
            )
            for row, chat in self._session.execute(query)
        ]
