"""The real program, ended as an operator ends it while somebody waits for an answer."""

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from tests.soak.killing import ended
from tests.soak.outside import FIRST_CHAT, Program, telegram_server


def wait_for(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_who_tapped_right_before_the_end_is_answered_before_it(tmp_path: Path) -> None:
    program = Program(tmp_path)
    with telegram_server([FIRST_CHAT]) as telegram, ended(program):
        program.reach(telegram)
        program.start()
        program.wait_until_ready()
        telegram.ask("text", {"chat_id": FIRST_CHAT, "text": "/lenh1"})
        wait_for(lambda: len(telegram.sends()) == 1)
        # The answer is made, and goes when the tap is acknowledged.
        telegram.ask("fault", {"method": "answerCallbackQuery", "hang_s": 1.0})
        telegram.ask("tap", {"chat_id": FIRST_CHAT, "data": "gone", "is_forged": True})
        path = program.config.database_url.removeprefix("sqlite:///")
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as looking:
            states = "SELECT state FROM replies ORDER BY message_id"
            wait_for(lambda: looking.execute(states).fetchall() == [("sent",), ("waiting",)])
            assert program.stop() == 0
            assert looking.execute(states).fetchall() == [("sent",), ("sent",)]
        assert len(telegram.sends()) == 2
