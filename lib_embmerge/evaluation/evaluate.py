"""The value of an expression: its text encoders' vectors.

An expression becomes steps (`plan`), the steps are measured (`count`), what they read is read in one go (`reading`),
and the operators are applied one after the other with a stack of values.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import torch

from ..errors import EmbeddingMergeError, NotFinite
from ..host_protocol import TextModel
from ..language.nodes import Apply, Expression, Text
from ..limits import Limits
from ..operations import OPERATIONS, signature
from ..vectors.embedding import Embedding
from ..vectors.operators import OPERATORS
from ..vectors.registry import Operator
from .count import measure
from .place import Source, first_mistake
from .plan import CHECKPOINT, Plan, Step, plan
from .reading import Readings, Values

__all__ = ["evaluate", "evaluate_all"]


def evaluate(
    expression: Expression, model: TextModel, *, limits: Limits | None = None, source: Source | None = None
) -> Embedding:
    """Give the value of an expression: float32, in memory of its own.

    Shapes: (n, width) per encoder of the model, the same n for all; n may be 0.
    Raises: ExpressionError with the span of the step that cannot be computed, and FileError for an `@` of no
    checkpoint; the span is relative to the expression, or to `source` where that is given.
    """
    return evaluate_all([expression], model, limits=limits, sources=None if source is None else [source])[0]


def evaluate_all(
    expressions: Sequence[Expression],
    model: TextModel,
    *,
    limits: Limits | None = None,
    sources: Sequence[Source] | None = None,
) -> list[Embedding]:
    """Give the values of many expressions, with one call for all texts and one for all rows of a table.

    Raises: as `evaluate`, for the first expression that has a mistake.
    """
    limits = limits or Limits()
    with torch.inference_mode(mode=False), torch.no_grad():
        try:
            return _evaluate_together(expressions, model, limits)
        except EmbeddingMergeError:
            return [
                _evaluate_alone(expression, model, limits, sources, number)
                for number, expression in enumerate(expressions)
            ]


def _evaluate_alone(
    expression: Expression, model: TextModel, limits: Limits, sources: Sequence[Source] | None, number: int
) -> Embedding:
    with first_mistake(sources, number):
        return _evaluate_together([expression], model, limits)[0]


def _evaluate_together(expressions: Sequence[Expression], model: TextModel, limits: Limits) -> list[Embedding]:
    plans = [plan(expression) for expression in expressions]
    readings = Readings(plans, model)
    for steps in plans:
        measure(steps, readings, limits)
    readings.gather()
    results = [_compute(steps, readings) for steps in plans]
    if not _all_finite(results):
        for steps in plans:
            _compute(steps, readings, checked=True)
    names = readings.names
    return [Embedding(dict(zip(names, [rows.clone() for rows in values], strict=True))) for values in results]


def _compute(steps: Plan, readings: Readings, *, checked: bool = False) -> Values:
    """Work off the steps. `checked` looks for infinity and NaN after each of them."""
    stack: list[Values] = []
    for step in steps:
        if step.name == CHECKPOINT:
            continue
        if step.reads:
            value = readings.leaf(step).values
        else:
            operator, first = OPERATORS[step.name], len(stack) - step.operands
            operands = stack[first:]
            del stack[first:]
            if operator.hides and not checked and not _all_finite(operands):
                return _compute(steps, readings, checked=True)
            value = _apply(operator, step, operands, readings)
        if checked and not _all_finite([value]):
            raise NotFinite(_describe(step), span=step.span)
        stack.append(value)
    return stack[0]


def _apply(operator: Operator, step: Step, operands: Sequence[Values], readings: Readings) -> Values:
    """Apply an operator to each encoder's vectors."""
    columns = zip(*operands, strict=True) if operands else [()] * len(readings.names)
    try:
        if "vocabulary" in operator.needs:
            tables = zip(columns, readings.tables(step), strict=True)
            return tuple([operator(rows, step.values, table.vocabulary(), table.name) for rows, table in tables])
        names = zip(columns, readings.names, strict=True)
        return tuple([operator(rows, step.values, None, name) for rows, name in names])
    except EmbeddingMergeError as error:
        if error.span is None:
            error.span = step.span
        raise


def _all_finite(values: Iterable[Values]) -> bool:
    """Say whether no number is infinite or NaN.

    A finite sum shows it in one fast pass; only a sum that is not, which large numbers can give too, is looked into.
    """
    for encoders in values:
        for rows in encoders:
            if not math.isfinite(rows.sum()) and not torch.isfinite(rows).all():
                return False
    return True


def _describe(step: Step) -> str:
    node = step.node
    if isinstance(node, Text) or step.reads:
        what = f"'{step.values[0]}'" if step.values else f"{step.name}()"
        return f"The vectors of {what} hold infinity or NaN."
    assert isinstance(node, Apply)
    return f"{signature(OPERATIONS[step.name])} gives infinity or NaN: the numbers are too large for float32."
