import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embeddings.encoder import HashingEncoder
from knowledge.answer import build_knowledge
from knowledge.lexicon import load_lexicon
from knowledge.model import Outcome, Passage, PassageKind, Reason
from knowledge.structure import Asked, Outline, OutlineQuestion, parse_outline_question
from knowledge.text import fold
from tests.knowledge.builders import a_document

SECTION, BULLET = Asked.SECTION, Asked.BULLET
ASKED = [
    ("mục 2.3 nói gì", OutlineQuestion(SECTION, "2.3")),
    ("Mục số 2.1", OutlineQuestion(SECTION, "2.1")),
    ("tiểu mục 2.4 gồm gì", OutlineQuestion(SECTION, "2.4")),
    ("2.3 nói gì", OutlineQuestion(SECTION, "2.3")),
    ("phần 2", OutlineQuestion(SECTION, "2")),
    ("phần thứ nhất", OutlineQuestion(SECTION, "1")),
    ("mục thứ hai", OutlineQuestion(SECTION, "2")),
    ("mục đầu tiên nói gì", OutlineQuestion(SECTION, "1")),
    ("mục cuối cùng", OutlineQuestion(SECTION, "2.5")),
    ("mục 9.9", OutlineQuestion(SECTION, "9.9")),
    ("nhiệm vụ thứ hai", OutlineQuestion(SECTION, "2.2")),
    ("nhiệm vụ thứ nhất là gì", OutlineQuestion(SECTION, "2.1")),
    ("giải pháp thứ 3", OutlineQuestion(SECTION, "2.3")),
    ("nhóm nhiệm vụ, giải pháp thứ tư", OutlineQuestion(SECTION, "2.4")),
    ("nhóm thứ 5", OutlineQuestion(SECTION, "2.5")),
    ("nhóm giải pháp cuối cùng", OutlineQuestion(SECTION, "2.5")),
    ("nhiệm vụ thứ bảy", OutlineQuestion(SECTION, "7")),
    ("ý thứ năm của mục 2.2", OutlineQuestion(BULLET, "2.2", 5)),
    ("gạch đầu dòng thứ 3 mục 2.1", OutlineQuestion(BULLET, "2.1", 3)),
    ("đoạn 2 mục 2.3", OutlineQuestion(BULLET, "2.3", 2)),
    ("ý đầu tiên mục 2.5", OutlineQuestion(BULLET, "2.5", 1)),
    ("ý cuối cùng của mục 2.4", OutlineQuestion(BULLET, "2.4", -1)),
    ("kế hoạch có mấy nhóm giải pháp", OutlineQuestion(Asked.SECTION_COUNT)),
    ("có bao nhiêu nhóm nhiệm vụ, giải pháp", OutlineQuestion(Asked.SECTION_COUNT)),
    ("mục 2.2 có mấy ý", OutlineQuestion(Asked.BULLET_COUNT, "2.2")),
    ("mục 2.2 gồm bao nhiêu gạch đầu dòng", OutlineQuestion(Asked.BULLET_COUNT, "2.2")),
    ("liệt kê tiêu đề các mục từ 2.1 đến 2.5", OutlineQuestion(Asked.SECTION_LIST, "2.1", until="2.5")),
    ("nêu tên các mục 2.1 - 2.3", OutlineQuestion(Asked.SECTION_LIST, "2.1", until="2.3")),
    ("kế hoạch gồm những nhóm nhiệm vụ nào", OutlineQuestion(Asked.SECTION_LIST)),
    ("điều 12 của quy định 37", OutlineQuestion(Asked.ARTICLE, "dieu-12")),
    ("điều 5 khoản 3", OutlineQuestion(Asked.ARTICLE, "dieu-5", clause=3)),
    ("điểm a khoản 2 điều 5", OutlineQuestion(Asked.ARTICLE, "dieu-5", clause=2, point="a")),
    ("điều 5 điểm e", OutlineQuestion(Asked.ARTICLE, "dieu-5", point="e")),
    ("đ5 k2 qđ41", OutlineQuestion(Asked.ARTICLE, "dieu-5", clause=2)),
    ("kế hoạch số bao nhiêu", OutlineQuestion(Asked.OWN_NUMBER)),
    ("kế hoạch này ký ngày nào", OutlineQuestion(Asked.OWN_NUMBER)),
]


@pytest.mark.parametrize(("text", "asked"), ASKED)
def test_what_a_question_asks_of_the_outline(outline: Outline, text: str, asked: OutlineQuestion) -> None:
    assert parse_outline_question(text, outline) == asked


@pytest.mark.parametrize(("text", "asked"), ASKED)
def test_same_question_without_accents(outline: Outline, text: str, asked: OutlineQuestion) -> None:
    assert parse_outline_question(fold(text), outline) == asked


@pytest.mark.parametrize(("text", "asked"), ASKED[:5])
def test_same_question_in_capitals_and_decomposed(outline: Outline, text: str, asked: OutlineQuestion) -> None:
    assert parse_outline_question(unicodedata.normalize("NFD", text.upper()), outline) == asked


@pytest.mark.parametrize(
    "text",
    [
        "nhiệm vụ của đảng viên",
        "mục đích của kế hoạch",
        "điều kiện bổ nhiệm",
        "những điều đảng viên không được làm",
        "tháng thứ sáu",
        "2.3%",
        "ngày 2.3.2021",
        "ý thứ hai",
        "ý nghĩa của việc nêu gương",
        "phần trăm",
        "",
    ],
)
def test_question_about_something_else_asks_nothing_of_the_outline(outline: Outline, text: str) -> None:
    assert parse_outline_question(text, outline) is None


def test_who_signed_the_plan_in_the_usual_order(outline: Outline) -> None:
    assert parse_outline_question("ai ký kế hoạch này", outline) == OutlineQuestion(Asked.OWN_NUMBER)


@pytest.mark.parametrize("text", ["nhóm thứ 0", "nhiệm vụ số 0", "mục thứ 0"])
def test_there_is_no_0th_section(outline: Outline, text: str) -> None:
    question = parse_outline_question(text, outline)
    assert question is None or question.section not in outline.sections


@given(text=st.text(max_size=80))
def test_any_text_can_be_parsed(outline: Outline, text: str) -> None:
    question = parse_outline_question(text, outline)
    assert question is None or isinstance(question.asked, Asked)


# --- the outline itself ----------------------------------------------------------------------------------------


def test_sections_of_the_plan(outline: Outline) -> None:
    assert outline.sections == ["1", "2", "2.1", "2.2", "2.3", "2.4", "2.5"]
    assert outline.children("") == ["1", "2"]
    assert outline.children("2") == outline.groups == ["2.1", "2.2", "2.3", "2.4", "2.5"]
    assert outline.children("2.1") == []


def test_heading_and_bullets_of_a_section(outline: Outline) -> None:
    heading = outline.heading("2.3")
    assert heading is not None
    assert heading.text == "2.3. Hoàn thiện cơ chế, chính sách về tổ chức, cán bộ"
    assert [p.locator for p in outline.bullets("2.3")] == ["2.3#1", "2.3#2", "2.3#3"]
    assert outline.heading("9.9") is None
    assert outline.bullets("2") == []


@pytest.mark.parametrize(
    ("section", "step", "neighbour"),
    [("2.2", 1, "2.3"), ("2.2", -1, "2.1"), ("2.1", -1, "2"), ("1", -1, None), ("2.5", 1, None), ("1", 6, "2.5")],
)
def test_neighbour_in_reading_order(outline: Outline, section: str, step: int, neighbour: str | None) -> None:
    assert outline.neighbour(section, step) == neighbour


@pytest.mark.parametrize(
    ("locator", "step", "following"),
    [
        ("2.2#2", 1, "2.2#3"),
        ("2.2#5", 1, "2.3#1"),
        ("2.3#1", -1, "2.2#5"),
        ("1#1", -1, None),
        ("2.5#3", 1, None),
        ("2.3#0", 1, None),
    ],
)
def test_next_passage_skips_headings_and_ends_at_the_ends(
    outline: Outline, plan_passages: dict[str, Passage], locator: str, step: int, following: str | None
) -> None:
    found = outline.next_passage(plan_passages[locator], step)
    assert (found.locator if found else None) == following
    assert found is None or found.kind is PassageKind.BODY


def test_point_and_clause_that_are_named_are_quoted() -> None:
    text = (
        "Điều 1. Vườn\n1. Trồng cây sau:\na) cây ổi;\nd) cây na;\nđ) cây mít.\n2. Chăm vườn.\nĐiều 2. Giống\na) ổi.\n"
    )
    plan = replace(a_document("1. Mục đích\n- Trồng cây.\n", id="ke-hoach", number=None), is_plan=True)
    knowledge = build_knowledge([plan, a_document(text)], HashingEncoder(), load_lexicon())
    shown = {
        asked: [quote.citation.locator for quote in knowledge.answer(f"{asked} quy định 1-QĐ/TW").quotes]
        for asked in ("khoản 1 điều 1", "điểm đ khoản 1 điều 1", "diem d khoan 1 dieu 1", "điều 2 điểm a")
    }
    assert shown == {
        "khoản 1 điều 1": [f"dieu-1.khoan-1{point}" for point in ("", ".diem-a", ".diem-d", ".diem-đ")],
        "điểm đ khoản 1 điều 1": ["dieu-1.khoan-1.diem-đ"],
        "diem d khoan 1 dieu 1": ["dieu-1.khoan-1.diem-d"],
        "điều 2 điểm a": ["dieu-2.diem-a"],
    }
    refused = knowledge.answer("điểm h khoản 1 điều 1 quy định 1-QĐ/TW")
    assert (refused.outcome, refused.reason) == (Outcome.NOT_IN_DOCUMENTS, Reason.NO_SUCH_ARTICLE)
    assert refused.facts["point"] == "h"
