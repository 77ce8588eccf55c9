"""How fast a channel may be written to. Moments are seconds of a clock that only goes forward; it is an argument."""

from bisect import bisect_left, insort
from collections import deque
from dataclasses import dataclass

WINDOW_S = 1.0
# For so long after an answer others are likely to be written to, too.
TALK_S = 5.0
# Spread over three quarters of a window, a broadcast makes up in the rest for what it lost by being late.
_SPREAD = 0.75


@dataclass(frozen=True, slots=True)
class Limits:
    """What a platform takes from a bot.

    Attributes:
        per_second: messages to all chats together, in any window of a second.
        per_chat_s: seconds between two messages to one chat.
        for_replies: so many of per_second are left free by a broadcast while people are being answered.
    """

    per_second: int
    per_chat_s: float = 1.0
    for_replies: int = 0


# Telegram: about 30 messages a second in all, one a second to a chat. Zalo tells no figure: a third of that, so that
# it need not ask us to wait. A web chat stores what it is given: no limit.
LIMITS = {
    "telegram": Limits(per_second=30, per_chat_s=1.0, for_replies=5),
    "zalo": Limits(per_second=10, per_chat_s=1.0, for_replies=3),
    "zalo_oa": Limits(per_second=10, per_chat_s=1.0, for_replies=3),
}


class Pace:
    """Says when the next message of a broadcast may go.

    Replies to people never ask: they are noted when they go, and the broadcast yields. Each takes the place of a
    message of the broadcast, and for TALK_S after it the broadcast leaves a few places free, so that the next reply
    finds room within what the platform takes.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        """Take what the platform allows; without limits a channel can only be halted."""
        self._limits = limits
        self._noted: list[tuple[float, str]] = []  # what went, or is about to, within the last window; in order
        self._gone: deque[float] = deque()  # when messages really went, within the last window
        self._last_at: float | None = None
        self._talked_at: float | None = None
        self._halted_until: float | None = None
        self._halted_chats: dict[str, float] = {}

    def next_at(self, chat_id: str, now: float) -> float:
        """Return the first moment, now or later, at which a message of a broadcast may go to a chat."""
        at = now + self.chat_halted_s(chat_id, now)
        limits = self._limits
        if limits is None:
            return at
        self._forget(now)
        if self._last_at is not None:
            at = max(at, self._last_at + _SPREAD * WINDOW_S / limits.per_second)
        room = limits.per_second
        if self._talked_at is not None and self._talked_at > now - TALK_S:
            room -= limits.for_replies
        if len(self._noted) >= room:
            at = max(at, self._noted[-room][0] + WINDOW_S)
        same_chat = (then for then, chat in reversed(self._noted) if chat == chat_id)
        last = next(same_chat, None)
        return at if last is None else max(at, last + limits.per_chat_s)

    def take(self, chat_id: str, at: float) -> None:
        """Note that a message of a broadcast goes to a chat at a moment which next_at has named."""
        self._last_at = at
        self._note(chat_id, at)

    def wait_s(self, now: float) -> float:
        """Return how long a message whose moment has come waits still, for others that went late; 0.0: it goes now."""
        if self._limits is None or len(self._gone) < self._limits.per_second:
            return 0.0
        return max(0.0, self._gone[-self._limits.per_second] + WINDOW_S - now)

    def went(self, chat_id: str, at: float, now: float) -> None:
        """Note that a message that was to go at a moment went only now, so that the next do not crowd after it."""
        place = bisect_left(self._noted, (at, chat_id))
        if self._noted[place : place + 1] == [(at, chat_id)]:
            del self._noted[place]
        self._note(chat_id, now)
        self._note_gone(now)

    def reply(self, chat_id: str, now: float) -> None:
        """Note that a person is answered now."""
        self._talked_at = now
        self._note(chat_id, now)
        self._note_gone(now)

    def halt(self, until: float, chat_id: str, now: float) -> None:
        """Obey a platform that asked to wait when a chat was written to; a halt that lasts longer stays.

        It does not say whether it means the chat or all of them. One chat is halted alone; where a second one is
        refused meanwhile, it means all.
        """
        for chat in [chat for chat, at in self._halted_chats.items() if at <= now]:
            del self._halted_chats[chat]
        is_second = any(chat != chat_id for chat in self._halted_chats)
        self._halted_chats[chat_id] = max(until, self._halted_chats.get(chat_id, until))
        if is_second:
            self._halted_until = until if self._halted_until is None else max(until, self._halted_until)

    def chat_halted_s(self, chat_id: str, now: float) -> float:
        """Return for how many seconds a chat is halted, alone or with all; 0 where it is not."""
        return max(self.halted_s(now), self._halted_chats.get(chat_id, now) - now)

    def halted_s(self, now: float) -> float:
        """Return for how many seconds the whole channel is halted; 0 where it is not."""
        return 0.0 if self._halted_until is None else max(0.0, self._halted_until - now)

    def _note(self, chat_id: str, at: float) -> None:
        if self._limits is not None:
            self._forget(at)
            insort(self._noted, (at, chat_id))

    def _note_gone(self, now: float) -> None:
        if self._limits is not None:
            self._gone.append(now)
            while self._gone[0] <= now - WINDOW_S:
                self._gone.popleft()

    def _forget(self, now: float) -> None:
        """Drop what no moment from now on depends on."""
        oldest = now - max(WINDOW_S, self._limits.per_chat_s if self._limits else 0.0)
        kept = next((n for n, (at, _) in enumerate(self._noted) if at > oldest), len(self._noted))
        del self._noted[:kept]
