"""Styles and automatic numbering of a .docx."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from lxml import etree

from knowledge.intake.gathering import is_pale, old_font
from knowledge.intake.looks import Look
from knowledge.intake.marks import counted

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_SMALLEST_HALF_POINTS = 8
_DEEPEST_STYLES, _LEVELS = 20, 9
_KINDS = {"lowerLetter": "a", "upperLetter": "A", "lowerRoman": "i", "upperRoman": "I"}
_OFF = frozenset({"0", "false", "off", "none"})


@dataclass(slots=True)
class _Style:
    name: str
    based_on: str
    run: etree._Element | None
    paragraph: etree._Element | None
    has_shading: bool


@dataclass(slots=True)
class _Level:
    kind: str
    text: str
    start: int
    style: str


@dataclass(slots=True)
class _List:
    levels: dict[int, _Level] = field(default_factory=dict)
    counts: dict[int, int] = field(default_factory=dict)


def value(parent: etree._Element | None, tag: str, attribute: str = "val") -> str:
    """Return an attribute of a child; "" where there is none."""
    child = parent.find(W + tag) if parent is not None else None
    return (child.get(W + attribute) or "") if child is not None else ""


def is_on(parent: etree._Element | None, tag: str) -> bool | None:
    """Whether a switch is on; None where it is not set."""
    child = parent.find(W + tag) if parent is not None else None
    return None if child is None else (child.get(W + "val") or "1") not in _OFF


class Styles:
    """What word/styles.xml says; without that part, nothing."""

    def __init__(self, root: etree._Element | None) -> None:
        self._styles: dict[str, _Style] = {}
        self._looks: dict[tuple[str, str], Look] = {}
        self._default = Look()
        self._default_paragraph = ""
        if root is None:
            return
        defaults = root.find(f"{W}docDefaults/{W}rPrDefault/{W}rPr")
        self._default = look_of(defaults, Look())
        for style in root.iter(W + "style"):
            key = style.get(W + "styleId") or ""
            self._styles[key] = _Style(
                value(style, "name").lower(),
                value(style, "basedOn"),
                style.find(W + "rPr"),
                style.find(W + "pPr"),
                any(not is_pale(shade.get(W + "fill") or "auto") for shade in style.iter(W + "shd") if _fills(shade)),
            )
            if style.get(W + "type") == "paragraph" and style.get(W + "default") in {"1", "true"}:
                self._default_paragraph = key

    def _chain(self, key: str) -> Iterator[_Style]:
        """Yield a style and those it is based on, itself first; a circle ends."""
        for _ in range(_DEEPEST_STYLES):
            style = self._styles.get(key)
            if style is None:
                return
            yield style
            key = style.based_on

    def look(self, paragraph_style: str, run_style: str = "") -> Look:
        """Return how a run in those styles looks."""
        key = (paragraph_style, run_style)
        if key in self._looks:
            return self._looks[key]
        look = self._default
        for style in reversed([*self._chain(run_style), *self._chain(paragraph_style or self._default_paragraph)]):
            look = look_of(style.run, look)
            look = replace(look, shaded=look.shaded or is_shaded(style.paragraph))
        self._looks[key] = look
        return look

    def heading(self, key: str) -> int:
        """Return which heading a paragraph style makes; 0 for none."""
        for style in self._chain(key):
            level = value(style.paragraph, "outlineLvl")
            if level.isdecimal():
                return min(int(level) + 1, 6) if int(level) < _LEVELS else 0
            name, _, number = style.name.rpartition(" ")
            if name == "heading" and number.isdecimal():
                return min(int(number), 6)
            if style.name == "title":
                return 1
        return 0

    def numbering(self, key: str) -> tuple[str, int] | None:
        """Return the list and level that a paragraph style brings along."""
        for style in self._chain(key):
            numbers = style.paragraph.find(W + "numPr") if style.paragraph is not None else None
            if numbers is not None and value(numbers, "numId"):
                return value(numbers, "numId"), _level(value(numbers, "ilvl"))
        return None

    def is_shaded(self, key: str) -> bool:
        """Whether a style of tables gives any cell a background."""
        return any(style.has_shading for style in self._chain(key))


class Numbering:
    """What word/numbering.xml says, and how far each list has counted."""

    def __init__(self, root: etree._Element | None) -> None:
        self._lists: dict[str, _List] = {}
        self._by_style: dict[str, tuple[str, int]] = {}
        if root is None:
            return
        abstract = {each.get(W + "abstractNumId") or "": each for each in root.iter(W + "abstractNum")}
        linked = {value(each, "styleLink"): key for key, each in abstract.items() if value(each, "styleLink")}
        shared: dict[str, _List] = {}
        for number in root.iter(W + "num"):
            key = value(number, "abstractNumId")
            key = linked.get(value(abstract.get(key), "numStyleLink"), key)
            if key not in abstract:
                continue
            shared.setdefault(key, _List(_levels(abstract[key])))
            overrides = list(number.iter(W + "lvlOverride"))
            # A list that begins anew counts by itself; the others that share a pattern go on counting.
            own = shared[key]
            if overrides:
                own = _List(dict(own.levels))
                for override in overrides:
                    level = _level(override.get(W + "ilvl") or "")
                    own.levels.update(_levels(override))
                    if level in own.levels and value(override, "startOverride").isdecimal():
                        own.levels[level] = replace(own.levels[level], start=int(value(override, "startOverride")))
            num_id = number.get(W + "numId") or ""
            self._lists[num_id] = own
            for at, each in own.levels.items():
                if each.style:
                    self._by_style[each.style] = (num_id, at)

    def level_of(self, style: str, given: tuple[str, int] | None) -> tuple[str, int] | None:
        """Return the level that a style has in the list it brings along."""
        known = self._by_style.get(style)
        return known if given is not None and known is not None and given[0] == known[0] else given

    def mark(self, num_id: str, level: int) -> str:
        """Return what stands before the next paragraph of a list ("2.1.", "a)", "-"); "" where nothing can be told."""
        numbers = self._lists.get(num_id)
        own = numbers.levels.get(level) if numbers is not None else None
        if numbers is None or own is None:
            return ""
        if own.kind == "bullet":
            return "-"
        counts = numbers.counts
        for above in range(level):
            if above in numbers.levels:
                counts.setdefault(above, numbers.levels[above].start)
        counts[level] = counts[level] + 1 if level in counts else own.start
        for below in [at for at in counts if at > level]:
            del counts[below]
        text = own.text
        for at in range(_LEVELS):
            if f"%{at + 1}" in text:
                shape = numbers.levels.get(at, own)
                text = text.replace(f"%{at + 1}", _shown(counts.get(at, shape.start), shape.kind))
        return text


def look_of(run: etree._Element | None, look: Look) -> Look:
    """Return a look with what a w:rPr changes of it."""
    if run is None:
        return look
    hidden = is_on(run, "vanish")
    if hidden is not None:
        look = replace(look, hidden=hidden)
    colour, size, fonts = value(run, "color"), value(run, "sz"), run.find(W + "rFonts")
    if colour:
        shade = run.find(W + "shd")
        ground = shade.get(W + "fill") or "" if shade is not None else ""
        # Black on black is read by nobody either.
        is_drowned = colour.lower() == ground.lower() != "auto"
        look = replace(look, pale=is_pale(colour), hidden=look.hidden or is_drowned)
    if size.isdecimal():
        look = replace(look, tiny=int(size) < _SMALLEST_HALF_POINTS)
    if fonts is not None:
        font = fonts.get(W + "ascii") or fonts.get(W + "hAnsi") or ""
        if font:
            look = replace(look, font=old_font(font))
    if is_shaded(run) or value(run, "highlight") not in {"", "none", "white"}:
        look = replace(look, shaded=True)
    return look


def is_shaded(properties: etree._Element | None) -> bool:
    """Whether a run, paragraph or cell has a background of its own that white can be read on."""
    shade = properties.find(W + "shd") if properties is not None else None
    return shade is not None and _fills(shade) and not is_pale(shade.get(W + "fill") or "")


def _fills(shade: etree._Element) -> bool:
    if shade.get(W + "val") in {"solid", "pct90", "pct80", "pct75"} and not is_pale(shade.get(W + "color") or ""):
        return True
    return (shade.get(W + "fill") or "auto").lower() != "auto"


def _levels(parent: etree._Element) -> dict[int, _Level]:
    return {
        _level(level.get(W + "ilvl") or ""): _Level(
            value(level, "numFmt") or "decimal",
            value(level, "lvlText"),
            int(value(level, "start")) if value(level, "start").isdecimal() else 1,
            value(level, "pStyle"),
        )
        for level in parent.findall(W + "lvl")
    }


def _level(text: str) -> int:
    return min(int(text), _LEVELS - 1) if text.isdecimal() else 0


def _shown(number: int, kind: str) -> str:
    if kind == "none":
        return ""
    if kind == "decimalZero":
        return f"{number:02d}"
    return counted(number, _KINDS.get(kind, "1"))
