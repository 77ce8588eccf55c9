"""Every sentence we say."""

import re
from collections.abc import Sequence
from datetime import date, datetime
from zoneinfo import ZoneInfo

from assessment.schedule import TIME_ZONE
from knowledge.cards import Card, Holding, Reference
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

_HANOI = ZoneInfo(TIME_ZONE)
_LABEL_LENGTH = 46
# A choice with its place in brackets.
_CHOICE_LENGTH = 60
# Documents that a card names in a row.
_MOST_NAMED = 5
_DIGEST_MARK = "Tóm lược: "
# What stands for the status of a document where nobody has told it.
_NOT_STATED = "chưa rõ"

COMMANDS: tuple[tuple[str, str], ...] = (
    ("muc_luc", "Mục lục của kế hoạch"),
    ("van_ban", "Văn bản được viện dẫn"),
    ("tu_danh_gia", "Tự đánh giá tháng này"),
    ("tro_giup", "Trợ giúp"),
    ("dung", "Dừng lại"),
)

NO_SUCH_FILE = "Tệp này không còn hoặc không dành cho máy này. Đồng chí mở lại từ cuộc trò chuyện giúp."
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
        "• mục lục – xem kế hoạch theo từng mục; văn bản, sơ đồ văn bản – các văn bản được viện dẫn.",
        "• tự đánh giá – làm phiếu tự đánh giá tháng này; nộp – xem lại rồi nộp; của tôi – dữ liệu của đồng chí.",
        "• nối thêm máy – dùng thêm máy khác hoặc trang web; gỡ máy, gỡ máy khác – thôi dùng một máy.",
        "• Bí thư chi bộ: mở kỳ, lịch, gia hạn, đóng kỳ, tiến độ, nhắc, báo cáo, tổng hợp quý, tổng hợp năm, in mã.",
        "• Phó bí thư: nhập phiếu (giấy), sửa phiếu. Kiểm tra: quá trình.",
        "• Quản trị: nạp lại, khôi phục, bản quét, văn bản cần nạp, bảng kiểm, câu hỏi chưa trả lời, góp ý.",
        "• Cấp ủy: các chi bộ, câu hỏi chưa trả lời, soạn câu trả lời, câu trả lời đã duyệt.",
        "• Gõ số để chọn, ví dụ gõ 1.",
        "• dừng – kết thúc việc đang làm.",
        "Tài liệu không nói thì tôi nói rõ là không có, không đoán.",
    ]
)
STOPPED = "Đã dừng. Khi cần, đồng chí cứ hỏi."
BUTTON_EXPIRED = "Nút này không còn dùng được. Đồng chí hỏi lại, hoặc gõ “mục lục” để xem kế hoạch."
NOTHING_TO_CHOOSE = "Hiện không có lựa chọn nào để chọn theo số. Đồng chí cứ gõ câu hỏi, hoặc gõ “mục lục”."
FILE_TOO_LARGE = "Tệp lớn quá 50 MB. Đồng chí chép tệp vào thư mục chờ trên máy chủ giúp."
FILE_EMPTY = "Tệp này rỗng, không có chữ nào."
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


TOO_FAST = (
    "Đồng chí gửi nhanh quá, tôi chưa kịp đọc các tin vừa rồi. Xin đồng chí đợi một phút rồi gửi lại. "
    "Những điều đã ghi nhận trước đó vẫn còn."
)


def server_error(code: str) -> str:
    """Something broke on our side; the log knows the code."""
    return (
        "Tôi chưa trả lời được do lỗi máy chủ. Đồng chí gửi lại giúp; những điều đã ghi nhận trước đó vẫn còn. "
        f"(mã {code})"
    )


def page_error(code: str) -> str:
    """Something on a page was not kept; the log knows the code."""
    return f"Tôi chưa lưu được việc vừa rồi do lỗi máy chủ. Đồng chí bấm lại giúp; các câu trước vẫn còn. (mã {code})"


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
    """ "Kế hoạch …, mục 2.2, gạch đầu dòng 3"; programs are told the version beside it."""
    later = version(citation.version) if citation.version > 1 else ""
    return f"{_document_cited(citation)}, {citation.place}{later}"


def citation_line(citation: Citation, *, whole_part: bool = False) -> str:
    """The line under a quote, or under several of the same article or part."""
    where = citation.heading or citation.place if whole_part else citation.place
    return f"— {_document_cited(citation)}, {where}{version(citation.version)}"


def _document_cited(citation: Citation) -> str:
    issued = f" ({day(citation.issued_on)})" if citation.issued_on else ""
    return f"{citation.document_name}{issued}"


def version(number: int) -> str:
    """Name the version that is quoted; goes behind a citation."""
    return f", bản {number}"


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
    if document.force is Force.NO_LONGER_IN_FORCE:
        instead = name_and_date(successor) if successor else document.replaced_by.text if document.replaced_by else ""
        newer = f" Văn bản thay thế: {instead}." if instead else ""
        return f"{name_and_date(document)} không còn hiệu lực.{newer}"
    if document.force is Force.AMENDED:
        changed = "; ".join(each.text for each in document.amended_by)
        return f"{name_and_date(document)} đã được sửa đổi, bổ sung bởi {changed}."
    if document.force is Force.UNKNOWN and document.status in ("", _NOT_STATED):
        return f"Chưa rõ {name_and_date(document)} còn hiệu lực hay không."
    return f"{name_and_date(document)}: {document.status}."


def in_section(heading: str, where: str) -> str:
    """A section as a choice: "Hoàn thiện cơ chế, chính sách… (2.3)"; "Điều 5 (Quy định 37-QĐ/TW)"."""
    return f"{label(heading, _CHOICE_LENGTH - len(where) - 4)} ({where})"


def notice(kind: Notice, document: Document, successor: Document | None) -> str:
    """What a reader must be told about a document."""
    if kind.kind is NoticeKind.UNCHECKED:
        return UNCHECKED
    return DIGEST if kind.kind is NoticeKind.DIGEST else whether_replaced(document, successor)


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
            if "point" in facts:
                article = f"{article}, điểm {facts['point']}"
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


def card(document: Document, known: Card) -> str:
    """What is known of a document of the store."""
    return "\n".join([name_and_date(document), *card_lines(known, is_plan=document.is_plan)])


def card_lines(known: Card, *, is_plan: bool = False) -> list[str]:
    """What is known of a document, below its name."""
    lines = [known.title] if known.title else []
    lines += [f"Cơ quan ban hành: {known.issuer}"] if known.issuer else []
    if known.status is not None:
        lines.append(f"Tình trạng: {known.status}")
        since = day(known.in_force_from)
        lines += [f"Có hiệu lực từ: {since}"] if since and since not in known.status else []
    if known.replaced_by is not None and known.force in (Force.SUPERSEDED, Force.NO_LONGER_IN_FORCE):
        lines.append(f"Thay bằng: {referred(known.replaced_by)}")
    if known.amended_by:
        lines.append(f"Được sửa đổi bởi: {'; '.join(map(referred, known.amended_by))}")
    if known.status is not None and not is_plan:
        checked = f"kiểm tra ngày {day(known.checked_on)}" if known.checked_on else "chưa ghi ngày kiểm tra"
        lines.append(f"Căn cứ: {known.basis}; {checked}" if known.basis else f"Tình trạng này {checked}")
    lines += [f"Thay cho: {known.replaces}"] if known.replaces else []
    lines.append(f"Nội dung: {_held(known)}")
    if not is_plan:
        where = "; ".join(known.places)
        lines.append(f"Kế hoạch viện dẫn ở: {where}" if where else "Kế hoạch không viện dẫn trực tiếp")
        lines += [f"Văn bản khác nhắc tới: {_several(known.cited_by)}"] if known.cited_by else []
        lines += [f"Văn bản này nhắc tới: {_several(known.cites)}"] if known.cites else []
    return lines


def referred(reference: Reference) -> str:
    """A document as another one's card names it: "Quy định 377-QĐ/TW (08/10/2025)"."""
    return f"{reference.name} ({day(reference.issued_on)})" if reference.issued_on else reference.name


def _held(known: Card) -> str:
    if known.holding is Holding.ONLY_CITED:
        return "chưa có trong kho, chỉ được văn bản khác nhắc tới"
    if known.holding is Holding.METADATA_ONLY:
        return "toàn văn chưa được nạp"
    later = f" (bản thứ {known.version})" if known.version and known.version > 1 else ""
    if known.text_kind is TextKind.DIGEST:
        return f"có bản tóm lược{later}, không thay văn bản chính thức"
    return f"có toàn văn{later}"


def _several(references: Sequence[Reference]) -> str:
    more = f" và {len(references) - _MOST_NAMED} văn bản nữa" if len(references) > _MOST_NAMED else ""
    return "; ".join(map(referred, references[:_MOST_NAMED])) + more


def document_line(document: Document, successor: Document | None) -> str:
    """A document in a list, with its status in a few words."""
    if document.force is Force.SUPERSEDED and document.replaced_by is not None:
        new = successor.number if successor else document.replaced_by.number or document.replaced_by.text
        status = f"đã thay bằng {new}"
    elif document.force is Force.NO_LONGER_IN_FORCE:
        status = "không còn hiệu lực"
    elif document.force is Force.AMENDED:
        status = f"đã được sửa đổi bởi {'; '.join(each.number or each.text for each in document.amended_by)}"
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


def clock(at: datetime) -> str:
    """Return a moment as people in Việt Nam read it: 18:30 ngày 05/11."""
    return f"{at.astimezone(_HANOI):%H:%M ngày %d/%m}"


def month_name(month: date) -> str:
    """Return a round's month: tháng 11/2026."""
    return f"tháng {month.month}/{month.year}"


def item_numbers(items: Sequence[int]) -> str:
    """Name items of a checklist: điều 3, 12."""
    return f"điều {', '.join(map(str, items))}"


def counted_answers(present: Sequence[int], discuss: Sequence[int], count: int) -> list[str]:
    """Say, a line each, how many of all items have no sign, and which have one or want a talk."""
    lines = [f"• Không có biểu hiện: {count - len(present) - len(discuss)} điều"]
    lines += [f"• Có biểu hiện: {item_numbers(present)}"] if present else []
    lines += [f"• Cần trao đổi: {item_numbers(discuss)}"] if discuss else []
    return lines
