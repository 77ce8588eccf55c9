"""Questions that got no answer: freed of people before they are kept, then grouped by what they ask."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from embeddings.encoder import Encoder
from knowledge.alike import Meaning, key, meaning, shared_words
from knowledge.text import accented_key, clean, collapse, fold, syllable_spans

LONGEST = 300
LEFT_OUT = "…"
# How much words count beside what the encoder sees, and from where on two questions ask the same: set on the written
# questions of tests/knowledge/test_gaps.py, which also says what it gets wrong.
_WORDS_COUNT = 0.6
_SAME = 0.66

_MAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_ADDRESS = re.compile(r"(?:https?://|www\.)\S+|(?<!\w)@\w{3,}")
# A telephone number in groups, a card or account number, a one-time code.
_PHONE = re.compile(r"(?<![\w/])\+?\d(?:[ .\-()]{0,2}\d){7,}(?![\w/])")
_LONG_NUMBER = re.compile(r"\d{6,}")
_CODE = re.compile(r"\b(?=[^\W_]*\d)(?=[^\W_]*[^\W\d_])[^\W_]{7,}\b")
# What stands before a name, folded; the last part of "đồng chí" and of "đ/c".
_TITLES = frozenset("chi c dc anh ong ba co chu bac em thay chau".split())
_LONGEST_NAME = 6


@dataclass(frozen=True, slots=True)
class Asked:
    """A question and how often it was asked; id is the caller's own name for it."""

    id: int
    question: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class Group:
    """Questions that ask the same, the most asked first; the first of them stands for the group."""

    asked: tuple[Asked, ...]

    @property
    def question(self) -> str:
        """The question that stands for the group."""
        return self.asked[0].question

    @property
    def count(self) -> int:
        """How often one of them was asked."""
        return sum(each.count for each in self.asked)


def without_people(question: str, names: Iterable[str]) -> str:
    """Return a question on one line in which names, numbers and addresses of people are replaced by "…".

    A full name goes wherever it stands, with or without accents; its last part, by which people are called, goes
    behind a form of address ("đồng chí Hùng", "anh Hùng").

    Args:
        names: of everybody who might be meant.
    Returns:
        at most LONGEST characters.
    """
    text = collapse(clean(question))
    for pattern in (_MAIL, _ADDRESS, _PHONE, _LONG_NUMBER, _CODE):
        text = pattern.sub(LEFT_OUT, text)
    return _without_names(text, names)[:LONGEST].rstrip()


@lru_cache(maxsize=20_000)
def _parts(name: str) -> tuple[tuple[str, ...], str]:
    """Return the parts of a name without accents, and the last one with them."""
    parts = [name[start:end].lower() for start, end in syllable_spans(name)]
    return tuple(fold(part) for part in parts), accented_key(parts[-1]) if parts else ""


def _without_names(text: str, names: Iterable[str]) -> str:
    spans = syllable_spans(text)
    words = [text[start:end].lower() for start, end in spans]
    folded = [fold(word) for word in words]
    there = set(folded)
    whole: set[tuple[str, ...]] = set()
    called: dict[str, set[str]] = {}
    for name in names:
        parts, last = _parts(name)
        # Of thousands, hardly any is meant.
        if parts and parts[-1] in there:
            called.setdefault(parts[-1], set()).add(last)
            if len(parts) > 1:
                whole.add(parts)
    gone: list[tuple[int, int]] = []
    at = 0
    while at < len(words):
        most = min(_LONGEST_NAME, len(words) - at)
        length = next((n for n in range(most, 1, -1) if tuple(folded[at : at + n]) in whole), 0)
        if not length and at and folded[at - 1] in _TITLES and folded[at] in called:
            is_bare = words[at] == folded[at]
            length = int(is_bare or accented_key(words[at]) in called[folded[at]])
        if length:
            gone.append((spans[at][0], spans[at + length - 1][1]))
        at += length or 1
    for start, end in reversed(gone):
        text = f"{text[:start]}{LEFT_OUT}{text[end:]}"
    return text


def group(
    questions: Sequence[Asked], encoder: Encoder, read: Callable[[str], str] = lambda question: question
) -> list[Group]:
    """Return the questions grouped by what they ask, the groups most asked for first.

    The order in which they are given does not matter: each joins the nearest of the questions asked more often that
    stand for a group, or begins its own.

    Args:
        read: returns a question as it is to be understood, accents put back.
    """
    ordered = sorted(questions, key=lambda each: (-each.count, key(each.question), each.question, each.id))
    if not ordered:
        return []
    texts = [read(each.question) for each in ordered]
    vectors = encoder.encode_queries(texts)
    meanings = [meaning(text) for text in texts]
    leaders: list[int] = []
    members: dict[int, list[Asked]] = {}
    for row, each in enumerate(ordered):
        near = vectors[leaders] @ vectors[row] if leaders else np.zeros(0, dtype=np.float32)
        scored = [
            (_score(meanings[leader], meanings[row], float(cosine)), -leader)
            for leader, cosine in zip(leaders, near, strict=True)
        ]
        score, leader = max(scored, default=(0.0, 0))
        if score >= _SAME:
            members[-leader].append(each)
        else:
            leaders.append(row)
            members[row] = [each]
    groups = [Group(tuple(members[leader])) for leader in leaders]
    return sorted(groups, key=lambda found: (-found.count, key(found.question), found.question))


def _score(one: Meaning, other: Meaning, cosine: float) -> float:
    if not one.asks_for_the_like_of(other):
        return 0.0
    # Beyond these digits the sums depend on the processor.
    return round(_WORDS_COUNT * shared_words(one, other) + (1 - _WORDS_COUNT) * cosine, 4)
