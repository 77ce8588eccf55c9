"""File names that are safe to show."""

from knowledge.text import clean, collapse

NAMELESS = "tệp"
_LONGEST, _LONGEST_ENDING = 80, 10


def safe_name(name: str) -> str:
    """Return a file's name on one line, without folders, control or direction characters, at most 80 characters."""
    # Bytes of a name that is no UTF-8 arrive as lone surrogates, which nothing can print.
    shown = name.encode("utf-8", "replace").decode("utf-8")
    shown = shown.replace("\n", " ").replace("\r", " ").replace("\\", "/").rpartition("/")[2]
    shown = collapse(clean(shown)).lstrip(".") or NAMELESS
    if len(shown) <= _LONGEST:
        return shown
    stem, dot, ending = shown.rpartition(".")
    if not dot or len(ending) > _LONGEST_ENDING:
        return shown[: _LONGEST - 1] + "…"
    return stem[: _LONGEST - len(ending) - 2] + "…." + ending
