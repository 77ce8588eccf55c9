"""Link a further phone, channel or the web page to oneself, and take off those that are lost."""

import re
import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from assessment.access import Data, Subject, Viewer, may_see
from assessment.model import Member
from assessment.schedule import local_day
from handlers import devices_texts, exports, member_texts, paper_texts, texts
from handlers.enrolment import REPLACED, member_in
from handlers.messages import Button, Reply, say
from handlers.reports import secretary
from handlers.services import Turn
from knowledge.text import fold
from storage.people import Link

# It is typed at once, by who has both phones at hand.
VALID_FOR = timedelta(days=1)
_NEW_CODE = re.compile(r"in ma (?:moi )?(?:cho )?(?:dong chi |d/c )?(\S.+)")


def own_code(turn: Turn) -> Reply:
    """Give a member who is linked a one-time code for another phone; codes from before that were not used are void."""
    member = member_in(turn)
    if member is None or not _may_have_a_code(turn, member):
        return say(member_texts.NOT_LINKED)
    code = turn.transaction.people.issue_code(member.id, now=turn.now, valid_for=VALID_FOR)
    turn.transaction.audit.note(f"member:{member.id}", "issue own code", turn.message.channel, now=turn.now)
    said = devices_texts.own_code(code, turn.now + VALID_FOR, turn.services.options.web_address)
    return replace(say(said), is_confidential=True)


def ask_unlink_others(turn: Turn) -> Reply:
    """Ask whether all other chats of the member are to be taken off."""
    member = member_in(turn)
    if member is None:
        return say(member_texts.NOT_LINKED)
    others = _others(turn, member)
    if not others:
        return say(devices_texts.NO_OTHERS)
    return say(
        devices_texts.whether_to_unlink(len(others)),
        Button(devices_texts.CONFIRM_UNLINK, "dv_unlink"),
        Button(member_texts.KEEP, "keep"),
    )


def typed(turn: Turn, text: str) -> Reply | None:
    """Ask a secretary who types "in mã" and a name whether that member is to get a new code; None for anything else."""
    found = _NEW_CODE.fullmatch(fold(text).strip(" .!?"))
    reader = secretary(turn, Data.CODES) if found else None
    if found is None or not isinstance(reader, Member):
        return None
    today = local_day(turn.now)
    members = [each for each in turn.transaction.people.members_of(reader.cell_id) if each.belongs_on(today)]
    fitting = [each for each in members if each.has_phone and fold(each.name) == found[1]]
    if len(fitting) != 1:
        return say(devices_texts.SEVERAL if fitting else devices_texts.NOT_IN_CELL)
    [member] = fitting
    if member.id == reader.id:
        return own_code(turn)
    chats = len(turn.transaction.people.links_of([member.id]))
    return say(
        devices_texts.whether_to_replace(member.name, chats),
        Button(paper_texts.CONFIRM_SLIPS, "dv_replace", f"{member.id}:{secrets.token_hex(6)}"),
        Button(member_texts.KEEP, "keep"),
    )


def _replace(turn: Turn, argument: str) -> Reply:
    """Take a member's phones off and issue a new code, once for each time that was asked."""
    reader, asked = secretary(turn, Data.CODES), f"slips:{argument}"
    if isinstance(reader, Reply):
        return reader
    member = turn.transaction.people.member(int(argument.partition(":")[0]))
    if member is None or member.cell_id != reader.cell_id:
        return say(texts.BUTTON_EXPIRED)
    if turn.transaction.audit.entries(about=asked):
        return say(paper_texts.SLIPS_MADE_BEFORE)
    codes, until = exports.issue_codes(turn.transaction, [member], now=turn.now)
    turn.transaction.audit.note(f"member:{reader.id}", "issue codes", asked, now=turn.now)
    for link in turn.transaction.people.links_of([member.id]):
        _take_off(turn, member, link)
    turn.transaction.audit.note(f"member:{reader.id}", REPLACED, f"member:{member.id}", now=turn.now)
    return exports.slips_reply(turn, turn.transaction.people.cell(member.cell_id), codes, until)


def _take_off(turn: Turn, member: Member, link: Link) -> None:
    turn.transaction.people.unlink(link.channel, link.chat_id)
    # Whoever has that phone now must not find there what was answered on it.
    turn.transaction.erase_confidential(link.channel, link.chat_id, member_texts.ERASED_MESSAGE)
    turn.transaction.audit.note(f"member:{member.id}", "unlink", link.channel, now=turn.now)


def _unlink_others(turn: Turn, _argument: str) -> Reply:
    member = member_in(turn)
    if member is None:
        return say(member_texts.NOT_LINKED)
    others = _others(turn, member)
    for link in others:
        _take_off(turn, member, link)
    return say(devices_texts.unlinked(len(others)) if others else devices_texts.NO_OTHERS)


def _others(turn: Turn, member: Member) -> list[Link]:
    here = turn.message.channel, turn.message.chat_id
    return [each for each in turn.transaction.people.links_of([member.id]) if (each.channel, each.chat_id) != here]


def _may_have_a_code(turn: Turn, member: Member) -> bool:
    organization = turn.transaction.people.cell(member.cell_id).organization_id
    viewer = Viewer(member.id, member.cell_id, member.roles)
    return may_see(viewer, Data.CODES, Subject(member.cell_id, organization, member.id))


WORDS: dict[str, Callable[[Turn], Reply]] = {
    "noi them may": own_code,
    "noi may khac": own_code,
    "them may": own_code,
    "doi may": own_code,
    "go may khac": ask_unlink_others,
    "go cac may khac": ask_unlink_others,
}
ACTIONS: dict[str, Callable[[Turn, str], Reply]] = {"dv_unlink": _unlink_others, "dv_replace": _replace}
