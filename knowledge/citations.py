"""Mentions of documents: in the texts (records), and in what people type."""

import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import date
from itertools import chain
from typing import TypeVar

from knowledge.loader import DOCUMENT_NUMBER, parse_date
from knowledge.model import Document, DocumentKind, Passage
from knowledge.prepared import Prepared, shelved
from knowledge.text import fold
from knowledge.titles import Names, Titled, TitleIndex, first_place, titles_of

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
_NUMBER = re.compile(DOCUMENT_NUMBER.pattern, re.IGNORECASE)
_FULL_NUMBER = re.compile(r"(\d{1,4})(?:/\d{4})?-([a-z]+)/([a-z]+)")
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
        document_ids: documents of the store it can mean, the one the plan cites first, then the latest.
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
    """Who mentions whom, over the documents of the store.

    Attributes:
        records: every mention, in reading order.
    """

    def __init__(
        self,
        documents: Sequence[Document],
        passages: Sequence[Passage],
        *,
        prepared: Mapping[str, Prepared] | None = None,
        previous: "CitationGraph | None" = None,
        holding: Callable[[str], Iterable[Passage]] | None = None,
    ) -> None:
        """Look for mentions.

        Args:
            prepared: the same documents and passages, where some may be those of a graph before.
            previous: that graph; what it knows of them is looked up again only where it may have changed.
            holding: returns the searched passages that may hold some words; without it all are looked at.
        """
        self._prepared = shelved(documents, passages) if prepared is None else prepared
        self._documents = {document.id: document for document in documents}
        self._cited_first = sorted(documents, key=lambda d: (not d.cited_in_plan, d.id))
        self._by_number = _grouped(documents, lambda d: fold(d.number) if d.number is not None else None)
        self._titles = titles_of(self._cited_first)
        self._title_index: TitleIndex = (
            previous._title_index
            if previous is not None and previous._titles.keys() == self._titles.keys()
            else TitleIndex(self._titles)
        )
        before = previous._prepared if previous is not None else {}
        kept = {id_ for id_, one in self._prepared.items() if before.get(id_) is one}
        self._written: dict[str, tuple[_Written, ...]] = {}
        self._titled: dict[str, tuple[Titled, ...]] = {}
        for id_, one in self._prepared.items():
            if previous is not None and id_ in kept:
                self._written[id_], self._titled[id_] = previous._written[id_], previous._titled[id_]
            else:
                self._written[id_] = tuple(found for passage in one.passages for found in _written_in(passage))
                few = previous is not None or holding is None
                self._titled[id_] = tuple(self._title_index.standing_in(one.passages)) if few else ()
        if previous is None and holding is not None:
            for found in self._newly_titled(self._title_index, self._prepared.keys(), holding):
                self._titled[found.passage_id.split("/", 1)[0]] += (found,)
        stale = set() if previous is None else self._update(previous, kept, holding)
        self._records: dict[str, tuple[CitationRecord, ...]] = {
            id_: previous._records[id_]
            if previous is not None and id_ in kept and id_ not in stale
            else tuple(self._resolved(id_))
            for id_ in self._prepared
        }
        self.records = tuple(chain.from_iterable(self._records.values()))
        self._names = Names((document, self._prepared[document.id].names) for document in self._cited_first)
        self._at = _grouped(self.records, lambda r: r.passage_id)
        self._of = _grouped(self.records, lambda r: r.document_id)
        self._unknown = _grouped((r for r in self.records if r.document_id is None), lambda r: fold(r.number))
        self._numbered = _grouped(self.records, lambda r: _digits(r.number))
        self._stored = _grouped(
            (d for d in self._cited_first if not d.is_plan), lambda d: _digits(d.number) if d.number else None
        )
        self._begun = _grouped(documents, lambda d: _before_hyphen(d.number) if d.number else None)

    def _update(
        self, previous: "CitationGraph", kept: Set[str], holding: Callable[[str], Iterable[Passage]] | None
    ) -> set[str]:
        """Look for new titles in the kept documents; return those whose mentions must be resolved again."""
        titles, old = self._titles, previous._titles
        changed = {title for title in titles.keys() | old.keys() if titles.get(title) is not old.get(title)}
        stale = {id_ for id_ in kept if any(found.title in changed for found in self._titled[id_])}
        for id_ in stale:
            self._titled[id_] = tuple(found for found in self._titled[id_] if found.title in titles)
        for found in self._newly_titled(TitleIndex(sorted(titles.keys() - old.keys())), kept, holding):
            document_id = found.passage_id.split("/", 1)[0]
            self._titled[document_id] += (found,)
            stale.add(document_id)
        different = self._documents.keys() ^ previous._documents.keys()
        different |= {d for d in self._documents.keys() - different if self._documents[d] is not previous._documents[d]}
        versions = (graph._documents.get(d) for d in different for graph in (self, previous))
        numbers = {fold(document.number) for document in versions if document is not None and document.number}
        return stale | {id_ for id_ in kept if any(found.folded in numbers for found in self._written[id_])}

    def _newly_titled(
        self, fresh: TitleIndex, kept: Set[str], holding: Callable[[str], Iterable[Passage]] | None
    ) -> Iterator[Titled]:
        """Yield where new titles stand in documents that are not new."""
        if not fresh.titles:
            return
        for id_ in kept:
            one = self._prepared[id_]
            yield from fresh.standing_in(one.passages if holding is None else one.unsearched)
        for title in fresh.titles if holding is not None else ():
            assert holding is not None
            for passage in holding(title):
                at = first_place(title, passage.text.lower())
                if passage.document_id in kept and at is not None:
                    yield Titled(title, passage.id, at)

    def _resolved(self, document_id: str) -> Iterator[CitationRecord]:
        """Yield the mentions in a document, with the documents that they mean."""
        found: dict[str, list[tuple[int, CitationRecord]]] = {}
        for written in self._written[document_id]:
            record = self._meaning(written)
            found.setdefault(written.passage_id, []).append((written.start, record))
        for titled in sorted(self._titled[document_id], key=lambda titled: titled.title):
            document = self._titles.get(titled.title)
            if document is not None:
                place = found.setdefault(titled.passage_id, [])
                place.append((titled.start, self._by_title(document, titled)))
        for passage in self._prepared[document_id].passages:
            if passage.id in found:
                records = [record for _, record in sorted(found[passage.id], key=lambda pair: pair[0])]
                yield from _share_issuers(records, passage.text)

    def _meaning(self, written: "_Written") -> CitationRecord:
        document = self._find(written.folded, written.issued_on)
        return CitationRecord(
            number=written.number,
            kind=written.kind or (document.kind if document else None),
            issued_on=written.issued_on or (document.issued_on if document else None),
            issuer=written.issuer,
            written=written.text,
            passage_id=written.passage_id,
            document_id=document.id if document else None,
        )

    def _by_title(self, document: Document, titled: Titled) -> CitationRecord:
        text = self._prepared[titled.passage_id.split("/", 1)[0]].by_id[titled.passage_id].text
        return CitationRecord(
            number=document.number or document.title,
            kind=document.kind,
            issued_on=document.issued_on,
            issuer=None,
            written=text[titled.start : titled.start + len(titled.title)],
            passage_id=titled.passage_id,
            document_id=document.id,
        )

    def _find(self, folded: str, issued_on: date | None) -> Document | None:
        same = self._by_number.get(folded, [])
        if issued_on is not None:
            same = [d for d in same if d.issued_on == issued_on]
        return same[0] if len(same) == 1 else None

    def cited_by(self, document_id: str) -> list[CitedDocument]:
        """Return the documents that a document cites, each with its places, in the order of their first mention."""
        grouped: dict[tuple[str, date | None], list[CitationRecord]] = {}
        for record in self._records.get(document_id, ()):
            if record.document_id != document_id:
                grouped.setdefault((record.number, record.issued_on), []).append(record)
        return [
            CitedDocument(number, rows[0].kind, issued_on, rows[0].document_id, tuple(rows))
            for (number, issued_on), rows in grouped.items()
        ]

    def records_in(self, document_id: str) -> Sequence[CitationRecord]:
        """Return what a document mentions, in reading order; () for one that is not there."""
        return self._records.get(document_id, ())

    def mentioned_in(self, passage_id: str) -> Sequence[CitationRecord]:
        """Return the mentions in a passage, in reading order."""
        return self._at.get(passage_id, ())

    def mentions_of(self, document_id: str) -> list[CitationRecord]:
        """Return the places where other documents mention this one, in reading order, the plan's first."""
        found = [r for r in self._of.get(document_id, ()) if r.passage_id.split("/", 1)[0] != document_id]
        return sorted(found, key=lambda r: not self._documents[r.passage_id.split("/", 1)[0]].is_plan)

    def unknown_records(self, number: str) -> list[CitationRecord]:
        """Return the mentions of a number that mean no document of the store."""
        return list(self._unknown.get(fold(number), ()))

    def numbered(self, number: int) -> list[str]:
        """Return the documents of the store whose number begins so, before a hyphen: 41 for "41-QĐ/TW"."""
        return [document.id for document in self._begun.get(str(number), ())]

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
        for document, name, rivals, at in self._names.standing_in(folded):
            add(Mention(name, document.number or document.title, rivals, True, at, at + len(name)))
        for bare in _BARE_NUMBER.finditer(folded):
            numbered = [
                d for d in self._begun.get(bare["n"].lstrip("0"), ()) if (d.number or "").startswith(f"{bare['n']}-")
            ]
            if len(numbered) == 1:
                number = numbered[0].number or ""
                add(Mention(bare["n"], number, (numbered[0].id,), True, bare.start("n"), bare.end("n")))
        return sorted(mentions, key=lambda mention: mention.start)

    def _typed(self, digits: str, kind: str, match: re.Match[str], span: tuple[int, int]) -> Mention:
        symbol = (match.groupdict().get("symbol") or "").strip()
        body = match.groupdict().get("body")
        kinds = _SYMBOLS.get(symbol) or _TYPED_KINDS[kind]
        known = [d for d in self._stored.get(int(digits), ()) if _same_number(d.number or "", digits, kinds, body)]
        records = [r for r in self._numbered.get(int(digits), ()) if _same_number(r.number, digits, kinds, body)]
        year = _TYPED_YEAR.match(match.string, span[1])
        if year is not None:
            known = [d for d in known if d.issued_on is None or d.issued_on.year == int(year[1])]
            records = [r for r in records if r.issued_on is None or r.issued_on.year == int(year[1])]
        # Numbers begin anew with every term of office: without a year, the plan's document is meant, else the latest.
        known.sort(key=lambda d: (d.cited_in_plan, d.issued_on or date.min), reverse=True)
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


@dataclass(frozen=True, slots=True)
class _Written:
    """A number, or the name of a congress's resolution, as it stands in a passage."""

    passage_id: str
    start: int
    text: str
    number: str
    folded: str
    kind: DocumentKind | None
    issued_on: date | None
    issuer: str | None


def _written_in(passage: Passage) -> Iterator[_Written]:
    text = passage.text
    # Most passages hold neither, and these are found faster.
    for match in _NUMBERED.finditer(text) if "/" in text and _NUMBER.search(text) else ():
        try:
            issued_on = parse_date(match["day"]) if match["day"] else None
        except ValueError:
            issued_on = None
        kind, number = _KINDS.get((match["kind"] or "").lower()), match["number"]
        yield _Written(passage.id, match.start(), match[0], number, fold(number), kind, issued_on, match["issuer"])
    for match in _CONGRESS.finditer(text) if "Nghị quyết Đại hội" in text else ():
        name = f"Nghị quyết Đại hội {match['term']}{' Đảng bộ tỉnh' if 'Đảng bộ tỉnh' in match[0] else ''}"
        kind = DocumentKind.RESOLUTION
        yield _Written(passage.id, match.start(), match[0], name, fold(name), kind, None, None)


_Thing = TypeVar("_Thing")
_Key = TypeVar("_Key", bound=Hashable)


def _grouped(things: Iterable[_Thing], key: Callable[[_Thing], _Key | None]) -> dict[_Key, list[_Thing]]:
    """Return things by a key, in their order; those without one are left out."""
    found: dict[_Key, list[_Thing]] = {}
    for thing in things:
        of = key(thing)
        if of is not None:
            found.setdefault(of, []).append(thing)
    return found


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


def _before_hyphen(number: str) -> str | None:
    first, hyphen, _ = number.partition("-")
    return first.lstrip("0") if hyphen else None


def _digits(number: str) -> int | None:
    """Return what a number begins with, 41 for "41-QĐ/TW"; None for a name."""
    found = _FULL_NUMBER.fullmatch(fold(number))
    return int(found[1]) if found else None


def _same_number(number: str, digits: str, kinds: Sequence[DocumentKind], body: str | None) -> bool:
    found = _FULL_NUMBER.fullmatch(fold(number))
    if not found or int(found[1]) != int(digits):
        return False
    return any(kind in _SYMBOLS.get(found[2], ()) for kind in kinds) and (body is None or body == found[3])
