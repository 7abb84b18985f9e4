"""What stands in a quoted text as plain words but would have had a meaning outside of the quotes."""

from __future__ import annotations

import re

from ..errors import shorten
from ..prompt_rules import WEBUI, PromptRules, Syntax

__all__ = ["plain_text_warnings"]

MEANINGS: tuple[tuple[Syntax, re.Pattern[str], str], ...] = (
    (
        "weights",
        re.compile(r"\([^()]*\)"),
        "{found} is plain text inside quotes, not a weight; to weigh it put the parentheses around the expression.",
    ),
    (
        "editing",
        re.compile(r"\[[^\[\]]*\]"),
        "{found} is plain text inside quotes, not prompt editing; to edit put the brackets around the expression.",
    ),
    ("AND", re.compile(r"\bAND\b"), "AND is a plain word inside quotes; it does not combine prompts."),
    ("BREAK", re.compile(r"\bBREAK\b"), "BREAK is a plain word inside quotes; it does not begin a new chunk."),
    (
        "extra networks",
        re.compile(r"<[A-Za-z]\w*:[^<>]*>"),
        "{found} is plain text inside quotes and loads nothing; put it outside the expression.",
    ),
)


def plain_text_warnings(text: str, rules: PromptRules = WEBUI) -> list[str]:
    """Return a sentence for each kind of prompt syntax in a quoted text, with the first that was found.

    `rules` say which syntax means something in the prompts around.

    Example:
        >>> plain_text_warnings("cat AND dog")
        ['AND is a plain word inside quotes; it does not combine prompts.']
    """
    warnings = []
    for syntax, pattern, sentence in MEANINGS:
        match = pattern.search(text)
        if syntax in rules.syntax and match is not None:
            warnings.append(sentence.format(found=shorten(match[0])))
    return warnings
