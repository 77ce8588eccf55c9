"""Fill in the monthly self-assessment, stop anywhere, go on anywhere."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

from assessment.model import AssessmentRound, Checklist, Item, ItemAnswer, ItemGroup, Member
from assessment.schedule import RoundState, closes_at, is_late, local_day, round_state
from assessment.steps import answerable_at_once, missing, next_step
from handlers import member_texts, paper_texts, texts
from handlers.enrolment import ask_consent, current_round, has_consented, is_decided, member_in, notice_name
from handlers.messages import Button, Reply, say
from handlers.services import Turn
from storage.rounds import StoredAnswer


def begin(turn: Turn) -> Reply:
    """Begin or go on with the self-assessment of the month."""
    entered = enter(turn)
    if isinstance(entered, Reply):
        return entered
    member, found = entered
    response = turn.transaction.rounds.response(found.id, member.id)
    if response is not None and response.is_submitted and response.receipt is not None:
        return _confidential(
            say(member_texts.already_submitted(response.receipt, found.due_on), *_after_receipt(found))
        )
    if response is not None and response.answers:
        return _confidential(_ask_next(turn, found, member))
    cell, items = turn.transaction.people.cell(member.cell_id).name, len(checklist_of(turn, found).items)
    decision = decision_on(turn, member, found)
    said = member_texts.round_intro(cell, found.month, found.due_on, items, decision=decision)
    buttons = Button(member_texts.BEGIN, "ck_next", str(found.id)), Button(member_texts.LATER, "ck_later")
    return _confidential(say(said, *buttons))


def preview(turn: Turn) -> Reply:
    """Show what would be handed in, and ask to confirm."""
    entered = enter(turn)
    if isinstance(entered, Reply):
        return entered
    member, found = entered
    return _confidential(_preview(turn, found, member))


def see_again(turn: Turn) -> Reply:
    """Show what was handed in, or where it is not, what would be."""
    entered = enter(turn)
    return entered if isinstance(entered, Reply) else _confidential(_again(turn, *entered, []))


def change(turn: Turn, number: int) -> Reply:
    """Ask an item again, "sửa điều 12", until the due date."""
    entered = enter(turn)
    if isinstance(entered, Reply):
        return entered
    member, found = entered
    checklist = checklist_of(turn, found)
    item = next((item for item in checklist.items if item.number == number), None)
    if item is None:
        return say(member_texts.no_such_item(number, len(checklist.items)))
    if is_settled(turn, found, member):
        return say(member_texts.no_more_changes(found.due_on))
    return _confidential(_item(turn, found, member, item, member_texts.CHANGE))


def enter(turn: Turn) -> tuple[Member, AssessmentRound] | Reply:
    """Return who fills in what now; else what to say: who is not linked, has not agreed, has no round, erased it."""
    member = _consenting(turn)
    if isinstance(member, Reply):
        return member
    found = current_round(turn, member)
    if found is None:
        return say(member_texts.NO_ROUND)
    if turn.transaction.rounds.is_erased(found.id, member.id):
        return say(member_texts.ERASED_BEFORE)
    return checklist_gone(turn, found) or (member, found)


def _consenting(turn: Turn) -> Member | Reply:
    member = member_in(turn)
    if member is None:
        return say(member_texts.NOT_LINKED)
    return member if has_consented(turn, member) else ask_consent(turn)


def tells_an_answer(action: str) -> bool:
    """Whether what is chosen under such a button tells what a member has answered."""
    return action in _CONFIDENTIAL


def _ask_next(turn: Turn, found: AssessmentRound, member: Member, said: str = "") -> Reply:
    checklist = checklist_of(turn, found)
    answers = turn.transaction.rounds.response(found.id, member.id)
    given = answers.answers if answers else {}
    step = next_step(checklist, found.focus, given)
    if step is None:
        return _preview(turn, found, member)
    done = len(given)
    if step.item is None:
        return _group(turn, found, member, checklist, step.group, said)
    return _item(turn, found, member, step.item, member_texts.progress(done, len(checklist.items)), said)


def _group(
    turn: Turn, found: AssessmentRound, member: Member, checklist: Checklist, group: ItemGroup, said: str = ""
) -> Reply:
    answers = turn.transaction.rounds.answers(found.id, member.id)
    at_once = answerable_at_once(group, found.focus, {n: a.answer for n, a in answers.items()})
    turn.transaction.rounds.show(found.id, member.id, at_once)
    asked = member_texts.group(group.number, len(checklist.groups), group.title, group.question)
    where = f"{found.id}:{group.number}"
    question = say(
        f"{said}\n{asked}" if said else asked,
        Button(member_texts.WHOLE_GROUP, "ck_group", where),
        Button(member_texts.ONE_BY_ONE, "ck_items", where),
        Button(member_texts.EXAMPLES, "ck_examples", where),
    )
    return replace(question, may_replace=True)


def _item(turn: Turn, found: AssessmentRound, member: Member, item: Item, progress: str, said: str = "") -> Reply:
    turn.transaction.rounds.show(found.id, member.id, [item.number])
    is_focus = item.number in found.focus
    asked = member_texts.item(
        progress, item.number, item.question, item.examples if is_focus else (), is_focus=is_focus
    )
    labels = checklist_of(turn, found).answer_labels
    where = f"{found.id}:{item.number}"
    buttons = [Button(labels[answer], "ck_answer", f"{where}:{answer.value}") for answer in ItemAnswer]
    return replace(say(f"{said}\n{asked}" if said else asked, *buttons), may_replace=True)


def _preview(turn: Turn, found: AssessmentRound, member: Member) -> Reply:
    checklist = checklist_of(turn, found)
    response = turn.transaction.rounds.response(found.id, member.id)
    left = missing(checklist, response.answers if response else {})
    if response is None or left:
        button = Button(member_texts.GO_ON, "ck_next", str(found.id))
        return say(member_texts.items_left(len(left), found.due_on), button)
    by_answer = {
        answer: [n for n in sorted(response.answers) if response.answers[n] is answer] for answer in ItemAnswer
    }
    said = member_texts.preview(
        by_answer[ItemAnswer.PRESENT],
        by_answer[ItemAnswer.DISCUSS],
        sorted(response.reported),
        len(response.answers),
        wants_talk=response.wants_talk,
        is_decided=is_decided(turn, member, response),
    )
    talk = Button(
        member_texts.NO_TALK if response.wants_talk else member_texts.TALK,
        "ck_talk",
        f"{found.id}:{not response.wants_talk:d}",
    )
    return say(
        said,
        Button(member_texts.CONFIRM_SUBMIT, "ck_submit", str(found.id)),
        talk,
        Button(member_texts.LATER, "ck_later"),
    )


def _next(turn: Turn, member: Member, found: AssessmentRound, _rest: list[str]) -> Reply:
    return _ask_next(turn, found, member)


def _whole_group(turn: Turn, member: Member, found: AssessmentRound, rest: list[str]) -> Reply:
    answer_group(turn, member, found, checklist_of(turn, found).groups[int(rest[0]) - 1])
    return _ask_next(turn, found, member)


def _one_by_one(turn: Turn, member: Member, found: AssessmentRound, rest: list[str]) -> Reply:
    checklist = checklist_of(turn, found)
    group = checklist.groups[int(rest[0]) - 1]
    answers = turn.transaction.rounds.answers(found.id, member.id)
    item = next((item for item in group.items if item.number not in answers), None)
    if item is None:
        return _ask_next(turn, found, member)
    return _item(turn, found, member, item, member_texts.progress(len(answers), len(checklist.items)))


def _examples(turn: Turn, member: Member, found: AssessmentRound, rest: list[str]) -> Reply:
    checklist = checklist_of(turn, found)
    group = checklist.groups[int(rest[0]) - 1]
    shown = member_texts.examples([(item.number, item.examples[0]) for item in group.items])
    return _group(turn, found, member, checklist, group, shown)


def _answer(turn: Turn, member: Member, found: AssessmentRound, rest: list[str]) -> Reply:
    number, answer = int(rest[0]), ItemAnswer(rest[1])
    answer_item(turn, member, found, number, answer)
    decided = decision_on(turn, member, found) is not None
    if answer is ItemAnswer.PRESENT:
        where = f"{found.id}:{number}"
        keep = member_texts.NOT_TO_REPORT if decided else member_texts.KEEP_TO_MYSELF
        return say(
            member_texts.whether_to_report(number, is_decided=decided),
            Button(member_texts.REPORT, "ck_report", f"{where}:1"),
            Button(keep, "ck_report", f"{where}:0"),
        )
    if answer is ItemAnswer.DISCUSS:
        return say(
            member_texts.whether_to_talk(number, is_decided=decided),
            Button(member_texts.TALK, "ck_talk_on", f"{found.id}:1"),
            Button(member_texts.LATER_TALK, "ck_talk_on", f"{found.id}:0"),
        )
    return _ask_next(turn, found, member)


def _report(turn: Turn, member: Member, found: AssessmentRound, rest: list[str]) -> Reply:
    report_item(turn, member, found, int(rest[0]), wanted=rest[1] == "1")
    return _ask_next(turn, found, member)


def _talk(turn: Turn, member: Member, found: AssessmentRound, rest: list[str]) -> Reply:
    turn.transaction.rounds.want_talk(found.id, member.id, wanted=rest[0] == "1")
    return _preview(turn, found, member)


def _talk_and_go_on(turn: Turn, member: Member, found: AssessmentRound, rest: list[str]) -> Reply:
    if rest[0] == "1":
        turn.transaction.rounds.want_talk(found.id, member.id, wanted=True)
    return _ask_next(turn, found, member)


def _submit(turn: Turn, member: Member, found: AssessmentRound, _rest: list[str]) -> Reply:
    receipt, left = submit(turn, member, found)
    if receipt is None:
        return say(
            member_texts.items_left(len(left), found.due_on), Button(member_texts.GO_ON, "ck_next", str(found.id))
        )
    today, handed_in = local_day(turn.now), turn.transaction.rounds.handed_in(found.id)
    on = handed_in.get(member.id, today)
    if on < today and is_settled(turn, found, member):
        return say(member_texts.no_more_changes(found.due_on), *_after_receipt(found))
    again_on = today if on < today else None
    said = member_texts.receipt(receipt, len(checklist_of(turn, found).items), on, found.due_on, again_on)
    return say(said, *_after_receipt(found))


def _after_receipt(found: AssessmentRound) -> tuple[Button, ...]:
    return Button(member_texts.SEE_AGAIN, "ck_again", str(found.id)), Button(paper_texts.OWN_COPY, "ex_own")


def _again(turn: Turn, member: Member, found: AssessmentRound, _rest: list[str]) -> Reply:
    response = turn.transaction.rounds.response(found.id, member.id)
    if response is None or not response.is_submitted:
        return _ask_next(turn, found, member)
    checklist = checklist_of(turn, found)
    lines = [(item.number, checklist.answer_labels[response.answers[item.number]]) for item in checklist.items]
    return say(member_texts.own_answers(lines, sorted(response.reported)))


# --- What is done to a response, in chat and on the page -----------------------------------------------------------


def answer_item(turn: Turn, member: Member, found: AssessmentRound, number: int, answer: ItemAnswer) -> None:
    """Keep an answer; what was written beside the same answer stays, whether to report it is asked anew."""
    current = turn.transaction.rounds.answers(found.id, member.id).get(number)
    note = current.note if current is not None and current.answer is answer else ""
    given = StoredAnswer(answer, note=note, notice=notice_name(turn.services.options))
    turn.transaction.rounds.answer(found.id, member.id, number, given)


def answer_group(turn: Turn, member: Member, found: AssessmentRound, group: ItemGroup) -> None:
    """Keep "nothing in the whole group" for the items that may be answered so."""
    answers = turn.transaction.rounds.answers(found.id, member.id)
    none = StoredAnswer(ItemAnswer.NONE, notice=notice_name(turn.services.options))
    for number in answerable_at_once(group, found.focus, {n: a.answer for n, a in answers.items()}):
        turn.transaction.rounds.answer(found.id, member.id, number, none)


def report_item(turn: Turn, member: Member, found: AssessmentRound, number: int, *, wanted: bool) -> None:
    """Keep whether an item is reported to the cell; one without a sign of anything is not."""
    current = turn.transaction.rounds.answers(found.id, member.id).get(number)
    if current is not None and current.answer is not ItemAnswer.NONE:
        given = replace(current, is_reported=wanted, notice=notice_name(turn.services.options))
        turn.transaction.rounds.answer(found.id, member.id, number, given)


def note_item(turn: Turn, member: Member, found: AssessmentRound, number: int, note: str) -> None:
    """Keep what a member writes beside an item, on the web page alone, where there is a sign of something."""
    current = turn.transaction.rounds.answers(found.id, member.id).get(number)
    if current is not None and current.answer is ItemAnswer.PRESENT:
        given = replace(current, note=note, notice=notice_name(turn.services.options))
        turn.transaction.rounds.answer(found.id, member.id, number, given)


def submit(turn: Turn, member: Member, found: AssessmentRound) -> tuple[str | None, list[int]]:
    """Hand in; return the receipt, or None and the items that have no answer yet."""
    response = turn.transaction.rounds.response(found.id, member.id)
    left = missing(checklist_of(turn, found), response.answers if response else {})
    if left:
        return None, left
    return turn.transaction.rounds.submit(found.id, member.id, on=local_day(turn.now)), []


def admit(turn: Turn, round_id: int, *, changes: bool, reads: bool = False) -> tuple[Member, AssessmentRound] | Reply:
    """Return who does something in which round; else what to say: not linked, not agreed, another's, closed, erased.

    Args:
        changes: it would change an answer, which after the due date stays as it was handed in.
        reads: it only looks, which a closed round allows.
    """
    member = _consenting(turn)
    if isinstance(member, Reply):
        return member
    found = turn.transaction.rounds.get(round_id)
    if found is None or found.cell_id != member.cell_id:
        return say(texts.BUTTON_EXPIRED)
    is_closed = round_state(found, turn.now) is RoundState.CLOSED
    if is_closed and not reads:
        return say(member_texts.round_closed(found.month, _last_day(found)))
    if turn.transaction.rounds.is_erased(found.id, member.id):
        return say(member_texts.ERASED_SINCE if is_closed else member_texts.ERASED_BEFORE)
    if changes and is_settled(turn, found, member):
        return say(member_texts.no_more_changes(found.due_on))
    return checklist_gone(turn, found) or (member, found)


_STEPS: dict[str, Callable[[Turn, Member, AssessmentRound, list[str]], Reply]] = {
    "ck_next": _next,
    "ck_group": _whole_group,
    "ck_items": _one_by_one,
    "ck_examples": _examples,
    "ck_answer": _answer,
    "ck_report": _report,
    "ck_talk": _talk,
    "ck_talk_on": _talk_and_go_on,
    "ck_submit": _submit,
    "ck_again": _again,
}
_CONFIDENTIAL = frozenset({"ck_group", "ck_answer", "ck_report", "ck_talk", "ck_talk_on"})


def press(turn: Turn, action: str, argument: str) -> Reply:
    """Do what a button of the checklist means, however old it is."""
    if action == "ck_later":
        return say(member_texts.LATER_SAID)
    round_id, *rest = argument.split(":")
    admitted = admit(turn, int(round_id), changes=action in _CONFIDENTIAL, reads=action == "ck_again")
    if isinstance(admitted, Reply):
        return admitted
    return _confidential(_STEPS[action](turn, *admitted, rest))


def is_step(action: str) -> bool:
    """Whether a button belongs to the checklist."""
    return action in _STEPS or action == "ck_later"


def resume(turn: Turn) -> Button | None:
    """Return the way back, where this chat's latest choices belonged to a checklist or led back to one."""
    for button in turn.transaction.latest_buttons(turn.conversation.id):
        if button.action in _STEPS and button.action != "ck_again":
            return Button(member_texts.BACK_TO_IT, "ck_next", button.argument.split(":")[0])
    return None


def article(turn: Turn, number: int) -> str | None:
    """Return the passage that an item is taken from, where this chat is at a checklist; else None."""
    back = resume(turn)
    found = turn.transaction.rounds.get(int(back.argument)) if back is not None else None
    checklist = turn.services.checklists.get((found.checklist_id, found.checklist_version)) if found else None
    items = checklist.items if checklist is not None else ()
    return next((item.passage_id for item in items if item.number == number), None)


def is_settled(turn: Turn, found: AssessmentRound, member: Member) -> bool:
    """Whether a response was handed in and the due date is over: then it stays as it is."""
    response = turn.transaction.rounds.response(found.id, member.id)
    return response is not None and response.is_submitted and is_late(found, local_day(turn.now))


def _confidential(reply: Reply) -> Reply:
    return replace(reply, is_confidential=True)


def checklist_gone(turn: Turn, found: AssessmentRound) -> Reply | None:
    """Return what to say where the version that a round was opened with is no longer there; None where it is."""
    is_there = (found.checklist_id, found.checklist_version) in turn.services.checklists
    return None if is_there else say(member_texts.version_gone(found.month))


def decision_on(turn: Turn, member: Member, found: AssessmentRound) -> str | None:
    """Return the committee's decision that lets the secretary see all of a member's response; None where none does."""
    response = turn.transaction.rounds.response(found.id, member.id)
    return turn.services.options.decision if is_decided(turn, member, response) else None


def checklist_of(turn: Turn, found: AssessmentRound) -> Checklist:
    """Return the questions that a round was opened with."""
    return turn.services.checklists[found.checklist_id, found.checklist_version]


def _last_day(found: AssessmentRound) -> date:
    """The last local day on which a response is taken or changed."""
    return local_day(closes_at(found) - timedelta(seconds=1))


WORDS: dict[str, Callable[[Turn], Reply]] = {
    "tu danh gia": begin,
    "tu soi": begin,
    "nop": preview,
    "nop phieu": preview,
    "xem lai": see_again,
    "xem lai phieu": see_again,
}
