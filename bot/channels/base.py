"""What every channel can do."""

from typing import Protocol

from storage.store import StoredMessage


class DeliveryError(Exception):
    """A message did not reach its chat.

    Attributes:
        permanent: trying again is useless (the person blocked the bot, the chat is gone).
        retry_after_s: the platform asked to wait this long; None where it did not say.
        maybe_delivered: nobody can tell whether it arrived; it must not be sent again by itself.
    """

    def __init__(
        self, reason: str, *, permanent: bool, retry_after_s: float | None = None, maybe_delivered: bool = False
    ) -> None:
        super().__init__(reason)
        self.permanent = permanent
        self.maybe_delivered = maybe_delivered
        self.retry_after_s = retry_after_s


class FileLostError(Exception):
    """A file that was sent cannot be fetched; `too_large` where the platform hands out no file of its size."""

    def __init__(self, *, too_large: bool = False) -> None:
        super().__init__("too large" if too_large else "lost")
        self.too_large = too_large


class ChannelError(Exception):
    """A channel cannot start; the message names the setting, port or token and what to do."""


class Channel(Protocol):
    """A way for people to reach the assistant: WebChat, Telegram."""

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

    async def deliver(self, chat_id: str, message: StoredMessage) -> None:
        """Send one of our messages to a chat.

        Raises:
            DeliveryError: it did not arrive.
        """

    async def edit(self, chat_id: str, message: StoredMessage) -> None:
        """Say a message otherwise that was said before, where that can be done; else let it be."""

    async def fetch(self, file_ref: str) -> bytes:
        """Return a file that came with a message, once.

        Raises:
            FileLostError: it cannot be had, or not any more.
        """
