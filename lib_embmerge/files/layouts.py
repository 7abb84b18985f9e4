"""The layouts in which embeddings are met: a table, tried in order. A new layout is one more entry.

A layout says whether a file is kept in it, and which tensors are whose: `Held` for each embedding that the file holds.
Sources: FILES of the trainers and loaders as each entry says.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from ..errors import FileError
from ..families import ENCODER_WIDTHS, OTHER_ENCODER_WIDTHS
from .recognition import recognise_keys
from .stored import Content, Stored

__all__ = ["ALIASES", "ALL_WIDTHS", "LAYOUTS", "Held", "Layout", "find_embeddings", "is_output"]

ALL_WIDTHS: Mapping[str, int] = MappingProxyType({**ENCODER_WIDTHS, **OTHER_ENCODER_WIDTHS})
"""Widths of all text encoders that files have vectors for."""

ALIASES: Mapping[str, str] = MappingProxyType(
    {"text_encoders_0": "clip_l", "text_encoders_1": "clip_g", "t5": "t5xxl", "gemma": "gemma2_2b"}
)
"""Other words for the encoders. Sources: diffusers' advanced SDXL trainer (save_embeddings); OneTrainer's savers."""

JOINED = 2048
"""The width of L's and G's vectors side by side."""

SAID = ("name", "step", "sd_checkpoint", "sd_checkpoint_name", "string_to_token")
"""What a trained file says of itself beside its vectors. Source: A1111 textual_inversion.py Embedding.save."""

_BUNDLE = re.compile(r"bundle_emb\.(.+)\.(string_to_param\.\*|[a-z0-9_]+)")
_PART = re.compile(r"(?:^|[._])(weight|bias|alpha|scale|step)$")


@dataclass(frozen=True)
class Held:
    """One embedding of a file, its numbers not read yet.

    `tensors` is by encoder, or by any key where the width has to tell; each is the pieces of which its rows are made.
    `token` is the file's word for it, `said` what else it says of it, `notes` what was left out or mended.
    """

    layout: str
    tensors: Mapping[str, Sequence[Stored]]
    token: str = ""
    notes: tuple[str, ...] = ()
    said: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Layout:
    """A way to keep embeddings: its name, whether a file is kept so, and what is in it."""

    name: str
    fits: Callable[[Content], bool]
    find: Callable[[Content], list[Held]]


def find_embeddings(content: Content) -> list[Held]:
    """Return the embeddings that a file holds.

    Raises: FileError where it holds none, and says what it is where that can be told.
    """
    for layout in LAYOUTS:
        if layout.fits(content):
            return layout.find(content)
    name = content.path.name
    kind = recognise_keys(content.values)
    if kind is not None:
        raise FileError(f"{name} is {kind}, not an embedding.")
    tensors = content.tensors
    if not tensors:
        raise FileError(f"{name} holds no tensors.")
    shown = ", ".join(_short(key) for key in sorted(tensors)[:3]) + (", …" if len(tensors) > 3 else "")
    raise FileError(f"{name} holds {len(tensors):,} tensors ({shown}); it is not an embedding.")


def is_output(key: str) -> bool:
    """Return whether a key stands for vectors that belong behind the encoder. Source: OneTrainer's embedding savers."""
    return key.endswith("_out") and (key[:-4] in ALL_WIDTHS or key[:-4] in ALIASES or key[:-4].endswith("_params"))


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:39]}…"


# --- The layouts ---------------------------------------------------------------------------------------------------


def _has_trained(content: Content) -> bool:
    return isinstance(content.values.get("string_to_param"), Mapping)


def _find_trained(content: Content) -> list[Held]:
    parameters = content.values["string_to_param"]
    found = {str(key): value for key, value in parameters.items() if isinstance(value, Stored)}
    if not found:
        raise FileError(f"{content.path.name}: string_to_param holds no tensor.")
    notes = tuple(
        f"{content.path.name}: {_short(key)} was left out."
        for key in content.values
        if key not in (*SAID, "string_to_param")
    )
    name = content.values.get("name")
    if len(found) == 1:
        token = name if isinstance(name, str) else ""
        return [Held("string_to_param", {"": [tensor]}, token, notes, _said(content)) for tensor in found.values()]
    return [Held("string_to_param", {"": [tensor]}, key, notes, _said(content)) for key, tensor in found.items()]


def _said(content: Content) -> dict[str, str]:
    """Return what a trained file says of itself, as texts."""
    said = {}
    for key in SAID:
        value = content.values.get(key)
        if isinstance(value, (str, int, float)):
            said[key] = str(value)
        elif isinstance(value, Mapping):
            numbers = {str(word): number for word, number in value.items() if isinstance(number, (int, str))}
            said |= {key: json.dumps(numbers, ensure_ascii=False)} if numbers else {}
    return said


def _find_rows(content: Content) -> list[Held]:
    """Take a list of dicts of one row each, as ComfyUI does: by width. Source: ComfyUI comfy/sd1_clip.py load_embed."""
    columns: dict[str, list[Stored]] = {}
    for row in content.rows:
        for value in row.values():
            if isinstance(value, Stored):
                columns.setdefault(str(value.width), []).append(value)
    return [Held("a list of rows", columns)]


def _find_bundles(content: Content) -> list[Held]:
    """Take the embeddings that a LoRA carries. Sources: A1111 extensions-builtin/Lora/networks.py; ComfyUI."""
    by_name: dict[str, dict[str, list[Stored]]] = {}
    for key, tensor in content.tensors.items():
        match = _BUNDLE.fullmatch(key)
        if match is not None:
            encoder = match[2] if match[2] in ALL_WIDTHS else ""
            by_name.setdefault(match[1], {}).setdefault(encoder, []).append(tensor)
    note = f"{content.path.name} is a LoRA that carries embeddings; the LoRA itself was left out."
    return [Held("bundle_emb", tensors, name, (note,)) for name, tensors in by_name.items()]


def _words_beside_lora(content: Content) -> dict[str, Stored]:
    return {key: tensor for key, tensor in content.tensors.items() if key.startswith("<") and key.endswith(">")}


def _find_beside_lora(content: Content) -> list[Held]:
    """Take the words that a LoRA has beside its tensors. Source: cloneofsimo/lora lora_diffusion/lora.py save_all."""
    note = f"{content.path.name} is a LoRA with embeddings in it; the LoRA itself was left out."
    words = _words_beside_lora(content).items()
    return [Held("words beside a LoRA", {"": [tensor]}, key, (note,)) for key, tensor in words]


def _named(content: Content) -> dict[str, Stored]:
    return {key: value for key, value in content.tensors.items() if key in ALL_WIDTHS or key in ALIASES}


def _find_named(content: Content) -> list[Held]:
    """Take tensors by encoders' names; a name whose width is another CLIP encoder's, by its width."""
    notes = _left_out(content, _named(content))
    tensors: dict[str, Sequence[Stored]] = {}
    for key, tensor in _named(content).items():
        encoder, note = _encoder_of(key, tensor.width)
        if encoder in tensors:
            raise FileError(f"{content.path.name} holds vectors for {encoder} twice.")
        tensors[encoder] = [tensor]
        notes += [f"{content.path.name}: {note}"] if note else []
    return [Held(", ".join(_named(content)), tensors, notes=tuple(notes))]


def _encoder_of(key: str, width: int) -> tuple[str, str]:
    """Return the encoder that a key means, and a note where it is another than it says."""
    said = ALIASES.get(key, key)
    if ALL_WIDTHS[said] == width:
        return said, "" if said == key else f"{key} is read as {said}."
    fitting = [encoder for encoder, its in ENCODER_WIDTHS.items() if its == width]
    if said in ENCODER_WIDTHS and fitting:
        return fitting[0], f"{key} holds vectors of {width} numbers, which are {fitting[0]}'s; it is read as that."
    return said, ""


def _left_out(content: Content, taken: Mapping[str, Stored]) -> list[str]:
    name = content.path.name
    outputs = [key for key in content.tensors if is_output(key)]
    others = [key for key in content.tensors if key not in taken and key not in outputs]
    notes = [f"{name}: the tensor {_short(key)} was left out." for key in others[:5]]
    notes += [f"{name}: {len(others) - 5} more tensors were left out."] if len(others) > 5 else []
    if outputs:
        shown = f"{' and '.join(outputs)} {'was' if len(outputs) == 1 else 'were'} left out"
        notes.append(f"{name}: {shown}; such vectors belong behind the text encoder, where nothing is put.")
    return notes


def _inputs(content: Content) -> dict[str, Stored]:
    """The tensors that may be an embedding: two-dimensional or so, and not for behind the encoder."""
    return {key: tensor for key, tensor in content.tensors.items() if not is_output(key)}


def _single(content: Content) -> dict[str, Stored]:
    inputs = _inputs(content)
    return {key: inputs[key] for key in ("emb_params", "emp_params") if key in inputs} or inputs


def _may_be(content: Content) -> bool:
    """Return whether there are tensors, and none is called as those of other kinds of files are."""
    return bool(content.tensors) and recognise_keys(content.values) is None


def _find_single(content: Content) -> list[Held]:
    ((key, tensor),) = _single(content).items()
    notes = tuple(_left_out(content, {key: tensor}))
    if key in ("emb_params", "emp_params"):
        return [Held(key, {"": [tensor]}, notes=notes)]
    return [Held(f"one tensor named {_short(key)!r}" if key else "a bare tensor", {"": [tensor]}, key, notes)]


def _only_outputs(content: Content) -> bool:
    return bool(content.tensors) and not _inputs(content) and not content.rows


def _refuse_outputs(content: Content) -> list[Held]:
    raise FileError(
        f"{content.path.name} holds vectors for behind the text encoder only ({', '.join(content.tensors)});"
        " no program puts such in, and they cannot be made into others."
    )


def _is_by_width(content: Content) -> bool:
    widths = [tensor.width for tensor in _inputs(content).values()]
    known = all(width in ENCODER_WIDTHS.values() for width in widths)
    return bool(widths) and known and len(set(widths)) == len(widths)


def _find_by_width(content: Content) -> list[Held]:
    """Take several tensors under unknown names where every one has another encoder's width, as SD.Next does."""
    return [Held("one tensor for each width", {key: [tensor] for key, tensor in _inputs(content).items()})]


def _is_tokens(content: Content) -> bool:
    inputs = _inputs(content)
    return (
        all(
            tensor.is_floating
            and tensor.width in ENCODER_WIDTHS.values()
            and len(tensor.shape) <= 2
            and not _PART.search(key)
            for key, tensor in inputs.items()
        )
        and recognise_keys(inputs) is None
    )


def _find_tokens(content: Content) -> list[Held]:
    """Take several words' vectors in one file. Source: cloneofsimo/lora lora_diffusion/lora.py save_all."""
    return [Held("one tensor for each word", {"": [tensor]}, key) for key, tensor in _inputs(content).items()]


LAYOUTS: Sequence[Layout] = (
    Layout("a trained file", _has_trained, _find_trained),
    Layout("a list of rows", lambda content: bool(content.rows), _find_rows),
    Layout("a LoRA's bundle", lambda content: any(map(_BUNDLE.fullmatch, content.tensors)), _find_bundles),
    Layout(
        "words beside a LoRA",
        lambda content: bool(_words_beside_lora(content)) and recognise_keys(content.values) == "a LoRA",
        _find_beside_lora,
    ),
    Layout("vectors behind the encoder only", _only_outputs, _refuse_outputs),
    Layout("encoders by name", lambda content: bool(_named(content)), _find_named),
    Layout("one tensor", lambda content: len(_single(content)) == 1 and _may_be(content), _find_single),
    Layout(
        "one tensor for each width", lambda content: _may_be(content) and _is_by_width(content), _find_by_width
    ),
    Layout("several words", lambda content: bool(content.tensors) and _is_tokens(content), _find_tokens),
)
"""The layouts in the order in which they are tried."""
