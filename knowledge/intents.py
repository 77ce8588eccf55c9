"""What kind of question a text is, when it is not simply one to search for."""

import re
from enum import Enum

from knowledge.model import Smalltalk
from knowledge.text import collapse, fold

_GREETING = re.compile(
    r"^(?:(?:xin |kinh |em |chau |toi )?chao(?! (?:co|mung|don)\b)|hello|hi(?! sinh)|alo|a lo|hey|good morning)\b"
)
_IDENTITY_FIRST = re.compile(r"^(?:(?:xin )?chao )?(?:ban|dong chi|tro ly|bot) (?:la ai|ten (?:la )?gi)\b")
# Said after a greeting, these ask nothing: "chào đồng chí, tôi mới vào lần đầu".
_INTRODUCES = re.compile(r"\b(?:moi (?:vao|dung|biet)|lan dau|rat vui|khoe|lam quen|chuc)\b")
_THANKS = re.compile(r"\b(?:cam on|cam ta|tks|thanks|thank you|thank|cam on nhe|biet on)\b")
_GOODBYE = re.compile(
    r"^(?:tam biet|bye|chao tam biet|goodbye)\b|\bhen gap lai\b|^chuc (?:dong chi|ban|anh|chi|moi nguoi)\b"
)
_IDENTITY = re.compile(
    # "văn bản là gì" asks for a text, not for our name.
    r"\b(?:(?:(?<!van )(?<!co )ban|bot|tro ly|may|em|chau|tu soi|day)"
    r" (?:ten )?(?:la )?(?:(?:ten )?gi|ai)\b(?: (?:vay|the|nhi|a|day))?$"
    r"|ai (?:tao|lam) ra (?:ban|may|em)|(?:ban|tro ly|bot|tu soi) (?:co the )?(?:lam|giup) (?:duoc )?gi|ten gi vay$"
    r"|(?:ban|tro ly|bot|tu soi) (?:co phai )?(?:la )?(?:nguoi|may|robot)(?: that)? (?:hay|hay la) (?:nguoi|may|robot)"
    r"|(?:ban|tro ly|bot) co phai (?:la )?(?:nguoi|ai|may))"
)
_ACKNOWLEDGED = re.compile(
    r"^(?:ok|oke|oki|okay|vang|da|duoc roi|tot|hay|tuyet|ro roi|hieu roi|u|uh|da vang)(?: a| nhe)?$"
)
_WISHES = re.compile(r"^(?:kinh )?chuc\b(?! (?:vu|nang|danh|quyen|trach))")
_ASKING = re.compile(
    r"\?|\b(?:gi|nao|bao nhieu|bao lau|ai|dau|sao|the nao|ntn|khong|ko|may|khi nao|noi"
    r"|cho (?:(?:toi|em|chau|minh) )?hoi)\b"
)
_SMALLTALK_WORDS = 10

_PATTERNS = {
    "where": r"\bo dau\b|\b(?:muc|doan|phan|cho|trang|y|dieu) (?:nao|may)\b|\bdau trong\b"
    r"|\b(?:duoc|co) (?:nhac|vien dan|trich dan|dan)\b|\bvien dan\b.*\b(?:o|dau)\b|\bnhac (?:den|toi)? ?.*\bdau\b",
    "when": r"\bngay (?:nao|may|bao nhieu|thang)\b|\bhom nao\b|\bnam (?:nao|may|bao nhieu)\b|\bkhi nao\b|\bbao gio\b"
    r"|\bluc nao\b|\bban hanh ngay\b|\bngay ban hanh\b",
    "whom": r"\bai (?:ban hanh|ky|ra|lam)\b|\bco quan nao\b|\bcap nao\b|\bcua ai\b|\bkhoa may\b|\bkhoa nao\b|\bdo ai\b"
    r"|\bnoi nao ban hanh\b|\bto chuc nao ban hanh\b|\bdo dau ban hanh\b",
    "replaced": r"\bhieu luc\b|\bthay the\b|\bthay bang\b|\bbi thay\b|\bbai bo\b|\bcon (?:ap dung|dung)\b|\bthay cho\b",
    "loaded": r"\btoan van\b|\bda nap\b|\bco trong kho\b|\bco (?:ban|van ban) day du\b|\bdoc duoc khong\b",
    "about": r"\bve (?:viec|van de|noi dung|chuyen|cai|dieu)? ?gi\b"
    r"|\bnoi (?:ve )?(?:viec|van de|noi dung|cai|dieu)? ?gi\b"
    r"|\bnoi dung\b|\bban ve\b|\bquy dinh (?:nhung )?(?:dieu |noi dung )?gi\b|\bla (?:van ban )?gi\b|\bnoi ra sao\b",
}
_LIST = re.compile(
    r"\b(?:nhung|cac|liet ke|bao nhieu|may|tat ca)\b.*\b(?:van ban|quy dinh|nghi quyet|ket luan|tai lieu)\b.*"
    r"\b(?:vien dan|trich dan|duoc dan|can cu|nhac (?:den|toi)|ke ra|lien quan)\b"
    r"|\b(?:vien dan|trich dan|nhac (?:den|toi)|can cu(?: vao)?)\b.*\b(?:nhung|cac|bao nhieu|may)\b.*\bvan ban\b"
)
_FORCE_LIST = re.compile(
    r"\b(?:van ban|quy dinh|nghi quyet|ket luan|quyet dinh|cai) nao\b.*"
    r"\b(?:hieu luc|thay the|bi thay|bai bo|thay doi|cu)\b"
    r"|\b(?:nhung|cac|liet ke)\b.*\b(?:van ban|quy dinh)\b.*"
    r"\b(?:con hieu luc|het hieu luc|(?:bi|da|duoc) thay(?: the)?)\b"
)
_BASIS = re.compile(
    r"\b(?:can cu|co so|dua (?:vao|tren)|thuc hien theo|trien khai)\b.*"
    r"\b(?:xay dung|ban hanh|lap|ra doi|co)\b.*\bke hoach\b"
    r"|\bke hoach\b.*\b(?:thuc hien|trien khai|can cu|dua (?:vao|tren)|theo)\b.*"
    r"\b(?:ket luan|van ban|nghi quyet) (?:nao|so may)\b"
    r"|\bvan ban nao\b.*\bcan cu\b"
)

_NEXT_SECTION = re.compile(r"\b(?:muc|phan)\s+(?:sau|tiep theo|ke tiep)\b|\b(?:muc|phan)\s+(?:tiep|ke)$")
_PREVIOUS_SECTION = re.compile(r"\b(?:muc|phan)\s+(?:truoc|lien truoc)\b")
_NEXT_PASSAGE = re.compile(
    r"\b(?:doan|y|gach dau dong|dieu|khoan|noi dung)\s+(?:sau|tiep theo|ke tiep)\b"
    r"|\b(?:doan|y|dieu|khoan)\s+(?:tiep|ke)$|^(?:tiep|doc tiep|xem tiep)$"
)
_PREVIOUS_PASSAGE = re.compile(r"\b(?:doan|y|gach dau dong|dieu|khoan|noi dung)\s+(?:truoc|lien truoc)\b")
_MORE = re.compile(
    r"\b(?:cu the|chi tiet|ro|ky|day du)\s+(?:hon|them)\b|\bdoc (?:het|ca|toan bo|day du)\b"
    r"|\bxem (?:them|het|ca doan)\b|\bnoi (?:them|ro)\b|\bgiai thich them\b|\bnoi lai\b|\b(?:de hieu|don gian) hon\b"
)
_OTHERS = re.compile(
    r"\bcon (?:o )?(?:gi|dau|cho nao|doan nao|muc nao|y nao) (?:nua|khac)\b|\b(?:cho|muc|doan) (?:nao )?khac\b"
)
_ELSE = re.compile(r"^(?:the |vay )?con\b")
_CONTINUES = re.compile(r"^(?:the|con|vay|roi)\b")
_CONTINUES_ACCENTED = re.compile(r"^(?:thế|còn|vậy|rồi)\b", re.IGNORECASE)
_THAT_DOCUMENT = re.compile(
    r"\b(?:van ban|quy dinh|quyet dinh|ket luan|nghi quyet|huong dan|chuong trinh|no)\s*(?:do|nay|ay|kia)\b|^no\b"
)
_PLAN = re.compile(r"\b(?:ke hoach|kh)\b(?!\s+(?:hoc tap|kiem tra|danh gia|so\b))")


class CitationAsked(Enum):
    """What a question wants to know of a document, beside its content."""

    WHERE = "where"
    WHEN = "when"
    WHOM = "whom"
    REPLACED = "replaced"
    LOADED = "loaded"
    ABOUT = "about"


class FollowUp(Enum):
    """How a message goes on from the one before."""

    NEXT_SECTION = "next_section"
    PREVIOUS_SECTION = "previous_section"
    NEXT_PASSAGE = "next_passage"
    PREVIOUS_PASSAGE = "previous_passage"
    MORE = "more"
    OTHERS = "others"
    CONTINUES = "continues"


def smalltalk(text: str) -> Smalltalk | None:
    """Return which pleasantry a text is, or None when it asks something."""
    folded = collapse(re.sub(r"[^\w\s?]", " ", fold(text)))
    if _asks_who_we_are(folded, text):
        return Smalltalk.IDENTITY
    if _GOODBYE.search(folded) and not _ASKING.search(folded):
        return Smalltalk.GOODBYE
    if len(folded.split()) > _SMALLTALK_WORDS:
        return None
    if _THANKS.search(folded) and not _ASKING.search(folded):
        return Smalltalk.THANKS
    if _GREETING.search(folded) and (not _ASKING.search(folded) or _INTRODUCES.search(folded)):
        return Smalltalk.GREETING
    if _ACKNOWLEDGED.search(folded) or (_WISHES.search(folded) and not _ASKING.search(folded)):
        return Smalltalk.ACKNOWLEDGED
    return None


def _asks_who_we_are(folded: str, text: str) -> bool:
    found = _IDENTITY.search(folded.rstrip("? ")) or _IDENTITY_FIRST.search(folded)
    # Where accents are typed, "ban" and "bản" are not "bạn".
    is_another_ban = (
        found is not None and "ban" in found[0].split() and not text.isascii() and "bạn" not in text.lower()
    )
    return found is not None and not is_another_ban


def citation_asked(text: str) -> CitationAsked | None:
    """Return what a question wants to know of the document it names, or None."""
    folded = fold(text)
    for name, pattern in _PATTERNS.items():
        if re.search(pattern, folded):
            return CitationAsked(name)
    return None


def asks_for_content(text: str, asked: CitationAsked | None, *, many_words: bool) -> bool:
    """Whether a question that names a document wants what stands in it, although it asks where or who.

    "Quy tắc ứng xử nằm ở điều mấy QĐ 207" asks for an article, "QĐ 207 nằm ở mục mấy" for a place in the plan.
    """
    folded = fold(text)
    if asked is CitationAsked.WHERE:
        return re.search(r"\b(?:dieu|khoan) (?:nao|may)\b", folded) is not None and not names_the_plan(text)
    if asked is CitationAsked.WHOM:
        return many_words and re.search(r"\b(?:ban hanh|ky|ra|khoa (?:may|nao)|thuoc|cua ai)\b", folded) is None
    return False


def asks_for_cited_list(text: str) -> bool:
    """Whether a text asks which documents the plan cites, or which of them still hold."""
    folded = fold(text)
    return _LIST.search(folded) is not None or _FORCE_LIST.search(folded) is not None


def asks_for_basis(text: str) -> bool:
    """Whether a text asks which document the plan carries out."""
    return _BASIS.search(fold(text)) is not None


def follow_up(text: str) -> FollowUp | None:
    """Return how a text goes on from the one before, or None when it stands alone."""
    folded = collapse(re.sub(r"[^\w\s]", " ", fold(text)))
    patterns = (
        (_NEXT_SECTION, FollowUp.NEXT_SECTION),
        (_PREVIOUS_SECTION, FollowUp.PREVIOUS_SECTION),
        (_NEXT_PASSAGE, FollowUp.NEXT_PASSAGE),
        (_PREVIOUS_PASSAGE, FollowUp.PREVIOUS_PASSAGE),
        (_OTHERS, FollowUp.OTHERS),
        (_MORE, FollowUp.MORE),
        (_CONTINUES, FollowUp.CONTINUES),
    )
    kind = next((kind for pattern, kind in patterns if pattern.search(folded)), None)
    # "con cái", "vay nặng lãi": where accents are typed, they tell these from "còn" and "vậy".
    if kind is FollowUp.CONTINUES and not text.isascii() and not _CONTINUES_ACCENTED.search(text.strip()):
        return None
    return kind


def asks_who_else(text: str) -> bool:
    """Whether a follow-up asks for something beside what was just shown ("còn ai chịu trách nhiệm?")."""
    return _ELSE.search(fold(text)) is not None


def means_that_document(text: str) -> bool:
    """Whether a text speaks of "that document" without naming it."""
    return _THAT_DOCUMENT.search(fold(text)) is not None


def names_the_plan(text: str) -> bool:
    """Whether a text speaks of the plan itself ("kế hoạch có nói …")."""
    return _PLAN.search(fold(text)) is not None
