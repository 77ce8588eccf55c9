"""What the chunker promises of any document: no word lost, ids that stay, tables row by row, pages."""

import hashlib
import re
import time
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowledge.chunker import chunk, page_of, place
from knowledge.lexical import LexicalIndex
from knowledge.loader import load_documents
from knowledge.model import Document, Passage, PassageKind
from knowledge.quotes import Quoter
from knowledge.text import collapse, syllables
from tests.knowledge.builders import DOCUMENTS, a_document

# Curated questions, old answers and buttons point at these: number of passages, then a digest of their ids and texts.
SHIPPED = {
    "01-kl-tw-2021": "9 6edc397d6a9165e3",
    "02-hd-ubkttw-2021": "7 27f62268ddbdebc8",
    "04-nq-tw-2016": "28 a026f1bd5893d84b",
    "07-ct-tw-2026": "2 c53aeffaf5da8c5d",
    "08-qdi-tw-2018": "20 b013b7881df164b4",
    "114-qd-tw-2023": "4 c20a364291e264fa",
    "14-kl-tw-2021": "10 f793fb00b52a6782",
    "144-qd-tw-2024": "7 eb27b24232eb9390",
    "207-qd-tw-2026": "22 b2592e56616c33ac",
    "21-kl-tw-2021": "10 a67e19bb12d88824",
    "217-qd-tw-2013": "9 5efc04e3b900a018",
    "218-qd-tw-2013": "8 58edd2d5f46fe2f2",
    "2212-qd-tu-2020": "1 83bef9362de899f3",
    "24-nq-tw-2026": "2 128a545e56cfa9ef",
    "26-nq-tw-2018": "21 d60be5f4113ee07e",
    "37-qd-tw-2021": "22 7636f7b02de15bc8",
    "377-qd-tw-2025": "11 72e576336bb5c64e",
    "40-ctr-tu-2018": "1 0f9ee27348383811",
    "41-qd-tw-2021": "30 0fd805a99256196a",
    "69-qd-tw-2022": "4 3f1d32155c7b8fde",
    "ke-hoach-ket-luan-21": "32 48cd8d8394adba3f",
    "nghi-quyet-dai-hoi-xi-dang-bo-tinh": "1 41267a340e3f65e4",
    "nghi-quyet-dai-hoi-xiii": "11 4cbdc280f506cfc2",
}
SENTENCES = (
    "Cấp ủy các cấp lãnh đạo, chỉ đạo việc thực hiện",
    "Đảng viên phải gương mẫu",
    "Người đứng đầu chịu trách nhiệm trước tập thể",
    "Ủy ban kiểm tra giám sát hằng năm",
    "Chi bộ sinh hoạt định kỳ mỗi tháng một lần",
    "Cán bộ được lấy phiếu tín nhiệm giữa nhiệm kỳ",
)
sentences = st.lists(st.sampled_from(SENTENCES), min_size=1, max_size=3).map(lambda parts: "; ".join(parts) + ".")


@st.composite
def articles(draw: st.DrawFn) -> list[list[str]]:
    """Articles as lists of lines: a heading, then text, clauses with points, or nothing at all."""
    made = []
    for number in range(1, draw(st.integers(2, 6)) + 1):
        lines = [f"Điều {number}. {draw(st.sampled_from(SENTENCES))}"]
        shape = draw(st.sampled_from(["text", "clauses", "nothing"]))
        if shape == "text":
            lines += draw(st.lists(sentences, min_size=1, max_size=3))
        elif shape == "clauses":
            for clause in range(1, draw(st.integers(1, 3)) + 1):
                lines.append(f"{clause}. {draw(sentences)}")
                letters = "abc"[: draw(st.integers(0, 3))]
                lines += [f"{letter}) {draw(sentences)}" for letter in letters]
        made.append(lines)
    return made


@st.composite
def regulations(draw: st.DrawFn) -> str:
    """A whole plain text with or without parts, chapters and subchapters."""
    lines: list[str] = []
    deep = draw(st.integers(0, 3))
    for number, article in enumerate(draw(articles())):
        if deep == 3 and number == 0:
            lines += ["Phần thứ nhất", "NHỮNG QUY ĐỊNH CHUNG"]
        if deep >= 2 and number % 2 == 0:
            lines += [f"Chương {number // 2 + 1}", "TỔ CHỨC THỰC HIỆN"]
        if deep >= 1 and number % 2 == 1:
            lines += [f"Mục {number}", "GIÁM SÁT"]
        lines += article
    return "\n".join(lines) + "\n"


def words_told(passages: list[Passage]) -> list[str]:
    """The words of passages with each heading before the first passage under it."""
    told: list[str] = []
    above: tuple[str, ...] = ()
    for passage in passages:
        same = 0
        while same < min(len(above), len(passage.headings)) and above[same] == passage.headings[same]:
            same += 1
        told += [*passage.headings[same:], passage.text]
        above = passage.headings
    return syllables(" ".join(told))


def words_of(text: str) -> list[str]:
    """The words of a text without the marks of clauses and points, which a passage has in its id."""
    return syllables("\n".join(re.sub(r"^(?:\d+\.|[a-zđ]\)|[-–•]|#+)\s", "", line) for line in text.splitlines()))


def texts(text: str) -> dict[str, str]:
    return {passage.locator: passage.text for passage in chunk(a_document(text))}


def test_ids_and_texts_of_every_shipped_document_stay_as_they_are() -> None:
    cut = {}
    for document in load_documents(DOCUMENTS):
        passages = chunk(document)
        told = "\n".join(f"{p.id}\t{p.text}" for p in passages)
        cut[document.id] = f"{len(passages)} {hashlib.sha256(told.encode()).hexdigest()[:16]}"
    assert cut == SHIPPED


# --- properties --------------------------------------------------------------------------------------------------


@given(regulations())
@settings(max_examples=60, deadline=None)
def test_passages_with_their_headings_give_back_every_word_in_order(text: str) -> None:
    assert words_told(chunk(a_document(text))) == words_of(text)


@given(articles())
@settings(max_examples=40, deadline=None)
def test_markdown_articles_give_back_every_word_in_order(made: list[list[str]]) -> None:
    text = "\n\n".join(f"## {heading}\n\n" + "\n".join(rest) for heading, *rest in made)
    assert words_told(chunk(a_document(text))) == words_of(text)


@given(articles(), st.data())
@settings(max_examples=60, deadline=None)
def test_ids_and_texts_of_other_articles_stay_when_one_is_edited(made: list[list[str]], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(made) - 1))
    edited = [list(article) for article in made]
    where = data.draw(st.integers(1, len(edited[at])))
    edited[at].insert(where, data.draw(sentences))
    if len(edited[at]) > 2:
        edited[at][-1] += " Thêm một câu."

    def others(versions: list[list[str]]) -> list[tuple[str, str]]:
        passages = chunk(a_document("\n".join(line for article in versions for line in article)))
        return [(p.id, p.text) for p in passages if p.section != f"dieu-{at + 1}"]

    assert others(edited) == others(made)


@given(st.one_of(regulations(), st.text(alphabet=st.sampled_from("Điều 1.a)-–#|\n2IVk "), max_size=200)))
@settings(max_examples=80, deadline=None)
def test_every_passage_stands_in_the_document_and_none_overlaps(text: str) -> None:
    document = a_document(text)
    stored = collapse(text)
    passages = chunk(document)
    assert len({p.id for p in passages}) == len(passages)
    for before, after in pairwise(passages):
        assert before.end <= after.start
    for passage in passages:
        assert collapse(passage.text) in stored


# --- parts -------------------------------------------------------------------------------------------------------


def test_part_chapter_subchapter_and_article_stand_above_a_point() -> None:
    text = (
        "Phần thứ nhất\nQUY ĐỊNH CHUNG\nChương I\nPHẠM VI\nMục 1\nĐỐI TƯỢNG\nĐiều 1. Ai\n1. Gồm có:\na) Đảng viên.\n"
        "Phần thứ hai\nTHI HÀNH\nChương II\nHIỆU LỰC\nĐiều 2. Khi nào\nTừ ngày ký.\n"
    )
    passages = {p.locator: p for p in chunk(a_document(text))}
    assert passages["dieu-1.khoan-1.diem-a"].headings == (
        "Phần thứ nhất. QUY ĐỊNH CHUNG",
        "Chương I. PHẠM VI",
        "Mục 1. ĐỐI TƯỢNG",
        "Điều 1. Ai",
    )
    assert passages["dieu-2"].headings == ("Phần thứ hai. THI HÀNH", "Chương II. HIỆU LỰC", "Điều 2. Khi nào")


def test_chapter_named_in_small_letters_below_its_number_stands_above_its_article() -> None:
    passages = chunk(a_document("Chương I\nQuy định chung\nĐiều 1. A\nMột.\nChương II\nCó hiệu lực từ nay.\n"))
    assert passages[0].headings == ("Chương I. Quy định chung", "Điều 1. A")
    assert (passages[-1].locator, passages[-1].text) == ("chuong-ii", "Có hiệu lực từ nay.")


def test_sentence_that_speaks_of_a_part_opens_none() -> None:
    assert list(texts("Điều 1. A\nPhần thứ hai của Quy định này còn hiệu lực.\n")) == ["dieu-1"]


def test_article_that_is_all_in_its_heading_can_be_quoted_and_found() -> None:
    text = "Điều 1. A\nMột.\nĐiều 2. Quy định này có hiệu lực từ ngày ký.\nĐiều 3.\nĐiều 4. B\nHai.\n"
    document = a_document(text)
    passages = {p.locator: p for p in chunk(document)}
    assert passages["dieu-2"].text == "Điều 2. Quy định này có hiệu lực từ ngày ký."
    assert [p.kind for p in passages.values()] == [
        PassageKind.BODY,
        PassageKind.BODY,
        PassageKind.HEADING,
        PassageKind.BODY,
    ]
    quote = a_quoter(document).whole(passages["dieu-2"])
    assert quote is not None
    assert quote.citation.place == "Điều 2"


# --- tables ------------------------------------------------------------------------------------------------------

ROWS = tuple(f"{n} | Chức danh số {n} | Ban Thường vụ cấp ủy huyện quản lý theo phân cấp" for n in range(1, 61))


def test_rows_of_a_short_table_are_lines_of_the_passage_above_it() -> None:
    text = "Điều 1. Chức danh\n1. Gồm có:\nTT | Tên\n1. | Bí thư\n2. | Phó bí thư\n2. Không gồm ai khác.\n"
    assert texts(text) == {
        "dieu-1.khoan-1": "Gồm có:\nTT | Tên\n1. | Bí thư\n2. | Phó bí thư",
        "dieu-1.khoan-2": "Không gồm ai khác.",
    }


def test_rows_in_a_numbered_outline_keep_their_lines() -> None:
    text = "Kế hoạch\n1. Phân công\nTT | Việc\n1. | Họp\n2. Thời gian\n- Quý một.\n"
    cut = texts(text)
    assert cut["1#d1"] == "TT | Việc\n1. | Họp"
    assert cut["2#1"] == "Quý một."


def test_long_table_is_cut_between_rows_under_its_section() -> None:
    text = "Điều 1. Chức danh\nGồm có:\n" + "\n".join(ROWS) + "\nHết bảng.\nĐiều 2. B\nHai.\n"
    document = a_document(text)
    passages = chunk(document)
    tables = [p for p in passages if ".bang-" in p.locator]
    assert len(tables) > 3
    assert [row for p in tables for row in p.text.splitlines()] == list(ROWS)
    assert all(len(p.text) <= 1300 and p.headings == ("Điều 1. Chức danh",) for p in tables)
    assert [(p.section, place(p)) for p in tables[:2]] == [
        ("dieu-1", "Điều 1, bảng (phần 1)"),
        ("dieu-1", "Điều 1, bảng (phần 2)"),
    ]
    cut = {p.locator: p.text for p in passages}
    assert (cut["dieu-1"], cut["dieu-1.sau-bang-1"], cut["dieu-2"]) == ("Gồm có:", "Hết bảng.", "Hai.")
    assert all(a_quoter(document).whole(p) is not None for p in passages)
    assert words_told(passages) == words_of(text)


# --- pages -------------------------------------------------------------------------------------------------------


def paged(*pages: str) -> Document:
    starts = [sum(len(page) for page in pages[:n]) for n in range(len(pages))]
    return replace(a_document("".join(pages)), page_starts=tuple(starts))


def a_quoter(document: Document) -> Quoter:
    return Quoter([document], LexicalIndex.build([document.text], frozenset()))


def test_passage_has_the_page_on_which_its_words_begin() -> None:
    document = paged("Điều 1. A\nMột\n", "còn nữa.\nĐiều 2. B\n", "\nHai.\n", "", "Điều 3. C\nBa.\n")
    pages = {p.locator: page_of(document, p) for p in chunk(document)}
    assert pages == {"dieu-1": 1, "dieu-2": 3, "dieu-3": 5}


def test_citation_of_a_document_with_pages_names_the_page() -> None:
    document = paged("Điều 1. A\nMột.\n", "Điều 2. B\n1. Hai.\n")
    last = chunk(document)[-1]
    assert a_quoter(document).cite(last).place == "Điều 2, khoản 1, trang 2"


def test_document_without_pages_has_no_page() -> None:
    document = a_document("Điều 1. A\nMột.\n")
    [passage] = chunk(document)
    assert page_of(document, passage) is None
    assert a_quoter(document).cite(passage).place == "Điều 1"


# --- bad input ---------------------------------------------------------------------------------------------------


def test_five_thousand_articles_are_cut_in_seconds_with_ids_of_their_own() -> None:
    text = "".join(f"Điều {n}. Tên {n}\n1. Một:\na) Hai;\nb) Ba.\n" for n in range(1, 5001))
    began = time.perf_counter()
    passages = chunk(a_document(text))
    assert time.perf_counter() - began < 10
    assert len({p.id for p in passages}) == len(passages) == 15_000
    assert passages[-1].locator == "dieu-5000.khoan-1.diem-b"


def test_same_article_number_a_thousand_times_keeps_every_text() -> None:
    text = "".join(f"Điều 1. Tên\nNội dung {n}.\n" for n in range(1000))
    passages = chunk(a_document(text))
    assert [p.text for p in passages] == [f"Nội dung {n}." for n in range(1000)]
    assert len({p.id for p in passages}) == 1000


def test_line_of_a_megabyte_is_one_passage() -> None:
    line = "Cấp ủy lãnh đạo. " * 60_000
    began = time.perf_counter()
    cut = texts(f"Điều 1. A\n{line}\n")
    assert time.perf_counter() - began < 10
    assert cut == {"dieu-1": line.strip()}


@pytest.mark.parametrize(
    "text", ["1\n2\n3\n", "2024 15 377\n", "1.\n2.\n", "| |\n|\n", "1. | |\n", "", "\n\n", "# \n##\n"]
)
def test_only_numbers_or_marks_are_cut_without_an_error(text: str) -> None:
    for passage in chunk(a_document(text)):
        assert collapse(passage.text) in collapse(text)


def test_chapters_by_the_thousand_without_articles_are_cut_in_seconds() -> None:
    text = "".join(f"Chương {n}\ntên viết thường\n" for n in range(1, 5001))
    began = time.perf_counter()
    assert len(chunk(a_document(text))) >= 5000
    assert time.perf_counter() - began < 10
