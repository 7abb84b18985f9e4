"""The typed tree of an expression.

Numbers are folded while parsing, so a tree holds only leaves and `Apply`: the name of an entry of
`lib_embmerge.operations` and its arguments, whether it was written as an operator or as a function.
Spans are places in the source text and take no part in comparison.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Union

from ..errors import Span

__all__ = ["Apply", "Argument", "At", "Expression", "Number", "Text", "walk"]

NOWHERE = Span(0, 0)


@dataclass(frozen=True)
class Text:
    """A quoted text, its doubled quotes already made single."""

    value: str
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True)
class Number:
    """A number: an int where it was written as one or is folded from ints without remainder, else a float."""

    value: int | float
    span: Span = field(default=NOWHERE, compare=False, repr=False)


class _Compared:
    """Equality and hash without recursion: a chain of `+` is as deep as it is long."""

    def __eq__(self, other: object) -> bool:
        """Return whether both are the same tree; the spans do not count."""
        if self is other:
            return True
        if type(self) is not type(other):
            return NotImplemented
        return _shape(self) == _shape(other)

    def __hash__(self) -> int:
        """Return one hash for equal trees."""
        return hash(tuple(_shape(self)))


@dataclass(frozen=True, eq=False)
class Apply(_Compared):
    """An operator or function applied to arguments; `name` is a key of `operations.OPERATIONS`.

    An argument that was left out is None (`a[:2]` is `Apply("slice", (a, None, Number(2)))`); an encoder's name
    is a plain string (`a * 0.5L` is `Apply("scale", (a, Number(0.5), "clip_l"))`). Optional arguments that were
    not written are absent from the tuple's end.
    """

    name: str
    arguments: tuple[Argument, ...]
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, eq=False)
class At(_Compared):
    """`operand @ checkpoint`: every table read inside is the other checkpoint's; `name_span` is the name's place."""

    operand: Expression
    checkpoint: str
    span: Span = field(default=NOWHERE, compare=False, repr=False)
    name_span: Span = field(default=NOWHERE, compare=False, repr=False)


Expression = Union[Text, Apply, At]
Argument = Union[Text, Apply, At, Number, str, None]


def walk(expression: Expression) -> list[Expression]:
    """Return the expression and all expressions inside it, in the order of the text, without recursion."""
    found: list[Expression] = []
    pending: list[Argument] = [expression]
    while pending:
        node = pending.pop()
        if isinstance(node, At):
            pending.append(node.operand)
        elif isinstance(node, Apply):
            pending += reversed(node.arguments)
        elif not isinstance(node, Text):
            continue
        found.append(node)
    return found


def _shape(tree: object) -> list[object]:
    """Return the tree as a flat list, one entry per node, that no other tree has."""
    shape: list[object] = []
    pending = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, Apply):
            shape.append((node.name, len(node.arguments)))
            pending.extend(node.arguments)
        elif isinstance(node, At):
            shape.append(("@", node.checkpoint))
            pending.append(node.operand)
        else:
            shape.append(node)
    return shape
