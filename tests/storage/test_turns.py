"""Who came first goes first, and nobody waits for ever."""

import subprocess
import sys
import threading
import time
from pathlib import Path

from storage.turns import FileTurns, Turns

PROJECT = Path(__file__).parent.parent.parent


def test_turns_come_in_the_order_of_arrival() -> None:
    turns, order, threads = Turns(), list[int](), list[threading.Thread]()

    def take(number: int) -> None:
        with turns.turn(60):
            order.append(number)

    with turns.turn(60):
        for number in range(20):
            thread = threading.Thread(target=take, args=(number,))
            thread.start()
            threads.append(thread)
            while len(turns._waiting) < number + 1:
                time.sleep(0.001)
    for thread in threads:
        thread.join(60)
    assert order == list(range(20))


def test_who_waited_too_long_goes_on_without_a_turn_and_takes_none_from_others() -> None:
    turns, gone = Turns(), threading.Event()

    def give_up() -> None:
        with turns.turn(0.01):
            gone.set()

    with turns.turn(60):
        thread = threading.Thread(target=give_up)
        thread.start()
        assert gone.wait(60)
        thread.join(60)
        assert turns._is_taken
    with turns.turn(0):
        assert turns._is_taken
    assert not turns._is_taken


def test_turn_is_handed_on_when_the_block_raises() -> None:
    turns = Turns()
    for _ in range(2):
        try:
            with turns.turn(60):
                raise KeyError
        except KeyError:
            pass
    assert not turns._is_taken


def test_programs_take_turns_at_a_file_and_a_killed_one_holds_nobody_up(tmp_path: Path) -> None:
    path = tmp_path / "chat.db.turn"
    holding = (
        "import sys, time\nfrom pathlib import Path\nfrom storage.turns import FileTurns\n"
        "with FileTurns(Path(sys.argv[1])).turn(60):\n    print('held', flush=True)\n    time.sleep(600)\n"
    )
    other = subprocess.Popen([sys.executable, "-c", holding, str(path)], stdout=subprocess.PIPE, cwd=PROJECT)
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        began = time.monotonic()
        with FileTurns(path).turn(0.2):
            # Nobody waits for ever.
            assert time.monotonic() - began >= 0.2
    finally:
        other.kill()
        other.wait()
    with FileTurns(path).turn(60):
        assert other.returncode is not None
    # Where there is no such folder, the database itself says so.
    with FileTurns(tmp_path / "none" / "chat.db.turn").turn(60):
        assert not (tmp_path / "none").exists()
