"""The tokens of what an expression reads, per text encoder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, Union

from ..host_protocol import InstalledEmbedding, TextEncoder, TextModel
from ..vectors.embedding import Embedding

__all__ = ["ReadThing", "ShownToken", "list_chips", "list_tokens", "word_test"]


class ReadThing(Protocol):
    """One thing that an expression reads, as `Analysis.parts` gives it."""

    @property
    def runs(self) -> Mapping[str, Sequence[Union[Sequence[int], InstalledEmbedding]]]:
        """Token ids and installed embeddings, in order, by encoder."""
        ...

    @property
    def vectors(self) -> Embedding:
        """Their vectors."""
        ...


@dataclass(frozen=True)
class ShownToken:
    """One token, or one installed embedding, as one text encoder reads it.

    `part` counts the texts and other things read, from 0; `text` is its spelling, without the blank at a word's end,
    or the embedding's name; `id` is None for an embedding; `vectors` is 1 for a token.
    """

    encoder: str
    part: int
    text: str
    id: int | None
    vectors: int = 1

    @property
    def is_embedding(self) -> bool:
        """Whether it is an installed embedding."""
        return self.id is None


def word_test(model: TextModel | None) -> Callable[[str], bool] | None:
    """Return a test of whether a text is a single token of any of the model's encoders; None without a model."""
    if model is None:
        return None
    return lambda text: any(len(encoder.tokenize([text])[0]) == 1 for encoder in model.encoders)


def list_tokens(parts: Sequence[ReadThing], model: TextModel) -> list[ShownToken]:
    """Return the tokens and embeddings of the parts: encoder by encoder, in the order of the text."""
    return [
        chip
        for encoder in model.encoders
        for number, part in enumerate(parts)
        for chip in list_chips(part, number, encoder)
    ]


def list_chips(part: ReadThing, number: int, encoder: TextEncoder) -> list[ShownToken]:
    """Return one part's tokens and embeddings for one encoder; `number` is the part's."""
    chips = []
    for run in part.runs[encoder.name]:
        if isinstance(run, InstalledEmbedding):
            chips.append(ShownToken(encoder.name, number, run.name, None, int(run.vectors[encoder.name].shape[0])))
        else:
            spelled = zip(run, encoder.spell(run), strict=True)
            chips += [ShownToken(encoder.name, number, text.strip(), int(token)) for token, text in spelled]
    return chips
