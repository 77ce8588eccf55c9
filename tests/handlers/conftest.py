import contextlib
import io
import json
import sqlite3
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from assessment.model import Role
from bot.channels.console import Console
from bot.gateway import Gateway
from handlers.reminders import queue_some
from handlers.retention import erase_old
from handlers.router import handle, make_file
from handlers.services import Options, Services
from knowledge.answer import KnowledgeBase
from storage.database import open_database
from storage.store import Store
from tests.builders import known_checklists
from tests.storage.builders import a_vault, bring_up

PROJECT = Path(__file__).parent.parent.parent


class Village:
    """A cell with a secretary and members, and everybody's phone."""

    def __init__(self, store: Store, knowledge: KnowledgeBase, now: datetime, options: Options | None = None) -> None:
        self.store, self.now = store, now
        checklists = {(checklist.id, checklist.version): checklist for checklist in known_checklists()}
        services = Services(knowledge, checklists, options or Options())
        self.gateway = Gateway(self.store, partial(handle, services=services), partial(make_file, services=services))
        self._console = Console(
            self.gateway,
            self.store,
            lambda opened, at, after: queue_some(opened, now=at, checklists=checklists, after=after),
            lambda opened, at: erase_old(opened, now=at, keep_months=services.options.keep_months, trusts_clock=True),
        )
        self.ids: dict[str, int] = {}
        self.choices: dict[str, list[str]] = {}
        self.choice_ids: dict[str, list[str]] = {}
        # What came with the latest answer to each, by the ending of its name.
        self.files: dict[str, dict[str, Path]] = {}
        with self.store.transaction() as transaction:
            people = transaction.people
            self.cell = people.add_cell(people.add_organization("Đảng bộ xã An Bình"), "Chi bộ 3")
        self.set_clock(now)

    def add(self, user: str, name: str, *roles: Role, has_phone: bool = True) -> None:
        """Put a person on the roster."""
        with self.store.transaction() as transaction:
            self.ids[user] = transaction.people.add_member(self.cell, name, roles=roles, has_phone=has_phone)

    def code(self, user: str) -> str:
        """Return a code for a person."""
        with self.store.transaction() as transaction:
            return transaction.people.issue_code(self.ids[user], now=self.now, valid_for=timedelta(days=7))

    def enrol(self, *users: str) -> None:
        """Link people's phones and let them agree."""
        for user in users:
            self.say(user, f"/start {self.code(user)}")
            assert "đã lưu sự đồng ý" in self.choose(user, "Đồng ý")

    def set_clock(self, now: datetime) -> dict[str, str]:
        """Set the clock and run what is due; return what reached whom."""
        self.now = now
        return {message["to"]: message["text"] for message in self._do({"now": now.isoformat()})["messages"]}

    def block(self, user: str, *, blocked: bool = True) -> None:
        """Let deliveries to a person fail, or arrive again."""
        self._do({"block" if blocked else "unblock": user})

    def say(self, user: str, text: str) -> str:
        """Send a text; return what is answered, choices as "[1] …"."""
        return self._drawn(self._do({"user": user, "text": text}))

    def choose(self, user: str, label: str) -> str:
        """Tap the choice of the latest message that begins so."""
        labels = [choice for choice in self.choices[user] if choice.startswith(label)]
        assert labels, f"{label!r} is none of {self.choices.get(user)}"
        return self._drawn(self._do({"user": user, "choose": self.choices[user].index(labels[0]) + 1}))

    def tap(self, user: str, button_id: str) -> str:
        """Tap an older button."""
        return self._drawn(self._do({"user": user, "tap": button_id}))

    def _do(self, command: dict[str, Any]) -> dict[str, Any]:
        out = io.StringIO()
        self._console.drive([json.dumps(command, ensure_ascii=False)], out)
        answer: dict[str, Any] = json.loads(out.getvalue())
        assert "error" not in answer, answer
        return answer

    def _drawn(self, answer: dict[str, Any]) -> str:
        lines: list[str] = []
        for message in answer["messages"]:
            if message["choices"]:
                self.choices[message["to"]] = message["choices"]
                self.choice_ids[message["to"]] = message["choice_ids"]
            self.files[message["to"]] = {Path(file["name"]).suffix[1:]: Path(file["path"]) for file in message["files"]}
            lines += [message["text"], *(f"[{n}] {choice}" for n, choice in enumerate(message["choices"], 1))]
        return "\n".join(lines)

    def answers(self, user: str, month: date) -> dict[int, Any]:
        """Return what a person has answered in a month's round."""
        with self.store.transaction() as transaction:
            [found] = [r for r in transaction.rounds.of_cell(self.cell) if r.month == month]
            return dict(transaction.rounds.answers(found.id, self.ids[user]))


@dataclass(frozen=True, slots=True)
class _Stage:
    """How a village was left: its database, and what its people know."""

    database: sqlite3.Connection
    now: datetime
    known: dict[str, Any]


_STAGES: dict[str, _Stage] = {}
_KNOWN = ("ids", "choices", "choice_ids")


def staged(village: Village, build: Callable[[Village], None]) -> Village:
    """Return a new village after something has happened in it; it happens once, and is copied from then on."""
    engine = village.store._engine
    if engine.dialect.name != "sqlite":
        build(village)
        return village
    name = f"{build.__module__}.{build.__qualname__}"
    with contextlib.closing(sqlite3.connect(str(engine.url.database))) as database:
        if name not in _STAGES:
            build(village)
            kept = sqlite3.connect(":memory:", check_same_thread=False)
            database.backup(kept)
            _STAGES[name] = _Stage(kept, village.now, deepcopy({each: getattr(village, each) for each in _KNOWN}))
            return village
        stage = _STAGES[name]
        stage.database.backup(database)
    for each, known in deepcopy(stage.known).items():
        setattr(village, each, known)
    # Told without a word: setting the clock would send what waits.
    village.now = village._console._now = stage.now
    return village


@pytest.fixture(scope="session")
def knowledge(plain_knowledge: KnowledgeBase) -> KnowledgeBase:
    return plain_knowledge


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    engine = open_database(f"sqlite:///{tmp_path / 'tu-soi.db'}")
    bring_up(engine)
    yield Store(engine, a_vault())
    engine.dispose()


@pytest.fixture
def village(store: Store, knowledge: KnowledgeBase) -> Village:
    return Village(store, knowledge, datetime(2026, 11, 5, 2, tzinfo=UTC))
