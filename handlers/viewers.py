"""Who looks, as assessment.access asks about them, and under which name it stands in the log."""

from dataclasses import dataclass

from assessment.access import Data, Subject, Viewer, may_see
from assessment.model import Member, Role
from handlers.enrolment import member_in
from handlers.services import Turn

# Ids begin with 1: whoever is no member of any cell, has this one and sees nothing that hangs on a cell.
NOBODY = 0


@dataclass(frozen=True, slots=True)
class Looker:
    """Who looks and as what; a chat that the settings name as an administrator need not be a member's."""

    viewer: Viewer
    actor: str
    member: Member | None

    def may(self, data: Data, subject: Subject) -> bool:
        """Whether the table lets them see something."""
        return may_see(self.viewer, data, subject)


def looker_in(turn: Turn) -> Looker | None:
    """Return who looks in this chat; None for a chat of nobody."""
    member = member_in(turn)
    is_named = f"{turn.message.channel}:{turn.message.chat_id}" in turn.services.options.admins
    if member is None:
        if not is_named:
            return None
        viewer = Viewer(NOBODY, NOBODY, frozenset({Role.ADMIN}))
        return Looker(viewer, f"chat:{turn.conversation.id}", None)
    people = turn.transaction.people
    below = people.organizations_below(people.cell(member.cell_id).organization_id)
    roles = member.roles | {Role.ADMIN} if is_named else member.roles
    return Looker(Viewer(member.id, member.cell_id, roles, below), f"member:{member.id}", member)


# What hangs on no cell.
ANYTHING = Subject(NOBODY, NOBODY)
