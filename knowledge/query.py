"""What was typed -> what to search for."""

from dataclasses import dataclass

from knowledge.accents import mend_typing
from knowledge.lexicon import Expansion, Lexicon
from knowledge.text import accented_key, clean, collapse, fold, syllables

SEARCHED_CHARACTERS = 1000


@dataclass(frozen=True, slots=True)
class Query:
    """A question, ready for the rankings.

    Attributes:
        text: clean, on one line, typing mended; at most SEARCHED_CHARACTERS.
        tokens: its syllables in lower case, accents as typed.
        folded: the same without accents.
        is_content: for each token, whether it carries content of its own.
        expansions: formal wordings for parts of it.
    """

    text: str
    tokens: tuple[str, ...]
    folded: tuple[str, ...]
    is_content: tuple[bool, ...]
    expansions: tuple[Expansion, ...]


def parse_query(text: str, lexicon: Lexicon, keep_unaccented: frozenset[str] = frozenset()) -> Query:
    """Return a question ready for the rankings.

    Args:
        keep_unaccented: folded syllables that also write a content word of the documents ("dang" is đang but also
            Đảng); typed without accents they are not dropped as function words.
    """
    mended = mend_typing(collapse(clean(text))[:SEARCHED_CHARACTERS])
    tokens = tuple(syllables(mended))
    folded = tuple(fold(token) for token in tokens)
    small_talk = _small_talk(folded, lexicon)

    def carries_content(position: int) -> bool:
        token = tokens[position]
        if position in small_talk or accented_key(token) in lexicon.function_words:
            return False
        bare = token == folded[position]
        return not (bare and token in lexicon.folded_function_words and token not in keep_unaccented)

    return Query(
        text=mended,
        tokens=tokens,
        folded=folded,
        is_content=tuple(carries_content(position) for position in range(len(tokens))),
        expansions=tuple(lexicon.expand(tokens)),
    )


def _small_talk(folded: tuple[str, ...], lexicon: Lexicon) -> set[int]:
    covered: set[int] = set()
    for phrase in lexicon.small_talk:
        for start in range(len(folded) - len(phrase) + 1):
            if folded[start : start + len(phrase)] == phrase:
                covered.update(range(start, start + len(phrase)))
    return covered
