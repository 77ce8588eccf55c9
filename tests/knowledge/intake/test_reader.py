import hashlib
import os
import struct
from pathlib import Path

import pypdf
import pytest

from knowledge.intake.model import (
    Extracted,
    Finding,
    FindingKind,
    IntakeError,
    Limits,
    Paragraph,
    Refusal,
)
from knowledge.intake.names import safe_name
from knowledge.intake.reader import read_file
from knowledge.intake.secrecy import is_secret
from knowledge.model import DocumentKind
from tests.knowledge.intake.files import (
    MACRO_MAIN,
    a_docx,
    a_part,
    a_raw_pdf,
    a_regulation,
    a_zip,
    an_odt,
    an_ole,
    an_rtf,
    encrypted_manifest,
    p,
    rtf,
)

_WORDS = "Điều 1. Đảng viên phải nêu gương."


def a_file(path: Path, content: bytes | str) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refusal_of(path: Path, limits: Limits | None = None) -> Refusal:
    with pytest.raises(IntakeError) as caught:
        read_file(path, limits or Limits())
    assert caught.value.name == safe_name(path.name)
    return caught.value.refusal


def a_doc(*, encrypted: bool = False) -> bytes:
    body = bytearray(4_096)
    body[:2] = b"\xec\xa5"
    struct.pack_into("<H", body, 10, 0x0100 if encrypted else 0)
    return an_ole({"WordDocument": bytes(body)})


def test_what_is_shown_of_a_file_cannot_command_a_terminal(tmp_path: Path) -> None:
    found = read_file(a_file(tmp_path / "a.txt", f"{_WORDS}\nMàu \x1b[31mĐỎ\x1b[0m và \x1b]0;tiêu\x07 đề.\n")).findings
    assert [finding.excerpt for finding in found] == ["[31mĐỎ[0m", "]0;tiêu"]


def test_broken_pdf_is_broken_after_one_with_a_password_too(tmp_path: Path) -> None:
    writer = pypdf.PdfWriter()
    writer.add_blank_page(595, 842)
    writer.encrypt("mật khẩu", algorithm="AES-128")
    writer.write(tmp_path / "khoa.pdf")
    pages_in_a_ring = b"<</Type/Pages/Count 99999999/Kids[2 0 R 2 0 R]>>"
    ring = a_file(tmp_path / "vong.pdf", a_raw_pdf(b"<</Type/Catalog/Pages 2 0 R>>", pages_in_a_ring))
    assert refusal_of(tmp_path / "khoa.pdf") is Refusal.ENCRYPTED
    assert refusal_of(ring) is Refusal.BROKEN


# --- What a file is -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "refusal"),
    [
        ("a.pdf", b"", Refusal.EMPTY),
        ("a.txt", b" \r\n\t", Refusal.EMPTY),
        ("a.docx", b"\0" * 5_000, Refusal.EMPTY),
        ("a.docx", b"MZ\x90\x00\x03" + b"\0" * 100, Refusal.EXECUTABLE),
        ("a.pdf", b"\x7fELF\x02\x01", Refusal.EXECUTABLE),
        ("a.txt", b"#!/bin/sh\nrm -rf ~\n", Refusal.EXECUTABLE),
        ("a.doc", bytes.fromhex("cffaedfe0700"), Refusal.EXECUTABLE),
        ("a.bat", b"del *.*", Refusal.EXECUTABLE),
        ("a.docx", b"%PDF-1.7\n", Refusal.NOT_WHAT_IT_SAYS),
        ("a.pdf", b"{\\rtf1 abc}", Refusal.NOT_WHAT_IT_SAYS),
        ("a.txt", b"\x89PNG\r\n\x1a\n0000", Refusal.NOT_WHAT_IT_SAYS),
        ("a.jpg", _WORDS.encode(), Refusal.NOT_WHAT_IT_SAYS),
        ("a.xyz", _WORDS.encode(), Refusal.UNKNOWN_FORMAT),
        ("a.bin", os.urandom(2_000) + b"\0", Refusal.UNKNOWN_FORMAT),
        ("a.docx", b"7z\xbc\xaf\x27\x1c\0\0", Refusal.BROKEN),
        ("a.docx", b"PK\x03\x04" + b"x" * 100, Refusal.BROKEN),
        ("a.docx", an_ole({"EncryptionInfo": b"x", "EncryptedPackage": b"y"}), Refusal.ENCRYPTED),
        ("a.doc", a_doc(encrypted=True), Refusal.ENCRYPTED),
        ("a.xls", an_ole({"Workbook": b"x"}), Refusal.UNKNOWN_FORMAT),
        ("a.docx", a_doc(), Refusal.NOT_WHAT_IT_SAYS),
        ("a.html", b"<html><body></body></html>", Refusal.NO_TEXT),
    ],
)
def test_bad_files_are_refused_with_the_reason(tmp_path: Path, name: str, content: bytes, refusal: Refusal) -> None:
    assert refusal_of(a_file(tmp_path / name, content)) is refusal


def test_archives_that_are_no_documents_are_refused(tmp_path: Path) -> None:
    jar: dict[str, str | bytes] = {"META-INF/MANIFEST.MF": "Main-Class: A", "A.class": b"\xca\xfe\xba\xbe"}
    assert refusal_of(a_zip(tmp_path / "a.docx", jar)) is Refusal.EXECUTABLE
    assert refusal_of(a_zip(tmp_path / "a.zip", {"a.txt": "chữ"})) is Refusal.UNKNOWN_FORMAT
    assert refusal_of(a_zip(tmp_path / "b.docx", {"a.txt": "chữ"})) is Refusal.BROKEN
    odt = an_odt(tmp_path / "c.odt", "<text:p>chữ</text:p>")
    assert refusal_of(odt.rename(tmp_path / "c.docx")) is Refusal.NOT_WHAT_IT_SAYS
    assert refusal_of(an_odt(tmp_path / "d.odt", "", more=encrypted_manifest())) is Refusal.ENCRYPTED


def test_a_half_written_document_is_broken(tmp_path: Path) -> None:
    whole = a_regulation(tmp_path / "a.docx").read_bytes()
    assert refusal_of(a_file(tmp_path / "b.docx", whole[: len(whole) // 2])) is Refusal.BROKEN


def test_every_format_is_read_whatever_its_name_is_written_like(tmp_path: Path) -> None:
    files = [
        a_docx(tmp_path / "a.DOCX", p(_WORDS)),
        an_odt(tmp_path / "b.odt", f"<text:p>{_WORDS}</text:p>"),
        an_rtf(tmp_path / "c.rtf", rtf(_WORDS)),
        an_rtf(tmp_path / "c.doc", rtf(_WORDS)),
        a_file(tmp_path / "d.htm", f"<html><body><p>{_WORDS}</p></body></html>"),
        a_file(tmp_path / "e.md", f"---\ntitle: x\n---\n{_WORDS}\n"),
        a_file(tmp_path / "f.txt", _WORDS),
        a_docx(tmp_path / "khong-duoi", p(_WORDS)),
    ]
    for path in files:
        intake = read_file(path)
        raw = path.read_bytes()
        assert intake.text.strip() == _WORDS, path.name
        assert (intake.sha256, intake.size_bytes) == (hashlib.sha256(raw).hexdigest(), len(raw))
        assert (intake.name, intake.is_ocr, intake.page_starts) == (path.name, False, ())


def test_a_document_with_macros_is_read_and_says_so(tmp_path: Path) -> None:
    path = a_docx(tmp_path / "a.docm", p(_WORDS), {"word/vbaProject.bin": b"Sub"}, MACRO_MAIN)
    assert read_file(path).findings == (Finding(FindingKind.MACROS, "vbaProject.bin"),)


def test_limits_of_size_and_length_are_kept(tmp_path: Path) -> None:
    path = a_file(tmp_path / "a.txt", "chữ " * 1_000)
    assert refusal_of(path, Limits(size_bytes=1_000)) is Refusal.TOO_LARGE
    assert refusal_of(path, Limits(characters=1_000)) is Refusal.TOO_LONG


# --- What lies there ------------------------------------------------------------------------------------------------


def test_what_is_no_plain_file_of_the_folder_is_unreadable(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    a_file(outside / "a.txt", _WORDS)
    a_file(inside / "b.txt", _WORDS)
    (inside / "link.txt").symlink_to(outside / "a.txt")
    (inside / "loop.txt").symlink_to(inside / "loop.txt")
    (inside / "near.txt").symlink_to(inside / "b.txt")
    os.mkfifo(inside / "pipe.txt")
    for name in ("link.txt", "loop.txt", "pipe.txt", "missing.txt", "."):
        assert refusal_of(inside / name) is Refusal.UNREADABLE, name
    assert refusal_of(outside) is Refusal.UNREADABLE
    assert refusal_of(inside / "a\0b.txt") is Refusal.UNREADABLE
    assert read_file(inside / "near.txt").text.strip() == _WORDS


def test_a_file_that_changes_while_it_is_read_is_left_for_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = a_file(tmp_path / "a.txt", _WORDS)
    real = hashlib.sha256

    def sha256_while_somebody_writes() -> object:
        with path.open("ab") as file:
            file.write(b"more")
        return real()

    monkeypatch.setattr("knowledge.intake.reader.hashlib.sha256", sha256_while_somebody_writes)
    assert refusal_of(path) is Refusal.STILL_CHANGING


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../x.docx", "x.docx"),
        ("..\\..\\x.docx", "x.docx"),
        ("a\nb.pdf", "a b.pdf"),
        ("a\x00\x1b[31mb.pdf", "a[31mb.pdf"),
        ("\u202efdp.exe", "fdp.exe"),
        ("$(rm -rf ~);`x`.pdf", "$(rm -rf ~);`x`.pdf"),
        ("\udcff\udcfe.pdf", "??.pdf"),
        ("", "tệp"),
        ("...", "tệp"),
        ("ă" * 300 + ".docx", "ă" * 74 + "….docx"),
        ("a" * 300, "a" * 79 + "…"),
        ("Quye\u0302\u0301t định.docx", "Quyết định.docx"),
    ],
)
def test_names_with_tricks_are_harmless(name: str, shown: str) -> None:
    assert safe_name(name) == shown


def test_files_with_such_names_are_read(tmp_path: Path) -> None:
    for name in ["a\nb.txt", "\u202etxt.txt", "$(touch x);`y`|z&.txt", "-rf.txt", "ă" * 100 + ".txt", "%s%n.txt"]:
        path = a_file(tmp_path / name, _WORDS)
        assert read_file(path).name == safe_name(name)
    raw = os.fsencode(tmp_path) + b"/\xff\xfe.txt"
    Path(os.fsdecode(raw)).write_text(_WORDS)
    assert read_file(Path(os.fsdecode(raw))).name == "??.txt"


def test_letter_that_only_looks_like_d_becomes_it_and_is_told(tmp_path: Path) -> None:
    head = "TỈNH ỦY HÀ NAM\n*\nSố 71-QÐ/TU\nHà Nam, ngày 12 tháng 10 năm 2026\nQUY ÐỊNH\nvề trang phục\n\n"
    intake = read_file(a_file(tmp_path / "a.txt", f"{head}Ðiều 1. Phạm vi\nÐại biểu mặc áo dài.\n"))
    assert intake.text.endswith("\n\nĐiều 1. Phạm vi\nĐại biểu mặc áo dài.\n")
    assert (intake.recognized.number, intake.recognized.kind) == ("71-QĐ/TU", DocumentKind.REGULATION)
    assert intake.findings == (Finding(FindingKind.CONVERTED_ENCODING, "Ð → Đ: Số 71-QÐ/TU", count=4),)


# --- Secrecy --------------------------------------------------------------------------------------------------------


def paragraphs(*texts: str, page: int | None = None) -> Extracted:
    return Extracted(tuple(Paragraph(text, page=page) for text in texts))


@pytest.mark.parametrize(
    "stamp",
    [
        "MẬT",
        "TỐI MẬT",
        "Tuyệt mật",
        "[ MẬT ]",
        "* TUYỆT MẬT *",
        "M Ậ T",
        "TUYET MAT",
        "Độ mật: Tối mật",
        "Độ mật: A",
        "TỈNH ỦY HÀ NAM | MẬT",
        "Mức độ mật : TUYỆT MẬT",
        "MẬT (giải mật ngày 01/01/2030)",
        "TỈNH ỦY HÀ NAM MẬT",
        "BAN TỔ CHỨC TUYỆT MẬT",
    ],
)
def test_a_stamp_near_the_head_is_seen(stamp: str) -> None:
    assert is_secret(paragraphs("TỈNH ỦY", stamp, "QUY ĐỊNH"))


@pytest.mark.parametrize(
    "line",
    [
        "Giữ gìn bí mật của Đảng, tài liệu tuyệt mật phải được khóa.",
        "Quy định về bảo vệ tài liệu mật, tối mật và tuyệt mật",
        "BẢO MẬT",
        "Mất",
        "MẶT TRẬN TỔ QUỐC",
        "Độ mật: ........",
        "Độ mật: Không",
        "mật",
        "Độ mật của tài liệu do người ký quyết định.",
        "BAN HÀNH QUY CHẾ QUẢN LÝ TÀI LIỆU MẬT",
        "BAN CHỈ ĐẠO BẢO VỆ BÍ MẬT",
        "Ban Tổ chức quản lý văn bản mật",
    ],
)
def test_the_words_within_a_text_are_no_stamp(line: str) -> None:
    assert not is_secret(paragraphs("TỈNH ỦY", line, "QUY ĐỊNH"))


def test_a_stamp_on_a_later_page_or_in_what_is_left_out_is_seen_and_one_deep_in_a_text_is_none() -> None:
    text = ["Một câu."] * 60
    assert not is_secret(paragraphs(*text, "MẬT"))
    assert is_secret(Extracted((*paragraphs(*text, page=1).paragraphs, Paragraph("TỐI MẬT", page=2))))
    assert is_secret(Extracted((Paragraph("Một câu."),), (Finding(FindingKind.HEADER_OR_FOOTER, "TUYỆT MẬT"),)))
    assert is_secret(Extracted((Paragraph("MẠT"),), is_ocr=True))
    assert not is_secret(paragraphs("MẠT"))


def test_a_document_that_is_stamped_in_its_header_is_refused(tmp_path: Path) -> None:
    parts = {"word/header1.xml": a_part("hdr", p("TỈNH ỦY") + p("TUYỆT MẬT"))}
    assert refusal_of(a_docx(tmp_path / "a.docx", p(_WORDS), parts)) is Refusal.SECRET
    masters = '<style:master-page style:name="a"><style:footer><text:p>MẬT</text:p></style:footer></style:master-page>'
    assert refusal_of(an_odt(tmp_path / "a.odt", f"<text:p>{_WORDS}</text:p>", masters=masters)) is Refusal.SECRET
    assert refusal_of(a_file(tmp_path / "a.txt", f"TỈNH ỦY\nMẬT\n{_WORDS}")) is Refusal.SECRET
