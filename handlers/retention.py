"""What was answered or asked is kept for so many months and then destroyed; that something was handed in stays."""

import logging
from datetime import date, datetime, timedelta

from assessment.schedule import day_begins_at, kept_since, local_day
from handlers.member_texts import ERASED_MESSAGE
from storage.store import Transaction

log = logging.getLogger(__name__)
AT_ONCE = 200
# Where nothing was written into the audit log for longer, the program was off, or its clock is wrong.
_LONGEST_SILENCE = timedelta(days=31)


def erase_old(transaction: Transaction, *, now: datetime, keep_months: int, trusts_clock: bool) -> int:
    """Destroy the next portion of what is older than is kept, and note it; return how much that was, 0 at the end.

    Answers go by the month of their round, what was said about answers in a chat by the month in which it was said.

    Args:
        trusts_clock: otherwise a clock that has jumped far ahead since the last line of the audit log is noted there
            first, and believed the next time: what is destroyed cannot be brought back when the clock is put right.
    """
    since = kept_since(local_day(now), keep_months)
    latest = transaction.audit.latest_at()
    if not trusts_clock and latest is not None and now - latest > _LONGEST_SILENCE:
        log.warning("retention: the clock is %d days after the last line of the audit log", (now - latest).days)
        transaction.audit.note("program", "put off erasing", f"clock after:{latest:%Y-%m-%d}", now=now)
        return 0
    responses = transaction.rounds.erase_before(since, on=local_day(now), limit=AT_ONCE)
    messages = transaction.erase_confidential_before(day_begins_at(since), ERASED_MESSAGE, limit=AT_ONCE)
    if responses or messages:
        about = f"before:{since:%Y-%m} responses:{responses} messages:{messages}"
        transaction.audit.note("program", "erase old", about, now=now)
        log.info("retention: %s", about)
    return responses + messages + _erase_questions(transaction, since, now)


def _erase_questions(transaction: Transaction, since: date, now: datetime) -> int:
    """Destroy old questions and counts, and the words of forwarded ones that nobody is to be sent any more."""
    old = transaction.gaps.erase_before(since) + transaction.feedback.erase_before(since)
    forwarded = transaction.forwarded.erase_over(since, limit=AT_ONCE)
    if old:
        transaction.audit.note("program", "erase questions", f"before:{since:%Y-%m} rows:{old}", now=now)
    if old or forwarded:
        log.info("retention: questions and counts before %s: %d, forwarded: %d", since, old, forwarded)
    return old + forwarded
