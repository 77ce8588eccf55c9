"""Engine, schema and transactions."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakKeyDictionary

from sqlalchemy import Engine, Executable, Table, create_engine, event, make_url, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Session, class_mapper

from storage.turns import FileTurns, Turns

if TYPE_CHECKING:
    from alembic.script import ScriptDirectory

MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_TIMEOUT_S = 15
_TURNS: WeakKeyDictionary[Engine, Sequence[Turns | FileTurns]] = WeakKeyDictionary()


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
            is_memory = parsed.database in (None, "", ":memory:")
            if not is_memory:
                _make_folder(Path(str(parsed.database)).parent)
            engine = create_engine(parsed, hide_parameters=True, connect_args={"timeout": BUSY_TIMEOUT_S})
            _set_up_sqlite(engine)
            in_files = [] if is_memory else [FileTurns(Path(f"{parsed.database}.turn"))]
            # First among ourselves, so that only one of us waits for another program.
            _TURNS[engine] = [Turns(), *in_files]
            return engine
        return create_engine(parsed, hide_parameters=True, pool_pre_ping=True)
    except (NoSuchModuleError, ImportError) as error:
        raise DatabaseError(
            f"database.url: no driver for {parsed.drivername}: use sqlite:/// or postgresql+psycopg://"
        ) from error
    except (ArgumentError, ValueError):
        # Without its cause, which may quote the password.
        raise DatabaseError(
            "database.url is not a URL of a database: use postgresql+psycopg://user:password@host/name, with signs "
            "such as @ in the password written as %40"
        ) from None


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DatabaseError(f"{folder}: cannot be made ({reason}): check data_dir or database.url") from error


def _set_up_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def _pragmas(connection: Any, _record: object) -> None:
        # Python's driver would open transactions late and in the wrong mode; we say BEGIN ourselves.
        connection.isolation_level = None
        cursor = connection.cursor()
        # What is deleted is overwritten: an answer that a member has erased must not lie on in a free page.
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        # A writer that starts as a reader is refused when another writer was faster: write from the start.
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def migration_head() -> str | None:
    """Return the newest revision this program knows."""
    return _scripts().get_current_head()


def knows_schema(version: str) -> bool:
    """Whether a revision is one of this program's."""
    return version in {script.revision for script in _scripts().walk_revisions()}


def _scripts() -> "ScriptDirectory":
    from alembic.script import ScriptDirectory

    return ScriptDirectory(str(MIGRATIONS))


def migrate(engine: Engine) -> bool:
    """Bring the database to the newest schema; return whether anything had to be done.

    Raises:
        DatabaseError: the database cannot be reached, or is newer than this program.
    """
    try:
        version = schema_version(engine)
        if version == migration_head():
            return False
        if version is not None and not knows_schema(version):
            raise DatabaseError(
                f"database has schema {version}, made by a newer version of this program: install that version or "
                "restore an older backup"
            )
        _upgrade(engine)
    except SQLAlchemyError as error:
        raise DatabaseError(explain(engine, error)) from error
    except (ValueError, TypeError) as error:
        raise DatabaseError("database.url has an option with a wrong value: check what follows '?'") from error
    return True


def explain(engine: Engine, error: SQLAlchemyError) -> str:
    """Return in one line what is wrong and what to do, without what a server says, which may quote a password."""
    cause = getattr(error, "orig", None) or error
    url = engine.url
    if url.get_backend_name() == "sqlite":
        return f"{url.database}: {cause}: move it away or set database.url to another file"
    # An "@" of the password that was not written as %40 has come into the host.
    host = (url.host or "localhost").rpartition("@")[2]
    where = f"database {url.database!r} on {host}{f':{url.port}' if url.port else ''}"
    return f"{where} cannot be used ({type(cause).__name__}): check that it runs and that database.url is right"


def _upgrade(engine: Engine) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            # Two programs that start at once take turns; the second finds nothing left to do.
            connection.execute(text("SELECT pg_advisory_xact_lock(20261123)"))
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
    # SQLite lets its waiting writers try again at their own pace: a busy chat would keep the others out.
    with ExitStack() as stack:
        for turns in _TURNS.get(engine, ()):
            stack.enter_context(turns.turn(BUSY_TIMEOUT_S))
        opened = stack.enter_context(Session(engine, expire_on_commit=False))
        stack.enter_context(opened.begin())
        yield opened


def insert_unless_there(opened: Session, table: type[DeclarativeBase], rows: Sequence[Mapping[str, Any]]) -> int:
    """Insert rows, leaving those whose unique key is taken as they are; return how many are new.

    Another transaction that was faster is waited for.
    """
    is_postgresql = opened.get_bind().dialect.name == "postgresql"
    # The count that a driver gives for such a statement is not the same everywhere; the rows it returns are.
    if len(rows) == 1:
        return len(opened.execute(_insert_one(table, is_postgresql), dict(rows[0])).all())
    insert = postgresql.insert if is_postgresql else sqlite.insert
    new = insert(table).values(list(rows)).on_conflict_do_nothing()
    return len(opened.execute(new.returning(*class_mapper(table).primary_key)).all())


@cache
def _insert_one(table: type[DeclarativeBase], is_postgresql: bool) -> Executable:
    """Return the statement for a single row, put together once: that takes longer than what it does."""
    insert = postgresql.insert if is_postgresql else sqlite.insert
    columns = cast("Table", table.__table__)
    return insert(columns).on_conflict_do_nothing().returning(*columns.primary_key)
