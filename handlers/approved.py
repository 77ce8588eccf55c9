"""Approved answers: shown before the documents are asked, while the passage they rest on is as it was."""

from collections.abc import Sequence
from dataclasses import replace

from handlers import approved_texts
from handlers.messages import Block, BlockKind, Reply
from handlers.question import to_reply
from handlers.services import Turn
from knowledge.answer import KnowledgeBase
from knowledge.approved import fingerprint, match
from knowledge.model import Answer, Outcome, Topic
from storage.approved import ApprovedAnswer

# Longer questions than an approved one can be.
_LONGEST_QUESTION = 300


def answer(turn: Turn, question: str) -> tuple[Reply, Topic | None] | None:
    """Return the approved answer to a question; None where there is none."""
    found = find(question, turn.transaction.approved.live(), turn.services.knowledge)
    return (found[0], found[1].topic) if found is not None else None


def find(question: str, answers: Sequence[ApprovedAnswer], knowledge: KnowledgeBase) -> tuple[Reply, Answer] | None:
    """Return the approved answer to a question as it reads, and the answer that its passage gives; None for none.

    Args:
        answers: those that nobody has withdrawn, the newest first.
    """
    if not answers or len(question) > _LONGEST_QUESTION:
        return None
    current = {each.id: each for each in answers if is_current(each, knowledge)}
    asked = [(each.id, other) for each in current.values() for other in each.questions]
    answer_id = match(question, asked, knowledge.encoder, lambda text: knowledge.parse(text).asked)
    return shown(current[answer_id], knowledge, question) if answer_id is not None else None


def shown(found: ApprovedAnswer, knowledge: KnowledgeBase, question: str = "") -> tuple[Reply, Answer] | None:
    """Return an answer as it reads: its words, the quote of its passage, who has approved it.

    None where the passage cannot be quoted word for word.
    """
    if found.passage_id not in knowledge.passages:
        return None
    rests_on = knowledge.passage(found.passage_id, question=question or found.questions[0])
    if rests_on.outcome is not Outcome.ANSWERED:
        return None
    reply = to_reply(rests_on, knowledge)
    # That a document was replaced is said before anything else.
    first = next((n for n, block in enumerate(reply.blocks) if block.kind is not BlockKind.NOTICE), 0)
    words = (
        Block(BlockKind.TEXT, approved_texts.head(found.questions[0])),
        Block(BlockKind.TEXT, found.words),
        Block(BlockKind.TEXT, approved_texts.RESTS_ON),
    )
    signed = Block(BlockKind.TEXT, approved_texts.signed(found.name, found.role, found.approved_on))
    return replace(reply, blocks=(*reply.blocks[:first], *words, *reply.blocks[first:], signed)), rests_on


def is_current(found: ApprovedAnswer, knowledge: KnowledgeBase) -> bool:
    """Whether the passage an answer rests on still reads as it did."""
    passage = knowledge.passages.get(found.passage_id)
    return passage is not None and fingerprint(passage) == found.fingerprint
