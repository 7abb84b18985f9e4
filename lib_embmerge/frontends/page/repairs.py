"""Mistakes and warnings that one click mends: the text that would stand in the box instead."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ...entry import Entered
from ...errors import EmbeddingMergeError
from ...evaluation import Notice
from ...limits import CHUNK

__all__ = ["Mend", "mend_error", "mend_notice"]

SUGGESTED = re.compile(r"Did you mean (.+)\?$")
QUOTED = re.compile(r"quote them: (.+)\.$", re.DOTALL)
NAME = re.compile(r"(?<=')[^']*(?='\s*\)$)|^[^('\s]+")
"""What is named in `emb('name')` or `name(…`."""


@dataclass(frozen=True)
class Mend:
    """A button: what it is called, and the text that it puts into the box."""

    label: str
    text: str


def mend_error(error: EmbeddingMergeError, text: str) -> Sequence[Mend]:
    """Give the texts that the error's own suggestion amounts to."""
    suggestion = error.suggestion or ""
    if (quoted := QUOTED.search(suggestion)) is not None:
        return [Mend("use as text", quoted[1])]
    named = SUGGESTED.search(suggestion)
    if named is None or error.span is None or error.source != text:
        return []
    before, found, after = text[: error.span.start], text[error.span.start : error.span.end], text[error.span.end :]
    names = re.split(r", | or ", named[1])
    return [Mend(name, before + _rename(found, name) + after) for name in names]


def mend_notice(notice: Notice, entered: Entered) -> Mend | None:
    """Give the expression without what the notice warns of, where one function does that."""
    if notice.kind == "norm":
        return Mend("normalize", f"normalize({entered.expression.strip()})")
    if notice.kind == "too long":
        return Mend(f"cut to {CHUNK}", f"({entered.expression.strip()}):{CHUNK}")
    return None


def _rename(call: str, name: str) -> str:
    return NAME.sub(lambda _: name, call, count=1)
