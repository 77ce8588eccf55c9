"""Whose commands a chat is shown: the menu holds what its person can do, and nothing that would only be refused."""

from enum import Enum

from assessment.access import Data
from assessment.model import Role
from handlers.messages import IncomingMessage
from handlers.services import Services, Turn
from handlers.viewers import ANYTHING, looker_in
from storage.store import Transaction

_LEADING = frozenset({Role.SECRETARY, Role.DEPUTY_SECRETARY})


class Audience(Enum):
    """Who reads a menu of commands; whoever is nobody yet reads the member's."""

    MEMBER = "member"
    SECRETARY = "secretary"
    ADMIN = "admin"


def audience(message: IncomingMessage, transaction: Transaction, services: Services) -> Audience:
    """Return whose commands a chat is to be shown; an administrator's include a secretary's.

    Args:
        message: of that chat; what it says does not matter.
    """
    conversation = transaction.find_conversation(message.channel, message.chat_id)
    looker = None
    if conversation is not None:
        looker = looker_in(Turn(message, conversation, None, transaction, services))
    if looker is None:
        return Audience.MEMBER
    if looker.may(Data.CHECKLISTS, ANYTHING):
        return Audience.ADMIN
    is_leading = looker.member is not None and bool(looker.member.roles & _LEADING)
    return Audience.SECRETARY if is_leading else Audience.MEMBER
