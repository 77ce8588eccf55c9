"""What every channel can do."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from starlette.routing import Route

from handlers.messages import IncomingMessage
from storage.store import StoredMessage


class DeliveryError(Exception):
    """A message did not reach its chat.

    Attributes:
        permanent: trying again is useless (the person blocked the bot, the chat is gone, the text was refused).
        is_closed: nothing of ours reaches this chat any more, until its person writes again.
        retry_after_s: the platform asked to wait this long; None where it did not say.
        maybe_delivered: nobody can tell whether it arrived; it must not be sent again by itself.
        parts_sent: so many parts of the message did arrive before.
        moved_to: the platform's new id of the chat; None where it has not moved.
    """

    def __init__(
        self,
        reason: str,
        *,
        permanent: bool,
        is_closed: bool = False,
        retry_after_s: float | None = None,
        maybe_delivered: bool = False,
        parts_sent: int = 0,
        moved_to: str | None = None,
    ) -> None:
        super().__init__(reason)
        self.permanent = permanent
        self.is_closed = is_closed
        self.retry_after_s = retry_after_s
        self.maybe_delivered = maybe_delivered
        self.parts_sent = parts_sent
        self.moved_to = moved_to


class FileLostError(Exception):
    """A file that was sent cannot be fetched; `too_large` where the platform hands out no file of its size."""

    def __init__(self, *, too_large: bool = False) -> None:
        super().__init__("too large" if too_large else "lost")
        self.too_large = too_large


class ChannelError(Exception):
    """A channel cannot start; the message names the setting, port or token and what to do."""


class Channel(Protocol):
    """A way for people to reach the assistant: WebChat, and every Messenger."""

    name: str

    async def start(self) -> None:
        """Open the channel; messages begin to reach the gateway.

        Raises:
            ChannelError: it cannot be opened.
        """

    async def wait(self) -> None:
        """Return when the channel has ended by itself; a channel that runs for ever never returns."""

    async def stop(self) -> None:
        """Close the channel, after what is under way has been answered."""

    async def deliver(
        self,
        chat_id: str,
        message: StoredMessage,
        *,
        part: int = 0,
        is_reply: bool = False,
        replaces: str | None = None,
    ) -> str | None:
        """Send one of our messages to a chat, all its parts in order; return the platform's id of the last part.

        Args:
            part: so many parts have arrived before and are not sent again.
            is_reply: somebody waits for it: it goes at once, and broadcasts yield.
            replaces: the platform's id of a message of ours in whose place it may be shown; where that cannot be
                done, it is sent as any other.
        Raises:
            DeliveryError: it did not arrive whole, or may not have.
        """

    async def edit(self, chat_id: str, message: StoredMessage, shown_as: str | None) -> None:
        """Say a message otherwise that was said before, where that can be done; else let it be.

        Args:
            shown_as: the platform's id of it; None where it is not known.
        """

    async def fetch(self, file_ref: str) -> bytes:
        """Return a file that came with a message, once.

        Raises:
            FileLostError: it cannot be had, or not any more.
        """


@dataclass(frozen=True, slots=True)
class RawUpdate:
    """An update as a platform gave it to us, before anyone has looked at what it says.

    Attributes:
        external_id: names it within its channel; the same id twice is the same update. At most 128 characters.
        order_key: updates with the same one are handled in the order they came: the chat's id, or "" where there is
            none. At most 128 characters.
        body: what the platform sent, whole.
    """

    external_id: str
    order_key: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class FixedAnswer:
    """What was heard is kept nowhere, and answered by a fixed text."""

    chat_id: str
    text: str


@dataclass(frozen=True, slots=True)
class ChatChanged:
    """A person has closed a chat to us, or opened it again."""

    chat_id: str
    is_open: bool


# What an update says; None where there is nothing to answer.
Heard = IncomingMessage | FixedAnswer | ChatChanged | None
# Keeps updates of a channel, for good, each once; only when it has returned may they be confirmed to the platform.
Take = Callable[[str, Sequence[RawUpdate]], Awaitable[None]]


class Messenger(Channel, Protocol):
    """A platform that hands us updates and is sent messages: Telegram, Zalo Bot, Zalo OA.

    It keeps every update through `Take` and confirms it only then; the intake (bot/intake.py) reads what was kept, one
    chat in order, and comes back with `understand`, `acknowledge` and `deliver`. A messenger never calls the gateway
    with a message itself.

    Attributes:
        at_once: so many messages go to the platform side by side; more would only wait for these.
    """

    at_once: int

    def routes(self) -> Sequence[Route]:
        """Return what a web server has to serve for it; nothing where updates are fetched."""

    def understand(self, body: dict[str, Any], *, now: datetime) -> Heard:
        """Return what an update says.

        Args:
            now: the time of what carries none.
        Raises:
            ValueError, KeyError, TypeError or whatever the library raises: it is not an update of this platform; after
                three tries it is put aside for an administrator.
        """

    async def acknowledge(self, body: dict[str, Any]) -> None:
        """Do what is due before the work, such as taking the waiting mark off a pressed button; never fails."""

    async def show_working(self, chat_id: str) -> None:
        """Show that an answer takes its time, where that can be shown; never fails."""

    async def say(self, chat_id: str, text: str) -> None:
        """Send a fixed text that is kept nowhere.

        Raises:
            DeliveryError: it did not arrive, or may not have.
        """

    async def answered(self, chat_id: str) -> None:
        """Do what can wait until a chat has been answered, such as showing it the commands of its role; never fails."""
