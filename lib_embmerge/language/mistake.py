"""The place where the parser could not go on: what stands before it, and what could have stood there.

The token in front and the brackets that are open decide that, so it is all that is read here; the parser's own lists of
expected terminals differ between versions of lark and are not used.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..errors import Span, SyntaxProblem, shorten
from .lexemes import BARE_NAME, NAME, NUMBER, TEXT

__all__ = ["Mistake", "Opening", "Token", "read_mistake", "show_token", "takes_letter"]

TOKEN = re.compile(rf"\s*(?:(?P<text>{TEXT})|(?P<number>{NUMBER})|(?P<word>{NAME})|(?P<mark>\S))")
CHECKPOINT = re.compile(rf"\s*(?P<checkpoint>{BARE_NAME})")

CLOSING = {"(": ")", "[": "]"}
NAMED_MARKS = {",": "a comma", ".": "a point"}
OPERAND = "a quoted text, a number, ( or a function"
LONGEST_SHOWN = 24


@dataclass(frozen=True)
class Token:
    """A piece of the expression: text, number, word, checkpoint or a mark, and its place."""

    kind: str
    text: str
    span: Span

    @property
    def ends_operand(self) -> bool:
        """Whether an operand may end with this token."""
        return self.kind in ("text", "number", "checkpoint", "letter") or self.text in (")", "]")

    @property
    def is_short_text(self) -> bool:
        """Whether it is a quoted text that can be shown whole."""
        return self.kind == "text" and len(self.text) <= LONGEST_SHOWN


@dataclass(frozen=True)
class Opening:
    """A bracket that is still open; `function` is the name before it, if one stands there."""

    bracket: str
    span: Span
    function: str | None = None


@dataclass(frozen=True)
class Mistake:
    """Where the parser stopped: the token found (None at the end), those before it and the open brackets."""

    source: str
    found: Token | None
    before: list[Token]
    open: list[Opening]

    @property
    def previous(self) -> Token | None:
        """The token in front, None at the start."""
        return self.before[-1] if self.before else None

    @property
    def mark(self) -> str:
        """The found mark, empty for anything else."""
        return self.found.text if self.found is not None and self.found.kind == "mark" else ""

    @property
    def after(self) -> str:
        """The mark in front, empty for anything else."""
        return self.previous.text if self.previous is not None and self.previous.kind == "mark" else ""

    @property
    def span(self) -> Span:
        """The found token's place; at the end, the one past the last character that is not white space."""
        if self.found is not None:
            return self.found.span
        end = len(self.source.rstrip())
        return Span(end, end)

    @property
    def in_call(self) -> bool:
        """Whether it stands among a function's arguments."""
        return bool(self.open) and self.open[-1].function is not None

    @property
    def has_colon(self) -> bool:
        """Whether a colon stands in the innermost bracket before it."""
        return any(t.text == ":" and t.span.start > self.open[-1].span.start for t in self.before)

    @property
    def wants_operand(self) -> bool:
        """Whether an operand could stand here."""
        if self.open and self.open[-1].bracket == "[":
            return False
        previous = self.previous
        if previous is None:
            return True
        return not previous.ends_operand and previous.kind == "mark" and self.after not in "@=:"

    def problem(
        self, message: str, suggestion: str | None = None, span: Span | None = None, *, instead: str | None = None
    ) -> SyntaxProblem:
        """Make the error; `instead` may stand in the place of the span."""
        return SyntaxProblem(
            message,
            source=self.source,
            span=span or self.span,
            suggestion=suggestion,
            alternatives=() if instead is None else (instead,),
        )

    def unexpected(self, suggestion: str | None = None) -> SyntaxProblem:
        """Make the error that says what was expected here."""
        return self.problem(f"Expected {_expected(self)}, found {show_token(self.found)}.", suggestion)


def read_mistake(source: str, position: int) -> Mistake:
    """Return what stands where the parser could not read on from `position`."""
    before: list[Token] = []
    opened: list[Opening] = []
    token = _next_token(source, 0, before)
    while token is not None and token.span.start < position:
        _note_brackets(token, before, opened)
        before.append(token)
        token = _next_token(source, token.span.end, before)
    return Mistake(source, token, before, opened)


def _next_token(source: str, start: int, before: list[Token]) -> Token | None:
    pattern = CHECKPOINT if before and before[-1].text == "@" else TOKEN
    match = pattern.match(source, start) or TOKEN.match(source, start)
    if match is None or match.lastgroup is None:
        return None
    kind, text = match.lastgroup, match[match.lastgroup]
    if text in ("L", "G") and before and takes_letter(before):
        kind = "letter"
    return Token(kind, text, Span(*match.span(kind if kind != "letter" else "word")))


def takes_letter(before: list[Token]) -> bool:
    """Return whether the last token is a number, or a ), that scales what is before it."""
    if before[-1].text == ")":
        return True
    scaling = before[-2:-1] if len(before) < 3 or before[-2].text not in ("+", "-") else before[-3:-2]
    return before[-1].kind == "number" and bool(scaling) and scaling[0].text in ("*", "/")


def _note_brackets(token: Token, before: list[Token], opened: list[Opening]) -> None:
    if token.kind != "mark":
        return
    if token.text in CLOSING:
        name = before[-1].text if token.text == "(" and before and before[-1].kind == "word" else None
        opened.append(Opening(token.text, token.span, name))
    elif opened and CLOSING[opened[-1].bracket] == token.text:
        opened.pop()


# What could have stood there


def _expected(mistake: Mistake) -> str:
    previous = mistake.previous
    if previous is None:
        return OPERAND
    after = f"after {show_token(previous)}"
    inside = mistake.open[-1].bracket if mistake.open else ""
    if inside == "[":
        return f"{_expected_in_slice(mistake)} {after}"
    if previous.ends_operand:
        return f"{_expected_behind_operand(mistake)} {after}"
    if previous.kind == "word":
        return f"( {after}"
    return f"{_expected_behind_mark(mistake)} {after}"


def _expected_in_slice(mistake: Mistake) -> str:
    if mistake.after == "[":
        return "a whole number"
    if mistake.after == ":":
        return "a whole number or ]"
    if mistake.after in ("+", "-"):
        return "a whole number"
    return "]" if mistake.has_colon else "] or :"


def _expected_behind_operand(mistake: Mistake) -> str:
    if not mistake.open:
        return "an operator or the end"
    return "an operator, a comma or )" if mistake.open[-1].function else "an operator or )"


def _expected_behind_mark(mistake: Mistake) -> str:
    behind = mistake.after
    if behind == "@":
        return "a checkpoint's name"
    if behind == "=":
        return "*, / or :"
    if behind == ":":
        return "a whole number, + or -"
    if behind == "," and not mistake.in_call:
        return "a quoted text, a token id, ( or a function"
    if behind in ("+", "-") and len(mistake.before) > 1:
        earlier = mistake.before[-2].text
        if earlier == ":":
            return "a whole number"
        if earlier in ("*", "/"):
            return "a number or ("
    return OPERAND


def show_token(token: Token | None) -> str:
    """Return a token as a sentence names it; None is the end."""
    if token is None:
        return "the end"
    if token.text in NAMED_MARKS:
        return NAMED_MARKS[token.text]
    if token.kind == "text" and not token.is_short_text:
        return "a text"
    return shorten(token.text, LONGEST_SHOWN)
