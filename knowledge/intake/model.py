"""The words of intake: what a file holds, what was left out or looks wrong, and why a file is refused."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import Enum

from knowledge.model import DocumentKind, KnowledgeError


class FindingKind(Enum):
    """What a person should know of a text that was read; nothing of it is ever mended silently."""

    # Left out.
    WHITE_TEXT = "white_text"
    TINY_TEXT = "tiny_text"
    HIDDEN_TEXT = "hidden_text"
    OFF_PAGE = "off_page"
    COMMENT = "comment"
    TRACKED_DELETION = "tracked_deletion"
    HEADER_OR_FOOTER = "header_or_footer"
    PAGE_NUMBER = "page_number"
    MACROS = "macros"
    EMBEDDED_FILE = "embedded_file"
    EXTERNAL_LINK = "external_link"
    # Kept, and to be looked at.
    TRACKED_INSERTION = "tracked_insertion"
    CONVERTED_ENCODING = "converted_encoding"
    BROKEN_ACCENT = "broken_accent"
    OCR_DOUBTFUL = "ocr_doubtful"
    PAGE_WITHOUT_TEXT = "page_without_text"
    NESTED_TABLE = "nested_table"
    PICTURE = "picture"


@dataclass(frozen=True, slots=True)
class Finding:
    """One such thing.

    Attributes:
        excerpt: the words concerned, or the first of them, at most 80 characters.
        page: from 1; None where the file has no pages.
        count: how often.
    """

    kind: FindingKind
    excerpt: str = ""
    page: int | None = None
    count: int = 1


class Refusal(Enum):
    """Why a file is not taken."""

    UNKNOWN_FORMAT = "unknown_format"
    NOT_WHAT_IT_SAYS = "not_what_it_says"
    EXECUTABLE = "executable"
    EMPTY = "empty"
    NO_TEXT = "no_text"
    BROKEN = "broken"
    ENCRYPTED = "encrypted"
    TOO_LARGE = "too_large"
    TOO_MANY_PAGES = "too_many_pages"
    TOO_MANY_ENTRIES = "too_many_entries"
    UNPACKS_TOO_LARGE = "unpacks_too_large"
    TOO_LONG = "too_long"
    TOO_MUCH_MEMORY = "too_much_memory"
    SECRET = "secret"
    UNREADABLE = "unreadable"
    STILL_CHANGING = "still_changing"
    NEEDS_LIBREOFFICE = "needs_libreoffice"
    NEEDS_TESSERACT = "needs_tesseract"
    WRONG_ENCODING = "wrong_encoding"
    WRONG_REGISTRY_ENTRY = "wrong_registry_entry"
    NUMBER_WITH_OTHER_DATE = "number_with_other_date"
    CIRCULAR_REPLACEMENT = "circular_replacement"
    NAME_OF_ANOTHER = "name_of_another"
    ENTRY_ALONE = "entry_alone"
    FOLDER = "folder"


class IntakeError(KnowledgeError):
    """A file is not taken.

    Attributes:
        name: of the file, without its folder and safe to show.
        refusal: why.
        facts: small values for the sentence about it ("pages": "10000", "allowed": "2000").
    """

    def __init__(self, name: str, refusal: Refusal, facts: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{name}: {refusal.value} {dict(facts or {})}")
        self.name = name
        self.refusal = refusal
        self.facts = dict(facts or {})


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a file may cost."""

    size_bytes: int = 50_000_000
    seconds: float = 60.0
    memory_bytes: int = 1_500_000_000
    pages: int = 2_000
    entries: int = 5_000
    unpacked_bytes: int = 300_000_000
    ratio: float = 200.0
    characters: int = 10_000_000
    ocr_seconds_per_page: float = 30.0


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph as a file lays it out.

    Attributes:
        text: NFC, one line, white space collapsed; the words and list marks of the file, nothing more.
        heading: 1 to 6 where the file marks it as a heading; else 0.
        page: from 1; None where the file has no pages.
        is_row: a row of a table, its cells joined by " | ".
    """

    text: str
    heading: int = 0
    page: int | None = None
    is_row: bool = False


@dataclass(frozen=True, slots=True)
class Extracted:
    """What a reader of one format finds in a file."""

    paragraphs: tuple[Paragraph, ...]
    findings: tuple[Finding, ...] = ()
    pages: int | None = None
    is_ocr: bool = False


@dataclass(frozen=True, slots=True)
class Recognized:
    """What the head of a text says of itself; None for what it does not say."""

    number: str | None = None
    kind: DocumentKind | None = None
    issued_on: date | None = None
    issuer: str | None = None
    title: str | None = None


@dataclass(frozen=True, slots=True)
class Intake:
    """A file that was read.

    Attributes:
        name: of the file, without its folder and safe to show.
        sha256: of the file's bytes, hexadecimal.
        text: as knowledge.chunker.chunk takes it.
        page_starts: where in the text each page begins, in characters, from page 1 on; () where there are no pages.
        is_ocr: read by OCR: a draft until an administrator has confirmed it.
    """

    name: str
    sha256: str
    size_bytes: int
    text: str
    page_starts: tuple[int, ...] = ()
    findings: tuple[Finding, ...] = ()
    is_ocr: bool = False
    recognized: Recognized = field(default_factory=Recognized)
