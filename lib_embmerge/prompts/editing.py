"""Prompts that change while a picture is made, `[from:to:when]` and `[a|b]`: the texts that they are, step by step.

Source: A1111 1.10.1, modules/prompt_parser.py:9-135 `get_learned_conditioning_prompt_schedules`, which the tests of
this module were run against.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Union

__all__ = ["STEPS", "texts_over_steps"]

STEPS = 20
"""Steps of a picture where nobody has said how many."""

DEEPEST = 100
"""Brackets in brackets; what is nested deeper was not meant as editing."""

PIECE = re.compile(r"(?:[^\\\[\]():|]|\\.)+|[\[\]():|]|\\")
NUMBER = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*")


@dataclass(frozen=True)
class _Scheduled:
    """`[before:after:when]`: the first up to that step, then the second."""

    before: Sequence[_Piece]
    after: Sequence[_Piece]
    when: int


@dataclass(frozen=True)
class _Alternating:
    """`[a|b|c]`: with each step the next."""

    texts: Sequence[Sequence[_Piece]]


_Piece = Union[str, _Scheduled, _Alternating]


@dataclass
class _Open:
    """A bracket that nothing has closed yet, and what stands in it, divided by its marks."""

    bracket: str
    parts: list[list[_Piece]] = field(default_factory=lambda: [[]])
    marks: str = ""
    is_broken: bool = False
    """Whether something in it is no prompt, so that it cannot be editing."""

    def written(self, end: str = "") -> list[_Piece]:
        """Return all of it as plain text, its own brackets and marks too."""
        pieces: list[_Piece] = [self.bracket, *self.parts[0]]
        for mark, part in zip(self.marks, self.parts[1:], strict=True):
            pieces += [mark, *part]
        return [*pieces, end]


def texts_over_steps(prompt: str, steps: int = STEPS) -> list[str]:
    """Return the different texts that a prompt is over the steps of a picture, in their order.

    A prompt in which the WebUI finds no editing, or that it cannot read, is itself.
    """
    pieces = _read(prompt, steps)
    if pieces is None or all(isinstance(piece, str) for piece in pieces):
        return [prompt]
    return list(dict.fromkeys(_text_at(step, pieces) for step in range(1, steps + 1)))


def _read(prompt: str, steps: int) -> list[_Piece] | None:
    """Return a prompt's pieces, None where it cannot be read: `|` outside brackets, or a last backslash."""
    stack = [_Open("")]
    for found in PIECE.finditer(prompt):
        piece = found[0]
        if piece == "\\" or len(stack) > DEEPEST:
            return None
        if piece in ("[", "("):
            stack.append(_Open(piece))
        elif piece in (":", "|") and len(stack) > 1:
            stack[-1].marks += piece
            stack[-1].parts.append([])
        elif piece == "|":
            return None
        elif piece in ("]", ")"):
            _close(stack, piece, steps)
        else:
            stack[-1].parts[-1].append(piece)
    while len(stack) > 1:  # never closed: plain text
        if "|" in stack[-1].marks:
            return None
        left = stack.pop()
        stack[-1].parts[-1] += left.written()
    return stack[0].parts[0]


def _close(stack: list[_Open], end: str, steps: int) -> None:
    wanted = "[" if end == "]" else "("
    while len(stack) > 1 and stack[-1].bracket != wanted and any(one.bracket == wanted for one in stack):
        left = stack.pop()
        stack[-1].parts[-1] += left.written()
        stack[-1].is_broken = True
    if stack[-1].bracket != wanted:
        stack[-1].parts[-1].append(end)
        stack[-1].is_broken = True
        return
    closed = stack.pop()
    understood = None if closed.is_broken else _understand(closed, end, steps)
    stack[-1].parts[-1] += closed.written(end) if understood is None else understood
    stack[-1].is_broken |= understood is None


def _understand(closed: _Open, end: str, steps: int) -> list[_Piece] | None:
    """Return what a bracket that is closed means; None where it means nothing."""
    marks, parts = closed.marks, closed.parts
    if end == "]" and marks and set(marks) == {"|"}:
        return [_Alternating(parts)]
    last = parts[-1]
    number = NUMBER.fullmatch(last[0]) if len(last) == 1 and isinstance(last[0], str) else None
    if end == "]" and marks in (":", "::") and number is not None:
        before = parts[0] if len(marks) == 2 else []
        return [_Scheduled(before, parts[-2], _step(number[1], steps))]
    return closed.written(end) if marks in ("", ":" if end == ")" else "") else None


def _step(number: str, steps: int) -> int:
    """Return the last step of the first text: a number with a point is a part of all steps."""
    return min(steps, int(float(number) * (steps if "." in number else 1)))


def _text_at(step: int, pieces: Sequence[_Piece]) -> str:
    return "".join(piece if isinstance(piece, str) else _text_at(step, _chosen(step, piece)) for piece in pieces)


def _chosen(step: int, piece: _Scheduled | _Alternating) -> Sequence[_Piece]:
    if isinstance(piece, _Alternating):
        return piece.texts[(step - 1) % len(piece.texts)]
    return piece.before if step <= piece.when else piece.after
