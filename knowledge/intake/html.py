"""HTML -> paragraphs; scripts are never run and nothing is fetched."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from lxml import etree

from knowledge.intake.encodings import decode
from knowledge.intake.gathering import Gathering, is_pale, old_font, tidy
from knowledge.intake.marks import counted
from knowledge.intake.model import Extracted, FindingKind, IntakeError, Limits, Refusal

_CHARSET = re.compile(rb"<meta[^>]+charset\s*=\s*[\"']?\s*([\w-]+)", re.IGNORECASE)
_LEFT_OUT = frozenset("script style noscript template head title svg math object embed iframe select button".split())
_EMBEDDED = frozenset("object embed iframe applet".split())
_BLOCKS = frozenset(
    "address article aside blockquote body center dd details div dl dt fieldset figcaption figure footer form h1 h2 h3 "
    "h4 h5 h6 header hr html li main ol p pre section summary table tbody td tfoot th thead tr ul br".split()
)
_RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")
_SELECTOR = re.compile(r"([a-zA-Z][\w-]*)?((?:[.#][\w-]+)*)")
_SIZE = re.compile(r"(\d*\.?\d+)\s*(pt|px|em|rem|%)?")
_POINTS = {"pt": 1.0, "px": 0.75, "em": 11.0, "rem": 11.0, "%": 0.11, None: 0.75}
_FAR = re.compile(r"-\s*(\d{1,99})\s*(?:px|pt|em|rem|vw|%)?")
_RGB = re.compile(r"rgba?\(\s*(\d{1,3})\s*[,\s]\s*(\d{1,3})\s*[,\s]\s*(\d{1,3})\s*(?:[,/]\s*(\d*\.?\d+)\s*)?\)")
_HSL = re.compile(r"hsla?\([^,\s]+\s*[,\s]\s*[\d.]+%\s*[,\s]\s*(\d*\.?\d+)%[^)]*\)")
_CUT_AWAY = re.compile(r"rect\(\s*([01])(?:px)?(?:[\s,]+\1(?:px)?){3}\s*\)|inset\(\s*(?:50|100)%\s*\)")
_NO_ROOM = re.compile(r"[01](?:px)?")
_NAMED = {"white": "ffffff", "snow": "fffafa", "ivory": "fffff0", "ghostwhite": "f8f8ff", "whitesmoke": "f5f5f5"}
_LIST_KINDS = {"lower-alpha": "a", "lower-latin": "a", "upper-alpha": "A", "lower-roman": "i", "upper-roman": "I"}
_HIDING = {
    "display": {"none"},
    "visibility": {"hidden", "collapse"},
    "mso-hide": {"all"},
    "opacity": {"0", "0.0", "0%"},
}
_SMALLEST_POINTS, _FAR_AWAY = 4.0, 500
_DEEPEST = 250


@dataclass(frozen=True, slots=True)
class _Look:
    """How the text of an element looks, with what it inherits."""

    hidden: FindingKind | None = None
    pale: bool = False
    shaded: bool = False
    tiny: bool = False
    font: str = ""

    @property
    def left_out(self) -> FindingKind | None:
        if self.hidden is not None:
            return self.hidden
        if self.pale and not self.shaded:
            return FindingKind.WHITE_TEXT
        return FindingKind.TINY_TEXT if self.tiny else None


def read_html(path: Path, limits: Limits) -> Extracted:
    """Return the text of a page: headings, lists with their marks, tables row by row.

    Raises:
        IntakeError: no text in a known encoding, nested too deep, or too long.
    """
    gathering = Gathering(path.name, limits)
    root = _parsed(_text(path.read_bytes(), gathering), path.name)
    if root is not None:
        styles = _styles(root)
        _Page(gathering, styles).walk(root)
    return gathering.extracted()


def _text(raw: bytes, gathering: Gathering) -> str:
    declared = _CHARSET.search(raw[:4096])
    name = declared[1].decode("ascii").lower() if declared else ""
    if name and name not in {"utf-8", "utf8", "utf-16", "unicode", "iso-8859-1", "windows-1252", "x-user-defined"}:
        try:
            return raw.decode(name)
        except (LookupError, UnicodeDecodeError):
            # The page is wrong about itself; what it holds is found out below.
            name = ""
    text, findings = decode(raw)
    for finding in findings:
        # Damage is looked for in the words, when they are known; here it would be in the marks around them too.
        if finding.kind is not FindingKind.BROKEN_ACCENT:
            gathering.take(finding)
    return text


def _parsed(text: str, name: str) -> etree._Element | None:
    parser = etree.HTMLParser(no_network=True, huge_tree=False, encoding="utf-8", recover=True)
    try:
        # A declaration of another encoding no longer holds: the text is UTF-8 by now.
        root = etree.fromstring(text.encode("utf-8", "replace"), parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        if "Document is empty" in str(error):
            raise IntakeError(name, Refusal.NO_TEXT) from error
        raise IntakeError(name, Refusal.BROKEN) from error
    if any("xcessive depth" in entry.message or "too long" in entry.message for entry in parser.error_log):
        # The parser would silently drop the rest.
        raise IntakeError(name, Refusal.BROKEN, {"problem": "nested too deep"})
    return root


class _Page:
    def __init__(self, gathering: Gathering, styles: Mapping[str, Mapping[str, str]]) -> None:
        self._to = gathering
        self._styles = styles
        self._line: list[tuple[str, str]] = []
        self._waiting = ""
        self._next: dict[etree._Element, int] = {}
        self._tables = 0
        self._heading = 0

    def walk(self, root: etree._Element) -> None:
        self._element(root, _Look(), 0)
        self._end()

    def _element(self, element: etree._Element, look: _Look, depth: int) -> None:
        if not isinstance(element.tag, str):
            if isinstance(element, etree._Comment):
                self._comment(element.text or "")
            return
        tag = element.tag.lower()
        if depth > _DEEPEST:
            raise IntakeError(self._to.name, Refusal.BROKEN, {"problem": "nested too deep"})
        if tag in _LEFT_OUT:
            if tag in _EMBEDDED:
                self._to.note(FindingKind.EMBEDDED_FILE, element.get("src") or element.get("data") or "")
            return
        if tag == "nav" or (tag == "footer" and not _is_of_text(element)):
            self._to.note_left_out(FindingKind.HEADER_OR_FOOTER, _all_text(element))
            return
        if tag == "img" and (element.get("src") or "").startswith(("http:", "https:", "//", "file:")):
            self._to.note(FindingKind.EXTERNAL_LINK, element.get("src") or "")
        look = self._looks(element, tag, look)
        if tag in _BLOCKS:
            self._end()
        if tag == "table":
            self._table(element, look, depth)
            return
        outer = self._heading
        if tag[0] == "h" and tag[1:] in {"1", "2", "3", "4", "5", "6"}:
            self._heading = int(tag[1:])
        if tag == "del":
            self._to.note_left_out(FindingKind.TRACKED_DELETION, _all_text(element))
            self._heading = outer
            return
        if tag == "ins":
            self._to.note_left_out(FindingKind.TRACKED_INSERTION, _all_text(element))
        if tag == "li":
            self._waiting = self._mark(element)
        self._say(element.text or "", look)
        for child in element:
            self._element(child, look, depth + 1)
            self._say(child.tail or "", look)
        if tag in _BLOCKS:
            self._end()
        if tag == "li":
            self._waiting = ""
        self._heading = outer

    def _table(self, table: etree._Element, look: _Look, depth: int) -> None:
        """Row by row; a table inside a cell follows the row, and is reported."""
        if self._tables:
            self._to.note(FindingKind.NESTED_TABLE, _all_text(table)[:200])
        rows = list(_own(table, "tr"))
        for row in rows:
            cells = [cell for cell in row if isinstance(cell.tag, str) and cell.tag.lower() in {"td", "th"}]
            if len(cells) == 1 and len(rows) == 1:
                self._element_of_cell(cells[0], look, depth)
                continue
            row_look = self._looks(row, "tr", look)
            texts, inner = [], list[etree._Element]()
            for cell in cells:
                texts.append(self._cell(cell, row_look, depth, inner))
            self._to.add_row(texts)
            self._tables += 1
            for nested in inner:
                self._table(nested, row_look, depth + 1)
            self._tables -= 1

    def _element_of_cell(self, cell: etree._Element, look: _Look, depth: int) -> None:
        """A table of one cell is a frame around text."""
        look = self._looks(cell, "td", look)
        self._say(cell.text or "", look)
        for child in cell:
            self._element(child, look, depth + 1)
            self._say(child.tail or "", look)
        self._end()

    def _cell(self, cell: etree._Element, look: _Look, depth: int, inner: list[etree._Element]) -> str:
        """Return the words of a cell; the tables within it are put aside."""
        page = _CellPage(self._to, self._styles, inner)
        page._element_of_cell(cell, look, depth + 1)
        return " ".join(page.words)

    def _say(self, text: str, look: _Look) -> None:
        if look.left_out is not None:
            self._to.omit(look.left_out, text)
            return
        if text:
            self._line.append((text, look.font))

    def _end(self) -> None:
        pieces, self._line = self._line, []
        text = self._to.joined(pieces)
        self._to.end_paragraph()
        if text.strip():
            # The mark of an item stands before its first paragraph.
            mark, self._waiting = self._waiting, ""
            self._keep(mark + text, self._heading)

    def _keep(self, text: str, heading: int) -> None:
        self._to.add(text, heading=heading)

    def _mark(self, item: etree._Element) -> str:
        """Return what stands before an item of a list."""
        parent = item.getparent()
        if parent is None or not isinstance(parent.tag, str) or parent.tag.lower() != "ol":
            return "- "
        number = _whole(item.get("value"), self._next.get(parent, _whole(parent.get("start"), 1)))
        self._next[parent] = number + 1
        style = _declared(parent.get("style") or "").get("list-style-type", "")
        kind = parent.get("type") or _LIST_KINDS.get(style, "1")
        return f"{counted(number, kind)}{')' if kind == 'a' else '.'} "

    def _comment(self, text: str) -> None:
        # Conditional comments of Word are no words of anybody.
        if text.strip() and not text.lstrip().startswith("["):
            self._to.note(FindingKind.COMMENT, text)

    def _looks(self, element: etree._Element, tag: str, look: _Look) -> _Look:
        said: dict[str, str] = {}
        for key in _keys(element, tag):
            said.update(self._styles.get(key, {}))
        said.update(_declared(element.get("style") or ""))
        colour = said.get("color") or (element.get("color") or "" if tag == "font" else "")
        background = said.get("background-color") or said.get("background") or element.get("bgcolor") or ""
        font = said.get("font-family") or (element.get("face") or "" if tag == "font" else "")
        if element.get("hidden") is not None or _is_hidden(said) or (colour and colour == background):
            look = replace(look, hidden=look.hidden or FindingKind.HIDDEN_TEXT)
        elif _is_far(said):
            look = replace(look, hidden=look.hidden or FindingKind.OFF_PAGE)
        if colour:
            look = replace(look, pale=_is_pale(colour))
        if background and background not in {"transparent", "none", "inherit", "initial"}:
            look = replace(look, shaded=not _is_pale(background.split()[0]))
        size = _SIZE.fullmatch(said.get("font-size", ""))
        if size:
            look = replace(look, tiny=float(size[1]) * _POINTS[size[2]] < _SMALLEST_POINTS)
        if font:
            first = font.split(",")[0].strip(" \"'")
            look = replace(look, font=old_font(first))
        return look


class _CellPage(_Page):
    """The same for one cell, whose words become part of a row."""

    def __init__(
        self, gathering: Gathering, styles: Mapping[str, Mapping[str, str]], inner: list[etree._Element]
    ) -> None:
        super().__init__(gathering, styles)
        self.words: list[str] = []
        self._inner = inner

    def _keep(self, text: str, heading: int) -> None:  # noqa: ARG002
        self.words.append(tidy(text))

    def _table(self, table: etree._Element, look: _Look, depth: int) -> None:  # noqa: ARG002
        self._inner.append(table)


def _own(table: etree._Element, tag: str) -> Iterator[etree._Element]:
    """Yield the rows of a table, not those of tables within it."""
    for child in table:
        if not isinstance(child.tag, str):
            continue
        if child.tag.lower() == tag:
            yield child
        elif child.tag.lower() in {"tbody", "thead", "tfoot"}:
            yield from _own(child, tag)


def _is_of_text(footer: etree._Element) -> bool:
    """Whether a footer ends an article, as signatures do, and not the page around it."""
    return any(str(above.tag).lower() in {"article", "main"} for above in footer.iterancestors())


def _all_text(element: etree._Element) -> str:
    return " ".join(str(part) for part in element.itertext())


def _whole(text: str | None, default: int) -> int:
    return int(text) if text is not None and re.fullmatch(r"\d{1,6}", text) else default


def _styles(root: etree._Element) -> dict[str, dict[str, str]]:
    """Return the rules of the page's style sheets that name one tag, class or id, by that selector."""
    found: dict[str, dict[str, str]] = {}
    for element in root.iter("style"):
        sheet = re.sub(r"/\*.*?\*/", "", element.text or "", flags=re.DOTALL)
        for selectors, declarations in _RULE.findall(sheet):
            for selector in selectors.split(","):
                if _SELECTOR.fullmatch(selector.strip()):
                    found.setdefault(selector.strip(), {}).update(_declared(declarations))
    return found


def _keys(element: etree._Element, tag: str) -> list[str]:
    """Return the selectors that name an element, the weakest first."""
    classes = [f".{name}" for name in (element.get("class") or "").split()]
    own = f"#{element.get('id')}" if element.get("id") else ""
    return [tag, *classes, *(tag + name for name in classes), *([own, tag + own] if own else [])]


def _declared(style: str) -> dict[str, str]:
    said = {}
    for part in style.split(";"):
        name, colon, value = part.partition(":")
        if colon:
            said[name.strip().lower()] = value.replace("!important", "").strip().lower()
    return said


def _is_hidden(said: Mapping[str, str]) -> bool:
    """Whether a style shows nothing of its element: by its word, cut away, or without room."""
    if any(said.get(name) in values for name, values in _HIDING.items()):
        return True
    if _CUT_AWAY.fullmatch(said.get("clip-path") or said.get("clip", "")) or "scale(0)" in said.get("transform", ""):
        return True
    room = (said.get(name, "") for name in ("height", "max-height", "width", "max-width"))
    return said.get("overflow") in {"hidden", "clip"} and any(_NO_ROOM.fullmatch(each) for each in room)


def _is_far(said: Mapping[str, str]) -> bool:
    moved = [said.get("text-indent", "")]
    if said.get("position") in {"absolute", "fixed", "relative"}:
        moved += [said.get("left", ""), said.get("top", ""), said.get("margin-left", "")]
    found = (_FAR.fullmatch(value) for value in moved)
    return any(each is not None and int(each[1]) >= _FAR_AWAY for each in found)


def _is_pale(colour: str) -> bool:
    colour = colour.strip().lower()
    rgb = _RGB.fullmatch(colour)
    if rgb:
        is_clear = rgb[4] is not None and float(rgb[4]) < 0.1
        return is_clear or min(int(rgb[1]), int(rgb[2]), int(rgb[3])) >= 230
    hsl = _HSL.fullmatch(colour)
    if hsl:
        return float(hsl[1]) >= 90
    if re.fullmatch("#[0-9a-f]{3}", colour):
        colour = "#" + "".join(digit * 2 for digit in colour[1:])
    return colour == "transparent" or is_pale(_NAMED.get(colour, colour))
