from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, select

from storage.database import open_database, session
from storage.oa_tokens import Tokens
from storage.sealed import SealedKind
from storage.store import Store
from storage.tables import OaTokensRow
from storage.vault import Vault
from tests.storage.builders import a_vault, bring_up

APP, FIRST = "2553928453557884079", "the-first-refresh-token"
NOW = datetime(2026, 11, 26, 8, 0, tzinfo=UTC)
LEASE = timedelta(seconds=60)


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    engine = open_database(url)
    bring_up(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def store(engine: Engine) -> Store:
    return Store(engine, a_vault())


def read(store: Store, configured: str = FIRST) -> Tokens:
    with store.transaction() as transaction:
        return transaction.oa_tokens.read(APP, configured)


def claimed(store: Store, by: str, *, version: int = 0, now: datetime = NOW) -> tuple[bool, bool, datetime | None]:
    """Return whether it was granted, whether somebody was cut off, and until when there is a pause."""
    with store.transaction() as transaction:
        claim = transaction.oa_tokens.claim(APP, FIRST, version=version, by=by, now=now, lease=LEASE)
    return claim.is_granted, claim.was_cut_off, claim.again_at


def save(store: Store, number: int, *, version: int) -> Tokens:
    with store.transaction() as transaction:
        return transaction.oa_tokens.save(
            APP,
            FIRST,
            version=version,
            access=f"access-{number}",
            refresh=f"refresh-{number}",
            use_until=NOW + timedelta(hours=1),
            now=NOW,
        )


def test_the_first_pair_is_the_refresh_token_of_the_settings_alone(store: Store) -> None:
    assert read(store) == Tokens(None, FIRST, None, 0)


def test_tokens_stand_sealed_in_the_database(store: Store, engine: Engine) -> None:
    read(store)
    save(store, 1, version=0)
    with session(engine) as opened:
        row = opened.scalars(select(OaTokensRow)).one()
        kept = f"{row.configured} {row.key_id} {row.sealed!r}"
    assert all(word not in kept for word in (FIRST, "access-1", "refresh-1"))


def test_one_at_a_time_may_exchange_them(store: Store) -> None:
    assert claimed(store, "a") == (True, False, None)
    assert claimed(store, "b") == (False, False, None)
    assert claimed(store, "a") == (True, True, None)


def test_a_saved_pair_is_read_by_everybody_and_frees_the_right(store: Store) -> None:
    claimed(store, "a")
    saved = save(store, 1, version=0)
    assert saved == read(store) == Tokens("access-1", "refresh-1", NOW + timedelta(hours=1), 1)
    assert claimed(store, "b", version=1) == (True, False, None)


def test_who_wants_to_exchange_an_older_pair_is_not_granted_it(store: Store) -> None:
    claimed(store, "a")
    save(store, 1, version=0)
    assert claimed(store, "b", version=0) == (False, False, None)


def test_a_lease_that_was_never_given_back_tells_that_somebody_was_cut_off(store: Store) -> None:
    claimed(store, "a")
    assert claimed(store, "b", now=NOW + LEASE) == (True, True, None)


def test_a_pair_that_comes_after_the_lease_still_counts_but_never_replaces_a_newer_one(store: Store) -> None:
    claimed(store, "a")
    claimed(store, "b", now=NOW + LEASE)
    assert save(store, 1, version=0).access == "access-1"
    assert save(store, 2, version=0).access == "access-1"
    assert read(store).version == 1


def test_after_a_refusal_nobody_tries_before_a_pause_is_over(store: Store) -> None:
    claimed(store, "a")
    again_at = NOW + timedelta(minutes=10)
    with store.transaction() as transaction:
        transaction.oa_tokens.give_back(APP, FIRST, by="a", again_at=again_at)
    assert claimed(store, "b") == (False, False, again_at)
    # A pause is not somebody who was cut off.
    assert claimed(store, "b", now=again_at) == (True, False, None)


def test_only_who_holds_the_right_gives_it_back(store: Store) -> None:
    claimed(store, "a")
    with store.transaction() as transaction:
        transaction.oa_tokens.give_back(APP, FIRST, by="b", again_at=None)
    assert claimed(store, "c") == (False, False, None)


def test_another_token_in_the_settings_begins_anew_and_an_older_one_does_no_harm(store: Store) -> None:
    save(store, 1, version=0)
    assert read(store, "a-second-one") == Tokens(None, "a-second-one", None, 0)
    assert read(store) == Tokens("access-1", "refresh-1", NOW + timedelta(hours=1), 1)


def test_tokens_are_sealed_anew_with_a_new_key(store: Store, engine: Engine) -> None:
    save(store, 1, version=0)
    newer = Store(engine, Vault({"k": bytes(32), "new": b"n" * 32}, "new"))
    with newer.transaction() as transaction:
        assert transaction.sealed.counts()["k"][SealedKind.TOKENS] == 1
        assert transaction.sealed.reseal(SealedKind.TOKENS).count == 1
    with newer.transaction() as transaction:
        assert SealedKind.TOKENS not in transaction.sealed.counts().get("k", {})
    assert read(Store(engine, Vault({"new": b"n" * 32}, "new"))).access == "access-1"
