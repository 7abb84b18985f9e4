"""A norm in words: how long a vector is beside the words of the model's own vocabulary."""

from __future__ import annotations

from dataclasses import dataclass

from ...limits import FAR_OFF
from ..figures import figure

__all__ = ["NormVerdict", "judge_norm"]

RARE = 1.0
"""Percent of the vocabulary at either end of it whose length is no longer usual."""


@dataclass(frozen=True)
class NormVerdict:
    """What a norm means: `usual`, `care` or `bad`, and the sentence."""

    kind: str
    sentence: str


def judge_norm(ratio: float | None, percentile: float | None) -> NormVerdict:
    """Judge a norm by its ratio to the vocabulary's mean and its percentile there; nothing to say of None."""
    if ratio is None or percentile is None:
        return NormVerdict("usual", "")
    if ratio == 0:
        return NormVerdict("bad", "a zero vector: nothing will be seen")
    times = f"{figure(ratio, digits=2)} × as long as a word"
    if ratio > FAR_OFF:
        return NormVerdict("bad", f"{times}: expect burnt pictures")
    if ratio < 1 / FAR_OFF:
        return NormVerdict("bad", f"{times}: will hardly be seen")
    if percentile >= 100:
        return NormVerdict("care", f"{times}, longer than any")
    if percentile <= 0:
        return NormVerdict("care", f"{times}, shorter than any")
    if percentile > 100 - RARE or percentile < RARE:
        return NormVerdict("care", f"{times}: {'long' if percentile > 50 else 'short'} for one")
    return NormVerdict("usual", "usual length")
