"""Prompts that change from step to step, `[from:to:when]`, `[one|other]`, and prompts of parts, `one AND other:0.5`."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from typing import Union

AND = re.compile(r"\bAND\b")
SHARE = re.compile(r"(.*?)\s*:\s*([+-]?[0-9]*\.?[0-9]+)\s*", re.DOTALL)
STEP = re.compile(r"\s*([0-9]*\.?[0-9]+)\s*")


@dataclass(frozen=True)
class Bracketed:
    """Two or more texts in square brackets, of which each step has one."""

    choices: tuple[tuple[Piece, ...], ...]
    switch: float | None
    """The last step of the first choice; None where they take turns."""

    def at(self, step: int) -> str:
        if self.switch is None:
            return _join(self.choices[(step - 1) % len(self.choices)], step)
        return _join(self.choices[step > self.switch], step)


Piece = Union[str, Bracketed]


def parts_of(prompt: str) -> list[tuple[str, float]]:
    """Give the parts that AND joins, each with its weight."""
    found = [(part.rstrip(), SHARE.fullmatch(part)) for part in AND.split(prompt)]
    return [(share[1], float(share[2])) if share else (part, 1.0) for part, share in found]


def texts_by_step(prompt: str, steps: int) -> list[tuple[int, str]]:
    """Give the text of each run of equal steps, with the run's last step; steps count from 1."""
    if "[" not in prompt:
        return [(steps, prompt)]
    pieces, _ = _read(prompt, 0, "", steps)
    runs = itertools.groupby(range(1, steps + 1), key=lambda step: _join(pieces[0], step))
    return [(max(run), text) for text, run in runs]


def _join(pieces: tuple[Piece, ...], step: int) -> str:
    return "".join(piece if isinstance(piece, str) else piece.at(step) for piece in pieces)


def _read(prompt: str, place: int, closer: str, steps: int) -> tuple[list[tuple[Piece, ...]], int]:
    """Read up to a closing bracket; give what stands between the signs that divide, those too, and the place behind."""
    sections: list[list[Piece]] = [[]]
    while place < len(prompt) and prompt[place] != closer:
        sign = prompt[place]
        place += 1
        if sign == "\\":
            sections[-1].append(prompt[place - 1 : place + 1])
            place += 1
        elif sign in "([":
            inner, place = _read(prompt, place, ")" if sign == "(" else "]", steps)
            sections[-1] += _closed(sign, inner, place <= len(prompt), steps)
        elif sign in ":|" and closer == "]":
            sections += [[sign], []]
        else:
            sections[-1].append(sign)
    return [tuple(section) for section in sections], place + 1


def _closed(opener: str, sections: list[tuple[Piece, ...]], is_closed: bool, steps: int) -> list[Piece]:
    texts, signs = sections[::2], {section[0] for section in sections[1::2]}
    if is_closed and opener == "[" and signs == {"|"}:
        return [Bracketed(tuple(texts), None)]
    when = STEP.fullmatch(_join(texts[-1], 1)) if is_closed and opener == "[" and signs == {":"} else None
    if when is not None and len(texts) in (2, 3):
        number = float(when[1]) * (steps if "." in when[1] else 1)
        return [Bracketed(((), *texts[:-1])[-2:], int(number))]
    closer = {"(": ")", "[": "]"}[opener] if is_closed else ""
    return [opener, *itertools.chain.from_iterable(sections), closer]
