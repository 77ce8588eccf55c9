"""Every sentence about documents that are cited: the picture of them, their page, and what is still to be loaded."""

from collections.abc import Sequence
from datetime import date

from handlers import texts
from knowledge.cards import Card, Holding
from knowledge.graph_picture import Words
from knowledge.model import DocumentKind, Force

ONLY_ADMIN = "Danh sách này chỉ dành cho người quản trị. Đồng chí gõ “văn bản” để xem các văn bản được viện dẫn."
PICTURE = (
    "Sơ đồ các văn bản: kế hoạch ở giữa, nét liền là kế hoạch viện dẫn, khung đứt nét là văn bản đã được thay thế. "
    "Đồng chí mở tệp dưới đây để xem."
)
PICTURE_FILE = "so-do-van-ban.png"
LIST = "Danh sách văn bản"
ON_THE_PAGE = "Xem trên trang riêng"
NOTHING_WANTED = "Không còn văn bản nào cần nạp: mọi văn bản kế hoạch viện dẫn đều đã có nội dung."
PICTURE_WORDS = Words(
    title="Sơ đồ các văn bản: kế hoạch ở giữa, văn bản được viện dẫn ở hai bên",
    plan="Kế hoạch thực hiện Kết luận 21-KL/TW",
    kinds={
        **{kind.value: f"{kind.value[0].upper()}{kind.value[1:]}" for kind in DocumentKind},
        # The whole name is wider than a column.
        DocumentKind.ACTION_PROGRAMME.value: "Chương trình",
    },
    other_kind="Văn bản khác",
    only_cited="Chỉ được nhắc tới, chưa có trong kho",
    loaded="Có toàn văn hoặc bản tóm lược",
    not_loaded="Chưa có nội dung trong kho",
    replaced="Đã được thay thế hoặc hết hiệu lực",
    newer="Mũi tên chỉ sang văn bản thay thế",
    cited_by_plan="Kế hoạch viện dẫn",
    cited_by_others="Văn bản này nhắc tới văn bản kia",
    more="Còn {} văn bản nữa, xem trong danh sách.",
)

PAGE_SUBTITLE = "Văn bản được viện dẫn, tình trạng và liên hệ"
PAGE_GROUPS = {
    Holding.LOADED: "Có nội dung trong kho",
    Holding.METADATA_ONLY: "Được viện dẫn, chưa có toàn văn",
    Holding.ONLY_CITED: "Chỉ được văn bản khác nhắc tới",
}
_FORCES = {
    Force.SUPERSEDED: "Đã được thay thế",
    Force.NO_LONGER_IN_FORCE: "Không còn hiệu lực",
    Force.AMENDED: "Đã được sửa đổi",
    Force.PERHAPS_REPLACED: "Có văn bản mới cùng chủ đề",
    Force.IN_FORCE: "Còn hiệu lực",
}


def name_and_date(card: Card) -> str:
    """A document by the name on its card."""
    return f"{card.name} ({texts.day(card.issued_on)})" if card.issued_on else card.name


def force(card: Card) -> str:
    """Whether a document still holds, in a few words; empty where nobody says."""
    return _FORCES.get(card.force, "")


def only_cited(card: Card) -> str:
    """What is known of a document that the store does not have."""
    return "\n".join([name_and_date(card), *texts.card_lines(card)])


def see(card: Card) -> str:
    """Open a card, as a choice."""
    year = f" ({card.issued_on.year})" if card.issued_on else ""
    return texts.label(f"Xem {card.number or card.name}{year}")


def see_citing(name: str, issued_on: date | None) -> str:
    """Open the card of a document that cites another, as a choice."""
    return texts.label(f"Xem {name} ({issued_on.year})" if issued_on else f"Xem {name}")


def page_left_out(count: int) -> str:
    """Cards that have no room on the page."""
    return f"Còn {count} văn bản nữa. Đồng chí hỏi theo số hiệu ở trang hỏi đáp để xem từng văn bản."


def wanted(shown: Sequence[tuple[Card, int]], first: int, count: int) -> str:
    """Documents to be loaded: how often each was asked for, what cites it, what to send.

    Args:
        shown: cards, each with how often somebody asked for its text.
        first: the place of the first one, from 1.
        count: of all.
    """
    lines = [f"Văn bản cần nạp: {count}."]
    for number, (card, requests) in enumerate(shown, first):
        asked = f"{requests} lượt hỏi" if requests else "chưa ai hỏi"
        lines.append(f"{number}. {name_and_date(card)}: {asked}.")
        lines += [f"   Kế hoạch viện dẫn ở: {'; '.join(card.places)}."] if card.places else []
        citing = "; ".join(map(texts.referred, card.cited_by))
        lines += [f"   Văn bản nhắc tới: {citing}."] if citing else []
        lines.append(f"   Cần gửi: {_to_send(card)}.")
    lines.append("Đồng chí gửi tệp (PDF, Word…) vào đây, hoặc chép vào thư mục chờ trên máy rồi gõ “nạp lại”.")
    return "\n".join(lines)


def _to_send(card: Card) -> str:
    day = texts.day(card.issued_on)
    issued = f", ngày {day}" if day else ", ghi rõ ngày ban hành"
    number = f"có số {card.number}" if card.number and any(c.isdigit() for c in card.number) else "có đủ tên"
    return f"bản chính thức {number}{issued}"
