import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from embeddings.encoder import Encoder, HashingEncoder, make_encoder
from knowledge.answer import KnowledgeBase
from knowledge.chunker import chunk
from knowledge.lexicon import Lexicon
from knowledge.loader import load_documents
from knowledge.model import PassageKind
from knowledge.query import parse_query
from knowledge.text import syllables
from knowledge.views import (
    QUESTIONS_FOLDER,
    Seen,
    View,
    ViewError,
    ViewIndex,
    load_views,
    nearest_uncovered,
    still_open,
)
from tests.knowledge.builders import DOCUMENTS, PLAN

RETRIEVAL = Path(__file__).parents[1] / "retrieval"
LEAST_QUESTIONS = 12
LEXICON: dict[str, Any] = {"abbreviations": [], "everyday": [], "function_words": "là gì có không", "small_talk": []}
VIEWS = [
    View("miễn nhiệm", "sếp làm sai có phải rời ghế không"),
    View("tiếp dân", "bà con có được gặp lãnh đạo không"),
    View("kiểm tra", "ai soi tổ chức đảng"),
    View("tiếp dân", "lịch tiếp công dân của chủ tịch"),
    View("?đảng phí", "đóng đảng phí bao nhiêu"),
]


def a_file(folder: Path, content: str, name: str = "thu.yaml") -> Path:
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


# --- files ------------------------------------------------------------------------------------------------------


def test_questions_belong_to_passages_of_their_document(tmp_path: Path) -> None:
    a_file(tmp_path, 'document: quy-dinh\nquestions:\n  "1#1": ["Một?", "Hai?"]\n  dieu-2: ["Ba?"]\n')
    assert load_views(tmp_path) == [
        View("quy-dinh/1#1", "Một?"),
        View("quy-dinh/1#1", "Hai?"),
        View("quy-dinh/dieu-2", "Ba?"),
    ]


def test_uncovered_questions_belong_to_no_passage(tmp_path: Path) -> None:
    a_file(tmp_path, 'uncovered:\n  "đảng phí": ["đóng bao nhiêu"]\n')
    [view] = load_views(tmp_path)
    assert view.question == "đóng bao nhiêu"
    assert "đảng phí" in view.passage_id
    assert not view.is_covered
    assert View("quy-dinh/1#1", "Một?").is_covered


def test_saved_index_gives_the_same_scores(tmp_path: Path) -> None:
    encoder, words = make_encoder("bundled"), Lexicon(LEXICON)
    built = ViewIndex.build(VIEWS, encoder, words)
    built.save(tmp_path)
    query = parse_query("đóng đảng phí mấy đồng", words)
    [vector] = encoder.encode_queries([query.text])
    assert ViewIndex.load(tmp_path, VIEWS, encoder).scores(query, vector) == built.scores(query, vector)


def test_subject_is_open_no_more_once_a_heading_names_it() -> None:
    views = [View("?đảng phí", "đóng bao nhiêu"), View("?tổ đảng", "mấy người"), View("kế-hoạch/1", "Một?")]
    headings = ["Quy định về chế độ Đảng phí", "Kỷ luật tổ chức đảng"]
    assert still_open(views, headings) == views[1:]
    assert still_open([View("?miễn giảm đảng phí", "ai")], ["Điều 3. Miễn, giảm đảng phí"]) == []


def test_every_subject_is_open_with_the_documents_that_ship() -> None:
    views = load_views()
    documents = load_documents(DOCUMENTS)
    headings = [h for document in documents for passage in chunk(document) for h in passage.headings]
    assert still_open(views, [*headings, *(document.title for document in documents)]) == views


def test_questions_are_clean_and_on_one_line(tmp_path: Path) -> None:
    a_file(tmp_path, 'document: a\nquestions:\n  b: [" Đảng\\n  vie\u0302n\u200b "]\n')
    assert [view.question for view in load_views(tmp_path)] == ["Đảng viên"]


def test_files_are_read_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name in "bac":
        a_file(tmp_path, f"document: {name}\nquestions: {{x: [y]}}\n", f"{name}.yaml")
    a_file(tmp_path, "not for us: {", "README.md")
    assert [view.passage_id for view in load_views(tmp_path)] == ["a/x", "b/x", "c/x"]


def test_folder_without_files_has_no_questions(tmp_path: Path) -> None:
    assert load_views(tmp_path) == []


@pytest.mark.parametrize(
    "content",
    [
        "",
        "- một danh sách",
        "một câu",
        "questions: {a: [b]}",
        "document: a",
        "document: a\nquestions: [b]",
        "document: a\nquestions: {b: }",
        "document: a\nquestions: {b: [1]}",
        "uncovered:",
        "uncovered: {a: 1}",
    ],
)
def test_file_that_lacks_a_field_is_named_with_what_it_needs(tmp_path: Path, content: str) -> None:
    path = a_file(tmp_path, content)
    with pytest.raises(ViewError, match=rf"{re.escape(str(path))}: needs 'document: ID' and 'questions:'") as caught:
        load_views(tmp_path)
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize("content", [b"document: [", b"\xff\xfe\xff", b"document: a\n\tquestions: b"])
def test_file_that_is_no_yaml_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "thu.yaml"
    path.write_bytes(content)
    with pytest.raises(ViewError, match=rf"{re.escape(str(path))}: cannot be read"):
        load_views(tmp_path)


def test_broken_file_among_good_ones_is_the_one_that_is_named(tmp_path: Path) -> None:
    a_file(tmp_path, "document: a\nquestions: {x: [y]}\n", "a.yaml")
    a_file(tmp_path, "document: b\n", "b.yaml")
    with pytest.raises(ViewError, match=r"b\.yaml: needs"):
        load_views(tmp_path)


# --- the ranking ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def words() -> Lexicon:
    return Lexicon(LEXICON)


@pytest.fixture(scope="module", params=["bundled", "hashing"])
def encoder(request: pytest.FixtureRequest) -> Encoder:
    return make_encoder(request.param)


def seen(text: str, encoder: Encoder, words: Lexicon, views: list[View] = VIEWS) -> dict[str, Seen]:
    query = parse_query(text, words)
    return ViewIndex.build(views, encoder, words).scores(query, encoder.encode_queries([query.text])[0])


def test_every_passage_and_open_subject_is_seen_once(encoder: Encoder, words: Lexicon) -> None:
    assert seen("ai soi", encoder, words).keys() == {view.passage_id for view in VIEWS}


@pytest.mark.parametrize("view", VIEWS, ids=[view.question for view in VIEWS])
def test_question_is_nearest_to_itself_in_every_way(encoder: Encoder, words: Lexicon, view: View) -> None:
    found = seen(view.question, encoder, words)
    by_words, dense, late = found.pop(view.passage_id)
    assert by_words == 1.0
    assert dense == pytest.approx(1, abs=1e-5)
    assert by_words > max(other[0] for other in found.values())
    assert dense > max(other[1] for other in found.values())
    if isinstance(encoder, HashingEncoder):
        assert late == 0.0
    else:
        assert late == pytest.approx(1, abs=1e-5)
        assert late > max(other[2] for other in found.values())


def test_nearest_of_several_views_counts(encoder: Encoder, words: Lexicon) -> None:
    first, second = "bà con có được gặp lãnh đạo không", "lịch tiếp công dân của chủ tịch"
    both = seen(second, encoder, words)["tiếp dân"]
    alone = seen(second, encoder, words, [View("tiếp dân", second), View("khác", first)])["tiếp dân"]
    assert both[1:] == pytest.approx(alone[1:], abs=1e-6)


def test_order_of_the_views_does_not_matter(encoder: Encoder, words: Lexicon) -> None:
    asked = "sếp có được gặp bà con không"
    one, other = seen(asked, encoder, words), seen(asked, encoder, words, VIEWS[::-1])
    assert one.keys() == other.keys()
    for passage_id, numbers in one.items():
        assert numbers == pytest.approx(other[passage_id], abs=1e-6)


def test_question_in_words_that_no_view_holds_has_no_score_by_words(encoder: Encoder, words: Lexicon) -> None:
    found = seen("zzz qqq", encoder, words)
    assert {by_words for by_words, _, _ in found.values()} == {0.0}
    assert all(abs(number) <= 1 for one in found.values() for number in one)


def test_short_view_is_not_crowded_out_by_long_ones(words: Lexicon) -> None:
    views = [View("ngắn", "đảng phí"), View("dài", "đảng phí thì phải đóng ở chi bộ nào khi chuyển tới nơi khác")]
    found = seen("đảng phí", HashingEncoder(), words, views)
    assert found["ngắn"][0] == 1.0 > found["dài"][0]


def test_one_view_is_enough(encoder: Encoder, words: Lexicon) -> None:
    assert seen("ai soi", encoder, words, [View("kiểm tra", "ai soi tổ chức đảng")])["kiểm tra"][0] == 1.0


def test_nearest_uncovered_looks_at_open_subjects_alone() -> None:
    found = {"a/1": (1.0, 0.9, 0.8), "?x": (0.1, 0.7, 0.2), "?y": (0.3, 0.2, 0.1)}
    assert nearest_uncovered(found) == (0.3, 0.7, 0.2)
    assert nearest_uncovered({"a/1": (1.0, 0.9, 0.8)}) == (0.0, 0.0, 0.0)
    assert nearest_uncovered({}) == (0.0, 0.0, 0.0)


# --- the questions that ship ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shipped() -> list[View]:
    return load_views()


@pytest.mark.parametrize("path", sorted(QUESTIONS_FOLDER.glob("*.yaml")), ids=lambda path: path.name)
def test_file_of_questions_is_read_and_named_after_its_document(path: Path, tmp_path: Path) -> None:
    (tmp_path / path.name).write_bytes(path.read_bytes())
    views = load_views(tmp_path)
    assert views
    heads = {view.passage_id.partition("/")[0] for view in views if view.is_covered}
    assert heads in (set(), {path.stem})


def test_every_curated_question_belongs_to_a_passage(shipped: list[View], knowledge: KnowledgeBase) -> None:
    passages = {passage.id for document in load_documents(DOCUMENTS) for passage in chunk(document)}
    assert passages == knowledge.passages.keys()
    assert {view.passage_id for view in shipped if view.is_covered} - passages == set()


def test_every_passage_of_the_plan_can_be_asked_for_in_many_ways(shipped: list[View]) -> None:
    [plan] = [document for document in load_documents(DOCUMENTS) if document.id == PLAN]
    counts = Counter(view.passage_id for view in shipped)
    wanted = [passage.id for passage in chunk(plan) if passage.kind is PassageKind.BODY]
    assert len(wanted) > 20
    assert {id: counts[id] for id in wanted if counts[id] < LEAST_QUESTIONS} == {}


def test_every_part_of_a_digest_can_be_asked_for_in_many_ways(shipped: list[View]) -> None:
    def part(passage_id: str) -> str:
        document, _, locator = passage_id.partition("/")
        return f"{document}/{locator.split('.')[0]}"

    counts = Counter(part(view.passage_id) for view in shipped if view.is_covered)
    digests = [document for document in load_documents(DOCUMENTS) if document.id != PLAN]
    wanted = {part(p.id) for document in digests for p in chunk(document) if p.kind is PassageKind.BODY}
    assert len(wanted) > 50
    assert {id: counts[id] for id in wanted if counts[id] < LEAST_QUESTIONS} == {}


def test_no_curated_question_is_there_twice(shipped: list[View]) -> None:
    counts = Counter(" ".join(syllables(view.question)) for view in shipped)
    assert [question for question, count in counts.items() if count > 1] == []


@pytest.mark.parametrize("path", sorted(RETRIEVAL.glob("*.jsonl")), ids=lambda path: path.name)
def test_no_curated_question_is_asked_to_measure_the_search(shipped: list[View], path: Path) -> None:
    asked = {
        " ".join(syllables(json.loads(line)["text"])) for line in path.read_text(encoding="utf-8").split("\n") if line
    }
    assert len(asked) > 100
    assert [view.question for view in shipped if " ".join(syllables(view.question)) in asked] == []
