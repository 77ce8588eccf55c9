"""The machine that figures were measured on, in one line."""

import platform
import time

import psutil

_ADDITIONS = 5_000_000


def describe() -> str:
    """Return its shape, and how long a plain loop takes: machines of one shape are not equally fast every day."""
    memory = psutil.virtual_memory().total / 2**30
    seconds = min(_loop_s() for _ in range(3))
    shape = f"{psutil.cpu_count()} cores, {memory:.0f} GiB, {platform.system()}, Python {platform.python_version()}"
    return f"{shape}; a plain loop of five million multiply-adds takes {seconds:.2f} s"


def _loop_s() -> float:
    began, total = time.perf_counter(), 0
    for number in range(_ADDITIONS):
        total += number * 3
    return time.perf_counter() - began
