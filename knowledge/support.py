"""How far a passage speaks of what was asked."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from knowledge.calibration import VIEWS
from knowledge.lexical import LexicalIndex
from knowledge.query import Query
from knowledge.text import accented_key, fold, pairs, syllables

_EXPLAINED = 0.5
_TELLING_NUMBER = 3
# "Quy định 41", "QĐ 207", "mục 2.1", "điều 12", "khoá 13"; a number behind a number is its decimal.
_NUMBERED = frozenset("dinh luan quyet thi dan hoach trinh qd kl nq ct hd kh ctr muc dieu khoan so khoa hoi tw".split())


@dataclass(frozen=True, slots=True)
class Evidence:
    """How far a passage speaks of a question, seen in several ways; more is better.

    Attributes:
        share, phrases: see VIEWS.
        confidence: how likely the passage answers the question, 0 to 1.
    """

    share: float
    phrases: float
    confidence: float
    views: tuple[float, ...]


def confidence(views: Sequence[float], model: Mapping[str, float]) -> float:
    """Return how likely a passage answers a question, 0 to 1, by a logistic model of calibration.VIEWS."""
    weighed = sum(model[name] * value for name, value in zip(VIEWS, views, strict=True))
    return 1 / (1 + math.exp(-model["bias"] - weighed))


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
    signals: Mapping[str, float],
    margin: float,
    model: Mapping[str, float],
) -> Evidence:
    """Return how far a text speaks of a question.

    Args:
        held, near: see share_and_phrases.
        signals: what the rankings saw in the text.
        margin: how far its fused score is ahead of what is found elsewhere.
        model: learned weights, see VIEWS.
    """
    share, phrases = share_and_phrases(query, held, index, near)
    seen = {**signals, "share": share, "phrases": phrases / 10, "numbers": -float(strange_numbers(query, held))}
    views = tuple({**seen, "margin": margin}.get(name, 0.0) for name in VIEWS)
    return Evidence(share, phrases, confidence(views, model), views)


def share_and_phrases(
    query: Query, held: frozenset[str], index: LexicalIndex, near: Mapping[int, Sequence[str]]
) -> tuple[float, float]:
    """Return how much of a question a text holds: as a share, 0 to 1, and of its phrases, in nats.

    A word counts as held when the text has it (with the same accents, if it was typed with any), has a word that
    it may have been misspelt from, or has the formal wording that the word stands for. Pairs of neighbouring words
    count like words: "lương tối thiểu" is not held by a text that has "lương" and "thiểu" apart.

    Args:
        held: words_and_pairs of the text.
        near: for unknown words, by position, what they may have been misspelt from.
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
    return (found / total if total else 0.0), phrases


def strange_numbers(query: Query, held: frozenset[str]) -> int:
    """Return how many numbers of a question a text does not hold.

    A small number may only count the sentence's things, and one behind "Quy định" or "mục" names a document or a part.
    """
    before = ("", *query.folded)
    numbers = [
        token
        for token, word in zip(query.folded, before, strict=False)
        if token.isdecimal() and int(token) >= _TELLING_NUMBER and not (word in _NUMBERED or word.isdecimal())
    ]
    return sum(token not in held for token in numbers)


def _words(query: Query, near: Mapping[int, Sequence[str]], position: int) -> list[str]:
    return [query.folded[position], *near.get(position, ())]


def _explained(query: Query, held: frozenset[str]) -> set[int]:
    """Positions of words whose formal wording the text holds."""
    positions: set[int] = set()
    for expansion in query.expansions:
        features = expansion.pairs or expansion.folded
        if sum(feature in held for feature in features) >= _EXPLAINED * len(features):
            positions.update(range(expansion.start, expansion.end))
    return positions
