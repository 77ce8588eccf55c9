"""Questions without an answer: freed of people, and grouped by what they ask."""

import itertools
import random

import pytest

from embeddings.encoder import Encoder, make_encoder
from knowledge.answer import KnowledgeBase
from knowledge.gaps import LONGEST, Asked, Group, group, without_people

NAMES = ["Nguyễn Văn An", "Trần Thị Bình", "Lê Hưng", "Hoàng Thị Thu Hà", "Bình"]

# Written for this test: each line asks one thing in several ways; single ones ask something else.
TOGETHER = [
    [
        "đóng đảng phí bao nhiêu một tháng",
        "mỗi tháng phải đóng bao nhiêu đảng phí",
        "dang phi dong bao nhieu mot thang",
        "mức đóng đảng phí hằng tháng là bao nhiêu",
        "đảng phí hàng tháng đóng mấy",
    ],
    ["xin miễn đảng phí thì làm đơn gửi ai", "muốn miễn đảng phí thì gửi đơn cho ai"],
    [
        "chuyển sinh hoạt đảng cần giấy tờ gì",
        "chuyen sinh hoat dang can giay to gi",
        "muốn chuyển sinh hoạt đảng thì cần những giấy tờ nào",
    ],
    [
        "bao nhiêu tuổi thì được vào đảng",
        "được vào đảng từ bao nhiêu tuổi",
        "vào đảng thì bao nhiêu tuổi",
        "bao nhieu tuoi duoc vao dang",
    ],
    [
        "thẻ đảng viên bị mất thì làm sao",
        "mất thẻ đảng thì phải làm thế nào",
        "mat the dang vien lam sao",
        "bị mất thẻ đảng viên thì làm gì",
    ],
    [
        "sinh hoạt chi bộ một tháng mấy lần",
        "một tháng sinh hoạt chi bộ mấy lần",
        "chi bộ sinh hoạt bao nhiêu lần mỗi tháng",
    ],
    [
        "đảng viên đi nước ngoài phải báo cáo ai",
        "đi nước ngoài thì đảng viên phải báo cáo với ai",
        "dang vien di nuoc ngoai bao cao ai",
    ],
    [
        "huy hiệu 30 năm tuổi đảng được thưởng bao nhiêu tiền",
        "được bao nhiêu tiền khi nhận huy hiệu 30 năm tuổi đảng",
        "huy hieu 30 nam tuoi dang duoc bao nhieu tien",
    ],
]
ALONE = [
    "huy hiệu 40 năm tuổi đảng được thưởng bao nhiêu tiền",
    "đóng đảng phí ở đâu",
    "ai thu đảng phí",
    "đóng đảng phí muộn thì sao",
    "quên đóng đảng phí 3 tháng thì bị sao",
    "thời gian dự bị là bao nhiêu tháng",
    "đảng viên dự bị có được biểu quyết không",
    "bao nhiêu tuổi thì được vào đoàn",
    "thẻ đảng viên bị hỏng thì làm sao",
    "thẻ đảng viên ghi sai tên thì đổi ở đâu",
    "bị mất giấy giới thiệu sinh hoạt đảng thì làm sao",
    "đảng viên được miễn sinh hoạt đảng khi nào",
    "sinh hoạt chi bộ một năm bao nhiêu buổi",
    "đảng viên đi nước ngoài phải báo cáo khi nào",
    "đảng viên đi nước ngoài không báo cáo thì sao",
    "họp chi bộ vắng mặt ba lần thì sao",
    "bí thư chi bộ được phụ cấp bao nhiêu",
    "ai được bầu bí thư chi bộ",
    "lễ kết nạp đảng viên tổ chức ở đâu",
    "chuyển sinh hoạt đảng ra nước ngoài thế nào",
]


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return make_encoder("bundled")


def grouped(knowledge: KnowledgeBase, questions: list[str]) -> list[list[str]]:
    asked = [Asked(n, question) for n, question in enumerate(questions)]
    found = group(asked, knowledge.encoder, lambda question: knowledge.parse(question).asked)
    return [[each.question for each in one.asked] for one in found]


# --- people -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("đ/c Nguyễn Văn An nợ đảng phí thì sao", "đ/c … nợ đảng phí thì sao"),
        ("nguyen van an no dang phi", "… no dang phi"),
        ("NGUYỄN VĂN AN và Trần Thị Bình", "… và …"),
        ("đồng chí Bình nói gì", "đồng chí … nói gì"),
        ("chị Hà có được nghỉ không", "chị … có được nghỉ không"),
        ("anh Hưng có được nghỉ không", "anh … có được nghỉ không"),
        # Another word than the name, and a name without a form of address, stay.
        ("anh hùng lao động được gì", "anh hùng lao động được gì"),
        ("bình đẳng giới là gì", "bình đẳng giới là gì"),
        ("gọi 0912 345 678 hỏi ai", "gọi … hỏi ai"),
        ("gọi +84.912.345.678 hỏi ai", "gọi … hỏi ai"),
        ("gọi 0912345678", "gọi …"),
        ("CCCD 001099123456 có hợp lệ không", "CCCD … có hợp lệ không"),
        ("thẻ đảng 123456 mất rồi", "thẻ đảng … mất rồi"),
        ("gửi về an.nguyen@xa.gov.vn được không", "gửi về … được không"),
        ("xem https://fb.com/an123 có sao không", "xem … có sao không"),
        ("hỏi @nguyenan giúp", "hỏi … giúp"),
        ("mã của tôi là K2A8BCDF", "mã của tôi là …"),
        # Dates, sections and numbers of documents are no one's.
        ("quy định 2212-QĐ/TU ngày 16/4/2020 nói gì", "quy định 2212-QĐ/TU ngày 16/4/2020 nói gì"),
        ("mục 2.1 và 2.4, kết luận 21-KL/TW", "mục 2.1 và 2.4, kết luận 21-KL/TW"),
        ("từ 01/01/2026 đến 31/12/2026", "từ 01/01/2026 đến 31/12/2026"),
        ("lương 9.500.000 đồng", "lương 9.500.000 đồng"),
        ("", ""),
        ("  \u200b  ", ""),
        ("Nguyễn Văn An", "…"),
    ],
)
def test_people_are_left_out_and_nothing_else(typed: str, kept: str) -> None:
    assert without_people(typed, NAMES) == kept


def test_no_roster_leaves_words_as_they_are() -> None:
    assert without_people("đồng chí Bình\nnói gì", []) == "đồng chí Bình nói gì"


def test_name_at_the_cut_does_not_come_out_in_half() -> None:
    kept = without_people("x " * 148 + "Nguyễn Văn An hỏi", NAMES)
    assert len(kept) <= LONGEST
    assert "Nguy" not in kept


def test_long_question_is_cut() -> None:
    assert len(without_people("đảng phí " * 200, NAMES)) <= LONGEST


# --- groups -----------------------------------------------------------------------------------------------------


def test_same_meaning_comes_together_and_different_stays_apart(knowledge: KnowledgeBase) -> None:
    found = grouped(knowledge, [*itertools.chain(*TOGETHER), *ALONE])
    assert sorted(map(sorted, found)) == sorted([*map(sorted, TOGETHER), *([each] for each in ALONE)])


def test_order_does_not_matter(knowledge: KnowledgeBase) -> None:
    questions = [*itertools.chain(*TOGETHER), *ALONE]
    first = grouped(knowledge, questions)
    for seed in range(3):
        shuffled = list(questions)
        random.Random(seed).shuffle(shuffled)
        assert grouped(knowledge, shuffled) == first


def test_most_asked_question_stands_for_its_group(encoder: Encoder) -> None:
    rare, often, other = Asked(1, "đảng phí bao nhiêu"), Asked(2, "đảng phí bao nhiêu ạ", 4), Asked(3, "giá xăng", 2)
    assert group([rare, other, often], encoder) == [Group((often, rare)), Group((other,))]
    [first, _] = group([rare, other, often], encoder)
    assert (first.question, first.count) == ("đảng phí bao nhiêu ạ", 5)


def test_nothing_asked_gives_no_groups(encoder: Encoder) -> None:
    assert group([], encoder) == []


@pytest.mark.parametrize("question", ["…", "???", "không", "ạ"])
def test_question_without_words_is_a_group_of_its_own(encoder: Encoder, question: str) -> None:
    found = group([Asked(1, question), Asked(2, "đóng đảng phí bao nhiêu")], encoder)
    assert [len(each.asked) for each in found] == [1, 1]
