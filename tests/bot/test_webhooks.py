"""The web server that platforms post to."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bot.channels.base import ChannelError
from bot.floods import Floods, Verdict
from bot.health import look
from bot.webhooks import Webhooks
from storage.database import open_database
from storage.store import Store
from tests.storage.builders import a_vault, bring_up

NOW = datetime(2026, 11, 26, 1, 0, tzinfo=UTC)


async def _take(request: Request) -> Response:
    return PlainTextResponse((await request.body()).decode())


def webhooks(health: dict[str, Any], port: int = 0) -> Webhooks:
    return Webhooks("127.0.0.1", port, [Route("/telegram", _take, methods=["POST"])], lambda: health)


async def test_what_is_posted_reaches_its_route_and_nothing_else_is_there() -> None:
    server = webhooks({"ok": True})
    await server.start()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as client:
        assert (await client.post("/telegram", content="chào")).text == "chào"
        assert (await client.get("/telegram")).status_code == 405
        assert (await client.get("/")).status_code == 404
    await server.stop()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{server.port}/health")


@pytest.mark.parametrize(("is_well", "status"), [(True, 200), (False, 503)])
async def test_whoever_watches_learns_how_far_behind_we_are(is_well: bool, status: int) -> None:
    server = webhooks({"ok": is_well, "updates_waiting": 3})
    await server.start()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as client:
        answer = await client.get("/health")
    await server.stop()
    assert (answer.status_code, answer.json()) == (status, {"ok": is_well, "updates_waiting": 3})


async def test_a_taken_port_is_told_with_its_setting() -> None:
    first = webhooks({"ok": True})
    await first.start()
    with pytest.raises(ChannelError, match=r"webhooks cannot listen .* set webhooks\.port \(TUSOI_WEBHOOKS__PORT\)"):
        await webhooks({"ok": True}, first.port).start()
    await first.stop()


def test_health_tells_ages_and_counts(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'chat.db'}")
    bring_up(engine)
    with Store(engine, a_vault()).transaction() as transaction:
        assert look(transaction.inbox, transaction.replies, now=NOW).as_json() == {
            "ok": True,
            "updates_waiting": 0,
            "oldest_update_s": None,
            "oldest_unsent_s": None,
            "updates_aside": 0,
            "replies_unknown": 0,
        }
        conversation = transaction.conversation("telegram", "7", now=NOW)
        message = transaction.add_reply(conversation.id, [("text", "Chào")], [], in_reply_to=None, now=NOW)
        transaction.replies.queue(message.id, "telegram", "7", worker="w", now=NOW)
        transaction.inbox.put("telegram", [("u1", "7", "{}")], now=NOW - timedelta(seconds=30))
        found = look(transaction.inbox, transaction.replies, now=NOW + timedelta(seconds=10))
        assert (found.waiting, found.oldest_update_s, found.oldest_unsent_s, found.is_well) == (1, 40.0, 10.0, True)
        assert not look(transaction.inbox, transaction.replies, now=NOW + timedelta(minutes=10)).is_well


# --- Floods ---------------------------------------------------------------------------------------------------


def test_one_who_writes_too_fast_is_told_once_and_may_go_on_after_a_while() -> None:
    floods, at = Floods(at_once=3, per_second=1.0), NOW
    assert [floods.judge("an", at).value for _ in range(6)] == ["fine", "fine", "fine", "tell", "silent", "silent"]
    assert floods.judge("binh", at) is Verdict.FINE
    at += timedelta(seconds=2)
    assert [floods.judge("an", at).value for _ in range(4)] == ["fine", "fine", "silent", "silent"]
    at += timedelta(seconds=60)
    assert [floods.judge("an", at).value for _ in range(5)] == ["fine", "fine", "fine", "tell", "silent"]


def test_one_who_goes_on_for_minutes_is_told_once_a_minute() -> None:
    floods = Floods(at_once=3, per_second=1.0)
    verdicts = [floods.judge("an", NOW + timedelta(seconds=n / 4)) for n in range(4 * 150)]
    assert verdicts.count(Verdict.TELL) == 3


def test_what_was_written_over_hours_and_comes_at_once_is_no_flood() -> None:
    floods = Floods(at_once=3, per_second=1.0)
    moments = [NOW + timedelta(minutes=n) for n in range(50)]
    assert {floods.judge("an", at) for at in moments} == {Verdict.FINE}


def test_a_clock_that_goes_back_neither_helps_nor_harms() -> None:
    floods = Floods(at_once=2, per_second=1.0)
    floods.judge("an", NOW)
    assert floods.judge("an", NOW - timedelta(hours=1)) is Verdict.FINE
    assert floods.judge("an", NOW - timedelta(hours=2)) is Verdict.TELL
    assert floods.judge("an", NOW + timedelta(seconds=1)) is Verdict.FINE


def test_people_who_have_been_quiet_are_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.floods._REMEMBERED", 10)
    floods = Floods(at_once=2, per_second=1.0)
    for n in range(30):
        floods.judge(str(n), NOW + timedelta(seconds=10 * n))
    assert len(floods._buckets) <= 11
