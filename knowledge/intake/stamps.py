"""Stamps that were pressed on paper by hand: in red, in a frame, askew; a reader of lines passes over them."""

from collections.abc import Callable, Collection, Iterator

import numpy as np
from PIL import Image

from knowledge.intake.secrecy import is_stamp
from knowledge.text import fold

# Tesseract reads what leans by four degrees; so what leans by ten is found.
_LEANING_DEGREES = (0.0, -6.0, 6.0)
_HEAD_SHARE = 0.4
_REDDER, _LEAST_RED, _MOST_RED_SHARE = 60, 300, 0.2
_MARGIN = 20
_LONGEST_RED = 2_500


def is_stamped(
    picture: Image.Image, level: Image.Image, words: Collection[str], read: Callable[[Image.Image], str]
) -> bool:
    """Whether the picture of a first page bears a stamp of secrecy.

    Args:
        picture: as it was scanned, for its colours.
        level: the same in grey with its lines level.
        words: what was read of it line by line. Where "MẬT" or "MẶT" is among them in capitals, a piece of a title
            could be taken for a stamp, and nothing is looked for.
        read: reads a picture of scattered words, a line for each place.
    """
    if any(word.isupper() and fold(word.strip(".,:;[]|()")) == "mat" for word in words):
        return False
    for place in _places(picture, level):
        for degrees in _LEANING_DEGREES:
            turned = place.rotate(degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=255)
            if any(is_stamp(line, is_ocr=True) for line in read(turned).splitlines() if line.strip()):
                return True
    return False


def _places(picture: Image.Image, level: Image.Image) -> Iterator[Image.Image]:
    """Yield where a stamp may be: all that is red, then the head of the page."""
    red = _red(picture)
    if red is not None:
        yield red
    yield level.crop((0, 0, level.width, round(level.height * _HEAD_SHARE)))


def _red(picture: Image.Image) -> Image.Image | None:
    if picture.mode not in ("RGB", "RGBA", "P", "CMYK"):
        return None
    small = picture.convert("RGB")
    small.thumbnail((_LONGEST_RED, _LONGEST_RED))
    colours = np.asarray(small, dtype=np.int16)
    is_red = colours[..., 0] - np.maximum(colours[..., 1], colours[..., 2]) > _REDDER
    if not _LEAST_RED < int(is_red.sum()) < is_red.size * _MOST_RED_SHARE:
        return None
    rows, columns = np.nonzero(is_red)
    ink = Image.fromarray(np.where(is_red, 0, 255).astype(np.uint8))
    box = (columns.min() - _MARGIN, rows.min() - _MARGIN, columns.max() + _MARGIN, rows.max() + _MARGIN)
    left, top, right, bottom = (int(edge) for edge in box)
    return ink.crop((max(left, 0), max(top, 0), min(right, ink.width), min(bottom, ink.height)))
