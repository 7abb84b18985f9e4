"""What the pane "Help" shows: how expressions are written, and every operator and function of the language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...operations import Operation, listed_operations, signature
from .html import draw

__all__ = ["RULES", "HowTo", "draw_help", "group_operations"]


@dataclass(frozen=True)
class HowTo:
    """A sentence on how expressions are written, and an expression that shows it, for the box."""

    sentence: str
    example: str = ""


RULES = (
    HowTo(
        "In a prompt an expression stands in brackets, <'cat' - 'adult' + 'child'> or {'red'*0.3 + 'blue'*0.7}. "
        "In this tab it needs none.",
        "'cat' - 'adult' + 'child'",
    ),
    HowTo(
        "Words stand in quotes, '…' or \"…\", and mean the vectors that a prompt would use for them. "
        "Inside, a doubled quote is one quote. The name of an installed embedding stands for its vectors.",
        "'a cat''s ear'",
    ),
    HowTo(
        "Inside quotes all is plain text. Weights, BREAK, AND and <lora:…> stand around an expression: "
        "(<'cat' + 'dog'>:1.2)."
    ),
    HowTo(
        "* / : , and [ ] go from left to right and bind tighter than + and -; parentheses group.",
        "('old' + 'car'), 'on a road'",
    ),
    HowTo("=* =/ and =: take the whole sum on their left.", "'red' + 'blue' =* 0.5"),
    HowTo("@name takes the words to its left from another checkpoint: 'woman'@other."),
    HowTo("A number behind a comma is a token by its id.", "'cat', 2368"),
    HowTo(
        "Where one side has fewer vectors it is filled up with zero vectors. Sums are often longer or shorter than "
        "words: normalize( ) gives them a word's length.",
        "normalize('cat' - 'adult' + 'child')",
    ),
)
"""How expressions are written."""


def draw_help() -> str:
    """Draw the whole pane."""
    return draw("help", rules=RULES, groups=group_operations(), signature=signature)


def group_operations() -> Mapping[str, Sequence[Operation]]:
    """Return the operators and the functions, in the order of the table; those of text encoders as one."""
    entries = listed_operations()
    return {
        "Operators": [entry for entry in entries if not entry.is_function],
        "Functions": [entry for entry in entries if entry.is_function],
    }
