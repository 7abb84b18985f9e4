"""SD.Next.

Source: modules/textual_inversion/textual_inversion.py.
"""

from __future__ import annotations

from ..facts import MODELS, FileFacts
from ..verdicts import Problem
from .shared import Program, ending_fits, extension_in, lines_up, other_width, plain_only

__all__ = ["SDNEXT"]


def _pickle(facts: FileFacts, model: str) -> Problem | None:
    if facts.extension != ".pt":
        return None
    if not facts.is_trained or "*" not in facts.tensors:
        return Problem("Of a .pt it reads string_to_param['*'] only.")
    if model == "sdxl":
        return Problem("A .pt never loads for SDXL.")
    return None


def _matrix(facts: FileFacts, _model: str) -> Problem | None:
    flat = [key for key, tensor in facts.tensors.items() if len(tensor.shape) < 2]
    if not flat:
        return None
    return Problem(f"{flat[0]} has one dimension, which it reads as rows of one number.")


def _widths(facts: FileFacts, model: str) -> Problem | None:
    """Every tensor counts, its name does not: the widths must be the encoders', one each."""
    wanted = MODELS[model].widths
    widths = facts.widths[:1] if facts.extension == ".pt" else facts.widths
    if sorted(widths) == wanted:
        return None
    if facts.convertible_widths == wanted:
        said = "Every further tensor counts, so it skips a file with more than one per encoder."
        return Problem(said)
    return other_width(facts, model)


def _numbered(facts: FileFacts, _model: str) -> str | None:
    if facts.length > 1:
        return f"It calls the further vectors {facts.name}_1, …: no other embedding may have such a name."
    return None


SDNEXT = Program(
    "SD.Next",
    ("sd1", "sd2", "sdxl"),
    (
        extension_in(".safetensors", ".pt"),
        ending_fits,
        plain_only,
        _pickle,
        _matrix,
        _widths,
        lines_up,
    ),
    (_numbered,),
    has_bare_names=True,
    numbers_vectors=True,
)
