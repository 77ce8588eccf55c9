"""What an old answer's button shows: the text that the answer quoted, also when another answers now."""

import re

from handlers import document_texts, texts
from handlers.messages import Block, BlockKind, Button, Reply
from handlers.services import Services
from knowledge.shelf import Shelf

# What follows the argument of a button under a document's later version; without it the button is the first one's.
_VERSIONED = re.compile(r"(?P<argument>.+?)(?:~(?P<version>\d+))?", re.DOTALL)
ACTIONS = frozenset({"whole", "next", "related", "whole_section"})
_QUOTED_AT_MOST = 12


def versioned(action: str, argument: str, version: int) -> str:
    """Return a button's argument so that it goes on meaning the version that was quoted."""
    return f"{argument}~{version}" if action in ACTIONS and version > 1 else argument


def parted(action: str, argument: str) -> tuple[str, int | None]:
    """Return a button's argument as the documents know it, and which version it means; None where it means none."""
    found = _VERSIONED.fullmatch(argument)
    if action not in ACTIONS or found is None:
        return argument, None
    return found["argument"], int(found["version"] or 1)


def from_earlier(action: str, argument: str, version: int, services: Services) -> Reply | None:
    """Return what a button shows whose version answers no more; None where it does, or was never kept."""
    document_id = argument.partition("/")[0]
    now = services.knowledge.documents.get(document_id)
    if services.live is None or (now is not None and now.version == version):
        return None
    shelf = services.live.earlier(document_id, version)
    blocks = _quoted(action, argument, shelf) if shelf is not None else []
    if not blocks:
        return None
    said = document_texts.earlier_version(version, now.version if now else None)
    there = now is not None and (argument in services.knowledge.passages or action == "whole_section")
    buttons: tuple[Button, ...] = ()
    if now is not None and there:
        buttons = (Button(document_texts.SEE_NOW, action, versioned(action, argument, now.version)),)
    return Reply((Block(BlockKind.NOTICE, said), *blocks), buttons)


def _quoted(action: str, argument: str, shelf: Shelf) -> list[Block]:
    document_id, _, place = argument.partition("/")
    if action == "whole_section":
        passages = [p for p in shelf.passages.values() if p.document_id == document_id and p.section == place]
    else:
        passages = [shelf.passages[argument]] if argument in shelf.passages else []
    quotes = [quote for passage in passages[:_QUOTED_AT_MOST] if (quote := shelf.quoter.whole(passage)) is not None]
    if not quotes:
        return []
    return [
        Block(BlockKind.QUOTE, "\n".join(texts.quoted(quote) for quote in quotes)),
        Block(BlockKind.CITATION, texts.citation_line(quotes[0].citation, whole_part=len(quotes) > 1)),
    ]
