"""Confirmed versions of checklists."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "checklist_confirmations",
        sa.Column("checklist_id", sa.String(128), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("confirmed_by", sa.String(160), nullable=False),
        sa.Column("confirmed_on", sa.Date, nullable=False),
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("checklist_confirmations")
