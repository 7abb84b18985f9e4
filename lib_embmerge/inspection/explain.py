"""An embedding explained in words: each vector as a sum of at most eight words with weights, and what is left of it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce

from torch import Tensor, float32

from ..errors import NotFinite, ShapeMismatch
from ..families import CLIP, group_of
from ..host_protocol import TextEncoder, TextModel
from ..language.nodes import Apply, Expression, Number, Text
from ..language.write import write
from ..vectors.embedding import Embedding, bad_vectors
from ..vectors.sparse_fit import MOST_WORDS, WordFit, WordTable, fit_words

__all__ = ["ExplainedVector", "WeightedWord", "explain", "is_whole_word", "join_explained", "write_words"]

CLOSE = 5e-4
"""How far a written weight may be from the best one, as a share of the vector's length."""
EXACTLY = 0.9999
"""Share of a vector from which on its words are all of it."""


@dataclass(frozen=True)
class WeightedWord:
    """A word of a sum: its token id, its spelling, and what it is multiplied by in each text encoder."""

    id: int
    text: str
    weights: Mapping[str, float]


@dataclass(frozen=True)
class ExplainedVector:
    """One vector in words.

    `share` is how much of the vector's squared length the words are, from 0 to 1, and `shares` the same by encoder,
    without those in which the vector is zero. `most_share` is what as many words as are allowed would reach. Where
    `is_chance` is set no word fits better than chance lets one expect: the words are the nearest, but explain nothing.
    """

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

    One sum stands for all text encoders together; a word's weight may differ between them. Encoders that the model or
    the embedding lacks are left out.

    Raises: ShapeMismatch where the model has no encoder of the embedding's, or one of another width; NotFinite where a
    vector holds infinity or NaN.
    """
    encoders = _common_encoders(embedding, model)
    for encoder in encoders:
        _check_finite(encoder.name, embedding[encoder.name])
    tables = [WordTable(encoder.vocabulary(), encoder.rows) for encoder in encoders]
    vectors = [embedding[encoder.name] for encoder in encoders]
    words = _Words(model, encoders)
    for index, fit in enumerate(fit_words(vectors, tables, most=most, is_preferred=words.is_whole)):
        yield words.explain(index, fit, [rows[index] for rows in vectors])


def is_whole_word(spelled: str, encoder: str) -> bool:
    """Return whether a token's spelling is a whole word's: CLIP has its blank behind it, the others before it."""
    is_word = spelled.endswith(" ") if group_of(encoder) == CLIP else spelled.startswith(" ")
    return is_word and spelled.strip().isalpha()


def join_explained(vectors: Sequence[ExplainedVector], model: TextModel | None = None) -> Expression:
    """Return one expression for several explained vectors, one behind the other.

    It is for the model that they were explained with, or for another one: there a word that is a token of another id,
    or of none, is written as text.
    """
    trees = [vector.tree if model is None else write_words(vector.words, model) for vector in vectors]
    return reduce(lambda all_before, one: Apply("concat", (all_before, one)), trees)


def _common_encoders(embedding: Embedding, model: TextModel) -> list[TextEncoder]:
    found = [encoder for encoder in model.encoders if encoder.name in embedding]
    if not found:
        own, others = " and ".join(embedding), " and ".join(encoder.name for encoder in model.encoders)
        raise ShapeMismatch(f"This embedding is for {own}; {model.title} has {others}.")
    group = group_of(found[0].name)  # a token's id is of one tokenizer
    found = [encoder for encoder in found if group_of(encoder.name) == group]
    for encoder in found:
        width = int(embedding[encoder.name].shape[1])
        if width != encoder.width:
            raise ShapeMismatch(
                f"The vectors of {encoder.name} have {width} columns; {encoder.width} in {model.title}."
            )
    return found


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
        tree = write_words(words, self.model)
        return ExplainedVector(index, words, fit.share, shares, fit.most_share, fit.is_chance, tree)

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


def write_words(words: Sequence[WeightedWord], model: TextModel) -> Expression:
    """Return a sum of words as an expression for a model: for an encoder without a weight the mean of all weights.

    A sum of no words is one vector of zeros.
    """
    if not words:
        return Apply("scale", (Apply("pad", ()), Number(0)))
    total: Expression | None = None
    for word in _positive_first(words):
        weights = _weights_in(word, model)
        is_negative = all(weight <= 0 for weight in weights.values()) and any(weights.values())
        term = _term(word, {name: abs(w) if is_negative else w for name, w in weights.items()}, model)
        if total is None:
            total = Apply("negate", (term,)) if is_negative else term
        else:
            total = Apply("subtract" if is_negative else "add", (total, term))
    assert total is not None
    return total


def _weights_in(word: WeightedWord, model: TextModel) -> dict[str, float]:
    usual = word.weights.values()
    middle = next(iter(usual)) if len(set(usual)) == 1 else sum(usual) / len(usual)
    return {encoder.name: word.weights.get(encoder.name, middle) for encoder in model.encoders}


def _term(word: WeightedWord, weights: Mapping[str, float], model: TextModel) -> Expression:
    term = _written(word, model)
    if len(set(weights.values())) == 1:
        weight = next(iter(weights.values()))
        return term if weight == 1 else Apply("scale", (term, Number(weight)))
    for name, weight in weights.items():
        if weight != 1:
            term = Apply("scale", (term, Number(weight), name))
    return term


def _written(word: WeightedWord, model: TextModel) -> Expression:
    """Return what stands for a token in an expression: its word where that is read as this token alone."""
    groups = {group_of(encoder.name) for encoder in model.encoders}
    typed = word.text if groups == {CLIP} else f" {word.text}"
    if all(pieces == [[word.id]] for pieces in model.pieces([typed])[0].values()):
        return Text(word.text)
    if all(encoder.tokenize([typed]) == [[word.id]] for encoder in model.encoders):
        return Apply("text", (Text(word.text),))  # an embedding has this name
    return Apply("token", (Number(word.id),))


def _positive_first(words: Sequence[WeightedWord]) -> list[WeightedWord]:
    """Put the first word that is added before those that are subtracted, so that no sign begins the sum."""
    first = next((word for word in words if max(word.weights.values()) > 0), None)
    return list(words) if first is None else [first, *(word for word in words if word is not first)]


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
