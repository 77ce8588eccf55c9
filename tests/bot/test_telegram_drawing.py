from datetime import UTC, datetime
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.channels import telegram_drawing
from bot.channels.telegram_drawing import LABEL_LIMIT, TEXT_LIMIT, Drawn, as_plain, checklist_page, render
from handlers.messages import BlockKind
from storage.store import StoredButton, StoredMessage
from tests.servers.telegram import parse_html, utf16_length

NOW = datetime(2025, 12, 2, 8, 0, tzinfo=UTC)


def a_message(*blocks: tuple[BlockKind, str], labels: tuple[str, ...] = ()) -> StoredMessage:
    buttons = tuple(StoredButton(f"bcdfghjkmn{n:02}", n, label, "read", "") for n, label in enumerate(labels, start=1))
    return StoredMessage(1, True, tuple((kind.value, text) for kind, text in blocks), buttons, NOW)


def a_text(text: str, *labels: str) -> StoredMessage:
    return a_message((BlockKind.TEXT, text), labels=labels)


def read(parts: list[Drawn]) -> list[str]:
    """Return what a person sees of each part; fails on HTML that Telegram would refuse."""
    return [parse_html(part.html)[0] for part in parts]


def test_each_kind_of_block_has_its_look() -> None:
    message = a_message(
        (BlockKind.TEXT, "Kế hoạch ghi:"),
        (BlockKind.QUOTE, "Giữ gìn đoàn kết."),
        (BlockKind.CITATION, "Kế hoạch, mục 2.2"),
        (BlockKind.NOTICE, "Quy định 41 đã được thay thế."),
    )
    [part] = render(message)
    assert part.html == (
        "Kế hoạch ghi:\n<blockquote>Giữ gìn đoàn kết.</blockquote>\n<i>Kế hoạch, mục 2.2</i>\n\n"
        "⚠️ Quy định 41 đã được thay thế."
    )
    assert part.plain == "Kế hoạch ghi:\nGiữ gìn đoàn kết.\nKế hoạch, mục 2.2\n\n⚠️ Quy định 41 đã được thay thế."


def test_markup_in_a_text_is_shown_not_obeyed() -> None:
    [part] = render(a_message((BlockKind.QUOTE, "<b>a</b> & </blockquote> &amp;")))
    assert part.html == "<blockquote>&lt;b&gt;a&lt;/b&gt; &amp; &lt;/blockquote&gt; &amp;amp;</blockquote>"
    assert read([part]) == ["<b>a</b> & </blockquote> &amp;"]


def test_a_message_that_just_fits_is_one_part_though_its_html_is_longer() -> None:
    [part] = render(a_text("&" * TEXT_LIMIT))
    assert len(part.html) == 5 * TEXT_LIMIT


def test_long_text_is_cut_between_paragraphs() -> None:
    paragraphs = [f"Đoạn {n}. " + "nội dung " * 200 for n in range(1, 6)]
    parts = read(render(a_text("\n\n".join(paragraphs))))
    assert [part.split("nội dung", 1)[0] for part in parts] == ["Đoạn 1. ", "Đoạn 3. ", "Đoạn 5. "]
    assert all(part.endswith("nội dung ") or part.endswith("nội dung") for part in parts)


def test_a_block_that_fits_is_not_torn_to_fill_the_part_before() -> None:
    parts = read(render(a_message((BlockKind.TEXT, "a " * 1500), (BlockKind.TEXT, "b " * 1000))))
    assert [set(part.split()) for part in parts] == [{"a"}, {"b"}]


def test_long_paragraph_is_cut_between_sentences_then_words() -> None:
    sentences = " ".join(f"Câu thứ {n} nói về một việc." for n in range(300))
    assert all(part.endswith("việc.") and part.startswith("Câu") for part in read(render(a_text(sentences))))
    words = "đoàn kết " * 1000
    assert all(part.split()[0] == "đoàn" or part.split()[0] == "kết" for part in read(render(a_text(words))))


def test_long_quote_becomes_a_quote_in_each_part() -> None:
    parts = render(a_message((BlockKind.QUOTE, "Một câu & một ý. " * 400)))
    assert len(parts) == 2
    assert all(part.html.startswith("<blockquote>") and part.html.endswith("</blockquote>") for part in parts)


def test_an_emoji_counts_as_two_and_is_never_halved() -> None:
    parts = read(render(a_text("a" + "😀" * TEXT_LIMIT)))
    assert [len(part) for part in parts] == [2048, 2048, 1]
    assert all(utf16_length(part) <= TEXT_LIMIT for part in parts)


def test_a_mark_stays_with_its_letter() -> None:
    parts = read(render(a_text("a" + "e\u0302" * TEXT_LIMIT)))
    assert not any(part.startswith("\u0302") for part in parts)
    assert "".join(parts) == "a" + "e\u0302" * TEXT_LIMIT


def test_half_a_surrogate_pair_can_still_be_sent() -> None:
    [part] = render(a_text("hỏng \ud83d", "nút \ude00"))
    assert part.html.encode()
    assert part.buttons[0][0].encode()


PIECES = st.sampled_from(
    ["đồng chí", " ", "  ", "\n", "\n\n", "\n \n", "<b>", "</i>", "&", "&lt;", "😀", "e\u0302", ". ", "Hết! ", "x" * 30]
)
TEXTS = st.one_of(st.lists(PIECES, max_size=60).map("".join), st.text(max_size=120))


@settings(max_examples=150, deadline=None)
@given(blocks=st.lists(st.tuples(st.sampled_from(BlockKind), TEXTS), max_size=5), labels=st.lists(TEXTS, max_size=4))
def test_parts_hold_all_the_words_in_order(blocks: list[tuple[BlockKind, str]], labels: list[str]) -> None:
    limit = 40
    with patch.object(telegram_drawing, "TEXT_LIMIT", limit):
        parts = render(a_message(*blocks, labels=tuple(labels)))
    seen = read(parts)
    assert all(text.strip() and utf16_length(text) <= limit for text in seen)
    assert [part.plain for part in parts] == seen
    # Files are sent after the words.
    shown = [(kind, text) for kind, text in blocks if kind is not BlockKind.FILE]
    said = "".join(("⚠️" if kind is BlockKind.NOTICE and text.strip() else "") + text for kind, text in shown)
    squeezed = "".join("".join(seen).split())
    assert squeezed.startswith("".join(said.split()))
    assert all(not part.buttons for part in parts[:-1])
    if labels:
        assert len(parts[-1].buttons) == len(labels)
        assert all(len(label) <= LABEL_LIMIT and len(data.encode()) <= 64 for label, data in parts[-1].buttons)
    else:
        assert squeezed == "".join(said.split())


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(["chi bộ", "đảng viên.", "tự soi;", "\n", "\n\n", "kỳ này"]), max_size=80))
def test_no_word_is_cut_that_fits(words: list[str]) -> None:
    text = " ".join(words)
    with patch.object(telegram_drawing, "TEXT_LIMIT", 30):
        parts = read(render(a_text(text)))
    assert " ".join(parts).split() == text.split()


def test_buttons_are_numbered_a_row_each_under_the_last_part() -> None:
    parts = render(a_text("Chọn giúp. " * 500, "Đọc cả đoạn", "Ý  kế\ntiếp"))
    assert [part.buttons for part in parts] == [
        (),
        (("1. Đọc cả đoạn", "bcdfghjkmn01"), ("2. Ý kế tiếp", "bcdfghjkmn02")),
    ]


def test_a_choice_too_long_for_its_button_is_written_out() -> None:
    long = "Suy thoái về tư tưởng chính trị, đạo đức, lối sống và những biểu hiện khác"
    [part] = render(a_text("Đồng chí chọn:", "Ngắn", long))
    assert part.plain == f"Đồng chí chọn:\n\n2. {long}"
    assert [label for label, _ in part.buttons] == ["1. Ngắn", f"2. {long}"[:59].rstrip() + "…"]


def test_buttons_alone_are_written_out_since_a_message_needs_text() -> None:
    [part] = render(a_text(" \n", "Có", "Không"))
    assert part.plain == "1. Có\n2. Không"
    assert len(part.buttons) == 2


def test_choices_beyond_what_a_keyboard_holds_are_written_out() -> None:
    [part] = render(a_text("Chọn:", *(f"mục {n}" for n in range(1, 53))))
    assert len(part.buttons) == 50
    assert part.plain == "Chọn:\n\n51. mục 51\n52. mục 52"


def test_nothing_to_say_is_no_message() -> None:
    assert render(a_text(" ")) == []


# --- pages that open within Telegram ------------------------------------------------------------------------------


def leading_to(*actions: str) -> StoredMessage:
    buttons = tuple(StoredButton(f"bcdfghjkmn{n:02}", n, "Bắt đầu", each, "7") for n, each in enumerate(actions, 1))
    return StoredMessage(1, True, (("text", "Chi bộ 3 mở kỳ tự soi tháng 11."),), buttons, NOW)


def test_a_message_that_leads_to_the_checklist_has_its_page_below() -> None:
    [part] = render(leading_to("ck_next", "ck_later"), "https://tusoi.example.vn/")
    assert part.pages == (("Mở phiếu trên trang", "https://tusoi.example.vn/tu-danh-gia"),)
    assert len(part.buttons) == 2


def test_a_message_about_something_else_has_no_page() -> None:
    [part] = render(leading_to("read", "ck_answer"), "https://tusoi.example.vn")
    assert part.pages == ()


@pytest.mark.parametrize("address", [None, "http://192.168.1.5:8080", "http://tusoi.example.vn"])
def test_without_https_no_page_opens_within_telegram(address: str | None) -> None:
    assert checklist_page(address) is None
    [part] = render(leading_to("ck_next"), address)
    assert part.pages == ()


def test_the_page_stands_below_the_last_part_only() -> None:
    message = leading_to("ck_next")
    long = StoredMessage(1, True, (("text", "Chọn giúp. " * 500),), message.buttons, NOW)
    assert [len(part.pages) for part in render(long, "https://tusoi.example.vn")] == [0, 1]


def test_plain_words_are_escaped() -> None:
    assert as_plain("a < b & c") == Drawn("a &lt; b &amp; c", "a < b & c")
