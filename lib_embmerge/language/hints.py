"""What went wrong, in the user's words: the place where the parser could not go on becomes a sentence.

The token in front and the brackets that are open decide what could have stood at a place, so that is all that is
read here; the parser's own lists of expected terminals differ between versions of lark and are not used.
A rule that knows the mistake gives the fix; without one the sentence says what was expected.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import takewhile

from ..errors import Span, SyntaxProblem, shorten
from ..operations import FUNCTIONS, signature
from .lexemes import BARE_NAME, NAME, NUMBER, TEXT
from .typography import CURLY_QUOTES, QUOTES, SIGN_LOOKALIKES, find_quotes, straighten
from .unquoted import quote_words

__all__ = ["LONGEST_TRIED", "Mistake", "Opening", "Token", "explain_mistake"]

TOKEN = re.compile(rf"\s*(?:(?P<text>{TEXT})|(?P<number>{NUMBER})|(?P<word>{NAME})|(?P<mark>\S))")
CHECKPOINT = re.compile(rf"\s*(?P<checkpoint>{BARE_NAME})")
WORDS = re.compile(rf"{NAME}(?:[ \t]+\w+)*")
UNQUOTED_PATH = re.compile(r"""@\s*([\w.]*[-\\/~:][^\s*,()'"+]*)""")

CLOSING = {"(": ")", "[": "]"}
NAMED_MARKS = {",": "a comma", ".": "a point"}
OPERAND = "a quoted text, a number, ( or a function"
LONGEST_SHOWN = 24
LONGEST_TRIED = 400
"""Characters of a text whose repair is tried: a longer one is a prompt, perhaps."""


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
        return self.problem(f"Expected {_expected(self)}, found {_show(self.found)}.", suggestion)


def explain_mistake(source: str, position: int) -> SyntaxProblem:
    """Return the error for an expression that cannot be read on from `position`."""
    mistake = _read_mistake(source, position)
    for rule in RULES:
        problem = rule(mistake)
        if problem is not None:
            return problem
    return mistake.unexpected()


def _read_mistake(source: str, position: int) -> Mistake:
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
    if text in ("L", "G") and before and _takes_letter(before):
        kind = "letter"
    return Token(kind, text, Span(*match.span(kind if kind != "letter" else "word")))


def _takes_letter(before: list[Token]) -> bool:
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
    after = f"after {_show(previous)}"
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
    return "]" if _has_colon(mistake) else "] or :"


def _has_colon(mistake: Mistake) -> bool:
    return any(t.text == ":" and t.span.start > mistake.open[-1].span.start for t in mistake.before)


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
    if behind == "," and not _in_call(mistake):
        return "a quoted text, a token id, ( or a function"
    if behind in ("+", "-") and len(mistake.before) > 1:
        earlier = mistake.before[-2].text
        if earlier == ":":
            return "a whole number"
        if earlier in ("*", "/"):
            return "a number or ("
    return OPERAND


def _in_call(mistake: Mistake) -> bool:
    return bool(mistake.open) and mistake.open[-1].function is not None


def _is_short_text(token: Token) -> bool:
    return token.kind == "text" and len(token.text) <= LONGEST_SHOWN


def _show(token: Token | None) -> str:
    if token is None:
        return "the end"
    if token.text in NAMED_MARKS:
        return NAMED_MARKS[token.text]
    if token.kind == "text" and not _is_short_text(token):
        return "a text"
    return shorten(token.text, LONGEST_SHOWN)


def _wants_operand(mistake: Mistake) -> bool:
    inside_slice = bool(mistake.open) and mistake.open[-1].bracket == "["
    previous = mistake.previous
    if previous is None:
        return not inside_slice
    return not inside_slice and not previous.ends_operand and previous.kind == "mark" and mistake.after not in "@=:"


# The mistakes that are known, the most telling first


def _empty(mistake: Mistake) -> SyntaxProblem | None:
    if mistake.found is None and mistake.previous is None:
        return mistake.problem("The expression is empty.", "Write one, for example 'cat' - 'adult' + 'child'.")
    return None


def _unclosed_quote(mistake: Mistake) -> SyntaxProblem | None:
    if mistake.mark not in ("'", '"'):
        return None
    doubled = f"A {mistake.mark} inside the text is doubled: {mistake.mark * 2}."
    return mistake.problem("This quote is never closed.", doubled)


def _curly_quote(mistake: Mistake) -> SyntaxProblem | None:
    is_found = bool(mistake.mark) and mistake.mark in CURLY_QUOTES
    quotes = [mistake.mark] if is_found else find_quotes(mistake.source)
    if not quotes:
        return None
    message = f"{quotes[0]} is not a quote here."
    meant = _first_right(mistake.source, straighten(mistake.source))
    if meant is not None:
        return mistake.problem(message, f"Write {shorten(meant[1], 60)}.", meant[0], instead=meant[1])
    return mistake.problem(message, "Write straight quotes: 'cat' or \"cat\".") if is_found else None


def _first_right(source: str, candidates: Iterable[str]) -> tuple[Span, str] | None:
    """Return the first candidate that can be read, as the stretch of the source that it changes and what stands there.

    Edge: a long source is not tried.
    """
    from .parse import can_be_read

    for candidate in candidates if len(source) <= LONGEST_TRIED else ():
        if not can_be_read(candidate):
            continue
        start = _alike(source, candidate)
        end = min(min(len(source), len(candidate)) - start, _alike(source[::-1], candidate[::-1]))
        if any(candidate[start : len(candidate) - end].count(quote) % 2 for quote in QUOTES):
            start = end = 0  # half a text is nothing to read
        return Span(start, len(source) - end), candidate[start : len(candidate) - end]
    return None


def _alike(one: str, other: str) -> int:
    """Return with how many equal characters two texts begin."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _lookalike(mistake: Mistake) -> SyntaxProblem | None:
    meant = SIGN_LOOKALIKES.get(mistake.mark)
    if meant is None:
        return None
    message = f"{mistake.mark} looks like {meant} but is another character."
    return mistake.problem(message, f"Write {meant}.", instead=meant)


def _expression_brackets(mistake: Mistake) -> SyntaxProblem | None:
    if mistake.mark not in ("<", ">", "{", "}"):
        return None
    return mistake.problem(
        f"{mistake.mark} cannot stand inside an expression.",
        "Brackets mark an expression in a prompt; inside it use ( ), and quote texts.",
    )


def _unquoted_path(mistake: Mistake) -> SyntaxProblem | None:
    if mistake.previous is None:
        return None
    for match in UNQUOTED_PATH.finditer(mistake.source):
        # The parser may stop behind the name only: -sd1b is a minus and a word that nothing is wrong with yet.
        if match.start() < mistake.previous.span.end <= match.end():
            name = match[1]
            return mistake.problem(
                "A checkpoint's name with other characters than letters, digits, _ and . must be quoted.",
                f'Write @"{shorten(name)}".',
                Span(*match.span(1)),
                instead=f"'{name}'" if "'" not in name else f'"{name}"',
            )
    return None


def _second_at(mistake: Mistake) -> SyntaxProblem | None:
    if mistake.mark != "@":
        return None
    if mistake.previous is not None and mistake.previous.kind == "checkpoint":
        return mistake.problem("Only one checkpoint can stand behind an operand.", "The inner @ wins; leave out one.")
    return mistake.unexpected("@ stands directly behind a quoted text, a ) or a function.")


def _letter(mistake: Mistake) -> SyntaxProblem | None:
    found = mistake.found
    if found is None or found.text not in ("L", "G", "l", "g") or mistake.previous is None:
        return None
    if mistake.previous.kind != "number":
        return None
    upper = found.text.upper()
    number = _show(mistake.previous)
    if _takes_letter(mistake.before) and found.text != upper:
        return mistake.problem(f"{found.text} must be in upper case.", f"Write {number}{upper}.", instead=upper)
    return mistake.problem(
        f"{found.text} can stand only behind a number that follows * or /.", f"Write 'a' * {number}{upper}."
    )


def _bare_word(mistake: Mistake) -> SyntaxProblem | None:
    previous = mistake.previous
    if previous is None or previous.kind != "word":
        return None
    if previous.text in FUNCTIONS:
        return mistake.problem(
            f"{previous.text} is a function, expected ( after it.",
            f"Write {signature(FUNCTIONS[previous.text])}, or '{previous.text}' for the text.",
            previous.span,
        )
    meant = _first_right(mistake.source, quote_words(mistake.source))
    if meant is not None:
        return mistake.problem(
            "A text must be quoted.", f"Write {shorten(meant[1], 60)}.", meant[0], instead=meant[1]
        )
    words = WORDS.match(mistake.source, previous.span.start)
    text = words[0] if words else previous.text
    return mistake.problem(
        "A text must be quoted.",
        f"Write '{shorten(text)}'.",
        Span(previous.span.start, previous.span.start + len(text)),
        instead=f"'{text}'",
    )


def _apostrophe(mistake: Mistake) -> SyntaxProblem | None:
    """`'it's'`: a word, or a quote that is never closed, directly behind a quoted text."""
    previous, found = mistake.previous, mistake.found
    if previous is None or found is None or previous.kind != "text" or found.kind not in ("word", "number"):
        return None
    if previous.span.end != found.span.start:
        return None
    quote = previous.text[0]
    doubled = f"{previous.text[:-1]}{quote * 2}{found.text}{quote}"
    return mistake.unexpected(f"A {quote} inside the text is doubled: {shorten(doubled)}.")


def _no_operator_between(mistake: Mistake) -> SyntaxProblem | None:
    previous, found = mistake.previous, mistake.found
    if previous is None or found is None or not previous.ends_operand:
        return None
    if mistake.open and mistake.open[-1].bracket == "[":
        return None
    if found.kind == "text":
        left, right = (_show(token) if _is_short_text(token) else "…" for token in (previous, found))
        if _in_call(mistake):
            return mistake.unexpected(f"Separate arguments with a comma: {left}, {right}.")
        return mistake.unexpected(f"Write {left}, {right} for one after the other, {left} + {right} to blend.")
    if found.kind == "word":
        calls = mistake.source[found.span.end :].lstrip().startswith("(")
        word = _show(found)
        shown = f"{word}(…)" if calls else f"'{word}'"
        return mistake.unexpected(f"Put an operator or a comma before {shown}.")
    if found.kind == "number" or found.text == "(":
        return mistake.unexpected("Put an operator or a comma between.")
    return None


def _unbalanced(mistake: Mistake) -> SyntaxProblem | None:
    if mistake.mark == ")" and not mistake.open:
        return mistake.problem("This ) closes nothing.", "Leave it out, or put a ( before.")
    if mistake.mark == "]" and not mistake.open:
        return mistake.problem("This ] closes nothing.", "[ ] stands behind an embedding: 'a'[0].")
    ended = mistake.found is None and mistake.open
    if ended and mistake.previous is not None and mistake.previous.ends_operand:
        opening = mistake.open[-1]
        left = f"{len(mistake.open)} brackets are" if len(mistake.open) > 1 else f"One {opening.bracket} is"
        return mistake.unexpected(f"{left} not closed.")
    return None


def _empty_argument(mistake: Mistake) -> SyntaxProblem | None:
    if not _in_call(mistake) or mistake.mark not in (",", ")") or mistake.after not in (",", "("):
        return None
    function = FUNCTIONS.get(mistake.open[-1].function or "")
    suggestion = f"Write it as {signature(function)}." if function else None
    if mistake.mark == ")" and mistake.previous is not None:
        return mistake.problem("Nothing stands behind this comma.", suggestion, mistake.previous.span)
    return mistake.problem("Nothing stands before this comma.", suggestion)


def _doubled_sign(mistake: Mistake) -> SyntaxProblem | None:
    if mistake.mark == "+" and mistake.after in ("+", "-"):
        return mistake.unexpected(f"Write {mistake.after} alone.")
    if mistake.mark in ("+", "-") and mistake.after == "," and not _in_call(mistake):
        return mistake.unexpected(f"Write the sign in parentheses: , ({mistake.mark}'a').")
    return None


def _power(mistake: Mistake) -> SyntaxProblem | None:
    if mistake.mark == "*" and mistake.after == "*":
        return mistake.unexpected("There are no powers; * scales by a number.")
    if mistake.mark == "^":
        return mistake.problem("^ is no operator here.", "There are no powers; * scales by a number.")
    return None


def _whole_sum(mistake: Mistake) -> SyntaxProblem | None:
    if mistake.after != "=":
        return None
    if mistake.mark == ",":
        return mistake.unexpected("To concatenate to a whole sum write ('a' + 'b'), 'c'.")
    if mistake.mark == "[":
        return mistake.unexpected("To take vectors of a whole sum write ('a' + 'b')[0].")
    return mistake.unexpected("= applies *, / or : to the whole sum: 'a' + 'b' =* 2.")


def _slice(mistake: Mistake) -> SyntaxProblem | None:
    if mistake.mark == "[" and _wants_operand(mistake):
        return mistake.unexpected("[ ] stands behind an embedding: 'a'[0].")
    if not mistake.open or mistake.open[-1].bracket != "[":
        return None
    if mistake.mark == ":" and _has_colon(mistake):
        return mistake.unexpected("A range has no step: 'a'[1:3].")
    return None


def _stray_character(mistake: Mistake) -> SyntaxProblem | None:
    if not mistake.mark or mistake.mark in "+-*/=:,@()[].":
        return None
    return mistake.problem(f"{_named(mistake.mark)} has no meaning here.", "Texts must be quoted: 'a text'.")


def _named(character: str) -> str:
    return character if character.isprintable() else f"The character U+{ord(character):04X}"


RULES: tuple[Callable[[Mistake], SyntaxProblem | None], ...] = (
    _empty,
    _unclosed_quote,
    _unquoted_path,
    _curly_quote,
    _bare_word,
    _lookalike,
    _expression_brackets,
    _second_at,
    _letter,
    _apostrophe,
    _no_operator_between,
    _unbalanced,
    _empty_argument,
    _doubled_sign,
    _power,
    _whole_sum,
    _slice,
    _stray_character,
)
