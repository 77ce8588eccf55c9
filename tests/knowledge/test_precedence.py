import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge.chunker import chunk
from knowledge.model import Document, Force, Replacement, TextKind
from knowledge.precedence import precedence, settle
from knowledge.views import View
from tests.knowledge.builders import a_document

OFFICIAL = """Điều 1. Phạm vi
Quy định này quy định về từ chức.

Điều 2. Căn cứ từ chức
1. Do hạn chế về năng lực.
2. Để cơ quan xảy ra sai phạm.

Điều 4. Thi hành
Quy định này có hiệu lực từ ngày ký.
"""
DIGEST = """# Quy định thử (tóm lược)

## Điều 1. Phạm vi

Nói về từ chức.

## Điều 2. Căn cứ

1. Năng lực hạn chế.
2. Cơ quan có sai phạm.
3. Tín nhiệm thấp.

## Ghi chú

Chưa có toàn văn.
"""


def an_official(**changed: object) -> Document:
    return replace(a_document(OFFICIAL, id="chinh-thuc"), **changed)  # type: ignore[arg-type]


def a_digest(**changed: object) -> Document:
    return replace(a_document(DIGEST, id="tom-luoc"), text_kind=TextKind.DIGEST, **changed)  # type: ignore[arg-type]


def ways(views: Sequence[View]) -> dict[str, str]:
    return {view.question: view.passage_id for view in views}


def test_official_text_answers_and_the_digest_leaves() -> None:
    other = replace(a_document("Nội dung.", id="khac"), number="2-QĐ/TW")
    documents, _ = precedence([a_digest(), other, an_official()], [])
    assert [document.id for document in documents] == ["khac", "chinh-thuc"]


def test_digests_passages_lead_to_the_official_text() -> None:
    _, views = precedence([an_official(), a_digest()], [])
    assert ways(views) == {
        "Nói về từ chức.": "chinh-thuc/dieu-1",
        "Năng lực hạn chế.": "chinh-thuc/dieu-2.khoan-1",
        "Cơ quan có sai phạm.": "chinh-thuc/dieu-2.khoan-2",
        # The official article has no third clause: its first one is nearest.
        "Tín nhiệm thấp.": "chinh-thuc/dieu-2.khoan-1",
    }


def test_curated_questions_are_led_there_as_well_and_those_of_others_stay() -> None:
    asked = [
        View("tom-luoc/dieu-2.khoan-2", "đơn vị có sai phạm thì sao"),
        View("tom-luoc/dieu-2.khoan-3", "tín nhiệm thấp có phải từ chức không"),
        View("khac/dieu-2.khoan-2", "hỏi văn bản khác"),
        View("?đảng phí", "đóng đảng phí bao nhiêu"),
    ]
    _, views = precedence([an_official(), a_digest()], asked)
    assert [view.passage_id for view in views[:4]] == [
        "chinh-thuc/dieu-2.khoan-2",
        "chinh-thuc/dieu-2.khoan-1",
        "khac/dieu-2.khoan-2",
        "?đảng phí",
    ]


def test_what_has_no_place_in_the_official_text_is_dropped_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    asked = [View("tom-luoc/ghi-chu", "có toàn văn chưa"), View("tom-luoc/dieu-9", "điều chín")]
    settled = settle([an_official(), a_digest()], asked)
    assert settled.dropped == {"tom-luoc": 3}
    assert "Chưa có toàn văn." not in ways(settled.views)
    with caplog.at_level(logging.INFO):
        precedence([an_official(), a_digest()], asked)
    assert "3 of its questions" in caplog.text
    assert "Chưa có toàn văn" not in caplog.text


def test_every_way_ends_at_a_passage_of_the_official_text() -> None:
    documents, views = precedence([an_official(), a_digest()], [])
    assert {view.passage_id for view in views} <= {passage.id for passage in chunk(documents[0])}


def test_official_text_takes_from_the_digest_what_it_does_not_say_of_itself() -> None:
    newer = Replacement("2-QĐ/TW (4/5/2026)", "2-QĐ/TW", date(2026, 5, 4), confirmed=True)
    digest = a_digest(
        title="Quy định về từ chức",
        issuer="Ban Bí thư",
        status="đã được thay thế bởi 2-QĐ/TW",
        replaced_by=newer,
        replaces="9-QĐ/TW",
        cited_in_plan=("2.2",),
        aliases=("QĐ1",),
        force_basis="nguồn báo",
        in_force_from=date(2021, 3, 1),
    )
    bare = an_official(title="1-qd-tw-scan", issuer="chưa rõ", status="chưa rõ", aliases=("Quy định 1",))
    [official], _ = precedence([bare, digest], [])
    assert (official.title, official.issuer, official.status) == (digest.title, "Ban Bí thư", digest.status)
    assert (official.force, official.replaced_by, official.replaces) == (Force.SUPERSEDED, newer, "9-QĐ/TW")
    assert (official.cited_in_plan, official.aliases) == (("2.2",), ("Quy định 1", "QĐ1"))
    assert (official.force_basis, official.in_force_from) == ("nguồn báo", date(2021, 3, 1))
    assert (official.text, official.text_kind) == (OFFICIAL, TextKind.OFFICIAL)


def test_status_never_denies_what_the_digest_knows_of_the_force() -> None:
    newer = Replacement("2-QĐ/TW", "2-QĐ/TW", None, confirmed=True)
    digest = a_digest(status="đã được thay thế bởi 2-QĐ/TW", replaced_by=newer)
    [official], _ = precedence([an_official(status="đang thực hiện"), digest], [])
    assert (official.force, official.status) == (Force.SUPERSEDED, "đã được thay thế bởi 2-QĐ/TW")
    [official], _ = precedence([an_official(status="đang thực hiện"), a_digest(status="theo báo")], [])
    assert official.status == "đang thực hiện"


def test_official_text_keeps_what_it_says_itself() -> None:
    newer = Replacement("2-QĐ/TW", "2-QĐ/TW", None, confirmed=True)
    digest = a_digest(title="Tên khác hẳn", status="đã thay", replaced_by=newer, issuer="Ban Bí thư", force_basis="báo")
    ours = an_official(stated_force=Force.IN_FORCE, status="còn hiệu lực", cited_in_plan=("1",))
    [official], _ = precedence([ours, replace(digest, cited_in_plan=("2",))], [])
    assert official == ours


@pytest.mark.parametrize(
    "changed",
    [{"number": "2-QĐ/TW"}, {"issued_on": date(2026, 3, 20)}, {"issued_on": None}, {"number": None}],
)
def test_another_number_or_date_is_another_document(changed: dict[str, object]) -> None:
    documents, views = [an_official(), a_digest(**changed)], [View("tom-luoc/dieu-1", "hỏi")]
    assert precedence(documents, views) == (documents, views)


def test_two_documents_without_a_number_are_not_the_same() -> None:
    documents = [an_official(number=None), a_digest(number=None)]
    assert precedence(documents, [])[0] == documents


def test_official_text_that_is_known_by_name_alone_leaves_the_digest_where_it_is() -> None:
    documents = [an_official(metadata_only=True), a_digest()]
    assert precedence(documents, []) == (documents, [])


@given(st.permutations([an_official(), a_digest(), a_document("Nội dung.", id="khac", number="2-QĐ/TW")]))
def test_order_of_the_documents_changes_nothing(documents: list[Document]) -> None:
    kept, views = precedence(documents, [])
    assert {document.id for document in kept} == {"chinh-thuc", "khac"}
    assert len(views) == 4
