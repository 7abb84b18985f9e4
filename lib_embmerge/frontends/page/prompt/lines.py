"""What stands under a prompt box of the WebUI: a chip for each expression of the prompt, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ....errors import EmbeddingMergeError, ExpressionError, Span, SyntaxProblem, UnsupportedHost, shorten
from ....host_protocol import PageHost, TextModel
from ....language import Brackets, close_text, find_intended, is_unfinished, parse
from ....limits import Limits
from ....prompts.comments import name_comment
from ....prompts.layout import Found, count_found, find_expressions
from ....prompts.way_out import say_way_out
from ..html import draw
from ..model_name import REFUSED, name_model
from ..question import Answer, Question
from .view import COLOURS, LONGEST_LINE, ExpressionLine, view_lines

__all__ = ["PromptLine", "answer_prompt_lines", "read_prompt_lines"]

SHOWN_LINES = 300
"""Expressions that have a chip of their own."""

TOLD_CHIPS = 3
"""So many expressions show their text beside their count; of more, a row has no room for it."""


@dataclass(frozen=True)
class PromptLine:
    """A chip below a prompt: its expression, and what of that is to be said.

    `is_open` says that it is still being written, and has no mistake yet; `is_text` that it stays text, but was
    probably meant as an expression. `taken_by` names another extension that may read it first. `repairs` are whole
    prompts by what is written on their buttons.
    """

    expression: ExpressionLine
    is_open: bool = False
    is_text: bool = False
    taken_by: str = ""
    repairs: Sequence[tuple[str, str]] = ()

    @property
    def problem(self) -> EmbeddingMergeError | None:
        """Its mistake, once it is one."""
        return None if self.is_open else self.expression.problem


def answer_prompt_lines(question: Question, host: PageHost) -> Answer:
    """Answer the lines of the prompt in the field `text`, in the slot `lines`; empty where it has no expression.

    The state `model` is the name of the model that they are of.

    The field `caret` says where in the box somebody is writing. No model is loaded for it: without one, mistakes in
    writing are shown and nothing is counted.
    """
    typed = question.text("text")
    prompt = host.without_comments(typed)
    try:
        model, refusal = host.prompt_text_model(), None
    except UnsupportedHost as error:
        model, refusal = None, error if host.refusal or error.reads_words else say_way_out(error)
    lines, unclosed = read_prompt_lines(prompt, host.brackets, model, host.limits)
    if unclosed is not None and unclosed.span is not None:
        name_comment(unclosed, typed, prompt)
        lines.append(_unclosed_line(unclosed, unclosed.span, prompt, len(lines)))
    told = [_tell(line, typed, prompt, question.place("caret"), host) for line in lines[:SHOWN_LINES]]
    told += [_hint(hint, hint.span, typed, len(told)) for hint in find_intended(prompt, host.brackets) if hint.span]
    if not told:
        return Answer(slots={"lines": ""})
    drawn = draw(
        "prompt/lines",
        lines=told,
        more=max(0, len(lines) - SHOWN_LINES),
        told=TOLD_CHIPS,
        refusal=refusal,
    )
    return Answer(slots={"lines": drawn}, state={"model": name_model(model) if refusal is None else REFUSED})


def read_prompt_lines(
    text: str, brackets: Brackets, model: TextModel | None, limits: Limits | None = None
) -> tuple[list[ExpressionLine], SyntaxProblem | None]:
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


def _unclosed_line(problem: SyntaxProblem, opening: Span, prompt: str, place: int) -> ExpressionLine:
    span = Span(opening.start, len(prompt) + 1)  # it goes on where the prompt ends
    return ExpressionLine(place + 1, place % COLOURS, prompt[opening.end :], span, problem=problem)


def _hint(hint: SyntaxProblem, span: Span, typed: str, place: int) -> PromptLine:
    expression = ExpressionLine(place + 1, place % COLOURS, typed[span.start : span.end], span, problem=hint)
    return PromptLine(expression, is_text=True, repairs=_repair(hint, typed))


def _tell(expression: ExpressionLine, typed: str, prompt: str, caret: int | None, host: PageHost) -> PromptLine:
    start = expression.span.start
    line = PromptLine(expression, taken_by=host.taken_brackets.get(prompt[start], ""))
    if expression.problem is not None and caret is not None and start < caret < expression.span.end:
        line = _while_written(line, prompt, caret, host.limits)
    if line.taken_by and line.problem is None and not line.is_open:
        return replace(line, repairs=[_in_angle_brackets(expression, typed)])
    return replace(line, repairs=_repair(line.problem, typed))


def _while_written(line: PromptLine, prompt: str, caret: int, limits: Limits) -> PromptLine:
    """Return the line of an expression that somebody is in the middle of: what is left of the caret is looked at."""
    start = line.expression.span.start + 1
    written = prompt[start:caret]
    if is_unfinished(written, limits):
        return replace(line, is_open=True)
    try:
        parse(close_text(written), limits=limits)
    except ExpressionError as problem:
        return replace(line, expression=replace(line.expression, problem=problem.located(prompt, start)))
    return line


def _repair(problem: EmbeddingMergeError | None, typed: str) -> list[tuple[str, str]]:
    if problem is None or problem.span is None:
        return []
    before, after = typed[: problem.span.start], typed[problem.span.end :]
    return [(shorten(other, LONGEST_LINE), before + other + after) for other in problem.alternatives]


def _in_angle_brackets(expression: ExpressionLine, typed: str) -> tuple[str, str]:
    span = expression.span
    meant = f"<{typed[span.start + 1 : span.end - 1]}>"
    return shorten(meant, LONGEST_LINE), typed[: span.start] + meant + typed[span.end :]
