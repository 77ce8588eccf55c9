"""What a secretary sees and does: open a round, who has handed in, remind the rest, the summary for the meeting."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta

from assessment.access import Data, Subject, Viewer, may_see, visible_items
from assessment.model import AssessmentRound, Checklist, ItemAnswer, Member, Response, Role
from assessment.schedule import (
    AlreadyReminded,
    RoundClosed,
    RoundState,
    closes_at,
    is_late,
    local_day,
    remind_now,
    round_state,
    sendable_at,
    still_to_hand_in,
)
from handlers import exports, member_texts, secretary_texts, texts
from handlers.checklist import checklist_gone, checklist_of
from handlers.checklists_in_use import checklist_in_use, is_to_be_warned, note_warned
from handlers.enrolment import is_decided, member_in
from handlers.messages import Button, Reply, say, with_files
from handlers.reminders import by_hand_kind, is_by_hand
from handlers.schedules import due_day, schedule_of
from handlers.schedules import open_round as open_round_of_cell
from handlers.services import Turn
from handlers.shown_totals import totals_of
from handlers.viewers import NOBODY


@dataclass(frozen=True, slots=True)
class Standing:
    """How a round stands: everybody who takes part, by what became of them."""

    round: AssessmentRound
    handed_in: tuple[Member, ...]
    reachable: tuple[Member, ...]
    without_phone: tuple[Member, ...]
    never_linked: tuple[Member, ...]
    blocked: tuple[Member, ...]
    consent_taken_back: tuple[Member, ...]
    responses: tuple[Response, ...]

    @property
    def waiting(self) -> int:
        """How many have not handed in, for whatever reason."""
        each = (self.reachable, self.without_phone, self.never_linked, self.blocked, self.consent_taken_back)
        return sum(map(len, each))


@dataclass(frozen=True, slots=True)
class Reported:
    """What a member reports to the cell: the items, each with what was written beside it."""

    name: str
    items: tuple[tuple[int, str], ...]


def open_round(turn: Turn, *, is_page: bool = False) -> Reply:
    """Ask whether this month's round is to be opened, and with what.

    Args:
        is_page: it stands on a page, which says each time that the regulation was replaced; in chat it is said once a
            month.
    """
    found = secretary(turn)
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
    due_on = due_day(month, schedule_of(turn.transaction, found.cell_id), today=local_day(turn.now))
    warns = is_page or is_to_be_warned(turn.transaction, found.cell_id, checklist, month)
    if warns and not is_page:
        note_warned(turn.transaction, found.cell_id, checklist, month)
    said = secretary_texts.about_to_open(cell, month, due_on, checklist, warns=warns)
    return say(
        said,
        Button(secretary_texts.CONFIRM_OPEN, "rp_open", f"{month:%Y-%m-%d}:{checklist.id}:{checklist.version}"),
        Button(secretary_texts.LEAVE_IT, "rp_leave"),
    )


def progress(turn: Turn) -> Reply:
    """Say who has handed in and who has not."""
    found = secretary(turn, Data.STATUS)
    if isinstance(found, Reply):
        return found
    standing = standing_of(turn, found)
    if standing is None:
        return _no_round(turn, found)
    reachable = standing.reachable
    is_open = round_state(standing.round, turn.now) is not RoundState.CLOSED
    buttons = [Button(secretary_texts.remind_so_many(len(reachable)), "rp_remind")] if reachable and is_open else []
    buttons += [Button(secretary_texts.SUMMARY, "rp_summary")] if may(turn, found, Data.TOTALS) else []
    buttons.append(exports.export_button())
    talks, cell = wishing_to_talk(turn, found, standing) or (), turn.transaction.people.cell(found.cell_id).name
    said = secretary_texts.standing(cell, standing_names(standing), talks, time_left(turn, standing))
    if names := perhaps_unheard(turn, standing):
        said += f"\n{secretary_texts.perhaps_unheard(names)}"
    return say(f"{said}{_warning(turn, found, standing.round)}", *buttons)


def _warning(turn: Turn, found: Member, round_: AssessmentRound) -> str:
    """Return, once a month, that the regulation of a round that opened by itself was replaced; else nothing."""
    checklist = turn.services.checklists.get((round_.checklist_id, round_.checklist_version))
    is_secretary = Role.SECRETARY in found.roles
    if (
        checklist is None
        or not is_secretary
        or not is_to_be_warned(turn.transaction, found.cell_id, checklist, round_.month)
    ):
        return ""
    note_warned(turn.transaction, found.cell_id, checklist, round_.month)
    return secretary_texts.superseded(checklist, is_newer_waiting=_checklist_in_use(turn) is checklist)


def perhaps_unheard(turn: Turn, standing: Standing) -> list[str]:
    """Return who has still to hand in and of whom nobody knows whether the latest message reached them, by name."""
    unheard = turn.transaction.outbox.perhaps_unheard(standing.round.id)
    return [member.name for member in standing.reachable if member.id in unheard]


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
        consent_taken_back=tuple(member.name for member in standing.consent_taken_back),
        late=len(late_ones(standing)),
    )


def late_ones(standing: Standing) -> set[int]:
    """Return who has handed in after the due date."""
    by_day = {response.member_id: response.submitted_on for response in standing.responses}
    return {member_id for member_id, on in by_day.items() if on is not None and is_late(standing.round, on)}


def remind(turn: Turn) -> Reply:
    """Ask whether those who have not handed in are to be reminded, and say when they will hear."""
    found = secretary(turn, Data.STATUS)
    if isinstance(found, Reply):
        return found
    standing = standing_of(turn, found)
    if standing is None or round_state(standing.round, turn.now) is RoundState.CLOSED:
        return _no_round(turn, found)
    reachable = standing.reachable
    if not reachable:
        return say(secretary_texts.NOBODY_TO_REMIND)
    schedule, today = schedule_of(turn.transaction, found.cell_id), local_day(turn.now)
    at, is_pause = sendable_at(turn.now, schedule), schedule.first_free_day(today) != today
    return say(
        secretary_texts.about_to_remind(len(reachable), at, is_now=at <= turn.now, is_pause=is_pause),
        Button(secretary_texts.CONFIRM_REMIND, "rp_remind_yes", str(standing.round.id)),
        Button(secretary_texts.LEAVE_IT, "rp_leave"),
    )


def summary(turn: Turn) -> Reply:
    """Give the page for the cell's meeting: counts, what was reported, totals where they may be shown."""
    read = read_summary(turn)
    if isinstance(read, Reply):
        return read
    told = "\n".join([read[0], *_read_decided(turn)])
    said = with_files(say(told, *exports.roll_up_buttons()), *exports.files_of_latest(turn))
    return replace(said, is_confidential=True)


def read_summary(turn: Turn) -> tuple[str, list[Reported]] | Reply:
    """Return the same as text, and what was reported by itself; that it was read is noted."""
    found = secretary(turn, Data.TOTALS)
    if isinstance(found, Reply):
        return found
    standing = standing_of(turn, found)
    if standing is None:
        return _no_round(turn, found)
    rounds, round_ = turn.transaction.rounds, standing.round
    gone = checklist_gone(turn, round_)
    if gone is not None:
        return gone
    checklist = checklist_of(turn, round_)
    viewer, subject = _viewer(turn, found), _cell_subject(turn, found)
    responses = [response for response in rounds.responses(round_.id) if response.is_submitted]
    reported = []
    for response in responses:
        seen = visible_items(viewer, response, subject) & response.reported
        if not seen:
            continue
        member = turn.transaction.people.member(response.member_id)
        notes = rounds.answers(round_.id, response.member_id)
        items = tuple((number, notes[number].note) for number in sorted(seen))
        reported.append(Reported(member.name if member else "", items))
        if response.member_id != found.id:
            about = f"round:{round_.id} member:{response.member_id}"
            turn.transaction.audit.note(f"member:{found.id}", "read reported", about, now=turn.now)
    counted, counted_of = totals_of(turn, round_, responses)
    cell = turn.transaction.people.cell(found.cell_id).name
    named = [(each.name, [number for number, _ in each.items]) for each in reported]
    return secretary_texts.summary(cell, standing_names(standing), named, counted, counted_of, checklist), reported


def _read_decided(turn: Turn) -> list[str]:
    """Return all the answers of those whom a committee's decision was shown before they began; noted as read."""
    found, decision = secretary(turn, Data.TOTALS), turn.services.options.decision
    standing = standing_of(turn, found) if isinstance(found, Member) and decision is not None else None
    if decision is None or isinstance(found, Reply) or standing is None:
        return []
    viewer, cell = _viewer(turn, found), _cell_subject(turn, found)
    seen: list[tuple[str, list[int], list[int]]] = []
    for response in turn.transaction.rounds.responses(standing.round.id):
        member = turn.transaction.people.member(response.member_id)
        if member is None or not response.is_submitted or not response.answers or member.id == found.id:
            continue
        subject = replace(cell, member_id=member.id, is_decided=is_decided(turn, member, response))
        if not may_see(viewer, Data.ANSWERS, subject):
            continue
        by_answer = [
            sorted(number for number in visible_items(viewer, response, subject) if response.answers[number] is answer)
            for answer in (ItemAnswer.PRESENT, ItemAnswer.DISCUSS)
        ]
        seen.append((member.name, by_answer[0], by_answer[1]))
        about = f"round:{standing.round.id} member:{member.id}"
        turn.transaction.audit.note(f"member:{found.id}", "read answers", about, now=turn.now)
    return secretary_texts.decided_answers(decision, seen)


def _open(turn: Turn, argument: str) -> Reply:
    found = secretary(turn)
    if isinstance(found, Reply):
        return found
    on, _, shown = argument.partition(":")
    month, today = date.fromisoformat(on), local_day(turn.now)
    checklist = _checklist_in_use(turn)
    if checklist is not None and shown and shown != f"{checklist.id}:{checklist.version}":
        # What the secretary said yes to is not what would be opened now.
        return open_round(turn)
    if checklist is None or month != today.replace(day=1):
        return say(texts.BUTTON_EXPIRED)
    opened, told = open_round_of_cell(turn.transaction, found.cell_id, month, checklist, now=turn.now)
    if told is None:
        return say(secretary_texts.round_there(month, opened.due_on), *_progress_button())
    linked = {link.member_id for link in turn.transaction.people.links_of(told)}
    turn.transaction.audit.note(f"member:{found.id}", "open round", f"round:{opened.id}", now=turn.now)
    return say(
        secretary_texts.round_opened(month, opened.due_on, len(linked), len(told) - len(linked)), *_progress_button()
    )


def _remind(turn: Turn, argument: str) -> Reply:
    found = secretary(turn, Data.STATUS)
    if isinstance(found, Reply):
        return found
    standing = standing_of(turn, found)
    if standing is None or standing.round.id != int(argument):
        return say(texts.BUTTON_EXPIRED)
    before = [
        delivery.due_at for delivery in turn.transaction.outbox.of_round(standing.round.id) if is_by_hand(delivery.kind)
    ]
    try:
        at, _ = remind_now(
            standing.round,
            turn.transaction.people.members_of(found.cell_id),
            standing.responses,
            schedule_of(turn.transaction, found.cell_id),
            now=turn.now,
            last_manual_at=max(before, default=None),
        )
    except AlreadyReminded as error:
        return say(secretary_texts.already_reminded(error.again_at))
    except RoundClosed:
        return _no_round(turn, found)
    ids = [member.id for member in standing.reachable]
    # A reminder by hand that waits for the morning must not come after the round is over.
    kind = by_hand_kind(local_day(at))
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


def secretary(turn: Turn, data: Data = Data.ROUNDS) -> Member | Reply:
    """Return the member who asks, if the table lets them see or do something; else what to say."""
    member = member_in(turn)
    if member is None:
        return say(member_texts.NOT_LINKED)
    if not may(turn, member, data):
        return say(secretary_texts.ONLY_SECRETARY)
    return member


def _viewer(turn: Turn, member: Member) -> Viewer:
    below = turn.transaction.people.organizations_below(_cell_subject(turn, member).organization_id)
    return Viewer(member.id, member.cell_id, member.roles, below)


def _cell_subject(turn: Turn, member: Member) -> Subject:
    return Subject(member.cell_id, turn.transaction.people.cell(member.cell_id).organization_id)


def may(turn: Turn, member: Member, data: Data) -> bool:
    """Whether a member may see something of the own cell."""
    return may_see(_viewer(turn, member), data, _cell_subject(turn, member))


def _round_of(turn: Turn, member: Member, month: date) -> AssessmentRound | None:
    return next((r for r in turn.transaction.rounds.of_cell(member.cell_id) if r.month == month), None)


def _checklist_in_use(turn: Turn) -> Checklist | None:
    return checklist_in_use(turn.transaction, turn.services.checklists, on=local_day(turn.now))


def standing_of(turn: Turn, member: Member) -> Standing | None:
    """Return how the latest round of the member's cell stands, or None where there was none."""
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
    silent = turn.transaction.consents.taken_back([m.id for m in waiting])
    with_phone = [m for m in waiting if m.has_phone and m.id not in silent]
    return Standing(
        round=found,
        handed_in=tuple(m for m in members if m.id in submitted),
        reachable=tuple(m for m in with_phone if m.id in heard),
        without_phone=tuple(m for m in waiting if not m.has_phone),
        never_linked=tuple(m for m in with_phone if m.id not in linked),
        blocked=tuple(m for m in with_phone if m.id in linked - heard),
        consent_taken_back=tuple(m for m in waiting if m.has_phone and m.id in silent),
        responses=tuple(response for response in responses if response.is_submitted),
    )


def wishing_to_talk(turn: Turn, found: Member, standing: Standing) -> list[str] | None:
    """Return who asks for a talk with the secretary, by name; None where that is not for this reader."""
    if not may(turn, found, Data.TALK_WISH):
        return None
    wishing = {response.member_id for response in standing.responses if response.wants_talk}
    return [member.name for member in standing.handed_in if member.id in wishing]


def time_left(turn: Turn, standing: Standing) -> str:
    """Return in words how long a round still takes responses in time, or that it is closed."""
    if round_state(standing.round, turn.now) is RoundState.CLOSED:
        return secretary_texts.CLOSED
    return secretary_texts.time_left((standing.round.due_on - local_day(turn.now)).days)


def _no_round(turn: Turn, member: Member) -> Reply:
    """Say that there is no round, and what this member can do: open one, look at the cells below, wait."""
    if may(turn, member, Data.ROUNDS):
        return say(secretary_texts.NO_ROUND_YET)
    organization = Subject(NOBODY, _cell_subject(turn, member).organization_id)
    if may_see(_viewer(turn, member), Data.COUNTS, organization):
        return say(secretary_texts.SEES_CELLS, exports.cells_button())
    return say(secretary_texts.WHEN_OPENED)


def _progress_button() -> tuple[Button, ...]:
    return (Button(secretary_texts.PROGRESS, "rp_progress"),)
