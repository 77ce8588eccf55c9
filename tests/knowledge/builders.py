"""Documents for tests, in which what a row does not say is filled in, and an encoder that counts."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embeddings.encoder import HashingEncoder
from knowledge.model import Confidence, Document, DocumentKind, TextKind

DOCUMENTS = Path(__file__).parents[2] / "knowledge" / "documents"
PLAN = "ke-hoach-ket-luan-21"
ENTRY = {
    "number": '"1-QĐ/TW"',
    "kind": "quy định",
    "title": '"Quy định thử"',
    "issuer": '"Bộ Chính trị"',
    "date": '"2021-02-03"',
    "status": '"đang áp dụng"',
    "text_kind": "official",
    "confidence": "verified",
}


class CountingEncoder(HashingEncoder):
    """The hashing encoder, counting the texts it was given to index, and the questions."""

    def __init__(self, fingerprint: str | None = None) -> None:
        super().__init__(dim=128)
        self.fingerprint = fingerprint or self.fingerprint
        self.encoded = self.asked = 0

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.encoded += len(texts)
        return super().encode(texts)

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.asked += len(texts)
        return super().encode(texts)


def an_entry(**changed: str | None) -> str:
    """A registry entry as YAML; a field given as None is left out."""
    fields = {**ENTRY, **changed}
    return "".join(f"{key}: {value}\n" for key, value in fields.items() if value is not None)


def a_file(folder: Path, name: str, body: str = "Nội dung.\n", **changed: str | None) -> Path:
    """A Markdown document with its front matter."""
    path = folder / name
    path.write_text(f"---\n{an_entry(**changed)}---\n{body}", encoding="utf-8")
    return path


def a_document(text: str, *, id: str = "thu", number: str | None = "1-QĐ/TW") -> Document:
    return Document(
        id=id,
        number=number,
        kind=DocumentKind.REGULATION,
        title="Quy định thử",
        issuer="Bộ Chính trị",
        issued_on=date(2021, 2, 3),
        status="đang áp dụng",
        replaced_by=None,
        replaces=None,
        text_kind=TextKind.OFFICIAL,
        confidence=Confidence.VERIFIED,
        text=text,
        sha256="",
    )
