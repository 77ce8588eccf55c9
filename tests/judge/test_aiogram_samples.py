"""Whether the updates that our tests of translation start from are such as Telegram sends."""

import json
from pathlib import Path

import pytest

from tests.judge.conftest import PROJECT, Judge

pytestmark = pytest.mark.judge

SAMPLES = PROJECT / "tests" / "data" / "telegram"
# Of a kind that does not exist, on purpose.
INVENTED = {"unknown_kind"}
# What Telegram sends and does not document, or documented after the sample was made.
BESIDE_THE_BOOK = (
    "has no 'all_members_are_administrators'",
    "has no 'accepted_gift_types'",
    "has no 'new_chat_participant'",
    "has no 'new_chat_member'",
    "can_send_welcome_messages: Field required",
)


def test_aiogram_takes_the_updates_that_translation_is_tested_with(aiogram: Judge) -> None:
    paths: list[Path] = sorted(path for path in SAMPLES.glob("*.json") if path.stem not in INVENTED)
    told = aiogram([{"webhook": path.stem, "body": json.loads(path.read_text(encoding="utf-8"))} for path in paths])
    wrong = [(paths[line].stem, what) for line, what in told["wrong"] if not what.endswith(BESIDE_THE_BOOK)]
    assert wrong == []
    assert sum(told["updates"].values()) == len(paths) >= 14
