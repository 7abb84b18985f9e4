"""Compare two sources: how far they are from each other, encoder by encoder and vector by vector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from ....errors import EmbeddingMergeError
from ....families import family_of
from ....host_protocol import PageHost, TextModel
from ....inspection import Difference, measure_differences
from ....vectors.embedding import Embedding
from ...source import Source
from ..html import draw, draw_error
from ..source import Choice, open_choice

__all__ = ["Compared", "Side", "compare_from_page", "compare_sources"]

SHOWN_VECTORS = 150
"""Vectors whose cosines are drawn: two chunks."""


@dataclass(frozen=True)
class Side:
    """One of the two: what it is, and what it was computed with, empty for a file."""

    letter: str
    title: str
    made_with: str
    vectors: int


@dataclass(frozen=True)
class Compared:
    """Two sources, the differences by encoder, and what is to be said of them in words."""

    a: Side
    b: Side
    differences: Sequence[Difference]
    sentences: Sequence[str]
    is_equal: bool
    model: TextModel | None

    @property
    def compared(self) -> list[Difference]:
        """The encoders that both have."""
        return [one for one in self.differences if one.mean_absolute is not None]


def compare_from_page(host: PageHost, a: Choice, b: Choice) -> str:
    """Compare what was chosen; return the figures, or the mistake, as HTML.

    An empty expression stands for the other side's: one expression on two checkpoints is written once.
    """
    try:
        a, b = _share_expression(a, b)
        found = compare_sources(_open(a, "A", host), _open(b, "B", host))
    except EmbeddingMergeError as error:
        return draw_error(error)
    return draw("inspect/compared", found=found, shown=SHOWN_VECTORS)


def compare_sources(a: Source, b: Source) -> Compared:
    """Compare two sources."""
    found = tuple(measure_differences(_exact(a), _exact(b)))
    model = next((source.model for source in (a, b) if source.model is not None), None)
    return Compared(
        a=_side("A", a),
        b=_side("B", b),
        differences=found,
        sentences=_say_differences(a, b),
        is_equal=bool(found) and all(one.is_equal for one in found),
        model=model,
    )


def _share_expression(a: Choice, b: Choice) -> tuple[Choice, Choice]:
    if not (a.is_expression and b.is_expression):
        return a, b
    if not a.expression.strip():
        a = replace(a, expression=b.expression)
    elif not b.expression.strip():
        b = replace(b, expression=a.expression)
    else:
        return a, b
    if a.expression.strip() and a.checkpoint == b.checkpoint:
        raise EmbeddingMergeError(
            "There is nothing to compare with.",
            suggestion="Give the other one, or choose another checkpoint for one of them.",
        )
    return a, b


def _open(choice: Choice, letter: str, host: PageHost) -> Source:
    try:
        return open_choice(choice, host)
    except EmbeddingMergeError as error:
        error.message = f"{letter}: {error.message}"
        raise


def _side(letter: str, source: Source) -> Side:
    return Side(letter, source.title, source.model.title if source.model else "", source.vectors.length)


def _say_differences(a: Source, b: Source) -> list[str]:
    """Return in words what figures do not show: other families, and other numbers of vectors."""
    said = []
    if set(a.vectors) != set(b.vectors):
        nothing = (
            "" if set(a.vectors) & set(b.vectors) else ": they have no encoder in common, so no figure says how far"
        )
        said.append(f"A is made for {_made_for(a)}, B for {_made_for(b)}{nothing}.")
    if a.vectors.lengths != b.vectors.lengths and a.vectors.length != b.vectors.length:
        said.append(
            f"A has {a.vectors.length} and B {b.vectors.length} vectors; the shorter is compared as if zero vectors"
            " followed."
        )
    return said


def _made_for(source: Source) -> str:
    family = source.model.family if source.model is not None else family_of(source.vectors)
    encoders = " and ".join(source.vectors)
    return f"{family.title} ({encoders})" if family else encoders


def _exact(source: Source) -> Embedding:
    """Return the numbers in float64: not every number format can be calculated with."""
    return Embedding({name: rows.to(torch.float64) for name, rows in source.vectors.items()})
