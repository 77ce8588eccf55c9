"""What Zalo posts about an Official Account: signed over the bytes as they came, named, put in order, understood."""

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from bot.channels.base import ChatChanged, Heard, RawUpdate
from bot.channels.zalo_files import file_ref
from bot.channels.zalo_updates import LONGEST_ID, digest, moment, writable
from handlers.messages import IncomingMessage

CHANNEL = "zalo_oa"
# A tapped button comes back as a text: this, and the id of the button of ours.
TAP = "#tap:"
# Zalo tries again for almost two hours, with the time of the event.
OLDEST = timedelta(hours=3)
# What we have said ourselves, that it was seen, and what is said where nobody can be answered (in groups; by people
# whom the account does not know): confirmed and kept nowhere.
_NOT_KEPT = ("oa_", "user_seen_", "user_received_", "user_send_group_", "anonymous_")
_SAID = "user_send_"
_TEXT = f"{_SAID}text"
# Whatever comes without text is a file named for its kind, as on other channels.
_FILE_NAMES = {
    "image": "photo.jpg",
    "gif": "animation",
    "sticker": "sticker",
    "audio": "voice",
    "video": "video",
    "location": "location",
    "business_card": "contact",
    "contact": "contact",
    "link": "link",
    "links": "link",
    "file": "document",
}
_WITH_CONTENT = ("image", "file")
_LONGEST_NAME = 200


def is_signed(raw: bytes, body: Mapping[str, Any], signature: str, *, app_id: str, oa_secret_key: str) -> bool:
    """Return whether Zalo has posted these bytes: SHA-256 of app id, bytes, time and the account's secret key.

    Args:
        signature: the header, "mac=…".
    """
    given = re.fullmatch(r"\s*(?:mac\s*=\s*)?([0-9A-Fa-f]{64})\s*", signature)
    timestamp = _digits(body.get("timestamp"))
    expected = hashlib.sha256(app_id.encode() + raw + timestamp.encode() + oa_secret_key.encode()).hexdigest()
    return hmac.compare_digest(given[1].lower() if given else "", expected) and bool(timestamp)


def is_old(body: Mapping[str, Any], *, now: datetime) -> bool:
    """Return whether an event is older than any that Zalo still posts.

    Raises:
        ValueError: it has no time.
    """
    return now - moment(_digits(body.get("timestamp")), now) > OLDEST


def is_kept(body: Mapping[str, Any]) -> bool:
    """Return whether an event is worth keeping; the others are confirmed and forgotten."""
    return not str(body.get("event_name", "")).startswith(_NOT_KEPT)


def to_raw(body: dict[str, Any]) -> RawUpdate:
    """Return what was posted, with the id that names it and the person whose order it keeps; never raises."""
    body = writable(body)
    message = body.get("message")
    name = body.get("event_name")
    # Only of a message is the id its own: that it was seen, or liked, comes under the same.
    is_message = isinstance(message, dict) and isinstance(name, str) and name.startswith(_SAID)
    message_id = _id(message.get("msg_id")) if is_message and isinstance(message, dict) else None
    return RawUpdate(message_id or digest(body), _person(body) or "", body)


def understand(body: Mapping[str, Any], *, now: datetime) -> Heard:
    """Return what an event says.

    Raises:
        ValueError, KeyError, TypeError: it is not an event of Zalo's.
    """
    if not body:
        # Kept in place of something that was too large.
        return None
    name = body["event_name"]
    if not isinstance(name, str):
        raise TypeError("an event's name is a text")
    if name in ("follow", "unfollow"):
        return ChatChanged(_required(body["follower"]["id"]), is_open=name == "follow")
    if not name.startswith(_SAID) or not is_kept(body):
        return None
    kind = name.removeprefix(_SAID)
    if name != _TEXT and kind not in _FILE_NAMES:
        return None
    chat_id, message = _required(body["sender"]["id"]), body["message"]
    said = message["text"] if name == _TEXT else message.get("text") or ""
    if not isinstance(said, str):
        raise TypeError("a text is a text")
    button_id = said.removeprefix(TAP).strip() if name == _TEXT and said.startswith(TAP) else None
    if not said.strip() and name == _TEXT:
        return None
    payload = _payload(message) if name != _TEXT else {}
    return IncomingMessage(
        CHANNEL,
        chat_id,
        _id(message.get("msg_id")) or digest(body),
        "" if button_id is not None else said,
        moment(body.get("timestamp"), now),
        button_id=button_id,
        file_name=None if name == _TEXT else _file_name(kind, payload),
        file_ref=file_ref(payload.get("url")) if kind in _WITH_CONTENT else None,
    )


def _payload(message: Mapping[str, Any]) -> Mapping[str, Any]:
    attachments = message.get("attachments")
    first = attachments[0] if isinstance(attachments, list) and attachments else {}
    payload = first.get("payload") if isinstance(first, dict) else None
    return payload if isinstance(payload, dict) else {}


def _file_name(kind: str, payload: Mapping[str, Any]) -> str:
    name = payload.get("name") if kind == "file" else None
    return name[:_LONGEST_NAME] if isinstance(name, str) and name.strip() else _FILE_NAMES[kind]


def _person(body: Mapping[str, Any]) -> str | None:
    for holder in (body.get("sender"), body.get("follower")):
        if isinstance(holder, dict) and _id(holder.get("id")) is not None:
            return _id(holder["id"])
    return _id(body.get("user_id"))


def _required(value: object) -> str:
    found = _id(value)
    if found is None:
        raise ValueError("a person's id is a text")
    return found


def _id(value: object) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= LONGEST_ID else None


def _digits(value: object) -> str:
    """Return a number of milliseconds as it is written; "" for anything else."""
    text = value if isinstance(value, str) else str(value) if type(value) is int else ""
    return text if re.fullmatch(r"[0-9]{1,16}", text) else ""
