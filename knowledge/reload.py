"""Other texts beside those that answer, compared and tried with golden questions, then put in their place at once."""

import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from pathlib import Path

from knowledge.answer import KnowledgeBase
from knowledge.chunker import chunk
from knowledge.difference import Difference, compare
from knowledge.golden import Golden
from knowledge.intake.model import Finding, Intake, IntakeError
from knowledge.library import Library, LibraryError, Snapshot
from knowledge.loader import load_documents
from knowledge.model import Document, KnowledgeError
from knowledge.shelf import Shelf
from knowledge.sources import Collected, IntakeMany, answering, collect, stands_as_read

log = logging.getLogger(__name__)
# Golden questions asked side by side.
_ASKED_AT_ONCE = 2

# Takes the documents that answer, digests that only help to find them, and what answered before.
Build = Callable[[Sequence[Document], Sequence[Document], KnowledgeBase | None], KnowledgeBase]


class Stage(Enum):
    """What a load is busy with."""

    READING = "reading"
    BUILDING = "building"
    ASKING = "asking"
    WRITING = "writing"


# Takes the stage, what is done of it and how much there is.
Progress = Callable[[Stage, int, int], None]


class Result(Enum):
    """What came of a load."""

    LOADED = "loaded"
    UNCHANGED = "unchanged"
    REFUSED = "refused"
    DRY_RUN = "dry_run"
    ROLLED_BACK = "rolled_back"


@dataclass(frozen=True, slots=True)
class Report:
    """What a load or a step back did, or would do.

    Attributes:
        version: the snapshot that answers now.
        before: the one that answered before.
        names: {document id: how it is called}, of all that the difference names.
        documents, passages: how many there are now, or would be.
        asked: how many golden questions were asked.
        reason: why it was loaded although golden questions fail.
    """

    result: Result
    version: int
    before: int | None
    difference: Difference = field(default_factory=Difference)
    names: Mapping[str, str] = field(default_factory=dict)
    documents: int = 0
    passages: int = 0
    asked: int = 0
    reason: str = ""
    refused: tuple[IntakeError, ...] = ()
    findings: Mapping[str, tuple[Finding, ...]] = field(default_factory=dict)
    drafts: tuple[Intake, ...] = ()
    same_number: tuple[tuple[str, str], ...] = ()
    repeated: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Serving:
    """What answers: a snapshot and its documents ready to be asked."""

    snapshot: Snapshot
    knowledge: KnowledgeBase


class NothingToRollBackError(KnowledgeError):
    """There is no snapshot before this one, or none of that number; `others` are those that one can go to, if any."""

    def __init__(self, reason: str, others: tuple[int, ...] = ()) -> None:
        super().__init__(reason)
        self.others = others


class LiveKnowledge:
    """The documents that answer now, and how others take their place while they do."""

    def __init__(
        self,
        library: Library,
        *,
        folder: Path,
        tray: Path,
        golden: Callable[[], Sequence[Golden]],
        build: Build,
        save: Callable[[KnowledgeBase], None],
        read: IntakeMany,
    ) -> None:
        """Take where documents lie, and how they are read and built; open then lets them answer.

        Args:
            golden: reads the golden questions, ours and the administrator's.
            save: writes down what was built, so that the next start need not build it again.
        """
        self.library = library
        self._folder, self._tray = folder, tray
        self._golden, self._build, self._save, self._read = golden, build, save, read
        self._serving: Serving | None = None
        self._passed: tuple[int, dict[str, bool]] = (0, {})
        self._swapping = threading.Lock()

    @property
    def serving(self) -> Serving:
        """What answers now; whoever answers a message takes it once."""
        if self._serving is None:
            raise RuntimeError("open was not called")
        return self._serving

    @property
    def knowledge(self) -> KnowledgeBase:
        """The documents that answer now."""
        return self.serving.knowledge

    def open(self, *, at: datetime, takes_folder: bool = True, steps_back: bool = False) -> None:
        """Let the last snapshot answer; where the documents folder has changed since, load it if its gate holds.

        Args:
            takes_folder: False leaves a changed folder to who asks for a load, and is told what changes.
            steps_back: where the last snapshot is damaged, open the newest whole one, so that one can go back to it.
        Raises:
            KnowledgeError: there is none yet and the documents folder cannot be used, or the last one is damaged.
        """
        try:
            before = self.library.current()
            if before is not None:
                self._serving = self._ready(before, None)
        except LibraryError:
            if not steps_back or not self._open_whole():
                raise
            return
        if before is None:
            with self.library.loading(patient=True):
                before = self.library.current()
                if before is None:
                    self._first(at)
                    return
            self._serving = self._ready(before, None)
        if takes_folder and not stands_as_read(before, self._folder):
            try:
                report = self.reload(by="start", at=at, with_tray=False)
            except KnowledgeError as error:
                log.warning("documents are as they were before: %s", error)
                return
            if report.result is Result.REFUSED:
                log.warning(
                    "%s golden questions would fail with the changed documents folder: the old texts go on answering, "
                    "see 'python -m bot reload --dry-run'",
                    len(report.difference.failing),
                )

    def follow(self) -> bool:
        """Let answer what another process has loaded since; return whether there was anything."""
        number = self.library.current_number()
        if number is None or number == self.serving.snapshot.number:
            return False
        with self._swapping:
            before = self.serving
            self._serving = self._ready(self.library.snapshot(number), before.knowledge)
        return True

    def reload(
        self,
        *,
        by: str,
        at: datetime,
        reason: str = "",
        dry_run: bool = False,
        with_tray: bool = True,
        without: Iterable[str] = (),
        progress: Progress = lambda _stage, _done, _total: None,
    ) -> Report:
        """Read what there is, build it beside what answers, try it, and let it answer if it passes.

        Args:
            reason: loads even where golden questions fail; kept with the snapshot.
            dry_run: only tell what would change.
            without: ids of received documents to let go.
        Raises:
            LibraryBusyError: somebody else is loading.
            KnowledgeError: nothing can be read or written, or what is to be let go was never received; what answered
                goes on answering.
        """
        with self.library.loading(), self._swapping:
            before = self._latest()
            old = before.snapshot
            leaving = frozenset(without)
            if strangers := sorted(leaving - old.received.keys()):
                known = ", ".join(sorted(old.received)) or "none"
                raise KnowledgeError(f"there is no received document {strangers[0]!r} to let go; there is: {known}")
            progress(Stage.READING, 0, 1)
            found = collect(
                self.library, old, self._folder, self._tray if with_tray else None, self._read, without=leaving
            )
            documents, helping = answering(found.shipped, found.received)
            fresh, numbered = self._versions(old, documents, found, by=by, at=at)
            if fresh.shipped == old.shipped and fresh.received == old.received:
                if not dry_run:
                    self._note_files(old, found)
                return _report(Result.UNCHANGED, old, old.number, before.knowledge, Difference(), {}, found, asked=0)
            progress(Stage.BUILDING, 0, len(documents))
            knowledge = self._build(numbered, helping, before.knowledge)
            difference, outcomes = self._compare(before, knowledge, progress)
            names = {d.id: d.name for d in (*before.knowledge.documents.values(), *documents)}
            falls = bool(difference.failing)
            if dry_run or (falls and not reason):
                result = Result.DRY_RUN if dry_run else Result.REFUSED
                return _report(result, old, old.number, knowledge, difference, names, found, asked=len(outcomes))
            progress(Stage.WRITING, 0, 1)
            # Those whose document goes away are not asked any more, and fail all the same.
            unasked = [question for question in difference.failing if question not in outcomes]
            failing = (*(question for question, passes in outcomes.items() if not passes), *unasked)
            fresh = replace(fresh, reason=reason if falls else "", failing=failing, asked=len(outcomes))
            self._write(found, fresh)
            self._serving = Serving(fresh, knowledge)
            self._passed = (fresh.number, outcomes)
            self._save(knowledge)
            return _report(Result.LOADED, fresh, old.number, knowledge, difference, names, found, asked=len(outcomes))

    def roll_back(self, *, by: str, at: datetime, to: int | None = None) -> Report:
        """Let an earlier snapshot answer again, at once and without its gate; nothing is removed.

        Args:
            to: its number; None for what answered before the present one.
        Raises:
            NothingToRollBackError: there is none.
            LibraryBusyError: somebody else is loading.
        """
        with self.library.loading(), self._swapping:
            before = self._latest()
            old = before.snapshot
            target = self._target(old, to)
            fresh = replace(
                target,
                number=old.number + 1,
                made_at=at,
                by=by,
                reason="",
                goes_back_to=target.number,
                versions=old.versions,
                files=old.files,
                folder=old.folder,
            )
            serving = self._ready(fresh, before.knowledge)
            difference = compare(before.knowledge, serving.knowledge)
            names = {
                d.id: d.name for d in (*before.knowledge.documents.values(), *serving.knowledge.documents.values())
            }
            self.library.switch(fresh)
            self._serving = serving
            self._save(serving.knowledge)
            none = Collected({}, {}, {})
            return _report(Result.ROLLED_BACK, fresh, old.number, serving.knowledge, difference, names, none, asked=0)

    def earlier(self, document_id: str, version: int) -> Shelf | None:
        """Return a document as it was in an earlier version, to be quoted from; None where there is no such version."""
        serving = self.serving
        document = self.library.version(serving.snapshot, document_id, version)
        return None if document is None else Shelf([document], chunk(document), serving.knowledge.lexical)

    # --- Steps --------------------------------------------------------------------------------------------------

    def _first(self, at: datetime) -> None:
        """Let the documents folder answer, strictly: with nothing to fall back on, a broken file is an error."""
        documents = load_documents(self._folder)
        found = collect(self.library, None, self._folder, None, self._read)
        snapshot = Snapshot(0, at, "start", folder=str(self._folder))
        fresh, numbered = self._versions(snapshot, documents, found, by="start", at=at)
        knowledge = self._build(numbered, [], None)
        self._write(found, fresh)
        self._serving = Serving(fresh, knowledge)

    def _open_whole(self) -> bool:
        """Open the newest snapshot that can be read in the place of the last one; return whether there is any."""
        last = self.library.current_number() or 0
        newest: Snapshot | None = None
        for number in reversed(self.library.numbers()):
            try:
                snapshot = self.library.snapshot(number)
                # The newest that can be read knows all the versions, even where one of its texts cannot.
                newest = newest or snapshot
                stands_in = replace(
                    snapshot, number=last, goes_back_to=None, versions=newest.versions, files=newest.files
                )
                self._serving = self._ready(stands_in, None)
            except LibraryError as error:
                log.warning("%s", error)
            else:
                return True
        return False

    def _latest(self) -> Serving:
        """Return what answers now, also where another process has loaded since."""
        number = self.library.current_number()
        if number is not None and number != self.serving.snapshot.number:
            self._serving = self._ready(self.library.snapshot(number), self.serving.knowledge)
        return self.serving

    def _ready(self, snapshot: Snapshot, previous: KnowledgeBase | None) -> Serving:
        documents, helping = texts_of(self.library, snapshot)
        return Serving(snapshot, self._build(documents, helping, previous))

    def _versions(
        self, old: Snapshot, documents: Sequence[Document], found: Collected, *, by: str, at: datetime
    ) -> tuple[Snapshot, list[Document]]:
        """Return the snapshot of what was found, not yet written, and its documents with their versions."""
        shipped = {document_id: self.library.keep(document) for document_id, document in found.shipped.items()}
        received = {document_id: self.library.keep(document) for document_id, document in found.received.items()}
        fresh = replace(
            old,
            number=old.number + 1,
            made_at=at,
            by=by,
            folder=str(self._folder),
            goes_back_to=None,
            shipped=shipped,
            received=received,
            files=found.files,
        )
        keys = {**shipped, **received}
        versions = dict(old.versions)
        for document in documents:
            key = _key(self.library, document, fresh, keys)
            if key not in versions.get(document.id, ()):
                versions[document.id] = (*versions.get(document.id, ()), key)
        fresh = replace(fresh, versions=versions)
        return fresh, [_numbered(d, versions, _key(self.library, d, fresh, keys)) for d in documents]

    def _compare(
        self, before: Serving, knowledge: KnowledgeBase, progress: Progress
    ) -> tuple[Difference, dict[str, bool]]:
        golden = self._golden()
        if self._passed[0] != before.snapshot.number:
            self._passed = (before.snapshot.number, {})
        known = self._passed[1]

        def ask(each: Golden) -> tuple[bool | None, bool | None]:
            """Return whether it came out right before, and whether it does now; None where its document is missing."""
            if each.question not in known and each.concerns(before.knowledge):
                known[each.question] = each.passes(before.knowledge)
            now = each.passes(knowledge) if each.concerns(knowledge) else None
            return known.get(each.question), now

        outcomes: dict[str, bool] = {}
        failing, mended = [], []
        with ThreadPoolExecutor(_ASKED_AT_ONCE) as pool:
            for done, (each, (passed, passes)) in enumerate(zip(golden, pool.map(ask, golden), strict=True)):
                progress(Stage.ASKING, done, len(golden))
                if passes is not None:
                    outcomes[each.question] = passes
                if passed and not passes:
                    failing.append(each.question)
                elif passes and passed is False:
                    mended.append(each.question)
        difference = compare(before.knowledge, knowledge)
        return replace(difference, failing=tuple(failing), mended=tuple(mended)), outcomes

    def _write(self, found: Collected, fresh: Snapshot) -> None:
        for draft in found.drafts:
            self.library.keep_draft(draft)
        self.library.switch(fresh)

    def _note_files(self, old: Snapshot, found: Collected) -> None:
        """Remember drafts, and that files were looked at although they changed nothing."""
        for draft in found.drafts:
            self.library.keep_draft(draft)
        seen = replace(old, files=found.files, folder=str(self._folder))
        if seen != old:
            self.library.note(seen)
            self._serving = replace(self.serving, snapshot=seen)

    def _target(self, old: Snapshot, to: int | None) -> Snapshot:
        numbers = self.library.numbers()
        if to is None:
            # A step back from a step back goes on to what was before that.
            at = old.goes_back_to or old.number
            earlier = [number for number in numbers if number < at]
            if not earlier:
                raise NothingToRollBackError("there is nothing before this version")
            return self.library.snapshot(earlier[-1])
        if to not in numbers or to == old.number:
            others = tuple(number for number in numbers if number != old.number)
            known = ", ".join(map(str, others)) or "none"
            raise NothingToRollBackError(f"there is no version {to} to go back to; there is: {known}", others)
        return self.library.snapshot(to)


def texts_of(library: Library, snapshot: Snapshot) -> tuple[list[Document], list[Document]]:
    """Return (the documents that answer in a snapshot, with their versions; digests that only help to find them)."""
    shipped = {document_id: library.text(key) for document_id, key in snapshot.shipped.items()}
    received = {document_id: library.text(key) for document_id, key in snapshot.received.items()}
    documents, helping = answering(shipped, received)
    keys = {**snapshot.shipped, **snapshot.received}
    return [_numbered(d, snapshot.versions, _key(library, d, snapshot, keys)) for d in documents], helping


def _key(library: Library, document: Document, snapshot: Snapshot, keys: Mapping[str, str]) -> str:
    """Return the key of the text that answers where a document was shipped as well as received."""
    own = library.key(document)
    return own if own in (snapshot.shipped.get(document.id), snapshot.received.get(document.id)) else keys[document.id]


def _numbered(document: Document, versions: Mapping[str, tuple[str, ...]], key: str) -> Document:
    version = 1 + versions[document.id].index(key)
    # The same object stays the same from one load to the next, and nothing need be compared.
    return document if document.version == version else replace(document, version=version)


def _report(
    result: Result,
    snapshot: Snapshot,
    before: int,
    knowledge: KnowledgeBase,
    difference: Difference,
    names: Mapping[str, str],
    found: Collected,
    *,
    asked: int,
) -> Report:
    named = {*difference.added, *difference.changed, *difference.removed}
    return Report(
        result=result,
        version=snapshot.number,
        before=before,
        difference=difference,
        names={document_id: name for document_id, name in names.items() if document_id in named},
        documents=len(knowledge.documents),
        passages=len(knowledge.passages),
        asked=asked,
        reason=snapshot.reason,
        refused=found.refused,
        findings=found.findings,
        drafts=found.drafts,
        same_number=found.same_number,
        repeated=found.repeated,
    )
