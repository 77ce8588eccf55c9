"""What handlers may use."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from assessment.model import Checklist
from handlers.messages import IncomingMessage
from knowledge.answer import KnowledgeBase
from knowledge.model import Topic
from storage.store import Conversation, Transaction


@dataclass(frozen=True, slots=True)
class Services:
    """Built once by bot/app.py and handed to every handler.

    Attributes:
        checklists: by (id, version).
    """

    knowledge: KnowledgeBase
    checklists: Mapping[tuple[str, int], Checklist] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Turn:
    """One message and what belongs to answering it."""

    message: IncomingMessage
    conversation: Conversation
    topic: Topic | None
    transaction: Transaction
    services: Services

    @property
    def now(self) -> datetime:
        """When the message was sent, aware UTC."""
        return self.message.sent_at
