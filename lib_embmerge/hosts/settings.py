"""Our settings among a WebUI's."""

from __future__ import annotations

from typing import Any

from ..language.scan import Brackets

__all__ = ["SETTINGS", "read_brackets"]

SETTINGS = {
    "embmerge_angle_brackets": "Expressions in angle brackets: <'cat' + 'dog'>",
    "embmerge_curly_brackets": "Expressions in curly brackets: {'cat' + 'dog'}",
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
    angle, curly = (bool(getattr(opts, key, True)) for key in SETTINGS)
    return BRACKETS[angle, curly]
