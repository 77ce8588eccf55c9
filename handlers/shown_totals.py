"""A round's totals as they may be shown now."""

from collections.abc import Mapping, Sequence

from assessment.access import countable_responses, totals
from assessment.model import AssessmentRound, ItemAnswer, Response
from assessment.schedule import is_late, local_day
from handlers.services import Turn

Totals = Mapping[int, Mapping[ItemAnswer, int]]


def totals_of(turn: Turn, found: AssessmentRound, responses: Sequence[Response]) -> tuple[Totals, int]:
    """Return a round's totals and how many responses they count, noted as shown; nothing where they may not be.

    Until the due date is over an answer may be changed, and two totals of the same responses would tell the change.
    """
    if not is_late(found, local_day(turn.now)):
        return {}, 0
    rounds = turn.transaction.rounds
    counted = totals(responses, shown_before=rounds.totals_shown(found.id))
    count = len(countable_responses(responses))
    if counted:
        rounds.note_totals(found.id, count)
    return counted, count
