"""A norm in words: how long a vector is beside the words of the model's own vocabulary."""

from __future__ import annotations

from dataclasses import dataclass

from ....evaluation import class_of_norm
from ...figures import figure

__all__ = ["NormVerdict", "judge_norm"]


@dataclass(frozen=True)
class NormVerdict:
    """What a norm means: `usual`, `care` or `bad`, and the sentence."""

    kind: str
    sentence: str


def judge_norm(ratio: float | None, percentile: float | None) -> NormVerdict:
    """Judge a norm by its ratio to the vocabulary's mean and its percentile there; nothing to say of None."""
    if ratio is None or percentile is None:
        return NormVerdict("usual", "")
    times = f"{figure(ratio, digits=2)} × as long as a word"
    verdicts = {
        "zero": NormVerdict("bad", "a zero vector: nothing will be seen"),
        "far longer": NormVerdict("bad", f"{times}: expect burnt pictures"),
        "far shorter": NormVerdict("bad", f"{times}: will hardly be seen"),
        "longest": NormVerdict("care", f"{times}, longer than any"),
        "shortest": NormVerdict("care", f"{times}, shorter than any"),
        "long": NormVerdict("care", f"{times}: long for one"),
        "short": NormVerdict("care", f"{times}: short for one"),
        "usual": NormVerdict("usual", "usual length"),
    }
    return verdicts[class_of_norm(ratio, percentile)]
