from dataclasses import replace

import pytest

from knowledge.chunker import chunk
from knowledge.model import Document
from knowledge.prepared import Prepared
from knowledge.titles import Names, TitleIndex, first_place, names_of, titles_of
from knowledge.views import View, spaced, subjects_of
from tests.knowledge.builders import a_document


def called(title: str, *, id: str = "thu", number: str | None = "1-QĐ/TW") -> Document:
    return replace(a_document("Nội dung.", id=id, number=number), title=title)


def names(documents: list[Document]) -> Names:
    return Names((document, names_of(document)) for document in documents)


@pytest.mark.parametrize(
    ("title", "text", "place"),
    [
        ("quy định thử", "theo quy định thử này", 5),
        ("quy định thử", "quy định thử", 0),
        ("quy định thử", "quy định thửa đất", None),
        ("quy định thử", "quy định thửa, quy định thử", 15),
        ("định thử", "qđịnh thử", None),
        ("thử (lần 2)", "bản thử (lần 2)a", 4),
        ("quy định", "", None),
    ],
)
def test_title_stands_in_a_text_as_whole_words(title: str, text: str, place: int | None) -> None:
    assert first_place(title, text) == place


def test_titles_are_found_in_any_case_once_in_each_passage() -> None:
    text = "Điều 1. Phạm vi\n1. Theo QUY ĐỊNH THỬ và Quy định thử.\n2. Quy định\nthử bị ngắt.\n3. Theo Quy định Thử."
    found = TitleIndex(["quy định thử", "quy định khác", "…"]).standing_in(chunk(a_document(text)))
    assert [(one.title, one.passage_id, one.start) for one in found] == [
        ("quy định thử", "thu/dieu-1.khoan-1", 5),
        ("quy định thử", "thu/dieu-1.khoan-3", 5),
    ]


def test_title_without_a_word_is_not_looked_for() -> None:
    assert TitleIndex(["…", "", "quy định"]).titles == ("quy định",)


def test_title_of_two_documents_means_the_first_and_the_plans_own_none() -> None:
    plan, first, second = called("Kế hoạch"), called("Quy định", id="a"), called("Quy Định", id="b")
    assert titles_of([replace(plan, is_plan=True), first, second]) == {"quy định": first}


def test_names_come_with_their_rivals_the_more_important_document_and_the_longer_name_first() -> None:
    documents = [
        called("Quy định về những điều không được làm", id="a"),
        called("Hướng dẫn họp", id="b"),
        called("Quy định về những điều không được làm", id="c"),
    ]
    folded = "huong dan hop va nhung dieu khong duoc lam"
    found = [(document.id, name, rivals, at) for document, name, rivals, at in names(documents).standing_in(folded)]
    assert found == [
        ("a", "nhung dieu khong duoc lam", ("a", "c"), 17),
        ("a", "dieu khong duoc lam", ("a", "c"), 23),
        ("b", "huong dan hop", ("b",), 0),
        ("c", "nhung dieu khong duoc lam", ("a", "c"), 17),
        ("c", "dieu khong duoc lam", ("a", "c"), 23),
    ]


@pytest.mark.parametrize("folded", ["", "huong", "hương dẫn họp"])
def test_no_name_stands_in_a_text_without_one(folded: str) -> None:
    assert list(names([called("Hướng dẫn họp")]).standing_in(folded)) == []


def test_subjects_are_compared_with_a_document_once() -> None:
    views = [View("?đảng phí", "a"), View("?tổ đảng", "b"), View("?", "c"), View("d/1", "e")]
    subjects = subjects_of(views)
    assert subjects_of(views[::-1]) is subjects
    document = called("Kỷ luật tổ chức đảng. Đảng phí")
    prepared = Prepared(document, chunk(document))
    named = prepared.naming(subjects)
    assert named == {spaced("đảng phí")}
    assert prepared.naming(subjects) is named
    assert prepared.naming(subjects_of([View("?kỷ luật", "a")])) == {spaced("kỷ luật")}
