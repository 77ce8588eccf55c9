"""Ask the documents."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from handlers import texts
from handlers.earlier import versioned
from handlers.messages import Block, BlockKind, Button, Reply
from handlers.services import Services
from knowledge.answer import KnowledgeBase
from knowledge.cards import card
from knowledge.chunker import heading_name, place
from knowledge.model import Answer, Choice, Document, Notice, NoticeKind, Outcome, Quote, Reason, TextKind, Topic

CHOICES_AT_MOST = 3
_LISTS = {Reason.SECTION, Reason.BULLET_COUNT, Reason.SECTION_COUNT, Reason.SECTION_LIST}
_CARDS = {Reason.CITED_LOADED, Reason.CITED_REPLACED}
# A document that holds no longer, or not as it stands: said first wherever it is spoken of.
_HOLDS_NOT = {NoticeKind.SUPERSEDED, NoticeKind.AMENDED, NoticeKind.NO_LONGER_IN_FORCE}
_FIRST_SAID = {*_HOLDS_NOT, NoticeKind.PERHAPS_REPLACED}


def answer_question(
    question: str,
    topic: Mapping[str, Any],
    services: Services,
    note_wanted: Callable[[str], None] | None = None,
    unanswered: Callable[[Answer, Reply], Reply] | None = None,
) -> tuple[Reply, Topic | None]:
    """Answer from the documents, or say plainly that they do not hold it.

    Args:
        topic: what the conversation was about, as last returned.
        note_wanted: puts a document on the list of texts to load; None where nothing is kept.
        unanswered: looks at what there is no answer to, and at its reply, and returns the reply to give.
    Returns:
        the reply, and what the conversation is about now.
    """
    answer = services.knowledge.answer(question, topic=to_topic(topic))
    if answer.outcome is Outcome.CITED_NOT_LOADED and note_wanted is not None:
        note_wanted(answer.facts.get("wanted") or answer.document_ids[0])
    reply = to_reply(answer, services.knowledge, noted=note_wanted is not None)
    if answer.outcome is not Outcome.ANSWERED and unanswered is not None:
        reply = unanswered(answer, reply)
    return reply, answer.topic


def to_topic(stored: Mapping[str, Any]) -> Topic | None:
    """Return what was stored of a conversation's topic; None where there is none."""
    if not stored:
        return None
    return Topic(
        question=str(stored.get("question", "")),
        passage_id=stored.get("passage_id"),
        document_id=stored.get("document_id"),
        hits=tuple(stored.get("hits", ())),
    )


def from_topic(topic: Topic | None) -> dict[str, Any]:
    """Return a topic as it is stored."""
    return asdict(topic) if topic else {}


def to_reply(answer: Answer, knowledge: KnowledgeBase, *, noted: bool = False) -> Reply:
    """Return an answer as blocks and buttons."""
    document = knowledge.documents.get(answer.document_ids[0]) if answer.document_ids else None
    buttons = to_buttons(answer, knowledge)
    if answer.outcome is Outcome.SMALLTALK and answer.smalltalk is not None:
        return _plain(texts.smalltalk(answer.smalltalk), buttons)
    if answer.reason in _CARDS and document is not None:
        return card_reply(document, knowledge, buttons, asked_whether_replaced=answer.reason is Reason.CITED_REPLACED)
    if answer.outcome is not Outcome.ANSWERED:
        said = [Block(BlockKind.NOTICE, _notice(n, knowledge)) for n in answer.notices if n.kind in _FIRST_SAID]
        return Reply((*said, Block(BlockKind.TEXT, texts.unanswered(answer, document, noted=noted))), buttons)
    if answer.reason is Reason.OWN_NUMBER:
        return _plain(texts.own_number(answer), buttons)
    if answer.reason is Reason.CITED_LIST:
        return documents_reply(knowledge, 0)
    return Reply(tuple(_answered(answer, document, knowledge)), buttons)


def notices(answer: Answer, knowledge: KnowledgeBase) -> list[str]:
    """Return what readers must be told beside an answer, in words."""
    return [_notice(n, knowledge) for n in answer.notices]


def _answered(answer: Answer, document: Document | None, knowledge: KnowledgeBase) -> list[Block]:
    own = [n for n in answer.notices if n.kind in _FIRST_SAID and document and n.document_id == document.id]
    blocks = [Block(BlockKind.NOTICE, _notice(n, knowledge)) for n in own]
    lead = texts.lead(answer, document)
    blocks += [Block(BlockKind.TEXT, lead)] if lead else []
    if answer.reason in _LISTS and document is not None and document.is_plan:
        listed = "\n".join(texts.quoted(quote) for quote in answer.quotes)
        blocks.append(Block(BlockKind.QUOTE, listed))
        name = document.short_title or document.name
        where = f", {answer.quotes[0].citation.place}" if answer.reason in (Reason.SECTION, Reason.BULLET_COUNT) else ""
        blocks.append(Block(BlockKind.CITATION, f"— {name}{where}{texts.version(document.version)}"))
    else:
        blocks += _quote_blocks(answer.quotes)
    blocks += [Block(BlockKind.NOTICE, _notice(n, knowledge)) for n in answer.notices if n not in own]
    return blocks


def _quote_blocks(quotes: tuple[Quote, ...]) -> list[Block]:
    """Quotes of one part of a digest stand together under one citation; others each have their own."""
    parts: dict[tuple[str, str], list[Quote]] = {}
    for quote in quotes:
        citation = quote.citation
        part = citation.locator.split(".")[0] if citation.is_digest else citation.locator
        parts.setdefault((citation.document_id, part), []).append(quote)
    blocks: list[Block] = []
    for together in parts.values():
        citation = together[0].citation
        is_whole_part = citation.is_digest and len(together) > 1
        blocks.append(Block(BlockKind.QUOTE, texts.quoted_together(together)))
        blocks.append(Block(BlockKind.CITATION, texts.citation_line(citation, whole_part=is_whole_part)))
    return blocks


def _notice(notice: Notice, knowledge: KnowledgeBase) -> str:
    document = knowledge.documents[notice.document_id]
    return texts.notice(notice, document, knowledge.successor(document))


def card_reply(
    document: Document, knowledge: KnowledgeBase, buttons: tuple[Button, ...], *, asked_whether_replaced: bool
) -> Reply:
    """Return what is known of a document; whether it still holds comes first where that was asked, or it does not."""
    shown = Block(BlockKind.TEXT, texts.card(document, card(knowledge, document.id)))
    holds_not = any(notice.kind in _HOLDS_NOT for notice in knowledge.force_notices([document.id]))
    if not (asked_whether_replaced or holds_not):
        return Reply((shown,), buttons)
    first = Block(BlockKind.NOTICE, texts.whether_replaced(document, knowledge.successor(document)))
    return Reply((first, shown), buttons)


def documents_reply(knowledge: KnowledgeBase, offset: int) -> Reply:
    """Return the documents that the plan cites, and cards to open, from one offset on."""
    cited = [c for c in knowledge.cited_documents() if c.document_id]
    listed = [knowledge.documents[c.document_id or ""] for c in cited]
    lines = [
        f"• {texts.document_line(document, knowledge.successor(document))}"
        for n, document in enumerate(listed, 1)
        if n > offset
    ]
    blocks = [Block(BlockKind.TEXT, texts.CITED_DOCUMENTS), Block(BlockKind.TEXT, "\n".join(lines))]
    blocks.append(Block(BlockKind.TEXT, texts.CITED_HINT))
    buttons = [Button(texts.see_document(d), "card", d.id) for d in listed]
    return Reply(tuple(blocks), paged(buttons, offset, "documents", ""))


def cited_in_reply(passage_id: str, knowledge: KnowledgeBase, offset: int) -> Reply:
    """Return the documents that a passage cites, and cards to open, from one offset on.

    Raises:
        KeyError: no such passage.
    """
    passage = knowledge.passages[passage_id]
    ids = dict.fromkeys(r.document_id for r in knowledge.graph.mentioned_in(passage.id) if r.document_id)
    documents = [knowledge.documents[d] for d in ids if not knowledge.documents[d].is_plan]
    lines = [texts.document_line(document, knowledge.successor(document)) for document in documents[offset:]]
    blocks = (Block(BlockKind.TEXT, texts.CITED_HERE), Block(BlockKind.TEXT, "\n".join(lines)))
    buttons = [Button(texts.see_document(document), "card", document.id) for document in documents]
    return Reply(blocks, paged(buttons, offset, "cited_in", passage_id))


def paged(buttons: list[Button], offset: int, action: str, argument: str) -> tuple[Button, ...]:
    """Return at most three buttons from an offset on; where more remain, the last one leads to them."""
    rest = buttons[offset:]
    if len(rest) <= CHOICES_AT_MOST:
        return tuple(rest)
    onward = offset + CHOICES_AT_MOST - 1
    return (*rest[: CHOICES_AT_MOST - 1], Button(texts.NEXT_PAGE, action, f"{argument}@{onward}"))


def to_buttons(answer: Answer, knowledge: KnowledgeBase) -> tuple[Button, ...]:
    """Return the choices under an answer."""
    buttons = [to_button(choice, knowledge) for choice in answer.choices]
    if answer.reason in _LISTS:
        document_id = answer.document_ids[0] if answer.document_ids else ""
        section = answer.facts.get("section", "")
        if answer.reason in (Reason.SECTION_COUNT, Reason.SECTION_LIST):
            section = answer.facts.get("first", "").rpartition(".")[0]
        return paged(buttons, 0, "list", list_of(document_id, section, knowledge))
    return tuple(buttons[:CHOICES_AT_MOST])


def list_of(document_id: str, section: str, knowledge: KnowledgeBase) -> str:
    """Return what the way on in a list of sections or points goes by, the version of their document with it."""
    document = knowledge.documents.get(document_id)
    return versioned("list", f"{document_id}/{section}", document.version if document else 1)


def to_button(choice: Choice, knowledge: KnowledgeBase) -> Button:
    """Return a choice with its label."""
    document = knowledge.documents.get(choice.argument.partition("/")[0])
    argument = versioned(choice.action, choice.argument, document.version) if document else choice.argument
    return Button(_label(choice, knowledge), choice.action, argument)


def _label(choice: Choice, knowledge: KnowledgeBase) -> str:
    argument = choice.argument
    match choice.action:
        case "passage":
            return _passage_label(argument, knowledge)
        case "in_section":
            passage = knowledge.passages[argument]
            document = knowledge.documents[passage.document_id]
            where = passage.section if document.is_plan else document.name
            return texts.in_section(heading_name(passage.headings[-1]), where)
        case "whole":
            return texts.READ_WHOLE
        case "next":
            return texts.NEXT_PASSAGE
        case "related":
            return texts.RELATED
        case "cited_in":
            return texts.RELATED_DOCUMENTS
        case "places":
            return texts.PLACES_IN_PLAN
        case "card":
            return texts.see_document(knowledge.documents[argument])
        case "outline":
            return texts.THE_OUTLINE
        case "digest":
            document = knowledge.documents[knowledge.passages[argument].document_id]
            return texts.READ_DIGEST if document.text_kind is TextKind.DIGEST else texts.READ_TEXT
        case "documents":
            return texts.RELATED_DOCUMENTS
        case "whole_section":
            document_id, _, section = argument.partition("/")
            document = knowledge.documents[document_id]
            if document.is_plan:
                return texts.whole_section(section)
            bullets = knowledge.outline(document_id).bullets(section)
            return texts.whole_article(place(bullets[0]).split(",")[0]) if bullets else texts.RELATED
        case _:
            return _section_label(argument, knowledge)


def _passage_label(passage_id: str, knowledge: KnowledgeBase) -> str:
    passage = knowledge.passages[passage_id]
    return texts.label(f"Ý {passage.ordinal}: {passage.text}")


def _section_label(argument: str, knowledge: KnowledgeBase) -> str:
    document_id, _, section = argument.partition("/")
    heading = knowledge.outline(document_id).heading(section)
    document = knowledge.documents[document_id]
    if document.is_plan:
        return texts.label(f"Mục {heading.text}" if heading else f"Mục {section}")
    first = heading or next(iter(knowledge.outline(document_id).bullets(section)), None)
    if first is not None and "#" in first.locator:
        # Cut by its numbers; without any, all of it is part "0".
        return texts.label(document.name if section == "0" else f"Mục {section}, {document.name}")
    name = heading_name(first.headings[-1]) if first and first.headings else section
    article = section.replace("dieu-", "Điều ") if section.startswith("dieu-") else name
    return texts.label(f"{article}, {document.name}")


def _plain(text: str, buttons: tuple[Button, ...]) -> Reply:
    return Reply((Block(BlockKind.TEXT, text),), buttons)
