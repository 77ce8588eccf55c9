"""Files read in a child process: what breaks, hangs or swells there costs that one file and nothing else."""

import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from knowledge.intake import wire
from knowledge.intake.model import DEFAULT_LIMITS, Intake, IntakeError, Limits, Refusal
from knowledge.intake.names import safe_name

_ROOT = Path(__file__).resolve().parents[2]
_COMMAND = [sys.executable, "-s", "-m", "knowledge.intake"]
# What a child may know of the world; nothing of ours is among it.
_KEPT_VARIABLES = ("PATH", "TESSDATA_PREFIX", "LD_LIBRARY_PATH", "SYSTEMROOT")
_START_SECONDS = 20.0
_FILES_PER_CHILD = 50
_CHUNK = 1 << 16
# A character is at most six bytes of JSON, and findings and offsets come on top.
_BYTES_PER_CHARACTER, _SPARE_BYTES = 6, 4_000_000


class ChildError(RuntimeError):
    """The child does not start: no file can be read, whatever is in it."""


def intake(path: Path, limits: Limits = DEFAULT_LIMITS) -> Intake:
    """Return the text of a file, read in a child process.

    Raises:
        IntakeError: the file is not taken, and why.
        ChildError: no file can be read.
    """
    for result in intake_many([path], limits):
        if isinstance(result, IntakeError):
            raise result
        return result
    raise AssertionError("one path has one result")


def intake_many(paths: Iterable[Path], limits: Limits = DEFAULT_LIMITS) -> Iterator[Intake | IntakeError]:
    """Yield what became of each file, in order; one child reads many, and a new one follows where it dies.

    Raises:
        ChildError: no file can be read.
    """
    child: _Child | None = None
    try:
        for path in paths:
            if child is None:
                child = _Child()
            yield child.read(path, limits)
            if child.is_spent:
                child.close()
                child = None
    finally:
        if child is not None:
            child.close()


class _Child:
    """A process that reads files, in a session and a temporary folder of its own."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="tusoi-intake-", ignore_cleanup_errors=True)
        variables = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
        places = dict.fromkeys(["HOME", "TMPDIR"], self._folder.name)
        one_thread = dict.fromkeys(["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OMP_THREAD_LIMIT"], "1")
        try:
            self._process = subprocess.Popen(
                _COMMAND,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=_ROOT,
                env={**variables, **places, **one_thread, "LANG": "C.UTF-8"},
                start_new_session=True,
            )
        except BaseException:
            self._folder.cleanup()
            raise
        self._files = 0
        self._rest = b""
        self._is_ready = False
        self.is_spent = False

    def read(self, path: Path, limits: Limits) -> Intake | IntakeError:
        """Return what became of a file; after a mishap the child is spent."""
        self._files += 1
        self.is_spent = self._files >= _FILES_PER_CHILD
        if not self._is_ready:
            self._wait_until_ready(limits)
        deadline = time.monotonic() + limits.seconds
        try:
            self._send(wire.ask(path, limits))
            while True:
                line = self._line(deadline, limits)
                said = wire.understood(line, path.name)
                if not isinstance(said, float):
                    return said
                most = limits.seconds + limits.pages * limits.ocr_seconds_per_page
                deadline = time.monotonic() + min(max(said, 0.0), most)
        except TimeoutError:
            return self._refused(path, Refusal.TOO_LONG, {"seconds": f"{limits.seconds:g}"})
        except (EOFError, BrokenPipeError):
            return self._died(path, limits)
        except wire.RubbishError:
            return self._refused(path, Refusal.BROKEN)

    def _wait_until_ready(self, limits: Limits) -> None:
        try:
            self._is_ready = self._line(time.monotonic() + _START_SECONDS, limits) + b"\n" == wire.READY
        except (EOFError, TimeoutError, wire.RubbishError) as error:
            raise ChildError(f"'{' '.join(_COMMAND)}' does not start: run it by hand to see why") from error
        if not self._is_ready:
            raise ChildError(f"'{' '.join(_COMMAND)}' is not the child that was asked for")

    def close(self) -> None:
        """End the process with everything that it started, and remove what it wrote."""
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            # All of it is gone already.
            self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:
                    # What was left to send has nobody to hear it.
                    continue
        self._folder.cleanup()

    def _refused(self, path: Path, refusal: Refusal, facts: dict[str, str] | None = None) -> IntakeError:
        self.is_spent = True
        return IntakeError(safe_name(path.name), refusal, facts)

    def _died(self, path: Path, limits: Limits) -> IntakeError:
        """Return what the way in which the child ended tells of the file."""
        code = self._process.wait()
        if code == -signal.SIGXCPU:
            return self._refused(path, Refusal.TOO_LONG, {"seconds": f"{limits.seconds:g}"})
        # The system kills what takes the machine's last memory.
        return self._refused(path, Refusal.TOO_MUCH_MEMORY if code == -signal.SIGKILL else Refusal.BROKEN)

    def _send(self, line: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line)
        self._process.stdin.flush()

    def _line(self, deadline: float, limits: Limits) -> bytes:
        """Return the child's next line; it must come in time and not be longer than any honest one."""
        assert self._process.stdout is not None
        most = limits.characters * _BYTES_PER_CHARACTER + _SPARE_BYTES
        chunks, size = [self._rest], len(self._rest)
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while b"\n" not in chunks[-1]:
                left = deadline - time.monotonic()
                if left <= 0 or not selector.select(left):
                    raise TimeoutError
                chunk = os.read(self._process.stdout.fileno(), _CHUNK)
                if not chunk:
                    raise EOFError
                size += len(chunk)
                if size > most:
                    raise wire.RubbishError("a line without end")
                chunks.append(chunk)
        line, _, self._rest = b"".join(chunks).partition(b"\n")
        return line
