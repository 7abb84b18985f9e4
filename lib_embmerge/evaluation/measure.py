"""How many vectors an expression has, without reading a table.

Each operator declares its length beside its name in `lib_embmerge.operations`; evaluation measures first, with this
module, so that every limit and every range is checked before anything is allocated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from ..errors import LimitExceeded, ShapeMismatch, WrongArgument
from ..families import ENCODERS, FAMILIES, GROUPS
from ..host_protocol import TextModel
from ..limits import Limits
from ..operations import OPERATIONS
from .plan import CHECKPOINT, Plan, Step
from .reading import Readings

__all__ = ["Size", "describe_work", "measure"]

AT_ONCE = 64
"""Values of full size that may be in work at once: `mean(repeat('a', 1024), repeat('a', 1024), …)`."""


Lengths = tuple[int, ...]
"""Numbers of vectors by tokenizer group, in the order of the model's."""


class Size(NamedTuple):
    """The numbers of vectors of a value by tokenizer group, and the work that it takes: see `Limits.work`."""

    lengths: Lengths
    work: int

    @property
    def length(self) -> int:
        """The largest number of vectors."""
        return max(self.lengths)


def measure(steps: Plan, readings: Readings, limits: Limits) -> Size:
    """Check every step of a plan that can be checked without its numbers; return the size of the last step's value.

    Raises: ExpressionError with the span of the first step that cannot be.
    """
    stack: list[Lengths] = []
    live = work = 0
    for step in steps:
        name, operands = step.name, step.operands
        if name == CHECKPOINT:
            readings.tables(step)
            continue
        if step.reads:
            lengths = readings.leaf(step).lengths
            work += sum(lengths)
        else:
            given = stack[len(stack) - operands :]
            del stack[len(stack) - operands :]
            live -= sum(map(sum, given))
            lengths = _lengths(step, given, readings)
            cost = OPERATIONS[name].work
            work += sum([cost * max(of_group, default=0) for of_group in zip(lengths, *given, strict=True)])
        if max(lengths) > limits.vectors:
            raise LimitExceeded(
                f"This has {_shown(max(lengths), 'vectors')}; at most {limits.vectors} are allowed.", span=step.span
            )
        if work > limits.work:
            raise LimitExceeded(describe_work(limits), span=step.span)
        stack.append(lengths)
        live += sum(lengths)
        if live > AT_ONCE * limits.vectors * len(lengths):
            raise LimitExceeded(
                f"This needs more than {AT_ONCE * limits.vectors} vectors at once.", span=step.span
            )
    return Size(stack[0], work)


def describe_work(limits: Limits) -> str:
    """Return the sentence for what would take too long."""
    costs: dict[int, list[str]] = {}
    for operation in sorted(OPERATIONS.values(), key=lambda operation: -operation.work):
        if operation.work > 1:
            costs.setdefault(operation.work, []).append(operation.name)
    shown = ", ".join(f"of {' or '.join(names)} as {work}" for work, names in costs.items())
    return f"This would take too long: it calculates more than {limits.work:,} vectors, where one {shown} counts."


def _lengths(step: Step, given: Sequence[Lengths], readings: Readings) -> Lengths:
    operation = OPERATIONS[step.name]
    check = _CHECKS.get(step.name)
    if check is not None:
        check(step, given, readings)
    if not given:  # as of `random`: equally many for all
        return (operation.length(*step.values),) * len(readings.groups)
    if operation.is_function and len(given) == 1:  # of functions of one embedding: no vectors in, none out
        return tuple([operation.length(n, *step.values) if n else 0 for n in given[0]])
    return tuple([operation.length(*of_group, *step.values) for of_group in zip(*given, strict=True)])


def _check_index(step: Step, given: Sequence[Lengths], readings: Readings) -> None:
    number = step.values[0]
    for group, length in zip(readings.groups, given[0], strict=True):
        if isinstance(number, int) and not -length <= number < length:
            place = "" if len(given[0]) == 1 else f" in {GROUPS.get(group, group)}"
            raise WrongArgument(
                f"There is no vector {_shown(number)}{place}: {_describe_indices(length)}.", span=step.span
            )


def _describe_indices(length: int) -> str:
    """Return the sentence that names the indices of `length` vectors."""
    if length == 0:
        return "there are no vectors"
    return "the only one is vector 0" if length == 1 else f"they are numbered 0 to {length - 1}"


def _check_norms(step: Step, given: Sequence[Lengths], readings: Readings) -> None:
    if len(given) > 1 and (not any(given[1]) or any(n and not norms for n, norms in zip(*given, strict=True))):
        raise WrongArgument("The embedding that gives the norms has no vectors.", span=step.span)


def _check_letter(step: Step, given: Sequence[Lengths], readings: Readings) -> None:
    if len(step.values) > 1 and step.values[1] is not None and not {"clip_l", "clip_g"} <= _expected(readings):
        raise ShapeMismatch(
            f"L and G need a model with two text encoders (SDXL); {_this_model(readings.model)}.", span=step.span
        )


def _check_encoder(step: Step, given: Sequence[Lengths], readings: Readings) -> None:
    if step.name not in _expected(readings):
        raise ShapeMismatch(
            f"{step.name} needs a model with that text encoder; {_this_model(readings.model)}, "
            f"with {' and '.join(readings.names)}.",
            span=step.span,
        )


def _expected(readings: Readings) -> set[str]:
    """Return the encoders that an expression may speak of: a refiner's prompt is written for the model before it."""
    names = set(readings.names)
    family = readings.model.family
    whole = FAMILIES.get(family.part_of) if family is not None else None
    return names if whole is None else names | set(whole.encoders)


def _this_model(model: TextModel) -> str:
    return f"this one is {model.family.title}" if model.family else f"this one is {model.title}"


def _shown(number: int, what: str = "") -> str:
    """Write a number, and what it counts; one that is too long to read only by its size."""
    if abs(number) < 10**12:
        return f"{number} {what}".rstrip()
    return f"an enormous number of {what}" if what else "an enormous number"


_CHECKS: Mapping[str, Callable[[Step, Sequence[Lengths], Readings], None]] = {
    "index": _check_index,
    "normalize": _check_norms,
    "divide": _check_letter,
    "scale": _check_letter,
    **dict.fromkeys(ENCODERS, _check_encoder),
}
