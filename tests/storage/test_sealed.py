"""A new key: everything that older keys have sealed is sealed anew, bit by bit."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, text

from assessment.model import ItemAnswer
from storage.database import session
from storage.rounds import StoredAnswer
from storage.sealed import Resealed, SealedKind
from storage.store import Store
from storage.vault import Vault, VaultError
from tests.storage.builders import a_cell, a_round_of, some_members

NOW = datetime(2026, 11, 20, 2, tzinfo=UTC)
OLD, NEW = bytes(32), bytes(range(32))
PRESENT = StoredAnswer(ItemAnswer.PRESENT, is_reported=True, note="đã sửa")
BEFORE = Vault({"old": OLD}, "old")
BOTH = Vault({"old": OLD, "new": NEW}, "new")
AFTER = Vault({"new": NEW}, "new")


@pytest.fixture
def filled(engine: Engine) -> Engine:
    """Five answers, three confidential messages with two buttons, and one that everybody may read."""
    with session(engine) as opened:
        cell = a_cell(opened)
        [member] = some_members(opened, cell, 1)
        november = a_round_of(opened, cell)
    with Store(engine, BEFORE).transaction() as transaction:
        for number in range(1, 6):
            transaction.rounds.answer(november, member, number, PRESENT)
        chat = transaction.conversation("console", "an", now=NOW)
        said = transaction.add_incoming(chat.id, "m1", "sửa điều 12", now=NOW, confidential=True)
        for confidential in (True, False):
            transaction.add_reply(
                chat.id,
                [("text", "Điều 12"), ("citation", "— Điều 12")],
                [("Có biểu hiện", "ck_answer", "1:12:present"), ("Thôi", "ck_later", "")],
                in_reply_to=said,
                now=NOW,
                confidential=confidential,
            )
        transaction.add_incoming(chat.id, "m2", "1", now=NOW + timedelta(minutes=1), confidential=True)
        transaction.audit.note("member:1", "consent", "2026-11", now=NOW)
    return engine


def read(engine: Engine, vault: Vault) -> tuple[object, ...]:
    """Return everything that is sealed, opened."""
    with Store(engine, vault).transaction() as transaction:
        chat = transaction.find_conversation("console", "an")
        assert chat is not None
        messages = transaction.history(chat.id)
        assert transaction.audit.inspect().is_complete
        return transaction.rounds.answers(1, 1), [(m.text, [b.action for b in m.buttons]) for m in messages]


def rotate(engine: Engine, vault: Vault, *, limit: int = 500) -> None:
    for kind in SealedKind:
        last = None
        while True:
            with Store(engine, vault).transaction() as transaction:
                batch = transaction.sealed.reseal(kind, after=last, limit=limit)
            if batch.last is None:
                break
            last = batch.last


def test_values_are_counted_by_key_and_kind(filled: Engine) -> None:
    with Store(filled, BOTH).transaction() as transaction:
        assert transaction.sealed.counts() == {
            "old": {
                SealedKind.ANSWERS: 5,
                SealedKind.MESSAGES: 3,
                SealedKind.BUTTONS: 2,
                SealedKind.AUDIT: 1,
            }
        }
        assert transaction.sealed.older() == 11


def test_everything_opens_with_the_new_key_alone_and_says_the_same(filled: Engine) -> None:
    before = read(filled, BEFORE)
    rotate(filled, BOTH, limit=2)
    assert read(filled, AFTER) == before
    with Store(filled, BOTH).transaction() as transaction:
        assert set(transaction.sealed.counts()) == {"new"}
        assert transaction.sealed.older() == 0


def test_batches_go_on_where_the_last_one_ended(filled: Engine) -> None:
    last, batches = None, list[Resealed]()
    while not batches or batches[-1].last is not None:
        with Store(filled, BOTH).transaction() as transaction:
            batches.append(transaction.sealed.reseal(SealedKind.ANSWERS, after=last, limit=3))
        last = batches[-1].last
    assert [batch.count for batch in batches] == [3, 2, 0]


def test_second_time_changes_nothing(filled: Engine) -> None:
    def dump() -> list[object]:
        with filled.connect() as connection:
            return [connection.execute(text(f"SELECT * FROM {table}")).all() for table in ("item_responses", "buttons")]

    rotate(filled, BOTH)
    once = dump()
    rotate(filled, BOTH)
    assert dump() == once


def test_batch_that_breaks_off_leaves_everything_readable(filled: Engine) -> None:
    before = read(filled, BEFORE)

    def break_off(kind: SealedKind) -> None:
        with Store(filled, BOTH).transaction() as transaction:
            transaction.sealed.reseal(kind, limit=2)
            raise KeyboardInterrupt

    for kind in SealedKind:
        with pytest.raises(KeyboardInterrupt):
            break_off(kind)
    assert read(filled, BEFORE) == before
    rotate(filled, BOTH)
    assert read(filled, AFTER) == before


def test_value_whose_key_is_gone_stops_it_and_is_named(filled: Engine) -> None:
    def reseal() -> None:
        with Store(filled, AFTER).transaction() as transaction:
            transaction.sealed.reseal(SealedKind.ANSWERS)

    with pytest.raises(VaultError, match="key 'old' is not in the ring"):
        reseal()
    read(filled, BEFORE)


def test_message_of_somebody_who_writes_meanwhile_is_passed_over_and_done_later(filled: Engine) -> None:
    if filled.dialect.name == "sqlite":
        pytest.skip("SQLite has one writer: nothing is held by somebody else")
    with filled.connect() as other:
        other.begin()
        other.execute(text("SELECT id FROM item_responses WHERE number = 2 FOR UPDATE"))
        with Store(filled, BOTH).transaction() as transaction:
            assert transaction.sealed.reseal(SealedKind.ANSWERS).count == 4
        other.rollback()
    with Store(filled, BOTH).transaction() as transaction:
        assert transaction.sealed.reseal(SealedKind.ANSWERS).count == 1


def test_codes_handed_out_before_work_after_and_not_without_their_key(filled: Engine) -> None:
    with Store(filled, BEFORE).transaction() as transaction:
        code = transaction.people.issue_code(1, now=NOW, valid_for=timedelta(days=7))
    rotate(filled, BOTH)
    with Store(filled, AFTER).transaction() as transaction:
        assert not transaction.people.can_redeem(code, now=NOW)
    with Store(filled, BOTH).transaction() as transaction:
        assert transaction.people.redeem("console", "an", code, now=NOW).member_id == 1


def test_confidential_messages_of_before_a_time_are_destroyed_bit_by_bit(filled: Engine) -> None:
    with Store(filled, BEFORE).transaction() as transaction:
        erased = [
            transaction.erase_confidential_before(NOW + timedelta(seconds=1), "(đã xóa)", limit=1) for _ in range(3)
        ]
        assert erased == [1, 1, 0]
        chat = transaction.find_conversation("console", "an")
        assert chat is not None
        assert [(m.text, len(m.buttons)) for m in transaction.history(chat.id)] == [
            ("(đã xóa)", 0),
            ("(đã xóa)", 0),
            ("Điều 12\n— Điều 12", 2),
            ("1", 0),
        ]
        assert transaction.sealed.counts()["old"].get(SealedKind.BUTTONS) is None
