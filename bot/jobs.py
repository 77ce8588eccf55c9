"""Does what was asked for in a chat and takes its time: loads documents, goes back to earlier ones, takes files in."""

import logging
import re
import secrets
import time
import traceback
import unicodedata
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from pathlib import Path

from bot.channels.base import FileLostError
from handlers import document_texts, documents, texts
from handlers.messages import Reply, say
from knowledge.intake.model import Refusal
from knowledge.intake.names import safe_name
from knowledge.library import LibraryBusyError, LibraryError, write
from knowledge.model import KnowledgeError
from knowledge.reload import LiveKnowledge, NothingToRollBackError, Report, Stage
from storage.jobs import Job
from storage.store import Store, StoredMessage

log = logging.getLogger(__name__)
# A message is changed at most so often while work goes on.
_SHOWN_EVERY_S = 1.0
_LONGEST_NAME = 80
_BAD_IN_NAMES = re.compile(r"[^\w .()-]+")

# Takes the job, a message of ours to its chat, and whether that message was said before and reads otherwise now.
Tell = Callable[[Job, StoredMessage, bool], None]
# Takes the channel and what it gave as file_ref; returns the bytes.
Fetch = Callable[[str, str], bytes]


class Jobs:
    """Takes jobs one at a time and tells their chats."""

    def __init__(
        self, store: Store, live: LiveKnowledge, tray: Path, fetch: Fetch, queues_on: Collection[str] = ()
    ) -> None:
        """Take what is loaded, where files are put, and by what those that were sent are fetched.

        Args:
            queues_on: channels where what is said at the end is sent like any reply, after a crash, too.
        """
        self._queues_on = queues_on
        self._store = store
        self._live = live
        self._tray = tray
        self._fetch = fetch
        self._ended: list[tuple[Job, Reply, str]] = []

    def say_interrupted(self, channels: Sequence[str], tell: Tell, *, now: datetime) -> None:
        """Tell the chats whose work a crash has cut off; nothing was lost, and nothing is begun again by itself."""
        with self._store.transaction() as transaction:
            cut_off = transaction.jobs.interrupted(channels)
        known = {job.id for job, _, _ in self._ended}
        self._ended += [
            (job, say(document_texts.INTERRUPTED), document_texts.CUT_OFF) for job in cut_off if job.id not in known
        ]
        self._say_ended(tell, lambda: now)

    def run_next(self, channels: Sequence[str], tell: Tell, *, clock: Callable[[], datetime]) -> bool:
        """Do the next job of these channels' chats, if there is one; return whether there was.

        How a job ended is said at the next call where it cannot be kept at this one: the disk was full.
        """
        self._say_ended(tell, clock)
        with self._store.transaction() as transaction:
            job = transaction.jobs.take(channels, now=clock())
        if job is None:
            return False
        try:
            reply = documents.reported(self._do(job, tell, clock))
        except LibraryBusyError:
            reply = say(document_texts.BUSY_FILE_KEPT if job.kind == documents.RECEIVE else document_texts.BUSY)
        except Exception as error:
            reply = say(_said_of(error))
        self._ended.append((job, reply, document_texts.ENDED))
        self._say_ended(tell, clock)
        return True

    def _do(self, job: Job, tell: Tell, clock: Callable[[], datetime]) -> Report:
        if job.kind == documents.ROLL_BACK:
            to = str(job.argument.get("to") or "")
            return self._live.roll_back(by=job.by, at=clock(), to=int(to) if to else None)
        received = self._receive(job) if job.kind == documents.RECEIVE else None
        report = self._live.reload(
            by=job.by,
            at=clock(),
            reason=str(job.argument.get("reason", "")),
            progress=self._progress(job, tell, clock),
        )
        if received is not None:
            name = safe_name(received.name)
            # Who sent it has it; here it would only be refused again at every load. An entry waits for its document.
            if any(error.name == name and error.refusal is not Refusal.ENTRY_ALONE for error in report.refused):
                received.unlink(missing_ok=True)
        return report

    def _receive(self, job: Job) -> Path:
        """Put a file that was sent into the tray, whole or not at all, under a harmless name; return where it is."""
        content = self._fetch(job.channel, str(job.argument["ref"]))
        path = free_path(self._tray, str(job.argument["name"]))
        write(path, content)
        return path

    def _progress(self, job: Job, tell: Tell, clock: Callable[[], datetime]) -> Callable[[Stage, int, int], None]:
        shown: tuple[Stage | None, float] = (None, 0.0)

        def show(stage: Stage, done: int, total: int) -> None:
            nonlocal shown
            moment = time.monotonic()
            if stage is shown[0] and moment - shown[1] < _SHOWN_EVERY_S:
                return
            shown = (stage, moment)
            self._rewrite(job, document_texts.progress(stage, done, total), tell, clock())

        return show

    def _rewrite(self, job: Job, text: str, tell: Tell, now: datetime) -> None:
        with self._store.transaction() as transaction:
            message = transaction.rewrite(job.conversation_id, job.message_id, [("text", text)], now=now)
        tell(job, message, True)

    def _say_ended(self, tell: Tell, clock: Callable[[], datetime]) -> None:
        while self._ended:
            job, reply, in_place = self._ended[0]
            last, message = self._keep_ended(job, reply, in_place, clock())
            del self._ended[0]
            tell(job, last, True)
            tell(job, message, False)

    def _keep_ended(self, job: Job, reply: Reply, in_place: str, now: datetime) -> tuple[StoredMessage, StoredMessage]:
        """Return the message that told how far it was, as it reads now, and the one that says how it ended."""
        with self._store.transaction() as transaction:
            transaction.jobs.finish(job.id, now=now)
            last = transaction.rewrite(job.conversation_id, job.message_id, [("text", in_place)], now=now)
            message = transaction.add_reply(
                job.conversation_id,
                [(block.kind.value, block.text) for block in reply.blocks],
                [(button.label, button.action, button.argument) for button in reply.buttons],
                in_reply_to=None,
                now=now,
            )
            if job.channel in self._queues_on:
                transaction.replies.queue(message.id, job.channel, job.chat_id, worker=None, now=now)
        return last, message


def free_path(folder: Path, name: str) -> Path:
    """Return where a file that was sent is put: in the folder itself, under its own name as far as that is harmless."""
    flat = unicodedata.normalize("NFC", name.replace("\\", "/").rpartition("/")[2])
    stem, dot, ending = _BAD_IN_NAMES.sub("_", flat).strip(" .").rpartition(".")
    if not dot:
        stem, ending = ending, ""
    stem = stem.strip(" .")[:_LONGEST_NAME] or "van-ban"
    ending = f".{ending[:8]}" if ending else ""
    numbered = [f"{stem}{ending}", *(f"{stem} ({n}){ending}" for n in range(2, 1000))]
    found = next((folder / each for each in numbered if not (folder / each).exists()), None)
    return found if found is not None else folder / f"{stem} {secrets.token_hex(4)}{ending}"


def _said_of(error: Exception) -> str:
    """Return what a chat is told of work that failed; the log learns more where nobody expected it."""
    if isinstance(error, NothingToRollBackError):
        return document_texts.no_such_version(error.others) if error.others else document_texts.NOTHING_BEFORE
    if isinstance(error, FileLostError):
        return document_texts.FILE_TOO_LARGE if error.too_large else document_texts.FILE_LOST
    if isinstance(error, LibraryError) and isinstance(error.__cause__, OSError):
        log.error("documents not loaded: %s", error)
        return document_texts.DISK
    if isinstance(error, KnowledgeError):
        log.error("documents not loaded: %s", error)
        return document_texts.problem(error)
    code = secrets.token_hex(2).upper()
    where = "".join(traceback.format_tb(error.__traceback__))
    log.error("job failed, code %s: %s\n%s", code, type(error).__name__, where)
    return texts.server_error(code)
