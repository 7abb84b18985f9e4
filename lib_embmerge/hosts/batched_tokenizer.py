"""Many short texts through a host's tokenizer in few calls."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

__all__ = ["tokenize_together"]

PLAIN_WORDS = re.compile(r"[A-Za-z0-9 ]+")
"""Texts of which every word is tokenized by itself: no cleaning of texts and no contraction touches them."""

LINE = 280
"""Characters of texts that are tokenized together: of common words fewer than 77 tokens, beyond which a tokenizer
warns, once."""


def tokenize_together(
    tokenize: Callable[[list[str]], list[list[int]]], comma: int | None, texts: Sequence[str]
) -> list[list[int]]:
    """Tokenize many texts in few calls; `comma` is the id of a comma that stands alone.

    The tokenizers spend far more on a call than on a word. Words of plain letters are tokenized one by one whatever
    stands beside them, so such texts go together, with commas between them; all others go alone.
    """
    plain = [text for text in texts if PLAIN_WORDS.fullmatch(text)]
    if comma is None or len(plain) < 2:
        return [list(ids) for ids in tokenize(list(texts))] if texts else []
    others = [text for text in texts if not PLAIN_WORDS.fullmatch(text)]
    lines = _lines(plain)
    answers = tokenize([" , ".join(line) for line in lines] + others)
    known = {text: list(ids) for text, ids in zip(others, answers[len(lines) :], strict=True)}
    for line, ids in zip(lines, answers[: len(lines)], strict=True):
        known.update(zip(line, _divided(ids, comma), strict=True))
    return [known[text] for text in texts]


def _lines(texts: Sequence[str]) -> list[list[str]]:
    lines: list[list[str]] = [[]]
    length = 0
    for text in texts:
        length += len(text) + 3
        if length > LINE and lines[-1]:
            lines.append([])
            length = len(text) + 3
        lines[-1].append(text)
    return lines


def _divided(ids: Sequence[int], separator: int) -> list[list[int]]:
    runs: list[list[int]] = [[]]
    for i in ids:
        if i == separator:
            runs.append([])
        else:
            runs[-1].append(i)
    return runs
