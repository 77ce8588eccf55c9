"""What Telegram can send, by name: the fields of Update and Message in Bot API 10.3, as aiogram 3.31 models them.

tests/judge/test_aiogram_samples.py tells when aiogram knows of one more or of one less.
"""

UPDATES = frozenset(
    "message edited_message channel_post edited_channel_post "
    "business_connection business_message edited_business_message deleted_business_messages "
    "guest_message message_reaction message_reaction_count inline_query chosen_inline_result callback_query "
    "shipping_query pre_checkout_query purchased_paid_media poll poll_answer "
    "my_chat_member chat_member chat_join_request chat_boost removed_chat_boost "
    "managed_bot subscription stopped_message_generation".split()
)
# In a message: what somebody has sent other than words.
SENT = frozenset(
    "animation audio document live_photo paid_media photo sticker story video video_note voice "
    "checklist contact dice game poll venue location invoice giveaway giveaway_winners rich_message".split()
)
# What Telegram itself tells a chat.
NOTICES = frozenset(
    "new_chat_members left_chat_member chat_owner_left chat_owner_changed new_chat_title new_chat_photo "
    "delete_chat_photo group_chat_created supergroup_chat_created channel_chat_created "
    "message_auto_delete_timer_changed migrate_to_chat_id migrate_from_chat_id pinned_message "
    "successful_payment refunded_payment users_shared chat_shared gift unique_gift gift_upgrade_sent "
    "connected_website write_access_allowed passport_data proximity_alert_triggered boost_added chat_background_set "
    "checklist_tasks_done checklist_tasks_added direct_message_price_changed paid_message_price_changed "
    "forum_topic_created forum_topic_edited forum_topic_closed forum_topic_reopened "
    "general_forum_topic_hidden general_forum_topic_unhidden giveaway_created giveaway_completed "
    "managed_bot_created poll_option_added poll_option_deleted "
    "suggested_post_approved suggested_post_approval_failed suggested_post_declined suggested_post_paid "
    "suggested_post_refunded video_chat_scheduled video_chat_started video_chat_ended "
    "video_chat_participants_invited web_app_data "
    "community_chat_added community_chat_removed community_chat_joined".split()
)
# Words, and what is told of a message beside what it holds.
BESIDE = frozenset(
    "text caption entities caption_entities message_id date chat from sender_chat message_thread_id "
    "direct_messages_topic sender_boost_count sender_business_bot sender_tag guest_query_id business_connection_id "
    "forward_origin is_topic_message is_automatic_forward reply_to_message external_reply quote reply_to_story "
    "reply_to_checklist_task_id reply_to_poll_option_id via_bot guest_bot_caller_user guest_bot_caller_chat edit_date "
    "has_protected_content is_from_offline is_paid_post media_group_id author_signature paid_star_count "
    "link_preview_options suggested_post_info effect_id show_caption_above_media has_media_spoiler reply_markup "
    "receiver_user ephemeral_message_id".split()
)
# Not sent any more.
RETIRED = frozenset(
    "forward_date forward_from forward_from_chat forward_from_message_id forward_sender_name forward_signature "
    "user_shared".split()
)
