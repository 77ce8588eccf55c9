"""Questions without an answer, approved answers, what people think of answers, questions sent to a secretary."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from storage.approved import read_approved
from storage.database import DatabaseError
from storage.feedback import Counted
from storage.outbox import FORWARDED, DeliveryState
from storage.sealed import SealedKind
from storage.store import Store
from storage.vault import Vault
from tests.storage.builders import a_cell, some_members

NOW = datetime(2026, 11, 5, 2, tzinfo=UTC)
FIFTH, SIXTH = date(2026, 11, 5), date(2026, 11, 6)
PLACE = "ke-hoach-ket-luan-21/2.4#3"


# --- questions without an answer ------------------------------------------------------------------------------------


def test_question_is_counted_by_day_and_summed_over_days(store: Store) -> None:
    with store.transaction() as transaction:
        transaction.gaps.note("Đảng phí?", "dang phi", on=FIFTH)
        transaction.gaps.note("đảng phí", "dang phi", on=FIFTH)
        transaction.gaps.note("đảng phí", "dang phi", on=SIXTH)
        transaction.gaps.note("giá xăng", "gia xang", on=SIXTH)
    with store.transaction() as transaction:
        found = [(gap.question, gap.count) for gap in transaction.gaps.all(limit=10)]
        assert found == [("Đảng phí?", 3), ("giá xăng", 1)]
        assert [gap.question for gap in transaction.gaps.all(limit=1)] == ["Đảng phí?"]


def test_longest_question_is_cut_to_what_a_column_takes(store: Store) -> None:
    with store.transaction() as transaction:
        for _ in range(2):
            transaction.gaps.note("đ" * 900, "d" * 900, on=FIFTH)
        [gap] = transaction.gaps.all(limit=10)
        assert (len(gap.question), gap.count) == (300, 2)


def test_forgotten_question_is_gone_on_all_days_and_others_stay(store: Store) -> None:
    with store.transaction() as transaction:
        transaction.gaps.note("đảng phí", "dang phi", on=FIFTH)
        transaction.gaps.note("đảng phí", "dang phi", on=SIXTH)
        transaction.gaps.note("giá xăng", "gia xang", on=SIXTH)
        first = transaction.gaps.all(limit=10)[0]
        assert transaction.gaps.forget([first.id]) == 2
        assert transaction.gaps.forget([first.id]) == 0
        assert transaction.gaps.forget([]) == 0
        assert [gap.question for gap in transaction.gaps.all(limit=10)] == ["giá xăng"]


def test_questions_before_a_day_are_erased(store: Store) -> None:
    with store.transaction() as transaction:
        transaction.gaps.note("đảng phí", "dang phi", on=FIFTH)
        transaction.gaps.note("đảng phí", "dang phi", on=SIXTH)
        assert transaction.gaps.erase_before(SIXTH) == 1
        assert [(gap.question, gap.count) for gap in transaction.gaps.all(limit=10)] == [("đảng phí", 1)]


# --- approved answers -----------------------------------------------------------------------------------------------


def approve(store: Store, *questions: str, words: str = "Hỏi chi ủy.", name: str = "Hoàng Văn Ủy") -> int:
    with store.transaction() as transaction:
        people = transaction.people
        cell = people.add_cell(people.add_organization("Đảng bộ xã"), "Chi bộ 3")
        member = people.add_member(cell, name)
        return transaction.approved.add(
            questions,
            words,
            passage_id=PLACE,
            fingerprint="f" * 64,
            document_version=2,
            member_id=member,
            name=name,
            role="cấp ủy Đảng bộ xã",
            on=FIFTH,
        )


def test_approved_answer_is_kept_as_it_was(store: Store) -> None:
    number = approve(store, "đảng phí bao nhiêu", "mức đảng phí", words="Lời “của”\nchúng tôi")
    with store.transaction() as transaction:
        [found] = transaction.approved.live()
        assert found == transaction.approved.get(number)
        assert found.questions == ("đảng phí bao nhiêu", "mức đảng phí")
        assert (found.words, found.role, found.approved_on) == ("Lời “của”\nchúng tôi", "cấp ủy Đảng bộ xã", FIFTH)
        assert (found.passage_id, found.fingerprint, found.document_version) == (PLACE, "f" * 64, 2)


def test_newest_answer_comes_first_and_withdrawn_ones_not_at_all(store: Store) -> None:
    first, second, third = (approve(store, f"câu {number}") for number in range(3))
    with store.transaction() as transaction:
        assert transaction.approved.withdraw(second, on=SIXTH)
        assert not transaction.approved.withdraw(second, on=SIXTH)
        assert not transaction.approved.withdraw(99, on=SIXTH)
        assert [each.id for each in transaction.approved.live()] == [third, first]
        withdrawn = transaction.approved.get(second)
        assert withdrawn is not None
        assert withdrawn.withdrawn_on == SIXTH
        assert transaction.approved.get(99) is None


# --- what people think ----------------------------------------------------------------------------------------------


def our_messages(store: Store, count: int) -> list[int]:
    with store.transaction() as transaction:
        chat = transaction.conversation("console", "an", now=NOW)
        return [
            transaction.add_reply(chat.id, [("quote", "«…»")], [], in_reply_to=None, now=NOW).id for _ in range(count)
        ]


def test_message_is_judged_once_and_counted_by_passage_day_and_version(store: Store) -> None:
    first, second, third, fourth = our_messages(store, 4)
    with store.transaction() as transaction:
        feedback = transaction.feedback
        assert feedback.count(first, PLACE, 1, is_good=True, on=FIFTH)
        assert not feedback.count(first, PLACE, 1, is_good=False, on=SIXTH)
        assert feedback.count(second, PLACE, 1, is_good=True, on=FIFTH)
        assert feedback.count(third, PLACE, 1, is_good=False, on=SIXTH)
        assert feedback.count(fourth, PLACE, 2, is_good=False, on=SIXTH)
        assert not feedback.count(999, PLACE, 2, is_good=False, on=SIXTH)
        assert feedback.counts() == [Counted(PLACE, 1, good=2, bad=1), Counted(PLACE, 2, good=0, bad=1)]
        assert feedback.erase_before(SIXTH) == 1
        assert feedback.counts() == [Counted(PLACE, 1, good=0, bad=1), Counted(PLACE, 2, good=0, bad=1)]


# --- to the secretary -----------------------------------------------------------------------------------------------


@pytest.fixture
def sent(store: Store) -> tuple[int, int, int]:
    """A question in the outbox: its id, who asks, who is to read it."""
    with store.transaction() as transaction:
        [an, binh] = some_members(transaction._session, a_cell(transaction._session), 2)
        chat = transaction.conversation("console", "an", now=NOW)
        message = transaction.add_incoming(chat.id, "m1", "đảng phí bao nhiêu", now=NOW)
        number = transaction.forwarded.add(an, message, "đảng phí bao nhiêu", on=FIFTH)
        assert number is not None
        assert transaction.forwarded.add(an, message, "đảng phí bao nhiêu", on=SIXTH) is None
        assert transaction.outbox.queue_forwarded(number, binh, due_at=NOW, expires_at=NOW + timedelta(days=7))
        assert not transaction.outbox.queue_forwarded(number, an, due_at=NOW, expires_at=NOW + timedelta(days=7))
    return number, an, binh


def test_question_is_sealed_and_read_back(store: Store, engine: Engine, sent: tuple[int, int, int]) -> None:
    with engine.connect() as connection:
        kept = connection.execute(text("SELECT sealed FROM forwarded_questions")).scalar()
    assert "đảng phí".encode() not in bytes(kept or b"")
    with store.transaction() as transaction:
        found = transaction.forwarded.get(sent[0])
        assert found is not None
        assert (found.member_id, found.question) == (sent[1], "đảng phí bao nhiêu")
        assert transaction.forwarded.get(99) is None


def test_delivery_of_a_question_belongs_to_no_round(store: Store, sent: tuple[int, int, int]) -> None:
    with store.transaction() as transaction:
        [delivery] = transaction.outbox.claim("w1", now=NOW, limit=5)
    assert (delivery.round_id, delivery.forwarded_id, delivery.member_id) == (None, sent[0], sent[2])
    assert (delivery.kind, delivery.state) == (FORWARDED, DeliveryState.QUEUED)


def test_words_are_erased_when_delivery_is_over_and_not_before(store: Store, sent: tuple[int, int, int]) -> None:
    with store.transaction() as transaction:
        assert transaction.forwarded.erase_over(FIFTH, limit=10) == 0
        [delivery] = transaction.outbox.claim("w1", now=NOW)
        transaction.outbox.begin([delivery.id], "w1", now=NOW)
        assert transaction.forwarded.erase_over(FIFTH, limit=10) == 0
        transaction.outbox.sent(delivery.id, "w1", now=NOW)
        assert transaction.forwarded.erase_over(FIFTH, limit=10) == 1
        assert transaction.forwarded.erase_over(FIFTH, limit=10) == 0
        found = transaction.forwarded.get(sent[0])
        assert found is not None
        assert found.question is None


def test_words_that_wait_are_erased_when_they_are_old(store: Store, sent: tuple[int, int, int]) -> None:
    with store.transaction() as transaction:
        assert transaction.forwarded.erase_over(SIXTH, limit=10) == 1
        found = transaction.forwarded.get(sent[0])
        assert found is not None
        assert found.question is None


@pytest.mark.usefixtures("sent")
def test_new_key_seals_questions_anew(engine: Engine) -> None:
    both = Vault({"k": bytes(32), "new": bytes(range(32))}, "new")
    with Store(engine, both).transaction() as transaction:
        assert transaction.sealed.counts()["k"] == {SealedKind.QUESTIONS: 1}
        assert transaction.sealed.reseal(SealedKind.QUESTIONS).count == 1
        assert transaction.sealed.older() == 0
    with Store(engine, Vault({"new": bytes(range(32))}, "new")).transaction() as transaction:
        found = transaction.forwarded.get(1)
        assert found is not None
        assert found.question == "đảng phí bao nhiêu"


# --- answers for who asks without a conversation --------------------------------------------------------------------


def test_answers_are_read_from_a_database_that_nobody_serves(store: Store, url: str) -> None:
    number = approve(store, "đảng phí bao nhiêu")
    assert [each.id for each in read_approved(url)] == [number]


def test_no_database_and_an_older_one_have_no_answers_and_stay_as_they_are(
    tmp_path: Path, empty: Engine, url: str
) -> None:
    missing = tmp_path / "none" / "tu-soi.db"
    assert read_approved(f"sqlite:///{missing}") == []
    assert not missing.parent.exists()
    empty.connect().close()
    assert read_approved(url) == []


def test_database_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_text("no database " * 100, encoding="utf-8")
    with pytest.raises(DatabaseError, match=r"x\.db"):
        read_approved(f"sqlite:///{tmp_path / 'x.db'}")
    with pytest.raises(DatabaseError):
        read_approved("no url")
