"""The fold "Pictures": the vectors' norms in the vocabulary's distribution, and how similar the vectors are.

What is drawn is measured by `inspection`; here it becomes places on a canvas, and the template makes SVG of those. The
colours are the page's: a shade is an opacity, so that the middle of the scale is the background in any theme.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from ....host_protocol import PageHost
from ....inspection import NormDistribution, RowStatistics, measure_embedding, measure_norms, measure_similarity
from ....limits import CHUNK
from ....vectors.embedding import Embedding
from ..html import draw
from ..question import Answer, Question
from ..source import read_box

__all__ = ["Bars", "HeatMap", "Level", "Mark", "answer_pictures", "place_norms", "place_similarity"]

SHOWN = CHUNK
"""Vectors that are drawn."""

# Places, in the SVG's own units: a page of 390 pixels shows one of them as about one pixel.
WIDTH, HEIGHT = 264.0, 80.0
"""Of the histogram's bars."""
FARTHEST = 1.5
"""The axis of norms ends at most at so many times of the vocabulary's longest; what is longer stands at the edge."""
LABEL_WIDTH = 15.0
"""Of a vector's number below the histogram."""
SIDE = 280.0
"""Of the heat map."""
LARGEST_CELL = 40.0
WRITTEN = 10
"""Up to so many vectors, each cell has its cosine written in it."""
LABELS = 15
"""Vectors numbered along the edge, at most."""
LEVELS = 10
"""Shades of each colour."""


@dataclass(frozen=True)
class Mark:
    """A vector in the histogram: where its norm stands, and whether there is room for its number."""

    figures: RowStatistics
    x: float
    is_beyond: bool
    is_labelled: bool


@dataclass(frozen=True)
class Bars:
    """The histogram of an encoder: bars as (x, width, height), the mean's place, the marks, and where the axis ends."""

    distribution: NormDistribution
    bars: tuple[tuple[float, float, float], ...]
    mean_x: float
    marks: tuple[Mark, ...]
    end: float

    @property
    def beyond(self) -> tuple[Mark, ...]:
        """The vectors that are longer than the axis, shortest first."""
        return tuple(mark for mark in self.marks if mark.is_beyond)

    @property
    def words(self) -> int:
        """How many tokens are counted."""
        return sum(self.distribution.counts)


@dataclass(frozen=True)
class Level:
    """The cells of one shade: `minus`, `plus` or `none` (a zero vector has no cosine), its opacity, and their path."""

    sign: str
    opacity: float
    path: str


@dataclass(frozen=True)
class HeatMap:
    """Cosines of every two vectors of an encoder as squares of side `cell`, and as text where there are few."""

    encoder: str
    count: int
    cell: float
    levels: tuple[Level, ...]
    labels: tuple[int, ...]
    written: tuple[tuple[float, float, str], ...]
    least: float | None
    most: float | None

    @property
    def side(self) -> float:
        """Of the whole map."""
        return self.count * self.cell


def answer_pictures(question: Question, host: PageHost) -> Answer:
    """Answer both pictures for each encoder."""
    box = read_box(question, host)
    if box is None:
        return Answer(slots={"pictures": ""})
    shown = Embedding({name: rows[:SHOWN] for name, rows in box.vectors.items()})
    rows = measure_embedding(shown, box.model)
    similarity = measure_similarity(shown)
    drawn = draw(
        "build/pictures",
        norms=[place_norms(distribution, rows) for distribution in measure_norms(box.model)],
        maps=[place_similarity(encoder.name, similarity[encoder.name]) for encoder in box.model.encoders],
        more=box.vectors.length - shown.length,
        shown=shown.length,
        width=WIDTH,
        height=HEIGHT,
        scale=_scale(),
    )
    return Answer(slots={"pictures": drawn})


def place_norms(distribution: NormDistribution, rows: Sequence[RowStatistics]) -> Bars:
    """Return the places of an encoder's histogram and of its vectors' norms in it."""
    own = [row for row in rows if row.encoder == distribution.encoder]
    longest = max((row.norm or 0.0 for row in own), default=0.0)
    end = min(max(distribution.edges[-1], longest), FARTHEST * distribution.edges[-1])
    tallest = max(*distribution.counts, 1)
    edges = [WIDTH * edge / end for edge in distribution.edges]
    return Bars(
        distribution=distribution,
        bars=tuple(
            (x, next_x - x, HEIGHT * count / tallest)
            for x, next_x, count in zip(edges, edges[1:], distribution.counts, strict=False)
            if count
        ),
        mean_x=WIDTH * distribution.mean / end,
        marks=_place_marks(own, end),
        end=end,
    )


def _place_marks(rows: Sequence[RowStatistics], end: float) -> tuple[Mark, ...]:
    """Return the marks from left to right."""
    marks: list[Mark] = []
    free = 0.0
    for row in sorted(rows, key=lambda row: row.norm or 0.0):
        norm = row.norm or 0.0
        x = WIDTH * min(norm, end) / end
        marks.append(Mark(row, x, norm > end, is_labelled=x >= free and norm <= end))
        if marks[-1].is_labelled:
            free = x + LABEL_WIDTH
    return tuple(marks)


def place_similarity(encoder: str, cosines: Sequence[Sequence[float | None]]) -> HeatMap:
    """Return the places of an encoder's heat map: one path for all cells of a shade, so that 75 × 75 stay light."""
    count = len(cosines)
    cell = min(LARGEST_CELL, SIDE / max(count, 1))
    cells: dict[tuple[str, int], list[str]] = {}
    for y, row in enumerate(cosines):
        x = 0
        for shade, run in groupby(map(_shade, row)):
            wide = len(list(run))
            cells.setdefault(shade, []).append(f"M{x} {y}h{wide}v1h-{wide}z")
            x += wide
    step = max(1, -(-count // LABELS))
    apart = [c for y, row in enumerate(cosines) for x, c in enumerate(row) if c is not None and x != y]
    return HeatMap(
        encoder=encoder,
        count=count,
        cell=cell,
        levels=tuple(Level(sign, level / LEVELS, "".join(paths)) for (sign, level), paths in cells.items()),
        labels=tuple(range(0, count, step)),
        written=_write(cosines, cell) if count <= WRITTEN else (),
        least=min(apart, default=None),
        most=max(apart, default=None),
    )


def _shade(cosine: float | None) -> tuple[str, int]:
    if cosine is None:
        return "none", LEVELS
    return "minus" if cosine < 0 else "plus", round(abs(cosine) * LEVELS)


def _write(cosines: Sequence[Sequence[float | None]], cell: float) -> tuple[tuple[float, float, str], ...]:
    return tuple(
        ((x + 0.5) * cell, (y + 0.5) * cell, _figure(cosine))
        for y, row in enumerate(cosines)
        for x, cosine in enumerate(row)
    )


def _figure(cosine: float | None) -> str:
    return "–" if cosine is None else f"{round(cosine, 2) + 0.0:.2f}".replace("-", "−")  # + 0.0: no minus before zero


def _scale() -> list[tuple[str, float, float]]:
    """Return the legend's steps from −1 to 1 as sign, opacity and cosine."""
    steps = [("minus", level / LEVELS, -level / LEVELS) for level in range(LEVELS, 0, -1)]
    return steps + [("plus", level / LEVELS, level / LEVELS) for level in range(LEVELS + 1)]
