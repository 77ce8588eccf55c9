from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from bot import intake, replies
from storage.database import open_database
from storage.store import Store
from tests.servers.telegram import TelegramServer
from tests.servers.zalo import ZaloServer
from tests.storage.builders import a_vault, bring_up


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    engine = open_database(f"sqlite:///{tmp_path / 'tu-soi.db'}")
    bring_up(engine)
    yield Store(engine, a_vault())
    engine.dispose()


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a program look and try again at once; nothing else is otherwise."""
    monkeypatch.setattr(intake, "TRY_AGAIN_AFTER_S", (0.0, 0.0))
    monkeypatch.setattr(intake, "LOOK_EVERY_S", 0.2)
    monkeypatch.setattr(replies, "LOOK_EVERY_S", 0.2)
    monkeypatch.setattr(replies, "RETRY_AFTER_S", 0.01)


@pytest.fixture
async def telegram() -> AsyncIterator[TelegramServer]:
    server = TelegramServer()
    server.backoff_s = 0.05
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def zalo() -> AsyncIterator[ZaloServer]:
    server = ZaloServer(allow_local=True)
    server.backoff_s = 0.05
    await server.start()
    yield server
    await server.stop()
