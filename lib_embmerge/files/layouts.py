"""The layouts in which embeddings are met: a table, tried in order. A new layout is one more entry.

A layout says whether a file is kept in it, and which tensors are whose: `Held` for each embedding that the file holds.
Sources: FILES of the trainers and loaders as each entry says.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ..errors import FileError, shorten
from ..families import ENCODER_WIDTHS, OTHER_ENCODER_WIDTHS
from .recognition import recognise_keys
from .refusals import refuse_contents, tell_apart
from .stored import ITEM_SIZES, Content, Stored

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ALIASES", "ALL_WIDTHS", "LAYOUTS", "Held", "Layout", "find_embeddings", "is_output"]

ALL_WIDTHS: Mapping[str, int] = MappingProxyType({**ENCODER_WIDTHS, **OTHER_ENCODER_WIDTHS})
"""Widths of all text encoders that files have vectors for."""

ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "text_encoders_0": "clip_l",
        "text_encoders_1": "clip_g",
        "text_encoders_2": "t5xxl",
        "t5": "t5xxl",
        "t5_xxl": "t5xxl",
        "gemma": "gemma2_2b",
    }
)
"""Other words for the encoders. Sources: diffusers' advanced SDXL trainer (save_embeddings); OneTrainer's savers."""

_NUMBERED = "text_encoders_"
"""What begins a name that says only the encoder's place: of SDXL and SD 3 the second is clip_g, of Flux t5xxl."""

JOINED = 2048
"""The width of L's and G's vectors side by side."""

MOST_DEEP = 3
"""How many dicts deep tensors are looked for."""

SAID = ("name", "step", "sd_checkpoint", "sd_checkpoint_name", "string_to_token")
"""What a trained file says of itself beside its vectors. Source: A1111 textual_inversion.py Embedding.save."""

_BUNDLE = re.compile(r"bundle_emb\.(.+?)\.(string_to_param\..+|[A-Za-z0-9_]+)")
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
    content = _with_values(content, content.values)
    for layout in LAYOUTS:
        if layout.fits(content):
            said, notes = _said_beside(content)
            return [replace(one, said=said, notes=(*one.notes, *notes)) for one in layout.find(content)]
    name = content.path.name
    other = _other_kind(content)
    if other is not None:
        raise FileError(f"{name} is {other}, not an embedding.")
    tensors = content.tensors
    if not tensors:
        raise refuse_contents(name, content.values) if content.values else FileError(f"{name} holds no tensors.")
    shown = ", ".join(shorten(key) for key in sorted(tensors)[:3]) + (", …" if len(tensors) > 3 else "")
    sentence = f"{name} holds {len(tensors):,} tensors ({shown}); it is not an embedding."
    raise FileError(f"{sentence}{_first_is_taken(content)}")


def _first_is_taken(content: Content) -> str:
    """Say it where ComfyUI takes vectors from a file all the same. Source: comfy/sd1_clip.py load_embed."""
    key, first = next(iter(content.tensors.items()))
    is_taken = first.width in ALL_WIDTHS.values() and len(first.shape) <= 2 and 0 not in first.shape
    if content.form != "safetensors" or not is_taken:
        return ""
    return f" ComfyUI takes the first, {shorten(key, 30)}, as it does of any file; nothing says that it is one."


def _with_values(content: Content, values: Mapping[Any, Any]) -> Content:
    """Return a file's content with these values, each by a text, and what lies in pieces as one."""
    return replace(content, values={key: _joined_pieces(value) for key, value in tell_apart(values).items()})


def _joined_pieces(value: Any) -> Any:
    """Return a list of tensors, or a dict that numbers them, as the one tensor that they are; all else as it is."""
    pieces = value
    if isinstance(value, Mapping) and [str(key) for key in value] == [str(number) for number in range(len(value))]:
        pieces = list(value.values())
    if not isinstance(pieces, (list, tuple)) or not pieces or not all(isinstance(piece, Stored) for piece in pieces):
        return value
    widths = {piece.width for piece in pieces}
    is_plain = all(piece.is_floating and len(piece.shape) in (1, 2) and not piece.reason for piece in pieces)
    if len(widths) > 1 or not is_plain:
        return value
    width = widths.pop()
    dtype = _common_format({piece.dtype for piece in pieces})
    rows = sum(piece.shape[0] if len(piece.shape) == 2 else 1 for piece in pieces)
    return Stored((rows, width), dtype, partial(_read_pieces, pieces, width, dtype))


def _common_format(dtypes: set[str]) -> str:
    """Return the number format that tensors are joined in: their own, or the one that holds all of theirs."""
    return dtypes.copy().pop() if len(dtypes) == 1 else "float64" if "float64" in dtypes else "float32"


def _read_pieces(pieces: Sequence[Stored], width: int, dtype: str) -> Tensor:
    import torch

    return torch.cat([piece.read().reshape(-1, width).to(getattr(torch, dtype)) for piece in pieces])


def is_output(key: str) -> bool:
    """Return whether a key stands for vectors that belong behind the encoder. Source: OneTrainer's embedding savers."""
    return key.endswith("_out") and (key[:-4] in ALL_WIDTHS or key[:-4] in ALIASES or key[:-4].endswith("_params"))


# --- The layouts ---------------------------------------------------------------------------------------------------


def _has_trained(content: Content) -> bool:
    return isinstance(content.values.get("string_to_param"), Mapping)


def _find_trained(content: Content) -> list[Held]:
    parameters = content.values["string_to_param"]
    parts = {key: _joined_pieces(value) for key, value in tell_apart(parameters).items()}
    found = {key: value for key, value in parts.items() if isinstance(value, Stored)}
    if not found:
        raise refuse_contents(f"{content.path.name}: string_to_param", parameters)
    beside = [key for key, value in content.values.items() if key != "string_to_param" and _has_tensors(value)]
    beside = [key for key in beside if key not in SAID or not _as_text(content.values[key])]
    notes = tuple(f"{content.path.name}: {shorten(key)} was left out." for key in beside[:5])
    name = content.values.get("name")
    token = name if isinstance(name, str) else ""
    if len(found) == 1:
        return [Held("string_to_param", {"": [tensor]}, token, notes) for tensor in found.values()]
    if set(found) <= set(ALL_WIDTHS):
        return [Held("string_to_param", {key: [tensor] for key, tensor in found.items()}, token, notes)]
    return [Held("string_to_param", {"": [tensor]}, key, notes) for key, tensor in found.items()]


def _said_beside(content: Content) -> tuple[dict[str, str], list[str]]:
    """Return what a file says of itself beside its vectors, as texts, and notes on what is left out of that."""
    said, left = {}, []
    for key, value in content.values.items():
        text = _as_text(value) if key in SAID else ""
        if text:
            said[key] = text
        elif value is not None and not (key == "string_to_param" and _has_trained(content)) and not _has_tensors(
            value, depth=MOST_DEEP
        ):
            left.append(f"{content.path.name}: {shorten(key)} was left out.")
    return said, left[:5] + ([f"{content.path.name}: {len(left) - 5} more were left out."] if len(left) > 5 else [])


def _has_tensors(value: Any, depth: int = 1) -> bool:
    """Return whether a value is a tensor, or a dict with one; `depth` says how many dicts deep it may stand."""
    if isinstance(value, Mapping) and depth:
        return any(_has_tensors(one, depth - 1) for one in value.values())
    return isinstance(value, Stored)


def _as_text(value: Any) -> str:
    """Return a text, a number, or words with their numbers as a text; empty for anything else."""
    if isinstance(value, Mapping):
        words = {str(word): _as_number(number) for word, number in value.items()}
        return "" if None in words.values() else json.dumps(words, ensure_ascii=False)
    number = _as_number(value)
    return "" if number is None else str(number)


def _as_number(value: Any) -> str | int | float | None:
    """Return a text or a number, also one that stands in a tensor; None for anything else."""
    is_one = isinstance(value, Stored) and value.shape in ((), (1,)) and not value.reason
    if is_one and value.dtype in ITEM_SIZES and value.dtype != "bool":
        number = value.read().item()
        return number if isinstance(number, (int, float)) else None
    return value if isinstance(value, (str, int, float)) else None


def _find_rows(content: Content) -> list[Held]:
    """Take a list of dicts of one row each, as ComfyUI does: by width. Source: ComfyUI comfy/sd1_clip.py load_embed."""
    if _is_lora_in_pairs([item for row in content.rows for item in row.values()]):
        raise FileError(f"{content.path.name} is a LoRA, not an embedding.")
    columns: dict[str, list[Stored]] = {}
    others: dict[str, None] = {}
    for row in content.rows:
        for key, value in row.items():
            if isinstance(value, Stored) and value.shape:
                columns.setdefault(str(value.width), []).append(value)
            else:
                others[f"{content.path.name}: {shorten(key)} of each row was left out."] = None
    notes = [f"{content.path.name}: {one} in the list was left out." for one in content.beside]
    if not columns:
        raise FileError(f"{content.path.name} holds no vectors.")
    return [Held("a list of rows", columns, notes=(*notes[:5], *list(others)[:5]))]


def _is_lora_in_pairs(items: Sequence[Any]) -> bool:
    """Return whether a list has two matrices of low rank after each other throughout, to be multiplied.

    Source: cloneofsimo/lora lora_diffusion/lora.py save_lora_weight, which gives them no names.
    """
    pairs = list(zip(items[::2], items[1::2], strict=False))
    return bool(pairs) and 2 * len(pairs) == len(items) and all(_is_low_rank(*pair) for pair in pairs)


def _is_low_rank(up: Any, down: Any) -> bool:
    if not isinstance(up, Stored) or not isinstance(down, Stored) or min(len(up.shape), len(down.shape)) < 2:
        return False
    rank = up.shape[1]
    return rank == down.shape[0] and rank < min(up.shape[0], down.shape[1])


def _find_bundles(content: Content) -> list[Held]:
    """Take the embeddings that a LoRA carries. Sources: A1111 extensions-builtin/Lora/networks.py; ComfyUI."""
    file = content.path.name
    by_name: dict[str, dict[str, Stored]] = {}
    for key, tensor in content.tensors.items():
        match = _BUNDLE.fullmatch(key)
        if match is not None:
            by_name.setdefault(match[1], {})[match[2]] = tensor
    is_lora = sum(map(len, by_name.values())) < len(content.tensors)
    note = [f"{file} is a LoRA that carries embeddings; the LoRA itself was left out."] if is_lora else []
    found = []
    for name, tensors in by_name.items():
        inputs = {key: tensor for key, tensor in tensors.items() if not is_output(key)}
        outputs = [key for key in tensors if key not in inputs]
        if not inputs:
            raise _only_behind(file, outputs)
        by_encoder, notes = _by_encoder(file, inputs)
        notes += [_behind(file, outputs)] if outputs else []
        found.append(Held("bundle_emb", by_encoder, name, (*note, *notes)))
    return found


def _by_encoder(file: str, tensors: Mapping[str, Stored]) -> tuple[dict[str, Sequence[Stored]], list[str]]:
    """Return tensors by encoder where their names say it, else by the name; with notes on what is read as another.

    Raises: FileError where an encoder has two.
    """
    found: dict[str, Sequence[Stored]] = {}
    notes = []
    rightly = [key for key, tensor in tensors.items() if ALL_WIDTHS.get(key) == tensor.width]
    for key, tensor in tensors.items():
        encoder, note = _encoder_of(key, tensor.width) if _spelled(key) else (key, "")
        of_that_width = [one for one in rightly if ALL_WIDTHS[one] == tensor.width or one == encoder]
        if key not in rightly and _spelled(key) and of_that_width:
            notes.append(f"{file}: the tensor {shorten(key)} was left out, for {of_that_width[0]} has its own.")
            continue
        if encoder in found:
            raise FileError(f"{file} holds vectors for {encoder} twice.")
        found[encoder] = [tensor]
        notes += [f"{file}: {note}"] if note else []
    return found, notes


def _words_beside_lora(content: Content) -> dict[str, Stored]:
    return {key: tensor for key, tensor in content.tensors.items() if key.startswith("<") and key.endswith(">")}


def _find_beside_lora(content: Content) -> list[Held]:
    """Take the words that a LoRA has beside its tensors. Source: cloneofsimo/lora lora_diffusion/lora.py save_all."""
    note = f"{content.path.name} is a LoRA with embeddings in it; the LoRA itself was left out."
    words = _words_beside_lora(content).items()
    return [Held("words beside a LoRA", {"": [tensor]}, key, (note,)) for key, tensor in words]


def _spelled(key: str) -> str:
    """Return an encoder's name, or another word for it, that a key is, also in capitals or with hyphens; else none."""
    usual = key.lower().replace("-", "_")
    return usual if usual in ALL_WIDTHS or usual in ALIASES else ""


def _named(content: Content) -> dict[str, Stored]:
    """Return the tensors that an encoder's name stands for; those without vectors only where nothing has any."""
    may_hold = {key: value for key, value in content.tensors.items() if _may_hold_vectors(value)}
    return {key: value for key, value in (may_hold or content.tensors).items() if _spelled(key)}


def _may_hold_vectors(tensor: Stored) -> bool:
    """Return whether a tensor may hold vectors; of whole numbers only one that is as wide as an encoder's."""
    is_number = tensor.is_floating or (tensor.is_whole and tensor.width in ALL_WIDTHS.values())
    return bool(tensor.shape) and is_number and 0 not in tensor.shape


def _find_named(content: Content) -> list[Held]:
    """Take tensors by encoders' names; a name whose width is another CLIP encoder's, by its width."""
    notes = _left_out(content, _named(content))
    tensors, more = _by_encoder(content.path.name, _named(content))
    return [Held(", ".join(_named(content)), tensors, notes=(*notes, *more))]


def _encoder_of(key: str, width: int) -> tuple[str, str]:
    """Return the encoder that a key means, and a note where it is another than it says."""
    usual = _spelled(key)
    said = ALIASES.get(usual, usual)
    if ALL_WIDTHS[said] == width:
        return said, "" if said == key else f"{key} is read as {said}."
    others = [*ENCODER_WIDTHS, *(["t5xxl"] if key.startswith(_NUMBERED) else [])]
    fitting = [encoder for encoder in others if ALL_WIDTHS[encoder] == width]
    if (said in ENCODER_WIDTHS or key.startswith(_NUMBERED)) and fitting:
        return fitting[0], f"{key} holds vectors of {width} numbers, which are {fitting[0]}'s; it is read as that."
    return said, ""


def _left_out(content: Content, taken: Mapping[str, Stored]) -> list[str]:
    name = content.path.name
    outputs = [key for key in content.tensors if is_output(key)]
    said = [key for key in SAID if _as_text(content.values.get(key))]
    others = [key for key in content.tensors if key not in taken and key not in outputs and key not in said]
    notes = [f"{name}: the tensor {shorten(key)} was left out." for key in others[:5]]
    notes += [f"{name}: {len(others) - 5} more tensors were left out."] if len(others) > 5 else []
    return [*notes, _behind(name, outputs)] if outputs else notes


def _behind(file: str, outputs: Sequence[str]) -> str:
    shown = f"{' and '.join(outputs)} {'was' if len(outputs) == 1 else 'were'} left out"
    return f"{file}: {shown}; such vectors belong behind the text encoder, where nothing is put."


def _inputs(content: Content) -> dict[str, Stored]:
    """The tensors that may be an embedding: not for behind the encoder, and no single number where there are others."""
    found = {key: tensor for key, tensor in content.tensors.items() if not is_output(key)}
    vectors = {key: tensor for key, tensor in found.items() if _may_hold_vectors(tensor)}
    return {key: tensor for key, tensor in vectors.items() if tensor.is_floating} or vectors or found


def _single(content: Content) -> dict[str, Stored]:
    inputs = _inputs(content)
    if _is_by_width(content):
        return inputs
    return {key: inputs[key] for key in ("emb_params", "emp_params") if key in inputs} or inputs


def _may_be(content: Content) -> bool:
    """Return whether there are tensors, and none is called as those of other kinds of files are."""
    return bool(content.tensors) and _other_kind(content) is None


def _other_kind(content: Content) -> str | None:
    """Return what other kind of file its keys tell. A checkpoint's state_dict is a dict, never a tensor."""
    return recognise_keys(key for key, value in content.values.items() if not _is_tensor_called(key, value))


def _is_tensor_called(key: str, value: Any) -> bool:
    return key == "state_dict" and isinstance(value, Stored)


def _find_single(content: Content) -> list[Held]:
    ((key, tensor),) = _single(content).items()
    notes = tuple(_left_out(content, {key: tensor}))
    if key in ("emb_params", "emp_params"):
        return [Held(key, {"": [tensor]}, notes=notes)]
    return [Held(f"one tensor named {shorten(key)!r}" if key else "a bare tensor", {"": [tensor]}, key, notes)]


def _only_outputs(content: Content) -> bool:
    return bool(content.tensors) and not _inputs(content) and not content.rows


def _refuse_outputs(content: Content) -> list[Held]:
    raise _only_behind(content.path.name, list(content.tensors))


def _only_behind(file: str, outputs: Sequence[str]) -> FileError:
    shown = ", ".join(shorten(key, 30) for key in outputs[:3]) + (", …" if len(outputs) > 3 else "")
    return FileError(
        f"{file} holds vectors for behind the text encoder only ({shown}), an input of no program."
        " Those that take a tensor of any name load them, and they mean nothing there."
    )


def _is_by_width(content: Content) -> bool:
    widths = [tensor.width for tensor in _inputs(content).values()]
    known = all(width in ENCODER_WIDTHS.values() for width in widths)
    return bool(widths) and known and len(set(widths)) == len(widths)


def _is_by_known_width(content: Content) -> bool:
    """Return whether every tensor has another width, CLIP's and other encoders': whose those are has to be asked."""
    inputs = _inputs(content)
    widths = [tensor.width for tensor in inputs.values()]
    is_known = set(widths) <= set(ALL_WIDTHS.values()) and bool(set(widths) & set(ENCODER_WIDTHS.values()))
    is_plain = all(len(tensor.shape) <= 2 and not _PART.search(key) for key, tensor in inputs.items())
    return is_known and is_plain and len(set(widths)) == len(widths)


def _find_by_width(content: Content) -> list[Held]:
    """Take several tensors under unknown names where every one has another encoder's width, as SD.Next does."""
    return [Held("one tensor for each width", {key: [tensor] for key, tensor in _inputs(content).items()})]


def _is_tokens(content: Content) -> bool:
    inputs = _inputs(content)
    return (
        all(
            _may_hold_vectors(tensor)
            and tensor.width in ENCODER_WIDTHS.values()
            and len(tensor.shape) <= 2
            and not _PART.search(key)
            for key, tensor in inputs.items()
        )
        and _other_kind(replace(content, values=inputs)) is None
    )


def _find_tokens(content: Content) -> list[Held]:
    """Take several words' vectors in one file. Source: cloneofsimo/lora lora_diffusion/lora.py save_all."""
    return [Held("one tensor for each word", {"": [tensor]}, key) for key, tensor in _inputs(content).items()]


def _inner(content: Content) -> Content | None:
    """Return what a file holds one level deeper, where there is nothing above it."""
    parts = [part for part in content.values.values() if isinstance(part, Mapping)]
    with_tensors = [part for part in parts if _has_tensors(part)]
    has_vectors = any(tensor.shape and tensor.is_floating for tensor in content.tensors.values())
    others = [key for key in content.values if key != "state_dict"]  # of a checkpoint, or of anything else
    if not with_tensors and not has_vectors and not content.rows:
        return _far_inside(content)
    if has_vectors or content.rows or len(with_tensors) != 1 or recognise_keys(others) is not None:
        return None
    inner = _with_values(content, with_tensors[0])
    return inner if any(layout.fits(inner) for layout in LAYOUTS) else None


def _far_inside(content: Content) -> Content | None:
    """Return what a file holds several levels deeper, where each has one dict and its keys say that it is one."""
    for _ in range(MOST_DEEP):
        parts = [part for part in content.values.values() if isinstance(part, Mapping)]
        if len(parts) != 1:
            return None
        content = _with_values(content, parts[0])
        if _has_trained(content) or _named(content) or {"emb_params", "emp_params"} & content.tensors.keys():
            return content
    return None


def _words_with_encoders(content: Content) -> dict[str, Content]:
    """Return what a file holds by word, where each word has tensors by encoders' names, and there is nothing else."""
    parts = {key: _with_values(content, part) for key, part in content.values.items() if isinstance(part, Mapping)}
    is_all = len(parts) == len(content.values) > 1 and not content.rows
    return parts if is_all and all(_has_only_encoders(part) for part in parts.values()) else {}


def _has_only_encoders(content: Content) -> bool:
    return bool(content.values) and content.values.keys() == _named(content).keys()


def _find_words_with_encoders(content: Content) -> list[Held]:
    return [
        replace(one, token=key) for key, part in _words_with_encoders(content).items() for one in _find_named(part)
    ]


def _find_deeper(content: Content) -> list[Held]:
    inner = _inner(content)
    assert inner is not None
    notes = tuple(f"{content.path.name}: {shorten(key)} was left out." for key in content.tensors)
    return [replace(one, notes=(*one.notes, *notes[:5])) for one in find_embeddings(inner)]


LAYOUTS: Sequence[Layout] = (
    Layout("a trained file", _has_trained, _find_trained),
    Layout("a list of rows", lambda content: bool(content.rows), _find_rows),
    Layout("a LoRA's bundle", lambda content: any(map(_BUNDLE.fullmatch, content.tensors)), _find_bundles),
    Layout(
        "words beside a LoRA",
        lambda content: bool(_words_beside_lora(content)) and _other_kind(content) == "a LoRA",
        _find_beside_lora,
    ),
    Layout("vectors behind the encoder only", _only_outputs, _refuse_outputs),
    Layout("encoders by name", lambda content: bool(_named(content)), _find_named),
    Layout(
        "encoders by name for each word",
        lambda content: bool(_words_with_encoders(content)),
        _find_words_with_encoders,
    ),
    Layout("one level deeper", lambda content: _inner(content) is not None, _find_deeper),
    Layout("one tensor", lambda content: len(_single(content)) == 1 and _may_be(content), _find_single),
    Layout(
        "one tensor for each width", lambda content: _may_be(content) and _is_by_width(content), _find_by_width
    ),
    Layout(
        "one tensor for each known width",
        lambda content: _may_be(content) and _is_by_known_width(content),
        _find_by_width,
    ),
    Layout("several words", lambda content: bool(content.tensors) and _is_tokens(content), _find_tokens),
)
"""The layouts in the order in which they are tried."""
