"""What a WebUI cuts out of a prompt as a comment, where that leaves an expression without its end."""

from __future__ import annotations

import re

from ..errors import SyntaxProblem
from ..language import Brackets, find_islands

__all__ = ["find_cut_expression", "name_comment"]

SIGN = re.compile(r"/\*|\*/|//|.")


def find_cut_expression(typed: str, kept: str, brackets: Brackets = Brackets.BOTH) -> SyntaxProblem | None:
    """Return the mistake of a prompt whose expression has lost its end to a comment, which it names; None without one.

    `kept` is what was typed, with blanks in the places of comments.
    """
    if typed == kept:
        return None
    try:
        find_islands(kept, brackets)
    except SyntaxProblem as unclosed:
        return unclosed if name_comment(unclosed, typed, kept) else None
    return None


def name_comment(unclosed: SyntaxProblem, typed: str, kept: str) -> bool:
    """Say in the mistake of an unclosed bracket which comment stands behind it; return whether one does."""
    start = len(kept) if unclosed.span is None else unclosed.span.start
    place = next((place for place in range(start, len(kept)) if typed[place] != kept[place]), None)
    sign = None if place is None else SIGN.match(typed, place)
    if sign is None:
        return False
    unclosed.source = typed
    cut = f"What stands behind {sign[0]} is a comment, which the WebUI cuts."
    unclosed.suggestion = f"{cut} {unclosed.suggestion}" if unclosed.suggestion else cut
    return True
