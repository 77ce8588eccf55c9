"""A page opened within Telegram belongs to who opened it there: /api/telegram over HTTP, with a real database."""

import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from bot.channels.mini_app import PATH
from bot.channels.web_requests import COOKIE, chat_id_of
from bot.channels.webchat import WebChat
from bot.config import WebConfig
from handlers import mini_app_texts, texts
from tests.bot.pages import AN, BINH, Hamlet, do, token_of
from tests.bot.test_init_data import fields_of, signed
from tests.servers.telegram import TOKEN

AN_S_TELEGRAM = "4004"


def proof(user_id: str = AN_S_TELEGRAM, *, age: timedelta = timedelta(0), **more: str) -> dict[str, str]:
    user = json.dumps({"id": int(user_id), "first_name": "An"})
    return {"init_data": signed(fields_of(at=datetime.now(UTC) - age, user=user, **more))}


def visitor(hamlet: Hamlet, cookie: str | None = None, *, token: str | None = TOKEN) -> httpx.AsyncClient:
    """Return a browser within Telegram, of somebody new or with this cookie."""
    web = WebChat(WebConfig(port=0), hamlet.web._gateway, hamlet.store, telegram_token=token)
    transport = httpx.ASGITransport(web.app, raise_app_exceptions=False)
    cookies = {COOKIE: cookie} if cookie else None
    return httpx.AsyncClient(transport=transport, base_url="https://tu-soi.test", cookies=cookies)


@pytest.fixture
def linked(hamlet: Hamlet) -> Hamlet:
    """Give the cell, and An her Telegram."""
    with hamlet.store.transaction() as transaction:
        transaction.people.link("telegram", AN_S_TELEGRAM, hamlet.ids[AN], now=datetime.now(UTC))
    return hamlet


def member_of(hamlet: Hamlet, cookie: str) -> int | None:
    with hamlet.store.transaction() as transaction:
        return transaction.people.member_of("web", chat_id_of(cookie))


async def test_a_page_opened_within_telegram_is_its_persons(linked: Hamlet) -> None:
    linked.open()
    async with visitor(linked) as client:
        answer = await client.post(PATH, json=proof())
        assert (answer.status_code, answer.json()) == (200, {"joined": True})
        assert member_of(linked, client.cookies[COOKIE]) == linked.ids[AN]
        shown = await do(client, "checklist", "look")
        assert (shown["screen"], shown["name"]) == ("round", AN)


async def test_a_cookie_that_is_there_is_kept_and_the_same_proof_opens_the_same_page_again(linked: Hamlet) -> None:
    cookie, shown = token_of("n"), proof()
    async with visitor(linked, cookie) as client:
        for _ in range(2):
            answer = await client.post(PATH, json=shown)
            assert answer.status_code == 200
            assert "set-cookie" not in answer.headers
    assert member_of(linked, cookie) == linked.ids[AN]


async def test_a_proof_opens_no_second_page(linked: Hamlet) -> None:
    shown = proof()
    async with visitor(linked, token_of("n")) as client:
        assert (await client.post(PATH, json=shown)).status_code == 200
    async with visitor(linked, token_of("m")) as thief:
        answer = await thief.post(PATH, json=shown)
        assert (answer.status_code, answer.json()) == (403, {"error": mini_app_texts.NOT_PROVED})
        # Written otherwise it is the same proof.
        turned = "&".join(reversed(shown["init_data"].split("&")))
        assert (await thief.post(PATH, json={"init_data": turned})).status_code == 403
    assert member_of(linked, token_of("m")) is None


async def test_a_telegram_account_of_nobody_is_told_what_to_do(hamlet: Hamlet) -> None:
    async with visitor(hamlet, token_of("n")) as client:
        answer = await client.post(PATH, json=proof("5005"))
    assert (answer.status_code, answer.json()) == (403, {"error": mini_app_texts.NOT_LINKED})
    assert member_of(hamlet, token_of("n")) is None


async def test_a_page_of_another_member_stays_his(linked: Hamlet) -> None:
    # Bình's browser, as set up with the cell.
    async with visitor(linked, token_of("b")) as client:
        answer = await client.post(PATH, json=proof())
    assert (answer.status_code, answer.json()) == (403, {"error": mini_app_texts.WEB_OF_ANOTHER})
    assert member_of(linked, token_of("b")) == linked.ids[BINH]


@pytest.mark.parametrize("age", [timedelta(hours=2), timedelta(minutes=-10)])
async def test_an_old_proof_or_one_from_the_future_opens_nothing(
    linked: Hamlet, age: timedelta, caplog: pytest.LogCaptureFixture
) -> None:
    async with visitor(linked, token_of("n")) as client:
        answer = await client.post(PATH, json=proof(age=age))
    assert (answer.status_code, answer.json()) == (403, {"error": mini_app_texts.NOT_PROVED})
    assert member_of(linked, token_of("n")) is None
    assert "proof was refused" in caplog.text
    assert AN_S_TELEGRAM not in caplog.text


@pytest.mark.parametrize("forged", ["", "x", "user=1&hash=2", signed(token="1:other"), "a=" + "x" * 10_000])
async def test_a_forged_proof_opens_nothing(linked: Hamlet, forged: str) -> None:
    async with visitor(linked, token_of("n")) as client:
        answer = await client.post(PATH, json={"init_data": forged})
    assert (answer.status_code, answer.json()) == (403, {"error": mini_app_texts.NOT_PROVED})


@pytest.mark.parametrize("content", [[], "x", {}, {"init_data": None}, {"init_data": 5}, {"init_data": ["x"]}])
async def test_what_is_no_proof_at_all_is_not_understood(linked: Hamlet, content: object) -> None:
    async with visitor(linked) as client:
        answer = await client.post(PATH, json=content)
    assert (answer.status_code, answer.json()) == (400, {"error": texts.MESSAGE_NOT_UNDERSTOOD})


async def test_other_sites_pages_and_forms_prove_nothing(linked: Hamlet) -> None:
    async with visitor(linked, token_of("n")) as client:
        answer = await client.post(PATH, json=proof(), headers={"Sec-Fetch-Site": "cross-site"})
        assert (answer.status_code, answer.json()) == (403, {"error": texts.FOREIGN_PAGE})
        answer = await client.post(PATH, data=proof())
        assert answer.status_code == 415
        assert (await client.get(PATH)).status_code == 405
    assert member_of(linked, token_of("n")) is None


async def test_without_a_bot_nothing_is_a_proof(linked: Hamlet) -> None:
    async with visitor(linked, token_of("n"), token=None) as client:
        answer = await client.post(PATH, json=proof())
    assert (answer.status_code, answer.json()) == (403, {"error": mini_app_texts.NOT_PROVED})
