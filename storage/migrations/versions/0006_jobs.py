"""Work that is done beside answers, and when one of our messages was last changed."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table and the column."""
    op.create_table(
        "jobs",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("argument", sa.JSON, nullable=False),
        sa.Column("asked_by", sa.String(160), nullable=False),
        sa.Column("conversation_id", sa.Integer, sa.ForeignKey("conversations.id"), nullable=False),
        sa.Column("message_id", sa.Integer, sa.ForeignKey("messages.id"), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True)),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
    )
    op.create_index("ix_jobs_state", "jobs", ["state", "id"])
    op.create_index("ix_jobs_message_id", "jobs", ["message_id"])
    op.add_column("messages", sa.Column("edited_at", sa.DateTime(timezone=True)))


def downgrade() -> None:
    """Take them away; work that was asked for and not done is forgotten, what was said of it stays."""
    op.drop_column("messages", "edited_at")
    op.drop_table("jobs")
