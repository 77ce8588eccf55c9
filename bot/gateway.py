"""The one door for every channel: drops a repeat, keeps a chat in order, runs the handler in a worker thread."""

import asyncio
import logging
import secrets
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from handlers import texts
from handlers.files import File
from handlers.messages import IncomingMessage, Reply, say
from handlers.page_command import CommandNotUnderstood
from handlers.router import is_confidential
from storage.store import Conversation, Store, StoredMessage, Transaction

log = logging.getLogger(__name__)
KEPT_CHARACTERS = 4000

Handler = Callable[[IncomingMessage, Conversation, Transaction], list[Reply]]
# Takes a name and a recipe.
FileMaker = Callable[[IncomingMessage, Conversation, Transaction, str, str], Callable[[], File] | None]
# Takes a page's name and what was done on it.
PageMaker = Callable[[IncomingMessage, Conversation, Transaction, str, Mapping[str, Any]], dict[str, Any]]
# Takes a page's name and which of its files.
PageFileMaker = Callable[[IncomingMessage, Conversation, Transaction, str, int], Callable[[], File] | None]
# Whether this chat may send files.
FileTaker = Callable[[IncomingMessage, Conversation, Transaction], bool]

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Received:
    """What became of a message.

    Attributes:
        replies: what to send, in order; after a repeat, what was said the first time.
        is_repeat: the message had come before, and nothing was done again.
        begins_work: something takes its time, and its chat will hear of it.
    """

    replies: tuple[StoredMessage, ...]
    is_repeat: bool = False
    begins_work: bool = False


class Gateway:
    """Takes messages from channels and gives back stored replies."""

    def __init__(
        self,
        store: Store,
        handle: Handler,
        make_file: FileMaker | None = None,
        make_page: PageMaker | None = None,
        make_page_file: PageFileMaker | None = None,
        takes_files: FileTaker | None = None,
        make_documents: Callable[[], dict[str, Any]] | None = None,
    ) -> None:
        self._store = store
        self._handle = handle
        self._make_file = make_file
        self._make_page = make_page
        self._make_page_file = make_page_file
        self._takes_files = takes_files
        self._make_documents = make_documents
        self._locks: dict[tuple[str, str], tuple[asyncio.Lock, int]] = {}

    async def receive(self, message: IncomingMessage) -> Received:
        """Answer one message; messages of one chat are answered in the order they were given here.

        The replies are committed before they are returned. Whatever goes wrong, the person gets a calm sentence
        with a code that the log knows, and the message can be sent again.
        """
        return await self._in_order((message.channel, message.chat_id), lambda: self.receive_now(message))

    async def _in_order(self, key: tuple[str, str], act: Callable[[], _T]) -> _T:
        """Do something for a chat in a worker thread, after whatever came before it."""
        lock, waiting = self._locks.get(key, (asyncio.Lock(), 0))
        self._locks[key] = (lock, waiting + 1)
        try:
            async with lock:
                return await asyncio.to_thread(act)
        finally:
            lock, waiting = self._locks[key]
            if waiting == 1:
                del self._locks[key]
            else:
                self._locks[key] = (lock, waiting - 1)

    def receive_now(self, message: IncomingMessage) -> Received:
        """Answer one message in this thread; the caller keeps chats in order."""
        try:
            with self._store.transaction() as transaction:
                return self._answer(message, transaction)
        except Exception as error:
            code = _log(error, message.channel)
            return Received((_unstored(say(texts.server_error(code)), message.sent_at),))

    async def page(
        self, kind: str, channel: str, chat_id: str, command: Mapping[str, Any], *, now: datetime
    ) -> dict[str, Any] | None:
        """Do what a person did on a page and return the page as it then stands; None where there is no such page.

        What was done is committed before this returns; with "error" in it, nothing was done and it may be sent again.

        Raises:
            CommandNotUnderstood: this page knows no such command.
        """
        return await self._in_order((channel, chat_id), lambda: self.page_now(kind, channel, chat_id, command, now=now))

    def page_now(
        self, kind: str, channel: str, chat_id: str, command: Mapping[str, Any], *, now: datetime
    ) -> dict[str, Any] | None:
        """Do the same in this thread; the caller keeps chats in order."""
        if self._make_page is None:
            return None
        try:
            with self._store.transaction() as transaction:
                conversation = transaction.conversation(channel, chat_id, now=now)
                asking = IncomingMessage(channel, chat_id, f"page-{kind}", "", now)
                return self._make_page(asking, conversation, transaction, kind, command)
        except CommandNotUnderstood:
            raise
        except Exception as error:
            return {"error": texts.page_error(_log(error, channel))}

    def _answer(self, message: IncomingMessage, transaction: Transaction) -> Received:
        now = message.sent_at
        conversation = transaction.conversation(message.channel, message.chat_id, now=now)
        earlier = transaction.replies_to(conversation.id, message.external_id)
        if earlier is not None:
            return Received(tuple(earlier), is_repeat=True)
        # The label of a pressed button is what the person said.
        pressed = transaction.button(conversation.id, message.button_id) if message.button_id else None
        said = pressed.label if pressed else message.text or message.file_name or ""
        incoming_id = transaction.add_incoming(
            conversation.id,
            message.external_id,
            said[:KEPT_CHARACTERS].replace("\0", ""),
            now=now,
            confidential=is_confidential(message, conversation, transaction),
        )
        stored, begins_work = [], False
        for reply in self._handle(message, conversation, transaction):
            kept = transaction.add_reply(
                conversation.id,
                [(block.kind.value, block.text) for block in reply.blocks],
                [(button.label, button.action, button.argument) for button in reply.buttons],
                in_reply_to=incoming_id,
                now=now,
                confidential=reply.is_confidential,
            )
            if reply.task is not None:
                transaction.jobs.queue(
                    reply.task.kind,
                    reply.task.argument,
                    by=reply.task.by,
                    conversation_id=conversation.id,
                    message_id=kept.id,
                    now=now,
                )
                begins_work = True
            stored.append(kept)
        return Received(tuple(stored), begins_work=begins_work)

    def file_of(self, channel: str, chat_id: str, message_id: int, number: int, *, now: datetime) -> File | None:
        """Return a file of one of our messages to a chat, made anew; None where there is none for this chat.

        Args:
            number: which of the message's files, from 1.
        """
        with self._store.transaction() as transaction:
            conversation = transaction.find_conversation(channel, chat_id)
            message = transaction.message(conversation.id, message_id) if conversation else None
            if conversation is None or message is None or not message.is_ours or self._make_file is None:
                return None
            if not 1 <= number <= len(message.files):
                return None
            name, recipe = message.files[number - 1]
            asking = IncomingMessage(channel, chat_id, f"file-{message_id}-{number}", "", now)
            draw = self._make_file(asking, conversation, transaction, name, recipe)
        # Drawn only now: while a transaction lasts, nobody else can write.
        return draw() if draw is not None else None

    def documents_page(self) -> dict[str, Any] | None:
        """Return what the page of documents shows, the same for everyone; None where there is no such page."""
        return self._make_documents() if self._make_documents is not None else None

    def file_of_page(self, kind: str, channel: str, chat_id: str, number: int, *, now: datetime) -> File | None:
        """Return a file that a page offers to a chat, made anew; None where there is none for this chat."""
        with self._store.transaction() as transaction:
            conversation = transaction.find_conversation(channel, chat_id)
            if conversation is None or self._make_page_file is None:
                return None
            asking = IncomingMessage(channel, chat_id, f"file-{kind}-{number}", "", now)
            draw = self._make_page_file(asking, conversation, transaction, kind, number)
        return draw() if draw is not None else None

    def takes_files(self, channel: str, chat_id: str, *, now: datetime) -> bool:
        """Return whether a file from this chat would be read."""
        if self._takes_files is None:
            return False
        with self._store.transaction() as transaction:
            conversation = transaction.find_conversation(channel, chat_id)
            asking = IncomingMessage(channel, chat_id, "takes-files", "", now)
            return conversation is not None and self._takes_files(asking, conversation, transaction)

    async def delivered(self, message: StoredMessage) -> None:
        """Note that a channel has handed a message over."""
        if message.id:
            await asyncio.to_thread(self._mark_delivered, message.id)

    def _mark_delivered(self, message_id: int) -> None:
        with self._store.transaction() as transaction:
            transaction.mark_delivered(message_id, now=datetime.now(UTC))


def _log(error: Exception, channel: str) -> str:
    """Log what failed; return the code under which it can be found."""
    code = secrets.token_hex(2).upper()
    # An exception's own words may hold what a person wrote; its type and place tell enough.
    where = "".join(traceback.format_tb(error.__traceback__))
    log.error("handling failed, code %s, channel %s: %s\n%s", code, channel, type(error).__name__, where)
    return code


def _unstored(reply: Reply, now: datetime) -> StoredMessage:
    blocks = tuple((block.kind.value, block.text) for block in reply.blocks)
    return StoredMessage(id=0, is_ours=True, blocks=blocks, buttons=(), created_at=now)
