import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import pytest

from knowledge.answer import KnowledgeBase
from knowledge.cards import Card, Holding, card, cards, documents_table, ids_named, named_id
from knowledge.chunker import chunk
from knowledge.lexical import LexicalIndex
from knowledge.model import Document, DocumentKind, Force, Replacement, TextKind
from knowledge.shelf import Shelf
from tests.knowledge.builders import PLAN, a_document

PLAN_TEXT = """Kế hoạch thực hiện nhiệm vụ
1. Mục đích
- Thực hiện Quy định số 1-QĐ/TW, ngày 03/02/2021 của Bộ Chính trị.
- Thực hiện Quy định số 1-QĐ/TW và Kết luận số 8-KL/TW, ngày 05/6/2022 của Ban Bí thư.
"""


def a_shelf(*documents: Document) -> Shelf:
    plan = replace(
        a_document(PLAN_TEXT, id="ke-hoach", number=None), kind=DocumentKind.PLAN, is_plan=True, short_title="Kế hoạch"
    )
    everything = [plan, *documents]
    passages = [passage for document in everything for passage in chunk(document)]
    return Shelf(everything, passages, LexicalIndex.build([p.text for p in passages], frozenset()))


def a_regulation(text: str = "Điều 1. Phạm vi\nNội dung.\n", **changed: object) -> Document:
    return replace(a_document(text, id="quy-dinh"), **changed)  # type: ignore[arg-type]


def names(references: Sequence[object]) -> list[str]:
    return [getattr(each, "name", "") for each in references]


# --- what cannot be asked for ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "id", ["nowhere", "", "?", "?9-QĐ/TW@", "?8-KL/TW@2023-01-01", "?8-KL/TW@xx", "8-KL/TW@2022-06-05"]
)
def test_document_that_nobody_names_has_no_card(id: str) -> None:
    with pytest.raises(KeyError):
        card(a_shelf(a_regulation()), id)


def test_entry_that_names_no_number_as_newer_has_nothing_to_open() -> None:
    newer = Replacement("Nghị quyết đại hội sau", None, None, confirmed=True)
    known = card(a_shelf(a_regulation(replaced_by=newer)), "quy-dinh")
    assert known.replaced_by is not None
    assert (known.replaced_by.name, known.replaced_by.card_id) == ("Nghị quyết đại hội sau", None)


# --- cards ----------------------------------------------------------------------------------------------------------


def test_card_of_a_loaded_document_says_all_that_its_entry_does() -> None:
    newer = Replacement("2-QĐ/TW (4/5/2026)", "2-QĐ/TW", date(2026, 5, 4), confirmed=True)
    document = a_regulation(
        stated_force=Force.SUPERSEDED,
        replaced_by=newer,
        force_basis="Công báo",
        checked_on=date(2026, 11, 2),
        in_force_from=date(2021, 3, 1),
        replaces="9-QĐ/TW",
        version=3,
    )
    known = card(a_shelf(document), "quy-dinh")
    assert (known.holding, known.text_kind, known.version) == (Holding.LOADED, TextKind.OFFICIAL, 3)
    assert (known.name, known.kind, known.issuer) == ("Quy định 1-QĐ/TW", DocumentKind.REGULATION, "Bộ Chính trị")
    assert (known.issued_on, known.in_force_from) == (date(2021, 2, 3), date(2021, 3, 1))
    assert (known.force, known.basis, known.checked_on) == (Force.SUPERSEDED, "Công báo", date(2026, 11, 2))
    assert known.places == ("mục 1, gạch đầu dòng 1", "mục 1, gạch đầu dòng 2")
    assert known.replaces == "9-QĐ/TW"
    assert known.replaced_by is not None
    assert (known.replaced_by.name, known.replaced_by.card_id) == ("2-QĐ/TW", "?2-QĐ/TW@2026-05-04")
    assert known.passages == 1


def test_card_names_who_cites_a_document_and_whom_it_cites_but_not_the_plan() -> None:
    other = replace(
        a_document("Điều 1. Căn cứ\nTheo Quy định số 1-QĐ/TW, Chỉ thị số 5-CT/TW, ngày 15/5/2016.\n", id="khac"),
        number="7-QĐ/TW",
    )
    shelf = a_shelf(a_regulation(), other)
    assert names(card(shelf, "quy-dinh").cited_by) == ["Quy định 7-QĐ/TW"]
    assert names(card(shelf, "khac").cites) == ["Quy định 1-QĐ/TW", "Chỉ thị 5-CT/TW"]
    assert card(shelf, "khac").cited_by == ()


def test_document_known_from_its_entry_alone_has_no_text_and_no_version() -> None:
    known = card(a_shelf(a_regulation(metadata_only=True)), "quy-dinh")
    assert (known.holding, known.text_kind, known.version, known.passages) == (Holding.METADATA_ONLY, None, None, 0)


def test_document_that_is_only_cited_has_a_card_too() -> None:
    known = card(a_shelf(), named_id("8-KL/TW", date(2022, 6, 5)))
    assert (known.name, known.kind, known.holding) == ("Kết luận 8-KL/TW", DocumentKind.CONCLUSION, Holding.ONLY_CITED)
    assert (known.issuer, known.issued_on) == ("Ban Bí thư", date(2022, 6, 5))
    assert known.places == ("mục 1, gạch đầu dòng 2",)
    assert (known.status, known.force, known.title) == (None, Force.UNKNOWN, None)


def test_mentions_with_and_without_a_date_are_one_document() -> None:
    shelf = a_shelf()
    assert ids_named(shelf, "1-qđ/tw") == ["?1-QĐ/TW@2021-02-03"]
    assert len(card(shelf, "?1-QĐ/TW@2021-02-03").places) == 2


def test_one_number_under_two_dates_is_two_documents() -> None:
    text = "Điều 1. Căn cứ\nTheo Quy định số 1-QĐ/TW, ngày 09/9/2019.\n"
    shelf = a_shelf(replace(a_document(text, id="khac"), number="7-QĐ/TW"))
    assert ids_named(shelf, "1-QĐ/TW") == ["?1-QĐ/TW@", "?1-QĐ/TW@2019-09-09", "?1-QĐ/TW@2021-02-03"]


def test_what_replaced_a_document_and_is_nowhere_cited_says_what_it_replaced() -> None:
    newer = Replacement("2-QĐ/TW (4/5/2026)", "2-QĐ/TW", date(2026, 5, 4), confirmed=True)
    known = card(a_shelf(a_regulation(replaced_by=newer)), "?2-QĐ/TW@2026-05-04")
    assert (known.replaces, known.cited_by, known.places) == ("Quy định 1-QĐ/TW", (), ())


def test_what_is_only_suspected_to_be_newer_replaces_nothing() -> None:
    newer = Replacement("chưa xác nhận (xem 2-QĐ/TW)", "2-QĐ/TW", None, confirmed=False)
    assert card(a_shelf(a_regulation(replaced_by=newer)), "?2-QĐ/TW@").replaces is None


def test_cards_begin_with_what_the_plan_cites_and_end_with_what_the_store_lacks() -> None:
    other = replace(a_document("Điều 1. Căn cứ\nTheo Chỉ thị số 5-CT/TW.\n", id="aaa"), number="7-QĐ/TW")
    found = cards(a_shelf(other, a_regulation()))
    assert [each.id for each in found] == ["quy-dinh", "?8-KL/TW@2022-06-05", "aaa", "?5-CT/TW@"]


def test_store_without_a_plan_has_cards() -> None:
    document = a_regulation("Điều 1. Căn cứ\nTheo Chỉ thị số 5-CT/TW.\n")
    shelf = Shelf([document], chunk(document), LexicalIndex.build(["a"], frozenset()))
    assert [each.id for each in cards(shelf)] == ["quy-dinh", "?5-CT/TW@"]


# --- the documents that ship ----------------------------------------------------------------------------------------


def shipped(knowledge: KnowledgeBase) -> dict[str, Card]:
    return {each.id: each for each in cards(knowledge)}


def test_every_shipped_document_and_everything_it_cites_has_one_card(knowledge: KnowledgeBase) -> None:
    found = shipped(knowledge)
    assert {d for d in knowledge.documents if d != PLAN} <= set(found)
    assert [each.id for each in cards(knowledge)][:12] == [c.document_id for c in knowledge.cited_documents()]
    assert all(found[each] == card(knowledge, each) for each in found)


def test_card_of_the_regulation_on_resignation(knowledge: KnowledgeBase) -> None:
    known = shipped(knowledge)["41-qd-tw-2021"]
    assert known.places == ("mục 2.2, gạch đầu dòng 4",)
    assert known.replaced_by is not None
    assert (known.force, known.replaced_by.card_id) == (Force.SUPERSEDED, "377-qd-tw-2025")
    assert "Quy định 377-QĐ/TW" in names(known.cites)
    assert (known.basis, known.checked_on) == (None, None)


def test_card_of_a_successor_that_was_never_loaded(knowledge: KnowledgeBase) -> None:
    known = shipped(knowledge)["?212-QĐ/TW@2026-08-17"]
    assert (known.holding, known.replaces) == (Holding.ONLY_CITED, "Quy định 69-QĐ/TW")


# --- the table ------------------------------------------------------------------------------------------------------


def test_table_has_a_row_for_each_document_and_is_ready_for_json(knowledge: KnowledgeBase) -> None:
    rows = {row["id"]: row for row in documents_table(knowledge)}
    assert list(rows) == sorted(knowledge.documents)
    assert json.loads(json.dumps(rows)) == rows
    assert rows["377-qd-tw-2025"]["force_from"] == "2025-10-08"
    old = rows["37-qd-tw-2021"]
    assert (old["force"], old["basis"]) == ("superseded", "nhiều nguồn năm 2026; chưa có toàn văn để đối chiếu")
    assert (old["replaced_by"], old["checked_on"], old["issued_on"]) == ("207-QĐ/TW (26/7/2026)", None, "2021-10-25")
    assert (old["cited_in_plan"], old["loaded"], old["version"]) == (["1", "2.1", "2.4"], True, 1)
    assert old["passages"] == len(knowledge.outline("37-qd-tw-2021").bodies)
    assert (rows["2212-qd-tu-2020"]["loaded"], rows["2212-qd-tu-2020"]["passages"]) == (False, 0)
