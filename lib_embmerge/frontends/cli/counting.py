"""`embmerge count`: an expression's vectors, or a prompt's tokens."""

from __future__ import annotations

import argparse

from ...entered import is_prompt, read_expression
from ...library import Count, count
from ...limits import CHUNK
from ...prompts.layout import find_expressions
from ..figures import align
from .inputs import open_chosen_model
from .report import Report, amount, describe_model, model_note

__all__ = ["count_vectors"]


def count_vectors(options: argparse.Namespace) -> Report:
    """Count an expression's vectors, or a prompt's tokens."""
    _refuse_mistakes(options)
    model = open_chosen_model(options)
    found = count(options.text, model, kind=options.kind, limits=options.limits)
    figures = {"kind": found.kind, "encoders": dict(found.encoders), "chunk": CHUNK, **describe_model(model)}
    if found.kind == "expression":
        figures["vectors"] = max(found.encoders.values(), default=0)
        return Report(figures, [_describe_expression(found), model_note(model)], list(found.warnings))
    figures["chunks"] = max(found.chunks.values(), default=0)
    figures["expressions"] = [{"text": one.text, "vectors": one.vectors} for one in found.expressions]
    return Report(figures, [*_describe_prompt(found), model_note(model)], list(found.warnings))


def _refuse_mistakes(options: argparse.Namespace) -> None:
    """Raise the first mistake: no model is opened for a text that has one."""
    if not is_prompt(options.text, options.kind):
        read_expression(options.text, kind=options.kind, limits=options.limits)
        return
    for one in find_expressions(options.text, limits=options.limits):
        if one.problem is not None:
            raise one.problem


def _describe_expression(found: Count) -> str:
    vectors = amount(max(found.encoders.values(), default=0), "vector")
    return f"{vectors} for each of {', '.join(found.encoders)}; a chunk holds {CHUNK}"


def _describe_prompt(found: Count) -> list[str]:
    lines = align([name, amount(n, "token"), amount(found.chunks[name], "chunk")] for name, n in found.encoders.items())
    return [*lines, *(f"{amount(one.vectors, 'vector')} of them: {one.text}" for one in found.expressions)]
