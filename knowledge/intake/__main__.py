"""The child that reads files: `python -m knowledge.intake`, a path a line in, an answer a line out."""

import ctypes
import os
import resource
import sys
import traceback
from pathlib import Path
from typing import BinaryIO

from knowledge.intake import wire
from knowledge.intake.model import Intake, IntakeError, Limits, Refusal
from knowledge.intake.reader import read_file

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_FORBIDDEN = frozenset({"socket.__new__", "socket.connect", "socket.bind", "socket.getaddrinfo", "socket.sendto"})
_SPARE_SECONDS = 5


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Say that we are there, then answer every line until there are no more."""
    answers.write(wire.READY)
    answers.flush()
    for line in iter(requests.readline, b""):
        path, limits = wire.asked(line)
        _limit(limits)

        def allow(seconds: float) -> None:
            _limit_processor(seconds)
            answers.write(wire.allowance(seconds))
            answers.flush()

        result: Intake | IntakeError
        try:
            result = read_file(path, limits, allow=allow)
            reply = wire.answer(result)
        except IntakeError as error:
            reply = wire.answer(error)
        except MemoryError:
            reply = wire.answer(IntakeError(path.name, Refusal.TOO_MUCH_MEMORY))
        except Exception as error:
            # A file that no reader expects. Where it happened may be told, the words of the error may not.
            place = traceback.extract_tb(error.__traceback__)[-1]
            problem = f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}"
            reply = wire.answer(IntakeError(path.name, Refusal.BROKEN, {"problem": problem}))
        answers.write(reply)
        answers.flush()


def _limit(limits: Limits) -> None:
    """Bound memory, processor time and what is written.

    The number of processes is left alone: it is counted for the whole user, not for this child.
    """
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (_at_most(limits.memory_bytes, hard), hard))
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (_at_most(limits.unpacked_bytes, hard), hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _limit_processor(limits.seconds)


def _limit_processor(seconds: float) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    soft = int(used.ru_utime + used.ru_stime + seconds) + _SPARE_SECONDS
    resource.setrlimit(resource.RLIMIT_CPU, (_at_most(soft, hard), hard))


def _at_most(value: int, hard: int) -> int:
    return value if hard == resource.RLIM_INFINITY else min(value, hard)


def _leave_network() -> None:
    """Shut the network off: refuse sockets here, and give programs started from here an empty network if we may."""

    def refuse(event: str, _arguments: object) -> None:
        if event in _FORBIDDEN:
            raise PermissionError("files are read without a network")

    sys.addaudithook(refuse)
    if sys.platform == "linux":
        # A failure leaves the refusal above; programs that are started (Tesseract, LibreOffice) ask for no network.
        flags = _CLONE_NEWNET if os.geteuid() == 0 else _CLONE_NEWUSER | _CLONE_NEWNET
        ctypes.CDLL(None, use_errno=True).unshare(flags)


def main() -> None:
    """Serve standard input; whatever a library prints goes nowhere near the answers."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    _leave_network()
    serve(sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
