import shutil
import subprocess
import time
from pathlib import Path

import pytest

from knowledge.intake.child import intake
from knowledge.intake.doc import read_doc
from knowledge.intake.model import DEFAULT_LIMITS, IntakeError, Limits, Refusal
from tests.knowledge.intake.files import a_docx, a_regulation, p


def a_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Put a program called soffice, and nothing but it and a shell, where programs are looked for."""
    folder = tmp_path / "programs"
    folder.mkdir()
    (folder / "soffice").write_text(f"#!/bin/bash\n{script}\n")
    (folder / "soffice").chmod(0o755)
    for name in ("bash", "cp", "sleep"):
        (folder / name).symlink_to(shutil.which(name) or "")
    monkeypatch.setenv("PATH", str(folder))


def a_doc(tmp_path: Path) -> Path:
    path = tmp_path / "a.doc"
    path.write_bytes(b"\xd0\xcf")
    return path


def refusal_of(path: Path, limits: Limits = DEFAULT_LIMITS) -> Refusal:
    with pytest.raises(IntakeError) as caught:
        read_doc(path, limits)
    return caught.value.refusal


def test_without_libreoffice_it_is_said_what_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert refusal_of(a_doc(tmp_path)) is Refusal.NEEDS_LIBREOFFICE


def test_what_libreoffice_makes_of_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = a_docx(tmp_path / "made.docx", p("Điều 1."))
    # The folder is what follows --outdir, the file what follows that.
    a_program(tmp_path, monkeypatch, f'while [ "$1" != --outdir ]; do shift; done; cp {made} "$2/a.docx"')
    assert [each.text for each in read_doc(a_doc(tmp_path), DEFAULT_LIMITS).paragraphs] == ["Điều 1."]


def test_a_file_that_libreoffice_cannot_read_is_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a_program(tmp_path, monkeypatch, "exit 1")
    assert refusal_of(a_doc(tmp_path)) is Refusal.BROKEN


def test_a_libreoffice_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a_program(tmp_path, monkeypatch, "sleep 300")
    begin = time.monotonic()
    assert refusal_of(a_doc(tmp_path), Limits(seconds=0.3)) is Refusal.TOO_LONG
    assert time.monotonic() - begin < 30


@pytest.mark.skipif(shutil.which("soffice") is None, reason="LibreOffice is not installed")
def test_an_old_document_is_read_in_the_child_as_the_new_one_it_came_from(tmp_path: Path) -> None:
    source = a_regulation(tmp_path / "quy-dinh.docx")
    command = ["soffice", "--headless", f"-env:UserInstallation={(tmp_path / 'profile').as_uri()}", "--convert-to"]
    command += ["doc:MS Word 97", "--outdir", str(tmp_path), str(source)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    assert intake(tmp_path / "quy-dinh.doc").text == intake(source).text
