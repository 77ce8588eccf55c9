"""A cell behind the real pages, for tests of them: a real database, the real documents, a round open today."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from assessment.model import Role
from assessment.schedule import local_day
from bot.channels.web_requests import COOKIE, chat_id_of
from bot.channels.webchat import WebChat
from bot.config import WebConfig
from bot.gateway import Gateway
from handlers.enrolment import NOTICE
from handlers.pages import make_page, make_page_file
from handlers.router import handle, make_file
from handlers.services import Services
from knowledge.answer import KnowledgeBase
from storage.database import open_database
from storage.rounds import StoredAnswer
from storage.store import Store
from tests.builders import known_checklists
from tests.storage.builders import a_vault, bring_up

FOCUS = (3, 12, 18)
AN, BINH, CUONG, DUNG = "Nguyễn Văn An", "Trần Thị Bình", "Lê Văn Cường", "Phạm Thị Dung"
GROUPS = ((1, 4, 5), (2, 3, 7, 8), (6, 9, 13), (10, 11, 12), (14, 15, 16, 17), (18, 19))
HOSTILE = '<img src=x onerror="alert(1)"></script><script>alert(2)</script>'


class Hamlet:
    """A cell with people, their codes, a round, and the web chat that serves them."""

    def __init__(self, folder: Path, knowledge: KnowledgeBase) -> None:
        engine = open_database(f"sqlite:///{folder / 'hamlet.db'}")
        bring_up(engine)
        self.store = Store(engine, a_vault())
        checklists = {(checklist.id, checklist.version): checklist for checklist in known_checklists()}
        services = Services(knowledge, checklists)
        gateway = Gateway(
            self.store,
            partial(handle, services=services),
            partial(make_file, services=services),
            partial(make_page, services=services),
            partial(make_page_file, services=services),
        )
        self.web = WebChat(WebConfig(port=0), gateway, self.store)
        self.ids: dict[str, int] = {}
        with self.store.transaction() as transaction:
            people = transaction.people
            self.organization = people.add_organization("Đảng bộ xã An Bình")
            self.cell = people.add_cell(self.organization, "Chi bộ 3")

    def add(self, name: str, *roles: Role, has_phone: bool = True, cell: int | None = None) -> int:
        """Put a person on the roster."""
        with self.store.transaction() as transaction:
            added = transaction.people.add_member(cell or self.cell, name, roles=roles, has_phone=has_phone)
        self.ids[name] = added
        return added

    def code(self, name: str, *, valid_for: timedelta = timedelta(days=7)) -> str:
        """Return a code for a person."""
        with self.store.transaction() as transaction:
            return transaction.people.issue_code(self.ids[name], now=datetime.now(UTC), valid_for=valid_for)

    def agree(self, name: str) -> None:
        """Let a person have agreed to the notice."""
        with self.store.transaction() as transaction:
            transaction.people.consent(self.ids[name], NOTICE, now=datetime.now(UTC))

    def enrol(self, name: str, token: str) -> None:
        """Link the browser that has this cookie to a person who has agreed."""
        with self.store.transaction() as transaction:
            now = datetime.now(UTC)
            code = transaction.people.issue_code(self.ids[name], now=now, valid_for=timedelta(days=7))
            transaction.people.redeem("web", chat_id_of(token), code, now=now)
        self.agree(name)

    def open(self, *, due_in: int = 10, grace_days: int = 3, months_ago: int = 0, cell: int | None = None) -> int:
        """Open a round that is due in so many days; return its id."""
        today = local_day(datetime.now(UTC))
        month = today.replace(day=1)
        for _ in range(months_ago):
            month = (month - timedelta(days=1)).replace(day=1)
        due_on = today + timedelta(days=due_in) if not months_ago else month + timedelta(days=20)
        with self.store.transaction() as transaction:
            opened, _ = transaction.rounds.open(
                cell or self.cell,
                month,
                checklist=("37-qd-tw-2021", 1),
                opened_on=min(today, due_on) if not months_ago else month,
                due_on=due_on,
                grace_days=grace_days,
                focus=FOCUS,
            )
        return opened.id

    def answers(self, name: str, round_id: int) -> Mapping[int, StoredAnswer]:
        """Return what a person has answered."""
        with self.store.transaction() as transaction:
            return transaction.rounds.answers(round_id, self.ids[name])

    def visitor(self, token: str | None = None) -> httpx.AsyncClient:
        """Return a browser, of somebody new or with this cookie."""
        transport = httpx.ASGITransport(self.web.app, raise_app_exceptions=False)
        cookies = {COOKIE: token} if token else None
        return httpx.AsyncClient(transport=transport, base_url="http://tu-soi.test", cookies=cookies)


def token_of(letter: str) -> str:
    """Return the cookie of a browser, always the same for a letter."""
    return letter * 32


async def do(client: httpx.AsyncClient, page: str, act: str, **values: Any) -> dict[str, Any]:
    """Do something on a page; return what it shows then."""
    answer = await client.post(f"/api/pages/{page}", json={"do": act, **values})
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


async def fill_in(client: httpx.AsyncClient, round_id: int) -> dict[str, Any]:
    """Answer that there is nothing, group by group, and hand in."""
    for group, numbers in enumerate(GROUPS, start=1):
        await do(client, "checklist", "show", round=round_id, group=group)
        for number in set(numbers) & set(FOCUS):
            await do(client, "checklist", "answer", round=round_id, item=number, answer="none")
        await do(client, "checklist", "group", round=round_id, group=group)
    return await do(client, "checklist", "submit", round=round_id)
