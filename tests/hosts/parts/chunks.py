"""Chunks of 75 places, as the WebUIs fill them, with their slip behind commas."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Sequence
from typing import Any

from . import vocabulary

ROOM = 75
Fix = namedtuple("Fix", ["offset", "embedding"])
"""Where in a chunk the vectors of an embedding stand, the start token not counted."""


class Chunk:
    """What an encoder reads in one go: `tokens` and `multipliers` with start and end, and `fixes`."""

    def __init__(self, taken: Sequence[tuple[int, float]] = (), fixes: Sequence[Fix] = ()) -> None:
        filling = [(vocabulary.END, 1.0)] * (ROOM + 1 - len(taken))
        tokens, weights = zip((vocabulary.START, 1.0), *taken, *(filling or [(vocabulary.END, 1.0)]), strict=False)
        self.tokens: list[int] = list(tokens)
        self.multipliers: list[float] = list(weights)
        self.fixes = list(fixes)


class Filler:
    """Takes tokens and embeddings in order and gives chunks."""

    def __init__(self, comma_reach: int) -> None:
        self.comma_reach = comma_reach
        self.chunks: list[Chunk] = []
        self.begin()

    def begin(self) -> None:
        self.taken: list[tuple[int, float]] = []
        self.fixes: list[Fix] = []
        self.behind_comma: int | None = None

    def end(self) -> None:
        self.chunks.append(Chunk(self.taken, self.fixes))
        self.begin()

    def add_token(self, token: int, weight: float) -> None:
        self._make_room(is_comma=token == vocabulary.COMMA)
        self.taken.append((token, weight))
        if token == vocabulary.COMMA:
            self.behind_comma = len(self.taken)

    def add_embedding(self, embedding: Any, weight: float) -> None:
        """Add an embedding, which is never divided, as zeros and a fix."""
        self._make_room(is_comma=False)
        if len(self.taken) + embedding.vectors > ROOM:
            self.end()
        self.fixes.append(Fix(len(self.taken), embedding))
        self.taken += [(0, weight)] * embedding.vectors

    def finish(self) -> tuple[list[Chunk], int]:
        """Give the chunks, and how many places are taken or filled up."""
        count = ROOM * len(self.chunks) + len(self.taken)
        if self.taken or not self.chunks:
            self.end()
        return self.chunks, count

    def _make_room(self, *, is_comma: bool) -> None:
        if len(self.taken) < ROOM:
            return
        tail = [] if is_comma or self.behind_comma is None else self.taken[self.behind_comma :]
        if len(tail) >= self.comma_reach:
            tail = []
        # The slip: the fixes of what moves stay behind.
        del self.taken[len(self.taken) - len(tail) :]
        self.end()
        self.taken = tail
