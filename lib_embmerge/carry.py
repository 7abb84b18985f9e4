"""An embedding for one model family becomes one for another, as far as that can be.

Vectors of one token table mean nothing in another. What can be carried over is what they say in words: `carry_words`
explains each vector with the model that it was made for, and writes the same sum of words for the other one. Beside it
stand two ways that carry numbers: a linear map between the tables (`carry_map`), fitted on the words that both have,
and the vectors of an encoder that both families share, with zeros for the others (`carry_shared`). Each says how much
of the embedding it is; none is a match for training anew.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .carry_ways import CARRY_WAYS
from .errors import FileError, ShapeMismatch
from .families import group_of
from .host_protocol import TextEncoder, TextModel
from .inspection.explain import ExplainedVector, explain, explained_part, is_whole_word, join_explained
from .language.nodes import Expression
from .language.write import write
from .vectors.embedding import Embedding
from .vectors.linear_map import FittedMap, fit_ridge, fit_rotation, judge_map

__all__ = [
    "ENOUGH",
    "MAPS",
    "CarriedMap",
    "CarriedWords",
    "carried_part",
    "carry_map",
    "carry_shared",
    "carry_words",
    "describe_ways",
    "origin_of",
    "refuse_few_words",
]

ENOUGH = 0.5
"""How much of an embedding words have to be, for carrying them without being asked to."""

MAPS: Mapping[str, Callable[[Tensor, Tensor], FittedMap]] = {"ridge": fit_ridge, "rotation": fit_rotation}

MOST_COMMON = 12_000
"""Words that a map is fitted on, at most: several times as many as a table has columns."""
FEWEST_COMMON = 100
"""Words that it is fitted on, at least."""


@dataclass(frozen=True)
class CarriedWords:
    """The vectors in words, and the expression that makes them for the other model."""

    vectors: tuple[ExplainedVector, ...]
    tree: Expression

    @property
    def share(self) -> float:
        """How much of the embedding the words are, from 0 to 1: the mean over its vectors."""
        shares = [0.0 if one.is_chance else one.share for one in self.vectors if one.shares]
        return sum(shares) / len(shares) if shares else 0.0

    @property
    def expression(self) -> str:
        """The words as an expression for the other model."""
        return write(self.tree)

    @property
    def remainder(self) -> str:
        """Return the sentence on how much the words are, and how much is lost."""
        words = round(100 * self.share)
        return f"Words are {words} % of it; the other {100 - words} % are left out." if words < 100 else _ALL


@dataclass(frozen=True)
class CarriedMap:
    """The vectors as a map makes them; `cosines` is by encoder how near it brings words that it was not fitted on."""

    value: Embedding
    cosines: Mapping[str, float]

    @property
    def reach(self) -> str:
        """Return the sentence on how near the map brings words."""
        cosines = ", ".join(f"{cosine:.2f} in {encoder}" for encoder, cosine in self.cosines.items())
        return f"words that it was not made of come out with a cosine of {cosines}."


_ALL = "Words are 100 % of it."


def carry_words(embedding: Embedding, source: TextModel, target: TextModel) -> Iterator[ExplainedVector | CarriedWords]:
    """Yield each vector in words as it is found, and at last all of it for the other model.

    Raises: ShapeMismatch where the embedding is not for the source's encoders.
    """
    found = []
    for vector in explain(carried_part(embedding, source, target), source):
        found.append(vector)
        yield vector
    yield CarriedWords(tuple(found), join_explained(found, target, fill=True))


def carried_part(embedding: Embedding, source: TextModel, target: TextModel) -> Embedding:
    """Return the vectors whose words the other model gets: of the tokenizers that both have, or of the first one.

    Raises: ShapeMismatch where the embedding is not for the source's encoders.
    """
    part = explained_part(embedding, source)
    shared = {group_of(encoder.name) for encoder in target.encoders} & part.lengths.keys()
    kept = shared or {next(iter(part.lengths))}
    return Embedding({name: rows for name, rows in part.items() if group_of(name) in kept})


def carry_map(embedding: Embedding, source: TextModel, target: TextModel, way: str) -> CarriedMap:
    """Map the vectors of all the embedding's encoders together to each encoder of the other model.

    Raises: ShapeMismatch where the embedding is not for the source's encoders, or the models share too few words.
    """
    own = [encoder for encoder in source.encoders if encoder.name in embedding]
    if not own or any(embedding[encoder.name].shape[1] != encoder.width for encoder in own):
        raise ShapeMismatch(f"This embedding is not for the text encoders of {source.title}.")
    vectors = torch.cat([embedding[encoder.name].to(torch.float32) for encoder in own], dim=1)
    value, cosines = {}, {}
    words = _words_of(own[0])
    for encoder in target.encoders:
        ids, others = _common_words(words, encoder)
        if len(ids) < FEWEST_COMMON:
            raise ShapeMismatch(f"{source.title} and {target.title} share only {len(ids)} words.")
        rows = torch.cat([one.rows(ids) for one in own], dim=1)
        counterparts = encoder.rows(others)
        value[encoder.name] = MAPS[way](rows, counterparts)(vectors)
        cosines[encoder.name] = judge_map(MAPS[way], rows, counterparts)
    return CarriedMap(Embedding(value), cosines)


def carry_shared(embedding: Embedding, target: TextModel) -> Embedding:
    """Take the vectors of each encoder of the same name and width, zeros for the other ones.

    Raises: ShapeMismatch where there is no such encoder.
    """
    shared = [e.name for e in target.encoders if e.name in embedding and embedding[e.name].shape[1] == e.width]
    if not shared:
        raise ShapeMismatch(f"{' and '.join(embedding)} is no text encoder of {target.title}.")
    return Embedding(
        {
            encoder.name: embedding[encoder.name].to(torch.float32)
            if encoder.name in shared
            else torch.zeros((_length_beside(embedding, encoder.name), encoder.width))
            for encoder in target.encoders
        }
    )


def _length_beside(embedding: Embedding, encoder: str) -> int:
    """Return how many zero vectors an encoder gets that an embedding has nothing for: as many as its group has."""
    return embedding.lengths.get(group_of(encoder), embedding.length)


def refuse_few_words(
    file: str,
    words: CarriedWords,
    embedding: Embedding,
    source: TextModel,
    target: TextModel,
    *,
    called: Mapping[str, str],
) -> None:
    """Refuse to carry words that are too little of an embedding; what the other ways reach is said.

    `called` has what each way is called where the user chooses it.

    Raises: FileError.
    """
    if words.share < ENOUGH:
        raise FileError(
            f"Words are only {round(100 * words.share)} % of {file}; nothing was written.",
            suggestion="Choose a way:",
            choices=[f"{called[way]}: {said}" for way, said in describe_ways(embedding, source, target).items()],
        )


def describe_ways(embedding: Embedding, source: TextModel, target: TextModel) -> dict[str, str]:
    """Return what each way reaches, a sentence each."""
    said = {"words": f"{CARRY_WAYS['words']}, all the same."}
    for way in MAPS:
        with contextlib.suppress(ShapeMismatch):
            said[way] = f"{CARRY_WAYS[way]}; {carry_map(embedding, source, target, way).reach}"
    return said | {"shared": f"{CARRY_WAYS['shared']}."}


def origin_of(way: str, source: str, file: str) -> dict[str, str]:
    """Return what a carried file's header says of where it came from; `source` is the title of its model."""
    return {"embmerge.carried": f"{way}, from {source}" if source else way, "embmerge.source_file": file}


def _common_words(words: Mapping[str, int], right: TextEncoder) -> tuple[Sequence[int], Sequence[int]]:
    """Return the ids of whole words that both have, in both, evenly chosen where there are many."""
    others = _words_of(right)
    common = [(token, others[word]) for word, token in words.items() if word in others]
    step = max(1, -(-len(common) // MOST_COMMON))
    chosen = common[::step]
    return [token for token, _ in chosen], [token for _, token in chosen]


def _words_of(encoder: TextEncoder) -> dict[str, int]:
    norms = encoder.vocabulary().norms
    spelled = encoder.spell(range(encoder.size))
    is_there = (norms > 0).tolist()
    return {
        text.strip(): token
        for token, text in enumerate(spelled)
        if is_whole_word(text, encoder.name) and is_there[token]
    }
