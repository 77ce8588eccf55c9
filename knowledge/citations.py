"""Mentions of documents: in the texts (records), and in what people type."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from knowledge.loader import DOCUMENT_NUMBER, parse_date
from knowledge.model import Document, DocumentKind, Passage
from knowledge.text import fold

_KINDS = {kind.value: kind for kind in DocumentKind}
_KIND = "|".join(sorted(_KINDS, key=len, reverse=True))
_DAY = r"\d{1,2}\s*[/.-]\s*\d{1,2}\s*[/.-]\s*\d{4}"
_ISSUER = (
    r"(?:Bộ Chính trị|Ban Bí thư|Ban Chấp hành Trung ương(?: Đảng)?|Ban Thường vụ (?:Tỉnh|Thành|Huyện|Đảng) [uủ][ỷy]"
    r"|Tỉnh [uủ][ỷy]|Thành [uủ][ỷy]|[UỦ][ỷy] ban Kiểm tra(?: Trung ương)?|Ban Tổ chức Trung ương)(?: kho[áa] [IVX]+)?"
)
_NUMBERED = re.compile(
    rf"(?:(?P<kind>{_KIND})\s+(?:số\s+)?)?(?P<number>{DOCUMENT_NUMBER.pattern})"
    rf"(?:,?\s*\(?(?:ngày\s+)?(?P<day>{_DAY})\)?)?(?:,?\s+của\s+(?P<issuer>{_ISSUER}))?",
    re.IGNORECASE,
)
_CONGRESS = re.compile(
    r"Nghị quyết Đại hội(?: đại biểu)?(?: Đảng)?(?: toàn quốc)?(?: Đảng bộ tỉnh)?(?: lần thứ)? (?P<term>[IVX]+)"
    r"(?P<province> Đảng bộ tỉnh)?(?: của Đảng)?"
)
# What the letters of a number stand for; QĐ serves two kinds.
_SYMBOLS: dict[str, tuple[DocumentKind, ...]] = {
    "qd": (DocumentKind.REGULATION, DocumentKind.DECISION),
    "qdi": (DocumentKind.REGULATION,),
    "kl": (DocumentKind.CONCLUSION,),
    "nq": (DocumentKind.RESOLUTION,),
    "ct": (DocumentKind.DIRECTIVE,),
    "hd": (DocumentKind.GUIDELINE,),
    "ctr": (DocumentKind.ACTION_PROGRAMME,),
    "kh": (DocumentKind.PLAN,),
    "tb": (DocumentKind.NOTICE,),
    "nd": (DocumentKind.DECREE,),
    "tt": (DocumentKind.CIRCULAR,),
}
_TYPED_KINDS = {
    **{fold(kind.value): (kind,) for kind in DocumentKind},
    **_SYMBOLS,
    "qyd": (DocumentKind.REGULATION,),
    "chuong trinh": (DocumentKind.ACTION_PROGRAMME,),
    "quy dinh": (DocumentKind.REGULATION, DocumentKind.DECISION),
    "quyet dinh": (DocumentKind.DECISION, DocumentKind.REGULATION),
}
_TYPED_KIND = "|".join(sorted(_TYPED_KINDS, key=len, reverse=True))
_TYPED_NUMBER = re.compile(
    rf"(?<![\w.])(?:(?P<kind>{_TYPED_KIND})\s*(?:so\s*)?)?(?P<n>\d{{1,4}})\s*[-–/ ]\s*(?P<symbol>{'|'.join(_SYMBOLS)})"
    rf"(?:\s*[-–/ ]\s*(?P<body>tw|tu|ubkttw|cp|ttg|bnv))?\b"
)
# A number behind a kind is a document's, unless it counts something ("quy định 3 tháng một lần", "kế hoạch 5 năm"), is
# a year, or begins a date; "/" before three digits parts two documents ("QĐ 217/218").
_SHORT_NUMBER = (
    r"(?!(?:19|20)\d{2}\b)\d{1,4}(?![\w%]|[.-]\d|/(?!\d{3}(?!\d))\d)"
    r"(?!\s*(?:dieu|khoan|muc|phan|diem|chuong|y)\b(?!\s*\d)|\s*nam\b(?!\s*\d{4}|\s+(?:o|trong|tai|dau)\b)"
    r"|\s*(?:thang|ngay|lan|cach|nguoi|buoc|nhom|tuan|gio|noi dung|truong hop|bieu hien|nhiem ky)\b)"
)
_TYPED_SHORT = re.compile(
    rf"(?<![\w/-])(?P<kind>{_TYPED_KIND})\s*\.?(?:so\s*)?(?P<n>{_SHORT_NUMBER})"
    rf"(?P<more>(?:\s*(?:,|va|voi|/)\s*(?:(?:{_TYPED_KIND})\s*(?:so\s*)?)?{_SHORT_NUMBER})*)"
)
_BARE_NUMBER = re.compile(rf"(?<![\w/.,-])(?=\d{{3}})(?P<n>{_SHORT_NUMBER})")
_PART_BEFORE = re.compile(r"\b(?:dieu|khoan|diem|muc|phan|chuong|k|d)\s*$")
_NUMBER_BEHIND = re.compile(r"\s*(?:so\s*)?\d")
# A date counts only right behind the number it belongs to: "14-KL/TW ngày 20/3/2026", "26-NQ/TW (2008)".
_TYPED_YEAR = re.compile(
    r"[\s,(]*(?:cua [a-z ]{2,30}?)?[\s,(]*(?:ngay\s*)?(?:\d{1,2}[/.-]\d{1,2}[/.-]|nam\s+|/|\()\s*((?:19|20)\d{2})\b"
)
_STATE_LAW = re.compile(
    r"\b(?:(?:bo )?(?<!ky )(?<!ki )(?<!phap )luat (?!(?:su|le|phap|chua|khong|co|nao|noi|cho|cam|ma|thi|de)\b)[a-z]+"
    r"|nghi dinh|thong tu|phap lenh|hien phap|dieu le dang)\b"
)


@dataclass(frozen=True, slots=True)
class CitationRecord:
    """One mention of a document in a text.

    Attributes:
        number: "41-QĐ/TW"; for a congress resolution, its name.
        written: the mention as it stands in the passage.
        issuer: as written, or None where the passage names none.
        passage_id: where it stands.
        document_id: the same document in the store (number and date agree), or None.
    """

    number: str
    kind: DocumentKind | None
    issued_on: date | None
    issuer: str | None
    written: str
    passage_id: str
    document_id: str | None


@dataclass(frozen=True, slots=True)
class CitedDocument:
    """A document that texts mention, known by number and date, with all its mentions in reading order."""

    number: str
    kind: DocumentKind | None
    issued_on: date | None
    document_id: str | None
    records: tuple[CitationRecord, ...]


@dataclass(frozen=True, slots=True)
class Mention:
    """A document that a question names.

    Attributes:
        typed: as typed, folded.
        number: for one that nobody knows, the number in its usual form, as far as it was given.
        document_ids: documents of the store it can mean, the one the plan cites first.
        cited: it is mentioned in a text of the store, though its own text may be missing.
        start, end: where it stands in the folded question, in characters.
    """

    typed: str
    number: str
    document_ids: tuple[str, ...]
    cited: bool
    start: int
    end: int


class CitationGraph:
    """Who mentions whom, over the documents of the store."""

    def __init__(self, documents: Sequence[Document], passages: Sequence[Passage]) -> None:
        self._documents = {document.id: document for document in documents}
        self._cited_first = sorted(documents, key=lambda d: (not d.cited_in_plan, d.id))
        self._names = {document.id: _names(document) for document in documents}
        self.records = tuple(record for passage in passages for record in self._records(passage))

    def _records(self, passage: Passage) -> Iterator[CitationRecord]:
        found: list[tuple[int, CitationRecord]] = []
        for match in _NUMBERED.finditer(passage.text):
            found.append((match.start(), self._numbered(match, passage)))
        for match in _CONGRESS.finditer(passage.text):
            found.append((match.start(), self._congress(match, passage)))
        found.extend(self._titled(passage))
        records = [record for _, record in sorted(found, key=lambda pair: pair[0])]
        yield from _share_issuers(records, passage.text)

    def _numbered(self, match: re.Match[str], passage: Passage) -> CitationRecord:
        kind = _KINDS.get((match["kind"] or "").lower())
        try:
            issued_on = parse_date(match["day"]) if match["day"] else None
        except ValueError:
            issued_on = None
        document = self._find(match["number"], issued_on)
        return CitationRecord(
            number=match["number"],
            kind=kind or (document.kind if document else None),
            issued_on=issued_on or (document.issued_on if document else None),
            issuer=match["issuer"],
            written=match[0],
            passage_id=passage.id,
            document_id=document.id if document else None,
        )

    def _congress(self, match: re.Match[str], passage: Passage) -> CitationRecord:
        is_province = "Đảng bộ tỉnh" in match[0]
        name = f"Nghị quyết Đại hội {match['term']}{' Đảng bộ tỉnh' if is_province else ''}"
        document = self._find(name, None)
        return CitationRecord(
            number=name,
            kind=DocumentKind.RESOLUTION,
            issued_on=document.issued_on if document else None,
            issuer=None,
            written=match[0],
            passage_id=passage.id,
            document_id=document.id if document else None,
        )

    def _titled(self, passage: Passage) -> Iterator[tuple[int, CitationRecord]]:
        """Yield mentions by full title: "Quy định về những điều đảng viên không được làm"."""
        lowered = passage.text.lower()
        for document in self._cited_first:
            title = document.title.lower()
            start = lowered.find(title)
            # Two documents may share a title; the mention then means the one that the plan cites.
            if start < 0 or document.is_plan or document is not self._by_title(title):
                continue
            yield (
                start,
                CitationRecord(
                    number=document.number or document.title,
                    kind=document.kind,
                    issued_on=document.issued_on,
                    issuer=None,
                    written=passage.text[start : start + len(title)],
                    passage_id=passage.id,
                    document_id=document.id,
                ),
            )

    def _by_title(self, title: str) -> Document | None:
        return next((d for d in self._cited_first if d.title.lower() == title), None)

    def _find(self, number: str, issued_on: date | None) -> Document | None:
        same = [d for d in self._documents.values() if d.number is not None and fold(d.number) == fold(number)]
        if issued_on is not None:
            same = [d for d in same if d.issued_on == issued_on]
        return same[0] if len(same) == 1 else None

    def cited_by(self, document_id: str) -> list[CitedDocument]:
        """Return the documents that a document cites, each with its places, in the order of their first mention."""
        grouped: dict[tuple[str, date | None], list[CitationRecord]] = {}
        for record in self.records:
            if record.passage_id.split("/", 1)[0] == document_id and record.document_id != document_id:
                grouped.setdefault((record.number, record.issued_on), []).append(record)
        return [
            CitedDocument(number, rows[0].kind, issued_on, rows[0].document_id, tuple(rows))
            for (number, issued_on), rows in grouped.items()
        ]

    def mentions_of(self, document_id: str) -> list[CitationRecord]:
        """Return the places where other documents mention this one, in reading order, the plan's first."""
        found = [
            record
            for record in self.records
            if record.document_id == document_id and record.passage_id.split("/", 1)[0] != document_id
        ]
        return sorted(found, key=lambda r: not self._documents[r.passage_id.split("/", 1)[0]].is_plan)

    def unknown_records(self, number: str) -> list[CitationRecord]:
        """Return the mentions of a number that mean no document of the store."""
        return [r for r in self.records if fold(r.number) == fold(number) and r.document_id is None]

    def find_mentions(self, text: str) -> list[Mention]:
        """Return the documents that a typed text names, in order: numbers, short forms ("qd41"), titles."""
        folded = fold(text)
        mentions: list[Mention] = []
        taken: list[tuple[int, int]] = []

        def add(mention: Mention) -> None:
            if all(mention.end <= start or mention.start >= end for start, end in taken):
                taken.append((mention.start, mention.end))
                mentions.append(mention)

        for match in _TYPED_NUMBER.finditer(folded):
            # In "điều 7 qđ 41" the 7 is an article's, the letters belong to 41.
            if _PART_BEFORE.search(folded[: match.start("n")]) or _NUMBER_BEHIND.match(folded, match.end()):
                continue
            add(self._typed(match["n"], match["kind"] or match["symbol"], match, match.span()))
        for match in _TYPED_SHORT.finditer(folded):
            add(self._typed(match["n"], match["kind"], match, (match.start(), match.end("n"))))
            for other in re.finditer(r"\d{1,4}", match["more"] or ""):
                span = (match.start("more") + other.start(), match.start("more") + other.end())
                add(self._typed(other[0], match["kind"], match, span))
        for document in self._cited_first:
            for name in self._names[document.id]:
                at = folded.find(name)
                if at >= 0:
                    rivals = tuple(d.id for d in self._cited_first if name in self._names[d.id])
                    add(Mention(name, document.number or document.title, rivals, True, at, at + len(name)))
        for bare in _BARE_NUMBER.finditer(folded):
            numbered = [d for d in self._cited_first if d.number and re.match(rf"{bare['n']}-", d.number)]
            if len(numbered) == 1:
                number = numbered[0].number or ""
                add(Mention(bare["n"], number, (numbered[0].id,), True, bare.start("n"), bare.end("n")))
        return sorted(mentions, key=lambda mention: mention.start)

    def _typed(self, digits: str, kind: str, match: re.Match[str], span: tuple[int, int]) -> Mention:
        symbol = (match.groupdict().get("symbol") or "").strip()
        body = match.groupdict().get("body")
        kinds = _SYMBOLS.get(symbol) or _TYPED_KINDS[kind]
        known = [
            document
            for document in self._cited_first
            if document.number is not None
            and not document.is_plan
            and _same_number(document.number, digits, kinds, body)
        ]
        records = [r for r in self.records if _same_number(r.number, digits, kinds, body)]
        year = _TYPED_YEAR.match(match.string, span[1])
        if year is not None:
            known = [d for d in known if d.issued_on is None or d.issued_on.year == int(year[1])]
            records = [r for r in records if r.issued_on is None or r.issued_on.year == int(year[1])]
        number = known[0].number if known else records[0].number if records else None
        letters = f"-{symbol.upper().replace('QD', 'QĐ')}" if symbol else ""
        number = number or f"{digits}{letters}{f'/{body.upper()}' if body else ''}"
        if year is not None and not known:
            number = f"{number} năm {year[1]}"
        return Mention(
            typed=match.string[span[0] : span[1]],
            number=number,
            document_ids=tuple(document.id for document in known),
            cited=bool(records),
            start=span[0],
            end=span[1],
        )


def names_state_law(text: str) -> bool:
    """Whether a text names a law, decree or charter, which this store does not hold ("Luật Đất đai 2024")."""
    return _STATE_LAW.search(fold(text)) is not None


def _share_issuers(records: Sequence[CitationRecord], text: str) -> Iterator[CitationRecord]:
    """Let "Quyết định số 217-QĐ/TW, Quyết định số 218-QĐ/TW của Bộ Chính trị" name one issuer for both."""
    for position, record in enumerate(records):
        following = records[position + 1] if position + 1 < len(records) else None
        if (
            following is not None
            and record.issuer is None
            and following.issuer is not None
            and record.kind is following.kind
            and f"{record.written}, {following.written}" in text
        ):
            yield CitationRecord(
                record.number,
                record.kind,
                record.issued_on,
                following.issuer,
                record.written,
                record.passage_id,
                record.document_id,
            )
        else:
            yield record


def _same_number(number: str, digits: str, kinds: Sequence[DocumentKind], body: str | None) -> bool:
    found = re.fullmatch(r"(\d{1,4})(?:/\d{4})?-([a-z]+)/([a-z]+)", fold(number))
    if not found or int(found[1]) != int(digits):
        return False
    return any(kind in _SYMBOLS.get(found[2], ()) for kind in kinds) and (body is None or body == found[3])


def _names(document: Document) -> list[str]:
    """Names without a number under which people ask for a document, folded, longest first."""
    names = [fold(document.title)]
    # Of a document known by name alone, the title's words are just as well a topic of the plan.
    if document.title.startswith("Quy định về ") and not document.metadata_only:
        name = fold(document.title.removeprefix("Quy định về "))
        names += [name, name.removeprefix("nhung ")]
    names += [fold(a) for a in document.aliases if fold(a).startswith(("nq dh", "nq dai hoi", "nghi quyet dai hoi"))]
    if document.number is not None and not document.number[0].isdigit():
        names.append(fold(document.number))
    return sorted({name for name in names if len(name) > 5}, key=len, reverse=True)
