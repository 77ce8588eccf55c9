"""Pictures of pages -> words, by Tesseract; what comes of it is a draft for a person to check."""

import csv
import io
import os
import shutil
import subprocess
import warnings
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter, ImageOps, UnidentifiedImageError

from knowledge.intake.model import Extracted, Finding, FindingKind, IntakeError, Limits, Refusal
from knowledge.intake.pages import to_paragraphs
from knowledge.intake.pdf_page import PageContent, Rule, Word
from knowledge.intake.secrecy import STAMP
from knowledge.intake.stamps import is_stamped

_FORMATS = ("PNG", "JPEG", "TIFF", "WEBP")
_MOST_PIXELS = 100_000_000
# A page is read best at about 300 dots an inch; a photo does not say how large its page was: an A4 page's height.
_PAGE_INCHES = 11.7
_READ_PIXELS = 3500
_SMALLEST_READ = 1600
_DOUBTFUL, _POOR, _NOISE = 60.0, 55.0, 50.0
_MOST_DOUBTFUL = 50
_FEW_WORDS = 10
# A word's box is lower than its letters are called, by so much on the average.
_LETTER_HEIGHT = 1.15
_STEEPEST_DEGREES = 12.0
# No stroke of a letter is so long.
_LONGEST_STROKE_PT = 36.0
_DARK, _INKED, _MOST_RUNS, _TOUCHING_DOTS = 160, 0.97, 1500, 6
_LEAST_DEGREES = 0.1
_HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"heim", b"avif")


@dataclass(frozen=True, slots=True)
class _Read:
    words: list[Word]
    doubts: list[str]
    confidence: float


@dataclass(frozen=True, slots=True)
class _Page:
    """A level picture without the lines of its tables, and where these were."""

    picture: Image.Image
    dpi: int
    across: list[Rule]
    down: list[Rule]

    def content(self, read: _Read) -> PageContent:
        width, height = (pixels * 72 / self.dpi for pixels in self.picture.size)
        return PageContent(width, height, read.words, across=self.across, down=self.down)


def has_tesseract() -> bool:
    """Return whether Tesseract and its Vietnamese data are installed."""
    program = shutil.which("tesseract")
    if program is None:
        return False
    listed = subprocess.run([program, "--list-langs"], capture_output=True, text=True, timeout=20, check=False)
    return "vie" in (listed.stdout + listed.stderr).split()


def read_image(path: Path, limits: Limits) -> Extracted:
    """Return the text of a photo or scan (PNG, JPEG, TIFF with any number of pages, WEBP), read by OCR.

    Raises:
        IntakeError: no such picture, a picture that unpacks too large, no text on it, or Tesseract is missing.
    """
    with path.open("rb") as file:
        head = file.read(16)
    if head[4:8] == b"ftyp" and head[8:12] in _HEIC_BRANDS:
        raise IntakeError(path.name, Refusal.UNKNOWN_FORMAT, {"format": "HEIC"})
    if not has_tesseract():
        raise IntakeError(path.name, Refusal.NEEDS_TESSERACT)
    return read_scanned(_frames(path, limits), path.name, limits)


def read_scanned(pages: Iterable[Image.Image], name: str, limits: Limits) -> Extracted:
    """Return the text of pictures of pages, in order.

    Raises:
        IntakeError: there is no text on any of them, or Tesseract is missing.
    """
    contents: list[tuple[int, PageContent]] = []
    findings: list[Finding] = []
    number = 0
    for number, picture in enumerate(pages, 1):
        dpi = max(round(max(picture.size) / _PAGE_INCHES), 1)
        content, found = read_picture(picture, dpi, name, number, limits)
        findings += found
        if content.words:
            contents.append((number, content))
        else:
            findings.append(Finding(FindingKind.PAGE_WITHOUT_TEXT, page=number))
    paragraphs, more = to_paragraphs(contents)
    if not paragraphs:
        raise IntakeError(name, Refusal.NO_TEXT)
    return Extracted(paragraphs, (*findings, *more), pages=number, is_ocr=True)


def read_picture(
    picture: Image.Image, dpi: int, name: str, number: int, limits: Limits
) -> tuple[PageContent, tuple[Finding, ...]]:
    """Return the words of one page's picture, straightened, and the words that OCR doubts.

    A page that takes longer than limits.ocr_seconds_per_page has no words.

    Raises:
        IntakeError: Tesseract is missing.
    """
    grey, dpi = _readable(picture, dpi)
    straight, lies = _straightened(grey)
    page = _without_rules(straight, dpi)
    read = _Read([], [], 0.0)
    seconds = limits.ocr_seconds_per_page
    try:
        if not lies:
            read = _tesseract(page, seconds)
        if read.confidence < _POOR or len(read.words) < _FEW_WORDS:
            for upright in _turned(straight, lies, seconds):
                turned = _without_rules(upright, dpi)
                again = _tesseract(turned, seconds)
                if again.confidence * len(again.words) > read.confidence * len(read.words):
                    page, read = turned, again
    except subprocess.TimeoutExpired:
        return page.content(_Read([], [], 0.0)), ()
    except FileNotFoundError as error:
        raise IntakeError(name, Refusal.NEEDS_TESSERACT) from error
    told = [Finding(FindingKind.OCR_DOUBTFUL, word[:80], number) for word in read.doubts[:_MOST_DOUBTFUL]]
    words = [word.text for word in read.words]
    if number == 1:
        told += find_stamp(picture, page.picture, page.dpi, words, limits)
    if len(read.doubts) > _MOST_DOUBTFUL:
        rest = read.doubts[_MOST_DOUBTFUL:]
        told.append(Finding(FindingKind.OCR_DOUBTFUL, " ".join(rest)[:80], number, count=len(rest)))
    return page.content(read), tuple(told)


def find_stamp(
    picture: Image.Image, level: Image.Image, dpi: int, words: Collection[str], limits: Limits
) -> tuple[Finding, ...]:
    """Return a finding where the picture of a first page bears a stamp of secrecy; see stamps.is_stamped."""

    def scattered(place: Image.Image) -> str:
        arguments = ["-l", "vie", "--psm", "11", "--dpi", str(min(max(dpi, 70), 2400))]
        try:
            return _run(_without_rules(place, dpi).picture, arguments, limits.ocr_seconds_per_page)
        except subprocess.TimeoutExpired:
            return ""

    is_found = is_stamped(picture, level, words, scattered)
    return (Finding(FindingKind.HEADER_OR_FOOTER, STAMP, 1),) if is_found else ()


def _frames(path: Path, limits: Limits) -> Iterator[Image.Image]:
    try:
        with warnings.catch_warnings():
            # The size is checked below, before anything is unpacked.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path, formats=_FORMATS) as image:
                count = getattr(image, "n_frames", 1)
                if count > limits.pages:
                    facts = {"pages": str(count), "allowed": str(limits.pages)}
                    raise IntakeError(path.name, Refusal.TOO_MANY_PAGES, facts)
                for n in range(count):
                    image.seek(n)
                    if image.width * image.height > _MOST_PIXELS:
                        raise _too_many_pixels(path, image.width * image.height)
                    yield ImageOps.exif_transpose(image)
    except Image.DecompressionBombError as error:
        raise _too_many_pixels(path, None) from error
    except UnidentifiedImageError as error:
        raise IntakeError(path.name, Refusal.UNKNOWN_FORMAT) from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise IntakeError(path.name, Refusal.BROKEN) from error


def _too_many_pixels(path: Path, pixels: int | None) -> IntakeError:
    facts = {"allowed": str(_MOST_PIXELS)} | ({"pixels": str(pixels)} if pixels else {})
    return IntakeError(path.name, Refusal.UNPACKS_TOO_LARGE, facts)


def _readable(picture: Image.Image, dpi: int) -> tuple[Image.Image, int]:
    """Return a picture in even grey at a size that is read well, and its dots an inch."""
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        ground = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(ground, picture.convert("RGBA"))
    grey = ImageOps.grayscale(picture.convert("RGB") if picture.mode not in ("L", "RGB") else picture)
    longest = max(grey.size)
    share = _READ_PIXELS / longest if longest > 1.3 * _READ_PIXELS else 2.0 if longest < _SMALLEST_READ else 1.0
    if share != 1.0:
        size = (max(1, round(grey.width * share)), max(1, round(grey.height * share)))
        grey = grey.resize(size, Image.Resampling.LANCZOS)
    # A photo is darker in one corner than in the other: each place is measured by the paper around it.
    small = grey.resize((max(1, grey.width // 8), max(1, grey.height // 8)))
    paper = small.filter(ImageFilter.MaxFilter(9)).filter(ImageFilter.GaussianBlur(8)).resize(grey.size)
    even = np.asarray(grey, dtype=np.float32) * 255 / np.maximum(np.asarray(paper, dtype=np.float32), 32)
    evened = Image.fromarray(np.clip(even, 0, 255).astype(np.uint8))
    return ImageOps.autocontrast(evened, cutoff=0.5), max(1, round(dpi * share))


def _straightened(grey: Image.Image) -> tuple[Image.Image, bool]:
    """Return a picture with its lines level or upright, and whether they are upright: then the page lies on its side.

    It is turned to where the rows or columns of ink stand out most.
    """
    small = grey.copy()
    small.thumbnail((700, 700))
    ink = ImageOps.invert(small)

    def sharpness(degrees: float) -> tuple[float, bool]:
        dots = np.asarray(ink.rotate(degrees, Image.Resampling.BILINEAR), dtype=np.float32)
        across, down = (float(np.square(np.diff(dots.sum(axis=axis))).sum()) for axis in (1, 0))
        return max(across, down), down > across

    best = 0.0
    for reach, step in ((_STEEPEST_DEGREES, 1.0), (1.0, 0.2), (0.2, 0.05)):
        around = np.arange(best - reach, best + reach + step / 2, step)
        best = max((float(degrees) for degrees in around), key=lambda degrees: (sharpness(degrees)[0], -abs(degrees)))
    _, lies = sharpness(best)
    if abs(best) < _LEAST_DEGREES:
        return grey, lies
    return grey.rotate(best, Image.Resampling.BICUBIC, expand=True, fillcolor=255), lies


def _turned(straight: Image.Image, lies: bool, seconds: float) -> Iterator[Image.Image]:
    """Yield a level picture turned by 90, 180 or 270 degrees as its letters ask, every likely way where they do not."""
    told = _run(straight, ["--psm", "0"], seconds)
    degrees = next((line.split(":")[1].strip() for line in told.splitlines() if line.startswith("Rotate:")), "")
    if degrees in ("90", "180", "270"):
        yield straight.rotate(-int(degrees), expand=True)
    elif lies:
        yield straight.rotate(90, expand=True)
        yield straight.rotate(-90, expand=True)


def _without_rules(picture: Image.Image, dpi: int) -> _Page:
    """Return a picture without the lines of its tables, which are read as letters, and these lines."""
    dots = np.array(picture)
    dark = dots < _DARK
    across = _runs(dark, round(_LONGEST_STROKE_PT * dpi / 72))
    down = _runs(dark.T, round(_LONGEST_STROKE_PT * dpi / 72))
    # A line that meets no other may run below words, through their marks: it stays.
    across, down = _meeting(across, down), _meeting(down, across)
    for runs, pixels in ((across, dots), (down, dots.T)):
        for at, start, end in runs:
            pixels[max(at - 2, 0) : at + 3, start:end] = 255
    rules = [
        [Rule(at * 72 / dpi, start * 72 / dpi, end * 72 / dpi) for at, start, end in runs] for runs in (across, down)
    ]
    return _Page(Image.fromarray(dots), dpi, _thinned(rules[0]), _thinned(rules[1]))


def _runs(dark: NDArray[np.bool_], length: int) -> list[tuple[int, int, int]]:
    """Return (row, start, end) of runs of dark dots at least so long; a row with too many is a picture, not a line."""
    if dark.shape[1] <= length:
        return []
    sums = np.cumsum(dark, axis=1, dtype=np.int32)
    full = np.pad(sums[:, length:] - sums[:, :-length] >= length * _INKED, ((0, 0), (1, 1)))
    runs: list[tuple[int, int, int]] = []
    for row in np.flatnonzero(full.any(axis=1)):
        edges = np.flatnonzero(np.diff(full[row].astype(np.int8)))
        runs += [(int(row), int(a), int(b) + length) for a, b in zip(edges[::2], edges[1::2], strict=True)]
    return runs if len(runs) <= _MOST_RUNS else []


def _meeting(runs: list[tuple[int, int, int]], others: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    reach = _TOUCHING_DOTS
    return [
        (at, start, end)
        for at, start, end in runs
        if any(start - reach <= x <= end + reach and low - reach <= at <= high + reach for x, low, high in others)
    ]


def _thinned(rules: list[Rule]) -> list[Rule]:
    """Return lines that are several dots thick once."""
    kept: list[Rule] = []
    for rule in rules:
        same = next((k for k in reversed(kept[-20:]) if rule.at - k.at < 2 and k.start - 3 <= rule.start), None)
        if same is None or rule.end > same.end + 3:
            kept.append(rule)
    return kept


def _tesseract(page: _Page, seconds: float) -> _Read:
    picture, dpi = page.picture, page.dpi
    told = _run(picture, ["-l", "vie", "--psm", "3", "--dpi", str(min(max(dpi, 70), 2400)), "tsv"], seconds)
    rows = list(csv.DictReader(io.StringIO(told), delimiter="\t", quoting=csv.QUOTE_NONE))
    point = 72 / dpi
    lines: dict[tuple[str, ...], float] = {}
    words: list[Word] = []
    doubts: list[str] = []
    weights: list[tuple[float, int]] = []
    for row in rows:
        key = (row["page_num"], row["block_num"], row["par_num"], row["line_num"])
        left, top, wide, high = (int(row[name]) * point for name in ("left", "top", "width", "height"))
        if row["level"] == "4":
            lines[key] = top + high
        text, confidence = (row["text"] or "").strip(), float(row["conf"])
        if row["level"] != "5" or not text:
            continue
        if confidence < _DOUBTFUL:
            doubts.append(text)
        # Specks and the lines of tables are read as marks.
        if confidence < _NOISE and not any(c.isalnum() for c in text):
            continue
        weights.append((confidence, len(text)))
        words.append(Word(text, left, left + wide, top, top + high, lines.get(key, top + high), high))
    size = _LETTER_HEIGHT * median([word.size for word in words]) if words else 1.0
    for word in words:
        word.size = size
    letters = sum(length for _, length in weights)
    confidence = sum(share * length for share, length in weights) / letters if letters else 0.0
    return _Read(words, doubts, confidence)


def _run(picture: Image.Image, arguments: list[str], seconds: float) -> str:
    """Return what Tesseract says of a picture; "" where it finds nothing to say."""
    held = io.BytesIO()
    picture.save(held, "PNG", compress_level=1)
    ran = subprocess.run(
        ["tesseract", "-", "-", *arguments],
        input=held.getvalue(),
        capture_output=True,
        timeout=seconds,
        env={**os.environ, "OMP_THREAD_LIMIT": "1"},
        check=False,
    )
    return ran.stdout.decode("utf-8", errors="replace") if ran.returncode == 0 else ""
