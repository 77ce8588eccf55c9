"""What comes by itself: the announcement of a round, reminders, and who does not hear them."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from assessment.model import Role
from bot.channels.base import DeliveryError
from bot.scheduler import Scheduler
from storage.outbox import LEASE, DeliveryState
from storage.people import Link
from storage.store import StoredMessage
from tests.handlers.conftest import Village, staged

# 09:00 in Hà Nội on the days on which members are reminded of a round that is due on 30 November.
FIVE_DAYS_BEFORE = datetime(2026, 11, 25, 2, tzinfo=UTC)
LAST_DAY = datetime(2026, 11, 30, 2, tzinfo=UTC)


def _cell(village: Village) -> None:
    village.add("binh", "Trần Thị Bình", Role.SECRETARY)
    village.add("an", "Nguyễn Văn An")
    village.add("dung", "Phạm Thị Dung")
    village.add("cuong", "Lê Văn Cường", has_phone=False)
    village.enrol("binh", "an", "dung")
    village.say("binh", "mở kỳ")
    village.choose("binh", "Xác nhận")


@pytest.fixture
def cell(village: Village) -> Village:
    """Bình has opened the round; An and Dung are linked, Cường hands in on paper."""
    return staged(village, _cell)


def hand_in(village: Village, user: str) -> None:
    village.say(user, "tự đánh giá")
    said = village.choose(user, "Bắt đầu")
    while "Xác nhận nộp" not in said:
        said = village.choose(user, "Cả nhóm" if "Cả nhóm" in said else "Không có biểu hiện")
    village.choose(user, "Xác nhận nộp")


def states(village: Village, kind: str) -> dict[str, DeliveryState]:
    names = {number: user for user, number in village.ids.items()}
    with village.store.transaction() as transaction:
        [november] = transaction.rounds.of_cell(village.cell)
        return {names[d.member_id]: d.state for d in transaction.outbox.of_round(november.id) if d.kind == kind}


def test_opened_round_is_announced_once_to_who_can_be_reached(cell: Village) -> None:
    heard = cell.set_clock(cell.now + timedelta(minutes=1))
    assert set(heard) == {"binh", "an", "dung"}
    assert "Chi bộ 3 mở kỳ tự đánh giá tháng 11/2026, hạn nộp 30/11/2026" in heard["an"]
    assert cell.set_clock(cell.now + timedelta(minutes=1)) == {}


def test_who_has_handed_in_is_not_reminded(cell: Village) -> None:
    cell.set_clock(cell.now + timedelta(minutes=1))
    hand_in(cell, "an")
    heard = cell.set_clock(FIVE_DAYS_BEFORE)
    assert set(heard) == {"binh", "dung"}
    assert "hạn nộp 30/11/2026" in heard["dung"]
    assert cell.set_clock(FIVE_DAYS_BEFORE + timedelta(hours=1)) == {}
    assert set(cell.set_clock(LAST_DAY)) == {"binh", "dung"}


def test_program_that_was_off_for_weeks_says_one_thing_not_all_it_missed(cell: Village) -> None:
    heard = cell.set_clock(LAST_DAY)
    assert set(heard) == {"binh", "an", "dung"}
    assert cell.set_clock(LAST_DAY + timedelta(minutes=1)) == {}


def test_nothing_is_said_at_night(cell: Village) -> None:
    cell.set_clock(cell.now + timedelta(minutes=1))
    cell.set_clock(datetime(2026, 11, 6, 15, tzinfo=UTC))
    cell.say("binh", "nhắc")
    cell.choose("binh", "Xác nhận")
    assert cell.set_clock(datetime(2026, 11, 6, 23, 29, tzinfo=UTC)) == {}
    assert set(cell.set_clock(datetime(2026, 11, 6, 23, 30, tzinfo=UTC))) == {"binh", "an", "dung"}


def test_announcement_of_the_evening_that_could_not_be_sent_waits_for_the_morning(cell: Village) -> None:
    busy = DeliveryError("429", permanent=False, retry_after_s=3600)
    evening = datetime(2026, 11, 5, 13, 30, tzinfo=UTC)
    assert wake(cell, Channel(busy, busy, busy), evening) == 0
    assert wake(cell, Channel(), evening + timedelta(hours=1)) == 0
    assert wake(cell, Channel(), datetime(2026, 11, 5, 23, 30, tzinfo=UTC)) == 3


def test_blocked_chat_is_shown_to_the_secretary_until_its_owner_writes_again(cell: Village) -> None:
    cell.block("dung")
    assert set(cell.set_clock(cell.now + timedelta(minutes=1))) == {"binh", "an"}
    assert states(cell, "opened")["dung"] is DeliveryState.FAILED
    assert "Đã chặn tin nhắn (1): Phạm Thị Dung." in cell.say("binh", "tiến độ")
    cell.block("dung", blocked=False)
    cell.say("dung", "mục lục")
    assert "Đã chặn" not in cell.say("binh", "tiến độ")
    assert "dung" in cell.set_clock(FIVE_DAYS_BEFORE)


def test_nothing_is_said_after_the_round_is_over(cell: Village) -> None:
    assert cell.set_clock(datetime(2026, 12, 5, 2, tzinfo=UTC)) == {}
    assert set(states(cell, "opened").values()) == {DeliveryState.TOO_OLD}


class Channel:
    """A channel that does with each message what a test says."""

    def __init__(self, *errors: DeliveryError | None, crashes: bool = False) -> None:
        self._errors, self.sent, self._crashes = list(errors), list[str](), crashes

    async def __call__(self, link: Link, _message: StoredMessage) -> None:
        if self._crashes:
            # The program stops here; what this was waiting for never comes.
            asyncio.get_running_loop().stop()
            await asyncio.Event().wait()
        error = self._errors.pop(0) if self._errors else None
        if error is not None:
            raise error
        self.sent.append(link.chat_id)


def wake(village: Village, channel: Channel, now: datetime) -> int:
    return asyncio.run(Scheduler(village.store, channel).run_due(now))


def test_message_that_may_have_arrived_is_not_sent_again(cell: Village) -> None:
    timed_out = DeliveryError("timed out", permanent=False, maybe_delivered=True)
    channel = Channel(timed_out)
    assert wake(cell, channel, cell.now) == 2
    assert states(cell, "opened")["binh"] is DeliveryState.UNKNOWN
    assert wake(cell, channel, cell.now + timedelta(hours=1)) == 0
    assert "Chưa rõ đã nhận được tin (1): Trần Thị Bình. Tôi không tự gửi lại" in cell.say("binh", "tiến độ")
    # A later message that arrived says that they are reached.
    wake(cell, channel, FIVE_DAYS_BEFORE)
    assert "Chưa rõ" not in cell.say("binh", "tiến độ")


def test_message_that_did_not_arrive_is_tried_again_when_the_platform_says(cell: Village) -> None:
    busy = DeliveryError("429", permanent=False, retry_after_s=300)
    channel = Channel(busy)
    assert wake(cell, channel, cell.now) == 2
    assert wake(cell, channel, cell.now + timedelta(seconds=299)) == 0
    assert wake(cell, channel, cell.now + timedelta(seconds=300)) == 1
    assert set(states(cell, "opened").values()) == {DeliveryState.SENT}


def test_message_that_never_arrives_is_given_up_with_its_reason(cell: Village) -> None:
    channel = Channel(*[DeliveryError("cannot be reached", permanent=False)] * 30)
    for hour in range(12):
        wake(cell, channel, cell.now + timedelta(hours=hour))
    assert set(states(cell, "opened").values()) == {DeliveryState.FAILED}


def test_last_days_reminder_that_waited_is_not_sent_once_the_day_is_over(cell: Village) -> None:
    channel = Channel()
    wake(cell, channel, cell.now)
    busy = Channel(*[DeliveryError("429", permanent=False, retry_after_s=20 * 3600)] * 3)
    assert wake(cell, busy, LAST_DAY) == 0
    assert wake(cell, channel, LAST_DAY + timedelta(hours=22)) == 0
    assert set(states(cell, "reminder-0").values()) == {DeliveryState.TOO_OLD}


def test_program_that_starts_late_on_the_last_day_reminds_on_it(cell: Village) -> None:
    channel = Channel()
    wake(cell, channel, cell.now)
    assert wake(cell, channel, LAST_DAY + timedelta(hours=9)) == 3
    assert set(states(cell, "reminder-0").values()) == {DeliveryState.SENT}


def test_message_in_flight_at_a_crash_is_shown_as_unknown_and_not_sent_again(cell: Village) -> None:
    channel = Channel()
    with pytest.raises(RuntimeError, match="stopped before"):
        wake(cell, Channel(crashes=True), cell.now)
    # The three went out together.
    assert set(states(cell, "opened").values()) == {DeliveryState.SENDING}
    assert wake(cell, channel, cell.now) == 0
    wake(cell, channel, cell.now + LEASE)
    assert set(states(cell, "opened").values()) == {DeliveryState.UNKNOWN}
    assert channel.sent == []


def test_who_has_taken_the_consent_back_hears_nothing_and_is_named_apart(cell: Village) -> None:
    cell.say("dung", "rút đồng ý")
    cell.choose("dung", "Xác nhận rút")
    assert set(cell.set_clock(cell.now + timedelta(minutes=1))) == {"binh", "an"}
    said = cell.say("binh", "tiến độ")
    assert "Chưa nộp (2): Trần Thị Bình, Nguyễn Văn An." in said
    assert "Đã rút đồng ý nên tôi không nhắc (1): Phạm Thị Dung." in said
    assert "0/4 đã nộp" in said
    cell.choose("binh", "Nhắc 2 đồng chí")
    cell.choose("binh", "Xác nhận nhắc")
    assert set(cell.set_clock(cell.now + timedelta(minutes=1))) == {"binh", "an"}
    assert set(cell.set_clock(FIVE_DAYS_BEFORE)) == {"binh", "an"}
    cell.say("dung", "tự đánh giá")
    cell.choose("dung", "Đồng ý")
    assert set(cell.set_clock(LAST_DAY)) == {"binh", "an", "dung"}


def test_consent_taken_back_after_a_reminder_was_queued_keeps_it_from_going_out(cell: Village) -> None:
    cell.set_clock(datetime(2026, 11, 6, 15, tzinfo=UTC))
    cell.say("binh", "nhắc")
    cell.choose("binh", "Xác nhận")
    cell.say("dung", "rút đồng ý")
    cell.choose("dung", "Xác nhận rút")
    assert set(cell.set_clock(datetime(2026, 11, 6, 23, 30, tzinfo=UTC))) == {"binh", "an"}


def test_opening_counts_nobody_who_has_taken_the_consent_back(cell: Village) -> None:
    cell.say("dung", "rút đồng ý")
    cell.choose("dung", "Xác nhận rút")
    cell.set_clock(datetime(2026, 12, 5, 2, tzinfo=UTC))
    cell.say("binh", "mở kỳ")
    assert "Tôi sẽ báo cho 2 đồng chí." in cell.choose("binh", "Xác nhận")


def test_secretarys_own_reminder_is_the_only_one_of_its_day(cell: Village) -> None:
    cell.set_clock(FIVE_DAYS_BEFORE - timedelta(hours=2))
    cell.say("binh", "nhắc")
    cell.choose("binh", "Xác nhận")
    cell.set_clock(FIVE_DAYS_BEFORE - timedelta(hours=1))
    assert cell.set_clock(FIVE_DAYS_BEFORE) == {}
    assert set(cell.set_clock(LAST_DAY)) == {"binh", "an", "dung"}
