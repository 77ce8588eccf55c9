"""Whole conversations, read like a play and replayed through `python -m bot console --json`.

A transcript holds what the person types ("> …"), taps ("> [2]"), and what the assistant answers ("| …", choices as
"| [1] …", files as "| (tệp …)"); lines that begin with "#" say what the scene shows.

A play has several people and a clock of its own: "an> …" is what An types or taps, "{mã Nguyễn Văn An}" in it the code
on An's slip, "[05/11/2026 08:00]" sets the clock, whereupon what is due reaches people ("| → an: …"), "[dung chặn]" and
"[dung bỏ chặn]" say who refuses our messages. It begins with its roster, "[danh sách chi-bo-3.csv]", then the time.

Run `python -m tests.transcripts.replay` to write the answers of the present program into the transcripts: read the
difference before you keep it.
"""

import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from assessment.roster_file import read_roster
from bot.app import open_store
from bot.config import load_config
from handlers.roster import import_roster
from tests.programs import Programs, programs

FOLDER = Path(__file__).parent
PROJECT = FOLDER.parent.parent
HANOI = timezone(timedelta(hours=7))

_LINE = re.compile(r"([\w-]*)> (.*)")
_ROSTER = re.compile(r"\[danh sách (\S+)\]")
_CLOCK = re.compile(r"\[(\d\d/\d\d/\d{4} \d\d:\d\d)\]")
_BLOCK = re.compile(r"\[([\w-]+) (bỏ chặn|chặn)\]")
_CODE = re.compile(r"\{mã ([^}]+)\}")


@dataclass(frozen=True, slots=True)
class Turn:
    """What a person did, or what befell them, as it is written; the lines that answered it, and what is said before."""

    said: str
    answered: tuple[str, ...]
    scene: tuple[str, ...] = ()


def read(path: Path) -> list[Turn]:
    """Return the turns of a transcript."""
    turns, scene = list[Turn](), list[str]()
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("|"):
            last = turns.pop()
            turns.append(Turn(last.said, (*last.answered, line[1:].removeprefix(" ")), last.scene))
        elif line.startswith("#"):
            scene.append(line)
        elif line:
            turns.append(Turn(line, (), tuple(scene)))
            scene.clear()
    return turns


def replay(paths: Sequence[Path], data_dir: Path, started: Programs) -> dict[Path, list[Turn]]:
    """Play transcripts; return what was answered. Plays have a database each, the others share one as users of it."""
    scripts = {path: read(path) for path in paths}
    plays = {path: turns for path, turns in scripts.items() if _ROSTER.fullmatch(turns[0].said)}
    together = {path: turns for path, turns in scripts.items() if path not in plays}
    answers = iter(
        _run([_command(t.said, path.stem, {}) for path in together for t in together[path]], data_dir, started)
    )
    played = {path: [Turn(t.said, _drawn(next(answers)), t.scene) for t in turns] for path, turns in together.items()}
    for path, (first, *rest) in plays.items():
        stage = data_dir / path.stem
        for index in data_dir.glob("index*"):
            # The documents are the same on every stage.
            shutil.copytree(index, stage / index.name)
        codes = _enrol(first.said, rest[0].said, stage)
        answers = iter(_run([_command(turn.said, path.stem, codes) for turn in rest], stage, started))
        played[path] = [
            first,
            *(Turn(t.said, _drawn(next(answers), names_them=not _LINE.fullmatch(t.said)), t.scene) for t in rest),
        ]
    return {path: played[path] for path in paths}


def _enrol(roster: str, clock: str, data_dir: Path) -> dict[str, str]:
    """Put a play's roster into its database; return everybody's code, by name."""
    [name], [when] = _ROSTER.findall(roster), _CLOCK.findall(clock)
    config = load_config(PROJECT / "config.yaml", {"TUSOI_DATA_DIR": str(data_dir)})
    now = datetime.strptime(when, "%d/%m/%Y %H:%M").replace(tzinfo=HANOI)
    with open_store(config).transaction() as transaction:
        reported = import_roster(transaction, read_roster(FOLDER / name), now=now, dry_run=False)
    return {result.name: code for result, code in reported if code is not None}


def _run(commands: Sequence[Mapping[str, Any]], data_dir: Path, started: Programs) -> list[dict[str, Any]]:
    finished = started.run(
        "console",
        "--json",
        environment={**os.environ, "TUSOI_DATA_DIR": str(data_dir)},
        stdin="".join(f"{json.dumps(command, ensure_ascii=False)}\n" for command in commands).encode(),
    )
    finished.check_returncode()
    return [json.loads(line) for line in finished.stdout.decode().splitlines()]


def _command(said: str, user: str, codes: Mapping[str, str]) -> dict[str, Any]:
    if clock := _CLOCK.fullmatch(said):
        return {"now": datetime.strptime(clock[1], "%d/%m/%Y %H:%M").replace(tzinfo=HANOI).isoformat()}
    if block := _BLOCK.fullmatch(said):
        return {"block" if block[2] == "chặn" else "unblock": block[1]}
    line = _LINE.fullmatch(said)
    if line is None:
        raise ValueError(f"not a line of a transcript: {said!r}")
    who, text = line[1] or user, line[2]
    if tapped := re.fullmatch(r"\[(\d)\]", text):
        return {"user": who, "choose": int(tapped[1])}
    if sent := re.fullmatch(r"\[gửi tệp (\S+)\]", text):
        return {"user": who, "file": str(FOLDER / "files" / sent[1])}
    return {"user": who, "text": _CODE.sub(lambda found: codes[found[1]], text)}


def _drawn(answer: dict[str, Any], *, names_them: bool = False) -> tuple[str, ...]:
    if "error" in answer:
        return (f"error: {answer['error']}",)
    lines: list[str] = []
    for message in answer["messages"]:
        if message["edits"] is not None:
            # How far some work was, said in place; how it ended follows.
            continue
        # Who has spoken is answered; who hears something unasked is named.
        to = f"→ {message['to']}: " if names_them else ""
        lines += (to + message["text"]).split("\n")
        lines += [f"(tệp {file['name']})" for file in message["files"]]
        lines += [f"[{n}] {choice}" for n, choice in enumerate(message["choices"], 1)]
    return tuple(lines)


def write(path: Path, turns: Sequence[Turn]) -> None:
    """Write a transcript anew."""
    lines: list[str] = []
    for turn in turns:
        lines += [*([""] if lines and turn.scene else []), *turn.scene]
        lines += ["", turn.said, *(f"| {line}".rstrip() for line in turn.answered)]
    path.write_text("\n".join(lines).lstrip("\n") + "\n", encoding="utf-8")


def main() -> None:
    """Play every transcript, or those that are named, and write the answers down."""
    paths = [FOLDER / f"{name}.txt" for name in sys.argv[1:]] or sorted(FOLDER.glob("*.txt"))
    with tempfile.TemporaryDirectory() as folder, programs() as started:
        for path, turns in replay(paths, Path(folder), started).items():
            write(path, turns)


if __name__ == "__main__":
    main()
