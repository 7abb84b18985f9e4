"""The limits on what an expression may cost, in one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

__all__ = ["CHUNK", "FAR_OFF", "HALF_PRECISION_MAX", "HIGHEST", "LIMITED", "Limits"]

CHUNK = 75
"""Tokens that one chunk of a CLIP text encoder holds between its start and its end token."""

FAR_OFF = 3.0
"""A vector so many times longer or shorter than the vocabulary's mean is worth a word."""

HALF_PRECISION_MAX = 65504.0
"""The largest finite value of float16."""


@dataclass(frozen=True)
class Limits:
    """Resource limits; every one of them ends in a clear error.

    `characters` and `depth` (of parentheses) are an expression's, `vectors` those of any value in it. `prompt` is the
    vectors of all expressions of a prompt together, and `work` those that all steps of these expressions calculate,
    each as often as its function costs (`Operation.work`): some seconds of one processor core.
    """

    characters: int = 16_384
    depth: int = 100
    vectors: int = 1_024
    prompt: int = 8_192
    work: int = 2_000_000

    def with_numbers(self, chosen: Mapping[str, int]) -> Limits:
        """Return limits with some numbers replaced by a user's, each brought between 1 and `HIGHEST`."""
        return replace(self, **{name: min(max(1, number), HIGHEST[name]) for name, number in chosen.items()})

    def of_recipes(self) -> Limits:
        """Return these for the recipe that a file keeps: of what is just within them it says more, in more steps."""
        return replace(self, characters=16 * self.characters, depth=self.depth + 8, work=4 * self.work)


HIGHEST: Mapping[str, int] = {
    "characters": 1_000_000,
    "depth": 10_000,
    "vectors": 8_000,
    "prompt": 100_000,
    "work": 1_000_000_000,
}
"""What a user may raise each limit to: more would take minutes, or files larger than what is read."""

LIMITED: Mapping[str, str] = {
    "characters": "characters of an expression",
    "depth": "parentheses inside each other",
    "vectors": "vectors of a value in an expression",
    "prompt": "vectors of all expressions of a prompt",
    "work": "vectors that these calculate in all their steps",
}
"""What each limit limits, for people."""
