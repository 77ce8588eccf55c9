import unicodedata
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from knowledge.answer import LONGEST_QUESTION, KnowledgeBase
from knowledge.model import Answer, NoticeKind, Outcome, Reason, Topic
from knowledge.text import collapse, fold
from tests.knowledge.builders import PLAN

ANSWERED, REFUSED = Outcome.ANSWERED, Outcome.NOT_IN_DOCUMENTS


def quoted(answer: Answer) -> list[str]:
    """Locators of what is quoted, the plan's without its name."""
    return [quote.citation.passage_id.removeprefix(f"{PLAN}/") for quote in answer.quotes]


def notices(answer: Answer) -> set[tuple[NoticeKind, str]]:
    return {(notice.kind, notice.document_id) for notice in answer.notices}


def ends(answer: Answer) -> tuple[Outcome, Reason]:
    return answer.outcome, answer.reason


# --- the five outcomes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "locator"),
    [
        ("Thi tuyển cạnh tranh chức danh lãnh đạo cấp sở thế nào?", "2.2#3"),
        ("hàng tháng phải nhận diện, đánh giá các biểu hiện suy thoái", "2.1#4"),
        ("chuẩn bị cán bộ cho nhiệm kỳ 2025-2030", "2.2#5"),
        ("người đứng đầu đối thoại với công dân", "2.5#2"),
        ("quan ly dang vien di nuoc ngoai", "2.3#3"),
        ("sự hài lòng của người dân", "2.5#3"),
        ("dĩ hòa vi quý", "2.1#5"),
        ("di hoa vi quy", "2.1#5"),
    ],
)
def test_question_about_the_plan_is_answered_from_it(knowledge: KnowledgeBase, question: str, locator: str) -> None:
    answer = knowledge.answer(question)
    assert answer.outcome is ANSWERED
    assert quoted(answer)[0] == locator
    assert answer.hits[0].passage_id == f"{PLAN}/{locator}"


@pytest.mark.parametrize(
    "question",
    ["giá vàng hôm nay", "cách nấu phở bò", "ai là tác giả Truyện Kiều", "thời tiết ngày mai", "lương tối thiểu vùng"],
)
def test_question_that_the_documents_do_not_answer_is_refused(knowledge: KnowledgeBase, question: str) -> None:
    answer = knowledge.answer(question)
    assert ends(answer) == (REFUSED, Reason.NOTHING_FOUND)
    assert answer.quotes == ()
    assert answer.hits == ()


@pytest.mark.parametrize("question", ["đảng viên", "điều 5", "Điều 1?"])
def test_question_that_fits_too_much_is_asked_back(knowledge: KnowledgeBase, question: str) -> None:
    answer = knowledge.answer(question)
    assert answer.outcome is Outcome.AMBIGUOUS
    assert answer.quotes == ()
    assert len(answer.choices) == 3


@pytest.mark.parametrize("question", ["xin chào", "cảm ơn nhé", "tạm biệt", "bạn là ai?", "ok"])
def test_pleasantry_is_small_talk_and_leaves_the_topic(knowledge: KnowledgeBase, question: str) -> None:
    topic = Topic(passage_id=f"{PLAN}/2.2#3")
    answer = knowledge.answer(question, topic=topic)
    assert answer.outcome is Outcome.SMALLTALK
    assert answer.smalltalk is not None
    assert answer.topic == topic


@pytest.mark.parametrize(
    ("question", "document_id", "words"),
    [
        ("2212-QĐ/TU quy định gì", "2212-qd-tu-2020", "Quy định số 2212-QĐ/TU, ngày 16/4/2020"),
        ("quy định 2212 điều 5", "2212-qd-tu-2020", "Quy định số 2212-QĐ/TU, ngày 16/4/2020"),
        ("chương trình hành động 40 là gì", "40-ctr-tu-2018", "Chương trình hành động số 40-CTr/TU, ngày 14/8/2018"),
        (
            "nghị quyết đại hội XI đảng bộ tỉnh",
            "nghi-quyet-dai-hoi-xi-dang-bo-tinh",
            "Nghị quyết Đại hội XI Đảng bộ tỉnh",
        ),
    ],
)
def test_document_known_only_from_the_plan_is_said_to_be_missing_with_the_plans_sentence(
    knowledge: KnowledgeBase, question: str, document_id: str, words: str
) -> None:
    answer = knowledge.answer(question)
    assert ends(answer) == (Outcome.CITED_NOT_LOADED, Reason.NOT_LOADED)
    assert answer.document_ids == (document_id,)
    [quote] = answer.quotes
    assert quote.citation.document_id == PLAN
    assert words in quote.text


@pytest.mark.parametrize("question", ["toàn văn 40-CTr/TU", "quy định 2212 có toàn văn không"])
def test_full_text_that_is_missing_is_said_to_be_missing(knowledge: KnowledgeBase, question: str) -> None:
    assert knowledge.answer(question).outcome is Outcome.CITED_NOT_LOADED


@pytest.mark.parametrize("question", ["18-NQ/TW", "nghị quyết 18-NQ/TW nói gì", "quy định 99 là gì"])
def test_document_that_nobody_cites_is_not_made_up(knowledge: KnowledgeBase, question: str) -> None:
    answer = knowledge.answer(question)
    assert ends(answer) == (REFUSED, Reason.NOT_CITED)
    assert answer.quotes == ()


def test_number_of_another_year_is_not_the_stored_document(knowledge: KnowledgeBase) -> None:
    answer = knowledge.answer("Kết luận 14-KL/TW ngày 20/3/2026 nói gì?")
    assert ends(answer) == (REFUSED, Reason.NOT_LOADED)


@pytest.mark.parametrize("question", ["Luật Đất đai 2024 quy định gì", "bộ luật hình sự", "hiến pháp nói gì về Đảng"])
def test_state_law_is_another_book(knowledge: KnowledgeBase, question: str) -> None:
    assert ends(knowledge.answer(question)) == (REFUSED, Reason.OTHER_LAW)


@pytest.mark.parametrize(
    "question",
    ["công tác kiểm tra, giám sát, kỷ luật đảng", "quy định của Đảng và pháp luật của Nhà nước có thống nhất không"],
)
def test_discipline_and_legality_in_the_plan_are_answered(knowledge: KnowledgeBase, question: str) -> None:
    assert knowledge.answer(question).outcome is ANSWERED


@pytest.mark.parametrize("question", ["41-qd/tw", "quy định 41-qđ/tw nói gì"])
def test_number_in_small_letters_is_the_same_number(knowledge: KnowledgeBase, question: str) -> None:
    answer = knowledge.answer(question)
    assert answer.outcome is ANSWERED
    assert answer.document_ids[0] == "41-qd-tw-2021"


# --- notices ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "cited", "successor"),
    [
        ("quy định 41 còn hiệu lực không", "41-qd-tw-2021", "377-qd-tw-2025"),
        ("quy định 37 bị thay thế chưa", "37-qd-tw-2021", "207-qd-tw-2026"),
        ("quy định 41 nói gì", "41-qd-tw-2021", "377-qd-tw-2025"),
        ("điều 1 quy định 37", "37-qd-tw-2021", "207-qd-tw-2026"),
    ],
)
def test_replaced_document_is_told_with_its_successor(
    knowledge: KnowledgeBase, question: str, cited: str, successor: str
) -> None:
    answer = knowledge.answer(question)
    assert answer.outcome is ANSWERED
    assert (NoticeKind.SUPERSEDED, cited) in notices(answer)
    assert ("card", successor) in [(choice.action, choice.argument) for choice in answer.choices]
    found = knowledge.successor(knowledge.documents[cited])
    assert found is not None
    assert found.id == successor


def test_quote_of_the_plan_that_names_a_replaced_document_tells_so(knowledge: KnowledgeBase) -> None:
    answer = knowledge.passage(f"{PLAN}/2.2#4")
    assert notices(answer) == {(NoticeKind.SUPERSEDED, "41-qd-tw-2021")}
    assert knowledge.passage(f"{PLAN}/2.3#3").notices == ()


def test_perhaps_replaced_is_told_as_perhaps(knowledge: KnowledgeBase) -> None:
    assert notices(knowledge.answer("kết luận 14")) == {(NoticeKind.PERHAPS_REPLACED, "14-kl-tw-2021")}


def test_digest_is_told_and_unchecked_articles_too(knowledge: KnowledgeBase) -> None:
    checked = notices(knowledge.answer("quy định 37 điều 1"))
    unchecked = notices(knowledge.answer("quy định 37 điều 10"))
    assert (NoticeKind.DIGEST, "37-qd-tw-2021") in checked & unchecked
    assert (NoticeKind.UNCHECKED, "37-qd-tw-2021") in unchecked - checked


# --- the outline ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "locators"),
    [
        ("mục 2.3 nói gì", ["2.3#0", "2.3#1", "2.3#2", "2.3#3"]),
        ("nhiệm vụ thứ ba", ["2.3#0", "2.3#1", "2.3#2", "2.3#3"]),
        ("ý thứ năm của mục 2.2", ["2.2#5"]),
        ("ý cuối cùng của mục 2.4", ["2.4#4"]),
        ("kế hoạch có mấy nhóm giải pháp", ["2.1#0", "2.2#0", "2.3#0", "2.4#0", "2.5#0"]),
        ("liệt kê tiêu đề các mục từ 2.1 đến 2.3", ["2.1#0", "2.2#0", "2.3#0"]),
        ("mục 2", ["2.1#0", "2.2#0", "2.3#0", "2.4#0", "2.5#0"]),
        ("kế hoạch căn cứ vào văn bản nào", ["0#0"]),
        ("mục 2.2 nói gì về thi tuyển cạnh tranh chức danh", ["2.2#3"]),
    ],
)
def test_question_about_the_outline_is_answered_in_order(
    knowledge: KnowledgeBase, question: str, locators: list[str]
) -> None:
    answer = knowledge.answer(question)
    assert answer.outcome is ANSWERED
    assert quoted(answer) == locators


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        ("mục 9.9", Reason.NO_SUCH_SECTION),
        ("ý thứ 20 của mục 2.2", Reason.NO_SUCH_SECTION),
        ("nhiệm vụ thứ bảy", Reason.NO_SUCH_SECTION),
        ("điều 99", Reason.NO_SUCH_ARTICLE),
        ("điều 99 quy định 37", Reason.NO_SUCH_ARTICLE),
        ("kế hoạch số mấy", Reason.OWN_NUMBER),
    ],
)
def test_part_that_does_not_exist_is_said_so(knowledge: KnowledgeBase, question: str, reason: Reason) -> None:
    answer = knowledge.answer(question)
    assert ends(answer) == (REFUSED, reason)
    assert answer.quotes == ()


@pytest.mark.parametrize("question", ["mục 0", "ý 0 mục 2.2", "ý thứ 0 của mục 2.1", "nhóm thứ 0"])
def test_there_is_no_0th_part(knowledge: KnowledgeBase, question: str) -> None:
    assert ends(knowledge.answer(question)) == (REFUSED, Reason.NO_SUCH_SECTION)


def test_clause_that_does_not_exist_is_said_so(knowledge: KnowledgeBase) -> None:
    assert ends(knowledge.answer("điều 5 khoản 99 quy định 41")) == (REFUSED, Reason.NO_SUCH_ARTICLE)


def test_counts_are_told(knowledge: KnowledgeBase) -> None:
    assert knowledge.answer("kế hoạch có mấy nhóm giải pháp").facts["count"] == "5"
    bullets = knowledge.answer("mục 2.1 có mấy ý")
    assert (bullets.reason, bullets.facts["count"]) == (Reason.BULLET_COUNT, "6")
    assert knowledge.answer("kế hoạch viện dẫn những văn bản nào").facts["count"] == "12"


def test_article_that_lists_cases_is_shown_with_all_of_them(knowledge: KnowledgeBase) -> None:
    locators = quoted(knowledge.answer("quy định 41 điều 5"))
    assert locators == ["41-qd-tw-2021/dieu-5", *(f"41-qd-tw-2021/dieu-5.khoan-{n}" for n in range(1, 7))]


@pytest.mark.parametrize(
    ("question", "reason", "locators"),
    [
        ("quy định 37 được nhắc ở đâu", Reason.CITED_WHERE, ["1#3", "2.1#4", "2.4#1"]),
        ("ai ban hành quy định 41", Reason.CITED_BY_WHOM, ["2.2#4"]),
        ("quy định 41 ban hành ngày nào", Reason.CITED_WHEN, ["2.2#4"]),
        ("QĐ 217, 218 nói gì", Reason.CITED_ABOUT, ["2.5#1"]),
    ],
)
def test_question_about_a_cited_document_shows_where_the_plan_says_it(
    knowledge: KnowledgeBase, question: str, reason: Reason, locators: list[str]
) -> None:
    answer = knowledge.answer(question)
    assert ends(answer) == (ANSWERED, reason)
    assert quoted(answer) == locators


# --- going on ---------------------------------------------------------------------------------------------------


def test_next_and_previous_section_go_on_from_the_one_shown(knowledge: KnowledgeBase) -> None:
    first = knowledge.answer("mục 2.2 nói gì")
    following = knowledge.answer("thế mục sau?", topic=first.topic)
    assert quoted(following)[0] == "2.3#0"
    back = knowledge.answer("mục trước", topic=following.topic)
    assert quoted(back) == quoted(first)


@pytest.mark.parametrize(("section", "on"), [("2.5", "mục sau"), ("1", "mục trước")])
def test_there_is_nothing_past_either_end(knowledge: KnowledgeBase, section: str, on: str) -> None:
    first = knowledge.answer(f"mục {section}")
    answer = knowledge.answer(on, topic=first.topic)
    assert ends(answer) == (REFUSED, Reason.LAST_SECTION)
    assert answer.topic == first.topic


def test_more_shows_the_whole_passage_that_was_cut(knowledge: KnowledgeBase) -> None:
    first = knowledge.answer("thi tuyển cạnh tranh chức danh lãnh đạo cấp sở")
    assert not first.quotes[0].whole
    more = knowledge.answer("cụ thể hơn", topic=first.topic)
    assert quoted(more) == quoted(first) == ["2.2#3"]
    assert more.quotes[0].whole


def test_next_passage_follows_the_one_shown(knowledge: KnowledgeBase) -> None:
    first = knowledge.answer("thi tuyển cạnh tranh chức danh lãnh đạo cấp sở")
    assert quoted(knowledge.answer("đoạn tiếp theo", topic=first.topic)) == ["2.2#4"]
    assert quoted(knowledge.answer("đoạn trước", topic=first.topic)) == ["2.2#2"]


def test_other_places_are_the_next_hits(knowledge: KnowledgeBase) -> None:
    first = knowledge.answer("thi tuyển cạnh tranh chức danh lãnh đạo cấp sở")
    other = knowledge.answer("còn chỗ nào khác", topic=first.topic)
    assert [q.citation.passage_id for q in other.quotes] == [first.hits[1].passage_id]


def test_that_document_is_the_one_spoken_of(knowledge: KnowledgeBase) -> None:
    first = knowledge.answer("quy định 41 là gì")
    assert knowledge.answer("văn bản đó còn hiệu lực không", topic=first.topic).reason is Reason.CITED_REPLACED
    assert quoted(knowledge.answer("điều 6", topic=first.topic))[0] == "41-qd-tw-2021/dieu-6"


GONE = Topic("câu hỏi cũ", "khong-con/1#1", "khong-con", ("khong-con/1#2",))


@pytest.mark.parametrize("text", ["cụ thể hơn", "mục sau", "văn bản đó nói gì", "còn gì nữa không"])
def test_topic_of_a_document_that_is_gone_is_forgotten(knowledge: KnowledgeBase, text: str) -> None:
    answer = knowledge.answer(text, topic=GONE)
    assert replace(answer, topic=None) == replace(knowledge.answer(text), topic=None)


def test_article_of_a_document_that_is_gone_is_asked_back(knowledge: KnowledgeBase) -> None:
    assert ends(knowledge.answer("điều 5", topic=GONE)) == (Outcome.AMBIGUOUS, Reason.WHICH_DOCUMENT)


@pytest.mark.parametrize("text", ["cụ thể hơn", "đoạn tiếp theo"])
def test_hits_that_are_gone_are_not_handed_on(knowledge: KnowledgeBase, text: str) -> None:
    topic = Topic("", f"{PLAN}/2.2#3", PLAN, (f"{PLAN}/2.2#3", f"{PLAN}/2.2#4", "khong-con/1#1"))
    answer = knowledge.answer(text, topic=topic)
    assert answer.outcome is ANSWERED
    assert [hit.passage_id for hit in answer.hits if hit.passage_id not in knowledge.passages] == []


def test_new_word_of_a_follow_up_is_in_what_is_shown(knowledge: KnowledgeBase) -> None:
    first = knowledge.answer("thi tuyển cạnh tranh chức danh lãnh đạo cấp sở")
    going_on = knowledge.answer("thế còn miễn nhiệm?", topic=first.topic)
    assert "miễn nhiệm" in going_on.quotes[0].text


# --- what people paste ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("question", ["", "   ", "\n\t", "😀👍", "?!…", "\x00\x07\x1b", "\u200b\u202e\ufeff"])
def test_message_without_words_is_asked_back(knowledge: KnowledgeBase, question: str) -> None:
    assert ends(knowledge.answer(question)) == (Outcome.AMBIGUOUS, Reason.NO_WORDS)


def test_pasted_document_is_told_to_be_too_long(knowledge: KnowledgeBase) -> None:
    answer = knowledge.answer("đảng viên " * 10_000)
    assert ends(answer) == (Outcome.AMBIGUOUS, Reason.TOO_LONG)
    assert answer.facts == {"characters": "100000"}
    assert knowledge.answer("x" * LONGEST_QUESTION).reason is not Reason.TOO_LONG


@pytest.mark.parametrize(
    "question",
    [
        "<script>alert(1)</script>",
        "'; DROP TABLE members; --",
        "SELECT * FROM users WHERE 1=1",
        "{{7*7}} ${HOME} %s %n",
        "x" * 3000,
        "pneumono" * 100,
        "\u05d0\u05d1\u05d2 \u0645\u0631\u062d\u0628\u0627",
        "../../etc/passwd",
    ],
)
def test_foreign_matter_is_refused_calmly(knowledge: KnowledgeBase, question: str) -> None:
    answer = knowledge.answer(question)
    assert answer.outcome is REFUSED
    assert answer.quotes == ()


@pytest.mark.parametrize(
    ("pasted", "meant"),
    [
        ("\u202emục 2.3\u202c nói gì", "mục 2.3 nói gì"),
        ("<b>mục 2.3</b> nói gì", "mục 2.3 nói gì"),
        ("MỤC 2.3 NÓI GÌ???", "mục 2.3 nói gì"),
        ("mục\n\n2.3\r\nnói gì", "mục 2.3 nói gì"),
        ("muc 2.3 noi gi", "mục 2.3 nói gì"),
        ("mu\u0323c 2.3", "mục 2.3 nói gì"),
        ("mucj 2.3 nois gif", "mục 2.3 nói gì"),
    ],
)
def test_question_is_understood_through_its_wrapping(knowledge: KnowledgeBase, pasted: str, meant: str) -> None:
    assert quoted(knowledge.answer(pasted)) == quoted(knowledge.answer(meant)) != []


@pytest.mark.parametrize(
    "question",
    [
        "Mục 2.3 nói gì?",
        "căn cứ miễn nhiệm cán bộ",
        "tự phê bình thế nào",
        "quy định 41 còn hiệu lực không",
        "thời tiết",
    ],
)
def test_decomposed_text_gets_the_same_answer(knowledge: KnowledgeBase, question: str) -> None:
    assert knowledge.answer(unicodedata.normalize("NFD", question)) == knowledge.answer(question)


@pytest.mark.parametrize("question", ["dĩ hòa vi quý", "cấp uỷ có trách nhiệm gì", "khoá XII"])
def test_both_places_of_a_tone_get_the_same_answer(knowledge: KnowledgeBase, question: str) -> None:
    swapped = question.replace("hòa", "hoà")
    swapped = swapped.replace("uỷ", "ủy").replace("khoá", "khóa")
    assert swapped != question
    assert quoted(knowledge.answer(swapped)) == quoted(knowledge.answer(question))


def test_question_asked_twice_gets_the_same_answer(knowledge: KnowledgeBase) -> None:
    for question in ("kiểm soát quyền lực", "quy định 37 nói gì", "đảng viên", "giá vàng"):
        assert knowledge.answer(question) == knowledge.answer(question)


def test_k_limits_the_hits(knowledge: KnowledgeBase) -> None:
    five = knowledge.answer("tự phê bình và phê bình")
    two = knowledge.answer("tự phê bình và phê bình", k=2)
    assert len(five.hits) == 5
    assert two.hits == five.hits[:2]


WORDS = st.sampled_from(
    """mục điều khoản ý thứ nhất hai cuối cùng 2.3 2.2 9.9 quy định 41 qd37 KL21 2212 217 nghị quyết đại hội XIII đảng
    viên cán bộ nói gì ở đâu ai ban hành ngày nào còn hiệu lực không kế hoạch mấy nhóm giải pháp văn bản đó thế còn
    sau trước tiếp cụ thể hơn liệt kê từ 2.1 đến 2.5 luật nam 2025 20% ngày 20/3/2026 , ? / - ( 0 ½ ٣ ddangr""".split()
)
TEXTS = st.one_of(st.text(max_size=200), st.lists(WORDS, max_size=12).map(" ".join))
TOPICS = st.one_of(
    st.none(),
    st.builds(
        Topic,
        question=st.sampled_from(["", "miễn nhiệm cán bộ"]),
        passage_id=st.sampled_from([None, f"{PLAN}/0#0", f"{PLAN}/2.2#3", "41-qd-tw-2021/dieu-5", "mat/1#1"]),
        document_id=st.sampled_from([None, PLAN, "41-qd-tw-2021", "2212-qd-tu-2020", "mat"]),
        hits=st.sampled_from([(), (f"{PLAN}/2.2#3", f"{PLAN}/2.3#1")]),
    ),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=TEXTS, topic=TOPICS)
@example(text="mục 2 - 0", topic=None)
@example(text="ý cuối mục 2", topic=None)
def test_any_text_gets_an_answer_whose_quotes_are_verbatim(
    knowledge: KnowledgeBase, text: str, topic: Topic | None
) -> None:
    answer = knowledge.answer(text, topic=topic)
    for quote in answer.quotes:
        assert collapse(quote.text) in collapse(knowledge.documents[quote.citation.document_id].text)
    assert all(hit.passage_id in knowledge.passages for hit in answer.hits)
    assert all(document_id in knowledge.documents for document_id in answer.document_ids)
    if answer.outcome in (Outcome.AMBIGUOUS, REFUSED, Outcome.SMALLTALK):
        assert answer.quotes == ()


# --- cards ------------------------------------------------------------------------------------------------------


def test_card_of_every_document_names_it_and_where_the_plan_cites_it(knowledge: KnowledgeBase) -> None:
    for document in knowledge.documents.values():
        card = knowledge.card(document.id)
        assert card.facts["document"] == document.name
        assert bool(card.hits) == bool(document.cited_in_plan), document.id
        expected = Outcome.CITED_NOT_LOADED if document.metadata_only else ANSWERED
        assert card.outcome is expected, document.id


def test_places_of_a_document_that_the_plan_does_not_cite(knowledge: KnowledgeBase) -> None:
    assert ends(knowledge.places("377-qd-tw-2025")) == (REFUSED, Reason.NOT_CITED)
    assert quoted(knowledge.places("37-qd-tw-2021")) == ["1#3", "2.1#4", "2.4#1"]


@pytest.mark.parametrize("call", ["card", "places", "outline", "passage"])
def test_unknown_id_is_a_key_error(knowledge: KnowledgeBase, call: str) -> None:
    with pytest.raises(KeyError):
        getattr(knowledge, call)("khong-co")


def test_section_that_does_not_exist_is_a_key_error(knowledge: KnowledgeBase) -> None:
    with pytest.raises(KeyError):
        knowledge.section(PLAN, "9.9")


def test_search_does_not_judge(knowledge: KnowledgeBase) -> None:
    question = "giá vàng hôm nay"
    assert knowledge.answer(question).hits == ()
    assert len(knowledge.search(question, k=3)) == 3
    assert fold(knowledge.answer(question).query) == "gia vang hom nay"
