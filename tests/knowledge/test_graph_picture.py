import io
from dataclasses import replace
from datetime import date
from xml.etree import ElementTree

import pytest
from PIL import Image

from knowledge.answer import KnowledgeBase
from knowledge.cards import Card, Holding, Reference, cards
from knowledge.graph_picture import (
    MOST_BOXES,
    MOST_NAMED,
    WIDTH,
    Box,
    LineKind,
    Picture,
    Words,
    picture,
    to_png,
    to_svg,
)
from knowledge.model import DocumentKind, Force, TextKind

WORDS = Words(
    title="Sơ đồ",
    plan="Kế hoạch thực hiện Kết luận 21-KL/TW",
    kinds={kind.value: kind.value.capitalize() for kind in DocumentKind},
    other_kind="Văn bản khác",
    only_cited="Chỉ được nhắc tới",
    loaded="Có nội dung",
    not_loaded="Chưa có nội dung",
    replaced="Đã thay thế",
    newer="Văn bản thay thế",
    cited_by_plan="Kế hoạch viện dẫn",
    cited_by_others="Văn bản khác nhắc tới",
    more="Còn {} văn bản nữa",
)
HOSTILE = '<script>alert(1)</script>&"$x_1$\x00\x1b'
SVG = "{http://www.w3.org/2000/svg}"


def a_card(id: str, **changed: object) -> Card:
    known = Card(
        id=id,
        number=id.upper(),
        kind=DocumentKind.REGULATION,
        name=f"Quy định {id.upper()}",
        title="Quy định thử",
        issuer="Bộ Chính trị",
        issued_on=date(2021, 2, 3),
        holding=Holding.LOADED,
        text_kind=TextKind.DIGEST,
        status="",
        force=Force.UNKNOWN,
        in_force_from=None,
        basis=None,
        checked_on=None,
        places=("mục 1",),
        cited_by=(),
        cites=(),
        replaces=None,
        replaced_by=None,
        amended_by=(),
        version=1,
        passages=1,
    )
    return replace(known, **changed)  # type: ignore[arg-type]


def replaced_by(id: str) -> dict[str, object]:
    return {"force": Force.SUPERSEDED, "replaced_by": Reference(id, None, id)}


def boxes(drawn: Picture) -> dict[str, Box]:
    return {box.card_id: box for box in drawn.boxes if box.card_id is not None}


def overlapping(drawn: Picture) -> list[tuple[str | None, str | None]]:
    def apart(a: Box, b: Box) -> bool:
        return (
            a.left + a.width <= b.left
            or b.left + b.width <= a.left
            or a.top + a.height <= b.top
            or b.top + b.height <= a.top
        )

    pairs = [(a, b) for n, a in enumerate(drawn.boxes) for b in drawn.boxes[n + 1 :]]
    return [(a.card_id, b.card_id) for a, b in pairs if not apart(a, b)]


@pytest.fixture(scope="module")
def shipped(knowledge: KnowledgeBase) -> Picture:
    return picture(cards(knowledge), WORDS)


# --- odd input ------------------------------------------------------------------------------------------------------


def test_nothing_but_the_plan_can_be_drawn() -> None:
    drawn = picture([], WORDS)
    assert boxes(drawn) == {}
    assert [box.is_plan for box in drawn.boxes] == [True, False, False, False]
    assert to_png(drawn).startswith(b"\x89PNG")


def test_markup_and_formulas_in_a_name_are_words() -> None:
    drawn = picture([a_card("x", number=HOSTILE, kind=None)], WORDS)
    written = to_svg(drawn)
    assert "<script" not in written
    assert "&lt;script&gt;" in written
    assert ElementTree.fromstring(written).find(f".//{SVG}script") is None
    assert to_png(drawn).startswith(b"\x89PNG")


def test_endless_name_is_cut() -> None:
    drawn = picture([a_card("x", number="Nghị quyết " * 50), a_card("y", number="A" * 300)], WORDS)
    assert all(len(box.lines) <= 3 and max(map(len, box.lines)) <= 15 for box in boxes(drawn).values())
    assert boxes(drawn)["x"].lines[-1].endswith("…")


def test_documents_that_replaced_each_other_are_drawn_once() -> None:
    drawn = picture([a_card("a", **replaced_by("b")), a_card("b", **replaced_by("a"))], WORDS)
    assert set(boxes(drawn)) == {"a", "b"}
    assert overlapping(drawn) == []


def test_more_documents_than_there_is_room_for_are_counted() -> None:
    many = [a_card(f"{n}-qd", places=()) for n in range(MOST_BOXES + 10)]
    named = [a_card(f"?{n}", places=(), holding=Holding.ONLY_CITED) for n in range(MOST_NAMED + 5)]
    drawn = picture([*many, *named], WORDS)
    assert len(boxes(drawn)) == MOST_BOXES + MOST_NAMED
    assert "Còn 15 văn bản nữa" in [text.text for text in drawn.texts]
    assert overlapping(drawn) == []


# --- where things stand ---------------------------------------------------------------------------------------------


def test_what_replaced_a_document_stands_below_it_and_an_arrow_leads_there() -> None:
    drawn = picture([a_card("old", **replaced_by("new")), a_card("other"), a_card("new", places=())], WORDS)
    old, new = boxes(drawn)["old"], boxes(drawn)["new"]
    [arrow] = [line for line in drawn.lines if line.kind is LineKind.REPLACED_BY][:-1]
    assert arrow.points == ((old.left + old.width / 2, old.top + old.height), (old.left + old.width / 2, new.top))
    assert (old.is_replaced, new.is_replaced) == (True, False)


def test_one_successor_of_two_documents_has_two_arrows() -> None:
    drawn = picture([a_card("a", **replaced_by("c")), a_card("b", **replaced_by("c")), a_card("c", places=())], WORDS)
    assert len([line for line in drawn.lines if line.kind is LineKind.REPLACED_BY]) == 3  # one is the legend's


def test_only_what_the_plan_cites_has_a_line_to_it() -> None:
    drawn = picture([a_card("cited"), a_card("other", places=())], WORDS)
    lines = [line for line in drawn.lines if line.kind is LineKind.CITED_BY_PLAN][:-1]
    assert [line.points[1][1] for line in lines] == [boxes(drawn)["cited"].middle]


def test_documents_of_one_kind_stand_together_under_its_name(shipped: Picture) -> None:
    headings = {text.text: text for text in shipped.texts if text.is_heading}
    assert {"Quy định", "Kết luận", "Nghị quyết", "Quyết định", "Chỉ thị"} <= set(headings)
    conclusions = [box for id, box in boxes(shipped).items() if "-kl-" in id]
    assert len({box.left for box in conclusions}) == 1
    assert min(box.top for box in conclusions) > headings["Kết luận"].middle


def test_what_is_not_loaded_and_what_was_replaced_look_so(shipped: Picture) -> None:
    found = boxes(shipped)
    assert {id for id, box in found.items() if box.is_replaced} == {
        "37-qd-tw-2021",
        "41-qd-tw-2021",
        "69-qd-tw-2022",
        "nghi-quyet-dai-hoi-xiii",
    }
    assert {id for id, box in found.items() if not box.is_loaded and not id.startswith("?")} == {
        "2212-qd-tu-2020",
        "40-ctr-tu-2018",
        "nghi-quyet-dai-hoi-xi-dang-bo-tinh",
    }


def test_nothing_overlaps_and_nothing_leaves_the_picture(shipped: Picture) -> None:
    assert overlapping(shipped) == []
    assert all(box.left >= 0 and box.left + box.width <= WIDTH for box in shipped.boxes)
    assert all(box.top >= 0 and box.top + box.height <= shipped.height for box in shipped.boxes)
    assert all(0 <= text.middle <= shipped.height for text in shipped.texts)


# --- drawn ----------------------------------------------------------------------------------------------------------


def test_svg_says_every_number_and_the_legend_and_fetches_nothing(shipped: Picture, knowledge: KnowledgeBase) -> None:
    written = to_svg(shipped)
    root = ElementTree.fromstring(written)
    said = [text.text for text in root.iter(f"{SVG}text")]
    for document in knowledge.documents.values():
        if document.number is not None and document.number[0].isdigit():
            assert document.number in said
    assert {WORDS.loaded, WORDS.not_loaded, WORDS.replaced, WORDS.newer, WORDS.cited_by_plan} <= set(said)
    assert {element.tag for element in root.iter()} == {
        f"{SVG}{tag}" for tag in ("svg", "title", "rect", "polyline", "polygon", "text")
    }
    assert "style=" not in written
    assert "href" not in written


def test_same_cards_give_the_same_picture(shipped: Picture, knowledge: KnowledgeBase) -> None:
    again = picture(cards(knowledge), WORDS)
    assert again == shipped
    assert to_svg(again) == to_svg(shipped)
    assert to_png(again) == to_png(shipped)


def test_png_is_as_sharp_as_a_phone(shipped: Picture) -> None:
    with Image.open(io.BytesIO(to_png(shipped))) as drawn:
        assert drawn.format == "PNG"
        assert drawn.width == 3 * WIDTH
        assert drawn.height == pytest.approx(3 * shipped.height, abs=2)
        # The plan is red in the middle, the ground is white.
        plan = next(box for box in shipped.boxes if box.is_plan)
        middle = (int(3 * (plan.left + plan.width / 2)), int(3 * (plan.top + 12)))
        assert drawn.convert("RGB").getpixel(middle) == (163, 25, 31)
        assert drawn.convert("RGB").getpixel((1, 1)) == (255, 255, 255)
