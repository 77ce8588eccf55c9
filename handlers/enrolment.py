"""Link a chat account to a member, ask for consent, take both back."""

import hashlib
import re
import unicodedata
from collections.abc import Callable
from dataclasses import replace

from assessment.model import AssessmentRound, Member, Response
from assessment.schedule import RoundState, local_day, round_state
from handlers import member_texts, paper_texts
from handlers.messages import Button, Reply, say
from handlers.services import KEEP_MONTHS, Options, Turn
from storage.people import CODE_LENGTH, CODE_LETTERS, Redeemed

# The notice a member agrees to. When what is kept or who sees it changes, it gets a new name and all are asked anew.
NOTICE = "2026-11"
# What the log calls a code that a secretary made for somebody in place of the phones until then.
REPLACED = "replace phone"
# What Vietnamese keyboards make of letters of a code.
_TELEX = {"Ư": "W", "Ứ": "WS", "Ừ": "WF", "Ử": "WR", "Ữ": "WX", "Ự": "WJ", "Đ": "DD"}
_MISREAD = re.compile(r"([0-9A-Za-z]{4})([ -]?)([0-9A-Za-z]{4})")
_WORD_AND_NUMBER = re.compile(r"[A-Z]+\d+|\d+[A-Z]*")


def looks_like_a_code(typed: str) -> bool:
    """Whether a text is a one-time code and nothing else, or was copied from one with letters that codes have not."""
    said = typed.strip(" .")
    letters = _as_printed(said)
    has_digit = any(letter.isdigit() for letter in letters)
    if len(letters) == CODE_LENGTH and has_digit and set(said.upper()) <= {*CODE_LETTERS, *_TELEX, *" -"}:
        return True
    found = _MISREAD.fullmatch(said)
    if found is None or _WORD_AND_NUMBER.fullmatch(letters):
        # A word with a number ("dieu 1234") is a question; in a code the figures stand anywhere.
        return False
    parts = (found[1], found[3]) if found[2] == " " else (letters,)
    return all(any(letter.isdigit() for letter in part) for part in parts)


def _as_printed(typed: str) -> str:
    """Return the letters of a code as they stand on the slip, where a Vietnamese keyboard has joined some of them."""
    letters = unicodedata.normalize("NFC", typed).upper()
    return "".join(_TELEX.get(letter, letter) for letter in letters if letter.isalnum())


def member_in(turn: Turn) -> Member | None:
    """Return the member this chat belongs to, or None."""
    member_id = turn.transaction.people.member_of(turn.message.channel, turn.message.chat_id)
    return turn.transaction.people.member(member_id) if member_id is not None else None


def notice_name(options: Options) -> str:
    """Return the name of the notice as it is now; a committee's decision gives it another, as other words do.

    So does another time for which answers are kept: who has agreed to one has not agreed to the other.
    """
    name = NOTICE if options.keep_months == KEEP_MONTHS else f"{NOTICE}-{options.keep_months}m"
    if options.decision is None:
        return name
    return f"{name}-{hashlib.sha256(options.decision.encode()).hexdigest()[:12]}"


def has_consented(turn: Turn, member: Member) -> bool:
    """Whether a member has agreed to the notice as it is now."""
    return turn.transaction.people.has_consented(member.id, notice_name(turn.services.options))


def is_decided(turn: Turn, member: Member, response: Response | None) -> bool:
    """Whether a committee's decision lets the secretary see all of a response, once it is handed in.

    Only where one was entered, and the member had agreed to the very notice that quotes it before the first item was
    answered, and still does. A response that is not begun will be one that the notice has come before.
    """
    if turn.services.options.decision is None or not has_consented(turn, member):
        return False
    is_begun = response is not None and bool(response.answers)
    return not is_begun or (response is not None and response.notice == notice_name(turn.services.options))


def redeem(turn: Turn, code: str) -> Reply:
    """Link this chat to the member a code was issued to."""
    people, code = turn.transaction.people, _as_printed(code)
    strange = sorted(set(code) - set(CODE_LETTERS))
    if len(code) == CODE_LENGTH and strange:
        # Nobody guesses so: it does not count as a wrong try.
        return say(member_texts.no_such_letters(strange))
    found = people.redeem(turn.message.channel, turn.message.chat_id, code, now=turn.now)
    member = people.member(found.member_id) if found.member_id is not None else None
    if member is None:
        return say(member_texts.code_refused(found.result, found.locked_until))
    if found.result is Redeemed.LINKED:
        turn.transaction.audit.note(f"member:{member.id}", "link", turn.message.channel, now=turn.now)
    cell = people.cell(member.cell_id).name
    greeting = member_texts.linked(member.name, cell)
    if has_consented(turn, member):
        return say(f"{greeting}\n{_how_to_begin(turn, member)}")
    return ask_consent(turn, greeting)


def ask_consent(turn: Turn, greeting: str = "") -> Reply:
    """Show what is kept and who sees what, and ask whether the member agrees."""
    options = turn.services.options
    notice = member_texts.privacy_notice(options.decision, options.keep_months)
    said = f"{greeting}\n{notice}" if greeting else notice
    agree = Button(member_texts.AGREE, "consent", notice_name(options))
    return say(said, agree, Button(member_texts.NOT_NOW, "no_consent"))


def unlink(turn: Turn) -> Reply:
    """Take this chat off its member."""
    member = member_in(turn)
    if member is None or not turn.transaction.people.unlink(turn.message.channel, turn.message.chat_id):
        return say(member_texts.NOT_LINKED)
    # Whoever has this phone next must not find there what was answered on it.
    turn.transaction.erase_confidential(turn.message.channel, turn.message.chat_id, member_texts.ERASED_MESSAGE)
    turn.transaction.audit.note(f"member:{member.id}", "unlink", turn.message.channel, now=turn.now)
    return say(member_texts.UNLINKED)


def withdraw(turn: Turn) -> Reply:
    """Ask whether consent is to be taken back."""
    member = member_in(turn)
    if member is None:
        return say(member_texts.NOT_LINKED)
    if not has_consented(turn, member):
        return say(member_texts.NOTHING_TO_WITHDRAW)
    return say(
        member_texts.WITHDRAW, Button(member_texts.CONFIRM_WITHDRAW, "withdraw"), Button(member_texts.KEEP, "keep")
    )


def own_data(turn: Turn) -> Reply:
    """Show a member what is kept about them and who has looked at what they reported."""
    member = member_in(turn)
    if member is None:
        return say(member_texts.NOT_LINKED)
    people, rounds = turn.transaction.people, turn.transaction.rounds
    cell = people.cell(member.cell_id).name
    begun = rounds.of_member(member.id)
    kept = [(found.month, receipt, is_erased) for found, receipt, is_erased in begun]
    noted = [
        (entry, found.month)
        for found, _, _ in begun
        for entry in turn.transaction.audit.entries(about=f"round:{found.id} member:{member.id}")
    ]
    readers = [(entry.at, month) for entry, month in noted if entry.action == "read reported"]
    seen_whole = [(entry.at, month) for entry, month in noted if entry.action == "read answers"]
    about_me = turn.transaction.audit.entries(about=f"member:{member.id}")
    replaced = [entry.at for entry in about_me if entry.action == REPLACED]
    chats = len(people.links_of([member.id]))
    said = member_texts.own_data(member.name, cell, chats, kept, readers, seen_whole, replaced)
    has_content = any(not is_erased for _, _, is_erased in kept)
    buttons = [Button(paper_texts.OWN_COPY, "ex_own")] if kept else []
    buttons += [Button(member_texts.ERASE, "erase")] if has_content else []
    buttons += [Button(member_texts.TAKE_BACK, "ask_withdraw")] if has_consented(turn, member) else []
    return replace(say(said, *buttons), is_confidential=True)


def _ask_erase(turn: Turn, _argument: str) -> Reply:
    if member_in(turn) is None:
        return say(member_texts.NOT_LINKED)
    return say(
        member_texts.ABOUT_TO_ERASE, Button(member_texts.CONFIRM_ERASE, "erase_yes"), Button(member_texts.KEEP, "keep")
    )


def _erase(turn: Turn, _argument: str) -> Reply:
    member = member_in(turn)
    if member is None:
        return say(member_texts.NOT_LINKED)
    count = turn.transaction.rounds.erase(member.id, on=local_day(turn.now))
    for link in turn.transaction.people.links_of([member.id]):
        turn.transaction.erase_confidential(link.channel, link.chat_id, member_texts.ERASED_MESSAGE)
    turn.transaction.audit.note(f"member:{member.id}", "erase own", f"responses:{count}", now=turn.now)
    return say(member_texts.erased(count))


def agree(turn: Turn, notice: str) -> Reply:
    """Keep that the member agrees to the notice; one that has other words by now is shown and asked about first."""
    member, current = member_in(turn), notice_name(turn.services.options)
    if member is None:
        return say(member_texts.NOT_LINKED)
    if notice != current:
        return ask_consent(turn, member_texts.NOTICE_CHANGED)
    turn.transaction.people.consent(member.id, current, now=turn.now)
    turn.transaction.audit.note(f"member:{member.id}", "consent", current, now=turn.now)
    return say(f"{member_texts.CONSENT_KEPT}\n{_how_to_begin(turn, member)}")


def current_round(turn: Turn, member: Member) -> AssessmentRound | None:
    """Return the round of the member's cell that still takes responses, if any."""
    for found in turn.transaction.rounds.of_cell(member.cell_id)[:1]:
        if round_state(found, turn.now) is not RoundState.CLOSED:
            return found
    return None


def _how_to_begin(turn: Turn, member: Member) -> str:
    found = current_round(turn, member)
    return member_texts.begin_now(found.month, found.due_on) if found is not None else member_texts.BEGIN_HINT


def _no_consent(_turn: Turn, _argument: str) -> Reply:
    return say(member_texts.NO_CONSENT)


def _withdraw(turn: Turn, _argument: str) -> Reply:
    member = member_in(turn)
    if member is None:
        return say(member_texts.NOT_LINKED)
    turn.transaction.people.withdraw(member.id, now=turn.now)
    notice = notice_name(turn.services.options)
    turn.transaction.audit.note(f"member:{member.id}", "withdraw consent", notice, now=turn.now)
    return say(member_texts.WITHDRAWN)


def _keep(_turn: Turn, _argument: str) -> Reply:
    return say(member_texts.KEPT_AS_IT_WAS)


ACTIONS: dict[str, Callable[[Turn, str], Reply]] = {
    # Buttons from before the notice's name stood in them belong to the first one.
    "consent": lambda turn, argument: agree(turn, argument or NOTICE),
    "no_consent": _no_consent,
    "withdraw": _withdraw,
    "keep": _keep,
    "ask_withdraw": lambda turn, _argument: withdraw(turn),
    "erase": _ask_erase,
    "erase_yes": _erase,
}
WORDS: dict[str, Callable[[Turn], Reply]] = {
    "cua toi": own_data,
    "du lieu cua toi": own_data,
    "go may": unlink,
    "rut dong y": withdraw,
}
