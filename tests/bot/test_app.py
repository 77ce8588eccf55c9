"""Everything built together: the real handlers over the real documents, and the channels' coming and going."""

import asyncio
import os
import signal
import time
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bot import app
from bot.app import build_knowledge_base, open_store
from bot.channels.base import Channel, ChannelError
from bot.config import Config, load_config
from bot.gateway import Gateway
from handlers import texts
from handlers.browse import press
from handlers.messages import IncomingMessage, Reply
from handlers.router import handle
from handlers.services import Services
from knowledge.answer import KnowledgeBase
from storage.store import Conversation, Store, StoredMessage, Transaction

PROJECT = Path(__file__).parent.parent.parent
NOW = datetime(2026, 12, 5, 1, 0, tzinfo=UTC)
LONGEST_LABEL = 60


def a_config(data_dir: Path, **environment: str) -> Config:
    variables = {f"TUSOI_{name}": value for name, value in environment.items()}
    return load_config(PROJECT / "config.yaml", {"TUSOI_DATA_DIR": str(data_dir), **variables})


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    return a_config(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def knowledge(config: Config) -> KnowledgeBase:
    return build_knowledge_base(config)


@pytest.fixture(scope="module")
def store(config: Config) -> Store:
    return open_store(config)


class Chat:
    """A person who writes to the assistant."""

    _people = count(1)
    _messages = count(1)

    def __init__(self, knowledge: KnowledgeBase, store: Store) -> None:
        self._chat_id = f"u{next(self._people)}"
        self._knowledge, self._store = knowledge, store
        self.restart()

    def restart(self) -> None:
        """Let a new gateway answer from now on."""
        services = Services(self._knowledge)

        def handle_in_turn(
            message: IncomingMessage, conversation: Conversation, transaction: Transaction
        ) -> list[Reply]:
            return handle(message, conversation, transaction, services=services)

        self._gateway = Gateway(self._store, handle_in_turn)

    def send(self, text: str = "", *, button_id: str | None = None, file_name: str | None = None) -> StoredMessage:
        number = f"m{next(self._messages)}"
        message = IncomingMessage("web", self._chat_id, number, text, NOW, button_id, file_name)
        [reply] = self._gateway.receive_now(message).replies
        assert reply.id, f"server error after {text[:50]!r}"
        assert reply.text.strip()
        assert len(reply.buttons) <= 3
        assert [b.label for b in reply.buttons if not 0 < len(b.label.strip()) <= LONGEST_LABEL] == []
        return reply


@pytest.fixture
def chat(knowledge: KnowledgeBase, store: Store) -> Chat:
    return Chat(knowledge, store)


# --- Words that always work ---------------------------------------------------------------------------------------


def same_in_any_way(chat: Chat, *ways: str) -> StoredMessage:
    """Write a word in several ways; return the answer, which must be the same for all."""
    answers = [chat.send(way) for way in ways]
    said = {way: (answer.blocks, [b.label for b in answer.buttons]) for way, answer in zip(ways, answers, strict=True)}
    assert [way for way in ways if said[way] != said[ways[0]]] == []
    return answers[0]


def test_the_outline_opens_however_it_is_written(chat: Chat) -> None:
    nfd = "mu\u0323c lu\u0323c"
    answer = same_in_any_way(
        chat,
        "mục lục",
        "muc luc",
        "MỤC LỤC",
        "Mục lục.",
        "  mục   lục ",
        "/muc_luc",
        "/MUC_LUC",
        "/muc_luc@TuSoiBot",
        nfd,
    )
    assert answer.text.startswith(texts.OUTLINE)
    assert all(section in answer.text for section in ("2.1", "2.2", "2.3"))


def test_the_documents_open_however_they_are_written(chat: Chat) -> None:
    answer = same_in_any_way(chat, "văn bản", "van ban", "VĂN BẢN", "/van_ban", "các văn bản")
    assert answer.text.startswith(texts.CITED_DOCUMENTS)
    assert "41-QĐ/TW" in answer.text
    assert answer.buttons


def test_help_names_the_words_in_a_few_lines(chat: Chat) -> None:
    answer = same_in_any_way(chat, "trợ giúp", "tro giup", "TRỢ GIÚP!", "/tro_giup", "/help")
    assert len(answer.text.split("\n")) <= 17
    assert all(word in answer.text for word in ("mục lục", "văn bản", "dừng", "nạp lại", "khôi phục"))


def test_stop_ends_what_the_conversation_was_about(chat: Chat, store: Store) -> None:
    chat.send("mục 2.2 nói gì")
    assert same_in_any_way(chat, "dừng", "dung", "DỪNG", "/dung", "dừng lại").text == texts.STOPPED
    with store.transaction() as transaction:
        conversation = transaction.find_conversation("web", chat._chat_id)
        assert conversation is not None
        assert conversation.topic == {}


def test_start_welcomes_and_a_code_that_nobody_was_given_is_refused(chat: Chat) -> None:
    assert chat.send("/start").text == texts.WELCOME
    assert chat.send("/start BCDF2345").text.startswith("Mã không đúng.")


@pytest.mark.parametrize("command", ["/khong_co", "/abc def", "/x@TuSoiBot", "/" + "a" * 500])
def test_an_unknown_command_is_named_shortly(chat: Chat, command: str) -> None:
    answer = chat.send(command).text
    assert answer.startswith("Tôi không có lệnh /")
    assert "trợ giúp" in answer
    assert len(answer) < 200


# --- Choices ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("typed", ["1", " 1 ", "1.", "1)", "chọn 1", "CHỌN 1", "so 1", "số 1", "01"])
def test_a_typed_number_is_the_choice_of_that_number(chat: Chat, typed: str) -> None:
    offered = chat.send("mục lục").buttons[0]
    tapped = chat.send(button_id=offered.id)
    chat.send("mục lục")
    assert chat.send(typed).blocks == tapped.blocks


def test_a_number_where_nothing_was_offered_says_so(chat: Chat) -> None:
    assert chat.send("1").text == texts.NOTHING_TO_CHOOSE


@pytest.mark.parametrize("number", [0, 4, 99])
def test_a_number_out_of_range_says_which_there_are(chat: Chat, number: int) -> None:
    offered = len(chat.send("mục lục").buttons)
    assert chat.send(str(number)).text == texts.no_such_choice(number, offered)


def test_a_button_from_before_a_restart_works(chat: Chat) -> None:
    first, second, *_ = chat.send("mục lục").buttons
    said = chat.send(button_id=first.id).blocks
    chat.send("văn bản")
    chat.restart()
    assert chat.send(button_id=first.id).blocks == said
    assert chat.send(button_id=second.id).blocks != said
    chat.send("mục lục")
    chat.restart()
    assert chat.send("1").blocks == said


def test_a_button_that_is_not_there_or_another_persons_says_so(
    chat: Chat, knowledge: KnowledgeBase, store: Store
) -> None:
    stolen = Chat(knowledge, store).send("mục lục").buttons[0].id
    for button_id in (stolen, "bbbbbbbbbbbb", "", "'; DROP TABLE buttons; --"):
        assert chat.send(button_id=button_id).text == texts.BUTTON_EXPIRED


@pytest.mark.parametrize(
    ("action", "argument"),
    [
        ("passage", "van-ban-da-go/1#1"),
        ("section", "van-ban-da-go/2.2"),
        ("section", "ke-hoach-ket-luan-21/9.9"),
        ("whole_section", "van-ban-da-go/2.2"),
        ("card", "van-ban-da-go"),
        ("places", "van-ban-da-go"),
        ("list", "van-ban-da-go/2@2"),
        ("no_longer_known", "x"),
    ],
)
def test_a_button_whose_document_is_gone_says_so(knowledge: KnowledgeBase, action: str, argument: str) -> None:
    reply, _ = press(action, argument, None, knowledge)
    assert reply.text == texts.BUTTON_EXPIRED


def test_every_button_that_can_be_reached_leads_somewhere(knowledge: KnowledgeBase) -> None:
    """Walk from the outline and the documents through every button; a label must tell its button from the others."""
    begin = [("outline", ""), ("documents", "")]
    waiting, seen = deque(begin), set(begin)
    problems: list[str] = []
    while waiting:
        action, argument = waiting.popleft()
        reply, _ = press(action, argument, None, knowledge)
        where = f"{action} {argument}"
        if not reply.text.strip() or reply.text == texts.BUTTON_EXPIRED:
            problems.append(f"{where}: leads nowhere")
        if len(reply.buttons) > 3:
            problems.append(f"{where}: {len(reply.buttons)} buttons")
        labels = [button.label for button in reply.buttons]
        problems += [f"{where}: label {label!r}" for label in labels if not 0 < len(label.strip()) <= LONGEST_LABEL]
        if len(set(labels)) < len(labels):
            problems.append(f"{where}: the same label twice: {labels}")
        for button in reply.buttons:
            step = (button.action, button.argument)
            if step not in seen:
                seen.add(step)
                waiting.append(step)
    assert len(seen) > 50
    assert problems == []


def test_every_document_opens_from_the_list_page_by_page(chat: Chat) -> None:
    answer, pages = chat.send("văn bản"), 0
    seen: list[str] = []
    while answer.buttons:
        seen += [button.label for button in answer.buttons if button.label != texts.NEXT_PAGE]
        onward = [button for button in answer.buttons if button.label == texts.NEXT_PAGE]
        if not onward:
            break
        answer, pages = chat.send(button_id=onward[0].id), pages + 1
        assert pages < 50
    assert len(seen) == len(set(seen)) > 5


# --- Anything a person may send -----------------------------------------------------------------------------------


def test_a_file_is_declined_and_its_caption_is_answered(chat: Chat) -> None:
    assert chat.send(file_name="báo cáo.docx").text == texts.NO_FILES
    assert "2.2" in chat.send("mục 2.2 nói gì", file_name="ảnh.jpg").text


@pytest.mark.parametrize("text", ["", " ", "\n\t", "🙂", "👨‍👩‍👧‍👦🇻🇳", "???", "…", "\u200b", "\0", "\u202e"])
def test_a_message_without_words_is_asked_for_words(chat: Chat, text: str) -> None:
    assert chat.send(text).text == "Tôi chưa thấy câu hỏi. Đồng chí gõ bằng chữ giúp, không dấu cũng được."


@pytest.mark.parametrize("text", ["a" * 100_000, "kiểm tra " * 11_112, "1" * 100_000, "/" * 100_000, "🙂" * 100_000])
def test_a_hundred_thousand_characters_are_declined_at_once(chat: Chat, text: str) -> None:
    began = time.perf_counter()
    assert chat.send(text).text.startswith("Tin nhắn dài quá")
    # Searched for, it would take minutes.
    assert time.perf_counter() - began < 20


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<b>mục 2.2</b> nói gì",
        "'; DROP TABLE messages; --",
        "{{7*7}} ${x} %s %(x)s {0}",
        "\\x00 \\u0000 \\",
        "https://example.com/?q=1&amp;x",
    ],
)
def test_markup_and_sql_are_words_like_any_others(chat: Chat, text: str, store: Store) -> None:
    chat.send(text)
    assert chat.send("mục 2.2 nói gì").text.startswith("Mục 2.2 có ")
    with store.transaction() as transaction:
        conversation = transaction.find_conversation("web", chat._chat_id)
        assert conversation is not None
        assert transaction.history(conversation.id)[0].text == text


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.one_of(
        st.text(st.characters(exclude_categories=["Cs"]), max_size=60),
        st.lists(
            st.sampled_from(
                "mục 2.2 9.9 ý thứ 3 điều 12 quy định 41 37-QĐ/TW thẻ / 1 thế sau? còn hiệu lực không".split()
            ),
            max_size=6,
        ).map(" ".join),
    )
)
@example("IEN")
def test_any_text_gets_an_answer(chat: Chat, text: str) -> None:
    chat.send(text)


def test_a_document_that_is_not_loaded_is_put_on_the_list(chat: Chat, knowledge: KnowledgeBase, store: Store) -> None:
    missing = [d for d in knowledge.documents.values() if d.metadata_only and d.number and not d.replaced_by]
    assert missing, "the plan cites documents whose texts are not in the store"
    answer = chat.send(f"{missing[0].name} quy định những gì")
    with store.transaction() as transaction:
        wanted = dict(transaction.wanted_documents())
    assert (missing[0].id in wanted) == ("cần bổ sung" in answer.text)


# --- Channels -----------------------------------------------------------------------------------------------------


class FakeChannel:
    """Notes when it is started and stopped; can fail at either, or end by itself."""

    def __init__(
        self,
        name: str,
        diary: list[str],
        *,
        start: Exception | None = None,
        stop: Exception | None = None,
        ends: bool = False,
    ) -> None:
        self.name = name
        self._diary, self._start, self._stop, self._ends = diary, start, stop, ends

    async def start(self) -> None:
        if self._start:
            raise self._start
        self._diary.append(f"{self.name} opens")

    async def wait(self) -> None:
        if not self._ends:
            await asyncio.Event().wait()

    async def stop(self) -> None:
        self._diary.append(f"{self.name} closes")
        if self._stop:
            raise self._stop

    async def edit(self, chat_id: str, message: StoredMessage, shown_as: str | None) -> None:
        pytest.fail(f"{self.name}: {message} of {chat_id} was said otherwise as {shown_as}, yet no work was begun")

    async def fetch(self, file_ref: str) -> bytes:
        pytest.fail(f"{self.name}: {file_ref} was fetched, yet nobody sent a file")

    async def deliver(
        self,
        chat_id: str,
        message: StoredMessage,
        *,
        part: int = 0,
        is_reply: bool = False,
        replaces: str | None = None,
    ) -> str | None:
        pytest.fail(f"{self.name}: {chat_id} was sent {(message, part, is_reply, replaces)}, yet nothing was due")


@pytest.fixture
def _signals_as_before() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


async def run_with(monkeypatch: pytest.MonkeyPatch, config: Config, *channels: Channel) -> None:
    def no_gateway(_config: Config, store: Store, _live: object, _floods: object) -> Gateway:
        return Gateway(store, lambda *_: [])

    monkeypatch.setattr(app, "build_gateway", no_gateway)
    monkeypatch.setattr(app, "_channels", lambda *_: list(channels))
    async with asyncio.timeout(60):
        await app.run(config)


@pytest.mark.usefixtures("_signals_as_before")
async def test_channels_opened_before_one_that_fails_are_closed_again(
    monkeypatch: pytest.MonkeyPatch, config: Config
) -> None:
    diary: list[str] = []
    channels = [
        FakeChannel("a", diary),
        FakeChannel("b", diary),
        FakeChannel("c", diary, start=ChannelError("port 1")),
        FakeChannel("d", diary),
    ]
    with pytest.raises(ChannelError, match="port 1"):
        await run_with(monkeypatch, config, *channels)
    assert diary == ["a opens", "b opens", "b closes", "a closes"]


@pytest.mark.usefixtures("_signals_as_before")
async def test_a_channel_that_ends_by_itself_ends_the_others(monkeypatch: pytest.MonkeyPatch, config: Config) -> None:
    diary: list[str] = []
    await run_with(monkeypatch, config, FakeChannel("a", diary), FakeChannel("b", diary, ends=True))
    assert diary == ["a opens", "b opens", "b closes", "a closes"]


@pytest.mark.usefixtures("_signals_as_before")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_closes_every_channel(
    monkeypatch: pytest.MonkeyPatch, config: Config, number: signal.Signals
) -> None:
    diary: list[str] = []
    asyncio.get_running_loop().call_later(0.3, partial(os.kill, os.getpid(), number))
    await run_with(monkeypatch, config, FakeChannel("a", diary), FakeChannel("b", diary))
    assert diary == ["a opens", "b opens", "b closes", "a closes"]


@pytest.mark.usefixtures("_signals_as_before")
async def test_a_channel_that_cannot_close_does_not_keep_the_others_open(
    monkeypatch: pytest.MonkeyPatch, config: Config
) -> None:
    diary: list[str] = []
    last = FakeChannel("b", diary, ends=True, stop=RuntimeError("broken"))
    with pytest.raises(Exception, match="broken"):
        await run_with(monkeypatch, config, FakeChannel("a", diary), last)
    assert diary == ["a opens", "b opens", "b closes", "a closes"]


async def test_no_channel_at_all_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = a_config(tmp_path, WEB__ENABLED="false")
    monkeypatch.setattr(app, "build_gateway", lambda _config, store, *_: Gateway(store, lambda *_: []))
    with pytest.raises(ChannelError, match=r"web\.enabled.*TUSOI_TELEGRAM__TOKEN"):
        await app.run(config)
