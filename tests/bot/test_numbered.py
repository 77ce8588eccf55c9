import re
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.channels.numbered import TEXT_LIMIT, Part, render, split
from handlers.messages import BlockKind
from storage.store import StoredButton, StoredMessage

NOW = datetime(2026, 11, 26, 8, 0, tzinfo=UTC)


def a_message(*blocks: tuple[BlockKind, str], labels: tuple[str, ...] = ()) -> StoredMessage:
    buttons = tuple(StoredButton(f"bcdfghjkmn{n:02}", n, label, "read", "") for n, label in enumerate(labels, start=1))
    return StoredMessage(1, True, tuple((kind.value, text) for kind, text in blocks), buttons, NOW)


def a_text(text: str, *labels: str) -> StoredMessage:
    return a_message((BlockKind.TEXT, text), labels=labels)


def texts_of(parts: list[Part]) -> list[str]:
    return [part.text for part in parts]


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


# --- What cannot be shown as it is ------------------------------------------------------------------------------


def test_nothing_to_say_is_no_message() -> None:
    assert render(a_message()) == []
    assert render(a_text(" \n ")) == []
    assert split("  ") == []


def test_half_a_surrogate_pair_can_still_be_sent() -> None:
    [part] = render(a_text("hỏng \ud83d", "nút \ude00"))
    assert part.text.encode()


def test_a_label_that_is_longer_than_a_message_is_cut_and_not_lost() -> None:
    parts = texts_of(render(a_text("Chọn:", "rất dài " * 600)))
    assert all(units(text) <= TEXT_LIMIT for text in parts)
    assert " ".join(parts).count("dài") == 600


def test_a_word_longer_than_a_message_is_cut_anywhere() -> None:
    assert texts_of(split("a" * 4500)) == ["a" * 2000, "a" * 2000, "a" * 500]


def test_an_emoji_counts_as_two_and_is_never_halved() -> None:
    parts = texts_of(split("a" + "😀" * 1500))
    assert [units(text) for text in parts] == [1999, 1002]


# --- How it looks -----------------------------------------------------------------------------------------------


def test_choices_are_numbered_lines_under_the_text() -> None:
    [part] = render(
        a_message(
            (BlockKind.TEXT, "Kế hoạch ghi:"),
            (BlockKind.QUOTE, "«Giữ gìn đoàn kết.»"),
            (BlockKind.CITATION, "— Kế hoạch, mục 2.2"),
            (BlockKind.NOTICE, "Quy định 41 đã được thay thế."),
            labels=("Đọc cả đoạn", "Đoạn liên\nquan"),
        )
    )
    assert part == Part(
        "Kế hoạch ghi:\n«Giữ gìn đoàn kết.»\n— Kế hoạch, mục 2.2\n\n⚠️ Quy định 41 đã được thay thế.\n\n"
        "1. Đọc cả đoạn\n2. Đoạn liên quan\nĐồng chí gõ số để chọn."
    )


def test_a_single_choice_names_its_number() -> None:
    [part] = render(a_text("Còn 3 điều.", "Quay lại nhóm 1/6"))
    assert part.text == "Còn 3 điều.\n\n1. Quay lại nhóm 1/6\nĐồng chí gõ số 1 để chọn."


def test_without_choices_nobody_is_asked_for_a_number() -> None:
    assert texts_of(render(a_text("Đã ghi nhận."))) == ["Đã ghi nhận."]


def test_files_are_told_with_the_place_where_they_are() -> None:
    message = a_message((BlockKind.TEXT, "Báo cáo tháng 11."), (BlockKind.FILE, "bao-cao.docx\nreport 7"))
    [part] = render(message, web_address="https://tusoi.example.vn")
    assert part.text == (
        "Báo cáo tháng 11.\n\nZalo không nhận tệp “bao-cao.docx” từ tôi. Đồng chí mở https://tusoi.example.vn, gõ lại "
        "yêu cầu vừa rồi để tải về."
    )
    [part] = render(message)
    assert "report 7" not in part.text
    assert "mở trang Tự Soi trên máy tính" in part.text


# --- Buttons ----------------------------------------------------------------------------------------------------


def test_the_first_choices_become_buttons_and_the_rest_lines() -> None:
    [part] = render(a_text("Chọn:", *"ABCDEFG"), taps=5)
    assert part.buttons == tuple((f"{n}. {label}", f"bcdfghjkmn{n:02}") for n, label in enumerate("ABCDE", start=1))
    assert part.text == "Chọn:\n\n6. F\n7. G\nĐồng chí gõ số để chọn."


def test_where_all_choices_are_buttons_nothing_is_written_below() -> None:
    [part] = render(a_text("Chọn:", "A", "B"), taps=5)
    assert (part.text, len(part.buttons)) == ("Chọn:", 2)


def test_a_choice_too_long_for_its_button_is_written_out_as_well() -> None:
    label = "Phát huy vai trò, trách nhiệm của các cơ quan dân cử " * 3
    [part] = render(a_text("Chọn:", "A", label), taps=5, title_limit=100)
    assert part.text == f"Chọn:\n\n2. {label.strip()}"
    title = part.buttons[1][0]
    assert len(title) <= 100
    assert title.startswith("2. Phát huy")
    assert title.endswith("…")


def test_with_nothing_else_to_say_the_choices_are_the_text() -> None:
    [part] = render(a_message(labels=("A", "B")), taps=5)
    assert (part.text, len(part.buttons)) == ("1. A\n2. B", 2)


# --- Where it is cut --------------------------------------------------------------------------------------------


def test_long_text_is_cut_between_paragraphs_then_sentences_then_words() -> None:
    paragraphs = "\n\n".join(f"Đoạn {n}. " + "nội dung " * 100 for n in range(1, 6))
    assert [text[:6] for text in texts_of(split(paragraphs))] == ["Đoạn 1", "Đoạn 3", "Đoạn 5"]
    sentences = " ".join(f"Câu thứ {n} nói về một việc." for n in range(200))
    assert all(text.startswith("Câu") and text.endswith("việc.") for text in texts_of(split(sentences)))
    words = texts_of(split("đoàn kết " * 500))
    assert all(re.fullmatch(r"(đoàn|kết)( (đoàn|kết))*", text) for text in words)


def test_choices_stand_together_in_the_last_message() -> None:
    parts = render(a_text("nội dung " * 220, "Xem tiếp", "Mục lục", "Thôi"))
    assert len(parts) == 2
    assert parts[-1].text == "1. Xem tiếp\n2. Mục lục\n3. Thôi\nĐồng chí gõ số để chọn."


def test_buttons_stand_under_the_last_message_alone() -> None:
    parts = render(a_text("nội dung " * 500, "A"), taps=5)
    assert [len(part.buttons) for part in parts] == [0, 0, 1]


@pytest.mark.parametrize("length", [1, 1999, 2000, 2001, 4000, 4001])
def test_a_text_fills_messages_to_the_last_character(length: int) -> None:
    assert [len(text) for text in texts_of(split("x" * length))] == [
        min(2000, length - begin) for begin in range(0, length, 2000)
    ]


PIECES = st.sampled_from(["đồng chí", " ", "\n", "\n\n", "\n \n", "&lt;", "😀", "e\u0302", ". ", "Hết! ", "x" * 700])
TEXTS = st.one_of(st.lists(PIECES, max_size=60).map("".join), st.text(max_size=120))
SAID = st.sampled_from([kind for kind in BlockKind if kind is not BlockKind.FILE])


@settings(max_examples=120, deadline=None)
@given(
    blocks=st.lists(st.tuples(SAID, TEXTS), max_size=5),
    labels=st.lists(TEXTS, max_size=8),
    taps=st.sampled_from([0, 5]),
)
def test_messages_hold_all_the_words_in_order(
    blocks: list[tuple[BlockKind, str]], labels: list[str], taps: int
) -> None:
    parts = render(a_message(*blocks, labels=tuple(labels)), taps=taps)
    assert all(part.text.strip() and units(part.text) <= TEXT_LIMIT for part in parts)
    assert all(len(part.buttons) <= taps and not part.buttons for part in parts[:-1])
    said = "".join(text for _, text in blocks).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    shown = re.sub(r"[\s⚠️]+", "", "".join(part.text for part in parts))
    assert shown.startswith(re.sub(r"[\s⚠️]+", "", said))
