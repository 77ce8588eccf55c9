"""The outline of a document, and questions about it ("mục 2.3", "ý thứ năm", "mấy nhóm giải pháp")."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from knowledge.model import Passage, PassageKind
from knowledge.text import clean, fold

_ORDINALS = {
    w: n
    for n, words in enumerate(["nhat mot", "hai nhi", "ba", "tu bon", "nam", "sau", "bay", "tam", "chin", "muoi"], 1)
    for w in words.split()
}
_ORDINAL = "|".join(_ORDINALS)
_NTH = (
    rf"(?:thu\s+(?P<word>{_ORDINAL})\b|thu\s+(?P<digit>\d+)|so\s+(?P<number>\d+)"
    r"|(?P<last>cuoi(?: cung)?)|dau(?P<first>(?: tien)?)\b)"
)
_SECTION = re.compile(r"\b(?:muc|phan|tieu muc)\s*(?:so\s*)?(?P<n>\d+(?:\.\d+)*)(?![\d/])")
_BARE_SECTION = re.compile(r"(?<![\d/.,-])(?P<n>\d\.\d)(?![\d/.%])")
_RANGE = re.compile(r"(?P<a>\d+(?:\.\d+)*)\s*(?:den|toi|-)\s*(?:muc\s*)?(?P<b>\d+(?:\.\d+)*)(?![\d/])")
_NTH_SECTION = re.compile(rf"\b(?:muc|phan|tieu muc)\s+{_NTH}")
_NTH_GROUP = re.compile(
    rf"\b(?:nhom\s*)?(?:nhiem vu|giai phap|nhom)(?:\s*(?:,|va)?\s*(?:nhiem vu|giai phap))?\s+{_NTH}"
)
_BULLET = re.compile(rf"\b(?:y|gach dau dong|noi dung|diem|doan|bullet)\s+(?:{_NTH}|(?P<n>\d+))")
_COUNT = re.compile(
    r"\b(?:may|bao nhieu)\s+(?:nhom\s+)?"
    r"(?:(?:nhiem vu|giai phap)(?:\s*(?:,|va)?\s*(?:nhiem vu|giai phap))?|nhom|muc|phan)\b(?! tram)"
)
_PLAN_TITLE = re.compile(
    r"\bke hoach\b(?: nay| do)?.*\bten (?:day du|goi)?\b ?(?:la )?gi\b|\bten (?:day du )?cua (?:ban )?ke hoach\b"
)
_PART_COUNT = re.compile(r"\b(?:may|bao nhieu|nhung|cac) phan(?: lon| chinh)?\b(?! tram)")
_BULLET_COUNT = re.compile(r"\b(?:may|bao nhieu)\s+(?:y|gach dau dong|noi dung|diem)\b")
_LIST = re.compile(
    r"\b(?:liet ke|ke ten|neu ten|ten cac|nhung|cac|gom)\b.*"
    r"\b(?:muc|phan|nhom (?:nhiem vu|giai phap)|nhiem vu,? (?:va )?giai phap)\b"
)
_TITLES = re.compile(r"\b(?:tieu de|de muc|ten)\b")
_ARTICLE = re.compile(r"\b(?:dieu|d)\s*(?P<article>\d{1,3})(?![\d/%])")
_CLAUSE = re.compile(r"\b(?:khoan|k)\s*(?P<clause>\d{1,3})(?![\d/%])")
# "đ" is a point of its own beside "d", so accents are read here.
_POINT = re.compile(r"\b(?:điểm|diem)\s+(?P<point>[a-zđ])\b")
_OWN_NUMBER = re.compile(
    r"\b(?:ke hoach|van ban)\b.*"
    r"\b(?:so (?:bao nhieu|may|hieu)|ky ngay|ngay ky|ban hanh (?:ngay|khi)|ngay (?:ban hanh|nao)|ai ky)\b"
    r"|\bai ky (?:ban )?ke hoach\b"
)
STRUCTURE_WORDS = frozenset(
    "muc phan tieu de so thu y gach dau dong nhom nhiem vu giai phap noi dung gom ke hoach ban liet ten cuoi cung ban"
    " chuyen van de doc xem mo toan bo ca het tom tat neu trong nay tu den tinh dieu khoan quy dinh".split()
)


class Asked(Enum):
    """What a question about the outline wants."""

    SECTION = "section"
    BULLET = "bullet"
    SECTION_COUNT = "section_count"
    BULLET_COUNT = "bullet_count"
    SECTION_LIST = "section_list"
    ARTICLE = "article"
    OWN_NUMBER = "own_number"
    TITLE = "title"
    PART_COUNT = "part_count"


@dataclass(frozen=True, slots=True)
class OutlineQuestion:
    """A question about the outline; ordinals count from 1, -1 is the last."""

    asked: Asked
    section: str | None = None
    ordinal: int | None = None
    until: str | None = None
    clause: int | None = None
    point: str | None = None


class Outline:
    """Sections and bullets of one document."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self._passages = list(passages)
        self.sections = list(dict.fromkeys(p.section for p in passages if p.section != "0"))

    def heading(self, section: str) -> Passage | None:
        """Return the heading passage of a section."""
        return next((p for p in self._passages if p.section == section and p.ordinal == 0), None)

    def bullets(self, section: str) -> list[Passage]:
        """Return the passages of a section that can be quoted, in order."""
        return [p for p in self._passages if p.section == section and p.kind is PassageKind.BODY]

    def announced_by(self, passage: Passage) -> list[Passage]:
        """Return what a passage announces ("một trong sáu trường hợp:"): an article's clauses, or a clause's points."""
        if not passage.text.endswith(":"):
            return []
        bullets = self.bullets(passage.section)
        if passage.ordinal == 0:
            return bullets[1:]
        return [each for each in bullets if each.locator.startswith(f"{passage.locator}.")]

    @property
    def bodies(self) -> list[Passage]:
        """Return every passage that can be quoted as an answer, in order."""
        return [p for p in self._passages if p.kind is PassageKind.BODY]

    def children(self, section: str) -> list[str]:
        """Return the sections right below one ("2" -> "2.1" … "2.5"); "" for the top."""
        depth = section.count(".") + 1 if section else 0
        prefix = f"{section}." if section else ""
        return [s for s in self.sections if s.startswith(prefix) and s.count(".") == depth]

    def neighbour(self, section: str, step: int) -> str | None:
        """Return the section `step` places on in reading order, or None past either end."""
        at = self.sections.index(section) + step
        return self.sections[at] if 0 <= at < len(self.sections) else None

    def next_passage(self, passage: Passage, step: int = 1) -> Passage | None:
        """Return the quotable passage `step` places on, or None past either end."""
        bodies = self.bodies
        if passage not in bodies:
            return None
        at = bodies.index(passage) + step
        return bodies[at] if 0 <= at < len(bodies) else None

    @property
    def groups(self) -> list[str]:
        """Sections that are numbered groups of tasks: those at the second level, else the top level."""
        return [s for s in self.sections if s.count(".") == 1] or self.sections


def parse_outline_question(text: str, outline: Outline) -> OutlineQuestion | None:
    """Return what a question asks about the plan's outline, or None if it asks about something else."""
    folded = fold(text)
    if _OWN_NUMBER.search(folded) and not re.search(r"\bdieu\s*\d", folded):
        return OutlineQuestion(Asked.OWN_NUMBER)
    section = _section(folded, outline)
    if section is None and _PLAN_TITLE.search(folded):
        return OutlineQuestion(Asked.TITLE)
    if section is None and _PART_COUNT.search(folded):
        return OutlineQuestion(Asked.PART_COUNT)
    span = _RANGE.search(folded)
    if span and (_LIST.search(folded) or _TITLES.search(folded)):
        return OutlineQuestion(Asked.SECTION_LIST, section=span["a"], until=span["b"])
    bullet = _BULLET.search(folded)
    if bullet and section is not None:
        ordinal = int(bullet["n"]) if bullet["n"] else _nth(bullet)
        return OutlineQuestion(Asked.BULLET, section=section, ordinal=ordinal)
    if section is not None and _BULLET_COUNT.search(folded):
        return OutlineQuestion(Asked.BULLET_COUNT, section=section)
    if _COUNT.search(folded):
        return OutlineQuestion(Asked.SECTION_COUNT)
    group = _NTH_GROUP.search(folded)
    if group:
        return OutlineQuestion(Asked.SECTION, section=_pick(outline.groups, _nth(group)))
    if section is not None:
        return OutlineQuestion(Asked.SECTION, section=section)
    if _LIST.search(folded) and (_TITLES.search(folded) or re.search(r"\bnhom\b|\bke hoach\b", folded)):
        return OutlineQuestion(Asked.SECTION_LIST)
    article = _ARTICLE.search(folded)
    if article:
        clause = _CLAUSE.search(folded)
        number = int(clause["clause"]) if clause else None
        point = _POINT.search(clean(text).lower())
        letter = point["point"] if point else None
        return OutlineQuestion(Asked.ARTICLE, section=f"dieu-{article['article']}", clause=number, point=letter)
    return None


def _section(folded: str, outline: Outline) -> str | None:
    """Return the section a question names; a number that the plan does not have is returned all the same."""
    found = _SECTION.search(folded)
    if found:
        return found["n"]
    bare = _BARE_SECTION.search(folded)
    if bare and bare["n"] in outline.sections:
        return bare["n"]
    nth = _NTH_SECTION.search(folded)
    if nth:
        ordinal = _nth(nth)
        return _pick(outline.sections if ordinal == -1 else outline.children(""), ordinal)
    return None


def _nth(match: re.Match[str]) -> int:
    if match["last"]:
        return -1
    if match["word"]:
        return _ORDINALS[match["word"]]
    digits = match["digit"] or match["number"]
    return int(digits) if digits else 1


def _pick(sections: Sequence[str], ordinal: int) -> str:
    """Return the n-th section; one past the end gives a number that does not exist, to be said so."""
    if ordinal == -1:
        return sections[-1]
    return sections[ordinal - 1] if 1 <= ordinal <= len(sections) else str(ordinal)
