"""Many short texts through a host's tokenizer in few calls."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence

__all__ = ["tokenize_together"]

PLAIN_WORDS = re.compile(r"[A-Za-z0-9 ]+")
"""Texts of which every word is tokenized by itself: no cleaning of texts and no contraction touches them."""

WORD = re.compile(r"[A-Za-z]+|[0-9]")
"""What CLIP's tokenizers take for a word in such a text. Source: the pattern of `SimpleTokenizer` in openai/CLIP."""

LINE = 240
"""Characters of texts that are tokenized together: of common words fewer than 77 tokens, beyond which a tokenizer
warns, once."""


def tokenize_together(
    tokenize: Callable[[list[str]], list[list[int]]], ends_word: Callable[[int], bool], texts: Sequence[str]
) -> list[list[int]]:
    """Tokenize many texts in few calls; `ends_word` says whether a token is the last one of its word.

    The tokenizers spend far more on a call than on a word. Words of plain letters are tokenized one by one whatever
    stands beside them, so such texts go together and are told apart by counting words; all others go alone.
    """
    plain = [text for text in texts if PLAIN_WORDS.fullmatch(text)]
    if len(plain) < 2:
        return [list(ids) for ids in tokenize(list(texts))] if texts else []
    others = [text for text in texts if not PLAIN_WORDS.fullmatch(text)]
    lines = _lines(plain)
    answers = tokenize([" ".join(line) for line in lines] + others)
    known = {text: list(ids) for text, ids in zip(others, answers[len(lines) :], strict=True)}
    for line, ids in zip(lines, answers[: len(lines)], strict=True):
        known.update(zip(line, _told_apart(line, ids, ends_word) or map(list, tokenize(line)), strict=True))
    return [known[text] for text in texts]


def _lines(texts: Sequence[str]) -> list[list[str]]:
    lines: list[list[str]] = [[]]
    length = 0
    for text in texts:
        length += len(text) + 1
        if length > LINE and lines[-1]:
            lines.append([])
            length = len(text) + 1
        lines[-1].append(text)
    return lines


def _told_apart(
    line: Sequence[str], ids: Sequence[int], ends_word: Callable[[int], bool]
) -> list[list[int]] | None:
    """Tokenize each text; None for a tokenizer that cuts words in another way."""
    ends = [position + 1 for position, token in enumerate(ids) if ends_word(token)]
    words = list(itertools.accumulate(len(WORD.findall(text)) for text in line))
    if len(ends) != words[-1] or (ids and ends[-1] != len(ids)):
        return None
    stops = [ends[count - 1] if count else 0 for count in words]
    return [list(ids[start:stop]) for start, stop in zip([0, *stops], stops, strict=False)]
