"""The values of measured expressions: their rows are read, and the operators applied with a stack of values.

An operator that looks through the whole vocabulary takes the vectors of all expressions that wait for it at once, so
that the table is gone through once and not for every expression.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch

from ..errors import EmbeddingMergeError, NotFinite, WrongArgument
from ..operations import OPERATIONS, signature
from ..vectors.embedding import Embedding, bad_vectors
from ..vectors.operators import OPERATORS
from ..vectors.registry import Operator
from .plan import CHECKPOINT, Plan, Step
from .reading import Readings, Values

__all__ = ["Computation", "Computations"]

_TOGETHER = frozenset(name for name, operator in OPERATORS.items() if operator.together)
"""Operators that are applied to the vectors of all expressions at once."""


class Computations:
    """The values of measured plans that share their readings."""

    def __init__(self, readings: Readings) -> None:
        """Take the readings; nothing is computed yet."""
        self.readings = readings
        self._waiting: list[Computation] = []

    def add(self, steps: Plan) -> Computation:
        """Take a plan that is measured, to be computed together with others."""
        made = Computation(steps, self.readings)
        if not _TOGETHER.isdisjoint([step.name for step in steps]):
            self._waiting.append(made)
        return made

    def value(self, computation: Computation) -> Embedding:
        """Return a plan's value: float32, in memory of its own.

        Raises: ExpressionError with the span of the step that cannot be computed.
        """
        with torch.inference_mode(mode=False), torch.no_grad():
            self.readings.gather()
            while self._waiting:
                self._waiting = self._compute_together(self._waiting)
            values = computation.value()
            return Embedding({name: rows.clone() for name, rows in zip(self.readings.names, values, strict=True)})

    def _compute_together(self, waiting: Sequence[Computation]) -> list[Computation]:
        """Compute the innermost steps that wait, for all plans at once; return the plans in which some may wait still.

        A mistake on the way is that expression's own, and is told when its value is asked for.
        """
        groups: dict[tuple[object, ...], list[_Waiting]] = {}
        for computation in waiting:
            with contextlib.suppress(EmbeddingMergeError):
                for one in computation.waiting():
                    groups.setdefault(one.key, []).append(one)
        done: dict[Computation, None] = {}
        for group in groups.values():
            with contextlib.suppress(EmbeddingMergeError):
                _apply_together(group)
                done.update((one.computation, None) for one in group)
        return list(done)


@dataclass(frozen=True)
class _Waiting:
    """A step that waits to be computed together with others: its place, where its operand's steps begin, and that."""

    computation: Computation
    first: int
    place: int
    operand: Values

    @property
    def key(self) -> tuple[object, ...]:
        """What it has in common with those that it can be computed with."""
        step = self.computation.steps[self.place]
        return (step.name, step.checkpoint and step.checkpoint.checkpoint, *step.values)


def _apply_together(group: Sequence[_Waiting]) -> None:
    one = group[0]
    joined = tuple([torch.cat(rows) for rows in zip(*(each.operand for each in group), strict=True)])
    found = one.computation.apply(one.computation.steps[one.place], [joined])
    lengths = zip(*([len(rows) for rows in each.operand] for each in group), strict=True)
    parts = zip(*map(torch.split, found, map(list, lengths)), strict=True)
    for each, values in zip(group, parts, strict=True):
        each.computation.known[each.place] = each.first, values


class Computation:
    """A plan, and the values that some of its steps are known to have."""

    def __init__(self, steps: Plan, readings: Readings) -> None:
        """Take the steps, and where to find what they read."""
        self.steps = steps
        self.readings = readings
        self.known: dict[int, tuple[int, Values]] = {}
        """By a step's place: the place where its operands' steps begin, and its value."""

    def value(self) -> Values:
        """Return the last step's value.

        Raises: NotFinite for infinity and NaN, at the first step that gives one.
        """
        values = self.compute(0, len(self.steps))
        return values if _all_finite([values]) else self.compute(0, len(self.steps), checked=True)

    def compute(self, first: int, stop: int, *, checked: bool = False) -> Values:
        """Work off some steps. `checked` looks for infinity and NaN after each of them."""
        starts = {} if checked else {start: place for place, (start, _) in self.known.items()}
        stack: list[Values] = []
        place = first
        while place < stop:
            known = starts.get(place)
            if known is not None and known < stop:
                stack.append(self.known[known][1])
                place = known + 1
                continue
            step = self.steps[place]
            place += 1
            if step.name == CHECKPOINT:
                continue
            if step.reads:
                value = self.readings.leaf(step).values
            else:
                operator, at = OPERATORS[step.name], len(stack) - step.operands
                operands = stack[at:]
                del stack[at:]
                is_selection = self._is_selection(place - 1)
                if operator.hides and not is_selection and not checked and not _all_finite(operands):
                    return self.compute(first, stop, checked=True)
                value = self.apply(step, operands)
            if checked and not self._is_selection(place) and not _all_finite([value]):
                read = self.steps[place - 2] if self._is_selection(place - 1) else step
                raise NotFinite(_describe(read, self.readings), span=step.span)
            stack.append(value)
        return stack[0]

    def _is_selection(self, place: int) -> bool:
        """Return whether a step takes some of the vectors that the one before it reads: those have to be finite."""
        if not 0 < place < len(self.steps) or not self.steps[place - 1].reads:
            return False
        name = self.steps[place].name
        return name in OPERATORS and OPERATORS[name].selects

    def apply(self, step: Step, operands: Sequence[Values]) -> Values:
        """Apply an operator to each encoder's vectors."""
        operator: Operator = OPERATORS[step.name]
        if step.name == "normalize" and len(operands) > 1:
            _check_norms(step, operands[1])
        columns = zip(*operands, strict=True) if operands else [()] * len(self.readings.names)
        try:
            if "vocabulary" in operator.needs:
                tables = zip(columns, self.readings.tables(step), strict=True)
                return tuple([operator(rows, step.values, table.vocabulary(), table.name) for rows, table in tables])
            names = zip(columns, self.readings.names, strict=True)
            return tuple([operator(rows, step.values, None, name) for rows, name in names])
        except EmbeddingMergeError as error:
            if error.span is None:
                error.span = step.span
            raise

    def waiting(self) -> Iterator[_Waiting]:
        """Yield the steps that want to be computed together with others, and hold no such step themselves."""
        stack: list[tuple[int, bool]] = []  # where a value's steps begin, and whether one of them waits
        for place, step in enumerate(self.steps):
            at = len(stack) - step.operands
            operands = stack[at:]
            del stack[at:]
            first = operands[0][0] if operands else place
            is_waiting = any(waits for _, waits in operands)
            if place in self.known:
                is_waiting = False
            elif step.name in _TOGETHER:
                if not is_waiting:
                    operand = self.compute(first, place)
                    if _all_finite([operand]):
                        yield _Waiting(self, first, place, operand)
                is_waiting = True
            stack.append((first, is_waiting))


def _check_norms(step: Step, operand: Values) -> None:
    """Refuse zero vectors as the norms to bring others to; that one encoder has none does not matter."""
    if not any(rows.any() for rows in operand):
        raise WrongArgument("The embedding that gives the norms has only zero vectors.", span=step.span)


def _all_finite(values: Iterable[Values]) -> bool:
    """Return whether no number is infinite or NaN.

    A finite sum shows it in one fast pass; only a sum that is not, which large numbers can give too, is looked into.
    """
    for encoders in values:
        for rows in encoders:
            if not math.isfinite(rows.sum()) and not torch.isfinite(rows).all():
                return False
    return True


def _describe_read(what: str, values: Values) -> str:
    """Say which vectors of what was read are bad, by the numbers that they have in brackets."""
    bad = sorted({place for rows in values for place in bad_vectors(rows)})
    if len(bad) == max(map(len, values)):
        return f"The vectors of {what} hold infinity or NaN."
    if len(bad) == 1:
        return f"Vector [{bad[0]}] of {what} holds infinity or NaN."
    shown = ", ".join(f"[{place}]" for place in bad[:5]) + (", …" if len(bad) > 5 else "")
    return f"Vectors {shown} of {what} hold infinity or NaN."


def _describe(step: Step, readings: Readings) -> str:
    if step.reads:
        what = [f"'{value}'" if isinstance(value, str) else f"{step.name}({value})" for value in step.values]
        return _describe_read(what[0] if what else f"{step.name}()", readings.leaf(step).values)
    operation = signature(OPERATIONS[step.name])
    if "vocabulary" in OPERATORS[step.name].needs:
        for table in readings.tables(step):
            broken = table.vocabulary().broken_rows()
            if broken:
                return (
                    f"{operation} looks at the whole vocabulary, and the row of token {broken[0]} of {table.name} "
                    "holds infinity or NaN."
                )
    return f"{operation} gives infinity or NaN: the numbers are too large for float32."
