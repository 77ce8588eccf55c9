"""👍 and 👎: whether the latest answer was of use, counted by passage and day, never by whom."""

from collections.abc import Callable
from functools import partial

from assessment.access import Data
from assessment.schedule import local_day
from handlers import feedback_texts
from handlers.messages import BlockKind, Button, Reply, say
from handlers.services import Turn
from handlers.texts import name_and_date
from handlers.viewers import ANYTHING, looker_in
from storage.store import StoredMessage

_LOOKED_BACK = 12
_LINES_A_PAGE = 15


def judge(turn: Turn, *, is_good: bool) -> Reply:
    """Count what somebody says of the latest answer; saying it again counts nothing."""
    if not turn.services.options.takes_thumbs:
        return say(feedback_texts.SWITCHED_OFF)
    knowledge = turn.services.knowledge
    passage = knowledge.passages.get(turn.topic.passage_id or "") if turn.topic is not None else None
    answer = _latest_answer(turn)
    if passage is None or answer is None:
        return say(feedback_texts.NOTHING)
    version = knowledge.documents[passage.document_id].version
    counted = turn.transaction.feedback.count(answer.id, passage.id, version, is_good=is_good, on=local_day(turn.now))
    if not counted:
        return say(feedback_texts.KEPT_BEFORE)
    return say(feedback_texts.GOOD_KEPT if is_good else feedback_texts.BAD_KEPT)


def counts(turn: Turn, argument: str = "0") -> Reply:
    """Show an administrator how often answers were called good, by document."""
    looker = looker_in(turn)
    if looker is None or not looker.may(Data.FEEDBACK, ANYTHING):
        return say(feedback_texts.ONLY_ADMIN)
    by_document: dict[str, tuple[int, int]] = {}
    for counted in turn.transaction.feedback.counts():
        document_id = counted.passage_id.partition("/")[0]
        good, bad = by_document.get(document_id, (0, 0))
        by_document[document_id] = (good + counted.good, bad + counted.bad)
    if not by_document:
        return say(feedback_texts.NONE_YET)
    documents = turn.services.knowledge.documents
    # What was called wrong most often is what somebody should look at first.
    ordered = sorted(by_document.items(), key=lambda item: (-item[1][1], -item[1][0], item[0]))
    lines = [
        feedback_texts.line(name_and_date(documents[each]) if each in documents else each, good, bad)
        for each, (good, bad) in ordered
    ]
    first = int(argument) if int(argument) < len(lines) else 0
    shown = lines[first : first + _LINES_A_PAGE]
    following = first + len(shown)
    on = [Button(feedback_texts.NEXT, "fb_list", str(following))] if following < len(lines) else []
    return say(feedback_texts.listed(shown, first, len(lines)), *on)


def is_answer(message: StoredMessage) -> bool:
    """Whether a message is an answer of ours that quotes a document and says where it stands."""
    kinds = {kind for kind, _ in message.blocks}
    # Who is writing an approved answer is shown quotes, too.
    is_draft = any(button.action.startswith("ap_") for button in message.buttons)
    return message.is_ours and not is_draft and {BlockKind.QUOTE.value, BlockKind.CITATION.value} <= kinds


def _latest_answer(turn: Turn) -> StoredMessage | None:
    """Return our latest answer that quotes a document; what was said about it since is passed over."""
    recent = turn.transaction.history(turn.conversation.id, limit=_LOOKED_BACK)
    return next((message for message in reversed(recent) if is_answer(message)), None)


_GOOD, _BAD = partial(judge, is_good=True), partial(judge, is_good=False)
# A thumb comes in the colours of five skins, too, or with a mark that asks for the coloured picture.
_SHADES = ("", "\ufe0f", *map(chr, range(0x1F3FB, 0x1F400)))
WORDS: dict[str, Callable[[Turn], Reply]] = {
    "huu ich": _GOOD,
    "khong dung": _BAD,
    **{f"👍{shade}": _GOOD for shade in _SHADES},
    **{f"👎{shade}": _BAD for shade in _SHADES},
    "gop y": counts,
}
ACTIONS: dict[str, Callable[[Turn, str], Reply]] = {"fb_list": counts}
