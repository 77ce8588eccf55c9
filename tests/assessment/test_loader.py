import unicodedata
from collections import Counter
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from assessment.loader import CHECKLISTS_FOLDER, ChecklistError, load_checklist, load_checklists, passages_missing
from assessment.model import Checklist, Item, ItemAnswer
from knowledge.chunker import chunk
from knowledge.loader import load_document
from tests.knowledge.builders import DOCUMENTS

OLD, NEW = "37-qd-tw-2021", "207-qd-tw-2026"
UNCHECKED = "chưa đối chiếu văn bản chính thức"
Content = dict[str, Any]


def shipped(checklist_id: str) -> Checklist:
    return load_checklist(CHECKLISTS_FOLDER / f"{checklist_id}.v1.yaml")


def an_item(number: int, **changed: Any) -> Content:
    item = {
        "number": number,
        "passage": f"quy-dinh/dieu-{number}",
        "title": f"Việc {number}",
        "question": f"Tôi có làm việc {number} không?",
        "examples": ["Làm ở nhà.", "Làm ở cơ quan."],
    }
    return {**item, **changed}


def a_group(number: int, items: list[int], **changed: Any) -> Content:
    title = f"Nhóm (điều {', '.join(map(str, items))})"
    return {"number": number, "title": title, "question": "Đồng chí có làm không?", "items": items, **changed}


def a_content(**changed: Any) -> Content:
    """Three items in two groups."""
    content = {
        "id": "quy-dinh",
        "version": 2,
        "regulation": "1-QĐ/TW",
        "title": "Tự soi",
        "valid_from": date(2026, 1, 31),
        "checked": False,
        "intro": "Mời đồng chí.\nXin ghi ngắn.",
        "commitment": "Tôi đã tự soi.",
        "free_text_warning": "Không ghi bí mật.",
        "answers": {"none": "Không", "present": "Có", "discuss": "Trao đổi"},
        "groups": [a_group(1, [1, 3]), a_group(2, [2])],
        "items": [an_item(1), an_item(2), an_item(3)],
    }
    return {**content, **changed}


def a_file(folder: Path, content: Content | str | bytes, name: str = "quy-dinh.v2.yaml") -> Path:
    path = folder / name
    text = yaml.safe_dump(content, allow_unicode=True, sort_keys=False) if isinstance(content, dict) else content
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


# --- the files we ship --------------------------------------------------------------------------------------------


def test_two_checklists_are_shipped() -> None:
    assert [(each.id, each.version) for each in load_checklists()] == [(NEW, 1), (OLD, 1)]


@pytest.mark.parametrize("checklist_id", [OLD, NEW])
def test_shipped_checklist_asks_for_the_nineteen_articles_in_six_groups(checklist_id: str) -> None:
    checklist = shipped(checklist_id)
    assert [item.number for item in checklist.items] == list(range(1, 20))
    assert [item.passage_id for item in checklist.items] == [f"{checklist_id}/dieu-{n}" for n in range(1, 20)]
    assert [group.number for group in checklist.groups] == [1, 2, 3, 4, 5, 6]
    assert all(2 <= len(group.items) <= 5 for group in checklist.groups)
    grouped = Counter(item.number for group in checklist.groups for item in group.items)
    assert grouped == Counter(range(1, 20))


@pytest.mark.parametrize("checklist_id", [OLD, NEW])
def test_shipped_checklist_is_taken_from_passages_that_the_documents_have(checklist_id: str) -> None:
    passage_ids = {passage.id for passage in chunk(load_document(DOCUMENTS / f"{checklist_id}.md"))}
    assert passages_missing(shipped(checklist_id), passage_ids) == []


@pytest.mark.parametrize("checklist_id", [OLD, NEW])
def test_shipped_checklist_has_the_three_answers_of_the_plan(checklist_id: str) -> None:
    assert shipped(checklist_id).answer_labels == {
        ItemAnswer.NONE: "Không có biểu hiện",
        ItemAnswer.PRESENT: "Có biểu hiện",
        ItemAnswer.DISCUSS: "Cần trao đổi",
    }


@pytest.mark.parametrize("checklist_id", [OLD, NEW])
def test_shipped_checklist_asks_groups_as_dong_chi_and_items_as_i(checklist_id: str) -> None:
    checklist = shipped(checklist_id)
    for group in checklist.groups:
        assert group.question.startswith("Trong tháng, đồng chí có "), group.number
        assert group.question.endswith(" không?"), group.number
    for item in checklist.items:
        assert item.question.startswith("Trong tháng, tôi có "), item.number
        assert item.question.endswith(" không?"), item.number
        assert len(item.title) <= 60, item.number
        assert 2 <= len(item.examples) <= 5, item.number


@pytest.mark.parametrize("checklist_id", [OLD, NEW])
def test_shipped_checklist_asks_to_write_no_secrets_and_no_names(checklist_id: str) -> None:
    warning = shipped(checklist_id).free_text_warning
    assert "không ghi bí mật" in warning
    assert "không nêu tên người khác" in warning


@pytest.mark.parametrize("checklist_id", [OLD, NEW])
def test_shipped_checklist_does_not_ask_about_a_third_child(checklist_id: str) -> None:
    item = shipped(checklist_id).items[17]
    assert not any("con thứ ba" in text for text in (item.question, *item.examples))
    assert "không còn bị xem xét xử lý từ 20/3/2025" in item.note


def test_checklist_of_37_says_what_replaced_it() -> None:
    checklist = shipped(OLD)
    assert checklist.is_checked
    assert checklist.regulation == "37-QĐ/TW"
    assert checklist.valid_from == date(2021, 10, 25)
    assert (checklist.superseded_by, checklist.superseded_on) == ("207-QĐ/TW", date(2026, 7, 26))
    assert "đã được thay bằng Quy định 207-QĐ/TW ngày 26/7/2026" in checklist.intro


def test_checklist_of_207_is_not_checked_and_says_so_everywhere() -> None:
    checklist = shipped(NEW)
    assert not checklist.is_checked
    assert checklist.regulation == "207-QĐ/TW"
    assert checklist.valid_from == date(2026, 7, 26)
    assert (checklist.superseded_by, checklist.superseded_on) == (None, None)
    assert UNCHECKED in checklist.title
    assert UNCHECKED in checklist.intro
    assert all(UNCHECKED in item.note for item in checklist.items)


def test_checklist_of_207_gives_the_number_of_an_article_as_inferred_unless_a_source_states_it() -> None:
    inferred = {item.number for item in shipped(NEW).items if "suy ra" in item.note}
    assert inferred == set(range(1, 20)) - {1, 14}


def test_checklist_of_207_says_that_nothing_is_known_of_article_11() -> None:
    assert shipped(NEW).items[10].note.startswith("Chưa có nguồn về nội dung Điều 11 của Quy định 207")


@pytest.mark.parametrize(("old", "new"), [(13, 17), (14, 13), (15, 14), (16, 15), (17, 16)])
def test_moved_article_names_its_other_number_in_both_checklists(old: int, new: int) -> None:
    before, after = shipped(OLD).items[old - 1], shipped(NEW).items[new - 1]
    assert before.note.endswith(f"là Điều {new}.")
    assert f"ở quy định 37 là điều {old}." in after.note.lower()
    assert before.examples[0] == after.examples[0]


# --- what is read -------------------------------------------------------------------------------------------------


def test_checklist_holds_what_its_file_says(tmp_path: Path) -> None:
    checklist = load_checklist(a_file(tmp_path, a_content(items=[an_item(1), an_item(2, note="Lưu ý."), an_item(3)])))
    assert (checklist.id, checklist.version, checklist.regulation) == ("quy-dinh", 2, "1-QĐ/TW")
    assert (checklist.title, checklist.valid_from, checklist.is_checked) == ("Tự soi", date(2026, 1, 31), False)
    assert (checklist.commitment, checklist.free_text_warning) == ("Tôi đã tự soi.", "Không ghi bí mật.")
    assert list(checklist.answer_labels) == [ItemAnswer.NONE, ItemAnswer.PRESENT, ItemAnswer.DISCUSS]
    assert [group.title for group in checklist.groups] == ["Nhóm (điều 1, 3)", "Nhóm (điều 2)"]
    assert [[item.number for item in group.items] for group in checklist.groups] == [[1, 3], [2]]
    examples = ("Làm ở nhà.", "Làm ở cơ quan.")
    assert checklist.items[1] == Item(2, "quy-dinh/dieu-2", "Việc 2", "Tôi có làm việc 2 không?", examples, "Lưu ý.")
    assert checklist.items[0].note == ""


def test_text_is_composed_and_on_one_line(tmp_path: Path) -> None:
    typed = unicodedata.normalize("NFD", "  Việc\u200b  phải\nsoi ")
    checklist = load_checklist(a_file(tmp_path, a_content(title=typed)))
    assert checklist.title == "Việc phải soi"


def test_intro_keeps_its_lines(tmp_path: Path) -> None:
    checklist = load_checklist(a_file(tmp_path, a_content(intro="Mời  đồng chí. \n\n Xin ghi ngắn.\n")))
    assert checklist.intro == "Mời đồng chí.\nXin ghi ngắn."


def test_replaced_regulation_may_leave_open_since_when(tmp_path: Path) -> None:
    checklist = load_checklist(a_file(tmp_path, a_content(superseded_by="2-QĐ/TW")))
    assert (checklist.superseded_by, checklist.superseded_on) == ("2-QĐ/TW", None)


def test_checklists_come_by_id_and_version_as_a_number(tmp_path: Path) -> None:
    for version in (10, 9, 2):
        a_file(tmp_path, a_content(version=version), f"quy-dinh.v{version}.yaml")
    items = [an_item(1, passage="khac/dieu-1")]
    a_file(tmp_path, a_content(id="khac", items=items, groups=[a_group(1, [1])]), "khac.v2.yaml")
    a_file(tmp_path, "Not a checklist.", "README.md")
    found = [(each.id, each.version) for each in load_checklists(tmp_path)]
    assert found == [("khac", 2), ("quy-dinh", 2), ("quy-dinh", 9), ("quy-dinh", 10)]


def test_missing_passages_are_named_in_the_order_of_items(tmp_path: Path) -> None:
    checklist = load_checklist(a_file(tmp_path, a_content()))
    assert passages_missing(checklist, {"quy-dinh/dieu-2"}) == ["quy-dinh/dieu-1", "quy-dinh/dieu-3"]


# --- what is refused ----------------------------------------------------------------------------------------------


def without(key: str) -> Callable[[Content], object]:
    return lambda content: content.pop(key)


def with_(**changed: Any) -> Callable[[Content], object]:
    return lambda content: content.update(changed)


def item_2(**changed: Any) -> Callable[[Content], object]:
    return lambda content: content["items"][1].update(changed)


def group_2(**changed: Any) -> Callable[[Content], object]:
    return lambda content: content["groups"][1].update(changed)


CHECKLIST_KEYS = (
    "id, version, regulation, title, valid_from, checked, intro, commitment, free_text_warning, answers, groups, "
    "items, superseded_by, superseded_on"
)
ITEM_KEYS = "number, passage, title, question, examples, note"
REFUSED: list[tuple[str, Callable[[Content], object], str]] = [
    ("missing key", without("commitment"), "lacks 'commitment': add it"),
    (
        "unknown key",
        with_(introduction="Mời."),
        f"has an unknown key 'introduction': take it out or write one of {CHECKLIST_KEYS}",
    ),
    ("empty text", with_(intro=" \n "), "'intro' holds an empty text: write it"),
    ("invisible text", with_(title="\u200b"), "'title' holds an empty text: write it"),
    ("number for a text", with_(title=37), "'title' holds 37, which is no text: write it in quotes"),
    ("version zero", with_(version=0), "'version' holds 0: write a whole number from 1 on"),
    ("version as text", with_(version="2"), "'version' holds '2': write a whole number from 1 on"),
    ("version as truth", with_(version=True), "'version' holds True: write a whole number from 1 on"),
    ("checked as text", with_(checked="rồi"), "'checked' is 'rồi': write true or false"),
    (
        "date with slashes",
        with_(valid_from="31/1/2026"),
        "'valid_from' is '31/1/2026': write the day as 2026-07-26, without quotes",
    ),
    (
        "date in quotes",
        with_(superseded_by="2-QĐ/TW", superseded_on="2026-12-01"),
        "'superseded_on' is '2026-12-01': write the day as 2026-07-26, without quotes",
    ),
    (
        "superseded by nothing",
        with_(superseded_on=date(2026, 12, 1)),
        "has 'superseded_on' without 'superseded_by': say which regulation replaced it",
    ),
    (
        "superseded before valid",
        with_(superseded_by="2-QĐ/TW", superseded_on=date(2026, 1, 31)),
        "'superseded_on' 2026-01-31 is not after 'valid_from' 2026-01-31: mend one of them",
    ),
    ("missing answer", with_(answers={"none": "Không", "present": "Có"}), "answers: lacks 'discuss': add it"),
    (
        "unknown answer",
        with_(answers={"none": "Không", "present": "Có", "discuss": "Trao đổi", "maybe": "Có lẽ"}),
        "answers: has an unknown key 'maybe': take it out or write one of none, present, discuss",
    ),
    (
        "empty answer",
        with_(answers={"none": "", "present": "Có", "discuss": "Trao đổi"}),
        "answers: 'none' holds an empty text: write it",
    ),
    (
        "two answers with one label",
        with_(answers={"none": "Không", "present": "Có", "discuss": "Có"}),
        "answers: give two answers the same label: word each in its own way",
    ),
    (
        "answers as a list",
        with_(answers=["Không", "Có", "Trao đổi"]),
        "answers: must be 'key: value' lines with the keys none, present, discuss",
    ),
    ("no items", with_(items=[]), "'items' must be a list with at least one entry: write one"),
    ("no groups", with_(groups=None), "'groups' must be a list with at least one entry: write one"),
    (
        "item as text",
        with_(items=["Việc 1"]),
        f"item at place 1 of 'items': must be 'key: value' lines with the keys {ITEM_KEYS}",
    ),
    (
        "item without number",
        lambda content: content["items"][1].pop("number"),
        "item at place 2 of 'items': lacks 'number': add it",
    ),
    ("item without question", lambda content: content["items"][1].pop("question"), "item 2: lacks 'question': add it"),
    (
        "item with an unknown key",
        item_2(signs=["Làm."]),
        f"item 2: has an unknown key 'signs': take it out or write one of {ITEM_KEYS}",
    ),
    ("item with an empty note", item_2(note=""), "item 2: 'note' holds an empty text: write it"),
    (
        "item without examples",
        item_2(examples=[]),
        "item 2: 'examples' must be a list with at least one entry: write one",
    ),
    (
        "examples as text",
        item_2(examples="Làm."),
        "item 2: 'examples' must be a list with at least one entry: write one",
    ),
    ("empty example", item_2(examples=["Làm.", " "]), "item 2: 'examples' holds an empty text: write it"),
    (
        "passage of another document",
        item_2(passage="luat/dieu-2"),
        "item 2: 'passage' 'luat/dieu-2' is of another document: take one of 'quy-dinh'",
    ),
    (
        "item number twice",
        with_(items=[an_item(1), an_item(2), an_item(3), an_item(2)]),
        "item 2 stands 2 times among the items: number each differently",
    ),
    (
        "item in two groups",
        with_(groups=[a_group(1, [1, 2, 3]), a_group(2, [2])]),
        "group 2: names item 2, already named in group 1: keep one",
    ),
    (
        "item twice in a group",
        with_(groups=[a_group(1, [1, 3, 1]), a_group(2, [2])]),
        "group 1: names item 1, already named in group 1: keep one",
    ),
    (
        "item in no group",
        with_(groups=[a_group(1, [1]), a_group(2, [2])]),
        "item 3 stands in no group: add it to the 'items' of one",
    ),
    (
        "group of an item that is not there",
        with_(groups=[a_group(1, [1, 3]), a_group(2, [2, 20])]),
        "group 2: names item 20, which is not among the items: add it or take it out",
    ),
    ("group of no items", group_2(items=[]), "group 2: 'items' must be a list with at least one entry: write one"),
    ("group of items as texts", group_2(items=["2"]), "group 2: 'items' holds '2': write a whole number from 1 on"),
    (
        "groups from zero",
        with_(groups=[a_group(0, [1, 3]), a_group(1, [2])]),
        "group 0: 'number' holds 0: write a whole number from 1 on",
    ),
    (
        "groups from two",
        with_(groups=[a_group(2, [1, 3]), a_group(3, [2])]),
        "group 2: stands where group 1 should: number the groups 1, 2, 3 in their order",
    ),
    (
        "group left out",
        group_2(number=3),
        "group 3: stands where group 2 should: number the groups 1, 2, 3 in their order",
    ),
    (
        "group title with other items",
        group_2(title="Nhóm (điều 1, 2)"),
        "group 2: 'title' 'Nhóm (điều 1, 2)' does not name its items: end it with '(điều 2)'",
    ),
    ("group with an empty question", group_2(question=""), "group 2: 'question' holds an empty text: write it"),
    ("other version in the name", with_(version=3), "holds 'quy-dinh' version 3: name the file quy-dinh.v3.yaml"),
]


@pytest.mark.parametrize(("change", "problem"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_wrong_checklist_is_refused_with_what_is_wrong_and_what_to_do(
    tmp_path: Path, change: Callable[[Content], object], problem: str
) -> None:
    content = a_content()
    change(content)
    path = a_file(tmp_path, content)
    with pytest.raises(ChecklistError) as refused:
        load_checklist(path)
    assert refused.value.path == path
    assert refused.value.problem == problem
    assert str(refused.value) == f"{path}: {problem}"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", f"must be 'key: value' lines with the keys {CHECKLIST_KEYS}"),
        ("- một\n- hai\n", f"must be 'key: value' lines with the keys {CHECKLIST_KEYS}"),
        ("id: a\ntitle: [một\n", "is not valid YAML near line 3"),
        ("id: a\nid: b\n", "is not valid YAML near line 1 (the key 'id' stands 2 times): mend it there"),
        ("id: a\x07\n", "is not valid YAML near line 1 (a character that YAML does not allow): mend it there"),
        ("valid_from: 2026-02-31\n", "holds a wrong date or number (day is out of range for month): mend it"),
        ("id: Đảng".encode("utf-16"), "is not UTF-8 (byte 0): save it again as UTF-8"),
    ],
    ids=["empty", "a list", "broken", "key twice", "bell", "day that does not exist", "UTF-16"],
)
def test_file_that_is_no_checklist_is_refused(tmp_path: Path, text: str | bytes, problem: str) -> None:
    with pytest.raises(ChecklistError) as refused:
        load_checklist(a_file(tmp_path, text))
    assert refused.value.problem.startswith(problem)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ChecklistError, match=r"khac\.v1\.yaml: cannot be read: No such file"):
        load_checklist(tmp_path / "khac.v1.yaml")


@pytest.mark.parametrize("name", ["khac.v2.yaml", "quy-dinh.v02.yaml", "quy-dinh.v2.yml", "quy-dinh.yaml"])
def test_file_not_named_for_its_id_and_version_is_refused(tmp_path: Path, name: str) -> None:
    a_file(tmp_path, a_content(), name)
    with pytest.raises(ChecklistError) as refused:
        load_checklists(tmp_path)
    assert str(refused.value) == f"{tmp_path / name}: holds 'quy-dinh' version 2: name the file quy-dinh.v2.yaml"


def test_copy_of_a_checklist_is_refused_beside_it(tmp_path: Path) -> None:
    a_file(tmp_path, a_content())
    copy = a_file(tmp_path, a_content(), "quy-dinh.v3.yaml")
    with pytest.raises(ChecklistError) as refused:
        load_checklists(tmp_path)
    problem = "holds 'quy-dinh' version 2, as quy-dinh.v2.yaml does: remove one, or give the newer one the next version"
    assert str(refused.value) == f"{copy}: {problem}"


def test_folder_without_checklists_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ChecklistError, match=r"holds no checklist: put a file ID\.vVERSION\.yaml there"):
        load_checklists(tmp_path)


def test_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ChecklistError, match="no such folder: put the checklists there"):
        load_checklists(tmp_path / "khong-co")
