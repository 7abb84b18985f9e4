"""Tree to text: `write` gives the one canonical spelling of an expression.

Operators stand between blanks, texts in single quotes, and parentheses only where the tree needs them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from .lexemes import BARE_NAME
from .nodes import Apply, Argument, At, Expression, Number, Text, walk

__all__ = ["Written", "quote", "write", "write_checkpoint", "write_number"]

SUM, TERM, PRODUCT, PRIMARY = range(4)
"""How tightly a piece holds together; an operand that holds less than its place asks for gets parentheses."""

BARE_CHECKPOINT = re.compile(BARE_NAME)
LETTERS = {"clip_l": "L", "clip_g": "G"}


class Written(NamedTuple):
    """A written node, how tightly it holds, and whether a comma stands in it outside of parentheses."""

    text: str
    level: int
    has_comma: bool = False

    def at(self, level: int) -> str:
        """Return the text for a place that asks for `level`."""
        return self.text if self.level >= level else f"({self.text})"


Writer = Callable[[Apply, Mapping[int, Written]], Written]


def write(expression: Expression) -> str:
    """Return the canonical text of an expression; `parse(write(tree)) == tree` for every tree that `parse` makes.

    Example:
        >>> write(Apply("concat", (Text("it's"), Apply("token", (Number(256),)))))
        "'it''s', 256"
    """
    # Every node comes after its parent in walk's order, so its reverse has the operands ready; no recursion.
    written: dict[int, Written] = {}
    for node in reversed(walk(expression)):
        written[id(node)] = _write_node(node, written)
    return written[id(expression)].text


def write_number(value: int | float) -> str:
    """Return the shortest text that reads back as the same number."""
    return repr(value)


def quote(text: str) -> str:
    """Return a text as it is quoted in an expression, quotes inside it doubled."""
    return "'" + text.replace("'", "''") + "'"


def write_checkpoint(name: str) -> str:
    """Return a checkpoint's name as it stands behind an `@`: in quotes where it has to."""
    return name if BARE_CHECKPOINT.fullmatch(name) else quote(name)


def _write_node(node: Expression, written: Mapping[int, Written]) -> Written:
    if isinstance(node, Text):
        return Written(quote(node.value), PRIMARY)
    if isinstance(node, At):
        name = write_checkpoint(node.checkpoint)
        operand = written[id(node.operand)]
        holds = operand.level == PRIMARY and not isinstance(node.operand, At)
        return Written(f"{operand.text if holds else f'({operand.text})'}@{name}", PRIMARY)
    writer = OPERATORS.get(node.name)
    if writer is None or (node.name == "concat" and len(node.arguments) != 2):
        return _write_call(node, written)
    return writer(node, written)


def _piece(argument: Argument, written: Mapping[int, Written]) -> Written:
    if isinstance(argument, Number):
        return Written(write_number(argument.value), PRIMARY)
    return written[id(argument)]


def _write_call(node: Apply, written: Mapping[int, Written]) -> Written:
    pieces = [_piece(argument, written) for argument in node.arguments]
    arguments = [f"({piece.text})" if piece.has_comma else piece.text for piece in pieces]
    return Written(f"{node.name}({', '.join(arguments)})", PRIMARY)


def _write_sum(symbol: str) -> Writer:
    def write_sum(node: Apply, written: Mapping[int, Written]) -> Written:
        left, right = [_piece(argument, written) for argument in node.arguments]
        bare = left.has_comma or (right.level >= TERM and right.has_comma)
        return Written(f"{left.at(SUM)} {symbol} {right.at(TERM)}", SUM, bare)

    return write_sum


def _write_negate(node: Apply, written: Mapping[int, Written]) -> Written:
    operand = _piece(node.arguments[0], written)
    return Written(f"-{operand.at(TERM)}", TERM, operand.level >= TERM and operand.has_comma)


def _write_step(step: Callable[[Apply, Mapping[int, Written]], str]) -> Writer:
    """Make the writer of an operation of the one-rank group out of the writer of what stands behind the operand."""

    def write_step(node: Apply, written: Mapping[int, Written]) -> Written:
        left = _piece(node.arguments[0], written)
        comma = node.name == "concat" or (left.level >= PRODUCT and left.has_comma)
        return Written(left.at(PRODUCT) + step(node, written), PRODUCT, comma)

    return write_step


def _number(argument: Argument) -> int | float:
    if not isinstance(argument, Number):
        raise TypeError(f"expected a Number, found {argument!r}")
    return argument.value


def _scaling(symbol: str) -> Callable[[Apply, Mapping[int, Written]], str]:
    def scaling(node: Apply, _: Mapping[int, Written]) -> str:
        letter = LETTERS[str(node.arguments[2])] if len(node.arguments) > 2 else ""
        return f" {symbol} {write_number(_number(node.arguments[1]))}{letter}"

    return scaling


def _index(node: Apply, _: Mapping[int, Written]) -> str:
    return f"[{_number(node.arguments[1])}]"


def _slice(node: Apply, _: Mapping[int, Written]) -> str:
    bounds = [*node.arguments[1:], None, None][:2]
    start, stop = ("" if bound is None else _number(bound) for bound in bounds)
    return f"[{start}:{stop}]"


def _join(node: Apply, written: Mapping[int, Written]) -> str:
    right = node.arguments[1]
    if isinstance(right, Apply) and right.name == "token":
        return f", {_number(right.arguments[0])}"
    return f", {_piece(right, written).at(PRIMARY)}"


OPERATORS: Mapping[str, Writer] = {
    "add": _write_sum("+"),
    "subtract": _write_sum("-"),
    "negate": _write_negate,
    "scale": _write_step(_scaling("*")),
    "divide": _write_step(_scaling("/")),
    "resize": _write_step(lambda node, _: f" : {_number(node.arguments[1])}"),
    "shift": _write_step(lambda node, _: f" :{int(_number(node.arguments[1])):+d}"),
    "index": _write_step(_index),
    "slice": _write_step(_slice),
    "concat": _write_step(_join),
}
