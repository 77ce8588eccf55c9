import re
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from assessment.model import Role
from handlers.audience import Audience, audience
from handlers.command_texts import COMMANDS
from handlers.messages import IncomingMessage
from handlers.router import _COMMANDS
from handlers.services import Options, Services
from knowledge.answer import KnowledgeBase
from storage.store import Store
from tests.handlers.conftest import Village

NOW = datetime(2026, 11, 26, 1, 0, tzinfo=UTC)
OPTIONS = Options(admins=frozenset({"console:chef", "console:sec"}))


@pytest.fixture
def look(store: Store, knowledge: KnowledgeBase) -> Callable[..., Audience]:
    """Give what says whose commands the person with some roles is shown."""
    village = Village(store, knowledge, NOW, OPTIONS)

    def of(user: str, *roles: Role, is_linked: bool = True) -> Audience:
        if is_linked:
            village.add(user, "Nguyễn Văn An", *roles)
            village.enrol(user)
        with store.transaction() as transaction:
            asking = IncomingMessage("console", user, "menu", "", NOW)
            return audience(asking, transaction, Services(knowledge, options=OPTIONS))

    return of


@pytest.mark.parametrize(
    ("roles", "expected"),
    [
        ((), Audience.MEMBER),
        ((Role.INSPECTOR,), Audience.MEMBER),
        ((Role.COMMITTEE_MEMBER,), Audience.MEMBER),
        ((Role.SECRETARY,), Audience.SECRETARY),
        ((Role.DEPUTY_SECRETARY,), Audience.SECRETARY),
        ((Role.ADMIN,), Audience.ADMIN),
        ((Role.ADMIN, Role.SECRETARY), Audience.ADMIN),
    ],
)
def test_a_person_is_shown_the_commands_of_the_role(
    look: Callable[..., Audience], roles: tuple[Role, ...], expected: Audience
) -> None:
    assert look("u1", *roles) is expected


def test_who_is_nobody_yet_is_shown_the_members(look: Callable[..., Audience]) -> None:
    assert look("stranger", is_linked=False) is Audience.MEMBER


def test_whom_the_settings_name_is_an_administrator(
    look: Callable[..., Audience], store: Store, knowledge: KnowledgeBase
) -> None:
    # Before a first word there is no conversation, and the menu can wait for it.
    assert look("chef", is_linked=False) is Audience.MEMBER
    Village(store, knowledge, NOW, OPTIONS).say("chef", "chào")
    assert look("chef", is_linked=False) is Audience.ADMIN
    assert look("sec", Role.SECRETARY) is Audience.ADMIN


@pytest.mark.parametrize("of", list(Audience))
def test_every_command_is_one_that_telegram_takes_and_that_does_something(of: Audience) -> None:
    commands = COMMANDS[of]
    assert 5 <= len(commands) <= 100
    assert len({name for name, _ in commands}) == len(commands)
    for name, description in commands:
        assert re.fullmatch(r"[a-z0-9_]{1,32}", name)
        assert 1 <= len(description) <= 60
        assert name.replace("_", " ") in _COMMANDS


def test_the_members_commands_are_in_every_menu() -> None:
    member = COMMANDS[Audience.MEMBER]
    assert all(set(member) <= set(commands) for commands in COMMANDS.values())
    assert not {"tien_do", "nhac", "nap_lai"} & {name for name, _ in member}
    assert "nap_lai" not in {name for name, _ in COMMANDS[Audience.SECRETARY]}
