"""Put in the responses of members without a phone, from their papers, as the deputy secretary does.

What comes next is kept in the choices under our latest message: of whom, and what the paper marks.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

from assessment.access import Data, Subject
from assessment.model import AssessmentRound, Member
from assessment.schedule import RoundState, closes_at, is_late, local_day, round_state, still_to_hand_in
from handlers import member_texts, overview, paper_entry_texts
from handlers.checklist import checklist_gone, checklist_of
from handlers.enrolment import current_round
from handlers.messages import Button, Reply, say
from handlers.paper_line import LineNotTaken, Marks, from_text, looks_like_marks, read_marks
from handlers.services import Turn
from handlers.viewers import Looker, looker_in
from knowledge.text import clean, collapse, fold
from storage.rounds import StoredAnswer
from storage.store import StoredButton

_A_PAGE = 3
_TITLE = re.compile(r"(?:dong chi|d/c|dc)\s+")
_NAME = re.compile(r"[^\W\d_]+(?: [^\W\d_]+){1,5}")
# Their argument is "round:member", for a paper that is put right with ":" and how often it was put right before; what
# is typed under them says what that paper marks.
_ASKING = frozenset({"pp_none", "pp_items", "pp_back"})
_CONFIDENTIAL = frozenset({"pp_none", "pp_yes"})


def begin(turn: Turn, first: str = "0") -> Reply:
    """Show whose paper is waited for, three a page."""
    found = _open_round(turn)
    if isinstance(found, Reply):
        return found
    members, entered = _waiting(turn, found), _correctable(turn, found)
    if not members:
        to_fixes = [Button(paper_entry_texts.CORRECT_ONE, "pp_fixes", "0")] if entered else []
        return say(paper_entry_texts.nobody(found.month), *to_fixes)
    said = paper_entry_texts.waiting(found.month, [member.name for member in members], is_any_entered=bool(entered))
    return _page(said, _picks(found, members), "pp_list", first)


def entered_before(turn: Turn, first: str = "0") -> Reply:
    """Show whose paper was put in and can still be corrected, three a page."""
    found = _open_round(turn)
    if isinstance(found, Reply):
        return found
    entered = _correctable(turn, found)
    if not entered:
        return say(paper_entry_texts.nothing_to_correct(found.month, found.due_on))
    picks = [Button(member.name, "pp_pick", _to_correct(turn, found, member)) for member in entered]
    return _page(paper_entry_texts.whose_to_correct(found.month, found.due_on), picks, "pp_fixes", first)


def _page(said: str, picks: Sequence[Button], action: str, first: str) -> Reply:
    begin_at = int(first) if int(first) < len(picks) else 0
    rest = picks[begin_at:]
    if len(rest) <= _A_PAGE:
        return _confidential(say(said, *rest))
    # The third choice is the way on.
    shown = rest[: _A_PAGE - 1]
    return _confidential(say(said, *shown, Button(paper_entry_texts.NEXT, action, str(begin_at + len(shown)))))


def typed(turn: Turn, text: str) -> Reply | None:
    """Take a typed name or what a paper marks, where that was asked for; None where the text is something else."""
    buttons = turn.transaction.latest_buttons(turn.conversation.id)
    asking = _asking(buttons)
    if asking is not None:
        return _confidential(_read(turn, asking, text)) if looks_like_marks(text) else None
    if any(button.action == "pp_pick" for button in buttons):
        found = _by_name(turn, text)
        return _confidential(found) if found is not None else None
    return None


def resume(turn: Turn) -> Button | None:
    """Return the way back, where this chat's latest choices belonged to a paper or to the list of them."""
    buttons = turn.transaction.latest_buttons(turn.conversation.id)
    asking = _asking(buttons)
    if asking is not None:
        return Button(paper_entry_texts.BACK, "pp_back", asking)
    if any(each.action == "pp_pick" or each.label == paper_entry_texts.BACK for each in buttons):
        return Button(paper_entry_texts.BACK, "pp_list", "0")
    return None


def tells_an_answer(action: str) -> bool:
    """Whether what is chosen under such a button tells what a paper marks."""
    return action in _CONFIDENTIAL


def awaits_marks(buttons: Sequence[StoredButton]) -> bool:
    """Whether what is typed under these choices may say what a paper marks, in words of ours or in others."""
    return _asking(buttons) is not None


def _asking(buttons: Sequence[StoredButton]) -> str | None:
    return next((button.argument for button in buttons if button.action in _ASKING), None)


def _pick(turn: Turn, argument: str) -> Reply:
    admitted = _admit(turn, argument)
    if isinstance(admitted, Reply):
        return admitted
    _, found, member = admitted
    count = len(checklist_of(turn, found).items)
    asked = paper_entry_texts.which_items(member.name, found.month, count)
    return say(
        f"{paper_entry_texts.corrects(found.due_on)}\n{asked}" if _correction(argument) is not None else asked,
        Button(paper_entry_texts.NOTHING_MARKED, "pp_none", argument),
        Button(paper_entry_texts.ANOTHER, "pp_list", "0"),
        Button(paper_entry_texts.LEAVE_IT, "pp_leave"),
    )


def _read(turn: Turn, argument: str, text: str) -> Reply:
    """Show what a typed line says the paper marks, or what of it cannot be taken."""
    admitted = _admit(turn, argument)
    if isinstance(admitted, Reply):
        return admitted
    _, found, _ = admitted
    items = [item.number for item in checklist_of(turn, found).items]
    try:
        marks = read_marks(text, items)
    except LineNotTaken as error:
        return say(
            paper_entry_texts.not_taken(error, len(items)),
            Button(paper_entry_texts.NOTHING_MARKED, "pp_none", argument),
            Button(paper_entry_texts.LEAVE_IT, "pp_leave"),
        )
    return _preview(turn, argument, marks)


def _none(turn: Turn, argument: str) -> Reply:
    return _preview(turn, argument, Marks())


def _preview(turn: Turn, argument: str, marks: Marks) -> Reply:
    admitted = _admit(turn, argument)
    if isinstance(admitted, Reply):
        return admitted
    _, found, member = admitted
    until = None if is_late(found, local_day(turn.now)) else found.due_on
    return say(
        paper_entry_texts.preview(member.name, found.month, marks, len(checklist_of(turn, found).items), until),
        Button(paper_entry_texts.CONFIRM, "pp_yes", f"{argument}:{marks.as_text()}"),
        Button(paper_entry_texts.CHANGE, "pp_items", argument),
        Button(paper_entry_texts.LEAVE_IT, "pp_leave"),
    )


def _enter(turn: Turn, argument: str) -> Reply:
    """Hand in what a paper marks, or put right what was handed in from it: all of it or nothing."""
    where, *kept = argument.rsplit(":", 3)
    admitted = _admit(turn, where)
    if isinstance(admitted, Reply):
        return admitted
    deputy, found, member = admitted
    rounds, marks = turn.transaction.rounds, from_text(":".join(kept))
    # Taken first, so that nobody hands in between looking and writing.
    rounds.show(found.id, member.id, ())
    refused = _refuse(turn, found, member, _correction(where))
    if refused is not None:
        return refused
    items, changed = checklist_of(turn, found).items, 0
    for item in items:
        given = StoredAnswer(marks.answer(item.number), is_reported=item.number in marks.reported)
        changed += rounds.answer(found.id, member.id, item.number, given)
    today, about = local_day(turn.now), _about(found, member)
    receipt = rounds.submit(found.id, member.id, on=today, entered_by=deputy.viewer.member_id)
    next_one = Button(paper_entry_texts.NEXT_ONE, "pp_list", "0")
    if _correction(where) is not None:
        if not changed:
            return say(paper_entry_texts.nothing_changed(member.name, receipt), next_one)
        turn.transaction.audit.note(deputy.actor, overview.PAPER_CORRECTED, about, now=turn.now)
        return say(paper_entry_texts.corrected(member.name, receipt, changed, today, found.due_on), next_one)
    turn.transaction.audit.note(deputy.actor, "enter paper", about, now=turn.now)
    said = paper_entry_texts.receipt(member.name, receipt, len(items), today, found.due_on)
    return say(said, next_one, *_correct_button(turn, found, member))


def _leave(_turn: Turn, _argument: str) -> Reply:
    return say(paper_entry_texts.LEFT)


def _by_name(turn: Turn, text: str) -> Reply | None:
    found = _open_round(turn)
    if isinstance(found, Reply):
        return found
    name = collapse(clean(text)).strip(" .,!?")
    wanted = _TITLE.sub("", fold(name), count=1)
    waiting = _waiting(turn, found)
    members = [each for each in waiting if fold(each.name) == wanted]
    members = members or [each for each in waiting if f" {wanted} " in f" {fold(each.name)} "]
    if len(members) == 1:
        return _pick(turn, f"{found.id}:{members[0].id}")
    if members:
        return say(paper_entry_texts.several(len(members)), *_picks(found, members[:_A_PAGE]))
    others = [each for each in turn.transaction.people.members_of(found.cell_id) if fold(each.name) == wanted]
    if others:
        return _pick(turn, f"{found.id}:{others[0].id}")
    # A name is written with capitals; anything else is a question.
    is_name = _NAME.fullmatch(name) and all(word[0].isupper() for word in name.split())
    return say(paper_entry_texts.no_such_name(name), *_picks(found, waiting[:_A_PAGE])) if is_name else None


def _deputy(turn: Turn) -> Member | Reply:
    looker = looker_in(turn)
    if looker is None or looker.member is None:
        return say(member_texts.NOT_LINKED)
    cell = turn.transaction.people.cell(looker.member.cell_id)
    if not looker.may(Data.PAPER, Subject(cell.id, cell.organization_id)):
        return say(paper_entry_texts.ONLY_DEPUTY)
    return looker.member


def _open_round(turn: Turn) -> AssessmentRound | Reply:
    """Return the round in which the deputy who writes puts in papers; else why there is none."""
    deputy = _deputy(turn)
    if isinstance(deputy, Reply):
        return deputy
    return current_round(turn, deputy) or say(paper_entry_texts.NO_ROUND)


def _admit(turn: Turn, argument: str) -> tuple[Looker, AssessmentRound, Member] | Reply:
    """Return who puts in whose paper in which round; else why not, as things are now."""
    round_id, member_id = argument.split(":")[:2]
    deputy = _deputy(turn)
    if isinstance(deputy, Reply):
        return deputy
    looker, people = looker_in(turn), turn.transaction.people
    found, member = turn.transaction.rounds.get(int(round_id)), people.member(int(member_id))
    if looker is None or found is None or member is None or member.cell_id != found.cell_id:
        return say(paper_entry_texts.NOT_OF_CELL)
    if not looker.may(Data.PAPER, Subject(found.cell_id, people.cell(found.cell_id).organization_id, member.id)):
        return say(paper_entry_texts.NOT_OF_CELL)
    if round_state(found, turn.now) is RoundState.CLOSED:
        last_day = local_day(closes_at(found) - timedelta(seconds=1))
        return say(paper_entry_texts.closed(found.month, last_day))
    refused = checklist_gone(turn, found) or _refuse(turn, found, member, _correction(argument))
    return refused if refused is not None else (looker, found, member)


def _refuse(turn: Turn, found: AssessmentRound, member: Member, correction: int | None) -> Reply | None:
    """Return why a member's paper is not put in, or None.

    Args:
        correction: how often it was put right before this correction was begun; None where it is put in first.
    """
    outlines = turn.transaction.rounds.outlines(found.id)
    before = next((each for each in outlines if each.member_id == member.id), None)
    if before is not None and before.submitted_on is not None:
        to_correct = _correct_button(turn, found, member)
        # An older correction, pressed again, does not undo a newer one.
        if to_correct and correction == _times_corrected(turn, found, member):
            return None
        is_paper = before.entered_by is not None
        said = paper_entry_texts.handed_in_before(member.name, before.receipt, before.submitted_on, is_paper=is_paper)
        return say(said, Button(paper_entry_texts.NEXT_ONE, "pp_list", "0"), *to_correct)
    if turn.transaction.rounds.is_erased(found.id, member.id):
        return say(paper_entry_texts.erased(member.name))
    if member.has_phone:
        return say(paper_entry_texts.has_phone(member.name))
    if not still_to_hand_in(found, [member], outlines, day=local_day(turn.now)):
        return say(paper_entry_texts.not_taking_part(member.name, found.month))
    return None


# --- What was put in and can still be put right --------------------------------------------------------------------


def _correction(argument: str) -> int | None:
    """Return how often a paper had been put right when this correction was begun; None where it is put in first."""
    return int(argument.split(":")[2]) if argument.count(":") > 1 else None


def _correctable(turn: Turn, found: AssessmentRound) -> list[Member]:
    """Return whose response came from paper and can still be changed, by name; without a phone still."""
    if is_late(found, local_day(turn.now)):
        return []
    rounds, people = turn.transaction.rounds, turn.transaction.people
    from_paper = [each.member_id for each in rounds.outlines(found.id) if each.is_submitted and each.entered_by]
    members = [people.member(number) for number in from_paper if not rounds.is_erased(found.id, number)]
    still = [each for each in members if each is not None and each.cell_id == found.cell_id and not each.has_phone]
    return sorted(still, key=lambda member: (fold(member.name), member.id))


def _correct_button(turn: Turn, found: AssessmentRound, member: Member) -> list[Button]:
    if member.id not in {each.id for each in _correctable(turn, found)}:
        return []
    return [Button(paper_entry_texts.CORRECT, "pp_fix", _to_correct(turn, found, member))]


def _to_correct(turn: Turn, found: AssessmentRound, member: Member) -> str:
    return f"{found.id}:{member.id}:{_times_corrected(turn, found, member)}"


def _times_corrected(turn: Turn, found: AssessmentRound, member: Member) -> int:
    return overview.times_corrected(turn, found.id, member.id)


def _about(found: AssessmentRound, member: Member) -> str:
    return f"round:{found.id} member:{member.id}"


def _waiting(turn: Turn, found: AssessmentRound) -> list[Member]:
    """Return who takes part, has no phone and has not handed in, by name."""
    members = turn.transaction.people.members_of(found.cell_id)
    outlines = turn.transaction.rounds.outlines(found.id)
    waiting = still_to_hand_in(found, members, outlines, day=local_day(turn.now))
    return sorted(
        (member for member in waiting if not member.has_phone), key=lambda member: (fold(member.name), member.id)
    )


def _picks(found: AssessmentRound, members: Sequence[Member]) -> list[Button]:
    return [Button(member.name, "pp_pick", f"{found.id}:{member.id}") for member in members]


def _confidential(reply: Reply) -> Reply:
    return replace(reply, is_confidential=True)


def _sealed(act: Callable[[Turn, str], Reply]) -> Callable[[Turn, str], Reply]:
    """Let all that an action says be kept encrypted."""
    return lambda turn, argument: _confidential(act(turn, argument))


WORDS: dict[str, Callable[[Turn], Reply]] = {
    "nhap phieu": begin,
    "nhap phieu giay": begin,
    "sua phieu": entered_before,
    "sua phieu giay": entered_before,
}
ACTIONS: dict[str, Callable[[Turn, str], Reply]] = {
    "pp_list": begin,
    "pp_fixes": entered_before,
    "pp_pick": _sealed(_pick),
    "pp_fix": _sealed(_pick),
    "pp_items": _sealed(_pick),
    "pp_back": _sealed(_pick),
    "pp_none": _sealed(_none),
    "pp_yes": _sealed(_enter),
    "pp_leave": _leave,
}
