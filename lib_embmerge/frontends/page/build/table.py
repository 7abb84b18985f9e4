"""The fold "Table": figures of what an expression reads, by part or token, or gives, by vector; as CSV, too."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

from ....errors import NameProblem
from ....files.names import check_name
from ....host_protocol import PageHost
from ....inspection import (
    By,
    Neighbour,
    RowStatistics,
    find_neighbours,
    group_by_vector,
    measure_embedding,
    measure_parts,
)
from ....vectors.embedding import Embedding
from ...source import Computed
from ..html import draw
from ..question import Answer, Question
from ..source import read_box
from .norms import NormVerdict, judge_norm

__all__ = ["TABLE_ROWS", "Row", "answer_csv", "answer_table", "as_csv", "find_rows"]

TABLE_ROWS = ("vector", "token", "part")
"""What a row of the table can be; the first is shown first."""

SHOWN = 150
"""Rows of each encoder on the page; the CSV has all of them."""
SHOWN_WORDS = 3
WRITTEN_WORDS = 5
"""Nearest tokens of a vector on the page and in the CSV."""

FIGURES = ("norm", "minimum", "maximum", "mean", "std", "total", "absolute")
HEADS = ("norm", "min", "max", "mean", "std", "sum", "abs")
"""Figures of a row, and how their columns are called."""


@dataclass(frozen=True)
class Row:
    """A line of the table: its figures, its norm in words, and for a vector the nearest tokens."""

    figures: RowStatistics
    verdict: NormVerdict
    nearest: tuple[Neighbour, ...] = ()

    @property
    def numbers(self) -> list[float | None]:
        """The figures after the norm's judgement, in the order of `HEADS`."""
        return [getattr(self.figures, name) for name in FIGURES]


def answer_table(question: Question, host: PageHost) -> Answer:
    """Answer the rows, grouped by encoder."""
    box = read_box(question, host)
    if box is None:
        return Answer(slots={"table": ""})
    by = question.choice("by", TABLE_ROWS)
    rows = find_rows(box, by, most=SHOWN if by == "vector" else None, words=SHOWN_WORDS)
    all_rows: dict[str, list[Row]] = {encoder.name: [] for encoder in box.model.encoders}
    for row in rows:
        all_rows[row.figures.encoder].append(row)
    groups = {name: found[:SHOWN] for name, found in all_rows.items()}
    totals = {name: len(box.vectors[name]) if by == "vector" else len(found) for name, found in all_rows.items()}
    more = {name: totals[name] - len(found) for name, found in groups.items()}
    return Answer(slots={"table": draw("build/table", by=by, groups=groups, more=more, heads=HEADS)})


def answer_csv(question: Question, host: PageHost) -> Answer:
    """Answer all rows as the text of a CSV file, and the file's name, for the javascript to hand over."""
    box = read_box(question, host)
    if box is None:
        return Answer()
    by = question.choice("by", TABLE_ROWS)
    text = as_csv(by, find_rows(box, by, words=WRITTEN_WORDS))
    return Answer(state={"csv": text, "file": f"{_file_name(question.text('name').strip())}.csv"})


def find_rows(box: Computed, by: str, *, most: int | None = None, words: int) -> list[Row]:
    """Return the rows, encoder by encoder: of each at most `most` vectors, with so many nearest tokens."""
    if by == "vector":
        value = box.vectors
        shown = Embedding({name: vectors[:most] for name, vectors in value.items()})
        near = group_by_vector(find_neighbours(shown, box.model, k=words))
        return [
            Row(row, judge_norm(row.norm_ratio, row.percentile), tuple(near.get((row.encoder, row.index), ())))
            for row in measure_embedding(shown, box.model)
        ]
    found = _measure_read(box, by)
    return [Row(row, judge_norm(row.norm_ratio, row.percentile)) for row in found]


def _measure_read(box: Computed, by: str) -> list[RowStatistics]:
    return measure_parts(box.analysis.parts(), box.model, by=cast("By", by))


# --- CSV -----------------------------------------------------------------------------------------------------------

_FORMULA = re.compile(r"[=+\-@\t\r\n＝＋－＠]")
"""What makes a cell a formula where a text begins with it; of full width in Japanese spreadsheets."""
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?")


def as_csv(by: str, rows: Sequence[Row]) -> str:
    """Write rows as CSV, numbers to their last digit; a text that a spreadsheet would run gets a ' before it."""
    words = max((len(row.nearest) for row in rows), default=0)
    heads = ["encoder", by, "text", "token id", "vectors", "norm ÷ vocabulary's mean", "percentile", "verdict", *HEADS]
    for place in range(1, words + 1):
        heads += [f"nearest {place}", f"nearest {place} id", f"cosine {place}"]
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(heads)
    for row in rows:
        writer.writerow([_cell(value) for value in _values(row)])
    return text.getvalue()


def _values(row: Row) -> Iterator[str | float | None]:
    figures = row.figures
    yield from (figures.encoder, figures.index, figures.text, figures.id, figures.vectors)
    yield from (figures.norm_ratio, figures.percentile, row.verdict.sentence, *row.numbers)
    for word in row.nearest:
        yield from (word.text, word.id, word.cosine)


def _cell(value: str | float | None) -> str | float:
    if value is None:
        return ""
    if isinstance(value, str) and _FORMULA.match(value) and not _NUMBER.fullmatch(value):
        return f"'{value}"
    return value


def _file_name(wished: str) -> str:
    try:
        check_name(wished, extension=".csv")
    except NameProblem:
        return "embedding"
    return wished
