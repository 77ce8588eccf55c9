"""Who asks without a conversation reads approved answers too, unless retrieval alone is to be measured."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from bot.__main__ import main
from bot.app import load_approved, open_store
from bot.config import load_config
from knowledge.approved import fingerprint
from knowledge.chunker import chunk
from knowledge.loader import load_documents

PROJECT = Path(__file__).parent.parent.parent
PASSAGE_ID = "ke-hoach-ket-luan-21/2.4#3"
QUESTION, WORDS = "đóng đảng phí bao nhiêu một tháng", "Đồng chí hỏi chi ủy để biết mức của mình."


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TUSOI_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("TUSOI_ENCODER__MODEL", "hashing")
    return tmp_path / "data"


def ask(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main(["ask", "--json", *arguments, QUESTION]) == 0
    [line] = capsys.readouterr().out.splitlines()
    answer: dict[str, Any] = json.loads(line)
    return answer


def test_approved_answer_counts_where_there_is_a_database(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = ask(capsys)
    assert WORDS not in before["text"]
    assert not list(data_dir.glob("*.db"))
    plan = next(each for each in load_documents(PROJECT / "knowledge" / "documents") if each.is_plan)
    passage = next(each for each in chunk(plan) if each.id == PASSAGE_ID)
    with open_store(load_config(PROJECT / "config.yaml")).transaction() as transaction:
        people = transaction.people
        cell = people.add_cell(people.add_organization("Đảng bộ xã An Bình"), "Chi bộ 3")
        transaction.approved.add(
            [QUESTION],
            WORDS,
            passage_id=PASSAGE_ID,
            fingerprint=fingerprint(passage),
            document_version=1,
            member_id=people.add_member(cell, "Hoàng Văn Ủy"),
            name="Hoàng Văn Ủy",
            role="cấp ủy Đảng bộ xã An Bình",
            on=date(2026, 11, 5),
        )
    answer = ask(capsys)
    assert answer["outcome"] == "answered"
    assert answer["text"].startswith(f"Câu trả lời đã duyệt cho câu hỏi “{QUESTION}”:\n{WORDS}\n")
    assert answer["text"].endswith("Đồng chí Hoàng Văn Ủy (cấp ủy Đảng bộ xã An Bình), ngày 05/11/2026")
    assert [hit["passage_id"] for hit in answer["hits"]] == [PASSAGE_ID]
    assert answer["hits"][0]["quote"] == passage.text
    assert WORDS not in ask(capsys, "--no-curated")["text"]


def test_database_that_cannot_be_read_has_no_approved_answers(data_dir: Path) -> None:
    data_dir.mkdir()
    (data_dir / "tu-soi.db").write_text("no database " * 100, encoding="utf-8")
    assert load_approved(load_config(PROJECT / "config.yaml")) == []
