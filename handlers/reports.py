"""What a secretary sees and does: open a round, who has handed in, remind the rest, the summary for the meeting."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta

from assessment.access import Data, Subject, Viewer, may_see, totals, visible_items
from assessment.model import AssessmentRound, Checklist, Member, Response, Role
from assessment.schedule import (
    OPENED,
    AlreadyReminded,
    RoundClosed,
    RoundState,
    closes_at,
    local_day,
    participants,
    remind_now,
    round_state,
    sendable_at,
    still_to_hand_in,
)
from assessment.steps import focus_of
from handlers import member_texts, secretary_texts, texts
from handlers.enrolment import member_in
from handlers.messages import Button, Reply, say
from handlers.reminders import DEFAULT_SCHEDULE
from handlers.services import Turn

_BY_HAND = "by-hand"


@dataclass(frozen=True, slots=True)
class Standing:
    """How a round stands: everybody who takes part, by what became of them."""

    round: AssessmentRound
    handed_in: tuple[Member, ...]
    reachable: tuple[Member, ...]
    without_phone: tuple[Member, ...]
    never_linked: tuple[Member, ...]
    blocked: tuple[Member, ...]
    responses: tuple[Response, ...]


def open_round(turn: Turn) -> Reply:
    """Ask whether this month's round is to be opened, and with what."""
    found = _secretary(turn)
    if isinstance(found, Reply):
        return found
    month = local_day(turn.now).replace(day=1)
    current = _round_of(turn, found, month)
    if current is not None:
        return say(secretary_texts.round_there(month, current.due_on), *_progress_button())
    checklist = _checklist_in_use(turn)
    if checklist is None:
        return say(secretary_texts.NO_CHECKLIST)
    cell = turn.transaction.people.cell(found.cell_id).name
    due_on = _due_on(month)
    said = secretary_texts.about_to_open(cell, month, due_on, checklist)
    return say(
        said,
        Button(secretary_texts.CONFIRM_OPEN, "rp_open", f"{month:%Y-%m-%d}"),
        Button(secretary_texts.LEAVE_IT, "rp_leave"),
    )


def progress(turn: Turn) -> Reply:
    """Say who has handed in and who has not."""
    found = _secretary(turn, Data.STATUS)
    if isinstance(found, Reply):
        return found
    standing = _standing(turn, found)
    if standing is None:
        return say(secretary_texts.NO_ROUND_YET)
    reachable = standing.reachable
    buttons = [Button(secretary_texts.remind_so_many(len(reachable)), "rp_remind")] if reachable else []
    buttons += [Button(secretary_texts.SUMMARY, "rp_summary")] if _may(turn, found, Data.TOTALS) else []
    talks = sum(response.wants_talk for response in standing.responses) if _may(turn, found, Data.TALK_WISH) else None
    cell = turn.transaction.people.cell(found.cell_id).name
    return say(secretary_texts.standing(cell, standing_names(standing), talks, _days_left(turn, standing)), *buttons)


def standing_names(standing: Standing) -> secretary_texts.StandingNames:
    """Return the names a progress report shows."""
    return secretary_texts.StandingNames(
        month=standing.round.month,
        due_on=standing.round.due_on,
        handed_in=len(standing.handed_in),
        missing=tuple(member.name for member in standing.reachable),
        without_phone=tuple(member.name for member in standing.without_phone),
        never_linked=tuple(member.name for member in standing.never_linked),
        blocked=tuple(member.name for member in standing.blocked),
    )


def remind(turn: Turn) -> Reply:
    """Ask whether those who have not handed in are to be reminded, and say when they will hear."""
    found = _secretary(turn, Data.STATUS)
    if isinstance(found, Reply):
        return found
    standing = _standing(turn, found)
    if standing is None or round_state(standing.round, turn.now) is RoundState.CLOSED:
        return say(secretary_texts.NO_ROUND_YET)
    reachable = standing.reachable
    if not reachable:
        return say(secretary_texts.NOBODY_TO_REMIND)
    at = sendable_at(turn.now, DEFAULT_SCHEDULE)
    return say(
        secretary_texts.about_to_remind(len(reachable), at, is_now=at <= turn.now),
        Button(secretary_texts.CONFIRM_REMIND, "rp_remind_yes", str(standing.round.id)),
        Button(secretary_texts.LEAVE_IT, "rp_leave"),
    )


def summary(turn: Turn) -> Reply:
    """Give the page for the cell's meeting: counts, what was reported, totals where they may be shown."""
    found = _secretary(turn, Data.TOTALS)
    if isinstance(found, Reply):
        return found
    standing = _standing(turn, found)
    if standing is None:
        return say(secretary_texts.NO_ROUND_YET)
    rounds, round_ = turn.transaction.rounds, standing.round
    checklist = turn.services.checklists[round_.checklist_id, round_.checklist_version]
    viewer, subject = _viewer(turn, found), _cell_subject(turn, found)
    responses = [response for response in rounds.responses(round_.id) if response.is_submitted]
    reported = []
    for response in responses:
        seen = visible_items(viewer, response, subject) & response.reported
        if not seen:
            continue
        member = turn.transaction.people.member(response.member_id)
        reported.append((member.name if member else "", sorted(seen)))
        if response.member_id != found.id:
            about = f"round:{round_.id} member:{response.member_id}"
            turn.transaction.audit.note(f"member:{found.id}", "read reported", about, now=turn.now)
    counted = totals(responses, shown_before=rounds.totals_shown(round_.id))
    if counted:
        rounds.note_totals(round_.id, len(responses))
    cell = turn.transaction.people.cell(found.cell_id).name
    said = say(secretary_texts.summary(cell, standing_names(standing), reported, counted, checklist))
    return replace(said, is_confidential=True)


def _open(turn: Turn, argument: str) -> Reply:
    found = _secretary(turn)
    if isinstance(found, Reply):
        return found
    month, today = date.fromisoformat(argument), local_day(turn.now)
    checklist = _checklist_in_use(turn)
    if checklist is None or month != today.replace(day=1):
        return say(texts.BUTTON_EXPIRED)
    opened, is_new = turn.transaction.rounds.open(
        found.cell_id,
        month,
        checklist=(checklist.id, checklist.version),
        opened_on=today,
        due_on=_due_on(month),
        grace_days=DEFAULT_SCHEDULE.grace_days,
        focus=focus_of(checklist, month),
    )
    if not is_new:
        return say(secretary_texts.round_there(month, opened.due_on), *_progress_button())
    members = turn.transaction.people.members_of(found.cell_id)
    told = [member.id for member in participants(opened, members, [], day=today) if member.has_phone]
    at = sendable_at(turn.now, DEFAULT_SCHEDULE)
    turn.transaction.outbox.queue(opened.id, OPENED, told, due_at=at, expires_at=closes_at(opened))
    linked = {link.member_id for link in turn.transaction.people.links_of(told)}
    turn.transaction.audit.note(f"member:{found.id}", "open round", f"round:{opened.id}", now=turn.now)
    return say(
        secretary_texts.round_opened(month, opened.due_on, len(linked), len(told) - len(linked)), *_progress_button()
    )


def _remind(turn: Turn, argument: str) -> Reply:
    found = _secretary(turn, Data.STATUS)
    if isinstance(found, Reply):
        return found
    standing = _standing(turn, found)
    if standing is None or standing.round.id != int(argument):
        return say(texts.BUTTON_EXPIRED)
    before = [
        delivery.due_at
        for delivery in turn.transaction.outbox.of_round(standing.round.id)
        if delivery.kind.startswith(_BY_HAND)
    ]
    try:
        at, _ = remind_now(
            standing.round,
            turn.transaction.people.members_of(found.cell_id),
            standing.responses,
            DEFAULT_SCHEDULE,
            now=turn.now,
            last_manual_at=max(before, default=None),
        )
    except AlreadyReminded as error:
        return say(secretary_texts.already_reminded(error.again_at))
    except RoundClosed:
        return say(secretary_texts.NO_ROUND_YET)
    ids = [member.id for member in standing.reachable]
    # A reminder by hand that waits for the morning must not come after the round is over.
    kind = f"{_BY_HAND}-{local_day(at):%Y-%m-%d}"
    turn.transaction.outbox.queue(standing.round.id, kind, ids, due_at=at, expires_at=closes_at(standing.round))
    turn.transaction.audit.note(f"member:{found.id}", "remind", f"round:{standing.round.id}", now=turn.now)
    return say(secretary_texts.reminded(len(ids), at, is_now=at <= turn.now))


def _leave(_turn: Turn, _argument: str) -> Reply:
    return say(secretary_texts.LEFT_AS_IT_WAS)


ACTIONS: dict[str, Callable[[Turn, str], Reply]] = {
    "rp_open": _open,
    "rp_leave": _leave,
    "rp_progress": lambda turn, _argument: progress(turn),
    "rp_remind": lambda turn, _argument: remind(turn),
    "rp_remind_yes": _remind,
    "rp_summary": lambda turn, _argument: summary(turn),
}


WORDS: dict[str, Callable[[Turn], Reply]] = {
    "mo ky": open_round,
    "tien do": progress,
    "nhac": remind,
    "bao cao": summary,
}


def _secretary(turn: Turn, data: Data | None = None) -> Member | Reply:
    """Return the member who asks, if the table lets them; else what to say. Without data, only a secretary may."""
    member = member_in(turn)
    if member is None:
        return say(member_texts.NOT_LINKED)
    if data is None and Role.SECRETARY not in member.roles:
        return say(secretary_texts.ONLY_SECRETARY)
    if data is not None and not _may(turn, member, data):
        return say(secretary_texts.ONLY_SECRETARY)
    return member


def _viewer(turn: Turn, member: Member) -> Viewer:
    below = turn.transaction.people.organizations_below(_cell_subject(turn, member).organization_id)
    return Viewer(member.id, member.cell_id, member.roles, below)


def _cell_subject(turn: Turn, member: Member) -> Subject:
    return Subject(member.cell_id, turn.transaction.people.cell(member.cell_id).organization_id)


def _may(turn: Turn, member: Member, data: Data) -> bool:
    return may_see(_viewer(turn, member), data, _cell_subject(turn, member))


def _round_of(turn: Turn, member: Member, month: date) -> AssessmentRound | None:
    return next((r for r in turn.transaction.rounds.of_cell(member.cell_id) if r.month == month), None)


def _checklist_in_use(turn: Turn) -> Checklist | None:
    """Return the newest version that may be used without anybody's confirmation."""
    usable = [checklist for checklist in turn.services.checklists.values() if checklist.is_checked]
    return max(usable, key=lambda checklist: (checklist.valid_from, checklist.version), default=None)


def _due_on(month: date) -> date:
    following = (month.replace(day=28) + timedelta(days=4)).replace(day=1)
    return following - timedelta(days=1)


def _standing(turn: Turn, member: Member) -> Standing | None:
    """Return how the cell's latest round stands, or None where there was none."""
    found = next(iter(turn.transaction.rounds.of_cell(member.cell_id)), None)
    if found is None:
        return None
    today = min(local_day(turn.now), local_day(closes_at(found) - timedelta(seconds=1)))
    members = turn.transaction.people.members_of(member.cell_id)
    responses = turn.transaction.rounds.outlines(found.id)
    submitted = {response.member_id for response in responses if response.is_submitted}
    waiting = still_to_hand_in(found, members, responses, day=today)
    links = turn.transaction.people.links_of([m.id for m in waiting])
    linked, heard = {link.member_id for link in links}, {link.member_id for link in links if not link.is_blocked}
    with_phone = [m for m in waiting if m.has_phone]
    return Standing(
        round=found,
        handed_in=tuple(m for m in members if m.id in submitted),
        reachable=tuple(m for m in with_phone if m.id in heard),
        without_phone=tuple(m for m in waiting if not m.has_phone),
        never_linked=tuple(m for m in with_phone if m.id not in linked),
        blocked=tuple(m for m in with_phone if m.id in linked - heard),
        responses=tuple(response for response in responses if response.is_submitted),
    )


def _days_left(turn: Turn, standing: Standing) -> int:
    return (standing.round.due_on - local_day(turn.now)).days


def _progress_button() -> tuple[Button, ...]:
    return (Button(secretary_texts.PROGRESS, "rp_progress"),)
