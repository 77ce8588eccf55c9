"""Who opened a page within Telegram, proved by what Telegram hands to it."""

import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl

MAX_AGE = timedelta(hours=1)
# Clocks differ.
_AHEAD = timedelta(minutes=5)
_LONGEST = 4096
_MOST_FIELDS = 64
_KEY = b"WebAppData"


class InitDataError(Exception):
    """What came is no proof; the reason says why and quotes nothing of it."""


@dataclass(frozen=True, slots=True)
class InitData:
    """What Telegram says of who opened a page.

    Attributes:
        user_id: a private chat with the bot has the same id.
        auth_at: when the page was opened, aware UTC.
        digest: names this proof, however it was written; shown a second time, it is the same.
    """

    user_id: str
    auth_at: datetime
    digest: str


def verified(init_data: str, token: str, *, now: datetime, max_age: timedelta = MAX_AGE) -> InitData:
    """Return what init data says, once it is sure that Telegram made it for our bot, and lately.

    Args:
        init_data: as the page got it, a query string.
        token: of our bot.
    Raises:
        InitDataError: it is not sure.
    Source: "Validating data received via the Mini App", Telegram's documentation of Mini Apps.
    """
    if len(init_data) > _LONGEST:
        raise InitDataError("too long")
    try:
        pairs = parse_qsl(
            init_data, keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=_MOST_FIELDS
        )
    except ValueError:
        raise InitDataError("not a query string") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise InitDataError("a field stands twice")
    # A line break within a field could make one field look like two, and two like one.
    if any(letter < " " for pair in pairs for part in pair for letter in part):
        raise InitDataError("a control character")
    given = fields.pop("hash", "")
    lines = "\n".join(f"{name}={value}" for name, value in sorted(fields.items()))
    secret = hmac.new(_KEY, token.encode(), hashlib.sha256).digest()
    expected = hmac.new(secret, lines.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(given.encode("utf-8", "surrogatepass"), expected.encode()):
        raise InitDataError("not made by Telegram for this bot")
    auth_at = _moment(fields.get("auth_date", ""))
    if auth_at > now + _AHEAD:
        raise InitDataError("from the future")
    if auth_at < now - max_age:
        raise InitDataError("too old")
    return InitData(_user_id(fields.get("user", "")), auth_at, expected)


def _moment(written: str) -> datetime:
    if not (written.isascii() and written.isdigit() and len(written) <= 11):
        raise InitDataError("no time")
    return datetime.fromtimestamp(int(written), UTC)


def _user_id(written: str) -> str:
    try:
        user = json.loads(written)
    except (ValueError, RecursionError):
        raise InitDataError("no user") from None
    user_id = user.get("id") if isinstance(user, dict) else None
    if isinstance(user_id, bool) or not isinstance(user_id, int) or user_id <= 0:
        raise InitDataError("no user")
    return str(user_id)
