"""`embmerge inspect` and `nearest`: what an expression or a file holds."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import chain

import torch

from ...errors import FileError, shorten
from ...evaluation import Analysis, remark_on_norms
from ...families import DEMONSTRATION
from ...files.reading import EmbeddingFile
from ...host_protocol import TextModel
from ...inspection import Neighbour, RowStatistics, group_by_vector
from ...library import inspect
from ...vectors.embedding import Embedding, bad_vectors, shapes_of
from ..figures import align, name_neighbours
from ..source import Computed, Source, compute_source, read_stored, say_misfit
from .inputs import find_named_file, open_chosen_model, read_source
from .report import Report, amount, describe_model, figure, seen_with
from .terminal import fit_sentence

__all__ = ["Looked", "inspect_vectors", "list_nearest", "odd_numbers", "open_looked"]

HEADER = {
    "expression": "embmerge.expression",
    "resolved": "embmerge.resolved",
    "made with": "embmerge.checkpoint",
    "author": "modelspec.author",
    "note": "modelspec.description",
    "trigger": "modelspec.trigger_phrase",
    "date": "modelspec.date",
}
"""What is shown of a file's header, and how it is called."""

LONGEST_FACT = 150
"""Characters of what a header says, where it is nothing to be copied; --json has all of it."""

LEFT = ("encoder", "text", "nearest words")
"""Columns of words."""


@dataclass(frozen=True)
class Looked:
    """What is looked at, and the model to compare it with, where there is one."""

    source: Source
    model: TextModel | None

    @property
    def what(self) -> Analysis | EmbeddingFile:
        """What the library inspects."""
        return self.source.analysis if isinstance(self.source, Computed) else self.source.file


def inspect_vectors(options: argparse.Namespace) -> Report:
    """Show shapes, recipe, figures and nearest words."""
    looked = open_looked(options)
    found = inspect(looked.what, looked.model, by=options.rows, k=options.k)
    rows, near = found.rows, found.nearest
    figures = {
        **_source_figures(looked),
        "rows": [asdict(row) for row in rows],
        "nearest": [asdict(neighbour) for neighbour in near],
        **describe_model(looked.model),
    }
    lines = [*_headlines(looked), "", *_table(rows, near, options.rows)]
    return Report(figures, lines, _warnings(looked), note=_note(looked))


def list_nearest(options: argparse.Namespace) -> Report:
    """Show the words nearest to each vector."""
    looked = open_looked(options, always=True)
    if looked.model is None:
        raise FileError("There is nothing to compare with.", suggestion="Give --checkpoint FILE.")
    near = inspect(looked.what, looked.model, k=options.k).nearest
    figures = {**_source_figures(looked), "nearest": [asdict(n) for n in near], **describe_model(looked.model)}
    rows = [[n.encoder, str(n.index), n.text, str(n.id), f"{n.cosine:.4f}"] for n in near]
    lines = align([["encoder", "vector", "word", "id", "cosine"], *rows], left=(0, 2))
    if not near:
        lines = ["No vector has nearest words."]
    warnings = [*_misfits(looked), *odd_numbers(looked.source.vectors), *_zero_vectors(looked.source.vectors)]
    return Report(figures, lines, warnings, note=seen_with(looked.model))


def open_looked(options: argparse.Namespace, *, always: bool = False) -> Looked:
    """Open what the argument names; for a file, a model only where one is given, or `always`.

    A file without a checkpoint is compared with the demonstration encoder only where that made it: its words
    say nothing about any other.
    """
    path = find_named_file(options.text, options.kind)
    if path is None:
        entered = read_source(options.text, options.kind, options.limits)
        model = open_chosen_model(options)
        return Looked(compute_source(entered, model), model)
    stored = read_stored(path)
    ours = stored.file.metadata.get("embmerge.checkpoint") == DEMONSTRATION
    wanted = always or options.checkpoint is not None or ours
    return Looked(stored, open_chosen_model(options) if wanted else None)


def _source_figures(looked: Looked) -> dict[str, object]:
    shapes = {name: list(shape) for name, shape in shapes_of(looked.source.vectors).items()}
    figures: dict[str, object] = {"encoders": shapes}
    if isinstance(looked.source, Computed):
        return figures | {"expression": looked.source.analysis.entered.expression}
    file = looked.source.file
    figures |= {"file": str(file.path), "layout": file.layout}
    return figures | {"metadata": dict(file.metadata), "said": file.trainer_says, "notes": list(file.notes)}


def _headlines(looked: Looked) -> list[str]:
    shapes = ", ".join(f"{name} {list(shape)}" for name, shape in shapes_of(looked.source.vectors).items())
    if isinstance(looked.source, Computed):
        return [shapes]
    file = looked.source.file
    known = file.metadata
    texts = [[label, _fact(label, known[key])] for label, key in HEADER.items() if key in known]
    texts += [[label.replace("_", " "), _fact(label, text)] for label, text in file.trainer_says.items()]
    dtypes = sorted({str(rows.dtype).removeprefix("torch.") for rows in file.all_vectors.values()})
    own = [["file", str(file.path)], ["holds", f"{shapes}, {', '.join(dtypes)}"], *texts]
    return [*align(own, left=(0, 1)), *chain.from_iterable(map(fit_sentence, file.notes))]


def _fact(label: str, text: str) -> str:
    """Return what a header says, in one line; what is meant to be copied stays whole, --json has the rest."""
    return _one_line(text) if label == "expression" else shorten(_one_line(text), LONGEST_FACT)


def _table(rows: Sequence[RowStatistics], near: Sequence[Neighbour], by: str) -> list[str]:
    words = {key: name_neighbours(found) for key, found in group_by_vector(near).items()} if by == "vector" else {}
    head = ["encoder", by, "text", "id", "norm", "÷ mean", "percentile", "min", "max", "mean", "std"]
    cells = [head + (["nearest words"] if words else [])]
    for row in rows:
        numbers = (row.norm, row.norm_ratio, row.percentile, row.minimum, row.maximum, row.mean, row.std)
        line = [row.encoder, str(row.index), row.text, "" if row.id is None else str(row.id)]
        line += [figure(number) for number in numbers]
        cells.append(line + ([words.get((row.encoder, row.index), "")] if words else []))
    shown = _without_empty_columns(cells)
    return align(shown, left=[i for i, name in enumerate(shown[0]) if name in LEFT])


def _without_empty_columns(cells: list[list[str]]) -> list[list[str]]:
    keep = [column for column in range(len(cells[0])) if any(line[column] not in ("", "–") for line in cells[1:])]
    return [[line[column] for column in keep] for line in cells] if keep else cells


def _note(looked: Looked) -> str:
    if looked.model is None:
        return "For nearest words and norms against the vocabulary give --checkpoint FILE."
    return seen_with(looked.model)


def _warnings(looked: Looked) -> list[str]:
    if not isinstance(looked.source, Computed):
        norms = remark_on_norms(looked.source.vectors, looked.model) if looked.model else []
        return [*_misfits(looked), *odd_numbers(looked.source.vectors), *(remark.text for remark in norms)]
    analysis = looked.source.analysis
    return [remark.text for remark in (*analysis.remarks(), *analysis.remarks_on_value())]


def _zero_vectors(vectors: Embedding) -> list[str]:
    """Return a sentence on the vectors that point nowhere, so that nothing is near them."""
    counts = {name: len(rows) - int(rows.to(torch.float32).any(dim=1).sum()) for name, rows in vectors.items()}
    return [f"{amount(n, 'vector')} of {name} {_is(n)} zero: no word is near." for name, n in counts.items() if n]


def odd_numbers(vectors: Embedding, name: str = "") -> list[str]:
    """Return a sentence on the vectors that hold what is no number; `name` stands before each sentence."""
    counts = {key: len(bad_vectors(rows)) for key, rows in vectors.items()}
    return [
        f"{name}{amount(n, 'vector')} of {key} {'holds' if n == 1 else 'hold'} infinity or NaN:"
        " pictures come out black, and no word is near."
        for key, n in counts.items()
        if n
    ]


def _is(number: int) -> str:
    return "is" if number == 1 else "are"


def _misfits(looked: Looked) -> list[str]:
    if isinstance(looked.source, Computed) or looked.model is None:
        return []
    return say_misfit(looked.source, looked.model)


def _one_line(text: str) -> str:
    return " ".join(text.split())
