import logging
from dataclasses import replace
from typing import Any

import pytest

from knowledge.answer import KnowledgeBase
from knowledge.chunker import chunk
from knowledge.lexical import LexicalIndex
from knowledge.lexicon import Lexicon
from knowledge.model import Passage
from knowledge.query import parse_query
from knowledge.quotes import SHOWN_WHOLE, Quoter
from knowledge.text import collapse
from tests.knowledge.builders import PLAN, a_document

QUESTIONS = """\
hằng tháng đảng viên phải nhận diện biểu hiện gì
thi tuyển cạnh tranh chức danh lãnh đạo cấp sở
kiểm soát quyền lực trong công tác cán bộ
chống chạy chức, chạy quyền theo quy định nào
mục 2.3 nói gì
mục 2 có những nhóm nào
kế hoạch có mấy nhóm giải pháp
ý thứ hai của mục 2.2
quy định 37 được nhắc ở đâu
quy định 41 ban hành ngày nào
quy định 41 điều 5
quy định 41 điều 5 khoản 3
quy định 37 điều 6
2212-QĐ/TU quy định gì
nghị quyết đại hội XI đảng bộ tỉnh
QĐ 217, 218
người dân góp ý cho cán bộ thế nào
dân chủ ở cơ sở
tự phê bình và phê bình
xử lý thông tin xấu độc trên mạng xã hội
cán bộ trẻ, cán bộ nữ
đối thoại với công dân
giám sát của mặt trận tổ quốc
đảng viên đi nước ngoài
27 biểu hiện suy thoái
tám nội dung nêu gương""".splitlines()


def test_every_quote_of_many_answers_stands_word_for_word_in_its_document(knowledge: KnowledgeBase) -> None:
    shown = 0
    for question in QUESTIONS:
        for quote in knowledge.answer(question).quotes:
            document = knowledge.documents[quote.citation.document_id]
            assert collapse(quote.text) in collapse(document.text), question
            passage = knowledge.passages[quote.citation.passage_id]
            assert collapse(quote.text) in collapse(passage.text), question
            assert quote.opens == collapse(passage.text).startswith(collapse(quote.text)), question
            assert quote.closes == collapse(passage.text).endswith(collapse(quote.text)), question
            shown += 1
    assert shown > 40


def test_every_searched_passage_can_be_quoted_whole(knowledge: KnowledgeBase) -> None:
    for passage in knowledge.passages.values():
        quote = knowledge.quoter.whole(passage)
        assert quote is not None, passage.id
        assert quote.whole


@pytest.mark.parametrize("change", [("phải", "không phải"), (".", "!"), ("Đảng", "Đoàn")])
def test_altered_passage_is_withheld_and_its_words_stay_out_of_the_log(
    knowledge: KnowledgeBase, caplog: pytest.LogCaptureFixture, change: tuple[str, str]
) -> None:
    passage = knowledge.passages[f"{PLAN}/2.1#6"]
    altered = replace(passage, text=passage.text.replace(*change, 1))
    assert altered.text != passage.text
    with caplog.at_level(logging.DEBUG):
        assert knowledge.quoter.whole(altered) is None
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert passage.id in record.getMessage()
    assert passage.text[:20] not in caplog.text


def test_words_of_another_document_are_withheld(knowledge: KnowledgeBase) -> None:
    passage = knowledge.passages["41-qd-tw-2021/dieu-4"]
    assert knowledge.quoter.part(passage, knowledge.passages[f"{PLAN}/2.3#1"].text) is None


@pytest.mark.parametrize("words", ["", "  \n"])
def test_nothing_is_no_quote(knowledge: KnowledgeBase, words: str) -> None:
    assert knowledge.quoter.part(knowledge.passages[f"{PLAN}/2.3#1"], words) is None


def test_part_says_where_it_opens_and_closes(knowledge: KnowledgeBase) -> None:
    passage = knowledge.passages[f"{PLAN}/2.2#4"]
    sentences = passage.text.split(". ", 1)

    def ends(text: str) -> tuple[bool, bool]:
        quote = knowledge.quoter.part(passage, text)
        assert quote is not None
        return quote.opens, quote.closes

    assert ends(passage.text) == (True, True)
    assert ends(sentences[0]) == (True, False)
    assert ends(sentences[1]) == (False, True)
    assert ends(passage.text[5:-5]) == (False, False)


def test_citation_names_document_place_heading_and_digest(knowledge: KnowledgeBase) -> None:
    clause = knowledge.quoter.cite(knowledge.passages["41-qd-tw-2021/dieu-5.khoan-3"])
    assert (clause.document_name, str(clause.issued_on)) == ("Quy định 41-QĐ/TW", "2021-11-03")
    assert (clause.place, clause.heading) == ("Điều 5, khoản 3", "Điều 5. Căn cứ miễn nhiệm")
    assert clause.is_digest
    bullet = knowledge.quoter.cite(knowledge.passages[f"{PLAN}/2.2#3"])
    assert (bullet.place, bullet.is_digest) == ("mục 2.2, gạch đầu dòng 3", False)
    assert bullet.heading.startswith("2.2. Tập trung xây dựng đội ngũ cán bộ")


@pytest.mark.parametrize(
    ("locator", "question", "clause"),
    [
        (
            "2.2#3",
            "thi tuyển cạnh tranh chức danh lãnh đạo cấp sở",
            "thi tuyển cạnh tranh chức danh cán bộ lãnh đạo, quản lý cấp sở, cấp phòng và tương đương "
            "(khi có quy định, hướng dẫn của Trung ương).",
        ),
        ("2.1#6", "chống bè phái, cục bộ địa phương, lợi ích nhóm", "kiên quyết chống các biểu hiện bè phái"),
        ("2.5#2", "người đứng đầu đối thoại với công dân", "tổ chức tiếp và đối thoại với công dân;"),
    ],
)
def test_long_bullet_is_cut_to_the_clause_that_answers(
    knowledge: KnowledgeBase, lexicon: Lexicon, locator: str, question: str, clause: str
) -> None:
    passage = knowledge.passages[f"{PLAN}/{locator}"]
    quote = knowledge.quoter.answering(passage, parse_query(question, lexicon))
    assert quote is not None
    assert clause in quote.text
    assert len(quote.text) < 0.6 * len(passage.text)
    assert not quote.whole


def test_short_passage_is_shown_whole(knowledge: KnowledgeBase, lexicon: Lexicon) -> None:
    passage = knowledge.passages["41-qd-tw-2021/dieu-5.khoan-5"]
    assert len(passage.text) <= SHOWN_WHOLE
    quote = knowledge.quoter.answering(passage, parse_query("tự diễn biến", lexicon))
    assert quote is not None
    assert quote.whole


def test_long_passage_is_shown_whole_where_no_clause_stands_out(knowledge: KnowledgeBase, lexicon: Lexicon) -> None:
    passage = knowledge.passages[f"{PLAN}/2.1#6"]
    quote = knowledge.quoter.answering(passage, parse_query("abcxyz", lexicon))
    assert quote is not None
    assert quote.whole


def test_sentence_that_holds_the_words_is_quoted(knowledge: KnowledgeBase) -> None:
    passage = knowledge.passages[f"{PLAN}/2.2#4"]
    quote = knowledge.quoter.sentence_with(passage, "41-QĐ/TW")
    assert quote is not None
    assert quote.text.strip() == (
        "Thực hiện nghiêm Quy định số 41-QĐ/TW, ngày 03/11/2021 của Bộ Chính trị"
        " về việc miễn nhiệm, từ chức đối với cán bộ."
    )
    absent = knowledge.quoter.sentence_with(passage, "999-QĐ/TW")
    assert absent is not None
    assert absent.whole


@pytest.mark.parametrize("length", [40, 90, 200])
def test_opening_ends_with_a_word_or_clause(knowledge: KnowledgeBase, plan_passages: Any, length: int) -> None:
    for passage in plan_passages.values():
        quote = knowledge.quoter.opening(passage, length)
        assert quote is not None
        assert quote.opens
        assert len(quote.text) <= max(length, 0) or quote.whole
        following = passage.text[len(quote.text) : len(quote.text) + 1]
        assert following in {"", " ", ",", ";", "."}, passage.id


def test_note_of_one_line_can_be_quoted() -> None:
    assert _note("## Lưu ý\n> Chỉ một dòng.\n") == "Chỉ một dòng."


def test_note_of_two_lines_can_be_quoted() -> None:
    assert _note("## Lưu ý\n> Dòng một\n> dòng hai.\n") == "Dòng một\ndòng hai."


def _note(text: str) -> str | None:
    document = a_document(text)
    passage: Passage = chunk(document)[0]
    quote = Quoter([document], LexicalIndex.build([text], frozenset())).whole(passage)
    return quote.text if quote else None
