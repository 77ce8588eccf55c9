"""Every event of both Zalo platforms that we know by name: each is recorded, and each has its reaction.

What becomes of them in the program, tests/channels/test_recorded_updates.py looks at.
"""

from typing import Any

import pytest

from bot.channels import zalo_oa_updates, zalo_updates
from bot.channels.base import FixedAnswer
from handlers import texts
from handlers.messages import IncomingMessage
from tests.bot.zalo_helpers import NOW, SAMPLES, SENT_AT, sample

BOT_EVENTS = frozenset("text image sticker voice link unsupported".split())
# What people send to an Official Account, by the end of its name; two spellings of a link and of a card are met.
SENT = frozenset("text image gif link links audio video sticker location business_card contact file".split())
# What the account itself has said, and what else is told of it.
ECHOES = frozenset("text image gif file list sticker template group_text".split())
TOLD = frozenset(
    "follow unfollow user_seen_message user_received_message user_reacted_message user_click_chatnow "
    "user_withdraw_message user_submit_info user_feedback user_call_oa user_asking_product add_user_to_tag "
    "update_user_info permission_revoked widget_interaction_accepted user_send_group_text user_send_group_image "
    "anonymous_send_text anonymous_send_image".split()
)
BODIES = {path.stem: sample(path.stem) for path in sorted(SAMPLES.glob("*.json"))}


def names(*, oa: bool, group: bool = False) -> set[Any]:
    """Return the names of the events that are recorded, of groups or of single people."""
    events = [body.get("result", body) for name, body in BODIES.items() if name.startswith("oa_") is oa]
    return {event.get("event_name") for event in events if not group or "GROUP" in str(event.get("message"))}


def test_every_event_of_the_bot_platform_is_recorded() -> None:
    expected = {f"message.{event}.received" for event in BOT_EVENTS}
    assert expected - names(oa=False) == set()
    assert names(oa=False, group=True) == expected


def test_every_event_of_an_official_account_is_recorded() -> None:
    expected = {f"user_send_{event}" for event in SENT} | {f"oa_send_{event}" for event in ECHOES} | TOLD
    assert expected - names(oa=True) == set()


# --- The bot platform -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "file_name", "ref"),
    [
        ("image_with_caption", "Thông báo này nói gì?", "photo.jpg", "https://f20-zpc.zdn.vn/6158893/ban-scan.jpg"),
        ("image_without_address", "", "photo.jpg", None),
        ("sticker_without_url", "", "sticker", None),
        ("voice_without_address", "", "voice", None),
        ("link", "", "link", None),
        ("link_as_links", "", "link", None),
        ("link_with_text", "Bài này nói gì? https://example.com/bai-bao", "link", None),
        ("missing_chat_type", "xin chào", None, None),
        ("missing_message_id", "xin chào", None, None),
        ("missing_sender", "xin chào", None, None),
    ],
)
def test_what_a_person_sends_is_heard_whatever_is_missing_beside(
    name: str, text: str, file_name: str | None, ref: str | None
) -> None:
    message = zalo_updates.understand(sample(name), now=NOW)
    assert isinstance(message, IncomingMessage)
    assert (message.text, message.file_name, message.file_ref) == (text, file_name, ref)
    assert (message.chat_id, message.sent_at) == ("6ede9afa66b88fe6d6a9", SENT_AT)
    assert message.external_id == zalo_updates.to_raw(sample(name)).external_id


@pytest.mark.parametrize("name", [name for name in BODIES if name.startswith("group_")])
def test_whatever_a_group_says_to_us_it_is_asked_to_write_privately(name: str) -> None:
    said = zalo_updates.understand(sample(name), now=NOW)
    assert said == FixedAnswer("g1f6b2c0d4e8a93b7715", texts.PLEASE_WRITE_PRIVATELY)


@pytest.mark.parametrize("name", ["unknown_reaction", "unknown_withdrawal", "unsupported_without_message"])
def test_what_nobody_could_answer_says_nothing(name: str) -> None:
    assert zalo_updates.understand(sample(name), now=NOW) is None


def test_without_a_chat_nothing_is_understood() -> None:
    assert zalo_updates.to_raw(sample("missing_chat_id")).order_key == ""
    with pytest.raises(KeyError):
        zalo_updates.understand(sample("missing_chat_id"), now=NOW)


# --- Official Account -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "file_name"),
    [
        ("oa_link_as_links", "", "link"),
        ("oa_links", "", "link"),
        ("oa_link_with_text", "Bài này nói gì?", "link"),
        ("oa_contact", "", "contact"),
        ("oa_missing_message_id", "xin chào", None),
        ("oa_missing_recipient", "xin chào", None),
        ("oa_missing_time", "xin chào", None),
    ],
)
def test_what_a_person_sends_to_an_account_is_heard(name: str, text: str, file_name: str | None) -> None:
    message = zalo_oa_updates.understand(sample(name), now=NOW)
    assert isinstance(message, IncomingMessage)
    assert (message.text, message.file_name, message.file_ref) == (text, file_name, None)
    assert (message.chat_id, message.sent_at) == ("6142494823107425536", NOW if name == "oa_missing_time" else SENT_AT)
    assert message.external_id == zalo_oa_updates.to_raw(sample(name)).external_id


@pytest.mark.parametrize(
    "name", [name for name in BODIES if name.startswith(("oa_echo_", "oa_group_", "oa_anonymous_", "oa_received"))]
)
def test_what_was_said_by_us_or_where_nobody_can_be_answered_is_not_kept(name: str) -> None:
    assert not zalo_oa_updates.is_kept(sample(name))
    assert zalo_oa_updates.understand(sample(name), now=NOW) is None


@pytest.mark.parametrize(
    ("name", "order_key"),
    [
        *((f"oa_{told}", "6142494823107425536") for told in ("withdrawn", "submitted_info", "feedback", "called")),
        *((f"oa_{told}", "6142494823107425536") for told in ("shared_product", "tagged", "info_changed")),
        ("oa_permission_revoked", ""),
    ],
)
def test_what_is_only_told_is_kept_in_order_and_says_nothing(name: str, order_key: str) -> None:
    assert zalo_oa_updates.is_kept(sample(name))
    assert zalo_oa_updates.to_raw(sample(name)).order_key == order_key
    assert zalo_oa_updates.understand(sample(name), now=NOW) is None


def test_nobody_follows_without_a_name() -> None:
    with pytest.raises(KeyError):
        zalo_oa_updates.understand(sample("oa_follow_without_follower"), now=NOW)
