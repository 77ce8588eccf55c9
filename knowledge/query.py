"""What was typed -> what to search for."""

from dataclasses import dataclass

from knowledge.accents import Restorer
from knowledge.keyboard import mend_typing
from knowledge.lexicon import Expansion, Lexicon
from knowledge.text import accented_key, clean, collapse, fold, syllable_spans

SEARCHED_CHARACTERS = 1000
_LEAST_ASKED = 3


@dataclass(frozen=True, slots=True)
class Query:
    """A question, ready for the rankings.

    Attributes:
        text: clean, on one line, typing mended, accents put back; at most SEARCHED_CHARACTERS as typed.
        asked: the same without what is only said around the question, abbreviations written out; what the encoder sees.
        tokens: its syllables in lower case.
        folded: the same without accents.
        is_content: for each token, whether it carries content of its own.
        expansions: formal wordings for parts of it.
    """

    text: str
    asked: str
    tokens: tuple[str, ...]
    folded: tuple[str, ...]
    is_content: tuple[bool, ...]
    expansions: tuple[Expansion, ...]


def parse_query(
    text: str, lexicon: Lexicon, restorer: Restorer | None = None, keep_unaccented: frozenset[str] = frozenset()
) -> Query:
    """Return a question ready for the rankings.

    Args:
        restorer: puts the accents back; without one, the text is searched as it was typed.
        keep_unaccented: folded syllables that also write a content word of the documents ("dang" is đang but also
            Đảng); typed without accents they are not dropped as function words.
    """
    mended = mend_typing(collapse(clean(text))[:SEARCHED_CHARACTERS], restorer.foreign if restorer else ())
    if restorer is not None:
        mended = restorer.restore(mended)
    typed = [mended[start:end] for start, end in syllable_spans(mended)]
    tokens = tuple(word.lower() for word in typed)
    folded = tuple(fold(token) for token in tokens)
    small_talk = _small_talk(folded, lexicon)
    expansions = tuple(lexicon.expand(typed))

    def carries_content(position: int) -> bool:
        token = tokens[position]
        if position in small_talk or accented_key(token) in lexicon.function_words:
            return False
        bare = token == folded[position]
        return not (bare and token in lexicon.folded_function_words and token not in keep_unaccented)

    return Query(
        text=mended,
        asked=_asked(mended, small_talk, _written_out(expansions)) or mended,
        tokens=tokens,
        folded=folded,
        is_content=tuple(carries_content(position) for position in range(len(tokens))),
        expansions=expansions,
    )


def _asked(text: str, left_out: set[int], written_out: dict[int, str]) -> str:
    """Return a text without some of its syllables and with others written out, each given by position.

    Empty when nothing changes or hardly any would be left.
    """
    if not left_out and not written_out:
        return ""
    spans = list(enumerate(syllable_spans(text)))
    kept = [written_out.get(n, text[start:end]) for n, (start, end) in spans if n not in left_out]
    return " ".join(kept) if len(" ".join(kept).split()) >= _LEAST_ASKED else ""


def _written_out(expansions: tuple[Expansion, ...]) -> dict[int, str]:
    """Return what abbreviations of one word stand for, by position, where they stand for one thing only."""
    found: dict[int, list[str]] = {}
    for expansion in expansions:
        if expansion.end - expansion.start == 1 and len(expansion.tokens) > 1:
            found.setdefault(expansion.start, []).append(" ".join(expansion.tokens) if expansion.weight >= 1 else "")
    return {position: forms[0] for position, forms in found.items() if len(forms) == 1 and forms[0]}


def _small_talk(folded: tuple[str, ...], lexicon: Lexicon) -> set[int]:
    covered: set[int] = set()
    for start, token in enumerate(folded):
        for phrase in lexicon.small_talk.get(token, ()):
            if folded[start : start + len(phrase)] == phrase:
                covered.update(range(start, start + len(phrase)))
    return covered
