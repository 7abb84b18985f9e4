"""Rows of figures: norms and moments of what an expression reads, and of what it gives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ..host_protocol import TextEncoder, TextModel
from ..vectors.embedding import Embedding
from ..vectors.vocabulary import Vocabulary
from .tokens import ReadThing, ShownToken, list_chips

__all__ = ["By", "NormDistribution", "RowStatistics", "measure_embedding", "measure_norms", "measure_parts"]

By = Literal["part", "token"]
"""One row for each quoted text or other thing read, or for each token of those."""


@dataclass(frozen=True)
class RowStatistics:
    """The figures of one vector, or of all vectors of one part together.

    Units: `norm` is L2, of a part the mean of its vectors' norms; `norm_ratio` is it over the vocabulary's mean norm;
    `percentile` is the share of the vocabulary that is shorter, in percent; `std` is the population's. `total` and
    `absolute` are the sums of the numbers and of their absolute values. What needs a model is None without one; the
    moments of no vectors are None.
    """

    encoder: str
    index: int
    text: str
    id: int | None
    vectors: int
    norm: float | None
    norm_ratio: float | None
    percentile: float | None
    minimum: float | None
    maximum: float | None
    mean: float | None
    std: float | None
    total: float
    absolute: float


@dataclass(frozen=True)
class NormDistribution:
    """How many rows of a vocabulary have a norm between each edge and the next."""

    encoder: str
    mean: float
    edges: list[float]
    counts: list[int]


def measure_parts(parts: Sequence[ReadThing], model: TextModel, *, by: By = "part") -> list[RowStatistics]:
    """Return the figures of what an expression reads, before any operator: encoder by encoder, in the text's order.

    Edge: zero vectors that only pad the shorter encoder count in a part, and are no token.
    """
    of_part = _by_part if by == "part" else _by_token
    return [row for encoder in model.encoders for row in of_part(parts, encoder)]


def measure_embedding(embedding: Embedding, model: TextModel | None = None) -> list[RowStatistics]:
    """Return the figures of each vector, encoder by encoder; norms against the vocabulary only with a model."""
    vocabularies = {} if model is None else {encoder.name: encoder.vocabulary() for encoder in model.encoders}
    return [
        _figures(rows[place : place + 1], ShownToken(name, place, "", None), place, vocabularies.get(name))
        for name, rows in embedding.items()
        for place in range(len(rows))
    ]


def measure_norms(model: TextModel, *, bins: int = 40) -> list[NormDistribution]:
    """Return the distribution of the vocabulary's norms, encoder by encoder, in bins of equal width from 0 on."""
    found = []
    for encoder in model.encoders:
        norms = encoder.vocabulary().sorted_norms
        top = float(norms[-1]) if norms.numel() and float(norms[-1]) > 0 else 1.0
        edges = torch.linspace(0.0, top, bins + 1, dtype=torch.float64)
        counts = torch.bucketize(norms, edges[1:-1], right=True).bincount(minlength=bins)
        found.append(NormDistribution(encoder.name, encoder.vocabulary().mean_norm, edges.tolist(), counts.tolist()))
    return found


def _by_part(parts: Sequence[ReadThing], encoder: TextEncoder) -> Iterator[RowStatistics]:
    for number, part in enumerate(parts):
        chips = list_chips(part, number, encoder)
        token = chips[0].id if len(chips) == 1 else None
        whole = ShownToken(encoder.name, number, " ".join(chip.text for chip in chips), token)
        yield _figures(part.vectors[encoder.name], whole, number, encoder.vocabulary())


def _by_token(parts: Sequence[ReadThing], encoder: TextEncoder) -> Iterator[RowStatistics]:
    index = 0
    for number, part in enumerate(parts):
        first = 0
        for chip in list_chips(part, number, encoder):
            rows = part.vectors[encoder.name][first : first + chip.vectors]
            yield _figures(rows, chip, index, encoder.vocabulary())
            first += chip.vectors
            index += 1


def _figures(rows: Tensor, chip: ShownToken, index: int, vocabulary: Vocabulary | None) -> RowStatistics:
    exact = rows.detach().to(torch.float64)
    any_rows = exact.numel() > 0
    norm = float(torch.linalg.vector_norm(exact, dim=1).mean()) if any_rows else None
    known = None if vocabulary is None or norm is None else vocabulary
    usual = known.mean_norm if known else 0.0
    return RowStatistics(
        encoder=chip.encoder,
        index=index,
        text=chip.text,
        id=chip.id,
        vectors=len(exact),
        norm=norm,
        norm_ratio=norm / usual if norm is not None and usual else None,
        percentile=known.scale().percentile(norm) if known and norm is not None else None,
        minimum=float(exact.min()) if any_rows else None,
        maximum=float(exact.max()) if any_rows else None,
        mean=float(exact.mean()) if any_rows else None,
        std=float(exact.std(unbiased=False)) if any_rows else None,
        total=float(exact.sum()),
        absolute=float(exact.abs().sum()),
    )
