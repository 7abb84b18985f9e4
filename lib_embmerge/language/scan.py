"""Where expressions stand in a prompt, and how what replaces them is put in their place.

Only this module knows the brackets; `parse` gets what is between them. A prompt is searched with cheap patterns
first, so that one without expressions costs next to nothing and stays as it is, byte for byte.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from ..errors import Span, SyntaxProblem
from ..operations import FUNCTIONS
from .lexemes import NAME, NUMBER, TEXT

__all__ = [
    "CANDIDATE",
    "Brackets",
    "Island",
    "begins_text",
    "find_glue",
    "find_islands",
    "holds_expression",
    "is_expression",
    "make_placeholder_error",
    "splice",
]

CLOSING = {"<": ">", "{": "}"}

CANDIDATE = re.compile(r"""<(?=['"+\-(.\w])|\{(?=')""")
"""A bracket that may open an expression; cheap, decided by `_begins_expression`."""

PIECE = re.compile(rf"""\s*(?:(?P<quote>['"])|(?P<number>{NUMBER})|(?P<call>{NAME})\(|(?P<mark>[-+*/()]))""")
"""A piece of what may stand between the opening bracket and the first quoted text."""

STOP = {
    closing: re.compile(rf"""{closing}|{TEXT}|(?P<unclosed>['"])""")
    for closing in CLOSING.values()
}

BEFORE_WORDS = "\n(["
"""Characters behind which a word has no blank before it."""

PLACEHOLDER = re.compile(r"'(EM[_\-/][0-9]+)'")


class Brackets(Enum):
    """Which brackets open an expression; the value holds the opening ones."""

    BOTH = "<{"
    ANGLE = "<"
    CURLY = "{"
    NONE = ""


@dataclass(frozen=True)
class Island:
    """An expression in a prompt: the place of the whole with its brackets, and the text inside.

    `placeholder` is the name that a predecessor's placeholder holds (`EM_1` of `<'EM_1'>`), else None.
    """

    span: Span
    text: str
    placeholder: str | None = None

    @property
    def offset(self) -> int:
        """Where the inner text begins in the prompt."""
        return self.span.start + 1


def holds_expression(prompt: str) -> bool:
    """Return whether anything in a prompt opens an expression, in any brackets, escaped ones included.

    Costs less than a microsecond where no bracket stands, about two for each bracket that opens nothing.
    """
    if "<" not in prompt and "{" not in prompt:
        return False
    return next(_openers(prompt, Brackets.BOTH), None) is not None


def find_islands(prompt: str, brackets: Brackets = Brackets.BOTH) -> list[Island]:
    """Return the expressions of a prompt in their order.

    Raises: SyntaxProblem at an opening bracket that nothing closes.
    Example:
        >>> [island.text for island in find_islands("a <'cat'+'dog'>, <lora:x:1>")]
        ["'cat'+'dog'"]
    """
    islands: list[Island] = []
    end = 0
    for start in _openers(prompt, brackets):
        if start < end or _is_escaped(prompt, start):
            continue
        end = _find_end(prompt, start)
        text = prompt[start + 1 : end - 1]
        placeholder = PLACEHOLDER.fullmatch(text)
        islands.append(Island(Span(start, end), text, placeholder[1] if placeholder else None))
    return islands


def splice(
    prompt: str, islands: Sequence[Island], replacements: Sequence[str], brackets: Brackets = Brackets.BOTH
) -> str:
    """Put each replacement in its island's place and take away the backslashes of escaped brackets.

    A replacement gets one blank on each side where neither white space nor the prompt's end stands; an empty one
    becomes one blank. Islands that are not given (placeholders) stay.
    """
    spliced = ""
    position = 0
    for island, replacement in zip(islands, replacements, strict=True):
        spliced += _without_escapes(prompt[position : island.span.start], brackets)
        position = island.span.end
        spliced += _spaced(replacement, spliced[-1:], prompt[position : position + 1])
    return spliced + _without_escapes(prompt[position:], brackets)


def begins_text(prompt: str, island: Island) -> bool:
    """Return whether an island stands where no blank is before it, nor one will be put there for its words.

    That is at a prompt's beginning, on a new line, and behind a bracket that gives a weight.
    """
    start = island.span.start
    return start == 0 or prompt[start - 1] in BEFORE_WORDS


def find_glue(prompt: str, islands: Sequence[Island]) -> list[tuple[bool, bool]]:
    """Return for each island whether `splice` will put a blank before it, and one behind it."""
    ends = {island.span.end for island in islands}
    return [
        (
            start > 0 and start not in ends and not prompt[start - 1].isspace(),
            end < len(prompt) and not prompt[end].isspace(),
        )
        for start, end in ((island.span.start, island.span.end) for island in islands)
    ]


def is_expression(text: str) -> bool:
    """Return whether a text from the tab, the command line or the API is meant as an expression, not as a prompt."""
    return _begins_expression(text, len(text) - len(text.lstrip()))


def make_placeholder_error(prompt: str, island: Island) -> SyntaxProblem:
    """Make the error for a predecessor's placeholder whose embedding is not there."""
    return SyntaxProblem(
        f"{island.text} is a placeholder among the parameters of the old extension; "
        "paste them to restore the expression.",
        source=prompt,
        span=island.span,
    )


def _openers(prompt: str, brackets: Brackets) -> Iterator[int]:
    for match in CANDIDATE.finditer(prompt):
        start = match.start()
        opener = prompt[start]
        if opener in brackets.value and (opener == "{" or _begins_expression(prompt, start + 1)):
            yield start


def _is_escaped(prompt: str, position: int) -> bool:
    return position > 0 and prompt[position - 1] == "\\"


def _without_escapes(text: str, brackets: Brackets) -> str:
    if "\\" not in text:
        return text
    kept: list[str] = []
    position = 0
    for start in _openers(text, brackets):
        if _is_escaped(text, start):
            kept.append(text[position : start - 1])
            position = start
    return "".join(kept) + text[position:]


def _spaced(replacement: str, before: str, after: str) -> str:
    if not replacement:
        return " "
    left = "" if not before or before.isspace() else " "
    right = "" if not after or after.isspace() else " "
    return left + replacement + right


def _begins_expression(text: str, position: int) -> bool:
    """Follow signs, parentheses, calls and number expressions with `*` up to a quote or a known function.

    The state is what may come next: an operand, or, behind a number, an operator. A number must be followed by
    `*` before an embedding may stand, so that `<3 'cats'` and `<3 - 'cats'` stay text.
    """
    if text[position : position + 1].isspace():
        return False
    open_parentheses: list[bool] = []  # whether each is a call's
    operator = ""  # the last one behind a number
    behind_number = False
    while match := PIECE.match(text, position):
        position = match.end()
        kind = match.lastgroup
        piece = match[kind]  # type: ignore[index]  # every alternative has a name
        if behind_number:
            if piece == ")" and open_parentheses and not open_parentheses.pop():
                continue
            if piece not in ("*", "/", "+", "-"):
                return False
            operator, behind_number = piece, False
        elif kind == "quote":
            return operator in ("", "*")
        elif kind == "call":
            if piece in FUNCTIONS:
                return operator in ("", "*")
            open_parentheses.append(True)
            operator = ""
        elif kind == "number":
            behind_number = True
        elif piece == "(":
            open_parentheses.append(False)
        elif piece not in ("+", "-"):
            return False
    return False


def _find_end(prompt: str, start: int) -> int:
    closing = CLOSING[prompt[start]]
    unclosed = False
    for match in STOP[closing].finditer(prompt, start + 1):
        if match[0] == closing:
            return match.end()
        if match["unclosed"]:
            unclosed = True
            break
    raise _unclosed(prompt, start, closing, unclosed)


def _unclosed(prompt: str, start: int, closing: str, in_text: bool) -> SyntaxProblem:
    message = f"Nothing closes this expression: expected {closing}"
    if in_text:
        message += "; one of its quotes has no partner"
    suggestion = f"To keep the bracket as text write \\{prompt[start]}."
    return SyntaxProblem(message + ".", source=prompt, span=Span(start, start + 1), suggestion=suggestion)
