"""How far two questions ask the same: what each is about, what kind of answer it wants, which numbers it names."""

import re
from dataclasses import dataclass

from knowledge.text import accented_key, collapse, fold, syllables

# What kind of answer a question wants, by its words; the first that is found counts.
_WANTS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("why", re.compile(r"\b(?:tai sao|vi sao|sao lai|ly do)\b")),
    ("when", re.compile(r"\b(?:khi nao|bao gio|luc nao|bao lau|(?:ngay|thang|nam) nao|may (?:ngay|thang))\b")),
    ("how much", re.compile(r"\b(?:bao nhieu|may)\b")),
    ("where", re.compile(r"\b(?:dau|(?:cho|noi|co quan|cap) nao)\b")),
    ("who", re.compile(r"\b(?:ai|nguoi nao)\b")),
    ("whether", re.compile(r"\b(?:khong|ko|chua|duoc k)\W*$|\bco (?:phai|duoc|can|bi)\b")),
    ("how", re.compile(r"\b(?:the nao|lam gi|nhu nao|cach nao|sao)\b")),
)
# Words that ask, bind or only measure off: questions that differ by them alone ask the same.
_WEAK = frozenset(
    accented_key(word)
    for word in (
        "ai ạ à bao bị cách cái cần cho có của chưa đâu đi được gì hả hằng hàng hay khi không là làm lúc mà mấy một "
        "mỗi mức muốn nào nhé nhiêu nhỉ như những các ở phải ra sao thế thì tôi từ và vậy vẫn về với xin hỏi mình em "
        "cháu bác nên rồi nếu lại ko k đc thưa"
    ).split()
)
_NOT = frozenset(accented_key(word) for word in "không chưa đừng cấm trừ ngoài".split())
# "nước ngoài" denies nothing.
_NOT_AFTER_ALL = frozenset({("nước", "ngoài")})
# "mỗi tháng" and "mỗi năm" are two questions; where one says nothing of it, they may be the same.
_SPANS = frozenset(accented_key(word) for word in "ngày tuần tháng quý năm".split())
_NUMBER = re.compile(r"\d+(?:[./]\d+)*")


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a question asks.

    Attributes:
        words: its words without accents and without those that only ask, in order.
        wants: the kind of answer ("who", "when"); empty where no word tells.
        numbers: as they are written, in order.
        denials: how often it says "not", the question's own "không" at the end aside.
        spans: the spans of time it names: "tháng", "năm".
    """

    words: tuple[str, ...]
    wants: str
    numbers: tuple[str, ...]
    denials: int
    spans: frozenset[str] = frozenset()

    def asks_for_the_like_of(self, other: "Meaning") -> bool:
        """Whether both want the same kind of answer, about the same numbers, with as many denials."""
        if self.spans and other.spans and self.spans != other.spans:
            return False
        return (self.wants, self.numbers, self.denials) == (other.wants, other.numbers, other.denials)


def meaning(question: str) -> Meaning:
    """Return what a question asks, as far as its words tell.

    Args:
        question: with its accents; see Query.asked for one that was typed without.
    """
    tokens = syllables(question)
    strong = [fold(token) for token in tokens if accented_key(token) not in _WEAK]
    folded = collapse(fold(question))
    inside = zip(["", *tokens], tokens[:-1], strict=False)
    return Meaning(
        words=tuple(strong) or tuple(fold(token) for token in tokens),
        wants=next((name for name, pattern in _WANTS if pattern.search(folded)), ""),
        numbers=tuple(_NUMBER.findall(folded)),
        denials=sum(accented_key(word) in _NOT and (before, word) not in _NOT_AFTER_ALL for before, word in inside),
        spans=frozenset(accented_key(token) for token in tokens) & _SPANS,
    )


def shared_words(one: Meaning, other: Meaning) -> float:
    """Return how many of the words of two questions are in both, of all that are in either: 0 to 1."""
    ours, theirs = set(one.words), set(other.words)
    return len(ours & theirs) / len(ours | theirs) if ours | theirs else 0.0


def key(question: str) -> str:
    """Return a question without accents, capitals and marks: equal for what people call the same words."""
    return " ".join(fold(token) for token in syllables(question))
