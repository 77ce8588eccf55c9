import re
import socket
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Engine, event, inspect, make_url, text
from sqlalchemy.exc import IntegrityError

from storage.database import MIGRATIONS, DatabaseError, migrate, migration_head, open_database, schema_version, session
from storage.tables import Base, ConversationRow
from tests.storage.postgres import Postgres

PROJECT = Path(__file__).parent.parent.parent
NOW = datetime(2026, 12, 5, tzinfo=UTC)
OUR_TABLES = set(Base.metadata.tables)


def tables_of(engine: Engine) -> set[str]:
    return set(inspect(engine).get_table_names())


def migrate_to(engine: Engine, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        (command.downgrade if revision == "base" else command.upgrade)(config, revision)


def refusal(url: str) -> str:
    """Open and migrate; return the message, which must be one line."""
    with pytest.raises(DatabaseError) as raised:
        migrate(open_database(url))
    message = str(raised.value)
    assert "\n" not in message
    return message


# --- Schema -------------------------------------------------------------------------------------------------------


def test_an_empty_database_is_brought_to_the_newest_schema_once(empty: Engine) -> None:
    assert schema_version(empty) is None
    assert migrate(empty) is True
    assert schema_version(empty) == migration_head()
    assert tables_of(empty) == OUR_TABLES | {"alembic_version"}
    assert migrate(empty) is False
    assert schema_version(empty) == migration_head()


def test_migrations_end_at_the_tables_the_program_uses(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, Base.metadata) == []


def test_migrating_again_keeps_what_was_written(engine: Engine, url: str) -> None:
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO wanted_documents VALUES ('luật', 3, '2026-12-01', '2026-12-02')"))
    later = open_database(url)
    assert migrate(later) is False
    with later.connect() as connection:
        assert connection.execute(text("SELECT document_id, requests FROM wanted_documents")).all() == [("luật", 3)]
    later.dispose()


def test_downgrade_takes_everything_away_and_upgrade_brings_it_back(engine: Engine) -> None:
    migrate_to(engine, "base")
    assert tables_of(engine) <= {"alembic_version"}
    assert migrate(engine) is True
    assert tables_of(engine) >= OUR_TABLES


def test_a_migration_that_breaks_leaves_no_half_made_schema(empty: Engine) -> None:
    @event.listens_for(empty, "before_cursor_execute")
    def _break(_c: object, _cursor: object, statement: str, *_rest: object) -> None:
        if "CREATE TABLE buttons" in statement:
            raise RuntimeError("the power went out")

    with pytest.raises(RuntimeError):
        migrate(empty)
    assert tables_of(empty) == set()
    event.remove(empty, "before_cursor_execute", _break)
    assert migrate(empty) is True


def test_there_is_one_newest_revision() -> None:
    assert re.fullmatch(r"\d{4}", migration_head() or "")


# --- SQLite -------------------------------------------------------------------------------------------------------


def test_sqlite_writes_ahead_syncs_fully_and_knows_foreign_keys(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'new' / 'folder' / 'x.db'}")
    with engine.connect() as connection:

        def pragma(name: str) -> object:
            return connection.exec_driver_sql(f"PRAGMA {name}").scalar()

        assert pragma("journal_mode") == "wal"
        assert pragma("synchronous") == 2
        assert pragma("foreign_keys") == 1
        assert pragma("busy_timeout") == 15_000


def test_a_transaction_that_reads_first_can_still_write_when_another_wrote_meanwhile(engine: Engine) -> None:
    """A deferred SQLite transaction would fail here at once with "database is locked"."""
    read, errors = threading.Barrier(2, timeout=30), list[BaseException]()

    def count_then_add(name: str) -> None:
        try:
            if engine.dialect.name == "postgresql":
                read.wait()
            with engine.begin() as connection:
                connection.execute(text("SELECT count(*) FROM wanted_documents")).scalar()
                values = {"name": name}
                connection.execute(
                    text("INSERT INTO wanted_documents VALUES (:name, 1, '2026-12-01', '2026-12-01')"), values
                )
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=count_then_add, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert errors == []
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM wanted_documents")).scalar() == 2


# --- Sessions -----------------------------------------------------------------------------------------------------


def test_a_session_that_raises_leaves_no_trace(engine: Engine) -> None:
    def change_your_mind() -> None:
        with session(engine) as opened:
            opened.execute(text("INSERT INTO wanted_documents VALUES ('x', 1, '2026-12-01', '2026-12-01')"))
            raise KeyError("changed my mind")

    with pytest.raises(KeyError):
        change_your_mind()
    with session(engine) as opened:
        assert opened.execute(text("SELECT count(*) FROM wanted_documents")).scalar() == 0


def test_errors_of_the_database_do_not_quote_what_was_written(engine: Engine) -> None:
    row = ConversationRow(channel="console", chat_id="điều bí mật", topic={}, created_at=NOW, updated_at=NOW)
    with session(engine) as opened:
        opened.add(row)
    again = ConversationRow(channel="console", chat_id="điều bí mật", topic={}, created_at=NOW, updated_at=NOW)

    def repeat() -> None:
        with session(engine) as opened:
            opened.add(again)

    with pytest.raises(IntegrityError) as raised:
        repeat()
    said = str(raised.value)
    assert "[SQL: INSERT INTO conversations" in said
    # PostgreSQL's own DETAIL names the key; our part of the message does not.
    assert "bí mật" not in said[said.index("[SQL:") :]


# --- What cannot be opened ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "names"),
    [
        ("", "database.url"),
        ("not a url", "database.url"),
        ("nosuchdatabase://u:geheim@h/x", "nosuchdatabase"),
        ("postgresql+nosuchdriver://u:geheim@h/x", "nosuchdriver"),
        ("postgresql+asyncpg://u:geheim@h/x", "asyncpg"),
        ("mysql+mysqldb://u:geheim@h/x", "mysqldb"),
    ],
)
def test_a_url_that_is_none_or_has_no_driver_is_named(url: str, names: str) -> None:
    message = refusal(url)
    assert message.startswith("database.url")
    assert names in message
    assert "geheim" not in message


@pytest.mark.parametrize("url", ["postgresql+psycopg://u:geheim@db:port/x", "postgresql+psycopg://u:geheim@db:543O/x"])
def test_a_port_that_is_no_number_is_a_database_error(url: str) -> None:
    message = refusal(url)
    assert "database.url" in message
    assert "geheim" not in message


def test_a_url_option_of_a_wrong_type_is_a_database_error(tmp_path: Path) -> None:
    assert "database.url" in refusal(f"sqlite:///{tmp_path / 'x.db'}?timeout=soon")


def test_an_unreachable_postgresql_is_named_without_its_password() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        message = refusal(f"postgresql+psycopg://u:geheim@127.0.0.1:{port}/x")
    assert "127.0.0.1" in message
    assert str(port) in message
    assert "geheim" not in message


@pytest.mark.postgres
def test_a_database_that_does_not_exist_is_named(postgres: Postgres) -> None:
    message = refusal(str(make_url(postgres.fresh_url()).set(database="nowhere", password="")))
    assert "'nowhere'" in message


def test_a_password_with_an_unescaped_at_sign_does_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    def find_nothing(*_: object, **__: object) -> NoReturn:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", find_nothing)
    assert "heim" not in refusal("postgresql+psycopg://u:ge@heim@127.0.0.1/x")


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "letter.db"
    path.write_text("Kính gửi chi bộ.\n" * 100, encoding="utf-8")
    assert "not a database" in refusal(f"sqlite:///{path}")
    assert path.read_text(encoding="utf-8") == "Kính gửi chi bộ.\n" * 100


def test_a_folder_in_the_place_of_the_database_is_refused(tmp_path: Path) -> None:
    assert "unable to open" in refusal(f"sqlite:///{tmp_path}")


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    assert str(tmp_path / "file") in refusal(f"sqlite:///{tmp_path / 'file' / 'x.db'}")


def a_database_from_the_future(url: str) -> None:
    engine = open_database(url)
    migrate(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()


def test_a_schema_from_the_future_is_refused_and_left_alone(url: str) -> None:
    a_database_from_the_future(url)
    message = refusal(url)
    assert "9999" in message
    engine = open_database(url)
    assert schema_version(engine) == "9999"
    engine.dispose()


def test_refusals_say_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "letter.db").write_text("Kính gửi chi bộ.\n" * 100, encoding="utf-8")
    a_database_from_the_future(f"sqlite:///{tmp_path / 'future.db'}")
    unhelpful = [
        message
        for message in (
            refusal("mysql+mysqldb://u:geheim@h/x"),
            refusal("postgresql+psycopg://u:geheim@127.0.0.1:1/x"),
            refusal(f"sqlite:///{tmp_path / 'letter.db'}"),
            refusal(f"sqlite:///{tmp_path / 'future.db'}"),
        )
        # As elsewhere in the program: "…: check database.url", "…: start a newer version", "…: install …".
        if not re.search(r": (check|set|use|start|install|run|give|move|restore|update)\b", message)
    ]
    assert unhelpful == []


# --- Two programs -------------------------------------------------------------------------------------------------

_MIGRATE = """
import sys
import alembic.command
from storage.database import migrate, open_database
print("ready", flush=True)
sys.stdin.readline()
print(migrate(open_database(sys.argv[1])))
"""


def test_two_programs_that_start_at_once_on_a_new_sqlite_file_both_come_up(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'x.db'}"
    programs = [
        subprocess.Popen(
            [sys.executable, "-c", _MIGRATE, url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=PROJECT,
        )
        for _ in range(2)
    ]
    for program in programs:
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n"
    for program in programs:
        assert program.stdin is not None
        program.stdin.write("\n")
        program.stdin.flush()
    ended = [program.communicate(timeout=120) for program in programs]
    assert [program.returncode for program in programs] == [0, 0], ended
    assert schema_version(open_database(url)) == migration_head()
