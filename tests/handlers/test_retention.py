"""For how long what was answered is kept, and what stays when it is gone."""

import asyncio
import contextlib
import sqlite3
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from assessment.model import Role
from assessment.schedule import day_begins_at, kept_since
from bot.scheduler import Scheduler
from handlers import retention
from handlers.enrolment import NOTICE, notice_name
from handlers.retention import erase_old
from handlers.services import Options
from knowledge.answer import KnowledgeBase
from storage.people import Link
from storage.store import Store, StoredMessage
from tests.handlers.conftest import Village, staged

OCTOBER, NOVEMBER = date(2026, 10, 1), date(2026, 11, 1)
IN_OCTOBER = datetime(2026, 10, 5, 2, tzinfo=UTC)
IN_NOVEMBER = datetime(2026, 11, 5, 2, tzinfo=UTC)
# 09:00 and the first and last moment of it, in Hà Nội.
LAST_OF_OCTOBER_2028 = datetime(2028, 10, 31, 16, 59, tzinfo=UTC)
FIRST_OF_NOVEMBER_2028 = datetime(2028, 10, 31, 17, 1, tzinfo=UTC)


def _cell(village: Village) -> None:
    village.add("binh", "Trần Thị Bình", Role.SECRETARY)
    village.add("an", "Nguyễn Văn An")
    village.enrol("binh", "an")
    for now in (IN_OCTOBER, IN_NOVEMBER):
        village.set_clock(now)
        village.say("binh", "mở kỳ")
        village.choose("binh", "Xác nhận")
        for user in ("an", "binh"):
            hand_in(village, user)


@pytest.fixture
def cell(store: Store, knowledge: KnowledgeBase) -> Village:
    """An and Bình have handed in in October and again in November; An reported an item in both."""
    village = Village(store, knowledge, IN_OCTOBER)
    return staged(village, _cell)


def hand_in(village: Village, user: str) -> None:
    village.say(user, "tự đánh giá")
    said = village.choose(user, "Bắt đầu")
    while "Xác nhận nộp" not in said:
        said = village.choose(user, "Cả nhóm" if "Cả nhóm" in said else "Không có biểu hiện")
    if user == "an":
        village.say(user, "sửa điều 12")
        village.choose(user, "Có biểu hiện")
        village.choose(user, "Báo cáo")
    village.choose(user, "Xác nhận nộp")


def texts_of(village: Village, user: str) -> list[str]:
    with village.store.transaction() as transaction:
        chat = transaction.find_conversation("console", user)
        assert chat is not None
        return [message.text for message in transaction.history(chat.id)]


def actions(village: Village) -> list[tuple[str, str, str]]:
    with village.store.transaction() as transaction:
        assert transaction.audit.inspect().is_complete
        return [(e.actor, e.action, e.about) for e in transaction.audit.entries() if "eras" in e.action]


@pytest.mark.parametrize(
    ("today", "months", "since"),
    [
        (date(2028, 11, 30), 24, date(2026, 11, 1)),
        (date(2028, 12, 1), 24, date(2026, 12, 1)),
        (date(2026, 12, 31), 1, date(2026, 11, 1)),
        (date(2027, 1, 1), 1, date(2026, 12, 1)),
        (date(2027, 1, 15), 13, date(2025, 12, 1)),
        (date(2026, 11, 5), 240, date(2006, 11, 1)),
    ],
)
def test_months_are_kept_whole(today: date, months: int, since: date) -> None:
    assert kept_since(today, months) == since


def test_day_begins_as_in_hanoi() -> None:
    assert day_begins_at(date(2026, 11, 1)) == datetime(2026, 10, 31, 17, tzinfo=UTC)


def test_content_is_kept_until_its_last_day_and_destroyed_the_day_after(cell: Village) -> None:
    cell.set_clock(LAST_OF_OCTOBER_2028)
    assert len(cell.answers("an", OCTOBER)) == 19
    cell.set_clock(FIRST_OF_NOVEMBER_2028)
    assert cell.answers("an", OCTOBER) == {}
    assert cell.answers("binh", OCTOBER) == {}
    assert len(cell.answers("an", NOVEMBER)) == 19


def test_counts_and_receipts_stay(cell: Village) -> None:
    before = cell.say("an", "của tôi")
    cell.set_clock(FIRST_OF_NOVEMBER_2028)
    after = cell.say("an", "của tôi")
    [receipt] = [line for line in before.splitlines() if "Kỳ tháng 10/2026" in line]
    assert "đã nộp, phiếu 2026-10/" in receipt
    assert f"{receipt}, nội dung đã xóa" in after
    assert "nội dung đã xóa" not in next(line for line in after.splitlines() if "Kỳ tháng 11/2026" in line)
    with cell.store.transaction() as transaction:
        [october] = [found for found in transaction.rounds.of_cell(cell.cell) if found.month == OCTOBER]
        assert set(transaction.rounds.handed_in(october.id)) == {cell.ids["an"], cell.ids["binh"]}


def test_what_was_said_about_answers_goes_with_them_and_the_rest_stays(cell: Village) -> None:
    cell.say("an", "mục 2.1 nói gì")
    before = texts_of(cell, "an")
    cell.set_clock(FIRST_OF_NOVEMBER_2028)
    after = texts_of(cell, "an")
    first = before.index("tự đánh giá", before.index("tự đánh giá") + 1)
    gone = [old for old, new in zip(before[:first], after[:first], strict=True) if new == "(đã xóa)" != old]
    assert any("Điều 12" in text for text in gone)
    assert any("Cả nhóm" in text for text in gone)
    assert after[first:] == before[first:]
    # Who agreed to what is no answer.
    assert [text for text in after[:first] if "đã lưu sự đồng ý" in text]


def test_it_is_noted_once_without_a_name(cell: Village) -> None:
    cell.set_clock(FIRST_OF_NOVEMBER_2028)
    [noted] = actions(cell)
    assert noted[:2] == ("program", "erase old")
    assert noted[2].startswith("before:2026-11 responses:2 messages:")
    cell.set_clock(FIRST_OF_NOVEMBER_2028 + timedelta(hours=1))
    assert len(actions(cell)) == 1


def test_old_choices_lead_nowhere_and_say_why(cell: Village) -> None:
    cell.set_clock(datetime(2026, 12, 20, 2, tzinfo=UTC))
    cell.say("an", "cảm ơn")
    again = next(i for i, label in zip(cell.choice_ids["an"], cell.choices["an"], strict=True) if label == "Xem lại")
    assert "Phiếu của đồng chí" in cell.tap("an", again)
    with cell.store.transaction() as transaction:
        # Said long after the round: the answers go before it does.
        transaction.rounds.erase_before(date(2026, 12, 1), on=date(2028, 12, 1))
    assert "Nội dung phiếu kỳ này đã xóa nên không xem lại được" in cell.tap("an", again)
    cell.set_clock(datetime(2028, 12, 2, 2, tzinfo=UTC))
    assert "Nút này không còn dùng được" in cell.tap("an", again)


def test_nothing_of_it_lies_on_in_the_file_once_the_journal_was_taken_over(cell: Village, tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "tu-soi.db")) as database:
        kept = [row[0] for row in database.execute("SELECT sealed FROM item_responses")]
        kept += [row[0].encode() for row in database.execute("SELECT blocks FROM messages WHERE key_id IS NOT NULL")]

    def content() -> bytes:
        with contextlib.closing(sqlite3.connect(tmp_path / "tu-soi.db")) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return b"".join(path.read_bytes() for path in tmp_path.glob("tu-soi.db*"))

    before = content()
    assert all(value[20:60] in before for value in kept)
    cell.set_clock(datetime(2029, 11, 5, 2, tzinfo=UTC))
    after = content()
    assert "Nguyễn Văn An".encode() in after
    assert not [value for value in kept if value[20:60] in after]


def test_much_is_destroyed_in_portions(cell: Village, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "AT_ONCE", 1)
    cell.set_clock(FIRST_OF_NOVEMBER_2028)
    assert cell.answers("an", OCTOBER) == cell.answers("binh", OCTOBER) == {}
    assert "Điều 12" not in "\n".join(texts_of(cell, "binh")[:10])


def test_other_time_is_kept_where_it_is_set_and_members_are_told(store: Store, knowledge: KnowledgeBase) -> None:
    village = Village(store, knowledge, IN_OCTOBER, Options(keep_months=3))
    village.add("binh", "Trần Thị Bình", Role.SECRETARY)
    village.add("an", "Nguyễn Văn An")
    assert "Câu trả lời được giữ 3 tháng sau tháng tự đánh giá" in village.say("an", village.code("an"))
    village.choose("an", "Đồng ý")
    village.enrol("binh")
    village.say("binh", "mở kỳ")
    village.choose("binh", "Xác nhận")
    hand_in(village, "an")
    village.set_clock(datetime(2027, 1, 31, 16, tzinfo=UTC))
    assert len(village.answers("an", OCTOBER)) == 19
    village.set_clock(datetime(2027, 1, 31, 18, tzinfo=UTC))
    assert village.answers("an", OCTOBER) == {}


def test_who_agreed_to_one_time_is_asked_anew_for_another(cell: Village, knowledge: KnowledgeBase) -> None:
    assert notice_name(Options()) == NOTICE
    assert notice_name(Options(keep_months=60)) == f"{NOTICE}-60m"
    later = Village(cell.store, knowledge, IN_NOVEMBER, Options(keep_months=60))
    assert "Câu trả lời được giữ 60 tháng" in later.say("an", "tự đánh giá")


# --- the clock ---------------------------------------------------------------------------------------------------


def wake(village: Village, *times: datetime, trusts_clock: bool = False) -> None:
    async def send(_link: Link, _message: StoredMessage) -> None:
        return

    scheduler = Scheduler(
        village.store,
        send,
        erase=lambda opened, at: erase_old(opened, now=at, keep_months=24, trusts_clock=trusts_clock),
    )
    for now in times:
        asyncio.run(scheduler.run_due(now))


def test_clock_that_jumps_far_ahead_is_believed_on_the_second_day(cell: Village) -> None:
    wake(cell, FIRST_OF_NOVEMBER_2028, FIRST_OF_NOVEMBER_2028 + timedelta(hours=2))
    assert len(cell.answers("an", OCTOBER)) == 19
    assert actions(cell) == [("program", "put off erasing", "clock after:2026-11-05")]
    wake(cell, FIRST_OF_NOVEMBER_2028, FIRST_OF_NOVEMBER_2028 + timedelta(days=1))
    assert cell.answers("an", OCTOBER) == {}


def test_clock_that_jumps_back_destroys_nothing(cell: Village) -> None:
    wake(cell, datetime(2020, 1, 1, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC))
    assert len(cell.answers("an", OCTOBER)) == 19
    assert actions(cell) == []


def test_it_is_looked_for_once_a_day(cell: Village) -> None:
    looked = list[datetime]()

    def erase(_opened: object, at: datetime) -> int:
        looked.append(at)
        return 0

    async def send(_link: Link, _message: StoredMessage) -> None:
        return

    scheduler = Scheduler(cell.store, send, erase=erase)
    days = [IN_NOVEMBER, IN_NOVEMBER + timedelta(hours=3), IN_NOVEMBER + timedelta(days=1)]
    for now in days:
        asyncio.run(scheduler.run_due(now))
    assert looked == [days[0], days[2]]


def test_failing_to_erase_does_not_keep_messages_from_going_out(cell: Village) -> None:
    heard = list[str]()

    async def send(link: Link, _message: StoredMessage) -> None:
        heard.append(link.chat_id)

    def erase(_opened: object, _at: datetime) -> int:
        raise OSError("disk full")

    cell.add("dung", "Phạm Thị Dung")
    cell.enrol("dung")
    now = datetime(2026, 11, 25, 2, tzinfo=UTC)
    assert asyncio.run(Scheduler(cell.store, send, erase=erase).run_due(now)) == 1
    assert heard == ["dung"]
