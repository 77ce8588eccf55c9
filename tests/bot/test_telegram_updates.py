"""What an update of Telegram says, and what is kept of one before anyone looks."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from telegram import Update

from bot.channels.base import ChatChanged, FixedAnswer, Heard
from bot.channels.posted import MAX_DEPTH
from bot.channels.telegram_api import is_addressed, to_message, understand
from bot.channels.telegram_intake import (
    LEFT_OUT,
    left_out,
    parsed,
    raw_update,
    raw_update_or_its_id,
    update_ids_in,
)
from handlers import texts
from handlers.messages import IncomingMessage

SAMPLES = Path(__file__).parents[1] / "data" / "telegram"
NOW = datetime(2025, 12, 2, 8, 0, tzinfo=UTC)
ALL = sorted(path.stem for path in SAMPLES.glob("*.json"))


def sample(name: str) -> dict[str, Any]:
    body: dict[str, Any] = json.loads((SAMPLES / f"{name}.json").read_text(encoding="utf-8"))
    return body


def recorded(name: str) -> Update:
    return Update.de_json(sample(name), None)


def heard(body: dict[str, Any]) -> Heard:
    return understand(body, username="TuSoiBot", bot_id=123456, now=NOW)


# --- what a person said in a private chat -------------------------------------------------------------------------


def test_a_text_comes_through_as_typed() -> None:
    assert heard(sample("text")) == IncomingMessage(
        channel="telegram",
        chat_id="1001",
        external_id="u870000001",
        text="Đảng viên 😀 được làm những gì?",
        sent_at=datetime(2025, 12, 1, tzinfo=UTC),
    )


@pytest.mark.parametrize("name", ["command", "deep_link"])
def test_a_command_loses_the_name_of_the_bot_only(name: str) -> None:
    message = to_message(recorded(name), now=NOW)
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
        ("sticker", "", "sticker"),
        ("contact", "", "contact"),
        ("location", "", "location"),
        ("video_note", "", "video_note"),
        ("poll", "", "poll"),
    ],
)
def test_what_is_no_text_is_named(name: str, text: str, file_name: str) -> None:
    message = heard(sample(name))
    assert isinstance(message, IncomingMessage)
    assert (message.text, message.file_name) == (text, file_name)


def test_only_documents_and_photos_can_be_fetched() -> None:
    refs = {}
    for name in ("document", "photo", "voice", "sticker", "contact", "location", "video_note"):
        message = heard(sample(name))
        assert isinstance(message, IncomingMessage)
        refs[name] = message.file_ref
    assert refs["photo"] == sample("photo")["message"]["photo"][-1]["file_id"]
    assert refs["document"] is not None
    assert all(refs[name] is None for name in ("voice", "sticker", "contact", "location", "video_note"))


def test_an_answer_to_our_words_is_what_it_says() -> None:
    message = heard(sample("quoted_reply"))
    assert isinstance(message, IncomingMessage)
    assert message.text == "Ý này là sao?"


@pytest.mark.parametrize(
    "name",
    [
        *("edited", "edited_photo", "pinned", "tap_without_data", "tap_in_group"),
        *("reaction", "channel_post", "unknown_kind", "deleted_business_messages"),
        *("group_migrated", "group_members", "group_promoted", "group_left"),
    ],
)
def test_what_asks_nothing_is_no_message(name: str) -> None:
    assert heard(sample(name)) is None


def test_what_was_never_asked_for_is_not_read_whatever_form_it_has() -> None:
    assert heard({"update_id": 7, "poll": {"id": 1, "options": "soon otherwise"}}) is None
    assert heard({"update_id": 7, "poll_answer": {"chosen": []}}) is None


# --- groups, and chats that open and close ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("group_mention", True),
        ("group_caption_mention", True),
        ("group_command", True),
        ("group_command_for_another", False),
        ("group_reply", True),
        ("group_reply_to_another", False),
        ("group_chatter", False),
    ],
)
def test_a_group_speaks_to_us_by_mention_command_or_reply(name: str, expected: bool) -> None:
    body = sample(name)
    message = recorded(name).message
    assert message is not None
    assert is_addressed(message, "TuSoiBot", 123456) is expected
    chat_id = str(body["message"]["chat"]["id"])
    assert heard(body) == (FixedAnswer(chat_id, texts.PLEASE_WRITE_PRIVATELY) if expected else None)


def test_a_group_that_takes_us_in_is_asked_to_write_privately() -> None:
    assert heard(sample("group_joined")) == FixedAnswer("-5001", texts.PLEASE_WRITE_PRIVATELY)


def test_a_channel_that_takes_us_in_is_told_nothing_before_all_its_readers() -> None:
    body = sample("group_joined")
    body["my_chat_member"]["chat"]["type"] = "channel"
    assert heard(body) is None


def test_before_the_bot_knows_its_name_only_plain_commands_count() -> None:
    assert understand(sample("group_mention"), username="", bot_id=123456, now=NOW) is None
    body = sample("group_command")
    body["message"] |= {"text": "/muc_luc", "entities": [{"offset": 0, "length": 8, "type": "bot_command"}]}
    assert isinstance(understand(body, username="", bot_id=123456, now=NOW), FixedAnswer)


def test_who_blocks_the_bot_closes_the_chat_and_who_unblocks_it_opens_it() -> None:
    assert heard(sample("blocked")) == ChatChanged("1001", is_open=False)
    assert heard(sample("unblocked")) == ChatChanged("1001", is_open=True)


# --- bad input ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"update_id": "7"},
        {"update_id": 7, "message": 5},
        {"update_id": 7, "message": {"message_id": 1}},
        {"update_id": 7, "message": {"message_id": 1, "date": "gestern", "chat": {"id": 1, "type": "private"}}},
        {"update_id": 7, "message": {"message_id": 1, "date": 1, "chat": {"id": "1; drop", "type": "private"}}},
        {"update_id": 7, "message": {"message_id": 1, "date": 1, "chat": {"id": 1, "type": "private"}, "text": 5}},
        {"update_id": 7, "message": {"message_id": 1, "date": 1, "chat": {"id": 1, "type": "private"}, "text": {}}},
        {"update_id": 7, "message": {"message_id": 1, "date": 10**30, "chat": {"id": 1, "type": "private"}}},
        {"update_id": 7, "callback_query": {"id": "1"}},
        {"update_id": 7, "callback_query": [1]},
        {"update_id": 7, "my_chat_member": {"chat": {"id": 1, "type": "private"}}},
        {"update_id": 7, LEFT_OUT: "nested too deep"},
    ],
)
def test_what_is_no_update_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError, KeyError, AttributeError, OverflowError)):
        heard(body)


def test_button_data_must_be_text() -> None:
    body = sample("tap")
    body["callback_query"]["data"] = 5
    with pytest.raises(ValueError, match="text"):
        heard(body)


def test_halves_of_surrogate_pairs_and_nul_are_replaced() -> None:
    body = sample("text")
    body["message"]["text"] = "a\ud83db\0c"
    message = heard(body)
    assert isinstance(message, IncomingMessage)
    assert message.text == "a\ufffdb\ufffdc"
    body = sample("document")
    body["message"]["document"]["file_name"] = "x\udc00.docx"
    message = heard(body)
    assert isinstance(message, IncomingMessage)
    assert message.file_name == "x\ufffd.docx"


@pytest.mark.parametrize("name", ALL)
def test_every_kind_is_kept_by_its_number_with_its_chat(name: str) -> None:
    body = sample(name)
    kept = raw_update(body)
    assert kept.external_id == f"u{body['update_id']}"
    assert kept.body == body
    [content] = [value for key, value in body.items() if key != "update_id"]
    chat = content.get("chat") or content.get("message", {}).get("chat")
    assert kept.order_key == (str(chat["id"]) if chat else "")


@pytest.mark.parametrize(
    "content", [None, 5, "x", [], {}, {"update_id": True}, {"update_id": "5"}, {"update_id": -1}, {"update_id": 2**70}]
)
def test_what_has_no_number_is_not_kept(content: object) -> None:
    with pytest.raises(ValueError, match="an update"):
        raw_update(content)
    assert raw_update_or_its_id(content) is None


@pytest.mark.parametrize(
    "content",
    [
        {"update_id": 1, "message": 5},
        {"update_id": 1, "message": {"chat": 5}},
        {"update_id": 1, "message": {"chat": {}}},
        {"update_id": 1, "callback_query": {"message": {"chat": None}}},
    ],
)
def test_an_update_of_no_chat_is_kept_all_the_same(content: dict[str, Any]) -> None:
    assert raw_update(content).order_key == ""


def nested(depth: int) -> Any:
    value: Any = "a"
    for _ in range(depth):
        value = [value]
    return value


def test_what_is_nested_too_deep_leaves_its_number() -> None:
    assert raw_update({"update_id": 7, "x": nested(MAX_DEPTH - 2)}).external_id == "u7"
    deep = {"update_id": 7, "message": {"chat": {"id": 1}, "x": nested(500)}}
    with pytest.raises(ValueError, match="deep"):
        raw_update(deep)
    assert raw_update_or_its_id(deep) == left_out(7, "nested too deep")
    assert left_out(7, "why").body == {"update_id": 7, LEFT_OUT: "why"}


def test_a_long_key_is_cut_to_what_is_kept() -> None:
    assert len(raw_update({"update_id": 7, "message": {"chat": {"id": "1" * 500}}}).order_key) == 128


def test_what_is_kept_can_be_written_as_utf_8() -> None:
    kept = raw_update(json.loads('{"update_id": 7, "x": "a\\ud83d", "\\udc00": ["\\ud83d\\ude00"]}'))
    assert kept.body == {"update_id": 7, "x": "a\ufffd", "\ufffd": ["😀"]}


@pytest.mark.parametrize("payload", [b"", b"{", b"\xff\xfe\x00", b'{"a": NaN}', b"[" * 100_000, b"1" * 5000])
def test_what_is_no_json_is_refused(payload: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        parsed(payload)


def test_numbers_are_found_in_what_cannot_be_read() -> None:
    payload = b'{"ok":true,"result":[{"update_id": 12,"message":' + b"[" * 2000 + b'},{"update_id":13}]}'
    assert update_ids_in(payload) == [12, 13]
    # As text it stands with quotes that are escaped.
    assert update_ids_in(rb'{"update_id":5,"message":{"text":"\"update_id\":6"}}') == [5]


PLACES = st.lists(st.integers(0, 200), min_size=1, max_size=4)
INSTEAD: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, 0, -1, 2**70, "", "x", "\ud800", "\0", [], {}, [[]], {"id": 1}, 1.5]
)


def spoilt(body: dict[str, Any], places: list[int], instead: object) -> dict[str, Any]:
    """Return the same with other things in some places, or nothing there."""
    changed: dict[str, Any] = json.loads(json.dumps(body))
    for place in places:
        holders: list[tuple[Any, Any]] = []
        waiting: list[Any] = [changed]
        while waiting:
            holder = waiting.pop()
            keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
            holders += [(holder, key) for key in keys]
            waiting += [holder[key] for key in keys if isinstance(holder[key], (dict, list))]
        if not holders:
            break
        holder, key = holders[place % len(holders)]
        if instead is None:
            del holder[key]
        else:
            holder[key] = json.loads(json.dumps(instead))
    return changed


@settings(max_examples=300, deadline=None)
@given(name=st.sampled_from(ALL), places=PLACES, instead=INSTEAD)
def test_whatever_is_wrong_with_an_update_it_is_understood_or_refused(
    name: str, places: list[int], instead: object
) -> None:
    body = spoilt(sample(name), places, instead)
    kept = raw_update_or_its_id(body)
    if kept is not None:
        assert len(kept.order_key) <= 128
        assert json.loads(json.dumps(kept.body, ensure_ascii=False).encode()) == kept.body
        body = kept.body
    try:
        said = heard(body)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError):
        return
    if isinstance(said, IncomingMessage):
        for words in (said.text, said.button_id, said.file_name, said.file_ref):
            assert words is None or (isinstance(words, str) and "\0" not in words and words.encode() is not None)
        assert said.sent_at.tzinfo is not None
