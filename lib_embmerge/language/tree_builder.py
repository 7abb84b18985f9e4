"""Lark's callbacks: every rule of grammar.lark that is recognised becomes a node, checked for its kind.

Lark calls these while it parses, so no parse tree is ever built. Each takes the list of the rule's children:
tokens, nodes, and the `Suffix`s that wait for the operand to their left.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple, Union

from lark import Token, Transformer

from ..errors import Span, SyntaxProblem, WrongArgument
from . import kind_errors
from .calls import check_call
from .nodes import Apply, Argument, At, Expression, Number, Text
from .numbers import divided_by_zero, fold, plain, read_integer, read_number

__all__ = ["Factor", "Suffix", "TreeBuilder"]

ENCODERS = {"L": "clip_l", "G": "clip_g"}
SPECIAL_TOKENS = {"00": "pad", "000": "end", "0000": "start"}

Operand = Union[Expression, Number]


class Factor(NamedTuple):
    """What stands behind `*` or `/`: its sign, if any, and behind a number the encoder's letter."""

    operand: Operand
    sign: Token | None
    encoder: Token | None


class Suffix(NamedTuple):
    """An operation that waits for its left operand: its name, the other arguments and where it ends."""

    name: str
    arguments: tuple[Argument, ...]
    end: int
    encoder: Token | None = None


def _span(token: Token) -> Span:
    return Span(token.start_pos, token.end_pos)  # type: ignore[arg-type]  # the lexer always sets them


def _between(first: Token, last: Token) -> Span:
    return Span(first.start_pos, last.end_pos)  # type: ignore[arg-type]


def _respan(node: Operand, span: Span) -> Operand:
    if isinstance(node, Apply):
        return Apply(node.name, node.arguments, span)
    if isinstance(node, At):
        return replace(node, span=span)
    return type(node)(node.value, span)  # type: ignore[arg-type]


def _unquote(token: Token) -> str:
    quote = token[0]
    inner = token[1:-1]
    return inner.replace(quote + quote, quote) if quote in inner else inner


def _text(token: Token) -> Text:
    return Text(_unquote(token), _span(token))


def _number(token: Token) -> Number:
    span = _span(token)
    return Number(read_number(str(token), span), span)


def _signed_integer(sign: Token | None, digits: Token, what: str) -> Number:
    value = read_integer(str(digits), _span(digits), what)
    if sign is None:
        return Number(value, _span(digits))
    return Number(-value if sign == "-" else value, _between(sign, digits))


def _negative(number: Number, span: Span) -> Number:
    return Number(-number.value, span)


class TreeBuilder(Transformer):  # type: ignore[type-arg]
    """One method per rule and alias of grammar.lark."""

    # Leaves

    def text(self, children: list[Token]) -> Text:
        """`'cat'`."""
        return _text(children[0])

    def number(self, children: list[Token]) -> Number:
        """`0.5`."""
        return _number(children[0])

    def group(self, children: list[Any]) -> Operand:
        """`( … )`: the node inside, its place widened to the parentheses."""
        opening, node, closing = children
        return _respan(node, _between(opening, closing))

    def at(self, children: list[Any]) -> At:
        """`'cat'@name`."""
        operand, _, name = children
        if isinstance(operand, Token):
            operand = _text(operand)
        if isinstance(operand, Number):
            raise WrongArgument("Only an embedding can be taken from another checkpoint.", span=operand.span)
        quoted = name.type == "TEXT"
        checkpoint = _unquote(name) if quoted else str(name)
        if not checkpoint.strip():
            raise SyntaxProblem("The checkpoint's name behind @ is empty.", span=_span(name))
        place = _span(name)
        return At(operand, checkpoint, Span(operand.span.start, place.end), place)

    def call(self, children: list[Any]) -> Apply:
        """`name(a, b, …)`."""
        name, closing = children[0], children[-1]
        arguments = tuple(c for c in children[2:-1] if c is not None and not isinstance(c, Token))
        return check_call(str(name), arguments, _span(name), _between(name, closing))

    # Sums

    def positive(self, children: list[Any]) -> Operand:
        """`+a`, which is `a`."""
        plus, node = children
        return _respan(node, Span(plus.start_pos, node.span.end))

    def negated(self, children: list[Any]) -> Operand:
        """`-a`."""
        minus, node = children
        span = Span(minus.start_pos, node.span.end)
        return _negative(node, span) if isinstance(node, Number) else Apply("negate", (node,), span)

    def added(self, children: list[Any]) -> Operand:
        """`a + b`."""
        return self._sum("add", children)

    def subtracted(self, children: list[Any]) -> Operand:
        """`a - b`."""
        return self._sum("subtract", children)

    def _sum(self, name: str, children: list[Any]) -> Operand:
        left, _, right = children
        if isinstance(left, Number) != isinstance(right, Number):
            raise kind_errors.mixed_sum(name, left, right)
        if isinstance(left, Number):
            return fold(name, left, right)
        return Apply(name, (left, right), left.span.to(right.span))

    # The one-rank group: each operation is a Suffix until its left operand is known

    def factor(self, children: list[Any]) -> Factor:
        """What stands behind `*` or `/`."""
        sign, operand = children[0], children[1]
        if isinstance(operand, Token):
            operand = _number(operand)
        return Factor(operand, sign, children[2] if len(children) > 2 else None)

    def times(self, children: list[Any]) -> Suffix:
        """`* 0.5`, `* 'cat'`."""
        return self._scaling("scale", *children)

    def over(self, children: list[Any]) -> Suffix:
        """`/ 3`."""
        return self._scaling("divide", *children)

    def _scaling(self, name: str, operator: Token, factor: Factor) -> Suffix:
        operand, sign, encoder = factor
        if sign is not None:
            if not isinstance(operand, Number):
                raise kind_errors.sign_before_embedding(operator, sign, operand, _span(sign))
            span = Span(_span(sign).start, operand.span.end)
            operand = _negative(operand, span) if sign == "-" else Number(operand.value, span)
        end = operand.span.end if encoder is None else _span(encoder).end
        return Suffix(name, (operand,), end, encoder)

    def resize(self, children: list[Any]) -> Suffix:
        """`: 4`."""
        colon, digits = children
        if not digits.isdigit():
            raise kind_errors.weight_behind_colon(str(digits), _between(colon, digits))
        size = _signed_integer(None, digits, "The number of vectors behind :")
        return Suffix("resize", (size,), digits.end_pos)

    def shift(self, children: list[Any]) -> Suffix:
        """`:+1`."""
        _, sign, digits = children
        return Suffix("shift", (_signed_integer(sign, digits, "The shift behind :"),), digits.end_pos)

    def index(self, children: list[Any]) -> Suffix:
        """`[-1]`."""
        _, sign, digits, closing = children
        return Suffix("index", (_signed_integer(sign, digits, "The index in [ ]"),), closing.end_pos)

    def bound(self, children: list[Any]) -> Number | None:
        """An end of a range, None where it is left out."""
        sign, digits = children
        return None if digits is None else _signed_integer(sign, digits, "An index in [ ]")

    def slice(self, children: list[Any]) -> Suffix:
        """`[1:3]`."""
        _, start, _, stop, closing = children
        bounds = (start, stop) if stop is not None else (start,) if start is not None else ()
        return Suffix("slice", bounds, closing.end_pos)

    def join(self, children: list[Any]) -> Suffix:
        """`, 'dog'`."""
        operand = children[1]
        if isinstance(operand, Number):
            raise kind_errors.number_in_parentheses_after_comma(operand)
        return Suffix("concat", (operand,), operand.span.end)

    def join_token(self, children: list[Any]) -> Suffix:
        """`, 256` and `, 00`."""
        digits = children[1]
        span = _span(digits)
        special = SPECIAL_TOKENS.get(str(digits))
        if special is not None:
            node = Apply(special, (), span)
        else:
            node = Apply("token", (Number(read_integer(str(digits), span, "A token id"), span),), span)
        return Suffix("concat", (node,), span.end)

    def applied(self, children: list[Any]) -> Operand:
        """An operation with its left operand: `a * 2`, `a + b =* 2`."""
        left, step = children[0], children[-1]
        if step.name in ("scale", "divide"):
            return self._scaled(left, step)
        if isinstance(left, Number):
            raise kind_errors.number_to_the_left(step.name, left)
        return Apply(step.name, (left, *step.arguments), Span(left.span.start, step.end))

    def _scaled(self, left: Operand, step: Suffix) -> Operand:
        (right,) = step.arguments
        span = Span(left.span.start, step.end)
        if not isinstance(right, Number):
            if not isinstance(left, Number) or step.name == "divide":
                raise kind_errors.scaled_by_embedding(step.name, left, right)  # type: ignore[arg-type]
            return Apply("scale", (right, plain(left)), span)
        if isinstance(left, Number):
            if step.encoder is not None:
                raise kind_errors.letter_without_embedding(str(step.encoder), _span(step.encoder))
            return fold(step.name, left, right)
        if step.name == "divide" and right.value == 0:
            raise divided_by_zero(right)
        tail = () if step.encoder is None else (ENCODERS[str(step.encoder)],)
        return Apply(step.name, (left, plain(right), *tail), span)
