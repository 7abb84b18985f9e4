"""What an expression reads, one by one: for showing its tokens and their figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

from ..errors import Span
from ..host_protocol import TextModel
from ..language.literal_text import reverses
from ..language.nodes import Apply, At, Expression
from ..limits import Limits
from ..vectors.embedding import Embedding
from .count import measure
from .plan import plan
from .reading import Readings, Run

__all__ = ["ReadPart", "read_parts"]


@dataclass(frozen=True)
class ReadPart:
    """One thing that an expression reads: a quoted text, an embedding or a token by its id.

    `text` is what was quoted, empty for a token by id. `runs` are, per encoder, token ids and installed embeddings in
    order; `vectors` are theirs before any operator, the shorter encoder's padded with zero vectors. `is_subtracted`
    says that a minus, or a negative factor, stands before it.
    """

    text: str
    runs: Mapping[str, list[Run]]
    vectors: Embedding = field(repr=False)
    span: Span
    is_subtracted: bool = False


def read_parts(expression: Expression, model: TextModel, *, limits: Limits | None = None) -> list[ReadPart]:
    """Give what an expression reads, in the order of its text.

    Raises: as `count`.
    """
    steps = plan(expression)
    readings = Readings([steps], model)
    measure(steps, readings, limits or Limits())
    with torch.inference_mode(mode=False), torch.no_grad():
        readings.gather()
    parts = []
    subtracted = _find_subtracted(expression)
    for step in steps:
        if step.reads:
            leaf = readings.leaf(step)
            text = step.values[0] if step.values and isinstance(step.values[0], str) else ""
            runs = dict(zip(readings.names, map(list, leaf.runs), strict=True))
            vectors = Embedding(dict(zip(readings.names, leaf.values, strict=True)))
            parts.append(ReadPart(text, runs, vectors, step.span, id(step.node) in subtracted))
    return parts


def _find_subtracted(expression: Expression) -> set[int]:
    """Give the nodes, by `id`, that count negatively; without recursion, for chains thousands long."""
    found: set[int] = set()
    pending: list[tuple[object, bool]] = [(expression, False)]
    while pending:
        node, is_negative = pending.pop()
        if is_negative:
            found.add(id(node))
        if isinstance(node, At):
            pending.append((node.operand, is_negative))
        elif isinstance(node, Apply):
            pending += [(a, is_negative ^ reverses(node, place)) for place, a in enumerate(node.arguments)]
    return found
