"""Whether what our Telegram server answers and sends is what aiogram takes for the Bot API."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.judge.conftest import Judge
from tests.servers.calling import Bot, a_button, a_keyboard, a_picture
from tests.servers.common import poll_until
from tests.servers.listener import listener
from tests.servers.telegram import TelegramServer

pytestmark = pytest.mark.judge

AN, GROUP, SUPERGROUP = 1001, -500, -1_002_003_004_005


@pytest.fixture
async def server() -> AsyncIterator[TelegramServer]:
    server = TelegramServer()
    server.record()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def bot(server: TelegramServer) -> AsyncIterator[Bot]:
    async with httpx.AsyncClient(verify=False, timeout=10) as client:
        yield Bot(server, client)


async def everything_is_sent(bot: Bot) -> None:
    keyboard = a_keyboard(
        a_button(callback_data="x", style="success"),
        a_button(url="https://tusoi.example.vn"),
        a_button(web_app={"url": "https://tusoi.example.vn/phieu"}),
        a_button(copy_text={"text": "2026-11/CB3/0412"}),
    )
    html = '<b>Đậm</b> <a href="https://a.vn">đây</a> <blockquote expandable>trích</blockquote> <code>41-QĐ/TW</code>'
    sent = await bot("sendMessage", chat_id=AN, text=html, parse_mode="HTML", reply_markup=keyboard)
    at = {"chat_id": AN, "message_id": sent["message_id"]}
    await bot("sendMessage", chat_id=AN, text="nhắc", reply_parameters={"message_id": sent["message_id"]})
    await bot("sendMessage", chat_id=GROUP, text="xin nhắn riêng", link_preview_options={"is_disabled": True})
    await bot("sendChatAction", chat_id=AN, action="upload_document")
    await bot("editMessageText", **at, text="khác", reply_markup=a_keyboard(a_button()))
    await bot("editMessageReplyMarkup", **at)
    for kind, content in (("document", b"%PDF-1.7"), ("photo", a_picture())):
        data = {"chat_id": str(AN), kind: "attach://f", "caption": "<i>Phiếu</i>", "parse_mode": "HTML"}
        files = {"f": ("phieu.pdf", content, "application/pdf")}
        answer = await bot.client.post(f"{bot.base}/send{kind.title()}", data=data, files=files)
        file = answer.json()["result"]
        await bot("editMessageCaption", chat_id=AN, message_id=file["message_id"], caption="khác")
    await bot("getFile", file_id=file["photo"][-1]["file_id"])
    await bot("deleteMessage", **at)


async def everything_is_set(bot: Bot) -> None:
    commands = [{"command": "muc_luc", "description": "Mục lục"}]
    scope = {"type": "chat", "chat_id": AN}
    await bot("getMe")
    await bot("setMyCommands", commands=commands, scope=scope, language_code="vi")
    await bot("getMyCommands", scope=scope, language_code="vi")
    await bot("deleteMyCommands", scope=scope)
    page = {"type": "web_app", "text": "Phiếu", "web_app": {"url": "https://tusoi.example.vn"}}
    for button in (page, {"type": "commands"}, {"type": "default"}):
        await bot("setChatMenuButton", menu_button=button)
        await bot("getChatMenuButton")


async def people_do_everything(server: TelegramServer, bot: Bot) -> None:
    await server.text(AN, "/start ABCD2345")
    await bot("sendMessage", chat_id=AN, text="chào", reply_markup=a_keyboard(a_button()))
    await server.tap(AN, "x")
    await server.edited(AN, "/start ABCD2346")
    await server.file(AN, "kế hoạch.pdf", b"%PDF-1.7", caption="đây")
    await server.photo(AN, a_picture())
    await server.join(GROUP)
    await server.text(GROUP, "@TuSoiBot ơi", sender=AN)
    await server.block(AN)
    await server.unblock(AN)
    await server.migrate(GROUP, SUPERGROUP)


async def test_aiogram_takes_what_our_server_answers(server: TelegramServer, bot: Bot, aiogram: Judge) -> None:
    server.meet([AN, GROUP])
    await everything_is_sent(bot)
    await everything_is_set(bot)
    await people_do_everything(server, bot)
    updates = await bot("getUpdates", allowed_updates=["message"])
    tap = next(update["callback_query"] for update in updates if "callback_query" in update)
    await bot("answerCallbackQuery", callback_query_id=tap["id"], text="đã nhận")
    await bot("getUpdates", offset=-1)
    told = aiogram(server.exchanges)
    assert told["wrong"] == []
    assert told["methods"].keys() == {exchange["method"] for exchange in server.exchanges}
    assert told["updates"].keys() == {"message", "edited_message", "callback_query", "my_chat_member"}


async def test_aiogram_takes_what_our_server_posts(server: TelegramServer, bot: Bot, aiogram: Judge) -> None:
    server.backoff_s = 0.01
    async with listener() as hook:
        hook.statuses = [500]
        await bot("setWebhook", url=hook.url, secret_token="khoa", max_connections=4, allowed_updates=[])
        await people_do_everything(server, bot)
        await poll_until(lambda: server.waiting == 0, 10)
        await bot("getWebhookInfo")
    await bot("deleteWebhook")
    told = aiogram([*server.exchanges, *({"webhook": hook.url, "body": update} for update in hook.heard)])
    assert told["wrong"] == []
    assert sum(told["updates"].values()) >= 20
    assert {"setWebhook", "getWebhookInfo", "deleteWebhook"} <= told["methods"].keys()


async def test_aiogram_takes_how_our_server_refuses(server: TelegramServer, bot: Bot, aiogram: Judge) -> None:
    server.meet([AN])
    server.fault("sendMessage", code=429, retry_after_s=5)
    server.fault("sendMessage")
    for _ in range(2):
        await bot.refused("sendMessage", chat_id=AN, text="a")
    await bot.refused("sendMessage", chat_id=9, text="a")
    await server.block(AN)
    await bot.refused("sendMessage", chat_id=AN, text="a")
    await server.migrate(GROUP, SUPERGROUP)
    await bot.refused("sendMessage", chat_id=GROUP, text="a")
    told = aiogram(server.exchanges)
    assert (told["wrong"], told["refusals"]) == ([], 5)


def test_the_judge_does_see_what_is_wrong(aiogram: Judge) -> None:
    message = {"message_id": 1, "date": 1, "chat": {"id": 1, "type": "private"}, "text": "a"}
    good = {
        "method": "sendMessage",
        "parameters": {"chat_id": "1", "text": "a"},
        "status": 200,
        "answer": {"ok": True, "result": message},
    }
    bad: list[tuple[dict[str, Any], str]] = [
        ({"method": "sendPigeon"}, "no such method"),
        ({"parameters": {"chat_id": 1, "text": "a", "colour": "red"}}, "SendMessage has no 'colour'"),
        ({"parameters": {"chat_id": 1}}, "text: Field required"),
        ({"parameters": {"chat_id": 1, "text": "a", "reply_markup": '{"inline_keyboard": [[{}]]}'}}, "inline_keyboard"),
        ({"answer": {"ok": True, "result": {"message_id": 1, "chat": {"id": 1, "type": "private"}}}}, "date"),
        ({"answer": {"ok": True, "result": True}}, "valid dictionary"),
        ({"answer": {"ok": True, "result": message | {"colour": 1}}}, "Message has no 'colour'"),
        ({"answer": {"ok": False, "description": "a"}, "status": 400}, "refusal"),
        ({"answer": {"ok": False, "error_code": 400, "description": "a"}}, "HTTP 200"),
        ({"webhook": "a", "body": {"update_id": 1, "message": {"text": "a"}}}, "message_id: Field required"),
    ]
    told = aiogram([good, *(what if "webhook" in what else good | what for what, _ in bad)])["wrong"]
    for number, (_, said) in enumerate(bad, start=1):
        assert any(said in what for line, what in told if line == number), (said, told)
    assert all(line for line, _ in told)
