"""A round's totals as they may be shown now."""

from collections.abc import Mapping, Sequence

from assessment.access import countable_responses, totals, totals_again
from assessment.model import AssessmentRound, ItemAnswer, Response
from assessment.schedule import is_late, local_day
from handlers.services import Turn

Totals = Mapping[int, Mapping[ItemAnswer, int]]
# Whose responses the totals shown last have counted, by round; of so many rounds, the latest ones.
_COUNTED = "totals_counted"
_ROUNDS_KEPT = 24


def totals_of(turn: Turn, found: AssessmentRound, responses: Sequence[Response]) -> tuple[Totals, int]:
    """Return a round's totals and how many responses they count, noted as shown; nothing where they may not be.

    Until the due date is over an answer may be changed, and two totals of the same responses would tell the change.
    Where a few have handed in since totals were shown, the same are shown again, without those few.
    """
    if not is_late(found, local_day(turn.now)):
        return {}, 0
    rounds, countable = turn.transaction.rounds, countable_responses(responses)
    before = _kept(turn, found).get(str(found.id), [])
    counted = totals(responses, shown_before=rounds.totals_shown(found.id), counted_before=before)
    if counted:
        rounds.note_totals(found.id, len(countable))
        _keep(turn, found, [response.member_id for response in countable])
        return counted, len(countable)
    return (totals_again(responses, before), len(before)) if before else ({}, 0)


def _kept(turn: Turn, found: AssessmentRound) -> dict[str, list[int]]:
    return dict(turn.transaction.people.cell_settings(found.cell_id).get(_COUNTED, {}))


def _keep(turn: Turn, found: AssessmentRound, members: list[int]) -> None:
    kept = _kept(turn, found)
    if kept.get(str(found.id)) != members:
        latest = sorted({*kept, str(found.id)}, key=int)[-_ROUNDS_KEPT:]
        values = {each: members if each == str(found.id) else kept[each] for each in latest}
        turn.transaction.people.set_in_cell(found.cell_id, _COUNTED, values)
