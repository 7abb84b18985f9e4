"""Verify a file: how far the loaded checkpoint's words are from it."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ....errors import FileError
from ....evaluation import Analysis
from ....files.reading import EmbeddingFile
from ....host_protocol import TextModel
from ....inspection import Difference, measure_differences
from ....limits import Limits
from ....saving import read_recipe, read_resolved
from ....vectors.embedding import Embedding, shapes_of

__all__ = ["Verification", "verify"]


@dataclass(frozen=True)
class Verification:
    """A file beside what its recipe gives today: the differences, and whether the rows' fingerprint agrees.

    `same_rows` is None where the header has no fingerprint; `is_rounded` says that a file in a shorter number format
    is what today's numbers are in that format.
    """

    title: str
    differences: tuple[Difference, ...]
    same_rows: bool | None
    is_rounded: bool
    number_format: str

    @property
    def is_equal(self) -> bool:
        """Whether every encoder's vectors are the same, to the bit."""
        return bool(self.differences) and all(one.is_equal for one in self.differences)

    @property
    def verdict(self) -> str:
        """The result in a sentence."""
        if self.is_equal:
            return f"{self.title} gives exactly this file."
        if self.is_rounded:
            return f"{self.title} gives exactly this file, in {self.number_format}."
        if not any(one.shape_a and one.shape_b for one in self.differences):
            return f"{self.title} is of another family: it has none of this file's encoders."
        if self.same_rows:
            return (
                f"{self.title} has the rows that this file was made of, and yet gives other vectors: they were changed"
                " after saving, or the expression asks the whole vocabulary, or random numbers are drawn otherwise."
            )
        return f"{self.title} gives other vectors for these words."

    @property
    def fingerprint(self) -> str:
        """What the fingerprint says, in a sentence."""
        if self.same_rows is None:
            return "The file has no fingerprint of the rows that it was made of."
        if self.same_rows:
            return "The fingerprint agrees: the same rows of the vocabulary."
        return "The fingerprint differs: other rows of the vocabulary than the file was made of."


def verify(file: EmbeddingFile, model: TextModel, limits: Limits | None = None) -> Verification:
    """Compute a file's recipe with a model and compare.

    Raises: FileError where the file has no recipe or where it reads a checkpoint by its path; ExpressionError where
    the recipe cannot be computed with this model.
    """
    recipe = read_recipe(file.path.name, file.metadata)
    entered = read_resolved(file.path.name, recipe, limits)
    if recipe.is_demonstration != model.is_demonstration:
        raise FileError("One of them is the demonstration encoder, whose vectors are not CLIP's.")
    analysis = Analysis(entered, model)
    value = analysis.value()
    known = {*file.vectors, *value}  # what a file holds beside CLIP's for another model is not compared
    stored = Embedding({name: rows for name, rows in file.all_vectors.items() if name in known})
    rows = file.metadata.get("embmerge.rows")
    formats = sorted({str(tensor.dtype).removeprefix("torch.") for tensor in stored.values()})
    return Verification(
        title=model.title,
        differences=tuple(measure_differences(stored, value)),
        same_rows=None if rows is None else rows == analysis.provenance().rows,
        is_rounded=_is_rounded(stored, value),
        number_format=" and ".join(formats),
    )


def _is_rounded(stored: Embedding, value: Embedding) -> bool:
    return shapes_of(stored) == shapes_of(value) and all(
        torch.equal(value[name].to(rows.dtype).to(torch.float64), rows.to(torch.float64))
        for name, rows in stored.items()
    )
