"""Whether a member's whole conversation works on a server of Telegram that we did not write."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.judge.conftest import INSTALLED
from tests.judge.phones import ForeignPhone, assess, codes, enrol, open_round, stopped
from tests.judge.proxy import proxy
from tests.soak.outside import Program

pytestmark = pytest.mark.judge

TOKEN = "123456:a-token-for-judges"


@pytest.fixture
def foreign() -> Iterator[Any]:
    """The package's server, a process of its own: {"port": …, "admin_port": …}."""
    if not (INSTALLED / "npm" / "node_modules").exists():
        pytest.fail("the npm package is not installed: run 'make judge'")
    process = subprocess.Popen(
        ["node", Path(__file__).with_name("mock_server.mjs"), INSTALLED / "npm"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.wait()


def test_a_member_goes_from_the_code_to_the_receipt(foreign: Any, tmp_path: Path) -> None:
    program = Program(tmp_path)
    held = codes(program.config)
    admin = f"http://127.0.0.1:{foreign['admin_port']}"
    phones = {name: ForeignPhone(2000 + n, admin, TOKEN) for n, name in enumerate(held)}
    secretary, member = phones["secretary"], phones["member"]
    answered: dict[str, list[int]] = {}
    with proxy(f"http://127.0.0.1:{foreign['port']}", answered) as base:
        program.environment |= {"TUSOI_TELEGRAM__TOKEN": TOKEN, "TUSOI_TELEGRAM__BASE_URL": f"{base}/bot"}
        with stopped(program):
            for phone, code in ((secretary, held["secretary"]), (member, held["member"])):
                enrol(phone, code)
            open_round(secretary)
            member.wait_for("mở kỳ")
            answer = assess(member, question="người đứng đầu chậm xử lý thì sao")
            progress = secretary.say("tiến độ")
    assert "mục 2.4, gạch đầu dòng 3" in answer
    assert "1/3 đã nộp" in progress
    # Each tap was answered, and nothing that speaks to a person was refused.
    sent = [event["method"] for event in member.outbound()]
    assert sent.count("answerCallbackQuery") >= 10
    assert {status for name in ("sendMessage", "editMessageText") for status in answered.get(name, [])} == {200}
    # What this server cannot do, and we live with: it takes commands as JSON only, and knows no menu button.
    assert set(answered["setMyCommands"]) == {400}
