"""A committee member writes an approved answer, renews one, withdraws one.

What comes next while one is written is kept in the choices under our latest answer: the question, the passage, the
words so far.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace

from assessment.access import Data
from assessment.model import Member
from assessment.schedule import local_day
from handlers import approved_texts, gaps_texts, texts
from handlers.approved import is_current, shown
from handlers.gaps import group_of
from handlers.messages import Block, BlockKind, Button, Reply, say
from handlers.question import CHOICES_AT_MOST
from handlers.services import Turn
from handlers.viewers import ANYTHING, looker_in
from knowledge.alike import key
from knowledge.approved import fingerprint
from knowledge.chunker import place
from knowledge.gaps import LONGEST as LONGEST_QUESTION
from knowledge.model import Outcome, Passage, PassageKind
from knowledge.text import clean, collapse
from storage.approved import ApprovedAnswer

LONGEST = 600
_WAYS = 5
_LOOKED_BACK = 6


@dataclass(frozen=True, slots=True)
class Draft:
    """How far an answer is.

    Attributes:
        questions: the ways of asking it is for, the first the one it is shown with.
        passage_id, seen: the passage and its fingerprint when it was chosen.
        renews: id of the answer it takes the place of; 0 for none.
        gap: a question without an answer that it answers; 0 for none.
    """

    questions: tuple[str, ...] = ()
    passage_id: str = ""
    seen: str = ""
    words: str = ""
    renews: int = 0
    gap: int = 0

    def as_text(self) -> str:
        """The draft as a button keeps it."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_text(cls, kept: str) -> "Draft":
        """Return what as_text made."""
        found = json.loads(kept)
        return cls(**{**found, "questions": tuple(found["questions"])})


def write(turn: Turn) -> Reply:
    """Begin an answer: ask for the question."""
    member = _member(turn)
    if isinstance(member, Reply):
        return member
    return say(
        approved_texts.WHICH_QUESTION,
        Button(approved_texts.FROM_THE_LIST, "gp_list", "0"),
        Button(approved_texts.LEAVE, "ap_leave", Draft().as_text()),
    )


def typed(turn: Turn, text: str) -> Reply | None:
    """Take what was asked for last: the question, the place of the passage, the words; None where nothing was."""
    draft = _draft(turn)
    if draft is None or isinstance(_member(turn), Reply):
        return None
    line = collapse(clean(text))
    for button in turn.transaction.latest_buttons(turn.conversation.id):
        # Who types what a choice says, means the choice.
        if key(button.label) == key(line) and button.action in ACTIONS:
            return ACTIONS[button.action](turn, button.argument)
    if not draft.questions:
        return _which_passage(turn, replace(draft, questions=(line[:LONGEST_QUESTION],)))
    if not draft.passage_id:
        return _place(turn, draft, line)
    return _words(turn, draft, line)


def _from_gap(turn: Turn, argument: str) -> Reply:
    member = _member(turn)
    if isinstance(member, Reply):
        return member
    found = group_of(turn, int(argument))
    if found is None:
        return say(gaps_texts.GONE)
    ways = {key(each.question): each.question for each in reversed(found.asked[:_WAYS])}
    questions = tuple(reversed(ways.values()))
    return _which_passage(turn, Draft(questions=questions, gap=int(argument)))


def _which_passage(turn: Turn, draft: Draft, said: str = "") -> Reply:
    """Ask for the passage; the search's first ones are offered."""
    knowledge = turn.services.knowledge
    hits = knowledge.search(draft.questions[0], k=3 * CHOICES_AT_MOST)
    passages = [knowledge.passages[hit.passage_id] for hit in hits]
    asked = approved_texts.which_passage(draft.questions[0])
    return say(f"{said}\n{asked}" if said else asked, *_picks(turn, draft, passages))


def _picks(turn: Turn, draft: Draft, passages: Sequence[Passage]) -> list[Button]:
    knowledge = turn.services.knowledge
    quotable = [each for each in passages if _is_quotable(turn, each)][:CHOICES_AT_MOST]
    buttons = []
    for each in quotable:
        document = knowledge.documents[each.document_id]
        where = place(each) if document.is_plan else f"{document.name}, {place(each)}"
        chosen = replace(draft, passage_id=each.id, seen=fingerprint(each))
        buttons.append(Button(approved_texts.passage(where, each.text), "ap_passage", chosen.as_text()))
    # What is kept for the next step has to stand somewhere.
    return buttons or [Button(approved_texts.LEAVE, "ap_leave", draft.as_text())]


def _is_quotable(turn: Turn, passage: Passage) -> bool:
    knowledge = turn.services.knowledge
    is_held = not knowledge.documents[passage.document_id].metadata_only
    return is_held and passage.kind is PassageKind.BODY and knowledge.quoter.whole(passage) is not None


def _place(turn: Turn, draft: Draft, line: str) -> Reply:
    """Take the typed place of a passage."""
    knowledge = turn.services.knowledge
    answer = knowledge.answer(line)
    ids = dict.fromkeys(quote.citation.passage_id for quote in answer.quotes)
    passages = [knowledge.passages[each] for each in ids if _is_quotable(turn, knowledge.passages[each])]
    if answer.outcome is not Outcome.ANSWERED or not passages:
        return _which_passage(turn, draft, approved_texts.NO_SUCH_PASSAGE)
    if len(passages) > 1:
        return say(approved_texts.SEVERAL_PASSAGES, *_picks(turn, draft, passages))
    return _ask_words(turn, replace(draft, passage_id=passages[0].id, seen=fingerprint(passages[0])))


def _passage(turn: Turn, argument: str) -> Reply:
    member = _member(turn)
    return member if isinstance(member, Reply) else _ask_words(turn, Draft.from_text(argument))


def _again(turn: Turn, argument: str) -> Reply:
    member = _member(turn)
    if isinstance(member, Reply):
        return member
    return _which_passage(turn, replace(Draft.from_text(argument), passage_id="", seen=""))


def _ask_words(turn: Turn, draft: Draft, said: str = "") -> Reply:
    passage = turn.services.knowledge.passages.get(draft.passage_id)
    quote = turn.services.knowledge.quoter.whole(passage) if passage is not None else None
    if passage is None or quote is None or fingerprint(passage) != draft.seen:
        return _which_passage(turn, replace(draft, passage_id="", seen=""), approved_texts.CHANGED)
    before = turn.transaction.approved.get(draft.renews) if draft.renews else None
    blocks = [
        *([Block(BlockKind.NOTICE, said)] if said else []),
        Block(BlockKind.QUOTE, texts.quoted(quote)),
        Block(BlockKind.CITATION, texts.citation_line(quote.citation)),
        *([Block(BlockKind.TEXT, approved_texts.old_words(before.words))] if before is not None else []),
        Block(BlockKind.TEXT, approved_texts.which_words(LONGEST)),
    ]
    buttons = [
        Button(approved_texts.OTHER_PASSAGE, "ap_again", draft.as_text()),
        Button(approved_texts.LEAVE, "ap_leave", draft.as_text()),
    ]
    if before is not None:
        kept = replace(draft, words=before.words)
        buttons.insert(0, Button(approved_texts.KEEP_WORDS, "ap_words", kept.as_text()))
    return Reply(tuple(blocks), tuple(buttons))


def _words(turn: Turn, draft: Draft, line: str) -> Reply:
    if len(line) > LONGEST:
        return _ask_words(turn, draft, approved_texts.too_long(len(line), LONGEST))
    return _preview(turn, replace(draft, words=line))


def _keep_words(turn: Turn, argument: str) -> Reply:
    member = _member(turn)
    return member if isinstance(member, Reply) else _preview(turn, Draft.from_text(argument))


def _preview(turn: Turn, draft: Draft) -> Reply:
    """Show what members will read, and ask to confirm."""
    member = _member(turn)
    if isinstance(member, Reply):
        return member
    found = shown(_as_answer(turn, member, draft), turn.services.knowledge)
    if found is None:
        return _which_passage(turn, replace(draft, passage_id="", seen=""), approved_texts.CHANGED)
    blocks = [Block(BlockKind.TEXT, approved_texts.PREVIEW), *found[0].blocks]
    buttons = [Button(approved_texts.CONFIRM, "ap_yes", draft.as_text())]
    if len(draft.questions) > 1:
        blocks.append(Block(BlockKind.TEXT, approved_texts.other_ways(draft.questions[1:])))
        alone = replace(draft, questions=draft.questions[:1])
        buttons.append(Button(approved_texts.ONLY_FIRST, "ap_words", alone.as_text()))
    else:
        buttons.append(Button(approved_texts.OTHER_PASSAGE, "ap_again", draft.as_text()))
    buttons.append(Button(approved_texts.LEAVE, "ap_leave", draft.as_text()))
    return Reply(tuple(blocks), tuple(buttons))


def _as_answer(turn: Turn, member: Member, draft: Draft) -> ApprovedAnswer:
    """Return a draft as it would read if it were approved now."""
    people, knowledge = turn.transaction.people, turn.services.knowledge
    own = people.cell(member.cell_id).organization_id
    organization = next(each.name for each in people.organizations() if each.id == own)
    document = knowledge.documents.get(draft.passage_id.partition("/")[0])
    return ApprovedAnswer(
        id=0,
        questions=draft.questions,
        words=draft.words,
        passage_id=draft.passage_id,
        fingerprint=draft.seen,
        document_version=document.version if document is not None else 0,
        member_id=member.id,
        name=member.name,
        role=approved_texts.role(organization),
        approved_on=local_day(turn.now),
    )


def _approve(turn: Turn, argument: str) -> Reply:
    """Keep an answer; those to the same question, and the one it renews, no longer hold."""
    member = _member(turn)
    if isinstance(member, Reply):
        return member
    draft, approved = Draft.from_text(argument), turn.transaction.approved
    made, today = _as_answer(turn, member, draft), local_day(turn.now)
    if not is_current(made, turn.services.knowledge) or shown(made, turn.services.knowledge) is None:
        return _which_passage(turn, replace(draft, passage_id="", seen=""), approved_texts.CHANGED)
    live, ways = approved.live(), {key(each) for each in draft.questions}
    for other in live:
        if (other.questions, other.words, other.fingerprint) == (made.questions, made.words, made.fingerprint):
            return say(approved_texts.APPROVED_BEFORE)
    for other in live:
        if other.id == draft.renews or key(other.questions[0]) in ways:
            approved.withdraw(other.id, on=today)
            turn.transaction.audit.note(f"member:{member.id}", "withdraw answer", f"answer:{other.id}", now=turn.now)
    answer_id = approved.add(
        made.questions,
        made.words,
        passage_id=made.passage_id,
        fingerprint=made.fingerprint,
        document_version=made.document_version,
        member_id=made.member_id,
        name=made.name,
        role=made.role,
        on=today,
    )
    turn.transaction.audit.note(f"member:{member.id}", "approve answer", f"answer:{answer_id}", now=turn.now)
    if draft.gap:
        answered = group_of(turn, draft.gap)
        if answered is not None:
            turn.transaction.gaps.forget([each.id for each in answered.asked if key(each.question) in ways])
    return say(approved_texts.approved(made.questions[0]), Button(approved_texts.LIST, "ap_list", "0"))


def _leave(_turn: Turn, _argument: str) -> Reply:
    return say(approved_texts.LEFT)


# --- what there is ----------------------------------------------------------------------------------------------


def answers(turn: Turn, argument: str = "0") -> Reply:
    """List the approved answers, those that are to be renewed first."""
    member = _member(turn)
    if isinstance(member, Reply):
        return member
    knowledge = turn.services.knowledge
    live = turn.transaction.approved.live()
    if not live:
        return say(approved_texts.NONE, Button(approved_texts.WRITE, "ap_write"))
    found = sorted(live, key=lambda each: (is_current(each, knowledge), -each.id))
    first = int(argument) if int(argument) < len(found) else 0
    rest = found[first:]
    listed = rest if len(rest) <= CHOICES_AT_MOST else rest[: CHOICES_AT_MOST - 1]
    lines = [
        approved_texts.line(each.questions[0], each.name, each.approved_on, is_expired=not is_current(each, knowledge))
        for each in listed
    ]
    buttons = [Button(approved_texts.choice(n), "ap_see", str(each.id)) for n, each in enumerate(listed, 1)]
    if len(listed) < len(rest):
        buttons.append(Button(approved_texts.NEXT, "ap_list", str(first + len(listed))))
    return say(approved_texts.listed(lines, first, len(found)), *buttons)


def _see(turn: Turn, argument: str) -> Reply:
    entered = _live(turn, argument)
    if isinstance(entered, Reply):
        return entered
    knowledge = turn.services.knowledge
    withdraw = Button(approved_texts.WITHDRAW, "ap_withdraw", argument)
    back = Button(approved_texts.LIST, "ap_list", "0")
    reads = shown(entered, knowledge)
    if reads is not None and is_current(entered, knowledge):
        blocks = list(reads[0].blocks)
        if len(entered.questions) > 1:
            blocks.append(Block(BlockKind.TEXT, approved_texts.other_ways(entered.questions[1:])))
        return Reply(tuple(blocks), (withdraw, back))
    said = [
        approved_texts.head(entered.questions[0]),
        entered.words,
        approved_texts.signed(entered.name, entered.role, entered.approved_on),
        approved_texts.EXPIRED,
    ]
    return say("\n".join(said), Button(approved_texts.RENEW, "ap_renew", argument), withdraw, back)


def _renew(turn: Turn, argument: str) -> Reply:
    entered = _live(turn, argument)
    if isinstance(entered, Reply):
        return entered
    return _which_passage(turn, Draft(questions=entered.questions, renews=entered.id))


def _ask_withdraw(turn: Turn, argument: str) -> Reply:
    entered = _live(turn, argument)
    if isinstance(entered, Reply):
        return entered
    return say(
        approved_texts.whether_to_withdraw(entered.questions[0]),
        Button(approved_texts.WITHDRAW_YES, "ap_withdraw_yes", argument),
        Button(approved_texts.LIST, "ap_list", "0"),
    )


def _withdraw(turn: Turn, argument: str) -> Reply:
    entered, member = _live(turn, argument), _member(turn)
    if isinstance(entered, Reply):
        return entered
    if isinstance(member, Reply):
        return member
    turn.transaction.approved.withdraw(entered.id, on=local_day(turn.now))
    turn.transaction.audit.note(f"member:{member.id}", "withdraw answer", f"answer:{entered.id}", now=turn.now)
    return say(approved_texts.withdrawn(entered.questions[0]), Button(approved_texts.LIST, "ap_list", "0"))


def _live(turn: Turn, argument: str) -> ApprovedAnswer | Reply:
    member = _member(turn)
    if isinstance(member, Reply):
        return member
    found = turn.transaction.approved.get(int(argument))
    if found is None or found.withdrawn_on is not None:
        return say(approved_texts.NOT_LIVE, Button(approved_texts.LIST, "ap_list", "0"))
    return found


def _member(turn: Turn) -> Member | Reply:
    """Return the committee member who writes; else what to say."""
    looker = looker_in(turn)
    if looker is None or looker.member is None or not looker.may(Data.APPROVED, ANYTHING):
        return say(approved_texts.ONLY_COMMITTEE)
    return looker.member


def _draft(turn: Turn) -> Draft | None:
    """Return the draft under our latest answer; None where we have answered something else since."""
    buttons = turn.transaction.latest_buttons(turn.conversation.id)
    kept = next((each for each in reversed(buttons) if each.action in _KEEPING), None)
    if kept is None:
        return None
    recent = turn.transaction.history(turn.conversation.id, limit=_LOOKED_BACK)
    # What comes by itself, such as a reminder, answers nothing and breaks nothing off.
    latest = next((each for each in reversed(recent) if each.is_ours and each.in_reply_to is not None), None)
    if latest is None or kept.id not in {each.id for each in latest.buttons}:
        return None
    draft = Draft.from_text(kept.argument)
    # Under a choice of passages stand drafts that have one already.
    return replace(draft, passage_id="", seen="") if kept.action == "ap_passage" else draft


_KEEPING = frozenset({"ap_leave", "ap_passage"})
WORDS: dict[str, Callable[[Turn], Reply]] = {
    "soan cau tra loi": write,
    "cau tra loi da duyet": answers,
    "cac cau tra loi da duyet": answers,
}
ACTIONS: dict[str, Callable[[Turn, str], Reply]] = {
    "ap_write": lambda turn, _argument: write(turn),
    "ap_gap": _from_gap,
    "ap_passage": _passage,
    "ap_again": _again,
    "ap_words": _keep_words,
    "ap_yes": _approve,
    "ap_leave": _leave,
    "ap_list": answers,
    "ap_see": _see,
    "ap_renew": _renew,
    "ap_withdraw": _ask_withdraw,
    "ap_withdraw_yes": _withdraw,
}
