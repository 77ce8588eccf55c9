"""Which key has sealed a message or a button; what shows that the end of the audit log is missing."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_ROWS_AT_ONCE = 1000


def upgrade() -> None:
    """Add the columns, fill them from what is sealed already, and make the table."""
    op.add_column("messages", sa.Column("key_id", sa.String(32)))
    op.add_column("buttons", sa.Column("key_id", sa.String(32)))
    _fill_messages()
    _fill_buttons()
    head = op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("lines", sa.Integer, nullable=False),
        sa.Column("key_id", sa.String(32), nullable=False),
        sa.Column("mac", sa.String(64), nullable=False),
    )
    # Keys are not at hand here: the next line of the log seals what there is.
    op.bulk_insert(head, [{"id": 1, "lines": 0, "key_id": "", "mac": ""}])


def _fill_messages() -> None:
    messages = sa.table("messages", sa.column("id"), sa.column("blocks", sa.JSON), sa.column("key_id"))
    # JSON is kept as the text it was written as, and this is how the program writes it.
    is_sealed = sa.cast(messages.c.blocks, sa.Text).like(json.dumps([["sealed", ""]])[:-3] + "%")
    last = 0
    while True:
        query = sa.select(messages.c.id, messages.c.blocks).where(is_sealed, messages.c.id > last)
        rows = op.get_bind().execute(query.order_by(messages.c.id).limit(_ROWS_AT_ONCE)).all()
        for row in rows:
            change = sa.update(messages).where(messages.c.id == row.id)
            op.get_bind().execute(change.values(key_id=row.blocks[0][1].partition(" ")[0]))
        if not rows:
            return
        last = rows[-1].id


def _fill_buttons() -> None:
    buttons = sa.table("buttons", sa.column("id"), sa.column("action"), sa.column("argument"), sa.column("key_id"))
    last = ""
    while True:
        query = sa.select(buttons.c.id, buttons.c.argument).where(buttons.c.action == "sealed", buttons.c.id > last)
        rows = op.get_bind().execute(query.order_by(buttons.c.id).limit(_ROWS_AT_ONCE)).all()
        for row in rows:
            change = sa.update(buttons).where(buttons.c.id == row.id)
            op.get_bind().execute(change.values(key_id=row.argument.partition(" ")[0]))
        if not rows:
            return
        last = rows[-1].id


def downgrade() -> None:
    """Drop them; what is sealed stays sealed and says by itself which key opens it."""
    op.drop_table("audit_head")
    op.drop_column("buttons", "key_id")
    op.drop_column("messages", "key_id")
