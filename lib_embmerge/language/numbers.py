"""Numbers of an expression: how they are read and how constant arithmetic on them is folded."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable

from ..errors import LimitExceeded, NotFinite, Span, SyntaxProblem, WrongArgument, shorten
from .nodes import Number

__all__ = ["LeadingZeros", "divided_by_zero", "fold", "plain", "read_integer", "read_number"]

NumberValue = int | float

LONGEST_INTEGER = 18
"""Digits that a size, a shift, an index or a token id may have."""

LONGEST_FINITE = 309
"""Digits of the largest whole number that a float can hold; longer ones are read as floats, so never slowly."""

WHOLE = re.compile(r"0|[1-9][0-9]*")


class LeadingZeros(int):
    """An int that was written with zeros in front, which an id or a count may not have."""


def plain(number: Number) -> Number:
    """Return the number with a value of a built-in type."""
    return Number(int(number.value), number.span) if type(number.value) is LeadingZeros else number


def read_number(text: str, span: Span) -> NumberValue:
    """Return the value of a number as it is written.

    Raises: NotFinite where no float can hold it.
    """
    if text.isdigit() and len(text) <= LONGEST_FINITE:
        whole = int(text)
        return _finite(LeadingZeros(whole) if text[0] == "0" and len(text) > 1 else whole, span)
    return _finite(float(text), span)


def read_integer(text: str, span: Span, what: str) -> int:
    """Return the value of a whole number as it is written; `what` names it in errors.

    Raises: SyntaxProblem for a fraction, an exponent or leading zeros, LimitExceeded for more than 18 digits.
    """
    if not WHOLE.fullmatch(text):
        if text.isdigit():
            raise SyntaxProblem(
                f"{what} has no leading zeros, found {shorten(text)}.",
                span=span,
                suggestion=f"Write {text.lstrip('0') or '0'}." if len(text) <= LONGEST_INTEGER else None,
            )
        raise SyntaxProblem(f"{what} must be a whole number, found {shorten(text)}.", span=span)
    if len(text) > LONGEST_INTEGER:
        raise LimitExceeded(f"{what} is too large.", span=span)
    return int(text)


def fold(name: str, left: Number, right: Number) -> Number:
    """Return the number that an operator makes of two numbers; `name` is the operator's in the table.

    Edge: an int over an int without remainder stays an int.
    Raises: WrongArgument for a division by zero, NotFinite where no float can hold the result.
    """
    span = left.span.to(right.span)
    return Number(_finite(FOLDS[name](left, right), span), span)


def divided_by_zero(number: Number) -> WrongArgument:
    """Return the error for a division by this number, which is zero."""
    return WrongArgument("Nothing can be divided by zero.", span=number.span)


def _divide(left: Number, right: Number) -> NumberValue:
    a, b = left.value, right.value
    if b == 0:
        raise divided_by_zero(right)
    if isinstance(a, int) and isinstance(b, int) and a % b == 0:
        return a // b
    return a / b


def _on_values(calculate: Callable[[NumberValue, NumberValue], NumberValue]) -> Callable[[Number, Number], NumberValue]:
    return lambda left, right: calculate(left.value, right.value)


FOLDS: dict[str, Callable[[Number, Number], NumberValue]] = {
    "add": _on_values(operator.add),
    "subtract": _on_values(operator.sub),
    "scale": _on_values(operator.mul),
    "divide": _divide,
}


def _finite(value: NumberValue, span: Span) -> NumberValue:
    try:
        finite = math.isfinite(value)
    except OverflowError:
        finite = False
    if not finite:
        raise NotFinite("This number is too large.", span=span)
    return value
