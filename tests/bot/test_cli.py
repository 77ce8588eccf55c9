"""`python -m bot …` as other programs start it."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Protocol

import httpx
import pytest

from bot.__main__ import main
from tests.programs import Programs

PROJECT = Path(__file__).parent.parent.parent
DOCUMENTS = PROJECT / "knowledge" / "documents"
QUESTIONS = [
    "mục 2.2 nói gì",
    "bao lâu phải báo cáo kết quả thực hiện một lần",
    "",
    "giá vàng hôm nay",
    "xin chào",
    "quy dinh 41 con hieu luc khong",
]
OUTCOMES = {"answered", "not_in_documents", "cited_not_loaded", "ambiguous", "smalltalk"}


def environment(data_dir: Path, **settings: str) -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("TUSOI_")}
    return {**ours, "TUSOI_DATA_DIR": str(data_dir), **{f"TUSOI_{name}": value for name, value in settings.items()}}


def bot(
    *arguments: str, data_dir: Path, stdin: str | bytes = b"", locale: dict[str, str] | None = None, **settings: str
) -> subprocess.CompletedProcess[bytes]:
    """Run a fresh interpreter; where its start is not what is looked at, a started one does the same sooner."""
    return subprocess.run(
        [sys.executable, "-m", "bot", *arguments],
        input=stdin.encode() if isinstance(stdin, str) else stdin,
        capture_output=True,
        cwd=PROJECT,
        env={**environment(data_dir, **settings), **(locale or {})},
        timeout=120,
        check=False,
    )


def lines_of(finished: subprocess.CompletedProcess[bytes]) -> list[dict[str, Any]]:
    """Standard output as JSON lines; anything else there, a log line too, is an error."""
    return [json.loads(line) for line in finished.stdout.decode("utf-8").split("\n")[:-1]]


def complaint(finished: subprocess.CompletedProcess[bytes], *, status: int = 1) -> str:
    """The one line that says why the program ended; no traceback stands anywhere."""
    errors = finished.stderr.decode("utf-8")
    assert (finished.returncode, finished.stdout) == (status, b""), errors
    assert "Traceback" not in errors
    [line] = [line for line in errors.splitlines() if line.startswith("tu-soi: ")]
    return line


class Run(Protocol):
    def __call__(self, *arguments: str, data_dir: Path, **settings: str) -> subprocess.CompletedProcess[bytes]: ...


@pytest.fixture
def run(started: Programs) -> Run:
    """Run `python -m bot …` in a process that has loaded everything before."""

    def run(*arguments: str, data_dir: Path, **settings: str) -> subprocess.CompletedProcess[bytes]:
        return started.run(*arguments, environment=environment(data_dir, **settings))

    return run


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def asked(data_dir: Path) -> subprocess.CompletedProcess[bytes]:
    return bot("ask", "--json", data_dir=data_dir, stdin="".join(f"{question}\n" for question in QUESTIONS))


# --- ask ----------------------------------------------------------------------------------------------------------


def test_every_line_is_answered_in_order_on_a_line(asked: subprocess.CompletedProcess[bytes]) -> None:
    assert asked.returncode == 0
    assert asked.stderr == b""
    answers = lines_of(asked)
    assert [answer["question"] for answer in answers] == QUESTIONS
    assert [answer["outcome"] for answer in answers][2:5] == ["ambiguous", "not_in_documents", "smalltalk"]
    assert answers[0]["outcome"] == "answered"
    assert answers[0]["text"].startswith("Mục 2.2 có ")


def test_an_answer_has_the_agreed_keys_and_types(asked: subprocess.CompletedProcess[bytes]) -> None:
    answers = lines_of(asked)
    for answer in answers:
        assert {"question", "outcome", "text", "hits", "notices", "elapsed_ms"} <= answer.keys()
        assert answer["outcome"] in OUTCOMES
        assert isinstance(answer["text"], str)
        assert answer["text"]
        assert isinstance(answer["elapsed_ms"], float)
        assert 0 <= answer["elapsed_ms"] < 10_000
        assert all(isinstance(notice, str) and notice for notice in answer["notices"])
        assert len(answer["hits"]) <= 5
        scores = [hit["score"] for hit in answer["hits"]]
        assert scores == sorted(scores, reverse=True)
    hits = [hit for answer in answers for hit in answer["hits"]]
    assert hits
    plan = (DOCUMENTS / "ke-hoach-ket-luan-21.txt").read_text(encoding="utf-8-sig")
    for hit in hits:
        assert hit.keys() == {"passage_id", "document", "locator", "version", "citation", "quote", "score"}
        assert hit["passage_id"] == f"{hit['document']}/{hit['locator']}"
        assert isinstance(hit["score"], float)
        assert hit["citation"]
        if hit["document"] == "ke-hoach-ket-luan-21":
            assert re.fullmatch(r"[\d.]+#\d+|[a-z0-9-]+(#\d+)?", hit["locator"])
            assert " ".join(hit["quote"].split()) in " ".join(plan.split())


def test_a_superseded_document_gives_a_notice(asked: subprocess.CompletedProcess[bytes]) -> None:
    answer = lines_of(asked)[5]
    assert "41-QĐ/TW" in answer["text"]
    assert "thay thế" in answer["text"]


_ASK_AND_TELL_MODULES = """
import sys
import bot.app
from bot.__main__ import main
from tests.programs import Programs
status = main(["ask", "--json", "-k", "2", "--no-curated", "mục 2.2 nói gì"])
print(*sorted(sys.modules.keys() & {"torch", "sentence_transformers", "transformers", "telegram"}), file=sys.stderr)
sys.exit(status)
"""


def test_asking_gives_at_most_k_hits_and_loads_neither_torch_nor_telegram(
    data_dir: Path, asked: subprocess.CompletedProcess[bytes]
) -> None:
    finished = subprocess.run(
        [sys.executable, "-c", _ASK_AND_TELL_MODULES],
        capture_output=True,
        cwd=PROJECT,
        env=environment(data_dir),
        timeout=120,
        check=True,
    )
    [answer] = lines_of(finished)
    assert len(answer["hits"]) == 2
    assert answer["hits"] == lines_of(asked)[0]["hits"][:2]
    assert answer["text"] == lines_of(asked)[0]["text"]
    assert finished.stderr.decode().strip() == ""


@pytest.mark.parametrize("utf8_mode", ["1"])
def test_a_line_that_is_not_utf8_does_not_break_the_output(data_dir: Path, utf8_mode: str) -> None:
    finished = bot("ask", "--json", data_dir=data_dir, stdin=b"\xff\xfe\nxin chao\n", locale={"PYTHONUTF8": utf8_mode})
    assert finished.returncode == 0
    assert [answer["outcome"] for answer in lines_of(finished)] == ["ambiguous", "smalltalk"]


def test_output_is_utf8_whatever_the_locale(data_dir: Path) -> None:
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    finished = bot("ask", "--json", "mục 2.2 nói gì", data_dir=data_dir, locale=plain)
    assert lines_of(finished)[0]["outcome"] == "answered"


# --- check, documents, reload -------------------------------------------------------------------------------------


def test_check_on_a_fresh_folder_is_well_and_on_broken_documents_is_not(tmp_path: Path, run: Run) -> None:
    well = run("check", "--json", data_dir=tmp_path / "data")
    assert well.returncode == 0
    assert well.stderr == b""
    findings = lines_of(well)
    assert {"configuration", "database", "index", "model", "tokens", "clock", "disk"} <= {f["check"] for f in findings}
    assert [finding for finding in findings if finding["ok"] is not True or not finding["detail"]] == []
    unwell = run("check", "--json", data_dir=tmp_path / "data", DOCUMENTS__FOLDER=str(tmp_path / "nowhere"))
    assert unwell.returncode == 1
    assert [f["check"] for f in lines_of(unwell) if not f["ok"]] == ["documents", "index", "checklists"]


def test_documents_are_listed_each_once(tmp_path: Path, run: Run) -> None:
    finished = run("documents", "--json", data_dir=tmp_path)
    assert finished.returncode == 0
    documents = {document["id"]: document for document in lines_of(finished)}
    assert documents.keys() == {path.stem for path in DOCUMENTS.iterdir()}
    assert len(lines_of(finished)) == len(documents)
    old = documents["41-qd-tw-2021"]
    assert (old["number"], old["date"], old["force"], old["loaded"]) == ("41-QĐ/TW", "2021-11-03", "superseded", True)
    assert old["replaced_by"]
    new = documents["377-qd-tw-2025"]
    assert (new["issued_on"], new["force"], new["force_from"]) == ("2025-10-08", "unknown", "2025-10-08")
    assert (new["basis"], new["checked_on"], new["version"], new["loaded"]) == (None, None, 1, True)
    assert new["passages"] > 0
    assert all(re.fullmatch(r"[0-9a-f]{64}", document["sha256"]) for document in documents.values())


def test_reload_counts_what_it_found_and_leaves_an_index_behind(tmp_path: Path, run: Run) -> None:
    finished = run("reload", "--json", data_dir=tmp_path)
    assert finished.returncode == 0
    [counts] = lines_of(finished)
    assert counts["documents"] == len({path.stem for path in DOCUMENTS.iterdir()})
    assert counts["passages"] > 100
    assert (tmp_path / "index" / "manifest.json").is_file()
    assert {path.name for path in tmp_path.iterdir()} == {"index", "index-questions", "library"}


def test_preview_of_a_changed_folder_changes_nothing_and_the_load_says_the_same(tmp_path: Path, run: Run) -> None:
    folder, data = tmp_path / "documents", tmp_path / "data"
    shutil.copytree(DOCUMENTS, folder)
    run("documents", "--json", data_dir=data, DOCUMENTS__FOLDER=str(folder))
    text = (folder / "217-qd-tw-2013.md").read_text(encoding="utf-8").replace('"217-QĐ/TW"', '"9217-QĐ/TW"')
    (folder / "9217-qd-tw-2013.md").write_text(text, encoding="utf-8")
    told = [
        lines_of(run("reload", "--json", *how, data_dir=data, DOCUMENTS__FOLDER=str(folder)))[0]
        for how in (("--dry-run",), ("--dry-run",), ())
    ]
    assert [(each["result"], each["version"], each["added"]) for each in told] == [
        ("dry_run", 1, ["9217-qd-tw-2013"]),
        ("dry_run", 1, ["9217-qd-tw-2013"]),
        ("loaded", 2, ["9217-qd-tw-2013"]),
    ]


# --- Misuse -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments", [["nosuchcommand"], ["ask", "-k", "0"], ["ask", "-k", "viele"], ["run", "--nosuch"], ["ask", "a", "b"]]
)
def test_wrong_arguments_end_with_2_and_say_so(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "error: " in printed.err.splitlines()[-1]


def test_a_document_that_is_not_utf8_is_named(tmp_path: Path, run: Run) -> None:
    folder = tmp_path / "documents"
    shutil.copytree(DOCUMENTS, folder)
    (folder / "217-qd-tw-2013.md").write_bytes("---\ntitle: Quyết định".encode("utf-16"))
    said = complaint(run("ask", "--json", "x", data_dir=tmp_path / "data", DOCUMENTS__FOLDER=str(folder)))
    assert str(folder / "217-qd-tw-2013.md") in said
    assert "UTF-8" in said


@pytest.mark.parametrize("command", ["ask", "run"])
def test_a_data_folder_that_cannot_be_made_is_one_clear_line(tmp_path: Path, command: str, run: Run) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    arguments = ["ask", "x"] if command == "ask" else ["run"]
    said = complaint(run(*arguments, data_dir=tmp_path / "file" / "data", WEB__PORT="0"))
    assert str(tmp_path / "file") in said


def test_a_port_in_use_is_named(data_dir: Path, run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = complaint(run("run", data_dir=data_dir, WEB__PORT=str(port)))
    assert f"port {port}" in said
    assert "TUSOI_WEB__PORT" in said


def test_a_token_of_a_wrong_form_is_refused_unseen_and_nothing_is_left_listening(data_dir: Path, run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    finished = run("run", data_dir=data_dir, WEB__PORT=str(port), TELEGRAM__TOKEN="12345 geheim")
    assert "TUSOI_TELEGRAM__TOKEN" in complaint(finished)
    assert b"geheim" not in finished.stderr
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


# --- An index that does not fit -----------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["another encoder", "cut short"])
def test_an_index_that_does_not_fit_is_built_again_and_answers_as_before(
    tmp_path: Path,
    data_dir: Path,
    asked: subprocess.CompletedProcess[bytes],
    damage: str,
    run: Run,
) -> None:
    index = tmp_path / "index"
    shutil.copytree(data_dir / "index", index)
    vectors = (index / "vectors.faiss").read_bytes()
    if damage == "another encoder":
        manifest = json.loads((index / "manifest.json").read_text(encoding="utf-8"))
        manifest["built_from"]["encoder"] = "st-another-model-768"
        (index / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    else:
        (index / "vectors.faiss").write_bytes(vectors[: len(vectors) // 2])
    finished = run("ask", "--json", QUESTIONS[0], data_dir=tmp_path)
    [answer], before = lines_of(finished), lines_of(asked)[0]
    assert (answer["text"], answer["hits"]) == (before["text"], before["hits"])
    [line] = finished.stderr.decode().splitlines()
    assert "building it again" in line
    assert ("encoder" if damage == "another encoder" else str(index)) in line
    assert (index / "vectors.faiss").read_bytes() == vectors
    manifests = [json.loads((folder / "manifest.json").read_text("utf-8")) for folder in (index, data_dir / "index")]
    assert manifests[0]["built_from"] == manifests[1]["built_from"]
    assert {path.name for path in tmp_path.iterdir()} == {"index", "index-questions", "library"}


# --- run ----------------------------------------------------------------------------------------------------------


def test_sigterm_ends_the_web_chat_with_0_even_with_a_page_open(data_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    program = subprocess.Popen(
        [sys.executable, "-m", "bot"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=PROJECT,
        env=environment(data_dir, WEB__PORT=str(port)),
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as page:
            for _ in range(300):
                try:
                    assert page.get("/health").json()["ok"] is True
                    break
                except httpx.TransportError:
                    time.sleep(0.05)
            page.get("/")
            answer = page.post("/api/messages", json={"id": "m1", "text": "điều rất riêng tư"})
            assert answer.status_code == 200
            began = time.monotonic()
            program.send_signal(signal.SIGTERM)
            out, errors = program.communicate(timeout=60)
    finally:
        program.kill()
    assert program.returncode == 0
    assert time.monotonic() - began < 20
    assert out == b""
    assert b"Traceback" not in errors
    assert "riêng tư" not in errors.decode()


# --- roster -------------------------------------------------------------------------------------------------------


def test_roster_is_imported_row_by_row_and_again_without_change(tmp_path: Path, run: Run) -> None:
    table = tmp_path / "danh-sach.csv"
    table.write_text("Họ và tên,Chi bộ,Vai trò\nTrần Thị Bình,Chi bộ 3,bí thư\nNguyễn Văn An,Chi bộ 3,\n", "utf-8")
    first = run("roster", "import", str(table), "--json", data_dir=tmp_path / "data")
    assert first.returncode == 0
    rows = lines_of(first)
    assert [(row["row"], row["role"], row["result"]) for row in rows] == [
        (2, "secretary", "added"),
        (3, "member", "added"),
    ]
    assert all(re.fullmatch(r"[A-Z2-9]{8}", row["code"]) for row in rows)
    again = lines_of(run("roster", "import", str(table), "--json", data_dir=tmp_path / "data"))
    assert {(row["result"], row["code"]) for row in again} == {("unchanged", None)}


def test_roster_that_is_none_ends_with_a_line_that_says_what_to_do(tmp_path: Path, run: Run) -> None:
    table = tmp_path / "anh.xlsx"
    table.write_bytes(b"\x89PNG")
    said = complaint(run("roster", "import", str(table), data_dir=tmp_path / "data"))
    assert said.startswith("tu-soi: anh.xlsx: ")
    assert not (tmp_path / "data").exists()
