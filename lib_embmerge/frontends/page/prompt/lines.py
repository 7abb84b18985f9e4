"""What stands under a prompt box of the WebUI: each expression of the prompt with its count, or its mistake."""

from __future__ import annotations

from ....errors import EmbeddingMergeError, SyntaxProblem
from ....host_protocol import PageHost, TextModel
from ....language import Brackets
from ....limits import Limits
from ....prompts.layout import Found, count_found, find_expressions
from ..html import draw
from ..question import Answer, Question
from .view import ExpressionLine, view_lines

__all__ = ["answer_prompt_lines", "read_prompt_lines"]

SHOWN_LINES = 8
"""Expressions that have a line of their own."""


def answer_prompt_lines(question: Question, host: PageHost) -> Answer:
    """Answer the lines of the prompt in the field `text`, in the slot `lines`; empty where it has no expression.

    No model is loaded for it: without one, mistakes in writing are shown and nothing is counted.
    """
    prompt = host.without_comments(question.text("text"))
    lines, problem = read_prompt_lines(prompt, host.brackets, host.loaded_text_model(), host.limits)
    if not lines and problem is None:
        return Answer(slots={"lines": ""})
    drawn = draw("prompt/lines", lines=lines[:SHOWN_LINES], more=max(0, len(lines) - SHOWN_LINES), problem=problem)
    return Answer(slots={"lines": drawn})


def read_prompt_lines(
    text: str, brackets: Brackets, model: TextModel | None, limits: Limits | None = None
) -> tuple[list[ExpressionLine], EmbeddingMergeError | None]:
    """Return the lines of a prompt, and the mistake of a bracket that nothing closes: of what is being typed."""
    try:
        found, unclosed = find_expressions(text, brackets, model, limits), None
    except SyntaxProblem as problem:
        found, unclosed = _before(problem, text, brackets, model, limits), problem
    if model is not None:
        count_found(found, model)
    return view_lines(found, is_counted=model is not None), unclosed


def _before(
    problem: SyntaxProblem, text: str, brackets: Brackets, model: TextModel | None, limits: Limits | None
) -> list[Found]:
    return [] if problem.span is None else find_expressions(text[: problem.span.start], brackets, model, limits)
