"""How much one person may write in a row. Moments are those at which it was written; they are arguments."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

# Somebody who taps as fast as it goes through a checklist stays below this.
AT_ONCE = 40
PER_SECOND = 1.0
# Who goes on is not told again before; whoever waits as they were told finds room.
TOLD_EVERY = timedelta(seconds=60)
# Who has been quiet for so long may write AT_ONCE again and need not be remembered.
_REMEMBERED = 10_000


class Verdict(Enum):
    """What becomes of a message: FINE is answered, TELL is the first that is not, SILENT one within a minute of it."""

    FINE = "fine"
    TELL = "tell"
    SILENT = "silent"


@dataclass(slots=True)
class _Bucket:
    left: float
    at: datetime
    told_at: datetime | None = None


class Floods:
    """Lets each person write so much at once, and after that at an even pace."""

    def __init__(self, at_once: int = AT_ONCE, per_second: float = PER_SECOND) -> None:
        self._at_once = at_once
        self._per_second = per_second
        self._buckets: dict[str, _Bucket] = {}

    def judge(self, person: str, at: datetime) -> Verdict:
        """Return what becomes of a person's next message; what is not FINE counts for nothing."""
        bucket = self._buckets.get(person)
        if bucket is None:
            self._forget(at)
            bucket = self._buckets[person] = _Bucket(self._at_once, at)
        # What was written earlier and comes late neither fills nor empties the past.
        gained = max(0.0, (at - bucket.at).total_seconds()) * self._per_second
        bucket.left, bucket.at = min(self._at_once, bucket.left + gained), max(bucket.at, at)
        if bucket.left >= 1:
            bucket.left -= 1
            return Verdict.FINE
        if bucket.told_at is not None and at - bucket.told_at < TOLD_EVERY:
            return Verdict.SILENT
        bucket.told_at = at
        return Verdict.TELL

    def _forget(self, at: datetime) -> None:
        if len(self._buckets) < _REMEMBERED:
            return
        full_after_s = self._at_once / self._per_second
        self._buckets = {
            person: bucket
            for person, bucket in self._buckets.items()
            if (at - bucket.at).total_seconds() < full_after_s
        }
