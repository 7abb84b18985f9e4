"""What stands in a quoted text as plain words but would have had a meaning outside of the quotes."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeVar, Union

from ..errors import shorten
from ..prompt_rules import WEBUI, PromptRules, Syntax

__all__ = ["LONGEST_NAME", "WORD", "divide_ids", "divide_text", "plain_text_warnings"]

LONGEST_NAME = 4
"""Words of a text that are tried together as the name of an embedding."""

WORD = re.compile(r"[^\s,]+")
"""What the name of an embedding in a text is made of."""

T = TypeVar("T")

MEANINGS: tuple[tuple[Syntax, re.Pattern[str], str], ...] = (
    (
        "weights",
        re.compile(r"\([^()]*\)"),
        "{found} is plain text inside quotes, not a weight; to weigh it put the parentheses around the expression.",
    ),
    (
        "editing",
        re.compile(r"\[[^\[\]]*\]"),
        "{found} is plain text inside quotes, not prompt editing; to edit put the brackets around the expression.",
    ),
    ("AND", re.compile(r"\bAND\b"), "AND is a plain word inside quotes; it does not combine prompts."),
    ("BREAK", re.compile(r"\bBREAK\b"), "BREAK is a plain word inside quotes; it does not begin a new chunk."),
    (
        "extra networks",
        re.compile(r"<[A-Za-z]\w*:[^<>]*>"),
        "{found} is plain text inside quotes and loads nothing; put it outside the expression.",
    ),
)


def plain_text_warnings(text: str, rules: PromptRules = WEBUI) -> list[str]:
    """Return a sentence for each kind of prompt syntax in a quoted text, with the first that was found.

    `rules` say which syntax means something in the prompts around.

    Example:
        >>> plain_text_warnings("cat AND dog")
        ['AND is a plain word inside quotes; it does not combine prompts.']
    """
    warnings = []
    for syntax, pattern, sentence in MEANINGS:
        match = pattern.search(text)
        if syntax in rules.syntax and match is not None:
            warnings.append(sentence.format(found=shorten(match[0])))
    return warnings


def divide_text(
    text: str, find: Callable[[str], T | None], tokenize: Callable[[Sequence[str]], list[list[int]]]
) -> list[Union[Sequence[int], T]]:
    """Tokenize a text where names in it may stand for embeddings: runs of ids, and what `find` gives for a name.

    For tokenizers that cut a word by what is around it. `find` takes small letters and gives None for what is no name;
    of several names at a place the longest counts. The blank before a name belongs to it.
    """
    words = list(WORD.finditer(text))
    pieces: list[str | T] = []
    at = number = 0
    while number < len(words):
        found, used = _name_at(text, words[number : number + LONGEST_NAME], find)
        if found is not None:
            pieces += [text[at : words[number].start()].removesuffix(" "), found]
            at = words[number + used - 1].end()
        number += max(1, used)
    pieces.append(text[at:])
    divided: list[Union[Sequence[int], T]] = []
    for piece in pieces:
        ids = tokenize([piece])[0] if isinstance(piece, str) and piece else []
        if not isinstance(piece, str):
            divided.append(piece)
        elif ids:
            divided.append(ids)
    return divided


def _name_at(text: str, words: Sequence[re.Match[str]], find: Callable[[str], T | None]) -> tuple[T | None, int]:
    """Return what the longest name made of the first of some words stands for, and how many words it takes."""
    for count in range(len(words), 0, -1):
        found = find(text[words[0].start() : words[count - 1].end()].casefold())
        if found is not None:
            return found, count
    return None, 0


def divide_ids(
    ids: Sequence[int], find: Callable[[int], tuple[T, int] | None]
) -> list[Union[Sequence[int], T]]:
    """Divide token ids where the names of embeddings stand: runs of ids, and in their place what `find` gives.

    `find` is asked what begins at a place, and answers with that and how many ids its name has.
    """
    pieces: list[Union[Sequence[int], T]] = []
    run: list[int] = []
    place = 0
    while place < len(ids):
        found = find(place)
        if found is None:
            run.append(ids[place])
            place += 1
            continue
        if run:
            pieces.append(run)
            run = []
        pieces.append(found[0])
        place += found[1]
    return [*pieces, run] if run else pieces
