from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from storage.outbox import CLAIM, LEASE, Delivery, DeliveryState, Outbox
from tests.storage.builders import a_cell, a_round_of, some_members

NOW = datetime(2026, 11, 5, 1, 0, tzinfo=UTC)
LATER = NOW + timedelta(days=1)
QUEUED, SENDING, SENT = DeliveryState.QUEUED, DeliveryState.SENDING, DeliveryState.SENT
RETRY, FAILED, UNKNOWN = DeliveryState.RETRY, DeliveryState.FAILED, DeliveryState.UNKNOWN


@pytest.fixture
def round_id(opened: Session) -> int:
    return a_round_of(opened, a_cell(opened))


@pytest.fixture
def members(opened: Session) -> list[int]:
    return some_members(opened, a_cell(opened, organization="Đảng bộ phường"))


@pytest.fixture
def outbox(opened: Session, round_id: int, members: list[int]) -> Outbox:
    """With one message to each of three members."""
    box = Outbox(opened)
    assert box.queue(round_id, "opened", members, due_at=NOW, expires_at=LATER) == 3
    return box


def states(outbox: Outbox, round_id: int) -> list[DeliveryState]:
    return [delivery.state for delivery in outbox.of_round(round_id)]


def claim_one(outbox: Outbox, worker: str = "w1", now: datetime = NOW) -> Delivery:
    [delivery] = outbox.claim(worker, now=now)
    return delivery


def begin_one(outbox: Outbox, worker: str = "w1", now: datetime = NOW) -> Delivery:
    delivery = claim_one(outbox, worker, now)
    assert outbox.begin([delivery.id], worker, now=now) == {delivery.id}
    return delivery


def test_same_message_is_queued_once(outbox: Outbox, round_id: int, members: list[int]) -> None:
    assert outbox.queue(round_id, "opened", members, due_at=NOW, expires_at=LATER) == 0
    assert outbox.queue(round_id, "reminder-2", members[:1], due_at=NOW, expires_at=LATER) == 1
    assert outbox.counts() == {DeliveryState.QUEUED: 4}


def test_claimed_message_is_nobody_elses(outbox: Outbox, members: list[int]) -> None:
    first = outbox.claim("w1", now=NOW, limit=2)
    second = outbox.claim("w2", now=NOW, limit=2)
    assert [delivery.member_id for delivery in first] == members[:2]
    assert [delivery.member_id for delivery in second] == members[2:]
    assert outbox.claim("w3", now=NOW, limit=2) == []


def test_claimed_message_still_waits_and_is_anybodys_when_its_claim_runs_out(outbox: Outbox, round_id: int) -> None:
    lost = outbox.claim("w1", now=NOW, limit=3)
    assert set(states(outbox, round_id)) == {QUEUED}
    assert outbox.give_up_lost(now=NOW + LEASE) == 0
    assert outbox.claim("w2", now=NOW + CLAIM - timedelta(seconds=1), limit=3) == []
    again = outbox.claim("w2", now=NOW + CLAIM, limit=3)
    assert [each.id for each in again] == [each.id for each in lost]
    # The first one was only slow: what it meant to send is another's now.
    assert outbox.begin([each.id for each in lost], "w1", now=NOW + CLAIM) == set()
    assert len(outbox.begin([each.id for each in lost], "w2", now=NOW + CLAIM)) == 3


def test_message_is_begun_once_and_only_by_who_has_claimed_it(outbox: Outbox, round_id: int) -> None:
    mine, other = claim_one(outbox, "w1"), claim_one(outbox, "w2")
    assert outbox.begin([mine.id, other.id], "w1", now=NOW) == {mine.id}
    assert outbox.begin([mine.id, other.id], "w1", now=NOW) == set()
    assert states(outbox, round_id) == [SENDING, QUEUED, QUEUED]
    assert [each.attempts for each in outbox.of_round(round_id)] == [1, 0, 0]


def test_what_waits_to_be_tried_again_comes_in_the_order_it_is_due(outbox: Outbox) -> None:
    first, second, third = outbox.claim("w1", now=NOW, limit=3)
    for delivery, minutes in ((first, 3), (second, 1)):
        assert outbox.retry(delivery.id, "w1", "502", at=NOW + timedelta(minutes=minutes))
    later = NOW + timedelta(minutes=5)
    assert [each.id for each in outbox.claim("w2", now=later, limit=2)] == [third.id, second.id]
    assert [each.id for each in outbox.claim("w2", now=later, limit=2)] == [first.id]


def test_message_that_is_put_off_has_not_failed(outbox: Outbox, round_id: int) -> None:
    begun, claimed = begin_one(outbox), claim_one(outbox)
    for delivery in (begun, claimed):
        assert outbox.put_off(delivery.id, "w1", "429", at=NOW + timedelta(seconds=30))
    assert states(outbox, round_id) == [RETRY, RETRY, QUEUED]
    again = outbox.claim("w1", now=NOW + timedelta(seconds=30), limit=3)
    assert [each.attempts for each in again] == [0, 0, 0]
    assert not outbox.put_off(begun.id, "w2", "429", at=NOW)


def test_message_that_cannot_be_written_steps_aside_and_is_given_up_in_the_end(outbox: Outbox, round_id: int) -> None:
    poison = claim_one(outbox)
    for _ in range(2):
        outbox.step_aside(poison.id, "KeyError", now=NOW, at=NOW + timedelta(minutes=1), most_attempts=3)
        assert outbox.of_round(round_id)[0].state is RETRY
    assert poison.id not in {each.id for each in outbox.claim("w1", now=NOW, limit=3)}
    outbox.step_aside(poison.id, "KeyError", now=NOW, at=NOW + timedelta(minutes=1), most_attempts=3)
    assert (outbox.of_round(round_id)[0].state, outbox.of_round(round_id)[0].reason) == (FAILED, "KeyError")


def test_long_reason_is_cut_to_what_is_kept(outbox: Outbox, round_id: int) -> None:
    assert outbox.failed(claim_one(outbox).id, "w1", "x" * 1000, now=NOW)
    assert outbox.of_round(round_id)[0].reason == "x" * 200


def test_message_waits_until_it_is_due(outbox: Outbox) -> None:
    assert outbox.claim("w1", now=NOW - timedelta(seconds=1)) == []


def test_message_that_is_too_old_is_put_aside(outbox: Outbox, round_id: int) -> None:
    assert outbox.claim("w1", now=LATER) == []
    assert outbox.give_up_late(now=LATER - timedelta(seconds=1)) == 0
    assert outbox.give_up_late(now=LATER) == 3
    assert set(states(outbox, round_id)) == {DeliveryState.TOO_OLD}


def test_sent_message_stays_sent(outbox: Outbox, round_id: int) -> None:
    delivery = begin_one(outbox)
    assert outbox.sent(delivery.id, "w1", now=NOW)
    assert states(outbox, round_id)[0] is SENT
    assert not outbox.sent(delivery.id, "w1", now=NOW)
    assert not outbox.failed(delivery.id, "w1", "again", now=NOW)


def test_nobody_finishes_what_another_has_claimed(outbox: Outbox, round_id: int) -> None:
    delivery = begin_one(outbox)
    assert not outbox.sent(delivery.id, "w2", now=NOW)
    assert not outbox.retry(delivery.id, "w2", "429", at=LATER)
    assert states(outbox, round_id)[0] is SENDING


def test_refused_message_keeps_its_reason_and_does_not_hold_up_the_others(outbox: Outbox, round_id: int) -> None:
    poison = claim_one(outbox)
    assert outbox.failed(poison.id, "w1", "blocked", now=NOW)
    assert outbox.of_round(round_id)[0].reason == "blocked"
    assert claim_one(outbox).id != poison.id


def test_message_to_be_tried_again_comes_at_its_time(outbox: Outbox) -> None:
    delivery = begin_one(outbox)
    assert outbox.retry(delivery.id, "w1", "502", at=NOW + timedelta(minutes=5))
    assert delivery.id not in {other.id for other in outbox.claim("w1", now=NOW, limit=9)}
    [again] = [other for other in outbox.claim("w2", now=NOW + timedelta(minutes=5), limit=9) if other.attempts]
    assert (again.id, again.attempts) == (delivery.id, 1)


def test_message_in_flight_when_its_sender_stopped_is_unknown_and_not_sent_again(outbox: Outbox, round_id: int) -> None:
    lost = begin_one(outbox)
    assert outbox.give_up_lost(now=NOW + LEASE - timedelta(seconds=1)) == 0
    assert outbox.give_up_lost(now=NOW + LEASE) == 1
    assert states(outbox, round_id)[0] is UNKNOWN
    assert lost.id not in {other.id for other in outbox.claim("w2", now=NOW + LEASE, limit=9)}


def test_sender_that_starts_again_need_not_wait_for_its_own_leases(outbox: Outbox, round_id: int) -> None:
    begin_one(outbox, "w1")
    begin_one(outbox, "w2")
    assert outbox.give_up_lost(now=NOW, worker="w1") == 1
    assert states(outbox, round_id)[:2] == [UNKNOWN, SENDING]


def test_many_rows_are_queued_in_portions(opened: Session, round_id: int) -> None:
    many = some_members(opened, a_cell(opened, organization="Đảng bộ tỉnh"), 2500)
    assert Outbox(opened).queue(round_id, "opened", many, due_at=NOW, expires_at=LATER) == 2500
