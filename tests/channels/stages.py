"""Where a transcript is played: in the terminal, on the web page, in Telegram and in Zalo; what is heard is compared.

Each place draws a message its own way. What is drawn is taken apart by one function for each of them, which insists on
how that place draws: only then the words and choices below it are the same as elsewhere.
"""

import asyncio
import io
import json
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import httpx

from bot.channels.console import Console
from bot.channels.web_requests import COOKIE
from bot.channels.webchat import WebChat
from bot.config import WebConfig
from bot.gateway import Gateway
from bot.scheduler import QueueDue
from handlers import channel_texts
from handlers.reminders import queue_some
from storage.store import Store
from tests.builders import known_checklists
from tests.channels.program import Clock, Program, until
from tests.servers.telegram import TelegramServer
from tests.servers.zalo import ZaloServer
from tests.transcripts.replay import HANOI, Turn

_LINE = re.compile(r"([\w-]*)> (.*)")
_CLOCK = re.compile(r"\[(\d\d/\d\d/\d{4} \d\d:\d\d)\]")
_BLOCK = re.compile(r"\[([\w-]+) (bỏ chặn|chặn)\]")
_CODE = re.compile(r"\{mã ([^}]+)\}")
_CHOICE = re.compile(r"(\d)\. (.+)")
_SIGN = "⚠️ "
_SHORTENED = "…"


@dataclass(frozen=True, slots=True)
class Said:
    """What a person was told at once.

    Attributes:
        lines: of the text, but for empty ones.
        choices: without their numbers, in order.
        files: their names.
        notices: the lines with which notices begin; None where a place draws them as any other text.
    """

    lines: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    notices: tuple[str, ...] | None = ()


class Stage(Protocol):
    """A place where people talk to the program."""

    async def tell(self, who: str, text: str) -> Said:
        """Write something; return the answer."""

    async def choose(self, who: str, number: int) -> Said:
        """Take a choice of the latest message that had any; return the answer."""

    async def set_clock(self, now: datetime) -> dict[str, Said]:
        """Let it be so late and do what is due; return who heard what."""

    async def block(self, who: str, *, blocked: bool) -> None:
        """Let a person refuse our messages, or take them again."""


async def perform(stage: Stage, turns: Sequence[Turn], user: str, codes: Mapping[str, str]) -> list[dict[str, Said]]:
    """Play a transcript; return for each of its turns who heard what."""
    heard: list[dict[str, Said]] = []
    for turn in turns:
        if clock := _CLOCK.fullmatch(turn.said):
            heard.append(await stage.set_clock(moment(clock[1])))
        elif block := _BLOCK.fullmatch(turn.said):
            await stage.block(block[1], blocked=block[2] == "chặn")
            heard.append({})
        else:
            line = _LINE.fullmatch(turn.said)
            assert line is not None, turn.said
            who, text = line[1] or user, _CODE.sub(lambda found: codes[found[1]], line[2])
            tapped = re.fullmatch(r"\[(\d)\]", text)
            said = await stage.choose(who, int(tapped[1])) if tapped else await stage.tell(who, text)
            heard.append({who: said})
    return heard


def moment(written: str) -> datetime:
    """Return the time that a transcript names."""
    return datetime.strptime(written, "%d/%m/%Y %H:%M").replace(tzinfo=HANOI)


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.rstrip() for line in text.split("\n") if line.strip())


def _together(said: Sequence[Said]) -> Said:
    """Return several messages as one."""
    notices = None if any(each.notices is None for each in said) else tuple(n for e in said for n in e.notices or ())
    return Said(
        tuple(line for each in said for line in each.lines),
        tuple(choice for each in said for choice in each.choices),
        tuple(name for each in said for name in each.files),
        notices,
    )


def queue_due() -> QueueDue:
    """Return what opens rounds and queues reminders."""
    checklists = {(checklist.id, checklist.version): checklist for checklist in known_checklists()}
    return lambda transaction, now, after: queue_some(transaction, now=now, checklists=checklists, after=after)


# --- The terminal -------------------------------------------------------------------------------------------------


class ConsoleStage:
    """`python -m bot console --json`."""

    def __init__(self, store: Store, gateway: Gateway, clock: Clock) -> None:
        self._console = Console(gateway, store, queue_due())
        self._clock = clock

    async def begin(self) -> None:
        """Let the terminal have the play's time."""
        assert self._clock.set_to is not None
        await self._do({"now": self._clock.set_to.isoformat()})

    async def tell(self, who: str, text: str) -> Said:
        return _together([from_console(m) for m in await self._do({"user": who, "text": text})])

    async def choose(self, who: str, number: int) -> Said:
        return _together([from_console(m) for m in await self._do({"user": who, "choose": number})])

    async def set_clock(self, now: datetime) -> dict[str, Said]:
        self._clock.set_to = now
        return {message["to"]: from_console(message) for message in await self._do({"now": now.isoformat()})}

    async def block(self, who: str, *, blocked: bool) -> None:
        await self._do({"block" if blocked else "unblock": who})

    async def _do(self, command: dict[str, Any]) -> list[dict[str, Any]]:
        out = io.StringIO()
        await asyncio.to_thread(self._console.drive, [json.dumps(command, ensure_ascii=False)], out)
        answer = json.loads(out.getvalue())
        assert "error" not in answer, answer
        messages: list[dict[str, Any]] = answer["messages"]
        return messages


def from_console(message: dict[str, Any]) -> Said:
    """Take apart what the terminal is given: everything has its own place, and files are on the disk."""
    assert all(Path(file["path"]).read_bytes() for file in message["files"])
    files = tuple(file["name"] for file in message["files"])
    return Said(_lines(message["text"]), tuple(message["choices"]), files, None)


# --- The web page -------------------------------------------------------------------------------------------------


class WebStage:
    """The web chat over HTTP."""

    def __init__(self, store: Store, gateway: Gateway, clock: Clock) -> None:
        self.web = WebChat(WebConfig(port=0), gateway, store)
        self._program = Program(store, gateway, clock=clock)
        self._clock = clock
        self._clients: dict[str, httpx.AsyncClient] = {}
        self._choices: dict[str, list[str]] = {}
        self._newest: dict[str, int] = {}

    async def tell(self, who: str, text: str) -> Said:
        return await self._post(who, text=text)

    async def choose(self, who: str, number: int) -> Said:
        return await self._post(who, button=self._choices[who][number - 1])

    async def set_clock(self, now: datetime) -> dict[str, Said]:
        self._clock.set_to = now
        await self._program.run_due(self.web)
        heard = {}
        for who in self._clients:
            looked = await self._client(who).get("/api/history", params={"after": self._newest[who]})
            new = [message for message in looked.json()["messages"] if message["author"] == "assistant"]
            if new:
                heard[who] = await self._hear(who, new)
        return heard

    async def block(self, who: str, *, blocked: bool) -> None:
        raise AssertionError(f"nobody blocks a page: {who}, {blocked}")

    def _client(self, who: str) -> httpx.AsyncClient:
        if who not in self._clients:
            transport = httpx.ASGITransport(self.web.app, raise_app_exceptions=False)
            cookies = {COOKIE: secrets.token_hex(16)}
            self._clients[who] = httpx.AsyncClient(transport=transport, base_url="http://tu-soi.test", cookies=cookies)
        return self._clients[who]

    async def _post(self, who: str, **what: str) -> Said:
        answer = await self._client(who).post("/api/messages", json={"id": secrets.token_hex(8), **what})
        assert answer.status_code == 200, answer.text
        return await self._hear(who, answer.json()["messages"])

    async def _hear(self, who: str, messages: Sequence[dict[str, Any]]) -> Said:
        for message in messages:
            self._newest[who] = max(self._newest.get(who, 0), message["id"])
            if message["buttons"]:
                self._choices[who] = [button["id"] for button in message["buttons"]]
            for file in message["files"]:
                fetched = await self._client(who).get(file["url"])
                assert (fetched.status_code, bool(fetched.content)) == (200, True), file
        return _together([from_web(message) for message in messages])


def from_web(message: dict[str, Any]) -> Said:
    """Take apart what the page is given: blocks with their kinds, files by address, choices without numbers."""
    assert all(block["kind"] in ("text", "quote", "citation", "notice") for block in message["blocks"])
    assert all(file["url"].startswith(f"/api/files/{message['id']}/") for file in message["files"])
    notices = [_lines(block["text"])[0] for block in message["blocks"] if block["kind"] == "notice"]
    return Said(
        _lines("\n".join(block["text"] for block in message["blocks"])),
        tuple(button["label"] for button in message["buttons"]),
        tuple(file["name"] for file in message["files"]),
        tuple(notices),
    )


# --- Telegram -----------------------------------------------------------------------------------------------------


class TelegramStage:
    """Chats with the bot on the Telegram server."""

    def __init__(self, program: Program, server: TelegramServer, clock: Clock) -> None:
        self._program, self._server, self._clock = program, server, clock
        self._chats: dict[str, int] = {}

    def chat(self, who: str) -> int:
        """Return the id of a person's chat."""
        return self._chats.setdefault(who, 1001 + len(self._chats))

    async def tell(self, who: str, text: str) -> Said:
        self._keep_time()
        return (await self._heard(lambda: self._server.text(self.chat(who), text)))[who]

    async def choose(self, who: str, number: int) -> Said:
        self._keep_time()
        keyboards = [entry["reply_markup"] for entry in self._entries(who) if entry.get("reply_markup")]
        data = keyboards[-1]["inline_keyboard"][number - 1][0]["callback_data"]
        return (await self._heard(lambda: self._server.tap(self.chat(who), data)))[who]

    async def set_clock(self, now: datetime) -> dict[str, Said]:
        self._clock.set_to = now
        return await self._heard(self._program.run_due)

    async def block(self, who: str, *, blocked: bool) -> None:
        await (self._server.block if blocked else self._server.unblock)(self.chat(who))
        await until(lambda: not self._server.waiting and self._program.seen.is_quiet())

    def _keep_time(self) -> None:
        assert self._clock.set_to is not None
        self._server.set_clock(self._clock.set_to.timestamp())

    def _entries(self, who: str) -> list[dict[str, Any]]:
        return [entry for entry in self._server.transcripts[self.chat(who)] if entry["by"] == "bot"]

    async def _heard(self, act: Any) -> dict[str, Said]:
        before = {who: len(self._entries(who)) for who in self._chats}
        await act()
        await until(lambda: not self._server.waiting and self._program.seen.is_quiet())
        new = {who: self._entries(who)[before.get(who, 0) :] for who in self._chats}
        return {who: from_telegram(entries) for who, entries in new.items() if any(map(_is_said, entries))}


def _is_said(entry: dict[str, Any]) -> bool:
    return entry["method"] in ("sendMessage", "editMessageText", "sendDocument", "sendPhoto")


def from_telegram(entries: Sequence[dict[str, Any]]) -> Said:
    """Take apart what Telegram shows: texts, perhaps in place of the one that was tapped, then files, as files.

    A notice begins with a sign. Each choice is a row of the keyboard under the last text, with its number; one that
    is too long for its button stands whole at the end of the text.
    """
    said = [entry for entry in entries if _is_said(entry)]
    assert all(entry["method"] != "editMessageText" for entry in said[1:])
    texts = [entry for entry in said if "text" in entry]
    files = [entry for entry in said if "text" not in entry]
    assert said == [*texts, *files]
    assert all(file["size"] > 0 for file in files)
    assert not any(entry.get("reply_markup") for entry in texts[:-1])
    rows = texts[-1].get("reply_markup", {}).get("inline_keyboard", [])
    assert all(len(row) == 1 and row[0].keys() == {"text", "callback_data"} for row in rows)
    lines = list(_lines("\n".join(entry["text"] for entry in texts)))
    choices = _numbered([row[0]["text"] for row in rows])
    for n in reversed(range(len(choices))):
        # A choice may end so by itself.
        begin = f"{n + 1}. {choices[n].removesuffix(_SHORTENED)}"
        if choices[n].endswith(_SHORTENED) and len(lines) > 1 and lines[-1].startswith(begin):
            [choices[n]] = _numbered([lines.pop()], first=n + 1)
    text, notices = _without_signs(lines)
    return Said(text, tuple(choices), tuple(file["name"] for file in files), notices)


def _numbered(labels: Sequence[str], first: int = 1) -> list[str]:
    """Return choices without their numbers, which have to be the right ones."""
    found = [_CHOICE.fullmatch(label) for label in labels]
    assert [label[1] for label in found if label] == [str(n) for n in range(first, first + len(labels))], labels
    return [label[2] for label in found if label]


def _without_signs(lines: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the lines without the sign of a notice, and those that had it."""
    notices = tuple(line.removeprefix(_SIGN) for line in lines if line.startswith(_SIGN))
    return tuple(line.removeprefix(_SIGN) for line in lines), notices


# --- Zalo ---------------------------------------------------------------------------------------------------------


class ZaloStage:
    """Chats with the bot on the Zalo server: whatever is chosen is typed."""

    def __init__(self, program: Program, server: ZaloServer, clock: Clock) -> None:
        self._program, self._server, self._clock = program, server, clock
        self._people: list[str] = []

    async def tell(self, who: str, text: str) -> Said:
        assert self._clock.set_to is not None
        self._server.set_clock(self._clock.set_to.timestamp())
        if who not in self._people:
            self._people.append(who)
        return (await self._heard(lambda: self._server.text(_zalo_chat(who), text)))[who]

    async def choose(self, who: str, number: int) -> Said:
        return await self.tell(who, str(number))

    async def set_clock(self, now: datetime) -> dict[str, Said]:
        self._clock.set_to = now
        return await self._heard(self._program.run_due)

    async def block(self, who: str, *, blocked: bool) -> None:
        # Zalo's bots have no word for it: a chat that refuses us is not found.
        self._server.mend()
        if blocked:
            gone = "Bad Request: chat not found"
            self._server.fault("sendMessage", code=400, description=gone, chat_id=_zalo_chat(who), times=1000)

    async def _heard(self, act: Any) -> dict[str, Said]:
        before = {who: len(self._server.sent(_zalo_chat(who))) for who in self._people}
        taken = self._handled() + 1
        told = await act()
        # Zalo hands an update out before it is kept.
        await until(lambda: told is None or self._handled() >= taken)
        await until(lambda: not self._server.waiting and self._program.seen.is_quiet())
        new = {who: self._server.sent(_zalo_chat(who))[before[who] :] for who in self._people}
        return {who: from_zalo([entry["text"] for entry in entries]) for who, entries in new.items() if entries}

    def _handled(self) -> int:
        return self._program.seen.replies().total()


def _zalo_chat(who: str) -> str:
    return f"zalo-{who}"


def from_zalo(texts: Sequence[str]) -> Said:
    """Take apart what Zalo shows: plain texts alone.

    A notice begins with a sign, files are told of by name, and choices stand in a paragraph of their own at the end,
    numbered, with a line that says how one is taken.
    """
    paragraphs = "\n\n".join(texts).split("\n\n")
    choices: list[str] = []
    *labels, hint = paragraphs[-1].split("\n")
    if hint == channel_texts.type_a_number(len(labels)):
        choices = _numbered(labels)
        paragraphs.pop()
    files = _files_told(paragraphs[-1])
    if files:
        assert paragraphs.pop() == channel_texts.files_elsewhere(files, None)
    lines, notices = _without_signs(_lines("\n".join(paragraphs)))
    return Said(lines, tuple(choices), tuple(files), notices)


def _files_told(paragraph: str) -> list[str]:
    told = re.match(r"Zalo không nhận tệp (.+?) từ tôi\. ", paragraph)
    return re.findall("“([^”]+)”", told[1]) if told else []


def without_notices(said: Mapping[str, Said]) -> dict[str, Said]:
    """Return the same where it does not matter which lines are notices."""
    return {who: replace(each, notices=None) for who, each in said.items()}
