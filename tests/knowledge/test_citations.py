from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

import pytest

from knowledge.answer import KnowledgeBase
from knowledge.chunker import chunk
from knowledge.citations import CitationGraph, Mention, names_state_law
from knowledge.model import Document, DocumentKind
from tests.knowledge.builders import PLAN, a_document


@dataclass(frozen=True)
class Row:
    """One document of the plan: places as (locator, the words there, the issuer there)."""

    number: str
    kind: DocumentKind
    issued_on: date | None
    document_id: str
    places: tuple[tuple[str, str, str | None], ...]


TABOOS = "uy định về những điều đảng viên không được làm"
# Read from the plan by hand, in the order of first mention.
CITED = [
    Row(
        "21-KL/TW",
        DocumentKind.CONCLUSION,
        date(2021, 10, 25),
        "21-kl-tw-2021",
        (
            ("0#0", "Kết luận số 21-KL/TW của Ban Chấp hành Trung ương", "Ban Chấp hành Trung ương"),
            ("1#1", "Kết luận số 21-KL/TW của Ban Chấp hành Trung ương Đảng", "Ban Chấp hành Trung ương Đảng"),
            ("1#3", "Kết luận số 21-KL/TW", None),
        ),
    ),
    Row(
        "Nghị quyết Đại hội XIII",
        DocumentKind.RESOLUTION,
        date(2021, 2, 1),
        "nghi-quyet-dai-hoi-xiii",
        (
            ("1#2", "Nghị quyết Đại hội XIII của Đảng", None),
            ("1#3", "Nghị quyết Đại hội Đảng toàn quốc lần thứ XIII", None),
        ),
    ),
    Row(
        "Nghị quyết Đại hội XI Đảng bộ tỉnh",
        DocumentKind.RESOLUTION,
        None,
        "nghi-quyet-dai-hoi-xi-dang-bo-tinh",
        (("1#2", "Nghị quyết Đại hội XI Đảng bộ tỉnh", None),),
    ),
    Row(
        "01-KL/TW",
        DocumentKind.CONCLUSION,
        date(2021, 5, 18),
        "01-kl-tw-2021",
        (("1#3", "Kết luận số 01-KL/TW, ngày 18-5-2021 của Bộ Chính trị", "Bộ Chính trị"),),
    ),
    Row(
        "37-QĐ/TW",
        DocumentKind.REGULATION,
        date(2021, 10, 25),
        "37-qd-tw-2021",
        (("1#3", f"Q{TABOOS}", None), ("2.1#4", f"q{TABOOS}", None), ("2.4#1", f"q{TABOOS}", None)),
    ),
    Row(
        "26-NQ/TW",
        DocumentKind.RESOLUTION,
        date(2018, 5, 19),
        "26-nq-tw-2018",
        (
            (
                "2.2#2",
                "Nghị quyết số 26-NQ/TW của Ban Chấp hành Trung ương khoá XII",
                "Ban Chấp hành Trung ương khoá XII",
            ),
        ),
    ),
    Row(
        "40-CTr/TU",
        DocumentKind.ACTION_PROGRAMME,
        date(2018, 8, 14),
        "40-ctr-tu-2018",
        (("2.2#2", "Chương trình hành động số 40-CTr/TU, ngày 14/8/2018 của Tỉnh ủy", "Tỉnh ủy"),),
    ),
    Row(
        "14-KL/TW",
        DocumentKind.CONCLUSION,
        date(2021, 9, 22),
        "14-kl-tw-2021",
        (("2.2#2", "Kết luận số 14-KL/TW, ngày 22/9/2021 của Bộ Chính trị", "Bộ Chính trị"),),
    ),
    Row(
        "2212-QĐ/TU",
        DocumentKind.REGULATION,
        date(2020, 4, 16),
        "2212-qd-tu-2020",
        (
            (
                "2.2#2",
                "Quy định số 2212-QĐ/TU, ngày 16/4/2020 của Ban Thường vụ Tỉnh ủy",
                "Ban Thường vụ Tỉnh ủy",
            ),
        ),
    ),
    Row(
        "41-QĐ/TW",
        DocumentKind.REGULATION,
        date(2021, 11, 3),
        "41-qd-tw-2021",
        (("2.2#4", "Quy định số 41-QĐ/TW, ngày 03/11/2021 của Bộ Chính trị", "Bộ Chính trị"),),
    ),
    Row(
        "217-QĐ/TW",
        DocumentKind.DECISION,
        date(2013, 12, 12),
        "217-qd-tw-2013",
        (("2.5#1", "Quyết định số 217-QĐ/TW", "Bộ Chính trị"),),
    ),
    Row(
        "218-QĐ/TW",
        DocumentKind.DECISION,
        date(2013, 12, 12),
        "218-qd-tw-2013",
        (("2.5#1", "Quyết định số 218-QĐ/TW của Bộ Chính trị", "Bộ Chính trị"),),
    ),
]


def graph_of(*documents: Document) -> CitationGraph:
    return CitationGraph(documents, [p for document in documents for p in chunk(document)])


def ids(mentions: Sequence[Mention]) -> list[str]:
    """The document that each mention means first."""
    return [mention.document_ids[0] if mention.document_ids else f"?{mention.number}" for mention in mentions]


# --- mentions in the texts -------------------------------------------------------------------------------------


def test_documents_that_the_plan_cites_with_places_numbers_dates_and_issuers(knowledge: KnowledgeBase) -> None:
    found = [
        Row(
            cited.number,
            cited.kind or DocumentKind.NOTICE,
            cited.issued_on,
            cited.document_id or "",
            tuple((r.passage_id.removeprefix(f"{PLAN}/"), r.written, r.issuer) for r in cited.records),
        )
        for cited in knowledge.cited_documents()
    ]
    assert found == CITED


def test_mentions_are_words_of_their_passages(knowledge: KnowledgeBase) -> None:
    assert len(knowledge.graph.records) > 40
    for record in knowledge.graph.records:
        assert record.written in knowledge.passages[record.passage_id].text


def test_computed_places_agree_with_the_registry(knowledge: KnowledgeBase) -> None:
    for document in knowledge.documents.values():
        places = [r.passage_id for r in knowledge.graph.mentions_of(document.id) if r.passage_id.startswith(PLAN)]
        sections = dict.fromkeys(knowledge.passages[at].section for at in places)
        named = tuple("tên kế hoạch" if section == "0" else section for section in sections)
        assert named == document.cited_in_plan, document.id


def test_decisions_217_and_218_share_the_issuer_that_stands_once(knowledge: KnowledgeBase) -> None:
    [first, second] = [r for r in knowledge.graph.records if r.passage_id == f"{PLAN}/2.5#1"]
    assert (first.number, second.number) == ("217-QĐ/TW", "218-QĐ/TW")
    assert first.issuer == second.issuer == "Bộ Chính trị"
    assert "của" not in first.written


def test_documents_apart_do_not_share_an_issuer() -> None:
    graph = graph_of(a_document("Điều 1\nQuyết định số 5-QĐ/TW về kiểm tra; Quyết định số 6-QĐ/TW của Ban Bí thư.\n"))
    assert [(r.number, r.issuer) for r in graph.records] == [("5-QĐ/TW", None), ("6-QĐ/TW", "Ban Bí thư")]


def test_same_number_on_another_day_is_another_document(knowledge: KnowledgeBase) -> None:
    [record] = [r for r in knowledge.graph.records if r.issued_on == date(2026, 3, 20)]
    assert (record.number, record.document_id) == ("14-KL/TW", None)


def test_number_of_two_stored_documents_is_settled_by_the_date() -> None:
    older = a_document("Điều 1\nMột.\n", id="cu")
    newer = replace(older, id="moi", issued_on=date(2026, 3, 20))
    citing = a_document("Điều 1\nTheo 1-QĐ/TW ngày 20/3/2026.\nĐiều 2\nTheo 1-QĐ/TW.\n", id="dan", number="9-QĐ/TW")
    found = {r.passage_id: r.document_id for r in graph_of(older, newer, citing).records}
    assert found == {"dan/dieu-1": "moi", "dan/dieu-2": None}


def test_day_that_does_not_exist_leaves_the_mention_undated() -> None:
    graph = graph_of(a_document("Điều 1\nTheo 5-QĐ/TW ngày 31/2/2021.\n"))
    assert [(r.number, r.issued_on) for r in graph.records] == [("5-QĐ/TW", None)]


def test_a_document_does_not_cite_itself(knowledge: KnowledgeBase) -> None:
    for document_id in knowledge.documents:
        assert document_id not in [c.document_id for c in knowledge.graph.cited_by(document_id)]


def test_mentions_of_a_document_come_in_reading_order_the_plan_first(knowledge: KnowledgeBase) -> None:
    places = [r.passage_id for r in knowledge.graph.mentions_of("37-qd-tw-2021")]
    assert places[:3] == [f"{PLAN}/1#3", f"{PLAN}/2.1#4", f"{PLAN}/2.4#1"]
    assert places[3:] == ["14-kl-tw-2021/5-luu-y", "207-qd-tw-2026/thong-tin-chung"]


# --- mentions in what people type -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("qd41", ["41-qd-tw-2021"]),
        ("QĐ 41 nói gì", ["41-qd-tw-2021"]),
        ("QĐ.41", ["41-qd-tw-2021"]),
        ("quy dinh so 41", ["41-qd-tw-2021"]),
        ("Quy định số 41-QĐ/TW", ["41-qd-tw-2021"]),
        ("41/QĐ-TW", ["41-qd-tw-2021"]),
        ("41 qd tw", ["41-qd-tw-2021"]),
        ("điều 5 quy định 41", ["41-qd-tw-2021"]),
        ("KL21", ["21-kl-tw-2021"]),
        ("ket luan 21", ["21-kl-tw-2021"]),
        ("KL số 21-KL/TW", ["21-kl-tw-2021"]),
        ("kl1", ["01-kl-tw-2021"]),
        ("KL 01", ["01-kl-tw-2021"]),
        ("NQ26-NQ/TW", ["26-nq-tw-2018"]),
        ("nghị quyết 26 khoá XII", ["26-nq-tw-2018"]),
        ("CTr 40 của TU", ["40-ctr-tu-2018"]),
        ("chương trình hành động 40", ["40-ctr-tu-2018"]),
        ("QyĐ37", ["37-qd-tw-2021"]),
        ("hướng dẫn 02", ["02-hd-ubkttw-2021"]),
        ("quy định 2212", ["2212-qd-tu-2020"]),
        ("2212-QĐ/TU", ["2212-qd-tu-2020"]),
        ("QĐ 217, 218", ["217-qd-tw-2013", "218-qd-tw-2013"]),
        ("quyết định 217 và quyết định 218", ["217-qd-tw-2013", "218-qd-tw-2013"]),
        ("so sánh QĐ37 với QĐ207", ["37-qd-tw-2021", "207-qd-tw-2026"]),
        ("những điều đảng viên không được làm", ["37-qd-tw-2021"]),
        ("quy dinh ve nhung dieu dang vien khong duoc lam", ["37-qd-tw-2021"]),
        ("nghị quyết đại hội XIII", ["nghi-quyet-dai-hoi-xiii"]),
        ("nghị quyết đại hội 13", ["nghi-quyet-dai-hoi-xiii"]),
        ("Nghị quyết Đại hội XI Đảng bộ tỉnh", ["nghi-quyet-dai-hoi-xi-dang-bo-tinh"]),
        ("14-KL/TW ngày 22/9/2021", ["14-kl-tw-2021"]),
        ("kết luận 14 năm 2021", ["14-kl-tw-2021"]),
    ],
)
def test_documents_that_a_question_names(knowledge: KnowledgeBase, typed: str, expected: list[str]) -> None:
    assert ids(knowledge.graph.find_mentions(typed)) == expected


@pytest.mark.parametrize("typed", ["14-KL/TW ngày 20/3/2026", "KL 14 năm 2026", "kết luận 14 (20/3/2026)"])
def test_another_year_means_another_document(knowledge: KnowledgeBase, typed: str) -> None:
    [mention] = knowledge.graph.find_mentions(typed)
    assert mention.document_ids == ()
    assert mention.cited


def test_unknown_year_leaves_the_number_as_typed(knowledge: KnowledgeBase) -> None:
    [mention] = knowledge.graph.find_mentions("26-NQ/TW năm 2008")
    assert mention.number == "26-NQ/TW năm 2008"


@pytest.mark.parametrize(
    ("typed", "number"), [("18-NQ/TW", "18-NQ/TW"), ("18 nq tw", "18-NQ/TW"), ("99-qd/tu", "99-QĐ/TU")]
)
def test_number_that_nobody_knows_is_kept_in_its_usual_form(knowledge: KnowledgeBase, typed: str, number: str) -> None:
    [mention] = knowledge.graph.find_mentions(typed)
    assert (mention.number, mention.document_ids, mention.cited) == (number, (), False)


def test_number_that_only_a_digest_mentions_is_known_as_cited(knowledge: KnowledgeBase) -> None:
    [mention] = knowledge.graph.find_mentions("Chỉ thị 05-CT/TW")
    assert (mention.document_ids, mention.cited) == ((), True)


@pytest.mark.parametrize(
    "typed",
    [
        "mục 2.3",
        "20%",
        "quy định 20% số phiếu",
        "năm 2025",
        "ngày 3/11/2021",
        "tháng 4/2025",
        "19 điều",
        "3 tháng",
        "nhiệm kỳ 2025-2030",
        "nghị quyết năm 2021",
        "điều 12",
        "kế hoạch năm 2026",
        "kiểm tra, giám sát",
    ],
)
def test_numbers_of_other_things_are_no_documents(knowledge: KnowledgeBase, typed: str) -> None:
    assert ids(knowledge.graph.find_mentions(typed)) == []


@pytest.mark.parametrize(
    "typed", ["quy định 19 điều", "quy định 3 tháng một lần", "kế hoạch 5 năm", "kế hoạch 2025", "hướng dẫn 2 cách"]
)
def test_a_count_behind_a_kind_is_no_document(knowledge: KnowledgeBase, typed: str) -> None:
    assert ids(knowledge.graph.find_mentions(typed)) == []


def test_numbers_parted_by_a_slash_are_two_documents(knowledge: KnowledgeBase) -> None:
    assert ids(knowledge.graph.find_mentions("QĐ 217/218")) == ["217-qd-tw-2013", "218-qd-tw-2013"]


def test_number_alone_that_only_one_document_has_names_it(knowledge: KnowledgeBase) -> None:
    assert ids(knowledge.graph.find_mentions("2212")) == ["2212-qd-tu-2020"]


def test_mention_says_where_it_stands(knowledge: KnowledgeBase) -> None:
    typed = "so voi qd41 thi quy dinh 377 moi gi"
    spans = [typed[m.start : m.end] for m in knowledge.graph.find_mentions(typed)]
    assert spans == ["qd41", "quy dinh 377"]


@pytest.mark.parametrize(
    "typed",
    ["Luật Đất đai 2024", "bộ luật hình sự", "nghị định 30", "thông tư nào", "hiến pháp", "luat can bo cong chuc"],
)
def test_state_law_is_recognised(typed: str) -> None:
    assert names_state_law(typed)


@pytest.mark.parametrize("typed", ["luật sư", "luật lệ", "quy định 41", "hỏi về kỷ luật", "pháp luật"])
def test_other_words_with_luat_are_no_state_law(typed: str) -> None:
    assert not names_state_law(typed)


@pytest.mark.parametrize("typed", ["kỷ luật đảng viên", "kỷ luật đảng", "pháp luật của Nhà nước", "bị kỷ luật không"])
def test_discipline_is_no_state_law(typed: str) -> None:
    assert not names_state_law(typed)
