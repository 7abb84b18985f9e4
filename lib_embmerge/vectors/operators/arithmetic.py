"""Sums, scaling and blends: what treats each number by itself."""

from __future__ import annotations

import torch
from torch import Tensor

from ...families import ENCODERS
from ..registry import operator

__all__ = ["add", "divide", "lerp", "mean", "negate", "scale", "subtract"]


@operator("add")
def add(a: Tensor, b: Tensor) -> Tensor:
    """Return a + b.

    Shapes: (n, width) both; the registry pads the shorter.
    Edge: a sum past float32's range is infinite, which evaluation reports.
    """
    return torch.add(a, b)


@operator("subtract")
def subtract(a: Tensor, b: Tensor) -> Tensor:
    """Return a − b.

    Shapes: (n, width) both; the registry pads the shorter.
    Edge: a difference past float32's range is infinite, which evaluation reports.
    """
    return torch.sub(a, b)


@operator("negate")
def negate(a: Tensor) -> Tensor:
    """Return −a.

    Edge: zeros become negative zeros, which are equal to zero.
    """
    return torch.neg(a)


@operator("scale", needs=("encoder",))
def scale(a: Tensor, t: float, only: str | None = None, *, encoder: str) -> Tensor:
    """Return t·a; where `only` names another encoder than this one, a itself.

    Edge: t = 0 gives zero vectors; the count stays.
    """
    return a * float(t) if only is None or only == encoder else a


@operator("divide", needs=("encoder",))
def divide(a: Tensor, t: float, only: str | None = None, *, encoder: str) -> Tensor:
    """Return a / t; where `only` names another encoder than this one, a itself.

    Edge: a result past float32's range is infinite, which evaluation reports.
    """
    return a / float(t) if only is None or only == encoder else a


@operator("lerp")
def lerp(a: Tensor, b: Tensor, t: float) -> Tensor:
    """Return a + t·(b − a), the point at t on the straight line from a to b.

    Shapes: (n, width) both; the registry pads the shorter.
    Units: t is a fraction of the way; below 0 and above 1 the line goes on.
    Edge: t = 0 gives a and t = 1 gives b to the bit: it is computed in float64 and rounded once.
    """
    start = a.to(torch.float64)
    return (start + float(t) * (b.to(torch.float64) - start)).to(torch.float32)


@operator("mean")
def mean(a: Tensor, *others: Tensor) -> Tensor:
    """Return the sum of all arguments over their count.

    Shapes: (n, width) each; the registry pads the shorter ones.
    Edge: computed in float64 and rounded once; of one argument, the argument.
    """
    total = a.to(torch.float64, copy=True)
    for other in others:
        total += other
    return (total / (1 + len(others))).to(torch.float32)


def _register_only(name: str) -> None:
    @operator(name, needs=("encoder",), hides=True)
    def only(a: Tensor, *, encoder: str) -> Tensor:
        """Return the vectors of the encoder of that name as they are, and zero vectors for any other encoder.

        Edge: no vectors in, none out.
        """
        return a if encoder == name else torch.zeros_like(a)


for _name in ENCODERS:
    _register_only(_name)
