"""`embmerge count`: an expression's vectors, or a prompt's tokens."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence

from ...entry import Entered, is_prompt, read_expression
from ...errors import EmbeddingMergeError
from ...evaluation import count_all, find_warnings
from ...host_protocol import InstalledEmbedding, TextModel, TextPieces
from ...language import find_islands, make_placeholder_error, parse, splice
from ...limits import CHUNK
from .inputs import OpenModel, open_model
from .prompt_text import plain_pieces, split_at_and, split_at_break
from .report import Report, align, amount, describe_model, model_note

__all__ = ["count_vectors"]

MARK = "\0"
"""Stands for an expression in a prompt; no argument of a process can hold it."""


def count_vectors(options: argparse.Namespace, opener: OpenModel) -> Report:
    """Count an expression's vectors, or a prompt's tokens."""
    if is_prompt(options.text, options.kind):
        islands = _read_islands(options.text)
        return _count_prompt(options.text, islands, open_model(options, opener))
    entered = read_expression(options.text, kind=options.kind)
    model = open_model(options, opener)
    number = count_all([entered.tree], model, sources=[entered.source])[0]
    figures = {
        "kind": "expression",
        "vectors": number,
        "encoders": {encoder.name: number for encoder in model.encoders},
        "chunk": CHUNK,
        **describe_model(model),
    }
    line = f"{amount(number, 'vector')} for each of {', '.join(e.name for e in model.encoders)}; a chunk holds {CHUNK}"
    return Report(figures, [line, model_note(model)], _warnings([entered], model))


def _count_prompt(prompt: str, entered: Sequence[Entered], model: TextModel) -> Report:
    counts = count_all([one.tree for one in entered], model, sources=[one.source for one in entered])
    islands = find_islands(prompt)
    encoders, chunks = _count_tokens(splice(prompt, islands, [MARK] * len(islands)), counts, model)
    figures = {
        "kind": "prompt",
        "encoders": encoders,
        "chunks": max(chunks.values()),
        "expressions": [{"text": one.expression, "vectors": n} for one, n in zip(entered, counts, strict=True)],
        "chunk": CHUNK,
        **describe_model(model),
    }
    lines = align([name, amount(n, "token"), amount(chunks[name], "chunk")] for name, n in encoders.items())
    lines += [f"{amount(n, 'vector')} of them: {one.expression}" for one, n in zip(entered, counts, strict=True)]
    return Report(figures, [*lines, model_note(model)], _warnings(entered, model))


def _read_islands(prompt: str) -> list[Entered]:
    entered = []
    for island in find_islands(prompt):
        if island.placeholder is not None:
            raise make_placeholder_error(prompt, island)
        try:
            entered.append(Entered(prompt, island.text, island.offset, parse(island.text)))
        except EmbeddingMergeError as error:
            raise error.located(prompt, island.offset) from None
    return entered


def _count_tokens(marked: str, counts: Sequence[int], model: TextModel) -> tuple[Mapping[str, int], Mapping[str, int]]:
    """Count per encoder the tokens and chunks of the longest of the prompts that `AND` divides.

    A mark is its expression's vectors.
    """
    vectors = iter(counts)
    tokens = {encoder.name: 0 for encoder in model.encoders}
    chunks = {encoder.name: 1 for encoder in model.encoders}
    for prompt in split_at_and(marked):
        sections: dict[str, list[int]] = {encoder.name: [] for encoder in model.encoders}
        for section in split_at_break(prompt):
            own = sum(next(vectors) for _ in range(section.count(MARK)))
            for name, number in _tokens_around(section, model):
                sections[name].append(own + number)
        for name, numbers in sections.items():
            tokens[name] = max(tokens[name], sum(numbers))
            chunks[name] = max(chunks[name], _chunks(numbers))
    return tokens, chunks


def _tokens_around(prompt: str, model: TextModel) -> Iterator[tuple[str, int]]:
    texts = [text for piece in plain_pieces(prompt) for text in piece.split(MARK) if text.strip()]
    pieces = model.pieces(texts)
    for encoder in model.encoders:
        yield encoder.name, sum(_length(found[encoder.name], encoder.name) for found in pieces)


def _length(pieces: TextPieces, encoder: str) -> int:
    return sum(len(p.vectors[encoder]) if isinstance(p, InstalledEmbedding) else len(p) for p in pieces)


def _chunks(sections: Sequence[int]) -> int:
    """Count the chunks of what `BREAK` divides: each ends one, full or not; behind the last may be nothing."""
    *ended, last = sections
    return sum(max(1, -(-tokens // CHUNK)) for tokens in ended) + -(-last // CHUNK)


def _warnings(entered: Sequence[Entered], model: TextModel) -> list[str]:
    return [notice.message for one in entered for notice in find_warnings(one.tree, model)]
