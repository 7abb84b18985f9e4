"""Attention in a prompt: `(more)`, `[less]`, `(as much:1.3)`, BREAK, and a backslash before a bracket that is text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Union

FACTORS = {"(": 1.1, "[": 1 / 1.1}
PARTNERS = {")": "(", "]": "["}
WRITTEN_WEIGHT = re.compile(r":\s*([+-]?[0-9]*\.?[0-9]+)\s*\)")
PLAIN = re.compile(r"[^()\[\]\\:]+")
BREAK = re.compile(r"\s*\bBREAK\b\s*")


@dataclass
class Group:
    """What stands between two brackets: texts and further groups, all with one factor."""

    opener: str = ""
    factor: float = 1.0
    parts: list[Union[str, Group]] = field(default_factory=list)

    def add(self, text: str) -> None:
        if self.parts and isinstance(self.parts[-1], str):
            text = self.parts.pop() + text  # type: ignore[operator]
        self.parts.append(text)

    def texts(self, factor: float) -> Iterator[tuple[str, float]]:
        factor *= self.factor
        for part in self.parts:
            if isinstance(part, str):
                yield part, factor
            else:
                yield from part.texts(factor)


def weighted_texts(prompt: str, brackets: str = "()[]") -> list[tuple[str | None, float]]:
    """Give a prompt's texts with their weights; None is a BREAK. Other brackets than these are text."""
    found: list[tuple[str | None, float]] = []
    for text, weight in group_brackets(prompt, brackets).texts(1.0):
        first, *more = BREAK.split(text)
        found.append((first, weight))
        for piece in more:
            found += [(None, weight), (piece, weight)]
    return [(text, weight) for text, weight in found if text != ""]


def group_brackets(prompt: str, brackets: str = "()[]") -> Group:
    """Read the brackets of a prompt; one that is never closed reaches to the end, one that closes nothing is text."""
    nested = [Group()]
    place = 0
    while place < len(prompt):
        if plain := PLAIN.match(prompt, place):
            nested[-1].add(plain[0])
            place = plain.end()
            continue
        sign = prompt[place]
        written = WRITTEN_WEIGHT.match(prompt, place) if nested[-1].opener == "(" else None
        place += 1
        if sign == "\\":
            nested[-1].add(prompt[place : place + 1] if prompt[place : place + 1] in (*brackets, sign) else "")
            place += prompt[place : place + 1] in (*brackets, sign)
        elif written:
            place = written.end()
            _close(nested, float(written[1]))
        elif sign not in brackets:
            nested[-1].add(sign)
        elif sign in FACTORS:
            nested.append(Group(sign))
        elif nested[-1].opener == PARTNERS[sign]:
            _close(nested, FACTORS[nested[-1].opener])
        else:
            nested[-1].add(sign)
    while len(nested) > 1:
        _close(nested, FACTORS[nested[-1].opener])
    return nested[0]


def _close(nested: list[Group], factor: float) -> None:
    closed = nested.pop()
    closed.factor = factor
    nested[-1].parts.append(closed)
