"""The web chat over HTTP, with a real database and a handler that has learnt its lines."""

import asyncio
import base64
import hashlib
import re
import signal
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from bot.channels.base import Channel, ChannelError
from bot.channels.web_requests import COOKIE, MAX_BODY_BYTES
from bot.channels.webchat import PAGE, WebChat
from bot.config import WebConfig
from bot.gateway import Gateway
from handlers.messages import Block, BlockKind, Button, IncomingMessage, Reply, say
from storage.database import open_database
from storage.store import Conversation, Store, Transaction
from tests.storage.builders import a_vault, bring_up

HTML = '<img src=x onerror="alert(1)"><script>alert(2)</script>'


def handle(message: IncomingMessage, conversation: Conversation, transaction: Transaction) -> list[Reply]:
    """Answer by the book: a quote with two choices, and whatever a choice stands for."""
    if message.button_id:
        button = transaction.button(conversation.id, message.button_id)
        return [say(f"Chọn {button.argument}" if button else "Lựa chọn này không còn.")]
    if message.text == "hỏng":
        raise RuntimeError("a handler that fails")
    if message.text == "html":
        return [say(HTML)]
    if message.text == "đếm":
        return [say(f"Tin thứ {len(transaction.history(conversation.id))}")]
    blocks = (Block(BlockKind.QUOTE, "«Định kỳ 6 tháng»"), Block(BlockKind.CITATION, f"{len(message.text)} ký tự"))
    return [Reply(blocks, (Button("Đọc cả đoạn", "read", "2.2#3"), Button("Mục 2.2", "section", "2.2")))]


def a_store(folder: Path) -> Store:
    engine = open_database(f"sqlite:///{folder / 'chat.db'}")
    bring_up(engine)
    return Store(engine, a_vault())


def a_web_chat(folder: Path, *, port: int = 0, secure_cookies: bool = False) -> WebChat:
    store = a_store(folder)
    return WebChat(WebConfig(port=port, secure_cookies=secure_cookies), Gateway(store, handle), store)


def a_visitor(web: WebChat) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(web.app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://tu-soi.test")


@pytest.fixture
def web(tmp_path: Path) -> WebChat:
    return a_web_chat(tmp_path)


@pytest_asyncio.fixture
async def visitor(web: WebChat) -> AsyncIterator[httpx.AsyncClient]:
    async with a_visitor(web) as client:
        await client.get("/")
        yield client


async def test_an_answer_carries_its_blocks_and_its_choices(visitor: httpx.AsyncClient) -> None:
    answer = await visitor.post("/api/messages", json={"id": "m1", "text": "bao lâu một lần"})
    [message] = answer.json()["messages"]
    assert message["blocks"] == [
        {"kind": "quote", "text": "«Định kỳ 6 tháng»"},
        {"kind": "citation", "text": "15 ký tự"},
    ]
    assert [button["label"] for button in message["buttons"]] == ["Đọc cả đoạn", "Mục 2.2"]
    assert message["created_at"].endswith("+00:00")


async def test_a_button_does_what_it_says_even_after_later_messages(visitor: httpx.AsyncClient) -> None:
    first = (await visitor.post("/api/messages", json={"id": "m1", "text": "một"})).json()["messages"][0]
    await visitor.post("/api/messages", json={"id": "m2", "text": "hai"})
    answer = await visitor.post("/api/messages", json={"id": "m3", "button": first["buttons"][0]["id"]})
    assert answer.json()["messages"][0]["blocks"][0]["text"] == "Chọn 2.2#3"
    said = (await visitor.get("/api/history")).json()["messages"][-2]
    assert (said["author"], said["blocks"][0]["text"]) == ("person", "Đọc cả đoạn")


async def test_the_same_id_twice_is_answered_alike_and_done_once(visitor: httpx.AsyncClient) -> None:
    first = await visitor.post("/api/messages", json={"id": "m1", "text": "đếm"})
    again = await visitor.post("/api/messages", json={"id": "m1", "text": "đếm"})
    assert again.json() == first.json()
    assert len((await visitor.get("/api/history")).json()["messages"]) == 2


async def test_the_same_id_at_the_same_time_is_done_once(visitor: httpx.AsyncClient) -> None:
    posts = [visitor.post("/api/messages", json={"id": "m1", "text": "đếm"}) for _ in range(5)]
    answers = [answer.json() for answer in await asyncio.gather(*posts)]
    assert answers == [answers[0]] * 5
    assert len((await visitor.get("/api/history")).json()["messages"]) == 2


async def test_two_visitors_share_nothing(web: WebChat, visitor: httpx.AsyncClient) -> None:
    mine = (await visitor.post("/api/messages", json={"id": "m1", "text": "một"})).json()["messages"][0]
    async with a_visitor(web) as stranger:
        await stranger.get("/")
        assert (await stranger.get("/api/history")).json()["messages"] == []
        answer = await stranger.post("/api/messages", json={"id": "m1", "button": mine["buttons"][0]["id"]})
        assert answer.json()["messages"][0]["blocks"][0]["text"] == "Lựa chọn này không còn."


async def test_history_gives_both_sides_and_can_start_after_an_id(visitor: httpx.AsyncClient) -> None:
    await visitor.post("/api/messages", json={"id": "m1", "text": "một"})
    await visitor.post("/api/messages", json={"id": "m2", "text": "hai"})
    messages = (await visitor.get("/api/history")).json()["messages"]
    assert [(message["author"], message["external_id"]) for message in messages] == [
        ("person", "m1"),
        ("assistant", None),
        ("person", "m2"),
        ("assistant", None),
    ]
    later = (await visitor.get("/api/history", params={"after": messages[1]["id"]})).json()["messages"]
    assert later == messages[2:]


@pytest.mark.parametrize(("after", "status"), [("9" * 5000, 200), ("-1", 400), ("x", 400), ("²", 400), ("", 400)])
async def test_an_odd_place_in_the_history_breaks_nothing(visitor: httpx.AsyncClient, after: str, status: int) -> None:
    assert (await visitor.get("/api/history", params={"after": after})).status_code == status


async def test_history_survives_a_restart(tmp_path: Path) -> None:
    async with a_visitor(a_web_chat(tmp_path)) as before:
        await before.post("/api/messages", json={"id": "m1", "text": "một"})
        asked = (await before.get("/api/history")).json()
        async with a_visitor(a_web_chat(tmp_path)) as after:
            after.cookies = before.cookies
            assert (await after.get("/api/history")).json() == asked
            button = asked["messages"][1]["buttons"][1]["id"]
            answer = await after.post("/api/messages", json={"id": "m2", "button": button})
            assert answer.json()["messages"][0]["blocks"][0]["text"] == "Chọn 2.2"


async def test_a_text_of_100000_characters_reaches_the_handler(visitor: httpx.AsyncClient) -> None:
    answer = await visitor.post("/api/messages", json={"id": "m1", "text": "ộ" * 100_000})
    assert answer.json()["messages"][0]["blocks"][1]["text"] == "100000 ký tự"


@pytest.mark.parametrize("size_bytes", [MAX_BODY_BYTES, 20 * MAX_BODY_BYTES])
async def test_what_is_too_large_is_refused_kindly(visitor: httpx.AsyncClient, size_bytes: int) -> None:
    answer = await visitor.post("/api/messages", json={"id": "m1", "text": "x" * size_bytes})
    assert answer.status_code == 413
    assert "dài quá" in answer.json()["error"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe\xfd",
        b"[" * 100_000,
        b"[]",
        b"null",
        b"1" * 5000,
        b"{}",
        b'{"id": "m1"}',
        b'{"id": 1, "text": "x"}',
        b'{"id": "m1", "text": 1}',
        b'{"id": "m1", "text": ["x"]}',
        b'{"id": "", "text": "x"}',
        b'{"id": "m 1", "text": "x"}',
        b'{"id": "' + b"m" * 200 + b'", "text": "x"}',
        b'{"id": "m1", "text": "  \\n"}',
        b'{"id": "m1", "button": ""}',
        b'{"id": "m1", "button": "\\ud800"}',
        b'{"id": "m1", "text": "x", "button": "y"}',
    ],
    ids=lambda body: body[:24].decode("ascii", "replace"),
)
async def test_what_cannot_be_understood_gets_a_sentence(visitor: httpx.AsyncClient, body: bytes) -> None:
    answer = await visitor.post("/api/messages", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["error"].endswith("giúp.")
    assert (await visitor.get("/api/history")).json()["messages"] == []


async def test_characters_no_database_keeps_are_replaced(visitor: httpx.AsyncClient) -> None:
    body = b'{"id": "m1", "text": "a\\ud800b\\u0000c \\ud83d\\ude00"}'
    answer = await visitor.post("/api/messages", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 200
    [said, _] = (await visitor.get("/api/history")).json()["messages"]
    assert said["blocks"][0]["text"] == "a\ufffdb\ufffdc 😀"


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
async def test_what_a_form_can_send_is_refused(visitor: httpx.AsyncClient, kind: str) -> None:
    answer = await visitor.post("/api/messages", content=b'{"id":"m1","text":"x"}', headers={"Content-Type": kind})
    assert answer.status_code == 415


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "http://tu-soi.test"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "http://tu-soi.test"}, 200),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "https://chat.example"}, 200),  # a proxy that renames the host
        ({"X-Forwarded-Host": "chat.example", "Origin": "https://chat.example"}, 200),
        ({}, 200),
    ],
)
async def test_only_our_own_page_may_post(visitor: httpx.AsyncClient, headers: dict[str, str], status: int) -> None:
    answer = await visitor.post("/api/messages", json={"id": "m1", "text": "x"}, headers=headers)
    assert answer.status_code == status


async def test_html_comes_back_as_data(visitor: httpx.AsyncClient) -> None:
    answer = await visitor.post("/api/messages", json={"id": "m1", "text": "html"})
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["messages"][0]["blocks"] == [{"kind": "text", "text": HTML}]


async def test_a_failing_handler_gives_a_calm_sentence_and_the_message_can_be_sent_again(
    visitor: httpx.AsyncClient,
) -> None:
    answer = await visitor.post("/api/messages", json={"id": "m1", "text": "hỏng"})
    assert answer.status_code == 503
    assert "do lỗi máy chủ" in answer.json()["error"]
    assert answer.json()["messages"][0]["id"] == 0
    again = await visitor.post("/api/messages", json={"id": "m1", "text": "đếm"})
    assert again.json()["messages"][0]["blocks"][0]["text"] == "Tin thứ 1"


async def test_a_broken_database_gives_a_calm_sentence_too(tmp_path: Path) -> None:
    store = Store(open_database(f"sqlite:///{tmp_path / 'never-migrated.db'}"), a_vault())
    async with a_visitor(WebChat(WebConfig(), Gateway(store, handle), store)) as visitor:
        await visitor.get("/")
        answer = await visitor.get("/api/history")
        assert answer.status_code == 500
        assert "Máy chủ đang có lỗi" in answer.json()["error"]
        assert answer.headers["x-content-type-options"] == "nosniff"


async def test_an_answer_that_was_handed_over_is_noted(visitor: httpx.AsyncClient, tmp_path: Path) -> None:
    await visitor.post("/api/messages", json={"id": "m1", "text": "một"})
    engine = open_database(f"sqlite:///{tmp_path / 'chat.db'}")
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT direction, delivered_at IS NOT NULL FROM messages ORDER BY id")
        assert [tuple(row) for row in rows] == [("in", 0), ("out", 1)]


async def test_the_cookie_opens_the_chat_and_is_kept_nowhere_else(web: WebChat, tmp_path: Path) -> None:
    async with a_visitor(web) as visitor:
        answer = await visitor.get("/")
        cookie = answer.headers["set-cookie"]
        token = visitor.cookies[COOKIE]
        assert re.fullmatch(r"[A-Za-z0-9_-]{32}", token)
        assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))
        assert "Secure" not in cookie
        await visitor.post("/api/messages", json={"id": "m1", "text": "một"})
        assert (await visitor.get("/")).headers["set-cookie"].startswith(f"{COOKIE}={token};")
    assert not any(token.encode() in path.read_bytes() for path in tmp_path.iterdir())


async def test_cookies_are_secure_where_the_settings_say_so(tmp_path: Path) -> None:
    async with a_visitor(a_web_chat(tmp_path, secure_cookies=True)) as visitor:
        assert "Secure" in (await visitor.get("/")).headers["set-cookie"].split("; ")


@pytest.mark.parametrize("cookie", ["", "short", "x" * 33, "../../etc/passwd-0123456789abcdef", "a" * 31 + '"'])
async def test_a_cookie_we_did_not_make_is_replaced(web: WebChat, cookie: str) -> None:
    async with a_visitor(web) as visitor:
        answer = await visitor.get("/", headers={"Cookie": f"{COOKIE}={cookie}"})
        assert re.match(rf"{COOKIE}=[A-Za-z0-9_-]{{32}};", answer.headers["set-cookie"])
        assert f"{COOKIE}={cookie};" not in answer.headers["set-cookie"]


async def test_a_program_without_a_cookie_gets_one_with_its_first_answer(web: WebChat) -> None:
    async with a_visitor(web) as visitor:
        assert (await visitor.get("/api/history")).json()["messages"] == []
        await visitor.post("/api/messages", json={"id": "m1", "text": "một"})
        assert len((await visitor.get("/api/history")).json()["messages"]) == 2


@pytest.mark.parametrize("path", ["/", "/api/history", "/health", "/nowhere"])
async def test_every_answer_is_fenced_in(visitor: httpx.AsyncClient, path: str) -> None:
    headers = (await visitor.get(path)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"
    policy = headers["content-security-policy"].split("; ")
    assert {"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"} <= set(policy)
    assert "unsafe" not in headers["content-security-policy"]
    assert "server" not in headers


async def test_the_policy_knows_the_script_by_its_digest_and_the_page_asks_no_other_host(
    visitor: httpx.AsyncClient,
) -> None:
    page = PAGE.read_text(encoding="utf-8")
    [script] = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    expected = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{expected}'" in (await visitor.get("/")).headers["content-security-policy"]
    assert re.findall(r"https?://(?!www\.w3\.org/2000/svg)", page) == []
    assert "innerHTML" not in page


async def test_health_and_unknown_pages(visitor: httpx.AsyncClient) -> None:
    health = (await visitor.get("/health")).json()
    assert (health["ok"], health["updates_waiting"], health["oldest_unsent_s"]) == (True, 0, None)
    assert (await visitor.get("/nowhere")).status_code == 404
    assert (await visitor.get("/api/messages")).status_code == 405
    assert "error" in (await visitor.get("/nowhere")).json()


async def test_it_listens_where_it_says_until_it_is_stopped(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    on_interrupt = signal.getsignal(signal.SIGINT)
    web = a_web_chat(tmp_path)
    channel: Channel = web
    await channel.start()
    ended = asyncio.create_task(channel.wait())
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{web.port}") as visitor:
            answer = await visitor.post("/api/messages", json={"id": "m1", "text": "chuyện riêng"})
            assert answer.status_code == 200
            answer = await visitor.post("/api/messages", json={"id": "m2", "text": "x" * 3 * MAX_BODY_BYTES})
            assert answer.status_code == 413
            assert not ended.done()
            assert signal.getsignal(signal.SIGINT) is on_interrupt
    finally:
        await channel.stop()
    await asyncio.wait_for(ended, timeout=30)
    await channel.stop()
    assert f"http://127.0.0.1:{web.port}" in caplog.text
    assert "chuyện riêng" not in caplog.text
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{web.port}/health")


async def test_what_is_under_way_is_answered_before_the_end(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    def think(message: IncomingMessage, conversation: Conversation, transaction: Transaction) -> list[Reply]:
        loop.call_soon_threadsafe(begun.set)
        time.sleep(0.4)
        return handle(message, conversation, transaction)

    web = WebChat(WebConfig(port=0), Gateway(store, think), store)
    await web.start()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{web.port}") as visitor:
        asked = asyncio.create_task(visitor.post("/api/messages", json={"id": "m1", "text": "một"}))
        await begun.wait()
        await web.stop()
        assert (await asked).json()["messages"][0]["blocks"][0]["kind"] == "quote"


async def test_a_port_in_use_is_named_in_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ChannelError) as caught:
            await a_web_chat(tmp_path, port=port).start()
    complaint = str(caught.value)
    assert f"127.0.0.1 port {port}" in complaint
    assert "web.port" in complaint
    assert "TUSOI_WEB__PORT" in complaint
    assert "\n" not in complaint


async def test_a_host_that_is_none_is_named_too(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    web = WebChat(WebConfig(host="no-such-host.invalid"), Gateway(store, handle), store)
    with pytest.raises(ChannelError, match=r"no-such-host\.invalid"):
        await web.start()
