"""SQLAlchemy tables; migrations/ brings a database to this shape."""

from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC datetime in, the same out; SQLite forgets time zones, so it is put back."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Refuse naive times, which no one could read back rightly."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("times are stored aware: give the datetime a time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Return the time as aware UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """All our tables."""


class ConversationRow(Base):
    """A chat on one channel, and what it is about."""

    __tablename__ = "conversations"
    __table_args__ = (UniqueConstraint("channel", "chat_id", name="uq_conversations_channel_chat"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    channel: Mapped[str] = mapped_column(String(32))
    chat_id: Mapped[str] = mapped_column(String(128))
    topic: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)


class MessageRow(Base):
    """What was said, by the person (direction "in") or by us ("out")."""

    __tablename__ = "messages"
    __table_args__ = (
        UniqueConstraint("conversation_id", "external_id", name="uq_messages_conversation_external"),
        Index("ix_messages_conversation", "conversation_id", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id"))
    direction: Mapped[str] = mapped_column(String(3))
    external_id: Mapped[str | None] = mapped_column(String(128))
    in_reply_to: Mapped[int | None] = mapped_column(ForeignKey("messages.id"), index=True)
    blocks: Mapped[list[list[str]]] = mapped_column(JSON)
    # Which key has sealed the blocks; none where they stand readable.
    key_id: Mapped[str | None] = mapped_column(String(32))
    # Somebody has said of our answer whether it helps, and it was counted; see storage/feedback.py.
    is_judged: Mapped[bool | None] = mapped_column()
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    delivered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # When what we had said was last said otherwise.
    edited_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class ButtonRow(Base):
    """A choice under one of our messages; lives as long as the message, restarts included."""

    __tablename__ = "buttons"

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    message_id: Mapped[int] = mapped_column(ForeignKey("messages.id"), index=True)
    ordinal: Mapped[int] = mapped_column()
    label: Mapped[str] = mapped_column(Text)
    action: Mapped[str] = mapped_column(String(64))
    argument: Mapped[str] = mapped_column(Text)
    # Which key has sealed the button; none where it stands readable.
    key_id: Mapped[str | None] = mapped_column(String(32))


class JobRow(Base):
    """Work that was asked for in a chat and is done beside it; `message_id` is the message that tells how far it is."""

    __tablename__ = "jobs"
    __table_args__ = (Index("ix_jobs_state", "state", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    argument: Mapped[dict[str, Any]] = mapped_column(JSON)
    asked_by: Mapped[str] = mapped_column(String(160))
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id"))
    message_id: Mapped[int] = mapped_column(ForeignKey("messages.id"), index=True)
    state: Mapped[str] = mapped_column(String(8))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class IncomingUpdateRow(Base):
    """What a platform sent us, sealed until it is done; see storage/inbox.py. Done, only its name is kept."""

    __tablename__ = "incoming_updates"
    __table_args__ = (
        UniqueConstraint("channel", "external_id", name="uq_incoming_updates_channel_external"),
        Index("ix_incoming_updates_waiting", "state", "channel", "order_key", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    channel: Mapped[str] = mapped_column(String(32))
    external_id: Mapped[str] = mapped_column(String(128))
    # Updates of one channel with the same one are handled in order.
    order_key: Mapped[str] = mapped_column(String(128))
    key_id: Mapped[str | None] = mapped_column(String(32))
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    state: Mapped[str] = mapped_column(String(8))
    attempts: Mapped[int] = mapped_column(default=0)
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)
    leased_by: Mapped[str | None] = mapped_column(String(64))
    leased_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    reason: Mapped[str | None] = mapped_column(String(200))
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class ReplyRow(Base):
    """What has become of sending one of our messages to a platform; see storage/replies.py."""

    __tablename__ = "replies"
    __table_args__ = (Index("ix_replies_waiting", "state", "channel", "chat_id", "message_id"),)

    message_id: Mapped[int] = mapped_column(ForeignKey("messages.id"), primary_key=True, autoincrement=False)
    channel: Mapped[str] = mapped_column(String(32))
    chat_id: Mapped[str] = mapped_column(String(128))
    state: Mapped[str] = mapped_column(String(8))
    # So many parts of the message have arrived.
    part: Mapped[int] = mapped_column(default=0)
    attempts: Mapped[int] = mapped_column(default=0)
    # Another message of ours in whose place this one may be shown.
    replaces: Mapped[int | None] = mapped_column()
    # What the platform calls it.
    shown_as: Mapped[str | None] = mapped_column(String(128))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)
    leased_by: Mapped[str | None] = mapped_column(String(64))
    leased_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    reason: Mapped[str | None] = mapped_column(String(200))
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class UsedInitDataRow(Base):
    """A proof of who somebody is on Telegram that was given to the web page, and which web chat gave it first."""

    __tablename__ = "used_init_data"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    chat_id: Mapped[str] = mapped_column(String(128))
    used_at: Mapped[datetime] = mapped_column(UtcDateTime)


class OaTokensRow(Base):
    """The pair of tokens with which an app of Zalo speaks for its Official Account, sealed; see storage/oa_tokens.py.

    A row for each refresh token that the settings have ever held, so that no start with an older one does harm.
    """

    __tablename__ = "oa_tokens"
    __table_args__ = (UniqueConstraint("app_id", "configured", name="uq_oa_tokens_app_configured"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    app_id: Mapped[str] = mapped_column(String(32))
    # A digest of the refresh token in the settings, with which this row began.
    configured: Mapped[str] = mapped_column(String(64))
    # Counts the pairs; the first holds nothing but the refresh token of the settings.
    version: Mapped[int] = mapped_column()
    key_id: Mapped[str] = mapped_column(String(32))
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    use_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    refreshing_by: Mapped[str | None] = mapped_column(String(64))
    refreshing_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    refreshed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class WantedDocumentRow(Base):
    """A cited document that people asked for while its text was not in the store."""

    __tablename__ = "wanted_documents"

    document_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    requests: Mapped[int] = mapped_column()
    first_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_at: Mapped[datetime] = mapped_column(UtcDateTime)


class OrganizationRow(Base):
    """A party committee; parent_id is the one above."""

    __tablename__ = "organizations"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("organizations.id"))


class CellRow(Base):
    """A party cell; `settings` holds its schedule and what a committee has decided for it."""

    __tablename__ = "cells"
    __table_args__ = (UniqueConstraint("organization_id", "name", name="uq_cells_organization_name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    organization_id: Mapped[int] = mapped_column(ForeignKey("organizations.id"))
    name: Mapped[str] = mapped_column(String(200))
    settings: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)


class MemberRow(Base):
    """A person of the roster."""

    __tablename__ = "members"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(120))
    card_number: Mapped[str | None] = mapped_column(String(32), unique=True)
    phone: Mapped[str | None] = mapped_column(String(32))
    has_phone: Mapped[bool] = mapped_column(default=True)
    admitted_on: Mapped[date | None] = mapped_column()


class MembershipRow(Base):
    """A member in a cell, from a day on until another (exclusive); a move ends one and begins the next."""

    __tablename__ = "memberships"
    __table_args__ = (Index("ix_memberships_cell", "cell_id"), Index("ix_memberships_member", "member_id"))

    id: Mapped[int] = mapped_column(primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    cell_id: Mapped[int] = mapped_column(ForeignKey("cells.id"))
    from_on: Mapped[date | None] = mapped_column()
    until_on: Mapped[date | None] = mapped_column()


class MemberRoleRow(Base):
    """A role of a member beside being one."""

    __tablename__ = "member_roles"

    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"), primary_key=True)
    role: Mapped[str] = mapped_column(String(32), primary_key=True)


class EnrolmentCodeRow(Base):
    """A one-time code, kept only as a keyed hash."""

    __tablename__ = "enrolment_codes"

    code_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"), index=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class CodeAttemptRow(Base):
    """How often a chat has lately given a wrong code."""

    __tablename__ = "code_attempts"

    channel: Mapped[str] = mapped_column(String(32), primary_key=True)
    chat_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    failed: Mapped[int] = mapped_column()
    locked_until: Mapped[datetime | None] = mapped_column(UtcDateTime)


class LinkRow(Base):
    """A chat that belongs to a member; blocked_at: our messages are refused there since then."""

    __tablename__ = "links"

    channel: Mapped[str] = mapped_column(String(32), primary_key=True)
    chat_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"), index=True)
    linked_at: Mapped[datetime] = mapped_column(UtcDateTime)
    blocked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # When the member last wrote there.
    heard_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class ConsentRow(Base):
    """What a member agreed to, and when; withdrawn_at where it was taken back."""

    __tablename__ = "consents"

    id: Mapped[int] = mapped_column(primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"), index=True)
    notice: Mapped[str] = mapped_column(String(64))
    given_at: Mapped[datetime] = mapped_column(UtcDateTime)
    withdrawn_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class RoundRow(Base):
    """One month's assessment of one cell."""

    __tablename__ = "rounds"
    __table_args__ = (UniqueConstraint("cell_id", "month", name="uq_rounds_cell_month"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    cell_id: Mapped[int] = mapped_column(ForeignKey("cells.id"))
    month: Mapped[date] = mapped_column()
    checklist_id: Mapped[str] = mapped_column(String(128))
    checklist_version: Mapped[int] = mapped_column()
    opened_on: Mapped[date] = mapped_column()
    due_on: Mapped[date] = mapped_column()
    grace_days: Mapped[int] = mapped_column(default=0)
    focus: Mapped[list[int]] = mapped_column(JSON)
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # How many responses were counted in the totals last shown; see assessment.access.totals.
    totals_of: Mapped[int | None] = mapped_column()


class ResponseRow(Base):
    """A member's response in a round; what was answered stands in item_responses."""

    __tablename__ = "responses"
    __table_args__ = (UniqueConstraint("round_id", "member_id", name="uq_responses_round_member"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    round_id: Mapped[int] = mapped_column(ForeignKey("rounds.id"))
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"), index=True)
    wants_talk: Mapped[bool] = mapped_column(default=False)
    submitted_on: Mapped[date | None] = mapped_column()
    receipt: Mapped[str | None] = mapped_column(String(64), unique=True)
    entered_by: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    # Which items and groups were really shown.
    shown: Mapped[list[int]] = mapped_column(JSON)
    # The content was destroyed on the member's wish or when its time was over; the response still counts.
    erased_on: Mapped[date | None] = mapped_column()


class ItemResponseRow(Base):
    """One answer to one item, encrypted; the newest counts, older ones are its history."""

    __tablename__ = "item_responses"
    __table_args__ = (Index("ix_item_responses_response", "response_id", "number", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    response_id: Mapped[int] = mapped_column(ForeignKey("responses.id"))
    number: Mapped[int] = mapped_column()
    key_id: Mapped[str] = mapped_column(String(32))
    sealed: Mapped[bytes] = mapped_column(LargeBinary)


class ConfirmationRow(Base):
    """A version of a checklist that an admin has confirmed for use."""

    __tablename__ = "checklist_confirmations"

    checklist_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    confirmed_by: Mapped[str] = mapped_column(String(160))
    confirmed_on: Mapped[date] = mapped_column()


class DeliveryRow(Base):
    """A message that somebody is to hear once; see storage/outbox.py."""

    __tablename__ = "deliveries"
    __table_args__ = (
        UniqueConstraint("round_id", "member_id", "kind", name="uq_deliveries_round_member_kind"),
        UniqueConstraint("forwarded_id", name="uq_deliveries_forwarded"),
        Index("ix_deliveries_state_due", "state", "due_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    # A round, or a question that a member sends to the secretary; neither where there is no round yet.
    round_id: Mapped[int | None] = mapped_column(ForeignKey("rounds.id"))
    forwarded_id: Mapped[int | None] = mapped_column(
        ForeignKey("forwarded_questions.id", name="fk_deliveries_forwarded")
    )
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    kind: Mapped[str] = mapped_column(String(32))
    state: Mapped[str] = mapped_column(String(16))
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    attempts: Mapped[int] = mapped_column(default=0)
    leased_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    leased_by: Mapped[str | None] = mapped_column(String(64))
    reason: Mapped[str | None] = mapped_column(String(200))
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # The channels on which it cannot be delivered.
    failed_on: Mapped[list[str] | None] = mapped_column(JSON)


class ForwardedQuestionRow(Base):
    """A question that a member wants the secretary to read, sealed; empty once nobody is to be sent it any more."""

    __tablename__ = "forwarded_questions"
    __table_args__ = (UniqueConstraint("member_id", "message_id", name="uq_forwarded_member_message"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    message_id: Mapped[int] = mapped_column(ForeignKey("messages.id"))
    key_id: Mapped[str | None] = mapped_column(String(32))
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    sent_on: Mapped[date] = mapped_column()


class GapRow(Base):
    """A question that the documents did not answer, and how often it was asked on a day; never by whom or when."""

    __tablename__ = "gaps"
    __table_args__ = (UniqueConstraint("folded", "asked_on", name="uq_gaps_folded_on"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    question: Mapped[str] = mapped_column(String(300))
    folded: Mapped[str] = mapped_column(String(300))
    asked_on: Mapped[date] = mapped_column()
    count: Mapped[int] = mapped_column()


class ApprovedAnswerRow(Base):
    """An answer in a committee member's own words; name and role are those of that day."""

    __tablename__ = "approved_answers"

    id: Mapped[int] = mapped_column(primary_key=True)
    questions: Mapped[list[str]] = mapped_column(JSON)
    words: Mapped[str] = mapped_column(Text)
    passage_id: Mapped[str] = mapped_column(String(300))
    fingerprint: Mapped[str] = mapped_column(String(64))
    document_version: Mapped[int] = mapped_column()
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    name: Mapped[str] = mapped_column(String(120))
    role: Mapped[str] = mapped_column(String(250))
    approved_on: Mapped[date] = mapped_column()
    withdrawn_on: Mapped[date | None] = mapped_column()


class FeedbackRow(Base):
    """How often on a day an answer that quotes a passage was called good, or not; never by whom."""

    __tablename__ = "feedback"

    passage_id: Mapped[str] = mapped_column(String(300), primary_key=True)
    document_version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    judged_on: Mapped[date] = mapped_column(primary_key=True)
    is_good: Mapped[bool] = mapped_column(primary_key=True)
    count: Mapped[int] = mapped_column()


class AuditRow(Base):
    """Who did or read what, without content; every row holds the hash of the one before."""

    __tablename__ = "audit"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    actor: Mapped[str] = mapped_column(String(64))
    action: Mapped[str] = mapped_column(String(64))
    about: Mapped[str] = mapped_column(String(128))
    hash: Mapped[str] = mapped_column(String(64))


class AuditHeadRow(Base):
    """One row: how many lines the audit log has, and a keyed hash over all of them; see storage/audit.py.

    key_id and mac are empty until the next line is written where the log is older than this table.
    """

    __tablename__ = "audit_head"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    lines: Mapped[int] = mapped_column()
    key_id: Mapped[str] = mapped_column(String(32))
    mac: Mapped[str] = mapped_column(String(64))
