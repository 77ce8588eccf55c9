"""Which question is an approved one: the same in other words, and never merely a near one."""

from dataclasses import replace

import pytest

from knowledge.answer import KnowledgeBase
from knowledge.approved import fingerprint, match

APPROVED = {
    1: "đóng đảng phí bao nhiêu một tháng",
    2: "chuyển sinh hoạt đảng cần giấy tờ gì",
    3: "đảng viên dự bị có được biểu quyết không",
    4: "chi bộ báo cáo đảng ủy khi nào",
    5: "huy hiệu 30 năm tuổi đảng được thưởng bao nhiêu tiền",
    6: "thẻ đảng viên bị mất thì làm sao",
    7: "đảng viên được vào công ty nào",
}


def matched(knowledge: KnowledgeBase, question: str) -> int | None:
    return match(question, APPROVED.items(), knowledge.encoder, lambda text: knowledge.parse(text).asked)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (APPROVED[1], 1),
        ("ĐÓNG ĐẢNG PHÍ BAO NHIÊU MỘT THÁNG???", 1),
        ("dong dang phi bao nhieu mot thang", 1),
        ("mỗi tháng phải đóng đảng phí bao nhiêu ạ", 1),
        ("cho hỏi mỗi tháng đóng đảng phí là bao nhiêu", 1),
        ("muốn chuyển sinh hoạt đảng thì cần những giấy tờ gì", 2),
        ("chuyen sinh hoat dang can nhung giay to nao", 2),
        ("đảng viên dự bị được biểu quyết không", 3),
        ("khi nào chi bộ phải báo cáo đảng ủy", 4),
        ("huy hieu 30 nam tuoi dang duoc thuong bao nhieu tien", 5),
        ("bị mất thẻ đảng viên thì phải làm thế nào", 6),
    ],
)
def test_same_question_in_other_words_is_found(knowledge: KnowledgeBase, question: str, answer: int) -> None:
    assert matched(knowledge, question) == answer


@pytest.mark.parametrize(
    "question",
    [
        # Another kind of answer is wanted.
        "đóng đảng phí ở đâu",
        "đóng đảng phí khi nào",
        "ai đóng đảng phí",
        "vì sao phải đóng đảng phí hằng tháng",
        # Another span, another number.
        "đóng đảng phí bao nhiêu một năm",
        "huy hiệu 40 năm tuổi đảng được thưởng bao nhiêu tiền",
        "huy hiệu 30 năm tuổi đảng và 40 năm được thưởng bao nhiêu tiền",
        # One word more or less makes another case.
        "nghỉ hưu đóng đảng phí bao nhiêu một tháng",
        "chuyển sinh hoạt đảng tạm thời cần giấy tờ gì",
        "chuyển sinh hoạt đảng cho đảng viên dự bị cần giấy tờ gì",
        "chuyển sinh hoạt đoàn cần giấy tờ gì",
        "đảng viên có được biểu quyết không",
        "đảng viên dự bị có được ứng cử không",
        "thẻ đảng viên bị hỏng thì làm sao",
        # The other way round, and denied.
        "đảng ủy báo cáo chi bộ khi nào",
        "đảng viên không được vào công ty nào",
        "chi bộ chưa báo cáo đảng ủy khi nào",
        # Hardly anything, or nothing.
        "đảng phí",
        "bao nhiêu",
        "",
        "???",
    ],
)
def test_near_miss_is_none(knowledge: KnowledgeBase, question: str) -> None:
    assert matched(knowledge, question) is None


def test_of_two_that_are_the_same_the_first_is_taken(knowledge: KnowledgeBase) -> None:
    assert match("Đảng phí?", [(8, "đảng phí"), (3, "đảng phí")], knowledge.encoder) == 8


def test_nothing_approved_matches_nothing(knowledge: KnowledgeBase) -> None:
    assert match("đóng đảng phí bao nhiêu", [], knowledge.encoder) is None


def test_fingerprint_changes_with_the_words_and_with_nothing_else(knowledge: KnowledgeBase) -> None:
    passage = next(iter(knowledge.passages.values()))
    assert fingerprint(replace(passage, text=f"  {passage.text}\n")) == fingerprint(passage)
    assert fingerprint(replace(passage, start=passage.start + 7, headings=("Khác",))) == fingerprint(passage)
    assert fingerprint(replace(passage, text=f"{passage.text}.")) != fingerprint(passage)
