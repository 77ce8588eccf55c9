"""The program and a Telegram server as processes of their own, and an organization whose members have both."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import httpx

from assessment.schedule import TIME_ZONE
from bot.app import open_store
from bot.channels.web_requests import chat_id_of
from bot.config import Config, load_config
from handlers.enrolment import NOTICE
from storage.database import migrate, open_database, session
from storage.tables import CellRow, ConsentRow, LinkRow, MemberRoleRow, MemberRow, MembershipRow, OrganizationRow

PROJECT = Path(__file__).parent.parent.parent
FIRST_CHAT = 10_000_000
READY_WITHIN_S = 60.0


@dataclass(frozen=True, slots=True)
class Person:
    """A member who answers on the web page, by the cookie `token`, and is written to on Telegram."""

    member_id: int
    cell_id: int
    token: str
    chat_id: int


def settle(config: Config, *, cells: int, members: int) -> list[list[Person]]:
    """Put cells of so many members into the database, all linked and agreed, the first of each its secretary."""
    engine = open_database(config.database_url)
    migrate(engine)
    begun = datetime.now(UTC) - timedelta(days=30)
    with session(engine) as opened:
        organization = OrganizationRow(name="Đảng bộ xã An Bình")
        opened.add(organization)
        opened.flush()
        of_cells = [CellRow(organization_id=organization.id, name=f"Chi bộ {n + 1}", settings={}) for n in range(cells)]
        people = [MemberRow(name=f"Đồng chí {n + 1}", has_phone=True) for n in range(cells * members)]
        opened.add_all([*of_cells, *people])
        opened.flush()
        settled = []
        for n, row in enumerate(people):
            person = Person(row.id, of_cells[n // members].id, f"{row.id:032d}", FIRST_CHAT + row.id)
            settled.append(person)
            web = chat_id_of(person.token)
            opened.add(MembershipRow(member_id=row.id, cell_id=person.cell_id))
            # Who is written to hears it where they were linked last.
            opened.add(LinkRow(channel="web", chat_id=web, member_id=row.id, linked_at=begun))
            opened.add(
                LinkRow(
                    channel="telegram",
                    chat_id=str(person.chat_id),
                    member_id=row.id,
                    linked_at=begun + timedelta(days=1),
                )
            )
            opened.add(ConsentRow(member_id=row.id, notice=NOTICE, given_at=begun))
            if n % members == 0:
                opened.add(MemberRoleRow(member_id=row.id, role="secretary"))
    engine.dispose()
    # The keys are made here, so that the program and who looks on afterwards share them.
    open_store(config)
    return [settled[first : first + members] for first in range(0, len(settled), members)]


@contextmanager
def telegram_server(chat_ids: list[int]) -> Iterator["Telegram"]:
    """Give a Telegram server, a process of its own, on which these people have written to the bot before."""
    with _process("telegram") as said:
        server = Telegram(said["port"], said["token"])
        server.ask("meet", {"chat_ids": chat_ids})
        yield server


@contextmanager
def zalo_server(chat_ids: list[str]) -> Iterator["Zalo"]:
    """Give a Zalo server, a process of its own, on which these people have written to the bot before."""
    with _process("zalo", "--allow-local") as said:
        server = Zalo(said["port"], said["token"])
        server.ask("meet", {"chat_ids": chat_ids})
        yield server


@contextmanager
def _process(name: str, *options: str) -> Iterator[dict[str, Any]]:
    process = subprocess.Popen(
        [sys.executable, "-m", f"tests.servers.{name}", *options], cwd=PROJECT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.wait()


@dataclass(frozen=True, slots=True)
class Platform:
    """Where a server listens."""

    port: int
    token: str

    def ask(self, name: str, body: Mapping[str, Any] | None = None) -> Any:
        """Call a /_test method."""
        answer = httpx.post(f"http://127.0.0.1:{self.port}/_test/{name}", json=dict(body or {}), timeout=30)
        return answer.raise_for_status().json()


class Telegram(Platform):
    """The Telegram server, and what it has seen."""

    def sends(self) -> list[tuple[float, int, str]]:
        """Return (when, chat id, text) of the messages that arrived, in order."""
        return [(at, chat_id, text) for at, chat_id, text in self.ask("sends")]


class Zalo(Platform):
    """The Zalo server, and what it has seen."""

    def sends(self) -> list[tuple[float, str, str]]:
        """Return (when, chat id, text) of the messages that arrived, in order."""
        return [(at, chat_id, text) for at, chat_id, text in self.ask("sends")]


class Program:
    """`python -m bot run` with a data folder of its own; started, killed, started again."""

    def __init__(self, folder: Path, telegram: Telegram | None = None) -> None:
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=5, verify=False)
        self._log = folder / "log.txt"
        # Where Python may not keep what it compiled, every start compiles our files again.
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment = {name: value for name, value in environment.items() if not name.startswith("TUSOI_")}
        self.environment = {
            **environment,
            "TUSOI_DATA_DIR": str(folder / "data"),
            "TUSOI_WEB__PORT": str(self.port),
            "TUSOI_LOG__LEVEL": "WARNING",
            "PYTHONTZPATH": str(morning(folder)),
        }
        if telegram is not None:
            self.reach(telegram)

    def reach(self, telegram: Telegram) -> None:
        """Let it find Telegram at a server of ours."""
        base = f"http://127.0.0.1:{telegram.port}"
        self.environment |= {
            "TUSOI_TELEGRAM__TOKEN": telegram.token,
            "TUSOI_TELEGRAM__BASE_URL": f"{base}/bot",
            "TUSOI_TELEGRAM__BASE_FILE_URL": f"{base}/file/bot",
        }

    def reach_zalo(self, zalo: Zalo) -> None:
        """Let it find Zalo at a server of ours, which posts to it."""
        posted_to = free_port()
        self.environment |= {
            "TUSOI_ZALO__TOKEN": zalo.token,
            "TUSOI_ZALO__BASE_URL": f"http://127.0.0.1:{zalo.port}/bot",
            "TUSOI_ZALO__WEBHOOK": f"http://127.0.0.1:{posted_to}/zalo",
            "TUSOI_WEBHOOKS__PORT": str(posted_to),
        }

    @property
    def config(self) -> Config:
        """The settings that it starts with."""
        return load_config(None, self.environment)

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it; see is_ready."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "bot", "run"], cwd=PROJECT, env=self.environment, stdout=log, stderr=log
            )

    def is_ready(self) -> bool:
        """Whether it answers over HTTP.

        Raises:
            RuntimeError: it has ended by itself.
        """
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError(f"the program ended by itself:\n{self._log.read_text()[-2000:]}")
        try:
            # It answers even where it says that something waits too long.
            return self._client.get("/health").status_code in (200, 503)
        except httpx.TransportError:
            return False

    def wait_until_ready(self) -> None:
        """Return when it answers over HTTP.

        Raises:
            RuntimeError: it has ended by itself.
            TimeoutError: it takes too long.
        """
        end = time.monotonic() + READY_WITHIN_S
        while not self.is_ready():
            if time.monotonic() > end:
                raise TimeoutError("the program does not answer")
            time.sleep(0.02)

    def kill(self) -> None:
        """End it with SIGKILL; one that has ended already stays so."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> int:
        """End it as an operator does; return its exit status."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(30)


def morning(folder: Path) -> Path:
    """Return a folder of time zones in which it is between seven and eight in the morning in Vietnam, now.

    Whenever a test runs, no quiet hours keep a message back and no reminder of the day is due yet.
    """
    east = 7 - datetime.now(UTC).hour
    east += 24 if east < -12 else 0
    zones = folder / "zones"
    target = zones / TIME_ZONE
    target.parent.mkdir(parents=True, exist_ok=True)
    # POSIX counts westward: Etc/GMT-7 is seven hours ahead.
    name = f"GMT{-east:+d}" if east else "GMT"
    target.write_bytes((files("tzdata") / "zoneinfo" / "Etc" / name).read_bytes())
    return zones


def free_port() -> int:
    """Return a port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
