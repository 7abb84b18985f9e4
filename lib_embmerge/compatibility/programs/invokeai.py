"""InvokeAI.

Source: InvokeAI 6 model_manager/configs/textual_inversion.py, model_on_disk.py, app/util/ti_utils.py:12-16.
"""

from __future__ import annotations

import re

from ..facts import MODELS, FileFacts, TensorFacts
from ..verdicts import Problem
from .shared import (
    Program,
    ending_fits,
    extension_in,
    first_word,
    lines_up,
    other_width,
    plain_only,
    serves,
    small_letters,
)

__all__ = ["INVOKEAI"]

_NAME = re.compile(r"[A-Za-z0-9.,_\- ]+")


def _name(facts: FileFacts, _model: str) -> Problem | None:
    if _NAME.fullmatch(facts.name):
        return None
    return Problem("Its prompts find names of A-Z a-z 0-9 . , _ - and blank only.")


def _container(facts: FileFacts, _model: str) -> Problem | None:
    if facts.container in ("dict", "OrderedDict"):
        return None
    return Problem("It takes a dict of tensors for an embedding, nothing else.")


def _count(facts: FileFacts, _model: str) -> Problem | None:
    if facts.others and not {"emb_params", "clip_g"} & set(facts.tensors):
        return Problem(f"It takes a dict of tensors alone for an embedding; the file has {facts.others[0]}.")
    if len(facts.tensors) < 10:
        return None
    return Problem("It takes files of fewer than ten tensors for embeddings.")


def _tensor(facts: FileFacts) -> TensorFacts:
    """Return the tensor that it reads."""
    named = [facts.tensors[key] for key in ("emb_params", "clip_g") if key in facts.tensors and not facts.is_trained]
    return named[0] if named else next(iter(facts.tensors.values()))


def _width(facts: FileFacts) -> int | None:
    """Return the width that it takes a file for; None where it refuses the layout."""
    if facts.is_trained and not facts.has_string_to_token:
        return None
    tensor = _tensor(facts)
    if facts.is_trained or {"emb_params", "clip_g"} & set(facts.tensors):
        return tensor.width
    return tensor.shape[0] if tensor.shape else None


def _layout(facts: FileFacts, model: str) -> Problem | None:
    width = _width(facts)
    if width is None:
        return Problem("string_to_param without string_to_token is unknown to it.")
    if width not in (768, 1024, 1280):
        key = next(iter(facts.tensors))
        if facts.convertible_widths != MODELS[model].widths:
            return other_width(facts, model)
        said = f"A matrix named {key} is unknown to it; it takes emb_params, or clip_g with clip_l."
        return Problem(said)
    if width != {"sd1": 768, "sd2": 1024, "sdxl": 1280}.get(model):
        return other_width(facts, model)
    is_matrix = facts.is_trained or bool({"emb_params", "clip_g"} & set(facts.tensors))
    if is_matrix and len(_tensor(facts).shape) == 1:
        return Problem("It takes the tensor for a matrix, and it has one dimension.")
    if not is_matrix and len(_tensor(facts).shape) > 1:
        return Problem("It takes the tensor's rows for the width, and fails when the word is used.")
    return None


def _pair(facts: FileFacts, model: str) -> Problem | None:
    if model != "sdxl":
        return None
    if facts.is_trained or not {"clip_l", "clip_g"} <= set(facts.tensors):
        return Problem("SDXL needs both clip_l and clip_g.")
    flat = [key for key in ("clip_l", "clip_g") if len(facts.tensors[key].shape) == 1]
    return Problem(f"It takes {flat[0]} for a matrix, and it has one dimension.") if flat else None


INVOKEAI = Program(
    "InvokeAI",
    (
        serves("sd1", "sd2", "sdxl"),
        extension_in(".safetensors", ".bin", ".pt", ".ckpt", ".pth"),
        small_letters,
        ending_fits,
        plain_only,
        _name,
        _container,
        _count,
        _layout,
        _pair,
        lines_up,
    ),
    (first_word,),
)
