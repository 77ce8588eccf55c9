"""Word's .docx -> paragraphs. Macros are never run, embedded files never opened, links never followed."""

import posixpath
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from lxml import etree

from knowledge.intake import safexml
from knowledge.intake.docx_styles import Numbering, Styles, W, is_on, is_shaded, look_of, value
from knowledge.intake.gathering import Gathering, is_pale, tidy
from knowledge.intake.looks import Look
from knowledge.intake.model import Extracted, FindingKind, IntakeError, Limits, Refusal
from knowledge.intake.safezip import SafeZip, open_zip

_RELATION = "{http://schemas.openxmlformats.org/package/2006/relationships}Relationship"
_CHOICE = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_DRAWING = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_SHAPE = "{http://schemas.microsoft.com/office/word/2010/wordprocessingShape}"
_VML = "{urn:schemas-microsoft-com:vml}"
_THROUGH = frozenset(W + tag for tag in ("sdt", "sdtContent", "customXml", "smartTag", "hyperlink", "fldSimple"))
_ALSO_THROUGH = frozenset([W + "dir", W + "bdo", _CHOICE + "AlternateContent", _CHOICE + "Choice"])
_DELETED = frozenset([W + "del", W + "moveFrom"])
_INSERTED = frozenset([W + "ins", W + "moveTo"])
_FETCHES = re.compile(r"\b(?:INCLUDETEXT|INCLUDEPICTURE|LINK|DDE|DDEAUTO|IMPORT)\b")
_SYMBOL_BULLETS = {"f0b7": "•", "f0a7": "•", "f02d": "-"}
_STRICT = b"http://purl.oclc.org/ooxml/wordprocessingml/main"
_LAYOUT_ROWS = 2
_PLACE = "{http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing}"
_NUMBER = re.compile("-?[0-9]{1,12}")
_VML_PLACE = re.compile(r"(?:margin-)?(?:left|top):-?([0-9]{1,9})(?:\.[0-9]+)?pt")
# Half a metre, more than any sheet, in the three units of Word.
_FAR_TWIPS, _FAR_EMU, _FAR_POINTS = 28_350, 18_000_000, 1_417


def read_docx(path: Path, limits: Limits) -> Extracted:
    """Return paragraphs and rows of tables in the order of the document, footnotes last.

    Raises:
        IntakeError: not a whole .docx, encrypted, or larger inside than is allowed.
    """
    gathering = Gathering(path.name, limits)
    with open_zip(path, limits) as archive:
        package = _Package(archive, gathering)
        main = package.related("", "officeDocument") or ["word/document.xml"]
        root = package.part(main[0])
        if root is None:
            raise IntakeError(path.name, Refusal.BROKEN, {"missing": main[0]})
        body = root.find(W + "body")
        if body is None:
            raise IntakeError(path.name, Refusal.BROKEN)
        styles, numbering = (_first(package, main[0], kind) for kind in ("styles", "numbering"))
        document = _Document(gathering, Styles(styles), Numbering(numbering), _has_dark_page(root))
        document.blocks(body)
        for kind in ("footnotes", "endnotes"):
            notes = _first(package, main[0], kind)
            for note in notes if notes is not None else ():
                if note.get(W + "type") in {None, "normal"}:
                    document.blocks(note)
        for kind in ("header", "footer"):
            for name in package.related(main[0], kind):
                margin = package.part(name)
                for paragraph in margin.iter(W + "p") if margin is not None else ():
                    gathering.note_margin(_words(paragraph))
                for words in _drawn_words(margin) if margin is not None else ():
                    gathering.note_margin(words)
        comments = _first(package, main[0], "comments")
        for comment in comments if comments is not None else ():
            gathering.note_left_out(FindingKind.COMMENT, _words(comment))
        package.report()
    return gathering.extracted()


class _Package:
    """The parts of a .docx and what they refer to."""

    def __init__(self, archive: SafeZip, gathering: Gathering) -> None:
        self._archive = archive
        self._to = gathering

    def part(self, name: str) -> etree._Element | None:
        """Return a part; None where there is none."""
        if name not in self._archive.names:
            return None
        # "Strict" documents differ in nothing but the name of their language.
        raw = self._archive.read(name).replace(_STRICT, W[1:-1].encode())
        return safexml.parse(raw, self._to.name, self._to.limits)

    def related(self, source: str, kind: str) -> list[str]:
        """Return the parts that another names as its styles, headers and so on."""
        folder, name = posixpath.split(source)
        relations = self.part(posixpath.join(folder, "_rels", f"{name}.rels"))
        found = []
        for relation in relations.iter(_RELATION) if relations is not None else ():
            if (relation.get("Type") or "").endswith(f"/{kind}") and relation.get("TargetMode") != "External":
                target = posixpath.normpath(posixpath.join("/", folder, relation.get("Target") or ""))
                found.append(target.lstrip("/"))
        return found

    def report(self) -> None:
        """Note macros, embedded files, pictures and links that lead out."""
        for name in sorted(self._archive.names):
            if posixpath.basename(name).lower() == "vbaproject.bin":
                self._to.note(FindingKind.MACROS, posixpath.basename(name))
            elif name.lower().startswith(("word/embeddings/", "word/activex/")) and not name.endswith((".rels", "/")):
                self._to.note(FindingKind.EMBEDDED_FILE, posixpath.basename(name))
            elif name.lower().startswith("word/media/") and not name.endswith("/"):
                self._to.note(FindingKind.PICTURE)
            elif name.endswith(".rels"):
                relations = self.part(name)
                for relation in relations.iter(_RELATION) if relations is not None else ():
                    target = relation.get("Target") or ""
                    if relation.get("TargetMode") == "External":
                        self._to.note(FindingKind.EXTERNAL_LINK, target)
                    elif (relation.get("Type") or "").endswith("/aFChunk"):
                        self._to.note(FindingKind.EMBEDDED_FILE, posixpath.basename(target))


class _Document:
    def __init__(self, gathering: Gathering, styles: Styles, numbering: Numbering, is_dark: bool) -> None:
        self._to = gathering
        self._styles = styles
        self._numbering = numbering
        self._base = Look(shaded=is_dark)
        self._depth = 0

    def blocks(self, parent: etree._Element, base: Look | None = None, into: list[str] | None = None) -> None:
        """Take paragraphs and tables one after the other.

        Args:
            base: what surrounds them: a shaded cell, a filled box.
            into: where the words go instead; tables are then left to the caller.
        """
        base = base or self._base
        for block in parent:
            if block.tag == W + "p":
                self._paragraph(block, base, into)
            elif block.tag == W + "tbl":
                if into is None:
                    self._table(block, base)
            elif block.tag in _DELETED:
                self._to.note_left_out(FindingKind.TRACKED_DELETION, _words(block))
            elif block.tag in _THROUGH or block.tag in _ALSO_THROUGH or block.tag in _INSERTED:
                if block.tag in _INSERTED:
                    self._to.note_left_out(FindingKind.TRACKED_INSERTION, _words(block))
                self.blocks(block, base, into)

    # --- Paragraphs ---------------------------------------------------------------------------------------------

    def _paragraph(self, paragraph: etree._Element, base: Look, into: list[str] | None) -> None:
        properties = paragraph.find(W + "pPr")
        style = value(properties, "pStyle")
        if _is_far(properties):
            self._to.note_left_out(FindingKind.OFF_PAGE, _words(paragraph))
            return
        heading = self._heading(properties, style)
        base = replace(base, shaded=base.shaded or is_shaded(properties))
        mark, boxes = self._mark(properties, style), list[tuple[etree._Element, bool]]()
        text = self._to.joined(self._pieces(paragraph, style, base, boxes))
        lines = [text.replace("\n", " ")] if heading or into is not None else text.split("\n")
        words = [line for line in lines if tidy(line)]
        if words and mark:
            words[0] = f"{mark} {words[0]}"
        for line in words:
            if into is None:
                self._to.add(line, heading=heading)
            else:
                into.append(line)
        self._to.end_paragraph()
        for box, is_filled in boxes:
            self.blocks(box, replace(base, shaded=base.shaded or is_filled), into)

    def _heading(self, properties: etree._Element | None, style: str) -> int:
        level = value(properties, "outlineLvl")
        if level.isdecimal() and int(level) < 9:
            return min(int(level) + 1, 6)
        return self._styles.heading(style)

    def _mark(self, properties: etree._Element | None, style: str) -> str:
        """Return the number or bullet that Word draws before a paragraph."""
        numbers = properties.find(W + "numPr") if properties is not None else None
        if numbers is not None and value(numbers, "numId"):
            level = value(numbers, "ilvl")
            place: tuple[str, int] | None = value(numbers, "numId"), int(level) if level.isdecimal() else 0
        else:
            place = self._numbering.level_of(style, self._styles.numbering(style))
        return self._numbering.mark(*place) if place is not None else ""

    def _pieces(
        self, parent: etree._Element, style: str, base: Look, boxes: list[tuple[etree._Element, bool]]
    ) -> Iterator[tuple[str, str]]:
        """Yield (words, old font or "") of a paragraph as it is read; boxes are put aside."""
        for child in parent:
            if child.tag == W + "r":
                yield from self._run(child, style, base, boxes)
            elif child.tag in _DELETED:
                self._to.note_left_out(FindingKind.TRACKED_DELETION, _words(child))
            elif child.tag in _THROUGH or child.tag in _ALSO_THROUGH or child.tag in _INSERTED:
                if child.tag in _INSERTED:
                    self._to.note_left_out(FindingKind.TRACKED_INSERTION, _words(child))
                yield from self._pieces(child, style, base, boxes)

    def _run(
        self, run: etree._Element, style: str, base: Look, boxes: list[tuple[etree._Element, bool]]
    ) -> Iterator[tuple[str, str]]:
        properties = run.find(W + "rPr")
        look = look_of(properties, self._styles.look(style, value(properties, "rStyle")))
        look = replace(look, shaded=look.shaded or base.shaded)
        text = "".join(self._content(run, boxes))
        if look.left_out is not None:
            self._to.omit(look.left_out, text)
        elif text:
            yield text, look.font

    def _content(self, run: etree._Element, boxes: list[tuple[etree._Element, bool]]) -> Iterator[str]:
        for child in run:
            if child.tag == W + "t":
                yield child.text or ""
            elif child.tag in {W + "tab", W + "ptab"}:
                yield " "
            elif child.tag in {W + "br", W + "cr"}:
                yield "\n"
            elif child.tag == W + "noBreakHyphen":
                yield "-"
            elif child.tag == W + "sym":
                yield _SYMBOL_BULLETS.get((child.get(W + "char") or "").lower(), "")
            elif child.tag == W + "instrText" and _FETCHES.search(child.text or ""):
                self._to.note(FindingKind.EXTERNAL_LINK, child.text or "")
            elif not isinstance(child.tag, str) or (child.tag.startswith(W) and child.tag not in _HOLDS_BOXES):
                continue
            else:
                yield "".join(f"\n{words}\n" for words in _drawn_words(child))
                for box, is_filled in _boxes(child):
                    if _is_box_far(box):
                        self._to.note_left_out(FindingKind.OFF_PAGE, _words(box))
                    else:
                        boxes.append((box, is_filled))

    # --- Tables -------------------------------------------------------------------------------------------------

    def _table(self, table: etree._Element, base: Look) -> None:
        """Take a table row by row; a table within a cell follows the row and is reported."""
        style = value(table.find(W + "tblPr"), "tblStyle")
        base = replace(base, shaded=base.shaded or self._styles.is_shaded(style))
        rows = list(_rows(table))
        kept = [row for row in rows if is_on(row.find(W + "trPr"), "del") is None]
        for row in rows:
            if row not in kept:
                self._to.note_left_out(FindingKind.TRACKED_DELETION, _words(row))
        cells_of = [list(_cells(row)) for row in kept]
        if self._is_layout(table, cells_of):
            for cells in cells_of:
                for cell in cells:
                    self.blocks(cell, _in_cell(cell, base))
            return
        for row, cells in zip(kept, cells_of, strict=True):
            if is_on(row.find(W + "trPr"), "ins") is not None:
                self._to.note_left_out(FindingKind.TRACKED_INSERTION, _words(row))
            texts, inner = [], []
            for cell in cells:
                words: list[str] = []
                self.blocks(cell, _in_cell(cell, base), words)
                texts.append(" ".join(words))
                inner += [(nested, _in_cell(cell, base)) for nested in _tables_in(cell)]
            self._to.add_row(texts)
            for nested, around in inner:
                self._to.note(FindingKind.NESTED_TABLE, _words(nested))
                self._table(nested, around)

    def _is_layout(self, table: etree._Element, cells_of: list[list[etree._Element]]) -> bool:
        """Whether a table only places text: a frame of one cell, or the two halves of the head of a document."""
        if len(cells_of) == 1 and len(cells_of[0]) == 1:
            return True
        if len(self._to) or len(cells_of) > _LAYOUT_ROWS or any(len(cells) != 2 for cells in cells_of):
            return False
        borders = table.find(f"{W}tblPr/{W}tblBorders")
        drawn = [each for each in borders if each.get(W + "val") not in {"nil", "none"}] if borders is not None else []
        paragraphs = max((len(cell.findall(W + "p")) for cells in cells_of for cell in cells), default=0)
        return not drawn and paragraphs > 1


_HOLDS_BOXES = frozenset([W + "drawing", W + "pict", W + "object"])


def _first(package: _Package, source: str, kind: str) -> etree._Element | None:
    names = package.related(source, kind)
    return package.part(names[0]) if names else None


def _has_dark_page(root: etree._Element) -> bool:
    background = root.find(W + "background")
    colour = (background.get(W + "color") or "auto") if background is not None else "auto"
    return colour.lower() != "auto" and not is_pale(colour)


def _words(element: etree._Element) -> str:
    """Return all words within an element, deleted ones too."""
    texts = (each.text or "" if each.tag != W + "p" else " " for each in element.iter(W + "t", W + "delText", W + "p"))
    return "".join(texts)


def _drawn_words(element: etree._Element) -> Iterator[str]:
    """Yield the words that are drawn as a picture of letters: WordArt, and the watermark behind a page."""
    for path in element.iter(_VML + "textpath"):
        if not any(above.tag == _CHOICE + "Fallback" for above in path.iterancestors()):
            yield path.get("string") or ""


def _boxes(drawing: etree._Element) -> Iterator[tuple[etree._Element, bool]]:
    """Yield the text boxes of a drawing, each with whether it is filled; the second shape of the same is left out."""
    for box in drawing.iter(W + "txbxContent"):
        above = list(box.iterancestors())
        if any(each.tag in {_CHOICE + "Fallback", W + "txbxContent"} for each in above[: above.index(drawing)]):
            continue
        yield box, any(_is_filled(each) for each in above[: above.index(drawing)])


def _is_filled(shape: etree._Element) -> bool:
    colours = [each.get("val") or "" for each in shape.findall(f"{_SHAPE}spPr/{_DRAWING}solidFill/{_DRAWING}srgbClr")]
    if shape.tag.startswith(_VML):
        colours.append(shape.get("fillcolor") or "")
    return any(colour and not is_pale(colour) and colour.lower() != "white" for colour in colours)


def _is_far(properties: etree._Element | None) -> bool:
    """Whether a paragraph stands outside any sheet of paper: in a frame far away, or indented out of sight."""
    places = [(value(properties, "framePr", axis), _FAR_TWIPS) for axis in ("x", "y")]
    places += [(value(properties, "ind", side), _FAR_TWIPS) for side in ("left", "start", "firstLine")]
    return any(_NUMBER.fullmatch(place) and abs(int(place)) > far for place, far in places)


def _is_box_far(box: etree._Element) -> bool:
    for above in box.iterancestors(_PLACE + "anchor", _VML + "shape", _VML + "rect"):
        offsets = [each.text or "" for each in above.iter(_PLACE + "posOffset")]
        if any(_NUMBER.fullmatch(offset) and abs(int(offset)) > _FAR_EMU for offset in offsets):
            return True
        moved = _VML_PLACE.findall(above.get("style") or "")
        if any(int(points) > _FAR_POINTS for points in moved):
            return True
    return False


def _rows(table: etree._Element) -> Iterator[etree._Element]:
    yield from _through(table, W + "tr")


def _cells(row: etree._Element) -> Iterator[etree._Element]:
    yield from _through(row, W + "tc")


def _tables_in(cell: etree._Element) -> Iterator[etree._Element]:
    yield from _through(cell, W + "tbl")


def _through(parent: etree._Element, tag: str) -> Iterator[etree._Element]:
    """Yield children of a kind, also those in content controls."""
    for child in parent:
        if child.tag == tag:
            yield child
        elif child.tag in _THROUGH or child.tag in _INSERTED:
            yield from _through(child, tag)


def _in_cell(cell: etree._Element, base: Look) -> Look:
    return replace(base, shaded=base.shaded or is_shaded(cell.find(W + "tcPr")))
