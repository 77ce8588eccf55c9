import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge.answer import KnowledgeBase
from knowledge.keyboard import is_syllable, mend_typing
from knowledge.text import syllables


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("ddangr vieen", "đảng viên"),
        ("ddarng vieen", "đảng viên"),
        ("nguwowif", "người"),
        ("kieemr tra", "kiểm tra"),
        ("toor chuwcs", "tổ chức"),
        ("tuwj phee binhf", "tự phê bình"),
        ("quyeets ddinhj", "quyết định"),
        ("thuwowngf vuj", "thường vụ"),
        ("ngoafi", "ngoài"),
        ("khuyeens", "khuyến"),
        ("gif", "gì"),
        ("nghiax vuj", "nghĩa vụ"),
        ("DDangr", "đảng"),
    ],
)
def test_telex_leftovers_become_letters(typed: str, meant: str) -> None:
    assert mend_typing(typed) == meant


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("d9a3ng vie6n", "đảng viên"),
        ("ke61 hoach5", "kế hoạch"),
        ("nghi5 quye61t", "nghị quyết"),
        ("d9ie6u2 le65", "điều lệ"),
        ("ngu7o7i2", "người"),
        ("chi3 thi5", "chỉ thị"),
        ("qu1y", "quý"),
    ],
)
def test_vni_leftovers_become_letters(typed: str, meant: str) -> None:
    assert mend_typing(typed) == meant


def test_telex_letters_with_a_vni_tone_become_a_word() -> None:
    assert mend_typing("ddieu5") == "điệu"


@pytest.mark.parametrize(
    ("typed", "meant"), [("đảngggg viên", "đảng viên"), ("xinnnn", "xin"), ("chuẩnnn", "chuẩn"), ("hỏiiii", "hỏi")]
)
def test_a_letter_held_down_counts_once(typed: str, meant: str) -> None:
    assert mend_typing(typed) == meant


@pytest.mark.parametrize(
    ("typed", "meant"), [("dieu12", "dieu 12"), ("mục2.3", "mục 2.3"), ("Điều5 khoản3", "Điều 5 khoản 3")]
)
def test_a_number_stuck_to_its_part_is_parted(typed: str, meant: str) -> None:
    assert mend_typing(typed) == meant


@pytest.mark.parametrize(
    "text",
    [
        "KL21",
        "QĐ37",
        "XIII",
        "T9",
        "2212-QĐ/TU",
        "26-NQ/TW",
        "CTr40",
        "kl21",
        "qd37",
        "covid19",
        "t9",
        "Internet",
        "10.000",
    ],
)
def test_abbreviations_and_numbers_stay_as_typed(text: str) -> None:
    assert mend_typing(text) == text


@pytest.mark.parametrize("text", ["41-qd/tw", "nq 26 tw", "qđ 37 của tw"])
def test_tw_in_small_letters_stays_as_typed(text: str) -> None:
    assert mend_typing(text) == text


def test_documents_are_written_well_already(knowledge: KnowledgeBase) -> None:
    for document in knowledge.documents.values():
        for text in (document.text, document.title):
            assert mend_typing(text) == text, document.id


def test_every_vietnamese_word_of_the_plan_has_the_shape_of_a_syllable(knowledge: KnowledgeBase) -> None:
    assert knowledge.plan is not None
    text = re.sub(r"\S*\d\S*|\b[IVX]+\b|Internet", " ", knowledge.plan.text)
    assert [word for word in syllables(text) if not is_syllable(word)] == []


@pytest.mark.parametrize("word", ["xyz", "strong", "ctr", "ngng", "quuan", "quuyền", "giiám", ""])
def test_other_letters_are_no_syllable(word: str) -> None:
    assert not is_syllable(word)


@given(st.text(max_size=40))
def test_any_text_can_be_mended(text: str) -> None:
    assert len(mend_typing(text)) <= 2 * len(text)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("xin visa có phải báo chi bộ không", "xin visa có phải báo chi bộ không"),
        ("xin visa co phai bao khong", "xin visa co phai bao khong"),
        ("ddi las cos phair baos", "đi lá có phải báo"),
    ],
)
def test_foreign_words_are_mended_only_where_the_keyboard_leaves_letters(text: str, meant: str) -> None:
    assert mend_typing(text, {"visa", "las"}) == meant


def test_what_would_be_no_syllable_is_left_alone() -> None:
    assert mend_typing("The Gold View") == "The Gold View"
