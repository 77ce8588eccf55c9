from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from storage.outbox import LEASE, Delivery, DeliveryState, Outbox
from tests.storage.builders import a_cell, a_round_of, some_members

NOW = datetime(2026, 11, 5, 1, 0, tzinfo=UTC)
LATER = NOW + timedelta(days=1)
SENDING, SENT, UNKNOWN = DeliveryState.SENDING, DeliveryState.SENT, DeliveryState.UNKNOWN


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


def test_message_waits_until_it_is_due(outbox: Outbox) -> None:
    assert outbox.claim("w1", now=NOW - timedelta(seconds=1)) == []


def test_message_that_is_too_old_is_put_aside(outbox: Outbox, round_id: int) -> None:
    assert outbox.claim("w1", now=LATER) == []
    assert set(states(outbox, round_id)) == {DeliveryState.TOO_OLD}


def test_sent_message_stays_sent(outbox: Outbox, round_id: int) -> None:
    delivery = claim_one(outbox)
    assert outbox.sent(delivery.id, "w1", now=NOW)
    assert states(outbox, round_id)[0] is SENT
    assert not outbox.sent(delivery.id, "w1", now=NOW)
    assert not outbox.failed(delivery.id, "w1", "again", now=NOW)


def test_nobody_finishes_what_another_has_claimed(outbox: Outbox, round_id: int) -> None:
    delivery = claim_one(outbox)
    assert not outbox.sent(delivery.id, "w2", now=NOW)
    assert not outbox.retry(delivery.id, "w2", "429", at=LATER)
    assert states(outbox, round_id)[0] is SENDING


def test_refused_message_keeps_its_reason_and_does_not_hold_up_the_others(outbox: Outbox, round_id: int) -> None:
    poison = claim_one(outbox)
    assert outbox.failed(poison.id, "w1", "blocked", now=NOW)
    assert outbox.of_round(round_id)[0].reason == "blocked"
    assert claim_one(outbox).id != poison.id


def test_message_to_be_tried_again_comes_at_its_time(outbox: Outbox) -> None:
    delivery = claim_one(outbox)
    assert outbox.retry(delivery.id, "w1", "429", at=NOW + timedelta(minutes=5))
    assert delivery.id not in {other.id for other in outbox.claim("w1", now=NOW, limit=9)}
    again = claim_one(outbox, now=NOW + timedelta(minutes=5))
    assert (again.id, again.attempts) == (delivery.id, 2)


def test_message_in_flight_when_its_sender_stopped_is_unknown_and_not_sent_again(outbox: Outbox, round_id: int) -> None:
    lost = claim_one(outbox)
    assert outbox.give_up_lost(now=NOW + LEASE - timedelta(seconds=1)) == 0
    assert outbox.give_up_lost(now=NOW + LEASE) == 1
    assert states(outbox, round_id)[0] is UNKNOWN
    assert lost.id not in {other.id for other in outbox.claim("w2", now=NOW + LEASE, limit=9)}


def test_sender_that_starts_again_need_not_wait_for_its_own_leases(outbox: Outbox, round_id: int) -> None:
    claim_one(outbox, "w1")
    claim_one(outbox, "w2")
    assert outbox.give_up_lost(now=NOW, worker="w1") == 1
    assert states(outbox, round_id)[:2] == [UNKNOWN, SENDING]


def test_many_rows_are_queued_in_portions(opened: Session, round_id: int) -> None:
    many = some_members(opened, a_cell(opened, organization="Đảng bộ tỉnh"), 2500)
    assert Outbox(opened).queue(round_id, "opened", many, due_at=NOW, expires_at=LATER) == 2500
