"""The short form of tests/soak/test_message_kills.py: the real program, killed while people write on Telegram."""

from pathlib import Path

from tests.soak.message_kills import kill_while_people_write


def test_what_people_wrote_is_answered_once_whenever_the_program_was_killed(tmp_path: Path) -> None:
    tally = kill_while_people_write(tmp_path, kills=1, seed=6)
    assert tally.wrong == []
    assert (tally.kills, tally.lost, tally.doubled, tally.out_of_order) == (1, 0, 0, 0)
    assert tally.answered > 20
    # A chat has one answer in flight at a time.
    assert tally.unknown <= 12
