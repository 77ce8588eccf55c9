"""Which web page this is about, and which page does the same as a message's buttons."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from handlers import (
    checklist_page,
    enrolment,
    exports,
    files,
    member_texts,
    references_texts,
    secretary_page,
    secretary_texts,
)
from handlers.files import File
from handlers.messages import BlockKind, IncomingMessage
from handlers.page_command import Command, CommandNotUnderstood, words_in
from handlers.services import Services, Turn
from storage.store import Conversation, StoredButton, Transaction

# Each does what a command says and returns what to show; "look" does nothing.
_PAGES: Mapping[str, Callable[[Turn, str, Command], dict[str, Any]]] = {
    "checklist": checklist_page.serve,
    "secretary": secretary_page.serve,
}
CHECKLIST_PATH, SECRETARY_PATH, DOCUMENTS_PATH = "/tu-danh-gia", "/bi-thu", "/van-ban"
_WITH_FILES = frozenset({"code", "look", "submit", "press", "read"})
_TO_CHECKLIST = frozenset({"ck_next", "ck_submit", "ck_again"})
_TO_SECRETARY = frozenset({"rp_open", "rp_progress", "rp_remind", "rp_summary"})


def make_page(
    message: IncomingMessage,
    conversation: Conversation,
    transaction: Transaction,
    kind: str,
    command: Command,
    services: Services,
) -> dict[str, Any]:
    """Do what was done on a page; return what the page shows now, and in "said" or "refused" what came of it.

    Raises:
        CommandNotUnderstood: no page of ours sends this.
    """
    turn = Turn(message, conversation, None, transaction, services)
    act = words_in(command, "do")
    page = _PAGES.get(kind)
    if page is None:
        raise CommandNotUnderstood(f"there is no page {kind}")
    if act == "code":
        # Whoever has given a code sees the page as it is then.
        shown = {**_redeem(turn, words_in(command, "code")), **page(turn, "look", {})}
    else:
        shown = page(turn, act, command)
    if act in _WITH_FILES:
        shown["files"] = [
            {"name": name, "url": f"/api/pages/{kind}/files/{number}", "label": exports.label_of(recipe)}
            for number, (name, recipe) in enumerate(_files(turn, kind), start=1)
        ]
    return shown


def make_page_file(
    message: IncomingMessage,
    conversation: Conversation,
    transaction: Transaction,
    kind: str,
    number: int,
    services: Services,
) -> Callable[[], File] | None:
    """Return how to draw a file that a page offers, by its place from 1; None where this person may not have it."""
    turn = Turn(message, conversation, None, transaction, services)
    offered = _files(turn, kind)
    return files.make(turn, *offered[number - 1]) if 1 <= number <= len(offered) else None


def _files(turn: Turn, kind: str) -> list[tuple[str, str]]:
    """Return the files that a page offers now: (name, recipe)."""
    if kind == "secretary":
        offered = (
            *exports.files_of_latest(turn),
            *exports.roll_ups_of_latest(turn),
            *exports.cells_files_of_latest(turn),
        )
        # The page draws the chart itself.
        return [(name, recipe) for name, recipe in offered if not recipe.startswith("chart:")]
    if kind == "checklist":
        parts = (block.text.partition("\n") for block in exports.own(turn).blocks if block.kind is BlockKind.FILE)
        return [(name, recipe) for name, _, recipe in parts]
    return []


def links_beside(buttons: Sequence[StoredButton]) -> list[tuple[str, str]]:
    """Return (label, path) of the pages on which what these buttons do can be done, too."""
    actions = {button.action for button in buttons}
    links = []
    if actions & _TO_CHECKLIST:
        links.append((member_texts.ON_THE_PAGE, CHECKLIST_PATH))
    if actions & _TO_SECRETARY:
        links.append((secretary_texts.ON_THE_PAGE, SECRETARY_PATH))
    if "rf_list" in actions:
        links.append((references_texts.ON_THE_PAGE, DOCUMENTS_PATH))
    return links


def _redeem(turn: Turn, code: str) -> dict[str, str]:
    said = enrolment.redeem(turn, code).text
    member = enrolment.member_in(turn)
    if member is not None:
        greeting = member_texts.linked(member.name, turn.transaction.people.cell(member.cell_id).name)
        # What else is said in chat, the page shows by itself.
        if said.startswith(greeting):
            return {"said": greeting}
    return {"refused": said}
