"""Mistakes and warnings that one click mends: the text that would stand in the box instead."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ...entry import Entered, is_one_expression, is_prompt
from ...errors import EmbeddingMergeError, SyntaxProblem
from ...evaluation import Notice
from ...language import Brackets, find_islands
from ...limits import CHUNK
from ..prompt_text import is_plain

__all__ = ["Fix", "Mend", "mend_error", "mend_notice", "mend_prompt"]

SUGGESTED = re.compile(r"Did you mean (.+)\?$")
NAME = re.compile(r"(?<=')[^']*(?='\s*\)$)|^[^('\s]+")
"""What is named in `emb('name')` or `name(…`."""


@dataclass(frozen=True)
class Mend:
    """A button: what it is called, and the text that it puts into the box."""

    label: str
    text: str


@dataclass(frozen=True)
class Fix:
    """A button that mends: what is written on it, and the component, by its elem_id, that it acts on.

    A text box gets the value, of a radio it is chosen, a gradio button is pressed (then the value says nothing).
    """

    label: str
    target: str
    value: str = ""


def mend_error(error: EmbeddingMergeError, text: str) -> Sequence[Mend]:
    """Give the texts that the error's own suggestion amounts to."""
    if isinstance(error, SyntaxProblem) and error.span is None:
        mend = mend_prompt(text)
        return [] if mend is None else [mend]
    named = SUGGESTED.search(error.suggestion or "")
    if named is None or error.span is None or error.source != text:
        return []
    before, found, after = text[: error.span.start], text[error.span.start : error.span.end], text[error.span.end :]
    names = re.split(r", | or ", named[1])
    return [Mend(name, before + _rename(found, name) + after) for name in names]


def mend_prompt(text: str, brackets: Brackets = Brackets.BOTH) -> Mend | None:
    """Give a prompt as one expression with the same vectors: its words quoted, its expressions between them.

    Of a prompt without expressions all is taken as words. None for a text that is no prompt, and where what stands
    around an expression is more than words: weights, extra networks, keywords.
    """
    if not is_prompt(text) or is_one_expression(text):
        return None
    islands = find_islands(text, brackets)
    if not islands:
        return Mend("use as text", _quote(text))
    parts: list[str] = []
    end = 0
    for island in islands:
        parts += [text[end : island.span.start], f"({island.text})"]
        end = island.span.end
    parts.append(text[end:])
    words = parts[::2]
    if any(island.placeholder for island in islands) or not all(map(is_plain, words)):
        return None
    parts[::2] = [_quote(piece) if piece.strip() else "" for piece in words]
    return Mend("make it one expression", ", ".join(part for part in parts if part))


def mend_notice(notice: Notice, entered: Entered) -> Mend | None:
    """Give the expression without what the notice warns of, where one function does that."""
    if notice.kind == "norm":
        return Mend("normalize", f"normalize({entered.expression.strip()})")
    if notice.kind == "too long":
        return Mend(f"cut to {CHUNK}", f"({entered.expression.strip()}):{CHUNK}")
    return None


def _quote(words: str) -> str:
    """Quote words, each run of blanks as one, quotes doubled."""
    return "'" + " ".join(words.split()).replace("'", "''") + "'"


def _rename(call: str, name: str) -> str:
    return NAME.sub(lambda _: name, call, count=1)
