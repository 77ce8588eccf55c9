import pytest

from embeddings.encoder import HashingEncoder
from handlers import texts
from handlers.browse import open_documents, open_outline, press
from handlers.messages import BlockKind, Button, Reply
from handlers.question import answer_question, from_topic, paged, to_button, to_topic
from handlers.services import Services
from knowledge.answer import KnowledgeBase, build_knowledge
from knowledge.lexicon import load_lexicon
from knowledge.model import Choice, Topic
from knowledge.text import collapse
from tests.knowledge.builders import a_document


def ask(knowledge: KnowledgeBase, question: str) -> Reply:
    return answer_question(question, {}, Services(knowledge))[0]


def kinds(reply: Reply) -> list[BlockKind]:
    return [block.kind for block in reply.blocks]


def buttons(count: int) -> list[Button]:
    return [Button(str(n), "open", str(n)) for n in range(count)]


def test_three_choices_stand_on_one_page() -> None:
    assert [button.label for button in paged(buttons(3), 0, "list", "x")] == ["0", "1", "2"]


def test_a_fourth_choice_waits_behind_a_way_on() -> None:
    first = paged(buttons(4), 0, "list", "x")
    assert [button.label for button in first] == ["0", "1", texts.NEXT_PAGE]
    assert (first[2].action, first[2].argument) == ("list", "x@2")
    assert [button.label for button in paged(buttons(4), 2, "list", "x")] == ["2", "3"]


def test_every_page_of_the_cited_documents_can_be_reached(knowledge: KnowledgeBase) -> None:
    reply, _ = open_documents(knowledge)
    opened: list[str] = []
    while True:
        opened += [button.argument for button in reply.buttons if button.action == "card"]
        onward = [button for button in reply.buttons if button.action == "documents"]
        if not onward:
            break
        reply, _ = press(onward[0].action, onward[0].argument, None, knowledge)
    assert opened == [c.document_id for c in knowledge.cited_documents()]
    assert len(opened) == 12


def test_outline_names_every_section(knowledge: KnowledgeBase) -> None:
    reply, _ = open_outline(knowledge)
    for section in ("1.", "2.", "2.1.", "2.2.", "2.3.", "2.4.", "2.5."):
        assert f"\n{section} " in f"\n{reply.blocks[1].text}"


def test_replaced_document_is_said_first(knowledge: KnowledgeBase) -> None:
    reply = ask(knowledge, "điều 6 quy định 41")
    assert kinds(reply)[0] is BlockKind.NOTICE
    assert reply.blocks[0].text == (
        "Quy định 41-QĐ/TW (03/11/2021) đã được thay thế bởi Quy định 377-QĐ/TW (08/10/2025)."
    )
    assert reply.buttons[0].label == "Xem 377-QĐ/TW (2025)"


def test_plan_that_cites_a_replaced_document_is_quoted_first(knowledge: KnowledgeBase) -> None:
    reply = ask(knowledge, "đánh giá cán bộ theo hướng xuyên suốt, liên tục, đa chiều; miễn nhiệm, từ chức")
    assert kinds(reply)[0] is BlockKind.QUOTE
    assert "đã được thay thế bởi Quy định 377-QĐ/TW" in reply.text


def test_digest_is_no_quotation(knowledge: KnowledgeBase) -> None:
    reply = ask(knowledge, "điều 14 quy định 37")
    quote = next(block for block in reply.blocks if block.kind is BlockKind.QUOTE)
    assert quote.text.startswith("Tóm lược: ")
    assert "«" not in quote.text
    assert texts.DIGEST in [block.text for block in reply.blocks]


def test_article_that_nobody_compared_carries_a_caveat(knowledge: KnowledgeBase) -> None:
    assert texts.UNCHECKED in [block.text for block in ask(knowledge, "điều 16 quy định 37").blocks]
    assert texts.UNCHECKED not in [block.text for block in ask(knowledge, "điều 14 quy định 37").blocks]


def test_words_between_quotation_marks_stand_in_the_plan(knowledge: KnowledgeBase) -> None:
    assert knowledge.plan is not None
    reply = ask(knowledge, "sep de cap duoi lam bay ma ko biet thi co bi gi ko")
    quote = next(block.text for block in reply.blocks if block.kind is BlockKind.QUOTE)
    assert quote.startswith("«… ")
    assert quote[3:-1].strip(" …") in collapse(knowledge.plan.text)


def test_document_without_text_is_put_on_the_list(knowledge: KnowledgeBase) -> None:
    wanted: list[str] = []
    reply, _ = answer_question("nội dung quy định 2212", {}, Services(knowledge), wanted.append)
    assert wanted == ["2212-qd-tu-2020"]
    assert reply.text.endswith("Toàn văn chưa được nạp, tôi đã ghi vào danh sách cần bổ sung.")


def test_nothing_is_said_to_be_noted_where_nothing_is_kept(knowledge: KnowledgeBase) -> None:
    assert "đã ghi vào" not in ask(knowledge, "nội dung quy định 2212").text


def test_refusal_shows_no_passage(knowledge: KnowledgeBase) -> None:
    reply = ask(knowledge, "đóng đảng phí bao nhiêu một tháng")
    assert kinds(reply) == [BlockKind.TEXT]
    assert reply.text.startswith("Kế hoạch và các văn bản đang có không nói về điều này.")


def test_button_of_a_passage_that_is_gone_says_so(knowledge: KnowledgeBase) -> None:
    for action, argument in [
        ("passage", "khong-con/1#1"),
        ("section", "khong-con/1"),
        ("section", "ke-hoach-ket-luan-21/9.9"),
        ("card", "khong-con"),
        ("list", "khong-con/2@2"),
        ("cited_in", "khong-con/1#1@0"),
        ("no_such_action", ""),
    ]:
        reply, _ = press(action, argument, None, knowledge)
        assert reply.text == texts.BUTTON_EXPIRED, action


def test_topic_comes_back_as_it_was_stored() -> None:
    topic = Topic("hỏi gì", "a/1#1", "a", ("a/1#1", "a/1#2"))
    assert to_topic({**from_topic(topic), "hits": ["a/1#1", "a/1#2"]}) == topic
    assert to_topic({}) is None


def test_label_is_cut_at_a_word() -> None:
    long = "Tập trung xây dựng đội ngũ cán bộ lãnh đạo, quản lý các cấp"
    assert texts.label(long) == "Tập trung xây dựng đội ngũ cán bộ lãnh đạo…"
    assert texts.label("ngắn") == "ngắn"


def test_two_sentences_of_one_bullet_of_the_plan_are_quotations(knowledge: KnowledgeBase) -> None:
    reply = ask(knowledge, "Mục 2.2 viện dẫn những văn bản nào?")
    assert "Tóm lược" not in reply.text
    quoted = [line for block in reply.blocks if block.kind is BlockKind.QUOTE for line in block.text.split("\n")]
    assert len(quoted) >= 4
    assert all(line.startswith("«") and line.endswith("»") for line in quoted)
    assert "— Kế hoạch thực hiện Kết luận 21-KL/TW, mục 2.2, gạch đầu dòng 2" in reply.text


@pytest.mark.parametrize(("section", "label"), [("I", "Mục I, Quy định 1-QĐ/TW"), ("I.2", "Mục I.2, Quy định 1-QĐ/TW")])
def test_choice_of_a_numbered_part_says_that_it_is_one(section: str, label: str) -> None:
    text = "Kết luận\nI. CÁCH LÀM\n- Ý chung.\n1. Bí thư mở phòng họp trước 15 phút.\n2. Kinh phí\n- Tỉnh lo.\n"
    knowledge = build_knowledge([a_document(text)], HashingEncoder(), load_lexicon())
    button = to_button(Choice("section", f"thu/{section}"), knowledge)
    assert button.label == label
