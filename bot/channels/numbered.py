"""How a message looks where there are no buttons, or few: plain text, cut where it is too long, choices as lines."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.channels.cutting import cut, well_formed, width
from handlers import channel_texts
from handlers.messages import BlockKind
from storage.store import StoredButton, StoredMessage

TEXT_LIMIT = 2000  # characters; counted here in UTF-16 code units, which are never fewer


@dataclass(frozen=True, slots=True)
class Part:
    """One message of a platform.

    Attributes:
        text: never empty, at most TEXT_LIMIT.
        buttons: (title, id of the button of ours).
    """

    text: str
    buttons: tuple[tuple[str, str], ...] = ()


def render(
    message: StoredMessage, *, taps: int = 0, title_limit: int = 100, web_address: str | None = None
) -> list[Part]:
    """Return a message as plain messages, in order; the choices stand under the last one, numbered.

    Args:
        taps: so many of the choices become buttons; a choice too long for its button is written out as well, and so
            are all where there is nothing else to say.
        title_limit: the longest title of a button.
        web_address: where members open the page, to get the files that cannot be sent.
    """
    kinds = [(BlockKind(kind), well_formed(text).strip()) for kind, text in message.blocks]
    blocks = [(kind, text) for kind, text in kinds if kind is not BlockKind.FILE]
    blocks = [(kind, f"⚠️ {text}" if kind is BlockKind.NOTICE else text) for kind, text in blocks if text]
    if message.files:
        names = [well_formed(name) for name, _ in message.files]
        blocks.append((BlockKind.TEXT, channel_texts.files_elsewhere(names, web_address)))
    tapped, labels = message.buttons[:taps], [_label(button) for button in message.buttons]
    lines = [label for n, label in enumerate(labels) if not blocks or n >= len(tapped) or width(label) > title_limit]
    if len(message.buttons) > len(tapped):
        lines.append(channel_texts.type_a_number(len(message.buttons)))
    if lines:
        blocks.append((BlockKind.TEXT, "\n".join(lines)))
    parts = [Part(text) for text in _pack(blocks)]
    if parts and tapped:
        buttons = tuple((_shortened(_label(button), title_limit), button.id) for button in tapped)
        parts[-1] = replace(parts[-1], buttons=buttons)
    return parts


def split(text: str) -> list[Part]:
    """Return a text of ours as plain messages, in order."""
    return [Part(piece) for piece in _pack([(BlockKind.TEXT, well_formed(text).strip())])]


def _label(button: StoredButton) -> str:
    return " ".join(f"{button.ordinal}. {well_formed(button.label)}".split())


def _shortened(label: str, limit: int) -> str:
    if width(label) <= limit:
        return label
    short = label[: limit - 1]
    while width(short) > limit - 1:
        short = short[:-1]
    return short.rstrip() + "…"


def _pack(blocks: Sequence[tuple[BlockKind, str]]) -> list[str]:
    """Return the blocks spread over as many messages as they need; one that fits into a message is not torn."""
    parts: list[str] = []
    for kind, text in blocks:
        # A quote stands right below what leads to it, and its citation right below the quote.
        tight = kind in (BlockKind.QUOTE, BlockKind.CITATION)
        gap, begins = "\n" if tight else "\n\n", True
        for before, piece in cut(text, TEXT_LIMIT):
            separator = gap if begins else before
            if parts and width(parts[-1]) + width(separator) + width(piece) <= TEXT_LIMIT:
                parts[-1] += separator + piece
            elif piece.strip():
                parts.append(piece)
            begins = False
    return parts
