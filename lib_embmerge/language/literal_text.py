"""The words of an expression, for a text encoder that takes no embeddings (T5 or an LLM)."""

from __future__ import annotations

from collections.abc import Iterator

from ..operations import OPERATIONS
from .nodes import Apply, At, Expression, Number, Text

__all__ = ["literal_text", "reverses"]


def literal_text(expression: Expression) -> str:
    """Return the literal texts of an expression in order, joined by blanks.

    Texts that enter negatively, are scaled by zero or cut to none are left out, and so are those of arguments that
    the table says give no text. A scaling of one encoder only changes neither sign nor presence.
    Example:
        >>> from .parse import parse
        >>> literal_text(parse("'cat' - 'adult' + 'child'"))
        'cat child'
    """
    return " ".join(text for text in _positive_texts(expression) if text.strip())


def _positive_texts(expression: Expression) -> Iterator[str]:
    pending: list[tuple[Expression, bool]] = [(expression, True)]
    while pending:
        node, positive = pending.pop()
        if isinstance(node, Text):
            if positive:
                yield node.value
        elif isinstance(node, At):
            pending.append((node.operand, positive))
        elif not _leaves_nothing(node):
            pending.extend((operand, positive is keeps) for operand, keeps in reversed(_operands(node)))


def _operands(node: Apply) -> list[tuple[Expression, bool]]:
    """Return the operands that give text, each with whether its sign is kept."""
    parameters = OPERATIONS[node.name].parameters
    operands = []
    for i, argument in enumerate(node.arguments):
        gives_text = parameters[min(i, len(parameters) - 1)].gives_text
        if gives_text and isinstance(argument, (Text, Apply, At)):
            operands.append((argument, not reverses(node, i)))
    return operands


def reverses(node: Apply, argument: int) -> bool:
    """Return whether an operator turns the sign of its argument at that place, for every encoder."""
    if node.name == "negate":
        return True
    if node.name == "subtract":
        return argument == 1
    if node.name in ("scale", "divide") and argument == 0 and len(node.arguments) == 2:
        factor = _value(node, 1)
        return factor is not None and factor < 0
    return False


def _leaves_nothing(node: Apply) -> bool:
    """Return whether the operation scales by zero, or cuts to none whatever the length."""
    if node.name == "scale":
        return len(node.arguments) == 2 and _value(node, 1) == 0
    if node.name in ("resize", "repeat"):
        return _value(node, 1) == 0
    if node.name == "slice":
        start, stop = _value(node, 1) or 0, _value(node, 2)
        return stop is not None and (stop == 0 or ((start < 0) == (stop < 0) and stop <= start))
    return False


def _value(node: Apply, argument: int) -> int | float | None:
    number = node.arguments[argument] if argument < len(node.arguments) else None
    return number.value if isinstance(number, Number) else None
