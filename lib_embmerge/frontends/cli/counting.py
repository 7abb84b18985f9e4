"""`embmerge count`: an expression's vectors, or a prompt's tokens."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from ...entered import is_prompt, read_expression
from ...evaluation import Analysis
from ...host_protocol import TextModel
from ...limits import CHUNK
from ..prompt_layout import Found, count_found, find_expressions, lay_out
from .inputs import open_chosen_model
from .report import Report, align, amount, describe_model, model_note

__all__ = ["count_vectors"]


def count_vectors(options: argparse.Namespace) -> Report:
    """Count an expression's vectors, or a prompt's tokens."""
    if is_prompt(options.text, options.kind):
        found = find_expressions(options.text, limits=options.limits)
        _raise_first(found)
        return _count_prompt(options.text, found, open_chosen_model(options))
    entered = read_expression(options.text, kind=options.kind, limits=options.limits)
    model = open_chosen_model(options)
    analysis = Analysis(entered, model)
    number = analysis.length
    figures = {
        "kind": "expression",
        "vectors": number,
        "encoders": {encoder.name: number for encoder in model.encoders},
        "chunk": CHUNK,
        **describe_model(model),
    }
    line = f"{amount(number, 'vector')} for each of {', '.join(e.name for e in model.encoders)}; a chunk holds {CHUNK}"
    return Report(figures, [line, model_note(model)], _warnings([analysis]))


def _count_prompt(prompt: str, found: Sequence[Found], model: TextModel) -> Report:
    count_found(found, model)
    _raise_first(found)
    maps = lay_out(prompt, found, model)
    names = [encoder.name for encoder in model.encoders]
    encoders = {name: max(one.tokens(name) for one in maps) for name in names}
    chunks = {name: max(len(one.chunks[name]) for one in maps) for name in names}
    figures = {
        "kind": "prompt",
        "encoders": encoders,
        "chunks": max(chunks.values()),
        "expressions": [{"text": one.island.text, "vectors": one.vectors} for one in found],
        "chunk": CHUNK,
        **describe_model(model),
    }
    lines = align([name, amount(n, "token"), amount(chunks[name], "chunk")] for name, n in encoders.items())
    lines += [f"{amount(one.vectors, 'vector')} of them: {one.island.text}" for one in found]
    return Report(figures, [*lines, model_note(model)], _warnings([one.analysis for one in found if one.analysis]))


def _raise_first(found: Sequence[Found]) -> None:
    """Raise the first expression's mistake: no model is opened for a prompt that has one."""
    for one in found:
        if one.problem is not None:
            raise one.problem


def _warnings(analyses: Sequence[Analysis]) -> list[str]:
    return [remark.text for one in analyses for remark in one.remarks()]
