"""One member with several phones."""

import re
import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest
from pypdf import PdfReader

from assessment.model import Role
from tests.handlers.conftest import Village


@pytest.fixture
def cell(village: Village) -> Village:
    """Bình has opened the round; An is linked with one phone."""
    village.add("binh", "Trần Thị Bình", Role.SECRETARY)
    village.add("an", "Nguyễn Văn An")
    village.enrol("binh", "an")
    village.say("binh", "mở kỳ")
    village.choose("binh", "Xác nhận")
    return village


def code_in(said: str) -> str:
    [found] = re.findall(r"Mã để nối thêm máy: (\w{4} \w{4})\n", said)
    return str(found)


def test_who_is_nobody_gets_no_code_and_takes_nothing_off(cell: Village) -> None:
    for words in ("nối thêm máy", "gỡ máy khác"):
        assert "xin bí thư chi bộ mã 8 ký tự" in cell.say("la", words)


def test_member_links_a_second_phone_and_goes_on_there(cell: Village) -> None:
    cell.say("an", "tự đánh giá")
    cell.choose("an", "Bắt đầu")
    cell.choose("an", "Cả nhóm")
    code = code_in(cell.say("an", "nối thêm máy"))
    assert "Chào đồng chí Nguyễn Văn An" in cell.say("an-web", code)
    assert "Nhóm 2/6" in cell.say("an-web", "tự đánh giá")
    assert "2 máy đang nối" in cell.say("an", "của tôi")
    assert "Mã này đã dùng rồi" in cell.say("la", code)


def test_own_code_ends_after_a_day_and_with_the_next_one(cell: Village) -> None:
    first, second = (code_in(cell.say("an", "them may")) for _ in range(2))
    assert "Mã không đúng" in cell.say("moi", first)
    cell.set_clock(cell.now + timedelta(days=1, minutes=1))
    assert "Mã này đã hết hạn" in cell.say("moi", second)


def test_own_code_stands_readable_nowhere(cell: Village, tmp_path: Path) -> None:
    code = code_in(cell.say("an", "nối thêm máy"))
    with sqlite3.connect(tmp_path / "tu-soi.db") as database:
        kept = "\n".join(database.iterdump())
    assert code not in kept
    assert code.replace(" ", "") not in kept


def test_secretary_makes_a_code_in_place_of_a_lost_phone_and_the_member_sees_it(cell: Village) -> None:
    cell.say("an", "tự đánh giá")
    cell.choose("an", "Bắt đầu")
    cell.choose("an", "Cả nhóm")
    assert "gỡ 1 máy đang nối và tạo mã mới" in cell.say("binh", "in mã Nguyen Van An")
    pressed = cell.choice_ids["binh"][0]
    assert "Đã tạo mã cho 1 đồng chí" in cell.choose("binh", "Xác nhận")
    text = PdfReader(cell.files["binh"]["pdf"]).pages[0].extract_text()
    [code] = re.findall(r"^[B-Z2-9]{4} [B-Z2-9]{4}$", text, re.MULTILINE)
    assert "Tôi chưa biết đồng chí là ai" in cell.say("an", "tự đánh giá")
    assert "Lần này đã tạo mã rồi" in cell.tap("binh", pressed)
    cell.say("an-moi", code)
    assert "Nhóm 2/6" in cell.say("an-moi", "tự đánh giá")
    assert "Bí thư đã tạo mã thay máy cho đồng chí" in cell.say("an-moi", "của tôi")


def test_code_for_a_name_is_the_secretarys_and_of_the_own_cell(cell: Village) -> None:
    assert "Tạo mã mới" not in cell.say("an", "in mã Trần Thị Bình")
    assert "không có đồng chí nào" in cell.say("binh", "in mã Người Lạ")
    cell.add("an2", "Nguyễn Văn An")
    assert "nhiều đồng chí cùng tên" in cell.say("binh", "in mã Nguyễn Văn An")
    assert "Mã để nối thêm máy" in cell.say("binh", "in mã cho đồng chí Trần Thị Bình")


def test_lost_phone_is_taken_off_from_the_one_that_is_left(cell: Village) -> None:
    assert "không có máy nào" in cell.say("an", "gỡ máy khác")
    cell.say("an-moi", code_in(cell.say("an", "nối thêm máy")))
    assert "Gỡ 1 máy khác" in cell.say("an-moi", "gỡ máy khác")
    assert "giữ như cũ" in cell.choose("an-moi", "Giữ")
    cell.say("an-moi", "gỡ máy khác")
    assert "Đã gỡ 1 máy khác" in cell.choose("an-moi", "Xác nhận")
    assert "Tôi chưa biết đồng chí là ai" in cell.say("an", "tự đánh giá")
    assert "1 máy đang nối" in cell.say("an-moi", "của tôi")
