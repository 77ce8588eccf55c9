"""Whether the updates that our tests of translation start from are such as Telegram sends."""

import json
from pathlib import Path

import pytest

from tests.bot.telegram_kinds import BESIDE, NOTICES, RETIRED, SENT, UPDATES
from tests.judge.conftest import PROJECT, Judge

pytestmark = pytest.mark.judge

SAMPLES = PROJECT / "tests" / "data" / "telegram"
# Of a kind that does not exist, or without what there always is: on purpose.
WRONG = {
    *("unknown_kind", "unknown_content", "missing_chat", "missing_date", "missing_message_id"),
    *("tap_missing_id", "text_is_a_number"),
}
# What Telegram sends and does not document, or documented after the sample was made.
BESIDE_THE_BOOK = (
    "has no 'all_members_are_administrators'",
    "has no 'accepted_gift_types'",
    "has no 'new_chat_participant'",
    "has no 'new_chat_member'",
    "has no 'left_chat_participant'",
    "can_send_welcome_messages: Field required",
)


def test_aiogram_takes_the_updates_that_translation_is_tested_with(aiogram: Judge) -> None:
    paths: list[Path] = sorted(SAMPLES.glob("*.json"))
    told = aiogram([{"webhook": path.stem, "body": json.loads(path.read_text(encoding="utf-8"))} for path in paths])
    wrong = [(paths[line].stem, what) for line, what in told["wrong"] if not what.endswith(BESIDE_THE_BOOK)]
    assert [(name, what) for name, what in wrong if name not in WRONG] == []
    assert {name for name, _ in wrong} == WRONG
    assert sum(told["updates"].values()) == len(paths) >= 100


def test_aiogram_knows_the_kinds_of_which_each_is_recorded_and_no_other(aiogram: Judge) -> None:
    fields = aiogram([])["fields"]
    assert set(fields["update"]) == UPDATES | {"update_id"}
    assert set(fields["message"]) == SENT | NOTICES | BESIDE | RETIRED
