"""Who has taken back an agreement; giving and taking back are in people.py."""

from collections.abc import Collection

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from storage.tables import ConsentRow


class Consents:
    """What members have agreed to, within one transaction."""

    def __init__(self, opened: Session) -> None:
        self._session = opened

    def taken_back(self, member_ids: Collection[int]) -> frozenset[int]:
        """Return who of some members has taken back all that they had agreed to; who never agreed is not among them."""
        query = (
            select(ConsentRow.member_id)
            .where(ConsentRow.member_id.in_(member_ids))
            .group_by(ConsentRow.member_id)
            .having(func.count(ConsentRow.withdrawn_at) == func.count(ConsentRow.id))
        )
        return frozenset(self._session.scalars(query))
