import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from bot.channels import zalo_oa_tokens
from bot.channels.posting import new_client
from bot.channels.zalo_oa_tokens import AFTER_REFUSAL, AFTER_TROUBLE, LEASE, NoTokenError, OaTokenKeeper
from bot.config import ZaloOaConfig
from storage.database import open_database
from storage.oa_tokens import Tokens
from storage.store import Store
from tests.servers.zalo_oa import APP_ID, APP_SECRET, REFRESH_TOKEN, TOKEN_LIFE_S, ZaloOAServer
from tests.storage.builders import a_vault, bring_up

NOW = datetime(2026, 11, 26, 8, 0, tzinfo=UTC)


class Hands:
    """A clock whose hands a test turns."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    engine = open_database(f"sqlite:///{tmp_path / 'tu-soi.db'}")
    bring_up(engine)
    yield Store(engine, a_vault())
    engine.dispose()


@pytest.fixture
async def server() -> AsyncIterator[ZaloOAServer]:
    here = ZaloOAServer()
    await here.start()
    yield here
    await here.stop()


@pytest.fixture
def clock() -> Hands:
    return Hands()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zalo_oa_tokens, "SAVE_AGAIN_AFTER_S", 0.01)
    monkeypatch.setattr(zalo_oa_tokens, "LOOK_EVERY_S", 0.02)


def settings(base_url: str, refresh_token: str = REFRESH_TOKEN, app_secret: str = APP_SECRET) -> ZaloOaConfig:
    return ZaloOaConfig(
        app_id=APP_ID,
        app_secret=SecretStr(app_secret),
        refresh_token=SecretStr(refresh_token),
        oa_secret_key=SecretStr("x"),
        oauth_url=f"{base_url}/v4/oa/access_token",
    )


@asynccontextmanager
async def a_keeper(
    base_url: str, store: Store, clock: Callable[[], datetime], *, answer: Any = None, **given: str
) -> AsyncIterator[OaTokenKeeper]:
    """Give a keeper as a program has one; its requests may be answered by a function."""
    async with new_client(httpx.MockTransport(answer) if answer else None) as client:
        keeper = OaTokenKeeper(store, settings(base_url, **given), client, clock)
        yield keeper
        await keeper.close()


async def fails(keeper: OaTokenKeeper) -> float:
    """Return when it makes sense to try again, in seconds."""
    with pytest.raises(NoTokenError) as raised:
        await keeper.access_token()
    assert REFRESH_TOKEN not in str(raised.value)
    return raised.value.retry_after_s


# --- What goes wrong --------------------------------------------------------------------------------------------


async def test_a_program_that_ended_before_keeping_the_new_pair_leaves_a_clear_word(
    server: ZaloOAServer, store: Store, clock: Hands, caplog: pytest.LogCaptureFixture
) -> None:
    with store.transaction() as transaction:
        transaction.oa_tokens.claim(APP_ID, REFRESH_TOKEN, version=0, by="dead", now=NOW, lease=LEASE)
    form = {"refresh_token": REFRESH_TOKEN, "app_id": APP_ID, "grant_type": "refresh_token"}
    async with httpx.AsyncClient() as client:
        await client.post(f"{server.base_url}/v4/oa/access_token", data=form, headers={"secret_key": APP_SECRET})
    clock.now += LEASE
    async with a_keeper(server.base_url, store, clock) as keeper:
        assert await fails(keeper) == AFTER_REFUSAL.total_seconds()
        assert "it is used up or too old, probably because a program ended before" in caplog.text
        assert "put the new refresh token into TUSOI_ZALO_OA__REFRESH_TOKEN" in caplog.text
        # Zalo is not asked again and again.
        clock.now += timedelta(minutes=9)
        assert await fails(keeper) == 60
    assert server.calls == ["access_token"] * 2
    # What the administrator does then:
    server._refresh_token = "authorised-again"
    async with a_keeper(server.base_url, store, clock, refresh_token="authorised-again") as keeper:
        assert (await keeper.access_token()).startswith("access-")


@pytest.mark.parametrize("what", [{"app_secret": "another"}, {"refresh_token": "never-given"}])
async def test_a_refusal_names_the_settings_and_shows_none(
    server: ZaloOAServer, store: Store, clock: Hands, caplog: pytest.LogCaptureFixture, what: dict[str, str]
) -> None:
    async with a_keeper(server.base_url, store, clock, **what) as keeper:
        await fails(keeper)
    assert "TUSOI_ZALO_OA__REFRESH_TOKEN" in caplog.text
    assert ("TUSOI_ZALO_OA__APP_SECRET" in caplog.text) == ("app_secret" in what)
    assert not any(value in caplog.text for value in what.values())


async def test_without_a_network_it_is_tried_again_soon(store: Store, clock: Hands) -> None:
    here = ZaloOAServer()
    await here.start()
    await here.stop()
    async with a_keeper(here.base_url, store, clock) as keeper:
        assert await fails(keeper) == AFTER_TROUBLE.total_seconds()
        await here.start(here.port)
        assert await fails(keeper) == AFTER_TROUBLE.total_seconds()
        assert here.calls == []
        clock.now += AFTER_TROUBLE
        assert (await keeper.access_token()).startswith("access-")
    await here.stop()


async def test_after_a_torn_answer_the_next_try_tells_that_the_token_is_used_up(
    server: ZaloOAServer, store: Store, clock: Hands, caplog: pytest.LogCaptureFixture
) -> None:
    server.fault("access_token", cut=True)
    async with a_keeper(server.base_url, store, clock) as keeper:
        await fails(keeper)
        clock.now += AFTER_TROUBLE
        await fails(keeper)
    assert "it is used up or too old" in caplog.text


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, json={"access_token": "a"}),
        httpx.Response(200, json={"access_token": "a b", "refresh_token": "r"}),
        httpx.Response(200, json={"access_token": "a", "refresh_token": ""}),
        httpx.Response(200, json={"access_token": ["a"], "refresh_token": "r"}),
        httpx.Response(200, json={"error": -14014, "error_name": "x"}),
        httpx.Response(500, content=b"<html>"),
    ],
)
async def test_what_is_no_pair_of_tokens_is_not_kept(store: Store, clock: Hands, answer: httpx.Response) -> None:
    async with a_keeper("http://zalo", store, clock, answer=lambda _: answer) as keeper:
        await fails(keeper)
    with store.transaction() as transaction:
        assert transaction.oa_tokens.read(APP_ID, REFRESH_TOKEN) == Tokens(None, REFRESH_TOKEN, None, 0)


async def test_new_tokens_are_used_only_once_they_are_kept(
    server: ZaloOAServer, store: Store, clock: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_away, write = True, OaTokenKeeper._write

    def sometimes(keeper: OaTokenKeeper, exchanged: Any) -> Tokens:
        if is_away:
            raise OSError("disk full")
        return write(keeper, exchanged)

    monkeypatch.setattr(OaTokenKeeper, "_write", sometimes)
    async with a_keeper(server.base_url, store, clock) as keeper:
        await fails(keeper)
        await fails(keeper)
        is_away = False
        token = await keeper.access_token()
    # They were not asked for again: the first answer was held until it could be kept.
    assert server.refreshes == 1
    with store.transaction() as transaction:
        assert transaction.oa_tokens.read(APP_ID, REFRESH_TOKEN).access == token


async def test_a_database_that_is_away_is_no_token(
    server: ZaloOAServer, store: Store, clock: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> Tokens:
        raise OSError("database is locked")

    monkeypatch.setattr(OaTokenKeeper, "_read", away)
    async with a_keeper(server.base_url, store, clock) as keeper:
        await fails(keeper)
    assert server.calls == []


async def test_who_is_cut_off_while_zalo_answers_loses_nothing(
    server: ZaloOAServer, store: Store, clock: Hands
) -> None:
    server.fault("access_token", hang_s=0.2)
    async with a_keeper(server.base_url, store, clock) as keeper:
        sending = asyncio.create_task(keeper.access_token())
        await server.wait_until(lambda: server.refreshes == 1)
        sending.cancel()
        await asyncio.wait({sending})
        assert sending.cancelled()
    with store.transaction() as transaction:
        assert transaction.oa_tokens.read(APP_ID, REFRESH_TOKEN).version == 1


# --- What goes well ---------------------------------------------------------------------------------------------


async def test_a_token_is_exchanged_before_its_time_is_over(server: ZaloOAServer, store: Store, clock: Hands) -> None:
    async with a_keeper(server.base_url, store, clock) as keeper:
        first = await keeper.access_token()
        clock.now += timedelta(seconds=0.89 * TOKEN_LIFE_S)
        assert await keeper.access_token() == first
        clock.now += timedelta(seconds=0.02 * TOKEN_LIFE_S)
        second = await keeper.access_token()
    assert second != first
    async with a_keeper(server.base_url, store, clock) as keeper:
        assert await keeper.access_token() == second
    assert server.refreshes == 2


@pytest.mark.parametrize(
    ("expires_in", "seconds"),
    [("3600", 3600), (90000, 90000), ("90000", 90000), (None, 3600), ("soon", 3600), (0, 3600), (True, 3600)],
)
async def test_the_life_of_a_token_is_as_zalo_says(
    store: Store, clock: Hands, expires_in: object, seconds: int
) -> None:
    pair = {"access_token": "a", "refresh_token": "r", "expires_in": expires_in}
    async with a_keeper("http://zalo", store, clock, answer=lambda _: httpx.Response(200, json=pair)) as keeper:
        await keeper.access_token()
    with store.transaction() as transaction:
        assert transaction.oa_tokens.read(APP_ID, REFRESH_TOKEN).use_until == NOW + timedelta(seconds=0.9 * seconds)


async def test_many_sends_at_once_exchange_once(server: ZaloOAServer, store: Store, clock: Hands) -> None:
    async with a_keeper(server.base_url, store, clock) as keeper:
        tokens = await asyncio.gather(*(keeper.access_token() for _ in range(20)))
        server.expire_token()
        again = await asyncio.gather(*(keeper.access_token(refused=tokens[0]) for _ in range(20)))
    assert len(set(tokens)) == len(set(again)) == 1
    assert tokens[0] != again[0]
    assert server.refreshes == 2


@pytest.mark.usefixtures("store")
async def test_two_programs_at_once_use_a_refresh_token_once(
    server: ZaloOAServer, tmp_path: Path, clock: Hands, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    server.fault("access_token", hang_s=0.1, times=10)
    together = threading.Barrier(2)
    got: list[list[str]] = []

    async def exchange_often() -> list[str]:
        engine = open_database(f"sqlite:///{tmp_path / 'tu-soi.db'}")
        tokens: list[str] = []
        async with a_keeper(server.base_url, Store(engine, a_vault()), clock) as keeper:
            for _ in range(4):
                await asyncio.to_thread(together.wait, 30)
                tokens.append(await keeper.access_token(refused=tokens[-1] if tokens else None))
        engine.dispose()
        return tokens

    threads = [threading.Thread(target=lambda: got.append(asyncio.run(exchange_often()))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        await asyncio.to_thread(thread.join, 60)
    assert len(got) == 2
    assert got[0] == got[1]
    assert len(set(got[0])) == 4
    assert server.refreshes == 4
    assert caplog.text == ""
