"""The short form of `make soak`: the real program, killed a few times while people answer and prompts go out."""

from pathlib import Path

from tests.soak.killing import kill_again_and_again


def test_what_was_acknowledged_survives_every_kill_and_nobody_is_prompted_twice(tmp_path: Path) -> None:
    tally = kill_again_and_again(tmp_path, kills=2, seed=6, life_s=1.5, early=0.3)
    assert tally.wrong == []
    assert (tally.kills, tally.rounds) == (2, 3)
    assert tally.answers > 0
    assert (tally.lost_answers, tally.lost_receipts) == (0, 0)
    assert tally.prompts > 0
    assert (tally.second_prompts, tally.unheard, tally.waiting) == (0, 0, 0)
    # What could be in flight at a kill is few, and is shown.
    assert tally.unknown <= 2 * 10
    assert tally.audit.startswith("whole")
