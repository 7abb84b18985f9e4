"""The limits on what an expression may cost, in one place."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CHUNK", "FAR_OFF", "HALF_PRECISION_MAX", "Limits"]

CHUNK = 75
"""Tokens that one chunk of a CLIP text encoder holds between its start and its end token."""

FAR_OFF = 3.0
"""A vector so many times longer or shorter than the vocabulary's mean is worth a word."""

HALF_PRECISION_MAX = 65504.0
"""The largest finite value of float16."""


@dataclass(frozen=True)
class Limits:
    """Resource limits of one expression; every one of them ends in a clear error."""

    characters: int = 16_384
    depth: int = 100
    vectors: int = 1_024
