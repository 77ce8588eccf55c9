import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from embeddings.encoder import HashingEncoder
from knowledge.answer import KnowledgeBase
from knowledge.evaluation import (
    DatasetError,
    Question,
    evaluate_dataset,
    evaluate_questions,
    judge,
    main,
    ndcg_at,
    quotes_verbatim,
    read_questions,
    recall_at,
    reciprocal_rank_at,
    summarise,
)
from knowledge.model import Answer, Hit, Outcome, Reason
from tests.knowledge.builders import PLAN

CORPUS = [
    {"id": "d1", "title": "Miễn nhiệm", "text": "Căn cứ miễn nhiệm, từ chức đối với cán bộ."},
    {"id": "d2", "title": "", "text": "Kiểm tra, giám sát và kỷ luật của tổ chức đảng."},
    {"id": "d3", "text": "Tuyên truyền trên mạng xã hội."},
]
QUERIES = [
    {"id": "q1", "text": "miễn nhiệm cán bộ"},
    {"id": "q2", "text": "giám sát"},
    {"id": "q3", "text": "mạng xã hội", "set": "ngắn"},
]
QRELS = ["query-id\tdoc-id\tscore", "q1\td1\t1", "q2\td2\t2", "q2\td3\t1", "q3\td1\t1"]


def a_dataset(
    folder: Path, corpus: Sequence[Any] = CORPUS, queries: Sequence[Any] = QUERIES, qrels: Sequence[str] = QRELS
) -> Path:
    def lines(rows: Sequence[Any]) -> str:
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)

    (folder / "corpus.jsonl").write_text(lines(corpus), encoding="utf-8")
    (folder / "queries.jsonl").write_text(lines(queries), encoding="utf-8")
    (folder / "qrels.tsv").write_text("\n".join(qrels) + "\n", encoding="utf-8")
    return folder


def a_question(**changed: Any) -> dict[str, Any]:
    row = {"id": "1", "text": "?", "kind": "direct", "gold": ["2.2#3"], "must_contain": [], "answerable": True}
    return {**row, **changed}


def write_questions(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


# --- measures -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("k", "recall", "reciprocal"), [(1, 0.0, 0.0), (2, 0.5, 0.5), (3, 0.5, 0.5), (4, 1.0, 0.5), (100, 1.0, 0.5)]
)
def test_recall_and_reciprocal_rank_by_hand(k: int, recall: float, reciprocal: float) -> None:
    ranked, relevant = ["x", "a", "y", "b"], {"a": 1.0, "b": 1.0, "c": 0.0}
    assert recall_at(ranked, relevant, k) == recall
    assert reciprocal_rank_at(ranked, relevant, k) == reciprocal


def test_ndcg_by_hand() -> None:
    ranked, relevant = ["b", "x", "a"], {"a": 3.0, "b": 1.0}
    gained = 1 / math.log2(2) + 3 / math.log2(4)
    ideal = 3 / math.log2(2) + 1 / math.log2(3)
    assert ndcg_at(ranked, relevant, 10) == pytest.approx(gained / ideal)
    assert ndcg_at(ranked, relevant, 1) == pytest.approx(1 / 3)
    assert ndcg_at(["a", "b"], relevant, 10) == 1.0


def test_query_without_relevant_documents_counts_nothing() -> None:
    for measure in (recall_at, reciprocal_rank_at, ndcg_at):
        assert measure(["a"], {}, 10) == 0
        assert measure([], {"a": 1.0}, 10) == 0


# --- questions ------------------------------------------------------------------------------------------------


def test_questions_are_read_with_their_groups(tmp_path: Path) -> None:
    path = write_questions(tmp_path / "q.jsonl", a_question(), a_question(id="2", gold_groups=[["1#1"], ["2.2#3"]]))
    [plain, grouped] = read_questions(path)
    assert plain == Question("1", "?", "direct", ("2.2#3",), (), True)
    assert grouped.groups == (("1#1",), ("2.2#3",))


def test_missing_questions_are_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"q\.jsonl: no such file"):
        read_questions(tmp_path / "q.jsonl")


@pytest.mark.parametrize("field", ["id", "text", "kind", "gold", "must_contain", "answerable"])
def test_question_without_a_field_names_it(tmp_path: Path, field: str) -> None:
    row = {key: value for key, value in a_question().items() if key != field}
    with pytest.raises(DatasetError, match=rf"q\.jsonl: .*\b{field}\b"):
        read_questions(write_questions(tmp_path / "q.jsonl", row))


@pytest.mark.parametrize("content", [b"{\n", b"\xff\xfe\n"], ids=["broken JSON", "not UTF-8"])
def test_file_that_is_no_json_lines_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "q.jsonl"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match="not one JSON object a line"):
        read_questions(path)


def test_line_that_is_no_object_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"q\.jsonl: line 2 needs an object"):
        read_questions(write_questions(tmp_path / "q.jsonl", a_question(), 5))


# --- judging --------------------------------------------------------------------------------------------------


def hits(*locators: str) -> tuple[Hit, ...]:
    return tuple(Hit(f"{PLAN}/{at}", 1.0) for at in locators)


def test_first_and_third_hit_are_told_apart() -> None:
    [question] = [Question("1", "?", "direct", ("2.2#3",), (), True)]
    answer = Answer(Outcome.ANSWERED, Reason.PASSAGE, hits=hits("1#1", "2.1#1", "2.2#3"))
    verdict = judge(question, answer, PLAN)
    assert (verdict.hit_at_1, verdict.hit_at_3, verdict.first_hit) == (False, True, "1#1")
    assert verdict.reciprocal_rank == pytest.approx(1 / 3)


def test_hits_of_a_refusal_count_nothing() -> None:
    question = Question("1", "?", "direct", ("2.2#3",), (), True)
    verdict = judge(question, Answer(Outcome.NOT_IN_DOCUMENTS, Reason.NOTHING_FOUND, hits=hits("2.2#3")), PLAN)
    assert (verdict.hit_at_1, verdict.hit_at_3, verdict.shows_words) == (False, False, False)


@pytest.mark.parametrize(("kind", "counted"), [("citation", False), ("multi", False), ("direct", True)])
def test_for_some_kinds_the_words_must_be_shown(kind: str, counted: bool) -> None:
    question = Question("1", "?", kind, ("2.2#3",), ("16/4/2020",), True)
    assert judge(question, Answer(Outcome.ANSWERED, Reason.PASSAGE, hits=hits("2.2#3")), PLAN).hit_at_1 is counted


def test_summary_counts_refusals_both_ways() -> None:
    asked = Question("1", "?", "direct", ("1#1",), (), True)
    foreign = Question("2", "?", "foreign", (), (), False)
    chat = Question("3", "?", "chitchat", (), (), False)
    answered = Answer(Outcome.ANSWERED, Reason.PASSAGE, hits=hits("1#1"))
    refused = Answer(Outcome.NOT_IN_DOCUMENTS, Reason.NOTHING_FOUND)
    talk = Answer(Outcome.SMALLTALK, Reason.SMALLTALK)
    pairs = [(asked, answered), (asked, refused), (foreign, refused), (foreign, talk), (chat, talk), (chat, refused)]
    figures = summarise([judge(question, answer, PLAN) for question, answer in pairs])
    assert (figures["questions"], figures["answerable"]) == (6, 2)
    assert (figures["hit@1"], figures["false_refusals"], figures["right_abstentions"]) == (0.5, 0.5, 0.5)
    assert list(figures["kinds"]) == ["direct"]


def test_summary_of_nothing_has_no_shares() -> None:
    figures = summarise([])
    assert (figures["questions"], figures["hit@1"], figures["MRR@10"]) == (0, None, None)


def test_questions_are_asked_of_the_documents(knowledge: KnowledgeBase) -> None:
    questions = [
        Question("1", "thi tuyển cạnh tranh chức danh", "direct", ("2.2#3",), ("thi tuyển cạnh tranh",), True),
        Question("2", "giá vàng hôm nay", "foreign", (), (), False),
    ]
    [first, second] = evaluate_questions(knowledge, questions)
    assert first.hit_at_1
    assert first.shows_words
    assert second.outcome is Outcome.NOT_IN_DOCUMENTS
    stands, shown = quotes_verbatim(knowledge, questions)
    assert stands == shown >= 1


# --- datasets -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["bm25", "dense", "hybrid"])
def test_small_dataset_gives_the_figures_worked_out_by_hand(tmp_path: Path, mode: str) -> None:
    figures = evaluate_dataset(a_dataset(tmp_path), HashingEncoder(), mode=mode, limit=None)
    # q1 and q2 find their first document, q2 alone misses its second; what q3 wants is not about it.
    assert figures["recall@1"] == pytest.approx((1 + 0.5 + 0) / 3, abs=1e-4)
    assert (figures["documents"], figures["queries"], figures["mode"]) == (3, 3, mode)
    assert 0.66 < figures["MRR@10"] < 1
    assert figures["index_seconds"] >= 0
    assert figures["peak_memory_mb"] > 10


def test_sets_of_queries_have_their_own_figures(tmp_path: Path) -> None:
    figures = evaluate_dataset(a_dataset(tmp_path), HashingEncoder(), mode="bm25", limit=None)
    assert list(figures["sets"]) == ["ngắn"]
    assert figures["sets"]["ngắn"]["recall@1"] == 0


def test_limit_takes_the_first_queries(tmp_path: Path) -> None:
    figures = evaluate_dataset(a_dataset(tmp_path), HashingEncoder(), mode="bm25", limit=1)
    assert (figures["queries"], figures["recall@1"]) == (1, 1.0)


def test_title_is_searched_with_the_text(tmp_path: Path) -> None:
    folder = a_dataset(
        tmp_path,
        corpus=[{"id": "d1", "title": "Miễn nhiệm", "text": "Một."}, {"id": "d2", "title": "", "text": "Hai."}],
        queries=QUERIES[:1],
    )
    assert evaluate_dataset(folder, HashingEncoder(), mode="bm25", limit=None)["recall@1"] == 1


@pytest.mark.parametrize("name", ["corpus.jsonl", "queries.jsonl", "qrels.tsv"])
def test_missing_file_is_named(tmp_path: Path, name: str) -> None:
    (a_dataset(tmp_path) / name).unlink()
    with pytest.raises(DatasetError, match=rf"{name}: no such file"):
        evaluate_dataset(tmp_path, HashingEncoder(), mode="bm25", limit=None)


@pytest.mark.parametrize("line", ["q1 d1 1", "q1\td1\tviel", "q1\td1"])
def test_broken_qrels_are_refused_with_the_columns(tmp_path: Path, line: str) -> None:
    folder = a_dataset(tmp_path, qrels=["query-id\tdoc-id\tscore", line])
    with pytest.raises(DatasetError, match="query-id, doc-id and score"):
        evaluate_dataset(folder, HashingEncoder(), mode="bm25", limit=None)


@pytest.mark.parametrize(
    ("broken", "name"), [({"corpus": [{"title": "x"}]}, "corpus"), ({"queries": [{"id": "q1"}]}, "queries")]
)
def test_row_without_a_field_is_refused(tmp_path: Path, broken: dict[str, Any], name: str) -> None:
    with pytest.raises(DatasetError, match=rf"{name}\.jsonl: line 1 needs an object with id and text"):
        evaluate_dataset(a_dataset(tmp_path, **broken), HashingEncoder(), mode="bm25", limit=None)


def test_command_prints_one_json_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--dataset", str(a_dataset(tmp_path)), "--json", "--mode", "bm25"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert {"recall@1", "recall@10", "recall@100", "MRR@10", "nDCG@10", "queries_per_second"} <= set(figures)


def test_command_on_a_wrong_folder_says_which_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--dataset", str(tmp_path), "--json"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "corpus.jsonl: no such file" in captured.err


def test_command_on_questions_about_the_plan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_questions(tmp_path / "questions.jsonl", a_question(text="thi tuyển cạnh tranh chức danh"))
    assert main(["--plan", str(tmp_path), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["questions"], figures["hit@1"], figures["quotes_verbatim"]) == (1, 1.0, "1/1")
