"""A1111's WebUI and Forge, which sort files by the sum of their vectors' widths.

Source: A1111 1.10.1 modules/textual_inversion/textual_inversion.py:157-199, 287-325, modules/safe.py:68-96; Forge
backend/text_processing/textual_inversion.py.
"""

from __future__ import annotations

import re

from ...errors import shorten
from ...files.layouts import ALL_WIDTHS
from ..facts import BUNDLE, MODELS, FileFacts
from ..verdicts import Problem
from .shared import (
    PICKLES,
    PICTURES,
    Program,
    ending_fits,
    extension_in,
    is_no_preview,
    lines_up,
    one_folder,
    other_width,
)

__all__ = ["A1111", "FORGE", "takes_bundles"]

_ENTRIES = re.compile(r"data/\d+|version|byteorder|\.data/serialization_id|data\.pkl")
_GLOBALS = re.compile(
    r"collections\.OrderedDict"
    r"|torch\._utils\.(_rebuild_tensor_v2|_rebuild_parameter|_rebuild_device_tensor_from_numpy)"
    r"|torch\.((Float|Half|Int|Long|Double|Byte|BFloat16)Storage|float32)"
    r"|torch\.nn\.modules\.container\.ParameterDict"
    r"|numpy\.core\.multiarray\.(scalar|_reconstruct)|numpy\.(dtype|ndarray)|_codecs\.encode|__builtin__\.set"
)
"""What its check of a pickle lets through. Source: modules/safe.py:30-70."""


def _check(facts: FileFacts, _model: str) -> Problem | None:
    if facts.form != "pickle":
        return None
    odd = [entry for entry in facts.entries if not _ENTRIES.fullmatch(entry)]
    if odd:
        return Problem(f"Its check refuses archives with {odd[0]} in them, as a new torch writes.")
    if not facts.entries and any("ParameterDict" in name for name in facts.globals):
        return Problem("Its check refuses a ParameterDict in a pickle of before torch 1.6.")
    names = sorted(name for name in facts.globals if not _GLOBALS.fullmatch(name))
    return Problem(f"Its check refuses pickles that ask for {names[0]}.") if names else None


def _one_or_pair(facts: FileFacts, _model: str) -> Problem | None:
    """Take one tensor of any name, or a plain dict with both clip_l and clip_g, in which more tensors do no harm."""
    if facts.is_trained or facts.has("string_to_param"):
        if facts.is_trained and len(facts.tensors) == 1 and not facts.others:
            return None
        return Problem("string_to_param must be a dict with exactly one tensor.")
    if facts.container != "dict":
        kinds = {"Tensor": "a bare tensor", "list": "a list", "tuple": "a tuple", "OrderedDict": "an OrderedDict"}
        return Problem(f"It takes a plain dict; the file holds {kinds[facts.container]}.")
    if facts.is_pair:
        pair = {key: facts.tensors[key] for key in ("clip_l", "clip_g")}
        for key, tensor in pair.items():
            if tensor.width != ALL_WIDTHS[key]:
                return Problem(f"It fails at {key} of {tensor.width} numbers.")
            if len(tensor.shape) == 1:
                return Problem(f"{key} has one dimension, which it reads as so many vectors.")
        return None
    if facts.single is not None:
        if facts.single.is_parameter:
            return Problem("It takes a plain tensor; the file holds an nn.Parameter.")
        if not facts.others:
            return None
        return Problem(f"A second entry is an error to it; the file has {shorten(facts.others[0])}.")
    shown = ", ".join(shorten(key) for key in list(facts.tensors)[:3]) + (", …" if len(facts.tensors) > 3 else "")
    return Problem(f"A second tensor is an error to it; the file has {shown}.")


def _trained_is_matrix(facts: FileFacts, _model: str) -> Problem | None:
    if facts.is_trained and facts.single is not None and len(facts.single.shape) == 1:
        return Problem("string_to_param holds one dimension, which it reads as so many vectors.")
    return None


def _joint_width(facts: FileFacts) -> int:
    if facts.is_pair:
        return facts.tensors["clip_l"].width + facts.tensors["clip_g"].width
    return facts.widths[0]


def _joint_width_fits(facts: FileFacts, model: str) -> Problem | None:
    if _joint_width(facts) != sum(MODELS[model].widths):
        return other_width(facts, model, [768, 1280] if facts.is_pair else [_joint_width(facts)])
    if len(MODELS[model].clip) > 1 and not facts.is_pair:
        return Problem("It takes one tensor of that width, and fails when the word is used.")
    return None


def _forge_engines(facts: FileFacts, model: str) -> Problem | None:
    """Forge keeps one list per text engine; those of SD 3.5 want 768 and 1280 separately."""
    if model != "sd3":
        return _joint_width_fits(facts, model)
    if facts.is_pair:
        said = "Its two engines for SD 3.5 want 768 and 1280 numbers each, so both put a file of the pair aside."
        return Problem(said, splits=True)
    if facts.widths[0] in (768, 1280):
        return Problem("Only one of its two engines would take it; the other reads the name as text.")
    return other_width(facts, model)


def _old_torch(facts: FileFacts, _model: str) -> str | None:
    if "byteorder" in facts.entries:
        return "Builds before 1.10.1 refuse pickles written by a new torch."
    return None


def _t5_reads_text(_facts: FileFacts, model: str) -> str | None:
    return "T5 reads the name as text." if "t5xxl" in MODELS[model].encoders else None


def takes_bundles(facts: FileFacts) -> bool:
    """Return whether A1111 reads the embeddings that a LoRA carries: it fails at the LoRA where it cannot.

    Source: extensions-builtin/Lora/networks.py:181-199; a name ends at its first dot there.
    """
    parts: dict[str, set[str]] = {}
    for key in facts.tensors:
        if key.startswith(BUNDLE):
            name, _, part = key.removeprefix(BUNDLE).partition(".")
            parts.setdefault(name, set()).add(part)
    return all(
        name in facts.words
        and (len(own) == 1 or {"clip_l", "clip_g"} <= own or any(part.startswith("string_to_param.") for part in own))
        for name, own in parts.items()
    )


_OF_A1111 = (".safetensors", *PICKLES, *PICTURES)

A1111 = Program(
    "A1111",
    ("sd1", "sd2", "sdxl", "sd3"),
    (
        extension_in(*_OF_A1111),
        is_no_preview,
        ending_fits,
        _check,
        _one_or_pair,
        _trained_is_matrix,
        _joint_width_fits,
        lines_up,
    ),
    (_old_torch, _t5_reads_text),
    has_bare_names=True,
)

FORGE = Program(
    "Forge",
    ("sd1", "sd2", "sdxl", "sd3", "flux"),
    (
        extension_in(*_OF_A1111),
        is_no_preview,
        ending_fits,
        one_folder,
        _one_or_pair,
        _trained_is_matrix,
        _forge_engines,
        lines_up,
    ),
    (_t5_reads_text,),
    has_bare_names=True,
)
