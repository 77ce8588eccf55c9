from datetime import UTC, datetime

from assessment.model import Role
from handlers import mailbox_texts
from knowledge.answer import KnowledgeBase
from storage.store import Store
from tests.handlers.conftest import Village

NOW = datetime(2026, 11, 5, 2, tzinfo=UTC)


def a_village(store: Store, knowledge: KnowledgeBase, aside: int) -> Village:
    village = Village(store, knowledge, NOW)
    village.add("quan", "Lê Văn Quản", Role.ADMIN)
    village.add("an", "Nguyễn Văn An")
    village.enrol("quan", "an")
    with store.transaction() as transaction:
        rows = [(f"u{n}", str(n), '{"text": "điều riêng"}') for n in range(aside + 1)]
        transaction.inbox.put("telegram", rows, now=NOW)
        for update in transaction.inbox.claim("w", ["telegram"], now=NOW)[:aside]:
            transaction.inbox.failed(update.id, "w", "KeyError 1F2E", now=NOW, again_at=NOW, most_attempts=1)
    return village


def test_an_admin_sees_how_many_why_and_when_and_nothing_of_what_they_say(
    store: Store, knowledge: KnowledgeBase
) -> None:
    said = a_village(store, knowledge, 7).say("quan", "tin loi")
    assert "Tin đang chờ xử lý: 1. Tin bị để riêng vì xử lý ba lần không được: 7." in said
    assert said.count("- Telegram, ngày 05/11: lỗi KeyError 1F2E") == 5
    assert "… và 2 tin nữa." in said
    assert "riêng tư" not in said
    assert "điều riêng" not in said


def test_nobody_else_sees_any_of_it(store: Store, knowledge: KnowledgeBase) -> None:
    village = a_village(store, knowledge, 1)
    village.say("quan", "tin lỗi")
    assert village.say("an", "tin lỗi") == mailbox_texts.ONLY_ADMIN
    assert village.say("lạ", "hộp thư") == mailbox_texts.ONLY_ADMIN


def test_they_are_handled_again_or_thrown_away_after_a_question(store: Store, knowledge: KnowledgeBase) -> None:
    village = a_village(store, knowledge, 2)
    village.say("quan", "hop thu")
    assert "Tôi đang xử lý lại 2 tin." in village.choose("quan", mailbox_texts.TRY_AGAIN)
    assert "[1]" not in village.say("quan", "hop thu")
    with store.transaction() as transaction:
        assert transaction.inbox.counts() == {"waiting": 3}
        for update in transaction.inbox.claim("w", ["telegram"], now=NOW):
            transaction.inbox.failed(update.id, "w", "KeyError 1F2E", now=NOW, again_at=NOW, most_attempts=1)
    village.say("quan", "hop thu")
    assert "3 tin sẽ bị bỏ hẳn" in village.choose("quan", mailbox_texts.THROW_AWAY)
    assert "Đã bỏ 3 tin." in village.choose("quan", "Xác nhận")
    with store.transaction() as transaction:
        assert transaction.inbox.counts() == {}
        actions = [entry.action for entry in transaction.audit.entries()]
    assert actions[-2:] == ["handle updates again", "throw updates away"]
