"""Whether a text is merely not written to its end: someone who is typing has made no mistake yet."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..errors import ExpressionError, SyntaxProblem
from ..limits import Limits
from ..operations import FUNCTIONS
from .lexemes import NAME, TEXT
from .parse import parse

__all__ = ["close_text", "is_unfinished"]

LAST_WORD = re.compile(rf"(?<![\w'\"]){NAME}$")

RESTS = ("", "x'", 'x"', "0", "*'x'", "0*'x'")
"""What may follow: nothing, the end of a text, of a number, and what a number stands before."""


def is_unfinished(text: str, limits: Limits | None = None) -> bool:
    """Return whether an expression is right as far as it goes: more text behind it could make it right.

    Edge: what is complete is so, too.
    Example:
        >>> [is_unfinished(text) for text in ("'cat' - 'adu", "'cat' + ler", "'cat' 'adult", "'cat')")]
        [True, True, False, False]
    """
    return any(_is_right_so_far(text + rest, limits) for rest in (*RESTS, *_ends_of_names(text)))


def close_text(text: str) -> str:
    """Return an expression that ends within a quoted text with the quote that closes it; any other as it is.

    Example:
        >>> close_text("'cat' 'ad")
        "'cat' 'ad'"
    """
    opening = re.search("['\"]", re.sub(TEXT, "", text))
    return text if opening is None else text + opening[0]


def _is_right_so_far(text: str, limits: Limits | None) -> bool:
    try:
        parse(text, limits=limits)
    except SyntaxProblem as problem:
        return problem.span is not None and problem.span.start >= len(text.rstrip())
    except ExpressionError:
        return False
    return True


def _ends_of_names(text: str) -> Iterator[str]:
    word = LAST_WORD.search(text)
    if word is not None:
        yield from (f"{name[len(word[0]) :]}(" for name in FUNCTIONS if name.startswith(word[0]))
