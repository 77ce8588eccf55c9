"""What a paper marks, as somebody types it: "có 3, 12; trao đổi 5; báo cáo 3", with or without accents."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum

from assessment.model import ItemAnswer
from knowledge.text import clean, collapse, fold

_TOKEN = re.compile(r"[a-z]+|\d+|[^\sa-z\d]")
_PHRASES = (("trao doi", "traodoi"), ("bao cao", "baocao"))
_NOTHING = re.compile(r"(?:khong|khong co|khong co dieu nao|khong dieu nao|khong co bieu hien|khong co gi)")
# Words people write beside the numbers, which say nothing more.
_FILLERS = frozenset("dieu cac va bieu hien voi chi bo so nhung can muc la".split())
_SIGNS = frozenset(",;.:&+!")
_FILLING = r"(?:\W|\b(?:dieu|cac|va|bieu hien|voi chi bo|so|nhung|muc|la)\b)*"
_MARKS = re.compile(
    rf"(?:can )?(?:co|trao doi|bao cao)\b{_FILLING}\d.*|(?:(?:cac )?dieu )?\d[\d\s,;.&+]*(?:va \d+)?", re.DOTALL
)


class Problem(Enum):
    """Why a line is not taken."""

    NOT_UNDERSTOOD = "a word that is none of ours"
    NO_KIND = "numbers without saying what they are"
    NO_NUMBER = "a kind without numbers"
    NO_SUCH_ITEM = "a number that the checklist does not have"
    TWO_ANSWERS = "an item that is marked and to be talked over"
    REPORTED_UNMARKED = "an item that is reported and not marked"


class LineNotTaken(Exception):
    """A line cannot be taken as it is.

    Attributes:
        problem: why.
        numbers: the items it is about; word: what was not understood.
    """

    def __init__(self, problem: Problem, numbers: Collection[int] = (), word: str = "") -> None:
        super().__init__(problem.value)
        self.problem = problem
        self.numbers = tuple(sorted(numbers))
        self.word = word


@dataclass(frozen=True, slots=True)
class Marks:
    """What a paper marks, by item number; all other items have no sign of anything."""

    present: tuple[int, ...] = ()
    discuss: tuple[int, ...] = ()
    reported: tuple[int, ...] = ()

    def answer(self, number: int) -> ItemAnswer:
        """Return the answer to an item."""
        if number in self.present:
            return ItemAnswer.PRESENT
        return ItemAnswer.DISCUSS if number in self.discuss else ItemAnswer.NONE

    def as_text(self) -> str:
        """Return it as a button keeps it; see from_text."""
        return ":".join(",".join(map(str, part)) for part in (self.present, self.discuss, self.reported))


def from_text(kept: str) -> Marks:
    """Return what Marks.as_text gave."""
    parts = [tuple(int(number) for number in part.split(",") if number) for part in kept.split(":")]
    return Marks(*parts)


def looks_like_marks(typed: str) -> bool:
    """Whether a text is meant to say what a paper marks, be it right or wrong."""
    text = _folded(typed)
    return bool(_NOTHING.fullmatch(text) or _MARKS.fullmatch(text))


def read_marks(typed: str, numbers: Collection[int]) -> Marks:
    """Return what a text says a paper marks.

    Args:
        numbers: of the items that there are.
    Raises:
        LineNotTaken: a word or number cannot be taken; nothing of the line is then.
    """
    text = _folded(typed)
    if _NOTHING.fullmatch(text):
        return Marks()
    found = _by_kind(text)
    marked = found["co"] | found["traodoi"]
    if unknown := (marked | found["baocao"]) - set(numbers):
        raise LineNotTaken(Problem.NO_SUCH_ITEM, unknown)
    if both := found["co"] & found["traodoi"]:
        raise LineNotTaken(Problem.TWO_ANSWERS, both)
    if unmarked := found["baocao"] - marked:
        raise LineNotTaken(Problem.REPORTED_UNMARKED, unmarked)
    return Marks(*(tuple(sorted(found[kind])) for kind in ("co", "traodoi", "baocao")))


def _by_kind(text: str) -> Mapping[str, set[int]]:
    for phrase, word in _PHRASES:
        text = re.sub(rf"\b{phrase}\b", word, text)
    found: dict[str, set[int]] = {"co": set(), "traodoi": set(), "baocao": set()}
    loose: set[int] = set()
    kind = ""
    awaits_number = False
    for token in _TOKEN.findall(text):
        if token in found:
            if awaits_number:
                raise LineNotTaken(Problem.NO_NUMBER)
            kind, awaits_number = token, True
        elif token.isdigit():
            (found[kind] if kind else loose).add(int(token[:9]))
            awaits_number = False
        elif token not in _FILLERS and token not in _SIGNS:
            raise LineNotTaken(Problem.NOT_UNDERSTOOD, word=token)
    if loose:
        raise LineNotTaken(Problem.NO_KIND, loose)
    if awaits_number or not kind:
        raise LineNotTaken(Problem.NO_NUMBER)
    return found


def _folded(typed: str) -> str:
    return fold(collapse(clean(typed))).strip(" .!?")
