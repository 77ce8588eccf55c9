import struct
import zipfile
from pathlib import Path

import pytest

from knowledge.intake import safexml
from knowledge.intake.model import DEFAULT_LIMITS, IntakeError, Limits, Refusal
from knowledge.intake.safezip import open_zip
from tests.knowledge.intake.files import a_zip, lying_zip


def refusal_of(path: Path, limits: Limits = DEFAULT_LIMITS, read: str = "") -> Refusal:
    with pytest.raises(IntakeError) as caught, open_zip(path, limits) as archive:
        archive.read(read)
    assert caught.value.name == path.name
    return caught.value.refusal


def test_entries_are_read_and_a_missing_one_is_an_error(tmp_path: Path) -> None:
    path = a_zip(tmp_path / "a.zip", {"x/y.xml": "chữ"})
    with open_zip(path, DEFAULT_LIMITS) as archive:
        assert archive.names == {"x/y.xml"}
        assert archive.read("x/y.xml").decode() == "chữ"
    assert refusal_of(path, read="z") is Refusal.BROKEN


def test_a_bomb_by_ratio_by_size_and_by_sum_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    zeros = a_zip(tmp_path / "ratio.zip", {"a": b"\0" * 5_000_000})
    assert refusal_of(zeros) is Refusal.UNPACKS_TOO_LARGE
    many = a_zip(tmp_path / "sum.zip", {str(at): b"ab" * 500_000 for at in range(4)}, zipfile.ZIP_STORED)
    assert refusal_of(many, Limits(unpacked_bytes=3_000_000)) is Refusal.UNPACKS_TOO_LARGE


def test_an_archive_in_an_archive_stays_shut(tmp_path: Path) -> None:
    bomb = a_zip(tmp_path / "inner.zip", {"a": b"\0" * 5_000_000}).read_bytes()
    with open_zip(a_zip(tmp_path / "a.zip", {"inner.zip": bomb}), DEFAULT_LIMITS) as archive:
        assert archive.read("inner.zip") == bomb


def test_a_hundred_thousand_entries_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for at in range(6_000):
            archive.writestr(str(at), b"")
    assert refusal_of(path) is Refusal.TOO_MANY_ENTRIES
    # The count at the end may lie; the directory is then counted itself.
    raw = bytearray(path.read_bytes())
    raw[-14:-10] = struct.pack("<HH", 3, 3)
    path.write_bytes(bytes(raw))
    assert refusal_of(path) is Refusal.TOO_MANY_ENTRIES
    entry = struct.pack("<4s6H3I5H2I", b"PK\x01\x02", 20, 20, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"a"
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, len(entry) * 100_000, 0, 0)
    path.write_bytes(entry * 100_000 + end)
    assert refusal_of(path) is Refusal.TOO_MANY_ENTRIES


@pytest.mark.parametrize("told", [10, 4_000_000_000])
def test_sizes_that_lie_are_found_out(tmp_path: Path, told: int) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(lying_zip({"a": b"chu " * 100_000}, told))
    assert refusal_of(path, read="a") in {Refusal.BROKEN, Refusal.UNPACKS_TOO_LARGE}


@pytest.mark.parametrize("name", ["/etc/passwd", "../../x", "a/../../x", "..\\x", "C:\\x"])
def test_names_that_lead_out_are_refused(tmp_path: Path, name: str) -> None:
    # Another entry is read, so that nothing but the name can be what is wrong.
    assert refusal_of(a_zip(tmp_path / "a.zip", {name: "x", "a.xml": "y"}), read="a.xml") is Refusal.BROKEN


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_appears_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("word/document.xml", "một")
        archive.writestr("Word/document.xml", "hai")
    assert refusal_of(path, read="word/document.xml") is Refusal.BROKEN


def test_encrypted_half_written_and_damaged_archives_are_refused(tmp_path: Path) -> None:
    whole = a_zip(tmp_path / "a.zip", {"a": "chữ " * 1_000}).read_bytes()
    path = tmp_path / "b.zip"
    locked = bytearray(whole)
    locked[locked.find(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(bytes(locked))
    assert refusal_of(path, read="a") is Refusal.ENCRYPTED
    path.write_bytes(whole[: len(whole) // 2])
    assert refusal_of(path) is Refusal.BROKEN
    path.write_bytes(whole[:40] + b"\xff" * 8 + whole[48:])
    assert refusal_of(path, read="a") is Refusal.BROKEN


@pytest.mark.parametrize(
    "document",
    [
        # Each entity ten of the one before.
        "<!DOCTYPE a [<!ENTITY b0 'ha'>"
        + "".join(f"<!ENTITY b{at} '{f'&b{at - 1};' * 10}'>" for at in range(1, 10))
        + "]><a>&b9;</a>",
        '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
        '<!DOCTYPE a [<!ENTITY % x SYSTEM "http://127.0.0.1:9/x.dtd"> %x;]><a/>',
        f"<!DOCTYPE a [<!ENTITY x '{'y' * 50_000}'>]><a>{'&x;' * 50_000}</a>",
        '<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
        "<a>" * 100_000,
        "",
    ],
)
def test_entities_document_types_and_depth_are_refused(document: str) -> None:
    for encoding in ("utf-8", "utf-16"):
        with pytest.raises(IntakeError) as caught:
            safexml.parse(document.encode(encoding), "a.docx", DEFAULT_LIMITS)
        assert caught.value.refusal is Refusal.BROKEN
