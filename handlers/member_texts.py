"""Every sentence of the self-assessment that a member reads: who one is, consent, filling in, handing in."""

from collections.abc import Sequence
from datetime import date, datetime

from handlers.texts import clock, counted_answers, day, item_numbers, month_name
from storage.people import Redeemed

NOT_LINKED = (
    "Tôi chưa biết đồng chí là ai. Đồng chí xin bí thư chi bộ mã 8 ký tự rồi gõ mã đó vào đây. "
    "Hỏi về kế hoạch và quy định thì không cần mã."
)
BEGIN_HINT = "Khi chi bộ mở kỳ, đồng chí gõ “tự đánh giá” để bắt đầu."
NOTICE_CHANGED = "Thông báo đã thay đổi so với lần đồng chí đọc, xin đồng chí đọc lại:"
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
ERASED_SINCE = "Nội dung phiếu kỳ này đã xóa nên không xem lại được; việc đã nộp vẫn được tính."
ERASED_MESSAGE = "(đã xóa)"


def privacy_notice(decision: str | None, keep_months: int) -> str:
    """Say what is kept, for how long and who sees what, and ask; a committee's decision on it is quoted."""
    if decision is None:
        secretary = [
            "• Bí thư chi bộ thấy: đã nộp hay chưa, những điều đồng chí tự chọn báo cáo, và việc đồng chí muốn trao "
            "đổi.",
        ]
    else:
        secretary = [
            "• Bí thư chi bộ thấy: đã nộp hay chưa, MỌI câu trả lời của đồng chí sau khi nộp, và việc đồng chí muốn "
            "trao đổi. Đó là theo quyết định bằng văn bản của cấp ủy:",
            f"«{decision}»",
            "• Kỳ nào đồng chí đã trả lời trước khi đọc thông báo này thì bí thư chỉ thấy điều đồng chí tự chọn báo "
            "cáo.",
        ]
    return "\n".join(
        [
            "Trước khi tự đánh giá, xin đồng chí biết:",
            "• Lưu lại: đồng chí đã nộp hay chưa, ngày nộp, và câu trả lời từng điều (được mã hóa).",
            f"• Câu trả lời được giữ {keep_months} tháng sau tháng tự đánh giá rồi hủy trên máy chủ, chỉ còn lại việc "
            "đã nộp. Muốn xóa sớm hơn, đồng chí gõ “của tôi”.",
            *secretary,
            "• Cấp ủy cấp trên và người kiểm tra chỉ thấy số lượng. Người quản trị không thấy nội dung nào.",
            "• Số liệu chung chỉ được tính sau hạn nộp, khi có từ 5 phiếu trở lên.",
            "• Đồng chí rút lại sự đồng ý lúc nào cũng được: gõ “rút đồng ý”.",
            "Đồng chí có đồng ý không?",
        ]
    )


def own_data(
    name: str,
    cell: str,
    chats: int,
    kept: Sequence[tuple[date, str | None, bool]],
    readers: Sequence[tuple[datetime, date]],
    seen_whole: Sequence[tuple[datetime, date]] = (),
    replaced: Sequence[datetime] = (),
) -> str:
    """Show a member what is kept, by round, and when the secretary opened what was reported, or all of it.

    Args:
        replaced: when the secretary made a code for another phone.
    """
    lines = [f"Đồng chí {name}, {cell}; {chats} máy đang nối."]
    for month, receipt_number, is_erased in kept:
        state = f"đã nộp, phiếu {receipt_number}" if receipt_number else "chưa nộp"
        lines.append(f"• Kỳ {month_name(month)}: {state}{', nội dung đã xóa' if is_erased else ''}")
    lines += [] if kept else ["Chưa có phiếu nào."]
    for at, month in readers:
        lines.append(f"• Bí thư đã xem điều đồng chí báo cáo (kỳ {month_name(month)}), {clock(at)}")
    for at, month in seen_whole:
        lines.append(f"• Bí thư đã xem câu trả lời của đồng chí (kỳ {month_name(month)}), {clock(at)}")
    lines += [f"• Bí thư đã tạo mã thay máy cho đồng chí, {clock(at)}" for at in replaced]
    # Who looks several times within a minute is named once.
    return "\n".join(dict.fromkeys(lines))


def erased(count: int) -> str:
    """Say that the content of responses was destroyed."""
    return f"Đã xóa nội dung của {count} phiếu. Từ nay không ai, kể cả đồng chí, đọc lại được."


def linked(name: str, cell: str) -> str:
    """Greet a member whose chat has just been linked."""
    return f"Chào đồng chí {name}, {cell}. Từ nay tôi nhận ra đồng chí trên máy này."


def begin_now(month: date, due_on: date) -> str:
    """Tell who comes in while a round is open how to begin."""
    found = f"Chi bộ đang có kỳ tự đánh giá {month_name(month)}, hạn nộp {day(due_on)}."
    return f"{found} Đồng chí gõ “tự đánh giá” để bắt đầu."


def no_such_letters(letters: Sequence[str]) -> str:
    """Say that codes have no such letters, so that one was misread."""
    return (
        f"Mã trên phiếu không bao giờ có {', '.join(letters)}. Đồng chí nhìn lại tờ phiếu, mã gồm 8 chữ và số, rồi gõ "
        "lại giúp."
    )


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
NOT_TO_REPORT = "Không báo cáo"
TALK = "Tôi muốn trao đổi trực tiếp với bí thư"
NO_TALK = "Thôi, không cần trao đổi"
LATER_TALK = "Để tôi xem thêm"
CONFIRM_SUBMIT = "Xác nhận nộp"
SEE_AGAIN = "Xem lại"
BACK_TO_IT = "Quay lại tự đánh giá"
ON_THE_PAGE = "Làm trên trang web"
PAGE_OUT_OF_DATE = "Trang này đã cũ nên việc vừa rồi chưa lưu. Đồng chí xem lại kỳ hiện tại dưới đây."
CHANGE = "Sửa"


def round_intro(cell: str, month: date, due_on: date, items: int, *, decision: str | None = None) -> str:
    """Say what a round is, how long it takes and who will see what.

    Args:
        decision: the committee's decision that lets the secretary see all of this response.
    """
    sees = (
        "những điều đồng chí tự chọn báo cáo, và việc đồng chí muốn trao đổi. Ngoài ra không ai thấy."
        if decision is None
        else f"mọi câu trả lời sau khi nộp (theo «{decision}»), và việc đồng chí muốn trao đổi. Ngoài ra không ai thấy."
    )
    return (
        f"{cell} đang có kỳ tự đánh giá {month_name(month)}, hạn nộp {day(due_on)}. Có {items} điều, khoảng 3 phút, "
        f"dừng lúc nào cũng được.\nBí thư sẽ thấy: đồng chí đã nộp hay chưa, {sees}"
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


def whether_to_report(number: int, *, is_decided: bool = False) -> str:
    """Ask whether an item is to be reported to the cell.

    Args:
        is_decided: the secretary will see all answers; here and below.
    """
    sees = (
        "Theo quyết định đã báo, bí thư thấy mọi câu trả lời; điều chọn báo cáo thì nêu với chi bộ."
        if is_decided
        else "Bí thư chỉ thấy những điều đồng chí chọn báo cáo."
    )
    return (
        f"Điều {number}: đồng chí có muốn báo cáo điều này với chi bộ không? {sees} Nội dung việc thì trao đổi trực "
        "tiếp, không cần gõ ở đây."
    )


def whether_to_talk(number: int, *, is_decided: bool = False) -> str:
    """Ask whether the member wants to talk with the secretary."""
    asked = f"Điều {number}: đồng chí có muốn bí thư hẹn trao đổi trực tiếp không?"
    return asked if is_decided else f"{asked} Bí thư không biết là về điều nào."


def items_left(count: int, due_on: date) -> str:
    """Say how many items have no answer yet."""
    return f"Đồng chí còn {count} điều chưa trả lời, hạn nộp {day(due_on)}."


def preview(
    present: Sequence[int],
    discuss: Sequence[int],
    reported: Sequence[int],
    count: int,
    *,
    wants_talk: bool,
    is_decided: bool = False,
) -> str:
    """Show what would be handed in."""
    lines = [f"Đồng chí đã trả lời đủ {count} điều:"]
    lines += counted_answers(present, discuss, count)
    lines += ["Theo quyết định đã báo, bí thư sẽ thấy mọi câu trả lời trên."] if is_decided else []
    lines.append(f"Bí thư sẽ thấy đồng chí báo cáo: {item_numbers(reported) if reported else 'không có điều nào'}.")
    lines += ["Bí thư sẽ biết đồng chí muốn trao đổi trực tiếp."] if wants_talk else []
    lines.append("Muốn sửa, đồng chí gõ ví dụ “sửa điều 12”.")
    return "\n".join(lines)


def receipt(number: str, items: int, on: date, due_on: date, again_on: date | None = None) -> str:
    """Say that a response was handed in; said only after it was stored.

    Args:
        on: the day on which it was handed in first.
        again_on: a later day on which that was confirmed again, with what was changed since.
    """
    late = ", nộp sau hạn" if on > due_on else ""
    until = f" Sửa được đến hết ngày {day(due_on)}." if (again_on or on) <= due_on else ""
    when = f"ngày {day(on)}" if again_on is None else f"nộp ngày {day(on)}, sửa và xác nhận lại ngày {day(again_on)}"
    return f"Đã ghi nhận. Phiếu {number}, {items} điều, {when}{late}.{until}"


def version_gone(month: date) -> str:
    """Say that the questions a round was opened with are not there, so that nothing can be answered or shown."""
    return (
        f"Bảng tự đánh giá của kỳ {month_name(month)} hiện không có trong hệ thống nên tôi chưa làm tiếp được. Những "
        "gì đã trả lời vẫn còn nguyên. Đồng chí báo người quản trị giúp."
    )


def no_more_changes(due_on: date) -> str:
    """Say that a response that was handed in stays as it is after the due date."""
    return f"Hạn nộp {day(due_on)} đã qua, phiếu đã nộp không sửa được nữa. Cần trao đổi, đồng chí gặp bí thư giúp."


def already_submitted(number: str, due_on: date) -> str:
    """Say that a response was handed in before, and how to change it."""
    return f"Đồng chí đã nộp phiếu {number}. Muốn sửa, gõ ví dụ “sửa điều 12”; hạn nộp {day(due_on)}."


def round_closed(month: date, last_day: date) -> str:
    """Say that a round takes nothing any more."""
    said = f"Kỳ {month_name(month)} đã đóng, ngày cuối nhận phiếu là {day(last_day)}."
    return f"{said} Đồng chí gõ “tự đánh giá” để xem kỳ hiện tại."


def own_answers(answers: Sequence[tuple[int, str]], reported: Sequence[int]) -> str:
    """Show a member the own answers."""
    marked = set(reported)
    lines = [f"Điều {number}: {answer}{' (đã báo cáo)' if number in marked else ''}" for number, answer in answers]
    return "\n".join(["Phiếu của đồng chí:", *lines])


def note_too_long(length: int, longest: int) -> str:
    """Say that what was written beside an item is too long and was not kept."""
    return f"Đoạn ghi dài {length} chữ cái nên chưa lưu được. Đồng chí ghi gọn lại, nhiều nhất {longest} chữ cái."


def no_such_item(number: int, count: int) -> str:
    """Say which numbers there are."""
    return f"Không có điều {number}. Bảng tự đánh giá có các điều từ 1 đến {count}."
