"""Every text that was ever loaded, and which of them answer now: kept in files, no text overwritten.

texts/KEY.json       a version of a document
sources/SHA256       a file that was received, as it came
drafts/SHA256.json   what OCR read, until a person has confirmed it
snapshots/N.json     which versions answered together, and what came of the golden questions
current              the number of the snapshot that answers now
lock                 held while somebody loads
"""

import contextlib
import fcntl
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from knowledge.intake.model import Intake
from knowledge.model import Document, KnowledgeError

_DOCUMENT = TypeAdapter(Document)
_RESTORE = "restore it from a backup, or 'python -m bot rollback' goes to a version without it"


class LibraryError(KnowledgeError):
    """The folder of versions cannot be read or written; the message names the file and what to do."""


class SourceChangedError(LibraryError):
    """A received file is no longer what was read of it."""


class LibraryBusyError(LibraryError):
    """Somebody else is loading at this moment."""


@dataclass(frozen=True, slots=True)
class SeenFile:
    """A file as it was when it was last read, so that it is read again only when it has changed.

    Attributes:
        size, mtime_ns: of the file, its registry file's beside it counted in.
        key: of the text that was read; "" where its document was let go.
    """

    size: int
    mtime_ns: int
    document_id: str
    key: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Which texts answer together.

    Attributes:
        number: from 1, one more with every load and every step back.
        by: who made it: a chat identity, "start" or "command line".
        reason: why it was made although golden questions fail; "" where none did.
        goes_back_to: the number of the snapshot whose texts it brought back; None where texts were loaded.
        folder: documents.folder when it was made.
        shipped, received: {document id: key of its text} from documents.folder and from what was received.
        versions: {document id: keys of all its texts, the first first}; a text's version is its place, from 1.
        files: {path: what was read there}.
        failing: golden questions that did not come out as they should.
        asked: how many golden questions were asked.
    """

    number: int
    made_at: datetime
    by: str
    folder: str = ""
    reason: str = ""
    goes_back_to: int | None = None
    shipped: Mapping[str, str] = field(default_factory=dict)
    received: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    files: Mapping[str, SeenFile] = field(default_factory=dict)
    failing: tuple[str, ...] = ()
    asked: int = 0


_SNAPSHOT = TypeAdapter(Snapshot)
_INTAKE = TypeAdapter(Intake)


class Library:
    """The folder of versions; several processes may read it, one at a time may load."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._read: dict[str, Document] = {}
        # Of those, by identity: a text is not fingerprinted again at every load.
        self._keys: dict[int, str] = {}
        self._unsynced: list[Path] = []

    # --- Reading ------------------------------------------------------------------------------------------------

    def current_number(self) -> int | None:
        """Return the number of the snapshot that answers now; None before the first.

        Raises:
            LibraryError: the pointer is broken.
        """
        path = self.folder / "current"
        try:
            return int(path.read_text(encoding="ascii"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise LibraryError(f"{path}: cannot be read: write the number of the last snapshot into it") from error

    def current(self) -> Snapshot | None:
        """Return the snapshot that answers now; None before the first."""
        number = self.current_number()
        return None if number is None else self.snapshot(number)

    def snapshot(self, number: int) -> Snapshot:
        """Return a snapshot.

        Raises:
            LibraryError: it is not there or is broken.
        """
        path = self._snapshot_path(number)
        try:
            return _SNAPSHOT.validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            raise LibraryError(f"{path}: cannot be read: 'python -m bot rollback' goes to another") from error

    def numbers(self) -> list[int]:
        """Return the numbers of the snapshots that answer or have answered, ascending."""
        last = self.current_number() or 0
        found = (path.stem for path in (self.folder / "snapshots").glob("*.json"))
        # One beyond the pointer was written, but something happened before it answered.
        return sorted(int(stem) for stem in found if stem.isdigit() and int(stem) <= last)

    def text(self, key: str) -> Document:
        """Return the document of a key, its version not yet told.

        Raises:
            LibraryError: it is not there, is broken or was changed.
        """
        if key not in self._read:
            path = self._text_path(key)
            try:
                document = _DOCUMENT.validate_json(path.read_bytes())
            except (OSError, ValidationError) as error:
                raise LibraryError(f"{path}: cannot be read: {_RESTORE}") from error
            if key_of(document) != key:
                raise LibraryError(f"{path}: was changed by hand: {_RESTORE}")
            self._remember(key, document)
        return self._read[key]

    def key(self, document: Document) -> str:
        """Return the key of a text; see key_of."""
        return self._keys.get(id(document)) or key_of(document)

    def _remember(self, key: str, document: Document) -> None:
        earlier = self._read.get(key)
        if earlier is not None:
            self._keys.pop(id(earlier), None)
        self._read[key] = document
        self._keys[id(document)] = key

    def version(self, snapshot: Snapshot, document_id: str, version: int) -> Document | None:
        """Return a document as it was in one of its versions; None where there is no such version."""
        keys = snapshot.versions.get(document_id, ())
        if not 1 <= version <= len(keys):
            return None
        return replace(self.text(keys[version - 1]), version=version)

    # --- Writing ------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def loading(self, *, patient: bool = False) -> Iterator[None]:
        """Hold the right to load.

        Args:
            patient: wait for whoever holds it.
        Raises:
            LibraryBusyError: somebody else holds it.
            LibraryError: the folder cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = (self.folder / "lock").open("a")
        except OSError as error:
            raise LibraryError(f"{self.folder}: cannot be written ({error.strerror}): check data_dir") from error
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX if patient else fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise LibraryBusyError("somebody else is loading documents: try again in a minute") from error
            yield

    def keep(self, document: Document) -> str:
        """Write a text down and return its key.

        Raises:
            LibraryError: the disk is full or the folder cannot be written.
        """
        if id(document) in self._keys:
            return self._keys[id(document)]
        document = replace(document, version=1)
        key = key_of(document)
        path = self._text_path(key)
        if self._read.get(key) != document:
            content = _DOCUMENT.dump_json(document)
            # The same words may be read with a better understanding of their registry entry.
            if not path.exists() or path.read_bytes() != content:
                write(path, content, lasting=False)
                self._unsynced.append(path)
            self._remember(key, document)
        return key

    def keep_source(self, sha256: str, received: Path) -> None:
        """Write a received file down as it came.

        Raises:
            SourceChangedError: it has changed since it was read, or is gone.
            LibraryError: it cannot be written.
        """
        path = self.folder / "sources" / sha256
        if path.exists():
            return
        try:
            content = received.read_bytes()
        except OSError as error:
            raise SourceChangedError(f"{received}: cannot be read ({error.strerror}): load it again") from error
        if hashlib.sha256(content).hexdigest() != sha256:
            raise SourceChangedError(f"{received}: changes while it is read: load it again when it is complete")
        write(path, content)

    def switch(self, snapshot: Snapshot) -> None:
        """Let a snapshot answer from now on; until this returns the one before answers.

        Raises:
            LibraryError: the disk is full or the folder cannot be written.
        """
        try:
            # Many at once: what a snapshot rests on must have reached the disk before it.
            for path in self._unsynced:
                _sync(path)
            if self._unsynced:
                _sync(self.folder / "texts")
        except OSError as error:
            raise LibraryError(f"{self.folder}: cannot be written ({error.strerror}): check the disk") from error
        self._unsynced.clear()
        write(self._snapshot_path(snapshot.number), _SNAPSHOT.dump_json(snapshot))
        write(self.folder / "current", str(snapshot.number).encode())

    def note(self, snapshot: Snapshot) -> None:
        """Write a snapshot that answers down again, with more told of its files."""
        write(self._snapshot_path(snapshot.number), _SNAPSHOT.dump_json(snapshot))

    # --- Drafts -------------------------------------------------------------------------------------------------

    def keep_draft(self, draft: Intake) -> None:
        """Write down what OCR read, until a person has looked at it."""
        write(self._draft_path(draft.sha256), _INTAKE.dump_json(draft))

    def draft(self, sha256: str) -> Intake | None:
        """Return what OCR read of a file; None where there is no such draft."""
        path = self._draft_path(sha256)
        try:
            return _INTAKE.validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            raise LibraryError(f"{path}: cannot be read: remove it, and it is read again at the next reload") from error

    def drafts(self) -> list[Intake]:
        """Return what waits for a person, by file name."""
        shas = [path.stem for path in (self.folder / "drafts").glob("*.json")]
        found = [self.draft(sha) for sha in shas if not self.is_confirmed(sha)]
        return sorted((draft for draft in found if draft is not None), key=lambda draft: (draft.name, draft.sha256))

    def confirm(self, sha256: str, *, by: str) -> None:
        """Note that a person has compared a draft with its picture.

        Raises:
            LibraryError: there is no such draft.
        """
        if sha256 not in {path.stem for path in (self.folder / "drafts").glob("*.json")}:
            known = ", ".join(draft.sha256 for draft in self.drafts()) or "none"
            raise LibraryError(f"there is no scanned text {sha256[:64]!r} to be confirmed; these wait: {known}")
        write(self.folder / "drafts" / f"{sha256}.confirmed", json.dumps({"by": by}).encode())

    def is_confirmed(self, sha256: str) -> bool:
        """Whether somebody has confirmed a draft."""
        return (self.folder / "drafts" / f"{sha256}.confirmed").exists()

    def _draft_path(self, sha256: str) -> Path:
        if not sha256.isalnum():
            raise ValueError(f"not a fingerprint: {sha256!r}")
        return self.folder / "drafts" / f"{sha256}.json"

    def _snapshot_path(self, number: int) -> Path:
        return self.folder / "snapshots" / f"{number:06}.json"

    def _text_path(self, key: str) -> Path:
        return self.folder / "texts" / f"{key}.json"


def key_of(document: Document) -> str:
    """Return what names a text: a fingerprint of its id, its words, its pages and the file it came from."""
    parts = (document.id, document.sha256, document.text, *map(str, document.page_starts))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:40]


def write(path: Path, content: bytes, *, lasting: bool = True) -> None:
    """Write a file aside and rename it, so that it is there whole or not at all.

    Args:
        lasting: return only when it has reached the disk.
    Raises:
        LibraryError: the disk is full or the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name[:40]}.", dir=path.parent)
        aside = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                if lasting:
                    os.fsync(file.fileno())
            aside.replace(path)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise
        if lasting:
            _sync(path.parent)
    except OSError as error:
        raise LibraryError(f"{path}: cannot be written ({error.strerror}): check disk space and data_dir") from error


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
