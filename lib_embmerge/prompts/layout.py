"""A prompt as text encoders get it: its expressions, and its chunks of 75 with what stands at each place.

Source: A1111 1.10.1, modules/sd_hijack_clip.py:83-161 `tokenize_line`, modules/prompt_parser.py:165-197
`get_multicond_prompt_list`. The map of a prompt with editing or alternation, `[a:b:0.5]` and `[a|b]`, has all words;
`lay_out_steps` has one for each text that it is.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Union

from ..entered import Entered
from ..errors import EmbeddingMergeError
from ..evaluation import Analysis, analyse
from ..families import CLIP, group_of
from ..host_protocol import InstalledEmbedding, TextEncoder, TextModel
from ..language import Brackets, Island, begins_text, find_islands, make_placeholder_error, parse, splice
from ..limits import CHUNK, Limits
from .editing import texts_over_steps
from .text import plain_pieces, split_at_and, split_at_break, without_weight

__all__ = ["Block", "Chunk", "Found", "PromptMap", "count_found", "find_expressions", "lay_out", "lay_out_steps"]

MARK = re.compile("\0([0-9]+)\0")
"""Stands for an expression in a prompt, by its number; what is typed holds none."""

COMMA_REACH = 20
"""Places from a chunk's end in which a comma divides it: what stands behind the comma moves to the next chunk."""


@dataclass
class Found:
    """An expression in a prompt: its place, and its tree or what is wrong with it; later, what a model makes of it."""

    island: Island
    entered: Entered | None = None
    problem: EmbeddingMergeError | None = None
    analysis: Analysis | None = None

    @property
    def vectors(self) -> int:
        """How many vectors it has, of the tokenizer group that has the most; 0 where that is not known."""
        return max(self.lengths.values(), default=0)

    @property
    def lengths(self) -> Mapping[str, int]:
        """How many vectors it has by tokenizer group; none where that is not known."""
        return {} if self.analysis is None or self.problem is not None else self.analysis.lengths


@dataclass(frozen=True)
class Block:
    """A run of places in a chunk: words, the vectors of an installed embedding, or those of an expression.

    `expression` is the expression's number in the prompt, from 0.
    """

    text: str
    places: int
    expression: int | None = None
    is_embedding: bool = False


@dataclass(frozen=True)
class Chunk:
    """What stands in one chunk, in order; it may hold more than 75 places where an installed embedding does.

    An encoder that is no CLIP's has one chunk for all.
    """

    blocks: Sequence[Block] = ()

    @property
    def places(self) -> int:
        """How many places are taken."""
        return sum(block.places for block in self.blocks)


@dataclass(frozen=True)
class PromptMap:
    """One of the prompts that `AND` divides: its chunks by encoder."""

    chunks: Mapping[str, Sequence[Chunk]]

    def tokens(self, encoder: str) -> int:
        """Count the places that are taken, the filling of chunks not counted."""
        return sum(chunk.places for chunk in self.chunks[encoder])


def find_expressions(
    prompt: str,
    brackets: Brackets = Brackets.BOTH,
    model: TextModel | None = None,
    limits: Limits | None = None,
) -> list[Found]:
    """Read the expressions of a prompt, each alone, mistakes placed in the prompt.

    A predecessor's placeholder is left out where the model has an embedding of its name: the prompt works.

    Raises: SyntaxProblem at an opening bracket that nothing closes.
    """
    return [
        _read(prompt, island, limits or Limits())
        for island in find_islands(prompt, brackets)
        if island.placeholder is None
        or model is None
        or not model.embeddings_named(prompt[island.span.start : island.span.end])
    ]


def count_found(found: Sequence[Found], model: TextModel) -> None:
    """Analyse expressions together; one with a mistake gets its problem, and counts nothing."""
    good = [(one, one.entered) for one in found if one.entered is not None]
    for (one, _), analysis in zip(good, analyse([entered for _, entered in good], model), strict=True):
        one.analysis, one.problem = analysis, analysis.problem


def lay_out(
    prompt: str, found: Sequence[Found], model: TextModel, brackets: Brackets = Brackets.BOTH
) -> list[PromptMap]:
    """Lay out a prompt, one map for each of the prompts that `AND` divides."""
    return _lay_out_texts(_divide(prompt, found, brackets), found, model)


def lay_out_steps(
    prompt: str, found: Sequence[Found], model: TextModel, brackets: Brackets = Brackets.BOTH
) -> list[tuple[str, PromptMap]]:
    """Lay out the different texts that a prompt is while a picture is made, those that `AND` divides apart."""
    texts = [text for part in _divide(prompt, found, brackets) for text in texts_over_steps(part)]
    shown = [MARK.sub(lambda mark: _written(prompt, found[int(mark[1])]), text) for text in texts]
    return list(zip(shown, _lay_out_texts(texts, found, model), strict=True))


def _written(prompt: str, found: Found) -> str:
    return prompt[found.island.span.start : found.island.span.end]


def _divide(prompt: str, found: Sequence[Found], brackets: Brackets) -> list[str]:
    """Return the prompts that `AND` divides, marks for the expressions in them."""
    marks = [f"\0{number}\0" for number in range(len(found))]
    marked = splice(prompt.replace("\0", " "), [one.island for one in found], marks, brackets)
    return [without_weight(part) for part in split_at_and(marked)]


def _lay_out_texts(texts: Sequence[str], found: Sequence[Found], model: TextModel) -> list[PromptMap]:
    prompts = [[list(_pieces(section)) for section in split_at_break(text)] for text in texts]
    _tokenize([piece for sections in prompts for section in sections for piece in section], model)
    return [
        PromptMap({encoder.name: _pack(sections, found, encoder) for encoder in model.encoders}) for sections in prompts
    ]


@dataclass
class _Stretch:
    """A piece of a prompt's text, or an expression, and what each encoder reads there."""

    text: str
    expression: int | None = None
    runs: Mapping[str, Sequence[Union[Sequence[int], InstalledEmbedding]]] = field(default_factory=dict)


def _read(prompt: str, island: Island, limits: Limits) -> Found:
    if island.placeholder is not None:
        return Found(island, problem=make_placeholder_error(prompt, island))
    try:
        tree, begins = parse(island.text, limits=limits), begins_text(prompt, island)
        return Found(island, Entered(prompt, island.text, island.offset, tree, limits, begins))
    except EmbeddingMergeError as problem:
        return Found(island, problem=problem.located(prompt, island.offset))


def _pieces(section: str) -> Iterator[_Stretch]:
    """Yield the pieces of a section between weights and expressions."""
    for text in plain_pieces(section):
        for place, part in enumerate(MARK.split(text)):
            if place % 2:
                yield _Stretch("", int(part))
            elif part.strip():
                yield _Stretch(part)


def _tokenize(pieces: Sequence[_Stretch], model: TextModel) -> None:
    texts = [piece for piece in pieces if piece.expression is None]
    for piece, runs in zip(texts, model.pieces([piece.text for piece in texts]) if texts else [], strict=True):
        piece.runs = runs


def _pack(sections: Sequence[Sequence[_Stretch]], found: Sequence[Found], encoder: TextEncoder) -> Sequence[Chunk]:
    packer = _Packer(encoder)
    for number, section in enumerate(sections):
        if number:
            packer.end_chunk()
        for piece in section:
            if piece.expression is not None:
                packer.add_expression(piece.expression, found[piece.expression])
            for run in piece.runs.get(encoder.name, ()):
                if isinstance(run, InstalledEmbedding):
                    packer.add(Block(run.name, int(run.vectors[encoder.name].shape[0]), is_embedding=True))
                else:
                    packer.add_tokens(run)
    return packer.finish()


class _Packer:
    """Fills chunks as the WebUI does."""

    def __init__(self, encoder: TextEncoder) -> None:
        self.encoder = encoder
        self.group = group_of(encoder.name)
        self.room = CHUNK if self.group == CLIP else math.inf
        self.comma = encoder.tokenize([","])[0]
        self.full: list[list[Block | int]] = []
        self.chunk: list[Block | int] = []  # single tokens are joined at the end
        self.places = 0
        self.behind_comma: tuple[int, int] | None = None
        """Where in the chunk what stands behind its last comma begins: of its entries, and of its places."""

    def add_tokens(self, ids: Sequence[int]) -> None:
        for token in ids:
            is_comma = [token] == self.comma
            self._make_room(divides=not is_comma)
            self.chunk.append(token)
            self.places += 1
            if is_comma:
                self.behind_comma = (len(self.chunk), self.places)

    def add_expression(self, number: int, found: Found) -> None:
        for _ in range(found.lengths.get(self.group, 0)):  # each has a placeholder of its own
            self.add(Block(found.island.text, 1, expression=number))

    def add(self, block: Block) -> None:
        """Add a block that is never divided: where it does not fit it goes to the next chunk."""
        self._make_room(divides=True)
        if self.places + block.places > self.room:
            self.end_chunk()
        self.chunk.append(block)
        self.places += block.places

    def end_chunk(self) -> None:
        if self.room > CHUNK:  # one for all
            return
        self._end()

    def _end(self) -> None:
        self.full.append(self.chunk)
        self.chunk, self.places, self.behind_comma = [], 0, None

    def finish(self) -> Sequence[Chunk]:
        if self.chunk or not self.full:
            self._end()
        return [Chunk(list(self._join(entries))) for entries in self.full]

    def _make_room(self, *, divides: bool) -> None:
        if self.places < self.room:
            return
        if divides and self.behind_comma is not None and self.places - self.behind_comma[1] < COMMA_REACH:
            entries, places = self.behind_comma
            moved, left = self.chunk[entries:], self.places - places
            del self.chunk[entries:]
            self.end_chunk()
            self.chunk, self.places = moved, left
        else:
            self.end_chunk()

    def _join(self, entries: Sequence[Block | int]) -> Iterator[Block]:
        for _, run in groupby(entries, lambda entry: -1 if isinstance(entry, int) else entry.expression):
            same = list(run)
            tokens = [entry for entry in same if isinstance(entry, int)]
            blocks = [entry for entry in same if isinstance(entry, Block)]
            if tokens:
                yield self._words(tokens)
            elif blocks[0].expression is None:
                yield from blocks
            else:
                yield replace(blocks[0], places=len(blocks))

    def _words(self, ids: list[int]) -> Block:
        return Block("".join(self.encoder.spell(ids)).strip(), len(ids))
