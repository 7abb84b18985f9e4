"""A norm beside those of the model's own vocabulary: the one judgement, for tables and remarks."""

from __future__ import annotations

from typing import Literal

from ..limits import FAR_OFF

__all__ = ["NormClass", "class_of_norm"]

NormClass = Literal["zero", "far longer", "far shorter", "longest", "shortest", "long", "short", "usual"]

RARE = 1.0
"""Percent of the vocabulary at either end of it whose norm is no longer usual."""


def class_of_norm(ratio: float, percentile: float) -> NormClass:
    """Judge a norm by its ratio to the vocabulary's mean and its percentile there.

    `longest` is longer than any word, `shortest` shorter than any; `long` and `short` are so for a word.
    """
    if ratio == 0:
        return "zero"
    if ratio > FAR_OFF:
        return "far longer"
    if ratio < 1 / FAR_OFF:
        return "far shorter"
    if percentile >= 100:
        return "longest"
    if percentile <= 0:
        return "shortest"
    if percentile > 100 - RARE:
        return "long"
    return "short" if percentile < RARE else "usual"
