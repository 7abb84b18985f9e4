"""Mistakes of kind: a number where an embedding must stand, or the other way round, and what to write instead."""

from __future__ import annotations

from ..errors import Span, SyntaxProblem, WrongArgument, shorten
from .nodes import Apply, Expression, Number

__all__ = [
    "letter_without_embedding",
    "mixed_sum",
    "number_alone",
    "number_in_parentheses_after_comma",
    "number_to_the_left",
    "scaled_by_embedding",
    "shown",
    "sign_before_embedding",
    "weight_behind_colon",
]

LONGEST_EXAMPLE = 40

VERBS = {
    "resize": "cut or padded with :",
    "shift": "shifted with :",
    "index": "indexed with [ ]",
    "slice": "sliced with [ ]",
}


def shown(node: Expression | Number, stand_in: str = "'a'") -> str:
    """Return how a node is written, or a stand-in where that is too long for an error."""
    from .write import write, write_number

    text = write_number(node.value) if isinstance(node, Number) else write(node)
    return text if len(text) <= LONGEST_EXAMPLE and "\n" not in text else stand_in


def mixed_sum(name: str, left: Expression | Number, right: Expression | Number) -> WrongArgument:
    """Make the error for `'a' + 1` and `1 - 'a'`."""
    if isinstance(right, Number):
        verb = "added to" if name == "add" else "subtracted from"
        message, number, other = f"A number cannot be {verb} an embedding.", right, left
    else:
        verb = "added to" if name == "add" else "subtracted from"
        message, number, other = f"An embedding cannot be {verb} a number.", left, right  # type: ignore[assignment]
    suggestion = _instead_of_number(number, other)
    return WrongArgument(message, span=number.span, suggestion=suggestion, alternatives=_leaves(number))


def _instead_of_number(number: Number, other: Expression | Number) -> str:
    value = shown(number, "2")
    ways = [f"'{value}' for the text"]
    if isinstance(number.value, int) and number.value >= 0:
        ways.append(f"token({value}) for the token's vector")
    return f"Write {', '.join([*ways, f'{shown(other)} * {value} to scale'])}."


def scaled_by_embedding(name: str, left: Expression | Number, right: Expression) -> WrongArgument:
    """Make the error for `'a' * 'b'`, `'a' / 'b'`, `2 / 'a'` and `'a', 2 * 'b'`."""
    if isinstance(left, Number):
        value, other = shown(left, "2"), shown(right)
        return WrongArgument(
            "A number cannot be divided by an embedding.",
            span=right.span,
            suggestion=f"Write {value} * {other} or {other} / {value}.",
        )
    other = shown(right, "'b'")
    symbol, verb = ("*", "multiplied") if name == "scale" else ("/", "divided")
    return WrongArgument(
        f"An embedding can only be {verb} by a number.",
        span=right.span,
        suggestion=_parenthesise_behind_comma(symbol, left, right)
        or f"To blend two texts use + or mean({shown(left)}, {other}).",
    )


def _parenthesise_behind_comma(symbol: str, left: Expression, right: Expression) -> str | None:
    if not (isinstance(left, Apply) and left.name == "concat" and len(left.arguments) == 2):
        return None
    first, last = left.arguments
    if symbol != "*" or not (isinstance(last, Apply) and last.name == "token"):
        return None
    (number,) = last.arguments
    other = shown(right, "'b'")
    return f"Write {shown(first)}, ({shown(number)} * {other})."  # type: ignore[arg-type]


def _leaves(number: Number) -> list[str]:
    """Return what may stand where a number cannot: its text, or the token of that id."""
    from .write import write_number

    value = write_number(number.value)
    is_id = isinstance(number.value, int) and number.value >= 0
    return [f"'{value}'", f"token({value})"] if is_id and len(value) <= LONGEST_EXAMPLE else [f"'{value}'"]


def _as_leaf(number: Number) -> str:
    value = shown(number, "2")
    if isinstance(number.value, int) and number.value >= 0:
        return f"For a token's vector write token({value}), for the text '{value}'."
    return f"For the text write '{value}'."


def sign_before_embedding(operator: str, sign: str, operand: Expression, span: Span) -> SyntaxProblem:
    """Make the error for `2 * -'a'`."""
    return SyntaxProblem(
        f"Behind {operator} a sign can stand only before a number.",
        span=span,
        suggestion=f"Write ({sign}{shown(operand)}).",
    )


def weight_behind_colon(number: str, span: Span) -> SyntaxProblem:
    """Make the error for `'a':1.2`, where a weight as in a prompt was meant; the span begins with the colon."""
    value = shorten(number)
    return SyntaxProblem(
        f": cuts or pads to a whole number of vectors, found {value}.",
        span=span,
        suggestion=f"To scale write 'a' * {value}; a weight in a prompt stands behind the brackets: (<'a'>:{value}).",
        alternatives=[f" * {number}"],
    )


def number_in_parentheses_after_comma(number: Number) -> WrongArgument:
    """Make the error for `'a', (256)`."""
    value = shown(number, "256")
    return WrongArgument(
        "A number in parentheses cannot be concatenated.",
        span=number.span,
        suggestion=f"For a token's vector write its id, {value}, without parentheses." if value.isdigit() else None,
    )


def number_to_the_left(name: str, left: Number) -> WrongArgument:
    """Make the error for `256, 'a'`, `2 : 3` and `2[0]`."""
    if name == "concat":
        return WrongArgument(
            "A number cannot stand first before a comma.",
            span=left.span,
            suggestion=_as_leaf(left),
            alternatives=_leaves(left),
        )
    return WrongArgument(
        f"Only an embedding can be {VERBS[name]}.",
        span=left.span,
        suggestion=_as_leaf(left),
        alternatives=_leaves(left),
    )


def letter_without_embedding(letter: str, span: Span) -> WrongArgument:
    """Make the error for `2 * 0.5L`."""
    return WrongArgument(
        f"{letter} stands only behind a number that scales an embedding.",
        span=span,
        suggestion=f"Write 'a' * 0.5{letter}.",
    )


def number_alone(number: Number) -> WrongArgument:
    """Make the error for an expression that is only a number."""
    return WrongArgument(
        "The result is a number, not an embedding.",
        span=number.span,
        suggestion=_as_leaf(number),
        alternatives=_leaves(number),
    )
