from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from storage.inbox import LEASE, LeaseLostError
from storage.sealed import SealedKind
from storage.store import Store, Transaction
from storage.tables import IncomingUpdateRow

NOW = datetime(2026, 11, 26, 1, 0, tzinfo=UTC)
CHANNELS = ["telegram", "zalo"]
LATER = NOW + timedelta(seconds=30)


@pytest.fixture
def transaction(store: Store) -> Iterator[Transaction]:
    with store.transaction() as opened:
        yield opened


def put(transaction: Transaction, *updates: tuple[str, str], channel: str = "telegram") -> set[str]:
    rows = [(external_id, chat, f'{{"n":"{external_id}"}}') for external_id, chat in updates]
    return transaction.inbox.put(channel, rows, now=NOW)


def claimed(transaction: Transaction, worker: str = "w1", at: datetime = NOW, limit: int = 64) -> list[str]:
    return [each.external_id for each in transaction.inbox.claim(worker, CHANNELS, now=at, limit=limit)]


def test_an_update_that_comes_again_is_kept_once(transaction: Transaction) -> None:
    assert put(transaction, ("u1", "7"), ("u2", "8"), ("u1", "7")) == {"7", "8"}
    assert put(transaction, ("u1", "7")) == set()
    assert put(transaction, ("u1", "7"), channel="zalo") == {"7"}
    assert transaction.inbox.counts() == {"waiting": 3}


def test_what_an_update_says_stands_nowhere_readable_and_is_destroyed_when_it_is_done(
    transaction: Transaction,
) -> None:
    put(transaction, ("u1", "7"))
    [update] = transaction.inbox.claim("w1", CHANNELS, now=NOW)
    assert update.body == '{"n":"u1"}'
    kept = transaction._session.scalars(select(IncomingUpdateRow.sealed)).one()
    assert kept is not None
    assert b"u1" not in kept
    assert transaction.sealed.counts()["k"] == {SealedKind.UPDATES: 1}
    transaction.inbox.done(update.id, "w1", now=NOW)
    row = transaction._session.scalars(select(IncomingUpdateRow)).one()
    assert (row.state, row.sealed, row.key_id) == ("done", None, None)
    assert put(transaction, ("u1", "7")) == set()


def test_a_chat_is_one_workers_with_all_that_waits_in_it(transaction: Transaction) -> None:
    put(transaction, ("u1", "7"), ("u2", "8"), ("u3", "7"))
    assert claimed(transaction, "w1", limit=1) == ["u1", "u3"]
    put(transaction, ("u4", "7"))
    # What comes after belongs to whoever holds the chat.
    assert claimed(transaction, "w2") == ["u2"]
    assert claimed(transaction, "w1") == ["u1", "u3", "u4"]


def test_chats_of_two_channels_with_one_id_are_two(transaction: Transaction) -> None:
    put(transaction, ("u1", "7"))
    put(transaction, ("m1", "7"), channel="zalo")
    assert claimed(transaction, "w1", limit=1) == ["u1"]
    assert claimed(transaction, "w2") == ["m1"]


def test_only_chats_that_are_asked_for_are_claimed(transaction: Transaction) -> None:
    put(transaction, ("u1", "7"), ("u2", "8"))
    found = transaction.inbox.claim("w1", CHANNELS, now=NOW, chats={("telegram", "8"), ("zalo", "7")})
    assert [each.external_id for each in found] == ["u2"]


def test_what_a_worker_held_that_stopped_is_free_when_its_lease_runs_out(transaction: Transaction) -> None:
    put(transaction, ("u1", "7"))
    [update] = transaction.inbox.claim("w1", CHANNELS, now=NOW)
    assert claimed(transaction, "w2", NOW + LEASE - timedelta(seconds=1)) == []
    assert claimed(transaction, "w2", NOW + LEASE) == ["u1"]
    with pytest.raises(LeaseLostError):
        transaction.inbox.done(update.id, "w1", now=NOW + LEASE)
    transaction.inbox.done(update.id, "w2", now=NOW + LEASE)
    with pytest.raises(LeaseLostError):
        transaction.inbox.done(update.id, "w2", now=NOW + LEASE)


def test_a_worker_that_lives_holds_on_and_one_that_ends_well_lets_go(transaction: Transaction) -> None:
    put(transaction, ("u1", "7"))
    claimed(transaction, "w1")
    transaction.inbox.renew("w1", now=NOW + LEASE)
    assert claimed(transaction, "w2", NOW + LEASE) == []
    transaction.inbox.release("w1")
    assert claimed(transaction, "w2", NOW) == ["u1"]


def test_what_fails_three_times_steps_aside_and_those_behind_it_wait_until_then(transaction: Transaction) -> None:
    put(transaction, ("u1", "7"), ("u2", "7"))
    first, _ = transaction.inbox.claim("w1", CHANNELS, now=NOW)

    def fail() -> bool:
        return transaction.inbox.failed(first.id, "w1", "KeyError AB12", now=NOW, again_at=LATER, most_attempts=3)

    assert not fail()
    assert claimed(transaction) == []
    assert claimed(transaction, at=LATER) == ["u1", "u2"]
    assert not fail()
    assert fail()
    assert claimed(transaction, at=LATER) == ["u2"]
    [aside] = transaction.inbox.aside()
    assert (aside.external_id, aside.attempts, aside.reason, aside.body) == ("u1", 3, "KeyError AB12", "")
    assert transaction.inbox.counts() == {"waiting": 1, "aside": 1}


def test_what_stepped_aside_can_be_tried_again_or_given_up(transaction: Transaction) -> None:
    put(transaction, ("u1", "7"))
    [update] = transaction.inbox.claim("w1", CHANNELS, now=NOW)
    transaction.inbox.failed(update.id, "w1", "x", now=NOW, again_at=NOW, most_attempts=1)
    assert transaction.inbox.try_again(now=NOW) == 1
    [again] = transaction.inbox.claim("w2", CHANNELS, now=NOW)
    assert (again.body, again.attempts) == ('{"n":"u1"}', 0)
    transaction.inbox.failed(again.id, "w2", "x", now=NOW, again_at=NOW, most_attempts=1)
    assert transaction.inbox.give_up(now=NOW) == 1
    assert transaction.inbox.counts() == {}
    assert put(transaction, ("u1", "7")) == set()


def test_age_counts_from_when_the_oldest_came(transaction: Transaction) -> None:
    assert transaction.inbox.oldest_waiting() is None
    put(transaction, ("u1", "7"))
    transaction.inbox.put("telegram", [("u2", "7", "{}")], now=LATER)
    assert transaction.inbox.oldest_waiting() == NOW
    [first, _] = transaction.inbox.claim("w1", CHANNELS, now=LATER)
    transaction.inbox.done(first.id, "w1", now=LATER)
    assert transaction.inbox.oldest_waiting() == LATER


def test_names_of_what_is_done_are_forgotten_after_a_while_and_nothing_else(transaction: Transaction) -> None:
    put(transaction, ("u1", "7"), ("u2", "8"))
    [first] = transaction.inbox.claim("w1", CHANNELS, now=NOW, limit=1)
    transaction.inbox.done(first.id, "w1", now=NOW)
    transaction.inbox.use_init_data("d1", "web:a", now=NOW)
    assert transaction.inbox.forget_before(NOW) == 0
    assert transaction.inbox.forget_before(LATER) == 2
    assert transaction.inbox.counts() == {"waiting": 1}


def test_a_proof_is_one_web_chats(transaction: Transaction) -> None:
    assert transaction.inbox.use_init_data("d1", "web:a", now=NOW)
    assert transaction.inbox.use_init_data("d1", "web:a", now=LATER)
    assert not transaction.inbox.use_init_data("d1", "web:b", now=LATER)
