"""Turns at something that one at a time may use: in a program, whoever came first goes first; among programs, soon."""

import os
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

if os.name == "posix":
    import fcntl

_LOOKS_EVERY_S = 0.0005


class Turns:
    """A lock that is handed on in the order of arrival."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[threading.Event] = deque()
        self._is_taken = False

    @contextmanager
    def turn(self, longest_s: float) -> Iterator[None]:
        """Give a turn as soon as those before have had theirs; after so long, go on without one."""
        has_turn = self._arrive(longest_s)
        try:
            yield
        finally:
            if has_turn:
                self._leave()

    def _arrive(self, longest_s: float) -> bool:
        with self._lock:
            if not self._is_taken:
                self._is_taken = True
                return True
            called = threading.Event()
            self._waiting.append(called)
        if called.wait(longest_s):
            return True
        with self._lock:
            if called.is_set():
                # Called in the very moment that it gave up.
                return True
            self._waiting.remove(called)
            return False

    def _leave(self) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._is_taken = False


class FileTurns:
    """A lock among programs on one machine: a file, held while somebody uses what it stands for.

    SQLite lets another program's writer try again after pauses that grow to a tenth of a second; here it looks every
    half millisecond.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def turn(self, longest_s: float) -> Iterator[None]:
        """Give a turn as soon as no other program has one; after so long, or without such a file, go on without."""
        file = self._open()
        try:
            if file is not None:
                _lock(file, time.monotonic() + longest_s)
            yield
        finally:
            if file is not None:
                # Closed, it is free again, as it is when the program is killed.
                os.close(file)

    def _open(self) -> int | None:
        if os.name != "posix":
            return None
        try:
            return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            # A folder that cannot be written is SQLite's to complain of, with what to do.
            return None


def _lock(file: int, until: float) -> None:
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                return
            time.sleep(_LOOKS_EVERY_S)
        else:
            return
