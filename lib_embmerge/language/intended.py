"""What a text that is no expression was probably meant to be: words without quotes, quotes and brackets of typography.

Nothing is repaired here. What is found is a mistake with the expression as its alternative, and only one that can be
read then.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ..errors import Span, SyntaxProblem
from .hints import LONGEST_TRIED
from .parse import can_be_read
from .scan import Brackets, find_islands, is_expression
from .typography import BRACKET_LOOKALIKES, CURLY_QUOTES, find_quotes, straighten
from .unquoted import quote_words

__all__ = ["find_intended", "guess_intended"]

REGION = re.compile(r"<([^<>\n]+)>|[‹〈⟨＜❮]([^‹〈⟨＜❮›〉⟩＞❯\n]+)[›〉⟩＞❯]|\{([^{}\n]+)\}")
"""What stands between brackets, or between what looks like them."""


def guess_intended(text: str) -> SyntaxProblem | None:
    """Return the mistake in a text that was probably meant as an expression, with that expression as its alternative.

    Words get quotes where something is computed with them, and quotes and brackets of typography become the plain
    ones. None for what is an expression already, and for what shows no sign of being meant as one.

    Example:
        >>> guess_intended("cat - adult + child").sentence
        "The words of an expression must be quoted. Did you mean 'cat' - 'adult' + 'child'?"
        >>> guess_intended("a photo of a well-known cat, sitting") is None
        True
    """
    stripped = text.strip()
    if not stripped or len(stripped) > LONGEST_TRIED or is_expression(stripped):
        return None
    start = text.index(stripped)
    span = Span(start, start + len(stripped))
    for message, candidates in _ways(stripped):
        for candidate in candidates:
            if candidate != stripped and is_expression(candidate) and can_be_read(candidate):
                return SyntaxProblem(message, source=text, span=span, alternatives=[candidate])
    return None


def _ways(text: str) -> Iterable[tuple[str, Sequence[str]]]:
    """Yield what may be wrong with a text, each with what it would be without."""
    if _is_in_lookalikes(text):
        inner = text[1:-1].strip()
        candidates = [inner, *straighten(inner), *quote_words(inner)]
        yield f"{text[0]} and {text[-1]} are not the brackets < and >.", candidates
    curly = "".join(dict.fromkeys(find_quotes(text)))
    if curly:
        named = " and ".join(curly) if len(curly) < 3 else curly
        straight = straighten(text)
        yield f"{named} {'is not a quote' if len(curly) == 1 else 'are not quotes'} here.", straight
    yield "The words of an expression must be quoted.", quote_words(text)


def _is_in_lookalikes(text: str) -> bool:
    return len(text) > 2 and BRACKET_LOOKALIKES.get(text[0]) == "<" and BRACKET_LOOKALIKES.get(text[-1]) == ">"


# --- In a prompt -----------------------------------------------------------------------------------------------------


def find_intended(prompt: str, brackets: Brackets = Brackets.BOTH) -> list[SyntaxProblem]:
    """Return what in a prompt stays text but was probably meant as an expression, each as a mistake in its place.

    The alternative of each is the expression with its brackets. Of a prompt with a bracket that nothing closes nothing
    is said: that is the mistake to tell.

    Example:
        >>> [error.alternatives for error in find_intended("a photo of <cat - adult>, <lora:x:1>")]
        [("<'cat' - 'adult'>",)]
    """
    regions = list(REGION.finditer(prompt))
    if not regions:
        return []
    try:
        taken = [island.span for island in find_islands(prompt, Brackets.BOTH)]
    except SyntaxProblem:
        return []
    found = [_suspect(match, brackets) for match in regions if not _is_taken(match, taken)]
    return [error for error in found if error is not None]


def _suspect(region: re.Match[str], brackets: Brackets) -> SyntaxProblem | None:
    opening = "{" if region[0][0] == "{" else "<"
    inner = str(region[1] or region[2] or region[3])
    # Braces have other meanings in prompts: a typographic quote directly behind is what shows that it is ours.
    if opening not in brackets.value or (opening == "{" and inner[0] not in CURLY_QUOTES):
        return None
    # Look-alikes stay for the guess to name; of what stands in right brackets it sees the inside only.
    guess = guess_intended(region[0] if region[2] is not None else inner)
    if guess is None:
        return None
    meant = f"<{guess.alternatives[0]}>"
    return SyntaxProblem(guess.message, source=region.string, span=Span(*region.span()), alternatives=[meant])


def _is_taken(region: re.Match[str], taken: list[Span]) -> bool:
    start, end = region.span()
    is_escaped = start > 0 and region.string[start - 1] == "\\"
    return is_escaped or any(start < span.end and span.start < end for span in taken)
