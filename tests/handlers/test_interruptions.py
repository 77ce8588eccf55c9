"""The self-assessment when life comes in between: other channels, repeats, clocks that jump, cells without people."""

from datetime import UTC, date, datetime, timedelta

import pytest

from assessment.model import ItemAnswer, Role
from handlers.messages import IncomingMessage
from storage.rounds import StoredAnswer
from storage.store import StoredMessage
from tests.handlers.conftest import Village

NOVEMBER = date(2026, 11, 1)
ELSEWHERE = "telegram"


@pytest.fixture
def cell(village: Village) -> Village:
    """Bình has opened the round; An is linked in the console and, as 77, on another channel."""
    village.add("binh", "Trần Thị Bình", Role.SECRETARY)
    village.add("an", "Nguyễn Văn An")
    village.add("dung", "Phạm Thị Dung")
    village.enrol("binh", "an", "dung")
    send(village, f"/start {village.code('an')}")
    village.say("binh", "mở kỳ")
    village.choose("binh", "Xác nhận")
    return village


def send(
    village: Village,
    text: str = "",
    *,
    button: str | None = None,
    update: str | None = None,
    at: datetime | None = None,
) -> tuple[StoredMessage, ...]:
    """Send a message on An's other channel, as a platform hands it over; return what is answered."""
    number = update or f"u{send_count(village)}"
    message = IncomingMessage(ELSEWHERE, "77", number, text, at or village.now, button_id=button)
    return village.gateway.receive_now(message).replies


def send_count(village: Village) -> int:
    with village.store.transaction() as transaction:
        chat = transaction.find_conversation(ELSEWHERE, "77")
        return len(transaction.history(chat.id)) if chat else 0


def button(reply: StoredMessage, label: str) -> str:
    return next(each.id for each in reply.buttons if each.label.startswith(label))


def history(village: Village, user: str) -> dict[int, list[StoredAnswer]]:
    with village.store.transaction() as transaction:
        [november] = transaction.rounds.of_cell(village.cell)
        return transaction.rounds.history(november.id, village.ids[user])


# --- two channels ------------------------------------------------------------------------------------------------


def test_draft_goes_on_on_another_channel_and_back_again(cell: Village) -> None:
    cell.say("an", "tự đánh giá")
    cell.choose("an", "Bắt đầu")
    cell.choose("an", "Cả nhóm")
    [there] = send(cell, "tự đánh giá")
    assert "Nhóm 2/6" in there.text
    send(cell, button=button(there, "Cả nhóm"))
    said = cell.say("an", "tự đánh giá")
    assert "Nhóm 1/6" not in said
    assert "Nhóm 2/6" not in said
    while "Xác nhận nộp" not in said:
        said = cell.choose("an", "Cả nhóm" if "Cả nhóm" in said else "Không có biểu hiện")
    [there] = send(cell, "nộp")
    [receipt] = send(cell, button=button(there, "Xác nhận nộp"))
    assert "Đã ghi nhận" in receipt.text
    number = receipt.text.split("Phiếu ")[1].split(",")[0]
    assert number in cell.say("an", "tự đánh giá")
    assert len(cell.answers("an", NOVEMBER)) == 19


def test_same_group_answered_on_both_channels_is_kept_once(cell: Village) -> None:
    [intro] = send(cell, "tự đánh giá")
    [there] = send(cell, button=button(intro, "Bắt đầu"))
    cell.say("an", "tự đánh giá")
    cell.choose("an", "Bắt đầu")
    cell.choose("an", "Cả nhóm")
    send(cell, button=button(there, "Cả nhóm"))
    assert {len(given) for given in history(cell, "an").values()} == {1}


def test_receipt_is_one_whichever_channel_hands_in_again(cell: Village) -> None:
    cell.say("an", "tự đánh giá")
    said = cell.choose("an", "Bắt đầu")
    while "Xác nhận nộp" not in said:
        said = cell.choose("an", "Cả nhóm" if "Cả nhóm" in said else "Không có biểu hiện")
    [preview] = send(cell, "nộp")
    here = cell.choose("an", "Xác nhận nộp")
    [there] = send(cell, button=button(preview, "Xác nhận nộp"))
    assert there.text == here.splitlines()[0]


def test_question_in_the_middle_leads_back_on_the_channel_where_it_was_asked(cell: Village) -> None:
    [intro] = send(cell, "tự đánh giá")
    send(cell, button=button(intro, "Bắt đầu"))
    [answer] = send(cell, "chia sẻ bài trên fb mà sau mới biết tin giả thì tính sao")
    [back] = send(cell, button=button(answer, "Quay lại"))
    assert "Nhóm 1/6" in back.text
    # Who asks elsewhere was in no checklist there.
    assert "Quay lại" not in cell.say("an", "mục 2.1 nói gì")


# --- repeats -----------------------------------------------------------------------------------------------------


def test_update_that_is_delivered_again_does_nothing_again_and_is_answered_the_same(cell: Village) -> None:
    [intro] = send(cell, "tự đánh giá")
    [group] = send(cell, button=button(intro, "Bắt đầu"))
    whole = button(group, "Cả nhóm")
    first = send(cell, button=whole, update="tap-1")
    for _ in range(3):
        assert send(cell, button=whole, update="tap-1") == first
    assert {len(given) for given in history(cell, "an").values()} == {1}
    before = send_count(cell)
    send(cell, button=whole, update="tap-1")
    assert send_count(cell) == before


def test_handing_in_delivered_again_gives_the_receipt_of_the_first_time_even_days_later(cell: Village) -> None:
    [intro] = send(cell, "tự đánh giá")
    [reply] = send(cell, button=button(intro, "Bắt đầu"))
    while not any(each.label == "Xác nhận nộp" for each in reply.buttons):
        labels = [each.label for each in reply.buttons]
        choice = next(label for label in labels if label.startswith(("Cả nhóm", "Không có biểu hiện")))
        [reply] = send(cell, button=button(reply, choice))
    confirm = button(reply, "Xác nhận nộp")
    first = send(cell, button=confirm, update="hand-in")
    later = cell.now + timedelta(days=40)
    assert send(cell, button=confirm, update="hand-in", at=later) == first


def test_taps_in_a_hurry_on_every_choice_of_an_item_keep_the_last(cell: Village) -> None:
    cell.say("an", "sửa điều 12")
    none, present, discuss = cell.choice_ids["an"]
    for tapped in (none, present, discuss, discuss, none):
        cell.tap("an", tapped)
    assert [given.answer for given in history(cell, "an")[12]] == [
        ItemAnswer.NONE,
        ItemAnswer.PRESENT,
        ItemAnswer.DISCUSS,
        ItemAnswer.NONE,
    ]


# --- clocks ------------------------------------------------------------------------------------------------------


def test_clock_that_jumps_back_loses_no_answer_and_opens_no_second_round(cell: Village) -> None:
    [intro] = send(cell, "tự đánh giá")
    [group] = send(cell, button=button(intro, "Bắt đầu"))
    send(cell, button=button(group, "Cả nhóm"))
    before = history(cell, "an")
    back = datetime(2026, 9, 1, 2, tzinfo=UTC)
    [there] = send(cell, "tự đánh giá", at=back)
    assert "Nhóm 2/6" in there.text
    send(cell, button=button(there, "Cả nhóm"), at=back)
    assert history(cell, "an").items() >= before.items()
    with cell.store.transaction() as transaction:
        assert len(transaction.rounds.of_cell(cell.cell)) == 1


def test_clock_that_jumps_over_the_end_and_back_closes_nothing_for_good(cell: Village) -> None:
    [intro] = send(cell, "tự đánh giá")
    start = button(intro, "Bắt đầu")
    [closed] = send(cell, button=start, at=datetime(2027, 2, 1, 2, tzinfo=UTC))
    assert "đã đóng" in closed.text
    [there] = send(cell, button=start)
    assert "Nhóm 1/6" in there.text


def test_time_before_the_round_takes_the_answer_and_is_not_late(cell: Village) -> None:
    [intro] = send(cell, "tự đánh giá", at=datetime(2026, 11, 1, tzinfo=UTC))
    [reply] = send(cell, button=button(intro, "Bắt đầu"))
    while not any(each.label == "Xác nhận nộp" for each in reply.buttons):
        labels = [each.label for each in reply.buttons]
        choice = next(label for label in labels if label.startswith(("Cả nhóm", "Không có biểu hiện")))
        [reply] = send(cell, button=button(reply, choice))
    [receipt] = send(cell, button=button(reply, "Xác nhận nộp"), at=datetime(2026, 11, 1, tzinfo=UTC))
    assert "nộp sau hạn" not in receipt.text


# --- people ------------------------------------------------------------------------------------------------------


def test_round_of_a_cell_without_members_says_nothing_to_anybody(cell: Village) -> None:
    with cell.store.transaction() as transaction:
        people = transaction.people
        organization = people.cell(cell.cell).organization_id
        empty = people.add_cell(organization, "Chi bộ 9")
        opened, _ = transaction.rounds.open(
            empty, NOVEMBER, checklist=("37-qd-tw-2021", 1), opened_on=NOVEMBER, due_on=date(2026, 11, 30)
        )
    heard = cell.set_clock(datetime(2026, 11, 25, 2, tzinfo=UTC))
    assert not [text for text in heard.values() if "Chi bộ 9" in text]
    with cell.store.transaction() as transaction:
        assert transaction.outbox.of_round(opened.id) == []


def test_cell_that_everybody_left_is_no_obstacle(cell: Village) -> None:
    on = date(2026, 11, 4)
    with cell.store.transaction() as transaction:
        for user in ("an", "dung"):
            transaction.people.leave(cell.ids[user], on=on)
    assert "0/1 đã nộp" in cell.say("binh", "tiến độ")
    with cell.store.transaction() as transaction:
        transaction.people.leave(cell.ids["binh"], on=on)
    for user, words in (("an", "tự đánh giá"), ("binh", "tiến độ"), ("binh", "báo cáo"), ("binh", "nhắc")):
        assert "lỗi máy chủ" not in cell.say(user, words)
    assert cell.set_clock(datetime(2026, 11, 25, 2, tzinfo=UTC)) == {}


@pytest.mark.parametrize("label", ["Cả nhóm", "Xem từng điều", "Ví dụ"])
def test_buttons_of_a_closed_round_change_nothing_and_say_so(cell: Village, label: str) -> None:
    cell.say("an", "tự đánh giá")
    cell.choose("an", "Bắt đầu")
    old = next(i for i, shown in zip(cell.choice_ids["an"], cell.choices["an"], strict=True) if shown.startswith(label))
    cell.set_clock(datetime(2026, 12, 4, 2, tzinfo=UTC))
    assert "đã đóng, ngày cuối nhận phiếu là 03/12/2026" in cell.tap("an", old)
    assert cell.answers("an", NOVEMBER) == {}


def test_buttons_of_last_month_do_not_answer_this_month(cell: Village) -> None:
    cell.say("an", "tự đánh giá")
    cell.choose("an", "Bắt đầu")
    old = cell.choice_ids["an"][0]
    cell.set_clock(datetime(2026, 12, 7, 2, tzinfo=UTC))
    cell.say("binh", "mở kỳ")
    cell.choose("binh", "Xác nhận")
    cell.say("an", "tự đánh giá")
    assert "Kỳ tháng 11/2026 đã đóng" in cell.tap("an", old)
    assert cell.answers("an", date(2026, 12, 1)) == {}
    assert "Nhóm 1/6" in cell.choose("an", "Bắt đầu")
