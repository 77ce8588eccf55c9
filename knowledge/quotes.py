"""Words of a document between quotation marks: cut, cited, and checked against the stored text."""

import logging
import re
from collections.abc import Sequence
from functools import lru_cache

from knowledge.chunker import page_of, place
from knowledge.lexical import LexicalIndex
from knowledge.model import Citation, Document, Passage, Quote, TextKind
from knowledge.query import Query
from knowledge.text import collapse, fold, pairs, syllables

log = logging.getLogger(__name__)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-ZÀ-ỸĐ“\"])")
_NOTE = re.compile(r"^> ?", re.MULTILINE)
_CLAUSE_END = re.compile(r"(?<=[.!?;])\s+")
# A passage that fits a phone's screen is shown whole; of a longer one, the clause that answers comes first.
SHOWN_WHOLE = 420
# One point of a digest's list, alone, reads like something else.
DIGEST_SHOWN_WHOLE = 1000
# Clauses that lean on the one before them.
_LEANS = re.compile(r"(?:việc|về|của|và|với|để|cho|theo|trong|nhất là|kể cả)\b|[“\"(]", re.IGNORECASE)
_KEPT_SUPPORT = 0.85
_MOST_CLAUSES = 6
_STORED_KEPT = 64
_WORTH_CUTTING = 0.6


# By text, so that what one version of the documents has worked out serves the next.
@lru_cache(maxsize=_STORED_KEPT)
def _collapsed(text: str) -> str:
    """Return a stored text on one line; ">" marks the lines of a note, it is no word of it."""
    return collapse(_NOTE.sub("", text))


class Quoter:
    """Makes quotes of the passages of a store."""

    def __init__(self, documents: Sequence[Document], lexical: LexicalIndex) -> None:
        self._documents = {document.id: document for document in documents}
        self._lexical = lexical

    def whole(self, passage: Passage) -> Quote | None:
        """Quote a whole passage; None if it does not stand in the stored text."""
        return self.part(passage, passage.text)

    def part(self, passage: Passage, text: str) -> Quote | None:
        """Quote a part of a passage; None if it does not stand in the stored text."""
        words = collapse(text)
        document = self._documents.get(passage.document_id)
        if not words or document is None or words not in _collapsed(document.text):
            log.error("quote withheld: passage %s does not stand in its document", passage.id)
            return None
        all_words = collapse(passage.text)
        return Quote(
            text=text,
            citation=self.cite(passage),
            opens=all_words.startswith(words),
            closes=all_words.endswith(words),
        )

    def answering(self, passage: Passage, query: Query) -> Quote | None:
        """Quote the clauses of a passage that answer a question, the whole passage where they cannot be told."""
        is_digest = self._documents[passage.document_id].text_kind is TextKind.DIGEST
        if len(passage.text) <= (DIGEST_SHOWN_WHOLE if is_digest else SHOWN_WHOLE):
            return self.whole(passage)
        return self.part(passage, self._focus(passage.text, query))

    def sentence_with(self, passage: Passage, words: str) -> Quote | None:
        """Quote the sentence of a passage that holds the given words, or the whole passage."""
        sentences = [s for s in _SENTENCE_END.split(passage.text) if words in s]
        return self.part(passage, sentences[0]) if sentences else self.whole(passage)

    def opening(self, passage: Passage, length: int = 90) -> Quote | None:
        """Quote the first words of a passage, cut where a clause or a word ends."""
        if len(passage.text) <= length:
            return self.whole(passage)
        head = passage.text[: length + 1]
        cut = max(head.rfind(mark) for mark in (";", ",", "."))
        if cut < length // 2:
            cut = head.rfind(" ")
        return self.part(passage, head[:cut])

    def cite(self, passage: Passage) -> Citation:
        """Return the citation of a passage, with its page where the document has pages."""
        document = self._documents[passage.document_id]
        page = page_of(document, passage)
        return Citation(
            passage_id=passage.id,
            document_id=document.id,
            locator=passage.locator,
            document_name=document.short_title or document.name,
            issued_on=document.issued_on,
            place=place(passage) if page is None else f"{place(passage)}, trang {page}",
            heading=passage.headings[-1] if passage.headings else "",
            is_digest=document.text_kind is TextKind.DIGEST,
            version=document.version,
        )

    def _focus(self, text: str, query: Query) -> str:
        """Return the shortest run of clauses that supports the question nearly as well as the whole text."""
        ends = (m.end() for m in _CLAUSE_END.finditer(text))
        marks = [0, *(end for end in ends if not _LEANS.match(text, end)), len(text)]
        wanted = _KEPT_SUPPORT * self._weight(text, query)
        best = text
        for first in range(len(marks) - 1):
            for last in range(first + 1, min(first + _MOST_CLAUSES, len(marks))):
                window = text[marks[first] : marks[last]].strip()
                if len(window) < len(best) and self._weight(window, query) >= wanted > 0:
                    best = window
        return best if len(best) <= _WORTH_CUTTING * len(text) else text

    def _weight(self, text: str, query: Query) -> float:
        folded = [fold(token) for token in syllables(text)]
        held = {*folded, *pairs(folded)}
        asked = {t for t, kept in zip(query.folded, query.is_content, strict=True) if kept}
        asked |= {pair for i, pair in enumerate(pairs(query.folded)) if query.is_content[i] or query.is_content[i + 1]}
        weight = sum(self._lexical.idf(token) for token in asked & held)
        for expansion in query.expansions:
            found = [part for part in (*expansion.folded, *expansion.pairs) if part in held]
            weight += expansion.weight * sum(self._lexical.idf(token) for token in found) / 2
        return weight
