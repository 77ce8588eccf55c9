"""Month against month: a small bar chart as a PNG."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

from handlers.papers.paper import drawable, font_file

_WIDTH_INCH, _HEIGHT_INCH, _DPI = 6.4, 3.2, 125
_BAR, _FRAME = "#a3262a", "#666666"


@dataclass(frozen=True, slots=True)
class Bar:
    """A month: its name, how much of all in percent, and what stands on the bar."""

    label: str
    percent: int
    said: str


def draw(title: str, axis: str, bars: Sequence[Bar]) -> bytes:
    """Return the chart; bars are drawn in their order."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.font_manager import FontProperties

    plain = FontProperties(fname=font_file(), size=8)
    # A figure of its own, not pyplot's: charts are drawn in several threads.
    figure = Figure(figsize=(_WIDTH_INCH, _HEIGHT_INCH), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    places = range(len(bars))
    axes.bar(places, [bar.percent for bar in bars], width=0.6, color=_BAR)
    for place, bar in zip(places, bars, strict=True):
        axes.text(place, bar.percent + 2, drawable(bar.said), ha="center", va="bottom", fontproperties=plain)
    axes.set_xticks(list(places), [bar.label for bar in bars], fontproperties=plain)
    axes.set_yticks(range(0, 101, 25), [f"{percent}%" for percent in range(0, 101, 25)], fontproperties=plain)
    # One bar alone is not as wide as twelve.
    axes.set_xlim(-0.7, max(len(bars), 6) - 0.3)
    axes.set_ylim(0, 112)
    axes.set_ylabel(axis, fontproperties=plain)
    axes.set_title(drawable(title), fontproperties=FontProperties(fname=font_file(bold=True), size=10), wrap=True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_FRAME)
    out = io.BytesIO()
    figure.savefig(out, format="png", metadata={"Software": "Tu Soi"})
    return out.getvalue()
