"""The words every channel speaks to the handlers: a message in, replies out."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum


@dataclass(frozen=True, slots=True)
class IncomingMessage:
    """What a person sent, before anyone has looked at it.

    Attributes:
        channel: "web", "telegram", "zalo", "zalo_oa", "console".
        chat_id: where to answer, in the channel's own terms.
        external_id: names this message within its chat; the same id twice is the same message.
        text: as typed; empty for a pressed button.
        button_id: of the pressed button, else None.
        file_name: of a file that came with the message, else None.
        file_ref: by which the channel gives that file's bytes, else None.
        sent_at: aware UTC time.
    """

    channel: str
    chat_id: str
    external_id: str
    text: str
    sent_at: datetime
    button_id: str | None = None
    file_name: str | None = None
    file_ref: str | None = None


class BlockKind(Enum):
    """How a part of a reply is meant, so that a channel can draw it."""

    TEXT = "text"
    QUOTE = "quote"
    CITATION = "citation"
    NOTICE = "notice"
    # Its text is a file's name and, on the next line, how it is made; see handlers/files.py.
    FILE = "file"


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph of a reply; plain text, never markup."""

    kind: BlockKind
    text: str


@dataclass(frozen=True, slots=True)
class Button:
    """A choice under a reply: what it says and what pressing it, or typing its number, means."""

    label: str
    action: str
    argument: str = ""


@dataclass(frozen=True, slots=True)
class Task:
    """Work that takes longer than an answer may: it begins once the reply is kept, and changes the reply as it goes."""

    kind: str
    by: str
    argument: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Reply:
    """What the assistant says, before any channel has drawn it.

    Attributes:
        is_confidential: it tells what a member answers.
        may_replace: where a message can be changed, this one may take the place of the one whose button was pressed.
        task: what is begun with it.
    """

    blocks: tuple[Block, ...]
    buttons: tuple[Button, ...] = ()
    is_confidential: bool = False
    task: Task | None = None
    may_replace: bool = False

    @property
    def text(self) -> str:
        """The reply as plain text, a paragraph a block."""
        return "\n".join(block.text for block in self.blocks if block.kind is not BlockKind.FILE)


def say(text: str, *buttons: Button) -> Reply:
    """Return a reply of one plain paragraph."""
    return Reply((Block(BlockKind.TEXT, text),), buttons)


def job(reply: Reply, kind: str, *, by: str, **argument: str) -> Reply:
    """Return a reply with which some work begins.

    Args:
        by: who asks for it, as it stands in the log.
    """
    return replace(reply, task=Task(kind, by, argument))


def with_files(reply: Reply, *files: tuple[str, str]) -> Reply:
    """Return a reply with files, each a name and a recipe; what they hold is made when somebody fetches them."""
    return replace(reply, blocks=(*reply.blocks, *(Block(BlockKind.FILE, f"{name}\n{made}") for name, made in files)))
