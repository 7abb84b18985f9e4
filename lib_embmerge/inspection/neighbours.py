"""The words of the vocabulary that an embedding's vectors are most similar to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch

from ..host_protocol import TextModel
from ..vectors.embedding import Embedding

__all__ = ["Neighbour", "find_neighbours", "group_by_vector"]


@dataclass(frozen=True)
class Neighbour:
    """A token near a vector: the vector's encoder and index, the token's id and spelling, and their cosine."""

    encoder: str
    index: int
    id: int
    text: str
    cosine: float


def find_neighbours(embedding: Embedding, model: TextModel, *, k: int = 8) -> list[Neighbour]:
    """Return the k nearest tokens of every vector by cosine: encoder by encoder, vector by vector, nearest first.

    Edge: a zero vector, or one with infinity or NaN, has none; start and end token are never found; encoders that the
    model lacks are left out.
    """
    found: list[Neighbour] = []
    for encoder in model.encoders:
        if encoder.name not in embedding:
            continue
        rows = embedding[encoder.name].to(torch.float32)  # a file may be in float8, which torch cannot ask much
        places = (rows.any(dim=1) & rows.isfinite().all(dim=1)).nonzero()[:, 0].tolist()
        ids, cosines = encoder.vocabulary().nearest(rows[places], k=k, keep=True)
        for place, tokens, values in zip(places, ids.tolist(), cosines.tolist(), strict=True):
            for token, text, cosine in zip(tokens, encoder.spell(tokens), values, strict=True):
                found.append(Neighbour(encoder.name, place, token, text.strip(), cosine))
    return found


def group_by_vector(found: Iterable[Neighbour]) -> Mapping[tuple[str, int], list[Neighbour]]:
    """Return the nearest tokens of each vector, by its encoder and index, in their order."""
    near: dict[tuple[str, int], list[Neighbour]] = {}
    for neighbour in found:
        near.setdefault((neighbour.encoder, neighbour.index), []).append(neighbour)
    return near
