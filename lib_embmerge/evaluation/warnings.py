"""What is no mistake, but worth saying about an expression, in words."""

from __future__ import annotations

import re
from collections.abc import Iterator

import torch

from ..errors import Span
from ..host_protocol import TextModel
from ..language.nodes import Expression
from ..language.quoted_text import plain_text_warnings
from ..limits import CHUNK, HALF_PRECISION_MAX, Limits
from ..remarks import Remark
from ..vectors.embedding import Embedding
from .count import measure
from .lengths import judge_length
from .plan import QUOTED, Step, plan
from .reading import Readings, describe_sizes, fits

__all__ = ["find_strangers", "find_warnings"]

LONGEST_NAME = 4
"""Words of a text that are tried together as the name of an embedding."""

MANY = 1e6
"""A factor from which only the size is worth writing."""


def find_warnings(
    expression: Expression, model: TextModel, *, value: Embedding | None = None, limits: Limits | None = None
) -> list[Remark]:
    """Give the warnings of an expression in the order of its text; those of its numbers only with its `value`.

    Raises: as `count`.
    """
    steps = plan(expression)
    readings = Readings([steps], model)
    length = measure(steps, readings, limits or Limits())
    remarks = [remark for step in steps if step.reads for remark in _of_reading(step, readings)]
    if length > CHUNK:
        remarks.append(Remark("too long", f"This has {length} vectors; a text encoder's chunk holds {CHUNK}."))
    if value is not None:
        remarks += [*_of_half_precision(value), *_of_norms(value, model)]
    return list(dict.fromkeys(remarks))


def find_strangers(expression: Expression, model: TextModel) -> list[Remark]:
    """Give those warnings that speak of embeddings of another family; nothing is tokenized for them."""
    quoted = (step for step in plan(expression) if step.name == QUOTED)
    remarks = [remark for step in quoted for remark in _of_strangers(str(step.values[0]), step.span, model)]
    return list(dict.fromkeys(remarks))


def _of_reading(step: Step, readings: Readings) -> Iterator[Remark]:
    leaf = readings.leaf(step)
    if len(set(leaf.counts)) > 1:
        counts = " and ".join(f"{n} in {name}" for n, name in zip(leaf.counts, readings.names, strict=True))
        yield Remark(
            "uneven",
            f"'{step.values[0]}' has a different number of vectors per text encoder, {counts}; "
            "the shorter is filled up with zero vectors.",
            step.span,
        )
    if step.name == QUOTED:
        text = str(step.values[0])
        for sentence in plain_text_warnings(text):
            yield Remark("prompt syntax", sentence, step.span)
        yield from _of_strangers(text, step.span, readings.model)


def _of_strangers(text: str, span: Span, model: TextModel) -> Iterator[Remark]:
    for name in _possible_names(text):
        found = model.embeddings_named(name)
        if found and not any(fits(embedding, model) for embedding in found):
            sizes = {key: int(rows.shape[-1]) for key, rows in found[0].vectors.items()}
            yield Remark(
                "other family",
                f"The embedding {found[0].name} is made for {describe_sizes(sizes)}, not for this model; "
                "here its name is plain text.",
                span,
            )


def _possible_names(text: str) -> Iterator[str]:
    """Yield what in a text could be the name of an embedding: the whole, and runs of a few words."""
    words = list(re.finditer(r"[^\s,]+", text))
    names = [text.strip()]
    for first in range(len(words)):
        for last in range(first, min(first + LONGEST_NAME, len(words))):
            names.append(text[words[first].start() : words[last].end()])
    yield from dict.fromkeys(name for name in names if name)


def _of_half_precision(value: Embedding) -> Iterator[Remark]:
    for encoder, rows in value.items():
        largest = Embedding({encoder: rows}).largest()
        if largest > HALF_PRECISION_MAX:
            yield Remark(
                "half precision",
                f"A number of {encoder} is {largest:.4g}; float16 ends at {HALF_PRECISION_MAX:,.0f}.",
            )


def _times(factor: float) -> str:
    return f"{factor:,.1f}" if factor < MANY else f"{factor:.1e}"


def _of_norms(value: Embedding, model: TextModel) -> Iterator[Remark]:
    for encoder in model.encoders:
        vocabulary = encoder.vocabulary()
        usual = vocabulary.mean_norm
        norms = torch.linalg.vector_norm(value[encoder.name].to(torch.float64), dim=1)
        norms = norms[norms > 0]
        if not len(norms) or not usual:
            continue
        for norm in dict.fromkeys((float(norms.max()), float(norms.min()))):
            sentence = _of_norm(norm / usual, vocabulary.percentile(norm), encoder.name)
            if sentence:
                yield Remark("norm", f"{sentence} normalize( ) gives it the usual length.")


def _of_norm(ratio: float, percentile: float, encoder: str) -> str:
    """Say what is wrong with a length; nothing of one that a word could have."""
    length = judge_length(ratio, percentile)
    if length == "far longer":
        return (
            f"A vector of {encoder} is {_times(ratio)} times as long as the vocabulary's mean: expect burnt pictures."
        )
    if length == "far shorter":
        return f"A vector of {encoder} has {ratio:.2g} of the vocabulary's mean length: it will hardly be seen."
    if length in ("longest", "shortest"):
        comparison = "longer" if length == "longest" else "shorter"
        return f"A vector of {encoder} is {ratio:.2g} × as long as a word, {comparison} than any."
    return ""
