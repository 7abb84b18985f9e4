"""Vectors as a direction and a norm: the one place that divides the one by the other."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["norms_of", "unit_vectors"]


def norms_of(rows: Tensor) -> Tensor:
    """Return the L2 norm of each vector: (n, width) to (n, 1), in the rows' own number format."""
    norms: Tensor = torch.linalg.vector_norm(rows, dim=1, keepdim=True)
    return norms


def unit_vectors(rows: Tensor) -> Tensor:
    """Return each vector at norm 1, in the rows' own number format.

    Edge: a zero vector stays zero.
    """
    norms = norms_of(rows)
    return rows / torch.where(norms > 0, norms, 1.0)
