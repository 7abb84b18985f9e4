"""diffusers.

Source: loaders/textual_inversion.py.
"""

from __future__ import annotations

from ...errors import shorten
from ...files.layouts import ALL_WIDTHS
from ..facts import MODELS, FileFacts
from ..verdicts import Problem
from .shared import Program, dimensions_of_one, lines_up, other_width, plain_only

__all__ = ["DIFFUSERS"]


def _form(facts: FileFacts, _model: str) -> Problem | None:
    """It tries safetensors first, whatever the ending, then a pickle, but not one that is called safetensors."""
    if facts.form == "picture" or (facts.form == "pickle" and facts.extension == ".safetensors"):
        return Problem(f"It cannot read a {facts.form} called {facts.extension}.")
    return None


def _dict(facts: FileFacts, model: str) -> Problem | None:
    if facts.is_trained:
        if not facts.inner_name:
            return Problem("The trained file holds no name to be its token.")
        return None if "*" in facts.tensors else Problem("string_to_param must have the key *.")
    if facts.container == "Tensor":
        return Problem("It wants token= for a bare tensor.")
    if not facts.is_plain:
        return Problem("It fails at a key that is no text.")
    if facts.container in ("dict", "OrderedDict") and len(facts.tensors) + len(facts.others) == 1:
        return None
    if facts.container != "list" and facts.convertible_widths != MODELS[model].widths:
        return other_width(facts, model)
    if len(MODELS[model].clip) > 1:
        return Problem(
            "It has no joint loader: call load_textual_inversion once per encoder, with the tensor, tokenizer and"
            " text_encoder.",
            splits=True,
        )
    return Problem("It takes a file of one tensor only.")


def _width(facts: FileFacts, model: str) -> Problem | None:
    encoders = MODELS[model].clip
    if facts.widths[0] not in [ALL_WIDTHS[encoder] for encoder in encoders]:
        return other_width(facts, model)
    if len(encoders) > 1:
        return Problem("It serves one encoder; the other needs a file and a call of its own.")
    return None


def _token(facts: FileFacts, _model: str) -> str | None:
    if facts.is_trained:
        return None
    key = next(iter(facts.tensors))
    return None if key == facts.name else f"Without token=, the word for it is the tensor's name, {shorten(key)}."


def _flux(_facts: FileFacts, model: str) -> str | None:
    return "Flux: pass tokenizer= and text_encoder= of CLIP." if model == "flux" else None


DIFFUSERS = Program(
    "diffusers",
    ("sd1", "sd2", "sdxl", "sd3", "flux"),
    (
        _form,
        plain_only,
        _dict,
        _width,
        lines_up,
    ),
    (_token, _flux),
    dimensions_of_one,
    numbers_vectors=True,
)
