"""One page of a PDF -> its words with their places, its ruled lines, and what of it cannot be seen."""

import ctypes
import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pypdfium2 as pdfium
import pypdfium2.raw as raw
from numpy.typing import NDArray

from knowledge.intake.model import FindingKind

_TINY_PT = 4.0
_NEAR_WHITE = 235
_LEAST_CONTRAST = 20
_RENDER_SCALE = 1.5
_MOST_PIXELS = 4_000_000
_THICKEST_RULE_PT = 3.0
_SHORTEST_RULE_PT = 6.0
_MOST_SEGMENTS = 20_000
_DEEPEST_FORM = 8
# A scanned page may carry a printed stamp or a signature's words.
_STAMPED_LETTERS = 200
# A gap this wide, in parts of the size of the letters, parts two words.
_WORD_GAP = 0.25
_INVISIBLE_MODES = (raw.FPDF_TEXTRENDERMODE_INVISIBLE, raw.FPDF_TEXTRENDERMODE_CLIP)

Matrix = tuple[float, float, float, float, float, float]
_IDENTITY: Matrix = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)


@dataclass(slots=True)
class Word:
    """A word where it stands, in points from the page's upper left corner."""

    text: str
    x0: float
    x1: float
    top: float
    bottom: float
    baseline: float
    size: float
    font: str = ""
    is_bold: bool = False
    space_before: bool = True
    is_turned: bool = False

    @property
    def middle(self) -> tuple[float, float]:
        """Centre of the word's box."""
        return (self.x0 + self.x1) / 2, (self.top + self.bottom) / 2


@dataclass(frozen=True, slots=True)
class Rule:
    """A straight line of a table or a frame: where it stands across, and from where to where it runs."""

    at: float
    start: float
    end: float


@dataclass(slots=True)
class PageContent:
    """What a page shows.

    Attributes:
        words: what a reader sees, as the file orders it.
        layer: words under or over a picture of the page, drawn invisibly, as OCR programs leave them.
        left_out: words that nobody sees, a line at a time, and why.
        image_share: how much of the page pictures cover, 0 to 1.
    """

    width: float
    height: float
    words: list[Word] = field(default_factory=list)
    layer: list[Word] = field(default_factory=list)
    left_out: list[tuple[FindingKind, str]] = field(default_factory=list)
    across: list[Rule] = field(default_factory=list)
    down: list[Rule] = field(default_factory=list)
    image_share: float = 0.0
    _left_out_at: float = 0.0

    def leave_out(self, kind: FindingKind, word: Word) -> None:
        """Put a word aside, with those before it on its line."""
        # What runs across the page has a baseline for each word.
        on_line = kind is FindingKind.HEADER_OR_FOOTER or abs(word.baseline - self._left_out_at) < word.size / 2
        if self.left_out and self.left_out[-1][0] is kind and on_line:
            self.left_out[-1] = (kind, f"{self.left_out[-1][1]} {word.text}")
        else:
            self.left_out.append((kind, word.text))
        self._left_out_at = word.baseline

    @property
    def is_scan(self) -> bool:
        """Whether the page is a picture, with or without words of OCR."""
        seen, hidden = (sum(len(word.text) for word in words) for words in (self.words, self.layer))
        return self.image_share > 0.5 and seen < max(hidden, _STAMPED_LETTERS)


@dataclass(frozen=True, slots=True)
class _Style:
    size: float
    font: str
    is_bold: bool
    is_white: bool
    is_invisible: bool
    angle: int  # degrees, as the reader sees it


class _Place:
    """Turns a page's own coordinates into points from the upper left corner, the page's rotation included."""

    def __init__(self, page: pdfium.PdfPage) -> None:
        left, bottom, right, top = page.get_bbox()
        self.box = (left, bottom, right, top)
        self.rotation = page.get_rotation() % 360
        wide, high = right - left, top - bottom
        self.width, self.height = (high, wide) if self.rotation in (90, 270) else (wide, high)

    def point(self, x: float, y: float) -> tuple[float, float]:
        left, bottom, right, top = self.box
        if self.rotation == 90:
            return y - bottom, x - left
        if self.rotation == 180:
            return right - x, y - bottom
        if self.rotation == 270:
            return top - y, right - x
        return x - left, top - y


def read_page(page: pdfium.PdfPage) -> PageContent:
    """Return what a page holds; words that cannot be seen are told apart from those that can."""
    place = _Place(page)
    content = PageContent(place.width, place.height)
    has_ground = _read_shapes(page, place, content)
    picture: NDArray[np.uint8] | None = None
    # A page may claim to be as large as a house.
    scale = min(_RENDER_SCALE, (_MOST_PIXELS / max(place.width * place.height, 1.0)) ** 0.5)
    for word, style in _words(page, place):
        x, y = word.middle
        if style.is_invisible:
            if content.image_share > 0.5:
                content.layer.append(word)
            else:
                content.leave_out(FindingKind.HIDDEN_TEXT, word)
            continue
        if not (0 <= x <= place.width and 0 <= y <= place.height):
            content.leave_out(FindingKind.OFF_PAGE, word)
        elif word.size < _TINY_PT:
            content.leave_out(FindingKind.TINY_TEXT, word)
        elif style.angle % 90:
            content.leave_out(FindingKind.HEADER_OR_FOOTER, word)
        elif not has_ground:
            if style.is_white:
                content.leave_out(FindingKind.WHITE_TEXT, word)
            else:
                content.words.append(word)
        else:
            picture = _picture(page, scale) if picture is None else picture
            if _contrast(picture, word, scale) >= _LEAST_CONTRAST:
                content.words.append(word)
            else:
                kind = FindingKind.WHITE_TEXT if style.is_white else FindingKind.HIDDEN_TEXT
                content.leave_out(kind, word)
    return content


def _picture(page: pdfium.PdfPage, scale: float) -> NDArray[np.uint8]:
    bitmap = page.render(scale=scale, grayscale=True, may_draw_forms=False, draw_annots=False)
    picture: NDArray[np.uint8] = np.array(bitmap.to_numpy())
    bitmap.close()
    return picture[:, :, 0] if picture.ndim == 3 else picture


def _contrast(picture: NDArray[np.uint8], word: Word, scale: float) -> int:
    top, bottom = (max(0, round(y * scale)) for y in (word.top, word.bottom))
    left, right = (max(0, round(x * scale)) for x in (word.x0, word.x1))
    seen = picture[top : max(bottom, top + 1), left : max(right, left + 1)]
    return int(seen.max()) - int(seen.min()) if seen.size else 0


# --- words -----------------------------------------------------------------------------------------------------


def _words(page: pdfium.PdfPage, place: _Place) -> Iterator[tuple[Word, _Style]]:
    """Yield the words in the file's order, each with how it is drawn."""
    text_page = page.get_textpage()
    try:
        yield from _words_of(text_page, place)
    finally:
        text_page.close()


def _words_of(text_page: pdfium.PdfTextPage, place: _Place) -> Iterator[tuple[Word, _Style]]:
    x, y = ctypes.c_double(), ctypes.c_double()
    box = raw.FS_RECTF()
    styles: dict[int, _Style] = {}
    word: Word | None = None
    style: _Style | None = None
    spaced, broken = True, True
    handle = text_page.raw
    for n in range(raw.FPDFText_CountChars(handle)):
        code = raw.FPDFText_GetUnicode(handle, n)
        if code in (32, 9, 10, 13, 0xA0) or 0xD800 <= code < 0xE000:
            # The library puts spaces where the baseline changes, too: there the gap tells.
            spaced, broken = spaced or not raw.FPDFText_IsGenerated(handle, n), True
            continue
        owner = raw.FPDFText_GetTextObject(handle, n)
        if not owner:
            # Characters that the library puts between lines belong to nothing.
            broken = True
            continue
        key = ctypes.cast(owner, ctypes.c_void_p).value or 0
        raw.FPDFText_GetLooseCharBox(handle, n, box)
        raw.FPDFText_GetCharOrigin(handle, n, x, y)
        _, baseline = place.point(x.value, y.value)
        (xa, ya), (xb, yb) = place.point(box.left, box.top), place.point(box.right, box.bottom)
        left, right, top, bottom = min(xa, xb), max(xa, xb), min(ya, yb), max(ya, yb)
        if key not in styles:
            styles[key] = _style(owner, place, max(bottom - top, 0.01))
        now = styles[key]
        # A code of 0 stands for a letter that the file's table does not name.
        letter = chr(code) if code else "\ufffd"
        goes_on = (
            word is not None
            and not broken
            and style is not None
            and (style.is_white, style.is_invisible, style.angle) == (now.is_white, now.is_invisible, now.angle)
            and (
                now.angle != 0
                or (
                    abs(baseline - word.baseline) < 0.2 * now.size
                    and -0.6 * now.size < left - word.x1 < _WORD_GAP * now.size
                )
            )
        )
        if goes_on and word is not None:
            word.text += letter
            word.x0, word.x1 = min(word.x0, left), max(word.x1, right)
            word.top, word.bottom = min(word.top, top), max(word.bottom, bottom)
        else:
            if word is not None and style is not None:
                yield word, style
            turned = now.angle != 0
            word = Word(
                letter, left, right, top, bottom, bottom if turned else baseline, now.size, now.font, now.is_bold
            )
            word.space_before, word.is_turned = spaced, turned
            style = now
        spaced = broken = False
    if word is not None and style is not None:
        yield word, style


def _style(owner: object, place: _Place, high: float) -> _Style:
    size, matrix = ctypes.c_float(), raw.FS_MATRIX()
    raw.FPDFTextObj_GetFontSize(owner, size)
    raw.FPDFPageObj_GetMatrix(owner, matrix)
    drawn = abs(size.value) * math.hypot(matrix.c, matrix.d)
    # The frame that a text stands in may draw it smaller than it says.
    turned = round(math.degrees(math.atan2(matrix.b, matrix.a)) - place.rotation) % 360
    if turned % 180 == 0 and not 0.5 < high / max(drawn, 0.01) < 2.5:
        drawn = high / 1.2
    colours = [ctypes.c_uint() for _ in range(4)]
    has_colour = raw.FPDFPageObj_GetFillColor(owner, *colours)
    red, green, blue, alpha = (c.value for c in colours)
    font = raw.FPDFTextObj_GetFont(owner)
    name = ctypes.create_string_buffer(128)
    length = raw.FPDFFont_GetBaseFontName(font, name, len(name)) if font else 0
    named = name.value.decode("utf-8", "replace") if 0 < length <= len(name) else ""
    weight = raw.FPDFFont_GetWeight(font) if font else 0
    mode = raw.FPDFTextObj_GetTextRenderMode(owner)
    return _Style(
        size=drawn,
        font=named,
        is_bold="bold" in named.lower() or weight >= 600,
        is_white=bool(has_colour) and min(red, green, blue) >= _NEAR_WHITE,
        is_invisible=mode in _INVISIBLE_MODES or (bool(has_colour) and alpha < 13),
        angle=turned,
    )


# --- lines and pictures ------------------------------------------------------------------------------------------


def _read_shapes(page: pdfium.PdfPage, place: _Place, content: PageContent) -> bool:
    """Fill in rules and pictures; return whether anything may lie behind or over the words."""
    has_ground = False
    area = max(place.width * place.height, 1.0)
    budget = _MOST_SEGMENTS
    for thing, form in _objects(page.raw, raw.FPDFPage_CountObjects, raw.FPDFPage_GetObject, _IDENTITY, 0):
        kind = raw.FPDFPageObj_GetType(thing)
        if kind == raw.FPDF_PAGEOBJ_IMAGE:
            x0, y0, x1, y1 = _bounds(thing, form, place)
            inside = max(0.0, min(x1, place.width) - max(x0, 0.0)) * max(0.0, min(y1, place.height) - max(y0, 0.0))
            content.image_share = min(1.0, content.image_share + inside / area)
            has_ground = True
        elif kind == raw.FPDF_PAGEOBJ_SHADING:
            has_ground = True
        elif kind == raw.FPDF_PAGEOBJ_PATH and budget > 0:
            fill, stroke = ctypes.c_int(), ctypes.c_int()
            raw.FPDFPath_GetDrawMode(thing, fill, stroke)
            x0, y0, x1, y1 = _bounds(thing, form, place)
            if fill.value and min(x1 - x0, y1 - y0) > _THICKEST_RULE_PT:
                has_ground = True
            if fill.value and not stroke.value:
                _keep_rule(content, x0, y0, x1, y1)
            elif stroke.value:
                for xa, ya, xb, yb in _segments(thing, form, place):
                    _keep_rule(content, min(xa, xb), min(ya, yb), max(xa, xb), max(ya, yb))
                    budget -= 1
    return has_ground


def _objects(parent: object, count: object, get: object, form: Matrix, depth: int) -> Iterator[tuple[object, Matrix]]:
    for n in range(count(parent)):  # type: ignore[operator]
        thing = get(parent, n)  # type: ignore[operator]
        if raw.FPDFPageObj_GetType(thing) == raw.FPDF_PAGEOBJ_FORM and depth < _DEEPEST_FORM:
            inner = _times(_matrix(thing), form)
            yield from _objects(thing, raw.FPDFFormObj_CountObjects, raw.FPDFFormObj_GetObject, inner, depth + 1)
        else:
            yield thing, form


def _matrix(thing: object) -> Matrix:
    matrix = raw.FS_MATRIX()
    if not raw.FPDFPageObj_GetMatrix(thing, matrix):
        return _IDENTITY
    return matrix.a, matrix.b, matrix.c, matrix.d, matrix.e, matrix.f


def _times(inner: Matrix, outer: Matrix) -> Matrix:
    a, b, c, d, e, f = inner
    A, B, C, D, E, F = outer
    return a * A + b * C, a * B + b * D, c * A + d * C, c * B + d * D, e * A + f * C + E, e * B + f * D + F


def _apply(matrix: Matrix, x: float, y: float) -> tuple[float, float]:
    a, b, c, d, e, f = matrix
    return a * x + c * y + e, b * x + d * y + f


def _bounds(thing: object, form: Matrix, place: _Place) -> tuple[float, float, float, float]:
    edges = [ctypes.c_float() for _ in range(4)]
    raw.FPDFPageObj_GetBounds(thing, *edges)
    left, bottom, right, top = (edge.value for edge in edges)
    corners = [place.point(*_apply(form, x, y)) for x in (left, right) for y in (bottom, top)]
    xs, ys = [x for x, _ in corners], [y for _, y in corners]
    return min(xs), min(ys), max(xs), max(ys)


def _segments(thing: object, form: Matrix, place: _Place) -> Iterator[tuple[float, float, float, float]]:
    matrix = _times(_matrix(thing), form)
    x, y = ctypes.c_float(), ctypes.c_float()
    first = last = (0.0, 0.0)
    for n in range(min(raw.FPDFPath_CountSegments(thing), _MOST_SEGMENTS)):
        segment = raw.FPDFPath_GetPathSegment(thing, n)
        raw.FPDFPathSegment_GetPoint(segment, x, y)
        now = place.point(*_apply(matrix, x.value, y.value))
        kind = raw.FPDFPathSegment_GetType(segment)
        if kind == raw.FPDF_SEGMENT_MOVETO:
            first = now
        elif kind == raw.FPDF_SEGMENT_LINETO:
            yield *last, *now
        last = now
        if raw.FPDFPathSegment_GetClose(segment):
            yield *last, *first
            last = first


def _keep_rule(content: PageContent, x0: float, y0: float, x1: float, y1: float) -> None:
    wide, high = x1 - x0, y1 - y0
    if high <= _THICKEST_RULE_PT and wide >= _SHORTEST_RULE_PT:
        content.across.append(Rule((y0 + y1) / 2, x0, x1))
    elif wide <= _THICKEST_RULE_PT and high >= _SHORTEST_RULE_PT:
        content.down.append(Rule((x0 + x1) / 2, y0, y1))
