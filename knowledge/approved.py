"""Which approved question a question is, and whether the passage an answer rests on is still the same."""

import hashlib
from collections.abc import Callable, Iterable

from embeddings.encoder import Encoder
from knowledge.alike import Meaning, key, meaning
from knowledge.model import Passage
from knowledge.text import collapse

# Below this, even the same words in the same order are hardly the same question; see tests/knowledge/test_approved.py.
_LEAST_COSINE = 0.5
_LIKELY = 0.5


def fingerprint(passage: Passage) -> str:
    """Return what changes whenever the words of a passage do."""
    return hashlib.sha256(collapse(passage.text).encode()).hexdigest()


def match(
    question: str,
    approved: Iterable[tuple[int, str]],
    encoder: Encoder,
    read: Callable[[str], str] = lambda text: text,
) -> int | None:
    """Return the id of the approved question that a question is; None where none is surely the same.

    It is the same where the words are, or else where all that carries meaning stands in both in the same order, or
    turned round ("mỗi tháng đóng …", "đóng … mỗi tháng"), both want the same kind of answer about the same numbers,
    and the encoder finds them near. One word more, such as "tạm thời", makes another question.

    Args:
        approved: (id, question), those to be preferred first.
        read: returns a question as it is to be understood, accents put back.
    """
    known = list(approved)
    asked = key(question)
    if not known or not asked:
        return None
    for answer_id, other in known:
        if key(other) == asked:
            return answer_id
    text = read(question)
    wanted, typed = meaning(text), set(asked.split())
    # Reading takes its time; what shares hardly a word, accents aside, need not be read.
    likely = [(answer_id, other) for answer_id, other in known if _overlap(typed, set(key(other).split())) >= _LIKELY]
    texts = [(answer_id, read(other)) for answer_id, other in likely]
    near = [(answer_id, other) for answer_id, other in texts if _same(wanted, meaning(other))]
    if not near:
        return None
    vectors = encoder.encode_queries([text, *(other for _, other in near)])
    cosines = [round(float(cosine), 4) for cosine in vectors[1:] @ vectors[0]]
    best = max(range(len(near)), key=lambda n: (cosines[n], -n))
    return near[best][0] if cosines[best] >= _LEAST_COSINE else None


def _overlap(one: set[str], other: set[str]) -> float:
    return len(one & other) / max(1, min(len(one), len(other)))


def _same(one: Meaning, other: Meaning) -> bool:
    if not one.asks_for_the_like_of(other) or len(one.words) != len(other.words):
        return False
    twice = one.words + one.words
    return any(twice[n : n + len(other.words)] == other.words for n in range(len(one.words)))
