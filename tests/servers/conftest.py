"""A Telegram server, and a bot that calls it; the servers of Zalo have their own in their tests."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.servers.calling import Bot
from tests.servers.telegram import TelegramServer


@pytest.fixture
async def server() -> AsyncIterator[TelegramServer]:
    server = TelegramServer()
    server.backoff_s = 0.01
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=10, verify=False) as client:
        yield client


@pytest.fixture
def bot(server: TelegramServer, client: httpx.AsyncClient) -> Bot:
    return Bot(server, client)
