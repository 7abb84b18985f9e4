"""The token tables of T5 and language models in files: which encoder's they are, and what lies beside them.

A table is found by the end of its key. Whose it is says the model's own configuration where that lies beside the file,
else the layers that stand with it: the widths of several encoders are the same.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import FileError
from ..families import ENCODERS, GROUPS, EncoderKind
from .gguf_header import check_gguf_header
from .paths import is_file, is_folder, read_small_text
from .safetensors_reader import TensorEntry, TensorFile

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ENDINGS", "GgufFile", "find_language_table", "find_tokenizer_beside", "name_language_encoder", "open_gguf"]

ENDINGS = ("shared.weight", "embed_tokens.weight", "token_embd.weight")
"""Of T5, of language models, and of both in GGUF; where a file has two, the first."""

MULTILINGUAL = 200_000
"""Rows from which on a T5 is UMT5, whose tokenizer is another one: 256,384, where T5 has 32,128, Pile-T5, too."""

_SECOND_BLOCK = re.compile(r"(^|\.)(encoder\.block|enc\.blk)\.1\.")
_DISTANCES = re.compile(r"relative_attention_bias|attn_rel_b")
"""A T5's second block, and its bias for the distance of tokens, in the names of transformers and of GGUF."""

GROUP_OF_TYPE: Mapping[str, str] = {
    "t5": "t5",
    "t5encoder": "t5",
    "umt5": "umt5",
    "gemma2": "gemma2",
    "gemma3": "gemma3",
    "gemma3_text": "gemma3",
    "qwen2": "qwen25",
    "qwen2_5_vl": "qwen25",
    "qwen2vl": "qwen25",
    "qwen3": "qwen3",
    "qwen3vl": "qwen3",
    "qwen3_vl": "qwen3",
    "mistral3": "mistral3",
    "llama": "llama",
}
"""Tokenizer groups by `model_type` of transformers' config.json, and `general.architecture` of GGUF."""

TOKENIZER_FILES = ("tokenizer.json", "spiece.model", "tokenizer.model", "vocab.json")
"""What a tokenizer's file is called: `tokenizers`' own form, SentencePiece's, and a vocabulary with `merges.txt`."""


@dataclass(frozen=True)
class GgufFile(TensorFile):
    """A GGUF file."""

    stored: Mapping[str, Any] = field(repr=False)
    """The package's own objects, by the tensor's name."""

    def read_rows(self, name: str, ids: Sequence[int]) -> Tensor:
        """Read rows of a matrix as they are computed with: (len(ids), columns), float32."""
        import numpy as np
        import torch
        from gguf.quants import dequantize  # type: ignore[import-not-found, unused-ignore]

        tensor = self.stored[name]
        packed = tensor.data[np.asarray(ids, dtype=np.int64)]
        rows = dequantize(packed, tensor.tensor_type).reshape(len(ids), -1)
        return torch.from_numpy(np.ascontiguousarray(rows, dtype=np.float32))


def open_gguf(path: Path) -> GgufFile:
    """Read a GGUF file's header.

    Raises: FileError where the `gguf` package is missing, or the file is none.
    """
    try:
        # By name: an empty folder that is called gguf can be imported, too.
        from gguf import GGUFReader  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        raise FileError(
            f"{path.name} is a GGUF file; to read it the package gguf is needed.", suggestion="pip install gguf"
        ) from None
    try:
        check_gguf_header(path)
    except (ValueError, OSError) as error:
        raise FileError(f"{path.name} cannot be read as GGUF: {error}.") from error
    try:
        reader = GGUFReader(path)
        status = path.stat()
        with path.open("rb") as file:
            header = hashlib.sha256(file.read(reader.data_offset)).hexdigest()
    except (ValueError, OSError, IndexError, KeyError) as error:
        raise FileError(
            f"{path.name} is damaged, or of a kind of GGUF that the installed package gguf does not know."
        ) from error
    architecture = reader.fields.get("general.architecture")
    metadata = {"general.architecture": str(architecture.contents())} if architecture is not None else {}
    shapes = {tensor.name: tuple(int(n) for n in reversed(tensor.shape)) for tensor in reader.tensors}
    entries = {name: TensorEntry("F32", shape, 0, 0) for name, shape in shapes.items()}
    stored = {tensor.name: tensor for tensor in reader.tensors}
    stamp = (status.st_size, status.st_mtime_ns)
    return GgufFile(path, entries, metadata, status.st_size, header, stamp, stored)


def find_language_table(tensors: Mapping[str, TensorEntry]) -> str | None:
    """Return the key of the token table of T5 or a language model; None where there is none."""
    for ending in ENDINGS:
        found = sorted(
            (key for key, entry in tensors.items() if _ends_with(key, ending) and len(entry.shape) == 2), key=len
        )
        if found:
            return found[0]
    return None


def name_language_encoder(
    path: Path, key: str, shape: Sequence[int], keys: Iterable[str], metadata: Mapping[str, str]
) -> str:
    """Return the encoder that a table belongs to, by what lies beside the file, its header, or its layers.

    Raises: FileError where it is none that is known, or one of another width than those that are.
    """
    group = _group(path, key, shape, list(keys), metadata)
    width = shape[1]
    kinds = [kind for kind in ENCODERS.values() if kind.group == group]
    if len(kinds) == 1:
        return kinds[0].key
    fitting = [kind for kind in kinds if kind.width == width]
    if not fitting:
        raise FileError(
            f"{path.name} holds a {GROUPS[group]} of {width:,} columns; known are {_list(kinds)}."
        )
    return fitting[0].key


def find_tokenizer_beside(place: Path) -> Path | None:
    """Return the tokenizer's file beside an encoder's file or in its folder, or in its twin of a diffusers folder."""
    folder = place if is_folder(place) else place.parent
    twin = folder.parent / folder.name.replace("text_encoder", "tokenizer")
    for candidate in dict.fromkeys((folder, twin)):
        for name in TOKENIZER_FILES:
            if is_file(candidate / name):
                return candidate / name
    return None


def _ends_with(key: str, ending: str) -> bool:
    return key == ending or key.endswith("." + ending)


def _group(path: Path, key: str, shape: Sequence[int], keys: Sequence[str], metadata: Mapping[str, str]) -> str:
    said = metadata.get("general.architecture") or _model_type(path.parent)
    group = GROUP_OF_TYPE.get(said, "") or _group_of_layers(key, keys, shape)
    if not group or _is_mt5(said, shape, keys):
        raise FileError(f"{path.name} holds a text encoder that embmerge does not know.")
    return _kind_of_t5(said, shape) if group in ("t5", "umt5") else group


def _is_mt5(said: str, shape: Sequence[int], keys: Sequence[str]) -> bool:
    """Return whether it is mT5, of Hunyuan DiT, whose words are others than UMT5's: 250,112.

    Each of UMT5's blocks has a bias of its own for the distance of tokens, of mT5's only the first.
    Source: transformers models/umt5/modeling_umt5.py, models/mt5/modeling_mt5.py.
    """
    if said == "mt5":
        return True
    second = [key for key in keys if _SECOND_BLOCK.search(key)]
    is_told = shape[0] >= MULTILINGUAL and said != "umt5" and bool(second)
    return is_told and not any(_DISTANCES.search(key) for key in second)


def _kind_of_t5(said: str, shape: Sequence[int]) -> str:
    """Return which T5 a table is of. Pile-T5 is built as UMT5 is; ComfyUI, too, takes one of its width for it.

    Source: comfy/sd.py at 4f874c5e, `detect_te_model`, and comfy/text_encoders/t5_pile_config_xl.json.
    """
    rows, width = shape
    if rows >= MULTILINGUAL:
        return "umt5"
    return "pile_t5" if said == "umt5" or width == ENCODERS["pile_t5xl"].width else "t5"


def _group_of_layers(key: str, keys: Sequence[str], shape: Sequence[int]) -> str:
    ending = next(ending for ending in ENDINGS if _ends_with(key, ending))
    beginning = key[: len(key) - len(ending)]
    layers = [other for other in keys if other.startswith(beginning)]

    def has(part: str) -> bool:
        return any(part in other for other in layers)

    if has("SelfAttention"):
        return "t5"
    if has("post_feedforward_layernorm"):
        return "gemma3" if has("q_norm") else "gemma2"
    if has("q_norm"):
        return "qwen3"
    if has("q_proj.bias"):
        return "qwen25"
    if has("self_attn.q_proj"):
        return "mistral3" if shape[1] == ENCODERS["mistral3_24b"].width else "llama"
    return ""


def _model_type(folder: Path) -> str:
    """Return what transformers' configuration in a folder calls its model; empty where there is none."""
    path = folder / "config.json"
    if not is_file(path):
        return ""
    try:
        content = json.loads(read_small_text(path))
    except (FileError, ValueError, RecursionError):
        return ""
    return str(content.get("model_type", "")) if isinstance(content, dict) else ""


def _list(kinds: Sequence[EncoderKind]) -> str:
    return ", ".join(f"{kind.width:,} ({kind.key})" for kind in kinds)
