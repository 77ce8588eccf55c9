"""Engine, schema and transactions."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.orm import Session

MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_TIMEOUT_S = 15


class DatabaseError(Exception):
    """The database cannot be opened or brought up to date; the message says which and what to do."""


def open_database(url: str) -> Engine:
    """Return an engine for a SQLAlchemy URL; SQLite gets WAL mode, foreign keys and durable commits.

    Raises:
        DatabaseError: the URL is not one, its driver is missing, or its folder cannot be made.
    """
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite":
            if parsed.database not in (None, "", ":memory:"):
                Path(str(parsed.database)).parent.mkdir(parents=True, exist_ok=True)
            engine = create_engine(parsed, hide_parameters=True, connect_args={"timeout": BUSY_TIMEOUT_S})
            _set_up_sqlite(engine)
            return engine
        return create_engine(parsed, hide_parameters=True, pool_pre_ping=True)
    except (ArgumentError, NoSuchModuleError, ImportError, OSError) as error:
        raise DatabaseError(f"database.url cannot be used: {error}") from error


def _set_up_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def _pragmas(connection: Any, _record: object) -> None:
        # Python's driver would open transactions late and in the wrong mode; we say BEGIN ourselves.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        # A writer that starts as a reader is refused when another writer was faster: write from the start.
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def migration_head() -> str | None:
    """Return the newest revision this program knows."""
    from alembic.script import ScriptDirectory

    return ScriptDirectory(str(MIGRATIONS)).get_current_head()


def migrate(engine: Engine) -> bool:
    """Bring the database to the newest schema; return whether anything had to be done.

    Raises:
        DatabaseError: the database cannot be reached, or is newer than this program.
    """
    from alembic.util import CommandError

    try:
        if schema_version(engine) == migration_head():
            return False
        _upgrade(engine)
    except CommandError as error:
        raise DatabaseError(f"database has a schema this program does not know: {error}") from error
    except SQLAlchemyError as error:
        raise DatabaseError(f"database cannot be brought up to date: {_one_line(error)}") from error
    return True


def _upgrade(engine: Engine) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def schema_version(engine: Engine) -> str | None:
    """Return the revision the database is at, or None for a new one.

    Raises:
        SQLAlchemyError: the database cannot be reached.
    """
    from sqlalchemy import inspect

    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


@contextmanager
def session(engine: Engine) -> Iterator[Session]:
    """Give a session; commit when the block ends well, roll back when it raises."""
    with Session(engine, expire_on_commit=False) as opened, opened.begin():
        yield opened


def _one_line(error: SQLAlchemyError) -> str:
    return str(getattr(error, "orig", None) or error).splitlines()[0]
