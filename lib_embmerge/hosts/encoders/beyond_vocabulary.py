"""Placeholders as ids beyond a vocabulary: how vectors get into the lists of tokens that a host makes of a prompt.

A host cuts a text with a tokenizer, lays the ids out (chunks, padding, templates) and gives the lists to an encoder.
While a `PlaceholderTokenizer` stands in the tokenizer's place, the name of a placeholder comes out as one id beyond the
vocabulary for each of its vectors. Whatever the host does with ids it then does as with plain words: where it divides
chunks, what it compares with special tokens, what it cuts away. The vectors follow in one of two ways:

- `answered` lets the encoder's input-embedding module answer the ids that were lent with their vectors, for hosts that
  give ids alone to an encoder: Forge, Forge Neo, SD.Next
- `BeyondVocabulary.fill` puts the vectors in the places of their ids, for hosts whose lists of tokens may hold vectors:
  ComfyUI

Hosts whose CLIP encoders have a database of embeddings use that instead: it is what divides their chunks.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from ...errors import UnsupportedHost
from ...families import CLIP, group_of
from ...placeholders import as_typed, find_names, put_words

__all__ = [
    "FIRST",
    "BeyondVocabulary",
    "Lending",
    "PlaceholderTokenizer",
    "RowsByName",
    "StandInTokenizer",
    "TypedText",
    "WordsTokenizer",
    "answered",
]

FIRST = 1 << 30
"""The first id that is lent: far beyond any vocabulary, and no negative number, which hosts use as marks."""
COUNT = 1 << 30
"""Ids that can be lent before they begin anew; all of them fit into 32 bits."""

_NEXT = itertools.count()
"""Counts all ids that are lent: one that a host has kept is answered by nobody else's vector."""


class RowsByName(Protocol):
    """What vectors a placeholder has: `Merged.rows`."""

    def __call__(self, name: str, encoder: str, *, begins: bool) -> Tensor:
        """Return (n, width); `begins` says that no blank is before the name."""
        ...


class BeyondVocabulary:
    """The ids that are lent while some prompts are encoded, and the vector that each stands for."""

    def __init__(self) -> None:
        """Begin without any."""
        self._vectors: dict[int, Tensor] = {}

    def lend(self, rows: Tensor) -> list[int]:
        """Return an id for each row of (n, width), which the row will answer to."""
        ids = [FIRST + next(_NEXT) % COUNT for _ in range(len(rows))]
        self._vectors.update(zip(ids, rows, strict=True))
        return ids

    def vector(self, token: int) -> Tensor:
        """Return the vector, (width,), that an id stands for."""
        return self._vectors[token]

    def holds(self, token: int) -> bool:
        """Return whether an id was lent here."""
        return token in self._vectors

    def fill(self, tokens: Any) -> Any:
        """Return a host's lists of tokens with vectors in the places of ids that were lent.

        The lists may lie in dictionaries and in each other; a token is a tuple that begins with its id. All else is
        given back as it is.
        """
        if isinstance(tokens, dict):
            return {key: self.fill(value) for key, value in tokens.items()}
        if isinstance(tokens, list):
            return [self.fill(value) for value in tokens]
        if isinstance(tokens, tuple) and tokens and isinstance(tokens[0], int) and self.holds(tokens[0]):
            return (self.vector(tokens[0]), *tokens[1:])
        return tokens


class Lending:
    """The ids that stand for the placeholders of some prompts in one encoder's lists, lent when they are met."""

    def __init__(self, beyond: BeyondVocabulary, rows: RowsByName, names: Container[str], encoder: str) -> None:
        """Take where ids are lent, what vectors a name has, the names, and the encoder's own name."""
        self.encoder = encoder
        self.reads_blanks = group_of(encoder) != CLIP
        self._beyond = beyond
        self._rows = rows
        self._names = names
        self._lent: dict[tuple[str, bool], list[int]] = {}

    def names_in(self, text: str) -> list[str]:
        """Return the placeholders that stand in a text, in order."""
        return [name for name in find_names(text) if name in self._names]

    def knows(self, name: str) -> bool:
        """Return whether a name is one of the placeholders."""
        return name in self._names

    @property
    def is_met(self) -> bool:
        """Whether any placeholder was met in a text so far."""
        return bool(self._lent)

    def is_empty(self, name: str) -> bool:
        """Return whether a placeholder has no vectors for this encoder, whatever stands before it."""
        return name in self._names and not self.ids(name) and not self.ids(name, begins=True)

    def ids(self, name: str, *, begins: bool = False) -> list[int]:
        """Return the ids that stand for a placeholder; `begins` says that no blank is before it.

        Raises: ExpressionError for a mistake that shows only there.
        """
        key = (name, begins)
        if key not in self._lent:
            # Hosts encode in torch's inference mode, but a table's statistics are kept for other uses.
            with torch.inference_mode(False), torch.no_grad():
                self._lent[key] = self._beyond.lend(self._rows(name, self.encoder, begins=begins))
        return self._lent[key]


@contextlib.contextmanager
def answered(beyond: BeyondVocabulary, module: Any) -> Iterator[None]:
    """Let an encoder's input-embedding module answer lent ids with their vectors while the context lasts.

    All other ids are the module's own, which never sees one that was lent. The module is a `torch.nn.Module` that is
    called with a tensor of ids, as `transformers`' `get_input_embeddings()` gives it. What it does to rows (a scale, a
    dequantisation) has to be in the vectors already, as it is in rows that it was asked for. Nothing stays behind.
    """
    place = _AnsweringModule(beyond)
    handles = [
        module.register_forward_pre_hook(place.before, with_kwargs=True),
        module.register_forward_hook(place.after),
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


class _AnsweringModule:
    """The two hooks of a module: before it reads ids, and after it gave their rows."""

    def __init__(self, beyond: BeyondVocabulary) -> None:
        self._beyond = beyond
        self._running = threading.local()  # pictures may be made in several threads

    def before(self, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Hide lent ids from the module, and keep their places for `after`."""
        self._running.met = None
        place = next((i for i, value in enumerate(args) if _holds_lent(value)), None)
        name = next((key for key, value in kwargs.items() if _holds_lent(value)), "")
        if place is None and not name:
            return None
        ids = kwargs[name] if place is None else args[place]
        lent = [token for token in torch.unique(ids[ids >= FIRST]).tolist() if self._beyond.holds(token)]
        if not lent:
            return None
        self._running.met = [(ids == token, self._beyond.vector(token)) for token in lent]
        hidden = ids.masked_fill(torch.isin(ids, torch.tensor(lent, dtype=ids.dtype, device=ids.device)), 0)
        if place is None:
            return args, {**kwargs, name: hidden}
        return (*args[:place], hidden, *args[place + 1 :]), kwargs

    def after(self, module: Any, args: tuple[Any, ...], rows: Tensor) -> Tensor | None:
        """Put the vectors in the places that `before` has kept."""
        met, self._running.met = getattr(self._running, "met", None), None
        # Numbers of 8 bits are only for storing: a sum would keep two or three of its digits. The host converts them
        # too, and may put the rows of several prompts together before.
        is_stored = rows.element_size() == 1
        if met is None:
            return rows.to(torch.float32) if is_stored else None
        rows = rows.to(torch.float32) if is_stored else rows.clone()
        for places, vector in met:
            rows[places.to(rows.device)] = vector.to(device=rows.device, dtype=rows.dtype)
        return rows


def _holds_lent(value: Any) -> bool:
    return (
        isinstance(value, Tensor)
        and not value.is_floating_point()
        and value.numel() > 0
        and bool((value >= FIRST).any())
    )


class StandInTokenizer:
    """Stands in the place of a host's tokenizer, which it asks for everything but a text with placeholders."""

    def __init__(self, tokenizer: Any) -> None:
        """Take the host's tokenizer."""
        self._tokenizer = tokenizer

    def __getattr__(self, name: str) -> Any:
        """Return what the host's tokenizer has by that name."""
        return getattr(self._tokenizer, name)


class TypedText(NamedTuple):
    """A text as it is cut, its placeholders in order, and whether each is to be as behind no blank all the same."""

    text: str
    names: list[str]
    begins: list[bool]


class PlaceholderTokenizer(StandInTokenizer):
    """A host's tokenizer that gives lent ids for the names of placeholders."""

    def __init__(self, tokenizer: Any, ids_of: Callable[[str], Sequence[int]], lending: Lending) -> None:
        """Take the tokenizer, what cuts a text with it and drops special tokens, and what lends ids."""
        super().__init__(tokenizer)
        self._ids_of = ids_of
        self._lending = lending

    def __call__(self, text: Any, *args: Any, **kwargs: Any) -> Any:
        """Return what the host's tokenizer gives, with other `input_ids`; of a list of texts for each of them.

        Raises: UnsupportedHost where a name is not found again in what the tokenizer made of it.
        """
        if isinstance(text, str):
            if not self._lending.names_in(text):
                return self._tokenizer(text, *args, **kwargs)
            typed = self.as_typed(text)
            given = self._tokenizer(typed.text, *args, **kwargs)
            return {**given, "input_ids": self.replaced(typed, given["input_ids"])}
        if not any(isinstance(one, str) and self._lending.names_in(one) for one in text):
            return self._tokenizer(text, *args, **kwargs)
        many = [self.as_typed(one) for one in text]
        given = self._tokenizer([one.text for one in many], *args, **kwargs)
        ids = [self.replaced(one, own) for one, own in zip(many, given["input_ids"], strict=True)]
        return {**given, "input_ids": ids}

    def as_typed(self, text: str) -> TypedText:
        """Return a text in which names stand as the words of their expressions would have been typed."""
        if not self._lending.reads_blanks:
            names = self._lending.names_in(text)
            return TypedText(text, names, [False] * len(names))
        typed, begins = as_typed(text, self._lending.is_empty)
        of_all = zip(find_names(typed), begins, strict=True)
        ours = [(name, begin) for name, begin in of_all if self._lending.knows(name)]
        return TypedText(typed, [name for name, _ in ours], [begin for _, begin in ours])

    def replaced(self, typed: TypedText, ids: Sequence[int]) -> list[int]:
        """Return the ids of a text of `as_typed` with lent ids in the places of its names.

        Raises: UnsupportedHost where a name is not found again.
        """
        ids, replaced, at = list(ids), [], 0
        for name, begins in zip(typed.names, typed.begins, strict=True):
            runs = self._runs(name)
            place, found = _find(ids, [run for run, _ in runs], at)
            if found is None:
                raise UnsupportedHost(f"The tokenizer of {self._lending.encoder} takes no expressions.")
            run, run_begins = runs[found]
            replaced += [*ids[at:place], *self._lending.ids(name, begins=begins or run_begins)]
            at = place + len(run)
        return replaced + ids[at:]

    def _runs(self, name: str) -> list[tuple[list[int], bool]]:
        """Return how the tokenizer cuts a name: behind a blank, at a beginning, and behind a sign."""
        alone = list(self._ids_of(name))
        if not self._lending.reads_blanks:
            return [(alone, False)]
        found = [(self._behind("a", f" {name}") or alone, False)]
        for run in (alone, self._behind("(", name)):
            if run and run not in (known for known, _ in found):
                found.append((run, True))
        return found

    def _behind(self, before: str, text: str) -> list[int]:
        """Return how the tokenizer cuts a text behind another; nothing where the two cannot be told apart."""
        head, both = list(self._ids_of(before)), list(self._ids_of(before + text))
        return both[len(head) :] if both[: len(head)] == head else []


class WordsTokenizer(StandInTokenizer):
    """A host's tokenizer that reads words in the places of placeholders: of an encoder that takes only text."""

    def __init__(self, tokenizer: Any, words: Mapping[str, str]) -> None:
        """Take the tokenizer and the words by name."""
        super().__init__(tokenizer)
        self._words = words

    def __call__(self, text: Any, *args: Any, **kwargs: Any) -> Any:
        """Return what the host's tokenizer gives for the words, in a text or in each of a list."""
        worded = self._worded(text) if isinstance(text, str) else [self._worded(one) for one in text]
        return self._tokenizer(worded, *args, **kwargs)

    def _worded(self, text: Any) -> Any:
        if not isinstance(text, str):
            return text
        typed, _ = as_typed(text, lambda name: not self._words.get(name, name))
        return put_words(typed, self._words)


def _find(ids: Sequence[int], runs: Sequence[Sequence[int]], start: int) -> tuple[int, int | None]:
    """Return where one of some runs stands in a list of ids from a place on, and which; None where none does."""
    for at in range(start, len(ids)):
        for number, run in enumerate(runs):
            if list(ids[at : at + len(run)]) == list(run):
                return at, number
    return len(ids), None
