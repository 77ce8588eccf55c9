"""The one door for every channel: drops a repeat, keeps a chat in order, runs the handler in a worker thread."""

import asyncio
import logging
import secrets
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Any, TypeVar

from bot.floods import Floods, Verdict
from handlers import texts
from handlers.audience import Audience
from handlers.files import File
from handlers.messages import IncomingMessage, Reply, say
from handlers.page_command import CommandNotUnderstood
from handlers.router import is_confidential, may_be_a_question
from storage.replies import QueuedReply
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
# Which commands a chat is shown.
AudienceMaker = Callable[[IncomingMessage, Transaction], Audience]

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Received:
    """What became of a message.

    Attributes:
        replies: what to send, in order; after a repeat, what was said the first time.
        is_repeat: the message had come before, and nothing was done again.
        begins_work: something takes its time, and its chat will hear of it.
        is_refused: the person writes too fast; nothing was kept.
        replaces: by id of a reply, the message of ours in whose place it may be shown.
    """

    replies: tuple[StoredMessage, ...]
    is_repeat: bool = False
    begins_work: bool = False
    is_refused: bool = False
    replaces: Mapping[int, int] = field(default_factory=dict)


class HandlingFailedError(Exception):
    """A handler has failed in another process; `kind` names its exception, `where` is its traceback, without words."""

    def __init__(self, kind: str, where: str) -> None:
        super().__init__(kind)
        self.kind = kind
        self.where = where


class Joined(Enum):
    """What came of saying that a web chat is another chat's person."""

    JOINED = "joined"
    NOT_LINKED = "not_linked"
    REPLAYED = "replayed"
    WEB_OF_ANOTHER = "web_of_another"


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
        audience: AudienceMaker | None = None,
        floods: Floods | None = None,
        prepare: Callable[[str], None] | None = None,
    ) -> None:
        """Take the store and the handlers.

        Args:
            floods: keeps one person from taking everybody's time; without, nothing does.
            prepare: works out ahead what answering a question will need.
        """
        self._store = store
        self._audience = audience
        self._floods = floods
        self._prepare_question = prepare
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
            self._prepare(message)
            with self._store.transaction() as transaction:
                return self._answer(message, transaction)
        except Exception as error:
            code = _log(error, message.channel)
            return Received((_unstored(say(texts.server_error(code)), message.sent_at),))

    def receive_kept(
        self, message: IncomingMessage, update_id: int, worker: str, now: datetime
    ) -> tuple[list[tuple[QueuedReply, StoredMessage]], str | None]:
        """Answer a message that a platform's update held, in this thread; the caller keeps chats in order.

        The update is done, the answer kept and its sending queued in one transaction.

        Returns:
            what is to be sent, in order; and what to say beside it, kept nowhere. A repeat gives nothing.
        Raises:
            LeaseLostError: another worker has taken the update over; nothing was done.
            Exception: whatever the handler raises; nothing was done, and it may be tried again.
        """
        self._prepare(message)
        with self._store.transaction() as transaction:
            transaction.inbox.done(update_id, worker, now=now)
            received = self._answer(message, transaction, tells_once=True)
            if received.is_repeat:
                return [], None
            if received.is_refused:
                return [], received.replies[0].text if received.replies else None
            queued = []
            for reply in received.replies:
                replaces = received.replaces.get(reply.id)
                to = transaction.replies.queue(
                    reply.id, message.channel, message.chat_id, worker=worker, now=now, replaces=replaces
                )
                queued.append((to, reply))
        return queued, None

    def _prepare(self, message: IncomingMessage) -> None:
        """Look in the documents before the transaction: while it lasts, nobody else can write."""
        if self._prepare_question is not None and may_be_a_question(message):
            self._prepare_question(message.text)

    def put_aside(
        self, update_id: int, worker: str, error: Exception, now: datetime, again_at: datetime, most_attempts: int
    ) -> tuple[bool, str]:
        """Note that handling an update has failed; return whether it was put aside, and what its sender then hears."""
        code = _log(error, f"update {update_id}")
        with self._store.transaction() as transaction:
            reason = f"{_kind(error)} {code}"
            is_aside = transaction.inbox.failed(
                update_id, worker, reason, now=now, again_at=again_at, most_attempts=most_attempts
            )
        return is_aside, texts.server_error(code)

    def audience(self, channel: str, chat_id: str, *, now: datetime) -> Audience | None:
        """Return which commands a chat is to be shown; None where nobody has said how to tell."""
        if self._audience is None:
            return None
        with self._store.transaction() as transaction:
            return self._audience(IncomingMessage(channel, chat_id, "audience", "", now), transaction)

    def last_heard(self, channel: str, chat_id: str) -> datetime | None:
        """Return when a person last wrote in a chat."""
        with self._store.transaction() as transaction:
            return transaction.last_heard(channel, chat_id)

    def join_chat(
        self, channel: str, chat_id: str, joining_channel: str, joining_chat_id: str, proof: str, *, now: datetime
    ) -> Joined:
        """Link a chat to the member of another one, whose platform has proved who it is.

        Args:
            proof: names what the platform gave as proof; from another chat the same is refused.
        """
        with self._store.transaction() as transaction:
            people = transaction.people
            member_id = people.member_of(channel, chat_id)
            if member_id is None:
                return Joined.NOT_LINKED
            if not transaction.inbox.use_init_data(proof, f"{joining_channel}:{joining_chat_id}", now=now):
                return Joined.REPLAYED
            linked = people.member_of(joining_channel, joining_chat_id)
            if linked is not None:
                return Joined.JOINED if linked == member_id else Joined.WEB_OF_ANOTHER
            people.link(joining_channel, joining_chat_id, member_id, now=now)
            transaction.audit.note(f"member:{member_id}", "link", joining_channel, now=now)
        return Joined.JOINED

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

    def _answer(self, message: IncomingMessage, transaction: Transaction, *, tells_once: bool = False) -> Received:
        now = message.sent_at
        conversation = transaction.conversation(message.channel, message.chat_id, now=now)
        earlier = transaction.replies_to(conversation.id, message.external_id)
        if earlier is not None:
            return Received(tuple(earlier), is_repeat=True)
        if self._floods is not None:
            person = conversation.member_id or f"{message.channel}:{message.chat_id}"
            verdict = self._floods.judge(str(person), now)
            if verdict is not Verdict.FINE:
                is_told = verdict is Verdict.TELL or not tells_once
                return Received((_unstored(say(texts.TOO_FAST), now),) if is_told else (), is_refused=True)
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
        latest_id = transaction.message_of_button(message.button_id) if pressed and message.button_id else None
        if latest_id is not None and latest_id != transaction.latest_id(conversation.id, before=incoming_id):
            # Further up in the chat nobody would see it change.
            latest_id = None
        stored, begins_work, replaces = list[StoredMessage](), False, dict[int, int]()
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
            if reply.may_replace and latest_id is not None and not stored:
                replaces[kept.id] = latest_id
            stored.append(kept)
        return Received(tuple(stored), begins_work=begins_work, replaces=replaces)

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


def _kind(error: Exception) -> str:
    return error.kind if isinstance(error, HandlingFailedError) else type(error).__name__


def _log(error: Exception, channel: str) -> str:
    """Log what failed; return the code under which it can be found."""
    code = secrets.token_hex(2).upper()
    # An exception's own words may hold what a person wrote; its type and place tell enough.
    where = "".join(traceback.format_tb(error.__traceback__))
    if isinstance(error, HandlingFailedError):
        where = error.where
    log.error("handling failed, code %s, channel %s: %s\n%s", code, channel, _kind(error), where)
    return code


def _unstored(reply: Reply, now: datetime) -> StoredMessage:
    blocks = tuple((block.kind.value, block.text) for block in reply.blocks)
    return StoredMessage(id=0, is_ours=True, blocks=blocks, buttons=(), created_at=now)
