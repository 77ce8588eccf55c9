"""What an old answer's button shows: the text that the answer quoted, also when another answers now."""

import re

from handlers import document_texts, texts
from handlers.messages import Block, BlockKind, Button, Reply
from handlers.services import Services
from knowledge.model import NoticeKind, Passage, PassageKind
from knowledge.shelf import Shelf

# What follows the argument of a button under a document's later version; without it the button is the first one's.
_VERSIONED = re.compile(r"(?P<argument>.+?)(?:~(?P<version>\d+))?(?P<offset>@\d+)?", re.DOTALL)
ACTIONS = frozenset({"whole", "next", "related", "passage", "whole_section", "list"})
_QUOTED_AT_MOST = 12
_OF_DIGESTS = frozenset({NoticeKind.DIGEST, NoticeKind.UNCHECKED})


def versioned(action: str, argument: str, version: int) -> str:
    """Return a button's argument so that it goes on meaning the version that was quoted."""
    return f"{argument}~{version}" if action in ACTIONS and version > 1 else argument


def parted(action: str, argument: str) -> tuple[str, int | None]:
    """Return a button's argument as the documents know it, and which version it means; None where it means none."""
    found = _VERSIONED.fullmatch(argument)
    if action not in ACTIONS or found is None:
        return argument, None
    return f"{found['argument']}{found['offset'] or ''}", int(found["version"] or 1)


def from_earlier(action: str, argument: str, version: int, services: Services) -> Reply | None:
    """Return what a button shows whose version answers no more; None where it does, or was never kept."""
    document_id = argument.partition("/")[0]
    now = services.knowledge.documents.get(document_id)
    if services.live is None or (now is not None and now.version == version):
        return None
    shelf = services.live.earlier(document_id, version)
    passages = _passages(action, argument, shelf) if shelf is not None else []
    quotes = [quote for passage in passages if shelf and (quote := shelf.quoter.whole(passage)) is not None]
    if shelf is None or not quotes:
        return None
    # Whether a document still holds is told as it is known today.
    knows = services.knowledge if now is not None else shelf
    known = knows.documents[document_id]
    first = [texts.notice(each, known, knows.successor(known)) for each in knows.force_notices([document_id])]
    first.append(document_texts.earlier_version(version, now.version if now else None))
    last = [texts.notice(n, known, None) for n in shelf.notices_beside(quotes) if n.kind in _OF_DIGESTS]
    # A heading that is quoted says by itself where it stands.
    is_part = len(quotes) > 1 and passages[0].kind is PassageKind.BODY
    there = now is not None and (argument in services.knowledge.passages or action in ("whole_section", "list"))
    buttons: tuple[Button, ...] = ()
    if now is not None and there:
        place, at, offset = argument.partition("@")
        current = f"{versioned(action, place, now.version)}{at}{offset}"
        buttons = (Button(document_texts.SEE_NOW, action, current),)
    blocks = (
        *(Block(BlockKind.NOTICE, each) for each in first),
        Block(BlockKind.QUOTE, "\n".join(texts.quoted(quote) for quote in quotes)),
        Block(BlockKind.CITATION, texts.citation_line(quotes[0].citation, whole_part=is_part)),
        *(Block(BlockKind.NOTICE, each) for each in last),
    )
    return Reply(blocks, buttons)


def _passages(action: str, argument: str, shelf: Shelf) -> list[Passage]:
    document_id, _, place = argument.partition("/")
    place, _, offset = place.partition("@")
    if action in ("whole_section", "list"):
        found = [p for p in shelf.passages.values() if p.document_id == document_id and p.section == place]
        if action == "list":
            found = [p for p in found if p.kind is PassageKind.BODY][int(offset or 0) :]
        return found[:_QUOTED_AT_MOST]
    return [shelf.passages[argument]] if argument in shelf.passages else []
