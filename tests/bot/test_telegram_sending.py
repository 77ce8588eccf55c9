"""How the Telegram channel sends: parts, edits, files, and what each refusal means."""

import asyncio
import io
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from PIL import Image

from bot.channels import telegram, telegram_api
from bot.channels.base import DeliveryError
from bot.pace import LIMITS, Limits, Pace
from handlers import texts
from handlers.files import File
from handlers.messages import BlockKind
from storage.store import StoredMessage
from tests.bot.telegram_channel import AN, BINH, NoGateway, a_message, a_text, running, shown_buttons, until
from tests.servers.faults import Fault
from tests.servers.telegram import TelegramServer

# The library announces on each 429 that its whole seconds will become a timedelta; we take both.
pytestmark = pytest.mark.filterwarnings("ignore::telegram.warnings.PTBDeprecationWarning")

BUSY = "Too Many Requests: retry after 1"
LONG = "Đoạn một. " * 400 + "\n\n" + "Đoạn hai. " * 400


@pytest.fixture
async def server() -> AsyncIterator[TelegramServer]:
    server = TelegramServer()
    await server.start()
    server.meet([AN, BINH])
    yield server
    await server.stop()


def said(server: TelegramServer, chat_id: int = AN) -> list[tuple[str, str]]:
    """Return (method, text or file name) of what the bot said in a chat."""
    return [
        (entry["method"], entry.get("text") or entry.get("name") or "")
        for entry in server.transcripts[chat_id]
        if entry["method"].startswith(("send", "edit"))
    ]


# --- texts --------------------------------------------------------------------------------------------------------


async def test_a_message_arrives_with_its_look_and_its_buttons(server: TelegramServer) -> None:
    quote = a_message((BlockKind.QUOTE, "Giữ gìn <đoàn kết> & thống nhất."), labels=("Đọc cả đoạn", "Mục lục"))
    async with running(server) as channel:
        shown = await channel.deliver(str(AN), quote, is_reply=True)
    [answer] = server.sent(AN)
    assert shown == str(answer["message_id"])
    assert answer["text"] == "Giữ gìn <đoàn kết> & thống nhất."
    assert answer["entities"] == [{"type": "blockquote", "offset": 0, "length": 32}]
    assert shown_buttons(answer) == [
        [{"text": "1. Đọc cả đoạn", "callback_data": "bcdfghjkmn01"}],
        [{"text": "2. Mục lục", "callback_data": "bcdfghjkmn02"}],
    ]


async def test_a_message_that_begins_the_checklist_opens_its_page(server: TelegramServer) -> None:
    async with running(server, web_address="https://tusoi.example.vn") as channel:
        await channel.deliver(str(AN), a_text("Kỳ tháng 11.", "Bắt đầu", action="ck_next"))
    [_, page] = shown_buttons(server.sent(AN)[0])
    assert page == [{"text": "Mở phiếu trên trang", "web_app": {"url": "https://tusoi.example.vn/tu-danh-gia"}}]


async def test_a_fixed_text_is_said_as_it_is(server: TelegramServer) -> None:
    async with running(server) as channel:
        await channel.say(str(AN), "1 < 2 & 3")
    assert [answer["text"] for answer in server.sent(AN)] == ["1 < 2 & 3"]


async def test_a_group_is_asked_to_write_privately(server: TelegramServer) -> None:
    async with running(server) as channel:
        await server.join(-5001)
        await channel.say("-5001", texts.PLEASE_WRITE_PRIVATELY)
    assert [answer["text"] for answer in server.sent(-5001)] == [texts.PLEASE_WRITE_PRIVATELY]


async def test_a_long_message_arrives_in_order_and_returns_its_last_part(server: TelegramServer) -> None:
    async with running(server) as channel:
        shown = await channel.deliver(str(AN), a_text(LONG, "Có"), is_reply=True)
    first, second = server.sent(AN)
    assert (first["text"][:9], second["text"][:9]) == ("Đoạn một.", "Đoạn hai.")
    assert "reply_markup" not in first
    assert shown == str(second["message_id"])


async def test_parts_that_have_arrived_are_not_sent_again(server: TelegramServer) -> None:
    async with running(server) as channel:
        server.fault("sendMessage", code=500, chat_id=AN)
        with pytest.raises(DeliveryError) as caught:
            await channel.deliver(str(AN), a_text(LONG), part=1)
        assert caught.value.parts_sent == 0
        await channel.deliver(str(AN), a_text(LONG), part=1)
    assert [answer["text"][:9] for answer in server.sent(AN)] == ["Đoạn hai."]


async def test_an_error_counts_the_parts_before_it(server: TelegramServer, monkeypatch: pytest.MonkeyPatch) -> None:
    sends = list[str]()

    def second_fails(method: str, _chat_id: object = None) -> Fault | None:
        sends.extend([method] if method == "sendMessage" else [])
        return Fault(method, 500) if len(sends) == 2 else None

    async with running(server) as channel:
        monkeypatch.setattr(server.faults, "take", second_fails)
        with pytest.raises(DeliveryError) as caught:
            await channel.deliver(str(AN), a_text(LONG), is_reply=True)
    assert caught.value.parts_sent == 1
    assert not caught.value.permanent


async def test_html_that_is_refused_goes_out_as_plain_text(server: TelegramServer) -> None:
    async with running(server) as channel:
        server.fault("sendMessage", code=400, description="Bad Request: can't parse entities: byte offset 3")
        await channel.deliver(str(AN), a_message((BlockKind.QUOTE, "Giữ gìn <đoàn kết>."), labels=("Có",)))
    [answer] = server.sent(AN)
    assert answer["text"] == "Giữ gìn <đoàn kết>."
    assert "entities" not in answer
    assert len(shown_buttons(answer)) == 1


async def test_a_chat_keeps_its_order_and_another_need_not_wait(server: TelegramServer) -> None:
    server.fault("sendMessage", hang_s=0.3, chat_id=AN)
    async with running(server) as channel:
        first = asyncio.create_task(channel.deliver(str(AN), a_text("một")))
        await until(lambda: len(server.sent(AN)) == 1)
        second = asyncio.create_task(channel.deliver(str(AN), a_text("hai")))
        await channel.deliver(str(BINH), a_text("khác"))
        assert not first.done()
        await asyncio.gather(first, second)
    assert [answer["text"] for answer in server.sent(AN)] == ["một", "hai"]
    [other] = server.sent(BINH)
    assert other["message_id"] < server.sent(AN)[1]["message_id"]


async def test_few_requests_are_in_flight_together(server: TelegramServer, monkeypatch: pytest.MonkeyPatch) -> None:
    flying = most = 0
    original = server._do_sendmessage

    async def watched(parameters: dict[str, Any]) -> dict[str, Any]:
        nonlocal flying, most
        flying += 1
        most = max(most, flying)
        await asyncio.sleep(0.01)
        flying -= 1
        return await original(parameters)

    monkeypatch.setattr(server, "_do_sendmessage", watched)
    chats = range(2000, 2040)
    server.meet(chats)
    async with running(server) as channel:
        await asyncio.gather(*(channel.deliver(str(chat), a_text("Chào.")) for chat in chats))
    assert most == telegram.IN_FLIGHT


# --- in the place of another message ------------------------------------------------------------------------------


async def test_a_message_takes_the_place_of_another_with_its_buttons(server: TelegramServer) -> None:
    async with running(server) as channel:
        shown = await channel.deliver(str(AN), a_text("Nhóm 1/6", "Cả nhóm: không"), is_reply=True)
        again = await channel.deliver(str(AN), a_text("Nhóm 2/6", "Xem từng điều"), is_reply=True, replaces=shown)
        assert again == shown
        # The same again is no error.
        assert await channel.deliver(str(AN), a_text("Nhóm 2/6", "Xem từng điều"), replaces=shown) == shown
    assert said(server) == [("sendMessage", "Nhóm 1/6"), ("editMessageText", "Nhóm 2/6")]
    assert shown_buttons(server.transcripts[AN][-1])[0][0]["text"] == "1. Xem từng điều"


@pytest.mark.parametrize(
    "message", [a_text(LONG), a_message((BlockKind.TEXT, "Bản của đồng chí."), (BlockKind.FILE, "a.pdf\nx:1"))]
)
async def test_what_is_more_than_one_message_takes_no_place(server: TelegramServer, message: StoredMessage) -> None:
    async with running(server, gateway=NoGateway(file_of=lambda *_, **__: None)) as channel:
        shown = await channel.deliver(str(AN), a_text("cũ"))
        await channel.deliver(str(AN), message, replaces=shown)
    assert not any(method.startswith("edit") for method, _ in said(server))


@pytest.mark.parametrize(
    "description", ["message to edit not found", "message can't be edited", "MESSAGE_ID_INVALID", "anything else"]
)
async def test_where_telegram_does_not_replace_it_is_sent_as_new(server: TelegramServer, description: str) -> None:
    async with running(server) as channel:
        shown = await channel.deliver(str(AN), a_text("cũ"))
        server.fault("editMessageText", code=400, description=f"Bad Request: {description}")
        again = await channel.deliver(str(AN), a_text("mới"), is_reply=True, replaces=shown)
    assert again not in (None, shown)
    assert said(server) == [("sendMessage", "cũ"), ("sendMessage", "mới")]


async def test_a_message_that_people_deleted_is_sent_as_new(server: TelegramServer) -> None:
    async with running(server) as channel:
        assert await channel.deliver(str(AN), a_text("mới"), replaces="987654") != "987654"
    assert said(server) == [("sendMessage", "mới")]


async def test_replacing_may_be_tried_again_after_a_timeout(
    server: TelegramServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telegram_api, "READ_TIMEOUT_S", 0.3)
    async with running(server) as channel:
        shown = await channel.deliver(str(AN), a_text("cũ"))
        server.fault("editMessageText", hang_s=1)
        with pytest.raises(DeliveryError) as caught:
            await channel.deliver(str(AN), a_text("mới"), replaces=shown)
        assert (caught.value.maybe_delivered, caught.value.permanent) == (False, False)
        assert await channel.deliver(str(AN), a_text("mới"), replaces=shown) == shown
    assert said(server) == [("sendMessage", "cũ"), ("editMessageText", "mới")]


async def test_replacing_in_a_chat_that_is_closed_says_so(server: TelegramServer) -> None:
    async with running(server) as channel:
        shown = await channel.deliver(str(AN), a_text("cũ"))
        await server.block(AN)
        with pytest.raises(DeliveryError) as caught:
            await channel.deliver(str(AN), a_text("mới"), replaces=shown)
    assert (caught.value.permanent, caught.value.is_closed) == (True, True)


async def test_a_message_is_said_otherwise_in_its_place(server: TelegramServer) -> None:
    async with running(server) as channel:
        shown = await channel.deliver(str(AN), a_text("Đang đọc."))
        await channel.edit(str(AN), a_text("Đang thử <câu hỏi> mẫu: 3/61.", "Bỏ"), shown)
        # The same again is no error, and neither is what Telegram does not know any more, or refuses just now.
        await channel.edit(str(AN), a_text("Đang thử <câu hỏi> mẫu: 3/61.", "Bỏ"), shown)
        await channel.edit(str(AN), a_text("x"), "987654")
        await channel.edit(str(AN), a_text("x"), None)
        await channel.edit(str(AN), a_text(" "), shown)
        server.fault("editMessageText", code=429, description=BUSY, retry_after_s=1)
        await channel.edit(str(AN), a_text("y"), shown)
    assert said(server) == [("sendMessage", "Đang đọc."), ("editMessageText", "Đang thử <câu hỏi> mẫu: 3/61.")]


# --- files --------------------------------------------------------------------------------------------------------


def a_picture(width: int = 40, height: int = 30) -> bytes:
    drawn = io.BytesIO()
    Image.new("RGB", (width, height), "red").save(drawn, "PNG")
    return drawn.getvalue()


def with_files(*names: str) -> StoredMessage:
    return a_message(
        (BlockKind.TEXT, "Báo cáo của chi bộ."), *((BlockKind.FILE, f"{name}\nrecipe:{name}") for name in names)
    )


def giving(files: dict[int, File | None]) -> NoGateway:
    def file_of(channel: str, chat_id: str, message_id: int, number: int, *, now: object) -> File | None:
        assert (channel, chat_id, message_id) == ("telegram", str(AN), 1)
        assert now is not None
        return files[number]

    return NoGateway(file_of=file_of)


async def test_files_follow_the_text_pictures_as_pictures(server: TelegramServer) -> None:
    report, chart = b"PK bao cao", a_picture()
    gateway = giving({1: File("Báo cáo tháng 11 «CB3».docx", report), 2: File("Biểu đồ.png", chart)})
    async with running(server, gateway=gateway) as channel:
        shown = await channel.deliver(str(AN), with_files("Báo cáo tháng 11 «CB3».docx", "Biểu đồ.png"))
    text, document, photo = [entry for entry in server.transcripts[AN] if entry["by"] == "bot"]
    assert [text["method"], document["method"], photo["method"]] == ["sendMessage", "sendDocument", "sendPhoto"]
    assert shown == str(photo["message_id"])
    held = {content for content, _ in server._files.values()}
    assert {report, chart} <= held
    [name] = [m["document"]["file_name"] for m in server._messages.values() if "document" in m]
    assert name == "Báo cáo tháng 11 «CB3».docx"


async def test_a_picture_that_telegram_does_not_take_goes_as_a_file(server: TelegramServer) -> None:
    gateway = giving({1: File("Dài.png", a_picture(4, 400))})
    async with running(server, gateway=gateway) as channel:
        await channel.deliver(str(AN), with_files("Dài.png"))
    assert [entry["method"] for entry in server.transcripts[AN]] == ["sendMessage", "sendDocument"]


async def test_a_file_that_is_not_for_this_chat_any_more_is_left_out(server: TelegramServer) -> None:
    async with running(server, gateway=giving({1: None, 2: File("b.txt", b"b")})) as channel:
        shown = await channel.deliver(str(AN), with_files("a.txt", "b.txt"))
        again = await channel.deliver(str(AN), with_files("a.txt"), part=1)
    assert [entry["method"] for entry in server.transcripts[AN]] == ["sendMessage", "sendDocument"]
    assert shown == str(server.transcripts[AN][-1]["message_id"])
    assert again is None


async def test_after_an_error_the_files_that_arrived_are_not_sent_again(server: TelegramServer) -> None:
    gateway = giving({1: File("a.txt", b"a"), 2: File("b.png", a_picture())})
    async with running(server, gateway=gateway) as channel:
        server.fault("sendPhoto", code=500)
        with pytest.raises(DeliveryError) as caught:
            await channel.deliver(str(AN), with_files("a.txt", "b.png"), is_reply=True)
        assert (caught.value.parts_sent, caught.value.permanent) == (2, False)
        server.fault("sendPhoto", code=500)
        with pytest.raises(DeliveryError) as caught:
            await channel.deliver(str(AN), with_files("a.txt", "b.png"), part=2, is_reply=True)
        assert caught.value.parts_sent == 0
        await channel.deliver(str(AN), with_files("a.txt", "b.png"), part=2, is_reply=True)
    assert [entry["method"] for entry in server.transcripts[AN]] == ["sendMessage", "sendDocument", "sendPhoto"]


async def test_a_file_that_could_not_be_made_may_be_tried_again(
    server: TelegramServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(server, gateway=giving({})) as channel:
        with pytest.raises(DeliveryError) as caught:
            await channel.deliver(str(AN), with_files("a.txt"))
    assert (caught.value.parts_sent, caught.value.permanent, caught.value.maybe_delivered) == (1, False, False)
    assert "file 1 of message 1 not made: KeyError" in caplog.text


# --- refusals -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "description", "permanent", "is_closed"),
    [
        (403, "Forbidden: bot was blocked by the user", True, True),
        (403, "Forbidden: user is deactivated", True, True),
        (400, "Bad Request: chat not found", True, True),
        (400, "Bad Request: user is deactivated", True, True),
        (400, "Bad Request: BUTTON_DATA_INVALID", True, False),
        (400, "Bad Request: message is too long", True, False),
        (401, "Unauthorized", False, False),
        (500, "Internal Server Error", False, False),
        (502, "Bad Gateway", False, False),
    ],
)
async def test_a_refusal_says_whether_to_try_again_and_whether_the_chat_is_closed(
    server: TelegramServer, code: int, description: str, permanent: bool, is_closed: bool
) -> None:
    async with running(server) as channel:
        server.fault("sendMessage", code=code, description=description)
        with pytest.raises(DeliveryError) as caught:
            await channel.deliver(str(AN), a_text("Nhắc đồng chí."))
    error = caught.value
    assert (error.permanent, error.is_closed, error.maybe_delivered) == (permanent, is_closed, False)
    assert (error.retry_after_s, error.moved_to, error.parts_sent) == (None, None, 0)


async def test_who_never_wrote_and_who_blocked_us_are_closed(server: TelegramServer) -> None:
    server.stranger(3003)
    async with running(server) as channel:
        await server.block(BINH)
        for chat_id in (BINH, 3003, 4004):
            with pytest.raises(DeliveryError) as caught:
                await channel.deliver(str(chat_id), a_text("Nhắc đồng chí."))
            assert (caught.value.permanent, caught.value.is_closed) == (True, True)


async def test_a_group_that_has_moved_says_where(server: TelegramServer) -> None:
    async with running(server) as channel:
        await server.join(-5001)
        await server.migrate(-5001, -1005001)
        with pytest.raises(DeliveryError) as caught:
            await channel.say("-5001", "Xin nhắn riêng.")
    assert (caught.value.permanent, caught.value.is_closed) == (True, False)
    assert caught.value.moved_to == "-1005001"


@pytest.mark.parametrize(
    ("fault", "arrived"),
    [
        ({"hang_s": 2}, True),
        ({"hang_s": 2, "is_lost": True}, False),
        ({"cut": True}, True),
        ({"cut": True, "is_lost": True}, False),
        ({"code": 504, "description": "Gateway Timeout"}, False),
    ],
)
async def test_what_may_have_arrived_is_not_sent_again(
    server: TelegramServer, monkeypatch: pytest.MonkeyPatch, fault: dict[str, Any], arrived: bool
) -> None:
    monkeypatch.setattr(telegram_api, "READ_TIMEOUT_S", 0.3)
    async with running(server) as channel:
        server.fault("sendMessage", **fault)
        with pytest.raises(DeliveryError, match="timed out") as caught:
            await channel.deliver(str(AN), a_text("Nhắc đồng chí."))
    assert (caught.value.maybe_delivered, caught.value.permanent) == (True, False)
    assert len(server.sent(AN)) == arrived


# --- asked to wait ------------------------------------------------------------------------------------------------


async def test_a_long_answer_goes_on_where_telegram_asked_to_wait(server: TelegramServer) -> None:
    pace = Pace(LIMITS["telegram"])
    async with running(server, pace=pace) as channel:
        began = time.monotonic()
        server.fault("sendMessage", code=429, description=BUSY, retry_after_s=30, after=1)
        with pytest.raises(DeliveryError) as caught:
            await channel.deliver(str(AN), a_text(LONG), is_reply=True)
        assert (caught.value.retry_after_s, caught.value.parts_sent) == (30, 1)
        assert pace.chat_halted_s(str(AN), began) >= 30
        await channel.deliver(str(AN), a_text(LONG), part=1, is_reply=True)
    assert [answer["text"][:9] for answer in server.sent(AN)] == ["Đoạn một.", "Đoạn hai."]


async def test_waiting_for_too_long_is_left_to_the_caller(server: TelegramServer) -> None:
    async with running(server) as channel:
        server.fault("sendMessage", code=429, description=BUSY, retry_after_s=4000)
        with pytest.raises(DeliveryError) as caught:
            await channel.deliver(str(AN), a_text("Nhắc đồng chí."), is_reply=True)
    assert (caught.value.permanent, caught.value.retry_after_s) == (False, 4000)


async def test_a_push_leaves_waiting_to_the_broadcast_and_halts_it(server: TelegramServer) -> None:
    pace = Pace(LIMITS["telegram"])
    async with running(server, pace=pace) as channel:
        server.fault("sendMessage", code=429, description=BUSY, retry_after_s=3)
        began = time.monotonic()
        with pytest.raises(DeliveryError) as caught:
            await channel.deliver(str(AN), a_text("Nhắc đồng chí."))
        took_s = time.monotonic() - began
        assert caught.value.retry_after_s == 3
        assert 3 <= pace.chat_halted_s(str(AN), began) <= 3 + took_s
    assert server.sent(AN) == []


async def test_a_push_that_has_begun_to_arrive_is_finished(
    server: TelegramServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    sends = list[str]()

    def busy_at_the_second(method: str, _chat_id: object = None) -> Fault | None:
        sends.extend([method] if method == "sendMessage" else [])
        return Fault(method, 429, BUSY, retry_after_s=1) if len(sends) == 2 else None

    async with running(server) as channel:
        monkeypatch.setattr(server.faults, "take", busy_at_the_second)
        await channel.deliver(str(AN), a_text(LONG))
    assert len(sends) == 3
    assert [answer["text"][:9] for answer in server.sent(AN)] == ["Đoạn một.", "Đoạn hai."]


async def test_an_answer_makes_the_broadcast_yield_and_a_push_does_not(server: TelegramServer) -> None:
    pace = Pace(Limits(per_second=2, for_replies=1))
    async with running(server, pace=pace) as channel:
        began = time.monotonic()
        await channel.deliver(str(AN), a_text("Nhắc đồng chí."))
        assert pace.next_at("1", began) == began
        await channel.deliver(str(AN), a_text("Trả lời."), is_reply=True)
        assert pace.next_at("1", began) > began + 0.9


async def test_closing_does_not_wait_out_a_flood(server: TelegramServer) -> None:
    async with running(server) as channel:
        server.fault("sendMessage", code=429, description=BUSY, retry_after_s=200)
        sending = asyncio.create_task(channel.say(str(AN), "Chào."))
        await until(lambda: "sendMessage" in server.calls)
        began = time.monotonic()
    with pytest.raises(DeliveryError):
        await sending
    assert time.monotonic() - began < 20


async def test_closing_lets_what_is_being_sent_arrive_and_sends_nothing_more(server: TelegramServer) -> None:
    chats = range(2000, 2000 + 2 * telegram.IN_FLIGHT)
    server.meet(chats)
    server.fault("sendMessage", hang_s=0.3, times=telegram.IN_FLIGHT)
    async with running(server) as channel:
        sending = [asyncio.create_task(channel.deliver(str(chat), a_text("Chào."))) for chat in chats]
        await until(lambda: server.calls.count("sendMessage") == telegram.IN_FLIGHT)
    ends = await asyncio.gather(*sending, return_exceptions=True)
    arrived, refused = ends[: telegram.IN_FLIGHT], ends[telegram.IN_FLIGHT :]
    assert all(isinstance(shown, str) for shown in arrived)
    assert all(isinstance(error, DeliveryError) for error in refused)
    assert not any(error.maybe_delivered or error.permanent for error in refused if isinstance(error, DeliveryError))
    assert server.calls.count("sendMessage") == telegram.IN_FLIGHT
    with pytest.raises(DeliveryError):
        await channel.say(str(AN), "Chào.")
    await channel.show_working(str(AN))
    await channel.acknowledge({"callback_query": {"id": "1"}})
    await channel.stop()


async def test_a_message_has_arrived_whatever_telegram_answers_beside_its_id(
    server: TelegramServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([{"message_id": 7, "poll": {}, "date": "soon"}, {"result": 1}, True])

    async def newer(_parameters: dict[str, Any]) -> Any:
        return next(answers)

    monkeypatch.setattr(server, "_do_sendmessage", newer)
    async with running(server) as channel:
        assert await channel.deliver(str(AN), a_text("Chào.")) == "7"
        for _ in range(2):
            with pytest.raises(DeliveryError) as caught:
                await channel.deliver(str(AN), a_text("Chào."))
            assert caught.value.maybe_delivered
