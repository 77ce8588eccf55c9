"""What goes wrong on a platform, as a test has ordered it."""

import time
from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import Any

ANY = "*"


@dataclass(slots=True)
class Fault:
    """What happens to the next `times` calls of a method: an error, or an answer that never comes or is torn.

    Attributes:
        method: as the platform names it; "*" for any that speaks to a chat.
        code: of the error, where neither hang_s nor cut is given; 429 asks to wait retry_after_s.
        description: what the platform says of it; "" for what it usually says.
        parameters: further facts in the error, such as Telegram's migrate_to_chat_id.
        hang_s: the work is done and the answer waits so long.
        cut: the work is done and the connection is closed in the middle of the answer.
        is_lost: with hang_s or cut, the work is not done after all.
        http_status: of the error's answer; None for what the platform usually gives.
        chat_id: only calls that speak to this chat.
        times: so many calls; the others go well.
        after: so many calls go well before.
    """

    method: str
    code: int = 500
    description: str = ""
    retry_after_s: int | None = None
    hang_s: float = 0.0
    times: int = 1
    cut: bool = False
    is_lost: bool = False
    http_status: int | None = None
    chat_id: str | int | None = None
    after: int = 0
    parameters: dict[str, Any] = field(default_factory=dict)

    @property
    def is_error(self) -> bool:
        """Whether the call is refused, rather than not answered."""
        return not self.hang_s and not self.cut


class Faults:
    """The faults that are still to happen, in the order in which they were ordered."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Order a fault."""
        self._waiting.append(fault)

    def clear(self) -> None:
        """Let everything go well again."""
        self._waiting.clear()

    def take(self, method: str, chat_id: object = None) -> Fault | None:
        """Return what goes wrong with this call, and count it."""
        for fault in self._waiting:
            if fault.method != method and (fault.method != ANY or chat_id is None):
                continue
            if fault.chat_id is not None and str(fault.chat_id) != str(chat_id):
                continue
            if fault.after > 0:
                fault.after -= 1
                continue
            fault.times -= 1
            if fault.times <= 0:
                self._waiting.remove(fault)
            return fault
        return None


@dataclass(slots=True)
class PaceLimit:
    """How many messages a platform takes, in any second; what goes beyond is refused with 429.

    Attributes:
        per_second: to all chats together; None: as many as come.
        per_chat: to one chat; None: as many as come.
        retry_after_s: what is said to who went too fast.
        refused: how many messages were.
    """

    per_second: int | None = None
    per_chat: int | None = None
    retry_after_s: int = 1
    refused: int = 0
    _all: deque[float] = field(default_factory=deque)
    _chats: defaultdict[str, deque[float]] = field(default_factory=lambda: defaultdict(deque))

    def allows(self, chat_id: object) -> bool:
        """Return whether a message may come now, and note it if so."""
        if self.per_second is None and self.per_chat is None:
            return True
        now = time.monotonic()
        chat = self._chats[str(chat_id)]
        for noted in (self._all, chat):
            while noted and noted[0] <= now - 1.0:
                noted.popleft()
        if (self.per_second is not None and len(self._all) >= self.per_second) or (
            self.per_chat is not None and len(chat) >= self.per_chat
        ):
            self.refused += 1
            return False
        self._all.append(now)
        chat.append(now)
        return True
