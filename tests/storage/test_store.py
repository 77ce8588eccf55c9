import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError, StatementError

from storage.database import migrate, open_database
from storage.store import Store, StoredMessage, Transaction
from tests.storage.builders import a_vault

PROJECT = Path(__file__).parent.parent.parent
HANOI = timezone(timedelta(hours=7))
NOW = datetime(2026, 12, 5, 1, 0, 0, 123456, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)


def a_conversation(store: Store, chat_id: str = "u1", channel: str = "console") -> int:
    with store.transaction() as transaction:
        return transaction.conversation(channel, chat_id, now=NOW).id


def a_reply(store: Store, conversation_id: int, text: str, *labels: str) -> StoredMessage:
    with store.transaction() as transaction:
        buttons = [(label, "open", f"argument of {label}") for label in labels]
        return transaction.add_reply(conversation_id, [("text", text)], buttons, in_reply_to=None, now=NOW)


def at_once(*doings: Callable[[], object]) -> list[object]:
    """Do things in threads; return what each gave or raised, in order."""
    results: list[object] = [None] * len(doings)

    def do(position: int) -> None:
        try:
            results[position] = doings[position]()
        except BaseException as error:
            results[position] = error

    threads = [threading.Thread(target=do, args=(position,)) for position in range(len(doings))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return results


# --- Conversations ------------------------------------------------------------------------------------------------


def test_a_conversation_is_begun_once_and_found_again(store: Store) -> None:
    with store.transaction() as transaction:
        assert transaction.find_conversation("web", "a") is None
        begun = transaction.conversation("web", "a", now=NOW)
        assert (begun.channel, begun.chat_id, dict(begun.topic)) == ("web", "a", {})
    with store.transaction() as transaction:
        assert transaction.conversation("web", "a", now=LATER) == begun
        assert transaction.find_conversation("web", "a") == begun


def test_the_same_chat_id_on_two_channels_is_two_conversations(store: Store) -> None:
    ids = {a_conversation(store, "7", channel) for channel in ("web", "telegram")}
    assert len(ids) == 2


def test_a_topic_is_kept_with_its_accents_and_replaced_whole(store: Store) -> None:
    conversation_id = a_conversation(store)
    topic = {"question": "người đứng đầu chậm xử lý thì sao 🙂 \"'\\", "hits": ["2.2#3", "2.3#1"], "passage_id": None}
    with store.transaction() as transaction:
        transaction.save_topic(conversation_id, topic, now=NOW)
    with store.transaction() as transaction:
        assert transaction.conversation("console", "u1", now=NOW).topic == topic
        transaction.save_topic(conversation_id, {}, now=LATER)
    with store.transaction() as transaction:
        assert transaction.conversation("console", "u1", now=NOW).topic == {}


def test_saving_a_topic_touches_no_other_conversation(store: Store) -> None:
    mine, other = a_conversation(store, "mine"), a_conversation(store, "other")
    assert mine != other
    with store.transaction() as transaction:
        transaction.save_topic(mine, {"question": "x"}, now=NOW)
    with store.transaction() as transaction:
        assert transaction.conversation("console", "other", now=NOW).topic == {}


@pytest.mark.postgres
def test_a_conversation_is_locked_until_its_transaction_ends(store: Store) -> None:
    a_conversation(store)
    entered, order = threading.Event(), list[str]()

    def first() -> None:
        with store.transaction() as transaction:
            transaction.conversation("console", "u1", now=NOW)
            entered.set()
            threading.Event().wait(0.2)
            order.append("first ends")

    def second() -> None:
        entered.wait(5)
        with store.transaction() as transaction:
            transaction.conversation("console", "u1", now=NOW)
            order.append("second enters")

    assert at_once(first, second) == [None, None]
    assert order == ["first ends", "second enters"]


# --- Transactions -------------------------------------------------------------------------------------------------


def test_a_transaction_that_raises_leaves_no_trace(store: Store) -> None:
    def write_and_fail() -> None:
        with store.transaction() as transaction:
            conversation_id = transaction.conversation("web", "a", now=NOW).id
            incoming = transaction.add_incoming(conversation_id, "m1", "câu hỏi", now=NOW)
            transaction.add_reply(conversation_id, [("text", "x")], [("A", "a", "1")], in_reply_to=incoming, now=NOW)
            transaction.want_document("luat-phong-chong-tham-nhung", now=NOW)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_and_fail()
    with store.transaction() as transaction:
        assert transaction.find_conversation("web", "a") is None
        assert transaction.wanted_documents() == []


def test_nobody_sees_a_message_before_it_is_committed(store: Store) -> None:
    conversation_id = a_conversation(store)
    written, looked = threading.Event(), threading.Event()

    def write() -> None:
        with store.transaction() as transaction:
            transaction.add_incoming(conversation_id, "m1", "câu hỏi", now=NOW)
            written.set()
            looked.wait(0.3)

    def look() -> int:
        written.wait(5)
        with store.transaction() as transaction:
            seen = len(transaction.history(conversation_id))
        looked.set()
        return seen

    # SQLite lets the reader wait for the writer, PostgreSQL shows it what was there before: never half of it.
    _, seen = at_once(write, look)
    assert seen in (0, 1)
    with store.transaction() as transaction:
        assert [message.text for message in transaction.history(conversation_id)] == ["câu hỏi"]


# --- Messages -----------------------------------------------------------------------------------------------------


def test_an_incoming_message_is_kept_once_in_its_conversation(store: Store) -> None:
    mine, other = a_conversation(store, "mine"), a_conversation(store, "other")
    with store.transaction() as transaction:
        transaction.add_incoming(mine, "m1", "một", now=NOW)
        transaction.add_incoming(other, "m1", "một", now=NOW)
    with pytest.raises(IntegrityError), store.transaction() as transaction:
        transaction.add_incoming(mine, "m1", "một nữa", now=NOW)
    with store.transaction() as transaction:
        assert [message.text for message in transaction.history(mine)] == ["một"]


def test_replies_to_tells_new_from_unanswered_from_answered(store: Store) -> None:
    mine, other = a_conversation(store, "mine"), a_conversation(store, "other")
    with store.transaction() as transaction:
        silent = transaction.add_incoming(mine, "m1", "một", now=NOW)
        asked = transaction.add_incoming(mine, "m2", "hai", now=NOW)
        blocks = [("quote", "«Định kỳ»"), ("citation", "mục 2.2")]
        first = transaction.add_reply(mine, blocks, [("A", "a", "1"), ("B", "b", "2")], in_reply_to=asked, now=NOW)
        second = transaction.add_reply(mine, [("text", "nữa")], [], in_reply_to=asked, now=NOW)
    assert silent < asked < first.id < second.id
    with store.transaction() as transaction:
        assert transaction.replies_to(mine, "m3") is None
        assert transaction.replies_to(mine, "m1") == []
        assert transaction.replies_to(mine, "m2") == [first, second]
        assert transaction.replies_to(other, "m2") is None
    assert first.text == "«Định kỳ»\nmục 2.2"
    assert first.blocks == (("quote", "«Định kỳ»"), ("citation", "mục 2.2"))
    assert (first.is_ours, first.in_reply_to, first.external_id) == (True, asked, None)


def test_a_message_needs_a_conversation_that_exists(store: Store) -> None:
    with pytest.raises(IntegrityError), store.transaction() as transaction:
        transaction.add_incoming(4711, "m1", "một", now=NOW)


@pytest.mark.parametrize(
    "words", ["Đảng ủy – ½ «nguyên văn»", "Đa\u0309ng (NFD)", "🙂👨‍👩‍👧", "'; DROP TABLE messages; --", " \t\n", ""]
)
def test_words_come_back_as_they_were(store: Store, words: str) -> None:
    conversation_id = a_conversation(store)
    with store.transaction() as transaction:
        transaction.add_incoming(conversation_id, "m1", words, now=NOW)
        transaction.add_reply(conversation_id, [("quote", words)], [(words, "a", words)], in_reply_to=None, now=NOW)
    with store.transaction() as transaction:
        incoming, reply = transaction.history(conversation_id)
        assert (incoming.text, incoming.external_id, incoming.is_ours) == (words, "m1", False)
        assert reply.blocks == (("quote", words),)
        assert [(button.label, button.argument) for button in reply.buttons] == [(words, words)]


def test_history_is_oldest_first_ends_with_the_latest_and_can_start_after_an_id(store: Store) -> None:
    mine, other = a_conversation(store, "mine"), a_conversation(store, "other")
    ids = []
    for number in range(6):
        ids.append(a_reply(store, mine, f"tin {number}").id)
        a_reply(store, other, "của người khác")
    with store.transaction() as transaction:

        def said(*, after: int = 0, limit: int = 200) -> list[str]:
            return [message.text for message in transaction.history(mine, after=after, limit=limit)]

        assert said() == [f"tin {number}" for number in range(6)]
        assert said(limit=2) == ["tin 4", "tin 5"]
        assert said(after=ids[3]) == ["tin 4", "tin 5"]
        assert said(after=ids[1], limit=3) == ["tin 3", "tin 4", "tin 5"]
        assert said(after=ids[-1]) == []
        assert said(after=2**31 - 1) == []


def test_delivery_is_noted_for_that_message_alone(store: Store, engine: Engine) -> None:
    conversation_id = a_conversation(store)
    first, second = a_reply(store, conversation_id, "một"), a_reply(store, conversation_id, "hai")
    with store.transaction() as transaction:
        transaction.mark_delivered(first.id, now=LATER)
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT id, delivered_at IS NOT NULL FROM messages ORDER BY id")).all()
    assert [(row[0], bool(row[1])) for row in rows] == [(first.id, True), (second.id, False)]


# --- Buttons ------------------------------------------------------------------------------------------------------


def test_buttons_are_numbered_from_one_and_have_ids_of_their_own(store: Store) -> None:
    reply = a_reply(store, a_conversation(store), "chọn", "A", "B", "C")
    assert [(button.ordinal, button.label) for button in reply.buttons] == [(1, "A"), (2, "B"), (3, "C")]
    assert len({button.id for button in reply.buttons}) == 3
    assert all(len(button.id) == 12 and button.id.isalnum() for button in reply.buttons)


def test_a_button_belongs_to_its_chat_alone(store: Store) -> None:
    mine, other = a_conversation(store, "mine"), a_conversation(store, "other")
    [button] = a_reply(store, mine, "chọn", "A").buttons
    with store.transaction() as transaction:
        assert transaction.button(mine, button.id) == button
        assert transaction.button(other, button.id) is None
        assert transaction.button(mine, "nothing") is None
        assert transaction.button(mine, button.id.upper()) is None


def test_the_latest_buttons_are_those_of_our_latest_message_that_had_any(store: Store) -> None:
    mine, other = a_conversation(store, "mine"), a_conversation(store, "other")

    def latest() -> list[str]:
        with store.transaction() as transaction:
            return [button.label for button in transaction.latest_buttons(mine)]

    assert latest() == []
    a_reply(store, mine, "một", "A", "B")
    a_reply(store, mine, "hai", "C", "D", "E")
    a_reply(store, mine, "không có nút")
    a_reply(store, other, "người khác", "F")
    assert latest() == ["C", "D", "E"]


# --- Wanted documents ---------------------------------------------------------------------------------------------


def test_wanted_documents_are_counted_and_the_most_wanted_come_first(store: Store) -> None:
    with store.transaction() as transaction:
        assert [transaction.want_document(name, now=NOW) for name in ("a", "b", "b", "c")] == [1, 1, 2, 1]
    with store.transaction() as transaction:
        assert transaction.want_document("c", now=LATER) == 2
        assert transaction.want_document("c", now=LATER) == 3
        assert transaction.wanted_documents() == [("c", 3), ("b", 2), ("a", 1)]


def test_requests_at_once_for_a_document_on_the_list_are_all_counted(store: Store) -> None:
    def want() -> int:
        with store.transaction() as transaction:
            return transaction.want_document("luat", now=NOW)

    want()
    counts = at_once(*[want] * 6)
    assert sorted(count for count in counts if isinstance(count, int)) == [2, 3, 4, 5, 6, 7], counts


def first_at_once(store: Store, do: Callable[[Transaction], object]) -> list[object]:
    """Do something in two transactions that are both open before either ends, as far as the database lets them."""
    done = threading.Barrier(2, timeout=0.5)

    def run() -> None:
        with store.transaction() as transaction:
            do(transaction)
            try:
                done.wait()
            except threading.BrokenBarrierError:
                return

    return at_once(run, run)


def test_two_first_messages_at_once_on_sqlite_wait_for_each_other(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'x.db'}")
    migrate(engine)
    store = Store(engine, a_vault())
    assert first_at_once(store, lambda t: t.want_document("luat", now=NOW)) == [None, None]
    assert first_at_once(store, lambda t: t.conversation("web", "a", now=NOW)) == [None, None]
    with store.transaction() as transaction:
        assert transaction.wanted_documents() == [("luat", 2)]


@pytest.mark.postgres
@pytest.mark.parametrize(
    "do",
    [
        pytest.param(lambda t: t.want_document("luat", now=NOW), id="want_document"),
        pytest.param(lambda t: t.conversation("web", "a", now=NOW), id="conversation"),
    ],
)
def test_two_firsts_at_once_on_postgresql_both_succeed(
    request: pytest.FixtureRequest, do: Callable[[Transaction], object]
) -> None:
    engine = open_database(request.getfixturevalue("postgres").fresh_url())
    migrate(engine)
    try:
        assert first_at_once(Store(engine, a_vault()), do) == [None, None]
    finally:
        engine.dispose()


# --- Times --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "moment",
    [
        NOW,
        datetime(2026, 12, 5, 8, 0, tzinfo=HANOI),
        datetime(2026, 12, 31, 23, 59, 59, 999999, tzinfo=timezone(-timedelta(hours=9, minutes=30))),
    ],
)
def test_aware_times_come_back_equal_and_in_utc(store: Store, moment: datetime) -> None:
    conversation_id = a_conversation(store)
    with store.transaction() as transaction:
        transaction.add_incoming(conversation_id, "m1", "một", now=moment)
    with store.transaction() as transaction:
        [message] = transaction.history(conversation_id)
    assert message.created_at == moment
    assert message.created_at.utcoffset() == timedelta(0)


def test_a_naive_time_is_refused(store: Store) -> None:
    with pytest.raises(StatementError, match="time zone"), store.transaction() as transaction:
        transaction.conversation("web", "a", now=NOW.replace(tzinfo=None))
    with store.transaction() as transaction:
        assert transaction.find_conversation("web", "a") is None


# --- Any words ----------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    topic=st.dictionaries(
        st.text(max_size=8), st.one_of(st.none(), st.text(max_size=40), st.lists(st.text(max_size=8), max_size=3))
    )
)
def test_any_topic_round_trips(store: Store, topic: dict[str, object]) -> None:
    conversation_id = a_conversation(store)
    with store.transaction() as transaction:
        transaction.save_topic(conversation_id, topic, now=NOW)
    with store.transaction() as transaction:
        assert transaction.conversation("console", "u1", now=NOW).topic == topic


# --- Many writers, and a power cut --------------------------------------------------------------------------------


def test_writers_at_once_all_succeed_and_keep_their_order(store: Store) -> None:
    def write(name: str) -> list[int]:
        conversation_id, ids = a_conversation(store, name), []
        for number in range(15):
            with store.transaction() as transaction:
                ids.append(transaction.add_incoming(conversation_id, f"m{number}", f"{name} {number}", now=NOW))
        return ids

    written = at_once(lambda: write("a"), lambda: write("b"), lambda: write("c"))
    assert [isinstance(ids, list) for ids in written] == [True] * 3, written
    with store.transaction() as transaction:
        for name in "abc":
            conversation = transaction.find_conversation("console", name)
            assert conversation is not None
            said = [message.text for message in transaction.history(conversation.id)]
            assert said == [f"{name} {number}" for number in range(15)]


_WRITE_FOR_EVER = """
import sys
from datetime import UTC, datetime
from itertools import count
from storage.database import migrate, open_database
from storage.store import Store
from storage.vault import Vault
store = Store(open_database(sys.argv[1]), Vault({"k": bytes(32)}, "k"))
with store.transaction() as transaction:
    conversation = transaction.conversation("web", "a", now=datetime.now(UTC))
for number in count():
    with store.transaction() as transaction:
        transaction.add_incoming(conversation.id, f"m{number}", "câu hỏi", now=datetime.now(UTC))
    print(f"m{number}", flush=True)
"""


def test_what_was_acknowledged_survives_a_kill(store: Store, url: str) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", _WRITE_FOR_EVER, url], stdout=subprocess.PIPE, text=True, cwd=PROJECT
    )
    assert writer.stdout is not None
    acknowledged = [writer.stdout.readline() for _ in range(40)]
    writer.send_signal(signal.SIGKILL)
    acknowledged += writer.communicate(timeout=60)[0].splitlines(keepends=True)
    assert writer.returncode == -signal.SIGKILL
    complete = [line.rstrip() for line in acknowledged if line.endswith("\n")]
    assert len(complete) >= 40
    with store.transaction() as transaction:
        conversation = transaction.find_conversation("web", "a")
        assert conversation is not None
        kept = [message.external_id for message in transaction.history(conversation.id, limit=100_000)]
    assert kept[: len(complete)] == complete
    assert len(kept) - len(complete) <= 1
