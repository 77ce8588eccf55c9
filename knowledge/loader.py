"""Files of knowledge/documents -> Document."""

import hashlib
import logging
import re
from collections.abc import Iterable
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

import yaml

from knowledge.model import Confidence, Document, DocumentKind, KnowledgeError, Replacement, TextKind
from knowledge.text import clean

DOCUMENT_NUMBER = re.compile(r"\d{1,4}(?:/\d{4})?-[A-ZĐ][A-Za-zĐđ]{1,5}/[A-ZĐ]{2,8}")
log = logging.getLogger(__name__)
_DATE = re.compile(r"(\d{1,2})\s*[/.-]\s*(\d{1,2})\s*[/.-]\s*(\d{4})")
_UNCONFIRMED = "chưa xác nhận"
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
    try:
        entry = yaml.safe_load(entry_text)
    except ValueError as error:
        raise DocumentError(origin, f"registry entry holds a wrong date or number: {error}") from error
    except yaml.YAMLError as error:
        line = getattr(getattr(error, "problem_mark", None), "line", 0) + 1
        raise DocumentError(origin, f"registry entry is not valid YAML near line {line}") from error
    if not isinstance(entry, dict):
        raise DocumentError(origin, "registry entry must be a list of 'key: value' lines")
    if not clean(text).strip():
        raise DocumentError(path, "is empty: put the document's text into it or remove it")
    return _to_document(path.stem, origin, entry, clean(text), hashlib.sha256(raw).hexdigest())


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


def _to_document(document_id: str, path: Path, entry: dict[str, Any], text: str, sha256: str) -> Document:
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

    issued_on = None
    if entry.get("date") is not None:
        try:
            issued_on = date.fromisoformat(str(entry["date"]))
        except ValueError as error:
            raise DocumentError(path, "registry entry needs 'date' as YYYY-MM-DD") from error
    return Document(
        id=document_id,
        number=text_of("number", required=False) or None,
        kind=one_of(DocumentKind, "kind"),
        title=text_of("title"),
        issuer=text_of("issuer"),
        issued_on=issued_on,
        status=text_of("status"),
        replaced_by=_replacement(path, text_of("superseded_by", required=False)),
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
    )


def _replacement(path: Path, text: str) -> Replacement | None:
    if not text:
        return None
    number = DOCUMENT_NUMBER.search(text)
    try:
        issued_on = parse_date(text)
    except ValueError as error:
        raise DocumentError(path, "registry entry 'superseded_by' names a day that does not exist") from error
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
