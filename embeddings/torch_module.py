"""The bundled model as a module of sentence-transformers, so that the folder loads there, too."""

from pathlib import Path
from typing import Any

import torch
from sentence_transformers.base.modules import InputModule

from embeddings.static import StaticEncoder


class StaticModule(InputModule):
    """Gives the same vectors as StaticEncoder; named in bundled/modules.json."""

    def __init__(self, folder: Path) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._folder = folder
        self._encoder = StaticEncoder(folder)

    def preprocess(self, inputs: Any, prompt: str | None = None, **_: Any) -> dict[str, torch.Tensor]:
        """Return the rows of the texts' features, and how many belong to each text."""
        rows, counts = self._encoder.token_rows([f"{prompt or ''}{text}" for text in inputs])
        return {"input_ids": torch.from_numpy(rows).long(), "counts": torch.from_numpy(counts)}

    def forward(self, features: dict[str, torch.Tensor], **_: Any) -> dict[str, torch.Tensor]:
        """Add "sentence_embedding", float32 [texts, dim], rows of unit L2 norm."""
        rows, counts = features["input_ids"].cpu().numpy(), features["counts"].cpu().numpy()
        vectors = torch.from_numpy(self._encoder.encode_rows(rows, counts))
        features["sentence_embedding"] = vectors.to(features["input_ids"].device)
        return features

    def get_embedding_dimension(self) -> int:
        """Return the length of a vector."""
        return self._encoder.dim

    def save(self, output_path: str, *_: Any, **__: Any) -> None:
        """Copy the model's files."""
        for path in self._folder.iterdir():
            if path.name != "modules.json" and path.is_file():
                (Path(output_path) / path.name).write_bytes(path.read_bytes())

    @classmethod
    def load(cls, model_name_or_path: str, *_: Any, **__: Any) -> "StaticModule":
        """Return the model in a folder."""
        return cls(Path(model_name_or_path))
