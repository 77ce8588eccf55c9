from collections.abc import Iterator

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from storage.database import open_database
from storage.store import Store
from tests.storage.builders import a_vault, bring_up


@pytest.fixture
def empty(url: str) -> Iterator[Engine]:
    engine = open_database(url)
    yield engine
    engine.dispose()


@pytest.fixture
def engine(empty: Engine) -> Engine:
    bring_up(empty)
    return empty


@pytest.fixture
def store(engine: Engine) -> Store:
    return Store(engine, a_vault())


@pytest.fixture
def opened(engine: Engine) -> Iterator[Session]:
    """A session whose work is never committed."""
    with Session(engine, expire_on_commit=False) as session:
        yield session
