"""Lengths, directions and spans of vectors. Inner computation is float64."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ...errors import WrongArgument
from ..registry import operator
from ..units import norms_of, unit_vectors
from ..vocabulary import Vocabulary
from .arithmetic import lerp

__all__ = ["normalize", "project", "remove", "slerp"]

SMALLEST_ANGLE = 1e-4
"""Radians: vectors nearer than this to parallel or opposite have no certain great circle between them."""
SMALLEST_SINGULAR_VALUE = 1e-5
"""Directions of a span below this share of its largest singular value count as none."""


@operator("slerp")
def slerp(a: Tensor, b: Tensor, t: float) -> Tensor:
    """Turn each vector's direction along the great circle from a to b, its norm linearly.

    Shapes: (n, width) both; the registry pads the shorter.
    Units: t is a fraction of the way; the angle is in radians.
    Edge: `lerp` where either vector is zero, or both are parallel or opposite within 1e-4 rad.
    Source: W. Kahan, "How futile are mindless assessments of roundoff", §12, for the angle of two unit vectors.
    """
    exact_a, exact_b = a.to(torch.float64), b.to(torch.float64)
    u, norm_a, v, norm_b = unit_vectors(exact_a), norms_of(exact_a), unit_vectors(exact_b), norms_of(exact_b)
    angle = 2 * torch.atan2(norms_of(u - v), norms_of(u + v))
    turned = (torch.sin((1 - t) * angle) * u + torch.sin(t * angle) * v) / torch.sin(angle)
    turned = turned * (norm_a + t * (norm_b - norm_a))
    straight = (norm_a == 0) | (norm_b == 0) | (angle < SMALLEST_ANGLE) | (math.pi - angle < SMALLEST_ANGLE)
    return torch.where(straight, lerp(a, b, t), turned.to(torch.float32))


@operator("normalize", needs=("vocabulary",), hides=True)
def normalize(a: Tensor, norm: float | Tensor | None = None, *, vocabulary: Vocabulary | None = None) -> Tensor:
    """Bring each vector to a norm: the vocabulary's mean norm, a number, or that of b's vector of the same index.

    Shapes: (n, width) to (n, width); b may be of any length but 0, past its end its mean norm counts.
    Units: L2 norms.
    Edge: zero vectors stay zero.
    Raises: WrongArgument where b has only zero vectors while a has others.
    """
    direction = unit_vectors(a.to(torch.float64))
    if norm is None and vocabulary is not None:
        norm = vocabulary.mean_norm
    target = _norms_of(norm, a) if isinstance(norm, Tensor) else float(norm or 0)
    return (direction * target).to(torch.float32)


@operator("project", hides=True)
def project(a: Tensor, b: Tensor) -> Tensor:
    """Return each vector's part inside the span of b's vectors.

    Shapes: a (n, width), b (m, width) with any m.
    Edge: the span of nothing, and of zero vectors, is nothing: zeros. Singular values below 1e-5 of the largest
    count as zero.
    """
    basis = _basis(b)
    return (a.to(torch.float64) @ basis.T @ basis).to(torch.float32)


@operator("remove", hides=True)
def remove(a: Tensor, b: Tensor) -> Tensor:
    """Return each vector's part outside the span of b's vectors.

    Shapes: a (n, width), b (m, width) with any m.
    Edge: outside the span of nothing is all: a itself. Singular values below 1e-5 of the largest count as zero.
    """
    exact, basis = a.to(torch.float64), _basis(b)
    return (exact - exact @ basis.T @ basis).to(torch.float32)


def _norms_of(b: Tensor, a: Tensor) -> Tensor:
    """Return the norms of b's vectors for the indices of a's: (n, 1), float64."""
    norms = norms_of(b.to(torch.float64))
    if not norms.any() and a.any():
        raise WrongArgument("The embedding that gives the norms has only zero vectors.")
    beyond = max(0, a.shape[0] - b.shape[0])
    return torch.cat([norms[: a.shape[0]], norms.mean().expand(beyond, 1)])


def _basis(b: Tensor) -> Tensor:
    """Return orthonormal vectors that span the same as b's: (rank, width), float64."""
    if not b.shape[0] or not b.any():
        return torch.zeros((0, b.shape[1]), dtype=torch.float64)
    values: Tensor
    directions: Tensor
    _, values, directions = torch.linalg.svd(b.to(torch.float64), full_matrices=False)
    return directions[values > SMALLEST_SINGULAR_VALUE * values[0]]
