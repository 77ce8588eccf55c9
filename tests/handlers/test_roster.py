from datetime import UTC, date, datetime, timedelta

from assessment.model import Role
from assessment.roster import RosterRow, RowOutcome
from handlers.roster import import_roster
from handlers.secretary_texts import roster_line, roster_summary
from storage.store import Store

NOW = datetime(2026, 11, 5, 2, tzinfo=UTC)
ROWS = [
    RosterRow(2, "Trần Thị Bình", "Chi bộ 3", roles=frozenset({Role.MEMBER, Role.SECRETARY}), card_number="111"),
    RosterRow(3, "Nguyễn Văn An", "Chi bộ 3", card_number="222"),
    RosterRow(4, "Lê Văn Cường", "Chi bộ 3", has_phone=False, card_number="333"),
]
ADDED, CHANGED, UNCHANGED = RowOutcome.ADDED, RowOutcome.CHANGED, RowOutcome.UNCHANGED


def outcomes(store: Store, rows: list[RosterRow], now: datetime = NOW, *, dry_run: bool = False) -> list[RowOutcome]:
    with store.transaction() as transaction:
        return [result.outcome for result, _ in import_roster(transaction, rows, now=now, dry_run=dry_run)]


def test_who_is_new_and_has_a_phone_gets_a_code_that_links(store: Store) -> None:
    with store.transaction() as transaction:
        codes = [code for _, code in import_roster(transaction, ROWS, now=NOW, dry_run=False)]
        assert [code is not None for code in codes] == [True, True, False]
        found = transaction.people.redeem("web", "c1", codes[0] or "", now=NOW)
        member = transaction.people.member(found.member_id or 0)
        assert member is not None
        assert (member.name, Role.SECRETARY in member.roles) == ("Trần Thị Bình", True)


def test_dry_run_changes_nothing(store: Store) -> None:
    assert outcomes(store, ROWS, dry_run=True) == [ADDED] * 3
    with store.transaction() as transaction:
        assert transaction.people.known_members() == []
        assert transaction.people.cells() == []


def test_same_roster_again_changes_nothing(store: Store) -> None:
    assert outcomes(store, ROWS) == [ADDED] * 3
    assert outcomes(store, ROWS) == [UNCHANGED] * 3


def test_member_in_another_cell_has_moved_and_the_time_before_is_kept(store: Store) -> None:
    outcomes(store, ROWS)
    moved = RosterRow(2, "Nguyễn Văn An", "Chi bộ 7", card_number="222")
    later = NOW + timedelta(days=10)
    assert outcomes(store, [moved], later) == [CHANGED]
    with store.transaction() as transaction:
        [an] = [member for member in transaction.people.known_members() if member.card_number == "222"]
        stays = transaction.people.memberships(an.id)
        assert [(from_on, until_on) for _, from_on, until_on in stays] == [
            (None, date(2026, 11, 15)),
            (date(2026, 11, 15), None),
        ]


def test_import_is_in_the_audit_log_with_counts_and_without_names(store: Store) -> None:
    outcomes(store, ROWS)
    with store.transaction() as transaction:
        [entry] = transaction.audit.entries()
        assert entry.about == "added:3,changed:0,unchanged:0,refused:0"


def test_new_cells_are_named_for_they_may_be_mistyped(store: Store) -> None:
    with store.transaction() as transaction:
        results = [result for result, _ in import_roster(transaction, ROWS, now=NOW, dry_run=True)]
    assert "Chi bộ mới (1): Chi bộ 3. Nếu là gõ nhầm" in roster_summary(results, dry_run=True)
    outcomes(store, ROWS)
    with store.transaction() as transaction:
        results = [result for result, _ in import_roster(transaction, ROWS, now=NOW, dry_run=True)]
    assert "Chi bộ mới" not in roster_summary(results, dry_run=True)


def test_new_member_with_a_namesake_in_another_cell_may_have_moved(store: Store) -> None:
    outcomes(store, [RosterRow(2, "Vũ Văn Hải", "Chi bộ 3"), RosterRow(3, "Phan Thị Nga", "Chi bộ 4")])
    with store.transaction() as transaction:
        [(result, _)] = import_roster(transaction, [RosterRow(2, "Vũ Văn Hải", "Chi bộ 4")], now=NOW, dry_run=True)
    assert result.outcome is ADDED
    assert result.as_json()["namesake_in"] == "Chi bộ 3"
    assert "Chi bộ 3 cũng có người tên này" in roster_line(result, None)
