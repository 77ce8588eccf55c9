"""How the Telegram channel connects, fetches and keeps; what it says stands in test_telegram_sending.py."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from bot.channels import telegram
from bot.channels.base import ChannelError, DeliveryError, FileLostError, RawUpdate
from bot.channels.telegram_api import Api, _RawBot
from bot.channels.telegram_intake import LEFT_OUT
from handlers.audience import Audience
from handlers.command_texts import COMMANDS
from handlers.messages import IncomingMessage
from tests.bot.telegram_channel import AN, BINH, NOW, Kept, NoGateway, a_channel, a_text, running, until
from tests.servers.telegram import TOKEN, TelegramServer

SAMPLES = Path(__file__).parents[1] / "data" / "telegram"


@pytest.fixture
async def server() -> AsyncIterator[TelegramServer]:
    server = TelegramServer()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telegram, "FIRST_BACKOFF_S", 0.02)


def sample(name: str) -> dict[str, Any]:
    body: dict[str, Any] = json.loads((SAMPLES / f"{name}.json").read_text(encoding="utf-8"))
    return body


# --- starting -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("token", ["999999:a-token-nobody-gave", "nonsense with blanks", "", "123456:a\nb"])
async def test_a_wrong_token_is_one_clear_line(server: TelegramServer, token: str) -> None:
    with pytest.raises(ChannelError) as caught:
        await a_channel(server, token=token).start()
    said = str(caught.value)
    assert "TUSOI_TELEGRAM__TOKEN" in said
    assert "\n" not in said
    assert not token or token not in said
    assert caught.value.__cause__ is caught.value.__context__ is None


async def test_the_members_commands_show_in_private_chats_and_nothing_in_groups(server: TelegramServer) -> None:
    # As a version before this one has left it.
    server._scopes["default", "", ""] = [{"command": "van_ban", "description": "Văn bản"}]
    async with running(server):
        for language in ("vi", "en"):
            shown = [(each["command"], each["description"]) for each in server.commands_seen(AN, language)]
            assert shown == list(COMMANDS[Audience.MEMBER])
        assert server.commands_seen(-5001) == []


@pytest.mark.parametrize(
    ("address", "button"),
    [
        (
            "https://tusoi.example.vn",
            {"type": "web_app", "text": "Mở phiếu", "web_app": {"url": "https://tusoi.example.vn/tu-danh-gia"}},
        ),
        ("http://192.168.1.5:8080", {"type": "commands"}),
        (None, {"type": "commands"}),
    ],
)
async def test_the_menu_opens_the_page_where_it_can(
    server: TelegramServer, address: str | None, button: dict[str, Any]
) -> None:
    async with running(server, web_address=address):
        assert server.menu_button(AN) == button


async def test_a_channel_starts_although_menus_are_refused(
    server: TelegramServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.fault("setMyCommands", code=400, description="Bad Request: BOT_COMMAND_INVALID", times=2)
    server.fault("setChatMenuButton", code=404, description="Not Found")
    kept = Kept()
    async with running(server, kept):
        await server.text(AN, "chào")
        await kept.wait_for(1)
    assert sum("commands not registered" in record.getMessage() for record in caplog.records) == 3


async def test_without_a_network_the_channel_starts_and_keeps_trying(
    server: TelegramServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    await server.stop()
    kept = Kept()
    async with running(server, kept) as channel:
        waiting = asyncio.create_task(channel.wait())
        await asyncio.sleep(0.3)
        complaints = [record for record in caplog.records if "cannot be reached" in record.getMessage()]
        assert len(complaints) == 1
        await server.start(server.port)
        await server.text(AN, "có mạng rồi")
        await kept.wait_for(1)
        assert not waiting.done()
    await waiting
    assert "connected again" in caplog.text
    assert TOKEN not in caplog.text


async def test_a_channel_that_never_reached_telegram_stops(server: TelegramServer) -> None:
    await server.stop()
    async with running(server) as channel:
        with pytest.raises(DeliveryError) as caught:
            await channel.deliver(str(AN), a_text("Nhắc đồng chí."))
    assert (caught.value.permanent, caught.value.maybe_delivered) == (False, False)


async def test_before_it_has_started_nothing_is_sent_or_fetched(server: TelegramServer) -> None:
    channel = a_channel(server)
    with pytest.raises(DeliveryError, match="not started"):
        await channel.say(str(AN), "Chào đồng chí.")
    with pytest.raises(FileLostError):
        await channel.fetch("file")
    await channel.show_working(str(AN))
    await channel.acknowledge({"callback_query": {"id": "1"}})
    await channel.answered(str(AN))
    await channel.stop()
    assert server.calls == []


# --- fetching -----------------------------------------------------------------------------------------------------


async def test_what_was_written_while_we_were_away_is_kept_in_order(server: TelegramServer) -> None:
    for n in range(5):
        await server.text(AN, f"tin {n}")
    await server.text(BINH, "tin khác")
    kept = Kept()
    async with running(server, kept):
        updates = await kept.wait_for(6)
    assert kept.texts == [*(f"tin {n}" for n in range(5)), "tin khác"]
    assert [update.order_key for update in updates] == [str(AN)] * 5 + [str(BINH)]
    assert all(update.external_id == f"u{update.body['update_id']}" for update in updates)


async def test_nothing_is_confirmed_before_it_is_kept(server: TelegramServer, caplog: pytest.LogCaptureFixture) -> None:
    kept = Kept()
    kept.fails = OSError("database is locked")
    async with running(server, kept):
        await server.text(AN, "chờ")
        await until(lambda: kept.tries >= 3)
        assert server.waiting == 1
        kept.fails = None
        await kept.wait_for(1)
    assert kept.texts == ["chờ"]
    assert server.waiting == 0
    complaints = [record.getMessage() for record in caplog.records if "cannot be kept" in record.getMessage()]
    assert len(complaints) == 1
    assert "OSError" in complaints[0]


class CrashingKept(Kept):
    """Keeps what it is given and never says so."""

    async def take(self, channel: str, updates: Sequence[RawUpdate]) -> None:
        await super().take(channel, updates)
        await asyncio.Event().wait()


async def test_what_was_kept_before_a_crash_comes_again_under_the_same_name(server: TelegramServer) -> None:
    crashing, again = CrashingKept(), Kept()
    await server.text(AN, "một")
    async with running(server, crashing):
        [first] = await crashing.wait_for(1)
    async with running(server, again):
        assert (await again.wait_for(1))[0] == first


async def test_closing_confirms_what_is_kept(server: TelegramServer) -> None:
    kept = Kept()
    async with running(server, kept):
        await server.text(AN, "chào")
        await kept.wait_for(1)
    assert server.waiting == 0


async def test_one_update_that_cannot_be_used_does_not_hold_up_the_others(server: TelegramServer) -> None:
    deep: Any = "a"
    for _ in range(300):
        deep = [deep]
    kept = Kept()
    await server.update({"message": {"message_id": "x", "chat": {"id": AN}, "text": deep}})
    await server.update({"message": {"message_id": "x", "chat": {"id": BINH}}})
    await server.text(AN, "sau đó")
    async with running(server, kept) as channel:
        deep_one, malformed, good = await kept.wait_for(3)
        assert deep_one.body.keys() == {"update_id", LEFT_OUT}
        for body in (deep_one.body, malformed.body):
            with pytest.raises((ValueError, TypeError, KeyError)):
                channel.understand(body, now=NOW)
        heard = channel.understand(good.body, now=NOW)
    assert isinstance(heard, IncomingMessage)
    assert heard.text == "sau đó"


async def test_an_answer_that_nobody_can_read_is_narrowed_down_to_one_update(
    server: TelegramServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    original = _RawBot.raw
    limits = list[int]()
    for n in range(3):
        await server.update(sample("text") | {"update_id": 100 + n})

    async def spoilt(self: _RawBot, method: str, parameters: dict[str, Any], *, read_timeout_s: float) -> Any:
        """Spoil what Telegram says of update 101."""
        assert method == "getUpdates"
        limits.append(parameters["limit"])
        updates = await original(self, method, parameters, read_timeout_s=read_timeout_s)
        if 101 in [update["update_id"] for update in updates]:
            self._request[0].parse_json_payload(json.dumps(updates).encode()[:-5])
        return updates

    monkeypatch.setattr(_RawBot, "raw", spoilt)
    kept = Kept()
    async with running(server, kept):
        updates = await kept.wait_for(3)
        await server.text(AN, "đã qua")
        await kept.wait_for(4)
    assert [update.external_id for update in updates[:3]] == ["u100", "u101", "u102"]
    assert LEFT_OUT in updates[1].body
    assert "text" in updates[2].body["message"]
    assert limits[:2] == [100, 1]
    assert "cannot be read" in caplog.text


async def test_polling_outlives_refusals_and_tells_each_once(
    server: TelegramServer, caplog: pytest.LogCaptureFixture
) -> None:
    conflict = "Conflict: terminated by other getUpdates request"
    server.fault("getUpdates", code=401, description="Unauthorized")
    server.fault("getUpdates", code=409, description=conflict, times=3)
    server.fault("getUpdates", code=502, description="Bad Gateway")
    server.fault("getUpdates", cut=True)
    kept = Kept()
    async with running(server, kept):
        await server.text(AN, "chào")
        await kept.wait_for(1)
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert sum("another program polls" in each for each in said) == 1
    assert sum("was refused by Telegram" in each for each in said) == 1


async def test_a_second_program_with_the_same_token_is_told_of(
    server: TelegramServer, caplog: pytest.LogCaptureFixture
) -> None:
    kept = Kept()
    async with running(server, kept), running(server, kept):
        await until(lambda: "another program polls" in caplog.text)
        await server.text(AN, "một trong hai nhận được")
        await kept.wait_for(1)
    assert kept.texts == ["một trong hai nhận được"]


async def test_only_kinds_that_are_read_are_asked_for(server: TelegramServer) -> None:
    kept = Kept()
    async with running(server, kept):
        await until(lambda: server._allowed is not None)
        await server.update(sample("channel_post"))
        await server.update(sample("edited"))
        await server.block(AN)
        await kept.wait_for(2)
    assert [update.body.keys() - {"update_id"} for update in kept.updates] == [{"edited_message"}, {"my_chat_member"}]


async def test_polling_ends_a_webhook_without_dropping_anything(server: TelegramServer) -> None:
    await server._do_setwebhook({"url": "http://127.0.0.1:9/nobody"})
    await server.text(AN, "đang chờ")
    kept = Kept()
    async with running(server, kept):
        await kept.wait_for(1)
    assert kept.texts == ["đang chờ"]


# --- marks and menus ----------------------------------------------------------------------------------------------


async def test_a_tap_is_acknowledged_once_and_late_ones_do_no_harm(
    server: TelegramServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    kept = Kept()
    async with running(server, kept) as channel:
        await server.text(AN, "chào")
        await channel.deliver(str(AN), a_text("Chọn:", "Có"))
        await server.tap(AN, "bcdfghjkmn01")
        body = (await kept.wait_for(2))[1].body
        await channel.acknowledge(body)
        await channel.acknowledge(body)
    assert [entry["method"] for entry in server.transcripts[AN]].count("answerCallbackQuery") == 1
    assert "tap not acknowledged" in caplog.text


@pytest.mark.parametrize(
    "body", [{}, {"message": {}}, {"callback_query": 5}, {"callback_query": {}}, {"callback_query": {"id": 5}}]
)
async def test_what_is_no_tap_is_not_acknowledged(server: TelegramServer, body: dict[str, Any]) -> None:
    async with running(server) as channel:
        await channel.acknowledge(body)
    assert "answerCallbackQuery" not in server.calls


async def test_typing_is_shown_and_left_out_while_much_is_said(server: TelegramServer) -> None:
    server.meet([AN])
    async with running(server) as channel:
        await channel.show_working(str(AN))
        assert [entry["method"] for entry in server.transcripts[AN]] == ["sendChatAction"]
        server.fault("sendChatAction", code=403, description="Forbidden: bot was blocked by the user")
        await channel.show_working(str(AN))
        server.fault("sendMessage", hang_s=0.5, times=8)
        sending = [asyncio.create_task(channel.say(str(AN + n), "Chào.")) for n in range(8)]
        await until(channel._in_flight.locked)
        await channel.show_working(str(AN))
        for task in sending:
            task.cancel()
        await asyncio.gather(*sending, return_exceptions=True)
    assert server.calls.count("sendChatAction") == 2


class Roles:
    """Whose commands each chat is shown; counts how often it was asked."""

    def __init__(self, **roles: Audience) -> None:
        self.roles = {chat.removeprefix("chat_"): role for chat, role in roles.items()}
        self.asked = 0

    def __call__(self, channel: str, chat_id: str, *, now: object) -> Audience | None:
        assert channel == "telegram"
        assert now is not None
        self.asked += 1
        return self.roles.get(chat_id)


async def test_a_secretary_sees_her_commands_and_a_member_the_members(
    server: TelegramServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.meet([AN, BINH])
    roles = Roles(chat_1001=Audience.SECRETARY, chat_1002=Audience.MEMBER)

    def seen(chat_id: int) -> list[tuple[str, str]]:
        return [(each["command"], each["description"]) for each in server.commands_seen(chat_id)]

    async with running(server, gateway=NoGateway(audience=roles)) as channel:
        for chat_id in (AN, BINH, AN, AN):
            await channel.answered(str(chat_id))
        assert roles.asked == 2
        assert seen(AN) == list(COMMANDS[Audience.SECRETARY])
        assert seen(BINH) == list(COMMANDS[Audience.MEMBER])
        calls = len(server.calls)
        monkeypatch.setattr(telegram, "MENU_EVERY_S", 0.0)
        await channel.answered(str(AN))
        assert (roles.asked, len(server.calls)) == (3, calls)
        roles.roles["1001"] = Audience.ADMIN
        await channel.answered(str(AN))
        assert seen(AN) == list(COMMANDS[Audience.ADMIN])
        roles.roles["1001"] = Audience.MEMBER
        await channel.answered(str(AN))
        assert seen(AN) == list(COMMANDS[Audience.MEMBER])


async def test_a_menu_of_a_role_that_is_gone_is_taken_back_after_a_restart(
    server: TelegramServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.meet([AN, BINH])
    server._scopes["chat", str(AN), ""] = server._scopes["chat", str(BINH), ""] = [{"command": "nhac"}]
    monkeypatch.setattr(telegram, "MENU_EVERY_S", 0.0)
    roles = Roles(chat_1001=Audience.MEMBER, chat_1002=Audience.MEMBER)
    async with running(server, gateway=NoGateway(audience=roles)) as channel:
        await channel.answered(str(AN))
        # Not for everybody at once.
        await channel.answered(str(BINH))
        assert server.calls.count("deleteMyCommands") == 2
        monkeypatch.setattr(telegram, "FORGOTTEN_MENU_EVERY_S", 0.0)
        await channel.answered(str(BINH))
        assert server.calls.count("deleteMyCommands") == 3
    assert all(server.commands_seen(chat)[0]["command"] == "tu_danh_gia" for chat in (AN, BINH))


async def test_a_menu_never_fails_and_is_never_for_a_group(
    server: TelegramServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.meet([AN])
    secret = "chuyện riêng của tôi"

    def broken(channel: str, chat_id: str, *, now: object) -> Audience:
        raise LookupError(secret, channel, chat_id, now)

    async with running(server, gateway=NoGateway(audience=broken)) as channel:
        await channel.answered("-5001")
        assert "menu" not in caplog.text
        await channel.answered(str(AN))
    assert "LookupError" in caplog.text
    assert secret not in caplog.text


async def test_few_menus_are_remembered(server: TelegramServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telegram, "_MENUS_REMEMBERED", 3)
    async with running(server, gateway=NoGateway(audience=Roles())) as channel:
        for chat_id in range(10):
            await channel.answered(str(AN + chat_id))
        assert list(channel._menus) == [str(AN + n) for n in (7, 8, 9)]


# --- files, logs --------------------------------------------------------------------------------------------------


async def test_a_file_that_was_sent_is_fetched_and_one_too_large_is_said_to_be(server: TelegramServer) -> None:
    kept = Kept()
    picture = (SAMPLES / "text.json").read_bytes()
    async with running(server, kept) as channel:
        await server.file(AN, "quy định.docx", b"PK quy dinh")
        await server.file(AN, "lon.pdf", b"x", size=30 * 2**20)
        await server.update(sample("photo"))
        refs = []
        for update in await kept.wait_for(3):
            heard = channel.understand(update.body, now=NOW)
            assert isinstance(heard, IncomingMessage)
            refs.append(heard.file_ref or "")
        assert await channel.fetch(refs[0]) == b"PK quy dinh"
        with pytest.raises(FileLostError) as too_large:
            await channel.fetch(refs[1])
        assert too_large.value.too_large
        server._files[refs[2]] = (picture, len(picture))
        assert await channel.fetch(refs[2]) == picture
        with pytest.raises(FileLostError) as unknown:
            await channel.fetch("nobody-knows")
        assert not unknown.value.too_large


async def test_logs_hold_neither_token_nor_what_people_wrote(
    server: TelegramServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "chuyện riêng của tôi"
    kept = Kept()
    async with running(server, kept) as channel:
        await server.text(AN, secret)
        await kept.wait_for(1)
        channel.understand(kept.updates[0].body, now=NOW)
        await channel.say(str(AN), secret)
        for code, description in (
            (400, f"Bad Request: can't parse entities: unsupported start tag {secret}"),
            (400, f"Bad Request: BUTTON_DATA_INVALID: {secret}"),
            (403, f"Forbidden: {secret}"),
            (500, f"Internal: {secret}"),
        ):
            server.fault("sendMessage", code=code, description=description)
        errors = []
        for _ in range(3):
            with pytest.raises(DeliveryError) as caught:
                await channel.deliver(str(AN), a_text(secret))
            errors.append(str(caught.value))
        kept.fails = ValueError(secret)
        await server.text(AN, secret)
        await until(lambda: "cannot be kept" in caplog.text)
        kept.fails = None
        await server.stop()
        with pytest.raises(DeliveryError) as caught:
            await channel.deliver(str(AN), a_text(secret))
        errors.append(str(caught.value))
        await until(lambda: "cannot be reached" in caplog.text)
        await server.start(server.port)
    assert any(record.name.startswith("bot.channels.telegram") for record in caplog.records)
    told = caplog.text + "\n".join(errors)
    assert secret not in told
    assert TOKEN not in told
    assert TOKEN.partition(":")[2] not in told


def test_the_bots_number_is_known_from_its_token() -> None:
    assert Api(TOKEN, "http://127.0.0.1:9/bot", "http://127.0.0.1:9/file/bot").bot_id == 123456


@pytest.mark.filterwarnings("ignore::telegram.warnings.PTBDeprecationWarning")
async def test_a_fixed_text_that_is_kept_nowhere_waits_as_long_as_telegram_asks(server: TelegramServer) -> None:
    server.meet([AN])
    async with running(server) as channel:
        server.fault("sendMessage", code=429, description="Too Many Requests: retry after 1", retry_after_s=1)
        await channel.say(str(AN), "Đồng chí nhắn riêng giúp.")
    assert [answer["text"] for answer in server.sent(AN)] == ["Đồng chí nhắn riêng giúp."]
