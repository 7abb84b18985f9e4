"""Our settings among a WebUI's."""

from __future__ import annotations

import math
from typing import Any, TypeGuard

from ...language.scan import Brackets
from ...limits import LIMITED, Limits

__all__ = ["LIMIT_SETTINGS", "SETTINGS", "allows_words", "read_brackets", "read_limits"]

BRACKET_SETTINGS = {
    "embmerge_angle_brackets": "Expressions in angle brackets: <'cat' + 'dog'>",
    "embmerge_curly_brackets": "Expressions in curly brackets: {'cat' + 'dog'}",
}
WORDS = "embmerge_words"
LINES = "embmerge_prompt_lines"
"""Read in the page, by javascript/prompts.js."""
SETTINGS = {
    **BRACKET_SETTINGS,
    LINES: "Under prompts, what their expressions are",
    WORDS: "Expressions also in models with T5, which takes no embeddings (SD 3, Flux): it reads their words",
}
"""Each a box to tick that is ticked at first; a label by key."""

LIMIT_SETTINGS = {
    f"embmerge_limit_{name}": (name, f"{what[0].upper()}{what[1:]}, at most") for name, what in LIMITED.items()
}
"""Each a number; which of the limits, and a label by key."""

BRACKETS = {
    (True, True): Brackets.BOTH,
    (True, False): Brackets.ANGLE,
    (False, True): Brackets.CURLY,
    (False, False): Brackets.NONE,
}


def read_brackets(opts: Any) -> Brackets:
    """Return the brackets that the host's options leave switched on; both before the settings are known."""
    angle, curly = (bool(getattr(opts, key, True)) for key in BRACKET_SETTINGS)
    return BRACKETS[angle, curly]


def allows_words(opts: Any) -> bool:
    """Return whether a text encoder that takes no embeddings may read expressions as words."""
    return bool(getattr(opts, WORDS, True))


def read_limits(opts: Any) -> Limits:
    """Return the limits that the host's options set; the usual one where an option is no number."""
    set_here = {name: getattr(opts, key, None) for key, (name, _) in LIMIT_SETTINGS.items()}
    return Limits().with_numbers({n: int(number) for n, number in set_here.items() if _is_number(number)})


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
