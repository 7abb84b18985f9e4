"""Sums of words as expressions: for the model that they were found with, or for another one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

from ..families import CLIP, group_of
from ..host_protocol import InstalledEmbedding, TextEncoder, TextModel
from ..language.nodes import Apply, Expression, Number, Text, walk

__all__ = ["WeightedWord", "write_sums"]


@dataclass(frozen=True)
class WeightedWord:
    """A word of a sum: its token id, its spelling, and what it is multiplied by in each text encoder."""

    id: int
    text: str
    weights: Mapping[str, float]

    @property
    def group(self) -> str:
        """The tokenizer group that its id is of."""
        return group_of(next(iter(self.weights)))


Sums = Sequence[Sequence[WeightedWord]]
"""One sum of words for each vector; a sum of no words is a vector of zeros."""


def write_sums(sums: Mapping[str, Sums], model: TextModel, *, fill: bool = False) -> Expression:
    """Return one expression for the sums of each tokenizer group.

    In a model of several groups each encoder gets its own by its function, unless all get the same words. With `fill`
    an encoder for whose group there are none gets those of the first group; a model of one group always does.
    """
    first = next(iter(sums.values()))
    groups = {group_of(encoder.name) for encoder in model.encoders}
    if len(groups) == 1:
        return _join([_write_sum(words, model.encoders, model) for words in sums.get(groups.pop(), first)])
    given = [(encoder, sums.get(group_of(encoder.name), first if fill else ())) for encoder in model.encoders]
    there = [(encoder, found) for encoder, found in given if found]
    same = {_join([_write_sum(words, [encoder], model) for words in found]) for encoder, found in there}
    if len(same) == 1 and len(there) == len(given) and not _has_tokens(next(iter(same))):
        return same.pop()
    parts = [
        Apply(encoder.name, (_join([_write_own(words, encoder, model) for words in found]),))
        for encoder, found in there
    ]
    return reduce(lambda left, right: Apply("add", (left, right)), parts)


def _join(trees: Sequence[Expression]) -> Expression:
    return reduce(lambda all_before, one: Apply("concat", (all_before, one)), trees)


def _has_tokens(tree: Expression) -> bool:
    return any(isinstance(node, Apply) and node.name == "token" for node in walk(tree))


def _write_own(words: Sequence[WeightedWord], encoder: TextEncoder, model: TextModel) -> Expression:
    """Write a sum for one encoder of several groups: one vector in each of the others, which may cut the words."""
    tree = _write_sum(words, [encoder], model)
    group = group_of(encoder.name)
    if any(word.group != group for word in words):
        return tree  # it is of another tokenizer, and of as many vectors as each makes of it
    typed = [_typed(word, model) for word in words if not _has_tokens(_written(word, [encoder], model))]
    others = [one for one in model.encoders if group_of(one.name) != group]
    is_one_each = all(len(ids) == 1 for other in others for ids in other.tokenize(typed))
    return tree if is_one_each else Apply("resize", (tree, Number(1)))


def _write_sum(words: Sequence[WeightedWord], encoders: Sequence[TextEncoder], model: TextModel) -> Expression:
    """Return a sum of words for encoders of one group; one that a word has no weight for gets the mean of its weights.

    A sum of no words is one vector of zeros.
    """
    total: Expression | None = None
    for word in _positive_first(words):
        weights = _weights_in(word, encoders)
        if len(encoders) == 1 and len(word.weights) > 1 and not any(weights.values()):
            continue  # it is another encoder's alone
        is_negative = all(weight <= 0 for weight in weights.values()) and any(weights.values())
        term = _term(
            _written(word, encoders, model), {name: abs(w) if is_negative else w for name, w in weights.items()}
        )
        if total is None:
            total = Apply("negate", (term,)) if is_negative else term
        else:
            total = Apply("subtract" if is_negative else "add", (total, term))
    return Apply("scale", (Apply("pad", ()), Number(0))) if total is None else total


def _weights_in(word: WeightedWord, encoders: Sequence[TextEncoder]) -> dict[str, float]:
    usual = word.weights.values()
    middle = next(iter(usual)) if len(set(usual)) == 1 else sum(usual) / len(usual)
    return {encoder.name: word.weights.get(encoder.name, middle) for encoder in encoders}


def _term(term: Expression, weights: Mapping[str, float]) -> Expression:
    if len(set(weights.values())) == 1:
        weight = next(iter(weights.values()))
        return term if weight == 1 else Apply("scale", (term, Number(weight)))
    for name, weight in weights.items():
        if weight != 1:
            term = Apply("scale", (term, Number(weight), name))
    return term


def _written(word: WeightedWord, encoders: Sequence[TextEncoder], model: TextModel) -> Expression:
    """Return what stands for a token in an expression for some encoders of one group.

    That is its word; the token's id where the tokenizer that it is of reads the word otherwise.
    """
    typed = _typed(word, model)
    is_own = group_of(encoders[0].name) == word.group
    if is_own and any(encoder.tokenize([typed]) != [[word.id]] for encoder in encoders):
        return Apply("token", (Number(word.id),))
    pieces = model.pieces([typed])[0]
    has_name = any(isinstance(piece, InstalledEmbedding) for one in encoders for piece in pieces[one.name])
    return Apply("text", (Text(word.text),)) if has_name else Text(word.text)


def _typed(word: WeightedWord, model: TextModel) -> str:
    return word.text if all(group_of(one.name) == CLIP for one in model.encoders) else f" {word.text}"


def _positive_first(words: Sequence[WeightedWord]) -> list[WeightedWord]:
    """Put the first word that is added before those that are subtracted, so that no sign begins the sum."""
    first = next((word for word in words if max(word.weights.values()) > 0), None)
    return list(words) if first is None else [first, *(word for word in words if word is not first)]
