from datetime import date
from pathlib import Path

import pytest

from knowledge.intake.layout import compose
from knowledge.intake.model import Limits, Recognized
from knowledge.intake.pdf import read_pdf
from knowledge.intake.recognize import recognize
from knowledge.model import DocumentKind
from tests.knowledge.intake.papers import Paper, save

K = DocumentKind
PARTY = """\
BAN CHẤP HÀNH TRUNG ƯƠNG
*
Số: 377-QĐ/TW
ĐẢNG CỘNG SẢN VIỆT NAM
Hà Nội, ngày 8 tháng 10 năm 2025
QUY ĐỊNH
về phân cấp quản lý cán bộ và bổ nhiệm,
miễn nhiệm, từ chức đối với cán bộ
-----
- Căn cứ Điều lệ Đảng; Quy định số 22-QĐ/TW ngày 28 tháng 7 năm 2021 về thi hành Chương VII;
Điều 1. Phạm vi
Theo Kết luận số 21-KL/TW, ngày 25 tháng 10 năm 2021.
"""
STATE = """\
BỘ TÀI CHÍNH
--------
CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM
Độc lập - Tự do - Hạnh phúc
---------------
Số: 12/2024/TT-BTC
Hà Nội, ngày 06 tháng 02 năm 2024

THÔNG TƯ
QUY ĐỊNH MỨC THU, CHẾ ĐỘ THU, NỘP
PHÍ THẨM ĐỊNH

Căn cứ Luật Phí và lệ phí ngày 25 tháng 11 năm 2015;
"""
SIDE_BY_SIDE = """\
TỈNH ỦY QUẢNG NAM ĐẢNG CỘNG SẢN VIỆT NAM
BAN THƯỜNG VỤ Tam Kỳ, ngày 5/12/2021
* Số: 15 - KH/TU
KẾ HOẠCH
thực hiện Kết luận số 21-KL/TW của
Ban Chấp hành Trung ương
*
Thực hiện Kết luận số 21-KL/TW ngày 25 tháng 10 năm 2021 của Ban Chấp hành Trung ương Đảng khóa XIII, Ban Thường vụ \
Tỉnh ủy ban hành kế hoạch như sau:
I. MỤC ĐÍCH
"""
DIGEST = """\
# Quy định số 41-QĐ/TW ngày 03/11/2021 của Bộ Chính trị về miễn nhiệm, từ chức đối với cán bộ

## Điều 1. Phạm vi
"""
BLANK = """\
ĐẢNG BỘ TỈNH LÂM ĐỒNG
ĐẢNG ỦY XÃ ĐỨC TRỌNG
*
Số:       -NQ/ĐU
ĐẢNG CỘNG SẢN VIỆT NAM
Đức Trọng, ngày     tháng     năm 2025
NGHỊ QUYẾT
Về công tác phát triển đảng viên năm 2026
I. TÌNH HÌNH
"""
LAW = """\
QUỐC HỘI
Luật số: 80/2025/QH15
Hà Nội, ngày 19 tháng 02 năm 2025
LUẬT
TỔ CHỨC CHÍNH PHỦ
Căn cứ Hiến pháp nước Cộng hòa xã hội chủ nghĩa Việt Nam;
"""
SIGNED_BELOW = """\
BỘ CHÍNH TRỊ
KẾT LUẬN
về chủ trương khuyến khích và bảo vệ cán bộ
1. Nội dung
Nơi nhận:
Hà Nội, ngày 22 tháng 9 năm 2021
T/M BỘ CHÍNH TRỊ
"""
INSPECTION = """\
BAN CHẤP HÀNH TRUNG ƯƠNG
UỶ BAN KIỂM TRA
*
Số: 02-HD/UBKTTW
HƯỚNG DẪN
thực hiện Quy định số 37-QĐ/TW
Căn cứ Quy định số 37-QĐ/TW ngày 25/10/2021;
"""


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            PARTY,
            Recognized(
                "377-QĐ/TW",
                K.REGULATION,
                date(2025, 10, 8),
                "Ban Chấp hành Trung ương",
                "Quy định về phân cấp quản lý cán bộ và bổ nhiệm, miễn nhiệm, từ chức đối với cán bộ",
            ),
        ),
        (
            STATE,
            Recognized(
                "12/2024/TT-BTC",
                K.CIRCULAR,
                date(2024, 2, 6),
                "Bộ Tài chính",
                "Thông tư QUY ĐỊNH MỨC THU, CHẾ ĐỘ THU, NỘP PHÍ THẨM ĐỊNH",
            ),
        ),
        (
            SIDE_BY_SIDE,
            Recognized(
                "15-KH/TU",
                K.PLAN,
                date(2021, 12, 5),
                "Ban Thường vụ Tỉnh ủy Quảng Nam",
                "Kế hoạch thực hiện Kết luận số 21-KL/TW của Ban Chấp hành Trung ương",
            ),
        ),
        (
            DIGEST,
            Recognized(
                "41-QĐ/TW",
                K.REGULATION,
                date(2021, 11, 3),
                None,
                "Quy định về miễn nhiệm, từ chức đối với cán bộ",
            ),
        ),
        (
            BLANK,
            Recognized(
                None,
                K.RESOLUTION,
                None,
                "Đảng ủy xã Đức Trọng",
                "Nghị quyết Về công tác phát triển đảng viên năm 2026",
            ),
        ),
        (LAW, Recognized("80/2025/QH15", K.LAW, date(2025, 2, 19), "Quốc hội", "Luật TỔ CHỨC CHÍNH PHỦ")),
        (
            SIGNED_BELOW,
            Recognized(
                None,
                K.CONCLUSION,
                date(2021, 9, 22),
                "Bộ Chính trị",
                "Kết luận về chủ trương khuyến khích và bảo vệ cán bộ",
            ),
        ),
        (
            INSPECTION,
            Recognized(
                "02-HD/UBKTTW",
                K.GUIDELINE,
                None,
                "Uỷ ban Kiểm tra Ban Chấp hành Trung ương",
                "Hướng dẫn thực hiện Quy định số 37-QĐ/TW",
            ),
        ),
    ],
    ids=["party", "state", "side by side", "one line", "blanks", "law", "signed below", "inspection"],
)
def test_head_is_recognized(text: str, told: Recognized) -> None:
    assert recognize(text) == told


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        "1\n2\n3\n",
        "Một bài viết bình thường, không phải văn bản.\nNgày 3 tháng 2 năm 2020 là một ngày lễ.\n",
        "Căn cứ Quy định số 37-QĐ/TW ngày 25 tháng 10 năm 2021 của Bộ Chính trị;\nĐiều 1. Phạm vi\n",
        "Chi bộ họp theo Quy định số 41-QĐ/TW.\nHọp tại Hà Nội.\n",
    ],
)
def test_text_without_a_head_says_nothing(text: str) -> None:
    assert recognize(text) == Recognized()


def test_two_numbers_or_two_days_in_a_head_say_neither() -> None:
    told = recognize("Số: 1-QĐ/TW\nSố: 2-QĐ/TW\nHà Nội, ngày 1 tháng 2 năm 2020\nHà Nội, ngày 2 tháng 2 năm 2020\n")
    assert (told.number, told.issued_on) == (None, None)


def test_day_that_does_not_exist_is_no_day() -> None:
    assert recognize("Số: 1-QĐ/TW\nHà Nội, ngày 31 tháng 2 năm 2020\nQUY ĐỊNH\n").issued_on is None


def test_kind_behind_the_day_is_read_as_a_line_of_its_own() -> None:
    head = "BAN BÍ THƯ\nSố 816-QĐ/TW\nHà Nội, ngày 01 tháng 3 năm 2024 QUY ĐỊNH.\nvề giữ gìn đường làng\n"
    found = recognize(f"{head}\nĐiều 1. Quét đường\n")
    assert (found.kind, found.issued_on) == (DocumentKind.REGULATION, date(2024, 3, 1))
    assert found.title == "Quy định về giữ gìn đường làng"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("Quy định này áp dụng cho chi bộ.", DocumentKind.REGULATION),
        ("Quyết định này có hiệu lực từ ngày ký.", DocumentKind.DECISION),
        ("Quyết định này ban hành kèm theo; Quy định này áp dụng cho chi bộ.", None),
        ("Chi bộ họp hằng tháng.", None),
    ],
)
def test_without_a_line_for_it_the_kind_is_what_the_text_calls_itself(body: str, kind: DocumentKind | None) -> None:
    assert recognize(f"BAN BÍ THƯ\nSố 816-QĐ/TW\n\nĐiều 1. Áp dụng\n{body}\n").kind is kind


@pytest.mark.parametrize("kind", list(DocumentKind))
def test_every_kind_is_recognized_by_its_line(kind: DocumentKind) -> None:
    assert recognize(f"BỘ CHÍNH TRỊ\n{kind.value.upper()}\nvề việc thử\nĐiều 1. A\n").kind is kind


@pytest.mark.parametrize(
    ("number", "kind"),
    [("21-KL/TW", K.CONCLUSION), ("05-CT/TW", K.DIRECTIVE), ("08-QĐi/TW", K.REGULATION), ("37-QĐ/TW", None)],
)
def test_number_tells_the_kind_where_no_line_does(number: str, kind: DocumentKind | None) -> None:
    told = recognize(f"BỘ CHÍNH TRỊ\nSố: {number}\nNội dung tóm tắt.\n")
    assert (told.number, told.kind) == (number, kind)


@pytest.mark.parametrize(
    ("lines", "issuer"),
    [
        ("ĐẢNG BỘ TỈNH QUẢNG NAM\nTỈNH ỦY", "Tỉnh ủy Quảng Nam"),
        ("ĐẢNG BỘ THÀNH PHỐ ĐÀ NẴNG\nTHÀNH UỶ", "Thành uỷ Đà Nẵng"),
        ("ĐẢNG BỘ XÃ ĐỨC TRỌNG\nĐẢNG ỦY", "Đảng ủy xã Đức Trọng"),
        ("ĐẢNG ỦY XÃ ĐỨC TRỌNG\nCHI BỘ THÔN HAI", "Chi bộ Thôn Hai"),
        ("ỦY BAN KIỂM TRA\nTRUNG ƯƠNG", "Ủy ban Kiểm tra Trung ương"),
        ("THỦ TƯỚNG CHÍNH PHỦ", "Thủ tướng Chính phủ"),
        ("CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM", None),
    ],
)
def test_issuer_is_written_as_in_a_sentence(lines: str, issuer: str | None) -> None:
    assert recognize(f"{lines}\n*\nSố: 5-QĐ/TU\nQUYẾT ĐỊNH\n").issuer == issuer


@pytest.mark.parametrize("number", ["01-KL/TW", "1225/2020/UBTVQH14", "15/2020/NĐ-CP", "40-CTr/TU", "2212-QĐ/TU"])
def test_numbers_are_read_whole(number: str) -> None:
    assert recognize(f"TỈNH ỦY\nSố {number}\nQUYẾT ĐỊNH\n").number == number


@pytest.mark.parametrize(
    "line",
    [
        "TỈNH ỦY HÀ NAM * Số 88-QĐ/TU | ĐẢNG CỘNG SẢN VIỆT NAM Hà Nam, ngày 12 tháng 10 năm 2026",
        "TỈNH ỦY HÀ NAM Số 88-QĐ/TU | ĐẢNG CỘNG SẢN VIỆT NAM Hà Nam, ngày 12 tháng 10 năm 2026",
        "TỈNH ỦY HÀ NAM\n* Hà Nam, ngày 12 tháng 10 năm 2026 Số 88-QĐ/TU",
    ],
)
def test_number_without_a_colon_is_read_where_a_table_or_two_columns_join_the_head(line: str) -> None:
    told = recognize(f"{line}\nQUY ĐỊNH\nvề công tác văn thư\nĐiều 1. A\n")
    assert told == Recognized(
        "88-QĐ/TU", K.REGULATION, date(2026, 10, 12), "Tỉnh ủy Hà Nam", "Quy định về công tác văn thư"
    )


def test_head_in_two_columns_of_a_pdf_is_recognized(tmp_path: Path) -> None:
    paper = Paper()
    paper.add_page()
    paper.head_of_letter()
    paper.body()
    text, _, _ = compose(read_pdf(save(paper, tmp_path / "a.pdf"), Limits()))
    assert recognize(text) == Recognized(
        "377-QĐ/TW",
        K.REGULATION,
        date(2025, 10, 8),
        "Ban Chấp hành Trung ương",
        "Quy định về phân cấp quản lý cán bộ và miễn nhiệm, từ chức đối với cán bộ",
    )


def test_megabytes_are_recognized_by_their_head_alone() -> None:
    assert recognize(PARTY + "Một câu rất dài. " * 200_000).number == "377-QĐ/TW"
