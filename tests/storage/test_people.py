import re
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from assessment.model import Cell, Role
from storage.people import CODE_LENGTH, CODE_LETTERS, LOCKED, WRONG_TRIES, Link, People, Redeemed, Redemption
from storage.tables import EnrolmentCodeRow
from storage.vault import Vault

NOW = datetime(2026, 11, 5, 1, 0, tzinfo=UTC)
WEEK = timedelta(days=7)


@pytest.fixture
def people(opened: Session) -> People:
    return People(opened, Vault({"k": bytes(32)}, "k"))


@pytest.fixture
def cell(people: People) -> int:
    return people.add_cell(people.add_organization("Đảng bộ xã An Bình"), "Chi bộ 3")


@pytest.fixture
def an(people: People, cell: int) -> int:
    return people.add_member(cell, "Nguyễn Văn An")


def code_for(people: People, member_id: int, now: datetime = NOW) -> str:
    return people.issue_code(member_id, now=now, valid_for=WEEK)


# --- roster -----------------------------------------------------------------------------------------------------


def test_organization_and_cell_are_added_once(people: People) -> None:
    above = people.add_organization("Đảng bộ tỉnh")
    below = people.add_organization("Đảng bộ xã", parent_id=above)
    assert people.add_organization("Đảng bộ xã") == below
    cell = people.add_cell(below, "Chi bộ 1")
    assert people.add_cell(below, "Chi bộ 1") == cell != people.add_cell(above, "Chi bộ 1")
    assert people.cells([below]) == [Cell(cell, below, "Chi bộ 1")]
    assert people.organizations_below(above) == {above, below}
    assert people.organizations_below(below) == {below}
    assert [organization.parent_id for organization in people.organizations()] == [None, above]


def test_member_comes_back_with_roles_and_cell(people: People, cell: int) -> None:
    binh = people.add_member(
        cell, "Trần Thị Bình", roles=[Role.SECRETARY, Role.MEMBER], has_phone=False, from_on=date(2020, 1, 1)
    )
    member = people.member(binh)
    assert member is not None
    assert (member.name, member.cell_id, member.has_phone) == ("Trần Thị Bình", cell, False)
    assert member.roles == {Role.MEMBER, Role.SECRETARY}
    assert member.joined_on == date(2020, 1, 1)
    people.set_roles(binh, [Role.INSPECTOR])
    again = people.member(binh)
    assert again is not None
    assert again.roles == {Role.MEMBER, Role.INSPECTOR}
    assert people.member(binh + 1) is None


def test_move_keeps_where_a_member_was(people: People, cell: int, an: int) -> None:
    other = people.add_cell(people.add_organization("Đảng bộ phường"), "Chi bộ 7")
    day = date(2026, 11, 10)
    assert people.move(an, other, on=day)
    assert not people.move(an, other, on=day)
    assert people.memberships(an) == [(cell, None, day), (other, day, None)]
    [before] = people.members_of(cell)
    [after] = people.members_of(other)
    assert (before.belongs_on(date(2026, 11, 9)), before.belongs_on(day)) == (True, False)
    assert (after.belongs_on(date(2026, 11, 9)), after.belongs_on(day)) == (False, True)


def test_member_who_left_and_came_back_is_one_member(people: People, cell: int, an: int) -> None:
    people.leave(an, on=date(2026, 3, 1))
    people.move(an, cell, on=date(2026, 9, 1))
    [member] = people.members_of(cell)
    assert (member.joined_on, member.left_on) == (date(2026, 9, 1), None)


def test_settings_of_a_cell_are_kept(people: People, cell: int) -> None:
    assert people.cell_settings(cell) == {}
    people.set_in_cell(cell, "schedule", {"day": 5})
    assert people.cell_settings(cell) == {"schedule": {"day": 5}}


def test_changed_name_is_the_same_member(people: People, an: int) -> None:
    people.change_member(an, name="Nguyễn Văn Ân", has_phone=False)
    member = people.member(an)
    assert member is not None
    assert (member.name, member.has_phone) == ("Nguyễn Văn Ân", False)


def test_thousands_of_members_are_read_with_their_roles(people: People, cell: int) -> None:
    ids = [people.add_member(cell, f"Đồng chí {n}", roles=[Role.INSPECTOR] if n == 700 else []) for n in range(1100)]
    members = people.members_of(cell)
    assert [member.id for member in members] == ids
    assert [member.id for member in members if Role.INSPECTOR in member.roles] == [ids[700]]


# --- codes ------------------------------------------------------------------------------------------------------


def test_code_has_no_look_alikes_and_is_not_kept_as_it_is(people: People, opened: Session, an: int) -> None:
    code = code_for(people, an)
    assert re.fullmatch(rf"[{CODE_LETTERS}]{{{CODE_LENGTH}}}", code)
    assert not set("0O1IL") & set(CODE_LETTERS)
    codes = [people.issue_code(an, now=NOW, valid_for=WEEK) for _ in range(50)]
    for alike in ("0OQD", "1IL7", "B83", "S5", "Z2", "G6", "UV"):
        assert len(set(alike) & set("".join(codes))) <= 1
    [row] = opened.scalars(select(EnrolmentCodeRow))
    assert codes[-1] not in row.code_hash


@pytest.mark.parametrize("typed", ["{}", "{} ", " {}\n", "{lower}", "{half}-{rest}", "{half} {rest}."])
def test_code_is_taken_as_people_type_it(people: People, an: int, typed: str) -> None:
    code = code_for(people, an)
    given = typed.format(code, lower=code.lower(), half=code[:4], rest=code[4:])
    assert people.redeem("web", "c1", given, now=NOW) == Redemption(Redeemed.LINKED, an)
    assert people.member_of("web", "c1") == an


def test_used_code_links_nobody_else_and_says_so_kindly_to_its_owner(people: People, an: int) -> None:
    code = code_for(people, an)
    people.redeem("web", "c1", code, now=NOW)
    assert people.redeem("web", "c1", code, now=NOW) == Redemption(Redeemed.ALREADY_LINKED, an)
    assert people.redeem("telegram", "7", code, now=NOW).result is Redeemed.USED
    assert people.member_of("telegram", "7") is None


def test_code_expires(people: People, an: int) -> None:
    code = code_for(people, an)
    assert people.redeem("web", "c1", code, now=NOW + WEEK).result is Redeemed.EXPIRED
    assert people.member_of("web", "c1") is None


def test_new_code_voids_the_one_before(people: People, an: int) -> None:
    first, second = code_for(people, an), code_for(people, an)
    assert people.redeem("web", "c1", first, now=NOW).result is Redeemed.UNKNOWN
    assert people.redeem("web", "c1", second, now=NOW).result is Redeemed.LINKED


def test_wrong_codes_lock_the_chat_for_an_hour_and_no_other(people: People, an: int) -> None:
    code = code_for(people, an)
    tries = [people.redeem("web", "c1", "WRONG", now=NOW) for _ in range(WRONG_TRIES)]
    assert {redemption.result for redemption in tries} == {Redeemed.UNKNOWN}
    assert [redemption.locked_until for redemption in tries] == [None] * 4 + [NOW + LOCKED]
    assert people.redeem("web", "c1", code, now=NOW).result is Redeemed.LOCKED
    assert people.redeem("web", "c1", code, now=NOW + LOCKED).result is Redeemed.LINKED


def test_chat_of_one_member_is_not_given_to_another(people: People, cell: int, an: int) -> None:
    binh = people.add_member(cell, "Trần Thị Bình")
    people.redeem("web", "c1", code_for(people, an), now=NOW)
    code = code_for(people, binh)
    assert people.redeem("web", "c1", code, now=NOW).result is Redeemed.CHAT_OF_ANOTHER
    assert people.member_of("web", "c1") == an
    assert people.redeem("web", "c2", code, now=NOW).result is Redeemed.LINKED


def test_code_is_good_after_the_key_was_changed(opened: Session, people: People, an: int) -> None:
    code = code_for(people, an)
    after = People(opened, Vault({"k": bytes(32), "new": bytes(range(32))}, "new"))
    assert after.redeem("web", "c1", code, now=NOW).result is Redeemed.LINKED


# --- chats and consent ------------------------------------------------------------------------------------------


def test_several_chats_belong_to_one_member_until_they_are_unlinked(people: People, an: int) -> None:
    people.redeem("web", "c1", code_for(people, an), now=NOW)
    later = NOW + timedelta(days=1)
    people.redeem("telegram", "7", code_for(people, an, later), now=later)
    assert people.links_of([an]) == [Link("telegram", "7", an, False), Link("web", "c1", an, False)]
    assert people.unlink("telegram", "7")
    assert not people.unlink("telegram", "7")
    assert people.member_of("telegram", "7") is None


def test_blocked_chat_is_known_as_such_until_it_takes_messages_again(people: People, an: int) -> None:
    people.redeem("telegram", "7", code_for(people, an), now=NOW)
    people.set_blocked("telegram", "7", at=NOW)
    assert [link.is_blocked for link in people.links_of([an])] == [True]
    people.set_blocked("telegram", "7", at=None)
    assert [link.is_blocked for link in people.links_of([an])] == [False]


def test_consent_is_to_one_notice_and_can_be_taken_back(people: People, an: int) -> None:
    assert not people.has_consented(an, "2026-11")
    people.consent(an, "2026-11", now=NOW)
    people.consent(an, "2026-11", now=NOW)
    assert people.has_consented(an, "2026-11")
    assert not people.has_consented(an, "2027-01")
    people.withdraw(an, now=NOW)
    assert not people.has_consented(an, "2026-11")
    people.consent(an, "2026-11", now=NOW)
    assert people.has_consented(an, "2026-11")
