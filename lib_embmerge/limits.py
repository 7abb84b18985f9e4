"""The limits on what an expression may cost, in one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

__all__ = ["CHUNK", "FAR_OFF", "HALF_PRECISION_MAX", "HIGHEST", "Limits"]

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

    def with_numbers(self, chosen: Mapping[str, int]) -> Limits:
        """Give these with a user's numbers in the places of some, each brought between 1 and `HIGHEST`."""
        return replace(self, **{name: min(max(1, number), HIGHEST[name]) for name, number in chosen.items()})


HIGHEST: Mapping[str, int] = {"characters": 1_000_000, "depth": 10_000, "vectors": 8_000}
"""What a user may raise each limit to: more would take minutes, or files larger than what is read."""
