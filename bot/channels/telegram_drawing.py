"""How a message looks in Telegram: HTML that it takes, cut where it is too long, and a keyboard under the last part."""

import html
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.channels.cutting import cut, well_formed, width
from handlers import mini_app_texts
from handlers.messages import BlockKind
from handlers.pages import CHECKLIST_PATH, links_beside
from storage.store import StoredButton, StoredMessage

TEXT_LIMIT = 4096  # UTF-16 code units once the HTML is parsed
LABEL_LIMIT = 60  # characters; a phone shows about half of that on a line
BUTTONS_LIMIT = 50  # Telegram refuses large keyboards; further choices are listed and can be typed


@dataclass(frozen=True, slots=True)
class Drawn:
    """One Telegram message.

    Attributes:
        html: Telegram's HTML; at most TEXT_LIMIT once parsed.
        plain: the same without markup, should the HTML be refused.
        buttons: (label, callback data), a row each.
        pages: (label, address) of pages that open within Telegram, a row each below the buttons.
    """

    html: str
    plain: str
    buttons: tuple[tuple[str, str], ...] = ()
    pages: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class _Run:
    """Neighbouring pieces of one block; `before` parts it from the run above."""

    kind: BlockKind
    before: str
    text: str


_TAGS = {BlockKind.QUOTE: "blockquote", BlockKind.CITATION: "i"}


def checklist_page(web_address: str | None) -> str | None:
    """Return the address of the checklist's page, where Telegram would open it: behind HTTPS alone."""
    if web_address is None or not web_address.startswith("https://"):
        return None
    return web_address.rstrip("/") + CHECKLIST_PATH


def render(message: StoredMessage, web_address: str | None = None) -> list[Drawn]:
    """Return a message as Telegram messages, in order; the last one carries the buttons.

    Labels begin with their number, since the number may be typed as well. A choice too long for its button is
    written out above it; with nothing else to say all choices are, because Telegram takes no message without text.

    Args:
        web_address: where our pages are; under a message that leads to the checklist stands its page, too.
    """
    kinds = [(BlockKind(kind), well_formed(text).strip()) for kind, text in message.blocks]
    blocks = [(kind, text) for kind, text in kinds if kind is not BlockKind.FILE]
    blocks = [(kind, f"⚠️ {text}" if kind is BlockKind.NOTICE else text) for kind, text in blocks if text]
    shown, labels = message.buttons[:BUTTONS_LIMIT], [_label(button) for button in message.buttons]
    written_out = [label for n, label in enumerate(labels) if not blocks or n >= len(shown) or len(label) > LABEL_LIMIT]
    if written_out:
        blocks.append((BlockKind.TEXT, "\n".join(written_out)))
    parts = [as_plain(_to_html(runs), "".join(run.before + run.text for run in runs)) for runs in _pack(blocks)]
    if parts and shown:
        buttons = tuple((_shortened(_label(button)), button.id) for button in shown)
        parts[-1] = replace(parts[-1], buttons=buttons, pages=_pages(message, web_address))
    return parts


def as_plain(drawn: str, plain: str | None = None) -> Drawn:
    """Return one message of HTML, or of plain words alone."""
    return Drawn(html.escape(drawn, quote=False), drawn) if plain is None else Drawn(drawn, plain)


def _pages(message: StoredMessage, web_address: str | None) -> tuple[tuple[str, str], ...]:
    page = checklist_page(web_address)
    is_wanted = any(path == CHECKLIST_PATH for _, path in links_beside(message.buttons))
    return ((mini_app_texts.OPEN_CHECKLIST, page),) if page is not None and is_wanted else ()


def _label(button: StoredButton) -> str:
    return " ".join(f"{button.ordinal}. {well_formed(button.label)}".split())


def _shortened(label: str) -> str:
    return label if len(label) <= LABEL_LIMIT else label[: LABEL_LIMIT - 1].rstrip() + "…"


def _to_html(runs: Sequence[_Run]) -> str:
    drawn = ""
    for run in runs:
        escaped, tag = html.escape(run.text, quote=False), _TAGS.get(run.kind)
        drawn += run.before + (f"<{tag}>{escaped}</{tag}>" if tag else escaped)
    return drawn


def _pack(blocks: Sequence[tuple[BlockKind, str]]) -> list[list[_Run]]:
    """Return the blocks spread over as many messages as they need.

    A run never crosses from one message to the next, so a long quote becomes a quote in each.
    """
    parts: list[list[_Run]] = []
    room, above = 0, BlockKind.TEXT
    for kind, text in blocks:
        # Telegram draws a quote with space around it, and a citation belongs to the quote above.
        tight = kind in (BlockKind.QUOTE, BlockKind.CITATION) or above is BlockKind.QUOTE
        gap, above, begins = "\n" if tight else "\n\n", kind, True
        for before, piece in cut(text, TEXT_LIMIT):
            separator = gap if begins else before
            if width(separator) + width(piece) > room:
                parts.append([])
                room, separator, begins = TEXT_LIMIT, "", True
            if begins:
                parts[-1].append(_Run(kind, separator, piece))
            else:
                parts[-1][-1].text += separator + piece
            room -= width(separator) + width(piece)
            begins = False
    return parts
