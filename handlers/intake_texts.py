"""Every sentence about files that were read: why one is not taken, and what a person should look at."""

import re
from collections.abc import Mapping, Sequence

from knowledge.intake.model import Finding, FindingKind, IntakeError, Refusal

_LISTED, _EXCERPT = 3, 60

_REFUSED = {
    Refusal.UNKNOWN_FORMAT: (
        "không phải loại tệp tôi đọc được. Đồng chí gửi tệp Word (.docx, .doc), .odt, .rtf, .pdf, .html, .txt, .md "
        "hoặc ảnh chụp (.jpg, .png)."
    ),
    Refusal.EXECUTABLE: "là chương trình máy tính, không phải văn bản. Tôi không mở. Đồng chí xem lại nơi gửi tệp này.",
    Refusal.EMPTY: "không có gì bên trong. Đồng chí gửi lại tệp đầy đủ.",
    Refusal.NO_TEXT: "không có chữ nào đọc được. Nếu là bản quét, đồng chí quét lại rõ hơn, để thẳng và đủ sáng.",
    Refusal.BROKEN: "bị hỏng hoặc chưa tải xong. Đồng chí mở tệp, lưu lại thành tệp mới rồi gửi lại.",
    Refusal.ENCRYPTED: "có đặt mật khẩu. Đồng chí bỏ mật khẩu, lưu lại rồi gửi.",
    Refusal.UNPACKS_TOO_LARGE: "mở ra quá lớn nên tôi không đọc. Đồng chí lưu lại thành tệp mới rồi gửi.",
    Refusal.TOO_MUCH_MEMORY: "cần quá nhiều bộ nhớ để đọc. Đồng chí tách thành vài tệp nhỏ hơn rồi gửi lại.",
    Refusal.SECRET: (
        "có đóng dấu mật (Mật, Tối mật hoặc Tuyệt mật). Tôi không đọc và không lưu. "
        "Đồng chí xóa tệp này ở đây và xử lý theo quy định về bảo vệ bí mật nhà nước."
    ),
    Refusal.UNREADABLE: "không mở được. Đồng chí xem tệp còn ở đó không, máy có được quyền đọc không, rồi gửi lại.",
    Refusal.STILL_CHANGING: "đang được ghi hoặc đang mở ở nơi khác. Đồng chí đóng tệp, chờ một phút rồi nạp lại.",
    Refusal.NEEDS_LIBREOFFICE: (
        "là tệp Word kiểu cũ (.doc). Đồng chí mở bằng Word và lưu thành .docx rồi gửi lại; "
        "hoặc nhờ người quản trị máy cài LibreOffice (gói libreoffice-writer)."
    ),
    Refusal.NEEDS_TESSERACT: (
        "là ảnh chụp hoặc bản quét, máy chưa có phần đọc chữ từ ảnh. "
        "Đồng chí nhờ người quản trị máy cài Tesseract và tiếng Việt (gói tesseract-ocr và tesseract-ocr-vie)."
    ),
    Refusal.WRONG_ENCODING: "dùng bảng mã chữ lạ nên tôi không đọc đúng được. Đồng chí lưu lại theo Unicode (UTF-8).",
    Refusal.CIRCULAR_REPLACEMENT: (
        "nằm trong một vòng: các văn bản ghi là thay thế lẫn nhau. "
        "Đồng chí xem lại văn bản nào thay văn bản nào rồi nạp lại."
    ),
    Refusal.ENTRY_ALONE: (
        "là tệp khai báo, chưa có văn bản cùng tên ở cạnh nên chưa dùng được. "
        "Đồng chí gửi thêm văn bản, đặt tên giống tệp này."
    ),
    Refusal.FOLDER: "là thư mục nên tôi không đọc. Đồng chí chép thẳng các tệp ra ngoài thư mục này rồi nạp lại.",
}


def refused(error: IntakeError) -> str:
    """Say which file is not taken, why, and what to do."""
    return f"{error.name}: {_why(error.refusal, error.facts)}"


def findings(name: str, found: Sequence[Finding]) -> list[str]:
    """Say what was left out of a file, or is to be looked at, a line a kind, in the order of the kinds."""
    by_kind: dict[FindingKind, list[Finding]] = {}
    for finding in found:
        by_kind.setdefault(finding.kind, []).append(finding)
    return [f"{name}: {_line(kind, by_kind[kind])}" for kind in FindingKind if kind in by_kind]


def _why(refusal: Refusal, facts: Mapping[str, str]) -> str:
    if refusal in _REFUSED:
        return _REFUSED[refusal]
    if refusal is Refusal.NOT_WHAT_IT_SAYS:
        names = f" (tên ghi {facts['says']}, bên trong là {facts['is']})" if {"says", "is"} <= facts.keys() else ""
        return f"có đuôi tên không đúng với nội dung{names}. Đồng chí xem lại tệp, lưu lại đúng loại rồi gửi."
    if refusal is Refusal.TOO_LARGE:
        return f"quá lớn{_of(facts, 'mb', 'allowed_mb', 'MB')}. Đồng chí tách thành vài tệp nhỏ hơn rồi gửi lại."
    if refusal is Refusal.TOO_MANY_PAGES:
        return f"quá nhiều trang{_of(facts, 'pages', 'allowed', 'trang')}. Đồng chí tách thành vài tệp rồi gửi lại."
    if refusal is Refusal.TOO_MANY_ENTRIES:
        return (
            f"chứa quá nhiều phần bên trong{_of(facts, 'entries', 'allowed', 'phần')}. Đồng chí lưu lại thành tệp mới."
        )
    if refusal is Refusal.TOO_LONG:
        if "seconds" in facts:
            return (
                f"đọc quá {facts['seconds']} giây chưa xong nên tôi dừng lại. Đồng chí tách thành vài tệp rồi gửi lại."
            )
        return f"dài quá mức đọc được{_of(facts, '', 'allowed', 'chữ cái')}. Đồng chí tách thành vài tệp rồi gửi lại."
    if refusal is Refusal.NAME_OF_ANOTHER:
        return (
            f"mang tên tệp của {facts.get('document', 'văn bản khác')} nhưng trong tệp không thấy số văn bản ấy. "
            "Đồng chí đổi tên tệp; nếu đúng là văn bản ấy thì ghi số vào tệp .yaml bên cạnh."
        )
    if refusal is Refusal.NUMBER_WITH_OTHER_DATE:
        return (
            f"có số {facts.get('number', 'văn bản')} đã nạp trước đây nhưng ghi ngày khác"
            f"{' (' + _day(facts['date']) + ')' if 'date' in facts else ''}. "
            "Đồng chí đối chiếu ngày ban hành trên bản gốc."
        )
    problem = facts.get("problem", "")
    keys = list(dict.fromkeys(re.findall(r"'(\w+)'", problem)))[:_LISTED]
    where = f" ở mục {', '.join(f'“{key}”' for key in keys)}" if keys else ""
    if not keys and (line := re.search(r"near line (\d+)", problem)):
        where = f" ở gần dòng {line[1]}"
    where = where or ": chỉ được ghi các dòng ngắn kiểu “mục: nội dung”"
    return f"phần khai báo của văn bản (đầu tệp hoặc tệp .yaml bên cạnh) sai{where}. Đồng chí sửa lại rồi nạp lại."


def _of(facts: Mapping[str, str], has: str, allowed: str, unit: str) -> str:
    """Say " (120 MB, được tối đa 50 MB)", as far as it is known."""
    parts = [f"{_number(facts[has])} {unit}"] if has in facts else []
    parts += [f"được tối đa {_number(facts[allowed])} {unit}"] if allowed in facts else []
    return f" ({', '.join(parts)})" if parts else ""


def _number(digits: str) -> str:
    return f"{int(digits):,}".replace(",", ".") if digits.isdecimal() else digits


def _day(iso: str) -> str:
    found = re.fullmatch(r"(\d{4})-(\d{2})-(\d{2})", iso)
    return f"{found[3]}/{found[2]}/{found[1]}" if found else iso


def _line(kind: FindingKind, found: Sequence[Finding]) -> str:
    """Say how many of a kind there are, on which pages, and show the first."""
    pages = list(dict.fromkeys(finding.page for finding in found if finding.page is not None))
    on = f", trang {', '.join(map(str, pages[:_LISTED]))}{'…' if len(pages) > _LISTED else ''}" if pages else ""
    excerpts = list(dict.fromkeys(finding.excerpt for finding in found if finding.excerpt))
    shown = ", ".join(f"“{_cut(excerpt)}”" for excerpt in excerpts[:_LISTED])
    more = f" và {len(excerpts) - _LISTED} chỗ khác" if len(excerpts) > _LISTED else ""
    return f"{_said(kind, sum(finding.count for finding in found))}{on}{f': {shown}{more}' if shown else ''}."


def _said(kind: FindingKind, count: int) -> str:
    return {
        FindingKind.WHITE_TEXT: f"Đã bỏ {count} đoạn chữ trắng (chữ ẩn)",
        FindingKind.TINY_TEXT: f"Đã bỏ {count} đoạn chữ quá nhỏ, không nhìn thấy",
        FindingKind.HIDDEN_TEXT: f"Đã bỏ {count} đoạn chữ ẩn",
        FindingKind.OFF_PAGE: f"Đã bỏ {count} đoạn chữ nằm ngoài trang giấy",
        FindingKind.COMMENT: f"Đã bỏ {count} lời nhận xét ghi bên lề",
        FindingKind.TRACKED_DELETION: f"Đã bỏ {count} đoạn người soạn đã xóa (còn lưu dấu sửa)",
        FindingKind.HEADER_OR_FOOTER: f"Đã bỏ {count} dòng đầu trang, chân trang",
        FindingKind.PAGE_NUMBER: f"Đã bỏ {count} số trang",
        FindingKind.MACROS: f"Tệp có {count} chương trình kèm theo (macro), tôi không chạy",
        FindingKind.EMBEDDED_FILE: f"Tệp có {count} tệp khác nhúng bên trong, tôi không mở",
        FindingKind.EXTERNAL_LINK: f"Tệp có {count} liên kết ra ngoài, tôi không mở",
        FindingKind.TRACKED_INSERTION: f"Có {count} đoạn mới thêm, chưa được duyệt (còn lưu dấu sửa); tôi giữ lại",
        FindingKind.CONVERTED_ENCODING: f"Đã đổi {count} chỗ từ bảng mã cũ (TCVN3, VNI) sang Unicode, đồng chí xem lại",
        FindingKind.BROKEN_ACCENT: f"Có {count} chữ hỏng dấu, tôi để nguyên, đồng chí xem lại",
        FindingKind.OCR_DOUBTFUL: f"Có {count} chỗ đọc từ ảnh chưa chắc đúng, đồng chí so với bản giấy",
        FindingKind.PAGE_WITHOUT_TEXT: f"Có {count} trang không đọc được chữ nào",
        FindingKind.PICTURE: (
            f"Có {count} hình ảnh, tôi không đọc chữ trong hình, đồng chí xem trong hình có chữ hay dấu mật không"
        ),
        FindingKind.NESTED_TABLE: f"Có {count} bảng nằm trong bảng khác, tôi đọc nối tiếp từng dòng, đồng chí xem lại",
    }[kind]


def _cut(text: str) -> str:
    return text if len(text) <= _EXCERPT else text[: _EXCERPT - 1].rstrip() + "…"
