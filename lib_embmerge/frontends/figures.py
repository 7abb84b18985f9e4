"""How figures are written, for people: the same on the command line, on the page and in nodes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ..inspection import Neighbour

__all__ = ["align", "amount", "count_conversions", "duration", "figure", "name_neighbours", "size"]


class _Outcome(Protocol):
    @property
    def is_kept(self) -> bool: ...


def figure(value: float | None, *, digits: int = 4) -> str:
    """Write a number for a table: four significant digits, no exponent where none is needed."""
    if value is None:
        return "–"
    if not math.isfinite(value):
        return str(value)
    if value == 0:
        return "0"
    if abs(value) < 1e-3 or abs(value) >= 1e6:
        return f"{value:.{digits - 1}e}"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:.{decimals}f}"


def amount(number: int, thing: str) -> str:
    """Write how many: `1 vector`, `2 vectors`."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def count_conversions(sources: int, done: Iterable[Sequence[_Outcome]], refused: int) -> str:
    """Write what came of files: `9 files: 6 made, 2 kept, 1 refused.`

    `done` has for each source what was made of it; where that is another number of files, it is said: `7 made of 6`.
    """
    outcomes = list(done)
    kept = sum(all(one.is_kept for one in outcome) for outcome in outcomes)
    made = sum(not one.is_kept for outcome in outcomes for one in outcome)
    of = sources - kept - refused
    said = [f"{made:,} made" + (f" of {of:,}" if made != of else "")]
    said += [f"{kept:,} kept"] if kept else []
    said += [f"{refused:,} refused"] if refused else []
    return f"{amount(sources, 'file')}: {', '.join(said)}."


def size(count: int) -> str:
    """Write a file's size: `900 bytes`, `9 kB`, `1.2 MB`; of 1,000 each."""
    if count < 1000:
        return amount(count, "byte")
    thousands = count / 1000
    return f"{thousands:.0f} kB" if thousands < 1000 else f"{thousands / 1000:.1f} MB"


def duration(seconds: float) -> str:
    """Write a time: `0.4 s`, `12 s`, `3 min 20 s`, `1 h 5 min`."""
    if seconds < 9.95:
        return f"{max(0.1, seconds):.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def name_neighbours(found: Iterable[Neighbour]) -> str:
    """Write the words near a vector, each with its cosine: `cat 0.91 · kitten 0.72`."""
    return " · ".join(f"{near.text.strip()} {near.cosine:.2f}" for near in found)


def align(rows: Iterable[Sequence[str]], *, left: Sequence[int] = (0,)) -> list[str]:
    """Line up columns: those of `left` to the left, the others, figures, to the right."""
    table = [list(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return ["  ".join(_cell(row, i, width, left) for i, width in enumerate(widths)).rstrip() for row in table]


def _cell(row: Sequence[str], column: int, width: int, left: Sequence[int]) -> str:
    return row[column].ljust(width) if column in left else row[column].rjust(width)
