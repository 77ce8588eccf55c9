"""Which handler takes this message: a pressed button? a command? otherwise a question."""

import re
from collections.abc import Callable
from dataclasses import replace

from handlers import (
    admin,
    approved,
    approving,
    calendar,
    checklist,
    committee,
    devices,
    documents,
    enrolment,
    exports,
    feedback,
    feedback_texts,
    files,
    forwarding,
    gaps,
    gaps_texts,
    mailbox,
    paper,
    references,
    reports,
    texts,
)
from handlers.browse import open_documents, open_outline, press
from handlers.earlier import from_earlier, parted
from handlers.files import File
from handlers.messages import IncomingMessage, Reply, say
from handlers.question import CHOICES_AT_MOST, answer_question, from_topic, to_topic
from handlers.services import Services, Turn
from knowledge.model import Answer, Topic
from knowledge.text import clean, collapse, fold
from storage.store import Conversation, StoredButton, Transaction

_NUMBER = re.compile(r"(?:chon|so|cau)?\s*(\d{1,2})\s*[.)]?")
_CARD = re.compile(r"(?:the|xem the)\s+(.+)")
_COMMAND = re.compile(r"/(\w+)(?:@\w+)?(?:\s+(.*))?", re.DOTALL)

_CHANGE = re.compile(r"(?:sua|doi)(?: lai)?(?: dieu)? (\d{1,2})")
_ARTICLE = re.compile(r"(?:xem |doc )?dieu (?:so )?(\d{1,2})")
_CODE = re.compile(r"(?:ma(?: so)?|code)\s+(\S.*)", re.IGNORECASE)

_Opened = tuple[Reply, Topic | None]


def handle(
    message: IncomingMessage, conversation: Conversation, transaction: Transaction, services: Services
) -> list[Reply]:
    """Return what to say to a message, and keep what the conversation is about."""
    topic = to_topic(conversation.topic)
    if conversation.member_id is not None:
        transaction.people.heard_from(message.channel, message.chat_id, at=message.sent_at)
    reply, now_about = _route(Turn(message, conversation, topic, transaction, services))
    if now_about is not topic:
        transaction.save_topic(conversation.id, from_topic(now_about), now=message.sent_at)
    return [reply]


def make_file(
    message: IncomingMessage,
    conversation: Conversation,
    transaction: Transaction,
    name: str,
    recipe: str,
    services: Services,
) -> Callable[[], File] | None:
    """Return how to draw a file of one of our messages, for the chat that asks; None where it is not for this chat."""
    return files.make(Turn(message, conversation, None, transaction, services), name, recipe)


def may_be_a_question(message: IncomingMessage) -> bool:
    """Whether the documents may be asked about a message: it is neither a button, a number, a command nor a file."""
    if message.button_id is not None or message.file_name is not None:
        return False
    typed = collapse(clean(message.text))
    return not _NUMBER.fullmatch(fold(typed)) and _command(typed) is None


def is_confidential(message: IncomingMessage, conversation: Conversation, transaction: Transaction) -> bool:
    """Whether a message answers an item of a checklist: what was chosen must not stand readable in the database."""
    if message.button_id is not None:
        pressed = transaction.button(conversation.id, message.button_id)
        return pressed is not None and (
            checklist.tells_an_answer(pressed.action) or paper.tells_an_answer(pressed.action)
        )
    typed = fold(collapse(clean(message.text)))
    if _CHANGE.fullmatch(typed.strip(" .!?")):
        return True
    buttons = transaction.latest_buttons(conversation.id)
    if paper.awaits_marks(buttons):
        return True
    return bool(_NUMBER.fullmatch(typed)) and any(checklist.tells_an_answer(button.action) for button in buttons)


def _route(turn: Turn) -> _Opened:
    message, topic = turn.message, turn.topic
    if message.file_name is not None:
        received = documents.receive(turn)
        if received is not None:
            return received, topic
        if not message.text:
            return say(texts.NO_FILES), topic
    if message.button_id is not None:
        return _press(turn, turn.transaction.button(turn.conversation.id, message.button_id))
    typed = collapse(clean(message.text))
    number = _NUMBER.fullmatch(fold(typed))
    if number:
        return _choose(turn, int(number[1]))
    command = _command(typed)
    if command is not None:
        return command(turn)

    takers = (paper.typed, calendar.typed, devices.typed, documents.typed)
    entered = next((reply for reply in (take(turn, typed) for take in takers) if reply is not None), None)
    return (entered, topic) if entered is not None else _ask(turn, typed)


def _ask(turn: Turn, typed: str) -> _Opened:
    """Ask the documents, what a committee member has approved first; or take what was asked for while one writes."""
    message, topic = turn.message, turn.topic
    entered = approving.typed(turn, typed)
    if entered is not None:
        return entered, topic
    back = checklist.resume(turn) or paper.resume(turn)

    def note_wanted(document_id: str) -> None:
        turn.transaction.want_document(document_id, now=message.sent_at)

    def unanswered(answer: Answer, reply: Reply) -> Reply:
        # What is typed in the middle of a checklist may be about the checklist, and is kept nowhere.
        return gaps.unanswered(turn, answer, reply) if back is None else reply

    article = _ARTICLE.fullmatch(fold(typed).strip(" .!?"))
    passage_id = checklist.article(turn, int(article[1])) if article else None
    if passage_id is not None:
        # At a checklist, an article without a regulation is one of the checklist's.
        reply, now_about = press("section", passage_id, topic, turn.services.knowledge)
    else:
        # The text goes on as it came: how long it really was is for the documents to judge.
        reply, now_about = approved.answer(turn, message.text) or answer_question(
            message.text, turn.conversation.topic, turn.services, note_wanted, unanswered
        )
    if back is not None:
        # Who asks in the middle of a checklist is led back to it.
        reply = replace(reply, buttons=(*reply.buttons[: CHOICES_AT_MOST - 1], back))
    return reply, now_about or topic


def _press(turn: Turn, button: StoredButton | None) -> _Opened:
    if button is None:
        return say(texts.BUTTON_EXPIRED), turn.topic
    if checklist.is_step(button.action):
        return checklist.press(turn, button.action, button.argument), turn.topic
    act = _ACTIONS.get(button.action)
    if act is not None:
        return act(turn, button.argument), turn.topic
    argument, version = parted(button.action, button.argument)
    earlier = from_earlier(button.action, argument, version, turn.services) if version is not None else None
    if earlier is not None:
        return earlier, turn.topic
    return press(button.action, argument, turn.topic, turn.services.knowledge)


def _choose(turn: Turn, number: int) -> _Opened:
    buttons = turn.transaction.latest_buttons(turn.conversation.id)
    if not buttons:
        return say(texts.NOTHING_TO_CHOOSE), turn.topic
    if not 1 <= number <= len(buttons):
        return say(texts.no_such_choice(number, len(buttons))), turn.topic
    return _press(turn, buttons[number - 1])


def _command(typed: str) -> Callable[[Turn], _Opened] | None:
    """Return what a command, or the plain words that mean the same, does; None for anything else."""
    found = _COMMAND.fullmatch(typed)
    word = fold(found[1]).replace("_", " ") if found else fold(typed).strip(" .!?")
    argument = (found[2] or "").strip() if found else ""
    code = _CODE.fullmatch(fold(typed))
    if word == "start" and argument:
        return lambda turn: (enrolment.redeem(turn, argument), turn.topic)
    if enrolment.looks_like_a_code(typed) or (code and enrolment.looks_like_a_code(code[1])):
        given = code[1] if code else typed
        return lambda turn: (enrolment.redeem(turn, given), turn.topic)
    if word in _COMMANDS:
        return _COMMANDS[word]
    change = _CHANGE.fullmatch(fold(typed).strip(" .!?"))
    if change:
        return lambda turn: (checklist.change(turn, int(change[1])), turn.topic)
    card = _CARD.fullmatch(fold(typed))
    if card:
        return lambda turn: _card(typed, card[1].strip(" .!?"), turn)
    if found:
        return lambda turn: (say(texts.unknown_command(f"/{found[1]}")), turn.topic)
    return None


def _card(typed: str, named: str, turn: Turn) -> _Opened:
    knowledge = turn.services.knowledge
    mentions = knowledge.graph.find_mentions(typed)
    ids = [document_id for mention in mentions for document_id in mention.document_ids]
    if not mentions and named.isdecimal():
        # Everywhere else a bare number may count something; here it can only name a document.
        numbered = knowledge.graph.numbered(int(named[:6]))
        ids = sorted(numbered, key=lambda document_id: not knowledge.documents[document_id].cited_in_plan)
    if not ids:
        only_cited = references.open_cited(turn, [mention.number for mention in mentions if mention.cited])
        if only_cited is not None:
            return only_cited, turn.topic
        return _ask(turn, typed)
    return press("card", ids[0], turn.topic, knowledge)


def _start(_turn: Turn) -> _Opened:
    return say(texts.WELCOME), None


def _help(turn: Turn) -> _Opened:
    options = turn.services.options
    more = [feedback_texts.HELP] if options.takes_thumbs else []
    more += [gaps_texts.HELP] if options.keeps_gaps else []
    return say("\n".join([texts.HELP, *more])), turn.topic


def _stop(_turn: Turn) -> _Opened:
    return say(texts.STOPPED), None


def _outline(turn: Turn) -> _Opened:
    return open_outline(turn.services.knowledge)


def _documents(turn: Turn) -> _Opened:
    return open_documents(turn.services.knowledge)


def _beside(handler: Callable[[Turn], Reply]) -> Callable[[Turn], _Opened]:
    """Let a handler answer while the conversation stays about what it was about."""
    return lambda turn: (handler(turn), turn.topic)


# Each says which words open it and, but for the checklist, what its buttons do.
_WITH_BUTTONS = (
    enrolment,
    devices,
    reports,
    exports,
    admin,
    committee,
    paper,
    calendar,
    documents,
    references,
    approving,
    feedback,
    forwarding,
    gaps,
    mailbox,
)
_COMMANDS: dict[str, Callable[[Turn], _Opened]] = {
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
    **{word: _beside(act) for module in (checklist, *_WITH_BUTTONS) for word, act in module.WORDS.items()},
}
_ACTIONS: dict[str, Callable[[Turn, str], Reply]] = {
    action: act for module in _WITH_BUTTONS for action, act in module.ACTIONS.items()
}
