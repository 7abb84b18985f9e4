"""A whole prompt in the box: its chunks with what stands where, and a line for each expression in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from ....errors import EmbeddingMergeError, Span, shorten
from ....families import CLIP, group_of
from ....host_protocol import TextModel
from ....language import Brackets, find_intended, guess_intended
from ....limits import CHUNK, Limits
from ....prompts.layout import Block, Chunk, Found, PromptMap, count_found, find_expressions, lay_out
from ....remarks import Remark
from ....vectors.embedding import describe_lengths
from ...figures import amount
from ..html import draw, draw_error
from ..question import Answer
from ..repairs import repair_error, repair_prompt, repair_remark

__all__ = ["COLOURS", "ExpressionLine", "Strip", "StripBlock", "preview_prompt", "view_lines", "view_map"]

T = TypeVar("T")

COLOURS = 8
"""Colours of parts in style.css; the ninth expression has the first one's again."""

SHOWN_CHUNKS = 20
"""Chunks of a prompt that are drawn."""
SHOWN_PROBLEMS = 2
"""Mistakes that are shown with their caret; of the others, the line says that there is one."""
LONGEST_LINE = 60
"""Characters of an expression in its line."""


@dataclass(frozen=True)
class ExpressionLine:
    """An expression of a prompt: its number from 1, its colour, its text and place, and its count or its mistake.

    `vectors` is None where the count is not known: no model is loaded, or there is a mistake. `counted` is the count as
    people read it, by tokenizer group where they differ.
    """

    number: int
    colour: int
    text: str
    span: Span
    vectors: int | None = None
    problem: EmbeddingMergeError | None = None
    counted: str = ""

    @property
    def short(self) -> str:
        """Its text, shortened."""
        return shorten(self.text.strip(), LONGEST_LINE)


@dataclass(frozen=True)
class StripBlock:
    """A block of a chunk for drawing: how many places it takes, what stands in it, what it is, and its colour."""

    places: int
    label: str
    title: str
    colour: int | None


@dataclass(frozen=True)
class Strip:
    """A chunk for drawing."""

    places: int
    blocks: Sequence[StripBlock]
    chunk: int = CHUNK

    @property
    def free(self) -> int:
        """How many places are left."""
        return max(0, self.chunk - self.places)

    @property
    def description(self) -> str:
        """What stands in it, for those who cannot see it."""
        return ", ".join(block.title for block in self.blocks) or "empty"


def preview_prompt(text: str, model: TextModel, brackets: Brackets, limits: Limits | None = None) -> Answer:
    """Answer what a prompt in the box holds.

    Raises: SyntaxProblem at an opening bracket that nothing closes.
    """
    found = find_expressions(text, brackets, model, limits)
    count_found(found, model)
    maps = lay_out(text, found, model, brackets)
    lines = view_lines(found)
    tokens = {e.name: max(one.tokens(e.name) for one in maps) for e in model.encoders}
    sizes = {name: _size(name, number, max(len(one.chunks[name]) for one in maps)) for name, number in tokens.items()}
    summary = draw(
        "prompt/prompt",
        sizes=_together(sizes),
        maps=[view_map(one) for one in maps],
        shown=SHOWN_CHUNKS,
        lines=lines,
        model=model,
    )
    return Answer(
        slots={"messages": _draw_messages(text, found, brackets), "judged": "", "summary": summary},
        state={"prompt": True, "count": max(tokens.values())},
    )


def view_lines(found: Sequence[Found], *, is_counted: bool = True) -> list[ExpressionLine]:
    """Return the lines of a prompt's expressions."""
    return [
        ExpressionLine(
            number=place + 1,
            colour=place % COLOURS,
            text=one.island.text,
            span=one.island.span,
            vectors=one.vectors if is_counted and one.problem is None else None,
            problem=one.problem,
            counted=describe_lengths(one.lengths),
        )
        for place, one in enumerate(found)
    ]


def view_map(prompt: PromptMap) -> Mapping[str, Sequence[Strip]]:
    """Return the chunks for drawing, by the names of the encoders for which they are the same."""
    return _together({name: [_view_chunk(name, one) for one in chunks] for name, chunks in prompt.chunks.items()})


def _size(encoder: str, tokens: int, chunks: int) -> str:
    if group_of(encoder) != CLIP:
        return amount(tokens, "token")
    return f"{amount(tokens, 'token')} in {amount(chunks, 'chunk')}"


def _together(by_encoder: Mapping[str, T]) -> Mapping[str, T]:
    """Return what is the same for all encoders once, under the names of all."""
    values = list(by_encoder.values())
    if len(values) > 1 and all(value == values[0] for value in values):
        return {" and ".join(by_encoder): values[0]}
    return by_encoder


def _view_chunk(encoder: str, chunk: Chunk) -> Strip:
    room = CHUNK if group_of(encoder) == CLIP else max(1, chunk.places)
    return Strip(chunk.places, [_view_block(block) for block in chunk.blocks], room)


def _view_block(block: Block) -> StripBlock:
    if block.expression is not None:
        number = block.expression + 1
        title = f"expression {number}: {amount(block.places, 'vector')}"
        return StripBlock(block.places, str(number), title, block.expression % COLOURS)
    if block.is_embedding:
        return StripBlock(block.places, block.text, f"embedding {block.text}: {amount(block.places, 'vector')}", None)
    return StripBlock(block.places, block.text, f"{block.text}: {amount(block.places, 'token')}", None)


def _draw_messages(text: str, found: Sequence[Found], brackets: Brackets) -> str:
    problems = [one.problem for one in found if one.problem is not None]
    drawn = [
        draw_error(problem) + draw("actions", actions=repair_error(problem, text))
        for problem in problems[:SHOWN_PROBLEMS]
    ]
    if not problems:
        meant = [(error, repair_error(error, text)) for error in _find_meant(text, found, brackets)]
        drawn.append(draw("prompt/note", meant=meant, action=repair_prompt(text, brackets)))
    return "".join([*drawn, draw("remarks", remarks=_remarks(text, found))])


def _find_meant(text: str, found: Sequence[Found], brackets: Brackets) -> Sequence[EmbeddingMergeError]:
    """Return what is taken for words but was probably meant as an expression: all of it, or what is in brackets."""
    whole = None if found else guess_intended(text)
    return find_intended(text, brackets)[:SHOWN_PROBLEMS] if whole is None else [whole]


def _remarks(text: str, found: Sequence[Found]) -> list[Remark]:
    return [
        _in_prompt(repair_remark(remark, one.entered), text, number, one)
        for number, one in enumerate(found, start=1)
        if one.entered is not None and one.analysis is not None and one.problem is None
        for remark in one.analysis.remarks()
    ]


def _in_prompt(remark: Remark, text: str, number: int, one: Found) -> Remark:
    """Return a remark on an expression as one on the prompt that it stands in."""
    before, after = text[: one.island.offset], text[one.island.offset + len(one.island.text) :]
    actions = tuple(replace(action, value=before + action.value + after) for action in remark.actions)
    return Remark(remark.kind, f"Expression {number}: {remark.text}", actions=actions)
