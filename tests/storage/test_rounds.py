from datetime import UTC, date, datetime

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from assessment.model import ItemAnswer
from storage.database import open_database, session
from storage.rounds import RoundError, Rounds, StoredAnswer
from storage.tables import ItemResponseRow
from storage.vault import Vault, VaultError
from tests.storage.builders import a_cell, a_round_of, some_members

NOVEMBER = date(2026, 11, 1)
NONE, PRESENT = StoredAnswer(ItemAnswer.NONE), StoredAnswer(ItemAnswer.PRESENT, is_reported=True, note="đã sửa")
OLD = {"old": bytes(32)}


@pytest.fixture
def cell(opened: Session) -> int:
    return a_cell(opened)


@pytest.fixture
def members(opened: Session, cell: int) -> list[int]:
    return some_members(opened, cell)


@pytest.fixture
def november(opened: Session, cell: int) -> int:
    return a_round_of(opened, cell)


@pytest.fixture
def rounds(opened: Session) -> Rounds:
    return Rounds(opened, Vault(OLD, "old"))


def test_round_keeps_what_it_was_opened_with(rounds: Rounds, cell: int) -> None:
    opened, is_new = rounds.open(
        cell,
        date(2026, 12, 7),
        checklist=("37-qd-tw-2021", 1),
        opened_on=date(2026, 12, 7),
        due_on=date(2026, 12, 25),
        grace_days=3,
        focus=(12, 5),
    )
    assert is_new
    assert rounds.get(opened.id) == opened
    assert (opened.month, opened.focus, opened.grace_days) == (date(2026, 12, 1), (5, 12), 3)


def test_opening_a_round_twice_gives_the_first(rounds: Rounds, cell: int) -> None:
    first, _ = rounds.open(cell, NOVEMBER, checklist=("a", 1), opened_on=NOVEMBER, due_on=date(2026, 11, 25))
    second, is_new = rounds.open(cell, NOVEMBER, checklist=("b", 2), opened_on=NOVEMBER, due_on=date(2026, 11, 30))
    assert second == first
    assert not is_new
    assert rounds.of_cell(cell) == [first]


def test_closed_round_keeps_when_it_was_closed(rounds: Rounds, november: int) -> None:
    at = datetime(2026, 11, 20, tzinfo=UTC)
    rounds.close(november, now=at)
    rounds.close(november, now=at.replace(day=21))
    rounds.extend(november, 5)
    found = rounds.get(november)
    assert found is not None
    assert (found.closed_at, found.grace_days) == (at, 5)


def test_answer_comes_back_and_a_repeat_changes_nothing(rounds: Rounds, november: int, members: list[int]) -> None:
    assert rounds.answer(november, members[0], 12, PRESENT)
    assert not rounds.answer(november, members[0], 12, PRESENT)
    assert rounds.answers(november, members[0]) == {12: PRESENT}
    assert rounds.history(november, members[0]) == {12: [PRESENT]}
    response = rounds.response(november, members[0])
    assert response is not None
    assert response.answers == {12: ItemAnswer.PRESENT}
    assert response.reported == {12}
    assert not response.is_submitted


def test_changed_answer_leaves_a_history(rounds: Rounds, november: int, members: list[int]) -> None:
    for given in (NONE, PRESENT, NONE):
        rounds.answer(november, members[0], 3, given)
    assert rounds.answers(november, members[0]) == {3: NONE}
    assert rounds.history(november, members[0]) == {3: [NONE, PRESENT, NONE]}


def test_member_without_an_answer_has_no_response(rounds: Rounds, november: int, members: list[int]) -> None:
    assert rounds.response(november, members[0]) is None
    assert rounds.answers(november, members[0]) == {}
    assert rounds.responses(november) == []


def test_no_answer_can_be_read_in_the_database(
    opened: Session, rounds: Rounds, november: int, members: list[int]
) -> None:
    rounds.answer(november, members[0], 12, PRESENT)
    [row] = opened.scalars(select(ItemResponseRow))
    for word in (b"present", "đã sửa".encode(), b"report"):
        assert word not in row.sealed


def test_answer_moved_to_another_member_is_not_read(
    opened: Session, rounds: Rounds, november: int, members: list[int]
) -> None:
    rounds.answer(november, members[0], 12, PRESENT)
    rounds.answer(november, members[1], 12, NONE)
    mine, other = opened.scalars(select(ItemResponseRow).order_by(ItemResponseRow.id))
    opened.execute(update(ItemResponseRow).where(ItemResponseRow.id == other.id).values(sealed=mine.sealed))
    opened.expire_all()
    with pytest.raises(VaultError, match="belongs to something else"):
        rounds.answers(november, members[1])


def test_handing_in_twice_gives_the_same_receipt_and_day(rounds: Rounds, november: int, members: list[int]) -> None:
    receipt = rounds.submit(november, members[0], on=date(2026, 11, 20))
    assert rounds.submit(november, members[0], on=date(2026, 11, 22)) == receipt
    assert receipt.startswith("2026-11/")
    assert rounds.handed_in(november) == {members[0]: date(2026, 11, 20)}
    assert receipt != rounds.submit(november, members[1], on=date(2026, 11, 20))


def test_paper_is_marked_with_who_entered_it(rounds: Rounds, november: int, members: list[int]) -> None:
    rounds.answer(november, members[2], 1, NONE)
    rounds.submit(november, members[2], on=date(2026, 11, 20), entered_by=members[0])
    [response] = rounds.responses(november)
    assert response.entered_by == members[0]


def test_wish_to_talk_is_one_bit(rounds: Rounds, november: int, members: list[int]) -> None:
    rounds.want_talk(november, members[0], wanted=True)
    [response] = rounds.responses(november)
    assert (response.wants_talk, response.answers) == (True, {})


def test_shown_items_add_up(rounds: Rounds, november: int, members: list[int]) -> None:
    rounds.show(november, members[0], [4, 1])
    rounds.show(november, members[0], [5, 1])
    assert rounds.shown(november, members[0]) == {1, 4, 5}
    assert rounds.shown(november, members[1]) == set()


def test_erasing_destroys_the_content_and_keeps_the_count(
    opened: Session, rounds: Rounds, november: int, members: list[int]
) -> None:
    rounds.answer(november, members[0], 12, PRESENT)
    rounds.want_talk(november, members[0], wanted=True)
    rounds.submit(november, members[0], on=date(2026, 11, 20))
    rounds.answer(november, members[1], 12, NONE)
    assert rounds.erase(members[0], on=date(2026, 11, 25)) == 1
    assert rounds.erase(members[0], on=date(2026, 11, 26)) == 0
    assert rounds.handed_in(november) == {members[0]: date(2026, 11, 20)}
    assert rounds.answers(november, members[0]) == {}
    assert rounds.history(november, members[0]) == {}
    assert len(list(opened.scalars(select(ItemResponseRow)))) == 1
    with pytest.raises(RoundError, match="erased"):
        rounds.answer(november, members[0], 12, NONE)


def test_what_is_old_is_erased_for_all(opened: Session, rounds: Rounds, cell: int, members: list[int]) -> None:
    old, new = a_round_of(opened, cell, month=date(2025, 10, 1)), a_round_of(opened, cell)
    for round_id in (old, new):
        rounds.answer(round_id, members[0], 1, NONE)
    assert rounds.erase_before(date(2025, 11, 1), on=date(2026, 11, 1)) == 1
    assert rounds.answers(old, members[0]) == {}
    assert rounds.answers(new, members[0]) == {1: NONE}


def test_what_is_old_is_erased_bit_by_bit(opened: Session, rounds: Rounds, cell: int, members: list[int]) -> None:
    old = a_round_of(opened, cell, month=date(2025, 10, 1))
    for member in members:
        rounds.answer(old, member, 1, NONE)
    assert [rounds.erase_before(NOVEMBER, on=NOVEMBER, limit=2) for _ in range(3)] == [2, 1, 0]
    assert list(opened.scalars(select(ItemResponseRow))) == []


def test_remembered_totals_are_of_their_round(rounds: Rounds, november: int) -> None:
    assert rounds.totals_shown(november) is None
    rounds.note_totals(november, 7)
    assert rounds.totals_shown(november) == 7


def test_two_secretaries_who_open_at_once_get_one_round(url: str, opened: Session) -> None:
    cell = a_cell(opened)
    opened.commit()
    engines = [open_database(url) for _ in range(2)]
    found = []
    for engine in engines:
        with session(engine) as one:
            rounds = Rounds(one, Vault(OLD, "old"))
            found.append(rounds.open(cell, NOVEMBER, checklist=("a", 1), opened_on=NOVEMBER, due_on=date(2026, 11, 25)))
        engine.dispose()
    assert [is_new for _, is_new in found] == [True, False]
    assert found[0][0] == found[1][0]
