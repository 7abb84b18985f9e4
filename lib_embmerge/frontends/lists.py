"""Lists of `name = expression`, one a line, and sweeps over a number, for the command line and the page."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from ..entered import Entered, read_expression
from ..errors import FileError, NameProblem, WrongArgument
from ..language import quote
from ..limits import Limits

__all__ = ["Line", "Sweep", "read_lines", "read_words"]

LONGEST_WORD_NAME = 60
"""Characters of a name that is made of a text."""

MOST_STEPS = 2000
"""Steps of a sweep: more were not meant."""


@dataclass(frozen=True)
class Line:
    """A line that says something: its number from 1 on, what stands on both sides of its first `=`.

    `name` is None where it has no `=`. `same_as` is the number of the line before it that has the same name.
    """

    number: int
    name: str | None
    expression: str
    same_as: int | None = None

    def read(self, limits: Limits | None = None) -> tuple[str, Entered]:
        """Return the name and the expression.

        Raises: FileError where the line has no `=`; NameProblem where a line before has its name, case ignored, as
        some file systems do; ExpressionError in the expression.
        """
        if self.name is None:
            raise FileError("The line has no =; it should be: name = expression.")
        if self.same_as is not None:
            raise NameProblem(f"Line {self.same_as} has the name {self.name}, too.")
        return self.name, read_expression(self.expression, limits=limits)


@dataclass(frozen=True)
class Sweep:
    """An expression with `{t}` in it, the texts of the range that `{t}` runs over, and a pattern for the names.

    In the pattern `{t}` is the number and `{n}` its place from 1 on.
    """

    expression: str
    start: str = "0"
    stop: str = "1"
    steps: str = "5"
    pattern: str = ""

    def lines(self) -> Sequence[Line]:
        """Return a line for each step.

        Raises: WrongArgument where the range is none or a `{t}` is missing; LimitExceeded for too many steps.
        """
        numbers = self._numbers()
        if "{t}" not in self.expression:
            raise WrongArgument("The expression has no {t}.", suggestion="Write {t} where the number is to stand.")
        if not self.pattern.strip():
            raise WrongArgument("The names are missing.", suggestion="Write a pattern such as red_blue_{t}.")
        if "{t}" not in self.pattern and "{n}" not in self.pattern and len(numbers) > 1:
            raise WrongArgument(
                "All files would have the same name.", suggestion=f"Write {self.pattern.strip()}_{{t}} or …_{{n}}."
            )
        digits = len(str(len(numbers)))
        return _mark_twins(
            Line(n, self._name(t, f"{n:0{digits}}"), self.expression.replace("{t}", t).strip())
            for n, t in enumerate(numbers, start=1)
        )

    def _name(self, number: str, place: str) -> str:
        return self.pattern.replace("{t}", number).replace("{n}", place).strip()

    def _numbers(self) -> list[str]:
        start, stop, steps = _read_number("from", self.start), _read_number("to", self.stop), _read_steps(self.steps)
        return [_write_number(start + (stop - start) * (n / max(1, steps - 1))) for n in range(steps)]


def read_lines(text: str) -> Sequence[Line]:
    """Return the lines that say something: neither empty ones nor those that begin with `#`."""
    return _mark_twins(
        _divide(number, line)
        for number, line in enumerate(text.split("\n"), start=1)
        if line.strip() and not line.startswith("#")
    )


def read_words(text: str) -> Sequence[Line]:
    """Return a line for each text of a list or a wildcard file, `a red fox` as `a-red-fox = 'a red fox'`.

    A wildcard's weight before `::` and a comment behind `#` are left out, as Dynamic Prompts does; a text that came
    before is, too. A name that another text has, or that is a vocabulary's word, gets a number or an ending.
    """
    lines: list[Line] = []
    texts: set[str] = set()
    names: set[str] = set()
    for number, line in enumerate(text.split("\n"), start=1):
        said = _WEIGHT.sub("", line.partition("#")[0]).strip()
        if not said or said in texts:
            continue
        texts.add(said)
        name = _name_words(said)
        free = next(n for n in (name, *(f"{name}-{k}" for k in range(2, 100_000))) if n.casefold() not in names)
        names.add(free.casefold())
        lines.append(Line(number, free, quote(said)))
    return lines


_WEIGHT = re.compile(r"^\s*\d+(\.\d+)?::")


def _name_words(text: str) -> str:
    """Make a name of a text: its words with hyphens between them; of a single word `-emb` tells it from that."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    words = re.findall(r"[A-Za-z0-9_.]+", plain)
    name = "-".join(words)[:LONGEST_WORD_NAME].strip("-._")
    if not name:
        return "text"
    return name if "-" in name else f"{name}-emb"


def _divide(number: int, text: str) -> Line:
    name, found, expression = text.partition("=")
    return Line(number, name.strip() if found else None, (expression if found else text).strip())


def _mark_twins(lines: Iterable[Line]) -> list[Line]:
    first: dict[str, int] = {}
    marked = []
    for line in lines:
        key = line.name.casefold() if line.name else None
        marked.append(line if key is None else replace(line, same_as=first.get(key)))
        if key is not None:
            first.setdefault(key, line.number)
    return marked


def _read_number(what: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise WrongArgument(f"“{what}” must be a number such as 0.5, found {text.strip() or 'nothing'}.")
    return number


def _read_steps(text: str) -> int:
    if not text.strip().isdecimal() or not 1 <= int(text.strip()[:9]) <= MOST_STEPS:
        raise WrongArgument(
            f"“steps” must be a whole number from 1 to {MOST_STEPS:,}, found {text.strip() or 'nothing'}."
        )
    return int(text)


def _write_number(number: float) -> str:
    """Write a number in at most six digits and without an exponent, as it can stand in a name, too."""
    return format(Decimal(f"{number:.6g}") + 0, "f")
