"""A database, and rows that others hang on, for tests of one table."""

import functools
import shutil
import tempfile
from datetime import date, datetime
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from storage.database import migrate, open_database
from storage.tables import CellRow, LinkRow, MemberRow, MembershipRow, OrganizationRow, RoundRow
from storage.vault import Vault


def a_vault() -> Vault:
    return Vault({"k": bytes(32)}, "k")


def bring_up(engine: Engine) -> None:
    """Bring a new database up to date; of SQLite, every migration is done once and the file copied from then on."""
    path = Path(engine.url.database or "")
    if engine.dialect.name == "sqlite" and not path.exists():
        shutil.copyfile(_template(), path)
    else:
        migrate(engine)


@functools.cache
def _template() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="tu-soi-tests-"))
    engine = open_database(f"sqlite:///{folder / 'template.db'}")
    migrate(engine)
    engine.dispose()
    return folder / "template.db"


def a_cell(opened: Session, *, name: str = "Chi bộ 3", organization: str = "Đảng bộ xã") -> int:
    parent = OrganizationRow(name=organization)
    opened.add(parent)
    opened.flush()
    row = CellRow(organization_id=parent.id, name=name, settings={})
    opened.add(row)
    opened.flush()
    return row.id


def some_members(opened: Session, cell_id: int, count: int = 3) -> list[int]:
    rows = [MemberRow(name=f"Đồng chí {number}", has_phone=True) for number in range(1, count + 1)]
    opened.add_all(rows)
    opened.flush()
    opened.add_all(MembershipRow(member_id=row.id, cell_id=cell_id) for row in rows)
    opened.flush()
    return [row.id for row in rows]


def a_round_of(opened: Session, cell_id: int, *, month: date = date(2026, 11, 1)) -> int:
    row = RoundRow(
        cell_id=cell_id,
        month=month,
        checklist_id="37-qd-tw-2021",
        checklist_version=1,
        opened_on=month,
        due_on=month.replace(day=28),
        grace_days=0,
        focus=[],
    )
    opened.add(row)
    opened.flush()
    return row.id


def link(opened: Session, member_id: int, channel: str, chat_id: str, *, at: datetime) -> None:
    """Let a chat belong to a member, as a code would."""
    opened.add(LinkRow(channel=channel, chat_id=chat_id, member_id=member_id, linked_at=at))
    opened.flush()
