"""Every sentence about loading documents: what was read, what changed, what stands in the way, the way back."""

from collections.abc import Sequence

from handlers import intake_texts
from knowledge.intake.model import Intake
from knowledge.reload import Report, Result, Stage

ONLY_ADMIN = "Việc này chỉ người quản trị làm được. Đồng chí gõ “trợ giúp” để xem những việc khác."
NOT_HERE = "Ở đây không nạp được văn bản."
STARTED = "Tôi bắt đầu đọc văn bản. Trong lúc đó bản cũ vẫn trả lời; tôi báo kết quả ở đây."
ROLLING_BACK = "Tôi đang đưa bản trước trở lại."
RECEIVED = "Tôi đã nhận tệp và bắt đầu đọc. Bản cũ vẫn trả lời cho tới khi xong."
BUSY = "Đang có người khác nạp văn bản. Đồng chí thử lại sau một phút."
BUSY_FILE_KEPT = (
    "Đang có người khác nạp văn bản. Tệp đồng chí gửi đã được giữ lại, không phải gửi nữa; sau một phút đồng chí gõ "
    "“nạp lại”."
)
NOTHING_BEFORE = "Không có bản nào trước bản này để khôi phục."
INTERRUPTED = "Lần nạp trước bị ngắt giữa chừng. Bản cũ vẫn trả lời, không mất gì. Đồng chí gõ “nạp lại” để nạp tiếp."
FORCE_HOW = (
    "Nếu vẫn cần nạp, đồng chí gõ “vẫn nạp” rồi ghi lý do, ví dụ: vẫn nạp vì quy định cũ đã hết hiệu lực. "
    "Lý do được lưu lại."
)
ENDED = "Tôi đã làm xong, kết quả ở tin dưới."
CUT_OFF = "Việc này đã dừng giữa chừng, xem tin dưới."
REASON_NEEDED = "Đồng chí ghi lý do sau chữ “vẫn nạp”, ít nhất vài chữ."
ROLL_BACK = "Khôi phục bản trước"
UNDO_ROLL_BACK = "Trở lại bản vừa rời"
FORCE = "Vẫn nạp (ghi lý do)"
_VERSIONS_NAMED = 5
SEE_DRAFT = "Xem bản quét"
CONFIRM_DRAFT = "Xác nhận bản quét đúng"
DRAFT_ON = "Xem tiếp bản quét"
SEE_NOW = "Xem bản hiện nay"
LEAVE_IT = "Thôi"
LEFT_AS_IT_WAS = "Vâng, tôi chưa thay đổi gì."
NO_DRAFTS = "Không có bản quét nào chờ xác nhận."
DRAFT_GONE = "Bản quét này không còn chờ xác nhận."
FILE_TOO_LARGE = "Tệp lớn quá mức nhận qua tin nhắn. Đồng chí chép tệp vào thư mục chờ trên máy rồi gõ “nạp lại”."
FILE_LOST = "Tôi không tải được tệp về. Đồng chí gửi lại giúp."
DISK = "Không ghi được xuống đĩa nên tôi chưa nạp gì, bản cũ vẫn trả lời. Đồng chí kiểm tra chỗ trống trên đĩa."

_STAGES = {
    Stage.READING: "Đang đọc các tệp",
    Stage.BUILDING: "Đang dựng chỉ mục",
    Stage.ASKING: "Đang thử câu hỏi mẫu",
    Stage.WRITING: "Đang ghi",
}
_LISTED = 5


def progress(stage: Stage, done: int, total: int) -> str:
    """Say what a load is busy with."""
    return f"{_STAGES[stage]}: {done}/{total}." if total > 1 else f"{_STAGES[stage]}…"


def no_such_version(others: Sequence[int]) -> str:
    """Say that a version cannot be gone back to, and which can; the latest ones where they are many."""
    known = ", ".join(map(str, others[-_VERSIONS_NAMED:]))
    return f"Không có phiên bản đó để khôi phục. Khôi phục được: {known}. Đồng chí gõ: khôi phục {others[-1]}"


def report(result: Report) -> str:
    """Say what a load, or a step back, did: first what answers now, then what changed and what to look at."""
    return "\n".join([_head(result), *_changes(result), *_files(result)])


def _head(result: Report) -> str:
    count = f"{result.documents} văn bản"
    if result.result is Result.UNCHANGED:
        return f"Không có gì thay đổi. Phiên bản {result.version} vẫn đang trả lời, gồm {count}."
    if result.result is Result.LOADED:
        forced = f" Đã nạp dù câu hỏi mẫu hỏng, lý do: {result.reason}." if result.reason else ""
        return f"Đã nạp xong: phiên bản {result.version} đang trả lời, gồm {count}.{forced}"
    if result.result is Result.ROLLED_BACK:
        return f"Đã khôi phục: phiên bản {result.version} đang trả lời, gồm {count}. Không có gì bị xóa."
    if result.result is Result.DRY_RUN:
        return f"Xem trước, chưa nạp gì. Phiên bản {result.version} vẫn đang trả lời."
    failing = len(result.difference.failing)
    return f"CHƯA NẠP: {failing} câu hỏi mẫu sẽ không còn trả lời đúng. Phiên bản {result.version} vẫn đang trả lời."


def _changes(result: Report) -> list[str]:
    difference = result.difference
    lines = [
        f"{what}: {_named(result, ids)}."
        for what, ids in (
            ("Thêm", difference.added),
            ("Thay đổi", difference.changed),
            ("Bỏ", difference.removed),
        )
        if ids
    ]
    counts = (difference.passages_added, difference.passages_changed, difference.passages_removed)
    if any(counts):
        lines.append(f"Đoạn văn: thêm {counts[0]}, đổi {counts[1]}, bỏ {counts[2]}.")
    if result.asked:
        failing = len(difference.failing)
        lines.append(f"Câu hỏi mẫu: đã thử {result.asked} câu, {failing or 'không câu nào'} hỏng so với bản trước.")
    lines += [f"• “{_cut(question, 120)}”" for question in difference.failing[:_LISTED]]
    lines += _more(difference.failing)
    if difference.resolved:
        lines.append(f"Dẫn chiếu nay tìm được: {_listed([written for written, _ in difference.resolved])}.")
    if difference.broken:
        lines.append(f"Dẫn chiếu nay không còn tìm được: {_listed([written for written, _ in difference.broken])}.")
    return lines


def _files(result: Report) -> list[str]:
    lines = [intake_texts.refused(error) for error in result.refused]
    lines += [line for name, found in result.findings.items() for line in intake_texts.findings(name, found)]
    lines += [
        f"{name}: số này đã có ở văn bản khác, ngày khác ({document_id}). Đồng chí xem lại có đúng hai văn bản không."
        for name, document_id in result.same_number
    ]
    lines += [f"{name}: trùng với {other}, chỉ dùng một bản." for name, other in result.repeated]
    lines += [
        f"{draft.name}: đọc từ ảnh quét, chờ đồng chí đối chiếu và xác nhận (gõ “bản quét”)." for draft in result.drafts
    ]
    return lines


def drafts(waiting: Sequence[Intake]) -> str:
    """List the scanned texts that wait for a person."""
    lines = [f"Có {len(waiting)} bản quét chờ xác nhận, chưa dùng để trả lời:"]
    lines += [f"• {draft.name} ({len(draft.text)} chữ cái)" for draft in waiting[:_LISTED]]
    return "\n".join([*lines, *_more(waiting)])


def see_draft(draft: Intake) -> str:
    """Label of the button that shows a scanned text."""
    return f"Xem {_cut(draft.name, 40)}"


def draft_head(draft: Intake, begin: int, end: int) -> str:
    """Say what is shown of a scanned text."""
    lines = [f"{draft.name}, chữ cái {begin + 1}–{end} trong {len(draft.text)}. Đồng chí so với bản giấy:"]
    return "\n".join([*lines, *intake_texts.findings(draft.name, draft.findings)]) if begin == 0 else lines[0]


def draft_confirmed(draft: Intake) -> str:
    """Say that a scanned text was confirmed and is being loaded."""
    return f"Đã ghi nhận đồng chí xác nhận {draft.name}. Tôi đang nạp."


def earlier_version(version: int, now: int | None) -> str:
    """Say that what is shown stands in an earlier version, and what answers now."""
    if now is None:
        return f"Đây là lời của bản {version}. Văn bản này hiện không còn trong kho."
    return f"Đây là lời của bản {version}, như lúc trả lời. Hiện nay dùng bản {now} của văn bản này."


def problem(error: Exception) -> str:
    """Say that nothing was loaded, and why as far as it can be told."""
    return f"Chưa nạp được, bản cũ vẫn trả lời. Chi tiết cho người quản trị: {_cut(str(error), 300)}"


def _named(result: Report, ids: Sequence[str]) -> str:
    return _listed([result.names.get(document_id, document_id) for document_id in ids])


def _listed(names: Sequence[str]) -> str:
    several = list(dict.fromkeys(names))
    rest = len(several) - _LISTED
    return ", ".join(several[:_LISTED]) + (f" và {rest} mục khác" if rest > 0 else "")


def _more(items: Sequence[object]) -> list[str]:
    return [f"… và {len(items) - _LISTED} mục khác."] if len(items) > _LISTED else []


def _cut(text: str, longest: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= longest else f"{line[:longest].rsplit(' ', 1)[0]}…"
