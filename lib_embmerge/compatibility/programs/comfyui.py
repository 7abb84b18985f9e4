"""ComfyUI, and SwarmUI on top of it.

Source: ComfyUI comfy/sd1_clip.py load_embed, run on files of every kind and names with every sign; SwarmUI
src/Text2Image/T2IModel.cs, T2IModelHandler.cs and T2IPromptHandling.cs, run too.
"""

from __future__ import annotations

import re

from ...errors import shorten
from ...families import GROUPS, group_of
from ...files.layouts import ALL_WIDTHS
from ..facts import MODELS, FileFacts, TensorFacts
from ..verdicts import Problem
from .shared import Program, check_dimensions_of_one, first_word, lies_deeper, lines_up, other_width, plain_only

__all__ = ["COMFYUI", "SWARMUI", "can_stand_bare"]

_ENDS = re.compile(r"[\s\[<]")
_WEIGHTS = re.compile(r"[()]")
_WITHOUT_FOLDER = frozenset(["auraflow", "lumina2", "qwen-image", "omnigen2", "wan"])
"""Families whose tokenizer is handed no folder: of the classes in comfy/text_encoders, made with one, it has none."""


def can_stand_bare(name: str) -> bool:
    """Return whether `embedding:name` can be written just so: nothing in the name ends it or is a weight's."""
    return _ENDS.search(name) is None and _WEIGHTS.search(name) is None


def _name(facts: FileFacts, _model: str) -> Problem | None:
    """`embedding:name` ends at a blank, in new versions also at `<` and `[`; commas and colons are of the name."""
    match = _ENDS.search(facts.name)
    if match is None:
        return None
    character = "a blank" if match[0].isspace() else match[0]
    return Problem(f"embedding:{facts.name} cannot be written: the name ends at {character}.")


def _brackets(facts: FileFacts, _model: str) -> str | None:
    if _WEIGHTS.search(facts.name):
        written = _WEIGHTS.sub(r"\\\g<0>", facts.name)
        return f"Write embedding:{written} in prompts: brackets without a backslash are weights."
    return None


_ADDS = (".safetensors", ".pt", ".bin")
"""Endings that a name may stand without."""


def _form(facts: FileFacts, _model: str) -> Problem | None:
    """Take for safetensors what is called so in any letters, everything else for a pickle."""
    wanted = "safetensors" if facts.extension == ".safetensors" else "pickle"
    if not facts.form or facts.form == wanted:
        return None
    called = f"called {facts.extension}" if facts.extension else "without an ending"
    return Problem(f"It opens a file {called} as a {wanted}; this is a {facts.form}.")


def _ending(facts: FileFacts, _model: str) -> str | None:
    if not facts.ending or facts.ending in _ADDS:
        return None
    return f"Write embedding:{facts.name}{facts.ending}; without an ending only {', '.join(_ADDS)} are found."


def _container(facts: FileFacts, _model: str) -> Problem | None:
    if facts.container == "Tensor":
        return Problem("It fails at a bare tensor; it wants one with a name.")
    if facts.container == "tuple":
        return Problem("It fails at a tuple.")
    if facts.container == "list" and not facts.is_plain:
        return Problem("It fails at a list that holds anything but dicts of tensors.")
    if not facts.is_trained and not facts.is_plain:
        return Problem("It fails at a key that is no text.")
    return None


def _raw(facts: FileFacts, model: str) -> Problem | None:
    """Of an archive that torch refuses it takes the last storage. Source: comfy/sd1_clip.py safe_load_embed_zip."""
    problem = plain_only(facts, model)
    if problem is None:
        return None
    if not facts.entries:
        return problem
    stored = [size for name, size in facts.entries.items() if "data/" in name and size >= 4 * 768]
    if not stored:
        return Problem(f"{problem.reason} It then looks for the bytes themselves, and finds none.")
    last = list(facts.tensors.values())[-1]
    width = 768 if stored[-1] // 4 % 768 == 0 else 1024
    is_whole = stored[-1] == 4 * last.rows * last.width
    if is_whole and last.dtype == "float32" and last.width == width and not facts.is_pair:
        return None
    return Problem(f"{problem.reason} It then takes the bytes for float32 vectors of {width} numbers.")


def _deeper(facts: FileFacts, model: str) -> Problem | None:
    """Refuse what has no tensor at the first level, unless torch refuses the archive, and its bytes are the vectors."""
    clean = facts.repaired.get("convert", ())
    stored = [size for name, size in facts.entries.items() if "data/" in name and size >= 4 * 768]
    if plain_only(facts, model) is None or len(clean) != 1 or not stored or clean[0].single is None:
        return lies_deeper(facts, model)
    is_whole = stored[-1] == 4 * clean[0].single.rows * clean[0].single.width
    is_read = is_whole and [clean[0].single.width] == MODELS[model].widths and clean[0].single.width in (768, 1024)
    return None if is_read else lies_deeper(facts, model)


def _tensor(facts: FileFacts, encoder: str) -> TensorFacts | None:
    """Return the tensor that an encoder takes: by name, of a LoRA's bundle, by width of a list, else the first.

    None where what it takes is no tensor.
    """
    if facts.is_trained:
        return _first(facts)
    if facts.container == "list":
        return next((tensor for tensor in facts.tensors.values() if tensor.width == ALL_WIDTHS[encoder]), None)
    if encoder in facts.tensors:
        return facts.tensors[encoder]
    if facts.is_lora:
        for ending in (".string_to_param.*", f".{encoder}"):
            bundled = [tensor for key, tensor in facts.tensors.items() if key.endswith(ending)]
            if bundled:
                return bundled[0]
    return _first(facts)


def _first(facts: FileFacts) -> TensorFacts | None:
    return None if facts.first is None else facts.tensors.get(facts.first)


def _takes(facts: FileFacts, encoder: str) -> bool:
    tensor = _tensor(facts, encoder)
    return tensor is not None and tensor.width == ALL_WIDTHS[encoder] and 0 not in tensor.shape


def _fails(facts: FileFacts, model: str) -> Problem | None:
    """Refuse what one of a family's tokenizers fails at, which ends the whole prompt."""
    if facts.has("string_to_param") and not facts.is_trained:
        return Problem("It fails at string_to_param that is no dict.")
    if plain_only(facts, model) is not None:
        return None  # it takes the bytes, whatever stands where
    first = f"It takes what stands first in the file, {shorten(facts.first or '')}, and fails"
    for encoder in MODELS[model].encoders:
        tensor = _tensor(facts, encoder)
        if tensor is None and facts.container == "list":
            return Problem(f"It fails at a list without vectors of {ALL_WIDTHS[encoder]} numbers, for {encoder}.")
        if tensor is None:
            return Problem(f"{first}: that is no tensor.")
        if not tensor.shape or (not tensor.width and tensor.shape != (0, 0)):
            return Problem(f"{first}: that holds no vectors.")
    return None


def _shapes(facts: FileFacts, model: str) -> Problem | None:
    """Refuse no vectors, and more dimensions than it reads, in what it takes alone."""
    for encoder in MODELS[model].encoders:
        tensor = _tensor(facts, encoder)
        if tensor is None or tensor.width != ALL_WIDTHS[encoder]:
            continue
        taken = {key: one for key, one in facts.by_encoder.items() if one is tensor} or {"The tensor": tensor}
        if (problem := check_dimensions_of_one(taken)) is not None:
            return problem
    return None


def _widths(facts: FileFacts, model: str) -> Problem | None:
    target = MODELS[model]
    if model in _WITHOUT_FOLDER:
        return Problem(f"It knows {target.encoders[0]}, but hands that encoder no folder of embeddings.")
    taken = [encoder for encoder in target.encoders if _takes(facts, encoder)]
    if set(target.clip or target.encoders) <= set(taken) or set(taken) - set(target.clip):
        return None
    if taken:
        return Problem(f"Only {taken[0]} takes it; for the other it drops the vectors.")
    return other_width(facts, model)


def _not_all(facts: FileFacts, model: str) -> str | None:
    """Say which kinds of encoders get no vectors, where others do."""
    encoders = MODELS[model].encoders
    missing = [encoder for encoder in encoders if not _takes(facts, encoder)]
    if not missing:
        return None
    if set(missing) & set(MODELS[model].clip):
        taking = " and ".join(_title(encoder) for encoder in encoders if encoder not in missing)
        get = "gets" if len(encoders) - len(missing) == 1 else "get"
        return f"Only {taking} {get} vectors; ComfyUI prints that the others ignored them."
    kinds = " and ".join(map(_title, missing))
    return f"{kinds} {'gets' if len(missing) == 1 else 'get'} no vectors; ComfyUI prints that it ignored them."


def _title(encoder: str) -> str:
    return GROUPS[group_of(encoder)]


def _new(_facts: FileFacts, model: str) -> str | None:
    if model in ("z-image", "klein-4b", "klein-9b", "anima", "flux2"):
        return "ComfyUI hands this encoder its folder of embeddings since about February 2026."
    return None


def _twins(facts: FileFacts, _model: str) -> str | None:
    if facts.name in facts.neighbours and not facts.twins:  # those are its remark already
        return "Another subfolder has a file of that name; which of them is used changes from start to start."
    return None


def _unequal(facts: FileFacts, model: str) -> str | None:
    problem = lines_up(facts, model)
    return None if problem is None else problem.reason.replace("so the prompt shifts", "which each reads for itself")


def _bundles(facts: FileFacts, _model: str) -> str | None:
    if len(facts.words) > 1 and facts.is_lora:
        return f"It puts the LoRA's {len(facts.words)} embeddings one behind the other; convert makes a file of each."
    return None


_SWARM_LISTS = (".safetensors", ".sft", ".ckpt", ".pt", ".pth", ".bin")


def _swarm_listed(facts: FileFacts, _model: str) -> Problem | None:
    """It lists names of these endings in small letters, and hands ComfyUI the name with its ending.

    Source: src/Text2Image/T2IModel.cs:55-58, T2IModelHandler.cs:810-841, T2IPromptHandling.cs:474-505.
    """
    ending = facts.ending or facts.extension
    return None if ending in _SWARM_LISTS else Problem(f"It lists {', '.join(_SWARM_LISTS)}, not {ending or 'others'}.")


def _swarm_name(facts: FileFacts, _model: str) -> Problem | None:
    if " " in facts.name:
        return Problem(f"<embed:{facts.name}> fails: a name with a blank is cut off there.")
    if _WEIGHTS.search(facts.name):
        return Problem(f"<embed:{facts.name}> fails: ComfyUI gets the brackets as they are, and reads them as weights.")
    return None


_FORMS = (_form, _container, _raw, _fails)

COMFYUI = Program(
    "ComfyUI",
    tuple(MODELS),
    (*_FORMS, _name, _widths),
    (_ending, _brackets, _not_all, _new, _twins, _unequal, _bundles, first_word),
    shapes=_shapes,
    deeper=_deeper,
)

SWARMUI = Program(
    "SwarmUI",
    tuple(MODELS),
    (_swarm_listed, *_FORMS, _swarm_name, _name, _widths),
    (_not_all, _new, _twins, _unequal, _bundles, first_word),
    shapes=_shapes,
    deeper=_deeper,
)
