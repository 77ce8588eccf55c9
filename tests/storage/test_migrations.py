"""Up and down, one step at a time, with something in every table."""

from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, MetaData, inspect, select, text

from storage.database import MIGRATIONS, migrate, schema_version
from storage.store import Store
from storage.tables import Base
from tests.storage.builders import a_vault

AT, ON = datetime(2026, 11, 5, 2, tzinfo=UTC), date(2026, 11, 5)
REVISIONS = sorted(script.revision for script in ScriptDirectory(str(MIGRATIONS)).walk_revisions())

# A row for every table; columns that a revision does not have yet are left out there.
ROWS: Mapping[str, Mapping[str, Any]] = {
    "conversations": {
        "id": 1,
        "channel": "web",
        "chat_id": "a",
        "topic": {"s": "2.1"},
        "created_at": AT,
        "updated_at": AT,
    },
    "messages": {
        "id": 1,
        "conversation_id": 1,
        "direction": "in",
        "external_id": "m1",
        "blocks": [["text", "mục 2.1 nói gì"]],
        "created_at": AT,
    },
    "buttons": {"id": "b1", "message_id": 1, "ordinal": 1, "label": "Mục 2.1", "action": "section", "argument": "2.1"},
    "jobs": {
        "id": 1,
        "kind": "reload",
        "argument": {"reason": "hết hiệu lực"},
        "asked_by": "member:1",
        "conversation_id": 1,
        "message_id": 1,
        "state": "done",
        "created_at": AT,
        "started_at": AT,
        "finished_at": AT,
    },
    "incoming_updates": {
        "id": 1,
        "channel": "telegram",
        "external_id": "u1",
        "order_key": "7",
        "key_id": "k",
        "sealed": b"\x00sealed",
        "state": "waiting",
        "attempts": 0,
        "received_at": AT,
        "due_at": AT,
    },
    "replies": {
        "message_id": 1,
        "channel": "telegram",
        "chat_id": "7",
        "state": "sent",
        "part": 0,
        "attempts": 1,
        "shown_as": "1001",
        "created_at": AT,
        "due_at": AT,
        "finished_at": AT,
    },
    "used_init_data": {"digest": "d" * 64, "chat_id": "web:a", "used_at": AT},
    "oa_tokens": {
        "id": 1,
        "app_id": "42",
        "configured": "c" * 64,
        "version": 2,
        "key_id": "k",
        "sealed": b"\x00sealed",
    },
    "wanted_documents": {"document_id": "2212-qd-tu", "requests": 3, "first_at": AT, "last_at": AT},
    "organizations": {"id": 1, "name": "Đảng bộ xã An Bình"},
    "cells": {"id": 1, "organization_id": 1, "name": "Chi bộ 3", "settings": {"due_day": 25}},
    "members": {"id": 1, "name": "Nguyễn Văn An", "card_number": "0412", "has_phone": True, "admitted_on": ON},
    "memberships": {"id": 1, "member_id": 1, "cell_id": 1, "from_on": ON},
    "member_roles": {"member_id": 1, "role": "secretary"},
    "enrolment_codes": {"code_hash": "c" * 64, "member_id": 1, "created_at": AT, "expires_at": AT},
    "code_attempts": {"channel": "web", "chat_id": "a", "failed": 2},
    "links": {"channel": "web", "chat_id": "a", "member_id": 1, "linked_at": AT},
    "consents": {"id": 1, "member_id": 1, "notice": "2026-11", "given_at": AT},
    "rounds": {
        "id": 1,
        "cell_id": 1,
        "month": date(2026, 11, 1),
        "checklist_id": "37-qd-tw-2021",
        "checklist_version": 1,
        "opened_on": ON,
        "due_on": date(2026, 11, 30),
        "grace_days": 3,
        "focus": [5, 12],
    },
    "responses": {
        "id": 1,
        "round_id": 1,
        "member_id": 1,
        "wants_talk": True,
        "receipt": "2026-11/1/0001",
        "shown": [1, 4],
    },
    "item_responses": {"id": 1, "response_id": 1, "number": 12, "key_id": "k", "sealed": b"\x00sealed"},
    "checklist_confirmations": {
        "checklist_id": "207-qd-tw-2026",
        "version": 1,
        "confirmed_by": "console:admin",
        "confirmed_on": ON,
    },
    "deliveries": {
        "id": 1,
        "round_id": 1,
        "member_id": 1,
        "kind": "opened",
        "state": "sent",
        "due_at": AT,
        "expires_at": AT,
        "attempts": 1,
    },
    "forwarded_questions": {
        "id": 1,
        "member_id": 1,
        "message_id": 1,
        "key_id": "k",
        "sealed": b"\x00sealed",
        "sent_on": ON,
    },
    "gaps": {"id": 1, "question": "đảng phí bao nhiêu", "folded": "dang phi bao nhieu", "asked_on": ON, "count": 2},
    "approved_answers": {
        "id": 1,
        "questions": ["đóng đảng phí bao nhiêu"],
        "words": "Theo hướng dẫn của chi bộ.",
        "passage_id": "ke-hoach-ket-luan-21/2.1#4",
        "fingerprint": "0" * 64,
        "document_version": 1,
        "member_id": 1,
        "name": "Hoàng Văn Ủy",
        "role": "cấp ủy Đảng bộ xã An Bình",
        "approved_on": ON,
    },
    "feedback": {
        "passage_id": "ke-hoach-ket-luan-21/2.1#4",
        "document_version": 1,
        "judged_on": ON,
        "is_good": True,
        "count": 3,
    },
    "audit": {"id": 1, "at": AT, "actor": "member:1", "action": "consent", "about": "2026-11", "hash": "0" * 64},
}
MADE_BY_MIGRATIONS = {"audit_head"}


def step(engine: Engine, revision: str, *, down: bool = False) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        (command.downgrade if down else command.upgrade)(config, revision)


def tables(engine: Engine) -> MetaData:
    found = MetaData()
    found.reflect(engine)
    found.remove(found.tables["alembic_version"])
    return found


def fill(engine: Engine) -> None:
    """Put a row into every table there is."""
    there = tables(engine).sorted_tables
    with engine.begin() as connection:
        for table in there:
            if table.name not in MADE_BY_MIGRATIONS:
                row = {name: value for name, value in ROWS[table.name].items() if name in table.columns}
                connection.execute(table.insert().values(row))


def dump(engine: Engine, names: Collection[str] | None = None) -> dict[str, dict[str, Any]]:
    """Return the row of every table, or of some, by column."""
    wanted = set(ROWS) if names is None else names
    there = [table for table in tables(engine).sorted_tables if table.name in wanted]
    with engine.connect() as connection:
        return {table.name: dict(connection.execute(select(table)).mappings().one()) for table in there}


def only(rows: Mapping[str, Mapping[str, Any]], like: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the tables and columns that are in another dump, too."""
    return {name: {column: rows[name][column] for column in columns} for name, columns in like.items()}


def is_as_the_program_uses_it(engine: Engine) -> bool:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        return not compare_metadata(context, Base.metadata)


def test_every_table_has_its_row() -> None:
    assert set(ROWS) | MADE_BY_MIGRATIONS == set(Base.metadata.tables)


@pytest.mark.parametrize("revision", REVISIONS)
def test_what_stands_in_an_older_database_is_there_after_the_upgrade(empty: Engine, revision: str) -> None:
    step(empty, revision)
    fill(empty)
    before = dump(empty)
    migrate(empty)
    assert schema_version(empty) == REVISIONS[-1]
    with empty.connect() as connection:
        # Tables that are new are empty; what they will hold does not matter here.
        for table in set(ROWS) - set(before):
            assert connection.execute(text(f"SELECT count(*) FROM {table}")).scalar() == 0
    assert only(dump(empty, before), before) == before
    assert is_as_the_program_uses_it(empty)


@pytest.mark.parametrize("revision", REVISIONS[:-1])
def test_going_back_keeps_what_the_older_program_knows_and_forward_again_works(empty: Engine, revision: str) -> None:
    migrate(empty)
    fill(empty)
    full = dump(empty)
    step(empty, revision, down=True)
    assert schema_version(empty) == revision
    kept = dump(empty)
    assert kept == only(full, kept)
    migrate(empty)
    assert only(dump(empty, kept), kept) == kept
    assert is_as_the_program_uses_it(empty)


def test_all_the_way_down_leaves_nothing(empty: Engine) -> None:
    migrate(empty)
    fill(empty)
    step(empty, "base", down=True)
    assert set(inspect(empty).get_table_names()) <= {"alembic_version"}


def test_older_program_writes_what_the_newer_one_reads(empty: Engine) -> None:
    """What is sealed says by itself with which key; the columns that say it too are filled from it."""
    migrate(empty)
    with Store(empty, a_vault()).transaction() as transaction:
        chat = transaction.conversation("console", "an", now=AT)
        for number in range(3):
            transaction.add_reply(
                chat.id,
                [("text", f"Điều {number}")],
                [("Có biểu hiện", "ck_answer", f"1:{number}:present")],
                in_reply_to=None,
                now=AT,
                confidential=number != 1,
            )
        transaction.audit.note("member:1", "consent", "2026-11", now=AT)
    step(empty, "0003", down=True)
    migrate(empty)
    with empty.connect() as connection:
        for table in ("messages", "buttons"):
            ids = connection.execute(text(f"SELECT key_id, count(*) FROM {table} GROUP BY key_id ORDER BY 2")).all()
            assert [tuple(row) for row in ids] == [(None, 1), ("k", 2)]
    with Store(empty, a_vault()).transaction() as transaction:
        assert [m.text for m in transaction.history(1)] == ["Điều 0", "Điều 1", "Điều 2"]
        assert not transaction.audit.inspect().is_sealed
        transaction.audit.note("member:1", "withdraw consent", "2026-11", now=AT)
        assert transaction.audit.inspect().is_complete
        assert transaction.audit.inspect().lines == 2
