import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge.intents import (
    CitationAsked,
    FollowUp,
    asks_for_basis,
    asks_for_cited_list,
    citation_asked,
    follow_up,
    means_that_document,
    names_the_plan,
    smalltalk,
)
from knowledge.model import Smalltalk
from knowledge.text import fold


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("xin chào", Smalltalk.GREETING),
        ("Chào đồng chí!", Smalltalk.GREETING),
        ("xin chao", Smalltalk.GREETING),
        ("hello", Smalltalk.GREETING),
        ("cảm ơn", Smalltalk.THANKS),
        ("Cảm ơn đồng chí đã giải thích.", Smalltalk.THANKS),
        ("cam on ban nhieu", Smalltalk.THANKS),
        ("thanks", Smalltalk.THANKS),
        ("tạm biệt", Smalltalk.GOODBYE),
        ("bye", Smalltalk.GOODBYE),
        ("bạn là ai?", Smalltalk.IDENTITY),
        ("bạn tên gì", Smalltalk.IDENTITY),
        ("trợ lý làm được gì", Smalltalk.IDENTITY),
        ("ai tạo ra bạn", Smalltalk.IDENTITY),
        ("ok", Smalltalk.ACKNOWLEDGED),
        ("Vâng ạ", Smalltalk.ACKNOWLEDGED),
        ("được rồi", Smalltalk.ACKNOWLEDGED),
    ],
)
def test_pleasantries_are_told_apart(text: str, kind: Smalltalk) -> None:
    assert smalltalk(text) is kind


@pytest.mark.parametrize(
    "text",
    [
        "văn bản là gì",
        "van ban la gi",
        "cơ bản là gì",
        "đảng viên là ai",
        "chào bạn, mục 2.3 nói gì",
        "chào, cho tôi hỏi quy định 41 còn hiệu lực không?",
        "cảm ơn, vậy ai chịu trách nhiệm?",
        "bản kiểm điểm là gì",
        "tốt nghiệp đại học",
        "mục 2.3",
        "",
        "?",
    ],
)
def test_questions_are_no_pleasantries(text: str) -> None:
    assert smalltalk(text) is None


@pytest.mark.parametrize("text", ["cảm ơn, cho tôi hỏi mục 2.3", "chào bạn, cho em hỏi về miễn nhiệm"])
def test_question_behind_a_pleasantry_is_a_question(text: str) -> None:
    assert smalltalk(text) is None


@pytest.mark.parametrize("text", ["ủy ban là gì", "căn bản là gì", "địa bàn là gì", "ban là gì"])
def test_accented_word_that_is_not_ban_does_not_mean_us(text: str) -> None:
    assert smalltalk(text) is None


@pytest.mark.parametrize("text", ["chào cờ thứ hai", "chào mừng đại hội đảng", "hi sinh vì Tổ quốc"])
def test_other_words_that_begin_like_a_greeting_are_no_greeting(text: str) -> None:
    assert smalltalk(text) is None


FOLLOW_UPS = [
    ("thế mục sau?", FollowUp.NEXT_SECTION),
    ("mục tiếp theo", FollowUp.NEXT_SECTION),
    ("phần tiếp", FollowUp.NEXT_SECTION),
    ("mục trước", FollowUp.PREVIOUS_SECTION),
    ("ý tiếp theo", FollowUp.NEXT_PASSAGE),
    ("điều sau", FollowUp.NEXT_PASSAGE),
    ("đọc tiếp", FollowUp.NEXT_PASSAGE),
    ("đoạn trước", FollowUp.PREVIOUS_PASSAGE),
    ("cụ thể hơn", FollowUp.MORE),
    ("nói rõ hơn", FollowUp.MORE),
    ("đọc hết", FollowUp.MORE),
    ("còn gì nữa không", FollowUp.OTHERS),
    ("chỗ nào khác", FollowUp.OTHERS),
    ("thế còn cấp ủy thì sao", FollowUp.CONTINUES),
    ("còn cán bộ trẻ?", FollowUp.CONTINUES),
]


@pytest.mark.parametrize(("text", "kind"), FOLLOW_UPS)
def test_how_a_message_goes_on(text: str, kind: FollowUp) -> None:
    assert follow_up(text) is kind


@pytest.mark.parametrize(("text", "kind"), FOLLOW_UPS)
def test_how_a_message_goes_on_without_accents(text: str, kind: FollowUp) -> None:
    assert follow_up(fold(text)) is kind


@pytest.mark.parametrize("text", ["mục 2.3 nói gì", "kiểm tra giám sát", "tiếp công dân", "đảng viên phải làm gì", ""])
def test_message_that_stands_alone_goes_on_from_nothing(text: str) -> None:
    assert follow_up(text) is None


@pytest.mark.parametrize("text", ["nội dung kê khai tài sản", "nội dung tiếp công dân", "con cái cán bộ đi nước ngoài"])
def test_other_words_that_look_like_going_on_stand_alone(text: str) -> None:
    assert follow_up(text) is None


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("quy định 41 được nhắc ở đâu", CitationAsked.WHERE),
        ("quy định 41 nằm trong mục nào", CitationAsked.WHERE),
        ("quy định 41 ban hành ngày nào", CitationAsked.WHEN),
        ("ai ban hành quy định 41", CitationAsked.WHOM),
        ("quy định 41 còn hiệu lực không", CitationAsked.REPLACED),
        ("văn bản nào thay thế quy định 41", CitationAsked.REPLACED),
        ("toàn văn quy định 41", CitationAsked.LOADED),
        ("quy định 41 nói về việc gì", CitationAsked.ABOUT),
        ("quy định 41", None),
    ],
)
def test_what_is_asked_of_a_document(text: str, asked: CitationAsked | None) -> None:
    assert citation_asked(text) is asked


def test_list_and_basis_of_the_plan_are_told_apart() -> None:
    assert asks_for_cited_list("kế hoạch viện dẫn những văn bản nào")
    assert not asks_for_basis("kế hoạch viện dẫn những văn bản nào")
    assert asks_for_basis("kế hoạch thực hiện kết luận nào")
    assert not asks_for_cited_list("kế hoạch thực hiện kết luận nào")


def test_that_document_and_the_plan() -> None:
    assert means_that_document("văn bản đó còn hiệu lực không")
    assert not means_that_document("văn bản nào còn hiệu lực")
    assert names_the_plan("kế hoạch có nói về miễn nhiệm không")
    assert not names_the_plan("kế hoạch học tập và làm theo Bác")


@given(st.text(max_size=60))
def test_any_text_can_be_judged(text: str) -> None:
    assert smalltalk(text) in {None, *Smalltalk}
    assert follow_up(text) in {None, *FollowUp}
