"""Whether documents still hold, their cards and their picture, as people meet them in chat."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from assessment.model import Role
from embeddings.encoder import Encoder, make_encoder
from handlers import references_texts, texts
from handlers.messages import BlockKind, Reply
from handlers.question import answer_question
from handlers.references import MOST_CARDS, documents_page
from handlers.services import Options, Services
from knowledge.answer import KnowledgeBase, build_knowledge
from knowledge.cards import card
from knowledge.lexicon import Lexicon, load_lexicon
from knowledge.loader import load_documents
from knowledge.model import Force, Replacement
from storage.store import Store
from tests.handlers.conftest import Village

DOCUMENTS = Path(__file__).parent.parent.parent / "knowledge" / "documents"
NEWER = Replacement("99-QĐ/TW (5/1/2026)", "99-QĐ/TW", date(2026, 1, 5), confirmed=True)
AMENDING = Replacement("207-QĐ/TW (26/7/2026)", "207-QĐ/TW", date(2026, 7, 26), confirmed=True)
NOW = datetime(2026, 11, 5, 2, tzinfo=UTC)
MISSING = ("2212-qd-tu-2020", "40-ctr-tu-2018", "nghi-quyet-dai-hoi-xi-dang-bo-tinh")


@cache
def tools() -> tuple[Encoder, Lexicon]:
    return make_encoder("bundled"), load_lexicon()


def with_changed(changed: Mapping[str, Mapping[str, Any]]) -> KnowledgeBase:
    """The shipped documents, some with another registry entry, by their ids."""
    documents = [replace(document, **changed.get(document.id, {})) for document in load_documents(DOCUMENTS)]
    return build_knowledge(documents, *tools())


@pytest.fixture(scope="module")
def changed() -> KnowledgeBase:
    """114 is no longer in force, 144 was amended, 2212 (never loaded) was replaced, 08 holds for certain."""
    return with_changed(
        {
            "114-qd-tw-2023": {"stated_force": Force.NO_LONGER_IN_FORCE},
            "144-qd-tw-2024": {"amended_by": (AMENDING,)},
            "2212-qd-tu-2020": {"replaced_by": NEWER},
            "08-qdi-tw-2018": {
                "stated_force": Force.IN_FORCE,
                "status": "còn hiệu lực",
                "force_basis": "Danh mục của tỉnh",
                "checked_on": date(2026, 11, 2),
            },
            "217-qd-tw-2013": {"stated_force": Force.NO_LONGER_IN_FORCE},
        }
    )


def ask(knowledge: KnowledgeBase, question: str) -> Reply:
    return answer_question(question, {}, Services(knowledge))[0]


def first(reply: Reply) -> tuple[BlockKind, str]:
    return reply.blocks[0].kind, reply.blocks[0].text


# --- what no longer holds is said first ------------------------------------------------------------------------------

GONE = (BlockKind.NOTICE, "Quy định 114-QĐ/TW (11/07/2023) không còn hiệu lực.")
AMENDED = (BlockKind.NOTICE, "Quy định 144-QĐ/TW (09/05/2024) đã được sửa đổi, bổ sung bởi 207-QĐ/TW (26/7/2026).")
REPLACED = (BlockKind.NOTICE, "Quy định 2212-QĐ/TU (16/04/2020) đã được thay thế bởi 99-QĐ/TW (5/1/2026).")


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("quy định 114 cấm những gì", GONE),
        ("quy định 114 còn hiệu lực không", GONE),
        ("thẻ quy định 114", GONE),
        ("kế hoạch nhắc quy định 114 ở đâu", GONE),
        ("điều 4 quy định 144", AMENDED),
        ("quy định 144 còn hiệu lực không", AMENDED),
        ("điều 99 quy định 144", AMENDED),
        ("nội dung quy định 2212", REPLACED),
        ("điều 5 quy định 2212", REPLACED),
    ],
)
def test_what_holds_no_longer_is_said_first(changed: KnowledgeBase, question: str, said: tuple[BlockKind, str]) -> None:
    assert first(ask(changed, question)) == said


def test_what_changed_a_document_is_offered(changed: KnowledgeBase) -> None:
    assert "Xem 207-QĐ/TW (2026)" in [button.label for button in ask(changed, "điều 4 quy định 144").buttons]
    assert "Xem 207-QĐ/TW (2026)" in [button.label for button in ask(changed, "điều 99 quy định 144").buttons]


def test_plan_that_cites_what_holds_no_longer_is_quoted_first_and_then_it_is_said(changed: KnowledgeBase) -> None:
    reply = ask(changed, "Quyết định 217 và 218 về giám sát, phản biện xã hội trong kế hoạch mục 2.5 ý 1")
    notices = [block.text for block in reply.blocks if block.kind is BlockKind.NOTICE]
    assert "Quyết định 217-QĐ/TW (12/12/2013) không còn hiệu lực." in notices


def test_missing_article_of_a_replaced_document_offers_its_successor(knowledge: KnowledgeBase) -> None:
    reply = ask(knowledge, "điều 99 quy định 41")
    assert first(reply)[1].startswith("Quy định 41-QĐ/TW (03/11/2021) đã được thay thế bởi")
    assert reply.blocks[1].text == "Bản đang lưu của Quy định 41-QĐ/TW (03/11/2021) không có Điều 99."
    assert [button.label for button in reply.buttons] == ["Xem 377-QĐ/TW (2025)"]


def test_document_in_force_is_answered_without_a_notice(changed: KnowledgeBase) -> None:
    assert first(ask(changed, "điều 1 quy định 08"))[0] is not BlockKind.NOTICE
    asked = ask(changed, "quy định 08 còn hiệu lực không")
    assert first(asked)[1] == "Quy định 08-QĐi/TW (25/10/2018): còn hiệu lực."


def test_lists_say_in_a_few_words_what_holds_no_longer(changed: KnowledgeBase) -> None:
    lines = ask(changed, "kế hoạch viện dẫn những văn bản nào").text
    assert "• Quyết định 217-QĐ/TW (12/12/2013) – không còn hiệu lực" in lines


# --- cards ----------------------------------------------------------------------------------------------------------


def test_card_gives_basis_and_day_of_the_check(changed: KnowledgeBase) -> None:
    lines = ask(changed, "quy định 08 còn hiệu lực không").blocks[1].text.splitlines()
    assert "Căn cứ: Danh mục của tỉnh; kiểm tra ngày 02/11/2026" in lines


def test_card_without_a_basis_says_that_no_day_is_known(village: Village) -> None:
    assert village.say("an", "thẻ 37") == village.say("an", "thẻ 37-QĐ/TW")
    said = village.say("an", "thẻ 37-QĐ/TW").splitlines()
    assert said[0].startswith("Quy định 37-QĐ/TW (25/10/2021) đã được thay thế bởi Quy định 207-QĐ/TW")
    assert "Căn cứ: nhiều nguồn năm 2026; chưa có toàn văn để đối chiếu; chưa ghi ngày kiểm tra" in said
    assert "Văn bản khác nhắc tới: Kết luận 14-KL/TW (22/09/2021); Quy định 207-QĐ/TW (26/07/2026)" in said
    assert "Tình trạng này chưa ghi ngày kiểm tra" in village.say("an", "thẻ 26-NQ/TW")


def test_document_of_which_nobody_knows_whether_it_holds_says_so_in_a_sentence(knowledge: KnowledgeBase) -> None:
    document = replace(knowledge.documents["144-qd-tw-2024"], stated_force=Force.UNKNOWN, status="chưa rõ")
    said = texts.whether_replaced(document, None)
    assert said == "Chưa rõ Quy định 144-QĐ/TW (09/05/2024) còn hiệu lực hay không."


def test_later_version_is_counted_on_its_card(knowledge: KnowledgeBase) -> None:
    later = replace(card(knowledge, "26-nq-tw-2018"), version=3)
    assert "Nội dung: có bản tóm lược (bản thứ 3), không thay văn bản chính thức" in texts.card_lines(later)


def test_card_of_a_document_that_is_only_cited_leads_to_who_cites_it(village: Village) -> None:
    said = village.say("an", "thẻ 205-QĐ/TW").splitlines()
    assert said[:2] == ["205-QĐ/TW (23/09/2019)", "Nội dung: chưa có trong kho, chỉ được văn bản khác nhắc tới"]
    assert village.choose("an", "Xem Quy định 2212").startswith("Quy định 2212-QĐ/TU (16/04/2020)")


def test_year_tells_two_documents_of_one_number_apart(village: Village) -> None:
    assert village.say("an", "thẻ 14-KL/TW ngày 20/3/2026").startswith("14-KL/TW (20/03/2026)\n")
    assert village.say("an", "thẻ 14-KL/TW").startswith("Kết luận 14-KL/TW (22/09/2021)\n")


def test_card_of_a_document_that_nobody_cites_is_none(village: Village) -> None:
    assert "không viện dẫn 999-QĐ/TW" in village.say("an", "thẻ 999-QĐ/TW")


# --- the picture ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("typed", ["SO DO VAN BAN", "/so_do"])
def test_picture_is_sent_to_anybody_who_asks(village: Village, typed: str) -> None:
    assert village.say("khách", typed).startswith("Sơ đồ các văn bản: kế hoạch ở giữa")
    path = village.files["khách"]["png"]
    assert path.name == references_texts.PICTURE_FILE
    with Image.open(path) as picture:
        assert picture.width == 1080


def test_picture_leads_to_the_list(village: Village) -> None:
    village.say("an", "sơ đồ văn bản")
    assert village.choose("an", "Danh sách văn bản").startswith("Văn bản được kế hoạch viện dẫn:")


def test_page_shows_the_picture_and_every_card(knowledge: KnowledgeBase) -> None:
    page = documents_page(Services(knowledge))
    cards = {each["id"]: each for group in page["groups"] for each in group["cards"]}
    assert {d.id for d in knowledge.documents.values() if not d.is_plan} <= set(cards)
    assert cards["41-qd-tw-2021"]["force"] == "Đã được thay thế"
    assert "Thay bằng: Quy định 377-QĐ/TW (08/10/2025)" in cards["41-qd-tw-2021"]["lines"]
    assert cards["?205-QĐ/TW@2019-09-23"]["name"] == "205-QĐ/TW (23/09/2019)"
    assert page["picture"].startswith("<svg")
    assert (page["left_out"], len(page["groups"])) == ("", 3)


def test_page_of_a_large_store_says_how_many_cards_it_leaves_out() -> None:
    document = next(d for d in load_documents(DOCUMENTS) if d.id == "37-qd-tw-2021")
    many = [
        replace(document, id=f"{n}", number=f"{n}-QĐ/TW", title=f"Quy định số {n}", text="Điều 1. Một\nNội dung.\n")
        for n in range(1, MOST_CARDS + 31)
    ]
    page = documents_page(Services(build_knowledge(many, *tools())))
    assert sum(len(group["cards"]) for group in page["groups"]) == MOST_CARDS
    # The one more is what is said to have replaced them all.
    assert page["left_out"].startswith("Còn 31 văn bản nữa.")


# --- what is to be loaded -------------------------------------------------------------------------------------------


@pytest.fixture
def office(store: Store, knowledge: KnowledgeBase) -> Village:
    village = Village(store, knowledge, NOW, Options(admins=frozenset({"console:quan-tri"})))
    village.add("an", "Nguyễn Văn An")
    village.add("binh", "Trần Thị Bình", Role.SECRETARY)
    village.enrol("an", "binh")
    return village


@pytest.mark.parametrize("user", ["an", "binh", "khách"])
def test_only_an_administrator_sees_what_is_wanted(office: Village, user: str) -> None:
    assert office.say(user, "văn bản cần nạp") == references_texts.ONLY_ADMIN


def test_wanted_documents_are_listed_the_most_asked_for_first(office: Village) -> None:
    for _ in range(2):
        office.say("an", "nội dung quy định 2212")
    office.say("binh", "nội dung chương trình 40-CTr/TU")
    said = office.say("quan-tri", "VĂN BẢN CẦN NẠP").splitlines()
    assert said[:5] == [
        "Văn bản cần nạp: 3.",
        "1. Quy định 2212-QĐ/TU (16/04/2020): 2 lượt hỏi.",
        "   Kế hoạch viện dẫn ở: mục 2.2, gạch đầu dòng 2.",
        "   Văn bản nhắc tới: Quy định 114-QĐ/TW (11/07/2023).",
        "   Cần gửi: bản chính thức có số 2212-QĐ/TU, ngày 16/04/2020.",
    ]
    assert "2. Chương trình hành động 40-CTr/TU (14/08/2018): 1 lượt hỏi." in said
    assert "3. Nghị quyết Đại hội XI Đảng bộ tỉnh: chưa ai hỏi." in said
    assert [line for line in said if line.startswith("[")] == [
        "[1] Xem 2212-QĐ/TU (2020)",
        "[2] Xem 40-CTr/TU (2018)",
        "[3] Xem Nghị quyết Đại hội XI Đảng bộ tỉnh",
    ]
    assert office.choose("quan-tri", "Xem 2212").startswith("Quy định 2212-QĐ/TU (16/04/2020)\n")


def test_what_was_loaded_since_is_wanted_no_longer(office: Village, store: Store) -> None:
    office.say("an", "nội dung quy định 2212")
    loaded = with_changed({"2212-qd-tu-2020": {"metadata_only": False}})
    later = Village(store, loaded, NOW, Options(admins=frozenset({"console:quan-tri"})))
    said = later.say("quan-tri", "văn bản cần nạp")
    assert said.startswith("Văn bản cần nạp: 2.")
    assert "2212" not in said


def test_nothing_is_wanted_where_everything_is_loaded(store: Store) -> None:
    loaded = with_changed({each: {"metadata_only": False} for each in MISSING})
    village = Village(store, loaded, NOW, Options(admins=frozenset({"console:quan-tri"})))
    assert village.say("quan-tri", "văn bản cần nạp") == references_texts.NOTHING_WANTED


def test_long_list_goes_on_behind_a_choice(store: Store) -> None:
    cited = ("26-nq-tw-2018", "217-qd-tw-2013", "218-qd-tw-2013")
    lacking = with_changed({each: {"metadata_only": True} for each in cited})
    village = Village(store, lacking, NOW, Options(admins=frozenset({"console:quan-tri"})))
    seen = [village.say("quan-tri", "văn bản cần nạp")]
    while "Xem tiếp" in seen[-1]:
        seen.append(village.choose("quan-tri", "Xem tiếp"))
    numbers = [line.partition(".")[0] for said in seen for line in said.splitlines() if line[0].isdigit()]
    assert numbers == ["1", "2", "3", "4", "5", "6"]
    assert all(said.count("[") <= 3 for said in seen)


def test_document_that_the_plan_cites_and_that_has_no_entry_is_noted_and_wanted(store: Store) -> None:
    plan = next(d for d in load_documents(DOCUMENTS) if d.is_plan)
    alone = build_knowledge([plan], *tools())
    village = Village(store, alone, NOW, Options(admins=frozenset({"console:quan-tri"})))
    said = village.say("an", "nội dung quy định 2212")
    assert said.startswith("Kế hoạch viện dẫn Quy định 2212-QĐ/TU ở mục 2.2, gạch đầu dòng 2: «")
    assert "Toàn văn chưa được nạp, tôi đã ghi vào danh sách cần bổ sung." in said
    assert "1. Quy định 2212-QĐ/TU (16/04/2020): 1 lượt hỏi." in village.say("quan-tri", "văn bản cần nạp")
    assert village.choose("quan-tri", "Xem 2212").startswith("Quy định 2212-QĐ/TU (16/04/2020)\n")


def test_no_words_reach_the_log(office: Village, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        office.say("an", "nội dung quy định 2212")
        office.say("quan-tri", "văn bản cần nạp")
        office.say("an", "sơ đồ văn bản")
    assert "2212" not in caplog.text
