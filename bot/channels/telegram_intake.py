"""What Telegram sends us, before anyone has looked at what it says: names, order, and the webhook that takes it in."""

import hmac
import json
import logging
import re
from typing import Any, NoReturn
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bot.channels.base import RawUpdate, Take
from bot.channels.cutting import well_formed
from bot.channels.posted import BodyError, is_deep, read_body, webhook_address

log = logging.getLogger(__name__)

SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"
_LARGEST_UPDATE_ID = 2**63 - 1
DEFAULT_PATH = "/telegram"
_ORDER_KEY_LENGTH = 128
# An update that cannot be kept as it came is kept as its id, with the reason under this name.
LEFT_OUT = "left_out"
_SURROGATE = re.compile("[\ud800-\udfff]")
# What somebody sent, with words or without, by its field in a message; anything else there is a notice about the chat.
# Where two come together, the first names both: beside an animation stands a document, beside a venue its location.
SENT = (
    *("photo", "live_photo", "animation", "audio", "document", "paid_media", "sticker", "story", "video", "video_note"),
    *("voice", "checklist", "contact", "dice", "game", "poll", "venue", "location", "invoice", "giveaway"),
    *("giveaway_winners", "rich_message"),
)


def raw_update(content: object) -> RawUpdate:
    """Return an update as it is to be kept, named by its id and in order with those of its chat.

    Raises:
        ValueError: it is no object, has no id, or is nested too deep.
    """
    if not isinstance(content, dict):
        raise ValueError("an update is an object")
    update_id = _id_of(content)
    if update_id is None:
        raise ValueError("an update has a number")
    if is_deep(content):
        raise ValueError("nested too deep")
    return RawUpdate(f"u{update_id}", _order_key(content), _keepable(content))


def raw_update_or_its_id(content: object) -> RawUpdate | None:
    """Return an update as it is to be kept, or its id alone where it cannot be; None where it has none."""
    try:
        return raw_update(content)
    except ValueError as error:
        update_id = _id_of(content) if isinstance(content, dict) else None
        return left_out(update_id, str(error)) if update_id is not None else None


def left_out(update_id: int, reason: str) -> RawUpdate:
    """Return what is kept in place of an update that cannot be: an administrator is shown that there was one."""
    return RawUpdate(f"u{update_id}", "", {"update_id": update_id, LEFT_OUT: reason})


def update_ids_in(payload: bytes) -> list[int]:
    """Return the ids that stand in an answer which cannot be read, in order."""
    return [int(digits) for digits in re.findall(rb'"update_id"\s*:\s*(\d{1,18})\b', payload)]


def parsed(payload: bytes) -> Any:
    """Return what JSON says.

    Raises:
        ValueError: it is none, or is nested so deep that nobody can read it.
    """
    try:
        return json.loads(payload, parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def webhook_route(address: str, secret: str, channel: str, take: Take) -> Route:
    """Return the route that takes what Telegram posts; nothing is confirmed before it is kept.

    Args:
        address: as it was set; see webhook_address.
    """

    async def receive(request: Request) -> Response:
        given = request.headers.get(SECRET_HEADER, "")
        if not hmac.compare_digest(given.encode("latin-1"), secret.encode()):
            log.warning("telegram: a webhook call without the right secret was refused")
            return Response(status_code=403)
        try:
            update = raw_update(parsed(await read_body(request)))
        except (BodyError, ValueError) as error:
            # Never a word of what was sent.
            status = error.status if isinstance(error, BodyError) else 400
            log.warning("telegram: what was posted was refused with %d: %s", status, type(error).__name__)
            return Response(status_code=status)
        try:
            await take(channel, [update])
        except Exception as error:
            log.error("telegram: update %s not kept, it will come again: %s", update.external_id, type(error).__name__)
            return Response(status_code=503)
        return Response(status_code=200)

    return Route(urlsplit(webhook_address(address, DEFAULT_PATH)).path, receive, methods=["POST"])


def _id_of(update: dict[str, Any]) -> int | None:
    update_id = update.get("update_id")
    if isinstance(update_id, bool) or not isinstance(update_id, int) or not 0 <= update_id <= _LARGEST_UPDATE_ID:
        return None
    return update_id


def _order_key(update: dict[str, Any]) -> str:
    """Return the id of the chat that an update is of, whatever its kind; "" where it is of none."""
    for content in update.values():
        if not isinstance(content, dict):
            continue
        within = content.get("message")
        for holder in (content, within if isinstance(within, dict) else {}):
            chat = holder.get("chat")
            if isinstance(chat, dict) and "id" in chat:
                return str(chat["id"])[:_ORDER_KEY_LENGTH]
    return ""


def _keepable(content: dict[str, Any]) -> dict[str, Any]:
    """Return the same without halves of surrogate pairs, which JSON can say and no database keeps."""
    written = json.dumps(content, ensure_ascii=False)
    if written.isascii() or not _SURROGATE.search(written):
        return content
    mended: dict[str, Any] = json.loads(well_formed(written))
    return mended


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")
