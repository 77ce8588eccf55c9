"""Loads are killed at any moment: what answered goes on answering, whole, and the next load succeeds."""

import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from knowledge.library import Library

pytestmark = pytest.mark.soak

PROJECT = Path(__file__).parent.parent.parent
KILLS = 40
QUESTION = "Quy định 5 điều 1 nói gì"
ENTRY = """---
number: "5-QĐ/TW"
kind: quy định
title: "Quy định về trồng cây"
issuer: "Bộ Chính trị"
date: "2026-05-05"
status: "đang thực hiện"
text_kind: official
confidence: verified
---

## Điều 1. Trồng cây

Mỗi chi bộ trồng {count} cây bàng.
"""


def test_no_kill_leaves_half_a_version(tmp_path: Path) -> None:
    shutil.copytree(PROJECT / "knowledge" / "documents", tmp_path / "documents")
    environment = {
        **os.environ,
        "TUSOI_DATA_DIR": str(tmp_path / "data"),
        "TUSOI_DOCUMENTS__FOLDER": str(tmp_path / "documents"),
    }
    path = tmp_path / "documents" / "5-qd-tw-2026.md"
    path.write_text(ENTRY.format(count=0), encoding="utf-8")

    def run(*arguments: str, kill_after_s: float | None = None) -> str:
        command = [sys.executable, "-m", "bot", *arguments]
        program = subprocess.Popen(
            command, cwd=PROJECT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        if kill_after_s is not None:
            time.sleep(kill_after_s)
            program.kill()
        return program.communicate(timeout=120)[0]

    began = time.monotonic()
    assert json.loads(run("reload", "--json"))["version"] == 1
    takes_s = time.monotonic() - began
    # Told apart from an ordinary start: loads happen only here, not at the start that asks.
    dice = random.Random(5)
    loaded = cut_off = 0
    for number in range(1, KILLS + 1):
        before = Library(tmp_path / "data" / "library").current_number()
        path.write_text(ENTRY.format(count=number), encoding="utf-8")
        said = run("reload", "--json", kill_after_s=dice.uniform(0, 1.3 * takes_s))
        after = Library(tmp_path / "data" / "library").current_number()
        assert after in (before, (before or 0) + 1)
        loaded += bool(said)
        cut_off += after == before
        # A start takes up what the folder holds, and quotes it whole.
        answer = json.loads(run("ask", "--json", QUESTION))
        assert f"trồng {number} cây bàng" in answer["hits"][0]["quote"]
        assert not list((tmp_path / "data" / "library" / "snapshots").glob("*.json.tmp"))
    print(f"{KILLS} kills: {loaded} loads ended before, {cut_off} cut off before their version answered")
    assert cut_off > KILLS // 4
