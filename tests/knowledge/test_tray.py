"""What an administrator may put into the tray, and what is said of it."""

import hashlib
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from knowledge.intake.model import Intake, IntakeError, Recognized, Refusal
from knowledge.library import Library
from knowledge.sources import Collected, collect

ENTRY = (
    "kind: quy định\ntitle: Quy định về đảng phí\nissuer: Bộ Chính trị\nstatus: đang áp dụng\n"
    "text_kind: official\nconfidence: verified\n"
)
NUMBERED = f"---\n{ENTRY}number: 1-QĐ/TW\ndate: 2020-05-05\n---\n\n## Điều 1. Mức đóng\n\nĐóng một phần trăm.\n"


def read_files(paths: Sequence[Path]) -> Iterator[Intake | IntakeError]:
    """Read plain texts whose head says nothing of them."""
    for path in paths:
        raw = path.read_bytes()
        text = raw.decode().rpartition("---\n")[2]
        yield Intake(path.name, hashlib.sha256(raw).hexdigest(), len(raw), text, recognized=Recognized())


class Desk:
    """A documents folder with one regulation, and a tray."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.tray, self.library = folder / "documents", folder / "incoming", Library(folder / "library")
        self.folder.mkdir()
        self.tray.mkdir()
        (self.folder / "1-qd-tw-2020.md").write_text(NUMBERED, encoding="utf-8")

    def put(self, name: str, text: str) -> None:
        (self.tray / name).write_text(text, encoding="utf-8")

    def collect(self) -> Collected:
        return collect(self.library, None, self.folder, self.tray, read_files)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def refusals(collected: Collected) -> list[tuple[str, Refusal]]:
    return [(error.name, error.refusal) for error in collected.refused]


def test_file_of_a_numbered_documents_name_does_not_take_its_place(desk: Desk) -> None:
    desk.put("1-qd-tw-2020.txt", "Một ghi chép linh tinh.\n")
    collected = desk.collect()
    assert refusals(collected) == [("1-qd-tw-2020.txt", Refusal.NAME_OF_ANOTHER)]
    assert collected.refused[0].facts == {"document": "Quy định 1-QĐ/TW"}
    assert collected.received == {}


def test_number_in_the_entry_beside_a_file_says_that_it_is_that_document(desk: Desk) -> None:
    desk.put("1-qd-tw-2020.txt", "## Điều 1. Mức đóng\n\nĐóng hai phần trăm.\n")
    desk.put("1-qd-tw-2020.yaml", f"{ENTRY}number: 1-QĐ/TW\ndate: 2020-05-05\n")
    collected = desk.collect()
    assert refusals(collected) == []
    assert "hai phần trăm" in collected.received["1-qd-tw-2020"].text


def test_files_whose_names_hold_no_letter_are_documents_of_their_own(desk: Desk) -> None:
    desk.put("-.txt", "Đảng viên nêu gương.\n")
    desk.put("!!.txt", "Chi bộ họp hằng tháng.\n")
    collected = desk.collect()
    assert len(collected.received) == 2
    assert collected.repeated == ()


def test_folder_and_an_entry_without_its_document_are_named(desk: Desk) -> None:
    (desk.tray / "van ban moi").mkdir()
    desk.put("le-loi.yaml", ENTRY)
    desk.put(".an.yaml", ENTRY)
    assert dict(refusals(desk.collect())) == {"van ban moi": Refusal.FOLDER, "le-loi.yaml": Refusal.ENTRY_ALONE}


@pytest.mark.parametrize(
    ("head", "problem"),
    [
        (f"{ENTRY}number: 5-QĐ/TW\ndate: 2026-13-45\n", "'date'"),
        (f"{ENTRY}number: [5-QĐ/TW\n", "near line"),
    ],
)
def test_wrong_head_of_a_file_is_told_by_its_place(desk: Desk, head: str, problem: str) -> None:
    desk.put("a.md", f"---\n{head}---\n\nĐảng viên nêu gương.\n")
    [error] = desk.collect().refused
    assert (error.name, error.refusal) == ("a.md", Refusal.WRONG_REGISTRY_ENTRY)
    assert problem in error.facts["problem"]


def test_head_that_no_line_ends_is_told_and_spaces_after_its_lines_change_nothing(desk: Desk) -> None:
    desk.put("a.md", f"---\n{ENTRY}\nĐảng viên nêu gương.\n")
    desk.put("b.md", f"--- \n{ENTRY}number: 9-QĐ/TW\ndate: 2021-01-01\n---  \n\nChi bộ họp.\n")
    collected = desk.collect()
    assert refusals(collected) == [("a.md", Refusal.WRONG_REGISTRY_ENTRY)]
    assert "near line 1" in collected.refused[0].facts["problem"]
    assert list(collected.received) == ["9-qd-tw-2021"]


def test_file_that_is_still_written_waits_and_the_rest_is_read(desk: Desk) -> None:
    def written_on(paths: Sequence[Path]) -> Iterator[Intake | IntakeError]:
        results = list(read_files(paths))
        (desk.tray / "a.txt").write_text("Đảng viên nêu gương. Và", encoding="utf-8")
        (desk.tray / "b.txt").unlink()
        yield from results

    for name in ("a.txt", "b.txt", "c.txt"):
        desk.put(name, f"Đảng viên nêu gương {name}.\n")
    collected = collect(desk.library, None, desk.folder, desk.tray, written_on)
    assert dict(refusals(collected)) == {"a.txt": Refusal.STILL_CHANGING, "b.txt": Refusal.STILL_CHANGING}
    assert list(collected.received) == ["c"]


BOMB = "a: &a [x]\n" + "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in pairwise("abcdefghijklm"))


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        (BOMB, "refers to parts of itself"),
        ("title: " + "[" * 20_000, "nested too deep"),
        ("title:\n  " + "- " * 40_000 + "x", "nested too deep"),
        ("title: " + "x" * 10_000_000, "longer than"),
    ],
    ids=["bomb", "open", "deep", "long"],
)
def test_entry_that_would_cost_too_much_is_refused_and_the_rest_is_read(desk: Desk, entry: str, problem: str) -> None:
    desk.put("a.txt", "Đảng viên nêu gương.\n")
    desk.put("a.yaml", entry)
    desk.put("b.txt", "Chi bộ họp hằng tháng.\n")
    collected = desk.collect()
    assert refusals(collected) == [("a.yaml", Refusal.WRONG_REGISTRY_ENTRY)]
    assert problem in collected.refused[0].facts["problem"]
    assert [document.text for document in collected.received.values()] == ["Chi bộ họp hằng tháng.\n"]
