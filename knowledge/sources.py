"""The documents there are: those of the documents folder, and those that were received before or lie in the tray."""

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from knowledge.intake.model import Finding, Intake, IntakeError, Refusal
from knowledge.intake.names import safe_name
from knowledge.library import Library, SeenFile, Snapshot, SourceChangedError
from knowledge.loader import LONGEST_ENTRY, DocumentError, contradictions, load_document, read_entry, to_document
from knowledge.model import Confidence, Document, DocumentKind, TextKind
from knowledge.text import fold, slug

IntakeMany = Callable[[Sequence[Path]], Iterator[Intake | IntakeError]]
_FRONT_MATTER = re.compile(rb"(?:\xef\xbb\xbf)?---[ \t]*\r?\n(.*?)\r?\n---[ \t]*(?:\r?\n|\Z)", re.DOTALL)
_OPEN_FRONT_MATTER = re.compile(
    rb"(?:\xef\xbb\xbf)?---[ \t]*\r?\n(?:kind|title|number|issuer|date|status|text_kind|confidence)[ \t]*:"
)
_NOT_STATED = "chưa rõ"
_SHIPPED = (".md", ".txt")
_File = Path | os.DirEntry[str]


@dataclass(frozen=True, slots=True)
class Collected:
    """What would answer after a load.

    Attributes:
        shipped, received: by document id.
        files: {path: what was read there}.
        refused: files that were not taken, and why; what was loaded from them before stays.
        findings: {file name: what a person should look at}, of files that are new or have changed.
        drafts: texts of OCR that wait for a person.
        same_number: (file name, document) where a number was known with another date.
        repeated: (file name, file name or document) where the same document was there already.
    """

    shipped: Mapping[str, Document]
    received: Mapping[str, Document]
    files: Mapping[str, SeenFile]
    refused: tuple[IntakeError, ...] = ()
    findings: Mapping[str, tuple[Finding, ...]] = field(default_factory=dict)
    drafts: tuple[Intake, ...] = ()
    same_number: tuple[tuple[str, str], ...] = ()
    repeated: tuple[tuple[str, str], ...] = ()


def stands_as_read(before: Snapshot, folder: Path) -> bool:
    """Whether the documents folder is as it was when a snapshot was made."""
    found = {path: files for path, _, files in _shipped_in(folder)} if folder.is_dir() else {}
    known = {name: seen for name, seen in before.files.items() if Path(name).parent == folder}
    if before.folder != str(folder) or found.keys() != known.keys():
        return False
    return all(_looked_at(found[path]) == (seen.size, seen.mtime_ns) for path, seen in known.items())


def collect(
    library: Library,
    before: Snapshot | None,
    folder: Path,
    tray: Path | None,
    read: IntakeMany,
    *,
    without: Iterable[str] = (),
) -> Collected:
    """Return the documents of a folder, those received before, and those that lie in the tray.

    Args:
        before: what answers now; its unchanged files are not read again.
        tray: documents.incoming; None leaves it alone.
        without: ids of received documents to let go.
    Raises:
        DocumentError: there is no such folder.
    """
    if not folder.is_dir():
        raise DocumentError(folder, "no such folder: set documents.folder in config.yaml to the documents")
    reading = _Reading(library, before, frozenset(without))
    reading.read_folder(folder)
    if tray is not None and tray.is_dir():
        reading.read_tray(tray, read)
    reading.refuse_contradictions()
    return reading.collected()


def answering(
    shipped: Mapping[str, Document], received: Mapping[str, Document]
) -> tuple[list[Document], list[Document]]:
    """Return (the documents that answer, digests that only help to find them), each in id order.

    An official text goes before a digest of the same document; else what was received before what ships.
    """
    chosen, helping = [], []
    for document_id in sorted({*shipped, *received}):
        ours, theirs = shipped.get(document_id), received.get(document_id)
        if ours is None or theirs is None:
            chosen += [each for each in (ours, theirs) if each is not None]
            continue
        first, second = theirs, ours
        if theirs.text_kind is TextKind.DIGEST and ours.text_kind is TextKind.OFFICIAL:
            first, second = ours, theirs
        chosen.append(first)
        if first.text_kind is TextKind.OFFICIAL and second.text_kind is TextKind.DIGEST:
            helping.append(second)
    return chosen, helping


class _Reading:
    """What one load finds, as it goes."""

    def __init__(self, library: Library, before: Snapshot | None, without: frozenset[str]) -> None:
        self._library = library
        self._before = before
        self._without = without
        received = before.received.items() if before else ()
        self.shipped: dict[str, Document] = {}
        self.received = {d: library.text(key) for d, key in received if d not in without}
        self._files: dict[str, SeenFile] = {}
        self._refused: list[IntakeError] = []
        self._findings: dict[str, tuple[Finding, ...]] = {}
        self._drafts: dict[str, Intake] = {}
        self._same_number: list[tuple[str, str]] = []
        self._repeated: list[tuple[str, str]] = []
        # What was read just now, and what stood there before.
        self._fresh: dict[str, tuple[Path, dict[str, Document], Document | None]] = {}

    def refuse_contradictions(self) -> None:
        """Put back what stood before where a new entry cannot stand beside the others: "replaced by" in a round."""
        if not self._fresh:
            return
        documents = answering(self.shipped, self.received)[0]
        paths = [self._fresh[d.id][0] if d.id in self._fresh else Path(d.id) for d in documents]
        for error in contradictions(documents, paths):
            document_id = next((d for d, (path, _, _) in self._fresh.items() if path == error.path), None)
            if document_id is None:
                continue
            path, kept_in, earlier = self._fresh[document_id]
            del kept_in[document_id]
            if earlier is not None:
                kept_in[document_id] = earlier
            self._files.pop(str(path), None)
            self._refused.append(IntakeError(path.name, Refusal.CIRCULAR_REPLACEMENT, {"problem": error.problem}))

    def collected(self) -> Collected:
        return Collected(
            self.shipped,
            self.received,
            self._files,
            tuple(self._refused),
            self._findings,
            tuple(self._drafts.values()),
            tuple(self._same_number),
            tuple(self._repeated),
        )

    # --- The documents folder -----------------------------------------------------------------------------------

    def read_folder(self, folder: Path) -> None:
        shipped_before = self._before.shipped if self._before else {}
        taken: dict[tuple[object, ...], str] = {}
        for path, name, files in _shipped_in(folder):
            seen = self._unchanged(path, files)
            try:
                if seen is not None:
                    document = self._library.text(seen.key)
                else:
                    document = load_document(Path(path))
                    seen = _seen(Path(path), document.id, self._library.keep(document))
                    before = shipped_before.get(document.id)
                    earlier = self._library.text(before) if before else None
                    self._fresh[document.id] = (Path(path), self.shipped, earlier)
                for key in _identity(document):
                    if taken.setdefault(key, name) != name:
                        raise DocumentError(Path(path), f"and {taken[key]} are the same document: keep one of them")
            except DocumentError as error:
                self._refused.append(_refusal(error))
                if (stem := Path(path).stem) in shipped_before:
                    self.shipped[stem] = self._library.text(shipped_before[stem])
                continue
            self._files[path] = seen
            self.shipped[document.id] = document

    # --- The tray -----------------------------------------------------------------------------------------------

    def read_tray(self, tray: Path, read: IntakeMany) -> None:
        fresh = []
        # A word processor's lock lies beside what is being written.
        lying = [path for path in sorted(tray.iterdir(), key=_age) if not path.name.startswith((".", "~$"))]
        stems = {path.stem for path in lying if not _is_entry(path)}
        for path in lying:
            if path.is_dir():
                self._refused.append(IntakeError(safe_name(path.name), Refusal.FOLDER))
                continue
            if _is_entry(path):
                if path.stem not in stems:
                    self._refused.append(IntakeError(safe_name(path.name), Refusal.ENTRY_ALONE))
                continue
            seen = self._unchanged(str(path), _with_entry(path))
            if seen is None:
                fresh.append(path)
            elif seen.document_id in self._without or not seen.key:
                self._files[str(path)] = replace(seen, key="")
            else:
                self._files[str(path)] = seen
                self.received[seen.document_id] = self._library.text(seen.key)
        names: dict[str, str] = {}
        for path, result in zip(fresh, read(fresh), strict=True):
            try:
                if isinstance(result, IntakeError):
                    raise result
                self._take(path, result, names)
            except IntakeError as error:
                self._refused.append(error)
            except DocumentError as error:
                self._refused.append(_refusal(error))
        for draft in self._library.drafts():
            self._drafts.setdefault(draft.sha256, draft)

    def _take(self, path: Path, intake: Intake, names: dict[str, str]) -> None:
        if intake.is_ocr and not self._library.is_confirmed(intake.sha256):
            self._drafts[intake.sha256] = intake
            if intake.findings:
                self._findings[intake.name] = intake.findings
            return
        document = self._to_document(path, intake)
        earlier = self.received.get(document.id) or self.shipped.get(document.id)
        if earlier is not None and document.number is None and _is_known_otherwise(earlier, document):
            raise IntakeError(intake.name, Refusal.NAME_OF_ANOTHER, {"document": earlier.name})
        if earlier is not None and earlier.issued_on != document.issued_on and document.number is not None:
            facts = {"number": document.number, "date": f"{earlier.issued_on or _NOT_STATED}"}
            raise IntakeError(intake.name, Refusal.NUMBER_WITH_OTHER_DATE, facts)
        # Looked at first: what is written into it from now on makes it new at the next load.
        seen = _seen(path, document.id, self._library.keep(document))
        try:
            self._library.keep_source(intake.sha256, path)
        except SourceChangedError as error:
            raise IntakeError(intake.name, Refusal.STILL_CHANGING) from error
        if document.id in names:
            self._repeated.append((names[document.id], intake.name))
        elif self.received.get(document.id) == document:
            self._repeated.append((intake.name, document.name))
        names[document.id] = intake.name
        self._same_number += [(intake.name, other.id) for other in self._of_another_date(document)]
        self._fresh[document.id] = (path, self.received, self.received.get(document.id))
        self.received[document.id] = document
        self._files[str(path)] = seen
        if intake.findings:
            self._findings[intake.name] = intake.findings

    def _to_document(self, path: Path, intake: Intake) -> Document:
        known = intake.recognized
        entry: dict[str, Any] = {
            "number": known.number,
            "kind": known.kind.value if known.kind else DocumentKind.NOTICE.value,
            "title": known.title or Path(safe_name(path.name)).stem,
            "issuer": known.issuer or _NOT_STATED,
            "date": known.issued_on.isoformat() if known.issued_on else None,
            "status": _NOT_STATED,
            "text_kind": TextKind.OFFICIAL.value,
            "confidence": Confidence.VERIFIED.value,
        }
        given = _entry_beside(path)
        entry.update(given)
        plan = next((each for each in self.shipped.values() if each.is_plan), None)
        issued_on = _date_of(entry.get("date"))
        by_name = slug(path.stem) or f"van-ban-{intake.sha256[:8]}"
        document_id = _document_id(entry.get("number"), issued_on) or by_name
        if plan is not None and (entry.get("is_plan") or _is_the_plan(entry, plan)):
            document_id = plan.id
            ours = {"short_title": plan.short_title, "aliases": list(plan.aliases), "is_plan": True}
            entry = {**ours, **{key: value for key, value in entry.items() if value is not None}}
        sha256 = hashlib.sha256(f"{intake.sha256} {sorted(given.items(), key=str)}".encode()).hexdigest()
        document = to_document(document_id, path, entry, intake.text, sha256 if given else intake.sha256)
        return replace(document, page_starts=intake.page_starts)

    def _of_another_date(self, document: Document) -> list[Document]:
        everything = {**self.shipped, **self.received}.values()
        return [
            other
            for other in everything
            if document.number is not None
            and other.number is not None
            and fold(other.number) == fold(document.number)
            and other.issued_on != document.issued_on
        ]

    def _unchanged(self, path: str, files: Sequence[_File]) -> SeenFile | None:
        """Return what was read from a file before, if it and the registry file beside it have not changed since."""
        seen = self._before.files.get(path) if self._before else None
        return seen if seen is not None and _looked_at(files) == (seen.size, seen.mtime_ns) else None


def _shipped_in(folder: Path) -> Iterator[tuple[str, str, Sequence[_File]]]:
    """Yield (path, name, the file and the registry file beside it) of the documents of a folder, by name.

    As texts: of thousands of files most have not changed, and nothing else is done with them.
    """
    with os.scandir(folder) as listed:
        entries = {entry.name: entry for entry in listed}
    at = str(folder / "_").removesuffix("_")
    for name in sorted(entries):
        if name.endswith(_SHIPPED) and not name.startswith("."):
            entry = entries.get(f"{name.rpartition('.')[0]}.yaml")
            yield f"{at}{name}", name, (entries[name],) if entry is None else (entries[name], entry)


def _with_entry(path: Path) -> Sequence[_File]:
    return path, path.with_suffix(".yaml")


def _seen(path: Path, document_id: str, key: str) -> SeenFile:
    """Return what to remember of a file that was read."""
    return SeenFile(*_looked_at(_with_entry(path)), document_id, key)


def _looked_at(files: Iterable[_File]) -> tuple[int, int]:
    """Return (size, time of the last change) of files, taken together; one that is not there counts nothing."""
    size, mtime_ns = 0, 0
    for each in files:
        try:
            status = each.stat()
        except OSError:
            continue
        size, mtime_ns = size + status.st_size, max(mtime_ns, status.st_mtime_ns)
    return size, mtime_ns


def _age(path: Path) -> tuple[int, str]:
    try:
        return path.stat().st_mtime_ns, path.name
    except OSError:
        return 0, path.name


def _is_entry(path: Path) -> bool:
    return path.suffix == ".yaml"


def _entry_beside(path: Path) -> dict[str, Any]:
    """Return the registry entry that was given with a file: beside it, or at the head of Markdown; else nothing."""
    origin = path.with_suffix(".yaml")
    try:
        if origin.is_file():
            with origin.open("rb") as file:
                # Letters of four bytes at most; what is longer is refused by its length.
                raw = file.read(4 * LONGEST_ENTRY + 4)
        elif path.suffix.lower() == ".md":
            origin = path
            whole = path.read_bytes()
            head = _FRONT_MATTER.match(whole)
            if head is None and _OPEN_FRONT_MATTER.match(whole):
                raise DocumentError(path, "has front matter, begun near line 1, that no second '---' ends")
            raw = head[1] if head else b""
        else:
            return {}
        text = raw.decode("utf-8-sig")
    except OSError as error:
        raise DocumentError(origin, f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DocumentError(origin, f"is not UTF-8 (byte {error.start}): save it again as UTF-8") from error
    # The head of Markdown begins below its first line.
    return read_entry(origin, text, 2 if origin is path else 1) if text.strip() else {}


def _is_known_otherwise(earlier: Document, document: Document) -> bool:
    """Whether a document is known by its number, or is the plan: a file of its name alone does not take its place."""
    return earlier.number is not None or (earlier.is_plan and not document.is_plan)


def _date_of(value: object) -> date | None:
    try:
        return date.fromisoformat(str(value)) if value is not None else None
    except ValueError:
        # to_document says so.
        return None


def _document_id(number: object, issued_on: date | None) -> str:
    """Return the id under which a numbered document is kept: number and year, because numbers repeat."""
    if not isinstance(number, str) or not any(c.isdigit() for c in number):
        return ""
    return "-".join(filter(None, [slug(number), str(issued_on.year) if issued_on else ""]))


def _is_the_plan(entry: Mapping[str, Any], plan: Document) -> bool:
    same_kind = entry.get("kind") == DocumentKind.PLAN.value
    return same_kind and plan.number == entry.get("number") and _words(entry.get("title")) == _words(plan.title)


def _words(title: object) -> str:
    return slug(str(title))


def _identity(document: Document) -> list[tuple[object, ...]]:
    keys: list[tuple[object, ...]] = [("id", document.id)]
    if document.number is not None:
        keys.append(("number", document.number, document.issued_on))
    if document.is_plan:
        keys.append(("plan",))
    return keys


def _refusal(error: DocumentError) -> IntakeError:
    return IntakeError(error.path.name, Refusal.WRONG_REGISTRY_ENTRY, {"problem": error.problem})
