"""Fuzzy matching: misspelt words find their neighbours, near-quotes find their passage."""

from collections.abc import Sequence

from rapidfuzz import fuzz, process
from rapidfuzz.distance import Levenshtein

from knowledge.lexical import LexicalIndex
from knowledge.query import Query
from knowledge.text import pairs

_SIMILAR = 0.7
_NEIGHBOURS = 3
_SHORTEST = 3


def neighbours(query: Query, index: LexicalIndex) -> dict[int, list[str]]:
    """Return, for each content word that no text holds, the most similar syllables that texts do hold.

    Keys are positions in query.tokens; the best neighbour comes first, ties in alphabetical order.
    """
    found: dict[int, list[str]] = {}
    for position, (token, kept) in enumerate(zip(query.folded, query.is_content, strict=True)):
        if not kept or len(token) < _SHORTEST or token.isdigit() or index.knows(token):
            continue
        near = process.extract(
            token,
            index.vocabulary,
            scorer=Levenshtein.normalized_similarity,
            score_cutoff=_SIMILAR,
            limit=_NEIGHBOURS,
        )
        if near:
            found[position] = [word for word, _, _ in near]
    return found


def mended_tokens(query: Query, near: dict[int, list[str]]) -> list[str]:
    """Return index tokens with unknown words replaced by each of their neighbours, pairs included."""
    tokens: list[str] = []
    for position, words in near.items():
        for word in words:
            tokens.append(word)
            before = query.folded[position - 1 : position] if position else ()
            after = query.folded[position + 1 : position + 2]
            tokens.extend(pairs([*before, word]))
            tokens.extend(pairs([word, *after]))
    return tokens


def near_quote(query: Query, folded_texts: Sequence[str]) -> list[float]:
    """Return for each folded text how well its best stretch matches the folded question, 0 to 1."""
    asked = " ".join(query.folded)
    # A text shorter than the question can only match a part of it, however well.
    return [
        fuzz.partial_ratio(asked, text) / 100 * min(1.0, len(text) / len(asked)) if asked else 0.0
        for text in folded_texts
    ]
