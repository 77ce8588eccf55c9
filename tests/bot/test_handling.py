"""Messages handled in a process beside the program, with the real documents."""

import asyncio
import contextlib
import os
import signal
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from bot.app import build_live, open_store
from bot.config import Config, load_config
from bot.gateway import Gateway, HandlingFailedError
from bot.handling import HandlerProcesses
from handlers.messages import IncomingMessage
from storage.inbox import LeaseLostError
from storage.store import Store

PROJECT = Path(__file__).parent.parent.parent


@pytest.fixture
def config(tmp_path: Path) -> Config:
    config = load_config(PROJECT / "config.yaml", {"TUSOI_DATA_DIR": str(tmp_path / "data")})
    build_live(config)
    return config


def a_kept_update(store: Store, external_id: str) -> int:
    now = datetime.now(UTC)
    with store.transaction() as transaction:
        transaction.inbox.put("telegram", [(external_id, "7", "{}")], now=now)
        return transaction.inbox.claim("w", ["telegram"], now=now)[-1].id


def children() -> list[psutil.Process]:
    """Return the processes that handle messages; one that watches over what they share is not among them."""
    found = []
    for child in psutil.Process().children(recursive=True):
        # One that has just ended has no command line any more.
        with contextlib.suppress(psutil.NoSuchProcess):
            found += [child] if "spawn_main" in " ".join(child.cmdline()) else []
    return found


async def test_a_process_answers_and_when_it_is_killed_another_takes_its_place(config: Config) -> None:
    store = open_store(config)
    processes = HandlerProcesses(config, 1)

    def a_message(external_id: str) -> IncomingMessage:
        return IncomingMessage("telegram", "7", external_id, "mục 2.1 gạch đầu dòng 4 nói gì", datetime.now(UTC))

    async def handle(external_id: str, update_id: int, worker: str = "w") -> str:
        replies, beside = await processes.handle(a_message(external_id), update_id, worker, datetime.now(UTC))
        assert beside is None
        return "\n".join(message.text for _, message in replies)

    await processes.open()
    try:
        first, second = a_kept_update(store, "u1"), a_kept_update(store, "u2")
        with pytest.raises(LeaseLostError):
            await handle("u1", first, worker="other")
        assert "mục 2.1, gạch đầu dòng 4" in await handle("u1", first)
        with pytest.raises(LeaseLostError):
            await handle("u1", first)
        [child] = children()
        os.kill(child.pid, signal.SIGKILL)
        with pytest.raises(HandlingFailedError, match="process died"):
            await handle("u2", second)
        assert "mục 2.1, gạch đầu dòng 4" in await handle("u2", second)
    finally:
        await processes.close()
    await asyncio.sleep(0)
    assert children() == []
    with store.transaction() as transaction:
        assert transaction.inbox.counts() == {}


def test_what_fails_elsewhere_is_logged_by_its_kind_and_place(config: Config, caplog: pytest.LogCaptureFixture) -> None:
    store = open_store(config)
    update_id, now = a_kept_update(store, "u1"), datetime.now(UTC)
    gateway = Gateway(store, lambda *_: [])
    failed = HandlingFailedError("KeyError", '  File "handlers/x.py", line 3, in act\n')
    is_aside, said = gateway.put_aside(update_id, "w", failed, now, now, 1)
    assert is_aside
    assert "KeyError" in caplog.text
    assert 'handlers/x.py", line 3' in caplog.text
    with store.transaction() as transaction:
        [aside] = transaction.inbox.aside()
    assert aside.reason is not None
    assert aside.reason.startswith("KeyError ")
    assert aside.reason.removeprefix("KeyError ") in said
