"""What platforms sent us until it is done, what became of replies, where a member was last heard, Zalo's tokens."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables and the column."""
    op.create_table(
        "incoming_updates",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("channel", sa.String(32), nullable=False),
        sa.Column("external_id", sa.String(128), nullable=False),
        sa.Column("order_key", sa.String(128), nullable=False),
        sa.Column("key_id", sa.String(32)),
        sa.Column("sealed", sa.LargeBinary),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("leased_by", sa.String(64)),
        sa.Column("leased_until", sa.DateTime(timezone=True)),
        sa.Column("reason", sa.String(200)),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.UniqueConstraint("channel", "external_id", name="uq_incoming_updates_channel_external"),
    )
    op.create_index("ix_incoming_updates_waiting", "incoming_updates", ["state", "channel", "order_key", "id"])
    op.create_table(
        "replies",
        sa.Column("message_id", sa.Integer, sa.ForeignKey("messages.id"), primary_key=True, autoincrement=False),
        sa.Column("channel", sa.String(32), nullable=False),
        sa.Column("chat_id", sa.String(128), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("part", sa.Integer, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("replaces", sa.Integer),
        sa.Column("shown_as", sa.String(128)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("leased_by", sa.String(64)),
        sa.Column("leased_until", sa.DateTime(timezone=True)),
        sa.Column("reason", sa.String(200)),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
    )
    op.create_index("ix_replies_waiting", "replies", ["state", "channel", "chat_id", "message_id"])
    op.create_table(
        "used_init_data",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("chat_id", sa.String(128), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "oa_tokens",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("app_id", sa.String(32), nullable=False),
        sa.Column("configured", sa.String(64), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("key_id", sa.String(32), nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("use_until", sa.DateTime(timezone=True)),
        sa.Column("refreshing_by", sa.String(64)),
        sa.Column("refreshing_until", sa.DateTime(timezone=True)),
        sa.Column("refreshed_at", sa.DateTime(timezone=True)),
        sa.UniqueConstraint("app_id", "configured", name="uq_oa_tokens_app_configured"),
    )
    op.add_column("deliveries", sa.Column("failed_on", sa.JSON))
    op.add_column("links", sa.Column("heard_at", sa.DateTime(timezone=True)))


def downgrade() -> None:
    """Take them away; what had come in and was not done is forgotten, as is what was not sent."""
    op.drop_column("links", "heard_at")
    op.drop_column("deliveries", "failed_on")
    op.drop_table("oa_tokens")
    op.drop_table("used_init_data")
    op.drop_table("replies")
    op.drop_table("incoming_updates")
