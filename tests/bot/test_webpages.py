"""The checklist's page and the secretary's over HTTP, with a real database and the real documents."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from assessment.model import ItemAnswer
from bot.channels.web_requests import COOKIE, MAX_BODY_BYTES, chat_id_of
from bot.channels.webpages import PAGES, read_page
from handlers.checklist_page import NOTE_CHARACTERS
from storage.rounds import StoredAnswer
from tests.bot.pages import AN, CUONG, DUNG, GROUPS, HOSTILE, Hamlet, do, fill_in, token_of

NONE = StoredAnswer(ItemAnswer.NONE)


# --- the pages themselves ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/tu-danh-gia", "/bi-thu", "/tu-danh-gia?code=BCDF2345"])
async def test_page_is_its_own_and_kept_nowhere(hamlet: Hamlet, path: str) -> None:
    async with hamlet.visitor() as client:
        answer = await client.get(path)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] == "same-origin"
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert policy != (await client.get("/")).headers["content-security-policy"]
        assert policy.count("sha256-") == 2
        # The page holds nothing of anybody: what is personal comes by itself, and what was in the address does not.
        assert "BCDF2345" not in answer.text
        assert "/* webpages" not in answer.text
        assert len(client.cookies[COOKIE]) == 32


async def test_opening_a_page_with_a_code_uses_nothing_up(hamlet: Hamlet) -> None:
    code = hamlet.code(DUNG)
    async with hamlet.visitor() as client:
        await client.get(f"/tu-danh-gia?code={code}")
        assert (await do(client, "checklist", "look"))["screen"] == "code"
        assert (await do(client, "checklist", "code", code=code))["said"].startswith(f"Chào đồng chí {DUNG}, Chi bộ 3")


async def test_personal_answers_are_not_cached(hamlet: Hamlet) -> None:
    async with hamlet.visitor(token_of("a")) as client:
        answer = await client.post("/api/pages/checklist", json={"do": "look"})
        assert answer.headers["cache-control"] == "no-store"


# --- what is refused -----------------------------------------------------------------------------------------------


async def test_other_sites_pages_are_refused(hamlet: Hamlet) -> None:
    round_id = hamlet.open()
    command = {"do": "answer", "round": round_id, "item": 1, "answer": "present"}
    async with hamlet.visitor(token_of("a")) as client:
        for headers in ({"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}):
            answer = await client.post("/api/pages/checklist", json=command, headers=headers)
            assert answer.status_code == 403
            assert "trang khác" in answer.json()["error"]
        form = await client.post("/api/pages/checklist", data={"do": "look"})
        assert form.status_code == 415
        assert (await client.get("/api/pages/checklist")).status_code == 405
    assert hamlet.answers(AN, round_id) == {}


@pytest.mark.parametrize(
    "command",
    [
        [],
        "look",
        {},
        {"do": "nonsense"},
        {"do": 7},
        {"do": "answer"},
        {"do": "answer", "round": 1, "item": 20, "answer": "none"},
        {"do": "answer", "round": 1, "item": 1, "answer": "perhaps"},
        {"do": "answer", "round": 1, "item": True, "answer": "none"},
        {"do": "answer", "round": "1", "item": 1, "answer": "none"},
        {"do": "answer", "round": 10**30, "item": 1, "answer": "none"},
        {"do": "report", "round": 1, "item": 1, "wanted": "yes"},
        {"do": "group", "round": 1, "group": 7},
        {"do": "note", "round": 1, "item": 1, "note": ["x"]},
        {"do": "code", "code": None},
    ],
)
async def test_what_no_page_of_ours_sends_changes_nothing(hamlet: Hamlet, command: Any) -> None:
    round_id = hamlet.open()
    assert round_id == 1
    async with hamlet.visitor(token_of("a")) as client:
        answer = await client.post("/api/pages/checklist", json=command)
        assert answer.status_code == 400
        assert "chưa đọc được" in answer.json()["error"]
    assert hamlet.answers(AN, round_id) == {}


async def test_too_much_is_refused_and_an_unknown_page_is_none(hamlet: Hamlet) -> None:
    async with hamlet.visitor(token_of("a")) as client:
        large = await client.post("/api/pages/checklist", json={"do": "look", "x": "a" * MAX_BODY_BYTES})
        assert large.status_code == 413
        assert (await client.post("/api/pages/admin", json={"do": "look"})).status_code == 400


async def test_another_cells_round_is_not_touched(hamlet: Hamlet) -> None:
    with hamlet.store.transaction() as transaction:
        other = transaction.people.add_cell(hamlet.organization, "Chi bộ 4")
    hamlet.open()
    theirs = hamlet.open(cell=other)
    async with hamlet.visitor(token_of("a")) as client:
        page = await do(client, "checklist", "answer", round=theirs, item=1, answer="present")
        assert page["refused"].startswith("Trang này đã cũ")
        assert page["round"]["id"] != theirs
        page = await do(client, "checklist", "answer", round=99, item=1, answer="present")
        assert "chưa lưu" in page["refused"]
    assert hamlet.answers(AN, theirs) == {}


async def test_stranger_can_do_nothing(hamlet: Hamlet) -> None:
    round_id = hamlet.open()
    async with hamlet.visitor() as client:
        for act in ("look", "agree", "submit", "answer"):
            page = await do(client, "checklist", act, round=round_id, item=1, answer="none")
            assert page["screen"] == "code"
            assert "xin bí thư chi bộ mã 8 ký tự" in page["text"]
            assert "round" not in page
        assert (await do(client, "secretary", "look"))["screen"] == "code"
        assert "Tôi chưa biết" in (await do(client, "secretary", "read"))["refused"]
        page = await do(client, "secretary", "press", action="rp_open", argument="2026-11-01")
        assert "Tôi chưa biết" in page["said"]


async def test_member_is_told_that_the_secretarys_page_is_not_theirs(hamlet: Hamlet) -> None:
    hamlet.open()
    async with hamlet.visitor(token_of("a")) as client:
        page = await do(client, "secretary", "look")
        assert page["screen"] == "nothing"
        assert "chỉ bí thư" in page["text"]
        assert "round" not in page
        assert page["files"] == []
        assert "chỉ bí thư" in (await do(client, "secretary", "read"))["refused"]
        assert (await client.get("/api/pages/secretary/files/1")).status_code == 404
    assert (await hamlet.visitor().get("/api/pages/checklist/files/1")).status_code == 404


# --- enrolment and consent -----------------------------------------------------------------------------------------


async def test_code_leads_to_the_notice_and_silence_is_no_consent(hamlet: Hamlet) -> None:
    round_id = hamlet.open()
    async with hamlet.visitor() as client:
        page = await do(client, "checklist", "code", code=hamlet.code(DUNG).lower())
        assert page["screen"] == "consent"
        assert "Bí thư chi bộ thấy" in page["text"]
        assert "Đồng chí có đồng ý không?" in page["text"]
        page = await do(client, "checklist", "answer", round=round_id, item=1, answer="none")
        assert page["screen"] == "consent"
        assert hamlet.answers(DUNG, round_id) == {}
        page = await do(client, "checklist", "agree")
        assert page["screen"] == "round"
        assert "Bí thư sẽ thấy" in page["round"]["intro"]
        assert len(page["checklist"]["groups"]) == len(GROUPS)


async def test_used_and_expired_codes_say_what_to_do(hamlet: Hamlet) -> None:
    used = hamlet.code(DUNG)
    async with hamlet.visitor() as first, hamlet.visitor() as second:
        await do(first, "checklist", "code", code=used)
        # The slip that linked this phone opens its page again and again.
        assert "said" in await do(first, "checklist", "code", code=used)
        assert "đã dùng rồi" in (await do(second, "checklist", "code", code=used))["refused"]
        expired = hamlet.code(CUONG, valid_for=timedelta(seconds=-1))
        page = await do(second, "checklist", "code", code=expired)
        assert "đã hết hạn" in page["refused"]
        assert page["screen"] == "code"


async def test_wrong_codes_lock_the_page_for_an_hour(hamlet: Hamlet) -> None:
    async with hamlet.visitor() as client:
        said = [(await do(client, "checklist", "code", code="BCDF2345"))["refused"] for _ in range(5)]
        assert "Mã không đúng" in said[3]
        assert "tạm không nhận mã" in said[4]
        page = await do(client, "checklist", "code", code=hamlet.code(DUNG))
        assert "tạm không nhận mã" in page["refused"]
        assert page["screen"] == "code"


async def test_code_of_another_does_not_take_a_phone_over(hamlet: Hamlet) -> None:
    async with hamlet.visitor(token_of("a")) as client:
        page = await do(client, "checklist", "code", code=hamlet.code(DUNG))
        assert "đang nối với một đồng chí khác" in page["refused"]
        assert page["name"] == AN


# --- filling in ----------------------------------------------------------------------------------------------------


async def test_member_hands_in_and_the_receipt_comes_from_what_was_kept(hamlet: Hamlet) -> None:
    round_id = hamlet.open()
    async with hamlet.visitor(token_of("a")) as client:
        page = await fill_in(client, round_id)
        assert page["round"]["receipt"].startswith("Đã ghi nhận. Phiếu ")
        assert "Sửa được đến hết" in page["round"]["receipt"]
        again = await do(client, "checklist", "submit", round=round_id)
        assert again["round"]["receipt"] == page["round"]["receipt"]
        assert [file["name"].rpartition(".")[2] for file in page["files"]] == ["docx", "xlsx", "pdf"]
        copy = await client.get(page["files"][2]["url"])
        assert copy.content.startswith(b"%PDF")
    assert hamlet.answers(AN, round_id) == dict.fromkeys(range(1, 20), NONE)


async def test_nothing_is_handed_in_before_every_item_is_answered(hamlet: Hamlet) -> None:
    round_id = hamlet.open()
    async with hamlet.visitor(token_of("a")) as client:
        page = await do(client, "checklist", "submit", round=round_id)
        assert "còn 19 điều chưa trả lời" in page["refused"]
        assert page["round"]["receipt"] is None


async def test_whole_group_leaves_focus_items_and_groups_that_were_not_shown(hamlet: Hamlet) -> None:
    round_id = hamlet.open()
    async with hamlet.visitor(token_of("a")) as client:
        unseen = await client.post("/api/pages/checklist", json={"do": "group", "round": round_id, "group": 2})
        assert unseen.status_code == 400
        await do(client, "checklist", "show", round=round_id, group=2)
        page = await do(client, "checklist", "group", round=round_id, group=2)
        assert sorted(page["round"]["answers"], key=int) == ["2", "7", "8"]
        assert [item["is_focus"] for item in await items_of(client, 2)] == [False, True, False, False]


async def items_of(client: httpx.AsyncClient, group: int) -> list[dict[str, Any]]:
    shown = await do(client, "checklist", "look")
    items: list[dict[str, Any]] = shown["checklist"]["groups"][group - 1]["items"]
    return items


async def test_report_and_note_belong_to_the_answer_and_go_with_it(hamlet: Hamlet) -> None:
    round_id = hamlet.open()
    async with hamlet.visitor(token_of("a")) as client:
        # Beside an answer that tells of nothing, nothing is written or reported.
        await do(client, "checklist", "answer", round=round_id, item=3, answer="none")
        await do(client, "checklist", "report", round=round_id, item=3, wanted=True)
        await do(client, "checklist", "note", round=round_id, item=3, note="x")
        assert hamlet.answers(AN, round_id)[3] == NONE
        await do(client, "checklist", "answer", round=round_id, item=3, answer="present")
        await do(client, "checklist", "note", round=round_id, item=3, note="  Hai lần.\r\nĐã sửa. ")
        page = await do(client, "checklist", "report", round=round_id, item=3, wanted=True)
        kept = {"answer": "present", "is_reported": True, "note": "Hai lần.\nĐã sửa."}
        assert page["round"]["answers"]["3"] == kept
        page = await do(client, "checklist", "answer", round=round_id, item=3, answer="none")
        assert page["round"]["answers"]["3"] == {"answer": "none", "is_reported": False, "note": ""}


async def test_long_note_is_refused_and_the_one_before_stays(hamlet: Hamlet) -> None:
    round_id = hamlet.open()
    async with hamlet.visitor(token_of("a")) as client:
        await do(client, "checklist", "answer", round=round_id, item=3, answer="present")
        await do(client, "checklist", "note", round=round_id, item=3, note="ộ" * NOTE_CHARACTERS)
        page = await do(client, "checklist", "note", round=round_id, item=3, note="a" * (NOTE_CHARACTERS + 1))
        assert "nhiều nhất 500" in page["refused"]
        await do(client, "checklist", "note", round=round_id, item=4, note="a")
    assert hamlet.answers(AN, round_id)[3].note == "ộ" * NOTE_CHARACTERS
    assert 4 not in hamlet.answers(AN, round_id)


async def test_what_cannot_be_kept_in_a_note_is_replaced(hamlet: Hamlet) -> None:
    round_id = hamlet.open()
    async with hamlet.visitor(token_of("a")) as client:
        await do(client, "checklist", "answer", round=round_id, item=3, answer="present")
        body = b'{"do": "note", "round": %d, "item": 3, "note": "a\\u0000b\\ud800c"}' % round_id
        headers = {"content-type": "application/json"}
        assert (await client.post("/api/pages/checklist", content=body, headers=headers)).status_code == 200
    assert hamlet.answers(AN, round_id)[3].note == "a\ufffdb\ufffdc"


async def test_notes_and_answers_do_not_stand_readable_in_the_database(hamlet: Hamlet, tmp_path: Path) -> None:
    round_id = hamlet.open()
    async with hamlet.visitor(token_of("a")) as client:
        await do(client, "checklist", "answer", round=round_id, item=3, answer="present")
        await do(client, "checklist", "note", round=round_id, item=3, note="Khong ai doc duoc")
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("hamlet.db*"))
    assert b"Khong ai doc duoc" not in kept
    assert b"present" not in kept


async def test_chat_and_page_go_on_with_each_other(hamlet: Hamlet) -> None:
    round_id = hamlet.open()
    async with hamlet.visitor(token_of("a")) as client:
        await do(client, "checklist", "show", round=round_id, group=1)
        await do(client, "checklist", "group", round=round_id, group=1)
        said = (await client.post("/api/messages", json={"id": "m1", "text": "tự đánh giá"})).json()["messages"][0]
        assert said["blocks"][0]["text"].startswith("Nhóm 2/6")
        whole = next(button["id"] for button in said["buttons"] if button["label"].startswith("Cả nhóm"))
        await client.post("/api/messages", json={"id": "m2", "button": whole})
        page = await do(client, "checklist", "look")
        assert sorted(map(int, page["round"]["answers"])) == [1, 2, 4, 5, 7, 8]


async def test_chat_keeps_a_note_where_the_answer_stays_the_same(hamlet: Hamlet) -> None:
    round_id = hamlet.open()
    async with hamlet.visitor(token_of("a")) as client:
        await do(client, "checklist", "answer", round=round_id, item=3, answer="present")
        await do(client, "checklist", "note", round=round_id, item=3, note="Đã sửa.")
        said = (await client.post("/api/messages", json={"id": "m1", "text": "sửa điều 3"})).json()["messages"][0]
        await client.post("/api/messages", json={"id": "m2", "button": said["buttons"][1]["id"]})
    assert hamlet.answers(AN, round_id)[3] == StoredAnswer(ItemAnswer.PRESENT, note="Đã sửa.")


async def test_the_same_post_twice_changes_nothing_more(hamlet: Hamlet) -> None:
    round_id = hamlet.open()
    async with hamlet.visitor(token_of("a")) as client:
        posts = [do(client, "checklist", "answer", round=round_id, item=3, answer="present") for _ in range(5)]
        pages = await asyncio.gather(*posts)
        assert all(page == pages[0] for page in pages)
    with hamlet.store.transaction() as transaction:
        assert len(transaction.rounds.history(round_id, hamlet.ids[AN])[3]) == 1


async def test_older_tab_does_not_answer_over_a_newer_one(hamlet: Hamlet) -> None:
    round_id = hamlet.open()
    async with hamlet.visitor(token_of("a")) as older, hamlet.visitor(token_of("a")) as newer:
        await do(older, "checklist", "show", round=round_id, group=1)
        await do(newer, "checklist", "answer", round=round_id, item=4, answer="present")
        await do(newer, "checklist", "note", round=round_id, item=4, note="Tôi đã sửa.")
        page = await do(older, "checklist", "group", round=round_id, group=1)
        assert page["round"]["answers"]["4"]["note"] == "Tôi đã sửa."
        answers = [
            do(tab, "checklist", "answer", round=round_id, item=number, answer="none")
            for number, tab in enumerate([older, newer] * 5, start=6)
        ]
        await asyncio.gather(*answers)
    assert set(range(6, 16)) <= set(hamlet.answers(AN, round_id))


async def test_closed_round_takes_nothing(hamlet: Hamlet) -> None:
    round_id = hamlet.open()
    with hamlet.store.transaction() as transaction:
        transaction.rounds.close(round_id, now=datetime.now(UTC))
    async with hamlet.visitor(token_of("a")) as client:
        for act in ("answer", "submit"):
            page = await do(client, "checklist", act, round=round_id, item=1, answer="none")
            assert "đã đóng" in page["refused"]
            assert page["screen"] == "nothing"
            assert "chưa mở kỳ" in page["text"]
    assert hamlet.answers(AN, round_id) == {}


async def test_after_the_due_date_a_response_is_taken_late_and_then_stays(hamlet: Hamlet) -> None:
    round_id = hamlet.open(due_in=-1)
    async with hamlet.visitor(token_of("a")) as client:
        assert (await do(client, "checklist", "look"))["round"]["is_late"] is True
        page = await fill_in(client, round_id)
        assert "nộp sau hạn" in page["round"]["receipt"]
        assert page["round"]["is_settled"] is True
        page = await do(client, "checklist", "answer", round=round_id, item=1, answer="present")
        assert "không sửa được nữa" in page["refused"]
    assert hamlet.answers(AN, round_id)[1] == NONE


async def test_erased_response_is_not_begun_again(hamlet: Hamlet) -> None:
    round_id = hamlet.open()
    async with hamlet.visitor(token_of("a")) as client:
        await do(client, "checklist", "answer", round=round_id, item=1, answer="present")
        with hamlet.store.transaction() as transaction:
            transaction.rounds.erase(hamlet.ids[AN], on=datetime.now(UTC).date())
        page = await do(client, "checklist", "answer", round=round_id, item=1, answer="none")
        assert "đã xóa nội dung" in page["refused"]
        assert page["screen"] == "nothing"


async def test_article_of_every_item_is_quoted_with_its_place(hamlet: Hamlet) -> None:
    hamlet.open()
    async with hamlet.visitor(token_of("a")) as client:
        for number in range(1, 20):
            blocks = (await do(client, "checklist", "article", item=number))["article"]["blocks"]
            kinds = [block["kind"] for block in blocks]
            assert "quote" in kinds, number
            assert any(f"Điều {number}" in block["text"] for block in blocks if block["kind"] == "citation")
        assert "thay thế bởi Quy định 207-QĐ/TW" in blocks[0]["text"]


async def test_failure_is_told_with_a_code_that_the_log_knows_and_nothing_else(
    hamlet: Hamlet, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    round_id = hamlet.open()

    def fail(*_: object) -> None:
        raise RuntimeError(HOSTILE)

    monkeypatch.setattr("handlers.checklist_page.answer_item", fail)
    command = {"do": "answer", "round": round_id, "item": 1, "answer": "present"}
    async with hamlet.visitor(token_of("a")) as client:
        with caplog.at_level(logging.ERROR):
            answer = await client.post("/api/pages/checklist", json=command)
    assert answer.status_code == 503
    error = answer.json()["error"]
    assert "chưa lưu được" in error
    assert error.rpartition("mã ")[2][:4] in caplog.text
    assert HOSTILE not in caplog.text
    assert hamlet.answers(AN, round_id) == {}


# --- the chat ------------------------------------------------------------------------------------------------------


async def test_chat_links_to_the_page_that_does_the_same(hamlet: Hamlet) -> None:
    hamlet.open()
    async with hamlet.visitor(token_of("b")) as client:

        async def links(text: str) -> list[dict[str, str]]:
            answer = await client.post("/api/messages", json={"id": text.replace(" ", "-"), "text": text})
            found: list[dict[str, str]] = answer.json()["messages"][0]["links"]
            return found

        assert await links("tu danh gia") == [{"label": "Làm trên trang web", "url": "/tu-danh-gia"}]
        assert await links("tien do") == [{"label": "Mở trang của bí thư", "url": "/bi-thu"}]
        assert await links("muc luc") == []


async def test_browsers_chat_is_who_the_page_knows(hamlet: Hamlet) -> None:
    async with hamlet.visitor() as client:
        await client.get("/tu-danh-gia")
        await do(client, "checklist", "code", code=hamlet.code(DUNG))
        said = (await client.post("/api/messages", json={"id": "m1", "text": "của tôi"})).json()["messages"][0]
        assert DUNG in said["blocks"][0]["text"]
        with hamlet.store.transaction() as transaction:
            linked = transaction.people.member_of("web", chat_id_of(client.cookies[COOKIE]))
        assert linked == hamlet.ids[DUNG]


@pytest.mark.parametrize("name", PAGES.values())
def test_what_all_pages_have_alike_is_put_in_once(name: str) -> None:
    page = read_page(name)
    for part in (
        '<meta charset="utf-8">',
        '<link rel="icon"',
        'class="home"',
        'id="larger"',
        'id="stage"',
        "<noscript>",
    ):
        assert page.count(part) == 1, part
    assert "<!-- webpages" not in page
