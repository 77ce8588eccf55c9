"""Whole conversations, read like a play and replayed through `python -m bot console --json`.

A transcript holds what the person types ("> …"), taps ("> [2]"), and what the assistant answers ("| …", choices as
"| [1] …"); lines that begin with "#" say what the scene shows.

Run `python -m tests.transcripts.replay` to write the answers of the present program into the transcripts: read the
difference before you keep it.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
PROJECT = FOLDER.parent.parent


@dataclass(frozen=True, slots=True)
class Turn:
    """What a person did, and the lines that answered it."""

    said: str
    answered: tuple[str, ...]


def read(path: Path) -> tuple[list[str], list[Turn]]:
    """Return the leading comments and the turns of a transcript."""
    comments, turns = [], list[Turn]()
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("> "):
            turns.append(Turn(line[2:], ()))
        elif line.startswith("|"):
            last = turns.pop()
            turns.append(Turn(last.said, (*last.answered, line[1:].removeprefix(" "))))
        elif line.startswith("#"):
            comments.append(line)
    return comments, turns


def replay(paths: Sequence[Path], data_dir: Path) -> dict[Path, list[Turn]]:
    """Play transcripts, each as a user of its own, in one process; return what was answered."""
    scripts = {path: read(path)[1] for path in paths}
    lines = [_command(path.stem, turn.said) for path, turns in scripts.items() for turn in turns]
    finished = subprocess.run(
        [sys.executable, "-m", "bot", "console", "--json"],
        input="".join(f"{line}\n" for line in lines),
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=PROJECT,
        env={**os.environ, "TUSOI_DATA_DIR": str(data_dir)},
        timeout=60,
        check=True,
    )
    answers = iter(finished.stdout.splitlines())
    return {
        path: [Turn(turn.said, _drawn(json.loads(next(answers)))) for turn in turns] for path, turns in scripts.items()
    }


def _command(user: str, said: str) -> str:
    tapped = re.fullmatch(r"\[(\d)\]", said)
    command = {"choose": int(tapped[1])} if tapped else {"text": said}
    return json.dumps({"user": user, **command}, ensure_ascii=False)


def _drawn(answer: dict[str, Any]) -> tuple[str, ...]:
    if "error" in answer:
        return (f"error: {answer['error']}",)
    lines: list[str] = []
    for message in answer["messages"]:
        lines += message["text"].split("\n")
        lines += [f"[{n}] {choice}" for n, choice in enumerate(message["choices"], 1)]
    return tuple(lines)


def write(path: Path, turns: Sequence[Turn]) -> None:
    """Write a transcript anew, comments kept."""
    lines = read(path)[0]
    for turn in turns:
        lines += ["", f"> {turn.said}", *(f"| {line}".rstrip() for line in turn.answered)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    """Play every transcript and write the answers down."""
    paths = sorted(FOLDER.glob("*.txt"))
    with tempfile.TemporaryDirectory() as folder:
        for path, turns in replay(paths, Path(folder)).items():
            write(path, turns)


if __name__ == "__main__":
    main()
