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
ANSWERED, NO_FILES = "answered", "told that files are not taken"
PRIVATELY, NOT_HANDED_ON = "asked to write privately", "told that nothing was handed on"
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
        return NO_FILES if spoken.sent[-1][1] == texts.NO_FILES else ANSWERED
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
                ANSWERED: "text command deep_link quoted_reply tap tap_on_old_message photo video_with_question "
                "text_forwarded text_answering_story missing_sender",
                NO_FILES: "animation audio video live_photo paid_media document sticker story video_note voice "
                "checklist contact dice game poll venue location invoice giveaway giveaway_winners rich_message",
                PRIVATELY: "group_mention group_caption_mention group_command group_reply group_joined "
                "group_sticker_reply group_video_caption_mention group_topic_mention",
                CLOSED: "blocked",
                OPENED: "unblocked",
                # Updates that nobody asked for; edits; taps that press nothing.
                NOTHING: "channel_post edited_channel_post business_connection business_message "
                "edited_business_message deleted_business_messages guest_message reaction message_reaction_count "
                "inline_query chosen_inline_result shipping_query pre_checkout_query purchased_paid_media "
                "poll_state poll_answer chat_member chat_join_request chat_boost removed_chat_boost managed_bot "
                "subscription stopped_message_generation unknown_kind unknown_content "
                "edited edited_photo tap_in_group tap_without_data tap_on_game tap_on_inline_message "
                # What a group says, but not to us.
                "group_chatter group_command_for_another group_reply_to_another group_photo group_topic "
                "suggested_post_text "
                # Notices.
                "pinned group_pinned group_left group_members group_migrated group_migrated_from group_promoted "
                "new_chat_members left_chat_member chat_owner_left chat_owner_changed new_chat_title new_chat_photo "
                "delete_chat_photo group_chat_created supergroup_chat_created channel_chat_created "
                "message_auto_delete_timer_changed successful_payment refunded_payment users_shared chat_shared "
                "gift unique_gift gift_upgrade_sent connected_website write_access_allowed passport_data "
                "proximity_alert_triggered boost_added chat_background_set checklist_tasks_done checklist_tasks_added "
                "direct_message_price_changed paid_message_price_changed forum_topic_created forum_topic_edited "
                "forum_topic_closed forum_topic_reopened general_forum_topic_hidden general_forum_topic_unhidden "
                "giveaway_created giveaway_completed managed_bot_created poll_option_added poll_option_deleted "
                "suggested_post_approved suggested_post_approval_failed suggested_post_declined suggested_post_paid "
                "suggested_post_refunded video_chat_scheduled video_chat_started video_chat_ended "
                "video_chat_participants_invited web_app_data "
                "community_chat_added community_chat_removed community_chat_joined",
                PUT_ASIDE: "missing_chat missing_date missing_message_id tap_missing_id text_is_a_number",
            },
        ),
        (
            ZALO,
            {
                ANSWERED: "text text_wrapped text_date_in_digits text_half_emoji text_without_date "
                "image_photo image_with_caption link_with_text missing_chat_type missing_message_id missing_sender",
                NO_FILES: "image image_elsewhere image_without_https image_without_address "
                "sticker sticker_without_url voice voice_without_address link link_as_links",
                PRIVATELY: "group_mention group_reply group_image group_sticker group_voice group_link "
                "group_unsupported",
                NOT_HANDED_ON: "unsupported",
                NOTHING: "from_a_bot text_blank unknown_event unknown_without_message unknown_reaction "
                "unknown_withdrawal unsupported_without_message",
                PUT_ASIDE: "date_out_of_bounds message_is_a_list missing_chat missing_chat_id missing_event "
                "missing_message missing_text nested number_ids text_is_an_object",
            },
        ),
        (
            ZALO_OA,
            {
                ANSWERED: "oa_text oa_tap oa_image oa_link_with_text "
                "oa_missing_message_id oa_missing_recipient oa_missing_time",
                NO_FILES: "oa_audio oa_business_card oa_contact oa_file oa_gif oa_link oa_link_as_links oa_links "
                "oa_location oa_sticker oa_video oa_without_attachments",
                CLOSED: "oa_unfollow",
                OPENED: "oa_follow",
                NOTHING: "oa_click_chatnow oa_reacted oa_text_blank oa_unknown_event oa_unknown_kind oa_withdrawn "
                "oa_submitted_info oa_feedback oa_called oa_shared_product oa_tagged oa_info_changed "
                "oa_permission_revoked",
                PUT_ASIDE: "oa_missing_event oa_missing_message oa_missing_sender oa_missing_text oa_number_ids "
                "oa_text_is_a_list oa_follow_without_follower",
                LEFT: "oa_anonymous_text oa_anonymous_image oa_group_text oa_group_image oa_seen oa_received "
                "oa_sent_by_us oa_echo_image oa_echo_gif oa_echo_file oa_echo_list oa_echo_sticker oa_echo_template "
                "oa_echo_group_text",
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
