"""The checklist as a web page: one group a screen, every change kept at once."""

import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

from assessment.model import AssessmentRound, Checklist, Item, ItemAnswer, ItemGroup, Member, Role
from assessment.schedule import RoundState, round_state
from handlers import browse, enrolment, member_texts, texts
from handlers.checklist import (
    admit,
    answer_group,
    answer_item,
    checklist_of,
    decision_on,
    enter,
    is_settled,
    note_item,
    report_item,
    submit,
)
from handlers.messages import Reply
from handlers.page_command import Command, CommandNotUnderstood, flag_in, number_in, words_in
from handlers.services import Turn
from storage.rounds import StoredAnswer

NOTE_CHARACTERS = 500
_Done = dict[str, Any]


def serve(turn: Turn, act: str, command: Command) -> dict[str, Any]:
    """Do what was done on the page and return how it stands.

    The questions come with "look" and "agree" only; they do not change under an open page.

    Raises:
        CommandNotUnderstood: the page sends no such thing.
    """
    if act == "look":
        return _page(turn, whole=True)
    if act == "agree":
        enrolment.agree(turn, words_in(command, "notice") if "notice" in command else enrolment.NOTICE)
        return _page(turn, whole=True)
    if act == "article":
        return _article(turn, command)
    step = _STEPS.get(act)
    if step is None:
        raise CommandNotUnderstood(f"the checklist's page does nothing called {act!r}")
    admitted = admit(turn, number_in(command, "round"), changes=act in _CHANGES)
    if isinstance(admitted, Reply):
        refused = member_texts.PAGE_OUT_OF_DATE if admitted.text == texts.BUTTON_EXPIRED else admitted.text
        return {"refused": refused, **_page(turn, whole=True)}
    return {**step(turn, *admitted, command), **_page(turn, whole=False)}


def _show(turn: Turn, member: Member, found: AssessmentRound, command: Command) -> _Done:
    group = _group(turn, found, command)
    turn.transaction.rounds.show(found.id, member.id, [item.number for item in group.items])
    return {}


def _answer(turn: Turn, member: Member, found: AssessmentRound, command: Command) -> _Done:
    try:
        answer = ItemAnswer(words_in(command, "answer"))
    except ValueError as error:
        raise CommandNotUnderstood("answer is none of the three") from error
    answer_item(turn, member, found, _item(turn, found, command).number, answer)
    return {}


def _whole_group(turn: Turn, member: Member, found: AssessmentRound, command: Command) -> _Done:
    group = _group(turn, found, command)
    if not {item.number for item in group.items} <= turn.transaction.rounds.shown(found.id, member.id):
        raise CommandNotUnderstood(f"group {group.number} was not shown")
    answer_group(turn, member, found, group)
    return {}


def _report(turn: Turn, member: Member, found: AssessmentRound, command: Command) -> _Done:
    report_item(turn, member, found, _item(turn, found, command).number, wanted=flag_in(command, "wanted"))
    return {}


def _note(turn: Turn, member: Member, found: AssessmentRound, command: Command) -> _Done:
    note = unicodedata.normalize("NFC", words_in(command, "note")).replace("\r\n", "\n").strip()
    if len(note) > NOTE_CHARACTERS:
        return {"refused": member_texts.note_too_long(len(note), NOTE_CHARACTERS)}
    note_item(turn, member, found, _item(turn, found, command).number, note)
    return {}


def _talk(turn: Turn, member: Member, found: AssessmentRound, command: Command) -> _Done:
    turn.transaction.rounds.want_talk(found.id, member.id, wanted=flag_in(command, "wanted"))
    return {}


def _submit(turn: Turn, member: Member, found: AssessmentRound, _command: Command) -> _Done:
    receipt, left = submit(turn, member, found)
    return {} if receipt is not None else {"refused": member_texts.items_left(len(left), found.due_on)}


_STEPS: Mapping[str, Callable[[Turn, Member, AssessmentRound, Command], _Done]] = {
    "show": _show,
    "answer": _answer,
    "group": _whole_group,
    "report": _report,
    "note": _note,
    "talk": _talk,
    "submit": _submit,
}
_CHANGES = frozenset({"answer", "group", "report", "note", "talk"})


def _article(turn: Turn, command: Command) -> dict[str, Any]:
    """Return the stored text of the article that an item is taken from, verbatim, with where it stands."""
    entered = enter(turn)
    if isinstance(entered, Reply):
        return {"refused": entered.text, **_page(turn, whole=True)}
    item = _item(turn, entered[1], command)
    reply, _ = browse.press("section", item.passage_id, None, turn.services.knowledge)
    blocks = [{"kind": block.kind.value, "text": block.text} for block in reply.blocks]
    return {"article": {"item": item.number, "blocks": blocks}}


def _item(turn: Turn, found: AssessmentRound, command: Command) -> Item:
    number = number_in(command, "item")
    item = next((item for item in checklist_of(turn, found).items if item.number == number), None)
    if item is None:
        raise CommandNotUnderstood(f"there is no item {number}")
    return item


def _group(turn: Turn, found: AssessmentRound, command: Command) -> ItemGroup:
    number = number_in(command, "group")
    group = next((group for group in checklist_of(turn, found).groups if group.number == number), None)
    if group is None:
        raise CommandNotUnderstood(f"there is no group {number}")
    return group


def _page(turn: Turn, *, whole: bool) -> dict[str, Any]:
    member = enrolment.member_in(turn)
    if member is None:
        return {"screen": "code", "text": member_texts.NOT_LINKED}
    cell = turn.transaction.people.cell(member.cell_id).name
    page: dict[str, Any] = {"name": member.name, "cell": cell, "leads": Role.SECRETARY in member.roles}
    if not enrolment.has_consented(turn, member):
        asked, notice = enrolment.ask_consent(turn).text, enrolment.notice_name(turn.services.options)
        return {**page, "screen": "consent", "text": asked, "notice": notice, "declined": member_texts.NO_CONSENT}
    entered = enter(turn)
    if isinstance(entered, Reply):
        return {**page, "screen": "nothing", "text": entered.text}
    _, found = entered
    page |= {"screen": "round", "round": _round(turn, member, found, cell)}
    if whole:
        page["checklist"] = _checklist(checklist_of(turn, found), found)
    return page


def _round(turn: Turn, member: Member, found: AssessmentRound, cell: str) -> dict[str, Any]:
    response = turn.transaction.rounds.response(found.id, member.id)
    answers = turn.transaction.rounds.answers(found.id, member.id)
    items = len(checklist_of(turn, found).items)
    decision = decision_on(turn, member, found)
    receipt = None
    if response is not None and response.receipt is not None and response.submitted_on is not None:
        receipt = member_texts.receipt(response.receipt, items, response.submitted_on, found.due_on)
    return {
        "id": found.id,
        "month": texts.month_name(found.month),
        "due": texts.day(found.due_on),
        "intro": member_texts.round_intro(cell, found.month, found.due_on, items, decision=decision),
        "is_decided": decision is not None,
        "is_late": round_state(found, turn.now) is RoundState.LATE,
        "is_settled": is_settled(turn, found, member),
        "settled": member_texts.no_more_changes(found.due_on),
        "total": items,
        "answers": {str(number): _given(given) for number, given in sorted(answers.items())},
        "wants_talk": response is not None and response.wants_talk,
        "receipt": receipt,
    }


def _given(given: StoredAnswer) -> dict[str, Any]:
    return {"answer": given.answer.value, "is_reported": given.is_reported, "note": given.note}


def _checklist(checklist: Checklist, found: AssessmentRound) -> dict[str, Any]:
    return {
        "title": checklist.title,
        "intro": checklist.intro,
        "commitment": checklist.commitment,
        "labels": [{"answer": answer.value, "label": checklist.answer_labels[answer]} for answer in ItemAnswer],
        "warning": checklist.free_text_warning,
        "note_characters": NOTE_CHARACTERS,
        "groups": [
            {
                "number": group.number,
                "title": group.title,
                "question": group.question,
                "items": [
                    {
                        "number": item.number,
                        "title": item.title,
                        "question": item.question,
                        "examples": list(item.examples),
                        "note": item.note,
                        "is_focus": item.number in found.focus,
                    }
                    for item in group.items
                ],
            }
            for group in checklist.groups
        ],
    }
