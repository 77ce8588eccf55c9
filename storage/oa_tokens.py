"""The tokens of a Zalo Official Account: sealed, exchanged by one process at a time, kept before they are used.

A refresh token works once: whoever exchanges it must be alone, and what comes back must be committed before anything
else happens. The network is slow and a transaction keeps every other writer out, so the row is not locked while the
platform is asked. Instead it is claimed in a short transaction (under its row lock, where the database has one), with
a lease; the answer is saved in a second one. What nobody can repair is a program that ends between the platform's
answer and that second commit: the old token is used up then, and its successor is lost. The lease that was never given
back tells of it, see Claim.was_cut_off.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from storage.database import insert_unless_there
from storage.sealed import about_oa_tokens
from storage.tables import OaTokensRow
from storage.vault import Sealed, Vault


@dataclass(frozen=True, slots=True)
class Tokens:
    """A pair of tokens.

    Attributes:
        access: None where none was fetched yet.
        refresh: works once.
        use_until: when the access token is to be exchanged; None with no access token.
        version: counts the pairs of this row, from 0.
    """

    access: str | None
    refresh: str
    use_until: datetime | None
    version: int


@dataclass(frozen=True, slots=True)
class Claim:
    """What became of asking for the right to exchange tokens.

    Attributes:
        tokens: as they stand now.
        is_granted: nobody else may exchange them until the lease ends.
        was_cut_off: somebody else began to and never said how it ended: the refresh token may be used up.
        again_at: not granted: when the pause ends that somebody has ordered; None where somebody is at it right now,
            or has been.
    """

    tokens: Tokens
    is_granted: bool
    was_cut_off: bool = False
    again_at: datetime | None = None


class OaTokens:
    """The tokens, within one transaction."""

    def __init__(self, opened: Session, vault: Vault) -> None:
        self._session = opened
        self._vault = vault

    def read(self, app_id: str, configured: str) -> Tokens:
        """Return the tokens of an app.

        Args:
            configured: the refresh token in the settings, with which the first pair begins. Another one begins
                another row, as after an administrator has authorised the app again.
        """
        return self._open(self._row(app_id, configured))

    def claim(self, app_id: str, configured: str, *, version: int, by: str, now: datetime, lease: timedelta) -> Claim:
        """Ask for the right to exchange a pair of tokens.

        Args:
            version: of the pair that is to be exchanged; where another one stands there now, nothing is granted.
            by: who asks; who holds a lease is granted it again.
            lease: how long nobody else may.
        """
        row = self._row(app_id, configured)
        is_held = row.refreshing_until is not None and row.refreshing_until > now and row.refreshing_by != by
        if is_held or row.version != version:
            is_pause = row.refreshing_by is None and row.version == version
            return Claim(self._open(row), is_granted=False, again_at=row.refreshing_until if is_pause else None)
        was_cut_off = row.refreshing_by is not None
        row.refreshing_by, row.refreshing_until = by, now + lease
        self._session.flush()
        return Claim(self._open(row), is_granted=True, was_cut_off=was_cut_off)

    def save(
        self,
        app_id: str,
        configured: str,
        *,
        version: int,
        access: str,
        refresh: str,
        use_until: datetime,
        now: datetime,
    ) -> Tokens:
        """Keep what a pair was exchanged for, and give the right to exchange back; return the tokens as they stand.

        It counts though the lease has ended: a refresh token works once, so nobody else can have been answered.

        Args:
            version: of the pair that was exchanged; where another one stands there by now, that one stays.
        """
        row = self._row(app_id, configured)
        if row.version == version:
            sealed = self._sealed(app_id, row.configured, access, refresh)
            row.key_id, row.sealed = sealed.key_id, sealed.data
            row.version, row.use_until, row.refreshed_at = version + 1, use_until, now
            row.refreshing_by = row.refreshing_until = None
            self._session.flush()
        return self._open(row)

    def give_back(self, app_id: str, configured: str, *, by: str, again_at: datetime | None) -> None:
        """Give the right to exchange back, where it is known that nothing was exchanged.

        Args:
            again_at: nobody may before; None: at once.
        """
        row = self._row(app_id, configured)
        if row.refreshing_by == by:
            # A time without a name is a pause, not somebody who was cut off.
            row.refreshing_by, row.refreshing_until = None, again_at
            self._session.flush()

    def _row(self, app_id: str, configured: str) -> OaTokensRow:
        """Return the row of a refresh token in the settings, begun if it is new, locked until the transaction ends."""
        digest = hashlib.sha256(configured.encode()).hexdigest()
        query = select(OaTokensRow).filter_by(app_id=app_id, configured=digest).with_for_update()
        row = self._session.scalar(query)
        if row is None:
            sealed = self._sealed(app_id, digest, None, configured)
            values = {"app_id": app_id, "configured": digest, "version": 0}
            values |= {"key_id": sealed.key_id, "sealed": sealed.data}
            insert_unless_there(self._session, OaTokensRow, [values])
            row = self._session.scalars(query).one()
        return row

    def _sealed(self, app_id: str, configured: str, access: str | None, refresh: str) -> Sealed:
        pair = json.dumps({"access": access, "refresh": refresh})
        return self._vault.seal(pair, about=about_oa_tokens(app_id, configured))

    def _open(self, row: OaTokensRow) -> Tokens:
        sealed = Sealed(row.key_id, row.sealed)
        pair = json.loads(self._vault.open(sealed, about=about_oa_tokens(row.app_id, row.configured)))
        return Tokens(pair["access"], pair["refresh"], row.use_until, row.version)
