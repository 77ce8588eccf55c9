"""The terminal: the same conversation as on a phone, for a person or, line by line in JSON, for a program."""

import asyncio
import json
import logging
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TextIO

from bot.channels.base import DeliveryError
from bot.gateway import Gateway
from bot.jobs import Jobs
from bot.scheduler import EraseOld, QueueDue, Scheduler
from handlers.messages import IncomingMessage
from storage.people import Link
from storage.store import Store, StoredMessage

log = logging.getLogger(__name__)
_PERSON = "local"
_LONGEST_NAME = 128


class CommandError(Exception):
    """A line from a program cannot be understood; the message says why."""


class Console:
    """Sends lines to the gateway and writes what it answers."""

    name = "console"

    def __init__(
        self,
        gateway: Gateway,
        store: Store,
        queue: QueueDue | None = None,
        erase: EraseOld | None = None,
        jobs: Jobs | None = None,
    ) -> None:
        """Take the gateway, its store, what is done when the clock is set (see Scheduler), and what takes its time."""
        self._gateway = gateway
        self._store = store
        self._queue = queue
        self._erase = erase
        self._jobs = jobs
        self._now: datetime | None = None
        self._blocked: set[str] = set()
        self._folder: TemporaryDirectory[str] | None = None

    def talk(self, lines: Iterable[str], out: TextIO) -> None:
        """Hold a conversation with a person, until the lines end."""
        for line in lines:
            text = line.rstrip("\n")
            if text.strip():
                for message in self._send(_PERSON, text=text):
                    files = "".join(f"\n{path}" for path in self._files(_PERSON, message))
                    out.write(f"{draw(message)}{files}\n\n")
                    out.flush()
                for _, message, is_edit in self._work():
                    out.write("" if is_edit else f"{draw(message)}\n\n")
                out.flush()

    def drive(self, lines: Iterable[str], out: TextIO) -> None:
        """Answer each JSON line with exactly one JSON line; see docs/interfaces.md."""
        for line in lines:
            try:
                answer = self._obey(line)
            except CommandError as error:
                answer = {"error": str(error)}
            out.write(_writable(json.dumps(answer, ensure_ascii=False)) + "\n")
            out.flush()

    def _obey(self, line: str) -> dict[str, Any]:
        try:
            command = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise CommandError(f"not a JSON line: {error}") from error
        if not isinstance(command, dict):
            raise CommandError("a line must be a JSON object")
        command = {key: _writable(value) if isinstance(value, str) else value for key, value in command.items()}
        if len(str(command.get("user", ""))) > _LONGEST_NAME:
            raise CommandError(f"a user's name has at most {_LONGEST_NAME} characters")
        match command:
            case {"now": str(when)}:
                self._set_clock(when)
                return {"messages": self._run_due()}
            case {"block": str(user)}:
                self._blocked.add(user)
                return {"messages": []}
            case {"unblock": str(user)}:
                self._blocked.discard(user)
                return {"messages": []}
            case {"user": str(user), "text": str(text)}:
                sent = self._send(user, text=text)
            case {"user": str(user), "choose": int(number)} if not isinstance(number, bool):
                sent = self._send(user, button_id=self._choice(user, number))
            case {"user": str(user), "tap": str(button_id)}:
                sent = self._send(user, button_id=button_id)
            case {"user": str(user), "file": str(path)}:
                if not _is_file(path):
                    raise CommandError(f"no such file: {path[:200]}")
                sent = self._send(user, file_name=Path(path).name, file_ref=path)
            case _:
                raise CommandError("expected user with text, choose, tap or file; or now, block, unblock")
        told = [self._told(user, message) for message in sent]
        # Of a message that was said otherwise several times, the last is enough.
        worked = {(message.id, is_edit): (who, message, is_edit) for who, message, is_edit in self._work()}
        told += [_as_json(who, message, [], is_edit=is_edit) for who, message, is_edit in worked.values()]
        return {"messages": [] if user in self._blocked else told}

    def _work(self) -> list[tuple[str, StoredMessage, bool]]:
        """Do what was asked for and takes its time; return what was said of it: to whom, and whether again."""
        said: list[tuple[str, StoredMessage, bool]] = []
        if self._jobs is None:
            return said
        try:
            while self._jobs.run_next(
                [self.name],
                lambda job, message, is_edit: said.append((job.chat_id, message, is_edit)),
                clock=self._clock,
            ):
                pass
        except Exception as error:
            # What came of it could not be kept, and is said after a later line.
            log.error("work not ended: %s", type(error).__name__, exc_info=log.isEnabledFor(logging.DEBUG))
        return said

    def _run_due(self) -> list[dict[str, Any]]:
        """Run what is due by the clock; return the messages that reached somebody."""
        delivered: list[dict[str, Any]] = []

        async def send(link: Link, message: StoredMessage) -> None:
            if link.chat_id in self._blocked:
                raise DeliveryError("blocked", permanent=True, is_closed=True)
            delivered.append(self._told(link.chat_id, message))

        if self._now is not None:
            asyncio.run(Scheduler(self._store, send, queue=self._queue, erase=self._erase).run_due(self._now))
        return delivered

    def _told(self, user: str, message: StoredMessage) -> dict[str, Any]:
        return _as_json(user, message, [{"name": path.name, "path": str(path)} for path in self._files(user, message)])

    def _files(self, user: str, message: StoredMessage) -> list[Path]:
        """Write the files of a message where only this account reads them, for as long as the program runs."""
        written = []
        for number in range(1, len(message.files) + 1):
            made = self._gateway.file_of(self.name, user, message.id, number, now=self._clock())
            if made is None:
                continue
            if self._folder is None:
                self._folder = TemporaryDirectory(prefix="tu-soi-")
            path = Path(self._folder.name) / f"{message.id}-{number}" / made.name
            path.parent.mkdir()
            path.write_bytes(made.content)
            written.append(path)
        return written

    def _clock(self) -> datetime:
        return self._now or datetime.now(UTC)

    def _set_clock(self, when: str) -> None:
        try:
            read = datetime.fromisoformat(when)
            now = read.astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise CommandError(f"not a time: {when[:40]}") from error
        if read.tzinfo is None:
            raise CommandError("a time needs its zone, such as +07:00")
        if self._now is not None and now < self._now:
            raise CommandError("the clock never goes backwards")
        self._now = now

    def _choice(self, user: str, number: int) -> str:
        with self._store.transaction() as transaction:
            conversation = transaction.find_conversation(self.name, user)
            buttons = transaction.latest_buttons(conversation.id) if conversation else ()
        if not 1 <= number <= len(buttons):
            raise CommandError(f"no choice {number}: the latest message has {len(buttons)}")
        return buttons[number - 1].id

    def _send(
        self,
        user: str,
        *,
        text: str = "",
        button_id: str | None = None,
        file_name: str | None = None,
        file_ref: str | None = None,
    ) -> tuple[StoredMessage, ...]:
        message = IncomingMessage(
            channel=self.name,
            chat_id=user,
            external_id=secrets.token_hex(8),
            text=text,
            sent_at=self._clock(),
            button_id=button_id,
            file_name=file_name,
            file_ref=file_ref,
        )
        return self._gateway.receive_now(message).replies


def _writable(text: str) -> str:
    """Return text that can be kept and written: a program may send half a surrogate pair."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _is_file(path: str) -> bool:
    try:
        return Path(path).is_file()
    except (OSError, ValueError):
        return False


def draw(message: StoredMessage) -> str:
    """Return a message as plain text, its choices numbered below."""
    choices = (f"[{button.ordinal}] {button.label}" for button in message.buttons)
    return "\n".join([message.text, *choices])


def _as_json(
    user: str, message: StoredMessage, files: list[dict[str, str]], *, is_edit: bool = False
) -> dict[str, Any]:
    return {
        "id": message.id,
        "to": user,
        "text": message.text,
        "choices": [button.label for button in message.buttons],
        "choice_ids": [button.id for button in message.buttons],
        "edits": message.id if is_edit else None,
        "files": files,
    }
