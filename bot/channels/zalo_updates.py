"""What Zalo's bot platform sends us: named and put in order before anyone looks at it, and then understood.

An update is one object, {"event_name": …, "message": {…}}, often wrapped into {"ok": true, "result": …}. It has no
number of its own: what comes twice is known by the message's id.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from bot.channels.base import FixedAnswer, Heard, RawUpdate
from bot.channels.cutting import well_formed
from bot.channels.zalo_files import file_ref
from handlers import channel_texts, texts
from handlers.messages import IncomingMessage

CHANNEL = "zalo"
LONGEST_ID = 128
# Whatever comes without text is a file named for its kind, as on other channels; handlers say what they do not read.
_FILE_NAMES = {
    "message.image.received": "photo.jpg",
    "message.link.received": "link",
    "message.sticker.received": "sticker",
    "message.voice.received": "voice",
}
_TEXT, _UNSUPPORTED = "message.text.received", "message.unsupported.received"


def to_raw(body: dict[str, Any]) -> RawUpdate:
    """Return what was sent, with the id that names it and the chat whose order it keeps; never raises."""
    body = writable(body)
    message = _event(body).get("message")
    message = message if isinstance(message, dict) else {}
    chat = message.get("chat")
    chat_id = _id(chat.get("id")) if isinstance(chat, dict) else None
    return RawUpdate(_id(message.get("message_id")) or digest(body), chat_id or "", body)


def understand(body: Mapping[str, Any], *, now: datetime) -> Heard:
    """Return what an update says.

    `unsupported` stands for what Zalo does not hand on, such as everything that children write: it is answered by a
    fixed text and kept nowhere. In groups a bot hears only what is said to it, so everything is answered there.

    Args:
        now: the time of a message without one.
    Raises:
        ValueError, KeyError, TypeError: it is not an update of Zalo's.
    """
    event = _event(body)
    if not event:
        # Kept in place of something that was too large.
        return None
    name = event["event_name"]
    if name not in (_TEXT, _UNSUPPORTED, *_FILE_NAMES):
        return None
    if name == _UNSUPPORTED and "message" not in event:
        # Nobody is named who could be told.
        return None
    message = event["message"]
    chat = message["chat"]
    chat_id = _id(chat["id"])
    if chat_id is None:
        raise ValueError("a chat's id is a text")
    sender = message.get("from")
    if isinstance(sender, dict) and sender.get("is_bot") is True:
        # Two bots would talk for ever.
        return None
    if str(chat.get("chat_type", "PRIVATE")).upper() != "PRIVATE":
        return FixedAnswer(chat_id, texts.PLEASE_WRITE_PRIVATELY)
    if name == _UNSUPPORTED:
        return FixedAnswer(chat_id, channel_texts.NOT_HANDED_ON)
    said = message["text"] if name == _TEXT else message.get("caption") or message.get("text") or ""
    if not isinstance(said, str):
        raise TypeError("a text is a text")
    file_name = _FILE_NAMES.get(name)
    if not said.strip() and file_name is None:
        return None
    photo = message.get("photo_url") or message.get("photo")
    return IncomingMessage(
        CHANNEL,
        chat_id,
        _id(message.get("message_id")) or digest(body),
        said,
        moment(message.get("date"), now),
        file_name=file_name,
        file_ref=file_ref(photo) if file_name == _FILE_NAMES["message.image.received"] else None,
    )


def moment(milliseconds: object, now: datetime) -> datetime:
    """Return the time that Zalo means by a number of milliseconds, or its digits; `now` for none.

    Raises:
        ValueError: it is no time.
    """
    if milliseconds is None:
        return now.astimezone(UTC)
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, int | str):
        raise ValueError("a time is a number of milliseconds")
    try:
        return datetime.fromtimestamp(int(milliseconds) / 1000, UTC)
    except (OverflowError, OSError) as error:
        raise ValueError("a time out of all bounds") from error


def digest(body: Mapping[str, Any]) -> str:
    """Return a name for what has none: the same for the same content."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def writable(body: dict[str, Any]) -> dict[str, Any]:
    """Return the same without halves of surrogate pairs, which JSON can name and UTF-8 cannot write."""
    written = json.dumps(body, ensure_ascii=False)
    cleaned = well_formed(written)
    if cleaned == written:
        return body
    clean: dict[str, Any] = json.loads(cleaned)
    return clean


def _event(body: Mapping[str, Any]) -> Mapping[str, Any]:
    result = body.get("result")
    return result if isinstance(result, dict) else body


def _id(value: object) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= LONGEST_ID else None
