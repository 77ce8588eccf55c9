"""What a file is, told by its content; its name only has to agree."""

import re
import struct
from enum import Enum
from pathlib import Path, PurePath

from knowledge.intake.model import IntakeError, Limits, Refusal
from knowledge.intake.safezip import open_zip


class Kind(Enum):
    """A format that is read; the value is the ending such a file should have."""

    TEXT = ".txt"
    MARKDOWN = ".md"
    DOCX = ".docx"
    ODT = ".odt"
    PDF = ".pdf"
    HTML = ".html"
    RTF = ".rtf"
    DOC = ".doc"
    IMAGE = ".png"


# Word itself has always written RTF, HTML and newer documents under ".doc" when it was told to.
_ALLOWED = {
    ".txt": {Kind.TEXT},
    ".md": {Kind.MARKDOWN},
    ".markdown": {Kind.MARKDOWN},
    ".docx": {Kind.DOCX},
    ".docm": {Kind.DOCX},
    ".odt": {Kind.ODT},
    ".pdf": {Kind.PDF},
    ".html": {Kind.HTML},
    ".htm": {Kind.HTML},
    ".xhtml": {Kind.HTML},
    ".rtf": {Kind.RTF},
    ".doc": {Kind.DOC, Kind.RTF, Kind.HTML, Kind.DOCX},
    **{key: {Kind.IMAGE} for key in (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".heic", ".heif")},
}
_RUNS = frozenset(
    ".exe .com .scr .pif .bat .cmd .ps1 .psm1 .vbs .vbe .js .jse .wsf .hta .msi .dll .jar .apk .sh .py .lnk".split()
)
_MACH_O = tuple(
    bytes.fromhex(magic) for magic in ("feedface", "feedfacf", "cefaedfe", "cffaedfe", "cafebabe", "bebafeca")
)
_SHORTCUT = bytes.fromhex("4c0000000114020000000000c000000000000046")
_OLE = bytes.fromhex("d0cf11e0a1b11ae1")
_IMAGES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\x00", b"MM\x00*")
_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_HTML = re.compile(rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b", re.I | re.S)
_TAG = re.compile(rb"<(?:p|div|table|h[1-6]|span|br|ul|ol)\b", re.IGNORECASE)
_WORD_MAIN = re.compile(
    rb"application/(?:vnd\.openxmlformats-officedocument\.wordprocessingml\.(?:document|template)"
    rb"|vnd\.ms-word\.(?:document|template)\.macroEnabled)\.?(?:main|12|macroEnabled)?"
)
_HEAD = 4096


def kind_of(path: Path, name: str, limits: Limits) -> Kind:
    """Return what a file is.

    Args:
        name: what the file is called, for its ending.
    Raises:
        IntakeError: it is empty, a program, encrypted, of a format that is not read, or not what its name says.
    """
    raw = path.read_bytes()
    ending = PurePath(name).suffix.lower()
    if not raw.strip(b"\x00 \t\r\n\xef\xbb\xbf"):
        raise IntakeError(name, Refusal.EMPTY)
    if _is_program(raw) or ending in _RUNS:
        raise IntakeError(name, Refusal.EXECUTABLE)
    kind = _by_content(path, raw, name, ending, limits)
    allowed = _ALLOWED.get(ending)
    if allowed is not None and kind is not None and kind not in allowed:
        raise IntakeError(name, Refusal.NOT_WHAT_IT_SAYS, {"says": ending, "is": kind.value})
    if kind is None or (kind is Kind.TEXT and ending not in {"", ".txt"}):
        raise IntakeError(name, Refusal.BROKEN if allowed else Refusal.UNKNOWN_FORMAT)
    return kind


def _is_program(raw: bytes) -> bool:
    if raw.startswith((b"\x7fELF", b"#!", b"\x00asm", _SHORTCUT, *_MACH_O)):
        return True
    return raw.startswith(b"MZ") and b"\x00" in raw[:64]


def _by_content(path: Path, raw: bytes, name: str, ending: str, limits: Limits) -> Kind | None:
    head = raw[:_HEAD]
    start = head.removeprefix(_MARKS[0]).lstrip()
    if start.startswith(b"%PDF-") or (ending == ".pdf" and b"%PDF-" in head[:1024]):
        return Kind.PDF
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")):
        return _of_zip(path, name, limits)
    if head.startswith(_OLE):
        return _of_ole(raw, name)
    if start.startswith(b"{\\rtf"):
        return Kind.RTF
    if head.startswith(_IMAGES) or head[4:8] == b"ftyp" or (head[:4] == b"RIFF" and head[8:12] == b"WEBP"):
        return Kind.IMAGE
    return _of_text(raw, ending)


def _of_text(raw: bytes, ending: str) -> Kind | None:
    head = raw[:_HEAD]
    is_wide = head.startswith(_MARKS[1:])
    if is_wide:
        head = head.decode("utf-16", "replace").encode()
    elif b"\x00" in raw:
        # UTF-16 without a mark has a zero in nearly every second byte.
        if ending not in {".txt", ".md"} or not 0.2 < raw[:_HEAD].count(0) / len(raw[:_HEAD]) < 0.6:
            return None
    elif sum(byte < 9 or 13 < byte < 27 for byte in head) > len(head) // 20:
        return None
    if _HTML.match(head.removeprefix(_MARKS[0])) or (ending in {".html", ".htm"} and _TAG.search(head)):
        return Kind.HTML
    return Kind.MARKDOWN if ending in {".md", ".markdown"} else Kind.TEXT


def _of_zip(path: Path, name: str, limits: Limits) -> Kind | None:
    with open_zip(path, limits, name) as archive:
        names = archive.names
        if "AndroidManifest.xml" in names or any(each.endswith(".class") for each in names):
            raise IntakeError(name, Refusal.EXECUTABLE)
        if "[Content_Types].xml" in names:
            types = archive.read("[Content_Types].xml")
            return Kind.DOCX if _WORD_MAIN.search(types) else None
        if "mimetype" in names and archive.read("mimetype").strip().startswith(
            b"application/vnd.oasis.opendocument.text"
        ):
            return Kind.ODT
        if "META-INF/MANIFEST.MF" in names:
            raise IntakeError(name, Refusal.EXECUTABLE)
    return None


def _of_ole(raw: bytes, name: str) -> Kind | None:
    """Tell a Word document of 1997-2003 from the other things that are kept in the same container."""
    if _ole_entry(raw, "EncryptedPackage") is not None:
        raise IntakeError(name, Refusal.ENCRYPTED)
    at = _ole_entry(raw, "WordDocument")
    if at is None:
        return None
    sector = struct.unpack_from("<I", raw, at + 116)[0]
    begin = (sector + 1) << min(struct.unpack_from("<H", raw, 30)[0], 16)
    if begin + 12 > len(raw):
        raise IntakeError(name, Refusal.BROKEN)
    if struct.unpack_from("<H", raw, begin + 10)[0] & 0x0100:
        raise IntakeError(name, Refusal.ENCRYPTED)
    return Kind.DOC


def _ole_entry(raw: bytes, name: str) -> int | None:
    """Return where the container's directory has an entry of that name."""
    wanted = name.encode("utf-16-le") + b"\x00\x00"
    at = raw.find(wanted)
    while at != -1:
        if at % 128 == 0 and at + 128 <= len(raw) and struct.unpack_from("<H", raw, at + 64)[0] == len(wanted):
            return at
        at = raw.find(wanted, at + 1)
    return None
