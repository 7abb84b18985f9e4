"""What is no mistake, but worth saying about an expression, in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import torch

from ..errors import Span
from ..families import CLIP
from ..host_protocol import InstalledEmbedding, TextEncoder, TextModel
from ..language.decimal_comma import find_decimal_commas
from ..language.nodes import Expression
from ..language.quoted_text import LONGEST_NAME, WORD, plain_text_warnings
from ..limits import CHUNK, HALF_PRECISION_MAX
from ..remarks import Remark
from ..vectors.embedding import Embedding
from .norm_classes import NormClass, class_of_norm
from .plan import QUOTED, Plan, Step, plan
from .reading import Readings, describe_sizes, fits

__all__ = ["find_strangers", "remark_on_norms", "remark_on_reading", "remark_on_value", "remark_on_writing"]

MANY = 1e6
"""A factor from which only the size is worth writing."""
MIDDLE = 50.0
"""Percentile of a norm that is compared with the usual one only."""


def remark_on_writing(expression: str) -> list[Remark]:
    """Return the remarks on how an expression is written."""
    return [
        Remark("decimal comma", _describe_comma(expression, span), span)
        for span in find_decimal_commas(expression)
    ]


def _describe_comma(expression: str, span: Span) -> str:
    whole, _, rest = expression[span.start : span.end].partition(",")
    divides = expression[: span.start].rstrip("+- \t\n").endswith("/")
    scaled = f"divided by {whole}" if divides else f"{whole} times"
    return f"{whole},{rest} means {scaled}, then token {rest}. A decimal number has a point: {whole}.{rest}."


def remark_on_reading(steps: Plan, readings: Readings, lengths: Mapping[str, int]) -> list[Remark]:
    """Return the remarks on what a measured plan reads, in the order of its text, and on how many vectors it has."""
    quoted = [step for step in steps if step.name == QUOTED]
    strangers = _find_strangers([(str(step.values[0]), step.span) for step in quoted], readings.model)
    remarks = [remark for step in steps if step.reads for remark in _of_reading(step, readings, strangers)]
    length = lengths.get(CLIP, 0)
    if length > CHUNK:
        remarks.append(Remark("too long", f"This has {length} vectors; a text encoder's chunk holds {CHUNK}."))
    return list(dict.fromkeys(remarks))


def find_strangers(expressions: Iterable[Expression], model: TextModel) -> list[Remark]:
    """Return the remarks on embeddings of another family that expressions name; nothing is tokenized for them."""
    quoted = [step for tree in expressions for step in plan(tree) if step.name == QUOTED]
    found = _find_strangers([(str(step.values[0]), step.span) for step in quoted], model)
    return list(dict.fromkeys(remark for remarks in found.values() for remark in remarks))


def _of_reading(
    step: Step, readings: Readings, strangers: Mapping[tuple[str, Span], Sequence[Remark]]
) -> Iterator[Remark]:
    leaf = readings.leaf(step)
    for uneven in _uneven(leaf.counts, readings):
        counts = " and ".join(f"{n} in {name}" for name, n in uneven.items())
        yield Remark(
            "uneven",
            f"'{step.values[0]}' has a different number of vectors per text encoder, {counts}; "
            "the shorter is filled up with zero vectors.",
            step.span,
        )
    if step.name == QUOTED:
        text = str(step.values[0])
        for sentence in plain_text_warnings(text, readings.model.prompt_rules):
            yield Remark("prompt syntax", sentence, step.span)
        yield from strangers.get((text, step.span), ())


def _uneven(counts: Sequence[int], readings: Readings) -> Iterator[Mapping[str, int]]:
    """Yield the counts by encoder for each tokenizer group whose encoders have different ones."""
    if len(set(counts)) == 1:
        return
    for group in range(len(readings.groups)):
        by_place = zip(readings.names, readings.group_places, counts, strict=True)
        own = {name: count for name, of, count in by_place if of == group}
        if len(set(own.values())) > 1:
            yield own


def _find_strangers(
    quoted: Sequence[tuple[str, Span]], model: TextModel
) -> Mapping[tuple[str, Span], Sequence[Remark]]:
    """Give, by text and place, the remarks on the embeddings it names that are none for this model.

    The model is asked once for all names that the texts may hold.
    """
    names = {text: _possible_names(text) for text, _ in quoted}
    installed: dict[str, list[InstalledEmbedding]] = {}
    asked = dict.fromkeys(chain.from_iterable(names.values()))
    for embedding in model.embeddings_named(*asked) if asked else ():
        installed.setdefault(embedding.name.casefold(), []).append(embedding)
    found: dict[tuple[str, Span], list[Remark]] = {}
    for text, span in quoted:
        for name in names[text]:
            of_name = installed.get(name.casefold())
            if of_name and not any(fits(embedding, model) for embedding in of_name):
                found.setdefault((text, span), []).append(Remark("other family", _describe_stranger(of_name[0]), span))
    return found


def _describe_stranger(embedding: InstalledEmbedding) -> str:
    if embedding.problem:
        return f"{embedding.problem} Here its name is plain text."
    sizes = {key: int(rows.shape[-1]) for key, rows in embedding.vectors.items()}
    return (
        f"The embedding {embedding.name} is made for {describe_sizes(sizes)}, not for this model; "
        "here its name is plain text."
    )


def _possible_names(text: str) -> list[str]:
    """Return what in a text could be the name of an embedding: the whole, and runs of a few words."""
    words = list(WORD.finditer(text))
    names = [text.strip()]
    for first in range(len(words)):
        for last in range(first, min(first + LONGEST_NAME, len(words))):
            names.append(text[words[first].start() : words[last].end()])
    return list(dict.fromkeys(filter(None, names)))


def remark_on_value(value: Embedding, model: TextModel) -> list[Remark]:
    """Return the remarks on the numbers of a value: what half precision cannot hold, and unusual norms."""
    return list(dict.fromkeys([*_of_half_precision(value), *remark_on_norms(value, model)]))


def _of_half_precision(value: Embedding) -> Iterator[Remark]:
    for encoder, rows in value.items():
        largest = Embedding({encoder: rows}).largest()
        if largest > HALF_PRECISION_MAX:
            yield Remark(
                "half precision",
                f"A number of {encoder} is {largest:.4g}; float16 ends at {HALF_PRECISION_MAX:,.0f}.",
            )


def _times(factor: float) -> str:
    if factor >= MANY:
        return f"{factor:.1e}"
    return f"{factor:,.0f}" if factor >= 10 else f"{factor:.2g}"


@dataclass(frozen=True)
class _Odd:
    """A vector of a length that no word has: what is odd, its encoder, its index, its norm over the usual one."""

    found: NormClass
    encoder: str
    index: int
    ratio: float


SAID: Mapping[NormClass, str] = {
    "far longer": "expect burnt pictures",
    "far shorter": "it will hardly be seen",
    "longest": "longer than any",
    "shortest": "shorter than any",
}
"""What a length means that is worth a remark."""


def remark_on_norms(value: Embedding, model: TextModel, *, roughly: bool = False) -> list[Remark]:
    """Return the remarks on vectors that are longer or shorter than words are: one for all encoders of a kind.

    Vectors of encoders that the model has not, or of another width, are not judged; nor are zero vectors. `roughly`
    tells only what is far off, and reads no more than some rows of a vocabulary.
    """
    odd = [one for encoder in model.encoders for one in _find_odd(value, encoder, roughly)]
    if not odd:
        return []
    return [
        Remark("norm", f"{_describe_odd(of_kind, value.length)} normalize( ) gives it the usual length.")
        for kind in SAID
        if (of_kind := [one for one in odd if one.found == kind])
    ]


def _find_odd(value: Embedding, encoder: TextEncoder, roughly: bool) -> Iterator[_Odd]:
    """Yield an encoder's longest and its shortest vector, where no word is so long or so short."""
    rows = value.get(encoder.name)
    if rows is None or not len(rows) or rows.shape[1] != encoder.width:
        return
    norms = torch.linalg.vector_norm(rows.detach().to("cpu", torch.float64), dim=1)
    there = ((norms > 0) & torch.isfinite(norms)).nonzero()[:, 0]
    if not len(there):
        return
    vocabulary = encoder.vocabulary()
    usual = vocabulary.usual_norm() if roughly else vocabulary.scale().mean
    if not usual:
        return
    ends = (int(there[norms[there].argmax()]), int(there[norms[there].argmin()]))
    for index in dict.fromkeys(ends):
        norm = float(norms[index])
        found = class_of_norm(norm / usual, MIDDLE if roughly else vocabulary.scale().percentile(norm))
        if found in SAID:
            yield _Odd(found, encoder.name, index, norm / usual)


def _describe_odd(odd: Sequence[_Odd], length: int) -> str:
    """Return the sentence on vectors of one kind, of one or several encoders."""
    indices = {one.index for one in odd}
    if len(indices) == 1:
        who = "This vector" if length == 1 else f"Vector {odd[0].index}"
        ratios = " and ".join(f"{_times(one.ratio)} × ({one.encoder})" for one in odd)
        return f"{who} is {ratios} as long as a word: {SAID[odd[0].found]}."
    each = [f"{one.index} of {one.encoder} is {_times(one.ratio)} ×" for one in odd]
    return f"Vector {' and vector '.join(each)} as long as a word: {SAID[odd[0].found]}."
