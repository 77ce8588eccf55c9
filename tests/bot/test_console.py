"""The console as a program drives it, with a real database and a handler that has learnt its lines."""

import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bot.channels.console import Console
from bot.gateway import Gateway
from handlers.messages import Block, BlockKind, Button, IncomingMessage, Reply, say
from storage.database import open_database
from storage.store import Conversation, Store, Transaction
from tests.storage.builders import a_vault, bring_up

Line = dict[str, Any] | str


def handle(message: IncomingMessage, conversation: Conversation, transaction: Transaction) -> list[Reply]:
    """Say what came; "chọn" gives choices, "lặng" nothing, "hai" two messages, "hỏng" fails."""
    if message.button_id is not None:
        button = transaction.button(conversation.id, message.button_id)
        return [say(f"bấm {button.argument}" if button else "nút lạ")]
    if message.file_name is not None:
        return [say(f"tệp {message.file_name}")]
    if message.text.startswith("chọn"):
        blocks = (Block(BlockKind.QUOTE, "«Đoạn»"), Block(BlockKind.CITATION, "— mục 2.2"))
        return [Reply(blocks, (Button("Một", "open", f"{message.text} 1"), Button("Hai", "open", f"{message.text} 2")))]
    match message.text:
        case "lặng":
            return []
        case "hai":
            return [say("thứ nhất"), say("thứ hai")]
        case "giờ":
            return [say(message.sent_at.isoformat())]
        case "hỏng":
            raise RuntimeError
        case _:
            return [say(f"{message.chat_id}: {message.text}")]


@pytest.fixture
def console(tmp_path: Path) -> Console:
    return a_console(tmp_path)


def a_console(folder: Path) -> Console:
    engine = open_database(f"sqlite:///{folder / 'chat.db'}")
    bring_up(engine)
    store = Store(engine, a_vault())
    return Console(Gateway(store, handle), store)


def drive(console: Console, *lines: Line) -> list[dict[str, Any]]:
    """Send lines; return the answers, of which there must be one each, in UTF-8."""
    out = io.TextIOWrapper(raw := io.BytesIO(), encoding="utf-8", write_through=True)
    console.drive([line if isinstance(line, str) else json.dumps(line) for line in lines], out)
    written = raw.getvalue().decode("utf-8")
    assert written.count("\n") == len(lines)
    return [json.loads(line) for line in written.split("\n")[:-1]]


def texts_of(answers: list[dict[str, Any]]) -> list[list[str]]:
    return [[message["text"] for message in answer["messages"]] for answer in answers]


def test_each_line_in_gives_one_line_out_in_order(console: Console) -> None:
    answers = drive(
        console,
        {"user": "u1", "text": "một"},
        {"user": "u2", "text": "xin chào"},
        {"user": "u1", "text": "lặng"},
        {"user": "u1", "text": "hai"},
        {"user": "u1", "text": ""},
    )
    assert texts_of(answers) == [["u1: một"], ["u2: xin chào"], [], ["thứ nhất", "thứ hai"], ["u1: "]]


def test_a_message_has_the_agreed_keys(console: Console) -> None:
    [answer] = drive(console, {"user": "u1", "text": "chọn"})
    [message] = answer["messages"]
    assert message == {
        "id": message["id"],
        "to": "u1",
        "text": "«Đoạn»\n— mục 2.2",
        "choices": ["Một", "Hai"],
        "choice_ids": message["choice_ids"],
        "edits": None,
        "files": [],
    }
    assert len(set(message["choice_ids"])) == 2
    assert all(isinstance(choice_id, str) for choice_id in message["choice_ids"])


def test_standard_output_is_flushed_after_each_line(console: Console) -> None:
    flushed: list[int] = []

    class Out(io.StringIO):
        def flush(self) -> None:
            flushed.append(self.getvalue().count("\n"))

    console.drive(['{"user": "u1", "text": "a"}', "?", '{"block": "u1"}'], Out())
    assert flushed == [1, 2, 3]


def test_accents_are_written_as_they_are(console: Console) -> None:
    out = io.StringIO()
    console.drive(['{"user": "u1", "text": "Đảng"}'], out)
    assert "Đảng" in out.getvalue()


def test_choose_means_the_latest_message_that_had_choices(console: Console) -> None:
    answers = drive(
        console,
        {"user": "u1", "text": "chọn a"},
        {"user": "u1", "text": "chọn b"},
        {"user": "u1", "text": "không có nút"},
        {"user": "u2", "text": "chọn c"},
        {"user": "u1", "choose": 2},
        {"user": "u2", "choose": 1},
    )
    assert texts_of(answers)[-2:] == [["bấm chọn b 2"], ["bấm chọn c 1"]]


@pytest.mark.parametrize("number", [0, -1, 3, 10**40])
def test_a_choice_that_is_not_there_is_an_error(console: Console, number: int) -> None:
    _, refused, after = drive(
        console, {"user": "u1", "text": "chọn"}, {"user": "u1", "choose": number}, {"user": "u1", "text": "tiếp"}
    )
    assert list(refused) == ["error"]
    assert str(number) in refused["error"]
    assert texts_of([after]) == [["u1: tiếp"]]


def test_choosing_where_nothing_was_offered_is_an_error(console: Console) -> None:
    never_wrote, _, no_choices = drive(
        console, {"user": "u1", "choose": 1}, {"user": "u1", "text": "a"}, {"user": "u1", "choose": 1}
    )
    assert "error" in never_wrote
    assert "error" in no_choices


def test_an_older_button_can_be_tapped_later_even_after_a_restart(tmp_path: Path) -> None:
    console = a_console(tmp_path)
    [first, _] = drive(console, {"user": "u1", "text": "chọn a"}, {"user": "u1", "text": "chọn b"})
    old = first["messages"][0]["choice_ids"][0]
    assert texts_of(drive(console, {"user": "u1", "tap": old})) == [["bấm chọn a 1"]]
    again = a_console(tmp_path)
    assert texts_of(drive(again, {"user": "u1", "tap": old}, {"user": "u1", "choose": 2})) == [
        ["bấm chọn a 1"],
        ["bấm chọn b 2"],
    ]


def test_the_button_of_another_user_does_nothing(console: Console) -> None:
    [answer] = drive(console, {"user": "u1", "text": "chọn a"})
    stolen = answer["messages"][0]["choice_ids"][0]
    assert texts_of(drive(console, {"user": "u2", "tap": stolen}, {"user": "u2", "tap": "bịa"})) == [
        ["nút lạ"],
        ["nút lạ"],
    ]


def test_a_file_is_sent_by_its_name_and_must_be_there(console: Console, tmp_path: Path) -> None:
    (tmp_path / "danh sách.xlsx").write_bytes(b"x")
    sent, missing, folder = drive(
        console,
        {"user": "u1", "file": str(tmp_path / "danh sách.xlsx")},
        {"user": "u1", "file": str(tmp_path / "không có.csv")},
        {"user": "u1", "file": str(tmp_path)},
    )
    assert texts_of([sent]) == [["tệp danh sách.xlsx"]]
    assert "không có.csv" in missing["error"]
    assert "error" in folder


def test_the_clock_is_set_and_never_goes_backwards(console: Console) -> None:
    answers = drive(
        console,
        {"now": "2026-12-05T08:00:00+07:00"},
        {"user": "u1", "text": "giờ"},
        {"now": "2026-12-05T00:59:59+00:00"},
        {"now": "2026-12-05T01:00:00Z"},
        {"now": "2026-12-05"},
        {"now": "2026-12-06T08:00:00"},
        {"now": "ngày mai"},
        {"user": "u1", "text": "giờ"},
        {"now": "2026-12-06T00:00:00+07:00"},
        {"user": "u1", "text": "giờ"},
    )
    assert answers[0] == {"messages": []}
    assert texts_of([answers[1]]) == [["2026-12-05T01:00:00+00:00"]]
    assert "backwards" in answers[2]["error"]
    assert answers[3] == {"messages": []}
    assert ["zone" in answers[n]["error"] for n in (4, 5)] == [True, True]
    assert "ngày mai" in answers[6]["error"]
    assert texts_of([answers[7], answers[9]]) == [["2026-12-05T01:00:00+00:00"], ["2026-12-05T17:00:00+00:00"]]


def test_without_a_clock_of_its_own_it_is_now(console: Console) -> None:
    before = datetime.now(UTC)
    [[said]] = texts_of(drive(console, {"user": "u1", "text": "giờ"}))
    assert before <= datetime.fromisoformat(said) <= datetime.now(UTC)


def test_who_blocks_gets_nothing_until_they_unblock(console: Console) -> None:
    answers = drive(
        console,
        {"block": "u1"},
        {"user": "u1", "text": "chọn a"},
        {"user": "u2", "text": "b"},
        {"unblock": "u1"},
        {"user": "u1", "text": "c"},
        {"user": "u1", "choose": 1},
    )
    assert texts_of(answers) == [[], [], ["u2: b"], [], ["u1: c"], ["bấm chọn a 1"]]


@pytest.mark.parametrize(
    "line",
    [
        "",
        "\n",
        "xin chào",
        '{"user": "u1", "text": "a"',
        "null",
        "[]",
        "7",
        "NaN",
        '"text"',
        "{}",
        '{"user": "u1"}',
        '{"text": "a"}',
        '{"user": 1, "text": "a"}',
        '{"user": "u1", "text": null}',
        '{"user": "u1", "text": ["a"]}',
        '{"user": "u1", "choose": "1"}',
        '{"user": "u1", "choose": 1.5}',
        '{"user": "u1", "tap": 5}',
        '{"now": 5}',
        '{"block": ["u1"]}',
        '{"user": "u1", "choose": ' + "9" * 5000 + "}",
        '{"user": "u1", "file": "a\\u0000b"}',
    ],
)
def test_a_line_that_cannot_be_understood_is_an_error_and_the_session_goes_on(console: Console, line: str) -> None:
    refused, after = drive(console, line, {"user": "u1", "text": "tiếp"})
    assert list(refused) == ["error"]
    assert refused["error"]
    assert texts_of([after]) == [["u1: tiếp"]]


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("[" * 100_000, id="too deep: RecursionError"),
        pytest.param('{"now": "9999-12-31T23:59:59-12:00"}', id="after the last year in UTC: OverflowError"),
        pytest.param('{"now": "0001-01-01T00:00:00+07:00"}', id="before the first year in UTC: OverflowError"),
        pytest.param('{"user": "u1", "file": "' + "x" * 5000 + '"}', id="file name too long: OSError"),
        pytest.param('{"user": "u1", "file": "\\ud800"}', id="half a pair in a file name: UnicodeEncodeError"),
        pytest.param('{"now": "\\ud800"}', id="half a pair in a time: UnicodeEncodeError"),
    ],
)
def test_a_strange_line_is_an_error_and_the_session_goes_on(console: Console, line: str) -> None:
    refused, after = drive(console, line, {"user": "u1", "text": "tiếp"})
    assert list(refused) == ["error"]
    assert texts_of([after]) == [["u1: tiếp"]]


def test_half_a_pair_in_a_users_name_does_not_end_the_session(console: Console) -> None:
    _, after = drive(console, '{"user": "\\ud800", "text": "a"}', {"user": "u1", "text": "tiếp"})
    assert texts_of([after]) == [["u1: tiếp"]]


def test_true_is_not_a_choice(console: Console) -> None:
    _, refused = drive(console, {"user": "u1", "text": "chọn"}, {"user": "u1", "choose": True})
    assert list(refused) == ["error"]


def test_half_a_pair_as_a_button_is_a_button_that_is_not_there(console: Console) -> None:
    assert texts_of(drive(console, '{"user": "u1", "tap": "\\ud800"}')) == [["nút lạ"]]


def test_half_a_surrogate_pair_and_a_nul_in_a_text_are_survived(console: Console) -> None:
    [half, nul] = drive(console, '{"user": "u1", "text": "a\\ud800b"}', '{"user": "u1", "text": "a\\u0000b"}')
    assert half["messages"][0]["text"] == "u1: a?b"
    assert nul["messages"][0]["text"].startswith("u1: a")


def test_a_failure_is_a_message_and_the_session_goes_on(console: Console) -> None:
    failed, after = drive(console, {"user": "u1", "text": "hỏng"}, {"user": "u1", "text": "tiếp"})
    assert "lỗi máy chủ" in failed["messages"][0]["text"]
    assert texts_of([after]) == [["u1: tiếp"]]


def test_a_person_sees_numbered_choices_and_blank_lines_say_nothing(console: Console) -> None:
    out = io.StringIO()
    console.talk(["chọn\n", "\n", "  \n", "chào\n"], out)
    assert out.getvalue() == "«Đoạn»\n— mục 2.2\n[1] Một\n[2] Hai\n\nlocal: chào\n\n"
