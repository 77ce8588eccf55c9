"""One person with Telegram and Zalo: linked by a code each, one conversation, one checklist, prompts on one of them."""

from collections.abc import AsyncIterator
from datetime import date, timedelta

import pytest

from assessment.model import ItemAnswer
from handlers import member_texts
from handlers.enrolment import NOTICE
from knowledge.answer import KnowledgeBase
from storage.store import Store
from tests.channels.program import Clock, Program, a_gateway
from tests.channels.stages import Said, TelegramStage, ZaloStage, moment
from tests.servers.telegram import TelegramServer
from tests.servers.zalo import ZaloServer

OPENED, LAST_DAY = moment("05/11/2026 08:00"), moment("30/11/2026 09:00")
AN, MONTH = "an", date(2026, 11, 1)


class Phone:
    """An's phone, with both apps on it, and what stands in the database about An."""

    def __init__(self, program: Program, telegram: TelegramServer, zalo: ZaloServer, clock: Clock) -> None:
        self.program, self.clock = program, clock
        self.telegram_server, self.zalo_server = telegram, zalo
        self.telegram = TelegramStage(program, telegram, clock)
        self.zalo = ZaloStage(program, zalo, clock)
        with program.store.transaction() as transaction:
            people = transaction.people
            self.cell = people.add_cell(people.add_organization("Đảng bộ xã An Bình"), "Chi bộ 3")
            self.member_id = people.add_member(self.cell, "Nguyễn Văn An")

    def code(self) -> str:
        """Return a fresh code for An."""
        with self.program.store.transaction() as transaction:
            return transaction.people.issue_code(self.member_id, now=self.clock(), valid_for=timedelta(days=7))

    def open_round(self) -> int:
        """Open the month's round; return its id."""
        with self.program.store.transaction() as transaction:
            opened, _ = transaction.rounds.open(
                self.cell,
                MONTH,
                checklist=("37-qd-tw-2021", 1),
                opened_on=OPENED.date(),
                due_on=LAST_DAY.date(),
                grace_days=0,
                focus=(),
            )
        return opened.id

    async def link_both(self) -> None:
        """Let both apps be An's, who has agreed."""
        await self.telegram.tell(AN, f"/start {self.code()}")
        await self.zalo.tell(AN, self.code())
        with self.program.store.transaction() as transaction:
            transaction.people.consent(self.member_id, NOTICE, now=self.clock())

    async def prompted(self) -> tuple[list[str], list[str]]:
        """Do what is due; return what then arrived in Telegram and in Zalo."""
        before = len(self.telegram_server.sent(1001)), len(self.zalo_server.sent("zalo-an"))
        # What was refused on one channel is tried on the other when the scheduler wakes again.
        for _ in range(2):
            await self.program.run_due()
        on_telegram = [entry["text"] for entry in self.telegram_server.sent(1001)[before[0] :]]
        return on_telegram, [entry["text"] for entry in self.zalo_server.sent("zalo-an")[before[1] :]]

    def links(self) -> dict[str, bool]:
        """Return An's channels, and whether we are refused there."""
        with self.program.store.transaction() as transaction:
            return {link.channel: link.is_blocked for link in transaction.people.links_of([self.member_id])}

    def later(self, minutes: float = 1.0) -> None:
        """Let some time pass."""
        assert self.clock.set_to is not None
        self.clock.set_to += timedelta(minutes=minutes)


@pytest.fixture
async def phone(
    store: Store, telegram: TelegramServer, zalo: ZaloServer, curated_knowledge: KnowledgeBase
) -> AsyncIterator[Phone]:
    clock = Clock(OPENED)
    program = Program(store, a_gateway(store, curated_knowledge), telegram=telegram, zalo=zalo, clock=clock)
    async with program.running():
        yield Phone(program, telegram, zalo, clock)


def tells(said: Said, words: str) -> bool:
    return words in "\n".join(said.lines)


# --- Whose chat it is -----------------------------------------------------------------------------------------------


async def test_a_wrong_code_links_nothing_and_a_used_one_links_nobody_else(phone: Phone) -> None:
    code = phone.code()
    wrong = await phone.zalo.tell(AN, "BCDF2345")
    assert phone.links() == {}
    assert tells(await phone.zalo.tell(AN, code), "Nguyễn Văn An")
    assert phone.links() == {"zalo": False}
    again = await phone.telegram.tell("somebody else", code)
    assert not tells(again, "Nguyễn Văn An")
    assert phone.links() == {"zalo": False}
    assert wrong.lines[0].startswith("Mã không đúng.")


@pytest.mark.parametrize("typed", ["{}", "mã {}", "Ma {}", "/start {}"])
async def test_a_code_is_typed_in_zalo_where_no_link_opens_the_chat(phone: Phone, typed: str) -> None:
    code = phone.code()
    said = await phone.zalo.tell(AN, typed.format(code.lower()))
    assert tells(said, "Chào đồng chí Nguyễn Văn An, Chi bộ 3.")
    assert said.choices == ("Đồng ý", "Chưa")
    assert phone.links() == {"zalo": False}


# --- One conversation ------------------------------------------------------------------------------------------------


async def test_what_is_asked_in_telegram_is_followed_up_in_zalo(phone: Phone) -> None:
    await phone.link_both()
    phone.later()
    assert tells(await phone.telegram.tell(AN, "điều 5 quy định 37"), "Điều 5")
    phone.later()
    assert tells(await phone.zalo.tell(AN, "điều sau"), "37-QĐ/TW (25/10/2021), Điều 6")
    phone.later()
    assert tells(await phone.telegram.tell(AN, "điều sau"), "37-QĐ/TW (25/10/2021), Điều 7")


async def test_two_strangers_share_nothing(phone: Phone) -> None:
    await phone.telegram.tell(AN, "điều 5 quy định 37")
    phone.later()
    assert not tells(await phone.zalo.tell(AN, "điều sau"), "37-QĐ/TW (25/10/2021), Điều 6")


async def test_unlinking_ends_the_sharing(phone: Phone) -> None:
    await phone.link_both()
    phone.later()
    await phone.telegram.tell(AN, "điều 5 quy định 37")
    phone.later()
    assert tells(await phone.zalo.tell(AN, "điều sau"), "Điều 6")
    assert (await phone.zalo.tell(AN, "gỡ máy")).lines[0] == member_texts.UNLINKED
    assert phone.links() == {"telegram": False}
    phone.later()
    assert tells(await phone.telegram.tell(AN, "thế điều 18?"), "Điều 18")
    phone.later()
    # Neither what was spoken about there nor whose phone it was.
    assert not tells(await phone.zalo.tell(AN, "điều sau"), "Điều 19")
    assert (await phone.zalo.tell(AN, "của tôi")).lines[0] == member_texts.NOT_LINKED


# --- One checklist ---------------------------------------------------------------------------------------------------


async def test_a_checklist_that_was_begun_in_telegram_is_finished_in_zalo(phone: Phone) -> None:
    await phone.link_both()
    round_id = phone.open_round()
    phone.later()
    assert (await phone.telegram.tell(AN, "tự đánh giá")).choices[0] == "Bắt đầu"
    first = await phone.telegram.choose(AN, 1)
    assert first.lines[0].startswith("Nhóm 1/6")
    assert (await phone.telegram.choose(AN, 1)).lines[0].startswith("Nhóm 2/6")
    phone.later()
    said = await phone.zalo.tell(AN, "tự đánh giá")
    for group in range(2, 7):
        assert said.lines[0].startswith(f"Nhóm {group}/6")
        assert said.choices[0].startswith("Cả nhóm")
        said = await phone.zalo.choose(AN, 1)
    assert said.choices[0] == "Xác nhận nộp"
    assert (await phone.zalo.choose(AN, 1)).lines[0].startswith("Đã ghi nhận")
    with phone.program.store.transaction() as transaction:
        answers = transaction.rounds.answers(round_id, phone.member_id)
        response = transaction.rounds.response(round_id, phone.member_id)
    assert {number: given.answer for number, given in answers.items()} == dict.fromkeys(range(1, 20), ItemAnswer.NONE)
    assert response is not None
    assert response.is_submitted
    phone.later()
    # The buttons that still stand in Telegram hand nothing in twice.
    assert tells(await phone.telegram.tell(AN, "của tôi"), "2 máy đang nối")
    assert not (await phone.telegram.tell(AN, "tự đánh giá")).lines[0].startswith("Nhóm 2/6")


# --- Prompts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("last", ["telegram", "zalo"])
async def test_a_prompt_goes_to_where_the_person_was_last_and_only_there(phone: Phone, last: str) -> None:
    await phone.link_both()
    phone.open_round()
    for where in sorted(("telegram", "zalo"), key=lambda name: name == last):
        phone.later()
        await getattr(phone, where).tell(AN, "cảm ơn")
    phone.later()
    on_telegram, on_zalo = await phone.prompted()
    heard, other = (on_telegram, on_zalo) if last == "telegram" else (on_zalo, on_telegram)
    assert [text.partition(",")[0] for text in heard] == ["Chi bộ 3 mở kỳ tự đánh giá tháng 11/2026"]
    assert other == []
    assert await phone.prompted() == ([], [])


async def test_a_prompt_that_zalo_refuses_for_good_goes_to_telegram_once(phone: Phone) -> None:
    await phone.link_both()
    phone.open_round()
    phone.later()
    await phone.zalo.tell(AN, "cảm ơn")
    await phone.zalo.block(AN, blocked=True)
    phone.later()
    on_telegram, on_zalo = await phone.prompted()
    assert [text.partition(",")[0] for text in on_telegram] == ["Chi bộ 3 mở kỳ tự đánh giá tháng 11/2026"]
    assert on_zalo == []
    assert phone.links() == {"telegram": False, "zalo": True}
    assert await phone.prompted() == ([], [])
    # The next goes there at once; and after a word in Zalo, to Zalo again.
    phone.clock.set_to = LAST_DAY
    on_telegram, on_zalo = await phone.prompted()
    assert (len(on_telegram), on_zalo) == (1, [])


async def test_a_prompt_goes_to_zalo_where_telegram_was_blocked_and_back_after_a_word_there(phone: Phone) -> None:
    await phone.link_both()
    phone.open_round()
    phone.later()
    await phone.telegram.tell(AN, "cảm ơn")
    await phone.telegram.block(AN, blocked=True)
    assert phone.links() == {"telegram": True, "zalo": False}
    phone.later()
    on_telegram, on_zalo = await phone.prompted()
    assert (len(on_telegram), len(on_zalo)) == (0, 1)
    await phone.telegram.tell(AN, "tôi đây")
    assert phone.links() == {"telegram": False, "zalo": False}
    phone.clock.set_to = LAST_DAY
    on_telegram, on_zalo = await phone.prompted()
    assert (len(on_telegram), len(on_zalo)) == (1, 0)


async def test_a_prompt_that_nobody_takes_is_given_up_and_a_word_opens_the_way_again(phone: Phone) -> None:
    await phone.link_both()
    phone.open_round()
    phone.later()
    await phone.telegram.block(AN, blocked=True)
    await phone.zalo.block(AN, blocked=True)
    assert await phone.prompted() == ([], [])
    assert phone.links() == {"telegram": True, "zalo": True}
    await phone.zalo.block(AN, blocked=False)
    phone.later()
    await phone.zalo.tell(AN, "cảm ơn")
    assert phone.links() == {"telegram": True, "zalo": False}
    phone.clock.set_to = LAST_DAY
    on_telegram, on_zalo = await phone.prompted()
    assert (len(on_telegram), len(on_zalo)) == (0, 1)
