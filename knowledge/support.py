"""How far a passage speaks of what was asked."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from knowledge.lexical import LexicalIndex
from knowledge.query import Query
from knowledge.text import accented_key, fold, pairs, syllables

_EXPLAINED = 0.5
# Fitted on development questions: which of them the first passage found really answers.
_WEIGHTS, _BIAS = (6.5, 0.04, 0.27, 5.5), -3.9


@dataclass(frozen=True, slots=True)
class Evidence:
    """Four views of how far a passage speaks of a question; more is better.

    Attributes:
        share: of the question's content that the passage holds, 0 to 1, rare words counting more.
        phrases: rareness of the neighbouring content words that stand together in the passage too, in nats; does not
            shrink when much else is said around the question.
        strength: BM25 score with synonyms, by the square root of the question's content words.
        similarity: of the question and the passage as the encoder sees them, -1 to 1.
    """

    share: float
    phrases: float
    strength: float
    similarity: float

    @property
    def confidence(self) -> float:
        """How likely the passage answers the question, 0 to 1; a logistic model of the four, see docs/figures.md."""
        views = (self.share, self.phrases, self.strength, self.similarity)
        return 1 / (1 + math.exp(-_BIAS - sum(weight * view for weight, view in zip(_WEIGHTS, views, strict=True))))


def words_and_pairs(text: str) -> frozenset[str]:
    """Return what a text holds: its syllables, without accents and as accented, and its folded pairs."""
    folded = syllables(fold(text))
    return frozenset({*folded, *pairs(folded), *(accented_key(token) for token in syllables(text))})


def evidence(
    query: Query,
    held: frozenset[str],
    index: LexicalIndex,
    near: Mapping[int, Sequence[str]],
    *,
    score: float,
    similarity: float,
) -> Evidence:
    """Return how far a text speaks of a question.

    A word counts as held when the text has it (with the same accents, if it was typed with any), has a word that
    it may have been misspelt from, or has the formal wording that the word stands for. Pairs of neighbouring words
    count like words: "lương tối thiểu" is not held by a text that has "lương" and "thiểu" apart.

    Args:
        held: words_and_pairs of the text.
        near: for unknown words, by position, what they may have been misspelt from.
        score: BM25 score of the text for the question.
        similarity: of the question and the text as the encoder sees them.
    """
    explained = _explained(query, held)
    total = found = phrases = 0.0
    for position, token in enumerate(query.folded):
        if not query.is_content[position]:
            continue
        weight = index.idf(token)
        accented = query.tokens[position] != token
        has = accented_key(query.tokens[position]) in held if accented else token in held
        has = has or position in explained or any(word in held for word in near.get(position, ()))
        total, found = total + weight, found + weight * has
    for position, pair in enumerate(pairs(query.folded)):
        if not (query.is_content[position] and query.is_content[position + 1]):
            continue
        weight = index.idf(pair)
        mended = [pairs([a, b])[0] for a in _words(query, near, position) for b in _words(query, near, position + 1)]
        together = any(p in held for p in mended)
        has = together or {position, position + 1} <= explained
        total, found, phrases = total + weight, found + weight * has, phrases + weight * together
    words = sum(query.is_content)
    return Evidence(
        share=found / total if total else 0.0,
        phrases=phrases,
        strength=score / math.sqrt(words) if words else 0.0,
        similarity=similarity,
    )


def _words(query: Query, near: Mapping[int, Sequence[str]], position: int) -> list[str]:
    return [query.folded[position], *near.get(position, ())]


def _explained(query: Query, held: frozenset[str]) -> set[int]:
    """Positions of words whose formal wording the text holds."""
    positions: set[int] = set()
    for expansion in query.expansions:
        meant = [fold(token) for token in expansion.tokens]
        features = pairs(meant) or meant
        if sum(feature in held for feature in features) >= _EXPLAINED * len(features):
            positions.update(range(expansion.start, expansion.end))
    return positions
