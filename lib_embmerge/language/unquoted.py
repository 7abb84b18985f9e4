"""Words without quotes: where they stand in a text that is meant as an expression, and the text with their quotes."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..operations import FUNCTIONS
from .lexemes import NAME, NUMBER, TEXT
from .typography import make_signs_plain
from .write import quote

__all__ = ["quote_words"]

WORD = r"\w[\w.'’]*(?:-[\w.'’]+)*"
PIECE = re.compile(
    rf"""(?P<text>{TEXT})
    |(?P<call>{NAME})[ ]*(?=\()
    |(?P<number>{NUMBER})(?=[LG]?[ ]*(?:[-+*/=:,()\[\]]|$))(?!-[^\W\d])
    |(?P<letter>(?<=\d)[LG]\b)
    |(?P<words>{WORD}(?:[ \t]+{WORD})*)
    |(?P<checkpoint>@\s*[\w.]+)
    |(?P<operator>[-+*/=])
    |(?P<mark>[:,()\[\]]|\s+)""",
    re.VERBOSE,
)


def quote_words(text: str) -> Sequence[str]:
    """Return a text with its words in quotes and its signs made plain; nothing where nothing is computed in it.

    Example:
        >>> quote_words("lerp(cat, dog, 0.5)"), quote_words("cat, dog")
        (["lerp('cat', 'dog', 0.5)"], [])
    """
    text = make_signs_plain(text)
    pieces: list[str] = []
    position, computes = 0, False
    while position < len(text):
        match = PIECE.match(text, position)
        if match is None or (match["call"] is not None and match["call"] not in FUNCTIONS):
            return []  # not the language's characters, or a word before a weight's bracket
        position = match.end()
        computes = computes or match["call"] is not None or (match["operator"] is not None and _stands_between(match))
        pieces.append(quote(match[0]) if match["words"] is not None else match[0])
    return ["".join(pieces)] if computes else []


def _stands_between(operator: re.Match[str]) -> bool:
    """Return whether an operator is more than a bullet before a prompt, or a dash behind it."""
    before, after = operator.string[: operator.start()], operator.string[operator.end() :]
    return bool(before.strip()) and bool(after.strip())
