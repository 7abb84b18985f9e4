"""What is written in the box, as one types: how many vectors, of which tokens, and what is wrong or worth knowing.

The first answer reads no more of a table than the rows of its tokens; what compares with the whole vocabulary comes
with the second one, `nearest`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ....entered import Entered, is_one_expression, last_expression, read_expression
from ....errors import EmbeddingMergeError, SyntaxProblem, UnsupportedHost
from ....evaluation import Analysis, ReadPart
from ....families import CLIP, group_of
from ....host_protocol import PageHost, TextModel
from ....inspection import ShownToken, list_tokens
from ....language import is_unfinished
from ....limits import CHUNK, Limits
from ....vectors.embedding import describe_lengths
from ..html import draw, draw_error
from ..model_name import REFUSED, name_model, name_models
from ..prompt.view import COLOURS, preview_prompt
from ..question import Answer, Question
from ..repairs import repair_error, repair_remark

__all__ = ["EXAMPLES", "Bar", "PartView", "answer_follow", "answer_load", "answer_preview", "view_parts"]

EXAMPLES = (
    ("'king' - 'man' + 'woman'", "arithmetic with words"),
    ("slerp('red', 'blue', 0.3)", "between two words"),
    ("'a photo of', normalize('old' + 'car')", "several vectors, one after the other"),
)
"""What fills the empty box on a click, and what it shows."""


@dataclass(frozen=True)
class Bar:
    """How many of a chunk's places an encoder's vectors take."""

    encoder: str
    count: int
    chunk: int = CHUNK

    @property
    def percent(self) -> float:
        """How much of the bar is full."""
        return min(100.0, 100.0 * self.count / self.chunk)


@dataclass(frozen=True)
class PartView:
    """One thing that the expression reads: its sign, what was written, its colour, and its chips per encoder.

    `rows` has one entry where all encoders read the same tokens, under the names of all of them.
    """

    sign: str
    text: str
    colour: int
    rows: Mapping[str, Sequence[ShownToken]]


def answer_preview(question: Question, host: PageHost) -> Answer:
    """Answer what the text in the box means, with which model; a mistake in it is an answer, too."""
    try:
        model = host.loaded_text_model()
    except UnsupportedHost as refused:
        return _refuse(refused)
    found = _preview(question.text("text"), model, host)
    found.state["model"] = name_model(model)
    return found


def _preview(text: str, model: TextModel | None, host: PageHost) -> Answer:
    if not text.strip():
        return _empty(model)
    if model is None:
        return Answer(slots={"messages": draw("loading")}, state={"waiting": True}, then="load")
    try:
        if not is_one_expression(text):
            return preview_prompt(host.without_comments(text), model, host.brackets, host.limits)
        entered = read_expression(text, limits=host.limits)
        return _preview_expression(entered, model)
    except EmbeddingMergeError as error:
        return _tell_mistake(error, text, host.limits)


def _tell_mistake(error: EmbeddingMergeError, text: str, limits: Limits | None) -> Answer:
    """Answer a mistake; where the text may only not be finished, a hint, with the mistake for when it rests."""
    actions = repair_error(error, text)
    drawn = draw_error(error) + draw("actions", actions=actions)
    if not _may_be_unfinished(error, text, limits):
        return Answer(slots={"messages": drawn, "judged": ""}, state={"broken": True})
    hint = draw("build/unfinished", error=error, actions=actions)
    return Answer(slots={"messages": hint, "judged": ""}, state={"broken": True, "rested": drawn})


def _may_be_unfinished(error: EmbeddingMergeError, text: str, limits: Limits | None) -> bool:
    """Return whether more text might make it right; what is computed wrongly may only go on at the text's end."""
    written = last_expression(text)
    if error.span is None or written is None or not is_unfinished(written, limits):
        return False
    return isinstance(error, SyntaxProblem) or error.span.end >= len(text.rstrip())


def answer_load(question: Question, host: PageHost) -> Answer:
    """Load the model, then go on with the preview."""
    host.load_text_model()
    return Answer(then="preview")


def answer_follow(question: Question, host: PageHost) -> Answer:
    """Answer which model is loaded: where the page shows something of another one, it asks for everything again.

    `model` is what the tab works with, `prompts` what prompts are encoded with; empty where none is in memory.
    """
    return Answer(state=name_models(host))


def _refuse(refused: UnsupportedHost) -> Answer:
    """Answer that nothing can be computed with the loaded model; what was said of another one goes away."""
    emptied = dict.fromkeys(("judged", "summary", "nearest", "table", "pictures", "loads"), "")
    said = draw_error(refused) + draw("build/refused")
    return Answer(slots={"messages": said, **emptied}, state={"broken": True, "model": REFUSED})


def _empty(model: TextModel | None) -> Answer:
    return Answer(
        slots={
            "messages": draw("build/intro"),
            "judged": "",
            "summary": draw("build/empty", examples=EXAMPLES, model=model),
        },
        state={"empty": True},
    )


def _preview_expression(entered: Entered, model: TextModel) -> Answer:
    analysis = Analysis(entered, model)
    parts = analysis.parts()
    remarks = [repair_remark(remark, entered) for remark in analysis.remarks()]
    bars = [Bar(e.name, analysis.length_in(group_of(e.name))) for e in model.encoders if group_of(e.name) == CLIP]
    shown = view_parts(parts, model, entered.expression)
    summary = draw("build/summary", count=describe_lengths(analysis.lengths), bars=bars, parts=shown, model=model)
    messages = draw("remarks", remarks=remarks)
    state: dict[str, object] = {"count": analysis.length, "isLong": analysis.lengths.get(CLIP, 0) > CHUNK}
    return Answer(slots={"messages": messages, "summary": summary}, state=state, then="nearest")


def view_parts(parts: Sequence[ReadPart], model: TextModel, expression: str) -> list[PartView]:
    """Return what an expression reads for drawing, each part with its sign where one stands before it."""
    rows: list[dict[str, list[ShownToken]]] = [{} for _ in parts]
    for chip in list_tokens(parts, model):
        rows[chip.part].setdefault(chip.encoder, []).append(chip)
    return [
        PartView(_sign(part, expression), part.text, place % COLOURS, _together(of_part))
        for place, (part, of_part) in enumerate(zip(parts, rows, strict=True))
    ]


def _sign(part: ReadPart, expression: str) -> str:
    if part.is_subtracted:
        return "−"
    return "+" if expression[: part.span.start].rstrip("( \t\n").endswith("+") else ""


def _together(rows: Mapping[str, Sequence[ShownToken]]) -> Mapping[str, Sequence[ShownToken]]:
    """Return one row for all encoders where they read the same."""
    read = {tuple((chip.text, chip.id, chip.vectors) for chip in row) for row in rows.values()}
    if len(read) == 1 and len(rows) > 1:
        return {" and ".join(rows): next(iter(rows.values()))}
    return rows
