"""What goes wrong with Telegram, in our words."""

from collections.abc import Sequence

from bot.channels.base import DeliveryError

_CLOSED = ("chat not found", "user is deactivated")


class RefusedError(DeliveryError):
    """Telegram takes it never, as it is.

    Attributes:
        is_unchanged: a message was to be changed into what it says already.
        is_bad_html: with plain text it might go.
    """

    def __init__(self, says: str) -> None:
        # What follows a further colon may quote what people wrote.
        super().__init__(
            f"telegram refused the message: {says.partition(':')[0][:80]}",
            permanent=True,
            is_closed=any(words in says for words in _CLOSED),
        )
        self.is_unchanged = "message is not modified" in says
        self.is_bad_html = "can't parse entities" in says


class ConnectError(Exception):
    """Telegram did not do what was asked; the message says in one line, without the token, why, and what to do.

    Attributes:
        is_final: trying again is useless.
        retry_after_s: Telegram asks to wait so long.
    """

    def __init__(self, reason: str, *, is_final: bool = False, retry_after_s: float = 0.0) -> None:
        super().__init__(reason)
        self.is_final = is_final
        self.retry_after_s = retry_after_s


class UnreadableError(ConnectError):
    """Telegram answered what nobody can read.

    Attributes:
        update_ids: of the updates in it.
    """

    def __init__(self, update_ids: Sequence[int]) -> None:
        super().__init__("Telegram's answer cannot be read; trying again")
        self.update_ids = update_ids
