"""What an expression reads, one by one: for showing its tokens and their figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..errors import Span
from ..language.literal_text import reverses
from ..language.nodes import Apply, At, Expression
from ..vectors.embedding import Embedding
from .plan import Plan, Step
from .reading import Readings, Run

__all__ = ["ReadPart", "list_parts"]


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


def list_parts(expression: Expression, steps: Plan, readings: Readings) -> list[ReadPart]:
    """Return what an expression of these steps reads, in the order of its text, once it is gathered."""
    subtracted = _find_subtracted(expression)
    return [_part(step, readings, id(step.node) in subtracted) for step in steps if step.reads]


def _part(step: Step, readings: Readings, is_subtracted: bool) -> ReadPart:
    leaf = readings.leaf(step)
    text = step.values[0] if step.values and isinstance(step.values[0], str) else ""
    runs = dict(zip(readings.names, map(list, leaf.runs), strict=True))
    vectors = Embedding(dict(zip(readings.names, leaf.values, strict=True)))
    return ReadPart(text, runs, vectors, step.span, is_subtracted)


def _find_subtracted(expression: Expression) -> set[int]:
    """Return the nodes, by `id`, that count negatively; without recursion, for chains thousands long."""
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
