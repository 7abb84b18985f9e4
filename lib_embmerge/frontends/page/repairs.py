"""Mistakes and remarks that one click repairs: the text that would stand in the box instead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ...entered import Entered, is_one_expression, is_prompt
from ...errors import EmbeddingMergeError, Span, SyntaxProblem, shorten
from ...language import Brackets, find_islands
from ...language.write import quote
from ...limits import CHUNK
from ...prompts.text import is_plain
from ...remarks import Action, Remark

__all__ = ["repair_error", "repair_prompt", "repair_remark"]


def repair_error(error: EmbeddingMergeError, text: str) -> Sequence[Action]:
    """Return a button for each text that the error says could have been meant."""
    if isinstance(error, SyntaxProblem) and error.span is None:
        whole = repair_prompt(text)
        return [] if whole is None else [whole]
    if error.span is None or error.source != text:
        return []
    before, after = text[: error.span.start], text[error.span.end :]
    return [Action(shorten(other), "expression", before + other + after) for other in error.alternatives]


def repair_prompt(text: str, brackets: Brackets = Brackets.BOTH) -> Action | None:
    """Return a prompt as one expression with the same vectors: its words quoted, its expressions between them.

    Of a prompt without expressions all is taken as words. None for a text that is no prompt, and where what stands
    around an expression is more than words: weights, extra networks, keywords.
    """
    if not is_prompt(text) or is_one_expression(text):
        return None
    islands = find_islands(text, brackets)
    if not islands:
        return Action("use as text", "expression", _quote(text))
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
    return Action("make it one expression", "expression", ", ".join(part for part in parts if part))


def repair_remark(remark: Remark, entered: Entered) -> Remark:
    """Return a remark with the button that gives the expression without what it speaks of, where one function does."""
    expression = entered.expression.strip()
    actions = {
        "norm": Action("normalize", "expression", f"normalize({expression})"),
        "too long": Action(f"cut to {CHUNK}", "expression", f"({expression}):{CHUNK}"),
    }
    if remark.kind == "decimal comma" and remark.span is not None:
        return replace(remark, actions=(_with_point(entered.expression, remark.span),))
    return replace(remark, actions=(actions[remark.kind],)) if remark.kind in actions else remark


def _with_point(expression: str, span: Span) -> Action:
    number = expression[span.start : span.end].replace(",", ".")
    return Action(number, "expression", expression[: span.start] + number + expression[span.end :])


def _quote(words: str) -> str:
    """Return words in quotes, each run of blanks as one."""
    return quote(" ".join(words.split()))
