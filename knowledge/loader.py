"""Files of knowledge/documents -> Document."""

import graphlib
import hashlib
import itertools
import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

import yaml

from knowledge.model import Confidence, Document, DocumentKind, Force, KnowledgeError, Replacement, TextKind
from knowledge.text import clean, fold

DOCUMENT_NUMBER = re.compile(r"\d{1,4}(?:/\d{4})?-[A-ZĐ][A-Za-zĐđ]{1,5}/[A-ZĐ]{2,8}")
log = logging.getLogger(__name__)
_DATE = re.compile(r"(\d{1,2})\s*[/.-]\s*(\d{1,2})\s*[/.-]\s*(\d{4})")
_YEAR = re.compile(r"(?<!\d)(?:19|20)\d{2}(?!\d)")
LONGEST_ENTRY, _DEEPEST_ENTRY = 100_000, 20
_UNCONFIRMED = "chưa xác nhận"
_NOT_STATED = "chưa rõ"
# What the key 'force' of a registry entry may say.
FORCES = {
    "còn hiệu lực": Force.IN_FORCE,
    "được sửa đổi": Force.AMENDED,
    "đã được thay thế": Force.SUPERSEDED,
    "hết hiệu lực": Force.NO_LONGER_IN_FORCE,
    _NOT_STATED: Force.UNKNOWN,
}
E = TypeVar("E", bound=Enum)


class DocumentError(KnowledgeError):
    """A document file cannot be used as it is.

    Attributes:
        path: the file.
        problem: what is wrong and what to do, in English.
    """

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path
        self.problem = problem


def parse_date(text: str) -> date | None:
    """Return the first day written as 22/9/2021, 18-5-2021 or 3.11.2021; None if there is none.

    Raises:
        ValueError: the day does not exist (31/2/2021).
    """
    found = _DATE.search(text)
    return date(int(found[3]), int(found[2]), int(found[1])) if found else None


def load_documents(folder: Path) -> list[Document]:
    """Return every document of the folder (.md with front matter, .txt with a .yaml beside it), in id order.

    Raises:
        DocumentError: a file is not UTF-8, has no or a broken registry entry, or two files share an id
            or number and date.
    """
    if not folder.is_dir():
        raise DocumentError(folder, "no such folder: set documents.folder in config.yaml to the documents")
    paths = [path for path in sorted(folder.iterdir()) if path.suffix in {".md", ".txt"}]
    if not paths:
        raise DocumentError(folder, "holds no .md or .txt document")
    for path in sorted(folder.iterdir()):
        if path.suffix not in {".md", ".txt", ".yaml"}:
            log.warning("%s is left out: only .md files and .txt files with a .yaml beside them are read", path.name)
    documents = [load_document(path) for path in paths]
    _refuse_repeats(documents, paths)
    for error in contradictions(documents, paths):
        raise error
    return documents


def load_document(path: Path) -> Document:
    """Return the document in one file.

    Raises:
        DocumentError: see load_documents.
    """
    raw = _read(path)
    if path.suffix == ".md":
        entry_text, text, origin = *_split_front_matter(path, _decode(path, raw)), path
    else:
        origin = path.with_suffix(".yaml")
        if not origin.is_file():
            raise DocumentError(path, f"has no registry entry: write {origin.name} beside it")
        entry_raw = _read(origin)
        entry_text, text = _decode(origin, entry_raw), _decode(path, raw)
        raw += entry_raw
    entry = read_entry(origin, entry_text)
    if not clean(text).strip():
        raise DocumentError(path, "is empty: put the document's text into it or remove it")
    return to_document(path.stem, origin, entry, clean(text), hashlib.sha256(raw).hexdigest())


def read_entry(origin: Path, text: str, first_line: int = 1) -> dict[str, Any]:
    """Return a registry entry, which may come from anyone: what it costs to read grows with its length alone.

    Args:
        origin: the file that errors name.
        first_line: of the file where the entry begins.
    Raises:
        DocumentError: it is no YAML, no list of keys, too long or nested too deep, or refers to parts of itself.
    """
    if len(text) > LONGEST_ENTRY:
        raise DocumentError(origin, f"registry entry is longer than {LONGEST_ENTRY} characters: keep what is needed")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        depth = 0
        for event in yaml.parse(text, Loader=loader):
            # Nine lines that each name the line before nine times stand for millions of words.
            if isinstance(event, yaml.AliasEvent):
                raise DocumentError(origin, "registry entry refers to parts of itself (&, *): write them out")
            # The loader calls itself level by level, and a stack that runs over ends the program.
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > _DEEPEST_ENTRY:
                raise DocumentError(origin, "registry entry is nested too deep: write 'key: value' lines")
        entry = yaml.load(text, Loader=loader)
    except ValueError as error:
        raise DocumentError(origin, f"registry entry holds a wrong 'date' or number: {error}") from error
    except yaml.YAMLError as error:
        line = getattr(getattr(error, "problem_mark", None), "line", 0) + first_line
        raise DocumentError(origin, f"registry entry is not valid YAML near line {line}") from error
    if not isinstance(entry, dict):
        raise DocumentError(origin, "registry entry must be a list of 'key: value' lines")
    return entry


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DocumentError(path, f"cannot be read: {error.strerror}") from error


def _decode(path: Path, raw: bytes) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        problem = f"is not UTF-8 (byte {error.start}): save it again as UTF-8"
        raise DocumentError(path, problem) from error


def _split_front_matter(path: Path, text: str) -> tuple[str, str]:
    found = re.match(r"---\r?\n(.*?)\r?\n---\r?\n", text, re.DOTALL)
    if not found:
        raise DocumentError(path, "has no front matter: begin it with '---', the registry entry and '---'")
    return found[1], text[found.end() :]


def to_document(document_id: str, path: Path, entry: dict[str, Any], text: str, sha256: str) -> Document:
    """Return the document of a registry entry and a text.

    Raises:
        DocumentError: the entry lacks something or holds what is not allowed; names the path.
    """

    def text_of(key: str, *, required: bool = True) -> str:
        value = entry.get(key)
        if value is None and not required:
            return ""
        if not isinstance(value, str) or not value.strip():
            raise DocumentError(path, f"registry entry needs '{key}' as text")
        return clean(value)

    def listed(key: str) -> list[Any]:
        value = entry.get(key) or []
        if not isinstance(value, list):
            raise DocumentError(path, f"registry entry needs '{key}' as a list")
        return value

    def numbers(key: str) -> frozenset[int]:
        if not all(isinstance(value, int) for value in listed(key)):
            raise DocumentError(path, f"registry entry needs '{key}' as a list of article numbers")
        return frozenset(listed(key))

    def one_of(kind: type[E], key: str) -> E:
        try:
            return kind(text_of(key).lower())
        except ValueError as error:
            allowed = ", ".join(member.value for member in kind)
            raise DocumentError(path, f"registry entry has an unknown '{key}'; allowed: {allowed}") from error

    def day_of(key: str) -> date | None:
        if entry.get(key) is None:
            return None
        try:
            return date.fromisoformat(str(entry[key]))
        except ValueError as error:
            raise DocumentError(path, f"registry entry needs '{key}' as YYYY-MM-DD") from error

    stated = text_of("force", required=False).strip().lower()
    if stated and stated not in FORCES:
        raise DocumentError(path, f"registry entry has an unknown 'force'; allowed: {', '.join(FORCES)}")
    status = text_of("status", required=not stated)
    if stated and status in ("", _NOT_STATED):
        status = stated
    if not all(isinstance(value, str) and value.strip() for value in listed("amended_by")):
        raise DocumentError(
            path, "registry entry needs 'amended_by' as a list of texts, such as [\"9-QĐ/TW (5/1/2025)\"]"
        )
    amendments = (_replacement(path, clean(value), "amended_by") for value in listed("amended_by"))
    document = Document(
        id=document_id,
        number=text_of("number", required=False) or None,
        kind=one_of(DocumentKind, "kind"),
        title=text_of("title"),
        issuer=text_of("issuer"),
        issued_on=day_of("date"),
        status=status,
        replaced_by=_replacement(path, text_of("superseded_by", required=False), "superseded_by"),
        replaces=text_of("replaces", required=False) or None,
        text_kind=one_of(TextKind, "text_kind"),
        confidence=one_of(Confidence, "confidence"),
        text=text,
        sha256=sha256,
        short_title=text_of("short_title", required=False) or None,
        cited_in_plan=tuple(str(section) for section in listed("cited_in_plan")),
        aliases=tuple(clean(str(alias)) for alias in listed("aliases")),
        partly_checked_articles=numbers("articles_partly"),
        unchecked_articles=numbers("articles_unverified"),
        metadata_only=bool(entry.get("metadata_only", False)),
        is_plan=bool(entry.get("is_plan", False)),
        stated_force=FORCES[stated] if stated else None,
        in_force_from=day_of("in_force_from"),
        force_basis=text_of("force_basis", required=False) or None,
        checked_on=day_of("checked_on"),
        amended_by=tuple(each for each in amendments if each is not None),
    )
    problem = _contradicts_itself(document)
    if problem is not None:
        raise DocumentError(path, problem)
    return document


def _replacement(path: Path, text: str, key: str) -> Replacement | None:
    if not text:
        return None
    number = DOCUMENT_NUMBER.search(text)
    try:
        issued_on = parse_date(text)
    except ValueError as error:
        raise DocumentError(path, f"registry entry '{key}' names a day that does not exist") from error
    return Replacement(
        text=text,
        number=number[0] if number else None,
        issued_on=issued_on,
        confirmed=not text.startswith(_UNCONFIRMED),
    )


def _refuse_repeats(documents: Iterable[Document], paths: Iterable[Path]) -> None:
    seen: dict[str, str] = {}
    for document, path in zip(documents, paths, strict=True):
        keys = [f"id {document.id}"]
        if document.number is not None:
            keys.append(f"{document.number} of {document.issued_on or 'no date'}")
        if document.is_plan:
            keys.append("the plan")
        for key in keys:
            if key in seen:
                raise DocumentError(path, f"and {seen[key]} are the same document ({key}): keep one of them")
            seen[key] = document.id


# --- What was replaced by what --------------------------------------------------------------------------------------


def contradictions(documents: Sequence[Document], paths: Sequence[Path]) -> list[DocumentError]:
    """Return why registry entries cannot stand together: what replaced what goes round, or one denies the other.

    Args:
        paths: where each of the documents comes from.
    Returns:
        an error for each file of such a group, naming all of its files, in the order of the documents.
    """
    files = {document.id: path for document, path in zip(documents, paths, strict=True)}
    found: dict[str, str] = {}
    for group, problem in [*_rounds(documents), *_denials(documents)]:
        for document_id in group:
            others = ", ".join(files[other].name for other in group if other != document_id)
            found.setdefault(document_id, f"and {others} contradict each other: {problem}")
    return [DocumentError(files[document.id], found[document.id]) for document in documents if document.id in found]


def _rounds(documents: Sequence[Document]) -> Iterator[tuple[list[str], str]]:
    """Yield the documents that replaced each other in a round, the one with the first id first."""
    newer: dict[str, set[str]] = {document.id: set() for document in documents}
    numbered = _by_number(documents)
    for document in documents:
        for reference in _replacements_of(document):
            newer[document.id] |= {other.id for other in _named(reference, numbered) if other is not document}
        for other in _replaced_by(document, numbered):
            newer[other.id].add(document.id)
    while True:
        try:
            graphlib.TopologicalSorter(newer).prepare()
        except graphlib.CycleError as error:
            group = sorted(set(error.args[1]))
            yield group, "each is said to have been replaced by the next, correct 'superseded_by' or 'replaces'"
            newer = {one: others - set(group) for one, others in newer.items() if one not in group}
        else:
            return


def _denials(documents: Sequence[Document]) -> Iterator[tuple[list[str], str]]:
    """Yield pairs of which one says that it replaced the other, and the other that it is still in force."""
    numbered = _by_number(documents)
    for document in documents:
        for other in _replaced_by(document, numbered):
            if other.stated_force in (Force.IN_FORCE, Force.AMENDED):
                yield (
                    sorted([document.id, other.id]),
                    f"{document.id} replaces {other.id}, which says that it is in force: correct 'replaces' or 'force'",
                )


def _contradicts_itself(document: Document) -> str | None:
    """Return what is wrong between the keys of one registry entry; None where nothing is."""
    stated, replaced = document.stated_force, document.replaced_by
    is_replaced = replaced is not None and replaced.confirmed
    said = next((word for word, force in FORCES.items() if force is stated), "")
    if stated is Force.SUPERSEDED and not is_replaced:
        return f"registry entry says 'force: {said}' but not by what: name it in 'superseded_by'"
    if is_replaced and stated in (Force.IN_FORCE, Force.AMENDED, Force.UNKNOWN):
        return f"registry entry says 'force: {said}' and names in 'superseded_by' what replaced it: keep one of them"
    if stated is Force.AMENDED and not document.amended_by:
        return f"registry entry says 'force: {said}' but not by what: name it in 'amended_by'"
    if stated is Force.IN_FORCE and document.amended_by:
        return "registry entry names what changed it in 'amended_by': write 'force: được sửa đổi'"
    itself = _by_number([document])
    for key, references in (
        ("superseded_by", [] if replaced is None else _replacements_of(document)),
        ("amended_by", [(each.number, each.issued_on, None) for each in document.amended_by]),
        ("replaces", _names_in(document.replaces or "")),
    ):
        if any(_named(reference, itself) for reference in references):
            return f"registry entry names the document itself in '{key}'"
    return None


# A number, with the date or the year beside it, as far as they are given.
_Reference = tuple[str | None, date | None, int | None]


def _by_number(documents: Sequence[Document]) -> dict[str, list[Document]]:
    found: dict[str, list[Document]] = {}
    for document in documents:
        if document.number is not None:
            found.setdefault(fold(document.number), []).append(document)
    return found


def _replacements_of(document: Document) -> list[_Reference]:
    replaced = document.replaced_by
    return [] if replaced is None else [(replaced.number, replaced.issued_on, None)]


def _replaced_by(document: Document, numbered: dict[str, list[Document]]) -> list[Document]:
    """Return the documents that one says it has replaced; what is not confirmed does not count."""
    if document.replaces is None or document.replaces.startswith(_UNCONFIRMED):
        return []
    found = [other for reference in _names_in(document.replaces) for other in _named(reference, numbered)]
    return [other for other in found if other is not document]


def _named(reference: _Reference, numbered: dict[str, list[Document]]) -> list[Document]:
    """Return the documents that a reference can mean."""
    number, issued_on, year = reference
    same = numbered.get(fold(number), []) if number is not None else []
    return [
        document
        for document in same
        if (issued_on is None or document.issued_on is None or document.issued_on == issued_on)
        and (year is None or document.issued_on is None or document.issued_on.year == year)
    ]


def _names_in(text: str) -> list[_Reference]:
    """Return the numbers that a text names, each with what stands behind it: "80-QĐ/TW (2022); 50-QĐ/TW (2021)"."""
    references: list[_Reference] = []
    found = list(DOCUMENT_NUMBER.finditer(text))
    for number, following in itertools.zip_longest(found, found[1:]):
        behind = text[number.end() : following.start() if following else None]
        try:
            issued_on = parse_date(behind)
        except ValueError:
            # A day that does not exist tells nothing; the year may still be right.
            issued_on = None
        year = _YEAR.search(behind)
        references.append((number[0], issued_on, int(year[0]) if year else None))
    return references
