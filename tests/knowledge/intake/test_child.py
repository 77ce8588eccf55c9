import os
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from knowledge.intake import child, wire
from knowledge.intake.child import intake, intake_many
from knowledge.intake.model import (
    DEFAULT_LIMITS,
    Finding,
    FindingKind,
    Intake,
    IntakeError,
    Limits,
    Recognized,
    Refusal,
)
from knowledge.intake.reader import read_file
from knowledge.model import DocumentKind
from tests.knowledge.intake.files import a_docx, a_regulation, a_zip, lying_zip, p

_QUICK = Limits(seconds=1.5, memory_bytes=300_000_000)


@pytest.fixture(autouse=True)
def left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every test leaves the folder for temporary files as empty as it was."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield
    assert list(folder.iterdir()) == []


@pytest.fixture
def misbehaving(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "_COMMAND", [sys.executable, "-s", "-m", "tests.knowledge.intake.misbehaving"])


def a_text(tmp_path: Path, words: str, name: str = "a.txt") -> Path:
    path = tmp_path / name
    path.write_text(words, encoding="utf-8")
    return path


def outcome(path: Path, limits: Limits = _QUICK) -> Refusal:
    with pytest.raises(IntakeError) as caught:
        intake(path, limits)
    assert caught.value.name == path.name
    return caught.value.refusal


def test_the_child_reads_what_is_read_here(tmp_path: Path) -> None:
    path = a_regulation(tmp_path / "quy-dinh.docx")
    assert intake(path) == read_file(path)


def test_the_child_starts_quickly_and_without_what_it_does_not_need(tmp_path: Path) -> None:
    begin = time.monotonic()
    intake(a_text(tmp_path, "Điều 1. Đảng viên nêu gương."))
    # Measured: 0.25 s.
    assert time.monotonic() - begin < 4
    script = "import sys, knowledge.intake.__main__; print(*sys.modules)"
    loaded = os.popen(f'{sys.executable} -c "{script}"').read().split()
    assert not {"torch", "telegram", "faiss", "numpy", "sqlalchemy", "lxml"} & set(loaded)


@pytest.mark.parametrize(
    ("word", "refusal"),
    [
        ("hog", Refusal.TOO_MUCH_MEMORY),
        ("kill", Refusal.TOO_MUCH_MEMORY),
        ("crash", Refusal.BROKEN),
        ("raise", Refusal.BROKEN),
        ("rubbish", Refusal.BROKEN),
        ("forge", Refusal.BROKEN),
        ("flood", Refusal.BROKEN),
        ("loop", Refusal.TOO_LONG),
    ],
)
@pytest.mark.usefixtures("misbehaving")
def test_what_breaks_hangs_or_swells_is_one_refusal(tmp_path: Path, word: str, refusal: Refusal) -> None:
    limits = replace(_QUICK, characters=100_000) if word == "flood" else _QUICK
    assert outcome(a_text(tmp_path, word), limits) is refusal


def test_a_child_that_does_not_start_is_no_fault_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for script in ("raise SystemExit(1)", "print('hello')"):
        monkeypatch.setattr(child, "_COMMAND", [sys.executable, "-c", script])
        with pytest.raises(child.ChildError):
            intake(a_text(tmp_path, "Một câu."))


@pytest.mark.usefixtures("misbehaving")
def test_an_unexpected_failure_is_told_by_its_place_and_not_by_its_words(tmp_path: Path) -> None:
    with pytest.raises(IntakeError) as caught:
        intake(a_text(tmp_path, "raise lời riêng tư"), _QUICK)
    assert caught.value.facts["problem"].startswith("ZeroDivisionError at misbehaving.py:")


@pytest.mark.usefixtures("misbehaving")
def test_one_bad_file_costs_only_itself(tmp_path: Path) -> None:
    words = ["Một câu.", "crash", "Hai câu.", "hog", "loop", "Ba câu."]
    paths = [a_text(tmp_path, word, f"{at}.txt") for at, word in enumerate(words)]
    results = list(intake_many([*paths, tmp_path / "missing.txt"], _QUICK))
    assert [result.text.strip() if isinstance(result, Intake) else result.refusal for result in results] == [
        "Một câu.",
        Refusal.BROKEN,
        "Hai câu.",
        Refusal.TOO_MUCH_MEMORY,
        Refusal.TOO_LONG,
        "Ba câu.",
        Refusal.UNREADABLE,
    ]


@pytest.mark.usefixtures("misbehaving")
def test_on_time_out_everything_the_child_started_ends_and_its_files_go(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    assert outcome(a_text(tmp_path, f"leave {told}")) is Refusal.TOO_LONG
    status = Path(f"/proc/{told.read_text()}/stat")
    for _ in range(100):
        # Gone, or dead and not yet collected by the one who inherited it.
        if not status.exists() or status.read_text().rpartition(")")[2].split()[0] in "ZX":
            break
        time.sleep(0.05)
    else:
        pytest.fail("a process was left behind")


@pytest.mark.usefixtures("misbehaving")
def test_an_answer_that_is_not_waited_for_leaves_nothing_behind(tmp_path: Path) -> None:
    results = intake_many([a_text(tmp_path, "Một câu."), a_text(tmp_path, "loop", "b.txt")], DEFAULT_LIMITS)
    assert isinstance(next(results), Intake)
    results.close()  # type: ignore[attr-defined]


@pytest.mark.usefixtures("misbehaving")
def test_the_child_cannot_fill_the_disk(tmp_path: Path) -> None:
    assert outcome(a_text(tmp_path, "fill"), replace(_QUICK, unpacked_bytes=5_000_000)) is Refusal.BROKEN


@pytest.mark.usefixtures("misbehaving")
def test_what_a_library_prints_is_no_answer(tmp_path: Path) -> None:
    assert intake(a_text(tmp_path, "print abc")).text.strip() == "print abc"


@pytest.mark.usefixtures("misbehaving")
def test_the_child_reaches_no_network(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        words = intake(a_text(tmp_path, f"call {server.getsockname()[1]}"), replace(_QUICK, seconds=10)).text.strip()
    # Programs it starts are kept off the network only where the system lets a user have an empty one.
    assert words in {"refused here", "refused here and there"}


@pytest.mark.usefixtures("misbehaving")
def test_the_child_sees_nothing_of_our_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUSOI_SECRET", "x")
    seen = intake(a_text(tmp_path, "look"), replace(_QUICK, seconds=10)).text.split()
    assert "TUSOI_SECRET" not in seen
    assert {"PATH", "TMPDIR", "HOME"} <= set(seen)


@pytest.mark.parametrize(
    ("entries", "refusal"),
    [
        ({"word/document.xml": b"<a>" + b" " * 9_000_000 + b"</a>"}, Refusal.UNPACKS_TOO_LARGE),
        ({f"{at}": b"" for at in range(6_000)}, Refusal.TOO_MANY_ENTRIES),
        ({"../../x": b"x"}, Refusal.BROKEN),
    ],
)
def test_bombs_are_refused_in_the_child_as_here(tmp_path: Path, entries: dict[str, bytes], refusal: Refusal) -> None:
    assert outcome(a_zip(tmp_path / "a.docx", {"[Content_Types].xml": b"<x/>", **entries}), DEFAULT_LIMITS) is refusal


def test_a_document_that_lies_about_its_sizes_is_broken(tmp_path: Path) -> None:
    path = tmp_path / "a.docx"
    path.write_bytes(lying_zip({"[Content_Types].xml": b"<x/>" * 1_000}, 10))
    assert outcome(path, DEFAULT_LIMITS) is Refusal.BROKEN


def test_a_huge_paragraph_is_refused_and_a_large_one_read(tmp_path: Path) -> None:
    assert len(intake(a_docx(tmp_path / "a.docx", p("chữ " * 20_000))).text) > 79_000
    # Compressed as well as text of many words is.
    path = a_zip(tmp_path / "b.txt", {})
    path.write_text("chữ " * 50_000)
    assert outcome(path, replace(DEFAULT_LIMITS, characters=100_000)) is Refusal.TOO_LONG


def test_an_answer_says_everything_and_nothing_else_is_believed() -> None:
    whole = Intake(
        "a.pdf",
        "0" * 64,
        12,
        "Điều 1.\nĐiều 2.",
        (0, 8),
        (Finding(FindingKind.WHITE_TEXT, "giấu", 2, 3),),
        True,
        Recognized("377-QĐ/TW", DocumentKind.REGULATION, None, "Bộ Chính trị", None),
    )
    line = wire.answer(whole)
    assert line.count(b"\n") == 1
    assert wire.understood(line, "../a.pdf") == whole
    refused = wire.understood(wire.answer(IntakeError("x", Refusal.SECRET, {"a": "b"})), "a\nb.pdf")
    assert isinstance(refused, IntakeError)
    assert (refused.name, refused.refusal, refused.facts) == ("a b.pdf", Refusal.SECRET, {"a": "b"})
    for wrong in (
        b"",
        b"[]",
        b"3",
        b'"seconds"',
        b'{"seconds": "x"}',
        b'{"refusal": "no_such", "facts": {}}',
        b'{"refusal": "secret", "facts": 3}',
        line.replace(b"white_text", b"no_such"),
        line.replace(b"[0, 8]", b"[8, 0]"),
        line.replace(b"[0, 8]", b"[0, 800]"),
        line.replace(b'"title"', b'"other"'),
        b"[" * 100_000,
    ):
        with pytest.raises(wire.RubbishError):
            wire.understood(wrong, "a.pdf")
