"""Organizations, cells and members; their chats, one-time codes and consent."""

import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import Enum
from typing import Any, cast

from sqlalchemy import Table, bindparam, delete, func, insert, select, update
from sqlalchemy.orm import Session

from assessment.model import Cell, Member, PartyOrganization, Role
from assessment.roster import KnownMember, RosterCell
from storage.database import insert_unless_there
from storage.tables import (
    CellRow,
    CodeAttemptRow,
    ConsentRow,
    EnrolmentCodeRow,
    LinkRow,
    MemberRoleRow,
    MemberRow,
    MembershipRow,
    OrganizationRow,
)
from storage.vault import Vault

# Codes are made of these: read aloud or copied by hand, none is taken for another.
ISSUED_LETTERS = "CDFHJKMNPRTVWX34679"
# Slips that were printed before have these, too.
CODE_LETTERS = "BCDFGHJKMNPQRSTVWXZ23456789"
CODE_LENGTH = 8
_LINKS = cast("Table", LinkRow.__table__)
_MEMBER_OF = select(_LINKS.c.member_id).where(
    _LINKS.c.channel == bindparam("of_channel"), _LINKS.c.chat_id == bindparam("of_chat")
)
# A roster has tens of thousands of rows: what each needs is put together once.
_ADD_MEMBER = insert(cast("Table", MemberRow.__table__)).returning(MemberRow.id)
_ADD_MEMBERSHIP = insert(cast("Table", MembershipRow.__table__))
_ADD_ROLE = insert(cast("Table", MemberRoleRow.__table__))
_CODES = cast("Table", EnrolmentCodeRow.__table__)
_ADD_CODE = insert(_CODES)
_VOID_CODES = delete(_CODES).where(_CODES.c.member_id == bindparam("of_member"), _CODES.c.used_at.is_(None))
WRONG_TRIES, LOCKED = 5, timedelta(hours=1)


class Redeemed(Enum):
    """What came of giving a code."""

    LINKED = "linked"
    ALREADY_LINKED = "already_linked"
    CHAT_OF_ANOTHER = "chat_of_another"
    UNKNOWN = "unknown"
    USED = "used"
    EXPIRED = "expired"
    LOCKED = "locked"


@dataclass(frozen=True, slots=True)
class Redemption:
    """What came of giving a code; member_id where a chat is linked now, locked_until where it has to wait."""

    result: Redeemed
    member_id: int | None = None
    locked_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """A chat of a member; is_blocked: our messages are refused there."""

    channel: str
    chat_id: str
    member_id: int
    is_blocked: bool


class People:
    """The roster and who is who, within one transaction."""

    def __init__(self, opened: Session, vault: Vault) -> None:
        self._session = opened
        self._vault = vault

    # --- organizations, cells, members ---------------------------------------------------------------------------

    def add_organization(self, name: str, *, parent_id: int | None = None) -> int:
        """Return the id of an organization, which is added unless it is there."""
        insert_unless_there(self._session, OrganizationRow, [{"name": name, "parent_id": parent_id}])
        return self._session.scalars(select(OrganizationRow.id).filter_by(name=name)).one()

    def organizations(self) -> list[PartyOrganization]:
        """Return all organizations, by id."""
        rows = self._session.scalars(select(OrganizationRow).order_by(OrganizationRow.id))
        return [PartyOrganization(row.id, row.name, row.parent_id) for row in rows]

    def organizations_below(self, organization_id: int) -> frozenset[int]:
        """Return an organization and all below it."""
        found, children = {organization_id}, [organization_id]
        while children:
            query = select(OrganizationRow.id).where(OrganizationRow.parent_id.in_(children))
            children = [child for child in self._session.scalars(query) if child not in found]
            found.update(children)
        return frozenset(found)

    def add_cell(self, organization_id: int, name: str) -> int:
        """Return the id of a cell, which is added unless it is there."""
        cell = {"organization_id": organization_id, "name": name, "settings": {}}
        insert_unless_there(self._session, CellRow, [cell])
        query = select(CellRow.id).filter_by(organization_id=organization_id, name=name)
        return self._session.scalars(query).one()

    def cells(self, organization_ids: Collection[int] | None = None) -> list[Cell]:
        """Return the cells, or those of some organizations, by name."""
        query = select(CellRow).order_by(CellRow.name, CellRow.id)
        if organization_ids is not None:
            query = query.where(CellRow.organization_id.in_(organization_ids))
        return [Cell(row.id, row.organization_id, row.name) for row in self._session.scalars(query)]

    def cell(self, cell_id: int) -> Cell:
        """Return a cell.

        Raises:
            NoResultFound: no such cell.
        """
        row = self._session.get_one(CellRow, cell_id)
        return Cell(row.id, row.organization_id, row.name)

    def cell_settings(self, cell_id: int) -> dict[str, Any]:
        """Return what was set for a cell: its schedule, a committee's decision."""
        return dict(self._session.get_one(CellRow, cell_id, populate_existing=True).settings)

    def settings_of_cells(self, after: int = 0) -> list[tuple[int, dict[str, Any]]]:
        """Return what was set for each cell whose id is greater, by id."""
        query = select(CellRow.id, CellRow.settings).where(CellRow.id > after).order_by(CellRow.id)
        rows = self._session.execute(query)
        return [(cell_id, dict(settings)) for cell_id, settings in rows]

    def set_in_cell(self, cell_id: int, key: str, value: Any) -> None:
        """Keep one of a cell's settings; what others set meanwhile stays."""
        row = self._session.get_one(CellRow, cell_id, populate_existing=True, with_for_update=True)
        row.settings = {**row.settings, key: value}
        self._session.flush()

    def add_member(
        self,
        cell_id: int,
        name: str,
        *,
        roles: Iterable[Role] = (),
        card_number: str | None = None,
        phone: str | None = None,
        has_phone: bool = True,
        admitted_on: date | None = None,
        from_on: date | None = None,
    ) -> int:
        """Add a person to a cell; return the id."""
        row = {
            "name": name,
            "card_number": card_number,
            "phone": phone,
            "has_phone": has_phone,
            "admitted_on": admitted_on,
        }
        member_id = int(self._session.execute(_ADD_MEMBER, row).scalar_one())
        membership = {"member_id": member_id, "cell_id": cell_id, "from_on": from_on, "until_on": None}
        self._session.execute(_ADD_MEMBERSHIP, membership)
        for role in sorted({role.value for role in roles if role is not Role.MEMBER}):
            self._session.execute(_ADD_ROLE, {"member_id": member_id, "role": role})
        return member_id

    def change_member(self, member_id: int, **values: Any) -> None:
        """Set name, card_number, phone, has_phone or admitted_on of a member."""
        self._session.execute(update(MemberRow).where(MemberRow.id == member_id).values(**values))

    def set_roles(self, member_id: int, roles: Iterable[Role]) -> None:
        """Give a member these roles beside that of a member, and no others."""
        self._session.execute(delete(MemberRoleRow).where(MemberRoleRow.member_id == member_id))
        wanted = sorted({role.value for role in roles if role is not Role.MEMBER})
        self._session.add_all(MemberRoleRow(member_id=member_id, role=role) for role in wanted)
        self._session.flush()

    def move(self, member_id: int, cell_id: int, *, on: date) -> bool:
        """Let a member belong to another cell from a day on; the time before stays known. False if already there."""
        current = self._membership(member_id)
        if current is not None and current.cell_id == cell_id:
            return False
        if current is not None:
            current.until_on = on
        self._session.add(MembershipRow(member_id=member_id, cell_id=cell_id, from_on=on))
        self._session.flush()
        return True

    def leave(self, member_id: int, *, on: date) -> None:
        """End a member's time in the cell with the day before."""
        current = self._membership(member_id)
        if current is not None:
            current.until_on = on
            self._session.flush()

    def member(self, member_id: int) -> Member | None:
        """Return a member as in the cell now, or the last one; None for an unknown id."""
        row = self._session.get(MemberRow, member_id, populate_existing=True)
        query = select(MembershipRow).filter_by(member_id=member_id).order_by(MembershipRow.id.desc()).limit(1)
        last = self._session.scalar(query)
        return self._to_members([(row, last)])[0] if row is not None and last is not None else None

    def members_of(self, cell_id: int) -> list[Member]:
        """Return everybody who is or was in a cell, by id, each with the days of the latest time there."""
        query = (
            select(MemberRow, MembershipRow)
            .join(MembershipRow, MembershipRow.member_id == MemberRow.id)
            .where(MembershipRow.cell_id == cell_id)
            .order_by(MemberRow.id, MembershipRow.id)
        )
        latest = {row.id: (row, membership) for row, membership in self._session.execute(query)}
        return self._to_members(list(latest.values()))

    def known_members(self) -> list[KnownMember]:
        """Return everybody on the roster, those who left included, as importing another roster needs it."""
        memberships: dict[int, MembershipRow] = {}
        for membership in self._session.scalars(select(MembershipRow).order_by(MembershipRow.id)):
            memberships[membership.member_id] = membership
        roles: dict[int, set[Role]] = {}
        for role in self._session.scalars(select(MemberRoleRow)):
            roles.setdefault(role.member_id, {Role.MEMBER}).add(Role(role.role))
        return [
            KnownMember(
                id=row.id,
                cell_id=memberships[row.id].cell_id,
                name=row.name,
                roles=frozenset(roles.get(row.id, {Role.MEMBER})),
                admitted_on=row.admitted_on,
                card_number=row.card_number or "",
                phone=row.phone or "",
                has_phone=row.has_phone,
                has_left=memberships[row.id].until_on is not None,
            )
            for row in self._session.scalars(select(MemberRow).order_by(MemberRow.id))
        ]

    def names(self) -> list[str]:
        """Return the names of everybody who is or was on the roster, each once."""
        return list(self._session.scalars(select(MemberRow.name).distinct()))

    def roster_cells(self) -> list[RosterCell]:
        """Return all cells as rosters name them."""
        query = select(CellRow, OrganizationRow.name).join(OrganizationRow).order_by(CellRow.id)
        return [RosterCell(row.name, organization, row.id) for row, organization in self._session.execute(query)]

    def memberships(self, member_id: int) -> list[tuple[int, date | None, date | None]]:
        """Return (cell id, from, until) of all the cells a member was in, in order."""
        query = select(MembershipRow).filter_by(member_id=member_id).order_by(MembershipRow.id)
        return [(row.cell_id, row.from_on, row.until_on) for row in self._session.scalars(query)]

    # --- codes and chats -----------------------------------------------------------------------------------------

    def issue_code(self, member_id: int, *, now: datetime, valid_for: timedelta) -> str:
        """Return a fresh one-time code for a member; codes issued before that were not used are void."""
        self._session.execute(_VOID_CODES, {"of_member": member_id})
        code = ""
        while not any(letter.isdigit() for letter in code):
            # With a digit in it, it is never taken for a word.
            code = "".join(secrets.choice(ISSUED_LETTERS) for _ in range(CODE_LENGTH))
        row = {
            "code_hash": self._vault.digests(code)[0],
            "member_id": member_id,
            "created_at": now,
            "expires_at": now + valid_for,
            "used_at": None,
        }
        self._session.execute(_ADD_CODE, row)
        return code

    def can_redeem(self, code: str, *, now: datetime) -> bool:
        """Whether a code can still be used: neither used, nor expired, nor void."""
        query = select(EnrolmentCodeRow.code_hash).where(
            EnrolmentCodeRow.code_hash.in_(self._vault.digests(code)),
            EnrolmentCodeRow.used_at.is_(None),
            EnrolmentCodeRow.expires_at > now,
        )
        return self._session.scalar(query) is not None

    def codes_valid_until(self, *, now: datetime) -> datetime | None:
        """Return when the last of the codes that can still be used expires; None where there is none."""
        query = select(func.max(EnrolmentCodeRow.expires_at)).where(
            EnrolmentCodeRow.used_at.is_(None), EnrolmentCodeRow.expires_at > now
        )
        return self._session.scalar(query)

    def redeem(self, channel: str, chat_id: str, code: str, *, now: datetime) -> Redemption:
        """Link a chat to the member a code was issued to and use the code up; wrong tries lock the chat for a while."""
        attempts = self._attempts(channel, chat_id)
        if attempts.locked_until is not None and attempts.locked_until > now:
            return Redemption(Redeemed.LOCKED, locked_until=attempts.locked_until)
        typed = "".join(letter for letter in code.upper() if letter.isalnum())
        query = select(EnrolmentCodeRow).where(EnrolmentCodeRow.code_hash.in_(self._vault.digests(typed)))
        row = self._session.scalar(query.with_for_update())
        linked = self.member_of(channel, chat_id)
        if row is None or row.used_at is not None or row.expires_at <= now:
            if row is not None and row.used_at is not None and linked == row.member_id:
                return Redemption(Redeemed.ALREADY_LINKED, linked)
            attempts.failed += 1
            if attempts.failed >= WRONG_TRIES:
                attempts.failed, attempts.locked_until = 0, now + LOCKED
            self._session.flush()
            refused = Redeemed.UNKNOWN if row is None else Redeemed.USED if row.used_at else Redeemed.EXPIRED
            return Redemption(refused, locked_until=attempts.locked_until if attempts.failed == 0 else None)
        if linked is not None and linked != row.member_id:
            return Redemption(Redeemed.CHAT_OF_ANOTHER)
        row.used_at, attempts.failed, attempts.locked_until = now, 0, None
        if linked is None:
            self._session.add(LinkRow(channel=channel, chat_id=chat_id, member_id=row.member_id, linked_at=now))
        self._session.flush()
        return Redemption(Redeemed.LINKED, row.member_id)

    def link(self, channel: str, chat_id: str, member_id: int, *, now: datetime) -> None:
        """Link a chat that is nobody's to a member."""
        self._session.add(LinkRow(channel=channel, chat_id=chat_id, member_id=member_id, linked_at=now))
        self._session.flush()

    def member_of(self, channel: str, chat_id: str) -> int | None:
        """Return the member a chat belongs to, or None."""
        return self._session.scalar(_MEMBER_OF, {"of_channel": channel, "of_chat": chat_id})

    def links_of(self, member_ids: Collection[int]) -> list[Link]:
        """Return the chats of some members: those they used last come first."""
        used_at = func.coalesce(LinkRow.heard_at, LinkRow.linked_at)
        query = select(LinkRow).where(LinkRow.member_id.in_(member_ids))
        query = query.order_by(used_at.desc(), LinkRow.linked_at.desc(), LinkRow.channel, LinkRow.chat_id)
        return [
            Link(row.channel, row.chat_id, row.member_id, row.blocked_at is not None)
            for row in self._session.scalars(query)
        ]

    def unlink(self, channel: str, chat_id: str) -> bool:
        """Take a chat off its member; return whether it was linked."""
        linked = self.member_of(channel, chat_id) is not None
        self._session.execute(delete(LinkRow).where(LinkRow.channel == channel, LinkRow.chat_id == chat_id))
        return linked

    def set_blocked(self, channel: str, chat_id: str, *, at: datetime | None) -> None:
        """Note that our messages are refused in a chat since a time, or with None that they arrive again."""
        change = update(LinkRow).where(LinkRow.channel == channel, LinkRow.chat_id == chat_id)
        self._session.execute(change.values(blocked_at=at))

    def heard_from(self, channel: str, chat_id: str, *, at: datetime) -> None:
        """Note that somebody wrote in a chat: messages arrive there again, and go there first."""
        change = update(LinkRow).where(LinkRow.channel == channel, LinkRow.chat_id == chat_id)
        self._session.execute(change.values(blocked_at=None, heard_at=at))

    # --- consent -------------------------------------------------------------------------------------------------

    def consent(self, member_id: int, notice: str, *, now: datetime) -> None:
        """Keep that a member agreed to a notice; agreeing again changes nothing."""
        if not self.has_consented(member_id, notice):
            self._session.add(ConsentRow(member_id=member_id, notice=notice, given_at=now))
            self._session.flush()

    def has_consented(self, member_id: int, notice: str) -> bool:
        """Whether a member has agreed to a notice and not taken it back."""
        query = select(ConsentRow.id).where(
            ConsentRow.member_id == member_id, ConsentRow.notice == notice, ConsentRow.withdrawn_at.is_(None)
        )
        return self._session.scalar(query) is not None

    def withdraw(self, member_id: int, *, now: datetime) -> None:
        """Take back whatever a member has agreed to."""
        change = update(ConsentRow).where(ConsentRow.member_id == member_id, ConsentRow.withdrawn_at.is_(None))
        self._session.execute(change.values(withdrawn_at=now))

    # -------------------------------------------------------------------------------------------------------------

    def _membership(self, member_id: int) -> MembershipRow | None:
        query = select(MembershipRow).where(MembershipRow.member_id == member_id, MembershipRow.until_on.is_(None))
        return self._session.scalar(query.with_for_update())

    def _attempts(self, channel: str, chat_id: str) -> CodeAttemptRow:
        insert_unless_there(self._session, CodeAttemptRow, [{"channel": channel, "chat_id": chat_id, "failed": 0}])
        query = select(CodeAttemptRow).filter_by(channel=channel, chat_id=chat_id).with_for_update()
        return self._session.scalars(query).one()

    def _to_members(self, rows: Collection[tuple[MemberRow, MembershipRow]]) -> list[Member]:
        ids = [row.id for row, _ in rows]
        roles: dict[int, set[Role]] = {member_id: {Role.MEMBER} for member_id in ids}
        # For few ids their roles, for many all of them: a list of 10,000 ids is more than a statement takes.
        query = select(MemberRoleRow)
        if len(ids) <= 500:
            query = query.where(MemberRoleRow.member_id.in_(ids))
        for role in self._session.scalars(query):
            if role.member_id in roles:
                roles[role.member_id].add(Role(role.role))
        return [
            Member(
                row.id,
                membership.cell_id,
                row.name,
                frozenset(roles[row.id]),
                row.has_phone,
                membership.from_on,
                membership.until_on,
            )
            for row, membership in rows
        ]
