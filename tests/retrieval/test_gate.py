"""A ranking that gets worse is seen here; what it reaches stands in docs/figures.md."""

from pathlib import Path

import pytest

from embeddings.encoder import make_encoder
from knowledge.answer import KnowledgeBase, build_knowledge
from knowledge.evaluation import Question, evaluate_questions, quotes_verbatim, read_questions, summarise
from knowledge.lexicon import load_lexicon
from knowledge.loader import load_documents

FOLDER = Path(__file__).parent
DOCUMENTS = FOLDER.parent.parent / "knowledge" / "documents"
# A little below what is reached, so that only a real loss falls through.
FLOOR = {"hit@1": 0.73, "hit@3": 0.78, "MRR@10": 0.76, "must_contain": 0.74, "right_abstentions": 0.93}
MOST_FALSE_REFUSALS = 0.18


@pytest.fixture(scope="module")
def knowledge() -> KnowledgeBase:
    return build_knowledge(load_documents(DOCUMENTS), make_encoder("bundled"), load_lexicon())


@pytest.fixture(scope="module")
def questions() -> list[Question]:
    return read_questions(FOLDER / "questions.jsonl")


def test_answers_are_as_good_as_before(knowledge: KnowledgeBase, questions: list[Question]) -> None:
    figures = summarise(evaluate_questions(knowledge, questions))
    print(figures)
    worse = {name: figures[name] for name, least in FLOOR.items() if figures[name] < least}
    assert not worse
    assert figures["false_refusals"] <= MOST_FALSE_REFUSALS


def test_every_quote_stands_in_its_document(knowledge: KnowledgeBase, questions: list[Question]) -> None:
    stands, shown = quotes_verbatim(knowledge, questions)
    assert shown > 100
    assert stands == shown


def test_same_question_gets_the_same_answer(knowledge: KnowledgeBase, questions: list[Question]) -> None:
    for question in questions[::10]:
        assert knowledge.answer(question.text) == knowledge.answer(question.text)


def test_gold_passages_exist(knowledge: KnowledgeBase, questions: list[Question]) -> None:
    assert {g for question in questions for g in question.gold} <= knowledge.passages.keys()
