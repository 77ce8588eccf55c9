"""What is encrypted, by key; seals it anew after a new key was added."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, cast

from sqlalchemy import func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from storage.audit import Audit
from storage.tables import (
    AuditHeadRow,
    ButtonRow,
    ForwardedQuestionRow,
    IncomingUpdateRow,
    ItemResponseRow,
    MessageRow,
    OaTokensRow,
)
from storage.vault import Sealed, Vault

# The kind of the one block of a sealed message, and the action of a sealed button.
SEALED = "sealed"


def about_item(response_id: int, number: int) -> str:
    """Return what an answer to an item belongs to."""
    return f"response:{response_id} item:{number}"


def about_conversation(conversation_id: int) -> str:
    """Return what a confidential message belongs to."""
    return f"conversation:{conversation_id}"


def about_button(button_id: str) -> str:
    """Return what a confidential button belongs to."""
    return f"button:{button_id}"


def about_forwarded(member_id: int, message_id: int) -> str:
    """Return what a question that a member sends to the secretary belongs to."""
    return f"member:{member_id} message:{message_id}"


def about_update(channel: str, external_id: str) -> str:
    """Return what an update that a platform sent belongs to."""
    return f"update:{channel}:{external_id}"


def about_oa_tokens(app_id: str, configured: str) -> str:
    """Return what the tokens of an app of Zalo belong to."""
    return f"oa-tokens:{app_id}:{configured}"


class SealedKind(Enum):
    """What a sealed value is.

    The end of the audit log, an answer, a message, a button, a forwarded question, an update that waits, the tokens of
    a Zalo Official Account.
    """

    AUDIT = "audit"
    ANSWERS = "answers"
    MESSAGES = "messages"
    BUTTONS = "buttons"
    QUESTIONS = "questions"
    UPDATES = "updates"
    TOKENS = "tokens"


@dataclass(frozen=True, slots=True)
class Resealed:
    """A batch: how many values were sealed anew, and the last row that was looked at; None at the end."""

    count: int
    last: Any


class SealedValues:
    """Counts and seals anew what each key has sealed, within one transaction.

    One-time codes are not among them: only their keyed hashes are kept, which no one can make again from another key.
    They work as long as the key stays in the ring.
    """

    def __init__(self, opened: Session, vault: Vault) -> None:
        self._session = opened
        self._vault = vault

    def counts(self) -> dict[str, dict[SealedKind, int]]:
        """Return how many values each key has sealed, by kind."""
        found: dict[str, dict[SealedKind, int]] = {}
        for kind, column in _KEYS.items():
            query = select(column, func.count()).where(column.is_not(None), column != "").group_by(column)
            for key_id, count in self._session.execute(query):
                found.setdefault(key_id, {})[kind] = count
        return found

    def older(self, *, but: SealedKind | None = None) -> int:
        """Return how many values other keys than the current one have sealed, one kind left out if told."""
        return sum(
            count
            for key_id, kinds in self.counts().items()
            for kind, count in kinds.items()
            if key_id != self._vault.current and kind is not but
        )

    def reseal(self, kind: SealedKind, *, after: Any = None, limit: int = 500) -> Resealed:
        """Seal the next values of a kind anew with the current key, in the order of their rows.

        What somebody else holds at the moment is passed over: nobody has to wait for us, nor we for them.

        Args:
            after: the last row of the batch before; None to begin.
            limit: at most so many.
        Raises:
            VaultError: a value cannot be opened.
        """
        if kind is SealedKind.AUDIT:
            return Resealed(int(Audit(self._session, self._vault).reseal()), None)
        column = _KEYS[kind]
        table = column.class_
        query = select(table).where(column != self._vault.current).order_by(table.id).limit(limit)
        if after is not None:
            query = query.where(table.id > after)
        rows = list(self._session.scalars(query.with_for_update(skip_locked=True)))
        for row in rows:
            _RESEAL[kind](self._vault, row)
        self._session.flush()
        return Resealed(len(rows), rows[-1].id if rows else None)


def _answer(vault: Vault, row: ItemResponseRow) -> None:
    sealed = vault.reseal(Sealed(row.key_id, row.sealed), about=about_item(row.response_id, row.number))
    row.key_id, row.sealed = sealed.key_id, sealed.data


def _message(vault: Vault, row: MessageRow) -> None:
    sealed = vault.reseal(Sealed.from_text(row.blocks[0][1]), about=about_conversation(row.conversation_id))
    row.key_id, row.blocks = sealed.key_id, [[SEALED, sealed.as_text()]]


def _button(vault: Vault, row: ButtonRow) -> None:
    sealed = vault.reseal(Sealed.from_text(row.argument), about=about_button(row.id))
    row.key_id, row.argument = sealed.key_id, sealed.as_text()


def _question(vault: Vault, row: ForwardedQuestionRow) -> None:
    if row.key_id is None or row.sealed is None:
        return
    sealed = vault.reseal(Sealed(row.key_id, row.sealed), about=about_forwarded(row.member_id, row.message_id))
    row.key_id, row.sealed = sealed.key_id, sealed.data


def _update(vault: Vault, row: IncomingUpdateRow) -> None:
    if row.key_id is None or row.sealed is None:
        return
    sealed = vault.reseal(Sealed(row.key_id, row.sealed), about=about_update(row.channel, row.external_id))
    row.key_id, row.sealed = sealed.key_id, sealed.data


def _tokens(vault: Vault, row: OaTokensRow) -> None:
    sealed = vault.reseal(Sealed(row.key_id, row.sealed), about=about_oa_tokens(row.app_id, row.configured))
    row.key_id, row.sealed = sealed.key_id, sealed.data


_KEYS: Mapping[SealedKind, InstrumentedAttribute[Any]] = {
    SealedKind.AUDIT: AuditHeadRow.key_id,
    SealedKind.ANSWERS: ItemResponseRow.key_id,
    SealedKind.MESSAGES: cast("InstrumentedAttribute[Any]", MessageRow.key_id),
    SealedKind.BUTTONS: cast("InstrumentedAttribute[Any]", ButtonRow.key_id),
    SealedKind.QUESTIONS: cast("InstrumentedAttribute[Any]", ForwardedQuestionRow.key_id),
    SealedKind.UPDATES: cast("InstrumentedAttribute[Any]", IncomingUpdateRow.key_id),
    SealedKind.TOKENS: OaTokensRow.key_id,
}
_RESEAL: Mapping[SealedKind, Callable[[Vault, Any], None]] = {
    SealedKind.ANSWERS: _answer,
    SealedKind.MESSAGES: _message,
    SealedKind.BUTTONS: _button,
    SealedKind.QUESTIONS: _question,
    SealedKind.UPDATES: _update,
    SealedKind.TOKENS: _tokens,
}
