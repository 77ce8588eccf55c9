"""A file -> Intake, in this process; knowledge.intake.child does the same where a file can do no harm."""

import hashlib
import os
import stat
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from knowledge.intake.kinds import Kind, kind_of
from knowledge.intake.model import (
    DEFAULT_LIMITS,
    Extracted,
    Finding,
    FindingKind,
    Intake,
    IntakeError,
    Limits,
    Refusal,
)
from knowledge.intake.names import safe_name
from knowledge.intake.secrecy import is_secret
from knowledge.text import clean, collapse

Reader = Callable[[Path, Limits], Extracted]
_CHUNK = 1 << 20
_SAMPLED_PAGES = 20
_EXCERPT = 80


def read_file(path: Path, limits: Limits = DEFAULT_LIMITS, *, allow: Callable[[float], None] | None = None) -> Intake:
    """Return the text of a file, and what was left out of it or looks wrong.

    Args:
        allow: hears, before the reading begins, how many seconds this file may take.
    Raises:
        IntakeError: the file is not taken, and why.
    """
    name = safe_name(path.name)
    try:
        with tempfile.TemporaryDirectory(prefix="intake-") as folder:
            # Everything reads one private copy: it cannot change, and the fingerprint is that of what was read.
            copy = Path(folder) / "file"
            sha256, size_bytes = _copy(path, copy, name, limits)
            kind = kind_of(copy, name, limits)
            copy = copy.rename(copy.with_suffix(kind.value))
            if allow is not None:
                allow(_seconds(copy, kind, limits))
            extracted = _reader(kind)(copy, limits)
            return _to_intake(name, sha256, size_bytes, extracted)
    except IntakeError as error:
        raise IntakeError(name, error.refusal, error.facts) from error
    except MemoryError as error:
        raise IntakeError(name, Refusal.TOO_MUCH_MEMORY) from error
    except RecursionError as error:
        raise IntakeError(name, Refusal.BROKEN, {"problem": "nested too deep"}) from error


def _to_intake(name: str, sha256: str, size_bytes: int, extracted: Extracted) -> Intake:
    from knowledge.intake.layout import compose
    from knowledge.intake.recognize import recognize

    extracted = _with_own_d(extracted)
    if is_secret(extracted):
        raise IntakeError(name, Refusal.SECRET)
    text, page_starts, more = compose(extracted)
    if not text.strip():
        raise IntakeError(name, Refusal.NO_TEXT)
    # Words that are only shown are shown in a terminal, too, which would obey what is written between them.
    found = tuple(replace(each, excerpt=collapse(clean(each.excerpt))) for each in (*extracted.findings, *more))
    return Intake(
        name,
        sha256,
        size_bytes,
        text,
        page_starts,
        found,
        extracted.is_ocr,
        recognize(text),
    )


def _with_own_d(extracted: Extracted) -> Extracted:
    """Put "Đ" where a letter only looks like it, and say so: no number, article or word would be known by the other."""
    from knowledge.intake.encodings import with_own_d

    paragraphs = tuple(replace(each, text=with_own_d(each.text)) for each in extracted.paragraphs)
    changed = [(old, new) for old, new in zip(extracted.paragraphs, paragraphs, strict=True) if old.text != new.text]
    if not changed:
        return extracted
    first = changed[0][0]
    count = sum(a != b for old, new in changed for a, b in zip(old.text, new.text, strict=True))
    finding = Finding(FindingKind.CONVERTED_ENCODING, f"Ð → Đ: {first.text}"[:_EXCERPT], first.page, count)
    return replace(extracted, paragraphs=paragraphs, findings=(*extracted.findings, finding))


def _copy(path: Path, copy: Path, name: str, limits: Limits) -> tuple[str, int]:
    """Copy a file and return its SHA-256 and size; it must be a plain file of its folder that nobody is writing."""
    try:
        if path.is_symlink() and path.resolve(strict=True).parent != path.parent.resolve():
            raise IntakeError(name, Refusal.UNREADABLE, {"problem": "link"})
        # Without O_NONBLOCK the opening of a pipe that nobody writes to would wait for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as source, copy.open("wb") as target:
            before = os.fstat(source.fileno())
            if not stat.S_ISREG(before.st_mode):
                raise IntakeError(name, Refusal.UNREADABLE, {"problem": "no plain file"})
            if before.st_size > limits.size_bytes:
                raise _too_large(name, before.st_size, limits)
            digest, size = hashlib.sha256(), 0
            while chunk := source.read(_CHUNK):
                size += len(chunk)
                if size > limits.size_bytes:
                    raise _too_large(name, size, limits)
                digest.update(chunk)
                target.write(chunk)
            after, there = os.fstat(source.fileno()), path.stat()
    except (OSError, ValueError, RuntimeError) as error:
        raise IntakeError(name, Refusal.UNREADABLE) from error
    if not _same(before, after) or not _same(after, there) or size != after.st_size:
        raise IntakeError(name, Refusal.STILL_CHANGING)
    return digest.hexdigest(), size


def _same(one: os.stat_result, other: os.stat_result) -> bool:
    return (one.st_ino, one.st_size, one.st_mtime_ns) == (other.st_ino, other.st_size, other.st_mtime_ns)


def _too_large(name: str, size: int, limits: Limits) -> IntakeError:
    facts = {"mb": str(-(-size // 1_000_000)), "allowed_mb": str(limits.size_bytes // 1_000_000)}
    return IntakeError(name, Refusal.TOO_LARGE, facts)


def _seconds(path: Path, kind: Kind, limits: Limits) -> float:
    """Return how long a file may take: longer where OCR has to read pages."""
    if kind is Kind.IMAGE:
        return limits.seconds + limits.ocr_seconds_per_page * _frames(path, limits)
    if kind is Kind.PDF:
        return limits.seconds + limits.ocr_seconds_per_page * _pages_of_pictures(path, limits)
    return limits.seconds


def _frames(path: Path, limits: Limits) -> int:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            return min(int(getattr(image, "n_frames", 1)), limits.pages)
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError):
        # The reader says what is wrong with it.
        return 1


def _pages_of_pictures(path: Path, limits: Limits) -> int:
    """Return how many pages OCR may have to read: none where a sample of them all has text."""
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(path)
    except (pypdfium2.PdfiumError, OSError):
        # The reader says what is wrong with it.
        return 0
    try:
        count = min(len(document), limits.pages)
        for number in range(0, count, max(count // _SAMPLED_PAGES, 1)):
            try:
                letters = document[number].get_textpage().count_chars()
            except pypdfium2.PdfiumError:
                letters = 0
            if not letters:
                return count
        return 0
    finally:
        document.close()


def _reader(kind: Kind) -> Reader:
    """Return the reader of a format; each is imported when a file needs it, so that the child starts quickly."""
    if kind is Kind.PDF:
        from knowledge.intake.pdf import read_pdf

        return read_pdf
    if kind is Kind.IMAGE:
        from knowledge.intake.ocr import read_image

        return read_image
    if kind is Kind.DOCX:
        from knowledge.intake.docx import read_docx

        return read_docx
    if kind is Kind.ODT:
        from knowledge.intake.odt import read_odt

        return read_odt
    if kind is Kind.RTF:
        from knowledge.intake.rtf import read_rtf

        return read_rtf
    if kind is Kind.HTML:
        from knowledge.intake.html import read_html

        return read_html
    if kind is Kind.DOC:
        from knowledge.intake.doc import read_doc

        return read_doc
    if kind is Kind.MARKDOWN:
        from knowledge.intake.text import read_markdown

        return read_markdown
    from knowledge.intake.text import read_text

    return read_text
