"""Conversations, messages, buttons and the list of wanted documents."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "conversations",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("channel", sa.String(32), nullable=False),
        sa.Column("chat_id", sa.String(128), nullable=False),
        sa.Column("topic", sa.JSON, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.UniqueConstraint("channel", "chat_id", name="uq_conversations_channel_chat"),
    )
    op.create_table(
        "messages",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("conversation_id", sa.Integer, sa.ForeignKey("conversations.id"), nullable=False),
        sa.Column("direction", sa.String(3), nullable=False),
        sa.Column("external_id", sa.String(128)),
        sa.Column("in_reply_to", sa.Integer, sa.ForeignKey("messages.id")),
        sa.Column("blocks", sa.JSON, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("delivered_at", _TIME),
        sa.UniqueConstraint("conversation_id", "external_id", name="uq_messages_conversation_external"),
    )
    op.create_index("ix_messages_conversation", "messages", ["conversation_id", "id"])
    op.create_index("ix_messages_in_reply_to", "messages", ["in_reply_to"])
    op.create_table(
        "buttons",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("message_id", sa.Integer, sa.ForeignKey("messages.id"), nullable=False),
        sa.Column("ordinal", sa.Integer, nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("argument", sa.Text, nullable=False),
    )
    op.create_index("ix_buttons_message_id", "buttons", ["message_id"])
    op.create_table(
        "wanted_documents",
        sa.Column("document_id", sa.String(128), primary_key=True),
        sa.Column("requests", sa.Integer, nullable=False),
        sa.Column("first_at", _TIME, nullable=False),
        sa.Column("last_at", _TIME, nullable=False),
    )


def downgrade() -> None:
    """Drop the tables."""
    for table in ("wanted_documents", "buttons", "messages", "conversations"):
        op.drop_table(table)
