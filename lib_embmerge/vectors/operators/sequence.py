"""Which vectors there are, and in which order."""

from __future__ import annotations

import torch
from torch import Tensor

from ..registry import operator, pad_to

__all__ = ["concat", "index", "pool", "repeat", "resize", "shift", "slice_rows", "sum_rows"]


@operator("concat")
def concat(a: Tensor, *others: Tensor) -> Tensor:
    """Return the vectors of all arguments, one after the other.

    Shapes: (n, width), (m, width), … to (n + m + …, width).
    Edge: an argument without vectors adds none.
    """
    return torch.cat((a, *others))


@operator("repeat", hides=True)
def repeat(a: Tensor, n: int) -> Tensor:
    """Return a's vectors n times, one after the other.

    Shapes: (m, width) to (n·m, width).
    Edge: n = 0 gives no vectors.
    """
    return a.repeat(n, 1)


@operator("resize", hides=True, selects=True)
def resize(a: Tensor, n: int) -> Tensor:
    """Return exactly n vectors: a's first ones, then zero vectors.

    Shapes: (m, width) to (n, width).
    Edge: n = 0 gives no vectors.
    """
    return pad_to(a[:n], n)


@operator("shift")
def shift(a: Tensor, n: int) -> Tensor:
    """Turn the vectors in a circle: by +1 the last comes first.

    Edge: no vectors in, none out; a shift by the count changes nothing.
    """
    return torch.roll(a, n % a.shape[0], dims=0) if a.shape[0] else a


@operator("index", hides=True, selects=True)
def index(a: Tensor, i: int) -> Tensor:
    """Return one vector; a negative index counts from the end.

    Shapes: (n, width) to (1, width).
    Edge: an index out of range is refused before anything is computed.
    """
    return a.narrow(0, i % a.shape[0], 1)


@operator("slice", hides=True, selects=True)
def slice_rows(a: Tensor, i: int | None = None, j: int | None = None) -> Tensor:
    """Return the vectors from i up to, not including, j.

    Edge: both ends are clamped as Python's are; the result may be empty.
    """
    start, stop, _ = slice(i, j).indices(a.shape[0])
    return a[start:stop]


@operator("sum")
def sum_rows(a: Tensor) -> Tensor:
    """Return one vector: the sum of all.

    Shapes: (n, width) to (1, width).
    Edge: no vectors in, none out; computed in float64 and rounded once.
    """
    return a.sum(dim=0, keepdim=True, dtype=torch.float64).to(torch.float32)[: a.shape[0]]


@operator("pool")
def pool(a: Tensor) -> Tensor:
    """Return one vector: the mean of all.

    Shapes: (n, width) to (1, width).
    Edge: no vectors in, none out; computed in float64 and rounded once.
    """
    return a.to(torch.float64).mean(dim=0, keepdim=True).to(torch.float32)[: a.shape[0]]
