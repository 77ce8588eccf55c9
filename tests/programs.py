"""Programs of ours, each in a process of its own, that begin at once: a process that has loaded everything forks them.

They get their own environment, files for what they read and write, and can be killed. What a fresh interpreter does
at its start is for tests that start one; see tests/bot/test_cli.py.
"""

import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from embeddings.encoder import make_encoder
from knowledge.accents import load_accents
from knowledge.lexicon import load_lexicon

PROJECT = Path(__file__).parent.parent
_STREAMS = (("stdin", os.O_RDONLY), ("stdout", os.O_WRONLY), ("stderr", os.O_WRONLY))
_LOOKS_EVERY_S = 0.005


@dataclass(frozen=True, slots=True)
class Program:
    """One that was started; its files lie in a folder."""

    folder: Path

    @property
    def pid(self) -> int:
        """Its process; waits until there is one."""
        return int(self._told("pid", 30))

    def wait(self, timeout_s: float) -> int:
        """Return its exit status, -9 where it was killed.

        Raises:
            TimeoutError: it still runs.
        """
        return int(self._told("status", timeout_s))

    def kill(self) -> None:
        """End it as a power cut would."""
        if not (self.folder / "status").exists():
            os.kill(self.pid, signal.SIGKILL)

    def lines(self, count: int, timeout_s: float = 30) -> int:
        """Wait until it has written so many lines or ended; return how many it has."""
        until = time.monotonic() + timeout_s
        while True:
            ended = (self.folder / "status").exists()
            written = (self.folder / "stdout").read_bytes().count(b"\n")
            if written >= count or ended:
                return written
            if time.monotonic() > until:
                raise TimeoutError(f"{written} lines of {count} after {timeout_s} s")
            time.sleep(_LOOKS_EVERY_S)

    def _told(self, name: str, timeout_s: float) -> str:
        until = time.monotonic() + timeout_s
        while not (self.folder / name).exists():
            if time.monotonic() > until:
                raise TimeoutError(f"no {name} after {timeout_s} s: {(self.folder / 'stderr').read_text('utf-8')}")
            time.sleep(_LOOKS_EVERY_S)
        return (self.folder / name).read_text(encoding="ascii")


class Programs:
    """Starts programs; see programs."""

    def __init__(self, server: "subprocess.Popen[bytes]", folder: Path) -> None:
        self._server, self._folder = server, folder

    def start(
        self, *arguments: str, environment: Mapping[str, str], stdin: bytes = b"", code: str | None = None
    ) -> Program:
        """Start `python -m bot ARGUMENTS`, or with code `python -c CODE ARGUMENTS`."""
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        for name, content in (("stdin", stdin), ("stdout", b""), ("stderr", b"")):
            (folder / name).write_bytes(content)
        order = {"folder": str(folder), "arguments": arguments, "environment": dict(environment), "code": code}
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps(order).encode() + b"\n")
        self._server.stdin.flush()
        return Program(folder)

    def run(
        self, *arguments: str, environment: Mapping[str, str], stdin: bytes = b"", timeout_s: float = 180
    ) -> "subprocess.CompletedProcess[bytes]":
        """Run `python -m bot ARGUMENTS` to its end."""
        program = self.start(*arguments, environment=environment, stdin=stdin)
        try:
            status = program.wait(timeout_s)
        except TimeoutError:
            program.kill()
            raise
        said = [(program.folder / name).read_bytes() for name in ("stdout", "stderr")]
        return subprocess.CompletedProcess(["bot", *arguments], status, *said)


@contextmanager
def programs() -> Iterator[Programs]:
    """Give what starts programs, until the end of the block."""
    with tempfile.TemporaryDirectory(prefix="tu-soi-programs-") as folder:
        server = subprocess.Popen([sys.executable, "-m", "tests.programs"], stdin=subprocess.PIPE, cwd=PROJECT)
        try:
            yield Programs(server, Path(folder))
        finally:
            assert server.stdin is not None
            server.stdin.close()
            server.wait(30)


# --- The process that forks them -----------------------------------------------------------------------------------


def _serve() -> None:
    for name in ("bot.app", "bot.check", "bot.keys", "bot.reloading", "handlers.question", "knowledge.cards"):
        importlib.import_module(name)
    make_encoder("bundled")
    load_lexicon()
    load_accents()
    # Nobody waits for those that wait for the programs.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin.buffer:
        order = json.loads(line)
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _keep(order)


def _keep(order: Mapping[str, Any]) -> NoReturn:
    """Start one program, wait for it and tell how it ended."""
    folder = Path(order["folder"])
    pid = os.fork()
    if pid == 0:
        _become(order, folder)
    _tell(folder, "pid", pid)
    _, status = os.waitpid(pid, 0)
    _tell(folder, "status", os.waitstatus_to_exitcode(status))
    os._exit(0)


def _become(order: Mapping[str, Any], folder: Path) -> NoReturn:
    status = 1
    try:
        os.environ.clear()
        os.environ.update(order["environment"])
        for number, (name, flags) in enumerate(_STREAMS):
            opened = os.open(folder / name, flags)
            os.dup2(opened, number)
            os.close(opened)
        sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")  # noqa: SIM115
        status = _status(order["arguments"], order["code"])
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _status(arguments: Sequence[str], code: str | None) -> int:
    """Return how the program ends."""
    from bot.__main__ import main

    sys.argv = ["bot" if code is None else "-c", *arguments]
    try:
        if code is None:
            return main(list(arguments))
        exec(code, {"__name__": "__main__"})
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return 0


def _tell(folder: Path, name: str, number: int) -> None:
    aside = folder / f".{name}"
    aside.write_text(str(number), encoding="ascii")
    aside.replace(folder / name)


if __name__ == "__main__":
    _serve()
