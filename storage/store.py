"""What we remember, as objects: conversations, messages, buttons, wanted documents."""

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Engine, Table, bindparam, delete, insert, select, update
from sqlalchemy.orm import Session

from storage.approved import ApprovedAnswers
from storage.audit import Audit
from storage.confirmations import Confirmations
from storage.consents import Consents
from storage.database import insert_unless_there, session
from storage.feedback import Feedback
from storage.forwarded import ForwardedQuestions
from storage.gaps import Gaps
from storage.inbox import Inbox
from storage.jobs import Jobs
from storage.oa_tokens import OaTokens
from storage.outbox import Outbox
from storage.people import People
from storage.replies import Replies
from storage.rounds import Rounds
from storage.sealed import SEALED, SealedValues, about_button, about_conversation
from storage.tables import ButtonRow, ConversationRow, LinkRow, MessageRow, WantedDocumentRow
from storage.vault import Sealed, Vault

_FILE = "file"
# Read aloud, typed or logged, an id should not be mistaken: no vowels, no look-alikes.
_ID_LETTERS = "bcdfghjkmnpqrstvwxz23456789"


# What every message needs is put together once: making a statement anew takes longer than what it does.
_CHATS = cast("Table", ConversationRow.__table__)
_MESSAGES = cast("Table", MessageRow.__table__)
_BUTTONS = cast("Table", ButtonRow.__table__)
_FIND_CHAT = (
    select(_CHATS.c.id, _CHATS.c.topic, _CHATS.c.created_at, _CHATS.c.updated_at)
    .where(_CHATS.c.channel == bindparam("of_channel"), _CHATS.c.chat_id == bindparam("of_chat"))
    .with_for_update()
)
_SAVE_TOPIC = update(_CHATS).where(_CHATS.c.id == bindparam("of_id"))
_FIND_INCOMING = select(_MESSAGES.c.id).where(
    _MESSAGES.c.conversation_id == bindparam("of_conversation"), _MESSAGES.c.external_id == bindparam("named")
)
_ADD_MESSAGE = insert(_MESSAGES).returning(_MESSAGES.c.id)
_LATEST_WITH_BUTTONS = (
    select(_BUTTONS.c.message_id)
    .join(_MESSAGES, _BUTTONS.c.message_id == _MESSAGES.c.id)
    .where(_MESSAGES.c.conversation_id == bindparam("of_conversation"))
    .order_by(_BUTTONS.c.message_id.desc())
    .limit(1)
    .scalar_subquery()
)
_LATEST_BUTTONS = select(_BUTTONS).where(_BUTTONS.c.message_id == _LATEST_WITH_BUTTONS).order_by(_BUTTONS.c.ordinal)
_ADD_BUTTONS = insert(_BUTTONS)


@dataclass(frozen=True, slots=True)
class Conversation:
    """A chat on one channel.

    Attributes:
        topic: what the handlers last wrote there, or in another chat of the same member.
        member_id: whose chat it is, where that is known.
    """

    id: int
    channel: str
    chat_id: str
    topic: Mapping[str, Any]
    member_id: int | None = None


@dataclass(frozen=True, slots=True)
class StoredButton:
    """A choice under a message; ordinal counts from 1."""

    id: str
    ordinal: int
    label: str
    action: str
    argument: str


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message as it was committed.

    Attributes:
        is_ours: said by the assistant, not by the person.
        blocks: (kind, text), in order; kinds are those of handlers.messages.BlockKind.
        in_reply_to: id of the person's message it answers, if any.
        external_id: the channel's own id of a person's message.
    """

    id: int
    is_ours: bool
    blocks: tuple[tuple[str, str], ...]
    buttons: tuple[StoredButton, ...]
    created_at: datetime
    in_reply_to: int | None = None
    external_id: str | None = None

    @property
    def text(self) -> str:
        """The message as plain text, a paragraph a block."""
        return "\n".join(text for kind, text in self.blocks if kind != _FILE)

    @property
    def files(self) -> tuple[tuple[str, str], ...]:
        """The files that go with it: (name, recipe); see handlers/files.py."""
        parts = (text.partition("\n") for kind, text in self.blocks if kind == _FILE)
        return tuple((name, recipe) for name, _, recipe in parts)


class Store:
    """Opens transactions on one database; what members answer is sealed with the vault."""

    def __init__(self, engine: Engine, vault: Vault) -> None:
        self._engine = engine
        self._vault = vault

    @property
    def key_ids(self) -> tuple[str, ...]:
        """The ids of the keys as of the latest transaction, the one that seals first."""
        return self._vault.key_ids

    @contextmanager
    def transaction(self) -> Iterator["Transaction"]:
        """Give a transaction; it commits when the block ends well and leaves no trace when it raises."""
        # A key that was added while we run seals from the next transaction on.
        self._vault.refresh()
        with session(self._engine) as opened:
            yield Transaction(opened, self._vault)


class Transaction:
    """Reads and writes that are kept together or not at all.

    Attributes:
        people, consents, rounds, outbox, audit, checklists: the tables of the monthly assessment.
        jobs: work that is done beside answers.
        inbox, replies: what platforms sent us, and what we send there.
        oa_tokens: the tokens of a Zalo Official Account.
        gaps, approved, feedback, forwarded: questions without an answer, and what became of answers and questions.
        sealed: what is encrypted, by key.
    """

    def __init__(self, opened: Session, vault: Vault) -> None:
        self._session = opened
        self._vault = vault
        self.people = People(opened, vault)
        self.consents = Consents(opened)
        self.rounds = Rounds(opened, vault)
        self.outbox = Outbox(opened)
        self.audit = Audit(opened, vault)
        self.sealed = SealedValues(opened, vault)
        self.checklists = Confirmations(opened)
        self.jobs = Jobs(opened)
        self.inbox = Inbox(opened, vault)
        self.replies = Replies(opened)
        self.oa_tokens = OaTokens(opened, vault)
        self.gaps = Gaps(opened)
        self.approved = ApprovedAnswers(opened)
        self.feedback = Feedback(opened)
        self.forwarded = ForwardedQuestions(opened, vault)
        # Several parts of an answer ask for the latest buttons of its chat.
        self._latest_buttons: dict[int, tuple[StoredButton, ...]] = {}

    def conversation(self, channel: str, chat_id: str, *, now: datetime) -> Conversation:
        """Return the conversation of a chat, begun if it is new, locked until the transaction ends."""
        of_chat = {"of_channel": channel, "of_chat": chat_id}
        row = self._session.execute(_FIND_CHAT, of_chat).one_or_none()
        if row is None:
            values = {"channel": channel, "chat_id": chat_id, "topic": {}, "created_at": now, "updated_at": now}
            insert_unless_there(self._session, ConversationRow, [values])
            row = self._session.execute(_FIND_CHAT, of_chat).one()
        member_id = self.people.member_of(channel, chat_id)
        topic = row.topic if member_id is None else self._shared_topic(row, member_id)
        return Conversation(row.id, channel, chat_id, topic, member_id)

    def _shared_topic(self, row: Any, member_id: int) -> Mapping[str, Any]:
        """Return what a member spoke about last, in whichever of the linked chats."""
        query = (
            select(ConversationRow.topic)
            .join(LinkRow, (LinkRow.channel == ConversationRow.channel) & (LinkRow.chat_id == ConversationRow.chat_id))
            .where(LinkRow.member_id == member_id, ConversationRow.id != row.id)
            .order_by(ConversationRow.updated_at.desc())
            .limit(1)
        )
        # A chat in which nothing was ever spoken about has nothing of its own, however new it is.
        if row.updated_at > row.created_at:
            query = query.where(ConversationRow.updated_at > row.updated_at)
        other: Mapping[str, Any] | None = self._session.scalar(query)
        own: Mapping[str, Any] = row.topic
        return own if other is None else other

    def find_conversation(self, channel: str, chat_id: str) -> Conversation | None:
        """Return the conversation of a chat, or None where nobody has written yet."""
        row = self._session.scalar(select(ConversationRow).filter_by(channel=channel, chat_id=chat_id))
        return Conversation(row.id, row.channel, row.chat_id, row.topic) if row else None

    def save_topic(self, conversation_id: int, topic: Mapping[str, Any], *, now: datetime) -> None:
        """Remember what the conversation is about."""
        self._session.execute(_SAVE_TOPIC, {"of_id": conversation_id, "topic": dict(topic), "updated_at": now})

    def replies_to(self, conversation_id: int, external_id: str) -> list[StoredMessage] | None:
        """Return what was said to a message that came before, or None if the message is new."""
        named = {"of_conversation": conversation_id, "named": external_id}
        incoming_id = self._session.scalar(_FIND_INCOMING, named)
        if incoming_id is None:
            return None
        rows = self._session.scalars(select(MessageRow).filter_by(in_reply_to=incoming_id).order_by(MessageRow.id))
        return self._with_buttons(list(rows))

    def add_incoming(
        self, conversation_id: int, external_id: str, text: str, *, now: datetime, confidential: bool = False
    ) -> int:
        """Keep what a person sent, encrypted where it tells what a member answers; return its id."""
        blocks, key_id = self._blocks([("text", text)], conversation_id, confidential=confidential)
        row = {
            "conversation_id": conversation_id,
            "direction": "in",
            "external_id": external_id,
            "in_reply_to": None,
            "blocks": blocks,
            "key_id": key_id,
            "created_at": now,
        }
        return int(self._session.execute(_ADD_MESSAGE, row).scalar_one())

    def add_reply(
        self,
        conversation_id: int,
        blocks: Sequence[tuple[str, str]],
        buttons: Sequence[tuple[str, str, str]],
        *,
        in_reply_to: int | None,
        now: datetime,
        confidential: bool = False,
    ) -> StoredMessage:
        """Keep what we say; buttons are (label, action, argument), in order.

        Args:
            confidential: blocks and buttons are encrypted, for they tell what a member has answered.
        """
        kept, key_id = self._blocks(blocks, conversation_id, confidential=confidential)
        said = {
            "conversation_id": conversation_id,
            "direction": "out",
            "external_id": None,
            "in_reply_to": in_reply_to,
            "blocks": kept,
            "key_id": key_id,
            "created_at": now,
        }
        message_id = int(self._session.execute(_ADD_MESSAGE, said).scalar_one())
        shown: list[StoredButton] = []
        rows: list[dict[str, Any]] = []
        for ordinal, (label, action, argument) in enumerate(buttons, start=1):
            button_id = "".join(secrets.choice(_ID_LETTERS) for _ in range(12))
            shown.append(StoredButton(button_id, ordinal, label, action, argument))
            row = {"label": label, "action": action, "argument": argument, "key_id": None}
            if confidential:
                sealed = self._seal([label, action, argument], about_button(button_id))
                row = {"label": "", "action": SEALED, "argument": sealed.as_text(), "key_id": sealed.key_id}
            rows.append({"id": button_id, "message_id": message_id, "ordinal": ordinal, **row})
        if rows:
            self._session.execute(_ADD_BUTTONS, rows)
            self._latest_buttons[conversation_id] = tuple(shown)
        return StoredMessage(
            message_id, True, tuple((kind, text) for kind, text in blocks), tuple(shown), now, in_reply_to=in_reply_to
        )

    def rewrite(
        self, conversation_id: int, message_id: int, blocks: Sequence[tuple[str, str]], *, now: datetime
    ) -> StoredMessage:
        """Say one of our messages otherwise, without its buttons; return it."""
        row = self._session.scalars(select(MessageRow).filter_by(id=message_id, conversation_id=conversation_id)).one()
        self._session.execute(delete(ButtonRow).where(ButtonRow.message_id == row.id))
        row.blocks, row.key_id, row.edited_at = [list(block) for block in blocks], None, now
        self._latest_buttons.clear()
        self._session.flush()
        return self._with_buttons([row])[0]

    def edited(self, conversation_id: int, *, since: datetime) -> list[StoredMessage]:
        """Return our messages that were said otherwise since a time, oldest first."""
        query = select(MessageRow).where(MessageRow.conversation_id == conversation_id, MessageRow.edited_at >= since)
        return self._with_buttons(list(self._session.scalars(query.order_by(MessageRow.id))))

    def mark_delivered(self, *message_ids: int, now: datetime) -> None:
        """Note that messages reached their channel."""
        if message_ids:
            change = update(MessageRow).where(MessageRow.id.in_(message_ids))
            self._session.execute(change.values(delivered_at=now))

    def button(self, conversation_id: int, button_id: str) -> StoredButton | None:
        """Return a button of this conversation; another chat's button is as good as none."""
        query = (
            select(ButtonRow)
            .join(MessageRow, ButtonRow.message_id == MessageRow.id)
            .where(ButtonRow.id == button_id, MessageRow.conversation_id == conversation_id)
        )
        row = self._session.scalar(query)
        return self._to_button(row) if row else None

    def latest_buttons(self, conversation_id: int) -> tuple[StoredButton, ...]:
        """Return the buttons of our latest message that had any, in order."""
        known = self._latest_buttons.get(conversation_id)
        if known is None:
            known = self._latest_buttons[conversation_id] = self._read_latest_buttons(conversation_id)
        return known

    def _read_latest_buttons(self, conversation_id: int) -> tuple[StoredButton, ...]:
        rows = self._session.execute(_LATEST_BUTTONS, {"of_conversation": conversation_id})
        return tuple(self._to_button(row) for row in rows)

    def message(self, conversation_id: int, message_id: int) -> StoredMessage | None:
        """Return a message of this conversation; another chat's message is as good as none."""
        row = self._session.scalar(select(MessageRow).filter_by(id=message_id, conversation_id=conversation_id))
        return self._with_buttons([row])[0] if row else None

    def latest_id(self, conversation_id: int, *, before: int) -> int | None:
        """Return the id of the latest message of a conversation before another, from whichever side."""
        query = select(MessageRow.id).where(MessageRow.conversation_id == conversation_id, MessageRow.id < before)
        return self._session.scalar(query.order_by(MessageRow.id.desc()).limit(1))

    def message_of_button(self, button_id: str) -> int | None:
        """Return the id of the message under which a button stands."""
        return self._session.scalar(select(ButtonRow.message_id).where(ButtonRow.id == button_id))

    def last_heard(self, channel: str, chat_id: str) -> datetime | None:
        """Return when a person last wrote in a chat; None where that never was."""
        query = (
            select(MessageRow.created_at)
            .join(ConversationRow, MessageRow.conversation_id == ConversationRow.id)
            .where(ConversationRow.channel == channel, ConversationRow.chat_id == chat_id, MessageRow.direction == "in")
            .order_by(MessageRow.id.desc())
            .limit(1)
        )
        return self._session.scalar(query)

    def incoming(self, conversation_id: int, external_id: str) -> StoredMessage | None:
        """Return what a person sent in this conversation under the channel's own id; None where nothing is kept."""
        query = select(MessageRow).filter_by(conversation_id=conversation_id, external_id=external_id, direction="in")
        row = self._session.scalar(query)
        return self._with_buttons([row])[0] if row else None

    def history(self, conversation_id: int, *, after: int = 0, limit: int = 200) -> list[StoredMessage]:
        """Return the latest messages with an id above `after`, oldest first, at most `limit`."""
        query = (
            select(MessageRow)
            .where(MessageRow.conversation_id == conversation_id, MessageRow.id > after)
            .order_by(MessageRow.id.desc())
            .limit(limit)
        )
        return self._with_buttons(list(reversed(list(self._session.scalars(query)))))

    def erase_confidential(self, channel: str, chat_id: str, instead: str) -> int:
        """Destroy the messages of a chat that tell what a member has answered; return how many."""
        conversation = self.find_conversation(channel, chat_id)
        if conversation is None:
            return 0
        query = select(MessageRow).where(MessageRow.conversation_id == conversation.id, MessageRow.key_id.is_not(None))
        return self._erase(query, instead)

    def erase_confidential_before(self, at: datetime, instead: str, *, limit: int = 500) -> int:
        """Destroy the same in all chats, up to so many, where it was written before a time; return how many."""
        query = select(MessageRow).where(MessageRow.created_at < at, MessageRow.key_id.is_not(None))
        return self._erase(query.order_by(MessageRow.id).limit(limit), instead)

    def _erase(self, query: Any, instead: str) -> int:
        rows = list(self._session.scalars(query))
        for row in rows:
            row.blocks, row.key_id = [["text", instead]], None
            self._session.execute(delete(ButtonRow).where(ButtonRow.message_id == row.id))
        self._session.flush()
        self._latest_buttons.clear()
        return len(rows)

    def want_document(self, document_id: str, *, now: datetime) -> int:
        """Put a document on the list of texts to load; return how often it was asked for."""
        values = {"document_id": document_id, "requests": 0, "first_at": now, "last_at": now}
        insert_unless_there(self._session, WantedDocumentRow, [values])
        row = self._session.get_one(WantedDocumentRow, document_id, with_for_update=True)
        row.requests, row.last_at = row.requests + 1, now
        self._session.flush()
        return row.requests

    def wanted_documents(self) -> list[tuple[str, int]]:
        """Return (document id, requests), the most wanted first."""
        query = select(WantedDocumentRow).order_by(WantedDocumentRow.requests.desc(), WantedDocumentRow.document_id)
        return [(row.document_id, row.requests) for row in self._session.scalars(query)]

    def _with_buttons(self, rows: Sequence[MessageRow]) -> list[StoredMessage]:
        buttons: dict[int, list[StoredButton]] = {}
        ids = [row.id for row in rows if row.direction == "out"]
        if ids:
            query = select(ButtonRow).where(ButtonRow.message_id.in_(ids)).order_by(ButtonRow.ordinal)
            for button in self._session.scalars(query):
                buttons.setdefault(button.message_id, []).append(self._to_button(button))
        return [
            StoredMessage(
                id=row.id,
                is_ours=row.direction == "out",
                blocks=self._open_blocks(row),
                buttons=tuple(buttons.get(row.id, ())),
                created_at=row.created_at,
                in_reply_to=row.in_reply_to,
                external_id=row.external_id,
            )
            for row in rows
        ]

    def _blocks(
        self, blocks: Sequence[tuple[str, str]], conversation_id: int, *, confidential: bool
    ) -> tuple[list[list[str]], str | None]:
        """Return the blocks as they are kept, and which key has sealed them, if any."""
        if not confidential:
            return [list(block) for block in blocks], None
        sealed = self._seal([list(block) for block in blocks], about_conversation(conversation_id))
        return [[SEALED, sealed.as_text()]], sealed.key_id

    def _open_blocks(self, row: MessageRow) -> tuple[tuple[str, str], ...]:
        blocks = row.blocks
        if blocks and blocks[0][0] == SEALED:
            blocks = self._open(blocks[0][1], about_conversation(row.conversation_id))
        return tuple((kind, text) for kind, text in blocks)

    def _to_button(self, row: Any) -> StoredButton:
        label, action, argument = row.label, row.action, row.argument
        if action == SEALED:
            label, action, argument = self._open(argument, about_button(row.id))
        return StoredButton(row.id, row.ordinal, label, action, argument)

    def _seal(self, content: Any, about: str) -> Sealed:
        return self._vault.seal(json.dumps(content, ensure_ascii=False), about=about)

    def _open(self, sealed: str, about: str) -> Any:
        return json.loads(self._vault.open(Sealed.from_text(sealed), about=about))
