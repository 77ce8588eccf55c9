"""How text looks, and whether a reader of the paper would see it."""

from dataclasses import dataclass

from knowledge.intake.model import FindingKind


@dataclass(frozen=True, slots=True)
class Look:
    """How text looks, as far as it matters here."""

    hidden: bool = False
    pale: bool = False
    shaded: bool = False
    tiny: bool = False
    font: str = ""

    @property
    def left_out(self) -> FindingKind | None:
        """Why the text is left out; None where it is read."""
        if self.hidden:
            return FindingKind.HIDDEN_TEXT
        if self.pale and not self.shaded:
            return FindingKind.WHITE_TEXT
        return FindingKind.TINY_TEXT if self.tiny else None
