"""Placeholders as ids beyond a vocabulary: how vectors get into the lists of tokens that a host makes of a prompt.

A host cuts a text with a tokenizer, lays the ids out (chunks, padding, templates) and gives the lists to an encoder.
While a `PlaceholderTokenizer` stands in the tokenizer's place, the name of a placeholder comes out as one id beyond the
vocabulary for each of its vectors. Whatever the host does with ids it then does as with plain words: where it divides
chunks, what it compares with special tokens, what it cuts away. Afterwards `BeyondVocabulary.fill` puts the vectors in
the places of their ids; nothing is moved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor

from ...errors import UnsupportedHost
from ...placeholders import find_names, put_words

__all__ = ["FIRST", "BeyondVocabulary", "PlaceholderTokenizer", "WordsTokenizer"]

FIRST = 1 << 30
"""The first id that is lent: far beyond any vocabulary, and no negative number, which hosts use as marks."""


class BeyondVocabulary:
    """The ids that are lent while one prompt is tokenized, and the vector that each stands for."""

    def __init__(self) -> None:
        """Begin without any."""
        self._vectors: list[Tensor] = []

    def lend(self, rows: Tensor) -> list[int]:
        """Return an id for each row of (n, width), which `fill` will put in the id's place."""
        first = FIRST + len(self._vectors)
        self._vectors += list(rows)
        return list(range(first, FIRST + len(self._vectors)))

    def vector(self, token: int) -> Tensor:
        """Return the vector, (width,), that an id stands for."""
        return self._vectors[token - FIRST]

    def fill(self, tokens: Any) -> Any:
        """Return a host's lists of tokens with vectors in the places of ids that were lent.

        The lists may lie in dictionaries and in each other; a token is a tuple that begins with its id. All else is
        given back as it is.
        """
        if isinstance(tokens, dict):
            return {key: self.fill(value) for key, value in tokens.items()}
        if isinstance(tokens, list):
            return [self.fill(value) for value in tokens]
        if isinstance(tokens, tuple) and tokens and isinstance(tokens[0], int) and tokens[0] >= FIRST:
            return (self.vector(tokens[0]), *tokens[1:])
        return tokens


class _Tokenizer:
    """Stands in the place of a host's tokenizer, which it asks for everything but a text with placeholders."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tokenizer, name)


class PlaceholderTokenizer(_Tokenizer):
    """A host's tokenizer that gives lent ids for the names of placeholders."""

    def __init__(
        self, tokenizer: Any, ids_of: Callable[[str], Sequence[int]], lent: Mapping[str, Sequence[int]], encoder: str
    ) -> None:
        """Take the tokenizer, what cuts a text with it and drops special tokens, and the lent ids by name."""
        super().__init__(tokenizer)
        self._ids_of = ids_of
        self._lent = lent
        self._encoder = encoder

    def __call__(self, text: Any, *args: Any, **kwargs: Any) -> Any:
        """Return what the host's tokenizer gives, with other `input_ids`.

        Raises: UnsupportedHost where a name is not found again in what the tokenizer made of it.
        """
        given = self._tokenizer(text, *args, **kwargs)
        names = [name for name in find_names(text) if name in self._lent] if isinstance(text, str) else []
        if not names:
            return given
        ids = list(given["input_ids"])
        for name in dict.fromkeys(names):
            ids = self._replaced(ids, name, names.count(name))
        return {**given, "input_ids": ids}

    def _replaced(self, ids: list[int], name: str, times: int) -> list[int]:
        run = list(self._ids_of(name))
        places = list(_places(ids, run))
        if len(places) != times:
            raise UnsupportedHost(f"The tokenizer of {self._encoder} takes no expressions.")
        for place in reversed(places):
            ids = [*ids[:place], *self._lent[name], *ids[place + len(run) :]]
        return ids


class WordsTokenizer(_Tokenizer):
    """A host's tokenizer that reads words in the places of placeholders: of an encoder that takes only text."""

    def __init__(self, tokenizer: Any, words: Mapping[str, str]) -> None:
        """Take the tokenizer and the words by name."""
        super().__init__(tokenizer)
        self._words = words

    def __call__(self, text: Any, *args: Any, **kwargs: Any) -> Any:
        """Return what the host's tokenizer gives for the words."""
        worded = put_words(text, self._words) if isinstance(text, str) else text
        return self._tokenizer(worded, *args, **kwargs)


def _places(ids: Sequence[int], run: Sequence[int]) -> Iterator[int]:
    at = 0
    while at + len(run) <= len(ids):
        if list(ids[at : at + len(run)]) == list(run):
            yield at
            at += len(run)
        else:
            at += 1
