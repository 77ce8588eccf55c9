"""`make soak`: two hundred kills, some a second after the start, some in the middle of it."""

from pathlib import Path

import pytest

from tests.soak.killing import kill_again_and_again, report

KILLS = 200


@pytest.mark.soak
def test_nothing_that_was_acknowledged_is_lost_in_two_hundred_kills(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tally = kill_again_and_again(tmp_path, kills=KILLS, seed=1)
    with capsys.disabled():
        report(tally)
    assert tally.wrong == []
    assert (tally.lost_answers, tally.lost_receipts) == (0, 0)
    assert tally.second_prompts == tally.second_of_unknown
    assert (tally.unheard, tally.waiting) == (0, 0)
    assert tally.audit.startswith("whole")
