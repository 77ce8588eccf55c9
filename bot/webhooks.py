"""One small web server for what platforms post to us, apart from the pages that people open."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bot.serving import WebServer

log = logging.getLogger(__name__)
LAST_ANSWERS_S = 10
# A proxy in front keeps its connections for longer than the few seconds that are usual.
KEEP_ALIVE_S = 75


class Webhooks:
    """Serves the routes of all messengers and /health on one port."""

    def __init__(
        self,
        host: str,
        port: int,
        routes: Sequence[Route],
        health: Callable[[], dict[str, Any]],
        *,
        shared: bool = False,
    ) -> None:
        """Take what is served.

        Args:
            health: returns what /health says, "ok" among it; called in a thread.
            shared: other processes listen on the same port, too.
        """
        self._host = host
        self._health = health
        app = Starlette(routes=[*routes, Route("/health", self._show_health)])
        self._server = WebServer(
            app, host, port, what="webhooks", setting="webhooks", keep_alive_s=KEEP_ALIVE_S, shared=shared
        )

    @property
    def port(self) -> int:
        """The port that is listened on; before the start, the one asked for."""
        return self._server.port

    async def start(self) -> None:
        """Listen.

        Raises:
            ChannelError: the address cannot be used.
        """
        await self._server.start(last_answers_s=LAST_ANSWERS_S)
        log.info("webhooks: listening on %s:%d", self._host, self.port)

    async def wait(self) -> None:
        """Return when the server has ended."""
        await self._server.wait()

    async def stop(self) -> None:
        """Take no new connections, answer what is under way, close."""
        await self._server.stop()

    async def _show_health(self, _request: Request) -> Response:
        found = await asyncio.to_thread(self._health)
        return JSONResponse(found, status_code=200 if found["ok"] else 503)
