"""How far behind we are with what came in and with what is to be said; never what it says."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from storage.inbox import ASIDE, WAITING, Inbox
from storage.replies import Replies, ReplyState

# A person has given up long before.
LONGEST_WAIT_S = 300.0


@dataclass(frozen=True, slots=True)
class Health:
    """What waits.

    Attributes:
        oldest_update_s: age of the oldest update that was not handled; None where none waits.
        oldest_unsent_s: age of the oldest reply that was not sent; None where there is none.
        aside: updates that could not be handled and wait for an administrator.
        unknown: replies of which nobody can tell whether they arrived.
    """

    waiting: int
    oldest_update_s: float | None
    oldest_unsent_s: float | None
    aside: int
    unknown: int

    @property
    def is_well(self) -> bool:
        """Whether nothing waits too long and nothing was put aside."""
        ages = (self.oldest_update_s or 0.0, self.oldest_unsent_s or 0.0)
        return self.aside == 0 and max(ages) <= LONGEST_WAIT_S

    def as_json(self) -> dict[str, Any]:
        """Return it for programs that watch."""
        return {
            "ok": self.is_well,
            "updates_waiting": self.waiting,
            "oldest_update_s": self.oldest_update_s,
            "oldest_unsent_s": self.oldest_unsent_s,
            "updates_aside": self.aside,
            "replies_unknown": self.unknown,
        }


def look(inbox: Inbox, replies: Replies, *, now: datetime) -> Health:
    """Return how far behind we are."""
    counts = inbox.counts()
    return Health(
        waiting=counts.get(WAITING, 0),
        oldest_update_s=_age_s(inbox.oldest_waiting(), now),
        oldest_unsent_s=_age_s(replies.oldest_unsent(), now),
        aside=counts.get(ASIDE, 0),
        unknown=replies.counts().get(ReplyState.UNKNOWN, 0),
    )


def _age_s(since: datetime | None, now: datetime) -> float | None:
    return None if since is None else round(max(0.0, (now - since).total_seconds()), 3)
