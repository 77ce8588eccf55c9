"""The webhook: only Telegram gets in, nothing is confirmed before it is kept, nothing bad comes for ever."""

import hashlib
import hmac
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from pydantic import SecretStr, ValidationError
from starlette.applications import Starlette

from bot.channels import telegram
from bot.channels.posted import MAX_BODY_BYTES, MAX_DEPTH, webhook_address, webhook_secret
from bot.channels.telegram_intake import DEFAULT_PATH, SECRET_HEADER
from bot.config import TelegramConfig
from bot.webhooks import Webhooks
from tests.bot.telegram_channel import AN, Kept, a_channel, running, until
from tests.servers.telegram import TOKEN, TelegramServer

ADDRESS = "https://tusoi.example.vn/cho-telegram"
SECRET = hmac.new(TOKEN.encode(), b"webhook", hashlib.sha256).hexdigest()
UPDATE = {"update_id": 7, "message": {"message_id": 1, "date": 1, "chat": {"id": AN, "type": "private"}, "text": "a"}}


def client_of(kept: Kept, **settings: Any) -> httpx.AsyncClient:
    channel = a_channel(TelegramServer(), kept, **{"webhook": ADDRESS, **settings})
    transport = httpx.ASGITransport(Starlette(routes=list(channel.routes())))
    return httpx.AsyncClient(transport=transport, base_url="http://here")


async def post(client: httpx.AsyncClient, body: object, secret: str | None = SECRET) -> int:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"} | ({SECRET_HEADER: secret} if secret is not None else {})
    return (await client.post("/cho-telegram", content=content, headers=headers)).status_code


# --- who gets in --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("secret", [None, "", "wrong", SECRET[:-1], SECRET + "0", SECRET.upper(), "mật khẩu"])
async def test_without_the_secret_nothing_is_read(
    secret: str | None, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unread(*_: object) -> bytes:
        raise AssertionError("read")

    monkeypatch.setattr("bot.channels.telegram_intake.read_body", unread)
    kept = Kept()
    async with client_of(kept) as client:
        headers = {SECRET_HEADER.encode(): secret.encode()} if secret is not None else {}
        answer = await client.post("/cho-telegram", content=json.dumps(UPDATE).encode(), headers=headers)
    assert (answer.status_code, answer.content) == (403, b"")
    assert kept.updates == []
    assert SECRET not in caplog.text


async def test_with_the_secret_an_update_is_kept_and_then_confirmed() -> None:
    kept = Kept()
    async with client_of(kept) as client:
        assert await post(client, UPDATE) == 200
        assert await post(client, UPDATE) == 200
    [update] = kept.updates
    assert (update.external_id, update.order_key, update.body) == ("u7", str(AN), UPDATE)


async def test_a_secret_that_was_set_is_the_one_that_counts() -> None:
    given = "mot-bi-mat_du-dai"
    kept = Kept()
    async with client_of(kept, webhook_secret=SecretStr(given)) as client:
        assert await post(client, UPDATE) == 403
        assert await post(client, UPDATE, given) == 200


async def test_other_methods_and_paths_are_not_served() -> None:
    async with client_of(Kept()) as client:
        assert (await client.get("/cho-telegram", headers={SECRET_HEADER: SECRET})).status_code == 405
        assert (await client.post("/telegram", headers={SECRET_HEADER: SECRET})).status_code == 404


async def test_an_update_that_could_not_be_kept_comes_again(caplog: pytest.LogCaptureFixture) -> None:
    kept = Kept()
    kept.fails = OSError("chuyện riêng")
    async with client_of(kept) as client:
        assert await post(client, UPDATE) == 503
        kept.fails = None
        assert await post(client, UPDATE) == 200
    assert len(kept.updates) == 1
    assert "OSError" in caplog.text
    assert "chuyện riêng" not in caplog.text


# --- bad input: refused in a way that does not bring it back for ever ---------------------------------------------


def nested(depth: int) -> bytes:
    return b'{"update_id":7,"x":' + b"[" * depth + b"]" * depth + b"}"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"update"',
        b"\xff\xfe",
        b"\x00",
        b'{"update_id": NaN}',
        b'{"update_id": Infinity}',
        b'{"update_id": 7, "x": NaN}',
        b'{"update_id": ' + b"9" * 5000 + b"}",
        {},
        {"update_id": None},
        {"update_id": True},
        {"update_id": "7"},
        {"update_id": 7.5},
        {"update_id": -7},
        {"update_id": 2**64},
        nested(MAX_DEPTH + 1),
        nested(900),
        nested(100_000),
        b'{"update_id":7,"x":' + b'{"a":' * 50_000,
    ],
)
async def test_what_is_no_update_is_refused_once(body: object, caplog: pytest.LogCaptureFixture) -> None:
    kept = Kept()
    async with client_of(kept) as client:
        assert await post(client, body) == 400
    assert kept.updates == []
    assert "was refused" in caplog.text


async def test_an_unknown_kind_is_kept_all_the_same() -> None:
    kept = Kept()
    async with client_of(kept) as client:
        assert await post(client, {"update_id": 8, "holo_call": {"frames": [1]}}) == 200
        assert await post(client, nested(MAX_DEPTH - 3)) == 200
    assert [update.order_key for update in kept.updates] == ["", ""]


async def test_halves_of_surrogate_pairs_do_not_make_an_update_unkeepable() -> None:
    kept = Kept()
    async with client_of(kept) as client:
        assert await post(client, b'{"update_id": 9, "x": "\\ud83d"}') == 200
    assert json.dumps(kept.updates[0].body, ensure_ascii=False).encode()


async def test_a_body_that_is_too_large_is_refused_by_what_it_announces() -> None:
    kept = Kept()
    fits = json.dumps(UPDATE | {"x": ""}).encode()
    largest = json.dumps(UPDATE | {"x": "a" * (MAX_BODY_BYTES - len(fits))}).encode()
    assert len(largest) == MAX_BODY_BYTES
    async with client_of(kept) as client:
        assert await post(client, largest + b" ") == 413
        assert await post(client, largest) == 200
        headers = {SECRET_HEADER: SECRET, "Content-Length": "9" * 400}
        assert (await client.post("/cho-telegram", content=b"{}", headers=headers)).status_code == 413


async def test_a_body_of_unknown_length_is_read_no_further_than_it_may_be() -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while read < 100 * MAX_BODY_BYTES:
            read += 65536
            yield b" " * 65536

    # A client that takes chunks as they are asked for.
    channel = a_channel(TelegramServer(), Kept(), webhook=ADDRESS)
    [route] = channel.routes()
    chunks, statuses = endless(), list[int]()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": await anext(chunks), "more_body": True}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    scope = {
        **{"type": "http", "method": "POST", "path": "/cho-telegram", "query_string": b"", "http_version": "1.1"},
        "headers": [(SECRET_HEADER.lower().encode(), SECRET.encode())],
    }
    await route.app(scope, receive, send)
    assert statuses == [413]
    assert read <= MAX_BODY_BYTES + 65536


# --- telling Telegram ---------------------------------------------------------------------------------------------


def test_without_a_webhook_nothing_is_served() -> None:
    assert list(a_channel(TelegramServer()).routes()) == []


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("https://tusoi.example.vn", "https://tusoi.example.vn/telegram"),
        ("https://tusoi.example.vn/", "https://tusoi.example.vn/telegram"),
        ("https://tusoi.example.vn:8443/a/b", "https://tusoi.example.vn:8443/a/b"),
        ("https://tusoi.example.vn/a/", "https://tusoi.example.vn/a/"),
    ],
)
def test_an_address_without_a_path_gets_one(given: str, told: str) -> None:
    assert webhook_address(given, DEFAULT_PATH) == told
    [route] = a_channel(TelegramServer(), webhook=given).routes()
    assert told.endswith(route.path)


@pytest.mark.parametrize(
    "address",
    [
        *("http://tusoi.example.vn/telegram", "tusoi.example.vn", "https://", "https://a b/c", "https://u:p@host/x"),
        *("https://host/x?y=1", "https://host/x#y", "http://127.0.0.1.evil.vn/x", "http://localhost:123456/x", ""),
    ],
)
def test_an_address_that_telegram_would_not_post_to_is_refused(address: str) -> None:
    with pytest.raises(ValidationError):
        TelegramConfig(webhook=address)


@pytest.mark.parametrize("secret", ["", "short", "a" * 257, "có dấu mà vẫn dài đủ", "with blanks in it 12345"])
def test_a_secret_that_telegram_does_not_take_or_that_is_easily_guessed_is_refused(secret: str) -> None:
    with pytest.raises(ValidationError):
        TelegramConfig(webhook_secret=SecretStr(secret))


def test_the_secret_is_made_from_the_token_unless_it_is_set() -> None:
    assert webhook_secret(TOKEN, None) == SECRET
    assert webhook_secret(TOKEN, "other") == "other"
    assert webhook_secret("1:b", None) != SECRET
    assert TelegramConfig(webhook_secret=SecretStr(SECRET)).webhook_secret is not None


@pytest.fixture
async def server() -> AsyncIterator[TelegramServer]:
    server = TelegramServer()
    server.backoff_s = 0.05
    await server.start()
    yield server
    await server.stop()


async def test_updates_come_to_the_webhook_and_those_not_kept_come_again(
    server: TelegramServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telegram, "FIRST_BACKOFF_S", 0.02)
    await server.text(AN, "đang chờ")
    kept = Kept()
    kept.fails = OSError()
    server.fault("setWebhook", code=429, description="Too Many Requests: retry after 0", retry_after_s=0)
    # The port is known once it is listened on, and the channel is told it before.
    listening = Webhooks("127.0.0.1", 0, [], lambda: {"ok": True})
    await listening.start()
    port = listening.port
    await listening.stop()
    address = f"http://127.0.0.1:{port}/telegram"
    webhooks = Webhooks(
        "127.0.0.1", port, list(a_channel(server, kept, webhook=address).routes()), lambda: {"ok": True}
    )
    await webhooks.start()
    try:
        async with running(server, kept, webhook=address) as channel:
            await until(lambda: kept.tries >= 2)
            kept.fails = None
            await server.text(AN, "và nữa")
            await kept.wait_for(2)
            info = await server._do_getwebhookinfo({})
            assert info["url"] == address
            assert info["allowed_updates"] == ["callback_query", "edited_message", "message", "my_chat_member"]
            await server.wait_until_taken()
            assert channel._is_connected
        # It stays: what comes while we are away waits at Telegram.
        assert (await server._do_getwebhookinfo({}))["url"] == address
    finally:
        await webhooks.stop()
    assert kept.texts == ["đang chờ", "và nữa"]
    assert "getUpdates" not in server.calls


async def test_a_webhook_that_telegram_refuses_is_told_once_and_tried_again(
    server: TelegramServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(telegram, "FIRST_BACKOFF_S", 0.02)
    refusal = "Bad Request: bad webhook: failed to resolve host: Name or service not known"
    server.fault("setWebhook", code=400, description=refusal, times=3)
    async with running(server, webhook=ADDRESS) as channel:
        await until(lambda: channel._is_connected)
        await until(lambda: "connected again" in caplog.text)
    said = [record.getMessage() for record in caplog.records if "refuses" in record.getMessage()]
    assert said == ["telegram: Telegram refuses: bad webhook: failed to resolve host: name or service not known"]
