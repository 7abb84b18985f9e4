"""`embmerge compare`: how far two embeddings are from each other."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from ...errors import EmbeddingMergeError, shorten
from ...files.reading import read_embedding
from ...inspection import Difference
from ...library import compare, evaluate
from ...vectors.embedding import Embedding
from ..figures import align
from .arguments import QUOTING
from .inputs import find_named_file, open_chosen_model, read_source
from .looking import odd_numbers
from .report import Report, describe_model, figure, seen_with

__all__ = ["compare_two"]

SHOWN_COSINES = 8
"""Cosines that a line shows; all of them are in the JSON."""

LONGEST_NAME = 150
"""Characters that are shown of each of the two."""


def compare_two(options: argparse.Namespace) -> Report:
    """Compare two files or expressions, or one expression on two checkpoints."""
    checkpoints: list[Path] = options.checkpoint or []
    if len(options.text) > 2 or len(checkpoints) > 2:
        raise EmbeddingMergeError(
            "Two things are compared at a time.", suggestion=f"""{QUOTING} "'cat' - 'adult'" "'kitten'"."""
        )
    if len(options.text) == 2 and len(checkpoints) == 2:
        raise EmbeddingMergeError("Compare one expression on two checkpoints, or two expressions on one.")
    if len(options.text) == 1 and len(checkpoints) < 2:
        raise EmbeddingMergeError("There is nothing to compare with.", suggestion="Give B, or a second --checkpoint.")
    if len(options.text) == 2:
        return _compare_on_one(options, checkpoints[0] if checkpoints else None)
    return _compare_on_two(options, checkpoints)


def _compare_on_one(options: argparse.Namespace, checkpoint: Path | None) -> Report:
    """Compare two things; the model is opened only where one of them is an expression."""
    paths = [find_named_file(text, options.kind) for text in options.text]
    sides = [
        path or read_source(text, options.kind, options.limits) for text, path in zip(options.text, paths, strict=True)
    ]
    model = None if all(paths) else open_chosen_model(options, checkpoint)
    values = []
    for side in sides:
        if isinstance(side, Path):
            values.append(Embedding(read_embedding(side).all_vectors))
        elif model is not None:
            values.append(evaluate(side, model))
    report = _report(options.text, values)
    report.figures |= describe_model(model)
    report.note = "" if model is None else seen_with(model)
    return report


def _compare_on_two(options: argparse.Namespace, checkpoints: Sequence[Path]) -> Report:
    text = options.text[0]
    if find_named_file(text, options.kind) is not None:
        raise EmbeddingMergeError(
            f"{text} is a file, which does not depend on a checkpoint.",
            suggestion="Give an expression, or a second file.",
        )
    entered = read_source(text, options.kind, options.limits)
    models = [open_chosen_model(options, checkpoint) for checkpoint in checkpoints]
    values = [evaluate(entered, model) for model in models]
    report = _report([str(path) for path in checkpoints], values)
    report.figures |= {"expression": text, "models": [describe_model(model)["model"] for model in models]}
    return report


def _report(names: Sequence[str], values: Sequence[Embedding]) -> Report:
    a, b = values
    found = compare(a, b)
    figures: dict[str, object] = {
        "a": names[0],
        "b": names[1],
        "encoders": {one.encoder: {**asdict(one), "is_equal": one.is_equal} for one in found},
        "is_equal": all(one.is_equal for one in found),
    }
    warnings = [text for name, value in zip(names, values, strict=True) for text in odd_numbers(value, f"{name}: ")]
    return Report(figures, _table(names, found), warnings)


def _table(names: Sequence[str], found: Sequence[Difference]) -> list[str]:
    lines = [f"A  {shorten(names[0], LONGEST_NAME)}", f"B  {shorten(names[1], LONGEST_NAME)}", ""]
    if all(one.shape_a is None or one.shape_b is None for one in found):
        shapes = [[one.encoder, _shape(one.shape_a), _shape(one.shape_b)] for one in found]
        return [*lines, *align([["encoder", "A", "B"], *shapes]), "They have no text encoder in common."]
    head = ["encoder", "A", "B", "mean absolute", "max absolute", "cosine"]
    lines += align([head, *map(_row, found)], left=(0, 5))
    if found and all(one.is_equal for one in found):
        lines.append("Equal.")
    return lines


def _row(one: Difference) -> list[str]:
    figures = [figure(one.mean_absolute), figure(one.max_absolute)]
    return [one.encoder, _shape(one.shape_a), _shape(one.shape_b), *figures, _cosines(one)]


def _shape(shape: tuple[int, int] | None) -> str:
    return "–" if shape is None else f"[{shape[0]},{shape[1]}]"


def _cosines(one: Difference) -> str:
    shown = " ".join("–" if cosine is None else f"{cosine:.6f}" for cosine in one.cosines[:SHOWN_COSINES])
    return shown + (" …" if len(one.cosines) > SHOWN_COSINES else "") or "–"
