"""People with phones, on whatever server speaks Telegram, and the cell that they are in."""

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from assessment.model import Role
from bot.app import open_store
from bot.config import Config
from tests.soak.outside import Telegram

ANSWERED_WITHIN_S = 60.0
# So long after a message nothing else is said in answer to the same.
QUIET_S = 0.5


@dataclass(frozen=True, slots=True)
class Heard:
    """A message as it stands in a chat, or a file.

    Attributes:
        message_id: two with the same one are the same message, said anew.
        buttons: (label, callback data), in order.
        file_name: of a file; "" where it is none.
    """

    message_id: int
    text: str
    buttons: tuple[tuple[str, str], ...] = ()
    file_name: str = ""


class Phone(ABC):
    """A person's private chat with the bot."""

    def __init__(self, chat_id: int) -> None:
        self.chat_id = chat_id

    @abstractmethod
    def heard(self) -> list[Heard]:
        """Return what the bot has said so far, in order, changes of earlier messages included."""

    @abstractmethod
    def write(self, text: str) -> None:
        """Send a text."""

    @abstractmethod
    def press(self, on: Heard, data: str) -> None:
        """Press a button under a message."""

    def say(self, text: str) -> str:
        """Send a text; return what is answered."""
        before = len(self.heard())
        self.write(text)
        return self._answer(before)

    def tap(self, label: str) -> str:
        """Press the button that has these words, under the latest message that has such a one; return the answer."""
        said = self.heard()
        on, data = next((one, data) for one in reversed(said) for name, data in one.buttons if label in name)
        self.press(on, data)
        return self._answer(len(said))

    @property
    def labels(self) -> list[str]:
        """What can be pressed under the latest message that has buttons."""
        return next(([name for name, _ in one.buttons] for one in reversed(self.heard()) if one.buttons), [])

    def wait_for(self, words: str) -> None:
        """Return when the bot has said these words.

        Raises:
            TimeoutError: it does not.
        """
        self._until(lambda: any(words in one.text for one in self.heard()))

    def _answer(self, before: int) -> str:
        self._until(lambda: len(self.heard()) > before)
        count = 0
        while count != (count := len(self.heard())):
            time.sleep(QUIET_S)
        return "\n".join(one.text for one in self.heard()[before:])

    def _until(self, condition: Any) -> None:
        end = time.monotonic() + ANSWERED_WITHIN_S
        while not condition():
            if time.monotonic() > end:
                raise TimeoutError(f"no answer; the last was: {[one.text for one in self.heard()[-1:]]}")
            time.sleep(0.05)


class OurPhone(Phone):
    """A chat on our own Telegram server, in a process of its own."""

    def __init__(self, chat_id: int, server: Telegram) -> None:
        super().__init__(chat_id)
        self._server = server

    def heard(self) -> list[Heard]:
        """See Phone."""
        said = self._server.ask("transcript", {"chat_id": self.chat_id})
        methods = ("sendMessage", "editMessageText", "sendDocument", "sendPhoto")
        return [
            Heard(one["message_id"], one.get("text", ""), _buttons(one.get("reply_markup")), one.get("name", ""))
            for one in said
            if one["method"] in methods
        ]

    def write(self, text: str) -> None:
        """See Phone."""
        self._server.ask("text", {"chat_id": self.chat_id, "text": text})

    def press(self, on: Heard, data: str) -> None:  # noqa: ARG002
        """See Phone; the server finds the message by itself."""
        self._server.ask("tap", {"chat_id": self.chat_id, "data": data})


class ForeignPhone(Phone):
    """A chat on the npm package's server, which is told every update whole and lists what was sent."""

    def __init__(self, chat_id: int, admin_url: str, token: str) -> None:
        super().__init__(chat_id)
        self._token = token
        self._client = httpx.Client(base_url=admin_url, timeout=10, verify=False)
        self._updates = 0

    def outbound(self) -> list[dict[str, Any]]:
        """Return {"method": …, "payload": …} of all that the bot sent, to anybody."""
        answer = self._client.get("/_mock/outbound", params={"token": self._token})
        events: list[dict[str, Any]] = answer.raise_for_status().json()["events"]
        return events

    def heard(self) -> list[Heard]:
        """See Phone."""
        said, message_id = [], 0
        for event in self.outbound():
            method, payload = event["method"], event["payload"]
            # The server counts messages as they come, whoever gets them.
            message_id += method == "sendMessage"
            if str(payload.get("chat_id")) != str(self.chat_id) or method not in ("sendMessage", "editMessageText"):
                continue
            number = message_id if method == "sendMessage" else int(payload["message_id"])
            said.append(Heard(number, payload.get("text", ""), _buttons(payload.get("reply_markup"))))
        return said

    def write(self, text: str) -> None:
        """See Phone."""
        entities = [{"type": "bot_command", "offset": 0, "length": len(text.split()[0])}] if text[0] == "/" else []
        self._inject({"message": self._message(text, entities=entities, sender=self._person())})

    def press(self, on: Heard, data: str) -> None:
        """See Phone."""
        bot = {"id": 1000000, "is_bot": True, "first_name": "MockBot"}
        query = {"id": f"q{self._updates}", "from": self._person(), "chat_instance": "1", "data": data}
        self._inject({"callback_query": query | {"message": self._message(on.text, on.message_id, sender=bot)}})

    def _person(self) -> dict[str, Any]:
        return {"id": self.chat_id, "is_bot": False, "first_name": "Người"}

    def _message(
        self, text: str, message_id: int | None = None, *, sender: Any, entities: Any = ()
    ) -> dict[str, Any]:  # fmt: skip
        return {
            "message_id": message_id or 100_000 + self._updates,
            "date": int(time.time()),
            "chat": {"id": self.chat_id, "type": "private"},
            "from": sender,
            "text": text,
            "entities": list(entities),
        }

    def _inject(self, update: dict[str, Any]) -> None:
        self._updates += 1
        self._client.post("/_mock/injectUpdate", json={"token": self._token, "update": update}).raise_for_status()


def _buttons(markup: Any) -> tuple[tuple[str, str], ...]:
    found = json.loads(markup) if isinstance(markup, str) else markup or {}
    return tuple(
        (button["text"], button["callback_data"])
        for row in found.get("inline_keyboard", [])
        for button in row
        if "callback_data" in button
    )


def codes(config: Config) -> dict[str, str]:
    """Put a cell into the database; return the codes by which its people enrol: secretary, member, admin."""
    roles = {"secretary": (Role.SECRETARY,), "member": (), "admin": (Role.ADMIN,)}
    store = open_store(config)
    with store.transaction() as transaction:
        people = transaction.people
        cell = people.add_cell(people.add_organization("Đảng bộ xã An Bình"), "Chi bộ 3")
        now = datetime.now(UTC)
        return {
            name: people.issue_code(
                people.add_member(cell, f"Đồng chí {name}", roles=held), now=now, valid_for=timedelta(days=7)
            )
            for name, held in roles.items()
        }


def enrol(phone: Phone, code: str) -> None:
    """Let a person link the phone by the code and agree."""
    phone.say(f"/start {code}")
    assert "đã lưu sự đồng ý" in phone.tap("Đồng ý")


def open_round(secretary: Phone) -> None:
    """Let the secretary open the month's round."""
    secretary.say("mở kỳ")
    assert "Đã mở kỳ" in secretary.tap("Xác nhận")


def assess(member: Phone, *, question: str) -> str:
    """Answer all 19 items, with a question in the middle; return the receipt and what the question was answered."""
    member.say("tự đánh giá")
    member.tap("Bắt đầu")
    member.tap("Cả nhóm")
    answer = member.say(question)
    member.say("tự đánh giá")
    for _ in range(40):
        labels = member.labels
        if any("Xác nhận nộp" in label for label in labels):
            break
        member.tap("Cả nhóm" if any("Cả nhóm" in label for label in labels) else "Không có biểu hiện")
    receipt = member.tap("Xác nhận nộp")
    assert "Đã ghi nhận" in receipt, receipt
    assert "19 điều" in receipt, receipt
    return answer


@contextmanager
def stopped(program: Any) -> Iterator[Any]:
    """Give a program that is started, and end it."""
    program.start()
    try:
        program.wait_until_ready()
        yield program
    finally:
        program.kill()
