"""PDF -> paragraphs with their pages; pages that are pictures are read by OCR."""

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pypdfium2 as pdfium
import pypdfium2.raw as raw

from knowledge.intake.model import Extracted, Finding, FindingKind, IntakeError, Limits, Refusal
from knowledge.intake.ocr import find_stamp, has_tesseract, read_picture
from knowledge.intake.pages import to_paragraphs
from knowledge.intake.pdf_page import PageContent, read_page

_OCR_DPI, _STAMP_DPI = 300, 200
_MOST_PIXELS = 25_000_000
_EXCERPT = 80
_MOST_COMMENTS = _MOST_LINES = 50
# Links are part of the page, not said about it.
_SILENT_NOTES = (raw.FPDF_ANNOT_LINK, raw.FPDF_ANNOT_POPUP, raw.FPDF_ANNOT_WIDGET)


def read_pdf(path: Path, limits: Limits) -> Extracted:
    """Return what a PDF shows a reader, page by page.

    Text that a reader does not see (white, tiny, hidden, off the page) and comments are left out with a finding. A
    page that is a picture is read by its layer of OCR text or by OCR; then the whole text is a draft.

    Raises:
        IntakeError: the file is encrypted, broken, too long, without text, or a picture that needs Tesseract.
    """
    document = _open(path)
    try:
        count = len(document)
        if count > limits.pages:
            facts = {"pages": str(count), "allowed": str(limits.pages)}
            raise IntakeError(path.name, Refusal.TOO_MANY_PAGES, facts)
        if count == 0:
            raise IntakeError(path.name, Refusal.BROKEN)
        return _read(path.name, document, count, limits)
    finally:
        document.close()


def _open(path: Path) -> pdfium.PdfDocument:
    try:
        return pdfium.PdfDocument(path)
    except pdfium.PdfiumError as error:
        is_locked = getattr(error, "err_code", None) in (raw.FPDF_ERR_PASSWORD, raw.FPDF_ERR_SECURITY)
        # PDFium may still tell the error of the file before.
        is_locked = is_locked and b"/Encrypt" in path.read_bytes()
        raise IntakeError(path.name, Refusal.ENCRYPTED if is_locked else Refusal.BROKEN) from error


def _read(name: str, document: pdfium.PdfDocument, count: int, limits: Limits) -> Extracted:
    reading = _Reading(name, limits, list(_attached(document)))
    pages: list[tuple[int, PageContent]] = []
    letters = 0
    for number in range(1, count + 1):
        try:
            page = document[number - 1]
            try:
                content = reading.page(page, number)
            finally:
                page.close()
        except pdfium.PdfiumError:
            # A page that the file lists and does not hold whole.
            reading.unread.append(number)
            continue
        if content.words:
            pages.append((number, content))
            letters += sum(len(word.text) + 1 for word in content.words)
        elif number not in reading.unread:
            reading.unread.append(number)
        if letters > limits.characters:
            raise IntakeError(name, Refusal.TOO_LONG, {"allowed": str(limits.characters)})
    if not pages or (reading.lacks_tesseract and len(reading.unread) == count):
        raise IntakeError(name, Refusal.NEEDS_TESSERACT if reading.lacks_tesseract else Refusal.NO_TEXT)
    paragraphs, more = to_paragraphs(pages)
    without_text = [Finding(FindingKind.PAGE_WITHOUT_TEXT, page=number) for number in reading.unread]
    if not paragraphs:
        raise IntakeError(name, Refusal.NO_TEXT)
    findings = (*reading.findings, *more, *without_text)
    return Extracted(paragraphs, findings, pages=count, is_ocr=reading.is_ocr)


@dataclass(slots=True)
class _Reading:
    """What reading the pages one after another brings to light.

    Attributes:
        unread: pages without text, and pictures that could not be read for want of Tesseract.
    """

    name: str
    limits: Limits
    findings: list[Finding]
    unread: list[int] = field(default_factory=list)
    is_ocr: bool = False
    has_tesseract: bool | None = None  # None as long as no page asked for it

    @property
    def lacks_tesseract(self) -> bool:
        """Whether a picture could not be read."""
        return self.has_tesseract is False

    def page(self, page: pdfium.PdfPage, number: int) -> PageContent:
        """Return the words of a page, read from its picture where it is one."""
        content = read_page(page)
        self.findings += [*_left_out(content, number), *_comments(page, number)]
        if content.is_scan and content.layer:
            content.words, content.layer, self.is_ocr = content.layer, [], True
        elif (content.is_scan or not content.words) and raw.FPDFPage_CountObjects(page.raw) > 0:
            if self.has_tesseract is None:
                self.has_tesseract = has_tesseract()
            if self.has_tesseract:
                content, doubtful = _read_picture_of(page, self.name, number, self.limits)
                self.findings += doubtful
                self.is_ocr = self.is_ocr or bool(content.words)
            else:
                self.unread.append(number)
        elif content.image_share > 0:
            self.findings.append(Finding(FindingKind.PICTURE, page=number))
            if number == 1 and has_tesseract():
                self.findings += _stamped(page, content, self.limits)
        if content.layer:
            self.findings.append(_about(FindingKind.HIDDEN_TEXT, [word.text for word in content.layer], number))
        return content


def _stamped(page: pdfium.PdfPage, content: PageContent, limits: Limits) -> tuple[Finding, ...]:
    """Return the stamp of secrecy among the pictures of a first page, if there is one."""
    dpi = _dpi(page, _STAMP_DPI)
    bitmap = page.render(scale=dpi / 72, may_draw_forms=False, draw_annots=False)
    try:
        picture = bitmap.to_pil().convert("RGB")
    finally:
        bitmap.close()
    return find_stamp(picture, picture.convert("L"), dpi, [word.text for word in content.words], limits)


def _dpi(page: pdfium.PdfPage, wanted: int) -> int:
    """Return with how many dots an inch a page is drawn: fewer where it claims to be as large as a house."""
    width, height = page.get_size()
    inches = max(width * height / 72**2, 0.01)
    return max(1, min(wanted, int((_MOST_PIXELS / inches) ** 0.5)))


def _read_picture_of(
    page: pdfium.PdfPage, name: str, number: int, limits: Limits
) -> tuple[PageContent, tuple[Finding, ...]]:
    dpi = _dpi(page, _OCR_DPI)
    # On the first page a stamp is looked for, which is red.
    bitmap = page.render(scale=dpi / 72, grayscale=number > 1, may_draw_forms=False, draw_annots=False)
    try:
        return read_picture(bitmap.to_pil().convert("RGB" if number == 1 else "L"), dpi, name, number, limits)
    finally:
        bitmap.close()


def _left_out(content: PageContent, number: int) -> Iterator[Finding]:
    kinds: dict[FindingKind, list[str]] = {}
    for kind, text in content.left_out:
        kinds.setdefault(kind, []).append(text)
    for kind, lines in kinds.items():
        yield from (_about(kind, [line], number) for line in lines[:_MOST_LINES])
        if lines[_MOST_LINES:]:
            yield Finding(kind, page=number, count=len(lines) - _MOST_LINES)


def _about(kind: FindingKind, words: list[str], number: int) -> Finding:
    return Finding(kind, " ".join(words)[:_EXCERPT], number, count=len(words))


def _comments(page: pdfium.PdfPage, number: int) -> Iterator[Finding]:
    told = 0
    for n in range(raw.FPDFPage_GetAnnotCount(page.raw)):
        note = raw.FPDFPage_GetAnnot(page.raw, n)
        if not note:
            continue
        try:
            if raw.FPDFAnnot_GetSubtype(note) in _SILENT_NOTES:
                continue
            text = _string(note, b"Contents")
        finally:
            raw.FPDFPage_CloseAnnot(note)
        if text.strip() and told < _MOST_COMMENTS:
            told += 1
            yield Finding(FindingKind.COMMENT, " ".join(text.split())[:_EXCERPT], number)


def _string(note: object, key: bytes) -> str:
    size = raw.FPDFAnnot_GetStringValue(note, key, None, 0)
    if size <= 2:
        return ""
    held = ctypes.create_string_buffer(size)
    raw.FPDFAnnot_GetStringValue(note, key, ctypes.cast(held, ctypes.POINTER(raw.FPDF_WCHAR)), size)
    return held.raw[:-2].decode("utf-16-le", errors="replace")


def _attached(document: pdfium.PdfDocument) -> Iterator[Finding]:
    files = raw.FPDFDoc_GetAttachmentCount(document.raw)
    if files > 0:
        yield Finding(FindingKind.EMBEDDED_FILE, count=files)
    scripts = raw.FPDFDoc_GetJavaScriptActionCount(document.raw)
    if scripts > 0:
        yield Finding(FindingKind.MACROS, count=scripts)
