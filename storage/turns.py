"""Turns at something that one at a time may use: whoever came first goes first."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


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
