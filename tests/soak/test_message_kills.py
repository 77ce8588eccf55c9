"""`make soak`: a hundred kills while people write on Telegram."""

from pathlib import Path

import pytest

from tests.soak.message_kills import kill_while_people_write


@pytest.mark.soak
def test_nothing_that_people_wrote_is_lost_in_a_hundred_kills(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tally = kill_while_people_write(tmp_path, kills=100, seed=1, people=50, rate=30)
    with capsys.disabled():
        print(f"\n{tally}")
    assert tally.wrong == []
    assert tally.kills == 100
    assert (tally.lost, tally.doubled, tally.out_of_order) == (0, 0, 0)
    assert tally.unknown <= 100 * 50
