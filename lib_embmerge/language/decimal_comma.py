"""Numbers that were probably meant as decimals but are written with a comma, which is the language's own."""

from __future__ import annotations

import re

from ..errors import Span
from .lexemes import TEXT

__all__ = ["find_decimal_commas"]

PLACE = re.compile(rf"{TEXT}|[*/]\s*[-+]?(?P<number>(?P<whole>[0-9]+),(?P<rest>[0-9]+))(?![\w.])")

LONGEST_REST = 2
"""Digits behind the comma that few would write as a token's id; behind `0,` any number of them is a fraction."""


def find_decimal_commas(expression: str) -> list[Span]:
    """Return where an expression scales by what looks like a decimal number with a comma.

    Example:
        >>> find_decimal_commas("'red'*0,3 + 'blue'*0.7, 256")
        [Span(start=6, end=9)]
    """
    return [Span(*match.span("number")) for match in PLACE.finditer(expression) if match["number"] and _is_meant(match)]


def _is_meant(match: re.Match[str]) -> bool:
    return match["whole"] == "0" or len(match["rest"]) <= LONGEST_REST
