"""Our settings among a WebUI's."""

from __future__ import annotations

from typing import Any

from ..language.scan import Brackets

__all__ = ["SETTINGS", "allows_words", "read_brackets"]

BRACKET_SETTINGS = {
    "embmerge_angle_brackets": "Expressions in angle brackets: <'cat' + 'dog'>",
    "embmerge_curly_brackets": "Expressions in curly brackets: {'cat' + 'dog'}",
}
WORDS = "embmerge_words"
SETTINGS = {
    **BRACKET_SETTINGS,
    WORDS: "Expressions also in models with T5, which takes no embeddings (SD 3, Flux): it reads their words",
}
"""Each a box to tick that is ticked at first; a label by key."""

BRACKETS = {
    (True, True): Brackets.BOTH,
    (True, False): Brackets.ANGLE,
    (False, True): Brackets.CURLY,
    (False, False): Brackets.NONE,
}


def read_brackets(opts: Any) -> Brackets:
    """Give the brackets that the host's options leave switched on; both before the settings are known."""
    angle, curly = (bool(getattr(opts, key, True)) for key in BRACKET_SETTINGS)
    return BRACKETS[angle, curly]


def allows_words(opts: Any) -> bool:
    """Say whether a text encoder that takes no embeddings may read expressions as words."""
    return bool(getattr(opts, WORDS, True))
