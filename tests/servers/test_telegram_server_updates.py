import asyncio
import time
from typing import Any

import httpx
import pytest

from tests.servers.calling import Bot
from tests.servers.common import poll_until
from tests.servers.listener import listener
from tests.servers.telegram import BOT, TelegramServer
from tests.servers.telegram_updates import SECRET_HEADER

AN, BINH, GROUP, SUPERGROUP = 1001, 1002, -500, -1_002_003_004_005


# --- polling


async def test_a_poll_waits_and_forgets_what_was_confirmed(server: TelegramServer, bot: Bot) -> None:
    first = await server.text(AN, "một")
    assert len(await bot("getUpdates")) == len(await bot("getUpdates")) == 1
    began = time.monotonic()
    poll = asyncio.create_task(bot("getUpdates", offset=first + 1, timeout=5))
    await asyncio.sleep(0.1)
    assert not poll.done()
    await server.text(AN, "hai")
    assert [update["message"]["text"] for update in await poll] == ["hai"]
    assert time.monotonic() - began < 4
    assert server.waiting == 1
    began = time.monotonic()
    assert await bot("getUpdates", offset=first + 1000, timeout=1) == []
    assert time.monotonic() - began >= 0.9


async def test_a_poll_takes_so_many_and_counts_from_the_end(server: TelegramServer, bot: Bot) -> None:
    for n in range(5):
        await server.text(AN, str(n))
    assert [update["message"]["text"] for update in await bot("getUpdates", limit=2)] == ["0", "1"]
    assert [update["message"]["text"] for update in await bot("getUpdates", offset=-2)] == ["3", "4"]
    assert server.waiting == 2


async def test_a_second_poll_ends_the_first_with_409(server: TelegramServer, bot: Bot) -> None:
    first = asyncio.create_task(bot.refused("getUpdates", timeout=5))
    await asyncio.sleep(0.1)
    second = asyncio.create_task(bot("getUpdates", timeout=5))
    assert (await first)["error_code"] == 409
    assert "only one bot instance" in (await first)["description"]
    await server.text(AN, "chào")
    assert len(await second) == 1


async def test_kinds_that_nobody_asked_for_do_not_come(server: TelegramServer, bot: Bot) -> None:
    assert await bot("getUpdates", allowed_updates=["message"]) == []
    await server.text(AN, "chào")
    await server.block(AN)
    await server.unblock(AN)
    assert [sorted(update) for update in await bot("getUpdates")] == [["message", "update_id"]]
    await bot("getUpdates", offset=-1, allowed_updates=[])
    await server.block(AN)
    await server.update({"message_reaction": {"chat": {"id": AN}}})
    assert "my_chat_member" in (await bot("getUpdates"))[-1]


# --- webhook


async def test_a_webhook_ends_polling_until_it_is_deleted(bot: Bot) -> None:
    poll = asyncio.create_task(bot.refused("getUpdates", timeout=5))
    await asyncio.sleep(0.1)
    async with listener() as hook:
        await bot("setWebhook", url=hook.url)
        assert "setWebhook" in (await poll)["description"]
        assert "webhook is active" in (await bot.refused("getUpdates"))["description"]
        assert (await bot("getWebhookInfo"))["url"] == hook.url
        await bot("deleteWebhook")
    assert await bot("getUpdates") == []
    assert (await bot("getWebhookInfo"))["url"] == ""


async def test_the_webhook_gets_what_waited_and_what_comes_with_the_secret(server: TelegramServer, bot: Bot) -> None:
    ids = [await server.text(AN, "một")]
    async with listener() as hook:
        await bot("setWebhook", url=hook.url, secret_token="khoa_bi-mat")
        ids.append(await server.text(AN, "hai"))
        await server.wait_until_taken()
    assert [update["update_id"] for update in hook.heard] == ids
    assert [headers[SECRET_HEADER] for headers in hook.headers] == ["khoa_bi-mat"] * 2


async def test_what_the_webhook_did_not_take_comes_again_with_its_id(server: TelegramServer, bot: Bot) -> None:
    server.backoff_s = 0.2
    async with listener() as hook:
        hook.statuses = [500]
        await bot("setWebhook", url=hook.url)
        for n in range(3):
            await server.text(AN, str(n))
        await poll_until(lambda: bool(hook.heard), 5)
        await asyncio.sleep(0.05)
        info = await bot("getWebhookInfo")
        assert info["pending_update_count"] == 3
        assert "500" in info["last_error_message"]
        await server.wait_until_taken()
        assert (await bot("getWebhookInfo"))["pending_update_count"] == 0
    assert [update["message"]["text"] for update in hook.heard] == ["0", "0", "1", "2"]
    assert hook.heard[0] == hook.heard[1]


async def test_what_is_malformed_on_purpose_is_posted_as_it_is(server: TelegramServer, bot: Bot) -> None:
    strange: list[Any] = [{"message": None}, {"message": {"chat": 5}}, {}, {"a": 1, "b": 2}, {"callback_query": {}}]
    async with listener() as hook:
        await bot("setWebhook", url=hook.url)
        for update in strange:
            await server.update(update)
        await server.wait_until_taken()
    assert [{k: v for k, v in update.items() if k != "update_id"} for update in hook.heard] == strange


async def test_a_chat_that_waits_does_not_keep_another_back(server: TelegramServer, bot: Bot) -> None:
    server.backoff_s = 0.3
    async with listener() as hook:
        hook.statuses = [500]
        await bot("setWebhook", url=hook.url)
        await server.text(AN, "chậm")
        await asyncio.sleep(0.05)
        await server.text(BINH, "nhanh")
        await server.wait_until_taken()
    assert [update["message"]["text"] for update in hook.heard] == ["chậm", "nhanh", "chậm"]


async def test_a_webhook_that_takes_too_long_is_asked_again(server: TelegramServer, bot: Bot) -> None:
    server.timeout_s = 0.1
    async with listener() as hook:
        late = [0.3, 0.0]
        hook.before_answer = lambda: asyncio.sleep(late.pop(0) if late else 0)
        await bot("setWebhook", url=hook.url)
        await server.text(AN, "một")
        await server.wait_until_taken()
    assert [update["message"]["text"] for update in hook.heard] == ["một", "một"]


async def test_nobody_listening_is_tried_again_and_told(server: TelegramServer, bot: Bot) -> None:
    async with listener() as hook:
        url = hook.url
    await bot("setWebhook", url=url)
    await server.text(AN, "chào")
    await asyncio.sleep(0.1)
    assert "Connection failed" in (await bot("getWebhookInfo"))["last_error_message"]
    await bot("deleteWebhook", drop_pending_updates=True)
    assert await bot("getUpdates") == []


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"url": "http://tusoi.example.vn/hook"}, "HTTPS"),
        ({"url": "https://tusoi.example.vn:8080/hook"}, "ports"),
        ({"url": "https://tusoi.example.vn/hook", "secret_token": "khóa"}, "unallowed characters"),
        ({"url": "https://tusoi.example.vn/hook", "secret_token": "a" * 257}, "unallowed characters"),
        ({"url": "https://tusoi.example.vn/hook", "max_connections": 101}, "max_connections"),
    ],
)
async def test_a_webhook_is_as_telegram_wants_it(client: httpx.AsyncClient, parameters: Any, reason: str) -> None:
    server = TelegramServer(allow_local=False)
    await server.start()
    assert reason in (await Bot(server, client).refused("setWebhook", **parameters))["description"]
    await server.stop()


# --- what goes wrong


async def test_429_may_concern_all_one_chat_or_one_method(server: TelegramServer, bot: Bot) -> None:
    server.meet([AN, BINH])

    async def codes(*calls: tuple[str, int]) -> list[int]:
        more = {"sendMessage": {"text": "a"}, "sendChatAction": {"action": "typing"}}
        return [(await bot.ask(method, chat_id=chat, **more[method])).status_code for method, chat in calls]

    everything = [("sendMessage", AN), ("sendChatAction", AN), ("sendMessage", BINH), ("sendChatAction", BINH)]
    server.fault("*", code=429, retry_after_s=3, times=2)
    assert await codes(*everything) == [429, 429, 200, 200]
    server.fault("*", code=429, retry_after_s=3, chat_id=BINH)
    assert await codes(*everything) == [200, 200, 429, 200]
    server.fault("sendMessage", code=429, retry_after_s=3, after=1)
    assert await codes(*everything) == [200, 200, 429, 200]
    server.fault("sendMessage", code=429, retry_after_s=7)
    refused = await bot.refused("sendMessage", chat_id=AN, text="a")
    assert refused["parameters"] == {"retry_after": 7}
    assert refused["description"] == "Too Many Requests: retry after 7"


async def test_a_pace_is_kept_for_all_and_for_each_chat(server: TelegramServer, bot: Bot) -> None:
    server.meet([AN, BINH])
    server.limit(per_second=3, per_chat=2)
    codes = [(await bot.ask("sendMessage", chat_id=chat, text="a")).status_code for chat in (AN, AN, AN, BINH, BINH)]
    assert codes == [200, 200, 429, 200, 429]
    assert server.pace.refused == 2
    await asyncio.sleep(1.05)
    assert await bot("sendMessage", chat_id=AN, text="a")


@pytest.mark.parametrize("is_lost", [False, True])
@pytest.mark.parametrize("how", [{"cut": True}, {"hang_s": 3}])
async def test_an_answer_that_does_not_come_tells_nothing(
    server: TelegramServer, bot: Bot, is_lost: bool, how: Any
) -> None:
    server.meet([AN])
    server.fault("sendMessage", is_lost=is_lost, **how)
    with pytest.raises(httpx.TransportError):
        await bot.client.post(
            f"{bot.base}/sendMessage", json={"chat_id": AN, "text": "a"}, timeout=httpx.Timeout(5, read=0.2)
        )
    assert len(server.sent(AN)) == (0 if is_lost else 1)
    assert await bot("sendMessage", chat_id=AN, text="b")


async def test_a_server_error_is_one(server: TelegramServer, bot: Bot) -> None:
    server.fault("getMe")
    server.fault("getMe", code=502)
    assert [(await bot.refused("getMe"))["description"] for _ in range(2)] == ["Internal Server Error", "Bad Gateway"]
    assert (await bot("getMe"))["username"] == BOT["username"]


async def test_who_blocks_the_bot_is_not_written_to_and_it_is_told(server: TelegramServer, bot: Bot) -> None:
    await server.text(AN, "chào")
    await server.block(AN)
    for method, more in (("sendMessage", {"text": "a"}), ("sendChatAction", {"action": "typing"})):
        refused = await bot.refused(method, chat_id=AN, **more)
        assert (refused["error_code"], refused["description"]) == (403, "Forbidden: bot was blocked by the user")
    changed = (await bot("getUpdates"))[-1]["my_chat_member"]
    assert (changed["old_chat_member"]["status"], changed["new_chat_member"]["status"]) == ("member", "kicked")
    # Who writes again has first taken the bot back.
    await server.text(AN, "lại đây")
    assert [sorted(update)[0] for update in (await bot("getUpdates"))[-2:]] == ["my_chat_member", "message"]
    assert await bot("sendMessage", chat_id=AN, text="a")


async def test_a_person_who_never_wrote_cannot_be_written_to(server: TelegramServer, bot: Bot) -> None:
    server.stranger(BINH)
    refused = await bot.refused("sendMessage", chat_id=BINH, text="a")
    assert (refused["error_code"], refused["description"]) == (
        403,
        "Forbidden: bot can't initiate conversation with a user",
    )


async def test_a_group_that_grew_says_where_it_went(server: TelegramServer, bot: Bot) -> None:
    await server.join(GROUP, "Chi bộ 3")
    await server.migrate(GROUP, SUPERGROUP)
    refused = await bot.refused("sendMessage", chat_id=GROUP, text="a")
    assert refused["parameters"] == {"migrate_to_chat_id": SUPERGROUP}
    sent = await bot("sendMessage", chat_id=SUPERGROUP, text="a")
    assert sent["chat"] == {"id": SUPERGROUP, "type": "supergroup", "title": "Chi bộ 3"}
    joined, old, new = await bot("getUpdates")
    assert joined["my_chat_member"]["new_chat_member"]["status"] == "member"
    assert (old["message"]["migrate_to_chat_id"], new["message"]["migrate_from_chat_id"]) == (SUPERGROUP, GROUP)


async def test_in_a_group_only_what_is_for_the_bot_is_heard(server: TelegramServer, bot: Bot) -> None:
    await server.join(GROUP)
    sent = await bot("sendMessage", chat_id=GROUP, text="chào cả nhóm")
    for text in ("chiều nay họp lúc mấy giờ", "/start@OtherBot", "/start", "@TuSoiBot ơi", "/muc_luc@TuSoiBot"):
        await server.text(GROUP, text, sender=AN)
    await server.text(GROUP, "đúng rồi", sender=BINH, reply_to=sent["message_id"])
    heard = [update["message"] for update in (await bot("getUpdates"))[1:]]
    assert [message["text"] for message in heard] == ["/start", "@TuSoiBot ơi", "/muc_luc@TuSoiBot", "đúng rồi"]
    assert heard[1]["entities"] == [{"type": "mention", "offset": 0, "length": 9}]
    assert heard[3]["from"]["id"] == BINH
    await server.leave(GROUP)
    assert (await bot.refused("sendMessage", chat_id=GROUP, text="a"))["error_code"] == 403
