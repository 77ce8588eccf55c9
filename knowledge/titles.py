"""Documents by what they are called: titles that stand in texts, names that stand in questions."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from knowledge.model import Document, Passage
from knowledge.text import fold, pairs, syllables

_SHORTEST_NAME = 6


@dataclass(frozen=True, slots=True)
class Titled:
    """A title, in lower case, and where it first stands in a passage."""

    title: str
    passage_id: str
    start: int


class TitleIndex:
    """Finds full titles in texts: "Quy định về những điều đảng viên không được làm".

    Attributes:
        titles: in lower case, those that hold a word.
    """

    def __init__(self, titles: Iterable[str]) -> None:
        words = {title: held for title in titles if (held := _words(title))}
        self.titles = tuple(words)
        shared = Counter(word for held in words.values() for word in held)
        # Each title is looked for where its rarest words stand.
        self._by_words: dict[str, list[tuple[frozenset[str], str]]] = {}
        for title, held in words.items():
            rarest = min(held, key=lambda word: (shared[word], word))
            self._by_words.setdefault(rarest, []).append((held, title))

    def standing_in(self, passages: Sequence[Passage]) -> Iterator[Titled]:
        """Yield the titles that stand in passages as whole words, for each passage where it first stands."""
        held = _words("\n".join(passage.text for passage in passages))
        likely = [
            title for word in self._by_words.keys() & held for words, title in self._by_words[word] if words <= held
        ]
        if not likely:
            return
        for passage in passages:
            lowered = passage.text.lower()
            for title in likely:
                start = first_place(title, lowered)
                if start is not None:
                    yield Titled(title, passage.id, start)


def titles_of(documents: Iterable[Document]) -> dict[str, Document]:
    """Return the documents that titles in lower case mean, the more important ones being given first.

    Two may share a title, which then means the first; not the plan, which is never cited by its title.
    """
    first: dict[str, Document] = {}
    for document in documents:
        first.setdefault(document.title.lower(), document)
    return {title: document for title, document in first.items() if not document.is_plan}


def first_place(title: str, text: str) -> int | None:
    """Return where a title first stands in a text as whole words."""
    at = text.find(title)
    while at >= 0:
        end = at + len(title)
        begins = not title[0].isalnum() or not text[at - 1 : at].isalnum()
        ends = not title[-1].isalnum() or not text[end : end + 1].isalnum()
        if begins and ends:
            return at
        at = text.find(title, at + 1)
    return None


class Names:
    """Finds the names without a number under which people ask for documents."""

    def __init__(self, documents: Iterable[tuple[Document, Sequence[str]]]) -> None:
        """Take documents with what names_of returns, the more important ones first."""
        self._named: dict[str, list[tuple[int, int, Document, str]]] = {}
        self._rivals: dict[str, list[str]] = {}
        for order, (document, names) in enumerate(documents):
            for place, name in enumerate(names):
                self._named.setdefault(name[:_SHORTEST_NAME], []).append((order, place, document, name))
                self._rivals.setdefault(name, []).append(document.id)

    def standing_in(self, folded: str) -> Iterator[tuple[Document, str, tuple[str, ...], int]]:
        """Yield (document, name, ids of all documents of that name, where it stands) for a folded text.

        The more important documents come first, and of each the longest name.
        """
        begun = {folded[at : at + _SHORTEST_NAME] for at in range(len(folded))}
        likely = (named for beginning in begun & self._named.keys() for named in self._named[beginning])
        for _, _, document, name in sorted(likely, key=lambda named: named[:2]):
            at = folded.find(name)
            if at >= 0:
                yield document, name, tuple(self._rivals[name]), at


def _words(text: str) -> frozenset[str]:
    folded = [fold(token) for token in syllables(text)]
    return frozenset({*folded, *pairs(folded)})


def names_of(document: Document) -> list[str]:
    """Return the names without a number under which people ask for a document, folded, longest first."""
    names = [fold(document.title)]
    # Of a document known by name alone, the title's words are just as well a topic of the plan.
    if document.title.startswith("Quy định về ") and not document.metadata_only:
        name = fold(document.title.removeprefix("Quy định về "))
        names += [name, name.removeprefix("nhung ")]
    names += [fold(a) for a in document.aliases if fold(a).startswith(("nq dh", "nq dai hoi", "nghi quyet dai hoi"))]
    if document.number is not None and not document.number[0].isdigit():
        names.append(fold(document.number))
    return sorted({name for name in names if len(name) >= _SHORTEST_NAME}, key=len, reverse=True)
