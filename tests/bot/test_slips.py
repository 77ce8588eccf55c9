"""`python -m bot roster slips` as an operator starts it."""

import os
import re
from pathlib import Path

from pypdf import PdfReader

from tests.bot.test_cli import bot, complaint

ROSTER = """Họ và tên,Chi bộ,Vai trò,Không dùng điện thoại
Trần Thị Bình,Chi bộ 3,bí thư,
Nguyễn Văn An,Chi bộ 3,đảng viên,
Lê Văn Cường,Chi bộ 3,đảng viên,x
Phạm Thị Dung,Chi bộ 4,đảng viên,
"""


def a_roster(folder: Path) -> None:
    (folder / "roster.csv").write_text(ROSTER, encoding="utf-8")
    assert bot("roster", "import", str(folder / "roster.csv"), data_dir=folder / "data").returncode == 0


def test_sheet_has_a_slip_for_everybody_in_the_cell_with_a_phone(tmp_path: Path) -> None:
    a_roster(tmp_path)
    out = tmp_path / "phieu.pdf"
    done = bot("roster", "slips", "--cell", "chi  bộ 3", "--out", str(out), data_dir=tmp_path / "data")
    assert done.returncode == 0, done.stderr
    assert "Đã ghi 2 phiếu" in done.stdout.decode()
    assert "Mã cũ chưa dùng của các đồng chí này đã hết hiệu lực" in done.stdout.decode()
    [page] = PdfReader(out).pages
    text = page.extract_text()
    assert len(re.findall(r"^[B-Z2-9]{4} [B-Z2-9]{4}$", text, re.MULTILINE)) == 2
    assert "Nguyễn Văn An" in text
    assert "Cường" not in text
    assert "Dung" not in text.replace("Dùng", "")
    if os.name == "posix":
        assert out.stat().st_mode & 0o077 == 0
    # What draws has nothing to say on its own.
    assert b"fontTools" not in done.stderr


def test_cell_that_is_not_there_is_said_with_those_that_are(tmp_path: Path) -> None:
    a_roster(tmp_path)
    done = bot("roster", "slips", "--cell", "Chi bộ 9", "--out", str(tmp_path / "x.pdf"), data_dir=tmp_path / "data")
    assert "không có chi bộ “Chi bộ 9”; đang có: Chi bộ 3, Chi bộ 4" in complaint(done)
    assert not (tmp_path / "x.pdf").exists()


def test_sheet_that_cannot_be_written_issues_no_code(tmp_path: Path) -> None:
    a_roster(tmp_path)
    out = tmp_path / "nowhere" / "x.pdf"
    done = bot("roster", "slips", "--cell", "Chi bộ 3", "--out", str(out), data_dir=tmp_path / "data")
    assert "no code was issued" in complaint(done)
