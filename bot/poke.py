"""Wakes the program from another process on the same machine; without it, it looks by itself a moment later."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable
from pathlib import Path

log = logging.getLogger(__name__)
# What the system takes as the address of a socket.
_LONGEST_PATH = 100


class Pokes:
    """Calls a function whenever another process has poked."""

    def __init__(self, path: Path, on_poke: Callable[[], None]) -> None:
        self._path = path
        self._on_poke = on_poke
        self._transport: asyncio.DatagramTransport | None = None

    async def open(self) -> None:
        """Listen; where that cannot be done, say so in the log and go on without."""
        if len(str(self._path).encode()) > _LONGEST_PATH:
            log.warning("%s is too long for a socket: updates that other processes take in wait a moment", self._path)
            return
        # One that was left by a program that crashed would be in the way.
        self._path.unlink(missing_ok=True)
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: _Poked(self._on_poke), local_addr=str(self._path), family=socket.AF_UNIX
        )

    async def close(self) -> None:
        """Listen no more."""
        if self._transport is not None:
            self._transport.close()
            self._path.unlink(missing_ok=True)


class _Poked(asyncio.DatagramProtocol):
    def __init__(self, on_poke: Callable[[], None]) -> None:
        self._on_poke = on_poke

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002
        """Pass it on."""
        self._on_poke()


def poke(path: Path) -> None:
    """Wake whoever listens; nobody need."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        sender.sendto(b"\n", str(path))
