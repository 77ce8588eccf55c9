"""Every sentence we say."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from assessment.model import Checklist, ItemAnswer
from assessment.roster import RosterResult, RowOutcome
from assessment.schedule import TIME_ZONE
from knowledge.model import (
    Answer,
    Citation,
    Document,
    Force,
    Notice,
    NoticeKind,
    Quote,
    Reason,
    Smalltalk,
    TextKind,
)
from storage.people import Redeemed

_HANOI = ZoneInfo(TIME_ZONE)
_LABEL_LENGTH = 46
# A choice with its place in brackets.
_CHOICE_LENGTH = 60
_DIGEST_MARK = "Tóm lược: "

COMMANDS: tuple[tuple[str, str], ...] = (
    ("muc_luc", "Mục lục của kế hoạch"),
    ("van_ban", "Văn bản được viện dẫn"),
    ("tu_danh_gia", "Tự đánh giá tháng này"),
    ("tro_giup", "Trợ giúp"),
    ("dung", "Dừng lại"),
)

WELCOME = (
    "Chào đồng chí. Tôi là Tự Soi, giúp tra cứu kế hoạch của tỉnh thực hiện Kết luận 21-KL/TW và các văn bản "
    "mà kế hoạch viện dẫn. Đồng chí cứ gõ câu hỏi, có dấu hay không dấu đều được; tôi trích nguyên văn và ghi rõ "
    "nằm ở đâu. Mỗi tháng tôi giúp đồng chí tự đánh giá theo những điều đảng viên không được làm: có mã của bí thư thì "
    "gõ mã vào đây. Câu hỏi và trả lời được lưu trên máy chủ của đơn vị để đồng chí xem lại."
)
HELP = "\n".join(
    [
        "Tôi trả lời từ kế hoạch thực hiện Kết luận 21-KL/TW và các văn bản được viện dẫn.",
        "• Hỏi tự nhiên: “người đứng đầu chậm xử lý thì sao”, không dấu cũng được.",
        "• Hỏi theo mục: “mục 2.3 nói gì”, “ý thứ hai của mục 2.1”.",
        "• Hỏi về văn bản: “quy định 41 còn hiệu lực không”, “điều 12 quy định 37”.",
        "• Hỏi tiếp: “thế mục sau?”, “cụ thể hơn”.",
        "• mục lục – xem kế hoạch theo từng mục.",
        "• văn bản – các văn bản được viện dẫn.",
        "• tự đánh giá – làm phiếu tự đánh giá tháng này; nộp – xem lại rồi nộp.",
        "• Bí thư chi bộ: mở kỳ, tiến độ, nhắc, báo cáo.",
        "• Gõ số để chọn, ví dụ gõ 1.",
        "• dừng – kết thúc việc đang làm.",
        "Tài liệu không nói thì tôi nói rõ là không có, không đoán.",
    ]
)
STOPPED = "Đã dừng. Khi cần, đồng chí cứ hỏi."
BUTTON_EXPIRED = "Nút này không còn dùng được. Đồng chí hỏi lại, hoặc gõ “mục lục” để xem kế hoạch."
NOTHING_TO_CHOOSE = "Hiện không có lựa chọn nào để chọn theo số. Đồng chí cứ gõ câu hỏi, hoặc gõ “mục lục”."
NO_FILES = "Tôi chưa nhận tệp. Đồng chí gõ câu hỏi bằng chữ giúp."
PLEASE_WRITE_PRIVATELY = (
    "Xin nhắn riêng: tôi chỉ trả lời trong cuộc trò chuyện riêng, để điều đồng chí hỏi không hiện ra trước cả nhóm."
)
MESSAGE_TOO_LARGE = "Tin nhắn dài quá nên tôi chưa nhận được. Đồng chí chia thành vài phần ngắn hơn rồi gửi lại giúp."
MESSAGE_NOT_UNDERSTOOD = "Tôi chưa đọc được tin nhắn vừa rồi. Đồng chí tải lại trang rồi gửi lại giúp."
NOTHING_WRITTEN = "Tin nhắn chưa có chữ nào. Đồng chí gõ câu hỏi rồi gửi lại giúp."
FOREIGN_PAGE = "Tin nhắn này đến từ một trang khác nên tôi không nhận. Đồng chí mở trang Tự Soi rồi gửi lại giúp."
NO_SUCH_PAGE = "Ở đây không có trang này. Đồng chí quay về trang đầu giúp."
SERVER_TROUBLE = "Máy chủ đang có lỗi, những gì đã lưu vẫn còn. Đồng chí thử lại sau ít phút giúp."
DIGEST = "Bản tóm lược không thay văn bản chính thức."
UNCHECKED = (
    "Nội dung này chưa được đối chiếu hết với nguyên văn; khi cần căn cứ, đồng chí hỏi chi ủy hoặc ủy ban kiểm tra."
)
OTHER_LAW = "Kho văn bản chỉ có kế hoạch của tỉnh và các văn bản của Đảng được viện dẫn, không có văn bản đồng chí hỏi."
NEXT_PAGE = "Xem tiếp"

_SMALLTALK = {
    Smalltalk.GREETING: "Chào đồng chí. Đồng chí muốn hỏi gì về kế hoạch hoặc các văn bản được viện dẫn?",
    Smalltalk.THANKS: "Không có gì, đồng chí cần thì cứ hỏi.",
    Smalltalk.GOODBYE: "Chào đồng chí, hẹn gặp lại.",
    Smalltalk.IDENTITY: (
        "Tôi là Tự Soi, trợ lý tra cứu kế hoạch thực hiện Kết luận 21-KL/TW; "
        "tôi trích nguyên văn, không tự soạn câu trả lời."
    ),
    Smalltalk.ACKNOWLEDGED: "Vâng, đồng chí cần thì cứ hỏi.",
}


def server_error(code: str) -> str:
    """Something broke on our side; the log knows the code."""
    return (
        "Tôi chưa trả lời được do lỗi máy chủ. Đồng chí gửi lại giúp; những điều đã ghi nhận trước đó vẫn còn. "
        f"(mã {code})"
    )


def smalltalk(kind: Smalltalk) -> str:
    """One short polite line."""
    return _SMALLTALK[kind]


def unknown_command(command: str) -> str:
    """A word with a slash that is no command of ours."""
    return f"Tôi không có lệnh {command[:32]}. Đồng chí gõ “trợ giúp” để xem các lệnh."


def no_such_choice(number: int, count: int) -> str:
    """A typed number beyond the choices."""
    return f"Không có lựa chọn {number}; đồng chí chọn từ 1 đến {count}, hoặc gõ câu hỏi."


def day(value: date | None) -> str:
    """A date as people write it, or nothing."""
    return f"{value:%d/%m/%Y}" if value else ""


def name_and_date(document: Document) -> str:
    """ "Quy định 41-QĐ/TW (03/11/2021)"; number and date together tell documents apart."""
    if document.is_plan:
        return document.short_title or document.title
    return f"{document.name} ({day(document.issued_on)})" if document.issued_on else document.name


def cited_at(citation: Citation) -> str:
    """ "Kế hoạch …, mục 2.2, gạch đầu dòng 3"."""
    issued = f" ({day(citation.issued_on)})" if citation.issued_on else ""
    return f"{citation.document_name}{issued}, {citation.place}"


def citation_line(citation: Citation, *, whole_part: bool = False) -> str:
    """The line under a quote, or under several of the same article or part."""
    if not whole_part:
        return f"— {cited_at(citation)}"
    issued = f" ({day(citation.issued_on)})" if citation.issued_on else ""
    return f"— {citation.document_name}{issued}, {citation.heading or citation.place}"


def quoted(quote: Quote) -> str:
    """The words of a document: between quotation marks, or marked as a digest."""
    return f"{_DIGEST_MARK}{_words(quote)}" if quote.citation.is_digest else f"«{_words(quote)}»"


def quoted_together(quotes: Sequence[Quote]) -> str:
    """Quotes under one citation, a line each; the clauses of a digest's article are numbered as they are there."""
    if not quotes[0].citation.is_digest or len(quotes) == 1:
        return "\n".join(quoted(quote) for quote in quotes)
    lines = []
    for quote in quotes:
        number = re.search(r"\.(?:khoan|y)-(\d+)$", quote.citation.locator)
        lines.append(f"{number[1]}. {_words(quote)}" if number else _words(quote))
    return _DIGEST_MARK + ("\n" if lines[0][0].isdigit() else "") + "\n".join(lines)


def _words(quote: Quote) -> str:
    return f"{'' if quote.opens else '… '}{quote.text}{'' if quote.closes else ' …'}"


def whether_replaced(document: Document, successor: Document | None) -> str:
    """Whether a document still holds, as far as we know."""
    if document.force is Force.SUPERSEDED and document.replaced_by is not None:
        new = name_and_date(successor) if successor else document.replaced_by.text
        return f"{name_and_date(document)} đã được thay thế bởi {new}."
    return f"{name_and_date(document)}: {document.status}."


def in_section(heading: str, where: str) -> str:
    """A section as a choice: "Hoàn thiện cơ chế, chính sách… (2.3)"; "Điều 5 (Quy định 37-QĐ/TW)"."""
    return f"{label(heading, _CHOICE_LENGTH - len(where) - 4)} ({where})"


def notice(kind: Notice, document: Document, successor: Document | None) -> str:
    """What a reader must be told about a document."""
    if kind.kind in (NoticeKind.SUPERSEDED, NoticeKind.PERHAPS_REPLACED):
        return whether_replaced(document, successor)
    if kind.kind is NoticeKind.UNCHECKED:
        return UNCHECKED
    return DIGEST


def label(text: str, longest: int = _LABEL_LENGTH) -> str:
    """Text cut to the length of a button, at a word."""
    line, longest = " ".join(text.split()), min(longest, _LABEL_LENGTH)
    if len(line) <= longest:
        return line
    return f"{line[:longest].rsplit(' ', 1)[0].rstrip(' ,;:.')}…"


def lead(answer: Answer, document: Document | None) -> str:
    """The sentence before the quotes; empty where the quote speaks for itself."""
    facts, name = answer.facts, name_and_date(document) if document else ""
    count, section = facts.get("count", ""), facts.get("section", "")
    match answer.reason:
        case Reason.SECTION:
            if document is None or not document.is_plan:
                return ""
            return f"Mục {section} có {count} nội dung:"
        case Reason.BULLET_COUNT:
            return f"Mục {section} có {count} nội dung (gạch đầu dòng):"
        case Reason.SECTION_COUNT:
            first, last = facts.get("first", ""), facts.get("last", "")
            return f"Kế hoạch có {count} nhóm nhiệm vụ, giải pháp, từ mục {first} đến mục {last}:"
        case Reason.SECTION_LIST:
            heading = facts.get("heading", "")
            return f"{heading} – có {count} mục:" if heading else f"Có {count} mục:"
        case Reason.CITED_WHERE:
            return f"Kế hoạch viện dẫn {name} ở {places(answer.quotes)}:"
        case Reason.CITED_WHEN:
            when = f"ban hành ngày {day(document.issued_on)}" if document and document.issued_on else ""
            return f"{document.name if document else ''} {when or 'chưa rõ ngày ban hành'}."
        case Reason.CITED_BY_WHOM:
            return f"{name} do {facts.get('issuer', '')} ban hành."
        case Reason.CITED_ABOUT:
            about = f"{name}: {document.title}." if document else ""
            return f"{about}\nKế hoạch nhắc ở {places(answer.quotes)}:"
        case Reason.BASIS:
            return f"Kế hoạch này thực hiện {name}:"
        case Reason.TITLE:
            return "Tên của kế hoạch:"
        case Reason.CITED_LIST:
            return f"Kế hoạch viện dẫn {count} văn bản:"
    return ""


def places(quotes: Sequence[Quote]) -> str:
    """ "mục 2.1, gạch đầu dòng 4; mục 2.4, gạch đầu dòng 1"."""
    return "; ".join(quote.citation.place for quote in quotes)


def unanswered(answer: Answer, document: Document | None, *, noted: bool) -> str:
    """Why there is no answer, and what is nearest.

    Args:
        noted: the document was put on the list of texts to load.
    """
    facts = answer.facts
    name = name_and_date(document) if document else facts.get("document", "văn bản này")
    match answer.reason:
        case Reason.TOO_LONG:
            return "Tin nhắn dài quá, tôi không tra được. Đồng chí hỏi ngắn lại trong một hai câu giúp."
        case Reason.NO_WORDS:
            return "Tôi chưa thấy câu hỏi. Đồng chí gõ bằng chữ giúp, không dấu cũng được."
        case Reason.NO_TOPIC:
            return "Đồng chí muốn hỏi tiếp về điều gì? Đồng chí nhắc lại giúp."
        case Reason.WHICH_SECTION:
            return "Đồng chí muốn hỏi về:"
        case Reason.WHICH_DOCUMENT if "article" not in facts:
            return "Tên này có thể chỉ nhiều văn bản. Đồng chí muốn hỏi:"
        case Reason.WHICH_DOCUMENT:
            article = facts.get("article", "").replace("dieu-", "Điều ")
            return f"{article} của văn bản nào, thưa đồng chí?"
        case Reason.NO_SUCH_SECTION if "ordinal" in facts:
            return f"Mục {facts['section']} chỉ có {facts['count']} nội dung, không có nội dung thứ {facts['ordinal']}."
        case Reason.NO_SUCH_SECTION:
            return f"Kế hoạch không có mục {facts.get('section', '')}. Đồng chí gõ “mục lục” để xem các mục."
        case Reason.NO_SUCH_ARTICLE:
            article = facts.get("article", "").replace("dieu-", "Điều ")
            if "clause" in facts:
                article = f"{article}, khoản {facts['clause']}"
            where = f"Bản đang lưu của {name}" if document else "Các văn bản đang có"
            return f"{where} không có {article}."
        case Reason.OWN_NUMBER:
            return "Bản kế hoạch đang lưu không ghi số, ngày ban hành."
        case Reason.CITES_NOTHING:
            return f"Mục {facts['section']} không viện dẫn văn bản nào."
        case Reason.OTHER_LAW:
            return OTHER_LAW
        case Reason.NOT_CITED:
            return f"Kế hoạch không viện dẫn {name}."
        case Reason.NOT_LOADED if answer.quotes:
            added = ", tôi đã ghi vào danh sách cần bổ sung" if noted else ""
            cited = f"Kế hoạch viện dẫn {name} ở {places(answer.quotes[:1])}: {quoted(answer.quotes[0])}"
            return f"{cited} Toàn văn chưa được nạp{added}."
        case Reason.NOT_LOADED:
            return f"{name} chưa có trong kho văn bản; chỉ được nhắc tới trong bản tóm lược của văn bản khác:"
        case Reason.LAST_SECTION:
            return "Không còn phần nào nữa ở phía đó. Đồng chí gõ “mục lục” để xem toàn bộ."
    nearest = " Gần nhất là:" if answer.choices else ""
    return f"Kế hoạch và các văn bản đang có không nói về điều này.{nearest}"


def own_number(answer: Answer) -> str:
    """The plan's own number and date, where its text gives them."""
    return f"Kế hoạch số {answer.facts['number'] or '(không ghi)'}, ngày {answer.facts['date'] or '(không ghi)'}."


def card(document: Document, places_in_plan: Sequence[str], successor: Document | None) -> str:
    """What is known of a document."""
    lines = [name_and_date(document), document.title, f"Cơ quan ban hành: {document.issuer}"]
    lines.append(f"Tình trạng: {document.status}")
    if document.replaced_by and document.force is Force.SUPERSEDED:
        lines.append(f"Thay bằng: {name_and_date(successor) if successor else document.replaced_by.text}")
    if document.replaces:
        lines.append(f"Thay cho: {document.replaces}")
    if document.metadata_only:
        lines.append("Nội dung: toàn văn chưa được nạp")
    elif document.text_kind is TextKind.DIGEST:
        lines.append("Nội dung: có bản tóm lược, không thay văn bản chính thức")
    else:
        lines.append("Nội dung: có toàn văn")
    if not document.is_plan:
        where = "; ".join(places_in_plan)
        lines.append(f"Kế hoạch viện dẫn ở: {where}" if where else "Kế hoạch không viện dẫn trực tiếp")
    return "\n".join(lines)


def document_line(document: Document, successor: Document | None) -> str:
    """A document in a list, with its status in a few words."""
    if document.force is Force.SUPERSEDED and document.replaced_by is not None:
        new = successor.number if successor else document.replaced_by.number or document.replaced_by.text
        status = f"đã thay bằng {new}"
    elif document.metadata_only:
        status = "chưa có toàn văn"
    else:
        status = "có tóm lược" if document.text_kind is TextKind.DIGEST else "có toàn văn"
    return f"{name_and_date(document)} – {status}"


CITED_DOCUMENTS = "Văn bản được kế hoạch viện dẫn:"
CITED_HINT = "Gõ số hiệu, ví dụ “thẻ 41-QĐ/TW”, để xem từng văn bản."
CITED_HERE = "Đoạn này viện dẫn:"
OUTLINE = "Mục lục kế hoạch:"

READ_WHOLE = "Đọc cả đoạn"
NEXT_PASSAGE = "Đoạn tiếp theo"
RELATED = "Đoạn liên quan"
RELATED_DOCUMENTS = "Văn bản liên quan"
PLACES_IN_PLAN = "Kế hoạch nhắc ở đâu"
READ_DIGEST = "Đọc tóm lược"
READ_TEXT = "Đọc văn bản"
THE_OUTLINE = "Mục lục"


def whole_section(section: str) -> str:
    """Read a whole section."""
    return f"Cả mục {section}"


def whole_article(article: str) -> str:
    """Read a whole article, or a part that has no article number."""
    return f"Cả {article}" if article.startswith("Điều") else "Cả phần này"


def see_document(document: Document) -> str:
    """Open a document's card."""
    # Party numbers repeat across years, so the year goes with them.
    year = f" ({document.issued_on.year})" if document.issued_on and not document.is_plan else ""
    return label(f"Xem {document.short_title or document.number or document.title}{year}")


# --- The monthly self-assessment: who one is --------------------------------------------------------------------

NOT_LINKED = (
    "Tôi chưa biết đồng chí là ai. Đồng chí xin bí thư chi bộ mã 8 ký tự rồi gõ mã đó vào đây. "
    "Hỏi về kế hoạch và quy định thì không cần mã."
)
BEGIN_HINT = "Khi chi bộ mở kỳ, đồng chí gõ “tự đánh giá” để bắt đầu."
PRIVACY_NOTICE = "\n".join(
    [
        "Trước khi tự đánh giá, xin đồng chí biết:",
        "• Lưu lại: đồng chí đã nộp hay chưa, ngày nộp, và câu trả lời từng điều (được mã hóa).",
        "• Bí thư chi bộ thấy: đã nộp hay chưa, những điều đồng chí tự chọn báo cáo, và việc đồng chí muốn trao đổi.",
        "• Cấp ủy cấp trên và người kiểm tra chỉ thấy số lượng. Người quản trị không thấy nội dung nào.",
        "• Số liệu chung chỉ được tính khi có từ 5 phiếu trở lên.",
        "• Đồng chí rút lại sự đồng ý lúc nào cũng được: gõ “rút đồng ý”.",
        "Đồng chí có đồng ý không?",
    ]
)
AGREE = "Đồng ý"
NOT_NOW = "Chưa"
CONSENT_KEPT = "Cảm ơn đồng chí, tôi đã lưu sự đồng ý."
NO_CONSENT = (
    "Vâng, tôi chưa lưu gì. Đồng chí vẫn hỏi đáp được như thường; khi nào đồng ý thì gõ “tự đánh giá”, "
    "hoặc nộp phiếu giấy cho chi bộ."
)
UNLINKED = "Đã gỡ: máy này không còn nối với đồng chí. Muốn dùng lại, đồng chí xin bí thư mã mới."
NOTHING_TO_WITHDRAW = "Hiện không có sự đồng ý nào để rút."
WITHDRAW = "Rút sự đồng ý thì từ nay tôi không hỏi và không nhắc đồng chí nữa. Những gì đã nộp vẫn được tính."
CONFIRM_WITHDRAW = "Xác nhận rút"
KEEP = "Giữ như cũ"
WITHDRAWN = "Đã rút sự đồng ý. Khi nào muốn làm lại, đồng chí gõ “tự đánh giá”."
KEPT_AS_IT_WAS = "Vâng, mọi thứ giữ như cũ."


ERASE = "Xóa nội dung đã trả lời"
TAKE_BACK = "Rút đồng ý"
ABOUT_TO_ERASE = (
    "Xóa thì mọi câu trả lời của đồng chí bị hủy, không lấy lại được, kể cả những điều đã báo cáo. Phiếu đã nộp vẫn "
    "được tính là đã nộp."
)
CONFIRM_ERASE = "Xác nhận xóa"
ERASED_BEFORE = "Đồng chí đã xóa nội dung phiếu kỳ này nên không làm tiếp được. Kỳ sau đồng chí làm như thường."
ERASED_MESSAGE = "(đã xóa)"


def own_data(
    name: str,
    cell: str,
    chats: int,
    kept: Sequence[tuple[date, str | None, bool]],
    readers: Sequence[tuple[datetime, date]],
) -> str:
    """Show a member what is kept, by round, and when the secretary opened what was reported."""
    lines = [f"Đồng chí {name}, {cell}; {chats} máy đang nối."]
    for month, receipt_number, is_erased in kept:
        state = f"đã nộp, phiếu {receipt_number}" if receipt_number else "chưa nộp"
        lines.append(f"• Kỳ {month_name(month)}: {state}{', nội dung đã xóa' if is_erased else ''}")
    lines += [] if kept else ["Chưa có phiếu nào."]
    for at, month in readers:
        lines.append(f"• Bí thư đã xem điều đồng chí báo cáo (kỳ {month_name(month)}), {clock(at)}")
    return "\n".join(lines)


def erased(count: int) -> str:
    """Say that the content of responses was destroyed."""
    return f"Đã xóa nội dung của {count} phiếu. Từ nay không ai, kể cả đồng chí, đọc lại được."


def linked(name: str, cell: str) -> str:
    """Greet a member whose chat has just been linked."""
    return f"Chào đồng chí {name}, {cell}. Từ nay tôi nhận ra đồng chí trên máy này."


def code_refused(result: Redeemed, locked_until: datetime | None) -> str:
    """Say why a code was not taken and what to do."""
    if locked_until is not None:
        return f"Mã sai nhiều lần nên tôi tạm không nhận mã đến {clock(locked_until)}. Đồng chí xem lại mã giúp."
    return {
        Redeemed.USED: "Mã này đã dùng rồi. Đồng chí xin bí thư mã mới.",
        Redeemed.EXPIRED: "Mã này đã hết hạn. Đồng chí xin bí thư mã mới.",
        Redeemed.CHAT_OF_ANOTHER: (
            "Máy này đang nối với một đồng chí khác. Gõ “gỡ máy” để gỡ ra, rồi gõ lại mã của đồng chí."
        ),
    }.get(result, "Mã không đúng. Đồng chí xem lại tờ phiếu, mã gồm 8 chữ và số, rồi gõ lại giúp.")


def clock(at: datetime) -> str:
    """Return a moment as people in Việt Nam read it: 18:30 ngày 05/11."""
    return f"{at.astimezone(_HANOI):%H:%M ngày %d/%m}"


def month_name(month: date) -> str:
    """Return a round's month: tháng 11/2026."""
    return f"tháng {month.month}/{month.year}"


# --- Filling in -------------------------------------------------------------------------------------------------

NO_ROUND = "Chi bộ chưa mở kỳ tự đánh giá nào. Khi có kỳ mới, tôi sẽ báo đồng chí."
BEGIN = "Bắt đầu"
GO_ON = "Làm tiếp"
LATER = "Để sau"
LATER_SAID = "Vâng. Những gì đã trả lời vẫn còn; đồng chí gõ “tự đánh giá” để làm tiếp."
WHOLE_GROUP = "Cả nhóm: không có biểu hiện"
ONE_BY_ONE = "Xem từng điều"
EXAMPLES = "Ví dụ"
REPORT = "Báo cáo với chi bộ"
KEEP_TO_MYSELF = "Chỉ mình tôi biết"
TALK = "Tôi muốn trao đổi trực tiếp với bí thư"
NO_TALK = "Thôi, không cần trao đổi"
LATER_TALK = "Để tôi xem thêm"
CONFIRM_SUBMIT = "Xác nhận nộp"
SEE_AGAIN = "Xem lại"
BACK_TO_IT = "Quay lại tự đánh giá"
CHANGE = "Sửa"


def round_intro(cell: str, month: date, due_on: date, items: int) -> str:
    """Say what a round is, how long it takes and who will see what."""
    return (
        f"{cell} đang có kỳ tự đánh giá {month_name(month)}, hạn nộp {day(due_on)}. Có {items} điều, khoảng 3 phút, "
        "dừng lúc nào cũng được.\nBí thư sẽ thấy: đồng chí đã nộp hay chưa, những điều đồng chí tự chọn báo cáo, và "
        "việc đồng chí muốn trao đổi. Ngoài ra không ai thấy."
    )


def group(number: int, count: int, title: str, question: str) -> str:
    """Ask about a group of items as a whole."""
    return f"Nhóm {number}/{count} · {title}\n{question}"


def progress(done: int, count: int) -> str:
    """How far a member is: 7/19."""
    return f"{min(done + 1, count)}/{count}"


def item(where: str, number: int, question: str, examples: Sequence[str], *, is_focus: bool) -> str:
    """Ask one item; those of the month's focus come with their examples."""
    focus = " · trọng tâm tháng này" if is_focus else ""
    shown = "".join(f"\n• {example}" for example in examples)
    return f"{where} · Điều {number}{focus}\n{question}{shown}\nGõ “xem điều {number}” để đọc quy định."


def examples(of_items: Sequence[tuple[int, str]]) -> str:
    """Show an example for each item of a group."""
    return "\n".join(["Ví dụ:", *(f"• Điều {number}: {example}" for number, example in of_items)])


def whether_to_report(number: int) -> str:
    """Ask whether an item is to be reported to the cell."""
    return (
        f"Điều {number}: đồng chí có muốn báo cáo điều này với chi bộ không? Bí thư chỉ thấy những điều đồng chí "
        "chọn báo cáo. Nội dung việc thì trao đổi trực tiếp, không cần gõ ở đây."
    )


def whether_to_talk(number: int) -> str:
    """Ask whether the member wants to talk with the secretary."""
    return f"Điều {number}: đồng chí có muốn bí thư hẹn trao đổi trực tiếp không? Bí thư không biết là về điều nào."


def items_left(count: int, due_on: date) -> str:
    """Say how many items have no answer yet."""
    return f"Đồng chí còn {count} điều chưa trả lời, hạn nộp {day(due_on)}."


def preview(
    present: Sequence[int], discuss: Sequence[int], reported: Sequence[int], count: int, *, wants_talk: bool
) -> str:
    """Show what would be handed in."""
    lines = [f"Đồng chí đã trả lời đủ {count} điều:"]
    lines.append(f"• Không có biểu hiện: {count - len(present) - len(discuss)} điều")
    lines += [f"• Có biểu hiện: {_numbers(present)}"] if present else []
    lines += [f"• Cần trao đổi: {_numbers(discuss)}"] if discuss else []
    lines.append(f"Bí thư sẽ thấy đồng chí báo cáo: {_numbers(reported) if reported else 'không có điều nào'}.")
    lines += ["Bí thư sẽ biết đồng chí muốn trao đổi trực tiếp."] if wants_talk else []
    lines.append("Muốn sửa, đồng chí gõ ví dụ “sửa điều 12”.")
    return "\n".join(lines)


def receipt(number: str, items: int, on: date, due_on: date) -> str:
    """Say that a response was handed in; said only after it was stored."""
    late = ", nộp sau hạn" if on > due_on else ""
    until = f" Sửa được đến hết ngày {day(due_on)}." if on <= due_on else ""
    return f"Đã ghi nhận. Phiếu {number}, {items} điều, ngày {day(on)}{late}.{until}"


def no_more_changes(due_on: date) -> str:
    """Say that a response that was handed in stays as it is after the due date."""
    return f"Hạn nộp {day(due_on)} đã qua, phiếu đã nộp không sửa được nữa. Cần trao đổi, đồng chí gặp bí thư giúp."


def already_submitted(number: str, due_on: date) -> str:
    """Say that a response was handed in before, and how to change it."""
    return f"Đồng chí đã nộp phiếu {number}. Muốn sửa, gõ ví dụ “sửa điều 12”; hạn nộp {day(due_on)}."


def round_closed(month: date, last_day: date) -> str:
    """Say that a round takes nothing any more."""
    return f"Kỳ {month_name(month)} đã đóng từ hết ngày {day(last_day)}. Đồng chí gõ “tự đánh giá” để xem kỳ hiện tại."


def own_answers(answers: Sequence[tuple[int, str]], reported: Sequence[int]) -> str:
    """Show a member the own answers."""
    marked = set(reported)
    lines = [f"Điều {number}: {answer}{' (đã báo cáo)' if number in marked else ''}" for number, answer in answers]
    return "\n".join(["Phiếu của đồng chí:", *lines])


def no_such_item(number: int, count: int) -> str:
    """Say which numbers there are."""
    return f"Không có điều {number}. Bảng tự đánh giá có các điều từ 1 đến {count}."


def _numbers(items: Sequence[int]) -> str:
    return f"điều {', '.join(map(str, items))}"


# --- For the secretary ------------------------------------------------------------------------------------------

ONLY_SECRETARY = "Việc này chỉ bí thư chi bộ làm được. Đồng chí gõ “trợ giúp” để xem những việc khác."
NO_CHECKLIST = "Chưa có bảng tự đánh giá nào dùng được. Đồng chí báo người quản trị giúp."
NO_ROUND_YET = "Chi bộ hiện không có kỳ nào đang mở. Đồng chí gõ “mở kỳ” để mở kỳ tháng này."
CONFIRM_OPEN = "Xác nhận mở kỳ"
CONFIRM_REMIND = "Xác nhận nhắc"
LEAVE_IT = "Thôi"
LEFT_AS_IT_WAS = "Vâng, tôi chưa làm gì."
PROGRESS = "Tiến độ"
SUMMARY = "Tóm tắt cho biên bản"
NOBODY_TO_REMIND = "Không còn đồng chí nào cần nhắc mà tôi nhắn được."


@dataclass(frozen=True, slots=True)
class StandingNames:
    """How a round stands, by name."""

    month: date
    due_on: date
    handed_in: int
    missing: tuple[str, ...]
    without_phone: tuple[str, ...]
    never_linked: tuple[str, ...]
    blocked: tuple[str, ...]

    @property
    def expected(self) -> int:
        """Everybody who takes part."""
        return self.handed_in + sum(map(len, (self.missing, self.without_phone, self.never_linked, self.blocked)))


def round_there(month: date, due_on: date) -> str:
    """Say that the round was opened before."""
    return f"Kỳ {month_name(month)} đã được mở, hạn nộp {day(due_on)}."


def about_to_open(cell: str, month: date, due_on: date, checklist: Checklist) -> str:
    """Say what opening a round does; a superseded regulation is said."""
    said = f"Mở kỳ {month_name(month)} cho {cell}, hạn nộp {day(due_on)}, theo {checklist.regulation}?"
    if checklist.superseded_by is None:
        return said
    since = f" từ {day(checklist.superseded_on)}" if checklist.superseded_on else ""
    return (
        f"{said}\nLưu ý: {checklist.regulation} đã được thay bằng {checklist.superseded_by}{since}; bảng theo văn bản "
        "mới chưa được người quản trị xác nhận."
    )


def round_opened(month: date, due_on: date, told: int, unlinked: int) -> str:
    """Say that a round is open, how many will hear of it, and how many cannot, for want of a code."""
    said = f"Đã mở kỳ {month_name(month)}, hạn nộp {day(due_on)}. Tôi sẽ báo cho {told} đồng chí."
    return f"{said} {unlinked} đồng chí chưa nhập mã nên tôi chưa nhắn được." if unlinked else said


def standing(cell: str, names: StandingNames, talks: int | None, days_left: int) -> str:
    """Say who has handed in and who has not, and why some cannot be reached."""
    left = f"còn {days_left} ngày" if days_left > 0 else "hạn hôm nay" if days_left == 0 else "đã quá hạn"
    lines = [f"Kỳ {month_name(names.month)}, {cell}: {names.handed_in}/{names.expected} đã nộp, {left}."]
    for title, people in (
        ("Chưa nộp", names.missing),
        ("Chưa nhập mã nên chưa nhắn được", names.never_linked),
        ("Đã chặn tin nhắn", names.blocked),
        ("Không dùng điện thoại, nhập từ phiếu giấy", names.without_phone),
    ):
        lines += [f"{title} ({len(people)}): {', '.join(people)}."] if people else []
    lines += [f"Muốn trao đổi trực tiếp: {talks} đồng chí."] if talks else []
    return "\n".join(lines)


def remind_so_many(count: int) -> str:
    """Label of the button that reminds the rest."""
    return f"Nhắc {count} đồng chí"


def about_to_remind(count: int, at: datetime, *, is_now: bool) -> str:
    """Say whom and when a reminder would reach."""
    when = "ngay bây giờ" if is_now else f"vào {clock(at)} (không nhắc trong 21:00–06:30)"
    return f"Sẽ nhắc {count} đồng chí {when}."


def reminded(count: int, at: datetime, *, is_now: bool) -> str:
    """Say that a reminder is on its way."""
    return f"Đang nhắn cho {count} đồng chí." if is_now else f"Sẽ nhắn cho {count} đồng chí vào {clock(at)}."


def already_reminded(again_at: datetime) -> str:
    """Say that today's reminder was sent, and when the next may be."""
    return f"Hôm nay đã nhắc rồi. Có thể nhắc lại từ {clock(again_at)}."


def summary(
    cell: str,
    names: StandingNames,
    reported: Sequence[tuple[str, Sequence[int]]],
    counted: Mapping[int, Mapping[ItemAnswer, int]],
    checklist: Checklist,
) -> str:
    """Return the paragraph for the minutes, then what was reported and the totals where they may be shown."""
    lines = [
        f"Chi bộ {cell.removeprefix('Chi bộ ')} thực hiện tự đánh giá {month_name(names.month)} theo "
        f"{checklist.regulation}: {names.handed_in}/{names.expected} đảng viên đã nộp phiếu."
    ]
    lines += [f"Báo cáo với chi bộ: {name} ({_numbers(items)})." for name, items in reported]
    lines += [] if reported else ["Không có đồng chí nào báo cáo điều nào với chi bộ."]
    if counted:
        lines.append("Số liệu chung (những điều có câu trả lời khác nhau):")
        for number, answers in counted.items():
            shown = (f"{count} {checklist.answer_labels[answer].lower()}" for answer, count in answers.items() if count)
            lines.append(f"• Điều {number}: {', '.join(shown)}")
    else:
        lines.append("Chưa nêu số liệu từng điều, để không lộ câu trả lời của ai: cần từ 5 phiếu trở lên.")
    return "\n".join(lines)


# --- What comes by itself ---------------------------------------------------------------------------------------


def round_announced(cell: str, month: date, due_on: date) -> str:
    """Tell a member that a round was opened."""
    return (
        f"{cell} mở kỳ tự đánh giá {month_name(month)}, hạn nộp {day(due_on)}. Khoảng 3 phút, dừng lúc nào cũng được. "
        "Đồng chí gõ “tự đánh giá” để bắt đầu."
    )


def reminder(cell: str, month: date, due_on: date) -> str:
    """Remind a member of a round."""
    return f"{cell}: kỳ tự đánh giá {month_name(month)} hạn nộp {day(due_on)}. Đồng chí gõ “tự đánh giá” để làm tiếp."


# --- The roster, in the terminal --------------------------------------------------------------------------------

_OUTCOMES = {
    RowOutcome.ADDED: "thêm mới",
    RowOutcome.CHANGED: "thay đổi",
    RowOutcome.UNCHANGED: "như cũ",
    RowOutcome.REFUSED: "KHÔNG NHẬN",
}


def roster_line(result: RosterResult, code: str | None) -> str:
    """Say what became of one row."""
    said = f"dòng {result.number}: {result.name} · {result.cell.name} · {_OUTCOMES[result.outcome]}"
    said += f" · từ {result.moved_from.name}" if result.moved_from else ""
    said += f" · mã {code}" if code else ""
    return f"{said}: {result.reason}" if result.reason else said


def roster_summary(results: Sequence[RosterResult], *, dry_run: bool) -> str:
    """Say what became of all rows."""
    counts = [f"{sum(r.outcome is o for r in results)} {name.lower()}" for o, name in _OUTCOMES.items()]
    return f"{'Xem trước, chưa ghi gì' if dry_run else 'Đã ghi'}: {', '.join(counts)}."
