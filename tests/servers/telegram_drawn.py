"""What Telegram shows and what it refuses to show: texts, HTML, keyboards, pictures, commands."""

import html
import io
import json
import re
from typing import Any
from urllib.parse import urlsplit

from PIL import Image, UnidentifiedImageError

from tests.servers.common import Json

TEXT_LIMIT = 4096
CAPTION_LIMIT = 1024
CALLBACK_DATA_LIMIT_BYTES = 64
BUTTONS_LIMIT = 100
COPY_TEXT_LIMIT = 256
COMMANDS_LIMIT = 100
# An inline button does one thing.
ACTIONS = ("callback_data", "url", "web_app", "copy_text", "login_url", "switch_inline_query", "pay")
STYLES = ("danger", "success", "primary")
TAGS = {
    **dict.fromkeys(("b", "strong"), "bold"),
    **dict.fromkeys(("i", "em"), "italic"),
    **dict.fromkeys(("u", "ins"), "underline"),
    **dict.fromkeys(("s", "strike", "del"), "strikethrough"),
    **{"code": "code", "pre": "pre", "a": "text_link", "blockquote": "blockquote", "tg-spoiler": "spoiler"},
}


class Refused(Exception):
    """What Telegram says instead of a result; `parameters` are further facts, such as retry_after."""

    def __init__(self, code: int, description: str, **parameters: int) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.parameters = parameters


def parsed(parameters: Json, name: str) -> Any:
    """Return a parameter that form fields carry as JSON.

    Raises:
        Refused: it is no JSON.
    """
    value = parameters.get(name)
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        raise Refused(400, f"Bad Request: can't parse {name} JSON object") from error


def utf16_length(text: str) -> int:
    """Return how long Telegram finds a text."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def drawn(parameters: Json, *, is_private: bool) -> Json:
    """Return text, entities and keyboard of a message that is to be shown.

    Raises:
        Refused: Telegram would not show it.
    """
    text, entities = _formatted(parameters, "text", "entities")
    if not text:
        raise Refused(400, "Bad Request: message text is empty")
    if utf16_length(text) > TEXT_LIMIT:
        raise Refused(400, "Bad Request: message is too long")
    shown: Json = {"text": text}
    if entities:
        shown["entities"] = entities
    return shown | drawn_markup(parameters, is_private=is_private)


def drawn_caption(parameters: Json, *, is_private: bool) -> Json:
    """Return caption, entities and keyboard of a file that is to be shown; nothing of these need be there.

    Raises:
        Refused: Telegram would not show it.
    """
    text, entities = _formatted(parameters, "caption", "caption_entities")
    if utf16_length(text) > CAPTION_LIMIT:
        raise Refused(400, "Bad Request: message caption is too long")
    shown: Json = {"caption": text} if text else {}
    if entities:
        shown["caption_entities"] = entities
    return shown | drawn_markup(parameters, is_private=is_private)


def drawn_markup(parameters: Json, *, is_private: bool) -> Json:
    """Return {"reply_markup": …} of an inline keyboard; {} where there is none.

    Raises:
        Refused: Telegram would not show it.
    """
    markup = parsed(parameters, "reply_markup")
    if not markup:
        return {}
    if not isinstance(markup, dict):
        raise Refused(400, "Bad Request: object expected as reply markup")
    if "inline_keyboard" not in markup:
        return {}
    rows = markup["inline_keyboard"]
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise Refused(400, "Bad Request: can't parse inline keyboard: Array of Arrays expected")
    buttons = [button for row in rows for button in row]
    if len(buttons) > BUTTONS_LIMIT:
        raise Refused(400, "Bad Request: REPLY_MARKUP_TOO_LONG")
    for button in buttons:
        _check_button(button, is_private=is_private)
    return {"reply_markup": {"inline_keyboard": rows}} if buttons else {}


def _check_button(button: Any, *, is_private: bool) -> None:
    if not isinstance(button, dict) or not str(button.get("text") or "").strip():
        raise Refused(400, "Bad Request: BUTTON_TEXT_INVALID")
    actions = [name for name in ACTIONS if name in button]
    if not actions:
        raise Refused(400, "Bad Request: text buttons are unallowed in the inline keyboard")
    if len(actions) > 1:
        raise Refused(400, "Bad Request: BUTTON_TYPE_INVALID")
    if button.get("style", STYLES[0]) not in STYLES:
        raise Refused(400, "Bad Request: invalid button style specified")
    value = button[actions[0]]
    match actions[0]:
        case "callback_data":
            if not isinstance(value, str) or not 1 <= len(value.encode()) <= CALLBACK_DATA_LIMIT_BYTES:
                raise Refused(400, "Bad Request: BUTTON_DATA_INVALID")
        case "url":
            if urlsplit(str(value)).scheme not in ("http", "https", "tg"):
                raise Refused(400, "Bad Request: BUTTON_URL_INVALID")
        case "web_app":
            if not is_private:
                raise Refused(400, "Bad Request: BUTTON_TYPE_INVALID")
            check_web_app(value, "inline keyboard button")
        case "copy_text":
            text = value.get("text") if isinstance(value, dict) else None
            if not isinstance(text, str) or not 1 <= len(text) <= COPY_TEXT_LIMIT:
                raise Refused(400, "Bad Request: COPY_TEXT_INVALID")


def check_web_app(value: Any, where: str) -> None:
    """Let pass what names a page that may open inside Telegram.

    Raises:
        Refused: it does not.
    """
    url = value.get("url") if isinstance(value, dict) else None
    parts = urlsplit(str(url))
    if parts.scheme != "https" or not parts.hostname:
        raise Refused(400, f"Bad Request: {where} Web App URL '{url}' is invalid: Only HTTPS links are allowed")


def check_commands(commands: Any) -> list[Json]:
    """Return the commands of a setMyCommands.

    Raises:
        Refused: there are too many, or one is malformed.
    """
    if not isinstance(commands, list):
        raise Refused(400, "Bad Request: expected an Array of BotCommand")
    if len(commands) > COMMANDS_LIMIT:
        raise Refused(400, "Bad Request: BOT_COMMANDS_TOO_MUCH")
    for command in commands:
        if not isinstance(command, dict) or not re.fullmatch(r"[a-z0-9_]{1,32}", str(command.get("command"))):
            raise Refused(400, "Bad Request: BOT_COMMAND_INVALID")
        if not 1 <= len(str(command.get("description") or "")) <= 256:
            raise Refused(400, "Bad Request: BOT_COMMAND_DESCRIPTION_INVALID")
    return commands


def picture_size(content: bytes) -> tuple[int, int]:
    """Return width and height of a picture.

    Raises:
        Refused: it is none, or larger than 10 MB, or too long or too thin.
    """
    if len(content) > 10 * 2**20:
        raise Refused(400, "Bad Request: too big for a photo")
    try:
        with Image.open(io.BytesIO(content)) as image:
            width, height = image.size
    except (UnidentifiedImageError, OSError) as error:
        raise Refused(400, "Bad Request: IMAGE_PROCESS_FAILED") from error
    if width + height > 10_000 or max(width, height) > 20 * min(width, height):
        raise Refused(400, "Bad Request: PHOTO_INVALID_DIMENSIONS")
    return width, height


def entities_of(text: str) -> list[Json]:
    """Return the commands and mentions in what a person typed, as Telegram marks them."""
    found = re.finditer(r"(?<![\w/@])(?:/\w+(?:@\w+)?|@\w{5,32})", text, re.ASCII)
    return [
        {
            "type": "bot_command" if match.group().startswith("/") else "mention",
            "offset": utf16_length(text[: match.start()]),
            "length": utf16_length(match.group()),
        }
        for match in found
    ]


def _formatted(parameters: Json, name: str, entities_name: str) -> tuple[str, list[Json]]:
    """Return a text without white space around it, and its entities."""
    text = str(parameters.get(name) or "")
    mode = parameters.get("parse_mode")
    if mode is not None and str(mode).upper() != "HTML":
        raise Refused(400, "Bad Request: unsupported parse_mode")
    entities = (parsed(parameters, entities_name) or []) if mode is None else []
    if mode is not None:
        text, entities = parse_html(text)
    stripped = text.strip()
    before = utf16_length(text[: len(text) - len(text.lstrip())])
    length = utf16_length(stripped)
    kept = []
    for entity in entities:
        begin = max(0, entity["offset"] - before)
        end = min(length, entity["offset"] + entity["length"] - before)
        if end > begin:
            kept.append(entity | {"offset": begin, "length": end - begin})
    return stripped, kept


def parse_html(source: str) -> tuple[str, list[Json]]:
    """Return the text and its entities, offsets in UTF-16 code units.

    Raises:
        Refused: a tag is unknown, left open or closed out of turn, or a quote stands in a quote.
    """
    text = ""
    entities: list[Json] = []
    opened: list[tuple[str, int, Json]] = []
    for piece in re.split(r"(<[^>]*>?)", source):
        if not piece.startswith("<"):
            text += _unescaped(piece)
            continue
        tag = re.fullmatch(r"<(/?)([a-z-]*)(\s[^>]*)?>", piece, re.IGNORECASE)
        name = tag.group(2).lower() if tag else ""
        if tag is None or name not in TAGS:
            raise Refused(400, f'Bad Request: can\'t parse entities: Unsupported start tag "{name}"')
        if not tag.group(1):
            if name == "blockquote" and any(outer == name for outer, _, _ in opened):
                raise Refused(400, "Bad Request: can't parse entities: nested blockquotes are not allowed")
            opened.append((name, utf16_length(text), _more(name, tag.group(3) or "")))
        elif not opened or opened[-1][0] != name:
            raise Refused(400, f'Bad Request: can\'t parse entities: Unmatched end tag, found "</{name}>"')
        else:
            _, offset, more = opened.pop()
            kind = {"type": TAGS[name], "offset": offset, "length": utf16_length(text) - offset}
            entities.append(kind | more)
    if opened:
        raise Refused(
            400, f"Bad Request: can't parse entities: Can't find end tag corresponding to start tag \"{opened[-1][0]}\""
        )
    return text, entities


def _more(name: str, attributes: str) -> Json:
    """Return what an attribute adds to an entity."""
    if name == "blockquote" and attributes.strip() == "expandable":
        return {"type": "expandable_blockquote"}
    link = re.search(r'href="([^"]*)"', attributes)
    return {"url": html.unescape(link.group(1))} if name == "a" and link else {}


def _unescaped(text: str) -> str:
    # Telegram knows these names only; any other stays as it is written.
    return re.sub(r"&(?:lt|gt|amp|quot|#\d+|#x[0-9a-fA-F]+);", lambda match: html.unescape(match.group()), text)
