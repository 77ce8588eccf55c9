"""What handlers may use."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from assessment.model import Checklist
from handlers.messages import IncomingMessage
from knowledge.answer import KnowledgeBase
from knowledge.model import Topic
from knowledge.reload import LiveKnowledge
from storage.store import Conversation, Transaction

# For how long answers are kept where a deployer sets nothing else.
KEEP_MONTHS = 24


@dataclass(frozen=True, slots=True)
class Options:
    """What a deployer has set, as far as handlers need it.

    Attributes:
        admins: chats that are administrators from the start, as channel:chat.
        decision: what a committee has decided in writing about who sees all answers ("Nghị quyết số …"); None where
            it has decided nothing.
        keep_months: for how many months after a round's month what was answered is kept.
        web_address: where members reach the web page, for printed codes; None where it is not known.
        telegram_name: the bot's name there, without "@"; None where there is none.
        keeps_gaps: questions without an answer are kept, without people.
        takes_thumbs: what people say of answers is counted.
    """

    admins: frozenset[str] = frozenset()
    decision: str | None = None
    keep_months: int = KEEP_MONTHS
    web_address: str | None = None
    telegram_name: str | None = None
    keeps_gaps: bool = True
    takes_thumbs: bool = True


@dataclass(frozen=True, slots=True)
class Services:
    """Put together by bot/app.py for each message.

    Attributes:
        knowledge: the documents as they are for the whole of this message.
        checklists: by (id, version).
        live: where other documents are loaded, and earlier versions are; None where nothing is ever loaded.
    """

    knowledge: KnowledgeBase
    checklists: Mapping[tuple[str, int], Checklist] = field(default_factory=dict)
    options: Options = Options()
    live: LiveKnowledge | None = None


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
