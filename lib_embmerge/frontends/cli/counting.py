"""`embmerge count`: an expression's vectors, or a prompt's tokens."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from ...entered import is_prompt, read_expression
from ...errors import SyntaxProblem
from ...families import CLIP, group_of
from ...language import find_intended, guess_intended
from ...library import Count, count
from ...limits import CHUNK
from ...prompts.layout import find_expressions
from ...vectors.embedding import describe_lengths
from ..figures import align
from .inputs import open_chosen_model
from .report import Report, amount, describe_model, seen_with

__all__ = ["count_vectors"]


def count_vectors(options: argparse.Namespace) -> Report:
    """Count an expression's vectors, or a prompt's tokens."""
    _refuse_mistakes(options)
    model = open_chosen_model(options)
    found = count(options.text, model, kind=options.kind, limits=options.limits)
    figures = {"kind": found.kind, "encoders": dict(found.encoders), "chunk": CHUNK, **describe_model(model)}
    if found.kind == "expression":
        figures["vectors"] = max(found.encoders.values(), default=0)
        return Report(figures, [_describe_expression(found)], list(found.warnings), note=seen_with(model))
    figures["chunks"] = max(found.chunks.values(), default=0)
    figures["expressions"] = [asdict(one) for one in found.expressions]
    figures["counted"] = found.counted or options.text
    warnings = [*found.warnings, *(one.sentence for one in _find_meant(options.text))]
    return Report(figures, _describe_prompt(found), warnings, note=seen_with(model))


def _find_meant(prompt: str) -> list[SyntaxProblem]:
    """Return what in a prompt stays text but looks as if an expression was meant."""
    whole = guess_intended(prompt)
    return find_intended(prompt) if whole is None else [whole]


def _refuse_mistakes(options: argparse.Namespace) -> None:
    """Raise the first mistake: no model is opened for a text that has one."""
    if not is_prompt(options.text, options.kind):
        read_expression(options.text, kind=options.kind, limits=options.limits)
        return
    for one in find_expressions(options.text, limits=options.limits):
        if one.problem is not None:
            raise one.problem


def _describe_expression(found: Count) -> str:
    lengths = {group_of(name): count for name, count in found.encoders.items()}
    chunk = f"; a chunk holds {CHUNK}" if CLIP in lengths else ""
    return f"An expression of {describe_lengths(lengths)} ({', '.join(found.encoders)}){chunk}"


def _describe_prompt(found: Count) -> list[str]:
    chunks = {name: amount(count, "chunk") for name, count in found.chunks.items()}
    rows = [[name, amount(count, "token"), chunks.get(name, "")] for name, count in found.encoders.items()]
    lines = ["A prompt", *align(rows)]
    lines += [f"In it an expression of {describe_lengths(one.lengths)}: {one.text}" for one in found.expressions]
    if found.counted:
        lines.append(f"Counted at its longest, as a WebUI does: {found.counted}")
    return lines
