"""Words with their places -> lines, columns, table rows and paragraphs, as a person reads the page."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median

from knowledge.intake.pdf_page import PageContent, Rule, Word

# All in parts of the size of the letters.
_SAME_LINE = 0.35
_RAISED, _SMALL, _MOST_RAISED = 0.7, 0.85, 4
_COLUMN_GAP = 2.2
_LEAST_GUTTER = 1.0
_FITS_SLACK = 0.8
_INDENT = 0.8
_JOINED_GAP = 0.12
_WIDE_LINE_STEP = 1.35
_TALL_LINE_STEP = 2.3
_TOUCHING_PT = 3.0
# From so many lines in two columns on, the columns are text and not the head of a letter.
_TEXT_COLUMNS = 8
_MOST_OF_A_STAIN = 2
_MARK = re.compile(
    r"(?:\d+(?:\.\d+)*[.)]|[a-zđ]\)|[-–•+*]|[IVXLC]+[.)]"
    r"|(?:Điều|ĐIỀU|Chương|CHƯƠNG|Phần|PHẦN|Mục|MỤC)\s+[\dIVXLC]+[a-zđ]?[.:]?)(?:\s|$)"
)
# What may open a line in the middle of a sentence as well.
_WEAK_MARK = re.compile(r"(?:Điều|ĐIỀU|Chương|Phần|Mục)\s+[\dIVXLC]+[a-zđ]?(?![.:\w])|\d+(?:\.\d+)*[.)]\s")
_LONE_MARK = re.compile(r"(?:\d+(?:\.\d+)*[.)]?|[a-zđ]\)|[-–•+*]|[IVXLC]+[.)]|(?:Điều|Chương|Phần|Mục)\s+\w+[.:]?)")
_ENDED = re.compile(r"[.:;!?…][”\"’)]*$")


@dataclass(slots=True)
class Line:
    """Neighbouring words of one line of one column."""

    words: list[Word]
    text: str = ""
    x0: float = field(init=False)
    x1: float = field(init=False)
    top: float = field(init=False)
    baseline: float = field(init=False)
    size: float = field(init=False)
    is_bold: bool = field(init=False)
    font: str = field(init=False)  # that of most letters

    def __post_init__(self) -> None:
        words = self.words
        self.text = self.text or _spell(words)
        self.x0, self.x1 = min(word.x0 for word in words), max(word.x1 for word in words)
        self.top, self.baseline = min(word.top for word in words), max(word.baseline for word in words)
        self.size = max(word.size for word in words)
        self.is_bold = all(word.is_bold for word in words)
        letters: dict[str, int] = {}
        for word in words:
            letters[word.font] = letters.get(word.font, 0) + len(word.text)
        self.font = max(letters, key=lambda name: letters[name])


@dataclass(slots=True)
class Block:
    """Lines that are read one after another: a column, or what stands between two tables; or one row of a table."""

    lines: list[Line]
    is_row: bool = False
    margins: tuple[float, float] | None = None  # of the page's text, where the lines run over its whole width


@dataclass(slots=True)
class Piece:
    """A paragraph as far as one page tells.

    Attributes:
        goes_on: its last line is full and ends in the middle of a sentence.
        may_follow: it begins neither with a mark nor indented, so it may be the rest of another.
    """

    text: str
    size: float
    is_row: bool = False
    goes_on: bool = False
    may_follow: bool = False
    fonts: dict[str, int] = field(default_factory=dict)


def to_lines(words: Iterable[Word]) -> list[list[Line]]:
    """Return the lines of a page from top to bottom, each as its parts with wide gaps between them."""
    rows: list[list[Word]] = []
    for word in sorted(words, key=lambda w: (w.baseline, w.x0)):
        if rows and word.baseline - rows[-1][0].baseline <= _SAME_LINE * max(word.size, rows[-1][0].size):
            rows[-1].append(word)
        else:
            rows.append([word])
    return [_parts(sorted(row, key=lambda w: w.x0)) for row in _with_raised(rows)]


def _with_raised(rows: list[list[Word]]) -> list[list[Word]]:
    """Return lines with the small words above or below them, such as the number of a note, put into them."""
    whole: list[list[Word]] = []
    raised: list[Word] = []
    for row in rows:
        size, baseline = max(word.size for word in row), row[0].baseline
        if raised and 0 <= baseline - raised[0].baseline < _RAISED * size and raised[0].size < _SMALL * size:
            row = [*raised, *row]
            raised = []
        elif raised:
            whole.append(raised)
            raised = []
        if whole and size < _SMALL * max(word.size for word in whole[-1]):
            above = max(whole[-1], key=lambda word: word.size)
            if baseline - above.baseline < _SAME_LINE * above.size:
                whole[-1].extend(row)
                continue
        if len(row) <= _MOST_RAISED:
            raised = row
        else:
            whole.append(row)
    return [*whole, raised] if raised else whole


def to_blocks(content: PageContent, keep: Sequence[list[Line]] | None = None) -> list[Block]:
    """Return a page's blocks in reading order: columns one after another, tables row by row where they stand.

    Args:
        keep: the lines to use, where some were left out; else all that the words make.
    """
    lines = list(to_lines(content.words) if keep is None else keep)
    tables = _tables(content)
    placed: list[tuple[float, list[Block]]] = []
    free: list[list[Line]] = []
    in_table: dict[int, list[Word]] = {}
    for parts in lines:
        outside: list[Line] = []
        for part in parts:
            homes = [_home(tables, word) for word in part.words]
            loose = [word for word, home in zip(part.words, homes, strict=True) if home is None]
            for word, home in zip(part.words, homes, strict=True):
                if home is not None:
                    in_table.setdefault(home, []).append(word)
            if len(loose) == len(part.words):
                outside.append(part)
            elif loose:
                outside.append(Line(loose))
        if outside:
            free.append(outside)
    for number, table in enumerate(tables):
        placed.append((table.top, table.rows(in_table.get(number, []))))
    placed.sort(key=lambda item: item[0])
    blocks: list[Block] = []
    margins = _margins(free)
    for top, rows in placed:
        above = [parts for parts in free if parts[0].baseline <= top + _TOUCHING_PT]
        free = [parts for parts in free if parts[0].baseline > top + _TOUCHING_PT]
        blocks += _columns(above, margins)
        blocks += rows
    return blocks + _columns(free, margins)


def _margins(lines: list[list[Line]]) -> tuple[float, float] | None:
    """Return where the lines begin and end that stand alone at their height; a few letters are a stain of a scan."""
    alone = [parts[0] for parts in lines if len(parts) == 1 and len(parts[0].words) > _MOST_OF_A_STAIN]
    return (min(line.x0 for line in alone), max(line.x1 for line in alone)) if alone else None


def to_pieces(block: Block) -> list[Piece]:
    """Return the paragraphs of a block."""
    if block.is_row:
        line = block.lines[0]
        return [Piece(line.text, line.size, is_row=True, fonts={line.font: len(line.text)})]
    lines = block.lines
    if not lines:
        return []
    left, right = block.margins or (min(line.x0 for line in lines), max(line.x1 for line in lines))
    steps = [b.baseline - a.baseline for a, b in pairwise(lines) if b.baseline > a.baseline]
    step = median(steps) if len(steps) > 2 else None
    groups = [[lines[0]]]
    for before, line in pairwise(lines):
        if _opens(before, line, groups[-1], left, right, step):
            groups.append([line])
        else:
            groups[-1].append(line)
    return [_piece(group, left, right) for group in groups]


def _piece(group: list[Line], left: float, right: float) -> Piece:
    last, first = group[-1], group[0]
    fonts: dict[str, int] = {}
    for line in group:
        fonts[line.font] = fonts.get(line.font, 0) + len(line.text)
    is_centred = abs((first.x0 - left) - (right - first.x1)) < first.size and first.x0 - left > first.size
    return Piece(
        text=" ".join(line.text for line in group),
        size=median(line.size for line in group),
        goes_on=last.x1 > right - 2 * last.size and not _ENDED.search(last.text),
        may_follow=not _MARK.match(first.text) and (first.x0 - left < _INDENT * first.size) and not is_centred,
        fonts=fonts,
    )


def _opens(before: Line, line: Line, group: list[Line], left: float, right: float, step: float | None) -> bool:
    """Whether a line begins a new paragraph."""
    size = max(before.size, line.size)
    down = line.baseline - before.baseline
    if down < 0 or down > (_TALL_LINE_STEP * size if step is None else max(_WIDE_LINE_STEP * step, 1.2 * size)):
        return True
    first_word = line.words[0]
    is_full = before.x1 + 0.3 * size + (first_word.x1 - first_word.x0) > right - _FITS_SLACK * size
    is_centred = all(abs((part.x0 - left) - (right - part.x1)) < 1.5 * size for part in (before, line))
    is_indented = line.x0 - left > _INDENT * size and line.x0 - before.x0 > _INDENT * size and not is_centred
    if _MARK.match(line.text):
        in_sentence = is_full and not _ENDED.search(before.text) and not is_indented
        return not (in_sentence and _WEAK_MARK.match(line.text))
    if abs(before.size - line.size) > 1 or before.is_bold != line.is_bold:
        return before.is_bold != line.is_bold or _ENDED.search(before.text) is not None or abs(down) > 1.2 * size
    hangs = _MARK.match(group[0].text) is not None
    return not is_full or (is_indented and not hangs)


# --- lines -----------------------------------------------------------------------------------------------------


def _spell(words: Sequence[Word]) -> str:
    spelled = words[0].text
    for before, word in pairwise(words):
        is_joined = not word.space_before and word.x0 - before.x1 < _JOINED_GAP * word.size
        spelled += word.text if is_joined else f" {word.text}"
    return spelled


def _parts(words: list[Word]) -> list[Line]:
    groups = [[words[0]]]
    for before, word in pairwise(words):
        is_wide = word.x0 - before.x1 > _COLUMN_GAP * max(before.size, word.size)
        # The mark of a list stands apart from its words.
        if is_wide and not _LONE_MARK.fullmatch(_spell(groups[-1])):
            groups.append([word])
        else:
            groups[-1].append(word)
    return [Line(group) for group in groups]


# --- columns ---------------------------------------------------------------------------------------------------


def _columns(lines: list[list[Line]], margins: tuple[float, float] | None) -> list[Block]:
    """Return lines in reading order: what stands side by side is read column by column."""
    blocks: list[Block] = []
    plain: list[Line] = []
    at = 0
    while at < len(lines):
        if len(lines[at]) == 1:
            plain.append(lines[at][0])
            at += 1
            continue
        end, gutter = _region(lines, at)
        if plain:
            blocks.append(Block(plain, margins=margins))
            plain = []
        region = lines[at:end]
        several = [parts for parts in region if len(parts) > 1]
        if len(several) > 1 and sum(len(parts) > 2 for parts in several) * 2 > len(several):
            for parts in region:
                words = [word for part in parts for word in part.words]
                blocks.append(Block([Line(words, " | ".join(part.text for part in parts))], is_row=True))
        else:
            for is_left in (True, False):
                side = [part for parts in region for part in parts if (part.x0 < gutter) is is_left]
                if side:
                    blocks.append(Block(side))
        at = end
    return [*blocks, Block(plain, margins=margins)] if plain else blocks


def _region(lines: list[list[Line]], at: int) -> tuple[int, float]:
    """Return where the lines end that keep clear of the gutter in line `at`, and the gutter's middle."""
    gaps = [(b.x0 - a.x1, a.x1, b.x0) for a, b in pairwise(lines[at])]
    _, low, high = max(gaps)
    end, several = at + 1, 1
    last_of_several = at + 1
    while end < len(lines):
        parts = lines[end]
        middle = (low + high) / 2
        size = max(part.size for part in parts)
        left = [part.x1 for part in parts if part.x0 < middle]
        right = [part.x0 for part in parts if part.x0 >= middle]
        new_low, new_high = max([low, *left]), min([high, *right])
        if new_high - new_low < _LEAST_GUTTER * size or parts[0].baseline - lines[end - 1][0].baseline > 4 * size:
            break
        low, high = new_low, new_high
        end += 1
        if left and right:
            several += 1
            last_of_several = end
    return (end if several >= _TEXT_COLUMNS else last_of_several), (low + high) / 2


# --- tables ----------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Table:
    ys: list[float]
    xs: list[float]
    across: list[Rule]
    down: list[Rule]

    @property
    def top(self) -> float:
        return self.ys[0]

    def holds(self, word: Word) -> bool:
        x, y = word.middle
        return self.xs[0] <= x <= self.xs[-1] and self.ys[0] <= y <= self.ys[-1]

    def rows(self, words: Sequence[Word]) -> list[Block]:
        cells: dict[tuple[int, int], list[Word]] = {}
        for word in words:
            x, y = word.middle
            row = max(n for n, edge in enumerate(self.ys[:-1]) if n == 0 or edge <= y)
            column = max(n for n, edge in enumerate(self.xs[:-1]) if n == 0 or edge <= x)
            # A cell over several columns or rows begins where a line stands.
            while column > 0 and not _covers(self.down, self.xs[column], y):
                column -= 1
            while row > 0 and not _covers(self.across, self.ys[row], x):
                row -= 1
            cells.setdefault((row, column), []).append(word)
        blocks = []
        for row in range(len(self.ys) - 1):
            y = (self.ys[row] + self.ys[row + 1]) / 2
            begins = [n for n in range(len(self.xs) - 1) if n == 0 or _covers(self.down, self.xs[n], y)]
            texts = [_cell_text(cells.get((row, column), [])) for column in begins]
            held = [word for column in begins for word in cells.get((row, column), [])]
            if held:
                blocks.append(Block([Line(held, " | ".join(texts).strip())], is_row=True))
        return blocks


def _cell_text(words: Sequence[Word]) -> str:
    return " ".join(part.text for parts in to_lines(words) for part in parts) if words else ""


def _covers(rules: Iterable[Rule], at: float, across: float) -> bool:
    return any(
        abs(rule.at - at) <= _TOUCHING_PT and rule.start - _TOUCHING_PT <= across <= rule.end + _TOUCHING_PT
        for rule in rules
    )


def _home(tables: Sequence[_Table], word: Word) -> int | None:
    return next((number for number, table in enumerate(tables) if table.holds(word)), None)


def _tables(content: PageContent) -> list[_Table]:
    """Return the grids of ruled lines that have at least two cells."""
    rules = [(rule, True) for rule in content.across] + [(rule, False) for rule in content.down]
    if not content.across or not content.down or len(rules) > 3000:
        return []
    owner = list(range(len(rules)))

    def root(n: int) -> int:
        while owner[n] != n:
            owner[n] = owner[owner[n]]
            n = owner[n]
        return n

    for n, (across, is_across) in enumerate(rules):
        if is_across:
            for m in range(len(content.across), len(rules)):
                if _meet(across, rules[m][0]):
                    owner[root(n)] = root(m)
    groups: dict[int, tuple[list[Rule], list[Rule]]] = {}
    for n, (rule, is_across) in enumerate(rules):
        groups.setdefault(root(n), ([], []))[0 if is_across else 1].append(rule)
    tables = []
    for across_rules, down_rules in groups.values():
        ys = _clusters([rule.at for rule in across_rules])
        xs = _clusters([rule.at for rule in down_rules])
        if len(ys) > 1 and len(xs) > 1 and (len(ys) - 1) * (len(xs) - 1) > 1:
            tables.append(_Table(ys, xs, across_rules, down_rules))
    return sorted(tables, key=lambda table: table.top)


def _meet(across: Rule, down: Rule) -> bool:
    return (
        across.start - _TOUCHING_PT <= down.at <= across.end + _TOUCHING_PT
        and down.start - _TOUCHING_PT <= across.at <= down.end + _TOUCHING_PT
    )


def _clusters(values: Iterable[float]) -> list[float]:
    clusters: list[list[float]] = []
    for value in sorted(values):
        if clusters and value - clusters[-1][-1] <= _TOUCHING_PT:
            clusters[-1].append(value)
        else:
            clusters.append([value])
    return [sum(cluster) / len(cluster) for cluster in clusters]
