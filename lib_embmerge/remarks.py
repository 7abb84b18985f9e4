"""What is no mistake but worth saying, and what a click would change: the same data for every front end.

Whoever finds something makes a `Remark`; whoever shows it draws its text. What to do about it is decided by its `kind`,
never by its words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .errors import Span

__all__ = ["ALL_ZERO", "NOT_FINITE", "Action", "Remark", "RemarkKind"]

ALL_ZERO = "All its vectors are zero: it does nothing."
NOT_FINITE = "It holds infinity or NaN: pictures come out black."
"""Sentences that stand wherever a file is judged, made or saved."""
WHOLE_NUMBERS = "numbers are whole ones ({}), as no trainer writes them."
"""The rest of one, with the formats of the numbers."""

RemarkKind = Literal[
    "uneven",
    "too long",
    "prompt syntax",
    "decimal comma",
    "other family",
    "half precision",
    "norm",
    "not finite",
    "zero",
    "number format",
    "pickle",
    "name: characters",
    "name: word",
    "name: taken",
    "name: numbered",
    "name: twins",
    "program",
    "refused",
]
"""What a remark speaks of; `program` is what one program does with a file, `refused` why it does not load it."""


@dataclass(frozen=True)
class Action:
    """A button: what is written on it, what it acts on, and the value that this gets.

    `target` is `expression`, the text that is being written, or another field of the page by its name: `name`, `long`.
    A field that is a button itself is pressed, and the value says nothing.
    """

    label: str
    target: str
    value: str = ""


@dataclass(frozen=True)
class Remark:
    """Something worth saying: its kind, its sentence, the place it speaks of, and the buttons that help."""

    kind: RemarkKind
    text: str
    span: Span | None = None
    actions: tuple[Action, ...] = ()
