"""Civitai, which people load files up to.

Source: FilesProvider.tsx.
"""

from __future__ import annotations

from ..facts import MODELS, FileFacts
from ..verdicts import Problem
from .shared import Program, extension_in, lines_up, other_width

__all__ = ["CIVITAI"]


def _base(facts: FileFacts, model: str) -> Problem | None:
    """Sites check no shapes, but one version has one base model."""
    if model in facts.families:
        return None
    if not facts.families:
        return other_width(facts, model)
    made_for = " and ".join(MODELS[family].title for family in facts.families[:3])
    more = ", …" if len(facts.families) > 3 else ""
    return Problem(f"The file is for {made_for}{more}, not for {MODELS[model].title}.")


def _twins(_facts: FileFacts, _model: str) -> str | None:
    return "A version there is for one base model: upload the file for another family as a version of its own."


CIVITAI = Program(
    "Civitai",
    tuple(MODELS),
    (extension_in(".ckpt", ".pt", ".safetensors", ".sft", ".bin", ".zip"), _base, lines_up),
    (_twins,),
    is_site=True,
)
