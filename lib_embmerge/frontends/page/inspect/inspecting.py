"""Inspect one source: its shapes, what its header says, figures by vector, and how far today's words are from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import torch

from ....errors import EmbeddingMergeError
from ....evaluation import remark_on_norms
from ....families import DEMONSTRATION
from ....files.reading import EmbeddingFile
from ....host_protocol import PageHost, TextModel
from ....inspection import Neighbour, find_neighbours, group_by_vector, measure_embedding
from ....limits import Limits
from ....vectors.embedding import Embedding
from ...figures import amount
from ...source import Computed, Source, StoredFile, say_misfit
from ..html import draw, draw_error
from ..source import Choice, loaded_model, open_choice
from .verifying import Verification, verify

__all__ = ["EncoderFigures", "Inspected", "VectorFigures", "inspect_from_page", "inspect_source"]

SHOWN_VECTORS = 150
"""Vectors whose figures are shown: two chunks."""
SHOWN_WORDS = 3

HEADER = MappingProxyType(
    {
        "expression": "embmerge.expression",
        "resolved": "embmerge.resolved",
        "made with": "embmerge.checkpoint",
        "author": "modelspec.author",
        "note": "modelspec.description",
        "trigger": "modelspec.trigger_phrase",
        "tags": "modelspec.tags",
        "date": "modelspec.date",
        "fingerprint": "embmerge.rows",
    }
)
"""What is shown of a file's header, and how it is called; all of it stands in a fold."""


@dataclass(frozen=True)
class VectorFigures:
    """One vector: its norm, that norm over the vocabulary's mean, its percentile there, and the nearest words.

    What needs a model is None, or empty, without one.
    """

    index: int
    norm: float | None
    ratio: float | None
    percentile: float | None
    words: Sequence[tuple[str, float]] = ()


@dataclass(frozen=True)
class EncoderFigures:
    """One encoder's vectors: shape, number format as stored, and the figures of at most `SHOWN_VECTORS` of them."""

    encoder: str
    shape: tuple[int, int]
    number_format: str
    rows: Sequence[VectorFigures]

    @property
    def left_out(self) -> int:
        """How many vectors are not among the rows."""
        return self.shape[0] - len(self.rows)


@dataclass(frozen=True)
class Inspected:
    """Everything that is shown of one source.

    `recipe` is the expression for the box, empty where the file does not say. `unverified` says why there is no
    verification of a file that has a recipe.
    """

    title: str
    path: str
    layout: str
    encoders: Sequence[EncoderFigures]
    facts: Mapping[str, str]
    metadata: Mapping[str, str] = field(default_factory=dict)
    recipe: str = ""
    warnings: Sequence[str] = ()
    model: TextModel | None = None
    verification: Verification | None = None
    unverified: str = ""

    @property
    def has_ratio(self) -> bool:
        """Whether norms are shown against the vocabulary's."""
        return any(row.ratio is not None for encoder in self.encoders for row in encoder.rows)


def inspect_from_page(host: PageHost, choice: Choice) -> str:
    """Inspect what was chosen; return it, or the mistake, as HTML."""
    try:
        source = open_choice(choice, host)
        model = loaded_model(host) if source.model is None else source.model
        found = inspect_source(source, model, host.limits)
    except EmbeddingMergeError as error:
        return draw_error(error)
    return draw("inspect/inspected", found=found)


def inspect_source(source: Source, model: TextModel | None, limits: Limits | None = None) -> Inspected:
    """Return the figures of a source; norms and words against `model`, where it says something about the source.

    The demonstration encoder's words say nothing about a file that it has not made, nor the other way round.
    """
    if isinstance(source, Computed):
        return _inspect_expression(source)
    made_here = source.file.metadata.get("embmerge.checkpoint") == DEMONSTRATION
    judge = model if model is not None and model.is_demonstration == made_here else None
    return _inspect_file(source, model, judge, _verify(source.file, model, limits))


def _inspect_expression(source: Computed) -> Inspected:
    analysis = source.analysis
    origin, model = analysis.provenance(), analysis.model
    return Inspected(
        title=source.title,
        path="",
        layout="",
        encoders=_measure(source.vectors, model),
        facts={"resolved": origin.text, "made with": model.title, "fingerprint": origin.rows},
        recipe=source.title,
        warnings=[remark.text for remark in (*analysis.remarks(), *analysis.remarks_on_value())],
        model=model,
    )


def _inspect_file(
    source: StoredFile, model: TextModel | None, judge: TextModel | None, verified: tuple[Verification | None, str]
) -> Inspected:
    file = source.file
    verification, unverified = verified
    known = {label: file.metadata[key] for label, key in HEADER.items() if file.metadata.get(key)}
    said = {label.replace("_", " "): text for label, text in file.trainer_says.items()}
    return Inspected(
        title=source.title,
        path=str(file.path) if source.is_installed else "",
        layout=file.layout,
        encoders=_measure(source.vectors, judge),
        facts=said | known,
        metadata=dict(sorted(file.metadata.items())),
        recipe=known.get("expression", ""),
        warnings=[
            *file.notes,
            *_find_holes(source.vectors),
            *(say_misfit(source, model) if model else ()),
            *_doubt(model, judge),
            *(remark.text for remark in (remark_on_norms(source.vectors, judge) if judge else ())),
        ],
        model=model,
        verification=verification,
        unverified=unverified,
    )


def _verify(file: EmbeddingFile, model: TextModel | None, limits: Limits | None) -> tuple[Verification | None, str]:
    if not file.metadata.get("embmerge.resolved"):
        return None, "It does not say what it was made of."
    if model is None:
        return None, "No model is loaded to verify it with."
    try:
        return verify(file, model, limits), ""
    except EmbeddingMergeError as error:
        return None, error.sentence


def _doubt(model: TextModel | None, judge: TextModel | None) -> list[str]:
    if model is not None and judge is None:
        if model.is_demonstration:
            return ["The demonstration encoder's words are not CLIP's: nearest words need a real checkpoint."]
        return ["This file was made with the demonstration encoder: its vectors are for trying only."]
    return []


def _find_holes(vectors: Embedding) -> list[str]:
    """Return a sentence for each encoder that holds infinity or NaN."""
    broken = {name: int((~rows.isfinite().all(dim=1)).sum()) for name, rows in _exact(vectors).items()}
    return [
        f"{name}: {count} of {amount(vectors.length, 'vector')} with infinity or NaN; pictures made with it are black."
        for name, count in broken.items()
        if count
    ]


def _measure(vectors: Embedding, model: TextModel | None) -> list[EncoderFigures]:
    """Return the figures; words only of vectors whose numbers are finite, and of encoders that the model has too."""
    shown = Embedding({name: rows[:SHOWN_VECTORS] for name, rows in _exact(vectors).items()})
    near: Mapping[tuple[str, int], Sequence[Neighbour]] = {}
    if model is not None:
        finite = {name: torch.where(rows.isfinite().all(dim=1)[:, None], rows, 0.0) for name, rows in shown.items()}
        widths = {encoder.name: encoder.width for encoder in model.encoders}
        fitting = {name: rows for name, rows in finite.items() if widths.get(name) == rows.shape[1]}
        near = group_by_vector(find_neighbours(Embedding(fitting), model, k=SHOWN_WORDS))
    rows = measure_embedding(shown, model)
    return [
        EncoderFigures(
            name,
            (int(stored.shape[0]), int(stored.shape[1])),
            str(stored.dtype).removeprefix("torch."),
            [
                VectorFigures(
                    row.index,
                    row.norm,
                    row.norm_ratio,
                    row.percentile,
                    [(word.text, word.cosine) for word in near.get((name, row.index), ())],
                )
                for row in rows
                if row.encoder == name
            ],
        )
        for name, stored in vectors.items()
    ]


def _exact(vectors: Embedding) -> Embedding:
    """Return the numbers in float64: not every number format can be calculated with."""
    return Embedding({name: rows.to(torch.float64) for name, rows in vectors.items()})
