"""What the tests of both Zalo channels share."""

import asyncio
import json
import traceback
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.routing import Route

from bot.channels.base import RawUpdate
from storage.store import StoredButton, StoredMessage

SAMPLES = Path(__file__).parents[1] / "data" / "zalo"
NOW = datetime(2026, 12, 1, 7, 0, tzinfo=UTC)
# The time in all samples.
SENT_AT = datetime(2026, 12, 1, 6, 42, 12, 123000, tzinfo=UTC)


def sample(name: str) -> dict[str, Any]:
    """Return a recorded update."""
    body: dict[str, Any] = json.loads((SAMPLES / f"{name}.json").read_text(encoding="utf-8"))
    return body


def a_message(text: str, *labels: str, created_at: datetime = NOW) -> StoredMessage:
    """Return a message of ours; its buttons have the ids bcdfghjkmn01, bcdfghjkmn02, …"""
    buttons = tuple(StoredButton(f"bcdfghjkmn{n:02}", n, label, "read", "") for n, label in enumerate(labels, start=1))
    return StoredMessage(1, True, (("text", text),), buttons, created_at)


class Kept:
    """Keeps updates in memory, and fails as often as it is told to."""

    def __init__(self) -> None:
        self.updates: list[RawUpdate] = []
        self.fails = 0
        self.tries = 0
        self.then: Callable[[RawUpdate], Awaitable[None]] | None = None

    async def __call__(self, channel: str, updates: Sequence[RawUpdate]) -> None:
        """Keep updates, each once."""
        self.tries += 1
        if self.fails > 0:
            self.fails -= 1
            raise OSError("disk full: chuyện riêng của tôi")
        assert channel.startswith("zalo")
        known = {update.external_id for update in self.updates}
        new = [update for update in updates if update.external_id not in known]
        self.updates += new
        for update in new:
            if self.then is not None:
                await self.then(update)


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)


def shows(error: BaseException) -> str:
    """Return all that could ever be printed of an exception: itself, its causes, and what it came up in."""
    said, seen, left = "", set[int](), [error]
    while left:
        each = left.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        said += "".join(traceback.format_exception_only(each)) + repr(vars(each)) + repr(each.args)
        left += [inner for inner in (each.__cause__, each.__context__) if inner is not None]
    return said


async def post_to(routes: Sequence[Route], path: str, content: bytes, **headers: str) -> int:
    """Post something to our own routes; return the status."""
    transport = httpx.ASGITransport(app=Starlette(routes=list(routes)))
    async with httpx.AsyncClient(transport=transport, base_url="http://ours") as client:
        answer = await client.post(path, content=content, headers={"Content-Type": "application/json", **headers})
    return answer.status_code
