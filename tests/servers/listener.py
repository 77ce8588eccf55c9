"""A place where a test receives what a platform posts to a webhook."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass(slots=True)
class Listener:
    """What was posted, and how it is answered.

    Attributes:
        url: where it listens.
        heard: the bodies, in order.
        headers: that came with each.
        raw: the bytes of each.
        statuses: of the next answers, in order; then 200.
    """

    url: str = ""
    heard: list[Any] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    before_answer: Callable[[], Any] | None = None


@asynccontextmanager
async def listener() -> AsyncIterator[Listener]:
    """Give a listener on a free port."""
    here = Listener()

    async def hear(request: web.Request) -> web.Response:
        raw = await request.read()
        here.raw.append(raw)
        here.heard.append(json.loads(raw))
        here.headers.append(dict(request.headers))
        if here.before_answer is not None:
            await here.before_answer()
        return web.Response(status=here.statuses.pop(0) if here.statuses else 200)

    application = web.Application()
    application.router.add_post("/hook", hear)
    runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    here.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    try:
        yield here
    finally:
        await runner.cleanup()
