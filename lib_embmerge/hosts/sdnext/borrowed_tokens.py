"""Words of the model's own vocabulary that stand for vectors while a prompt is being encoded.

For hosts where no database of embeddings can be written for a while: a tokenizer of the `transformers` package forgets
no token that was added to it, and its table would grow with every expression. Instead each vector borrows a rare word
that is one token and stands nowhere in the prompts; where the text encoder looks that token up, it gets our vector.
Nothing is written into tokenizer or table, so they may be shared, quantized, compiled or elsewhere at the moment.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ...errors import LimitExceeded
from ..encoders.encoder import HostEncoder

__all__ = ["BorrowedWord", "borrow_words", "lent_rows"]

CANDIDATE = re.compile(r"([a-z]{4,14})</w>")
"""Plain words alone: nothing that a parser of prompts reads is made of small letters."""

BLOCK = 64
"""How many tokens are looked at in one go, from the rarest on: more than most prompts need."""

BorrowedWord = tuple[str, int]
"""A word and its token."""


def borrow_words(count: int, encoders: Sequence[HostEncoder], texts: Sequence[str]) -> list[BorrowedWord]:
    """Return so many words that are one token, the same for every encoder, and stand nowhere in the texts.

    Equal texts get equal words. Raises: LimitExceeded where there are not as many.
    """
    found = list(itertools.islice(_free_words(encoders, texts), count))
    if len(found) < count:
        raise LimitExceeded(f"A prompt with {count} vectors leaves no words of the vocabulary to stand for them.")
    return found


@contextlib.contextmanager
def lent_rows(layer: torch.nn.Module, rows: Mapping[int, Tensor]) -> Iterator[None]:
    """Let a table's layer give these rows, by token, to this thread while the context lasts."""
    tokens = torch.tensor(sorted(rows), dtype=torch.long)
    lent = torch.stack([rows[int(token)] for token in tokens])
    thread = threading.get_ident()

    def put(_layer: object, arguments: tuple[Any, ...], found: Tensor) -> Tensor | None:
        if threading.get_ident() != thread:
            return None
        given = arguments[0].to(device="cpu", dtype=torch.long)
        places = torch.isin(given, tokens)
        if not places.any():
            return None
        replaced = found.clone()  # a layer may give a part of its table
        replaced[places.to(found.device)] = lent[torch.searchsorted(tokens, given[places])].to(found)
        return replaced

    handle = layer.register_forward_hook(put)
    try:
        yield
    finally:
        handle.remove()


def _free_words(encoders: Sequence[HostEncoder], texts: Sequence[str]) -> Iterator[BorrowedWord]:
    written = "\n".join(texts).casefold()
    present = {token for encoder in encoders for ids in encoder.tokenize(texts) for token in ids}
    first, *others = encoders
    for stop in range(first.size, 0, -BLOCK):
        block = range(max(0, stop - BLOCK), stop)
        spelled = first.engine.tokenizer.convert_ids_to_tokens(list(block))
        words = [(found[1], token) for token, text in zip(block, spelled, strict=True) if (found := _match(text))]
        free = [(word, token) for word, token in words if token not in present and word not in written]
        # How a tokenizer cuts a word also depends on the embeddings that the host has added to it.
        cuts = [encoder.engine.tokenize([word for word, _ in free]) if free else [] for encoder in (first, *others)]
        for number, (word, token) in reversed(list(enumerate(free))):
            if all(list(cut[number]) == [token] for cut in cuts):
                yield word, token


def _match(spelled: str | None) -> re.Match[str] | None:
    return CANDIDATE.fullmatch(spelled or "")
