"""The secretary's page over HTTP, with a real database and the real documents."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from assessment.model import Role
from tests.bot.pages import AN, BINH, CUONG, DUNG, HOSTILE, Hamlet, do, fill_in, token_of


async def test_secretary_sees_who_and_why_by_name(hamlet: Hamlet) -> None:
    round_id = hamlet.open()
    async with hamlet.visitor(token_of("a")) as member, hamlet.visitor(token_of("b")) as secretary:
        await do(member, "checklist", "talk", round=round_id, wanted=True)
        page = await do(secretary, "secretary", "look")
        # A draft is its member's alone.
        assert page["round"]["talks"] == []
        await fill_in(member, round_id)
        page = await do(secretary, "secretary", "look")
        assert page["round"]["handed_in"] == [AN]
        assert page["round"]["expected"] == 4
        assert page["round"]["talks"] == [AN]
        assert {each["reason"]: each["names"] for each in page["round"]["waiting"]} == {
            "Chưa nộp": [BINH],
            "Chưa nhập mã nên chưa nhắn được": [DUNG],
            "Không dùng điện thoại, nhập từ phiếu giấy": [CUONG],
        }
        assert page["months"][-1]["handed_in"] == 1
        assert "reading" not in page
        assert (await secretary.get(page["files"][0]["url"])).content[:2] == b"PK"


async def test_page_says_which_version_and_who_may_not_have_heard(hamlet: Hamlet) -> None:
    round_id, now = hamlet.open(), datetime.now(UTC)
    with hamlet.store.transaction() as transaction:
        hour = timedelta(hours=1)
        transaction.outbox.queue(round_id, "opened", [hamlet.ids[AN]], due_at=now - hour, expires_at=now + hour)
        [claimed] = transaction.outbox.claim("worker", now=now)
        transaction.outbox.begin([claimed.id], "worker", now=now)
        transaction.outbox.unknown(claimed.id, "worker", "timed out", now=now)
    async with hamlet.visitor(token_of("b")) as secretary:
        shown = (await do(secretary, "secretary", "look"))["round"]
    assert shown["unheard"]["names"] == [AN]
    assert shown["unheard"]["reason"] == "Chưa rõ đã nhận được tin"
    assert "37-qd-tw-2021, bản 1" in shown["form"]
    assert "10 điều chưa đối chiếu văn bản chính thức" in shown["form"]


async def test_roll_ups_are_links_and_the_committees_table_is_the_committees(hamlet: Hamlet) -> None:
    hamlet.add("Hoàng Văn Ủy", Role.COMMITTEE_MEMBER)
    hamlet.enrol("Hoàng Văn Ủy", token_of("c"))
    async with hamlet.visitor(token_of("c")) as committee:
        assert (await do(committee, "secretary", "look"))["text"].startswith("Việc này chỉ bí thư")
    hamlet.open()
    async with hamlet.visitor(token_of("b")) as secretary, hamlet.visitor(token_of("c")) as committee:
        files = (await do(secretary, "secretary", "look"))["files"]
        labels = [file["label"] for file in files]
        assert labels[:2] == [None, None]
        assert [label.rpartition(" ")[0].split("/")[0].split(" ")[:3] for label in labels[2:]] == [
            ["Tổng", "hợp", "quý"],
            ["Tổng", "hợp", "năm"],
        ]
        for file in files:
            assert (await secretary.get(file["url"])).content[:2] == b"PK"
        page = await do(committee, "secretary", "look")
        assert page["screen"] == "nothing"
        assert "tải bảng các chi bộ" in page["text"]
        # A roll-up of the own cell holds numbers, which are a committee's, too.
        tables = [file for file in page["files"] if file["label"].startswith("Bảng các chi bộ")]
        assert [file["name"].rpartition(".")[2] for file in tables] == ["xlsx", "docx"]
        for file in tables:
            assert (await committee.get(file["url"])).content[:2] == b"PK"
    async with hamlet.visitor(token_of("a")) as member:
        assert (await do(member, "secretary", "look"))["files"] == []


async def test_code_on_the_page_shows_it_whole_with_its_files(hamlet: Hamlet) -> None:
    hamlet.open()
    async with hamlet.visitor(token_of("z")) as secretary:
        page = await do(secretary, "secretary", "code", code=hamlet.code(BINH))
        assert page["said"].startswith("Chào đồng chí")
        assert page["files"] == (await do(secretary, "secretary", "look"))["files"] != []


async def test_why_there_are_no_totals_is_not_in_the_minutes(hamlet: Hamlet) -> None:
    hamlet.open()
    async with hamlet.visitor(token_of("b")) as secretary:
        reading = (await do(secretary, "secretary", "read"))["reading"]
    assert reading["minutes"].endswith("Không có đồng chí nào báo cáo điều nào với chi bộ.")
    assert reading["hint"].startswith("Chưa nêu số liệu từng điều")


async def test_reading_what_is_reported_is_noted_and_shows_only_that(hamlet: Hamlet) -> None:
    round_id = hamlet.open()
    async with hamlet.visitor(token_of("a")) as member, hamlet.visitor(token_of("b")) as secretary:
        for number, note in ((4, HOSTILE), (6, "Chỉ mình tôi biết")):
            await do(member, "checklist", "answer", round=round_id, item=number, answer="present")
            await do(member, "checklist", "note", round=round_id, item=number, note=note)
        await do(member, "checklist", "report", round=round_id, item=4, wanted=True)
        await do(secretary, "secretary", "look")
        await fill_in(member, round_id)
        about = f"round:{round_id} member:{hamlet.ids[AN]}"
        with hamlet.store.transaction() as transaction:
            assert transaction.audit.entries(about=about) == []
        reading = (await do(secretary, "secretary", "read"))["reading"]
        assert reading["reported"] == [
            {
                "name": AN,
                "items": [{"number": 4, "title": "Giữ bí mật; tài liệu trái đường lối", "note": HOSTILE}],
            }
        ]
        assert "1/4 đảng viên đã nộp phiếu" in reading["minutes"]
        assert "điều 4" in reading["minutes"]
        assert "điều 6" not in reading["minutes"]
        with hamlet.store.transaction() as transaction:
            assert [entry.action for entry in transaction.audit.entries(about=about)] == ["read reported"]


async def test_one_press_reminds_once_after_it_was_confirmed(hamlet: Hamlet) -> None:
    round_id = hamlet.open()
    async with hamlet.visitor(token_of("b")) as secretary:
        page = await do(secretary, "secretary", "press", action="rp_remind", argument="")
        assert page["said"].startswith("Sẽ nhắc 2 đồng chí")
        [confirm] = page["asks"]
        assert confirm["label"].startswith("Xác nhận")
        with hamlet.store.transaction() as transaction:
            assert transaction.outbox.of_round(round_id) == []
        page = await do(secretary, "secretary", "press", action=confirm["action"], argument=confirm["argument"])
        assert "2 đồng chí" in page["said"]
        again = await do(secretary, "secretary", "press", action=confirm["action"], argument=confirm["argument"])
        assert "đã nhắc rồi" in again["said"]
    with hamlet.store.transaction() as transaction:
        reminded = {delivery.member_id for delivery in transaction.outbox.of_round(round_id)}
    assert reminded == {hamlet.ids[AN], hamlet.ids[BINH]}


async def test_round_is_opened_with_one_press_and_once(hamlet: Hamlet) -> None:
    async with hamlet.visitor(token_of("b")) as one, hamlet.visitor(token_of("b")) as other:
        page = await do(one, "secretary", "look")
        assert page["round"] is None
        # That the regulation was replaced stands beside the button, not behind it.
        assert "đã được thay bằng 207-QĐ/TW" in page["opening"]["text"]
        [press] = page["opening"]["asks"]
        values = {"action": press["action"], "argument": press["argument"]}
        pages = await asyncio.gather(*(do(tab, "secretary", "press", **values) for tab in (one, other)))
        assert sorted(page["said"].split(",")[0].split(" tháng")[0] for page in pages) == ["Kỳ", "Đã mở kỳ"]
        assert all(page["opening"] is None for page in pages)
        assert pages[0]["round"]["expected"] == 4


@pytest.mark.parametrize(
    ("action", "argument", "status"),
    [
        ("erase_yes", "", 400),
        ("rp_open", "yesterday", 400),
        ("rp_remind_yes", "x", 400),
        ("rp_open", "1999-01-01", 200),
        ("rp_remind_yes", "99", 200),
    ],
)
async def test_presses_that_the_page_has_not_do_nothing(
    hamlet: Hamlet, action: str, argument: str, status: int
) -> None:
    round_id = hamlet.open()
    command = {"do": "press", "action": action, "argument": argument}
    async with hamlet.visitor(token_of("b")) as secretary:
        answer = await secretary.post("/api/pages/secretary", json=command)
        assert answer.status_code == status
        if status == 200:
            assert "không còn dùng được" in answer.json()["said"]
    with hamlet.store.transaction() as transaction:
        assert transaction.outbox.of_round(round_id) == []
        assert len(transaction.rounds.of_cell(hamlet.cell)) == 1


async def test_deputy_sees_who_has_handed_in_and_nothing_of_what(hamlet: Hamlet) -> None:
    hamlet.add("Hoàng Văn Em", Role.DEPUTY_SECRETARY)
    hamlet.enrol("Hoàng Văn Em", token_of("e"))
    round_id = hamlet.open()
    async with hamlet.visitor(token_of("a")) as member, hamlet.visitor(token_of("e")) as deputy:
        await do(member, "checklist", "talk", round=round_id, wanted=True)
        await fill_in(member, round_id)
        page = await do(deputy, "secretary", "look")
        assert page["round"]["handed_in"] == [AN]
        assert page["round"]["talks"] is None
        assert page["may_read"] is False
        assert page["opening"] is None
        assert "chỉ bí thư" in (await do(deputy, "secretary", "read"))["refused"]
