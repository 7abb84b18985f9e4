"""CLIP text encoders: they cut a prompt into chunks, and give the vectors that would enter their transformer.

A test can so compare `<'cat'>` with `cat` to the bit: a row for each position, with start token and padding.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from . import vocabulary
from .chunks import ROOM, Chunk, Filler
from .installed import part_of
from .vocabulary import TransformersTokenizer
from .weights import weighted_texts

WIDTHS = {"clip_l": 768, "clip_h": 1024, "clip_g": 1280}


def make_table(name: str, seed: int) -> torch.nn.Embedding:
    """Make a text encoder's token table; all with the same numbers share them."""
    return torch.nn.Embedding.from_pretrained(_numbers(WIDTHS[name], seed))


@functools.cache
def _numbers(width: int, seed: int) -> Tensor:
    """Give rows of small fractions of two, so that sums of a few are exact."""
    generator = torch.Generator().manual_seed(1000 * width + seed)
    return torch.randint(-127, 128, (vocabulary.SIZE, width), generator=generator) / 256


def padding_of(name: str) -> int:
    """Give the token that fills up a text encoder's chunks."""
    return vocabulary.END if name == "clip_l" else 0


class BareTransformersClip:
    """What a loader makes of transformers' CLIP, before the host has wrapped it."""

    def __init__(self, name: str, table: torch.nn.Embedding) -> None:
        self.name = name
        self.tokenizer = TransformersTokenizer()
        embeddings = SimpleNamespace(token_embedding=table)
        self.transformer = SimpleNamespace(text_model=SimpleNamespace(embeddings=embeddings))

    @property
    def place(self) -> Any:
        """Where the table is an attribute."""
        return self.transformer.text_model.embeddings


class BareOpenClip:
    """The same of open_clip's."""

    def __init__(self, name: str, table: torch.nn.Embedding) -> None:
        self.name = name
        self.model = SimpleNamespace(token_embedding=table)

    @property
    def place(self) -> Any:
        """Where the table is an attribute."""
        return self.model


class Wrapped:
    """What hosts put around a table to let vectors of embeddings in."""

    def __init__(self, table: torch.nn.Embedding, key: str) -> None:
        self.wrapped = table
        self.textual_inversion_key = key


class ClipEncoder:
    """A text encoder with embeddings; subclasses say where table, tokenizer and database are.

    `comma_reach` asks how far from a chunk's end a comma divides it, `note` takes texts and embeddings that were used.
    """

    key: str
    database: Any
    table: torch.nn.Embedding
    comma_reach: Callable[[], int]
    note: Callable[[Sequence[str], Sequence[Any]], None]

    id_start, id_end, id_pad = vocabulary.START, vocabulary.END, vocabulary.END

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        return [vocabulary.encode(text) for text in texts]

    def tokenize_line(self, line: str) -> tuple[list[Chunk], int]:
        filler = Filler(self.comma_reach())
        for text, weight in weighted_texts(line):
            if text is None:
                filler.end()
            else:
                self._fill(filler, self.tokenize([text])[0], weight)
        return filler.finish()

    def process_texts(self, texts: Sequence[str]) -> tuple[list[list[Chunk]], int]:
        lines = [self.tokenize_line(text) for text in texts]
        return [chunks for chunks, _ in lines], max(count for _, count in lines)

    def get_target_prompt_token_count(self, token_count: int) -> int:
        return ROOM * max(1, -(-token_count // ROOM))

    def encode_embedding_init_text(self, text: str, length: int) -> Tensor:
        return self.table.weight.detach()[vocabulary.encode(text)[:length]]

    def __call__(self, texts: Sequence[str]) -> Tensor:
        prompts, _ = self.process_texts(texts)
        longest = max(map(len, prompts))
        prompts = [chunks + [Chunk()] * (longest - len(chunks)) for chunks in prompts]
        self.note(texts, [fix.embedding for chunks in prompts for chunk in chunks for fix in chunk.fixes])
        return torch.stack([torch.cat([self._rows(chunk) for chunk in chunks]) for chunks in prompts])

    def _fill(self, filler: Filler, tokens: Sequence[int], weight: float) -> None:
        place = 0
        while place < len(tokens):
            embedding, length = self.database.find_embedding_at_position(tokens, place)
            if embedding is None:
                filler.add_token(tokens[place], weight)
            else:
                filler.add_embedding(embedding, weight)
            place += length or 1

    def _rows(self, chunk: Chunk) -> Tensor:
        assert len(chunk.tokens) == ROOM + 2, "the transformer has 77 places"
        first_end = chunk.tokens.index(self.id_end)
        tokens = [*chunk.tokens[: first_end + 1], *[self.id_pad] * (len(chunk.tokens) - first_end - 1)]
        rows = self.table(torch.tensor(tokens)).detach()
        for offset, embedding in chunk.fixes:
            vectors = part_of(embedding, self.key)
            assert vectors.shape[-1] == rows.shape[-1]
            rows[offset + 1 : offset + 1 + len(vectors)] = vectors[: len(rows) - offset - 1]
        if chunk.multipliers.count(1.0) == len(chunk.multipliers):  # of most, as nothing would change
            return rows
        return rows * torch.tensor(chunk.multipliers)[:, None]


class Hijacked:
    """What a host's wrapper around a bare encoder has beside a `ClipEncoder`."""

    def __init__(self, bare: Any) -> None:
        self.wrapped = bare
        self.table = bare.place.token_embedding
        self.key = "clip_g" if bare.name == "clip_g" else "clip_l"
        self.id_pad = padding_of(bare.name)
        bare.place.token_embedding = Wrapped(self.table, self.key)
        if hasattr(bare, "tokenizer"):
            self.tokenizer = bare.tokenizer

    def unwrap(self) -> Any:
        """Give the bare encoder again."""
        self.wrapped.place.token_embedding = self.table
        return self.wrapped
