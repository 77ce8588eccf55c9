"""Which handler takes this message: a pressed button? a command? otherwise a question."""

import re
from collections.abc import Callable

from handlers import texts
from handlers.browse import open_documents, open_outline, press
from handlers.messages import IncomingMessage, Reply, say
from handlers.question import answer_question, from_topic, to_topic
from handlers.services import Services
from knowledge.model import Topic
from knowledge.text import clean, collapse, fold
from storage.store import Conversation, StoredButton, Transaction

_NUMBER = re.compile(r"(?:chon|so|cau)?\s*(\d{1,2})\s*[.)]?")
_CARD = re.compile(r"(?:the|xem the)\s+(.+)")
_COMMAND = re.compile(r"/(\w+)(?:@\w+)?(?:\s+(.*))?", re.DOTALL)

_Opened = tuple[Reply, Topic | None]


def handle(
    message: IncomingMessage, conversation: Conversation, transaction: Transaction, services: Services
) -> list[Reply]:
    """Return what to say to a message, and keep what the conversation is about."""
    topic = to_topic(conversation.topic)
    reply, now_about = _route(message, conversation, topic, transaction, services)
    if now_about is not topic:
        transaction.save_topic(conversation.id, from_topic(now_about), now=message.sent_at)
    return [reply]


def _route(
    message: IncomingMessage,
    conversation: Conversation,
    topic: Topic | None,
    transaction: Transaction,
    services: Services,
) -> _Opened:
    if message.file_name is not None and not message.text:
        return say(texts.NO_FILES), topic
    if message.button_id is not None:
        return _press(transaction.button(conversation.id, message.button_id), topic, services)
    typed = collapse(clean(message.text))
    number = _NUMBER.fullmatch(fold(typed))
    if number:
        return _choose(int(number[1]), transaction.latest_buttons(conversation.id), topic, services)
    command = _command(typed)
    if command is not None:
        return command(topic, services)

    def note_wanted(document_id: str) -> None:
        transaction.want_document(document_id, now=message.sent_at)

    # The text goes on as it came: how long it really was is for the documents to judge.
    reply, now_about = answer_question(message.text, conversation.topic, services, note_wanted)
    return reply, now_about or topic


def _press(button: StoredButton | None, topic: Topic | None, services: Services) -> _Opened:
    if button is None:
        return say(texts.BUTTON_EXPIRED), topic
    return press(button.action, button.argument, topic, services.knowledge)


def _choose(number: int, buttons: tuple[StoredButton, ...], topic: Topic | None, services: Services) -> _Opened:
    if not buttons:
        return say(texts.NOTHING_TO_CHOOSE), topic
    if not 1 <= number <= len(buttons):
        return say(texts.no_such_choice(number, len(buttons))), topic
    return _press(buttons[number - 1], topic, services)


def _command(typed: str) -> Callable[[Topic | None, Services], _Opened] | None:
    """Return what a command, or the plain words that mean the same, does; None for anything else."""
    found = _COMMAND.fullmatch(typed)
    word = fold(found[1]).replace("_", " ") if found else fold(typed).strip(" .!?")
    if word in _COMMANDS:
        return _COMMANDS[word]
    card = _CARD.fullmatch(fold(typed))
    if card:
        return lambda topic, services: _card(typed, topic, services)
    if found:
        return lambda topic, _services: (say(texts.unknown_command(f"/{found[1]}")), topic)
    return None


def _card(typed: str, topic: Topic | None, services: Services) -> _Opened:
    mentions = services.knowledge.graph.find_mentions(typed)
    ids = [document_id for mention in mentions for document_id in mention.document_ids]
    if not ids:
        return answer_question(typed, from_topic(topic), services)
    return press("card", ids[0], topic, services.knowledge)


def _start(_topic: Topic | None, _services: Services) -> _Opened:
    return say(texts.WELCOME), None


def _help(topic: Topic | None, _services: Services) -> _Opened:
    return say(texts.HELP), topic


def _stop(_topic: Topic | None, _services: Services) -> _Opened:
    return say(texts.STOPPED), None


def _outline(_topic: Topic | None, services: Services) -> _Opened:
    return open_outline(services.knowledge)


def _documents(_topic: Topic | None, services: Services) -> _Opened:
    return open_documents(services.knowledge)


_COMMANDS: dict[str, Callable[[Topic | None, Services], _Opened]] = {
    "start": _start,
    "bat dau": _start,
    "muc luc": _outline,
    "muc luc ke hoach": _outline,
    "muc luc cua ke hoach": _outline,
    "van ban": _documents,
    "cac van ban": _documents,
    "tro giup": _help,
    "huong dan": _help,
    "help": _help,
    "dung": _stop,
    "dung lai": _stop,
    "stop": _stop,
}
