"""What went wrong, in the user's words: the place where the parser could not go on becomes a sentence.

A rule that knows the mistake gives the fix; without one the sentence says what was expected.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from itertools import takewhile

from ..errors import Span, SyntaxProblem, shorten
from ..operations import FUNCTIONS, signature
from .lexemes import NAME
from .mistake import Mistake, read_mistake, show_token, takes_letter
from .typography import CURLY_QUOTES, QUOTES, SIGN_LOOKALIKES, find_quotes, straighten
from .unquoted import quote_words

__all__ = ["LONGEST_TRIED", "explain_mistake"]

WORDS = re.compile(rf"{NAME}(?:[ \t]+\w+)*")
UNQUOTED_PATH = re.compile(r"""@\s*([\w.]*[-\\/~:][^\s*,()'"+]*)""")

LONGEST_TRIED = 400
"""Characters of a text whose repair is tried: a longer one is a prompt, perhaps."""


def explain_mistake(source: str, position: int) -> SyntaxProblem:
    """Return the error for an expression that cannot be read on from `position`."""
    mistake = read_mistake(source, position)
    for rule in RULES:
        problem = rule(mistake)
        if problem is not None:
            return problem
    return mistake.unexpected()


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
    number = show_token(mistake.previous)
    if takes_letter(mistake.before) and found.text != upper:
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
        left, right = (show_token(token) if token.is_short_text else "…" for token in (previous, found))
        if mistake.in_call:
            return mistake.unexpected(f"Separate arguments with a comma: {left}, {right}.")
        return mistake.unexpected(f"Write {left}, {right} for one after the other, {left} + {right} to blend.")
    if found.kind == "word":
        calls = mistake.source[found.span.end :].lstrip().startswith("(")
        word = show_token(found)
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
    if not mistake.in_call or mistake.mark not in (",", ")") or mistake.after not in (",", "("):
        return None
    function = FUNCTIONS.get(mistake.open[-1].function or "")
    suggestion = f"Write it as {signature(function)}." if function else None
    if mistake.mark == ")" and mistake.previous is not None:
        return mistake.problem("Nothing stands behind this comma.", suggestion, mistake.previous.span)
    return mistake.problem("Nothing stands before this comma.", suggestion)


def _doubled_sign(mistake: Mistake) -> SyntaxProblem | None:
    if mistake.mark == "+" and mistake.after in ("+", "-"):
        return mistake.unexpected(f"Write {mistake.after} alone.")
    if mistake.mark in ("+", "-") and mistake.after == "," and not mistake.in_call:
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
    if mistake.mark == "[" and mistake.wants_operand:
        return mistake.unexpected("[ ] stands behind an embedding: 'a'[0].")
    if not mistake.open or mistake.open[-1].bracket != "[":
        return None
    if mistake.mark == ":" and mistake.has_colon:
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
