"""RTF -> paragraphs; objects in it are reported, never opened."""

import re
from dataclasses import dataclass, field, replace
from pathlib import Path

from knowledge.intake.gathering import Gathering, old_font, tidy
from knowledge.intake.model import Extracted, FindingKind, IntakeError, Limits, Refusal

_TOKEN = re.compile(
    rb"\\([a-zA-Z]{1,32})(-?\d{1,10})? ?|\\'([0-9a-fA-F]{2})|\\([^a-zA-Z])|([{}])|[\r\n\x00]+|([^\\{}\r\n\x00]+)|\\",
    re.DOTALL,
)
# Code pages of the character sets that a font may name; the others have that of the file.
_CODE_PAGES = {77: "mac_roman", 128: "cp932", 129: "cp949", 134: "cp936", 136: "cp950", 161: "cp1253", 162: "cp1254"}
_CODE_PAGES |= {163: "cp1258", 177: "cp1255", 178: "cp1256", 186: "cp1257", 204: "cp1251", 222: "cp874", 238: "cp1250"}
_SYMBOL_SET = 2
_SAYS = {"tab": " ", "emspace": " ", "enspace": " ", "qmspace": " ", "emdash": "—", "endash": "–", "bullet": "•"}
_SAYS |= {"lquote": "‘", "rquote": "’", "ldblquote": "“", "rdblquote": "”"}
_SILENT = frozenset(
    "info pict listtable listoverridetable listpicture pgptbl rsidtbl generator themedata colorschememapping datastore "
    "latentstyles xe tc txe xmlnstbl objdata objclass objname objalias sp shppict nonshppict mmathpr wgrffmtfilter "
    "bkmkstart bkmkend filetbl revtbl atnid atnauthor atntime atndate atnref atnparent atnicn fontemb falt panose "
    "nonesttables nesttableprops upr template operator passwordhash userprops docvar pnseclvl shpinst".split()
)
_AGAIN = frozenset({"shptxt", "ud", "result", "objresult"})
_MARGINS = frozenset({"header", "headerl", "headerr", "headerf", "footer", "footerl", "footerr", "footerf"})
_FETCHES = re.compile(r"\s*(?:INCLUDETEXT|INCLUDEPICTURE|LINK|DDE|DDEAUTO|IMPORT|HYPERLINK)\b\s*(.*)")
_SYMBOLS = re.compile("[\uf000-\uf0ff]")
_SMALLEST_HALF_POINTS, _PALE, _DEEPEST = 8, 230, 10_000


@dataclass(slots=True)
class _Flow:
    """Text that belongs together: the document, a header, a footnote, a comment, the words of a field."""

    kind: str
    parts: list[tuple[str, str]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    cells: list[str] = field(default_factory=list)
    cell: list[str] = field(default_factory=list)
    nested_cells: list[str] = field(default_factory=list)
    nested_rows: list[list[str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _State:
    """What holds until the group ends."""

    flow: _Flow
    table: str = ""
    silent: bool = False
    hidden: bool = False
    deleted: bool = False
    inserted: bool = False
    colour: int = 0
    half_points: int = 24
    font: int = -1
    shaded: bool = False
    paragraph_shaded: bool = False
    in_table: bool = False
    level: int = 0
    skip_after_unicode: int = 1


def read_rtf(path: Path, limits: Limits) -> Extracted:
    """Return paragraphs and rows of tables in the order of the document, footnotes last.

    Raises:
        IntakeError: the file ends in the middle, or holds more text than is allowed.
    """
    gathering = Gathering(path.name, limits)
    _Rtf(gathering).read(path.read_bytes())
    return gathering.extracted()


class _Rtf:
    def __init__(self, gathering: Gathering) -> None:
        self._to = gathering
        self._main = _Flow("document")
        self._state = _State(self._main)
        self._stack: list[_State] = []
        self._fonts: dict[int, tuple[str, int]] = {}
        self._styles: dict[int, int] = {}
        self._colours: list[tuple[int, int, int] | None] = []
        self._mix: dict[str, int] = {}
        self._code_page = "cp1252"
        self._default_font = -1
        self._bytes = bytearray()
        self._skip = 0
        self._starred = False
        self._entry, self._entry_font, self._entry_set = "", -1, 0
        self._shades: list[bool] = []
        self._next_shade = False
        self._footnotes: list[str] = []
        self._size = 0

    def read(self, raw: bytes) -> None:
        at = 0
        while at < len(raw):
            token = _TOKEN.match(raw, at)
            if token is None:
                raise IntakeError(self._to.name, Refusal.BROKEN)
            at = token.end()
            word, number, code, symbol, brace, text = token.groups()
            if word is not None:
                name, value = word.decode("ascii"), int(number) if number else None
                if name == "bin":
                    at += max(value or 0, 0)
                else:
                    self._control(name, value)
            elif code is not None:
                self._byte(int(code, 16))
            elif symbol is not None:
                self._symbol(symbol)
            elif brace == b"{":
                self._open()
            elif brace == b"}":
                if not self._stack:
                    break
                self._close()
            elif text is not None:
                self._text(text)
        if self._stack:
            raise IntakeError(self._to.name, Refusal.BROKEN, {"problem": "ends in the middle"})
        self._end_paragraph()
        for line in self._footnotes:
            self._to.add(line)

    # --- Groups -------------------------------------------------------------------------------------------------

    def _open(self) -> None:
        self._flush()
        self._skip = 0
        if len(self._stack) >= _DEEPEST:
            raise IntakeError(self._to.name, Refusal.BROKEN, {"problem": "nested too deep"})
        self._stack.append(self._state)
        self._starred = False

    def _close(self) -> None:
        self._flush()
        self._skip = 0
        inner, self._state = self._state, self._stack.pop()
        if inner.table == "fonttbl" and self._entry:
            self._end_entry(inner)
        if inner.table == "stylesheet" and self._state.table == "stylesheet":
            self._end_entry(inner)
        if inner.flow is not self._state.flow:
            outer, self._state = self._state, inner
            self._end_paragraph()
            self._state = outer
            self._end_flow(inner.flow)
        self._starred = False

    def _end_flow(self, flow: _Flow) -> None:
        if flow.kind == "margin":
            for line in flow.lines:
                self._to.note_margin(line)
        elif flow.kind == "footnote":
            self._footnotes += flow.lines
        elif flow.kind == "annotation":
            self._to.note_left_out(FindingKind.COMMENT, " ".join(flow.lines))
        elif flow.kind == "mark":
            # Bullets are letters of fonts of symbols: a dot, a square, an "o".
            words = tidy(" ".join(flow.lines))
            is_number = any(c.isdigit() for c in words) or words[-1:] in {".", ")"}
            self._state.flow.parts.append((f"{words if is_number else '-'} ", ""))
        elif flow.kind == "fldinst":
            found = _FETCHES.match(" ".join(flow.lines))
            if found:
                self._to.note(FindingKind.EXTERNAL_LINK, found[1].strip(' "'))

    # --- Control words ------------------------------------------------------------------------------------------

    def _control(self, name: str, value: int | None) -> None:
        if self._skip and name not in {"u", "uc"}:
            self._skip -= 1
            return
        if name == "u":
            self._unicode(value or 0)
            return
        starred, self._starred = self._starred, False
        if name in _SAYS:
            self._say(_SAYS[name])
            return
        self._flush()
        if not (self._opens(name) or self._ends(name) or self._defines(name, value)):
            if self._state.table == "colortbl" and name in {"red", "green", "blue"}:
                self._mix[name] = (value or 0) & 0xFF
            elif not self._looks(name, value) and starred:
                self._state = replace(self._state, silent=True)

    def _opens(self, name: str) -> bool:
        """Begin a destination."""
        if name in {"fonttbl", "stylesheet", "colortbl"}:
            self._state = replace(self._state, table=name)
        elif name in _MARGINS:
            self._state = replace(self._state, flow=_Flow("margin"), in_table=False)
        elif name in {"footnote", "annotation", "fldinst"}:
            self._state = replace(self._state, flow=_Flow(name), in_table=False)
        elif name in _SILENT:
            self._state = replace(self._state, silent=True)
        elif name in _AGAIN:
            self._state = replace(self._state, silent=False)
        elif name == "object":
            self._to.note(FindingKind.EMBEDDED_FILE)
        elif name in {"listtext", "pntext"}:
            self._state = replace(self._state, flow=_Flow("mark"), in_table=False)
        elif name != "fldrslt":
            return False
        return True

    def _ends(self, name: str) -> bool:
        """End a paragraph, cell or row."""
        flow = self._state.flow
        if name == "nestrow":
            flow.nested_rows.append(flow.nested_cells)
            flow.nested_cells = []
            return True
        if name not in {"par", "line", "sect", "page", "column", "cell", "row", "nestcell"}:
            return False
        if self._state.silent or self._state.table:
            return True
        if name == "nestcell":
            flow.nested_cells.append(self._line())
        elif name == "cell":
            self._state = replace(self._state, in_table=True)
            self._end_paragraph()
            flow.cells.append("\n".join(flow.cell))
            flow.cell = []
        elif name == "row":
            self._end_row(flow)
        else:
            self._end_paragraph()
        return True

    def _defines(self, name: str, value: int | None) -> bool:
        """Take what tables of fonts and styles say, and what holds for the whole file."""
        if name == "ansicpg":
            self._code_page = _known(f"cp{value}", self._code_page)
        elif name in {"mac", "pc", "pca"}:
            self._code_page = {"mac": "mac_roman", "pc": "cp437", "pca": "cp850"}[name]
        elif name == "deff":
            self._default_font = value or 0
        elif self._state.table == "fonttbl" and name == "f":
            self._entry_font = value or 0
        elif self._state.table == "fonttbl" and name == "fcharset":
            self._entry_set = value or 0
        elif self._state.table == "stylesheet" and name == "s":
            self._entry_font = value or 0
        else:
            return False
        return True

    def _looks(self, name: str, value: int | None) -> bool:
        """Change how what follows looks."""
        on = value != 0
        state = self._state
        if name == "plain":
            state = replace(state, hidden=False, deleted=False, inserted=False, colour=0, half_points=24, shaded=False)
            state = replace(state, font=-1)
        elif name == "pard":
            state = replace(state, in_table=False, level=0, paragraph_shaded=False)
        elif name == "v":
            state = replace(state, hidden=on)
        elif name == "deleted":
            state = replace(state, deleted=on)
        elif name == "revised":
            state = replace(state, inserted=on)
        elif name == "cf":
            state = replace(state, colour=value or 0)
        elif name == "fs":
            state = replace(state, half_points=24 if value is None else value)
        elif name == "f":
            state = replace(state, font=value or 0)
        elif name in {"highlight", "cb", "chcbpat"}:
            state = replace(state, shaded=self._is_dark(value or 0))
        elif name == "cbpat":
            state = replace(state, paragraph_shaded=self._is_dark(value or 0))
        elif name == "intbl":
            state = replace(state, in_table=True)
        elif name == "outlinelevel":
            state = replace(state, level=min((value or 0) + 1, 6) if (value or 0) < 9 else 0)
        elif name == "s":
            state = replace(state, level=self._styles.get(value or 0, 0))
        elif name == "uc":
            state = replace(state, skip_after_unicode=min(max(value or 0, 0), 16))
        elif name == "trowd":
            self._shades, self._next_shade = [], False
        elif name == "clcbpat":
            self._next_shade = self._is_dark(value or 0)
        elif name == "cellx":
            self._shades.append(self._next_shade)
            self._next_shade = False
        else:
            return False
        self._state = state
        return True

    def _symbol(self, symbol: bytes) -> None:
        if self._skip:
            self._skip -= 1
        elif symbol == b"*":
            self._starred = True
        elif symbol in b"\\{}":
            self._say(symbol.decode("ascii"))
        elif symbol in {b"~", b"_"}:
            self._say(" " if symbol == b"~" else "-")
        elif symbol in {b"\r", b"\n"}:
            self._control("par", None)

    # --- Characters ---------------------------------------------------------------------------------------------

    def _byte(self, byte: int) -> None:
        if self._skip:
            self._skip -= 1
        else:
            self._bytes.append(byte)

    def _text(self, text: bytes) -> None:
        skipped = min(self._skip, len(text))
        self._skip -= skipped
        if text[skipped:]:
            self._starred = False
            self._bytes += text[skipped:]

    def _unicode(self, value: int) -> None:
        self._say(chr(value & 0xFFFF))
        self._skip = self._state.skip_after_unicode

    def _flush(self) -> None:
        """Turn the bytes that wait into text, by the character set of the font they are set in."""
        if self._bytes:
            waiting, self._bytes = bytes(self._bytes), bytearray()
            _, charset = self._fonts.get(self._font(), ("", 0))
            if self._state.table == "fonttbl":
                charset = self._entry_set
            if charset == _SYMBOL_SET:
                text = waiting.decode("latin-1").replace("\xb7", "•").replace("\xa7", "•")
                self._say("".join(c for c in text if c == "•" or c.isascii()) if not self._state.table else text)
            else:
                self._say(waiting.decode(_CODE_PAGES.get(charset, self._code_page), "replace"))

    def _font(self) -> int:
        return self._state.font if self._state.font >= 0 else self._default_font

    def _say(self, text: str) -> None:
        if self._bytes:
            self._flush()
        state = self._state
        if state.table:
            self._in_table_of(state.table, text)
            return
        if state.silent:
            return
        self._size += len(text)
        if self._size > 2 * self._to.limits.characters:
            raise IntakeError(self._to.name, Refusal.TOO_LONG, {"allowed": str(self._to.limits.characters)})
        left_out = self._left_out()
        if left_out is not None:
            self._to.omit(left_out, text)
            return
        if state.inserted:
            self._to.omit(FindingKind.TRACKED_INSERTION, text)
        name = self._fonts.get(self._font(), ("", 0))[0]
        state.flow.parts.append((text, old_font(name)))

    def _left_out(self) -> FindingKind | None:
        state = self._state
        if state.deleted:
            return FindingKind.TRACKED_DELETION
        if state.hidden:
            return FindingKind.HIDDEN_TEXT
        cell = len(state.flow.cells)
        shaded = state.shaded or state.paragraph_shaded or (state.in_table and any(self._shades[cell : cell + 1]))
        colour = self._colours[state.colour] if 0 < state.colour < len(self._colours) else None
        if colour is not None and min(colour) >= _PALE and not shaded:
            return FindingKind.WHITE_TEXT
        return FindingKind.TINY_TEXT if state.half_points < _SMALLEST_HALF_POINTS else None

    def _is_dark(self, colour: int) -> bool:
        known = self._colours[colour] if 0 < colour < len(self._colours) else None
        return known is not None and min(known) < _PALE

    def _in_table_of(self, table: str, text: str) -> None:
        if table == "colortbl":
            for _ in range(text.count(";")):
                mix = self._mix
                self._colours.append((mix.get("red", 0), mix.get("green", 0), mix.get("blue", 0)) if mix else None)
                self._mix = {}
            return
        self._entry += text
        if table == "fonttbl" and ";" in text:
            self._end_entry(self._state)

    def _end_entry(self, state: _State) -> None:
        name = self._entry.strip().rstrip(";").strip()
        if state.table == "fonttbl":
            self._fonts[self._entry_font] = (name, self._entry_set)
        elif self._entry_font >= 0:
            words = name.lower().split()
            heading = int(words[1]) if len(words) == 2 and words[0] == "heading" and words[1].isdecimal() else 0
            self._styles[self._entry_font] = min(state.level or heading, 6)
        self._entry, self._entry_font, self._entry_set = "", -1, 0

    # --- Paragraphs and rows ------------------------------------------------------------------------------------

    def _line(self) -> str:
        """Return what was said since the last paragraph, runs in an old font converted."""
        self._flush()
        pieces, self._state.flow.parts = self._state.flow.parts, []
        # Two halves of a character beyond the first plane come one after the other.
        return self._to.joined(pieces).encode("utf-16", "surrogatepass").decode("utf-16", "replace")

    def _end_paragraph(self) -> None:
        flow, line = self._state.flow, self._line()
        self._to.end_paragraph()
        if not tidy(line):
            return
        if self._state.in_table:
            flow.cell.append(_SYMBOLS.sub("", line))
        elif flow is self._main:
            self._to.add(_SYMBOLS.sub("", line), heading=self._state.level)
        else:
            flow.lines.append(line)

    def _end_row(self, flow: _Flow) -> None:
        cells, flow.cells, flow.cell = flow.cells, [], []
        nested, flow.nested_rows = flow.nested_rows, []
        if flow is not self._main:
            flow.lines.append(" | ".join(cells))
        elif len(cells) == 1:
            # A frame around text.
            for line in cells[0].split("\n"):
                self._to.add(line)
        else:
            self._to.add_row(cells)
        for row in nested:
            self._to.note(FindingKind.NESTED_TABLE, " | ".join(row))
            self._to.add_row(row)


def _known(code_page: str, default: str) -> str:
    try:
        "".encode(code_page)
    except LookupError:
        return "utf-8" if code_page == "cp65001" else default
    return code_page
