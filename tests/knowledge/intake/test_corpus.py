"""One regulation as offices write and send it, in every format: the same head, articles, clauses, points and rows."""

import difflib
import html
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import docx
import pypdfium2
import pytest
from PIL import Image

from knowledge.chunker import chunk, page_of
from knowledge.intake.model import Intake, Recognized
from knowledge.intake.ocr import has_tesseract
from knowledge.intake.reader import read_file
from knowledge.model import Document, DocumentKind
from knowledge.text import syllables
from tests.knowledge.builders import a_document
from tests.knowledge.intake.files import an_odt, an_rtf, rtf
from tests.knowledge.intake.papers import LEFT_HEAD, PARAGRAPHS, RIGHT_HEAD, TABLE, TITLE, Paper, save
from tests.knowledge.intake.test_encodings import to_tcvn3, to_vni

MARGIN = "Văn phòng - lưu hành nội bộ"
NUMBER = LEFT_HEAD[2].replace(":", "")
ROWS = tuple(" | ".join(row) for row in TABLE)
BODY = {
    "dieu-1.khoan-1": PARAGRAPHS[3].removeprefix("1. "),
    "dieu-1.khoan-2": PARAGRAPHS[4].removeprefix("2. "),
    "dieu-1.khoan-2.diem-a": PARAGRAPHS[5].removeprefix("a) "),
    "dieu-1.khoan-2.diem-b": PARAGRAPHS[6].removeprefix("b) "),
    "dieu-2": "\n".join(PARAGRAPHS[8:10]),
    "dieu-3.khoan-1": PARAGRAPHS[11].removeprefix("1. "),
    "dieu-3.khoan-2": "\n".join([PARAGRAPHS[12].removeprefix("2. "), *ROWS]),
}
HEADINGS = ("Chương I. QUY ĐỊNH CHUNG", PARAGRAPHS[10])
KNOWN = Recognized(
    "377-QĐ/TW", DocumentKind.REGULATION, date(2025, 10, 8), "Ban Chấp hành Trung ương", f"Quy định {TITLE[1]}"
)
needs_tesseract = pytest.mark.skipif(
    not has_tesseract(), reason="Tesseract with its Vietnamese data is not installed (see `make tools`)"
)


def plain() -> str:
    beside = [f"{LEFT_HEAD[0]}          {RIGHT_HEAD[0]}", "*", f"{NUMBER}          {RIGHT_HEAD[1]}"]
    return "\n".join([*beside, "", *TITLE, "", *PARAGRAPHS, *ROWS, ""])


def word(path: Path) -> None:
    document = docx.Document()
    head = document.add_table(1, 2)
    # Word joins the lines of a cell, and a Party document writes its number without a colon.
    head.cell(0, 0).text = "\n".join([*LEFT_HEAD[:2], NUMBER])
    head.cell(0, 1).text = "\n".join(RIGHT_HEAD)
    for paragraph in (*TITLE, *PARAGRAPHS):
        document.add_paragraph().add_run(paragraph).bold = paragraph.startswith("Điều")
    table = document.add_table(len(TABLE), len(TABLE[0]))
    for at, row in enumerate(TABLE):
        for cell, words in zip(table.rows[at].cells, row, strict=True):
            cell.text = words
    document.sections[0].header.paragraphs[0].text = MARGIN
    document.sections[0].footer.paragraphs[0].text = "2"
    document.save(str(path))


def open_document(path: Path) -> None:
    lines = [f"<text:p>{line}</text:p>" for line in (*LEFT_HEAD, *RIGHT_HEAD, *TITLE, *PARAGRAPHS)]
    cells = ["".join(f"<table:table-cell><text:p>{c}</text:p></table:table-cell>" for c in row) for row in TABLE]
    rows = "".join(f"<table:table-row>{row}</table:table-row>" for row in cells)
    master = f'<style:master-page style:name="a"><style:header><text:p>{MARGIN}</text:p></style:header>'
    an_odt(path, f"{''.join(lines)}<table:table>{rows}</table:table>", masters=f"{master}</style:master-page>")


def rich(path: Path) -> None:
    lines = [rf"\pard {rtf(line)}\par" for line in (*LEFT_HEAD, *RIGHT_HEAD, *TITLE, *PARAGRAPHS)]
    rows = ["".join(rtf(cell) + r"\cell " for cell in row) for row in TABLE]
    lines += [rf"\trowd\cellx900\cellx4000\cellx8000\intbl {row}\row" for row in rows]
    an_rtf(path, rf"{{\header {rtf(MARGIN)}\par}}" + "\n".join(lines))


def web(path: Path) -> None:
    def tag(name: str, words: str) -> str:
        return f"<{name}>{html.escape(words)}</{name}>"

    lines = [tag("p", line) for line in (*LEFT_HEAD, *RIGHT_HEAD, *TITLE)]
    lines += [tag("h3" if line.startswith("Điều") else "p", line) for line in PARAGRAPHS]
    rows = "".join(f"<tr>{''.join(tag('td', cell) for cell in row)}</tr>" for row in TABLE)
    page = f"<nav>Trang chủ</nav>{''.join(lines)}<table>{rows}</table><footer>{MARGIN}</footer>"
    path.write_text(f"<!DOCTYPE html><html><body>{page}</body></html>", encoding="utf-8")


def paper(path: Path) -> None:
    made = Paper()
    made.add_page()
    made.head_of_letter()
    made.body(PARAGRAPHS[:10])
    made.add_page()
    made.body(PARAGRAPHS[10:])
    made.ruled()
    save(made, path)


def scan(path: Path) -> None:
    """The paper as a scanner gives it: pictures of its pages, none of them quite straight."""
    paper(path)
    pages = pypdfium2.PdfDocument(path)
    pictures = [page.render(scale=200 / 72).to_pil().convert("L") for page in pages]
    pages.close()
    turned = [each.rotate(1.5, Image.Resampling.BICUBIC, fillcolor=250) for each in pictures]
    turned[0].save(path, "PDF", resolution=200, save_all=True, append_images=turned[1:])


MAKERS: dict[str, Callable[[Path], object]] = {
    "a.docx": word,
    "a.odt": open_document,
    "a.rtf": rich,
    "a.html": web,
    "a.pdf": paper,
    "a.txt": lambda path: path.write_text(plain(), encoding="utf-8"),
    "a.md": lambda path: path.write_text(plain(), encoding="utf-8"),
    "tcvn3.txt": lambda path: path.write_bytes(to_tcvn3(plain())),
    "vni.txt": lambda path: path.write_bytes(to_vni(plain())),
}


def made(folder: Path, name: str) -> tuple[Intake, Document]:
    path = folder / name
    MAKERS[name](path)
    intake = read_file(path)
    return intake, replace(a_document(intake.text), page_starts=intake.page_starts)


def body_of(document: Document) -> dict[str, str]:
    return {passage.locator: passage.text for passage in chunk(document) if passage.locator.startswith("dieu-")}


@pytest.mark.parametrize("name", MAKERS)
def test_every_format_gives_the_same_head_articles_and_rows(tmp_path: Path, name: str) -> None:
    intake, document = made(tmp_path, name)
    assert intake.recognized == KNOWN
    assert body_of(document) == BODY
    last = next(passage for passage in chunk(document) if passage.locator == "dieu-3.khoan-2")
    assert last.headings == HEADINGS
    assert MARGIN not in intake.text


def test_pages_of_a_pdf_are_known_for_every_passage(tmp_path: Path) -> None:
    _, document = made(tmp_path, "a.pdf")
    pages = {passage.locator: page_of(document, passage) for passage in chunk(document)}
    assert (pages["dieu-1.khoan-1"], pages["dieu-3.khoan-2"]) == (1, 2)


@needs_tesseract
def test_scan_gives_the_same_articles_and_97_of_100_syllables(tmp_path: Path) -> None:
    scan(tmp_path / "a.pdf")
    intake = read_file(tmp_path / "a.pdf")
    assert intake.is_ocr
    assert (intake.recognized.number, intake.recognized.issued_on) == (KNOWN.number, KNOWN.issued_on)
    read = body_of(a_document(intake.text))
    assert list(read) == list(BODY)
    right, got = (syllables(" ".join(texts.values())) for texts in (BODY, read))
    blocks = difflib.SequenceMatcher(None, right, got, autojunk=False).get_matching_blocks()
    assert sum(block.size for block in blocks) / len(right) >= 0.97
