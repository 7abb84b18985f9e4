"""The line under a text box: the counts of its expressions, or the first mistake, while one types."""

from __future__ import annotations

from typing import Any

from ...entered import read_expression
from ...errors import EmbeddingMergeError
from ...evaluation import Analysis
from ...host_protocol import TextModel
from ...prompts.layout import Found, count_found, find_expressions
from ...vectors.embedding import describe_lengths
from .nodes import NodeHost

__all__ = ["answer_line"]

LONGEST = 40
"""Characters of an expression that are shown."""


def answer_line(question: dict[str, Any], host: NodeHost) -> dict[str, object]:
    """Return `text`, empty for a text without expressions, and `is_mistake`.

    Of the question `text` is what is in the box, and `kind` is `prompt` or `expression`. Counts are those of the CLIP
    that was used last; before one was, only mistakes in writing are shown.
    """
    text, kind = str(question.get("text", "")), question.get("kind", "prompt")
    model = host.last_text_model()
    try:
        line = _of_expression(text, host, model) if kind == "expression" else _of_prompt(text, host, model)
    except EmbeddingMergeError as error:
        return {"text": str(error), "is_mistake": True}
    return {"text": line, "is_mistake": False}


def _of_expression(text: str, host: NodeHost, model: TextModel | None) -> str:
    if not text.strip() or text.strip().startswith("embedding:"):
        return ""
    entered = read_expression(text, limits=host.settings().limits)
    return describe_lengths(Analysis(entered, model).lengths) if model else ""


def _of_prompt(text: str, host: NodeHost, model: TextModel | None) -> str:
    settings = host.settings()
    found = find_expressions(text, settings.brackets, model, settings.limits)
    if model is not None:
        count_found(found, model)
    for one in found:
        if one.problem is not None:
            raise one.problem
    return " · ".join(_short(one, model is not None) for one in found)


def _short(one: Found, is_counted: bool) -> str:
    words = " ".join(one.island.text.split())
    shown = words if len(words) <= LONGEST else words[: LONGEST - 1] + "…"
    return f"{shown}: {describe_lengths(one.analysis.lengths)}" if is_counted and one.analysis else shown
