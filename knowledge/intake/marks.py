"""Numbers as lists show them."""

_ROMAN = [(1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl")]
_ROMAN += [(10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i")]


def counted(number: int, kind: str) -> str:
    """Return a number as a list shows it: kind "1", "a", "A", "i" or "I"."""
    if kind in {"a", "A"} and number > 0:
        letters = chr(ord("a") + (number - 1) % 26) * ((number - 1) // 26 % 20 + 1)
        return letters if kind == "a" else letters.upper()
    if kind in {"i", "I"} and 0 < number < 4000:
        text = ""
        for value, letters in _ROMAN:
            while number >= value:
                text, number = text + letters, number - value
        return text if kind == "i" else text.upper()
    return str(number)
