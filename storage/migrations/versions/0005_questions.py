"""Questions without an answer, approved answers, what people think of answers, questions sent to a secretary."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables; let a delivery be about a question instead of a round."""
    op.create_table(
        "gaps",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("question", sa.String(300), nullable=False),
        sa.Column("folded", sa.String(300), nullable=False),
        sa.Column("asked_on", sa.Date, nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
        sa.UniqueConstraint("folded", "asked_on", name="uq_gaps_folded_on"),
    )
    op.create_table(
        "approved_answers",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("questions", sa.JSON, nullable=False),
        sa.Column("words", sa.Text, nullable=False),
        sa.Column("passage_id", sa.String(300), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("document_version", sa.Integer, nullable=False),
        sa.Column("member_id", sa.Integer, sa.ForeignKey("members.id"), nullable=False),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("role", sa.String(250), nullable=False),
        sa.Column("approved_on", sa.Date, nullable=False),
        sa.Column("withdrawn_on", sa.Date),
    )
    op.create_table(
        "feedback",
        sa.Column("passage_id", sa.String(300), primary_key=True),
        sa.Column("document_version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("judged_on", sa.Date, primary_key=True),
        sa.Column("is_good", sa.Boolean, primary_key=True),
        sa.Column("count", sa.Integer, nullable=False),
    )
    op.add_column("messages", sa.Column("is_judged", sa.Boolean))
    op.create_table(
        "forwarded_questions",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("member_id", sa.Integer, sa.ForeignKey("members.id"), nullable=False),
        sa.Column("message_id", sa.Integer, sa.ForeignKey("messages.id"), nullable=False),
        sa.Column("key_id", sa.String(32)),
        sa.Column("sealed", sa.LargeBinary),
        sa.Column("sent_on", sa.Date, nullable=False),
        sa.UniqueConstraint("member_id", "message_id", name="uq_forwarded_member_message"),
    )
    with op.batch_alter_table("deliveries") as deliveries:
        deliveries.alter_column("round_id", existing_type=sa.Integer, nullable=True)
        deliveries.add_column(sa.Column("forwarded_id", sa.Integer))
        deliveries.create_foreign_key("fk_deliveries_forwarded", "forwarded_questions", ["forwarded_id"], ["id"])
        deliveries.create_unique_constraint("uq_deliveries_forwarded", ["forwarded_id"])


def downgrade() -> None:
    """Drop them, and the deliveries that an older program cannot have."""
    op.execute("DELETE FROM deliveries WHERE round_id IS NULL")
    with op.batch_alter_table("deliveries") as deliveries:
        deliveries.drop_constraint("uq_deliveries_forwarded", type_="unique")
        deliveries.drop_constraint("fk_deliveries_forwarded", type_="foreignkey")
        deliveries.drop_column("forwarded_id")
        deliveries.alter_column("round_id", existing_type=sa.Integer, nullable=False)
    op.drop_table("forwarded_questions")
    op.drop_column("messages", "is_judged")
    op.drop_table("feedback")
    op.drop_table("approved_answers")
    op.drop_table("gaps")
