"""The Zalo bot against a server that refuses what Zalo refuses."""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from pydantic import SecretStr

from assessment.model import Role
from bot.channels import zalo
from bot.channels.base import DeliveryError, FixedAnswer, RawUpdate
from bot.channels.zalo import ZaloBot
from bot.config import ZaloConfig
from bot.gateway import Gateway
from bot.pace import Pace
from bot.webhooks import Webhooks
from handlers import channel_texts
from handlers.messages import IncomingMessage
from knowledge.answer import KnowledgeBase
from storage.database import open_database
from storage.store import Store
from tests.bot.zalo_helpers import NOW, Kept, a_message, sample, until
from tests.handlers.conftest import Village
from tests.servers.zalo import TOKEN, ZaloServer
from tests.storage.builders import a_vault, bring_up

AN, BINH = "an-6ede9afa66b8", "binh-8fe6d6a9ffff"


@pytest.fixture
async def server() -> AsyncIterator[ZaloServer]:
    here = ZaloServer()
    here.backoff_s = 0.05
    await here.start()
    yield here
    await here.stop()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zalo, "FIRST_BACKOFF_S", 0.02)
    monkeypatch.setattr(zalo, "LONGEST_BACKOFF_S", 0.1)


@asynccontextmanager
async def running(server: ZaloServer, take: Kept, **config: Any) -> AsyncIterator[ZaloBot]:
    """Give a started bot."""
    given = ZaloConfig(token=SecretStr(TOKEN), base_url=server.base_url)
    bot = ZaloBot(given.model_copy(update=config), cast("Gateway", None), Pace(), take)
    await bot.start()
    yield bot
    await bot.stop()


def said_in(kept: Kept) -> list[str]:
    return [update.body["message"]["text"] for update in kept.updates]


# --- Polling ----------------------------------------------------------------------------------------------------


async def test_what_is_polled_is_kept_in_order_and_a_repeat_is_known(server: ZaloServer) -> None:
    take = Kept()
    async with running(server, take):
        for text in ("một", "hai", "ba"):
            await server.text(AN, text, times=2)
        await until(lambda: take.tries == 6)
    assert said_in(take) == ["một", "hai", "ba"]
    assert {update.order_key for update in take.updates} == {AN}


async def test_an_idle_poll_is_no_trouble(
    server: ZaloServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(zalo, "POLL_TIMEOUT_S", 0.05)
    take = Kept()
    async with running(server, take):
        await until(lambda: server.calls.count("getUpdates") >= 4)
        await server.text(AN, "chào")
        await until(lambda: take.updates != [])
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_polls_that_end_at_once_do_not_go_round_and_round(server: ZaloServer) -> None:
    server.fault("getUpdates", code=408, description="Request timeout", times=10_000)
    async with running(server, Kept()):
        await asyncio.sleep(0.5)
    assert server.calls.count("getUpdates") <= 30


async def test_an_update_that_is_nested_too_deeply_is_left_out(server: ZaloServer) -> None:
    take = Kept()
    async with running(server, take):
        await server.update(sample("nested"))
        await server.update({"event_name": "message.text.received"})
        await server.text(AN, "chào")
        await until(lambda: len(take.updates) == 2)
    assert [update.order_key for update in take.updates] == ["", AN]


async def test_a_webhook_from_before_is_taken_away(server: ZaloServer) -> None:
    async with httpx.AsyncClient() as client:
        hook = {"url": "https://tusoi.example.vn/zalo", "secret_token": "bi-mat-cu"}
        await client.post(f"{server.base_url}{TOKEN}/setWebhook", json=hook)
    take = Kept()
    async with running(server, take):
        await until(lambda: "deleteWebhook" in server.calls)
        await server.text(AN, "chào")
        await until(lambda: take.updates != [])
    assert server.calls.count("deleteWebhook") == 1


async def test_a_poll_that_is_refused_for_another_reason_is_tried_with_pauses(
    server: ZaloServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.fault("getUpdates", code=400, description="Bad Request: timeout", times=4)
    take = Kept()
    async with running(server, take):
        await server.text(AN, "chào")
        await until(lambda: take.updates != [])
    assert caplog.text.count("polling was refused") == 1
    assert caplog.text.count("Zalo refuses (400") == 1


@pytest.mark.parametrize("spelling", ["error_code", "errorCode", "both"])
async def test_polling_outlives_refusals_and_tells_each_once(
    server: ZaloServer, spelling: str, caplog: pytest.LogCaptureFixture
) -> None:
    server.configure(spelling=spelling)
    server.fault("getUpdates", code=401, description="Unauthorized", times=3)
    server.fault("getUpdates", code=403, description="Internal server error", times=3)
    server.fault("getUpdates", code=502, description="Bad Gateway", http_status=502)
    server.fault("getUpdates", cut=True)
    take = Kept()
    async with running(server, take):
        await server.text(AN, "chào")
        await until(lambda: take.updates != [])
    assert said_in(take) == ["chào"]
    assert caplog.text.count("TUSOI_ZALO__TOKEN was refused") == 1
    assert caplog.text.count("Zalo refuses (403") == 1


async def test_what_was_polled_is_held_until_it_can_be_kept(server: ZaloServer) -> None:
    take = Kept()
    take.fails = 4
    async with running(server, take):
        await server.text(AN, "một")
        await server.text(AN, "hai")
        await until(lambda: len(take.updates) == 2)
    assert said_in(take) == ["một", "hai"]
    assert take.tries == 6


async def test_stopping_ends_a_poll_that_waits_and_keeps_what_was_polled(server: ZaloServer) -> None:
    take = Kept()
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def slowly(_: RawUpdate) -> None:
        begun.set()
        await may_end.wait()

    take.then = slowly
    began_at = time.monotonic()
    async with running(server, take) as bot:
        await server.text(AN, "chào")
        await begun.wait()
        stopping = asyncio.create_task(bot.stop())
        await asyncio.sleep(0.05)
        assert not stopping.done()
        may_end.set()
        await stopping
        await bot.wait()
    assert said_in(take) == ["chào"]
    assert time.monotonic() - began_at < 15


async def test_without_a_network_it_starts_and_tells_once(caplog: pytest.LogCaptureFixture) -> None:
    here = ZaloServer()
    await here.start()
    await here.stop()
    take = Kept()
    async with running(here, take) as bot:
        await asyncio.sleep(0.3)
        with pytest.raises(DeliveryError) as raised:
            await bot.deliver(AN, a_message("Nhắc đồng chí."))
        assert not raised.value.maybe_delivered
        await here.start(here.port)
        await here.text(AN, "có mạng rồi")
        await until(lambda: take.updates != [])
    await here.stop()
    assert caplog.text.count("Zalo cannot be reached") == 1
    assert TOKEN not in caplog.text


# --- Sending ----------------------------------------------------------------------------------------------------


async def test_a_long_message_arrives_in_parts_with_the_choices_last(server: ZaloServer) -> None:
    server.meet([AN])
    async with running(server, Kept()) as bot:
        sentences = " ".join(f"Câu thứ {n} nói về một việc." for n in range(120))
        shown_as = await bot.deliver(AN, a_message(sentences, "Xem tiếp", "Mục lục"), is_reply=True)
    sent = server.sent(AN)
    assert [entry["text"].startswith("Câu") for entry in sent] == [True, True]
    assert sent[-1]["text"].endswith("một việc.\n\n1. Xem tiếp\n2. Mục lục\nĐồng chí gõ số để chọn.")
    assert shown_as == sent[-1]["message_id"]


async def test_parts_that_arrived_are_not_sent_again(server: ZaloServer) -> None:
    server.meet([AN])
    message = a_message("\n\n".join(letter * 1500 for letter in "abc"))
    server.fault("sendMessage", code=500, times=1, chat_id=AN)
    async with running(server, Kept()) as bot:
        with pytest.raises(DeliveryError) as raised:
            await bot.deliver(AN, message)
        assert raised.value.parts_sent == 0
        await bot.deliver(AN, message, part=1)
    assert [entry["text"][0] for entry in server.sent(AN)] == ["b", "c"]


async def test_a_torn_answer_leaves_open_what_has_arrived(server: ZaloServer) -> None:
    server.meet([AN])
    server.fault("sendMessage", cut=True)
    async with running(server, Kept()) as bot:
        with pytest.raises(DeliveryError) as raised:
            await bot.deliver(AN, a_message("Nhắc đồng chí."))
    assert raised.value.maybe_delivered
    assert len(server.sent(AN)) == 1


async def test_what_is_on_its_way_when_we_close_arrives_and_nothing_goes_after_it(server: ZaloServer) -> None:
    server.meet([AN])
    server.fault("sendMessage", hang_s=0.3)
    async with running(server, Kept()) as bot:
        long = asyncio.create_task(bot.deliver(AN, a_message("\n\n".join(letter * 1500 for letter in "ab"))))
        await server.wait_for_sent(AN, 1)
        await bot.stop()
        with pytest.raises(DeliveryError) as raised:
            await long
    # The rest is sent by whoever comes next.
    assert (raised.value.parts_sent, raised.value.permanent, raised.value.maybe_delivered) == (1, False, False)
    assert len(server.sent(AN)) == 1


async def test_a_chat_that_never_wrote_is_closed(server: ZaloServer) -> None:
    async with running(server, Kept()) as bot:
        with pytest.raises(DeliveryError) as raised:
            await bot.deliver(AN, a_message("Nhắc đồng chí."))
    assert (raised.value.permanent, raised.value.is_closed) == (True, True)


@pytest.mark.parametrize("http_status", [200, 429])
async def test_too_fast_is_told_with_a_wait(server: ZaloServer, http_status: int) -> None:
    server.meet([AN])
    server.fault("sendMessage", code=429, description="Quota exceeded", http_status=http_status)
    pace = Pace()
    bot = ZaloBot(ZaloConfig(token=SecretStr(TOKEN), base_url=server.base_url), cast("Gateway", None), pace, Kept())
    await bot.start()
    with pytest.raises(DeliveryError) as raised:
        await bot.deliver(AN, a_message("Nhắc đồng chí."))
    await bot.stop()
    assert raised.value.retry_after_s == 5.0
    now = time.monotonic()
    assert 0 < pace.chat_halted_s(AN, now) <= 5
    assert pace.chat_halted_s(BINH, now) == 0


async def test_messages_of_a_chat_do_not_mix(server: ZaloServer) -> None:
    server.meet([AN])
    long = [a_message(f"{letter * 1500}\n\n{letter * 1500}") for letter in "abc"]
    async with running(server, Kept()) as bot:
        await asyncio.gather(*(bot.deliver(AN, message) for message in long))
    letters = "".join(entry["text"][0] for entry in server.sent(AN))
    assert sorted([letters[:2], letters[2:4], letters[4:]]) == ["aa", "bb", "cc"]


async def test_work_under_way_is_told_now_and_then_but_not_all_the_time(server: ZaloServer) -> None:
    server.meet([AN, BINH])
    async with running(server, Kept()) as bot:
        await bot.deliver(AN, a_message("Đang đọc…"))
        for percent in (10, 20, 30):
            await bot.edit(AN, a_message(f"Đang đọc… {percent}%"), "m1")
        bot._told_at[AN] -= zalo.SAID_AGAIN_EVERY_S
        await bot.edit(AN, a_message("Đang đọc… 90%", "Thôi"), "m1")
        await bot.edit(BINH, a_message("Đang đọc… 5%"), None)
        server.fault("sendMessage", code=500, chat_id="xa")
        await bot.edit("xa", a_message("Đang đọc… 5%"), None)
    assert [entry["text"] for entry in server.sent(AN)] == [
        "Đang đọc…",
        "Đang đọc… 90%\n\n1. Thôi\nĐồng chí gõ số 1 để chọn.",
    ]
    assert [entry["text"] for entry in server.sent(BINH)] == ["Đang đọc… 5%"]


async def test_typing_that_is_not_shown_soon_is_let_be(server: ZaloServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zalo, "TYPING_TIMEOUT_S", 0.1)
    server.meet([AN])
    server.fault("sendChatAction", hang_s=20)
    began_at = time.monotonic()
    async with running(server, Kept()) as bot:
        await bot.show_working(AN)
        assert time.monotonic() - began_at < 10


async def test_typing_is_shown_and_its_failure_is_not(server: ZaloServer) -> None:
    server.meet([AN])
    async with running(server, Kept()) as bot:
        await bot.show_working(AN)
        await bot.show_working("nobody")
        await bot.acknowledge({})
        await bot.answered(AN)
    assert [entry["action"] for entry in server.transcripts[AN]] == ["typing"]


# --- The webhook ------------------------------------------------------------------------------------------------


async def test_what_is_posted_comes_again_until_it_is_kept() -> None:
    here = ZaloServer(allow_local=True)
    here.backoff_s = 0.05
    await here.start()
    take = Kept()
    take.fails = 2
    config = ZaloConfig(token=SecretStr(TOKEN), base_url=here.base_url, webhook="http://127.0.0.1:1/zalo")
    first = ZaloBot(config, cast("Gateway", None), Pace(), take)
    webhooks = Webhooks("127.0.0.1", 0, first.routes(), lambda: {"ok": True})
    await webhooks.start()
    url = f"http://127.0.0.1:{webhooks.port}/zalo"
    async with running(here, take, webhook=url):
        await here.text(AN, "một")
        await here.unsupported(AN)
        await here.text(BINH, "hai", times=3)
        await until(lambda: here.waiting == 0)
    await webhooks.stop()
    await here.stop()
    assert len(take.updates) == 3
    assert sorted(update.body["event_name"].split(".")[1] for update in take.updates) == ["text", "text", "unsupported"]
    assert "getUpdates" not in here.calls


# --- A conversation ---------------------------------------------------------------------------------------------


async def test_a_member_links_the_account_with_a_code_and_takes_choices_by_number(
    server: ZaloServer, tmp_path: Path, documents: KnowledgeBase, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    engine = open_database(f"sqlite:///{tmp_path / 'tu-soi.db'}")
    bring_up(engine)
    # It runs what is due, in an event loop of its own.
    village = await asyncio.to_thread(
        Village, Store(engine, a_vault()), documents, datetime.now(UTC) - timedelta(minutes=1)
    )
    village.add("an", "Nguyễn Văn An", Role.SECRETARY)
    take = Kept()
    async with running(server, take) as bot:

        async def answer(update: RawUpdate) -> None:
            heard = bot.understand(update.body, now=datetime.now(UTC))
            if isinstance(heard, IncomingMessage):
                for reply in (await village.gateway.receive(heard)).replies:
                    await bot.deliver(heard.chat_id, reply, is_reply=True)
            elif isinstance(heard, FixedAnswer):
                await bot.say(heard.chat_id, heard.text)

        take.then = answer
        code = village.code("an")
        await server.text(AN, code.lower())
        asked = await server.wait_for_sent(AN, 1)
        assert "1. Đồng ý" in asked[0]["text"]
        await server.text(AN, "1")
        await until(lambda: any("đã lưu sự đồng ý" in entry["text"] for entry in server.sent(AN)))
        count = len(server.sent(AN))
        await server.unsupported(AN)
        assert (await server.wait_for_sent(AN, count + 1))[-1]["text"] == channel_texts.NOT_HANDED_ON
        await server.sticker(AN)
        assert "chưa nhận tệp" in (await server.wait_for_sent(AN, count + 2))[-1]["text"]
    with village.store.transaction() as transaction:
        assert transaction.people.member_of("zalo", AN) == village.ids["an"]
        conversation = transaction.find_conversation("zalo", AN)
        assert conversation is not None
        history = transaction.history(conversation.id)
    # What Zalo did not hand on is kept nowhere.
    assert sum(not message.is_ours for message in history) == 3
    engine.dispose()
    assert code.lower() not in caplog.text.lower()
    assert TOKEN not in caplog.text


async def test_logs_hold_neither_token_nor_what_people_wrote(
    server: ZaloServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "chuyện riêng của tôi"
    take = Kept()
    take.fails = 1
    async with running(server, take) as bot:
        await server.text(AN, secret)
        await until(lambda: take.updates != [])
        server.fault("sendMessage", code=400, description=f"Bad Request: {secret} {TOKEN}")
        with pytest.raises(DeliveryError) as raised:
            await bot.deliver(AN, a_message(secret, created_at=NOW))
        server.fault("sendChatAction", code=500)
        await bot.show_working(AN)
    assert "bot.channels.zalo" in {record.name for record in caplog.records}
    assert secret not in caplog.text
    assert TOKEN not in caplog.text + str(raised.value)
    assert json.dumps(take.updates[0].body)
