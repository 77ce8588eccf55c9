"""Counts what a self-assessment costs a member, in chat: taps, messages, words to read, seconds: `make bench-taps`.

Prints Markdown for docs/figures.md. A script taps what a member would, through `console --json` and through `run` with
a local server that speaks Telegram. Seconds of the program are measured; how long a person reads and looks for a button
cannot be, so that is an assumption, stated and kept apart. Taps on the web page are counted in a browser, in
tests/bot/test_webpages_browser.py.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Protocol

from bot.app import open_store
from bot.config import load_config
from tests.soak.outside import PROJECT, Person, Program, Telegram, settle, telegram_server

NOW = datetime(2026, 11, 5, 8, tzinfo=timezone(timedelta(hours=7)))
# What a member needs beside the program: Vietnamese is written in syllables, and silent reading of plain prose takes
# about four a second; a tap, with finding the button, about a second. A typed word counts five taps.
SYLLABLES_A_SECOND = 4.0
TAP_S = 1.0
WORD_TAPS = 5

NONE, PRESENT = "Không có biểu hiện", "Có biểu hiện"


@dataclass(frozen=True, slots=True)
class Said:
    """An answer: what it says, the choices under it, seconds until it was there."""

    text: str
    choices: tuple[str, ...]
    seconds: float

    @property
    def lines(self) -> list[str]:
        """What there is to read, choices included."""
        return [*self.text.splitlines(), *self.choices]


class Phone(Protocol):
    """A person's chat: ConsolePhone through `console --json`, TelegramPhone through Telegram."""

    def say(self, text: str) -> Said:
        """Send words; return the answer."""

    def tap(self, label: str) -> Said:
        """Tap the first choice of the latest answer that has these words; return the answer."""


@dataclass
class Tally:
    """What a whole conversation took."""

    taps: int = 0
    typed: int = 0
    messages: int = 0
    syllables: int = 0
    new_syllables: int = 0
    seconds: float = 0.0
    slowest_s: float = 0.0
    receipt: str = ""
    lines: set[str] = field(default_factory=set)

    def add(self, said: Said) -> Said:
        """Count an answer."""
        self.messages += 1
        for line in said.lines:
            count = len(line.split())
            self.syllables += count
            self.new_syllables += 0 if line in self.lines else count
            self.lines.add(line)
        self.seconds, self.slowest_s = self.seconds + said.seconds, max(self.slowest_s, said.seconds)
        return said

    @property
    def hands_s(self) -> float:
        """Seconds for tapping and typing, by the assumptions above."""
        return (self.taps + WORD_TAPS * self.typed) * TAP_S

    @property
    def reads_s(self) -> float:
        """Seconds for reading every line once, however often it comes, by the assumptions above."""
        return self.new_syllables / SYLLABLES_A_SECOND


def assess(phone: Phone, *, present: tuple[int, ...] = ()) -> Tally:
    """Go from the first word to the receipt; the items that are named are reported to the cell."""
    tally = Tally()

    def tap(label: str) -> Said:
        tally.taps += 1
        return tally.add(phone.tap(label))

    def say(text: str) -> Said:
        tally.typed += 1
        return tally.add(phone.say(text))

    say("tự đánh giá")
    said = tap("Bắt đầu")
    while not any("Xác nhận nộp" in choice for choice in said.choices):
        said = tap("Cả nhóm" if any("Cả nhóm" in choice for choice in said.choices) else NONE)
    for number in present:
        say(f"sửa điều {number}")
        tap(PRESENT)
        tap("Báo cáo với chi bộ")
    tally.receipt = tap("Xác nhận nộp").text
    assert "Đã ghi nhận" in tally.receipt, tally.receipt
    return tally


class ConsolePhone:
    """A user of `console --json`."""

    def __init__(self, user: str, ask: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        self._user, self._ask = user, ask
        self._choices: tuple[str, ...] = ()

    def say(self, text: str) -> Said:
        """See Phone."""
        return self._answered({"text": text})

    def tap(self, label: str) -> Said:
        """See Phone."""
        number = next(n for n, choice in enumerate(self._choices, 1) if label in choice)
        return self._answered({"choose": number})

    def _answered(self, command: dict[str, Any]) -> Said:
        began = time.perf_counter()
        [message] = self._ask({"user": self._user, **command})["messages"]
        self._choices = tuple(message["choices"])
        return Said(message["text"], self._choices, time.perf_counter() - began)


class TelegramPhone:
    """A chat on a local server that speaks Telegram."""

    def __init__(self, chat_id: int, server: Telegram) -> None:
        self._chat_id, self._server = chat_id, server
        self._buttons: dict[str, str] = {}

    def say(self, text: str) -> Said:
        """See Phone."""
        return self._answered("text", {"text": text})

    def tap(self, label: str) -> Said:
        """See Phone."""
        return self._answered("tap", {"data": next(i for name, i in self._buttons.items() if label in name)})

    def _answered(self, what: str, body: dict[str, Any]) -> Said:
        before = len(self._sent())
        began = time.time()
        self._server.ask(what, {"chat_id": self._chat_id, **body})
        while len(sent := self._sent()) == before:
            if time.time() - began > 30:
                raise TimeoutError("no answer on Telegram")
            time.sleep(0.01)
        # By the server's own note of when it arrived: how often we look does not matter.
        at = sent[-1]["at"]
        keyboard = sent[-1].get("reply_markup", {}).get("inline_keyboard", [])
        pressed = [button for row in keyboard for button in row if "callback_data" in button]
        self._buttons = {button["text"]: button["callback_data"] for button in pressed}
        return Said(sent[-1]["text"], tuple(self._buttons), at - began)

    def _sent(self) -> list[dict[str, Any]]:
        transcript = self._server.ask("transcript", {"chat_id": self._chat_id})
        # The next item takes the place of the one before.
        return [entry for entry in transcript if entry["method"] in ("sendMessage", "editMessageText")]


@contextmanager
def console(folder: Path) -> Iterator[Callable[[dict[str, Any]], dict[str, Any]]]:
    """Give what asks `console --json` a line."""
    environment = {**os.environ, "TUSOI_DATA_DIR": str(folder / "data")}
    process = subprocess.Popen(
        [sys.executable, "-m", "bot", "console", "--json"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="utf-8",
        cwd=PROJECT,
        env=environment,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    stdin, stdout = process.stdin, process.stdout

    def ask(command: dict[str, Any]) -> dict[str, Any]:
        stdin.write(json.dumps(command, ensure_ascii=False) + "\n")
        stdin.flush()
        answer: dict[str, Any] = json.loads(stdout.readline())
        assert "error" not in answer, answer
        return answer

    try:
        yield ask
    finally:
        stdin.close()
        process.wait(30)
        stdout.close()


def on_the_console(folder: Path, present: tuple[int, ...]) -> Tally:
    """Hold the conversation through `console --json`."""
    config = load_config(None, {"TUSOI_DATA_DIR": str(folder / "data")})
    [[secretary, member]] = settle(config, cells=1, members=2)
    codes = {}
    with open_store(config).transaction() as transaction:
        for user, person in (("bi-thu", secretary), ("dang-vien", member)):
            codes[user] = transaction.people.issue_code(person.member_id, now=NOW, valid_for=timedelta(days=7))
    with console(folder) as ask:
        ask({"now": NOW.isoformat()})
        for user, code in codes.items():
            ask({"user": user, "text": f"/start {code}"})
        open_round(ConsolePhone("bi-thu", ask))
        return assess(ConsolePhone("dang-vien", ask), present=present)


def on_telegram(folder: Path, present: tuple[int, ...]) -> Tally:
    """Hold the conversation through `run` and a local server that speaks Telegram."""
    # The server knows who has written before, and the people are known only when they are settled.
    people: list[Person] = settle(Program(folder).config, cells=1, members=2)[0]
    with telegram_server([person.chat_id for person in people]) as server:
        program = Program(folder, server)
        program.start()
        try:
            program.wait_until_ready()
            secretary, member = (TelegramPhone(person.chat_id, server) for person in people)
            open_round(secretary)
            # The announcement is another message; it must not be taken for an answer.
            end = time.monotonic() + 40
            while len(server.sends()) < 4 and time.monotonic() < end:
                time.sleep(0.2)
            return assess(member, present=present)
        finally:
            program.stop()


def open_round(phone: Phone) -> None:
    """Let the secretary open the month's round."""
    phone.say("mở kỳ")
    assert "Đã mở kỳ" in phone.tap("Xác nhận").text


def main() -> None:
    """Hold all conversations and print what they took."""
    columns = (
        "taps",
        "typed words",
        "messages",
        "syllables",
        "without repeats",
        "program, s",
        "slowest, ms",
        "hands, s",
    )
    print("| in chat | " + " | ".join((*columns, "reading, s")) + " |")
    print("| --- |" + " ---: |" * (len(columns) + 1))
    for place, hold in (("console", on_the_console), ("Telegram", on_telegram)):
        for name, present in (("nothing to report", ()), ("two items to report", (12, 18))):
            with tempfile.TemporaryDirectory() as folder:
                tally = hold(Path(folder), present)
            print(
                f"| {place}, {name} | {tally.taps} | {tally.typed} | {tally.messages} | {tally.syllables} | "
                f"{tally.new_syllables} | {tally.seconds:.2f} | {tally.slowest_s * 1000:.0f} | {tally.hands_s:.0f} | "
                f"{tally.reads_s:.0f} |",
                flush=True,
            )
    print(
        f"\nHands: {TAP_S:g} s a tap, a typed word as {WORD_TAPS} taps. Reading: every line once, at "
        f"{SYLLABLES_A_SECOND:g} syllables a second. Both are assumed, not measured."
    )


if __name__ == "__main__":
    main()
