"""Every sentence about approved answers: how one reads, and how a committee member writes one."""

from collections.abc import Sequence
from datetime import date

from handlers.texts import day, label

ONLY_COMMITTEE = "Câu trả lời đã duyệt chỉ cấp ủy viên soạn và rút được."
WHICH_QUESTION = (
    "Soạn câu trả lời đã duyệt, bước 1/3. Đồng chí gõ câu hỏi, như đảng viên thường hỏi. Gõ “dừng” để thôi."
)
FROM_THE_LIST = "Chọn từ câu hỏi chưa trả lời"
LEAVE = "Thôi"
LEFT = "Vâng, tôi chưa lưu gì."
NO_SUCH_PASSAGE = "Tôi chưa tìm thấy đoạn này trong các văn bản đang có."
SEVERAL_PASSAGES = "Chỗ này có nhiều ý. Đồng chí chọn một ý, hoặc gõ rõ hơn:"
OTHER_PASSAGE = "Chọn đoạn khác"
KEEP_WORDS = "Giữ lời cũ"
CONFIRM = "Xác nhận"
ONLY_FIRST = "Chỉ dùng cho cách hỏi đầu"
CHANGED = "Đoạn căn cứ vừa thay đổi, nên tôi chưa lưu gì. Đồng chí chọn lại đoạn giúp."
APPROVED_BEFORE = "Câu trả lời này đã được duyệt rồi."
NOT_LIVE = "Câu trả lời này đã được rút trước đó."
WRITE = "Soạn câu trả lời"
NEXT = "Xem tiếp"
LIST = "Danh sách"
RENEW = "Soạn và duyệt lại"
WITHDRAW = "Rút câu trả lời"
WITHDRAW_YES = "Xác nhận rút"
NONE = "Chưa có câu trả lời nào được duyệt."
EXPIRED = "HẾT HIỆU LỰC vì đoạn căn cứ đã thay đổi; không hiện cho ai cho tới khi được duyệt lại."
# Between the committee's own words and the document's.
RESTS_ON = "Căn cứ:"
_HEAD = "Câu trả lời đã duyệt"


def head(question: str) -> str:
    """The line over an approved answer: what it is, and which question it was approved for."""
    return f"{_HEAD} cho câu hỏi “{question}”:"


def signed(name: str, role: str, on: date) -> str:
    """Who has approved an answer, and when."""
    return f"Đồng chí {name} ({role}), ngày {day(on)}"


def role(organization: str) -> str:
    """Of which committee somebody is a member."""
    return f"cấp ủy {organization}"


def which_passage(question: str) -> str:
    """Ask for the passage that an answer rests on."""
    return (
        f"Câu hỏi: “{question}”\nBước 2/3. Câu trả lời dựa vào đoạn nào? Đồng chí chọn dưới đây, hoặc gõ chỗ của đoạn, "
        "ví dụ “mục 2.1, gạch đầu dòng 4” hay “Điều 12 quy định 37”. Gõ “dừng” để thôi."
    )


def passage(place: str, text: str) -> str:
    """A passage as a choice."""
    return label(f"{place}: {text}")


def which_words(longest: int) -> str:
    """Ask for the words of an answer."""
    return f"Bước 3/3. Đồng chí gõ câu trả lời, nhiều nhất {longest} ký tự, không cần chép lại đoạn trích."


def old_words(words: str) -> str:
    """The words of an answer that is to be approved again."""
    return f"Lời cũ: {words}"


def too_long(count: int, longest: int) -> str:
    """The words are too many."""
    return f"Câu trả lời có {count} ký tự, quá {longest}. Đồng chí viết ngắn lại rồi gõ lại giúp."


PREVIEW = "Đảng viên sẽ đọc như sau. Muốn sửa lời, đồng chí gõ lại câu trả lời."


def other_ways(others: Sequence[str]) -> str:
    """The other ways of asking that an answer is for."""
    return "Cũng dùng cho các cách hỏi: " + "; ".join(f"“{other}”" for other in others)


def approved(question: str) -> str:
    """An answer is stored."""
    return (
        f"Đã ghi nhận. Từ nay ai hỏi “{question}” sẽ đọc câu trả lời này. Khi đoạn căn cứ thay đổi, câu trả lời tự hết "
        "hiệu lực và chờ duyệt lại."
    )


def listed(lines: Sequence[str], first: int, count: int) -> str:
    """A page of the approved answers."""
    where = [f"Câu {first + 1}–{first + len(lines)} trong {count}."] if len(lines) < count else []
    return "\n".join([f"{_HEAD}: {count} câu.", *(f"{n}. {line}" for n, line in enumerate(lines, 1)), *where])


def line(question: str, name: str, on: date, *, is_expired: bool) -> str:
    """An approved answer in the list."""
    ends = " CẦN DUYỆT LẠI, vì đoạn căn cứ đã thay đổi." if is_expired else ""
    return f"“{question}” – đồng chí {name}, {day(on)}.{ends}"


def choice(number: int) -> str:
    """An answer as a choice; its question stands in the list above."""
    return f"Xem câu {number}"


def whether_to_withdraw(question: str) -> str:
    """Ask whether an answer is to be withdrawn."""
    return f"Rút câu trả lời đã duyệt cho “{question}”? Từ đó câu hỏi này lại được tra trong tài liệu."


def withdrawn(question: str) -> str:
    """An answer is no longer shown."""
    return f"Đã rút câu trả lời cho “{question}”."
