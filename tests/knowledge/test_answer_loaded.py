from dataclasses import replace
from datetime import date

from embeddings.encoder import HashingEncoder, make_encoder
from knowledge.answer import build_knowledge
from knowledge.lexicon import load_lexicon
from knowledge.loader import load_documents
from knowledge.model import Answer
from tests.knowledge.builders import DOCUMENTS, a_document


def quoted(answer: Answer) -> list[str]:
    return [quote.citation.passage_id for quote in answer.quotes]


def test_of_two_documents_of_one_number_the_later_is_meant_unless_a_year_or_an_article_says_otherwise() -> None:
    text = "## Điều 1. Họp\n\nHọp quý.\n\n## Điều 9. Sổ\n\nGhi sổ.\n"
    old = replace(a_document(text, id="a"), issued_on=date(2016, 2, 3))
    new = replace(a_document("## Điều 1. Họp\n\nHọp tháng.\n", id="b"), issued_on=date(2022, 2, 3))
    plan = [document for document in load_documents(DOCUMENTS) if document.is_plan]
    for order in ([old, new], [new, old]):
        knowledge = build_knowledge([*plan, *order], HashingEncoder(dim=64), load_lexicon())
        assert quoted(knowledge.answer("điều 1 quy định 1-qđ/tw")) == ["b/dieu-1"]
        assert quoted(knowledge.answer("điều 1 quy định 1-qđ/tw năm 2016")) == ["a/dieu-1"]
        assert quoted(knowledge.answer("điều 9 quy định 1-qđ/tw")) == ["a/dieu-9"]


def test_clause_that_only_announces_its_points_brings_them_and_nothing_else() -> None:
    text = """## Điều 1. Vườn ươm

1. Đảng viên trồng các giống cây sau:

a) cây ổi;

b) cây na.

2. Chi bộ chăm vườn ươm.
"""
    knowledge = build_knowledge([a_document(text)], make_encoder("bundled"), load_lexicon())
    answer = knowledge.answer("đảng viên trồng các giống cây nào?")
    assert quoted(answer) == [f"thu/dieu-1.khoan-1{point}" for point in ("", ".diem-a", ".diem-b")]
