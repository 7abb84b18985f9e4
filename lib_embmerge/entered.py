"""What a user entered in a box or on a command line: an expression, a prompt, or a prompt that is one expression."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from .errors import ExpressionError, Span, SyntaxProblem
from .language import (
    Expression,
    Island,
    find_islands,
    guess_intended,
    is_expression,
    make_placeholder_error,
    parse,
)
from .language.typography import QUOTES
from .limits import Limits

__all__ = ["Entered", "TextKind", "is_one_expression", "is_prompt", "last_expression", "read_expression"]

UNWRITABLE = re.compile("[\0\ud800-\udfff]")
"""Half of a surrogate pair (of an emoji that was cut in two, or bytes that are no UTF-8), which no file can hold, and
the character that ends a text in many programs."""

LONGEST_SUGGESTION = 60
"""Characters of a prompt that is repeated in a message."""

QUOTE_WORDS = "Quote the words that it is to be made of: 'a photo of a cat'."

TextKind = Literal["any", "expression", "prompt"]
"""What the user says that a text is; `any` leaves it to how the text begins."""


@dataclass(frozen=True)
class Entered:
    """An expression as it was entered: the whole text, the expression in it, where that begins, and its tree."""

    text: str
    expression: str
    offset: int
    tree: Expression = field(repr=False)
    limits: Limits = field(default_factory=Limits, repr=False)
    """Those that it was read under, and is to be computed under."""
    begins: bool = False
    """Whether it stands in a prompt where no blank is before it; some tokenizers cut a word there in another way."""

    @property
    def source(self) -> tuple[str, int]:
        """The text to show in a message, and where in it the expression begins."""
        return self.text, self.offset


def is_prompt(text: str, kind: TextKind = "any") -> bool:
    """Return whether a text is a prompt rather than an expression."""
    return kind == "prompt" or (kind == "any" and not is_expression(text))


def is_one_expression(text: str) -> bool:
    """Return whether a text is to be read as one expression: it is one, or a prompt that is exactly one in brackets.

    A prompt with a bracket that nothing closes is one, too: reading it says what is wrong.
    """
    if not is_prompt(text):
        return True
    try:
        islands = find_islands(text)
    except SyntaxProblem:
        return True
    return len(islands) == 1 and not _around(text, islands[0])


def last_expression(text: str) -> str | None:
    """Return the expression that a text goes on with: all of it, or what stands behind a bracket that nothing closes.

    None for a prompt that ends in words.
    """
    if not is_prompt(text):
        return text
    try:
        find_islands(text)
    except SyntaxProblem as unclosed:
        return None if unclosed.span is None else text[unclosed.span.end :]
    return None


def read_expression(text: str, *, kind: TextKind = "any", limits: Limits | None = None) -> Entered:
    """Read a text that has to be an expression, or a prompt that is exactly one bracketed expression.

    Raises: ExpressionError for a mistake in the expression, placed in `text`; SyntaxProblem, with the way to write
    it, for any other prompt, and for a text that no file can hold.
    """
    broken = UNWRITABLE.search(text)
    if broken is not None:
        raise SyntaxProblem(
            "There is a broken character in this text.",
            span=Span(broken.start(), broken.end()),
            suggestion="Delete it and write it again.",
        ).located(text)
    expression, offset = _only_expression(text) if is_prompt(text, kind) else (text, 0)
    limits = limits or Limits()
    try:
        return Entered(text, expression, offset, parse(expression, limits=limits), limits)
    except ExpressionError as error:
        raise error.located(text, offset) from None


def _only_expression(text: str) -> tuple[str, int]:
    """Return the one bracketed expression that a prompt is, and where it begins."""
    islands = find_islands(text)
    if not islands:
        intended = guess_intended(text)
        if intended is not None:
            raise intended
        if not text.strip():
            raise SyntaxProblem("The expression is empty.", suggestion=QUOTE_WORDS)
        raise SyntaxProblem("This is a prompt, not an expression.", suggestion=_how_to_quote(text))
    first = islands[0]
    if len(islands) > 1 or _around(text, first):
        raise SyntaxProblem(
            "This is a prompt with more than one expression in it; one expression is needed."
            if len(islands) > 1
            else "This is a prompt with words around its expression; the expression alone is needed.",
            suggestion="Quote the words and join the parts with commas: 'a photo of', ('cat' - 'adult').",
        )
    if first.placeholder is not None:
        raise make_placeholder_error(text, first)
    return first.text, first.offset


def _around(text: str, island: Island) -> str:
    """Return what stands around an expression in a prompt, blanks not counted."""
    return (text[: island.span.start] + text[island.span.end :]).strip()


def _how_to_quote(text: str) -> str:
    words = " ".join(text.split())
    if sum(words.count(quote) for quote in QUOTES) == 1:
        words = words.strip(QUOTES)  # the quote at the other end was forgotten
    quoted = words.replace("'", "''")
    if len(quoted) > LONGEST_SUGGESTION:
        return "To use its words, put them in quotes."
    return f"To use its words, quote them: '{quoted}'."
