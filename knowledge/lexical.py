"""BM25 ranking over syllables and syllable pairs, with and without accents."""

import json
import threading
from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property, lru_cache
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from knowledge.postings import Column, Grown, Postings
from knowledge.query import Query
from knowledge.text import accented_key, fold, pairs, syllables

# A pair's number is made of those of its syllables.
_WORD_BITS = 21
# Texts that are counted at a time: their syllables, as words, would fill the memory.
_AT_ONCE = 2000
_COLUMNS_KEPT = 20_000
# Tokens whose scores are kept: those of a hundred questions.
_WEIGHED_KEPT = 2000


def index_tokens(text: str) -> list[str]:
    """Return what a text is indexed by: folded syllables, folded pairs, and syllables as accented.

    A query typed with accents meets all three, one without the first two.
    """
    tokens = syllables(text)
    # One text is folded sooner than its many syllables.
    folded = fold(" ".join(tokens)).split(" ") if tokens else []
    accented = [f"={accented_key(token)}" for token, bare in zip(tokens, folded, strict=True) if token != bare]
    return [*folded, *pairs(folded), *accented]


class _Words:
    """Numbers of syllables, given once and for all: an index shares them with those that were updated from it."""

    def __init__(self, names: Sequence[str] = (), bare: Sequence[int] = ()) -> None:
        """Take index tokens by number, and for each the number of the folded syllable that it writes."""
        self.names, self.bare = list(names), list(bare)
        self._ids = {name: number for number, name in enumerate(self.names)}
        self._forms = _Forms(self)
        self._lock = threading.Lock()

    def counted(self, texts: Sequence[str]) -> Postings:
        """Return the postings of texts, of all that index_tokens would return."""
        found = [syllables(text) for text in texts]
        lengths = np.asarray([len(tokens) for tokens in found], dtype=np.int64)
        with self._lock:
            # Where two add at once, a number would be given twice.
            forms = np.fromiter(map(self._forms.__getitem__, chain.from_iterable(found)), dtype=np.int64)
            folded, accented = self._forms.folded[forms], self._forms.accented[forms]
        owners = np.repeat(np.arange(len(found)), lengths)
        beside = owners[1:] == owners[:-1]
        paired = ((folded[:-1] + 1) << _WORD_BITS | folded[1:])[beside]
        marked = accented >= 0
        tokens = np.concatenate([folded, paired, accented[marked]])
        holders = np.concatenate([owners, owners[1:][beside], owners[marked]])
        # One more for each text: a text without a word has a length, too.
        sizes = (np.bincount(holders, minlength=len(found)) + 1).astype(np.int32)
        return Postings.count(tokens, holders, sizes)

    def key(self, token: str) -> int | None:
        """Return the number of an index token; None for one that no text has ever held."""
        first, joined, second = token.partition("_")
        if not joined:
            return self._ids.get(token)
        a, b = self._ids.get(first), self._ids.get(second)
        return None if a is None or b is None else (a + 1) << _WORD_BITS | b

    def number(self, name: str, bare: int | None) -> int:
        """Return the number of a folded syllable, or of an accented one that writes the folded one numbered bare."""
        known = self._ids.get(name)
        if known is not None:
            return known
        number = len(self.names)
        if number >= 1 << _WORD_BITS:
            raise ValueError(f"more than {number} different syllables")
        self.names.append(name)
        self.bare.append(number if bare is None else bare)
        # Last: who finds a number must find what it stands for.
        self._ids[name] = number
        return number

    def kept(self) -> tuple[list[str], list[int]]:
        """Return names and bare as they are now."""
        with self._lock:
            return list(self.names), list(self.bare)


class _Forms(dict[str, int]):
    """How each syllable that was met is indexed, worked out when it is first met."""

    def __init__(self, words: _Words) -> None:
        super().__init__()
        self._words = words
        self._folded = np.zeros(1024, dtype=np.int64)
        self._accented = np.zeros(1024, dtype=np.int64)

    def __missing__(self, syllable: str) -> int:
        form, bare = len(self), fold(syllable)
        if form == len(self._folded):
            self._folded, self._accented = np.resize(self._folded, 2 * form), np.resize(self._accented, 2 * form)
        number = self._words.number(bare, None)
        self._folded[form] = number
        self._accented[form] = -1 if bare == syllable else self._words.number(f"={accented_key(syllable)}", number)
        self[syllable] = form
        return form

    @property
    def folded(self) -> NDArray[np.int64]:
        """Number of the folded syllable, by form."""
        return self._folded

    @property
    def accented(self) -> NDArray[np.int64]:
        """Number of the syllable as accented, by form; -1 where it has no accents."""
        return self._accented


class LexicalIndex:
    """BM25 (Lucene's variant, as bm25s has it) over n texts.

    Attributes:
        size: n.
        ambiguous: folded syllables that stand for a content word in the texts as well as for a function word.
    """

    def __init__(self, words: _Words, postings: Grown, function_words: frozenset[str]) -> None:
        self._words, self._postings, self._function_words = words, postings, function_words
        self._weighed = lru_cache(maxsize=_WEIGHED_KEPT)(postings.weigh)
        self.size = postings.size
        self._singles = postings.keys_below(1 << _WORD_BITS)
        self.ambiguous = self._find_ambiguous()
        self._idf_of_one = float(np.log(1 + (self.size - 0.5) / 1.5))
        self._seen: dict[str, tuple[Column, float] | None] = {}

    @cached_property
    def vocabulary(self) -> list[str]:
        """Every folded syllable of the texts, sorted."""
        names = self._words.names
        return sorted(name for key in self._singles.tolist() if (name := names[key])[0] != "=")

    @classmethod
    def build(cls, texts: Sequence[str], function_words: frozenset[str]) -> "LexicalIndex":
        """Index texts; function_words are accented keys that carry no content."""
        words = _Words()
        parts = [words.counted(texts[first : first + _AT_ONCE]) for first in range(0, len(texts), _AT_ONCE)]
        return cls(words, Grown(Postings.join(parts)), function_words)

    @classmethod
    def load(cls, folder: Path, size: int) -> "LexicalIndex":
        """Return the saved index of so many texts; see save.

        Raises:
            ValueError: it is of another number of texts.
        """
        saved = json.loads((folder / "vocab.index.json").read_text(encoding="utf-8"))
        function_words = json.loads((folder / "params.index.json").read_text(encoding="utf-8"))["function_words"]
        postings = Postings.load(folder)
        if postings.size != size:
            raise ValueError(f"{folder}: index of {postings.size} texts, not of {size}: remove the folder")
        return cls(_Words(saved["names"], saved["bare"]), Grown(postings), frozenset(function_words))

    def save(self, folder: Path) -> None:
        """Write the index into an existing folder."""
        names, bare = self._words.kept()
        vocabulary = json.dumps({"names": names, "bare": bare}, ensure_ascii=False)
        (folder / "vocab.index.json").write_text(vocabulary, encoding="utf-8")
        params = json.dumps({"function_words": sorted(self._function_words)}, ensure_ascii=False)
        (folder / "params.index.json").write_text(params, encoding="utf-8")
        # Not read again: for people who wonder why a word was not dropped.
        (folder / "ambiguous.txt").write_text("\n".join(sorted(self.ambiguous)), encoding="utf-8")
        self._postings.packed().save(folder)

    def updated(self, kept: NDArray[np.int64], fresh: Sequence[str]) -> "LexicalIndex":
        """Return the index of texts of which some are in this one, which stays as it is; it equals one built anew.

        Args:
            kept: [n], for each text its number in this index, each at most once; -1 for the next of the fresh ones.
            fresh: the texts that are not.
        """
        parts = [self._words.counted(fresh[first : first + _AT_ONCE]) for first in range(0, len(fresh), _AT_ONCE)]
        return LexicalIndex(self._words, self._postings.updated(kept, Postings.join(parts)), self._function_words)

    def idf(self, token: str) -> float:
        """Return how rare a token is, in nats; a token no text holds is as rare as one that a single text holds."""
        found = self._column(token)
        return found[1] if found is not None else self._idf_of_one

    def knows(self, token: str) -> bool:
        """Whether any text holds the token."""
        return self._column(token) is not None

    def holding(self, tokens: Sequence[str], *, enough: int = 0) -> list[int]:
        """Return the numbers of the texts that hold all of some index tokens, ascending; none for no tokens.

        Args:
            enough: with so few texts left, the commonest tokens are not looked at any more.
        """
        columns = self._columns(tokens)
        if not columns or len(columns) < len(tokens):
            return []
        columns.sort(key=self._postings.held)
        found = np.sort(self._postings.texts(columns[0]))
        has = np.zeros(self.size, dtype=bool)
        for column in columns[1:]:
            if len(found) <= enough:
                break
            others = self._postings.texts(column)
            has[others] = True
            found = found[has[found]]
            has[others] = False
        return [int(number) for number in found]

    def own_scores(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return how much there is to be found in each text: the idf of its tokens, summed, [len(texts)]."""
        found = [[held[1] for token in index_tokens(text) if (held := self._column(token))] for text in texts]
        return np.asarray([np.asarray(rare).sum() for rare in found], dtype=np.float32)

    def scores(self, query: Query) -> NDArray[np.float32]:
        """Return the BM25 score of every text, [n], higher for better; expansions count by their weights."""
        total = self.scores_of(query_tokens(query))
        by_weight: dict[float, list[str]] = defaultdict(list)
        for expansion in query.expansions:
            by_weight[expansion.weight].extend([*expansion.folded, *expansion.pairs])
        for weight, tokens in by_weight.items():
            total = total + np.float32(weight) * self.scores_of(tokens)
        return total

    def scores_of(self, tokens: Sequence[str]) -> NDArray[np.float32]:
        """Return the BM25 score of every text for index tokens; unknown tokens count nothing."""
        return self._postings.sum(map(self._weighed, self._columns(tokens)))

    def _columns(self, tokens: Sequence[str]) -> list[Column]:
        return [found[0] for token in tokens if (found := self._column(token)) is not None]

    def _column(self, token: str) -> tuple[Column, float] | None:
        """Return where the postings of a token stand, and how rare it is; None where no text holds it."""
        if token in self._seen:
            return self._seen[token]
        key = self._words.key(token)
        column = None if key is None else self._postings.column(key)
        found = None if column is None else (column, self._postings.idf(column))
        if len(self._seen) < _COLUMNS_KEPT:
            self._seen[token] = found
        return found

    def _find_ambiguous(self) -> frozenset[str]:
        folded_functional = {fold(word.rstrip("12345")) for word in self._function_words}
        names, bare = self._words.names, self._words.bare
        written: dict[int, list[int]] = defaultdict(list)
        functional = [number for word in folded_functional if (number := self._words.key(word)) is not None]
        for key in self._singles[np.isin(np.asarray(bare, dtype=np.int64)[self._singles], functional)].tolist():
            written[bare[key]].append(key)
        found = set()
        for folded, keys in written.items():
            accented = [key for key in keys if key != folded]
            contents = [key for key in accented if names[key].removeprefix("=") not in self._function_words]
            all_ = sum(self._times(key) for key in keys if key not in accented)
            bare_too = all_ > sum(self._times(key) for key in accented)
            if contents or (bare_too and accented_key(names[folded]) not in self._function_words):
                found.add(names[folded])
        return frozenset(found)

    def _times(self, key: int) -> int:
        """Return how often the texts hold a token."""
        column = self._postings.column(key)
        return 0 if column is None else self._postings.times(column)


def query_tokens(query: Query) -> list[str]:
    """Return the index tokens of a query's own words; function words count only beside a content word."""
    content = query.is_content
    single = [token for token, kept in zip(query.folded, content, strict=True) if kept]
    accented = [
        f"={accented_key(token)}"
        for token, bare, kept in zip(query.tokens, query.folded, content, strict=True)
        if kept and token != bare
    ]
    paired = [pair for position, pair in enumerate(pairs(query.folded)) if content[position] or content[position + 1]]
    return [*single, *accented, *paired]
