"""What looks at the whole token table: nearest rows, and vectors drawn like it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ...errors import WrongArgument
from ..registry import operator
from ..vocabulary import Vocabulary

__all__ = ["nearest", "random", "standard_normal"]

AT_ONCE = 64
"""Vectors that are drawn at once."""


@operator("nearest", needs=("vocabulary",), hides=True, together=True)
def nearest(a: Tensor, *, vocabulary: Vocabulary) -> Tensor:
    """Replace each vector with the vocabulary's most similar row by cosine.

    Shapes: (n, width) to (n, width).
    Edge: zero vectors stay zero; zero rows are never found; ties go to the lowest id.
    Raises: WrongArgument where the table has no row that could be found.
    """
    result = torch.zeros_like(a)
    there = a.any(dim=1).nonzero()[:, 0]
    if not len(there):
        return result
    ids, _ = vocabulary.nearest(a[there], k=1)
    if not ids.shape[1]:
        raise WrongArgument("The model's vocabulary has only zero vectors.")
    tokens, places = torch.unique(ids[:, 0], return_inverse=True)
    result[there] = torch.stack([vocabulary.row(token) for token in tokens.tolist()])[places]
    return result


@operator("random", needs=("vocabulary", "encoder"))
def random(n: int, seed: int, *, vocabulary: Vocabulary, encoder: str) -> Tensor:
    """Draw n vectors with the vocabulary's mean and population deviation per dimension.

    Shapes: (n, width).
    Edge: n = 0 gives no vectors. Vector i depends on seed, encoder name and i alone; float64, rounded once.
    """
    drawn = np.empty((n, vocabulary.width))
    for first in range(0, n, AT_ONCE):
        keys = [f"embmerge random 1\n{seed}\n{encoder}\n{i}" for i in range(first, min(first + AT_ONCE, n))]
        drawn[first : first + AT_ONCE] = standard_normal(keys, vocabulary.width)
    values = vocabulary.mean.numpy() + vocabulary.deviation.numpy() * drawn
    return torch.from_numpy(values.astype(np.float32))


def standard_normal(keys: Sequence[str], count: int) -> np.ndarray:
    """Draw `count` normal numbers from each key, to the bit the same on every machine and with every version of numpy.

    numpy promises that for the bits of its generators, not for `standard_normal`; torch for neither. So the bits are
    SHAKE-256 of the key, Marsaglia's polar method makes them normal, and all its arithmetic is exactly rounded IEEE
    operations: the logarithm, which differs between math libraries in its last bit, is our own.

    Shapes: (len(keys), count).
    Source: G. Marsaglia, T. Bray, "A convenient method for generating normal variables", 1964; FIPS 202.
    """
    needed = (count + 1) // 2  # pairs of numbers
    pairs = needed * 3 // 2 + 64  # of which π/4 fall into the circle
    while True:
        bits = np.frombuffer(b"".join([hashlib.shake_256(k.encode()).digest(16 * pairs) for k in keys]), dtype="<u8")
        uniform = ((bits >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-51 - 1.0
        x, y = uniform[0::2].reshape(len(keys), pairs), uniform[1::2].reshape(len(keys), pairs)
        squared = x * x + y * y
        inside = squared < 1.0
        if inside.sum(axis=1).min(initial=needed) >= needed:
            inside &= inside.cumsum(axis=1) <= needed
            x, y, squared = x[inside], y[inside], squared[inside]
            factor = np.sqrt(-2.0 * _logarithm(squared) / squared)
            return np.stack([x * factor, y * factor], axis=1).reshape(len(keys), 2 * needed)[:, :count]
        pairs *= 2


def _logarithm(values: np.ndarray) -> np.ndarray:
    """Return the natural logarithm of positive numbers by additions, products and quotients alone.

    Source: log(m·2ᵉ) = e·log 2 + 2·artanh((m − 1)/(m + 1)), with m in [√½, √2) so that 13 terms reach 1e-17.
    """
    mantissa, exponent = np.frexp(values)
    small = mantissa < 0.7071067811865476
    mantissa, exponent = np.where(small, 2.0 * mantissa, mantissa), exponent - small
    ratio = (mantissa - 1.0) / (mantissa + 1.0)
    square = ratio * ratio
    series = np.zeros_like(ratio)
    for power in range(25, 0, -2):
        series = series * square + 1.0 / power
    result: np.ndarray = exponent * 0.6931471805599453 + 2.0 * ratio * series
    return result
