"""An expression as a list of steps, operands before what uses them.

A chain `'a' + 'b' + …` makes a tree thousands deep; steps are worked off with a stack of values instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Union

from ..errors import Span
from ..families import ENCODERS
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
    vectors rather than computes them. `encoder` is the name of the innermost function of a text encoder around it.
    `begins` says that nothing stands before its text, not even a blank.
    """

    name: str
    operands: int
    values: tuple[Value, ...]
    node: Expression
    checkpoint: At | None
    reads: bool = False
    encoder: str = ""
    begins: bool = False

    @property
    def span(self) -> Span:
        """The place of what it stands for."""
        return self.node.span


Plan = Sequence[Step]


def plan(expression: Expression, *, begins: bool = False) -> list[Step]:
    """Return the steps that compute the expression, in the order of its text.

    `begins` says that the expression stands where nothing is before it, as at the very beginning of a prompt; of what
    it concatenates, this holds for the first.
    """
    backwards: list[Step] = []
    pending: list[tuple[Expression, At | None, str, bool]] = [(expression, None, "", begins)]
    while pending:
        node, at, encoder, begins = pending.pop()
        if isinstance(node, Text):
            backwards.append(Step(QUOTED, 0, (node.value,), node, at, True, encoder, begins))
        elif isinstance(node, At):
            backwards.append(Step(CHECKPOINT, 1, (), node, node))
            pending.append((node.operand, node, encoder, begins))
        elif node.name in READ_FROM_TABLES:
            values = tuple(map(_value, node.arguments))
            backwards.append(Step(node.name, 0, values, node, at, True, encoder, begins))
        else:
            own = [a for a in node.arguments if isinstance(a, (Text, Apply, At))]
            values = tuple(map(_value, node.arguments[len(own) :]))
            backwards.append(Step(node.name, len(own), values, node, at))
            inner = node.name if node.name in ENCODERS else encoder
            joins = node.name == "concat"
            pending += [(a, at, inner, begins and not (joins and place)) for place, a in enumerate(own)]
    backwards.reverse()
    return backwards


def _value(argument: object) -> Value:
    """Return what a step keeps of an argument that is not an embedding."""
    if isinstance(argument, (Number, Text)):
        return argument.value
    if argument is None or isinstance(argument, str):
        return argument
    raise TypeError(f"embedding arguments come before all others, found {argument!r} behind one")
