"""What nodes show of expressions and files: lines of text in columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...entered import read_expression
from ...errors import FileError
from ...evaluation import Analysis
from ...files.names import EXTENSIONS
from ...files.reading import read_embedding
from ...host_protocol import TextModel
from ...inspection import Difference, ShownToken, compare, find_neighbours, list_tokens, measure_embedding
from ...limits import Limits
from ...saving import Saved
from ...vectors.embedding import Embedding
from ..cli.report import align
from ..figures import amount, figure

__all__ = ["Shown", "describe", "describe_difference", "describe_saved", "open_shown"]

NEAREST = 6
"""Words that are shown for a vector."""

SHOWN_VECTORS = 75
"""Vectors that have a line."""


@dataclass(frozen=True)
class Shown:
    """What is looked at: its name, its vectors, and the analysed expression that they are the value of."""

    name: str
    vectors: Embedding
    analysis: Analysis | None = None


def open_shown(text: str, model: TextModel, paths: Mapping[str, Sequence[Path]], limits: Limits) -> Shown:
    """Open an expression, or an embedding's file: `embedding:name`, or the name with its extension.

    Raises: ExpressionError for a mistake in an expression; FileError for a file that is not there.
    """
    name = text.strip()
    if name.startswith("embedding:") or name.endswith(EXTENSIONS):
        name = name.removeprefix("embedding:").replace("\\", "/").rpartition("/")[2].strip(", ")
        stem = next((name.removesuffix(end) for end in EXTENSIONS if name.endswith(end)), name)
        if not paths.get(stem):
            raise FileError(f"There is no embedding {stem} in ComfyUI's folders.")
        return Shown(text.strip(), Embedding(read_embedding(paths[stem][-1]).vectors))
    analysis = Analysis(read_expression(text, limits=limits), model)
    return Shown(text.strip(), analysis.value(), analysis)


def describe(shown: Shown, model: TextModel) -> str:
    """Return how many vectors there are, of which tokens, how long they are, the words near them, and verdicts."""
    lines = [f"{shown.name}: {_size(shown.vectors)}"]
    if shown.analysis is not None:
        lines += _tokens(list_tokens(shown.analysis.parts(), model))
    own = {encoder.name for encoder in model.encoders}
    known = Embedding({name: rows for name, rows in shown.vectors.items() if name in own})
    if shown.vectors.length:
        lines += ["", *_table(known, model)]
    if shown.analysis is not None:
        remarks = [*shown.analysis.remarks(), *(shown.analysis.remarks_on_value() if shown.vectors.length else ())]
        lines += _below([remark.text for remark in remarks])
    return "\n".join(lines)


def describe_difference(a: Shown, b: Shown) -> str:
    """Return how far two embeddings are from each other."""
    found = compare(a.vectors, b.vectors)
    head = ["encoder", "A", "B", "mean difference", "greatest", "cosine"]
    lines = [f"A  {a.name}", f"B  {b.name}", "", *align([head, *map(_difference, found)], left=(0, 5))]
    if found and all(one.is_equal for one in found):
        lines.append("Equal.")
    return "\n".join(lines)


def describe_saved(saved: Sequence[Saved], folder: str) -> str:
    """Return where files lie, how a prompt names them, and what is worth knowing of them."""
    lines = []
    for one in saved:
        shapes = ", ".join(f"{name} {count} × {width}" for name, (count, width) in one.shapes.items())
        lines += [str(one.path), shapes, f"In prompts: embedding:{folder}{one.name}", *_below(one.warnings)]
    return "\n".join(lines)


def _below(sentences: Iterable[str]) -> list[str]:
    found = list(dict.fromkeys(sentences))
    return ["", *found] if found else []


def _size(vectors: Embedding) -> str:
    return f"{amount(vectors.length, 'vector')} ({', '.join(vectors)})"


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
    words: dict[tuple[str, int], list[str]] = {}
    for near in find_neighbours(vectors, model, k=NEAREST):
        words.setdefault((near.encoder, near.index), []).append(f"{near.text.strip()} {near.cosine:.2f}")
    head = ["encoder", "vector", "length", "÷ mean", "longer than", "nearest words"]
    rows = [
        [
            row.encoder,
            str(row.index),
            figure(row.norm),
            figure(row.norm_ratio),
            "–" if row.percentile is None else f"{row.percentile:.0f} %",
            " · ".join(words.get((row.encoder, row.index), ())),
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
