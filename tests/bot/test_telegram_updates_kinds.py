"""Every kind of update and of message that Telegram has: each is recorded, and each has its reaction.

That what is answered nothing is done with, and what people read, tests/channels/test_recorded_updates.py looks at.
"""

from typing import Any

import pytest

from bot.channels.base import FixedAnswer
from bot.channels.telegram_api import ALLOWED_UPDATES
from bot.channels.telegram_intake import raw_update
from handlers import texts
from handlers.messages import IncomingMessage
from tests.bot.telegram_kinds import BESIDE, NOTICES, RETIRED, SENT, UPDATES
from tests.bot.test_telegram_updates import ALL, heard, sample

PRIVATE = {"id": 1001, "first_name": "An", "type": "private"}
GROUP = {"id": -5001, "title": "Chi bộ 3", "type": "group"}
WE = {"id": 123456, "is_bot": True, "first_name": "Tự Soi", "username": "TuSoiBot"}
BODIES = [sample(name) for name in ALL]
MESSAGES = [body[kind] for body in BODIES for kind in ("message", "channel_post") if kind in body]


def holding(kind: str) -> dict[str, Any]:
    """Return what is recorded of a kind of message, without words: as an update of a private chat."""
    found = next(message for message in MESSAGES if kind in message)
    content = {key: value for key, value in found.items() if key in SENT | NOTICES}
    return {"update_id": 7, "message": {"message_id": 9, "date": 1764547200, "chat": PRIVATE, **content}}


# --- nothing is missing -------------------------------------------------------------------------------------------


def test_every_kind_of_update_is_recorded() -> None:
    assert UPDATES - {kind for body in BODIES for kind in body} == set()


def test_every_kind_of_message_is_recorded() -> None:
    assert SENT | NOTICES | {"text", "caption"} <= {kind for message in MESSAGES for kind in message}


def test_a_field_of_a_message_is_of_one_kind() -> None:
    assert len(SENT | NOTICES | BESIDE | RETIRED) == sum(map(len, (SENT, NOTICES, BESIDE, RETIRED)))


# --- updates that we never asked for ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted(UPDATES - set(ALLOWED_UPDATES)))
def test_what_we_never_asked_for_is_kept_and_says_nothing(kind: str) -> None:
    bodies = [body for body in BODIES if kind in body]
    assert [heard(body) for body in bodies] == [None] * len(bodies)
    chats = [raw_update(body).order_key for body in bodies]
    assert chats == [str(body[kind]["chat"]["id"]) if "chat" in body[kind] else "" for body in bodies]


# --- what people send ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "file_name"),
    [
        ("animation", "vo-tay.mp4"),
        ("audio", "Tiến quân ca.mp3"),
        ("video", "Buổi sinh hoạt.mp4"),
        ("live_photo", "photo.jpg"),
        ("paid_media", "paid_media"),
        ("story", "story"),
        ("dice", "dice"),
        ("game", "game"),
        ("venue", "venue"),
        ("invoice", "invoice"),
        # These the library does not count among what is sent, or does not know.
        ("checklist", "checklist"),
        ("giveaway", "giveaway"),
        ("giveaway_winners", "giveaway_winners"),
        ("rich_message", "rich_message"),
    ],
)
def test_what_is_no_text_is_named(name: str, file_name: str) -> None:
    message = heard(sample(name))
    assert isinstance(message, IncomingMessage)
    assert (message.chat_id, message.text, message.file_name) == ("1001", "", file_name)


@pytest.mark.parametrize("kind", sorted(SENT))
def test_whatever_somebody_sends_privately_is_heard(kind: str) -> None:
    message = heard(holding(kind))
    assert isinstance(message, IncomingMessage)
    assert message.file_name
    assert (message.text, message.button_id) == ("", None)


@pytest.mark.parametrize("kind", sorted(SENT))
def test_in_a_group_only_what_is_sent_to_us_is_answered(kind: str) -> None:
    body = holding(kind)
    body["message"]["chat"] = GROUP
    assert heard(body) is None
    body["message"]["reply_to_message"] = {"message_id": 8, "date": 1764547100, "chat": GROUP, "from": WE, "text": "…"}
    assert heard(body) == FixedAnswer("-5001", texts.PLEASE_WRITE_PRIVATELY)


@pytest.mark.parametrize(
    ("name", "text", "file_name"),
    [
        ("video_with_question", "Đảng viên được làm những gì?", "video"),
        ("text_forwarded", "Thông báo này nói gì?", None),
        ("text_answering_story", "Đảng viên được làm những gì?", None),
        ("missing_sender", "Xin chào", None),
    ],
)
def test_words_are_heard_with_whatever_they_come(name: str, text: str, file_name: str | None) -> None:
    message = heard(sample(name))
    assert isinstance(message, IncomingMessage)
    assert (message.text, message.file_name) == (text, file_name)


@pytest.mark.parametrize(
    ("name", "chat_id"),
    [
        ("group_photo", None),
        ("group_topic", None),
        ("group_pinned", None),
        ("suggested_post_text", None),
        ("group_sticker_reply", "-5001"),
        ("group_video_caption_mention", "-5001"),
        ("group_topic_mention", "-1005001"),
    ],
)
def test_a_group_speaks_to_us_with_more_than_words(name: str, chat_id: str | None) -> None:
    assert heard(sample(name)) == (FixedAnswer(chat_id, texts.PLEASE_WRITE_PRIVATELY) if chat_id else None)


# --- notices ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chat", [PRIVATE, GROUP], ids=["private", "group"])
@pytest.mark.parametrize("kind", sorted(NOTICES))
def test_a_notice_says_nothing_wherever_it_comes(kind: str, chat: dict[str, Any]) -> None:
    body = holding(kind)
    body["message"]["chat"] = chat
    assert heard(body) is None


@pytest.mark.parametrize("name", ["tap_on_game", "tap_on_inline_message", "unknown_content"])
def test_what_nobody_could_answer_says_nothing(name: str) -> None:
    assert heard(sample(name)) is None


# --- missing fields -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "order_key"),
    [
        ("missing_chat", ""),
        ("missing_date", "1001"),
        ("missing_message_id", "1001"),
        ("tap_missing_id", "1001"),
        ("text_is_a_number", "1001"),
    ],
)
def test_what_lacks_a_field_is_kept_and_refused_when_it_is_read(name: str, order_key: str) -> None:
    kept = raw_update(sample(name))
    assert (kept.order_key, kept.body) == (order_key, sample(name))
    with pytest.raises((ValueError, TypeError, KeyError, AttributeError)):
        heard(kept.body)
