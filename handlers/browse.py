"""Walk the plan, section by section, and the documents it cites; whatever a button of an answer opens."""

from collections.abc import Callable

from handlers import texts
from handlers.messages import Block, BlockKind, Reply, say
from handlers.question import cited_in_reply, documents_reply, list_of, paged, to_button, to_buttons, to_reply
from knowledge.answer import KnowledgeBase
from knowledge.model import Answer, Reason, Topic


def open_outline(knowledge: KnowledgeBase) -> tuple[Reply, Topic | None]:
    """Return the plan's table of contents: its parts, with ways into each."""
    if knowledge.plan is None:
        return say(texts.BUTTON_EXPIRED), None
    outline = knowledge.outline(knowledge.plan.id)
    answer = knowledge.sections(knowledge.plan.id, outline.children(""), Reason.SECTION_LIST)
    listed = [outline.heading(section) for section in outline.sections]
    lines = [heading.text for heading in listed if heading is not None]
    blocks = (Block(BlockKind.TEXT, texts.OUTLINE), Block(BlockKind.QUOTE, "\n".join(lines)))
    return Reply(blocks, to_buttons(answer, knowledge)), answer.topic


def open_documents(knowledge: KnowledgeBase, offset: int = 0) -> tuple[Reply, Topic | None]:
    """Return the documents that the plan cites."""
    return documents_reply(knowledge, offset), None


def press(action: str, argument: str, topic: Topic | None, knowledge: KnowledgeBase) -> tuple[Reply, Topic | None]:
    """Return what a button opens; one whose document or passage is gone says so kindly."""
    opened = _ACTIONS.get(action)
    if opened is None:
        return say(texts.BUTTON_EXPIRED), topic
    try:
        return opened(argument, topic, knowledge)
    except KeyError:
        return say(texts.BUTTON_EXPIRED), topic


def _answered(answer: Answer, knowledge: KnowledgeBase) -> tuple[Reply, Topic | None]:
    return to_reply(answer, knowledge), answer.topic


def _passage(argument: str, topic: Topic | None, knowledge: KnowledgeBase) -> tuple[Reply, Topic | None]:
    rest = tuple(hit for hit in topic.hits if hit != argument and hit in knowledge.passages) if topic else ()
    question = topic.question if topic else ""
    return _answered(knowledge.passage(argument, rest=rest, question=question), knowledge)


def _section(argument: str, _topic: Topic | None, knowledge: KnowledgeBase) -> tuple[Reply, Topic | None]:
    document_id, _, section = argument.partition("/")
    return _answered(knowledge.section(document_id, section), knowledge)


def _card(argument: str, _topic: Topic | None, knowledge: KnowledgeBase) -> tuple[Reply, Topic | None]:
    return _answered(knowledge.card(argument), knowledge)


def _places(argument: str, _topic: Topic | None, knowledge: KnowledgeBase) -> tuple[Reply, Topic | None]:
    return _answered(knowledge.places(argument), knowledge)


def _cited_in(argument: str, topic: Topic | None, knowledge: KnowledgeBase) -> tuple[Reply, Topic | None]:
    passage_id, _, offset = argument.partition("@")
    return cited_in_reply(passage_id, knowledge, int(offset or 0)), topic


def _documents(argument: str, _topic: Topic | None, knowledge: KnowledgeBase) -> tuple[Reply, Topic | None]:
    return open_documents(knowledge, int(argument.rpartition("@")[2] or 0))


def _outline(_argument: str, _topic: Topic | None, knowledge: KnowledgeBase) -> tuple[Reply, Topic | None]:
    return open_outline(knowledge)


def _list(argument: str, topic: Topic | None, knowledge: KnowledgeBase) -> tuple[Reply, Topic | None]:
    """Go on with a list of sections or of a section's contents, from an offset on."""
    place, _, offset = argument.rpartition("@")
    document_id, _, section = place.partition("/")
    outline = knowledge.outline(document_id)
    below = outline.children(section)
    answer = (
        knowledge.sections(document_id, below, Reason.SECTION_LIST)
        if below
        else knowledge.section(document_id, section)
    )
    start = int(offset)
    rest = answer.quotes[start:] if below else answer.quotes[start + 1 :]
    lines = "\n".join(texts.quoted(quote) for quote in rest)
    buttons = [to_button(choice, knowledge) for choice in answer.choices]
    on = paged(buttons, start, "list", list_of(document_id, section, knowledge))
    return Reply((Block(BlockKind.QUOTE, lines),), on), topic


_Opened = Callable[[str, Topic | None, KnowledgeBase], tuple[Reply, Topic | None]]
_ACTIONS: dict[str, _Opened] = {
    "passage": _passage,
    "in_section": _passage,
    "whole": _passage,
    "next": _passage,
    "related": _passage,
    "digest": _passage,
    "section": _section,
    "whole_section": _section,
    "card": _card,
    "places": _places,
    "cited_in": _cited_in,
    "documents": _documents,
    "outline": _outline,
    "list": _list,
}
