"""Files that people fetch: made anew each time, for the person who asks, and never kept.

What a file holds is decided when it is made: who may no longer see it, does not get it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

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

# Takes what stands behind the recipe's first ":"; None where the person may not have the file, or it is gone.
Maker = Callable[[Turn, str], bytes | None]
MAKERS: Mapping[str, Maker] = {}


def make(turn: Turn, name: str, recipe: str) -> File | None:
    """Return the file that a recipe describes, as the person of this turn may have it now; else None."""
    kind, _, rest = recipe.partition(":")
    maker = MAKERS.get(kind)
    content = maker(turn, rest) if maker is not None else None
    return File(name, content) if content is not None else None
