"""An embedding explained in words: each vector as a sum of at most eight words with weights, and what is left of it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor, float32

from ..errors import NotFinite, ShapeMismatch
from ..families import CLIP, GROUPS, group_of
from ..host_protocol import TextEncoder, TextModel
from ..language.nodes import Expression
from ..language.write import write
from ..vectors.embedding import Embedding, bad_vectors, describe_lengths
from ..vectors.sparse_fit import MOST_WORDS, WordFit, WordTable, fit_words
from .word_sums import WeightedWord, write_sums

__all__ = [
    "ExplainedVector",
    "describe_uneven",
    "explain",
    "explained_part",
    "is_whole_word",
    "join_explained",
    "say_left_out",
]

CLOSE = 5e-4
"""How far a written weight may be from the best one, as a share of the vector's length."""
EXACTLY = 0.9999
"""Share of a vector from which on its words are all of it."""


@dataclass(frozen=True)
class ExplainedVector:
    """One vector in words: the one of an index in the encoders of one tokenizer group.

    `share` is how much of the vector's squared length the words are, from 0 to 1, and `shares` the same by encoder,
    without those in which the vector is zero. `most_share` is what as many words as are allowed would reach. Where
    `is_chance` is set no word fits better than chance lets one expect: the words are the nearest, but explain nothing.
    """

    group: str
    index: int
    words: tuple[WeightedWord, ...]
    share: float
    shares: Mapping[str, float]
    most_share: float
    is_chance: bool
    tree: Expression = field(repr=False)

    @property
    def expression(self) -> str:
        """The words as an expression that can be evaluated."""
        return write(self.tree)

    @property
    def group_title(self) -> str:
        """The tokenizer group's name for people."""
        return GROUPS.get(self.group, self.group)

    @property
    def verdict(self) -> str:
        """Return the sentence on how much the words explain."""
        if not self.shares:
            return "This vector is zero."
        if self.is_chance:
            return f"No words: {_percent(self.most_share)} at {len(self.words)}, no more than chance."
        these = "This word is" if len(self.words) == 1 else f"These {len(self.words)} words are"
        if self.share >= EXACTLY:
            return f"{these} all of it."
        rest = "" if self.most_share - self.share < 0.005 else "; what is left is no word"
        return f"{these} {_percent(self.share)} of it{rest}."


def explain(embedding: Embedding, model: TextModel, *, most: int = MOST_WORDS) -> Iterator[ExplainedVector]:
    """Yield each vector of an embedding as a sum of at most `most` words of the model's vocabulary.

    One sum stands for all text encoders of a tokenizer group; a word's weight may differ between them. Another group
    has vectors and words of its own, which follow. Encoders that the model or the embedding lacks are left out.

    Raises: ShapeMismatch where the model has no encoder of the embedding's, or one of another width; NotFinite where a
    vector holds infinity or NaN.
    """
    groups = _common_encoders(embedding, model)
    for encoder in (encoder for encoders in groups for encoder in encoders):
        _check_finite(encoder.name, embedding[encoder.name])
    for encoders in groups:
        tables = [WordTable(encoder.vocabulary(), encoder.rows) for encoder in encoders]
        vectors = [embedding[encoder.name] for encoder in encoders]
        words = _Words(model, encoders)
        for index, fit in enumerate(fit_words(vectors, tables, most=most, is_preferred=words.is_whole)):
            yield words.explain(index, fit, [rows[index] for rows in vectors])


def is_whole_word(spelled: str, encoder: str) -> bool:
    """Return whether a token's spelling is a whole word's: CLIP has its blank behind it, the others before it."""
    is_word = spelled.endswith(" ") if group_of(encoder) == CLIP else spelled.startswith(" ")
    return is_word and spelled.strip().isalpha()


def join_explained(vectors: Sequence[ExplainedVector], model: TextModel, *, fill: bool = False) -> Expression:
    """Return one expression for explained vectors: one behind the other, and the tokenizer groups beside each other.

    The model is the one that they were explained with, or another one: there a word of another tokenizer is written as
    text. With `fill` encoders for whose tokenizer nothing was explained get the words of the first one.
    """
    sums = {group: [one.words for one in found] for group, found in _by_group(vectors).items()}
    return write_sums(sums, model, fill=fill)


def describe_uneven(vectors: Sequence[ExplainedVector]) -> str:
    """Return the sentence on groups of unequal length, which one expression makes equal; none where they are equal."""
    lengths = {group: len(found) for group, found in _by_group(vectors).items()}
    if len(set(lengths.values())) < 2:
        return ""
    return (
        f"Here are {describe_lengths(lengths)}; the expression gives each {max(lengths.values())}, the last ones zero."
    )


def explained_part(embedding: Embedding, model: TextModel) -> Embedding:
    """Return the vectors that can be explained with a model: those for the encoders that it has.

    Raises: ShapeMismatch where there are none, or they are of another width.
    """
    names = [encoder.name for found in _common_encoders(embedding, model) for encoder in found]
    return Embedding({name: embedding[name] for name in names})


def say_left_out(embedding: Embedding, part: Embedding, model: TextModel) -> str:
    """Return the sentence on the encoders of an embedding that a part of it has not; none where it has all."""
    left = [name for name in embedding if name not in part]
    return f"The vectors of {' and '.join(left)} were left out: {model.title} has no such encoder." if left else ""


def _by_group(vectors: Sequence[ExplainedVector]) -> dict[str, list[ExplainedVector]]:
    groups: dict[str, list[ExplainedVector]] = {}
    for one in vectors:
        groups.setdefault(one.group, []).append(one)
    return groups


def _common_encoders(embedding: Embedding, model: TextModel) -> list[list[TextEncoder]]:
    """Return the encoders that both have, by tokenizer group: a token's id is of one tokenizer."""
    groups: dict[str, list[TextEncoder]] = {}
    for encoder in model.encoders:
        if encoder.name in embedding:
            groups.setdefault(group_of(encoder.name), []).append(encoder)
            width = int(embedding[encoder.name].shape[1])
            if width != encoder.width:
                raise ShapeMismatch(
                    f"The vectors of {encoder.name} have {width} columns; {encoder.width} in {model.title}."
                )
    if not groups:
        own, others = " and ".join(embedding), " and ".join(encoder.name for encoder in model.encoders)
        raise ShapeMismatch(f"This embedding is for {own}; {model.title} has {others}.")
    return list(groups.values())


def _check_finite(encoder: str, rows: Tensor) -> None:
    bad = bad_vectors(rows)
    if bad:
        raise NotFinite(
            f"Vector [{bad[0]}] of {encoder} holds infinity or NaN, which no words are.",
            suggestion="convert --drop-bad leaves such vectors out.",
        )


class _Words:
    """The vocabulary's tokens as words and as expressions."""

    def __init__(self, model: TextModel, encoders: Sequence[TextEncoder]) -> None:
        self.model = model
        self.encoders = encoders

    def is_whole(self, token: int) -> bool:
        """Return whether a token is a whole word, not a piece of one."""
        return is_whole_word(self.encoders[0].spell([token])[0], self.encoders[0].name)

    def explain(self, index: int, fit: WordFit, vector: Sequence[Tensor]) -> ExplainedVector:
        names = [encoder.name for encoder in self.encoders]
        there = [name for name, share in zip(names, fit.shares, strict=True) if not math.isnan(share)]
        words = tuple(
            self._weighted(token, dict(zip(names, column, strict=True)), vector)
            for token, column in zip(fit.ids, fit.weights.T.tolist(), strict=True)
        )
        shares = {name: share for name, share in zip(names, fit.shares, strict=True) if name in there}
        group = group_of(names[0])
        tree = write_sums({group: [words]}, self.model)
        return ExplainedVector(group, index, words, fit.share, shares, fit.most_share, fit.is_chance, tree)

    def _weighted(self, token: int, weights: Mapping[str, float], vector: Sequence[Tensor]) -> WeightedWord:
        """Write a word's weights as short as is close enough, and as one where they are that close to each other."""
        tolerances = {
            encoder.name: CLOSE * float(rows.to(float32).norm()) / max(1e-30, self._norm(encoder, token))
            for encoder, rows in zip(self.encoders, vector, strict=True)
        }
        counted = {name: weight for name, weight in weights.items() if tolerances[name] > 0}
        middle = sum(counted.values()) / max(1, len(counted))
        common = _shortest(middle, min((tolerances[name] for name in counted), default=1.0))
        if all(abs(common - weight) <= 2 * tolerances[name] for name, weight in counted.items()):
            shown = {name: common if name in counted else 0 for name in weights}
        else:
            shown = {name: _shortest(weight, tolerances[name]) for name, weight in weights.items()}
        return WeightedWord(token, self.encoders[0].spell([token])[0].strip(), shown)

    def _norm(self, encoder: TextEncoder, token: int) -> float:
        return float(encoder.vocabulary().norms[token])


def _shortest(value: float, tolerance: float) -> float:
    """Return the number of fewest digits that is within the tolerance."""
    if abs(value) <= tolerance:
        return 0
    for digits in range(1, 9):
        rounded = float(f"{value:.{digits}g}")
        if abs(rounded - value) <= tolerance:
            return int(rounded) if rounded == int(rounded) and abs(rounded) < 1e6 else rounded
    return value


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share < 0.995 else "over 99 %"
