"""A picture of who cites whom: the plan in the middle, the documents around it by kind; as SVG and as PNG."""

import io
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Any
from xml.etree import ElementTree

from knowledge.cards import Card, Holding
from knowledge.model import Force

# Lengths are in points of a picture as wide as a small phone's screen.
WIDTH = 360.0
MOST_BOXES, MOST_NAMED = 40, 24
_MARGIN, _COLUMN, _GAP, _ARROW_GAP = 6.0, 128.0, 7.0, 16.0
_PLAN_LEFT, _PLAN_WIDTH = 148.0, 64.0
_HEADING, _LINE, _DAY, _PADDING = 22.0, 13.5, 12.0, 5.0
_LABEL_SIZE, _DAY_SIZE, _PLAN_SIZE, _LEGEND_SIZE = 11.5, 10.0, 10.5, 11.0
_LABEL_CHARACTERS, _SMALL_CHARACTERS, _PLAN_CHARACTERS, _LEGEND_CHARACTERS = 15, 14, 9, 44
_MOST_LINES = 3
_PIXELS_A_POINT = 3
_INK, _MUTED, _GROUND, _RED = "#211d19", "#5a5247", "#ffffff", "#a3191f"
_FILLS = {True: "#fffaf0", False: "#e6e0d4"}


@dataclass(frozen=True, slots=True)
class Words:
    """What the picture says.

    Attributes:
        title: what a screen reader says of the whole.
        kinds: headings over the kinds of documents, by DocumentKind.value.
        more: what is said of documents that have no room; takes their number.
    """

    title: str
    plan: str
    kinds: Mapping[str, str]
    other_kind: str
    only_cited: str
    loaded: str
    not_loaded: str
    replaced: str
    newer: str
    cited_by_plan: str
    cited_by_others: str
    more: str

    def day(self, value: date | None) -> str:
        """A date as it stands under a number; empty where none is known."""
        return f"{value:%d/%m/%Y}" if value else ""


class LineKind(Enum):
    """What a line says of the boxes at its ends."""

    CITED_BY_PLAN = "cited_by_plan"
    CITED = "cited"
    REPLACED_BY = "replaced_by"


@dataclass(frozen=True, slots=True)
class Box:
    """A document; the plan has the card id None, and so have the samples of the legend."""

    card_id: str | None
    lines: tuple[str, ...]
    day: str
    left: float
    top: float
    width: float
    height: float
    is_loaded: bool = True
    is_replaced: bool = False
    is_plan: bool = False

    @property
    def middle(self) -> float:
        """How far down its middle is."""
        return self.top + self.height / 2


@dataclass(frozen=True, slots=True)
class Line:
    """From point to point; of a replacement, from the old document to the new one."""

    kind: LineKind
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Text:
    """Words beside the boxes, beginning at a point on their middle line."""

    text: str
    left: float
    middle: float
    is_heading: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """Where everything stands; lines lie under boxes, except for those of the legend."""

    title: str
    height: float
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]
    texts: tuple[Text, ...]


def picture(cards: Sequence[Card], words: Words, left_out: int = 0) -> Picture:
    """Return where the documents and the lines between them stand; the same cards give the same picture.

    Args:
        cards: of documents but the plan, those that it cites first; see knowledge.cards.cards.
        left_out: how many more there are.
    """
    return _Layout(cards, words, left_out).drawn()


class _Layout:
    """Puts boxes into two columns with the plan between them."""

    def __init__(self, cards: Sequence[Card], words: Words, left_out: int) -> None:
        self._cards = {card.id: card for card in cards}
        self._words = words
        self._left_out = left_out
        self._boxes: dict[str, Box] = {}
        self._lines: list[Line] = []
        self._texts: list[Text] = []

    def drawn(self) -> Picture:
        stacks, left_over = self._stacks()
        groups: dict[str, list[list[str]]] = {}
        for stack in stacks:
            first = self._cards[stack[0]].kind
            groups.setdefault(first.value if first else "", []).append(stack)
        top = _MARGIN
        bottoms = [top, top]
        order = sorted(groups, key=lambda kind: -sum(map(len, groups[kind])))
        sides: dict[str, int] = {}
        heights = [0.0, 0.0]
        for kind in order:
            sides[kind] = 0 if heights[0] <= heights[1] else 1
            heights[sides[kind]] += _HEADING + sum(self._height(each) + _GAP for s in groups[kind] for each in s)
        for kind, members in groups.items():
            side = sides[kind]
            bottoms[side] = self._column(kind, members, side, bottoms[side])
        bottom = max(*bottoms, top + 120)
        plan = self._plan(top, bottom)
        self._citations(plan)
        bottom = self._only_named(left_over, bottom)
        boxes, lines = [plan, *self._boxes.values()], list(self._lines)
        bottom = self._legend(bottom, boxes, lines)
        return Picture(self._words.title, bottom, tuple(boxes), tuple(lines), tuple(self._texts))

    def _stacks(self) -> tuple[list[list[str]], list[str]]:
        """Return documents with what replaced them below, and those that are only named."""
        placed: set[str] = set()
        stacks: list[list[str]] = []
        # What took another one's place stands below it, unless the plan cites it.
        newer = {found.id for found in map(self._successor, self._cards.values()) if found and not found.places}
        for card in self._cards.values():
            if card.id in placed or (card.holding is Holding.ONLY_CITED and not card.places) or card.id in newer:
                continue
            if len(placed) >= MOST_BOXES:
                break
            stack: list[str] = []
            following: Card | None = card
            while following is not None and following.id not in placed:
                stack.append(following.id)
                placed.add(following.id)
                following = self._successor(following)
            stacks.append(stack)
        # What is left is known only from a round of entries, or had no room.
        rest = [each for each in self._cards if each not in placed]
        return stacks, rest

    def _successor(self, card: Card) -> Card | None:
        if not _is_replaced(card) or card.replaced_by is None:
            return None
        return self._cards.get(card.replaced_by.card_id or "")

    def _height(self, card_id: str) -> float:
        card = self._cards[card_id]
        lines = _wrapped(_label(card), _LABEL_CHARACTERS)
        return 2 * _PADDING + _LINE * len(lines) + (_DAY if card.issued_on else 0)

    def _column(self, kind: str, stacks: Sequence[Sequence[str]], side: int, top: float) -> float:
        left = _MARGIN if side == 0 else WIDTH - _MARGIN - _COLUMN
        heading = self._words.kinds.get(kind, self._words.other_kind)
        self._texts.append(Text(heading, left, top + _HEADING / 2, is_heading=True))
        top += _HEADING
        for stack in stacks:
            for position, card_id in enumerate(stack):
                top += _ARROW_GAP - _GAP if position else 0
                self._boxes[card_id] = self._box(card_id, left, top, _COLUMN, self._height(card_id))
                top += self._boxes[card_id].height + _GAP
        return top

    def _box(self, card_id: str, left: float, top: float, width: float, height: float) -> Box:
        card = self._cards[card_id]
        return Box(
            card_id,
            _wrapped(_label(card), _LABEL_CHARACTERS if width == _COLUMN else _SMALL_CHARACTERS),
            self._words.day(card.issued_on),
            left,
            top,
            width,
            height,
            is_loaded=card.holding is Holding.LOADED,
            is_replaced=_is_replaced(card),
        )

    def _plan(self, top: float, bottom: float) -> Box:
        cited = [box for card_id, box in self._boxes.items() if self._cards[card_id].places]
        lines = _wrapped(self._words.plan, _PLAN_CHARACTERS, most=8)
        least = 2 * _PADDING + _LINE * len(lines)
        begins = min((box.middle - _LINE for box in cited), default=top)
        ends = max((box.middle + _LINE for box in cited), default=bottom)
        begins = max(_MARGIN, min(begins, ends - least))
        return Box(None, lines, "", _PLAN_LEFT, begins, _PLAN_WIDTH, max(ends - begins, least), is_plan=True)

    def _citations(self, plan: Box) -> None:
        bows = 0
        for card_id, box in self._boxes.items():
            for reference in self._cards[card_id].cites:
                other = self._boxes.get(reference.card_id or "")
                if other is None or _follows(other, box) or _follows(box, other):
                    continue
                start, end = (_inner(box), box.middle), (_inner(other), other.middle)
                bow: tuple[tuple[float, float], ...] = ()
                if box.left == other.left:
                    # Out into the gap, along it and back; neighbours apart from each other.
                    out = (4 + 3 * (bows % 4)) * (1 if box.left < plan.left else -1)
                    bow, bows = ((start[0] + out, start[1] + 3), (end[0] + out, end[1] - 3)), bows + 1
                self._lines.append(Line(LineKind.CITED, (start, *bow, end)))
        for card_id, box in self._boxes.items():
            if self._cards[card_id].places:
                edge = plan.left if box.left < plan.left else plan.left + plan.width
                self._lines.append(Line(LineKind.CITED_BY_PLAN, ((edge, box.middle), (_inner(box), box.middle))))
        for card_id, box in self._boxes.items():
            newer = self._successor(self._cards[card_id])
            new = self._boxes.get(newer.id) if newer is not None else None
            if new is None:
                continue
            if _follows(new, box):
                middle = box.left + box.width / 2
                start, end = (middle, box.top + box.height), (middle, new.top)
            else:
                start, end = (_inner(box), box.middle), (_inner(new), new.middle)
            self._lines.append(Line(LineKind.REPLACED_BY, (start, end)))

    def _only_named(self, ids: Sequence[str], top: float) -> float:
        shown = [each for each in ids if self._cards[each].holding is Holding.ONLY_CITED][:MOST_NAMED]
        left_out = len(ids) - len(shown) + self._left_out
        if shown:
            self._texts.append(Text(self._words.only_cited, _MARGIN, top + _HEADING / 2, is_heading=True))
            top += _HEADING
        width = (WIDTH - 2 * _MARGIN - 2 * _GAP) / 3
        for row in (shown[n : n + 3] for n in range(0, len(shown), 3)):
            height = max(map(self._height, row))
            for position, card_id in enumerate(row):
                self._boxes[card_id] = self._box(card_id, _MARGIN + position * (width + _GAP), top, width, height)
            top += height + _GAP
        if left_out:
            self._texts.append(Text(self._words.more.format(left_out), _MARGIN, top + _HEADING / 2))
            top += _HEADING
        return top

    def _legend(self, top: float, boxes: list[Box], lines: list[Line]) -> float:
        words, left, sample = self._words, _MARGIN, 34.0
        top += _GAP
        for text, is_loaded, is_replaced in (
            (words.loaded, True, False),
            (words.not_loaded, False, False),
            (words.replaced, True, True),
        ):
            boxes.append(Box(None, (), "", left, top + 3, sample, 16, is_loaded=is_loaded, is_replaced=is_replaced))
            top = self._legend_text(text, left + sample + 8, top)
        for text, kind in (
            (words.newer, LineKind.REPLACED_BY),
            (words.cited_by_plan, LineKind.CITED_BY_PLAN),
            (words.cited_by_others, LineKind.CITED),
        ):
            lines.append(Line(kind, ((left, top + _HEADING / 2), (left + sample, top + _HEADING / 2))))
            top = self._legend_text(text, left + sample + 8, top)
        return top + _MARGIN

    def _legend_text(self, text: str, left: float, top: float) -> float:
        for line in _wrapped(text, _LEGEND_CHARACTERS):
            self._texts.append(Text(line, left, top + _HEADING / 2))
            top += _LINE + 1
        return top + _HEADING - _LINE - 1


def _is_replaced(card: Card) -> bool:
    return card.force in (Force.SUPERSEDED, Force.NO_LONGER_IN_FORCE)


def _follows(new: Box, old: Box) -> bool:
    """Whether a box stands right below another."""
    return new.left == old.left and 0 < new.top - old.top - old.height <= _ARROW_GAP


def _inner(box: Box) -> float:
    """Where the edge of a box is that the plan sees."""
    return box.left + box.width if box.left < WIDTH / 2 else box.left


def _label(card: Card) -> str:
    return card.number or card.name


def _wrapped(text: str, characters: int, most: int = _MOST_LINES) -> tuple[str, ...]:
    lines = textwrap.wrap(text, characters, max_lines=most, placeholder="…", break_on_hyphens=False)
    return tuple(lines) or ("…",)


# --- SVG ------------------------------------------------------------------------------------------------------------

_STROKES: Mapping[LineKind, dict[str, str]] = {
    LineKind.CITED_BY_PLAN: {"stroke": _INK, "stroke-width": "1.3"},
    LineKind.CITED: {"stroke": "#8a8172", "stroke-width": "1", "stroke-dasharray": "1.5 2.5"},
    LineKind.REPLACED_BY: {"stroke": _RED, "stroke-width": "1.8"},
}


def to_svg(drawn: Picture) -> str:
    """Return a picture as an SVG element, for a page or a file of its own; no script, no style, nothing to fetch."""
    svg = ElementTree.Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {_number(WIDTH)} {_number(drawn.height)}",
            "role": "img",
            "font-family": "system-ui, -apple-system, Roboto, Noto Sans, DejaVu Sans, sans-serif",
        },
    )
    _element(svg, "title").text = _drawable(drawn.title)
    _element(svg, "rect", width=WIDTH, height=drawn.height, fill=_GROUND)
    for line in drawn.lines:
        _svg_line(svg, line)
    for box in drawn.boxes:
        _svg_box(svg, box)
    for text in drawn.texts:
        extra = {"font-weight": "700", "fill": _INK} if text.is_heading else {"fill": _INK}
        element = _element(svg, "text", x=text.left, y=text.middle + 4, **{"font-size": _LEGEND_SIZE}, **extra)
        element.text = _drawable(text.text)
    return ElementTree.tostring(svg, encoding="unicode")


def _svg_line(svg: ElementTree.Element, line: Line) -> None:
    def written(points: Sequence[tuple[float, float]]) -> str:
        return " ".join(f"{_number(x)},{_number(y)}" for x, y in points)

    _element(svg, "polyline", points=written(line.points), fill="none", **_STROKES[line.kind])
    if line.kind is LineKind.REPLACED_BY:
        _element(svg, "polygon", points=written(_arrow_head(line)), fill=_RED)


def _arrow_head(line: Line) -> list[tuple[float, float]]:
    (x1, y1), (x2, y2) = line.points[-2:]
    length = max(((x2 - x1) ** 2 + (y2 - y1) ** 2) ** 0.5, 1e-6)
    along, across = ((x2 - x1) / length, (y2 - y1) / length), (-(y2 - y1) / length, (x2 - x1) / length)
    back = (x2 - 7 * along[0], y2 - 7 * along[1])
    sides = [(back[0] + n * across[0], back[1] + n * across[1]) for n in (4, -4)]
    return [(x2, y2), *sides]


def _svg_box(svg: ElementTree.Element, box: Box) -> None:
    outline: dict[str, Any] = {"fill": _RED if box.is_plan else _FILLS[box.is_loaded], "rx": 5}
    if not box.is_plan:
        dashed = {"stroke": _RED, "stroke-width": 1.6, "stroke-dasharray": "5 3"}
        outline |= dashed if box.is_replaced else {"stroke": _INK if box.is_loaded else "#8a8172", "stroke-width": 1.2}
    _element(svg, "rect", x=box.left, y=box.top, width=box.width, height=box.height, **outline)
    for text, middle, size, is_bold in _words_in(box):
        fill = _GROUND if box.is_plan else _INK if is_bold else _MUTED
        written = _element(
            svg,
            "text",
            x=box.left + box.width / 2,
            y=middle + size * 0.35,
            fill=fill,
            **{"font-size": size, "text-anchor": "middle", "font-weight": "700" if is_bold else "400"},
        )
        written.text = _drawable(text)


def _words_in(box: Box) -> Iterator[tuple[str, float, float, bool]]:
    """Yield what stands in a box: the text, its middle line, its size, and whether it is bold."""
    tall = _LINE * len(box.lines) + (_DAY if box.day else 0)
    top = box.middle - tall / 2
    for line in box.lines:
        yield line, top + _LINE / 2, _PLAN_SIZE if box.is_plan else _LABEL_SIZE, True
        top += _LINE
    if box.day:
        yield box.day, top + _DAY / 2, _DAY_SIZE, False


def _element(parent: ElementTree.Element, tag: str, **attributes: Any) -> ElementTree.Element:
    named = {key: _number(value) if isinstance(value, float) else str(value) for key, value in attributes.items()}
    return ElementTree.SubElement(parent, tag, named)


def _number(value: float) -> str:
    return f"{value:.1f}".rstrip("0").rstrip(".")


def _drawable(text: str) -> str:
    """Return text without what XML cannot hold."""
    return "".join(
        c for c in text if c in "\t\n" or (c >= " " and not "\x7f" <= c <= "\x9f" and c not in "\ufffe\uffff")
    )


# --- PNG ------------------------------------------------------------------------------------------------------------


def to_png(drawn: Picture) -> bytes:
    """Return a picture as a PNG, three pixels a point: sharp on a phone's screen."""
    # Late: a start does not wait for it.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.patches import FancyBboxPatch, Polygon

    # A figure of its own, not pyplot's: pictures are drawn in several threads.
    figure = Figure(figsize=(WIDTH / 72, drawn.height / 72), dpi=72 * _PIXELS_A_POINT, facecolor=_GROUND)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, WIDTH)
    axes.set_ylim(drawn.height, 0)
    axes.set_axis_off()

    def write(text: str, x: float, y: float, size: float, color: str, *, bold: bool, middle: bool) -> None:
        axes.text(
            x,
            y,
            _drawable(text).replace("$", r"\$"),
            size=size,
            color=color,
            weight="bold" if bold else "normal",
            family="DejaVu Sans",
            ha="center" if middle else "left",
            va="center",
        )

    for line in drawn.lines:
        stroke = _STROKES[line.kind]
        dashes = _dashes(stroke.get("stroke-dasharray", ""))
        xs, ys = zip(*line.points, strict=True)
        axes.add_line(Line2D(xs, ys, color=stroke["stroke"], linewidth=float(stroke["stroke-width"]), linestyle=dashes))
        if line.kind is LineKind.REPLACED_BY:
            axes.add_patch(Polygon(_arrow_head(line), closed=True, color=_RED))
    for box in drawn.boxes:
        edge = _RED if box.is_plan or box.is_replaced else _INK if box.is_loaded else "#8a8172"
        axes.add_patch(
            FancyBboxPatch(
                (box.left, box.top),
                box.width,
                box.height,
                boxstyle="round,pad=0,rounding_size=5",
                facecolor=_RED if box.is_plan else _FILLS[box.is_loaded],
                edgecolor=edge,
                linewidth=1.6 if box.is_replaced else 1.2,
                linestyle=(0, (4, 2.5)) if box.is_replaced else "solid",
                zorder=2,
            )
        )
        for text, middle, size, is_bold in _words_in(box):
            color = _GROUND if box.is_plan else _INK if is_bold else _MUTED
            # This font is wider than those of phones.
            write(text, box.left + box.width / 2, middle, size * 0.93, color, bold=is_bold, middle=True)
    for each in drawn.texts:
        write(each.text, each.left, each.middle, _LEGEND_SIZE * 0.9, _INK, bold=each.is_heading, middle=False)
    out = io.BytesIO()
    figure.savefig(out, format="png", metadata={"Software": "Tu Soi"})
    return out.getvalue()


def _dashes(written: str) -> Any:
    lengths: Iterable[float] = (float(each) for each in written.split())
    found = tuple(lengths)
    return (0, found) if found else "solid"
