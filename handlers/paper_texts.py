"""What stands on papers, and what is said when one is sent."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from zoneinfo import ZoneInfo

from assessment.model import ItemAnswer
from assessment.schedule import TIME_ZONE
from assessment.summary import (
    CellMonth,
    CellsMonth,
    Form,
    HandIn,
    MemberLine,
    MonthCounts,
    OwnAnswer,
    OwnCopy,
    OwnResponse,
    Period,
    Reported,
    RollUp,
    Totals,
)
from handlers.papers.chart import Bar
from handlers.papers.paper import Paper, Paragraph, Table
from handlers.papers.slips import Slip
from handlers.secretary_texts import NO_TOTALS, earlier_only
from handlers.texts import day, item_numbers, month_name
from knowledge.text import fold

EXPORT = "Xuất Excel/Word"
OWN_COPY = "Tải bản của tôi"
QUARTER = "Tổng hợp quý"
YEAR = "Tổng hợp năm"
CELLS_TABLE = "Xuất bảng Excel/Word"
CONFIRM_SLIPS = "Xác nhận in mã"
_KINDS = {"xlsx": "Excel", "docx": "Word"}

ONLY_COMMITTEE = "Bảng các chi bộ chỉ dành cho cấp ủy viên và người kiểm tra."
NO_ROUND_TO_EXPORT = "Chi bộ chưa có kỳ nào nên chưa có gì để xuất. Bí thư gõ “mở kỳ” để mở kỳ tháng này."
NO_ROUND_OF_ANY_CELL = "Chưa chi bộ nào mở kỳ nên chưa có bảng để xuất."
NOTHING_OF_YOURS = "Đồng chí chưa có phiếu nào nên chưa có gì để tải. Khi chi bộ mở kỳ, đồng chí gõ “tự đánh giá”."
NOBODY_NEEDS_A_CODE = (
    "Mọi đồng chí có điện thoại trong chi bộ đều đã nối máy, không cần in mã. Có đồng chí mất máy, gõ “in mã” kèm họ "
    "tên, ví dụ “in mã Nguyễn Văn An”."
)
SLIPS_MADE_BEFORE = "Lần này đã tạo mã rồi; tờ phiếu ở tin nhắn phía trên. Cần mã mới, đồng chí gõ lại “in mã”."

_HANOI = ZoneInfo(TIME_ZONE)
_ROMAN = {1: "I", 4: "II", 7: "III", 10: "IV"}
_BLANK_LINE = "…" * 40
_LONGEST_SLUG = 60

_STATES = {
    HandIn.IN_TIME: "Đã nộp",
    HandIn.LATE: "Đã nộp, sau hạn",
    HandIn.MISSING: "Chưa nộp",
    HandIn.NEVER_LINKED: "Chưa nộp: chưa nhập mã nên chưa nhắn được",
    HandIn.BLOCKED: "Chưa nộp: đã chặn tin nhắn",
    HandIn.CONSENT_TAKEN_BACK: "Chưa nộp: đã rút đồng ý",
    HandIn.WITHOUT_PHONE: "Chưa nộp: không dùng điện thoại, chờ phiếu giấy",
}


# --- In the chat --------------------------------------------------------------------------------------------------


def month_sent(cell: str, month: date) -> str:
    """Say which files a secretary gets."""
    return f"Tổng hợp {month_name(month)} của {cell}, Excel và Word. Tệp có tên đảng viên, đồng chí giữ cẩn thận."


def cells_sent(organization: str, month: date) -> str:
    """Say which files a committee member gets."""
    return f"Bảng các chi bộ {month_name(month)}, {organization}, Excel và Word; chỉ có số lượng, không có tên."


def roll_up_sent(cell: str, period: Period) -> str:
    """Say that a draft comes."""
    return f"Dự thảo tổng hợp {period_name(period)} của {cell}, bản Word. Đồng chí đọc lại và sửa trước khi dùng."


OWN_COPY_SENT = (
    "Bản của đồng chí: Word, Excel và PDF, có mọi câu trả lời và những lần sửa. Tệp không có mật khẩu, đồng chí giữ "
    "cẩn thận."
)


def about_to_print(count: int, days: int) -> str:
    """Say for how many new codes would be made, and what becomes of their old ones."""
    return (
        f"Tạo mã mới cho {count} đồng chí có điện thoại mà chưa nối máy nào, dùng được {days} ngày. Mã cũ chưa dùng "
        "của các đồng chí ấy sẽ hết hiệu lực."
    )


def slips_sent(count: int, until: datetime) -> str:
    """Say that codes were made and the sheet is there."""
    return (
        f"Đã tạo mã cho {count} đồng chí, dùng được đến {_moment(until)}. Đồng chí in tệp này, cắt rời và trao tận tay "
        "từng người."
    )


def period_name(period: Period) -> str:
    """Return "quý IV/2026" or "năm 2026"."""
    if period.is_year:
        return f"năm {period.first.year}"
    return f"quý {_ROMAN[period.first.month]}/{period.first.year}"


def roll_up_label(period: Period) -> str:
    """Label of the link to a roll-up on a page."""
    return f"Tổng hợp {period_name(period)} (Word)"


def cells_label(month: date, kind: str) -> str:
    """Label of the link to a committee's table of cells on a page."""
    return f"Bảng các chi bộ {month_name(month)} ({_KINDS[kind]})"


# --- Names of files -----------------------------------------------------------------------------------------------


def month_file(cell: str, month: date, kind: str) -> str:
    """Name a cell's monthly summary."""
    return f"{_slug(cell)}-tu-danh-gia-{month:%Y-%m}.{kind}"


def cells_file(organization: str, month: date, kind: str) -> str:
    """Name a committee's table of cells."""
    return f"{_slug(organization)}-cac-chi-bo-{month:%Y-%m}.{kind}"


def roll_up_file(cell: str, period: Period) -> str:
    """Name a draft of a roll-up."""
    return f"{_slug(cell)}-du-thao-{_slug(period_name(period))}.docx"


def own_file(on: date, kind: str) -> str:
    """Name a member's own copy; nobody's name is in it."""
    return f"ban-tu-danh-gia-cua-toi-{on:%Y-%m-%d}.{kind}"


def chart_file(cell: str) -> str:
    """Name the chart of a cell's months."""
    return f"{_slug(cell)}-theo-thang.png"


def slips_file(cell: str, on: date) -> str:
    """Name a sheet of slips."""
    return f"{_slug(cell)}-phieu-ma-{on:%Y-%m-%d}.pdf"


def _slug(name: str) -> str:
    letters = "".join(letter if letter.isascii() and letter.isalnum() else " " for letter in fold(name))
    return "-".join(letters.split())[:_LONGEST_SLUG].strip("-") or "tu-soi"


# --- A cell's month -----------------------------------------------------------------------------------------------


def minutes(month: CellMonth) -> str:
    """Return the paragraph for the minutes of the cell's meeting."""
    counts = month.counts
    said = (
        f"{month_name(counts.month).capitalize()}, {month.cell} thực hiện tự đánh giá theo {_regulation(counts.form)}, "
        f"hạn nộp {day(counts.due_on)}: {_handed_in(counts)}."
    )
    if month.reported:
        names = "; ".join(f"{each.name} ({item_numbers(each.items)})" for each in month.reported)
        return f"{said} Báo cáo với chi bộ: {names}."
    return said if month.reported is None else f"{said} Không có đồng chí nào báo cáo điều nào với chi bộ."


def month_paper(month: CellMonth) -> Paper:
    """Return a cell's monthly summary."""
    counts = month.counts
    state = "kỳ đã đóng" if month.is_closed else "kỳ còn mở nên số liệu còn thay đổi"
    rows = tuple(
        (
            number,
            line.name,
            f"{_STATES[line.state]}{_on_paper(line)}",
            day(line.submitted_on),
        )
        for number, line in enumerate(month.lines, start=1)
    )
    parts: list[Paragraph | Table] = [
        Paragraph("Đoạn ghi biên bản", is_heading=True),
        Paragraph(minutes(month)),
    ]
    if month.talks:
        parts.append(Paragraph(f"Muốn trao đổi trực tiếp với bí thư: {month.talks} đồng chí."))
    parts.append(Table("Tình hình nộp phiếu", ("TT", "Họ và tên", "Tình hình", "Ngày nộp"), rows, (1, 5, 6, 2)))
    if month.reported:
        parts.append(_reported_part(month.reported, month.item_titles))
    if month.totals is not None:
        title = f"Số liệu từng điều{earlier_only(month.counted, counts.handed_in)}"
        parts.append(_totals_part(title, month.totals, month.answer_labels, month.item_titles))
    return Paper(
        title=f"Tổng hợp tự đánh giá {month_name(counts.month)}",
        facts=(
            f"{month.cell}, {month.organization}",
            form_name(counts.form),
            f"Lập ngày {day(month.made_on)}, {state}",
        ),
        footer=_footer((counts.form,), month.made_on),
        made_on=month.made_on,
        parts=tuple(parts),
    )


def _on_paper(line: MemberLine) -> str:
    corrected = ", đã sửa" if line.is_corrected else ""
    return f" (phiếu giấy{corrected})" if line.is_on_paper else ""


def _reported_part(reported: Sequence[Reported], titles: Mapping[int, str]) -> Table:
    """Return who reports what; with a column for what was written beside it where anybody has written something."""
    lines = [(each, item) for each in reported for item in each.items]
    heads, widths = ("TT", "Họ và tên", "Điều", "Nội dung của điều"), (1, 5, 2, 6)
    rows = [(n, each.name, f"Điều {item}", titles.get(item, "")) for n, (each, item) in enumerate(lines, 1)]
    if not any(each.notes for each in reported):
        return Table("Báo cáo với chi bộ", heads, tuple(rows), widths)
    noted = tuple((*row, each.notes.get(item, "")) for row, (each, item) in zip(rows, lines, strict=True))
    return Table("Báo cáo với chi bộ", (*heads, "Đồng chí ghi thêm"), noted, (1, 4, 2, 4, 5))


def _totals_part(
    title: str, totals: Totals, labels: Mapping[ItemAnswer, str], titles: Mapping[int, str]
) -> Paragraph | Table:
    if not totals:
        return Paragraph(NO_TOTALS)
    rows = tuple(_counted(number, titles.get(number, ""), answers) for number, answers in totals.items())
    heads = ("Điều", "Nội dung của điều", *(labels.get(answer, answer.value) for answer in ItemAnswer))
    return Table(f"{title} (những điều có câu trả lời khác nhau)", heads, rows, (2, 6, 2, 2, 2))


def _counted(number: int, title: str, answers: Mapping[ItemAnswer, int]) -> tuple[str | int, ...]:
    return f"Điều {number}", title, *(answers.get(answer, 0) for answer in ItemAnswer)


# --- A committee's table of cells ---------------------------------------------------------------------------------


def cells_paper(table: CellsMonth) -> Paper:
    """Return a committee's table of cells: numbers only."""
    rows = tuple(
        (number, each.cell, each.organization, *_cell_counts(each.counts))
        for number, each in enumerate(table.cells, start=1)
    )
    opened = [each.counts for each in table.cells if each.counts is not None]
    expected, handed_in = sum(counts.expected for counts in opened), sum(counts.handed_in for counts in opened)
    said = f"{len(opened)}/{len(table.cells)} chi bộ đã mở kỳ; {handed_in}/{expected} đảng viên đã nộp phiếu."
    heads = ("TT", "Chi bộ", "Đảng bộ", "Đảng viên", "Đã nộp", "Trong đó sau hạn", "Tỷ lệ (%)")
    return Paper(
        title=f"Bảng tự đánh giá của các chi bộ {month_name(table.month)}",
        facts=(table.organization, *map(form_name, table.forms), f"Lập ngày {day(table.made_on)}"),
        footer=_footer(table.forms, table.made_on),
        made_on=table.made_on,
        parts=(Paragraph(said), Table("Các chi bộ", heads, rows, (1, 5, 5, 2, 2, 2, 2))),
    )


def _cell_counts(counts: MonthCounts | None) -> tuple[str | int, ...]:
    if counts is None:
        return "chưa mở kỳ", "", "", ""
    return counts.expected, counts.handed_in, counts.late, counts.percent


# --- A quarter, a year --------------------------------------------------------------------------------------------


def roll_up_paper(roll_up: RollUp, item_titles: Mapping[Form, Mapping[int, str]]) -> Paper:
    """Return the draft of a cell's quarterly or yearly roll-up."""
    counts = [line.counts for line in roll_up.months]
    expected, handed_in = sum(each.expected for each in counts), sum(each.handed_in for each in counts)
    late = sum(each.late for each in counts)
    said = (
        f"Trong {period_name(roll_up.period)}, {roll_up.cell} mở {len(counts)} kỳ tự đánh giá theo "
        f"{', '.join(dict.fromkeys(map(_regulation, roll_up.forms)))}. Tổng cộng có {handed_in}/{expected} lượt nộp "
        f"phiếu{_percent(handed_in, expected)}, trong đó {late} lượt nộp sau hạn."
    )
    without = [
        month_name(month)
        for month in roll_up.period.months
        if month <= roll_up.made_on and month not in {each.month for each in counts}
    ]
    lines = [said, f"Chưa mở kỳ: {', '.join(without)}." if without else ""]
    reports = [line.reports for line in roll_up.months if line.reports is not None]
    talks = [line.talks for line in roll_up.months if line.talks is not None]
    lines.append(f"Có {sum(reports)} lượt đồng chí báo cáo với chi bộ." if reports else "")
    lines.append(f"Có {sum(talks)} lượt đồng chí muốn trao đổi trực tiếp với bí thư." if talks else "")
    rows = tuple((month_name(c.month), c.expected, c.handed_in, c.late, c.percent, day(c.due_on)) for c in counts)
    heads = ("Kỳ", "Đảng viên", "Đã nộp", "Trong đó sau hạn", "Tỷ lệ (%)", "Hạn nộp")
    parts: list[Paragraph | Table] = [Paragraph("1. Kết quả thực hiện", is_heading=True)]
    parts += [Paragraph(line) for line in lines if line]
    parts.append(Table("Từng kỳ", heads, rows, (3, 2, 2, 2, 2, 3)))
    for form, totals in (roll_up.totals or {}).items():
        title = f"Số liệu từng điều, {form.regulation}, cộng các kỳ nêu được"
        parts.append(_totals_part(title, totals, roll_up.answer_labels, item_titles.get(form, {})))
    for heading in ("2. Nhận xét của chi bộ", "3. Kiến nghị"):
        parts += [Paragraph(heading, is_heading=True), Paragraph(_BLANK_LINE), Paragraph(_BLANK_LINE)]
    return Paper(
        title=f"Tổng hợp tự đánh giá {period_name(roll_up.period)}",
        facts=(
            f"{roll_up.cell}, {roll_up.organization}",
            *map(form_name, roll_up.forms),
            f"Lập ngày {day(roll_up.made_on)}",
        ),
        footer=_footer(roll_up.forms, roll_up.made_on),
        made_on=roll_up.made_on,
        parts=tuple(parts),
        draft="Dự thảo",
    )


# --- A member's own copy ------------------------------------------------------------------------------------------


def own_paper(copy: OwnCopy) -> Paper:
    """Return all that a member has answered, with what was changed."""
    parts: list[Paragraph | Table] = [
        Paragraph("Bản này chỉ dành cho đồng chí có tên ở trên. Ai có tệp này đều đọc được, xin giữ cẩn thận.")
    ]
    for response in copy.responses:
        parts += _own_response(response)
    if not copy.responses:
        parts.append(Paragraph("Chưa có phiếu nào."))
    return Paper(
        title="Bản tự đánh giá của tôi",
        facts=(f"{copy.name}, {copy.cell}", f"Lập ngày {day(copy.made_on)}"),
        footer=_footer(dict.fromkeys(response.form for response in copy.responses), copy.made_on),
        made_on=copy.made_on,
        parts=tuple(parts),
    )


def _own_response(response: OwnResponse) -> list[Paragraph | Table]:
    month = month_name(response.month)
    if response.submitted_on is None:
        state = "Chưa nộp."
    else:
        late = ", sau hạn" if response.is_late else ""
        on_paper = ", nhập từ phiếu giấy" if response.is_on_paper else ""
        state = f"Đã nộp ngày {day(response.submitted_on)}{late}{on_paper}, phiếu {response.receipt}."
    talk = " Muốn trao đổi trực tiếp với bí thư." if response.wants_talk else ""
    heading = Paragraph(f"Kỳ {month}", is_heading=True)
    said = Paragraph(f"{form_name(response.form)}. {state}{talk}")
    if response.is_erased:
        return [heading, said, Paragraph("Nội dung đã xóa: câu trả lời của kỳ này không còn, không ai đọc lại được.")]
    if not response.items:
        return [heading, said, Paragraph("Chưa trả lời điều nào.")]
    rows = tuple(
        (
            f"Điều {item.number}",
            item.title,
            _own_answer(item.answers[-1], response.answer_labels),
            " → ".join(_own_answer(answer, response.answer_labels) for answer in item.answers[:-1]),
        )
        for item in response.items
    )
    return [
        heading,
        said,
        Table(f"Trả lời {month}", ("Điều", "Nội dung", "Trả lời", "Trước khi sửa"), rows, (2, 5, 4, 4)),
    ]


def _own_answer(answer: OwnAnswer, labels: Mapping[ItemAnswer, str]) -> str:
    said = labels.get(answer.answer, answer.answer.value)
    said += " (báo cáo với chi bộ)" if answer.is_reported else ""
    return f"{said}; ghi thêm: {answer.note}" if answer.note else said


# --- Month against month, slips -----------------------------------------------------------------------------------

CHART_AXIS = "Tỷ lệ đã nộp"


def chart_title(cell: str) -> str:
    """Say what the chart shows."""
    return f"{cell}: nộp phiếu tự đánh giá theo tháng"


def chart_bar(counts: MonthCounts) -> Bar:
    """Return a month of the chart."""
    month = f"{counts.month.month}\n{counts.month.year}"
    return Bar(month, counts.percent, f"{counts.handed_in}/{counts.expected}")


def slips_title(cell: str) -> str:
    """Name a sheet of slips."""
    return f"Phiếu mã của {cell}"


def slip(
    name: str, cell: str, code: str, until: datetime, *, telegram_name: str | None, web_address: str | None
) -> Slip:
    """Return what stands on a member's slip."""
    addresses = []
    if telegram_name:
        addresses.append((f"Telegram @{telegram_name}", f"https://t.me/{telegram_name}?start={code}"))
    if web_address:
        addresses.append(("Trang web", f"{web_address.rstrip('/')}/?code={code}"))
    scan = "Quét mã vuông bằng điện thoại, hoặc gõ" if addresses else "Gõ"
    return Slip(
        name=name,
        cell=cell,
        code=f"{code[:4]} {code[4:]}",
        until=f"Dùng được đến {_moment(until)}",
        instruction=(f"{scan} mã 8 ký tự này cho Tự Soi. Mã dùng một lần, chỉ cho đồng chí có tên trên phiếu."),
        addresses=tuple(addresses),
    )


# --- Words they share ---------------------------------------------------------------------------------------------


def _regulation(form: Form) -> str:
    return f"Quy định {form.regulation}" if form.regulation[:1].isdigit() else form.regulation


def form_name(form: Form) -> str:
    """Name the version of the checklist, and say what of it was not compared with the official text."""
    said = f"Mẫu {form.checklist_id}, bản {form.version}, theo {_regulation(form)}"
    said += f", đã được thay bằng {form.superseded_by}" if form.superseded_by else ""
    if form.is_checked:
        return f"{said}; {form.not_compared} điều chưa đối chiếu văn bản chính thức" if form.not_compared else said
    confirmed = f"; quản trị xác nhận ngày {day(form.confirmed_on)}" if form.confirmed_on else ""
    return f"{said}; chưa đối chiếu văn bản chính thức{confirmed}"


def _footer(forms: Iterable[Form], on: date) -> str:
    named = "".join(f" · mẫu {form.checklist_id}, bản {form.version}" for form in forms)
    return f"Tự Soi{named} · lập ngày {day(on)}"


def _handed_in(counts: MonthCounts) -> str:
    late = f", trong đó {counts.late} phiếu nộp sau hạn" if counts.late else ""
    left = counts.expected - counts.handed_in
    missing = f"; {left} đồng chí chưa nộp" if left else ""
    return (
        f"{counts.handed_in}/{counts.expected} đảng viên đã nộp phiếu{_percent(counts.handed_in, counts.expected)}"
        f"{late}{missing}"
    )


def _percent(part: int, whole: int) -> str:
    return f" ({part * 100 // whole}%)" if whole else ""


def _moment(at: datetime) -> str:
    return f"{at.astimezone(_HANOI):%H:%M ngày %d/%m/%Y}"


# --- Slips in the terminal ----------------------------------------------------------------------------------------


def slips_written(count: int, path: str, until: datetime) -> str:
    """Say in the terminal what was made, and what became of older codes."""
    return (
        f"Đã ghi {count} phiếu vào {path}, mã dùng được đến {_moment(until)}. Mã cũ chưa dùng của các đồng chí này đã "
        "hết hiệu lực."
    )


def no_such_cell(name: str, cells: Sequence[str]) -> str:
    """Say in the terminal which cells there are."""
    known = ", ".join(cells[:20]) + (", …" if len(cells) > 20 else "")
    return f"không có chi bộ “{name}”; đang có: {known}" if cells else f"không có chi bộ “{name}”: chưa nạp danh sách"


def several_cells(name: str, organizations: Sequence[str]) -> str:
    """Say in the terminal that a name is not enough."""
    return f"có {len(organizations)} chi bộ tên “{name}”: thêm --organization với một trong: {', '.join(organizations)}"
