"""Text to tree: `parse` reads one expression.

The grammar is grammar.lark; tree_builder.py makes the nodes while Lark recognises the rules; hints.py turns what
Lark could not go on with into a sentence. Lark is imported and the grammar built on the first call (about 30 ms).
"""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ExpressionError, LimitExceeded, Span
from ..limits import Limits
from .hints import explain_mistake
from .kind_errors import number_alone
from .lexemes import write_terminals
from .nodes import Expression, Number

if TYPE_CHECKING:
    from lark import Lark

__all__ = ["can_be_read", "parse"]

PARENTHESES = re.compile(r"""'[^']*'|"[^"]*"|[()]""")


def parse(text: str, *, limits: Limits | None = None) -> Expression:
    """Read an expression (without its brackets) and return its tree.

    A comma makes a `concat` of two; `a, b, c` is `concat(concat(a, b), c)`, and a function's own arguments stay one
    tuple. Numbers are folded, `1/3 * a` and `a * (1/3)` are the same tree.

    Raises: SyntaxProblem, UnknownFunction, WrongArgument, NotFinite, LimitExceeded, each with `text` as its source
    and the span of the mistake in it.
    Example:
        >>> parse("'cat' * 2")
        Apply(name='scale', arguments=(Text(value='cat'), Number(value=2)))
    """
    try:
        _check_limits(text, Limits() if limits is None else limits)
        result = _read(text)
        if isinstance(result, Number):
            raise number_alone(result)
    except ExpressionError as error:
        error.source = text
        raise
    return result


def can_be_read(text: str) -> bool:
    """Return whether a text is an expression without a mistake; nothing is explained, and limits are not looked at."""
    from lark.exceptions import UnexpectedInput

    try:
        return not isinstance(_build_parser().parse(text), Number)
    except (UnexpectedInput, ExpressionError):
        return False


def _read(text: str) -> Expression | Number:
    parser = _build_parser()
    from lark.exceptions import UnexpectedInput, UnexpectedToken

    try:
        return parser.parse(text)  # type: ignore[return-value]  # the tree builder's nodes, not lark's trees
    except UnexpectedInput as problem:
        # At the end of the input lark points at the last token, not behind it.
        at_end = isinstance(problem, UnexpectedToken) and problem.token.type == "$END"
        raise explain_mistake(text, len(text.rstrip()) if at_end else problem.pos_in_stream or 0) from problem


@functools.cache
def _build_parser() -> Lark:
    from lark import Lark

    from .tree_builder import TreeBuilder

    grammar = Path(__file__).with_name("grammar.lark").read_text(encoding="utf-8")
    return Lark(grammar + write_terminals(), parser="lalr", lexer="contextual", transformer=TreeBuilder())


def _check_limits(text: str, limits: Limits) -> None:
    if len(text) > limits.characters:
        raise LimitExceeded(
            f"An expression may have {limits.characters:,} characters, this one has {len(text):,}.",
            span=Span(limits.characters, len(text)),
        )
    if text.count("(") > limits.depth:
        _check_depth(text, limits.depth)


def _check_depth(text: str, limit: int) -> None:
    depth = 0
    for match in PARENTHESES.finditer(text):
        if match[0] == "(":
            depth += 1
        elif match[0] == ")":
            depth -= 1
        if depth > limit:
            raise LimitExceeded(f"Parentheses may be nested {limit} deep.", span=Span(match.start(), match.end()))
