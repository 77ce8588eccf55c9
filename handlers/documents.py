"""What an administrator does with documents: load them, go back, look at what was scanned."""

import re
from collections.abc import Callable

from assessment.access import Data
from handlers import document_texts
from handlers.messages import Block, BlockKind, Button, IncomingMessage, Reply, job, say
from handlers.services import Services, Turn
from handlers.viewers import ANYTHING, Looker, looker_in
from knowledge.intake.model import Intake
from knowledge.reload import LiveKnowledge, Report, Result
from knowledge.text import fold
from storage.store import Conversation, Transaction

RELOAD, ROLL_BACK, RECEIVE = "reload", "rollback", "receive"
# What a chat message shows of a scanned text at once, in characters.
_SHOWN = 1500
_FORCED = re.compile(r"(?:vẫn|van)\s+(?:nạp|nap)\b[\s:,.]*(.*)", re.IGNORECASE | re.DOTALL)
_ROLLED_BACK = re.compile(r"khoi phuc (?:(?:lai|ve|phien|ban|so) ){0,4}(\d{1,6})[.!]?")
_SHORTEST_REASON = 5
_CHOICES = 2


def typed(turn: Turn, line: str) -> Reply | None:
    """Answer "vẫn nạp REASON": load although golden questions fail; and "khôi phục NUMBER": back to that version.

    None where something else was typed.
    """
    back = _ROLLED_BACK.fullmatch(fold(line))
    if back is not None:
        return roll_back(turn, back[1])
    found = _FORCED.fullmatch(line)
    if found is None:
        return None
    admin = _admin(turn)
    if isinstance(admin, Reply):
        return admin
    reason = " ".join(found[1].split())
    if len(reason) < _SHORTEST_REASON:
        return say(document_texts.REASON_NEEDED)
    turn.transaction.audit.note(admin.actor, "reload documents by force", "", now=turn.now)
    return job(say(document_texts.STARTED), RELOAD, by=admin.actor, reason=reason)


def reload(turn: Turn, _argument: str = "") -> Reply:
    """Begin to load what is in the folder and in the tray."""
    admin = _admin(turn)
    if isinstance(admin, Reply):
        return admin
    turn.transaction.audit.note(admin.actor, "reload documents", "", now=turn.now)
    return job(say(document_texts.STARTED), RELOAD, by=admin.actor)


def roll_back(turn: Turn, argument: str = "") -> Reply:
    """Begin to let an earlier version answer again; by its number, else the one before."""
    admin = _admin(turn)
    if isinstance(admin, Reply):
        return admin
    turn.transaction.audit.note(admin.actor, "roll back documents", argument, now=turn.now)
    return job(say(document_texts.ROLLING_BACK), ROLL_BACK, by=admin.actor, to=argument)


def receive(turn: Turn) -> Reply | None:
    """Begin to load a file that an administrator sent; None where somebody else sent it."""
    message = turn.message
    looker = looker_in(turn)
    if looker is None or not looker.may(Data.DOCUMENTS, ANYTHING) or message.file_ref is None:
        return None
    turn.transaction.audit.note(looker.actor, "receive document", "", now=turn.now)
    sent = {"ref": message.file_ref, "name": message.file_name or ""}
    return job(say(document_texts.RECEIVED), RECEIVE, by=looker.actor, **sent)


def takes_files(
    message: IncomingMessage, conversation: Conversation, transaction: Transaction, services: Services
) -> bool:
    """Whether a file from this chat would be read."""
    looker = looker_in(Turn(message, conversation, None, transaction, services))
    return looker is not None and looker.may(Data.DOCUMENTS, ANYTHING) and services.live is not None


def reported(report: Report) -> Reply:
    """Return what to say when a load or a step back has ended."""
    said = document_texts.report(report)
    buttons: list[Button] = []
    if report.result is Result.REFUSED:
        buttons.append(Button(document_texts.FORCE, "dk_force"))
    elif report.result in (Result.LOADED, Result.ROLLED_BACK) and report.before:
        loaded = report.result is Result.LOADED
        label = document_texts.ROLL_BACK if loaded else document_texts.UNDO_ROLL_BACK
        buttons.append(Button(label, "dk_rollback", str(report.before)))
    if report.drafts:
        buttons.append(Button(document_texts.SEE_DRAFT, "dk_drafts"))
    return say(said, *buttons)


def _force(turn: Turn, _argument: str) -> Reply:
    admin = _admin(turn)
    return admin if isinstance(admin, Reply) else say(document_texts.FORCE_HOW)


def drafts(turn: Turn, _argument: str = "") -> Reply:
    """List the scanned texts that wait for a person."""
    admin = _admin(turn)
    if isinstance(admin, Reply):
        return admin
    waiting = _live(turn).library.drafts()
    if not waiting:
        return say(document_texts.NO_DRAFTS)
    buttons = [Button(document_texts.see_draft(draft), "dk_draft", f"{draft.sha256}:0") for draft in waiting]
    return say(document_texts.drafts(waiting), *buttons[: _CHOICES + 1])


def _draft(turn: Turn, argument: str) -> Reply:
    found = _waiting(turn, argument.partition(":")[0])
    if isinstance(found, Reply):
        return found
    begin = int(argument.partition(":")[2] or 0)
    end = _end_shown(found.text, begin)
    buttons = [] if end == len(found.text) else [Button(document_texts.DRAFT_ON, "dk_draft", f"{found.sha256}:{end}")]
    if end == len(found.text):
        # Confirmed is what was read to its end.
        buttons.append(Button(document_texts.CONFIRM_DRAFT, "dk_confirm", found.sha256))
    buttons.append(Button(document_texts.LEAVE_IT, "dk_leave"))
    shown = Block(BlockKind.QUOTE, found.text[begin:end].strip() or "…")
    return Reply((Block(BlockKind.TEXT, document_texts.draft_head(found, begin, end)), shown), tuple(buttons))


def _end_shown(text: str, begin: int) -> int:
    """Return where one message of a scanned text ends: at the end of a line, where there is one."""
    if len(text) <= begin + _SHOWN:
        return len(text)
    return text.rfind("\n", begin, begin + _SHOWN) + 1 or begin + _SHOWN


def _confirm(turn: Turn, sha256: str) -> Reply:
    found = _waiting(turn, sha256)
    if isinstance(found, Reply):
        return found
    admin = _admin(turn)
    if isinstance(admin, Reply):
        return admin
    _live(turn).library.confirm(sha256, by=admin.actor)
    turn.transaction.audit.note(admin.actor, "confirm scanned document", sha256[:16], now=turn.now)
    return job(say(document_texts.draft_confirmed(found)), RELOAD, by=admin.actor)


def _leave(_turn: Turn, _argument: str) -> Reply:
    return say(document_texts.LEFT_AS_IT_WAS)


WORDS: dict[str, Callable[[Turn], Reply]] = {
    "nap lai": reload,
    "nap van ban": reload,
    "khoi phuc": roll_back,
    "ban quet": drafts,
}
ACTIONS: dict[str, Callable[[Turn, str], Reply]] = {
    "dk_reload": reload,
    "dk_rollback": roll_back,
    "dk_force": _force,
    "dk_drafts": drafts,
    "dk_draft": _draft,
    "dk_confirm": _confirm,
    "dk_leave": _leave,
}


def _admin(turn: Turn) -> Looker | Reply:
    looker = looker_in(turn)
    if looker is None or not looker.may(Data.DOCUMENTS, ANYTHING):
        return say(document_texts.ONLY_ADMIN)
    return looker if turn.services.live is not None else say(document_texts.NOT_HERE)


def _live(turn: Turn) -> LiveKnowledge:
    live = turn.services.live
    if live is None:
        raise RuntimeError("documents are not loaded here")
    return live


def _waiting(turn: Turn, sha256: str) -> Intake | Reply:
    """Return a scanned text that waits; else what to say."""
    admin = _admin(turn)
    if isinstance(admin, Reply):
        return admin
    found = next((draft for draft in _live(turn).library.drafts() if draft.sha256 == sha256), None)
    return found if found is not None else say(document_texts.DRAFT_GONE)
