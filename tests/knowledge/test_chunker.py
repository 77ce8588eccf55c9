import re
import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge.answer import KnowledgeBase
from knowledge.chunker import chunk, heading_name, place
from knowledge.model import Document, Passage, PassageKind
from knowledge.text import collapse
from tests.knowledge.builders import DOCUMENTS, PLAN, a_document

BULLETS = {"1": 3, "2.1": 6, "2.2": 5, "2.3": 3, "2.4": 4, "2.5": 3}
OFFICIAL = """\
BỘ CHÍNH TRỊ
Quy định về việc thử

Chương I
QUY ĐỊNH CHUNG

Điều 1. Phạm vi
1. Quy định này áp dụng đối với:
a) Đảng viên;
b) Cấp ủy viên,
kể cả dự khuyết.
đ) Cán bộ.
2. Không áp dụng với người khác.
Điều 5 của Điều lệ vẫn giữ nguyên.
Điều 2
Chỉ có một đoạn.

CHƯƠNG II
TỔ CHỨC THỰC HIỆN
Điều 3a: Hiệu lực
Có hiệu lực từ ngày ký.
"""


def plan_as_written() -> dict[str, str]:
    """The plan's own lines by locator, read without the program's chunker."""
    lines: dict[str, str] = {}
    section, bullets = "", 0
    # A few words of the file are decomposed; the store holds all text composed.
    text = unicodedata.normalize("NFC", (DOCUMENTS / f"{PLAN}.txt").read_text(encoding="utf-8"))
    for line in text.splitlines():
        if found := re.match(r"\s*(\d(?:\.\d)?)\. ", line):
            section, bullets = found[1], 0
            lines[f"{section}#0"] = " ".join(line.split())
        elif re.match(r"\s*-\s", line):
            # The plan parts some dashes from their text by a no-break space.
            bullets += 1
            lines[f"{section}#{bullets}"] = " ".join(line.lstrip().removeprefix("-").split())
    return lines


def by_locator(text: str) -> dict[str, Passage]:
    return {p.locator: p for p in chunk(a_document(text))}


# --- the plan ---------------------------------------------------------------------------------------------------


def test_every_line_of_the_plan_is_a_passage_word_for_word(plan_passages: dict[str, Passage]) -> None:
    written = plan_as_written()
    assert len(written) == 24 + 7
    assert {at: p.text for at, p in plan_passages.items() if at != "0#0"} == written


def test_plan_passages_stand_in_reading_order(plan_passages: dict[str, Passage]) -> None:
    starts = [p.start for p in plan_passages.values()]
    assert starts == sorted(starts)
    assert list(plan_passages) == ["0#0", *plan_as_written()]


def test_plan_has_24_bullets_and_8_headings(plan_passages: dict[str, Passage]) -> None:
    headings = [at for at, p in plan_passages.items() if p.kind is PassageKind.HEADING]
    assert headings == ["0#0", "1#0", "2#0", "2.1#0", "2.2#0", "2.3#0", "2.4#0", "2.5#0"]
    bullets = [p.section for p in plan_passages.values() if p.kind is PassageKind.BODY]
    assert {section: bullets.count(section) for section in dict.fromkeys(bullets)} == BULLETS


def test_title_of_the_plan_is_its_first_two_lines_without_the_rule(plan_passages: dict[str, Passage]) -> None:
    title = plan_passages["0#0"].text
    assert title.startswith("Những nội dung chính Kế hoạch của Ban Thường vụ Tỉnh ủy thực hiện Kết luận số 21-KL/TW")
    assert title.endswith("chỉnh đốn Đảng và hệ thống chính trị")


def test_bullet_of_a_subsection_has_both_headings_above_it(plan_passages: dict[str, Passage]) -> None:
    assert plan_passages["2.3#2"].headings == (
        "2. Nhiệm vụ và giải pháp",
        "2.3. Hoàn thiện cơ chế, chính sách về tổ chức, cán bộ",
    )
    assert plan_passages["1#1"].headings == ("1. Mục đích, yêu cầu",)
    assert plan_passages["2.3#0"].headings == ("2. Nhiệm vụ và giải pháp",)


@pytest.mark.parametrize(
    ("locator", "words"),
    [
        ("2.2#3", "mục 2.2, gạch đầu dòng 3"),
        ("2.2#0", "mục 2.2"),
        ("1#1", "mục 1, gạch đầu dòng 1"),
        ("0#0", "tên văn bản"),
    ],
)
def test_place_in_the_plan_in_words(plan_passages: dict[str, Passage], locator: str, words: str) -> None:
    assert place(plan_passages[locator]) == words


# --- a regulation ----------------------------------------------------------------------------------------------


def test_articles_and_clauses_of_regulation_41(knowledge: KnowledgeBase) -> None:
    texts = {p.locator: p.text for p in knowledge.passages.values() if p.document_id == "41-qd-tw-2021"}
    assert texts["dieu-4"].startswith("Cấp nào có quyền bổ nhiệm hoặc giới thiệu ứng cử")
    assert texts["dieu-5"] == "Có một trong sáu trường hợp:"
    assert texts["dieu-5.khoan-3"] == "Có trên 2/3 số phiếu tín nhiệm thấp tại kỳ lấy phiếu."
    assert texts["dieu-6.khoan-3"] == "Có trên 50% số phiếu tín nhiệm thấp tại kỳ lấy phiếu."
    articles = list(dict.fromkeys(at.split(".")[0] for at in texts if at.startswith("dieu-")))
    assert articles == [f"dieu-{n}" for n in range(1, 11)]
    assert [at for at in texts if at.startswith("dieu-5.")] == [f"dieu-5.khoan-{n}" for n in range(1, 7)]
    assert list(texts)[-2:] == ["van-ban-lien-quan-ve-lay-phieu-tin-nhiem", "hieu-luc"]


def test_list_without_numbers_stays_with_its_article(knowledge: KnowledgeBase) -> None:
    assert knowledge.passages["41-qd-tw-2021/dieu-10"].text.count("\n- ") == 1


def test_clause_has_its_article_above_it(knowledge: KnowledgeBase) -> None:
    clause = knowledge.passages["41-qd-tw-2021/dieu-5.khoan-3"]
    assert clause.headings == ("Điều 5. Căn cứ miễn nhiệm",)
    assert (clause.section, clause.ordinal) == ("dieu-5", 3)
    assert place(clause) == "Điều 5, khoản 3"


def test_text_without_articles_is_cut_by_its_headings(knowledge: KnowledgeBase) -> None:
    locators = [p.locator for p in knowledge.passages.values() if p.document_id == "26-nq-tw-2018"]
    assert "1-muc-tieu-chung" in locators
    assert "2-2-den-nam-2025" in locators
    deeper = knowledge.passages["26-nq-tw-2018/2-2-den-nam-2025"]
    assert deeper.headings == ("2. Mục tiêu theo mốc", "2.2. Đến năm 2025")
    assert place(deeper) == "phần “Đến năm 2025”"


def test_numbered_points_outside_articles_are_y(knowledge: KnowledgeBase) -> None:
    point = knowledge.passages["04-nq-tw-2016/nhom-1-suy-thoai-ve-tu-tuong-chinh-tri-9-bieu-hien.y-2"]
    assert point.ordinal == 2
    assert place(point).endswith(", ý 2")


@pytest.mark.parametrize(
    ("locator", "words", "text"),
    [
        ("dieu-1.khoan-1", "Điều 1, khoản 1", "Quy định này áp dụng đối với:"),
        ("dieu-1.khoan-1.diem-a", "Điều 1, khoản 1, điểm a", "Đảng viên;"),
        ("dieu-1.khoan-1.diem-b", "Điều 1, khoản 1, điểm b", "Cấp ủy viên,\nkể cả dự khuyết."),
        ("dieu-1.khoan-1.diem-đ", "Điều 1, khoản 1, điểm đ", "Cán bộ."),
        ("dieu-2", "Điều 2", "Chỉ có một đoạn."),
        ("dieu-3a", "Điều 3a", "Có hiệu lực từ ngày ký."),
    ],
)
def test_official_text_is_cut_to_the_point(locator: str, words: str, text: str) -> None:
    passage = by_locator(OFFICIAL)[locator]
    assert (place(passage), passage.text) == (words, text)


def test_chapter_with_its_name_stands_above_the_article() -> None:
    passages = by_locator(OFFICIAL)
    assert passages["dieu-1.khoan-2"].headings == ("Chương I. QUY ĐỊNH CHUNG", "Điều 1. Phạm vi")
    assert passages["dieu-3a"].headings == ("CHƯƠNG II. TỔ CHỨC THỰC HIỆN", "Điều 3a: Hiệu lực")


def test_sentence_that_opens_with_another_article_opens_no_article() -> None:
    passages = by_locator(OFFICIAL)
    assert "dieu-5" not in passages
    assert passages["dieu-1.khoan-2"].text.endswith("\nĐiều 5 của Điều lệ vẫn giữ nguyên.")


def test_what_stands_above_the_first_article_is_no_answer() -> None:
    opening = by_locator(OFFICIAL)["phan-dau"]
    assert (opening.kind, opening.text) == (PassageKind.HEADING, "BỘ CHÍNH TRỊ\nQuy định về việc thử")


def test_article_number_used_again_keeps_both_texts() -> None:
    passages = by_locator("Điều 1. Ban hành\nKèm theo quy chế.\nĐiều 1. Mục đích\nGiám sát.\n")
    assert {at: p.text for at, p in passages.items()} == {"dieu-1": "Kèm theo quy chế.", "dieu-1-2": "Giám sát."}
    assert place(passages["dieu-1-2"]) == "Điều 1"


def test_markdown_and_plain_articles_give_the_same_passages() -> None:
    marked = by_locator("## Điều 1. Phạm vi\n\n1. Một.\n2. Hai.\n")
    plain = by_locator("Điều 1. Phạm vi\n1. Một.\n2. Hai.\n")
    assert {at: p.text for at, p in marked.items()} == {at: p.text for at, p in plain.items()}
    assert list(plain) == ["dieu-1.khoan-1", "dieu-1.khoan-2"]


def test_subchapter_is_no_part_of_the_clause_above_it() -> None:
    text = "Chương I\nCHUNG\nMục 1\nMỘT\nĐiều 1. A\n1. Cuối.\nMục 2\nKIỂM TRA\nĐiều 2. B\n1. Đầu.\n"
    assert by_locator(text)["dieu-1.khoan-1"].text == "Cuối."


def test_paragraphs_of_a_conclusion_can_be_searched() -> None:
    passages = chunk(a_document("Kết luận\n1. Về tư tưởng\nCấp ủy phải bồi dưỡng.\n2. Về tổ chức\nSắp xếp bộ máy.\n"))
    assert "Cấp ủy phải bồi dưỡng." in [p.text for p in passages if p.kind is PassageKind.BODY]


def test_numbered_sentences_of_a_conclusion_can_be_searched_and_names_of_parts_cannot() -> None:
    text = (
        "Kết luận\nI. CÁCH LÀM\n1. Bí thư mở phòng họp trước 15 phút.\n2. Kinh phí\n- Tỉnh lo.\n"
        "3. Trách nhiệm\nII. THI HÀNH\n1. Chi bộ báo cáo: \n- Bằng văn bản;\n- Mỗi quý.\n"
    )
    passages = by_locator(text)
    assert [at for at, p in passages.items() if p.kind is PassageKind.BODY] == ["I.1#0", "I.2#1", "II.1#1", "II.1#2"]
    assert (passages["I.1#0"].text, place(passages["I.1#0"])) == ("1. Bí thư mở phòng họp trước 15 phút.", "mục I.1")


def test_text_without_any_structure_can_be_searched() -> None:
    passages = chunk(a_document("Thông báo\nCấp ủy phải bồi dưỡng.\nChi bộ họp hằng tháng.\n"))
    assert any("Chi bộ họp" in p.text for p in passages if p.kind is PassageKind.BODY)


def test_roman_heading_is_no_answer() -> None:
    passages = chunk(a_document("Kết luận\nI. MỘT\n1. A\n- Ý.\nII. GIẢI PHÁP\n1. B\n- Ý khác.\n"))
    assert [p.text for p in passages if p.kind is PassageKind.BODY] == ["Ý.", "Ý khác."]


def test_indented_clause_is_a_clause() -> None:
    assert list(by_locator("Điều 1. A\n  1. Một.\n  2. Hai.\n")) == ["dieu-1.khoan-1", "dieu-1.khoan-2"]


def test_headings_that_repeat_beside_a_numbered_one_keep_their_own_ids() -> None:
    passages = chunk(a_document("## A\nmột\n## A\nhai\n## A 2\nba\n"))
    assert len({p.id for p in passages}) == 3


# --- every document -------------------------------------------------------------------------------------------


def test_ids_are_unique_over_the_store(knowledge: KnowledgeBase) -> None:
    cut = [p for document in knowledge.documents.values() for p in chunk(document)]
    assert len(cut) == len(knowledge.passages) == len({p.id for p in cut})
    assert all(p.id == f"{p.document_id}/{p.locator}" for p in cut)


def test_every_passage_stands_in_its_document_where_it_says(knowledge: KnowledgeBase) -> None:
    for passage in knowledge.passages.values():
        text = knowledge.documents[passage.document_id].text
        assert collapse(passage.text) in collapse(text), passage.id
        assert collapse(text[passage.start : passage.end]).removeprefix("> ") == collapse(passage.text), passage.id


def test_passages_do_not_overlap(knowledge: KnowledgeBase) -> None:
    for document in knowledge.documents.values():
        passages = chunk(document)
        for before, after in pairwise(passages):
            assert before.end <= after.start, (before.id, after.id)


def test_no_word_of_a_document_is_lost(knowledge: KnowledgeBase) -> None:
    for document in knowledge.documents.values():
        kept = " ".join(" ".join([*p.headings, p.text]) for p in chunk(document))
        missing = [line for line in document.text.splitlines() if not _kept(line, kept)]
        assert missing == [], document.id


def _kept(line: str, kept: str) -> bool:
    words = collapse(re.sub(r"^\s*(?:#+|>|-{3,}|[-–•]|\d+\.)\s*", "", line))
    return line.startswith("# ") or words in collapse(kept)


def test_a_document_known_only_from_the_plan_has_nothing_to_search(knowledge: KnowledgeBase) -> None:
    passages = [p for p in knowledge.passages.values() if p.document_id == "2212-qd-tu-2020"]
    assert passages
    assert all(p.kind is PassageKind.HEADING for p in passages)


@given(st.text(alphabet=st.sampled_from("Điều 1. a)-–#>\n2bk "), max_size=120))
def test_any_text_is_cut_into_passages_that_stand_in_it(text: str) -> None:
    document: Document = a_document(text)
    for passage in chunk(document):
        assert 0 <= passage.start <= passage.end <= len(text)
        assert passage.text


@pytest.mark.parametrize(
    ("heading", "name"),
    [
        ("2.3. Hoàn thiện cơ chế", "Hoàn thiện cơ chế"),
        ("Điều 5. Căn cứ miễn nhiệm", "Căn cứ miễn nhiệm"),
        ("Điều 12", "Điều 12"),
        ("Hiệu lực", "Hiệu lực"),
    ],
)
def test_heading_without_its_number(heading: str, name: str) -> None:
    assert heading_name(heading) == name
