"""An expression as a list of steps, operands before what uses them.

A chain `'a' + 'b' + …` makes a tree thousands deep; steps are worked off with a stack of values instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Union

from ..errors import Span
from ..language.nodes import Apply, At, Expression, Number, Text
from ..vectors.registry import READ_FROM_TABLES

__all__ = ["CHECKPOINT", "QUOTED", "Plan", "Step", "plan"]

QUOTED = "quoted"
"""Name of the step that reads a quoted text."""
CHECKPOINT = "@"
"""Name of the step that stands behind the steps of an `@`: it computes nothing."""

Value = Union[int, float, str, None]


class Step(NamedTuple):
    """One step: it takes the last `operands` values off the stack and puts its own on it.

    `name` is a key of `operations.OPERATIONS`, `QUOTED` or `CHECKPOINT`. `values` are the arguments that are not
    embeddings; they always stand behind those. `checkpoint` is the innermost `@` around it. `reads` says that it reads
    vectors rather than computes them.
    """

    name: str
    operands: int
    values: tuple[Value, ...]
    node: Expression
    checkpoint: At | None
    reads: bool = False

    @property
    def span(self) -> Span:
        """The place of what it stands for."""
        return self.node.span


Plan = Sequence[Step]


def plan(expression: Expression) -> list[Step]:
    """Return the steps that compute the expression, in the order of its text."""
    backwards: list[Step] = []
    pending: list[tuple[Expression, At | None]] = [(expression, None)]
    while pending:
        node, at = pending.pop()
        if isinstance(node, Text):
            backwards.append(Step(QUOTED, 0, (node.value,), node, at, True))
        elif isinstance(node, At):
            backwards.append(Step(CHECKPOINT, 1, (), node, node))
            pending.append((node.operand, node))
        elif node.name in READ_FROM_TABLES:
            backwards.append(Step(node.name, 0, tuple(map(_value, node.arguments)), node, at, True))
        else:
            operands = [(a, at) for a in node.arguments if isinstance(a, (Text, Apply, At))]
            values = tuple(map(_value, node.arguments[len(operands) :]))
            backwards.append(Step(node.name, len(operands), values, node, at))
            pending.extend(operands)
    backwards.reverse()
    return backwards


def _value(argument: object) -> Value:
    """Return what a step keeps of an argument that is not an embedding."""
    if isinstance(argument, (Number, Text)):
        return argument.value
    if argument is None or isinstance(argument, str):
        return argument
    raise TypeError(f"embedding arguments come before all others, found {argument!r} behind one")
