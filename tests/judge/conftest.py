import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import pytest

PROJECT = Path(__file__).parents[2]
# What `make judge` has installed.
INSTALLED = PROJECT / ".judge"


class Judge(Protocol):
    def __call__(self, exchanges: Sequence[Any]) -> Any: ...


@pytest.fixture
def aiogram(tmp_path: Path) -> Judge:
    """Return what aiogram says of exchanges, see with_aiogram.py."""
    python = INSTALLED / "venv" / "bin" / "python"
    if not python.exists():
        pytest.fail("aiogram is not installed: run 'make judge'")

    def judge(exchanges: Sequence[Any]) -> Any:
        path = tmp_path / "exchanges.jsonl"
        path.write_text("".join(json.dumps(exchange) + "\n" for exchange in exchanges), encoding="utf-8")
        told = subprocess.run(
            [python, Path(__file__).with_name("with_aiogram.py"), path], capture_output=True, text=True, check=True
        )
        return json.loads(told.stdout)

    return judge
