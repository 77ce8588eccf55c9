"""OpenDocument text -> paragraphs; macros and embedded objects are reported, never run or opened."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from lxml import etree

from knowledge.intake import safexml
from knowledge.intake.gathering import Gathering, is_pale, old_font, tidy
from knowledge.intake.looks import Look
from knowledge.intake.marks import counted
from knowledge.intake.model import Extracted, FindingKind, IntakeError, Limits, Refusal
from knowledge.intake.safezip import SafeZip, open_zip

_OASIS = "urn:oasis:names:tc:opendocument:xmlns:"
OFFICE, STYLE, TEXT = (f"{{{_OASIS}{name}:1.0}}" for name in ("office", "style", "text"))
TABLE, DRAW = (f"{{{_OASIS}{name}:1.0}}" for name in ("table", "drawing"))
FO, MANIFEST = f"{{{_OASIS}xsl-fo-compatible:1.0}}", f"{{{_OASIS}manifest:1.0}}"
XLINK = "{http://www.w3.org/1999/xlink}"
_THROUGH = frozenset(TEXT + tag for tag in ("section", "index-body", "index-title", "numbered-paragraph"))
_INDEXES = frozenset(TEXT + tag for tag in ("table-of-content", "illustration-index", "table-index", "user-index"))
_NO_WORDS = frozenset([TEXT + "tracked-changes", OFFICE + "forms", TEXT + "sequence-decls", TEXT + "variable-decls"])
_OUTSIDE = ("http:", "https:", "ftp:", "file:", "//", "\\\\", "../")
_POINTS = {"pt": 1.0, "in": 72.0, "cm": 28.35, "mm": 2.835, "px": 0.75}
_SMALLEST_POINTS, _DEEPEST_STYLES, _MOST_SPACES = 4.0, 20, 100


@dataclass(slots=True)
class _List:
    """A list that is being read: its style, how deep, how far counted on each level."""

    style: str
    level: int
    counts: dict[int, int] = field(default_factory=dict)


def read_odt(path: Path, limits: Limits) -> Extracted:
    """Return paragraphs and rows of tables in the order of the document, footnotes last.

    Raises:
        IntakeError: not a whole .odt, encrypted, or larger inside than is allowed.
    """
    gathering = Gathering(path.name, limits)
    with open_zip(path, limits) as archive:
        _check_manifest(archive, gathering)
        content = safexml.parse(archive.read("content.xml"), path.name, limits)
        body = content.find(f"{OFFICE}body/{OFFICE}text")
        if body is None:
            raise IntakeError(path.name, Refusal.BROKEN)
        roots = [content]
        if "styles.xml" in archive.names:
            roots.insert(0, safexml.parse(archive.read("styles.xml"), path.name, limits))
        document = _Document(gathering, _Styles(roots), body)
        document.blocks(body, Look())
        document.end()
        for margin in (each for root in roots for each in root.iter(STYLE + "header", STYLE + "footer")):
            for paragraph in margin.iter(TEXT + "p", TEXT + "h"):
                gathering.note_margin(_words(paragraph))
        _report(archive, content, gathering)
    return gathering.extracted()


def _check_manifest(archive: SafeZip, gathering: Gathering) -> None:
    name = "META-INF/manifest.xml"
    if name in archive.names:
        manifest = safexml.parse(archive.read(name), gathering.name, gathering.limits)
        if next(manifest.iter(MANIFEST + "encryption-data"), None) is not None:
            raise IntakeError(gathering.name, Refusal.ENCRYPTED)


def _report(archive: SafeZip, content: etree._Element, gathering: Gathering) -> None:
    scripts = [name for name in archive.names if name.startswith(("Basic/", "Scripts/")) and not name.endswith("/")]
    for name in sorted(scripts):
        gathering.note(FindingKind.MACROS, name.rpartition("/")[2])
    for name in archive.names:
        if name.startswith("Pictures/") and not name.endswith("/"):
            gathering.note(FindingKind.PICTURE)
    for element in content.iter(DRAW + "object", DRAW + "object-ole", DRAW + "plugin", DRAW + "applet"):
        gathering.note(FindingKind.EMBEDDED_FILE, element.get(XLINK + "href") or "")
    for element in content.iter():
        target = element.get(XLINK + "href") or "" if isinstance(element.tag, str) else ""
        if target.lower().startswith(_OUTSIDE):
            gathering.note(FindingKind.EXTERNAL_LINK, target)


class _Styles:
    def __init__(self, roots: list[etree._Element]) -> None:
        self._styles: dict[tuple[str, str], etree._Element] = {}
        self._defaults: dict[str, etree._Element] = {}
        self.lists: dict[str, etree._Element] = {}
        self._fonts: dict[str, str] = {}
        for root in roots:
            for style in root.iter(STYLE + "style"):
                self._styles[(style.get(STYLE + "family") or "", style.get(STYLE + "name") or "")] = style
            for style in root.iter(STYLE + "default-style"):
                self._defaults[style.get(STYLE + "family") or ""] = style
            for style in root.iter(TEXT + "list-style"):
                self.lists[style.get(STYLE + "name") or ""] = style
            for face in root.iter(STYLE + "font-face"):
                family = face.get(f"{{{_OASIS}svg-compatible:1.0}}font-family") or ""
                self._fonts[face.get(STYLE + "name") or ""] = family.strip("'\"")

    def chain(self, family: str, name: str) -> list[etree._Element]:
        """Return the default style, what a style is based on, and itself."""
        found = []
        for _ in range(_DEEPEST_STYLES):
            style = self._styles.get((family, name))
            if style is None:
                break
            found.append(style)
            name = style.get(STYLE + "parent-style-name") or ""
        default = self._defaults.get(family)
        return [*([default] if default is not None else []), *reversed(found)]

    def look(self, family: str, name: str, look: Look) -> Look:
        """Return a look with what a style changes of it."""
        styles = self.chain(family, name)
        if family == "text" and styles:
            # Only what the style itself says: its defaults must not undo what the paragraph says.
            styles = [style for style in styles if style.tag == STYLE + "style"]
        for style in styles:
            for properties in style:
                look = self._changed(properties, look)
        return look

    def _changed(self, properties: etree._Element, look: Look) -> Look:
        background = properties.get(FO + "background-color") or ""
        if background and background != "transparent":
            look = replace(look, shaded=not is_pale(background))
        if properties.tag != STYLE + "text-properties":
            return look
        display, colour = properties.get(TEXT + "display"), properties.get(FO + "color") or ""
        size, font = _points(properties.get(FO + "font-size") or ""), properties.get(STYLE + "font-name") or ""
        font = self._fonts.get(font, font) or (properties.get(FO + "font-family") or "").strip("'\"")
        if display:
            look = replace(look, hidden=display == "none")
        if colour:
            look = replace(look, pale=is_pale(colour))
        if properties.get(STYLE + "use-window-font-color") == "true":
            look = replace(look, pale=False)
        if size is not None:
            look = replace(look, tiny=size < _SMALLEST_POINTS)
        if font:
            look = replace(look, font=old_font(font))
        return look

    def is_filled(self, name: str) -> bool:
        """Whether a style of frames gives them a background that white can be read on."""
        for style in reversed(self.chain("graphic", name)):
            for properties in style.iter(STYLE + "graphic-properties"):
                colour = properties.get(DRAW + "fill-color") or properties.get(FO + "background-color") or ""
                if properties.get(DRAW + "fill") == "none":
                    return False
                if colour and colour != "transparent":
                    return not is_pale(colour)
        return False

    def of_paragraph(self, name: str, attribute: str) -> str:
        """Return an attribute that a paragraph style, or one it is based on, has itself."""
        values = [style.get(attribute) for style in self.chain("paragraph", name)]
        return next((value for value in reversed(values) if value), "")


class _Document:
    def __init__(self, gathering: Gathering, styles: _Styles, body: etree._Element) -> None:
        self._to = gathering
        self._styles = styles
        self._notes: list[etree._Element] = []
        self._counts: dict[str, dict[int, int]] = {}
        self._inserted = _inserted(body)
        self._insertions: dict[str, list[str]] = {}
        for deletion in body.iter(TEXT + "deletion"):
            self._to.note_left_out(FindingKind.TRACKED_DELETION, _body_words(deletion))

    def blocks(
        self, parent: etree._Element, look: Look, into: list[str] | None = None, within: _List | None = None
    ) -> None:
        """Take paragraphs, lists and tables one after the other; into a cell's words, tables are left to the caller."""
        mark = ""
        for block in parent:
            if not isinstance(block.tag, str) or block.tag in _NO_WORDS:
                continue
            if block.tag in {TEXT + "p", TEXT + "h"}:
                self._paragraph(block, look, into, mark)
                mark = ""
            elif block.tag == TEXT + "list":
                self._list(block, look, into, within)
            elif block.tag == TABLE + "table":
                if into is None:
                    self._table(block, look)
            elif block.tag in _THROUGH or block.tag in _INDEXES:
                if block.get(TEXT + "display") in {"none", "condition"} or block.get(TEXT + "is-hidden") == "true":
                    self._to.note_left_out(FindingKind.HIDDEN_TEXT, _words(block))
                else:
                    self.blocks(block, look, into, within)
            elif block.tag in {TEXT + "change-start", TEXT + "change-end"}:
                self._change(block)
            elif block.tag.startswith(DRAW):
                self._boxes(block, look, into)

    def end(self) -> None:
        """Take the footnotes, which stand last, and report what was inserted under tracking."""
        for note in self._notes:
            self.blocks(note, Look())
        for change in self._inserted.values():
            self._to.note_left_out(FindingKind.TRACKED_INSERTION, "".join(self._insertions.get(change, [])))

    # --- Lists --------------------------------------------------------------------------------------------------

    def _list(self, element: etree._Element, look: Look, into: list[str] | None, within: _List | None) -> None:
        style = element.get(TEXT + "style-name") or (within.style if within else "")
        if within is not None:
            own = _List(style, within.level + 1, within.counts)
        else:
            goes_on = element.get(TEXT + "continue-numbering") == "true" or element.get(TEXT + "continue-list")
            counts = self._counts.get(style, {}) if goes_on else {}
            self._counts[style] = counts
            own = _List(style, 1, counts)
        for item in element:
            if item.tag not in {TEXT + "list-item", TEXT + "list-header"}:
                continue
            first = next((each for each in item if each.tag in {TEXT + "p", TEXT + "h"}), None)
            mark = self._item_mark(item, own) if first is not None and item.tag == TEXT + "list-item" else ""
            for block in item:
                if block.tag in {TEXT + "p", TEXT + "h"}:
                    self._paragraph(block, look, into, mark if block is first else "")
                elif block.tag == TEXT + "list":
                    self._list(block, look, into, own)

    def _item_mark(self, item: etree._Element, own: _List) -> str:
        style = self._styles.lists.get(own.style)
        shapes = {_whole(each.get(TEXT + "level")): each for each in style} if style is not None else {}
        shape = shapes.get(own.level)
        if shape is None or shape.tag != TEXT + "list-level-style-number":
            return "-" if shape is None or shape.tag == TEXT + "list-level-style-bullet" else ""
        follows = own.counts.get(own.level, _whole(shape.get(TEXT + "start-value")) - 1) + 1
        begin = _whole(item.get(TEXT + "start-value"), follows)
        own.counts[own.level] = begin
        for below in [level for level in own.counts if level > own.level]:
            del own.counts[below]
        shown = _whole(shape.get(TEXT + "display-levels"))
        numbers = []
        for level in range(max(own.level - shown + 1, 1), own.level + 1):
            kind = shapes[level].get(STYLE + "num-format") or "" if level in shapes else ""
            if kind:
                numbers.append(counted(own.counts.get(level, 1), kind))
        if not numbers:
            return ""
        return f"{shape.get(STYLE + 'num-prefix') or ''}{'.'.join(numbers)}{shape.get(STYLE + 'num-suffix') or ''}"

    # --- Paragraphs ---------------------------------------------------------------------------------------------

    def _paragraph(self, paragraph: etree._Element, look: Look, into: list[str] | None, mark: str = "") -> None:
        name = paragraph.get(TEXT + "style-name") or ""
        level = paragraph.get(TEXT + "outline-level") or self._styles.of_paragraph(
            name, STYLE + "default-outline-level"
        )
        heading = _whole(level, 0) if paragraph.tag == TEXT + "h" else 0
        if not heading and self._styles.of_paragraph(name, STYLE + "display-name") == "Title":
            heading = 1
        boxes: list[etree._Element] = []
        look = self._styles.look("paragraph", name, look)
        text = self._to.joined(self._pieces(paragraph, look, boxes))
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
        for box in boxes:
            self._boxes(box, look, into)

    def _pieces(self, parent: etree._Element, look: Look, boxes: list[etree._Element]) -> Iterator[tuple[str, str]]:
        yield from self._said(parent.text, look)
        for child in parent:
            if isinstance(child.tag, str):
                yield from self._piece(child, look, boxes)
            yield from self._said(child.tail, look)

    def _piece(self, child: etree._Element, look: Look, boxes: list[etree._Element]) -> Iterator[tuple[str, str]]:
        tag = child.tag
        if tag == TEXT + "s":
            yield from self._said(" " * min(_whole(child.get(TEXT + "c")), _MOST_SPACES), look)
        elif tag == TEXT + "tab":
            yield from self._said(" ", look)
        elif tag == TEXT + "line-break":
            yield from self._said("\n", look)
        elif tag in {TEXT + "change-start", TEXT + "change-end"}:
            self._change(child)
        elif tag == OFFICE + "annotation":
            self._to.note_left_out(FindingKind.COMMENT, _words_of_comment(child))
        elif tag in {TEXT + "hidden-text", TEXT + "hidden-paragraph"}:
            self._to.note_left_out(FindingKind.HIDDEN_TEXT, child.get(TEXT + "string-value") or _words(child))
        elif tag == TEXT + "note":
            body = child.find(TEXT + "note-body")
            if body is not None:
                self._notes.append(body)
        elif tag.startswith(DRAW):
            boxes.append(child)
        elif tag == TEXT + "span":
            look = self._styles.look("text", child.get(TEXT + "style-name") or "", look)
            yield from self._pieces(child, look, boxes)
        elif tag.startswith(TEXT):
            yield from self._pieces(child, look, boxes)

    def _said(self, text: str | None, look: Look) -> Iterator[tuple[str, str]]:
        if not text:
            return
        # Within a paragraph the file's own line breaks are spaces; those that are meant are elements.
        words = text if text == "\n" else text.replace("\n", " ")
        if look.left_out is not None:
            self._to.omit(look.left_out, words)
            return
        for change in self._open_changes():
            self._insertions.setdefault(change, []).append(words)
        yield words, look.font

    def _open_changes(self) -> list[str]:
        return [change for change, parts in self._insertions.items() if parts and parts[0] == ""]

    def _change(self, element: etree._Element) -> None:
        """Begin or end what was inserted under tracking; an open insertion begins with an empty piece."""
        change = self._inserted.get(element.get(TEXT + "change-id") or "")
        if change is not None:
            if element.tag == TEXT + "change-start":
                self._insertions[change] = [""]
            else:
                self._insertions[change] = self._insertions.get(change, [""])[1:]

    def _boxes(self, frame: etree._Element, look: Look, into: list[str] | None) -> None:
        for box in frame.iter(DRAW + "text-box"):
            if not any(each.tag == DRAW + "text-box" for each in _between(box, frame)):
                filled = look.shaded or self._styles.is_filled(frame.get(DRAW + "style-name") or "")
                self.blocks(box, replace(look, shaded=filled), into)

    # --- Tables -------------------------------------------------------------------------------------------------

    def _table(self, table: etree._Element, look: Look) -> None:
        rows = list(_rows(table))
        cells_of = [[cell for cell in row if cell.tag == TABLE + "table-cell"] for row in rows]
        if len(rows) == 1 and len(cells_of[0]) == 1:
            self.blocks(cells_of[0][0], self._in_cell(cells_of[0][0], look))
            return
        for cells in cells_of:
            texts, inner = [], []
            for cell in cells:
                words: list[str] = []
                around = self._in_cell(cell, look)
                self.blocks(cell, around, words)
                texts.append(" ".join(words))
                inner += [(nested, around) for nested in cell if nested.tag == TABLE + "table"]
            self._to.add_row(texts)
            for nested, around in inner:
                self._to.note(FindingKind.NESTED_TABLE, _words(nested))
                self._table(nested, around)

    def _in_cell(self, cell: etree._Element, look: Look) -> Look:
        return self._styles.look("table-cell", cell.get(TABLE + "style-name") or "", look)


def _inserted(body: etree._Element) -> dict[str, str]:
    """Return {change id: region} of what was inserted under tracking."""
    found = {}
    for region in body.iter(TEXT + "changed-region"):
        if region.find(TEXT + "insertion") is not None:
            key = region.get(TEXT + "id") or region.get("{http://www.w3.org/XML/1998/namespace}id") or ""
            found[key] = key
    return found


def _rows(table: etree._Element) -> Iterator[etree._Element]:
    for child in table:
        if child.tag == TABLE + "table-row":
            yield child
        elif child.tag in {TABLE + "table-header-rows", TABLE + "table-rows", TABLE + "table-row-group"}:
            yield from _rows(child)


def _between(inner: etree._Element, outer: etree._Element) -> Iterator[etree._Element]:
    for above in inner.iterancestors():
        if above is outer:
            return
        yield above


def _words(element: etree._Element) -> str:
    return " ".join(str(part) for part in element.itertext())


def _body_words(change: etree._Element) -> str:
    """Return the words of a change, without who made it and when."""
    return " ".join(_words(child) for child in change if child.tag != OFFICE + "change-info")


def _words_of_comment(comment: etree._Element) -> str:
    return " ".join(_words(child) for child in comment if child.tag in {TEXT + "p", TEXT + "list"})


def _whole(text: str | None, default: int = 1) -> int:
    return int(text) if text is not None and re.fullmatch("[0-9]{1,6}", text) else default


def _points(size: str) -> float | None:
    number, unit = size[:-2], size[-2:]
    try:
        return float(number) * _POINTS[unit]
    except (ValueError, KeyError):
        # A share of another size; it is judged by that.
        return None
