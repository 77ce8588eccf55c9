import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import zstandard

from embeddings.pairs import everyday_pairs, general_pairs, is_held_out, passages, rows

ROOT = Path(__file__).parents[2]
RETRIEVAL = ROOT / "tests" / "retrieval"
EVERYDAY = ROOT / "embeddings" / "everyday.tsv"
FILES = (
    "legal_articles",
    "docs_legal_admin",
    "docs_wiki_vi",
    "docs_news_vi",
    "pairs_legal_qa",
    "pairs_question_law_article",
    "pairs_general_qa",
    "pairs_news_title_summary",
    "pairs_everyday_written",
)
ARTICLE = {"id": "luat#1", "title": "Điều 1. Phạm vi", "doc": "Luật số 1/2020/QH14 Thanh tra", "text": "Quy định này."}
PASSAGE = "Điều 1. Phạm vi (Luật số 1/2020/QH14 Thanh tra)\nQuy định này."


def a_packed_file(path: Path, content: Sequence[Mapping[str, Any]]) -> None:
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in content)
    path.write_bytes(zstandard.ZstdCompressor().compress(text.encode()))


def a_folder(folder: Path, **content: Sequence[Mapping[str, Any]]) -> Path:
    """A data folder; files that are not named are empty."""
    for name in FILES:
        a_packed_file(folder / f"{name}.jsonl.zst", content.get(name, []))
    return folder


def a_pair(query: str, positive: str = "đoạn văn") -> dict[str, str]:
    return {"query": query, "positive": positive}


# --- packed files -----------------------------------------------------------------------------------------------


def test_packed_file_gives_its_objects_in_order(tmp_path: Path) -> None:
    content: list[dict[str, Any]] = [{"text": "Đảng viên\nchi bộ"}, {"number": 5}, {"text": "x" * 300_000}]
    a_packed_file(tmp_path / "a.jsonl.zst", content)
    assert list(rows(tmp_path / "a.jsonl.zst")) == content


def test_packed_file_of_nothing_gives_nothing(tmp_path: Path) -> None:
    a_packed_file(tmp_path / "a.jsonl.zst", [])
    assert list(rows(tmp_path / "a.jsonl.zst")) == []


# --- what is kept from the training -----------------------------------------------------------------------------


def test_about_one_question_in_ten_is_held_out() -> None:
    held_out = [n for n in range(5000) if is_held_out(f"câu hỏi {n}")]
    assert 0.08 < len(held_out) / 5000 < 0.12


def test_same_question_is_held_out_on_every_machine() -> None:
    # From a digest of the text: not from hash(), which is another one each time.
    kept = [n for n in range(40) if is_held_out(f"câu hỏi {n}")]
    assert kept == [n for n in range(40) if hashlib.sha256(f"câu hỏi {n}".encode()).digest()[0] % 10 == 0]
    assert kept


def test_held_out_question_is_in_no_general_pair(tmp_path: Path) -> None:
    asked = [f"câu hỏi {n}" for n in range(100)]
    folder = a_folder(tmp_path, pairs_question_law_article=[a_pair(question) for question in asked])
    trained = {query for query, _ in general_pairs(folder)}
    assert trained == {question for question in asked if not is_held_out(question)}
    assert 0 < len(trained) < len(asked)


def test_general_pairs_are_the_same_every_time(tmp_path: Path) -> None:
    sentences = " ".join(f"Câu thứ {n} nói về một việc khác hẳn với những câu kia." for n in range(20))
    folder = a_folder(
        tmp_path,
        legal_articles=[{**ARTICLE, "text": sentences}],
        docs_wiki_vi=[{"title": "Tỉnh ủy", "text": f"{sentences}\n## Lịch sử\n{sentences}"}],
        pairs_news_title_summary=[a_pair("tin mới")],
    )
    assert general_pairs(folder) == general_pairs(folder)
    assert {"Tỉnh ủy", "Tỉnh ủy Lịch sử", "tin mới"} <= {query for query, _ in general_pairs(folder)}


# --- everyday pairs ---------------------------------------------------------------------------------------------


def test_written_questions_stand_beside_their_passages(tmp_path: Path) -> None:
    folder = a_folder(tmp_path, pairs_everyday_written=[a_pair("sếp làm sai thì sao", "người đứng đầu vi phạm")])
    assert everyday_pairs(folder, []) == [("sếp làm sai thì sao", "người đứng đầu vi phạm")]


def test_question_of_a_table_stands_beside_the_passage_it_names(tmp_path: Path) -> None:
    folder = a_folder(tmp_path, legal_articles=[ARTICLE])
    table = tmp_path / "more.tsv"
    table.write_text(
        "luat#1\teveryday\tluật này lo chuyện gì\nluat#9\tgist\tkhông có ở đâu\nluat#1\tgist\tcâu thứ hai\n",
        encoding="utf-8",
    )
    assert everyday_pairs(folder, [table]) == [("luật này lo chuyện gì", PASSAGE), ("câu thứ hai", PASSAGE)]


def test_question_of_a_table_may_name_a_part_of_a_document(tmp_path: Path) -> None:
    folder = a_folder(
        tmp_path, docs_legal_admin=[{"id": "d1", "title": "Công văn", "text": "Mở đầu.\n## Một\nNội dung.\n\nHết."}]
    )
    found = dict(passages(folder))
    assert list(found.values()) == ["Công văn\nMở đầu.", "Công văn\n## Một\nNội dung.", "Công văn\nHết."]
    table = tmp_path / "more.tsv"
    table.write_text("".join(f"{id}\teveryday\tcâu hỏi về {id[-4:]}\n" for id in found), encoding="utf-8")
    assert everyday_pairs(folder, [table]) == [(f"câu hỏi về {id[-4:]}", text) for id, text in found.items()]


def test_forms_of_a_lexicon_stand_beside_their_formal_terms(tmp_path: Path) -> None:
    entries = [{"formal": f"thuật ngữ {n}", "everyday": [f"chữ {n}", f"lời {n}"]} for n in range(6)]
    lexicon = tmp_path / "lexicon.yaml"
    lexicon.write_text(json.dumps({"everyday": entries}, ensure_ascii=False), encoding="utf-8")
    found = everyday_pairs(a_folder(tmp_path), [lexicon])
    every = [(form, str(entry["formal"])) for entry in entries for form in entry["everyday"]]
    assert found
    assert set(found) <= set(every)


def test_tables_and_lexicons_go_together(tmp_path: Path) -> None:
    folder = a_folder(tmp_path, legal_articles=[ARTICLE], pairs_everyday_written=[a_pair("sếp sai")])
    lexicon, table, more = tmp_path / "l.yaml", tmp_path / "a.tsv", tmp_path / "b.tsv"
    lexicon.write_text('everyday: [{formal: "miễn nhiệm", everyday: ["mất ghế"]}]', encoding="utf-8")
    table.write_text("luat#1\teveryday\tluật gì\n", encoding="utf-8")
    more.write_text("luat#1\teveryday\tđể làm gì\n", encoding="utf-8")
    assert everyday_pairs(folder, [lexicon, table, more]) == [
        ("sếp sai", "đoạn văn"),
        ("mất ghế", "miễn nhiệm"),
        ("luật gì", PASSAGE),
        ("để làm gì", PASSAGE),
    ]


def test_question_without_accents_is_left_out(tmp_path: Path) -> None:
    folder = a_folder(tmp_path, legal_articles=[ARTICLE], pairs_everyday_written=[a_pair("sep sai"), a_pair("sếp sai")])
    table = tmp_path / "more.tsv"
    table.write_text("luat#1\tbare\tluat nay lo gi\nluat#1\teveryday\tluật này lo gì\n", encoding="utf-8")
    assert [query for query, _ in everyday_pairs(folder, [table])] == ["sếp sai", "luật này lo gì"]


@pytest.mark.parametrize("line", ["luat#1\tchỉ hai cột", "không có cột"])
def test_line_of_a_table_without_its_columns_is_refused(tmp_path: Path, line: str) -> None:
    table = tmp_path / "more.tsv"
    table.write_text(f"{line}\n", encoding="utf-8")
    with pytest.raises(ValueError, match="unpack"):
        everyday_pairs(a_folder(tmp_path), [table])


# --- the table that ships ---------------------------------------------------------------------------------------


def shipped() -> list[list[str]]:
    return [line.split("\t") for line in EVERYDAY.read_text(encoding="utf-8").splitlines()]


def test_shipped_table_has_its_columns() -> None:
    assert shipped()
    assert {len(line) for line in shipped()} == {3}
    assert all(field.strip() for line in shipped() for field in line)


def test_no_question_that_measures_the_search_is_trained_on() -> None:
    measured = {
        json.loads(line)["text"]
        for path in RETRIEVAL.glob("*.jsonl")
        for line in path.read_text(encoding="utf-8").splitlines()
    }
    measured |= {
        line.split("\t")[-1] for path in RETRIEVAL.glob("*.tsv") for line in path.read_text("utf-8").splitlines()
    }
    assert len(measured) > 500
    assert {question for _, _, question in shipped()} & measured == set()
