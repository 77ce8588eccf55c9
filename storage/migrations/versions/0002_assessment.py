"""Organizations, members and their chats, rounds and responses, deliveries, the audit log."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "organizations",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(200), nullable=False, unique=True),
        sa.Column("parent_id", sa.Integer, sa.ForeignKey("organizations.id")),
    )
    op.create_table(
        "cells",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("organization_id", sa.Integer, sa.ForeignKey("organizations.id"), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("settings", sa.JSON, nullable=False),
        sa.UniqueConstraint("organization_id", "name", name="uq_cells_organization_name"),
    )
    op.create_table(
        "members",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("card_number", sa.String(32), unique=True),
        sa.Column("phone", sa.String(32)),
        sa.Column("has_phone", sa.Boolean, nullable=False),
        sa.Column("admitted_on", sa.Date),
    )
    op.create_table(
        "memberships",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("member_id", sa.Integer, sa.ForeignKey("members.id"), nullable=False),
        sa.Column("cell_id", sa.Integer, sa.ForeignKey("cells.id"), nullable=False),
        sa.Column("from_on", sa.Date),
        sa.Column("until_on", sa.Date),
    )
    op.create_index("ix_memberships_cell", "memberships", ["cell_id"])
    op.create_index("ix_memberships_member", "memberships", ["member_id"])
    op.create_table(
        "member_roles",
        sa.Column("member_id", sa.Integer, sa.ForeignKey("members.id"), primary_key=True),
        sa.Column("role", sa.String(32), primary_key=True),
    )
    op.create_table(
        "enrolment_codes",
        sa.Column("code_hash", sa.String(64), primary_key=True),
        sa.Column("member_id", sa.Integer, sa.ForeignKey("members.id"), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("expires_at", _TIME, nullable=False),
        sa.Column("used_at", _TIME),
    )
    op.create_index("ix_enrolment_codes_member_id", "enrolment_codes", ["member_id"])
    op.create_table(
        "code_attempts",
        sa.Column("channel", sa.String(32), primary_key=True),
        sa.Column("chat_id", sa.String(128), primary_key=True),
        sa.Column("failed", sa.Integer, nullable=False),
        sa.Column("locked_until", _TIME),
    )
    op.create_table(
        "links",
        sa.Column("channel", sa.String(32), primary_key=True),
        sa.Column("chat_id", sa.String(128), primary_key=True),
        sa.Column("member_id", sa.Integer, sa.ForeignKey("members.id"), nullable=False),
        sa.Column("linked_at", _TIME, nullable=False),
        sa.Column("blocked_at", _TIME),
    )
    op.create_index("ix_links_member_id", "links", ["member_id"])
    op.create_table(
        "consents",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("member_id", sa.Integer, sa.ForeignKey("members.id"), nullable=False),
        sa.Column("notice", sa.String(64), nullable=False),
        sa.Column("given_at", _TIME, nullable=False),
        sa.Column("withdrawn_at", _TIME),
    )
    op.create_index("ix_consents_member_id", "consents", ["member_id"])
    op.create_table(
        "rounds",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("cell_id", sa.Integer, sa.ForeignKey("cells.id"), nullable=False),
        sa.Column("month", sa.Date, nullable=False),
        sa.Column("checklist_id", sa.String(128), nullable=False),
        sa.Column("checklist_version", sa.Integer, nullable=False),
        sa.Column("opened_on", sa.Date, nullable=False),
        sa.Column("due_on", sa.Date, nullable=False),
        sa.Column("grace_days", sa.Integer, nullable=False),
        sa.Column("focus", sa.JSON, nullable=False),
        sa.Column("closed_at", _TIME),
        sa.Column("totals_of", sa.Integer),
        sa.UniqueConstraint("cell_id", "month", name="uq_rounds_cell_month"),
    )
    op.create_table(
        "responses",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("round_id", sa.Integer, sa.ForeignKey("rounds.id"), nullable=False),
        sa.Column("member_id", sa.Integer, sa.ForeignKey("members.id"), nullable=False),
        sa.Column("wants_talk", sa.Boolean, nullable=False),
        sa.Column("submitted_on", sa.Date),
        sa.Column("receipt", sa.String(64), unique=True),
        sa.Column("entered_by", sa.Integer, sa.ForeignKey("members.id")),
        sa.Column("shown", sa.JSON, nullable=False),
        sa.Column("erased_on", sa.Date),
        sa.UniqueConstraint("round_id", "member_id", name="uq_responses_round_member"),
    )
    op.create_index("ix_responses_member_id", "responses", ["member_id"])
    op.create_table(
        "item_responses",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("response_id", sa.Integer, sa.ForeignKey("responses.id"), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("key_id", sa.String(32), nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
    )
    op.create_index("ix_item_responses_response", "item_responses", ["response_id", "number", "id"])
    op.create_table(
        "deliveries",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("round_id", sa.Integer, sa.ForeignKey("rounds.id"), nullable=False),
        sa.Column("member_id", sa.Integer, sa.ForeignKey("members.id"), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("due_at", _TIME, nullable=False),
        sa.Column("expires_at", _TIME, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("leased_until", _TIME),
        sa.Column("leased_by", sa.String(64)),
        sa.Column("reason", sa.String(200)),
        sa.Column("finished_at", _TIME),
        sa.UniqueConstraint("round_id", "member_id", "kind", name="uq_deliveries_round_member_kind"),
    )
    op.create_index("ix_deliveries_state_due", "deliveries", ["state", "due_at"])
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("actor", sa.String(64), nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("about", sa.String(128), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
    )


def downgrade() -> None:
    """Drop the tables."""
    for table in (
        "audit",
        "deliveries",
        "item_responses",
        "responses",
        "rounds",
        "consents",
        "links",
        "code_attempts",
        "enrolment_codes",
        "member_roles",
        "memberships",
        "members",
        "cells",
        "organizations",
    ):
        op.drop_table(table)
