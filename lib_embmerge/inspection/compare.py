"""How far two embeddings are from each other, and the vectors of one among themselves."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..vectors.embedding import Embedding, bad_vectors
from ..vectors.registry import pad_to
from ..vectors.units import unit_vectors

__all__ = ["Difference", "measure_differences", "measure_similarity"]

Shape = tuple[int, int]


@dataclass(frozen=True)
class Difference:
    """Two embeddings' vectors of one encoder.

    A shape is None where an embedding lacks the encoder; then, or where the widths differ, there are no figures. The
    shorter is padded with zero vectors. A cosine with a zero vector is None, with one that holds infinity or NaN it is
    NaN.
    """

    encoder: str
    shape_a: Shape | None
    shape_b: Shape | None
    mean_absolute: float | None = None
    max_absolute: float | None = None
    cosines: tuple[float | None, ...] = ()

    @property
    def is_equal(self) -> bool:
        """Whether both have this encoder's vectors, and the same."""
        return self.shape_a == self.shape_b and self.shape_a is not None and not self.max_absolute


def measure_differences(a: Embedding, b: Embedding) -> list[Difference]:
    """Compare two embeddings encoder by encoder, a's encoders first."""
    names = dict.fromkeys([*a, *b])
    return [_compare(name, a.get(name), b.get(name)) for name in names]


def measure_similarity(embedding: Embedding) -> dict[str, list[list[float | None]]]:
    """Return the cosine of every two vectors, per encoder; None where one is zero or holds infinity or NaN."""
    result = {}
    for name, rows in embedding.items():
        units = unit_vectors(_exact(rows))
        cosines = (units @ units.T).clamp(-1.0, 1.0)
        zero = ~rows.any(dim=1)
        zero[bad_vectors(rows)] = True
        cosines[zero, :] = cosines[:, zero] = torch.nan
        result[name] = [[None if value != value else value for value in row] for row in cosines.tolist()]
    return result


def _compare(name: str, a: Tensor | None, b: Tensor | None) -> Difference:
    shapes = _shape(a), _shape(b)
    if a is None or b is None or a.shape[1] != b.shape[1]:
        return Difference(name, *shapes)
    longest = max(len(a), len(b))
    exact_a, exact_b = (pad_to(rows.detach().to(torch.float64), longest) for rows in (a, b))
    apart = (exact_a - exact_b).abs()
    return Difference(
        name,
        *shapes,
        mean_absolute=float(apart.mean()) if apart.numel() else 0.0,
        max_absolute=float(apart.max()) if apart.numel() else 0.0,
        cosines=_cosines(exact_a, exact_b),
    )


def _cosines(a: Tensor, b: Tensor) -> tuple[float | None, ...]:
    values = (unit_vectors(_exact(a)) * unit_vectors(_exact(b))).sum(dim=1).clamp(-1.0, 1.0).tolist()
    zero = (~a.any(dim=1) | ~b.any(dim=1)).tolist()
    cosines = [None if nothing else value for value, nothing in zip(values, zero, strict=True)]
    for place in {*bad_vectors(a), *bad_vectors(b)}:
        cosines[place] = math.nan
    return tuple(cosines)


def _exact(rows: Tensor) -> Tensor:
    return rows.detach().to(torch.float64)


def _shape(rows: Tensor | None) -> Shape | None:
    return None if rows is None else (int(rows.shape[0]), int(rows.shape[1]))
