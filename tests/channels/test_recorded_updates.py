"""What becomes of every recorded update, kept and handled by the intake as it came: a table for each platform."""

import asyncio
import contextlib
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bot.channels import telegram_api, zalo_oa_updates, zalo_updates
from bot.channels.base import Heard, RawUpdate
from bot.channels.telegram_intake import raw_update
from bot.intake import UpdateIntake
from bot.replies import ReplySender
from handlers import channel_texts, texts
from knowledge.answer import KnowledgeBase
from storage.inbox import ASIDE
from storage.store import Store
from tests.bot.messengers import Pretend
from tests.channels.program import Onlooker, a_gateway, until

SAMPLES = Path(__file__).parents[1] / "data"
# Reactions: those answered by handlers; by a fixed text, of which nothing is kept; LEFT: confirmed and not even kept.
ANSWERED, PRIVATELY, NOT_HANDED_ON = "answered", "asked to write privately", "told that nothing was handed on"
NOTHING, PUT_ASIDE, CLOSED, OPENED, LEFT = "nothing", "put aside", "closed", "opened", "left"
# Before these a chat is closed to us.
REOPENS = ("unblocked", "oa_follow")


@dataclass(frozen=True, slots=True)
class Platform:
    """How a platform's updates are named and read.

    Attributes:
        name: of its channel.
        samples: the recorded updates, by name.
        keep: returns an update as it is kept; None where it is not.
        read: returns what it says.
    """

    name: str
    samples: dict[str, Any]
    keep: Callable[[dict[str, Any]], RawUpdate | None]
    read: Callable[[dict[str, Any], datetime], Heard]


def samples(folder: str, *, oa: bool = False) -> dict[str, Any]:
    paths = sorted((SAMPLES / folder).glob("*.json"))
    return {path.stem: json.loads(path.read_bytes()) for path in paths if path.stem.startswith("oa_") is oa}


TELEGRAM = Platform(
    "telegram",
    samples("telegram"),
    raw_update,
    lambda body, now: telegram_api.understand(body, username="TuSoiBot", bot_id=123456, now=now),
)
ZALO = Platform("zalo", samples("zalo"), zalo_updates.to_raw, lambda body, now: zalo_updates.understand(body, now=now))
ZALO_OA = Platform(
    "zalo_oa",
    samples("zalo", oa=True),
    lambda body: zalo_oa_updates.to_raw(body) if zalo_oa_updates.is_kept(body) else None,
    lambda body, now: zalo_oa_updates.understand(body, now=now),
)


class Recorded(Pretend):
    """A platform in memory that reads updates as they really are."""

    def __init__(self, platform: Platform) -> None:
        super().__init__()
        self.name = platform.name
        self._read = platform.read

    def understand(self, body: dict[str, Any], *, now: datetime) -> Heard:
        return self._read(body, now)


async def reactions(store: Store, knowledge: KnowledgeBase, platform: Platform) -> dict[str, str]:
    """Return what becomes of each recorded update of a platform; each chat is a member's."""
    spoken, executor, seen = Recorded(platform), ThreadPoolExecutor(2), Onlooker(store)
    gateway = a_gateway(store, knowledge)
    sender = ReplySender(store, {platform.name: spoken}, "worker", executor)
    intake = UpdateIntake(store, gateway, {platform.name: spoken}, sender, "worker", executor)
    tasks = [asyncio.create_task(sender.run()), asyncio.create_task(intake.run())]
    found: dict[str, str] = {}
    try:
        for name, body in platform.samples.items():
            kept = platform.keep(body)
            if kept is None:
                found[name] = LEFT
                continue
            close_chat(store, platform.name, kept.order_key, is_closed=name in REOPENS)
            before = seen.updates()[ASIDE], seen.replies().total(), len(spoken.said), name in REOPENS
            await intake.take(platform.name, [kept])
            await until(seen.is_quiet)
            # What is said beside an update is said after it was noted.
            await until(lambda: not intake._talking)
            found[name] = what_became(store, seen, spoken, kept, before)
    finally:
        for task in reversed(tasks):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        executor.shutdown()
        seen.close()
    return found


def what_became(
    store: Store, seen: Onlooker, spoken: Recorded, kept: RawUpdate, before: tuple[int, int, int, bool]
) -> str:
    aside, replies, said, blocked = before
    beside = [text for _, text in spoken.said[said:]]
    if seen.updates()[ASIDE] > aside:
        # Whoever sent it hears so, where that can be told, and nothing else.
        assert seen.replies().total() == replies
        assert [text.partition("(mã")[0] for text in beside] == (
            [texts.server_error("").partition("(mã")[0]] if kept.order_key else []
        )
        return PUT_ASIDE
    if seen.replies().total() > replies:
        assert seen.replies().total() == replies + 1
        assert beside == []
        return ANSWERED
    if beside:
        [only] = beside
        return {texts.PLEASE_WRITE_PRIVATELY: PRIVATELY, channel_texts.NOT_HANDED_ON: NOT_HANDED_ON}[only]
    if is_blocked(store, spoken.name, kept.order_key) is not blocked:
        return OPENED if blocked else CLOSED
    return NOTHING


def is_blocked(store: Store, channel: str, chat_id: str) -> bool:
    """Tell whether a chat is closed to us."""
    with store.transaction() as transaction:
        member_id = transaction.people.member_of(channel, chat_id)
        return member_id is not None and transaction.people.links_of([member_id])[0].is_blocked


def close_chat(store: Store, channel: str, chat_id: str, *, is_closed: bool) -> None:
    """Let a chat be a member's, and closed to us or open."""
    with store.transaction() as transaction:
        people, now = transaction.people, datetime.now(UTC)
        if people.member_of(channel, chat_id) is None:
            cell = people.add_cell(people.add_organization("Đảng bộ xã"), "Chi bộ 3")
            people.link(channel, chat_id, people.add_member(cell, f"Đồng chí {chat_id}"), now=now)
        people.set_blocked(channel, chat_id, at=now if is_closed else None)


@pytest.mark.parametrize(
    ("platform", "table"),
    [
        (
            TELEGRAM,
            {
                ANSWERED: "text command deep_link quoted_reply tap tap_on_old_message "
                "contact document location photo poll sticker video_note voice",
                PRIVATELY: "group_mention group_caption_mention group_command group_reply group_joined",
                CLOSED: "blocked",
                OPENED: "unblocked",
                NOTHING: "channel_post deleted_business_messages edited edited_photo pinned reaction unknown_kind "
                "tap_in_group tap_without_data group_chatter group_command_for_another group_left group_members "
                "group_migrated group_promoted group_reply_to_another",
            },
        ),
        (
            ZALO,
            {
                ANSWERED: "text text_wrapped text_date_in_digits text_half_emoji text_without_date "
                "image image_photo image_elsewhere image_without_https sticker voice",
                PRIVATELY: "group_mention group_unsupported",
                NOT_HANDED_ON: "unsupported",
                NOTHING: "from_a_bot text_blank unknown_event unknown_without_message",
                PUT_ASIDE: "date_out_of_bounds message_is_a_list missing_chat missing_event missing_message "
                "missing_text nested number_ids text_is_an_object",
            },
        ),
        (
            ZALO_OA,
            {
                ANSWERED: "oa_text oa_tap oa_audio oa_business_card oa_file oa_gif oa_image oa_link oa_location "
                "oa_sticker oa_video oa_without_attachments",
                CLOSED: "oa_unfollow",
                OPENED: "oa_follow",
                NOTHING: "oa_click_chatnow oa_reacted oa_text_blank oa_unknown_event oa_unknown_kind",
                PUT_ASIDE: "oa_missing_event oa_missing_message oa_missing_sender oa_missing_text oa_number_ids "
                "oa_text_is_a_list",
                LEFT: "oa_anonymous_text oa_group_text oa_seen oa_sent_by_us",
            },
        ),
    ],
    ids=["telegram", "zalo", "zalo_oa"],
)
async def test_every_recorded_update_has_its_reaction(
    store: Store, curated_knowledge: KnowledgeBase, platform: Platform, table: dict[str, str]
) -> None:
    expected = {name: reaction for reaction, names in table.items() for name in names.split()}
    assert await reactions(store, curated_knowledge, platform) == expected
