import asyncio
import json
import logging
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import AsyncMock, patch

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from telegram import Update

from bot.channels import telegram
from bot.channels.base import ChannelError, DeliveryError, FileLostError
from bot.channels.telegram import LABEL_LIMIT, TEXT_LIMIT, Drawn, Telegram, is_addressed, render, to_message
from bot.config import TelegramConfig
from bot.gateway import Gateway
from bot.pace import LIMITS, Limits, Pace
from handlers import texts
from handlers.messages import Block, BlockKind, Button, IncomingMessage, Reply, say
from storage.database import open_database
from storage.store import Conversation, Store, StoredButton, StoredMessage, Transaction
from tests.servers.telegram import TOKEN, Fault, TelegramServer, parse_html, utf16_length
from tests.storage.builders import a_vault, bring_up

# The library announces on each 429 that its whole seconds will become a timedelta; we take both.
pytestmark = pytest.mark.filterwarnings("ignore::telegram.warnings.PTBDeprecationWarning")

SAMPLES = Path(__file__).parents[1] / "data" / "telegram"
NOW = datetime(2025, 12, 2, 8, 0, tzinfo=UTC)
AN, BINH = 1001, 1002


# --- drawing --------------------------------------------------------------------------------------------------


def a_message(*blocks: tuple[BlockKind, str], labels: tuple[str, ...] = ()) -> StoredMessage:
    buttons = tuple(StoredButton(f"bcdfghjkmn{n:02}", n, label, "read", "") for n, label in enumerate(labels, start=1))
    return StoredMessage(1, True, tuple((kind.value, text) for kind, text in blocks), buttons, NOW)


def a_text(text: str, *labels: str) -> StoredMessage:
    return a_message((BlockKind.TEXT, text), labels=labels)


def read(parts: list[Drawn]) -> list[str]:
    """Return what a person sees of each part; fails on HTML that Telegram would refuse."""
    return [parse_html(part.html)[0] for part in parts]


def test_each_kind_of_block_has_its_look() -> None:
    message = a_message(
        (BlockKind.TEXT, "Kế hoạch ghi:"),
        (BlockKind.QUOTE, "Giữ gìn đoàn kết."),
        (BlockKind.CITATION, "Kế hoạch, mục 2.2"),
        (BlockKind.NOTICE, "Quy định 41 đã được thay thế."),
    )
    [part] = render(message)
    assert part.html == (
        "Kế hoạch ghi:\n<blockquote>Giữ gìn đoàn kết.</blockquote>\n<i>Kế hoạch, mục 2.2</i>\n\n"
        "⚠️ Quy định 41 đã được thay thế."
    )
    assert part.plain == "Kế hoạch ghi:\nGiữ gìn đoàn kết.\nKế hoạch, mục 2.2\n\n⚠️ Quy định 41 đã được thay thế."


def test_markup_in_a_text_is_shown_not_obeyed() -> None:
    [part] = render(a_message((BlockKind.QUOTE, "<b>a</b> & </blockquote> &amp;")))
    assert part.html == "<blockquote>&lt;b&gt;a&lt;/b&gt; &amp; &lt;/blockquote&gt; &amp;amp;</blockquote>"
    assert read([part]) == ["<b>a</b> & </blockquote> &amp;"]


def test_a_message_that_just_fits_is_one_part_though_its_html_is_longer() -> None:
    [part] = render(a_text("&" * TEXT_LIMIT))
    assert len(part.html) == 5 * TEXT_LIMIT


def test_long_text_is_cut_between_paragraphs() -> None:
    paragraphs = [f"Đoạn {n}. " + "nội dung " * 200 for n in range(1, 6)]
    parts = read(render(a_text("\n\n".join(paragraphs))))
    assert [part.split("nội dung", 1)[0] for part in parts] == ["Đoạn 1. ", "Đoạn 3. ", "Đoạn 5. "]
    assert all(part.endswith("nội dung ") or part.endswith("nội dung") for part in parts)


def test_a_block_that_fits_is_not_torn_to_fill_the_part_before() -> None:
    parts = read(render(a_message((BlockKind.TEXT, "a " * 1500), (BlockKind.TEXT, "b " * 1000))))
    assert [set(part.split()) for part in parts] == [{"a"}, {"b"}]


def test_long_paragraph_is_cut_between_sentences_then_words() -> None:
    sentences = " ".join(f"Câu thứ {n} nói về một việc." for n in range(300))
    assert all(part.endswith("việc.") and part.startswith("Câu") for part in read(render(a_text(sentences))))
    words = "đoàn kết " * 1000
    assert all(part.split()[0] == "đoàn" or part.split()[0] == "kết" for part in read(render(a_text(words))))


def test_long_quote_becomes_a_quote_in_each_part() -> None:
    parts = render(a_message((BlockKind.QUOTE, "Một câu & một ý. " * 400)))
    assert len(parts) == 2
    assert all(part.html.startswith("<blockquote>") and part.html.endswith("</blockquote>") for part in parts)


def test_an_emoji_counts_as_two_and_is_never_halved() -> None:
    parts = read(render(a_text("a" + "😀" * TEXT_LIMIT)))
    assert [len(part) for part in parts] == [2048, 2048, 1]
    assert all(utf16_length(part) <= TEXT_LIMIT for part in parts)


def test_a_mark_stays_with_its_letter() -> None:
    parts = read(render(a_text("a" + "e\u0302" * TEXT_LIMIT)))
    assert not any(part.startswith("\u0302") for part in parts)
    assert "".join(parts) == "a" + "e\u0302" * TEXT_LIMIT


def test_half_a_surrogate_pair_can_still_be_sent() -> None:
    [part] = render(a_text("hỏng \ud83d", "nút \ude00"))
    assert part.html.encode()
    assert part.buttons[0][0].encode()


PIECES = st.sampled_from(
    ["đồng chí", " ", "  ", "\n", "\n\n", "\n \n", "<b>", "</i>", "&", "&lt;", "😀", "e\u0302", ". ", "Hết! ", "x" * 30]
)
TEXTS = st.one_of(st.lists(PIECES, max_size=60).map("".join), st.text(max_size=120))


@settings(max_examples=150, deadline=None)
@given(blocks=st.lists(st.tuples(st.sampled_from(BlockKind), TEXTS), max_size=5), labels=st.lists(TEXTS, max_size=4))
def test_parts_hold_all_the_words_in_order(blocks: list[tuple[BlockKind, str]], labels: list[str]) -> None:
    limit = 40
    with patch.object(telegram, "TEXT_LIMIT", limit):
        parts = render(a_message(*blocks, labels=tuple(labels)))
    seen = read(parts)
    assert all(text.strip() and utf16_length(text) <= limit for text in seen)
    assert [part.plain for part in parts] == seen
    # Files are sent after the words.
    shown = [(kind, text) for kind, text in blocks if kind is not BlockKind.FILE]
    said = "".join(("⚠️" if kind is BlockKind.NOTICE and text.strip() else "") + text for kind, text in shown)
    squeezed = "".join("".join(seen).split())
    assert squeezed.startswith("".join(said.split()))
    assert all(not part.buttons for part in parts[:-1])
    if labels:
        assert len(parts[-1].buttons) == len(labels)
        assert all(len(label) <= LABEL_LIMIT and len(data.encode()) <= 64 for label, data in parts[-1].buttons)
    else:
        assert squeezed == "".join(said.split())


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(["chi bộ", "đảng viên.", "tự soi;", "\n", "\n\n", "kỳ này"]), max_size=80))
def test_no_word_is_cut_that_fits(words: list[str]) -> None:
    text = " ".join(words)
    with patch.object(telegram, "TEXT_LIMIT", 30):
        parts = read(render(a_text(text)))
    assert " ".join(parts).split() == text.split()


def test_buttons_are_numbered_a_row_each_under_the_last_part() -> None:
    parts = render(a_text("Chọn giúp. " * 500, "Đọc cả đoạn", "Ý  kế\ntiếp"))
    assert [part.buttons for part in parts] == [
        (),
        (("1. Đọc cả đoạn", "bcdfghjkmn01"), ("2. Ý kế tiếp", "bcdfghjkmn02")),
    ]


def test_a_choice_too_long_for_its_button_is_written_out() -> None:
    long = "Suy thoái về tư tưởng chính trị, đạo đức, lối sống và những biểu hiện khác"
    [part] = render(a_text("Đồng chí chọn:", "Ngắn", long))
    assert part.plain == f"Đồng chí chọn:\n\n2. {long}"
    assert [label for label, _ in part.buttons] == ["1. Ngắn", f"2. {long}"[:59].rstrip() + "…"]


def test_buttons_alone_are_written_out_since_a_message_needs_text() -> None:
    [part] = render(a_text(" \n", "Có", "Không"))
    assert part.plain == "1. Có\n2. Không"
    assert len(part.buttons) == 2


def test_choices_beyond_what_a_keyboard_holds_are_written_out() -> None:
    [part] = render(a_text("Chọn:", *(f"mục {n}" for n in range(1, 53))))
    assert len(part.buttons) == 50
    assert part.plain == "Chọn:\n\n51. mục 51\n52. mục 52"


def test_nothing_to_say_is_no_message() -> None:
    assert render(a_text(" ")) == []


# --- translation ----------------------------------------------------------------------------------------------


def recorded(name: str) -> Update:
    return Update.de_json(json.loads((SAMPLES / f"{name}.json").read_text(encoding="utf-8")), None)


def test_a_text_comes_through_as_typed() -> None:
    assert to_message(recorded("text"), now=NOW) == IncomingMessage(
        channel="telegram",
        chat_id="1001",
        external_id="u870000001",
        text="Đảng viên 😀 được làm những gì?",
        sent_at=datetime(2025, 12, 1, tzinfo=UTC),
    )


def test_a_command_loses_the_name_of_the_bot_only() -> None:
    message = to_message(recorded("command"), now=NOW)
    assert message is not None
    assert message.text == "/start ABCD2345"


@pytest.mark.parametrize("name", ["tap", "tap_on_old_message"])
def test_a_tap_carries_its_button_and_the_time_it_came(name: str) -> None:
    message = to_message(recorded(name), now=NOW)
    assert message is not None
    assert (message.chat_id, message.text, message.button_id) == ("1001", "", "bcdfghjkmnpq")
    assert message.sent_at == NOW


@pytest.mark.parametrize(
    ("name", "text", "file_name"),
    [
        ("document", "", "Bản kiểm điểm.docx"),
        ("photo", "Thông báo này nói gì?", "photo.jpg"),
        ("voice", "", "voice"),
    ],
)
def test_a_file_is_named(name: str, text: str, file_name: str) -> None:
    message = to_message(recorded(name), now=NOW)
    assert message is not None
    assert (message.text, message.file_name) == (text, file_name)


@pytest.mark.parametrize("name", ["edited", "pinned", "tap_without_data"])
def test_what_asks_nothing_is_no_message(name: str) -> None:
    assert to_message(recorded(name), now=NOW) is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("group_mention", True),
        ("group_command", True),
        ("group_command_for_another", False),
        ("group_chatter", False),
    ],
)
def test_a_group_speaks_to_us_by_mention_or_command(name: str, expected: bool) -> None:
    message = recorded(name).message
    assert message is not None
    assert is_addressed(message, "TuSoiBot") is expected


# --- end to end -----------------------------------------------------------------------------------------------


def handle(message: IncomingMessage, conversation: Conversation, transaction: Transaction) -> list[Reply]:
    """Answer by script: "chọn" offers choices, "dài" takes two messages, "chậm …" takes its time, "hỏng" breaks.

    Everything else is echoed.
    """
    if message.button_id:
        button = transaction.button(conversation.id, message.button_id)
        return [say(f"Đã chọn {button.argument}" if button else "Nút này không còn dùng được.")]
    if message.text == "chọn":
        quote = Block(BlockKind.QUOTE, "Giữ gìn <đoàn kết> & thống nhất.")
        return [Reply((quote,), (Button("Đọc cả đoạn", "read", "2.2"), Button("Mục lục", "contents", "0")))]
    if message.text == "dài":
        return [say("Đoạn một. " * 400 + "\n\n" + "Đoạn hai. " * 400)]
    if message.text == "hỏng":
        raise ValueError(message.text)
    if message.text.startswith("chậm"):
        time.sleep(0.02)
    return [say(f"Đồng chí viết: {message.text}")]


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'chat.db'}"
    engine = open_database(url)
    bring_up(engine)
    engine.dispose()
    return url


@pytest.fixture
async def server() -> AsyncIterator[TelegramServer]:
    server = TelegramServer()
    await server.start()
    yield server
    await server.stop()


def a_channel(server: TelegramServer, store: Store, *, token: str = TOKEN, pace: Pace | None = None) -> Telegram:
    config = TelegramConfig(token=SecretStr(token), base_url=server.base_url, base_file_url=f"{server.base_url}/file")
    return Telegram(config, Gateway(store, handle), pace)


@asynccontextmanager
async def running(server: TelegramServer, database_url: str, *, pace: Pace | None = None) -> AsyncIterator[Telegram]:
    """Give a started channel, as new as after a restart."""
    engine = open_database(database_url)
    channel = a_channel(server, Store(engine, a_vault()), pace=pace)
    await channel.start()
    yield channel
    await channel.stop()
    engine.dispose()


def history(database_url: str, chat_id: int) -> list[str]:
    """Return what is kept of a chat."""
    engine = open_database(database_url)
    with Store(engine, a_vault()).transaction() as transaction:
        conversation = transaction.find_conversation("telegram", str(chat_id))
        kept = [message.text for message in transaction.history(conversation.id)] if conversation else []
    engine.dispose()
    return kept


def stored(database_url: str, chat_id: int) -> list[StoredMessage]:
    """Return the messages of a chat as they are kept."""
    engine = open_database(database_url)
    with Store(engine, a_vault()).transaction() as transaction:
        conversation = transaction.find_conversation("telegram", str(chat_id))
        kept = transaction.history(conversation.id) if conversation else []
    engine.dispose()
    return kept


def last_buttons(server: TelegramServer, chat_id: int) -> list[tuple[str, str]]:
    rows = server.sent(chat_id)[-1]["reply_markup"]["inline_keyboard"]
    return [(button["text"], button["callback_data"]) for row in rows for button in row]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_question_is_answered_and_a_tap_too(server: TelegramServer, database_url: str) -> None:
    async with running(server, database_url):
        await server.text(AN, "chọn")
        [answer] = await server.wait_for_sent(AN, 1)
        assert answer["text"] == "Giữ gìn <đoàn kết> & thống nhất."
        assert answer["entities"] == [{"type": "blockquote", "offset": 0, "length": 32}]
        [(label, read_on), _] = last_buttons(server, AN)
        assert label == "1. Đọc cả đoạn"
        await server.tap(AN, read_on)
        assert (await server.wait_for_sent(AN, 2))[1]["text"] == "Đã chọn 2.2"
    assert history(database_url, AN) == ["chọn", "Giữ gìn <đoàn kết> & thống nhất.", "Đọc cả đoạn", "Đã chọn 2.2"]
    # The waiting mark goes before the work, and the typing mark shows while it lasts.
    assert [entry["method"] for entry in server.transcripts[AN]] == [
        *("text", "sendChatAction", "sendMessage"),
        *("tap", "answerCallbackQuery", "sendChatAction", "sendMessage"),
    ]


async def test_a_button_from_before_a_restart_works(server: TelegramServer, database_url: str) -> None:
    async with running(server, database_url):
        await server.text(AN, "chọn")
        await server.wait_for_sent(AN, 1)
    async with running(server, database_url):
        await server.tap(AN, last_buttons(server, AN)[1][1])
        assert (await server.wait_for_sent(AN, 2))[1]["text"] == "Đã chọn 0"


async def test_what_was_written_while_we_were_away_is_answered(server: TelegramServer, database_url: str) -> None:
    await server.text(AN, "có ai không")
    async with running(server, database_url):
        assert (await server.wait_for_sent(AN, 1))[0]["text"] == "Đồng chí viết: có ai không"


async def test_an_update_that_comes_again_does_nothing_again(server: TelegramServer, database_url: str) -> None:
    update = json.loads((SAMPLES / "text.json").read_text(encoding="utf-8"))
    async with running(server, database_url):
        await server.update(update)
        await server.wait_for_sent(AN, 1)
    async with running(server, database_url):
        await server.update(update)
        await server.text(AN, "còn đó không")
        assert [entry["text"] for entry in await server.wait_for_sent(AN, 2)] == [
            "Đồng chí viết: Đảng viên 😀 được làm những gì?",
            "Đồng chí viết: còn đó không",
        ]
    assert len(history(database_url, AN)) == 4


async def test_a_chat_keeps_its_order_and_another_need_not_wait(server: TelegramServer, database_url: str) -> None:
    for n in range(20):
        await server.text(AN, f"chậm {n}")
    await server.text(BINH, "nhanh")
    async with running(server, database_url):
        [other] = await server.wait_for_sent(BINH, 1)
        answers = await server.wait_for_sent(AN, 20)
    assert [answer["text"] for answer in answers] == [f"Đồng chí viết: chậm {n}" for n in range(20)]
    assert other["message_id"] < answers[-1]["message_id"]


async def test_when_the_handler_breaks_a_calm_sentence_arrives(server: TelegramServer, database_url: str) -> None:
    async with running(server, database_url):
        await server.text(AN, "hỏng")
        [answer] = await server.wait_for_sent(AN, 1)
    assert "mã" in answer["text"]


async def test_a_long_answer_goes_on_where_telegram_asked_to_wait(server: TelegramServer, database_url: str) -> None:
    async with running(server, database_url):
        server.fault("sendMessage", code=429, description="Too Many Requests: retry after 1", retry_after_s=1)
        began = time.monotonic()
        await server.text(AN, "dài")
        answers = await server.wait_for_sent(AN, 2)
        assert time.monotonic() - began >= 1
    assert [answer["text"][:9] for answer in answers] == ["Đoạn một.", "Đoạn hai."]


async def test_waiting_for_too_long_is_left_to_the_caller(server: TelegramServer, database_url: str) -> None:
    async with running(server, database_url) as channel:
        await server.text(AN, "chào")
        await server.wait_for_sent(AN, 1)
        server.fault("sendMessage", code=429, description="Too Many Requests: retry after 4000", retry_after_s=4000)
        with pytest.raises(DeliveryError) as caught:
            await channel.deliver(str(AN), a_text("Nhắc đồng chí."))
    assert (caught.value.permanent, caught.value.retry_after_s) == (False, 4000)


async def test_a_push_leaves_waiting_to_the_broadcast_and_halts_it(server: TelegramServer, database_url: str) -> None:
    pace = Pace(LIMITS["telegram"])
    async with running(server, database_url, pace=pace) as channel:
        await server.text(AN, "chào")
        await server.wait_for_sent(AN, 1)
        server.fault("sendMessage", code=429, description="Too Many Requests: retry after 3", retry_after_s=3)
        began = time.monotonic()
        with pytest.raises(DeliveryError) as caught:
            await channel.deliver(str(AN), a_text("Nhắc đồng chí."))
        took_s = time.monotonic() - began
        assert caught.value.retry_after_s == 3
        assert 3 <= pace.halted_s(began) <= 3 + took_s
    assert len(server.sent(AN)) == 1


async def test_a_push_that_has_begun_to_arrive_is_finished(
    server: TelegramServer, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sends: list[str] = []

    def busy_at_the_second(method: str) -> Fault | None:
        sends.extend([method] if method == "sendMessage" else [])
        return Fault(method, 429, "Too Many Requests: retry after 1", retry_after_s=1) if len(sends) == 2 else None

    async with running(server, database_url) as channel:
        await server.text(AN, "chào")
        await server.wait_for_sent(AN, 1)
        monkeypatch.setattr(server, "_next_fault", busy_at_the_second)
        await channel.deliver(str(AN), a_text("Đoạn một. " + "a " * 2500))
    assert len(sends) == 3
    assert [answer["text"][:5] for answer in server.sent(AN)[1:]] == ["Đoạn ", "a a a"]


async def test_an_answer_makes_the_broadcast_yield(server: TelegramServer, database_url: str) -> None:
    pace = Pace(Limits(per_second=2, for_replies=1))
    async with running(server, database_url, pace=pace):
        assert pace.next_at("1", 0.0) == 0.0
        began = time.monotonic()
        await server.text(AN, "chào")
        await server.wait_for_sent(AN, 1)
        assert pace.next_at("1", began) > began + 0.9


async def test_a_message_is_said_otherwise_in_its_place(server: TelegramServer, database_url: str) -> None:
    async with running(server, database_url) as channel:
        await server.text(AN, "chào")
        [answer] = await server.wait_for_sent(AN, 1)
        [_, ours] = stored(database_url, AN)
        await channel.edit(str(AN), replace(ours, blocks=(("text", "Đang thử <câu hỏi> mẫu: 3/61."),)))
        edited = [entry for entry in server.transcripts[AN] if entry["method"] == "editMessageText"]
        assert [(entry["message_id"], entry["text"]) for entry in edited] == [
            (answer["message_id"], "Đang thử <câu hỏi> mẫu: 3/61.")
        ]
        # The same again is no error, and neither is what Telegram does not know any more.
        await channel.edit(str(AN), replace(ours, blocks=(("text", "Đang thử <câu hỏi> mẫu: 3/61."),)))
        await channel.edit(str(AN), replace(ours, id=ours.id + 1000))
    assert len(server.sent(AN)) == 1


async def test_a_file_that_was_sent_is_fetched_and_one_too_large_is_said_to_be(
    server: TelegramServer, database_url: str
) -> None:
    seen: list[IncomingMessage] = []

    def note(message: IncomingMessage, _conversation: Conversation, _transaction: Transaction) -> list[Reply]:
        seen.append(message)
        return [say("đã nhận")]

    engine = open_database(database_url)
    config = TelegramConfig(
        token=SecretStr(TOKEN), base_url=server.base_url, base_file_url=server.base_url.replace("/bot", "/file/bot")
    )
    channel = Telegram(config, Gateway(Store(engine, a_vault()), note))
    await channel.start()
    try:
        await server.file(AN, "quy định.docx", b"PK quy dinh")
        await server.file(AN, "lon.pdf", b"x", size=30 * 2**20)
        await server.wait_for_sent(AN, 2)
        assert [message.file_name for message in seen] == ["quy định.docx", "lon.pdf"]
        assert await channel.fetch(seen[0].file_ref or "") == b"PK quy dinh"
        with pytest.raises(FileLostError) as too_large:
            await channel.fetch(seen[1].file_ref or "")
        assert too_large.value.too_large
        with pytest.raises(FileLostError) as unknown:
            await channel.fetch("nobody-knows")
        assert not unknown.value.too_large
    finally:
        await channel.stop()
        engine.dispose()


async def test_closing_does_not_wait_out_a_flood(server: TelegramServer, database_url: str) -> None:
    async with running(server, database_url):
        server.fault("sendMessage", code=429, description="Too Many Requests: retry after 600", retry_after_s=600)
        await server.text(AN, "chào")
        await until(lambda: "sendMessage" in server.calls)
        began = time.monotonic()
    assert time.monotonic() - began < 60


@pytest.mark.parametrize(
    ("code", "description", "permanent"),
    [
        (403, "Forbidden: bot was blocked by the user", True),
        (400, "Bad Request: chat not found", True),
        (502, "Bad Gateway", False),
    ],
)
async def test_a_push_that_fails_says_whether_to_try_again(
    server: TelegramServer, database_url: str, code: int, description: str, permanent: bool
) -> None:
    async with running(server, database_url) as channel:
        server.fault("sendMessage", code=code, description=description)
        with pytest.raises(DeliveryError) as caught:
            await channel.deliver(str(AN), a_text("Nhắc đồng chí."))
    assert caught.value.permanent is permanent


async def test_a_person_who_blocked_us_does_not_stop_the_others(server: TelegramServer, database_url: str) -> None:
    async with running(server, database_url):
        server.fault("sendMessage", code=403, description="Forbidden: bot was blocked by the user")
        await server.text(AN, "chào")
        await until(lambda: "sendMessage" in server.calls)
        await server.text(BINH, "chào")
        assert len(await server.wait_for_sent(BINH, 1)) == 1
    assert server.sent(AN) == []


async def test_a_send_that_times_out_is_not_repeated(
    server: TelegramServer, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telegram, "READ_TIMEOUT_S", 0.3)
    async with running(server, database_url) as channel:
        await server.text(AN, "chào")
        await server.wait_for_sent(AN, 1)
        server.fault("sendMessage", hang_s=2)
        with pytest.raises(DeliveryError, match="timed out") as caught:
            await channel.deliver(str(AN), a_text("Nhắc đồng chí."))
    assert caught.value.maybe_delivered
    assert not caught.value.permanent
    assert len(server.sent(AN)) == 2


async def test_html_that_is_refused_goes_out_as_plain_text(server: TelegramServer, database_url: str) -> None:
    async with running(server, database_url):
        server.fault("sendMessage", code=400, description="Bad Request: can't parse entities: byte offset 3")
        await server.text(AN, "chọn")
        [answer] = await server.wait_for_sent(AN, 1)
        assert answer["text"] == "Giữ gìn <đoàn kết> & thống nhất."
        assert "entities" not in answer
        assert len(last_buttons(server, AN)) == 2


async def test_a_delivered_message_is_marked(server: TelegramServer, database_url: str) -> None:
    async with running(server, database_url):
        await server.text(AN, "chào")
        await server.wait_for_sent(AN, 1)
    engine = open_database(database_url)
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("select direction, delivered_at is not null from messages order by id").all()
    engine.dispose()
    assert [tuple(row) for row in rows] == [("in", 0), ("out", 1)]


async def test_a_tap_that_telegram_calls_too_old_is_handled_all_the_same(
    server: TelegramServer, database_url: str
) -> None:
    update = json.loads((SAMPLES / "tap_on_old_message.json").read_text(encoding="utf-8"))
    async with running(server, database_url):
        await server.text(AN, "chào")
        await server.wait_for_sent(AN, 1)
        await server.update(update)
        assert (await server.wait_for_sent(AN, 2))[1]["text"] == "Nút này không còn dùng được."


async def test_a_group_is_asked_to_write_privately_and_nothing_is_kept(
    server: TelegramServer, database_url: str
) -> None:
    names = ["group_chatter", "group_command_for_another", "group_mention"]
    updates = [json.loads((SAMPLES / f"{name}.json").read_text(encoding="utf-8")) for name in names]
    group = updates[0]["message"]["chat"]["id"]
    async with running(server, database_url):
        for update in updates:
            await server.update(update)
        await server.wait_for_sent(group, 1)
    assert [entry["text"] for entry in server.sent(group)] == [texts.PLEASE_WRITE_PRIVATELY]
    assert history(database_url, group) == []


async def test_commands_are_registered_in_vietnamese(server: TelegramServer, database_url: str) -> None:
    async with running(server, database_url):
        assert [(command["command"], command["description"]) for command in server.commands] == list(texts.COMMANDS)


@pytest.mark.parametrize("token", ["999999:a-token-nobody-gave", "nonsense with blanks", "", "123456:a\nb"])
async def test_a_wrong_token_is_one_clear_line(server: TelegramServer, database_url: str, token: str) -> None:
    engine = open_database(database_url)
    with pytest.raises(ChannelError) as caught:
        await a_channel(server, Store(engine, a_vault()), token=token).start()
    engine.dispose()
    said = str(caught.value)
    assert "TUSOI_TELEGRAM__TOKEN" in said
    assert "\n" not in said
    assert not token or token not in said
    assert caught.value.__cause__ is caught.value.__context__ is None


async def test_without_a_network_the_channel_starts_and_keeps_trying(
    database_url: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(telegram, "FIRST_BACKOFF_S", 0.05)
    server = TelegramServer()
    await server.start()
    await server.stop()
    async with running(server, database_url) as channel:
        waiting = asyncio.create_task(channel.wait())
        await asyncio.sleep(0.3)
        complaints = [record for record in caplog.records if "cannot be reached" in record.getMessage()]
        assert len(complaints) == 1
        await server.start(server.port)
        await server.text(AN, "có mạng rồi")
        await server.wait_for_sent(AN, 1)
        assert not waiting.done()
    await waiting
    assert TOKEN not in caplog.text


async def test_a_channel_that_never_reached_telegram_stops(database_url: str) -> None:
    server = TelegramServer()
    await server.start()
    await server.stop()
    async with running(server, database_url) as channel:
        with pytest.raises(DeliveryError):
            await channel.deliver(str(AN), a_text("Nhắc đồng chí."))


async def test_polling_outlives_refusals(
    server: TelegramServer, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telegram, "FIRST_BACKOFF_S", 0.02)
    server.fault("getUpdates", code=401, description="Unauthorized")
    server.fault("getUpdates", code=409, description="Conflict: terminated by other getUpdates request")
    server.fault("getUpdates", code=502, description="Bad Gateway")
    async with running(server, database_url):
        await server.text(AN, "chào")
        assert len(await server.wait_for_sent(AN, 1)) == 1


async def test_logs_hold_neither_token_nor_what_people_wrote(
    server: TelegramServer, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "chuyện riêng của tôi"
    async with running(server, database_url):
        await server.text(AN, secret)
        await server.wait_for_sent(AN, 1)
        server.fault("sendMessage", code=400, description="Bad Request: BUTTON_DATA_INVALID")
        await server.text(AN, secret)
        await until(lambda: server.calls.count("sendMessage") == 2)
        with patch.object(Gateway, "receive", AsyncMock(side_effect=ValueError(secret))):
            await server.text(AN, secret)
            await until(lambda: "ValueError" in caplog.text)
    assert "bot.channels.telegram" in {record.name for record in caplog.records}
    assert secret not in caplog.text
    assert TOKEN not in caplog.text


async def test_the_server_runs_as_a_process_of_its_own(database_url: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.servers.telegram", "--port", "0"),
        cwd=Path(__file__).parents[2],
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    line = json.loads(await process.stdout.readline())
    here = TelegramServer()
    here.port = line["port"]
    async with running(here, database_url), httpx.AsyncClient(base_url=f"http://127.0.0.1:{here.port}") as client:
        await client.post("/_test/text", json={"chat_id": AN, "text": "chào"})
        async with asyncio.timeout(60):
            while True:
                transcript = (await client.post("/_test/transcript", json={"chat_id": AN})).json()
                if transcript[-1]["method"] == "sendMessage":
                    break
    assert transcript[-1]["text"] == "Đồng chí viết: chào"
    process.terminate()
    await process.wait()


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"text": ""}, "message text is empty"),
        ({"text": "<b></b> ", "parse_mode": "HTML"}, "message text is empty"),
        ({"text": "a" * 4097}, "message is too long"),
        ({"text": "<b>a", "parse_mode": "HTML"}, "can't parse entities"),
        ({"text": "<b><i>a</b></i>", "parse_mode": "HTML"}, "can't parse entities"),
        ({"text": "<h1>a</h1>", "parse_mode": "HTML"}, "can't parse entities"),
        ({"text": "1 < 2", "parse_mode": "HTML"}, "can't parse entities"),
        (
            {"text": "a", "reply_markup": {"inline_keyboard": [[{"text": "a", "callback_data": "đ" * 33}]]}},
            "BUTTON_DATA_INVALID",
        ),
        ({"text": "a", "chat_id": 9}, "chat not found"),
    ],
)
async def test_the_server_refuses_what_telegram_refuses(
    server: TelegramServer, parameters: dict[str, object], reason: str
) -> None:
    await server.text(AN, "chào")
    async with httpx.AsyncClient() as client:
        answer = await client.post(f"{server.base_url}{TOKEN}/sendMessage", json={"chat_id": AN} | parameters)
    assert answer.status_code == 400
    assert reason in answer.json()["description"]


async def test_the_server_takes_an_answer_to_a_tap_once(server: TelegramServer) -> None:
    url = f"{server.base_url}{TOKEN}"
    keyboard = {"inline_keyboard": [[{"text": "a", "callback_data": "x"}]]}
    async with httpx.AsyncClient() as client:
        await server.text(AN, "chào")
        await client.post(f"{url}/sendMessage", json={"chat_id": AN, "text": "a", "reply_markup": keyboard})
        await server.tap(AN, "x")
        updates = (await client.post(f"{url}/getUpdates", json={})).json()["result"]
        tap = {"callback_query_id": updates[-1]["callback_query"]["id"]}
        assert (await client.post(f"{url}/answerCallbackQuery", json=tap)).status_code == 200
        assert (await client.post(f"{url}/answerCallbackQuery", json=tap)).status_code == 400


async def test_the_server_edits_only_what_it_knows_and_what_changes(server: TelegramServer) -> None:
    url = f"{server.base_url}{TOKEN}"
    async with httpx.AsyncClient() as client:
        await server.text(AN, "chào")
        sent = (await client.post(f"{url}/sendMessage", json={"chat_id": AN, "text": "a"})).json()["result"]
        edit = {"chat_id": AN, "message_id": sent["message_id"], "text": "b"}
        assert (await client.post(f"{url}/editMessageText", json=edit)).json()["result"]["text"] == "b"
        again = (await client.post(f"{url}/editMessageText", json=edit)).json()["description"]
        assert "message is not modified" in again
        unknown = (await client.post(f"{url}/editMessageText", json=edit | {"message_id": 5})).json()["description"]
        assert "message to edit not found" in unknown


async def test_the_server_forgets_what_was_confirmed_and_waits_for_more(server: TelegramServer) -> None:
    url = f"{server.base_url}{TOKEN}/getUpdates"
    async with httpx.AsyncClient() as client:
        first = await server.text(AN, "một")
        poll = asyncio.create_task(client.post(url, json={"offset": first + 1, "timeout": 5}))
        await asyncio.sleep(0.1)
        assert not poll.done()
        await server.text(AN, "hai")
        updates = (await poll).json()["result"]
        assert [update["message"]["text"] for update in updates] == ["hai"]
