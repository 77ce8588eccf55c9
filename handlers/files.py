"""Files that people fetch: made anew each time, for the person who asks, and never kept.

What a file holds is decided when it is made: who may no longer see it, does not get it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from handlers import exports, references
from handlers.services import Turn


@dataclass(frozen=True, slots=True)
class File:
    """A file ready to be sent."""

    name: str
    content: bytes

    @property
    def media_type(self) -> str:
        """What browsers call it."""
        return _MEDIA_TYPES.get(self.name.rpartition(".")[2], "application/octet-stream")


_OFFICE = "application/vnd.openxmlformats-officedocument"
_MEDIA_TYPES = {
    "xlsx": f"{_OFFICE}.spreadsheetml.sheet",
    "docx": f"{_OFFICE}.wordprocessingml.document",
    "pdf": "application/pdf",
    "png": "image/png",
}

# Takes what stands behind the recipe's first ":" and returns how the content is drawn, once all that it needs was read;
# None where the person may not have the file, or it is gone.
Maker = Callable[[Turn, str], Callable[[], bytes] | None]
MAKERS: Mapping[str, Maker] = {**exports.MAKERS, **references.MAKERS}


def make(turn: Turn, name: str, recipe: str) -> Callable[[], File] | None:
    """Return how to draw the file that a recipe describes, as the person of this turn may have it now; else None.

    Drawing takes its time and reads nothing more: the transaction may be over by then.
    """
    kind, _, rest = recipe.partition(":")
    maker = MAKERS.get(kind)
    draw = maker(turn, rest) if maker is not None else None
    return (lambda: File(name, draw())) if draw is not None else None
