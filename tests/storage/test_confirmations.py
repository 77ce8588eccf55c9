from datetime import date

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, inspect, text

from storage.database import MIGRATIONS, migrate, open_database, schema_version
from storage.store import Store
from tests.storage.builders import a_cell, a_round_of, a_vault, some_members

FIRST, LATER = date(2026, 11, 5), date(2026, 11, 9)
NEW, OLD = ("207-qd-tw-2026", 1), ("37-qd-tw-2021", 1)


def move_to(engine: Engine, revision: str, *, is_down: bool = False) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        (command.downgrade if is_down else command.upgrade)(config, revision)


def test_confirmation_is_kept_with_its_day(store: Store) -> None:
    with store.transaction() as transaction:
        assert transaction.checklists.confirm(*NEW, by="console:admin", on=FIRST)
    with store.transaction() as transaction:
        assert transaction.checklists.confirmed() == {NEW: FIRST}


def test_confirming_again_says_so_and_keeps_the_first_day(store: Store) -> None:
    with store.transaction() as transaction:
        transaction.checklists.confirm(*NEW, by="member:1", on=FIRST)
    with store.transaction() as transaction:
        assert not transaction.checklists.confirm(*NEW, by="member:2", on=LATER)
        assert transaction.checklists.confirmed() == {NEW: FIRST}


def test_versions_are_confirmed_each_by_itself(store: Store) -> None:
    with store.transaction() as transaction:
        transaction.checklists.confirm(*NEW, by="member:1", on=FIRST)
        transaction.checklists.confirm(NEW[0], 2, by="member:1", on=LATER)
        transaction.checklists.withdraw(*NEW)
        assert transaction.checklists.confirmed() == {(NEW[0], 2): LATER}


def test_withdrawing_what_was_not_confirmed_changes_nothing(store: Store) -> None:
    with store.transaction() as transaction:
        transaction.checklists.confirm(*NEW, by="member:1", on=FIRST)
        transaction.checklists.withdraw(*OLD)
        assert transaction.checklists.confirmed() == {NEW: FIRST}


def test_withdrawn_confirmation_may_be_given_again(store: Store) -> None:
    with store.transaction() as transaction:
        transaction.checklists.confirm(*NEW, by="member:1", on=FIRST)
        transaction.checklists.withdraw(*NEW)
        assert transaction.checklists.confirm(*NEW, by="member:1", on=LATER)
        assert transaction.checklists.confirmed() == {NEW: LATER}


def test_transaction_that_breaks_confirms_nothing(store: Store) -> None:
    try:
        with store.transaction() as transaction:
            transaction.checklists.confirm(*NEW, by="member:1", on=FIRST)
            raise KeyError("changed my mind")
    except KeyError:
        pass
    with store.transaction() as transaction:
        assert transaction.checklists.confirmed() == {}


def test_longest_name_of_a_chat_fits(store: Store) -> None:
    with store.transaction() as transaction:
        transaction.checklists.confirm(*NEW, by=f"{'c' * 31}:{'x' * 128}", on=FIRST)
        assert transaction.checklists.confirmed() == {NEW: FIRST}


def test_one_setting_of_a_cell_leaves_the_others(store: Store) -> None:
    with store.transaction() as transaction:
        cell = a_cell(transaction._session)
        transaction.people.set_in_cell(cell, "opening_day", 5)
        transaction.people.set_in_cell(cell, "warned", "2026-11")
    with store.transaction() as transaction:
        assert transaction.people.cell_settings(cell) == {"opening_day": 5, "warned": "2026-11"}


def test_rounds_tell_which_versions_and_months_they_have(store: Store) -> None:
    with store.transaction() as transaction:
        cell = a_cell(transaction._session)
        [first, *_] = some_members(transaction._session, cell)
        october = a_round_of(transaction._session, cell, month=date(2026, 10, 1))
        november = a_round_of(transaction._session, cell)
        transaction.rounds.submit(november, first, on=FIRST)
        assert transaction.rounds.versions() == {OLD}
        assert transaction.rounds.latest_month([cell]) == date(2026, 11, 1)
        assert transaction.rounds.latest_month([cell + 1]) is None
        assert {cell_id: found.id for cell_id, found in transaction.rounds.of_month(date(2026, 10, 7)).items()} == {
            cell: october
        }
        assert transaction.rounds.count_handed_in(date(2026, 11, 1)) == {november: 1}
        assert transaction.rounds.count_handed_in(date(2026, 10, 1)) == {}


def test_migration_goes_up_and_down_with_what_was_written(empty: Engine) -> None:
    move_to(empty, "0002")
    assert "checklist_confirmations" not in inspect(empty).get_table_names()
    with empty.begin() as connection:
        connection.execute(text("INSERT INTO organizations (id, name) VALUES (1, 'Đảng bộ xã')"))
        connection.execute(
            text("INSERT INTO cells (id, organization_id, name, settings) VALUES (1, 1, 'Chi bộ 3', '{}')")
        )
    migrate(empty)
    with Store(empty, a_vault()).transaction() as transaction:
        transaction.checklists.confirm(*NEW, by="member:1", on=FIRST)
        assert transaction.people.cell(1).name == "Chi bộ 3"
    move_to(empty, "0002", is_down=True)
    assert schema_version(empty) == "0002"
    assert "checklist_confirmations" not in inspect(empty).get_table_names()
    migrate(empty)
    with Store(empty, a_vault()).transaction() as transaction:
        assert transaction.checklists.confirmed() == {}
        assert transaction.people.cell(1).name == "Chi bộ 3"


def test_database_opened_again_knows_what_was_confirmed(store: Store, url: str) -> None:
    with store.transaction() as transaction:
        transaction.checklists.confirm(*NEW, by="member:1", on=FIRST)
    again = open_database(url)
    with Store(again, a_vault()).transaction() as transaction:
        assert transaction.checklists.confirmed() == {NEW: FIRST}
    again.dispose()
