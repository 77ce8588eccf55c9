"""A web server in this program: listens before it says so, answers what is under way before it closes."""

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from bot.channels.base import ChannelError


class WebServer:
    """Serves an ASGI application on one port."""

    def __init__(
        self, app: ASGIApp, host: str, port: int, *, what: str, setting: str, keep_alive_s: int, shared: bool = False
    ) -> None:
        """Take what is served and where.

        Args:
            what: names it in an error, as in "web chat".
            setting: where host and port are set: "web" for web.host and web.port.
            keep_alive_s: how long a connection may be idle.
            shared: other processes listen on the same port, and the system deals the connections out.
        """
        self._app, self._host, self._port = app, host, port
        self._what, self._setting, self._keep_alive_s, self._shared = what, setting, keep_alive_s, shared
        self._server: _Guest | None = None
        self._serving: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port that is listened on; before the start, the one asked for."""
        return self._port

    async def start(self, *, last_answers_s: int) -> None:
        """Listen; port 0 takes a free one.

        Args:
            last_answers_s: how long an answer that is under way may still take when the server closes.
        Raises:
            ChannelError: the address cannot be used.
        """
        listener = await asyncio.to_thread(self._listen)
        self._port = listener.getsockname()[1]
        settings = uvicorn.Config(
            self._app,
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=self._keep_alive_s,
            timeout_graceful_shutdown=last_answers_s,
        )
        server = _Guest(settings)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started and not serving.done():
            await asyncio.sleep(0.01)
        self._server, self._serving = server, serving

    async def wait(self) -> None:
        """Return when the server has ended."""
        if self._serving is not None:
            await asyncio.shield(self._serving)

    async def stop(self) -> None:
        """Take no new connections, answer what is under way, close; a second call changes nothing."""
        if self._server is not None and self._serving is not None:
            self._server.should_exit = True
            await asyncio.wait({self._serving})

    def _listen(self) -> socket.socket:
        """Return a socket that listens already, so that nobody can take the port between this and serving."""
        listener = None
        try:
            found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            # "localhost" names two addresses; people type the older one.
            family, kind, protocol, _, address = min(found, key=lambda entry: entry[0] != socket.AF_INET)
            listener = socket.socket(family, kind, protocol)
            if os.name == "posix":  # elsewhere this option lets two programs share a port
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if self._shared:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            listener.bind(address)
            listener.listen(1024)
            listener.setblocking(False)
        except (OSError, UnicodeError) as error:
            if listener is not None:
                listener.close()
            reason = getattr(error, "strerror", None) or error
            name = self._setting
            raise ChannelError(
                f"{self._what} cannot listen on {self._host} port {self._port}: {reason}: "
                f"set {name}.port (TUSOI_{name.upper()}__PORT) to a free port and {name}.host to an address of this "
                "machine"
            ) from error
        return listener


class _Guest(uvicorn.Server):
    """Uvicorn as a guest: signals belong to the program that runs it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
