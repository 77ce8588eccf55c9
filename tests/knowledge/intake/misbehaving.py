"""The child of intake with a reader that does what the first word of a plain text says."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from knowledge.intake import __main__ as child
from knowledge.intake import text
from knowledge.intake.model import Extracted, Limits

_honest = text.read_text


def read_text(path: Path, limits: Limits) -> Extracted:
    word, _, rest = path.read_text(encoding="utf-8").partition(" ")
    if word == "loop":
        while True:
            pass
    if word == "hog":
        kept = []
        while True:
            kept.append(bytearray(50_000_000))
    if word == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if word == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if word == "raise":
        raise ZeroDivisionError
    if word == "rubbish":
        _say(b"{not json}\n")
    if word == "forge":
        _say(b'{"intake": {"name": "x", "text": 3}}\n')
    if word == "flood":
        while True:
            _say(b"x" * 65_536)
    if word == "print":
        sys.stdout.write('{"refusal": "empty", "facts": {}}\n')
        sys.stdout.flush()
    if word == "leave":
        # A process that outlives its parent, if nobody ends it, and a file that stays, if nobody removes it.
        sleeper = subprocess.Popen(["sleep", "300"], stdout=subprocess.DEVNULL)
        Path(rest.strip()).write_text(str(sleeper.pid))
        (Path(os.environ["TMPDIR"]) / "left").write_text("x")
        while True:
            signal.pause()
    if word == "fill":
        with (Path(os.environ["TMPDIR"]) / "large").open("wb") as file:
            while True:
                file.write(b"x" * 1_000_000)
    if word == "call":
        try:
            socket.create_connection(("127.0.0.1", int(rest)), timeout=2)
        except PermissionError:
            path.write_text("refused here", encoding="utf-8")
        script = f"exec 3<>/dev/tcp/127.0.0.1/{int(rest)}"
        if subprocess.run(["bash", "-c", script], stderr=subprocess.DEVNULL, check=False).returncode:
            path.write_text("refused here and there", encoding="utf-8")
    if word == "look":
        path.write_text(" ".join(sorted(os.environ)), encoding="utf-8")
    return _honest(path, limits)


def _say(line: bytes) -> None:
    for descriptor in range(3, 10):
        try:
            os.write(descriptor, line)
        except OSError:
            continue


if __name__ == "__main__":
    text.read_text = read_text
    child.main()
