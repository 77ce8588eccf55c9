"""A fresh key while the program runs; kills in the middle; keys that are not ours to change."""

import base64
import json
import os
import random
import subprocess
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from assessment.model import ItemAnswer
from bot.app import open_store
from bot.config import Config, load_config
from bot.keys import list_keys, rotate
from storage.database import open_database, session
from storage.rounds import StoredAnswer
from storage.sealed import SealedKind
from storage.store import Store
from storage.vault import VaultError
from tests.programs import Programs
from tests.storage.builders import a_cell, a_round_of, some_members

PROJECT = Path(__file__).parent.parent.parent
NOW = datetime(2026, 11, 20, 2, tzinfo=UTC)
PRESENT = StoredAnswer(ItemAnswer.PRESENT, is_reported=True, note="đã sửa")
NUMBERS = range(1, 20)


def a_config(folder: Path, **environment: str) -> Config:
    variables = {f"TUSOI_{name}": value for name, value in environment.items()}
    return load_config(PROJECT / "config.yaml", {"TUSOI_DATA_DIR": str(folder / "data"), **variables})


def fill(store: Store, *, members: int = 3) -> None:
    """Let members answer everything, in a chat too."""
    with session(store._engine) as opened:
        cell = a_cell(opened)
        ids = some_members(opened, cell, members)
        november = a_round_of(opened, cell)
    for member in ids:
        with store.transaction() as transaction:
            for number in NUMBERS:
                transaction.rounds.answer(november, member, number, PRESENT)
            chat = transaction.conversation("console", f"u{member}", now=NOW)
            for number in NUMBERS:
                transaction.add_reply(
                    chat.id,
                    [("text", f"Điều {number}")],
                    [("Có biểu hiện", "ck_answer", f"1:{number}:present")],
                    in_reply_to=None,
                    now=NOW,
                    confidential=True,
                )
            transaction.audit.note(f"member:{member}", "consent", "2026-11", now=NOW)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    config = a_config(tmp_path)
    fill(open_store(config))
    return config


def assert_all_there(store: Store, *, members: int = 3) -> None:
    with store.transaction() as transaction:
        for member in range(1, members + 1):
            assert transaction.rounds.answers(1, member) == dict.fromkeys(NUMBERS, PRESENT)
            chat = transaction.find_conversation("console", f"u{member}")
            assert chat is not None
            said = [(m.text, [b.argument for b in m.buttons]) for m in transaction.history(chat.id)]
            assert said == [(f"Điều {number}", [f"1:{number}:present"]) for number in NUMBERS]
        assert transaction.audit.inspect().is_complete


def ring_of(config: Config) -> list[str]:
    return [line.split()[0] for line in config.key_file.read_text(encoding="ascii").splitlines()]


def keep_only(config: Config, key_id: str) -> None:
    lines = config.key_file.read_text(encoding="ascii").splitlines()
    config.key_file.write_text("\n".join(line for line in lines if line.startswith(key_id)) + "\n", encoding="ascii")


def environment(config: Config) -> dict[str, str]:
    return {**os.environ, "TUSOI_DATA_DIR": str(config.data_dir)}


class Keys:
    """`python -m bot keys …` of a data folder."""

    def __init__(self, started: Programs, config: Config) -> None:
        self._started, self._config = started, config

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        return self._started.run("keys", *arguments, environment=environment(self._config))


@pytest.fixture
def keys(started: Programs, config: Config) -> Keys:
    return Keys(started, config)


def said_by(finished: subprocess.CompletedProcess[bytes]) -> str:
    return finished.stdout.decode()


# --- what is shown -----------------------------------------------------------------------------------------------


def test_keys_are_shown_by_what_they_have_sealed_and_never_themselves(config: Config, keys: Keys) -> None:
    [key] = ring_of(config)
    secret = config.key_file.read_text(encoding="ascii").split()[1]
    said, as_json = keys(), keys("--json")
    assert f"{key} (current): 1 audit, 57 answers, 57 messages, 57 buttons" in said_by(said)
    assert json.loads(as_json.stdout) == {
        "key": key,
        "current": True,
        "in_ring": True,
        "audit": 1,
        "answers": 57,
        "messages": 57,
        "buttons": 57,
    }
    for finished in (said, as_json):
        assert finished.returncode == 0
        assert secret.encode() not in finished.stdout + finished.stderr


def test_codes_that_may_need_an_older_key_are_told(config: Config, keys: Keys) -> None:
    until = datetime.now(UTC) + timedelta(days=14)
    with open_store(config).transaction() as transaction:
        transaction.people.issue_code(1, now=datetime.now(UTC), valid_for=timedelta(days=14))
    assert f"may need an older key until {until.date()}" in said_by(keys())


def test_key_that_is_missing_from_the_ring_is_shown_as_missing(config: Config, keys: Keys) -> None:
    [key] = ring_of(config)
    list(rotate(config))
    fresh = ring_of(config)[0]
    keep_only(config, key)
    shown = keys()
    assert shown.returncode == 1
    assert f"{fresh} (MISSING: put it back into the ring): 1 audit, 57 answers" in said_by(shown)


# --- a fresh key -------------------------------------------------------------------------------------------------


def test_everything_is_sealed_with_the_fresh_key_and_opens_with_it_alone(config: Config, keys: Keys) -> None:
    [old] = ring_of(config)
    finished = keys("rotate", "--json")
    progress = [json.loads(line) for line in finished.stdout.splitlines()]
    fresh = ring_of(config)[0]
    assert fresh != old
    assert progress[0] == {"key": fresh, "done": 0, "total": 172}
    assert progress[-1] == {"key": fresh, "done": 172, "total": 172}
    assert finished.returncode == 0
    keep_only(config, fresh)
    assert_all_there(open_store(config))


def test_twice_is_harmless(config: Config) -> None:
    for _ in range(2):
        list(rotate(config))
    assert len(ring_of(config)) == 3
    keep_only(config, ring_of(config)[0])
    assert_all_there(open_store(config))


def test_new_program_makes_a_key_and_then_another(tmp_path: Path) -> None:
    config = a_config(tmp_path)
    assert [(step.done, step.total) for step in rotate(config)] == [(0, 0)]
    assert len(ring_of(config)) == 2


def test_rotation_that_was_broken_off_is_gone_on_with_before_another_key_is_made(config: Config) -> None:
    steps = rotate(config, batch=5)
    for _ in range(4):
        next(steps)
    steps.close()
    ring = ring_of(config)
    assert_all_there(open_store(config))
    list(rotate(config, batch=5))
    assert ring_of(config) == ring
    keep_only(config, ring[0])
    assert_all_there(open_store(config))


_ROTATE = """
import sys
from pathlib import Path
from bot.config import load_config
from bot.keys import rotate
for step in rotate(load_config(Path("config.yaml")), batch=int(sys.argv[1])):
    print(step.done, flush=True)
"""


@pytest.mark.parametrize("seed", range(3))
def test_kill_at_any_moment_loses_nothing(config: Config, started: Programs, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(3):
        program = started.start("3", code=_ROTATE, environment=environment(config))
        program.lines(chance.randrange(12))
        program.kill()
        program.wait(10)
        assert_all_there(open_store(config))
    list(rotate(config))
    keep_only(config, ring_of(config)[0])
    assert_all_there(open_store(config))


def test_file_that_a_killed_rotation_left_beside_the_ring_is_no_obstacle(config: Config) -> None:
    config.key_file.with_suffix(".new").write_text("half a ke", encoding="ascii")
    list(rotate(config))
    assert [path.name for path in config.key_file.parent.iterdir()] == ["ring"]
    assert_all_there(open_store(config))


def test_two_rotations_at_once_lose_no_key(config: Config, started: Programs) -> None:
    both = [started.start("50", code=_ROTATE, environment=environment(config)) for _ in range(2)]
    assert [program.wait(60) for program in both] == [0, 0]
    assert_all_there(open_store(config))
    uses, _ = list_keys(config)
    assert all(use.in_ring for use in uses)


# --- while the program runs --------------------------------------------------------------------------------------


def test_running_program_opens_what_was_sealed_anew_and_seals_with_the_fresh_key(config: Config) -> None:
    running = open_store(config)
    assert_all_there(running)
    list(rotate(config))
    assert_all_there(running)
    with running.transaction() as transaction:
        transaction.rounds.answer(1, 1, 5, StoredAnswer(ItemAnswer.NONE))
        assert set(transaction.sealed.counts()) == {ring_of(config)[0]}


def test_members_who_answer_meanwhile_lose_nothing(config: Config) -> None:
    running, stop, errors, given = open_store(config), threading.Event(), list[BaseException](), [0]

    def answer() -> None:
        try:
            while not stop.is_set():
                given[0] += 1
                note = StoredAnswer(ItemAnswer.PRESENT, note=str(given[0]))
                with running.transaction() as transaction:
                    transaction.rounds.answer(1, 2, 7, note)
                    transaction.audit.note("member:2", "consent", "2026-11", now=NOW)
                # SQLite lets those who wait look now and then: a writer that never rests shuts everybody out.
                time.sleep(0.01)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        for _ in range(2):
            list(rotate(config, batch=10))
    finally:
        stop.set()
        thread.join(20)
    assert errors == []
    list(rotate(config))
    keep_only(config, ring_of(config)[0])
    with open_store(config).transaction() as transaction:
        assert [a.note for a in transaction.rounds.history(1, 2)[7]] == [
            "đã sửa",
            *(str(number) for number in range(1, given[0] + 1)),
        ]
        assert transaction.audit.inspect().is_complete


def test_ring_that_breaks_while_the_program_runs_is_logged_and_the_keys_stay(
    config: Config, caplog: pytest.LogCaptureFixture
) -> None:
    running = open_store(config)
    ring = config.key_file.read_text(encoding="ascii")
    config.key_file.write_text("half a ke\n", encoding="ascii")
    assert_all_there(running)
    assert "the keys stay as they were" in caplog.text
    assert ring.split()[1] not in caplog.text
    config.key_file.unlink()
    assert_all_there(running)
    config.key_file.write_text(ring, encoding="ascii")
    config.key_file.chmod(0o600)
    list(rotate(config))
    assert_all_there(running)


# --- what stands in the way --------------------------------------------------------------------------------------


def test_keys_from_the_environment_are_not_ours_to_change_but_what_they_seal_is(config: Config, tmp_path: Path) -> None:
    ring = config.key_file.read_text(encoding="ascii").strip()
    with pytest.raises(VaultError, match=r"TUSOI_SECRETS__KEYS.*put 'ID KEY;' before.*restart.*keys rotate' again"):
        list(rotate(a_config(tmp_path, SECRETS__KEYS=ring)))
    fresh = f"fresh {base64.b64encode(bytes(range(32))).decode()}"
    list(rotate(a_config(tmp_path, SECRETS__KEYS=f"{fresh};{ring}")))
    assert config.key_file.read_text(encoding="ascii").strip() == ring
    assert_all_there(open_store(a_config(tmp_path, SECRETS__KEYS=fresh)))


def test_value_that_nobody_can_open_stops_it_with_a_name_and_changes_no_other(config: Config) -> None:
    list(rotate(config))
    fresh, old = ring_of(config)
    keep_only(config, old)
    with pytest.raises(VaultError, match=f"key '{fresh}' is not in the ring"):
        list(rotate(config))


def test_audit_log_that_was_cut_is_not_sealed_anew_and_does_not_stop_the_next_rotation(config: Config) -> None:
    with open_database(config.database_url).begin() as connection:
        connection.exec_driver_sql("DELETE FROM audit WHERE id = 3")
    for keys in (2, 3):
        with pytest.raises(VaultError, match="everything is sealed anew but the end of the audit log"):
            list(rotate(config))
        assert len(ring_of(config)) == keys
    with open_store(config).transaction() as transaction:
        counts = transaction.sealed.counts()
        assert counts[ring_of(config)[2]] == {SealedKind.AUDIT: 1}
        assert transaction.rounds.answers(1, 1) == dict.fromkeys(NUMBERS, PRESENT)
        assert not transaction.audit.inspect().is_complete
