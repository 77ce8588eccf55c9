import difflib
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont

from knowledge.intake import ocr
from knowledge.intake.model import Extracted, FindingKind, IntakeError, Limits, Refusal
from knowledge.intake.ocr import has_tesseract, read_image, read_scanned
from knowledge.intake.reader import read_file
from knowledge.text import syllables
from tests.knowledge.intake.papers import FONTS, PARAGRAPHS, Paper, a_picture, save

needs_tesseract = pytest.mark.skipif(
    not has_tesseract(), reason="Tesseract with its Vietnamese data is not installed (see `make tools`)"
)
PAGE = (
    "Điều 5. Căn cứ xem xét miễn nhiệm đối với cán bộ",
    "Việc xem xét miễn nhiệm đối với cán bộ được căn cứ vào một",
    "trong các trường hợp sau: bị kỷ luật cảnh cáo hoặc khiển trách",
    "nhưng uy tín giảm sút không thể đảm nhiệm chức vụ được giao;",
    "có trên hai phần ba số phiếu tín nhiệm thấp tại kỳ lấy phiếu",
    "theo quy định; bị cơ quan có thẩm quyền kết luận suy thoái về",
    "tư tưởng chính trị, đạo đức, lối sống, tự diễn biến, tự chuyển",
    "hóa; vi phạm những điều đảng viên không được làm; vi phạm",
    "trách nhiệm nêu gương, ảnh hưởng xấu đến uy tín của bản thân",
    "và cơ quan, đơn vị nơi đang công tác.",
)


def saved(picture: Image.Image, folder: Path, name: str = "trang.png") -> Path:
    path = folder / name
    picture.save(path)
    return path


def share_right(extracted: Extracted, lines: tuple[str, ...] = PAGE) -> float:
    """How many syllables of the lines were read, in their order."""
    read, written = syllables(" ".join(p.text for p in extracted.paragraphs)), syllables(" ".join(lines))
    blocks = difflib.SequenceMatcher(None, written, read, autojunk=False).get_matching_blocks()
    return sum(block.size for block in blocks) / len(written)


def refusal(path: Path) -> IntakeError:
    with pytest.raises(IntakeError) as caught:
        read_image(path, Limits())
    return caught.value


# --- bad input ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("brand", [b"heic", b"mif1", b"heix"])
def test_photo_of_a_phone_that_cannot_be_read_is_refused_by_its_name(tmp_path: Path, brand: bytes) -> None:
    path = tmp_path / "IMG_0001.HEIC"
    path.write_bytes(b"\x00\x00\x00\x18ftyp" + brand + bytes(64))
    error = refusal(path)
    assert (error.refusal, error.facts) == (Refusal.UNKNOWN_FORMAT, {"format": "HEIC"})


def test_picture_without_tesseract_says_what_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert not has_tesseract()
    assert refusal(saved(a_picture(PAGE[:1]), tmp_path)).refusal is Refusal.NEEDS_TESSERACT


@needs_tesseract
def test_tesseract_without_vietnamese_counts_as_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TESSDATA_PREFIX", str(tmp_path))
    assert refusal(saved(a_picture(PAGE[:1]), tmp_path)).refusal is Refusal.NEEDS_TESSERACT


@needs_tesseract
def test_picture_that_unpacks_too_large_is_refused_before_it_is(tmp_path: Path) -> None:
    def part(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    for side in (12_000, 60_000):
        path = tmp_path / f"bom-{side}.png"
        head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + part(b"IHDR", head) + part(b"IDAT", b"") + part(b"IEND", b""))
        error = refusal(path)
        assert (error.refusal, error.facts["allowed"]) == (Refusal.UNPACKS_TOO_LARGE, "100000000")


@needs_tesseract
@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", Refusal.UNKNOWN_FORMAT),
        (b"GIF89a" + bytes(40), Refusal.UNKNOWN_FORMAT),
        (b"khong phai anh", Refusal.UNKNOWN_FORMAT),
    ],
)
def test_what_is_no_picture_is_refused(tmp_path: Path, raw: bytes, why: Refusal) -> None:
    path = tmp_path / "anh.png"
    path.write_bytes(raw)
    assert refusal(path).refusal is why


@needs_tesseract
def test_half_written_picture_is_broken(tmp_path: Path) -> None:
    path = saved(a_picture(PAGE[:2]), tmp_path)
    path.write_bytes(path.read_bytes()[:3000])
    assert refusal(path).refusal is Refusal.BROKEN


@needs_tesseract
def test_picture_without_words_has_no_text(tmp_path: Path) -> None:
    assert refusal(saved(Image.new("L", (900, 900), 255), tmp_path)).refusal is Refusal.NO_TEXT


@needs_tesseract
def test_page_that_takes_too_long_is_left_without_text(tmp_path: Path) -> None:
    path = saved(a_picture(PAGE[:2]), tmp_path)
    with pytest.raises(IntakeError) as caught:
        read_image(path, Limits(ocr_seconds_per_page=0.001))
    assert caught.value.refusal is Refusal.NO_TEXT


# --- stamps ------------------------------------------------------------------------------------------------------


def stamped(words: str, degrees: float, lines: tuple[str, ...] = PAGE, *, is_grey: bool = False) -> Image.Image:
    """A page with a red stamp in a frame, pressed askew beside its first lines."""
    page = a_picture(lines, size=40).convert("RGB")
    font = ImageFont.truetype(str(FONTS / "DejaVuSans-Bold.ttf"), 46)
    stamp = Image.new("RGBA", (int(font.getlength(words)) + 50, 90), (0, 0, 0, 0))
    drawing = ImageDraw.Draw(stamp)
    drawing.rectangle((3, 3, stamp.width - 4, 86), outline=(200, 30, 30), width=5)
    drawing.text((25, 15), words, font=font, fill=(200, 30, 30))
    stamp = stamp.rotate(degrees, Image.Resampling.BICUBIC, expand=True)
    page.paste(stamp, (180, 20), stamp)
    return page.convert("L") if is_grey else page


@needs_tesseract
@pytest.mark.parametrize(("words", "degrees", "is_grey"), [("MẬT", -9, False), ("TUYỆT MẬT", -9, True)])
def test_stamp_that_was_pressed_askew_is_seen(tmp_path: Path, words: str, degrees: float, is_grey: bool) -> None:
    with pytest.raises(IntakeError) as caught:
        read_file(saved(stamped(words, degrees, is_grey=is_grey), tmp_path))
    assert caught.value.refusal is Refusal.SECRET


@needs_tesseract
def test_words_of_a_title_and_another_red_stamp_are_no_stamp_of_secrecy(tmp_path: Path) -> None:
    title = ("ỦY BAN MẶT TRẬN TỔ QUỐC VIỆT NAM", "QUY CHẾ BẢO VỆ BÍ MẬT NHÀ NƯỚC", *PAGE[1:3])
    intake = read_file(saved(stamped("ĐẾN", 7, title), tmp_path))
    assert "BẢO VỆ BÍ MẬT NHÀ NƯỚC" in intake.text


@needs_tesseract
def test_stamp_that_is_a_picture_beside_text_in_a_pdf_is_seen(tmp_path: Path) -> None:
    paper = Paper()
    paper.add_page()
    paper.body(PARAGRAPHS[2:4])
    paper.image(a_picture(("TỐI MẬT",), degrees=5), x=20, y=5, w=90)
    with pytest.raises(IntakeError) as caught:
        read_file(save(paper, tmp_path / "a.pdf"))
    assert caught.value.refusal is Refusal.SECRET


# --- reading -----------------------------------------------------------------------------------------------------


@needs_tesseract
def test_page_turned_by_three_degrees_is_read_with_97_of_100_syllables_right(tmp_path: Path) -> None:
    extracted = read_image(saved(a_picture(PAGE, degrees=3, size=40), tmp_path), Limits())
    assert share_right(extracted) >= 0.97
    assert extracted.is_ocr
    assert extracted.pages == 1
    # The heading and the paragraph, whose lines are joined.
    assert len(extracted.paragraphs) == 2
    assert extracted.paragraphs[0].page == 1


@needs_tesseract
@pytest.mark.parametrize("degrees", [90, 182])
def test_page_lying_on_its_side_or_head_is_turned_upright(tmp_path: Path, degrees: int) -> None:
    extracted = read_image(saved(a_picture(PAGE[:4], degrees=degrees, size=40), tmp_path), Limits())
    assert share_right(extracted, PAGE[:4]) >= 0.97


@needs_tesseract
def test_dim_photo_that_is_darker_in_one_corner_is_read(tmp_path: Path) -> None:
    picture = a_picture(PAGE[:5], size=40)
    shadow = Image.linear_gradient("L").resize(picture.size).rotate(180)
    dim = Image.composite(picture.point(lambda v: v * 0.75), picture.point(lambda v: v * 0.35), shadow)
    extracted = read_image(saved(dim.convert("RGB"), tmp_path, "anh.jpg"), Limits())
    assert share_right(extracted, PAGE[:5]) >= 0.97


@needs_tesseract
def test_pages_of_a_tiff_are_read_in_order_and_an_empty_one_is_told(tmp_path: Path) -> None:
    pages = [a_picture(PAGE[:2]), Image.new("L", (1654, 400), 255), a_picture(PAGE[4:6])]
    path = tmp_path / "quet.tiff"
    pages[0].save(path, save_all=True, append_images=pages[1:])
    extracted = read_image(path, Limits())
    assert {p.page for p in extracted.paragraphs} == {1, 3}
    assert share_right(extracted, PAGE[:2] + PAGE[4:6]) >= 0.97
    assert [(f.kind, f.page) for f in extracted.findings] == [(FindingKind.PAGE_WITHOUT_TEXT, 2)]
    assert extracted.pages == 3


@needs_tesseract
def test_table_on_a_scan_is_read_row_by_row(tmp_path: Path) -> None:
    cells = (("TT", "Nhiệm vụ", "Cơ quan chủ trì"), ("1", "Rà soát quy hoạch", "Ban Tổ chức"))
    page = Image.new("L", (1654, 700), 255)
    drawing = ImageDraw.Draw(page)
    font = ImageFont.truetype(str(FONTS / "DejaVuSerif.ttf"), 40)
    drawing.text((150, 60), "Phân công nhiệm vụ cho các cơ quan như sau:", font=font, fill=20)
    for y in (200, 320, 440):
        drawing.line((150, y, 1450, y), fill=30, width=4)
    for x in (150, 300, 900, 1450):
        drawing.line((x, 200, x, 440), fill=30, width=4)
    for row, texts in enumerate(cells):
        for x, text in zip((180, 330, 930), texts, strict=True):
            drawing.text((x, 230 + 120 * row), text, font=font, fill=20)
    extracted = read_image(saved(page.rotate(1, fillcolor=255), tmp_path), Limits())
    assert [(p.text, p.is_row) for p in extracted.paragraphs] == [
        ("Phân công nhiệm vụ cho các cơ quan như sau:", False),
        ("TT | Nhiệm vụ | Cơ quan chủ trì", True),
        ("1 | Rà soát quy hoạch | Ban Tổ chức", True),
    ]


@needs_tesseract
def test_more_pages_than_allowed_are_refused(tmp_path: Path) -> None:
    page = Image.new("L", (60, 80), 255)
    path = tmp_path / "quet.tiff"
    page.save(path, save_all=True, append_images=[page] * 4)
    with pytest.raises(IntakeError) as caught:
        read_image(path, Limits(pages=3))
    assert caught.value.facts == {"pages": "5", "allowed": "3"}


def test_words_of_low_confidence_are_told_with_their_page(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = ["level page_num block_num par_num line_num word_num left top width height conf text"]
    rows += ["4 1 1 1 1 0 100 100 500 40 -1 "]
    words = [("Điều", 96.1), ("5.", 95.0), ("miễm", 41.5), ("nhiệm", 88.0), ("|", 12.0)]
    rows += [f"5 1 1 1 1 {n} {100 + 120 * n} 100 100 40 {sure} {word}" for n, (word, sure) in enumerate(words)]
    told = "\n".join("\t".join(row.split(" ", 11)) for row in rows)
    monkeypatch.setattr(ocr, "_run", lambda *_: told)
    extracted = read_scanned([Image.new("L", (1654, 2339), 255)], "quet.png", Limits())
    assert [p.text for p in extracted.paragraphs] == ["Điều 5. miễm nhiệm"]
    assert [(f.kind, f.excerpt, f.page) for f in extracted.findings] == [
        (FindingKind.OCR_DOUBTFUL, "miễm", 1),
        (FindingKind.OCR_DOUBTFUL, "|", 1),
    ]
