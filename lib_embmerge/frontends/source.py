"""What can be looked at, on the page and on the command line: an expression with its value, or a file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Union

from ..entered import Entered
from ..evaluation import Analysis
from ..families import ENCODER_WIDTHS
from ..files.reading import EmbeddingFile, read_embedding
from ..host_protocol import TextModel
from ..vectors.embedding import Embedding

__all__ = ["Computed", "Source", "StoredFile", "compute_source", "read_stored", "say_misfit"]


@dataclass(frozen=True)
class Computed:
    """An expression and the vectors that a model gives it."""

    analysis: Analysis
    vectors: Embedding

    @property
    def model(self) -> TextModel:
        """The one that it was computed with."""
        return self.analysis.model

    @property
    def title(self) -> str:
        """The expression, which is its name for people."""
        return self.analysis.entered.expression.strip()


@dataclass(frozen=True)
class StoredFile:
    """A file's vectors; `is_installed` says that it lies in the embeddings folder."""

    file: EmbeddingFile
    vectors: Embedding
    is_installed: bool = False

    @property
    def model(self) -> None:
        """A file has none."""
        return

    @property
    def title(self) -> str:
        """The file's name, for people."""
        return self.file.path.name


Source = Union[Computed, StoredFile]


def compute_source(entered: Entered, model: TextModel) -> Computed:
    """Compute an expression.

    Raises: ExpressionError, placed in the text that was entered.
    """
    analysis = Analysis(entered, model)
    return Computed(analysis, analysis.value())


def read_stored(path: Path, *, is_installed: bool = False) -> StoredFile:
    """Read a file.

    Raises: FileError where it is no embedding file.
    """
    file = read_embedding(path)
    return StoredFile(file, Embedding(file.all_vectors), is_installed)


def say_misfit(source: StoredFile, model: TextModel) -> list[str]:
    """Return a sentence where a model lacks one of a file's encoders, or the file one of the model's for CLIP."""
    own, others = list(source.vectors), [encoder.name for encoder in model.encoders]
    if _fits_model(own, model):
        return []
    said = f"{source.title} holds {' and '.join(own)}; {model.title} has {' and '.join(others)}"
    return [f"{said}: it does not fit that model."]


def _fits_model(encoders: Iterable[str], model: TextModel) -> bool:
    """Return whether a model has all encoders of a file, and the file vectors for all of its CLIP encoders or for none.

    What T5 or a language model has no vectors for is words or zeros there.
    """
    own, others = set(encoders), {encoder.name for encoder in model.encoders}
    return own <= others and own & set(ENCODER_WIDTHS) in (set(), others & set(ENCODER_WIDTHS))
