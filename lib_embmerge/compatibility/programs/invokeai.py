"""InvokeAI.

Source: InvokeAI 6 model_manager/configs/textual_inversion.py, model_on_disk.py, app/util/ti_utils.py:12-16.
"""

from __future__ import annotations

import re
from types import MappingProxyType

from ...errors import shorten
from ..facts import MODELS, FileFacts
from ..verdicts import Problem
from .shared import (
    Program,
    check_two_dimensions,
    ending_fits,
    extension_in,
    first_word,
    lines_up,
    other_width,
    plain_only,
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


_NAMED = ("emb_params", "clip_g")
"""Keys that tell it of an embedding, beside the trainers' own; the first that is there says the width."""

_WIDTHS = MappingProxyType({"sd1": 768, "sd2": 1024, "sdxl": 1280})


def _looks_like_one(facts: FileFacts, _model: str) -> Problem | None:
    """Take what has a key that it knows, or fewer than ten tensors and nothing else."""
    if facts.has("state_dict"):
        return Problem("It looks for the tensors in state_dict, and finds no dict there.")
    if facts.is_trained or any(facts.has(key) for key in ("string_to_param", *_NAMED)):
        return None
    if facts.others:
        return Problem(f"It takes a dict of tensors alone for an embedding; the file has {shorten(facts.others[0])}.")
    if len(facts.tensors) < 10:
        return None
    return Problem("It takes files of fewer than ten tensors for embeddings.")


def _trained(facts: FileFacts, _model: str) -> Problem | None:
    if facts.is_trained and not facts.has_string_to_token:
        return Problem("string_to_param without string_to_token is unknown to it.")
    if (facts.has_string_to_token or facts.has("string_to_param")) and not facts.is_trained:
        return Problem("It wants string_to_param to be a dict where that, or string_to_token, is in the file.")
    return None


def _is_pair(facts: FileFacts) -> bool:
    return not facts.is_trained and {"clip_l", "clip_g"} <= set(facts.tensors)


def _read(facts: FileFacts) -> tuple[str | None, int | None]:
    """Return the key of what it reads, and the width that it takes the file for: by another tensor at times.

    None where what it looks at is no tensor, or a single number.
    """
    first = facts.first
    is_named = not facts.is_trained and any(map(facts.has, _NAMED))
    says = next(key for key in _NAMED if facts.has(key)) if is_named else first
    tensor = None if says is None else facts.tensors.get(says)
    if tensor is None or not tensor.shape:
        return None, None
    width = tensor.width if facts.is_trained or is_named else tensor.shape[0]
    if facts.is_trained or says == "emb_params" or _is_pair(facts):
        return says, width
    return first, width


def _layout(facts: FileFacts, model: str) -> Problem | None:
    key, width = _read(facts)
    tensor = None if key is None else facts.tensors.get(key)
    if key is None or tensor is None:
        return Problem(f"It looks at {shorten(facts.first or '')}, which is no tensor that says a width.")
    if width not in _WIDTHS.values():
        if facts.convertible_widths != MODELS[model].widths:
            return other_width(facts, model)
        return Problem(f"A matrix named {shorten(key)} is unknown to it; it takes emb_params, or clip_g with clip_l.")
    if width != _WIDTHS.get(model):
        taken = next(MODELS[base].title for base, wide in _WIDTHS.items() if wide == width)
        is_other = facts.convertible_widths != MODELS[model].widths
        return other_width(facts, model) if is_other else Problem(f"It takes the file for {taken}, by {shorten(key)}.")
    is_matrix = facts.is_trained or key == "emb_params" or _is_pair(facts)
    if is_matrix and len(tensor.shape) == 1:
        return Problem("It takes the tensor for a matrix, and it has one dimension.")
    if tensor.width != width:
        said = f"It takes {shorten(key)} of {tensor.width} numbers for {width}, and fails when the word is used."
        return Problem(said)
    return None


def _shapes(facts: FileFacts, _model: str) -> Problem | None:
    """Refuse no vectors, and more dimensions than [vectors, width], of what it reads alone."""
    key, _ = _read(facts)
    keys = [*facts.by_encoder] if key is None or _is_pair(facts) else [key]
    read = {key or "The tensor": facts.tensors[key] for key in keys if key in facts.tensors}
    return check_two_dimensions(read)


def _pair(facts: FileFacts, model: str) -> Problem | None:
    if model != "sdxl":
        return None
    if not _is_pair(facts):
        return Problem("SDXL needs both clip_l and clip_g.")
    flat = [key for key in ("clip_l", "clip_g") if len(facts.tensors[key].shape) == 1]
    return Problem(f"It takes {flat[0]} for a matrix, and it has one dimension.") if flat else None


INVOKEAI = Program(
    "InvokeAI",
    ("sd1", "sd2", "sdxl"),
    (
        extension_in(".safetensors", ".bin", ".pt", ".ckpt", ".pth"),
        small_letters,
        ending_fits,
        plain_only,
        _name,
        _container,
        _looks_like_one,
        _trained,
        _layout,
        _pair,
        lines_up,
    ),
    (first_word,),
    shapes=_shapes,
)
