"""The secretary's one page: how the round stands, who is to be reminded, what was reported, month against month."""

from collections.abc import Mapping
from typing import Any

from assessment.access import Data
from assessment.model import Member, Role
from assessment.schedule import RoundState, local_day, round_state
from handlers import enrolment, exports, member_texts, overview, paper_texts, reports, secretary_texts, texts
from handlers.messages import Reply
from handlers.page_command import Command, CommandNotUnderstood, words_in
from handlers.reports import Standing
from handlers.services import Turn

MONTHS_SHOWN = 6
# What the page may press of all that the chat's buttons do.
_PRESSED = frozenset({"rp_open", "rp_remind", "rp_remind_yes"})


def serve(turn: Turn, act: str, command: Command) -> dict[str, Any]:
    """Do what was done on the page and return how the cell's round stands.

    Raises:
        CommandNotUnderstood: the page sends no such thing.
    """
    if act == "look":
        return _page(turn)
    if act == "press":
        return {**_press(turn, command), **_page(turn)}
    if act == "read":
        return {**_read(turn), **_page(turn)}
    raise CommandNotUnderstood(f"the secretary's page does nothing called {act!r}")


def _press(turn: Turn, command: Command) -> dict[str, Any]:
    action, argument = words_in(command, "action"), words_in(command, "argument")
    if action not in _PRESSED:
        raise CommandNotUnderstood("the page has no button for this action")
    try:
        reply = reports.ACTIONS[action](turn, argument)
    except ValueError as error:
        raise CommandNotUnderstood("argument is none that a button has") from error
    return {"said": reply.text, "asks": _buttons(reply)}


def _read(turn: Turn) -> dict[str, Any]:
    read = reports.read_summary(turn)
    if isinstance(read, Reply):
        return {"refused": read.text}
    said, reported = read
    # Why no totals stand there is for who reads it, not for the minutes.
    minutes = said.removesuffix(f"\n{secretary_texts.NO_TOTALS}")
    standing = _standing(turn)
    titles = _item_titles(turn, standing) if standing is not None else {}
    return {
        "reading": {
            "minutes": minutes,
            "hint": said[len(minutes) :].strip(),
            "reported": [
                {
                    "name": each.name,
                    "items": [
                        {"number": number, "title": titles.get(number, ""), "note": note} for number, note in each.items
                    ],
                }
                for each in reported
            ],
        }
    }


def _page(turn: Turn) -> dict[str, Any]:
    member = enrolment.member_in(turn)
    if member is None:
        return {"screen": "code", "text": member_texts.NOT_LINKED}
    page: dict[str, Any] = {"name": member.name, "cell": turn.transaction.people.cell(member.cell_id).name}
    if not reports.may(turn, member, Data.STATUS):
        sees_cells = bool(exports.cells_files_of_latest(turn))
        said = secretary_texts.CELLS_ON_THE_PAGE if sees_cells else secretary_texts.ONLY_SECRETARY
        return {**page, "screen": "nothing", "text": said}
    standing = reports.standing_of(turn, member)
    return {
        **page,
        "screen": "cell",
        "opening": _opening(turn, member),
        "round": _round(turn, member, standing) if standing is not None else None,
        "months": _months(turn, member),
        "may_read": standing is not None and reports.may(turn, member, Data.TOTALS),
    }


def _opening(turn: Turn, member: Member) -> dict[str, Any] | None:
    """Return what opening this month's round would do, and the buttons; None where there is nothing to open."""
    month = local_day(turn.now).replace(day=1)
    if Role.SECRETARY not in member.roles:
        return None
    if any(found.month == month for found in turn.transaction.rounds.of_cell(member.cell_id)):
        return None
    asked = reports.open_round(turn, is_page=True)
    return {"text": asked.text, "asks": _buttons(asked)}


def _round(turn: Turn, member: Member, standing: Standing) -> dict[str, Any]:
    names, found = reports.standing_names(standing), standing.round
    is_closed = round_state(found, turn.now) is RoundState.CLOSED
    can_remind, late = bool(standing.reachable) and not is_closed, reports.late_ones(standing)
    unheard = reports.perhaps_unheard(turn, standing)
    return {
        "id": found.id,
        "month": texts.month_name(found.month),
        "due": texts.day(found.due_on),
        "left": reports.time_left(turn, standing),
        "is_closed": is_closed,
        "expected": names.expected,
        "handed_in": [
            secretary_texts.handed_in_late(each.name) if each.id in late else each.name for each in standing.handed_in
        ],
        "waiting": [{"reason": reason, "names": list(people)} for reason, people in secretary_texts.waiting(names)],
        "unheard": {"names": unheard, "reason": secretary_texts.UNHEARD, "hint": secretary_texts.UNHEARD_HINT},
        "form": paper_texts.form_name(overview.form(turn, found)),
        "remind": secretary_texts.remind_so_many(len(standing.reachable)) if can_remind else None,
        "talks": reports.wishing_to_talk(turn, member, standing),
    }


def _months(turn: Turn, member: Member) -> list[dict[str, Any]]:
    """Return how many have handed in, month by month, oldest first."""
    counts = overview.months(turn, member, turn.transaction.people.cell(member.cell_id)) or []
    return [
        {"month": f"{each.month:%m/%y}", "handed_in": each.handed_in, "expected": each.expected}
        for each in counts[-MONTHS_SHOWN:]
    ]


def _standing(turn: Turn) -> Standing | None:
    member = enrolment.member_in(turn)
    return reports.standing_of(turn, member) if member is not None else None


def _item_titles(turn: Turn, standing: Standing) -> Mapping[int, str]:
    found = standing.round
    checklist = turn.services.checklists[found.checklist_id, found.checklist_version]
    return {item.number: item.title for item in checklist.items}


def _buttons(reply: Reply) -> list[dict[str, str]]:
    return [
        {"label": button.label, "action": button.action, "argument": button.argument}
        for button in reply.buttons
        if button.action in _PRESSED
    ]
