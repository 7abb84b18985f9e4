"""Our settings among a WebUI's."""

from __future__ import annotations

import math
from typing import Any, Literal, TypeGuard

from ...errors import UnsupportedHost
from ...language.scan import Brackets
from ...limits import LIMITED, Limits

__all__ = [
    "LIMIT_SETTINGS",
    "SETTINGS",
    "Others",
    "allows_words",
    "read_brackets",
    "read_limits",
    "read_others",
    "refuse_model",
    "say_no_vectors",
]

Others = Literal["vectors", "words", "refuse"]
"""What text encoders that are no CLIP's, T5 and language models, get for an expression: its vectors, its words, or
nothing, as such models are refused."""

BRACKET_SETTINGS = {
    "embmerge_angle_brackets": "Expressions in angle brackets: <'cat' + 'dog'>",
    "embmerge_curly_brackets": "Expressions in curly brackets: {'cat' + 'dog'}",
}
VECTORS = "embmerge_vectors"
WORDS = "embmerge_words"
LINES = "embmerge_prompt_lines"
"""Read in the page, by javascript/prompts.js."""
SETTINGS = {
    **BRACKET_SETTINGS,
    LINES: "Under prompts, what their expressions are",
    VECTORS: "Expressions as vectors in T5 and language models (Flux, SD 3, Chroma, Qwen-Image, …), too",
    WORDS: "Where T5 or a language model gets no vectors it reads an expression's words; else such models are refused",
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


def read_others(opts: Any) -> Others:
    """Return what the host's options set for text encoders that are no CLIP's; vectors before they are known."""
    if bool(getattr(opts, VECTORS, True)):
        return "vectors"
    return "words" if allows_words(opts) else "refuse"


def say_no_vectors(others: Others, *, any_clip: bool) -> str:
    """Return the sentence for a model in which expressions can be no vectors; `any_clip` says that it has a CLIP."""
    if others == "vectors":
        return "This model has no text encoder that embmerge can use, so expressions do not work with it."
    beside = "beside CLIP " if any_clip else ""
    return (
        f"This model reads prompts {beside}with T5 or a language model, "
        "and expressions in these are switched off in the settings."
    )


def refuse_model(opts: Any) -> UnsupportedHost:
    """Return what is to be raised for a model of which no text encoder can be reached: it reads words, where it may."""
    if not allows_words(opts):
        return UnsupportedHost(
            "This model has no text encoder that embmerge can use, "
            "and the words of expressions are switched off in the settings."
        )
    refused = UnsupportedHost(
        "This model has no text encoder that embmerge can use: it reads the words of an expression, not its vectors."
    )
    refused.reads_words = True
    return refused


def allows_words(opts: Any) -> bool:
    """Return whether a text encoder that takes no embeddings may read expressions as words."""
    return bool(getattr(opts, WORDS, True))


def read_limits(opts: Any) -> Limits:
    """Return the limits that the host's options set; the usual one where an option is no number."""
    set_here = {name: getattr(opts, key, None) for key, (name, _) in LIMIT_SETTINGS.items()}
    return Limits().with_numbers({n: int(number) for n, number in set_here.items() if _is_number(number)})


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
