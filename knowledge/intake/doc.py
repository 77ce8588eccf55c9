"""Word's old .doc -> paragraphs, by way of LibreOffice where it is installed."""

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from knowledge.intake.docx import read_docx
from knowledge.intake.model import Extracted, IntakeError, Limits, Refusal

_PROGRAMS = ("soffice", "libreoffice")


def read_doc(path: Path, limits: Limits) -> Extracted:
    """Return what the same document holds as .docx; LibreOffice starts with an empty profile, macros disabled.

    Raises:
        IntakeError: LibreOffice is missing, takes too long, or cannot read the file.
    """
    program = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    if program is None:
        raise IntakeError(path.name, Refusal.NEEDS_LIBREOFFICE)
    with tempfile.TemporaryDirectory(prefix="intake-doc-") as folder:
        _convert(program, path, Path(folder), limits)
        converted = Path(folder) / f"{path.stem}.docx"
        if not converted.is_file():
            raise IntakeError(path.name, Refusal.BROKEN)
        return read_docx(converted, limits)


def _convert(program: str, path: Path, folder: Path, limits: Limits) -> None:
    profile = (folder / "profile").as_uri()
    command = [program, "--headless", "--norestore", "--nolockcheck", f"-env:UserInstallation={profile}"]
    command += ["--convert-to", "docx:MS Word 2007 XML", "--outdir", str(folder), str(path.absolute())]
    # In a child of knowledge.intake.child its parent ends the whole group; elsewhere LibreOffice gets its own.
    leads = os.getpgrp() == os.getpid()
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "HOME": str(folder), "TMPDIR": str(folder)},
        process_group=None if leads else 0,
    ) as process:
        try:
            process.wait(limits.seconds)
        except subprocess.TimeoutExpired as error:
            _kill(process, alone=leads)
            raise IntakeError(path.name, Refusal.TOO_LONG, {"seconds": f"{limits.seconds:g}"}) from error


def _kill(process: subprocess.Popen[bytes], *, alone: bool) -> None:
    if alone:
        process.kill()
    else:
        os.killpg(process.pid, signal.SIGKILL)
