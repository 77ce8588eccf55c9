"""The same transcripts, played in the terminal, on the web page, in Telegram and in Zalo, give the same words."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from pathlib import Path

import pytest

from assessment.roster_file import read_roster
from bot.channels import telegram as channel
from bot.channels import webchat
from handlers.roster import import_roster
from knowledge.answer import KnowledgeBase
from storage.database import open_database
from storage.store import Store
from tests.channels.program import Clock, Program, a_gateway
from tests.channels.stages import (
    ConsoleStage,
    Said,
    Stage,
    TelegramStage,
    WebStage,
    ZaloStage,
    moment,
    perform,
    without_notices,
)
from tests.servers.telegram import TelegramServer
from tests.servers.zalo import ZaloServer
from tests.storage.builders import a_vault, bring_up
from tests.transcripts.replay import FOLDER, Turn, read

NOW = moment("05/11/2026 08:00")
ALONE = ("hoi-tiep", "muc-luc")


class House:
    """A database of its own for each place, with the same people on the roster."""

    def __init__(self, folder: Path, knowledge: KnowledgeBase) -> None:
        self._folder, self._knowledge = folder, knowledge
        self._count = 0

    def stage_for(self, roster: str | None, now: datetime) -> tuple[Store, dict[str, str]]:
        self._count += 1
        engine = open_database(f"sqlite:///{self._folder / f'{self._count}.db'}")
        bring_up(engine)
        store = Store(engine, a_vault())
        if roster is None:
            return store, {}
        with store.transaction() as transaction:
            reported = import_roster(transaction, read_roster(FOLDER / roster), now=now, dry_run=False)
        return store, {result.name: code for result, code in reported if code is not None}

    @asynccontextmanager
    async def console(self, store: Store, clock: Clock) -> AsyncIterator[Stage]:
        stage = ConsoleStage(store, a_gateway(store, self._knowledge), clock)
        await stage.begin()
        yield stage

    @asynccontextmanager
    async def web(self, store: Store, clock: Clock) -> AsyncIterator[Stage]:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(webchat, "datetime", clock.instead_of_datetime())
            yield WebStage(store, a_gateway(store, self._knowledge), clock)

    @asynccontextmanager
    async def telegram(self, store: Store, clock: Clock) -> AsyncIterator[Stage]:
        server = TelegramServer()
        await server.start()
        program = Program(store, a_gateway(store, self._knowledge), telegram=server, clock=clock)
        try:
            with pytest.MonkeyPatch.context() as patched:
                # When a file was handed over is told to whom it tells of.
                patched.setattr(channel, "datetime", clock.instead_of_datetime())
                async with program.running():
                    yield TelegramStage(program, server, clock)
        finally:
            await server.stop()

    @asynccontextmanager
    async def zalo(self, store: Store, clock: Clock) -> AsyncIterator[Stage]:
        server = ZaloServer()
        await server.start()
        program = Program(store, a_gateway(store, self._knowledge), zalo=server, polls=True, clock=clock)
        try:
            async with program.running():
                yield ZaloStage(program, server, clock)
        finally:
            await server.stop()


@pytest.fixture
def house(tmp_path: Path, curated_knowledge: KnowledgeBase) -> House:
    return House(tmp_path, curated_knowledge)


async def played(house: House, where: str, name: str, turns: Sequence[Turn]) -> list[dict[str, Said]]:
    """Play a transcript somewhere; return for each turn who heard what."""
    clock, roster = Clock(NOW), None
    if turns[0].said.startswith("[danh sách "):
        roster = turns[0].said.removeprefix("[danh sách ").removesuffix("]")
        turns = turns[1:]
    store, codes = house.stage_for(roster, NOW)
    begin: Callable[[Store, Clock], AbstractAsyncContextManager[Stage]] = getattr(house, where)
    async with begin(store, clock) as stage:
        return await perform(stage, turns, name, codes)


def script(name: str, *, blocks: bool = True) -> list[Turn]:
    """Return the turns of a transcript; on request without those in which somebody blocks us."""
    turns = read(FOLDER / f"{name}.txt")
    return [turn for turn in turns if blocks or not turn.said.endswith("chặn]")]


def differences(turns: Sequence[Turn], expected: list[dict[str, Said]], heard: list[dict[str, Said]]) -> list[str]:
    """Return after which turns something else was heard than in the terminal, which does not tell notices apart."""
    acted = [turn.said for turn in turns if not turn.said.startswith("[danh sách ")]
    pairs = zip(acted, expected, heard, strict=True)
    return [f"after “{said}”: {there} {here}" for said, there, here in pairs if there != without_notices(here)]


@pytest.mark.parametrize("name", [*ALONE, "tu-danh-gia"])
async def test_a_conversation_is_the_same_wherever_it_is_held(house: House, name: str) -> None:
    turns = script(name)
    expected = await played(house, "console", name, turns)
    assert any(said.choices for heard in expected for said in heard.values())
    on = {where: await played(house, where, name, turns) for where in ("web", "telegram", "zalo")}
    for where, heard in on.items():
        assert differences(turns, expected, heard) == [], where
    # And notices are notices everywhere.
    assert on["web"] == on["telegram"] == on["zalo"]


async def test_a_secretarys_round_is_the_same_where_somebody_may_block_us(house: House) -> None:
    turns = script("bi-thu")
    expected = await played(house, "console", "bi-thu", turns)
    assert any(said.files for heard in expected for said in heard.values())
    for where in ("telegram", "zalo"):
        assert differences(turns, expected, await played(house, where, "bi-thu", turns)) == [], where


async def test_a_secretarys_round_is_the_same_on_the_page_where_nobody_blocks(house: House) -> None:
    turns = script("bi-thu", blocks=False)
    expected = await played(house, "console", "bi-thu", turns)
    assert differences(turns, expected, await played(house, "web", "bi-thu", turns)) == []
