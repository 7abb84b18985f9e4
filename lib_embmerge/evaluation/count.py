"""How many vectors an expression has, without reading a table.

Each operator declares its length beside its name in `lib_embmerge.operations`; evaluation measures first, with this
module, so that every limit and every range is checked before anything is allocated.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from ..errors import LimitExceeded, NotFinite, ShapeMismatch, WrongArgument
from ..host_protocol import TextModel
from ..language.nodes import Expression
from ..limits import Limits
from ..operations import OPERATIONS, signature
from ..vectors.operators.sequence import describe_indices
from .place import Source, first_mistake
from .plan import CHECKPOINT, Plan, Step, plan
from .reading import Readings

__all__ = ["count", "count_all", "measure"]

AT_ONCE = 64
"""Values of full size that may be in work at once: `mean(repeat('a', 1024), repeat('a', 1024), …)`."""


def count(
    expression: Expression, model: TextModel, *, limits: Limits | None = None, source: Source | None = None
) -> int:
    """Give the number of vectors of an expression's value.

    Raises: as `evaluate`, but for what only the numbers show (infinity, only zero vectors).
    Example: `count(Text("black cat"), MemoryModel.sd1())` is 2.
    """
    return count_all([expression], model, limits=limits, sources=None if source is None else [source])[0]


def count_all(
    expressions: Sequence[Expression],
    model: TextModel,
    *,
    limits: Limits | None = None,
    sources: Sequence[Source] | None = None,
) -> list[int]:
    """Give the number of vectors of each expression; all texts are tokenized in one call.

    Raises: as `count`, for the first expression that has a mistake.
    """
    plans = [plan(expression) for expression in expressions]
    readings = Readings(plans, model)
    lengths = []
    for number, steps in enumerate(plans):
        with first_mistake(sources, number):
            lengths.append(measure(steps, readings, limits or Limits()))
    return lengths


def measure(steps: Plan, readings: Readings, limits: Limits) -> int:
    """Check every step of a plan that can be checked without its numbers; give the last step's length.

    Raises: ExpressionError with the span of the first step that cannot be.
    """
    stack: list[int] = []
    live = 0
    for step in steps:
        name, operands = step.name, step.operands
        if name == CHECKPOINT:
            readings.tables(step)
            continue
        if step.reads:
            if name == "token":
                _check_values(step)
            length = readings.leaf(step).length
        else:
            lengths = stack[len(stack) - operands :]
            del stack[len(stack) - operands :]
            live -= sum(lengths)
            length = _length(step, lengths, readings)
        if length > limits.vectors:
            raise LimitExceeded(
                f"This has {_shown(length, 'vectors')}; at most {limits.vectors} are allowed.", span=step.span
            )
        stack.append(length)
        live += length
        if live > AT_ONCE * limits.vectors:
            raise LimitExceeded(
                f"This needs more than {AT_ONCE * limits.vectors} vectors at once.", span=step.span
            )
    return stack[0]


def _length(step: Step, lengths: list[int], readings: Readings) -> int:
    operation = OPERATIONS[step.name]
    if step.values:
        _check_values(step)
    check = _CHECKS.get(step.name)
    if check is not None:
        check(step, lengths, readings)
    if len(lengths) == 1 and lengths[0] == 0 and operation.is_function:
        return 0  # of functions of one embedding: no vectors in, none out
    return operation.length(*lengths, *step.values)


def _check_values(step: Step) -> None:
    """Refuse numbers that no float holds, and fractions where an integer belongs."""
    parameters = OPERATIONS[step.name].parameters[step.operands :] if step.name in OPERATIONS else ()
    for parameter, value in zip(parameters, step.values, strict=False):
        if isinstance(value, (int, float)):
            if parameter.kind == "integer":
                if not isinstance(value, int):
                    raise WrongArgument(
                        f"{parameter.name} must be an integer in {signature(OPERATIONS[step.name])}.", span=step.span
                    )
            elif not _is_finite(value):
                raise NotFinite("This number is too large.", span=step.span)


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _check_count(step: Step, lengths: list[int], readings: Readings) -> None:
    number = step.values[0]
    if isinstance(number, int) and number < 0:
        raise WrongArgument(f"A number of vectors cannot be negative, found {_shown(number)}.", span=step.span)


def _check_index(step: Step, lengths: list[int], readings: Readings) -> None:
    number = step.values[0]
    if isinstance(number, int) and not -lengths[0] <= number < lengths[0]:
        raise WrongArgument(f"There is no vector {_shown(number)}: {describe_indices(lengths[0])}.", span=step.span)


def _check_divisor(step: Step, lengths: list[int], readings: Readings) -> None:
    if step.values[0] == 0:
        raise WrongArgument("Nothing can be divided by zero.", span=step.span)
    _check_letter(step, lengths, readings)


def _check_letter(step: Step, lengths: list[int], readings: Readings) -> None:
    if len(step.values) > 1 and step.values[1] is not None and not {"clip_l", "clip_g"} <= set(readings.names):
        raise ShapeMismatch(
            f"L and G need a model with two text encoders (SDXL); {_this_model(readings.model)}.", span=step.span
        )


def _check_encoder(step: Step, lengths: list[int], readings: Readings) -> None:
    if step.name not in readings.names:
        raise ShapeMismatch(
            f"{step.name} needs a model with that text encoder; {_this_model(readings.model)}, "
            f"with {' and '.join(readings.names)}.",
            span=step.span,
        )


def _this_model(model: TextModel) -> str:
    return f"this one is {model.family.title}" if model.family else f"this one is {model.title}"


def _shown(number: int, what: str = "") -> str:
    """Write a number, and what it counts; one that is too long to read only by its size."""
    if abs(number) < 10**12:
        return f"{number} {what}".rstrip()
    return f"an enormous number of {what}" if what else "an enormous number"


_CHECKS: Mapping[str, Callable[[Step, list[int], Readings], None]] = {
    "resize": _check_count,
    "repeat": _check_count,
    "random": _check_count,
    "index": _check_index,
    "divide": _check_divisor,
    "scale": _check_letter,
    "clip_l": _check_encoder,
    "clip_g": _check_encoder,
}
