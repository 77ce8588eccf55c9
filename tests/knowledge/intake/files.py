"""Files of many formats, made for one test each."""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import docx

_W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_CONTENT_TYPES = """<?xml version="1.0" encoding="UTF-8"?>
<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">
<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>
<Default Extension="xml" ContentType="application/xml"/>
<Override PartName="/word/document.xml" ContentType="{main}"/></Types>"""
_PLAIN_MAIN = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
MACRO_MAIN = "application/vnd.ms-word.document.macroEnabled.main+xml"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_RELATIONS = """<?xml version="1.0" encoding="UTF-8"?>
<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{inner}</Relationships>"""


def relations(*targets: tuple[str, str, bool]) -> str:
    """A .rels part of (kind, target, is external)."""
    inner = "".join(
        f'<Relationship Id="r{at}" Type="{_OFFICE}/{kind}" Target="{target}"'
        f"{' TargetMode=' + chr(34) + 'External' + chr(34) if outside else ''}/>"
        for at, (kind, target, outside) in enumerate(targets)
    )
    return _RELATIONS.format(inner=inner)


def a_docx(path: Path, body: str, parts: Mapping[str, str | bytes] | None = None, main: str = _PLAIN_MAIN) -> Path:
    """A .docx around the inner XML of its body; other parts are found by their usual names."""
    kinds = ("styles", "numbering", "footnotes", "comments", "header1", "footer1")
    usual = [(kind.rstrip("1"), f"{kind}.xml", False) for kind in kinds if f"word/{kind}.xml" in (parts or {})]
    entries: dict[str, str | bytes] = {
        "[Content_Types].xml": _CONTENT_TYPES.format(main=main),
        "_rels/.rels": relations(("officeDocument", "word/document.xml", False)),
        "word/document.xml": f'<w:document xmlns:w="{_W}" xmlns:v="urn:schemas-microsoft-com:vml">'
        f"<w:body>{body}</w:body></w:document>",
        "word/_rels/document.xml.rels": relations(*usual),
    }
    entries.update(parts or {})
    return a_zip(path, entries)


def a_part(root: str, inner: str) -> str:
    """A part of a .docx: <w:styles>...</w:styles> and the like."""
    return f'<w:{root} xmlns:w="{_W}">{inner}</w:{root}>'


def p(text: str, run: str = "", paragraph: str = "") -> str:
    """A paragraph of a .docx with one run; run and paragraph are their properties."""
    return f'<w:p><w:pPr>{paragraph}</w:pPr><w:r><w:rPr>{run}</w:rPr><w:t xml:space="preserve">{text}</w:t></w:r></w:p>'


def a_regulation(path: Path) -> Path:
    """A regulation as Word saves one, with a heading, articles and a table."""
    document = docx.Document()
    document.add_heading("QUY ĐỊNH", 1)
    document.add_paragraph("Điều 1. Đảng viên phải nêu gương.")
    document.add_paragraph("1. Giữ gìn đoàn kết trong chi bộ.")
    table = document.add_table(rows=2, cols=2)
    for at, words in enumerate(["Hành vi", "Hình thức", "Vi phạm lần đầu", "Khiển trách"]):
        table.cell(at // 2, at % 2).text = words
    document.add_paragraph("Điều 2. Quy định này có hiệu lực từ ngày ký.")
    document.save(str(path))
    return path


def a_zip(path: Path, entries: Mapping[str, str | bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


_OASIS = "urn:oasis:names:tc:opendocument:xmlns:"
_SPACES = " ".join(
    [f'xmlns:{name}="{_OASIS}{name}:1.0"' for name in ("office", "style", "text", "table", "manifest")]
    + [f'xmlns:draw="{_OASIS}drawing:1.0"', f'xmlns:fo="{_OASIS}xsl-fo-compatible:1.0"']
    + ['xmlns:xlink="http://www.w3.org/1999/xlink"', 'xmlns:dc="http://purl.org/dc/elements/1.1/"']
)


def an_odt(path: Path, body: str, styles: str = "", masters: str = "", more: Mapping[str, str] | None = None) -> Path:
    """An .odt around the inner XML of its text, its automatic styles and its page styles."""
    content = (
        f"<office:document-content {_SPACES}><office:automatic-styles>{styles}</office:automatic-styles>"
        f"<office:body><office:text>{body}</office:text></office:body></office:document-content>"
    )
    pages = (
        f"<office:document-styles {_SPACES}><office:master-styles>{masters}</office:master-styles>"
        f"</office:document-styles>"
    )
    manifest = f"<manifest:manifest {_SPACES}/>"
    entries = {"mimetype": "application/vnd.oasis.opendocument.text", "content.xml": content, "styles.xml": pages}
    return a_zip(path, entries | {"META-INF/manifest.xml": manifest} | dict(more or {}))


def encrypted_manifest() -> dict[str, str]:
    return {
        "META-INF/manifest.xml": f'<manifest:manifest {_SPACES}><manifest:file-entry manifest:full-path="content.xml">'
        "<manifest:encryption-data/></manifest:file-entry></manifest:manifest>"
    }


def an_ole(streams: Mapping[str, bytes]) -> bytes:
    """A compound file as Word 97 and encrypted .docx have it: one directory sector, then each stream by itself."""
    sector = 512
    header = bytearray(sector)
    header[:8] = bytes.fromhex("d0cf11e0a1b11ae1")
    header[24:34] = b"\x3e\x00\x03\x00\xfe\xff\x09\x00\x06\x00"
    directory, content = bytearray(), bytearray()
    for name, data in {"Root Entry": b"", **streams}.items():
        entry = bytearray(128)
        encoded = name.encode("utf-16-le") + b"\x00\x00"
        entry[: len(encoded)] = encoded
        entry[64:66] = len(encoded).to_bytes(2, "little")
        entry[66] = 2 if data else 5
        entry[116:120] = (1 + len(content) // sector).to_bytes(4, "little")
        entry[120:124] = len(data).to_bytes(4, "little")
        directory += entry
        content += data + b"\x00" * (-len(data) % sector)
    directory += b"\x00" * (-len(directory) % sector)
    return bytes(header) + bytes(directory) + bytes(content)


def lying_zip(entries: Mapping[str, bytes], told: int) -> bytes:
    """A zip archive whose directory says that every entry is only so many bytes long."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    raw = bytearray(made.getvalue())
    for mark, offset in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        at = raw.find(mark)
        while at != -1:
            raw[at + offset : at + offset + 4] = told.to_bytes(4, "little")
            at = raw.find(mark, at + 4)
    return bytes(raw)


def rtf(text: str) -> str:
    """Words as RTF escapes them."""
    return "".join(c if c.isascii() else f"\\u{ord(c) if ord(c) < 32768 else ord(c) - 65536}?" for c in text)


def an_rtf(path: Path, body: str) -> Path:
    head = (
        r"{\rtf1\ansi\ansicpg1252\deff0{\fonttbl{\f0\froman Times New Roman;}{\f1\fnil .VnTime;}"
        r"{\f2\froman\fcharset163 Times New Roman;}}"
        r"{\colortbl;\red255\green255\blue255;\red31\green73\blue125;}"
        r"{\stylesheet{\s0 Normal;}{\s1\outlinelevel0 heading 1;}}"
    )
    path.write_text(head + body + "}", encoding="ascii")
    return path


def a_raw_pdf(*objects: bytes) -> bytes:
    """A file of these objects, numbered from 1; the first is its catalogue."""
    raw, places = b"%PDF-1.7\n", []
    for number, content in enumerate(objects, start=1):
        places.append(len(raw))
        raw += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % place for place in places)
    head = b"xref\n0 %d\n%strailer<</Size %d/Root 1 0 R>>\n" % (len(objects) + 1, table, len(objects) + 1)
    return raw + head + b"startxref\n%d\n%%%%EOF" % len(raw)
