from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from storage.replies import FLIGHT, LEASE, QueuedReply, ReplyState
from storage.store import Store, Transaction

NOW = datetime(2026, 11, 26, 1, 0, tzinfo=UTC)
LATER = NOW + timedelta(seconds=30)


@pytest.fixture
def transaction(store: Store) -> Iterator[Transaction]:
    with store.transaction() as opened:
        yield opened


def say(
    transaction: Transaction, chat: str = "7", *, worker: str | None = "w1", replaces: int | None = None
) -> QueuedReply:
    conversation = transaction.conversation("telegram", chat, now=NOW)
    message = transaction.add_reply(conversation.id, [("text", "Chào")], [], in_reply_to=None, now=NOW)
    return transaction.replies.queue(message.id, "telegram", chat, worker=worker, now=NOW, replaces=replaces)


def claimed(transaction: Transaction, worker: str, at: datetime = NOW) -> list[int]:
    return [each.message_id for each in transaction.replies.claim(worker, ["telegram"], now=at)]


def test_what_is_queued_is_its_workers_until_the_lease_runs_out(transaction: Transaction) -> None:
    first, second = say(transaction), say(transaction)
    assert claimed(transaction, "w2") == []
    assert transaction.replies.begin([first.message_id], "w2", now=NOW) == set()
    assert claimed(transaction, "w2", NOW + LEASE) == [first.message_id, second.message_id]
    assert transaction.replies.begin([first.message_id], "w1", now=NOW + LEASE) == set()
    assert transaction.replies.begin([first.message_id], "w2", now=NOW + LEASE) == {first.message_id}


def test_nothing_of_a_chat_is_claimed_while_something_is_on_its_way_there(transaction: Transaction) -> None:
    first, second, other = say(transaction), say(transaction, worker=None), say(transaction, "8", worker=None)
    transaction.replies.begin([first.message_id], "w1", now=NOW)
    assert claimed(transaction, "w2") == [other.message_id]
    transaction.replies.sent({first.message_id: "1001"}, "w1", now=NOW)
    assert claimed(transaction, "w2") == [second.message_id]


def test_what_was_in_flight_when_its_sender_stopped_is_unknown_and_never_claimed(transaction: Transaction) -> None:
    reply = say(transaction)
    transaction.replies.begin([reply.message_id], "w1", now=NOW)
    assert transaction.replies.give_up_lost(now=NOW + FLIGHT - timedelta(seconds=1)) == 0
    assert transaction.replies.give_up_lost(now=NOW + FLIGHT) == 1
    assert claimed(transaction, "w2", NOW + 2 * FLIGHT) == []
    assert transaction.replies.counts() == {ReplyState.UNKNOWN: 1}


def test_a_retry_goes_on_after_the_parts_that_arrived_not_before_its_time(transaction: Transaction) -> None:
    reply = say(transaction)
    transaction.replies.begin([reply.message_id], "w1", now=NOW)
    transaction.replies.retry(reply.message_id, "w1", "lost", part=2, at=LATER)
    assert claimed(transaction, "w2", LATER) == []
    [again] = transaction.replies.claim("w2", ["telegram"], now=LATER + LEASE)
    assert (again.part, again.attempts) == (2, 1)


def test_a_closed_chat_gets_nothing_more(transaction: Transaction) -> None:
    first, _, other = say(transaction), say(transaction), say(transaction, "8")
    transaction.replies.begin([first.message_id], "w1", now=NOW)
    transaction.replies.failed(first.message_id, "w1", "blocked", now=NOW)
    assert transaction.replies.give_up_closed("telegram", "7", now=NOW) == 1
    assert transaction.replies.counts() == {ReplyState.FAILED: 2, ReplyState.WAITING: 1}
    assert claimed(transaction, "w2", NOW + LEASE) == [other.message_id]


def test_a_reply_knows_what_the_platform_calls_the_message_it_may_replace(transaction: Transaction) -> None:
    asked = say(transaction)
    assert say(transaction, replaces=asked.message_id).replaces is None
    transaction.replies.begin([asked.message_id], "w1", now=NOW)
    transaction.replies.sent({asked.message_id: "1001"}, "w1", now=NOW)
    assert transaction.replies.shown_as(asked.message_id) == "1001"
    assert say(transaction, replaces=asked.message_id).replaces == "1001"


def test_age_counts_from_when_the_oldest_was_said_until_it_is_over(transaction: Transaction) -> None:
    assert transaction.replies.oldest_unsent() is None
    reply = say(transaction)
    transaction.replies.begin([reply.message_id], "w1", now=LATER)
    assert transaction.replies.oldest_unsent() == NOW
    transaction.replies.unknown(reply.message_id, "w1", "timed out", now=LATER)
    assert transaction.replies.oldest_unsent() is None


def test_what_is_over_is_forgotten_after_a_while(transaction: Transaction) -> None:
    over, waiting = say(transaction), say(transaction, "8")
    transaction.replies.begin([over.message_id], "w1", now=NOW)
    transaction.replies.sent({over.message_id: None}, "w1", now=NOW)
    assert transaction.replies.forget_before(LATER) == 1
    assert transaction.replies.counts() == {ReplyState.WAITING: 1}
    assert waiting.message_id in claimed(transaction, "w2", NOW + LEASE)


def test_a_sender_that_lives_holds_on_to_what_is_on_its_way(transaction: Transaction) -> None:
    reply, waiting = say(transaction), say(transaction, "8")
    transaction.replies.begin([reply.message_id], "w1", now=NOW)
    transaction.replies.renew("w1", now=LATER)
    assert transaction.replies.give_up_lost(now=NOW + FLIGHT) == 0
    assert claimed(transaction, "w2", NOW + LEASE) == []
    transaction.replies.release("w1")
    assert claimed(transaction, "w2", NOW) == [waiting.message_id]
