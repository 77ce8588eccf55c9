import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.servers.listener import listener
from tests.servers.zalo import BOT, SECRET_HEADER, TOKEN, ZaloServer

AN, BINH, GROUP = "e4ea2cd5189df1c3a88c", "6ede9afa66b88fe6d6a9", "g0ea2cd5189df1c3a88c"
SECRET = "mot-khoa-bi-mat"


@pytest.fixture
async def server() -> AsyncIterator[ZaloServer]:
    server = ZaloServer(allow_local=True)
    server.backoff_s = 0.01
    await server.start()
    yield server
    await server.stop()


class Bot:
    """Calls the methods of a server as a program does."""

    def __init__(self, server: ZaloServer, client: httpx.AsyncClient, token: str = TOKEN) -> None:
        self._base, self._client = f"{server.base_url}{token}", client

    async def ask(self, method: str, **parameters: Any) -> httpx.Response:
        return await self._client.post(f"{self._base}/{method}", json=parameters)

    async def __call__(self, method: str, **parameters: Any) -> Any:
        return (await self.ask(method, **parameters)).json()


@pytest.fixture
def bot(server: ZaloServer, client: httpx.AsyncClient) -> Bot:
    return Bot(server, client)


@pytest.mark.parametrize(
    ("method", "parameters", "reason"),
    [
        ("sendMessage", {"chat_id": AN, "text": ""}, "text is empty"),
        ("sendMessage", {"chat_id": AN, "text": " \n"}, "text is empty"),
        ("sendMessage", {"chat_id": AN, "text": 5}, "text is empty"),
        ("sendMessage", {"chat_id": AN, "text": "đ" * 2001}, "longer than 2000"),
        ("sendMessage", {"chat_id": AN, "text": "a", "parse_mode": "HTML"}, "parse_mode"),
        ("sendMessage", {"chat_id": 5, "text": "a"}, "chat_id must be a string"),
        ("sendMessage", {"text": "a"}, "chat_id must be a string"),
        ("sendMessage", {"chat_id": BINH, "text": "a"}, "chat not found"),
        ("sendPhoto", {"chat_id": AN, "photo": "photo.jpg"}, "photo must be an address"),
        ("sendPhoto", {"chat_id": AN, "photo": "https://a.vn/a.jpg", "caption": "a" * 2001}, "longer than"),
        ("sendVoice", {"chat_id": AN, "voice": "https://a.vn/a.mp3"}, ".aac"),
        ("sendVoice", {"chat_id": GROUP, "voice": "https://a.vn/a.aac"}, "private"),
        ("sendChatAction", {"chat_id": AN, "action": "dancing"}, "action"),
        ("setWebhook", {"url": "https://a.vn/z", "secret_token": "short"}, "8 to 256"),
        ("setWebhook", {"url": "https://a.vn/z", "secret_token": "x" * 257}, "8 to 256"),
        ("setWebhook", {"secret_token": SECRET}, "public HTTPS"),
        ("testWebhook", {}, "no webhook"),
        ("getUpdates", {"timeout": "soon"}, "timeout"),
    ],
)
async def test_zalo_refuses_what_it_cannot_show(
    server: ZaloServer, bot: Bot, method: str, parameters: dict[str, Any], reason: str
) -> None:
    server.meet([AN])
    server.meet([GROUP], "GROUP")
    answer = await bot.ask(method, **parameters)
    assert answer.status_code == 200
    assert answer.json()["ok"] is False
    assert answer.json()["error_code"] == 400
    assert reason in answer.json()["description"]
    assert server.sends == []


async def test_two_thousand_characters_arrive_however_many_bytes_they_are(server: ZaloServer, bot: Bot) -> None:
    await server.text(AN, "chào")
    sent = await bot("sendMessage", chat_id=AN, text="😀" * 2000)
    assert sent["ok"]
    assert isinstance(sent["result"]["message_id"], str)
    assert sent["result"]["date"] > 1_700_000_000_000
    assert [entry["text"] for entry in server.sent(AN)] == ["😀" * 2000]


@pytest.mark.parametrize(
    "url", ["http://a.vn/z", "https://127.0.0.1/z", "https://192.168.1.5/z", "https://localhost/z"]
)
async def test_a_webhook_is_public_and_https(client: httpx.AsyncClient, url: str) -> None:
    server = ZaloServer()
    await server.start()
    bot = Bot(server, client)
    assert (await bot("setWebhook", url=url, secret_token=SECRET))["error_code"] == 400
    assert (await bot("getWebhookInfo"))["result"]["url"] == ""
    assert (await bot("setWebhook", url="https://tusoi.example.vn/z", secret_token=SECRET))["ok"]
    await server.stop()


async def test_a_wrong_token_and_an_unknown_method_are_refused(
    server: ZaloServer, bot: Bot, client: httpx.AsyncClient
) -> None:
    assert (await Bot(server, client, "1:other")("getMe"))["error_code"] == 401
    assert (await bot("editMessageText"))["error_code"] == 404
    assert (await bot("getMe"))["result"] == BOT


async def test_errors_name_their_code_either_way(server: ZaloServer, bot: Bot) -> None:
    server.configure(spelling="both")
    answers = [await bot("sendMessage", chat_id=AN, text="") for _ in range(2)]
    assert [sorted(answer) for answer in answers] == [
        ["description", "errorCode", "ok"],
        ["description", "error_code", "ok"],
    ]


async def test_a_poll_brings_one_update_and_an_idle_one_408(server: ZaloServer, bot: Bot) -> None:
    await server.text(AN, "một")
    await server.text(AN, "hai")
    first = await bot("getUpdates", timeout="5")
    assert first["result"]["event_name"] == "message.text.received"
    message = first["result"]["message"]
    assert (message["text"], message["chat"]) == ("một", {"id": AN, "chat_type": "PRIVATE"})
    assert message["date"] > 1_700_000_000_000
    assert (await bot("getUpdates", timeout="5"))["result"]["message"]["text"] == "hai"
    idle = await bot("getUpdates", timeout=0)
    assert (idle["ok"], idle["error_code"]) == (False, 408)


async def test_a_poll_waits_for_what_is_written_meanwhile(server: ZaloServer, bot: Bot) -> None:
    poll = asyncio.create_task(bot("getUpdates", timeout="5"))
    await server.wait_until(lambda: "getUpdates" in server.calls or not poll.done(), 5)
    await asyncio.sleep(0.05)
    assert not poll.done()
    await server.text(AN, "chào")
    assert (await poll)["result"]["message"]["text"] == "chào"


async def test_a_poll_whose_answer_was_torn_brings_the_same_again(server: ZaloServer, bot: Bot) -> None:
    await server.text(AN, "một")
    await server.text(AN, "hai")
    server.fault("getUpdates", cut=True)
    with pytest.raises(httpx.RemoteProtocolError):
        await bot("getUpdates")
    assert [(await bot("getUpdates"))["result"]["message"]["text"] for _ in range(2)] == ["một", "hai"]


async def test_nobody_polls_while_a_webhook_is_set(bot: Bot) -> None:
    poll = asyncio.create_task(bot("getUpdates", timeout="5"))
    await asyncio.sleep(0.05)
    async with listener() as hook:
        assert (await bot("setWebhook", url=hook.url, secret_token=SECRET))["result"]["url"] == hook.url
        assert (await poll)["error_code"] == 400
        assert (await bot("getUpdates"))["error_code"] == 400
        await bot("deleteWebhook")
    assert (await bot("getUpdates", timeout=0))["error_code"] == 408


async def test_the_webhook_gets_what_waited_and_what_comes_with_the_secret(server: ZaloServer, bot: Bot) -> None:
    await server.text(AN, "một")
    async with listener() as hook:
        await bot("setWebhook", url=hook.url, secret_token=SECRET)
        await server.text(AN, "hai")
        await server.wait_until_taken()
    assert [body["message"]["text"] for body in hook.heard] == ["một", "hai"]
    assert {headers[SECRET_HEADER] for headers in hook.headers} == {SECRET}


async def test_what_the_webhook_did_not_take_comes_again_and_a_chat_keeps_its_order(
    server: ZaloServer, bot: Bot
) -> None:
    async with listener() as hook:
        hook.statuses = [503, 500]
        await bot("setWebhook", url=hook.url, secret_token=SECRET)
        await server.text(AN, "một")
        await server.text(AN, "hai")
        await server.wait_until_taken()
    assert [body["message"]["text"] for body in hook.heard] == ["một", "một", "một", "hai"]
    assert len({body["message"]["message_id"] for body in hook.heard}) == 2


async def test_a_webhook_is_tested_once_a_minute(bot: Bot) -> None:
    async with listener() as hook:
        await bot("setWebhook", url=hook.url, secret_token=SECRET)
        assert (await bot("testWebhook"))["ok"]
        assert (await bot("testWebhook"))["error_code"] == 426


async def test_an_update_may_be_wrapped_as_a_polled_one(server: ZaloServer, bot: Bot) -> None:
    server.configure(wraps_webhook=True)
    async with listener() as hook:
        await bot("setWebhook", url=hook.url, secret_token=SECRET)
        await server.text(AN, "chào")
        await server.wait_until_taken()
    assert hook.heard[0]["result"]["message"]["text"] == "chào"


async def test_a_message_may_come_twice_with_one_id(server: ZaloServer, bot: Bot) -> None:
    await server.text(AN, "chào", times=2)
    first, second = [(await bot("getUpdates"))["result"] for _ in range(2)]
    assert first == second


async def test_unsupported_says_nothing_but_who(server: ZaloServer, bot: Bot) -> None:
    await server.unsupported(AN)
    update = (await bot("getUpdates"))["result"]
    assert update["event_name"] == "message.unsupported.received"
    assert sorted(update["message"]) == ["chat", "date", "from", "message_id"]


async def test_a_group_is_heard_when_it_mentions_the_bot_and_its_voice_never(server: ZaloServer, bot: Bot) -> None:
    assert await server.text(GROUP, "chiều nay họp lúc mấy giờ", sender=AN) is None
    assert await server.voice(GROUP, sender=AN) is None
    assert await server.text(GROUP, "@Bot Tự Soi họp lúc mấy giờ", sender=AN)
    update = (await bot("getUpdates"))["result"]
    assert update["message"]["chat"] == {"id": GROUP, "chat_type": "GROUP"}
    assert update["message"]["from"]["id"] == AN
    assert server.waiting == 0


async def test_pictures_stickers_and_voices_come_as_addresses(server: ZaloServer, bot: Bot) -> None:
    await server.image(AN, "https://photo.zdn.vn/a.jpg", caption="đây")
    await server.sticker(AN)
    await server.voice(AN)
    updates = [(await bot("getUpdates"))["result"] for _ in range(3)]
    assert [update["event_name"].split(".")[1] for update in updates] == ["image", "sticker", "voice"]
    assert updates[0]["message"]["photo_url"] == "https://photo.zdn.vn/a.jpg"


async def test_429_comes_as_http_and_inside_http_200(server: ZaloServer, bot: Bot) -> None:
    server.meet([AN])
    server.fault("sendMessage", code=429, description="Quota exceeded", http_status=429)
    server.fault("sendMessage", code=429, description="Quota exceeded")
    answers = [await bot.ask("sendMessage", chat_id=AN, text="a") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [429, 200, 200]
    assert [answer.json()["ok"] for answer in answers] == [False, False, True]
    assert len(server.sends) == 1


async def test_a_pace_can_be_kept(server: ZaloServer, bot: Bot) -> None:
    server.meet([AN, BINH])
    server.limit(per_chat=1)
    codes = [(await bot("sendMessage", chat_id=chat, text="a")).get("error_code") for chat in (AN, AN, BINH)]
    assert codes == [None, 429, None]
    server.mend()
    assert (await bot("sendMessage", chat_id=AN, text="a"))["ok"]


async def test_a_fault_may_be_of_one_chat(server: ZaloServer, bot: Bot) -> None:
    server.meet([AN, BINH])
    server.fault("sendMessage", code=500, chat_id=BINH, http_status=500)
    assert (await bot("sendMessage", chat_id=AN, text="a"))["ok"]
    assert (await bot.ask("sendMessage", chat_id=BINH, text="a")).status_code == 500


@pytest.mark.parametrize(("is_lost", "arrived"), [(False, 1), (True, 0)])
async def test_a_torn_answer_tells_nobody_whether_the_message_arrived(
    server: ZaloServer, bot: Bot, is_lost: bool, arrived: int
) -> None:
    server.meet([AN])
    server.fault("sendMessage", cut=True, is_lost=is_lost)
    with pytest.raises(httpx.TransportError):
        await bot("sendMessage", chat_id=AN, text="a")
    assert len(server.sent(AN)) == arrived
    assert (await bot("sendMessage", chat_id=AN, text="b"))["ok"]


async def test_an_answer_may_hang(server: ZaloServer, client: httpx.AsyncClient) -> None:
    server.meet([AN])
    server.fault("sendMessage", hang_s=5)
    with pytest.raises(httpx.ReadTimeout):
        await client.post(
            f"{server.base_url}{TOKEN}/sendMessage",
            json={"chat_id": AN, "text": "a"},
            timeout=httpx.Timeout(5, read=0.1),
        )
    assert len(server.sent(AN)) == 1


async def test_the_clock_can_be_moved(server: ZaloServer, bot: Bot) -> None:
    await server.text(AN, "nay")
    server.move(86_400)
    await server.text(AN, "mai")
    today, tomorrow = [(await bot("getUpdates"))["result"]["message"]["date"] for _ in range(2)]
    assert tomorrow - today == pytest.approx(86_400_000, abs=5_000)


async def test_zalo_runs_as_a_process_of_its_own(client: httpx.AsyncClient) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.servers.zalo", "--port", "0", "--allow-local"),
        cwd=Path(__file__).parents[2],
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    said = json.loads(await process.stdout.readline())
    base = f"http://127.0.0.1:{said['port']}"
    try:
        await client.post(f"{base}/_test/text", json={"chat_id": AN, "text": "chào"})
        polled = (await client.post(f"{base}/bot{said['token']}/getUpdates", json={})).json()["result"]
        assert polled["message"]["text"] == "chào"
        await client.post(f"{base}/bot{said['token']}/sendMessage", json={"chat_id": AN, "text": "chào đồng chí"})
        transcript = (await client.post(f"{base}/_test/transcript", json={"chat_id": AN})).json()
        assert [entry["method"] for entry in transcript] == ["text", "sendMessage"]
        assert (await client.post(f"{base}/_test/stop", json={})).status_code == 404
    finally:
        process.terminate()
        await process.wait()
