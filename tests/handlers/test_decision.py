"""A committee's written decision that secretaries see all answers: said before, quoted, and only from then on."""

import contextlib
import sqlite3
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from assessment.loader import load_checklists
from assessment.model import Role
from bot.gateway import Gateway
from handlers.enrolment import NOTICE, notice_name
from handlers.pages import make_page
from handlers.router import handle
from handlers.services import Options, Services
from knowledge.answer import KnowledgeBase
from storage.store import Store
from tests.handlers.conftest import Village, staged

NOW = datetime(2026, 11, 5, 2, tzinfo=UTC)
NOVEMBER = date(2026, 11, 1)
DECISION = "Nghị quyết số 12-NQ/ĐU ngày 01/10/2026 của Đảng ủy xã An Bình"
DECIDED = Options(decision=DECISION)


def _undecided(village: Village) -> None:
    village.add("binh", "Trần Thị Bình", Role.SECRETARY)
    village.add("an", "Nguyễn Văn An")
    village.enrol("binh", "an")
    village.say("binh", "mở kỳ")
    village.choose("binh", "Xác nhận")


@pytest.fixture
def undecided(store: Store, knowledge: KnowledgeBase) -> Village:
    """A secretary and a member who have agreed while there was no decision; the round is open."""
    village = Village(store, knowledge, NOW)
    return staged(village, _undecided)


def decide(village: Village, knowledge: KnowledgeBase, decision: str | None = DECISION) -> Village:
    """Start again with a decision entered, on the same database."""
    later = Village(village.store, knowledge, village.now, Options(decision=decision))
    later.ids, later.choices, later.choice_ids = village.ids, village.choices, village.choice_ids
    return later


def fill_in(village: Village, user: str, *present: int) -> str:
    """Go through the checklist; these items are present and not reported. Return the preview."""
    village.say(user, "tự đánh giá")
    said = village.choose(user, "Bắt đầu")
    while "Xác nhận nộp" not in said:
        said = village.choose(user, "Cả nhóm" if "Cả nhóm" in said else "Không có biểu hiện")
    for number in present:
        village.say(user, f"sửa điều {number}")
        said = village.choose(user, "Có biểu hiện")
        label = "Chỉ mình tôi" if "[2] Chỉ mình tôi" in said else "Không báo cáo"
        said = village.choose(user, label)
    return said


def hand_in(village: Village, user: str, *present: int) -> str:
    said = fill_in(village, user, *present)
    village.choose(user, "Xác nhận")
    return said


# --- without ----------------------------------------------------------------------------------------------------


def test_without_a_decision_the_secretary_sees_what_was_reported_alone(undecided: Village) -> None:
    said = hand_in(undecided, "an", 12)
    assert "quyết định" not in said
    said = undecided.say("binh", "báo cáo")
    assert "Câu trả lời của" not in said
    assert "điều 12" not in said
    with undecided.store.transaction() as transaction:
        assert transaction.people.has_consented(undecided.ids["an"], NOTICE)


def test_name_of_the_notice_hangs_on_the_words_of_the_decision() -> None:
    assert notice_name(Options()) == NOTICE
    first, second = notice_name(DECIDED), notice_name(Options(decision=f"{DECISION}."))
    assert len({NOTICE, first, second}) == 3
    assert first.startswith(f"{NOTICE}-")
    assert len(first) <= 64


# --- with -------------------------------------------------------------------------------------------------------


def _decided(village: Village) -> None:
    village.add("binh", "Trần Thị Bình", Role.SECRETARY)
    village.add("an", "Nguyễn Văn An")
    village.enrol("binh", "an")
    village.say("binh", "mở kỳ")
    village.choose("binh", "Xác nhận")


@pytest.fixture
def decided(store: Store, knowledge: KnowledgeBase) -> Village:
    """The same where the decision was there from the beginning."""
    village = Village(store, knowledge, NOW, DECIDED)
    return staged(village, _decided)


def test_notice_says_it_plainly_and_quotes_the_decision(decided: Village) -> None:
    decided.add("chi", "Võ Thị Chi")
    said = decided.say("chi", f"/start {decided.code('chi')}")
    assert "MỌI câu trả lời của đồng chí" in said
    assert f"«{DECISION}»" in said
    assert "những điều đồng chí tự chọn báo cáo, và việc" not in said


def test_secretary_sees_all_answers_of_who_was_told_before(decided: Village) -> None:
    hand_in(decided, "an", 12)
    said = decided.say("binh", "báo cáo")
    assert f"Câu trả lời của 1 đồng chí đã được báo trước theo quyết định «{DECISION}»:" in said
    assert "• Nguyễn Văn An: có biểu hiện điều 12" in said
    assert "Không có đồng chí nào báo cáo điều nào với chi bộ." in said


def test_draft_stays_the_members(decided: Village) -> None:
    fill_in(decided, "an", 12)
    assert "Nguyễn Văn An" not in decided.say("binh", "báo cáo")


def test_nothing_said_on_the_way_promises_otherwise(decided: Village) -> None:
    intro = decided.say("an", "tự đánh giá")
    assert f"mọi câu trả lời sau khi nộp (theo «{DECISION}»)" in intro
    decided.choose("an", "Để sau")
    said = fill_in(decided, "an")
    assert "bí thư sẽ thấy mọi câu trả lời trên" in said
    decided.say("an", "sửa điều 12")
    said = decided.choose("an", "Có biểu hiện")
    assert "bí thư thấy mọi câu trả lời" in said
    assert decided.choices["an"] == ["Báo cáo với chi bộ", "Không báo cáo"]
    decided.say("an", "sửa điều 5")
    assert "không biết là về điều nào" not in decided.choose("an", "Cần trao đổi")


def test_member_sees_that_the_answers_were_read(decided: Village) -> None:
    hand_in(decided, "an", 12)
    assert "Bí thư đã xem" not in decided.say("an", "của tôi")
    decided.say("binh", "báo cáo")
    assert "Bí thư đã xem câu trả lời của đồng chí (kỳ tháng 11/2026)" in decided.say("an", "của tôi")


def test_what_is_opened_is_kept_encrypted(decided: Village, tmp_path: Path) -> None:
    hand_in(decided, "an", 12)
    decided.say("binh", "báo cáo")
    with contextlib.closing(sqlite3.connect(tmp_path / "tu-soi.db")) as database:
        dump = "\n".join(database.iterdump())
    assert "có biểu hiện điều" not in dump


def test_other_roles_see_no_more_than_before(decided: Village) -> None:
    decided.add("pho", "Vũ Văn Phó", Role.DEPUTY_SECRETARY)
    decided.add("uy", "Hoàng Văn Ủy", Role.COMMITTEE_MEMBER)
    decided.enrol("pho", "uy")
    hand_in(decided, "an", 12)
    for user in ("pho", "uy"):
        for words in ("báo cáo", "tiến độ", "các chi bộ"):
            assert "điều 12" not in decided.say(user, words)


# --- entered later, changed, taken back -------------------------------------------------------------------------


def test_decision_entered_later_asks_everybody_anew(undecided: Village, knowledge: KnowledgeBase) -> None:
    later = decide(undecided, knowledge)
    said = later.say("an", "tự đánh giá")
    assert f"«{DECISION}»" in said
    assert "[1] Đồng ý" in said
    later.choose("an", "Đồng ý")
    hand_in(later, "an", 12)
    assert "• Nguyễn Văn An: có biểu hiện điều 12" in later.say("binh", "báo cáo")


def test_who_had_begun_before_the_notice_keeps_this_rounds_answers(
    undecided: Village, knowledge: KnowledgeBase
) -> None:
    undecided.say("an", "tự đánh giá")
    undecided.choose("an", "Bắt đầu")
    undecided.choose("an", "Cả nhóm")
    later = decide(undecided, knowledge)
    later.say("an", "tự đánh giá")
    later.choose("an", "Đồng ý")
    said = later.say("an", "tự đánh giá")
    while "Xác nhận nộp" not in said:
        said = later.choose("an", "Cả nhóm" if "Cả nhóm" in said else "Không có biểu hiện")
    later.say("an", "sửa điều 1")
    said = later.choose("an", "Có biểu hiện")
    assert "Bí thư chỉ thấy những điều đồng chí chọn báo cáo." in said
    later.choose("an", "Chỉ mình tôi")
    later.choose("an", "Xác nhận")
    said = later.say("binh", "báo cáo")
    assert "Câu trả lời của" not in said
    assert "điều 1 " not in said


def test_handed_in_before_the_decision_stays_closed(undecided: Village, knowledge: KnowledgeBase) -> None:
    hand_in(undecided, "an", 12)
    later = decide(undecided, knowledge)
    later.say("an", "tự đánh giá")
    later.choose("an", "Đồng ý")
    later.say("an", "sửa điều 18")
    later.choose("an", "Có biểu hiện")
    later.choose("an", "Chỉ mình tôi")
    said = later.say("binh", "báo cáo")
    assert "Câu trả lời của" not in said


def test_other_decision_is_another_notice(decided: Village, knowledge: KnowledgeBase) -> None:
    hand_in(decided, "an", 12)
    later = decide(decided, knowledge, "Nghị quyết khác")
    assert "Câu trả lời của" not in later.say("binh", "báo cáo")
    assert "«Nghị quyết khác»" in later.say("an", "tự đánh giá")


def test_decision_taken_out_closes_what_it_had_opened(decided: Village, knowledge: KnowledgeBase) -> None:
    hand_in(decided, "an", 12)
    later = decide(decided, knowledge, None)
    assert "Câu trả lời của" not in later.say("binh", "báo cáo")


def test_consent_that_was_taken_back_closes_the_answers(decided: Village) -> None:
    hand_in(decided, "an", 12)
    decided.say("an", "rút đồng ý")
    decided.choose("an", "Xác nhận")
    assert "Câu trả lời của" not in decided.say("binh", "báo cáo")


def test_agreeing_under_an_older_notice_is_asked_about_again(store: Store, knowledge: KnowledgeBase) -> None:
    before = Village(store, knowledge, NOW)
    before.add("an", "Nguyễn Văn An")
    before.say("an", f"/start {before.code('an')}")
    agree = before.choice_ids["an"][0]
    later = decide(before, knowledge)
    said = later.tap("an", agree)
    assert "Thông báo đã thay đổi" in said
    assert f"«{DECISION}»" in said
    with store.transaction() as transaction:
        assert not transaction.people.has_consented(later.ids["an"], notice_name(DECIDED))
    assert "đã lưu sự đồng ý" in later.choose("an", "Đồng ý")


def on_page(village: Village, knowledge: KnowledgeBase, user: str, **command: str) -> dict[str, Any]:
    """Do something on a member's page, with the decision entered."""
    services = Services(knowledge, {(each.id, each.version): each for each in load_checklists()}, DECIDED)
    gateway = Gateway(
        village.store, partial(handle, services=services), make_page=partial(make_page, services=services)
    )
    page = gateway.page_now("checklist", "console", user, command, now=village.now)
    assert page is not None
    return page


def test_page_shows_the_same_notice_and_takes_consent_to_no_other(decided: Village, knowledge: KnowledgeBase) -> None:
    decided.add("chi", "Võ Thị Chi")
    decided.say("chi", f"/start {decided.code('chi')}")
    page = on_page(decided, knowledge, "chi", do="look")
    assert (page["screen"], page["notice"]) == ("consent", notice_name(DECIDED))
    assert f"«{DECISION}»" in page["text"]
    assert on_page(decided, knowledge, "chi", do="agree", notice=NOTICE)["screen"] == "consent"
    assert on_page(decided, knowledge, "chi", do="agree")["screen"] == "consent"
    page = on_page(decided, knowledge, "chi", do="agree", notice=page["notice"])
    assert page["screen"] == "round"
    assert page["round"]["is_decided"]
    assert f"«{DECISION}»" in page["round"]["intro"]


def test_page_of_who_had_begun_before_says_that_nothing_changes(undecided: Village, knowledge: KnowledgeBase) -> None:
    undecided.say("an", "tự đánh giá")
    undecided.choose("an", "Bắt đầu")
    undecided.choose("an", "Cả nhóm")
    page = on_page(undecided, knowledge, "an", do="agree", notice=notice_name(DECIDED))
    assert not page["round"]["is_decided"]
    assert "những điều đồng chí tự chọn báo cáo" in page["round"]["intro"]


def test_paper_is_not_opened_by_a_decision(decided: Village) -> None:
    decided.add("pho", "Vũ Văn Phó", Role.DEPUTY_SECRETARY)
    decided.add("cuong", "Lê Văn Cường", has_phone=False)
    decided.enrol("pho")
    decided.say("pho", "nhập phiếu")
    decided.choose("pho", "Lê Văn Cường")
    decided.say("pho", "có 3; trao đổi 5; báo cáo 3")
    decided.choose("pho", "Xác nhận")
    said = decided.say("binh", "báo cáo")
    assert "Báo cáo với chi bộ: Lê Văn Cường (điều 3)." in said
    assert "Câu trả lời của" not in said
