"""Places of mistakes: which of several expressions made one, and where it stands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ..errors import EmbeddingMergeError

__all__ = ["Source", "first_mistake"]

Source = tuple[str, int]
"""A text to show in a message, and where in it the expression begins."""


@contextmanager
def first_mistake(sources: Sequence[Source] | None, number: int) -> Iterator[None]:
    """Place an error of the expression of that number into its source, where sources are given."""
    try:
        yield
    except EmbeddingMergeError as error:
        if sources is not None and error.source is None:
            error.located(*sources[number])
        raise
