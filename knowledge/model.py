"""The words of this room: documents, passages, hits, quotes, answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import Enum


class KnowledgeError(Exception):
    """Something that the answers depend on cannot be used; the message says what, which one, and what next."""


class DocumentKind(Enum):
    """What sort of text a document is; the value is its Vietnamese name."""

    PLAN = "kế hoạch"
    CONCLUSION = "kết luận"
    REGULATION = "quy định"
    DECISION = "quyết định"
    RESOLUTION = "nghị quyết"
    DIRECTIVE = "chỉ thị"
    GUIDELINE = "hướng dẫn"
    ACTION_PROGRAMME = "chương trình hành động"
    RULES = "quy chế"
    NOTICE = "thông báo"
    DECREE = "nghị định"
    CIRCULAR = "thông tư"
    LAW = "luật"


class TextKind(Enum):
    """Whether a text may be put between quotation marks."""

    OFFICIAL = "official"
    DIGEST = "digest"


class Confidence(Enum):
    """How far a text has been compared with its sources."""

    VERIFIED = "verified"
    PARTLY = "partly"
    UNVERIFIED = "unverified"


class Force(Enum):
    """Whether a document still holds, as far as the sources tell; PERHAPS_REPLACED where a newer one is suspected."""

    IN_FORCE = "in_force"
    AMENDED = "amended"
    PERHAPS_REPLACED = "perhaps_replaced"
    SUPERSEDED = "superseded"
    NO_LONGER_IN_FORCE = "no_longer_in_force"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Replacement:
    """What took a document's place, or changed a part of it.

    Attributes:
        text: as the registry entry words it.
        number: "377-QĐ/TW", or None where the entry names no number.
        issued_on: its own date; None where it is not known to the day.
        confirmed: False where the sources only show a newer text on the same subject.
    """

    text: str
    number: str | None
    issued_on: date | None
    confirmed: bool


@dataclass(frozen=True, slots=True)
class Document:
    """One text in the store with its registry entry.

    Attributes:
        id: file name without its ending; number and year, because Party numbers repeat.
        text: NFC, as received, without front matter; what every quote is checked against.
        sha256: of the file's bytes (and its registry file's), hexadecimal.
        cited_in_plan: sections of the plan, as its registry entry names them.
        metadata_only: the store holds no content, only what the plan says of the document.
        is_plan: the province's plan itself.
        stated_force: what the registry entry says outright; None where it only names what replaced or changed it.
        in_force_from: the first day on which it held; None where the entry does not say.
        force_basis: what says whether it holds; None where the entry does not say.
        checked_on: the day on which somebody last looked that up; None where the entry does not say.
        amended_by: what changed a part of it, in the order of the entry.
        version: counts the texts that were loaded under this id, from 1; a text never changes within a version.
        page_starts: where each page begins in text, in characters, from page 1 on; () where there are no pages.
    """

    id: str
    number: str | None
    kind: DocumentKind
    title: str
    issuer: str
    issued_on: date | None
    status: str
    replaced_by: Replacement | None
    replaces: str | None
    text_kind: TextKind
    confidence: Confidence
    text: str
    sha256: str
    short_title: str | None = None
    cited_in_plan: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    partly_checked_articles: frozenset[int] = frozenset()
    unchecked_articles: frozenset[int] = frozenset()
    metadata_only: bool = False
    is_plan: bool = False
    version: int = 1
    page_starts: tuple[int, ...] = ()
    stated_force: Force | None = None
    in_force_from: date | None = None
    force_basis: str | None = None
    checked_on: date | None = None
    amended_by: tuple[Replacement, ...] = ()

    @property
    def force(self) -> Force:
        """Whether the document still holds: what its entry says outright, else what follows from the rest of it."""
        if self.stated_force is not None and self.stated_force is not Force.UNKNOWN:
            return self.stated_force
        if self.replaced_by is not None:
            return Force.SUPERSEDED if self.replaced_by.confirmed else Force.PERHAPS_REPLACED
        return Force.AMENDED if self.amended_by else Force.UNKNOWN

    @property
    def name(self) -> str:
        """Kind and number: "Quy định 41-QĐ/TW"; a document without a number goes by its short title."""
        if self.number is None or not any(c.isdigit() for c in self.number):
            return self.short_title or self.number or self.title
        return name_of(self.kind, self.number)


def name_of(kind: DocumentKind | None, number: str) -> str:
    """Return kind and number, "Quy định 41-QĐ/TW"; the number alone where it is a name or no kind is known."""
    if kind is None or not any(c.isdigit() for c in number):
        return number
    return f"{kind.value[0].upper()}{kind.value[1:]} {number}"


class PassageKind(Enum):
    """Whether a passage is found by search (BODY) or only names a part (HEADING)."""

    HEADING = "heading"
    BODY = "body"


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document, cut along the document's own structure.

    Attributes:
        id: document id + "/" + locator.
        locator: "2.2#3" in the plan, "dieu-12.khoan-3" or a heading's slug in a regulation.
        text: the words of the passage, white space collapsed within each line.
        start, end: where it stands in Document.text, in characters.
        headings: from the outermost to the nearest; context, not part of the text.
        section: locator of the part it belongs to ("2.2", "dieu-12"); equal for all passages of that part.
        ordinal: bullet or clause number within the section; 0 for the section's own heading or opening.
    """

    id: str
    document_id: str
    locator: str
    kind: PassageKind
    text: str
    start: int
    end: int
    headings: tuple[str, ...]
    section: str
    ordinal: int


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that a search found; a higher score is a better match."""

    passage_id: str
    score: float


@dataclass(frozen=True, slots=True)
class Citation:
    """Where a quote stands: the document, its part, and both in words."""

    passage_id: str
    document_id: str
    locator: str
    document_name: str
    issued_on: date | None
    place: str
    heading: str
    is_digest: bool
    version: int = 1


@dataclass(frozen=True, slots=True)
class Quote:
    """Words of a document, unchanged, with their citation.

    Attributes:
        text: stands in the stored document, checked when the quote was made.
        opens, closes: whether it begins and ends where the passage does.
    """

    text: str
    citation: Citation
    opens: bool
    closes: bool

    @property
    def whole(self) -> bool:
        """Whether this is all of the passage."""
        return self.opens and self.closes


class Outcome(Enum):
    """The five ways to end a question."""

    ANSWERED = "answered"
    NOT_IN_DOCUMENTS = "not_in_documents"
    CITED_NOT_LOADED = "cited_not_loaded"
    AMBIGUOUS = "ambiguous"
    SMALLTALK = "smalltalk"


class Smalltalk(Enum):
    """What a message is, when it is not a question about documents."""

    GREETING = "greeting"
    THANKS = "thanks"
    GOODBYE = "goodbye"
    IDENTITY = "identity"
    ACKNOWLEDGED = "acknowledged"


class Reason(Enum):
    """Why there is no answer, or what the answer is about; decides the sentence said around it."""

    PASSAGE = "passage"
    SEVERAL_PASSAGES = "several_passages"
    SECTION = "section"
    SECTION_COUNT = "section_count"
    BULLET_COUNT = "bullet_count"
    SECTION_LIST = "section_list"
    NO_SUCH_SECTION = "no_such_section"
    NO_SUCH_ARTICLE = "no_such_article"
    CITED_WHERE = "cited_where"
    CITED_WHEN = "cited_when"
    CITED_BY_WHOM = "cited_by_whom"
    CITED_ABOUT = "cited_about"
    CITED_REPLACED = "cited_replaced"
    CITED_LOADED = "cited_loaded"
    CITED_LIST = "cited_list"
    BASIS = "basis"
    TITLE = "title"
    CITES_NOTHING = "cites_nothing"
    NOT_CITED = "not_cited"
    NOT_LOADED = "not_loaded"
    OWN_NUMBER = "own_number"
    OTHER_LAW = "other_law"
    NOTHING_FOUND = "nothing_found"
    WHICH_DOCUMENT = "which_document"
    WHICH_SECTION = "which_section"
    TOO_LONG = "too_long"
    NO_WORDS = "no_words"
    NO_TOPIC = "no_topic"
    SMALLTALK = "smalltalk"
    LAST_SECTION = "last_section"


class NoticeKind(Enum):
    """What a reader must be told beside a quote."""

    SUPERSEDED = "superseded"
    PERHAPS_REPLACED = "perhaps_replaced"
    AMENDED = "amended"
    NO_LONGER_IN_FORCE = "no_longer_in_force"
    DIGEST = "digest"
    UNCHECKED = "unchecked"


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to tell about one document."""

    kind: NoticeKind
    document_id: str


@dataclass(frozen=True, slots=True)
class Choice:
    """A way on from an answer: the action is a word of the handlers, the argument an id."""

    action: str
    argument: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What the documents say to a question, or why they say nothing.

    Attributes:
        quotes: what is shown; empty unless something stands in the documents.
        hits: best first; empty for outcomes where nothing was searched or nothing is offered.
        facts: small values for the sentence around the quotes (numbers, names, dates as written).
        document_ids: documents the answer is about, most important first.
        smalltalk: which pleasantry it was, for the outcome SMALLTALK.
        topic: what a follow-up refers to.
        query: the question as it was searched for, which for a follow-up holds the one before.
    """

    outcome: Outcome
    reason: Reason
    quotes: tuple[Quote, ...] = ()
    hits: tuple[Hit, ...] = ()
    notices: tuple[Notice, ...] = ()
    choices: tuple[Choice, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    document_ids: tuple[str, ...] = ()
    smalltalk: Smalltalk | None = None
    topic: "Topic | None" = None
    query: str = ""


@dataclass(frozen=True, slots=True)
class Topic:
    """What the conversation is about, so that "thế mục sau?" can be understood."""

    question: str = ""
    passage_id: str | None = None
    document_id: str | None = None
    hits: tuple[str, ...] = ()
