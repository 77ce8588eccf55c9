from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from storage.consents import Consents
from storage.people import People
from storage.vault import Vault

NOW = datetime(2026, 11, 5, 1, 0, tzinfo=UTC)


def test_only_who_has_taken_everything_back_counts(opened: Session) -> None:
    people, consents = People(opened, Vault({"k": bytes(32)}, "k")), Consents(opened)
    cell = people.add_cell(people.add_organization("Đảng bộ xã An Bình"), "Chi bộ 3")
    never, agrees, took_back, again = (people.add_member(cell, f"Người {letter}") for letter in "ABCD")
    for member_id in (agrees, took_back, again):
        people.consent(member_id, "2026-11", now=NOW)
    for member_id in (took_back, again):
        people.withdraw(member_id, now=NOW + timedelta(hours=1))
    people.consent(again, "2026-11-12m", now=NOW + timedelta(hours=2))
    opened.flush()
    assert consents.taken_back([never, agrees, took_back, again]) == {took_back}
    assert consents.taken_back([agrees]) == set()
    assert consents.taken_back([]) == set()
