"""One person, several chats: what is spoken about is shared, and a message goes where the person was last."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from assessment.model import Role
from bot.gateway import Gateway, Joined
from handlers.audience import Audience, audience
from handlers.messages import IncomingMessage
from handlers.reminders import reachable
from handlers.router import handle
from handlers.services import Services
from knowledge.answer import KnowledgeBase
from storage.database import open_database
from storage.outbox import Delivery, DeliveryState
from storage.store import Store
from tests.builders import known_checklists
from tests.storage.builders import a_vault, bring_up

NOW = datetime(2026, 11, 5, 2, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    engine = open_database(f"sqlite:///{tmp_path / 'chat.db'}")
    bring_up(engine)
    yield Store(engine, a_vault())
    engine.dispose()


class Phones:
    """A member, and whatever chats a test links."""

    def __init__(self, store: Store, knowledge: KnowledgeBase) -> None:
        checklists = {(checklist.id, checklist.version): checklist for checklist in known_checklists()}
        services = Services(knowledge, checklists)
        self.store, self.now, self._count = store, NOW, 0
        self.gateway = Gateway(store, partial(handle, services=services), audience=partial(audience, services=services))
        with store.transaction() as transaction:
            people = transaction.people
            cell = people.add_cell(people.add_organization("Đảng bộ xã An Bình"), "Chi bộ 3")
            self.an, self.binh = people.add_member(cell, "Nguyễn Văn An"), people.add_member(cell, "Trần Thị Bình")

    def link(self, channel: str, chat_id: str, member_id: int | None = None) -> None:
        with self.store.transaction() as transaction:
            transaction.people.link(channel, chat_id, member_id or self.an, now=NOW)

    def say(self, channel: str, text: str, chat_id: str = "1") -> str:
        self._count, self.now = self._count + 1, self.now + timedelta(minutes=1)
        message = IncomingMessage(channel, chat_id, f"m{self._count}", text, self.now)
        return "\n".join(reply.text for reply in self.gateway.receive_now(message).replies)

    def goes_to(self, *, but: str = "", failed_on: tuple[str, ...] = ()) -> str | None:
        delivery = Delivery(1, 1, self.an, "opened", DeliveryState.QUEUED, NOW, 0, None, failed_on=failed_on)
        with self.store.transaction() as transaction:
            found = reachable(transaction, delivery, but=but)
            return found.channel if found is not None else None


@pytest.fixture
def phones(store: Store, plain_knowledge: KnowledgeBase) -> Phones:
    return Phones(store, plain_knowledge)


def test_who_asks_on_one_channel_goes_on_asking_on_the_other(phones: Phones) -> None:
    phones.link("telegram", "1")
    phones.link("zalo", "1")
    first = phones.say("telegram", "ai chịu trách nhiệm nếu chậm xử lý biểu hiện suy thoái")
    alone = phones.say("zalo", "đoạn sau", chat_id="người lạ")
    together = phones.say("zalo", "đoạn sau")
    assert "mục 2.4, gạch đầu dòng 3" in first
    assert "mục 2.4, gạch đầu dòng 4" in together
    assert "mục 2.4, gạch đầu dòng 4" not in alone


def test_nobody_elses_chat_learns_what_was_spoken_about(phones: Phones) -> None:
    phones.link("telegram", "1")
    phones.link("zalo", "1", phones.binh)
    phones.say("telegram", "ai chịu trách nhiệm nếu chậm xử lý biểu hiện suy thoái")
    assert "mục 2.4, gạch đầu dòng 4" not in phones.say("zalo", "đoạn sau")


def test_a_message_goes_to_the_chat_that_was_used_last_and_to_the_page_only_where_nothing_else_is(
    phones: Phones,
) -> None:
    assert phones.goes_to() is None
    phones.link("web", "1")
    assert phones.goes_to() == "web"
    phones.link("telegram", "1")
    phones.link("zalo", "1")
    phones.say("telegram", "mục lục")
    assert phones.goes_to() == "telegram"
    phones.say("zalo", "mục lục")
    assert phones.goes_to() == "zalo"
    phones.say("web", "mục lục")
    assert phones.goes_to() == "zalo"
    assert phones.goes_to(but="zalo") == "telegram"
    assert phones.goes_to(but="zalo", failed_on=("telegram",)) == "web"


def test_a_blocked_chat_is_passed_over_until_its_person_writes_there(phones: Phones) -> None:
    phones.link("telegram", "1")
    phones.link("zalo", "1")
    phones.say("zalo", "mục lục")
    with phones.store.transaction() as transaction:
        transaction.people.set_blocked("zalo", "1", at=NOW)
    assert phones.goes_to() == "telegram"
    phones.say("zalo", "mục lục")
    assert phones.goes_to() == "zalo"


def test_a_page_opened_within_telegram_is_its_owners_and_a_proof_opens_no_second_one(phones: Phones) -> None:
    def join(web: str, proof: str, telegram: str = "1") -> Joined:
        return phones.gateway.join_chat("telegram", telegram, "web", web, proof, now=NOW)

    assert join("a", "p1") is Joined.NOT_LINKED
    phones.link("telegram", "1")
    phones.link("telegram", "2", phones.binh)
    assert join("a", "p1") is Joined.JOINED
    assert join("a", "p1") is Joined.JOINED
    assert join("b", "p1") is Joined.REPLAYED
    assert join("a", "p2", telegram="2") is Joined.WEB_OF_ANOTHER
    with phones.store.transaction() as transaction:
        assert transaction.people.member_of("web", "a") == phones.an
        assert transaction.people.member_of("web", "b") is None


def test_menu_of_commands_is_that_of_the_role(phones: Phones) -> None:
    def menu() -> Audience | None:
        return phones.gateway.audience("telegram", "1", now=NOW)

    assert menu() is Audience.MEMBER
    phones.link("telegram", "1")
    phones.say("telegram", "mục lục")
    assert menu() is Audience.MEMBER
    for role, wanted in ((Role.SECRETARY, Audience.SECRETARY), (Role.ADMIN, Audience.ADMIN)):
        with phones.store.transaction() as transaction:
            transaction.people.set_roles(phones.an, [role])
        assert menu() is wanted
