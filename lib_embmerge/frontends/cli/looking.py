"""`embmerge inspect` and `nearest`: what an expression or a file holds."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import torch

from ...errors import FileError
from ...evaluation import Analysis
from ...families import DEMONSTRATION
from ...files.reading import EmbeddingFile, read_embedding
from ...host_protocol import TextModel
from ...inspection import Neighbour, RowStatistics, find_neighbours, measure_embedding, measure_parts
from ...vectors.embedding import Embedding, shapes_of
from .inputs import find_named_file, open_chosen_model, read_source
from .report import Report, align, amount, describe_model, figure, model_note

__all__ = ["inspect_vectors", "list_nearest", "odd_numbers", "open_subject"]

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

LEFT = ("encoder", "text", "nearest words")
"""Columns of words."""


@dataclass
class _Subject:
    """What is looked at: its vectors, the model to compare with, and the file or the expression that it is."""

    vectors: Embedding
    model: TextModel | None
    file: EmbeddingFile | None = None
    analysis: Analysis | None = None


def inspect_vectors(options: argparse.Namespace) -> Report:
    """Show shapes, recipe, figures and nearest words."""
    subject = open_subject(options)
    rows = _measure(subject, options.rows)
    near = find_neighbours(subject.vectors, subject.model, k=options.k) if subject.model else []
    figures = {
        **_source_figures(subject),
        "rows": [asdict(row) for row in rows],
        "nearest": [asdict(neighbour) for neighbour in near],
        **describe_model(subject.model),
    }
    lines = [*_headlines(subject), "", *_table(rows, near, options.rows), "", _note(subject)]
    return Report(figures, lines, _warnings(subject))


def list_nearest(options: argparse.Namespace) -> Report:
    """Show the words nearest to each vector."""
    subject = open_subject(options, always=True)
    if subject.model is None:
        raise FileError("There is nothing to compare with.", suggestion="Give --checkpoint FILE.")
    near = find_neighbours(subject.vectors, subject.model, k=options.k)
    figures = {**_source_figures(subject), "nearest": [asdict(n) for n in near], **describe_model(subject.model)}
    rows = [[n.encoder, str(n.index), n.text, str(n.id), f"{n.cosine:.4f}"] for n in near]
    lines = align([["encoder", "vector", "word", "id", "cosine"], *rows], left=(0, 2))
    if not near:
        lines = ["No vector has nearest words."]
    warnings = [*_misfits(subject), *odd_numbers(subject.vectors), *_zero_vectors(subject.vectors)]
    return Report(figures, [*lines, model_note(subject.model)], warnings)


def open_subject(options: argparse.Namespace, *, always: bool = False) -> _Subject:
    """Open what the argument names; for a file, a model only where one is given, or `always`.

    A file without a checkpoint is compared with the demonstration encoder only where that made it: its words
    say nothing about any other.
    """
    path = find_named_file(options.text, options.kind)
    if path is None:
        entered = read_source(options.text, options.kind, options.limits)
        model = open_chosen_model(options)
        analysis = Analysis(entered, model)
        return _Subject(analysis.value(), model, analysis=analysis)
    file = read_embedding(path)
    ours = file.metadata.get("embmerge.checkpoint") == DEMONSTRATION
    wanted = always or options.checkpoint is not None or ours
    return _Subject(Embedding(file.vectors), open_chosen_model(options) if wanted else None, file=file)


def _measure(subject: _Subject, by: str) -> list[RowStatistics]:
    if by == "vector":
        return measure_embedding(subject.vectors, subject.model)
    if subject.analysis is None or subject.model is None:
        raise FileError(
            "A file holds vectors only; its parts and tokens are not in it.",
            suggestion="Inspect the expression, or take --rows vector.",
        )
    return measure_parts(subject.analysis.parts(), subject.model, by="part" if by == "part" else "token")


def _source_figures(subject: _Subject) -> dict[str, object]:
    figures: dict[str, object] = {"encoders": {name: list(shape) for name, shape in shapes_of(subject.vectors).items()}}
    if subject.file is not None:
        figures |= {"file": str(subject.file.path), "layout": subject.file.layout}
        figures |= {"metadata": dict(subject.file.metadata), "notes": list(subject.file.notes)}
    if subject.analysis is not None:
        figures["expression"] = subject.analysis.entered.expression
    return figures


def _headlines(subject: _Subject) -> list[str]:
    shapes = ", ".join(f"{name} {list(shape)}" for name, shape in shapes_of(subject.vectors).items())
    if subject.file is None:
        return [shapes]
    known = subject.file.metadata
    texts = [[label, _one_line(known[key])] for label, key in HEADER.items() if key in known]
    dtypes = sorted({str(rows.dtype).removeprefix("torch.") for rows in subject.file.vectors.values()})
    own = [["file", str(subject.file.path)], ["holds", f"{shapes}, {', '.join(dtypes)}"], *texts]
    return [*align(own, left=(0, 1)), *subject.file.notes]


def _table(rows: Sequence[RowStatistics], near: Sequence[Neighbour], by: str) -> list[str]:
    words = _words_by_vector(near) if by == "vector" else {}
    head = ["encoder", by, "text", "id", "norm", "÷ mean", "percentile", "min", "max", "mean", "std"]
    cells = [head + (["nearest words"] if words else [])]
    for row in rows:
        numbers = (row.norm, row.norm_ratio, row.percentile, row.minimum, row.maximum, row.mean, row.std)
        line = [row.encoder, str(row.index), row.text, "" if row.id is None else str(row.id)]
        line += [figure(number) for number in numbers]
        cells.append(line + ([words.get((row.encoder, row.index), "")] if words else []))
    shown = _without_empty_columns(cells)
    return align(shown, left=[i for i, name in enumerate(shown[0]) if name in LEFT])


def _words_by_vector(near: Sequence[Neighbour]) -> Mapping[tuple[str, int], str]:
    words: dict[tuple[str, int], list[str]] = {}
    for found in near:
        words.setdefault((found.encoder, found.index), []).append(f"{found.text} {found.cosine:.2f}")
    return {key: " · ".join(texts) for key, texts in words.items()}


def _without_empty_columns(cells: list[list[str]]) -> list[list[str]]:
    keep = [column for column in range(len(cells[0])) if any(line[column] not in ("", "–") for line in cells[1:])]
    return [[line[column] for column in keep] for line in cells] if keep else cells


def _note(subject: _Subject) -> str:
    if subject.model is None:
        return "For nearest words and norms against the vocabulary give --checkpoint FILE."
    return model_note(subject.model)


def _warnings(subject: _Subject) -> list[str]:
    if subject.analysis is None:
        return [*_misfits(subject), *odd_numbers(subject.vectors)]
    return [remark.text for remark in (*subject.analysis.remarks(), *subject.analysis.remarks_on_value())]


def _zero_vectors(vectors: Embedding) -> list[str]:
    """Return a sentence on the vectors that point nowhere, so that nothing is near them."""
    counts = {name: len(rows) - int(rows.to(torch.float32).any(dim=1).sum()) for name, rows in vectors.items()}
    return [f"{amount(n, 'vector')} of {name} {_is(n)} zero: no word is near." for name, n in counts.items() if n]


def odd_numbers(vectors: Embedding, name: str = "") -> list[str]:
    """Return a sentence on the vectors that hold what is no number; `name` stands before each sentence."""
    counts = {key: int((~rows.to(torch.float32).isfinite()).any(dim=1).sum()) for key, rows in vectors.items()}
    return [
        f"{name}{amount(n, 'vector')} of {key} {'holds' if n == 1 else 'hold'} infinity or NaN:"
        " pictures come out black, and no word is near."
        for key, n in counts.items()
        if n
    ]


def _is(number: int) -> str:
    return "is" if number == 1 else "are"


def _misfits(subject: _Subject) -> list[str]:
    """Return a sentence where a file and the model do not have the same encoders."""
    if subject.file is None or subject.model is None:
        return []
    own, others = sorted(subject.vectors), sorted(encoder.name for encoder in subject.model.encoders)
    if own == others:
        return []
    return [f"{subject.file.path.name} holds {' and '.join(own)}; {subject.model.title} has {' and '.join(others)}."]


def _one_line(text: str) -> str:
    return " ".join(text.split())
