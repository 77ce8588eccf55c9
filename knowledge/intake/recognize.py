"""The head of a Party or State document -> its number, kind, date, issuer and title; nothing where it is unsure."""

import re
from collections.abc import Sequence
from datetime import date
from itertools import takewhile

from knowledge.intake.model import Recognized
from knowledge.model import DocumentKind
from knowledge.text import collapse, fold

_HEAD_LINES = 45
_LAST_LINES = 15
_LONGEST_TITLE = 500
_NUMBER = re.compile(
    r"(\d{1,5}(?:\s*/\s*\d{4})?)\s*([-/])\s*([A-ZĐ][A-Za-zĐđƯư]{0,8}\d{0,2})((?:\s*[-/]\s*[A-ZĐƯ][A-Za-zĐđƯư.]{0,12}\d{0,2}){0,3})"
)
# A Party document writes "Số 377-QĐ/TW", behind the issuer where the two stand in one cell of a table.
_NUMBER_LINE = re.compile(
    r"(?:^|(?<=[\s*|]))(?:Số|SỐ)\s*:\s*|^(?:Luật\s+|LUẬT\s+)?(?:[Ss]ố|SỐ)\s*:?\s+(?=\d)"
    r"|(?<=[\s*|])Số\s+(?=\d{1,5}\s*[-/])"
)
_NAMED_NUMBER = re.compile(r"\s+(?:số|SỐ)\s*:?\s*(?=\d)")
_DAY = re.compile(
    r"ngày\s+(\d{1,2})\s*(?:tháng\s+|[/.-]\s*)(\d{1,2})\s*(?:,?\s*năm\s+|[/.-]\s*)(\d{4})(?!\d)", re.IGNORECASE
)
_PLACE_DAY = re.compile(r"[^\W\d_][\w .\-–]{1,40},\s*$")
_RULE = re.compile(r"[-–—_*=~\s.]{1,}$")
_BODY = re.compile(
    r"(?:[-–•*]\s*)?căn cứ\b|(?:điều|chương|phần|mục)\s+(?:[\dIVXLC]+|thứ\s)|[IVXLC]+[.)]\s|\d+(?:\.\d+)*[.)]\s"
    r"|[-–•]\s|kính gửi|theo đề nghị|thực hiện\b.{60,}|xét\b|sau khi\b",
    re.IGNORECASE,
)
_TITLE_OPENS = re.compile(r"(?:về|v/v|ban hành|thực hiện|sửa đổi|bổ sung|quy định|của|hội nghị)\b", re.IGNORECASE)
_MOTTO = re.compile(
    r"ĐẢNG CỘNG SẢN VIỆT NAM|CỘNG H(?:ÒA|OÀ) XÃ HỘI CHỦ NGHĨA VIỆT NAM|ĐỘC LẬP\s*[-–]\s*TỰ DO\s*[-–]\s*HẠNH PHÚC",
    re.IGNORECASE,
)
_ISSUERS = (
    "Ban Chấp hành Trung ương", "Ban Chấp hành", "Bộ Chính trị", "Ban Bí thư", "Ban Thường vụ", "Ban Tổ chức",
    "Ban Tuyên giáo và Dân vận", "Ban Tuyên giáo", "Ban Dân vận", "Ban Nội chính", "Ban Chỉ đạo", "Ban Cán sự đảng",
    "Ủy ban Kiểm tra", "Ủy ban nhân dân", "Ủy ban Thường vụ Quốc hội", "Ủy ban Mặt trận Tổ quốc",
    "Hội đồng nhân dân", "Hội đồng Thẩm phán", "Văn phòng", "Quân ủy", "Tỉnh ủy", "Thành ủy", "Huyện ủy", "Quận ủy",
    "Thị ủy", "Đảng ủy", "Đảng bộ", "Đảng đoàn", "Chi bộ", "Chi ủy", "Quốc hội", "Chính phủ", "Thủ tướng Chính phủ",
    "Chủ tịch nước", "Bộ", "Thanh tra", "Tòa án nhân dân", "Viện kiểm sát nhân dân", "Đại hội",
)  # fmt: skip
# Parts of a committee, named below it.
_ORGANS = (
    "Ban Chấp hành", "Ban Thường vụ", "Ban Tổ chức", "Ban Tuyên giáo và Dân vận", "Ban Tuyên giáo", "Ban Dân vận",
    "Ban Nội chính", "Ủy ban Kiểm tra", "Văn phòng",
)  # fmt: skip
_BARE_COMMITTEES = {
    "tinh uy": " tinh", "thanh uy": " thanh pho", "huyen uy": " huyen", "quan uy": " quan", "dang uy": "",
}  # fmt: skip
# What stands in capitals in a head and is written so elsewhere.
_WRITTEN = (*_ISSUERS, "Trung ương", "tỉnh", "thành phố", "huyện", "quận", "thị xã", "xã", "phường", "đặc khu", "cơ sở")
_BY_ABBREVIATION = {
    "KL": DocumentKind.CONCLUSION, "NQ": DocumentKind.RESOLUTION, "CT": DocumentKind.DIRECTIVE,
    "HD": DocumentKind.GUIDELINE, "KH": DocumentKind.PLAN, "CTr": DocumentKind.ACTION_PROGRAMME,
    "CTHĐ": DocumentKind.ACTION_PROGRAMME, "QC": DocumentKind.RULES, "TB": DocumentKind.NOTICE,
    "NĐ": DocumentKind.DECREE, "TT": DocumentKind.CIRCULAR, "QĐi": DocumentKind.REGULATION,
    "QyĐ": DocumentKind.REGULATION,
}  # fmt: skip
_KINDS = sorted(DocumentKind, key=lambda kind: -len(kind.value))


def recognize(text: str) -> Recognized:
    """Return what the head of a document says of it; None for each thing that it does not say clearly.

    The issuer's name, which a head has in capitals, is written as in a sentence ("Bộ Chính trị"), the title after its
    kind ("Quy định về …").
    """
    beginning = text[:20_000]
    lines = (part for line in beginning.splitlines() for part in _apart(collapse(line.lstrip("#> "))))
    head = _head([line for line in lines if line])
    at, kind = _kind_line(head)
    number = _number(head[: at + 1] if at is not None else head)
    last = [collapse(line) for line in text[-4_000:].splitlines() if line.strip()][-_LAST_LINES:]
    return Recognized(
        number=number,
        kind=kind or _kind_of_number(number) or (_calls_itself(beginning) if number else None),
        issued_on=_day(head, last),
        issuer=_issuer(head[:at] if at is not None else head),
        title=_title(head, at, kind),
    )


def _apart(line: str) -> tuple[str, ...]:
    """Return a line; in two where the kind stands behind the day, as OCR joins them."""
    day = next(_DAY.finditer(line), None)
    behind = line[day.end() :].strip(" .|") if day is not None else ""
    return (line[: day.end()], behind) if day is not None and behind and _is_kind(behind) is not None else (line,)


def _head(lines: Sequence[str]) -> list[str]:
    """Return the lines above the body."""
    head: list[str] = []
    for line in lines[:_HEAD_LINES]:
        if _BODY.match(line) and not _is_kind(line):
            break
        head.append(line)
    return head


def _is_kind(line: str) -> DocumentKind | None:
    """Return the kind that a line of a head names: alone, or in capitals before other words."""
    for kind in _KINDS:
        name = kind.value
        if line.lower() == name or re.fullmatch(rf"{name}\s+số\s*:?\s*\d.*", line.lower()):
            return kind
        if line.startswith(name.upper()) and line[len(name) : len(name) + 1] in ("", " ") and line == line.upper():
            return kind
    return None


def _kind_line(head: Sequence[str]) -> tuple[int | None, DocumentKind | None]:
    found = [(at, kind) for at, line in enumerate(head) if (kind := _is_kind(line)) is not None]
    # "Luật số: …" stands above the line with the kind alone.
    return next((one for one in found if not _NAMED_NUMBER.search(head[one[0]])), found[0] if found else (None, None))


def _number(head: Sequence[str]) -> str | None:
    found = [number for line in head if (number := _number_in(line)) is not None]
    return found[0] if len(set(found)) == 1 else None


def _number_in(line: str) -> str | None:
    opens = _NUMBER_LINE.search(line)
    if opens is None and _is_kind(line) is not None:
        opens = _NAMED_NUMBER.search(line)
    number = _NUMBER.match(line, opens.end()) if opens else None
    return re.sub(r"\s+", "", number[0]) if number else None


def _kind_of_number(number: str | None) -> DocumentKind | None:
    # "QĐ" stands for a regulation and for a decision, so it tells neither.
    parts = re.split("[-/]", number or "")
    return next((_BY_ABBREVIATION[part] for part in parts if part in _BY_ABBREVIATION), None)


def _calls_itself(text: str) -> DocumentKind | None:
    """Return the kind by which a text speaks of itself ("Quy định này …"); None where it does not, or by two."""
    folded = fold(text)
    said = [kind for kind in _KINDS if re.search(rf"\b{fold(kind.value)} nay\b", folded)]
    return said[0] if len(said) == 1 else None


def _day(head: Sequence[str], last: Sequence[str]) -> date | None:
    """Return the day beside the place of issue, in the head or else at the end; else the only day in the head."""
    for lines in (head, last):
        placed = {day for line in lines for day in _days(line, beside_place=True)}
        if placed:
            return next(iter(placed)) if len(placed) == 1 else None
    others = {day for line in head if _is_kind(line) or _NUMBER_LINE.search(line) for day in _days(line)}
    return next(iter(others)) if len(others) == 1 else None


def _days(line: str, *, beside_place: bool = False) -> list[date]:
    days = []
    for found in _DAY.finditer(line):
        if beside_place and (not _PLACE_DAY.search(line[: found.start()]) or not line[found.start()].islower()):
            continue
        day, month, year = (int(part) for part in found.groups())
        try:
            days.append(date(year, month, day))
        except ValueError:
            # A day that does not exist was misread: it tells nothing.
            continue
    return days


def _issuer(head: Sequence[str]) -> str | None:
    found: list[str] = []
    goes_on = False
    for line in head:
        words = collapse(_MOTTO.sub(" ", _DAY.sub(" ", line)))
        opens = _NUMBER_LINE.search(words)
        words = words[: opens.start()].strip(" *-–_|") if opens else words.strip(" *-–_|")
        # Beside the issuer may stand the place of issue.
        is_whole = words == words.upper()
        words = " ".join(takewhile(str.isupper, words.split()))
        if not words:
            goes_on = False
        elif any(_opens_with(words, name) for name in _ISSUERS):
            found.append(words)
            goes_on = True
        elif goes_on and is_whole and not _MOTTO.search(line):
            found[-1] += f" {words}"
    if not found:
        return None
    if len(found) > 1 and (place := _place_of(found[-2], found[-1])):
        return f"{_written(found[-1])} {place}"
    # "TỈNH ỦY …" above "BAN THƯỜNG VỤ" is whose standing committee it is.
    is_bare = len(found) > 1 and any(fold(found[-1]) == fold(name) for name in _ORGANS)
    return " ".join(_written(name) for name in (found[-1:] + found[-2:-1] if is_bare else found[-1:]))


def _place_of(above: str, bare: str) -> str:
    """Return the place of "ĐẢNG BỘ TỈNH QUẢNG NAM" for "TỈNH ỦY" below it; "" where the two do not go together."""
    unit = _BARE_COMMITTEES.get(fold(bare))
    words = f"dang bo{unit}" if unit is not None else "-"
    if not fold(above).startswith(f"{words} "):
        return ""
    # A letter stays one letter when it is folded.
    return _written(above[len(words) + 1 :]) if unit else " ".join(_written(above).split()[2:])


def _opens_with(words: str, name: str) -> bool:
    # "ỦY" and "UỶ" are one word.
    return fold(words).startswith(fold(name)) and not words[len(name) : len(name) + 1].isalnum()


def _written(capitals: str) -> str:
    """Return a name in capitals as it is written in a sentence; the letters and their marks stay."""
    words = capitals.lower().split()
    written: list[str] = []
    while words:
        for name in sorted(_WRITTEN, key=lambda name: -len(name)):
            parts = name.split()
            if [fold(part) for part in parts] == [fold(word) for word in words[: len(parts)]] and (
                len(parts) > 1 or not written or name[0].islower()
            ):
                written += [w.capitalize() if p[0].isupper() else w for p, w in zip(parts, words, strict=False)]
                del words[: len(parts)]
                break
        else:
            # "Bộ Tài chính": of a ministry's field only the first word has a capital.
            word = words.pop(0)
            written.append(word if len(written) > 1 and written[0] == "Bộ" else word.capitalize())
    name = " ".join(written)
    return name[0].upper() + name[1:]


def _title(head: Sequence[str], at: int | None, kind: DocumentKind | None) -> str | None:
    if at is None or kind is None:
        return None
    below = head[at + 1 :]
    rule = next((n for n, line in enumerate(below) if _RULE.fullmatch(line)), None)
    if rule == 0:
        below, rule = below[1:], None
    taken: list[str] = []
    for n, line in enumerate(below):
        if _RULE.fullmatch(line) or _NUMBER_LINE.search(line) or _days(line, beside_place=True):
            break
        is_caption = line == line.upper() or _TITLE_OPENS.match(line)
        goes_on = taken and (line[0].islower() or (rule is not None and n < rule))
        is_capitals = bool(taken) and line == line.upper() and taken[0] == taken[0].upper()
        if not (goes_on or is_capitals if taken else is_caption):
            break
        taken.append(line)
        if line.endswith((".", ":")):
            break
    words = collapse(" ".join(taken))
    rest = head[at][len(kind.value) :].strip()
    if _NAMED_NUMBER.match(f" {rest}"):
        about = re.search(r"\b(?:về|VỀ)\s.*", rest)
        rest = about[0] if about else ""
    words = collapse(f"{rest} {words}")
    if not words or len(words) > _LONGEST_TITLE or words.endswith(":"):
        return None
    return f"{kind.value[0].upper()}{kind.value[1:]} {words.removesuffix('.')}"
