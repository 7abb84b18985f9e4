"""What nodes show of expressions and files: lines of text in columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ...compatibility.programs.comfyui import can_stand_bare
from ...compatibility.view import headlines
from ...entered import read_expression
from ...errors import FileError
from ...host_protocol import EXTENSIONS, TextModel
from ...inspection import (
    Difference,
    ShownToken,
    find_neighbours,
    group_by_vector,
    list_tokens,
    measure_differences,
    measure_embedding,
)
from ...library import check
from ...limits import Limits
from ...saving import Saved
from ...vectors.embedding import Embedding, describe_lengths
from ..figures import align, amount, figure, name_neighbours
from ..source import Source, StoredFile, compute_source, read_stored

__all__ = ["describe", "describe_difference", "describe_saved", "name_in_prompts", "open_source"]

NEAREST = 6
"""Words that are shown for a vector."""

SHOWN_VECTORS = 75
"""Vectors that have a line."""


def open_source(text: str, model: TextModel, paths: Mapping[str, Sequence[Path]], limits: Limits) -> Source:
    """Open an expression, or an embedding's file: `embedding:name`, or the name with its extension.

    Raises: ExpressionError for a mistake in an expression; FileError for a file that is not there.
    """
    name = text.strip()
    if not name.startswith("embedding:") and not name.endswith(EXTENSIONS):
        return compute_source(read_expression(text, limits=limits), model)
    name = name.removeprefix("embedding:").replace("\\", "/").rpartition("/")[2].strip(", ")
    stem = next((name.removesuffix(end) for end in EXTENSIONS if name.endswith(end)), name)
    if not paths.get(stem):
        raise FileError(f"There is no embedding {stem} in ComfyUI's folders.")
    return read_stored(paths[stem][-1], is_installed=True)


def describe(source: Source, model: TextModel) -> str:
    """Return how many vectors there are, of which tokens, how long they are, the words near them, and verdicts."""
    lines = [f"{source.title}: {_size(source.vectors)}"]
    own = {encoder.name for encoder in model.encoders}
    known = Embedding({name: rows for name, rows in source.vectors.items() if name in own})
    table = ["", *_table(known, model)] if source.vectors.length else []
    if isinstance(source, StoredFile):
        return "\n".join([*lines, *_verdicts(source.file.path), *table])
    analysis = source.analysis
    remarks = [*analysis.remarks(), *(analysis.remarks_on_value() if source.vectors.length else ())]
    lines += [*_tokens(list_tokens(analysis.parts(), model)), *table, *_below(remark.text for remark in remarks)]
    return "\n".join(lines)


def describe_difference(a: Source, b: Source) -> str:
    """Return how far two embeddings are from each other."""
    found = measure_differences(a.vectors, b.vectors)
    head = ["encoder", "A", "B", "mean difference", "greatest", "cosine"]
    lines = [f"A  {a.title}", f"B  {b.title}", "", *align([head, *map(_difference, found)], left=(0, 5))]
    if found and all(one.is_equal for one in found):
        lines.append("Equal.")
    return "\n".join(lines)


def describe_saved(saved: Sequence[Saved], folder: str) -> str:
    """Return where files lie, how a prompt names them, and what is worth knowing of them."""
    lines = []
    for one in saved:
        shapes = ", ".join(f"{name} {count} × {width}" for name, (count, width) in one.shapes.items())
        lines += [str(one.path), shapes, f"In prompts: {name_in_prompts(folder, one.name)}", *_verdicts(one.path)]
        lines += _below(one.warnings)
    return "\n".join(lines)


def name_in_prompts(folder: str, name: str) -> str:
    """Return how a prompt names an embedding: by `embedding:`, or in an expression where ComfyUI would cut the name."""
    whole = f"{folder}{name}"
    quoted = name.replace("'", "''")
    return f"embedding:{whole}" if can_stand_bare(whole) else f"<'{quoted}'>"


def _verdicts(path: Path) -> list[str]:
    """Return in how many programs a file loads, by model family."""
    found = check(path)
    return headlines(found.facts, found.verdicts)


def _below(sentences: Iterable[str]) -> list[str]:
    found = list(dict.fromkeys(sentences))
    return ["", *found] if found else []


def _size(vectors: Embedding) -> str:
    return f"{describe_lengths(vectors.lengths)} ({', '.join(vectors)})"


def _tokens(tokens: Sequence[ShownToken]) -> list[str]:
    by_encoder: dict[str, list[str]] = {}
    for token in tokens:
        shown = token.text if token.id is None else f"{token.text} {token.id}"
        by_encoder.setdefault(token.encoder, []).append(shown)
    texts = {name: " · ".join(found) for name, found in by_encoder.items()}
    if len(set(texts.values())) == 1:
        return [f"tokens: {next(iter(texts.values()))}"]
    return [f"tokens of {name}: {text}" for name, text in texts.items()]


def _table(vectors: Embedding, model: TextModel) -> list[str]:
    near = group_by_vector(find_neighbours(vectors, model, k=NEAREST))
    head = ["encoder", "vector", "norm", "÷ mean", "longer than", "nearest words"]
    rows = [
        [
            row.encoder,
            str(row.index),
            figure(row.norm),
            figure(row.norm_ratio),
            "–" if row.percentile is None else f"{row.percentile:.0f} %",
            name_neighbours(near.get((row.encoder, row.index), ())),
        ]
        for row in measure_embedding(vectors, model)
    ]
    more = [f"… and {amount(len(rows) - SHOWN_VECTORS, 'vector')} more"] if len(rows) > SHOWN_VECTORS else []
    return [*align([head, *rows[:SHOWN_VECTORS]], left=(0, 5)), *more]


def _difference(one: Difference) -> list[str]:
    cosines = " ".join("–" if cosine is None else f"{cosine:.4f}" for cosine in one.cosines[:8])
    figures = [figure(one.mean_absolute), figure(one.max_absolute)]
    return [one.encoder, _shape(one.shape_a), _shape(one.shape_b), *figures, cosines]


def _shape(shape: tuple[int, int] | None) -> str:
    return "–" if shape is None else f"{shape[0]} × {shape[1]}"
